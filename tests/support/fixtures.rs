//! Files that real programs wrote: stores, the facts about them, and damaged files.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The folder of fixtures.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The content of a file, unpacked if its name ends in `.gz`.
pub fn content(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut content = Vec::new();
        flate2::read::GzDecoder::new(&bytes[..])
            .read_to_end(&mut content)
            .unwrap();
        content
    } else {
        bytes
    }
}

/// The file of a store that a real server wrote, packed or not.
pub fn fixture_path(name: &str) -> PathBuf {
    let plain = fixtures().join(format!("real/{name}.bolt"));
    match plain.exists() {
        true => plain,
        false => plain.with_extension("bolt.gz"),
    }
}

/// The content of a store that a real server wrote.
pub fn fixture(name: &str) -> Vec<u8> {
    content(&fixture_path(name))
}

/// The names of all stores that real servers wrote, in the order of the manifest.
pub fn store_names() -> Vec<String> {
    fs::read_to_string(fixtures().join("MANIFEST"))
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("file ")?.trim().strip_prefix("real/"))
        .filter_map(|file| Some(file.split_once(".bolt")?.0.to_owned()))
        .collect()
}

/// What is known about a store that a real server wrote.
pub fn facts(name: &str) -> Value {
    let path = fixtures().join(format!("real/{name}.json"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// IDs and values of all tokens that the server of a store made, the operator token first.
pub fn tokens(name: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let facts = facts(name);
    let tokens = facts["tokens"].as_array().unwrap().iter();
    tokens
        .map(|token| (text(&token["id"]), text(&token["token"])))
        .collect()
}

/// The operator token that the server of a store made first.
pub fn operator_token(name: &str) -> String {
    tokens(name).swap_remove(0).1
}

/// The value of the token with this name in what is known about a store.
pub fn token_of(name: &str, token: &str) -> String {
    known_token(name, token)["token"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// What is known about the token with this name.
pub fn known_token(name: &str, token: &str) -> Value {
    let facts = facts(name);
    let mut tokens = facts["tokens"].as_array().unwrap().iter();
    let found = tokens.find(|known| known["name"] == token);
    found.unwrap().clone()
}

/// The content of a damaged Bolt file, named for its defect.
pub fn damaged(name: &str) -> Vec<u8> {
    content(&fixtures().join(format!("damaged/{name}.bolt.gz")))
}

/// A gzip stream of this content.
pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(content).unwrap();
    packer.finish().unwrap()
}

/// An age file that this passphrase opens. It takes next to no work, while that of the files which
/// the program makes takes a second each time.
pub fn sealed_with_passphrase(content: &[u8], passphrase: &str) -> Vec<u8> {
    let mut recipient = age::scrypt::Recipient::new(passphrase.to_owned().into());
    recipient.set_work_factor(2);
    let recipients = std::iter::once(&recipient as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(recipients).unwrap();
    let mut sealed = Vec::new();
    let mut writer = encryptor.wrap_output(&mut sealed).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap();
    sealed
}
