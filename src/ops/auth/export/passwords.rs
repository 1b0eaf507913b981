//! Hashes of passwords of an export.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use zeroize::Zeroizing;

use crate::error::Result;
use crate::metadata::{Id, password};
use crate::ops::auth::export::Work;

/// The hashes of passwords in a bucket, by user.
pub(super) type Hashes = BTreeMap<Id, Zeroizing<String>>;

/// Reads the hashes, if they are requested.
///
/// # Errors
/// When the file can't be read.
pub(super) fn load(work: &mut Work<'_>, bucket: &[u8]) -> Result<Hashes> {
    let mut hashes = Hashes::new();
    if !work.options.with_passwords {
        return Ok(hashes);
    }
    let damage = work.snapshot.scan(bucket, &mut |key, value| {
        if let Ok(id) = Id::from_bytes(key) {
            // What is not text is no hash either.
            let hash = String::from_utf8_lossy(value).into_owned();
            hashes.insert(id, Zeroizing::new(hash));
        }
        ControlFlow::Continue(())
    })?;
    work.findings.extend(damage);
    Ok(hashes)
}

impl Work<'_> {
    /// Adds the hash of a password to the present entry, if there is one that influxd can use.
    pub(super) fn password(&mut self, hashes: &Hashes, id: Id, name: &str) {
        match hashes.get(&id).map(|hash| hash.as_str()) {
            None | Some("") => {}
            Some(hash) if password::is_hash(hash) => {
                self.list.text("passwordHash", hash);
                self.contains.passwords.readable += 1;
            }
            Some(_) => self.skip(
                "password",
                id,
                name,
                "what is stored is not a hash that influxd supports",
            ),
        }
    }
}
