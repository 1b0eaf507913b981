//! Tokens in the SQLite file of a server: of remotes, and in texts that users wrote.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::finding::{Code, Finding};
use crate::metadata::Id;
use crate::metadata::embedded_tokens::{self, Embedded};
use crate::metadata::residue::Scan;
use crate::ops::files::one_set::sqlite_beside;
use crate::secret::Token;
use crate::store::Sqlite;

/// The column of the tokens for other servers. Such a server may be this one.
const REMOTE_TOKEN: (&str, &str) = ("remotes", "remote_api_token");

/// Columns with texts, with their tables.
const TEXTS: [(&str, &str); 10] = [
    ("remotes", "name"),
    ("remotes", "description"),
    ("remotes", "remote_url"),
    ("replications", "name"),
    ("replications", "description"),
    ("replications", "latest_error_message"),
    ("notebooks", "spec"),
    ("streams", "description"),
    ("annotations", "summary"),
    ("annotations", "message"),
];

/// A text that may be a token.
struct Candidate {
    table: &'static str,
    row: String,
    text: Token,
}

/// The texts of an SQLite file that may be tokens.
#[derive(Default)]
pub struct SqlTokens {
    /// Empty if there is no file.
    path: PathBuf,
    candidates: Vec<Candidate>,
}

impl SqlTokens {
    /// Reads the file beside `database`, which may take as long as the limits allow: hold no lock
    /// meanwhile. The second value is a finding if it can't be read.
    #[must_use]
    pub fn beside(database: &Path) -> (Self, Option<Finding>) {
        let path = sqlite_beside(database);
        let read = Sqlite::open(&path).and_then(|sqlite| sqlite.as_ref().map(Self::of).transpose());
        match read {
            Ok(tokens) => (tokens.unwrap_or_default(), None),
            Err(cause) => {
                let text = format!("it may contain tokens, but can't be read: {cause}");
                let place = path.display().to_string();
                let finding = Finding::new(Code::SiblingUnread, place, text);
                (Self::default(), Some(finding))
            }
        }
    }

    /// The texts of an open file.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn of(sqlite: &Sqlite) -> Result<Self> {
        let mut candidates = Vec::new();
        let (table, column) = REMOTE_TOKEN;
        for (row, text) in sqlite.texts(table, column)? {
            candidates.push(Candidate { table, row, text });
        }
        for (table, column) in TEXTS {
            for (row, text) in sqlite.texts(table, column)? {
                let found = embedded_tokens::candidates(text.reveal().as_bytes());
                candidates.extend(found.into_iter().map(|text| Candidate {
                    table,
                    row: row.clone(),
                    text,
                }));
            }
        }
        Ok(Self {
            path: sqlite.path().to_path_buf(),
            candidates,
        })
    }

    /// The rows that contain a token of the store, by its `owner`.
    #[must_use]
    pub fn embedded(&self, owner: &dyn Fn(&[u8]) -> Option<Id>) -> BTreeSet<Embedded> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let rows = self.candidates.iter().filter_map(|candidate| {
            Some(Embedded {
                bucket: format!("{name}/{}", candidate.table),
                key: candidate.row.clone(),
                id: owner(candidate.text.reveal().as_bytes())?,
            })
        });
        rows.collect()
    }

    /// Whether they are from this file.
    #[must_use]
    pub fn are_of(&self, path: &Path) -> bool {
        self.path == path
    }

    /// Adds the tokens of remotes, which may have any form.
    pub fn feed(&self, scan: &mut Scan<'_>) {
        let (table, _) = REMOTE_TOKEN;
        for candidate in self.candidates.iter().filter(|c| c.table == table) {
            scan.feed_entry(std::slice::from_ref(&candidate.text));
        }
    }
}
