//! The NATS client protocol as values: decoder and encoder without IO.
