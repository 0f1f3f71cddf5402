//! Where a server listens, and how: plain, with TLS, for browsers.

use std::time::Duration;

use tollway_conf::{
    CipherSuite, Curve, HANDSHAKE_AUTO, Handshake, Login, Port, Reason, Tls, TlsVersion, Websocket,
};

use crate::around::{config, problems, wrong};

fn tls(inner: &str) -> Tls {
    config(&format!("tls {{ cert_file: c.pem, key_file: k.pem, {inner} }}"))
        .tls
        .expect("it is set")
}

fn what(text: &str) -> String {
    let problems = problems(text);
    assert_eq!(problems.len(), 1, "{text}: {problems:?}");
    problems[0]
        .split_once(": ")
        .expect("a place and a reason")
        .1
        .to_owned()
}

#[test]
fn an_address_may_come_in_parts() {
    let listen = config("listen: \"[::1]:4222\"").listen;
    assert_eq!(listen.host.expect("it is set").value, "::1");
    assert_eq!(listen.port.expect("it is set").value, Port::Number(4222));
    let listen = config("host: 0.0.0.0\nlisten: -1").listen;
    assert_eq!(listen.host.expect("it is set").value, "0.0.0.0");
    let port = listen.port.expect("it is set");
    assert_eq!((port.value, port.at.line()), (Port::AnyFree, 2));
    assert_eq!(
        config("http: localhost:8222").http.port.expect("it is set").value,
        Port::Number(8222)
    );
    assert_eq!(
        config("port: 0").listen.port.expect("it is set").value,
        Port::Unset
    );
    for text in [
        "listen: localhost",
        "listen: \"4222\"",
        "listen: \"::1:4222\"",
        "http: \"a:http\"",
        "listen: \"a:99999\"",
    ] {
        assert!(
            matches!(wrong(text).listed[0].reason, Reason::Invalid { .. }),
            "{text}"
        );
    }
    assert_eq!(problems("listen: true").len(), 1);
}

#[test]
fn monitoring_with_tls_needs_a_certificate_and_stands_alone() {
    let text = "https: 8443\ntls { cert_file: c, key_file: k }";
    assert_eq!(
        config(text).https.port.expect("it is set").value,
        Port::Number(8443)
    );
    assert_eq!(
        what("https: 8443"),
        "https needs a block tls, whose certificate it shows"
    );
    assert_eq!(what(&format!("http: 8222\n{text}")), "http excludes https");
}

#[test]
fn tls_names_its_files_and_how_clients_are_checked() {
    let read =
        tls("ca_file: ca.pem, verify: true, timeout: 2.5, connection_rate_limit: 100, min_version: \"1.3\"");
    assert_eq!(read.certificates[0].cert_file.value, "c.pem");
    assert_eq!(read.certificates[0].key_file.value, "k.pem");
    assert_eq!(read.ca_file.expect("it is set").value, "ca.pem");
    assert!(read.verify && !read.verify_and_map);
    assert_eq!(read.timeout, Some(Duration::from_millis(2500)));
    assert_eq!(
        (read.connection_rate_limit, read.min_version),
        (Some(100), TlsVersion::V1_3)
    );
    let read = tls("verify_and_map: true");
    assert!(read.verify && read.verify_and_map);
    let many = config("tls { certs: [{cert_file: a, key_file: b}, {cert_file: c, key_file: d}] }")
        .tls
        .expect("it is set");
    assert_eq!(many.certificates.len(), 2);

    assert_eq!(what("tls {}"), "tls needs cert_file and key_file, or certs");
    assert_eq!(what("tls { cert_file: a }"), "tls needs key_file");
    assert_eq!(what("tls { key_file: a }"), "tls needs cert_file");
    assert_eq!(
        what("tls { certs: [{cert_file: a}], cert_file: a, key_file: b }"),
        "each of certs needs cert_file and key_file"
    );
    assert_eq!(
        what("tls { cert_file: a, key_file: b, certs: [{cert_file: a, key_file: b}] }"),
        "certs excludes cert_file and key_file"
    );
    assert_eq!(
        what("tls { cert_file: a, key_file: b, certfile: c }"),
        r#"unknown key "certfile" in tls"#
    );
    assert_eq!(
        what("tls { cert_file: a, key_file: b, min_version: \"1.1\" }"),
        "min_version: has to be \"1.2\" or \"1.3\""
    );
    assert_eq!(
        what("tls { cert_file: a, key_file: b, min_version: 1.3 }")
            .split(" has")
            .next(),
        Some("min_version")
    );
    for inner in [
        "ocsp_peer: true",
        "cert_store: x",
        "verify_cert_and_check_known_urls: true",
    ] {
        let problems = wrong(&format!("tls {{ cert_file: a, key_file: b, {inner} }}"));
        assert!(
            matches!(problems.listed[0].reason, Reason::NotOffered { .. }),
            "{inner}"
        );
    }
}

#[test]
fn the_handshake_comes_after_info_at_once_or_within_a_time() {
    for (word, when) in [
        ("false", Handshake::AfterInfo),
        ("\"off\"", Handshake::AfterInfo),
        ("true", Handshake::First),
        ("\"on\"", Handshake::First),
        ("auto", Handshake::FirstWithin(HANDSHAKE_AUTO)),
        ("\"300ms\"", Handshake::FirstWithin(Duration::from_millis(300))),
        ("300ms", Handshake::FirstWithin(Duration::from_millis(300))),
    ] {
        assert_eq!(tls(&format!("handshake_first: {word}")).handshake, when, "{word}");
    }
    for word in ["soon", "5", "\"-1s\"", "\"\""] {
        assert_eq!(
            problems(&format!(
                "tls {{ cert_file: a, key_file: b, handshake_first: {word} }}"
            ))
            .len(),
            1
        );
    }
}

#[test]
fn suites_curves_and_pins_are_known_or_refused() {
    let pin = "ab".repeat(32);
    let read = tls(&format!(
        "cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256], curve_preferences: [X25519, CurveP256], pinned_certs: [{pin}]"
    ));
    assert_eq!(
        read.cipher_suites,
        [
            CipherSuite::Tls13Aes128GcmSha256,
            CipherSuite::EcdheRsaChaCha20Poly1305Sha256
        ]
    );
    assert_eq!(read.curves, [Curve::X25519, Curve::P256]);
    assert_eq!(read.pinned_certs, [[0xab; 32]]);
    for inner in [
        "cipher_suites: []",
        "cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]",
        "curve_preferences: [CurveP521]",
        "pinned_certs: [abc]",
        "pinned_certs: abc",
    ] {
        assert_eq!(
            problems(&format!("tls {{ cert_file: a, key_file: b, {inner} }}")).len(),
            1,
            "{inner}"
        );
    }
}

fn websocket(inner: &str) -> Websocket {
    config(&format!("websocket {{ {inner} }}"))
        .websocket
        .expect("it is set")
}

#[test]
fn websockets_have_tls_or_say_that_they_have_none() {
    let read = websocket(
        "listen: \"0.0.0.0:443\", tls { cert_file: c, key_file: k }, compression: true, same_origin: true",
    );
    assert!(read.tls.is_some() && read.compression && read.same_origin && !read.no_tls);
    assert!(websocket("port: 8080, no_tls: true").no_tls);
    // A block that listens nowhere needs nothing.
    assert!(websocket("advertise: \"a:1\"").tls.is_none());
    assert_eq!(
        what("websocket { port: 8080 }"),
        "websocket needs tls, or no_tls: true where something before it has TLS"
    );
}

#[test]
fn websockets_have_logins_cookies_origins_and_headers_of_their_own() {
    let read = websocket(
        "port: 1, no_tls: true, authorization { user: a, password: b, timeout: 3 }, allowed_origins: [\"https://a.example\", \"http://b.example:8080\"], user_cookie: u, headers { X-Served-By: us }, handshake_timeout: \"2s\", ping_interval: \"1m\"",
    );
    assert!(matches!(read.login, Some(Login::Password { .. })));
    assert_eq!(read.auth_timeout, Some(Duration::from_secs(3)));
    assert_eq!(read.allowed_origins[1].value, "http://b.example:8080");
    assert_eq!(read.cookies.user.as_deref(), Some("u"));
    assert_eq!(read.headers["X-Served-By"], "us");
    assert_eq!(
        (read.handshake_timeout, read.ping_interval),
        (Some(Duration::from_secs(2)), Some(Duration::from_secs(60)))
    );

    let inside = |inner: &str| what(&format!("websocket {{ port: 1, no_tls: true, {inner} }}"));
    assert!(
        inside("allowed_origins: a.example").starts_with("allowed_origins: has to be as browsers send it")
    );
    assert!(inside("origin: \"http://a:b\"").starts_with("allowed_origins: has to be"));
    assert_eq!(inside("jwt_cookie: j"), "jwt_cookie needs operator");
    assert_eq!(inside("no_auth_user: x"), r#"there is no user "x""#);
    assert_eq!(
        inside("headers { Connection: close }"),
        "connection: belongs to the upgrade itself"
    );
    assert_eq!(
        inside("headers { \"A B\": c }"),
        "a b: not a header and its value on one line"
    );
    assert_eq!(
        inside("headers { A: \"b\\r\\nC: d\" }"),
        "a: not a header and its value on one line"
    );
    assert_eq!(
        inside("authorization { users: [] }"),
        r#"unknown key "users" in the authorization of a websocket"#
    );
    let text = "websocket { port: 1, no_tls: true, authorization { user: a } }\nauthorization { users: [{user: b}] }";
    assert_eq!(what(text), "a login of the websocket excludes users");
}

#[test]
fn leafnodes_are_read_as_far_as_where_they_listen() {
    let read = config("leafnodes { listen: \"0.0.0.0:7422\", authorization { user: a }, tls {} }");
    let listen = read.leafnodes.expect("it is set").listen;
    assert_eq!(listen.port.expect("it is set").value, Port::Number(7422));
    assert_eq!(read.notices.len(), 1);
    assert_eq!(
        what("leafnodes { lisen: 7422 }"),
        r#"unknown key "lisen" in leafnodes"#
    );
}
