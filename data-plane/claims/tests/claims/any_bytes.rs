//! No bytes can stop a node, whoever signed them.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::every_way::fuzz;

/// What tokens and creds are made of, in bits that fit together more or less.
const VOCABULARY: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "null",
    "true",
    "-1",
    "0",
    "1",
    "9223372036854775808",
    "1e400",
    "\"@\"",
    "\"iss\":\"@\"",
    "\"sub\":\"@\"",
    "\"iat\":1800000000",
    "\"exp\":-5",
    "\"nbf\":1",
    "\"name\":\"x\"",
    "\"nats\":{",
    "\"type\":\"user\"",
    "\"type\":\"account\"",
    "\"type\":\"operator\"",
    "\"type\":\"activation\"",
    "\"version\":2",
    "\"version\":3",
    "\"subs\":-1",
    "\"limits\":{",
    "\"pub\":{\"allow\":[\"a.>\"]}",
    "\"sub\":{\"deny\":[\">.>\",\"a b\"]}",
    "\"resp\":{\"max\":-2,\"ttl\":9223372036854775807}",
    "\"times\":[{\"start\":\"25:00:00\",\"end\":\"x\"}]",
    "\"src\":[\"10.0.0.0/99\",\"::/0\"]",
    "\"times_location\":\"Europe/Berlin\"",
    "\"tags\":[\"A:b\",null]",
    "\"allowed_connection_types\":[\"MQTT\",7]",
    "\"exports\":[{\"subject\":\"a.*\",\"type\":\"service\",\"account_token_position\":2}]",
    "\"imports\":[{\"subject\":\"a.*\",\"account\":\"@\",\"type\":\"stream\",\"local_subject\":\"$2.$1\"}]",
    "\"mappings\":{\"a.*\":[{\"subject\":\"b.$1\",\"weight\":101}]}",
    "\"signing_keys\":[\"@\",{\"kind\":\"user_scope\",\"key\":\"@\",\"template\":{\"pub\":{\"allow\":[\"{{name()}}\"]}}}]",
    "\"revocations\":{\"*\":1,\"@\":-1}",
    "\"tollway\":{\"rates\":{\"messages_in\":-1}}",
    "-----BEGIN NATS USER JWT-----\n",
    "------END NATS USER JWT------\n",
    "-----BEGIN USER NKEY SEED-----\n",
    "------END USER NKEY SEED------\n",
    "SUAA",
    ".",
    "\n",
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.e30.AA",
];

/// A generator of our own, so that a seed is all that is needed to repeat a failure.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: usize) -> usize {
        // The step and the mixing of splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    /// Claims that are whole, or bits of them in any order.
    fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = vec![self.below(256) as u8];
        let whole = self.below(2) == 0;
        if whole {
            bytes.extend_from_slice(
                b"{\"iss\":\"@\",\"sub\":\"@\",\"iat\":1800000000,\"nats\":{\"version\":2",
            );
        }
        for _ in 0..self.below(12) {
            if whole {
                bytes.push(b',');
            }
            bytes.extend_from_slice(VOCABULARY[self.below(VOCABULARY.len())].as_bytes());
        }
        if whole {
            bytes.extend_from_slice(b"}}");
        }
        // Now and then a byte is damaged.
        if self.below(4) == 0 {
            let place = self.below(bytes.len());
            bytes[place] = self.below(256) as u8;
        }
        bytes
    }
}

#[test]
fn five_thousand_seeds_find_nothing() {
    for seed in 0..5_000 {
        let bytes = Seeded(seed).bytes();
        let outcome = std::panic::catch_unwind(|| fuzz(&bytes));
        assert!(outcome.is_ok(), "seed {seed}: {}", bytes.escape_ascii());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..300)) {
        fuzz(&bytes);
    }
}
