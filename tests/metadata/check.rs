//! Completeness of the metadata check: for every code, one change to a sound store that causes
//! exactly this finding.

use std::collections::BTreeMap;
use std::path::Path;

use boltkey::finding::{Code, Finding, Severity};
use boltkey::metadata::check::check;
use boltkey::metadata::names;
use boltkey::store::bolt::Bolt;
use boltkey::store::{MemoryFile, Model, OpenOptions, Store};

use crate::support::fixtures::{fixture, fixtures};
use crate::support::record_changes::{ID, MUTATORS, Mutator, codes, pair, remove, replace, sound};

fn counts(model: &Model) -> BTreeMap<Code, usize> {
    let mut counts = BTreeMap::new();
    for finding in check(model).unwrap() {
        *counts.entry(finding.code).or_default() += 1;
    }
    counts
}

#[test]
fn every_code_has_a_change_that_makes_it() {
    let sound = sound();
    let before = counts(&sound);
    for code in codes() {
        let (_, mutate) = MUTATORS
            .iter()
            .find(|(known, _)| code == *known)
            .unwrap_or_else(|| panic!("{code} has no mutator"));
        let mut broken = sound.clone();
        mutate(&mut broken);
        let after = counts(&broken);
        let count = |counts: &BTreeMap<_, usize>| counts.get(&code).copied().unwrap_or(0);
        assert!(
            count(&after) > count(&before),
            "{code} ({}): {after:?}",
            code.meaning()
        );
        let findings = check(&broken).unwrap();
        let finding = findings.iter().find(|f| f.code == code).unwrap();
        assert_eq!(finding.severity, code.severity(), "{code}");
    }
    assert_eq!(MUTATORS.len(), codes().count());
    println!("cases: metadata-check {}", MUTATORS.len());
}

/// Findings of a store of a real server after one change, new ones only, by code and severity.
fn told(mutate: impl FnOnce(&mut Model)) -> Vec<(&'static str, Severity)> {
    let mut model = sound();
    let before = check(&model).unwrap();
    mutate(&mut model);
    let mut new = check(&model).unwrap();
    new.retain(|finding| !before.contains(finding));
    new.iter().map(|f| (f.code.name(), f.severity)).collect()
}

/// influxd looks at a hundred tasks while starting, and ends on what is wrong with those only.
#[test]
fn what_is_wrong_behind_a_hundred_tasks_is_a_warning() {
    let (org, _) = pair(&sound(), names::ORGANIZATIONS, "acme");
    let org = String::from_utf8(org).unwrap();
    for (before, severity) in [
        (0, Severity::Error),
        (99, Severity::Error),
        (100, Severity::Warning),
    ] {
        let with_tasks = |m: &mut Model| {
            for number in 1..=before {
                let id = format!("{number:016x}");
                let task = format!(r#"{{"id":"{id}","orgID":"{org}"}}"#);
                m.put(names::TASKS, id.as_bytes(), task.as_bytes());
            }
        };
        let cases: [(&str, Mutator); 4] = [
            ("metadata.task-unreadable", |m| {
                replace(m, names::TASKS, "{\"id\":\"11", "x{\"id\":\"11");
            }),
            ("metadata.task-org-gone", |m| {
                replace(
                    m,
                    names::TASKS,
                    "\"type\":\"system\",\"orgID\":\"",
                    "\"orgID\":\"0000000000000a02\",\"x\":\"",
                );
            }),
            ("metadata.run-unreadable", |m| {
                let (task, _) = pair(m, names::TASKS, "\"flux\"");
                let key = [&task[..], b"/0000000000000a01"].concat();
                m.put(names::TASK_RUNS, &key, b"{\"scheduledFor\":\"x\"}");
            }),
            ("metadata.run-unreadable", |m| {
                let (task, _) = pair(m, names::TASKS, "\"flux\"");
                let key = [&task[..], b"/manualRuns"].concat();
                m.put(names::TASK_RUNS, &key, b"{}");
            }),
        ];
        for (code, mutate) in cases {
            let told = told(|m| {
                with_tasks(m);
                mutate(m);
            });
            assert_eq!(told, [(code, severity)], "behind {before}");
        }
        let mut tasks = pair(&sound(), names::BUCKET_INDEX, "");
        tasks.0 = format!("{org}_tasks").into_bytes();
        let found = told(|m| {
            with_tasks(m);
            m.delete(names::BUCKET_INDEX, &tasks.0);
        });
        assert!(
            found.contains(&("metadata.tasks-bucket-absent", severity)),
            "{found:?}"
        );
    }
}

/// Which buckets of the store influxd can do without.
#[test]
fn buckets_that_are_missing() {
    use boltkey::metadata::names::{EXPECTED, Without};

    for (_, name, without) in EXPECTED {
        let told = told(|m| m.delete_bucket(name));
        let text = String::from_utf8_lossy(name);
        let of = |code| told.iter().any(|(told, _)| *told == code);
        let absent = of("metadata.bucket-absent");
        let other = of("metadata.other-bucket-absent");
        let expected = match without {
            Without::Ends | Without::EndsWithTasks | Without::NoAccess => (true, false),
            Without::Less => (false, true),
            Without::Created => (false, false),
        };
        assert_eq!((absent, other), expected, "{text}");
    }
    // The runs of tasks are missed only where there are tasks.
    let found = told(|m| {
        remove(m, names::TASKS, "");
        m.delete_bucket(names::TASK_RUNS);
    });
    assert_eq!(found, [("metadata.other-bucket-absent", Severity::Warning)]);
    // The sum of them is what new stores are made with.
    let mut expected: Vec<_> = EXPECTED.iter().map(|(_, name, _)| *name).collect();
    expected.push(names::MIGRATIONS);
    expected.push(b"sessionsv1");
    expected.sort_unstable();
    let mut all = names::ALL.to_vec();
    all.sort_unstable();
    assert_eq!(expected, all);
}

/// Times that influxd can't read are told like any other record that it can't decode.
#[test]
fn times_that_influxd_does_not_read() {
    for (bucket, field) in [
        (names::AUTHORIZATIONS, "createdAt"),
        (names::AUTHORIZATIONS, "updatedAt"),
        (names::ORGANIZATIONS, "createdAt"),
        (names::BUCKETS, "updatedAt"),
        (names::MIGRATIONS, "started_at"),
        (names::MIGRATIONS, "finished_at"),
    ] {
        let told = told(|m| {
            let from = format!("\"{field}\":\"");
            replace(m, bucket, &from, &format!("{from}x"));
        });
        assert!(
            told.contains(&("metadata.undecodable", Severity::Error)),
            "{field}: {told:?}"
        );
    }
}

#[test]
fn stores_of_real_servers_have_no_errors() {
    let folder = fixtures().join("real");
    let mut stores = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.contains(".bolt") {
            continue;
        }
        let store = Store::open(&path, &OpenOptions::default()).unwrap();
        let findings = check(store.snapshot()).unwrap();
        let hides = findings
            .iter()
            .find(|f| f.code == Code::OtherBucketAbsent || f.code == Code::OtherUndecodable);
        assert_eq!(hides, None, "{name}");
        let errors: Vec<_> = findings
            .into_iter()
            .filter(|f| f.severity == Severity::Error)
            .map(|f| f.code.name())
            .collect();
        // A downgrade deletes the index of hashes, and with it every hashed token's way in.
        let expected = match name.as_str() {
            "downgraded-20-hashed.bolt.gz" => {
                vec!["metadata.token-index-absent"; errors.len().max(1)]
            }
            _ => Vec::new(),
        };
        assert_eq!(errors, expected, "{name}");
        stores += 1;
    }
    println!("cases: metadata-check-real {stores}");
    assert!(stores >= 12);
}

/// Each page of a real store made zero in turn: the check goes on with what can be read, tells
/// the damage, and says nothing of records that it could not see.
#[test]
fn damage_is_a_finding_and_no_reason_for_others() {
    let sound = fixture("lived-2.9.1-plaintext");
    let findings = |bytes: Vec<u8>| {
        let bolt = Bolt::open(Box::new(MemoryFile::new(bytes)), Path::new("image")).unwrap();
        check(&bolt).unwrap()
    };
    let before = findings(sound.clone());
    let pages = sound.len() / 4096;
    let mut damaged = 0;
    for page in 2..pages {
        let mut bytes = sound.clone();
        bytes[page * 4096..][..4096].fill(0);
        let (structure, rest): (Vec<_>, Vec<_>) = findings(bytes)
            .into_iter()
            .partition(|finding| finding.code.is_structure());
        damaged += usize::from(!structure.is_empty());
        // A record that goes on in that page can't be decoded.
        let own = |f: &&Finding| f.code != "metadata.undecodable" && !before.contains(f);
        let new: Vec<_> = rest.iter().filter(own).collect();
        assert!(new.is_empty(), "page {page}: {new:?}");
    }
    assert!(damaged > 20, "{damaged} of {pages} pages matter");
    // Whatever is cut off: findings, no error.
    for pages in 2..pages {
        findings(sound[..pages * 4096].to_vec());
    }
    println!("cases: metadata-check-damaged {pages}");
}

/// The codes of findings that the second store has more of than the first.
fn new(before: &Model, after: &Model) -> Vec<&'static str> {
    let (before, after) = (counts(before), counts(after));
    let more = after
        .iter()
        .filter(|(code, count)| before.get(code).is_none_or(|had| had < count));
    more.map(|(code, _)| code.name()).collect()
}

/// What refers to a record that can't be decoded is not said to refer to nothing.
#[test]
fn references_to_a_record_that_can_not_be_decoded_are_not_dangling() {
    let sound = sound();
    let mut tried = 0;
    for (bucket, text) in [
        (names::USERS, "alice"),
        (names::USERS, "sleeper"),
        (names::ORGANIZATIONS, "acme"),
        (names::ORGANIZATIONS, "beta"),
        (names::BUCKETS, "cold storage"),
        (names::BUCKETS, "_monitoring"),
        (names::BUCKETS, "_tasks"),
        (names::MAPPINGS, ""),
        (names::LEGACY_AUTHORIZATIONS, ""),
        (names::AUTHORIZATIONS, "second operator"),
        (names::MIGRATIONS, "migrate task owner id"),
    ] {
        let mut broken = sound.clone();
        let (key, _) = pair(&broken, bucket, text);
        broken.put(bucket, &key, b"{\"id\":");
        let new = new(&sound, &broken);
        assert_eq!(new, ["metadata.undecodable"], "{text}");
        tried += 1;
    }
    println!("cases: metadata-check-undecodable {tried}");
    // Others are told as before.
    let mut broken = sound.clone();
    broken.put(names::USERS, ID.as_bytes(), b"{");
    broken.put(names::USER_INDEX, b"was here", b"0000000000000a02");
    assert!(new(&sound, &broken).contains(&"metadata.index-dangling"));
    replace(&mut broken, names::MIGRATIONS, "task owner id", "something");
    assert!(new(&sound, &broken).contains(&"metadata.migration-name"));
}
