//! No rule that renames can stop a node.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::every_way::fuzz;

const VOCABULARY: &[&str] = &[
    "a",
    "b",
    "*",
    ">",
    ".",
    ".",
    ".",
    "\n",
    "\n",
    "$1",
    "$2",
    "$0",
    "$99999999999999999999",
    "{{wildcard(1)}}",
    "{{wildcard(2)}}",
    "{{partition(3)}}",
    "{{partition(10,1,2)}}",
    "{{partition(0)}}",
    "{{partition(4294967296,1)}}",
    "{{random(5)}}",
    "{{split(1,-)}}",
    "{{split(1,)}}",
    "{{splitfromleft(1,2)}}",
    "{{splitfromright(1,99)}}",
    "{{slicefromleft(1,1)}}",
    "{{slicefromright(2,3)}}",
    "{{left(1,2)}}",
    "{{right(1,0)}}",
    "{{",
    "}}",
    "(",
    ")",
    ",",
    "-",
    " ",
    "ä",
    "a-b-c",
    "abcdef",
    "*.*",
    "x.>",
    "\u{0}",
];

#[test]
fn thirty_thousand_seeds_find_nothing() {
    for seed in 0..30_000_u64 {
        // The step and the mixing of splitmix64.
        let mut state = seed;
        let mut below = |bound: usize| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((mixed ^ (mixed >> 31)) % bound as u64) as usize
        };
        // Half of them are three lines of tokens, the others anything.
        let mut text = String::new();
        if below(2) == 0 {
            for line in 0..3 {
                for token in 0..=below(4) {
                    text.push_str(if token > 0 { "." } else { "" });
                    text.push_str(VOCABULARY[below(VOCABULARY.len())]);
                }
                text.push_str(if line < 2 { "\n" } else { "" });
            }
        } else {
            (0..below(20)).for_each(|_| text.push_str(VOCABULARY[below(VOCABULARY.len())]));
        }
        let outcome = std::panic::catch_unwind(|| fuzz(text.as_bytes()));
        assert!(outcome.is_ok(), "seed {seed}: {text:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..200)) {
        fuzz(&bytes);
    }

    #[test]
    fn what_can_be_undone_comes_back(
        tokens in vec("[ab]{1,3}", 1..5),
        order in Just(vec![0_usize, 1, 2, 3]).prop_shuffle(),
    ) {
        let source = vec!["*"; tokens.len()].join(".");
        let order = order.iter().filter(|place| **place < tokens.len());
        let destination: Vec<_> = order.map(|place| format!("${}", place + 1)).collect();
        fuzz(format!("{source}\n{}\n{}", destination.join("."), tokens.join(".")).as_bytes());
    }
}
