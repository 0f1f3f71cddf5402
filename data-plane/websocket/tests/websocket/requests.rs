//! Requests, answered with the status that the stock server answers with.

use tollway_websocket::{CookieNames, Origin, OriginRules, Upgrade, UpgradeSettings, read_request};

/// A request of headers, some of which are replaced, left out (empty) or added.
fn request(method: &str, path: &str, changes: &[(&str, &str)]) -> Vec<u8> {
    let mut headers = vec![
        ("Host", "h.test:80"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    for change in changes {
        match headers.iter_mut().find(|header| header.0 == change.0) {
            Some(header) => header.1 = change.1,
            None => headers.push(*change),
        }
    }
    let lines: String = headers
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!("{method} {path} HTTP/1.1\r\n{lines}\r\n").into_bytes()
}

fn status(changes: &[(&str, &str)]) -> u16 {
    match read_request(&request("GET", "/", changes), &UpgradeSettings::default(), false) {
        Ok(Some(_)) => 101,
        Ok(None) => panic!("the request is whole"),
        Err(error) => error.status,
    }
}

fn granted(changes: &[(&str, &str)], settings: &UpgradeSettings) -> Upgrade {
    let read = read_request(&request("GET", "/", changes), settings, false);
    read.expect("granted").expect("whole")
}

#[test]
fn the_key_of_the_standard_is_answered_as_in_the_standard() {
    let settings = UpgradeSettings {
        headers: vec![("X-Cell".into(), "a".into())],
        ..UpgradeSettings::default()
    };
    let response = granted(&[], &settings).response(&settings);
    assert_eq!(
        String::from_utf8(response).unwrap(),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nX-Cell: a\r\n\r\n"
    );
}

#[test]
fn headers_decide_as_with_the_stock_server() {
    for (wanted, change) in [
        (400, ("Host", "")),
        (400, ("Upgrade", "")),
        (400, ("Upgrade", "h2c")),
        (101, ("Upgrade", "foo, WebSocket")),
        (400, ("Connection", "")),
        (400, ("Connection", "close")),
        (101, ("Connection", "keep-alive, upgrade")),
        (400, ("Sec-WebSocket-Key", "")),
        (400, ("Sec-WebSocket-Key", "abc")),
        (400, ("Sec-WebSocket-Version", "")),
        (400, ("Sec-WebSocket-Version", "8")),
        (101, ("Origin", "http://elsewhere.test")),
        (101, ("Sec-WebSocket-Protocol", "nats")),
    ] {
        assert_eq!(status(&[change]), wanted, "{change:?}");
    }
    let settings = UpgradeSettings::default();
    let refused = |bytes: &[u8]| read_request(bytes, &settings, false).expect_err("refused").status;
    assert_eq!(refused(&request("POST", "/", &[])), 405);
    assert_eq!(refused(&request("GET", "/mqtt", &[])), 404);
    assert_eq!(refused(&request("GET", "/leafnode?x", &[])), 404);
    assert_eq!(refused(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), 400);
    assert_eq!(
        refused(&[request("GET", "/", &[]), b"\x82\x80".to_vec()].concat()),
        400
    );
    let twice = String::from_utf8(request("GET", "/", &[]))
        .unwrap()
        .replace("Host:", "Host: other\r\nHost:");
    assert_eq!(refused(twice.as_bytes()), 400);
    assert!(read_request(&request("GET", "/any/path?a=b", &[]), &settings, false).is_ok());
}

#[test]
fn a_request_is_read_when_it_is_whole() {
    let whole = request("GET", "/", &[]);
    let settings = UpgradeSettings::default();
    for end in 0..whole.len() {
        assert_eq!(read_request(&whole[..end], &settings, false), Ok(None), "{end}");
    }
    assert!(matches!(read_request(&whole, &settings, false), Ok(Some(_))));
}

#[test]
fn pages_of_other_origins_are_refused() {
    let settings = UpgradeSettings {
        origins: OriginRules {
            same: false,
            allowed: vec![Origin::parse("https://app.test").unwrap()],
        },
        ..UpgradeSettings::default()
    };
    let status = |origin: (&str, &str)| {
        read_request(&request("GET", "/", &[origin]), &settings, false)
            .map_or_else(|error| error.status, |_| 101)
    };
    assert_eq!(status(("Origin", "https://app.test")), 101);
    assert_eq!(status(("Origin", "https://evil.test")), 403);
    assert_eq!(status(("Origin", "null")), 403);
    assert_eq!(status(("Sec-WebSocket-Origin", "https://evil.test")), 403);
    assert_eq!(status(("Origin", "")), 101, "not a browser");
    let of_lines = |lines: &[u8]| {
        let mut bytes = request("GET", "/", &[]);
        bytes.truncate(bytes.len() - 2);
        bytes.extend([lines, b"\r\n"].concat());
        read_request(&bytes, &settings, false).map_or_else(|error| error.status, |_| 101)
    };
    assert_eq!(of_lines(b"Origin: https://app.test\r\n"), 101);
    assert_eq!(
        of_lines(b"Origin: https://app.test\r\nOrigin: https://evil.test\r\n"),
        400
    );
    assert_eq!(of_lines(b"Origin: https://evil.test\xff\r\n"), 400);
    let old_name = "Sec-WebSocket-Origin: https://evil.test\r\n";
    assert_eq!(of_lines(format!("Origin:\r\n{old_name}").as_bytes()), 403);
}

#[test]
fn compression_is_agreed_to_when_an_offer_can_be_kept() {
    let settings = UpgradeSettings {
        compression: true,
        ..UpgradeSettings::default()
    };
    for (offer, wanted) in [
        ("permessage-deflate", true),
        ("permessage-deflate; client_max_window_bits", true),
        (
            "x-foo, Permessage-Deflate; server_no_context_takeover; client_no_context_takeover",
            true,
        ),
        ("permessage-deflate; server_max_window_bits=10", false),
        (
            "permessage-deflate; server_max_window_bits=10, permessage-deflate",
            true,
        ),
        ("permessage-deflate; foo=1", false),
        ("x-webkit-deflate-frame", false),
    ] {
        let offer = [("Sec-WebSocket-Extensions", offer)];
        let upgrade = granted(&offer, &settings);
        assert_eq!(upgrade.compression, wanted, "{offer:?}");
        let response = String::from_utf8(upgrade.response(&settings)).unwrap();
        assert_eq!(
            response.contains(
                "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
            ),
            wanted
        );
        assert!(
            !granted(&offer, &UpgradeSettings::default()).compression,
            "not asked for"
        );
    }
}

#[test]
fn browsers_proxies_and_cookies_are_told_apart() {
    let settings = UpgradeSettings {
        cookies: CookieNames {
            jwt: Some("token".into()),
            user: Some("name".into()),
            ..CookieNames::default()
        },
        ..UpgradeSettings::default()
    };
    let upgrade = granted(
        &[
            ("User-Agent", "Mozilla/5.0 (X11)"),
            ("X-Forwarded-For", "unknown, 192.0.2.7, 198.51.100.1"),
            ("Cookie", "a=b; token=\"eyJ0.eyJq.sig\"; xname=c; name=bob"),
        ],
        &settings,
    );
    assert!(upgrade.browser);
    assert_eq!(upgrade.forwarded_for, "192.0.2.7".parse().ok());
    assert_eq!(upgrade.cookies.jwt.as_deref(), Some("eyJ0.eyJq.sig"));
    assert_eq!(upgrade.cookies.user.as_deref(), Some("bob"));
    assert_eq!(
        (&upgrade.cookies.password, &upgrade.cookies.token),
        (&None, &None)
    );
    assert!(!format!("{upgrade:?}").contains("eyJ0"), "secrets are not shown");
    let other = granted(&[("User-Agent", "nats.rs")], &settings);
    assert!(!other.browser && other.forwarded_for.is_none() && other.cookies.jwt.is_none());
}
