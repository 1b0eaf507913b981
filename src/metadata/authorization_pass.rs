//! One pass over the authorizations of a store, which decodes each record once for all that need it.

use std::cell::OnceCell;
use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::authorization::{Undecoded, classify};
use crate::metadata::catalog::undecodable_record;
use crate::metadata::{Authorization, Class, Id, names, parallel_scan};
use crate::store::Snapshot;

/// A record as the pass shows it.
pub struct PassedRecord<'a> {
    /// Its key.
    pub key: &'a [u8],
    /// Its value, which may hold a token.
    pub value: &'a [u8],
    /// The record, or the finding that influxd can't decode it.
    pub decoded: Result<DecodedRecord<'a>, Finding>,
}

/// A record of which every field can be decoded.
pub struct DecodedRecord<'a> {
    /// Its fields.
    pub fields: Authorization<'a, Undecoded<'a>>,
    /// What its permissions make it.
    pub class: Class,
    digest: OnceCell<[u8; 32]>,
}

impl DecodedRecord<'_> {
    /// The SHA-256 digest of the token in plaintext.
    pub(in crate::metadata) fn token_digest(&self) -> &[u8; 32] {
        self.digest
            .get_or_init(|| Sha256::digest(self.fields.token.as_bytes()).into())
    }
}

/// Classes by organization and permissions as written: most records have the same ones.
#[derive(Default)]
struct Classes {
    seen: HashMap<Id, HashMap<Box<str>, Class>>,
    /// That of the last record.
    last: Option<(Id, Box<str>, Class)>,
}

impl Classes {
    fn decode<'a>(&mut self, key: &[u8], value: &'a [u8]) -> Result<DecodedRecord<'a>, Finding> {
        let bucket = names::AUTHORIZATIONS;
        let fields = Authorization::<'_, Undecoded<'_>>::decode(bucket, key, value)?;
        let class = self
            .class(&fields)
            .map_err(|cause| undecodable_record(bucket, key, &cause))?;
        Ok(DecodedRecord {
            fields,
            class,
            digest: OnceCell::new(),
        })
    }

    fn class(
        &mut self,
        fields: &Authorization<'_, Undecoded<'_>>,
    ) -> Result<Class, serde_json::Error> {
        let (org, text) = (fields.org_id, fields.permissions.text());
        if let Some((last_org, last_text, class)) = &self.last
            && *last_org == org
            && &**last_text == text
        {
            return Ok(*class);
        }
        let of_org = self.seen.entry(org).or_default();
        let class = match of_org.get(text) {
            Some(class) => *class,
            None => {
                let class = classify(&fields.permissions.decode()?, org);
                of_org.insert(text.into(), class);
                class
            }
        };
        self.last = Some((org, text.into(), class));
        Ok(class)
    }
}

/// The result for some consecutive records.
#[derive(Default)]
struct Part<P> {
    result: P,
    classes: Classes,
}

/// Calls `work` for every authorization, in parallel, and passes the results to `sink`, ascending by
/// key. Returns findings about skipped parts of the bucket.
///
/// # Errors
/// When the file can't be read; `sink` may have received results before.
pub fn scan<P: Default + Send>(
    snapshot: &dyn Snapshot,
    work: &(impl Fn(&mut P, &PassedRecord<'_>) + Sync),
    sink: &mut impl FnMut(P),
) -> Result<Vec<Finding>> {
    parallel_scan::scan(
        snapshot,
        names::AUTHORIZATIONS,
        &|part: &mut Part<P>, key, value| decode(part, key, value, work),
        &mut |part| sink(part.result),
    )
}

/// [`scan`] in any order of keys, see [`Snapshot::scan_any_order`].
///
/// # Errors
/// As [`scan`].
pub fn scan_any_order<P: Default + Send>(
    snapshot: &dyn Snapshot,
    work: &(impl Fn(&mut P, &PassedRecord<'_>) + Sync),
    sink: &mut impl FnMut(P),
) -> Result<Vec<Finding>> {
    parallel_scan::scan_any_order(
        snapshot,
        names::AUTHORIZATIONS,
        &|part: &mut Part<P>, key, value| decode(part, key, value, work),
        &mut |part| sink(part.result),
    )
}

fn decode<P>(
    part: &mut Part<P>,
    key: &[u8],
    value: &[u8],
    work: &impl Fn(&mut P, &PassedRecord<'_>),
) {
    let decoded = part.classes.decode(key, value);
    let passed = PassedRecord {
        key,
        value,
        decoded,
    };
    work(&mut part.result, &passed);
}
