//! Operator, account and user tokens, NKey signatures, permissions.
