//! A permission of a list, field by field: for what the short form can't say, such as a resource of
//! another organization, or all organizations.

use std::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::permission::{Action, Permission};
use crate::metadata::{Catalog, Id};
use crate::ops::apply::parser::Field;
use crate::ops::apply::place::Place;
use crate::ops::apply::said::{Said, text};
use crate::ops::resolve;

/// The permission. What is none is not limited.
pub(super) struct ExactPermission {
    action: Action,
    kind: String,
    /// The name of the resource: a bucket in `org`, an organization or a user.
    name: Option<Said<String>>,
    /// The ID of the resource.
    id: Option<Id>,
    org: Option<OrgOf>,
    place: Place,
}

/// The organization of the resources.
enum OrgOf {
    Name(Said<String>),
    Id(Id),
}

/// The keys of the table.
const KEYS: [&str; 6] = ["action", "type", "name", "id", "org", "orgID"];

impl ExactPermission {
    /// Reads the table.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] for a field that is unknown, missing, doubled or invalid.
    pub(super) fn read(fields: Vec<Field>, place: &Place) -> Result<Self> {
        let mut found: [Option<Said<String>>; 6] = Default::default();
        for field in fields {
            let at = |line| place.at_line(line);
            let Some(slot) = KEYS.iter().position(|key| *key == field.name) else {
                return Err(at(field.line)
                    .refused(format!("unknown key {:?} in a permission", field.name))
                    .with_hint(format!("valid keys: {}", KEYS.join(", "))));
            };
            let said = text(field.node, at)?;
            if let Some(slot) = found.get_mut(slot) {
                *slot = Some(said);
            }
        }
        let [action, kind, name, id, org, org_id] = found;
        let (Some(action), Some(kind)) = (action, kind) else {
            return Err(place.refused("a permission needs action and type"));
        };
        let of_text = Action::ALL
            .into_iter()
            .find(|known| known.to_string() == action.value);
        if name.is_some() && id.is_some() {
            return Err(place.refused("only one of name and id is allowed"));
        }
        let org = match (org, org_id) {
            (Some(_), Some(_)) => {
                return Err(place.refused("only one of org and orgID is allowed"));
            }
            (Some(name), None) => Some(OrgOf::Name(name)),
            (None, Some(id)) => Some(OrgOf::Id(parsed_id(&id)?)),
            (None, None) => None,
        };
        Ok(Self {
            action: of_text
                .ok_or_else(|| action.place.refused("the action must be read or write"))?,
            kind: kind.value,
            name,
            id: id.as_ref().map(parsed_id).transpose()?,
            org,
            place: place.clone(),
        })
    }

    /// The permission in the store with these names. It is what the table says: it may be one that a
    /// server does not give, but has.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchRecord`] when a name does not exist.
    pub(super) fn permission(&self, catalog: &Catalog) -> Result<Permission<'static>> {
        let org = match &self.org {
            None => None,
            Some(OrgOf::Id(id)) => Some(*id),
            Some(OrgOf::Name(name)) => {
                let org = resolve::org_named(catalog, &name.value);
                Some(org.map_err(|error| name.place.wrap(&error))?.id)
            }
        };
        let id = match &self.name {
            None => self.id,
            Some(name) => {
                let id = self.named(&name.value, org, catalog);
                Some(id.map_err(|error| name.place.wrap(&error))?)
            }
        };
        Ok(Permission::new(self.action, self.kind.clone(), id, org))
    }

    fn named(&self, name: &str, org: Option<Id>, catalog: &Catalog) -> Result<Id> {
        let refused = |why: &str| Err(Error::new(ErrorKind::Refused, why));
        match (self.kind.as_str(), org) {
            ("buckets", Some(org)) => Ok(resolve::bucket_named(catalog, org, name)?.id),
            ("buckets", None) => refused("org is required for the name of a bucket"),
            ("orgs", _) => Ok(resolve::org_named(catalog, name)?.id),
            ("users", _) => Ok(resolve::user_named(catalog, name)?.id),
            _ => refused("resources of this type are identified by id, 16 hex digits"),
        }
    }

    /// The resource type.
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    /// Its place in the list.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }
}

fn parsed_id(text: &Said<String>) -> Result<Id> {
    let id = text.value.parse();
    id.map_err(|cause| text.place.refused(format!("not an ID: {cause}")))
}

/// For reports.
impl fmt::Display for ExactPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.action, self.kind)?;
        match (&self.name, self.id) {
            (Some(name), _) => write!(f, "/{}", name.value)?,
            (None, Some(id)) => write!(f, "/{id}")?,
            (None, None) => {}
        }
        match &self.org {
            Some(OrgOf::Name(name)) => write!(f, " of {}", name.value),
            Some(OrgOf::Id(id)) => write!(f, " of {id}"),
            None if self.name.is_none() && self.id.is_none() => {
                f.write_str(" of every organization")
            }
            None => Ok(()),
        }
    }
}
