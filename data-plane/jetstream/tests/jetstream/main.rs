//! What the API says, compared with what is known of stock servers.

mod answers;
mod configurations;
mod errors;
mod recorded;
mod requests;
mod schema;
