//! What is to be changed in a store, as a value: the same one is shown in a dry run, committed,
//! and looked at by tests.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::{ControlFlow, Range};

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};
use crate::finding::Finding;
use crate::store::edits::{Additions, Edits, find};
use crate::store::{Bucket, Snapshot, Visitor};

/// What becomes of one pair in a [`Transform`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays as it is.
    Keep,
    /// Its value is replaced by what was put into the buffer.
    Replace,
    /// It goes.
    Remove,
}

/// A change of every pair of a bucket, worked out while the bucket streams by, so that it needs
/// no memory of the bucket's size. It may be asked for the same pair more than once and answers
/// the same each time.
pub trait Transform: Send + Sync {
    /// Decides on one pair. `value_out` is empty; [`Fate::Replace`] takes the new value from it.
    ///
    /// # Errors
    /// When the pair can't be changed as it should: nothing is committed then.
    fn apply(&self, key: &[u8], value: &[u8], value_out: &mut Vec<u8>) -> Result<Fate>;
}

/// A change to one pair: its new value, or none to remove it.
pub type Edit = Option<Zeroizing<Vec<u8>>>;

/// What happens to one top-level bucket.
#[derive(Default)]
pub struct BucketChange {
    /// Made if it is not there. Without this, changing a missing bucket is an error.
    pub create: bool,
    /// Removed with all it holds; nothing else counts then.
    pub delete: bool,
    /// Single pairs, which win over the transform. To remove what is not there is no change.
    pub edits: BTreeMap<Vec<u8>, Edit>,
    /// More pairs that are put, which single edits win over as well.
    pub additions: Option<Box<dyn Additions>>,
    /// A change to every pair that the bucket has.
    pub transform: Option<Box<dyn Transform>>,
}

impl BucketChange {
    /// What a single edit makes of `key`: its new value, or nothing, or there is none.
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
    /// What is overwritten once the change holds.
    pub wipe: Wipe,
}

/// What of the file is overwritten once a change holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wipe {
    /// What this very change leaves behind.
    #[default]
    Freed,
    /// Everything that is not in use then, wherever it stands; nothing is protected.
    Everything,
    /// Nothing.
    Nothing,
}

impl ChangeSet {
    /// The changes to one bucket, to be added to.
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

    /// Removes a pair if it is there.
    pub fn remove(&mut self, bucket: &[u8], key: &[u8]) {
        self.bucket(bucket).edits.insert(key.to_vec(), None);
    }

    /// Makes a bucket if it is not there.
    pub fn create_bucket(&mut self, name: &[u8]) {
        self.bucket(name).create = true;
    }

    /// Removes a bucket with all it holds, if it is there.
    pub fn delete_bucket(&mut self, name: &[u8]) {
        self.bucket(name).delete = true;
    }

    /// Adds what happens later: its edits win.
    pub fn extend(&mut self, later: Self) {
        for (name, change) in later.buckets {
            let bucket = self.bucket(&name);
            bucket.create |= change.create;
            bucket.delete |= change.delete;
            bucket.edits.extend(change.edits);
            bucket.additions = change.additions.or(bucket.additions.take());
            bucket.transform = change.transform.or(bucket.transform.take());
        }
    }

    /// The buckets that change, ascending by name.
    pub fn buckets(&self) -> impl Iterator<Item = (&[u8], &BucketChange)> {
        self.buckets.iter().map(|(name, change)| (&**name, change))
    }

    /// Whether there is nothing to be done at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty() && self.wipe != Wipe::Everything
    }

    pub(super) fn of(&self, bucket: &[u8]) -> Option<&BucketChange> {
        self.buckets.get(bucket)
    }
}

/// The error for a change to a bucket that does not exist.
pub(super) fn no_such_bucket(name: &[u8]) -> Error {
    let name = String::from_utf8_lossy(name);
    Error::new(
        ErrorKind::Refused,
        format!("the store has no bucket {name:?} to be changed"),
    )
    .with_hint("boltkey check tells what is wrong with the store")
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

/// How a commit ended that was not refused.
pub struct Committed {
    /// What is known of the change.
    pub outcome: Outcome,
    /// What failed at or after the moment at which the change came to hold. Its kind is
    /// [`ErrorKind::Incomplete`].
    pub failure: Option<Error>,
}

impl Committed {
    /// For a file that nobody has seen yet: there a failure after the change came to hold is one
    /// like any other.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] for that failure.
    pub fn in_new_file(self) -> Result<()> {
        match self.failure {
            Some(failure) => Err(Error::new(ErrorKind::Io, failure.to_string())),
            None => Ok(()),
        }
    }
}

/// What is known of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There was nothing to change, and nothing was written.
    Unchanged,
    /// It holds, whatever happens now.
    Changed,
    /// It holds or it does not, entirely: the disk failed at the very moment of commit.
    Unknown,
}

/// Bytes of the file, outside live records, that a commit must leave as they are: they show
/// somebody's last copy of something. Ascending, not overlapping.
pub type Precious = [Range<u64>];

/// A store whose content can be changed, in one transaction at a time.
pub trait Commit: Snapshot {
    /// Makes all of `changes` hold, or none of it, and reads the result again from the file
    /// before it returns. Bytes in `protected` are neither reused nor wiped.
    ///
    /// # Errors
    /// When the change was certainly not made: refused, or failed before it could come to hold.
    fn commit(&mut self, changes: &ChangeSet, protected: &Precious) -> Result<Committed>;
}

/// A store as it will be: what it is now, seen through a change set that is not committed.
pub struct Preview<'a> {
    base: &'a dyn Snapshot,
    changes: &'a ChangeSet,
}

impl<'a> Preview<'a> {
    /// `base` with `changes` made.
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
            Fate::Keep => Some(value),
            Fate::Replace => Some(new),
            Fate::Remove => None,
        })
    }

    fn scan(&self, bucket: &[u8], visit: &mut Visitor<'_>) -> Result<Vec<Finding>> {
        let Some(change) = self.changes.of(bucket) else {
            return self.base.scan(bucket, visit);
        };
        if change.delete {
            return Ok(Vec::new());
        }
        let mut edits = Edits::of(change);
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
                Ok(Fate::Keep) => visit(key, value),
                Ok(Fate::Replace) => visit(key, &new),
                Ok(Fate::Remove) => ControlFlow::Continue(()),
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

    struct Upper;

    impl Transform for Upper {
        fn apply(&self, key: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<Fate> {
            Ok(match key {
                b"gone" => Fate::Remove,
                b"kept" => Fate::Keep,
                _ => {
                    out.extend(value.to_ascii_uppercase());
                    Fate::Replace
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

    #[test]
    fn a_missing_bucket_is_not_made_by_accident() {
        let mut model = Model::default();
        let mut changes = ChangeSet::default();
        changes.put(b"nowhere", b"k", b"v");
        let refused = model.commit(&changes, &[]).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Refused);
    }
}
