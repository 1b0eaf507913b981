//! The release of the influxd that is installed on this host.

use std::path::Path;

use crate::cli::host::bounded_reads::text_of;
use crate::cli::host::discover::Environment;
use crate::ops::doctor::Installed;

/// Names of influxd's package, of InfluxData and of distributions.
const PACKAGES: [&str; 2] = ["influxdb2", "influxdb"];

/// The installed influxd: that of the container image, or that of the package. None if it is not
/// known.
pub(crate) fn installed(environment: &Environment) -> Option<Installed> {
    of_image(environment).or_else(|| of_package(&environment.root))
}

/// The official image sets its version in the environment.
fn of_image(environment: &Environment) -> Option<Installed> {
    let version = (environment.variable)("INFLUXDB_VERSION")?;
    known(version.to_str()?, "INFLUXDB_VERSION of the container image")
}

/// The version in the database of dpkg, or in that of apk.
fn of_package(root: &Path) -> Option<Installed> {
    let dpkg = text_of(&root.join("var/lib/dpkg/status"));
    let found = dpkg.and_then(|text| {
        let version = text
            .split("\n\n")
            .find(|entry| {
                let is_its = |line: &str| {
                    let name = line.strip_prefix("Package: ");
                    name.is_some_and(|name| PACKAGES.contains(&name))
                };
                entry.lines().any(is_its)
                    && entry
                        .lines()
                        .any(|line| line == "Status: install ok installed")
            })?
            .lines()
            .find_map(|line| line.strip_prefix("Version: "))?
            .to_owned();
        known(&version, "the installed package")
    });
    found.or_else(|| {
        let apk = text_of(&root.join("lib/apk/db/installed"))?;
        let version = apk
            .split("\n\n")
            .find(|entry| {
                let is_its = |line: &str| {
                    let name = line.strip_prefix("P:");
                    name.is_some_and(|name| PACKAGES.contains(&name))
                };
                entry.lines().any(is_its)
            })?
            .lines()
            .find_map(|line| line.strip_prefix("V:"))?
            .to_owned();
        known(&version, "the installed package")
    })
}

/// A version such as `2.7.12` or `2.7.12-1`.
fn known(version: &str, from: &str) -> Option<Installed> {
    let bare = version.split(['-', '~', '+']).next()?;
    Some(Installed {
        release: bare.parse().ok()?,
        what: format!("InfluxDB {bare} ({from})"),
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs;

    use super::*;
    use crate::metadata::Release;

    fn host(root: &Path, version: Option<&'static str>) -> Environment {
        Environment {
            variable: Box::new(move |name| {
                (name == "INFLUXDB_VERSION")
                    .then(|| version.map(OsString::from))
                    .flatten()
            }),
            root: root.to_path_buf(),
            home: None,
            working_directory: root.to_path_buf(),
            user: 0,
        }
    }

    #[test]
    fn it_is_known_from_packages_and_images() {
        let root = tempfile::tempdir().unwrap();
        let release = |version| installed(&host(root.path(), version)).map(|found| found.release);
        let named = |name: &str| Some(name.parse::<Release>().unwrap());
        assert_eq!(release(None), None);
        assert_eq!(release(Some("2.7.12")), named("2.7"));
        assert_eq!(release(Some("1.8.10")), None);
        let folder = root.path().join("var/lib/dpkg");
        fs::create_dir_all(&folder).unwrap();
        let entry = |name: &str, status: &str, version: &str| {
            format!(
                "Package: {name}\nStatus: {status}\nArchitecture: amd64\nVersion: {version}\n\n"
            )
        };
        let other = entry("bash", "install ok installed", "2.0.1");
        let gone = entry("influxdb2", "deinstall ok config-files", "2.9.1");
        fs::write(folder.join("status"), format!("{other}{gone}")).unwrap();
        assert_eq!(release(None), None);
        let there = entry("influxdb2", "install ok installed", "2.9.1-1");
        fs::write(folder.join("status"), format!("{other}{there}")).unwrap();
        assert_eq!(release(None), named("2.9"));
        assert_eq!(release(Some("2.8.0")), named("2.8"));
    }
}
