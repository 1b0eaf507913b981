//! What every command has at hand: the global options, the streams, the database.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::cli::globals::Globals;
use crate::cli::host::discover::{Environment, discover, strong_passwords, use_hashed_tokens};
use crate::cli::terminal::ui::{Ui, printable};
use crate::error::{Error, ErrorKind, Result};
use crate::finding::Finding;
use crate::metadata::{Schema, lost, names};
use crate::ops::commit::{nothing_lost, sound_structure};
use crate::ops::previous;
use crate::store::{
    Description, Inspect, LockOptions, OpenOptions, Snapshot, Store, WritableStore, has_locks,
};

/// The global options and the streams of one run.
#[derive(Debug)]
pub struct Session {
    globals: Globals,
    ui: Ui,
    /// The database that was opened last.
    opened: OnceLock<PathBuf>,
}

impl Session {
    /// A run with these options.
    #[must_use]
    pub fn new(globals: Globals, ui: Ui) -> Self {
        Self {
            globals,
            ui,
            opened: OnceLock::new(),
        }
    }

    /// Where output goes.
    #[must_use]
    pub fn ui(&self) -> &Ui {
        &self.ui
    }

    /// Whether to stop short of changing anything.
    #[must_use]
    pub fn dry_run(&self) -> bool {
        self.globals.dry_run
    }

    /// Whether the transaction before the current one is read.
    #[must_use]
    pub fn previous(&self) -> bool {
        self.globals.previous
    }

    /// Adds to a failure over a damaged database what its previous transaction is good for.
    #[must_use]
    pub fn advise(&self, error: Error) -> Error {
        let Some(path) = self.opened.get().filter(|_| !self.previous()) else {
            return error;
        };
        let unreadable = [
            ErrorKind::Corrupt,
            ErrorKind::UnknownSchema,
            ErrorKind::NotAStore,
        ];
        if !unreadable.contains(&error.kind()) {
            return error;
        }
        let advice = Store::open(path, &self.open_options()).and_then(|store| {
            let sound = sound_structure(store.snapshot(), store.inspect());
            sound.err().map(|_| previous::advice(&store)).transpose()
        });
        // The failure itself counts, and not what else fails over it.
        let Ok(Some(advice)) = advice else {
            return error;
        };
        let hint = match error.hint() {
            Some(hint) => format!("{hint}; {advice}"),
            None => advice,
        };
        error.with_hint(hint)
    }

    /// Whether every yes-or-no question is answered with yes.
    #[must_use]
    pub fn yes(&self) -> bool {
        self.globals.yes
    }

    /// Where a copy of the database goes before it is changed.
    #[must_use]
    pub fn keep_copy(&self) -> Option<&Path> {
        self.globals.keep_copy.as_deref()
    }

    /// The database that was named, or found.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when none was named and none found.
    pub fn database(&self) -> Result<Database> {
        match &self.globals.db {
            Some(path) => Ok(Database {
                path: path.clone(),
                found: None,
            }),
            None => self.find(),
        }
    }

    /// Opens the database for reading and says on standard error what opening found.
    ///
    /// # Errors
    /// As [`Store::open`]; [`ErrorKind::NotFound`] when none was named and none found.
    pub fn open(&self) -> Result<Store> {
        self.open_at(&self.database()?)
    }

    fn open_at(&self, database: &Database) -> Result<Store> {
        let _ = self.opened.set(database.path.clone());
        let mut store = Store::open(&database.path, &self.open_options())?;
        self.opened(store.notices(), store.description());
        if self.previous() {
            store = previous::open(&store)?;
            self.ui
                .status("reading the transaction before the current one");
        }
        self.warn_of_schema(&store)?;
        Ok(store)
    }

    /// What is read from a schema of the future may lack, or misread, what is new in it.
    fn warn_of_schema(&self, store: &Store) -> Result<()> {
        let schema = Schema::load(store.snapshot())?;
        // Any Bolt file may be looked at, and one without migrations is none of InfluxDB's. Where
        // damage hides them nothing can be said of the schema, and the damage is told elsewhere.
        let of_damage = |finding: &Finding| finding.code.is_structure();
        if schema.known || (schema.migrations == 0 && schema.findings.iter().all(of_damage)) {
            return Ok(());
        }
        self.ui.warning(&format!(
            "{} has a schema that this version of boltkey does not know; what is new in it is not \
             seen (boltkey check tells more)",
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

    /// What a person has to know of the path before the database is written to, as sentences made
    /// safe for a terminal: that it was found rather than given, and that the file system has no
    /// locks. Empty if there is nothing to confirm.
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
                "{path} can't be locked, so a running influxd would not be noticed: it must be \
                 stopped, on every host."
            ));
        }
        Ok(concerns)
    }

    /// Opens the database for changing: its exclusive lock is held from here on.
    ///
    /// # Errors
    /// As [`WritableStore::open`]; [`ErrorKind::NotAStore`] when it has none of InfluxDB's
    /// buckets; [`ErrorKind::Corrupt`] when records were lost that pages outside its trees still
    /// show.
    pub fn open_writable(&self, database: &Database) -> Result<WritableStore> {
        let _ = self.opened.set(database.path.clone());
        let store = WritableStore::open(&database.path, &self.open_options())?;
        self.opened(store.notices(), store.description());
        is_metadata(&store, store.inspect(), &database.path)?.or_unreadable()?;
        nothing_lost(&store, store.inspect()).map_err(|error| error.about(&database.path))?;
        Ok(store)
    }

    /// What an explicit `use-hashed-tokens` of influxd says, in its environment or configuration.
    #[must_use]
    pub fn use_hashed_tokens(&self) -> Option<bool> {
        use_hashed_tokens(&Environment::of_process()).unwrap_or_else(|error| {
            self.ui.warning(&format!("{error}; it is left aside"));
            None
        })
    }

    /// Whether an explicit `strong-passwords` of influxd demands strong passwords.
    #[must_use]
    pub fn strong_passwords(&self) -> bool {
        let found = strong_passwords(&Environment::of_process());
        found.unwrap_or_else(|error| {
            self.ui.warning(&format!("{error}; it is left aside"));
            None
        }) == Some(true)
    }

    /// The database that was named, if one was.
    #[must_use]
    pub fn named(&self) -> Option<&Path> {
        self.globals.db.as_deref()
    }

    /// How databases are opened in this run.
    #[must_use]
    pub fn open_options(&self) -> OpenOptions {
        OpenOptions {
            lock: LockOptions {
                wait: self.globals.wait.unwrap_or_default(),
                no_lock: self.globals.no_lock,
            },
        }
    }

    /// Finds the database that was not named, and says which one and why.
    fn find(&self) -> Result<Database> {
        let found = discover(&Environment::of_process())?;
        for place in &found.looked {
            self.ui.detail(&format!("looked at {place}"));
        }
        let path = found.path.display();
        self.ui.status(&format!("using {path} ({})", found.why));
        for warning in &found.warnings {
            self.ui.warning(warning);
        }
        Ok(Database {
            path: found.path,
            found: Some(found.why),
        })
    }

    /// Opens the database for commands that need InfluxDB's records in it.
    ///
    /// # Errors
    /// As [`Session::open`]; [`ErrorKind::NotAStore`] when it has none of InfluxDB's buckets.
    pub fn open_metadata(&self) -> Result<Store> {
        self.open_records_at(&self.database()?)
    }

    /// The same for a database that was found or named before.
    ///
    /// # Errors
    /// As [`Session::open_metadata`].
    pub fn open_records_at(&self, database: &Database) -> Result<Store> {
        let store = self.open_at(database)?;
        self.is_readable(&store)?;
        Ok(store)
    }

    /// The same for commands to which a file whose buckets can't be read is no error: `check`, and
    /// those that get out what is left.
    ///
    /// # Errors
    /// As [`Session::open_metadata`].
    pub fn open_damaged(&self) -> Result<Store> {
        let database = self.database()?;
        let store = self.open_at(&database)?;
        is_metadata(store.snapshot(), store.inspect(), &database.path)?;
        Ok(store)
    }

    /// Whether any of InfluxDB's buckets of an open database can be read.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] when damage hides them all, [`ErrorKind::NotAStore`] when there are
    /// none.
    pub fn is_readable(&self, store: &Store) -> Result<()> {
        let path = &store.description().path;
        is_metadata(store.snapshot(), store.inspect(), path)?.or_unreadable()
    }

    /// Opens, for reading, a database that is going to be changed: for a question or a dry run.
    ///
    /// # Errors
    /// As [`Session::open_metadata`]; [`ErrorKind::Corrupt`] when records were lost that pages
    /// outside its trees still show.
    pub fn open_metadata_at(&self, database: &Database) -> Result<Store> {
        let store = self.open_at(database)?;
        self.is_readable(&store)?;
        nothing_lost(store.snapshot(), store.inspect())
            .map_err(|error| error.about(&database.path))?;
        Ok(store)
    }
}

/// A database, and how its path came to be known.
pub struct Database {
    path: PathBuf,
    /// Why this one, if it was found rather than given.
    found: Option<String>,
}

impl Database {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether the buckets of a store can be read.
enum Readable {
    Yes,
    /// None of them; the error says why.
    No(Error),
}

impl Readable {
    fn or_unreadable(self) -> Result<()> {
        match self {
            Self::Yes => Ok(()),
            Self::No(error) => Err(error),
        }
    }
}

/// Refuses a file that has none of InfluxDB's buckets; where damage may hide them, tells.
fn is_metadata(snapshot: &dyn Snapshot, inspect: &dyn Inspect, path: &Path) -> Result<Readable> {
    let (buckets, damage) = snapshot.buckets()?;
    let is_metadata = buckets
        .iter()
        .any(|bucket| names::ALL.contains(&bucket.name.as_slice()));
    if is_metadata {
        return Ok(Readable::Yes);
    }
    let lost = match damage.is_empty() {
        true => lost::find(snapshot, inspect)?,
        false => None,
    };
    if let Some(first) = damage.first().or(lost.as_ref()) {
        return Ok(Readable::No(
            Error::new(
                ErrorKind::Corrupt,
                format!(
                    "none of the buckets of {} can be read: the tree they stand in is damaged at \
                     {}: {}",
                    path.display(),
                    first.place,
                    first.message
                ),
            )
            .with_hint(
                "boltkey check lists all damage, and boltkey residue scan counts the tokens that \
                 the file still shows; if there is a backup, restore it",
            ),
        ));
    }
    Err(Error::new(
        ErrorKind::NotAStore,
        format!(
            "{} is a Bolt file, but no InfluxDB metadata store: it has none of InfluxDB's buckets \
             (influxd recovery says: bucket \"authorizationsv1\": bucket not found)",
            path.display()
        ),
    )
    .with_hint(
        "influxd recovery creates such an empty file when its path is wrong; boltkey locate shows \
         every store of this host, and the one that influxd would open",
    ))
}
