//! The values of a saved file, read while a store is open or before.

use std::io::Read;

use crate::error::Result;
use crate::ops::capture::read::read_whole;
use crate::ops::capture::token_list::Texts;
use crate::ops::capture::unseal::Unseal;
use crate::secret::Token;

/// The values of a file.
pub enum SavedValues<'f> {
    /// Still to be read.
    File {
        /// The file.
        file: &'f mut dyn Read,
        /// Its name in messages.
        name: &'f str,
        /// The keys that open it.
        unseal: &'f Unseal,
    },
    /// In memory.
    Memory(InMemory),
}

/// Values in memory, for each entry the texts that may be its token.
#[derive(Default)]
pub struct InMemory {
    texts: Texts,
    /// The chunk and the start of the texts, and the length of each.
    entries: Vec<(usize, usize, [usize; 3])>,
    encrypted: bool,
}

impl SavedValues<'_> {
    /// Reads all values into memory: whoever writes to a pipe may be slow, and the lock of a store
    /// must not wait for that.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Corrupt`] when the file is damaged, and others as
    /// [`verify`](super::verify::verify).
    pub fn ahead(mut self) -> Result<Self> {
        let mut values = InMemory::default();
        values.encrypted = self.each(&mut |texts| {
            let mut each = texts.iter().map(Token::reveal);
            let row = [(); 3].map(|()| each.next().unwrap_or_default());
            let (chunk, start) = values.texts.add(row);
            values.entries.push((chunk, start, row.map(str::len)));
        })?;
        Ok(Self::Memory(values))
    }

    /// Calls `visit` for every entry, with the texts that may be its token. Returns whether the file
    /// is encrypted.
    pub(super) fn each(&mut self, visit: &mut dyn FnMut(Vec<Token>)) -> Result<bool> {
        match self {
            Self::File { file, name, unseal } => read_whole(*file, name, unseal, visit),
            Self::Memory(values) => {
                for entry in &values.entries {
                    visit(values.of(entry));
                }
                Ok(values.encrypted)
            }
        }
    }
}

impl InMemory {
    fn of(&self, (chunk, start, lengths): &(usize, usize, [usize; 3])) -> Vec<Token> {
        let mut row = self.texts.row(*chunk, *start).unwrap_or_default();
        let mut texts = Vec::with_capacity(lengths.len());
        for length in lengths {
            let (text, rest) = row.split_at_checked(*length).unwrap_or_default();
            row = rest;
            if !text.is_empty() {
                texts.push(Token::new(text.to_owned()));
            }
        }
        texts
    }
}
