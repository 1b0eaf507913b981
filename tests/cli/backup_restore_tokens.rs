//! `backup restore` with every kind of token that does not open the backup, for every form of
//! backup and destination. Nothing is changed.

use std::fs;
use std::path::{Path, PathBuf};

use boltkey::store::device::on_file;
use boltkey::store::{Engine, Model, OpenOptions, Progress, Snapshot, Store, create_from};

use crate::fixtures::facts;
use crate::fixtures::token_of;
use crate::scene::{Scene, text};

/// A token, and the expected text about it.
struct Case {
    what: &'static str,
    token: String,
    says: &'static str,
}

/// A server's store in which the second operator token became what no server's fixture has.
fn changed(scene: &Scene, name: &str, file: &str, edit: &dyn Fn(&str) -> String) -> PathBuf {
    let source = scene.sandbox.store(name);
    let store = Store::open(&source, &OpenOptions::default()).unwrap();
    let (mut model, findings) = Model::copy_of(store.snapshot()).unwrap();
    assert!(findings.is_empty());
    let tokens = facts(name)["tokens"].clone();
    let mut tokens = tokens.as_array().unwrap().iter();
    let second = tokens.find(|token| token["name"] == "second operator");
    let id = second.unwrap()["id"].as_str().unwrap().to_owned();
    let bucket = b"authorizationsv1";
    let record = model.get(bucket, id.as_bytes()).unwrap().unwrap();
    let record = String::from_utf8(record).unwrap();
    let edited = edit(&record);
    assert!(edited != record, "nothing was edited");
    model.put(bucket, id.as_bytes(), edited.as_bytes());
    let path = scene.sandbox.path(format!("work/{file}"));
    let out = fs::File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    let progress = Progress::new(&|_| {});
    create_from(&model, Engine::Bolt, on_file(out), &path, &progress).unwrap();
    path
}

/// The forms of one backup: a folder, an archive, one database file.
fn forms(scene: &Scene, database: &Path, name: &str) -> Vec<PathBuf> {
    let out = scene.path("exported");
    let export = |out: &Path| {
        let extra = ["--out", text(out), "--influx-manifest"];
        scene.run(&["backup", "export"], database, &extra).ok();
    };
    export(&out);
    let folder = scene.sandbox.path(format!("work/{name}-folder"));
    fs::create_dir(&folder).unwrap();
    let mut archive = tar::Builder::new(Vec::new());
    for entry in fs::read_dir(&out).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap();
        archive.append_path_with_name(&path, file).unwrap();
        fs::copy(&path, folder.join(file)).unwrap();
    }
    fs::remove_dir_all(out).unwrap();
    let archive = archive.into_inner().unwrap();
    let archive = scene.sandbox.file(&format!("work/{name}.tar"), archive);
    vec![folder, archive, database.to_path_buf()]
}

/// All bytes of the folder.
fn standing(scene: &Scene) -> Vec<(String, Vec<u8>)> {
    let read = |name: String| {
        let content = fs::read(scene.path(&name)).unwrap();
        (name, content)
    };
    scene.names().into_iter().map(read).collect()
}

#[test]
fn who_does_not_get_in_changes_nothing() {
    let mut tried = 0;
    for name in ["lived-2.9.1", "lived-2.9.1-plaintext"] {
        let scene = Scene::new();
        let user = |user: &str| facts(name)["users"][user].as_str().unwrap().to_owned();
        let of = |record: &str, other: &str| record.replace(&user("bob"), &user(other));
        let second = token_of(name, "second operator");
        let case = |what, token: &str, says| Case {
            what,
            token: token.to_owned(),
            says,
        };
        let stores = [
            (
                "as-it-was",
                scene.sandbox.store(name),
                vec![
                    case("wrong", "wrong", "no authorization of the backup has this"),
                    case("empty", "", "is empty"),
                    case(
                        "no operator's",
                        &token_of(name, "all access one"),
                        "not an operator token, it is an all-access token",
                    ),
                    case(
                        "neither active nor an operator's",
                        &token_of(name, "switched off"),
                        "not an operator token, it is a custom token",
                    ),
                    case(
                        "deleted again",
                        &token_of(name, "deleted again"),
                        "no authorization of the backup has this",
                    ),
                ],
            ),
            (
                "inactive",
                changed(&scene, name, "inactive", &|record| {
                    record.replace(r#""status":"active""#, r#""status":"inactive""#)
                }),
                vec![case("inactive", &second, "the authorization is inactive")],
            ),
            (
                "deleted",
                changed(&scene, name, "deleted", &|record| of(record, "leaver")),
                vec![case("of a deleted user", &second, "was deleted")],
            ),
            (
                "asleep",
                changed(&scene, name, "asleep", &|record| of(record, "sleeper")),
                vec![case("of an inactive user", &second, "its user is inactive")],
            ),
        ];
        for (store, database, cases) in &stores {
            for from in forms(&scene, database, store) {
                for case in cases {
                    tried += refused(&scene, &from, case);
                }
                // That a token is refused for what it is, is seen on the one that opens.
                let to = scene.path("influxd.bolt");
                let token = token_of(name, "alice's Token");
                let ran = restore(&scene, &from, &to, &token, &["-n", "--json"]);
                assert_eq!(
                    ran.code(0).json()["operatorToken"]["id"],
                    facts(name)["tokens"][0]["id"]
                );
            }
        }
    }
    println!("cases: openers-refused {tried}");
}

fn restore(scene: &Scene, from: &Path, to: &Path, token: &str, extra: &[&str]) -> crate::Ran {
    let mut arguments = vec!["backup", "restore", text(from), "--to", text(to)];
    arguments.extend(["--operator-token-file", "-"]);
    arguments.extend(extra);
    scene.sandbox.run_with(arguments, token.as_bytes())
}

/// Tries one token everywhere; how often.
fn refused(scene: &Scene, from: &Path, case: &Case) -> usize {
    let to = scene.path("influxd.bolt");
    let mut tried = 0;
    let pair = ["influxd.bolt", "influxd.sqlite", "influxd.sqlite-journal"];
    for old in [&[][..], &pair] {
        for name in old {
            fs::write(scene.path(name), format!("what stands at {name}")).unwrap();
        }
        let before = standing(scene);
        for extra in [&[][..], &["--hash", "--force", "-y"], &["-n"]] {
            let place = format!("{}: {} token, {extra:?}", from.display(), case.what);
            let ran = restore(scene, from, &to, &case.token, extra).code(3);
            let said = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
            for text in [case.says, "does not open the backup", "nothing was changed"] {
                assert!(said.contains(text), "{place}: {text:?} is not said: {said}");
            }
            assert!(
                case.token.len() < 6 || !said.contains(&case.token),
                "{place}: the token is shown"
            );
            assert!(standing(scene) == before, "{place}: something was changed");
            tried += 1;
            if old.is_empty() {
                continue;
            }
            let json = restore(
                scene,
                from,
                &to,
                &case.token,
                &[extra, &["--json"]].concat(),
            );
            let report = json.code(3).json();
            assert_eq!(report["changed"], false, "{place}");
            assert_eq!(report["operatorToken"]["matches"], false, "{place}");
            let reason = report["operatorToken"]["reason"].as_str().unwrap();
            assert!(reason.contains(case.says), "{place}: {reason}");
            assert!(standing(scene) == before, "{place}: something was changed");
            tried += 1;
        }
        for name in old {
            fs::remove_file(scene.path(name)).unwrap();
        }
    }
    tried
}
