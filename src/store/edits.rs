//! The single edits of one bucket, in the order of their keys.

use std::cmp::Ordering;
use std::collections::btree_map::{BTreeMap, Iter};

use zeroize::Zeroizing;

use crate::store::change::{BucketChange, Edit};

/// Pairs that are put into a bucket and are worked out only when they are needed, for changes of
/// so many that a copy of each would fill the memory.
pub trait Additions: Send + Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// Appends the key and the value of the pair with this number to the buffers. Keys ascend
    /// strictly, and a pair is the same each time it is asked for.
    fn pair(&self, number: usize, key_out: &mut Vec<u8>, value_out: &mut Vec<u8>);
}

/// The edits of a bucket, ascending by key, each key once.
#[derive(Clone)]
pub(super) struct Edits<'e> {
    listed: Iter<'e, Vec<u8>, Edit>,
    next_listed: Option<(&'e Vec<u8>, &'e Edit)>,
    additions: Option<&'e dyn Additions>,
    number: usize,
    /// The pair of `additions` with that number.
    key: Zeroizing<Vec<u8>>,
    value: Zeroizing<Vec<u8>>,
}

impl<'e> Edits<'e> {
    /// Those of a change.
    pub(super) fn of(change: &'e BucketChange) -> Self {
        Self::new(&change.edits, change.additions.as_deref())
    }

    /// Those that are listed, and those that are worked out; where a key is among both, what is
    /// listed counts.
    pub(super) fn new(
        listed: &'e BTreeMap<Vec<u8>, Edit>,
        additions: Option<&'e dyn Additions>,
    ) -> Self {
        let mut listed = listed.iter();
        let mut edits = Self {
            next_listed: listed.next(),
            listed,
            additions,
            number: 0,
            key: Zeroizing::new(Vec::new()),
            value: Zeroizing::new(Vec::new()),
        };
        edits.work_out();
        edits
    }

    /// The next edit's key, and its new value; none to remove what is there.
    pub(super) fn peek(&self) -> Option<(&[u8], Option<&[u8]>)> {
        match (self.next_listed, self.additions) {
            (Some((key, edit)), additions)
                if additions.is_none() || key.as_slice() <= self.key.as_slice() =>
            {
                Some((key, edit.as_ref().map(|value| value.as_slice())))
            }
            (_, Some(_)) => Some((&self.key, Some(&self.value))),
            (_, None) => None,
        }
    }

    /// The same, if its key is below `limit`; without a limit in any case.
    pub(super) fn peek_below(&self, limit: Option<&[u8]>) -> Option<(&[u8], Option<&[u8]>)> {
        self.peek()
            .filter(|(key, _)| limit.is_none_or(|limit| *key < limit))
    }

    /// Goes on to the edit after the next.
    pub(super) fn advance(&mut self) {
        let order = match (self.next_listed, self.additions) {
            (Some((key, _)), Some(_)) => key.as_slice().cmp(&self.key),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        if order.is_le() {
            self.next_listed = self.listed.next();
        }
        if order.is_ge() {
            self.number += 1;
            self.work_out();
        }
    }

    fn work_out(&mut self) {
        self.key.clear();
        self.value.clear();
        match self.additions.filter(|all| self.number < all.count()) {
            Some(all) => all.pair(self.number, &mut self.key, &mut self.value),
            None => self.additions = None,
        }
    }
}

/// The value that `additions` put under `key`.
pub(super) fn find(additions: &dyn Additions, key: &[u8]) -> Option<Vec<u8>> {
    let (mut low, mut high) = (0, additions.count());
    let mut found = Zeroizing::new(Vec::new());
    while low < high {
        let middle = low + (high - low) / 2;
        let mut value = Vec::new();
        found.clear();
        additions.pair(middle, &mut found, &mut value);
        match found.as_slice().cmp(key) {
            Ordering::Equal => return Some(value),
            Ordering::Less => low = middle + 1,
            Ordering::Greater => high = middle,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Listed(Vec<(&'static str, &'static str)>);

    impl Additions for Listed {
        fn count(&self) -> usize {
            self.0.len()
        }
        fn pair(&self, number: usize, key_out: &mut Vec<u8>, value_out: &mut Vec<u8>) {
            let (key, value) = self.0[number];
            key_out.extend(key.as_bytes());
            value_out.extend(value.as_bytes());
        }
    }

    #[test]
    fn both_kinds_in_the_order_of_keys() {
        let mut change = BucketChange::default();
        for (key, value) in [("b", Some("listed")), ("c", None), ("z", Some("last"))] {
            let value = value.map(|value: &str| Zeroizing::new(value.as_bytes().to_vec()));
            change.edits.insert(key.as_bytes().to_vec(), value);
        }
        let additions = Listed(vec![("a", "1"), ("b", "2"), ("d", "3")]);
        assert_eq!(find(&additions, b"d").unwrap(), b"3");
        assert_eq!(find(&additions, b"c"), None);
        change.additions = Some(Box::new(additions));
        let mut edits = Edits::of(&change);
        assert!(edits.peek_below(Some(b"a")).is_none());
        let mut seen = Vec::new();
        while let Some((key, value)) = edits.peek() {
            seen.push((key.to_vec(), value.map(<[u8]>::to_vec)));
            edits.advance();
        }
        let expected = [
            ("a", Some("1")),
            ("b", Some("listed")),
            ("c", None),
            ("d", Some("3")),
            ("z", Some("last")),
        ];
        let expected = expected.map(|(key, value)| {
            let value = value.map(|value| value.as_bytes().to_vec());
            (key.as_bytes().to_vec(), value)
        });
        assert_eq!(seen, expected);
        assert!(Edits::new(&BTreeMap::new(), None).peek().is_none());
    }
}
