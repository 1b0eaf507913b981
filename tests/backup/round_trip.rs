//! An exported and restored store is the same in every bucket, key, value and sequence: every sound
//! store of the fixtures, by way of either engine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use boltkey::ErrorKind;
use boltkey::finding::Severity;
use boltkey::ops::backup::Compression;
use boltkey::ops::backup::export::{Options as ExportOptions, Out, export};
use boltkey::ops::backup::restore::{Options, Planned};
use boltkey::ops::backup::restored_access::{Missing, OperatorSource};
use boltkey::ops::backup::source::{Backup, From};
use boltkey::ops::convert::convert;
use boltkey::ops::files::disk::RealDisk;
use boltkey::ops::resolve::By;
use boltkey::secret::Token;
use boltkey::store::{Engine, OpenOptions, Progress, Snapshot, Store};
use serde_json::Value;
use tempfile::TempDir;

use crate::scene::{into_empty, planned};
use crate::support::fixtures::{content, fixtures, operator_token};

/// All that a store holds: of each bucket its sequence, under an empty key, and its entries.
type Records = BTreeMap<(String, Vec<u8>), Vec<u8>>;

fn records(path: &Path) -> Records {
    let store = Store::open(path, &OpenOptions::default()).unwrap();
    records_of(store.snapshot())
}

fn records_of(snapshot: &dyn Snapshot) -> Records {
    let mut all = BTreeMap::new();
    for bucket in snapshot.buckets().unwrap().0 {
        let name = String::from_utf8(bucket.name.clone());
        let name = name.unwrap_or_else(|name| hex::encode(name.as_bytes()));
        let sequence = bucket.sequence.to_le_bytes().to_vec();
        all.insert((name.clone(), Vec::new()), sequence);
        snapshot
            .scan(&bucket.name, &mut |key, value| {
                all.insert((name.clone(), key.to_vec()), value.to_vec());
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
    }
    all
}

/// The sound stores in a folder of fixtures.
fn stores(folder: &str) -> Vec<(String, PathBuf)> {
    let mut stores: Vec<_> = fs::read_dir(fixtures().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| {
            let (name, _) = path.file_name()?.to_str()?.split_once(".bolt")?;
            Some((name.to_owned(), path.clone()))
        })
        .collect();
    stores.sort();
    stores
}

/// A folder in which one store goes there and back.
struct Trip {
    folder: TempDir,
    name: String,
    tried: usize,
}

impl Trip {
    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self, name: &str) -> Store {
        Store::open(&self.at(name), &OpenOptions::default()).unwrap()
    }

    fn export(&self, source: &str, compression: Compression) -> PathBuf {
        let out = self.at(&format!("backup-{source}"));
        let options = ExportOptions {
            sqlite: None,
            compression,
            influx_manifest: compression == Compression::None,
            now: jiff::Timestamp::now(),
        };
        let store = self.open(source);
        export(&store, &options, Out::Folder(&out), &RealDisk, &|_| {}).unwrap();
        out
    }

    /// Restores into an empty place; the path of the new database.
    fn restore(
        &mut self,
        from: &Path,
        opener: OperatorSource,
        engine: Engine,
        hash: bool,
    ) -> boltkey::Result<Option<PathBuf>> {
        self.tried += 1;
        let target = self.at(&format!("target-{}", self.tried));
        fs::create_dir(&target).unwrap();
        let backup = Backup::open(From::Path(from), Some(&target))?;
        let options = Options {
            engine,
            hash,
            ..into_empty(&target.join("database"))
        };
        let planned = planned(&backup, opener, &options);
        // Of several users and organizations, the first ones that work.
        if let Ok(Planned::Missing(Missing::Owner(choices))) = &planned {
            let user = choices.users.iter().find(|user| !user.is_inactive).unwrap();
            let opener = OperatorSource::New {
                user: Some(By::Id(user.id)),
                org: Some(By::Id(choices.orgs[0].id)),
            };
            fs::remove_dir_all(&target).unwrap();
            return self.restore(from, opener, engine, hash);
        }
        let ended = planned.and_then(|planned| match planned {
            Planned::Missing(_) => unreachable!("the token is given"),
            Planned::Refused(_) => Ok(None),
            Planned::Ready(mut plan) => plan
                .apply(None, "20260101T000000Z", &RealDisk, &|_| {})
                .map(|_| Some(options.to.clone())),
        });
        let left = fs::read_dir(&target).unwrap().count();
        let done = matches!(ended, Ok(Some(_)));
        assert_eq!(left, usize::from(done), "{}: {ended:?}", self.name);
        ended
    }
}

fn new_operator() -> OperatorSource {
    OperatorSource::New {
        user: None,
        org: None,
    }
}

/// Without what hashing changes: the tokens, and their indexes, and what is written down of the
/// migration.
fn without_tokens(mut records: Records) -> Records {
    records.retain(|(bucket, key), value| {
        if bucket == "authorizationsv1" && !key.is_empty() {
            let mut record: Value = serde_json::from_slice(value).unwrap();
            let fields = record.as_object_mut().unwrap();
            let token = fields.shift_remove("token");
            let hash = fields.shift_remove("hashedToken");
            assert!(token.or(hash).is_some());
            *value = record.to_string().into_bytes();
        }
        ![
            "authorizationindexv1",
            "authorizationhashedindexv1",
            "migrationsv1",
        ]
        .contains(&bucket.as_str())
    });
    records
}

#[test]
fn servers_stores_go_there_and_back() {
    let (mut exact, mut with_new, mut hashed) = (0, 0, 0);
    for (name, path) in stores("real") {
        let mut trip = Trip {
            folder: TempDir::new().unwrap(),
            name: name.clone(),
            tried: 0,
        };
        fs::write(trip.at("bolt"), content(&path)).unwrap();
        let redb = trip.at("redb");
        convert(
            &trip.open("bolt"),
            &redb,
            Engine::Redb,
            &Progress::new(&|_| {}),
        )
        .unwrap();
        let old = records(&trip.at("bolt"));
        for source in ["bolt", "redb"] {
            let compression = match source {
                "bolt" => Compression::Gzip,
                _ => Compression::None,
            };
            let backup = trip.export(source, compression);
            for engine in [Engine::Bolt, Engine::Redb] {
                let place = format!("{name}: {source} to {}", engine.name());
                let token = || OperatorSource::Token(Token::new(operator_token(&name)));
                match trip.restore(&backup, token(), engine, false).unwrap() {
                    Some(new) => {
                        assert!(records(&new) == old, "{place}: not what it was");
                        exact += 1;
                    }
                    // A downgrade has taken its tokens.
                    None => assert!(name.ends_with("-hashed"), "{place}"),
                }
                let new = trip
                    .restore(&backup, new_operator(), engine, false)
                    .unwrap();
                let mut new = records(&new.unwrap());
                // One more token: a record and an entry in one of the indexes.
                let mut gone = old.clone();
                gone.retain(|pair, value| new.remove(pair).as_ref() != Some(value));
                assert_eq!((gone.len(), new.len()), (0, 2), "{place}: {:?}", new.keys());
                with_new += 1;
                match trip.restore(&backup, token(), engine, true) {
                    Ok(Some(new)) => {
                        let new = records(&new);
                        let plain = |(bucket, key): &(String, Vec<u8>)| {
                            bucket == "authorizationindexv1" && !key.is_empty()
                        };
                        assert!(!new.keys().any(plain), "{place}: plaintext is left");
                        let same = without_tokens(new) == without_tokens(old.clone());
                        assert!(same, "{place}: hashing changed something else");
                        hashed += 1;
                    }
                    Ok(None) => assert!(name.ends_with("-hashed"), "{place}"),
                    // Hashes need a schema that these releases do not have.
                    Err(error) => {
                        assert!(name.starts_with("downgraded-1"), "{place}: {error}");
                        assert_eq!(error.kind(), ErrorKind::Refused, "{place}");
                    }
                }
            }
        }
    }
    println!("{exact} as they were, {with_new} with a new token, {hashed} hashed");
    println!(
        "cases: backups-there-and-back {}",
        exact + with_new + hashed
    );
}

/// How many buckets inside others there are, and how many errors.
fn nested(store: &Store) -> (usize, usize) {
    let findings = store.inspect().check().unwrap().findings;
    let nested = findings
        .iter()
        .filter(|found| found.code == "structure.nested-bucket");
    let errors = findings
        .iter()
        .filter(|found| found.severity == Severity::Error);
    (nested.count(), errors.count())
}

/// A file of Bolt that is no server's: what is exported is what it holds, and no place is given to
/// what holds nothing of InfluxDB's.
#[test]
fn bolt_s_own_files_are_exported_as_they_are() {
    let (mut exported, mut restored) = (0, 0);
    for (name, path) in stores("bbolt") {
        let mut trip = Trip {
            folder: TempDir::new().unwrap(),
            name: name.clone(),
            tried: 0,
        };
        fs::write(trip.at("bolt"), content(&path)).unwrap();
        let old = records(&trip.at("bolt"));
        let backup = trip.export("bolt", Compression::Gzip);
        let opened = Backup::open(From::Path(&backup), None).unwrap();
        let copy = opened.store(&OpenOptions::default()).unwrap();
        assert!(
            records_of(copy.snapshot()) == old,
            "{name}: not what it was"
        );
        // Buckets inside others are what a server's store never has: they are counted.
        let (nested, errors) = nested(&copy);
        assert_eq!(errors, 0, "{name}");
        assert_eq!(nested, self::nested(&trip.open("bolt")).0, "{name}");
        exported += 1;
        for opener in [
            new_operator(),
            OperatorSource::Token(Token::new("any".into())),
        ] {
            match trip.restore(&backup, opener, Engine::Bolt, false) {
                Err(error) => {
                    assert_eq!(
                        error.effect(),
                        boltkey::error::Effect::Nothing,
                        "{name}: {error}"
                    );
                }
                Ok(None) => {}
                Ok(Some(_)) => restored += 1,
            }
        }
    }
    assert_eq!(restored, 0, "no file of Bolt's own has users");
    println!("cases: bolt-files-exported {exported}");
}
