//! Whose signatures a node counts.

use tollway_claims::*;

use crate::world::{NOW, World};

fn code<T>(result: Result<T, TrustError>) -> &'static str {
    result.err().map_or("accepted", |error| error.code())
}

fn statement(world: &World) -> StatementClaims {
    StatementClaims {
        issuer: world.operator_signing.public(),
        subject: world.account.public(),
        issued_at: NOW,
        version: 3,
        suspended: None,
    }
}

fn document(world: &World) -> AccountClaims {
    let mut claims = world.account_claims();
    let limits = TollwayLimits {
        connections: Limit::Unlimited,
        subscriptions: Limit::Unlimited,
    };
    claims.tollway = Some(TollwayClaim::new(3, limits));
    claims
}

#[test]
fn only_the_operators_keys_sign_accounts() {
    let world = World::new();
    let trust = world.trust();
    let by = |signer: &Signer| {
        AccountClaims {
            issuer: signer.public(),
            ..world.account_claims()
        }
        .encode(signer)
        .unwrap()
    };
    let stranger = Signer::generate(KeyKind::Operator, [77; 32]);
    assert_eq!(
        code(trust.verify_account(&by(&world.operator_signing), NOW)),
        "accepted"
    );
    assert_eq!(code(trust.verify_account(&by(&world.operator), NOW)), "accepted");
    assert_eq!(
        code(trust.verify_account(&by(&stranger), NOW)),
        "untrusted_issuer"
    );

    let strict = OperatorClaims {
        strict_signing_key_usage: true,
        ..world.operator_claims()
    };
    let strict = Trust::from_operator_jwt(&strict.encode(&world.operator).unwrap()).unwrap();
    assert_eq!(
        code(strict.verify_account(&by(&world.operator), NOW)),
        "untrusted_issuer"
    );
    assert_eq!(
        code(strict.verify_account(&by(&world.operator_signing), NOW)),
        "accepted"
    );
}

#[test]
fn account_document_counts_from_its_beginning_until_its_end() {
    let world = World::new();
    let trust = world.trust();
    let claims = AccountClaims {
        not_before: Some(NOW),
        expires_at: Some(NOW + 10),
        ..world.account_claims()
    };
    let token = claims.encode(&world.operator_signing).unwrap();
    for (now, expected) in [
        (NOW - 1, "not_yet_valid"),
        (NOW, "accepted"),
        (NOW + 9, "accepted"),
        (NOW + 10, "expired"),
        (NOW + 11, "expired"),
    ] {
        assert_eq!(code(trust.verify_account(&token, now)), expected, "{}", now - NOW);
    }
}

#[test]
fn nothing_counts_after_the_operators_end() {
    let world = World::new();
    let operator = OperatorClaims {
        expires_at: Some(NOW + 10),
        ..world.operator_claims()
    };
    let trust = Trust::from_operator_jwt(&operator.encode(&world.operator).unwrap()).unwrap();
    let account = world.account_claims().encode(&world.operator_signing).unwrap();
    let statement = statement(&world).encode(&world.operator_signing).unwrap();
    for (now, expected) in [(NOW + 9, "accepted"), (NOW + 10, "operator_expired")] {
        assert_eq!(code(trust.verify_account(&account, now)), expected);
        assert_eq!(code(trust.verify_statement(&statement, now)), expected);
    }
}

#[test]
fn operator_is_pinned_by_its_identity() {
    let world = World::new();
    let trust = world.trust();
    let new_key = Signer::generate(KeyKind::Operator, [8; 32]);

    // The identity brings another signing key in; accounts signed by the old one no longer count.
    let rotated = OperatorClaims {
        signing_keys: vec![new_key.public()],
        issued_at: NOW + 1,
        ..world.operator_claims()
    };
    let rotated_jwt = rotated.encode(&world.operator).unwrap();
    let updated = trust.update(&rotated_jwt).unwrap();
    let account = world.account_claims().encode(&world.operator_signing).unwrap();
    assert_eq!(code(updated.verify_account(&account, NOW)), "untrusted_issuer");

    // The old operator JWT does not bring the removed key back.
    let old_jwt = world.operator_claims().encode(&world.operator).unwrap();
    assert_eq!(code(updated.update(&old_jwt)), "older_operator");
    assert_eq!(code(updated.update(&rotated_jwt)), "accepted");

    // A signing key cannot speak for the identity, and another operator cannot take its place.
    let usurped = OperatorClaims {
        issuer: world.operator_signing.public(),
        ..rotated.clone()
    };
    assert_eq!(
        code(trust.update(&usurped.encode(&world.operator_signing).unwrap())),
        "operator_not_self_signed"
    );
    let other = OperatorClaims::new(new_key.public(), "other", NOW + 5)
        .encode(&new_key)
        .unwrap();
    assert_eq!(code(trust.update(&other)), "other_operator");
    assert_eq!(
        code(Trust::pin(world.operator.public(), &other)),
        "other_operator"
    );
    assert_eq!(
        code(Trust::pin(world.operator.public(), &rotated_jwt)),
        "accepted"
    );
    assert_eq!(code(trust.update("a.b.c")), "malformed");
}

#[test]
fn both_halves_of_a_document_belong_together() {
    let world = World::new();
    let trust = world.trust();
    let account = world.account.public();
    let jwt = document(&world).encode(&world.operator_signing).unwrap();
    let signed = |claims: StatementClaims| claims.encode(&world.operator_signing).unwrap();
    let good = signed(statement(&world));
    let verified = trust.verify_document(&account, &jwt, &good, NOW).unwrap();
    assert_eq!(verified.version(), 3);

    let other = Signer::generate(KeyKind::Account, [88; 32]).public();
    let verify =
        |account, jwt: &str, statement: &str| code(trust.verify_document(account, jwt, statement, NOW));
    assert_eq!(verify(&other, &jwt, &good), "other_account");
    let about_other = signed(StatementClaims {
        subject: other,
        ..statement(&world)
    });
    assert_eq!(verify(&account, &jwt, &about_other), "other_account");
    let older = signed(StatementClaims {
        version: 2,
        ..statement(&world)
    });
    assert_eq!(verify(&account, &jwt, &older), "version_mismatch");
    let without_version = world.account_claims().encode(&world.operator_signing).unwrap();
    assert_eq!(verify(&account, &without_version, &good), "version_mismatch");
    let stranger = Signer::generate(KeyKind::Operator, [77; 32]);
    let forged = StatementClaims {
        issuer: stranger.public(),
        ..statement(&world)
    };
    assert_eq!(
        verify(&account, &jwt, &forged.encode(&stranger).unwrap()),
        "untrusted_issuer"
    );
    assert_eq!(verify(&account, &good, &jwt), "wrong_token_type");
}
