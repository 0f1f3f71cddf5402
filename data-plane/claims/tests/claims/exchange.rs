//! Exports, imports, activations and mappings of an account's document.
//!
//! What is accepted and refused was tried on the stock server (2.15.1); rows
//! where this crate refuses what it accepts say so.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tollway_claims::*;
use tollway_subject::FilterBuf;

use crate::world::{NOW, World, claims_of, token};

const HEADER: &str = r#"{"typ":"JWT","alg":"ed25519-nkey"}"#;

fn signer(number: u8) -> Signer {
    Signer::generate(KeyKind::Account, [number; 32])
}

fn filter(text: &str) -> FilterBuf {
    text.parse().unwrap()
}

/// Decodes an account document whose `nats` object has these fields.
fn document(fields: Value) -> Result<AccountClaims, TokenError> {
    let world = World::new();
    let mut nats = json!({
        "type": "account", "version": 2,
        "limits": { "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1 },
    });
    for (field, value) in fields.as_object().unwrap() {
        match (field.as_str(), value) {
            ("limits", Value::Object(limits)) => {
                limits
                    .iter()
                    .for_each(|(name, limit)| nats["limits"][name] = limit.clone());
            }
            _ => nats[field] = value.clone(),
        }
    }
    let claims = json!({
        "iss": world.operator_signing.public().to_string(), "sub": world.account.public().to_string(),
        "iat": NOW, "nats": nats,
    });
    AccountClaims::decode(&token(HEADER, &claims.to_string(), &world.operator_signing))
}

fn with(base: Value, fields: Value) -> Value {
    let mut merged = base;
    for (field, value) in fields.as_object().unwrap() {
        merged[field] = value.clone();
    }
    merged
}

fn export(fields: Value) -> Result<Export, ExportError> {
    let export = with(json!({ "subject": "foo", "type": "stream" }), fields);
    match document(json!({ "exports": [export] })) {
        Ok(mut claims) => Ok(claims.exports.remove(0)),
        Err(TokenError::Exchange(ExchangeError::Export { source, .. })) => Err(source),
        Err(other) => panic!("{other:?}"),
    }
}

fn import(fields: Value) -> Result<Import, ImportError> {
    let import = with(
        json!({ "name": "n", "subject": "foo", "type": "stream", "account": signer(9).public().to_string() }),
        fields,
    );
    match document(json!({ "imports": [import] })) {
        Ok(mut claims) => Ok(claims.imports.remove(0)),
        Err(TokenError::Exchange(ExchangeError::Import { source, .. })) => Err(source),
        Err(other) => panic!("{other:?}"),
    }
}

fn mapping(source: &str, destinations: Value) -> Result<Vec<Destination>, MappingError> {
    match document(json!({ "mappings": { source: destinations } })) {
        Ok(mut claims) => Ok(claims.mappings.pop_first().unwrap().1),
        Err(TokenError::Exchange(ExchangeError::Mapping { source, .. })) => Err(source),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn every_field_of_an_export_is_read() {
    let stream = export(json!({
        "name": "n", "subject": "foo.*", "token_req": true, "revocations": { signer(8).public().to_string(): 5, "*": 3 },
        "account_token_position": 2, "advertise": true, "description": "d", "info_url": "https://example.org/x",
    }))
    .unwrap();
    let mut revocations = Revocations {
        all: Some(3),
        ..Revocations::default()
    };
    revocations.revoke(signer(8).public(), 5);
    let expected = Export {
        name: "n".into(),
        token_required: true,
        revocations,
        account_token_position: std::num::NonZeroU32::new(2),
        advertise: true,
        description: "d".into(),
        info_url: "https://example.org/x".into(),
        ..Export::stream(filter("foo.*"))
    };
    assert_eq!(stream, expected);

    let service = export(json!({
        "type": "service", "response_type": "Chunked", "response_threshold": 1_500_000_000, "allow_trace": true,
    }))
    .unwrap();
    let terms = ServiceTerms {
        response: ResponseType::Chunked,
        response_threshold: Some(Duration::from_millis(1500)),
        latency: None,
        allow_trace: true,
    };
    assert_eq!(service.kind, ExportKind::Service(terms));
}

#[test]
fn latency_sampling_is_a_percentage_or_left_to_the_headers() {
    for (written, sampling) in [
        (json!(1), LatencySampling::Percent(1)),
        (json!(100), LatencySampling::Percent(100)),
        (json!(0), LatencySampling::Headers),
        (json!("headers"), LatencySampling::Headers),
        (json!("Headers"), LatencySampling::Headers),
    ] {
        let latency = json!({ "sampling": written, "results": "lat" });
        let service = export(json!({ "type": "service", "service_latency": latency })).unwrap();
        let ExportKind::Service(terms) = service.kind else {
            panic!()
        };
        let expected = ServiceLatency {
            sampling,
            results: filter("lat"),
        };
        assert_eq!(terms.latency, Some(expected), "{written}");
    }
}

#[test]
fn exports_that_stock_servers_refuse_are_refused_with_the_reason() {
    let latency = |latency: Value| json!({ "type": "service", "service_latency": latency });
    let subject = |subject: &str| json!({ "subject": subject });
    let at = |subject: &str, position: i64| json!({ "subject": subject, "account_token_position": position });
    let position = |position| Some(ExportError::AccountTokenPosition { position });
    let only_service = |field| Some(ExportError::OnlyService { field });
    for (fields, expected) in [
        (
            json!({ "type": "" }),
            Some(ExportError::Type { found: "".into() }),
        ),
        (
            json!({ "type": "x" }),
            Some(ExportError::Type { found: "x".into() }),
        ),
        (subject(""), None),
        (subject("a b"), None),
        (subject("a..b"), None),
        (subject(".a"), None),
        (
            json!({ "type": "service", "response_type": "stream" }),
            Some(ExportError::ResponseType {
                found: "stream".into(),
            }),
        ),
        (
            json!({ "response_type": "Singleton" }),
            only_service("response_type"),
        ),
        (
            json!({ "response_threshold": 5 }),
            only_service("response_threshold"),
        ),
        (
            json!({ "service_latency": { "sampling": 5, "results": "lat" } }),
            only_service("service_latency"),
        ),
        (json!({ "allow_trace": true }), only_service("allow_trace")),
        (
            json!({ "type": "service", "response_threshold": -1 }),
            Some(ExportError::ResponseThreshold),
        ),
        (
            latency(json!({ "sampling": 101, "results": "lat" })),
            Some(ExportError::LatencySampling),
        ),
        (
            latency(json!({ "sampling": -1, "results": "lat" })),
            Some(ExportError::LatencySampling),
        ),
        (
            latency(json!({ "sampling": 5, "results": "lat.*" })),
            Some(ExportError::LatencyResults),
        ),
        (
            latency(json!({ "sampling": 5, "results": "" })),
            Some(ExportError::LatencyResults),
        ),
        (at("foo", 1), position(1)),
        (at("foo.*", 1), position(1)),
        (at("foo.*", 3), position(3)),
        (at("foo.>", 2), position(2)),
        (at("foo.*", -1), position(-1)),
        (
            json!({ "description": "x".repeat(9000) }),
            Some(ExportError::InfoTooLong { field: "description" }),
        ),
        (json!({ "info_url": "x" }), Some(ExportError::InfoUrl)),
        // From here on the stock server accepts, and then leaves out what it accepted.
        (subject(">.a"), None),
        (subject("a\tb"), None),
        (
            json!({ "revocations": { "x": 5 } }),
            Some(ExportError::Revocations { found: "x".into() }),
        ),
        (
            json!({ "type": "service", "response_type": "Stream", "service_latency": { "sampling": 5, "results": "lat" } }),
            Some(ExportError::LatencyResponseType),
        ),
        (
            json!({ "type": "service", "subject": "foo.>", "service_latency": { "sampling": 5, "results": "foo.x" } }),
            Some(ExportError::LatencyResultsExported),
        ),
    ] {
        let found = export(fields.clone()).unwrap_err();
        match expected {
            Some(expected) => assert_eq!(found, expected, "{fields}"),
            None => assert!(matches!(found, ExportError::Subject(_)), "{fields}: {found:?}"),
        }
    }
    for fields in [
        json!({ "type": 1 }),
        latency(json!({ "sampling": "50", "results": "lat" })),
    ] {
        let exports = json!({ "exports": [with(json!({ "subject": "foo" }), fields)] });
        assert!(matches!(document(exports), Err(TokenError::Claims(_))));
    }
    let null = document(json!({ "exports": [null] })).unwrap_err();
    assert_eq!(null.code(), "invalid_export");
}

#[test]
fn exports_of_a_kind_may_overlap_but_not_contain_each_other() {
    let exports = |a: &str, b: &str, of_b: &str| {
        document(json!({ "exports": [{ "subject": a, "type": "stream" }, { "subject": b, "type": of_b }] }))
    };
    for (a, b) in [
        ("foo", "foo"),
        ("foo.>", "foo.a"),
        ("foo.*.c", "foo.b.c"),
        ("a.*", "a.>"),
        ("*.*", ">"),
    ] {
        for (a, b) in [(a, b), (b, a)] {
            assert_eq!(
                exports(a, b, "stream").unwrap_err().code(),
                "invalid_export",
                "{a} {b}"
            );
            exports(a, b, "service").unwrap();
        }
    }
    for (a, b) in [
        ("foo.*.a", "foo.b.*"),
        ("foo", "bar"),
        ("a.*", "a.b.>"),
        ("*.*", "*.*.>"),
    ] {
        exports(a, b, "stream").unwrap();
    }
}

#[test]
fn operator_limits_exports_and_imports() {
    let one = |limits: Value| {
        document(json!({
            "limits": limits,
            "exports": [{ "subject": "a.*", "type": "stream" }],
            "imports": [{ "subject": "a", "type": "stream", "account": signer(9).public().to_string() }],
        }))
    };
    one(json!({})).unwrap();
    one(json!({ "exports": 1, "imports": 1 })).unwrap();
    for limit in ["exports", "imports"] {
        let error = one(json!({ limit: 0 })).unwrap_err();
        assert_eq!(error.code(), "exchange_not_granted", "{limit}");
    }
    // As in stock servers, wildcards are only looked at where exports are limited at all.
    one(json!({ "wildcards": false })).unwrap();
    assert_eq!(
        one(json!({ "wildcards": false, "exports": 5 }))
            .unwrap_err()
            .code(),
        "invalid_export"
    );
}

#[test]
fn every_field_of_an_import_is_read() {
    let account = signer(9).public();
    let stream =
        import(json!({ "subject": "foo.*.*", "local_subject": "bar.$2.$1", "allow_trace": true })).unwrap();
    let local = LocalSubject::new("bar.$2.$1", filter("foo.*.*").as_filter()).unwrap();
    assert_eq!(local.filter(), &filter("bar.*.*"));
    assert_eq!(local.references(), [2, 1]);
    let expected = Import {
        name: "n".into(),
        local_subject: Some(local),
        kind: ImportKind::Stream { allow_trace: true },
        ..Import::stream(account, filter("foo.*.*"))
    };
    assert_eq!(stream, expected);
    assert_eq!(stream.local_filter(), filter("bar.*.*"));

    let service = import(json!({ "type": "service", "share": true })).unwrap();
    assert_eq!(service.kind, ImportKind::Service { share: true });
    assert_eq!(service.local_filter(), filter("foo"));
}

#[test]
fn old_field_to_reads_like_a_local_subject() {
    let read = |fields: Value| {
        let import = import(fields).unwrap();
        (import.subject.to_string(), import.local_filter().to_string())
    };
    let pair = |subject: &str, local: &str| (subject.to_owned(), local.to_owned());
    // Of a stream it is a prefix, of a service the exporter's name.
    assert_eq!(
        read(json!({ "subject": "foo.*", "to": "pre" })),
        pair("foo.*", "pre.foo.*")
    );
    assert_eq!(
        read(json!({ "subject": "foo.*", "to": "pre.fix." })),
        pair("foo.*", "pre.fix.foo.*")
    );
    assert_eq!(
        read(json!({ "type": "service", "to": "bar" })),
        pair("bar", "foo")
    );
    let service = json!({ "type": "service", "subject": "foo.*", "to": "bar.*" });
    assert_eq!(read(service), pair("bar.*", "foo.*"));
    assert_eq!(
        import(json!({ "local_subject": "bar", "to": "x" })),
        Err(ImportError::LocalSubjectTwice)
    );
    // The stock server accepts these and then imports nothing, or something that cannot be meant.
    assert_eq!(import(json!({ "to": "pre.*" })), Err(ImportError::Prefix));
    for to in ["bar.$1", "bar", "bar.*.*"] {
        let service = json!({ "type": "service", "subject": "foo.*", "to": to });
        assert!(
            matches!(import(service), Err(ImportError::LocalSubject(_))),
            "{to}"
        );
    }
}

#[test]
fn local_subject_refers_to_each_wildcard_once() {
    let local = |subject: &str, local: &str| {
        LocalSubject::new(local, filter(subject).as_filter()).map(|local| local.filter().to_string())
    };
    for (subject, text, expected) in [
        ("foo", "bar", "bar"),
        ("foo.>", "bar.>", "bar.>"),
        ("foo.>", ">", ">"),
        ("foo.*", "bar.$1", "bar.*"),
        ("foo.*", "bar.*", "bar.*"),
        ("foo.*", "$1", "*"),
        ("foo.*.*", "bar.$2.$1", "bar.*.*"),
        ("foo.*.>", "$1.x.>", "*.x.>"),
        ("foo.*", "$JS.$1.$x.$", "$JS.*.$x.$"),
    ] {
        assert_eq!(local(subject, text).as_deref(), Ok(expected), "{subject} {text}");
    }
    let not_each_once = |wildcards| LocalSubjectError::NotEachOnce { wildcards };
    let reference = |found: &str, wildcards| LocalSubjectError::Reference {
        found: found.into(),
        wildcards,
    };
    for (subject, text, expected) in [
        ("foo", "bar.>", LocalSubjectError::Tail),
        ("foo.>", "bar", LocalSubjectError::Tail),
        ("foo.*", "bar", not_each_once(1)),
        ("foo.*", "bar.$1.$1", not_each_once(1)),
        ("foo.*", "bar.{{wildcard(1)}}", not_each_once(1)),
        ("foo", "bar.*", not_each_once(0)),
        ("foo", "bar.$1", reference("$1", 0)),
        ("foo.*", "bar.$2", reference("$2", 1)),
        // The stock server accepts these, and two subjects become one, or `foo` stands in for a wildcard.
        ("foo.*.*", "bar.$1.$1", not_each_once(2)),
        ("foo.*.*", "bar.*.$1", not_each_once(2)),
        ("foo.*", "bar.$0", reference("$0", 1)),
    ] {
        assert_eq!(local(subject, text), Err(expected), "{subject} {text}");
    }
    assert!(matches!(local("foo", "b ar"), Err(LocalSubjectError::Subject(_))));
    assert!(matches!(local("foo", "a..b"), Err(LocalSubjectError::Subject(_))));
}

#[test]
fn imports_that_mean_nothing_are_refused() {
    for (fields, expected) in [
        (json!({ "type": "x" }), ImportError::Type { found: "x".into() }),
        (json!({ "account": "" }), ImportError::AccountMissing),
        (json!({ "share": true }), ImportError::ShareOfStream),
        (
            json!({ "type": "service", "allow_trace": true }),
            ImportError::TraceOfService,
        ),
        // Accepted by the stock server, which then waits for an account that cannot exist.
        (
            json!({ "account": World::new().user.public().to_string() }),
            ImportError::AccountRole { found: KeyKind::User },
        ),
        (
            json!({ "name": "x".repeat(INFO_BYTES_MAX + 1) }),
            ImportError::NameTooLong,
        ),
    ] {
        assert_eq!(import(fields.clone()), Err(expected), "{fields}");
    }
    assert!(matches!(
        import(json!({ "account": "x" })),
        Err(ImportError::Account(_))
    ));
    for token in ["junk", "https://example.org/token"] {
        assert!(
            matches!(import(json!({ "token": token })), Err(ImportError::Token(_))),
            "{token}"
        );
    }
    assert_eq!(
        document(json!({ "imports": [null] })).unwrap_err().code(),
        "invalid_import"
    );
}

#[test]
fn activation_has_to_be_for_the_import_that_shows_it() {
    let world = World::new();
    let (importer, exporter) = (world.account.public(), signer(9));
    let activation = |change: &dyn Fn(&mut ActivationClaims)| {
        let mut claims =
            ActivationClaims::new(exporter.public(), importer, Shared::Stream, filter("foo"), NOW);
        change(&mut claims);
        let by = if claims.issuer == exporter.public() {
            &exporter
        } else {
            &signer(7)
        };
        claims.encode(by).unwrap()
    };
    let shown = |token: String| import(json!({ "token": token })).map(|import| import.activation.unwrap());

    let good = activation(&|_| {});
    let read = shown(good.clone()).unwrap();
    assert_eq!(read.token(), good);
    assert_eq!(read.claims().exporter(), exporter.public());
    // Wider than the import, by a signing key that the exporter's document may name, and not yet or no longer valid:
    // whether those count is seen when the exporter's document is at hand.
    shown(activation(&|claims| claims.import_subject = filter(">"))).unwrap();
    shown(activation(&|claims| {
        claims.issuer = signer(7).public();
        claims.issuer_account = Some(exporter.public());
    }))
    .unwrap();
    shown(activation(&|claims| claims.expires_at = Some(1))).unwrap();
    shown(activation(&|claims| claims.not_before = Some(i64::MAX))).unwrap();

    let other = signer(7).public();
    let refused = |token: String| match shown(token) {
        Err(ImportError::Activation(error)) => error,
        other => panic!("{other:?}"),
    };
    let wrong = refused(activation(&|claims| claims.subject = other));
    assert_eq!(wrong, ActivationError::OtherImporter { granted: other });
    let wrong = refused(activation(&|claims| claims.issuer = other));
    assert_eq!(wrong, ActivationError::OtherExporter { granting: other });
    let wrong = refused(activation(&|claims| claims.issuer_account = Some(other)));
    assert_eq!(wrong, ActivationError::OtherExporter { granting: other });
    let wrong = refused(activation(&|claims| claims.shared = Shared::Service));
    assert_eq!(
        wrong,
        ActivationError::OtherKind {
            granted: Shared::Service
        }
    );
    let wrong = refused(activation(&|claims| claims.import_subject = filter("bar")));
    assert_eq!(
        wrong,
        ActivationError::OtherSubject {
            granted: filter("bar")
        }
    );

    // A tampered token does not hide behind a document that is signed.
    let (signed, _) = good.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", "A".repeat(86));
    assert!(matches!(
        import(json!({ "token": forged })),
        Err(ImportError::Token(_))
    ));
    // An operator's key says nothing about what an account gives away.
    let claims = claims_of(&good).to_string().replace(
        &exporter.public().to_string(),
        &world.operator.public().to_string(),
    );
    let by_operator = token(HEADER, &claims, &world.operator);
    assert!(matches!(
        import(json!({ "token": by_operator })),
        Err(ImportError::Token(_))
    ));
}

#[test]
fn services_of_one_account_do_not_share_a_local_subject() {
    let import = |subject: &str, local: &str, account: u8| json!({ "subject": subject, "local_subject": local, "type": "service", "account": signer(account).public().to_string() });
    let both = |a: Value, b: Value| document(json!({ "imports": [a, b] }));
    for (a, b) in [
        (import("a", "x", 9), import("b", "x", 9)),
        (import("a.*", "x.*", 9), import("b", "x.b", 9)),
        (import("b", "x.b", 9), import("a.*", "x.*", 9)),
    ] {
        assert_eq!(
            both(a.clone(), b.clone()).unwrap_err().code(),
            "invalid_import",
            "{a} {b}"
        );
    }
    for (a, b) in [
        (import("a", "x", 9), import("b", "x", 8)),
        (import("a.*", "x.*", 9), import("b", "x.b", 8)),
        (import("a.*.c", "x.*.c", 9), import("b.*", "x.b.*", 9)),
        (
            import("a", "x", 9),
            with(import("b", "x", 9), json!({ "type": "stream" })),
        ),
    ] {
        both(a, b).unwrap();
    }
}

#[test]
fn weights_of_a_mapping_stay_within_the_whole() {
    let to = |subject: &str, weight: i64| json!({ "subject": subject, "weight": weight });
    let sum = |found, cluster: Option<&str>| {
        Err(MappingError::WeightSum {
            found,
            cluster: cluster.map(str::to_owned),
        })
    };
    assert_eq!(
        mapping("a", json!([{ "subject": "b" }])),
        Ok(vec![Destination::all("b")])
    );
    assert_eq!(mapping("a", json!([to("b", 0)])), Ok(vec![Destination::all("b")]));
    let two = vec![Destination::weighted("b", 60), Destination::weighted("c", 40)];
    assert_eq!(mapping("a", json!([to("b", 60), to("c", 40)])), Ok(two));
    assert_eq!(mapping("a", json!([])), Ok(vec![]));
    assert_eq!(mapping("a", json!(null)), Ok(vec![]));
    assert_eq!(
        mapping("a", json!([to("b", 101)])),
        Err(MappingError::Weight { found: 101 })
    );
    assert_eq!(
        mapping("a", json!([to("b", 256)])),
        Err(MappingError::Weight { found: 256 })
    );
    assert_eq!(
        mapping("a", json!([to("b", -1)])),
        Err(MappingError::Weight { found: -1 })
    );
    assert_eq!(mapping("a", json!([to("b", 60), to("c", 60)])), sum(120, None));
    assert_eq!(mapping("a", json!([to("b", 0), to("c", 0)])), sum(200, None));
    // Three hundred must not wrap to forty-four.
    assert_eq!(
        mapping("a", json!([to("b", 100), to("c", 100), to("d", 100)])),
        sum(300, None)
    );
    let at = |subject: &str, weight| with(to(subject, weight), json!({ "cluster": "x" }));
    mapping("a", json!([to("b", 60), at("c", 60)])).unwrap();
    assert_eq!(
        mapping("a", json!([at("b", 60), at("c", 60)])),
        sum(120, Some("x"))
    );
}

#[test]
fn mapping_of_no_subject_is_refused() {
    let to = json!([{ "subject": "b" }]);
    for source in ["a b", "", "a..b", ">.a"] {
        assert!(
            matches!(mapping(source, to.clone()), Err(MappingError::Source(_))),
            "{source:?}"
        );
    }
    for destination in ["b b", "", "b..c", "b.{{ wildcard(1) }}", "b.>.c"] {
        let error = mapping("a", json!([{ "subject": destination }])).unwrap_err();
        assert!(
            matches!(error, MappingError::Destination { .. }),
            "{destination:?}"
        );
    }
    let twice = mapping(
        "a",
        json!([{ "subject": "b", "weight": 1 }, { "subject": "b", "weight": 1, "cluster": "x" }]),
    );
    assert_eq!(
        twice,
        Err(MappingError::DestinationTwice {
            destination: "b".into()
        })
    );
}

#[test]
fn lists_and_texts_are_bounded() {
    let names = |count: usize| (0..count).map(|number| format!("s{number}"));
    let long = "x".repeat(SUBJECT_BYTES_MAX + 1);
    assert!(matches!(
        export(json!({ "subject": long })),
        Err(ExportError::Subject(SubjectError::TooLong { .. }))
    ));
    let exports: Vec<_> = names(EXPORTS_MAX + 1)
        .map(|name| json!({ "subject": name, "type": "stream" }))
        .collect();
    assert_eq!(
        document(json!({ "exports": exports })).unwrap_err().code(),
        "exchange_too_large"
    );
    let account = signer(9).public().to_string();
    let imports: Vec<_> = names(IMPORTS_MAX + 1)
        .map(|name| json!({ "subject": name, "type": "stream", "account": account }))
        .collect();
    assert_eq!(
        document(json!({ "imports": imports })).unwrap_err().code(),
        "exchange_too_large"
    );
    let mappings: BTreeMap<_, _> = names(MAPPINGS_MAX + 1).map(|name| (name, json!([]))).collect();
    assert_eq!(
        document(json!({ "mappings": mappings })).unwrap_err().code(),
        "exchange_too_large"
    );
    let destinations: Vec<_> = names(DESTINATIONS_MAX + 1)
        .enumerate()
        .map(|(number, name)| json!({ "subject": name, "weight": 1, "cluster": number.to_string() }))
        .collect();
    let found = DESTINATIONS_MAX + 1;
    assert_eq!(
        mapping("a", json!(destinations)),
        Err(MappingError::TooManyDestinations { found })
    );
}

#[test]
fn document_that_readers_refuse_is_not_signed() {
    let world = World::new();
    let refused = |change: &dyn Fn(&mut AccountClaims)| {
        let mut claims = world.account_claims();
        change(&mut claims);
        matches!(
            claims.encode(&world.operator_signing),
            Err(EncodeError::Exchange(_))
        )
    };
    assert!(refused(
        &|claims| claims.exports = vec![Export::stream(filter("a")), Export::stream(filter(">"))]
    ));
    assert!(refused(
        &|claims| claims.imports = vec![Import::stream(claims.issuer, filter("a"))]
    ));
    assert!(refused(&|claims| {
        claims
            .mappings
            .insert(filter("a"), vec![Destination::weighted("b", 0)]);
    }));
    assert!(refused(&|claims| {
        let mut import = Import::stream(signer(9).public(), filter("a.*"));
        import.local_subject = Some(LocalSubject::new("b", filter("a").as_filter()).unwrap());
        claims.imports = vec![import];
    }));
}

#[test]
fn trust_refuses_what_its_server_does_not_act_on() {
    let world = World::new();
    let verified = |enforced: Enforced, change: &dyn Fn(&mut AccountClaims)| {
        let mut claims = world.account_claims();
        change(&mut claims);
        let token = claims.encode(&world.operator_signing).unwrap();
        let trust = world.trust().enforcing(enforced);
        // The operator's next document does not change what the server does.
        let trust = trust
            .update(&world.operator_claims().encode(&world.operator).unwrap())
            .unwrap();
        trust.verify_account(&token, NOW).map(drop)
    };
    let not_enforced = |feature| Err(TrustError::NotEnforced { feature });
    let exporting = |claims: &mut AccountClaims| claims.exports = vec![Export::stream(filter("a"))];
    let importing = |claims: &mut AccountClaims| {
        claims.imports = vec![Import::stream(signer(9).public(), filter("a"))];
    };
    let mapping = |claims: &mut AccountClaims| {
        claims.mappings.insert(filter("a"), vec![Destination::all("b")]);
    };
    let measuring = |claims: &mut AccountClaims| {
        let mut export = Export::service(filter("a"));
        export.kind = ExportKind::Service(ServiceTerms {
            latency: Some(ServiceLatency {
                sampling: LatencySampling::Headers,
                results: filter("lat"),
            }),
            ..ServiceTerms::default()
        });
        claims.exports = vec![export];
    };
    let rating = |claims: &mut AccountClaims| {
        let mut claim = TollwayClaim::new(1, TollwayLimits::default());
        claim.users.rates.messages_in = RateLimit::new(1, None).ok();
        claim.users.rates.messages_out = Some(RateLimit::Unlimited);
        claims.tollway = Some(claim);
    };
    let rating_out = |claims: &mut AccountClaims| {
        rating(claims);
        let claim = claims.tollway.as_mut().unwrap();
        let of_key = claim.signing_keys.entry(claims.subject).or_default();
        of_key.rates.bytes_out = RateLimit::new(1, None).ok();
    };
    assert_eq!(verified(Enforced::NONE, &|_| {}), Ok(()));
    assert_eq!(verified(Enforced::NONE, &rating), Ok(()));
    assert_eq!(
        verified(Enforced::NONE, &rating_out),
        not_enforced(Feature::UserRatesOut)
    );
    assert_eq!(
        verified(Enforced::NONE, &exporting),
        not_enforced(Feature::Exports)
    );
    assert_eq!(
        verified(Enforced::NONE, &importing),
        not_enforced(Feature::Imports)
    );
    assert_eq!(
        verified(Enforced::NONE, &mapping),
        not_enforced(Feature::Mappings)
    );
    let exports = Enforced {
        exports: true,
        ..Enforced::NONE
    };
    assert_eq!(verified(exports, &exporting), Ok(()));
    assert_eq!(
        verified(exports, &measuring),
        not_enforced(Feature::ServiceLatency)
    );
    for change in [
        &exporting as &dyn Fn(&mut AccountClaims),
        &importing,
        &mapping,
        &measuring,
        &rating_out,
    ] {
        assert_eq!(verified(Enforced::ALL, change), Ok(()));
    }
}

fn word() -> impl Strategy<Value = String> {
    "[a-z]{1,4}"
}

/// Exports whose subjects lie apart, because each begins with its number.
fn exports() -> impl Strategy<Value = Vec<Export>> {
    let sampling = prop_oneof![
        Just(LatencySampling::Headers),
        (1u8..=100).prop_map(LatencySampling::Percent)
    ];
    let latency = (sampling, word()).prop_map(|(sampling, word)| ServiceLatency {
        sampling,
        results: filter(&format!("lat.{word}")),
    });
    let response = prop_oneof![
        (Just(ResponseType::Singleton), proptest::option::of(latency)),
        (Just(ResponseType::Stream), Just(None)),
        (Just(ResponseType::Chunked), Just(None)),
    ];
    let service = (response, proptest::option::of(1u64..1 << 62), any::<bool>()).prop_map(
        |((response, latency), threshold, allow_trace)| {
            ExportKind::Service(ServiceTerms {
                response,
                response_threshold: threshold.map(Duration::from_nanos),
                latency,
                allow_trace,
            })
        },
    );
    let kind = prop_oneof![Just(ExportKind::Stream), service];
    let revoked = proptest::collection::vec((any::<u8>(), any::<i64>()), 0..3);
    let one = (
        kind,
        any::<[bool; 3]>(),
        revoked,
        proptest::option::of(any::<i64>()),
        word(),
    );
    proptest::collection::vec(one, 0..4).prop_map(|exports| {
        let numbered = exports.into_iter().enumerate();
        numbered
            .map(
                |(number, (kind, [token_required, positioned, advertise], revoked, all, text))| {
                    let mut revocations = Revocations {
                        all,
                        ..Revocations::default()
                    };
                    revoked
                        .into_iter()
                        .for_each(|(key, at)| revocations.revoke(signer(key).public(), at));
                    Export {
                        name: text.clone(),
                        kind,
                        token_required,
                        revocations,
                        account_token_position: positioned
                            .then_some(std::num::NonZeroU32::MIN.saturating_add(1)),
                        advertise,
                        description: text.clone(),
                        info_url: format!("https://{text}"),
                        ..Export::stream(filter(&format!("e{number}.*.>")))
                    }
                },
            )
            .collect()
    })
}

fn imports(importer: PublicKey) -> impl Strategy<Value = Vec<Import>> {
    let one = (
        any::<u8>(),
        any::<[bool; 4]>(),
        proptest::option::of(any::<i64>()),
    );
    proptest::collection::vec(one, 0..4).prop_map(move |imports| {
        let numbered = imports.into_iter().enumerate();
        numbered
            .map(
                |(number, (exporter, [service, flag, renamed, private], expires_at))| {
                    let exporter = signer(exporter);
                    let subject = filter(&format!("i{number}.*.*.>"));
                    let mut import = Import::stream(exporter.public(), subject.clone());
                    import.kind = match service {
                        true => ImportKind::Service { share: flag },
                        false => ImportKind::Stream { allow_trace: flag },
                    };
                    if renamed {
                        let local = format!("l{number}.$2.$1.>");
                        import.local_subject = Some(LocalSubject::new(&local, subject.as_filter()).unwrap());
                    }
                    if private {
                        let kind = import.kind.shared();
                        let mut claims =
                            ActivationClaims::new(exporter.public(), importer, kind, filter(">"), NOW);
                        claims.expires_at = expires_at.filter(|at| *at != 0);
                        import.activation =
                            Some(Activation::decode(claims.encode(&exporter).unwrap()).unwrap());
                    }
                    import
                },
            )
            .collect()
    })
}

fn mappings() -> impl Strategy<Value = Mappings> {
    let destination = (word(), 1u8..=20, proptest::option::of("[xy]"));
    proptest::collection::btree_map(word(), proptest::collection::vec(destination, 0..5), 0..4).prop_map(
        |mappings| {
            let mapping = |(source, destinations): (String, Vec<(String, u8, Option<String>)>)| {
                let destinations: BTreeMap<_, _> = destinations
                    .into_iter()
                    .map(|(word, weight, cluster)| (word, (weight, cluster)))
                    .collect();
                let destinations = destinations
                    .into_iter()
                    .map(|(subject, (weight, cluster))| Destination {
                        subject,
                        weight,
                        cluster,
                    })
                    .collect();
                (filter(&source), destinations)
            };
            mappings.into_iter().map(mapping).collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn accounts_that_share_round_trip(
        (exports, imports, mappings) in (exports(), imports(World::new().account.public()), mappings()),
    ) {
        let world = World::new();
        let claims = AccountClaims { exports, imports, mappings, ..world.account_claims() };
        let token = claims.encode(&world.operator_signing).unwrap();
        prop_assert_eq!(AccountClaims::decode(&token).unwrap(), claims);
    }

    #[test]
    fn activations_round_trip(
        (exporter, importer) in any::<(u8, u8)>(),
        by_signing_key: bool,
        name in ".{0,20}",
        issued_at: i64,
        times in any::<(Option<std::num::NonZeroI64>, Option<std::num::NonZeroI64>)>(),
        service: bool,
        import_subject in "[a-z]{1,3}(\\.([a-z]{1,3}|\\*)){0,3}(\\.>)?",
    ) {
        let exporter = signer(exporter);
        let claims = ActivationClaims {
            issuer: exporter.public(),
            subject: signer(importer).public(),
            name,
            issued_at,
            expires_at: times.0.map(Into::into),
            not_before: times.1.map(Into::into),
            issuer_account: by_signing_key.then(|| signer(200).public()),
            import_subject: filter(&import_subject),
            shared: if service { Shared::Service } else { Shared::Stream },
        };
        let token = claims.encode(&exporter).unwrap();
        prop_assert_eq!(ActivationClaims::decode(&token).unwrap(), claims);
    }

    /// Whatever is in a document, it is read or refused; and what is read can be signed again.
    #[test]
    fn no_list_ends_a_reader(
        text in "[a-z$*>.{}(), 1-3]{0,12}",
        other in "[a-z$*>.{}(), 1-3]{0,12}",
        kind in prop_oneof![Just("stream"), Just("service"), Just("x")],
        number: i64,
    ) {
        let account = signer(9).public().to_string();
        let read = document(json!({
            "exports": [{ "subject": text, "type": kind, "account_token_position": number % 4 }],
            "imports": [
                { "subject": text, "local_subject": other, "type": kind, "account": account },
                { "subject": other, "to": text, "type": kind, "account": account },
            ],
            "mappings": { text.clone(): [{ "subject": other, "weight": number % 120 }] },
        }));
        if let Ok(mut claims) = read {
            let world = World::new();
            claims.issuer = world.operator_signing.public();
            let again = AccountClaims::decode(&claims.encode(&world.operator_signing).unwrap()).unwrap();
            prop_assert_eq!(again, claims);
        }
    }
}
