//! What `cargo package` packs: everything that builds and describes the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of the package.
fn packed() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "package",
            "--list",
            "--locked",
            "--offline",
            "--allow-dirty",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The targets of relative links, without anchors.
fn linked(page: &str) -> Vec<&str> {
    let targets = page.split("](").skip(1);
    targets
        .filter_map(|rest| rest.split(')').next())
        .map(|target| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .collect()
}

#[test]
fn has_every_source_file_and_the_licences() {
    let packed = packed();
    let mut sources = Vec::new();
    files_below(&root().join("src"), &mut sources);
    assert!(sources.len() > 100);
    for source in &sources {
        let path = source.strip_prefix(root()).unwrap().to_str().unwrap();
        assert!(packed.contains(path), "{path} is not packed");
    }
    for file in [
        "build.rs",
        "Cargo.lock",
        "CHANGELOG.md",
        "LICENSE-APACHE",
        "LICENSE-MIT",
    ] {
        assert!(packed.contains(file), "{file} is not packed");
    }
}

#[test]
fn has_every_page_that_the_readme_links() {
    let packed = packed();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let targets = linked(&readme);
    assert!(targets.len() > 10);
    for target in targets {
        assert!(packed.contains(target), "README links {target}, not packed");
    }
}

#[test]
fn stays_small() {
    let bytes: u64 = packed()
        .iter()
        .filter_map(|path| fs::metadata(root().join(path)).ok())
        .map(|file| file.len())
        .sum();
    // The limit of the registry is 10 MiB, compressed.
    assert!(bytes < 8 << 20, "{bytes} bytes");
}
