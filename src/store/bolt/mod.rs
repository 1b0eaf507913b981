//! Bolt files: InfluxDB's own `influxd.bolt`, as bbolt 1.3.6 writes it.
//!
//! | module | knows |
//! | --- | --- |
//! | [`layout`] | the format's numbers; integers in bytes nobody vouches for |
//! | [`pages`], [`batch`] | reading pages, one by one and many at a time |
//! | [`meta`] | the two meta pages and the choice between them |
//! | [`node`] | one branch or leaf, element by element |
//! | [`walk`] | whole trees: every page once, every rule checked |
//! | [`read`] | buckets and pairs |
//! | [`codes`] | every kind of finding |

#![allow(dead_code)] // until the checker, which comes next, uses the rest

mod batch;
mod bitmap;
mod codes;
mod layout;
mod meta;
mod node;
mod pages;
mod read;
#[cfg(test)]
mod tests;
mod walk;

use std::path::Path;

use super::{Inspect, ReadAt, StructureCheck, Unused};
use crate::error::Result;
use crate::finding::Finding;
use meta::Metas;
use pages::PageFile;

pub use codes::Code;

/// An open bolt file: one meta page was chosen, and all reading goes by it.
pub struct Bolt {
    file: PageFile,
    metas: Metas,
}

impl Bolt {
    /// Reads the meta pages of `source` and chooses one. `path` is for messages only.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotAStore`] when no meta page is valid.
    pub fn open(source: Box<dyn ReadAt>, path: &Path) -> Result<Self> {
        let (file, metas) = meta::find(source, path)?;
        Ok(Self { file, metas })
    }

    /// Bytes per page, from the file's own meta.
    #[must_use]
    pub fn page_size(&self) -> u64 {
        self.file.page_size() as u64
    }

    /// What choosing the meta page found worth saying.
    #[must_use]
    pub fn notices(&self) -> Vec<Finding> {
        Vec::new()
    }
}

impl Inspect for Bolt {
    fn check(&self) -> Result<StructureCheck> {
        Ok(StructureCheck::default())
    }

    fn unused(&self, _visit: &mut dyn FnMut(Unused<'_>)) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}
