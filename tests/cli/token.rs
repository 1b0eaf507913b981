//! `token generate` and `token hash`.

use std::collections::HashSet;

use crate::Sandbox;

const TOKEN: &str = "my-super-secret-admin-token";
const SHA256: &str = "$influxdb2-sha256$MF-hXZK0ApLZgX8ybiLglgYvxJSVlxrEFgaIQtXa89k=";
const SHA512: &str = "$influxdb2-sha512$yaH31qNe7bmtb7OA6JoO9J6vqSpOz-CsRpwjiUIeS5qRN1zaqo9htJX9RH6zaemgsQqRC54UTZu4D2jA_LbjgQ==";

#[test]
fn generated_tokens_are_new_each_time() {
    let sandbox = Sandbox::new();
    let mut tokens = HashSet::new();
    for _ in 0..4 {
        let text = sandbox.run(["token", "generate"]).ok().stdout;
        let json = sandbox.run(["token", "generate", "--json"]).ok().json();
        assert_eq!(json.as_object().unwrap().len(), 1);
        for token in [
            text.strip_suffix('\n').unwrap(),
            json["token"].as_str().unwrap(),
        ] {
            assert_eq!(token.len(), 88);
            assert!(token.ends_with("=="));
            assert!(tokens.insert(token.to_owned()), "given out twice");
        }
    }
}

#[test]
fn a_token_that_can_not_be_printed_is_a_failure() {
    let sandbox = Sandbox::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = sandbox
        .command(["token", "generate"])
        .stdout(writer)
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn hashes_are_those_of_influxdb() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("token", format!("{TOKEN}\r\n"));
    let file = file.to_str().unwrap();
    let hash = ["token", "hash"];
    for (variant, wanted) in [("sha256", SHA256), ("sha512", SHA512)] {
        let arguments = [&hash[..], &["--variant", variant, "--token-file"]].concat();
        for (from, input) in [(file, ""), ("-", TOKEN), ("-", &format!("{TOKEN}\n"))] {
            let ran = sandbox.run_with([&arguments[..], &[from]].concat(), input.as_bytes());
            assert_eq!(ran.ok().stdout, format!("{wanted}\n"));
            let arguments = [&arguments[..], &[from, "--json"]].concat();
            let json = sandbox.run_with(arguments, input.as_bytes()).ok().json();
            assert_eq!(
                json,
                serde_json::json!({"hash": wanted, "variant": variant})
            );
        }
    }

    let mut command = sandbox.command(hash);
    command.env("BOLTKEY_TOKEN", TOKEN);
    assert_eq!(sandbox.finish(command).ok().stdout, format!("{SHA256}\n"));
    let mut command = sandbox.command([&hash[..], &["--token-file", file]].concat());
    command.env("BOLTKEY_TOKEN", "another");
    assert_eq!(sandbox.finish(command).ok().stdout, format!("{SHA256}\n"));
}
