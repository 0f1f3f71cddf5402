//! Who may log in, from what the flags and the file say.

use tollway_claims::Permissions;
use tollway_conf::{Authorization, GLOBAL_ACCOUNT, Identity, Login, Position, ServerConfig, User};
use zeroize::Zeroizing;

use super::accounts::{self, AccountKeys, InvalidAccounts, SYSTEM_ACCOUNT};
use super::flags::Flags;
use super::operator::{self, InvalidOperator};
use crate::broker::{
    Authority, ConfiguredAccount, InvalidUserList, ListedProof, ListedUser, Nobody, UserList,
};

/// Who decides about logins, and the accounts they lead to.
pub(super) struct Logins {
    pub(super) authority: Authority,
    pub(super) accounts: Vec<ConfiguredAccount>,
    pub(super) is_open: bool,
}

/// Why nobody could log in, or somebody could who should not.
#[derive(Debug, thiserror::Error)]
pub enum InvalidLogins {
    /// The accounts.
    #[error(transparent)]
    Accounts(#[from] InvalidAccounts),
    /// A user of the file.
    #[error("the users cannot be used")]
    Users(#[from] InvalidUserList),
    /// The operator.
    #[error(transparent)]
    Operator(#[from] Box<InvalidOperator>),
    /// A password that a stock server takes, and then lets everybody in without it.
    #[error("{0}: a password without a user; name the user, or use a token")]
    PasswordAlone(Position),
    /// The same on the command line.
    #[error("--pass without --user; name the user, or use --auth")]
    PassAlone,
    /// Flags and file both say who logs in.
    #[error("--user and --auth are for a file without users: {0} has some")]
    FlagAndFile(Position),
    /// Both on the command line.
    #[error("--user and --auth exclude each other")]
    UserAndToken,
}

/// Reads who may log in. What a person should know goes to `notices`.
pub(super) fn read(
    flags: &Flags,
    file: &ServerConfig,
    now: i64,
    notices: &mut Vec<String>,
) -> Result<Logins, InvalidLogins> {
    if file.is_operator_mode() {
        if let Some(at) = file.operators.first().map(|operator| &operator.at)
            && (flags.user.is_some() || flags.token.is_some())
        {
            return Err(InvalidLogins::FlagAndFile(at.clone()));
        }
        let (trust, accounts) = operator::read(file, now, notices)?;
        return Ok(Logins {
            authority: Authority::Operator(trust),
            accounts,
            is_open: false,
        });
    }
    let accounts = accounts::configured(file, now)?;
    let keys = AccountKeys::of_file(file);
    let global = keys.of(GLOBAL_ACCOUNT);
    let mut users = Vec::new();
    let block = file.authorization.as_ref();
    let of_everybody = match of_flags(flags)? {
        Some(proof) => {
            let in_file = block.filter(|block| !block.users.is_empty() || block.login.is_some());
            let in_accounts = file.accounts.iter().find(|account| !account.users.is_empty());
            let at = in_file
                .map(|block| &block.at)
                .or(in_accounts.map(|account| &account.at));
            if let Some(at) = at {
                return Err(InvalidLogins::FlagAndFile(at.clone()));
            }
            Some(proof)
        }
        None => block.map(of_block).transpose()?.flatten(),
    };
    if let Some(proof) = of_everybody {
        users.push(ListedUser {
            proof,
            account: global,
            permissions: Permissions::default(),
            connection_types: Vec::new(),
            proxy_required: false,
        });
    }
    for user in block.iter().flat_map(|block| &block.users) {
        let defaults = block.and_then(|block| block.default_permissions.as_ref());
        users.push(listed(user, global, defaults, block));
    }
    for account in &file.accounts {
        let key = keys.of(&account.name);
        for user in &account.users {
            users.push(listed(user, key, account.default_permissions.as_ref(), block));
        }
    }
    let is_open = users.is_empty();
    let nobody = match &file.no_auth_user {
        Some(name) => Nobody::Is(name.value.clone()),
        None if is_open => Nobody::Everybody(global),
        None => Nobody::Refused,
    };
    if users.iter().any(|user| user.proxy_required) {
        notices.push("proxy_required: no proxy is trusted yet, so these users cannot log in".to_owned());
    }
    let system = file
        .system_account
        .as_ref()
        .map_or(SYSTEM_ACCOUNT, |name| &name.value);
    let system = keys.of(system);
    Ok(Logins {
        authority: Authority::Users(UserList::new(users, nobody, Some(system))?),
        accounts,
        is_open,
    })
}

/// The login on the command line.
fn of_flags(flags: &Flags) -> Result<Option<ListedProof>, InvalidLogins> {
    match (&flags.user, &flags.password, &flags.token) {
        (None, None, None) => Ok(None),
        (None, None, Some(token)) => Ok(Some(ListedProof::Token(copy(token)))),
        (Some(name), password, None) => Ok(Some(ListedProof::Password {
            name: name.clone(),
            password: password.as_ref().map(copy).unwrap_or_default(),
        })),
        (None, Some(_), _) => Err(InvalidLogins::PassAlone),
        (Some(_), _, Some(_)) => Err(InvalidLogins::UserAndToken),
    }
}

/// The login that a block has for everybody.
fn of_block(block: &Authorization) -> Result<Option<ListedProof>, InvalidLogins> {
    Ok(match &block.login {
        None => None,
        Some(Login::Token(token)) => Some(ListedProof::Token(copy(token))),
        Some(Login::Password {
            user: Some(name),
            password,
        }) => Some(ListedProof::Password {
            name: name.clone(),
            password: password.as_ref().map(copy).unwrap_or_default(),
        }),
        Some(Login::Password { user: None, .. }) => {
            return Err(InvalidLogins::PasswordAlone(block.at.clone()));
        }
    })
}

fn listed(
    user: &User,
    account: tollway_claims::PublicKey,
    defaults: Option<&Permissions>,
    block: Option<&Authorization>,
) -> ListedUser {
    let proof = match &user.identity {
        Identity::Name { name, password } => ListedProof::Password {
            name: name.clone(),
            password: password.as_ref().map(copy).unwrap_or_default(),
        },
        Identity::Key(key) => ListedProof::Key(*key),
    };
    ListedUser {
        proof,
        account,
        permissions: user
            .permissions
            .as_ref()
            .or(defaults)
            .cloned()
            .unwrap_or_default(),
        connection_types: user.connection_types.clone(),
        proxy_required: user.proxy_required || block.is_some_and(|block| block.proxy_required),
    }
}

fn copy(secret: &tollway_conf::Secret) -> Zeroizing<String> {
    Zeroizing::new(secret.expose().to_owned())
}
