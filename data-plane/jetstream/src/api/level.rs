//! Clients that need a newer server.

use crate::config::API_LEVEL;
use crate::error::{ApiError, ErrorKind};

/// By which a client says what level of the API it needs.
pub const REQUIRED_LEVEL_HEADER: &str = "Nats-Required-Api-Level";

/// Refuses a client that needs more than there is, or says something that is no level.
pub fn check_required_level(header: &str) -> Result<(), ApiError> {
    match header.parse::<u64>() {
        Ok(level) if level <= API_LEVEL.into() => Ok(()),
        _ => Err(ErrorKind::RequiredApiLevel.into()),
    }
}
