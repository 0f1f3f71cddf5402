//! The load: prepared bytes out, counted frames in, by few threads and no library.

mod count;
mod phase;
mod publisher;
mod receivers;
mod requester;
mod tape;

pub(crate) use count::Counter;
pub(crate) use phase::{Clocks, Cost, Flow, Phase};
pub(crate) use publisher::{BATCH, Gate};
use receivers::Progress;
pub(crate) use requester::{Requester, Responder, Service};
pub(crate) use tape::Tape;
