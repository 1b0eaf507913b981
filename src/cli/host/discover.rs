//! Discovers the database that influxd would open on this host, by influxd's own rules. Used without
//! `--db`.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::cli::host::config::{Format, Settings, settings, truth};
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::store::open_regular;

/// Maximum size of a configuration file, in bytes.
const LONGEST_CONFIG: u64 = 1 << 20;

/// Looks up an environment variable.
pub type Variables = dyn Fn(&str) -> Option<OsString>;

/// The inputs of the search, replaceable in tests.
pub struct Environment {
    /// Looks up an environment variable.
    pub variable: Box<Variables>,
    /// The root folder, `/`.
    pub root: PathBuf,
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// The working directory.
    pub working_directory: PathBuf,
}

impl Environment {
    /// The inputs of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            variable: Box::new(|name| std::env::var_os(name)),
            root: PathBuf::from("/"),
            home: std::env::home_dir().filter(|home| !home.as_os_str().is_empty()),
            working_directory: std::env::current_dir().unwrap_or_default(),
        }
    }

    /// A variable's value as a path. An empty value counts as unset, as in influxd.
    fn path(&self, variable: &str) -> Option<PathBuf> {
        (self.variable)(variable)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    }
}

/// A discovered database.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Its path. A configured path is used even if no file exists there.
    pub path: PathBuf,
    /// The source of the path, as text to print after it.
    pub why: String,
    /// Warnings for the user, one sentence each.
    pub warnings: Vec<String>,
    /// The places searched before this one, in order, with the results.
    pub looked: Vec<String>,
}

/// Finds the database: `BOLTKEY_DB`, `INFLUXD_BOLT_PATH`, `bolt-path` in influxd's configuration,
/// influxd's default paths.
///
/// # Errors
/// [`ErrorKind::NotFound`], listing the searched places; other kinds when the configuration file
/// in `INFLUXD_CONFIG_PATH` can't be read or parsed.
pub fn discover(environment: &Environment) -> Result<Found> {
    find(environment, &["BOLTKEY_DB", "INFLUXD_BOLT_PATH"])
}

/// Like [`discover`], without `BOLTKEY_DB`: the database that influxd would open.
///
/// # Errors
/// The errors of [`discover`].
pub fn discover_as_influxd(environment: &Environment) -> Result<Found> {
    find(environment, &["INFLUXD_BOLT_PATH"])
}

fn find(environment: &Environment, variables: &[&str]) -> Result<Found> {
    let mut search = SettingSearch {
        environment,
        warnings: Vec::new(),
        looked: Vec::new(),
    };
    let (path, why) = search.run(variables)?;
    Ok(Found {
        path,
        why,
        warnings: search.warnings,
        looked: search.looked,
    })
}

/// The explicit value of `use-hashed-tokens`: from `INFLUXD_USE_HASHED_TOKENS` or influxd's
/// configuration. None if neither sets it.
///
/// # Errors
/// When the configuration file in `INFLUXD_CONFIG_PATH` can't be read or parsed.
pub fn use_hashed_tokens(environment: &Environment) -> Result<Option<bool>> {
    let take = |settings: Settings| settings.use_hashed_tokens;
    setting(environment, "use-hashed-tokens", take)
}

/// The explicit value of `strong-passwords`: from `INFLUXD_STRONG_PASSWORDS` or influxd's
/// configuration. None if neither sets it.
///
/// # Errors
/// The errors of [`use_hashed_tokens`].
pub fn strong_passwords(environment: &Environment) -> Result<Option<bool>> {
    let take = |settings: Settings| settings.strong_passwords;
    setting(environment, "strong-passwords", take)
}

/// A boolean setting.
fn setting(
    environment: &Environment,
    name: &str,
    take: impl Fn(Settings) -> Option<bool>,
) -> Result<Option<bool>> {
    let variable = format!("INFLUXD_{}", name.to_ascii_uppercase().replace('-', "_"));
    let variable = (environment.variable)(&variable);
    if let Some(value) = variable.filter(|value| !value.is_empty()) {
        return Ok(Some(value.to_str().and_then(truth).unwrap_or(false)));
    }
    let mut search = SettingSearch {
        environment,
        warnings: Vec::new(),
        looked: Vec::new(),
    };
    let found = search.in_configuration(name, take)?;
    Ok(found.map(|(value, _)| value))
}

struct SettingSearch<'a> {
    environment: &'a Environment,
    warnings: Vec<String>,
    looked: Vec<String>,
}

impl SettingSearch<'_> {
    fn run(&mut self, variables: &[&str]) -> Result<(PathBuf, String)> {
        for variable in variables {
            if let Some(path) = self.environment.path(variable) {
                return Ok((path, format!("from {variable}")));
            }
            self.looked.push(format!("{variable} (not set)"));
        }
        if let Some(found) = self.configured()? {
            return Ok(found);
        }
        self.by_default().ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("no database found; searched {}", self.looked.join(", ")),
            )
            .with_hint("pass --db PATH; boltkey locate lists the stores on this host")
        })
    }

    /// `bolt-path` in the configuration that influxd would read. The path is used even if no file
    /// exists there. Opening another store instead would be more dangerous.
    fn configured(&mut self) -> Result<Option<(PathBuf, String)>> {
        self.in_configuration("bolt-path", |settings| settings.bolt_path)
    }

    /// A setting in the configuration that influxd would read, and its source.
    fn in_configuration<T>(
        &mut self,
        name: &str,
        take: impl Fn(Settings) -> Option<T>,
    ) -> Result<Option<(T, String)>> {
        let environment = self.environment;
        if let Some(named) = environment.path("INFLUXD_CONFIG_PATH") {
            for file in candidates(&named) {
                match read_config(&file, Whose::Anybodys).map(&take) {
                    Ok(Some(value)) => {
                        let why = format!("from {} (INFLUXD_CONFIG_PATH)", file.display());
                        return Ok(Some((value, why)));
                    }
                    Ok(None) => {
                        self.looked.push(format!("{} (no {name})", file.display()));
                        return Ok(None);
                    }
                    // Like influxd, ignore a missing configuration file.
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        self.looked.push(format!("{} (missing)", file.display()));
                    }
                    Err(error) => {
                        return Err(error.with_hint(
                            "INFLUXD_CONFIG_PATH names this file; correct the file, unset the \
                             variable, or pass --db PATH",
                        ));
                    }
                }
            }
            return Ok(None);
        }
        self.looked.push("INFLUXD_CONFIG_PATH (not set)".into());

        // The package's service and the image's entry point use these. influxd reads only one
        // file, so the first existing file decides.
        let root = &environment.root;
        let mut files = vec![root.join("etc/influxdb/config.toml")];
        files.extend(candidates(&root.join("etc/influxdb2")));
        files.push(root.join("etc/defaults/influxdb2/config.yml"));
        let mut files: Vec<_> = files
            .into_iter()
            .map(|file| (file, Whose::Anybodys))
            .collect();
        if self.influxd_runs_here() {
            let here = candidates(&environment.working_directory);
            files.extend(here.into_iter().map(|file| (file, Whose::Ours)));
        }
        for (file, whose) in files {
            match read_config(&file, whose).map(&take) {
                Ok(Some(value)) => {
                    return Ok(Some((value, format!("from {}", file.display()))));
                }
                Ok(None) => self.looked.push(format!("{} (no {name})", file.display())),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.looked.push(format!("{} (missing)", file.display()));
                }
                Err(error) => {
                    self.warnings.push(format!("{error}; ignoring this file"));
                    self.looked
                        .push(format!("{} (not readable)", file.display()));
                }
            }
        }
        Ok(None)
    }

    /// The first existing default path of influxd, its packages and its images. Other existing files
    /// produce a warning: after a change of package or image, data that seems lost is usually in
    /// one of them.
    fn by_default(&mut self) -> Option<(PathBuf, String)> {
        let root = &self.environment.root;
        let homes = self.environment.home.iter().cloned();
        let mut folders: Vec<PathBuf> = homes.map(|home| home.join(".influxdbv2")).collect();
        for folder in ["var/lib/influxdb", "var/lib/influxdb2", "root/.influxdbv2"] {
            let folder = root.join(folder);
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        let mut found: Option<PathBuf> = None;
        for folder in folders {
            let path = folder.join("influxd.bolt");
            match (fs::metadata(&path), &found) {
                (Ok(_), None) => found = Some(path),
                (Ok(_), Some(_)) => self.warnings.push(format!(
                    "{} exists too; use --db PATH to choose a database",
                    path.display()
                )),
                (Err(cause), _) => {
                    let state = match cause.kind() {
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "missing",
                        io::ErrorKind::PermissionDenied => "permission denied",
                        _ => "not readable",
                    };
                    self.looked.push(format!("{} ({state})", path.display()));
                }
            }
        }
        Some((found?, String::from("a default path of influxd")))
    }

    /// Whether a running influxd has the same working directory. Only then does influxd use a
    /// configuration in it.
    fn influxd_runs_here(&self) -> bool {
        let Ok(here) = fs::canonicalize(&self.environment.working_directory) else {
            return false;
        };
        let Ok(processes) = fs::read_dir(self.environment.root.join("proc")) else {
            return false;
        };
        processes.flatten().any(|process| {
            let folder = process.path();
            fs::read(folder.join("comm")).is_ok_and(|name| name.trim_ascii_end() == b"influxd")
                && fs::read_link(folder.join("cwd")).is_ok_and(|cwd| cwd == here)
        })
    }
}

/// The files that influxd tries for a configuration path: the path itself if it has a known
/// extension, otherwise `config.*` in that folder.
fn candidates(path: &Path) -> Vec<PathBuf> {
    if Format::of(path).is_some() {
        return vec![path.to_path_buf()];
    }
    Format::EXTENSIONS
        .iter()
        .map(|extension| path.join("config").with_extension(extension))
        .collect()
}

/// The database named by a configuration, and the configuration file. `path` has the form of
/// `INFLUXD_CONFIG_PATH`. None if there is no such setting or the file is missing or invalid.
pub(crate) fn configured_bolt(path: &Path, whose: Whose) -> Option<(PathBuf, PathBuf)> {
    for file in candidates(path) {
        match read_config(&file, whose) {
            Ok(settings) => return Some((settings.bolt_path?, file)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(_) => return None,
        }
    }
    None
}

/// Who may own a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Anybody: influxd reads it because of its place.
    Anybodys,
    /// Root or this user. Others may put files into a working directory such as `/tmp`.
    Ours,
}

/// Reads a configuration file.
fn read_config(file: &Path, whose: Whose) -> Result<Settings> {
    let refused = |why: &str| {
        Error::new(
            ErrorKind::Refused,
            format!("can't use the configuration {}: {why}", file.display()),
        )
    };
    let format = Format::of(file).ok_or_else(|| refused("unknown format"))?;
    let opened = match open_regular(file) {
        Err(cause) if cause.kind() == io::ErrorKind::InvalidInput => {
            return Err(refused("not a regular file"));
        }
        opened => opened.at("read", file)?,
    };
    let owner = opened.metadata().at("access", file)?.uid();
    let ours = owner == 0 || owner == rustix::process::geteuid().as_raw();
    if whose == Whose::Ours && !ours {
        return Err(refused("it belongs to another user"));
    }
    let mut text = String::new();
    opened
        .take(LONGEST_CONFIG + 1)
        .read_to_string(&mut text)
        .at("read", file)?;
    if text.len() as u64 > LONGEST_CONFIG {
        return Err(refused("longer than 1 MiB"));
    }
    settings(&text, format).map_err(|invalid| refused(&invalid.to_string()))
}

#[cfg(test)]
mod tests;
