//! What every library must show, in the words that the scripts print.

/// Lines of `everyday`, in order.
pub(crate) const EVERYDAY: &[&str] = &[
    "connected",
    "published and subscribed",
    "wildcards match what they should",
    "a queue group shares the work",
    "headers arrive",
    "requests are answered",
    "nobody there is told at once",
    "the largest payload passes",
    "a subscription ends by itself",
    "nothing is echoed to who asks for that",
    "draining loses nothing",
];
