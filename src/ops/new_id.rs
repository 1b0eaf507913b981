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
    let machine = u16::from_le_bytes(random()?);
    for count in 0..TRIES {
        let id = snowflake(now, machine, count)?;
        let key = id.to_string();
        let mut free = true;
        for bucket in [names::AUTHORIZATIONS, names::LEGACY_AUTHORIZATIONS] {
            free &= snapshot.get(bucket, key.as_bytes())?.is_none();
        }
        if free {
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

fn snowflake(now: &Moment, machine: u16, count: u16) -> Result<Id> {
    Id::snowflake(now.unix_millis, machine, count).ok_or_else(|| {
        failed(format!("the clock of this host says {}", now.rfc3339))
            .with_hint("set the clock: InfluxDB's identifiers count from 2017-04-09")
    })
}

/// Identifiers for a new user and a new instance, for a store that has neither.
///
/// # Errors
/// As [`authorization`].
pub fn of_new_store(now: &Moment) -> Result<[Id; 2]> {
    let machine = u16::from_le_bytes(random()?);
    Ok([snowflake(now, machine, 0)?, snowflake(now, machine, 1)?])
}

/// An identifier for a new organization or bucket, which `taken` does not hold. Bytes that mean
/// something in the keys of the storage engine are avoided, as influxd does.
///
/// Source: `rand/id.go` in influxdata/influxdb.
///
/// # Errors
/// When the system has no random bytes to give.
pub fn organization_or_bucket(taken: &[Id]) -> Result<Id> {
    for _ in 0..TRIES {
        if let Some(id) = without_separators(random()?).filter(|id| !taken.contains(id)) {
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

fn without_separators(bytes: [u8; 8]) -> Option<Id> {
    let safe = bytes.map(|byte| match byte {
        b'\\' | b',' | b' ' => byte + 1,
        byte => byte,
    });
    Id::new(u64::from_be_bytes(safe))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_of_keys_are_avoided() {
        let id = without_separators([1, b'\\', b',', b' ', 0xff, b'a', 0, 2]).unwrap();
        assert_eq!(id.to_string(), "015d2d21ff610002");
        assert_eq!(without_separators([0; 8]), None);
    }
}
