//! Permissions against their slow definition, and the cases of published advisories.

use std::time::Duration;

use proptest::prelude::*;
use tollway_claims::*;
use tollway_subject::{Filter, definition};

fn rules(allow: &[&str], deny: &[&str]) -> Rules {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Rules {
        allow: owned(allow),
        deny: owned(deny),
    }
}

fn subscribing(allow: &[&str], deny: &[&str]) -> PermissionSet {
    let subscribe = rules(allow, deny);
    PermissionSet::compile(&Permissions {
        subscribe,
        ..Permissions::default()
    })
    .unwrap()
}

fn publishing(allow: &[&str], deny: &[&str]) -> PermissionSet {
    let publish = rules(allow, deny);
    PermissionSet::compile(&Permissions {
        publish,
        ..Permissions::default()
    })
    .unwrap()
}

fn filter(text: &str) -> Filter<'_> {
    Filter::new(text.as_bytes()).unwrap()
}

fn may_subscribe(set: &PermissionSet, text: &str, queue: Option<&str>) -> bool {
    set.may_subscribe(filter(text), queue.map(str::as_bytes))
        .is_allowed()
}

/// What reaches the client that tries to subscribe: allowed at all, and not held back at delivery.
fn receives(set: &PermissionSet, subscription: &str, queue: Option<&str>, subject: &str) -> bool {
    let queue = queue.map(str::as_bytes);
    let held_back =
        set.needs_delivery_filter(filter(subscription), queue) && !set.may_deliver(subject.as_bytes(), queue);
    set.may_subscribe(filter(subscription), queue).is_allowed()
        && definition::matches(filter(subscription), subject.as_bytes())
        && !held_back
}

#[test]
fn nothing_listed_is_everything_allowed() {
    let set = PermissionSet::compile(&Permissions::default()).unwrap();
    assert!(set.may_publish(b"anything").is_allowed());
    assert!(may_subscribe(&set, ">", Some("q")));
    assert!(!set.needs_delivery_filter(filter(">"), None));
    assert!(set.response_grants().is_none());
}

#[test]
fn decision_names_the_rule() {
    let set = publishing(&["orders.>", "public"], &["orders.secret.*"]);
    assert_eq!(set.may_publish(b"orders.1"), Decision::Allowed);
    assert_eq!(
        set.may_publish(b"orders.secret.1"),
        Decision::Denied(DecidingRule::Deny("orders.secret.*"))
    );
    assert_eq!(
        set.may_publish(b"invoices"),
        Decision::Denied(DecidingRule::NotAllowed)
    );
    let set = subscribing(&[], &["a.> workers"]);
    assert_eq!(
        set.may_subscribe(filter("a.*"), Some(b"workers")),
        Decision::Denied(DecidingRule::Deny("a.> workers"))
    );
}

#[test]
fn wildcard_subscription_broader_than_a_deny_stands_without_the_denied_part() {
    let set = subscribing(&[], &["foo.secret"]);
    assert!(!may_subscribe(&set, "foo.secret", None));
    for broad in ["foo.*", "foo.>", ">", "*.secret", "*.*"] {
        assert!(may_subscribe(&set, broad, None));
        assert!(set.needs_delivery_filter(filter(broad), None), "{broad}");
        assert!(!receives(&set, broad, None, "foo.secret"), "{broad}");
    }
    assert!(receives(&set, "foo.*", None, "foo.open"));
    assert!(!set.needs_delivery_filter(filter("bar.*"), None));
}

/// A wildcard of the deny rule covers the whole subscription or a part of it.
#[test]
fn deny_by_wildcard_is_containment() {
    let set = subscribing(&[], &["foo.>"]);
    assert!(!may_subscribe(&set, "foo.*", None));
    assert!(!may_subscribe(&set, "foo.>", None));
    assert!(may_subscribe(&set, "foo", None));
    let set = subscribing(&[], &["*"]);
    assert!(!may_subscribe(&set, "foo", None));
    assert!(may_subscribe(&set, "foo.bar", None));
}

/// CVE-2022-29946: a queue subscription with a wildcard received what was denied.
#[test]
fn queue_subscription_with_a_wildcard_does_not_receive_what_is_denied() {
    for deny in ["foo.secret", "foo.secret q", "foo.secret *", "*.secret >"] {
        let set = subscribing(&[], &[deny]);
        assert!(may_subscribe(&set, "foo.*", Some("q")), "{deny}");
        assert!(!receives(&set, "foo.*", Some("q"), "foo.secret"), "{deny}");
        assert!(receives(&set, "foo.*", Some("q"), "foo.open"), "{deny}");
    }
}

/// 2026-17: a subscription that overlaps a deny rule partly, neither containing the other.
#[test]
fn partly_overlapping_wildcards_do_not_escape_the_deny() {
    for (deny, subscription, secret) in [
        ("foo.*.secret", "foo.a.*", "foo.a.secret"),
        ("*.b", "a.*", "a.b"),
        ("a.*.c.>", "a.b.>", "a.b.c.d"),
        (">", "foo.*", "foo.x"),
    ] {
        let set = subscribing(&[], &[deny]);
        assert!(
            !receives(&set, subscription, None, secret),
            "{deny} {subscription}"
        );
        assert!(
            !receives(&set, subscription, Some("q"), secret),
            "{deny} {subscription}"
        );
    }
}

/// 2026-18: the presence of a queue deny rule switched the plain deny off.
#[test]
fn queue_deny_does_not_override_a_plain_deny() {
    let set = subscribing(&[], &["foo", "foo other"]);
    assert!(!may_subscribe(&set, "foo", Some("q")));
    assert!(!may_subscribe(&set, "foo", Some("other")));
    assert!(!may_subscribe(&set, "foo", None));
}

#[test]
fn queue_rules_are_about_queues() {
    let set = subscribing(&["foo q"], &[]);
    assert!(may_subscribe(&set, "foo", Some("q")));
    assert!(!may_subscribe(&set, "foo", Some("other")));
    assert!(!may_subscribe(&set, "foo", None));

    let set = subscribing(&["foo", "foo *.dev"], &[]);
    assert!(may_subscribe(&set, "foo", None));
    assert!(may_subscribe(&set, "foo", Some("v1.dev")));
    assert!(
        may_subscribe(&set, "foo", Some("*.dev")),
        "a queue may be called like the pattern"
    );
    assert!(!may_subscribe(&set, "foo", Some("v1.prod")));

    let set = subscribing(&[], &["foo *.prod"]);
    assert!(may_subscribe(&set, "foo", None));
    assert!(may_subscribe(&set, "foo", Some("v1.dev")));
    assert!(!may_subscribe(&set, "foo", Some("v1.prod")));

    // A wildcard does not reach what is kept for another queue.
    let set = subscribing(&["foo.>", "foo.vip q1"], &[]);
    assert!(receives(&set, "foo.>", Some("q2"), "foo.plain"));
    assert!(!receives(&set, "foo.>", Some("q2"), "foo.vip"));
    assert!(receives(&set, "foo.>", Some("q1"), "foo.vip"));
    assert!(receives(&set, "foo.>", None, "foo.vip"));
}

#[test]
fn queue_that_no_rule_can_name_does_not_slip_by() {
    let set = subscribing(&[], &["foo >"]);
    assert_eq!(
        set.may_subscribe(filter("foo"), Some(b"a..b")),
        Decision::Denied(DecidingRule::InvalidQueue)
    );
    assert!(may_subscribe(&subscribing(&[], &["bar"]), "foo", Some("a..b")));
}

#[test]
fn odd_published_subjects_pass_no_allow_list() {
    let set = publishing(&[">"], &[]);
    for odd in ["", ".", "a.", ".a", "a..b"] {
        assert!(!set.may_publish(odd.as_bytes()).is_allowed(), "{odd:?}");
    }
    // A published wildcard is a literal: it reaches no subject that is denied.
    let set = publishing(&["foo.*"], &["foo.secret"]);
    assert!(set.may_publish(b"foo.*").is_allowed());
    assert!(!set.may_publish(b"foo.>.x").is_allowed());
}

#[test]
fn leave_to_answer_is_all_that_a_pure_responder_may_publish() {
    let permissions = Permissions {
        responses: Some(ResponsePermission::default()),
        ..Permissions::default()
    };
    let set = PermissionSet::compile(&permissions).unwrap();
    assert!(!set.may_publish(b"anything").is_allowed());
    assert!(may_subscribe(&set, ">", None));

    let second = Duration::from_secs;
    let mut grants = set.response_grants().unwrap();
    assert!(!grants.handle_publish(b"_INBOX.1", second(0)), "never asked");
    grants.handle_delivery(b"_INBOX.1", second(0));
    assert!(!grants.handle_publish(b"_INBOX.2", second(1)), "somebody else's");
    assert!(grants.handle_publish(b"_INBOX.1", second(1)));
    assert!(
        !grants.handle_publish(b"_INBOX.1", second(1)),
        "one answer by default"
    );
    assert!(grants.is_empty());

    grants.handle_delivery(b"_INBOX.3", second(10));
    assert!(
        !grants.handle_publish(b"_INBOX.3", second(131)),
        "two minutes by default"
    );
    grants.handle_delivery(b"_INBOX.4", second(10));
    assert!(grants.handle_publish(b"_INBOX.4", second(130)));
    grants.handle_delivery(b"", second(10));
    assert!(
        grants.is_empty(),
        "a message without reply subject grants nothing"
    );

    let with_list = Permissions {
        publish: rules(&["log"], &[]),
        ..permissions
    };
    let set = PermissionSet::compile(&with_list).unwrap();
    assert!(set.may_publish(b"log").is_allowed());
    assert!(!set.may_publish(b"other").is_allowed());
}

#[test]
fn response_grants_are_counted_renewed_and_bounded() {
    let grants = |max, ttl_ns| {
        let responses = Some(ResponsePermission { max, ttl_ns });
        PermissionSet::compile(&Permissions {
            responses,
            ..Permissions::default()
        })
        .unwrap()
        .response_grants()
        .unwrap()
    };
    let second = Duration::from_secs;

    let mut three = grants(3, 1_000_000_000);
    three.handle_delivery(b"r", second(0));
    let answers: Vec<_> = (0..5).map(|_| three.handle_publish(b"r", second(0))).collect();
    assert_eq!(answers, [true, true, true, false, false]);
    three.handle_delivery(b"r", second(5));
    assert!(three.handle_publish(b"r", second(6)), "asked again, counted anew");

    let mut unlimited = grants(-1, -1);
    unlimited.handle_delivery(b"r", second(0));
    assert!((0..1000).all(|_| unlimited.handle_publish(b"r", second(1_000_000_000))));

    let mut many = grants(-1, -1);
    for number in 0..RESPONSE_GRANTS_MAX + 10 {
        many.handle_delivery(format!("r.{number}").as_bytes(), second(0));
        many.handle_delivery(b"again", second(0));
    }
    assert_eq!(many.len(), RESPONSE_GRANTS_MAX);
    assert!(!many.handle_publish(b"r.0", second(0)), "the oldest went first");
    assert!(many.handle_publish(b"again", second(0)));

    let mut long = grants(-1, -1);
    for number in 0..RESPONSE_GRANTS_MAX {
        long.handle_delivery(format!("{number}.{}", "r".repeat(4000)).as_bytes(), second(0));
        assert!(long.bytes() <= RESPONSE_GRANT_BYTES_MAX);
    }
    assert!(
        (200..RESPONSE_GRANTS_MAX).contains(&long.len()),
        "{} long ones",
        long.len()
    );
    while long.displace_oldest() {}
    assert_eq!((long.len(), long.bytes()), (0, 0));

    let mut short = grants(1, 1_000_000_000);
    for number in 0..100 {
        short.handle_delivery(format!("r.{number}").as_bytes(), second(0));
    }
    short.handle_delivery(b"later", second(2));
    assert_eq!(short.len(), 1, "what is over makes room");
    assert!(short.handle_publish(b"later", second(2)));
    assert_eq!(short.bytes(), 0);
}

/// The definition, written to be read: may there be a subscription to exactly this subject?
fn slow_literal(rules: &Rules, subject: &str, queue: Option<&str>) -> bool {
    let split = |rule: &String| -> (String, Option<String>) {
        let mut words = rule.split(' ').map(str::to_owned);
        (words.next().unwrap(), words.next())
    };
    let about_it = |rules: &Vec<String>| -> Vec<Option<String>> {
        let rules = rules.iter().map(split);
        rules
            .filter(|(text, _)| definition::matches(filter(text), subject.as_bytes()))
            .map(|(_, queue)| queue)
            .collect()
    };
    let names = |rule: &Option<String>| match (rule, queue) {
        (Some(rule), Some(queue)) => rule == queue || definition::matches(filter(rule), queue.as_bytes()),
        _ => false,
    };
    let allowing = about_it(&rules.allow);
    let some_rule_is_about_queues = allowing.iter().any(Option::is_some);
    let allowed = if rules.allow.is_empty() {
        true
    } else if queue.is_some() && some_rule_is_about_queues {
        allowing.iter().any(names)
    } else {
        allowing.iter().any(Option::is_none)
    };
    let denied = about_it(&rules.deny)
        .iter()
        .any(|rule| rule.is_none() || names(rule));
    allowed && !denied
}

/// Filters of few tokens over few words, so that they meet often.
fn small_filter() -> impl Strategy<Value = String> {
    let token = || proptest::sample::select(vec!["a", "b", "*"]);
    (proptest::collection::vec(token(), 0..3), any::<bool>(), token()).prop_map(|(tokens, tail, last)| {
        let last = if tail { ">" } else { last };
        tokens.into_iter().chain([last]).collect::<Vec<_>>().join(".")
    })
}

fn queue_name() -> impl Strategy<Value = String> {
    proptest::sample::select(vec!["q", "r", "q.x", "*", "*.x"]).prop_map(str::to_owned)
}

fn rule() -> impl Strategy<Value = String> {
    (small_filter(), proptest::option::weighted(0.3, queue_name()))
        .prop_map(|(filter, queue)| queue.map_or(filter.clone(), |queue| format!("{filter} {queue}")))
}

fn rule_lists() -> impl Strategy<Value = Rules> {
    let list = || proptest::collection::vec(rule(), 0..5);
    (list(), list()).prop_map(|(allow, deny)| Rules { allow, deny })
}

/// Every subject of up to four of these words; one of them is in no rule.
fn subjects() -> Vec<String> {
    let words = ["a", "b", "d"];
    let mut all: Vec<String> = words.map(str::to_owned).into();
    let mut last = all.clone();
    for _ in 0..3 {
        last = last
            .iter()
            .flat_map(|start| words.map(|word| format!("{start}.{word}")))
            .collect();
        all.extend(last.iter().cloned());
    }
    all
}

proptest! {
    #[test]
    fn literal_questions_agree_with_the_definition(
        rules in rule_lists(),
        queue in proptest::option::of(queue_name()),
    ) {
        let set = PermissionSet::compile(&Permissions { subscribe: rules.clone(), ..Permissions::default() }).unwrap();
        let bytes = queue.as_deref().map(str::as_bytes);
        for subject in subjects() {
            let expected = slow_literal(&rules, &subject, queue.as_deref());
            prop_assert_eq!(set.may_deliver(subject.as_bytes(), bytes), expected, "{}", subject);
            prop_assert_eq!(set.may_subscribe(filter(&subject), bytes).is_allowed(), expected, "{}", subject);
        }
    }

    #[test]
    fn publishing_agrees_with_the_definition(
        allow in proptest::collection::vec(small_filter(), 0..5),
        deny in proptest::collection::vec(small_filter(), 0..5),
    ) {
        let rules = Rules { allow, deny };
        let set = PermissionSet::compile(&Permissions { publish: rules.clone(), ..Permissions::default() }).unwrap();
        for subject in subjects() {
            let expected = slow_literal(&rules, &subject, None);
            prop_assert_eq!(set.may_publish(subject.as_bytes()).is_allowed(), expected, "{}", subject);
        }
    }

    /// The promise to a tenant: no subscription, however it is written, receives
    /// a subject that a subscription to exactly that subject would be refused.
    #[test]
    fn no_subscription_receives_what_it_could_not_ask_for(
        rules in rule_lists(),
        subscription in small_filter(),
        queue in proptest::option::of(queue_name()),
    ) {
        let set = PermissionSet::compile(&Permissions { subscribe: rules.clone(), ..Permissions::default() }).unwrap();
        for subject in subjects() {
            if receives(&set, &subscription, queue.as_deref(), &subject) {
                prop_assert!(
                    slow_literal(&rules, &subject, queue.as_deref()),
                    "{} with queue {:?} receives {}", subscription, queue, subject
                );
            }
        }
    }

    /// And the other way round: an allowed subscription is only held back where it must be,
    /// and a deny rule refuses only what it covers.
    #[test]
    fn subscription_receives_all_it_may(
        rules in rule_lists(),
        subscription in small_filter(),
        queue in proptest::option::of(queue_name()),
    ) {
        let set = PermissionSet::compile(&Permissions { subscribe: rules.clone(), ..Permissions::default() }).unwrap();
        let queue = queue.as_deref();
        let decision = set.may_subscribe(filter(&subscription), queue.map(str::as_bytes));
        for subject in subjects() {
            let matched = definition::matches(filter(&subscription), subject.as_bytes());
            let may = slow_literal(&rules, &subject, queue);
            match decision {
                Decision::Allowed if matched && may => {
                    prop_assert!(receives(&set, &subscription, queue, &subject));
                }
                Decision::Denied(DecidingRule::Deny(_)) if matched => prop_assert!(!may, "{}", subject),
                _ => {}
            }
        }
    }

    #[test]
    fn any_rule_compiles_or_is_refused_without_panic(allow in ".{0,12}", subject: Vec<u8>, queue: Vec<u8>) {
        let subscribe = Rules { allow: vec![allow.clone()], deny: vec![] };
        let publish = Rules { allow: vec![], deny: vec![allow] };
        let permissions = Permissions { publish, subscribe, responses: None };
        if let Ok(set) = PermissionSet::compile(&permissions) {
            let _ = set.may_publish(&subject);
            set.may_deliver(&subject, Some(&queue));
            if let Ok(filter) = Filter::new(&subject) {
                let _ = set.may_subscribe(filter, Some(&queue));
                set.needs_delivery_filter(filter, Some(&queue));
            }
        }
    }
}
