//! `boltkey v1 auth list`.

use clap::Args;

use crate::cli::commands::auth::list::{Options, list};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::error::Result;
use crate::metadata::Id;
use crate::ops::auth::list::Filters;

/// Options of `v1 auth list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// 1.x user name
    #[arg(long, value_name = "NAME", conflicts_with = "id")]
    username: Option<String>,
    /// ID of the 1.x-compatible authorization
    #[arg(long, short = 'i', value_name = "ID")]
    id: Option<Id>,
    /// Name of the 2.x user who owns it
    #[arg(long, short = 'u', value_name = "NAME", conflicts_with = "user_id")]
    user: Option<String>,
    /// ID of that user, deleted or not
    #[arg(long, value_name = "ID")]
    user_id: Option<Id>,
    /// Organization name
    #[arg(long, short = 'o', value_name = "NAME", conflicts_with = "org_id")]
    org: Option<String>,
    /// Organization ID, deleted or not
    #[arg(long, value_name = "ID")]
    org_id: Option<Id>,
    /// Print every permission in full
    #[arg(long)]
    wide: bool,
    /// Omit the header line
    #[arg(long)]
    hide_headers: bool,
}

/// Runs `v1 auth list`.
///
/// # Errors
/// The errors of the operation, and an error when standard output can't be written.
pub fn run(args: ListArgs, session: &Session) -> Result<Outcome> {
    let options = Options {
        filters: Filters {
            id: args.id,
            user: args.user,
            user_id: args.user_id,
            org: args.org,
            org_id: args.org_id,
            ..Filters::default()
        },
        v1_username: args.username,
        v1: true,
        // Their token is the 1.x user name.
        reveal: false,
        wide: args.wide,
        hide_headers: args.hide_headers,
    };
    list(options, session)
}
