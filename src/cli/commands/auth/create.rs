//! `boltkey auth create`. What `--from-json` accepts is in `metadata::post_request`.

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
use crate::ops::files::named_input::open_input;
use crate::ops::resolve::By;
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan::TokenPlan;
use crate::store::Snapshot;

/// Options of `auth create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// User who will own the token [default: the only user]
    #[arg(long, short = 'u', value_name = "NAME", conflicts_with = "user_id")]
    user: Option<String>,
    /// ID of that user
    #[arg(long, value_name = "ID")]
    user_id: Option<Id>,
    /// Organization of the token [default: the only organization]
    #[arg(long, short = 'o', value_name = "NAME", conflicts_with = "org_id")]
    org: Option<String>,
    /// ID of that organization
    #[arg(long, value_name = "ID")]
    org_id: Option<Id>,
    /// Description [default: a list of the permissions]
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Mark the token as temporary in its description; status and check list it until removed
    #[arg(long)]
    temporary: bool,
    /// All permissions in all organizations
    #[arg(long)]
    operator: bool,
    /// All permissions in the organization
    #[arg(long)]
    all_access: bool,
    /// File with the JSON body of a POST /api/v2/authorizations request (- for standard input);
    /// other options supply missing fields
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
/// The errors of the operation; [`ErrorKind::Usage`] for conflicting or missing permissions.
pub fn run(args: CreateArgs, session: &Session) -> Result<Outcome> {
    let CreateArgs { value, .. } = &args;
    let token_options = TokenOptions {
        source: value.source(),
        token_out: value.token_out(),
        action: Action::Create,
        again: "boltkey auth create",
    };
    let grants = grants(&args)?;
    token_options.can_be_told(session)?;
    let database = session.database_to_change()?;
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
        TokenChange(CreateToken {
            token_options,
            options,
        }),
        session,
        &database,
    )
}

struct CreateToken<'a> {
    token_options: TokenOptions<'a>,
    options: Options,
}

impl TokenCommand for CreateToken<'_> {
    fn token_options(&self) -> &TokenOptions<'_> {
        &self.token_options
    }

    fn plan(&self, snapshot: &dyn Snapshot, now: &Timestamp) -> Result<TokenPlan> {
        plan(snapshot, &self.options, now)
    }
}

/// The requested permissions. They must come from one kind of option.
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
            "--from-json can't be combined with permission options",
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
                "--from-json - and --token-file - can't both read standard input",
            ));
        }
        let body = read_body(path)?;
        let file = name_of(path).to_path_buf();
        return Ok(Grants::Body { body, file });
    }
    if flags.is_empty() {
        return Err(usage("authorization must include permissions").with_hint(
            "pass --operator, --all-access, --from-json FILE or permission options such as \
                     --read-buckets; see boltkey auth create --help",
        ));
    }
    Ok(Grants::Each(flags.clone()))
}

/// The name of the file in messages.
fn name_of(path: &Path) -> &Path {
    match path == Path::new("-") {
        true => Path::new("standard input"),
        false => path,
    }
}

/// Reads the body of a request, up to 4 MiB.
fn read_body(path: &Path) -> Result<Vec<u8>> {
    const LONGEST: u64 = 4 << 20;
    let read = |source: &mut dyn Read| {
        let mut body = Vec::new();
        source.take(LONGEST + 1).read_to_end(&mut body)?;
        Ok::<_, io::Error>(body)
    };
    let body = if path == Path::new("-") {
        read(&mut io::stdin().lock()).at("read", name_of(path))?
    } else {
        read(&mut open_input(path)?).at("read", path)?
    };
    if body.len() as u64 > LONGEST {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("{} is longer than 4 MiB", name_of(path).display()),
        ));
    }
    Ok(body)
}
