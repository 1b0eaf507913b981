//! Searches in made-up surroundings: nothing of the host is looked at.

use std::collections::HashMap;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;
use crate::cli::host::config_file::configured_bolt;

/// A root folder with a home, a working directory and variables of its own.
struct Host {
    root: TempDir,
    variables: HashMap<String, OsString>,
}

impl Host {
    fn new() -> Self {
        let host = Self {
            root: TempDir::new().unwrap(),
            variables: HashMap::new(),
        };
        fs::create_dir_all(host.path("home/me")).unwrap();
        fs::create_dir_all(host.path("work")).unwrap();
        host
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.root.path().join(relative)
    }

    fn file(&self, relative: &str, content: &str) -> &Self {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// A running influxd of this user, with this command line.
    fn process(&self, pid: u32, user: u32, command: &str) {
        let ids = format!("Uid:\t{user}\t{user}\t{user}\t{user}\n");
        self.file(&format!("proc/{pid}/comm"), "influxd\n")
            .file(&format!("proc/{pid}/status"), &ids)
            .file(
                &format!("proc/{pid}/cmdline"),
                &command.replace("\\0", "\0"),
            );
    }

    fn set(&mut self, variable: &str, value: impl Into<OsString>) -> &mut Self {
        self.variables.insert(variable.into(), value.into());
        self
    }

    fn discover(&self) -> Result<Found> {
        let variables = self.variables.clone();
        let environment = Environment {
            variable: Box::new(move |name| variables.get(name).cloned()),
            root: self.root.path().to_path_buf(),
            home: Some(self.path("home/me")),
            working_directory: self.path("work"),
            user: rustix::process::geteuid().as_raw(),
        };
        discover(&environment, &Influxds::of(&environment))
    }

    #[track_caller]
    fn finds(&self, path: impl AsRef<Path>, why: &str) -> Found {
        let found = self.discover().unwrap();
        assert_eq!(found.path, path.as_ref());
        assert!(found.why.contains(why), "{}", found.why);
        found
    }
}

#[test]
fn each_place_gives_way_to_the_one_before_it() {
    let mut host = Host::new();
    let refused = host.discover().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
    for place in [
        "BOLTKEY_DB (not set)",
        "INFLUXD_BOLT_PATH (not set)",
        "etc/influxdb/config.toml (missing)",
        "running influxd servers (none)",
        "influxd services (none)",
        "etc/influxdb2 (missing)",
        "etc/defaults/influxdb2/config.yml (missing)",
        "home/me/.influxdbv2/influxd.bolt (missing)",
        "var/lib/influxdb/influxd.bolt (missing)",
        "var/lib/influxdb2/influxd.bolt (missing)",
        "root/.influxdbv2/influxd.bolt (missing)",
    ] {
        assert!(refused.message().contains(place), "{}", refused.message());
    }
    assert!(refused.hint().unwrap().contains("--db"));

    for folder in [
        "bitnami/influxdb",
        "home/influxdb/.influxdbv2",
        "var/lib/influxdb/.influxdbv2",
        "root/.influxdbv2",
        "var/lib/influxdb2",
        "var/lib/influxdb",
        "home/me/.influxdbv2",
    ] {
        let file = format!("{folder}/influxd.bolt");
        host.file(&file, "");
        host.finds(host.path(&file), "default path");
    }
    host.file("etc/defaults/influxdb2/config.yml", "bolt-path: /e");
    host.finds("/e", "etc/defaults/influxdb2/config.yml");
    host.file("etc/influxdb2/config.yml", "bolt-path: /d4");
    host.finds("/d4", "etc/influxdb2/config.yml");
    host.file("etc/influxdb2/config.yaml", "bolt-path: /d3");
    host.finds("/d3", "etc/influxdb2/config.yaml");
    host.file("etc/influxdb2/config.toml", "bolt-path = '/d2'");
    host.finds("/d2", "etc/influxdb2/config.toml");
    host.file("etc/influxdb2/config.json", "{\"bolt-path\":\"/d1\"}");
    host.finds("/d1", "etc/influxdb2/config.json");
    host.file("etc/influxdb/config.toml", "bolt-path = '/c'");
    host.finds("/c", "etc/influxdb/config.toml");
    host.file("mine/config.yml", "bolt-path: /b");
    host.set("INFLUXD_CONFIG_PATH", host.path("mine"));
    host.finds("/b", "INFLUXD_CONFIG_PATH");
    host.file("mine/other.toml", "bolt-path = '/b2'");
    host.set("INFLUXD_CONFIG_PATH", host.path("mine/other.toml"));
    host.finds("/b2", "other.toml");
    host.file("etc/init.d/influxdb", "influxd --bolt-path=/by/service\n");
    host.finds(host.path("by/service"), "etc/init.d/influxdb");
    host.process(7, 0, "influxd\0--bolt-path=/by/server");
    host.finds("/by/server", "--bolt-path of influxd (pid 7)");
    host.set("INFLUXD_BOLT_PATH", "/a");
    host.finds("/a", "INFLUXD_BOLT_PATH");
    host.set("BOLTKEY_DB", "relative.bolt");
    host.finds("relative.bolt", "BOLTKEY_DB");
}

#[test]
fn only_variables_servers_and_services_decide() {
    let mut host = Host::new();
    host.file("home/me/.influxdbv2/influxd.bolt", "");
    let default = host.path("home/me/.influxdbv2/influxd.bolt");
    assert!(!host.finds(&default, "a default path").decided);
    host.file("etc/influxdb/config.toml", "bolt-path = '/c'");
    assert!(!host.finds("/c", "config.toml").decided);
    host.file("etc/default/influxdb2", "INFLUXD_BOLT_PATH=/d\n");
    assert!(host.finds(host.path("d"), "etc/default/influxdb2").decided);
    let unit = |name: &str, path: &str| {
        let text = format!("[Service]\nExecStart=/usr/bin/influxd --bolt-path={path}\n");
        host.file(&format!("etc/systemd/system/{name}.service"), &text);
    };
    unit("influxdb", "/one");
    assert!(host.finds(host.path("one"), "influxdb.service").decided);
    unit("metrics", "/one");
    assert!(host.finds(host.path("one"), "influxdb.service").decided);
    unit("metrics", "/two");
    assert!(!host.finds(host.path("one"), "influxdb.service").decided);
    host.process(7, 0, "influxd\0--bolt-path\0/r7");
    assert!(host.finds("/r7", "(pid 7)").decided);
    host.process(8, 0, "influxd\0--bolt-path\0/r8");
    assert!(!host.finds("/r7", "(pid 7)").decided);
    host.set("INFLUXD_BOLT_PATH", "/a");
    assert!(host.finds("/a", "INFLUXD_BOLT_PATH").decided);
}

#[test]
fn servers_of_other_users_do_not_count() {
    let host = Host::new();
    host.process(7, 4_000, "influxd\0--bolt-path=/evil");
    let refused = host.discover().unwrap_err();
    let searched = "influxd (pid 7) (of another user)";
    assert!(refused.message().contains(searched), "{refused}");
    // The user of the service is nobody else.
    host.file("etc/passwd", "db:x:4000:4000::/home/db:/bin/sh\n")
        .file(
            "lib/systemd/system/influxdb.service",
            "[Service]\nUser=db\nExecStart=/usr/bin/influxd\n",
        );
    host.finds("/evil", "--bolt-path of influxd (pid 7)");
    // A server without a database that is known does not hide the service.
    host.process(7, 4_000, "influxd");
    host.file("home/db/.influxdbv2/influxd.bolt", "");
    let found = host.finds(
        host.path("home/db/.influxdbv2/influxd.bolt"),
        "the home folder of the user",
    );
    assert!(found.decided);
}

#[test]
fn a_configuration_that_influxd_ignores_is_told() {
    let mut host = Host::new();
    host.file("home/me/.influxdbv2/influxd.bolt", "");
    let default = host.path("home/me/.influxdbv2/influxd.bolt");
    host.file("vol/influxdb.conf", "bolt-path = '/no'")
        .file("inner/config.toml/x", "")
        .file("etc/influxdb/config.toml", "bolt-path = '/c'");
    for (named, why) in [
        ("vol/influxdb.conf", "takes it for a folder"),
        ("inner", "config.toml in it is a folder"),
        ("vol", "contains no config.json"),
        ("gone", "it does not exist"),
    ] {
        host.set("INFLUXD_CONFIG_PATH", host.path(named));
        let found = host.finds(&default, "a default path");
        let [warning] = &found.warnings[..] else {
            panic!("{:?}", found.warnings);
        };
        assert!(
            warning.contains(named) && warning.contains(why),
            "{warning}"
        );
    }
    host.set("INFLUXD_CONFIG_PATH", "");
    host.file("etc/influxdb2/config.yml/x", "");
    fs::remove_file(host.path("etc/influxdb/config.toml")).unwrap();
    let found = host.finds(&default, "a default path");
    assert!(found.warnings[0].contains("config.yml in it is a folder"));

    // A variable wins over the configuration.
    host.file("mine/config.toml", "bolt-path = '/c'");
    host.set("INFLUXD_CONFIG_PATH", host.path("mine"));
    host.set("INFLUXD_BOLT_PATH", "/a");
    let found = host.finds("/a", "INFLUXD_BOLT_PATH");
    assert!(found.warnings[0].contains("ignores /c from bolt-path in"));
}

#[test]
fn a_path_in_quotes_is_explained() {
    let host = Host::new();
    let quoted = host.path("work").join("\"influxd.bolt\"");
    let error = path_in_quotes(&quoted).unwrap();
    assert!(error.message().contains("remove the quotes"), "{error}");
    fs::write(&quoted, "").unwrap();
    assert!(path_in_quotes(&quoted).is_none());
    assert!(path_in_quotes(Path::new("/no/influxd.bolt")).is_none());
    assert!(path_in_quotes(Path::new("\"/no/influxd.bolt\"")).is_some());
    assert!(path_in_quotes(Path::new("'/no/influxd.bolt'")).is_some());
}

#[test]
fn an_empty_variable_is_not_set() {
    let mut host = Host::new();
    host.file("var/lib/influxdb/influxd.bolt", "");
    host.set("BOLTKEY_DB", "").set("INFLUXD_BOLT_PATH", "");
    host.set("INFLUXD_CONFIG_PATH", "");
    host.finds(host.path("var/lib/influxdb/influxd.bolt"), "default path");
}

#[test]
fn a_named_configuration_that_is_wrong_is_an_error_and_a_missing_one_is_not() {
    let mut host = Host::new();
    host.file("etc/influxdb/config.toml", "bolt-path = '/c'")
        .file("home/me/.influxdbv2/influxd.bolt", "");
    host.set("INFLUXD_CONFIG_PATH", host.path("mine/config.toml"));
    // The package's file is the service's, not that of the named configuration.
    host.finds(
        host.path("home/me/.influxdbv2/influxd.bolt"),
        "default path",
    );

    host.file("mine/config.toml", "bolt-path = \n");
    let refused = host.discover().unwrap_err();
    assert!(refused.message().contains("mine/config.toml"), "{refused}");
    assert!(refused.message().contains("line 1"), "{refused}");
    assert!(refused.hint().unwrap().contains("INFLUXD_CONFIG_PATH"));

    host.file("mine/config.toml", &"#".repeat((1 << 20) + 1));
    assert!(host.discover().unwrap_err().message().contains("1 MiB"));

    fs::remove_file(host.path("mine/config.toml")).unwrap();
    fs::create_dir(host.path("mine/config.toml")).unwrap();
    let refused = host.discover().unwrap_err();
    assert!(refused.message().contains("regular file"), "{refused}");
}

#[test]
fn another_configuration_that_is_wrong_is_left_aside_aloud() {
    let host = Host::new();
    host.file("etc/influxdb/config.toml", "bolt-path = ")
        .file("etc/influxdb2/config.yml", "bolt-path: /d");
    let found = host.finds("/d", "etc/influxdb2/config.yml");
    let [warning] = &found.warnings[..] else {
        panic!("{:?}", found.warnings);
    };
    assert!(warning.contains("etc/influxdb/config.toml"), "{warning}");
}

#[test]
fn the_working_directory_counts_only_for_a_running_influxd() {
    let host = Host::new();
    host.file("work/config.toml", "bolt-path = '/w'");
    assert!(host.discover().is_err());
    let here = fs::canonicalize(host.path("work")).unwrap();

    host.file("proc/10/comm", "influxd\n");
    symlink(host.path("elsewhere"), host.path("proc/10/cwd")).unwrap();
    host.file("proc/11/comm", "influx\n");
    symlink(&here, host.path("proc/11/cwd")).unwrap();
    assert!(host.discover().is_err());

    host.process(12, rustix::process::geteuid().as_raw(), "influxd");
    symlink(&here, host.path("proc/12/cwd")).unwrap();
    host.finds("/w", "work/config.toml");
}

#[test]
fn a_configuration_in_the_working_directory_counts_only_if_root_or_the_user_owns_it() {
    let host = Host::new();
    host.file("work/config.toml", "bolt-path = '/w'");
    let here = fs::canonicalize(host.path("work")).unwrap();
    host.process(12, rustix::process::geteuid().as_raw(), "influxd");
    symlink(&here, host.path("proc/12/cwd")).unwrap();
    let config = host.path("work/config.toml");
    assert!(configured_bolt(&here, Whose::OnlyOf(rustix::process::geteuid().as_raw())).is_some());
    // Only root can give a file away.
    if std::os::unix::fs::chown(&config, Some(12345), None).is_err() {
        println!("this user can't give a file to another one");
        return;
    }
    let refused = host.discover().unwrap_err();
    let searched = "work (not readable)";
    assert!(
        refused.message().contains(searched),
        "{}",
        refused.message()
    );
    assert!(configured_bolt(&here, Whose::OnlyOf(rustix::process::geteuid().as_raw())).is_none());
    // In places that influxd reads by itself, anybody may own it.
    assert!(configured_bolt(&here, Whose::Anybodys).is_some());
    std::os::unix::fs::chown(&config, Some(0), None).unwrap();
    host.finds("/w", "work/config.toml");
}
