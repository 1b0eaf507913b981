//! Differences of users, passwords, organizations and buckets.

use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::metadata::differences::{
    Comparison, Described, How, Kind, Side, org_name, undecodable, user_name,
};
use crate::metadata::{Bucket, Id, Organization, User, names};

impl Comparison<'_> {
    pub(super) fn names_and_logins(&mut self) -> Result<()> {
        let describe = |_: &Side<'_>, _: &[u8], value: &[u8]| match decode::<User>(value) {
            Some(user) => Described {
                summary: Some(shown_status(&user).to_owned()),
                name: user.name,
            },
            None => undecodable(),
        };
        self.records(
            Kind::User,
            names::USERS,
            describe,
            |comparison, key, was, is| {
                let (Some(was), Some(is)) = (decode::<User>(was), decode::<User>(is)) else {
                    return comparison.fields(Kind::User, key, "", []);
                };
                let status = |user: &User| shown_status(user).to_owned();
                let fields = [
                    (How::Status, status(&was), status(&is)),
                    (How::Name, was.name, is.name.clone()),
                ];
                comparison.fields(Kind::User, key, &is.name, fields);
            },
        )?;
        self.passwords()?;
        self.organizations()?;
        self.buckets()
    }

    fn passwords(&mut self) -> Result<()> {
        let name = |side: &Side<'_>, key: &[u8]| match Id::from_bytes(key) {
            Ok(id) => user_name(&side.catalog, id),
            Err(_) => String::new(),
        };
        self.records(
            Kind::Password,
            names::USER_PASSWORDS,
            |side, key, _| Described {
                name: name(side, key),
                summary: None,
            },
            |comparison, key, _, _| {
                let name = name(&comparison.after, key);
                comparison.fields(Kind::Password, key, &name, []);
            },
        )
    }

    fn organizations(&mut self) -> Result<()> {
        let describe = |_: &Side<'_>, _: &[u8], value: &[u8]| match decode::<Organization>(value) {
            Some(org) => Described {
                name: org.name,
                summary: None,
            },
            None => undecodable(),
        };
        self.records(
            Kind::Org,
            names::ORGANIZATIONS,
            describe,
            |comparison, key, was, is| {
                let decoded = (decode::<Organization>(was), decode::<Organization>(is));
                let (Some(was), Some(is)) = decoded else {
                    return comparison.fields(Kind::Org, key, "", []);
                };
                let fields = [
                    (How::Name, was.name, is.name.clone()),
                    (How::Description, was.description, is.description),
                ];
                comparison.fields(Kind::Org, key, &is.name, fields);
            },
        )
    }

    fn buckets(&mut self) -> Result<()> {
        let describe = |side: &Side<'_>, _: &[u8], value: &[u8]| match decode::<Bucket>(value) {
            Some(bucket) => Described {
                summary: Some(format!(
                    "of {}, retention {}",
                    org_name(&side.catalog, bucket.org_id),
                    duration(bucket.retention_period)
                )),
                name: bucket.name,
            },
            None => undecodable(),
        };
        self.records(
            Kind::Bucket,
            names::BUCKETS,
            describe,
            |comparison, key, was, is| {
                let (Some(was), Some(is)) = (decode::<Bucket>(was), decode::<Bucket>(is)) else {
                    return comparison.fields(Kind::Bucket, key, "", []);
                };
                let orgs = (
                    org_name(&comparison.before.catalog, was.org_id),
                    org_name(&comparison.after.catalog, is.org_id),
                );
                let mut fields = vec![
                    (How::Name, was.name, is.name.clone()),
                    (How::Description, was.description, is.description),
                    (
                        How::Retention,
                        duration(was.retention_period),
                        duration(is.retention_period),
                    ),
                    (
                        How::ShardGroupDuration,
                        duration(was.shard_group_duration),
                        duration(is.shard_group_duration),
                    ),
                ];
                if was.org_id != is.org_id {
                    fields.push((How::Organization, orgs.0, orgs.1));
                }
                comparison.fields(Kind::Bucket, key, &is.name, fields);
            },
        )
    }
}

/// The status as the server's API shows it: one without a status is active.
fn shown_status(user: &User) -> &str {
    match user.status.as_str() {
        "" => "active",
        status => status,
    }
}

fn decode<T: DeserializeOwned>(value: &[u8]) -> Option<T> {
    serde_json::from_slice(value).ok()
}

/// Nanoseconds as hours, or as nanoseconds if they are no whole hours; 0 is for ever.
fn duration(nanoseconds: i64) -> String {
    const HOUR: i64 = 3_600_000_000_000;
    match (nanoseconds, nanoseconds % HOUR) {
        (0, _) => String::from("infinite"),
        (_, 0) => format!("{}h", nanoseconds / HOUR),
        _ => format!("{nanoseconds}ns"),
    }
}
