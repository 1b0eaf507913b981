//! Who holds what: users and tokens against powers and buckets, in a table of limited size, and how
//! many tokens reach each bucket.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::metadata::permission::{
    Action, INSTANCE, OPERATOR_TYPES, Permission, RESOURCE_TYPES, allows,
};
use crate::metadata::{Id, Kind, Mapping};
use crate::ops::bucket::list::Bucket;
use crate::ops::report::tokens::{Grant, ReportedToken, State, name};
use crate::ops::user::list::User;

/// Buckets with a column of their own.
const MOST_BUCKETS: usize = 16;
/// Rows.
const MOST_ROWS: usize = 200;
/// IDs of tokens that a row names.
const MOST_NAMED: usize = 3;

/// Columns for types of resources: a name, and the types.
const POWERS: [(&str, &[&str]); 7] = [
    ("tokens", &["authorizations"]),
    ("users, organizations", &["users", "orgs"]),
    ("secrets", &["secrets"]),
    (
        "tasks, alerts",
        &[
            "tasks",
            "checks",
            "notificationRules",
            "notificationEndpoints",
        ],
    ),
    (
        "dashboards, notes",
        &[
            "dashboards",
            "views",
            "variables",
            "labels",
            "notebooks",
            "annotations",
            "documents",
        ],
    ),
    (
        "sources, remotes",
        &[
            "sources",
            "telegrafs",
            "scrapers",
            "dbrp",
            "remotes",
            "replications",
        ],
    ),
    ("all buckets", &["buckets"]),
];

/// The table.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Holdings {
    /// The columns: powers, then buckets.
    pub columns: Vec<Column>,
    /// The rows: by user, those with most power first.
    pub rows: Vec<Holder>,
    /// How many buckets have no column.
    pub buckets_left_out: u64,
    /// How many rows were left out.
    pub rows_left_out: u64,
    /// For each bucket how many tokens reach it, in the order of the buckets.
    #[serde(skip)]
    pub reach: Vec<Reach>,
}

/// A column.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Column {
    /// What it is about.
    pub name: String,
    /// The organization of a bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org: Option<String>,
    /// The ID of a bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// The types of resources of a power.
    #[serde(skip)]
    types: &'static [&'static str],
    #[serde(skip)]
    org_id: Option<Id>,
}

/// What has permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum What {
    /// A user who signs in with a password.
    #[serde(rename = "login")]
    Login,
    /// Tokens.
    #[serde(rename = "tokens")]
    Tokens,
    /// 1.x-compatible authorizations.
    #[serde(rename = "v1")]
    V1,
}

/// A row: a login, or tokens of one user and organization that have the same cells and state.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// The user's name; none if the user was deleted or there is none.
    #[serde(serialize_with = "name")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub user: Option<Arc<str>>,
    /// The user.
    #[serde(rename = "userID")]
    pub user_id: Option<Id>,
    /// What it is.
    pub what: What,
    /// The kind of the tokens; none for a login.
    pub kind: Option<Kind>,
    /// The organization of the tokens; none for a login, or if it was deleted.
    #[serde(serialize_with = "name")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub org: Option<Arc<str>>,
    /// Whether the tokens work; none for a login.
    pub state: Option<State>,
    /// How many tokens; 0 for a login.
    pub tokens: u64,
    /// The first tokens.
    pub ids: Vec<Id>,
    /// The description of the first token, or the 1.x user name.
    pub description: String,
    /// For each column.
    pub cells: Vec<Cell>,
}

/// How much of something an action is allowed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Extent {
    /// Of nothing.
    None,
    /// Of single resources, or some of the types.
    Some,
    /// Of everything, at least in one organization.
    All,
}

/// What is allowed. In JSON: `R` and `W` for everything, `r` and `w` for some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cell {
    /// Reading.
    pub read: Extent,
    /// Writing.
    pub write: Extent,
}

impl Cell {
    /// As in JSON.
    #[must_use]
    pub fn text(self) -> &'static str {
        use Extent::{All, None, Some};
        match (self.read, self.write) {
            (None, None) => "",
            (Some, None) => "r",
            (All, None) => "R",
            (None, Some) => "w",
            (None, All) => "W",
            (Some, Some) => "rw",
            (All, Some) => "Rw",
            (Some, All) => "rW",
            (All, All) => "RW",
        }
    }

    fn weight(self) -> u64 {
        let of = |extent| match extent {
            Extent::None => 0,
            Extent::Some => 1,
            Extent::All => 100,
        };
        // Writing is more.
        of(self.read) + 2 * of(self.write)
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Cell {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cell".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "What a token may do with a kind of resource: `r` to read some of them, `R` \
                all of them, `w` and `W` the same for writing; empty if nothing.",
            "type": "string",
            "pattern": "^[rR]?[wW]?$"
        })
    }
}

/// How many tokens that are not known to be unusable reach a bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reach {
    /// For reading.
    pub readers: u64,
    /// For writing.
    pub writers: u64,
}

/// What the table is made of.
pub(super) struct Facts<'a> {
    pub(super) tokens: &'a [ReportedToken],
    pub(super) v1: &'a [ReportedToken],
    pub(super) users: &'a [User],
    pub(super) buckets: &'a [Bucket],
    pub(super) mappings: &'a [Mapping],
}

/// Makes the table.
pub(super) fn holdings(facts: &Facts<'_>) -> Holdings {
    let (columns, buckets_left_out) = columns(facts);
    let mut rows = logins(facts, &columns);
    rows.extend(token_rows(facts, &columns));
    sort(&mut rows);
    let rows_left_out = rows.len().saturating_sub(MOST_ROWS) as u64;
    rows.truncate(MOST_ROWS);
    Holdings {
        reach: reach(facts),
        columns,
        rows,
        buckets_left_out,
        rows_left_out,
    }
}

/// The columns, and how many buckets have none.
fn columns(facts: &Facts<'_>) -> (Vec<Column>, u64) {
    let mut columns: Vec<Column> = POWERS
        .iter()
        .map(|(name, types)| Column {
            name: (*name).to_owned(),
            org: None,
            id: None,
            types,
            org_id: None,
        })
        .collect();
    // How many tokens name a bucket.
    let mut named: HashMap<Id, u64> = HashMap::new();
    for token in facts.tokens.iter().chain(facts.v1) {
        let ids = token.grant.held.iter().filter_map(bucket_id);
        for id in ids.collect::<HashSet<_>>() {
            *named.entry(id).or_default() += 1;
        }
    }
    let wanted = |bucket: &&Bucket| bucket.kind == "user" || named.contains_key(&bucket.id);
    let mut chosen: Vec<&Bucket> = facts.buckets.iter().filter(wanted).collect();
    let left_out = chosen.len().saturating_sub(MOST_BUCKETS) as u64;
    if left_out > 0 {
        chosen.sort_by_key(|bucket| (Reverse(named.get(&bucket.id)), bucket.id));
        chosen.truncate(MOST_BUCKETS);
    }
    chosen.sort_by(|a, b| (&a.org, &a.name, a.id).cmp(&(&b.org, &b.name, b.id)));
    columns.extend(chosen.into_iter().map(|bucket| Column {
        name: bucket.name.clone(),
        org: bucket.org.clone(),
        id: Some(bucket.id),
        types: &[],
        org_id: Some(bucket.org_id),
    }));
    (columns, left_out)
}

/// The single bucket that a permission is about.
fn bucket_id(permission: &Permission<'_>) -> Option<Id> {
    let resource = &permission.resource;
    resource.id.filter(|_| resource.kind == "buckets")
}

fn cells(held: &[Permission<'_>], columns: &[Column]) -> Vec<Cell> {
    let cell = |column: &Column| Cell {
        read: extent(held, Action::Read, column),
        write: extent(held, Action::Write, column),
    };
    columns.iter().map(cell).collect()
}

fn extent(held: &[Permission<'_>], action: Action, column: &Column) -> Extent {
    if let Some(id) = column.id {
        let request = Permission::new(action, "buckets", Some(id), column.org_id);
        return match allows(held, &request) {
            true => Extent::All,
            false => Extent::None,
        };
    }
    let mut of_types = column.types.iter().map(|kind| {
        let of_type = held.iter().filter(|permission| {
            let granted = &permission.resource.kind;
            permission.action == action && (granted == kind || granted == INSTANCE)
        });
        let extents = of_type.map(|permission| match permission.resource.id {
            None => Extent::All,
            Some(_) => Extent::Some,
        });
        extents.max().unwrap_or(Extent::None)
    });
    let first = of_types.next().unwrap_or(Extent::None);
    let equal = |one: Extent, other: Extent| match one == other {
        true => one,
        false => Extent::Some,
    };
    of_types.fold(first, equal)
}

/// A row for each user who can sign in, or may be able to: a login has the permissions of all tokens
/// of its user, whatever their state, and those of an owner or a member of organizations.
fn logins(facts: &Facts<'_>, columns: &[Column]) -> Vec<Holder> {
    let mut tokens: HashMap<Id, Vec<&Arc<Grant>>> = HashMap::new();
    for token in facts.tokens {
        if let Some(user) = token.user_id {
            tokens.entry(user).or_default().push(&token.grant);
        }
    }
    let mut mappings: HashMap<Id, Vec<&Mapping>> = HashMap::new();
    for mapping in facts.mappings {
        mappings.entry(mapping.user_id).or_default().push(mapping);
    }
    let can_sign_in = |user: &&User| user.signs_in != Some(false);
    let logins = facts.users.iter().filter(can_sign_in).map(|user| {
        let mut held: HashSet<Permission<'_>> = HashSet::new();
        let mut seen: HashSet<*const Grant> = HashSet::new();
        for grant in tokens.get(&user.id).into_iter().flatten() {
            if seen.insert(Arc::as_ptr(grant)) {
                held.extend(grant.held.iter().cloned());
            }
        }
        for mapping in mappings.get(&user.id).into_iter().flatten() {
            held.extend(of_mapping(mapping));
        }
        let held: Vec<Permission<'_>> = held.into_iter().collect();
        Holder {
            user: Some(user.name.as_str().into()),
            user_id: Some(user.id),
            what: What::Login,
            kind: None,
            org: None,
            state: None,
            tokens: 0,
            ids: Vec::new(),
            description: String::new(),
            cells: cells(&held, columns),
        }
    });
    logins.collect()
}

/// What an owner or a member of an organization may do, or the owner of the instance.
fn of_mapping(mapping: &Mapping) -> Vec<Permission<'static>> {
    let all = |org: Option<Id>, actions: &[Action]| -> Vec<Permission<'static>> {
        let types = RESOURCE_TYPES.iter().take(OPERATOR_TYPES);
        let types = types.filter(|kind| org.is_none() || !matches!(**kind, "users" | "orgs"));
        types
            .flat_map(|kind| {
                actions
                    .iter()
                    .map(move |a| Permission::new(*a, *kind, None, org))
            })
            .collect()
    };
    if mapping.owns_instance() {
        return all(None, &Action::ALL);
    }
    if mapping.resource_type != "orgs" {
        return Vec::new();
    }
    let org = Some(mapping.resource_id);
    let actions: &[Action] = match mapping.owns_org() {
        true => &Action::ALL,
        false => &[Action::Read],
    };
    let itself = actions
        .iter()
        .map(|action| Permission::new(*action, "orgs", org, None));
    all(org, actions).into_iter().chain(itself).collect()
}

/// What the tokens of one row have in common.
type RowKey = (What, Option<Id>, Id, Kind, State, Vec<Cell>);

/// Rows for tokens: one for all of a user and an organization that the table shows alike.
fn token_rows(facts: &Facts<'_>, columns: &[Column]) -> Vec<Holder> {
    let mut of_grants: HashMap<*const Grant, Vec<Cell>> = HashMap::new();
    let mut places: HashMap<RowKey, usize> = HashMap::new();
    let mut rows: Vec<Holder> = Vec::new();
    let tokens = facts.tokens.iter().map(|token| (What::Tokens, token));
    let v1 = facts.v1.iter().map(|token| (What::V1, token));
    for (what, token) in tokens.chain(v1) {
        let grant = &token.grant;
        let cells = of_grants
            .entry(Arc::as_ptr(grant))
            .or_insert_with(|| cells(&grant.held, columns));
        let (user, org, state) = (token.user_id, token.org_id, token.state());
        let key = (what, user, org, token.kind, state, cells.clone());
        let place = *places.entry(key).or_insert_with(|| {
            rows.push(Holder {
                user: token.user.clone(),
                user_id: token.user_id,
                what,
                kind: Some(token.kind),
                org: token.org.clone(),
                state: Some(state),
                tokens: 0,
                ids: Vec::new(),
                description: match &token.username {
                    Some(name) => name.clone(),
                    None => token.description.clone(),
                },
                cells: cells.clone(),
            });
            rows.len() - 1
        });
        if let Some(row) = rows.get_mut(place) {
            row.tokens += 1;
            if row.ids.len() < MOST_NAMED {
                row.ids.push(token.id);
            }
        }
    }
    rows
}

/// Users with most power first; of a user the login first, then tokens with most power.
fn sort(rows: &mut [Holder]) {
    let weight = |row: &Holder| row.cells.iter().map(|cell| cell.weight()).sum::<u64>();
    let mut most: BTreeMap<Option<Id>, u64> = BTreeMap::new();
    for row in rows.iter() {
        let known = most.entry(row.user_id).or_default();
        *known = (*known).max(weight(row));
    }
    rows.sort_by_cached_key(|row| {
        (
            Reverse(most.get(&row.user_id).copied()),
            row.user_id,
            row.what != What::Login,
            Reverse(weight(row)),
            row.what,
            row.state,
            Reverse(row.tokens),
            row.ids.first().copied(),
        )
    });
}

/// How many tokens may do something with buckets, each counted once for a bucket.
#[derive(Default)]
struct Reached {
    everywhere: u64,
    by_org: HashMap<Id, u64>,
    by_id: HashMap<Id, u64>,
}

impl Reached {
    fn of(grants: &[(&Grant, u64)], action: Action, orgs: &HashMap<Id, Id>) -> Self {
        let mut reached = Self::default();
        for (grant, tokens) in grants {
            let of_buckets: Vec<&Permission<'_>> = grant
                .held
                .iter()
                .filter(|permission| {
                    let kind = &permission.resource.kind;
                    permission.action == action && (kind == "buckets" || kind == INSTANCE)
                })
                .collect();
            let is_global = |permission: &&Permission<'_>| {
                let resource = &permission.resource;
                resource.kind == INSTANCE || resource.id.is_none() && resource.org_id.is_none()
            };
            if of_buckets.iter().any(is_global) {
                reached.everywhere += tokens;
                continue;
            }
            let whole = of_buckets.iter().filter(|p| p.resource.id.is_none());
            let whole: HashSet<Id> = whole.filter_map(|p| p.resource.org_id).collect();
            let single = of_buckets.iter().filter_map(|p| bucket_id(p));
            let single = single.filter(|id| orgs.get(id).is_none_or(|org| !whole.contains(org)));
            for id in single.collect::<HashSet<_>>() {
                *reached.by_id.entry(id).or_default() += tokens;
            }
            for org in whole {
                *reached.by_org.entry(org).or_default() += tokens;
            }
        }
        reached
    }

    fn bucket(&self, bucket: &Bucket) -> u64 {
        let number = |counts: &HashMap<Id, u64>, id: Id| counts.get(&id).copied().unwrap_or(0);
        self.everywhere + number(&self.by_org, bucket.org_id) + number(&self.by_id, bucket.id)
    }
}

/// How many tokens reach each bucket.
fn reach(facts: &Facts<'_>) -> Vec<Reach> {
    let mut grants: HashMap<*const Grant, (&Grant, u64)> = HashMap::new();
    for token in facts.tokens.iter().chain(facts.v1) {
        if matches!(token.state(), State::Usable | State::Unknown) {
            let grant = &token.grant;
            let counted = grants.entry(Arc::as_ptr(grant)).or_insert((grant, 0));
            counted.1 += 1;
        }
    }
    let grants: Vec<(&Grant, u64)> = grants.into_values().collect();
    let orgs: HashMap<Id, Id> = facts.buckets.iter().map(|b| (b.id, b.org_id)).collect();
    let [read, write] = Action::ALL.map(|action| Reached::of(&grants, action, &orgs));
    let reached = facts.buckets.iter().map(|bucket| Reach {
        readers: read.bucket(bucket),
        writers: write.bucket(bucket),
    });
    reached.collect()
}
