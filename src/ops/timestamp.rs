//! The current time in the formats of records.

use jiff::Zoned;

/// A point in time. Taken once per command, so that all its records have the same time.
#[derive(Debug, Clone)]
pub struct Timestamp {
    /// The time itself.
    pub time: jiff::Timestamp,
    /// Milliseconds since 1970.
    pub unix_millis: i64,
    /// RFC 3339 in the local zone with up to nine digits of a second, as influxd writes the times
    /// of authorizations.
    pub rfc3339: String,
    /// The same in UTC, as influxd writes the times of migrations.
    pub utc: String,
}

impl From<&Zoned> for Timestamp {
    fn from(time: &Zoned) -> Self {
        let zone = if time.offset().is_zero() { "Z" } else { "%:z" };
        let format = format!("%Y-%m-%dT%H:%M:%S%.f{zone}");
        Self {
            time: time.timestamp(),
            unix_millis: time.timestamp().as_millisecond(),
            rfc3339: time.strftime(&format).to_string(),
            utc: time.timestamp().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_writes_times() {
        for (time, expected) in [
            (
                "2021-09-28T08:55:25.75109-04:00[-04:00]",
                "2021-09-28T08:55:25.75109-04:00",
            ),
            ("2021-09-28T12:55:25Z[UTC]", "2021-09-28T12:55:25Z"),
            (
                "2021-09-28T12:55:25.000000001+00:00[UTC]",
                "2021-09-28T12:55:25.000000001Z",
            ),
        ] {
            let time: Zoned = time.parse().unwrap();
            assert_eq!(Timestamp::from(&time).rfc3339, expected);
        }
    }
}
