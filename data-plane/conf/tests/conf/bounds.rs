//! What is too much is refused with its name, before it costs much.

use tollway_conf::bounds::{
    DEPTH_MAX, FILE_BYTES_MAX, INCLUDE_DEPTH_MAX, INCLUDES_MAX, PROBLEMS_MAX, TOTAL_BYTES_MAX,
    VARIABLE_DEPTH_MAX,
};
use tollway_conf::{Surroundings, SyntaxReason, Tree};

use crate::around::{Around, parse, refusal, wrong};

fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("v: {}x{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn depth_is_bounded_for_lists_maps_and_bare_brackets() {
    // The value itself lies one deep.
    assert!(parse(nested("[", "]", DEPTH_MAX - 1)).is_ok());
    assert!(parse(nested("{a: ", "}", DEPTH_MAX - 1)).is_ok());
    assert_eq!(refusal(nested("[", "]", DEPTH_MAX)).0, SyntaxReason::TooDeep);
    assert_eq!(refusal(nested("{a: ", "}", DEPTH_MAX)).0, SyntaxReason::TooDeep);
    assert_eq!(refusal("{".repeat(DEPTH_MAX)).0, SyntaxReason::TooDeep);
    // Without a bound these would end the stack, not the parser.
    assert_eq!(
        refusal("v: ".to_owned() + &"[".repeat(1_000_000)).0,
        SyntaxReason::TooDeep
    );
    assert_eq!(refusal("{".repeat(1_000_000)).0, SyntaxReason::TooDeep);
}

#[test]
fn references_cannot_deepen_a_value_beyond_the_bound() {
    let mut text = String::from("A0: [x]\n");
    for step in 1..DEPTH_MAX {
        text += &format!("A{step}: [$A{}]\n", step - 1);
    }
    assert_eq!(refusal(&text).0, SyntaxReason::TooDeep);
    let depth = DEPTH_MAX / 2;
    let text = format!(
        "A{}\nv: {}$A{}",
        nested("[", "]", depth),
        "[".repeat(depth),
        "]".repeat(depth)
    );
    assert_eq!(refusal(text.replacen("Av", "A", 1)).0, SyntaxReason::TooDeep);
}

#[test]
fn references_to_references_do_not_blow_up() {
    let mut text = String::from("A0: 'some text that is not short at all'\n");
    for step in 1..60 {
        let before = format!("$A{}", step - 1);
        text += &format!("A{step}: {{a: {before}, b: {before}, c: {before}}}\n");
    }
    assert_eq!(refusal(&text).0, SyntaxReason::TooHeavy);
}

#[test]
fn files_are_bounded_one_by_one_and_together() {
    let long = vec![b'#'; FILE_BYTES_MAX];
    assert!(parse(&long).is_ok());
    assert_eq!(refusal([&long[..], b"#"].concat()).0, SyntaxReason::FileTooLong);
    let mut around = Around::default().file("/etc/long.conf", &long);
    let text = "include long.conf\n".repeat(TOTAL_BYTES_MAX / FILE_BYTES_MAX);
    assert_eq!(
        around.parse(text).expect_err("too much").reason,
        SyntaxReason::TotalTooLong
    );
}

/// Each file includes another one, without end.
struct Endless(usize);

impl Surroundings for Endless {
    fn include(&mut self, _: &str) -> Result<Vec<u8>, String> {
        self.0 += 1;
        Ok(format!("include {}x.conf", "y".repeat(self.0)).into_bytes())
    }

    fn variable(&self, name: &str) -> Option<String> {
        Some(format!("${name}A"))
    }
}

#[test]
fn files_inside_files_are_bounded_in_depth_and_number() {
    let mut endless = Endless(0);
    let error = Tree::parse("x.conf", b"include 'a.conf'", &mut endless).expect_err("without end");
    assert_eq!(error.reason, SyntaxReason::IncludeTooDeep);
    assert_eq!(endless.0, INCLUDE_DEPTH_MAX);

    let mut around = Around::default().file("/etc/x.conf", "");
    assert!(around.parse("include x.conf\n".repeat(INCLUDES_MAX)).is_ok());
    let error = around
        .parse("include x.conf\n".repeat(INCLUDES_MAX + 1))
        .expect_err("too many");
    assert_eq!(error.reason, SyntaxReason::TooManyIncludes);
}

#[test]
fn variables_of_the_environment_are_bounded_in_depth() {
    let error = Tree::parse("x.conf", b"v: $A", &mut Endless(0)).expect_err("without end");
    assert_eq!(error.reason, SyntaxReason::VariableTooDeep);
    const { assert!(VARIABLE_DEPTH_MAX < DEPTH_MAX) };
}

#[test]
fn problems_beyond_the_bound_are_counted() {
    let unknown: String = (0..PROBLEMS_MAX + 50)
        .map(|n| format!("unknown_{n}: 1\n"))
        .collect();
    let problems = wrong(&unknown);
    assert_eq!((problems.listed.len(), problems.more), (PROBLEMS_MAX, 50));
    assert!(problems.to_string().ends_with("\nand 50 more"));
}
