//! What configurations mean, which ones are refused, and that nothing in one can stop a node.

mod any_bytes;
mod around;
mod bounds;
mod every_way;
mod golden;
mod language;
mod listeners;
mod login;
mod operators;
mod properties;
mod references;
mod settings;
mod storage;
mod tenants;
