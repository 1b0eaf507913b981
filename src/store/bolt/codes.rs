//! Defects in the structure of a bolt file, and the report that collects them as findings.

use std::collections::BTreeMap;

pub use crate::finding::Code;
use crate::finding::{Finding, Severity};
use crate::store::bolt::layout::PageId;

/// One thing that is wrong with the file. The message never quotes keys or values.
#[derive(Debug)]
pub(super) struct Defect {
    /// The kind of defect.
    pub(super) code: Code,
    /// The page that has the defect.
    pub(super) page: PageId,
    /// Where in the file the defect is, in bytes from its start.
    pub(super) offset: u64,
    /// A description: one sentence without a full stop.
    pub(super) message: String,
}

impl Defect {
    /// A defect on `page`, at `offset` bytes from the start of the file.
    pub(super) fn new(code: Code, page: PageId, offset: u64, message: impl Into<String>) -> Self {
        Self {
            code,
            page,
            offset,
            message: message.into(),
        }
    }

    /// The page and the offset, for findings and messages.
    pub(super) fn place(&self) -> String {
        format!("page {}, byte {}", self.page, self.offset)
    }
}

/// How many findings of one kind are listed. More are only counted.
const MOST_PER_CODE: u64 = 100;

/// Collects findings. It limits how many of one kind are listed, so that they don't hide the others.
#[derive(Clone, Default)]
pub(super) struct Report {
    findings: Vec<(u64, Finding)>,
    counts: BTreeMap<Code, u64>,
}

impl Report {
    /// Adds a defect. `bucket` is the bucket that has it, as findings name it; `None` if it is not
    /// in the tree of a bucket.
    pub(super) fn add(&mut self, defect: Defect, bucket: Option<&str>) {
        self.count_in(defect.code, bucket, || defect);
    }

    /// Counts a defect of this kind. Calls `describe` only if the defect is listed, since that is
    /// much slower.
    pub(super) fn count_in(
        &mut self,
        code: Code,
        bucket: Option<&str>,
        describe: impl FnOnce() -> Defect,
    ) {
        let count = self.counts.entry(code).or_default();
        *count += 1;
        if *count > MOST_PER_CODE {
            return;
        }
        let defect = describe();
        let place = match bucket {
            Some(bucket) => format!("{}, {bucket}", defect.place()),
            None => defect.place(),
        };
        let finding = Finding::new(code, place, defect.message);
        self.findings.push((defect.page.0, finding));
    }

    /// Whether a defect of this severity was added.
    pub(super) fn has(&self, severity: Severity) -> bool {
        self.counts.keys().any(|code| code.severity() == severity)
    }

    /// Whether a defect of this kind was added.
    pub(super) fn has_code(&self, code: Code) -> bool {
        self.counts.contains_key(&code)
    }

    /// Whether a defect was added whose kind is `wanted`.
    pub(super) fn any(&self, wanted: impl Fn(Code) -> bool) -> bool {
        self.counts.keys().any(|code| wanted(*code))
    }

    /// How many defects of this severity were added.
    pub(super) fn count(&self, severity: Severity) -> u64 {
        self.counts
            .iter()
            .filter(|(code, _)| code.severity() == severity)
            .map(|(_, count)| count)
            .sum()
    }

    /// The findings in the order of pages, then one finding for each kind with more defects than
    /// are listed, with their number.
    pub(super) fn into_findings(mut self) -> Vec<Finding> {
        self.findings.sort_by_key(|(page, _)| *page);
        let mut findings: Vec<Finding> = self.findings.into_iter().map(|(_, f)| f).collect();
        for (code, count) in self.counts {
            if let Some(more) = count.checked_sub(MOST_PER_CODE).filter(|more| *more > 0) {
                findings.push(Finding::new(
                    code,
                    "elsewhere",
                    format!("the same was found {more} more times"),
                ));
            }
        }
        findings
    }
}
