//! What an account may use and what it used: limits and meters without IO.
