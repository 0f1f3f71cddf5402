//! Files and variables that exist only here, and short ways to read a text.

use std::collections::BTreeMap;

use tollway_conf::{Map, Problems, ServerConfig, Surroundings, SyntaxError, SyntaxReason, Tree, Value};

/// What a configuration may ask for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Around {
    files: BTreeMap<String, Vec<u8>>,
    variables: BTreeMap<String, String>,
    /// Paths in the order they were asked for.
    pub(crate) asked: Vec<String>,
}

impl Around {
    pub(crate) fn file(mut self, path: &str, text: impl AsRef<[u8]>) -> Self {
        self.files.insert(path.into(), text.as_ref().into());
        self
    }

    pub(crate) fn variable(mut self, name: &str, text: &str) -> Self {
        self.variables.insert(name.into(), text.into());
        self
    }

    /// Reads a text as the file `/etc/nats.conf`.
    pub(crate) fn parse(&mut self, text: impl AsRef<[u8]>) -> Result<Tree, SyntaxError> {
        Tree::parse("/etc/nats.conf", text.as_ref(), self)
    }
}

impl Surroundings for Around {
    fn include(&mut self, path: &str) -> Result<Vec<u8>, String> {
        self.asked.push(path.into());
        self.files.get(path).cloned().ok_or_else(|| "no such file".into())
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
}

/// A text without includes and variables.
pub(crate) fn parse(text: impl AsRef<[u8]>) -> Result<Tree, SyntaxError> {
    Around::default().parse(text)
}

/// Why a text is no configuration, and where.
pub(crate) fn refusal(text: impl AsRef<[u8]>) -> (SyntaxReason, u32, u32) {
    let error = parse(text).expect_err("this is no configuration");
    (error.reason, error.at.line(), error.at.column())
}

/// The options of a text that has to be in order.
pub(crate) fn config(text: &str) -> ServerConfig {
    let tree = parse(text).expect("the text is a configuration");
    ServerConfig::from_tree(&tree).unwrap_or_else(|problems| panic!("{text}\n{problems}"))
}

/// What is wrong with the options of a text.
pub(crate) fn wrong(text: &str) -> Problems {
    let tree = parse(text).expect("the text is a configuration");
    ServerConfig::from_tree(&tree).expect_err(text)
}

/// The same, each as `line:column: what`.
pub(crate) fn problems(text: &str) -> Vec<String> {
    let problems = wrong(text);
    assert_eq!(problems.more, 0);
    let line = |problem: &tollway_conf::Problem| problem.to_string().replace("/etc/nats.conf:", "");
    problems.listed.iter().map(line).collect()
}

/// What a person is told about a text that is in order.
pub(crate) fn notices(text: &str) -> Vec<String> {
    let line = |notice: &tollway_conf::Notice| notice.to_string().replace("/etc/nats.conf:", "");
    config(text).notices.iter().map(line).collect()
}

/// A value that has to be there.
pub(crate) fn value<'t>(map: &'t Map, key: &str) -> &'t Value {
    &map.get(key).expect(key).node.value
}

/// The letters of a text.
pub(crate) fn letters(value: &Value) -> &str {
    match value {
        Value::Text(text) => text.expose(),
        other => panic!("{other:?}"),
    }
}
