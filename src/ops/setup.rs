//! `setup`: creates a new store with everything that the first setup of a server writes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::metadata::new_records::{
    NewBucket, Owned, SYSTEM_BUCKETS, put_bucket, put_org, put_ownership, put_user,
    valid_bucket_name, valid_org_name, valid_user_name,
};
use crate::metadata::permission::of_operator;
use crate::metadata::tsm::{Highest, Placed};
use crate::metadata::{Catalog, Release, names, new_store, tsm_edit};
use crate::ops::commit::{verify_structure, write_token};
use crate::ops::files::secret_output::OutputFile;
use crate::ops::timestamp::Timestamp;
use crate::ops::token_plan;
use crate::ops::token_plan::new_token::{Making, Request};
use crate::ops::token_plan::{new_id, new_token};
use crate::ops::user::password;
use crate::secret::Token;
use crate::store::{
    Commit, CommitOutcome, Committed, Device, Engine, Model, Preview, Progress, Store, create_from,
};

/// Options of a setup.
pub struct Options {
    /// The first user's name.
    pub user: String,
    /// That user's password.
    pub password: Token,
    /// Whether influxd's `strong-passwords` is on.
    pub strong_passwords: bool,
    /// The first organization's name.
    pub org: String,
    /// The first bucket's name.
    pub bucket: String,
    /// Retention of that bucket in nanoseconds; 0 for unlimited.
    pub retention: i64,
    /// The operator token and its storage.
    pub making: Making,
    /// The release that the store is made for: one of [`Release::OF_NEW_STORES`].
    pub release: Release,
    /// Shards already in the engine folder of the new store: their numbers are in use.
    pub shards: Vec<Placed>,
}

/// The destination of a new store.
pub struct Target<'a> {
    /// Its file, which must not exist.
    pub path: &'a Path,
    /// Its engine.
    pub engine: Engine,
    /// File for the operator token, written before the store gets its name.
    pub token_out: Option<&'a Path>,
}

/// A planned store.
pub struct Plan {
    /// The operator token.
    pub token: token_plan::TokenPlan,
    content: Model,
}

/// Plans the content of the store.
///
/// # Errors
/// [`ErrorKind::Refused`] for a password, a name or a token that InfluxDB would not accept.
pub fn plan(options: &Options, now: &Timestamp) -> Result<Plan> {
    let org_name = valid_names(&options.user, &options.org, &options.bucket)?;
    let password = password::hash(&options.password, options.strong_passwords)?;

    // Each ID must differ from those of the records before it.
    let empty = Model::default();
    let schema = options.release.migrations();
    let mut changes = new_store::changes(new_id::by_time(&empty, now)?, schema, &now.utc);
    let user = new_id::by_time(&Preview::new(&empty, &changes), now)?;
    put_user(&mut changes, user, &options.user);
    let key = user.to_string();
    changes.put(names::USER_PASSWORDS, key.as_bytes(), password.as_bytes());
    let org = new_id::of_engine(&empty)?;
    put_org(&mut changes, org, org_name, &now.utc);
    put_ownership(&mut changes, schema, user, Owned::Org(org));
    put_ownership(&mut changes, schema, user, Owned::Instance);
    let first = NewBucket {
        name: &options.bucket,
        description: "",
        system: false,
        retention: options.retention,
        shard_group_duration: tsm_edit::shard_group_duration(options.retention),
    };
    let mut databases = Vec::new();
    for bucket in SYSTEM_BUCKETS.iter().chain([&first]) {
        let id = new_id::of_engine(&Preview::new(&empty, &changes))?;
        databases.push(put_bucket(&mut changes, id, org, bucket, &now.utc));
    }
    let highest = options.shards.iter().map(|placed| placed.shard).max();
    let highest = highest.unwrap_or_default();
    let tsm = tsm_edit::new_value(
        new_id::random_number()?,
        databases,
        Highest {
            group: highest,
            shard: highest,
        },
    );
    changes.put(names::TSM_METADATA, names::TSM_METADATA_KEY, &tsm);

    let mut content = Model::default();
    content.commit(&changes, &[])?;
    let token = operator_token(&content, options, now)?;
    content.commit(&token.changes, &[])?;
    Ok(Plan { token, content })
}

/// Checks the names before the password is asked for. Returns the name of the organization as it is
/// stored.
///
/// # Errors
/// [`ErrorKind::Refused`] for a name that InfluxDB would not accept.
pub fn valid_names<'o>(user: &str, org: &'o str, bucket: &str) -> Result<&'o str> {
    let refused = |why: &str| Error::new(ErrorKind::Refused, why);
    valid_user_name(user).map_err(refused)?;
    let org = valid_org_name(org).map_err(refused)?;
    valid_bucket_name(bucket).map_err(refused)?;
    Ok(org)
}

/// The first authorization, in a store with everything else.
fn operator_token(
    content: &Model,
    options: &Options,
    now: &Timestamp,
) -> Result<token_plan::TokenPlan> {
    let catalog = Catalog::load(content)?;
    let user = catalog.user_by_name(&options.user).found();
    let org = catalog.org_by_name(&options.org).found();
    let (Some(user), Some(org)) = (user, org) else {
        return Err(Error::new(
            ErrorKind::Refused,
            "the new records can't be read back",
        ));
    };
    let making = Making {
        new_store: Some(options.release),
        ..options.making.clone()
    };
    let schema = options.release.migrations();
    let request = Request {
        user,
        org,
        description: &format!("{}'s Token", user.name),
        active: true,
        permissions: &of_operator(schema),
        hint: "give another value, or leave it out to generate one",
    };
    new_token::plan(content, schema, &making, now, &request)
        .map(token_plan::TokenPlan::without_login)
}

impl Plan {
    /// Creates the file. It gets its name only when it is complete, synced and verified: its
    /// structure is valid, and the token works. `may_commit` is called before; its error ends the
    /// operation.
    ///
    /// # Errors
    /// When the store was not created; then there is no file with its token either.
    pub fn make(
        &self,
        target: &Target<'_>,
        may_commit: &dyn Fn() -> Result<()>,
    ) -> Result<Committed> {
        let path = target.path;
        let (output, inode) = self.write(target)?;
        let token = target.token_out.zip(self.token.token());
        let token = token.map(|(path, token)| write_token(path, token));
        let token = token.transpose()?;
        let Err(error) = may_commit().and_then(|()| output.finish()) else {
            return Ok(Committed {
                outcome: CommitOutcome::Changed,
                failure: None,
            });
        };
        // After a later failure the store stays.
        let there = fs::symlink_metadata(path);
        if there.is_ok_and(|there| (there.dev(), there.ino()) == inode) {
            let failure = Error::new(ErrorKind::Incomplete, error.to_string()).committed();
            return Ok(Committed {
                outcome: CommitOutcome::Changed,
                failure: Some(failure),
            });
        }
        match token.map(|file| (file.path().display().to_string(), file.remove())) {
            Some((path, Err(cause))) => Err(error.and_note(&format!(
                "{path} could not be removed ({cause}) and holds a token that does not work"
            ))),
            _ => Err(error),
        }
    }

    /// Writes the store to an empty file, called `path` in messages. It is synced and verified when
    /// this returns.
    ///
    /// # Errors
    /// When the file can't be written or verified.
    pub fn fill(&self, engine: Engine, device: Box<dyn Device>, path: &Path) -> Result<()> {
        let silent = Progress::new(&|_| {});
        create_from(&self.content, engine, device, path, &silent)
    }

    /// The complete file without its name, and its device and inode.
    fn write(&self, target: &Target<'_>) -> Result<(OutputFile, (u64, u64))> {
        let path = target.path;
        let output = OutputFile::create_database(path)?;
        let device = output.device().at("write", path)?;
        self.fill(target.engine, device, path)?;
        let file = output.file().at("read", path)?;
        let metadata = file.metadata().at("access", path)?;
        let store = Store::of_file(file, path)?;
        verify_structure(store.snapshot(), store.inspect())?;
        if self.token.found(store.snapshot())? != Some(self.token.id()) {
            return Err(Error::new(
                ErrorKind::Io,
                format!("{} does not contain its token as expected", path.display()),
            ));
        }
        Ok((output, (metadata.dev(), metadata.ino())))
    }
}

/// Checks whether [`Plan::make`] would accept the target, without creating anything.
///
/// # Errors
/// As [`Plan::make`].
pub fn could_be_made(target: &Target<'_>) -> Result<()> {
    let files = [Some(target.path), target.token_out];
    files
        .into_iter()
        .flatten()
        .try_for_each(OutputFile::could_create_regular)
}

#[cfg(test)]
mod tests {
    use jiff::Zoned;

    use super::*;
    use crate::metadata::{Schema, Storage, check, tsm};
    use crate::ops::token_plan::Value;
    use crate::ops::token_plan::token_storage::{StorageChoice, StorageReason};
    use crate::store::OpenOptions;

    fn options() -> Options {
        Options {
            user: "alice".into(),
            password: Token::new("correct horse".into()),
            strong_passwords: false,
            org: " acme ".into(),
            bucket: "metrics".into(),
            retention: 0,
            making: Making::default(),
            release: Release::NEWEST,
            shards: Vec::new(),
        }
    }

    fn now() -> Timestamp {
        Timestamp::from(&Zoned::now())
    }

    #[test]
    fn either_engine_holds_a_sound_store_of_each_release() {
        let folder = tempfile::tempdir().unwrap();
        let releases = Release::OF_NEW_STORES.into_iter();
        let cases = releases.flat_map(|of| [Engine::Bolt, Engine::Redb].map(|engine| (of, engine)));
        for (release, engine) in cases {
            let path = folder.path().join(format!("{}-{release}", engine.name()));
            let mut options = options();
            options.release = release;
            let plan = plan(&options, &now()).unwrap();
            let target = Target {
                path: &path,
                engine,
                token_out: None,
            };
            let committed = plan.make(&target, &|| Ok(())).unwrap();
            assert!(committed.failure.is_none());
            let store = Store::open(&path, &OpenOptions::default()).unwrap();
            assert_eq!(store.description().engine, engine);
            assert_eq!(check::check(store.snapshot()).unwrap(), []);
            let schema = Schema::load(store.snapshot()).unwrap();
            assert_eq!(
                (schema.migrations, schema.known),
                (release.migrations(), true)
            );
            let id = plan.token.found(store.snapshot()).unwrap();
            assert_eq!(id, Some(plan.token.id()));
            let refused = plan.make(&target, &|| Ok(())).err().unwrap();
            assert!(refused.message().contains("exists already"), "{refused}");
        }
    }

    #[test]
    fn how_the_token_is_kept() {
        let [old, unhashed, newest] = Release::OF_NEW_STORES;
        for (release, wanted, setting, storage, because) in [
            (
                newest,
                StorageChoice::Auto,
                None,
                Storage::Hashed,
                StorageReason::NewStore(newest),
            ),
            (
                unhashed,
                StorageChoice::Auto,
                None,
                Storage::Plaintext,
                StorageReason::NewStore(unhashed),
            ),
            (
                unhashed,
                StorageChoice::Auto,
                Some(true),
                Storage::Hashed,
                StorageReason::Setting,
            ),
            (
                old,
                StorageChoice::Auto,
                Some(true),
                Storage::Plaintext,
                StorageReason::Schema,
            ),
            (
                newest,
                StorageChoice::Auto,
                Some(false),
                Storage::Plaintext,
                StorageReason::Setting,
            ),
            (
                newest,
                StorageChoice::Plaintext,
                None,
                Storage::Plaintext,
                StorageReason::Asked,
            ),
        ] {
            let mut options = options();
            options.release = release;
            options.making = Making {
                value: Value::Chosen(Token::new("chosen".into())),
                wanted,
                use_hashed_tokens: setting,
                ..Making::default()
            };
            let plan = plan(&options, &now()).unwrap();
            let kept = plan.token.show(true, |planned| {
                assert!(planned.entry.usable == Some(true) && planned.login_had_power.is_none());
                assert_eq!(planned.entry.description, "alice's Token");
                (planned.entry.storage, planned.storage_reason)
            });
            assert_eq!(kept.unwrap(), (storage, because));
        }
    }

    #[test]
    fn numbers_of_shards_that_lie_there_are_not_given_out() {
        let mut options = options();
        options.shards = [3, 12, 7]
            .map(|shard| Placed {
                shard,
                bucket: String::from("00000000000000aa"),
            })
            .into();
        let plan = plan(&options, &now()).unwrap();
        let data = tsm::load(&plan.content).unwrap().unwrap();
        assert_eq!((data.max_shard_id, data.max_shard_group_id), (12, 12));
        assert_eq!((data.index, data.databases.len()), (4, 3));
        assert!(data.cluster_id > 0 && data.cluster_id < 1 << 63);
    }

    #[test]
    fn what_influxdb_would_refuse_is_refused() {
        let wrong: [fn(&mut Options); 8] = [
            |o| o.user = String::new(),
            |o| o.org = " \u{a0}".into(),
            |o| o.bucket = String::new(),
            |o| o.bucket = "_mine".into(),
            |o| o.bucket = "a\"b".into(),
            |o| o.user = "x".repeat(40_000),
            |o| o.password = Token::new("short".into()),
            |o| o.making.value = Value::Chosen(Token::new("line\nbreak".into())),
        ];
        for wrong in wrong {
            let mut options = options();
            wrong(&mut options);
            let refused = plan(&options, &now()).err().unwrap();
            assert_eq!(refused.kind(), ErrorKind::Refused, "{refused}");
            assert_eq!(refused.effect(), crate::error::Effect::Nothing);
        }
    }

    #[test]
    fn a_name_that_is_taken_meanwhile_leaves_no_token() {
        let folder = tempfile::tempdir().unwrap();
        let (path, token) = (folder.path().join("new.bolt"), folder.path().join("token"));
        fs::write(&path, "theirs").unwrap();
        let target = Target {
            path: &path,
            engine: Engine::Bolt,
            token_out: Some(&token),
        };
        assert!(could_be_made(&target).is_err());
        let plan = plan(&options(), &now()).unwrap();
        assert!(plan.make(&target, &|| Ok(())).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert!(!token.exists());
    }
}
