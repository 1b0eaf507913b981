//! The options that choose authorizations, of `auth list` and of `capture`.

use clap::{Args, ValueEnum};

use crate::metadata::{Can, Id, Kind, Storage};
use crate::ops::auth::list::Filters;

/// Which authorizations; filters combine.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Filters")]
pub struct FilterArgs {
    /// The one with this ID
    #[arg(long, short = 'i', value_name = "ID")]
    id: Option<Id>,
    /// Of the user with this name
    #[arg(long, short = 'u', value_name = "NAME", conflicts_with = "user_id")]
    user: Option<String>,
    /// Of the user with this ID, deleted or not
    #[arg(long, value_name = "ID")]
    user_id: Option<Id>,
    /// Of the organization with this name
    #[arg(long, short = 'o', value_name = "NAME", conflicts_with = "org_id")]
    org: Option<String>,
    /// Of the organization with this ID, deleted or not
    #[arg(long, value_name = "ID")]
    org_id: Option<Id>,
    /// Active or inactive
    #[arg(long, value_name = "STATUS")]
    status: Option<StatusArg>,
    /// By what they may do
    #[arg(long, value_name = "KIND")]
    kind: Option<KindArg>,
    /// By how the token is kept
    #[arg(long, value_name = "STORAGE")]
    storage: Option<StorageArg>,
    /// Whose user or organization was deleted
    #[arg(long)]
    orphaned: bool,
    /// That may do this, by permission alone: write, write:buckets, write:buckets/NAME
    #[arg(long, value_name = "ACTION[:TYPE[/NAME-OR-ID]]")]
    can: Option<Can>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StatusArg {
    Active,
    Inactive,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum KindArg {
    Operator,
    AllAccess,
    Custom,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum StorageArg {
    Plaintext,
    Hashed,
    Both,
    Missing,
}

impl From<FilterArgs> for Filters {
    fn from(args: FilterArgs) -> Self {
        Self {
            id: args.id,
            user: args.user,
            user_id: args.user_id,
            org: args.org,
            org_id: args.org_id,
            active: args.status.map(|s| matches!(s, StatusArg::Active)),
            kind: args.kind.map(|kind| match kind {
                KindArg::Operator => Kind::Operator,
                KindArg::AllAccess => Kind::AllAccess,
                KindArg::Custom => Kind::Custom,
            }),
            storage: args.storage.map(|storage| match storage {
                StorageArg::Plaintext => Storage::Plaintext,
                StorageArg::Hashed => Storage::Hashed,
                StorageArg::Both => Storage::Both,
                StorageArg::Missing => Storage::Missing,
            }),
            orphaned: args.orphaned,
            can: args.can,
        }
    }
}
