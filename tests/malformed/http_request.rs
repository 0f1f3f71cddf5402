//! What callers send to an HTTP port, and what they should not.

use tollway_tests::Random;

/// A kind of nonsense: its name, and how to make some for a path, with a token that is good.
pub(crate) type Kind = (&'static str, fn(&mut Random, &str) -> Vec<u8>);

fn post(token: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n{headers}\r\n"
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn json(token: &str, body: &[u8]) -> Vec<u8> {
    let length = format!("Content-Length: {}\r\nConnection: close\r\n", body.len());
    post(token, "/v1/organizations", &length, body)
}

/// All kinds of bytes that one connection can be sent in one go.
pub(crate) const KINDS: &[Kind] = &[
    ("random bytes", |random, _| {
        let count = 1 + random.below(60_000);
        random.bytes(count)
    }),
    ("a request with wrong bytes", |random, token| {
        let mut bytes = json(token, b"{\"name\":\"a\"}");
        for _ in 0..1 + random.below(6) {
            let at = random.below(bytes.len());
            bytes[at] = random.below(256) as u8;
        }
        bytes
    }),
    ("a request that breaks off", |random, token| {
        let mut bytes = json(token, b"{\"name\":\"a\"}");
        bytes.truncate(random.below(bytes.len()));
        bytes
    }),
    ("lines without end", |random, _| {
        let beginning = random.choose(&["GET /", "GET / HTTP/1.1\r\nA: ", "GET /?a=", "GET / HTTP/1.1\r\n"]);
        let mut bytes = beginning.as_bytes().to_vec();
        bytes.resize(bytes.len() + 10_000 + random.below(1_000_000), b'a');
        bytes
    }),
    ("very many headers", |random, _| {
        let mut text = "GET /healthz HTTP/1.1\r\nHost: a\r\n".to_owned();
        for number in 0..random.below(3_000) {
            text.push_str(&format!("X-{number}: {number}\r\n"));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }),
    ("paths that are none", |random, token| {
        const PATHS: &[&str] = &[
            "/%",
            "/%zz",
            "/%00",
            "/%ff%fe",
            "/../../etc/passwd",
            "//",
            "/v1/accounts/%2e%2e/request",
            "*",
            "http://",
            "/\u{fc}",
            "/v1/accounts/acc_zz",
            "/v1/accounts/A",
            "/v1/organizations?limit=-1",
            "/v1/organizations?limit=99999999999999999999",
            "/v1/organizations?cursor=%ff",
            "/v1/organizations?limit=1&limit=2",
            "/v1/cells/%F0%9F%98%80",
        ];
        let method = random.choose(&[
            "GET", "POST", "DELETE", "PATCH", "PUT", "OPTIONS", "TRACE", "CONNECT", "\u{fc}", "get",
        ]);
        let path = random.choose(PATHS);
        format!("{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n").into_bytes()
    }),
    ("lengths that are none", |random, token| {
        let length = random.choose(&[
            "-1",
            "+1",
            "0x5",
            "18446744073709551616",
            "99999999999",
            "1, 2",
            "",
            "5\r\nContent-Length: 6",
        ]);
        post(
            token,
            "/v1/organizations",
            &format!("Content-Length: {length}\r\n"),
            b"{\"name\"",
        )
    }),
    ("chunks that are none", |random, token| {
        const CHUNKS: &[&str] = &[
            "zz\r\n",
            "ffffffffffffffffff\r\n",
            "-1\r\n",
            "5;a=\"\r\nhello\r\n",
            "5\r\nhello!!\r\n",
            "0\r\nA: b\r\n",
            "\r\n",
            "1\r\n",
        ];
        let chunk = random.choose(CHUNKS).repeat(1 + random.below(50));
        post(
            token,
            "/v1/organizations",
            "Transfer-Encoding: chunked\r\n",
            chunk.as_bytes(),
        )
    }),
    ("a body that is too large", |random, token| {
        json(token, &vec![b' '; 1_048_577 + random.below(2_000_000)])
    }),
    ("a body that is deep", |random, token| {
        let depth = 1_000 + random.below(100_000);
        let open = *random.choose(&["[", "{\"name\":", "{\"limits\":[", "{\"a\":{"]);
        json(token, open.repeat(depth / open.len()).as_bytes())
    }),
    ("a body that is not what was asked for", |random, token| {
        const BODIES: &[&str] = &[
            "",
            "null",
            "[]",
            "{}",
            "\"\"",
            "1e999",
            "{\"name\":null}",
            "{\"name\":1}",
            "{\"name\":\"\\ud800\"}",
            "{\"name\":\"\\u0000\"}",
            "{\"name\":\"a\",\"name\":\"b\"}",
            "{\"name\":\"../..\"}",
            "{\"name\":\"a'; DROP TABLE account; --\"}",
            "\u{feff}{}",
            "{\"name\":\"a\"}{",
        ];
        json(token, random.choose(BODIES).as_bytes())
    }),
    ("a body that is no UTF-8", |random, token| {
        let mut body = b"{\"name\":\"".to_vec();
        body.extend(random.bytes(100));
        body.extend_from_slice(b"\"}");
        json(token, &body)
    }),
    ("a token that is none", |random, _| {
        let mut bytes =
            b"GET /v1/organizations HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer "
                .to_vec();
        let count = random.below(9_000);
        bytes.extend(
            random
                .bytes(count)
                .into_iter()
                .filter(|byte| !b"\r\n".contains(byte)),
        );
        bytes.extend_from_slice(b"\r\n\r\n");
        bytes
    }),
    ("requests one behind the other", |random, token| {
        let request =
            format!("GET /v1/organizations HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
        request.repeat(1 + random.below(100)).into_bytes()
    }),
    ("HTTP/2 with wrong frames", |random, _| {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
        for _ in 0..random.below(50) {
            let length = random.below(100);
            bytes.extend_from_slice(&[
                0,
                0,
                length as u8,
                random.below(16) as u8,
                random.below(256) as u8,
            ]);
            bytes.extend_from_slice(&(random.below(5) as u32).to_be_bytes());
            bytes.extend(random.bytes(length));
        }
        bytes
    }),
    ("HTTP/2 that asks and takes back", |random, _| {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
        for number in 0..random.below(2_000) {
            let stream = (2 * number as u32 + 1).to_be_bytes();
            // GET / over http, as indexed headers; then RST_STREAM.
            bytes.extend_from_slice(&[0, 0, 3, 1, 5]);
            bytes.extend_from_slice(&stream);
            bytes.extend_from_slice(&[0x82, 0x84, 0x86]);
            bytes.extend_from_slice(&[0, 0, 4, 3, 0]);
            bytes.extend_from_slice(&stream);
            bytes.extend_from_slice(&[0, 0, 0, 8]);
        }
        bytes
    }),
    ("a promise of another protocol", |random, _| {
        let other = random.choose(&["websocket", "h2c", "TLS/1.0", "\u{fc}"]);
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {other}\r\nHTTP2-Settings: AAA\r\nSec-WebSocket-Key: x\r\n\r\n"
        )
        .into_bytes()
    }),
    ("another protocol", |random, _| {
        let others: &[&[u8]] = &[
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            b"CONNECT {}\r\nPING\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"*1\r\n$4\r\nPING\r\n",
        ];
        random.choose(others).to_vec()
    }),
];
