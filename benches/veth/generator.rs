//! Guests in a closed loop.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use frontdesk::io::packet::{BATCH, Front, Port, Socket};

use crate::frames::Conversation;
use crate::support::guest_of;

/// Conversations under way.
const WINDOW: usize = 512;
/// Without an answer for so long, what is on its way counts as lost.
const LOST: Duration = Duration::from_millis(200);

/// Silence after which nothing is on its way any more.
const SETTLED: Duration = Duration::from_millis(5);

/// What came back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heard {
    /// Conversations whose last answer came.
    pub(crate) complete: u64,
    /// Conversations that waited for an answer in vain.
    pub(crate) lost: u64,
    /// Answers of another kind than is due.
    pub(crate) wrong: u64,
}

/// A guest that says nothing.
const SILENT: usize = usize::MAX;

pub(crate) struct Generator<'c> {
    conversation: &'c Conversation,
    /// The step that each guest waits for the answer of.
    states: Vec<usize>,
    next: usize,
    waiting: usize,
    /// Guests whose next step is due.
    due: VecDeque<usize>,
    port: Port,
    socket: Arc<Socket>,
}

impl<'c> Generator<'c> {
    pub(crate) fn new(port: Port, conversation: &'c Conversation) -> Self {
        let guests = conversation.steps.first().map_or(0, |step| step.frames.len());
        assert!(guests > WINDOW, "no guest begins anew before it is done");
        let (states, due, socket) = (vec![SILENT; guests], VecDeque::new(), Arc::clone(port.socket()));
        Self { conversation, states, next: 0, waiting: 0, due, port, socket }
    }

    /// Plays for `span`, and says what came of it.
    pub(crate) fn run(&mut self, span: Duration) -> Heard {
        let start = Instant::now();
        let mut heard = Heard::default();
        let mut last = start;
        self.forget();
        while start.elapsed() < span {
            let sent = self.send();
            if self.hear(&mut heard) > 0 {
                last = Instant::now();
            } else if last.elapsed() > LOST {
                heard.lost += self.waiting as u64;
                self.forget();
                last = Instant::now();
            } else if sent == 0 {
                std::thread::yield_now();
            }
        }
        self.settle();
        heard
    }

    /// Hears what is on its way, so that it is not taken for an answer to what is asked next.
    fn settle(&mut self) {
        let mut last = Instant::now();
        while last.elapsed() < SETTLED {
            if self.hear(&mut Heard::default()) > 0 {
                last = Instant::now();
            }
        }
    }

    /// What is on its way is waited for no more.
    fn forget(&mut self) {
        self.states.fill(SILENT);
        self.due.clear();
        self.waiting = 0;
    }

    /// Sends a batch: next steps first, then guests that begin.
    fn send(&mut self) -> usize {
        while self.due.len() < BATCH && self.waiting < WINDOW {
            let guest = self.next;
            self.next = (self.next + 1) % self.states.len();
            self.states[guest] = 0;
            self.due.push_back(guest);
            self.waiting += 1;
        }
        let count = self.due.len().min(BATCH);
        let mut frames: [&[u8]; BATCH] = [&[]; BATCH];
        for (frame, guest) in frames.iter_mut().zip(self.due.drain(..count)) {
            *frame = &self.conversation.steps[self.states[guest]].frames[guest];
        }
        self.socket.send(&frames[..count]);
        count
    }

    /// Takes all answers that wait.
    fn hear(&mut self, heard: &mut Heard) -> usize {
        let mut count = 0;
        while let Some(front) = self.port.front() {
            let Self { conversation, states, due, waiting, .. } = self;
            if let Front::Frame(frame) = front
                && let Some(guest) = guest_of(frame.octets).map(|guest| guest as usize)
                && let Some(state) = states.get_mut(guest).filter(|state| **state != SILENT)
                && let Some(is_answer) = conversation.steps[*state].is_answer(frame.octets)
            {
                count += 1;
                if !is_answer {
                    heard.wrong += 1;
                } else if *state + 1 < conversation.steps.len() {
                    *state += 1;
                    due.push_back(guest);
                } else {
                    *state = SILENT;
                    heard.complete += 1;
                    *waiting -= 1;
                }
            }
            self.port.release();
        }
        count
    }
}
