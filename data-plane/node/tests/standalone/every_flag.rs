//! Any bytes as the arguments of the program. The seeded loop of the tests calls this, and so does
//! the fuzzer (`data-plane/fuzz`).

use tollway_node::standalone::Flags;

/// Takes each line for an argument.
pub(crate) fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let arguments = || text.split('\n').map(str::to_owned);
    match (Flags::parse(arguments()), Flags::parse(arguments())) {
        (Ok(one), Ok(other)) => assert_eq!(format!("{one:?}"), format!("{other:?}")),
        (Err(one), Err(other)) => {
            assert!(!one.to_string().is_empty());
            assert_eq!(one.to_string(), other.to_string());
        }
        (one, other) => panic!("{one:?} and then {other:?}"),
    }
}
