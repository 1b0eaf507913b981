//! The database that an influxd opens with these arguments, variables and folders, and the settings
//! that it uses, by influxd's own rules: flag, variable, configuration, home folder.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::cli::host::config_file::{Whose, configuration};
use crate::cli::host::config_settings::{Settings, truth};

/// What an influxd starts with. Paths are as it sees them.
pub(crate) struct InfluxdStart<'a> {
    /// Its arguments, without the program.
    pub(crate) arguments: &'a [OsString],
    /// Looks up a variable of its environment.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// Its working directory, if known.
    pub(crate) folder: Option<&'a Path>,
    /// Its home folder in the user database, as this process sees it.
    pub(crate) home: Option<&'a Path>,
    /// Turns one of its paths into one that this process can use.
    pub(crate) see: &'a dyn Fn(&Path) -> PathBuf,
    /// The configuration in its working directory must belong to root or to this user.
    pub(crate) user: Option<u32>,
}

/// The database that it opens.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Opens {
    /// The path as this process sees it, and its source. None if it is not known.
    pub(crate) database: Option<(PathBuf, String)>,
    /// Whether the path is only influxd's default.
    pub(crate) by_default: bool,
    /// The settings that it ignores, one sentence each.
    pub(crate) ignored: Vec<String>,
    /// `use-hashed-tokens`, if set.
    pub(crate) use_hashed_tokens: Option<bool>,
    /// `strong-passwords`, if set.
    pub(crate) strong_passwords: Option<bool>,
}

impl InfluxdStart<'_> {
    /// Finds the database.
    pub(crate) fn opens(&self) -> Opens {
        let mut found = Opens::default();
        let flag = flag(self.arguments, "--bolt-path");
        let variable = self.value("INFLUXD_BOLT_PATH");
        let (configured, settings) = match self.configured(&mut found.ignored) {
            Some((file, mut settings)) => {
                let why = format!("bolt-path in {}", file.display());
                (settings.bolt_path.take().map(|path| (path, why)), settings)
            }
            None => (None, Settings::default()),
        };
        let switch = |name, configured: Option<bool>| self.switch(name).or(configured);
        found.use_hashed_tokens = switch("use-hashed-tokens", settings.use_hashed_tokens);
        found.strong_passwords = switch("strong-passwords", settings.strong_passwords);
        let mut sources: Vec<(PathBuf, String)> = Vec::new();
        sources.extend(flag.map(|path| (path, String::from("--bolt-path"))));
        sources.extend(variable.map(|path| (path, String::from("INFLUXD_BOLT_PATH"))));
        sources.extend(configured);
        let sources = sources
            .into_iter()
            .map(|(path, why)| (self.reachable(&path), why));
        let mut sources = sources.collect::<Vec<_>>().into_iter();
        match sources.next() {
            Some((path, why)) => {
                for (other, source) in sources.filter(|(other, _)| *other != path) {
                    found.ignored.push(format!(
                        "influxd ignores {} from {source}: {why} takes precedence",
                        other.display()
                    ));
                }
                found.database = Some((path, why));
            }
            None => {
                found.by_default = true;
                found.database = self.home.map(|home| {
                    let path = home.join(".influxdbv2/influxd.bolt");
                    (path, String::from("the home folder of the user"))
                });
            }
        }
        found
    }

    /// The configuration that it reads, and its settings.
    fn configured(&self, ignored: &mut Vec<String>) -> Option<(PathBuf, Settings)> {
        let named = self.value("INFLUXD_CONFIG_PATH");
        let (path, whose) = match (&named, self.user) {
            (Some(path), _) => (self.reachable(path), Whose::Anybodys),
            // Without a variable influxd looks into its working directory.
            (None, Some(user)) => ((self.see)(self.folder?), Whose::OnlyOf(user)),
            (None, None) => return None,
        };
        match configuration(&path, whose) {
            Ok(found) => {
                if named.is_some() {
                    ignored.extend(found.ignored);
                }
                found.read
            }
            Err(error) => {
                ignored.push(format!("{}; ignoring this file", error.message()));
                None
            }
        }
    }

    /// A boolean that a flag or a variable sets.
    fn switch(&self, name: &str) -> Option<bool> {
        let flag = format!("--{name}");
        let flags = self.arguments.iter().take_while(|word| *word != "--");
        let values = flags.filter_map(|word| match word.to_str()?.strip_prefix(&flag)? {
            "" => Some(true),
            value => truth(value.strip_prefix('=')?),
        });
        let variable = format!("INFLUXD_{}", name.to_ascii_uppercase().replace('-', "_"));
        let variable = (self.variable)(&variable).filter(|value| !value.is_empty());
        // Any other word is false to influxd.
        let variable = variable.map(|value| value.to_str().and_then(truth) == Some(true));
        values.last().or(variable)
    }

    /// A variable's value as a path. An empty value counts as not set.
    fn value(&self, name: &str) -> Option<PathBuf> {
        let value = (self.variable)(name).filter(|value| !value.is_empty())?;
        Some(PathBuf::from(value))
    }

    fn reachable(&self, path: &Path) -> PathBuf {
        match self.folder {
            Some(folder) if path.is_relative() => (self.see)(&folder.join(path)),
            _ => (self.see)(path),
        }
    }
}

/// The last value of a flag, `--flag VALUE` or `--flag=VALUE`. An empty value counts as not set.
pub(crate) fn flag(arguments: &[OsString], name: &str) -> Option<PathBuf> {
    let mut found = None;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let word = word.as_bytes();
        if word == b"--" {
            break;
        }
        if word == name.as_bytes() {
            found = words.next().map(OsString::as_os_str);
        } else if let Some(rest) = word.strip_prefix(name.as_bytes())
            && let Some(value) = rest.strip_prefix(b"=")
        {
            found = Some(OsStr::from_bytes(value));
        }
    }
    found.filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn the_order_is_flag_variable_configuration_home() {
        let folder = TempDir::new().unwrap();
        let here = folder.path();
        let opens = |arguments: &[&str], variables: &[(&str, &str)]| {
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            let variable = |name: &str| {
                let mut known = variables.iter();
                known
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| OsString::from(value))
            };
            InfluxdStart {
                arguments: &arguments,
                variable: &variable,
                folder: Some(here),
                home: Some(Path::new("/home/me")),
                see: &Path::to_path_buf,
                user: Some(rustix::process::geteuid().as_raw()),
            }
            .opens()
        };
        let at = |opens: &Opens| opens.database.clone().unwrap().0;
        let default = opens(&["run"], &[]);
        assert_eq!(at(&default), Path::new("/home/me/.influxdbv2/influxd.bolt"));
        assert!(default.by_default && default.ignored.is_empty());

        fs::write(here.join("config.toml"), "bolt-path = 'c.bolt'").unwrap();
        let configured = opens(&[], &[]);
        assert_eq!(at(&configured), here.join("c.bolt"));
        assert!(configured.database.unwrap().1.contains("config.toml"));

        let variables = [("INFLUXD_BOLT_PATH", "/v"), ("INFLUXD_CONFIG_PATH", "")];
        let found = opens(&[], &variables);
        assert_eq!(at(&found), Path::new("/v"));
        assert!(found.ignored[0].ends_with("INFLUXD_BOLT_PATH takes precedence"));

        let found = opens(
            &["--bolt-path", "/f", "--bolt-path=/g", "--", "x"],
            &variables,
        );
        assert_eq!(at(&found), Path::new("/g"));
        assert_eq!(found.ignored.len(), 2);
        let conf = here.join("influxdb.conf");
        fs::write(&conf, "bolt-path = '/no'").unwrap();
        let found = opens(&[], &[("INFLUXD_CONFIG_PATH", conf.to_str().unwrap())]);
        assert!(found.by_default);
        assert!(found.ignored[0].contains("takes it for a folder"));
    }
}
