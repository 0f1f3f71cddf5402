//! Collects what is wrong and what there is to know while options are read.

use crate::bounds::PROBLEMS_MAX;
use crate::field::Field;
use crate::notice::{Notice, NoticeReason};
use crate::position::Position;
use crate::problem::{Problem, Problems, Reason};
use crate::value::{Map, Node, Value};

/// Problems and notices so far. Reading goes on after a problem, so that one look at the log is enough
/// to mend a file.
#[derive(Debug, Default)]
pub(crate) struct Report {
    problems: Vec<Problem>,
    more: usize,
    notices: Vec<Notice>,
}

impl Report {
    /// Goes on from what was noticed while the file was parsed.
    pub(crate) fn new(notices: Vec<Notice>) -> Self {
        Self {
            notices,
            ..Self::default()
        }
    }

    /// Something is wrong.
    pub(crate) fn problem(&mut self, at: &Position, reason: Reason) {
        if self.problems.len() == PROBLEMS_MAX {
            self.more += 1;
        } else {
            self.problems.push(Problem {
                at: at.clone(),
                reason,
            });
        }
    }

    /// Something is worth knowing.
    pub(crate) fn notice(&mut self, at: &Position, reason: NoticeReason) {
        if self.notices.len() < PROBLEMS_MAX {
            self.notices.push(Notice {
                at: at.clone(),
                reason,
            });
        }
    }

    /// The notices, or the problems if there are any.
    pub(crate) fn finish(self) -> Result<Vec<Notice>, Problems> {
        if self.problems.is_empty() {
            return Ok(self.notices);
        }
        let mut files: Vec<&str> = Vec::new();
        for problem in &self.problems {
            if !files.contains(&problem.at.file()) {
                files.push(problem.at.file());
            }
        }
        let files: Vec<String> = files.into_iter().map(str::to_owned).collect();
        let mut listed = self.problems;
        listed.sort_by_cached_key(|problem| {
            let file = files.iter().position(|file| file == problem.at.file());
            (file, problem.at.line(), problem.at.column())
        });
        let more = self.more;
        Err(Problems { listed, more })
    }

    /// The fields of a block. Whatever is no map is a problem and has no fields.
    pub(crate) fn fields<'t>(&mut self, block: &Field<'t>) -> Vec<Field<'t>> {
        match self.map_of(block) {
            Some(map) => Self::fields_of(map),
            None => Vec::new(),
        }
    }

    /// The map that a field is set to.
    pub(crate) fn map_of<'t>(&mut self, field: &Field<'t>) -> Option<&'t Map> {
        match &field.node.value {
            Value::Map(map) => Some(map),
            _ => self.wrong_kind(field, "a map"),
        }
    }

    /// The fields of a map. `TLS` that `tls: $TLS` refers to is a variable, although options are found in
    /// any case.
    pub(crate) fn fields_of(map: &Map) -> Vec<Field<'_>> {
        let is_variable = |field: &Field<'_>| {
            field.referenced && field.key != field.written && map.get(&field.key).is_some()
        };
        map.iter()
            .map(Field::new)
            .filter(|field| !is_variable(field))
            .collect()
    }

    /// A key that the block does not know. A key that something refers to is a variable and may have any name.
    pub(crate) fn unknown(&mut self, field: &Field<'_>, block: &'static str) {
        if !field.referenced {
            let key = field.written.to_owned();
            self.problem(field.at, Reason::Unknown { key, block });
        }
    }

    /// The value is of another kind than the option takes.
    pub(crate) fn misfit(&mut self, field: &Field<'_>, expected: &'static str) {
        let Node { value, at } = field.node;
        let reason = Reason::WrongKind {
            key: field.key.clone(),
            expected,
            found: value.kind(),
        };
        self.problem(at, reason);
    }

    /// The same, for whoever would have had a value.
    pub(crate) fn wrong_kind<T>(&mut self, field: &Field<'_>, expected: &'static str) -> Option<T> {
        self.misfit(field, expected);
        None
    }

    /// The value is of the right kind and still no good.
    pub(crate) fn reject(&mut self, field: &Field<'_>, why: &'static str) {
        let key = field.key.clone();
        self.problem(&field.node.at, Reason::Invalid { key, why });
    }

    /// The same, for whoever would have had a value.
    pub(crate) fn invalid<T>(&mut self, field: &Field<'_>, why: &'static str) -> Option<T> {
        self.reject(field, why);
        None
    }

    /// Sets an option. The same option under another name may only say the same: which of two counts
    /// is up to chance on a stock server.
    pub(crate) fn set<T: PartialEq>(&mut self, slot: &mut Option<T>, value: Option<T>, field: &Field<'_>) {
        let Some(value) = value else { return };
        match slot {
            Some(before) if *before != value => {
                self.problem(field.at, Reason::Twice(field.key.clone()));
            }
            Some(_) => {}
            None => *slot = Some(value),
        }
    }

    /// An option that is accepted and does nothing here.
    pub(crate) fn not_offered(&mut self, field: &Field<'_>, option: &'static str, because: &'static str) {
        self.notice(field.at, NoticeReason::NotOffered { option, because });
    }

    /// An option that cannot be ignored.
    pub(crate) fn refuse(&mut self, field: &Field<'_>, option: &'static str, because: &'static str) {
        self.problem(field.at, Reason::NotOffered { option, because });
    }
}
