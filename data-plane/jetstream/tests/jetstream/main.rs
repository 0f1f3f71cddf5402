//! What the API says, compared with what is known of stock servers.

mod configurations;
mod errors;
mod recorded;
