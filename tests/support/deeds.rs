//! The commands that change tokens, as tests interrupt them.

use boltkey::metadata::Id;
use boltkey::ops::auth_create::{self, Grants};
use boltkey::ops::choose::By;
use boltkey::ops::commit::Around;
use boltkey::ops::moment::Moment;
use boltkey::ops::new_token::Making;
use boltkey::ops::{auth_delete, auth_rotate, made};
use boltkey::secret::Token;
use boltkey::store::{Committed, Model, Snapshot, WritableStore};

use super::scene::{Scene, recovery};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Recover,
    Create,
    Rotate,
    Delete,
}

/// One that is worked out.
pub enum Planned {
    Token(Box<made::Plan>),
    Deletion(auth_delete::Plan),
}

impl Deed {
    /// The authorization that is changed or deleted: the first one.
    pub fn target(self, old: &Model) -> Option<Id> {
        if !matches!(self, Self::Rotate | Self::Delete) {
            return None;
        }
        let mut first = None;
        old.scan(b"authorizationsv1", &mut |key, _| {
            first = Id::from_bytes(key).ok();
            std::ops::ControlFlow::Break(())
        })
        .unwrap();
        first
    }

    pub fn plan(self, store: &dyn Snapshot, old: &Model) -> boltkey::Result<Planned> {
        let time: jiff::Zoned = "2026-11-01T10:00:00Z[UTC]".parse().unwrap();
        let now = Moment::from(&time);
        let making = Making::default();
        let target = || self.target(old).unwrap();
        Ok(match self {
            Self::Recover => Planned::Token(recovery(store)?.into()),
            Self::Create => {
                let options = auth_create::Options {
                    user: Some(By::Name("alice".into())),
                    org: Some(By::Name("acme".into())),
                    description: None,
                    temporary: true,
                    grants: Grants::AllAccess,
                    making,
                };
                Planned::Token(auth_create::plan(store, &options, &now)?.into())
            }
            Self::Rotate => {
                let id = target();
                let options = auth_rotate::Options { id, making };
                Planned::Token(auth_rotate::plan(store, &options, &now)?.into())
            }
            Self::Delete => Planned::Deletion(auth_delete::plan(store, &[target()])?),
        })
    }

    /// Hashed tokens that unused bytes show, and that still stand in the store afterwards.
    pub fn lost_after(self, scene: &Scene) -> Vec<Id> {
        let target = self.target(&scene.old);
        let lost = scene.lost.iter().copied();
        lost.filter(|id| Some(*id) != target).collect()
    }

    /// How many authorizations there are more than before.
    pub fn more(self) -> isize {
        match self {
            Self::Recover | Self::Create => 1,
            Self::Rotate => 0,
            Self::Delete => -1,
        }
    }
}

impl Planned {
    pub fn apply(
        &self,
        store: &mut WritableStore,
        around: &Around<'_>,
    ) -> boltkey::Result<Committed> {
        match self {
            Self::Token(plan) => plan.apply(store, around),
            Self::Deletion(plan) => plan.apply(store, around),
        }
    }

    /// The token that is made.
    pub fn token(&self) -> Option<&Token> {
        match self {
            Self::Token(plan) => plan.token(),
            Self::Deletion(_) => None,
        }
    }
}
