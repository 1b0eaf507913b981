//! The content of a new store before its setup: the buckets, migrations and records of InfluxDB 2.3
//! and later.

use crate::metadata::{Id, migration, names};
use crate::store::ChangeSet;

/// A bucket that an early migration creates and a later one deletes.
const DELETED: &[u8] = b"sessionsv1";

/// The source that every server has (`kv/source.go` in influxdata/influxdb).
const SOURCE: (&[u8], &[u8]) = (
    b"020f755c3c082000",
    br#"{"id":"020f755c3c082000","orgID":"50616e67652c206c","default":true,"name":"autogen","type":"self","url":"","telegraf":"","token":"","defaultRP":""}"#,
);

/// The content of a store after the first start of a server: its buckets, `migrations` migrations
/// finished at `utc`, the default source, and the ID of the instance. At least 20 migrations.
#[must_use]
pub fn changes(instance: Id, migrations: u64, utc: &str) -> ChangeSet {
    let mut changes = ChangeSet::default();
    let later = |bucket: &[u8]| {
        let mut expected = names::EXPECTED.iter();
        expected.any(|(since, name, _)| *name == bucket && *since > migrations)
    };
    for bucket in names::ALL.iter().filter(|name| **name != DELETED) {
        if !later(bucket) {
            changes.create_bucket(bucket);
        }
    }
    for number in 1..=migrations {
        migration::put_record(&mut changes, number, utc);
    }
    let (key, source) = SOURCE;
    changes.put(names::SOURCES, key, source);
    let instance = instance.to_string();
    changes.put(names::INSTANCE, names::INSTANCE_KEY, instance.as_bytes());
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Schema;
    use crate::store::{Commit, Model, Snapshot};

    #[test]
    fn a_store_of_each_schema() {
        for (migrations, number) in [(20, 53), (21, 54)] {
            let mut model = Model::default();
            let changes = changes(Id::new(7).unwrap(), migrations, "2026-01-02T03:04:05.6Z");
            model.commit(&changes, &[]).unwrap();
            let (buckets, _) = model.buckets().unwrap();
            assert_eq!(buckets.len(), number);
            assert!(buckets.iter().all(|bucket| bucket.sequence == 0));
            let schema = Schema::load(&model).unwrap();
            assert_eq!((schema.migrations, schema.known), (migrations, true));
            let id = model
                .get(names::INSTANCE, names::INSTANCE_KEY)
                .unwrap()
                .unwrap();
            assert_eq!(id, b"0000000000000007");
        }
    }
}
