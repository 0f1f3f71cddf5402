//! Pages as strings: their golden files, and what must never be in them.

mod golden;
mod safety;
mod samples;
