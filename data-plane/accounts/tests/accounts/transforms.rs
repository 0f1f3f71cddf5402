//! What the stock server (2.15.1) makes of the same rules, and a slow definition.

use proptest::prelude::*;
use tollway_accounts::*;
use tollway_subject::{Filter, FilterBuf, InvalidSubject};

use crate::world::filter;

fn transform(source: &str, destination: &str) -> Result<Transform, TransformError> {
    Transform::new(filter(source).as_filter(), destination)
}

fn mapped(source: &str, destination: &str, subject: &str) -> Result<String, NotMapped> {
    let transform = transform(source, destination).expect("a rule that compiles");
    let mut buffer = [0; 512];
    let mapped = transform.map(subject.as_bytes(), 7, &mut buffer)?;
    Ok(String::from_utf8(mapped.to_vec()).unwrap())
}

#[test]
fn subjects_become_what_the_stock_server_makes_of_them() {
    for (source, destination, subject, expected) in [
        // References, literals and tails.
        ("foo", "bar", "foo", "bar"),
        ("foo.*", "bar", "foo.a", "bar"),
        ("foo.*", "$1", "foo.a", "a"),
        ("foo.*", "bar.$1.$1", "foo.a", "bar.a.a"),
        ("*.*", "$2.$1", "a.b", "b.a"),
        ("a.*.*.*", "x.$3.y.$1", "a.1.2.3", "x.3.y.1"),
        ("foo.*", "bar.$01", "foo.a", "bar.a"),
        ("foo.*", "bar.$+1", "foo.a", "bar.a"),
        ("foo.*", "bar.$x", "foo.a", "bar.$x"),
        ("foo.*", "bar.$1x", "foo.a", "bar.$1x"),
        ("foo.*", "bar.x$1", "foo.a", "bar.x$1"),
        ("foo.*", "x.$1_000", "foo.a", "x.$1_000"),
        ("foo.*", "bar.{{wildcard(1)}}", "foo.a", "bar.a"),
        ("foo.*", "bar.{{Wildcard(1)}}", "foo.a", "bar.a"),
        ("foo.*", "bar.{{ wildcard ( 1 ) }}", "foo.a", "bar.a"),
        ("foo.*", "bar.{{}}", "foo.a", "bar.{{}}"),
        ("foo.*", "bar.x{{wildcard(1)}}", "foo.a", "bar.x{{wildcard(1)}}"),
        ("foo.*", "bar.{{wildcard(1)}}x", "foo.a", "bar.{{wildcard(1)}}x"),
        ("foo.>", "bar.>", "foo.a.b.c", "bar.a.b.c"),
        ("foo.*.>", "bar.$1.>", "foo.a.b.c", "bar.a.b.c"),
        ("foo.*.>", "x.>", "foo.a.b", "x.b"),
        ("*.>", "$1.>", "a.b.c", "a.b.c"),
        (">", "x.>", "a.b", "x.a.b"),
        ("foo.*", "bar.$1", "foo.*", "bar.*"),
        // Cuts.
        ("foo.*", "bar.{{splitfromleft(1,2)}}", "foo.abcd", "bar.ab.cd"),
        ("foo.*", "bar.{{splitFromLeft(1,2)}}", "foo.ab", "bar.ab"),
        ("foo.*", "bar.{{SplitFromLeft(1,2)}}", "foo.äb", "bar.ä.b"),
        ("foo.*", "bar.{{splitfromright(1,2)}}", "foo.abc", "bar.a.bc"),
        (
            "foo.*",
            "bar.{{slicefromleft(1,3)}}",
            "foo.1234567890",
            "bar.123.456.789.0",
        ),
        ("foo.*", "bar.{{slicefromleft(1,3)}}", "foo.123456", "bar.123.456"),
        ("foo.*", "bar.{{slicefromleft(1,3)}}", "foo.123", "bar.123"),
        (
            "foo.*",
            "bar.{{slicefromright(1,3)}}",
            "foo.1234567890",
            "bar.1.234.567.890",
        ),
        ("foo.*", "bar.{{slicefromright(1,3)}}", "foo.1234", "bar.1.234"),
        ("foo.*", "x.{{slicefromleft( 1 , 1 )}}", "foo.ab", "x.a.b"),
        ("foo.*", "bar.{{left(1,2)}}", "foo.abcd", "bar.ab"),
        ("foo.*", "bar.{{left(1,2)}}", "foo.a", "bar.a"),
        ("foo.*", "bar.{{right(1,2)}}", "foo.abcd", "bar.cd"),
        ("foo.*", "bar.{{left(1,+1)}}", "foo.ab", "bar.a"),
        // Splits.
        ("foo.*", "bar.{{split(1,-)}}", "foo.a-b", "bar.a.b"),
        ("foo.*", "bar.{{split(1,-)}}", "foo.-a-b-", "bar.a.b"),
        ("*", "{{split(1,-)}}", "-abc-def--ghij-", "abc.def.ghij"),
        ("foo.*", "bar.{{split(1,--)}}", "foo.a--b-c---d", "bar.a.b-c.-d"),
        ("foo.*", "bar.{{split(1,>)}}", "foo.a>b", "bar.a.b"),
        ("foo.*", "bar.{{split(1,)}}", "foo.abc", "bar.a.b.c"),
        ("foo.*", "bar.{{split(1, )}}", "foo.äb", "bar.ä.b"),
        ("foo.*", "bar.{{split(1,.)}}", "foo.abc", "bar.{{split(1,.)}}"),
        ("foo.*", "foo.{{split(1,-)}}", "foo.a-b", "foo.a.b"),
        // Chance with one outcome.
        ("foo", "bar.{{random(1)}}", "foo", "bar.0"),
        ("foo.*", "bar.{{Random(1)}}", "foo.a", "bar.0"),
    ] {
        let found = mapped(source, destination, subject);
        assert_eq!(
            found.as_deref(),
            Ok(expected),
            "{source} -> {destination} of {subject}"
        );
    }
}

/// The hash is part of the contract: workers of another cell own the same partitions.
#[test]
fn partitions_are_those_of_the_stock_server() {
    let long = "x".repeat(40);
    let tokens = [
        ("a", 0, 2_220, 1_725_141_046),
        ("b", 7, 335_077, 1_708_363_427),
        ("abc", 1, 920_331, 993_423_758),
        ("orders", 0, 59_820, 1_529_461_395),
        ("42", 1, 835_011, 1_703_888_566),
        ("0", 3, 22_063, 399_760_730),
        ("customer-1", 3, 212_823, 1_770_933_101),
        ("customer-2", 2, 990_442, 1_720_600_244),
        ("ä", 2, 777_122, 1_803_234_300),
        (&long, 5, 15_845, 400_004_147),
        ("A", 2, 118_412, 1_188_257_238),
        ("_", 0, 226_030, 1_087_591_524),
        ("order_created", 0, 736_200, 1_686_159_962),
        ("9f86d081884c", 4, 725_874, 1_421_232_508),
        ("eu", 3, 692_303, 571_909_845),
        ("us", 9, 800_089, 468_581_107),
        ("*", 9, 356_349, 768_868_348),
    ];
    for (token, ten, million, whole) in tokens {
        let subject = format!("p.{token}");
        let partition = |destination: &str| mapped("p.*", destination, &subject).unwrap();
        assert_eq!(partition("{{partition(10,1)}}"), ten.to_string(), "{token}");
        assert_eq!(
            partition("{{Partition(1000000,1)}}"),
            million.to_string(),
            "{token}"
        );
        assert_eq!(
            partition("x.{{partition(2147483647)}}"),
            format!("x.{whole}"),
            "{token}"
        );
    }
    let destination = "{{partition(1000,1,2)}}.{{partition(1000,2,1)}}.{{partition(7)}}";
    for (token, expected) in [
        ("a", "593.975.5"),
        ("b", "173.829.1"),
        ("abc", "205.989.1"),
        ("orders", "659.629.6"),
        ("42", "485.53.5"),
        ("0", "269.717.2"),
        ("customer-1", "377.377.0"),
        ("customer-2", "279.365.1"),
    ] {
        let found = mapped("p.*.*", destination, &format!("p.{token}.z{token}"));
        assert_eq!(found.as_deref(), Ok(expected), "{token}");
    }
    assert_eq!(
        mapped("foo.>", "bar.{{partition(5)}}.>", "foo.a.b").unwrap(),
        "bar.4.a.b"
    );
    assert_eq!(mapped(">", "{{partition(4)}}.>", "a.b").unwrap(), "0.a.b");
}

#[test]
fn rules_that_the_stock_server_refuses_are_refused_with_the_reason() {
    let function = |token: &str, source| TransformError::Function {
        token: token.into(),
        source,
    };
    let wildcard = |found, wildcards| FunctionError::Wildcard { found, wildcards };
    for (source, token, expected) in [
        ("foo", "$1", wildcard(1, 0)),
        ("foo.>", "$1", wildcard(1, 0)),
        ("foo.*", "$2", wildcard(2, 1)),
        ("foo.*", "{{wildcard(2)}}", wildcard(2, 1)),
        ("foo.*", "{{partition(3,2)}}", wildcard(2, 1)),
        ("foo.*", "{{split(2,-)}}", wildcard(2, 1)),
        ("foo.*", "{{left(2,1)}}", wildcard(2, 1)),
        ("foo.*", "{{WILDCARD(1)}}", FunctionError::Unknown),
        ("foo.*", "{{wildcard}}", FunctionError::Unknown),
        ("foo.*", "{{unknown(1)}}", FunctionError::Unknown),
        ("foo.*", "{{x wildcard(1)}}", FunctionError::Unknown),
        ("foo.*", "{{wildcard(1) x}}", FunctionError::Unknown),
        ("foo", "{{x}}", FunctionError::Unknown),
        ("foo.*", "{{wildcard(1,1)}}", FunctionError::TooManyArguments),
        ("foo.*", "{{split(1,-,x)}}", FunctionError::TooManyArguments),
        ("foo.*", "{{split(1,,)}}", FunctionError::TooManyArguments),
        (
            "foo.*",
            "{{splitfromleft(1,2,3)}}",
            FunctionError::TooManyArguments,
        ),
        ("foo.*", "{{split(1)}}", FunctionError::TooFewArguments),
        ("foo.*", "{{splitfromleft(1)}}", FunctionError::TooFewArguments),
        ("foo.*", "{{left(1)}}", FunctionError::TooFewArguments),
        ("foo.*", "{{wildcard(a)}}", FunctionError::Argument),
        ("foo.*", "{{partition()}}", FunctionError::Argument),
        ("foo.*", "{{partition(2147483648,1)}}", FunctionError::Argument),
        (
            "foo.*",
            "{{partition(99999999999999999999,1)}}",
            FunctionError::Argument,
        ),
        ("foo.*", "{{partition(3,)}}", FunctionError::Argument),
        ("foo.*", "{{partition(x,1)}}", FunctionError::Argument),
        ("foo.*", "{{random()}}", FunctionError::Argument),
        ("foo.*", "{{random(2147483648)}}", FunctionError::Argument),
        (
            "foo.*",
            "{{splitfromleft(1,4294967298)}}",
            FunctionError::Argument,
        ),
        ("foo.*", "{{slicefromleft(1\t,1)}}", FunctionError::Argument),
        ("foo.*", "{{wildcard(1)}}{{wildcard(1)}}", FunctionError::Argument),
        ("foo.*", "{{split(1,- )}}", FunctionError::Argument),
        // Refused there too, but with another reason: one argument too many is called one too few.
        ("foo.*", "{{random(3,1)}}", FunctionError::TooManyArguments),
        ("foo.*", "{{wildcard()}}", FunctionError::Argument),
        // The stock server accepts these; a wildcard that is not there is the first token then,
        // and a length or a number of buckets that is none is passed over.
        ("foo.*", "$0", wildcard(0, 1)),
        ("foo.*", "$-1", wildcard(-1, 1)),
        ("foo.*", "{{wildcard(0)}}", wildcard(0, 1)),
        ("foo.*", "{{partition(3,0)}}", wildcard(0, 1)),
        ("foo", "{{partition(3,1)}}", wildcard(1, 0)),
        ("foo.*", "{{partition(0)}}", FunctionError::Argument),
        ("foo.*", "{{partition(-3,1)}}", FunctionError::Argument),
        ("foo.*", "{{random(0)}}", FunctionError::Argument),
        ("foo.*", "{{slicefromleft(1,0)}}", FunctionError::Argument),
        ("foo.*", "{{right(1,-1)}}", FunctionError::Argument),
    ] {
        let tail = if source.ends_with('>') { ".>" } else { "" };
        let found = transform(source, &format!("bar.{token}{tail}"));
        assert_eq!(found, Err(function(token, expected)), "{source} -> {token}");
    }
    let tail_not_last = |position| TransformError::Destination(InvalidSubject::TailNotLast { position });
    let empty_token = |position| TransformError::Destination(InvalidSubject::EmptyToken { position });
    let blank =
        |position| TransformError::Destination(InvalidSubject::ForbiddenByte { position, byte: b' ' });
    for (source, destination, expected) in [
        ("foo.*", "bar.*", TransformError::DestinationWildcard),
        ("foo.>", "bar", TransformError::Tail),
        ("foo", "bar.>", TransformError::Tail),
        ("foo.>", "bar.>.x", tail_not_last(4)),
        ("foo", "", empty_token(0)),
        ("foo", "bar..x", empty_token(4)),
        ("foo", "bar. x", blank(4)),
        ("foo", "b ar", blank(1)),
    ] {
        assert_eq!(
            transform(source, destination),
            Err(expected),
            "{source} -> {destination:?}"
        );
    }
    let stars = |count: usize| vec!["*"; count].join(".");
    assert!(transform(&stars(bounds::WILDCARDS_MAX), "x").is_ok());
    let found = bounds::WILDCARDS_MAX + 1;
    assert_eq!(
        transform(&stars(found), "x"),
        Err(TransformError::TooManyWildcards { found })
    );
}

#[test]
fn subject_that_has_no_place_is_not_mapped() {
    for (source, destination, subject, expected) in [
        ("foo.>", "bar.>", "foo", NotMapped::NotMatched),
        ("foo.>", "bar.>", "foo..a", NotMapped::NotMatched),
        ("foo.>", "bar.>", "foo.a.", NotMapped::NotMatched),
        ("*.*", "$2.$1", ".a", NotMapped::NotMatched),
        // The stock server makes a subject of this that nobody can subscribe to.
        ("foo.*", "bar.{{split(1,-)}}", "foo.---", NotMapped::EmptyToken),
        ("foo.*", "bar.{{split(1,-)}}", "foo.-", NotMapped::EmptyToken),
    ] {
        assert_eq!(mapped(source, destination, subject), Err(expected), "{subject}");
    }
    // And loses this one on the way.
    assert_eq!(
        mapped("foo.*", "bar.{{split(1,-)}}", "foo.--a--b--").unwrap(),
        "bar.a.b"
    );

    let transform = transform("foo.*", "bar.$1").unwrap();
    let mut buffer = [0; 7];
    assert_eq!(
        transform.map(b"foo.abc", 0, &mut buffer),
        Ok(b"bar.abc".as_slice())
    );
    assert_eq!(
        transform.map(b"foo.abcd", 0, &mut buffer),
        Err(NotMapped::TooLong)
    );
    assert_eq!(transform.map(b"foo.a", 0, &mut []), Err(NotMapped::TooLong));
}

#[test]
fn random_is_even_and_decided_by_its_argument() {
    let transform = transform("foo", "{{random(4)}}.{{random(4)}}").unwrap();
    let mut seen = [[0u32; 4]; 4];
    for random in 0..16_000u64 {
        let mut buffer = [0; 8];
        let mapped = transform.map(b"foo", random, &mut buffer).unwrap();
        let digits = [mapped[0], mapped[2]].map(|digit| usize::from(digit - b'0'));
        seen[digits[0]][digits[1]] += 1;
        let mut again = [0; 8];
        assert_eq!(transform.map(b"foo", random, &mut again).unwrap(), mapped);
    }
    // Sixteen pairs of a thousand each, so the two places do not depend on each other either.
    assert!(
        seen.iter().flatten().all(|count| (850..1150).contains(count)),
        "{seen:?}"
    );
}

#[test]
fn subscription_behind_a_renaming_asks_for_its_part_of_the_source() {
    for (source, destination, subscribed, expected) in [
        ("foo.*", "bar.$1", "bar.*", Some("foo.*")),
        ("foo.*", "bar.$1", "bar.x", Some("foo.x")),
        ("foo.*", "bar.$1", "*.x", Some("foo.x")),
        ("foo.*", "bar.$1", ">", Some("foo.*")),
        ("foo.*", "bar.$1", "foo.x", None),
        ("foo.*.*", "bar.$2.$1", "bar.y.x", Some("foo.x.y")),
        ("foo.*.*", "bar.$2.$1", "bar.y.*", Some("foo.*.y")),
        ("foo.*.*", "bar.$2.$1", "*.y.>", Some("foo.*.y")),
        ("foo.*.>", "bar.$1.>", "bar.*.y.z", Some("foo.*.y.z")),
        ("foo.*.>", "bar.$1.>", "bar.x.>", Some("foo.x.>")),
        ("foo.>", ">", "*.b", Some("foo.*.b")),
        ("foo", "bar", ">", Some("foo")),
        ("foo.a", "bar.b", "*.>", Some("foo.a")),
        // A source whose wildcards do not all come out, or come out changed, has no way back.
        ("foo.*", "bar", "bar", None),
        ("foo.*", "bar.$1.$1", ">", None),
        ("foo.*", "bar.{{left(1,1)}}", ">", None),
    ] {
        let transform = transform(source, destination).unwrap();
        let found = transform.source_filter(filter(subscribed).as_filter());
        assert_eq!(
            found,
            expected.map(filter),
            "{source} -> {destination}: {subscribed}"
        );
    }
}

/// A part of a destination: how it is written, and what it makes of the wildcards' tokens.
#[derive(Debug, Clone)]
enum Piece {
    Literal(String),
    Reference(usize),
    Cut(&'static str, usize, usize),
    Split(usize, char),
    Partition(u32, Vec<usize>),
}

impl Piece {
    fn written(&self) -> String {
        match self {
            Self::Literal(text) => text.clone(),
            Self::Reference(index) => format!("${}", index + 1),
            Self::Cut(name, index, bytes) => format!("{{{{{name}({},{bytes})}}}}", index + 1),
            Self::Split(index, separator) => format!("{{{{split({},{separator})}}}}", index + 1),
            Self::Partition(buckets, of) => {
                let of: String = of.iter().map(|index| format!(",{}", index + 1)).collect();
                format!("{{{{partition({buckets}{of})}}}}")
            }
        }
    }

    /// Character by character, on ASCII tokens.
    fn meaning(&self, taken: &[&str], subject: &str) -> String {
        let pieces = |cuts: Vec<String>| {
            cuts.into_iter()
                .filter(|cut| !cut.is_empty())
                .collect::<Vec<_>>()
                .join(".")
        };
        match self {
            Self::Literal(text) => text.clone(),
            Self::Reference(index) => taken[*index].to_owned(),
            Self::Split(index, separator) => {
                pieces(taken[*index].split(*separator).map(str::to_owned).collect())
            }
            Self::Partition(buckets, of) => {
                let hashed: String = match of.is_empty() {
                    true => subject.to_owned(),
                    false => of.iter().map(|index| taken[*index]).collect(),
                };
                let hash = hashed.bytes().fold(2_166_136_261u64, |hash, byte| {
                    ((hash ^ u64::from(byte)) * 16_777_619) & 0xffff_ffff
                });
                (hash % u64::from(*buckets)).to_string()
            }
            Self::Cut(name, index, bytes) => {
                let token: Vec<char> = taken[*index].chars().collect();
                let length = token.len();
                let is_cut = |position: usize| match *name {
                    "splitFromLeft" => position == *bytes,
                    "splitFromRight" => position + bytes == length,
                    "sliceFromLeft" => position.is_multiple_of(*bytes),
                    "sliceFromRight" => (length - position).is_multiple_of(*bytes),
                    _ => false,
                };
                let kept = |position: usize| match *name {
                    "left" => position < *bytes,
                    "right" => position + bytes >= length,
                    _ => true,
                };
                let mut cuts = vec![String::new()];
                for (position, character) in token.into_iter().enumerate() {
                    if is_cut(position) {
                        cuts.push(String::new());
                    }
                    if kept(position) {
                        cuts.last_mut().unwrap().push(character);
                    }
                }
                pieces(cuts)
            }
        }
    }
}

/// A source with three wildcards, so that every piece has one to refer to.
const SOURCE: &str = "s.*.t.*.*";

fn piece() -> impl Strategy<Value = Piece> {
    let cuts = vec![
        "splitFromLeft",
        "splitFromRight",
        "sliceFromLeft",
        "sliceFromRight",
        "left",
        "right",
    ];
    prop_oneof![
        "[a-z]{1,3}".prop_map(Piece::Literal),
        (0usize..3).prop_map(Piece::Reference),
        (proptest::sample::select(cuts), 0usize..3, 1usize..6)
            .prop_map(|(name, index, bytes)| Piece::Cut(name, index, bytes)),
        (0usize..3, proptest::sample::select(vec!['-', 'a']))
            .prop_map(|(index, separator)| Piece::Split(index, separator)),
        (1u32..1000, proptest::collection::vec(0usize..3, 0..3))
            .prop_map(|(buckets, of)| Piece::Partition(buckets, of)),
    ]
}

/// Imported subjects and local names that name each subject once.
fn renamings() -> impl Strategy<Value = (FilterBuf, String)> {
    (0usize..4, any::<bool>(), Just(vec![1, 2, 3])).prop_flat_map(|(wildcards, tail, order)| {
        let order = Just(order[..wildcards.min(3)].to_vec()).prop_shuffle();
        let gaps = proptest::collection::vec(any::<(bool, bool)>(), 4);
        (order, gaps).prop_map(move |(order, gaps)| {
            let mut source = vec!["a".to_owned()];
            let mut local = Vec::new();
            for (index, reference) in order.iter().enumerate() {
                source.push("*".into());
                source.extend(gaps[index].0.then(|| "b".to_owned()));
                local.push(format!("${reference}"));
                local.extend(gaps[index].1.then(|| "c".to_owned()));
            }
            local.extend((order.is_empty() || gaps[3].0).then(|| "d".to_owned()));
            for tokens in [&mut source, &mut local] {
                tokens.extend(tail.then(|| ">".to_owned()));
            }
            (filter(&source.join(".")), local.join("."))
        })
    })
}

fn small_filters() -> impl Strategy<Value = FilterBuf> {
    "([abcdx]|\\*)(\\.([abcdx]|\\*)){0,5}(\\.>)?|>".prop_map(|text| text.parse().unwrap())
}

proptest! {
    #[test]
    fn destinations_mean_what_their_pieces_mean(
        pieces in proptest::collection::vec(piece(), 1..6),
        tokens in proptest::array::uniform3("[ab-]{1,8}"),
    ) {
        let destination: Vec<_> = pieces.iter().map(Piece::written).collect();
        let transform = Transform::new(filter(SOURCE).as_filter(), &destination.join(".")).unwrap();
        let subject = format!("s.{}.t.{}.{}", tokens[0], tokens[1], tokens[2]);
        let taken: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let expected: Vec<_> = pieces.iter().map(|piece| piece.meaning(&taken, &subject)).collect();
        let whole = expected.join(".");
        let mut buffer = [0; 1024];
        let found = transform.map(subject.as_bytes(), 0, &mut buffer);
        if expected.iter().any(String::is_empty) {
            prop_assert_eq!(found, Err(NotMapped::EmptyToken));
        } else {
            prop_assert_eq!(found, Ok(whole.as_bytes()));
            // One byte less than it needs is too little, whatever it is made of.
            let mut short = vec![0; whole.len() - 1];
            prop_assert_eq!(transform.map(subject.as_bytes(), 0, &mut short), Err(NotMapped::TooLong));
        }
    }

    /// The question of a subscription: what it gets through the renaming is what its part of the source matches.
    #[test]
    fn source_filter_matches_what_comes_out_as_subscribed(
        (imported, local) in renamings(),
        subscribed in small_filters(),
        subject in "[abx](\\.[abx]){0,6}",
    ) {
        let transform = Transform::new(imported.as_filter(), &local).unwrap();
        let mut buffer = [0; 256];
        let subject = subject.as_bytes();
        let arrives = transform
            .map(subject, 0, &mut buffer)
            .is_ok_and(|mapped| subscribed.as_filter().matches(mapped));
        let asked = transform.source_filter(subscribed.as_filter());
        prop_assert_eq!(asked.is_some_and(|asked| asked.as_filter().matches(subject)), arrives);
    }

    #[test]
    fn reverse_of_a_renaming_undoes_it((imported, local) in renamings(), subject in "[abx](\\.[abx]){0,6}") {
        let transform = Transform::new(imported.as_filter(), &local).unwrap();
        let back = transform.reversed().unwrap();
        prop_assert_eq!(back.reversed(), Some(transform.clone()));
        let (mut there, mut here) = ([0; 256], [0; 256]);
        if let Ok(mapped) = transform.map(subject.as_bytes(), 0, &mut there) {
            prop_assert_eq!(back.map(mapped, 0, &mut here), Ok(subject.as_bytes()));
        }
    }

    #[test]
    fn no_rule_and_no_subject_ends_anything(
        source in "[a*>.$]{1,9}",
        destination in "([a-z1-3$*>.{}(), -]|\\{\\{|\\}\\}|wildcard|partition|split|left|random){0,12}",
        subject in proptest::collection::vec(prop_oneof![Just(b'.'), Just(b'*'), any::<u8>()], 0..40),
        random: u64,
        room in 0usize..60,
    ) {
        let Ok(source) = Filter::new(source.as_bytes()) else { return Ok(()) };
        let Ok(transform) = Transform::new(source, &destination) else { return Ok(()) };
        let mut buffer = vec![0; room];
        if let Ok(mapped) = transform.map(&subject, random, &mut buffer) {
            prop_assert!(source.matches(&subject));
            prop_assert!(mapped.split(|byte| *byte == b'.').all(|token| !token.is_empty()));
        }
        let _ = transform.source_filter(source);
    }
}
