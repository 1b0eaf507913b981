//! The permission flags of `influx auth create`: one for reading and one for writing, for each
//! resource type.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::metadata::Id;
use crate::metadata::permission::Action;
use crate::ops::auth::create::Grant;

/// The given flags, in the order of the influx CLI.
#[derive(Debug, Clone, Default)]
pub struct PermissionFlags {
    /// Empty if there are none.
    pub grants: Vec<Grant>,
}

/// Resource type, read flag, write flag.
type Flags = (&'static str, &'static str, &'static str);

macro_rules! flags {
    ($($kind:literal)*) => {
        &[$(($kind, concat!("read-", $kind), concat!("write-", $kind))),*]
    };
}

/// In the order of the influx CLI.
const TYPES: &[Flags] = flags!(
    "authorizations" "buckets" "dashboards" "orgs" "tasks" "telegrafs" "users" "variables"
    "secrets" "labels" "views" "documents" "notificationRules" "notificationEndpoints" "checks"
    "dbrp" "annotations" "sources" "scrapers" "notebooks" "remotes" "replications"
);

/// Resource types of InfluxDB Cloud. The influx CLI has flags for them; no OSS server knows them.
const OF_CLOUD: &[Flags] = flags!("flows" "functions" "subscriptions");

/// The flags for single buckets, by ID.
const BUCKETS: [(Action, &str); 2] = [
    (Action::Read, "read-bucket"),
    (Action::Write, "write-bucket"),
];

impl Args for PermissionFlags {
    fn augment_args(command: Command) -> Command {
        let mut command = command.next_help_heading("Permissions");
        for (action, name) in BUCKETS {
            command = command.arg(
                Arg::new(name)
                    .long(name)
                    .value_name("ID")
                    .action(ArgAction::Append)
                    .value_parser(bucket_id)
                    .help(format!(
                        "Permission to {action} this bucket; may be repeated"
                    )),
            );
        }
        for (flags, hidden) in [(TYPES, false), (OF_CLOUD, true)] {
            for (kind, read, write) in flags {
                let where_to = match *kind {
                    "orgs" | "users" => "in all organizations",
                    _ => "of the organization",
                };
                for (action, name) in [(Action::Read, *read), (Action::Write, *write)] {
                    let mut arg = Arg::new(name)
                        .long(name)
                        .action(ArgAction::SetTrue)
                        .hide(hidden)
                        .help(format!("Permission to {action} {kind} {where_to}"));
                    // The name in the influx CLI's documentation.
                    arg = match name {
                        "read-dbrp" => arg.alias("read-dbrps"),
                        "write-dbrp" => arg.alias("write-dbrps"),
                        _ => arg,
                    };
                    command = command.arg(arg);
                }
            }
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PermissionFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut grants = Vec::new();
        for (action, name) in BUCKETS {
            let ids = matches.get_many::<Id>(name).into_iter().flatten();
            grants.extend(ids.map(|id| Grant::Bucket(action, *id)));
        }
        for (kind, read, write) in TYPES.iter().chain(OF_CLOUD) {
            for (action, name) in [(Action::Read, *read), (Action::Write, *write)] {
                if matches.get_flag(name) {
                    grants.push(Grant::Type(action, kind));
                }
            }
        }
        Ok(Self { grants })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn bucket_id(text: &str) -> Result<Id, String> {
    text.parse()
        .map_err(|cause| format!("{cause} (did you pass a bucket name instead of an ID?)"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::permission::types_of;

    #[test]
    fn there_are_flags_for_every_type() {
        let mut ours: Vec<&str> = TYPES.iter().map(|(kind, ..)| *kind).collect();
        let mut all = types_of(u64::MAX).to_vec();
        ours.sort_unstable();
        all.sort_unstable();
        assert_eq!(ours, all);
    }
}
