//! The NATS client protocol as values: decoder and encoder without IO.

pub mod bounds;
mod connect;
mod decoder;
pub mod encoder;
mod error_text;
pub mod headers;
mod info;
mod message;
mod op;
mod verb;

pub use connect::{ConnectOptions, InvalidConnect};
pub use decoder::{DecodeError, Decoder, DecoderSettings};
pub use error_text::ProtocolError;
pub use info::Info;
pub use message::Message;
pub use op::Op;
pub use verb::Verb;
