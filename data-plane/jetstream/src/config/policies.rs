//! The policies of streams and consumers.

use crate::config::words::{can_not_unmarshal, words};

words! {
    /// Which messages of a stream are kept.
    pub enum Retention, refused as can_not_unmarshal, {
        /// All, until a limit is reached.
        #[default]
        Limits = "limits",
        /// Those that some consumer has not acknowledged.
        Interest = "interest",
        /// Those that the one consumer of their subject has not acknowledged.
        WorkQueue = "workqueue",
    }
}

words! {
    /// What gives way when a stream is full.
    pub enum Discard, refused as can_not_unmarshal, {
        /// The oldest message.
        #[default]
        Old = "old",
        /// The new message: it is refused.
        New = "new",
    }
}

words! {
    /// Where messages are kept.
    pub enum Storage, refused as can_not_unmarshal, {
        /// On disk.
        #[default]
        File = "file",
        /// In memory alone: gone with the process.
        Memory = "memory",
    }
}

words! {
    /// How messages are packed. They are stored as they are with either.
    pub enum Compression, refused as |_| "unknown compression algorithm".to_owned(), {
        /// Not at all.
        #[default]
        None = "none",
        /// With s2.
        S2 = "s2",
    }
}

words! {
    /// When a publisher is told that a message is stored.
    pub enum PersistMode, refused as can_not_unmarshal, {
        /// When it is on disk.
        #[default]
        Default = "default" or "",
        /// Before.
        Async = "async",
    }
}

words! {
    /// The first message of a consumer.
    pub enum DeliverPolicy, refused as can_not_unmarshal, {
        /// The first there is.
        #[default]
        All = "all" or "undefined",
        /// The last there is.
        Last = "last",
        /// The next that is published.
        New = "new",
        /// One with a given sequence, or the first after it.
        ByStartSequence = "by_start_sequence",
        /// The first from a given time on.
        ByStartTime = "by_start_time",
        /// The last of each subject.
        LastPerSubject = "last_per_subject",
    }
}

words! {
    /// What a consumer has to be told about messages.
    pub enum AckPolicy, refused as can_not_unmarshal, {
        /// Nothing.
        #[default]
        None = "none",
        /// The last that was dealt with; it stands for all before.
        All = "all",
        /// Each.
        Explicit = "explicit",
        /// The same as `All`, by answering flow control.
        FlowControl = "flow_control",
    }
}

words! {
    /// How fast stored messages are delivered.
    pub enum ReplayPolicy, refused as can_not_unmarshal, {
        /// As fast as they are taken.
        #[default]
        Instant = "instant",
        /// With the pauses between them that they were published with.
        Original = "original",
    }
}

words! {
    /// Who of several that pull gets a message.
    pub enum PriorityPolicy, refused as |written| format!("unknown priority policy: {written}"), {
        /// Whoever asked first.
        #[default]
        None = "none",
        /// Who asked first, or who asked for what is left over.
        Overflow = "overflow",
        /// One at a time, until it goes away.
        PinnedClient = "pinned_client",
        /// Who has the lowest number.
        Prioritized = "prioritized",
    }
}

words! {
    /// What a request for a consumer may do.
    pub enum ConsumerAction, refused as |written| format!("unknown consumer action: {written}"), {
        /// Make it, or change the one there is.
        #[default]
        CreateOrUpdate = "",
        /// Make it; the same one may be there already.
        Create = "create",
        /// Change the one there is.
        Update = "update",
    }
}
