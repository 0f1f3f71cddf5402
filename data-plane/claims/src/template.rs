//! Functions in the permissions of a scoped signing key: `orders.{{name()}}.>` becomes a rule of each user.
//!
//! | function | stands for |
//! |---|---|
//! | `name()` | the user's name |
//! | `subject()` | the user's key |
//! | `account-name()` | the account's name |
//! | `account-subject()` | the account's key |
//! | `tag(key)` | each value of the user's tags `key:value` |
//! | `account-tag(key)` | each value of the account's tags |
//!
//! A rule with several values becomes several rules, one for each combination. What a function stands for
//! has to be a part of a subject: dots are taken, wildcards and blanks are not, or whoever may name a user
//! could give it more than the template does. A rule of an allow list that stands for nothing is left out; when
//! nothing is left of the list, everything is denied. A rule of a deny list must stand for something.
//!
//! Source: the JWT library's scoped signing keys, as enforced by nats-server 2.15.

use tollway_subject::Subject;

use crate::account::AccountClaims;
use crate::permissions::Rules;
use crate::signed_user::UserIdentity;
use crate::user::UserLimits;

/// Rules of one list, when some of them were made of functions.
pub const TEMPLATE_RULES_MAX: usize = 4096;
/// Bytes of a rule that is made of functions: a subject is never longer.
pub const TEMPLATE_RULE_BYTES_MAX: usize = 4096;

/// A template that gives this user no rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Not one of the functions.
    #[error("the template names {function:?}, which is no function")]
    UnknownFunction {
        /// What stands between the braces, cut to a readable length.
        function: String,
    },
    /// Tags with many values, multiplied.
    #[error(
        "the rule {rule:?} becomes more than {TEMPLATE_RULES_MAX} rules for this user, or one of more than \
         {TEMPLATE_RULE_BYTES_MAX} bytes"
    )]
    TooMuch {
        /// The rule, cut to a readable length.
        rule: String,
    },
    /// What is to be denied is not known.
    #[error("the rule {rule:?} denies what this user has no value for")]
    NothingToDeny {
        /// The rule, cut to a readable length.
        rule: String,
    },
}

/// The template with its functions replaced by what they stand for.
pub(crate) fn expand(
    template: &UserLimits,
    user: &UserIdentity,
    account: &AccountClaims,
) -> Result<UserLimits, TemplateError> {
    let mut limits = template.clone();
    let names = Names { user, account };
    for rules in [&mut limits.permissions.publish, &mut limits.permissions.subscribe] {
        names.expand(rules)?;
    }
    Ok(limits)
}

/// Whom functions speak of.
struct Names<'a> {
    user: &'a UserIdentity,
    account: &'a AccountClaims,
}

impl Names<'_> {
    fn expand(&self, rules: &mut Rules) -> Result<(), TemplateError> {
        let allow = std::mem::take(&mut rules.allow);
        let restricted = !allow.is_empty();
        for rule in allow {
            self.expand_rule(&rule, &mut rules.allow)?;
        }
        for rule in std::mem::take(&mut rules.deny) {
            let before = rules.deny.len();
            self.expand_rule(&rule, &mut rules.deny)?;
            if rules.deny.len() == before {
                return Err(TemplateError::NothingToDeny {
                    rule: readable(&rule),
                });
            }
        }
        if restricted && rules.allow.is_empty() {
            // An empty list would allow everything.
            rules.deny.push(">".to_owned());
        }
        Ok(())
    }

    /// Adds what a rule becomes.
    fn expand_rule(&self, rule: &str, rules: &mut Vec<String>) -> Result<(), TemplateError> {
        let mut made = vec![String::new()];
        let mut rest = rule;
        while let Some((before, function, after)) = next_function(rest) {
            let values = self.values(function)?;
            let too_much = || TemplateError::TooMuch { rule: readable(rule) };
            if rules.len() + made.len() * values.len() > TEMPLATE_RULES_MAX {
                return Err(too_much());
            }
            let longest = |texts: &[String]| texts.iter().map(String::len).max().unwrap_or(0);
            if longest(&made) + before.len() + longest(&values) > TEMPLATE_RULE_BYTES_MAX {
                return Err(too_much());
            }
            made = made
                .iter()
                .flat_map(|begun| values.iter().map(move |value| format!("{begun}{before}{value}")))
                .collect();
            rest = after;
        }
        rules.extend(made.into_iter().map(|begun| begun + rest));
        Ok(())
    }

    /// What a function stands for; values that are no part of a subject are none.
    fn values(&self, function: &str) -> Result<Vec<String>, TemplateError> {
        let (user, account) = (self.user, self.account);
        let function = function.trim();
        let lower = function.to_ascii_lowercase();
        let values = match lower.as_str() {
            "name()" => vec![user.name.clone()],
            "subject()" => vec![user.subject.to_string()],
            "account-name()" => vec![account.name.clone()],
            "account-subject()" => vec![account.subject.to_string()],
            _ => {
                let of = |name: &str| Some(lower.strip_prefix(name)?.strip_suffix(')')?.trim());
                if let Some(key) = of("tag(") {
                    tag_values(&user.tags, key)
                } else if let Some(key) = of("account-tag(") {
                    tag_values(&account.tags, key)
                } else {
                    let function = readable(function);
                    return Err(TemplateError::UnknownFunction { function });
                }
            }
        };
        Ok(values
            .into_iter()
            .filter(|value| is_part_of_a_subject(value))
            .collect())
    }
}

fn is_part_of_a_subject(value: &str) -> bool {
    Subject::new(value.as_bytes()).is_ok()
}

fn tag_values(tags: &[String], key: &str) -> Vec<String> {
    tags.iter()
        .filter_map(|tag| {
            let (name, value) = tag.split_once(':')?;
            name.eq_ignore_ascii_case(key).then(|| value.to_owned())
        })
        .collect()
}

/// Splits at the first `{{function}}`.
fn next_function(rule: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = rule.split_once("{{")?;
    let (function, after) = rest.split_once("}}")?;
    Some((before, function, after))
}

fn readable(text: &str) -> String {
    text.chars().take(64).collect()
}
