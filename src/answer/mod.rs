//! The pure function: one frame and the lease table in, the octets of the answer out.

mod reason;

pub use reason::{AnswerKind, Reason, Verdict};
