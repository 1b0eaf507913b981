//! What every command has at hand: the global options, the streams, the database.

use std::path::PathBuf;

use super::args::Globals;
use super::discover::{Environment, discover};
use super::ui::Ui;
use crate::error::{Error, ErrorKind, Result};
use crate::metadata::names;
use crate::store::{LockOptions, OpenOptions, Store};

/// The global options and the streams of one run.
#[derive(Debug)]
pub struct Session {
    globals: Globals,
    ui: Ui,
}

impl Session {
    /// A run with these options.
    #[must_use]
    pub fn new(globals: Globals, ui: Ui) -> Self {
        Self { globals, ui }
    }

    /// Where output goes.
    #[must_use]
    pub fn ui(&self) -> &Ui {
        &self.ui
    }

    /// Opens the database for reading and says on standard error what opening found.
    ///
    /// # Errors
    /// As [`Store::open`]; [`ErrorKind::NotFound`] when none was named and none found.
    pub fn open(&self) -> Result<Store> {
        let path = match &self.globals.db {
            Some(path) => path.clone(),
            None => self.find()?,
        };
        let store = Store::open(&path, &self.open_options())?;
        self.ui.warn(store.notices());
        let about = store.description();
        self.ui.detail(&format!(
            "opened {}: {} bytes in pages of {}{}",
            path.display(),
            about.size_bytes,
            about.page_size,
            if about.gzipped { ", unpacked" } else { "" }
        ));
        Ok(store)
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
    fn find(&self) -> Result<PathBuf> {
        let found = discover(&Environment::of_process())?;
        for place in &found.looked {
            self.ui.detail(&format!("looked at {place}"));
        }
        let path = found.path.display();
        self.ui.status(&format!("using {path} ({})", found.why));
        for warning in &found.warnings {
            self.ui.warning(warning);
        }
        Ok(found.path)
    }

    /// Opens the database for commands that need InfluxDB's records in it.
    ///
    /// # Errors
    /// As [`Session::open`]; [`ErrorKind::NotAStore`] when it has none of InfluxDB's buckets.
    pub fn open_metadata(&self) -> Result<Store> {
        let store = self.open()?;
        let (buckets, damage) = store.snapshot().buckets()?;
        let is_metadata = buckets
            .iter()
            .any(|bucket| names::ALL.contains(&bucket.name.as_slice()));
        if is_metadata || !damage.is_empty() {
            return Ok(store);
        }
        Err(Error::new(
            ErrorKind::NotAStore,
            format!(
                "{} is a Bolt file, but no InfluxDB metadata store: it has none of \
                 InfluxDB's buckets (influxd recovery says: bucket \"authorizationsv1\": bucket \
                 not found); nothing was changed",
                store.description().path.display()
            ),
        )
        .with_hint(
            "influxd recovery creates such an empty file when its path is wrong; look for the \
             real one in the configured bolt-path",
        ))
    }
}
