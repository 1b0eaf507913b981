//! Every kind of finding, in one table. `boltkey explain` prints an entry, and `docs/findings.md`
//! lists them all.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::finding::Severity;

/// What `boltkey repair` does about a kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Repair {
    /// It cures it.
    Cured,
    /// It leaves it and says why: only the owner of the store can decide.
    Choice,
    /// It refuses the store: pages of the tree are damaged or lost.
    Salvage,
    /// It refuses the store: this version does not know the schema.
    Schema,
    /// It ignores it: nothing is wrong, or the cause is not in the database.
    Nothing,
}

impl Repair {
    /// A sentence; empty if there is nothing to say.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Cured => "repair cures it.",
            Self::Choice => "repair leaves it and says why.",
            Self::Salvage => "repair refuses a file with this damage.",
            Self::Schema => "repair refuses a store with this schema.",
            Self::Nothing => "",
        }
    }
}

/// Declares [`Code`] from one table: variant, severity, name, whether it needs all records, what
/// `boltkey repair` does about it, meaning, cure.
macro_rules! codes {
    ($($variant:ident, $severity:ident, $name:literal, $needs:literal, $repair:ident, $meaning:literal, $cure:literal;)*) => {
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

            /// What `boltkey repair` does about it.
            #[must_use]
            pub fn repair(self) -> Repair {
                match self { $(Self::$variant => Repair::$repair,)* }
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
    OlderMeta, Warning, "structure.older-meta", false, Cured,
        "A meta page is invalid, so the other one is used; what it describes may be one transaction older.",
        "Check what was lost: boltkey status. boltkey repair writes both meta pages again, and so does every other change.";
    MetaChecksumZero, Warning, "structure.meta-checksum-zero", false, Cured,
        "A meta page has the checksum 0, which bbolt 1.3.6 takes without verifying and later versions refuse.",
        "boltkey repair writes both meta pages again, and so does every other change.";
    MetaHeader, Warning, "structure.meta-header", false, Cured,
        "The page header of a meta page is wrong; the meta itself is valid.",
        "boltkey repair writes both meta pages again, and so does every other change.";
    MetaRoot, Error, "structure.meta-root", false, Salvage,
        "The current meta names no possible page as the root of the tree.",
        "boltkey compact --out FILE writes the transaction before, which is read instead, to a new file.";
    MetaPageSize, Error, "structure.meta-page-size", false, Salvage,
        "The current meta names another page size than the one the file is laid out in.",
        "boltkey compact --out FILE writes every record to a new file without this.";
    OtherMetaPageSize, Warning, "structure.other-meta-page-size", false, Cured,
        "The other meta names another page size than the one the file is laid out in.",
        "boltkey repair writes both meta pages again, and so does every other change.";
    OddPageSize, Warning, "structure.odd-page-size", false, Choice,
        "The page size is no power of two.",
        "boltkey convert --out FILE makes a redb store of it. boltkey convert --out FILE of that one makes a bolt file with pages of 4,096 bytes.";
    MetaParity, Info, "structure.meta-parity", false, Nothing,
        "The transaction number of a meta does not belong to its slot, as in copies made by `influx backup`.",
        "Nothing has to be done: the next change writes both meta pages again.";
    MetaTwins, Info, "structure.meta-twins", false, Nothing,
        "Both metas carry the same transaction number.",
        "Nothing has to be done: the next change writes both meta pages again.";
    OtherMeta, Warning, "structure.other-meta", false, Cured,
        "The tree or freelist of the other meta is damaged, so it is no way back to the transaction before.",
        "boltkey repair writes both meta pages again, and so does every other change.";
    // the file as a whole
    Truncated, Error, "structure.truncated", false, Cured,
        "The file ends before the high-water mark. Bolt maps the file and dies when it touches a page that is not there.",
        "boltkey repair cures it in place. boltkey compact --out FILE writes every record to a new file without this.";
    ShortPage, Warning, "structure.short-page", false, Cured,
        "The file ends inside a page in use; only unused bytes of it are missing.",
        "boltkey repair cures it in place. boltkey compact --out FILE writes every record to a new file without this.";
    Tail, Info, "structure.tail", false, Nothing,
        "Bytes beyond the high-water mark are not zero: something was written there and never committed.",
        "boltkey residue scrub overwrites it. First save tokens in it: boltkey residue recover --out FILE.";
    // pages
    PageBounds, Error, "structure.page-bounds", false, Salvage,
        "A node lies outside the pages between the metas and the high-water mark.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    PageMissing, Error, "structure.page-missing", false, Salvage,
        "A node, or a used part of one, lies beyond the end of the file.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    PageId, Error, "structure.page-id", false, Salvage,
        "The header of a page carries another page's number.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    PageType, Error, "structure.page-type", false, Salvage,
        "A page of the tree is neither a branch nor a leaf.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    PageCount, Error, "structure.page-count", false, Salvage,
        "A node claims more elements than fit into it.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    PageShared, Error, "structure.page-shared", false, Salvage,
        "A page is used twice, or a branch leads back to itself.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    ExcessShared, Error, "structure.excess-shared", false, Cured,
        "A node claims a page of another node after its last element. All records can be read, but Bolt would free that page with the wrong node.",
        "boltkey repair cures it in place. boltkey compact --out FILE writes every record to a new file without this.";
    TreeDepth, Error, "structure.tree-depth", false, Salvage,
        "A page lies deeper below its root than Bolt can ever have put it.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    TreeUneven, Warning, "structure.tree-uneven", false, Cured,
        "The leaves of a tree are not all equally deep, as Bolt's are: it loses records when it merges a leaf with a branch.",
        "boltkey repair cures it in place. boltkey compact --out FILE writes every record to a new file without this.";
    EmptyBranch, Error, "structure.empty-branch", false, Salvage,
        "A branch has no elements.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    EmptyLeaf, Warning, "structure.empty-leaf", false, Cured,
        "A leaf below a branch has no elements.",
        "boltkey repair cures it in place. boltkey compact --out FILE writes every record to a new file without this.";
    SingleChild, Warning, "structure.single-child", false, Cured,
        "A branch has only one child, on which Bolt panics when that child shrinks.",
        "boltkey repair cures it in place. boltkey compact --out FILE writes every record to a new file without this.";
    ExcessPages, Warning, "structure.excess-pages", false, Cured,
        "A node takes more pages than it needs.",
        "boltkey repair cures it in place. boltkey compact --out FILE writes every record to a new file without this.";
    Packing, Warning, "structure.packing", false, Cured,
        "The keys and values of a node do not follow each other without gaps.",
        "boltkey repair cures it in place. boltkey compact --out FILE writes every record to a new file without this.";
    Slack, Warning, "structure.slack", false, Cured,
        "Unused bytes of a page in use are not zero.",
        "boltkey repair writes the pages again without it. boltkey residue scrub overwrites it, and all other unused bytes. First save tokens in it: boltkey residue recover --out FILE.";
    // elements
    ElementBounds, Error, "structure.element-bounds", false, Salvage,
        "An element's key or value lies outside its node.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    ElementOverlap, Error, "structure.element-overlap", false, Salvage,
        "Two elements of a node claim the same bytes.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    ElementFlags, Error, "structure.element-flags", false, Salvage,
        "An element is marked as neither a plain value nor a bucket.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    KeyEmpty, Error, "structure.key-empty", false, Salvage,
        "A key has no bytes.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    KeySize, Error, "structure.key-size", false, Salvage,
        "A key is longer than 32,768 bytes.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    KeyOrder, Error, "structure.key-order", false, Salvage,
        "The keys of a node do not ascend.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    KeyRange, Error, "structure.key-range", false, Salvage,
        "A key lies outside the range that the branches above give to its page.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    // buckets
    BucketValue, Error, "structure.bucket-value", false, Salvage,
        "A bucket's value is too short for what it has to hold.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    BucketTrailing, Warning, "structure.bucket-trailing", false, Cured,
        "A bucket's value is longer than what it has to hold.",
        "boltkey repair cures it in place. boltkey compact --out FILE writes every record to a new file without this.";
    InlinePage, Error, "structure.inline-page", false, Salvage,
        "The page inside an inline bucket's value is no leaf that fits there.",
        "boltkey salvage --out FILE makes a new store of every record that is left. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    InlineHeader, Warning, "structure.inline-header", false, Cured,
        "The page inside an inline bucket's value carries a page number.",
        "boltkey repair cures it in place. boltkey compact --out FILE writes every record to a new file without this.";
    InlineNested, Warning, "structure.inline-nested", false, Cured,
        "An inline bucket holds another bucket, which Bolt never writes.",
        "boltkey repair cures it in place. boltkey compact --out FILE writes every record to a new file without this.";
    NestedBucket, Info, "structure.nested-bucket", false, Nothing,
        "A bucket stands inside another one; InfluxDB makes none.",
        "Nothing has to be done.";
    RootValue, Error, "structure.root-value", false, Salvage,
        "A plain value stands where only buckets should.",
        "boltkey salvage --out FILE makes a new store of every record that is left. boltkey check shows whether the transaction before is whole; boltkey compact --previous --out FILE then writes just that. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    // freelist
    FreelistAbsent, Info, "structure.freelist-absent", false, Nothing,
        "The file has no stored freelist; Bolt makes it anew when it opens the file.",
        "Nothing has to be done.";
    FreelistPage, Error, "structure.freelist-page", false, Cured,
        "The freelist's page is none, so Bolt does not open the file for writing.",
        "boltkey repair cures it in place. boltkey compact --out FILE writes every record to a new file without this.";
    FreelistCount, Error, "structure.freelist-count", false, Cured,
        "The freelist claims more page numbers than fit into it.",
        "boltkey repair cures it in place. boltkey compact --out FILE writes every record to a new file without this.";
    FreelistBounds, Error, "structure.freelist-bounds", false, Cured,
        "The freelist offers a meta page, or one beyond the high-water mark.",
        "boltkey repair cures it in place. boltkey compact --out FILE writes every record to a new file without this.";
    FreelistSelf, Error, "structure.freelist-self", false, Cured,
        "The freelist offers the pages it stands in.",
        "boltkey repair cures it in place. boltkey compact --out FILE writes every record to a new file without this.";
    FreelistDuplicate, Error, "structure.freelist-duplicate", false, Cured,
        "The freelist offers a page twice.",
        "boltkey repair cures it in place. boltkey compact --out FILE writes every record to a new file without this.";
    FreelistOrder, Warning, "structure.freelist-order", false, Cured,
        "The page numbers of the freelist do not ascend.",
        "boltkey repair cures it in place. boltkey compact --out FILE writes every record to a new file without this.";
    FreelistLive, Error, "structure.freelist-live", false, Cured,
        "The freelist offers a page that is in use: the next commit would overwrite it.",
        "boltkey repair cures it in place. boltkey compact --out FILE writes every record to a new file without this.";
    Leaked, Warning, "structure.leaked", false, Cured,
        "A page is neither in use nor on the freelist, so its space is lost.",
        "boltkey repair cures it in place. boltkey compact --out FILE writes every record to a new file without this.";
    // the file in use
    Unlocked, Warning, "structure.unlocked", false, Nothing,
        "The file system has no locks, so boltkey does not notice a running influxd.",
        "Make sure that influxd is stopped on every host that mounts this file system.";
    Unclean, Warning, "structure.unclean", false, Cured,
        "A redb store was not closed properly. Reading repairs it in memory.",
        "boltkey repair closes the store, and so does every other change.";
    UnfinishedScrub, Info, "structure.unfinished-scrub", false, Nothing,
        "A scrub of a redb store was interrupted.",
        "Nothing has to be done. The table takes space until a scrub that finds tokens removes it.";
    ForeignTable, Info, "structure.foreign-table", false, Nothing,
        "A redb store has a table of another program. No command changes it.",
        "Nothing has to be done.";
    // records
    Undecodable, Error, "metadata.undecodable", false, Choice,
        "influxd can't decode this record. Such a bucket or migration keeps every release from starting. Such an authorization keeps InfluxDB 2.8 and later from starting.",
        "boltkey auth delete ID removes an authorization that can't be decoded. boltkey salvage --out FILE makes a new store with an older version of the record, if the file still has one, and else without it. Or restore a backup: boltkey backup restore.";
    KeyMismatch, Error, "metadata.key-mismatch", false, Choice,
        "The key of a record is not the ID in the record.",
        "Restore a backup (boltkey backup restore): which of the two is right can't be known.";
    BucketAbsent, Error, "metadata.bucket-absent", false, Cured,
        "A bucket of the store does not exist. influxd does not start without it, or tokens or logins don't work.",
        "boltkey repair creates it empty. It does not create a bucket of tokens, users, organizations, buckets or ownerships, because their records are lost: restore a backup (boltkey backup restore).";
    OtherBucketAbsent, Warning, "metadata.other-bucket-absent", false, Cured,
        "A bucket of the store does not exist. influxd starts, but the content of the bucket is lost.",
        "boltkey repair creates it empty. To get the content back, restore a backup: boltkey backup restore.";
    OtherUndecodable, Warning, "metadata.other-undecodable", false, Choice,
        "influxd can't decode this record, such as a dashboard, a check, a secret or a DBRP mapping. influxd starts, but can't show the record or the list that contains it.",
        "Restore a backup: boltkey backup restore. A DBRP mapping of a release before 2.0.2: boltkey v1 dbrp delete --id ID, then boltkey v1 dbrp create.";
    InstanceUnreadable, Error, "metadata.instance-unreadable", false, Cured,
        "influxd can't read the ID of the instance and does not start.",
        "boltkey repair gives the instance a new ID.";
    BucketUnknown, Info, "metadata.bucket-unknown", false, Nothing,
        "InfluxDB does not know this bucket of the store.",
        "Nothing has to be done.";
    // migrations
    MigrationUnknown, Error, "metadata.migration-unknown", false, Schema,
        "No release up to 2.9 knows this migration. influxd ends with \"DB contains record of unknown migration\".",
        "Start the release that wrote it, or restore a backup: boltkey backup restore.";
    MigrationName, Error, "metadata.migration-name", false, Schema,
        "A migration has the wrong name. influxd ends while starting.",
        "Restore a backup: boltkey backup restore.";
    MigrationGap, Warning, "metadata.migration-gap", true, Schema,
        "An earlier migration is missing. influxd does not notice and never runs it.",
        "Restore a backup: boltkey backup restore.";
    MigrationUnfinished, Warning, "metadata.migration-unfinished", false, Schema,
        "A migration was started and not finished.",
        "Start influxd once: it runs the migration again.";
    // tokens
    TokenIndexAbsent, Error, "metadata.token-index-absent", false, Cured,
        "A token has no index entry, so no server accepts it.",
        "boltkey repair adds the entry. Where several authorizations have the same token, boltkey auth rotate ID gives one of them a new token.";
    TokenIndexElsewhere, Error, "metadata.token-index-elsewhere", false, Cured,
        "The index entry of a token leads to another record.",
        "boltkey repair corrects the entry. boltkey auth rotate ID gives the authorization a new token.";
    TokenIndexDangling, Warning, "metadata.token-index-dangling", true, Cured,
        "An index entry leads to no record, or to one with another token.",
        "boltkey repair removes it. boltkey hash removes such entries too, and hashes every plaintext token.";
    TokenAbsent, Warning, "metadata.token-absent", false, Choice,
        "An authorization has no token, so it authenticates nobody.",
        "boltkey auth rotate ID gives it a token, boltkey auth delete ID removes it.";
    TokenBoth, Warning, "metadata.token-both", false, Cured,
        "An authorization has plaintext and hash. influxd never hashes it.",
        "boltkey repair removes the plaintext from the record; boltkey residue recover --out FILE finds it afterwards. boltkey hash removes it too, and hashes every other plaintext token.";
    TokenDisagrees, Error, "metadata.token-disagrees", false, Choice,
        "Plaintext and hash of an authorization belong to different tokens.",
        "boltkey auth rotate ID replaces both.";
    HashUndecodable, Error, "metadata.hash-undecodable", false, Choice,
        "influxd can't decode the hash of a token.",
        "boltkey auth rotate ID replaces it.";
    HashAsToken, Error, "metadata.hash-as-token", false, Choice,
        "A hash is stored as a raw token. Whoever knows the hash has access.",
        "boltkey auth delete ID removes the authorization.";
    TokenStatus, Error, "metadata.token-status", false, Cured,
        "The status of a plaintext token is neither active nor inactive. InfluxDB 2.9 can't hash it and does not start, unless use-hashed-tokens is false.",
        "boltkey repair sets the status to inactive, which is how influxd treats the token. boltkey auth update ID --status active activates it.";
    TokenUserGone, Warning, "metadata.token-user-gone", true, Choice,
        "The user of an authorization was deleted. influxd hides the token and refuses it.",
        "boltkey auth delete ID removes it.";
    TokenOrgGone, Warning, "metadata.token-org-gone", true, Choice,
        "The organization of an authorization was deleted. influxd hides the token but still accepts it.",
        "boltkey auth delete ID removes it.";
    TokenTemporary, Warning, "metadata.token-temporary", false, Nothing,
        "An authorization is marked as temporary.",
        "boltkey auth delete ID removes it.";
    OperatorOld, Warning, "metadata.operator-old", false, Cured,
        "An operator token has exactly the permissions of an older release, so an upgrade did not extend it. InfluxDB refuses it backup, restore and /api/v2/config, and it can't use or grant what it lacks.",
        "boltkey repair adds the permissions; the token keeps its value.";
    AllAccessOld, Warning, "metadata.all-access-old", false, Cured,
        "An all-access token has exactly the permissions of an older release, so an upgrade did not extend it. It can't use notebooks, annotations, remotes or replications, as a new one can.",
        "boltkey repair adds the permissions; the token keeps its value.";
    NobodyGetsIn, Warning, "metadata.nobody-gets-in", false, Nothing,
        "There is no usable operator token and no login with operator power.",
        "boltkey recover operator makes a new operator token. If there is no user, boltkey user create --name NAME makes one first.";
    LastCopies, Warning, "metadata.last-copies", false, Nothing,
        "Unused parts of the file contain the last copy of hashed tokens.",
        "boltkey residue recover --out FILE saves them, boltkey residue scrub overwrites them.";
    // names and owners
    IndexAbsent, Error, "metadata.index-absent", false, Cured,
        "A user, organization or bucket has no index entry, so influxd does not find it by name.",
        "boltkey repair adds the entry.";
    IndexElsewhere, Error, "metadata.index-elsewhere", false, Cured,
        "The index entry of a user, organization or bucket leads to another one.",
        "boltkey repair corrects the entry.";
    IndexDangling, Warning, "metadata.index-dangling", true, Cured,
        "An index entry leads to nothing. Nobody else can get the name.",
        "boltkey repair removes the entry. boltkey user delete --id ID frees the name of one user.";
    NameTaken, Error, "metadata.name-taken", false, Choice,
        "Two users, organizations or buckets have the same name. influxd finds only the one that the index entry leads to.",
        "Rename both over the API, by their IDs. influxd then writes an entry for each. boltkey user delete --id ID deletes one of two users.";
    MappingIndexAbsent, Error, "metadata.mapping-index-absent", false, Cured,
        "An ownership has no index entry, so the user's login does not get it.",
        "boltkey repair adds the entry.";
    MappingIndexDangling, Warning, "metadata.mapping-index-dangling", true, Cured,
        "An entry of the ownership index has no ownership.",
        "boltkey repair removes the entry.";
    MappingUserGone, Warning, "metadata.mapping-user-gone", true, Cured,
        "The user of an ownership was deleted.",
        "boltkey repair deletes the ownership.";
    MappingOrgGone, Warning, "metadata.mapping-org-gone", true, Cured,
        "The organization of an ownership or membership was deleted.",
        "boltkey repair deletes it.";
    BucketOrgGone, Warning, "metadata.bucket-org-gone", true, Choice,
        "The organization of an InfluxDB bucket was deleted.",
        "Nothing has to be done.";
    DbrpBucketGone, Warning, "metadata.dbrp-bucket-gone", true, Cured,
        "The bucket of a mapping of a 1.x database was deleted, or the mapping names none, so queries and writes of that database fail.",
        "boltkey repair deletes the mapping.";
    DbrpIndexAbsent, Warning, "metadata.dbrp-index-absent", false, Cured,
        "A mapping of a 1.x database has no index entry, or its database has no default mapping. 1.x queries and writes don't find it.",
        "boltkey repair adds the entry. Which of several mappings is the default is left to you: boltkey v1 dbrp update --id ID --default.";
    DbrpIndexDangling, Warning, "metadata.dbrp-index-dangling", true, Cured,
        "An entry in an index of mappings of 1.x databases leads to no mapping.",
        "boltkey repair removes it.";
    LabelIndexAbsent, Warning, "metadata.label-index-absent", false, Cured,
        "The name of a label has no index entry, so another label can get the same name.",
        "boltkey repair adds it.";
    LabelIndexDangling, Warning, "metadata.label-index-dangling", true, Cured,
        "An index entry of a label's name leads to no label with that name. No label can get the name.",
        "boltkey repair removes it.";
    // points
    TsmUndecodable, Error, "metadata.tsm-undecodable", false, Cured,
        "influxd can't decode the time-series metadata and does not start.",
        "boltkey repair writes it again, with the shards that are in the engine folder. If that folder is not beside the database, name it: boltkey repair --engine-path PATH.";
    TsmAbsent, Error, "metadata.tsm-absent", false, Cured,
        "An InfluxDB bucket has no time-series metadata. influxd ends with \"Missing metadata for bucket.\".",
        "boltkey repair adds it, with the shards that are in the engine folder. If that folder is not beside the database, name it: boltkey repair --engine-path PATH.";
    TsmDangling, Warning, "metadata.tsm-dangling", true, Choice,
        "There is time-series metadata of a bucket that does not exist. Its points can't be queried.",
        "Nothing has to be done.";
    SystemBucketAbsent, Warning, "metadata.system-bucket-absent", true, Cured,
        "An organization has no system bucket.",
        "boltkey repair creates it.";
    TasksBucketAbsent, Error, "metadata.tasks-bucket-absent", true, Cured,
        "An organization has tasks, but influxd does not find its _tasks bucket by name. InfluxDB 2.5 and later does not start if one of these tasks is among the first 100.",
        "boltkey repair creates it, or its index entry.";
    // tasks
    TaskOrgGone, Error, "metadata.task-org-gone", true, Cured,
        "The organization of a task was deleted, and its _tasks bucket with it. InfluxDB 2.5 and later does not start if the task is among the first 100, active or not.",
        "boltkey repair deletes the task with its runs. To keep it, restore a backup from before the organization was deleted: boltkey backup restore.";
    TaskUnreadable, Error, "metadata.task-unreadable", false, Choice,
        "influxd can't read a task. InfluxDB 2.5 and later does not start if the task is among the first 100.",
        "Restore a backup: boltkey backup restore.";
    RunUnreadable, Error, "metadata.run-unreadable", false, Choice,
        "influxd can't read a run of a task. InfluxDB 2.5 and later does not start if the task is among the first 100.",
        "Restore a backup: boltkey backup restore.";
    // 1.x access
    V1IndexAbsent, Error, "metadata.v1-index-absent", false, Cured,
        "A 1.x-compatible authorization has no index entry, so it does not authenticate.",
        "boltkey repair adds the entry.";
    V1IndexDangling, Warning, "metadata.v1-index-dangling", true, Cured,
        "An index entry of a 1.x user name leads to nothing.",
        "boltkey repair removes the entry.";
    V1UserGone, Warning, "metadata.v1-user-gone", true, Cured,
        "The user of a 1.x-compatible authorization was deleted.",
        "boltkey repair deletes the authorization.";
    V1OrgGone, Warning, "metadata.v1-org-gone", true, Cured,
        "The organization of a 1.x-compatible authorization was deleted.",
        "boltkey repair deletes the authorization.";
    V1PasswordAbsent, Warning, "metadata.v1-password-absent", false, Choice,
        "A 1.x-compatible authorization has no password, so nobody can use it.",
        "boltkey v1 auth password --id ID sets one, boltkey v1 auth delete --id ID deletes the authorization.";
    // lost pages
    LostRecords, Error, "metadata.lost-records", false, Salvage,
        "Pages that no bucket leads to hold records that the store lacks: a page was lost or overwritten.",
        "Don't change the file, and don't start influxd on it. boltkey salvage --out FILE makes a new store of every record that is left. boltkey check shows whether the transaction before is whole; boltkey compact --previous --out FILE then writes just that. boltkey capture --out FILE and boltkey residue recover --out FILE save the tokens that have no record any more.";
    // files beside the database
    SiblingUnread, Info, "metadata.sibling-unread", false, Nothing,
        "A file beside the database may contain tokens and could not be read.",
        "Read it as a user who may, with boltkey residue scan --files FILE.";
    LeftOver, Warning, "metadata.left-over", false, Nothing,
        "An earlier run did not complete this output file. It may contain tokens in plaintext.",
        "Delete the file.";
    SqliteUnusable, Error, "metadata.sqlite-unusable", false, Choice,
        "influxd can't use the SQLite file beside the database and does not start. It is damaged, not an SQLite file, or from a newer release.",
        "Put back the right file from a backup, or move it away. influxd then creates a new one, without notebooks, annotations, remotes and replications.";
    SqliteSchema, Warning, "metadata.sqlite-schema", false, Choice,
        "The SQLite file beside the database is from a different release than the database. They were not last used together.",
        "Put back the SQLite file that belongs to the database, if there is one. influxd updates an older one.";
    SqliteForeign, Warning, "metadata.sqlite-foreign", false, Choice,
        "The SQLite file beside the database knows only other organizations, so it belongs to another server.",
        "Put back the SQLite file that belongs to the database, or move this one away. influxd then creates a new one.";
    EngineOld, Error, "metadata.engine-old", false, Choice,
        "A folder in the engine folder beside the database is from a beta of InfluxDB 2.0. influxd does not start while it exists.",
        "Move it away.";
    EngineForeign, Warning, "metadata.engine-foreign", false, Choice,
        "The engine folder beside the database contains shards that the database does not know. If their numbers are higher than the database's, influxd assigns the numbers again, and one bucket reads the points of another.",
        "Put back the engine folder that belongs to the database before influxd starts. If the metadata of these shards are lost, boltkey bucket adopt --all adds them, and their buckets.";
    EngineEmpty, Warning, "metadata.engine-empty", false, Choice,
        "The engine folder beside the database contains none of the shards that the database knows. Their points are elsewhere or lost.",
        "Put back the engine folder that belongs to the database, or set engine-path of influxd to it.";
    // backups
    FileMissing, Error, "backup.file-missing", false, Nothing,
        "A file of the backup is missing.",
        "Use another backup.";
    FileDamaged, Error, "backup.file-damaged", false, Nothing,
        "A file of the backup is damaged.",
        "Use another backup.";
    TargetUnread, Warning, "backup.target-unread", false, Nothing,
        "The store that a restore replaces can't be read, so its shards are unknown.",
        "Keep the previous file, which the restore saves under a dated name.";
    BackupResidue, Warning, "backup.residue", false, Nothing,
        "Free pages in the backup contain plaintext tokens.",
        "boltkey residue recover --db FILE --out FILE saves them. boltkey backup export makes a backup without them.";
    NoManifest, Info, "backup.no-manifest", false, Nothing,
        "The backup has no .manifest, so influx restore does not accept it.",
        "boltkey backup export --influx-manifest writes one.";
    NoSqlite, Info, "backup.no-sqlite", false, Nothing,
        "The backup has no SQLite file, so notebooks, annotations, remotes and replications are missing. A restore warns when the target has one.",
        "Nothing has to be done.";
    HashMigrates, Warning, "backup.hash-migrates", false, Nothing,
        "Hashing raises the restored store to schema 21. InfluxDB 2.7 and older do not start on it.",
        "boltkey downgrade prepare --tokens FILE puts the plaintext back, and boltkey downgrade apply --to 2.7 undoes the rest. FILE is made by boltkey capture --out FILE on the store of the backup.";
    HashEmbedded, Warning, "backup.hash-embedded", false, Nothing,
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

#[cfg(test)]
impl schemars::JsonSchema for Code {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Code".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "The kind of finding: a name of `docs/findings.md`.",
            "type": "string",
            "pattern": "^(structure|metadata|backup)\\.[a-z0-9-]+$"
        })
    }
}
