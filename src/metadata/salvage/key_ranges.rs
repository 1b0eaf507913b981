//! Sets of keys, as ranges that do not touch each other.

use std::collections::BTreeMap;
use std::ops::Bound;

/// A set of keys.
#[derive(Default)]
pub(super) struct KeyRanges {
    /// The first key of each range, and the first key after it; `None` for a range without end.
    ranges: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl KeyRanges {
    /// Whether the set has this key.
    pub(super) fn covers(&self, key: &[u8]) -> bool {
        let up_to = (Bound::Unbounded, Bound::Included(key));
        let before = self.ranges.range::<[u8], _>(up_to).next_back();
        before.is_some_and(|(_, end)| end.as_ref().is_none_or(|end| key < end.as_slice()))
    }

    /// Whether the set has all keys.
    pub(super) fn is_everything(&self) -> bool {
        self.ranges.get(&[][..]).is_some_and(Option::is_none)
    }

    /// Adds the keys from `low` (`None`: the first possible) up to but not including `high`
    /// (`None`: without end).
    pub(super) fn add(&mut self, low: Option<&[u8]>, high: Option<&[u8]>) {
        let mut low = low.unwrap_or_default().to_vec();
        let mut high = high.map(<[u8]>::to_vec);
        if high.as_ref().is_some_and(|high| *high <= low) {
            return;
        }
        if let Some((start, end)) = self.ranges.range(..=low.clone()).next_back()
            && end.as_ref().is_none_or(|end| *end >= low)
        {
            low.clone_from(start);
        }
        // Ranges that begin inside the new one become part of it.
        loop {
            let next = self.ranges.range(low.clone()..).next();
            let Some((start, end)) = next.map(|(start, end)| (start.clone(), end.clone())) else {
                break;
            };
            if high.as_ref().is_some_and(|high| start > *high) {
                break;
            }
            high = match (high, end) {
                (Some(high), Some(end)) => Some(high.max(end)),
                _ => None,
            };
            self.ranges.remove(&start);
        }
        self.ranges.insert(low, high);
    }

    /// Adds the keys from `first` to `last`.
    pub(super) fn add_keys(&mut self, first: &[u8], last: &[u8]) {
        let after = [last, &[0]].concat();
        self.add(Some(first), Some(&after));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_become_one() {
        let mut set = KeyRanges::default();
        set.add(Some(b"c"), Some(b"e"));
        set.add(Some(b"g"), Some(b"i"));
        set.add_keys(b"k", b"m");
        for (key, covered) in [
            ("b", false),
            ("c", true),
            ("d9", true),
            ("e", false),
            ("h", true),
            ("m", true),
            ("m0", false),
        ] {
            assert_eq!(set.covers(key.as_bytes()), covered, "{key}");
        }
        set.add(Some(b"d"), Some(b"h"));
        assert!(set.covers(b"e") && set.covers(b"f") && !set.covers(b"i"));
        assert_eq!(set.ranges.len(), 2);
        set.add(Some(b"z"), None);
        set.add(None, Some(b"a"));
        assert!(set.covers(b"") && set.covers(b"zz") && !set.covers(b"a"));
        assert!(!set.is_everything());
        set.add(None, None);
        assert!(set.is_everything());
        assert_eq!(set.ranges.len(), 1);
        assert!(set.covers(b"b"));
        set.add(Some(b"x"), Some(b"x"));
        assert_eq!(set.ranges.len(), 1);
    }
}
