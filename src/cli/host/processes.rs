//! Finds stores in the command lines, environments and open files of running influxd processes.
//! Reads Linux's `/proc`. Without `/proc`, finds nothing.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::cli::host::bounded_reads::{entries, read_bounded};
use crate::cli::host::discover::{Whose, configured_bolt};
use crate::ops::locate::Place;
use crate::store::{Holder, engine_of};

/// Maximum number of open files examined per process.
const MOST_FILES: usize = 65_536;

/// The result of the search.
#[derive(Default)]
pub(crate) struct Processes {
    pub(crate) places: Vec<Place>,
    /// Information that could not be read, one sentence each.
    pub(crate) unseen: Vec<String>,
}

/// Examines every influxd process below `root`.
pub(crate) fn influxd(root: &Path) -> Processes {
    let mut found = Processes::default();
    for folder in entries(&root.join("proc")).unwrap_or_default() {
        let name = folder.file_name().and_then(OsStr::to_str);
        let Some(pid) = name.and_then(|name| name.parse().ok()) else {
            continue;
        };
        let command = read_bounded(&folder.join("cmdline"));
        let program = program(&folder, command.as_ref().map_or(&[][..], |bytes| bytes));
        if !program.starts_with("influxd") {
            continue;
        }
        let process = Process {
            holder: Holder {
                pid,
                program: Some(program.clone()),
            },
            name: format!("{program} (pid {pid})"),
            folder,
        };
        process.look(command, &mut found);
    }
    found
}

/// The program's name, from `comm` or the command line.
fn program(folder: &Path, command: &[u8]) -> String {
    let name = fs::read(folder.join("comm")).unwrap_or_default();
    let name = match name.trim_ascii_end() {
        [] => {
            let first = command.split(|byte| *byte == 0).next().unwrap_or_default();
            let first = Path::new(OsStr::from_bytes(first)).file_name();
            first.map(OsStr::as_bytes).unwrap_or_default().to_vec()
        }
        name => name.to_vec(),
    };
    String::from_utf8_lossy(&name).into_owned()
}

struct Process {
    holder: Holder,
    name: String,
    /// Its folder in `/proc`.
    folder: PathBuf,
}

impl Process {
    fn look(&self, command: Option<Zeroizing<Vec<u8>>>, found: &mut Processes) {
        let mut unseen = Vec::new();
        match &command {
            None => unseen.push("command line"),
            Some(command) => {
                for path in in_command_line(command) {
                    self.add(&path, "the command line", found);
                }
            }
        }
        match read_bounded(&self.folder.join("environ")) {
            None => unseen.push("environment"),
            Some(environment) => self.look_into_environment(&environment, found),
        }
        match entries(&self.folder.join("fd")) {
            Err(_) => unseen.push("open files"),
            Ok(files) => {
                for file in files.into_iter().take(MOST_FILES) {
                    self.look_at_open_file(&file, found);
                }
            }
        }
        if !unseen.is_empty() {
            found.unseen.push(format!(
                "can't read the {1} of {0}; root can read {2}",
                self.name,
                unseen.join(" and the "),
                if unseen.len() == 1 { "it" } else { "them" }
            ));
        }
    }

    /// Uses only the variables that name a database. Others may hold passwords.
    fn look_into_environment(&self, environment: &[u8], found: &mut Processes) {
        let value = |name: &str| {
            let values = environment.split(|byte| *byte == 0);
            let mut values =
                values.filter_map(|one| one.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
            let value = values.next().filter(|value| !value.is_empty())?;
            Some(PathBuf::from(OsStr::from_bytes(value)))
        };
        if let Some(path) = value("INFLUXD_BOLT_PATH") {
            self.add(&path, "INFLUXD_BOLT_PATH", found);
        }
        let config = value("INFLUXD_CONFIG_PATH").unwrap_or_else(|| ".".into());
        if let Some((path, file)) = configured_bolt(&self.reachable(&config), Whose::Anybodys) {
            let why = format!("{} as the configuration", file.display());
            self.add(&path, &why, found);
        }
        if let Some(home) = value("HOME") {
            let path = home.join(".influxdbv2/influxd.bolt");
            if fs::metadata(self.reachable(&path)).is_ok() {
                self.add(&path, "the home folder", found);
            }
        }
    }

    /// Adds a path as the process sees it.
    fn add(&self, path: &Path, how: &str, found: &mut Processes) {
        found.places.push(Place {
            path: self.reachable(path),
            why: format!("{how} of {}", self.name),
            named: true,
            open_by: None,
        });
    }

    /// The path of the process's file as seen from this process. They differ for a process in a
    /// container.
    fn reachable(&self, path: &Path) -> PathBuf {
        let path = if path.is_absolute() {
            path.to_path_buf()
        } else {
            let link = self.folder.join("cwd");
            fs::read_link(&link).unwrap_or(link).join(path)
        };
        let inside = path.strip_prefix("/").unwrap_or(&path);
        let inside = self.folder.join("root").join(inside);
        match (inode(&path), inode(&inside)) {
            (here, Some(there)) if here != Some(there) => inside,
            _ => path,
        }
    }

    /// Adds an open file if its content is a database, whatever its name.
    fn look_at_open_file(&self, file: &Path, found: &mut Processes) {
        let is_file = fs::metadata(file).is_ok_and(|metadata| metadata.is_file());
        if !is_file || !matches!(engine_of(file), Ok(Some(_))) {
            return;
        }
        let named = fs::read_link(file).map(|name| self.reachable(&name));
        let (path, state) = match named {
            Ok(name) if inode(&name) == inode(file) => (name, ""),
            // The file was deleted, or it is not reachable from this process.
            _ => (file.to_path_buf(), " (deleted or not reachable)"),
        };
        found.places.push(Place {
            path,
            why: format!("the open files of {}{state}", self.name),
            named: true,
            open_by: Some(self.holder.clone()),
        });
    }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// The values of `--bolt-path PATH` and `--bolt-path=PATH`.
fn in_command_line(command: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut words = command.split(|byte| *byte == 0);
    while let Some(word) = words.next() {
        let path = if word == b"--bolt-path" {
            words.next()
        } else {
            word.strip_prefix(b"--bolt-path=")
        };
        found.extend(path.filter(|path| !path.is_empty()));
    }
    let paths = found.into_iter();
    paths
        .map(|path| PathBuf::from(OsStr::from_bytes(path)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    /// The first bytes of a Bolt file.
    fn bolt() -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        bytes[16..20].copy_from_slice(&0xED0C_DAED_u32.to_le_bytes());
        bytes
    }

    fn file(root: &TempDir, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    #[test]
    fn stores_of_a_process_are_found() {
        let root = TempDir::new().unwrap();
        let host = root.path();
        let by_flag = file(&root, "srv/flag.bolt", bolt());
        let by_variable = file(&root, "srv/variable.bolt", bolt());
        let by_config = file(&root, "srv/config.bolt", bolt());
        let by_home = file(&root, "srv/home/.influxdbv2/influxd.bolt", bolt());
        let open = file(&root, "srv/open", bolt());
        let config = format!("bolt-path = \"{}\"", by_config.display());
        let config = file(&root, "srv/etc/config.toml", config);
        file(&root, "srv/points.tsm", "points");

        file(&root, "proc/12/comm", "influxd\n");
        let mut command = b"/usr/bin/influxd\0--bolt-path\0".to_vec();
        command.extend(by_flag.as_os_str().as_bytes());
        file(&root, "proc/12/cmdline", command);
        let environment = format!(
            "SECRET=s\0INFLUXD_BOLT_PATH={}\0INFLUXD_CONFIG_PATH={}\0HOME={}\0",
            by_variable.display(),
            config.parent().unwrap().display(),
            host.join("srv/home").display()
        );
        file(&root, "proc/12/environ", environment);
        fs::create_dir_all(host.join("proc/12/fd")).unwrap();
        symlink(&open, host.join("proc/12/fd/3")).unwrap();
        symlink(host.join("srv/points.tsm"), host.join("proc/12/fd/4")).unwrap();
        symlink("socket:[1]", host.join("proc/12/fd/5")).unwrap();
        // Another program, and a process that can't be read.
        file(&root, "proc/13/comm", "influx\n");
        file(&root, "proc/14/comm", "influxd\n");
        file(&root, "proc/version", "Linux\n");

        let found = influxd(host);
        let paths: Vec<&Path> = found.places.iter().map(|p| p.path.as_path()).collect();
        assert_eq!(paths, [&by_flag, &by_variable, &by_config, &by_home, &open]);
        assert!(found.places.iter().all(|place| place.named));
        assert!(
            found.places[0]
                .why
                .contains("command line of influxd (pid 12)")
        );
        let holder = found.places[4].open_by.as_ref().unwrap();
        assert_eq!(
            (holder.pid, holder.program.as_deref()),
            (12, Some("influxd"))
        );
        let [unseen] = &found.unseen[..] else {
            panic!("{:?}", found.unseen);
        };
        assert!(
            unseen.contains("(pid 14)") && unseen.contains("open files"),
            "{unseen}"
        );
    }

    #[test]
    fn files_of_a_container_are_reached_through_its_root() {
        let root = TempDir::new().unwrap();
        let host = root.path();
        let inner = file(&root, "image/var/lib/influxdb2/influxd.bolt", bolt());
        file(&root, "proc/7/comm", "influxd\n");
        file(
            &root,
            "proc/7/cmdline",
            b"influxd\0--bolt-path=influxd.bolt\0",
        );
        file(&root, "proc/7/environ", "");
        symlink(host.join("image"), host.join("proc/7/root")).unwrap();
        symlink("/var/lib/influxdb2", host.join("proc/7/cwd")).unwrap();
        fs::create_dir_all(host.join("proc/7/fd")).unwrap();
        let [place] = &influxd(host).places[..] else {
            panic!("expected one place");
        };
        let through = host.join("proc/7/root/var/lib/influxdb2/influxd.bolt");
        assert_eq!(place.path, through);
        assert_eq!(inode(&place.path), inode(&inner));
        assert!(influxd(&host.join("no such root")).places.is_empty());
    }
}
