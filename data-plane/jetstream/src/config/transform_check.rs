//! Whether a transform that a configuration names can be one.

use tollway_accounts::{FunctionError, Transform, TransformError};
use tollway_subject::{Filter, InvalidSubject};

const DESTINATION: &str = "invalid mapping destination";
const BAD_SUBJECT: &str = "invalid subject";

/// What a transform becomes; no transform for an empty destination. The text of a refusal is that of stock
/// servers.
///
/// An empty source stands for every subject.
pub(crate) fn compile(source: &str, destination: &str) -> Result<Option<Transform>, String> {
    if destination.is_empty() {
        return Ok(None);
    }
    let source = if source.is_empty() { ">" } else { source };
    let source = Filter::new(source.as_bytes()).map_err(|_| BAD_SUBJECT.to_owned())?;
    match Transform::new(source, destination) {
        Ok(transform) => Ok(Some(transform)),
        Err(error) => Err(refusal(&error, destination)),
    }
}

fn refusal(error: &TransformError, destination: &str) -> String {
    match error {
        TransformError::Destination(InvalidSubject::TailNotLast { position }) => {
            let after = destination.get(position + 2..).unwrap_or_default();
            let token = after.split('.').next().unwrap_or_default();
            format!("{DESTINATION}: invalid transform in {token}")
        }
        TransformError::Destination(_) => format!("{DESTINATION}: invalid transform"),
        TransformError::Function { token, source } => function_refusal(token, source),
        TransformError::Source(_)
        | TransformError::DestinationWildcard
        | TransformError::Tail
        | TransformError::TooManyWildcards { .. }
        | TransformError::OtherImport => BAD_SUBJECT.to_owned(),
    }
}

fn function_refusal(token: &str, error: &FunctionError) -> String {
    let what = match error {
        FunctionError::Unknown => "unknown function",
        FunctionError::TooFewArguments => "not enough arguments passed to the function",
        FunctionError::TooManyArguments => "too many arguments passed to the function",
        // Nothing between the parentheses is no argument at all.
        FunctionError::Argument if token.ends_with("()}}") => "not enough arguments passed to the function",
        FunctionError::Argument => "function argument is invalid or in the wrong format",
        FunctionError::Wildcard { found, .. } => {
            return format!("{DESTINATION}: wildcard index out of range in {token}: [{found}]");
        }
    };
    format!("{DESTINATION}: {what} in {token}")
}
