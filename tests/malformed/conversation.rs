//! What clients say, and what they should not.

use tollway_tests::Random;

/// Every operation of the protocol once.
const SENSIBLE: &[u8] =
    b"SUB a.> q 1\r\nSUB b 2\r\nPUB a.b re 5\r\nhello\r\nHPUB b 12 14\r\nNATS/1.0\r\n\r\nhi\r\n\
    UNSUB 1 3\r\nPING\r\nPONG\r\nPUB b 0\r\n\r\nUNSUB 2\r\n+OK\r\n-ERR 'x'\r\nINFO {}\r\n";

/// A kind of nonsense: its name, and how to make some.
pub(crate) type Kind = (&'static str, fn(&mut Random) -> Vec<u8>);

/// All kinds of bytes that one connection can be sent in one go.
pub(crate) const KINDS: &[Kind] = &[
    ("nothing", |_| Vec::new()),
    ("random bytes", |random| {
        let count = 1 + random.below(60_000);
        random.bytes(count)
    }),
    ("a sensible conversation with wrong bytes", |random| {
        let mut bytes = SENSIBLE.repeat(1 + random.below(20));
        for _ in 0..1 + random.below(8) {
            let at = random.below(bytes.len());
            bytes[at] = random.below(256) as u8;
        }
        bytes
    }),
    ("a sensible conversation with a piece missing", |random| {
        let mut bytes = SENSIBLE.repeat(1 + random.below(4));
        let at = random.below(bytes.len());
        let end = (at + 1 + random.below(30)).min(bytes.len());
        bytes.drain(at..end);
        bytes
    }),
    ("a sensible conversation that breaks off", |random| {
        let mut bytes = SENSIBLE.repeat(1 + random.below(4));
        bytes.truncate(random.below(bytes.len()));
        bytes
    }),
    ("a control line without end", |random| {
        let verb = random.choose(&[
            "", "PUB ", "SUB ", "HPUB ", "CONNECT ", "UNSUB ", "PING ", "INFO ", "-ERR ",
        ]);
        let mut bytes = verb.as_bytes().to_vec();
        let filling = [b'a', b' ', b'.', 0, 0xff, b'\t', b'{'];
        let filling = *random.choose(&filling);
        bytes.resize(bytes.len() + 5_000 + random.below(2_000_000), filling);
        bytes
    }),
    ("sizes that are none, or too large", |random| {
        const SIZES: &[&str] = &[
            "-1",
            "-0",
            "+1",
            "01",
            "1e9",
            "0x10",
            "1.5",
            "4294967295",
            "4294967296",
            "2147483648",
            "18446744073709551615",
            "18446744073709551616",
            "99999999999999999999999999999999",
            "1048577",
            "NaN",
            "\u{661}",
            "1 ",
            " 1",
            "1_0",
            "",
        ];
        let (size, other) = (random.choose(SIZES).to_owned(), random.choose(SIZES).to_owned());
        let line = match random.below(6) {
            0 => format!("PUB a {size}\r\nhi\r\n"),
            1 => format!("PUB a re {size}\r\nhi\r\n"),
            2 => format!("HPUB a {size} {other}\r\nNATS/1.0\r\n\r\nhi\r\n"),
            3 => format!("UNSUB 1 {size}\r\n"),
            4 => format!("HPUB a 12 {size}\r\nNATS/1.0\r\n\r\nhi\r\n"),
            _ => format!("HPUB a {size} 14\r\nNATS/1.0\r\n\r\nhi\r\n"),
        };
        let mut bytes = b"SUB a 1\r\n".to_vec();
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(b"PING\r\n");
        bytes
    }),
    ("a message that is never finished", |random| {
        let announced = random.below(1_048_577);
        let mut bytes = format!("PUB a {announced}\r\n").into_bytes();
        let sent = random.below(announced + 1);
        bytes.resize(bytes.len() + sent, b'x');
        bytes
    }),
    ("texts that are no UTF-8", |random| {
        let odd: &[&[u8]] = &[
            b"\xff\xfe",
            b"\xc0\x80",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"a\xe2\x82",
            b"\x80",
        ];
        let mut word = || random.choose(odd).to_vec();
        let mut bytes = b"SUB ".to_vec();
        bytes.extend(word());
        bytes.extend_from_slice(b" ");
        bytes.extend(word());
        bytes.extend_from_slice(b" 1\r\nSUB ");
        bytes.extend(word());
        bytes.extend_from_slice(b" ");
        bytes.extend(word());
        bytes.extend_from_slice(b"\r\nPUB ");
        bytes.extend(word());
        bytes.extend_from_slice(b" ");
        bytes.extend(word());
        bytes.extend_from_slice(b" 2\r\nhi\r\nUNSUB ");
        bytes.extend(word());
        bytes.extend_from_slice(b"\r\n");
        bytes
    }),
    ("subjects that are none", |random| {
        const SUBJECTS: &[&str] = &[
            ".",
            "..",
            ".a",
            "a.",
            "a..b",
            "*",
            ">",
            "a.>.b",
            "a*",
            "*.>",
            "$SYS.REQ.SERVER.PING",
            "$JS.API.INFO",
            "_INBOX.>",
            "$NRG.x",
            "_GR_.x",
            "_R_.x",
            "$JS.ACK.a",
            "a\tb",
            "a\u{0}b",
            "\u{1f600}",
            "%s%n",
            "../../etc/passwd",
        ];
        let mut bytes = Vec::new();
        for number in 0..50 {
            let subject = random.choose(SUBJECTS);
            let line = match random.below(4) {
                0 => format!("PUB {subject} 0\r\n\r\n"),
                1 => format!("PUB a {subject} 0\r\n\r\n"),
                2 => format!("SUB {subject} {number}\r\n"),
                _ => format!("SUB {subject} {subject} {number}\r\n"),
            };
            bytes.extend_from_slice(line.as_bytes());
        }
        bytes
    }),
    ("subjects of very many tokens", |random| {
        let token = *random.choose(&["a.", "*.", "\u{fc}."]);
        let many = token.repeat(1 + random.below(1_900 / token.len()));
        format!("SUB {many}> 1\r\nSUB {many}a 2\r\nPUB {many}a 0\r\n\r\nPUB {many}b.c 0\r\n\r\n").into_bytes()
    }),
    ("header blocks that are none", |random| {
        const BLOCKS: &[&str] = &[
            "",
            "\r\n",
            "NATS/1.0",
            "NATS/1.0\r\n",
            "NATS/1.0\r\n\r\n",
            "NATS/2.0\r\n\r\n",
            "NATS/1.0 \u{0}\r\n\r\n",
            "NATS/1.0\r\nno colon\r\n\r\n",
            "NATS/1.0\r\n: empty\r\n\r\n",
            "NATS/1.0\r\nA: b\r\n",
            "HTTP/1.1 200\r\n\r\n",
            "NATS/1.0 999999999999999999999\r\n\r\n",
            "NATS/1.0\r\nA: \u{1f600}\r\n\r\n",
            "nats/1.0\r\n\r\n",
        ];
        let mut bytes = b"SUB > 1\r\n".to_vec();
        for _ in 0..20 {
            let block = random.choose(BLOCKS);
            let said = if random.below(2) == 0 {
                block.len()
            } else {
                random.below(block.len() + 4)
            };
            let line = format!("HPUB a {said} {}\r\n{block}hi\r\n", block.len() + 2);
            bytes.extend_from_slice(line.as_bytes());
        }
        bytes
    }),
    ("CONNECT that is no JSON of its kind", |random| {
        const CONNECTS: &[&str] = &[
            "",
            "{",
            "}",
            "null",
            "true",
            "1",
            "\"\"",
            "[]",
            "[{}]",
            "{}{}",
            "{\"jwt\":1}",
            "{\"jwt\":null}",
            "{\"jwt\":\"\"}",
            "{\"jwt\":\"a.b.c\",\"sig\":\"x\"}",
            "{\"jwt\":\"....\"}",
            "{\"protocol\":1e400}",
            "{\"protocol\":-9223372036854775809}",
            "{\"verbose\":\"yes\"}",
            "{\"verbose\":true,\"verbose\":false}",
            "{\"\\ud800\":1}",
            "{\"a\":\"\\u0000\"}",
            "{\"account\":\"SYS\",\"new_account\":true}",
            "{'a':1}",
            "{\"a\":NaN}",
            "{\"a\":1,}",
            "\u{feff}{}",
            "{\"nkey\":\"U\"}",
            "{\"no_responders\":true,\"headers\":false}",
            "{\"user\":\"a\",\"pass\":\"b\"}",
            "{\"auth_token\":\"t\"}",
        ];
        format!("CONNECT {}\r\nPING\r\n", random.choose(CONNECTS)).into_bytes()
    }),
    ("CONNECT that is deep", |random| {
        let depth = 1 + random.below(4_000);
        let open = *random.choose(&["[", "{\"a\":", "[[", "[{\"a\":[", "{\"jwt\":"]);
        let mut json = open.repeat(depth / open.len() + 1);
        json.truncate(4_080);
        format!("CONNECT {json}\r\nPING\r\n").into_bytes()
    }),
    ("a user JWT that is deep or none", |random| {
        let depth = 1 + random.below(2_000);
        let claims = match random.below(4) {
            0 => "[".repeat(depth),
            1 => format!("{{\"nats\":{}", "{\"pub\":".repeat(depth / 8 + 1)),
            2 => "{\"exp\":1e999,\"nats\":{\"type\":\"user\",\"version\":2}}".to_owned(),
            _ => String::from_utf8_lossy(&random.bytes(300)).into_owned(),
        };
        let part = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
        let header = part("{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}");
        let jwt = format!("{header}.{}.{}", part(&claims), part("signature"));
        format!("CONNECT {{\"jwt\":\"{jwt}\",\"sig\":\"x\"}}\r\nPING\r\n").into_bytes()
    }),
    ("another protocol", |random| {
        let others: &[&[u8]] = &[
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
            // The beginning of a TLS handshake.
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            b"*1\r\n$4\r\nPING\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0",
            b"EHLO example.org\r\n",
        ];
        random.choose(others).to_vec()
    }),
    ("what servers say", |random| {
        const LINES: &[&str] = &[
            "+OK\r\n",
            "-ERR 'x'\r\n",
            "INFO {}\r\n",
            "MSG a 1 2\r\nhi\r\n",
            "PONG\r\n",
            "PING\r\n",
        ];
        let count = 1 + random.below(5_000);
        (0..count).flat_map(|_| random.choose(LINES).bytes()).collect()
    }),
    ("line ends of every kind", |random| {
        const PIECES: &[&str] = &[
            "PING", "\r\n", "\n", "\r", "\n\n", "\r\r\n", " ", "\t", "PONG", "ping", "pInG\r\n",
        ];
        (0..500).flat_map(|_| random.choose(PIECES).bytes()).collect()
    }),
    ("CONNECT again and again", |random| {
        let count = 1 + random.below(300);
        "CONNECT {\"verbose\":true}\r\nSUB a 1\r\nPING\r\n"
            .repeat(count)
            .into_bytes()
    }),
];
