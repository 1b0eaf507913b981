//! Replays the corpora of the fuzz targets: no input makes the library panic or hang.

#[path = "../../fuzz/bodies.rs"]
mod bodies;

use std::path::Path;

fn replay(corpus: &str, target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(corpus);
    let mut inputs = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        body(&std::fs::read(entry.unwrap().path()).unwrap());
        inputs += 1;
    }
    assert!(inputs > 0, "{} is empty", folder.display());
    println!("cases: corpus-{target} {inputs}");
}

#[test]
fn bolt() {
    replay("bolt", "bolt", bodies::bolt);
}

#[test]
fn change() {
    // What is read may also be changed.
    replay("bolt", "change", bodies::change);
}

#[test]
fn salvage() {
    replay("bolt", "salvage", bodies::salvage);
    replay("salvage", "salvage-own", bodies::salvage);
}

#[test]
fn redb() {
    replay("redb", "redb", bodies::redb);
}

#[test]
fn record() {
    replay("record", "record", bodies::record);
}

#[test]
fn config() {
    replay("config", "config", bodies::config);
}

#[test]
fn engine() {
    replay("engine", "engine", bodies::engine);
}

#[test]
fn list() {
    replay("list", "list", bodies::list);
}
