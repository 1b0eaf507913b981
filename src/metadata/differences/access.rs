//! Differences of owners and members, and of 1.x access.

use crate::error::Result;
use crate::metadata::dbrp::Dbrp;
use crate::metadata::differences::{
    Comparison, Described, How, Kind, Side, bucket_name, org_name, undecodable, user_name,
};
use crate::metadata::{Authorization, Catalog, Id, Mapping, names};

impl Comparison<'_> {
    pub(super) fn access(&mut self) -> Result<()> {
        self.mappings()?;
        self.v1_authorizations()?;
        self.v1_passwords()?;
        self.dbrp_mappings()
    }

    fn mappings(&mut self) -> Result<()> {
        let describe = |side: &Side<'_>, _: &[u8], value: &[u8]| Described {
            name: match serde_json::from_slice::<Mapping>(value) {
                Ok(mapping) => role(&mapping, &side.catalog),
                Err(_) => String::from("a record that can't be decoded"),
            },
            summary: None,
        };
        self.records(
            Kind::Mapping,
            names::MAPPINGS,
            describe,
            |comparison, key, was, is| {
                let was = describe(&comparison.before, key, was).name;
                let is = describe(&comparison.after, key, is).name;
                let name = is.clone();
                comparison.fields(Kind::Mapping, key, &name, [(How::Changed, was, is)]);
            },
        )
    }

    fn v1_passwords(&mut self) -> Result<()> {
        let name = |side: &Side<'_>, key: &[u8]| -> String {
            let record = side.snapshot.get(names::LEGACY_AUTHORIZATIONS, key);
            let record = record.ok().flatten().unwrap_or_default();
            let bucket = names::LEGACY_AUTHORIZATIONS;
            match <Authorization<'_>>::decode(bucket, key, &record) {
                Ok(record) => record.token.to_string(),
                Err(_) => String::new(),
            }
        };
        self.records(
            Kind::V1Password,
            names::LEGACY_PASSWORDS,
            |side, key, _| Described {
                name: name(side, key),
                summary: None,
            },
            |comparison, key, _, _| {
                let name = name(&comparison.after, key);
                comparison.fields(Kind::V1Password, key, &name, []);
            },
        )
    }

    fn dbrp_mappings(&mut self) -> Result<()> {
        let describe = |side: &Side<'_>, key: &[u8], value: &[u8]| {
            let Ok(mapping) = Dbrp::decode(value) else {
                return undecodable();
            };
            let id = Id::from_bytes(key);
            let is_default = id.is_ok_and(|id| side.default_mappings.contains(&id));
            Described {
                summary: Some(format!(
                    "to bucket {}{}",
                    bucket_of(&mapping, &side.catalog),
                    if is_default { ", default" } else { "" }
                )),
                name: name_of(&mapping),
            }
        };
        self.records(
            Kind::Dbrp,
            names::DBRP,
            describe,
            |comparison, key, was, is| {
                let (Ok(was), Ok(is)) = (Dbrp::decode(was), Dbrp::decode(is)) else {
                    return comparison.fields(Kind::Dbrp, key, "", []);
                };
                let (before, after) = (&comparison.before.catalog, &comparison.after.catalog);
                let orgs = |org: Option<Id>, catalog: &Catalog| {
                    org.map_or_else(String::new, |id| org_name(catalog, id))
                };
                let fields = [
                    (How::Name, name_of(&was), name_of(&is)),
                    (How::Bucket, bucket_of(&was, before), bucket_of(&is, after)),
                    (
                        How::Organization,
                        orgs(was.org, before),
                        orgs(is.org, after),
                    ),
                ];
                // The record also says whether it was made as the default. Whether it is the default
                // is in another bucket.
                let name = name_of(&is);
                if fields.iter().any(|(_, before, after)| before != after) {
                    comparison.fields(Kind::Dbrp, key, &name, fields);
                }
            },
        )?;
        // Mappings in both stores that became, or no longer are, the default of their database.
        let defaults = [&self.before, &self.after].map(|side| side.default_mappings.clone());
        let [was_default, is_default] = &defaults;
        for id in was_default.symmetric_difference(is_default) {
            let key = id.to_string();
            let get = |side: &Side<'_>| side.snapshot.get(names::DBRP, key.as_bytes());
            let (Some(_), Some(is)) = (get(&self.before)?, get(&self.after)?) else {
                continue;
            };
            let name = Dbrp::decode(&is).map(|mapping| name_of(&mapping));
            let [before, after] = defaults
                .each_ref()
                .map(|defaults| Some(defaults.contains(id).to_string()));
            let name = name.unwrap_or_default();
            self.push(Kind::Dbrp, How::Default, key, name, before, after);
        }
        Ok(())
    }
}

/// `alice, owner of orgs/acme`.
fn role(mapping: &Mapping, catalog: &Catalog) -> String {
    let id = mapping.resource_id;
    let resource = match mapping.resource_type.as_str() {
        "orgs" => org_name(catalog, id),
        "buckets" => bucket_name(catalog, id),
        _ => id.to_string(),
    };
    let user = user_name(catalog, mapping.user_id);
    if mapping.owns_instance() {
        return format!("{user}, owner of the instance");
    }
    format!(
        "{user}, {} of {}/{resource}",
        mapping.user_type, mapping.resource_type
    )
}

/// The database and retention policy of a mapping: `collectd/autogen`.
fn name_of(mapping: &Dbrp) -> String {
    format!("{}/{}", mapping.database, mapping.retention_policy)
}

fn bucket_of(mapping: &Dbrp, catalog: &Catalog) -> String {
    mapping
        .bucket
        .map_or_else(String::new, |id| bucket_name(catalog, id))
}
