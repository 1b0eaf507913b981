//! Buckets and pairs of the current meta's tree.

use std::ops::{ControlFlow, Range};

use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Finding, Severity};
use crate::store::bolt::batch::Batch;
use crate::store::bolt::bitmap::Bitmap;
use crate::store::bolt::codes::{Code, Defect, Report};
use crate::store::bolt::layout::{PageId, header_at};
use crate::store::bolt::node::{BucketContent, Element, Kind, Node};
use crate::store::bolt::validate::{Reference, read_node, validate};
use crate::store::bolt::walk::{MAX_DEPTH, Visit, Walker, inline};
use crate::store::bolt::{Bolt, node};
use crate::store::{Bucket, Snapshot, Visitor};

impl Snapshot for Bolt {
    fn buckets(&self) -> Result<(Vec<Bucket>, Vec<Finding>)> {
        let top = self.top_level()?;
        let list = top.buckets.iter().map(|(bucket, _)| bucket.clone());
        Ok((list.collect(), top.findings.clone()))
    }

    fn get(&self, bucket: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut batch = Batch::new(&self.file);
        let found = self.search(&mut batch, self.metas.current.root, bucket)?;
        let Some(place) = found else { return Ok(None) };
        let node = self.node(&mut batch, place.leaf)?;
        let element = node.element(place.index).map_err(|d| self.corrupt(&d))?;
        if !element.is_bucket() {
            return Ok(None);
        }
        let root = match node.bucket(&element).map_err(|d| self.corrupt(&d))?.1 {
            BucketContent::Inline(node, _) => {
                let index = self.find(&node, key)?;
                return index.map_or(Ok(None), |index| self.plain(&node, index));
            }
            BucketContent::Tree(root) => root,
        };
        let Some(place) = self.search(&mut batch, root, key)? else {
            return Ok(None);
        };
        let node = self.node(&mut batch, place.leaf)?;
        self.plain(&node, place.index)
    }

    fn scan(&self, bucket: &[u8], visit: &mut Visitor<'_>) -> Result<Vec<Finding>> {
        self.scan_in(true, bucket, visit)
    }

    fn scan_any_order(&self, bucket: &[u8], visit: &mut Visitor<'_>) -> Result<Vec<Finding>> {
        self.scan_in(false, bucket, visit)
    }
}

impl Bolt {
    fn scan_in(
        &self,
        in_order: bool,
        bucket: &[u8],
        visit: &mut Visitor<'_>,
    ) -> Result<Vec<Finding>> {
        let top = self.top_level()?;
        let known = &top.buckets;
        let found = known.binary_search_by(|(known, _)| known.name.as_slice().cmp(bucket));
        let found = found
            .ok()
            .and_then(|index| Some((index, known.get(index)?)));
        let Some((number, (_, content))) = found else {
            // Damage may hide it.
            return Ok(top.findings.clone());
        };
        let mut pairs = Reader::new(
            Some(named(bucket)),
            |_: &Node<'_>, element: &Element<'_>| {
                Ok(if element.is_bucket() {
                    ControlFlow::Continue(())
                } else {
                    visit(element.key, element.value)
                })
            },
        );
        pairs.in_order = in_order;
        match content {
            BucketLocation::Tree(root, from) => {
                let mut walker = Walker::new(&self.file, self.metas.current.hwm);
                if let Some(foreign) = self.page_owners.pages_of_others(number) {
                    walker = walker.avoiding(foreign);
                }
                let _ = walker.tree(*root, *from, &mut pairs)?;
                self.page_owners
                    .record(number, walker.heads(), self.file.pages());
            }
            BucketLocation::Inline(page, place) => {
                // Part of a node that was read, so it is in the file and fits in memory.
                let length = usize::try_from(place.end - place.start).unwrap_or(0);
                let mut value = vec![0; length];
                self.file.read(&mut value, place.start)?;
                let content = node::bucket(&value, *page, place.start);
                if let BucketContent::Inline(node, _) = content.map_err(|d| self.corrupt(&d))?.1 {
                    let _ = inline(&node, &mut pairs);
                }
            }
        }
        Ok(pairs.report.into_findings())
    }
}

impl Bolt {
    /// Calls `visit` for the keys of a top-level bucket, except those below nodes that begin at
    /// `known` pages. Damaged parts are left out.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(super) fn keys_outside(
        &self,
        bucket: &[u8],
        known: &Bitmap,
        visit: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        let buckets = &self.top_level()?.buckets;
        let found = buckets.binary_search_by(|(known, _)| known.name.as_slice().cmp(bucket));
        let location = found.ok().and_then(|index| buckets.get(index));
        let Some((_, BucketLocation::Tree(root, from))) = location else {
            // An inline bucket is small.
            self.scan(bucket, &mut |key, _| {
                visit(key);
                ControlFlow::Continue(())
            })?;
            return Ok(());
        };
        let mut keys = Reader::new(None, |_: &Node<'_>, element: &Element<'_>| {
            visit(element.key);
            Ok(ControlFlow::Continue(()))
        });
        keys.in_order = false;
        let mut walker = Walker::new(&self.file, self.metas.current.hwm).knowing(known.clone());
        let _ = walker.tree(*root, *from, &mut keys)?;
        Ok(())
    }
}

/// The top-level buckets, ascending by name, and findings about damage that may hide others.
pub(super) struct TopLevel {
    buckets: Vec<(Bucket, BucketLocation)>,
    findings: Vec<Finding>,
}

/// Where the content of a bucket is.
enum BucketLocation {
    /// In a tree: its root, and where the number of the root was read.
    Tree(PageId, Reference),
    /// In the value of its element: the page of the value, and its bytes in the file.
    Inline(PageId, Range<u64>),
}

/// The root page of the tree of bucket `name` in the tree at `root`; `None` for an inline or
/// missing bucket.
///
/// # Errors
/// When a page on the path is damaged or can't be read.
pub(super) fn content_of(bolt: &Bolt, root: PageId, name: &[u8]) -> Result<Option<PageId>> {
    let mut batch = Batch::new(&bolt.file);
    let Some(place) = bolt.search(&mut batch, root, name)? else {
        return Ok(None);
    };
    let node = bolt.node(&mut batch, place.leaf)?;
    let element = node.element(place.index).map_err(|d| bolt.corrupt(&d))?;
    if !element.is_bucket() {
        return Ok(None);
    }
    Ok(
        match node.bucket(&element).map_err(|d| bolt.corrupt(&d))?.1 {
            BucketContent::Tree(root) => Some(root),
            BucketContent::Inline(..) => None,
        },
    )
}

/// The leaf and the index of the element that has a key.
struct ElementLocation {
    leaf: PageId,
    index: usize,
}

impl Bolt {
    /// The value of a top-level bucket's element: a bucket header, and an inline page if the bucket
    /// is inline.
    pub(super) fn bucket_value(&self, name: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut batch = Batch::new(&self.file);
        let Some(place) = self.search(&mut batch, self.metas.current.root, name)? else {
            return Ok(None);
        };
        let node = self.node(&mut batch, place.leaf)?;
        let element = node.element(place.index).map_err(|d| self.corrupt(&d))?;
        Ok(element.is_bucket().then(|| element.value.to_vec()))
    }

    /// The top-level buckets. Their tree is walked on the first call only: in a damaged file it may
    /// have as many pages as the file.
    fn top_level(&self) -> Result<&TopLevel> {
        if let Some(known) = self.top_level.get() {
            return Ok(known);
        }
        let mut buckets = Vec::new();
        let mut reader = Reader::new(None, |node: &Node<'_>, element: &Element<'_>| {
            if element.is_bucket() {
                let (header, content) = node.bucket(element)?;
                let bucket = Bucket {
                    name: element.key.to_vec(),
                    sequence: header.sequence,
                };
                let (page, offset) = (node.page, node.value_offset(element));
                let at = match content {
                    BucketContent::Tree(root) => {
                        BucketLocation::Tree(root, Reference { page, offset })
                    }
                    BucketContent::Inline(..) => {
                        BucketLocation::Inline(page, offset..offset + element.value.len() as u64)
                    }
                };
                buckets.push((bucket, at));
            } else {
                // Bolt stores no values there: the page belongs to another tree.
                let what = "is a plain value beside the buckets";
                return Err(node.element_defect(Code::RootValue, element.index, what));
            }
            Ok(ControlFlow::Continue(()))
        });
        self.walk_root(&mut reader)?;
        let findings = reader.report.into_findings();
        buckets.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        buckets.dedup_by(|(a, _), (b, _)| a.name == b.name);
        let found = TopLevel { buckets, findings };
        Ok(self.top_level.get_or_init(|| found))
    }

    /// Walks the tree whose elements are the top-level buckets.
    pub(super) fn walk_root(&self, visit: &mut impl Visit) -> Result<()> {
        let current = &self.metas.current;
        let mut walker = Walker::new(&self.file, current.hwm);
        let _ = walker.tree(current.root, current.root_field(&self.file), visit)?;
        Ok(())
    }

    /// Finds `key` in the tree at `root`, descending as bolt does.
    fn search(
        &self,
        batch: &mut Batch<'_>,
        root: PageId,
        key: &[u8],
    ) -> Result<Option<ElementLocation>> {
        let mut page = root;
        for _ in 0..MAX_DEPTH {
            let node = self.node(batch, page)?;
            match node.kind {
                Kind::Leaf => {
                    let index = self.find(&node, key)?;
                    return Ok(index.map(|index| ElementLocation { leaf: page, index }));
                }
                Kind::Branch => page = self.child(&node, key)?,
            }
        }
        let why = "too many levels below the root";
        let offset = self.file.offset(page);
        Err(self.corrupt(&Defect::new(Code::TreeDepth, page, offset, why)))
    }

    /// The child that may have `key`: the last one whose separator is not above `key`, or else the
    /// first.
    fn child(&self, node: &Node<'_>, key: &[u8]) -> Result<PageId> {
        let mut child = None;
        for element in node.elements() {
            let element = element.map_err(|(_, defect)| self.corrupt(&defect))?;
            if child.is_some() && element.key > key {
                break;
            }
            child = Some(element.child);
        }
        child.ok_or_else(|| {
            self.corrupt(&node.defect(
                Code::EmptyBranch,
                header_at::COUNT,
                "the branch has no elements",
            ))
        })
    }

    /// The index of `key` in a leaf. Searches all elements, so that wrong order hides none.
    fn find(&self, node: &Node<'_>, key: &[u8]) -> Result<Option<usize>> {
        let mut damage = None;
        for element in node.elements() {
            match element {
                Ok(element) if element.key == key => return Ok(Some(element.index)),
                Ok(_) => {}
                Err((_, defect)) => damage = Some(defect),
            }
        }
        damage.map_or(Ok(None), |defect| Err(self.corrupt(&defect)))
    }

    /// The value of a plain element; `None` for a bucket.
    fn plain(&self, node: &Node<'_>, index: usize) -> Result<Option<Vec<u8>>> {
        let element = node.element(index).map_err(|d| self.corrupt(&d))?;
        Ok((!element.is_bucket()).then(|| element.value.to_vec()))
    }

    /// Reads and validates one node.
    fn node<'b>(&self, batch: &'b mut Batch<'_>, page: PageId) -> Result<Node<'b>> {
        let current = &self.metas.current;
        let from = current.root_field(&self.file);
        let (header, kind) =
            validate(batch, page, current.hwm, from)?.map_err(|d| self.corrupt(&d))?;
        read_node(batch, page, header, kind)?.map_err(|d| self.corrupt(&d))
    }

    /// The error for a defect of this file.
    pub(super) fn corrupt(&self, defect: &Defect) -> Error {
        Error::new(
            ErrorKind::Corrupt,
            format!(
                "{} is damaged at {}: {}",
                self.file.path().display(),
                defect.place(),
                defect.message
            ),
        )
        .with_hint(
            "boltkey check lists all damage; boltkey salvage --out FILE makes a new store of every \
             record that is left",
        )
    }
}

/// The name of a top-level bucket for findings. Other keys are never shown: they may be tokens.
pub(super) fn named(bucket: &[u8]) -> String {
    const MOST: usize = 64;
    let name = String::from_utf8_lossy(bucket.get(..MOST).unwrap_or(bucket));
    let more = if bucket.len() > MOST { "…" } else { "" };
    format!("bucket \"{name}{more}\"")
}

/// A visitor that passes elements to a closure and reports the errors that may hide others.
struct Reader<F> {
    report: Report,
    bucket: Option<String>,
    in_order: bool,
    element: F,
}

impl<F> Reader<F>
where
    F: FnMut(&Node<'_>, &Element<'_>) -> Result<ControlFlow<()>, Defect>,
{
    fn new(bucket: Option<String>, element: F) -> Self {
        Self {
            report: Report::default(),
            bucket,
            in_order: true,
            element,
        }
    }
}

impl<F> Visit for Reader<F>
where
    F: FnMut(&Node<'_>, &Element<'_>) -> Result<ControlFlow<()>, Defect>,
{
    fn defect(&mut self, code: Code, describe: impl FnOnce() -> Defect) {
        // Other damage hides no pair.
        if code.severity() == Severity::Error && code.hides_records() {
            self.report.count_in(code, self.bucket.as_deref(), describe);
        }
    }

    fn in_order(&self) -> bool {
        self.in_order
    }

    fn element(&mut self, node: &Node<'_>, element: &Element<'_>) -> ControlFlow<()> {
        match (self.element)(node, element) {
            Ok(flow) => flow,
            Err(defect) => {
                self.defect(defect.code, || defect);
                ControlFlow::Continue(())
            }
        }
    }
}
