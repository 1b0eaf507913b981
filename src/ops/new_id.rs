//! Identifiers for new records, made as influxd makes them.

use super::moment::Moment;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{Id, names};
use crate::store::Snapshot;

/// How often influxd tries before it gives up.
const TRIES: u16 = 100;

/// An identifier for a new authorization that no record has.
///
/// # Errors
/// When the clock stands before 2017, or the system has no random bytes to give.
pub fn authorization(snapshot: &dyn Snapshot, now: &Moment) -> Result<Id> {
    by_time(
        snapshot,
        &[names::AUTHORIZATIONS, names::LEGACY_AUTHORIZATIONS],
        now,
    )
}

/// An identifier for a new user that no record has.
///
/// # Errors
/// As [`authorization`].
pub fn user(snapshot: &dyn Snapshot, now: &Moment) -> Result<Id> {
    by_time(snapshot, &[names::USERS], now)
}

/// An identifier for a new organization or InfluxDB bucket that no record of either has.
///
/// # Errors
/// When the system has no random bytes to give.
pub fn of_engine(snapshot: &dyn Snapshot) -> Result<Id> {
    for _ in 0..TRIES {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes)
            .map_err(|cause| failed(format!("the system gives no random bytes: {cause}")))?;
        let Some(id) = Id::random(bytes) else {
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

fn is_free(snapshot: &dyn Snapshot, buckets: &[&[u8]], id: Id) -> Result<bool> {
    let key = id.to_string();
    for bucket in buckets {
        if snapshot.get(bucket, key.as_bytes())?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn by_time(snapshot: &dyn Snapshot, buckets: &[&[u8]], now: &Moment) -> Result<Id> {
    let mut machine = [0; 2];
    getrandom::fill(&mut machine)
        .map_err(|cause| failed(format!("the system gives no random bytes: {cause}")))?;
    let machine = u16::from_le_bytes(machine);
    for count in 0..TRIES {
        let id = Id::snowflake(now.unix_millis, machine, count).ok_or_else(|| {
            failed(format!("the clock of this host says {}", now.rfc3339))
                .with_hint("set the clock: InfluxDB's identifiers count from 2017-04-09")
        })?;
        if is_free(snapshot, buckets, id)? {
            return Ok(id);
        }
    }
    Err(failed("no free identifier was found".into()))
}
