//! `boltkey auth create`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::change::run_on;
use crate::cli::commands::auth::permission_flags::PermissionFlags;
use crate::cli::commands::token_report::{
    Action, TokenChange, TokenCommand, TokenOptions, ValueArgs,
};
use crate::cli::exit::Outcome;
use crate::cli::session::Session;
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::metadata::Id;
use crate::ops::auth::create::{Grants, Options, plan};
use crate::ops::resolve::By;
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::TokenPlan;
use crate::store::Snapshot;

/// Options of `auth create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// The user who is to own the token; not needed if there is only one
    #[arg(long, short = 'u', value_name = "NAME", conflicts_with = "user_id")]
    user: Option<String>,
    /// The same by ID
    #[arg(long, value_name = "ID")]
    user_id: Option<Id>,
    /// The organization it is to belong to; not needed if there is only one
    #[arg(long, short = 'o', value_name = "NAME", conflicts_with = "org_id")]
    org: Option<String>,
    /// The same by ID
    #[arg(long, value_name = "ID")]
    org_id: Option<Id>,
    /// Its description; else one is made from the permissions
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Mark the description, so that status and check list the token until it is removed
    #[arg(long)]
    temporary: bool,
    /// Everything, in every organization
    #[arg(long)]
    operator: bool,
    /// Everything within the organization
    #[arg(long)]
    all_access: bool,
    /// What the body of POST /api/v2/authorizations in this file asks for, or on standard input
    /// for -; options fill in what it lacks
    #[arg(long, value_name = "FILE")]
    from_json: Option<PathBuf>,
    #[command(flatten)]
    value: ValueArgs,
    #[command(flatten)]
    permissions: PermissionFlags,
}

/// Runs `auth create`.
///
/// # Errors
/// As the operation; [`ErrorKind::Usage`] for permissions that exclude each other, or none.
pub fn run(args: CreateArgs, session: &Session) -> Result<Outcome> {
    let CreateArgs { value, .. } = &args;
    let made = TokenOptions {
        source: value.source(),
        token_out: value.token_out(),
        action: Action::Create,
        again: "boltkey auth create",
    };
    let grants = grants(&args)?;
    made.can_be_told(session)?;
    let database = session.database()?;
    let by = |name: &Option<String>, id: Option<Id>| name.clone().map(By::Name).or(id.map(By::Id));
    let options = Options {
        user: by(&args.user, args.user_id),
        org: by(&args.org, args.org_id),
        description: args.description.clone(),
        temporary: args.temporary,
        grants,
        making: value.read(session)?,
    };
    run_on(
        TokenChange(CreateToken { made, options }),
        session,
        &database,
    )
}

struct CreateToken<'a> {
    made: TokenOptions<'a>,
    options: Options,
}

impl TokenCommand for CreateToken<'_> {
    fn made(&self) -> &TokenOptions<'_> {
        &self.made
    }

    fn plan(&self, snapshot: &dyn Snapshot, now: &Timestamp) -> Result<TokenPlan> {
        plan(snapshot, &self.options, now)
    }
}

/// What the token may do, if it is said in one way.
fn grants(args: &CreateArgs) -> Result<Grants> {
    let usage = |why: &str| Error::new(ErrorKind::Usage, why);
    let flags = &args.permissions.grants;
    let others = |this: bool| {
        let ways = [
            args.operator,
            args.all_access,
            args.from_json.is_some(),
            !flags.is_empty(),
        ];
        this && ways.into_iter().filter(|way| *way).count() > 1
    };
    if others(args.from_json.is_some()) {
        return Err(usage(
            "--from-json and options for permissions exclude each other",
        ));
    }
    if others(args.all_access) {
        return Err(usage(
            "cannot compose other permissions with all access permissions",
        ));
    }
    if others(args.operator) {
        return Err(usage(
            "cannot compose other permissions with operator permissions",
        ));
    }
    if args.operator {
        return Ok(Grants::Operator);
    }
    if args.all_access {
        return Ok(Grants::AllAccess);
    }
    if let Some(path) = &args.from_json {
        if path == Path::new("-") && args.value.reads_stdin() {
            return Err(usage(
                "--from-json - and --token-file - would both read standard input",
            ));
        }
        return read_body(path).map(Grants::Body);
    }
    if flags.is_empty() {
        return Err(usage(
            "authorization must include permissions: nothing says what the token may do",
        )
        .with_hint(
            "give --operator, --all-access, --from-json FILE, or what it may read and \
                     write: boltkey auth create --help lists the options",
        ));
    }
    Ok(Grants::Each(flags.clone()))
}

/// Reads the body of a request, which is never long.
fn read_body(path: &Path) -> Result<Vec<u8>> {
    const LONGEST: u64 = 4 << 20;
    let read = |source: &mut dyn Read| {
        let mut body = Vec::new();
        source.take(LONGEST + 1).read_to_end(&mut body)?;
        Ok::<_, io::Error>(body)
    };
    let body = if path == Path::new("-") {
        read(&mut io::stdin().lock()).at("read", Path::new("standard input"))?
    } else {
        File::open(path)
            .and_then(|mut file| read(&mut file))
            .at("read", path)?
    };
    if body.len() as u64 > LONGEST {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("{} is longer than 4 MiB", path.display()),
        ));
    }
    Ok(body)
}
