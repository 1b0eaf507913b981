//! Defects in the structure of a bolt file, and the list their findings go to.

use std::collections::BTreeMap;

pub use crate::finding::Code;
use crate::finding::{Finding, Severity};
use crate::store::bolt::layout::PageId;

/// One thing wrong with the file, where, and in what words. Never quotes keys or values.
#[derive(Debug)]
pub(super) struct Defect {
    pub(super) code: Code,
    /// The page it is about.
    pub(super) page: PageId,
    /// Where exactly, in bytes from the start of the file.
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

    /// Where it is, for people.
    pub(super) fn place(&self) -> String {
        format!("page {}, byte {}", self.page, self.offset)
    }
}

/// Findings of one kind that are listed one by one; beyond that they are only counted.
const MOST_PER_CODE: u64 = 100;

/// Collects findings, and keeps one kind of damage from drowning the others.
#[derive(Clone, Default)]
pub(super) struct Report {
    findings: Vec<(u64, Finding)>,
    counts: BTreeMap<Code, u64>,
}

impl Report {
    /// Adds a defect; `bucket` names where in the tree it is.
    pub(super) fn add(&mut self, defect: Defect, bucket: Option<&str>) {
        self.count_in(defect.code, bucket, || defect);
    }

    /// Counts a defect of this kind, and has it told only if it is to be listed.
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
        let finding = Finding::new(code, place, defect.message);
        self.findings.push((defect.page.0, finding));
    }

    /// Whether anything of this severity was added.
    pub(super) fn has(&self, severity: Severity) -> bool {
        self.counts.keys().any(|code| code.severity() == severity)
    }

    /// Whether this was found.
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

    /// The findings in the order of pages, then those that count the rest of a kind.
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
