//! `salvage` as its user sees it: what it reports, refuses and leaves alone.

use std::fs;

use crate::fixtures::{content, fixtures};
use crate::sandbox::Ran;
use crate::scene::{SEVERAL, Scene, is_sound, mode, text};
use crate::support::bolt_image::Image;
use serde_json::Value;

/// The states that people reported, with the number of authorizations that are in the file.
const FIELD: &[(&str, u64)] = &[
    ("bolt-c01", 36),
    ("bolt-c08", 36),
    ("bolt-c21", 36),
    ("bolt-hotnone-25", 36),
    ("bolt-bigp-d2", 2001),
    ("bolt-okbut-1-13", 36),
    ("bolt-fullok-2-113", 36),
    ("6-23186-invalid-page-type-41-10", 36),
];

fn churned() -> Image {
    Image::new(content(&fixtures().join("churned/tokens-136.bolt.gz")))
}

/// The report has these texts, whatever its line breaks.
#[track_caller]
fn reports(ran: &Ran, texts: &[&str]) {
    let words: Vec<&str> = ran.stdout.split_whitespace().collect();
    let words = words.join(" ");
    for text in texts {
        assert!(words.contains(text), "{text:?} is missing: {ran:?}");
    }
}

fn zero(image: &mut Image, at: usize) {
    let size = image.page_size;
    image.bytes[at..at + size].fill(0);
}

#[test]
fn reported_files_give_all_their_tokens() {
    for (name, tokens) in FIELD {
        let scene = Scene::new();
        let packed = fixtures().join(format!("field/{name}.bolt.gz"));
        let database = scene.sandbox.file("work/influxd.bolt", content(&packed));
        let out = scene.path("new.bolt");
        let ran = scene.run(&["salvage", "--json"], &database, &["--out", text(&out)]);
        assert!([0, 3].contains(&ran.code), "{name}: {ran:?}");
        let report = ran.json();
        assert!(
            report["tokens"]["found"].as_u64() >= Some(*tokens),
            "{name}: {report}"
        );
        assert_eq!(
            (&report["sound"], &report["changed"]),
            (&false.into(), &false.into())
        );
        assert_eq!(mode(&out), 0o600);
        is_sound(&scene, &out);
        let list = ["--json"];
        let listed = scene.run(&["auth", "list"], &out, &list).ok().json();
        let listed = listed["authorizations"].as_array().unwrap().len() as u64;
        assert_eq!(report["tokens"]["found"].as_u64(), Some(listed), "{name}");
        // A packed copy is read as well.
        let again = scene.path("again.bolt");
        let ran = scene.run(&["salvage"], &packed, &["--out", text(&again)]);
        assert!([0, 3].contains(&ran.code), "{name}: {ran:?}");
    }
    println!("cases: salvaged-field {}", FIELD.len());
}

#[test]
fn a_sound_store_is_copied() {
    let scene = Scene::new();
    let database = scene.sandbox.store(SEVERAL);
    let (new, compact) = (scene.path("new.bolt"), scene.path("compact.bolt"));
    let ran = scene
        .run(&["salvage"], &database, &["--out", text(&new)])
        .code(0);
    reports(
        &ran,
        &[
            "no damage that hides records",
            "boltkey compact",
            "ok: nothing was lost",
        ],
    );
    scene
        .run(&["compact"], &database, &["--out", text(&compact)])
        .code(0);
    assert_eq!(fs::read(&new).unwrap(), fs::read(&compact).unwrap());
}

#[test]
fn lost_records_are_named_and_their_tokens_are_not_shown() {
    let scene = Scene::new();
    let mut image = churned();
    let tree = image.tree_of("authorizationsv1");
    let branch = image.page(image.u64(image.element(tree, 3) + 8));
    let leaf = image.page(image.u64(image.element(branch, 5) + 8));
    zero(&mut image, leaf);
    let database = scene.sandbox.file("work/influxd.bolt", &image.bytes);
    let out = scene.path("new.bolt");
    let ran = scene
        .run(&["salvage"], &database, &["--out", text(&out)])
        .code(3);
    reports(
        &ran,
        &[
            "its tree is damaged in 1 place",
            "without a record can still be read",
            "boltkey capture --out FILE",
            "LOST:",
            "only the index of tokens still has this",
        ],
    );
    assert!(!ran.stdout.contains("churned-0"), "{ran:?}");
    fs::remove_file(&out).unwrap();
    let extra = ["--out", text(&out), "--json"];
    let report = scene.run(&["salvage"], &database, &extra).code(3).json();
    let tokens = &report["tokens"];
    let alone = tokens["onlyInIndex"].as_u64().unwrap();
    assert!(alone > 0);
    assert_eq!(
        tokens["onlyInIndexIds"].as_array().unwrap().len() as u64,
        alone
    );
    assert_eq!(report["lost"].as_array().unwrap().len() as u64, alone);
    assert_eq!(tokens["found"].as_u64().unwrap() + alone, 2050);
    // The next step that was named: it writes them out.
    let saved = scene.path("saved.json");
    scene
        .run(&["capture"], &database, &["--out", text(&saved)])
        .code(0);
    let saved: Value = serde_json::from_slice(&fs::read(&saved).unwrap()).unwrap();
    let ids: Vec<&str> = saved["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["id"].as_str().unwrap())
        .collect();
    for id in tokens["onlyInIndexIds"].as_array().unwrap() {
        assert!(ids.contains(&id.as_str().unwrap()), "{id}");
    }
}

/// The first half of a store has the pages of the token index, but neither the root nor most records.
#[test]
fn tokens_of_lost_index_pages_are_captured() {
    let scene = Scene::new();
    let packed = fixtures().join("churned/tokens-136.bolt.gz");
    let whole = scene.path("whole.bolt");
    scene
        .run(&["compact"], &packed, &["--out", text(&whole)])
        .code(0);
    let bytes = fs::read(&whole).unwrap();
    let half = bytes.len() / 2 / 4096 * 4096;
    let database = scene.sandbox.file("work/influxd.bolt", &bytes[..half]);
    let (out, saved) = (scene.path("new.bolt"), scene.path("saved.json"));
    let extra = ["--out", text(&out), "--json"];
    let report = scene.run(&["salvage"], &database, &extra).code(3).json();
    let number = |name: &str| report["tokens"][name].as_u64().unwrap();
    let (found, alone) = (number("found"), number("withValue"));
    assert!(found > 500 && alone > 500, "{report}");
    scene
        .run(&["capture"], &database, &["--out", text(&saved)])
        .code(0);
    let saved: Value = serde_json::from_slice(&fs::read(&saved).unwrap()).unwrap();
    let saved = saved["tokens"].as_array().unwrap();
    assert_eq!(saved.len() as u64, found + alone);
    let listed = scene.run(&["auth", "list", "--reveal", "--json"], &whole, &[]);
    let listed = listed.code(0).json();
    let listed = listed["authorizations"].as_array().unwrap();
    for one in saved {
        let same = |other: &&Value| other["id"] == one["id"] && other["token"] == one["token"];
        assert!(listed.iter().any(|other| same(&other)), "{}", one["id"]);
    }
}

/// Without meta pages no command can open the file, and `capture` has the same tokens as `salvage`.
#[test]
fn tokens_of_a_file_without_meta_pages_are_captured() {
    let scene = Scene::new();
    let mut image = churned();
    let tree = image.tree_of("authorizationsv1");
    let branch = image.page(image.u64(image.element(tree, 3) + 8));
    let leaf = image.page(image.u64(image.element(branch, 5) + 8));
    for at in [0, image.page_size, leaf] {
        zero(&mut image, at);
    }
    let database = scene.sandbox.file("work/influxd.bolt", &image.bytes);
    let (out, saved) = (scene.path("new.bolt"), scene.path("saved.json"));
    let extra = ["--out", text(&out), "--json"];
    let report = scene.run(&["salvage"], &database, &extra).code(3).json();
    let number = |name: &str| report["tokens"][name].as_u64().unwrap();
    let alone = number("withValue");
    assert!(alone > 0 && number("found") + alone == 2050, "{report}");
    let tokens = |extra: &[&str]| {
        let extra = [&["--out", text(&saved)], extra].concat();
        let ran = scene.run(&["capture"], &database, &extra).code(0);
        ran.tells(&["both meta pages are lost"]);
        reports(&ran, &["there may be more"]);
        let written: Value = serde_json::from_slice(&fs::read(&saved).unwrap()).unwrap();
        fs::remove_file(&saved).unwrap();
        written["tokens"].as_array().unwrap().clone()
    };
    let all = tokens(&[]);
    let bare = all.iter().filter(|one| one["kind"].is_null()).count() as u64;
    assert_eq!((all.len() as u64, bare), (2050, alone));
    let operators = tokens(&["--kind", "operator"]);
    assert!(!operators.is_empty() && operators.len() < 100);
    // What is no store is refused as before.
    let garbage = scene.sandbox.file("work/garbage", vec![7; 100_000]);
    let extra = ["--out", text(&saved)];
    let ran = scene.run(&["capture"], &garbage, &extra).code(5);
    ran.tells(&["no valid meta page"]);
    assert!(!saved.exists());
}

/// influxd would count on from there and begin at 0 again, so one bucket would get the shards of
/// another.
#[test]
fn a_shard_number_that_is_too_high_is_refused() {
    let scene = Scene::new();
    let mut image = churned();
    let root = image.page(image.root());
    zero(&mut image, root);
    let database = scene.sandbox.file("work/influxd.bolt", &image.bytes);
    let shard = format!("work/engine/data/00000000000000aa/autogen/{}/x", u64::MAX);
    scene.sandbox.file(&shard, b"");
    let out = scene.path("new.bolt");
    let ran = scene
        .run(&["salvage"], &database, &["--out", text(&out)])
        .code(1);
    ran.tells(&[
        "can't count on from a number of a shard",
        "nothing was changed",
        "boltkey bucket adopt --all",
    ]);
    assert!(!out.exists());
}

#[test]
fn a_dry_run_writes_nothing() {
    let scene = Scene::new();
    let mut image = churned();
    let root = image.page(image.root());
    zero(&mut image, root);
    let database = scene.sandbox.file("work/influxd.bolt", &image.bytes);
    let out = scene.path("new.bolt");
    let extra = ["--out", text(&out), "--dry-run"];
    let ran = scene.run(&["salvage"], &database, &extra).code(0);
    reports(&ran, &["nothing was written"]);
    let extra = ["--out", text(&out), "-n", "--json"];
    let report = scene.run(&["salvage"], &database, &extra).code(0).json();
    assert_eq!(report["dryRun"], true);
    assert_eq!(report["tokens"]["found"], 2050);
    let buckets = report["buckets"].as_array().unwrap();
    let tokens = buckets
        .iter()
        .find(|bucket| bucket["name"] == "authorizationsv1");
    let tokens = tokens.unwrap();
    assert_eq!(
        (
            &tokens["records"],
            &tokens["fromTree"],
            &tokens["fromPages"],
            &tokens["doubtful"]
        ),
        (&2050.into(), &0.into(), &2050.into(), &0.into())
    );
    assert!(scene.names().is_empty());
}

#[test]
fn what_is_no_damaged_store_is_refused() {
    let scene = Scene::new();
    let out = scene.path("new.bolt");
    let refused = |database: &std::path::Path, code: i32, texts: &[&str]| {
        let ran = scene
            .run(&["salvage"], database, &["--out", text(&out)])
            .code(code);
        ran.tells(texts);
        ran.tells(&["nothing was changed"]);
        assert!(!out.exists());
    };
    let empty = scene.sandbox.file("work/empty", b"");
    refused(&empty, 5, &["it is empty"]);
    let garbage = scene.sandbox.file("work/garbage", vec![7; 100_000]);
    refused(&garbage, 5, &["not a Bolt file, or nothing of it is left"]);
    let zeros = scene.sandbox.file("work/zeros", vec![0; 100_000]);
    refused(&zeros, 5, &["not a Bolt file, or nothing of it is left"]);
    let folder = scene.sandbox.path("work");
    refused(&folder, 5, &["it is a folder"]);
    refused(&scene.sandbox.path("work/missing"), 1, &["No such file"]);
    let other = content(&fixtures().join("bbolt/influx-4096-array-136.bolt.gz"));
    let mut other = Image::new(other);
    let root = other.page(other.root());
    zero(&mut other, root);
    let other = scene.sandbox.file("work/other.bolt", &other.bytes);
    refused(&other, 5, &["none of InfluxDB's records can be found"]);
    let redb = scene.redb(SEVERAL);
    refused(&redb, 1, &["is a redb store", "boltkey convert"]);
    let sound = scene.sandbox.store(SEVERAL);
    fs::write(&out, "theirs").unwrap();
    let ran = scene
        .run(&["salvage"], &sound, &["--out", text(&out)])
        .code(1);
    ran.tells(&["exists already", "nothing was changed"]);
    assert_eq!(fs::read_to_string(&out).unwrap(), "theirs");
    scene
        .run(&["salvage"], &sound, &["--out", "-"])
        .code(2)
        .tells(&["standard output"]);
    let extra = ["--previous", "--out", "out"];
    scene
        .run(&["salvage"], &sound, &extra)
        .code(2)
        .tells(&["leave out --previous"]);
}
