//! No bytes can stop a server, and how they are cut makes no difference.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::client::{compressed, frame};
use crate::every_way::fuzz;

/// A small generator: the same seed gives the same bytes.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    /// Frames that are right more or less, headers that belong together more or less, and noise.
    fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..self.below(12) {
            match self.below(8) {
                0 => {
                    let count = self.below(40);
                    bytes.extend((0..count).map(|_| self.below(256) as u8));
                }
                1 => {
                    const LINES: &[&str] = &[
                        "GET / HTTP/1.1\r\n",
                        "Host: h\r\n",
                        "Upgrade: websocket\r\n",
                        "Connection: Upgrade\r\n",
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                        "Sec-WebSocket-Version: 13\r\n",
                        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
                        "Origin: http://h\r\n",
                        "Cookie: jwt=a\r\n",
                        "\r\n",
                    ];
                    bytes.extend(LINES[self.below(LINES.len())].bytes());
                }
                2 => bytes.extend(
                    "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
                        .bytes(),
                ),
                3..=5 => {
                    const FIRST: &[u8] = &[0x82, 0x81, 0x02, 0x00, 0x80, 0x89, 0x8a, 0x88, 0xc2, 0x42];
                    let first = FIRST[self.below(FIRST.len())];
                    let length = self.below(300);
                    let mut payload = vec![self.below(256) as u8; length];
                    if first & 0x40 != 0 && self.below(4) > 0 {
                        payload = compressed(&payload);
                    }
                    bytes.extend(frame(first, &payload));
                }
                _ => {
                    let size = [10, 3000, 5000, 5001, 20_000][self.below(5)];
                    let payload = compressed(&vec![self.below(256) as u8; size]);
                    let cut = self.below(payload.len() + 1);
                    bytes.extend(frame(0x42, &payload[..cut]));
                    bytes.extend(frame(0x80, &payload[cut..]));
                }
            }
        }
        if !bytes.is_empty() && self.below(3) == 0 {
            let at = self.below(bytes.len());
            bytes[at] = self.below(256) as u8;
        }
        bytes
    }
}

#[test]
fn five_thousand_seeds_find_nothing() {
    for seed in 0..5000 {
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
