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
