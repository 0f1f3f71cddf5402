//! How values are written. What they mean was compared with nats-server 2.15.1, which prints the digest of a
//! configuration for `-t`.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use tollway_conf::{Kind, NoticeReason, Opened, SyntaxReason, Value};

use crate::around::{letters, parse, refusal, value};

/// The digest of a configuration that says what this JSON says.
fn digest_of(json: &str) -> String {
    let hash = Sha256::digest(format!("{json}\n"));
    format!("sha256:{}", HEXLOWER.encode(&hash))
}

fn assert_means(text: &str, json: &str) {
    let tree = parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(
        tree.root.digest(),
        digest_of(json),
        "{text:?} is not {json}: {:?}",
        tree.root
    );
}

/// The same on the top, in a map, and in a map on one line.
fn assert_value(text: &str, json: &str) {
    assert_means(&format!("v: {text}\n"), &format!(r#"{{"v":{json}}}"#));
    assert_means(
        &format!("m {{\nv = {text}\n}}\n"),
        &format!(r#"{{"m":{{"v":{json}}}}}"#),
    );
    if !text.ends_with('\n') && !text.ends_with(')') {
        assert_means(&format!("m: {{v {text}}}"), &format!(r#"{{"m":{{"v":{json}}}}}"#));
    }
}

#[test]
fn keys_and_values_are_set_apart_by_blanks_colons_or_equals_signs() {
    for text in [
        "port: 4222",
        "port = 4222",
        "port 4222",
        "port:4222",
        "port\t4222",
        "port\n4222",
        "port\n:4222",
        "\"port\": 4222",
        "'port' 4222",
        "\n\n port: 4222 # comment\n// comment\n",
        "port: 4222 // comment",
        "port: 4222;",
        "port: 4222,",
        "{port: 4222}",
        "{\n port: 4222\n}\n",
        "{{port: 4222}}",
        "port: 4222\r\n",
        "\u{feff}port: 4222",
        "port: 1\nport: 4222",
        "port: 4222 }",
        "port: 4222\n}\n",
    ] {
        assert_means(text, r#"{"port":4222}"#);
    }
    for text in [
        "a: 1;b: 2",
        "a: 1,b: 2",
        "a: 1\rb: 2",
        "{a: 1} {b: 2}",
        "{a: 1}b: 2",
        "b=2\na=1",
    ] {
        assert_means(text, r#"{"a":1,"b":2}"#);
    }
}

#[test]
fn maps_take_values_on_the_next_line_and_the_file_does_not() {
    assert_means("m {a:\n1}", r#"{"m":{"a":1}}"#);
    assert_means("m: {a\n1}", r#"{"m":{"a":1}}"#);
    assert_eq!(refusal("a:\n1"), (SyntaxReason::ExpectedValue, 1, 3));
}

#[test]
fn numbers_may_have_sizes() {
    for (text, json) in [
        ("0", "0"),
        ("007", "7"),
        ("-12", "-12"),
        ("-0", "0"),
        ("9223372036854775807", "9223372036854775807"),
        ("4k", "4000"),
        ("4K", "4000"),
        ("4kb", "4096"),
        ("4KB", "4096"),
        ("4ki", "4096"),
        ("4KiB", "4096"),
        ("2m", "2000000"),
        ("2MB", "2097152"),
        ("1g", "1000000000"),
        ("1GiB", "1073741824"),
        ("1t", "1000000000000"),
        ("1ti", "1099511627776"),
        ("1p", "1000000000000000"),
        ("1PB", "1125899906842624"),
        ("9e", "9000000000000000000"),
        ("1eib", "1152921504606846976"),
        ("-5k", "-5000"),
        ("-5ki", "-5120"),
        ("1.5", "1.5"),
        ("1.50", "1.5"),
        ("-0.25", "-0.25"),
        ("100.0", "100"),
    ] {
        assert_value(text, json);
    }
    for text in [
        "99999999999999999999",
        "10e",
        "-9223372036854775809",
        "9223372036854775807k",
    ] {
        assert_eq!(
            refusal(format!("v: {text}")).0,
            SyntaxReason::NumberTooLarge,
            "{text}"
        );
    }
    let endless = format!("v: {}.5", "9".repeat(400));
    assert_eq!(refusal(endless).0, SyntaxReason::NumberTooLarge);
    for text in ["1kbb", "1kii", "1kbi"] {
        assert_eq!(
            refusal(format!("v: {text}")).0,
            SyntaxReason::InvalidSize,
            "{text}"
        );
    }
}

#[test]
fn what_only_begins_like_a_number_is_a_text() {
    for text in [
        "10s",
        "3secret",
        "1b",
        "1bi",
        "0x1f",
        "1_000",
        "1kx",
        "1e5",
        "1k5",
        "1e+5",
        "127.0.0.1",
        "127.0.0.1:4222",
        "1.2.3-4",
    ] {
        assert_value(text, &format!("{text:?}"));
    }
    for text in ["1.2x", "1.2.3x", "1.5s", "-5x", "12 x"] {
        assert_eq!(
            refusal(format!("v: {text}")).0,
            SyntaxReason::ExpectedEnd,
            "{text}"
        );
    }
    for text in [".5", "1.", "1.x"] {
        assert_eq!(
            refusal(format!("v: {text}")).0,
            SyntaxReason::PointWithoutDigit,
            "{text}"
        );
    }
    for text in ["-", "-x", "--1"] {
        assert_eq!(
            refusal(format!("v: {text}")).0,
            SyntaxReason::MinusWithoutNumber,
            "{text}"
        );
    }
}

#[test]
fn booleans_are_words_without_quotes() {
    for (text, json) in [
        ("true", "true"),
        ("TRUE", "true"),
        ("yes", "true"),
        ("On", "true"),
        ("false", "false"),
        ("No", "false"),
        ("off", "false"),
        ("\"true\"", "\"true\""),
        ("true'", "\"true\""),
        ("enabled", "\"enabled\""),
        ("truely", "\"truely\""),
    ] {
        assert_value(text, json);
    }
}

#[test]
fn dates_have_one_form() {
    assert_value("2020-02-28T00:00:00Z", r#""2020-02-28T00:00:00Z""#);
    let tree = parse("v: 2020-02-28T00:00:00Z").expect("a date");
    assert_eq!(value(&tree.root, "v").kind(), Kind::Date);
    for text in [
        "2020-02-28",
        "2020-02-31T00:00:00Z",
        "2020-02-28T24:00:00Z",
        "2020-02-28T00:00:00+01:00",
        "20201-02-28T00:00:00Z",
        "12-34",
        "2020-02-28T00:00:0é",
    ] {
        assert_eq!(
            refusal(format!("v: {text}")).0,
            SyntaxReason::InvalidDate,
            "{text}"
        );
    }
}

#[test]
fn texts_without_quotes_end_at_separators() {
    for (text, json) in [
        ("a#b", r#""a#b""#),
        ("#b", r##""#b""##),
        ("//b", r#""//b""#),
        ("a{b", r#""a{b""#),
        ("a[b", r#""a[b""#),
        ("a(b", r#""a(b""#),
        ("a=b", r#""a=b""#),
        ("a:b", r#""a:b""#),
        ("a\"b\"", r#""a\"b\"""#),
        ("its'", r#""its""#),
        ("*:4222", r#""*:4222""#),
        ("$2a$11$abc", r#""$2a$11$abc""#),
        ("<a&b>", r#""\u003ca\u0026b\u003e""#),
        ("\u{e9}\u{2028}", r#""é\u2028""#),
    ] {
        assert_value(text, json);
    }
    for (text, at) in [("a b", 6), ("it's", 7), ("a]", 5), ("\"a\"b", 7), ("[a] b", 8)] {
        assert_eq!(
            refusal(format!("v: {text}")),
            (SyntaxReason::ExpectedEnd, 1, at),
            "{text}"
        );
    }
}

#[test]
fn escapes_count_without_quotes_and_between_double_ones() {
    for (text, json) in [
        (r"a\x41b", r#""aAb""#),
        (r#""a\x41\tb""#, r#""aA\tb""#),
        (r#""\\ \" \n \r""#, r#""\\ \" \n \r""#),
        (r#""\xc3\xa4""#, r#""ä""#),
        (r"'a\x41'", r#""a\\x41""#),
        // The first character that makes a number a text stands for itself.
        (r"1\x41", r#""1\\x41""#),
        (r"1k\x41", r#""1kA""#),
        ("1'a'", r#""1'a""#),
    ] {
        assert_value(text, json);
    }
    for text in [r#""\q""#, r#""\x4""#, r"\x4", r#""\xgg""#, r"\$A", r#""\"#, r"a\"] {
        assert_eq!(
            refusal(format!("v: {text}")).0,
            SyntaxReason::InvalidEscape,
            "{text}"
        );
    }
    assert_eq!(refusal(r#"v: "\xff""#).0, SyntaxReason::EscapesNotUtf8);
}

#[test]
fn quotes_hold_lines_and_separators() {
    assert_value("\"a\nb\"", r#""a\nb""#);
    assert_value("'a\nb'", r#""a\nb""#);
    assert_value("\"a; b, {c} [d] # e\"", r#""a; b, {c} [d] # e""#);
    assert_value("\"\"", r#""""#);
    assert_value("\"$A\"", r#""$A""#);
    for text in ["v: \"a", "v: 'a", "v: \"", "\"v: 1", "m {'v: 1}"] {
        assert_eq!(refusal(text).0, SyntaxReason::Unclosed(Opened::Quote), "{text}");
    }
}

#[test]
fn blocks_end_with_a_line_of_their_own() {
    assert_value("(\nabc\n)", r#""\nabc\n""#);
    assert_value("(abc\n)", r#""abc\n""#);
    assert_value("( a ) b\n )\n)", r#"" a ) b\n )\n""#);
    assert_means("v: (\n)\nw: 1", r#"{"v":"\n","w":1}"#);
    for text in ["v: (", "v: ()", "v: (a)", "v: (\na\n) b"] {
        assert_eq!(
            refusal(text),
            (SyntaxReason::Unclosed(Opened::Block), 1, 4),
            "{text}"
        );
    }
}

#[test]
fn lists_hold_values_of_every_kind() {
    for (text, json) in [
        ("[]", "[]"),
        ("[1, 2]", "[1,2]"),
        ("[1,2,]", "[1,2]"),
        ("[\n1\n2\n]", "[1,2]"),
        ("[a # one\n b // two\n c]", r#"["a","b","c"]"#),
        ("[[a], [b]]", r#"[["a"],["b"]]"#),
        ("[{a: 1}, {b: 2}]", r#"[{"a":1},{"b":2}]"#),
        ("[1.5, true, \"x\", 4k ]", r#"[1.5,true,"x",4000]"#),
        ("[4k]", r#"["4k"]"#),
    ] {
        assert_value(text, json);
    }
    for text in ["[a b]", "[{a: 1} {b: 2}]", "[a; b]", "[a}"] {
        assert_eq!(
            refusal(format!("v: {text}")).0,
            SyntaxReason::ExpectedEnd,
            "{text}"
        );
    }
    for text in ["[,]", "[a,,b]", "[a,\n,b]", "[a # c\n, b]", "[}"] {
        assert_eq!(
            refusal(format!("v: {text}")).0,
            SyntaxReason::ExpectedValue,
            "{text}"
        );
    }
    for text in ["v: [", "v: [a", "v: [a,", "v: [[a]"] {
        assert_eq!(
            refusal(text),
            (SyntaxReason::Unclosed(Opened::List), 1, 4),
            "{text}"
        );
    }
}

#[test]
fn maps_hold_keys_of_every_kind() {
    for (text, json) in [
        ("{}", "{}"),
        ("{a:1;b:2}", r#"{"a":1,"b":2}"#),
        ("{a:1,}", r#"{"a":1}"#),
        ("{a:1,\n b:2\n}", r#"{"a":1,"b":2}"#),
        ("{# one\n a:1 // two\n}", r#"{"a":1}"#),
        ("{a {b:1}}", r#"{"a":{"b":1}}"#),
        ("{\"a\"{b:1}}", r#"{"a":{"b":1}}"#),
        ("{'a b': 1}", r#"{"a b":1}"#),
        (r#"{"a\": 1}"#, r#"{"a\\":1}"#),
        ("{a.*.>: 1}", r#"{"a.*.\u003e":1}"#),
        ("{a:1, a:2}", r#"{"a":2}"#),
    ] {
        assert_value(text, json);
    }
    for text in ["{a 1 b 2}", "{a: 1]", "{a: 1 /b: 2}", "{a: # c\n 1}"] {
        assert_eq!(
            refusal(format!("v: {text}")).0,
            SyntaxReason::ExpectedEnd,
            "{text}"
        );
    }
    for text in ["{a: }", "{a}", "{a: ,}", "{a: ;}"] {
        let reason = refusal(format!("v: {text}")).0;
        let refused = matches!(
            reason,
            SyntaxReason::ExpectedValue | SyntaxReason::BracketInKey('}')
        );
        assert!(refused, "{text}: {reason}");
    }
    for text in [
        "v: {",
        "v: {a: 1",
        "v: {a: {b: 1}",
        "v: {a: [1]\n",
        "{v: 1",
        "{v: 1\n",
    ] {
        assert_eq!(refusal(text).0, SyntaxReason::Unclosed(Opened::Map), "{text}");
    }
}

#[test]
fn structure_in_a_key_needs_quotes() {
    for (text, bracket) in [
        ("a{b: 1}", '{'),
        ("m {a:1,,b:2}", ','),
        ("a:1;;b:2", ';'),
        ("m {a]: 1}", ']'),
    ] {
        assert_eq!(refusal(text).0, SyntaxReason::BracketInKey(bracket), "{text}");
    }
    for text in ["/ x\nport: 1", ": 1", "= 1", "m {: 1}", "m {/a: 1}"] {
        assert_eq!(refusal(text).0, SyntaxReason::ExpectedKey, "{text}");
    }
}

#[test]
fn a_value_has_to_be_there() {
    for text in ["a", "a:", "a: ", "a: ;", "a: ,\n", "a: }", "a: ]"] {
        assert_eq!(refusal(text).0, SyntaxReason::ExpectedValue, "{text}");
    }
}

#[test]
fn a_bracket_too_many_is_passed_over_only_where_nothing_follows() {
    let tree = parse("a: 1\n}\n# end\n").expect("stock servers accept it");
    assert_eq!(tree.notices.len(), 1);
    assert_eq!(tree.notices[0].reason, NoticeReason::StrayBracket);
    assert_eq!(refusal("a: 1\n}\nb: 2"), (SyntaxReason::StrayBracket, 2, 1));
}

#[test]
fn bytes_that_are_no_text_are_refused_where_they_stand() {
    assert_eq!(refusal(b"a: 1\nb: \xff"), (SyntaxReason::NotUtf8, 2, 1));
    assert_eq!(refusal(b"a: 1\nb: \"x\0y\""), (SyntaxReason::ZeroByte, 2, 1));
}

#[test]
fn values_keep_their_places() {
    let tree = parse("a: 1\n\nb {\n\té = [x, {c: y}]\n}").expect("a configuration");
    let b = tree.root.get("b").expect("b");
    assert_eq!(b.at.to_string(), "/etc/nats.conf:3:1");
    let Value::Map(map) = &b.node.value else {
        panic!("{b:?}")
    };
    let e = map.get("é").expect("é");
    assert_eq!((e.at.line(), e.at.column()), (4, 2));
    let Value::List(items) = &e.node.value else {
        panic!("{e:?}")
    };
    assert_eq!((items[0].at.line(), items[0].at.column()), (4, 7));
    let Value::Map(inner) = &items[1].value else {
        panic!("{e:?}")
    };
    assert_eq!(
        inner.get("c").expect("c").node.at.to_string(),
        "/etc/nats.conf:4:14"
    );
}

#[test]
fn a_key_that_stands_twice_counts_once_and_is_told() {
    let tree = parse("a: 1\nb: 2\na: 3").expect("a configuration");
    assert_eq!(value(&tree.root, "a"), &Value::Integer(3));
    let keys: Vec<_> = tree.root.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["b", "a"]);
    let told: Vec<_> = tree.notices.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [r#"/etc/nats.conf:3:1: "a" stood before at /etc/nats.conf:1:1; only this one counts"#]
    );
}

#[test]
fn a_tree_and_its_errors_show_no_texts() {
    let tree = parse("authorization: {password: hunter2, token: \"hunter2\"}").expect("a configuration");
    assert_eq!(letters(value_of_authorization(&tree.root)), "hunter2");
    assert!(!format!("{tree:?}").contains("hunter2"));
    for text in [
        "password: hunter2 hunter2",
        "password: \"hunter2\\q\"",
        "password: (hunter2",
        "password: 1hunter2\\q",
    ] {
        let error = parse(text).expect_err(text);
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

fn value_of_authorization(root: &tollway_conf::Map) -> &Value {
    match value(root, "authorization") {
        Value::Map(map) => value(map, "password"),
        other => panic!("{other:?}"),
    }
}
