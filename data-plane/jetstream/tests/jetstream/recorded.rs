//! Requests and what the real server answered to them.

use serde_json::Value;

const FACTS: &str = include_str!("../facts/configurations.jsonl");

pub(crate) struct Exchange {
    pub(crate) subject: String,
    pub(crate) body: String,
    /// `null` when there was no answer; otherwise an object with `error`, `config` or nothing.
    pub(crate) answer: Value,
}

/// All of them, in the order they were made.
pub(crate) fn exchanges() -> Vec<Exchange> {
    FACTS.lines().skip(1).map(exchange).collect()
}

fn exchange(line: &str) -> Exchange {
    let mut line: Value = serde_json::from_str(&in_full(line)).expect("a line is an object");
    let mut text = |name: &str| line[name].take().as_str().expect("it is text").to_owned();
    Exchange {
        subject: format!("$JS.API.{}", text("subject")),
        body: text("body"),
        answer: line["answer"].take(),
    }
}

/// `%x300%` stands for 300 times x.
fn in_full(line: &str) -> String {
    let mut full = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('%') {
        full.push_str(before);
        match repeated(after) {
            Some((character, count, behind)) => {
                full.extend(std::iter::repeat_n(character, count));
                rest = behind;
            }
            None => {
                full.push('%');
                rest = after;
            }
        }
    }
    full.push_str(rest);
    full
}

fn repeated(text: &str) -> Option<(char, usize, &str)> {
    let (inside, behind) = text.split_once('%')?;
    let count = inside.strip_prefix(['x', 'v'])?.parse().ok()?;
    Some((inside.chars().next()?, count, behind))
}
