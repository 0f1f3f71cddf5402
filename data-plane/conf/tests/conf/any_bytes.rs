//! No bytes can stop a node, and the same bytes always mean the same.

use proptest::collection::vec;
use proptest::prelude::*;
use tollway_conf::{ServerConfig, Tree};

use crate::every_way::{Mirror, fuzz};

/// What configurations are made of, in bits that fit together more or less.
const VOCABULARY: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    "=",
    ",",
    ";",
    "\n",
    "\n",
    " ",
    " ",
    "\t",
    "\r\n",
    "'",
    "\"",
    "(",
    "\n)\n",
    "\\",
    "\\x41",
    "\\n",
    "#",
    "//",
    "$",
    "$A",
    "$bc",
    "$2a$",
    "include ",
    "include 'x'",
    "include ab\n",
    "-",
    ".",
    "1",
    "12",
    "-3",
    "4k",
    "4KiB",
    "1.5",
    "127.0.0.1:4222",
    "2020-01-01T00:00:00Z",
    "true",
    "off",
    "\"5s\"",
    "10s",
    "MEMORY",
    "é",
    "\0",
    "\u{feff}",
    "A: x\n",
    "a",
    "b",
    ">",
    "*",
    "foo.*",
    "\"a b\"",
    "port: ",
    "listen: ",
    "host ",
    "http: ",
    "tls {",
    "cert_file: c, key_file: k\n",
    "handshake_first: auto\n",
    "authorization {",
    "user: u\n",
    "password: p\n",
    "token: t\n",
    "users: [",
    "{user: u, password: p}",
    "permissions {",
    "publish: ",
    "subscribe ",
    "allow: ",
    "deny: ",
    "allow_responses: ",
    "timeout: ",
    "accounts {",
    "A {",
    "exports [",
    "imports [",
    "{stream: ",
    "{service: ",
    "{account: A, subject: s}",
    "latency: ",
    "sampling: ",
    "mappings {",
    "dest: ",
    "weight: ",
    "limits {",
    "max_connections: ",
    "max_payload: ",
    "jetstream ",
    "enabled",
    "store_dir: ",
    "websocket {",
    "no_tls: true\n",
    "leafnodes {",
    "operator: ",
    "resolver: ",
    "resolver_preload {",
    "system_account: ",
    "no_auth_user: ",
    "ping_interval: ",
    "lame_duck_duration: ",
    "max_pending: ",
    "server_tags: ",
    "log_file: ",
    "cluster {",
    "mqtt {",
    "trusted_keys: ",
    "proxies {trusted: [",
    "auth_callout {",
    "issuer: ",
    "default_permissions {",
    "response_type: ",
];

/// A small generator: the same seed, the same bytes, on every machine.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("it is below a usize")
    }

    fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..self.below(60) {
            bytes.extend_from_slice(VOCABULARY[self.below(VOCABULARY.len())].as_bytes());
        }
        // Now and then a byte is damaged.
        if self.below(4) == 0 && !bytes.is_empty() {
            let place = self.below(bytes.len());
            bytes[place] = u8::try_from(self.below(256)).expect("it is below 256");
        }
        bytes
    }
}

#[test]
fn twenty_thousand_seeds_find_nothing() {
    for seed in 0..20_000 {
        let bytes = Seeded(seed).bytes();
        let outcome = std::panic::catch_unwind(|| fuzz(&bytes));
        assert!(outcome.is_ok(), "seed {seed}: {}", bytes.escape_ascii());
    }
}

#[test]
fn every_cut_of_a_configuration_is_survived() {
    for text in crate::golden::TEXTS {
        for end in 0..text.len() {
            let cut = &text.as_bytes()[..end];
            if let Ok(tree) = Tree::parse("x.conf", cut, &mut Mirror(b"a")) {
                let _ = ServerConfig::from_tree(&tree);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..300)) {
        fuzz(&bytes);
    }

    #[test]
    fn any_text_is_survived(text in ".{0,200}") {
        fuzz(text.as_bytes());
    }
}
