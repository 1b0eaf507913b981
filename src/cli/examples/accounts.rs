//! Examples of commands for users, organizations, buckets, 1.x access and new stores.

use super::Of;

pub(super) const EXAMPLES: &[Of] = &[
    (
        "user list",
        &[
            ("List users", "boltkey user list influxd.bolt"),
            (
                "Print JSON for a script",
                "boltkey user list influxd.bolt --json",
            ),
        ],
    ),
    (
        "user verify",
        &[
            (
                "Check whether a password signs a user in",
                "boltkey user verify influxd.bolt --name alice --password-file password.txt",
            ),
            (
                "Check a 1.x user, and list the databases it can use",
                "boltkey user verify influxd.bolt --v1 --name collectd \
                 --password-file password.txt",
            ),
        ],
    ),
    (
        "user create",
        &[
            (
                "Create a user who owns an organization",
                "boltkey user create --db influxd.bolt --name eve --org acme \
                 --password-file password.txt",
            ),
            (
                "Create a user with access to everything",
                "boltkey user create --db influxd.bolt --name root --instance-owner --yes",
            ),
        ],
    ),
    (
        "user password",
        &[
            (
                "Set a password from a file",
                "boltkey user password --db influxd.bolt --name alice \
                 --password-file password.txt --yes",
            ),
            (
                "Check first whether it could be set",
                "boltkey user password --db influxd.bolt --name alice \
                 --password-file password.txt --dry-run",
            ),
        ],
    ),
    (
        "user update",
        &[
            (
                "Lock a user out",
                "boltkey user update --db influxd.bolt --name bob --status inactive",
            ),
            (
                "Let a user in again",
                "boltkey user update --db influxd.bolt --name sleeper --status active",
            ),
            (
                "Give a user another name",
                "boltkey user update --db influxd.bolt --name bob --rename robert",
            ),
        ],
    ),
    (
        "user delete",
        &[
            (
                "Show which tokens would stop working",
                "boltkey user delete --db influxd.bolt --name bob --dry-run",
            ),
            (
                "Delete a user",
                "boltkey user delete --db influxd.bolt --name bob --yes",
            ),
        ],
    ),
    (
        "org list",
        &[
            ("List organizations", "boltkey org list influxd.bolt"),
            (
                "Print JSON for a script",
                "boltkey org list influxd.bolt --json",
            ),
        ],
    ),
    (
        "org create",
        &[
            (
                "Create an organization",
                "boltkey org create --db influxd.bolt --name lab",
            ),
            (
                "Show what would be created",
                "boltkey org create --db influxd.bolt --name lab --dry-run",
            ),
        ],
    ),
    (
        "bucket list",
        &[
            ("List buckets", "boltkey bucket list influxd.bolt"),
            (
                "Print JSON for a script",
                "boltkey bucket list influxd.bolt --json",
            ),
        ],
    ),
    (
        "bucket create",
        &[
            (
                "Create a bucket that keeps points for 30 days",
                "boltkey bucket create --db influxd.bolt --org acme --name history \
                 --retention 30d",
            ),
            (
                "Show what would be created",
                "boltkey bucket create --db influxd.bolt --org acme --name history --dry-run",
            ),
        ],
    ),
    (
        "v1 auth list",
        &[
            (
                "List 1.x users, and whether 1.x clients can use them",
                "boltkey v1 auth list influxd.bolt",
            ),
            (
                "Print one as JSON",
                "boltkey v1 auth list influxd.bolt --username collectd --json",
            ),
        ],
    ),
    (
        "v1 auth create",
        &[
            (
                "Create a 1.x user that may read and write a bucket",
                "boltkey v1 auth create --db influxd.bolt --org acme --user alice \
                 --username grafana --read-bucket metrics --write-bucket metrics \
                 --password-file password.txt",
            ),
            (
                "Create one without a password",
                "boltkey v1 auth create --db influxd.bolt --org acme --user alice \
                 --username later --read-bucket metrics --no-password",
            ),
        ],
    ),
    (
        "v1 auth update",
        &[
            (
                "Switch a 1.x user off",
                "boltkey v1 auth update --db influxd.bolt --username collectd \
                 --status inactive",
            ),
            (
                "Let it read and write one bucket, and no other",
                "boltkey v1 auth update --db influxd.bolt --username collectd \
                 --read-bucket metrics --write-bucket metrics",
            ),
        ],
    ),
    (
        "v1 auth password",
        &[
            (
                "Set a password from a file",
                "boltkey v1 auth password --db influxd.bolt --username collectd \
                 --password-file password.txt --yes",
            ),
            (
                "Check first whether it could be set",
                "boltkey v1 auth password --db influxd.bolt --username collectd \
                 --password-file password.txt --dry-run",
            ),
        ],
    ),
    (
        "v1 auth delete",
        &[
            (
                "Delete a 1.x user",
                "boltkey v1 auth delete --db influxd.bolt --username collectd --yes",
            ),
            (
                "Show what would be deleted",
                "boltkey v1 auth delete --db influxd.bolt --username collectd --dry-run",
            ),
        ],
    ),
    (
        "v1 dbrp list",
        &[
            (
                "List which bucket each database means",
                "boltkey v1 dbrp list influxd.bolt",
            ),
            (
                "Show which bucket a client without a retention policy reaches",
                "boltkey v1 dbrp list influxd.bolt --org acme --database metrics --default",
            ),
        ],
    ),
    (
        "v1 dbrp create",
        &[
            (
                "Map the database telegraf to a bucket",
                "boltkey v1 dbrp create --db influxd.bolt --org acme --database telegraf \
                 --bucket metrics",
            ),
            (
                "Map another retention policy, and make it the default",
                "boltkey v1 dbrp create --db influxd.bolt --org acme --database telegraf \
                 --rp year --bucket metrics --default",
            ),
        ],
    ),
    (
        "v1 dbrp update",
        &[
            (
                "Make a mapping the default of its database",
                "boltkey v1 dbrp update --id 11b6d4bc27c48000 --default --db influxd.bolt",
            ),
            (
                "Change its retention policy",
                "boltkey v1 dbrp update --id 11b6d4bc27c48000 --rp year --db influxd.bolt",
            ),
        ],
    ),
    (
        "v1 dbrp delete",
        &[
            (
                "Delete a mapping",
                "boltkey v1 dbrp delete --id 11b6d4bc27c48000 --db influxd.bolt --yes",
            ),
            (
                "Show which requests would change",
                "boltkey v1 dbrp delete --id 11b6d4bc27c48000 --db influxd.bolt --dry-run",
            ),
        ],
    ),
    (
        "bucket adopt",
        &[
            (
                "Show which buckets would be added",
                "boltkey bucket adopt --all --org acme --db influxd.bolt --dry-run",
            ),
            (
                "Add one bucket with a name",
                "boltkey bucket adopt 00000000000000aa --name 00000000000000aa=old \
                 --org acme --db influxd.bolt --yes",
            ),
        ],
    ),
    (
        "setup",
        &[
            (
                "Create a store for influxd",
                "boltkey setup --db new.bolt --username alice --org acme --bucket metrics \
                 --password-file password.txt",
            ),
            (
                "Create a redb store whose operator token is written to a file",
                "boltkey setup --db new.redb --username alice --org acme --bucket metrics \
                 --password-file password.txt --token-out new.token",
            ),
            (
                "Create a store for InfluxDB 2.7",
                "boltkey setup --db old.bolt --username alice --org acme --bucket metrics \
                 --password-file password.txt --release 2.7",
            ),
        ],
    ),
    (
        "apply",
        &[
            (
                "Show what a list would change",
                "boltkey apply list.toml --db influxd.bolt --dry-run",
            ),
            ("Apply it", "boltkey apply list.toml --db influxd.bolt"),
            (
                "Also delete tokens of earlier runs that it no longer names",
                "boltkey apply list.toml --db influxd.bolt --prune --yes",
            ),
        ],
    ),
];
