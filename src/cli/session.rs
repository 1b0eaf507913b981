//! The context of one run: global options, output streams, database.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::cli::globals::Globals;
use crate::cli::host::discover::{Environment, Influxds, Switch, discover, path_in_quotes, switch};
use crate::cli::host::store_candidates::{other_stores, stores};
use crate::cli::terminal::report::{Ui, printable};
use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Finding, counted};
use crate::metadata::Schema;
use crate::ops::commit::nothing_lost;
use crate::ops::locate::Place;
use crate::ops::metadata_store::is_metadata;
use crate::ops::previous;
use crate::ops::previous::has_more_than;
use crate::ops::way_out::advise;
use crate::store::{
    Description, Inspect, LockOptions, OpenOptions, Snapshot, Store, WritableStore, has_locks,
};

/// The global options and output streams of one run.
#[derive(Debug)]
pub struct Session {
    globals: Globals,
    ui: Ui,
    /// The most recently opened database.
    opened: OnceLock<PathBuf>,
}

impl Session {
    /// Creates the session.
    #[must_use]
    pub fn new(globals: Globals, ui: Ui) -> Self {
        Self {
            globals,
            ui,
            opened: OnceLock::new(),
        }
    }

    /// The output streams.
    #[must_use]
    pub fn ui(&self) -> &Ui {
        &self.ui
    }

    /// Whether `--dry-run` is set.
    #[must_use]
    pub fn dry_run(&self) -> bool {
        self.globals.dry_run
    }

    /// Whether `--previous` is set.
    #[must_use]
    pub fn previous(&self) -> bool {
        self.globals.previous
    }

    /// Adds to an error about a damaged database what helps, after a trial.
    #[must_use]
    pub fn advise(&self, error: Error) -> Error {
        let Some(path) = self.opened.get().filter(|_| !self.previous()) else {
            return error;
        };
        advise(error, path, &self.open_options())
    }

    /// Whether `--yes` is set.
    #[must_use]
    pub fn yes(&self) -> bool {
        self.globals.yes
    }

    /// The value of `--keep-copy`.
    #[must_use]
    pub fn keep_copy(&self) -> Option<&Path> {
        self.globals.keep_copy.as_deref()
    }

    /// The given or discovered database.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when no database was given or found, or its path has quotes.
    pub fn database(&self) -> Result<Database> {
        let database = match &self.globals.db {
            Some(path) => Database {
                path: path.clone(),
                found: None,
                rivals: Vec::new(),
            },
            None => self.find()?,
        };
        match path_in_quotes(&database.path) {
            Some(error) => Err(error),
            None => Ok(database),
        }
    }

    /// Like [`Session::database`], for a command that changes it. It must be clear which store is
    /// meant, except in a dry run.
    ///
    /// # Errors
    /// Those of [`Session::database`] and [`Session::must_be_decided`].
    pub fn database_to_change(&self) -> Result<Database> {
        let database = self.database()?;
        self.must_be_decided(&database)?;
        Ok(database)
    }

    /// Refuses a database that was found, if there are others and nothing decides between them.
    /// `--yes` makes no choice. A dry run may go on.
    ///
    /// # Errors
    /// [`ErrorKind::Confirmation`], listing the stores.
    pub fn must_be_decided(&self, database: &Database) -> Result<()> {
        if self.dry_run() || database.rivals.is_empty() {
            return Ok(());
        }
        let path = database.path.display();
        let why = database.found.as_deref().unwrap_or_default();
        let message = format!(
            "several stores exist, and no variable, running server or service decides which one to \
             change: {path} ({why}), {}",
            database.rivals.join(", ")
        );
        Err(Error::new(ErrorKind::Confirmation, message).with_hint(
            "pass --db PATH; boltkey locate shows the users, tokens and age of each store",
        ))
    }

    /// Opens the database for reading and prints warnings on standard error.
    ///
    /// # Errors
    /// The errors of [`Store::open`]; [`ErrorKind::NotFound`] when no database was given or found.
    pub fn open(&self) -> Result<Store> {
        self.open_at(&self.database()?)
    }

    /// [`Self::open`] of this database.
    ///
    /// # Errors
    /// The errors of [`Store::open`].
    pub fn open_at(&self, database: &Database) -> Result<Store> {
        let _ = self.opened.set(database.path.clone());
        let mut store = Store::open(&database.path, &self.open_options())?;
        self.opened(store.notices(), store.description());
        if self.previous() {
            store = previous::open(&store)?;
            self.ui.status("reading the previous transaction");
        }
        self.warn_of_schema(&store)?;
        Ok(store)
    }

    /// Warns that records of a newer schema may be missed or misread.
    fn warn_of_schema(&self, store: &Store) -> Result<()> {
        let schema = Schema::load(store.snapshot())?;
        // A Bolt file without migrations is not an InfluxDB store. If damage hides the
        // migrations, the schema is unknown, and other warnings report the damage.
        let of_damage = |finding: &Finding| finding.code.is_structure();
        if schema.known || (schema.migrations == 0 && schema.findings.iter().all(of_damage)) {
            return Ok(());
        }
        self.ui.warning(&format!(
            "{} has a schema that this version does not know; newer records are ignored (see \
             boltkey check)",
            store.description().path.display()
        ));
        Ok(())
    }

    fn opened(&self, notices: &[Finding], about: &Description) {
        self.ui.warn(notices);
        self.ui.detail(&format!(
            "opened {}: {} bytes in pages of {}{}",
            about.path.display(),
            about.size_bytes,
            about.page_size,
            if about.gzipped { ", unpacked" } else { "" }
        ));
    }

    /// Facts about the path that the user must confirm before a write, as escaped sentences: the path
    /// was discovered rather than given; the file system has no locks. Empty if there are none.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub fn concerns(&self, database: &Database) -> Result<Vec<String>> {
        let path = printable(&database.path.display().to_string());
        let mut concerns = Vec::new();
        if let Some(why) = &database.found {
            let why = printable(why);
            concerns.push(format!("The database is {path} ({why})."));
        }
        if self.globals.no_lock && !has_locks(&database.path)? {
            concerns.push(format!(
                "{path} can't be locked, so a running influxd can't be detected. Make sure that \
                 influxd is stopped on every host."
            ));
        }
        Ok(concerns)
    }

    /// Opens the database for writing and takes its exclusive lock.
    ///
    /// # Errors
    /// The errors of [`WritableStore::open`]; [`ErrorKind::NotAStore`] when it has none of InfluxDB's
    /// buckets. The caller refuses a store that has lost records, see [`Self::nothing_lost`].
    pub fn open_writable(&self, database: &Database) -> Result<WritableStore> {
        let _ = self.opened.set(database.path.clone());
        let store = WritableStore::open(&database.path, &self.open_options())?;
        self.opened(store.notices(), store.description());
        is_metadata(&store, store.inspect(), &database.path)?.or_unreadable()?;
        Ok(store)
    }

    /// Refuses a store of which unreachable pages show that records were lost.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] in this case.
    pub fn nothing_lost(
        &self,
        snapshot: &dyn Snapshot,
        inspect: &dyn Inspect,
        database: &Database,
    ) -> Result<()> {
        nothing_lost(snapshot, inspect).map_err(|error| error.about(&database.path))
    }

    /// An explicit `use-hashed-tokens`: in influxd's environment, in that of a running server or a
    /// service, or in the configuration.
    #[must_use]
    pub fn use_hashed_tokens(&self) -> Option<bool> {
        self.switch(Switch::UseHashedTokens)
    }

    /// Whether `strong-passwords` is set, in the same places.
    #[must_use]
    pub fn strong_passwords(&self) -> bool {
        self.switch(Switch::StrongPasswords) == Some(true)
    }

    fn switch(&self, which: Switch) -> Option<bool> {
        let environment = Environment::of_process();
        let influxds = Influxds::of(&environment);
        let variables = ["BOLTKEY_DB", "INFLUXD_BOLT_PATH"].into_iter();
        let mut set = variables.filter_map(|name| (environment.variable)(name));
        let named = self.globals.db.clone();
        let database = named.or_else(|| set.find(|value| !value.is_empty()).map(PathBuf::from));
        let found = switch(&environment, &influxds, database.as_deref(), which);
        let found = found.unwrap_or_else(|error| {
            self.ui.warning(&format!("{error}; ignoring this file"));
            None
        });
        let (value, why) = found?;
        self.ui
            .detail(&format!("{} is {value} ({why})", which.name()));
        Some(value)
    }

    /// The value of `--db`.
    #[must_use]
    pub fn named(&self) -> Option<&Path> {
        self.globals.db.as_deref()
    }

    /// Options for opening databases.
    #[must_use]
    pub fn open_options(&self) -> OpenOptions {
        OpenOptions {
            lock: LockOptions {
                wait: self.globals.wait.unwrap_or_default(),
                no_lock: self.globals.no_lock,
            },
        }
    }

    /// Discovers the database. Prints its path, the reason, and the other stores of this host.
    fn find(&self) -> Result<Database> {
        let environment = Environment::of_process();
        let influxds = Influxds::of(&environment);
        let found = discover(&environment, &influxds).map_err(|error| {
            if error.kind() != ErrorKind::NotFound {
                return error;
            }
            match listed(&stores(&environment, &influxds)).as_slice() {
                [] => error,
                others => error.and_note(&format!(
                    "stores in other places of this host: {}",
                    others.join(", ")
                )),
            }
        })?;
        for place in &found.looked {
            self.ui.detail(&format!("searched {place}"));
        }
        let path = found.path.display();
        self.ui.status(&format!("using {path} ({})", found.why));
        for warning in &found.warnings {
            self.ui.warning(warning);
        }
        let others = listed(&other_stores(&environment, &influxds, &found));
        if !others.is_empty() {
            let others = others.join(", ");
            self.ui
                .status(&format!("other stores of this host: {others}"));
            if !found.decided {
                self.ui.status(
                    "no variable, running server or service decides between them; pass --db PATH \
                     to choose one",
                );
            }
        }
        Ok(Database {
            path: found.path,
            found: Some(found.why),
            rivals: match found.decided {
                true => Vec::new(),
                false => others,
            },
        })
    }

    /// Opens the database for reading. It must contain InfluxDB's buckets.
    ///
    /// # Errors
    /// The errors of [`Session::open`]; [`ErrorKind::NotAStore`] when it has none of InfluxDB's
    /// buckets.
    pub fn open_metadata(&self) -> Result<Store> {
        self.open_records_at(&self.database()?)
    }

    /// Like [`Session::open_metadata`], for a database that is already known.
    ///
    /// # Errors
    /// As [`Session::open_metadata`].
    pub fn open_records_at(&self, database: &Database) -> Result<Store> {
        let store = self.open_at(database)?;
        self.is_readable(&store)?;
        Ok(store)
    }

    /// Opens the database for reading, even if damage hides all buckets. For `check` and for
    /// commands that recover records.
    ///
    /// # Errors
    /// The errors of [`Session::open_metadata`], except for unreadable buckets.
    pub fn open_damaged(&self) -> Result<Store> {
        let database = self.database()?;
        let store = self.open_at(&database)?;
        is_metadata(store.snapshot(), store.inspect(), &database.path)?;
        Ok(store)
    }

    /// Says that the previous transaction of a damaged store has more tokens than the command found
    /// in the current one.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn tell_of_previous(&self, store: &Store, found: usize) -> Result<()> {
        if self.previous() {
            return Ok(());
        }
        if let Some(tokens) = has_more_than(found, store)? {
            self.ui().warning(&format!(
                "the previous transaction is intact and holds {}; run the command with --previous \
                 to read them",
                counted(tokens, "token")
            ));
        }
        Ok(())
    }

    /// Checks that at least one of InfluxDB's buckets can be read.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when damage hides them all, [`ErrorKind::NotAStore`] when there are
    /// none.
    pub fn is_readable(&self, store: &Store) -> Result<()> {
        let path = &store.description().path;
        is_metadata(store.snapshot(), store.inspect(), path)?.or_unreadable()
    }

    /// Opens a database for reading, before it is changed or in a dry run.
    ///
    /// # Errors
    /// The errors of [`Session::open_metadata`]; [`ErrorKind::Corrupt`] when unreachable pages show
    /// that records were lost.
    pub fn open_metadata_at(&self, database: &Database) -> Result<Store> {
        let store = self.open_at(database)?;
        self.is_readable(&store)?;
        self.nothing_lost(store.snapshot(), store.inspect(), database)?;
        Ok(store)
    }
}

/// The path of a database and where it came from.
pub struct Database {
    path: PathBuf,
    /// Why this path was chosen. None if it was given.
    found: Option<String>,
    /// The other stores, each with its source, if nothing decides between them and this one.
    rivals: Vec<String>,
}

impl Database {
    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why this path was chosen. None if it was given.
    pub fn why(&self) -> Option<&str> {
        self.found.as_deref()
    }

    /// The other stores, each with its source, if nothing decides between them and this one.
    pub fn rivals(&self) -> &[String] {
        &self.rivals
    }
}

/// The stores for a message, each with its source.
fn listed(stores: &[Place]) -> Vec<String> {
    const MOST: usize = 8;
    let named = stores.iter().take(MOST);
    let mut list: Vec<String> = named
        .map(|store| format!("{} ({})", store.path.display(), store.why))
        .collect();
    if stores.len() > MOST {
        list.push(format!("and {} more", stores.len() - MOST));
    }
    list
}
