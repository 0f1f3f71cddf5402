//! What is asked of the node on `$SYS.REQ.>`, by the subject alone.

/// Where questions to the node are.
pub(crate) const QUESTIONS: &[u8] = b"$SYS.REQ.>";
const PREFIX: &str = "$SYS.REQ.";

/// A question that somebody answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SystemRequest {
    /// Who the asker is, and what it may do.
    UserInfo,
    /// About the node.
    Server {
        /// What.
        topic: ServerTopic,
        /// The question names this node. Others are for all nodes that the body does not exclude.
        named: bool,
    },
    /// About an account, by the name that INFO says.
    Account(String, AccountTopic),
    /// The numbers of several accounts, or of the asker's own.
    Accounts,
    /// The connections of the asker's own account.
    OwnConnections,
}

/// What a node tells or does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerTopic {
    /// Its name and id.
    Idz,
    /// Its totals.
    Statsz,
    /// Its settings and totals.
    Varz,
    /// Its connections.
    Connz,
    /// Its subscriptions.
    Subsz,
    /// Its accounts.
    Accountz,
    /// That it works.
    Healthz,
    /// The servers of its cluster.
    Routez,
    /// Other clusters.
    Gatewayz,
    /// Its leaf nodes.
    Leafz,
    /// Read the configuration again.
    Reload,
    /// Close a connection.
    Kick,
    /// Send a client elsewhere.
    LameDuck,
}

/// What is told of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountTopic {
    /// Its connections.
    Connz,
    /// Its subscriptions.
    Subsz,
    /// What it is.
    Info,
    /// Its numbers, as the event says them.
    Conns,
    /// Its numbers.
    Statz,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AskedIn {
    /// The system account, by one of its own users.
    System,
    /// The system account, by somebody of another account whom it lets ask there.
    SystemFromOutside,
    /// Any other account, by one of its own users.
    Tenant,
}

impl SystemRequest {
    /// What a subject asks of the node with this id. None when nobody answers that.
    pub(crate) fn parse(subject: &[u8], server_id: &str, asked: AskedIn) -> Option<Self> {
        let words = std::str::from_utf8(subject).ok()?.strip_prefix(PREFIX)?;
        match words {
            "USER.INFO" => return Some(Self::UserInfo),
            "ACCOUNT.PING.STATZ" => return Some(Self::Accounts),
            "ACCOUNT.PING.CONNZ" => return Some(Self::OwnConnections),
            // To all servers, and each tells what is the asker's.
            "SERVER.PING.CONNZ" if asked != AskedIn::System => return Some(Self::OwnConnections),
            _ if asked == AskedIn::Tenant => return None,
            _ => {}
        }
        if words == "SERVER.PING" {
            let topic = ServerTopic::Statsz;
            return Some(Self::Server { topic, named: false });
        }
        if let Some(rest) = words.strip_prefix("SERVER.") {
            let (server, topic) = rest.split_once('.')?;
            let named = server == server_id;
            if !named && server != "PING" {
                return None;
            }
            let topic = ServerTopic::parse(topic, named && asked == AskedIn::System)?;
            return Some(Self::Server { topic, named });
        }
        let (account, topic) = words.strip_prefix("ACCOUNT.")?.rsplit_once('.')?;
        Some(Self::Account(account.to_owned(), AccountTopic::parse(topic)?))
    }
}

impl ServerTopic {
    /// `may_change`: what does something is for this node alone, and for who runs it.
    fn parse(word: &str, may_change: bool) -> Option<Self> {
        Some(match word {
            "IDZ" => Self::Idz,
            "STATSZ" => Self::Statsz,
            "VARZ" => Self::Varz,
            "CONNZ" => Self::Connz,
            "SUBSZ" => Self::Subsz,
            "ACCOUNTZ" => Self::Accountz,
            "HEALTHZ" => Self::Healthz,
            "ROUTEZ" => Self::Routez,
            "GATEWAYZ" => Self::Gatewayz,
            "LEAFZ" => Self::Leafz,
            "RELOAD" if may_change => Self::Reload,
            "KICK" if may_change => Self::Kick,
            "LDM" if may_change => Self::LameDuck,
            _ => return None,
        })
    }
}

impl AccountTopic {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "CONNZ" => Self::Connz,
            "SUBSZ" => Self::Subsz,
            "INFO" => Self::Info,
            "CONNS" => Self::Conns,
            "STATZ" => Self::Statz,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(asked: AskedIn, words: &str) -> Option<SystemRequest> {
        SystemRequest::parse(format!("$SYS.REQ.{words}").as_bytes(), "NODE", asked)
    }

    #[test]
    fn a_tenant_asks_about_itself_and_nothing_else() {
        let own = [
            ("USER.INFO", SystemRequest::UserInfo),
            ("ACCOUNT.PING.CONNZ", SystemRequest::OwnConnections),
            ("SERVER.PING.CONNZ", SystemRequest::OwnConnections),
            ("ACCOUNT.PING.STATZ", SystemRequest::Accounts),
        ];
        for (words, request) in own {
            assert_eq!(asks(AskedIn::Tenant, words), Some(request));
        }
        for words in [
            "SERVER.PING",
            "SERVER.PING.VARZ",
            "SERVER.NODE.CONNZ",
            "SERVER.NODE.KICK",
            "SERVER.NODE.LDM",
            "SERVER.NODE.RELOAD",
            "ACCOUNT.OTHER.CONNZ",
            "ACCOUNT.OTHER.INFO",
            "ACCOUNT.PING.SUBSZ",
            "USER.OTHER.INFO",
            "USER.INFO.",
            "",
        ] {
            assert_eq!(asks(AskedIn::Tenant, words), None, "{words}");
        }
    }

    #[test]
    fn only_the_system_account_does_something_to_the_node_that_it_names() {
        for (words, topic) in [
            ("KICK", ServerTopic::Kick),
            ("LDM", ServerTopic::LameDuck),
            ("RELOAD", ServerTopic::Reload),
        ] {
            let named = format!("SERVER.NODE.{words}");
            let request = SystemRequest::Server { topic, named: true };
            assert_eq!(asks(AskedIn::System, &named), Some(request));
            assert_eq!(asks(AskedIn::SystemFromOutside, &named), None);
            assert_eq!(asks(AskedIn::System, &format!("SERVER.PING.{words}")), None);
            assert_eq!(asks(AskedIn::System, &format!("SERVER.OTHER.{words}")), None);
        }
    }

    #[test]
    fn whom_the_system_account_lets_ask_hears_of_its_own_connections() {
        let asked = AskedIn::SystemFromOutside;
        assert_eq!(
            asks(asked, "SERVER.PING.CONNZ"),
            Some(SystemRequest::OwnConnections)
        );
        let of_another = SystemRequest::Account("A".to_owned(), AccountTopic::Info);
        assert_eq!(asks(asked, "ACCOUNT.A.INFO"), Some(of_another));
    }

    #[test]
    fn questions_to_all_servers_and_to_one_are_told_apart() {
        for (words, topic, named) in [
            ("SERVER.PING", ServerTopic::Statsz, false),
            ("SERVER.PING.IDZ", ServerTopic::Idz, false),
            ("SERVER.NODE.STATSZ", ServerTopic::Statsz, true),
            ("SERVER.PING.HEALTHZ", ServerTopic::Healthz, false),
        ] {
            let request = SystemRequest::Server { topic, named };
            assert_eq!(asks(AskedIn::System, words), Some(request), "{words}");
        }
        for words in [
            "SERVER.NODE",
            "SERVER.NODE.PING",
            "SERVER.PING.NOPE",
            "SERVER.name.IDZ",
            "SERVER",
        ] {
            assert_eq!(asks(AskedIn::System, words), None, "{words}");
        }
    }

    #[test]
    fn names_of_accounts_may_have_dots() {
        let request = SystemRequest::Account("my.own".to_owned(), AccountTopic::Statz);
        assert_eq!(asks(AskedIn::System, "ACCOUNT.my.own.STATZ"), Some(request));
        assert_eq!(asks(AskedIn::System, "ACCOUNT.A.NOPE"), None);
    }
}
