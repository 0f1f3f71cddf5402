//! The rules of one list of permissions, in their order.
//!
//! Every user has four lists, and most of them have two or three rules: those are asked one after the
//! other. Only long lists have an index.

use tollway_subject::{Filter, FilterBuf, Matcher, Trie};

use crate::permission_set::PermissionError;

/// What asking the rules of a list one after the other may cost before it gets an index: about as much
/// as a way through the trie, which is 16 comparisons however many rules there are. The trie of two
/// rules takes a kilobyte.
const UNINDEXED_COST_MAX: usize = 16;
/// What a rule with a `*` costs, beside one comparison for a literal subject and for `a.b.>`.
const TOKENS_COST: usize = 4;

/// One rule: a filter, or a filter and a queue.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    filter: Matcher,
    /// Only of rules that are more than their filter.
    more: Option<Box<More>>,
}

#[derive(Debug, Clone)]
struct More {
    /// As written in the claim, to tell what decided.
    text: Box<str>,
    queue: Option<FilterBuf>,
}

impl Rule {
    fn parse(text: &str) -> Result<Self, PermissionError> {
        let word = |word: &str| {
            word.parse::<FilterBuf>()
                .map_err(|source| PermissionError::Filter {
                    rule: text.to_owned(),
                    source,
                })
        };
        let mut words = text.split_ascii_whitespace();
        let filter = word(words.next().unwrap_or_default())?;
        let queue = words.next().map(word).transpose()?;
        if words.next().is_some() {
            return Err(PermissionError::Words {
                rule: text.to_owned(),
            });
        }
        let more = (filter.as_bytes() != text.as_bytes()).then(|| {
            let text = text.into();
            Box::new(More { text, queue })
        });
        Ok(Self {
            filter: filter.into(),
            more,
        })
    }

    /// What asking it costs.
    fn cost(&self) -> usize {
        if self.filter.is_quick() { 1 } else { TOKENS_COST }
    }

    /// As written in the claim.
    pub(crate) fn text(&self) -> &str {
        match &self.more {
            Some(more) => &more.text,
            None => std::str::from_utf8(self.filter.as_filter().as_bytes())
                .expect("the filter is the whole of a text"),
        }
    }

    /// What the rule is about.
    pub(crate) fn filter(&self) -> Filter<'_> {
        self.filter.as_filter()
    }

    /// The queues that it is about, if it is not about all and none.
    pub(crate) fn queue(&self) -> Option<Filter<'_>> {
        let queue = self.more.as_ref()?.queue.as_ref()?;
        Some(queue.as_filter())
    }

    /// Whether the rule is about this queue by name. A queue may be called like a wildcard, literally.
    pub(crate) fn names(&self, queue: &[u8]) -> bool {
        self.queue()
            .is_some_and(|named| named.as_bytes() == queue || named.matches(queue))
    }

    /// Whether the rule, on a deny list, is about subscriptions with or without this queue.
    pub(crate) fn denies(&self, queue: Option<&[u8]>) -> bool {
        self.queue().is_none() || queue.is_some_and(|queue| self.names(queue))
    }
}

/// Rules in their order, and when they are many an index of their filters for literal subjects.
#[derive(Debug, Clone, Default)]
pub(crate) struct RuleList {
    rules: Box<[Rule]>,
    /// Positions in `rules`.
    index: Option<Box<Trie<usize>>>,
}

impl RuleList {
    pub(crate) fn compile(texts: &[String]) -> Result<Self, PermissionError> {
        let rules = texts
            .iter()
            .map(|text| Rule::parse(text))
            .collect::<Result<Box<[_]>, _>>()?;
        let cost: usize = rules.iter().map(Rule::cost).sum();
        Ok(Self::new(rules, cost > UNINDEXED_COST_MAX))
    }

    fn new(rules: Box<[Rule]>, indexed: bool) -> Self {
        let index = indexed.then(|| {
            let mut index = Trie::new();
            for (position, rule) in rules.iter().enumerate() {
                index.insert(rule.filter(), position);
            }
            Box::new(index)
        });
        Self { rules, index }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// Shows `take` the rules that match a subject, until it says that it has seen enough.
    #[inline]
    pub(crate) fn any_matching<'s>(&'s self, subject: &[u8], mut take: impl FnMut(&'s Rule) -> bool) {
        match &self.index {
            None => {
                for rule in &self.rules {
                    if rule.filter.matches(subject) && take(rule) {
                        return;
                    }
                }
            }
            Some(index) => {
                index.matches_any(subject, |&position| take(&self.rules[position]));
            }
        }
    }

    /// Shows `take` the rules that contain a filter, until it says that it has seen enough.
    pub(crate) fn any_containing<'s>(&'s self, filter: Filter<'_>, mut take: impl FnMut(&'s Rule) -> bool) {
        for rule in &self.rules {
            if rule.filter().contains(filter) && take(rule) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn token() -> impl Strategy<Value = &'static str> {
        prop_oneof![Just("a"), Just("b"), Just("*"), Just(">"), Just("long-token")]
    }

    /// Rules with and without queues, some of them with blanks around.
    fn rule() -> impl Strategy<Value = String> {
        let words = (vec(token(), 1..5), proptest::option::of(token()), any::<bool>());
        words.prop_filter_map("`>` is last", |(filter, queue, blanks)| {
            let filter = filter.join(".");
            filter.parse::<FilterBuf>().ok()?;
            let queue = queue.map_or(String::new(), |queue| format!(" {queue}"));
            let blank = if blanks { " " } else { "" };
            Some(format!("{blank}{filter}{queue}"))
        })
    }

    fn published() -> impl Strategy<Value = String> {
        let token = prop_oneof![8 => token(), 1 => Just("")];
        vec(token, 1..6).prop_map(|tokens| tokens.join("."))
    }

    fn matching<'l>(list: &'l RuleList, subject: &str) -> Vec<&'l str> {
        let mut found = Vec::new();
        list.any_matching(subject.as_bytes(), |rule| {
            found.push(rule.text());
            false
        });
        found.sort_unstable();
        found
    }

    proptest! {
        #[test]
        fn rules_with_and_without_an_index_match_alike(
            texts in vec(rule(), 0..40),
            subjects in vec(published(), 1..20),
        ) {
            let rules: Box<[_]> = texts.iter().map(|text| Rule::parse(text).unwrap()).collect();
            let short = RuleList::new(rules.clone(), false);
            let long = RuleList::new(rules, true);
            for subject in subjects {
                let found = matching(&short, &subject);
                prop_assert_eq!(&found, &matching(&long, &subject));
                // Whoever has seen enough is shown no more.
                for list in [&short, &long] {
                    let mut shown = 0;
                    list.any_matching(subject.as_bytes(), |_| {
                        shown += 1;
                        true
                    });
                    prop_assert_eq!(shown, found.len().min(1));
                }
            }
        }

        #[test]
        fn rule_keeps_the_text_that_it_was_written_as(text in rule()) {
            let rule = Rule::parse(&text).unwrap();
            prop_assert_eq!(rule.text(), &text);
            let words: Vec<_> = text.split_whitespace().collect();
            prop_assert_eq!(rule.filter().as_bytes(), words[0].as_bytes());
            prop_assert_eq!(
                rule.queue().map(|queue| queue.as_bytes().to_vec()),
                words.get(1).map(|queue| queue.as_bytes().to_vec())
            );
        }
    }

    #[test]
    fn only_long_lists_have_an_index() {
        let list = |count: usize, rule: &str| {
            let texts: Vec<_> = (0..count).map(|number| format!("{number}.{rule}")).collect();
            RuleList::compile(&texts).unwrap()
        };
        let quick = UNINDEXED_COST_MAX;
        let slow = UNINDEXED_COST_MAX / TOKENS_COST;
        for (count, rule) in [(quick, "a"), (quick, ">"), (slow, "*.a")] {
            assert!(list(count, rule).index.is_none(), "{count} {rule}");
            assert!(list(count + 1, rule).index.is_some(), "{count} {rule}");
        }
        assert_eq!(RuleList::default().iter().count(), 0);
    }
}
