//! JSON as stock servers read and write it.
//!
//! Requests are read strictly, and what is refused is refused with the text a
//! stock server has, because `10025` carries it to whoever debugs a client. So
//! the reader is our own: names of fields match without regard to case, a
//! field that comes twice counts the second time, `null` leaves a value as it
//! is, an unknown field is an error. Values that follow each other are read
//! one after the other into the same thing, and a body without any value is an
//! empty request.

mod encode;
mod error;
mod read;
mod text;
mod value;

pub use encode::to_json;
pub use error::JsonError;
pub(crate) use read::{At, Object, enumeration, read_all, read_leniently};
pub(crate) use text::quoted;
pub(crate) use value::Node;
