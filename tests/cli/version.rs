//! `boltkey --version`: the version, the commit, and the known releases of InfluxDB.

use std::path::Path;
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let head = Command::new("git")
        .args(["rev-parse", "HEAD"])
        .current_dir(root)
        .output();
    match head {
        Ok(head) if head.status.success() && root.join(".git").exists() => {
            let head = String::from_utf8(head.stdout).unwrap();
            let hash = commit.strip_suffix(", modified").unwrap_or(commit);
            assert_eq!(hash, head.trim());
        }
        _ => assert_eq!(commit, "unknown"),
    }
    assert_eq!(
        releases,
        "releases of InfluxDB: 2.0 2.1 2.2 2.3 2.4 2.5 2.6 2.7 2.8 2.9"
    );
    assert_eq!(version("-V"), text);
}
