//! Error texts of other programs, in one table: what each means, and what to run.
//!
//! The texts are those of influxd 2.0 to 2.9, of bbolt 1.3.6 to 1.5.0 and of the SQLite inside
//! influxd, as their sources have them.

/// An error text of another program.
#[derive(Debug)]
pub struct ErrorText {
    /// What identifies it, in lower case. `#` matches a hexadecimal number, `*` anything on the
    /// line. A text that begins with `=` has to be all there is.
    pub patterns: &'static [&'static str],
    /// What it means.
    pub meaning: &'static str,
    /// What helps.
    pub cure: &'static str,
}

impl ErrorText {
    /// The pattern that stands for it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        let name = self.patterns.first().copied().unwrap_or_default();
        name.trim_start_matches('=')
    }
}

const DAMAGED: &str = "boltkey salvage --out FILE makes a new store of every record that is left in the file. boltkey check \
     names the damage, and whether the transaction before is whole: boltkey compact --previous --out FILE then writes \
     just that to a new file. Or restore a backup: boltkey backup restore. boltkey capture --out FILE and boltkey residue \
     recover --out FILE save the tokens that have no record any more.";

const FREELIST: &str = "boltkey check names the defect. While it finds no other error, all records can be read: boltkey \
     repair cures it in place, and boltkey compact --out FILE writes them to a new file.";

const NO_META: &str = "boltkey status shows what the file is. If it is a damaged database, boltkey salvage --out FILE makes a new \
     store of every record that is left in it. Or restore a backup: boltkey backup restore. boltkey locate lists every \
     store of this host.";

const CUT_OFF: &str = "Nothing is left in it. Restore a backup: boltkey backup restore. Without one, but with the folder engine \
     beside it, boltkey setup and then boltkey bucket adopt --all make a new store that shows the old points. boltkey \
     locate lists every store of this host.";

const NO_FILE: &str =
    "boltkey status shows what the file is. boltkey locate lists every store of this host.";

/// The first that matches is the answer, so the more exact ones come first.
pub const TEXTS: &[ErrorText] = &[
    // influxd starts
    ErrorText {
        patterns: &[
            "missing metadata for bucket",
            "incompatible influxdb 2.0 metadata found",
        ],
        meaning: "influxd ends while starting: an InfluxDB bucket has no time-series metadata. influxd recovery org create makes such buckets.",
        cure: "boltkey check names the buckets, boltkey repair adds what they lack, with the shards that are in the engine folder.",
    },
    ErrorText {
        patterns: &["unknown migration", "migration specification not found"],
        meaning: "A newer influxd has opened this database. An older influxd does not start on it.",
        cure: "Start the newer release, or go back: boltkey downgrade check --to RELEASE shows the steps and what would be lost.",
    },
    ErrorText {
        patterns: &["expected migration \"*\", found"],
        meaning: "The list of migrations in the database is not the one of this release: a development build wrote it, or a record was changed.",
        cure: "boltkey check names the migration. Start the release that wrote the database, or restore a backup: boltkey backup restore.",
    },
    ErrorText {
        patterns: &["bucket \"_tasks\" not found"],
        meaning: "influxd ends while starting: an organization has tasks, but its bucket _tasks does not exist, or the organization of a task was deleted.",
        cure: "boltkey check names the organization or the task. boltkey repair creates the bucket, or deletes the task with its runs.",
    },
    ErrorText {
        patterns: &[
            "error during hashed token migration",
            "error migrating hashed tokens",
        ],
        meaning: "influxd ends while it replaces plaintext tokens by their hashes: it can't read or write the record of a token.",
        cure: "boltkey check names the record. boltkey hash --dry-run --no-capture shows whether the tokens could be hashed without influxd.",
    },
    ErrorText {
        patterns: &["error fetching authorization records for hash variant inventory"],
        meaning: "influxd ends while starting: it can't decode the record of a token.",
        cure: "boltkey check names the record, boltkey auth delete ID removes it.",
    },
    ErrorText {
        patterns: &["hashedtoken does not match token"],
        meaning: "The plaintext and the hash of an authorization belong to different tokens.",
        cure: "boltkey check names the authorization. boltkey auth rotate ID gives it a new token.",
    },
    ErrorText {
        patterns: &["no token available for authorization", "key required"],
        meaning: "influxd has to write the record of a token that it does not have: a downgrade from 2.8 or later took the hash away.",
        cure: "boltkey auth list --storage missing lists such tokens. boltkey auth rotate ID gives one a new token, boltkey auth delete ID removes it.",
    },
    ErrorText {
        patterns: &["missing required index, upgrade required"],
        meaning: "The database has no index of hashed tokens: no release with hashed tokens has opened it yet.",
        cure: "Start influxd 2.8 or later once. boltkey status shows the schema.",
    },
    // the lock of the file
    ErrorText {
        patterns: &[
            "unable to open boltdb file timeout",
            "unable to open boltdb: timeout",
            "bolt: timeout",
            "bolt db: timeout",
            "boltdb: timeout",
            "=timeout",
            "=error: timeout",
        ],
        meaning: "Another process holds the lock of the database, usually a running influxd.",
        cure: "Stop it. boltkey status names the process.",
    },
    ErrorText {
        patterns: &["may not support the map_shared option"],
        meaning: "The file system of the database does not support what bbolt needs, as some network and host file systems of containers.",
        cure: "Move the database to a local disk or a volume of the container. boltkey check tells whether the file itself is sound.",
    },
    // the file can't be opened
    ErrorText {
        patterns: &["file size too small"],
        meaning: "The file ends within its first two pages: it was cut off, or a copy was not finished.",
        cure: CUT_OFF,
    },
    ErrorText {
        patterns: &["invalid database"],
        meaning: "The file is not a bolt file, or neither of its meta pages is valid.",
        cure: NO_META,
    },
    ErrorText {
        patterns: &["version mismatch"],
        meaning: "A meta page of the file has another version than bbolt knows: the page is damaged, or the file is of another program.",
        cure: NO_META,
    },
    ErrorText {
        patterns: &["checksum error"],
        meaning: "The checksums of both meta pages of the file are wrong.",
        cure: NO_META,
    },
    // the tree
    ErrorText {
        patterns: &["invalid page type: #: #", "page #: invalid type:"],
        meaning: "bbolt reached a page of the wrong type: the tree of the database is damaged.",
        cure: DAMAGED,
    },
    ErrorText {
        patterns: &["self identifies as"],
        meaning: "bbolt reached a page whose header has another page's number: the tree of the database is damaged.",
        cure: DAMAGED,
    },
    ErrorText {
        patterns: &[
            "unexpected fault address",
            "sigbus: bus error",
            "page #: out of bounds",
        ],
        meaning: "bbolt read beyond the end of the file: it is shorter than its tree needs.",
        cure: DAMAGED,
    },
    ErrorText {
        patterns: &["has unexpected type/flags"],
        meaning: "bbolt reached a page whose header is wrong: the tree of the database is damaged.",
        cure: DAMAGED,
    },
    ErrorText {
        patterns: &["page #: multiple references"],
        meaning: "Two places of the tree lead to the same page.",
        cure: DAMAGED,
    },
    ErrorText {
        patterns: &[
            "zero-length inode key",
            "zero-length node key",
            "misplaced bucket header",
            "unexpected bucket header flag",
        ],
        meaning: "bbolt reached a page whose records are damaged.",
        cure: DAMAGED,
    },
    // the freelist
    ErrorText {
        patterns: &[
            "invalid freelist page",
            "freelist page ids from a non-freelist page",
            "freelist page count from a non-freelist page",
        ],
        meaning: "The page of the freelist is not a freelist. bbolt does not open the file.",
        cure: FREELIST,
    },
    ErrorText {
        patterns: &["freelist pgid (#) above high water mark"],
        meaning: "The meta page places the freelist beyond the pages in use. bbolt does not open the file.",
        cure: FREELIST,
    },
    ErrorText {
        patterns: &["above high water mark"],
        meaning: "The tree leads to a page beyond the pages in use: it is damaged.",
        cure: DAMAGED,
    },
    ErrorText {
        patterns: &[
            "page # already freed",
            "page #: already freed",
            "page #: reachable freed",
            "detected duplicated free",
            "detected overlapped free",
        ],
        meaning: "The freelist of the database names a page that is in use, or a page twice.",
        cure: FREELIST,
    },
    ErrorText {
        patterns: &["page #: unreachable unfreed"],
        meaning: "A page is neither in use nor on the freelist. If it holds records that the tree lacks, a page was lost.",
        cure: "boltkey check tells the two apart. If nothing is lost, boltkey repair frees the page.",
    },
    ErrorText {
        patterns: &["database reached maximum size", "mmap too large"],
        meaning: "The database is larger than bbolt can map into memory.",
        cure: "boltkey status shows how much of it is free space. boltkey compact --out FILE writes all records to a new file.",
    },
    // buckets of the store
    ErrorText {
        patterns: &[
            "unexpected error retrieving auth bucket",
            "unexpected error retrieving user bucket",
            "unexpected error retrieving user index",
        ],
        meaning: "influxd can't read the records of tokens or users.",
        cure: DAMAGED,
    },
    ErrorText {
        patterns: &["bucket \"*\" not found", "bucket not found"],
        meaning: "The file has no such bucket, or the server has no InfluxDB bucket of this name. With influxd recovery the path is often wrong, and an empty file was just created there.",
        cure: NO_FILE,
    },
    ErrorText {
        patterns: &["user could not be unmarshalled"],
        meaning: "influxd can't decode the record of a user, organization or bucket.",
        cure: "boltkey check names the record. boltkey salvage --out FILE makes a new store with an older version of it, if the file still has one. Or restore a backup: boltkey backup restore.",
    },
    // tokens
    ErrorText {
        patterns: &["unauthorized access"],
        meaning: "The server does not know the token, or the token or its user is inactive, or it lacks a permission.",
        cure: "boltkey auth verify --token-file FILE names the reason. Of a 1.x user (/query, /write), boltkey user verify --v1 --name NAME does. boltkey recover operator makes a new operator token.",
    },
    ErrorText {
        patterns: &["is unauthorized"],
        meaning: "The server knows the token, but the token lacks the permission that is named.",
        cure: "boltkey auth verify --token-file FILE --can ACTION:TYPE checks it. boltkey recover operator makes an operator token.",
    },
    ErrorText {
        patterns: &["permission * is not allowed"],
        meaning: "A token can't be made with permissions that its maker lacks.",
        cure: "boltkey auth create makes a token with any permissions while influxd is stopped.",
    },
    ErrorText {
        patterns: &["authorization not found"],
        meaning: "The server does not know the token, or the 1.x user.",
        cure: "boltkey auth verify --token-file FILE names the reason. boltkey v1 auth list lists the 1.x users.",
    },
    ErrorText {
        patterns: &["token already exists"],
        meaning: "Another authorization has this token value.",
        cure: "boltkey auth verify --token-file FILE names that authorization.",
    },
    ErrorText {
        patterns: &["token is inactive"],
        meaning: "The server knows the token, and it is inactive.",
        cure: "boltkey auth update ID --status active activates it.",
    },
    ErrorText {
        patterns: &["user is inactive"],
        meaning: "The user of the token is inactive, or was deleted.",
        cure: "boltkey auth show ID shows which. A token of a deleted user can't be revived: boltkey auth create makes another.",
    },
    ErrorText {
        patterns: &["invalid backup without an operator token"],
        meaning: "influx restore --full found no operator token in plaintext in the backup. By then it has replaced the metadata of the server.",
        cure: "boltkey backup inspect DIR lists the operator tokens of the backup. boltkey backup token DIR --out DIR2 --generate puts one into a copy of it.",
    },
    // users and organizations
    ErrorText {
        patterns: &["onboarding has already been completed"],
        meaning: "The server was set up before, so setup does nothing. If you never did, influxd uses another database than you think.",
        cure: "boltkey status lists the ways in, boltkey locate lists every store of this host. boltkey recover operator makes a new operator token.",
    },
    ErrorText {
        patterns: &["your username or password is incorrect"],
        meaning: "The server has no such user, or the password is another one.",
        cure: "boltkey user list lists the users. boltkey user password --name NAME sets a new password.",
    },
    ErrorText {
        patterns: &["passwords must be between", "passwords must contain"],
        meaning: "The password does not satisfy the rules of InfluxDB.",
        cure: "Choose another one. boltkey user password --name NAME has the same rules.",
    },
    ErrorText {
        patterns: &["could not find user", "user not found"],
        meaning: "The database has no user of this name or ID.",
        cure: "boltkey user list lists the users. If yours are not there, it is another database: boltkey locate lists every store of this host.",
    },
    ErrorText {
        patterns: &[
            "could not find org",
            "organization not found",
            "organization name \"*\" not found",
        ],
        meaning: "The database has no organization of this name or ID. A server says the same where the token may not see it.",
        cure: "boltkey org list lists the organizations. boltkey auth verify --token-file FILE shows what a token may do.",
    },
    // 1.x clients
    ErrorText {
        patterns: &["no dbrp mapping found", "database not found"],
        meaning: "A 1.x client asked for a database that leads to no bucket in the organization of its token or 1.x user, or that it may not read.",
        cure: "boltkey v1 dbrp list lists the databases. boltkey v1 dbrp create --database NAME --bucket BUCKET maps one to a bucket.",
    },
    ErrorText {
        patterns: &["retention policy not found", "expected 1, found #"],
        meaning: "A 1.x client asked for a retention policy that leads to no bucket.",
        cure: "boltkey v1 dbrp list --database NAME lists the retention policies of a database. boltkey v1 dbrp create --database NAME --rp POLICY --bucket BUCKET adds one.",
    },
    ErrorText {
        patterns: &["insufficient permissions for write"],
        meaning: "The token or 1.x user may not write the bucket, or is inactive.",
        cure: "boltkey auth verify --token-file FILE --can write:buckets/NAME checks a token. boltkey user verify --v1 --name NAME shows what a 1.x user may write, boltkey v1 auth update --username NAME --write-bucket BUCKET changes it.",
    },
    ErrorText {
        patterns: &["password change required"],
        meaning: "The password is right, but it does not satisfy the rules of InfluxDB. 2.7.6 and later refuse it. Passwords of 1.x can be too short.",
        cure: "boltkey user password --name NAME sets another, boltkey v1 auth password --username NAME that of a 1.x user.",
    },
    // SQLite
    ErrorText {
        patterns: &["database is locked"],
        meaning: "Another process uses the SQLite file beside the database, usually a running influxd.",
        cure: "Stop it. boltkey status names a process that holds the database.",
    },
    ErrorText {
        patterns: &[
            "database disk image is malformed",
            "file is not a database",
            "attempt to write a readonly database",
        ],
        meaning: "influxd can't use the SQLite file beside the database: it is damaged, no SQLite file, or not writable. It holds notebooks, annotations, remotes and replications, and no token of influxd.",
        cure: "boltkey backup restore puts back a backup's database and SQLite file as a pair.",
    },
    // last: these say the least
    ErrorText {
        patterns: &[
            "=unauthorized",
            "\"message\":\"unauthorized\"",
            "401 unauthorized",
            "unauthorized(401)",
        ],
        meaning: "The server refused the token of a client, or the name and the password of a 1.x client (/query, /write). A user of 2.x can't sign in there.",
        cure: "boltkey user verify --v1 --name NAME tells why a 1.x client is refused, boltkey auth verify --token-file FILE why a token is.",
    },
    ErrorText {
        patterns: &["unable to open boltdb"],
        meaning: "influxd can't open the database: another process holds it, or it is not a valid bolt file.",
        cure: "boltkey status names the process or the damage.",
    },
];
