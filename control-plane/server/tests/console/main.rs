//! The console over HTTP, in front of a real database: what a browser would
//! send, and what others might.

mod browser;
mod forgery;
mod journey;
mod roles;
