//! The kinds of findings about the structure of a bolt file, and the report that collects them.

use std::collections::BTreeMap;

use crate::finding::{Finding, Severity};
use crate::store::bolt::layout::PageId;

/// Declares [`Code`] from one table: variant, severity, code, explanation.
macro_rules! codes {
    ($($variant:ident, $severity:ident, $name:literal, $explanation:literal;)*) => {
        /// What can be wrong with, or worth knowing about, the structure of a bolt file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $explanation] $variant,)*
        }

        impl Code {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable name, as in [`Finding::code`].
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => concat!("structure.", $name),)* }
            }

            /// How bad it is: an error is fatal for reading that part or for writing to the file.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$variant => $explanation,)* }
            }
        }
    };
}

codes! {
    // meta pages
    OlderMeta, Warning, "older-meta", "A meta page is invalid, so the other one is used; its content may be one transaction older.";
    MetaChecksumZero, Warning, "meta-checksum-zero", "A meta page has the checksum 0, which bbolt 1.3.6 accepts without verifying and later versions reject.";
    MetaHeader, Warning, "meta-header", "The page header of a meta page is wrong; the meta itself is valid.";
    MetaRoot, Error, "meta-root", "The root page that the current meta names is out of bounds.";
    MetaPageSize, Error, "meta-page-size", "The current meta has a page size that differs from the layout of the file.";
    OtherMetaPageSize, Warning, "other-meta-page-size", "The other meta has a page size that differs from the layout of the file.";
    OddPageSize, Warning, "odd-page-size", "The page size is not a power of two.";
    MetaParity, Info, "meta-parity", "The transaction number of a meta does not belong to its slot, as in copies made by `influx backup`.";
    MetaTwins, Info, "meta-twins", "Both metas have the same transaction number.";
    OtherMeta, Warning, "other-meta", "The tree or freelist of the other meta is damaged, so bolt could not fall back to it.";
    // the file as a whole
    Truncated, Warning, "truncated", "The file ends before the high-water mark.";
    ShortPage, Warning, "short-page", "The file ends inside a page in use; only unused bytes of it are missing.";
    Tail, Info, "tail", "Bytes beyond the high-water mark are not zero: something was written there and never committed.";
    // pages
    PageBounds, Error, "page-bounds", "A node is outside the pages between the metas and the high-water mark.";
    PageMissing, Error, "page-missing", "A node, or a used part of one, is beyond the end of the file.";
    PageId, Error, "page-id", "The header of a page has another page's number.";
    PageType, Error, "page-type", "A page of the tree is neither a branch nor a leaf.";
    PageCount, Error, "page-count", "A node claims more elements than fit into it.";
    PageShared, Error, "page-shared", "A page is used twice, or a branch leads back to itself.";
    TreeDepth, Error, "tree-depth", "A page is deeper below its root than any tree of Bolt.";
    TreeUneven, Warning, "tree-uneven", "The leaves of a tree are at different levels: Bolt loses records when it merges a leaf with a branch.";
    EmptyBranch, Error, "empty-branch", "A branch has no elements.";
    EmptyLeaf, Warning, "empty-leaf", "A leaf below a branch has no elements.";
    SingleChild, Warning, "single-child", "A branch has only one child: Bolt panics when that child shrinks.";
    ExcessPages, Warning, "excess-pages", "A node takes more pages than it needs.";
    Packing, Warning, "packing", "The keys and values of a node do not follow each other without gaps.";
    Slack, Warning, "slack", "Unused bytes of a page in use are not zero.";
    // elements
    ElementBounds, Error, "element-bounds", "An element's key or value is outside its node.";
    ElementOverlap, Error, "element-overlap", "Two elements of a node claim the same bytes.";
    ElementFlags, Error, "element-flags", "An element is marked as neither a plain value nor a bucket.";
    KeyEmpty, Error, "key-empty", "A key has no bytes.";
    KeySize, Error, "key-size", "A key is longer than 32,768 bytes.";
    KeyOrder, Error, "key-order", "The keys of a node do not ascend.";
    KeyRange, Error, "key-range", "A key is outside the range that the branches above define for its page.";
    // buckets
    BucketValue, Error, "bucket-value", "A bucket's value is too short for its header or its inline page.";
    BucketTrailing, Warning, "bucket-trailing", "A bucket's value has unused bytes at its end.";
    InlinePage, Error, "inline-page", "The page inside an inline bucket's value is not a leaf, or does not fit.";
    InlineHeader, Warning, "inline-header", "The page inside an inline bucket's value has a page number.";
    InlineNested, Warning, "inline-nested", "An inline bucket has another bucket in it, which Bolt never writes.";
    NestedBucket, Info, "nested-bucket", "A bucket is inside another one; InfluxDB creates none like that.";
    RootValue, Warning, "root-value", "A plain value is among the top-level buckets.";
    // freelist
    FreelistAbsent, Info, "freelist-absent", "The file has no stored freelist; Bolt rebuilds it when it opens the file.";
    FreelistPage, Error, "freelist-page", "The freelist's page is not valid, so Bolt does not open the file for writing.";
    FreelistCount, Error, "freelist-count", "The freelist claims more page numbers than fit into it.";
    FreelistBounds, Error, "freelist-bounds", "The freelist lists a meta page, or a page beyond the high-water mark.";
    FreelistSelf, Error, "freelist-self", "The freelist lists a page that it is stored in.";
    FreelistDuplicate, Error, "freelist-duplicate", "The freelist lists a page twice.";
    FreelistOrder, Warning, "freelist-order", "The page numbers of the freelist do not ascend.";
    FreelistLive, Error, "freelist-live", "The freelist lists a page that is in use: the next commit may overwrite it.";
    Leaked, Warning, "leaked", "A page is neither in use nor on the freelist, so its space is lost.";
}

/// One thing that is wrong with the file. Never quotes keys or values.
#[derive(Debug)]
pub(super) struct Defect {
    pub(super) code: Code,
    /// The page it is about.
    pub(super) page: PageId,
    /// Where it is, in bytes from the start of the file.
    pub(super) offset: u64,
    /// One sentence without a full stop.
    pub(super) message: String,
}

impl Defect {
    /// `offset` counts from the start of the file.
    pub(super) fn new(code: Code, page: PageId, offset: u64, message: impl Into<String>) -> Self {
        Self {
            code,
            page,
            offset,
            message: message.into(),
        }
    }

    /// Where it is, as text.
    pub(super) fn place(&self) -> String {
        format!("page {}, byte {}", self.page, self.offset)
    }
}

/// How many findings of one kind are listed. Further ones are only counted.
const MOST_PER_CODE: u64 = 100;

/// Collects findings. Limits each kind, so that one kind of damage does not hide the others.
#[derive(Clone, Default)]
pub(super) struct Report {
    findings: Vec<(u64, Finding)>,
    counts: BTreeMap<Code, u64>,
}

impl Report {
    /// Adds a defect; `bucket` is the bucket it is in, as findings name it.
    pub(super) fn add(&mut self, defect: Defect, bucket: Option<&str>) {
        self.count_in(defect.code, bucket, || defect);
    }

    /// Counts a defect of this kind. Calls `tell` only if the defect is listed.
    pub(super) fn count_in(
        &mut self,
        code: Code,
        bucket: Option<&str>,
        tell: impl FnOnce() -> Defect,
    ) {
        let count = self.counts.entry(code).or_default();
        *count += 1;
        if *count > MOST_PER_CODE {
            return;
        }
        let defect = tell();
        let place = match bucket {
            Some(bucket) => format!("{}, {bucket}", defect.place()),
            None => defect.place(),
        };
        let finding = Finding::new(code.severity(), code.name(), place, defect.message);
        self.findings.push((defect.page.0, finding));
    }

    /// Whether anything of this severity was added.
    pub(super) fn has(&self, severity: Severity) -> bool {
        self.counts.keys().any(|code| code.severity() == severity)
    }

    /// Whether a defect of this kind was added.
    pub(super) fn has_code(&self, code: Code) -> bool {
        self.counts.contains_key(&code)
    }

    /// How many defects of this severity were added.
    pub(super) fn count(&self, severity: Severity) -> u64 {
        self.counts
            .iter()
            .filter(|(code, _)| code.severity() == severity)
            .map(|(_, count)| count)
            .sum()
    }

    /// The findings in the order of pages, then one for each kind that had too many.
    pub(super) fn into_findings(mut self) -> Vec<Finding> {
        self.findings.sort_by_key(|(page, _)| *page);
        let mut findings: Vec<Finding> = self.findings.into_iter().map(|(_, f)| f).collect();
        for (code, count) in self.counts {
            if let Some(more) = count.checked_sub(MOST_PER_CODE).filter(|more| *more > 0) {
                findings.push(Finding::new(
                    code.severity(),
                    code.name(),
                    "elsewhere",
                    format!("the same was found {more} more times"),
                ));
            }
        }
        findings
    }
}
