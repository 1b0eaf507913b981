//! `repair` on one change to a sound store for every kind of finding that it cures: the finding is
//! gone, exactly the expected pairs changed, and a second repair finds nothing to do.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use boltkey::finding::{Code, Repair};
use boltkey::metadata::check::check;
use boltkey::metadata::{Id, names};
use boltkey::ops::commit::SideFiles;
use boltkey::ops::repair::{EngineShards, Needed, Options, Plan, plan};
use boltkey::ops::timestamp::Timestamp;
use boltkey::store::{CommitOutcome, Engine, Model, OpenOptions, Snapshot, Store, WritableStore};

use crate::support::device::Recorder;
use crate::support::fixtures::{facts, fixture_path};
use crate::support::record_changes::{ID, MUTATORS, codes, pair, replace, sound};
use crate::support::store_image::{lost, made_of, recovery};

/// For each code the pairs that change: `+` added, `-` removed, `~` changed; `*` stands for an ID
/// that is made up. A bucket alone is a bucket that is created.
const CHANGES: &[(&str, &[&str])] = &[
    (
        "metadata.bucket-absent",
        &["+legacy/authorizationPasswordv1"],
    ),
    ("metadata.other-bucket-absent", &["+dashboardsv2"]),
    ("metadata.instance-unreadable", &["~idsv1/id"]),
    ("metadata.token-index-absent", &["+authorizationindexv1/t"]),
    (
        "metadata.token-index-elsewhere",
        &["~authorizationindexv1/t"],
    ),
    (
        "metadata.token-index-dangling",
        &["-authorizationindexv1/nobody's"],
    ),
    (
        "metadata.token-both",
        &[
            "+authorizationhashedindexv1/$influxdb2-sha256$47mKTaMaEn1L3m5DAz9muidMqw636xxw7EFAK_YnPdg=",
            "-authorizationindexv1/t",
            "~authorizationsv1/0000000000000a01",
        ],
    ),
    (
        "metadata.token-status",
        &["~authorizationsv1/11af8a531143b000"],
    ),
    (
        "metadata.operator-old",
        &["~authorizationsv1/11af8a534483b000"],
    ),
    (
        "metadata.all-access-old",
        &["~authorizationsv1/0000000000000a01"],
    ),
    ("metadata.index-absent", &["+userindexv1/bob"]),
    ("metadata.index-elsewhere", &["~userindexv1/bob"]),
    (
        "metadata.index-dangling",
        &["-organizationindexv1/was here"],
    ),
    (
        "metadata.mapping-index-absent",
        &["+userresourcemappingsbyuserindexv1/11af8a52f843b000/000000000000000111af8a52f843b000"],
    ),
    (
        "metadata.mapping-index-dangling",
        &["-userresourcemappingsbyuserindexv1/0000000000000a01/x"],
    ),
    (
        "metadata.mapping-user-gone",
        &[
            "-legacy/authorizationPasswordv1/11af8a536f43b000",
            "-legacy/authorizationindexv1/collectd",
            "-legacy/authorizationsv1/11af8a536f43b000",
            "-userindexv1/alice",
            "-userresourcemappingsbyuserindexv1/11af8a52f843b000/000000000000000111af8a52f843b000",
            "-userresourcemappingsbyuserindexv1/11af8a52f843b000/8c721a769595d66311af8a52f843b000",
            "-userresourcemappingsbyuserindexv1/11af8a52f843b000/bbe952612221245911af8a52f843b000",
            "-userresourcemappingsv1/000000000000000111af8a52f843b000",
            "-userresourcemappingsv1/8c721a769595d66311af8a52f843b000",
            "-userresourcemappingsv1/bbe952612221245911af8a52f843b000",
        ],
    ),
    (
        "metadata.mapping-org-gone",
        &[
            "-userresourcemappingsbyuserindexv1/11af8a52f843b000/0000000000000a0111af8a52f843b000",
            "-userresourcemappingsv1/0000000000000a0111af8a52f843b000",
        ],
    ),
    (
        "metadata.dbrp-bucket-gone",
        &[
            "-dbrpbyorganddbindexv1/8c721a769595d663d/0000000000000a01",
            "-dbrpbyorgv1/8c721a769595d663/0000000000000a01",
            "-dbrpdefaultv1/8c721a769595d663d",
            "-dbrpv1/0000000000000a01",
        ],
    ),
    (
        "metadata.dbrp-index-absent",
        &["+dbrpbyorganddbindexv1/8c721a769595d663d/0000000000000a01"],
    ),
    (
        "metadata.dbrp-index-dangling",
        &["-dbrpbyorgv1/0000000000000a01/0000000000000a01"],
    ),
    (
        "metadata.label-index-absent",
        &["+labelindexv1/8c721a769595d663important"],
    ),
    (
        "metadata.label-index-dangling",
        &["-labelindexv1/0000000000000a01gone"],
    ),
    ("metadata.tsm-undecodable", &["~v1_tsm1_metadata/meta.db"]),
    ("metadata.tsm-absent", &["+v1_tsm1_metadata/meta.db"]),
    (
        "metadata.system-bucket-absent",
        &[
            "+bucketsv1/*",
            "~bucketindexv1/bbe9526122212459_monitoring",
            "~v1_tsm1_metadata/meta.db",
        ],
    ),
    (
        "metadata.tasks-bucket-absent",
        &[
            "+bucketsv1/*",
            "~bucketindexv1/8c721a769595d663_tasks",
            "~v1_tsm1_metadata/meta.db",
        ],
    ),
    (
        "metadata.task-org-gone",
        &[
            "-taskIndexsv1/8c721a769595d663/11af8a536e871000",
            "-tasksv1/11af8a536e871000",
        ],
    ),
    (
        "metadata.v1-index-absent",
        &["+legacy/authorizationindexv1/collectd"],
    ),
    (
        "metadata.v1-index-dangling",
        &["-legacy/authorizationindexv1/nobody"],
    ),
    (
        "metadata.v1-user-gone",
        &[
            "-legacy/authorizationPasswordv1/11af8a536f43b000",
            "-legacy/authorizationindexv1/collectd",
            "-legacy/authorizationsv1/11af8a536f43b000",
        ],
    ),
    (
        "metadata.v1-org-gone",
        &[
            "-legacy/authorizationPasswordv1/11af8a536f43b000",
            "-legacy/authorizationindexv1/collectd",
            "-legacy/authorizationsv1/11af8a536f43b000",
        ],
    ),
];

fn now() -> Timestamp {
    Timestamp::from(&"2026-11-01T10:00:00Z[UTC]".parse::<jiff::Zoned>().unwrap())
}

/// A store in memory, open for changing.
fn opened(engine: Engine, model: &Model) -> WritableStore {
    let device = Recorder::new(made_of(engine, model));
    WritableStore::on(Box::new(device), Path::new("/nowhere/influxd.bolt")).unwrap()
}

/// A plan beside an engine folder without shards.
fn planned(store: &WritableStore, only: &[Code]) -> boltkey::Result<Plan> {
    let engine = tempfile::tempdir().unwrap();
    let at = &store.description().path;
    let needed = Needed::of(store)?;
    let shards = EngineShards::list(&needed, at, Some(engine.path()))?;
    let options = Options {
        only: only.iter().copied().collect(),
        ..Options::default()
    };
    plan(
        store,
        store.inspect(),
        store.description(),
        &shards,
        &options,
        &now(),
    )
}

/// Repairs a store. Returns its plan and its content.
fn repaired(engine: Engine, broken: &Model, only: &[Code]) -> (Plan, Model) {
    let mut store = opened(engine, broken);
    let plan = planned(&store, only).unwrap();
    let committed = plan.apply(&mut store, &SideFiles::default()).unwrap();
    assert!(committed.failure.is_none(), "{:?}", committed.failure);
    assert_eq!(
        committed.outcome == CommitOutcome::Changed,
        !plan.nothing_to_do()
    );
    let again = planned(&store, only).unwrap();
    assert!(again.nothing_to_do(), "{:?}", again.repaired);
    (plan, Model::copy_of(&store).unwrap().0)
}

type Pairs = BTreeMap<String, Vec<u8>>;

fn pairs(model: &Model) -> Pairs {
    let mut pairs = Pairs::new();
    for bucket in model.buckets().unwrap().0 {
        let name = String::from_utf8_lossy(&bucket.name).into_owned();
        let _ = model
            .scan(&bucket.name, &mut |key, value| {
                let key = String::from_utf8_lossy(key);
                pairs.insert(format!("{name}/{key}"), value.to_vec());
                ControlFlow::Continue(())
            })
            .unwrap();
        pairs.insert(name, Vec::new());
    }
    pairs
}

/// What differs, as in [`CHANGES`].
fn differences(before: &Model, after: &Model) -> Vec<String> {
    let (old, new) = (pairs(before), pairs(after));
    let mut all = Vec::new();
    for key in old.keys().chain(new.keys()) {
        let sign = match (old.get(key), new.get(key)) {
            (Some(_), None) => '-',
            (None, Some(_)) => '+',
            (Some(a), Some(b)) if a != b => '~',
            _ => continue,
        };
        all.push(format!("{sign}{key}"));
    }
    all.sort();
    all.dedup();
    all
}

/// IDs that the store before the repair does not have become `*`.
fn masked(differences: Vec<String>, before: &Model) -> Vec<String> {
    let known: Vec<String> = pairs(before).into_keys().collect();
    let is_known = |id: &str| known.iter().any(|key| key.contains(id));
    differences
        .into_iter()
        .map(|line| {
            let Some((bucket, key)) = line.split_once('/') else {
                return line;
            };
            let is_id = key.len() == 16 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
            if is_id && !is_known(key) {
                format!("{bucket}/*")
            } else {
                line
            }
        })
        .collect()
}

#[test]
fn every_cured_code_is_cured_and_nothing_else_changes() {
    let sound = sound();
    let before = check(&sound).unwrap();
    let mut tried = 0;
    for code in codes().filter(|code| code.repair() == Repair::Cured) {
        let (_, mutate) = MUTATORS.iter().find(|(name, _)| code == *name).unwrap();
        let mut broken = sound.clone();
        mutate(&mut broken);
        assert!(check(&broken).unwrap().iter().any(|f| f.code == code));
        for engine in [Engine::Bolt, Engine::Redb] {
            let (plan, after) = repaired(engine, &broken, &[]);
            let found = check(&after).unwrap();
            if engine == Engine::Redb && code == Code::TokenBoth {
                // There the plaintext could not be kept.
                assert!(plan.left.iter().any(|left| left.code == code));
                assert!(after == broken);
                continue;
            }
            let still = found.iter().find(|f| f.code == code && !before.contains(f));
            assert!(still.is_none(), "{code}: {still:?}");
            assert!(plan.repaired.iter().any(|cure| cure.code == code), "{code}");
            let changed = masked(differences(&broken, &after), &broken);
            let (_, wanted) = CHANGES.iter().find(|(name, _)| code == *name).unwrap();
            assert_eq!(&changed, wanted, "{code}");
        }
        tried += 1;
    }
    println!("cases: repaired-records {tried}");
}

/// A change to the sound store, or a state of a store.
fn with(change: impl FnOnce(&mut Model)) -> Model {
    let mut model = sound();
    change(&mut model);
    model
}

/// The codes and places that are left, beyond those of the sound store.
fn left(plan: &Plan) -> Vec<(&str, &str)> {
    let known = [
        "metadata.token-user-gone",
        "metadata.token-org-gone",
        // The shards of the store are not beside it.
        "metadata.engine-empty",
    ];
    plan.left
        .iter()
        .map(|left| (left.code.name(), left.place.as_str()))
        .filter(|(code, _)| !known.contains(code))
        .collect()
}

#[test]
fn two_users_of_one_name_are_left() {
    let broken = with(|m| {
        let (_, value) = pair(m, names::USERS, "bob");
        let mut record: serde_json::Value = serde_json::from_slice(&value).unwrap();
        record["id"] = ID.into();
        m.put(names::USERS, ID.as_bytes(), record.to_string().as_bytes());
        // Which of them had the name can't be known any more.
        m.delete(names::USER_INDEX, b"bob");
    });
    let (plan, after) = repaired(Engine::Bolt, &broken, &[]);
    assert!(plan.nothing_to_do());
    assert!(after == broken);
    let codes: Vec<&str> = left(&plan).iter().map(|(code, _)| *code).collect();
    assert_eq!(
        codes,
        [
            "metadata.index-absent",
            "metadata.index-absent",
            "metadata.name-taken"
        ]
    );
    for left in &plan.left {
        assert!(!left.reason.is_empty());
    }
}

#[test]
fn an_entry_that_leads_to_another_user_follows_the_record_of_the_name() {
    let sound = sound();
    let (alice, _) = pair(&sound, names::USERS, "alice");
    let broken = with(|m| m.put(names::USER_INDEX, b"bob", &alice));
    let (plan, after) = repaired(Engine::Bolt, &broken, &[]);
    assert_eq!(plan.repaired.len(), 1);
    assert!(after == sound);
    // A second name of alice's is removed, but not her only one.
    let broken = with(|m| m.put(names::USER_INDEX, b"al", &alice));
    let (_, after) = repaired(Engine::Bolt, &broken, &[]);
    assert!(after == sound);
    let broken = with(|m| {
        m.put(names::USER_INDEX, b"al", &alice);
        m.delete(names::USER_INDEX, b"alice");
    });
    let only = [Code::IndexElsewhere];
    let (plan, after) = repaired(Engine::Bolt, &broken, &only);
    assert!(plan.nothing_to_do() && after == broken);
    assert_eq!(
        left(&plan),
        [("metadata.index-elsewhere", "userindexv1/al")]
    );
    let (_, after) = repaired(Engine::Bolt, &broken, &[]);
    assert!(after == sound);
}

#[test]
fn nothing_is_concluded_from_a_record_that_can_not_be_decoded() {
    for (bucket, name) in [
        (names::USERS, "alice"),
        (names::ORGANIZATIONS, "acme"),
        (names::BUCKETS, "_tasks"),
        (names::AUTHORIZATIONS, "second operator"),
        (names::LEGACY_AUTHORIZATIONS, ""),
        (names::MAPPINGS, ""),
    ] {
        let broken = with(|m| {
            let (key, _) = pair(m, bucket, name);
            m.put(bucket, &key, b"{");
        });
        let (plan, after) = repaired(Engine::Bolt, &broken, &[]);
        assert!(plan.nothing_to_do(), "{name}: {:?}", plan.repaired);
        assert!(after == broken);
        assert!(
            left(&plan)
                .iter()
                .any(|(code, _)| *code == "metadata.undecodable")
        );
    }
}

#[test]
fn nothing_is_concluded_from_records_that_are_all_lost() {
    for bucket in [
        names::USERS,
        names::ORGANIZATIONS,
        names::BUCKETS,
        names::AUTHORIZATIONS,
        names::MAPPINGS,
    ] {
        let broken = with(|m| m.delete_bucket(bucket));
        let (plan, after) = repaired(Engine::Bolt, &broken, &[]);
        let name = String::from_utf8_lossy(bucket);
        assert!(plan.nothing_to_do(), "{name}: {:?}", plan.repaired);
        assert!(after == broken);
        assert!(left(&plan).contains(&("metadata.bucket-absent", &*name)));
    }
}

#[test]
fn tokens_that_a_downgrade_and_an_upgrade_left_dead_are_revived() {
    let path = fixture_path("lived-2.9.1");
    let store = Store::open(&path, &OpenOptions::default()).unwrap();
    let (sound, _) = Model::copy_of(store.snapshot()).unwrap();
    let mut broken = sound.clone();
    broken.delete_bucket(names::AUTHORIZATION_HASHED_INDEX);
    broken.create_bucket(names::AUTHORIZATION_HASHED_INDEX);
    for engine in [Engine::Bolt, Engine::Redb] {
        let (plan, after) = repaired(engine, &broken, &[]);
        assert!(after == sound);
        assert_eq!(plan.repaired.len(), 36);
    }
}

/// The plaintext of a hashed token that only a record or an index entry shows stays readable in unused
/// bytes, through later changes too.
#[test]
fn the_last_copy_of_a_token_stays_readable() {
    let path = fixture_path("lived-2.9.1");
    let store = Store::open(&path, &OpenOptions::default()).unwrap();
    let (sound, _) = Model::copy_of(store.snapshot()).unwrap();
    let facts = facts("lived-2.9.1");
    let one = &facts["tokens"][5];
    let (id, token) = (one["id"].as_str().unwrap(), one["token"].as_str().unwrap());
    let mut dangling = sound.clone();
    dangling.put(names::AUTHORIZATION_INDEX, token.as_bytes(), id.as_bytes());
    let mut both = dangling.clone();
    replace(
        &mut both,
        names::AUTHORIZATIONS,
        &format!("{{\"id\":\"{id}\","),
        &format!("{{\"id\":\"{id}\",\"token\":\"{token}\","),
    );
    let id: Id = id.parse().unwrap();
    for (broken, code) in [
        (&dangling, Code::TokenIndexDangling),
        (&both, Code::TokenBoth),
    ] {
        let device = Recorder::new(made_of(Engine::Bolt, broken));
        let open = || WritableStore::on(Box::new(device.clone()), Path::new("store")).unwrap();
        assert!(lost(Engine::Bolt, &device.bytes()).is_empty());
        let mut store = open();
        let plan = planned(&store, &[]).unwrap();
        assert!(plan.repaired.iter().any(|cure| cure.code == code));
        let done = plan.apply(&mut store, &SideFiles::default()).unwrap();
        assert!(done.failure.is_none(), "{:?}", done.failure);
        assert!(Model::copy_of(&store).unwrap().0 == sound, "{code}");
        drop(store);
        assert_eq!(lost(Engine::Bolt, &device.bytes()), [id], "{code}");
        for _ in 0..3 {
            let mut store = open();
            let plan = recovery(&store).unwrap();
            plan.apply(&mut store, &SideFiles::default()).unwrap();
            drop(store);
            assert_eq!(lost(Engine::Bolt, &device.bytes()), [id], "{code}");
        }
        // A redb file can't keep it, so it is left.
        let (plan, after) = repaired(Engine::Redb, broken, &[]);
        assert!(plan.nothing_to_do(), "{:?}", plan.repaired);
        assert!(after == *broken);
        assert!(left(&plan).iter().any(|(name, _)| code == *name));
    }
}

#[test]
fn only_the_named_codes_are_cured() {
    let broken = with(|m| {
        m.delete(names::USER_INDEX, b"bob");
        m.put(names::ORGANIZATION_INDEX, b"was here", ID.as_bytes());
    });
    let (plan, after) = repaired(Engine::Bolt, &broken, &[Code::IndexAbsent]);
    assert_eq!(plan.repaired.len(), 1);
    assert!(plan.left.is_empty());
    assert_eq!(differences(&broken, &after), ["+userindexv1/bob"]);
}

/// Each code alone: no cure depends on another one.
#[test]
fn every_code_alone_is_cured() {
    for code in codes().filter(|code| code.repair() == Repair::Cured) {
        let (_, mutate) = MUTATORS.iter().find(|(name, _)| code == *name).unwrap();
        let broken = with(mutate);
        let (plan, after) = repaired(Engine::Bolt, &broken, &[code]);
        assert!(plan.repaired.iter().all(|cure| cure.code == code), "{code}");
        assert!(!plan.nothing_to_do(), "{code}");
        let before = check(&broken).unwrap();
        // Nothing else gets worse.
        let new = check(&after).unwrap();
        let new: Vec<_> = new
            .iter()
            .filter(|f| !before.contains(f))
            .filter(|f| f.code != Code::V1PasswordAbsent && f.code != Code::V1IndexDangling)
            .collect();
        assert!(new.is_empty(), "{code}: {new:?}");
    }
}
