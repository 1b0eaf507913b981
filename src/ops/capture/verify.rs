//! `capture verify`: whether a saved file holds a value for every token of a store.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Serialize;

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::authenticate::{KeyDigest, key_digest};
use crate::metadata::lost_records::Unreadable;
use crate::metadata::{
    Authorization, Catalog, Id, Storage, TokenHash, Variant, authorization, lost_records, names,
};
use crate::ops::capture::lost_tokens;
use crate::ops::capture::saved_values::SavedValues;
use crate::ops::known::{List, Number, incomplete};
use crate::secret::Token;
use crate::store::{Inspect, Snapshot};

/// What a file holds of the tokens of a store.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// Whether the file is encrypted.
    pub encrypted: bool,
    /// Whether it holds all tokens of the store; none if damage may hide some.
    pub complete: Option<bool>,
    /// The values in the file.
    pub tokens: u64,
    /// Those that belong to no token of the store. Damage may hide their tokens.
    pub unmatched: Number,
    /// The tokens that the store holds in plaintext.
    pub plaintext: Number,
    /// The tokens that the store holds only as a hash.
    pub hashed: Number,
    /// The tokens of the store that the file lacks, ascending by ID.
    pub missing: List<Missing>,
    /// The names of the fields that are incomplete because of damage.
    pub incomplete: Vec<&'static str>,
}

/// A token of the store that the file lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Missing {
    /// The authorization.
    pub id: Id,
    /// How the store holds it: only what is in plaintext can be captured.
    pub storage: Storage,
    /// May be empty. None if the record can't be read.
    pub description: Option<String>,
    /// The organization. None if the record can't be read.
    #[serde(rename = "orgID")]
    pub org_id: Option<Id>,
    /// Its name; empty when it was deleted. None if damage may hide it.
    pub org: Option<String>,
    /// The owner, if the record has one.
    #[serde(rename = "userID")]
    pub user_id: Option<Id>,
    /// The owner's name; empty when the user was deleted. None if damage may hide it.
    pub user: Option<String>,
}

/// Compares the values of a file with the tokens of a store. Damage of the store is in the findings.
///
/// # Errors
/// * [`crate::ErrorKind::Corrupt`] when the file is damaged
/// * [`crate::ErrorKind::Refused`] when it is encrypted and the given keys do not open it
/// * when the file or the store can't be read
pub fn verify(
    snapshot: &dyn Snapshot,
    inspect: &dyn Inspect,
    mut saved: SavedValues<'_>,
) -> Result<(Verified, Vec<Finding>)> {
    let mut catalog = Catalog::load(snapshot)?;
    let lost = lost_records::find_hidden(snapshot, inspect, &mut catalog.hidden)?;
    let mut wanted = Wanted::default();
    let (mut plaintext, mut hashed) = (0, 0);
    let mut findings =
        authorization::scan(
            snapshot,
            names::AUTHORIZATIONS,
            &mut |record| match wanted.add(record) {
                Some(Storage::Hashed) => hashed += 1,
                Some(_) => plaintext += 1,
                None => {}
            },
        )?;
    let skipped = !findings.is_empty();
    let others = others(snapshot, inspect, &catalog, skipped, &mut wanted)?;
    for (_, missing) in &others {
        match missing.storage {
            Storage::Hashed => hashed += 1,
            _ => plaintext += 1,
        }
    }

    let mut values = Values::default();
    let encrypted = saved.each(&mut |texts| {
        values.tokens += 1;
        if !wanted.take(&texts) {
            values.unmatched += 1;
        }
    })?;

    let mut missing = Vec::new();
    if !wanted.is_held() {
        authorization::scan(snapshot, names::AUTHORIZATIONS, &mut |record| {
            if let Some(sought) = Sought::of(record)
                && !wanted.holds(&sought)
            {
                missing.push(Missing::of(record, &catalog));
            }
        })?;
    }
    let others = others.into_iter();
    missing.extend(others.filter_map(|(sought, one)| (!wanted.holds(&sought)).then_some(one)));
    missing.sort_by_key(|one| one.id);

    findings.extend(catalog.skipped);
    findings.extend(lost);
    let hidden = skipped || catalog.hidden.hides(names::AUTHORIZATIONS);
    let complete = match (missing.is_empty(), hidden) {
        (false, _) => Some(false),
        (true, false) => Some(true),
        (true, true) => None,
    };
    let verified = Verified {
        encrypted,
        complete,
        tokens: values.tokens,
        unmatched: Number::new(values.unmatched, hidden && values.unmatched > 0),
        plaintext: Number::new(plaintext, hidden),
        hashed: Number::new(hashed, hidden),
        missing: List::new(missing, hidden),
        incomplete: incomplete(&[
            ("complete", complete.is_none()),
            ("unmatched", hidden && values.unmatched > 0),
            ("plaintext", hidden),
            ("hashed", hidden),
            ("missing", hidden),
        ]),
    };
    Ok((verified, findings))
}

/// The tokens of a damaged store outside its readable records.
fn others(
    snapshot: &dyn Snapshot,
    inspect: &dyn Inspect,
    catalog: &Catalog,
    skipped: bool,
    wanted: &mut Wanted,
) -> Result<Vec<(Sought, Missing)>> {
    let token_of = |record: &Authorization<'_>, _: &Catalog| {
        (!record.token.is_empty()).then(|| Token::new(record.token.to_string()))
    };
    let lost = lost_tokens(snapshot, inspect, catalog, &token_of, true, skipped)?;
    let is_known = |id: Option<Id>, name: String, bucket| match id {
        Some(_) if !name.is_empty() || !catalog.hidden.hides(bucket) => Some(name),
        _ => None,
    };
    let mut others = Vec::new();
    for one in lost {
        let sought = Sought::Plaintext(key_digest(one.token.reveal().as_bytes()));
        let missing = Missing {
            id: one.id,
            storage: Storage::Plaintext,
            description: one.kind.map(|_| one.description),
            org_id: one.org_id,
            org: is_known(one.org_id, one.org, names::ORGANIZATIONS),
            user_id: one.user_id,
            user: is_known(one.user_id, one.user, names::USERS),
        };
        others.push((sought, missing));
    }
    if let Some(unreadable) = Unreadable::find(snapshot, inspect, skipped)? {
        let mut ids: HashSet<Id> = others.iter().map(|(_, missing)| missing.id).collect();
        unreadable.entries(snapshot, &mut |index, key, id| {
            if index == names::AUTHORIZATION_HASHED_INDEX && ids.insert(id) {
                let text = String::from_utf8_lossy(key);
                others.push((Sought::hash(&text), Missing::bare(id, Storage::Hashed)));
            }
        })?;
    }
    for (sought, _) in &others {
        wanted.insert(sought);
    }
    Ok(others)
}

/// Numbers of values of the file.
#[derive(Default)]
struct Values {
    tokens: u64,
    unmatched: u64,
}

/// What a value of the file must be, as a digest of it or of its hash. A hash itself is no token, so
/// the two are kept apart.
enum Sought {
    Plaintext(KeyDigest),
    Hash(Variant, KeyDigest),
    /// A hash that influxd can't decode: no token has it.
    Nothing,
}

impl Sought {
    /// The token of a record; `None` if it has none.
    fn of(record: &Authorization<'_>) -> Option<Self> {
        match record.storage() {
            Storage::Plaintext | Storage::Both => {
                Some(Self::Plaintext(key_digest(record.token.as_bytes())))
            }
            Storage::Hashed => Some(Self::hash(&record.hashed_token)),
            Storage::Missing => None,
        }
    }

    fn hash(text: &str) -> Self {
        match TokenHash::parse(text) {
            Ok(hash) => Self::Hash(hash.variant(), key_digest(hash.to_phc().as_bytes())),
            Err(_) => Self::Nothing,
        }
    }
}

/// The tokens of the store, and whether the file holds each.
#[derive(Default)]
struct Wanted {
    plaintext: HashMap<KeyDigest, bool>,
    hashes: HashMap<KeyDigest, bool>,
    /// The hash functions of the store.
    variants: BTreeSet<Variant>,
    /// Whether there is a token that no file can hold.
    impossible: bool,
}

impl Wanted {
    /// Adds the token of a record and returns how it is stored.
    fn add(&mut self, record: &Authorization<'_>) -> Option<Storage> {
        self.insert(&Sought::of(record)?);
        Some(record.storage())
    }

    fn insert(&mut self, sought: &Sought) {
        match sought {
            Sought::Plaintext(digest) => drop(self.plaintext.insert(*digest, false)),
            Sought::Hash(variant, digest) => {
                self.variants.insert(*variant);
                self.hashes.insert(*digest, false);
            }
            Sought::Nothing => self.impossible = true,
        }
    }

    /// Marks the tokens that an entry of the file holds. Returns whether there are any.
    fn take(&mut self, texts: &[Token]) -> bool {
        let mut belongs = false;
        let mut mark = |held: Option<&mut bool>| {
            if let Some(held) = held {
                *held = true;
                belongs = true;
            }
        };
        for text in texts {
            let bytes = text.reveal().as_bytes();
            mark(self.plaintext.get_mut(&key_digest(bytes)));
            for variant in &self.variants {
                let hash = key_digest(TokenHash::of(*variant, bytes).to_phc().as_bytes());
                mark(self.hashes.get_mut(&hash));
            }
        }
        belongs
    }

    fn is_held(&self) -> bool {
        let all = |held: &HashMap<KeyDigest, bool>| held.values().all(|held| *held);
        !self.impossible && all(&self.plaintext) && all(&self.hashes)
    }

    fn holds(&self, sought: &Sought) -> bool {
        let held = match sought {
            Sought::Plaintext(digest) => self.plaintext.get(digest),
            Sought::Hash(_, digest) => self.hashes.get(digest),
            Sought::Nothing => None,
        };
        held.copied().unwrap_or(false)
    }
}

impl Missing {
    fn of(record: &Authorization<'_>, catalog: &Catalog) -> Self {
        let org = catalog
            .orgs
            .get(&record.org_id)
            .map(|org| org.name.clone())
            .or_else(|| deleted(catalog, names::ORGANIZATIONS));
        let user = record.user_id.and_then(|id| match catalog.users.get(&id) {
            Some(user) => Some(user.name.clone()),
            None => deleted(catalog, names::USERS),
        });
        Self {
            id: record.id,
            storage: record.storage(),
            description: Some(record.description.to_string()),
            org_id: Some(record.org_id),
            org,
            user_id: record.user_id,
            user,
        }
    }

    fn bare(id: Id, storage: Storage) -> Self {
        Self {
            id,
            storage,
            description: None,
            org_id: None,
            org: None,
            user_id: None,
            user: None,
        }
    }
}

/// The name of a record that is not there, unless damage may hide it.
fn deleted(catalog: &Catalog, bucket: &[u8]) -> Option<String> {
    (!catalog.hidden.hides(bucket)).then(String::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::capture::read::read_whole;
    use crate::ops::capture::unseal::Unseal;
    use crate::store::Model;

    const TEXT: &[&str] = &["one", "two", "three"];

    /// `one` in plaintext, `two` as SHA-256, `three` as SHA-512.
    fn store() -> Model {
        let mut model = Model::default();
        for (n, fields) in (1..).zip([
            format!(r#""token":"{}""#, TEXT[0]),
            hashed(Variant::Sha256, TEXT[1]),
            hashed(Variant::Sha512, TEXT[2]),
        ]) {
            let id = format!("{n:016x}");
            let record = format!(
                r#"{{"id":"{id}","orgID":"0000000000000001","permissions":[],"description":"d",{fields}}}"#
            );
            model.put(names::AUTHORIZATIONS, id.as_bytes(), record.as_bytes());
        }
        model
    }

    fn hashed(variant: Variant, token: &str) -> String {
        let hash = TokenHash::of(variant, token.as_bytes()).to_phc();
        format!(r#""hashedToken":"{hash}""#)
    }

    /// Which tokens a list lacks, and how many of its lines belong to none.
    fn missing(list: &str) -> (Vec<String>, u64) {
        let model = store();
        let mut wanted = Wanted::default();
        authorization::scan(&model, names::AUTHORIZATIONS, &mut |record| {
            wanted.add(record);
        })
        .unwrap();
        let mut unmatched = 0;
        read_whole(
            &mut list.as_bytes(),
            "list",
            &Unseal::default(),
            &mut |texts| {
                unmatched += u64::from(!wanted.take(&texts));
            },
        )
        .unwrap();
        let catalog = Catalog::load(&model).unwrap();
        let mut missing = Vec::new();
        authorization::scan(&model, names::AUTHORIZATIONS, &mut |record| {
            if !wanted.holds(&Sought::of(record).unwrap()) {
                missing.push(Missing::of(record, &catalog).id.to_string());
            }
        })
        .unwrap();
        assert_eq!(missing.is_empty(), wanted.is_held());
        (missing, unmatched)
    }

    #[test]
    fn values_are_compared_with_tokens_and_with_hashes_of_both_variants() {
        let id = |n: u64| format!("{n:016x}");
        assert_eq!(missing("one\ntwo\nthree\n"), (vec![], 0));
        assert_eq!(missing("three\none\nfour\n"), (vec![id(2)], 1));
        assert_eq!(missing("two\n"), (vec![id(1), id(3)], 0));
        assert_eq!(missing(""), (vec![id(1), id(2), id(3)], 0));
    }

    #[test]
    fn a_hash_is_not_a_value() {
        let hash = |variant, token: &str| TokenHash::of(variant, token.as_bytes()).to_phc();
        let list = format!(
            "one\n{}\n{}\n",
            hash(Variant::Sha256, "two"),
            hash(Variant::Sha512, "three")
        );
        assert_eq!(missing(&list).0.len(), 2);
        assert_eq!(missing(&list).1, 2);
        // A hash that can't be decoded has no value at all.
        assert!(!Wanted::default().holds(&Sought::hash("$influxdb2-md5$AA==")));
    }
}
