//! Cures of what is wrong with records.

use std::fs;

use boltkey::finding::{Code, Repair};
use boltkey::metadata::{TokenHash, Variant, names};
use boltkey::store::Model;

use super::ground::{Ground, model_of, pairs};
use crate::scene::text;
use crate::support::record_changes::{
    ID, MUTATORS, add_authorization, add_dbrp, codes, index, pair, sound,
};

/// The buckets of tokens and of what a server knows of the schema.
const OF_TOKENS: &[&[u8]] = &[
    names::AUTHORIZATIONS,
    names::AUTHORIZATION_INDEX,
    names::AUTHORIZATION_HASHED_INDEX,
    names::MIGRATIONS,
];

/// Nothing but tokens has changed, and of those only these.
#[track_caller]
fn only(before: &Model, after: &Model, changed: &[&str]) {
    for name in names::ALL.iter().filter(|name| !OF_TOKENS.contains(name)) {
        let name_of = String::from_utf8_lossy(name);
        assert_eq!(pairs(before, name), pairs(after, name), "{name_of}");
    }
    let others = |model: &Model| {
        let mut others = pairs(model, names::AUTHORIZATIONS);
        others.retain(|(id, _)| !changed.contains(&id.as_str()));
        others
    };
    assert_eq!(others(before), others(after));
}

/// The sound store with a change.
fn with(change: impl FnOnce(&mut Model)) -> Model {
    let mut model = sound();
    change(&mut model);
    model
}

/// The change of the table of changes that makes this finding.
fn usual(code: Code) -> Model {
    let (_, change) = MUTATORS.iter().find(|(name, _)| code == *name).unwrap();
    with(change)
}

/// Runs one of these on the store with these records, on the token `id`: the finding is gone, and
/// nothing else.
#[track_caller]
fn on_token(ground: &mut Ground, model: &Model, command: &str, id: &str) {
    let database = ground.records("records.bolt", model);
    ground.cure(command, &database, &[id, "--yes"]);
    ground.is_gone(&database);
    let after = model_of(&database);
    only(model, &after, &[id]);
    let ids = pairs(&after, names::AUTHORIZATIONS);
    let is_there = ids.iter().any(|(there, _)| there == id);
    assert_eq!(is_there, command == "auth rotate", "{command}");
}

/// `boltkey hash`: the finding is gone, and every token that had an entry authenticates.
#[track_caller]
fn hashed(ground: &mut Ground, model: &Model) {
    let database = ground.records("records.bolt", model);
    ground.cure("hash", &database, &["--no-capture", "--yes"]);
    ground.is_gone(&database);
    let after = model_of(&database);
    let ids = |model: &Model| {
        let pairs = pairs(model, names::AUTHORIZATIONS).into_iter();
        pairs.map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert_eq!(ids(model), ids(&after));
    let ids = ids(model);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    only(model, &after, &ids);
}

/// The sound store after `boltkey hash`.
fn all_hashed(ground: &Ground) -> Model {
    let database = ground.path("hashed.bolt");
    fs::write(&database, super::ground::bolt_of(&sound())).unwrap();
    let extra = ["--no-capture", "--yes"];
    assert_eq!(ground.run(&["hash"], &database, &extra).code, 0);
    model_of(&database)
}

/// The key of the first record with this text.
fn id_of(model: &Model, bucket: &[u8], text: &str) -> String {
    String::from_utf8(pair(model, bucket, text).0).unwrap()
}

/// The ID of the token with this description.
fn described(model: &Model, text: &str) -> String {
    id_of(model, names::AUTHORIZATIONS, text)
}

/// The IDs of the tokens in which `check` finds it.
fn found(ground: &Ground, model: &Model) -> Vec<String> {
    let database = ground.records("records.bolt", model);
    let report = ground.run(&["check", "--json"], &database, &[]).json();
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["code"] == ground.code.name())
        .map(|finding| {
            let place = finding["where"].as_str().unwrap();
            place.rsplit_once('/').unwrap().1.to_owned()
        })
        .collect()
}

/// One after the other: when all are done the finding is gone.
#[track_caller]
fn deleted(ground: &mut Ground, model: &Model) {
    let ids = found(ground, model);
    let database = ground.records("records.bolt", model);
    for id in &ids {
        ground.cure("auth delete", &database, &[id, "--yes"]);
    }
    ground.is_gone(&database);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    only(model, &model_of(&database), &ids);
}

pub fn tried(ground: &mut Ground, code: Code) -> bool {
    if !codes().any(|known| known == code) {
        return false;
    }
    if let Code::TsmAbsent | Code::TsmUndecodable = code {
        let (database, engine) = ground.without_time_series(&usual(code));
        let extra = [
            "--yes",
            "--only",
            code.name(),
            "--engine-path",
            text(&engine),
        ];
        ground.cure("repair", &database, &extra);
        ground.is_gone(&database);
    } else if code.repair() == Repair::Cured {
        // What changes is tested in tests/metadata/repair.rs.
        let database = ground.records("to-repair.bolt", &usual(code));
        ground.repaired(&database);
    }
    match code {
        Code::Undecodable => {
            let model = with(|m| {
                let id = described(m, "second operator");
                m.put(names::AUTHORIZATIONS, id.as_bytes(), b"{");
            });
            let id = described(&sound(), "second operator");
            on_token(ground, &model, "auth delete", &id);
            let database = ground.records("user.bolt", &usual(code));
            ground.salvaged(&database);
            ground.restored(&database);
        }
        Code::TokenIndexAbsent => {
            let twins = with(|m| {
                add_authorization(m, r#","token":"t""#);
                let (_, record) = pair(m, names::AUTHORIZATIONS, ID);
                let record = String::from_utf8(record).unwrap();
                let other = "0000000000000a02";
                let record = record.replace(ID, other);
                m.put(names::AUTHORIZATIONS, other.as_bytes(), record.as_bytes());
            });
            let database = ground.records("twins.bolt", &twins);
            ground.cure("auth rotate", &database, &["0000000000000a02", "--yes"]);
            ground.repaired(&database);
        }
        Code::TokenIndexElsewhere | Code::TokenDisagrees | Code::HashUndecodable => {
            on_token(ground, &usual(code), "auth rotate", ID);
        }
        Code::TokenIndexDangling => {
            hashed(ground, &usual(code));
            let mut model = all_hashed(ground);
            let hash = TokenHash::of(Variant::Sha256, b"nobody's").to_phc();
            model.put(
                names::AUTHORIZATION_HASHED_INDEX,
                hash.as_bytes(),
                ID.as_bytes(),
            );
            index(&mut model, "nobody's");
            hashed(ground, &model);
        }
        Code::TokenAbsent => {
            on_token(ground, &usual(code), "auth rotate", ID);
            on_token(ground, &usual(code), "auth delete", ID);
        }
        Code::TokenBoth => {
            hashed(ground, &usual(code));
            let database = ground.records("both.bolt", &usual(code));
            ground.repaired(&database);
            let out = ground.path("recovered");
            ground.cure("residue recover", &database, &["--out", text(&out)]);
            let written = fs::read_to_string(&out).unwrap();
            assert!(written.contains("\"token\":\"t\"") || written.contains("\"token\": \"t\""));
        }
        Code::HashAsToken => on_token(ground, &usual(code), "auth delete", ID),
        Code::TokenUserGone | Code::TokenOrgGone | Code::TokenTemporary => {
            deleted(ground, &usual(code));
        }
        Code::TokenStatus => {
            let model = usual(code);
            let id = described(&model, "asleep");
            let database = ground.records("records.bolt", &model);
            let extra = [&id, "--status", "active"];
            ground.cure("auth update", &database, &extra);
            ground.is_gone(&database);
            only(&model, &model_of(&database), &[&id]);
        }
        Code::IndexDangling => {
            let model = with(|m| m.put(names::USER_INDEX, b"was here", ID.as_bytes()));
            let database = ground.records("records.bolt", &model);
            ground.cure("user delete", &database, &["--id", ID, "--yes"]);
            ground.is_gone(&database);
            only(&sound(), &model_of(&database), &[]);
        }
        Code::NameTaken => {
            let model = usual(code);
            let bob = id_of(&model, names::USERS, "bob");
            for id in [ID, &bob] {
                let database = ground.records("records.bolt", &model);
                ground.cure("user delete", &database, &["--id", id, "--yes"]);
                ground.is_gone(&database);
                let left = pairs(&model_of(&database), names::USERS);
                assert!(left.iter().all(|(left, _)| left != id));
                assert_eq!(left.len() + 1, pairs(&model, names::USERS).len());
            }
        }
        Code::DbrpIndexAbsent => {
            let other = "0000000000000a02";
            let mut model = with(add_dbrp);
            let (_, record) = pair(&model, names::DBRP, ID);
            let record = String::from_utf8(record).unwrap();
            let record = record.replace(ID, other).replace(r#""r""#, r#""r2""#);
            model.put(names::DBRP, other.as_bytes(), record.as_bytes());
            for index in [names::DBRP_BY_ORG, names::DBRP_BY_DATABASE] {
                let (key, _) = pairs(&model, index).remove(0);
                let key = key.replace(ID, other);
                model.put(index, key.as_bytes(), other.as_bytes());
            }
            let (key, _) = pairs(&model, names::DBRP_DEFAULT).remove(0);
            model.delete(names::DBRP_DEFAULT, key.as_bytes());
            let path = ground.records("records.bolt", &model);
            ground.cure("v1 dbrp update", &path, &["--id", other, "--default"]);
            ground.is_gone(&path);
            let default = pairs(&model_of(&path), names::DBRP_DEFAULT);
            assert_eq!(default, [(key, other.to_owned())]);
        }
        Code::V1PasswordAbsent => {
            let model = usual(code);
            let (id, _) = pairs(&model, names::LEGACY_AUTHORIZATIONS).remove(0);
            let path = ground.records("records.bolt", &model);
            let file = ground.path("password");
            fs::write(&file, "long enough\n").unwrap();
            let extra = ["--id", &id, "--password-file", text(&file)];
            ground.cure("v1 auth password", &path, &extra);
            ground.is_gone(&path);
            let path = ground.records("to-delete.bolt", &model);
            ground.cure("v1 auth delete", &path, &["--id", &id, "--yes"]);
            ground.is_gone(&path);
        }
        Code::OtherUndecodable => {
            let mut model = with(add_dbrp);
            let (_, record) = pair(&model, names::DBRP, ID);
            let record = String::from_utf8(record).unwrap();
            let early = record
                .replace("\"orgID\"", "\"organization_id\"")
                .replace("\"bucketID\"", "\"bucket_id\"");
            model.put(names::DBRP, ID.as_bytes(), early.as_bytes());
            let path = ground.records("mapping.bolt", &model);
            assert!(ground.is_found(&path));
            ground.cure("v1 dbrp delete", &path, &["--id", ID, "--yes"]);
            let field = |name: &str| {
                let (_, rest) = record.split_once(&format!("\"{name}\":\"")).unwrap();
                rest.split('"').next().unwrap().to_owned()
            };
            let (org, bucket) = (field("orgID"), field("bucketID"));
            let mapping = [
                "--database",
                "d",
                "--rp",
                "r",
                "--default",
                "--org-id",
                &org,
                "--bucket-id",
                &bucket,
            ];
            ground.cure("v1 dbrp create", &path, &mapping);
            ground.is_gone(&path);
            let (_, new) = pairs(&model_of(&path), names::DBRP).remove(0);
            assert!(new.contains(&format!("\"bucketID\":\"{bucket}\"")), "{new}");
            let database = ground.records("records.bolt", &usual(code));
            ground.restored(&database);
        }
        // What a cure says without naming a command is about servers, or that nothing is to do.
        _ => {
            let database = ground.records("records.bolt", &usual(code));
            if code.cure().contains("boltkey backup restore") {
                ground.restored(&database);
            }
        }
    }
    true
}
