//! `recover operator`: creates an operator token without an existing one.

use crate::error::{ErrorKind, Result};
use crate::metadata::lookup::Named;
use crate::metadata::permission::of_operator;
use crate::metadata::{Catalog, Id};
use crate::ops::commit::{all_decoded, known_schema};
use crate::ops::resolve;
use crate::ops::resolve::By;
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::new_token::{Making, Request};
use crate::ops::token_plan::{TokenPlan, new_token};
use crate::store::Snapshot;

/// Options of the recovery.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The owner of the token. Default: the only user.
    pub user: Option<By>,
    /// The organization of the token. Default: the only one.
    pub org: Option<By>,
    /// The value of influxd's setting `use-hashed-tokens`, if it is set.
    pub use_hashed_tokens: Option<bool>,
}

impl Options {
    /// The user and the organization, if they are named or there is only one. They are the records
    /// that were shown in a question.
    #[must_use]
    pub fn owner<'c>(&self, choices: &'c Choices) -> Option<(&'c Choice, &'c Choice)> {
        Some((
            one_of(&choices.users, self.user.as_ref())?,
            one_of(&choices.orgs, self.org.as_ref())?,
        ))
    }
}

/// The users and organizations to choose from.
pub struct Choices {
    /// By ID.
    pub users: Vec<Choice>,
    /// By ID.
    pub orgs: Vec<Choice>,
}

/// A user or an organization to choose.
pub struct Choice {
    /// Its ID.
    pub id: Id,
    /// Its name.
    pub name: String,
    /// Whether the index leads from the name to it.
    pub is_indexed: bool,
    /// Whether it is an inactive user, whose tokens servers refuse.
    pub is_inactive: bool,
}

impl Choice {
    fn of<T: Named>(record: &T, found: Option<&T>) -> Self {
        Self {
            id: record.id(),
            name: record.name().to_owned(),
            is_indexed: found.is_some_and(|found| found.id() == record.id()),
            is_inactive: false,
        }
    }

    /// The text of the list: with the ID if influxd does not find it by its name, and marked if it
    /// is inactive.
    #[must_use]
    pub fn label(&self) -> String {
        let mut label = self.name.clone();
        if !self.is_indexed {
            label.push_str(&format!(" ({})", self.id));
        }
        if self.is_inactive {
            label.push_str(" (inactive)");
        }
        label
    }
}

/// The one that is named, or the only one.
fn one_of<'c>(choices: &'c [Choice], by: Option<&By>) -> Option<&'c Choice> {
    match (by, choices) {
        (Some(By::Id(id)), _) => choices.iter().find(|choice| choice.id == *id),
        (Some(By::Name(name)), _) => choices
            .iter()
            .find(|choice| choice.is_indexed && choice.name == *name),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}

/// The users and organizations to choose from.
///
/// # Errors
/// When the file can't be read.
pub fn choices(snapshot: &dyn Snapshot) -> Result<Choices> {
    Ok(choices_of(&Catalog::load(snapshot)?))
}

/// The users and organizations of a catalog.
pub(crate) fn choices_of(catalog: &Catalog) -> Choices {
    let users = catalog.users.values();
    let orgs = catalog.orgs.values();
    Choices {
        users: users
            .map(|user| Choice {
                is_inactive: user.status == "inactive",
                ..Choice::of(user, catalog.user_by_name(&user.name).found())
            })
            .collect(),
        orgs: orgs
            .map(|org| Choice::of(org, catalog.org_by_name(&org.name).found()))
            .collect(),
    }
}

/// Plans the token and its record.
///
/// # Errors
/// * [`ErrorKind::UnknownSchema`], [`ErrorKind::Corrupt`] for stores that can't be edited
/// * [`ErrorKind::Confirmation`] when there are several to choose from
/// * [`ErrorKind::NoSuchRecord`] when there is none, or none of that name
/// * [`ErrorKind::Refused`] when the token would not be accepted
pub fn plan(snapshot: &dyn Snapshot, options: &Options, now: &Timestamp) -> Result<TokenPlan> {
    let schema = known_schema(snapshot)?.migrations;
    let catalog = Catalog::load(snapshot)?;
    all_decoded(&catalog.skipped)?;
    let several = ErrorKind::Confirmation;
    let user = resolve::user(&catalog, options.user.as_ref(), several)?;
    let org = resolve::org(&catalog, options.org.as_ref(), several)?;
    let making = Making {
        use_hashed_tokens: options.use_hashed_tokens,
        ..Making::default()
    };
    let request = Request {
        user,
        org,
        description: &format!("{}'s Recovery Token", user.name),
        active: true,
        permissions: &of_operator(schema),
        hint: "name another user with --user; boltkey user list shows them",
    };
    new_token::plan(snapshot, schema, &making, now, &request)
}
