//! Stores that a report must be able to show: large, hostile, empty.

use std::path::Path;
use std::sync::Arc;

use boltkey::metadata::{TokenHash, Variant, names};
use boltkey::store::bolt::create;
use boltkey::store::{Device, Model, OpenOptions, Progress, Store};

use super::device::Recorder;
use super::fixtures::fixture_path;

/// What hostile names are full of: HTML, quotes, directions, control characters.
pub const HOSTILE: &str = "</td><script>alert(1)</script><img src=http://127.0.0.1:9/x onerror=alert(2)>\"'`&amp;\
     \u{202e}gnp.exe\u{202c}\u{2066}\u{200b}\u{0}\u{1b}[31m\r\n| **bold** [a](http://127.0.0.1:9/y) \
     {{7*7}} ${7} <style>*{display:none}</style> \u{0645}\u{0631}\u{062d}\u{0628}\u{0627}";

/// The store of this name that a server wrote.
pub fn model(name: &str) -> Model {
    let store = Store::open(&fixture_path(name), &OpenOptions::default()).unwrap();
    Model::copy_of(store.snapshot()).unwrap().0
}

/// A Bolt file with the content of a model.
pub fn bolt_of(model: &Model) -> Vec<u8> {
    let file = Recorder::new(Vec::new());
    let device: Arc<dyn Device> = Arc::new(file.clone());
    let progress = Progress::new(&|_| {});
    create(model, 4096, &device, Path::new("made"), &progress).unwrap();
    file.bytes()
}

/// All of InfluxDB's buckets, and nothing in them.
pub fn empty() -> Vec<u8> {
    let mut model = Model::default();
    for bucket in names::ALL {
        model.create_bucket(bucket);
    }
    bolt_of(&model)
}

fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// Records of one organization, with the index entries that influxd writes.
pub struct Records {
    pub model: Model,
    next: u64,
}

impl Records {
    pub fn new(model: Model) -> Self {
        Self {
            model,
            next: 0x1000_0000_0000_0000,
        }
    }

    fn id(&mut self) -> String {
        self.next += 1;
        format!("{:016x}", self.next)
    }

    pub fn org(&mut self, name: &str) -> String {
        let id = self.id();
        let record = format!(r#"{{"id":"{id}","name":{},"description":{0}}}"#, json(name));
        self.put(names::ORGANIZATIONS, &id, &record);
        self.put(names::ORGANIZATION_INDEX, name.trim(), &id);
        id
    }

    pub fn user(&mut self, name: &str) -> String {
        let id = self.id();
        let record = format!(r#"{{"id":"{id}","name":{},"status":"active"}}"#, json(name));
        self.put(names::USERS, &id, &record);
        self.put(names::USER_INDEX, name, &id);
        id
    }

    pub fn bucket(&mut self, org: &str, name: &str) -> String {
        let id = self.id();
        let record = format!(
            r#"{{"id":"{id}","orgID":"{org}","type":0,"name":{},"description":"","retentionPeriod":0}}"#,
            json(name)
        );
        self.put(names::BUCKETS, &id, &record);
        self.put(names::BUCKET_INDEX, &format!("{org}{name}"), &id);
        id
    }

    /// A hashed token. `permissions` is the JSON of the list.
    pub fn token(
        &mut self,
        value: &str,
        description: &str,
        (org, user): (&str, &str),
        permissions: &str,
    ) -> String {
        let id = self.id();
        let hash = TokenHash::of(Variant::Sha256, value.as_bytes()).to_phc();
        let record = format!(
            r#"{{"id":"{id}","hashedToken":"{hash}","status":"active","description":{},"orgID":"{org}","userID":"{user}","permissions":{permissions},"createdAt":"2026-11-24T15:28:07Z","updatedAt":"2026-11-24T15:28:07Z"}}"#,
            json(description)
        );
        self.put(names::AUTHORIZATIONS, &id, &record);
        self.put(names::AUTHORIZATION_HASHED_INDEX, &hash, &id);
        id
    }

    pub fn put(&mut self, bucket: &[u8], key: &str, value: &str) {
        self.model.put(bucket, key.as_bytes(), value.as_bytes());
    }
}

/// A token value of the generated form.
pub fn generated(number: usize) -> String {
    format!("{number:0>86}==")
}

/// A store with so many tokens of 40 users for 60 buckets: most may write one bucket, some read all.
pub fn large(tokens: usize) -> Vec<u8> {
    let mut records = Records::new(model("fresh-2.9.1"));
    let org = records.org("factory");
    let users: Vec<String> = (0..40)
        .map(|n| records.user(&format!("operator {n:02}")))
        .collect();
    let buckets: Vec<String> = (0..60)
        .map(|n| records.bucket(&org, &format!("line {n:02}")))
        .collect();
    for n in 0..tokens {
        let bucket = &buckets[n % buckets.len()];
        let permissions = match n % 25 {
            0 => {
                format!(r#"[{{"action":"read","resource":{{"type":"buckets","orgID":"{org}"}}}}]"#)
            }
            _ => format!(
                r#"[{{"action":"write","resource":{{"type":"buckets","id":"{bucket}","orgID":"{org}"}}}}]"#
            ),
        };
        let user = &users[n % users.len()];
        let description = format!("device {n:05}");
        records.token(&generated(n), &description, (&org, user), &permissions);
    }
    bolt_of(&records.model)
}

/// A store with hostile text in every place that takes any.
pub fn hostile() -> Vec<u8> {
    let mut records = Records::new(model("fresh-2.9.1"));
    let long = format!("{HOSTILE}{}", "W".repeat(40_000));
    // A key has at most 32,768 bytes.
    let name = format!("{HOSTILE}{}", "w".repeat(20_000));
    for (n, text) in [HOSTILE, name.as_str()].into_iter().enumerate() {
        let org = records.org(text);
        let user = records.user(text);
        let bucket = records.bucket(&org, text);
        let permissions = format!(
            r#"[{{"action":"write","resource":{{"type":"buckets","id":"{bucket}","orgID":"{org}"}}}},{{"action":"read","resource":{{"type":{},"orgID":"{org}"}}}}]"#,
            json(text)
        );
        for (m, description) in [HOSTILE, &long].into_iter().enumerate() {
            let value = generated(10 * n + m);
            records.token(&value, description, (&org, &user), &permissions);
        }
        // 1.x users and databases, and a record that can't be decoded under a hostile key.
        let id = records.id();
        let record = format!(
            r#"{{"id":"{id}","token":{},"status":{},"description":{0},"orgID":"{org}","userID":"{user}","permissions":{permissions}}}"#,
            json(text),
            json(HOSTILE)
        );
        records.put(names::LEGACY_AUTHORIZATIONS, &id, &record);
        records.put(names::LEGACY_AUTHORIZATION_INDEX, text, &id);
        let id = records.id();
        let record = format!(
            r#"{{"id":"{id}","database":{},"retention_policy":{0},"default":true,"orgID":"{org}","bucketID":"{bucket}"}}"#,
            json(text)
        );
        records.put(names::DBRP, &id, &record);
        records.put(names::LABELS, text, text);
        // A bucket of the store itself.
        let large = "v".repeat(4_000);
        records.model.create_bucket(text.as_bytes());
        records.put(text.as_bytes(), "key", &large);
        records.put(text.as_bytes(), "other", &large);
    }
    bolt_of(&records.model)
}
