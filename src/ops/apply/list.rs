//! Parses a declarative list. Each value keeps its line and field, for error messages.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use zeroize::Zeroizing;

use crate::error::Result;
use crate::metadata::permission::INSTANCE;
use crate::metadata::{Can, TokenHash, description_tags, password};
use crate::ops::apply::buckets::Bucket;
use crate::ops::apply::mappings::Mapping;
use crate::ops::apply::parser::{Field, Node, Value};
use crate::ops::apply::place::Place;
use crate::ops::apply::secret_files::Secrets;
use crate::ops::apply::v1_users::V1User;
use crate::ops::apply::{generate, parser};
use crate::ops::token_plan;
use crate::secret::Token as SecretToken;

/// The organizations, users and tokens of a list.
#[derive(Default)]
pub struct List {
    pub(super) orgs: Vec<Said<String>>,
    pub(super) users: Vec<User>,
    pub(super) buckets: Vec<Bucket>,
    pub(super) tokens: Vec<Token>,
    pub(super) v1_users: Vec<V1User>,
    pub(super) mappings: Vec<Mapping>,
}

/// A user, new or existing.
pub(super) struct User {
    pub(super) name: Said<String>,
    /// The organizations that the user owns.
    pub(super) orgs: Vec<Said<String>>,
    /// None keeps an existing password.
    pub(super) password: Option<Password>,
    /// Whether the user is active; none keeps the status.
    pub(super) active: Option<bool>,
}

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

/// A token, new or existing.
pub(super) struct Token {
    pub(super) name: Said<String>,
    pub(super) org: Said<String>,
    pub(super) user: Said<String>,
    pub(super) grants: Said<Grants>,
    pub(super) value: Said<token_plan::Value>,
    /// The file for a generated value.
    pub(super) out: Option<PathBuf>,
}

/// The permissions of a token.
pub(super) enum Grants {
    Operator,
    AllAccess,
    Each(Vec<Said<Can>>),
}

/// A value and its place in the list.
pub(super) struct Said<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

impl List {
    /// Parses a TOML or JSON list and reads its secrets. `name` is its name in messages.
    ///
    /// # Errors
    /// [`Refused`](crate::ErrorKind::Refused) for an invalid list, with line and field; the errors of `secrets`.
    pub fn read(text: &str, name: &str, secrets: &mut dyn Secrets) -> Result<Self> {
        let place = |line, field: &str| Place {
            list: name.into(),
            line,
            field: field.to_owned(),
        };
        let fields =
            parser::parse(text).map_err(|cause| place(cause.line, "").refused(cause.why))?;
        keys_are_known(&fields, place(0, ""))?;
        let mut list = Self::default();
        let mut files = HashMap::new();
        for field in fields {
            let what = field.name.as_str();
            let at = place(field.node.line, what);
            let Value::List(nodes) = field.node.value else {
                let kind = field.node.value.kind();
                return Err(at
                    .refused(format!("expected a list of tables, found {kind}"))
                    .with_hint(format!(
                        "in TOML, each entry begins with [[{what}]]; in JSON, \"{what}\" is a list of \
                         objects"
                    )));
            };
            for node in nodes {
                let entry = Entry::of(node, what, &at.list)?;
                match what {
                    "org" => list.orgs.push(entry.org()?),
                    "user" => list.users.push(entry.user(secrets)?),
                    "bucket" => list.buckets.push(entry.bucket()?),
                    "v1" => list.v1_users.push(entry.v1_user(secrets)?),
                    "dbrp" => list.mappings.push(entry.mapping()?),
                    _ => {
                        let token = entry.token(secrets)?;
                        let at = &token.value.place;
                        let first = token.out.clone().and_then(|out| files.insert(out, at.line));
                        if let Some(first) = first {
                            return Err(at.refused(format!("line {first} uses the same file")));
                        }
                        list.tokens.push(token);
                    }
                }
            }
        }
        Ok(list)
    }
}

/// The keys of a list, and of an entry of each kind.
const KEYS: [(&str, &[&str]); 7] = [
    ("", &["org", "user", "bucket", "token", "v1", "dbrp"]),
    ("org", &["name"]),
    (
        "user",
        &["name", "orgs", "status", "passwordFile", "passwordHash"],
    ),
    (
        "bucket",
        &["name", "org", "retention", "shardDuration", "description"],
    ),
    (
        "v1",
        &[
            "username",
            "org",
            "user",
            "permissions",
            "status",
            "description",
            "passwordFile",
            "passwordHash",
        ],
    ),
    (
        "dbrp",
        &["database", "retentionPolicy", "bucket", "org", "default"],
    ),
    (
        "token",
        &[
            "name",
            "org",
            "user",
            "permissions",
            "kind",
            "tokenFile",
            "hash",
            "generate",
        ],
    ),
];

/// Refuses the first unknown key. A misspelled key also makes another one missing, so this comes
/// first.
fn keys_are_known(fields: &[Field], list: Place) -> Result<()> {
    let known = |what: &str| {
        let keys = KEYS.iter().find(|(kind, _)| *kind == what);
        keys.map_or(&[][..], |(_, keys)| keys)
    };
    let top = fields.iter().map(|field| (field, "", String::new()));
    let entries = fields.iter().flat_map(|field| {
        let nodes = match &field.node.value {
            Value::List(nodes) => nodes.as_slice(),
            _ => &[],
        };
        nodes.iter().flat_map(move |node| {
            let of_entry = match &node.value {
                Value::Table(of_entry) => of_entry.as_slice(),
                _ => &[],
            };
            let entry = entry_name(of_entry, &field.name);
            of_entry
                .iter()
                .map(move |of_entry| (of_entry, field.name.as_str(), entry.clone()))
        })
    });
    let mut all = top.chain(entries);
    let Some((field, what, entry)) = all.find(|(field, what, _)| {
        let keys = known(what);
        !keys.is_empty() && !keys.contains(&field.name.as_str())
    }) else {
        return Ok(());
    };
    let place = Place {
        line: field.line,
        field: entry,
        ..list
    };
    let keys = known(what);
    let hint = match nearest(&field.name, keys) {
        Some(key) => format!("did you mean {key}? Valid keys: {}", keys.join(", ")),
        None => format!("valid keys: {}", keys.join(", ")),
    };
    Err(place
        .refused(format!("unknown key {:?}", field.name))
        .with_hint(hint))
}

/// The name of an entry in messages, such as `token "telegraf"`.
fn entry_name(fields: &[Field], what: &str) -> String {
    const NAMES: [&str; 3] = ["name", "username", "database"];
    let name = fields
        .iter()
        .find(|field| NAMES.contains(&field.name.as_str()));
    match name.map(|field| &field.node.value) {
        Some(Value::Text(name)) => format!("{what} {:?}", **name),
        _ => what.to_owned(),
    }
}

/// The most similar key, if it is similar at all.
fn nearest<'k>(wrong: &str, keys: &[&'k str]) -> Option<&'k str> {
    let wrong: String = wrong.chars().take(64).collect::<String>().to_lowercase();
    let likeness = |key: &str| strsim::jaro_winkler(&wrong, &key.to_lowercase());
    let best = keys
        .iter()
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    (likeness(best) >= 0.75).then_some(*best)
}

/// One table. Fields are removed as they are parsed.
pub(super) struct Entry {
    /// Its place, such as `token "telegraf"`.
    pub(super) place: Place,
    fields: Vec<Field>,
}

impl Entry {
    fn of(node: Node, what: &str, list: &Rc<str>) -> Result<Self> {
        let mut place = Place {
            list: Rc::clone(list),
            line: node.line,
            field: what.to_owned(),
        };
        let Value::Table(fields) = node.value else {
            let kind = node.value.kind();
            return Err(place.refused(format!("expected a table, found {kind}")));
        };
        place.field = entry_name(&fields, what);
        Ok(Self { place, fields })
    }

    fn at(&self, line: usize, field: &str) -> Place {
        Place {
            list: Rc::clone(&self.place.list),
            line,
            field: format!("{}, {field}", self.place.field),
        }
    }

    fn take(&mut self, name: &str) -> Option<Field> {
        let at = self.fields.iter().position(|field| field.name == name)?;
        Some(self.fields.remove(at))
    }

    /// A string field, if present.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<Said<String>>> {
        let Some(field) = self.take(name) else {
            return Ok(None);
        };
        text(field.node, |line| self.at(line, name)).map(Some)
    }

    pub(super) fn required(&mut self, name: &str) -> Result<Said<String>> {
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
    fn texts(&mut self, name: &str) -> Result<Option<Said<Vec<Said<String>>>>> {
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

    fn org(mut self) -> Result<Said<String>> {
        self.name()
    }

    fn user(mut self, secrets: &mut dyn Secrets) -> Result<User> {
        let name = self.name()?;
        let orgs = self.texts("orgs")?;
        Ok(User {
            name,
            orgs: orgs.map(|orgs| orgs.value).unwrap_or_default(),
            active: self.active()?,
            password: self.password(secrets)?,
        })
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
    pub(super) fn flag(&mut self, name: &str) -> Result<Option<Said<bool>>> {
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

    /// The permissions of a 1.x user.
    pub(super) fn permissions(&mut self) -> Result<Vec<Said<Can>>> {
        let permissions = self.texts("permissions")?;
        let permissions =
            permissions.ok_or_else(|| self.place.refused("permissions is missing"))?;
        if permissions.value.is_empty() {
            let why = "permissions must not be empty";
            return Err(permissions.place.refused(why));
        }
        permissions.value.into_iter().map(grant).collect()
    }

    fn token(mut self, secrets: &mut dyn Secrets) -> Result<Token> {
        let name = self.name()?;
        if description_tags::stripped(&name.value) != name.value {
            return Err(name.place.refused(
                "a name can't end with this suffix, which marks tokens created by apply",
            ));
        }
        let org = self.required("org")?;
        let user = self.required("user")?;
        let grants = self.grants()?;
        let file = self.text("tokenFile")?;
        let hash = self.text("hash")?;
        let generate = self.text("generate")?;
        let mut out = None;
        let value = match (file, hash, generate) {
            (Some(file), None, None) => file
                .read(|path| secrets.token(path))?
                .map(token_plan::Value::Chosen),
            (None, Some(hash), None) => hash.parsed()?,
            (None, None, Some(file)) => {
                file.read(|path| generate::value(path, secrets))?
                    .map(|(value, new_file)| {
                        out = new_file;
                        value
                    })
            }
            (None, None, None) => {
                return Err(self
                    .place
                    .refused("tokenFile, hash or generate required")
                    .with_hint(ONE_VALUE));
            }
            _ => {
                return Err(self
                    .place
                    .refused("only one of tokenFile, hash and generate is allowed")
                    .with_hint(ONE_VALUE));
            }
        };
        Ok(Token {
            name,
            org,
            user,
            grants,
            value,
            out,
        })
    }

    fn grants(&mut self) -> Result<Said<Grants>> {
        let kind = self.text("kind")?;
        let permissions = self.texts("permissions")?;
        match (kind, permissions) {
            (Some(kind), None) => {
                let value = match kind.value.as_str() {
                    "operator" => Grants::Operator,
                    "all-access" => Grants::AllAccess,
                    _ => {
                        let why = "kind must be operator or all-access";
                        return Err(kind.place.refused(why));
                    }
                };
                Ok(kind.map(|_| value))
            }
            (None, Some(permissions)) => {
                if permissions.value.is_empty() {
                    let why = "permissions must not be empty";
                    return Err(permissions.place.refused(why));
                }
                let each = permissions.value.into_iter().map(grant);
                Ok(Said {
                    value: Grants::Each(each.collect::<Result<_>>()?),
                    place: permissions.place,
                })
            }
            (None, None) => Err(self
                .place
                .refused("kind or permissions required")
                .with_hint(ONE_POWER)),
            (Some(kind), Some(_)) => Err(kind
                .place
                .refused("only one of kind and permissions is allowed")
                .with_hint(ONE_POWER)),
        }
    }
}

const ONE_VALUE: &str = "tokenFile: a file with the token; hash: the output of boltkey token hash; \
                         generate: a file created on the first run";

const ONE_POWER: &str = "kind: \"operator\" or \"all-access\"; permissions: a list such as \
                         [\"read:buckets\", \"write:buckets/metrics\"]";

impl<T> Said<T> {
    pub(super) fn map<U>(self, with: impl FnOnce(T) -> U) -> Said<U> {
        Said {
            value: with(self.value),
            place: self.place,
        }
    }
}

impl Said<String> {
    /// Reads the file of that name.
    fn read<T>(self, read: impl FnOnce(&Path) -> Result<T>) -> Result<Said<T>> {
        if self.value.is_empty() {
            return Err(self.place.refused("the file name is empty"));
        }
        let value = read(Path::new(&self.value)).map_err(|error| self.place.wrap(&error))?;
        Ok(self.map(|_| value))
    }

    /// A hash. An invalid one may be a token and is never quoted.
    fn parsed(self) -> Result<Said<token_plan::Value>> {
        let hash = TokenHash::parse(&self.value).map_err(|cause| {
            self.place
                .refused(format!("not a hash that influxd supports: {cause}"))
                .with_hint("use the output of boltkey token hash: $influxdb2-sha256$…")
        })?;
        Ok(self.map(|_| token_plan::Value::Hash(hash)))
    }
}

/// One permission.
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

fn text(node: Node, at: impl FnOnce(usize) -> Place) -> Result<Said<String>> {
    let place = at(node.line);
    match node.value {
        Value::Text(text) => Ok(Said {
            value: text.to_string(),
            place,
        }),
        other => Err(place.refused(format!("expected a string, found {}", other.kind()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};

    struct NoFiles;

    impl Secrets for NoFiles {
        fn password(&mut self, path: &Path) -> Result<SecretToken> {
            self.token(path)
        }

        fn token(&mut self, path: &Path) -> Result<SecretToken> {
            if path == Path::new("none") {
                return Err(Error::new(ErrorKind::NotFound, "can't read none"));
            }
            Ok(SecretToken::new(path.display().to_string()))
        }

        fn token_if_there(&mut self, _: &Path) -> Result<Option<SecretToken>> {
            Ok(None)
        }

        fn full_path(&self, path: &Path) -> PathBuf {
            path.to_owned()
        }
    }

    fn read(text: &str) -> Result<List> {
        List::read(text, "list", &mut NoFiles)
    }

    const WHOLE: &str = "[[org]]\nname = \"acme\"\n[[user]]\nname = \"alice\"\norgs = [\"acme\"]\n\
                         passwordFile = \"pw\"\n[[token]]\nname = \"telegraf\"\norg = \"acme\"\n\
                         user = \"alice\"\npermissions = [\"write:buckets/metrics\"]\n\
                         tokenFile = \"file\"\n[[token]]\nname = \"all\"\norg = \"acme\"\n\
                         user = \"alice\"\nkind = \"all-access\"\ngenerate = \"new\"\n";

    #[test]
    fn a_whole_list() {
        let list = read(WHOLE).unwrap();
        assert_eq!(list.orgs[0].value, "acme");
        let alice = &list.users[0];
        assert_eq!(alice.orgs[0].value, "acme");
        let Some(Password::Text(password)) = &alice.password else {
            panic!("a password from a file");
        };
        assert_eq!(password.value.reveal(), "pw");
        let [telegraf, all] = &list.tokens[..] else {
            panic!("two tokens");
        };
        assert!(
            matches!(&telegraf.value.value, token_plan::Value::Chosen(token) if token.reveal() == "file")
        );
        assert!(matches!(&telegraf.grants.value, Grants::Each(each) if each.len() == 1));
        assert!(matches!(all.value.value, token_plan::Value::Generated));
        assert!(matches!(all.grants.value, Grants::AllAccess));
        assert_eq!(all.out.as_deref(), Some(Path::new("new")));
        assert_eq!(
            all.user.place.to_string(),
            "list, line 16, token \"all\", user"
        );
    }

    #[test]
    fn a_misspelled_key_comes_before_the_key_that_is_missing_then() {
        for (text, line, hint) in [
            ("[[token]]\nnmae = \"t\"", 2, "did you mean name?"),
            (
                "[[user]]\nname = \"a\"\n[[token]]\nname = \"t\"\ntokenfile = \"f\"",
                5,
                "did you mean tokenFile?",
            ),
            ("[[org]]\n[[tokens]]", 2, "did you mean token?"),
            (
                "[[user]]\nname = 7\npasswordfile = \"x\"",
                3,
                "did you mean passwordFile?",
            ),
            ("[[org]]\nname = \"a\"\nzzz = 1", 3, "valid keys: name"),
        ] {
            let Err(error) = read(text) else {
                panic!("{text} was taken");
            };
            assert!(
                error.message().starts_with(&format!("list, line {line}")),
                "{error}"
            );
            assert!(error.message().contains("unknown key"), "{error}");
            assert!(
                error.hint().unwrap().starts_with(hint),
                "{:?}",
                error.hint()
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_line_and_field() {
        let token =
            |rest: &str| format!("[[token]]\nname = \"t\"\norg = \"o\"\nuser = \"u\"\n{rest}\n");
        for (text, expected) in [
            ("[[orgs]]\nname = \"a\"", "line 1: unknown key \"orgs\""),
            (
                "org = \"a\"",
                "line 1, org: expected a list of tables, found a string",
            ),
            ("org = [1]", "line 1, org: expected a table, found a number"),
            ("[[org]]", "line 1, org: name is missing"),
            (
                "[[org]]\nname = \"\"",
                "line 2, org \"\", name: the name is empty",
            ),
            (
                "[[org]]\nname = 7",
                "line 2, org, name: expected a string, found a number",
            ),
            (
                "[[user]]\nname = \"a\"\npassword = \"secret\"",
                "line 3, user \"a\": unknown key \"password\"",
            ),
            (
                "[[user]]\nname = \"a\"\norgs = \"b\"",
                "line 3, user \"a\", orgs: expected a list of strings, found a string",
            ),
            (
                "[[user]]\nname = \"a\"\npasswordFile = \"none\"",
                "line 3, user \"a\", passwordFile: can't read none",
            ),
            (
                &token("kind = \"operator\""),
                "line 1, token \"t\": tokenFile, hash or generate required",
            ),
            (
                &token("kind = \"secret\""),
                "line 5, token \"t\", kind: kind must be",
            ),
            (
                &token("kind = \"operator\"\nhash = \"secret\""),
                "line 6, token \"t\", hash: not a hash",
            ),
            (
                &token("kind = \"operator\"\ntokenFile = \"f\"\ngenerate = \"g\""),
                "line 1, token \"t\": only one of tokenFile, hash and",
            ),
            (
                &token("tokenFile = \"f\""),
                "line 1, token \"t\": kind or permissions required",
            ),
            (
                &token("tokenFile = \"f\"\npermissions = []"),
                "line 6, token \"t\", permissions: permissions must not",
            ),
            (
                &token("tokenFile = \"f\"\npermissions = [\n\"read:buckets\",\n\"own:secret\"]"),
                "line 8, token \"t\", permissions: the action must be read or write",
            ),
            (
                &token("tokenFile = \"f\"\npermissions = [\"write\"]"),
                "line 6, token \"t\", permissions: resource type required",
            ),
            (
                &token("tokenFile = \"f\"\npermissions = [\"write:instance\"]"),
                "line 6, token \"t\", permissions: permissions for the instance",
            ),
            (
                &token("kind = \"operator\"\ntoken = \"secret\""),
                "line 6, token \"t\": unknown key \"token\"",
            ),
            (
                "[[token]]\nname = \"t (boltkey apply)\"",
                "line 2, token \"t (boltkey apply)\", name: a name can't end",
            ),
        ] {
            let Err(error) = read(text) else {
                panic!("{text} was taken");
            };
            let told = format!("list, {expected}");
            assert!(error.message().starts_with(&told), "{text}\n{error}");
            assert!(!error.message().contains("secret"), "{error}");
        }
    }
}
