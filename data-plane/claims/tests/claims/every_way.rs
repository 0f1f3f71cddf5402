//! Any bytes as a token, as signed claims and as a creds file. The seeded loop of the tests calls
//! this, and so does the fuzzer (`data-plane/fuzz`).

use data_encoding::BASE64URL_NOPAD;
use tollway_claims::{
    AccountClaims, ActivationClaims, KeyKind, OperatorClaims, PublicKey, SignedUser, Signer, StatementClaims,
    UserClaims, UserCreds,
};

const HEADER: &str = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;

/// Reads the bytes in every way there is. What is accepted has to survive being written again.
///
/// Behind the signature stands more than in front of it, so the bytes are also signed as claims; a
/// first byte chooses by whom, and `@` in them stands for the signer's own key.
pub(crate) fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    read(&text);
    if let Ok(creds) = UserCreds::parse(&text) {
        let again = UserCreds::parse(&creds.format()).expect("what was written can be read");
        assert_eq!(again.format(), creds.format());
    }
    let _ = text.parse::<PublicKey>();

    let Some((&choice, claims)) = bytes.split_first() else {
        return;
    };
    let kinds = [KeyKind::Operator, KeyKind::Account, KeyKind::User];
    let signer = Signer::generate(kinds[usize::from(choice) % kinds.len()], [choice; 32]);
    let claims = String::from_utf8_lossy(claims).replace('@', &signer.public().to_string());
    let encoded = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let signed = format!("{}.{}", encoded(HEADER), encoded(&claims));
    let signature = BASE64URL_NOPAD.encode(&signer.sign(signed.as_bytes()));
    read(&format!("{signed}.{signature}"));
}

/// The token as each document there is.
fn read(token: &str) {
    if let Err(error) = OperatorClaims::decode(token) {
        assert!(!error.code().is_empty() && !error.to_string().is_empty());
    }
    let _ = AccountClaims::decode(token);
    let _ = StatementClaims::decode(token);
    let _ = UserClaims::decode(token);
    let _ = ActivationClaims::decode(token);
    if let Ok(user) = SignedUser::decode(token) {
        let _ = user.account();
    }
}
