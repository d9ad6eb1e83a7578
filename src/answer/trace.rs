//! Why an answer is as it is: notes that `explain` prints and that cost nothing elsewhere; and what guests tell.

use super::event::Event;
use crate::lease::PortId;

/// Receives the reasons of an answer while it is made.
pub trait Trace {
    /// False where nobody reads, so that work for notes alone is left out.
    const READS: bool = true;

    /// Takes one note; the closure is run only where somebody reads it.
    fn note(&mut self, note: impl FnOnce() -> String);

    /// Takes the port whose guest asks, before it is answered; by default nobody wants to know.
    #[inline(always)]
    fn found(&mut self, _: PortId) {}

    /// Takes what a guest told; by default nobody wants to know.
    #[inline(always)]
    fn event(&mut self, _: impl FnOnce() -> Event) {}
}

/// Nobody reads: every note compiles to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Trace for Silent {
    const READS: bool = false;

    #[inline(always)]
    fn note(&mut self, _: impl FnOnce() -> String) {}
}

/// Keeps every note in order.
#[derive(Clone, Debug, Default)]
pub struct Notes(pub Vec<String>);

impl Trace for Notes {
    fn note(&mut self, note: impl FnOnce() -> String) {
        self.0.push(note());
    }
}
