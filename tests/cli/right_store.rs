//! Which store is found without `--db`, on made-up hosts with services and running servers.

use std::fs;

use crate::fixtures::fixture;
use crate::scene::{ONE, SEVERAL};
use crate::support::stage::Stage;

/// A server: a shell with the name of influxd, which has a file open if one is given.
const SERVERS: &str = r#"
    mkdir -p /opt; cp /bin/bash /opt/influxd
    server() { # USER FILE ARGUMENTS
        user=$1; file=$2; shift 2
        setpriv --reuid "$user" --clear-groups /opt/influxd -c \
            '[ -z "$0" ] || exec 9<"$0"; cd /tmp; touch /tmp/up; while :; do read -rt 60 <> <(:) ; done' \
            "$file" "$@" >/dev/null 2>&1 &
        while [ ! -e /tmp/up ]; do sleep 0.02; done; rm -f /tmp/up
    }
    chmod 1777 /tmp
"#;

const RECOVER: &str = "recover operator --user alice --org acme -y";

fn default_store(stage: &Stage) {
    stage.file("root/.influxdbv2/influxd.bolt", fixture(ONE));
}

#[test]
fn the_home_folder_is_that_of_the_user_database() {
    let Some(stage) = Stage::new() else { return };
    stage.file("nowhere/.influxdbv2/influxd.bolt", fixture(ONE));
    let ran = stage.run("status").code(1);
    ran.tells(&[
        "no database found; searched BOLTKEY_DB (not set)",
        "running influxd servers (none)",
        "influxd services (none)",
        "/root/.influxdbv2/influxd.bolt (missing)",
        "stores in other places of this host: /nowhere/.influxdbv2/influxd.bolt",
        "boltkey locate",
    ]);
    default_store(&stage);
    let ran = stage.run("status").code(0);
    ran.tells(&["using /root/.influxdbv2/influxd.bolt (a default path of influxd)"]);
}

#[test]
fn a_store_that_was_found_is_changed_with_a_yes() {
    let Some(stage) = Stage::new() else { return };
    default_store(&stage);
    let path = stage.path("root/.influxdbv2/influxd.bolt");
    let before = fs::read(&path).unwrap();
    let ran = stage.run("recover operator --token-out t").code(6);
    ran.tells(&["The database is /root/.influxdbv2/influxd.bolt (a default path"]);
    assert!(fs::read(&path).unwrap() == before);
    stage.run("recover operator --token-out t -y").code(0);
    assert!(fs::read(&path).unwrap() != before);
}

#[test]
fn of_several_stores_none_is_changed_unless_something_decides() {
    let Some(stage) = Stage::new() else { return };
    default_store(&stage);
    let package = stage.file("var/lib/influxdb/influxd.bolt", fixture(SEVERAL));
    let stores = [stage.path("root/.influxdbv2/influxd.bolt"), package];
    let content = || stores.clone().map(|path| fs::read(path).unwrap());
    let before = content();
    stage.file("work/secret", "a long password\n");
    for arguments in [
        "recover operator -y --token-out t",
        "recover operator --token-out t",
        "hash -y --no-capture",
        "auth create --operator -y",
        "auth rotate 0000000000000001 -y --token-out t",
        "downgrade prepare --tokens secret -y",
        "residue scrub -y",
        "user create --name new -y --password-file secret",
    ] {
        let ran = stage.run(arguments).code(6);
        ran.tells(&[
            "several stores exist",
            "/root/.influxdbv2/influxd.bolt (a default path",
            "/var/lib/influxdb/influxd.bolt (a folder of influxd's packages",
            "nothing was changed",
            "pass --db PATH",
        ]);
        assert!(!stage.path("work/t").exists());
    }
    assert!(content() == before);
    // Reading goes on, and so does a dry run.
    let ran = stage.run("user list").code(0);
    ran.tells(&[
        "using /root/.influxdbv2/influxd.bolt",
        "other stores of this host: /var/lib/influxdb/influxd.bolt",
        "pass --db PATH to choose one",
    ]);
    stage.run("user list --quiet").ok();
    stage.run("recover operator -n").code(0);
    // A variable, a service and a running server decide.
    let variable = "export INFLUXD_BOLT_PATH=/root/.influxdbv2/influxd.bolt";
    let ran = stage.run_after(variable, "recover operator -y").code(0);
    ran.tells(&["(from INFLUXD_BOLT_PATH)", "other stores of this host"]);
    stage.file(
        "run/systemd/system/influxdb.service",
        "[Service]\nUser=influxdb\nExecStart=/usr/bin/influxd\n",
    );
    stage.file(
        "etc/systemd/system/influxdb.service.d/path.conf",
        "[Service]\nEnvironmentFile=-/etc/default/influxdb2\n",
    );
    stage.file(
        "etc/default/influxdb2",
        "INFLUXD_BOLT_PATH=\"/var/lib/influxdb/influxd.bolt\"\n",
    );
    let ran = stage.run(RECOVER).code(0);
    ran.tells(&[
        "using /var/lib/influxdb/influxd.bolt (INFLUXD_BOLT_PATH, without its quotes, \
         of the service influxdb.service",
        "/etc/systemd/system/influxdb.service.d/path.conf, /etc/default/influxdb2)",
        "other stores of this host: /root/.influxdbv2/influxd.bolt",
    ]);
}

#[test]
fn a_running_server_decides_if_it_is_root_s_or_the_service_s() {
    let Some(stage) = Stage::new() else { return };
    default_store(&stage);
    stage.file("srv/live.bolt", fixture(ONE));
    stage.file("srv/flag.bolt", fixture(ONE));
    let run =
        |server: &str, arguments: &str| stage.run_after(&format!("{SERVERS}\n{server}"), arguments);
    let open = "server 0 /srv/live.bolt --bolt-path /srv/flag.bolt";
    let ran = run(open, "user list").code(0);
    ran.tells(&["using /srv/live.bolt (the open files of influxd (pid "]);
    let ran = run("server 0 '' --bolt-path /srv/flag.bolt", "user list").code(0);
    ran.tells(&["using /srv/flag.bolt (--bolt-path of influxd (pid "]);
    let environment = "export INFLUXD_BOLT_PATH=/srv/live.bolt; server 0 ''; \
                       unset INFLUXD_BOLT_PATH";
    let ran = run(environment, "user list").code(0);
    ran.tells(&["using /srv/live.bolt (INFLUXD_BOLT_PATH of influxd (pid "]);
    // Two servers with different stores do not decide.
    let two = format!("{open}; server 0 '' --bolt-path=/srv/flag.bolt");
    run(&two, "recover operator -y").code(6);
    if !rustix::process::geteuid().is_root() {
        println!("only root can start a server of another user");
        return;
    }
    let alices = "server 1000 /srv/live.bolt";
    let ran = run(alices, "user list -v").code(0);
    ran.tells(&["using /root/.influxdbv2/influxd.bolt", "(of another user)"]);
    run(alices, "recover operator -y").code(6);
    stage.file(
        "etc/systemd/system/influxdb.service",
        "[Service]\nUser=alice\nExecStart=/usr/bin/influxd\n",
    );
    let ran = run(alices, "user list").code(0);
    ran.tells(&["using /srv/live.bolt (the open files of influxd"]);
}

/// influxdata-docker#702.
#[test]
fn a_configuration_that_influxd_ignores_is_told_by_status_and_locate() {
    let Some(stage) = Stage::new() else { return };
    default_store(&stage);
    stage.file("vol/influxd.bolt", fixture(SEVERAL));
    stage.file("vol/influxdb.conf", "bolt-path = \"/vol/influxd.bolt\"\n");
    fs::create_dir_all(stage.path("inner/config.toml")).unwrap();
    fs::create_dir_all(stage.path("empty")).unwrap();
    for (named, why) in [
        (
            "/vol/influxdb.conf",
            "influxd ignores the configuration /vol/influxdb.conf: its name does not end in .json, \
             .toml, .yaml or .yml, so influxd takes it for a folder",
        ),
        ("/inner", "config.toml in it is a folder, not a file"),
        ("/empty", "the folder contains no config.json"),
        (
            "\\\"/vol/config.toml\\\"",
            "the quotes are part of the path",
        ),
    ] {
        let variable = format!("export INFLUXD_CONFIG_PATH={named}");
        let ran = stage.run_after(&variable, "status").code(0);
        ran.tells(&["warning: influxd ignores the configuration", why]);
        ran.tells(&["using /root/.influxdbv2/influxd.bolt"]);
        let ran = stage.run_after(&variable, "locate --json").code(0);
        ran.tells(&[why]);
        let json = ran.json();
        let first = &json["stores"][0];
        assert_eq!(first["path"], "/root/.influxdbv2/influxd.bolt");
        assert_eq!(first["wouldOpen"], true);
        assert_eq!(first["because"], "a default path of influxd");
    }
}

#[test]
fn a_path_in_quotes_is_explained() {
    let Some(stage) = Stage::new() else { return };
    default_store(&stage);
    let variable = r#"export INFLUXD_BOLT_PATH='"/root/.influxdbv2/influxd.bolt"'"#;
    let ran = stage.run_after(variable, "status").code(1);
    ran.tells(&[
        "there is no file \"/root/.influxdbv2/influxd.bolt\": the quotes are part of the path",
        "remove the quotes",
        "nothing was changed",
    ]);
    let given = r#"status --db "'/root/.influxdbv2/influxd.bolt'""#;
    stage.run(given).code(1).tells(&["the quotes are part"]);
}

#[test]
fn stores_of_stopped_containers_and_of_nas_systems_are_located() {
    let Some(stage) = Stage::new() else { return };
    stage.file(
        "var/lib/docker/containers/0a1b/config.v2.json",
        r#"{"Name":"/tsdb","Driver":"overlay2","State":{"Running":false},
            "Config":{"Image":"influxdb:2.7","Env":[]},
            "MountPoints":{"/var/lib/influxdb2":{"Source":"/any/where",
            "Destination":"/var/lib/influxdb2"}}}"#,
    );
    stage.file("any/where/influxd.bolt", fixture(ONE));
    stage.file("volume1/docker/influxdb/influxd.bolt", fixture(SEVERAL));
    stage.file("home/alice/.influxdbv2/influxd.bolt", "broken");
    let ran = stage.run("locate --json").code(0);
    let json = ran.json();
    let stores = json["stores"].as_array().unwrap();
    let because = |path: &str| {
        let store = stores.iter().find(|store| store["path"] == path);
        store.unwrap_or_else(|| panic!("{path}: {json}"))["because"].clone()
    };
    let wanted = "a mount of the stopped container tsdb (influxdb:2.7)";
    assert_eq!(because("/any/where/influxd.bolt"), wanted);
    let wanted = "a Docker folder of a Synology NAS";
    assert_eq!(because("/volume1/docker/influxdb/influxd.bolt"), wanted);
    let wanted = "the home folder of alice";
    assert_eq!(because("/home/alice/.influxdbv2/influxd.bolt"), wanted);
    assert!(stores.iter().all(|store| store["wouldOpen"] == false));
    let not_read = json["notRead"].as_array().unwrap();
    assert_eq!(not_read.len(), 1, "{json}");
    assert!(not_read[0].as_str().unwrap().contains("/home/alice/"));
    // The stopped container's store is not taken for the host's.
    let ran = stage.run("status").code(1);
    ran.tells(&["stores in other places of this host: /any/where/influxd.bolt (a mount of"]);
}

/// What an unprivileged user can put in the way of root.
#[test]
fn files_of_other_users_do_not_stop_the_search() {
    let Some(stage) = Stage::new() else { return };
    default_store(&stage);
    let script = r#"
        mkdir -p /home/alice/.influxdbv2 /home/alice/docker/influxdb
        cd /home/alice/.influxdbv2
        mkfifo influxd.bolt pipe.bolt
        ln -s loop.bolt loop.bolt; ln -s /dev/zero zero.bolt; ln -s /dev/tty tty.bolt
        ln -s . deeper; ln -s /proc/self/mem mem.bolt; ln -s / root.bolt
        truncate -s 8E huge.bolt 2>/dev/null || truncate -s 15T huge.bolt
        cp /root/.influxdbv2/influxd.bolt sparse.bolt; truncate -s 15T sparse.bolt
        mkdir -p /home/alice/.local/share/docker/containers/x
        mkfifo /home/alice/.local/share/docker/containers/x/config.v2.json
        mkdir -p /home/alice/.local/share/docker/containers/y
        ln -s /dev/zero /home/alice/.local/share/docker/containers/y/config.v2.json
        mkfifo /home/alice/docker/influxdb/influxd.bolt
        chown -hR 1000 /home/alice 2>/dev/null
        ulimit -v 4000000
    "#;
    let before = fs::read(stage.path("root/.influxdbv2/influxd.bolt")).unwrap();
    let began = std::time::Instant::now();
    for arguments in ["locate", "locate --json", "status"] {
        let ran = stage.run_after(script, arguments).code(0);
        let text = ran.stdout + &ran.stderr;
        assert!(text.contains("/root/.influxdbv2/influxd.bolt"), "{text}");
    }
    assert!(began.elapsed().as_secs() < 60);
    assert!(fs::read(stage.path("root/.influxdbv2/influxd.bolt")).unwrap() == before);
}

/// `use-hashed-tokens` decides how a new token is stored, and `strong-passwords` which passwords are
/// refused.
#[test]
fn switches_of_servers_and_services_count() {
    let Some(stage) = Stage::new() else { return };
    // Hashed tokens, and so hashed unless something says otherwise.
    stage.file("var/lib/influxdb/influxd.bolt", fixture(ONE));
    stage.file("srv/other.bolt", fixture(ONE));
    let service = |text: &str| {
        stage.file(
            "etc/systemd/system/influxdb.service",
            format!("[Service]\nUser=influxdb\n{text}\n"),
        );
    };
    let storage = |script: &str, db: &str| {
        let ran = stage
            .run_after(script, &format!("recover operator -n {db}"))
            .code(0);
        let line = ran.stdout.lines().find(|line| line.starts_with("Storage:"));
        line.unwrap().to_owned()
    };
    let here = "-d /var/lib/influxdb/influxd.bolt";
    let other = "-d /srv/other.bolt";
    assert!(storage("true", here).contains("hashed, like other tokens"));
    let bolt = "Environment=INFLUXD_BOLT_PATH=/var/lib/influxdb/influxd.bolt";
    for text in [
        "Environment=INFLUXD_USE_HASHED_TOKENS=false\nExecStart=/usr/bin/influxd",
        "ExecStart=/usr/bin/influxd --use-hashed-tokens=false",
        "EnvironmentFile=/etc/default/influxdb2\nExecStart=/usr/bin/influxd",
        "Environment=INFLUXD_CONFIG_PATH=/etc/other\nExecStart=/usr/bin/influxd",
    ] {
        stage.file("etc/default/influxdb2", "INFLUXD_USE_HASHED_TOKENS='0'\n");
        stage.file("etc/other/config.toml", "use-hashed-tokens = false\n");
        service(&format!("{bolt}\n{text}"));
        for db in [here, other, ""] {
            let told = storage("true", db);
            assert!(
                told.contains("plaintext, as set by use-hashed-tokens"),
                "{text} {db}: {told}"
            );
        }
    }
    // Flag, variable, configuration: in this order.
    service(&format!(
        "{bolt}\nEnvironment=INFLUXD_USE_HASHED_TOKENS=false INFLUXD_CONFIG_PATH=/etc/other\n\
         ExecStart=/usr/bin/influxd --use-hashed-tokens"
    ));
    assert!(storage("true", here).contains("hashed, as set by use-hashed-tokens"));
    let own = "export INFLUXD_USE_HASHED_TOKENS=false";
    assert!(storage(own, here).contains("plaintext, as set by use-hashed-tokens"));
    // The service of another store does not count where one names this store.
    stage.file(
        "etc/systemd/system/influx-a.service",
        "[Service]\nExecStart=/usr/bin/influxd --bolt-path /srv/other.bolt --use-hashed-tokens=0\n",
    );
    assert!(storage("true", here).contains("hashed, as set by use-hashed-tokens"));
    assert!(storage("true", other).contains("plaintext, as set by use-hashed-tokens"));

    stage.file("work/password", "short one\n");
    let create = format!("user create --name new --password-file password -n {here}");
    stage.run(&create).code(0);
    service(&format!(
        "{bolt}\nExecStart=/usr/bin/influxd --strong-passwords"
    ));
    stage.run(&create).code(1).tells(&["password"]);
}

#[test]
fn a_path_that_only_systemd_knows_is_told() {
    let Some(stage) = Stage::new() else { return };
    default_store(&stage);
    stage.file(
        "etc/systemd/system/influxdb.service",
        "[Service]\nExecStart=/usr/bin/influxd --bolt-path=/data/%m/influxd.bolt\n",
    );
    let ran = stage.run("user list").code(0);
    ran.tells(&[
        "using /root/.influxdbv2/influxd.bolt",
        "the path of the service influxdb.service (/etc/systemd/system/influxdb.service) can't be \
         told: its unit has %m, which only systemd resolves",
    ]);
    stage.file(
        "etc/systemd/system/influxdb.service.d/a.conf",
        "[Service]\nExecStart=\nExecStart=/usr/bin/influxd --bolt-path=%h/.influxdbv2/influxd.bolt\n",
    );
    let ran = stage.run("user list").code(0);
    ran.tells(&["using /root/.influxdbv2/influxd.bolt (--bolt-path of the service"]);
}
