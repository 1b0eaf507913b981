//! One entry of a list: reads its fields, and says which field is wrong.

use std::collections::HashSet;
use std::path::Path;
use std::rc::Rc;

use zeroize::Zeroizing;

use crate::error::Result;
use crate::metadata::permission::INSTANCE;
use crate::metadata::{Can, TokenHash, password};
use crate::ops::apply::exact_permission::ExactPermission;
use crate::ops::apply::granted::Granted;
use crate::ops::apply::parser::{Field, Node, Value};
use crate::ops::apply::place::Place;
use crate::ops::apply::said::{Said, text};
use crate::ops::apply::secret_files::Secrets;
use crate::ops::token_plan;
use crate::secret::Token as SecretToken;

/// The password of a user or a 1.x user.
pub(super) enum Password {
    /// From a file.
    Text(Said<SecretToken>),
    /// Its hash, as another store has it.
    Hash(Said<Zeroizing<String>>),
}

impl Password {
    /// Its place in the list.
    pub(super) fn place(&self) -> &Place {
        match self {
            Self::Text(said) => &said.place,
            Self::Hash(said) => &said.place,
        }
    }
}

/// One table. Fields are removed as they are parsed.
pub(super) struct Entry {
    /// Its place, such as `token "telegraf"`.
    pub(super) place: Place,
    fields: Vec<Field>,
}

impl Entry {
    pub(super) fn of(node: Node, what: &str, list: &Rc<str>) -> Result<Self> {
        let line = node.line;
        let Value::Table(fields) = node.value else {
            let kind = node.value.kind();
            let place = Place::of_entry(list, line, what);
            return Err(place.refused(format!("expected a table, found {kind}")));
        };
        let place = Place::of_entry(list, line, &entry_name(&fields, what));
        Ok(Self { place, fields })
    }

    fn at(&self, line: usize, field: &'static str) -> Place {
        self.place.field(line, field)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Field> {
        let at = self.fields.iter().position(|field| field.name == name)?;
        Some(self.fields.remove(at))
    }

    /// A string field, if present.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<Said<String>>> {
        let Some(field) = self.take(name) else {
            return Ok(None);
        };
        text(field.node, |line| self.at(line, name)).map(Some)
    }

    pub(super) fn required(&mut self, name: &'static str) -> Result<Said<String>> {
        self.text(name)?
            .ok_or_else(|| self.place.refused(format!("{name} is missing")))
    }

    /// The name. Later places include it.
    pub(super) fn name(&mut self) -> Result<Said<String>> {
        let name = self.required("name")?;
        if name.value.is_empty() {
            return Err(name.place.refused("the name is empty"));
        }
        Ok(name)
    }

    /// A field with a list of strings, if present.
    pub(super) fn texts(&mut self, name: &'static str) -> Result<Option<Said<Vec<Said<String>>>>> {
        let Some(field) = self.take(name) else {
            return Ok(None);
        };
        let place = self.at(field.node.line, name);
        let Value::List(nodes) = field.node.value else {
            let kind = field.node.value.kind();
            return Err(place.refused(format!("expected a list of strings, found {kind}")));
        };
        let texts = nodes
            .into_iter()
            .map(|node| text(node, |line| self.at(line, name)));
        let value = texts.collect::<Result<_>>()?;
        Ok(Some(Said { value, place }))
    }

    /// The password, if there is one.
    pub(super) fn password(&mut self, secrets: &mut dyn Secrets) -> Result<Option<Password>> {
        let file = self.text("passwordFile")?;
        let hash = self.text("passwordHash")?;
        match (file, hash) {
            (None, None) => Ok(None),
            (Some(file), None) => {
                let text = file.read(|path| secrets.password(path))?;
                Ok(Some(Password::Text(text)))
            }
            (None, Some(hash)) => {
                if !password::is_hash(&hash.value) {
                    let why = "not a password hash that influxd supports";
                    return Err(hash.place.refused(why).with_hint(
                        "a hash has the form $2a$10$…, with a cost between 4 and 15; passwordFile \
                         names a file with the password itself",
                    ));
                }
                Ok(Some(Password::Hash(hash.map(Zeroizing::new))))
            }
            (Some(_), Some(hash)) => Err(hash
                .place
                .refused("only one of passwordFile and passwordHash is allowed")),
        }
    }

    /// The status, if there is one.
    pub(super) fn active(&mut self) -> Result<Option<bool>> {
        let Some(status) = self.text("status")? else {
            return Ok(None);
        };
        match status.value.as_str() {
            "active" => Ok(Some(true)),
            "inactive" => Ok(Some(false)),
            _ => Err(status.place.refused("status must be active or inactive")),
        }
    }

    /// A field that is true or false, if present.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<Option<Said<bool>>> {
        let Some(field) = self.take(name) else {
            return Ok(None);
        };
        let place = self.at(field.node.line, name);
        match field.node.value {
            Value::Flag(value) => Ok(Some(Said { value, place })),
            other => {
                let why = format!("expected true or false, found {}", other.kind());
                Err(place.refused(why))
            }
        }
    }

    /// The permissions, if present.
    pub(super) fn permissions(&mut self) -> Result<Option<Said<Vec<Granted>>>> {
        let Some(field) = self.take("permissions") else {
            return Ok(None);
        };
        let place = self.at(field.node.line, "permissions");
        let Value::List(nodes) = field.node.value else {
            let kind = field.node.value.kind();
            return Err(place.refused(format!("expected a list of strings, found {kind}")));
        };
        let one = |node: Node| {
            let at = self.at(node.line, "permissions");
            match node.value {
                Value::Table(fields) => {
                    ExactPermission::read(fields, &at).map(|exact| Granted::Exact(Box::new(exact)))
                }
                _ => grant(text(node, |_| at)?).map(Granted::Short),
            }
        };
        let mut value = Vec::with_capacity(nodes.len());
        for node in nodes {
            value.push(one(node)?);
        }
        Ok(Some(Said { value, place }))
    }
}

impl Said<String> {
    /// Reads the file of that name.
    pub(super) fn read<T>(self, read: impl FnOnce(&Path) -> Result<T>) -> Result<Said<T>> {
        if self.value.is_empty() {
            return Err(self.place.refused("the file name is empty"));
        }
        let value = read(Path::new(&self.value)).map_err(|error| self.place.wrap(&error))?;
        Ok(self.map(|_| value))
    }

    /// A hash. An invalid one may be a token and is never quoted.
    pub(super) fn parsed(self) -> Result<Said<token_plan::Value>> {
        let hash = TokenHash::parse(&self.value).map_err(|cause| {
            self.place
                .refused(format!("not a hash that influxd supports: {cause}"))
                .with_hint("use the output of boltkey token hash: $influxdb2-sha256$…")
        })?;
        Ok(self.map(|_| token_plan::Value::Hash(hash)))
    }
}

/// One permission in its short form.
fn grant(text: Said<String>) -> Result<Said<Can>> {
    let can: Can = text
        .value
        .parse()
        .map_err(|why: String| text.place.refused(why))?;
    match can.kind() {
        None => Err(text
            .place
            .refused("resource type required, as in write:buckets")),
        Some(INSTANCE) => Err(text
            .place
            .refused("permissions for the instance are not allowed")
            .with_hint("use kind = \"operator\" for all permissions in all organizations")),
        Some(_) => Ok(text.map(|_| can)),
    }
}

/// The name of an entry in messages, such as `token "telegraf"`.
pub(super) fn entry_name(fields: &[Field], what: &str) -> String {
    const NAMES: [&str; 4] = ["name", "username", "database", "description"];
    let name = fields
        .iter()
        .find(|field| NAMES.contains(&field.name.as_str()));
    match name.map(|field| &field.node.value) {
        Some(Value::Text(name)) => format!("{what} {:?}", **name),
        _ => what.to_owned(),
    }
}

/// Refuses duplicate names.
pub(super) fn only_once<'s>(
    names: impl Iterator<Item = &'s Said<String>>,
    key: impl Fn(&String) -> String,
) -> Result<()> {
    let mut known = HashSet::new();
    for name in names {
        if !known.insert(key(&name.value)) {
            return Err(name.place.refused("duplicate name"));
        }
    }
    Ok(())
}
