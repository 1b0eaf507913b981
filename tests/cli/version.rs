//! `boltkey --version`: the version, the commit, and the known releases of InfluxDB.

use std::process::Command;

use crate::support::program::{BOLTKEY, said};

fn version(option: &str) -> String {
    let output = Command::new(BOLTKEY).arg(option).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn names_the_version_the_commit_and_the_releases() {
    let text = version("--version");
    let lines: Vec<_> = text.lines().collect();
    let [first, commit, releases] = lines[..] else {
        panic!("not three lines: {text}");
    };
    assert_eq!(first, concat!("boltkey ", env!("CARGO_PKG_VERSION")));
    let commit = commit.strip_prefix("commit: ").unwrap();
    // packaging/test compares the commit of a release build.
    if cfg!(debug_assertions) && std::env::var_os("BOLTKEY_COMMIT").is_none() {
        assert_eq!(commit, "unknown, debug build");
    }
    assert_eq!(
        releases,
        "releases of InfluxDB: 2.0 2.1 2.2 2.3 2.4 2.5 2.6 2.7 2.8 2.9"
    );
    assert_eq!(version("-V"), text);
}
