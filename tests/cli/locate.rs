//! `locate`. It may also find stores of this host, so only those of the sandbox are compared.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use serde_json::{Value, json};

use crate::Sandbox;
use crate::fixtures::fixture;
use crate::scene::{ONE, SEVERAL};

/// The sandbox's stores by their paths in it.
fn located(sandbox: &Sandbox, variables: &[(&str, &Path)]) -> BTreeMap<String, Value> {
    let mut command = sandbox.command(["locate", "--json"]);
    for (name, value) in variables {
        command.env(name, value);
    }
    let report = sandbox.finish(command).code(0).json();
    let below = sandbox.path("");
    let stores = report["stores"].as_array().unwrap().iter();
    let stores = stores.filter_map(|store| {
        let path = Path::new(store["path"].as_str()?);
        let path = path.strip_prefix(&below).ok()?.to_str()?;
        Some((path.to_owned(), store.clone()))
    });
    stores.collect()
}

#[test]
fn the_stores_of_a_host() {
    let sandbox = Sandbox::new();
    let home = sandbox.file("home/.influxdbv2/influxd.bolt", fixture(SEVERAL));
    sandbox.file("work/copy.bolt", fixture(ONE));
    sandbox.file("work/empty.bolt", "");
    sandbox.file("work/text.bolt", "no store");
    sandbox.file("elsewhere/influxd.bolt", "");
    let elsewhere = sandbox.path("elsewhere/influxd.bolt");
    std::os::unix::fs::symlink(&home, sandbox.path("work/link.bolt")).unwrap();

    let found = located(&sandbox, &[("INFLUXD_BOLT_PATH", &home)]);
    let paths: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(paths, ["home/.influxdbv2/influxd.bolt", "work/copy.bolt"]);
    let first = &found[paths[0]];
    let count = |what: &str, list: &str| {
        let listed = sandbox.run([what, "list", "--json", "--db", home.to_str().unwrap()]);
        listed.ok().json()[list].as_array().unwrap().len()
    };
    assert_eq!(
        first,
        &json!({
            "path": home.to_str().unwrap(), "engine": "bolt",
            "sizeBytes": home.metadata().unwrap().len(),
            "modified": first["modified"], "owner": first["owner"],
            "users": count("user", "users"), "tokens": count("auth", "authorizations"),
            "wouldOpen": true, "because": "from INFLUXD_BOLT_PATH", "inUseBy": null,
        })
    );
    let modified = first["modified"].as_str().unwrap();
    assert!(
        modified.ends_with('Z') && modified.len() == 20,
        "{modified}"
    );
    assert_eq!(found["work/copy.bolt"]["wouldOpen"], false);
    assert_eq!(found["work/copy.bolt"]["because"], "the working directory");

    // The path in influxd's variable is what influxd would open. One in ours is only listed.
    let found = located(&sandbox, &[("INFLUXD_BOLT_PATH", &elsewhere)]);
    let chosen = &found["elsewhere/influxd.bolt"];
    assert_eq!(
        (&chosen["wouldOpen"], &chosen["users"]),
        (&json!(true), &json!(null))
    );
    assert_eq!(found["home/.influxdbv2/influxd.bolt"]["wouldOpen"], false);
    let found = located(&sandbox, &[("BOLTKEY_DB", &elsewhere)]);
    assert_eq!(found["elsewhere/influxd.bolt"]["wouldOpen"], false);
    // The home folder is that of the user database, not HOME.
    assert_eq!(found["home/.influxdbv2/influxd.bolt"]["wouldOpen"], false);

    let mut command = sandbox.command(["locate"]);
    command.env("INFLUXD_BOLT_PATH", &home);
    let text = sandbox.finish(command).code(0).stdout;
    assert!(
        text.contains("Influxd:   would open this one (from INFLUXD_BOLT_PATH)"),
        "{text}"
    );
    assert!(text.contains("work/link.bolt"), "{text}");
}

#[test]
fn one_in_use_is_named_with_its_holder() {
    let sandbox = Sandbox::new();
    let database = sandbox.file("home/.influxdbv2/influxd.bolt", fixture(ONE));
    let holder = File::open(&database).unwrap();
    holder.lock().unwrap();
    let found = located(&sandbox, &[]);
    let store = &found["home/.influxdbv2/influxd.bolt"];
    assert_eq!(
        (&store["users"], &store["tokens"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(store["inUseBy"]["pid"], std::process::id());
    assert!(store["inUseBy"]["program"].is_string());
    let text = sandbox.run(["locate"]).code(0).stdout;
    let wanted = format!("(pid {}); not read", std::process::id());
    assert!(text.contains(&wanted), "{text}");
}

#[test]
fn what_a_wrong_path_leaves_is_told() {
    let sandbox = Sandbox::new();
    let path = sandbox.path("home/.influxdbv2/influxd.bolt");
    let missing = sandbox.path("nowhere/influxd.bolt");
    let mut command = sandbox.command(["locate"]);
    command.env("INFLUXD_BOLT_PATH", &missing);
    let text = sandbox.finish(command).code(0).stdout;
    let unwrapped = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        unwrapped.contains("where no file exists; it would create an empty store"),
        "{text}"
    );

    sandbox.file("home/.influxdbv2/influxd.bolt", "");
    let text = sandbox.run(["locate"]).code(0).stdout;
    assert!(text.contains("Abandoned: probably: it is empty"), "{text}");
    assert!(fs::read(&path).unwrap().is_empty());

    // Errors about such files lead here.
    let ran = sandbox
        .run(["status", "--db", path.to_str().unwrap()])
        .code(5);
    ran.tells(&["boltkey locate"]);
    fs::remove_file(&path).unwrap();
    let ran = sandbox
        .run(["status", "--db", missing.to_str().unwrap()])
        .code(1);
    ran.tells(&["boltkey locate"]);
}
