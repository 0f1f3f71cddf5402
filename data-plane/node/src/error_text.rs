//! Errors as one line, for logs and for people.

use std::error::Error;

/// The error and everything that caused it, separated by colons.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let step = error.to_string();
        // Some libraries repeat their cause in their own text.
        if !text.ends_with(&step) {
            text.push_str(": ");
            text.push_str(&step);
        }
        cause = error.source();
    }
    text
}
