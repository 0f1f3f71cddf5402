//! What is asked for, read from the subject of a request.

/// A request of the API, without its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call<'a> {
    /// What an account uses and may use.
    AccountInfo,
    /// The names of streams.
    StreamNames,
    /// All about streams.
    StreamList,
    /// Something with one stream.
    Stream {
        /// What.
        action: StreamAction,
        /// Which.
        stream: &'a str,
    },
    /// A consumer is made or changed.
    ConsumerCreate {
        /// Whose.
        stream: &'a str,
        /// Its name; one is made up when it is left out.
        consumer: Option<&'a str>,
        /// The filter, which permissions can be about. It is also in the body.
        filter: Option<&'a str>,
    },
    /// A durable consumer is made or changed, as old clients ask for it.
    DurableCreate {
        /// Whose.
        stream: &'a str,
        /// Its name.
        consumer: &'a str,
    },
    /// Something with one consumer.
    Consumer {
        /// What.
        action: ConsumerCall,
        /// Whose.
        stream: &'a str,
        /// Which.
        consumer: &'a str,
    },
    /// A stored message, answered with the message itself.
    DirectGet {
        /// Of which stream.
        stream: &'a str,
        /// The last of this subject; what to get is in the body otherwise.
        subject: Option<&'a str>,
    },
}

/// Makes an enum of what one word or several of a subject ask for.
macro_rules! actions {
    ($(#[$about:meta])* pub enum $name:ident { $($(#[$value_about:meta])* $value:ident = $words:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$value_about])* $value,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$value),*];

            /// The words of the subject after `$JS.API.`.
            pub fn words(self) -> &'static str {
                match self {
                    $(Self::$value => $words,)*
                }
            }
        }
    };
}

actions! {
    /// What is done with one stream.
    pub enum StreamAction {
        /// It is made.
        Create = "STREAM.CREATE",
        /// It gets another configuration.
        Update = "STREAM.UPDATE",
        /// It is looked at.
        Info = "STREAM.INFO",
        /// It goes away with all its messages.
        Delete = "STREAM.DELETE",
        /// Messages go away.
        Purge = "STREAM.PURGE",
        /// One message is shown.
        MessageGet = "STREAM.MSG.GET",
        /// One message goes away.
        MessageDelete = "STREAM.MSG.DELETE",
        /// It is copied out.
        Snapshot = "STREAM.SNAPSHOT",
        /// It is made from a copy.
        Restore = "STREAM.RESTORE",
        /// Another server of a cluster shall lead it.
        LeaderStepdown = "STREAM.LEADER.STEPDOWN",
        /// A server of a cluster shall lose its copy.
        PeerRemove = "STREAM.PEER.REMOVE",
        /// A server of a cluster shall be left.
        PeerEvacuate = "STREAM.PEER.EVACUATE",
        /// It shall stay where it is in a cluster.
        CancelMove = "STREAM.CANCEL_MOVE",
        /// The names of its consumers are listed.
        ConsumerNames = "CONSUMER.NAMES",
        /// Its consumers are listed.
        ConsumerList = "CONSUMER.LIST",
    }
}

actions! {
    /// What is done with one consumer.
    pub enum ConsumerCall {
        /// It is looked at.
        Info = "CONSUMER.INFO",
        /// It goes away.
        Delete = "CONSUMER.DELETE",
        /// It delivers nothing for a while.
        Pause = "CONSUMER.PAUSE",
        /// It begins again.
        Reset = "CONSUMER.RESET",
        /// Another client is preferred.
        Unpin = "CONSUMER.UNPIN",
        /// Messages are asked for.
        MessageNext = "CONSUMER.MSG.NEXT",
        /// Another server of a cluster shall lead it.
        LeaderStepdown = "CONSUMER.LEADER.STEPDOWN",
        /// A server of a cluster shall lose its copy.
        PeerRemove = "CONSUMER.PEER.REMOVE",
        /// A server of a cluster shall be left.
        PeerEvacuate = "CONSUMER.PEER.EVACUATE",
    }
}

const PREFIX: &str = "$JS.API.";

impl<'a> Call<'a> {
    /// Reads the subject of a request. None when nothing answers to it: servers are silent then.
    ///
    /// A server that has a domain answers to `$JS.<domain>.API.` as well.
    pub fn parse(subject: &'a [u8], domain: Option<&str>) -> Option<Self> {
        let subject = str::from_utf8(subject).ok()?;
        let words = subject.strip_prefix(PREFIX).or_else(|| {
            let after = subject.strip_prefix("$JS.")?.strip_prefix(domain?)?;
            after.strip_prefix(".API.")
        })?;
        match words {
            "INFO" => return Some(Self::AccountInfo),
            "STREAM.NAMES" => return Some(Self::StreamNames),
            "STREAM.LIST" => return Some(Self::StreamList),
            _ => {}
        }
        if let Some(rest) = words.strip_prefix("DIRECT.GET.") {
            let (stream, subject) = split_first(rest);
            return one_token(stream).then_some(Self::DirectGet { stream, subject });
        }
        if let Some(rest) = words.strip_prefix("CONSUMER.DURABLE.CREATE.") {
            let (stream, consumer) = two_tokens(rest)?;
            return Some(Self::DurableCreate { stream, consumer });
        }
        if let Some(rest) = words.strip_prefix("CONSUMER.CREATE.") {
            return Self::consumer_create(rest);
        }
        let after = |action: &str| words.strip_prefix(action)?.strip_prefix('.');
        for &action in StreamAction::ALL {
            if let Some(stream) = after(action.words()) {
                return one_token(stream).then_some(Self::Stream { action, stream });
            }
        }
        for &action in ConsumerCall::ALL {
            if let Some(rest) = after(action.words()) {
                let (stream, consumer) = two_tokens(rest)?;
                return Some(Self::Consumer {
                    action,
                    stream,
                    consumer,
                });
            }
        }
        None
    }

    fn consumer_create(rest: &'a str) -> Option<Self> {
        let (stream, rest) = split_first(rest);
        let (consumer, filter) = match rest.map(split_first) {
            Some((consumer, filter)) => (Some(consumer), filter),
            None => (None, None),
        };
        let named = consumer.is_none_or(one_token);
        let filtered = filter.is_none_or(|filter| !filter.split('.').any(str::is_empty));
        (one_token(stream) && named && filtered).then_some(Self::ConsumerCreate {
            stream,
            consumer,
            filter,
        })
    }

    /// The middle of the answer's type: `io.nats.jetstream.api.v1.<this>_response`.
    pub fn response_name(&self) -> &'static str {
        match self {
            Self::AccountInfo => "account_info",
            Self::StreamNames => "stream_names",
            Self::StreamList => "stream_list",
            Self::ConsumerCreate { .. } | Self::DurableCreate { .. } => "consumer_create",
            // What a message or a status answers has no type; the name is for the records.
            Self::DirectGet { .. } => "direct_get",
            Self::Stream { action, .. } => action.response_name(),
            Self::Consumer { action, .. } => action.response_name(),
        }
    }
}

impl StreamAction {
    fn response_name(self) -> &'static str {
        match self {
            Self::Create => "stream_create",
            Self::Update => "stream_update",
            Self::Info => "stream_info",
            Self::Delete => "stream_delete",
            Self::Purge => "stream_purge",
            Self::MessageGet => "stream_msg_get",
            Self::MessageDelete => "stream_msg_delete",
            Self::Snapshot => "stream_snapshot",
            Self::Restore => "stream_restore",
            Self::LeaderStepdown => "stream_leader_stepdown",
            Self::PeerRemove => "stream_remove_peer",
            Self::PeerEvacuate => "stream_evacuate_peer",
            Self::CancelMove => "stream_cancel_move",
            Self::ConsumerNames => "consumer_names",
            Self::ConsumerList => "consumer_list",
        }
    }

    /// Whether only a cluster can do it.
    pub fn needs_cluster(self) -> bool {
        matches!(
            self,
            Self::LeaderStepdown | Self::PeerRemove | Self::PeerEvacuate | Self::CancelMove
        )
    }
}

impl ConsumerCall {
    fn response_name(self) -> &'static str {
        match self {
            Self::Info => "consumer_info",
            Self::Delete => "consumer_delete",
            Self::Pause => "consumer_pause",
            Self::Reset => "consumer_reset",
            Self::Unpin => "consumer_unpin",
            Self::MessageNext => "consumer_getnext",
            Self::LeaderStepdown => "consumer_leader_stepdown",
            Self::PeerRemove => "consumer_remove_peer",
            Self::PeerEvacuate => "consumer_evacuate_peer",
        }
    }

    /// Whether only a cluster can do it.
    pub fn needs_cluster(self) -> bool {
        matches!(self, Self::LeaderStepdown | Self::PeerRemove | Self::PeerEvacuate)
    }
}

fn one_token(text: &str) -> bool {
    !text.is_empty() && !text.contains('.')
}

fn split_first(text: &str) -> (&str, Option<&str>) {
    match text.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (text, None),
    }
}

fn two_tokens(text: &str) -> Option<(&str, &str)> {
    let (first, second) = text.split_once('.')?;
    (one_token(first) && one_token(second)).then_some((first, second))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(subject: &str) -> Option<Call<'_>> {
        Call::parse(subject.as_bytes(), None)
    }

    #[test]
    fn every_action_is_read_from_its_subject() {
        for &action in StreamAction::ALL {
            let subject = format!("$JS.API.{}.S", action.words());
            let expected = Call::Stream { action, stream: "S" };
            assert_eq!(parse(&subject), Some(expected), "{subject}");
            assert_eq!(parse(&format!("{subject}.more")), None);
        }
        for &action in ConsumerCall::ALL {
            let subject = format!("$JS.API.{}.S.C", action.words());
            let expected = Call::Consumer {
                action,
                stream: "S",
                consumer: "C",
            };
            assert_eq!(parse(&subject), Some(expected), "{subject}");
            assert_eq!(parse(&format!("$JS.API.{}.S", action.words())), None);
            assert_eq!(parse(&format!("{subject}.more")), None);
        }
    }

    #[test]
    fn a_consumer_may_be_made_with_its_name_and_filter_in_the_subject() {
        let create = |stream, consumer, filter| {
            Some(Call::ConsumerCreate {
                stream,
                consumer,
                filter,
            })
        };
        assert_eq!(parse("$JS.API.CONSUMER.CREATE.S"), create("S", None, None));
        assert_eq!(parse("$JS.API.CONSUMER.CREATE.S.C"), create("S", Some("C"), None));
        assert_eq!(
            parse("$JS.API.CONSUMER.CREATE.S.C.a.*.>"),
            create("S", Some("C"), Some("a.*.>"))
        );
        assert_eq!(parse("$JS.API.CONSUMER.CREATE.S.C..b"), None);
    }

    #[test]
    fn only_the_own_domain_is_answered_to() {
        let own = |subject: &'static str| Call::parse(subject.as_bytes(), Some("hub"));
        assert_eq!(own("$JS.hub.API.INFO"), Some(Call::AccountInfo));
        assert_eq!(own("$JS.API.INFO"), Some(Call::AccountInfo));
        assert_eq!(own("$JS.leaf.API.INFO"), None);
        assert_eq!(parse("$JS.hub.API.INFO"), None);
    }

    proptest! {
        #[test]
        fn any_subject_is_read_or_not(subject in r"(\$JS\.API\.)?[A-Z.]{0,40}") {
            let _ = parse(&subject);
        }
    }
}
