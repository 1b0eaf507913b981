//! Parses a declarative list. Each value keeps its line and field, for error messages.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::metadata::description_tags;
use crate::ops::apply::buckets::Bucket;
use crate::ops::apply::entry::{Entry, Password, entry_name};
use crate::ops::apply::granted::Granted;
use crate::ops::apply::mappings::Mapping;
use crate::ops::apply::parser::{Field, Node, Value};
use crate::ops::apply::place::Place;
use crate::ops::apply::said::Said;
use crate::ops::apply::secret_files::Secrets;
use crate::ops::apply::split::Split;
use crate::ops::apply::v1_users::V1User;
use crate::ops::apply::{generate, parser};
use crate::ops::token_plan;
use crate::secret::Token as SecretToken;

/// The organizations, users and tokens of a list.
#[derive(Default)]
pub struct List {
    pub(super) orgs: Vec<Org>,
    pub(super) users: Vec<User>,
    pub(super) buckets: Vec<Bucket>,
    pub(super) tokens: Vec<Token>,
    pub(super) v1_users: Vec<V1User>,
    pub(super) mappings: Vec<Mapping>,
}

/// An organization, new or existing.
pub(super) struct Org {
    pub(super) name: Said<String>,
    /// None keeps an existing description.
    pub(super) description: Option<Said<String>>,
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

/// A token, new or existing.
pub(super) struct Token {
    pub(super) identity: Identity,
    /// Most tokens have the same ones.
    pub(super) org: Said<Rc<str>>,
    pub(super) user: Said<Rc<str>>,
    pub(super) grants: Said<Grants>,
    pub(super) value: Said<token_plan::Value>,
    /// Whether the token is active; none keeps the status.
    pub(super) active: Option<bool>,
    /// The file for a generated value.
    pub(super) out: Option<PathBuf>,
}

/// How a token of the list is recognized in a store.
pub(super) enum Identity {
    /// By organization and name, which is in the description.
    Name(Said<String>),
    /// By its value. The description is exactly this.
    Description(Said<String>),
}

impl Identity {
    /// The name or description, and its place.
    pub(super) fn said(&self) -> &Said<String> {
        match self {
            Self::Name(said) | Self::Description(said) => said,
        }
    }

    /// The description in the record.
    pub(super) fn description(&self) -> String {
        match self {
            Self::Name(name) => format!("{}{}", name.value, description_tags::APPLIED),
            Self::Description(exact) => exact.value.clone(),
        }
    }
}

/// The permissions of a token.
pub(super) enum Grants {
    Operator,
    AllAccess,
    Each(Vec<Granted>),
}

impl List {
    /// Parses a TOML or JSON list and reads its secrets. `name` is its name in messages.
    ///
    /// # Errors
    /// [`Refused`](crate::ErrorKind::Refused) for an invalid list, with line and field; the errors of `secrets`.
    pub fn read(text: &str, name: &str, secrets: &mut dyn Secrets) -> Result<Self> {
        let name: Rc<str> = name.into();
        let place = |line, field: &str| Place::of_entry(&name, line, field);
        let invalid = |cause: parser::Invalid| place(cause.line, "").refused(cause.why);
        let mut reading = Reading {
            list: Self::default(),
            files: HashMap::new(),
            names: HashSet::new(),
            name: &name,
            secrets,
        };
        if let Some(split) = Split::of(text, &|what, node| unknown_key_of(what, node).is_none()) {
            for kind in split.kinds() {
                key_is_known(&kind.name, kind.line, &name)?;
            }
            let kinds = || split.kinds().iter().enumerate();
            if !split.all_pass {
                for (number, kind) in kinds() {
                    for node in split.entries(number) {
                        keys_are_known(&kind.name, &node.map_err(invalid)?, &name)?;
                    }
                }
            }
            for (number, kind) in kinds() {
                for node in split.entries(number) {
                    reading.read(&kind.name, node.map_err(invalid)?)?;
                }
            }
            return Ok(reading.list);
        }
        let fields = parser::parse(text).map_err(invalid)?;
        for field in &fields {
            key_is_known(&field.name, field.line, &name)?;
        }
        for field in &fields {
            if let Value::List(nodes) = &field.node.value {
                for node in nodes {
                    keys_are_known(&field.name, node, &name)?;
                }
            }
        }
        for field in fields {
            let what = field.name.as_str();
            let Value::List(nodes) = field.node.value else {
                let kind = field.node.value.kind();
                return Err(place(field.node.line, what)
                    .refused(format!("expected a list of tables, found {kind}"))
                    .with_hint(format!(
                        "in TOML, each entry begins with [[{what}]]; in JSON, \"{what}\" is a list of \
                         objects"
                    )));
            };
            for node in nodes {
                reading.read(what, node)?;
            }
        }
        Ok(reading.list)
    }
}

/// A list that is being read.
struct Reading<'r> {
    list: List,
    /// The lines of the files for generated values.
    files: HashMap<PathBuf, usize>,
    /// Names of organizations and users.
    names: HashSet<Rc<str>>,
    /// The name of the list in messages.
    name: &'r Rc<str>,
    secrets: &'r mut dyn Secrets,
}

impl Reading<'_> {
    /// Adds an entry.
    fn read(&mut self, what: &str, node: Node) -> Result<()> {
        let entry = Entry::of(node, what, self.name)?;
        let list = &mut self.list;
        match what {
            "org" => list.orgs.push(entry.org()?),
            "user" => list.users.push(entry.user(self.secrets)?),
            "bucket" => list.buckets.push(entry.bucket()?),
            "v1" => list.v1_users.push(entry.v1_user(self.secrets)?),
            "dbrp" => list.mappings.push(entry.mapping()?),
            _ => {
                let token = entry.token(self.secrets, &mut self.names)?;
                let at = &token.value.place;
                let out = token.out.clone();
                let first = out.and_then(|out| self.files.insert(out, at.line()));
                if let Some(first) = first {
                    return Err(at.refused(format!("line {first} uses the same file")));
                }
                list.tokens.push(token);
            }
        }
        Ok(())
    }
}

/// The keys of a list, and of an entry of each kind.
const KEYS: [(&str, &[&str]); 7] = [
    ("", &["org", "user", "bucket", "token", "v1", "dbrp"]),
    ("org", &["name", "description"]),
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
            "description",
            "org",
            "user",
            "permissions",
            "kind",
            "status",
            "tokenFile",
            "hash",
            "value",
            "generate",
        ],
    ),
];

/// The keys of an entry; of the list if `what` is empty.
fn known_keys(what: &str) -> &'static [&'static str] {
    let keys = KEYS.iter().find(|(kind, _)| *kind == what);
    keys.map_or(&[], |(_, keys)| keys)
}

/// Refuses an unknown key of the list.
fn key_is_known(key: &str, line: usize, list: &Rc<str>) -> Result<()> {
    let keys = known_keys("");
    match keys.contains(&key) {
        true => Ok(()),
        false => Err(unknown_key(key, keys, &Place::of_entry(list, line, ""))),
    }
}

/// Refuses the first unknown key of an entry. A misspelled key also makes another one missing, so
/// this comes first.
fn keys_are_known(what: &str, node: &Node, list: &Rc<str>) -> Result<()> {
    let Some((field, of_entry)) = unknown_key_of(what, node) else {
        return Ok(());
    };
    let place = Place::of_entry(list, field.line, &entry_name(of_entry, what));
    Err(unknown_key(&field.name, known_keys(what), &place))
}

/// The first unknown key of an entry, and all its fields.
fn unknown_key_of<'n>(what: &str, node: &'n Node) -> Option<(&'n Field, &'n [Field])> {
    let Value::Table(of_entry) = &node.value else {
        return None;
    };
    let keys = known_keys(what);
    let unknown = |field: &&Field| !keys.is_empty() && !keys.contains(&field.name.as_str());
    let field = of_entry.iter().find(unknown)?;
    Some((field, of_entry))
}

fn unknown_key(key: &str, keys: &[&str], place: &Place) -> Error {
    let hint = match nearest(key, keys) {
        Some(key) => format!("did you mean {key}? Valid keys: {}", keys.join(", ")),
        None => format!("valid keys: {}", keys.join(", ")),
    };
    place
        .refused(format!("unknown key {key:?}"))
        .with_hint(hint)
}

/// The most similar key, if it is similar at all.
fn nearest<'k>(wrong: &str, keys: &[&'k str]) -> Option<&'k str> {
    let wrong: String = wrong.chars().take(64).collect::<String>().to_lowercase();
    let likeness = |key: &str| {
        let key = key.to_lowercase();
        match wrong.len() > 2 && key.contains(&wrong) {
            // As name in username.
            true => 0.9,
            false => strsim::jaro_winkler(&wrong, &key),
        }
    };
    let best = keys
        .iter()
        .max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    (likeness(best) >= 0.75).then_some(*best)
}

impl Entry {
    fn org(mut self) -> Result<Org> {
        Ok(Org {
            name: self.name()?,
            description: self.text("description")?,
        })
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

    fn token(mut self, secrets: &mut dyn Secrets, names: &mut HashSet<Rc<str>>) -> Result<Token> {
        let identity = self.identity()?;
        let mut shared = |name: Said<String>| {
            name.map(|name| match names.get(name.as_str()) {
                Some(known) => Rc::clone(known),
                None => {
                    let name: Rc<str> = name.into();
                    names.insert(Rc::clone(&name));
                    name
                }
            })
        };
        let org = shared(self.required("org")?);
        let user = shared(self.required("user")?);
        let grants = self.grants()?;
        let active = self.active()?;
        let mut out = None;
        let value = match self.only_one_of(["tokenFile", "hash", "value", "generate"], ONE_VALUE)? {
            ("tokenFile", file) => file
                .read(|path| secrets.token(path))?
                .map(token_plan::Value::Chosen),
            ("hash", hash) => hash.parsed()?,
            ("value", value) => {
                secrets
                    .may_have_values()
                    .map_err(|error| value.place.wrap(&error))?;
                value.map(|value| token_plan::Value::Chosen(SecretToken::new(value)))
            }
            (_, file) => {
                if let Identity::Description(description) = &identity {
                    let why = "a token with generate needs a name, by which a second run finds it";
                    return Err(description.place.refused(why));
                }
                file.read(|path| generate::value(path, secrets))?
                    .map(|(value, new_file)| {
                        out = new_file;
                        value
                    })
            }
        };
        Ok(Token {
            identity,
            org,
            user,
            grants,
            value,
            active,
            out,
        })
    }

    fn identity(&mut self) -> Result<Identity> {
        if let Some(description) = self.text("description")? {
            if let Some(name) = self.text("name")? {
                return Err(name
                    .place
                    .refused("only one of name and description is allowed")
                    .with_hint(
                        "name: the token is found by it later; description: exactly this text, and \
                         the token is found by its value",
                    ));
            }
            return Ok(Identity::Description(description));
        }
        let name = self.name()?;
        if description_tags::stripped(&name.value) != name.value {
            return Err(name.place.refused(
                "a name can't end with this suffix, which marks tokens created by apply",
            ));
        }
        Ok(Identity::Name(name))
    }

    /// The only field of these, and its name.
    fn only_one_of<const N: usize>(
        &mut self,
        names: [&'static str; N],
        hint: &str,
    ) -> Result<(&'static str, Said<String>)> {
        let mut found = None;
        for name in names {
            let Some(said) = self.text(name)? else {
                continue;
            };
            if found.replace((name, said)).is_some() {
                let why = format!("only one of {} is allowed", listed(&names, "and"));
                return Err(self.place.refused(why).with_hint(hint));
            }
        }
        found.ok_or_else(|| {
            let why = format!("{} required", listed(&names, "or"));
            self.place.refused(why).with_hint(hint)
        })
    }

    fn grants(&mut self) -> Result<Said<Grants>> {
        let kind = self.text("kind")?;
        let permissions = self.permissions()?;
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
                Ok(permissions.map(Grants::Each))
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
                         value: the token itself, in a list that only its owner can read; generate: \
                         a file created on the first run";

const ONE_POWER: &str = "kind: \"operator\" or \"all-access\"; permissions: a list such as \
                         [\"read:buckets\", \"write:buckets/metrics\"]";

/// The names of fields in a sentence.
fn listed(names: &[&str], last: &str) -> String {
    match names {
        [names @ .., name] if !names.is_empty() => format!("{} {last} {name}", names.join(", ")),
        names => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::error::ErrorKind;

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

        fn may_have_values(&self) -> Result<()> {
            Ok(())
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

    const EVERY_KIND: &str = r#"
[[user]]
name = "alice"
status = "inactive"
passwordHash = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"
[[bucket]]
name = "metrics"
org = "acme"
retention = "30d"
shardDuration = "1d"
[[v1]]
username = "grafana"
org = "acme"
user = "alice"
permissions = ["read:buckets/metrics"]
passwordFile = "pw"
[[dbrp]]
database = "metrics"
retentionPolicy = "autogen"
bucket = "metrics"
org = "acme"
default = true
"#;

    #[test]
    fn a_whole_list() {
        let list = read(WHOLE).unwrap();
        assert_eq!(list.orgs[0].name.value, "acme");
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
    fn numbers_of_a_list_of_every_kind() {
        let list = read(EVERY_KIND).unwrap();
        assert_eq!((list.buckets.len(), list.v1_users.len()), (1, 1));
        assert_eq!(list.mappings.len(), 1);
        assert_eq!(list.users[0].active, Some(false));
        assert!(matches!(&list.users[0].password, Some(Password::Hash(_))));
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
            ("[[v1]]\nname = \"a\"", 2, "did you mean username?"),
            ("[[v1]]\npermission = 1", 2, "did you mean permissions?"),
            (
                "[[dbrp]]\nretention = 1",
                2,
                "did you mean retentionPolicy?",
            ),
            (
                "[[bucket]]\nshardduration = 1",
                2,
                "did you mean shardDuration?",
            ),
            ("[[buckets]]", 1, "did you mean bucket?"),
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
                "line 1, token \"t\": tokenFile, hash, value or generate required",
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
                "line 1, token \"t\": only one of tokenFile, hash, value",
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
                "[[user]]\nname = \"a\"\nstatus = \"Active\"",
                "line 3, user \"a\", status: status must be active or inactive",
            ),
            (
                "[[user]]\nname = \"a\"\npasswordHash = \"secret\"",
                "line 3, user \"a\", passwordHash: not a password hash",
            ),
            (
                "[[user]]\nname = \"a\"\npasswordFile = \"f\"\npasswordHash = \"secret\"",
                "line 4, user \"a\", passwordHash: only one of passwordFile and passwordHash",
            ),
            (
                "[[bucket]]\nname = \"b\"",
                "line 1, bucket \"b\": org is missing",
            ),
            (
                "[[bucket]]\nname = \"b\"\norg = \"o\"\nretention = \"1 day\"",
                "line 4, bucket \"b\", retention: ",
            ),
            (
                "[[bucket]]\nname = \"b\"\norg = \"o\"\nretention = 30",
                "line 4, bucket \"b\", retention: expected a string, found a number",
            ),
            (
                "[[v1]]\nusername = \"\"",
                "line 2, v1 \"\", username: the name is empty",
            ),
            (
                "[[v1]]\nusername = \"a\"\norg = \"o\"",
                "line 1, v1 \"a\": permissions is missing",
            ),
            (
                "[[v1]]\nusername = \"a\"\norg = \"o\"\npermissions = []",
                "line 4, v1 \"a\", permissions: permissions must not be empty",
            ),
            (
                "[[dbrp]]\ndatabase = \"d\"\norg = \"o\"",
                "line 1, dbrp \"d\": bucket is missing",
            ),
            (
                "[[dbrp]]\ndatabase = \"d\"\nbucket = \"b\"\norg = \"o\"\ndefault = \"yes\"",
                "line 5, dbrp \"d\", default: expected true or false, found a string",
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
