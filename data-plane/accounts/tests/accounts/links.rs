//! Which imports work: what was tried on the stock server (2.15.1), and where this differs on purpose.

use std::time::Duration;

use tollway_accounts::*;
use tollway_claims::*;

use crate::world::*;

const BOTH: [Shared; 2] = [Shared::Stream, Shared::Service];

fn pairs(expected: &[(u8, &str)]) -> Vec<(PublicKey, String)> {
    let mut pairs: Vec<_> = expected
        .iter()
        .map(|(account, subject)| (key(*account), (*subject).to_owned()))
        .collect();
    pairs.sort();
    pairs
}

/// An activation by B for A, changed.
fn activation(shared: Shared, subject: &str, change: impl FnOnce(&mut ActivationClaims)) -> Activation {
    let mut claims = ActivationClaims::new(key(B), key(A), shared, filter(subject), NOW - 10);
    change(&mut claims);
    let by = signer((0..32).find(|number| key(*number) == claims.issuer).unwrap());
    Activation::decode(claims.encode(&by).unwrap()).unwrap()
}

/// The outcome for A, which imports `foo.a` from B, and what B exports.
fn outcome(
    shared: Shared,
    exports: &[Export],
    subject: &str,
    activation: Option<Activation>,
) -> &'static str {
    let import = Import {
        activation,
        ..import(shared, B, subject, "")
    };
    let links = linked(&[exporting(B, exports), importing(A, [import])]);
    outcomes(&links, A)[0]
}

#[test]
fn stream_arrives_under_its_local_name() {
    for (subject, local, published, expected) in [
        ("foo.*", "", "foo.x", "foo.x"),
        ("foo.*", "bar.*", "foo.x", "bar.x"),
        ("foo.*", "pre.foo.$1", "foo.x", "pre.foo.x"),
        ("foo.*.*", "bar.$2.$1", "foo.x.y", "bar.y.x"),
        ("foo.*.*", "foo.$2.$1", "foo.x.y", "foo.y.x"),
        ("foo.*.>", "bar.$1.>", "foo.x.y.z", "bar.x.y.z"),
        ("foo.>", ">", "foo.a.b", "a.b"),
        ("foo", "bar", "foo", "bar"),
    ] {
        let documents = [
            exporting(B, [export(Shared::Stream, subject)]),
            importing(A, [import(Shared::Stream, B, subject, local)]),
        ];
        let links = linked(&documents);
        assert_eq!(
            received(&links, B, published),
            pairs(&[(A, expected)]),
            "{subject} {local}"
        );
        assert!(received(&links, A, published).is_empty(), "streams flow one way");
        assert!(received(&links, B, "other").is_empty());
    }
}

#[test]
fn request_leaves_under_the_exporters_name() {
    for (subject, local, asked_for, expected) in [
        ("foo", "", "foo", "foo"),
        ("foo", "bar", "bar", "foo"),
        ("foo.*", "bar.*", "bar.x", "foo.x"),
        ("foo.*.*", "bar.$2.$1", "bar.x.y", "foo.y.x"),
        ("foo.>", "bar.>", "bar.x.y", "foo.x.y"),
        ("foo.>", ">", "x.y", "foo.x.y"),
    ] {
        let documents = [
            exporting(B, [export(Shared::Service, subject)]),
            importing(A, [import(Shared::Service, B, subject, local)]),
        ];
        let links = linked(&documents);
        assert_eq!(
            asked(&links, A, asked_for),
            pairs(&[(B, expected)]),
            "{subject} {local}"
        );
        assert!(asked(&links, B, asked_for).is_empty());
    }
}

#[test]
fn service_route_carries_the_terms_of_the_export() {
    let latency = ServiceLatency {
        sampling: LatencySampling::Percent(5),
        results: filter("lat"),
    };
    let terms = ServiceTerms {
        response: ResponseType::Singleton,
        response_threshold: Some(Duration::from_secs(5)),
        latency: Some(latency.clone()),
        allow_trace: true,
    };
    let measured = Export {
        kind: ExportKind::Service(terms),
        ..export(Shared::Service, "m")
    };
    let chunked = ServiceTerms {
        response: ResponseType::Chunked,
        ..ServiceTerms::default()
    };
    let chunked = Export {
        kind: ExportKind::Service(chunked),
        ..export(Shared::Service, "c.>")
    };
    let sharing = Import {
        kind: ImportKind::Service { share: true },
        ..import(Shared::Service, B, "m", "")
    };
    let links = linked(&[
        exporting(B, [measured, chunked]),
        importing(A, [sharing, import(Shared::Service, B, "c.x", "")]),
    ]);
    let routes = &links.routes(&key(A)).unwrap().services;
    assert_eq!(routes[0].response_threshold, Duration::from_secs(5));
    assert_eq!(routes[0].latency.as_deref(), Some(&latency));
    assert!(routes[0].share && routes[0].allow_trace);
    assert_eq!(routes[1].response, ResponseType::Chunked);
    assert_eq!(routes[1].response_threshold, RESPONSE_THRESHOLD_DEFAULT);
    assert!(!routes[1].share && !routes[1].allow_trace && routes[1].latency.is_none());
}

#[test]
fn subscription_knows_what_to_ask_the_exporter_for() {
    let links = linked(&[
        exporting(B, [export(Shared::Stream, "foo.>")]),
        importing(
            A,
            [
                import(Shared::Stream, B, "foo.*.*", "bar.$2.$1"),
                import(Shared::Stream, B, "foo.x", ""),
            ],
        ),
    ]);
    let routes: Vec<_> = links
        .imports(&key(A))
        .map(|(_, outcome)| match outcome {
            Ok(Link::Stream(route)) => route,
            other => panic!("{other:?}"),
        })
        .collect();
    let asked = |route: usize, subscribed: &str| routes[route].source_filter(filter(subscribed).as_filter());
    assert_eq!(asked(0, "bar.y.>"), Some(filter("foo.*.y")));
    assert_eq!(asked(0, "foo.>"), None);
    assert_eq!(asked(1, "foo.>"), Some(filter("foo.x")));
    assert_eq!(asked(1, "bar.>"), None);
}

#[test]
fn same_subject_of_two_accounts_comes_from_both_and_goes_to_both() {
    for shared in BOTH {
        let links = linked(&[
            importing(A, [import(shared, B, "foo", ""), import(shared, C, "foo", "")]),
            exporting(B, [export(shared, "foo")]),
            exporting(C, [export(shared, "foo")]),
        ]);
        match shared {
            Shared::Stream => {
                assert_eq!(received(&links, B, "foo"), pairs(&[(A, "foo")]));
                assert_eq!(received(&links, C, "foo"), pairs(&[(A, "foo")]));
            }
            Shared::Service => assert_eq!(asked(&links, A, "foo"), pairs(&[(B, "foo"), (C, "foo")])),
        }
    }
}

#[test]
fn overlapping_imports_of_a_stream_each_receive() {
    let links = linked(&[
        exporting(B, [export(Shared::Stream, "foo.>")]),
        importing(
            A,
            [
                import(Shared::Stream, B, "foo.>", ""),
                import(Shared::Stream, B, "foo.a", "z"),
            ],
        ),
    ]);
    assert_eq!(received(&links, B, "foo.a"), pairs(&[(A, "foo.a"), (A, "z")]));
}

#[test]
fn second_import_of_the_same_stream_is_a_duplicate() {
    let links = linked(&[
        exporting(B, [export(Shared::Stream, "foo")]),
        importing(
            A,
            [
                import(Shared::Stream, B, "foo", ""),
                import(Shared::Stream, B, "foo", "bar"),
            ],
        ),
    ]);
    assert_eq!(outcomes(&links, A), ["ok", "duplicate_import"]);
    assert_eq!(received(&links, B, "foo"), pairs(&[(A, "foo")]));
}

#[test]
fn import_has_to_lie_within_an_export_of_its_kind() {
    for shared in BOTH {
        let other = if shared == Shared::Stream {
            Shared::Service
        } else {
            Shared::Stream
        };
        for (exports, subject, expected) in [
            (vec![export(shared, "foo.*")], "foo.a", "ok"),
            (vec![export(shared, "foo.*")], "foo.*", "ok"),
            (vec![export(shared, "foo.>")], "foo.*", "ok"),
            (vec![export(shared, ">")], ">", "ok"),
            (vec![export(shared, "foo.*")], "foo.>", "not_exported"),
            (vec![export(shared, "foo.*")], "*.a", "not_exported"),
            (vec![export(shared, "foo.*")], "bar", "not_exported"),
            (vec![], "foo", "not_exported"),
            (vec![export(other, "foo")], "foo", "exported_as_other_kind"),
            (vec![export(other, "foo"), export(shared, "*")], "foo", "ok"),
        ] {
            assert_eq!(
                outcome(shared, &exports, subject, None),
                expected,
                "{shared} {subject}"
            );
        }
    }
}

#[test]
fn private_export_needs_an_activation_by_the_exporter() {
    let signing = key(20);
    for shared in BOTH {
        let private = [private(shared, "foo.*")];
        let outcome = |activation| outcome(shared, &private, "foo.a", activation);
        let with = |subject: &str, change: &dyn Fn(&mut ActivationClaims)| {
            outcome(Some(activation(shared, subject, change)))
        };
        assert_eq!(outcome(None), "activation_missing");
        assert_eq!(with("foo.a", &|_| {}), "ok");
        assert_eq!(with("foo.*", &|_| {}), "ok");
        assert_eq!(with(">", &|_| {}), "ok");
        assert_eq!(
            with("foo.a", &|claims| claims.issuer_account = Some(key(B))),
            "ok"
        );
        let by_unknown_key = with("foo.a", &|claims| {
            claims.issuer = signing;
            claims.issuer_account = Some(key(B));
        });
        assert_eq!(by_unknown_key, "activation_signer");
        assert_eq!(
            with("foo.a", &|claims| claims.expires_at = Some(NOW)),
            "activation_expired"
        );
        assert_eq!(with("foo.a", &|claims| claims.expires_at = Some(NOW + 1)), "ok");
        assert_eq!(
            with("foo.a", &|claims| claims.not_before = Some(NOW + 1)),
            "activation_not_yet_valid"
        );
        assert_eq!(with("foo.a", &|claims| claims.not_before = Some(NOW)), "ok");
    }
}

#[test]
fn activation_by_a_signing_key_counts_as_long_as_the_exporter_has_the_key() {
    let signing = key(20);
    for shared in BOTH {
        let activation = activation(shared, "foo.a", |claims| {
            claims.issuer = signing;
            claims.issuer_account = Some(key(B));
        });
        let import = Import {
            activation: Some(activation),
            ..import(shared, B, "foo.a", "")
        };
        let with_keys = |signing_keys: Vec<AccountSigningKey>| AccountClaims {
            signing_keys,
            ..exporting(B, [private(shared, "foo.*")])
        };
        let mut links = linked(&[with_keys(vec![signing.into()]), importing(A, [import])]);
        assert_eq!(outcomes(&links, A), ["ok"]);
        links.handle_document(compiled(&with_keys(vec![key(21).into()])), NOW);
        assert_eq!(outcomes(&links, A), ["activation_signer"]);
    }
}

#[test]
fn revoked_activation_counts_only_when_it_was_signed_later() {
    let revoked_at = |at: i64, everybody: bool| {
        let mut revocations = Revocations::default();
        match everybody {
            true => revocations.all = Some(at),
            false => revocations.revoke(key(A), at),
        }
        revocations
    };
    for shared in BOTH {
        for everybody in [false, true] {
            // The activation was signed ten seconds before now.
            for (at, expected) in [
                (NOW, "activation_revoked"),
                (NOW - 10, "activation_revoked"),
                (NOW - 11, "ok"),
            ] {
                let revocations = revoked_at(at, everybody);
                let exports = [Export {
                    revocations: revocations.clone(),
                    ..private(shared, "foo.*")
                }];
                let activated = activation(shared, "foo.a", |_| {});
                assert_eq!(
                    outcome(shared, &exports, "foo.a", Some(activated)),
                    expected,
                    "{at} {everybody}"
                );
                // Who needs none has none to lose.
                let public = [Export {
                    revocations,
                    ..export(shared, "foo.*")
                }];
                assert_eq!(outcome(shared, &public, "foo.a", None), "ok");
            }
        }
    }
    let mut revocations = Revocations::default();
    revocations.revoke(key(C), NOW);
    let exports = [Export {
        revocations,
        ..private(Shared::Stream, "foo.*")
    }];
    let activated = activation(Shared::Stream, "foo.a", |_| {});
    assert_eq!(outcome(Shared::Stream, &exports, "foo.a", Some(activated)), "ok");
}

#[test]
fn account_token_position_is_the_permission() {
    let positioned = |shared, token_required| Export {
        account_token_position: std::num::NonZeroU32::new(2),
        token_required,
        ..export(shared, "foo.*")
    };
    for shared in BOTH {
        for token_required in [false, true] {
            let exports = [positioned(shared, token_required)];
            let own = format!("foo.{}", key(A));
            let of_another = format!("foo.{}", key(C));
            assert_eq!(outcome(shared, &exports, &own, None), "ok");
            assert_eq!(
                outcome(shared, &exports, &of_another, None),
                "account_token_position"
            );
            assert_eq!(outcome(shared, &exports, "foo.*", None), "account_token_position");
            let activated = activation(shared, "foo.*", |_| {});
            assert_eq!(
                outcome(shared, &exports, "foo.x", Some(activated)),
                "account_token_position"
            );
        }
    }
}

/// The stock server takes any of the exports that contain the import.
#[test]
fn overlapping_exports_all_have_to_allow() {
    for shared in BOTH {
        let public = export(shared, "foo.b.*");
        let private = private(shared, "foo.*.a");
        for exports in [[public.clone(), private.clone()], [private, public]] {
            assert_eq!(outcome(shared, &exports, "foo.b.a", None), "activation_missing");
            assert_eq!(outcome(shared, &exports, "foo.b.x", None), "ok");
            let activated = activation(shared, "foo.b.a", |_| {});
            assert_eq!(outcome(shared, &exports, "foo.b.a", Some(activated)), "ok");
        }
    }
}

#[test]
fn import_waits_for_its_exporter_and_follows_it() {
    for shared in BOTH {
        let exporter = exporting(B, [export(shared, "foo")]);
        let mut links = linked(&[importing(A, [import(shared, B, "foo", "")])]);
        assert_eq!(outcomes(&links, A), ["exporter_unknown"]);

        let changes = links.handle_document(compiled(&exporter), NOW);
        assert_eq!(outcomes(&links, A), ["ok"]);
        assert_eq!(changes.imports, [key(A)].into());
        let routed = if shared == Shared::Stream { B } else { A };
        assert_eq!(changes.routes, [key(routed)].into());

        let changes = links.handle_document(compiled(&exporter), NOW);
        assert_eq!(
            changes,
            LinkChanges::default(),
            "the same document again changes nothing"
        );

        let changes = links.handle_document(compiled(&document(B)), NOW);
        assert_eq!(outcomes(&links, A), ["not_exported"]);
        assert_eq!(changes.routes, [key(routed)].into());

        links.handle_document(compiled(&exporter), NOW);
        let changes = links.handle_removal(&key(B), NOW);
        assert_eq!(outcomes(&links, A), ["exporter_unknown"]);
        assert_eq!(changes.routes.contains(&key(A)), shared == Shared::Service);
        assert_eq!(links.routes(&key(B)), None);
    }
}

/// In the stock server an import that is narrower than its activation never ends.
#[test]
fn activation_begins_and_ends_at_its_time() {
    for shared in BOTH {
        let activated = activation(shared, "foo.*", |claims| {
            claims.not_before = Some(NOW + 10);
            claims.expires_at = Some(NOW + 20);
        });
        let import = Import {
            activation: Some(activated),
            ..import(shared, B, "foo.a", "")
        };
        let mut links = linked(&[importing(A, [import]), exporting(B, [private(shared, "foo.*")])]);
        assert_eq!(links.poll_timeout(), Some(NOW + 10));
        assert_eq!(links.handle_timeout(NOW + 9), LinkChanges::default());
        assert_eq!(outcomes(&links, A), ["activation_not_yet_valid"]);

        let changes = links.handle_timeout(NOW + 10);
        assert_eq!((outcomes(&links, A), changes.routes.len()), (vec!["ok"], 1));
        assert_eq!(links.poll_timeout(), Some(NOW + 20));

        let changes = links.handle_timeout(NOW + 25);
        assert_eq!(
            (outcomes(&links, A), changes.routes.len()),
            (vec!["activation_expired"], 1)
        );
        assert_eq!(links.poll_timeout(), None);
    }
}

/// What a configuration file says where JWTs have keys and tokens.
#[test]
fn accounts_of_a_configuration_are_approved_and_known_by_name() {
    for shared in BOTH {
        let by_name = Export {
            account_token_position: std::num::NonZeroU32::new(2),
            ..export(shared, "named.*")
        };
        let exporter = exporting(B, [private(shared, "foo"), private(shared, "bar"), by_name]);
        let exporter = Exchange::compile(&exporter, None).unwrap();
        let exporter = exporter.approving(shared, &filter("foo"), [key(A)].into());
        let imports =
            ["foo", "bar", "named.alice", "named.bob"].map(|subject| import(shared, B, subject, ""));
        let importer = Exchange::compile(&importing(A, imports), None)
            .unwrap()
            .named("alice");
        let mut links = Links::new();
        links.handle_document(exporter.into(), NOW);
        links.handle_document(importer.into(), NOW);
        assert_eq!(
            outcomes(&links, A),
            ["ok", "activation_missing", "ok", "account_token_position"]
        );
    }
}

/// The account was seen with its cycle, and then again because of somebody it also imports from.
#[test]
fn cycle_is_not_forgotten_when_another_exporter_comes() {
    let own = AccountClaims {
        imports: vec![
            import(Shared::Stream, A, "a", ""),
            import(Shared::Stream, B, "b", ""),
        ],
        ..exporting(A, [export(Shared::Stream, "a")])
    };
    let mut links = linked(&[own, document(B)]);
    assert_eq!(outcomes(&links, A), ["import_cycle", "not_exported"]);
    links.handle_document(compiled(&exporting(B, [export(Shared::Stream, "b")])), NOW);
    assert_eq!(outcomes(&links, A), ["import_cycle", "ok"]);
}

#[test]
fn account_may_import_from_itself_under_another_name() {
    let own = |subject: &str, local: &str| {
        BOTH.map(|shared| {
            let claims = AccountClaims {
                imports: vec![import(shared, A, subject, local)],
                ..exporting(A, [export(shared, subject)])
            };
            outcomes(&linked(&[claims]), A)[0]
        })
    };
    assert_eq!(own("foo", "bar"), ["ok", "ok"]);
    // The stock server delivers everything twice then.
    assert_eq!(own("foo", ""), ["import_cycle", "import_cycle"]);
    assert_eq!(own("foo.>", ">"), ["import_cycle", "import_cycle"]);
}

/// Of a cycle the stock server refuses what it happened to see last.
#[test]
fn all_imports_of_a_cycle_are_refused_in_whatever_order_they_come() {
    for shared in BOTH {
        let account = |own: u8, subject: &str, from: u8, imported: &str, local: &str| AccountClaims {
            imports: vec![import(shared, from, imported, local)],
            ..exporting(own, [export(shared, subject)])
        };
        let cycles = [
            vec![account(A, "foo", B, "foo", ""), account(B, "foo", A, "foo", "")],
            vec![
                account(A, "foo", B, "foo", ""),
                account(B, "foo", C, "foo", ""),
                account(C, "foo", A, "foo", ""),
            ],
            // Renamed on the way, and only a part of what goes around.
            vec![account(A, "x", B, "y", "x"), account(B, "y", A, "x", "y")],
            vec![
                account(A, "x.>", B, "y.>", "x.>"),
                account(B, "y.>", A, "x.a.>", "y.>"),
            ],
        ];
        for mut documents in cycles {
            for _ in 0..documents.len() {
                documents.rotate_left(1);
                let links = linked(&documents);
                for document in &documents {
                    let own = document.subject;
                    let outcome = links.imports(&own).next().unwrap().1;
                    assert!(
                        matches!(outcome, Err(ImportRefusal::Cycle { .. })),
                        "{shared} {own}: {outcome:?}"
                    );
                }
            }
            // Without one of them, what is left works or waits.
            let mut links = linked(&documents);
            let gone = documents.pop().unwrap();
            links.handle_removal(&gone.subject, NOW);
            for document in &documents {
                let code = links
                    .imports(&document.subject)
                    .next()
                    .unwrap()
                    .1
                    .err()
                    .map(ImportRefusal::code);
                assert!(matches!(code, None | Some("exporter_unknown")), "{code:?}");
            }
        }
        // Once around and then no further: only what is passed twice is refused.
        let links = linked(&[
            account(A, "x.>", B, "y.>", "x.>"),
            account(B, "y.>", A, "x.a.*", "y.$1"),
        ]);
        assert_eq!(
            (outcomes(&links, A), outcomes(&links, B)),
            (vec!["import_cycle"], vec!["ok"])
        );
        let not_cycles = [
            vec![account(A, "a", B, "b", ""), account(B, "b", A, "a", "")],
            vec![account(A, "x", B, "y", "x"), account(B, "y", A, "x", "z")],
            // Accounts that lead to each other, but what arrives is not what goes on.
            vec![
                account(A, "x.>", B, "y.a", "x.a"),
                account(B, "y.>", A, "x.b", "y.a.b"),
            ],
            vec![
                account(A, "x.*", B, "y.*", "x.*"),
                account(B, "y.>", C, "z.>", "y.p.>"),
                account(C, "z.>", A, "x.q", "z.r.s"),
            ],
        ];
        for documents in not_cycles {
            let links = linked(&documents);
            for document in &documents {
                let outcome = links.imports(&document.subject).next().unwrap().1;
                assert!(outcome.is_ok(), "{shared}: {outcome:?}");
            }
        }
    }
}

#[test]
fn cycle_is_told_by_the_accounts_between() {
    let account = |own: u8, from: u8| AccountClaims {
        imports: vec![import(Shared::Service, from, "foo", "")],
        ..exporting(own, [export(Shared::Service, "foo")])
    };
    let links = linked(&[account(A, B), account(B, C), account(C, A)]);
    let (_, outcome) = links.imports(&key(A)).next().unwrap();
    assert_eq!(
        outcome,
        Err(&ImportRefusal::Cycle {
            through: vec![key(B), key(C)]
        })
    );
}

/// A request of A passes B and C twice, under another name each time, before it is back.
#[test]
fn cycle_that_passes_an_import_twice_is_found() {
    let account = |own: u8, exported: &str, imports: Vec<Import>| AccountClaims {
        imports,
        ..exporting(own, [export(Shared::Service, exported)])
    };
    let service = |from: u8, subject: &str, local: &str| import(Shared::Service, from, subject, local);
    let documents = [
        account(A, "go", vec![service(B, "t.a", "go")]),
        account(B, "t.*", vec![service(C, "u.*", "t.$1")]),
        account(C, "u.*", vec![service(B, "t.b", "u.a"), service(A, "go", "u.b")]),
    ];
    let links = linked(&documents);
    let (_, outcome) = links.imports(&key(A)).next().unwrap();
    let through = [B, C, B, C].map(key).to_vec();
    assert_eq!(outcome, Err(&ImportRefusal::Cycle { through }));
    assert_eq!(outcomes(&links, C), ["import_cycle", "import_cycle"]);
}

/// Each round of these prepends a token, so that no state is ever seen twice.
#[test]
fn chain_that_grows_without_end_is_refused() {
    let account = |own: u8, from: u8, local: &str| AccountClaims {
        imports: vec![import(Shared::Service, from, "x.a.>", local)],
        ..exporting(own, [export(Shared::Service, "x.>")])
    };
    let links = linked(&[account(A, B, "x.>"), account(B, A, "x.>")]);
    assert_eq!(outcomes(&links, A), ["import_cycle"]);
    // A third import leads into a growing cycle among the others without being part of one.
    let mut entangled = account(A, B, "x.>");
    entangled.imports.push(import(Shared::Service, B, "x.b", "free"));
    let mut other = account(B, A, "x.>");
    other.imports[0] = import(Shared::Service, A, "x.a.>", "x.>");
    let links = linked(&[entangled, other]);
    assert_eq!(outcomes(&links, A)[0], "import_cycle");
    assert!(matches!(outcomes(&links, A)[1], "ok" | "import_chain_too_long"));
}

/// Many accounts that import from each other on purpose cost a bounded time.
#[test]
fn entangled_accounts_are_searched_within_bounds() {
    let everything = |own: u8| {
        let imports: Vec<_> = (0..400)
            .map(|number| {
                let local = format!("l{number}.>");
                import(
                    Shared::Service,
                    1 + (own + 1 + number as u8 % 3) % 4,
                    &format!("s.{number}.>"),
                    &local,
                )
            })
            .filter(|import| import.account != key(own))
            .collect();
        AccountClaims {
            imports,
            ..exporting(own, [export(Shared::Service, "s.>")])
        }
    };
    let links = linked(&[everything(1), everything(2), everything(3), everything(4)]);
    assert!(outcomes(&links, A).iter().all(|outcome| *outcome == "ok"));
}
