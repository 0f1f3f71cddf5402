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
        // Where nobody has a key, one that is shown is like a word that nobody knows.
        if said(&options.nkey) && self.takes_signatures() {
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
        if candidate.is_none() {
            Password::look_at_none(shown);
        }
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

#[cfg(test)]
mod tests {
    use tollway_claims::KeyKind;

    use super::*;

    const HASH: &str = "$2a$04$BfCYU27teG8XpWNPIHtkmOtMq2jUHT.GmowBQfIrXEAkk1kP2bJLW"; // of "pw"

    fn account(number: u8) -> PublicKey {
        PublicKey::from_bytes(KeyKind::Account, [number; 32])
    }

    fn named(name: &str, password: &str) -> ListedUser {
        ListedUser {
            proof: ListedProof::Password {
                name: name.to_owned(),
                password: Zeroizing::new(password.to_owned()),
            },
            account: account(1),
            permissions: Permissions::default(),
            connection_types: Vec::new(),
            proxy_required: false,
        }
    }

    fn list(users: Vec<ListedUser>) -> UserList {
        UserList::new(users, Nobody::Refused, None).unwrap()
    }

    fn shows(user: &str, pass: &str) -> ConnectOptions {
        ConnectOptions {
            user: Some(user.to_owned()),
            pass: Some(pass.to_owned()),
            ..ConnectOptions::default()
        }
    }

    /// What is known at once, and what a check says in the end.
    fn identify(list: &UserList, options: &ConnectOptions) -> (bool, Option<String>) {
        let identified = list.identify(options, "", ConnectionType::Standard, Mapping::No);
        let (at_once, outcome) = match identified {
            Ok(Identified::As(user)) => (true, Ok(user)),
            Ok(Identified::When(question)) => (false, question.answer()),
            Err(refusal) => (true, Err(refusal)),
        };
        (at_once, outcome.ok().and_then(|user| user.name()))
    }

    #[test]
    fn plain_passwords_are_known_at_once_while_nobody_has_a_hash() {
        let list = list(vec![named("a", "x")]);
        assert_eq!(identify(&list, &shows("a", "x")), (true, Some("a".into())));
        for wrong in [shows("a", "y"), shows("b", "x"), ConnectOptions::default()] {
            assert_eq!(identify(&list, &wrong), (true, None));
        }
    }

    /// The time of a refusal must not tell who exists, nor who has a hash.
    #[test]
    fn every_refusal_costs_a_check_as_soon_as_one_password_is_a_hash() {
        let mut only_websockets = named("websockets", HASH);
        only_websockets.connection_types = vec![ConnectionType::Websocket];
        let list = list(vec![named("plain", "x"), named("hashed", HASH), only_websockets]);
        assert_eq!(
            identify(&list, &shows("plain", "x")),
            (true, Some("plain".into()))
        );
        assert_eq!(
            identify(&list, &shows("hashed", "pw")),
            (false, Some("hashed".into()))
        );
        for wrong in [
            shows("plain", "y"),
            shows("hashed", "y"),
            shows("websockets", "pw"),
            shows("nobody", "y"),
            shows("nobody", "pw"),
        ] {
            assert_eq!(identify(&list, &wrong), (false, None), "{:?}", wrong.user);
        }
        // Somebody who shows nothing learns nothing.
        assert_eq!(identify(&list, &ConnectOptions::default()), (true, None));
    }

    #[test]
    fn another_list_knows_who_came_with_the_same() {
        let listed = |user: &Arc<User>| match &user.origin {
            Origin::Listed(listed) => listed.clone(),
            Origin::Signed(_) => unreachable!("a list has listed users"),
        };
        let before = list(vec![named("a", "x"), named("h", HASH)]);
        let (a, h) = (listed(&before.named["a"]), listed(&before.named["h"]));
        let same = list(vec![named("a", "x"), named("h", HASH)]);
        assert!(same.again(&a).is_some() && same.again(&h).is_some());
        let others = list(vec![named("a", "y"), named("g", HASH)]);
        assert!(others.again(&a).is_none() && others.again(&h).is_none());

        // Who shows nothing stays while that is enough.
        let nobody = UserList::new(vec![named("a", "x")], Nobody::Is("a".into()), None).unwrap();
        let silent = listed(nobody.nobody.as_ref().unwrap());
        assert!(nobody.again(&silent).is_some());
        assert!(same.again(&silent).is_none());
        let everybody = UserList::new(Vec::new(), Nobody::Everybody(account(9)), None).unwrap();
        assert!(everybody.again(&silent).is_some() && everybody.again(&a).is_some());
        assert!(
            same.again(&listed(everybody.everybody.as_ref().unwrap()))
                .is_none()
        );
    }

    #[test]
    fn a_list_that_names_a_stranger_for_everybody_is_refused() {
        let error = UserList::new(vec![named("a", "x")], Nobody::Is("b".into()), None).unwrap_err();
        assert!(matches!(error, InvalidUserList::NoSuchUser(name) if name == "b"));
    }
}
