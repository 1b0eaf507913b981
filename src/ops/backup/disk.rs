//! How export and restore reach the disk, as few calls that tests can count, fail, and stop at.
//!
//! What is written goes through a [`Device`] for each file, as with every command that changes a
//! database. What changes names goes past it: these calls are the [`Step`]s.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use crate::ops::output::Naming;
use crate::store::Device;
use crate::store::device::on_file;

/// A call that changes names, or makes them durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'p> {
    /// A folder is made.
    Make(&'p Path),
    /// A file gets this name, which nothing has.
    Link(&'p Path),
    /// A file gets this name in the place of another.
    Replace(&'p Path),
    /// What has this name gets another one.
    MoveAway(&'p Path),
    /// The names in this folder are made durable.
    Sync(&'p Path),
}

impl Naming {
    /// The step that this is when an output is completed at `path`.
    pub(super) fn at(self, path: &Path) -> Step<'_> {
        match self {
            Self::Link => Step::Link(path),
            Self::Sync => Step::Sync(path),
        }
    }
}

/// The disk, or a double of it.
pub trait Disk: Sync {
    /// A new file, to be written.
    fn device(&self, file: File) -> Box<dyn Device>;

    /// Told of each step before it is done; an error is the step's own.
    ///
    /// # Errors
    /// Only what tests make up.
    fn before(&self, _step: Step<'_>) -> io::Result<()> {
        Ok(())
    }
}

/// The disk itself.
pub struct Straight;

impl Disk for Straight {
    fn device(&self, file: File) -> Box<dyn Device> {
        on_file(file)
    }
}

/// A file without a name that is gone when it is closed, so that it need not survive anything.
pub struct Private(pub Box<dyn Device>);

impl Device for Private {
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_length(length)
    }

    /// To wait for the disk would be in vain.
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn free_space(&self) -> io::Result<Option<u64>> {
        self.0.free_space()
    }
}

/// A device that is written from its start to its end, and then read. Once a write has failed
/// there are no more: what packs bytes would go on when it is dropped.
pub struct Front {
    device: Box<dyn Device>,
    at: u64,
    failed: bool,
}

impl Front {
    /// At the start of a new file.
    pub fn new(device: Box<dyn Device>) -> Self {
        Self {
            device,
            at: 0,
            failed: false,
        }
    }

    /// Returns when all that was written is on disk, and goes back to the start, for reading.
    ///
    /// # Errors
    /// As the device says.
    pub fn sync(&mut self) -> io::Result<()> {
        self.device.sync()?;
        self.rewind();
        Ok(())
    }

    /// Goes back to the start, for reading.
    pub fn rewind(&mut self) {
        self.at = 0;
    }
}

impl Write for Front {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed {
            return Err(io::Error::other("an earlier write failed"));
        }
        self.failed = true;
        self.device.write_all_at(bytes, self.at)?;
        self.failed = false;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Front {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.device.length()?.saturating_sub(self.at);
        let length = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let part = buffer.get_mut(..length).unwrap_or_default();
        self.device.read_exact_at(part, self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}
