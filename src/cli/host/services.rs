//! Finds databases in systemd units, start scripts and the environment files that they read.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::cli::host::bounded_reads::{entries, read_bounded};
use crate::cli::host::discover::{Whose, configured_bolt};

/// Folders with units and start scripts, relative to the root.
const FOLDERS: [&str; 6] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
    "etc/init.d",
];

/// Folders with environment files, relative to the root.
const VARIABLES: [&str; 2] = ["etc/default", "etc/sysconfig"];

/// The databases named in service files, each with the name of that file.
pub(crate) fn named(root: &Path) -> Vec<(PathBuf, String)> {
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in FOLDERS.iter().chain(&VARIABLES) {
        for path in entries(&root.join(folder)).unwrap_or_default() {
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            if !name.contains("influx") {
                continue;
            }
            if path.is_dir() {
                files.extend(entries(&path).unwrap_or_default());
            } else {
                files.push(path);
            }
        }
    }
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    // The list grows during the loop, because units name environment files.
    while let Some(file) = files.pop() {
        if !seen.insert(file.clone()) {
            continue;
        }
        let Some(text) = read_bounded(&file) else {
            continue;
        };
        let clues = Clues::of(&String::from_utf8_lossy(&text));
        let by = file.display().to_string();
        found.extend(clues.databases.into_iter().map(|path| (path, by.clone())));
        for config in clues.configurations {
            if let Some((path, config)) = configured_bolt(&config, Whose::Anybodys) {
                found.push((path, format!("{}, named by {by}", config.display())));
            }
        }
        files.extend(clues.files);
    }
    found.sort();
    found
}

/// The paths found in one file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Clues {
    databases: Vec<PathBuf>,
    configurations: Vec<PathBuf>,
    /// Environment files to read.
    files: Vec<PathBuf>,
}

impl Clues {
    fn of(text: &str) -> Self {
        let mut clues = Self::default();
        for line in text.lines().map(str::trim) {
            if line.starts_with(['#', ';']) {
                continue;
            }
            let mut words = line
                .split([' ', '\t', '"', '\''])
                .filter(|word| !word.is_empty());
            while let Some(word) = words.next() {
                if word == "--bolt-path" {
                    push(&mut clues.databases, words.next());
                    continue;
                }
                let mut value = |start: &str| match word.split_once(start) {
                    // A quoted value is the next word.
                    Some((_, "")) => words.next(),
                    after => after.map(|(_, value)| value),
                };
                push(&mut clues.databases, value("--bolt-path="));
                push(&mut clues.databases, value("INFLUXD_BOLT_PATH="));
                push(&mut clues.configurations, value("INFLUXD_CONFIG_PATH="));
                let file = value("EnvironmentFile=");
                push(
                    &mut clues.files,
                    file.map(|file| file.trim_start_matches('-')),
                );
            }
        }
        clues
    }
}

/// Adds absolute paths only. Variables of a shell or of systemd are not expanded.
fn push(paths: &mut Vec<PathBuf>, path: Option<&str>) {
    let path = path.filter(|path| path.starts_with('/') && !path.contains(['$', '%', '*']));
    paths.extend(path.map(PathBuf::from));
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn units_and_variables_are_parsed() {
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        let clues = Clues::of(
            "# INFLUXD_BOLT_PATH=/comment\n\
             [Service]\n\
             Environment=\"INFLUXD_BOLT_PATH=/a\" OTHER=1\n\
             Environment=INFLUXD_CONFIG_PATH=/c.toml\n\
             EnvironmentFile=-/etc/default/other\n\
             ExecStart=/usr/bin/influxd --bolt-path /b --bolt-path=/d --sqlite-path /no\n\
             ExecStart=influxd --bolt-path=$HOME/x --bolt-path=%h/y --bolt-path=relative\n\
             export INFLUXD_BOLT_PATH='/e'\n",
        );
        assert_eq!(
            clues,
            Clues {
                databases: paths(&["/a", "/b", "/d", "/e"]),
                configurations: paths(&["/c.toml"]),
                files: paths(&["/etc/default/other"]),
            }
        );
    }

    #[test]
    fn units_lead_to_variables_and_configurations() {
        let root = TempDir::new().unwrap();
        let file = |path: &str, text: String| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        };
        let config = file("mine/config.yml", "bolt-path: /by-config".into());
        let config = config.parent().unwrap().display();
        let variables = file("mine/env", format!("INFLUXD_CONFIG_PATH={config}\n"));
        file(
            "etc/systemd/system/influxdb.service.d/override.conf",
            format!("[Service]\nEnvironmentFile={}\n", variables.display()),
        );
        file(
            "lib/systemd/system/influxdb.service",
            "--bolt-path /by-unit".into(),
        );
        file(
            "lib/systemd/system/other.service",
            "--bolt-path /other".into(),
        );
        file(
            "etc/default/influxdb2",
            "INFLUXD_BOLT_PATH=/by-default".into(),
        );
        let found = named(root.path());
        let paths: Vec<&Path> = found.iter().map(|(path, _)| path.as_path()).collect();
        let wanted = ["/by-config", "/by-default", "/by-unit"].map(Path::new);
        assert_eq!(paths, wanted);
        assert!(found[0].1.contains("config.yml") && found[0].1.contains("mine/env"));
    }
}
