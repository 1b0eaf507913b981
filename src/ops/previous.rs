//! The transaction before the current one: whether it is whole, what it holds, and reading it.

use std::ops::ControlFlow;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{Id, lost, names};
use crate::store::{Inspect, Previous, Snapshot, Store};

/// What is known of the transaction before the current one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PreviousState {
    /// Whether its whole tree can be read.
    pub readable: bool,
    /// How many authorizations it holds; none if that can't be read, or was not counted.
    pub tokens: Option<u64>,
    /// Why it can't be read.
    #[serde(skip)]
    pub why: Option<String>,
}

impl PreviousState {
    /// Looks at it. `sound` says that the current transaction has no error, so that what both share
    /// needs no second look.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn of(snapshot: &dyn Snapshot, inspect: &dyn Inspect, sound: bool) -> Result<Self> {
        let before = match inspect.previous()? {
            Previous::Unreadable(why) => return Ok(Self::unreadable(why)),
            Previous::Whole(before) => before,
        };
        if !sound && let Some(finding) = lost::find(&*before, &*before)? {
            return Ok(Self::unreadable(finding.message));
        }
        let same = sound && inspect.unchanged_since_previous(names::AUTHORIZATIONS)?;
        let tokens = if same {
            authorizations(snapshot)?
        } else {
            authorizations(&*before)?
        };
        Ok(Self {
            readable: true,
            tokens: Some(tokens),
            why: None,
        })
    }

    /// Whether it can be read, without counting what it holds.
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

/// How many authorizations a state of the store has, decodable or not.
fn authorizations(snapshot: &dyn Snapshot) -> Result<u64> {
    let mut count = 0;
    snapshot.scan(names::AUTHORIZATIONS, &mut |key, _| {
        count += u64::from(Id::from_bytes(key).is_ok());
        ControlFlow::Continue(())
    })?;
    Ok(count)
}

/// The same file as the transaction before the current one left it.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when that is not whole.
pub fn open(store: &Store) -> Result<Store> {
    let path = store.description().path.display();
    let refused = |why: String| {
        Error::new(
            ErrorKind::Corrupt,
            format!("the transaction before the current one of {path} can't be read: {why}"),
        )
        .with_hint("leave --previous out to read the current one; boltkey check lists its damage")
    };
    let before = store.previous()?.map_err(refused)?;
    match lost::find(before.snapshot(), before.inspect())? {
        None => Ok(before),
        Some(finding) => Err(refused(finding.message)),
    }
}

/// What to do with a damaged store whose transaction before is whole, and was seen to be copied
/// without error; else why there is no such way.
///
/// # Errors
/// When the file can't be read.
pub fn advice(store: &Store) -> Result<String> {
    let state = PreviousState::of(store.snapshot(), store.inspect(), false)?;
    let Some(tokens) = state.tokens.filter(|_| state.readable) else {
        let why = state.why.unwrap_or_default();
        return Ok(format!(
            "the transaction before can't be read either: {why}"
        ));
    };
    let copied = match store.previous()? {
        Ok(before) => before.could_copy_to(before.description().engine),
        Err(why) => Err(Error::new(ErrorKind::Corrupt, why)),
    };
    let holds = crate::finding::counted(tokens, "token");
    Ok(match copied {
        Ok(()) => format!(
            "the transaction before is whole and holds {holds}: boltkey compact --previous --out \
             FILE writes it to a new file, and other reading commands take --previous as well"
        ),
        Err(error) => format!(
            "the transaction before is whole and holds {holds}, but can't be copied: {}",
            error.message()
        ),
    })
}
