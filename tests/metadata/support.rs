#[path = "../support/netns.rs"]
pub(crate) mod netns;
