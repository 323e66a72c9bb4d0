//! Steps of all cells as a tree: cells that begin alike share the beginning.

use std::collections::HashMap;

use crate::key::Key;

/// One step after all the steps that lead to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The step before; `None` at the golden image.
    pub parent: Option<usize>,
    /// The key of the image, of all steps before, and of this one.
    pub key: Key,
    /// Cells whose steps lead through here.
    pub cells: usize,
}

/// The tree of steps of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefixes {
    /// Nodes; parents stand before their children.
    pub nodes: Vec<Node>,
}

impl Prefixes {
    /// How many times a step is run.
    #[must_use]
    pub fn executions(&self) -> usize {
        self.nodes.len()
    }

    /// The nodes that several cells lead through and where they part, or where one of them ends:
    /// worth a snapshot.
    pub fn forks(&self) -> impl Iterator<Item = usize> + '_ {
        // Of each node: how many follow it, and how many cells go on to one that does.
        let mut onward = vec![(0, 0); self.nodes.len()];
        for node in &self.nodes {
            if let Some(parent) = node.parent {
                onward[parent].0 += 1;
                onward[parent].1 += node.cells;
            }
        }
        let is_fork = move |at: &usize| {
            let (children, cells) = onward[*at];
            children > 1 || (children == 1 && cells < self.nodes[*at].cells)
        };
        (0..self.nodes.len()).filter(is_fork)
    }
}

/// Builds the tree.
pub(super) struct Builder {
    nodes: Vec<Node>,
    known: HashMap<Key, usize>,
    shared: bool,
}

impl Builder {
    /// `shared` is false where every cell runs all its steps itself.
    pub(super) fn new(shared: bool) -> Self {
        let (nodes, known) = (Vec::new(), HashMap::new());
        Self {
            nodes,
            known,
            shared,
        }
    }

    /// Adds a step below `parent` for one more cell; `root` is the key where the cell starts.
    pub(super) fn step(&mut self, root: Key, parent: Option<usize>, step: Key) -> usize {
        let before = parent.map_or(root, |parent| self.nodes[parent].key);
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(before.bytes());
        bytes[32..].copy_from_slice(step.bytes());
        let key = Key::of_bytes(&bytes);
        if let Some(&at) = self.known.get(&key).filter(|_| self.shared) {
            self.nodes[at].cells += 1;
            return at;
        }
        let at = self.nodes.len();
        let cells = 1;
        self.nodes.push(Node { parent, key, cells });
        self.known.insert(key, at);
        at
    }

    /// The key of a node as bytes.
    pub(super) fn key(&self, node: usize) -> &[u8; 32] {
        self.nodes[node].key.bytes()
    }

    pub(super) fn finish(self) -> Prefixes {
        let nodes = self.nodes;
        Prefixes { nodes }
    }
}
