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
    let failed = |why: String| Error::new(ErrorKind::Io, format!("{why}; nothing was changed"));
    let mut machine = [0; 2];
    getrandom::fill(&mut machine)
        .map_err(|cause| failed(format!("the system gives no random bytes: {cause}")))?;
    let machine = u16::from_le_bytes(machine);
    for count in 0..TRIES {
        let id = Id::snowflake(now.unix_millis, machine, count).ok_or_else(|| {
            failed(format!("the clock of this host says {}", now.rfc3339))
                .with_hint("set the clock: InfluxDB's identifiers count from 2017-04-09")
        })?;
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
