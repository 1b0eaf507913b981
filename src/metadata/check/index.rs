//! Comparing an index with the entries that records require.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::authenticate::{KeyDigest, key_digest};
use crate::metadata::check::Checker;
use crate::metadata::check::expected::{Expected, Met};
use crate::metadata::{Id, parallel_scan};

/// Code and message of a finding.
pub(super) type CodeAndMessage = (Code, String);

/// The differences between the indexes; the comparison itself is the same for all.
pub(super) struct Index<'i, T> {
    /// The bucket of the index.
    pub(super) bucket: &'i [u8],
    /// Decodes the target of an entry; `None` if the value is invalid.
    pub(super) target: fn(&[u8]) -> Option<T>,
    /// The place of an entry for findings. It must not show a key that is a token.
    pub(super) place: &'i dyn Fn(&[u8], Option<T>) -> String,
    /// The finding for an entry that should lead to this record. `None`: such an entry counts as
    /// dangling, and the right one as missing.
    pub(super) elsewhere: Option<&'i dyn Fn(T) -> CodeAndMessage>,
    /// The finding for an entry that no record requires; `None` if it is allowed.
    pub(super) dangling: &'i dyn Fn(Option<T>) -> Option<CodeAndMessage>,
    /// The finding for a missing entry: place, code and message.
    pub(super) absent: &'i dyn Fn(T) -> (String, CodeAndMessage),
    /// The finding for another problem of a key.
    pub(super) key: &'i dyn Fn(&[u8]) -> Option<CodeAndMessage>,
}

/// Some entries of a large index.
#[derive(Default)]
struct LargePart {
    entries: Vec<(KeyDigest, Option<Id>)>,
    odd: bool,
}

impl Checker<'_> {
    /// As [`Self::compare_index`], in parallel as long as all entries are right. `is_odd` says that a
    /// key has another problem.
    pub(super) fn compare_large_index(
        &mut self,
        index: &Index<'_, Id>,
        mut expected: Expected<Id>,
        is_odd: fn(&[u8]) -> bool,
    ) -> Result<()> {
        let target = index.target;
        let mut right = true;
        let damage = parallel_scan::scan_any_order(
            self.snapshot,
            index.bucket,
            &|part: &mut LargePart, key, value| {
                part.odd |= is_odd(key);
                part.entries.push((key_digest(key), target(value)));
            },
            &mut |part| {
                right &= !part.odd;
                for (key, target) in part.entries {
                    right = right && expected.is_right(&key, target);
                }
            },
        )?;
        match right && damage.is_empty() && expected.are_all_met() {
            true => Ok(()),
            false => self.compare_index(index, expected),
        }
    }

    /// Compares an index with the entries that records require.
    pub(super) fn compare_index<T: Copy + Ord>(
        &mut self,
        index: &Index<'_, T>,
        mut expected: Expected<T>,
    ) -> Result<()> {
        let mut found = Vec::new();
        let damage = self.snapshot.scan(index.bucket, &mut |key, value| {
            let target = (index.target)(value);
            let mut tell = |told: Option<CodeAndMessage>| {
                if let Some((code, message)) = told {
                    found.push((code, (index.place)(key, target), message));
                }
            };
            tell((index.key)(key));
            match (
                expected.meet(key, target, index.elsewhere.is_some()),
                index.elsewhere,
            ) {
                (Met::Right, _) => {}
                (Met::Elsewhere(right), Some(elsewhere)) => tell(Some(elsewhere(right))),
                (Met::Elsewhere(_) | Met::Unexpected, _) => tell((index.dangling)(target)),
            }
            ControlFlow::Continue(())
        })?;
        // Missing entries can't be reported for a damaged index.
        let whole = damage.is_empty();
        self.extend(damage);
        for (code, place, message) in found {
            self.add(code, place, message);
        }
        for target in expected.unmet().into_iter().filter(|_| whole) {
            let (place, (code, message)) = (index.absent)(target);
            self.add(code, place, message);
        }
        Ok(())
    }
}
