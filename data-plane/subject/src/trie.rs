//! Many filters against one subject.

use std::hash::{BuildHasher, Hasher};
use std::num::NonZeroU32;
use std::ops::ControlFlow;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::filter::Filter;
use crate::subject::has_no_empty_token;
use crate::trie_values::Values;

/// Values under filters, found by the subjects that the filters match.
///
/// The same filter may hold many values, equal ones too; values come out in no particular order.
///
/// All nodes lie in one slab, and all literal edges in one hash table keyed by (node, token), so a
/// step costs one look-up in one table, however many children a node has. The `*` edge is a
/// field of the node, and the values of filters ending in `>` lie in the node before the `>`.
///
/// With `t` tokens in the subject or filter:
/// - [`matches`](Self::matches) takes `t` look-ups where no `*` lies on the way; each `*` beside a
///   literal adds a branch, never more than there are nodes within `t` levels. It does not allocate
///   as long as no more than sixteen branches wait at the same time, and never recurses. Filters can
///   be chosen so that one subject reaches a hundred thousand nodes: who must not spend so long at
///   once takes a [`Walk`], which stops after so many steps and goes on later.
/// - [`insert`](Self::insert) takes `t` look-ups, and so does [`remove_key`](Self::remove_key), with
///   a binary search among the values of that very filter. [`remove`](Self::remove) passes over them
///   instead.
///
/// Nodes without a purpose are removed at once and their slots are used again; the slab itself is
/// given back when the trie becomes empty.
#[derive(Debug, Clone)]
pub struct Trie<V> {
    /// The first one is the root; free slots are listed in `free`.
    nodes: Vec<Node<V>>,
    /// Every node that its parent reaches by a literal token.
    literals: HashTable<NodeId>,
    free: Vec<NodeId>,
    len: usize,
    /// Bytes of all tokens in `nodes`.
    token_bytes: usize,
    /// The key of the value that comes next.
    next_key: u64,
    /// The mark of the node that comes next; see [`Node::mark`].
    next_mark: u32,
    hasher: FixedState,
}

/// What finds a value again, beside its filter. Values that were inserted later have greater keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub(crate) u64);

impl Key {
    /// For where a key is kept in a number.
    pub fn number(self) -> u64 {
        self.0
    }

    /// See [`Key::number`].
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }
}

/// Branches that can wait during a match before they are moved to the heap.
///
/// A branch waits for each token where both a literal and a `*` go on, so this is exceeded only by
/// filters with more than sixteen `*` against a subject of more than sixteen tokens.
const BRANCHES_INLINE: usize = 16;

/// The root is never anybody's child, so the number of a child is never zero.
type NodeId = NonZeroU32;

const ROOT: usize = 0;

/// The mark of the root, which is never replaced, and of free slots, which no walk looks for.
const ROOT_MARK: u32 = 0;

#[derive(Debug, Clone)]
struct Node<V> {
    /// Values of the filter that ends here.
    values: Values<V>,
    /// Values of the filter that ends in a `>` after this node.
    tail: Values<V>,
    /// The token that leads here; empty for the root and for a node below a `*` edge.
    token: Box<[u8]>,
    /// The hash of (parent, token), kept so that a growing table does not read all tokens.
    hash: u64,
    parent: u32,
    /// The child below `*`.
    star: Option<NodeId>,
    /// How many literal children there are; without any, the table is not asked.
    literals: u32,
    /// Tells the nodes apart that use one slot after each other, for walks that pause meanwhile.
    mark: u32,
}

impl<V> Trie<V> {
    /// An empty trie with a fixed seed, for what is not reachable by tenants, and for tests.
    pub fn new() -> Self {
        Self::with_seed(0)
    }

    /// An empty trie whose hashing depends on `seed`.
    ///
    /// Tokens are chosen by tenants: with a random seed nobody can prepare tokens that fall into
    /// the same place of the table.
    pub fn with_seed(seed: u64) -> Self {
        Self {
            nodes: vec![Node::new(ROOT as u32, Box::default(), 0)],
            literals: HashTable::new(),
            free: Vec::new(),
            len: 0,
            token_bytes: 0,
            next_key: 0,
            next_mark: ROOT_MARK,
            hasher: FixedState::with_seed(seed),
        }
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// About how many bytes the filters and their places take, without what values own.
    pub fn bytes(&self) -> usize {
        let nodes = self.nodes.len() - self.free.len();
        // Beside each node there is its place in the table, and a vector has up to twice the room it needs.
        let node = size_of::<Node<V>>() + 2 * size_of::<NodeId>();
        nodes * node + self.token_bytes + self.len * 2 * Values::<V>::ENTRY_BYTES
    }

    /// Adds a value under a filter, beside those that are there already.
    pub fn insert(&mut self, filter: Filter<'_>, value: V) -> Key {
        let mut at = ROOT;
        let mut into_tail = false;
        for token in filter.tokens() {
            match token {
                b">" => into_tail = true, // only the last token: there is no further step
                b"*" => at = self.star_or_new(at),
                literal => at = self.literal_or_new(at, literal),
            }
        }
        let key = Key(self.next_key);
        self.next_key += 1;
        self.nodes[at].list_mut(into_tail).push(key, value);
        self.len += 1;
        key
    }

    /// Removes one value of exactly this filter, the first found for which `wanted` says yes.
    pub fn remove(&mut self, filter: Filter<'_>, wanted: impl FnMut(&V) -> bool) -> Option<V> {
        self.remove_from(filter, |values| values.remove_first(wanted))
    }

    /// Removes the value that got this key when it was inserted under this filter.
    pub fn remove_key(&mut self, filter: Filter<'_>, key: Key) -> Option<V> {
        self.remove_from(filter, |values| values.remove(key))
    }

    fn remove_from(
        &mut self,
        filter: Filter<'_>,
        remove: impl FnOnce(&mut Values<V>) -> Option<V>,
    ) -> Option<V> {
        let mut at = ROOT;
        let mut from_tail = false;
        for token in filter.tokens() {
            match token {
                b">" => from_tail = true,
                b"*" => at = index(self.nodes[at].star?),
                literal => at = index(self.literal(at, literal)?),
            }
        }
        let value = remove(self.nodes[at].list_mut(from_tail))?;
        self.len -= 1;
        self.prune(at);
        Some(value)
    }

    /// Calls `visit` for each value whose filter matches `subject`, which may be any bytes.
    pub fn matches<'t>(&'t self, subject: &[u8], visit: &mut impl FnMut(&'t V)) {
        let mut steps = usize::MAX;
        Walk::new().go_on(self, subject, &mut steps, &mut |value| {
            visit(value);
            ControlFlow::Continue(())
        });
    }

    /// Whether the filter of some value for which `wanted` says yes matches `subject`. Stops at the
    /// first one.
    pub fn matches_any(&self, subject: &[u8], mut wanted: impl FnMut(&V) -> bool) -> bool {
        let mut steps = usize::MAX;
        let end = Walk::new().go_on(self, subject, &mut steps, &mut |value| match wanted(value) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        });
        end == WalkEnd::Stopped
    }

    /// All values.
    pub fn iter(&self) -> impl Iterator<Item = &V> {
        // Free slots hold none.
        self.nodes
            .iter()
            .flat_map(|node| node.values.iter().chain(node.tail.iter()))
    }

    fn hash(&self, parent: usize, token: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(token);
        hasher.write_u32(parent as u32);
        hasher.finish()
    }

    fn literal(&self, parent: usize, token: &[u8]) -> Option<NodeId> {
        let is_it = |id: &NodeId| {
            let child = &self.nodes[index(*id)];
            child.parent as usize == parent && *child.token == *token
        };
        self.literals.find(self.hash(parent, token), is_it).copied()
    }

    fn literal_or_new(&mut self, parent: usize, token: &[u8]) -> usize {
        if let Some(child) = self.literal(parent, token) {
            return index(child);
        }
        let hash = self.hash(parent, token);
        let child = self.occupy(Node::new(parent as u32, token.into(), hash));
        let nodes = &self.nodes;
        self.literals
            .insert_unique(hash, child, |id| nodes[index(*id)].hash);
        self.nodes[parent].literals += 1;
        index(child)
    }

    fn star_or_new(&mut self, parent: usize) -> usize {
        if let Some(child) = self.nodes[parent].star {
            return index(child);
        }
        let child = self.occupy(Node::new(parent as u32, Box::default(), 0));
        self.nodes[parent].star = Some(child);
        index(child)
    }

    /// Puts a node into a free slot.
    fn occupy(&mut self, mut node: Node<V>) -> NodeId {
        self.next_mark = self.next_mark.checked_add(1).unwrap_or(ROOT_MARK + 1);
        node.mark = self.next_mark;
        self.token_bytes += node.token.len();
        if let Some(id) = self.free.pop() {
            self.nodes[index(id)] = node;
            return id;
        }
        let id = u32::try_from(self.nodes.len()).ok().and_then(NodeId::new);
        self.nodes.push(node);
        id.expect("four thousand million nodes do not fit into memory")
    }

    /// Removes the node and its ancestors as far as they lead nowhere.
    fn prune(&mut self, mut at: usize) {
        if self.len == 0 {
            // Walks that pause must not take what comes now for what was there.
            let (hasher, next_key, next_mark) = (self.hasher.clone(), self.next_key, self.next_mark);
            *self = Self {
                hasher,
                next_key,
                next_mark,
                ..Self::new()
            };
            return;
        }
        while let Some(id) = NodeId::new(at as u32)
            && self.nodes[at].leads_nowhere()
        {
            let node = std::mem::replace(&mut self.nodes[at], Node::new(0, Box::default(), 0));
            self.token_bytes -= node.token.len();
            let parent = node.parent as usize;
            if self.nodes[parent].star == Some(id) {
                self.nodes[parent].star = None;
            } else {
                let entry = self.literals.find_entry(node.hash, |other| *other == id);
                entry
                    .expect("a node below a literal edge is in the table")
                    .remove();
                self.nodes[parent].literals -= 1;
            }
            self.free.push(id);
            at = parent;
        }
    }
}

/// A look at all values of a [`Trie`] that stops after so many steps and goes on later.
///
/// What is there all the time is shown once. What is inserted or removed between two steps may be
/// shown or not.
#[derive(Debug, Default)]
pub struct Tour {
    node: usize,
    in_tail: bool,
    /// The least key of the list that comes next.
    from: u64,
}

impl Tour {
    /// Goes on; each list and each value costs a step.
    pub fn go_on<'t, V>(
        &mut self,
        trie: &'t Trie<V>,
        steps: &mut usize,
        visit: &mut impl FnMut(&'t V) -> ControlFlow<()>,
    ) -> WalkEnd {
        while let Some(node) = trie.nodes.get(self.node) {
            if *steps == 0 {
                return WalkEnd::Paused;
            }
            let list = if self.in_tail { &node.tail } else { &node.values };
            match list.visit_from(&mut self.from, steps, visit) {
                WalkEnd::Finished => {}
                end => return end,
            }
            *steps = steps.saturating_sub(1);
            self.from = 0;
            self.node += usize::from(self.in_tail);
            self.in_tail = !self.in_tail;
        }
        WalkEnd::Finished
    }
}

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> Node<V> {
    fn new(parent: u32, token: Box<[u8]>, hash: u64) -> Self {
        Self {
            values: Values::new(),
            tail: Values::new(),
            token,
            hash,
            parent,
            star: None,
            literals: 0,
            mark: ROOT_MARK,
        }
    }

    fn list_mut(&mut self, tail: bool) -> &mut Values<V> {
        if tail { &mut self.tail } else { &mut self.values }
    }

    fn leads_nowhere(&self) -> bool {
        self.values.is_empty() && self.tail.is_empty() && self.star.is_none() && self.literals == 0
    }
}

fn index(id: NodeId) -> usize {
    id.get() as usize
}

/// A search for the values that match a subject, which can pause and go on.
///
/// Between two calls of [`go_on`](Self::go_on) the trie may change. A value that is in the trie from
/// the beginning of the walk to its end is found exactly once if it matches; one that comes or goes
/// meanwhile is found once or not at all.
#[derive(Debug, Clone)]
pub struct Walk {
    waiting: Branches,
    current: Option<Branch>,
    /// Values of the current node with smaller keys were visited.
    from: u64,
}

/// How [`Walk::go_on`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalkEnd {
    /// All that match were visited.
    Finished,
    /// The steps are used up, and there is more.
    Paused,
    /// The visitor broke off. The walk could go on behind that value.
    Stopped,
}

impl Default for Walk {
    fn default() -> Self {
        Self::new()
    }
}

impl Walk {
    /// A walk that has not begun.
    pub fn new() -> Self {
        let root = Branch {
            node: ROOT as u32,
            mark: ROOT_MARK,
            rest: 0,
        };
        Self {
            waiting: Branches::new(),
            current: Some(root),
            from: 0,
        }
    }

    /// Visits matching values until `steps` are used up: one for each node that is reached and one
    /// for each value. Has to be called with the same trie and subject each time.
    pub fn go_on<'t, V>(
        &mut self,
        trie: &'t Trie<V>,
        subject: &[u8],
        steps: &mut usize,
        visit: &mut impl FnMut(&'t V) -> ControlFlow<()>,
    ) -> WalkEnd {
        if trie.len == 0 || (self.is_at_root() && !has_no_empty_token(subject)) {
            self.current = None;
        }
        while let Some(branch) = self.current {
            if *steps == 0 {
                return WalkEnd::Paused;
            }
            // Coming back to a list costs nothing, or a single step would never get anywhere.
            if self.from == 0 {
                *steps -= 1;
            }
            let node = match trie.nodes.get(branch.node as usize) {
                Some(node) if node.mark == branch.mark => node,
                // It went while the walk paused, and all below it.
                _ => {
                    self.from = 0;
                    self.current = self.waiting.pop();
                    continue;
                }
            };
            let ends_here = branch.rest == END;
            // At least one token follows a node that is not the end, so a `>` here matches.
            let list = if ends_here { &node.values } else { &node.tail };
            if !list.is_empty() {
                match list.visit_from(&mut self.from, steps, visit) {
                    WalkEnd::Finished => {}
                    other => return other,
                }
            }
            self.from = 0;
            if ends_here {
                self.current = self.waiting.pop();
                continue;
            }
            let remaining = &subject[branch.rest..];
            let length = remaining
                .iter()
                .position(|&byte| byte == b'.')
                .unwrap_or(remaining.len());
            let literal = match node.literals {
                0 => None,
                _ => trie.literal(branch.node as usize, &remaining[..length]),
            };
            let rest = if length == remaining.len() {
                END
            } else {
                branch.rest + length + 1
            };
            let go_on = |child: NodeId| Branch {
                node: child.get(),
                mark: trie.nodes[index(child)].mark,
                rest,
            };
            self.current = match (literal, node.star) {
                (Some(literal), Some(star)) => {
                    self.waiting.push(go_on(star));
                    Some(go_on(literal))
                }
                (Some(only), None) | (None, Some(only)) => Some(go_on(only)),
                (None, None) => self.waiting.pop(),
            };
        }
        WalkEnd::Finished
    }

    fn is_at_root(&self) -> bool {
        self.current
            .is_some_and(|branch| branch.node as usize == ROOT && self.from == 0)
    }
}

/// A node that was reached, and where in the subject the next token starts.
#[derive(Debug, Clone, Copy, Default)]
struct Branch {
    node: u32,
    mark: u32,
    rest: usize,
}

/// The `rest` of a branch that has used up the whole subject.
const END: usize = usize::MAX;

/// The branches of a walk that wait for their turn: a stack that starts without the heap.
#[derive(Debug, Clone)]
struct Branches {
    inline: [Branch; BRANCHES_INLINE],
    used: usize,
    spilled: Vec<Branch>,
}

impl Branches {
    fn new() -> Self {
        Self {
            inline: [Branch::default(); BRANCHES_INLINE],
            used: 0,
            spilled: Vec::new(),
        }
    }

    fn push(&mut self, branch: Branch) {
        match self.inline.get_mut(self.used) {
            Some(slot) => {
                *slot = branch;
                self.used += 1;
            }
            None => self.spilled.push(branch),
        }
    }

    fn pop(&mut self) -> Option<Branch> {
        if let Some(branch) = self.spilled.pop() {
            return Some(branch);
        }
        self.used = self.used.checked_sub(1)?;
        Some(self.inline[self.used])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tour_shows_every_value_once_in_however_many_steps_and_what_goes_meanwhile_ends_nothing() {
        let mut trie = Trie::new();
        let mut keys = Vec::new();
        for number in 0..50 {
            let text = format!("a.{}.{}", number % 7, ["x", "*", ">"][number % 3]);
            let key = trie.insert(filter(&text), number);
            keys.push((text, key));
        }
        for steps_each in 1..60 {
            let (mut tour, mut found) = (Tour::default(), Vec::new());
            loop {
                let mut steps = steps_each;
                let end = tour.go_on(&trie, &mut steps, &mut |&number| {
                    found.push(number);
                    ControlFlow::Continue(())
                });
                if end == WalkEnd::Finished {
                    break;
                }
                assert_eq!((end, steps), (WalkEnd::Paused, 0));
            }
            found.sort_unstable();
            assert_eq!(found, Vec::from_iter(0..50), "{steps_each} at a time");
        }
        let mut tour = Tour::default();
        assert_eq!(
            tour.go_on(&trie, &mut 9, &mut |_| ControlFlow::Continue(())),
            WalkEnd::Paused
        );
        for (text, key) in &keys {
            assert!(trie.remove_key(filter(text), *key).is_some());
        }
        let end = tour.go_on(&trie, &mut 9, &mut |_| ControlFlow::Continue(()));
        assert_eq!(end, WalkEnd::Finished);
        assert_eq!(
            Tour::default().go_on(&trie, &mut 9, &mut |_| ControlFlow::Break(())),
            WalkEnd::Finished
        );
    }

    fn filter(text: &str) -> Filter<'_> {
        Filter::new(text.as_bytes()).unwrap()
    }

    fn trie_of<'v>(filters: &[&'v str]) -> Trie<&'v str> {
        let mut trie = Trie::new();
        for text in filters {
            trie.insert(filter(text), *text);
        }
        trie
    }

    fn matched<'v>(trie: &Trie<&'v str>, subject: &str) -> Vec<&'v str> {
        let mut found = Vec::new();
        trie.matches(subject.as_bytes(), &mut |value| found.push(*value));
        found.sort();
        found
    }

    /// A trie without values must hold nothing else either.
    fn assert_nothing_left<V>(trie: &Trie<V>) {
        assert!(trie.is_empty());
        assert_eq!(trie.token_bytes, 0);
        assert_eq!(
            (trie.nodes.len(), trie.literals.len(), trie.free.len()),
            (1, 0, 0)
        );
        assert!(trie.nodes[ROOT].leads_nowhere());
    }

    #[test]
    fn every_matching_filter_is_found_once() {
        let trie = trie_of(&[
            "a.b", "a.*", "*.b", "*.*", "a.>", ">", "*.>", "a", "a.b.c", "a.b.>", "b.*",
        ]);
        assert_eq!(
            matched(&trie, "a.b"),
            ["*.*", "*.>", "*.b", ">", "a.*", "a.>", "a.b"]
        );
        assert_eq!(matched(&trie, "a"), [">", "a"]);
        assert_eq!(matched(&trie, "a.b.c"), ["*.>", ">", "a.>", "a.b.>", "a.b.c"]);
        assert_eq!(matched(&trie, "a..b"), [""; 0]);
        assert_eq!(matched(&trie, ""), [""; 0]);
    }

    #[test]
    fn equal_values_under_one_filter_are_removed_one_at_a_time() {
        let mut trie = trie_of(&["a.*", "a.*", "a.>"]);
        assert_eq!(trie.remove(filter("a.*"), |_| true), Some("a.*"));
        assert_eq!(matched(&trie, "a.b"), ["a.*", "a.>"]);
        assert_eq!(trie.remove(filter("a.*"), |_| true), Some("a.*"));
        assert_eq!(trie.remove(filter("a.*"), |_| true), None);
        assert_eq!(trie.remove(filter("a"), |_| true), None);
        assert_eq!(trie.remove(filter(">"), |_| true), None);
        assert_eq!(trie.len(), 1);
        assert_eq!(trie.remove(filter("a.>"), |_| true), Some("a.>"));
        assert_nothing_left(&trie);
    }

    #[test]
    fn only_the_wanted_value_is_removed() {
        let mut trie = Trie::new();
        for number in 0..100 {
            trie.insert(filter("orders.>"), number);
        }
        assert_eq!(trie.remove(filter("orders.>"), |number| *number == 500), None);
        assert_eq!(trie.remove(filter("orders.>"), |number| *number == 50), Some(50));
        assert_eq!(trie.len(), 99);
        assert!(!trie.matches_any(b"orders.1", |number| *number == 50));
        assert!(trie.matches_any(b"orders.1", |number| *number == 51));
        assert!(!trie.matches_any(b"orders", |_| true));
    }

    #[test]
    fn values_are_removed_by_their_keys_in_any_order() {
        let mut trie = Trie::new();
        let keys: Vec<Key> = (0..1000)
            .map(|number| trie.insert(filter("a.*"), number))
            .collect();
        assert_eq!(trie.remove_key(filter("a.b"), keys[0]), None, "another filter");
        // 7 and 1000 have no common divisor: every one comes up once.
        for step in 0..1000 {
            let number = step * 7 % 1000;
            assert_eq!(trie.remove_key(filter("a.*"), keys[number]), Some(number));
            assert_eq!(trie.remove_key(filter("a.*"), keys[number]), None);
            assert_eq!(trie.iter().count(), 999 - step);
        }
        assert_nothing_left(&trie);
        assert!(
            trie.insert(filter("a.*"), 0) > keys[999],
            "keys are never used again"
        );
    }

    #[test]
    fn a_walk_takes_no_more_steps_than_it_may() {
        let mut trie = Trie::new();
        for number in 0..100 {
            trie.insert(filter("a.*"), number);
            trie.insert(filter("*.b"), number);
        }
        let (mut walk, mut found, mut calls) = (Walk::new(), Vec::new(), 0);
        loop {
            let (mut steps, before) = (7, found.len());
            let end = walk.go_on(&trie, b"a.b", &mut steps, &mut |value| {
                found.push(*value);
                ControlFlow::Continue(())
            });
            assert!(found.len() - before <= 7);
            calls += 1;
            if end == WalkEnd::Finished {
                break;
            }
            assert_eq!((end, steps), (WalkEnd::Paused, 0));
        }
        assert!(calls >= 200 / 7, "{calls}");
        found.sort();
        assert_eq!(
            found,
            (0..100).flat_map(|number| [number, number]).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_paused_walk_survives_a_trie_that_becomes_empty() {
        let mut trie = trie_of(&["a.b", "a.*"]);
        let mut walk = Walk::new();
        let mut found = Vec::new();
        let mut go_on = |walk: &mut Walk, trie: &Trie<&'static str>, mut steps| {
            walk.go_on(trie, b"a.b", &mut steps, &mut |value| {
                found.push(*value);
                ControlFlow::Continue(())
            })
        };
        assert_eq!(go_on(&mut walk, &trie, 2), WalkEnd::Paused);
        trie.remove(filter("a.b"), |_| true);
        trie.remove(filter("a.*"), |_| true);
        // The same slots, but not the same nodes.
        trie.insert(filter("x.y"), "x.y");
        trie.insert(filter("x.z"), "x.z");
        assert_eq!(go_on(&mut walk, &trie, 100), WalkEnd::Finished);
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn slots_of_removed_filters_are_used_again() {
        let mut trie = trie_of(&["stays"]);
        for round in 0..1000 {
            let text = format!("inbox.{round}.*.x");
            trie.insert(filter(&text), "inbox");
            assert_eq!(trie.remove(filter(&text), |_| true), Some("inbox"));
        }
        assert_eq!(trie.nodes.len() - trie.free.len(), 2);
        assert!(trie.nodes.len() < 10, "{} slots", trie.nodes.len());
        assert_eq!(trie.iter().collect::<Vec<_>>(), [&"stays"]);
    }

    #[test]
    fn room_of_a_filter_that_had_many_values_is_given_back() {
        let mut trie = Trie::new();
        for number in 0..10_000 {
            trie.insert(filter("a"), number);
        }
        for _ in 0..9_990 {
            trie.remove(filter("a"), |_| true);
        }
        let room = trie
            .nodes
            .iter()
            .map(|node| node.values.capacity())
            .max()
            .unwrap();
        assert!(room <= 80, "{room}");
    }

    #[test]
    fn thousands_of_tokens_need_no_stack_and_stay_linear() {
        let literal = vec!["t"; 2000].join(".");
        let stars = vec!["*"; 2000].join(".");
        let mut trie = trie_of(&[&literal, &stars]);
        assert_eq!(matched(&trie, &literal).len(), 2);
        assert_eq!(matched(&trie, &vec!["u"; 2000].join(".")).len(), 1);
        assert_eq!(matched(&trie, &vec!["t"; 2001].join(".")).len(), 0);
        trie.remove(filter(&literal), |_| true);
        trie.remove(filter(&stars), |_| true);
        assert_nothing_left(&trie);
    }

    #[test]
    fn more_branches_than_the_stack_holds_are_all_walked() {
        // At each of forty levels a `*` goes on beside the literal: forty branches wait.
        let subject = vec!["t"; 40].join(".");
        let filters: Vec<String> = (0..40)
            .map(|star| {
                (0..40)
                    .map(|at| if at == star { "*" } else { "t" })
                    .collect::<Vec<_>>()
                    .join(".")
            })
            .collect();
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        let mut expected = filters.clone();
        expected.sort();
        assert_eq!(matched(&trie_of(&filters), &subject), expected);
    }

    #[test]
    fn a_seed_changes_places_and_not_answers() {
        for seed in [0, 1, u64::MAX] {
            let mut trie = Trie::with_seed(seed);
            for number in 0..500 {
                trie.insert(filter(&format!("a.{number}")), number);
            }
            for number in 0..500 {
                let mut found = Vec::new();
                trie.matches(format!("a.{number}").as_bytes(), &mut |value| found.push(*value));
                assert_eq!(found, [number]);
            }
            for number in 0..500 {
                assert_eq!(
                    trie.remove(filter(&format!("a.{number}")), |_| true),
                    Some(number)
                );
            }
            assert_nothing_left(&trie);
        }
    }
}
