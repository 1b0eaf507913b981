//! For every kind of finding about records one change to a sound store that makes it appear.

use std::ops::ControlFlow;

use boltkey::finding::Code;
use boltkey::metadata::permission::of_all_access;
use boltkey::metadata::{Id, TokenHash, Variant, names};
use boltkey::store::{Model, OpenOptions, Snapshot, Store};

use super::fixtures::fixture_path;

/// The ID of records that are added.
pub const ID: &str = "0000000000000a01";

/// The fixture that the changes are made to.
pub const SOUND: &str = "lived-2.9.1-plaintext";

/// A store of a real server with nothing wrong in it that would hide a change.
pub fn sound() -> Model {
    let path = fixture_path(SOUND);
    let store = Store::open(&path, &OpenOptions::default()).unwrap();
    let (model, skipped) = Model::copy_of(store.snapshot()).unwrap();
    assert!(skipped.is_empty());
    model
}

/// The first pair of a bucket whose value contains `text`.
pub fn pair(model: &Model, bucket: &[u8], text: &str) -> (Vec<u8>, Vec<u8>) {
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
pub fn replace(model: &mut Model, bucket: &[u8], from: &str, to: &str) {
    let (key, value) = pair(model, bucket, from);
    let value = String::from_utf8(value).unwrap().replacen(from, to, 1);
    model.put(bucket, &key, value.as_bytes());
}

/// Removes the first pair of a bucket whose value contains `text`.
pub fn remove(model: &mut Model, bucket: &[u8], text: &str) {
    let (key, _) = pair(model, bucket, text);
    model.delete(bucket, &key);
}

/// Adds an authorization of an existing organization and user, without an index entry.
pub fn add_authorization(model: &mut Model, token_fields: &str) {
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

pub fn index(model: &mut Model, token: &str) {
    model.put(names::AUTHORIZATION_INDEX, token.as_bytes(), ID.as_bytes());
}

/// Adds a mapping of a 1.x database to a bucket of acme, with all its index entries.
pub fn add_dbrp(model: &mut Model) {
    let (org, _) = pair(model, names::ORGANIZATIONS, "acme");
    let org = String::from_utf8(org).unwrap();
    let (bucket, _) = pair(model, names::BUCKETS, &format!("\"orgID\":\"{org}\""));
    let bucket = String::from_utf8(bucket).unwrap();
    let record = format!(
        r#"{{"id":"{ID}","database":"d","retention_policy":"r","default":true,"orgID":"{org}","bucketID":"{bucket}"}}"#
    );
    model.put(names::DBRP, ID.as_bytes(), record.as_bytes());
    for (index, key) in [
        (names::DBRP_BY_ORG, format!("{org}/{ID}")),
        (names::DBRP_BY_DATABASE, format!("{org}d/{ID}")),
        (names::DBRP_DEFAULT, format!("{org}d")),
    ] {
        model.put(index, key.as_bytes(), ID.as_bytes());
    }
}

/// A change to a store.
pub type Mutator = fn(&mut Model);

pub const MUTATORS: &[(&str, Mutator)] = &[
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
    ("metadata.all-access-old", |m| {
        // The list of a web interface of 2.0, with permissions on all users of the organization.
        let (org, _) = pair(m, names::ORGANIZATIONS, "acme");
        let org: Id = String::from_utf8(org).unwrap().parse().unwrap();
        let mut list = of_all_access(15, org, org);
        for permission in &mut list {
            if permission.resource.kind == "users" {
                permission.resource.id = None;
                permission.resource.org_id = Some(org);
            }
        }
        let mut text = Vec::new();
        for permission in &list {
            text.extend(if text.is_empty() { b"[" } else { b"," });
            permission.push_json(&mut text);
        }
        let text = String::from_utf8(text).unwrap();
        add_authorization(m, r#","token":"t""#);
        index(m, "t");
        let (key, value) = pair(m, names::AUTHORIZATIONS, ID);
        let value = String::from_utf8(value).unwrap();
        let value = value.replace("\"permissions\":[]", &format!("\"permissions\":{text}]"));
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
    ("metadata.name-taken", |m| {
        let (_, value) = pair(m, names::USERS, "bob");
        let mut record: serde_json::Value = serde_json::from_slice(&value).unwrap();
        record["id"] = ID.into();
        m.put(names::USERS, ID.as_bytes(), record.to_string().as_bytes());
    }),
    ("metadata.dbrp-bucket-gone", |m| {
        add_dbrp(m);
        replace(
            m,
            names::DBRP,
            "\"bucketID\":\"",
            "\"bucketID\":\"0000000000000a02\",\"x\":\"",
        );
    }),
    ("metadata.dbrp-index-absent", |m| {
        add_dbrp(m);
        let (key, _) = pair(m, names::DBRP_BY_DATABASE, "");
        m.delete(names::DBRP_BY_DATABASE, &key);
    }),
    ("metadata.dbrp-index-dangling", |m| {
        let key = format!("{ID}/{ID}");
        m.put(names::DBRP_BY_ORG, key.as_bytes(), ID.as_bytes());
    }),
    ("metadata.label-index-absent", |m| {
        let (org, _) = pair(m, names::ORGANIZATIONS, "acme");
        let org = String::from_utf8(org).unwrap();
        let record = format!(r#"{{"id":"{ID}","orgID":"{org}","name":"Important"}}"#);
        m.put(names::LABELS, ID.as_bytes(), record.as_bytes());
    }),
    ("metadata.label-index-dangling", |m| {
        let key = format!("{ID}gone");
        m.put(names::LABEL_INDEX, key.as_bytes(), ID.as_bytes());
    }),
    ("metadata.mapping-org-gone", |m| {
        let (user, _) = pair(m, names::USERS, "alice");
        let user = String::from_utf8(user).unwrap();
        let key = format!("{ID}{user}");
        let record = format!(
            r#"{{"userID":"{user}","userType":"member","mappingType":"user","resourceType":"orgs","resourceID":"{ID}"}}"#
        );
        m.put(names::MAPPINGS, key.as_bytes(), record.as_bytes());
        let entry = format!("{user}/{key}");
        m.put(names::MAPPINGS_BY_USER, entry.as_bytes(), key.as_bytes());
    }),
    ("metadata.v1-user-gone", |m| {
        replace(
            m,
            names::LEGACY_AUTHORIZATIONS,
            "\"userID\":\"",
            "\"userID\":\"0000000000000a02\",\"x\":\"",
        );
    }),
    ("metadata.v1-org-gone", |m| {
        replace(
            m,
            names::LEGACY_AUTHORIZATIONS,
            "\"orgID\":\"",
            "\"orgID\":\"0000000000000a02\",\"x\":\"",
        );
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
pub fn codes() -> impl Iterator<Item = Code> {
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
