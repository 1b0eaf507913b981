//! Who can sign in with a password, and with which power.

use serde::Serialize;

use crate::error::Result;
use crate::metadata::lookup::{LoginName, LoginNames};
use crate::metadata::{Catalog, Id, mapping, names};
use crate::ops::known::List;
use crate::ops::token_counts::TokenCounts;
use crate::ops::user::list::with_password;
use crate::store::Snapshot;

/// A user who has a password.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// The user's ID.
    #[serde(skip)]
    pub id: Id,
    /// The user's name.
    pub user: String,
    /// Whether the user is active.
    pub active: bool,
    /// Whether signing in gives power over the whole instance; none if unknown.
    pub operator: Option<bool>,
    /// Whether influxd finds the user by name; none if unknown. Otherwise nobody can sign in as
    /// this user.
    pub signs_in: Option<bool>,
    /// Why.
    pub because: String,
}

/// The users with a password, and whether they can sign in. A login has the permissions of its
/// user's ownerships and of every token the user owns, whatever its status or storage.
///
/// # Errors
/// When the file can't be read.
pub(super) fn logins(
    snapshot: &dyn Snapshot,
    catalog: &Catalog,
    counts: &TokenCounts,
) -> Result<List<Login>> {
    let operator_owners = counts.operator_owners(catalog);
    let hides = |buckets: &[&[u8]]| catalog.hidden.hides_any(buckets);
    // Damage may hide what gives power.
    let power_hidden = counts.are_hidden(catalog) || hides(&[names::MAPPINGS]);
    let (mappings, _) = mapping::load(snapshot)?;
    let (passwords, _) = with_password(snapshot)?;
    let login_names = LoginNames::new(catalog);
    let users = catalog.users.values();
    let logins = users
        .filter(|user| passwords.contains(&user.id))
        .map(|user| {
            let own = || mappings.iter().filter(|mapping| mapping.user_id == user.id);
            let (operator, because) = if let Some(token) = operator_owners.get(&user.id) {
                (
                    true,
                    format!("owns operator token {token}, whatever its status or storage"),
                )
            } else if own().any(mapping::Mapping::owns_instance) {
                (true, String::from("owner of the whole instance"))
            } else {
                let orgs: Vec<&str> = own()
                    .filter(|mapping| mapping.owns_org())
                    .filter_map(|mapping| catalog.orgs.get(&mapping.resource_id))
                    .map(|org| org.name.as_str())
                    .collect();
                if orgs.is_empty() {
                    (false, String::from("owns no organization"))
                } else {
                    (false, format!("owner of {}", orgs.join(", ")))
                }
            };
            let name = login_names.of(user);
            let signs_in = match name {
                LoginName::Own | LoginName::Others(_) => Some(true),
                LoginName::None(_) => Some(false),
                LoginName::Unknown => None,
            };
            let because = match (&name, name.explanation()) {
                (_, None) => because,
                (LoginName::None(_), Some(why)) => why,
                (_, Some(how)) => format!("{because}; {how}"),
            };
            Login {
                id: user.id,
                user: user.name.clone(),
                active: user.status != "inactive",
                operator: match (operator, signs_in) {
                    (_, Some(false)) => Some(false),
                    (true, _) => Some(true),
                    (false, _) => (!power_hidden).then_some(false),
                },
                signs_in,
                because,
            }
        });
    let hidden = hides(&[names::USERS, names::USER_PASSWORDS]);
    Ok(List::new(logins.collect(), hidden))
}
