//! Lists of many tokens in little memory.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::scene::{PLAIN, Scene, text};
use crate::support::program::BOLTKEY;

/// How many tokens the long list has.
const MANY: u64 = 10_000;

/// The highest number of bytes that a run had in memory.
fn peak(arguments: &[&str]) -> u64 {
    let shell = "\"$0\" \"$@\" >/dev/null & \
                 pid=$!; peak=0; while kill -0 $pid 2>/dev/null; do \
                 now=$(sed -n 's/^VmHWM:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$pid/status 2>/dev/null); \
                 [ -n \"$now\" ] && peak=$now; sleep 0.01; done; wait $pid || exit; echo $peak";
    let ran = Command::new("bash")
        .args(["-c", shell, BOLTKEY])
        .args(arguments)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let kilobytes = String::from_utf8(ran.stdout).unwrap();
    kilobytes.trim().parse::<u64>().unwrap() * 1024
}

/// A list of tokens for alice in acme, in TOML or JSON, with their values.
fn list(tokens: u64, json: bool) -> String {
    let mut list = String::from(if json { "{\"token\": [" } else { "" });
    for n in 0..tokens {
        let value = format!("{n:064}planted");
        match json {
            true => {
                let comma = if n > 0 { "," } else { "" };
                write!(
                    list,
                    "{comma}\n{{\"name\": \"token {n}\", \"org\": \"acme\", \"user\": \"alice\", \
                     \"permissions\": [\"read:buckets\", \"write:tasks\"], \"value\": \"{value}\"}}"
                )
            }
            false => write!(
                list,
                "[[token]]\nname = \"token {n}\"\norg = \"acme\"\nuser = \"alice\"\n\
                 permissions = [\"read:buckets\", \"write:tasks\"]\nvalue = \"{value}\"\n\n"
            ),
        }
        .unwrap();
    }
    list.push_str(if json { "\n]}\n" } else { "" });
    list
}

#[test]
fn a_token_of_a_list_takes_little_memory() {
    let mut peaks = Vec::new();
    for (json, tokens) in [(false, 10), (false, MANY), (true, MANY / 2)] {
        let scene = Scene::new();
        let database = scene.sandbox.store(PLAIN);
        let path = scene.path("list");
        fs::write(&path, list(tokens, json)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let (database, path) = (text(&database), text(&path));
        peaks.push(peak(&["apply", path, "--db", database, "--yes"]));
        let out = scene.path("captured");
        peak(&["capture", "--db", database, "--out", text(&out)]);
        let captured = fs::read_to_string(&out).unwrap();
        assert!(captured.matches("planted").count() as u64 == tokens);
    }
    let [apply_few, apply, apply_json] = peaks[..] else {
        panic!();
    };
    println!("peaks in bytes: {peaks:?}");
    // A tree of the whole list takes 4,000 bytes for each.
    for (apply, tokens) in [(apply, MANY), (apply_json, MANY / 2)] {
        assert!(
            apply.saturating_sub(apply_few) < 3_000 * tokens,
            "{peaks:?}"
        );
    }
}
