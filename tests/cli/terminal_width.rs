//! Reports fit a terminal of 60 to 200 columns. In pipes they are not wrapped.

use crate::scene::Scene;
use crate::support::stdout_terminal::at_terminal;

/// Commands with all kinds of reports, on stores with findings, long names and lost tokens.
const COMMANDS: &[&[&str]] = &[
    &["status"],
    &["check"],
    &["auth", "list"],
    &["auth", "list", "--v1"],
    &["user", "list"],
    &["org", "list"],
    &["bucket", "list"],
    &["residue", "scan"],
    &["downgrade", "check", "--to", "2.7"],
    &["hash", "--no-capture", "--dry-run"],
    &["residue", "scrub", "--dry-run"],
    &[
        "downgrade",
        "apply",
        "--to",
        "2.7",
        "--allow-loss",
        "--dry-run",
    ],
    &[
        "recover",
        "operator",
        "--user",
        "alice",
        "--org",
        "acme",
        "--dry-run",
    ],
];

/// Without colors, in columns.
fn width(line: &str) -> usize {
    let plain = anstream::adapter::strip_str(line).to_string();
    unicode_width::UnicodeWidthStr::width(plain.as_str())
}

#[test]
fn every_report_fits() {
    let scene = Scene::new();
    let mut tried = 0;
    for store in ["lived-2.7.12", "upgraded-2.9.1"] {
        let database = scene.sandbox.store(store);
        for command in COMMANDS {
            for columns in [60, 80, 120, 200] {
                let arguments = crate::scene::arguments(command, &database, &[]);
                let (_, text) = at_terminal(scene.sandbox.command(arguments), columns);
                assert!(!text.is_empty(), "{command:?}");
                for line in text.lines() {
                    // Paths and IDs are not broken.
                    let words = line.split(' ').map(width).max().unwrap_or(0);
                    let fits = width(line) <= usize::from(columns);
                    let is_command = line.trim_start().starts_with("boltkey ");
                    assert!(
                        fits || words > 40 || is_command,
                        "{columns} {command:?}: {line}"
                    );
                }
                tried += 1;
            }
        }
    }
    println!("cases: reports-that-fit {tried}");
}

#[test]
fn pipes_are_not_wrapped() {
    let scene = Scene::new();
    let database = scene.sandbox.store("upgraded-2.9.1");
    let piped = scene.run(&["check"], &database, &[]).stdout;
    let arguments = crate::scene::arguments(&["check"], &database, &[]);
    let mut command = scene.sandbox.command(arguments);
    command.env("TERM", "xterm");
    let (_, shown) = at_terminal(command, 60);
    let plain = |text: &str| {
        let text = anstream::adapter::strip_str(text).to_string();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(plain(&piped), plain(&shown));
    assert!(shown.lines().count() > piped.lines().count());
    assert!(!piped.contains('\u{1b}') && shown.contains('\u{1b}'));
}
