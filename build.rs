//! Tells the program which commit it is built from, for `boltkey --version`: `BOLTKEY_COMMIT` of the
//! environment, the commit that `cargo package` records, or that of the checkout. The same source
//! gives the same text, so builds stay reproducible.

#![allow(clippy::print_stdout)] // cargo reads it

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a change of would change the program.
const SOURCES: [&str; 5] = ["src", "build.rs", "Cargo.toml", "Cargo.lock", ".cargo"];

fn main() {
    println!("cargo::rerun-if-env-changed=BOLTKEY_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    let root = env::var_os("CARGO_MANIFEST_DIR").map_or_else(PathBuf::new, PathBuf::from);
    let commit = from_environment()
        .or_else(|| from_package(&root))
        .or_else(|| match env::var("PROFILE").as_deref() {
            // It would be compiled again after each commit.
            Ok("debug") => Some("unknown, debug build".to_owned()),
            _ => from_checkout(&root),
        });
    println!(
        "cargo::rustc-env=BOLTKEY_COMMIT={}",
        commit.as_deref().unwrap_or("unknown")
    );
}

fn from_environment() -> Option<String> {
    let commit = env::var("BOLTKEY_COMMIT").ok()?;
    (!commit.is_empty() && commit.chars().all(|c| c.is_ascii_graphic())).then_some(commit)
}

/// The commit in the file that `cargo package` adds.
fn from_package(root: &Path) -> Option<String> {
    let text = fs::read_to_string(root.join(".cargo_vcs_info.json")).ok()?;
    let (_, rest) = text.split_once("\"sha1\"")?;
    let commit = rest.split('"').nth(1)?;
    let modified = text.contains("\"dirty\": true");
    is_hash(commit).then(|| marked(commit, modified))
}

/// The commit of the checkout whose root is `root`; no other, such as that of a vendoring project.
fn from_checkout(root: &Path) -> Option<String> {
    if !root.join(".git").exists() {
        return None;
    }
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    let branch = git(root, &["rev-parse", "--symbolic-full-name", "HEAD"]);
    let branch = branch.as_deref().unwrap_or("HEAD");
    for file in ["HEAD", "logs/HEAD", branch] {
        if let Some(path) = git(root, &["rev-parse", "--git-path", file]) {
            let path = root.join(path);
            if path.exists() {
                println!("cargo::rerun-if-changed={}", path.display());
            }
        }
    }
    let commit = git(root, &["rev-parse", "HEAD"])?;
    let mut status = vec!["status", "--porcelain", "--untracked-files=no", "--"];
    status.extend(SOURCES);
    let modified = git(root, &status).is_some_and(|changes| !changes.is_empty());
    is_hash(&commit).then(|| marked(&commit, modified))
}

fn marked(commit: &str, modified: bool) -> String {
    let mark = if modified { ", modified" } else { "" };
    format!("{commit}{mark}")
}

fn is_hash(text: &str) -> bool {
    text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("--no-optional-locks")
        .args(arguments)
        .current_dir(root)
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
