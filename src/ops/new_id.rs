//! Identifiers for new records, made as influxd makes them.

use super::moment::Moment;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{Id, names};
use crate::store::Snapshot;

/// How often influxd tries before it gives up.
const TRIES: u16 = 100;

/// Where the records are whose identifiers are made by time.
const MADE_BY_TIME: [&[u8]; 3] = [
    names::AUTHORIZATIONS,
    names::LEGACY_AUTHORIZATIONS,
    names::USERS,
];

/// An identifier for a new authorization, user or instance, which none of these has.
///
/// # Errors
/// When the clock stands before 2017, or the system has no random bytes to give.
pub fn by_time(snapshot: &dyn Snapshot, now: &Moment) -> Result<Id> {
    let machine = u16::from_le_bytes(random()?);
    for count in 0..TRIES {
        let id = Id::snowflake(now.unix_millis, machine, count).ok_or_else(|| {
            failed(format!("the clock of this host says {}", now.rfc3339))
                .with_hint("set the clock: InfluxDB's identifiers count from 2017-04-09")
        })?;
        let instance = snapshot.get(names::INSTANCE, names::INSTANCE_KEY)?;
        if instance.as_deref() != Some(id.to_string().as_bytes())
            && is_free(snapshot, &MADE_BY_TIME, id)?
        {
            return Ok(id);
        }
    }
    Err(failed("no free identifier was found".into()))
}

/// Any number, by chance.
///
/// # Errors
/// When the system has no random bytes to give.
pub fn random_number() -> Result<u64> {
    random().map(u64::from_le_bytes)
}

/// An identifier for a new organization or InfluxDB bucket that no record of either has.
///
/// # Errors
/// When the system has no random bytes to give.
pub fn of_engine(snapshot: &dyn Snapshot) -> Result<Id> {
    for _ in 0..TRIES {
        let Some(id) = Id::random(random()?) else {
            continue;
        };
        if is_free(snapshot, &[names::ORGANIZATIONS, names::BUCKETS], id)? {
            return Ok(id);
        }
    }
    Err(failed("no free identifier was found".into()))
}

fn failed(why: String) -> Error {
    Error::new(ErrorKind::Io, format!("{why}; nothing was changed"))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|cause| failed(format!("the system gives no random bytes: {cause}")))?;
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
