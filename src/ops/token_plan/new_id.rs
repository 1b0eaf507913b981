//! IDs for new records, generated like influxd's.

use std::collections::HashSet;
use std::ops::ControlFlow;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{Id, names};
use crate::ops::timestamp::Timestamp;
use crate::store::Snapshot;

/// How often influxd tries before it gives up.
const TRIES: u16 = 100;

/// The highest value of the counter in an ID.
const MOST_IN_A_MILLISECOND: u16 = 0xfff;

/// The buckets of records with time-based IDs.
const MADE_BY_TIME: [&[u8]; 4] = [
    names::AUTHORIZATIONS,
    names::LEGACY_AUTHORIZATIONS,
    names::USERS,
    names::DBRP,
];

/// A free, time-based ID for a new authorization, user, mapping of a 1.x database, or instance.
///
/// # Errors
/// When the clock is before 2017, or the system can't provide random bytes.
pub fn by_time(snapshot: &dyn Snapshot, now: &Timestamp) -> Result<Id> {
    let machine = u16::from_le_bytes(random()?);
    for count in 0..TRIES {
        let id = Id::snowflake(now.unix_millis, machine, count).ok_or_else(too_early)?;
        let instance = snapshot.get(names::INSTANCE, names::INSTANCE_KEY)?;
        if instance.as_deref() != Some(id.to_string().as_bytes())
            && is_free(snapshot, &MADE_BY_TIME, id)?
        {
            return Ok(id);
        }
    }
    Err(failed("no free ID was found".into()))
}

/// Free, time-based IDs for many new authorizations. The existing IDs are read once.
pub struct ManyByTime {
    taken: HashSet<Id>,
    millis: i64,
    machine: u16,
    count: u16,
}

impl ManyByTime {
    /// Reads the existing IDs of the store.
    ///
    /// # Errors
    /// When it can't be read, or the system can't provide random bytes.
    pub fn new(snapshot: &dyn Snapshot, now: &Timestamp) -> Result<Self> {
        let mut taken = HashSet::new();
        for bucket in MADE_BY_TIME {
            snapshot.scan(bucket, &mut |key, _| {
                taken.extend(Id::from_bytes(key).ok());
                ControlFlow::Continue(())
            })?;
        }
        let instance = snapshot.get(names::INSTANCE, names::INSTANCE_KEY)?;
        taken.extend(instance.and_then(|id| Id::from_bytes(&id).ok()));
        Ok(Self {
            taken,
            millis: now.unix_millis,
            machine: u16::from_le_bytes(random()?),
            count: 0,
        })
    }

    /// Returns the next free ID.
    ///
    /// # Errors
    /// When the clock is before 2017.
    pub fn another(&mut self) -> Result<Id> {
        loop {
            let id = Id::snowflake(self.millis, self.machine, self.count);
            let id = id.ok_or_else(too_early)?;
            // Like influxd, continue with the next millisecond when the counter is used up.
            self.count += 1;
            if self.count > MOST_IN_A_MILLISECOND {
                self.count = 0;
                self.millis += 1;
            }
            if self.taken.insert(id) {
                return Ok(id);
            }
        }
    }
}

fn too_early() -> Error {
    failed("the clock of this host is earlier than the first possible InfluxDB ID".into())
        .with_hint("set the clock: InfluxDB's IDs count from 2017-04-09")
}

/// A random number.
///
/// # Errors
/// When the system can't provide random bytes.
pub fn random_number() -> Result<u64> {
    random().map(u64::from_le_bytes)
}

/// A free, random ID for a new organization or InfluxDB bucket.
///
/// # Errors
/// When the system can't provide random bytes.
pub fn of_engine(snapshot: &dyn Snapshot) -> Result<Id> {
    for _ in 0..TRIES {
        let Some(id) = Id::random(random()?) else {
            continue;
        };
        if is_free(snapshot, &[names::ORGANIZATIONS, names::BUCKETS], id)? {
            return Ok(id);
        }
    }
    Err(failed("no free ID was found".into()))
}

fn failed(why: String) -> Error {
    Error::new(ErrorKind::Io, why)
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|cause| failed(format!("can't get random bytes from the system: {cause}")))?;
    Ok(bytes)
}

fn is_free(snapshot: &dyn Snapshot, buckets: &[&[u8]], id: Id) -> Result<bool> {
    let key = id.to_string();
    for bucket in buckets {
        if snapshot.get(bucket, key.as_bytes())?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Model;

    #[test]
    fn many_identifiers_are_all_different_and_new() {
        let now = Timestamp::from(&"2026-11-26T12:00:00Z[UTC]".parse::<jiff::Zoned>().unwrap());
        let mut model = Model::default();
        let mut first = ManyByTime::new(&model, &now).unwrap();
        first.machine = 7;
        let ids: Vec<Id> = (0..5000).map(|_| first.another().unwrap()).collect();
        assert!(ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]));
        for id in &ids[..10] {
            model.put(names::AUTHORIZATIONS, id.to_string().as_bytes(), b"{}");
        }
        let mut second = ManyByTime::new(&model, &now).unwrap();
        second.machine = 7;
        assert_eq!(second.another().unwrap(), ids[10]);
    }
}
