//! Finds the stores of containers, running or stopped: Docker's `config.v2.json`, and the runtime
//! configurations (`config.json`) that Podman and containerd leave. Nothing is asked of a daemon.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::cli::host::bounded_reads::{engine_at, entries, text_of, what_is_at};
use crate::cli::host::influxd_start::InfluxdStart;
use crate::cli::host::services::below;
use crate::cli::host::usual_folders::IN_CONTAINERS;
use crate::ops::locate::Place;

/// Folders of Docker, relative to the root.
const OF_DOCKER: [&str; 8] = [
    "var/lib/docker",
    "var/snap/docker/common/var-lib-docker",
    "mnt/data/docker",
    "mnt/.ix-apps/docker",
    "volume*/@docker",
    "share/*/Container/container-station-data/lib/docker",
    "share/*/.qpkg/container-station/docker",
    "var/lib/balena-engine",
];

/// Folder of Docker without root, relative to a home folder.
const OF_DOCKER_AT_HOME: &str = ".local/share/docker";

/// The runtime configurations, relative to the root.
const OF_RUNTIMES: [&str; 3] = [
    "var/lib/containers/storage/overlay-containers/*/userdata/config.json",
    "run/containerd/io.containerd.runtime.v2.task/*/*/config.json",
    "run/k3s/containerd/io.containerd.runtime.v2.task/*/*/config.json",
];

/// The same of Podman without root, relative to a home folder.
const OF_RUNTIMES_AT_HOME: &str =
    ".local/share/containers/storage/overlay-containers/*/userdata/config.json";

/// A container.
#[derive(Debug, Default)]
struct Container {
    /// For messages: "the stopped container influxdb (influxdb:2.7)".
    name: String,
    arguments: Vec<OsString>,
    /// `NAME=VALUE`.
    variables: Vec<String>,
    folder: Option<PathBuf>,
    /// The paths in the container and the folders of the host that are mounted there.
    mounts: Vec<(PathBuf, PathBuf)>,
    /// The writable layer of its file system.
    files: Option<PathBuf>,
    /// Whether its image, command or environment is influxd's.
    is_influxd: bool,
}

/// The stores of the containers below `root` and below the home folders. `expand` lists the paths
/// that match a pattern.
pub(crate) fn stores(
    root: &Path,
    homes: &[PathBuf],
    expand: &mut dyn FnMut(&Path, &str) -> Vec<PathBuf>,
) -> Vec<Place> {
    let mut found = Vec::new();
    let mut roots: Vec<PathBuf> = Vec::new();
    for pattern in OF_DOCKER {
        roots.extend(expand(root, pattern));
    }
    roots.extend(data_root(root));
    roots.extend(homes.iter().map(|home| home.join(OF_DOCKER_AT_HOME)));
    for docker in roots {
        for folder in expand(&docker, "containers/*") {
            let container = text_of(&folder.join("config.v2.json"))
                .and_then(|text| of_docker(root, &docker, &folder, &text));
            container.iter().for_each(|one| one.add(&mut found));
        }
    }
    let mut files: Vec<PathBuf> = Vec::new();
    for pattern in OF_RUNTIMES {
        files.extend(expand(root, pattern));
    }
    for home in homes {
        files.extend(expand(home, OF_RUNTIMES_AT_HOME));
    }
    for file in files {
        let container = text_of(&file).and_then(|text| of_runtime(root, &file, &text));
        container.iter().for_each(|one| one.add(&mut found));
    }
    found
}

/// Docker's folder if its configuration names another one.
fn data_root(root: &Path) -> Option<PathBuf> {
    let text = text_of(&root.join("etc/docker/daemon.json"))?;
    let settings: Value = serde_json::from_str(&text).ok()?;
    let folder = settings.get("data-root")?.as_str()?;
    Some(below(root, Path::new(folder)))
}

/// The part of Docker's `config.v2.json` that matters here.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct DockerContainer {
    name: String,
    driver: String,
    state: DockerState,
    config: DockerConfig,
    mount_points: Option<std::collections::BTreeMap<String, DockerMount>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct DockerState {
    running: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct DockerConfig {
    image: String,
    env: Option<Vec<String>>,
    entrypoint: Option<Value>,
    cmd: Option<Value>,
    working_dir: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "PascalCase")]
struct DockerMount {
    source: String,
    destination: String,
    name: String,
}

fn of_docker(root: &Path, docker: &Path, folder: &Path, text: &str) -> Option<Container> {
    let given: DockerContainer = serde_json::from_str(text).ok()?;
    let state = if given.state.running {
        "running"
    } else {
        "stopped"
    };
    let mut arguments = strings(given.config.entrypoint.as_ref());
    arguments.extend(strings(given.config.cmd.as_ref()));
    let mounts = given.mount_points.unwrap_or_default().into_values();
    let mounts = mounts.filter_map(|mount| {
        let source = match mount.source.as_str() {
            "" if is_single_name(&mount.name) => {
                docker.join("volumes").join(mount.name).join("_data")
            }
            "" => return None,
            source => below(root, Path::new(source)),
        };
        Some((PathBuf::from(mount.destination), source))
    });
    // The writable layer has its own name.
    let id = folder.file_name()?;
    let layer = docker
        .join("image")
        .join(&given.driver)
        .join("layerdb/mounts")
        .join(id)
        .join("mount-id");
    let layer = text_of(&layer).map(|name| name.trim().to_owned());
    let files = layer
        .filter(|name| is_single_name(name))
        .map(|name| match given.driver.as_str() {
            "btrfs" => docker.join("btrfs/subvolumes").join(name),
            "vfs" => docker.join("vfs/dir").join(name),
            driver => docker.join(driver).join(name).join("diff"),
        });
    Some(
        Container {
            name: format!(
                "the {state} container {} ({})",
                given.name.trim_start_matches('/'),
                given.config.image
            ),
            arguments: arguments.iter().map(OsString::from).collect(),
            variables: given.config.env.unwrap_or_default(),
            folder: Some(given.config.working_dir)
                .filter(|folder| !folder.is_empty())
                .map(PathBuf::from),
            mounts: mounts.collect(),
            files,
            is_influxd: given.config.image.contains("influx"),
        }
        .recognized(&arguments),
    )
}

/// The part of a runtime configuration that matters here (OCI runtime specification).
#[derive(Deserialize, Default)]
#[serde(default)]
struct RuntimeContainer {
    process: RuntimeProcess,
    root: RuntimeRoot,
    mounts: Vec<RuntimeMount>,
    annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RuntimeProcess {
    args: Vec<String>,
    env: Vec<String>,
    cwd: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RuntimeRoot {
    path: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RuntimeMount {
    destination: String,
    source: String,
}

fn of_runtime(root: &Path, file: &Path, text: &str) -> Option<Container> {
    let given: RuntimeContainer = serde_json::from_str(text).ok()?;
    let folder = file.parent()?;
    let mounts = given.mounts.into_iter();
    let mounts = mounts.filter(|mount| mount.source.starts_with('/'));
    let mounts = mounts.map(|mount| {
        let source = below(root, Path::new(&mount.source));
        (PathBuf::from(mount.destination), source)
    });
    let files = Path::new(&given.root.path);
    let files = match files.is_absolute() {
        true => below(root, files),
        false => folder.join(files),
    };
    // The merged view of a stopped container is empty. Its writable layer is beside it.
    let files = match files.file_name().is_some_and(|name| name == "merged") {
        true => files.with_file_name("diff"),
        false => files,
    };
    let known = |name: &str| given.annotations.get(name).cloned();
    let id = folder.ancestors().find_map(|folder| {
        let name = folder.file_name()?.to_str()?;
        (name != "userdata").then(|| name.chars().take(12).collect::<String>())
    });
    let name = known("io.kubernetes.cri.container-name")
        .or_else(|| known("io.container.manager.name"))
        .or(id)?;
    let image = known("io.kubernetes.cri.image-name").unwrap_or_default();
    Some(
        Container {
            name: format!("the container {name}"),
            arguments: given.process.args.iter().map(OsString::from).collect(),
            variables: given.process.env,
            folder: Some(given.process.cwd)
                .filter(|folder| !folder.is_empty())
                .map(PathBuf::from),
            mounts: mounts.collect(),
            files: Some(files),
            is_influxd: image.contains("influx"),
        }
        .recognized(&given.process.args),
    )
}

impl Container {
    /// Notes whether the command or the environment is influxd's.
    fn recognized(mut self, arguments: &[String]) -> Self {
        self.is_influxd |= arguments.iter().any(|word| word.contains("influx"))
            || self
                .variables
                .iter()
                .any(|one| one.starts_with("INFLUXD_") || one.starts_with("DOCKER_INFLUXDB_INIT_"));
        self
    }

    /// Adds its database, and the files of its mounts and file system that are in usual places.
    fn add(&self, found: &mut Vec<Place>) {
        let opens = InfluxdStart {
            arguments: &self.arguments,
            variable: &|name| {
                let mut values = self.variables.iter();
                let value = values.find_map(|one| one.strip_prefix(name)?.strip_prefix('='));
                value.map(OsString::from)
            },
            folder: Some(self.folder.as_deref().unwrap_or(Path::new("/"))),
            home: None,
            see: &|path| self.on_host(path),
            user: None,
        }
        .opens();
        let mut add = |path: PathBuf, how: &str, named: bool| {
            let is_file = what_is_at(&path).is_ok_and(|there| there.is_file());
            let why = format!("{how} of {}", self.name);
            let known = |place: &Place| place.path == path && place.why == why;
            if is_file && (named || engine_at(&path).is_some()) && !found.iter().any(known) {
                found.push(Place {
                    path,
                    why,
                    named,
                    open_by: None,
                });
            }
        };
        if let Some((path, how)) = opens.database {
            add(path, &how, true);
        }
        for folder in IN_CONTAINERS {
            let path = Path::new("/").join(folder).join("influxd.bolt");
            let how = match self.mounted(&path) {
                Some(_) => "a mount",
                None => "the file system",
            };
            add(self.on_host(&path), how, self.is_influxd);
        }
        if self.is_influxd {
            for (_, source) in &self.mounts {
                for path in entries(source).unwrap_or_default() {
                    if path
                        .extension()
                        .is_some_and(|extension| extension == "bolt")
                    {
                        add(path, "a mount", false);
                    }
                }
            }
        }
    }

    /// The path of a mounted file or folder on the host. The longest mount counts.
    fn mounted(&self, path: &Path) -> Option<PathBuf> {
        let mounts = self.mounts.iter();
        let fitting = mounts.filter_map(|(inside, source)| {
            let rest = path.strip_prefix(inside).ok()?;
            let source = match rest.as_os_str().is_empty() {
                true => source.clone(),
                false => source.join(rest),
            };
            Some((inside.components().count(), source))
        });
        fitting
            .max_by_key(|(depth, _)| *depth)
            .map(|(_, path)| path)
    }

    /// The path on the host of a file in the container.
    fn on_host(&self, path: &Path) -> PathBuf {
        // A path with `..` could lead out of the container.
        let leads_out = path
            .components()
            .any(|part| matches!(part, std::path::Component::ParentDir));
        let inside = path.strip_prefix("/").unwrap_or(path);
        let in_files = || self.files.as_ref().map(|files| files.join(inside));
        let found = match leads_out {
            true => None,
            false => self.mounted(path).or_else(in_files),
        };
        // A path below a file that exists leads nowhere.
        found.unwrap_or_else(|| Path::new("/dev/null").join(inside))
    }
}

/// Whether the name is that of one entry of a folder.
fn is_single_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && name != "." && name != ".."
}

/// The strings of a JSON value that is a string or a list of strings.
fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(all)) => {
            let all = all.iter().filter_map(Value::as_str);
            all.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    struct Host(TempDir);

    impl Host {
        fn file(&self, path: &str, content: impl AsRef<[u8]>) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }

        /// An empty file with the first bytes of a Bolt file.
        fn bolt(&self, path: &str) {
            let mut bytes = vec![0; 64];
            bytes[16..20].copy_from_slice(&0xED0C_DAED_u32.to_le_bytes());
            self.file(path, bytes);
        }

        /// The paths below the root, each with its reason.
        fn stores(&self) -> Vec<(String, String)> {
            let root = self.0.path();
            let mut expand = |below: &Path, pattern: &str| {
                let mut folders = vec![below.to_path_buf()];
                for part in pattern.split('/') {
                    let next = folders.iter().flat_map(|folder| match part.contains('*') {
                        true => entries(folder).unwrap_or_default(),
                        false => vec![folder.join(part)],
                    });
                    folders = next.collect();
                }
                folders
            };
            let found = stores(root, &[root.join("home/me")], &mut expand);
            let found = found.into_iter().map(|place| {
                let path = place.path.strip_prefix(root).unwrap().to_path_buf();
                (path.to_str().unwrap().to_owned(), place.why)
            });
            found.collect()
        }
    }

    #[test]
    fn mounts_volumes_and_layers_of_docker() {
        let host = Host(TempDir::new().unwrap());
        let container = |id: &str, json: &str| {
            host.file(
                &format!("var/lib/docker/containers/{id}/config.v2.json"),
                json,
            );
        };
        container(
            "a1",
            r#"{"Name":"/tsdb","Driver":"overlay2","State":{"Running":false},
                "Config":{"Image":"influxdb:2.7","Env":["PATH=/bin"],"Cmd":["influxd"]},
                "MountPoints":{"/var/lib/influxdb2":{"Type":"bind","Source":"/srv/tsdb",
                "Destination":"/var/lib/influxdb2"}}}"#,
        );
        host.bolt("srv/tsdb/influxd.bolt");
        host.bolt("srv/tsdb/old.bolt");
        container(
            "b2",
            r#"{"Name":"/named","Driver":"overlay2","State":{"Running":true},
                "Config":{"Image":"x","Env":["INFLUXD_BOLT_PATH=/data/my.db"],"Cmd":null},
                "MountPoints":{"/data":{"Type":"volume","Name":"vol","Source":"",
                "Destination":"/data"}}}"#,
        );
        host.bolt("var/lib/docker/volumes/vol/_data/my.db");
        container(
            "c3",
            r#"{"Name":"/layer","Driver":"overlay2","Config":{"Image":"influxdb:2",
                "Cmd":["influxd","--bolt-path=/var/x.bolt"]}}"#,
        );
        host.file(
            "var/lib/docker/image/overlay2/layerdb/mounts/c3/mount-id",
            "lay",
        );
        host.bolt("var/lib/docker/overlay2/lay/diff/var/x.bolt");
        // Nothing leads out of its folder, and damage is no obstacle.
        container("d4", "{");
        container(
            "e5",
            r#"{"Name":"/evil","Driver":"overlay2","Config":{"Image":"influxdb",
                "Env":["INFLUXD_BOLT_PATH=/data/../../../out.bolt"]},
                "MountPoints":{"/data":{"Name":"../../../..","Source":"","Destination":"/data"}}}"#,
        );
        host.file(
            "var/lib/docker/image/overlay2/layerdb/mounts/e5/mount-id",
            "../../..",
        );
        host.bolt("out.bolt");
        let found = host.stores();
        let wanted = [
            (
                "srv/tsdb/influxd.bolt",
                "a mount of the stopped container tsdb (influxdb:2.7)",
            ),
            (
                "srv/tsdb/old.bolt",
                "a mount of the stopped container tsdb (influxdb:2.7)",
            ),
            (
                "var/lib/docker/volumes/vol/_data/my.db",
                "INFLUXD_BOLT_PATH of the running container named (x)",
            ),
            (
                "var/lib/docker/overlay2/lay/diff/var/x.bolt",
                "--bolt-path of the stopped container layer (influxdb:2)",
            ),
        ];
        let found: Vec<(&str, &str)> = found.iter().map(|(p, w)| (&**p, &**w)).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn containers_of_podman_and_containerd() {
        let host = Host(TempDir::new().unwrap());
        let storage = host.0.path().join("var/lib/containers/storage");
        host.file(
            "var/lib/containers/storage/overlay-containers/0123456789abcdef/userdata/config.json",
            format!(
                r#"{{"process":{{"args":["influxd"],"env":[],"cwd":"/"}},
                    "root":{{"path":"{}/overlay/lay/merged"}},
                    "mounts":[{{"destination":"/proc","type":"proc","source":"proc"}}]}}"#,
                "/var/lib/containers/storage"
            ),
        );
        assert!(storage.exists());
        host.bolt("var/lib/containers/storage/overlay/lay/diff/var/lib/influxdb2/influxd.bolt");
        host.file(
            "run/containerd/io.containerd.runtime.v2.task/k8s.io/x/config.json",
            r#"{"process":{"args":["/entrypoint.sh"],"env":["INFLUXD_CONFIG_PATH=/c"],"cwd":"/"},
                "root":{"path":"rootfs"},"annotations":{"io.kubernetes.cri.container-name":"db"},
                "mounts":[{"destination":"/c","source":"/srv/c"},{"destination":"/d",
                "source":"/srv/d"}]}"#,
        );
        host.file("srv/c/config.yml", "bolt-path: /d/i.bolt");
        host.bolt("srv/d/i.bolt");
        let found = host.stores();
        let wanted = [
            (
                "var/lib/containers/storage/overlay/lay/diff/var/lib/influxdb2/influxd.bolt",
                "the file system of the container 0123456789ab",
            ),
            ("srv/d/i.bolt", "bolt-path in "),
            ("srv/d/i.bolt", "a mount of the container db"),
        ];
        assert_eq!(found.len(), wanted.len(), "{found:?}");
        for ((path, why), (wanted, because)) in found.iter().zip(wanted) {
            assert_eq!(path, wanted);
            assert!(why.starts_with(because), "{why}");
        }
    }
}
