//! Every kind of finding, in one table. `boltkey explain` prints an entry, and `docs/findings.md`
//! lists them all.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::finding::Severity;

/// Declares [`Code`] from one table: variant, severity, name, whether it needs all records,
/// meaning, cure.
macro_rules! codes {
    ($($variant:ident, $severity:ident, $name:literal, $needs:literal, $meaning:literal, $cure:literal;)*) => {
        /// What can be wrong with, or worth knowing about, a store or a backup.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        impl Code {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable name. It begins with `structure.`, `metadata.` or `backup.`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// How bad it is, unless a finding says otherwise.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// What it means, in a sentence or two.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// What helps.
            #[must_use]
            pub fn cure(self) -> &'static str {
                match self { $(Self::$variant => $cure,)* }
            }

            /// Whether it can be told only if every record could be read: it says that something
            /// does not exist, or leads to nothing.
            #[must_use]
            pub fn needs_all(self) -> bool {
                match self { $(Self::$variant => $needs,)* }
            }
        }
    };
}

impl Code {
    /// Whether a reader may miss records because of it, if it is an error.
    #[must_use]
    pub fn hides_records(self) -> bool {
        !matches!(self, Self::ExcessShared | Self::Truncated)
    }
}

codes! {
    // meta pages
    OlderMeta, Warning, "structure.older-meta", false,
        "A meta page is invalid, so the other one is used; what it describes may be one transaction older.",
        "Check what was lost: boltkey status. The next change writes both meta pages again.";
    MetaChecksumZero, Warning, "structure.meta-checksum-zero", false,
        "A meta page has the checksum 0, which bbolt 1.3.6 takes without verifying and later versions refuse.",
        "Nothing has to be done: the next change writes both meta pages again.";
    MetaHeader, Warning, "structure.meta-header", false,
        "The page header of a meta page is wrong; the meta itself is valid.",
        "Nothing has to be done: the next change writes both meta pages again.";
    MetaRoot, Error, "structure.meta-root", false,
        "The current meta names no possible page as the root of the tree.",
        "boltkey compact --out FILE writes the transaction before, which is read instead, to a new file.";
    MetaPageSize, Error, "structure.meta-page-size", false,
        "The current meta names another page size than the one the file is laid out in.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    OtherMetaPageSize, Warning, "structure.other-meta-page-size", false,
        "The other meta names another page size than the one the file is laid out in.",
        "Nothing has to be done: the next change writes both meta pages again.";
    OddPageSize, Warning, "structure.odd-page-size", false,
        "The page size is no power of two.",
        "boltkey convert --out FILE makes a redb store of it. boltkey convert --out FILE of that one makes a bolt file with pages of 4,096 bytes.";
    MetaParity, Info, "structure.meta-parity", false,
        "The transaction number of a meta does not belong to its slot, as in copies made by `influx backup`.",
        "Nothing has to be done: the next change writes both meta pages again.";
    MetaTwins, Info, "structure.meta-twins", false,
        "Both metas carry the same transaction number.",
        "Nothing has to be done: the next change writes both meta pages again.";
    OtherMeta, Warning, "structure.other-meta", false,
        "The tree or freelist of the other meta is damaged, so it is no way back to the transaction before.",
        "Nothing has to be done: the next change writes both meta pages again.";
    // the file as a whole
    Truncated, Error, "structure.truncated", false,
        "The file ends before the high-water mark. Bolt maps the file and dies when it touches a page that is not there.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    ShortPage, Warning, "structure.short-page", false,
        "The file ends inside a page in use; only unused bytes of it are missing.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    Tail, Info, "structure.tail", false,
        "Bytes beyond the high-water mark are not zero: something was written there and never committed.",
        "boltkey residue scrub overwrites it. First save tokens in it: boltkey residue recover --out FILE.";
    // pages
    PageBounds, Error, "structure.page-bounds", false,
        "A node lies outside the pages between the metas and the high-water mark.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    PageMissing, Error, "structure.page-missing", false,
        "A node, or a used part of one, lies beyond the end of the file.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    PageId, Error, "structure.page-id", false,
        "The header of a page carries another page's number.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    PageType, Error, "structure.page-type", false,
        "A page of the tree is neither a branch nor a leaf.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    PageCount, Error, "structure.page-count", false,
        "A node claims more elements than fit into it.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    PageShared, Error, "structure.page-shared", false,
        "A page is used twice, or a branch leads back to itself.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    ExcessShared, Error, "structure.excess-shared", false,
        "A node claims a page of another node after its last element. All records can be read, but Bolt would free that page with the wrong node.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    TreeDepth, Error, "structure.tree-depth", false,
        "A page lies deeper below its root than Bolt can ever have put it.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    TreeUneven, Warning, "structure.tree-uneven", false,
        "The leaves of a tree are not all equally deep, as Bolt's are: it loses records when it merges a leaf with a branch.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    EmptyBranch, Error, "structure.empty-branch", false,
        "A branch has no elements.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    EmptyLeaf, Warning, "structure.empty-leaf", false,
        "A leaf below a branch has no elements.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    SingleChild, Warning, "structure.single-child", false,
        "A branch has only one child, on which Bolt panics when that child shrinks.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    ExcessPages, Warning, "structure.excess-pages", false,
        "A node takes more pages than it needs.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    Packing, Warning, "structure.packing", false,
        "The keys and values of a node do not follow each other without gaps.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    Slack, Warning, "structure.slack", false,
        "Unused bytes of a page in use are not zero.",
        "boltkey residue scrub overwrites it. First save tokens in it: boltkey residue recover --out FILE.";
    // elements
    ElementBounds, Error, "structure.element-bounds", false,
        "An element's key or value lies outside its node.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    ElementOverlap, Error, "structure.element-overlap", false,
        "Two elements of a node claim the same bytes.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    ElementFlags, Error, "structure.element-flags", false,
        "An element is marked as neither a plain value nor a bucket.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    KeyEmpty, Error, "structure.key-empty", false,
        "A key has no bytes.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    KeySize, Error, "structure.key-size", false,
        "A key is longer than 32,768 bytes.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    KeyOrder, Error, "structure.key-order", false,
        "The keys of a node do not ascend.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    KeyRange, Error, "structure.key-range", false,
        "A key lies outside the range that the branches above give to its page.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    // buckets
    BucketValue, Error, "structure.bucket-value", false,
        "A bucket's value is too short for what it has to hold.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    BucketTrailing, Warning, "structure.bucket-trailing", false,
        "A bucket's value is longer than what it has to hold.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    InlinePage, Error, "structure.inline-page", false,
        "The page inside an inline bucket's value is no leaf that fits there.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    InlineHeader, Warning, "structure.inline-header", false,
        "The page inside an inline bucket's value carries a page number.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    InlineNested, Warning, "structure.inline-nested", false,
        "An inline bucket holds another bucket, which Bolt never writes.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    NestedBucket, Info, "structure.nested-bucket", false,
        "A bucket stands inside another one; InfluxDB makes none.",
        "Nothing has to be done.";
    RootValue, Error, "structure.root-value", false,
        "A plain value stands where only buckets should.",
        "boltkey salvage --out FILE makes a new store of every record that is left. boltkey check shows whether the transaction before is whole; boltkey compact --previous --out FILE then writes just that. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    // freelist
    FreelistAbsent, Info, "structure.freelist-absent", false,
        "The file has no stored freelist; Bolt makes it anew when it opens the file.",
        "Nothing has to be done.";
    FreelistPage, Error, "structure.freelist-page", false,
        "The freelist's page is none, so Bolt does not open the file for writing.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    FreelistCount, Error, "structure.freelist-count", false,
        "The freelist claims more page numbers than fit into it.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    FreelistBounds, Error, "structure.freelist-bounds", false,
        "The freelist offers a meta page, or one beyond the high-water mark.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    FreelistSelf, Error, "structure.freelist-self", false,
        "The freelist offers the pages it stands in.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    FreelistDuplicate, Error, "structure.freelist-duplicate", false,
        "The freelist offers a page twice.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    FreelistOrder, Warning, "structure.freelist-order", false,
        "The page numbers of the freelist do not ascend.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    FreelistLive, Error, "structure.freelist-live", false,
        "The freelist offers a page that is in use: the next commit would overwrite it.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    Leaked, Warning, "structure.leaked", false,
        "A page is neither in use nor on the freelist, so its space is lost.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    // the file in use
    Unlocked, Warning, "structure.unlocked", false,
        "The file system has no locks, so boltkey does not notice a running influxd.",
        "Make sure that influxd is stopped on every host that mounts this file system.";
    Unclean, Warning, "structure.unclean", false,
        "A redb store was not closed properly. Reading repairs it in memory.",
        "The next command that changes the store repairs the file.";
    UnfinishedScrub, Info, "structure.unfinished-scrub", false,
        "A scrub of a redb store was interrupted.",
        "Nothing has to be done. The table takes space until a scrub that finds tokens removes it.";
    ForeignTable, Info, "structure.foreign-table", false,
        "A redb store has a table of another program. No command changes it.",
        "Nothing has to be done.";
    // records
    Undecodable, Error, "metadata.undecodable", false,
        "influxd can't decode this record. Such a bucket or migration keeps every release from starting. Such an authorization keeps InfluxDB 2.8 and later from starting.",
        "boltkey auth delete ID removes an authorization that can't be decoded. For other records restore a backup: boltkey backup restore.";
    KeyMismatch, Error, "metadata.key-mismatch", false,
        "The key of a record is not the ID in the record.",
        "Restore a backup (boltkey backup restore): which of the two is right can't be known.";
    BucketAbsent, Error, "metadata.bucket-absent", false,
        "A bucket of the store does not exist. influxd does not start without it, or tokens or logins don't work.",
        "Restore a backup (boltkey backup restore): influxd does not create this bucket on an existing store, or creates it empty.";
    OtherBucketAbsent, Warning, "metadata.other-bucket-absent", false,
        "A bucket of the store does not exist. influxd starts, but the content of the bucket is lost.",
        "Restore a backup (boltkey backup restore): influxd does not create this bucket on an existing store, or creates it empty.";
    OtherUndecodable, Warning, "metadata.other-undecodable", false,
        "influxd can't decode this record, such as a dashboard, a check, a secret or a DBRP mapping. influxd starts, but can't show the record or the list that contains it.",
        "Restore a backup: boltkey backup restore.";
    InstanceUnreadable, Error, "metadata.instance-unreadable", false,
        "influxd can't read the ID of the instance and does not start.",
        "Restore a backup: boltkey backup restore.";
    BucketUnknown, Info, "metadata.bucket-unknown", false,
        "InfluxDB does not know this bucket of the store.",
        "Nothing has to be done.";
    // migrations
    MigrationUnknown, Error, "metadata.migration-unknown", false,
        "No release up to 2.9 knows this migration. influxd ends with \"DB contains record of unknown migration\".",
        "Start the release that wrote it, or restore a backup: boltkey backup restore.";
    MigrationName, Error, "metadata.migration-name", false,
        "A migration has the wrong name. influxd ends while starting.",
        "Restore a backup: boltkey backup restore.";
    MigrationGap, Warning, "metadata.migration-gap", true,
        "An earlier migration is missing. influxd does not notice and never runs it.",
        "Restore a backup: boltkey backup restore.";
    MigrationUnfinished, Warning, "metadata.migration-unfinished", false,
        "A migration was started and not finished.",
        "Start influxd once: it runs the migration again.";
    // tokens
    TokenIndexAbsent, Error, "metadata.token-index-absent", false,
        "A token has no index entry, so no server accepts it.",
        "boltkey hash adds the entry of a hashed token. For others make a new token: boltkey auth rotate ID.";
    TokenIndexElsewhere, Error, "metadata.token-index-elsewhere", false,
        "The index entry of a token leads to another record.",
        "boltkey auth rotate ID gives the authorization a new token.";
    TokenIndexDangling, Warning, "metadata.token-index-dangling", true,
        "An index entry leads to no record, or to one with another token.",
        "boltkey hash removes such entries. It also hashes every plaintext token.";
    TokenAbsent, Warning, "metadata.token-absent", false,
        "An authorization has no token, so it authenticates nobody.",
        "boltkey auth rotate ID gives it a token, boltkey auth delete ID removes it.";
    TokenBoth, Warning, "metadata.token-both", false,
        "An authorization has plaintext and hash. influxd never hashes it.",
        "boltkey hash removes the plaintext. It also hashes every other plaintext token.";
    TokenDisagrees, Error, "metadata.token-disagrees", false,
        "Plaintext and hash of an authorization belong to different tokens.",
        "boltkey auth rotate ID replaces both.";
    HashUndecodable, Error, "metadata.hash-undecodable", false,
        "influxd can't decode the hash of a token.",
        "boltkey auth rotate ID replaces it.";
    HashAsToken, Error, "metadata.hash-as-token", false,
        "A hash is stored as a raw token. Whoever knows the hash has access.",
        "boltkey auth delete ID removes the authorization.";
    TokenStatus, Error, "metadata.token-status", false,
        "The status of a plaintext token is neither active nor inactive. InfluxDB 2.9 can't hash it and does not start, unless use-hashed-tokens is false.",
        "boltkey auth update ID --status inactive sets a valid status. boltkey auth delete ID removes the authorization.";
    TokenUserGone, Warning, "metadata.token-user-gone", true,
        "The user of an authorization was deleted. influxd hides the token and refuses it.",
        "boltkey auth delete ID removes it.";
    TokenOrgGone, Warning, "metadata.token-org-gone", true,
        "The organization of an authorization was deleted. influxd hides the token but still accepts it.",
        "boltkey auth delete ID removes it.";
    TokenTemporary, Warning, "metadata.token-temporary", false,
        "An authorization is marked as temporary.",
        "boltkey auth delete ID removes it.";
    OperatorOld, Warning, "metadata.operator-old", false,
        "An operator token has exactly the permissions of an older release, so an upgrade did not extend it. InfluxDB refuses it backup, restore and /api/v2/config, and it can't use or grant what it lacks.",
        "boltkey recover operator makes a new one, boltkey auth delete ID removes this one.";
    NobodyGetsIn, Warning, "metadata.nobody-gets-in", false,
        "There is no usable operator token and no login with operator power.",
        "boltkey recover operator makes a new operator token. If there is no user, boltkey user create --name NAME makes one first.";
    LastCopies, Warning, "metadata.last-copies", false,
        "Unused parts of the file contain the last copy of hashed tokens.",
        "boltkey residue recover --out FILE saves them, boltkey residue scrub overwrites them.";
    // names and owners
    IndexAbsent, Error, "metadata.index-absent", false,
        "A user, organization or bucket has no index entry, so influxd does not find it by name.",
        "boltkey user password --id ID adds the entry of a user. Address an organization or bucket by its ID over the API, or restore a backup: boltkey backup restore.";
    IndexElsewhere, Error, "metadata.index-elsewhere", false,
        "The index entry of a user, organization or bucket leads to another one.",
        "Restore a backup: boltkey backup restore.";
    IndexDangling, Warning, "metadata.index-dangling", true,
        "An index entry leads to nothing. Nobody else can get the name.",
        "boltkey user delete --id ID frees the name of a user. For an organization or bucket, use another name, or restore a backup: boltkey backup restore.";
    NameTaken, Error, "metadata.name-taken", false,
        "Two users, organizations or buckets have the same name. influxd finds only the one that the index entry leads to.",
        "Rename both over the API, by their IDs. influxd then writes an entry for each. boltkey user delete --id ID deletes one of two users.";
    MappingIndexAbsent, Error, "metadata.mapping-index-absent", false,
        "An ownership has no index entry, so the user's login does not get it.",
        "Restore a backup: boltkey backup restore.";
    MappingIndexDangling, Warning, "metadata.mapping-index-dangling", true,
        "An entry of the ownership index has no ownership.",
        "Nothing has to be done.";
    MappingUserGone, Warning, "metadata.mapping-user-gone", true,
        "The user of an ownership was deleted.",
        "Nothing has to be done.";
    BucketOrgGone, Warning, "metadata.bucket-org-gone", true,
        "The organization of an InfluxDB bucket was deleted.",
        "Nothing has to be done.";
    DbrpBucketGone, Warning, "metadata.dbrp-bucket-gone", true,
        "The bucket of a mapping of a 1.x database was deleted, so queries and writes of that database fail.",
        "influx v1 dbrp delete removes the mapping on a running server.";
    // points
    TsmUndecodable, Error, "metadata.tsm-undecodable", false,
        "influxd can't decode the time-series metadata and does not start.",
        "Restore a backup: boltkey backup restore.";
    TsmAbsent, Error, "metadata.tsm-absent", false,
        "An InfluxDB bucket has no time-series metadata. influxd ends with \"Missing metadata for bucket.\".",
        "Restore a backup: boltkey backup restore.";
    TsmDangling, Warning, "metadata.tsm-dangling", true,
        "There is time-series metadata of a bucket that does not exist. Its points can't be queried.",
        "Nothing has to be done.";
    SystemBucketAbsent, Warning, "metadata.system-bucket-absent", true,
        "An organization has no system bucket.",
        "Restore a backup (boltkey backup restore): the API makes no buckets whose names begin with an underscore.";
    TasksBucketAbsent, Error, "metadata.tasks-bucket-absent", true,
        "An organization has tasks, but influxd does not find its _tasks bucket by name. InfluxDB 2.5 and later does not start if one of these tasks is among the first 100.",
        "Restore a backup: boltkey backup restore.";
    // tasks
    TaskOrgGone, Error, "metadata.task-org-gone", true,
        "The organization of a task was deleted, and its _tasks bucket with it. InfluxDB 2.5 and later does not start if the task is among the first 100, active or not.",
        "Restore a backup from before the organization was deleted: boltkey backup restore.";
    TaskUnreadable, Error, "metadata.task-unreadable", false,
        "influxd can't read a task. InfluxDB 2.5 and later does not start if the task is among the first 100.",
        "Restore a backup: boltkey backup restore.";
    RunUnreadable, Error, "metadata.run-unreadable", false,
        "influxd can't read a run of a task. InfluxDB 2.5 and later does not start if the task is among the first 100.",
        "Restore a backup: boltkey backup restore.";
    // 1.x access
    V1IndexAbsent, Error, "metadata.v1-index-absent", false,
        "A 1.x-compatible authorization has no index entry, so it does not authenticate.",
        "Restore a backup: boltkey backup restore.";
    V1IndexDangling, Warning, "metadata.v1-index-dangling", true,
        "An index entry of a 1.x user name leads to nothing.",
        "Nothing has to be done.";
    V1PasswordAbsent, Warning, "metadata.v1-password-absent", false,
        "A 1.x-compatible authorization has no password, so nobody can use it.",
        "influx v1 auth set-password sets one on a running server.";
    // lost pages
    LostRecords, Error, "metadata.lost-records", false,
        "Pages that no bucket leads to hold records that the store lacks: a page was lost or overwritten.",
        "Don't change the file, and don't start influxd on it. boltkey salvage --out FILE makes a new store of every record that is left. boltkey check shows whether the transaction before is whole; boltkey compact --previous --out FILE then writes just that. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    // files beside the database
    SiblingUnread, Info, "metadata.sibling-unread", false,
        "A file beside the database may contain tokens and could not be read.",
        "Read it as a user who may, with boltkey residue scan --files FILE.";
    LeftOver, Warning, "metadata.left-over", false,
        "An earlier run did not complete this output file. It may contain tokens in plaintext.",
        "Delete the file.";
    SqliteUnusable, Error, "metadata.sqlite-unusable", false,
        "influxd can't use the SQLite file beside the database and does not start. It is damaged, not an SQLite file, or from a newer release.",
        "Put back the right file from a backup, or move it away. influxd then creates a new one, without notebooks, annotations, remotes and replications.";
    SqliteSchema, Warning, "metadata.sqlite-schema", false,
        "The SQLite file beside the database is from a different release than the database. They were not last used together.",
        "Put back the SQLite file that belongs to the database, if there is one. influxd updates an older one.";
    SqliteForeign, Warning, "metadata.sqlite-foreign", false,
        "The SQLite file beside the database knows only other organizations, so it belongs to another server.",
        "Put back the SQLite file that belongs to the database, or move this one away. influxd then creates a new one.";
    EngineOld, Error, "metadata.engine-old", false,
        "A folder in the engine folder beside the database is from a beta of InfluxDB 2.0. influxd does not start while it exists.",
        "Move it away.";
    EngineForeign, Warning, "metadata.engine-foreign", false,
        "The engine folder beside the database contains shards that the database does not know. If their numbers are higher than the database's, influxd assigns the numbers again, and one bucket reads the points of another.",
        "Put back the engine folder that belongs to the database before influxd starts. If the metadata of these shards are lost, boltkey bucket adopt --all adds their buckets.";
    EngineEmpty, Warning, "metadata.engine-empty", false,
        "The engine folder beside the database contains none of the shards that the database knows. Their points are elsewhere or lost.",
        "Put back the engine folder that belongs to the database, or set engine-path of influxd to it.";
    // backups
    FileMissing, Error, "backup.file-missing", false,
        "A file of the backup is missing.",
        "Use another backup.";
    FileDamaged, Error, "backup.file-damaged", false,
        "A file of the backup is damaged.",
        "Use another backup.";
    TargetUnread, Warning, "backup.target-unread", false,
        "The store that a restore replaces can't be read, so its shards are unknown.",
        "Keep the previous file, which the restore saves under a dated name.";
    BackupResidue, Warning, "backup.residue", false,
        "Free pages in the backup contain plaintext tokens.",
        "boltkey residue recover --db FILE --out FILE saves them. boltkey backup export makes a backup without them.";
    NoManifest, Info, "backup.no-manifest", false,
        "The backup has no .manifest, so influx restore does not accept it.",
        "boltkey backup export --influx-manifest writes one.";
    NoSqlite, Info, "backup.no-sqlite", false,
        "The backup has no SQLite file, so notebooks, annotations, remotes and replications are missing. A restore warns when the target has one.",
        "Nothing has to be done.";
    HashMigrates, Warning, "backup.hash-migrates", false,
        "Hashing raises the restored store to schema 21. InfluxDB 2.7 and older do not start on it.",
        "boltkey downgrade prepare --tokens FILE puts the plaintext back, and boltkey downgrade apply --to 2.7 undoes the rest. FILE is made by boltkey capture --out FILE on the store of the backup.";
    HashEmbedded, Warning, "backup.hash-embedded", false,
        "Records such as telegraf configurations contain tokens in plaintext. Hashing does not change them.",
        "Edit them in the UI.";
}

impl Code {
    /// The code of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }

    /// Whether it is about the structure of the file, rather than the records in it.
    #[must_use]
    pub fn is_structure(self) -> bool {
        self.name().starts_with("structure.")
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl PartialEq<&str> for Code {
    fn eq(&self, name: &&str) -> bool {
        self.name() == *name
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
