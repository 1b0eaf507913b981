//! Searches in made-up surroundings: nothing of the host is looked at.

use std::collections::HashMap;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

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

    fn set(&mut self, variable: &str, value: impl Into<OsString>) -> &mut Self {
        self.variables.insert(variable.into(), value.into());
        self
    }

    fn discover(&self) -> Result<Found> {
        let variables = self.variables.clone();
        discover(&Environment {
            variable: Box::new(move |name| variables.get(name).cloned()),
            root: self.root.path().to_path_buf(),
            home: Some(self.path("home/me")),
            working_directory: self.path("work"),
        })
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
        "etc/influxdb2/config.json (missing)",
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
    host.file("mine/other.TOML", "bolt-path = '/b2'");
    host.set("INFLUXD_CONFIG_PATH", host.path("mine/other.TOML"));
    host.finds("/b2", "other.TOML");
    host.set("INFLUXD_BOLT_PATH", "/a");
    host.finds("/a", "INFLUXD_BOLT_PATH");
    host.set("BOLTKEY_DB", "relative.bolt");
    host.finds("relative.bolt", "BOLTKEY_DB");
}

#[test]
fn several_stores_are_named() {
    let host = Host::new();
    host.file("home/me/.influxdbv2/influxd.bolt", "")
        .file("var/lib/influxdb/influxd.bolt", "");
    let found = host.finds(host.path("home/me/.influxdbv2/influxd.bolt"), "default");
    let [warning] = &found.warnings[..] else {
        panic!("{:?}", found.warnings);
    };
    assert!(warning.contains("var/lib/influxdb/influxd.bolt"));
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
    host.file("etc/influxdb/config.toml", "bolt-path = 7")
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

    host.file("proc/12/comm", "influxd\n");
    symlink(&here, host.path("proc/12/cwd")).unwrap();
    host.finds("/w", "work/config.toml");
}

#[test]
fn a_configuration_in_the_working_directory_counts_only_if_root_or_the_user_owns_it() {
    let host = Host::new();
    host.file("work/config.toml", "bolt-path = '/w'");
    let here = fs::canonicalize(host.path("work")).unwrap();
    host.file("proc/12/comm", "influxd\n");
    symlink(&here, host.path("proc/12/cwd")).unwrap();
    let config = host.path("work/config.toml");
    assert!(configured_bolt(&here, Whose::Ours).is_some());
    // Only root can give a file away.
    if std::os::unix::fs::chown(&config, Some(12345), None).is_err() {
        println!("this user can't give a file to another one");
        return;
    }
    let refused = host.discover().unwrap_err();
    let searched = "work/config.toml (not readable)";
    assert!(
        refused.message().contains(searched),
        "{}",
        refused.message()
    );
    assert!(configured_bolt(&here, Whose::Ours).is_none());
    // In places that influxd reads by itself, anybody may own it.
    assert!(configured_bolt(&here, Whose::Anybodys).is_some());
    std::os::unix::fs::chown(&config, Some(0), None).unwrap();
    host.finds("/w", "work/config.toml");
}
