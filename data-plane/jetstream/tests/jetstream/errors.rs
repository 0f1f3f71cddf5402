//! The table of errors.

use tollway_jetstream::ErrorKind;

/// What stock servers have.
const FACTS: &str = include_str!("../facts/errors.tsv");

#[test]
fn the_table_of_errors_is_that_of_stock_servers() {
    let facts: Vec<_> = FACTS.lines().filter(|line| !line.starts_with('#')).collect();
    let table: Vec<_> = ErrorKind::ALL
        .iter()
        .map(|kind| {
            let entry = kind.entry();
            format!("{}\t{}\t{}", entry.err_code, entry.code, entry.template)
        })
        .collect();
    assert_eq!(table, facts);
}

#[test]
fn what_is_filled_in_is_not_taken_for_a_place_to_fill() {
    let error = ErrorKind::StreamExternalDelPrefixOverlaps
        .with("prefix", "{subject}")
        .with("subject", "a");
    // The first place is gone; the second is the first that reads like it.
    assert!(!error.to_string().contains("{prefix}"));
    let error = ErrorKind::StreamInvalidConfig.because("{err}");
    assert_eq!(error.to_string(), "{err}");
}
