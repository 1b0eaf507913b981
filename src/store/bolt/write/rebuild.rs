//! Rebuilds one bucket: merges the old tree with the changes.
//!
//! Leaves without changes keep their pages, and so do branches whose children all keep theirs.
//! Everything else is packed into new pages, from the leaves up, as in a bulk load.

use std::collections::BTreeMap;
use std::ops::Range;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::store::bolt::batch::Batch;
use crate::store::bolt::bitmap::Bitmap;
use crate::store::bolt::codes::Defect;
use crate::store::bolt::layout::PageId;
use crate::store::bolt::node::{BucketContent, BucketHeader, Element, Kind, Node, bucket};
use crate::store::bolt::pages::PageFile;
use crate::store::bolt::validate::{Reference, read_node, validate};
use crate::store::bolt::write::encode::{Body, Draft};
use crate::store::bolt::write::pack::{ChildEntry, NodeWriter, Packer};
use crate::store::bucket_edits::Edits;
use crate::store::change::{PairAction, Transform};

/// The changes to one tree.
pub(super) struct TreeChanges<'c> {
    /// Whether the edits put and remove buckets, as in the root bucket, or plain values.
    pub(super) of_buckets: bool,
    /// Single elements. They override the transform.
    pub(super) edits: Edits<'c>,
    /// A change to every plain element.
    pub(super) transform: Option<&'c dyn Transform>,
    /// What is rewritten even if it does not change.
    pub(super) repack: Repack<'c>,
    /// How many levels of buckets are above this one.
    pub(super) depth: u32,
}

/// Which nodes are packed anew although their elements don't change.
#[derive(Clone, Copy)]
pub(super) enum Repack<'b> {
    /// None.
    Nothing,
    /// Nodes that begin at these pages. The bucket has no buckets in it.
    Nodes(&'b Bitmap),
    /// All, and the buckets in them.
    Everything,
}

impl Repack<'_> {
    fn has(self, page: PageId) -> bool {
        match self {
            Self::Nothing => false,
            Self::Nodes(pages) => pages.has(page),
            Self::Everything => true,
        }
    }

    fn is_everything(self) -> bool {
        matches!(self, Self::Everything)
    }
}

/// Where the elements of the old bucket are.
pub(super) enum Source<'s> {
    /// Nowhere: the bucket is new.
    Nothing,
    /// In a page inside its value.
    Inline(Node<'s>),
    /// In a tree.
    Tree(PageId),
}

/// Where the elements of the rebuilt bucket are.
pub(super) enum Rebuilt {
    /// Where they were: nothing changed.
    Same,
    /// In a tree with this root.
    Tree(PageId),
    /// In a page inside its value: the image of that page.
    Inline(Zeroizing<Vec<u8>>),
}

impl Rebuilt {
    /// The root of its tree; page 0 if it has none.
    pub(super) fn root(&self) -> PageId {
        match self {
            Self::Tree(root) => *root,
            Self::Same | Self::Inline(_) => PageId(0),
        }
    }

    /// The value of the bucket in its parent; `None` when nothing changed.
    pub(super) fn value(self, sequence: u64) -> Option<Zeroizing<Vec<u8>>> {
        let (root, page) = match self {
            Self::Same => return None,
            Self::Tree(root) => (root, Zeroizing::new(Vec::new())),
            Self::Inline(page) => (PageId(0), page),
        };
        let mut value = Zeroizing::new(Vec::with_capacity(16 + page.len()));
        value.extend_from_slice(&BucketHeader { root, sequence }.encode());
        value.extend_from_slice(&page);
        Some(value)
    }
}

/// A file whose structure was checked.
#[derive(Clone, Copy)]
pub(super) struct Checked<'f> {
    pub(super) file: &'f PageFile,
    pub(super) hwm: PageId,
    /// Whether all leaves of each tree are at the same level.
    pub(super) balanced: bool,
}

/// Rebuilds one tree. `may_be_inline` is false for the root bucket.
///
/// # Errors
/// [`ErrorKind::Io`] when the device fails; [`ErrorKind::Refused`] when an edit would replace a
/// bucket by a value or a value by a bucket; [`ErrorKind::Corrupt`] when the file has changed since
/// it was checked; any error of the transform.
pub(super) fn rebuild(
    old: Checked<'_>,
    source: &Source<'_>,
    changes: TreeChanges<'_>,
    may_be_inline: bool,
    out: &mut NodeWriter<'_>,
) -> Result<Rebuilt> {
    let mut merge = TreeMerge::new(old, changes, out);
    let mut skeleton = Skeleton { levels: Vec::new() };
    match source {
        Source::Nothing => {
            merge.edits_below(None)?;
        }
        Source::Inline(node) => {
            // Its bytes are a part of the node around it, which may be packed anew.
            let repacked = !matches!(merge.changes.repack, Repack::Nothing);
            if !repacked && !merge.touches(node, None)? {
                return Ok(Rebuilt::Same);
            }
            merge.leaf(node, None)?;
        }
        Source::Tree(root) => {
            skeleton = Skeleton::read(old, *root, merge.changes.repack)?;
            if !merge.leaves(old, &skeleton)? {
                return Ok(Rebuilt::Same);
            }
        }
    }
    merge.finish(&skeleton, may_be_inline)
}

/// Rewrites a bucket and all buckets in it. `value` is its old value; returns its new value.
///
/// # Errors
/// [`ErrorKind::Refused`] when buckets are nested too deep; else as [`rebuild`].
fn repack(
    old: Checked<'_>,
    value: &[u8],
    depth: u32,
    out: &mut NodeWriter<'_>,
) -> Result<Option<Zeroizing<Vec<u8>>>> {
    const MAX_NESTING: u32 = 64;
    if depth > MAX_NESTING {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("buckets nested more than {MAX_NESTING} deep are not supported"),
        ));
    }
    let (header, content) = bucket(value, PageId(0), 0)
        .map_err(|defect| Error::new(ErrorKind::Corrupt, defect.message))?;
    let source = match content {
        BucketContent::Tree(root) => Source::Tree(root),
        BucketContent::Inline(node, _) => Source::Inline(node),
    };
    let nothing = BTreeMap::new();
    let changes = TreeChanges {
        of_buckets: false,
        edits: Edits::new(&nothing, None),
        transform: None,
        repack: Repack::Everything,
        depth,
    };
    Ok(rebuild(old, &source, changes, true, out)?.value(header.sequence))
}

/// The flags of new elements: 1 for buckets, 0 for plain values.
fn flags(of_buckets: bool) -> u32 {
    u32::from(of_buckets)
}

/// A node of the old tree.
struct OldNode {
    /// The separator in the node above. Keys in this node are not smaller, except in the first
    /// node of a level, which has all keys below the first separator too.
    key: Vec<u8>,
    page: PageId,
    /// Its children, as indexes into the level below.
    children: Range<usize>,
    /// Whether it is packed anew even if nothing in it changes.
    anew: bool,
}

/// The old tree without the content of its leaves: its levels, from the leaves up to the root.
struct Skeleton {
    levels: Vec<Vec<OldNode>>,
}

impl Skeleton {
    fn read(old: Checked<'_>, root: PageId, repack: Repack<'_>) -> Result<Self> {
        let mut nodes = Nodes::new(old);
        let mut levels = vec![vec![OldNode {
            key: Vec::new(),
            page: root,
            children: 0..0,
            anew: repack.has(root),
        }]];
        while let Some(level) = levels.last_mut() {
            if old.balanced && nodes.kind_of_first(level)? == Kind::Leaf {
                break;
            }
            let mut below = Vec::new();
            let mut leaves = 0;
            let pages: Vec<PageId> = level.iter().map(|old| old.page).collect();
            let mut parents = level.iter_mut().enumerate();
            nodes.each(&pages, |node| {
                let Some((index, parent)) = parents.next() else {
                    return Ok(());
                };
                let first = below.len();
                if node.kind == Kind::Leaf {
                    leaves += 1;
                    below.push(OldNode {
                        key: parent.key.clone(),
                        page: parent.page,
                        children: 0..0,
                        anew: parent.anew,
                    });
                } else {
                    for element in node.elements() {
                        let element = element.map_err(|(_, defect)| defect)?;
                        // Keys below the first separator of a branch are in its first child, so
                        // the separator of the branch applies to that child.
                        let is_first = below.len() == first;
                        let key = if index > 0 && is_first {
                            parent.key.clone()
                        } else {
                            element.key.to_vec()
                        };
                        below.push(OldNode {
                            key,
                            page: element.child,
                            children: 0..0,
                            // A branch is packed anew together with the first leaf below it,
                            // which may be the only one whose key the branch does not have.
                            anew: repack.has(element.child) || is_first && parent.anew,
                        });
                    }
                }
                parent.children = first..below.len();
                Ok(())
            })?;
            if leaves == pages.len() {
                break;
            }
            levels.push(below);
        }
        levels.reverse();
        if !old.balanced {
            // Leaves keep their pages; all branches are rebuilt.
            levels.truncate(1);
        }
        Ok(Self { levels })
    }
}

/// Reads nodes of a checked file.
struct Nodes<'f> {
    batch: Batch<'f>,
    old: Checked<'f>,
}

impl<'f> Nodes<'f> {
    fn new(old: Checked<'f>) -> Self {
        Self {
            batch: Batch::new(old.file),
            old,
        }
    }

    fn kind_of_first(&mut self, level: &[OldNode]) -> Result<Kind> {
        let mut kind = Kind::Leaf;
        let first: Vec<PageId> = level.iter().take(1).map(|old| old.page).collect();
        self.each(&first, |node| {
            kind = node.kind;
            Ok(())
        })?;
        Ok(kind)
    }

    /// Passes the nodes at these pages to `show`, in this order. Reads many pages at a time.
    fn each(
        &mut self,
        pages: &[PageId],
        mut show: impl FnMut(&Node<'_>) -> Result<(), Defect>,
    ) -> Result<()> {
        self.try_each(pages, |node| Ok(show(node)))
    }

    /// [`Self::each`] for a closure that may fail with another error too.
    fn try_each(
        &mut self,
        pages: &[PageId],
        mut show: impl FnMut(&Node<'_>) -> Result<Result<(), Defect>>,
    ) -> Result<()> {
        let Checked { file, hwm, .. } = self.old;
        for some in pages.chunks(self.batch.capacity().max(1)) {
            if some.len() > 1 {
                self.batch.load(some.to_vec())?;
            }
            for page in some {
                let from = Reference {
                    page: *page,
                    offset: file.offset(*page),
                };
                let shown = match validate(&mut self.batch, *page, hwm, from)? {
                    Ok((header, kind)) => match read_node(&mut self.batch, *page, header, kind)? {
                        Ok(node) => show(&node)?,
                        Err(defect) => Err(defect),
                    },
                    Err(defect) => Err(defect),
                };
                shown.map_err(|defect| changed_since_check(file, &defect))?;
            }
        }
        Ok(())
    }
}

/// The error for a node that was valid when the structure was checked, under the same lock.
fn changed_since_check(file: &PageFile, defect: &Defect) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "{} has changed while it was read, at {}: {}",
            file.path().display(),
            defect.place(),
            defect.message
        ),
    )
    .with_hint("the disk is failing, or something writes to the file without locking it")
}

/// A node of the level of the new tree that is being built.
enum NewNode {
    /// The old node with this index in its level.
    Kept(usize),
    /// A node that was written.
    Packed(ChildEntry),
}

/// Merges a tree with its changes, leaf by leaf.
struct TreeMerge<'m, 'o> {
    old: Checked<'m>,
    changes: TreeChanges<'m>,
    packer: Packer,
    out: &'m mut NodeWriter<'o>,
    /// The leaves of the new tree so far.
    done: Vec<NewNode>,
    packed: Vec<ChildEntry>,
    value: Zeroizing<Vec<u8>>,
}

impl<'m, 'o> TreeMerge<'m, 'o> {
    fn new(old: Checked<'m>, changes: TreeChanges<'m>, out: &'m mut NodeWriter<'o>) -> Self {
        Self {
            old,
            changes,
            packer: Packer::new(Kind::Leaf),
            out,
            done: Vec::new(),
            packed: Vec::new(),
            value: Zeroizing::new(Vec::new()),
        }
    }

    /// Merges all leaves; leaves without changes are kept. Returns false when that is
    /// all of them.
    fn leaves(&mut self, old: Checked<'_>, skeleton: &Skeleton) -> Result<bool> {
        let mut nodes = Nodes::new(old);
        let leaves = skeleton
            .levels
            .first()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let mut changed = false;
        let mut next = 0;
        let anew = leaves.iter().enumerate().filter(|(_, leaf)| leaf.anew);
        let mut anew = anew.map(|(index, _)| index).peekable();
        while next < leaves.len() {
            // Without a transform, leaves before the next one with an edit and before the next one
            // that is packed anew need not even be read.
            let stop = if self.changes.transform.is_some() {
                leaves.len()
            } else {
                let edited = self.changes.edits.peek().map(|(key, _)| {
                    let above = leaves.partition_point(|leaf| leaf.key.as_slice() <= key);
                    above.saturating_sub(1).max(next)
                });
                while anew.next_if(|index| *index < next).is_some() {}
                let Some(hit) = edited.into_iter().chain(anew.peek().copied()).min() else {
                    self.keep(next..leaves.len())?;
                    break;
                };
                self.keep(next..hit)?;
                next = hit;
                // Neighbours are read together.
                let run = leaves.get(hit..).unwrap_or_default().iter();
                hit + run.take_while(|leaf| leaf.anew).count().max(1)
            };
            let pages: Vec<PageId> = leaves
                .get(next..stop)
                .unwrap_or_default()
                .iter()
                .map(|leaf| leaf.page)
                .collect();
            let mut index = next;
            nodes.try_each(&pages, |node| {
                let high = leaves.get(index + 1).map(|leaf| leaf.key.as_slice());
                let anew = leaves.get(index).is_some_and(|leaf| leaf.anew);
                if anew || self.touches(node, high)? {
                    changed = true;
                    self.leaf(node, high)?;
                } else {
                    // Edits that change nothing, such as removing what is not there.
                    self.skip_edits(high);
                    self.keep(index..index + 1)?;
                }
                index += 1;
                Ok(Ok(()))
            })?;
            next = stop;
        }
        Ok(changed)
    }

    /// Keeps leaves of the old tree.
    fn keep(&mut self, leaves: Range<usize>) -> Result<()> {
        if !leaves.is_empty() {
            self.packer.finish(self.out, &mut self.packed)?;
            self.done.extend(self.packed.drain(..).map(NewNode::Packed));
            self.done.extend(leaves.map(NewNode::Kept));
        }
        Ok(())
    }

    fn skip_edits(&mut self, high: Option<&[u8]>) {
        while self.changes.edits.peek_below(high).is_some() {
            self.changes.edits.advance();
        }
    }

    /// Whether anything changes in a leaf whose keys are below `high`.
    fn touches(&mut self, node: &Node<'_>, high: Option<&[u8]>) -> Result<bool> {
        let mut edits = self.changes.edits.clone();
        for element in node.elements() {
            let Ok(element) = element else {
                return Ok(true);
            };
            while let Some((_, new)) = edits.peek_below(Some(element.key)) {
                if new.is_some() {
                    return Ok(true);
                }
                edits.advance();
            }
            if let Some((_, new)) = edits.peek().filter(|(key, _)| *key == element.key) {
                let same = new.is_some_and(|value| {
                    element.is_bucket() == self.changes.of_buckets && value == element.value
                });
                if !same {
                    return Ok(true);
                }
                edits.advance();
            } else if let (Some(transform), false) = (self.changes.transform, element.is_bucket()) {
                self.value.clear();
                match transform.apply(element.key, element.value, &mut self.value)? {
                    PairAction::Keep => {}
                    PairAction::Replace if self.value.as_slice() == element.value => {}
                    PairAction::Replace | PairAction::Remove => return Ok(true),
                }
            }
        }
        while let Some((_, new)) = edits.peek_below(high) {
            if new.is_some() {
                return Ok(true);
            }
            edits.advance();
        }
        Ok(false)
    }

    /// Packs the elements of a leaf, merged with the changes below `high`.
    fn leaf(&mut self, node: &Node<'_>, high: Option<&[u8]>) -> Result<()> {
        for element in node.elements() {
            let element =
                element.map_err(|(_, defect)| Error::new(ErrorKind::Corrupt, defect.message))?;
            self.edits_below(Some(element.key))?;
            if let Some((_, new)) = self
                .changes
                .edits
                .peek()
                .filter(|(key, _)| *key == element.key)
            {
                if element.is_bucket() != self.changes.of_buckets {
                    return Err(bucket_and_value_conflict());
                }
                if let Some(value) = new {
                    let body = Body::Value(flags(self.changes.of_buckets), value);
                    self.packer
                        .push(element.key, body, self.out, &mut self.packed)?;
                }
                self.changes.edits.advance();
                continue;
            }
            if self.changes.repack.is_everything() && element.is_bucket() {
                self.nested(&element)?;
                continue;
            }
            match self.changes.transform.filter(|_| !element.is_bucket()) {
                None => self.push(element.key, element.flags, element.value)?,
                Some(transform) => {
                    let mut value = std::mem::take(&mut self.value);
                    value.clear();
                    match transform.apply(element.key, element.value, &mut value)? {
                        PairAction::Keep => self.push(element.key, element.flags, element.value)?,
                        PairAction::Replace => self.push(element.key, element.flags, &value)?,
                        PairAction::Remove => {}
                    }
                    self.value = value;
                }
            }
        }
        self.edits_below(high)
    }

    /// Packs the edits whose keys are below `limit`; all of them without one.
    fn edits_below(&mut self, limit: Option<&[u8]>) -> Result<()> {
        while let Some((key, new)) = self.changes.edits.peek_below(limit) {
            if let Some(value) = new {
                let body = Body::Value(flags(self.changes.of_buckets), value);
                self.packer.push(key, body, self.out, &mut self.packed)?;
            }
            self.changes.edits.advance();
        }
        Ok(())
    }

    /// Rewrites a bucket inside this one, and packs its element.
    fn nested(&mut self, element: &Element<'_>) -> Result<()> {
        let repacked = repack(self.old, element.value, self.changes.depth + 1, self.out)?;
        let value = repacked
            .as_ref()
            .map_or(element.value, |value| value.as_slice());
        self.push(element.key, element.flags, value)
    }

    fn push(&mut self, key: &[u8], flags: u32, value: &[u8]) -> Result<()> {
        let body = Body::Value(flags, value);
        self.packer.push(key, body, self.out, &mut self.packed)
    }

    /// Builds the levels above the leaves.
    fn finish(mut self, skeleton: &Skeleton, may_be_inline: bool) -> Result<Rebuilt> {
        if self.done.is_empty()
            && self.packed.is_empty()
            && let Some(only) = self.packer.only_node()
        {
            let inline = only.inline_page(self.out.page_size());
            if let Some(page) = inline.filter(|_| may_be_inline) {
                return Ok(Rebuilt::Inline(page));
            }
            if only.is_empty() {
                return Ok(Rebuilt::Tree(self.out.node(&Draft::new(Kind::Leaf))?));
            }
        }
        self.packer.finish(self.out, &mut self.packed)?;
        self.done.extend(self.packed.drain(..).map(NewNode::Packed));
        let mut level = self.done;
        let mut height = 0;
        loop {
            let old = skeleton
                .levels
                .get(height)
                .map(Vec::as_slice)
                .unwrap_or_default();
            if level.len() <= 1 {
                let root = match level.pop() {
                    Some(NewNode::Kept(index)) => old.get(index).map(|old| old.page),
                    Some(NewNode::Packed(child)) => Some(child.page),
                    None => None,
                };
                return match root {
                    Some(root) => Ok(Rebuilt::Tree(root)),
                    // Everything was removed.
                    None => Ok(Rebuilt::Tree(self.out.node(&Draft::new(Kind::Leaf))?)),
                };
            }
            height += 1;
            let parents = skeleton
                .levels
                .get(height)
                .map(Vec::as_slice)
                .unwrap_or_default();
            level = branches(level, old, parents, self.out)?;
        }
    }
}

/// Builds the level of branches above `level`. `old` are the old nodes of `level`, `parents` the
/// old nodes above them.
fn branches(
    level: Vec<NewNode>,
    old: &[OldNode],
    parents: &[OldNode],
    out: &mut NodeWriter<'_>,
) -> Result<Vec<NewNode>> {
    let mut groups = group(level, parents);
    // A branch must not have a single child: a run of one node is joined with a neighbour, which
    // is rebuilt if it was kept.
    let mut at = 0;
    while at < groups.len() {
        if !matches!(groups.get(at), Some(Group::Run(run)) if run.len() == 1) || groups.len() == 1 {
            at += 1;
            continue;
        }
        let first = at.saturating_sub(1);
        let last = (first + 1).min(groups.len() - 1);
        let mut joined = Vec::new();
        for group in groups.drain(first..=last) {
            match group {
                Group::Run(mut run) => joined.append(&mut run),
                Group::Kept(parent) => {
                    let children = parents.get(parent).map(|parent| parent.children.clone());
                    joined.extend(children.unwrap_or_default().map(NewNode::Kept));
                }
            }
        }
        groups.insert(first, Group::Run(joined));
        at = first;
    }
    let mut packer = Packer::new(Kind::Branch);
    let mut above = Vec::new();
    let mut packed = Vec::new();
    for group in groups {
        match group {
            Group::Kept(parent) => above.push(NewNode::Kept(parent)),
            Group::Run(run) => {
                for node in &run {
                    let (key, page) = match node {
                        NewNode::Packed(child) => (child.key.as_slice(), child.page),
                        NewNode::Kept(index) => match old.get(*index) {
                            Some(old) => (old.key.as_slice(), old.page),
                            None => continue,
                        },
                    };
                    packer.push(key, Body::Child(page), out, &mut packed)?;
                }
                packer.finish(out, &mut packed)?;
                above.extend(packed.drain(..).map(NewNode::Packed));
            }
        }
    }
    Ok(above)
}

/// Neighbours on a level.
enum Group {
    /// All children of the old branch with this index, and nothing else: the branch is kept.
    Kept(usize),
    /// Nodes that get new branches.
    Run(Vec<NewNode>),
}

fn group(level: Vec<NewNode>, parents: &[OldNode]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut parent = 0;
    let mut level = level.into_iter().peekable();
    while let Some(node) = level.next() {
        if let NewNode::Kept(index) = node {
            while parents.get(parent).is_some_and(|p| p.children.end <= index) {
                parent += 1;
            }
            if let Some(whole) = parents.get(parent).filter(|p| p.children.start == index) {
                // Take all of its children, or as many as follow here.
                let mut run = vec![node];
                let mut expected = index + 1;
                while let Some(next) = level.next_if(|next| {
                    expected < whole.children.end
                        && matches!(next, NewNode::Kept(index) if *index == expected)
                }) {
                    run.push(next);
                    expected += 1;
                }
                if expected == whole.children.end {
                    groups.push(Group::Kept(parent));
                } else {
                    add(&mut groups, run);
                }
                continue;
            }
        }
        add(&mut groups, vec![node]);
    }
    groups
}

fn add(groups: &mut Vec<Group>, mut nodes: Vec<NewNode>) {
    match groups.last_mut() {
        Some(Group::Run(run)) => run.append(&mut nodes),
        _ => groups.push(Group::Run(nodes)),
    }
}

fn bucket_and_value_conflict() -> Error {
    Error::new(
        ErrorKind::Refused,
        "an edit would replace a bucket by a value, or a value by a bucket",
    )
}
