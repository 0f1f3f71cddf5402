//! What the control plane does by itself, again and again.

mod clean_up;

pub(crate) use clean_up::clean_up;
