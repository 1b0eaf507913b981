//! A store on which a cure is tried, and what was run on it.

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use boltkey::finding::Code;
use boltkey::metadata::names;
use boltkey::store::bolt::create;
use boltkey::store::{Device, Model, OpenOptions, Progress, Snapshot, Store};

use crate::fixtures::{fixture, operator_token};
use crate::scene::{Scene, arguments, text};
use crate::support::device::Recorder;
use crate::support::engine_folder::{HOUR, WEDNESDAY, shard};
use crate::support::record_changes::SOUND;
use crate::support::sandbox::Ran;

/// See the module.
pub struct Ground {
    pub scene: Scene,
    pub code: Code,
    /// What was run to cure it, as one text each.
    pub ran: Vec<String>,
}

impl Ground {
    pub fn new(code: Code) -> Self {
        Self {
            scene: Scene::new(),
            code,
            ran: Vec::new(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scene.path(name)
    }

    /// A file in which the finding must be; its path.
    #[track_caller]
    pub fn store(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        assert!(self.is_found(&path), "{} is not there", self.code);
        path
    }

    /// A bolt file with these records, in which the finding must be.
    #[track_caller]
    pub fn records(&self, name: &str, model: &Model) -> PathBuf {
        self.store(name, &bolt_of(model))
    }

    /// A store whose buckets have no time-series metadata, and an engine folder with a shard of one of
    /// them in another place.
    #[track_caller]
    pub fn without_time_series(&self, model: &Model) -> (PathBuf, PathBuf) {
        let database = self.records("without.bolt", model);
        let engine = self.path("elsewhere");
        let (bucket, _) = pairs(model, names::BUCKETS).remove(0);
        shard(&engine, &bucket, 7, (WEDNESDAY, WEDNESDAY + HOUR));
        (database, engine)
    }

    /// Whether `check` finds it. Where a store is none of InfluxDB's, only its structure counts.
    #[track_caller]
    pub fn is_found(&self, path: &Path) -> bool {
        let mut ran = self.scene.run(&["check", "--json"], path, &[]);
        if ![0, 3].contains(&ran.code) {
            ran = self
                .scene
                .run(&["check", "--structure-only", "--json"], path, &[]);
        }
        assert!([0, 3].contains(&ran.code), "{}: {ran:?}", self.code);
        names_of(&ran.json()).contains(self.code.name())
    }

    #[track_caller]
    pub fn is_gone(&self, path: &Path) {
        assert!(!self.is_found(path), "{} is still there", self.code);
    }

    /// Runs a command of the cure, without a question. It must end with 0.
    #[track_caller]
    pub fn cure(&mut self, command: &str, database: &Path, extra: &[&str]) -> Ran {
        let words: Vec<&str> = command.split(' ').collect();
        let ran = self.scene.run(&words, database, extra);
        assert_eq!(ran.code, 0, "{}: {command} {extra:?}: {ran:?}", self.code);
        self.ran.push(format!("{command} --db {}", extra.join(" ")));
        ran
    }

    /// `boltkey repair` of this finding alone: it is gone, and a second run changes nothing. Returns
    /// what can be read then.
    #[track_caller]
    pub fn repaired(&mut self, database: &Path) -> Model {
        let extra = ["--yes", "--only", self.code.name()];
        self.cure("repair", database, &extra);
        self.is_gone(database);
        let bytes = fs::read(database).unwrap();
        let again = self.cure("repair", database, &extra);
        assert!(again.stdout.contains("nothing to repair"), "{again:?}");
        assert!(fs::read(database).unwrap() == bytes, "{}", self.code);
        model_of(database)
    }

    /// Whether a command was run, with these options.
    pub fn has_run(&self, words: &[String], options: &[String]) -> bool {
        let whole = words.join(" ");
        self.ran.iter().any(|ran| {
            let begins = |command: &str| {
                ran.strip_prefix(command)
                    .is_some_and(|rest| rest.starts_with(' '))
            };
            (begins(&whole) || words.first().is_some_and(|first| begins(first)))
                && options.iter().all(|option| ran.contains(option.as_str()))
        })
    }

    /// `boltkey backup restore` over the damaged store: what the sound one held is there again.
    #[track_caller]
    pub fn restored(&mut self, database: &Path) {
        let sound = self.path("sound.bolt");
        fs::write(&sound, fixture(SOUND)).unwrap();
        let backup = self.path("backup");
        let out = ["--out", text(&backup)];
        self.scene.run(&["backup", "export"], &sound, &out).ok();
        let token = self.path("operator");
        fs::write(&token, operator_token(SOUND)).unwrap();
        let command = [
            "backup",
            "restore",
            text(&backup),
            "--to",
            text(database),
            "--operator-token-file",
            text(&token),
            "--force",
            "--yes",
        ];
        let ran = self.scene.sandbox.run(command);
        assert_eq!(ran.code, 0, "{}: {ran:?}", self.code);
        self.ran.push(command.join(" "));
        assert!(!self.is_found(database), "{} is still there", self.code);
        assert_eq!(tokens_of(&model_of(database)), tokens_of(&model_of(&sound)));
    }

    /// `boltkey compact`: a new file without the finding, with the same records.
    #[track_caller]
    pub fn compacted(&mut self, database: &Path) {
        let new = self.path("compacted.bolt");
        self.cure("compact", database, &["--out", text(&new)]);
        self.is_gone(&new);
        assert!(model_of(&new) == model_of(database), "{}", self.code);
    }

    /// `boltkey salvage`: a new file without the finding. All tokens are in it, but those of one
    /// damaged page.
    #[track_caller]
    pub fn salvaged(&mut self, database: &Path) {
        let new = self.path("salvaged.bolt");
        let extra = ["--out", text(&new)];
        let ran = self.scene.run(&["salvage"], database, &extra);
        assert!([0, 3].contains(&ran.code), "{}: {ran:?}", self.code);
        self.ran.push(format!("salvage --db {}", extra.join(" ")));
        self.is_gone(&new);
        let (sound, found) = (tokens_of(&bolt_model(SOUND)), tokens_of(&model_of(&new)));
        let here = sound.iter().filter(|token| found.contains(*token)).count();
        assert!(
            here + 4 >= sound.len(),
            "{}: {here} of {}",
            self.code,
            sound.len()
        );
    }

    /// `boltkey compact --previous`: the transaction before as a new file.
    #[track_caller]
    pub fn stepped_back(&mut self, database: &Path) {
        let new = self.path("previous.bolt");
        let extra = ["--previous", "--out", text(&new)];
        self.cure("compact", database, &extra);
        self.is_gone(&new);
        assert!(!tokens_of(&model_of(&new)).is_empty());
    }

    /// `boltkey capture` and `boltkey residue recover` on a damaged store of [`SOUND`]: both end
    /// well, and what they write is true and not nothing.
    #[track_caller]
    pub fn saved(&mut self, database: &Path) {
        let sound = bolt_model(SOUND);
        let all = tokens_of(&sound);
        let mut saved = BTreeSet::new();
        for command in ["capture", "residue recover"] {
            let out = self.path(&command.replace(' ', "-"));
            self.cure(command, database, &["--out", text(&out)]);
            // Nothing found, nothing written.
            let Ok(written) = fs::read(&out) else {
                continue;
            };
            let json: serde_json::Value = serde_json::from_slice(&written).unwrap();
            for token in json["tokens"].as_array().unwrap() {
                let value = token["token"].as_str().unwrap().to_owned();
                saved.insert(value);
            }
        }
        let known: Vec<&String> = saved
            .iter()
            .filter(|value| all.iter().any(|record| record.contains(value.as_str())))
            .collect();
        assert!(
            known.len() * 2 > all.len(),
            "{}: {} of {} tokens saved",
            self.code,
            known.len(),
            all.len()
        );
    }

    /// `boltkey check` as a cure names it: it says what of the file can be read.
    #[track_caller]
    pub fn checked(&mut self, database: &Path) {
        let ran = self.scene.run(&["check"], database, &[]);
        assert_eq!(ran.code, 3, "{}: {ran:?}", self.code);
        assert!(ran.stdout.contains("Previous:"), "{ran:?}");
        self.ran.push("check ".into());
    }

    /// Runs `arguments` without a database of their own.
    #[track_caller]
    pub fn run(&self, command: &[&str], database: &Path, extra: &[&str]) -> Ran {
        self.scene.sandbox.run(arguments(command, database, extra))
    }
}

/// The codes in a report.
pub fn names_of(report: &serde_json::Value) -> BTreeSet<String> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| finding["code"].as_str().unwrap().to_owned())
        .collect()
}

/// A bolt file with these records.
pub fn bolt_of(model: &Model) -> Vec<u8> {
    let file = Recorder::new(Vec::new());
    let device: Arc<dyn Device> = Arc::new(file.clone());
    let progress = Progress::new(&|_| {});
    create(model, 4096, &device, Path::new("made"), &progress).unwrap();
    file.bytes()
}

/// What can be read of a store.
pub fn model_of(path: &Path) -> Model {
    let store = Store::open(path, &OpenOptions::default()).unwrap();
    Model::copy_of(store.snapshot()).unwrap().0
}

pub fn bolt_model(name: &str) -> Model {
    model_of(&crate::fixtures::fixture_path(name))
}

/// All pairs of a bucket, as text.
pub fn pairs(model: &Model, bucket: &[u8]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut pairs = Vec::new();
    let _ = model
        .scan(bucket, &mut |key, value| {
            pairs.push((text(key), text(value)));
            ControlFlow::Continue(())
        })
        .unwrap();
    pairs
}

/// The records of all tokens.
pub fn tokens_of(model: &Model) -> Vec<String> {
    let records = pairs(model, names::AUTHORIZATIONS).into_iter();
    records.map(|(_, value)| value).collect()
}
