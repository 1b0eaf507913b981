//! The effect of another release on tokens: which of them a server would still know, and their
//! permissions there.
//!
//! A server *knows* a token when it finds its record, active or not. For an unknown token it always
//! answers 401.

use crate::error::Result;
use crate::finding::Finding;
use crate::metadata::authenticate::{TokenIndexes, can_be_sent, judge};
use crate::metadata::authorization::Kind;
use crate::metadata::permission::{Action, INSTANCE, Permission, allows};
use crate::metadata::{
    Authorization, Catalog, Fingerprint, Id, Release, Storage, TokenHash, Variant, authorization,
    fingerprint, names,
};
use crate::store::Snapshot;

/// A token that loses something.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Loss {
    /// Its authorization.
    pub id: Id,
    /// May be empty.
    pub description: String,
    /// The kind of token.
    pub kind: Kind,
    /// What it loses, and why.
    pub reason: String,
}

/// The effect of another release on the tokens of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReleaseImpact {
    /// Tokens that are known now and will not be, ascending by ID.
    pub lost: Vec<Loss>,
    /// Tokens that stay known but lose permissions, ascending by ID.
    pub reduced: Vec<Loss>,
    /// Number of tokens that will be known.
    pub kept: u64,
    /// Tokens that are neither known now nor will be, ascending.
    pub dead: Vec<Id>,
    /// Tokens stored only as a hash, known or not, ascending.
    pub hashed: Vec<Id>,
    /// The fingerprint of the tokens in `lost` and `hashed`.
    pub values: Fingerprint,
    /// Number of tokens stored in plaintext, known or not.
    pub plaintext: u64,
    /// Whether an operator token would be accepted now.
    pub operator_now: bool,
    /// Whether an operator token would be accepted then.
    pub operator_then: bool,
}

/// Determines the effect on the tokens of a store with schema `migrations` when `target` starts on
/// it. Records that can't be decoded are skipped and reported in the findings.
///
/// # Errors
/// When the file can't be read.
pub fn release_impact(
    snapshot: &dyn Snapshot,
    migrations: u64,
    target: Release,
) -> Result<(ReleaseImpact, Vec<Finding>)> {
    let catalog = Catalog::load(snapshot)?;
    let (indexes, mut skipped) = TokenIndexes::load(snapshot)?;
    let now = migrations >= crate::metadata::migration::HASHING;
    // A missing index of hashes stays missing.
    let then = now && target.knows_hashes();
    let mut found = ReleaseImpact::default();
    let mut values = fingerprint::Running::default();
    skipped.extend(authorization::scan(
        snapshot,
        names::AUTHORIZATIONS,
        &mut |record| {
            if found.add(record, &catalog, &indexes, (now, then), target) {
                values.add(record.id, record.token.as_bytes());
                values.add(record.id, record.hashed_token.as_bytes());
            }
        },
    )?);
    found.values = values.finish();
    skipped.extend(catalog.skipped);
    Ok((found, skipped))
}

impl ReleaseImpact {
    /// Returns whether it is lost, or only its hash is stored.
    fn add(
        &mut self,
        record: &Authorization<'_>,
        catalog: &Catalog,
        indexes: &TokenIndexes,
        (hashes_now, hashes_then): (bool, bool),
        target: Release,
    ) -> bool {
        match record.storage() {
            Storage::Hashed => self.hashed.push(record.id),
            Storage::Plaintext | Storage::Both => self.plaintext += 1,
            Storage::Missing => {}
        }
        let known_now = is_known(record, indexes, hashes_now);
        let known_then = is_known(record, indexes, hashes_then);
        if record.class().kind == Kind::Operator && judge(record, catalog, indexes).authenticates {
            self.operator_now |= known_now;
            self.operator_then |= known_then && is_operator_on(target, &record.permissions);
        }
        let loss = |reason| Loss {
            id: record.id,
            description: record.description.to_string(),
            kind: record.class().kind,
            reason,
        };
        match (known_now, known_then) {
            (true, false) => self.lost.push(loss(why_lost(record, target))),
            (false, false) => self.dead.push(record.id),
            (_, true) => {
                self.kept += 1;
                self.reduced.extend(why_reduced(record, target).map(loss));
            }
        }
        (known_now && !known_then) || record.storage() == Storage::Hashed
    }
}

/// Whether a server finds the record by its token: in the index of raw tokens, then in the index of
/// hashes if it `knows_hashes`.
fn is_known(record: &Authorization<'_>, indexes: &TokenIndexes, knows_hashes: bool) -> bool {
    let leads_here = Some(Some(record.id));
    match record.storage() {
        Storage::Missing => false,
        Storage::Hashed => {
            knows_hashes
                && TokenHash::parse(&record.hashed_token).is_ok_and(|hash| hash.is_complete())
                && indexes.hashed.get(record.hashed_token.as_bytes()) == leads_here
        }
        Storage::Plaintext | Storage::Both => {
            let token = record.token.as_bytes();
            let by_hash = |variant| {
                let key = TokenHash::of(variant, token).to_phc();
                indexes.hashed.get(key.as_bytes()) == leads_here
            };
            can_be_sent(&record.token, &mut Vec::new())
                && match indexes.raw.get(token) {
                    None => knows_hashes && Variant::ALL.into_iter().any(by_hash),
                    entry => entry == leads_here,
                }
        }
    }
}

fn why_lost(record: &Authorization<'_>, target: Release) -> String {
    let mut reason = match record.storage() {
        Storage::Hashed => format!(
            "only its hash is stored, and {target} does not support \
                                    hashed tokens"
        ),
        _ => format!(
            "it has no entry in {}, the only index that {target} uses",
            String::from_utf8_lossy(names::AUTHORIZATION_INDEX)
        ),
    };
    if !record.is_active() {
        reason.push_str("; it is inactive now");
    }
    reason
}

/// What a token loses although it stays known. Operator and all-access tokens don't lose types that
/// the release does not have at all.
fn why_reduced(record: &Authorization<'_>, target: Release) -> Option<String> {
    let mut types: Vec<&str> = Vec::new();
    for permission in &record.permissions {
        let kind = &*permission.resource.kind;
        if target.lacks_type(kind) && !types.contains(&kind) {
            types.push(kind);
        }
    }
    if types.is_empty() || (record.class().kind != Kind::Custom && !types.contains(&INSTANCE)) {
        return None;
    }
    types.sort_unstable();
    Some(format!(
        "{target} does not know its permissions on {}",
        types.join(", ")
    ))
}

/// Whether the release accepts these permissions as an operator token's.
fn is_operator_on(target: Release, permissions: &[Permission<'_>]) -> bool {
    let permissions: Vec<Permission<'_>> = permissions
        .iter()
        .filter(|permission| !target.lacks_type(&permission.resource.kind))
        .cloned()
        .collect();
    let mut types = target.resource_types().iter().filter(|t| **t != INSTANCE);
    types.all(|kind| {
        let may = |action| {
            let asked = Permission::new(action, *kind, None, None);
            allows(&permissions, &asked)
        };
        Action::ALL.into_iter().all(may)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::permission::of_operator;
    use crate::store::Model;

    const ORG: &str = "0000000000000001";

    /// A store with one user and organization, and records of these fields, numbered from 1.
    fn store(records: &[String]) -> Model {
        let mut model = Model::default();
        for (fields, number) in records.iter().zip(1_u64..) {
            let id = format!("{number:016x}");
            let record = format!(
                r#"{{"id":"{id}","orgID":"{ORG}","userID":"{ORG}","description":"d{number}",{fields}}}"#
            );
            model.put(names::AUTHORIZATIONS, id.as_bytes(), record.as_bytes());
        }
        let user = format!(r#"{{"id":"{ORG}","name":"u","status":"active"}}"#);
        model.put(names::USERS, ORG.as_bytes(), user.as_bytes());
        let org = format!(r#"{{"id":"{ORG}","name":"o"}}"#);
        model.put(names::ORGANIZATIONS, ORG.as_bytes(), org.as_bytes());
        model
    }

    fn index(model: &mut Model, bucket: &[u8], key: &str, number: u64) {
        model.put(bucket, key.as_bytes(), format!("{number:016x}").as_bytes());
    }

    fn hash(token: &str) -> String {
        TokenHash::of(Variant::Sha256, token.as_bytes()).to_phc()
    }

    fn found(model: &Model, migrations: u64, target: &str) -> ReleaseImpact {
        let (found, skipped) = release_impact(model, migrations, target.parse().unwrap()).unwrap();
        assert!(skipped.is_empty(), "{skipped:?}");
        found
    }

    fn ids(ids: impl IntoIterator<Item = Id>) -> Vec<u64> {
        ids.into_iter().map(Id::get).collect()
    }

    #[test]
    fn each_way_to_be_found_and_not() {
        let h = hash("h");
        let records = [
            r#""token":"p""#.to_owned(),
            format!(r#""hashedToken":"{h}""#),
            format!(r#""token":"b","hashedToken":"{}""#, hash("b")),
            format!(r#""token":"c","hashedToken":"{}""#, hash("c")),
            format!(r#""hashedToken":"{}""#, hash("no entry")),
            r#""status":"active""#.to_owned(),
            r#""hashedToken":"$influxdb2-sha999$AAAA""#.to_owned(),
            format!(r#""hashedToken":"{}","status":"inactive""#, hash("off")),
            r#""token":"\n""#.to_owned(),
            r#""hashedToken":"$influxdb2-sha256$AAAA""#.to_owned(),
            r#""token":"elsewhere""#.to_owned(),
        ];
        let mut model = store(&records);
        for (key, number) in [("p", 1), ("b", 3), ("\n", 9), ("elsewhere", 1)] {
            index(&mut model, names::AUTHORIZATION_INDEX, key, number);
        }
        for (key, number) in [
            (&*h, 2),
            // This one is found by the hash of its plaintext.
            (&hash("c"), 4),
            ("$influxdb2-sha999$AAAA", 7),
            (&hash("off"), 8),
            ("$influxdb2-sha256$AAAA", 10),
        ] {
            index(&mut model, names::AUTHORIZATION_HASHED_INDEX, key, number);
        }
        let to_27 = found(&model, 21, "2.7");
        assert_eq!(ids(to_27.lost.iter().map(|loss| loss.id)), [2, 4, 8]);
        assert_eq!((to_27.kept, to_27.reduced.len()), (2, 0));
        assert_eq!(ids(to_27.dead.clone()), [5, 6, 7, 9, 10, 11]);
        assert_eq!(ids(to_27.hashed.clone()), [2, 5, 7, 8, 10]);
        assert_eq!(to_27.plaintext, 5);
        let reasons: Vec<&str> = to_27.lost.iter().map(|loss| &*loss.reason).collect();
        assert!(
            reasons[0].contains("only its hash is stored"),
            "{reasons:?}"
        );
        assert!(reasons[1].contains("authorizationindexv1"), "{reasons:?}");
        assert!(reasons[2].contains("inactive"), "{reasons:?}");
        let to_28 = found(&model, 21, "2.8");
        assert_eq!((to_28.lost.len(), to_28.kept), (0, 5));
        // After a downgrade the hashed ones are not known any more, so they can't be lost.
        for target in ["2.7", "2.9"] {
            let at_20 = found(&model, 20, target);
            assert_eq!((at_20.lost.len(), at_20.kept), (0, 2));
        }
    }

    #[test]
    fn permissions_that_came_later() {
        let permission = |kind: &str| {
            format!(r#"{{"action":"read","resource":{{"type":"{kind}","orgID":"{ORG}"}}}}"#)
        };
        let list = |kinds: &[&str]| {
            let list: Vec<String> = kinds.iter().map(|kind| permission(kind)).collect();
            format!(r#""permissions":[{}]"#, list.join(","))
        };
        let operator: Vec<String> = of_operator(21)
            .iter()
            .map(|p| {
                let (action, kind) = (p.action, &p.resource.kind);
                format!(r#"{{"action":"{action}","resource":{{"type":"{kind}"}}}}"#)
            })
            .collect();
        let operator = format!(r#""permissions":[{}]"#, operator.join(","));
        let instance = r#""permissions":[{"action":"read","resource":{"type":"instance"}},
            {"action":"write","resource":{"type":"instance"}}]"#;
        let records = [
            format!(r#""token":"1",{}"#, list(&["buckets", "notebooks"])),
            format!(
                r#""token":"2",{}"#,
                list(&["remotes", "flows", "annotations"])
            ),
            format!(r#""token":"3",{operator}"#),
            format!(r#""token":"4",{instance}"#),
        ];
        let mut model = store(&records);
        for number in 1..=4 {
            let key = number.to_string();
            index(&mut model, names::AUTHORIZATION_INDEX, &key, number);
        }
        for (target, reduced) in [
            ("2.0", &[1, 2, 4][..]),
            ("2.1", &[2, 4]),
            ("2.3", &[4]),
            ("2.4", &[]),
            ("2.7", &[]),
        ] {
            let found = found(&model, 21, target);
            assert_eq!(ids(found.reduced.iter().map(|l| l.id)), reduced, "{target}");
            assert_eq!((found.lost.len(), found.kept), (0, 4), "{target}");
            assert!(found.operator_now && found.operator_then, "{target}");
        }
        let found_20 = found(&model, 21, "2.0");
        assert!(
            found_20.reduced[1]
                .reason
                .ends_with("on annotations, remotes")
        );
        // Without the real operator token, no token has operator power below 2.4.
        model.delete(names::AUTHORIZATIONS, b"0000000000000003");
        assert!(found(&model, 21, "2.4").operator_then);
        let found_23 = found(&model, 21, "2.3");
        assert!(found_23.operator_now && !found_23.operator_then);
    }
}
