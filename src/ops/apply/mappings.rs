//! Mappings of 1.x databases of a list.

use std::collections::{HashMap, HashSet};

use crate::error::Result;
use crate::metadata::dbrp::{AUTOGEN, database_key};
use crate::metadata::{Bucket, Catalog, Id, Organization, names};
use crate::ops::apply::entry::Entry;
use crate::ops::apply::said::Said;
use crate::ops::apply::{Action, Kind, PlannedChange, Work};
use crate::ops::commit::all_decoded;
use crate::ops::resolve;
use crate::ops::v1::dbrp::create::New;
use crate::ops::v1::dbrp::find::{has_dbrps, load, names_are_valid};
use crate::ops::v1::dbrp::update::{Values, edit, make_default};
use crate::store::ChangeSet;

/// A mapping, new or existing.
pub(super) struct Mapping {
    database: Said<String>,
    /// None: [`AUTOGEN`].
    policy: Option<Said<String>>,
    bucket: Said<String>,
    org: Said<String>,
    /// Whether it is the default of its database; none keeps the default.
    default: Option<Said<bool>>,
}

impl Entry {
    pub(super) fn mapping(mut self) -> Result<Mapping> {
        Ok(Mapping {
            database: self.required("database")?,
            policy: self.text("retentionPolicy")?,
            bucket: self.required("bucket")?,
            org: self.required("org")?,
            default: self.flag("default")?,
        })
    }
}

/// A mapping with its names resolved to records.
struct Meant<'a> {
    said: &'a Mapping,
    org: &'a Organization,
    bucket: &'a Bucket,
    policy: &'a str,
}

impl Meant<'_> {
    fn default(&self) -> Option<bool> {
        self.said.default.as_ref().map(|said| said.value)
    }

    fn name(&self) -> String {
        format!("{}/{}", self.said.database.value, self.policy)
    }
}

/// Creates missing mappings and updates existing ones.
pub(super) fn mappings(work: &mut Work<'_>, list: &[Mapping]) -> Result<()> {
    if list.is_empty() {
        return Ok(());
    }
    has_dbrps(work.schema)?;
    let catalog = Catalog::load(&work.preview())?;
    all_decoded(&catalog.skipped)?;
    let meant = meant(list, &catalog)?;
    for one in &meant {
        put(work, one)?;
    }
    // When all are there: another one becomes the default.
    for one in meant.iter().filter(|one| one.default() == Some(false)) {
        unset_default(work, one)?;
    }
    Ok(())
}

/// Resolves the names in the list.
fn meant<'a>(list: &'a [Mapping], catalog: &'a Catalog) -> Result<Vec<Meant<'a>>> {
    let mut known = HashSet::new();
    let mut defaults = HashMap::new();
    let mut meant = Vec::with_capacity(list.len());
    for said in list {
        let org = resolve::org_named(catalog, &said.org.value)
            .map_err(|error| said.org.place.wrap(&error))?;
        let bucket = resolve::bucket_named(catalog, org.id, &said.bucket.value)
            .map_err(|error| said.bucket.place.wrap(&error))?;
        let database = said.database.value.as_str();
        let policy = said.policy.as_ref().map_or(AUTOGEN, |said| &said.value);
        names_are_valid(database, policy).map_err(|error| said.database.place.wrap(&error))?;
        if !known.insert((org.id, database, policy)) {
            let why = "duplicate database and retention policy";
            return Err(said.database.place.refused(why));
        }
        if let Some(default) = said.default.as_ref().filter(|said| said.value) {
            let line = default.place.line();
            if let Some(first) = defaults.insert((org.id, database), line) {
                let why = format!("line {first} has the default of this database");
                return Err(default.place.refused(why));
            }
        }
        meant.push(Meant {
            said,
            org,
            bucket,
            policy,
        });
    }
    Ok(meant)
}

/// Creates the mapping, or corrects its bucket and makes it the default.
fn put(work: &mut Work<'_>, meant: &Meant<'_>) -> Result<()> {
    let database = meant.said.database.value.as_str();
    let place = &meant.said.database.place;
    let stored = load(&work.preview())?;
    let existing = stored.mappings.iter().find(|(_, one)| {
        one.org == Some(meant.org.id)
            && one.database == database
            && one.retention_policy == meant.policy
    });
    let Some((id, mapping)) = existing else {
        let new = New {
            org: meant.org.id,
            bucket: meant.bucket.id,
            database,
            policy: meant.policy,
            default: meant.default() == Some(true),
        };
        let (changes, id) = new
            .changes(&work.preview(), work.now)
            .map_err(|error| place.wrap(&error))?;
        work.plan.changes.extend(changes);
        let details = vec![format!("to bucket {:?}", meant.bucket.name)];
        planned(work, meant, Action::Create, id, details);
        return Ok(());
    };
    let id = *id;
    let mut details = Vec::new();
    let mut values = Values::default();
    let mut changes = ChangeSet::default();
    if mapping.bucket != Some(meant.bucket.id) {
        values.bucket = Some(meant.bucket.id);
        details.push(format!("to bucket {:?}", meant.bucket.name));
    }
    if meant.default() == Some(true) && !stored.is_default(id, mapping) {
        values.default = Some(true);
        make_default(&mut changes, id, mapping).map_err(|error| place.wrap(&error))?;
        details.push("default of its database".into());
    }
    if details.is_empty() {
        // The second pass may still change its default.
        let stays = meant.default() != Some(false) || !stored.is_default(id, mapping);
        work.plan.same += usize::from(stays);
        return Ok(());
    }
    edit(&work.preview(), &mut changes, id, &values).map_err(|error| place.wrap(&error))?;
    work.plan.changes.extend(changes);
    planned(work, meant, Action::Update, id, details);
    Ok(())
}

/// Makes the first other mapping of the database its default, as influxd does.
fn unset_default(work: &mut Work<'_>, meant: &Meant<'_>) -> Result<()> {
    let database = meant.said.database.value.as_str();
    let stored = load(&work.preview())?;
    let this = stored.mappings.iter().find(|(id, one)| {
        one.org == Some(meant.org.id)
            && one.database == database
            && one.retention_policy == meant.policy
            && stored.is_default(**id, one)
    });
    let Some((id, mapping)) = this else {
        return Ok(());
    };
    let is_planned = work.plan.planned.iter().any(|one| one.id == *id);
    let Some(next) = stored.others_of_database(*id, mapping).first().copied() else {
        work.plan.notes.push(format!(
            "{}: the only mapping of database {database:?} stays its default",
            meant.said.database.place
        ));
        work.plan.same += usize::from(!is_planned);
        return Ok(());
    };
    let id = *id;
    let mut changes = ChangeSet::default();
    let key = database_key(meant.org.id, database);
    changes.put(names::DBRP_DEFAULT, &key, next.to_string().as_bytes());
    let values = Values {
        default: Some(false),
        ..Values::default()
    };
    edit(&work.preview(), &mut changes, id, &values)?;
    work.plan.changes.extend(changes);
    let detail = format!("not the default of its database any more; mapping {next} is");
    planned(work, meant, Action::Update, id, vec![detail]);
    Ok(())
}

fn planned(work: &mut Work<'_>, meant: &Meant<'_>, action: Action, id: Id, details: Vec<String>) {
    work.plan.planned.push(PlannedChange {
        action,
        kind: Kind::Dbrp,
        id,
        name: meant.name(),
        org: Some(meant.org.name.clone()),
        details,
    });
}
