//! Users that a configuration lists, in place of JWTs: who may log in, and as what.
//!
//! [`UserList::identify`] answers at once where it can. A bcrypt hash takes a processor for a
//! tenth of a second and more, so what has to be checked against one is handed out as a
//! [`Question`], which [`hashing`] answers on a thread where no client waits.
//!
//! Nobody learns from the time of a refusal whether a name exists: as soon as one password of the
//! list is a hash, every refusal costs as much as the dearest of them.

pub(crate) mod hashing;
mod password;

use std::collections::HashMap;
use std::sync::Arc;

use tollway_claims::{
    ConnectionType, PermissionError, PermissionSet, Permissions, PublicKey, UserLimits, verify_nonce,
};
use tollway_wire::ConnectOptions;
use zeroize::Zeroizing;

pub use self::password::InvalidPassword;
use self::password::Password;
use super::refusals::Refusal;
use super::user::{Origin, User};
use crate::transport::{ClientCertificate, Mapping};

/// A user as a configuration lists it.
#[derive(Debug, Clone)]
pub struct ListedUser {
    /// How it is known and what proves that it is the one.
    pub proof: ListedProof,
    /// The account that it is in.
    pub account: PublicKey,
    /// What it may do; everything when nothing is said.
    pub permissions: Permissions,
    /// How it may connect; in every way when empty.
    pub connection_types: Vec<ConnectionType>,
    /// Only through a proxy that is trusted, and none is.
    pub proxy_required: bool,
}

/// What a user shows.
#[derive(Debug, Clone)]
pub enum ListedProof {
    /// A name and a password, which is plain or a bcrypt hash. An empty one is shown by not showing any.
    Password {
        /// The name.
        name: String,
        /// The password.
        password: Zeroizing<String>,
    },
    /// A token that is enough alone, plain or as a bcrypt hash.
    Token(Zeroizing<String>),
    /// A signature with this key.
    Key(PublicKey),
}

impl ListedProof {
    /// The name, the key, or that it is a token.
    pub fn label(&self) -> String {
        match self {
            Self::Password { name, .. } => name.clone(),
            Self::Token(_) => "the token".to_owned(),
            Self::Key(key) => key.to_string(),
        }
    }
}

/// What lets clients in that show nothing.
#[derive(Debug, Clone, Default)]
pub enum Nobody {
    /// They are refused.
    #[default]
    Refused,
    /// They are this user, by its name or key.
    Is(String),
    /// Everybody is let into this account, whatever is shown.
    Everybody(PublicKey),
}

/// Why a list of users cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidUserList {
    /// A password.
    #[error("the password of {user}")]
    Password {
        /// Whose.
        user: String,
        /// What is wrong with it.
        #[source]
        source: InvalidPassword,
    },
    /// Permissions.
    #[error("the permissions of {user}")]
    Permissions {
        /// Whose.
        user: String,
        /// What is wrong with them.
        #[source]
        source: PermissionError,
    },
    /// The user of clients that show nothing is not listed.
    #[error("there is no user {0:?}, who clients are that show nothing")]
    NoSuchUser(String),
}

/// Everybody who may log in.
#[derive(Debug)]
pub struct UserList {
    named: HashMap<String, Arc<User>>,
    keyed: HashMap<PublicKey, Arc<User>>,
    token: Option<Arc<User>>,
    nobody: Option<Arc<User>>,
    everybody: Option<Arc<User>>,
    /// The password that costs most to check, when one costs anything.
    dearest: Option<Password>,
    system_account: Option<PublicKey>,
}

/// A user of the list as its clients hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// What it is called: its name, its key, or nothing for who shows a token or nothing at all.
    pub(crate) name: Option<String>,
    pub(crate) account: PublicKey,
    pub(crate) secret: Secret,
}

/// What proves that it is this user. Two are equal when the same proves both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    Password(Password),
    Token(Password),
    Key(PublicKey),
    None,
}

/// Who a client is, as far as that can be told at once.
pub(crate) enum Identified {
    As(Arc<User>),
    /// When somebody has checked a password.
    When(Question),
}

/// A password to be checked.
pub(crate) struct Question {
    password: Password,
    shown: Zeroizing<String>,
    /// Who it is if the password is right; nobody when that is of no interest.
    user: Option<Arc<User>>,
    refusal: Refusal,
}

impl Question {
    /// Takes as long as the dearest password of the list.
    pub(crate) fn answer(self) -> Result<Arc<User>, Refusal> {
        let right = self.password.is(&self.shown);
        self.user.filter(|_| right).ok_or(self.refusal)
    }
}

impl UserList {
    /// Prepares a list. Users have different labels; of two with the same the later one counts.
    ///
    /// # Errors
    /// When one of them could never log in as it is written, or could do more than is written.
    pub fn new(
        users: Vec<ListedUser>,
        nobody: Nobody,
        system_account: Option<PublicKey>,
    ) -> Result<Self, InvalidUserList> {
        let mut list = Self {
            named: HashMap::new(),
            keyed: HashMap::new(),
            token: None,
            nobody: None,
            everybody: None,
            dearest: None,
            system_account,
        };
        for user in users {
            list.add(user)?;
        }
        match nobody {
            Nobody::Refused => {}
            Nobody::Everybody(account) => list.everybody = Some(Arc::new(anybody(account))),
            Nobody::Is(label) => {
                let keyed = |key| list.keyed.get(&key);
                let user = list
                    .named
                    .get(&label)
                    .or_else(|| label.parse().ok().and_then(keyed));
                let user = user.ok_or(InvalidUserList::NoSuchUser(label))?;
                list.nobody = Some(Arc::new(shown_by_nothing(user)));
            }
        }
        Ok(list)
    }

    fn add(&mut self, user: ListedUser) -> Result<(), InvalidUserList> {
        let label = user.proof.label();
        let permissions =
            PermissionSet::compile(&user.permissions).map_err(|source| InvalidUserList::Permissions {
                user: label.clone(),
                source,
            })?;
        let mut prepare = |text: &str| {
            let password = Password::new(text).map_err(|source| InvalidUserList::Password {
                user: label.clone(),
                source,
            })?;
            if password.cost() > self.dearest.as_ref().and_then(Password::cost) {
                self.dearest = Some(password.clone());
            }
            Ok(password)
        };
        let secret = match &user.proof {
            ListedProof::Password { password, .. } => Secret::Password(prepare(password)?),
            ListedProof::Token(token) => Secret::Token(prepare(token)?),
            ListedProof::Key(key) => Secret::Key(*key),
        };
        let name = match &user.proof {
            ListedProof::Token(_) => None,
            _ => Some(label),
        };
        let listed = Arc::new(User {
            limits: Arc::new(UserLimits {
                permissions: user.permissions,
                allowed_connection_types: user
                    .connection_types
                    .iter()
                    .map(|kind| kind.as_str().to_owned())
                    .collect(),
                proxy_required: user.proxy_required,
                ..UserLimits::unlimited()
            }),
            permissions: Arc::new(permissions),
            expires_at: None,
            origin: Origin::Listed(Listed {
                name,
                account: user.account,
                secret,
            }),
        });
        match user.proof {
            ListedProof::Password { name, .. } => _ = self.named.insert(name, listed),
            ListedProof::Token(_) => self.token = Some(listed),
            ListedProof::Key(key) => _ = self.keyed.insert(key, listed),
        }
        Ok(())
    }

    /// Whether clients are told to authenticate. Those who need not are not told, also when they may.
    pub(crate) fn asks(&self) -> bool {
        self.everybody.is_none() && self.nobody.is_none()
    }

    /// The same, of a client that is in already.
    pub(crate) fn knows_users(&self) -> bool {
        self.everybody.is_none()
    }

    /// Whether clients may have to sign something.
    pub(crate) fn takes_signatures(&self) -> bool {
        !self.keyed.is_empty()
    }

    pub(crate) fn system_account(&self) -> Option<PublicKey> {
        self.system_account
    }

    /// Who a client is that says this in CONNECT.
    pub(crate) fn identify(
        &self,
        options: &ConnectOptions,
        nonce: &str,
        connection_type: ConnectionType,
        mapping: Mapping<'_>,
    ) -> Result<Identified, Refusal> {
        if let Some(everybody) = &self.everybody {
            return Ok(Identified::As(everybody.clone()));
        }
        let said = |option: &Option<String>| option.as_ref().is_some_and(|text| !text.is_empty());
        if said(&options.nkey) {
            let user = self.keyed(options, nonce)?;
            return admissible(user, connection_type).map(Identified::As);
        }
        if let Mapping::By(certificate) = mapping {
            let Some(certificate) = certificate else {
                return Err(refusal(
                    "certificate_missing",
                    "the client came without a certificate",
                ));
            };
            let user = self.certified(certificate)?;
            return admissible(user, connection_type).map(Identified::As);
        }
        let (user, shown) = if let Some(token) = &self.token {
            (said(&options.auth_token).then_some(token), &options.auth_token)
        } else if said(&options.user) {
            let name = options.user.as_deref().unwrap_or_default();
            (self.named.get(name), &options.pass)
        } else if said(&options.pass) || said(&options.auth_token) {
            (None, &options.pass)
        } else {
            match &self.nobody {
                Some(user) => return admissible(user, connection_type).map(Identified::As),
                None => return Err(refusal("no_credentials", "CONNECT shows no user and no token")),
            }
        };
        let wrong = refusal("wrong_credentials", "no such user, or another password");
        let shown = shown.as_deref().unwrap_or_default();
        let candidate = user.and_then(|user| Some((user, password_of(user)?)));
        match candidate {
            Some((user, password)) if password.cost().is_none() && password.is(shown) => {
                return admissible(user, connection_type).map(Identified::As);
            }
            // A hash is checked for who has one, and to no end for everybody else.
            Some((user, password)) if password.cost().is_some() => {
                if let Ok(user) = admissible(user, connection_type) {
                    return Ok(Identified::When(self.question(
                        password,
                        shown,
                        Some(user),
                        wrong,
                    )));
                }
            }
            _ => {}
        }
        match &self.dearest {
            Some(dearest) => Ok(Identified::When(self.question(dearest, shown, None, wrong))),
            None => Err(wrong),
        }
    }

    fn question(
        &self,
        password: &Password,
        shown: &str,
        user: Option<Arc<User>>,
        refusal: Refusal,
    ) -> Question {
        Question {
            password: password.clone(),
            shown: Zeroizing::new(shown.to_owned()),
            user,
            refusal,
        }
    }

    /// The user that a certificate names: by a mail address, a host, a URI, or by its whole subject.
    fn certified(&self, certificate: &ClientCertificate) -> Result<&Arc<User>, Refusal> {
        let names = &certificate.alternative_names;
        if let Some(user) = names.iter().find_map(|name| self.named.get(name)) {
            return Ok(user);
        }
        let mut found = self.named.iter().filter(|(name, _)| certificate.subject_is(name));
        match (found.next(), found.next()) {
            (Some((_, user)), None) => Ok(user),
            (Some(_), Some(_)) => Err(refusal(
                "certificate_ambiguous",
                "the certificate names several users",
            )),
            _ => Err(refusal("certificate_unknown", "the certificate names no user")),
        }
    }

    fn keyed(&self, options: &ConnectOptions, nonce: &str) -> Result<&Arc<User>, Refusal> {
        let key = options.nkey.as_deref().unwrap_or_default().parse().ok();
        let Some((key, user)) = key.and_then(|key: PublicKey| Some((key, self.keyed.get(&key)?))) else {
            return Err(refusal("wrong_credentials", "no user has this key"));
        };
        verify_nonce(&key, nonce.as_bytes(), options.sig.as_deref())
            .map_err(|error| refusal(error.code(), error.to_string()))?;
        Ok(user)
    }

    /// The same user in this list, when what it showed to another list would let it in here.
    pub(crate) fn again(&self, before: &Listed) -> Option<Arc<User>> {
        if self.everybody.is_some() {
            return self.everybody.clone();
        }
        let user = match &before.secret {
            Secret::None => self.nobody.as_ref(),
            Secret::Token(_) => self.token.as_ref(),
            Secret::Key(key) => self.keyed.get(key),
            Secret::Password(_) => before.name.as_ref().and_then(|name| self.named.get(name)),
        };
        let same = |user: &&Arc<User>| match &user.origin {
            Origin::Listed(now) => now.secret == before.secret && now.name == before.name,
            Origin::Signed(_) => false,
        };
        user.filter(same).cloned()
    }
}

/// Who is let in without showing anything.
fn anybody(account: PublicKey) -> User {
    User {
        limits: Arc::new(UserLimits::unlimited()),
        permissions: Arc::default(),
        expires_at: None,
        origin: Origin::Listed(Listed {
            name: None,
            account,
            secret: Secret::None,
        }),
    }
}

/// A listed user, of whom its clients show nothing: they stay as long as that is enough.
fn shown_by_nothing(user: &User) -> User {
    let mut nobody = user.clone();
    if let Origin::Listed(listed) = &mut nobody.origin {
        listed.secret = Secret::None;
    }
    nobody
}

fn password_of(user: &User) -> Option<&Password> {
    match &user.origin {
        Origin::Listed(Listed {
            secret: Secret::Password(password) | Secret::Token(password),
            ..
        }) => Some(password),
        _ => None,
    }
}

/// Whether this user may connect in this way at all.
fn admissible(user: &Arc<User>, connection_type: ConnectionType) -> Result<Arc<User>, Refusal> {
    if user.limits.proxy_required {
        return Err(refusal(
            "proxy_required",
            "the user may only connect through a trusted proxy",
        ));
    }
    if !connection_type.is_allowed_by(&user.limits.allowed_connection_types) {
        let reason = format!("the user may not connect as {connection_type}");
        return Err(refusal("connection_type", reason));
    }
    Ok(user.clone())
}

fn refusal(rule: &'static str, reason: impl Into<String>) -> Refusal {
    Refusal {
        rule,
        reason: reason.into(),
        account: None,
    }
}
