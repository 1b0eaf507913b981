//! The filter options of `auth list`, `capture`, and the commands that change several tokens.

use clap::{Args, ValueEnum};

use crate::metadata::{Can, Id, Kind, Storage};
use crate::ops::auth::list::Filters;

/// Filters. An authorization must match all of them.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Filters")]
pub struct FilterArgs {
    #[command(flatten)]
    others: FiltersButStatus,
    #[command(flatten)]
    status: StatusFilter,
}

/// The filter for the status.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Filters")]
pub struct StatusFilter {
    /// Status
    #[arg(long, value_name = "STATUS")]
    status: Option<StatusArg>,
}

/// All filters except that for the status, for a command whose `--status` is the new one.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Filters")]
pub struct FiltersButStatus {
    /// Authorization ID
    #[arg(long, short = 'i', value_name = "ID")]
    id: Option<Id>,
    /// User name
    #[arg(long, short = 'u', value_name = "NAME", conflicts_with = "user_id")]
    user: Option<String>,
    /// User ID, deleted or not
    #[arg(long, value_name = "ID")]
    user_id: Option<Id>,
    /// Organization name
    #[arg(long, short = 'o', value_name = "NAME", conflicts_with = "org_id")]
    org: Option<String>,
    /// Organization ID, deleted or not
    #[arg(long, value_name = "ID")]
    org_id: Option<Id>,
    /// Kind of token
    #[arg(long, value_name = "KIND")]
    kind: Option<KindArg>,
    /// How the token is stored
    #[arg(long, value_name = "STORAGE")]
    storage: Option<StorageArg>,
    /// User or organization was deleted
    #[arg(long)]
    orphaned: bool,
    /// Has this permission, such as write, write:buckets or write:buckets/NAME
    #[arg(long, value_name = "ACTION[:TYPE[/NAME-OR-ID]]")]
    can: Option<Can>,
}

/// The status of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusArg {
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

impl StatusArg {
    /// Whether it is active.
    #[must_use]
    pub fn is_active(self) -> bool {
        self == Self::Active
    }
}

impl StatusFilter {
    /// Whether only active tokens pass, or only inactive ones.
    #[must_use]
    pub fn active(&self) -> Option<bool> {
        self.status.map(StatusArg::is_active)
    }
}

impl From<FilterArgs> for Filters {
    fn from(args: FilterArgs) -> Self {
        Self {
            active: args.status.active(),
            ..args.others.into()
        }
    }
}

impl From<FiltersButStatus> for Filters {
    fn from(args: FiltersButStatus) -> Self {
        Self {
            id: args.id,
            user: args.user,
            user_id: args.user_id,
            org: args.org,
            org_id: args.org_id,
            active: None,
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
