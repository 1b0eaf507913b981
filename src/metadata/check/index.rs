//! One comparison of an index with the entries that records require.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::finding::Code;
use crate::metadata::check::Checker;
use crate::metadata::check::expected::{Expected, Met};

/// Code and message of a finding.
pub(super) type Told = (Code, String);

/// What is said about an index. The comparison is the same for all of them.
pub(super) struct Index<'i, T> {
    /// The bucket of the index.
    pub(super) bucket: &'i [u8],
    /// What an entry leads to; none if its value can't be decoded.
    pub(super) target: fn(&[u8]) -> Option<T>,
    /// The place of an entry, from key and target. It must not show a key that is a token.
    pub(super) place: &'i dyn Fn(&[u8], Option<T>) -> String,
    /// An entry that leads to another record than this one. None: such an entry is dangling, and
    /// the right one absent.
    pub(super) elsewhere: Option<&'i dyn Fn(T) -> Told>,
    /// An entry that no record requires; none if it is excused.
    pub(super) dangling: &'i dyn Fn(Option<T>) -> Option<Told>,
    /// A required entry that does not exist: place, code and message.
    pub(super) absent: &'i dyn Fn(T) -> (String, Told),
    /// What else is wrong with a key.
    pub(super) key: &'i dyn Fn(&[u8]) -> Option<Told>,
}

impl Checker<'_> {
    /// Compares an index with the entries that records require.
    pub(super) fn compare_index<T: Copy + Ord>(
        &mut self,
        index: &Index<'_, T>,
        mut expected: Expected<T>,
    ) -> Result<()> {
        let mut found = Vec::new();
        let damage = self.snapshot.scan(index.bucket, &mut |key, value| {
            let target = (index.target)(value);
            let mut tell = |told: Option<Told>| {
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
        // Nobody knows what a damaged index lacks.
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
