//! Places of made-up hosts: nothing of this one is looked at.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

/// A host below a folder.
struct Host(TempDir);

impl Host {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn file(&self, path: &str, text: &str) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn gather(&self, variables: &[(&'static str, OsString)], named: Option<&Path>) -> Places {
        let variables = variables.to_vec();
        let environment = Environment {
            variable: Box::new(move |name| {
                let mut known = variables.iter();
                let (_, value) = known.find(|(known, _)| *known == name)?;
                Some(value.clone())
            }),
            root: self.0.path().to_path_buf(),
            home: Some(self.path("home/me")),
            working_directory: self.path("work"),
            user: 1000,
        };
        gather(&environment, &Influxds::of(&environment), named)
    }
}

fn paths(places: &Places) -> BTreeSet<PathBuf> {
    let places = places.places.iter();
    places.map(|place| place.path.clone()).collect()
}

#[test]
fn every_kind_of_place_is_looked_at() {
    let host = Host::new();
    host.file(
        "etc/passwd",
        "me:x:1000:1000::/home/me:/bin/sh\ninfluxdb:x:998:998::/var/lib/influxdb:/bin/false\nbroken\n",
    );
    let wanted = [
        "home/me/.influxdbv2/influxd.bolt",
        "home/unlisted/.influxdbv2/mine.bolt",
        "home/me/.local/share/containers/storage/volumes/v/_data/influxd.bolt",
        "root/.influxdbv2/influxd.bolt",
        "var/lib/influxdb/influxd.bolt",
        "var/lib/influxdb2/rehearsal.redb",
        "var/lib/docker/volumes/one/_data/influxd.bolt",
        "var/lib/docker/volumes/two/_data/.influxdbv2/influxd.bolt",
        "var/lib/docker/overlay2/abc/diff/var/lib/influxdb2/influxd.bolt",
        "var/lib/kubelet/pods/p/volumes/kubernetes.io~local/v/influxd.bolt",
        "var/lib/containers/storage/overlay/abc/diff/root/.influxdbv2/influxd.bolt",
        "volume1/docker/Influx/data/influxd.bolt",
        "volume1/@docker/btrfs/subvolumes/abc/var/lib/influxdb2/influxd.bolt",
        "share/CACHEDEV1_DATA/Container/influxdb/influxd.bolt",
        "mnt/user/appdata/influxdb2/influxd.bolt",
        "mnt/.ix-apps/app_mounts/influxdb/data/influxd.bolt",
        "mnt/tank/ix-applications/releases/influxdb/volumes/ix_volumes/ix_data/influxd.bolt",
        "mnt/data/supervisor/addons/data/a0d7b954_influxdb2/influxdb2/influxd.bolt",
        "usr/share/hassio/addons/data/x_influxdbv2/influxd.bolt",
        "srv/disk/appdata/influxdb/influxd.bolt",
        "home/me/IOTstack/volumes/influxdb2/data/influxd.bolt",
        "work/copy.bolt",
    ];
    for path in wanted {
        host.file(path, "");
    }
    host.file("work/other.txt", "");
    host.file(
        "var/lib/docker/overlay2/abc/merged/var/lib/influxdb2/influxd.bolt",
        "",
    );
    let found = host.gather(&[], None);
    assert_eq!(paths(&found), wanted.map(|path| host.path(path)).into());
    assert_eq!(found.owners.get(&998).map(String::as_str), Some("influxdb"));
    let named = found.places.iter().filter(|place| !place.named);
    let named: Vec<&Path> = named.map(|place| place.path.as_path()).collect();
    assert!(
        named.iter().all(|path| !path.ends_with("influxd.bolt")),
        "{named:?}"
    );
    let (path, _) = found.would_open.unwrap();
    assert_eq!(path, host.path("home/me/.influxdbv2/influxd.bolt"));
    assert!(found.unseen.is_empty(), "{:?}", found.unseen);
}

#[test]
fn what_is_named_comes_first_and_ours_is_not_influxd_s() {
    let host = Host::new();
    let config = host.file("etc/influxdb2/config.yml", "bolt-path: /by/config");
    host.file("work/config.toml", "bolt-path = '/by/work'");
    let variables = [("BOLTKEY_DB", OsString::from("/by/us"))];
    let found = host.gather(&variables, Some(Path::new("/by/option")));
    let order: Vec<&Path> = found
        .places
        .iter()
        .map(|place| place.path.as_path())
        .collect();
    let wanted = [
        "/by/option",
        "/by/us",
        "/by/config",
        "/by/config",
        "/by/work",
    ];
    assert_eq!(order, wanted.map(Path::new));
    let (path, why) = found.would_open.unwrap();
    assert_eq!(path, Path::new("/by/config"));
    assert!(why.contains(config.to_str().unwrap()), "{why}");

    host.file("etc/default/influxdb2", "INFLUXD_BOLT_PATH=/by/default");
    let found = host.gather(&variables, None);
    assert_eq!(found.would_open.unwrap().0, host.path("by/default"));

    let variables = [("INFLUXD_BOLT_PATH", OsString::from("/by/variable"))];
    let found = host.gather(&variables, Some(Path::new("here.bolt")));
    assert_eq!(found.would_open.unwrap().0, Path::new("/by/variable"));
    // Whoever reads the list may stand elsewhere.
    assert_eq!(found.places[0].path, host.path("work/here.bolt"));
}

#[test]
fn what_can_not_be_looked_into_is_told() {
    let host = Host::new();
    host.file("var/lib/influxdb/influxd.bolt", "");
    let folder = host.path("var/lib/influxdb");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o000)).unwrap();
    let hidden = fs::read_dir(&folder).is_err();
    let mut found = host.gather(&[], None);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    // Root looks into every folder.
    assert_eq!(found.unseen.is_empty(), !hidden, "{:?}", found.unseen);

    found.unseen.clear();
    found.denied = (1..=7).map(|n| PathBuf::from(format!("/{n}"))).collect();
    found.tell_denied();
    let wanted = "permission denied: /1, /2, /3, /4, /5 and 2 more; root can read them";
    assert_eq!(found.unseen, [wanted]);
    // What is named is the folder that is closed, not what may be in it.
    let inside = host.path("var/lib/influxdb/no/such");
    assert_eq!(closed(&inside), host.path("var/lib/influxdb"));
}

#[test]
fn patterns_match_names() {
    for (name, pattern, fits) in [
        ("volume1", "volume*", true),
        ("volume", "volume*", true),
        ("home", "volume*", false),
        ("my-influxdb2", "*influx*", true),
        ("influx", "*influx*", true),
        ("grafana", "*influx*", false),
        ("a", "*", true),
        ("disk1", "disk1", true),
        ("disk12", "disk1", false),
    ] {
        assert_eq!(matches_pattern(name, pattern), fits, "{name} {pattern}");
    }
}

#[test]
fn the_other_stores_are_told_once_and_files_that_are_none_are_not() {
    let host = Host::new();
    let mut bolt = vec![0; 64];
    bolt[16..20].copy_from_slice(&0xED0C_DAED_u32.to_le_bytes());
    let store = |path: &str| {
        let path = host.file(path, "");
        fs::write(&path, &bolt).unwrap();
        path
    };
    let chosen = store("home/me/.influxdbv2/influxd.bolt");
    let other = store("var/lib/influxdb/influxd.bolt");
    store("work/influxd.bolt");
    store("var/lib/influxdb2/copy.bolt");
    host.file("root/.influxdbv2/influxd.bolt", "no store");
    fs::create_dir_all(host.path("var/lib/influxdb2")).unwrap();
    fs::hard_link(&other, host.path("var/lib/influxdb2/influxd.bolt")).unwrap();
    let environment = Environment {
        variable: Box::new(|_| None),
        root: host.path(""),
        home: Some(host.path("home/me")),
        working_directory: host.path("work"),
        user: 1000,
    };
    let influxds = Influxds::of(&environment);
    let found = crate::cli::host::discover::discover(&environment, &influxds).unwrap();
    assert_eq!(found.path, chosen);
    let others = other_stores(&environment, &influxds, &found);
    let others: Vec<&Path> = others.iter().map(|place| place.path.as_path()).collect();
    assert_eq!(others, [&other]);
    assert_eq!(stores(&environment, &influxds).len(), 2);
}
