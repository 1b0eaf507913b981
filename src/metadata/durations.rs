//! How long a bucket keeps points, and the time range of its shard groups: as text, in nanoseconds,
//! and InfluxDB's rules for them.
//!
//! Source: `v1/services/meta/data.go` in influxdata/influxdb, `pkg/duration` in influxdata/influx-cli.

use crate::metadata::tsm_edit;

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3_600 * SECOND;

/// Parses a retention period into nanoseconds. 0 means infinite; the minimum is one hour.
///
/// # Errors
/// What is wrong with it.
pub fn retention(text: &str) -> Result<i64, String> {
    match parse(text)? {
        0 => Ok(0),
        // influxd accepts whole seconds only.
        sum if sum >= HOUR => Ok(sum - sum % SECOND),
        _ => Err("the minimum retention is one hour; use 0 for infinite retention".into()),
    }
}

/// Parses the time range of a shard group into nanoseconds. 0 lets InfluxDB choose.
///
/// # Errors
/// What is wrong with it.
pub fn shard_group(text: &str) -> Result<i64, String> {
    let duration = parse(text)?;
    Ok(duration - duration % SECOND)
}

/// The time range of the shard groups of a bucket, as InfluxDB makes it of the given one (0 for none)
/// and the retention. Everything in nanoseconds.
///
/// # Errors
/// Why InfluxDB refuses it.
pub fn normal_shard_group(given: i64, retention: i64) -> Result<i64, &'static str> {
    let duration = match given {
        0 => tsm_edit::shard_group_duration(retention),
        given => given.max(HOUR),
    };
    if retention > 0 && retention < duration {
        return Err("the retention must not be shorter than a shard group");
    }
    Ok(duration)
}

/// Parses a duration into nanoseconds, as the influx CLI does: a sum of whole numbers with units.
fn parse(text: &str) -> Result<i64, String> {
    if text == "0" {
        return Ok(0);
    }
    let wrong = || String::from("expected a number and a unit, as in 72h, 30d or 4w, or 0");
    let mut sum = 0_i64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, after) = rest.split_at(digits);
        let end = after.find(|c: char| c.is_ascii_digit());
        let (unit, after) = after.split_at(end.unwrap_or(after.len()));
        let unit = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => SECOND,
            "m" => 60 * SECOND,
            "h" => HOUR,
            "d" => 24 * HOUR,
            "w" => 7 * 24 * HOUR,
            _ => return Err(wrong()),
        };
        let number: i64 = number.parse().map_err(|_| wrong())?;
        let part = number.checked_mul(unit);
        let added = part.and_then(|part| sum.checked_add(part));
        sum = added.ok_or("too long for InfluxDB; use 0 for infinite retention")?;
        rest = after;
    }
    if text.is_empty() {
        return Err(wrong());
    }
    Ok(sum)
}

/// A duration in nanoseconds as a text that [`retention`] and [`shard_group`] read: `30d`, `36h`, or
/// `0`. None for parts of a second.
#[must_use]
pub fn text(duration: i64) -> Option<String> {
    if duration == 0 {
        return Some("0".into());
    }
    let units = [
        (24 * HOUR, "d"),
        (HOUR, "h"),
        (60 * SECOND, "m"),
        (SECOND, "s"),
    ];
    let unit = units.into_iter().find(|(unit, _)| duration % unit == 0);
    unit.filter(|_| duration > 0)
        .map(|(unit, name)| format!("{}{name}", duration / unit))
}

/// A duration in nanoseconds as the influx CLI shows a retention: `720h0m0s`, or `infinite`.
#[must_use]
pub fn shown(duration: i64) -> String {
    if duration == 0 {
        return "infinite".into();
    }
    let seconds = duration / SECOND;
    let (minutes, rest) = (seconds / 60, seconds % 60);
    format!("{}h{}m{rest}s", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_periods() {
        for (text, hours) in [
            ("0", 0),
            ("0h", 0),
            ("1h", 1),
            ("72h", 72),
            ("30d", 720),
            ("4w", 672),
            ("1w2d3h", 219),
            ("60m", 1),
            ("3600s", 1),
            ("3600000ms", 1),
            ("1h1ns", 1),
        ] {
            assert_eq!(retention(text), Ok(hours * HOUR), "{text}");
        }
        for text in [
            "",
            "72",
            "h",
            "-1h",
            "1.5h",
            "1y",
            "1mo",
            "30 d",
            "59m",
            "1s",
            "99999999w",
        ] {
            assert!(retention(text).is_err(), "{text}");
        }
    }

    /// What the API of influxd 2.7.12 and 2.9.1 made of these.
    #[test]
    fn time_ranges_of_shard_groups() {
        for (given, retention, expected) in [
            (0, 0, Some(168)),
            (0, 1, Some(1)),
            (0, 47, Some(1)),
            (0, 48, Some(24)),
            (0, 180 * 24, Some(168)),
            (1, 48, Some(1)),
            (72, 0, Some(72)),
            (72, 72, Some(72)),
            (72, 2, None),
        ] {
            let found = normal_shard_group(given * HOUR, retention * HOUR);
            assert_eq!(
                found.ok(),
                expected.map(|hours: i64| hours * HOUR),
                "{given} {retention}"
            );
        }
        assert_eq!(normal_shard_group(HOUR / 2, 48 * HOUR), Ok(HOUR));
        assert_eq!(shard_group("30m"), Ok(HOUR / 2));
        assert!(shard_group("x").is_err());
    }

    #[test]
    fn what_is_written_as_text_is_read_back() {
        for (duration, expected) in [
            (0, Some("0")),
            (HOUR, Some("1h")),
            (30 * 24 * HOUR, Some("30d")),
            (36 * HOUR, Some("36h")),
            (90 * 60 * SECOND, Some("90m")),
            (HOUR + SECOND, Some("3601s")),
            (i64::MAX - i64::MAX % SECOND, Some("9223372036s")),
            (HOUR + 1, None),
            (-HOUR, None),
        ] {
            let written = text(duration);
            assert_eq!(written.as_deref(), expected);
            if let Some(written) = written {
                assert_eq!(retention(&written), Ok(duration));
                assert_eq!(shard_group(&written), Ok(duration));
            }
        }
    }

    #[test]
    fn durations_as_the_influx_cli_shows_them() {
        for (duration, text) in [
            (0, "infinite"),
            (720 * HOUR, "720h0m0s"),
            (HOUR + 61 * SECOND, "1h1m1s"),
        ] {
            assert_eq!(shown(duration), text);
        }
    }
}
