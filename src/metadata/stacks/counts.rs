//! What became of the guests' segments and connections.

macro_rules! counts {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)*) => {
        /// What became of segments and connections.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts { $($(#[doc = $doc])+ pub $name: u64,)* }

        impl Counts {
            /// Name and count of each.
            pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$(($text, self.$name),)*].into_iter()
            }
        }
    };
}

counts! {
    /// Connections that were opened.
    opened = "metadata-connections",
    /// SYNs dropped because the guest had all the connections that it may have.
    guest_full = "metadata-guest-full",
    /// SYNs dropped because all connections of the service were taken.
    full = "metadata-full",
    /// Segments of no connection, answered by a reset.
    reset = "metadata-reset",
    /// Segments that are none, or of a guest that is in the table no more.
    refused = "metadata-refused",
    /// Connections cut off because nothing moved.
    stalled = "metadata-stalled",
}
