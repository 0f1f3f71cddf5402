//! Rights that many users have in common.
//!
//! Users of one role have the same permissions and limits, each in a document of its own. Kept once,
//! they cost a connection nothing; kept for each, they are a tenth of what an idle connection takes.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tollway_claims::{AuthenticatedUser, PermissionSet, Rights, UserLimits};

use super::bounds::COMMON_RIGHTS_TIDY;

/// The rights of those who are connected or known, by what they say.
#[derive(Default)]
pub(crate) struct CommonRights {
    /// Seeded: nobody can prepare rights that displace those of others.
    hasher: RandomState,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    /// By their hash. Of several with one hash the last one is kept: sharing is no matter of right
    /// or wrong.
    rights: HashMap<u64, Kept>,
    /// How many there may be before those are forgotten that nobody has any more.
    tidy_at: usize,
}

/// Rights for as long as somebody has them.
struct Kept {
    limits: Weak<UserLimits>,
    permissions: Weak<PermissionSet>,
}

impl Kept {
    fn rights(&self) -> Option<Rights> {
        Some(Rights {
            limits: self.limits.upgrade()?,
            permissions: self.permissions.upgrade()?,
        })
    }
}

impl CommonRights {
    /// Gives the user what an equal one has already, or keeps what it has for those who come later.
    pub(crate) fn share(&self, user: &mut AuthenticatedUser) {
        let hash = self.hasher.hash_one(&*user.rights.limits);
        let before = self.table.lock().rights.get(&hash).and_then(Kept::rights);
        // Compared without the lock: lists may be long.
        if before.is_some_and(|rights| user.share(&rights)) {
            return;
        }
        let kept = Kept {
            limits: Arc::downgrade(&user.rights.limits),
            permissions: Arc::downgrade(&user.rights.permissions),
        };
        let mut table = self.table.lock();
        table.rights.insert(hash, kept);
        if table.rights.len() > table.tidy_at {
            table.rights.retain(|_, kept| kept.limits.strong_count() > 0);
            table.tidy_at = (table.rights.len() * 2).max(COMMON_RIGHTS_TIDY);
        }
    }
}

#[cfg(test)]
mod tests {
    use tollway_claims::{
        AccountClaims, ConnectionFacts, ConnectionType, KeyKind, OperatorClaims, Proof, SignedUser, Signer,
        Trust, UserClaims, authenticate,
    };

    use super::*;

    /// Users of an account, each with a document of its own that allows it to publish this.
    fn users(allowed: &[&str]) -> Vec<AuthenticatedUser> {
        let operator = Signer::generate(KeyKind::Operator, [1; 32]);
        let account = Signer::generate(KeyKind::Account, [2; 32]);
        let documents = OperatorClaims::new(operator.public(), "o", 1).encode(&operator);
        let trust = Trust::from_operator_jwt(&documents.expect("it is well formed")).expect("it is signed");
        let claims = AccountClaims::new(operator.public(), account.public(), "a", 1);
        let facts = ConnectionFacts {
            proof: Proof::FleetStream,
            client_ip: None,
            connection_type: ConnectionType::Standard,
            now: 2,
        };
        let user = |(number, rule): (u8, &&str)| {
            let key = Signer::generate(KeyKind::User, [number; 32]);
            let mut user = UserClaims::new(account.public(), key.public(), "u", 1);
            user.limits.permissions.publish.allow = vec![(*rule).to_owned()];
            let jwt = user.encode(&account).expect("it is well formed");
            let signed = SignedUser::decode(&jwt).expect("it is signed");
            authenticate(&trust, &claims, signed, &facts).expect("it may")
        };
        (3..).zip(allowed).map(user).collect()
    }

    #[test]
    fn equal_rights_are_kept_once_and_others_apart() {
        let common = CommonRights::default();
        let mut users = users(&["a.>", "a.>", "b.>"]);
        users.iter_mut().for_each(|user| common.share(user));
        let [first, second, third] = &users[..] else {
            panic!("three users");
        };
        assert!(Arc::ptr_eq(&first.rights.permissions, &second.rights.permissions));
        assert!(Arc::ptr_eq(&first.rights.limits, &second.rights.limits));
        assert!(!Arc::ptr_eq(&first.rights.permissions, &third.rights.permissions));
        assert!(third.rights.permissions.may_publish(b"b.1").is_allowed());
        assert!(!third.rights.permissions.may_publish(b"a.1").is_allowed());
    }

    #[test]
    fn rights_that_nobody_has_are_forgotten() {
        let common = CommonRights::default();
        let rules: Vec<_> = (0..200).map(|number| format!("a.{number}")).collect();
        let rules: Vec<_> = rules.iter().map(String::as_str).collect();
        for _ in 0..2 {
            users(&rules).iter_mut().for_each(|user| common.share(user));
        }
        assert!(common.table.lock().rights.len() <= COMMON_RIGHTS_TIDY + rules.len());
        let mut one = users(&["a.0"]);
        common.share(&mut one[0]);
        assert!(one[0].rights.permissions.may_publish(b"a.0").is_allowed());
    }
}
