//! Lists every file of this host that may be a metadata store: named in a configuration, or in a
//! default folder of influxd, its packages or its containers.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;

use std::io;
use std::path::{Path, PathBuf};

use crate::cli::host::bounded_reads::{MOST_ENTRIES, entries, read_bounded};
use crate::cli::host::discover::{Environment, Whose, configured_bolt, discover_as_influxd};
use crate::cli::host::processes::influxd;
use crate::cli::host::services;
use crate::ops::locate::Place;

/// The default file name of the database.
const BOLT: &str = "influxd.bolt";

/// Default folders of packages and images, relative to the root.
const OF_PACKAGES: [&str; 5] = [
    "var/lib/influxdb",
    "var/lib/influxdb2",
    "var/lib/influxdb/.influxdbv2",
    "bitnami/influxdb",
    "bitnami/influxdb/data",
];

/// Folders of container volumes, relative to the root.
const OF_VOLUMES: [&str; 7] = [
    "var/lib/docker/volumes/*/_data",
    "var/snap/docker/common/var-lib-docker/volumes/*/_data",
    "var/lib/containers/storage/volumes/*/_data",
    "var/lib/kubelet/pods/*/volumes/*/*",
    "var/lib/rancher/k3s/storage/*",
    "opt/local-path-provisioner/*",
    "var/openebs/local/*",
];

/// Folders of volumes of rootless containers, relative to a home folder.
const OF_VOLUMES_AT_HOME: [&str; 2] = [
    ".local/share/docker/volumes/*/_data",
    ".local/share/containers/storage/volumes/*/_data",
];

/// Folders with the file systems of containers, relative to the root.
const OF_CONTAINERS: [&str; 4] = [
    "var/lib/docker/overlay2/*/diff",
    "var/lib/containers/storage/overlay/*/diff",
    "var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs",
    "run/containerd/io.containerd.runtime.v2.task/*/*/rootfs",
];

/// Folders of the database in a container's file system.
const IN_CONTAINERS: [&str; 4] = [
    "var/lib/influxdb2",
    "var/lib/influxdb",
    "root/.influxdbv2",
    "bitnami/influxdb",
];

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
    /// Folders that this user can't read.
    denied: BTreeSet<PathBuf>,
}

/// Collects the candidates by name, and from influxd's configurations, services and processes. Does
/// not read the candidates.
pub(crate) fn gather(environment: &Environment, named: Option<&Path>) -> Places {
    let mut found = Places::default();
    if let Some(path) = named {
        found.name(path.to_path_buf(), "--db".into());
    }
    if let Some(path) = (environment.variable)("BOLTKEY_DB").filter(|path| !path.is_empty()) {
        found.name(path.into(), "BOLTKEY_DB".into());
    }
    found.ask_as_influxd(environment);
    let users = users(&environment.root);
    found.configurations(environment);
    for (path, why) in services::named(&environment.root) {
        found.name(path, why);
    }
    for folder in OF_PACKAGES {
        let folder = environment.root.join(folder);
        found.folder(&folder, "a folder of influxd's packages and images");
    }
    let homes = homes(environment, &users);
    for (home, whose) in &homes {
        found.folder(&home.join(".influxdbv2"), whose);
    }
    let root = environment.root.as_path();
    let of_root = OF_VOLUMES.iter().map(|pattern| (root, pattern));
    let of_homes = homes.iter().flat_map(|(home, _)| {
        let patterns = OF_VOLUMES_AT_HOME.iter();
        patterns.map(|pattern| (home.as_path(), pattern))
    });
    for (below, pattern) in of_root.chain(of_homes) {
        for volume in found.expand(below, pattern) {
            for part in ["", ".influxdbv2", "influxdb2", "data"] {
                found.folder(&volume.join(part), "a volume of containers");
            }
        }
    }
    for pattern in OF_CONTAINERS {
        for container in found.expand(root, pattern) {
            for part in IN_CONTAINERS {
                found.folder(&container.join(part), "the files of a container");
            }
        }
    }
    found.folder(&environment.working_directory, "the working directory");
    let processes = influxd(&environment.root);
    found.places.extend(processes.places);
    found.unseen.extend(processes.unseen);
    found.tell_denied();
    // Absolute paths, so that they can be passed to other commands.
    let here = &environment.working_directory;
    let relative = found.places.iter_mut().map(|place| &mut place.path);
    let chosen = found.would_open.iter_mut().map(|(path, _)| path);
    for path in relative.chain(chosen) {
        *path = here.join(&*path);
    }
    found.owners = users
        .into_iter()
        .map(|user| (user.uid, user.name))
        .collect();
    found
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
    fn ask_as_influxd(&mut self, environment: &Environment) {
        match discover_as_influxd(environment) {
            Ok(found) => {
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
            (environment.working_directory.clone(), Whose::Ours),
        ];
        for (file, whose) in files {
            if let Some((path, file)) = configured_bolt(&file, whose) {
                self.name(path, file.display().to_string());
            }
        }
    }

    /// Adds the files of a folder whose names look like a database.
    fn folder(&mut self, folder: &Path, why: &str) {
        for path in self.list(folder) {
            let is_named = path.file_name() == Some(OsStr::new(BOLT));
            let extension = path.extension().and_then(OsStr::to_str);
            if is_named || matches!(extension, Some("bolt" | "redb")) {
                self.places.push(Place {
                    path,
                    why: why.into(),
                    named: is_named,
                    open_by: None,
                });
            }
        }
    }

    /// The folders below `root` that match a pattern. `*` matches any single name.
    fn expand(&mut self, root: &Path, pattern: &str) -> Vec<PathBuf> {
        let mut folders = vec![root.to_path_buf()];
        for part in pattern.split('/') {
            let mut next = Vec::new();
            for folder in folders {
                if part == "*" {
                    next.extend(self.list(&folder));
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
        entries(folder).unwrap_or_else(|cause| {
            if cause.kind() == io::ErrorKind::PermissionDenied {
                self.denied.insert(closed(folder));
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
    let open = folder.ancestors().find(|folder| folder.metadata().is_ok());
    open.unwrap_or(folder).to_path_buf()
}

/// A user of the system.
struct User {
    name: String,
    uid: u32,
    home: PathBuf,
}

/// The users in `/etc/passwd`.
fn users(root: &Path) -> Vec<User> {
    let text = read_bounded(&root.join("etc/passwd")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let user = |line: &str| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, _, _, home, ..] = fields.as_slice() else {
            return None;
        };
        Some(User {
            name: (*name).to_owned(),
            uid: uid.parse().ok()?,
            home: root.join(home.trim_start_matches('/')),
        })
    };
    text.lines().filter_map(user).collect()
}

/// Every home folder, without duplicates, and its description.
fn homes(environment: &Environment, users: &[User]) -> Vec<(PathBuf, String)> {
    let root = &environment.root;
    let own = environment.home.iter();
    let own = own.map(|home| (home.clone(), String::from("the home folder")));
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
