//! The keys of series in the storage engine: `measurement,tag=value#!~#field`.

use memchr::memmem;

/// A system bucket, which every organization has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemBucket {
    /// `_tasks`, with the runs of tasks.
    Tasks,
    /// `_monitoring`, with the results of checks and notification rules.
    Monitoring,
}

impl SystemBucket {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tasks => "_tasks",
            Self::Monitoring => "_monitoring",
        }
    }

    /// Whether influxd writes a series with this key to the bucket: its measurement, and a tag that
    /// all its series have.
    ///
    /// Source: `task/backend/analytical_storage.go`, `notification/` in influxdata/influxdb.
    fn has(self, key: &[u8]) -> bool {
        let (measurements, tag): (&[&[u8]], &[u8]) = match self {
            Self::Tasks => (&[b"runs,"], b",taskID="),
            Self::Monitoring => (&[b"statuses,", b"notifications,"], b",_check_id="),
        };
        let mut measurements = measurements.iter();
        measurements.any(|start| key.starts_with(start)) && memmem::find(key, tag).is_some()
    }
}

/// Finds out from the keys in a bucket whether it is a system bucket.
#[derive(Debug)]
pub struct BucketKind {
    /// Those that have all keys so far.
    possible: Vec<SystemBucket>,
    any: bool,
}

impl Default for BucketKind {
    fn default() -> Self {
        Self {
            possible: vec![SystemBucket::Tasks, SystemBucket::Monitoring],
            any: false,
        }
    }
}

impl BucketKind {
    /// Adds a key of the bucket.
    pub fn add(&mut self, key: &[u8]) {
        self.any = true;
        self.possible.retain(|bucket| bucket.has(key));
    }

    /// The system bucket to which all keys belong, if there are keys.
    #[must_use]
    pub fn system(&self) -> Option<SystemBucket> {
        self.possible.first().copied().filter(|_| self.any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_buckets_are_told_by_their_series() {
        let run = "runs,status=success,taskID=0c1a#!~#runID";
        let status = "statuses,_check_id=0c1a,_check_name=a,_level=ok#!~#_message";
        let sent = "notifications,_check_id=0c1a,_sent=true#!~#_message";
        let own = "cpu,host=a#!~#usage";
        for (keys, expected) in [
            (&[run, run][..], Some(SystemBucket::Tasks)),
            (&[status, sent], Some(SystemBucket::Monitoring)),
            (&[], None),
            (&[own], None),
            (&[run, own], None),
            (&[run, status], None),
            // Buckets of users may have measurements of these names.
            (&["runs,runner=a#!~#time"], None),
            (&["statuses#!~#v"], None),
        ] {
            let mut kind = BucketKind::default();
            for key in keys {
                kind.add(key.as_bytes());
            }
            assert_eq!(kind.system(), expected, "{keys:?}");
        }
    }
}
