//! `report` about one store: the same facts in every format as the server's answers, no secret in
//! any of them, and every text of the database harmless.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::fixtures::{content, facts, fixture, fixtures, operator_token, store_names, tokens};
use crate::sandbox::Ran;
use crate::scene::{Scene, mode, text};
use crate::support::reported_stores::{HOSTILE, empty, hostile, large};
use crate::support::stdout_terminal::at_terminal;

/// Formats, and the endings of their files.
const FORMATS: [&str; 4] = ["html", "md", "json", "ndjson"];

/// The report of one file in a format, on standard output.
fn report(scene: &Scene, database: &Path, format: &str) -> String {
    let arguments = ["report", text(database), "--out", "-", "--format", format];
    scene.sandbox.run(arguments).ok().stdout
}

fn json(scene: &Scene, database: &Path) -> Value {
    serde_json::from_str(&report(scene, database, "json")).unwrap()
}

fn write(scene: &Scene, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = scene.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn every_token_permission_and_status_is_the_servers_answer() {
    let fields = [
        "id",
        "status",
        "description",
        "orgID",
        "org",
        "userID",
        "user",
        "permissions",
        "createdAt",
        "updatedAt",
    ];
    let mut compared = 0;
    for name in store_names() {
        let answer = fixtures().join(format!("real/{name}.authorizations.json"));
        let Ok(answer) = fs::read(answer) else {
            continue;
        };
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let scene = Scene::new();
        let database = scene.store(&name);
        let report = json(&scene, &database);
        let store = &report["stores"][0];
        let ours = store["tokens"].as_array().unwrap();
        let theirs = answer["authorizations"].as_array().unwrap();
        let shown: Vec<&Value> = ours
            .iter()
            .filter(|token| token["orphaned"] == false)
            .collect();
        assert_eq!(shown.len(), theirs.len(), "{name}");
        for (ours, theirs) in shown.into_iter().zip(theirs) {
            for field in fields {
                assert_eq!(ours[field], theirs[field], "{name} {field}");
            }
            assert!(ours.get("token").is_none());
            compared += 1;
        }
        // The facts that the fixture was made with.
        for known in facts(&name)["tokens"].as_array().unwrap() {
            let found = ours.iter().find(|token| token["id"] == known["id"]);
            let v1 = store["v1"].as_array().unwrap().iter();
            let mut v1 = v1.filter(|token| token["id"] == known["id"]);
            let token = found.or_else(|| v1.next());
            if known["status"] == "deleted" {
                assert!(token.is_none(), "{name}: {known}");
                continue;
            }
            let token = token.unwrap();
            if let Some(status) = known["status"].as_str() {
                assert_eq!(token["status"], status, "{name}: {known}");
            }
        }
        // The pages say the same: each token with its status and access.
        let rows = table(&report_of(&scene, &database), "tokens");
        assert_eq!(rows.len(), ours.len(), "{name}");
        for (row, token) in rows.iter().zip(ours) {
            assert_eq!(row[0], token["id"].as_str().unwrap());
            assert_eq!(row[2], token["kind"].as_str().unwrap());
            assert_eq!(row[6], token["storage"].as_str().unwrap());
            assert_eq!(row[7], token["access"].as_str().unwrap());
            let status = token["status"].as_str().unwrap();
            assert!(row[5].starts_with(status), "{row:?}");
            let orphaned = token["orphaned"] == true;
            assert_eq!(row[5].contains("orphaned"), orphaned, "{row:?}");
        }
        // So does the list.
        let arguments = crate::scene::arguments(&["auth", "list"], &database, &["--json"]);
        let listed = scene.sandbox.run(arguments).ok().json();
        for (listed, ours) in listed["authorizations"]
            .as_array()
            .unwrap()
            .iter()
            .zip(ours)
        {
            for field in ["kind", "usable", "storage", "problems"] {
                assert_eq!(listed[field], ours[field], "{name} {field}");
            }
        }
    }
    assert!(compared >= 178, "{compared}");
    println!("cases: reported-tokens {compared}");
}

fn report_of(scene: &Scene, database: &Path) -> String {
    report(scene, database, "html")
}

/// The cells of the first table of a class, as text.
fn table(page: &str, class: &str) -> Vec<Vec<String>> {
    let start = page.find(&format!(" {class}\"")).unwrap();
    let body = page[start..].split("<tbody>").nth(1).unwrap();
    let body = body.split("</tbody>").next().unwrap();
    let rows = body.split("<tr>").skip(1);
    rows.map(|row| {
        let row = row.replace("<th", "<td").replace("</th>", "</td>");
        let cells = row.split("<td").skip(1);
        cells
            .map(|cell| plain(cell.split_once('>').unwrap().1))
            .collect()
    })
    .collect()
}

/// The text of a piece of HTML.
fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    for (entity, c) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&amp;", "&"),
    ] {
        text = text.replace(entity, c);
    }
    text
}

#[test]
fn users_buckets_and_ways_in_are_those_of_the_other_commands() {
    for name in ["lived-2.9.1", "lived-2.7.12", "upgraded-2.9.1"] {
        let scene = Scene::new();
        let database = scene.store(name);
        let report = json(&scene, &database);
        let store = &report["stores"][0];
        for (command, list) in [("user", "users"), ("org", "orgs"), ("bucket", "buckets")] {
            let arguments = crate::scene::arguments(&[command, "list"], &database, &["--json"]);
            let listed = scene.sandbox.run(arguments).ok().json();
            assert_eq!(listed[list], store[list], "{name}");
        }
        let status = crate::scene::arguments(&["status"], &database, &["--json"]);
        let status = scene.sandbox.run(status).ok().json();
        assert_eq!(status, store["status"]);
        let line: Value = serde_json::from_str(report_line(&scene, &database).trim_end()).unwrap();
        assert_eq!(line, status);
        // Every finding of `check` is there, with its cure.
        let check = crate::scene::arguments(&["check"], &database, &["--json"]);
        let check = scene.sandbox.run(check).answered().json();
        for finding in check["findings"].as_array().unwrap() {
            let groups = store["findings"].as_array().unwrap();
            let group = groups.iter().find(|group| group["code"] == finding["code"]);
            let places = group.unwrap()["places"].as_array().unwrap();
            assert!(
                places
                    .iter()
                    .any(|place| place["where"] == finding["where"])
            );
            assert!(!group.unwrap()["cure"].as_str().unwrap().is_empty());
        }
    }
}

fn report_line(scene: &Scene, database: &Path) -> String {
    let line = report(scene, database, "ndjson");
    assert_eq!(line.lines().count(), 1);
    line
}

#[test]
fn the_table_of_who_holds_what_follows_the_servers_rule() {
    let scene = Scene::new();
    let database = scene.store("lived-2.9.1");
    let report = json(&scene, &database);
    let store = &report["stores"][0];
    let columns = store["holdings"]["columns"].as_array().unwrap();
    let mut asked = 0;
    for row in store["holdings"]["rows"].as_array().unwrap() {
        if row["what"] != "tokens" {
            continue;
        }
        let id = row["ids"][0].as_str().unwrap();
        for (column, cell) in columns.iter().zip(row["cells"].as_array().unwrap()) {
            let Some(bucket) = column["id"].as_str() else {
                continue;
            };
            for (action, mark) in [("read", "R"), ("write", "W")] {
                let can = format!("{action}:buckets/{bucket}");
                let extra = ["--id", id, "--can", &can, "--json"];
                let arguments = crate::scene::arguments(&["auth", "list"], &database, &extra);
                let list = scene.sandbox.run(arguments).ok().json();
                let allowed = list["authorizations"].as_array().unwrap().len() == 1;
                assert_eq!(
                    allowed,
                    cell.as_str().unwrap().contains(mark),
                    "{row} {can}"
                );
                asked += 1;
            }
        }
    }
    assert!(asked > 40, "{asked}");
    // Tokens of one user with the same cells are one row.
    let rows = store["holdings"]["rows"].as_array().unwrap();
    let most = rows.iter().map(|row| row["tokens"].as_u64().unwrap()).max();
    assert_eq!(most, Some(20));
    let tokens: u64 = rows
        .iter()
        .filter(|row| row["what"] == "tokens")
        .map(|row| row["tokens"].as_u64().unwrap())
        .sum();
    assert_eq!(tokens, 36);
}

#[test]
fn no_format_shows_a_hash_or_a_password() {
    for name in store_names() {
        let scene = Scene::new();
        let database = scene.store(&name);
        let values: Vec<String> = tokens(&name).into_iter().map(|(_, token)| token).collect();
        for format in FORMATS {
            let report = report(&scene, &database, format);
            for value in &values {
                assert!(!report.contains(value.as_str()), "{name} {format}");
            }
            for secret in ["$influxdb2-", "$2a$", "hashedToken"] {
                assert!(!report.contains(secret), "{name} {format}: {secret}");
            }
        }
    }
}

#[test]
fn hostile_text_is_harmless_in_every_format() {
    let scene = Scene::new();
    let database = write(&scene, "influxd.bolt", &hostile());
    for format in FORMATS {
        let arguments = ["report", text(&database), "--out", "-", "--format", format];
        let ran = scene.sandbox.run(arguments).code(0);
        let report = ran.stdout;
        assert!(
            report.len() < 20_000_000,
            "{format}: {} bytes",
            report.len()
        );
        if format.contains("json") {
            continue;
        }
        for c in report.chars() {
            let is_harmless = c == '\n' || !c.is_control();
            let is_marked = ('\u{200b}'..='\u{200f}').contains(&c)
                || ('\u{202a}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c);
            assert!(is_harmless && !is_marked, "{format}: {c:?}");
        }
        for harm in ["<script>alert", "<img", "<style>*"] {
            assert!(!report.contains(harm), "{format}: {harm}");
        }
        for (at, _) in report.match_indices("](").filter(|_| format == "md") {
            assert!(report[..at].ends_with('\\'), "{}", &report[at - 20..at]);
        }
        // The whole text of a name is there.
        assert!(report.contains(&"W".repeat(40_000)), "{format}");
    }
    assert!(HOSTILE.len() > 200);
    let page = report(&scene, &database, "html");
    assert_eq!(page.matches("<script").count(), 1);
    assert_eq!(page.matches("<style").count(), 1);
    // What is left is text: the tests in a browser look at the elements.
    assert!(!page.contains(" href=\"http"));
    assert!(page.contains("default-src 'none'; style-src 'sha256-"));
}

#[test]
fn every_damaged_store_has_a_report() {
    let (mut read, mut unreadable) = (0, 0);
    for folder in ["damaged", "field"] {
        let mut names: Vec<_> = fs::read_dir(fixtures().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_str().unwrap().ends_with(".bolt.gz"))
            .collect();
        names.sort();
        for path in names {
            let scene = Scene::new();
            let database = write(&scene, "influxd.bolt", &content(&path));
            let arguments = ["report", text(&database), "--out", "-", "--format", "json"];
            let ran = scene.sandbox.run(arguments);
            assert!([0, 3].contains(&ran.code), "{}: {ran:?}", path.display());
            let report = ran.json();
            let row = &report["overview"][0];
            if ran.code == 3 {
                assert_eq!(row["error"]["code"], "unreadable", "{row}");
                unreadable += 1;
                continue;
            }
            let store = &report["stores"][0];
            let check = crate::scene::arguments(&["check"], &database, &["--json"]);
            let check = scene.sandbox.run(check).json();
            let has_errors = check["ok"] == false;
            let doctor = scene.sandbox.run(["doctor", text(&database), "--json"]);
            assert_eq!(store["verdict"], doctor.json()["verdict"], "{store}");
            assert!(store["verdict"] == "fail" || !has_errors, "{store}");
            if has_errors {
                assert!(!store["steps"][0]["hint"].as_str().unwrap().is_empty());
            }
            let cells = store["pages"]["cells"].as_array().unwrap().iter();
            let cells: u64 = cells.map(|cell| cell[1].as_u64().unwrap()).sum();
            assert!((1..=2_048).contains(&cells), "{cells}");
            let uses = store["pages"]["uses"].as_array().unwrap().iter();
            let pages: u64 = uses.map(|used| used["pages"].as_u64().unwrap()).sum();
            assert_eq!(store["pages"]["pages"], pages);
            read += 1;
        }
    }
    // Most of the files that are named for their defect are of no server.
    println!("cases: reported-damage {}", read + unreadable);
    assert!(read >= 15 && unreadable > 20, "{read} {unreadable}");
}

#[test]
fn the_map_shows_the_pages_that_check_counts() {
    for name in store_names() {
        let scene = Scene::new();
        let database = scene.store(&name);
        let report = json(&scene, &database);
        let uses = report["stores"][0]["pages"]["uses"].as_array().unwrap();
        let number = |kinds: &[&str]| -> u64 {
            let of_kind = uses
                .iter()
                .filter(|used| kinds.contains(&used["kind"].as_str().unwrap()));
            of_kind.map(|used| used["pages"].as_u64().unwrap()).sum()
        };
        let check = crate::scene::arguments(&["check", "--structure-only"], &database, &["--json"]);
        let pages = scene.sandbox.run(check).answered().json()["pages"].clone();
        let count = |field: &str| pages[field].as_u64().unwrap();
        let in_use = count("branch") + count("leaf");
        let shown = number(&["tokens"]);
        assert_eq!(number(&["meta"]), 2);
        assert_eq!(number(&["freelist"]), count("freelist"), "{name}");
        let trees = number(&["root", "bucket", "buckets"]);
        let free = number(&["free"]);
        assert!(trees <= in_use && free <= count("free"), "{name} {uses:?}");
        assert_eq!(
            trees + free + shown,
            in_use + count("free") + beyond(shown, &pages, number(&["tail"])),
            "{name} {uses:?}"
        );
        // Those that show tokens of a hashed store are marked.
        let residue = &report["stores"][0]["status"]["residue"]["plaintextTokens"];
        assert_eq!(residue.as_u64().unwrap() > 0, shown > 0, "{name}");
    }
}

/// Pages beyond the high-water mark that show tokens.
fn beyond(shown: u64, pages: &Value, tail: u64) -> u64 {
    let number = |field: &str| pages[field].as_u64().unwrap();
    let all = number("tailBytes") / number("pageSize");
    if shown == 0 { 0 } else { all - tail }
}

#[test]
fn a_report_is_a_new_file_that_may_be_shared() {
    let scene = Scene::new();
    let database = scene.store("fresh-2.9.1");
    fs::set_permissions(&database, fs::Permissions::from_mode(0o600)).unwrap();
    for format in FORMATS {
        let out = scene.path(&format!("report.{format}"));
        let ran = scene
            .sandbox
            .run(["report", text(&database), "--out", text(&out)])
            .ok();
        assert!(
            ran.stdout.starts_with(&format!("wrote {}", text(&out))),
            "{ran:?}"
        );
        let umask = 0o022;
        assert_eq!(mode(&out) & !umask, 0o666 & !umask);
        // It is never replaced.
        let before = fs::read(&out).unwrap();
        let again = scene
            .sandbox
            .run(["report", text(&database), "--out", text(&out)]);
        again.code(1).tells(&["exists"]);
        assert_eq!(fs::read(&out).unwrap(), before);
    }
    let out = scene.path("r.json");
    let arguments = ["report", text(&database), "--out", text(&out), "--json"];
    let ran = scene.sandbox.run(arguments).ok().json();
    assert_eq!(ran["stores"], 1);
    assert_eq!(ran["format"], "json");
    assert_eq!(ran["unreadable"], 0);
    assert_eq!(ran["verdicts"]["ok"], 1);
}

#[test]
fn wrong_arguments_are_refused_before_a_file_is_made() {
    let scene = Scene::new();
    let database = scene.store("fresh-2.9.1");
    let database = text(&database);
    let before = scene.names();
    let refused = |arguments: &[&str], code: i32, words: &[&str]| {
        let ran: Ran = scene.sandbox.run(arguments);
        ran.code(code).tells(words);
        assert_eq!(scene.names(), before, "{arguments:?}");
    };
    refused(&["report", database], 2, &["--out"]);
    refused(
        &["report", database, "--out", "-"],
        2,
        &["--format html, md, json or ndjson"],
    );
    refused(&["report", database, "--out", "x.txt"], 2, &["--format"]);
    refused(
        &["report", database, "--out", "-", "--format", "pdf"],
        2,
        &["html, md, json, ndjson"],
    );
    let both = [
        "report", database, "--out", "-", "--format", "json", "--json",
    ];
    refused(&both, 2, &["can't both write to standard output"]);
    let missing = text(&scene.path("no/folder/r.html")).to_owned();
    refused(
        &["report", database, "--out", &missing],
        1,
        &["create it first"],
    );
    let folder = format!("{}/", text(scene.folder.path()));
    refused(
        &["report", database, "--out", &folder, "--format", "md"],
        1,
        &[],
    );
    let twice = ["report", database, "--db", database, "--out", "r.html"];
    refused(&twice, 2, &["--db"]);
}

#[test]
fn the_database_is_found_as_by_other_commands() {
    let scene = Scene::new();
    let database = scene.store("lived-2.7.12");
    let mut command = scene
        .sandbox
        .command(["report", "--out", "-", "--format", "ndjson"]);
    command.env("BOLTKEY_DB", &database);
    let line = scene.sandbox.finish(command).code(0).json();
    assert_eq!(line["database"]["path"], text(&database));
    let with_option = [
        "report",
        "--db",
        text(&database),
        "--out",
        "-",
        "--format",
        "ndjson",
    ];
    assert_eq!(scene.sandbox.run(with_option).ok().json(), line);
}

#[test]
fn the_previous_transaction_can_be_reported() {
    let scene = Scene::new();
    let mut told = 0;
    for name in store_names() {
        let database = scene.store(&name);
        let arguments = crate::scene::arguments(&["status"], &database, &["--previous", "--json"]);
        let status = scene.sandbox.run(arguments);
        let arguments = [
            "report",
            text(&database),
            "--previous",
            "--out",
            "-",
            "--format",
            "ndjson",
        ];
        let line = scene.sandbox.run(arguments);
        if status.code == 0 {
            assert_eq!(line.code(0).json(), status.json(), "{name}");
            told += 1;
        } else {
            assert_eq!(line.code(3).json()["error"]["code"], "unreadable");
        }
    }
    assert!(told > 0);
}

#[test]
fn a_report_fits_a_terminal_only_where_it_is_not_the_document() {
    // A document is never wrapped.
    let scene = Scene::new();
    let database = scene.store("lived-2.9.1");
    let arguments = [
        "report",
        text(&database),
        "--out",
        "-",
        "--format",
        "ndjson",
    ];
    let (status, shown) = at_terminal(scene.sandbox.command(arguments), 60);
    assert!(status.success());
    assert_eq!(shown.lines().count(), 1);
}

#[test]
fn a_redb_store_has_a_report_without_a_map() {
    let scene = Scene::new();
    let database = scene.redb("lived-2.9.1");
    let report_json = json(&scene, &database);
    let store = &report_json["stores"][0];
    assert!(store["pages"].is_null());
    assert_eq!(store["tokens"].as_array().unwrap().len(), 36);
    assert!(report(&scene, &database, "html").contains("does not tell how its pages are used"));
}

#[test]
fn five_thousand_tokens_are_all_told() {
    let scene = Scene::new();
    let database = write(&scene, "influxd.bolt", &large(5_000));
    let report_json = json(&scene, &database);
    let store = &report_json["stores"][0];
    assert_eq!(store["tokens"].as_array().unwrap().len(), 5_001);
    let holdings = &store["holdings"];
    let columns = holdings["columns"].as_array().unwrap().len() as u64;
    assert_eq!(
        columns + holdings["bucketsLeftOut"].as_u64().unwrap(),
        7 + 61
    );
    assert!(holdings["rows"].as_array().unwrap().len() <= 200);
    let page = report(&scene, &database, "html");
    assert_eq!(table(&page, "tokens").len(), 5_001);
    assert!(page.len() < 5_000_000, "{}", page.len());
}

/// Pages for the tests in a real browser: `BOLTKEY_WRITE_REPORTS=FOLDER` keeps them.
#[test]
fn pages_for_a_browser() {
    let scene = Scene::new();
    let keep = std::env::var_os("BOLTKEY_WRITE_REPORTS").map(std::path::PathBuf::from);
    let folder = keep.unwrap_or_else(|| scene.path("pages"));
    fs::create_dir_all(&folder).unwrap();
    let field = |name: &str| content(&fixtures().join(format!("field/{name}.bolt.gz")));
    let stores = [
        ("lived-2.7.12", fixture("lived-2.7.12")),
        ("lived-2.9.1", fixture("lived-2.9.1")),
        ("upgraded-2.9.1", fixture("upgraded-2.9.1")),
        ("empty", empty()),
        ("large", large(5_000)),
        ("damaged", field("bolt-c08")),
        ("unreadable", field("bolt-c21")),
        ("hostile", hostile()),
    ];
    for (name, bytes) in &stores {
        write(&scene, &format!("{name}/influxd.bolt"), bytes);
    }
    let page = |store: &str, name: &str| {
        let out = folder.join(format!("{name}.html"));
        let _ = fs::remove_file(&out);
        let mut command = scene
            .sandbox
            .command(["report", store, "--out", text(&out)]);
        command.current_dir(scene.folder.path());
        let ran = scene.sandbox.finish(command);
        assert!([0, 3].contains(&ran.code), "{ran:?}");
        let page = fs::read_to_string(out).unwrap();
        assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\">"));
        assert!(page.ends_with("</body></html>\n"));
    };
    for (name, _) in &stores {
        page(name, name);
    }
    for (name, _) in stores.iter().filter(|(name, _)| *name == "large") {
        fs::remove_dir_all(scene.path(name)).unwrap();
    }
    page(".", "many");
}

#[test]
fn the_operator_token_is_in_no_page_about_a_store_of_its_server() {
    // A guard for the tests above: the token is really in the store.
    assert!(content_has("lived-2.7.12", &operator_token("lived-2.7.12")));
}

fn content_has(store: &str, token: &str) -> bool {
    memchr::memmem::find(&fixture(store), token.as_bytes()).is_some()
}
