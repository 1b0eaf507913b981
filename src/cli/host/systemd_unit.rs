//! Reads systemd units with their drop-ins, as far as they decide what influxd starts with.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::cli::host::bounded_reads::{entries, text_of};
use crate::cli::host::environment_file::{assignments, joined_lines, words};
use crate::cli::host::influxd_start::flag;
use crate::cli::host::specifiers::Specifiers;
use crate::cli::host::users::User;

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
    /// The words, variables and files whose value only systemd knows, and the specifier in each.
    pub(crate) unknown: Vec<(Part, String)>,
}

/// A part of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// A word of the command.
    Word(String),
    /// The value of this variable.
    Variable(String),
    /// The name of an environment file.
    File(String),
}

/// The units below `root` that start influxd, by name.
pub(crate) fn influxd_units(root: &Path, users: &[User]) -> Vec<Unit> {
    let mut fragments: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut templates: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut aliases: Vec<(String, String)> = Vec::new();
    for (place, folder) in UNIT_FOLDERS.iter().enumerate() {
        for path in entries(&root.join(folder)).unwrap_or_default() {
            let name = name_of(&path).to_owned();
            if !name.ends_with(".service") {
                continue;
            }
            // An alias is a link to another unit.
            let target = std::fs::read_link(&path).ok();
            let target = target.as_deref().map(name_of);
            if let Some(target) = target.filter(|target| *target != "null" && *target != name) {
                aliases.push((target.to_owned(), name));
                continue;
            }
            // Units with other names are looked for only where administrators put them.
            if !name.contains("influx") && place != 0 {
                continue;
            }
            // A template stands for no service, but its instances do.
            match name.contains("@.") {
                true => templates.entry(name).or_insert(path),
                false => fragments.entry(name).or_insert(path),
            };
        }
    }
    for instance in enabled_instances(root) {
        let template = template_of(&instance).and_then(|template| templates.get(&template));
        if let Some(template) = template {
            fragments
                .entry(instance)
                .or_insert_with(|| template.clone());
        }
    }
    let units = fragments.into_iter();
    units
        .filter_map(|(name, path)| {
            let of_unit = aliases.iter().filter(|(target, _)| *target == name);
            let aliases: Vec<&str> = of_unit.map(|(_, alias)| alias.as_str()).collect();
            Unit::read(root, users, name, &aliases, &path)
        })
        .filter(Unit::starts_influxd)
        .collect()
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

/// `influxdb@.service` of `influxdb@main.service`. None of a unit that is no instance.
fn template_of(name: &str) -> Option<String> {
    let (prefix, rest) = name.split_once('@')?;
    let (instance, kind) = rest.rsplit_once('.')?;
    (!instance.is_empty()).then(|| format!("{prefix}@.{kind}"))
}

/// The instances of templates that are started with the host.
fn enabled_instances(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for folder in UNIT_FOLDERS {
        for path in entries(&root.join(folder)).unwrap_or_default() {
            if !name_of(&path).ends_with(".wants") && !name_of(&path).ends_with(".requires") {
                continue;
            }
            let units = entries(&path).unwrap_or_default();
            let names = units.iter().map(|unit| name_of(unit).to_owned());
            found.extend(names.filter(|name| template_of(name).is_some()));
        }
    }
    found
}

impl Unit {
    fn read(
        root: &Path,
        users: &[User],
        name: String,
        aliases: &[&str],
        path: &Path,
    ) -> Option<Self> {
        // A link to /dev/null masks a unit, and so does an empty file.
        let text = text_of(path).filter(|text| !text.trim().is_empty())?;
        let mut unit = Self {
            name,
            ..Self::default()
        };
        let mut lines = Lines::default();
        lines.read(&text);
        unit.files.push(path.to_path_buf());
        for path in unit.drop_ins(root, aliases) {
            if let Some(text) = text_of(&path) {
                lines.read(&text);
                unit.files.push(path);
            }
        }
        let specifiers = Specifiers::of(&unit.name, root, users);
        unit.take(root, lines, &specifiers);
        Some(unit)
    }

    /// The names of the folders with drop-ins, the most special one first.
    fn drop_in_folders(&self, aliases: &[&str]) -> Vec<String> {
        let mut names = vec![self.name.clone()];
        names.extend(aliases.iter().map(ToString::to_string));
        names.extend(template_of(&self.name));
        // Of a-b.service also those of all a-*.
        let full = self.name.split(['@', '.']).next().unwrap_or_default();
        let dashes = full.match_indices('-').rev();
        let prefixes = dashes.filter_map(|(at, _)| full.get(..=at));
        names.extend(prefixes.map(|prefix| format!("{prefix}.service")));
        names.push(String::from("service"));
        names.into_iter().map(|name| format!("{name}.d")).collect()
    }

    /// The drop-ins, by file name. Of the same name, that of the first folder counts.
    fn drop_ins(&self, root: &Path, aliases: &[&str]) -> Vec<PathBuf> {
        let mut found: BTreeMap<OsString, PathBuf> = BTreeMap::new();
        for name in self.drop_in_folders(aliases) {
            for folder in UNIT_FOLDERS {
                let folder = root.join(folder).join(&name);
                for path in entries(&folder).unwrap_or_default() {
                    if path.extension() == Some(OsStr::new("conf"))
                        && let Some(name) = path.file_name()
                    {
                        found.entry(name.to_owned()).or_insert(path);
                    }
                }
            }
        }
        found.into_values().collect()
    }

    fn take(&mut self, root: &Path, lines: Lines, specifiers: &Specifiers) {
        for assignment in lines.environment.iter().flat_map(|line| words(line)) {
            if let Some((name, value)) = assignment.split_once('=') {
                self.variables.remove(name);
                let variable = Part::Variable(name.to_owned());
                self.unknown.retain(|(part, _)| *part != variable);
                match specifiers.replaced(value) {
                    Ok(value) => drop(self.variables.insert(name.to_owned(), value)),
                    Err(specifier) => self.unknown.push((variable, specifier)),
                }
            }
        }
        for file in &lines.files {
            self.read_environment(root, file.trim_start_matches('-'), specifiers);
        }
        for name in lines.unset.iter().flat_map(|line| words(line)) {
            self.variables.remove(&name);
        }
        self.command = lines
            .command
            .iter()
            .flat_map(|line| self.replaced(line, specifiers))
            .collect();
        for word in lines.command.iter().flat_map(|line| words(line)) {
            if let Err(specifier) = specifiers.replaced(&word) {
                self.unknown.push((Part::Word(word), specifier));
            }
        }
        self.user = lines.user.and_then(|user| specifiers.replaced(&user).ok());
        let folder = lines
            .folder
            .and_then(|folder| specifiers.replaced(&folder).ok());
        self.folder = folder
            .filter(|folder| folder.starts_with('/'))
            .map(PathBuf::from);
    }

    /// Reads an environment file. Its values have no specifiers.
    fn read_environment(&mut self, root: &Path, file: &str, specifiers: &Specifiers) {
        let named = match specifiers.replaced(file) {
            // It stands for all files of this pattern.
            Ok(named) if named.contains(['*', '?', '[']) => Err(String::from("a pattern")),
            named => named,
        };
        match named {
            Ok(named) => {
                let file = root.join(named.trim_start_matches('/'));
                if let Some(text) = text_of(&file) {
                    let set = assignments(&text);
                    self.unknown.retain(|(part, _)| {
                        !set.iter()
                            .any(|(name, _)| *part == Part::Variable(name.clone()))
                    });
                    self.variables.extend(set);
                    self.files.push(file);
                }
            }
            Err(specifier) => self.unknown.push((Part::File(file.to_owned()), specifier)),
        }
    }

    /// The words of a command line, with specifiers replaced, `${NAME}` inside words, and a word
    /// `$NAME` by the words of its value. A word with a specifier that is not known is left out.
    fn replaced(&self, line: &str, specifiers: &Specifiers) -> Vec<String> {
        let value = |name: &str| self.variables.get(name).map_or("", String::as_str);
        let mut found = Vec::new();
        for word in words(line) {
            let Ok(word) = specifiers.replaced(&word) else {
                continue;
            };
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
            found.push(result);
        }
        found
    }

    /// The specifier in what may name the database, if only systemd knows it. The arguments are
    /// those of influxd without the unknown ones.
    pub(crate) fn hides_database(&self) -> Option<&str> {
        let of_variable = |name: &str| {
            let variable = Part::Variable(name.to_owned());
            let found = self.unknown.iter().find(|(part, _)| *part == variable);
            found.map(|(_, specifier)| specifier.as_str())
        };
        let mut words = self
            .unknown
            .iter()
            .filter_map(|(part, specifier)| match part {
                // A path may also be the word after a flag.
                Part::Word(word) if !word.starts_with("--") || word.starts_with("--bolt-path") => {
                    Some(specifier.as_str())
                }
                _ => None,
            });
        if let Some(specifier) = words.next() {
            return Some(specifier);
        }
        let arguments: Vec<OsString> = self.command.iter().map(OsString::from).collect();
        if flag(&arguments, "--bolt-path").is_some() {
            return None;
        }
        let mut files = self
            .unknown
            .iter()
            .filter_map(|(part, specifier)| match part {
                Part::File(_) => Some(specifier.as_str()),
                _ => None,
            });
        // A later file may set any variable.
        if let Some(specifier) = of_variable("INFLUXD_BOLT_PATH").or_else(|| files.next()) {
            return Some(specifier);
        }
        match self.variables.contains_key("INFLUXD_BOLT_PATH") {
            true => None,
            false => of_variable("INFLUXD_CONFIG_PATH"),
        }
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
    /// `UnsetEnvironment=`.
    unset: Vec<String>,
    user: Option<String>,
    folder: Option<String>,
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
                "UnsetEnvironment" => &mut self.unset,
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
                    self.folder = Some(value.to_owned()).filter(|value| !value.is_empty());
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
