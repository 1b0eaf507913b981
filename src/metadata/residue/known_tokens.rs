//! The tokens that a store knows, to compare candidates with.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use memchr::{memchr, memmem};
use serde::Deserialize;
use sha2::{Digest, Sha256, Sha512};

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::authorization_pass::PassedRecord;
use crate::metadata::lost_records::Unreadable;
use crate::metadata::{Id, TokenHash, Variant, names, parallel_scan};
use crate::store::{Inspect, Snapshot};

/// The hashed tokens of a store, and the texts that don't count as residue.
#[derive(Default)]
pub struct Known {
    /// By the first half of the digest.
    sha256: HashMap<Start, Id>,
    sha512: HashMap<[u8; 64], Id>,
    /// Digests of tokens that the store holds in plaintext, and of 1.x user names, which are stored
    /// in the same fields as tokens.
    no_residue: HashSet<Start>,
    /// Whether the token fields of a record can't be decoded.
    undecodable: bool,
    /// Authorizations without a readable record whose token the live index shows in plaintext.
    indexed: HashSet<Id>,
}

/// The first half of a SHA-256 digest. A collision would need 2^128 tries, and for a million tokens
/// the other half would take a third of all memory used.
type Start = [u8; 16];

fn start(digest: &[u8; 32]) -> Start {
    let [start @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *digest;
    start
}

/// The fields of an authorization record that matter here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenFields<'a> {
    id: Id,
    #[serde(borrow, default)]
    token: Cow<'a, str>,
    #[serde(borrow, default)]
    hashed_token: Cow<'a, str>,
}

impl<'a> TokenFields<'a> {
    /// Reads them where InfluxDB writes them, at the very start of a record. Most of a record is
    /// its permissions, and decoding those takes longer than everything else.
    ///
    /// `None` when the start has another form, or when the fields may occur again later: `again`
    /// searches for [`AGAIN`].
    fn at_start(record: &'a [u8], again: &memmem::Finder<'_>) -> Option<Self> {
        let (id, rest) = text(record.strip_prefix(br#"{"id":"#)?)?;
        let (token, rest) = field(rest, br#","token":"#)?;
        let (hashed_token, rest) = field(rest, br#","hashedToken":"#)?;
        if !rest.starts_with(b",") || again.find(rest).is_some() {
            return None;
        }
        Some(Self {
            id: Id::from_bytes(id.as_bytes()).ok()?,
            token: token.into(),
            hashed_token: hashed_token.into(),
        })
    }
}

impl<'a> TokenFields<'a> {
    /// `None` if they can't be decoded. `again` searches for [`AGAIN`].
    fn of(record: &'a [u8], again: &memmem::Finder<'_>) -> Option<Self> {
        Self::at_start(record, again).or_else(|| serde_json::from_slice(record).ok())
    }

    /// `None` if there is no token, or a hash that matches nothing.
    fn proof(&self) -> Option<Proof> {
        if self.token.is_empty() {
            return Proof::of_hash(&self.hashed_token);
        }
        Some(Proof::Plaintext(
            Sha256::digest(self.token.as_bytes()).into(),
        ))
    }
}

/// The common end of both field names; quotes inside a text are escaped.
const AGAIN: &str = "oken\":";

/// If `json` begins with the field `name`, its value and the rest; otherwise an empty value.
fn field<'a>(json: &'a [u8], name: &[u8]) -> Option<(&'a str, &'a [u8])> {
    match json.strip_prefix(name) {
        Some(value) => text(value),
        None => Some(("", json)),
    }
}

/// The string at the start of `json`, if it is printable ASCII without escapes, and the rest.
fn text(json: &[u8]) -> Option<(&str, &[u8])> {
    let inside = json.strip_prefix(b"\"")?;
    let (text, rest) = inside.split_at_checked(memchr(b'"', inside)?)?;
    let plain = text
        .iter()
        .all(|byte| matches!(byte, b' '..=b'~') && *byte != b'\\');
    Some((
        std::str::from_utf8(text).ok().filter(|_| plain)?,
        rest.get(1..)?,
    ))
}

/// The token fields of a record can't be decoded.
struct NoRecord;

/// The proofs of some consecutive records.
#[derive(Default)]
pub struct KnownPart {
    proofs: Vec<(Id, Proof)>,
    undecodable: bool,
}

impl KnownPart {
    /// Adds a record.
    pub fn add(&mut self, passed: &PassedRecord<'_>) {
        let Ok(decoded) = &passed.decoded else {
            // Its token fields may be readable nevertheless.
            match Proof::of(passed.value, &memmem::Finder::new(AGAIN)) {
                Ok(proof) => self.proofs.extend(proof),
                Err(NoRecord) => self.undecodable = true,
            }
            return;
        };
        let record = &decoded.fields;
        let proof = match record.token.is_empty() {
            true => Proof::of_hash(&record.hashed_token),
            false => Some(Proof::Plaintext(*decoded.token_digest())),
        };
        self.proofs.extend(proof.map(|proof| (record.id, proof)));
    }
}

/// What a record stores of its token.
enum Proof {
    /// The plaintext, with this SHA-256 digest.
    Plaintext([u8; 32]),
    /// Its SHA-256 hash.
    Sha256([u8; 32]),
    Sha512([u8; 64]),
}

impl Proof {
    /// `None` if it has no token, or has a hash that matches nothing because it can't be decoded or
    /// has the wrong length. An error if it is not a record. `again` searches for [`AGAIN`].
    fn of(record: &[u8], again: &memmem::Finder<'_>) -> Result<Option<(Id, Self)>, NoRecord> {
        let fields = TokenFields::of(record, again).ok_or(NoRecord)?;
        Ok(fields.proof().map(|proof| (fields.id, proof)))
    }

    /// `None` if the hash matches nothing.
    fn of_hash(text: &str) -> Option<Self> {
        let hash = TokenHash::parse(text).ok()?;
        Some(match hash.variant() {
            Variant::Sha256 => Self::Sha256(hash.digest().try_into().ok()?),
            Variant::Sha512 => Self::Sha512(hash.digest().try_into().ok()?),
        })
    }
}

impl Known {
    /// Reads the records of a store. Records that can't be decoded are skipped; findings of reading
    /// pages are returned.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn load(snapshot: &dyn Snapshot) -> Result<(Self, Vec<Finding>)> {
        let mut known = Self::default();
        let again = memmem::Finder::new(AGAIN);
        let mut damage = parallel_scan::scan_any_order(
            snapshot,
            names::AUTHORIZATIONS,
            &|part: &mut KnownPart, _, value| match Proof::of(value, &again) {
                Ok(proof) => part.proofs.extend(proof),
                Err(NoRecord) => part.undecodable = true,
            },
            &mut |part| known.append(part),
        )?;
        damage.extend(known.add_user_names(snapshot)?);
        Ok((known, damage))
    }

    /// Adds a part of the records.
    pub fn append(&mut self, part: KnownPart) {
        self.undecodable |= part.undecodable;
        for (id, proof) in part.proofs {
            self.add(id, proof);
        }
    }

    /// Like [`Known::load`], combined with the walk over all pages for a later search of unused
    /// bytes, which then reports damage.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn load_beside(
        snapshot: &dyn Snapshot,
        inspect: &dyn Inspect,
    ) -> Result<(Self, Vec<Finding>)> {
        Self::beside(snapshot, inspect, &|fields| fields.proof())
    }

    /// Like [`Known::load_beside`], but only tokens that the store holds as a hash. To search for
    /// their copies, nothing else is needed.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn hashed_beside(
        snapshot: &dyn Snapshot,
        inspect: &dyn Inspect,
    ) -> Result<(Self, Vec<Finding>)> {
        Self::beside(snapshot, inspect, &|fields| match fields.token.is_empty() {
            true => fields.proof(),
            false => None,
        })
    }

    fn beside(
        snapshot: &dyn Snapshot,
        inspect: &dyn Inspect,
        proof: &(dyn Fn(&TokenFields<'_>) -> Option<Proof> + Sync),
    ) -> Result<(Self, Vec<Finding>)> {
        let mut known = Self::default();
        let again = memmem::Finder::new(AGAIN);
        let mut add = |value: &[u8]| match TokenFields::of(value, &again) {
            Some(fields) => {
                if let Some(proof) = proof(&fields) {
                    known.add(fields.id, proof);
                }
            }
            None => known.undecodable = true,
        };
        let shown = inspect.prepare(names::AUTHORIZATIONS, &mut |_, value| add(value))?;
        let mut damage = Vec::new();
        if !shown {
            damage = snapshot.scan(names::AUTHORIZATIONS, &mut |_, value| {
                add(value);
                ControlFlow::Continue(())
            })?;
        }
        damage.extend(known.add_user_names(snapshot)?);
        Ok((known, damage))
    }

    /// Adds the tokens of which damage hides the records: those that only an index still shows, and
    /// those of records on pages in no tree. `hidden` says that damage hides records.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn add_unreadable(
        &mut self,
        snapshot: &dyn Snapshot,
        inspect: &dyn Inspect,
        hidden: bool,
    ) -> Result<()> {
        if !hidden {
            return Ok(());
        }
        let Some(unreadable) = Unreadable::find(snapshot, inspect, true)? else {
            return Ok(());
        };
        unreadable.entries(snapshot, &mut |index, key, id| {
            if index == names::AUTHORIZATION_INDEX {
                self.indexed.insert(id);
                self.add(id, Proof::Sha256(Sha256::digest(key).into()));
            } else if let Some(proof) = std::str::from_utf8(key).ok().and_then(Proof::of_hash) {
                self.add(id, proof);
            }
        })?;
        let again = memmem::Finder::new(AGAIN);
        let mut stray = Vec::new();
        let legacy = unreadable.stray_records(snapshot, inspect, &mut |_, value| {
            if let Ok(Some((id, proof))) = Proof::of(value, &again) {
                stray.push((id, proof));
            }
        })?;
        for (id, proof) in stray {
            if legacy.contains(&id) {
                continue;
            }
            // No tree has this record, so it is residue itself.
            self.add(
                id,
                match proof {
                    Proof::Plaintext(digest) => Proof::Sha256(digest),
                    proof => proof,
                },
            );
        }
        Ok(())
    }

    /// Whether the token fields of a record can't be decoded.
    #[must_use]
    pub fn lacks_records(&self) -> bool {
        self.undecodable
    }

    /// Whether the live index shows the token of this authorization, which has no readable record,
    /// in plaintext.
    #[must_use]
    pub fn is_indexed(&self, id: Id) -> bool {
        self.indexed.contains(&id)
    }

    /// Whether there is any token to find.
    pub(crate) fn has_hashes(&self) -> bool {
        !self.sha256.is_empty() || !self.sha512.is_empty()
    }

    /// Adds the names of 1.x users. After a pass with [`Known::append`], all is as from
    /// [`Known::load`].
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn add_user_names(&mut self, snapshot: &dyn Snapshot) -> Result<Vec<Finding>> {
        snapshot.scan(names::LEGACY_AUTHORIZATION_INDEX, &mut |name, _| {
            self.no_residue.insert(start(&Sha256::digest(name).into()));
            ControlFlow::Continue(())
        })
    }

    /// Of records with the same hash, the one with the lowest ID counts.
    fn add(&mut self, id: Id, proof: Proof) {
        match proof {
            Proof::Plaintext(digest) => {
                self.no_residue.insert(start(&digest));
            }
            Proof::Sha256(digest) => {
                let known = self.sha256.entry(start(&digest)).or_insert(id);
                *known = id.min(*known);
            }
            Proof::Sha512(digest) => {
                let known = self.sha512.entry(digest).or_insert(id);
                *known = id.min(*known);
            }
        }
    }

    /// The ID of the record that has only the hash of `text`; its SHA-256 digest is given.
    pub(super) fn hashed(&self, text: &[u8], sha256: &[u8; 32]) -> Option<Id> {
        self.sha256.get(&start(sha256)).copied().or_else(|| {
            if self.sha512.is_empty() {
                return None;
            }
            let digest: [u8; 64] = Sha512::digest(text).into();
            self.sha512.get(&digest).copied()
        })
    }

    /// Whether the text with this SHA-256 digest is stored in plaintext, or is not a token.
    pub(super) fn is_no_residue(&self, sha256: &[u8; 32]) -> bool {
        self.no_residue.contains(&start(sha256))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records, and whether their fields are where InfluxDB writes them.
    const RECORDS: &[(&str, bool)] = &[
        (
            r#"{"id":"00000000000000aa","token":"t","status":"active"}"#,
            true,
        ),
        (
            r#"{"id":"00000000000000aa","hashedToken":"$h$x=","status":"","description":"my token"}"#,
            true,
        ),
        (
            r#"{"id":"00000000000000aa","token":"t","hashedToken":"h","x":{"id":"00000000000000bb"}}"#,
            true,
        ),
        (r#"{"id":"00000000000000aa","status":"inactive"}"#, true),
        (
            r#"{"id":"00000000000000aa","description":"say \"token\": x","token":"t"}"#,
            false,
        ),
        (
            r#"{"id":"00000000000000aa","status":"","hashedToken":"h"}"#,
            false,
        ),
        (
            r#"{"id":"00000000000000aa","hashedToken":"h","token":"t"}"#,
            false,
        ),
        (
            r#"{"id":"00000000000000aa","token":"t","token":"u"}"#,
            false,
        ),
        (
            r#"{"id":"00000000000000aa","token":"a \u0026 b","status":""}"#,
            false,
        ),
        (
            r#"{"id":"00000000000000aa","token":"tökén","status":""}"#,
            false,
        ),
        (
            r#"{"id":"00000000000000aa","token":null,"status":""}"#,
            false,
        ),
        (r#"{"id":"00000000000000aa","token":"t"}"#, false),
        (
            r#"{"id": "00000000000000aa","token":"t","status":""}"#,
            false,
        ),
        (
            r#"{"token":"t","id":"00000000000000aa","status":""}"#,
            false,
        ),
        (
            r#"{"id":"0000000000000000","token":"t","status":""}"#,
            false,
        ),
        (r#"{"id":"00000000000000aa","token":"t"#, false),
        ("", false),
    ];

    #[test]
    fn what_stands_at_the_start_is_what_decoding_gives() {
        let again = memmem::Finder::new(AGAIN);
        for (record, there) in RECORDS {
            let start = TokenFields::at_start(record.as_bytes(), &again);
            assert_eq!(start.is_some(), *there, "{record}");
            if let Some(start) = start {
                let whole: TokenFields<'_> = serde_json::from_str(record).unwrap();
                assert_eq!(start.id, whole.id, "{record}");
                assert_eq!(start.token, whole.token, "{record}");
                assert_eq!(start.hashed_token, whole.hashed_token, "{record}");
            }
        }
        println!("cases: residue {}", RECORDS.len());
    }
}
