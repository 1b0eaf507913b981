//! Lists every file of this host that may be a metadata store: named in a configuration, in a
//! default folder of influxd, its packages or its containers, or where other systems keep them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cli::host::bounded_reads::{MOST_ENTRIES, engine_at, entries, what_is_at};
use crate::cli::host::config_file::{Whose, configured_bolt};
use crate::cli::host::containers;
use crate::cli::host::discover::{Environment, Found, Influxds, discover_as_influxd, is_same};
use crate::cli::host::users::User;
use crate::cli::host::usual_folders::{Contents, IN_CONTAINERS, IN_DATA, OF_HOME, OF_ROOT, Usual};
use crate::ops::locate::Place;

/// The default file name of the database.
const BOLT: &str = "influxd.bolt";

/// The description of files in the working directory.
const WORKING_DIRECTORY: &str = "the working directory";

/// The time after which no further folder is listed.
const LONGEST_SEARCH: Duration = Duration::from_secs(60);

/// The maximum number of folders that are listed.
const MOST_FOLDERS: usize = 100_000;

/// The candidates.
#[derive(Default)]
pub(crate) struct Places {
    /// In order of preference, if one file has several names.
    pub(crate) places: Vec<Place>,
    /// The one that influxd would open, and why.
    pub(crate) would_open: Option<(PathBuf, String)>,
    /// User names by user ID.
    pub(crate) owners: BTreeMap<u32, String>,
    /// Information that could not be read, one sentence each.
    pub(crate) unseen: Vec<String>,
    /// Configurations that influxd ignores, one sentence each.
    pub(crate) warnings: Vec<String>,
    /// The number of folders listed.
    listed: usize,
    /// When the search began.
    began: Option<Instant>,
    /// Folders that this user can't read.
    denied: BTreeSet<PathBuf>,
}

/// Collects the candidates by name, and from influxd's configurations, services and processes. Does
/// not read the candidates.
pub(crate) fn gather(
    environment: &Environment,
    influxds: &Influxds,
    named: Option<&Path>,
) -> Places {
    let mut found = Places::default();
    if let Some(path) = named {
        found.name(path.to_path_buf(), "--db".into());
    }
    if let Some(path) = (environment.variable)("BOLTKEY_DB").filter(|path| !path.is_empty()) {
        found.name(path.into(), "BOLTKEY_DB".into());
    }
    found.ask_as_influxd(environment, influxds);
    found.configurations(environment);
    for service in &influxds.services {
        if let Some((path, how)) = &service.opens.database {
            found.name(path.clone(), format!("{how} of {}", service.name));
        }
    }
    let root = environment.root.as_path();
    let homes = homes(environment, &influxds.users);
    let folders: Vec<PathBuf> = homes.iter().map(|(home, _)| home.clone()).collect();
    // What names a store comes before the folders that it may be in.
    let mut in_containers = containers::stores(root, &folders, &mut |below, pattern| {
        found.expand(below, pattern)
    });
    found.places.append(&mut in_containers);
    for usual in OF_ROOT {
        found.usual(root, usual, usual.whose);
    }
    for (home, whose) in &homes {
        for usual in OF_HOME {
            let whose = match usual.whose {
                "" => whose,
                whose => whose,
            };
            found.usual(home, usual, whose);
        }
    }
    found.folder(&environment.working_directory, WORKING_DIRECTORY);
    found
        .places
        .extend(influxds.processes.places.iter().cloned());
    found
        .unseen
        .extend(influxds.processes.unseen.iter().cloned());
    found.tell_denied();
    // Absolute paths, so that they can be passed to other commands.
    let here = &environment.working_directory;
    let relative = found.places.iter_mut().map(|place| &mut place.path);
    let chosen = found.would_open.iter_mut().map(|(path, _)| path);
    for path in relative.chain(chosen) {
        *path = here.join(&*path);
    }
    let users = influxds.users.iter();
    found.owners = users.map(|user| (user.uid, user.name.clone())).collect();
    found
}

/// The stores of this host other than the one at this path, each once, with its source. Copies in
/// the working directory do not count, and neither do files that are no database.
pub(crate) fn other_stores(
    environment: &Environment,
    influxds: &Influxds,
    found: &Found,
) -> Vec<Place> {
    let chosen = environment.working_directory.join(&found.path);
    stores_except(environment, influxds, Some(&chosen))
}

/// The stores of this host, each once, with its source: see [`other_stores`].
pub(crate) fn stores(environment: &Environment, influxds: &Influxds) -> Vec<Place> {
    stores_except(environment, influxds, None)
}

fn stores_except(
    environment: &Environment,
    influxds: &Influxds,
    chosen: Option<&Path>,
) -> Vec<Place> {
    let mut stores: Vec<Place> = Vec::new();
    for place in gather(environment, influxds, None).places {
        if !place.named || place.why == WORKING_DIRECTORY {
            continue;
        }
        let seen = stores.iter().map(|place| place.path.as_path());
        let is_known = seen.chain(chosen).any(|other| is_same(&place.path, other));
        if !is_known && engine_at(&place.path).is_some() {
            stores.push(place);
        }
    }
    stores
}

impl Places {
    fn name(&mut self, path: PathBuf, why: String) {
        self.places.push(Place {
            path,
            why,
            named: true,
            open_by: None,
        });
    }

    /// Finds the store that influxd would open. `BOLTKEY_DB` does not affect influxd.
    fn ask_as_influxd(&mut self, environment: &Environment, influxds: &Influxds) {
        match discover_as_influxd(environment, influxds) {
            Ok(found) => {
                self.warnings = found.warnings;
                self.name(
                    found.path.clone(),
                    found.why.trim_start_matches("from ").into(),
                );
                self.would_open = Some((found.path, found.why));
            }
            Err(error) if error.kind() == crate::error::ErrorKind::NotFound => {}
            Err(error) => self.unseen.push(error.to_string()),
        }
    }

    /// Adds the databases named by the configurations of packages and images.
    fn configurations(&mut self, environment: &Environment) {
        let root = &environment.root;
        let files = [
            (root.join("etc/influxdb"), Whose::Anybodys),
            (root.join("etc/influxdb2"), Whose::Anybodys),
            (root.join("etc/defaults/influxdb2"), Whose::Anybodys),
            (
                environment.working_directory.clone(),
                Whose::OnlyOf(environment.user),
            ),
        ];
        for (file, whose) in files {
            if let Some((path, file)) = configured_bolt(&file, whose) {
                self.name(path, file.display().to_string());
            }
        }
    }

    /// Adds the files in the folders of a pattern.
    fn usual(&mut self, below: &Path, usual: &Usual, whose: &str) {
        for folder in self.expand(below, usual.pattern) {
            match usual.contents {
                Contents::Store => self.folder(&folder, whose),
                Contents::Data => self.data(&folder, whose),
                Contents::Programs => {
                    for program in self.list(&folder) {
                        let name = program.file_name().and_then(OsStr::to_str);
                        if name.is_some_and(|name| name.to_ascii_lowercase().contains("influx")) {
                            self.data(&program, whose);
                        }
                    }
                }
                Contents::Container => {
                    for part in IN_CONTAINERS {
                        self.folder(&folder.join(part), whose);
                    }
                }
            }
        }
    }

    fn data(&mut self, folder: &Path, whose: &str) {
        for part in IN_DATA {
            self.folder(&folder.join(part), whose);
        }
    }

    /// Adds the files of a folder whose names look like a database.
    fn folder(&mut self, folder: &Path, why: &str) {
        for path in self.list(folder) {
            let is_named = path.file_name() == Some(OsStr::new(BOLT));
            let extension = path.extension().and_then(OsStr::to_str);
            let fits = is_named || matches!(extension, Some("bolt" | "redb"));
            if fits && self.places.len() < MOST_FOLDERS {
                self.places.push(Place {
                    path,
                    why: why.into(),
                    named: is_named,
                    open_by: None,
                });
            }
        }
    }

    /// The folders below `root` that match a pattern. `*` in a name matches any letters.
    fn expand(&mut self, root: &Path, pattern: &str) -> Vec<PathBuf> {
        let mut folders = vec![root.to_path_buf()];
        // Names before the first `*` are joined at once.
        for part in pattern.split('/') {
            let mut next = Vec::new();
            for folder in folders {
                if part.contains('*') {
                    let fits = |path: &PathBuf| {
                        let name = path.file_name().and_then(OsStr::to_str);
                        name.is_some_and(|name| matches_pattern(name, part))
                    };
                    next.extend(self.list(&folder).into_iter().filter(fits));
                } else {
                    next.push(folder.join(part));
                }
            }
            next.truncate(MOST_ENTRIES);
            folders = next;
        }
        folders
    }

    fn list(&mut self, folder: &Path) -> Vec<PathBuf> {
        let began = *self.began.get_or_insert_with(Instant::now);
        self.listed += 1;
        if self.listed > MOST_FOLDERS || began.elapsed() > LONGEST_SEARCH {
            let limit = "the search for stores was ended at its limit of 100,000 folders or 60 \
                         seconds; stores in other folders are not listed";
            if !self.unseen.iter().any(|known| known == limit) {
                self.unseen.push(limit.into());
            }
            return Vec::new();
        }
        entries(folder).unwrap_or_else(|cause| {
            match cause.kind() {
                io::ErrorKind::PermissionDenied => {
                    self.denied.insert(closed(folder));
                }
                io::ErrorKind::TimedOut => {
                    let folder = folder.display();
                    self.unseen
                        .push(format!("{folder} does not answer; skipped"));
                }
                _ => {}
            }
            Vec::new()
        })
    }

    /// Adds one sentence about the folders that this user can't read.
    fn tell_denied(&mut self) {
        const NAMED: usize = 5;
        if self.denied.is_empty() {
            return;
        }
        let names = self.denied.iter().take(NAMED);
        let names: Vec<String> = names.map(|folder| folder.display().to_string()).collect();
        let more = match self.denied.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        self.unseen.push(format!(
            "permission denied: {}{more}; root can read them",
            names.join(", ")
        ));
    }
}

/// The folder that denies access to `folder`: itself or a parent.
fn closed(folder: &Path) -> PathBuf {
    let open = folder.ancestors().find(|folder| what_is_at(folder).is_ok());
    open.unwrap_or(folder).to_path_buf()
}

/// Whether a name matches a pattern with `*`.
fn matches_pattern(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let start = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(start) else {
        return false;
    };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.is_empty()
}

/// Every home folder, without duplicates, and its description.
fn homes(environment: &Environment, users: &[User]) -> Vec<(PathBuf, String)> {
    let root = &environment.root;
    let own = environment.home.iter().cloned();
    let variable = (environment.variable)("HOME").filter(|home| !home.is_empty());
    let own = own.chain(variable.map(PathBuf::from));
    let own = own.map(|home| (home, String::from("the home folder")));
    let of_users = users.iter().map(|user| {
        let whose = format!("the home folder of {}", user.name);
        (user.home.clone(), whose)
    });
    let unlisted = entries(&root.join("home")).unwrap_or_default();
    let unlisted = unlisted.into_iter().chain([root.join("root")]);
    let unlisted = unlisted.map(|home| (home, String::from("a home folder")));
    let mut homes: Vec<(PathBuf, String)> = Vec::new();
    for (home, whose) in own.chain(of_users).chain(unlisted) {
        if !homes.iter().any(|(seen, _)| *seen == home) {
            homes.push((home, whose));
        }
    }
    homes
}

#[cfg(test)]
mod tests;
