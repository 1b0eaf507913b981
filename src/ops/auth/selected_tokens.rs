//! Which authorizations `auth rotate`, `update` and `delete` change.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::error::Result;
use crate::metadata::catalog::Undecodable;
use crate::metadata::{Authorization, Catalog, Id, names};
use crate::ops::auth::list::{Filters, Selection};
use crate::ops::auth::record::Record;
use crate::ops::commit::all_decoded;
use crate::store::Snapshot;

/// How the authorizations of a change are named.
#[derive(Debug, Clone)]
pub enum Which {
    /// By their IDs.
    Ids(Vec<Id>),
    /// By filters. An authorization must match all of them.
    Filters(Box<Filters>),
    /// All, including those whose record can't be decoded.
    All,
}

/// The authorizations of a change.
#[derive(Debug, Clone)]
pub struct SelectedTokens {
    /// How they are named.
    pub which: Which,
    /// Those that stay as they are, though they are named.
    pub except: Vec<Id>,
}

impl SelectedTokens {
    /// These authorizations.
    #[must_use]
    pub fn of_ids(ids: impl IntoIterator<Item = Id>) -> Self {
        Self {
            which: Which::Ids(ids.into_iter().collect()),
            except: Vec::new(),
        }
    }

    /// The only ID, if exactly one is named.
    #[must_use]
    pub fn only_id(&self) -> Option<Id> {
        match &self.which {
            Which::Ids(ids) => match ids.as_slice() {
                [id] => Some(*id),
                _ => None,
            },
            Which::Filters(_) | Which::All => None,
        }
    }

    /// The IDs. May be empty.
    ///
    /// # Errors
    /// * [`crate::ErrorKind::NoSuchRecord`] when a filter names something that does not exist, or an
    ///   exception does not
    /// * [`crate::ErrorKind::Corrupt`] when a record can't be decoded, so that it is unknown whether
    ///   the filters match
    pub(crate) fn ids(&self, snapshot: &dyn Snapshot, catalog: &Catalog) -> Result<BTreeSet<Id>> {
        let mut ids = match &self.which {
            Which::Ids(ids) => ids.iter().copied().collect(),
            Which::Filters(filters) => matching(snapshot, catalog, filters)?,
            Which::All => all(snapshot)?,
        };
        for id in &self.except {
            // A typing error would change the token that is meant to stay.
            Record::load(snapshot, *id)?;
            ids.remove(id);
        }
        Ok(ids)
    }
}

fn matching(snapshot: &dyn Snapshot, catalog: &Catalog, filters: &Filters) -> Result<BTreeSet<Id>> {
    let selection = Selection::new(filters.clone(), catalog)?;
    let bucket = names::AUTHORIZATIONS;
    let mut ids = BTreeSet::new();
    let mut undecodable = Undecodable::default();
    let damage = snapshot.scan(bucket, &mut |key, value| {
        match Authorization::decode(bucket, key, value) {
            // By its key: a damaged record may have the ID of another one.
            Ok(record) if selection.takes(&record, catalog) => ids.extend(Id::from_bytes(key)),
            Ok(_) => {}
            Err(finding) => undecodable.push(finding),
        }
        ControlFlow::Continue(())
    })?;
    all_decoded(&damage)?;
    all_decoded(undecodable.told())?;
    Ok(ids)
}

fn all(snapshot: &dyn Snapshot) -> Result<BTreeSet<Id>> {
    let mut ids = BTreeSet::new();
    let damage = snapshot.scan(names::AUTHORIZATIONS, &mut |key, _| {
        ids.extend(Id::from_bytes(key));
        ControlFlow::Continue(())
    })?;
    all_decoded(&damage)?;
    Ok(ids)
}
