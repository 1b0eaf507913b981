//! Reads systemd units with their drop-ins, as far as they decide what influxd starts with.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::cli::host::bounded_reads::{entries, text_of};
use crate::cli::host::environment_file::{assignments, joined_lines, words};

/// Folders with units, relative to the root. The first one with a unit of a name decides.
pub(crate) const UNIT_FOLDERS: [&str; 5] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

/// The settings of a unit. An empty assignment of a list resets it, as in systemd.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    /// Its name, such as `influxdb.service`.
    pub(crate) name: String,
    /// The words of `ExecStart=`, with variables replaced.
    pub(crate) command: Vec<String>,
    /// The environment: `Environment=`, then the environment files.
    pub(crate) variables: BTreeMap<String, String>,
    /// `User=`.
    pub(crate) user: Option<String>,
    /// `WorkingDirectory=`.
    pub(crate) folder: Option<PathBuf>,
    /// The files that were read: unit, drop-ins, environment files.
    pub(crate) files: Vec<PathBuf>,
}

/// The units below `root` that start influxd, by name.
pub(crate) fn influxd_units(root: &Path) -> Vec<Unit> {
    let mut fragments: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (place, folder) in UNIT_FOLDERS.iter().enumerate() {
        for path in entries(&root.join(folder)).unwrap_or_default() {
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            // Units with other names are looked for only where administrators put them.
            let candidate = name.contains("influx") || place == 0;
            // An alias is a link to another unit. A template stands for no service.
            let is_alias = std::fs::read_link(&path)
                .is_ok_and(|to| to.file_name().is_some_and(|to| to != "null" && to != name));
            if candidate && name.ends_with(".service") && !name.contains('@') && !is_alias {
                fragments.entry(name.to_owned()).or_insert(path);
            }
        }
    }
    let units = fragments.into_iter();
    units
        .filter_map(|(name, path)| Unit::read(root, name, &path))
        .filter(Unit::starts_influxd)
        .collect()
}

impl Unit {
    fn read(root: &Path, name: String, path: &Path) -> Option<Self> {
        // A link to /dev/null masks a unit, and so does an empty file.
        let text = text_of(path).filter(|text| !text.trim().is_empty())?;
        let mut unit = Self {
            name,
            ..Self::default()
        };
        let mut lines = Lines::default();
        lines.read(&text);
        unit.files.push(path.to_path_buf());
        for path in unit.drop_ins(root) {
            if let Some(text) = text_of(&path) {
                lines.read(&text);
                unit.files.push(path);
            }
        }
        unit.take(root, lines);
        Some(unit)
    }

    /// The drop-ins, by file name. Of the same name, the first folder's counts.
    fn drop_ins(&self, root: &Path) -> Vec<PathBuf> {
        let mut found: BTreeMap<std::ffi::OsString, PathBuf> = BTreeMap::new();
        for folder in UNIT_FOLDERS {
            let folder = root.join(folder).join(format!("{}.d", self.name));
            for path in entries(&folder).unwrap_or_default() {
                if path.extension() == Some(OsStr::new("conf"))
                    && let Some(name) = path.file_name()
                {
                    found.entry(name.to_owned()).or_insert(path);
                }
            }
        }
        found.into_values().collect()
    }

    fn take(&mut self, root: &Path, lines: Lines) {
        for assignment in lines.environment.iter().flat_map(|line| words(line)) {
            if let Some((name, value)) = assignment.split_once('=') {
                let value = value.replace("%%", "%");
                self.variables.insert(name.to_owned(), value);
            }
        }
        for file in &lines.files {
            let file = file.trim_start_matches('-');
            let file = root.join(file.trim_start_matches('/'));
            if let Some(text) = text_of(&file) {
                self.variables.extend(assignments(&text));
                self.files.push(file);
            }
        }
        self.command = lines
            .command
            .iter()
            .flat_map(|line| self.replaced(line))
            .collect();
        self.user = lines.user;
        self.folder = lines.folder;
    }

    /// The words of a command line, with `${NAME}` replaced inside words, and a word `$NAME` by
    /// the words of its value.
    fn replaced(&self, line: &str) -> Vec<String> {
        let value = |name: &str| self.variables.get(name).map_or("", String::as_str);
        let mut found = Vec::new();
        for word in words(line) {
            let name = word.strip_prefix('$').filter(|name| {
                !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            });
            if let Some(name) = name {
                found.extend(words(value(name)));
                continue;
            }
            let mut parts = word.split("${");
            let mut result = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                match part.split_once('}') {
                    Some((name, rest)) => {
                        result.push_str(value(name));
                        result.push_str(rest);
                    }
                    None => result.push_str(part),
                }
            }
            found.push(result.replace("%%", "%"));
        }
        found
    }

    fn starts_influxd(&self) -> bool {
        self.command.iter().any(|word| {
            let program = Path::new(word).file_name().and_then(OsStr::to_str);
            program.is_some_and(|program| program.starts_with("influxd"))
        })
    }
}

/// The raw values of the settings.
#[derive(Default)]
struct Lines {
    command: Option<String>,
    environment: Vec<String>,
    files: Vec<String>,
    user: Option<String>,
    folder: Option<PathBuf>,
}

impl Lines {
    fn read(&mut self, text: &str) {
        let mut in_service = false;
        for line in joined_lines(text) {
            let line = line.trim();
            if line.starts_with('[') {
                in_service = line == "[Service]";
            }
            if !in_service || line.starts_with(['#', ';']) {
                continue;
            }
            let Some((name, value)) = line.split_once('=') else {
                continue;
            };
            let value = value.trim();
            let list = match name.trim_end() {
                "Environment" => &mut self.environment,
                "EnvironmentFile" => &mut self.files,
                "ExecStart" => {
                    // A service has one command. Letters in front of it are options of systemd.
                    let value = value.trim_start_matches(['@', '-', ':', '+', '!', '|']);
                    self.command = Some(value.to_owned()).filter(|value| !value.is_empty());
                    continue;
                }
                "User" => {
                    self.user = Some(value.to_owned()).filter(|value| !value.is_empty());
                    continue;
                }
                "WorkingDirectory" => {
                    let value = value.trim_start_matches('-');
                    self.folder = value.starts_with('/').then(|| PathBuf::from(value));
                    continue;
                }
                _ => continue,
            };
            match value {
                "" => list.clear(),
                value => list.push(value.to_owned()),
            }
        }
    }
}
