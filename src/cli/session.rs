//! What every command has at hand: the global options, the streams, the database.

use super::args::Globals;
use super::ui::Ui;
use crate::error::{Error, ErrorKind, Result};
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
        let path = self
            .globals
            .db
            .clone()
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "no database found"))?;
        let options = OpenOptions {
            lock: LockOptions {
                wait: self.globals.wait.unwrap_or_default(),
                no_lock: self.globals.no_lock,
            },
        };
        let store = Store::open(&path, &options)?;
        self.ui.warn(store.notices());
        Ok(store)
    }
}
