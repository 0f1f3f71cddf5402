//! Whatever bytes come in at whatever port: it ends one connection and nothing else.
//!
//! Everything random comes from a seed that is printed; `SEED=… cargo nextest run …` repeats it.

mod client_port;
mod conversation;
mod crowd;
mod fleet_port;
mod http_ports;
mod http_request;
mod process;
mod stranger;
