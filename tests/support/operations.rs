//! The commands that change tokens, users and organizations, for tests that interrupt them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use boltkey::metadata::shard_groups::ShardTimes;
use boltkey::metadata::{Id, Kind, names, password};
use boltkey::ops::apply::{self, List, Secrets};
use boltkey::ops::auth::create::Grants;
use boltkey::ops::auth::list::Filters;
use boltkey::ops::auth::selected_tokens::{SelectedTokens, Which};
use boltkey::ops::bucket::adoptable;
use boltkey::ops::commit::SideFiles;
use boltkey::ops::files::engine_folder::{BucketContent, EngineFolder};
use boltkey::ops::resolve::By;
use boltkey::ops::timestamp::Timestamp;
use boltkey::ops::token_plan::new_token::Making;
use boltkey::ops::{auth, bucket, org, repair, token_plan, user, v1};
use boltkey::secret::Token;
use boltkey::store::engine_folder::ShardFolder;
use boltkey::store::{Committed, Model, Snapshot as _, WritableStore};

use super::engine_folder::HOUR;
use super::store_image::{MANY, StoreImage, recovery};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Recover,
    Create,
    Rotate,
    Update,
    Delete,
    RotateMany,
    UpdateMany,
    DeleteMany,
    UserCreate,
    UserPassword,
    UserDelete,
    OrgCreate,
    BucketAdopt,
    V1User,
    Mapping,
    Apply,
    Repair,
}

/// Those that are about single tokens.
pub const OF_TOKENS: [Operation; 4] = [
    Operation::Create,
    Operation::Rotate,
    Operation::Update,
    Operation::Delete,
];

/// Those that are about all custom tokens at once.
pub const OF_MANY_TOKENS: [Operation; 3] = [
    Operation::RotateMany,
    Operation::UpdateMany,
    Operation::DeleteMany,
];

/// Those that are about users, organizations, their buckets, 1.x clients, and lists of everything.
pub const OF_PEOPLE: [Operation; 8] = [
    Operation::UserCreate,
    Operation::UserPassword,
    Operation::UserDelete,
    Operation::OrgCreate,
    Operation::BucketAdopt,
    Operation::V1User,
    Operation::Mapping,
    Operation::Apply,
];

/// One that is worked out.
pub enum Planned {
    Token(Box<token_plan::TokenPlan>),
    Deletion(auth::delete::Plan),
    Update(Box<auth::update::Plan>),
    Rotation(Box<auth::rotate_many::Plan>),
    NewUser(user::create::Plan),
    Password(user::password::Plan),
    UserDeletion(user::delete::Plan),
    Org(org::create::Plan),
    Buckets(bucket::adopt::Plan),
    V1User(Box<v1::auth::plan::Plan>),
    Mapping(v1::dbrp::find::Plan),
    List(Box<apply::Plan>),
    Repair(repair::Plan),
}

/// An organization, its owner, a token of the owner's there, one of alice's in acme, and a bucket with a
/// 1.x user and a database.
const LIST: &str = r#"
[[org]]
name = "works"
[[user]]
name = "carol"
orgs = ["works", "acme"]
[[token]]
name = "new"
org = "works"
user = "carol"
kind = "all-access"
generate = "new"
[[token]]
name = "known"
org = "acme"
user = "alice"
permissions = ["write:buckets/metrics", "read:tasks"]
tokenFile = "known"
[[token]]
description = "from another server"
org = "acme"
user = "alice"
permissions = [{ action = "read", type = "tasks", id = "0000000000000a01" }]
status = "inactive"
value = "the value there"
[[bucket]]
name = "stations"
org = "works"
retention = "30d"
[[v1]]
username = "a station"
org = "works"
user = "carol"
permissions = ["write:buckets/stations"]
passwordHash = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"
[[dbrp]]
database = "stations of 1.x"
bucket = "stations"
org = "works"
"#;

/// An engine folder with two buckets of 200 shards of a day each.
fn engine_folder() -> EngineFolder {
    let mut folder = EngineFolder::default();
    for bucket in [0xaa, 0xbb] {
        let id = Id::new(bucket).unwrap();
        let mut content = BucketContent::default();
        for day in 0..200 {
            let number = bucket * 1000 + day;
            folder.shards.push(ShardFolder {
                bucket: id.to_string(),
                shard: number,
                policy: "autogen".into(),
                has_data: true,
                has_wal: false,
                flaw: None,
            });
            let time = i64::try_from(day).unwrap() * 24 * HOUR;
            content.shards.push(ShardTimes {
                shard: number,
                first: time,
                last: time + HOUR,
            });
        }
        folder.buckets.insert(id, content);
    }
    folder
}

/// A password as InfluxDB keeps it. To hash one takes a tenth of a second, which is longer than all
/// the rest of a change, so it is done once.
fn password_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| password::hash(&Token::new("another password".into())).unwrap())
}

struct Files;

impl Secrets for Files {
    fn password(&mut self, path: &Path) -> boltkey::Result<Token> {
        self.token(path)
    }

    fn token(&mut self, path: &Path) -> boltkey::Result<Token> {
        Ok(Token::new(format!("the token of {}", path.display())))
    }

    fn token_if_there(&mut self, _: &Path) -> boltkey::Result<Option<Token>> {
        Ok(None)
    }

    fn may_have_values(&self) -> boltkey::Result<()> {
        Ok(())
    }

    fn full_path(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }
}

/// All custom tokens.
pub fn custom_tokens() -> SelectedTokens {
    let filters = Filters {
        kind: Some(Kind::Custom),
        ..Filters::default()
    };
    SelectedTokens {
        which: Which::Filters(Box::new(filters)),
        except: Vec::new(),
    }
}

impl Operation {
    /// The authorization that is changed or deleted: the first one.
    fn target(self, old: &Model) -> Option<Id> {
        let mut first = None;
        old.scan(b"authorizationsv1", &mut |key, _| {
            first = Id::from_bytes(key).ok();
            std::ops::ControlFlow::Break(())
        })
        .unwrap();
        first
    }

    pub fn plan(self, store: &WritableStore, old: &Model) -> boltkey::Result<Planned> {
        let time: jiff::Zoned = "2027-01-01T10:00:00Z[UTC]".parse().unwrap();
        let now = Timestamp::from(&time);
        let making = Making::default();
        let target = || self.target(old).unwrap();
        Ok(match self {
            Self::Recover => Planned::Token(recovery(store)?.into()),
            Self::Create => {
                let options = auth::create::Options {
                    user: Some(By::Name("alice".into())),
                    org: Some(By::Name("acme".into())),
                    description: None,
                    temporary: true,
                    grants: Grants::AllAccess,
                    making,
                };
                Planned::Token(auth::create::plan(store, &options, &now)?.into())
            }
            Self::Rotate => {
                let id = target();
                let options = auth::rotate::Options { id, making };
                Planned::Token(auth::rotate::plan(store, &options, &now)?.into())
            }
            Self::Update => {
                let options = auth::update::Options {
                    tokens: SelectedTokens::of_ids([target()]),
                    active: Some(false),
                    description: Some("not in use any more".into()),
                };
                Planned::Update(auth::update::plan(store, &options, &now)?.into())
            }
            Self::Delete => Planned::Deletion(auth::delete::plan(
                store,
                &SelectedTokens::of_ids([target()]),
            )?),
            Self::RotateMany => {
                let options = auth::rotate_many::Options {
                    tokens: custom_tokens(),
                    making,
                };
                Planned::Rotation(auth::rotate_many::plan(store, &options, &now)?.into())
            }
            Self::UpdateMany => {
                let options = auth::update::Options {
                    tokens: custom_tokens(),
                    active: Some(false),
                    description: None,
                };
                Planned::Update(auth::update::plan(store, &options, &now)?.into())
            }
            Self::DeleteMany => Planned::Deletion(auth::delete::plan(store, &custom_tokens())?),
            Self::UserCreate => {
                let options = user::create::Options {
                    name: "carol".into(),
                    org: Some(By::Name("acme".into())),
                    instance_owner: false,
                    // To hash one takes time, and there is the other operation.
                    password: None,
                    strong_passwords: false,
                };
                Planned::NewUser(user::create::plan(store, &options, &now)?)
            }
            Self::UserPassword => {
                let alice = By::Name("alice".into());
                let mut plan = user::password::plan(store, &alice, None, false)?;
                let key = plan.user.id.to_string();
                let hash = password_hash();
                plan.changes
                    .put(names::USER_PASSWORDS, key.as_bytes(), hash.as_bytes());
                Planned::Password(plan)
            }
            Self::UserDelete => {
                Planned::UserDeletion(user::delete::plan(store, &By::Name("alice".into()))?)
            }
            Self::OrgCreate => Planned::Org(org::create::plan(store, "works", &now)?),
            Self::BucketAdopt => {
                let options = adoptable::Options {
                    which: adoptable::Which::All,
                    names: BTreeMap::new(),
                    org: Some(By::Name("acme".into())),
                };
                Planned::Buckets(bucket::adopt::plan(
                    store,
                    &options,
                    &engine_folder(),
                    &now,
                )?)
            }
            Self::V1User => {
                let options = v1::auth::create::Options {
                    username: "a client".into(),
                    org: Some(By::Name("acme".into())),
                    user: Some(By::Name("alice".into())),
                    description: String::new(),
                    permissions: vec!["write:buckets/metrics".parse().unwrap()],
                    // As with users.
                    password: None,
                    strong_passwords: false,
                };
                let mut plan = v1::auth::create::plan(store, &options, &now)?;
                let key = plan.id.to_string();
                let hash = password_hash();
                plan.changes
                    .put(names::LEGACY_PASSWORDS, key.as_bytes(), hash.as_bytes());
                Planned::V1User(plan.into())
            }
            Self::Mapping => {
                let options = v1::dbrp::create::Options {
                    org: Some(By::Name("acme".into())),
                    bucket: By::Name("metrics".into()),
                    database: "of a client".into(),
                    retention_policy: "month".into(),
                    default: true,
                };
                Planned::Mapping(v1::dbrp::create::plan(store, &options, &now)?)
            }
            Self::Apply => {
                let list = List::read(LIST, "list", &mut Files)?;
                let options = apply::Options {
                    list: &list,
                    prune: true,
                    use_hashed_tokens: None,
                    strong_passwords: false,
                };
                Planned::List(apply::plan(store, &options, &now)?.into())
            }
            Self::Repair => Planned::Repair(repair::plan(
                store,
                store,
                store.description(),
                &repair::EngineShards::default(),
                &repair::Options::default(),
                &now,
            )?),
        })
    }

    /// Hashed tokens with plaintext in unused bytes that are in the store before and after.
    pub fn lost_after(self, image: &StoreImage) -> Vec<Id> {
        let replaced = matches!(self, Self::Rotate | Self::Delete);
        let target = self.target(&image.old).filter(|_| replaced);
        let lost = image.lost.iter().copied();
        lost.filter(|id| Some(*id) != target).collect()
    }

    /// How many authorizations there are more than before.
    pub fn more(self) -> isize {
        match self {
            Self::Recover | Self::Create => 1,
            Self::Delete => -1,
            Self::DeleteMany => -MANY.cast_signed(),
            Self::Apply => 3,
            _ => 0,
        }
    }

    /// Whether a new token comes out of it.
    pub fn makes_token(self) -> bool {
        matches!(
            self,
            Self::Recover | Self::Create | Self::Rotate | Self::RotateMany | Self::Apply
        )
    }
}

impl Planned {
    pub fn apply(
        &self,
        store: &mut WritableStore,
        side_files: &SideFiles<'_>,
    ) -> boltkey::Result<Committed> {
        match self {
            Self::Token(plan) => plan.apply(store, side_files),
            Self::Deletion(plan) => plan.apply(store, side_files),
            Self::Update(plan) => plan.apply(store, side_files),
            Self::Rotation(plan) => plan.apply(store, side_files),
            Self::NewUser(plan) => plan.apply(store, side_files),
            Self::Password(plan) => plan.apply(store, side_files),
            Self::UserDeletion(plan) => plan.apply(store, side_files),
            Self::Org(plan) => plan.apply(store, side_files),
            Self::Buckets(plan) => plan.apply(store, side_files),
            Self::V1User(plan) => plan.apply(store, side_files, "the new 1.x user"),
            Self::Mapping(plan) => plan.apply(store, side_files, "the new mapping"),
            Self::List(plan) => plan.apply(store, side_files),
            Self::Repair(plan) => plan.apply(store, side_files),
        }
    }

    /// The token that is made, or the first one.
    pub fn token(&self) -> Option<&Token> {
        match self {
            Self::Token(plan) => plan.token(),
            Self::Rotation(plan) => plan.tokens.first().map(|one| &one.token),
            Self::List(plan) => plan.generated.first().map(|(_, token)| token),
            _ => None,
        }
    }
}
