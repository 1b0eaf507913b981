//! `report` about many stores: a row for each, in order, whatever happens to one of them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::Value;

use crate::fixtures::{fixture, gzip, store_names};
use crate::scene::{Scene, text};

fn lines(scene: &Scene, operands: &[&str], code: i32) -> Vec<Value> {
    let arguments = [&["report"], operands, &["--out", "-", "--format", "ndjson"]].concat();
    let mut command = scene.sandbox.command(arguments);
    command.current_dir(scene.folder.path());
    let ran = scene.sandbox.finish(command).code(code);
    let lines = ran.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn put(scene: &Scene, name: &str, bytes: &[u8]) {
    let path = scene.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn paths(lines: &[Value]) -> Vec<&str> {
    let paths = lines
        .iter()
        .map(|line| line["database"]["path"].as_str().unwrap());
    paths.collect()
}

#[test]
fn each_line_is_the_status_of_a_store_in_the_order_of_names() {
    let scene = Scene::new();
    let mut names = store_names();
    names.sort();
    for name in &names {
        put(&scene, &format!("{name}/influxd.bolt"), &fixture(name));
    }
    let wanted: Vec<String> = names
        .iter()
        .map(|name| format!("./{name}/influxd.bolt"))
        .collect();
    let lines = lines(&scene, &["."], 0);
    assert_eq!(paths(&lines), wanted);
    for line in &lines {
        let database = line["database"]["path"].as_str().unwrap();
        let mut command = scene.sandbox.command(["status", database, "--json"]);
        command.current_dir(scene.folder.path());
        assert_eq!(*line, scene.sandbox.finish(command).ok().json());
    }
    // The order of what is given stays.
    let first = format!("{}/influxd.bolt", store_names()[2]);
    let second = format!("{}/influxd.bolt", store_names()[0]);
    let two = [first.as_str(), second.as_str()];
    assert_eq!(paths(&self::lines(&scene, &two, 0)), two);
}

#[test]
fn one_that_cant_be_read_is_a_row_and_the_others_are_told() {
    let scene = Scene::new();
    put(&scene, "a/influxd.bolt", &fixture("fresh-2.9.1"));
    put(&scene, "b/influxd.bolt", b"");
    put(&scene, "c/influxd.bolt", b"no store at all");
    put(&scene, "d/influxd.bolt", &fixture("fresh-2.9.1"));
    put(&scene, "e/other.bolt", &fixture("fresh-2.9.1"));
    put(&scene, "e/notes.txt", b"hello");
    symlink("..", scene.path("e/round")).unwrap();
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        scene.path("e/pipe"),
        rustix::fs::Mode::RWXU,
    )
    .unwrap();
    let locked = fs::File::open(scene.path("d/influxd.bolt")).unwrap();
    locked.lock().unwrap();
    let lines = lines(&scene, &[".", "missing.bolt", "e/notes.txt", "e/pipe"], 3);
    let told: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| {
            let error = line["error"]["code"].as_str().unwrap_or("read");
            (line["database"]["path"].as_str().unwrap(), error)
        })
        .collect();
    let expected = [
        ("./a/influxd.bolt", "read"),
        ("./b/influxd.bolt", "unreadable"),
        ("./c/influxd.bolt", "unreadable"),
        ("./d/influxd.bolt", "locked"),
        ("./e/other.bolt", "read"),
        ("missing.bolt", "failed"),
        ("e/notes.txt", "unreadable"),
        ("e/pipe", "unreadable"),
    ];
    assert_eq!(told, expected);
    for line in &lines {
        let error = &line["error"];
        if error.is_null() {
            continue;
        }
        assert_eq!(line.as_object().unwrap().len(), 2, "{line}");
        assert_eq!(line["database"].as_object().unwrap().len(), 1);
        assert!(
            error["message"].is_string() && error.get("hint").is_some(),
            "{line}"
        );
    }
    // In every format, and the exit code is the same.
    for format in ["html", "md", "json"] {
        let mut command = scene
            .sandbox
            .command(["report", ".", "--out", "-", "--format", format]);
        command.current_dir(scene.folder.path());
        let ran = scene.sandbox.finish(command).code(3);
        ran.tells(&["is held by", "it is empty"]);
        assert!(ran.stdout.contains("b/influxd.bolt") && ran.stdout.contains("it is empty"));
    }
}

#[test]
fn backups_and_packed_copies_are_found_by_content() {
    let scene = Scene::new();
    put(&scene, "influxd.bolt", &fixture("lived-2.9.1"));
    let database = scene.path("influxd.bolt");
    let out = scene.path("fleet/backup");
    fs::create_dir(scene.path("fleet")).unwrap();
    let arguments = ["backup", "export", text(&database), "--out", text(&out)];
    scene.sandbox.run(arguments).code(0);
    let mut command = scene
        .sandbox
        .command(["backup", "export", text(&database), "--out", "-"]);
    let tar = command.output().unwrap();
    put(&scene, "fleet/archive", &tar.stdout);
    put(&scene, "fleet/packed", &gzip(&fixture("lived-2.9.1")));
    let lines = lines(&scene, &["fleet"], 0);
    assert_eq!(lines.len(), 3, "{:?}", paths(&lines));
    for line in &lines {
        assert_eq!(line["tokens"]["total"], 36, "{line}");
    }
    assert_eq!(paths(&lines)[0], "fleet/archive");
    assert_eq!(paths(&lines)[1], "fleet/packed");
    assert!(paths(&lines)[2].ends_with(".bolt.gz"));
}

#[test]
fn an_empty_folder_is_told_and_makes_no_file_of_nothing() {
    let scene = Scene::new();
    fs::create_dir(scene.path("empty")).unwrap();
    let told = lines(&scene, &["empty"], 3);
    assert_eq!(told[0]["error"]["code"], "failed");
    let message = told[0]["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("no store and no backup found in empty"),
        "{message}"
    );
}

#[test]
fn stores_of_one_report_are_not_files_beside_each_other() {
    let scene = Scene::new();
    // Each shows its tokens to whoever has the folder.
    for name in ["one.bolt", "two.bolt", "three.bolt"] {
        put(&scene, name, &fixture("lived-2.7.12"));
    }
    put(
        &scene,
        "one.bolt.old",
        b"\"token\":\"another-plain-token-of-one\"",
    );
    let beside = |lines: &[Value]| -> Vec<usize> {
        let siblings = lines
            .iter()
            .map(|line| line["siblings"].as_array().unwrap().len());
        siblings.collect()
    };
    let folder = lines(&scene, &["."], 0);
    assert_eq!(paths(&folder), ["./one.bolt", "./three.bolt", "./two.bolt"]);
    assert_eq!(beside(&folder), [1, 1, 1]);
    let given = lines(&scene, &["one.bolt", "two.bolt", "three.bolt"], 0);
    assert_eq!(beside(&given), [1, 1, 1]);
    // Alone, a store is told as `status` tells it.
    assert_eq!(beside(&lines(&scene, &["two.bolt"], 0)), [3]);
}

#[test]
fn a_page_about_many_stores_has_an_overview_and_a_section_for_each() {
    let scene = Scene::new();
    for name in ["lived-2.7.12", "lived-2.9.1", "fresh-2.9.1"] {
        put(&scene, &format!("{name}/influxd.bolt"), &fixture(name));
    }
    let run = |format: &str| {
        let mut command = scene
            .sandbox
            .command(["report", ".", "--out", "-", "--format", format]);
        command.current_dir(scene.folder.path());
        scene.sandbox.finish(command).ok().stdout
    };
    let page = run("html");
    assert_eq!(page.matches("<article").count(), 3);
    let row = page.split("<tbody>").nth(1).unwrap();
    for anchor in ["#s0", "#s1", "#s2"] {
        assert!(row.contains(&format!("href=\"{anchor}\"")));
        assert!(page.contains(&format!("id=\"{}\"", &anchor[1..])));
    }
    let markdown = run("md");
    assert!(
        markdown.contains("3 stores: 1 OK, 2 WARN, 0 FAIL, 0 not read"),
        "{markdown:.600}"
    );
    let json: Value = serde_json::from_str(&run("json")).unwrap();
    let overview = json["overview"].as_array().unwrap();
    assert_eq!(overview.len(), 3);
    assert_eq!(json["stores"].as_array().unwrap().len(), 3);
    let lived = overview
        .iter()
        .find(|row| row["path"] == "./lived-2.7.12/influxd.bolt")
        .unwrap();
    assert_eq!(lived["plaintext"]["records"], 36);
    assert_eq!(lived["operatorTokens"], 3);
    assert_eq!(lived["operatorLogins"], 2);
    assert_eq!(lived["verdict"], "warn");
    assert_eq!(lived["schema"], 20);
    assert!(lived["ageDays"].is_u64());
}

#[test]
fn a_reader_that_stops_is_no_error() {
    let scene = Scene::new();
    for n in 0..20 {
        put(
            &scene,
            &format!("{n}/influxd.bolt"),
            &fixture("fresh-2.9.1"),
        );
    }
    let shell = format!(
        "{} report {} --out - --format ndjson | head -n 1 | wc -l; echo ${{PIPESTATUS[0]}}",
        crate::support::program::BOLTKEY,
        text(scene.folder.path())
    );
    let ran = std::process::Command::new("bash")
        .args(["-c", &shell])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), "1\n0\n");
}

/// The highest number of kilobytes that a run had in memory.
fn peak(scene: &Scene, folder: &Path, out: &Path) -> u64 {
    let shell = "ulimit -v unlimited; \"$0\" report \"$1\" --out \"$2\" >/dev/null & \
                 pid=$!; peak=0; while kill -0 $pid 2>/dev/null; do \
                 now=$(sed -n 's/^VmHWM:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$pid/status 2>/dev/null); \
                 [ -n \"$now\" ] && peak=$now; sleep 0.01; done; wait $pid; echo $peak";
    let ran = std::process::Command::new("bash")
        .args([
            "-c",
            shell,
            crate::support::program::BOLTKEY,
            text(folder),
            text(out),
        ])
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let _ = scene;
    String::from_utf8(ran.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

#[test]
fn memory_does_not_grow_with_the_number_of_stores() {
    let scene = Scene::new();
    let store = fixture("lived-2.9.1");
    let mut peaks = Vec::new();
    for number in [20, 120] {
        let folder = scene.path(&format!("{number}"));
        for n in 0..number {
            put(&scene, &format!("{number}/{n}/influxd.bolt"), &store);
        }
        for ending in ["ndjson", "html"] {
            let out = scene.path(&format!("{number}.{ending}"));
            peaks.push(peak(&scene, &folder, &out));
        }
    }
    let [few_lines, few_page, many_lines, many_page] = peaks[..] else {
        panic!();
    };
    println!("peaks in KB: {peaks:?}");
    assert!(many_lines < few_lines + 6_000, "{peaks:?}");
    // Up to 4 MB of sections are kept in memory, and the rows of the overview.
    assert!(many_page < few_page + 12_000, "{peaks:?}");
    assert!(many_page < 64_000, "{peaks:?}");
}
