//! `backup export`, `backup inspect` and `backup token`, on backups of every form and on files that
//! are not backups.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::fixtures::{facts, gzip, store_names, token_of};
use crate::scene::{SEVERAL, Scene, hold_the_same, mode, text};
use crate::{Ran, Sandbox};

/// An export of this store, in a folder of its own.
pub fn exported(scene: &Scene, name: &str, extra: &[&str]) -> PathBuf {
    let database = scene.sandbox.store(name);
    let out = scene.path("backup");
    let extra = [&["--out", text(&out)], extra].concat();
    scene.run(&["backup", "export"], &database, &extra).ok();
    out
}

/// The names in a folder, ascending.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The path of the one file whose name ends so.
fn file(folder: &Path, suffix: &str) -> PathBuf {
    let names = names(folder);
    let mut found = names.iter().filter(|name| name.ends_with(suffix));
    let name = found
        .next()
        .unwrap_or_else(|| panic!("no {suffix}: {names:?}"));
    assert_eq!(found.next(), None);
    folder.join(name)
}

#[track_caller]
pub fn inspect(sandbox: &Sandbox, backup: &Path, extra: &[&str]) -> Ran {
    let mut arguments = vec!["backup", "inspect", text(backup)];
    arguments.extend(extra);
    sandbox.run(arguments)
}

/// An SQLite file as influxd's, with a row in it.
fn sqlite(path: &Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE migrations(id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL);
             CREATE TABLE notebooks(id TEXT); INSERT INTO notebooks VALUES ('one');",
        )
        .unwrap();
    connection.close().unwrap();
}

#[test]
fn an_export_holds_all_that_the_store_holds() {
    for name in store_names() {
        for (engine, compression) in [("bolt", "gzip"), ("redb", "none")] {
            let scene = Scene::new();
            let database = match engine {
                "bolt" => scene.store(&name),
                _ => scene.redb(&name),
            };
            sqlite(&scene.path("influxd.sqlite"));
            let out = scene.path("backup");
            let extra = ["--out", text(&out), "--compression", compression, "--json"];
            let report = scene
                .run(&["backup", "export"], &database, &extra)
                .ok()
                .json();
            assert_eq!(report["sqlite"], true);
            assert_eq!(mode(&out), 0o700);
            for name in names(&out) {
                assert_eq!(mode(&out.join(name)), 0o600);
            }
            let suffix = if compression == "gzip" { ".gz" } else { "" };
            let copy = file(&out, &format!(".bolt{suffix}"));
            hold_the_same(&scene, &database, &copy);
            let residue = scene.run(&["residue", "scan", "--json"], &copy, &[]);
            assert_eq!(residue.code(0).json()["tokens"], 0, "{name}");
            let status = scene.run(&["status", "--json"], &database, &[]).ok().json();
            let inspected = inspect(&scene.sandbox, &out, &["--json"]).ok().json();
            for field in ["schema", "tokens", "operatorTokens", "hashVariants"] {
                assert_eq!(inspected[field], status[field], "{name} {field}");
            }
            assert_eq!(inspected["complete"], true);
            assert_eq!(inspected["kind"], "boltkey");
            assert_eq!(inspected["base"], report["base"]);
            let sheet = fs::read(file(&out, ".boltkey.json")).unwrap();
            let sheet: Value = serde_json::from_slice(&sheet).unwrap();
            assert_eq!(sheet["tokens"], status["tokens"]);
            assert_eq!(sheet["recoverableLeft"], report["recoverableLeft"]);
            for token in facts(&name)["tokens"].as_array().unwrap() {
                let token = token["token"].as_str().unwrap_or_default();
                assert!(token.is_empty() || !sheet.to_string().contains(token));
            }
        }
    }
}

#[test]
fn exports_share_a_folder_and_the_newest_counts() {
    let scene = Scene::new();
    let database = scene.sandbox.store(SEVERAL);
    let out = scene.path("backup");
    for n in 1..=3 {
        let run = |extra: &[&str]| {
            let extra = [&["--out", text(&out), "--json"], extra].concat();
            scene
                .run(&["backup", "export"], &database, &extra)
                .ok()
                .json()
        };
        let report = run(&[]);
        assert_eq!(names(&out).len(), 2 * n);
        assert_eq!(report["recoverableLeft"], 35);
        let inspected = inspect(&scene.sandbox, &out, &["--json"]).ok().json();
        assert_eq!(inspected["base"], report["base"]);
        assert_eq!(report["influxManifest"], Value::Null);
        // A dry run makes nothing, and says the same.
        let dry = run(&["-n"]);
        assert_eq!(dry["dryRun"], true);
        assert_eq!(dry["recoverableLeft"], 35);
        assert_eq!(names(&out).len(), 2 * n);
    }
    let missing = scene.path("a/b");
    let ran = scene.run(&["backup", "export"], &database, &["--out", text(&missing)]);
    ran.code(1).tells(&["No such file", "nothing was changed"]);
    let ran = scene.run(
        &["backup", "export"],
        &database,
        &["--out", text(&database)],
    );
    ran.code(1)
        .tells(&["is not a folder", "nothing was changed"]);
    let extra = ["--out", text(&out), "--sqlite-path", "nowhere.sqlite"];
    let ran = scene.run(&["backup", "export"], &database, &extra);
    ran.code(1)
        .tells(&["nowhere.sqlite", "nothing was changed"]);
    let extra = ["--out", text(&out), "--sqlite-path", text(&database)];
    let ran = scene.run(&["backup", "export"], &database, &extra);
    ran.code(5)
        .tells(&["not an SQLite file", "nothing was changed"]);
    assert_eq!(names(&out).len(), 6);
}

#[test]
fn a_manifest_is_written_only_where_it_takes_no_shards_away() {
    let scene = Scene::new();
    let out = exported(&scene, SEVERAL, &["--influx-manifest"]);
    let manifest = fs::read(file(&out, ".manifest")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["manifestVersion"], 2);
    assert_eq!(manifest["kv"]["compression"], 1);
    assert_eq!(manifest["buckets"].as_array().unwrap().len(), 6);
    let inspected = inspect(&scene.sandbox, &out, &["--json"]).ok().json();
    assert_eq!(inspected["kind"], "influx");
    let restore = &inspected["fullRestore"];
    assert_eq!(restore["cliBefore28"], "fails");
    assert_eq!(restore["cli28"], "needs-operator-token");
    assert_eq!(restore["deletesShards"][0]["bucket"], "metrics");
    let said = inspect(&scene.sandbox, &out, &[]).ok().stdout;
    assert!(said.contains("deletes all points"), "{said}");
    assert!(said.contains("acme/metrics: 1"), "{said}");
    // Into a folder with a backup of points it is not.
    let mut with_shard = manifest;
    with_shard["buckets"][0]["retentionPolicies"][0]["shardGroups"] = json!([{
        "id": 1, "shards": [{"id": 1, "fileName": "x.1.tar.gz", "size": 1, "compression": 1}]
    }]);
    fs::write(
        out.join("20200101T000000Z.manifest"),
        with_shard.to_string(),
    )
    .unwrap();
    let before = names(&out);
    let database = scene.sandbox.store(SEVERAL);
    for dry in [&[][..], &["-n"]] {
        let extra = [&["--out", text(&out), "--influx-manifest"], dry].concat();
        let ran = scene.run(&["backup", "export"], &database, &extra).code(1);
        ran.tells(&[
            "20200101T000000Z.manifest",
            "names shards",
            "nothing was changed",
        ]);
    }
    assert_eq!(names(&out), before);
    scene
        .run(&["backup", "export"], &database, &["--out", text(&out)])
        .ok();
}

#[test]
fn one_stream_holds_a_whole_backup() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    sqlite(&scene.path("influxd.sqlite"));
    for extra in [&[][..], &["--influx-manifest"], &["--compression", "none"]] {
        let mut command = scene
            .sandbox
            .command(["backup", "export", "--out", "-", "-q"]);
        command.args(extra).arg("--db").arg(&database);
        let tar = command.output().unwrap();
        assert!(tar.status.success() && tar.stderr.is_empty(), "{tar:?}");
        let ran = scene
            .sandbox
            .run_with(["backup", "inspect", "-", "--json"], &tar.stdout);
        let inspected = ran.ok().json();
        assert_eq!(inspected["complete"], true);
        assert_eq!(inspected["files"].as_array().unwrap().len(), 2);
        let kept = scene.sandbox.file("work/backup.tar", &tar.stdout);
        let same = inspect(&scene.sandbox, &kept, &["--json"]).ok().json();
        assert_eq!(same["files"], inspected["files"]);
        // Cut anywhere, flipped anywhere that counts.
        for length in [600, 5000, tar.stdout.len() - 3000] {
            let cut = &tar.stdout[..length];
            let ran = scene.sandbox.run_with(["backup", "inspect", "-"], cut);
            assert!([3, 5].contains(&ran.code), "{length}: {ran:?}");
        }
        let mut flipped = tar.stdout;
        flipped[3000] ^= 4;
        let ran = scene
            .sandbox
            .run_with(["backup", "inspect", "-", "--json"], &flipped);
        assert_eq!(ran.code(3).json()["files"][0]["state"], "damaged");
    }
    let ran = scene.run(&["backup", "export"], &database, &["--out", "-", "--json"]);
    ran.code(2).tells(&["standard output"]);
    let mut command = scene.sandbox.command(["backup", "export", "--out", "-"]);
    command.arg("--db").arg(&database);
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    command.stdout(full);
    scene
        .sandbox
        .finish(command)
        .code(1)
        .tells(&["standard output", "nothing was changed"]);
}

#[test]
fn what_is_missing_or_damaged_is_named() {
    let scene = Scene::new();
    let database = scene.store(SEVERAL);
    sqlite(&scene.path("influxd.sqlite"));
    let out = scene.path("backup");
    let extra = ["--out", text(&out), "--influx-manifest"];
    scene.run(&["backup", "export"], &database, &extra).ok();
    for suffix in [".bolt.gz", ".sqlite.gz"] {
        let path = file(&out, suffix);
        let sound = fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut flipped = sound.clone();
        flipped[sound.len() / 2] ^= 1;
        let mut longer = sound.clone();
        longer.push(0);
        let states: [(Option<&[u8]>, &str); 6] = [
            (None, "missing"),
            (Some(b""), "damaged"),
            (Some(&flipped), "damaged"),
            (Some(&sound[..sound.len() - 1]), "damaged"),
            (Some(&longer), "damaged"),
            (Some(b"SQLite format 3\0 or whatever"), "damaged"),
        ];
        for (content, state) in states {
            // Without our sheet, too: with what influx backup writes down.
            for sheet in [true, false] {
                let copy = scene.path("copy");
                let _ = fs::remove_dir_all(&copy);
                fs::create_dir(&copy).unwrap();
                for other in names(&out) {
                    if sheet || !other.ends_with(".json") {
                        fs::copy(out.join(&other), copy.join(&other)).unwrap();
                    }
                }
                match content {
                    Some(content) => fs::write(copy.join(name), content).unwrap(),
                    None => fs::remove_file(copy.join(name)).unwrap(),
                }
                let report = inspect(&scene.sandbox, &copy, &["--json"]).code(3).json();
                assert_eq!(report["complete"], false);
                let files = report["files"].as_array().unwrap();
                let told = files.iter().find(|file| file["fileName"] == *name).unwrap();
                assert_eq!(told["state"], state, "{suffix}");
                let errors = report["findings"].as_array().unwrap().iter();
                let errors = errors.filter(|finding| finding["severity"] == "error");
                assert_eq!(errors.count(), 1, "{report}");
                assert_eq!(report["schema"].is_null(), suffix == ".bolt.gz");
                inspect(&scene.sandbox, &copy, &[]).code(3);
                let made = scene.path("made");
                let arguments = [
                    "backup",
                    "token",
                    text(&copy),
                    "--out",
                    text(&made),
                    "--generate",
                ];
                let ran = scene.sandbox.run(arguments).code(5);
                ran.tells(&["is damaged", name, "nothing was changed"]);
                assert!(!made.exists());
            }
        }
    }
}

#[test]
fn what_is_no_backup_is_said_to_be_none() {
    let scene = Scene::new();
    let out = exported(&scene, SEVERAL, &["--influx-manifest"]);
    let manifest = fs::read_to_string(file(&out, ".manifest")).unwrap();
    let kv = file(&out, ".bolt.gz");
    let kv_name = kv.file_name().unwrap().to_str().unwrap();
    let sandbox = &scene.sandbox;
    let folder = |name: &str, files: &[(&str, &[u8])]| {
        let folder = sandbox.path(format!("work/{name}"));
        fs::create_dir(&folder).unwrap();
        for (file, content) in files {
            fs::write(folder.join(file), content).unwrap();
        }
        folder
    };
    let elsewhere = |name: &str| manifest.replace(kv_name, name).into_bytes();
    let kv = fs::read(&kv).unwrap();
    let cases = [
        (folder("empty", &[]), "neither a .manifest"),
        (folder("interrupted", &[(kv_name, &kv)]), kv_name),
        (folder("no-json", &[("a.manifest", b"{")]), "a.manifest"),
        (
            folder("above", &[("a.manifest", &elsewhere("../x.bolt"))]),
            "../x.bolt",
        ),
        (
            folder("absolute", &[("a.manifest", &elsewhere("/etc/passwd"))]),
            "/etc/passwd",
        ),
        (
            folder(
                "later",
                &[("a.boltkey.json", br#"{"format":"boltkey-backup/9"}"#)],
            ),
            "a.boltkey.json",
        ),
        (sandbox.file("work/text", "no database"), "text"),
        (sandbox.file("work/nothing", ""), "it is empty"),
        (
            sandbox.file("work/cut.gz", &kv[..kv.len() / 2]),
            "ends early",
        ),
        (sandbox.file("work/gzip", gzip(b"no database")), "gzip"),
    ];
    for (backup, word) in &cases {
        for json in [&[][..], &["--json"]] {
            let ran = inspect(sandbox, backup, json).code(5);
            ran.tells(&[word]);
            assert_eq!(ran.stdout, "");
        }
    }
    inspect(sandbox, &sandbox.path("missing"), &[])
        .code(1)
        .tells(&["No such file"]);
    let bomb = sandbox.file("work/bomb.bolt.gz", gzip(&vec![0; 70 << 20]));
    inspect(sandbox, &bomb, &[])
        .code(5)
        .tells(&["it unpacks to more than"]);
    println!("cases: no-backups {}", cases.len() + 2);
}

#[test]
fn whether_an_operator_token_opens_it() {
    let scene = Scene::new();
    let sandbox = &scene.sandbox;
    for (name, storage) in [
        ("lived-2.9.1", "hashed"),
        ("lived-2.9.1-plaintext", "plaintext"),
    ] {
        let database = sandbox.store(name);
        let cases = [
            (token_of(name, "alice's Token"), true, ""),
            (token_of(name, "second operator"), true, ""),
            (token_of(name, "switched off"), false, "a custom token"),
            (
                token_of(name, "all access one"),
                false,
                "an all-access token",
            ),
            (String::from("wrong"), false, "no authorization"),
            (String::new(), false, "is empty"),
        ];
        for (token, matches, why) in &cases {
            let path = sandbox.file("work/token", format!("{token}\n"));
            let file = ["--operator-token-file", text(&path), "--json"];
            let flag = ["--operator-token", token, "--json"];
            let code = if *matches { 0 } else { 3 };
            let by_file = inspect(sandbox, &database, &file).code(code);
            let by_flag = inspect(sandbox, &database, &flag).code(code);
            let report = by_file.json();
            assert_eq!(by_flag.json(), report);
            let arguments = ["backup", "inspect", text(&database), "--json"];
            let mut command = sandbox.command(arguments);
            command.env("BOLTKEY_OPERATOR_TOKEN", token);
            assert_eq!(sandbox.finish(command).code(code).json(), report);
            let arguments = [&arguments[..], &["--operator-token-file", "-"]].concat();
            let by_stdin = sandbox.run_with(arguments, token.as_bytes()).code(code);
            assert_eq!(by_stdin.json(), report);
            let told = &report["operatorToken"];
            assert_eq!(told["matches"], *matches);
            if !matches {
                assert!(told["reason"].as_str().unwrap().contains(why), "{told}");
            }
            let needs = if *matches { "ok" } else { "fails" };
            let expected = if storage == "plaintext" { "ok" } else { needs };
            assert_eq!(report["fullRestore"]["cli28"], expected);
            for ran in [&by_file, &by_flag] {
                assert!(token.len() < 6 || !ran.stdout.contains(token.as_str()));
            }
        }
    }
    let ran = sandbox.run(["backup", "inspect", "-", "--operator-token-file", "-"]);
    ran.code(2).tells(&["standard input"]);
    let both = [
        "backup",
        "inspect",
        "x",
        "--operator-token",
        "a",
        "--operator-token-file",
        "b",
    ];
    let ran = sandbox.run(both).code(2);
    assert!(!ran.stderr.contains(" a "), "{ran:?}");
}
