//! The whole system through its real programs and ordinary clients.
