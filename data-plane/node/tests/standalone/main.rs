//! A node of its own, as a program: started with flags and a file, talked to over its port.

mod advisories;
mod client;
mod every_flag;
mod files;
mod flags;
mod login;
mod monitoring;
mod node;
mod operator;
mod reload;
mod sharing;
mod transports;
