//! The changes of one transaction as a value. Dry runs show it, commits write it, tests inspect it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::{ControlFlow, Range};

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::Finding;
use crate::store::bucket_edits::{Additions, Edit, Edits, MergedAdditions, find};
use crate::store::{Bucket, Snapshot, Visitor};

/// What a [`Transform`] does to one pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairAction {
    /// The pair does not change.
    Keep,
    /// The pair gets the value in the buffer.
    Replace,
    /// The pair is removed.
    Remove,
}

/// A change to every pair of a bucket. It is applied while the bucket is read, so memory does not
/// grow with the bucket. It may be applied to the same pair more than once and must return the
/// same each time.
pub trait Transform: Send + Sync {
    /// Decides on one pair. `value_out` is empty; for [`PairAction::Replace`] it receives the new
    /// value.
    ///
    /// # Errors
    /// When the pair can't be changed. Nothing is committed then.
    fn apply(&self, key: &[u8], value: &[u8], value_out: &mut Vec<u8>) -> Result<PairAction>;
}

/// What happens to one top-level bucket.
#[derive(Default)]
pub struct BucketChange {
    /// Creates the bucket if it does not exist. Without this, changing a missing bucket is an
    /// error.
    pub create: bool,
    /// Removes the bucket and everything in it. All other fields are ignored then.
    pub delete: bool,
    /// Single pairs. They override `additions` and `transform`. Removing a pair that does not
    /// exist is not an error.
    pub edits: BTreeMap<Vec<u8>, Edit>,
    /// Many pairs to put. They override `transform`.
    pub additions: Option<Box<dyn Additions>>,
    /// A change to every pair that is in the bucket before the change.
    pub transform: Option<Box<dyn Transform>>,
}

impl BucketChange {
    /// The edits and additions, in the order of their keys.
    pub(super) fn in_order(&self) -> Edits<'_> {
        Edits::new(&self.edits, self.additions.as_deref())
    }

    /// The edit or addition of `key`: `Some(None)` removes the pair, `None` means there is none.
    pub(super) fn edit_of(&self, key: &[u8]) -> Option<Option<Vec<u8>>> {
        if let Some(edit) = self.edits.get(key) {
            return Some(edit.as_ref().map(|value| value.to_vec()));
        }
        find(self.additions.as_deref()?, key).map(Some)
    }
}

/// All changes of one transaction, by bucket.
#[derive(Default)]
pub struct ChangeSet {
    buckets: BTreeMap<Vec<u8>, BucketChange>,
    /// Which unused bytes are overwritten after the commit.
    pub wipe: Wipe,
    /// What is mended in the structure of the file.
    pub mend: Mend,
}

/// What a commit mends in the structure of a file, from the least to the most. Damage that no
/// commit mends is refused ([`Repair::Cured`](crate::finding::Repair) in the table of findings).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mend {
    /// Nothing: a damaged file is refused.
    #[default]
    Nothing,
    /// Meta pages, freelist, and the length of the file.
    Frame,
    /// Also the nodes of all trees, which are packed into new pages.
    Trees,
}

/// Which unused bytes of the file are overwritten after a commit, from the least to the most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wipe {
    /// None.
    Nothing,
    /// The pages that this change freed.
    #[default]
    Freed,
    /// All bytes that are not in use. No bytes are protected.
    Everything,
}

impl ChangeSet {
    /// The changes to one bucket; none yet if it was not changed before.
    pub fn bucket(&mut self, name: &[u8]) -> &mut BucketChange {
        match self.buckets.entry(name.to_vec()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(BucketChange::default()),
        }
    }

    /// Puts a pair. The bucket must exist, or be created by this change set.
    pub fn put(&mut self, bucket: &[u8], key: &[u8], value: &[u8]) {
        let edits = &mut self.bucket(bucket).edits;
        edits.insert(key.to_vec(), Some(Zeroizing::new(value.to_vec())));
    }

    /// Removes a pair if it exists.
    pub fn remove(&mut self, bucket: &[u8], key: &[u8]) {
        self.bucket(bucket).edits.insert(key.to_vec(), None);
    }

    /// Creates a bucket if it does not exist.
    pub fn create_bucket(&mut self, name: &[u8]) {
        self.bucket(name).create = true;
    }

    /// Removes a bucket and everything in it, if it exists.
    pub fn delete_bucket(&mut self, name: &[u8]) {
        self.bucket(name).delete = true;
    }

    /// Adds the changes of `later`, which are made after those of `self`:
    ///
    /// - Pairs that `later` edits or adds replace those of `self`.
    /// - Each pair of the old bucket goes through the transform of `self`, then that of `later`.
    ///   No transform is applied to edits and additions.
    /// - A bucket that one of them creates is created; one that one of them deletes is deleted.
    /// - Of the two values of `wipe`, the one that overwrites more is used; of `mend`, the one that
    ///   mends more.
    pub fn extend(&mut self, later: Self) {
        self.wipe = self.wipe.max(later.wipe);
        self.mend = self.mend.max(later.mend);
        for (name, change) in later.buckets {
            let bucket = self.bucket(&name);
            bucket.create |= change.create;
            bucket.delete |= change.delete;
            if let Some(additions) = &change.additions {
                bucket
                    .edits
                    .retain(|key, _| find(&**additions, key).is_none());
            }
            bucket.edits.extend(change.edits);
            bucket.additions = match (bucket.additions.take(), change.additions) {
                (Some(first), Some(second)) => Some(Box::new(MergedAdditions::new(first, second))),
                (first, second) => second.or(first),
            };
            bucket.transform = match (bucket.transform.take(), change.transform) {
                (Some(first), Some(second)) => Some(Box::new(ChainedTransform { first, second })),
                (first, second) => second.or(first),
            };
        }
    }

    /// The buckets that change, ascending by name.
    pub fn buckets(&self) -> impl Iterator<Item = (&[u8], &BucketChange)> {
        self.buckets.iter().map(|(name, change)| (&**name, change))
    }

    /// Whether there is nothing to be done at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty() && self.wipe != Wipe::Everything && self.mend == Mend::Nothing
    }

    pub(super) fn of(&self, bucket: &[u8]) -> Option<&BucketChange> {
        self.buckets.get(bucket)
    }
}

/// Two transforms, one after the other.
struct ChainedTransform {
    first: Box<dyn Transform>,
    second: Box<dyn Transform>,
}

impl Transform for ChainedTransform {
    fn apply(&self, key: &[u8], value: &[u8], value_out: &mut Vec<u8>) -> Result<PairAction> {
        match self.first.apply(key, value, value_out)? {
            PairAction::Keep => {
                value_out.clear();
                self.second.apply(key, value, value_out)
            }
            PairAction::Remove => Ok(PairAction::Remove),
            PairAction::Replace => {
                let between = Zeroizing::new(std::mem::take(value_out));
                match self.second.apply(key, &between, value_out)? {
                    PairAction::Keep => {
                        value_out.clear();
                        value_out.extend_from_slice(&between);
                        Ok(PairAction::Replace)
                    }
                    action => Ok(action),
                }
            }
        }
    }
}

/// The error for a change to a bucket that does not exist.
pub(super) fn no_such_bucket(name: &[u8]) -> Error {
    let name = String::from_utf8_lossy(name);
    Error::new(
        ErrorKind::Refused,
        format!("the store has no bucket {name:?}"),
    )
    .with_hint("run boltkey check to see what is wrong with the store")
}

/// The longest key of a pair in bytes, `MaxKeySize` of bolt. Names of buckets may be longer.
pub const MAX_KEY_SIZE: usize = 32_768;

/// Checks the length of a key. All engines have the limits of bolt.
///
/// # Errors
/// [`ErrorKind::Refused`] when it is empty or longer than [`MAX_KEY_SIZE`].
pub(super) fn valid_key(key: &[u8]) -> Result<()> {
    if (1..=MAX_KEY_SIZE).contains(&key.len()) {
        return Ok(());
    }
    let length = key.len();
    Err(Error::new(
        ErrorKind::Refused,
        format!("a key of {length} bytes can't be stored: Bolt takes 1 to 32,768"),
    ))
}

/// The result of a commit that was not refused.
pub struct Committed {
    /// Whether the change is in the file.
    pub outcome: CommitOutcome,
    /// A failure during or after the write that commits the change. Its kind is
    /// [`ErrorKind::Incomplete`].
    pub failure: Option<Error>,
}

impl Committed {
    /// The result for a new file that is not in use yet: there any failure means that the file is
    /// not usable.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when [`Self::failure`] is set.
    pub fn in_new_file(self) -> Result<()> {
        match self.failure {
            Some(failure) => Err(Error::new(ErrorKind::Io, failure.to_string())),
            None => Ok(()),
        }
    }
}

/// Whether a change is in the file after a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// There was nothing to change, and nothing was written.
    Unchanged,
    /// The change is committed and on disk.
    Changed,
    /// The disk failed during the write that commits: the change is either committed entirely or
    /// not at all.
    Unknown,
}

/// Byte ranges of the file, outside live records, that a commit must not overwrite, because they
/// contain the last copy of a token. Ascending, not overlapping.
pub type ProtectedBytes = [Range<u64>];

/// A store that can be changed, in one transaction at a time.
pub trait Commit: Snapshot {
    /// Commits all of `changes` or none of them, and verifies the result by reading the file.
    /// Bytes in `protected` are neither reused nor wiped.
    ///
    /// # Errors
    /// Only when the change was not committed: [`ErrorKind::Refused`] for a change that the store
    /// can't hold, [`ErrorKind::Corrupt`] for a damaged file, [`ErrorKind::Io`] for a failure
    /// before the write that commits. Later failures are in [`Committed::failure`].
    fn commit(&mut self, changes: &ChangeSet, protected: &ProtectedBytes) -> Result<Committed>;
}

/// A view of a store as it would be after a change set is committed.
pub struct Preview<'a> {
    base: &'a dyn Snapshot,
    changes: &'a ChangeSet,
}

impl<'a> Preview<'a> {
    /// `base` with `changes` applied.
    #[must_use]
    pub fn new(base: &'a dyn Snapshot, changes: &'a ChangeSet) -> Self {
        Self { base, changes }
    }
}

impl Snapshot for Preview<'_> {
    fn buckets(&self) -> Result<(Vec<Bucket>, Vec<Finding>)> {
        let (mut list, findings) = self.base.buckets()?;
        let deleted = |name: &[u8]| self.changes.of(name).is_some_and(|change| change.delete);
        list.retain(|bucket| !deleted(&bucket.name));
        for (name, change) in self.changes.buckets() {
            if change.create && !change.delete && !list.iter().any(|bucket| bucket.name == name) {
                list.push(Bucket {
                    name: name.to_vec(),
                    sequence: 0,
                });
            }
        }
        list.sort_by(|a, b| a.name.cmp(&b.name));
        Ok((list, findings))
    }

    fn get(&self, bucket: &[u8], key: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(change) = self.changes.of(bucket) else {
            return self.base.get(bucket, key);
        };
        if change.delete {
            return Ok(None);
        }
        if let Some(edit) = change.edit_of(key) {
            return Ok(edit);
        }
        let Some(value) = self.base.get(bucket, key)? else {
            return Ok(None);
        };
        let Some(transform) = &change.transform else {
            return Ok(Some(value));
        };
        let mut new = Vec::new();
        Ok(match transform.apply(key, &value, &mut new)? {
            PairAction::Keep => Some(value),
            PairAction::Replace => Some(new),
            PairAction::Remove => None,
        })
    }

    fn scan(&self, bucket: &[u8], visit: &mut Visitor<'_>) -> Result<Vec<Finding>> {
        let Some(change) = self.changes.of(bucket) else {
            return self.base.scan(bucket, visit);
        };
        if change.delete {
            return Ok(Vec::new());
        }
        let mut edits = change.in_order();
        let mut failed = None;
        let mut flow = ControlFlow::Continue(());
        let mut new = Zeroizing::new(Vec::new());
        let findings = self.base.scan(bucket, &mut |key, value| {
            while let Some((edited, edit)) = edits.peek_below(Some(key)) {
                if let Some(edit) = edit {
                    flow = visit(edited, edit);
                    flow?;
                }
                edits.advance();
            }
            if let Some((_, edit)) = edits.peek().filter(|(edited, _)| *edited == key) {
                if let Some(edit) = edit {
                    flow = visit(key, edit);
                }
                edits.advance();
                return flow;
            }
            let Some(transform) = &change.transform else {
                flow = visit(key, value);
                return flow;
            };
            new.clear();
            flow = match transform.apply(key, value, &mut new) {
                Ok(PairAction::Keep) => visit(key, value),
                Ok(PairAction::Replace) => visit(key, &new),
                Ok(PairAction::Remove) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            };
            flow
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        if flow.is_continue() {
            while let Some((key, edit)) = edits.peek() {
                if let Some(value) = edit
                    && visit(key, value).is_break()
                {
                    break;
                }
                edits.advance();
            }
        }
        Ok(findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Model;
    use crate::store::bucket_edits::tests::Listed;

    struct Upper;

    impl Transform for Upper {
        fn apply(&self, key: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<PairAction> {
            Ok(match key {
                b"gone" => PairAction::Remove,
                b"kept" => PairAction::Keep,
                _ => {
                    out.extend(value.to_ascii_uppercase());
                    PairAction::Replace
                }
            })
        }
    }

    #[test]
    fn a_preview_is_what_a_commit_makes() {
        let mut model = Model::default();
        for (key, value) in [
            ("a", "1"),
            ("gone", "x"),
            ("kept", "k"),
            ("up", "u"),
            ("z", "2"),
        ] {
            model.put(b"one", key.as_bytes(), value.as_bytes());
        }
        model.put(b"two", b"k", b"v");
        let mut changes = ChangeSet::default();
        changes.put(b"one", b"0", b"first");
        changes.put(b"one", b"kept", b"edited");
        changes.remove(b"one", b"z");
        changes.remove(b"one", b"not there");
        changes.put(b"one", b"zz", b"last");
        changes.bucket(b"one").transform = Some(Box::new(Upper));
        changes.delete_bucket(b"two");
        changes.create_bucket(b"three");

        let preview = Preview::new(&model, &changes);
        let (copy, _) = Model::copy_of(&preview).unwrap();
        let pairs = |snapshot: &dyn Snapshot| {
            let mut pairs = Vec::new();
            snapshot
                .scan(b"one", &mut |key, value| {
                    pairs.push((
                        String::from_utf8_lossy(key).into_owned(),
                        String::from_utf8_lossy(value).into_owned(),
                    ));
                    ControlFlow::Continue(())
                })
                .unwrap();
            pairs
        };
        let expected = [
            ("0", "first"),
            ("a", "1"),
            ("kept", "edited"),
            ("up", "U"),
            ("zz", "last"),
        ];
        let expected: Vec<_> = expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(pairs(&preview), expected);
        for (key, value) in &expected {
            let found = preview.get(b"one", key.as_bytes()).unwrap().unwrap();
            assert_eq!(found, value.as_bytes());
        }
        assert_eq!(preview.get(b"one", b"z").unwrap(), None);
        assert_eq!(preview.get(b"one", b"gone").unwrap(), None);
        assert_eq!(preview.get(b"two", b"k").unwrap(), None);
        model.commit(&changes, &[]).unwrap();
        assert!(model == copy);
        assert_eq!(pairs(&model), expected);
    }

    /// The pairs of bucket `one` after `changes`, joined by spaces.
    fn pairs_after(changes: &ChangeSet, before: &[(&str, &str)]) -> String {
        let mut model = Model::default();
        for (key, value) in before {
            model.put(b"one", key.as_bytes(), value.as_bytes());
        }
        model.commit(changes, &[]).unwrap();
        let mut pairs = Vec::new();
        let mut add = |key: &[u8], value: &[u8]| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            pairs.push(format!("{}={}", text(key), text(value)));
            ControlFlow::Continue(())
        };
        model.scan(b"one", &mut add).unwrap();
        pairs.join(" ")
    }

    /// Two change sets whose bucket `one` is changed by `first` and `second`, joined.
    fn extended(
        first: impl FnOnce(&mut BucketChange),
        second: impl FnOnce(&mut BucketChange),
    ) -> ChangeSet {
        let (mut changes, mut later) = (ChangeSet::default(), ChangeSet::default());
        first(changes.bucket(b"one"));
        second(later.bucket(b"one"));
        changes.extend(later);
        changes
    }

    fn put(change: &mut BucketChange, key: &str, value: &str) {
        let value = Zeroizing::new(value.as_bytes().to_vec());
        change.edits.insert(key.as_bytes().to_vec(), Some(value));
    }

    fn add(change: &mut BucketChange, pairs: &[(&'static str, &'static str)]) {
        change.additions = Some(Box::new(Listed(pairs.to_vec())));
    }

    #[test]
    fn extend_creates_what_either_creates() {
        let create = |change: &mut BucketChange| change.create = true;
        for changes in [extended(create, |_| ()), extended(|_| (), create)] {
            assert!(changes.of(b"one").unwrap().create);
        }
    }

    #[test]
    fn extend_deletes_what_either_deletes() {
        let delete = |change: &mut BucketChange| change.delete = true;
        for changes in [extended(delete, |_| ()), extended(|_| (), delete)] {
            assert!(changes.of(b"one").unwrap().delete);
        }
    }

    #[test]
    fn extend_keeps_edits_and_prefers_later_ones() {
        let changes = extended(
            |change| {
                put(change, "a", "1");
                put(change, "b", "1");
            },
            |change| {
                put(change, "b", "2");
                put(change, "c", "2");
            },
        );
        assert_eq!(pairs_after(&changes, &[("z", "0")]), "a=1 b=2 c=2 z=0");
    }

    #[test]
    fn extend_keeps_additions_and_prefers_later_ones() {
        let first = [("a", "1"), ("b", "1"), ("d", "1")];
        let second = [("b", "2"), ("c", "2")];
        let both = extended(|change| add(change, &first), |change| add(change, &second));
        assert_eq!(pairs_after(&both, &[("z", "0")]), "a=1 b=2 c=2 d=1 z=0");
        let only_first = extended(|change| add(change, &first), |_| ());
        assert_eq!(pairs_after(&only_first, &[("z", "0")]), "a=1 b=1 d=1 z=0");
        let only_second = extended(|_| (), |change| add(change, &second));
        assert_eq!(pairs_after(&only_second, &[("z", "0")]), "b=2 c=2 z=0");
    }

    #[test]
    fn extend_orders_edits_and_additions_by_time() {
        let added_later = extended(
            |change| {
                put(change, "a", "1");
                put(change, "b", "1");
            },
            |change| add(change, &[("b", "2")]),
        );
        assert_eq!(pairs_after(&added_later, &[("z", "0")]), "a=1 b=2 z=0");
        let edited_later = extended(
            |change| add(change, &[("b", "1")]),
            |change| put(change, "b", "2"),
        );
        assert_eq!(pairs_after(&edited_later, &[("z", "0")]), "b=2 z=0");
    }

    struct Append(&'static str);

    impl Transform for Append {
        fn apply(&self, key: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<PairAction> {
            if key == b"kept" {
                return Ok(PairAction::Keep);
            }
            out.extend([value, self.0.as_bytes()].concat());
            Ok(PairAction::Replace)
        }
    }

    #[test]
    fn extend_applies_both_transforms_in_order() {
        let before = [("a", "x"), ("gone", "x"), ("kept", "x")];
        let append = |change: &mut BucketChange| change.transform = Some(Box::new(Append("1")));
        let upper = |change: &mut BucketChange| change.transform = Some(Box::new(Upper));
        let chained = extended(append, upper);
        assert_eq!(pairs_after(&chained, &before), "a=X1 kept=x");
        let twice = extended(append, |change| {
            change.transform = Some(Box::new(Append("2")))
        });
        assert_eq!(pairs_after(&twice, &before), "a=x12 gone=x12 kept=x");
        for one in [extended(append, |_| ()), extended(|_| (), append)] {
            assert_eq!(pairs_after(&one, &before), "a=x1 gone=x1 kept=x");
        }
    }

    #[test]
    fn extend_wipes_as_much_as_either() {
        let order = [Wipe::Nothing, Wipe::Freed, Wipe::Everything];
        for (first, a) in order.into_iter().enumerate() {
            for (second, b) in order.into_iter().enumerate() {
                let of = |wipe| ChangeSet {
                    wipe,
                    ..ChangeSet::default()
                };
                let (mut changes, later) = (of(a), of(b));
                changes.extend(later);
                assert_eq!(changes.wipe, order[first.max(second)]);
            }
        }
    }

    #[test]
    fn a_missing_bucket_is_not_made_by_accident() {
        let mut model = Model::default();
        let mut changes = ChangeSet::default();
        changes.put(b"nowhere", b"k", b"v");
        let refused = model.commit(&changes, &[]).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Refused);
    }
}
