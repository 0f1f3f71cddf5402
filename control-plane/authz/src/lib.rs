//! Who may do what: one table of role, action and resource.
