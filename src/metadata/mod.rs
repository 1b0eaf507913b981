//! InfluxDB's records: what the bytes of a store mean. Knows nothing of files.

pub mod authenticate;
pub mod authorization;
pub mod can;
pub mod catalog;
pub mod check;
pub mod description_tags;
pub mod embedded;
pub mod go_json;
pub mod hashing;
mod id;
pub mod json;
pub mod lost;
pub mod mapping;
pub mod migration;
pub mod names;
pub mod new_authorization;
pub mod new_records;
pub mod new_store;
pub mod parallel;
pub mod password;
pub mod permission;
pub mod post_request;
pub mod release;
pub mod release_impact;
pub mod residue;
pub mod token_hash;
pub mod tsm;
pub mod tsm_edit;

pub use authorization::{Authorization, Class, Kind, Storage};
pub use can::Can;
pub use catalog::{Bucket, Catalog, Organization, User};
pub use id::Id;
pub use mapping::Mapping;
pub use migration::Schema;
pub use release::Release;
pub use token_hash::{TokenHash, Variant};
