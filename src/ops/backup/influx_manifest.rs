//! The manifests of `influx backup`: reads the formats of every 2.x release, writes the current
//! one.
//!
//! Whether an export may write one is decided in `export`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::metadata::{Catalog, Id, tsm};
use crate::ops::backup::Compression;

/// The suffix of manifest files.
pub const SUFFIX: &str = ".manifest";

/// The format version that the influx CLI writes and accepts since 2.1.
const VERSION: u64 = 2;

/// The content of a manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The metadata store.
    pub kv: FileOf,
    /// The SQLite file; 2.0 has none.
    pub sql: Option<FileOf>,
    /// The shards by organization name and bucket name.
    pub shards: BTreeMap<(String, String), Vec<ShardFile>>,
}

/// A file as a manifest lists it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileOf {
    /// Its name in the folder.
    pub name: String,
    /// Its length in bytes as it is stored.
    pub size: u64,
    /// Its compression; `None` where the manifest does not say.
    pub compression: Option<Compression>,
}

/// The file of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardFile {
    /// The shard's number.
    pub shard: u64,
    /// The file.
    pub file: FileOf,
}

/// Both formats in one type: fields that a format lacks are absent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    manifest_version: Option<u64>,
    kv: ReadFile,
    #[serde(default)]
    sql: Option<ReadFile>,
    #[serde(default)]
    buckets: Option<Vec<ReadBucket>>,
    /// 2.0 only: the shards.
    #[serde(default)]
    files: Option<Vec<ReadShardOf20>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadFile {
    #[serde(default)]
    file_name: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    compression: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadBucket {
    #[serde(default)]
    organization_name: String,
    #[serde(default)]
    bucket_name: String,
    #[serde(default)]
    retention_policies: Option<Vec<ReadPolicy>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadPolicy {
    #[serde(default)]
    shard_groups: Option<Vec<ReadGroup>>,
}

#[derive(Deserialize)]
struct ReadGroup {
    #[serde(default)]
    shards: Option<Vec<ReadShard>>,
}

#[derive(Deserialize)]
struct ReadShard {
    id: u64,
    #[serde(flatten)]
    file: ReadFile,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadShardOf20 {
    #[serde(default)]
    organization_name: String,
    #[serde(default)]
    bucket_name: String,
    #[serde(rename = "shardID")]
    shard_id: u64,
    #[serde(flatten)]
    file: ReadFile,
}

impl ReadFile {
    fn into_file(self, manifest: &str) -> Result<FileOf> {
        plain_name(&self.file_name, manifest)?;
        Ok(FileOf {
            name: self.file_name,
            size: self.size,
            compression: self.compression.map(|number| match number {
                0 => Compression::None,
                _ => Compression::Gzip,
            }),
        })
    }
}

/// Refuses a name that is not a plain file name.
///
/// # Errors
/// [`ErrorKind::NotAStore`], naming it.
pub fn plain_name(name: &str, named_by: &str) -> Result<()> {
    let plain = !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != "..";
    if plain {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::NotAStore,
        format!("{named_by} names the file {name:?}, which is not in the backup's own folder"),
    )
    .with_hint("a backup names its files without folders; check where this backup comes from"))
}

impl Manifest {
    /// Parses a manifest; `name` is its file name, for messages.
    ///
    /// # Errors
    /// [`ErrorKind::NotAStore`] when it is not a manifest, has an unknown version, or names files
    /// outside the folder.
    pub fn read(text: &[u8], name: &str) -> Result<Self> {
        let damaged = |why: String| {
            Error::new(
                ErrorKind::NotAStore,
                format!("{name} is not a manifest: {why}"),
            )
        };
        let read: Read = serde_json::from_slice(text).map_err(|cause| {
            // The library's error text may quote the content.
            damaged(format!("line {}, column {}", cause.line(), cause.column()))
        })?;
        if let Some(version) = read.manifest_version
            && version != VERSION
        {
            return Err(damaged(format!(
                "its version is {version}; the influx CLI accepts version {VERSION} or no version"
            )));
        }
        let mut manifest = Self {
            kv: read.kv.into_file(name)?,
            ..Self::default()
        };
        if let Some(sql) = read.sql.filter(|sql| !sql.file_name.is_empty()) {
            manifest.sql = Some(sql.into_file(name)?);
        }
        for bucket in read.buckets.unwrap_or_default() {
            let key = (bucket.organization_name, bucket.bucket_name);
            let files = manifest.shards.entry(key).or_default();
            let policies = bucket.retention_policies.unwrap_or_default().into_iter();
            let groups = policies.flat_map(|policy| policy.shard_groups.unwrap_or_default());
            for shard in groups.flat_map(|group| group.shards.unwrap_or_default()) {
                files.push(ShardFile {
                    shard: shard.id,
                    file: shard.file.into_file(name)?,
                });
            }
        }
        for shard in read.files.unwrap_or_default() {
            let key = (shard.organization_name, shard.bucket_name);
            let mut file = shard.file.into_file(name)?;
            // 2.0 compresses every shard, but does not record it.
            file.compression.get_or_insert(Compression::Gzip);
            manifest.shards.entry(key).or_default().push(ShardFile {
                shard: shard.shard_id,
                file,
            });
        }
        Ok(manifest)
    }

    /// Merges a later manifest of the same folder: its metadata, and its shards for every bucket it
    /// names. The influx CLI does the same.
    pub fn overlay(&mut self, later: Self) {
        self.kv = later.kv;
        self.sql = later.sql;
        self.shards.extend(later.shards);
    }

    /// All shards with a file.
    pub fn shard_files(&self) -> impl Iterator<Item = &ShardFile> {
        self.shards.values().flatten()
    }
}

/// The format for writing a manifest.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenManifest<'a> {
    manifest_version: u64,
    kv: WrittenFile<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sql: Option<WrittenFile<'a>>,
    buckets: Vec<WrittenBucket<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenFile<'a> {
    file_name: &'a str,
    size: u64,
    compression: u8,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenBucket<'a> {
    #[serde(rename = "organizationID")]
    organization_id: Id,
    organization_name: &'a str,
    #[serde(rename = "bucketID")]
    bucket_id: Id,
    bucket_name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    default_retention_policy: &'a str,
    retention_policies: Vec<WrittenPolicy<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenPolicy<'a> {
    name: &'a str,
    replica_n: u32,
    duration: i64,
    shard_group_duration: i64,
    /// Always empty: a backup of metadata has no points.
    shard_groups: [(); 0],
    subscriptions: Vec<WrittenSubscription<'a>>,
}

#[derive(Serialize)]
struct WrittenSubscription<'a> {
    name: &'a str,
    mode: &'a str,
    destinations: &'a [String],
}

/// The manifest of a metadata-only backup: all buckets, without shards. Like the server, it leaves
/// out buckets without time-series metadata and buckets of deleted organizations.
///
/// # Errors
/// Only if JSON serialization fails, which does not happen for these types.
pub fn write(
    kv: &FileOf,
    sql: Option<&FileOf>,
    catalog: &Catalog,
    data: &tsm::Data,
) -> Result<Vec<u8>> {
    let databases: BTreeMap<&str, &tsm::Database> = data
        .databases
        .iter()
        .map(|database| (database.name.as_str(), database))
        .collect();
    let buckets = catalog.buckets.values().filter_map(|bucket| {
        let organization = catalog.orgs.get(&bucket.org_id)?;
        let database = databases.get(bucket.id.to_string().as_str())?;
        Some(WrittenBucket {
            organization_id: bucket.org_id,
            organization_name: &organization.name,
            bucket_id: bucket.id,
            bucket_name: &bucket.name,
            description: &bucket.description,
            default_retention_policy: &database.default_retention_policy,
            retention_policies: database.retention_policies.iter().map(policy).collect(),
        })
    });
    let manifest = WrittenManifest {
        manifest_version: VERSION,
        kv: file(kv),
        sql: sql.map(file),
        buckets: buckets.collect(),
    };
    serde_json::to_vec_pretty(&manifest)
        .map_err(|cause| Error::new(ErrorKind::Io, format!("can't write the manifest: {cause}")))
}

fn file(of: &FileOf) -> WrittenFile<'_> {
    WrittenFile {
        file_name: &of.name,
        size: of.size,
        compression: u8::from(of.compression == Some(Compression::Gzip)),
    }
}

fn policy(policy: &tsm::RetentionPolicy) -> WrittenPolicy<'_> {
    WrittenPolicy {
        name: &policy.name,
        replica_n: policy.replica_n,
        duration: policy.duration,
        shard_group_duration: policy.shard_group_duration,
        shard_groups: [],
        subscriptions: policy
            .subscriptions
            .iter()
            .map(|subscription| WrittenSubscription {
                name: &subscription.name,
                mode: &subscription.mode,
                destinations: &subscription.destinations,
            })
            .collect(),
    }
}

/// The common start of a backup's file names, as the influx CLI chooses it: the start time in UTC.
#[must_use]
pub fn base(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// A manifest with a new size of the metadata file; every other byte stays as it is.
///
/// # Errors
/// [`ErrorKind::NotAStore`] when it is not a JSON object with a `kv` field.
pub fn with_size_of_kv(text: &[u8], size: u64, name: &str) -> Result<Vec<u8>> {
    use crate::metadata::json::{Edit, Object};
    let damaged = || Error::new(ErrorKind::NotAStore, format!("{name} is not a manifest"));
    let object = Object::parse(text).ok_or_else(damaged)?;
    let kv = object.get("kv").ok_or_else(damaged)?;
    let mut new = Vec::new();
    let size = size.to_string();
    Object::parse(kv)
        .ok_or_else(damaged)?
        .edit(&[("size", Edit::Set(&size))], &mut new);
    let new = String::from_utf8(new).map_err(|_| damaged())?;
    let mut out = Vec::new();
    object.edit(&[("kv", Edit::Set(&new))], &mut out);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_2_9: &str = r#"{
  "manifestVersion": 2,
  "kv": {"fileName": "b.bolt.gz", "size": 10, "compression": 1},
  "sql": {"fileName": "b.sqlite.gz", "size": 11, "compression": 1},
  "buckets": [{
    "organizationID": "dd7cd2292f6e974a", "organizationName": "o",
    "bucketID": "7451ab8b9b7df592", "bucketName": "m", "defaultRetentionPolicy": "autogen",
    "retentionPolicies": [{"name": "autogen", "replicaN": 1, "duration": 0,
      "shardGroupDuration": 1, "shardGroups": [{"id": 1, "shards": [
        {"id": 7, "shardOwners": [], "fileName": "b.7.tar.gz", "size": 803, "compression": 1}]}],
      "subscriptions": []}]
  }]
}"#;

    #[test]
    fn every_form_is_read() {
        let manifest = Manifest::read(OF_2_9.as_bytes(), "m").unwrap();
        assert_eq!((&*manifest.kv.name, manifest.kv.size), ("b.bolt.gz", 10));
        assert_eq!(manifest.kv.compression, Some(Compression::Gzip));
        assert_eq!(manifest.sql.unwrap().name, "b.sqlite.gz");
        let shards = &manifest.shards[&("o".into(), "m".into())];
        assert_eq!((shards[0].shard, shards[0].file.size), (7, 803));

        let of_2_0 = r#"{"kv":{"fileName":"b.bolt","size":9},"files":[{"organizationID":"x",
            "organizationName":"o","bucketID":"y","bucketName":"m","shardID":3,
            "fileName":"b.s3.tar.gz","size":5,"lastModified":"2021-01-01T00:00:00Z"}]}"#;
        let manifest = Manifest::read(of_2_0.as_bytes(), "m").unwrap();
        assert_eq!((manifest.kv.compression, manifest.sql), (None, None));
        let shards = &manifest.shards[&("o".into(), "m".into())];
        assert_eq!(shards[0].file.compression, Some(Compression::Gzip));
    }

    #[test]
    fn what_is_no_manifest_or_names_files_elsewhere_is_refused() {
        let with = |name: &str| OF_2_9.replace("b.7.tar.gz", name);
        for text in [
            String::new(),
            String::from("[]"),
            String::from("{}"),
            OF_2_9.replace("\"manifestVersion\": 2", "\"manifestVersion\": 3"),
            with("/etc/passwd"),
            with("../x"),
            with(".."),
            with("."),
            with("a/b"),
            with(""),
            with("a\\u0000"),
            OF_2_9.replace("b.sqlite.gz", "../x"),
            OF_2_9.replace("b.bolt.gz", "/x"),
        ] {
            let refused = Manifest::read(text.as_bytes(), "the-manifest").unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::NotAStore, "{text}");
            assert!(refused.message().contains("the-manifest"));
        }
        println!("cases: manifests-refused 13");
    }

    #[test]
    fn a_later_one_wins_bucket_by_bucket() {
        let mut first = Manifest::read(OF_2_9.as_bytes(), "m").unwrap();
        let other = OF_2_9.replace("\"m\"", "\"n\"").replace("b.", "c.");
        first.overlay(Manifest::read(other.as_bytes(), "m").unwrap());
        assert_eq!(first.kv.name, "c.bolt.gz");
        let names: Vec<&str> = first.shard_files().map(|s| s.file.name.as_str()).collect();
        assert_eq!(names, ["b.7.tar.gz", "c.7.tar.gz"]);
    }

    #[test]
    fn only_the_size_of_the_metadata_changes() {
        let new = with_size_of_kv(OF_2_9.as_bytes(), 4711, "m").unwrap();
        let new = String::from_utf8(new).unwrap();
        assert_eq!(new, OF_2_9.replace("\"size\": 10", "\"size\": 4711"));
    }

    #[test]
    fn the_base_is_the_time_as_the_influx_cli_writes_it() {
        let time: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        assert_eq!(base(time), "20260102T030405Z");
    }
}
