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
/// hex16 ID → task JSON.
pub const TASKS: &[u8] = b"tasksv1";

/// The buckets that influxd requires to start, with the migration that introduced the requirement.
pub const REQUIRED: &[(u64, &[u8])] = &[
    (1, AUTHORIZATIONS),
    (1, AUTHORIZATION_INDEX),
    (1, USERS),
    (1, USER_INDEX),
    (1, USER_PASSWORDS),
    (1, ORGANIZATIONS),
    (1, ORGANIZATION_INDEX),
    (1, BUCKETS),
    (1, BUCKET_INDEX),
    (1, MAPPINGS),
    (2, MAPPINGS_BY_USER),
    (7, TSM_METADATA),
    (8, LEGACY_AUTHORIZATIONS),
    (8, LEGACY_AUTHORIZATION_INDEX),
    (9, LEGACY_PASSWORDS),
    (21, AUTHORIZATION_HASHED_INDEX),
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
    b"checkindexv1",
    b"checksv1",
    b"dashboardcellviewsv1",
    b"dashboardsv2",
    b"dbrpbyorganddbindexv1",
    b"dbrpbyorgv1",
    b"dbrpdefaultv1",
    DBRP,
    INSTANCE,
    b"keyvaluelogindexv1",
    b"keyvaluelogv1",
    b"labelindexv1",
    b"labelmappingsv1",
    b"labelsv1",
    b"notificationEndpointIndexv1",
    b"notificationEndpointv1",
    b"notificationRulev1",
    b"onboardingv1",
    b"orgsdashboardsv1",
    b"remotesv2",
    b"replicationsv2",
    b"scraperv2",
    b"secretsv1",
    b"sessionsv1",
    SOURCES,
    b"taskIndexsv1",
    b"taskRunsv1",
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
