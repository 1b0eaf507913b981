//! The edits and additions of one bucket, in the order of their keys.

use std::cmp::Ordering;
use std::collections::btree_map::{BTreeMap, Iter};

use zeroize::Zeroizing;

/// A change to one pair: its new value, or none to remove it.
pub type Edit = Option<Zeroizing<Vec<u8>>>;

/// Pairs to put into a bucket that are computed on demand, for changes so large that copies of
/// all pairs would take too much memory.
pub trait Additions: Send + Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// Appends the key and the value of pair `number`, counted from 0, to the buffers. Keys ascend
    /// strictly, and the same number always gives the same pair.
    fn pair(&self, number: usize, key_out: &mut Vec<u8>, value_out: &mut Vec<u8>);
}

/// The edits of a bucket, ascending by key, each key once.
#[derive(Clone)]
pub(super) struct Edits<'e> {
    listed: Iter<'e, Vec<u8>, Edit>,
    next_listed: Option<(&'e Vec<u8>, &'e Edit)>,
    additions: Option<&'e dyn Additions>,
    number: usize,
    /// The key and the value of addition `number`.
    key: Zeroizing<Vec<u8>>,
    value: Zeroizing<Vec<u8>>,
}

impl<'e> Edits<'e> {
    /// The edits in `listed`, and the pairs in `additions` whose keys are not in `listed`.
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
        edits.load_addition();
        edits
    }

    /// The key and the new value of the next edit. No value removes the pair.
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

    /// [`Self::peek`] if the key is below `limit`, or if there is no limit.
    pub(super) fn peek_below(&self, limit: Option<&[u8]>) -> Option<(&[u8], Option<&[u8]>)> {
        self.peek()
            .filter(|(key, _)| limit.is_none_or(|limit| *key < limit))
    }

    /// Drops the next edit.
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
            self.load_addition();
        }
    }

    fn load_addition(&mut self) {
        self.key.clear();
        self.value.clear();
        match self.additions.filter(|all| self.number < all.count()) {
            Some(all) => all.pair(self.number, &mut self.key, &mut self.value),
            None => self.additions = None,
        }
    }
}

/// Two sets of additions as one. Where both have a key, the pair of the second one is used.
pub(super) struct MergedAdditions {
    first: Box<dyn Additions>,
    second: Box<dyn Additions>,
    /// For each pair, whether it is in `second`, and its number there or in `first`.
    order: Vec<(bool, usize)>,
}

impl MergedAdditions {
    pub(super) fn new(first: Box<dyn Additions>, second: Box<dyn Additions>) -> Self {
        let mut order = Vec::with_capacity(first.count() + second.count());
        let nothing = BTreeMap::new();
        let mut from_first = Edits::new(&nothing, Some(&*first));
        let mut from_second = Edits::new(&nothing, Some(&*second));
        loop {
            let order_of_keys = match (from_first.peek(), from_second.peek()) {
                (Some((a, _)), Some((b, _))) => a.cmp(b),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break,
            };
            order.push(if order_of_keys.is_lt() {
                (false, from_first.number)
            } else {
                (true, from_second.number)
            });
            if order_of_keys.is_le() {
                from_first.advance();
            }
            if order_of_keys.is_ge() {
                from_second.advance();
            }
        }
        drop((from_first, from_second));
        Self {
            first,
            second,
            order,
        }
    }
}

impl Additions for MergedAdditions {
    fn count(&self) -> usize {
        self.order.len()
    }

    fn pair(&self, number: usize, key_out: &mut Vec<u8>, value_out: &mut Vec<u8>) {
        match self.order.get(number) {
            Some((false, number)) => self.first.pair(*number, key_out, value_out),
            Some((true, number)) => self.second.pair(*number, key_out, value_out),
            None => {}
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
pub(super) mod tests {
    use super::*;

    pub(in crate::store) struct Listed(pub(in crate::store) Vec<(&'static str, &'static str)>);

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
        let mut listed = BTreeMap::new();
        for (key, value) in [("b", Some("listed")), ("c", None), ("z", Some("last"))] {
            let value = value.map(|value: &str| Zeroizing::new(value.as_bytes().to_vec()));
            listed.insert(key.as_bytes().to_vec(), value);
        }
        let additions = Listed(vec![("a", "1"), ("b", "2"), ("d", "3")]);
        assert_eq!(find(&additions, b"d").unwrap(), b"3");
        assert_eq!(find(&additions, b"c"), None);
        let mut edits = Edits::new(&listed, Some(&additions));
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
