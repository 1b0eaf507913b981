//! Shard groups for shards whose metadata are lost, from the times of their points.
//!
//! A shard group has the range of time of one shard. influxd finds points only in shards whose group
//! contains the time, and writes a point to that shard. Groups of a bucket normally all have the same
//! duration and begin at a multiple of it.
//!
//! Source: `CreateShardGroup` of `v1/services/meta/data.go` in influxdata/influxdb.

use std::collections::HashMap;

use crate::metadata::tsm::{Highest, Shard, ShardGroup};

const HOUR: i64 = 3_600_000_000_000;
const DAY: i64 = 24 * HOUR;

/// The durations that influxd chooses itself, in nanoseconds, longest first.
const DURATIONS: [i64; 3] = [7 * DAY, DAY, HOUR];

/// From the start of year 1, where Go begins to count multiples of a duration, to 1970.
const YEAR_1: i128 = 62_135_596_800 * 1_000_000_000;

/// The last time that influxd accepts. The end of a group is not in the group.
const LAST: i64 = i64::MAX - 1;

/// A shard and the times of its points, in Unix nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardTimes {
    /// Its number.
    pub shard: u64,
    /// Time of its first point.
    pub first: i64,
    /// Time of its last point, not before `first`.
    pub last: i64,
}

/// The range of time of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The shard.
    pub shard: u64,
    /// Unix nanoseconds.
    pub start: i64,
    /// Unix nanoseconds, after the last point.
    pub end: i64,
}

impl Range {
    /// The group of the shard, as metadata contain it.
    #[must_use]
    pub fn group(self, id: u64) -> ShardGroup {
        ShardGroup {
            id,
            start_time: self.start,
            end_time: self.end,
            deleted_at: 0,
            shards: vec![Shard { id: self.shard }],
        }
    }
}

/// The groups of all shards of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// The duration of groups that influxd will add, in nanoseconds.
    pub duration: i64,
    /// One group for each shard, by time.
    pub ranges: Vec<Range>,
    /// Shards with points of the same time as points of an earlier shard. Their groups overlap.
    pub overlapping: Vec<u64>,
}

impl Groups {
    /// The groups as metadata contain them. They get the numbers after the highest one.
    #[must_use]
    pub fn numbered(&self, highest: &mut Highest) -> Vec<ShardGroup> {
        let ranges = self.ranges.iter();
        ranges
            .map(|range| {
                highest.group = highest.group.saturating_add(1);
                range.group(highest.group)
            })
            .collect()
    }
}

/// How many groups end before a retention, both in nanoseconds: influxd deletes them after its start.
/// 0 is an unlimited retention.
#[must_use]
pub fn expired(groups: &[ShardGroup], retention: i64, now: jiff::Timestamp) -> u64 {
    let kept_from = now.as_nanosecond() - i128::from(retention);
    let is_expired = |group: &&ShardGroup| i128::from(group.end_time) < kept_from;
    match retention {
        ..=0 => 0,
        _ => groups.iter().filter(is_expired).count() as u64,
    }
}

/// Computes the groups of the shards of one bucket.
///
/// `duration` is the bucket's, if it is known. Otherwise the first of 7 days, 1 day, 1 hour is used
/// for which each shard is in one group and no two shards are in the same. If none fits, each shard
/// gets the range of its points, extended to whole days as far as no groups overlap.
#[must_use]
pub fn groups(shards: &[ShardTimes], duration: Option<i64>) -> Groups {
    let mut shards = shards.to_vec();
    shards.sort_by_key(|shard| (shard.first, shard.last, shard.shard));
    let candidates = match &duration {
        Some(known) => std::slice::from_ref(known),
        None => &DURATIONS[..],
    };
    for duration in candidates.iter().filter(|duration| **duration > 0) {
        if let Some(ranges) = aligned(&shards, *duration) {
            return Groups {
                duration: *duration,
                ranges,
                overlapping: Vec::new(),
            };
        }
    }
    let (ranges, overlapping) = of_points(&shards);
    Groups {
        duration: duration.unwrap_or(7 * DAY),
        ranges,
        overlapping,
    }
}

/// Computes the groups of shards of a bucket that has other groups already: `taken`, begin and end of
/// each, in Unix nanoseconds. As [`groups`], but no group reaches into another one, unless its shard has
/// points of that time.
#[must_use]
pub fn groups_beside(shards: &[ShardTimes], duration: i64, taken: &[(i64, i64)]) -> Groups {
    let mut found = groups(shards, Some(duration));
    let mut taken = taken.to_vec();
    taken.sort_unstable();
    // For each of them the last end of it and those before.
    let ends: Vec<i64> = taken
        .iter()
        .scan(i64::MIN, |last, (_, end)| {
            *last = (*last).max(*end);
            Some(*last)
        })
        .collect();
    let times: HashMap<u64, &ShardTimes> = shards.iter().map(|one| (one.shard, one)).collect();
    for range in &mut found.ranges {
        let Some(times) = times.get(&range.shard) else {
            continue;
        };
        let before = taken.partition_point(|(start, _)| *start <= times.last);
        if let Some((next, _)) = taken.get(before) {
            range.end = range.end.min(*next);
        }
        match before.checked_sub(1).and_then(|last| ends.get(last)) {
            Some(end) if *end > times.first => {
                range.start = times.first;
                range.end = times.last.min(LAST).saturating_add(1);
                if !found.overlapping.contains(&range.shard) {
                    found.overlapping.push(range.shard);
                }
            }
            Some(end) => range.start = range.start.max(*end),
            None => {}
        }
    }
    found
}

/// Groups that begin at multiples of the duration, if each shard fits into one of its own. The shards
/// are in the order of their first points.
fn aligned(shards: &[ShardTimes], duration: i64) -> Option<Vec<Range>> {
    let mut ranges: Vec<Range> = Vec::with_capacity(shards.len());
    for shard in shards {
        let (start, end) = around(shard.first, duration);
        let before = ranges.last().is_none_or(|range| range.end <= start);
        if shard.last >= end || !before {
            return None;
        }
        ranges.push(Range {
            shard: shard.shard,
            start,
            end,
        });
    }
    Some(ranges)
}

/// Groups with the ranges of the points, extended to whole days if there is room. Also the shards that
/// overlap others.
fn of_points(shards: &[ShardTimes]) -> (Vec<Range>, Vec<u64>) {
    let mut ranges = Vec::with_capacity(shards.len());
    let mut overlapping = Vec::new();
    // The ends of the groups before, and the last of their points.
    let mut taken: Option<(i64, i64)> = None;
    for (n, shard) in shards.iter().enumerate() {
        let own_end = shard.last.min(LAST).saturating_add(1);
        let (mut start, _) = around(shard.first, DAY);
        let (_, mut end) = around(shard.last, DAY);
        if let Some((group_end, last)) = taken {
            if last >= shard.first {
                overlapping.push(shard.shard);
                start = shard.first;
            } else {
                start = start.max(group_end);
            }
        }
        if let Some(next) = shards.get(n + 1) {
            // The next shard begins before this one ends, if they overlap.
            end = end.min(next.first).max(own_end);
        }
        let before = taken.unwrap_or((end, shard.last));
        taken = Some((before.0.max(end), before.1.max(shard.last)));
        ranges.push(Range {
            shard: shard.shard,
            start,
            end,
        });
    }
    (ranges, overlapping)
}

/// Start and end of the group that influxd would make for this time.
fn around(time: i64, duration: i64) -> (i64, i64) {
    let time = i128::from(time);
    let start = time - (time + YEAR_1).rem_euclid(i128::from(duration));
    let end = start + i128::from(duration);
    let start = i64::try_from(start).unwrap_or(i64::MIN);
    (start, i64::try_from(end).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Nanoseconds of a time.
    fn at(text: &str) -> i64 {
        let time: jiff::Timestamp = text.parse().unwrap();
        i64::try_from(time.as_nanosecond()).unwrap()
    }

    fn shard(shard: u64, first: &str, last: &str) -> ShardTimes {
        ShardTimes {
            shard,
            first: at(first),
            last: at(last),
        }
    }

    fn range(shard: u64, start: &str, end: &str) -> Range {
        Range {
            shard,
            start: at(start),
            end: at(end),
        }
    }

    #[test]
    fn groups_begin_where_influxd_begins_them() {
        // 2023-11-15 is a Wednesday.
        let time = at("2023-11-15T14:03:20.5Z");
        for (duration, start, end) in [
            (7 * DAY, "2023-11-13T00:00:00Z", "2023-11-20T00:00:00Z"),
            (DAY, "2023-11-15T00:00:00Z", "2023-11-16T00:00:00Z"),
            (HOUR, "2023-11-15T14:00:00Z", "2023-11-15T15:00:00Z"),
        ] {
            assert_eq!(around(time, duration), (at(start), at(end)));
        }
        assert_eq!(around(-1, DAY), (-DAY, 0));
        // The first week of 1970 began on Monday, 29 December 1969.
        assert_eq!(around(0, 7 * DAY), (-3 * DAY, 4 * DAY));
        assert_eq!(around(i64::MIN, DAY).0, i64::MIN);
        assert_eq!(around(i64::MAX, DAY).1, i64::MAX);
    }

    #[test]
    fn the_longest_duration_that_fits_is_taken() {
        let weeks = [
            shard(4, "2023-11-22T00:00:00Z", "2023-11-26T23:59:59Z"),
            shard(1, "2023-11-15T14:03:20Z", "2023-11-15T14:03:20Z"),
        ];
        let found = groups(&weeks, None);
        assert_eq!((found.duration, &found.overlapping[..]), (7 * DAY, &[][..]));
        assert_eq!(
            found.ranges,
            [
                range(1, "2023-11-13T00:00:00Z", "2023-11-20T00:00:00Z"),
                range(4, "2023-11-20T00:00:00Z", "2023-11-27T00:00:00Z"),
            ]
        );
        let days = [
            shard(1, "2023-11-15T00:00:00Z", "2023-11-15T23:00:00Z"),
            shard(2, "2023-11-16T01:00:00Z", "2023-11-16T02:00:00Z"),
        ];
        assert_eq!(groups(&days, None).duration, DAY);
        let hours = [
            shard(1, "2023-11-15T01:00:00Z", "2023-11-15T01:30:00Z"),
            shard(2, "2023-11-15T02:00:00Z", "2023-11-15T02:59:59Z"),
        ];
        assert_eq!(groups(&hours, None).duration, HOUR);
        // If the duration is known, it is not guessed.
        assert_eq!(groups(&weeks, Some(DAY)).duration, DAY);
        assert_eq!(groups(&weeks[..1], Some(HOUR)).duration, HOUR);
        assert_eq!(groups(&[], None).ranges, []);
    }

    #[test]
    fn shards_of_different_durations_get_the_range_of_their_points() {
        let mixed = [
            shard(1, "2023-11-15T01:10:00Z", "2023-11-15T01:30:00Z"),
            shard(2, "2023-11-15T02:10:00Z", "2023-11-15T02:50:00Z"),
            shard(3, "2023-11-17T05:00:00Z", "2023-11-23T06:00:00Z"),
        ];
        let found = groups(&mixed, None);
        assert_eq!((found.duration, &found.overlapping[..]), (7 * DAY, &[][..]));
        assert_eq!(
            found.ranges,
            [
                range(1, "2023-11-15T00:00:00Z", "2023-11-15T02:10:00Z"),
                range(2, "2023-11-15T02:10:00Z", "2023-11-16T00:00:00Z"),
                range(3, "2023-11-17T00:00:00Z", "2023-11-24T00:00:00Z"),
            ]
        );
    }

    #[test]
    fn shards_with_points_of_the_same_time_are_told() {
        let both = [
            shard(1, "2023-11-15T01:00:00Z", "2023-11-15T03:00:00Z"),
            shard(2, "2023-11-15T02:00:00Z", "2023-11-15T02:30:00Z"),
            shard(3, "2023-11-15T02:40:00Z", "2023-11-15T04:00:00Z"),
            shard(4, "2023-11-15T05:00:00Z", "2023-11-15T05:00:00Z"),
        ];
        let found = groups(&both, None);
        assert_eq!(found.overlapping, [2, 3]);
        for (range, shard) in found.ranges.iter().zip(&both) {
            assert!(range.start <= shard.first && range.end > shard.last);
        }
    }

    #[test]
    fn groups_beside_others_keep_out_of_them() {
        let monday = at("2023-11-13T00:00:00Z");
        let one = [shard(1, "2023-11-15T01:00:00Z", "2023-11-15T03:00:00Z")];
        let range_beside = |taken: &[(i64, i64)]| {
            let found = groups_beside(&one, 7 * DAY, taken);
            let days = |time: i64| (time - monday) / HOUR;
            let range = found.ranges[0];
            ((days(range.start), days(range.end)), found.overlapping)
        };
        let from = |hour: i64| monday + hour * HOUR;
        for (taken, range, overlaps) in [
            (&[][..], (0, 168), false),
            (
                &[(from(-168), from(0)), (from(168), from(336))],
                (0, 168),
                false,
            ),
            // Groups of a day before and after.
            (
                &[(from(72), from(96)), (from(24), from(48))],
                (48, 72),
                false,
            ),
            (
                &[(from(-9), from(49)), (from(24), from(25))],
                (49, 168),
                false,
            ),
            // Points of the same time.
            (&[(from(50), from(60))], (49, 51), true),
            (&[(from(0), from(168))], (49, 51), true),
        ] {
            let (found, overlapping) = range_beside(taken);
            assert_eq!(found, range, "{taken:?}");
            assert_eq!(!overlapping.is_empty(), overlaps, "{taken:?}");
        }
    }

    fn times() -> impl Strategy<Value = i64> {
        prop_oneof![
            any::<i64>(),
            0..30 * DAY,
            (0..60_i64).prop_map(|hours| hours * HOUR),
        ]
    }

    proptest! {
        #[test]
        fn every_point_is_in_the_group_of_its_shard(
            pairs in proptest::collection::vec((times(), times()), 0..12),
            duration in proptest::option::of(prop_oneof![Just(HOUR), Just(DAY), Just(7 * DAY)]),
        ) {
            let shards: Vec<ShardTimes> = (1..).zip(pairs).map(|(shard, (one, other))| ShardTimes {
                shard,
                first: one.min(other).min(LAST),
                last: one.max(other).min(LAST),
            }).collect();
            let found = groups(&shards, duration);
            prop_assert_eq!(found.ranges.len(), shards.len());
            for shard in &shards {
                let range = found.ranges.iter().find(|range| range.shard == shard.shard).unwrap();
                prop_assert!(range.start <= shard.first && shard.last < range.end, "{:?}", range);
            }
            prop_assert!(found.ranges.is_sorted_by_key(|range| range.start));
            // Without points of the same time, no two groups overlap.
            let overlap = |(one, other): (&Range, &Range)| one.end > other.start;
            let pairs = found.ranges.iter().zip(found.ranges.iter().skip(1));
            if found.overlapping.is_empty() {
                prop_assert!(!pairs.into_iter().any(overlap), "{:?}", found.ranges);
            }
        }

        #[test]
        fn beside_other_groups_every_point_is_in_the_group_of_its_shard(
            pairs in proptest::collection::vec((times(), times()), 0..6),
            others in proptest::collection::vec((times(), times()), 0..6),
            duration in prop_oneof![Just(HOUR), Just(DAY), Just(7 * DAY)],
        ) {
            let shards: Vec<ShardTimes> = (1..).zip(pairs).map(|(shard, (one, other))| ShardTimes {
                shard,
                first: one.min(other).min(LAST),
                last: one.max(other).min(LAST),
            }).collect();
            let taken: Vec<(i64, i64)> = others
                .iter()
                .map(|(one, other)| (*one.min(other), *one.max(other)))
                .collect();
            let found = groups_beside(&shards, duration, &taken);
            prop_assert_eq!(found.ranges.len(), shards.len());
            for shard in &shards {
                let range = found.ranges.iter().find(|range| range.shard == shard.shard).unwrap();
                prop_assert!(range.start <= shard.first && shard.last < range.end, "{:?}", range);
                if !found.overlapping.contains(&shard.shard) {
                    for (start, end) in &taken {
                        let apart = *end <= range.start || *start >= range.end || start == end;
                        prop_assert!(apart, "{:?} {:?}", range, (start, end));
                    }
                }
            }
        }
    }
}
