//! The influxd services of this host, and the databases that they open: systemd units, start
//! scripts of System V and OpenRC, and the environment files that they read.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::cli::host::bounded_reads::{entries, text_of};
use crate::cli::host::environment_file::{assignments, has_quotes, words};
use crate::cli::host::influxd_start::{InfluxdStart, Opens};
use crate::cli::host::systemd_unit::{Unit, influxd_units};
use crate::cli::host::users::User;

/// The user of the package's service.
const PACKAGE_USER: &str = "influxdb";

/// Variables of start scripts with arguments of influxd.
const OF_ARGUMENTS: [&str; 3] = ["INFLUXD_OPTS", "command_args", "ARGS"];

/// A service.
#[derive(Debug)]
pub(crate) struct Service {
    /// Its name and file, for messages.
    pub(crate) name: String,
    /// The ID of its user, if known.
    pub(crate) user: Option<u32>,
    /// What it opens.
    pub(crate) opens: Opens,
}

/// The services below `root`.
pub(crate) fn influxd(root: &Path, users: &[User]) -> Vec<Service> {
    let units = influxd_units(root, users);
    let units = units.iter().map(|unit| of_unit(root, users, unit));
    let mut found: Vec<Service> = units.collect();
    if found.is_empty() {
        found.extend(of_scripts(root, users));
    }
    found
}

fn of_unit(root: &Path, users: &[User], unit: &Unit) -> Service {
    let user = unit.user.as_deref().unwrap_or("root");
    let user = user_named(users, user);
    let arguments: Vec<OsString> = unit.command.iter().map(OsString::from).collect();
    let files = unit.files.iter().map(|file| file.display().to_string());
    let files: Vec<String> = files.collect();
    let mut found = service(
        format!("the service {} ({})", unit.name, files.join(", ")),
        root,
        user.as_ref(),
        &arguments,
        &unit.variables,
        // systemd starts services in the root folder.
        unit.folder.as_deref().unwrap_or(Path::new("/")),
    );
    found.explain_quotes(&unit.files);
    if let Some(specifier) = unit.hides_database() {
        found.opens.database = None;
        found.opens.by_default = false;
        found.opens.ignored.push(format!(
            "the path of {} can't be told: its unit has {specifier}, which only systemd resolves; pass \
             --db PATH",
            found.name
        ));
    }
    found
}

/// The start script with its variables. None if there is no script and no environment file.
fn of_scripts(root: &Path, users: &[User]) -> Option<Service> {
    let of_influxdb = |folder: &str| {
        let there = entries(&root.join(folder)).unwrap_or_default().into_iter();
        let is_its = |path: &PathBuf| {
            let name = path.file_name().and_then(OsStr::to_str);
            name.is_some_and(|name| name.contains("influx"))
        };
        there.filter(is_its).collect::<Vec<PathBuf>>()
    };
    let scripts = of_influxdb("etc/init.d");
    let files = ["etc/default", "etc/sysconfig", "etc/conf.d"];
    let files: Vec<PathBuf> = files.into_iter().flat_map(of_influxdb).collect();
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    let mut read: Vec<String> = Vec::new();
    let mut arguments: Vec<OsString> = Vec::new();
    for file in scripts.iter().chain(&files) {
        let Some(text) = text_of(file) else {
            continue;
        };
        variables.extend(assignments(&text));
        read.push(file.display().to_string());
        if scripts.contains(file) {
            // The arguments in the command of the script.
            let command = text.lines().map(str::trim_start);
            let command = command.filter(|line| !line.starts_with('#') && line.contains("influxd"));
            arguments.extend(command.flat_map(words).map(OsString::from));
        }
    }
    if read.is_empty() {
        return None;
    }
    for name in OF_ARGUMENTS {
        let value = variables.get(name).map(String::as_str).unwrap_or_default();
        arguments.extend(words(value).into_iter().map(OsString::from));
    }
    // Values that the shell would compute are not known.
    variables.retain(|_, value| !value.contains(['$', '`']));
    arguments.retain(|word| !word.to_string_lossy().contains(['$', '`']));
    let own = ["USER", "command_user", "INFLUXD_USER"];
    let own = own.iter().find_map(|name| variables.get(*name));
    let user = own.map_or(PACKAGE_USER, |user| {
        user.split(':').next().unwrap_or_default()
    });
    let mut found = service(
        format!("the service of {}", read.join(", ")),
        root,
        user_named(users, user).as_ref(),
        &arguments,
        &variables,
        Path::new("/"),
    );
    let all: Vec<PathBuf> = scripts.into_iter().chain(files).collect();
    found.explain_quotes(&all);
    Some(found)
}

impl Service {
    /// Says so if the path has quotes in an environment file, because influxd gets it without them.
    fn explain_quotes(&mut self, files: &[PathBuf]) {
        if let Some((_, how)) = &mut self.opens.database
            && how.starts_with("INFLUXD_")
        {
            let texts = files.iter().rev().filter_map(|file| text_of(file));
            let set = texts.into_iter().find(|text| {
                assignments(text)
                    .iter()
                    .any(|(name, _)| name == how.as_str())
            });
            if set.is_some_and(|text| has_quotes(&text, how)) {
                how.push_str(", without its quotes,");
            }
        }
    }
}

/// The user by name or number.
fn user_named(users: &[User], name: &str) -> Option<User> {
    let by_name = users.iter().find(|user| user.name == name);
    let by_number = || users.iter().find(|user| name.parse() == Ok(user.uid));
    by_name.or_else(by_number).cloned()
}

fn service(
    name: String,
    root: &Path,
    user: Option<&User>,
    arguments: &[OsString],
    variables: &BTreeMap<String, String>,
    folder: &Path,
) -> Service {
    let opens = InfluxdStart {
        arguments,
        variable: &|name| variables.get(name).map(OsString::from),
        folder: Some(folder),
        home: user.map(|user| user.home.as_path()),
        see: &|path| below(root, path),
        user: user.map(|user| user.uid),
    }
    .opens();
    Service {
        name,
        user: user.map(|user| user.uid),
        opens,
    }
}

/// A path of the host below the root that is searched.
pub(crate) fn below(root: &Path, path: &Path) -> PathBuf {
    match path.strip_prefix("/") {
        Ok(inside) => root.join(inside),
        Err(_) => path.to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    struct Host(TempDir);

    impl Host {
        fn new() -> Self {
            let host = Self(TempDir::new().unwrap());
            host.file(
                "etc/passwd",
                "root:x:0:0::/root:/bin/sh\ninfluxdb:x:998:998::/var/lib/influxdb:/bin/false\n",
            );
            host
        }

        fn file(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn services(&self) -> Vec<Service> {
            let root = self.0.path();
            influxd(root, &crate::cli::host::users::users(root))
        }

        /// The only service: its database below the root, why, user.
        #[track_caller]
        fn one(&self) -> (String, String, Option<u32>) {
            let services = self.services();
            let [service] = &services[..] else {
                panic!("{services:?}");
            };
            let (path, why) = service.opens.database.clone().unwrap();
            let path = path.strip_prefix(self.0.path()).unwrap();
            (path.to_str().unwrap().into(), why, service.user)
        }
    }

    const PACKAGE: &str = "[Service]\nUser=influxdb\nEnvironmentFile=-/etc/default/influxdb2\n\
                           ExecStart=/usr/lib/influxdb/scripts/influxd-systemd-start.sh\n";

    #[test]
    fn the_package_s_unit_leads_to_its_configuration() {
        let host = Host::new();
        host.file("lib/systemd/system/influxdb.service", PACKAGE);
        let (path, why, user) = host.one();
        assert_eq!(path, "var/lib/influxdb/.influxdbv2/influxd.bolt");
        assert!(why.contains("home folder") && user == Some(998));

        let variables = "INFLUXD_CONFIG_PATH=/etc/influxdb/config.toml\n";
        host.file("etc/default/influxdb2", variables);
        host.file("etc/influxdb/config.toml", "bolt-path = '/data/i.bolt'");
        let (path, why, _) = host.one();
        assert_eq!(path, "data/i.bolt");
        assert!(why.contains("etc/influxdb/config.toml"), "{why}");

        // A quoted value is the value without quotes, and wins over the configuration.
        host.file(
            "etc/default/influxdb2",
            "INFLUXD_CONFIG_PATH=/etc/influxdb/config.toml\nINFLUXD_BOLT_PATH=\"/q/i.bolt\"\n",
        );
        let (path, why, _) = host.one();
        assert_eq!(
            (path.as_str(), why.as_str()),
            ("q/i.bolt", "INFLUXD_BOLT_PATH, without its quotes,")
        );
        let services = host.services();
        assert!(services[0].opens.ignored[0].contains("takes precedence"));
        assert!(services[0].name.contains("etc/default/influxdb2"));
    }

    #[test]
    fn drop_ins_change_units() {
        let host = Host::new();
        host.file("usr/lib/systemd/system/influxdb.service", PACKAGE);
        let drop_in = |name: &str, text: &str| {
            let path = format!("etc/systemd/system/influxdb.service.d/{name}");
            host.file(&path, &format!("[Service]\n{text}\n"));
        };
        drop_in(
            "10.conf",
            "Environment=\"INFLUXD_BOLT_PATH=/a b/i.bolt\" X=1",
        );
        assert_eq!(host.one().0, "a b/i.bolt");
        drop_in(
            "20.conf",
            "Environment=\nEnvironment='INFLUXD_BOLT_PATH=/c/i.bolt'",
        );
        assert_eq!(host.one().0, "c/i.bolt");
        host.file(
            "etc/more",
            "INFLUXD_BOLT_PATH=/file\nWHERE=/w\nOPTS=--bolt-path /o\n",
        );
        drop_in("30.conf", "EnvironmentFile=/etc/more");
        assert_eq!(host.one().0, "file");
        drop_in(
            "40.conf",
            "ExecStart=\nExecStart=-/usr/bin/influxd \\\n  --bolt-path=${WHERE}/i",
        );
        assert_eq!(
            (host.one().0.as_str(), host.one().1.as_str()),
            ("w/i", "--bolt-path")
        );
        drop_in(
            "50.conf",
            "ExecStart=\nExecStart=/usr/bin/influxd $OPTS $NONE",
        );
        assert_eq!(host.one().0, "o");
        drop_in("60.conf", "User=root");
        assert_eq!(host.one().2, Some(0));
        // A file of the same name in another folder does not count.
        host.file(
            "run/systemd/system/influxdb.service.d/50.conf",
            "[Service]\nExecStart=\n",
        );
        assert_eq!(host.one().0, "o");

        // A unit in /etc replaces the package's, and one that is masked is no service.
        host.file(
            "etc/systemd/system/influxdb.service",
            "[Service]\nExecStart=/opt/influxd --bolt-path /mine\n",
        );
        for folder in ["etc", "run"] {
            let folder = format!("{folder}/systemd/system/influxdb.service.d");
            fs::remove_dir_all(host.0.path().join(folder)).unwrap();
        }
        assert_eq!(host.one().0, "mine");
        let unit = host.0.path().join("etc/systemd/system/influxdb.service");
        fs::remove_file(&unit).unwrap();
        symlink("/dev/null", &unit).unwrap();
        assert!(host.services().is_empty());
    }

    #[test]
    fn specifiers_are_resolved_or_hide_the_path() {
        let host = Host::new();
        let unit = |text: &str| {
            host.file(
                "etc/systemd/system/influx-db.service",
                &format!("[Service]\nUser=influxdb\n{text}\n"),
            );
        };
        for (text, path) in [
            ("ExecStart=/usr/bin/influxd --bolt-path %h/i", "root/i"),
            (
                "Environment=INFLUXD_BOLT_PATH=%S/%N/i%%\nExecStart=/usr/bin/influxd",
                "var/lib/influx-db/i%",
            ),
            (
                "EnvironmentFile=%E/%p.env\nExecStart=/usr/bin/influxd",
                "by/file",
            ),
            // A value of a variable has none.
            (
                "Environment=D=/a%%n\nExecStart=/usr/bin/influxd --bolt-path=${D}/%n",
                "a%n/influx-db.service",
            ),
            (
                "Environment=X=%m\nExecStart=/usr/bin/influxd --engine-path=/%b --bolt-path /b",
                "b",
            ),
            (
                "Environment=INFLUXD_BOLT_PATH=/%m INFLUXD_BOLT_PATH=/later\nExecStart=influxd",
                "later",
            ),
            (
                "Environment=INFLUXD_BOLT_PATH=/x\nUnsetEnvironment=INFLUXD_BOLT_PATH\n\
                 ExecStart=influxd",
                "var/lib/influxdb/.influxdbv2/influxd.bolt",
            ),
        ] {
            host.file("etc/influx-db.env", "INFLUXD_BOLT_PATH=/by/file\n");
            unit(text);
            assert_eq!(host.one().0, path, "{text}");
        }
        for text in [
            "ExecStart=/usr/bin/influxd --bolt-path /data/%m/i",
            "ExecStart=/usr/bin/influxd --bolt-path=/data/%H/i",
            "Environment=INFLUXD_BOLT_PATH=/%m/i\nExecStart=/usr/bin/influxd",
            "Environment=INFLUXD_CONFIG_PATH=/%m\nExecStart=/usr/bin/influxd",
            "EnvironmentFile=-/etc/%m.env\nExecStart=/usr/bin/influxd",
            "EnvironmentFile=/etc/influx*.env\nExecStart=/usr/bin/influxd",
        ] {
            unit(text);
            let services = host.services();
            assert_eq!(services[0].opens.database, None, "{text}");
            let told = services[0].opens.ignored.last().unwrap();
            assert!(told.contains("only systemd resolves"), "{told}");
        }
    }

    #[test]
    fn instances_of_templates_and_all_their_drop_ins() {
        let host = Host::new();
        let template = "[Service]\nExecStart=/usr/bin/influxd --bolt-path=/data/%i/i.bolt\n";
        host.file("lib/systemd/system/influx-db@.service", template);
        assert!(host.services().is_empty());
        let wants = host
            .0
            .path()
            .join("etc/systemd/system/multi-user.target.wants");
        fs::create_dir_all(&wants).unwrap();
        let instance = wants.join("influx-db@main.service");
        symlink("/lib/systemd/system/influx-db@.service", &instance).unwrap();
        assert_eq!(host.one().0, "data/main/i.bolt");
        let drop_in = |folder: &str, path: &str| {
            let text = format!("[Service]\nExecStart=\nExecStart=influxd --bolt-path {path}\n");
            host.file(&format!("etc/systemd/system/{folder}/10.conf"), &text);
        };
        for (folder, path) in [
            ("service.d", "/all"),
            ("influx-.service.d", "/prefix"),
            ("influx-db@.service.d", "/template"),
            ("influx-db@main.service.d", "/instance"),
        ] {
            drop_in(folder, path);
            assert_eq!(host.one().0, path.trim_start_matches('/'), "{folder}");
        }
        // Those of an alias count for the unit.
        let host = Host::new();
        host.file("lib/systemd/system/influxdb.service", PACKAGE);
        let alias = host.0.path().join("etc/systemd/system/influxd.service");
        fs::create_dir_all(alias.parent().unwrap()).unwrap();
        symlink("/lib/systemd/system/influxdb.service", alias).unwrap();
        host.file(
            "etc/systemd/system/influxd.service.d/a.conf",
            "[Service]\nEnvironment=INFLUXD_BOLT_PATH=/alias\n",
        );
        assert_eq!(host.one().0, "alias");
    }

    #[test]
    fn units_of_other_names_and_aliases() {
        let host = Host::new();
        host.file(
            "etc/systemd/system/metrics.service",
            "[Service]\nExecStart=/srv/influxd --bolt-path /m\n# ExecStart=influxd --bolt-path /no\n\
             [Install]\nExecStart=influxd --bolt-path /no\n",
        );
        host.file(
            "etc/systemd/system/other.service",
            "[Service]\nExecStart=/bin/true\n",
        );
        host.file("lib/systemd/system/influxdb@.service", PACKAGE);
        host.file(
            "lib/systemd/system/influx-exporter.service",
            "[Service]\nExecStart=/bin/e\n",
        );
        assert_eq!(host.one().0, "m");
        let alias = host.0.path().join("etc/systemd/system/influxd.service");
        symlink("/etc/systemd/system/metrics.service", alias).unwrap();
        assert_eq!(host.services().len(), 1);
    }

    #[test]
    fn start_scripts_and_their_variables() {
        let host = Host::new();
        assert!(host.services().is_empty());
        host.file(
            "etc/default/influxdb2",
            "export INFLUXD_BOLT_PATH='/d/i.bolt'\n",
        );
        assert_eq!(
            host.one(),
            (
                "d/i.bolt".into(),
                "INFLUXD_BOLT_PATH, without its quotes,".into(),
                Some(998)
            )
        );
        host.file(
            "etc/init.d/influxdb",
            "#!/bin/sh\nUSER=root\nINFLUXD_OPTS=\nDAEMON=/usr/bin/influxd\n\
             # influxd --bolt-path /no\nstart-stop-daemon --exec $DAEMON -- $INFLUXD_OPTS\n",
        );
        assert_eq!(host.one().2, Some(0));
        host.file(
            "etc/default/influxdb2",
            "INFLUXD_OPTS=\"--bolt-path /opts\"\n",
        );
        assert_eq!(
            (host.one().0.as_str(), host.one().1.as_str()),
            ("opts", "--bolt-path")
        );
        host.file(
            "etc/conf.d/influxdb",
            "command_args=\"run --bolt-path=/rc\"\n",
        );
        host.file("etc/default/influxdb2", "INFLUXD_BOLT_PATH=$DATA/x\n");
        assert_eq!(host.one().0, "rc");
    }
}
