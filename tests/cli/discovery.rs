//! Finding the database without `--db`.

use crate::{Ran, Sandbox};

/// Runs `user list` without `--db`, with these variables.
#[track_caller]
fn find(sandbox: &Sandbox, variables: &[(&str, &str)], extra: &[&str]) -> Ran {
    let mut command = sandbox.command([&["user", "list"], extra].concat());
    for (name, value) in variables {
        command.env(name, value);
    }
    sandbox.finish(command)
}

#[test]
fn the_path_chosen_and_why_is_told() {
    let sandbox = Sandbox::new();
    let database = sandbox.store("fresh-2.9.1");
    let path = database.to_str().unwrap();
    for variable in ["BOLTKEY_DB", "INFLUXD_BOLT_PATH"] {
        let ran = find(&sandbox, &[(variable, path)], &[]).code(0);
        let told = format!("using {path} (from {variable})\n");
        assert!(ran.stderr.starts_with(&told), "{ran:?}");
        find(&sandbox, &[(variable, path)], &["--quiet"]).ok();
        find(&sandbox, &[(variable, path)], &["--quiet", "--json"]).ok();
    }
    find(
        &sandbox,
        &[("BOLTKEY_DB", path), ("INFLUXD_BOLT_PATH", "/nowhere")],
        &["--verbose"],
    )
    .code(0)
    .tells(&["from BOLTKEY_DB"]);
    find(&sandbox, &[("BOLTKEY_DB", "")], &["--db", path]).ok();

    for (name, text) in [
        ("config.toml", format!("bolt-path = \"{path}\"\n")),
        ("config.yaml", format!("bolt-path: {path}\n")),
        ("config.json", format!("{{\"bolt-path\": \"{path}\"}}")),
    ] {
        let config = sandbox.file(&format!("{name}.d/{name}"), text);
        let folder = config.parent().unwrap();
        for named in [&config, folder] {
            let named = named.to_str().unwrap();
            find(&sandbox, &[("INFLUXD_CONFIG_PATH", named)], &["-v"])
                .code(0)
                .tells(&[
                    &format!(
                        "using {path} (from {} (INFLUXD_CONFIG_PATH))",
                        config.display()
                    ),
                    "searched BOLTKEY_DB (not set)",
                ]);
        }
    }
}

#[test]
fn a_configured_path_without_a_file_is_not_passed_over() {
    let sandbox = Sandbox::new();
    let store = crate::fixtures::fixture("fresh-2.9.1");
    sandbox.file("home/.influxdbv2/influxd.bolt", store);
    let config = sandbox.file("config.toml", "bolt-path = \"/nowhere/influxd.bolt\"\n");
    find(
        &sandbox,
        &[("INFLUXD_CONFIG_PATH", config.to_str().unwrap())],
        &[],
    )
    .code(1)
    .tells(&["using /nowhere/influxd.bolt", "No such file"]);
}

#[test]
fn a_configuration_that_is_wrong_is_told_without_quoting_it() {
    let sandbox = Sandbox::new();
    for name in ["config.toml", "config.yml", "config.json"] {
        let config = sandbox.file(name, "bolt-path: [s3cret\n");
        let named = config.to_str().unwrap();
        let variables = [("INFLUXD_CONFIG_PATH", named)];
        let ran = find(&sandbox, &variables, &[]).code(1);
        ran.tells(&[named, "not valid ", "line ", "hint: "]);
        assert!(!ran.stderr.contains("s3cret"));
        let ran = find(&sandbox, &variables, &["--json"]).code(1);
        assert_eq!(ran.failure()["code"], "failed");
    }
}
