//! Completeness of the metadata checker: for every code one change to a sound store that makes
//! exactly this finding appear.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use boltkey::finding::{Code, Finding, Severity};
use boltkey::metadata::check::check;
use boltkey::metadata::{TokenHash, Variant, names};
use boltkey::store::bolt::Bolt;
use boltkey::store::{MemoryFile, Model, OpenOptions, Snapshot, Store};

use crate::support::fixtures::{fixture, fixture_path, fixtures};

const ID: &str = "0000000000000a01";

/// A store of a real server with nothing wrong in it that would hide a change.
fn sound() -> Model {
    let path = fixture_path("lived-2.9.1-plaintext");
    let store = Store::open(&path, &OpenOptions::default()).unwrap();
    let (model, skipped) = Model::copy_of(store.snapshot()).unwrap();
    assert!(skipped.is_empty());
    model
}

fn counts(model: &Model) -> BTreeMap<Code, usize> {
    let mut counts = BTreeMap::new();
    for finding in check(model).unwrap() {
        *counts.entry(finding.code).or_default() += 1;
    }
    counts
}

/// The first pair of a bucket whose value contains `text`.
fn pair(model: &Model, bucket: &[u8], text: &str) -> (Vec<u8>, Vec<u8>) {
    let mut found = None;
    let _ = model
        .scan(bucket, &mut |key, value| {
            if String::from_utf8_lossy(value).contains(text) {
                found = Some((key.to_vec(), value.to_vec()));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    found.unwrap_or_else(|| panic!("no {text} in {}", String::from_utf8_lossy(bucket)))
}

/// Replaces text in the first value of a bucket that contains it.
fn replace(model: &mut Model, bucket: &[u8], from: &str, to: &str) {
    let (key, value) = pair(model, bucket, from);
    let value = String::from_utf8(value).unwrap().replacen(from, to, 1);
    model.put(bucket, &key, value.as_bytes());
}

/// Removes the first pair of a bucket whose value contains `text`.
fn remove(model: &mut Model, bucket: &[u8], text: &str) {
    let (key, _) = pair(model, bucket, text);
    model.delete(bucket, &key);
}

/// Adds an authorization of an existing organization and user, without an index entry.
fn add_authorization(model: &mut Model, token_fields: &str) {
    let (org, _) = pair(model, names::ORGANIZATIONS, "acme");
    let (user, _) = pair(model, names::USERS, "alice");
    let text = |id: &[u8]| String::from_utf8(id.to_vec()).unwrap();
    let record = format!(
        r#"{{"id":"{ID}","status":"active","description":"","orgID":"{}","userID":"{}","permissions":[]{token_fields}}}"#,
        text(&org),
        text(&user)
    );
    model.put(names::AUTHORIZATIONS, ID.as_bytes(), record.as_bytes());
}

fn index(model: &mut Model, token: &str) {
    model.put(names::AUTHORIZATION_INDEX, token.as_bytes(), ID.as_bytes());
}

type Mutator = fn(&mut Model);

const MUTATORS: &[(&str, Mutator)] = &[
    ("metadata.undecodable", |m| {
        m.put(names::USERS, ID.as_bytes(), b"{")
    }),
    ("metadata.key-mismatch", |m| {
        let (_, value) = pair(m, names::USERS, "bob");
        m.put(names::USERS, ID.as_bytes(), &value);
    }),
    ("metadata.bucket-absent", |m| {
        m.delete_bucket(names::LEGACY_PASSWORDS)
    }),
    ("metadata.bucket-unknown", |m| {
        m.create_bucket(b"somebody else's")
    }),
    ("metadata.migration-unknown", |m| {
        let key = b"0000000000000016";
        m.put(
            names::MIGRATIONS,
            key,
            br#"{"id":"0000000000000016","name":"new","finished_at":"2021-09-28T12:54:57Z"}"#,
        );
    }),
    ("metadata.migration-name", |m| {
        replace(
            m,
            names::MIGRATIONS,
            "migrate task owner id",
            "something else",
        );
    }),
    ("metadata.migration-gap", |m| {
        remove(m, names::MIGRATIONS, "migrate task owner id")
    }),
    ("metadata.migration-unfinished", |m| {
        replace(m, names::MIGRATIONS, "\"finished_at\"", "\"finishing_at\"");
    }),
    ("metadata.token-index-absent", |m| {
        add_authorization(m, r#","token":"t""#)
    }),
    ("metadata.token-index-elsewhere", |m| {
        add_authorization(m, r#","token":"t""#);
        m.put(names::AUTHORIZATION_INDEX, b"t", b"0000000000000a02");
    }),
    ("metadata.token-index-dangling", |m| index(m, "nobody's")),
    ("metadata.token-absent", |m| add_authorization(m, "")),
    ("metadata.token-both", |m| {
        let hash = TokenHash::of(Variant::Sha256, b"t").to_phc();
        add_authorization(m, &format!(r#","token":"t","hashedToken":"{hash}""#));
        index(m, "t");
    }),
    ("metadata.token-disagrees", |m| {
        let hash = TokenHash::of(Variant::Sha256, b"u").to_phc();
        add_authorization(m, &format!(r#","token":"t","hashedToken":"{hash}""#));
        index(m, "t");
    }),
    ("metadata.hash-undecodable", |m| {
        add_authorization(m, r#","hashedToken":"$influxdb2-md5$AA==""#);
        m.put(
            names::AUTHORIZATION_HASHED_INDEX,
            b"$influxdb2-md5$AA==",
            ID.as_bytes(),
        );
    }),
    ("metadata.hash-as-token", |m| {
        let hash = TokenHash::of(Variant::Sha256, b"t").to_phc();
        add_authorization(m, &format!(r#","token":"{hash}""#));
        index(m, &hash);
    }),
    ("metadata.token-user-gone", |m| {
        remove(m, names::USERS, "sleeper");
    }),
    ("metadata.token-org-gone", |m| {
        remove(m, names::ORGANIZATIONS, "acme")
    }),
    ("metadata.token-temporary", |m| {
        replace(
            m,
            names::AUTHORIZATIONS,
            "second operator\"",
            "second operator (boltkey temporary)\"",
        );
    }),
    ("metadata.operator-old", |m| {
        let (_, value) = pair(m, names::AUTHORIZATIONS, "second operator");
        let value = String::from_utf8(value).unwrap();
        // Without the last types, it is an operator token of 2.1.
        let cut = value
            .find(r#",{"action":"read","resource":{"type":"remotes"}}"#)
            .unwrap();
        let end = value.find("],\"createdAt\"").unwrap();
        let value = format!("{}{}", &value[..cut], &value[end..]);
        let (key, _) = pair(m, names::AUTHORIZATIONS, "second operator");
        m.put(names::AUTHORIZATIONS, &key, value.as_bytes());
    }),
    ("metadata.index-absent", |m| {
        m.delete(names::USER_INDEX, b"bob")
    }),
    ("metadata.index-elsewhere", |m| {
        m.put(names::USER_INDEX, b"bob", ID.as_bytes())
    }),
    ("metadata.index-dangling", |m| {
        m.put(names::ORGANIZATION_INDEX, b"was here", ID.as_bytes())
    }),
    ("metadata.mapping-index-absent", |m| {
        let (key, _) = pair(m, names::MAPPINGS_BY_USER, "");
        m.delete(names::MAPPINGS_BY_USER, &key);
    }),
    ("metadata.mapping-index-dangling", |m| {
        m.put(names::MAPPINGS_BY_USER, b"0000000000000a01/x", b"x");
    }),
    ("metadata.mapping-user-gone", |m| {
        remove(m, names::USERS, "alice")
    }),
    ("metadata.bucket-org-gone", |m| {
        remove(m, names::ORGANIZATIONS, "beta")
    }),
    ("metadata.tsm-undecodable", |m| {
        m.put(names::TSM_METADATA, names::TSM_METADATA_KEY, b"\xff\xff");
    }),
    ("metadata.tsm-absent", |m| {
        m.delete(names::TSM_METADATA, names::TSM_METADATA_KEY)
    }),
    ("metadata.tsm-dangling", |m| {
        remove(m, names::BUCKETS, "cold storage")
    }),
    ("metadata.system-bucket-absent", |m| {
        remove(m, names::BUCKETS, "_monitoring")
    }),
    ("metadata.tasks-bucket-absent", |m| {
        let (org, _) = pair(m, names::ORGANIZATIONS, "acme");
        let org = String::from_utf8(org).unwrap();
        let mut tasks = Vec::new();
        let _ = m
            .scan(names::BUCKETS, &mut |key, value| {
                let value = String::from_utf8_lossy(value);
                if value.contains("_tasks") && value.contains(&org) {
                    tasks.push(key.to_vec());
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        m.delete(names::BUCKETS, &tasks[0]);
    }),
    ("metadata.task-org-gone", |m| {
        replace(
            m,
            names::TASKS,
            "\"orgID\":\"",
            "\"orgID\":\"0000000000000a02\",\"x\":\"",
        );
    }),
    ("metadata.task-unreadable", |m| {
        replace(
            m,
            names::TASKS,
            "\"ownerID\":\"",
            "\"ownerID\":\"\",\"x\":\"",
        );
    }),
    ("metadata.run-unreadable", |m| {
        let (task, _) = pair(m, names::TASKS, "");
        let key = [&task[..], b"/manualRuns"].concat();
        m.put(names::TASK_RUNS, &key, b"[null]");
    }),
    ("metadata.instance-unreadable", |m| {
        m.put(names::INSTANCE, names::INSTANCE_KEY, b"0123");
    }),
    ("metadata.token-status", |m| {
        replace(
            m,
            names::AUTHORIZATIONS,
            "\"status\":\"active\"",
            "\"status\":\"asleep\"",
        );
    }),
    ("metadata.other-bucket-absent", |m| {
        m.delete_bucket(b"dashboardsv2")
    }),
    ("metadata.other-undecodable", |m| {
        m.put(b"checksv1", ID.as_bytes(), b"[]")
    }),
    ("metadata.dbrp-bucket-gone", |m| {
        let mapping = format!(r#"{{"id":"{ID}","bucketID":"{ID}"}}"#);
        m.put(names::DBRP_MAPPINGS, ID.as_bytes(), mapping.as_bytes());
    }),
    ("metadata.v1-index-absent", |m| {
        m.delete(names::LEGACY_AUTHORIZATION_INDEX, b"collectd")
    }),
    ("metadata.v1-index-dangling", |m| {
        m.put(names::LEGACY_AUTHORIZATION_INDEX, b"nobody", ID.as_bytes());
    }),
    ("metadata.v1-password-absent", |m| {
        let (key, _) = pair(m, names::LEGACY_PASSWORDS, "");
        m.delete(names::LEGACY_PASSWORDS, &key);
    }),
];

/// The codes of records. The others of `metadata.` are told of pages, of files and by `status`.
fn codes() -> impl Iterator<Item = Code> {
    let elsewhere = [
        Code::NobodyGetsIn,
        Code::LastCopies,
        Code::LostRecords,
        Code::SiblingUnread,
        Code::LeftOver,
        Code::SqliteUnusable,
        Code::SqliteSchema,
        Code::SqliteForeign,
        Code::EngineOld,
        Code::EngineForeign,
        Code::EngineEmpty,
    ];
    let codes = Code::ALL.iter().copied();
    codes.filter(move |code| code.name().starts_with("metadata.") && !elsewhere.contains(code))
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
            Without::Made => (false, false),
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
