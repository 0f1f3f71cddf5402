//! Typed ids: UUIDv7 with a prefix that says what they name.
//!
//! The text form is the prefix and 32 lower-case hex digits (`acc_0197...`). There is exactly one text
//! per id, so texts may be compared; other spellings of the same number are refused.

use std::fmt;

use uuid::Uuid;

/// What all typed ids can do.
pub trait Id: Copy + Eq + Ord + fmt::Display + Send + Sync + 'static {
    /// What the text form begins with, such as `acc_`.
    const PREFIX: &'static str;

    /// The id with this number, as the database holds it.
    fn from_uuid(uuid: Uuid) -> Self;

    /// The number, as the database holds it.
    fn uuid(self) -> Uuid;
}

/// A text that is not an id of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text does not begin with the kind's prefix; perhaps it is an id of something else.
    #[error("an id here begins with {expected:?}")]
    WrongPrefix {
        /// The prefix of the kind that was asked for.
        expected: &'static str,
    },
    /// The prefix is not followed by exactly 32 lower-case hex digits.
    #[error("an id here is {expected:?} and 32 lower-case hex digits")]
    NotHex {
        /// The prefix of the kind that was asked for.
        expected: &'static str,
    },
}

/// The number behind `prefix`, or why there is none.
fn parse(text: &str, prefix: &'static str) -> Result<Uuid, IdError> {
    let digits = text
        .strip_prefix(prefix)
        .ok_or(IdError::WrongPrefix { expected: prefix })?;
    let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digits.len() != 32 || !digits.bytes().all(lower_hex) {
        return Err(IdError::NotHex { expected: prefix });
    }
    Uuid::try_parse(digits).map_err(|_| IdError::NotHex { expected: prefix })
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id from the time (milliseconds since 1970) and random bytes.
            ///
            /// Ids made later compare greater, to the millisecond, which is what lists page by.
            pub fn new(unix_ms: u64, random: [u8; 10]) -> Self {
                Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid())
            }

            /// The id with this number, as the database holds it.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The number, as the database holds it.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl Id for $name {
            const PREFIX: &'static str = $prefix;

            fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(text, $prefix).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A tenant.
    OrganizationId, "org_"
);
id!(
    /// A NATS account.
    AccountId, "acc_"
);
id!(
    /// A NATS user of an account.
    UserId, "usr_"
);
id!(
    /// One handing-out of credentials for a user.
    IssuanceId, "iss_"
);
id!(
    /// A failure and capacity domain that serves accounts.
    CellId, "cel_"
);
id!(
    /// A node process's identity, through restarts and new certificates.
    NodeId, "nod_"
);
id!(
    /// A token for the API.
    ApiTokenId, "tok_"
);
id!(
    /// A signed-in browser.
    SessionId, "ses_"
);
id!(
    /// A one-time link that signs a browser in.
    SignInLinkId, "lnk_"
);
id!(
    /// An entry of the audit log.
    AuditEventId, "aud_"
);
id!(
    /// The operator of this installation.
    OperatorId, "opr_"
);
id!(
    /// The built-in certificate authority.
    CertificateAuthorityId, "cau_"
);
id!(
    /// One fleet stream of a node, from its Hello to its end. Tells the newest stream from the one it
    /// replaced, when the old one ends later than the new one began.
    AttachmentId, "att_"
);

/// One run of a node process: made anew at each start and never used again.
///
/// Nodes send it as an ordinary hyphenated UUID, and it is written so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootId(Uuid);

impl BootId {
    /// The boot with this number.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The number.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.hyphenated())
    }
}

impl std::str::FromStr for BootId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_of_another_kind_is_refused_with_the_expected_prefix() {
        let account = AccountId::new(1, [1; 10]).to_string();
        assert_eq!(
            account.parse::<UserId>(),
            Err(IdError::WrongPrefix { expected: "usr_" })
        );
    }

    #[test]
    fn other_spellings_of_the_same_number_are_refused() {
        let id = AccountId::new(1_750_000_000_000, [0xab; 10]).to_string();
        let hyphenated = format!("acc_{}", AccountId::new(1, [0; 10]).uuid().hyphenated());
        for text in [
            id.to_uppercase().replace("ACC_", "acc_"),
            hyphenated,
            format!("{id}0"),
            "acc_".into(),
        ] {
            assert_eq!(
                text.parse::<AccountId>(),
                Err(IdError::NotHex { expected: "acc_" }),
                "{text}"
            );
        }
    }

    #[test]
    fn ids_are_version_seven_and_in_the_order_of_their_time() {
        let (early, late) = (AccountId::new(1_000, [0xff; 10]), AccountId::new(1_001, [0; 10]));
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(early.uuid().get_version_num(), 7);
    }

    #[test]
    fn json_holds_the_text_form() {
        let id = NodeId::new(5, [3; 10]);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<NodeId>(&json).unwrap(), id);
        assert!(serde_json::from_str::<CellId>(&json).is_err());
    }

    proptest! {
        #[test]
        fn every_id_reads_back_from_its_text(ms in 0u64..(1 << 48), random: [u8; 10]) {
            let id = IssuanceId::new(ms, random);
            prop_assert_eq!(id.to_string().parse::<IssuanceId>(), Ok(id));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = text.parse::<AccountId>();
        }
    }
}
