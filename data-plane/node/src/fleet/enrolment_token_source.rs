//! Where the enrolment token is, until it is needed.

use std::path::PathBuf;
use std::{fmt, fs, io};

use zeroize::Zeroizing;

use super::enrolment::{EnrolmentToken, InvalidEnrolmentToken};

/// Where a node finds its enrolment token. It is read when the node enrols and never again: an enrolled
/// node starts although the file was deleted, which is what one does with a used secret.
pub enum EnrolmentTokenSource {
    /// None was given.
    None,
    /// A file with the token in it.
    File(PathBuf),
    /// The token itself.
    Text(Zeroizing<String>),
}

/// Why there is no token to enrol with.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentTokenError {
    /// Nobody said where it is.
    #[error(
        "this node is not enrolled yet: create an enrolment token for its cell in the control plane, \
         and pass it with --enrol-token-file or in TOLLWAY_ENROL_TOKEN"
    )]
    Missing,
    /// The file with the token is not readable.
    #[error("cannot read the enrolment token from {}", path.display())]
    Unreadable {
        /// As it was given.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// What was read is no token.
    #[error(transparent)]
    Invalid(#[from] InvalidEnrolmentToken),
}

impl EnrolmentTokenSource {
    /// The token.
    ///
    /// # Errors
    /// See [`EnrolmentTokenError`], each of which says what to do.
    pub fn read(&self) -> Result<EnrolmentToken, EnrolmentTokenError> {
        match self {
            Self::None => Err(EnrolmentTokenError::Missing),
            Self::Text(text) => Ok(text.parse()?),
            Self::File(path) => match fs::read_to_string(path).map(Zeroizing::new) {
                Ok(text) => Ok(text.parse()?),
                Err(source) => Err(EnrolmentTokenError::Unreadable {
                    path: path.clone(),
                    source,
                }),
            },
        }
    }
}

/// Without the secret.
impl fmt::Debug for EnrolmentTokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.debug_tuple("Text").finish_non_exhaustive(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_comes_from_its_file_and_a_broken_one_is_told_without_showing_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let source = EnrolmentTokenSource::File(path.clone());
        fs::write(&path, format!("twe_{}.{}\n", "s".repeat(43), "0".repeat(64))).unwrap();
        source.read().unwrap();
        fs::write(&path, "twe_secret").unwrap();
        let told = source.read().unwrap_err().to_string();
        assert!(
            told.contains("copy it whole") && !told.contains("twe_secret"),
            "{told}"
        );
        fs::remove_file(&path).unwrap();
        let told = source.read().unwrap_err().to_string();
        assert!(told.contains(path.to_str().unwrap()), "{told}");
    }

    #[test]
    fn token_is_in_no_debug_text() {
        let text = EnrolmentTokenSource::Text(Zeroizing::new("twe_secret".into()));
        assert_eq!(format!("{text:?}"), "Text(..)");
        assert!(text.read().is_err());
    }
}
