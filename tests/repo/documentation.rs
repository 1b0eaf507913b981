//! Runs the commands of the README and of `docs/` in a scratch home, at a terminal of 80 columns, and
//! compares their output with the page. `BOLTKEY_WRITE_PAGES=1` writes the output into the pages. Checks that the pages name only files that exist, and that the README links every page.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use boltkey::ops::explain::explain;
use boltkey::ops::explain::texts::{ErrorText, TEXTS};

use crate::support::engine_folder::{HOUR, WEDNESDAY, shard, wal_shard};
use crate::support::fixtures::{content, fixture, fixtures, gzip, operator_token};
use crate::support::program::BOLTKEY;
use crate::support::stdout_terminal::at_terminal;

/// One `$ command` of a `console` block, and the output that follows it. A block of another language
/// with a name, as in `toml list.toml`, is a file of that name. The step that writes it has no
/// command.
struct Step {
    line: usize,
    command: String,
    expected: String,
    file: Option<String>,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for (line, content) in (1..).zip(text.lines()) {
        if let Some(info) = content.strip_prefix("```") {
            let file = info.split_once(' ').map(|(_, name)| name.to_owned());
            inside = info == "console" || file.is_some();
            if file.is_some() {
                steps.push(Step {
                    line,
                    command: String::new(),
                    expected: String::new(),
                    file,
                });
            }
        } else if let (true, Some(command)) = (inside, content.strip_prefix("$ ")) {
            steps.push(Step {
                line,
                command: command.to_owned(),
                expected: String::new(),
                file: None,
            });
        } else if let (true, Some(step)) = (inside, steps.last_mut()) {
            step.expected.push_str(content);
            step.expected.push('\n');
        }
    }
    steps
}

/// The text with IDs and times masked. They change when the fixtures are made again.
fn masked(text: &str) -> String {
    let is_id = |word: &str| {
        word.len() == 16
            && word
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    // The beginning of the names of backups.
    let is_time = |word: &str| {
        let form: String = word
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        form == "00000000T000000Z"
    };
    let mut masked = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        masked.push_str(match () {
            () if is_id(&word) => "<ID>",
            () if is_time(&word) => "<TIME>",
            () => &word,
        });
        word.clear();
        masked.push(c);
    }
    masked.trim_end_matches('\0').to_owned()
}

/// A home with the stores that the commands use.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for (file, store) in [
        ("influxd.bolt", "upgraded-2.9.1"),
        ("before.bolt", "lived-2.7.12"),
    ] {
        fs::write(home.path().join(file), fixture(store)).unwrap();
    }
    // A backup that somebody else has.
    fs::create_dir(home.path().join("leaked")).unwrap();
    let copy = gzip(&fixture("lived-2.7.12"));
    fs::write(home.path().join("leaked/influxd.bolt.gz"), copy).unwrap();
    lost_store(&home.path().join("lost/engine"));
    let damaged = content(&fixtures().join("field/bolt-c21.bolt.gz"));
    fs::create_dir(home.path().join("damaged")).unwrap();
    fs::write(home.path().join("damaged/influxd.bolt"), damaged).unwrap();
    let packed = fixtures().join("field/2-27361-task-of-deleted-org.bolt.gz");
    // In a folder of its own: commands name the tokens in files beside a database.
    fs::create_dir(home.path().join("broken")).unwrap();
    let broken = home.path().join("broken/influxd.bolt");
    fs::write(&broken, content(&packed)).unwrap();
    fs::set_permissions(broken, fs::Permissions::from_mode(0o600)).unwrap();
    let token = operator_token("upgraded-2.9.1");
    fs::write(home.path().join("operator.token"), token).unwrap();
    home
}

/// The engine folder of a server whose `influxd.bolt` is lost.
fn lost_store(engine: &Path) {
    let (first, bucket, second) = ("00000000000000aa", "00000000000000bb", "00000000000000cc");
    let later = WEDNESDAY + 6 * 24 * HOUR;
    shard(engine, first, 3, (WEDNESDAY, WEDNESDAY + HOUR));
    shard(engine, first, 9, (later, later + 72 * HOUR));
    shard(engine, bucket, 4, (WEDNESDAY, WEDNESDAY + HOUR));
    let run = "runs,status=success,taskID=0c1a#!~#runID";
    wal_shard(engine, second, 7, run, &[WEDNESDAY]);
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn run(file: &Path) -> usize {
    let text = fs::read_to_string(file).unwrap();
    let home = home();
    let binary = Path::new(BOLTKEY).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", binary.display());
    let steps = steps(&text);
    let mut page = text.clone();
    for step in &steps {
        if let Some(name) = &step.file {
            fs::write(home.path().join(name), &step.expected).unwrap();
            continue;
        }
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("exec 2>&1; {}", step.command)])
            .current_dir(home.path())
            .env_clear()
            .env("PATH", &path)
            .env("HOME", home.path())
            // No colors, no progress.
            .env("TERM", "dumb")
            .stdin(Stdio::null());
        let (status, printed) = at_terminal(command, 80);
        let place = format!("{}:{}: {}", file.display(), step.line, step.command);
        assert!(status.success(), "{place}: {status}\n{printed}");
        let printed = masked(&printed);
        if std::env::var_os("BOLTKEY_WRITE_PAGES").is_some() {
            let before = format!("$ {}\n{}", step.command, step.expected);
            let after = format!("$ {}\n{printed}", step.command);
            assert!(page.contains(&before), "{place}");
            page = page.replacen(&before, &after, 1);
        } else {
            assert_eq!(printed, step.expected, "{place}");
        }
    }
    if page != text {
        fs::write(file, page).unwrap();
    }
    steps.len()
}

/// The pages of `docs/`.
fn docs() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("docs")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect()
}

#[test]
fn the_commands_print_what_the_pages_say() {
    let mut pages: Vec<PathBuf> = vec![root().join("README.md")];
    pages.extend(docs());
    let tried: usize = pages.iter().map(|page| run(page)).sum();
    assert!(tried >= 9);
    println!("cases: documented-commands {tried}");
}

#[test]
fn the_two_commands_stand_in_the_readme() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    for (mark, start) in [
        ("main command", "cargo build --release"),
        ("test command", "cargo test"),
    ] {
        let block = text
            .split_once(&format!("<!-- {mark} -->\n```sh\n"))
            .unwrap()
            .1;
        let command = block.split_once("\n```").unwrap().0;
        assert!(command.starts_with(start), "{command}");
        assert!(!command.contains('\n'), "one line: {command}");
    }
}

#[test]
fn the_readme_links_every_page() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    for page in docs() {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(text.contains(&format!("](docs/{name})")), "{name}");
    }
}

/// The paths in backquotes that begin with a folder of the repository, and the targets of links to
/// files.
fn named_paths(text: &str) -> Vec<&str> {
    const FOLDERS: [&str; 9] = [
        "src/",
        "tests/",
        "docs/",
        "fixtures/",
        "fuzz/",
        "interop/",
        "benches/",
        "packaging/",
        ".ci/",
    ];
    let quoted = text.split('`').skip(1).step_by(2);
    let quoted = quoted.filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)));
    let links = text.split("](").skip(1);
    let links = links.filter_map(|rest| rest.split([')', '#']).next());
    let links = links.filter(|link| !link.is_empty() && !link.contains("://"));
    // A command may follow the path.
    let words = quoted.filter_map(|word| word.split_whitespace().next());
    words.chain(links).collect()
}

#[test]
fn every_file_that_a_page_names_exists() {
    let mut pages = docs();
    let others = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "fixtures/README.md",
        "interop/README.md",
    ];
    pages.extend(others.map(|page| root().join(page)));
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for path in named_paths(&text) {
            // NAME stands for any name.
            if path.contains("NAME") {
                continue;
            }
            let there = root().join(path).exists() || page.with_file_name(path).exists();
            assert!(there, "{}: {path}", page.display());
        }
    }
}

/// Whether a page has an error text: the parts between its numbers and names, in order.
fn has(page: &str, text: &ErrorText) -> bool {
    text.patterns.iter().any(|pattern| {
        let parts = pattern.split(['#', '*', '=']);
        let mut rest = page;
        parts.filter(|part| !part.is_empty()).all(|part| {
            let found = rest.split_once(part);
            rest = found.map_or("", |(_, after)| after);
            found.is_some()
        })
    })
}

/// Who searches for the words of influxd or bbolt finds the page with the cure.
#[test]
fn what_influxd_and_bbolt_say_about_damage_leads_to_a_page() {
    let pages = docs().into_iter().map(|page| {
        let words = fs::read_to_string(page).unwrap().to_lowercase();
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    });
    let pages: Vec<String> = pages.collect();
    let mut cured = 0;
    for text in TEXTS {
        let cures = ["boltkey salvage", "boltkey repair", "boltkey bucket adopt"];
        if cures.iter().any(|cure| text.cure.contains(cure)) {
            assert!(pages.iter().any(|page| has(page, text)), "{}", text.name());
            cured += 1;
        }
    }
    assert!(cured > 15, "{cured}");
    // Every line of the table is known.
    let damaged = fs::read_to_string(root().join("docs/damaged.md")).unwrap();
    for line in damaged.lines().filter(|line| line.starts_with("| \"")) {
        for quoted in line.split('"').skip(1).step_by(2) {
            assert!(explain(quoted).is_ok(), "{quoted}");
        }
    }
}

#[test]
fn paths_are_found_in_a_page() {
    let text = "See `tests/a.rs` and [b](docs/b.md#top), `cargo test`, `benches/c [--runs N]`, \
                [here](#here) and [web](https://example.com).";
    assert_eq!(named_paths(text), ["tests/a.rs", "benches/c", "docs/b.md"]);
}
