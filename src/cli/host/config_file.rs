//! Chooses the configuration file as influxd does, and reads its settings. influxd ignores some
//! configurations silently. The reasons are told here.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::cli::host::bounded_reads::what_is_at;
use crate::cli::host::config_settings::{Format, Settings, settings};
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::ops::files::time_limit::within;
use crate::store::open_regular;

/// Maximum size of a configuration file, in bytes.
const LONGEST_CONFIG: u64 = 1 << 20;

/// A path with one of these extensions, in any case, is a file to influxd. Every other path is a
/// folder.
const OF_FILES: [&str; 4] = ["json", "toml", "yaml", "yml"];

/// The extensions of `config.EXTENSION` in a folder, in influxd's search order. The file without an
/// extension comes after them.
const IN_FOLDERS: [&str; 11] = [
    "json",
    "toml",
    "yaml",
    "yml",
    "properties",
    "props",
    "prop",
    "hcl",
    "dotenv",
    "env",
    "ini",
];

/// Whose configuration is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Anybody's: influxd reads it because of its place.
    Anybodys,
    /// That of root or of this user (by ID). Others may put files into a working directory such as
    /// `/tmp`.
    OnlyOf(u32),
}

/// What influxd finds at a configuration path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// It reads this file.
    File {
        /// Its path.
        file: PathBuf,
        /// The files of the same folder that it does not read because of this one.
        instead_of: Vec<PathBuf>,
    },
    /// It reads nothing and uses its defaults.
    Nothing {
        /// The reason, as text after "influxd ignores PATH: ".
        because: String,
        /// Whether something there looks like a configuration.
        misleading: bool,
    },
}

/// The configuration at a path, and what to tell about it.
#[derive(Debug, Default)]
pub(crate) struct Configuration {
    /// The file that influxd reads, and its settings. None if it reads none.
    pub(crate) read: Option<(PathBuf, Settings)>,
    /// Why influxd ignores the path or files in it, one sentence each.
    pub(crate) ignored: Vec<String>,
    /// Whether something there looks like a configuration, though influxd reads none.
    pub(crate) misleading: bool,
}

/// Whether influxd takes the path for a file.
fn is_file_name(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|known| OF_FILES.iter().any(|one| known.eq_ignore_ascii_case(one)))
}

/// Chooses the file for a configuration path, the value of `INFLUXD_CONFIG_PATH`.
pub(crate) fn choose(path: &Path) -> Choice {
    if is_file_name(path) {
        let file = path.to_path_buf();
        return match what_is_at(path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Choice::Nothing {
                because: quoted(path).unwrap_or_else(|| "it does not exist".into()),
                misleading: false,
            },
            _ => Choice::File {
                file,
                instead_of: Vec::new(),
            },
        };
    }
    let mut found: Vec<PathBuf> = Vec::new();
    let mut folders: Vec<String> = Vec::new();
    let names = IN_FOLDERS.iter().map(|one| format!("config.{one}"));
    for name in names.chain([String::from("config")]) {
        let file = path.join(&name);
        match what_is_at(&file) {
            Ok(there) if there.is_dir() => folders.push(name),
            Ok(_) => found.push(file),
            Err(_) => {}
        }
    }
    if !found.is_empty() {
        let file = found.remove(0);
        return Choice::File {
            file,
            instead_of: found,
        };
    }
    let there = what_is_at(path);
    let misleading = !folders.is_empty() || there.as_ref().is_ok_and(|there| !there.is_dir());
    let because = quoted(path).unwrap_or_else(|| match there {
        Ok(there) if !there.is_dir() => {
            "its name does not end in .json, .toml, .yaml or .yml, so influxd takes it for a folder"
                .into()
        }
        Ok(_) if folders.len() == 1 => {
            format!("{} in it is a folder, not a file", folders.concat())
        }
        Ok(_) if !folders.is_empty() => {
            format!("{} in it are folders, not files", folders.join(" and "))
        }
        Ok(_) => {
            "the folder contains no config.json, config.toml, config.yaml or config.yml".into()
        }
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => "it does not exist".into(),
        Err(cause) => format!("it can't be read ({cause})"),
    });
    Choice::Nothing {
        because,
        misleading,
    }
}

/// The explanation for a path that contains quotes. None if it has none, or something is there.
pub(crate) fn quoted(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    let has_quotes = text.starts_with(['"', '\'']) || text.ends_with(['"', '\'']);
    (has_quotes && what_is_at(path).is_err()).then(|| {
        "the quotes are part of the path: Docker's --env-file and the list form of environment: in \
         Compose keep them; remove the quotes"
            .into()
    })
}

/// Reads the configuration at a path as influxd does.
///
/// # Errors
/// When influxd would not start with it, or the file can't be read here.
pub(crate) fn configuration(path: &Path, whose: Whose) -> Result<Configuration> {
    match choose(path) {
        Choice::Nothing {
            because,
            misleading,
        } => Ok(Configuration {
            read: None,
            misleading,
            ignored: vec![format!(
                "influxd ignores the configuration {}: {because}",
                path.display()
            )],
        }),
        Choice::File { file, instead_of } => {
            let settings = read_config(&file, whose)?;
            let ignored = instead_of.iter().map(|other| {
                format!(
                    "influxd ignores the configuration {}: it reads {}",
                    other.display(),
                    file.display()
                )
            });
            Ok(Configuration {
                ignored: ignored.collect(),
                read: Some((file, settings)),
                misleading: false,
            })
        }
    }
}

/// The database named by the configuration at a path, and the file. None if there is no such
/// setting, or the file is missing or invalid.
pub(crate) fn configured_bolt(path: &Path, whose: Whose) -> Option<(PathBuf, PathBuf)> {
    let (file, settings) = configuration(path, whose).ok()?.read?;
    Some((settings.bolt_path?, file))
}

/// Reads a configuration file.
fn read_config(file: &Path, whose: Whose) -> Result<Settings> {
    let refused = |why: &str| {
        Error::new(
            ErrorKind::Refused,
            format!("can't use the configuration {}: {why}", file.display()),
        )
    };
    let extension = file.extension().and_then(|one| one.to_str());
    let format = match extension {
        Some(other) => Format::of_extension(other).ok_or_else(|| {
            refused(&format!(
                "influxd does not start with it (Unsupported Config Type \"{other}\"); the \
                 extension must be in lower case"
            ))
        })?,
        None => {
            return Err(refused(
                "influxd does not start with it (Unsupported Config Type \"\"); it has no extension",
            ));
        }
    };
    let path = file.to_path_buf();
    let opened = within(move || open_regular(&path));
    let opened = match opened.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into())) {
        Err(cause) if cause.kind() == io::ErrorKind::InvalidInput => {
            return Err(refused("not a regular file"));
        }
        opened => opened.at("read", file)?,
    };
    let owner = opened.metadata().at("access", file)?.uid();
    if let Whose::OnlyOf(user) = whose
        && owner != 0
        && owner != user
    {
        return Err(refused("it belongs to another user"));
    }
    let mut bytes = Vec::new();
    opened
        .take(LONGEST_CONFIG + 1)
        .read_to_end(&mut bytes)
        .at("read", file)?;
    if bytes.len() as u64 > LONGEST_CONFIG {
        return Err(refused("longer than 1 MiB"));
    }
    let text = String::from_utf8(bytes).map_err(|_| refused("not valid UTF-8"))?;
    settings(&text, format).map_err(|invalid| match format {
        Format::Dotenv | Format::Ini => refused(&format!("influxd does not start with it: {invalid}")),
        Format::Hcl => refused(&format!(
            "{invalid}, or a form of it that is not read here: numbers that are not decimal, and \\u, \\x \
             or octal escapes"
        )),
        _ => refused(&invalid.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn bolt(folder: &TempDir, path: &str) -> (Option<PathBuf>, Vec<String>) {
        let found = configuration(&folder.path().join(path), Whose::Anybodys).unwrap();
        let path = found.read.and_then(|(_, settings)| settings.bolt_path);
        (path, found.ignored)
    }

    /// Each line was seen on influxd 2.7.12 and 2.9.1 (`interop/suite/configuration_test.go`).
    #[test]
    fn the_file_is_chosen_as_influxd_chooses_it() {
        let folder = TempDir::new().unwrap();
        let file = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        file("ext/influxdb.conf", "bolt-path = '/x'");
        file("ext/influxdb", "bolt-path = '/x'");
        fs::create_dir_all(folder.path().join("inner/config.toml")).unwrap();
        fs::create_dir_all(folder.path().join("empty")).unwrap();
        for (path, because) in [
            ("ext/influxdb.conf", "does not end in .json, .toml"),
            ("ext/influxdb", "takes it for a folder"),
            ("inner", "config.toml in it is a folder"),
            ("empty", "contains no config.json"),
            ("nowhere", "it does not exist"),
            ("nowhere/config.toml", "it does not exist"),
            ("\"ext/config.toml\"", "quotes are part of the path"),
            ("\"ext\"", "quotes are part of the path"),
        ] {
            let (found, ignored) = bolt(&folder, path);
            assert_eq!(found, None, "{path}");
            assert!(ignored[0].contains(because), "{path}: {ignored:?}");
        }

        // A folder does not hide a file of a later extension, and the first file hides the others.
        fs::create_dir_all(folder.path().join("order/config.json")).unwrap();
        file("order/config.ini", "[default]");
        assert_eq!(bolt(&folder, "order"), (None, Vec::new()));
        file("order/config.props", "bolt-path=/props");
        file("order/config.yml", "bolt-path: /yml");
        let (found, ignored) = bolt(&folder, "order/");
        assert_eq!(found, Some("/yml".into()));
        assert_eq!(ignored.len(), 2);
        assert!(ignored[0].contains("config.props: it reads"), "{ignored:?}");
        file("order/config.toml", "bolt-path = '/toml'");
        assert_eq!(bolt(&folder, "order").0, Some("/toml".into()));
        file("hcl/config.hcl", "bolt-path = \"/hcl\"");
        assert_eq!(bolt(&folder, "hcl").0, Some("/hcl".into()));
        file("env/config.env", "BOLT_PATH=/env");
        assert_eq!(bolt(&folder, "env"), (None, Vec::new()));
    }

    /// influxd ends with "failed to load config file" on each.
    #[test]
    fn what_influxd_does_not_start_with_is_an_error() {
        let folder = TempDir::new().unwrap();
        for (path, why) in [
            ("a/other.TOML", "Unsupported Config Type \"TOML\""),
            ("b/config", "Unsupported Config Type \"\""),
            ("c/config.env", "does not start with it: not valid dotenv"),
            ("d/config.json", "not valid JSON"),
            ("e/config.hcl", "not valid HCL"),
            ("f/config.yaml", "not valid UTF-8"),
        ] {
            let file = folder.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            let text: &[u8] = match path {
                "c/config.env" => b"bolt-path=/x",
                "d/config.json" => b"",
                "e/config.hcl" => b"bolt-path = /x",
                _ => b"\xff",
            };
            fs::write(&file, text).unwrap();
            let named = if path.contains("TOML") {
                file.as_path()
            } else {
                file.parent().unwrap()
            };
            let error = configuration(named, Whose::Anybodys).unwrap_err();
            assert!(error.message().contains(why), "{path}: {error}");
        }
        let inner = folder.path().join("g/config.toml");
        fs::create_dir_all(&inner).unwrap();
        let error = configuration(&inner, Whose::Anybodys).unwrap_err();
        assert!(error.message().contains("not a regular file"), "{error}");
    }
}
