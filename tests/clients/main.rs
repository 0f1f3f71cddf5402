//! Ordinary NATS clients against the real programs: what their users do every day, what keeps tenants
//! apart, and what each library reports when it is refused.

mod async_nats;
