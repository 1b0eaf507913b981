//! The previous transaction: whether it is complete, its content, and reading it.

use std::ops::ControlFlow;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{Id, lost_records, names};
use crate::store::{Inspect, Previous, Snapshot, Store};

/// The state of the previous transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PreviousState {
    /// Whether its whole tree can be read.
    pub readable: bool,
    /// Number of its authorizations; `None` if it can't be read or was not counted.
    pub tokens: Option<u64>,
    /// Why it can't be read.
    #[serde(skip)]
    pub why: Option<String>,
}

impl PreviousState {
    /// Examines it. `sound` says that the current transaction has no error; then pages used by both
    /// are not checked again.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn of(snapshot: &dyn Snapshot, inspect: &dyn Inspect, sound: bool) -> Result<Self> {
        Self::beside(inspect, sound, &|| authorizations(snapshot))
    }

    /// As [`Self::of`]; `current` is the number of authorizations of the current transaction, by their
    /// keys.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn beside(
        inspect: &dyn Inspect,
        sound: bool,
        current: &dyn Fn() -> Result<u64>,
    ) -> Result<Self> {
        let before = match inspect.previous()? {
            Previous::Unreadable(why) => return Ok(Self::unreadable(why)),
            Previous::Whole(before) => before,
        };
        if !sound && let Some(finding) = lost_records::find(&*before, &*before)? {
            return Ok(Self::unreadable(finding.message));
        }
        let same = sound && inspect.unchanged_since_previous(names::AUTHORIZATIONS)?;
        let tokens = if same {
            current()?
        } else {
            authorizations(&*before)?
        };
        Ok(Self {
            readable: true,
            tokens: Some(tokens),
            why: None,
        })
    }

    /// Whether it can be read; its content is not counted.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn uncounted(inspect: &dyn Inspect) -> Result<Self> {
        Ok(match inspect.previous()? {
            Previous::Unreadable(why) => Self::unreadable(why),
            Previous::Whole(_) => Self {
                readable: true,
                tokens: None,
                why: None,
            },
        })
    }

    fn unreadable(why: String) -> Self {
        Self {
            readable: false,
            tokens: None,
            why: Some(why),
        }
    }
}

/// Counts the authorizations of a state of the store, decodable or not.
fn authorizations(snapshot: &dyn Snapshot) -> Result<u64> {
    let mut count = 0;
    snapshot.scan_any_order(names::AUTHORIZATIONS, &mut |key, _| {
        count += u64::from(Id::from_bytes(key).is_ok());
        ControlFlow::Continue(())
    })?;
    Ok(count)
}

/// The number of authorizations in the previous transaction, if it can be read and has more of them
/// than were found in the current one.
///
/// # Errors
/// When the file can't be read.
pub fn has_more_than(found: usize, store: &Store) -> Result<Option<u64>> {
    let state = PreviousState::of(store.snapshot(), store.inspect(), false)?;
    let tokens = state.tokens.filter(|_| state.readable);
    Ok(tokens.filter(|tokens| *tokens > found as u64))
}

/// Opens the file as the previous transaction left it.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when that state is not complete.
pub fn open(store: &Store) -> Result<Store> {
    let path = store.description().path.display();
    let refused = |why: String| {
        Error::new(
            ErrorKind::Corrupt,
            format!("the previous transaction of {path} can't be read: {why}"),
        )
        .with_hint(
            "leave out --previous to read the current state; boltkey check lists its \
                    damage",
        )
    };
    let before = store.previous()?.map_err(refused)?;
    match lost_records::find(before.snapshot(), before.inspect())? {
        None => Ok(before),
        Some(finding) => Err(refused(finding.message)),
    }
}

/// A hint for a damaged store: how to use the previous transaction if a test copy of it succeeds,
/// otherwise why it can't be used.
///
/// # Errors
/// When the file can't be read.
pub fn advice(store: &Store) -> Result<String> {
    let state = PreviousState::of(store.snapshot(), store.inspect(), false)?;
    let Some(tokens) = state.tokens.filter(|_| state.readable) else {
        let why = state.why.unwrap_or_default();
        return Ok(format!(
            "the previous transaction can't be read either: {why}"
        ));
    };
    let copied = match store.previous()? {
        Ok(before) => before.could_copy_to(before.description().engine),
        Err(why) => Err(Error::new(ErrorKind::Corrupt, why)),
    };
    let holds = crate::finding::counted(tokens, "token");
    Ok(match copied {
        Ok(()) => format!(
            "the previous transaction is complete and holds {holds}: boltkey compact --previous \
             --out FILE writes it to a new file, and other reading commands accept --previous \
             too"
        ),
        Err(error) => format!(
            "the previous transaction is complete and holds {holds}, but can't be copied: {}",
            error.message()
        ),
    })
}
