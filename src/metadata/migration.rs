//! The schema of a store: its finished migrations, and the releases that use it.

use std::ops::ControlFlow;

use serde::Deserialize;

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::metadata::catalog::{Undecodable, undecodable_record};
use crate::metadata::json::push_string;
use crate::metadata::{Id, go_json, names};
use crate::store::{ChangeSet, Snapshot};

/// The names of the migrations as stored, by number from 1 (`kv/migration/all`).
pub const MIGRATIONS: [&str; 21] = [
    "initial migration",
    "add index \"userresourcemappingsbyuserindexv1\"",
    "migrate task owner id",
    "create DBRP buckets",
    "create pkger stacks buckets",
    "delete sessionsv1 bucket",
    "Create TSM metadata buckets",
    "Create Legacy authorization buckets",
    "Create legacy auth password bucket",
    "add index \"telegrafbyorgindexv1\"",
    "populate dashboards owner id",
    "add index \"dbrpbyorgv1\"",
    "repair DBRP owner and bucket IDs",
    "add index \"dbrpbyorgv1\"",
    "record shard group durations in bucket metadata",
    "add annotations and notebooks resource types to operator token",
    "add annotations and notebooks resource types to all-access tokens",
    "repair missing shard group durations",
    "add remotes and replications resource types to operator and all-access tokens",
    "create remotes and replications metrics buckets",
    "create authorizationhashedindexv1 bucket",
];

/// The first schema with hashed tokens.
pub const HASHING: u64 = 21;

/// The content of the migration records.
#[derive(Debug, Clone)]
pub struct Schema {
    /// The highest finished migration; 0 when there is none.
    pub migrations: u64,
    /// Whether this version knows it: 1…n without a gap, with the exact names, all finished, n at
    /// most 21.
    pub known: bool,
    /// Problems of the records.
    pub findings: Vec<Finding>,
}

/// A migration record. Its key is its number.
#[derive(Deserialize)]
struct Record {
    /// influxd does not use it, but does not start if it can't read it.
    #[serde(default, rename = "id")]
    _id: Option<Id>,
    #[serde(default)]
    name: String,
    #[serde(default, rename = "started_at", deserialize_with = "time")]
    _started_at: Option<String>,
    #[serde(default, deserialize_with = "time")]
    finished_at: Option<String>,
}

/// A time that influxd can read.
fn time<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    if text
        .as_ref()
        .is_some_and(|text| !go_json::is_time(text.as_bytes()))
    {
        return Err(serde::de::Error::custom("invalid time"));
    }
    Ok(text)
}

impl Schema {
    /// Reads `migrationsv1`.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn load(snapshot: &dyn Snapshot) -> Result<Self> {
        let mut records = Vec::new();
        let mut findings = Vec::new();
        let mut undecodable = Undecodable::default();
        let damage = snapshot.scan(names::MIGRATIONS, &mut |key, value| {
            match (Id::from_bytes(key), serde_json::from_slice::<Record>(value)) {
                (Ok(id), Ok(record)) => records.push(Some((id, record))),
                (Err(cause), _) => {
                    let cause = serde::de::Error::custom(cause);
                    undecodable.push(undecodable_record(names::MIGRATIONS, key, &cause));
                }
                (_, Err(cause)) => {
                    undecodable.push(undecodable_record(names::MIGRATIONS, key, &cause));
                    records.push(None);
                }
            }
            ControlFlow::Continue(())
        })?;
        findings.extend(undecodable.into_findings(names::MIGRATIONS));
        findings.extend(damage);
        let mut migrations = 0;
        for (record, expected) in records.iter().zip(1..) {
            // An undecodable record counts as present.
            let Some((id, record)) = record else { continue };
            let number = id.get();
            let place = format!("migrationsv1/{id}");
            let mut found = |code, text| {
                findings.push(Finding::new(code, place.clone(), text));
            };
            let known = number
                .checked_sub(1)
                .and_then(|n| usize::try_from(n).ok())
                .and_then(|n| MIGRATIONS.get(n));
            match known {
                None => found(
                    Code::MigrationUnknown,
                    format!(
                        "InfluxDB up to 2.9 does not know this migration and stops with \"DB \
                         contains record of unknown migration {:?}\"",
                        record.name
                    ),
                ),
                Some(name) if *name != record.name => found(
                    Code::MigrationName,
                    format!(
                        "influxd stops here with \"expected migration {name:?}, found {:?}\"",
                        record.name
                    ),
                ),
                Some(_) => {}
            }
            if number != expected {
                found(
                    Code::MigrationGap,
                    String::from(
                        "a migration before this one is missing; influxd does not notice and \
                         never runs it",
                    ),
                );
            }
            if record.finished_at.is_some() {
                migrations = migrations.max(number);
            } else {
                found(
                    Code::MigrationUnfinished,
                    String::from(
                        "this migration was started but not finished; influxd runs it again",
                    ),
                );
            }
        }
        Ok(Self {
            migrations,
            known: findings.is_empty() && migrations > 0,
            findings,
        })
    }

    /// The releases that write this schema, such as `2.8–2.9`.
    #[must_use]
    pub fn release(&self) -> &'static str {
        match self.migrations {
            n if n > 21 => "newer than 2.9",
            _ if !self.known => "unknown",
            11 => "2.0.0–2.0.2",
            14 => "2.0.3–2.0.4",
            15 => "2.0.5–2.0.9",
            18 => "2.1",
            19 => "2.2",
            20 => "2.3–2.7",
            21 => "2.8–2.9",
            _ => "none",
        }
    }
}

/// Adds the record of a migration that was started and finished at `utc` to `changes`, as influxd
/// writes it. Does nothing for an unknown number.
pub fn put_record(changes: &mut ChangeSet, number: u64, utc: &str) {
    let name = number
        .checked_sub(1)
        .and_then(|n| usize::try_from(n).ok())
        .and_then(|n| MIGRATIONS.get(n));
    let (Some(name), Some(id)) = (name, Id::new(number)) else {
        return;
    };
    let mut record = Vec::new();
    for (before, text) in [
        ("{\"id\":", id.to_string().as_str()),
        (",\"name\":", name),
        (",\"started_at\":", utc),
        (",\"finished_at\":", utc),
    ] {
        record.extend_from_slice(before.as_bytes());
        push_string(text, &mut record);
    }
    record.push(b'}');
    changes.put(names::MIGRATIONS, id.to_string().as_bytes(), &record);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Commit, Model};

    fn store(count: u64) -> Model {
        let mut model = Model::default();
        for (name, number) in MIGRATIONS.iter().zip(1..=count) {
            put(&mut model, number, name, true);
        }
        model
    }

    fn put(model: &mut Model, number: u64, name: &str, finished: bool) {
        let id = Id::new(number).unwrap();
        let finished = if finished {
            r#","finished_at":"2021-01-01T00:00:00Z""#
        } else {
            ""
        };
        let name = serde_json::to_string(name).unwrap();
        let value = format!(r#"{{"id":"{id}","name":{name}{finished}}}"#);
        model.put(
            names::MIGRATIONS,
            id.to_string().as_bytes(),
            value.as_bytes(),
        );
    }

    fn codes(model: &Model) -> (u64, bool, Vec<&'static str>) {
        let schema = Schema::load(model).unwrap();
        let codes = schema.findings.iter().map(|f| f.code.name()).collect();
        (schema.migrations, schema.known, codes)
    }

    #[test]
    fn releases() {
        for (count, release) in [
            (15, "2.0.5–2.0.9"),
            (18, "2.1"),
            (20, "2.3–2.7"),
            (21, "2.8–2.9"),
        ] {
            let schema = Schema::load(&store(count)).unwrap();
            assert_eq!((schema.migrations, schema.known), (count, true));
            assert_eq!(schema.release(), release);
        }
        let empty = Schema::load(&Model::default()).unwrap();
        assert_eq!((empty.known, empty.release()), (false, "unknown"));
        let mut newer = store(21);
        put(&mut newer, 22, "something new", true);
        assert_eq!(Schema::load(&newer).unwrap().release(), "newer than 2.9");
        let mut renamed = store(21);
        put(&mut renamed, 21, "something else", true);
        assert_eq!(Schema::load(&renamed).unwrap().release(), "unknown");
    }

    #[test]
    fn a_record_is_written_as_influxd_writes_it() {
        let mut model = store(20);
        let mut changes = ChangeSet::default();
        put_record(&mut changes, 21, "2021-09-28T12:54:57.434956Z");
        put_record(&mut changes, 22, "never");
        model.commit(&changes, &[]).unwrap();
        let record = model.get(names::MIGRATIONS, b"0000000000000015").unwrap();
        assert_eq!(
            String::from_utf8(record.unwrap()).unwrap(),
            r#"{"id":"0000000000000015","name":"create authorizationhashedindexv1 bucket","started_at":"2021-09-28T12:54:57.434956Z","finished_at":"2021-09-28T12:54:57.434956Z"}"#
        );
        let schema = Schema::load(&model).unwrap();
        assert_eq!((schema.migrations, schema.known), (21, true));
    }

    #[test]
    fn what_is_not_known() {
        let mut newer = store(21);
        put(&mut newer, 22, "something new", true);
        assert_eq!(
            codes(&newer),
            (22, false, vec!["metadata.migration-unknown"])
        );
        let mut renamed = store(20);
        put(&mut renamed, 3, "other", true);
        assert_eq!(
            codes(&renamed),
            (20, false, vec!["metadata.migration-name"])
        );
        let mut gap = store(18);
        put(&mut gap, 21, MIGRATIONS[20], true);
        assert_eq!(codes(&gap), (21, false, vec!["metadata.migration-gap"]));
        let mut unfinished = store(21);
        put(&mut unfinished, 21, MIGRATIONS[20], false);
        assert_eq!(
            codes(&unfinished),
            (20, false, vec!["metadata.migration-unfinished"])
        );
    }
}
