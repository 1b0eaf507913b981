//! The KV buckets of InfluxDB, grouped by the migration that introduced them
//! (`kv/migration/all` in influxdata/influxdb).

/// hex16 ID → authorization JSON.
pub const AUTHORIZATIONS: &[u8] = b"authorizationsv1";
/// Raw token → hex16 authorization ID.
pub const AUTHORIZATION_INDEX: &[u8] = b"authorizationindexv1";
/// Token hash (`$influxdb2-…`) → hex16 authorization ID; since migration 21.
pub const AUTHORIZATION_HASHED_INDEX: &[u8] = b"authorizationhashedindexv1";
/// hex16 ID → user JSON.
pub const USERS: &[u8] = b"usersv1";
/// User name → hex16 user ID.
pub const USER_INDEX: &[u8] = b"userindexv1";
/// hex16 user ID → bcrypt string.
pub const USER_PASSWORDS: &[u8] = b"userspasswordv1";
/// hex16 ID → organization JSON.
pub const ORGANIZATIONS: &[u8] = b"organizationsv1";
/// Trimmed organization name → hex16 organization ID.
pub const ORGANIZATION_INDEX: &[u8] = b"organizationindexv1";
/// hex16 ID → bucket JSON.
pub const BUCKETS: &[u8] = b"bucketsv1";
/// hex16 organization ID followed by the bucket's name → hex16 bucket ID.
pub const BUCKET_INDEX: &[u8] = b"bucketindexv1";
/// hex16 resource ID followed by hex16 user ID → mapping JSON.
pub const MAPPINGS: &[u8] = b"userresourcemappingsv1";
/// hex16 user ID, `/`, primary key → primary key; since migration 2.
pub const MAPPINGS_BY_USER: &[u8] = b"userresourcemappingsbyuserindexv1";
/// hex16 ID → authorization JSON whose token is a 1.x user name; since migration 8.
pub const LEGACY_AUTHORIZATIONS: &[u8] = b"legacy/authorizationsv1";
/// 1.x user name → hex16 ID; since migration 8.
pub const LEGACY_AUTHORIZATION_INDEX: &[u8] = b"legacy/authorizationindexv1";
/// hex16 ID → bcrypt string; since migration 9.
pub const LEGACY_PASSWORDS: &[u8] = b"legacy/authorizationPasswordv1";
/// hex16 migration number → migration JSON.
pub const MIGRATIONS: &[u8] = b"migrationsv1";
/// `meta.db` → time-series metadata (protobuf); since migration 7.
pub const TSM_METADATA: &[u8] = b"v1_tsm1_metadata";
/// The only key of [`TSM_METADATA`].
pub const TSM_METADATA_KEY: &[u8] = b"meta.db";
/// `id` → hex16 ID of the instance.
pub const INSTANCE: &[u8] = b"idsv1";
/// The only key of [`INSTANCE`].
pub const INSTANCE_KEY: &[u8] = b"id";
/// hex16 ID → source JSON.
pub const SOURCES: &[u8] = b"sourcesv1";
/// hex16 ID → JSON of a mapping of a 1.x database to a bucket; since migration 4.
pub const DBRP: &[u8] = b"dbrpv1";
/// hex16 organization ID, `/`, hex16 ID of a mapping → that ID; since migration 14.
pub const DBRP_BY_ORG: &[u8] = b"dbrpbyorgv1";
/// hex16 organization ID, database, `/`, hex16 ID of a mapping → that ID; since migration 4.
pub const DBRP_BY_DATABASE: &[u8] = b"dbrpbyorganddbindexv1";
/// hex16 organization ID, database → hex16 ID of its default mapping; since migration 4.
pub const DBRP_DEFAULT: &[u8] = b"dbrpdefaultv1";
/// hex16 ID → label JSON.
pub const LABELS: &[u8] = b"labelsv1";
/// hex16 organization ID, name of the label in lower case → hex16 label ID.
pub const LABEL_INDEX: &[u8] = b"labelindexv1";
/// hex16 organization ID, `/`, hex16 task ID → hex16 task ID.
pub const TASK_INDEX: &[u8] = b"taskIndexsv1";
/// hex16 ID → task JSON.
pub const TASKS: &[u8] = b"tasksv1";

/// Runs of tasks: hex16 task ID, `/`, hex16 run ID → run JSON. With `manualRuns` instead of the
/// run's ID: a list of runs.
pub const TASK_RUNS: &[u8] = b"taskRunsv1";
/// hex16 organization ID, then the name of the secret → its value in base64.
pub const SECRETS: &[u8] = b"secretsv1";

/// The effect if a store lacks one of its buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Without {
    /// influxd does not start.
    Ends,
    /// influxd does not start if there are tasks.
    EndsWithTasks,
    /// influxd starts, but tokens or logins don't work.
    NoAccess,
    /// influxd starts, but the content of the bucket is lost.
    Less,
    /// influxd creates it when it starts, and nothing is lost with it.
    Created,
}

/// The buckets of a store, each with the migration that introduced it.
pub const EXPECTED: &[(u64, &[u8], Without)] = &[
    (1, AUTHORIZATIONS, Without::NoAccess),
    (1, AUTHORIZATION_INDEX, Without::Ends),
    (1, USERS, Without::NoAccess),
    (1, USER_INDEX, Without::NoAccess),
    (1, USER_PASSWORDS, Without::NoAccess),
    (1, ORGANIZATIONS, Without::NoAccess),
    (1, ORGANIZATION_INDEX, Without::NoAccess),
    (1, BUCKETS, Without::NoAccess),
    (1, BUCKET_INDEX, Without::NoAccess),
    (1, MAPPINGS, Without::NoAccess),
    (2, MAPPINGS_BY_USER, Without::NoAccess),
    (7, TSM_METADATA, Without::Ends),
    (8, LEGACY_AUTHORIZATIONS, Without::Ends),
    (8, LEGACY_AUTHORIZATION_INDEX, Without::Ends),
    (9, LEGACY_PASSWORDS, Without::NoAccess),
    (21, AUTHORIZATION_HASHED_INDEX, Without::Ends),
    (1, TASKS, Without::Ends),
    (1, TASK_RUNS, Without::EndsWithTasks),
    (1, LABELS, Without::Ends),
    (1, LABEL_INDEX, Without::Ends),
    (1, b"labelmappingsv1", Without::Ends),
    (1, b"notificationRulev1", Without::Ends),
    (1, b"checkindexv1", Without::Less),
    (1, b"checksv1", Without::Less),
    (1, b"dashboardcellviewsv1", Without::Less),
    (1, b"dashboardsv2", Without::Less),
    (4, DBRP_BY_DATABASE, Without::Less),
    (14, DBRP_BY_ORG, Without::Less),
    (4, DBRP_DEFAULT, Without::Less),
    (4, DBRP, Without::Less),
    (1, INSTANCE, Without::Created),
    (1, b"keyvaluelogindexv1", Without::Less),
    (1, b"keyvaluelogv1", Without::Less),
    (1, b"notificationEndpointIndexv1", Without::Less),
    (1, b"notificationEndpointv1", Without::Less),
    (1, b"onboardingv1", Without::Less),
    (1, b"orgsdashboardsv1", Without::Less),
    (20, b"remotesv2", Without::Created),
    (20, b"replicationsv2", Without::Created),
    (1, b"scraperv2", Without::Less),
    (1, SECRETS, Without::Less),
    (1, SOURCES, Without::Less),
    (1, TASK_INDEX, Without::Less),
    (1, b"telegrafPluginsv1", Without::Less),
    (10, b"telegrafbyorgindexv1", Without::Less),
    (1, b"telegrafv1", Without::Less),
    (1, b"templates/documents/content", Without::Less),
    (1, b"templates/documents/meta", Without::Less),
    (5, b"v1_pkger_stacks", Without::Less),
    (5, b"v1_pkger_stacks_index", Without::Less),
    (1, b"variableorgsv1", Without::Less),
    (1, b"variablesindexv1", Without::Less),
    (1, b"variablesv1", Without::Less),
];

/// Every bucket that some 2.x release creates.
pub const ALL: &[&[u8]] = &[
    AUTHORIZATIONS,
    AUTHORIZATION_INDEX,
    AUTHORIZATION_HASHED_INDEX,
    USERS,
    USER_INDEX,
    USER_PASSWORDS,
    ORGANIZATIONS,
    ORGANIZATION_INDEX,
    BUCKETS,
    BUCKET_INDEX,
    MAPPINGS,
    MAPPINGS_BY_USER,
    LEGACY_AUTHORIZATIONS,
    LEGACY_AUTHORIZATION_INDEX,
    LEGACY_PASSWORDS,
    MIGRATIONS,
    TSM_METADATA,
    TASKS,
    TASK_RUNS,
    b"checkindexv1",
    b"checksv1",
    b"dashboardcellviewsv1",
    b"dashboardsv2",
    DBRP_BY_DATABASE,
    DBRP_BY_ORG,
    DBRP_DEFAULT,
    DBRP,
    INSTANCE,
    b"keyvaluelogindexv1",
    b"keyvaluelogv1",
    LABEL_INDEX,
    b"labelmappingsv1",
    LABELS,
    b"notificationEndpointIndexv1",
    b"notificationEndpointv1",
    b"notificationRulev1",
    b"onboardingv1",
    b"orgsdashboardsv1",
    b"remotesv2",
    b"replicationsv2",
    b"scraperv2",
    SECRETS,
    b"sessionsv1",
    SOURCES,
    TASK_INDEX,
    b"telegrafPluginsv1",
    b"telegrafbyorgindexv1",
    b"telegrafv1",
    b"templates/documents/content",
    b"templates/documents/meta",
    b"v1_pkger_stacks",
    b"v1_pkger_stacks_index",
    b"variableorgsv1",
    b"variablesindexv1",
    b"variablesv1",
];
