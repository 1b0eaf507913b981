//! Finds stores in the command lines, environments and open files of running influxd processes.
//! Reads Linux's `/proc`. Without `/proc`, finds nothing.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::cli::host::bounded_reads::{engine_at, entries, read_bounded, text_of, what_is_at};
use crate::cli::host::influxd_start::{InfluxdStart, Opens};
use crate::cli::host::users::{User, home_of};
use crate::ops::locate::Place;
use crate::store::Holder;

/// Maximum number of open files examined per process.
const MOST_FILES: usize = 65_536;

/// The result of the search.
#[derive(Default)]
pub(crate) struct Processes {
    /// The processes, by number.
    pub(crate) running: Vec<Running>,
    pub(crate) places: Vec<Place>,
    /// Information that could not be read, one sentence each.
    pub(crate) unseen: Vec<String>,
}

/// A running influxd.
#[derive(Debug)]
pub(crate) struct Running {
    /// Its program and process ID.
    pub(crate) name: String,
    /// The ID of its user. None if it has several, or if it can't be read.
    pub(crate) user: Option<u32>,
    /// The database that it has open, or that it was started with.
    pub(crate) opens: Opens,
}

/// Examines every influxd process below `root`.
pub(crate) fn influxd(root: &Path, users: &[User]) -> Processes {
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
            user: user_of(&folder),
            folder,
        };
        process.look(command, users, &mut found);
    }
    found.running.sort_by_key(|running| running.name.clone());
    found
}

/// The program's name, from `comm` or the command line.
fn program(folder: &Path, command: &[u8]) -> String {
    let name = read_bounded(&folder.join("comm")).unwrap_or_default();
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

/// The user of a process, if its real, effective, saved and file system user are the same. The owner
/// of its folder in `/proc` is no evidence: every user can start a process whose folder is root's.
pub(crate) fn user_of(folder: &Path) -> Option<u32> {
    let status = text_of(&folder.join("status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let ids: Option<Vec<u32>> = line
        .split_whitespace()
        .map(|word| word.parse().ok())
        .collect();
    let ids = ids?;
    let first = *ids.first()?;
    ids.iter().all(|id| *id == first).then_some(first)
}

struct Process {
    holder: Holder,
    name: String,
    user: Option<u32>,
    /// Its folder in `/proc`.
    folder: PathBuf,
}

impl Process {
    fn look(&self, command: Option<Zeroizing<Vec<u8>>>, users: &[User], found: &mut Processes) {
        let mut unseen = Vec::new();
        if command.is_none() {
            unseen.push("command line");
        }
        let environment = read_bounded(&self.folder.join("environ"));
        if environment.is_none() {
            unseen.push("environment");
        }
        let opens = self.starts_with(
            command.as_ref().map_or(&[][..], |bytes| bytes),
            environment.as_ref().map(|bytes| bytes.as_slice()),
            users,
        );
        let open = match entries(&self.folder.join("fd")) {
            Err(_) => {
                unseen.push("open files");
                Vec::new()
            }
            Ok(files) => {
                let files = files.into_iter().take(MOST_FILES);
                files.filter_map(|file| self.open_store(&file)).collect()
            }
        };
        if !unseen.is_empty() {
            found.unseen.push(format!(
                "can't read the {1} of {0}; root can read {2}",
                self.name,
                unseen.join(" and the "),
                if unseen.len() == 1 { "it" } else { "them" }
            ));
        }
        self.tell(opens, open, found);
    }

    /// Adds what is known of the process. A file that it has open comes before what it was started
    /// with.
    fn tell(&self, mut opens: Opens, open: Vec<Place>, found: &mut Processes) {
        if let Some((path, how)) = &opens.database {
            // A default path counts only if it exists.
            if !opens.by_default || what_is_at(path).is_ok() {
                found.places.push(Place {
                    path: path.clone(),
                    why: format!("{how} of {}", self.name),
                    named: true,
                    open_by: None,
                });
            } else {
                opens.database = None;
            }
        }
        if let Some(first) = open.first() {
            // Without the process, which is named elsewhere.
            let how = first.why.replace(&format!(" of {}", self.name), "");
            opens.database = Some((first.path.clone(), how));
            opens.by_default = false;
        }
        found.places.extend(open);
        found.running.push(Running {
            name: self.name.clone(),
            user: self.user,
            opens,
        });
    }

    /// What it was started with. Uses only the variables that name a database. Others may hold
    /// passwords.
    fn starts_with(&self, command: &[u8], environment: Option<&[u8]>, users: &[User]) -> Opens {
        let words = command.split(|byte| *byte == 0).skip(1);
        let arguments: Vec<OsString> = words
            .map(|word| OsStr::from_bytes(word).to_os_string())
            .collect();
        let variable = |name: &str| {
            let mut values = environment?.split(|byte| *byte == 0);
            let value =
                values.find_map(|one| one.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
            Some(OsStr::from_bytes(value).to_os_string())
        };
        let link = self.folder.join("cwd");
        let folder = fs::read_link(&link).unwrap_or(link);
        let home = self.home(users);
        InfluxdStart {
            arguments: &arguments,
            variable: &variable,
            folder: Some(&folder),
            home: home.as_deref(),
            see: &|path| self.reachable(path),
            // Without its environment it is not known whether it reads its working directory.
            user: self.user.filter(|_| environment.is_some()),
        }
        .opens()
    }

    /// Its home folder, as this process sees it. One in a container has its own user database.
    fn home(&self, users: &[User]) -> Option<PathBuf> {
        let root = self.folder.join("root");
        let inside = crate::cli::host::users::users(&root);
        let home = match inside.is_empty() {
            true => home_of(users, self.user?),
            false => home_of(&inside, self.user?),
        }?;
        let path = match home.strip_prefix(&root) {
            Ok(inside) => Path::new("/").join(inside),
            Err(_) => home,
        };
        Some(self.reachable(&path))
    }

    /// The path of the process's file as seen from this process. They differ for a process in a
    /// container.
    fn reachable(&self, path: &Path) -> PathBuf {
        let inside = path.strip_prefix("/").unwrap_or(path);
        let inside = self.folder.join("root").join(inside);
        match (inode(path), inode(&inside)) {
            (here, Some(there)) if here != Some(there) => inside,
            _ => path.to_path_buf(),
        }
    }

    /// An open file if its content is a database, whatever its name.
    fn open_store(&self, file: &Path) -> Option<Place> {
        let is_file = what_is_at(file).is_ok_and(|metadata| metadata.is_file());
        if !is_file || engine_at(file).is_none() {
            return None;
        }
        let named = fs::read_link(file).map(|name| self.reachable(&name));
        let (path, state) = match named {
            Ok(name) if inode(&name) == inode(file) => (name, ""),
            // The file was deleted, or it is not reachable from this process.
            _ => (file.to_path_buf(), " (deleted or not reachable)"),
        };
        Some(Place {
            path,
            why: format!("the open files of {}{state}", self.name),
            named: true,
            open_by: Some(self.holder.clone()),
        })
    }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    let metadata = what_is_at(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
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

        let users = vec![User {
            name: "me".into(),
            uid: 77,
            home: host.join("srv/home"),
        }];
        let process = |pid: u32, command: Vec<u8>, environment: String| {
            file(&root, &format!("proc/{pid}/comm"), "influxd\n");
            file(&root, &format!("proc/{pid}/cmdline"), command);
            file(&root, &format!("proc/{pid}/environ"), environment);
            let status = "Name:\tx\nUid:\t77\t77\t77\t77\n";
            file(&root, &format!("proc/{pid}/status"), status);
            fs::create_dir_all(host.join(format!("proc/{pid}/fd"))).unwrap();
        };
        let mut command = b"/usr/bin/influxd\0--bolt-path\0".to_vec();
        command.extend(by_flag.as_os_str().as_bytes());
        let of_config = format!(
            "INFLUXD_CONFIG_PATH={}\0HOME=/nowhere\0",
            config.parent().unwrap().display()
        );
        let of_variable = format!(
            "SECRET=s\0INFLUXD_BOLT_PATH={}\0{of_config}",
            by_variable.display(),
        );
        process(12, command, of_variable.clone());
        process(13, b"influxd\0".to_vec(), of_variable);
        process(15, b"influxd\0".to_vec(), of_config.clone());
        process(16, b"influxd\0".to_vec(), "HOME=/nowhere\0".into());
        process(17, b"influxd\0".to_vec(), of_config);
        symlink(&open, host.join("proc/17/fd/3")).unwrap();
        symlink(host.join("srv/points.tsm"), host.join("proc/17/fd/4")).unwrap();
        symlink("socket:[1]", host.join("proc/17/fd/5")).unwrap();
        // Another program, and a process that can't be read.
        file(&root, "proc/18/comm", "influx\n");
        file(&root, "proc/14/comm", "influxd\n");
        file(&root, "proc/version", "Linux\n");

        let found = influxd(host, &users);
        let paths: Vec<&Path> = found.places.iter().map(|p| p.path.as_path()).collect();
        let wanted = [
            &by_flag,
            &by_variable,
            &by_config,
            &by_home,
            &by_config,
            &open,
        ];
        assert_eq!(paths, wanted);
        assert!(found.places.iter().all(|place| place.named));
        assert_eq!(found.places[0].why, "--bolt-path of influxd (pid 12)");
        let holder = found.places[5].open_by.as_ref().unwrap();
        assert_eq!(
            (holder.pid, holder.program.as_deref()),
            (17, Some("influxd"))
        );
        let [unseen] = &found.unseen[..] else {
            panic!("{:?}", found.unseen);
        };
        assert!(
            unseen.contains("(pid 14)") && unseen.contains("open files"),
            "{unseen}"
        );
        // What it has open counts more than what it was started with.
        let last = found.running.last().unwrap();
        assert_eq!(last.opens.database.as_ref().unwrap().0, open);
        assert_eq!(last.user, Some(77));
    }

    #[test]
    fn a_user_is_known_only_if_all_its_numbers_agree() {
        let root = TempDir::new().unwrap();
        for (line, user) in [
            ("Uid:\t0\t0\t0\t0", Some(0)),
            ("Uid:\t1000\t0\t0\t0", None),
            ("Uid:\t1000\t1000\t0\t1000", None),
            ("Uid:", None),
            ("Uid:\tx", None),
            ("", None),
        ] {
            file(&root, "status", format!("Name:\tinfluxd\n{line}\n"));
            assert_eq!(user_of(root.path()), user, "{line}");
        }
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
        let [place] = &influxd(host, &[]).places[..] else {
            panic!("expected one place");
        };
        let through = host.join("proc/7/root/var/lib/influxdb2/influxd.bolt");
        assert_eq!(place.path, through);
        assert_eq!(inode(&place.path), inode(&inner));
        assert!(influxd(&host.join("no such root"), &[]).places.is_empty());
    }
}
