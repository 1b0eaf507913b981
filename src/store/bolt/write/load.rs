//! Bulk loading of a tree from elements in ascending order. Memory does not grow with their number.

use crate::error::Result;
use crate::store::bolt::node::Kind;
use crate::store::bolt::write::encode::{Body, Draft};
use crate::store::bolt::write::pack::{ChildEntry, NodeWriter, Packer};
use crate::store::bolt::write::rebuild::Rebuilt;

/// A tree that is being loaded.
#[derive(Default)]
pub(super) struct Loader {
    /// The levels, from the leaves up.
    levels: Vec<Level>,
}

struct Level {
    packer: Packer,
    /// How many elements were added.
    count: u64,
    /// Nodes that were written and are not in the level above yet.
    done: Vec<ChildEntry>,
}

impl Level {
    fn new(kind: Kind) -> Self {
        Self {
            packer: Packer::new(kind),
            count: 0,
            done: Vec::new(),
        }
    }
}

impl Loader {
    /// Adds an element.
    ///
    /// # Errors
    /// As [`NodeWriter::node`].
    pub(super) fn push(
        &mut self,
        key: &[u8],
        flags: u32,
        value: &[u8],
        out: &mut NodeWriter<'_>,
    ) -> Result<()> {
        if self.levels.is_empty() {
            self.levels.push(Level::new(Kind::Leaf));
        }
        if let Some(leaves) = self.levels.first_mut() {
            leaves.count += 1;
            let body = Body::Value(flags, value);
            leaves.packer.push(key, body, out, &mut leaves.done)?;
        }
        self.add_to_parents(0, out)
    }

    /// Adds written nodes to the levels above.
    fn add_to_parents(&mut self, mut from: usize, out: &mut NodeWriter<'_>) -> Result<()> {
        while let Some(level) = self
            .levels
            .get_mut(from)
            .filter(|level| !level.done.is_empty())
        {
            let done = std::mem::take(&mut level.done);
            from += 1;
            if self.levels.len() == from {
                self.levels.push(Level::new(Kind::Branch));
            }
            let Some(above) = self.levels.get_mut(from) else {
                break;
            };
            for child in done {
                above.count += 1;
                let body = Body::Child(child.page);
                above.packer.push(&child.key, body, out, &mut above.done)?;
            }
        }
        Ok(())
    }

    /// Writes the remaining nodes. Returns the root, or the page of an inline bucket if the bucket is
    /// small and `may_be_inline`.
    ///
    /// # Errors
    /// As [`NodeWriter::node`].
    pub(super) fn finish(
        mut self,
        may_be_inline: bool,
        out: &mut NodeWriter<'_>,
    ) -> Result<Rebuilt> {
        let empty = Draft::new(Kind::Leaf);
        if self.levels.len() < 2 {
            let only = match self.levels.first() {
                Some(leaves) => leaves.packer.only_node(),
                None => Some(&empty),
            };
            if let Some(only) = only {
                let inline = only.inline_page(out.page_size());
                if let Some(page) = inline.filter(|_| may_be_inline) {
                    return Ok(Rebuilt::Inline(page));
                }
                return Ok(Rebuilt::Tree(out.node(only)?));
            }
        }
        let mut at = 0;
        while let Some(level) = self.levels.get_mut(at) {
            level.packer.finish(out, &mut level.done)?;
            let sole = match level.done.as_slice() {
                [only] => Some(only.page),
                _ => None,
            };
            let above = self.levels.get(at + 1).map_or(0, |above| above.count);
            if let (Some(root), 0) = (sole, above) {
                return Ok(Rebuilt::Tree(root));
            }
            self.add_to_parents(at, out)?;
            at += 1;
        }
        // Unreachable: the last level has one node.
        Ok(Rebuilt::Tree(out.node(&empty)?))
    }
}
