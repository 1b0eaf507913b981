//! The table of `auth list`: what a token may do in a few words, whole in pipes.

use crate::scene::{Scene, text};

#[test]
fn a_token_is_one_line_and_says_what_it_may_do() {
    let scene = Scene::new();
    let database = scene.sandbox.store("lived-2.7.12");
    let table = scene.run(&["auth", "list"], &database, &[]).code(0).stdout;
    let line = |description: &str| {
        let mut lines = table.lines().filter(|line| line.contains(description));
        lines.next().unwrap().to_owned()
    };
    assert!(table.starts_with("ID  "), "{table}");
    for column in [
        "Description",
        "Kind",
        "User",
        "Org",
        "Status",
        "Storage",
        "Access",
    ] {
        assert!(table.lines().next().unwrap().contains(column), "{column}");
    }
    for (description, access) in [
        ("second operator", "  everything"),
        ("all access two", "  all of beta & co"),
        ("write both", "  read, write buckets/metrics"),
        ("tasks and dashboards", "  read dashboards; write tasks"),
        ("of the leaver", "(deleted)"),
        ("of the sleeper", "unusable"),
    ] {
        assert!(line(description).contains(access), "{}", line(description));
    }
    assert!(!table.contains('…'));
    let bare = scene
        .run(&["auth", "list", "--hide-headers"], &database, &[])
        .code(0);
    assert_eq!(bare.stdout.lines().count() + 1, table.lines().count());
    let few = scene
        .run(&["auth", "list", "--kind", "operator"], &database, &[])
        .code(0);
    assert_eq!(few.stdout.lines().count(), 4);
}

#[test]
fn wide_has_the_columns_of_influx() {
    let scene = Scene::new();
    let database = scene.sandbox.store("lived-2.7.12");
    let wide = ["auth", "list", "--wide"];
    let table = scene.run(&wide, &database, &[]).code(0).stdout;
    let header = table.lines().next().unwrap();
    for column in ["Token", "User Name", "User ID", "Permissions"] {
        assert!(header.contains(column), "{header}");
    }
    assert!(table.contains("[read:authorizations write:authorizations"));
    let bare = scene.run(&wide, &database, &["--hide-headers"]).code(0);
    assert_eq!(bare.stdout.lines().count() + 1, table.lines().count());
    assert!(!bare.stdout.contains("User ID"));
}

#[test]
fn a_long_description_pads_no_other_row() {
    let scene = Scene::new();
    let database = scene.store("fresh-2.9.1");
    let long = "x".repeat(100_000);
    let list = format!(
        "{{\"description\":\"{long}\",\"permissions\":[{{\"action\":\"read\",\
                        \"resource\":{{\"type\":\"buckets\"}}}}]}}"
    );
    let body = scene.path("body.json");
    std::fs::write(&body, list).unwrap();
    let create = ["auth", "create", "--from-json", text(&body)];
    scene.run(&create, &database, &[]).ok();
    let table = scene.run(&["auth", "list"], &database, &[]).code(0).stdout;
    let longest = table.lines().filter(|line| line.len() > 1000).count();
    assert_eq!(longest, 1, "only the row itself is long");
    assert!(table.contains(&long));
}
