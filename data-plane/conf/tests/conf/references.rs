//! References and includes.

use tollway_conf::{SyntaxReason, Value};

use crate::around::{Around, letters, value};

fn text_of(around: &mut Around, text: &str, key: &str) -> String {
    let tree = around
        .parse(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    letters(value(&tree.root, key)).to_owned()
}

fn reason(around: &mut Around, text: &str) -> SyntaxReason {
    around.parse(text).expect_err(text).reason
}

#[test]
fn a_reference_finds_what_is_set_above_it_in_open_blocks() {
    let mut around = Around::default();
    assert_eq!(text_of(&mut around, "A: x\nb: $A", "b"), "x");
    assert_eq!(text_of(&mut around, "A: x\nA: y\nb: $A\nA: z", "b"), "y");
    assert_eq!(text_of(&mut around, "\"A\": x\nb: $A;", "b"), "x");
    assert_eq!(text_of(&mut around, "A: x\nB: $A\nc: $B", "c"), "x");

    let tree = around
        .parse("A: x\nm {A: y, b: $A, c: {d: $A}}\ne: [$A, $A]")
        .expect("a configuration");
    let Value::Map(m) = value(&tree.root, "m") else {
        panic!("{tree:?}")
    };
    assert_eq!(letters(value(m, "b")), "y");
    let Value::Map(c) = value(m, "c") else {
        panic!("{tree:?}")
    };
    assert_eq!(letters(value(c, "d")), "y");
    let Value::List(e) = value(&tree.root, "e") else {
        panic!("{tree:?}")
    };
    assert_eq!(letters(&e[1].value), "x");

    for text in [
        "b: $A\nA: x",
        "A: $A",
        "A: {B: x}\nc: $B",
        "m {A: x}\nb: $A",
        "b: $",
        "b: ${A}",
    ] {
        assert!(
            matches!(reason(&mut around, text), SyntaxReason::UnknownVariable(_)),
            "{text}"
        );
    }
}

#[test]
fn a_reference_stands_for_a_whole_value() {
    let tree = Around::default()
        .parse("P: {user: a, password: b}\nauthorization: $P\nq $P")
        .expect("a configuration");
    assert_eq!(value(&tree.root, "authorization"), value(&tree.root, "P"));
    assert_eq!(value(&tree.root, "q"), value(&tree.root, "P"));
    let at = &tree.root.get("authorization").expect("it is set").node.at;
    assert_eq!(at.to_string(), "/etc/nats.conf:2:16");
    assert!(tree.root.get("P").expect("it is set").referenced);
    assert!(!tree.root.get("q").expect("it is set").referenced);
}

#[test]
fn a_reference_falls_back_to_the_environment() {
    let mut around = Around::default()
        .variable("TEXT", "abc")
        .variable("PORT", "4222")
        .variable("ON", "yes")
        .variable("MAP", "{user: a, password: [b]}")
        .variable("QUOTED", "\"a b\" # two words")
        .variable("LEADING", "  abc ;\n")
        .variable("EMPTY", "")
        .variable("NEXT", "$TEXT")
        .variable("HASH", "$2b$11$abc")
        .variable("A", "from outside");
    assert_eq!(text_of(&mut around, "v: $TEXT", "v"), "abc");
    assert_eq!(text_of(&mut around, "v: $QUOTED", "v"), "a b");
    assert_eq!(text_of(&mut around, "v: $LEADING", "v"), "abc");
    assert_eq!(text_of(&mut around, "v: $EMPTY", "v"), "");
    assert_eq!(text_of(&mut around, "v: $NEXT", "v"), "abc");
    assert_eq!(text_of(&mut around, "v: $HASH", "v"), "$2b$11$abc");
    assert_eq!(text_of(&mut around, "A: inside\nv: $A", "v"), "inside");
    let tree = around.parse("p: $PORT\no: $ON\nm $MAP").expect("a configuration");
    assert_eq!(value(&tree.root, "p"), &Value::Integer(4222));
    assert_eq!(value(&tree.root, "o"), &Value::Boolean(true));
    assert!(matches!(value(&tree.root, "m"), Value::Map(map) if map.len() == 2));
}

#[test]
fn a_variable_of_the_environment_is_one_value_and_nothing_else() {
    let mut around = Around::default()
        .variable("WORDS", "hunter2 hunter2")
        .variable("LINES", "a\ninclude /etc/shadow")
        .variable("MAP", "{a: 1\ninclude x.conf}")
        .variable("OPEN", "[a")
        .variable("INNER", "$LOCAL")
        .file("/etc/x.conf", "b: 1");
    for name in ["WORDS", "LINES", "MAP", "OPEN", "INNER"] {
        let error = around.parse(format!("LOCAL: x\nv: ${name}")).expect_err(name);
        assert!(
            matches!(&error.reason, SyntaxReason::InvalidVariable { name: of, .. } if of == name),
            "{error}"
        );
        assert_eq!((error.at.line(), error.at.column()), (2, 4));
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    assert_eq!(around.asked, Vec::<String>::new());
}

#[test]
fn variables_that_refer_to_themselves_are_told() {
    let mut around = Around::default()
        .variable("SELF", "$SELF")
        .variable("A", "[$B]")
        .variable("B", "{c: $A}");
    assert_eq!(
        reason(&mut around, "v: $SELF"),
        SyntaxReason::VariableCycle("SELF".into())
    );
    assert_eq!(
        reason(&mut around, "v: $A"),
        SyntaxReason::VariableCycle("A".into())
    );
    // What is said about one reference has no effect on the next.
    let around = Around::default().variable("X", "1");
    assert!(around.clone().parse("a: $X\nb: $X").is_ok());
}

#[test]
fn an_include_puts_keys_where_it_stands() {
    let mut around = Around::default()
        .file("/etc/x.conf", "port: 4222\n")
        .file("/etc/users/all.conf", "include one.conf\nB: two")
        .file("/etc/users/one.conf", "{user: a}")
        .file("/etc/s p.conf", "port: 1")
        .file("/etc/empty.conf", "# nothing\n");
    for text in [
        "include x.conf",
        "include 'x.conf'",
        "include \"./x.conf\" # comment",
        "INCLUDE /x.conf",
        "include\tx.conf;",
        "port: 1\ninclude users/../x.conf",
        "{ include x.conf }",
    ] {
        let tree = around
            .parse(text)
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(value(&tree.root, "port"), &Value::Integer(4222), "{text}");
        assert_eq!(tree.root.len(), 1);
        assert_eq!(
            tree.root.get("port").expect("it is set").at.to_string(),
            "/etc/x.conf:1:1"
        );
        assert!(
            tree.notices.is_empty(),
            "{text}: overriding is what includes are for"
        );
    }
    let tree = around
        .parse("authorization { include users/all.conf\n timeout: 1; include empty.conf }\nv: 1; include \"s p.conf\"")
        .expect("a configuration");
    let Value::Map(map) = value(&tree.root, "authorization") else {
        panic!("{tree:?}")
    };
    let keys: Vec<_> = map.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["user", "B", "timeout"]);
}

#[test]
fn variables_cross_an_include_only_outwards() {
    let mut around = Around::default()
        .file("/etc/set.conf", "A: x")
        .file("/etc/use.conf", "b: $A");
    assert_eq!(text_of(&mut around, "include set.conf\nb: $A", "b"), "x");
    let error = around
        .parse("A: x\ninclude use.conf")
        .expect_err("it is another file");
    assert_eq!(
        error.to_string(),
        "/etc/use.conf:1:4: $A is set neither above in an open block nor in the environment"
    );
}

#[test]
fn include_is_a_word_only_before_a_blank() {
    let mut around = Around::default();
    for text in ["include: x.conf", "include=x.conf", "\"include\" x.conf"] {
        assert_eq!(text_of(&mut around, text, "include"), "x.conf", "{text}");
    }
    assert_eq!(around.asked, Vec::<String>::new());
}

#[test]
fn includes_that_cannot_be_are_refused() {
    let mut around = Around::default()
        .file("/etc/bad.conf", "a: 1\nport: [")
        .file("/etc/one.conf", "include two.conf")
        .file("/etc/two.conf", "m { include ./one.conf }")
        .file("/etc/self.conf", "include self.conf");
    for text in [
        "include",
        "include ",
        "include \nx.conf",
        "include [x]",
        "include {x}",
        "include 1.conf",
        "include \\x",
    ] {
        let reason = reason(&mut around, text);
        let refused = matches!(reason, SyntaxReason::ExpectedPath | SyntaxReason::ExpectedValue);
        assert!(refused, "{text}: {reason}");
    }
    assert_eq!(
        reason(&mut around, "include none.conf"),
        SyntaxReason::IncludeFailed {
            path: "/etc/none.conf".into(),
            reason: "no such file".into()
        }
    );
    let error = around
        .parse("x: 1\ninclude bad.conf")
        .expect_err("the other file is bad");
    assert_eq!((error.at.file(), error.at.line()), ("/etc/bad.conf", 2));
    assert_eq!(
        reason(&mut around, "include one.conf"),
        SyntaxReason::IncludeCycle("/etc/one.conf".into())
    );
    assert_eq!(
        reason(&mut around, "include self.conf"),
        SyntaxReason::IncludeCycle("/etc/self.conf".into())
    );
    assert_eq!(
        reason(&mut around, "include nats.conf"),
        SyntaxReason::IncludeCycle("/etc/nats.conf".into())
    );
    for text in ["include x.conf y", "include 'x.conf'y: 1"] {
        let mut around = Around::default().file("/etc/x.conf", "");
        assert_eq!(reason(&mut around, text), SyntaxReason::ExpectedEnd, "{text}");
    }
}

#[test]
fn the_same_file_may_be_included_twice_side_by_side() {
    let mut around = Around::default().file("/etc/x.conf", "a: 1");
    let tree = around
        .parse("m { include x.conf }\nn { include x.conf }")
        .expect("no circle");
    assert_eq!(value(&tree.root, "m"), value(&tree.root, "n"));
}
