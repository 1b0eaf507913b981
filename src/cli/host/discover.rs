//! Discovers the database of this host. Used without `--db`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::host::bounded_reads::{entries, read_bounded, what_is_at};
use crate::cli::host::config_file::{Whose, configuration, quoted};
use crate::cli::host::config_settings::{Settings, truth};
use crate::cli::host::influxd_start::{InfluxdStart, Opens};
use crate::cli::host::processes::{self, Processes, user_of};
use crate::cli::host::services::{self, Service};
use crate::cli::host::users::{User, home_of, users};
use crate::error::{Error, ErrorKind, Result};

/// Default folders of influxd's packages and images, relative to the root.
const BY_DEFAULT: [&str; 6] = [
    "var/lib/influxdb",
    "var/lib/influxdb2",
    "root/.influxdbv2",
    "var/lib/influxdb/.influxdbv2",
    "home/influxdb/.influxdbv2",
    "bitnami/influxdb",
];

/// Looks up an environment variable.
pub type Variables = dyn Fn(&str) -> Option<OsString>;

/// The inputs of the search, replaceable in tests.
pub struct Environment {
    /// Looks up an environment variable.
    pub variable: Box<Variables>,
    /// The root folder, `/`.
    pub root: PathBuf,
    /// The user's home folder in the user database, as influxd takes it. `HOME` if the user is not
    /// in it.
    pub home: Option<PathBuf>,
    /// The working directory.
    pub working_directory: PathBuf,
    /// The user's ID.
    pub user: u32,
}

impl Environment {
    /// The inputs of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let root = PathBuf::from("/");
        let user = rustix::process::geteuid().as_raw();
        let home = home_of(&users(&root), user).or_else(std::env::home_dir);
        Self {
            variable: Box::new(|name| std::env::var_os(name)),
            root,
            home: home.filter(|home| !home.as_os_str().is_empty()),
            working_directory: std::env::current_dir().unwrap_or_default(),
            user,
        }
    }

    /// A variable's value as a path. An empty value counts as unset, as in influxd.
    fn path(&self, variable: &str) -> Option<PathBuf> {
        (self.variable)(variable)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    }
}

/// What runs and is installed on this host.
pub(crate) struct Influxds {
    pub(crate) users: Vec<User>,
    pub(crate) processes: Processes,
    pub(crate) services: Vec<Service>,
}

impl Influxds {
    /// Looks at the host.
    pub(crate) fn of(environment: &Environment) -> Self {
        let users = users(&environment.root);
        Self {
            processes: processes::influxd(&environment.root, &users),
            services: services::influxd(&environment.root, &users),
            users,
        }
    }
}

impl Influxds {
    /// What running servers of root, this user or a service's user start with, and their names.
    fn running(&self, environment: &Environment) -> Vec<(&Opens, &str)> {
        let users = self.trusted_users(environment);
        let running = self.processes.running.iter();
        let running = running.filter(|one| one.user.is_some_and(|user| users.contains(&user)));
        running
            .map(|running| (&running.opens, running.name.as_str()))
            .collect()
    }

    /// What services start with, and their names.
    fn installed(&self) -> impl Iterator<Item = (&Opens, &str)> {
        let services = self.services.iter();
        services.map(|service| (&service.opens, service.name.as_str()))
    }

    /// The users whose running servers count.
    fn trusted_users(&self, environment: &Environment) -> BTreeSet<u32> {
        let of_services = self.services.iter().filter_map(|service| service.user);
        of_services.chain([0, environment.user]).collect()
    }
}

/// A discovered database.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Its path. A configured path is used even if no file exists there.
    pub path: PathBuf,
    /// The source of the path, as text to print after it.
    pub why: String,
    /// Whether a variable, one running server or one service names it. If not, and other stores
    /// exist, it must not be changed.
    pub decided: bool,
    /// Warnings for the user, one sentence each.
    pub warnings: Vec<String>,
    /// The places searched before this one, in order, with the results.
    pub looked: Vec<String>,
}

/// Finds the database: `BOLTKEY_DB`, `INFLUXD_BOLT_PATH`, running servers, services, influxd's
/// configuration, influxd's default paths.
///
/// # Errors
/// [`ErrorKind::NotFound`], listing the searched places; other kinds when the configuration file
/// in `INFLUXD_CONFIG_PATH` can't be read or parsed.
pub(crate) fn discover(environment: &Environment, influxds: &Influxds) -> Result<Found> {
    find(environment, influxds, true)
}

/// Like [`discover`], without `BOLTKEY_DB`: the database that influxd would open.
///
/// # Errors
/// The errors of [`discover`].
pub(crate) fn discover_as_influxd(environment: &Environment, influxds: &Influxds) -> Result<Found> {
    find(environment, influxds, false)
}

fn find(environment: &Environment, influxds: &Influxds, ours: bool) -> Result<Found> {
    let mut search = Search::of(environment);
    let chosen = search.run(influxds, ours)?;
    Ok(Found {
        path: chosen.path,
        why: chosen.why,
        decided: chosen.decided,
        warnings: search.warnings,
        looked: search.looked,
    })
}

/// A switch of influxd that decides how boltkey writes records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    /// `use-hashed-tokens`
    UseHashedTokens,
    /// `strong-passwords`
    StrongPasswords,
}

impl Switch {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::UseHashedTokens => "use-hashed-tokens",
            Self::StrongPasswords => "strong-passwords",
        }
    }

    fn of_opens(self, opens: &Opens) -> Option<bool> {
        match self {
            Self::UseHashedTokens => opens.use_hashed_tokens,
            Self::StrongPasswords => opens.strong_passwords,
        }
    }

    fn of_settings(self, settings: &Settings) -> Option<bool> {
        match self {
            Self::UseHashedTokens => settings.use_hashed_tokens,
            Self::StrongPasswords => settings.strong_passwords,
        }
    }
}

/// The explicit value of a switch and its source, searched in the order of [`discover`]: influxd's
/// variable, running servers, services, configuration. If servers or services name `database`, only
/// those count. A running server of another store does not count. None if nothing sets it.
///
/// # Errors
/// When the configuration file in `INFLUXD_CONFIG_PATH` can't be read or parsed.
pub(crate) fn switch(
    environment: &Environment,
    influxds: &Influxds,
    database: Option<&Path>,
    switch: Switch,
) -> Result<Option<(bool, String)>> {
    let name = switch.name();
    let variable = format!("INFLUXD_{}", name.to_ascii_uppercase().replace('-', "_"));
    let value = (environment.variable)(&variable).filter(|value| !value.is_empty());
    if let Some(value) = value {
        let is_true = value.to_str().and_then(truth) == Some(true);
        return Ok(Some((is_true, format!("from {variable}"))));
    }
    let mut starts: Vec<(&Opens, &str)> = influxds.running(environment);
    starts.extend(influxds.installed());
    if let Some(database) = database {
        starts.retain(|(opens, _)| {
            let named = opens.database.as_ref();
            named.is_some_and(|(path, _)| is_same(path, database))
        });
        if starts.is_empty() {
            starts.extend(influxds.installed());
        }
    }
    let mut set = starts
        .into_iter()
        .filter_map(|(opens, name)| Some((switch.of_opens(opens)?, name)));
    if let Some((value, name)) = set.next() {
        return Ok(Some((value, format!("of {name}"))));
    }
    let take = |settings: Settings| switch.of_settings(&settings);
    let found = Search::of(environment).in_configuration(name, take)?;
    Ok(found.map(|(value, why, _)| (value, why)))
}

/// The database that the search ends with.
struct Chosen {
    path: PathBuf,
    why: String,
    decided: bool,
}

struct Search<'a> {
    environment: &'a Environment,
    warnings: Vec<String>,
    looked: Vec<String>,
}

impl<'a> Search<'a> {
    fn of(environment: &'a Environment) -> Self {
        Self {
            environment,
            warnings: Vec::new(),
            looked: Vec::new(),
        }
    }

    fn run(&mut self, influxds: &Influxds, ours: bool) -> Result<Chosen> {
        if let Some(chosen) = self.by_variables(ours) {
            return Ok(chosen);
        }
        if let Some(chosen) = self.running(influxds) {
            return Ok(chosen);
        }
        if let Some(chosen) = self.by_services(&influxds.services) {
            return Ok(chosen);
        }
        // The path is used even if no file exists there. Opening another store instead would be more
        // dangerous.
        let configured = self.in_configuration("bolt-path", |settings| settings.bolt_path)?;
        if let Some((path, why, decided)) = configured {
            return Ok(Chosen { path, why, decided });
        }
        self.by_default().ok_or_else(|| {
            let mut message = format!("no database found; searched {}", self.looked.join(", "));
            for warning in &self.warnings {
                message.push_str("; ");
                message.push_str(warning);
            }
            Error::new(ErrorKind::NotFound, message)
                .with_hint("pass --db PATH; boltkey locate lists the stores on this host")
        })
    }

    fn by_variables(&mut self, ours: bool) -> Option<Chosen> {
        let variables: &[&str] = match ours {
            true => &["BOLTKEY_DB", "INFLUXD_BOLT_PATH"],
            false => &["INFLUXD_BOLT_PATH"],
        };
        for variable in variables {
            if let Some(path) = self.environment.path(variable) {
                if *variable == "INFLUXD_BOLT_PATH" {
                    self.warn_of_precedence();
                }
                return Some(Chosen {
                    path,
                    why: format!("from {variable}"),
                    decided: true,
                });
            }
            self.looked.push(format!("{variable} (not set)"));
        }
        None
    }

    /// `INFLUXD_BOLT_PATH` is set: warns if a configuration that is named too says something else.
    fn warn_of_precedence(&mut self) {
        if self.environment.path("INFLUXD_CONFIG_PATH").is_some() {
            let opens = InfluxdStart {
                arguments: &[],
                variable: &self.environment.variable,
                folder: Some(&self.environment.working_directory),
                home: None,
                see: &Path::to_path_buf,
                user: None,
            }
            .opens();
            let precedence = opens.ignored.into_iter();
            self.warnings
                .extend(precedence.filter(|one| one.ends_with("takes precedence")));
        }
    }

    /// The database of a running influxd of root, this user or a service's user.
    fn running(&mut self, influxds: &Influxds) -> Option<Chosen> {
        let trusted = influxds.trusted_users(self.environment);
        let mut all = Vec::new();
        for running in &influxds.processes.running {
            let state = match (&running.opens.database, running.user) {
                (_, user) if user.is_none_or(|user| !trusted.contains(&user)) => "of another user",
                (None, _) => "its database is not known",
                (Some((path, how)), _) => {
                    let why = format!("{how} of {}", running.name);
                    all.push((path.clone(), why, &running.opens.ignored));
                    continue;
                }
            };
            self.looked.push(format!("{} ({state})", running.name));
        }
        if influxds.processes.running.is_empty() {
            self.looked.push("running influxd servers (none)".into());
        }
        self.first_of(all)
    }

    /// The database of a service. A default path of a service counts only if it exists.
    fn by_services(&mut self, services: &[Service]) -> Option<Chosen> {
        let mut all = Vec::new();
        for service in services {
            let opens = &service.opens;
            match &opens.database {
                Some((path, how)) if !opens.by_default || what_is_at(path).is_ok() => {
                    let why = format!("{how} of {}", service.name);
                    all.push((path.clone(), why, &opens.ignored));
                }
                Some((path, _)) => {
                    self.looked
                        .push(format!("{} of {} (missing)", path.display(), service.name))
                }
                None => self.looked.push(format!("{} (no path)", service.name)),
            }
            if all.is_empty() {
                self.warnings.extend(opens.ignored.iter().cloned());
            }
        }
        if services.is_empty() {
            self.looked.push("influxd services (none)".into());
        }
        self.first_of(all)
    }

    /// The first one. It decides if all others name the same file.
    fn first_of(&mut self, all: Vec<(PathBuf, String, &Vec<String>)>) -> Option<Chosen> {
        let mut all = all.into_iter();
        let (path, why, ignored) = all.next()?;
        self.warnings.extend(ignored.iter().cloned());
        let decided = all.all(|(other, ..)| is_same(&path, &other));
        Some(Chosen { path, why, decided })
    }

    /// A setting in the configuration that influxd would read, its source, and whether a variable
    /// names this configuration.
    fn in_configuration<T>(
        &mut self,
        name: &str,
        take: impl Fn(Settings) -> Option<T>,
    ) -> Result<Option<(T, String, bool)>> {
        let environment = self.environment;
        if let Some(named) = environment.path("INFLUXD_CONFIG_PATH") {
            let found = configuration(&named, Whose::Anybodys).map_err(|error| {
                error.with_hint(
                    "INFLUXD_CONFIG_PATH names this file; correct the file, unset the variable, or                      pass --db PATH",
                )
            })?;
            let is_read = found.read.is_some();
            self.warnings.extend(found.ignored);
            let Some((file, settings)) = found.read else {
                self.looked.push(format!(
                    "{} (INFLUXD_CONFIG_PATH, ignored)",
                    named.display()
                ));
                return Ok(None);
            };
            let value = take(settings);
            if value.is_none() && is_read {
                self.looked.push(format!("{} (no {name})", file.display()));
            }
            let why = format!("from {} (INFLUXD_CONFIG_PATH)", file.display());
            return Ok(value.map(|value| (value, why, true)));
        }
        self.looked.push("INFLUXD_CONFIG_PATH (not set)".into());

        // The package's service and the image's entry point use these. influxd reads only one
        // file, so the first existing file decides.
        let root = &environment.root;
        let mut places = vec![
            (root.join("etc/influxdb/config.toml"), Whose::Anybodys),
            (root.join("etc/influxdb2"), Whose::Anybodys),
            (
                root.join("etc/defaults/influxdb2/config.yml"),
                Whose::Anybodys,
            ),
        ];
        let here = &environment.working_directory;
        places.extend(
            self.influxd_runs_here()
                .map(|user| (here.clone(), Whose::OnlyOf(user))),
        );
        for (place, whose) in places {
            match configuration(&place, whose) {
                Ok(found) => {
                    if found.read.is_some() || found.misleading {
                        self.warnings.extend(found.ignored);
                    }
                    let Some((file, settings)) = found.read else {
                        let state = if found.misleading {
                            "ignored"
                        } else {
                            "missing"
                        };
                        self.looked.push(format!("{} ({state})", place.display()));
                        continue;
                    };
                    match take(settings) {
                        Some(value) => {
                            return Ok(Some((value, format!("from {}", file.display()), false)));
                        }
                        None => self.looked.push(format!("{} (no {name})", file.display())),
                    }
                }
                Err(error) => {
                    self.warnings
                        .push(format!("{}; ignoring this file", error.message()));
                    self.looked
                        .push(format!("{} (not readable)", place.display()));
                }
            }
        }
        Ok(None)
    }

    /// The first existing default path of influxd, its packages and its images.
    fn by_default(&mut self) -> Option<Chosen> {
        let root = &self.environment.root;
        let homes = self.environment.home.iter().cloned();
        let mut folders: Vec<PathBuf> = homes.map(|home| home.join(".influxdbv2")).collect();
        for folder in BY_DEFAULT {
            let folder = root.join(folder);
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        for folder in folders {
            let path = folder.join("influxd.bolt");
            let state = match what_is_at(&path) {
                Ok(_) => {
                    return Some(Chosen {
                        path,
                        why: "a default path of influxd".into(),
                        decided: false,
                    });
                }
                Err(cause) => match cause.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "missing",
                    io::ErrorKind::PermissionDenied => "permission denied",
                    _ => "not readable",
                },
            };
            self.looked.push(format!("{} ({state})", path.display()));
        }
        None
    }

    /// The user of a running influxd of root or of this user with the same working directory. Only
    /// then does influxd use a configuration in it.
    fn influxd_runs_here(&self) -> Option<u32> {
        let here = fs::canonicalize(&self.environment.working_directory).ok()?;
        let processes = entries(&self.environment.root.join("proc")).ok()?;
        processes.into_iter().find_map(|folder| {
            let name = read_bounded(&folder.join("comm"))?;
            let runs_here = name.trim_ascii_end() == b"influxd"
                && fs::read_link(folder.join("cwd")).is_ok_and(|cwd| cwd == here);
            let user = user_of(&folder).filter(|_| runs_here)?;
            (user == 0 || user == self.environment.user).then_some(user)
        })
    }
}

/// Whether two paths lead to the same file, or are the same.
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    use crate::store::FileIdentity;
    let identity = |path: &Path| what_is_at(path).ok().map(|there| FileIdentity::of(&there));
    one == other || identity(one).is_some_and(|known| Some(known) == identity(other))
}

/// The error for a path in quotes where nothing is. None for other paths.
pub(crate) fn path_in_quotes(path: &Path) -> Option<Error> {
    let explanation = quoted(path)?;
    let message = format!("there is no file {}: {explanation}", path.display());
    Some(Error::new(ErrorKind::NotFound, message).with_hint(
        "influxd takes such a path for one below its working directory, and creates a new store \
         there; boltkey locate lists the stores of this host",
    ))
}

#[cfg(test)]
mod tests;
