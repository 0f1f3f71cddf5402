//! Many filters against one subject.

use std::hash::{BuildHasher, Hasher};
use std::num::NonZeroU32;
use std::ops::ControlFlow;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::filter::Filter;
use crate::subject::has_no_empty_token;

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
///   as long as no more than sixteen branches wait at the same time, and never recurses.
/// - [`insert`](Self::insert) takes `t` look-ups; [`remove`](Self::remove) as well, plus a pass over
///   the values of that very filter.
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
    hasher: FixedState,
}

/// Branches that can wait during a match before they are moved to the heap.
///
/// A branch waits for each token where both a literal and a `*` go on, so this is exceeded only by
/// filters with more than sixteen `*` against a subject of more than sixteen tokens.
const BRANCHES_INLINE: usize = 16;

/// The root is never anybody's child, so the number of a child is never zero.
type NodeId = NonZeroU32;

const ROOT: usize = 0;

#[derive(Debug, Clone)]
struct Node<V> {
    /// Values of the filter that ends here.
    values: Vec<V>,
    /// Values of the filter that ends in a `>` after this node.
    tail: Vec<V>,
    /// The token that leads here; empty for the root and for a node below a `*` edge.
    token: Box<[u8]>,
    /// The hash of (parent, token), kept so that a growing table does not read all tokens.
    hash: u64,
    parent: u32,
    /// The child below `*`.
    star: Option<NodeId>,
    /// How many literal children there are; without any, the table is not asked.
    literals: u32,
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

    /// Adds a value under a filter, beside those that are there already.
    pub fn insert(&mut self, filter: Filter<'_>, value: V) {
        let mut at = ROOT;
        let mut into_tail = false;
        for token in filter.tokens() {
            match token {
                b">" => into_tail = true, // only the last token: there is no further step
                b"*" => at = self.star_or_new(at),
                literal => at = self.literal_or_new(at, literal),
            }
        }
        let node = &mut self.nodes[at];
        let values = if into_tail {
            &mut node.tail
        } else {
            &mut node.values
        };
        values.push(value);
        self.len += 1;
    }

    /// Removes one value of exactly this filter, the first found for which `wanted` says yes.
    pub fn remove(&mut self, filter: Filter<'_>, wanted: impl FnMut(&V) -> bool) -> Option<V> {
        let mut at = ROOT;
        let mut from_tail = false;
        for token in filter.tokens() {
            match token {
                b">" => from_tail = true,
                b"*" => at = index(self.nodes[at].star?),
                literal => at = index(self.literal(at, literal)?),
            }
        }
        let node = &mut self.nodes[at];
        let values = if from_tail {
            &mut node.tail
        } else {
            &mut node.values
        };
        let position = values.iter().position(wanted)?;
        let value = values.swap_remove(position);
        if values.len() < values.capacity() / 4 {
            // A filter that once had many values must not keep their room; twice what is needed,
            // so that the next insertion does not grow it again.
            values.shrink_to(values.len() * 2);
        }
        self.len -= 1;
        self.prune(at);
        Some(value)
    }

    /// Calls `visit` for each value whose filter matches `subject`, which may be any bytes.
    pub fn matches<'t>(&'t self, subject: &[u8], visit: &mut impl FnMut(&'t V)) {
        let _ = self.walk(subject, &mut |values| {
            values.iter().for_each(&mut *visit);
            ControlFlow::Continue(())
        });
    }

    /// Whether the filter of some value for which `wanted` says yes matches `subject`. Stops at the
    /// first one.
    pub fn matches_any(&self, subject: &[u8], mut wanted: impl FnMut(&V) -> bool) -> bool {
        let outcome = self.walk(subject, &mut |values| match values.iter().any(&mut wanted) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        });
        outcome.is_break()
    }

    /// All values.
    pub fn iter(&self) -> impl Iterator<Item = &V> {
        // Free slots hold none.
        self.nodes
            .iter()
            .flat_map(|node| node.values.iter().chain(&node.tail))
    }

    /// Hands the values of each matching filter to `visit` until that breaks off.
    fn walk<'t>(
        &'t self,
        subject: &[u8],
        visit: &mut impl FnMut(&'t [V]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if self.len == 0 || !has_no_empty_token(subject) {
            return ControlFlow::Continue(());
        }
        let mut waiting = Branches::new();
        let mut branch = Some(Branch {
            node: ROOT as u32,
            rest: 0,
        });
        while let Some(Branch { node: at, rest }) = branch {
            let node = &self.nodes[at as usize];
            // At least one token follows, so a `>` here matches.
            if !node.tail.is_empty() {
                visit(&node.tail)?;
            }
            let remaining = &subject[rest..];
            let length = remaining
                .iter()
                .position(|&byte| byte == b'.')
                .unwrap_or(remaining.len());
            let literal = match node.literals {
                0 => None,
                _ => self.literal(at as usize, &remaining[..length]),
            };
            if length == remaining.len() {
                for child in [literal, node.star].into_iter().flatten() {
                    visit(&self.nodes[index(child)].values)?;
                }
                branch = waiting.pop();
                continue;
            }
            let rest = rest + length + 1;
            let go_on = |child: NodeId| Branch {
                node: child.get(),
                rest,
            };
            branch = match (literal, node.star) {
                (Some(literal), Some(star)) => {
                    waiting.push(go_on(star));
                    Some(go_on(literal))
                }
                (Some(only), None) | (None, Some(only)) => Some(go_on(only)),
                (None, None) => waiting.pop(),
            };
        }
        ControlFlow::Continue(())
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
    fn occupy(&mut self, node: Node<V>) -> NodeId {
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
            let hasher = self.hasher.clone();
            *self = Self {
                hasher,
                ..Self::new()
            };
            return;
        }
        while let Some(id) = NodeId::new(at as u32)
            && self.nodes[at].leads_nowhere()
        {
            let node = std::mem::replace(&mut self.nodes[at], Node::new(0, Box::default(), 0));
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

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> Node<V> {
    fn new(parent: u32, token: Box<[u8]>, hash: u64) -> Self {
        Self {
            values: Vec::new(),
            tail: Vec::new(),
            token,
            hash,
            parent,
            star: None,
            literals: 0,
        }
    }

    fn leads_nowhere(&self) -> bool {
        self.values.is_empty() && self.tail.is_empty() && self.star.is_none() && self.literals == 0
    }
}

fn index(id: NodeId) -> usize {
    id.get() as usize
}

/// A node that was reached, and where in the subject the next token starts.
#[derive(Debug, Clone, Copy, Default)]
struct Branch {
    node: u32,
    rest: usize,
}

/// The branches of a walk that wait for their turn: a stack that starts without the heap.
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
