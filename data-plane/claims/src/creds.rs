//! `.creds` files: a user JWT and the seed of the user's key in one text.

use std::fmt;

use zeroize::Zeroizing;

use crate::nkey::{KeyError, KeyKind, Signer};
use crate::token::TokenError;
use crate::user::UserClaims;

const JWT_BEGIN: &str = "-----BEGIN NATS USER JWT-----";
const JWT_END: &str = "------END NATS USER JWT------";
const SEED_BEGIN: &str = "-----BEGIN USER NKEY SEED-----";
const SEED_END: &str = "------END USER NKEY SEED------";

/// What a client needs to connect.
pub struct UserCreds {
    /// The user JWT.
    pub jwt: String,
    /// The user's key.
    pub signer: Signer,
}

impl fmt::Debug for UserCreds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserCreds")
            .field("user", &self.signer.public())
            .finish_non_exhaustive()
    }
}

/// Why a text is no creds file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredsError {
    /// A block is missing: a line of dashes, the content, a line of dashes.
    #[error("the creds have no {0} block")]
    BlockMissing(&'static str),
    /// The JWT is no user JWT.
    #[error("the user JWT in the creds is not acceptable")]
    Jwt(#[source] TokenError),
    /// The seed is none.
    #[error("the seed in the creds is not acceptable")]
    Seed(#[source] KeyError),
    /// The seed is of another user than the JWT, so no server would let it in.
    #[error("the seed in the creds does not belong to the user of the JWT")]
    OtherUser,
}

impl UserCreds {
    /// The text of the file, as NATS tools write it. It contains the seed.
    pub fn format(&self) -> Zeroizing<String> {
        let seed = self.signer.seed();
        // Allocated once at its full length: a text that grew would leave copies of the seed behind.
        let mut text = Zeroizing::new(String::with_capacity(self.jwt.len() + seed.len() + 512));
        for part in [
            JWT_BEGIN,
            "\n",
            self.jwt.as_str(),
            "\n",
            JWT_END,
            "\n\n",
            "************************* IMPORTANT *************************\n",
            "The seed below is a secret: who has it connects as this user.\n",
            "It is shown once and stored nowhere else; keep this file safe.\n\n",
            SEED_BEGIN,
            "\n",
            seed.as_str(),
            "\n",
            SEED_END,
            "\n\n",
            "*************************************************************\n",
        ] {
            text.push_str(part);
        }
        text
    }

    /// Reads a file: the first two blocks between lines of dashes, whatever
    /// their titles, the line ends and the text around them.
    pub fn parse(text: &str) -> Result<Self, CredsError> {
        let mut lines = text.lines().map(str::trim);
        let jwt = next_block(&mut lines).ok_or(CredsError::BlockMissing("user JWT"))?;
        let claims = UserClaims::decode(jwt).map_err(CredsError::Jwt)?;
        let seed = next_block(&mut lines).ok_or(CredsError::BlockMissing("seed"))?;
        let signer = Signer::from_seed(seed).map_err(CredsError::Seed)?;
        if signer.kind() != KeyKind::User || signer.public() != claims.subject {
            return Err(CredsError::OtherUser);
        }
        Ok(Self {
            jwt: jwt.to_owned(),
            signer,
        })
    }
}

/// The one line of the next block.
fn next_block<'t>(lines: &mut impl Iterator<Item = &'t str>) -> Option<&'t str> {
    let is_fence = |line: &str| line.starts_with("---") && line.ends_with("---");
    lines.find(|line| is_fence(line))?;
    let content = lines
        .find(|line| !line.is_empty())
        .filter(|line| !is_fence(line))?;
    lines
        .find(|line| !line.is_empty())
        .filter(|line| is_fence(line))?;
    Some(content)
}
