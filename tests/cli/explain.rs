//! `explain`: each known error text is recognized where people find it, and what it says to run is
//! there.

use boltkey::finding::Code;
use boltkey::ops::explain::explain;
use boltkey::ops::explain::texts::TEXTS;

use crate::Sandbox;

/// Lines as logs, terminals and issues show them.
const LINES: &[&str] = &[
    r#"ts=2026-03-02T08:11:04.183441Z lvl=error msg="Missing metadata for bucket." log_id=0jX4Vb2l000 bucket=_monitoring bucket_id=5b1f6c0e2f9a1d33"#,
    r#"Error: up: reading migrations: migration "create authorizationhashedindexv1 bucket": migration specification not found"#,
    r#"2026-03-02T08:11:04.183441Z	error	Failed to apply KV migrations	{"log_id": "0jX4Vb2l000", "error": "reading migrations: DB contains record of unknown migration \"create authorizationhashedindexv1 bucket\" - if you are downgrading from a more recent version of influxdb, please run the \"influxd downgrade\" command"}"#,
    r#"Error: up: reading migrations: expected migration "migrate task owner id", found "something else""#,
    r#"ts=2026-03-02T08:11:04.183441Z lvl=error msg="Failed to start" error="bucket \"_tasks\" not found""#,
    r#"ts=2026-03-02T08:11:04Z lvl=error msg="Failed creating new authorization store" error="error during hashed token migration: error migrating hashed tokens: decodeAuthorization: unexpected end of JSON input""#,
    r#"lvl=error msg="Failed creating new authorization store" error="error fetching authorization records for hash variant inventory: decodeAuthorization: invalid ID""#,
    "commitAuthorization: transformToken: HashedToken does not match Token",
    r#"{"code":"internal error","message":"commitAuthorization: no token available for authorization"}"#,
    r#"lvl=error msg="Failed creating new authorization store" error="missing required index, upgrade required: bucket \"authorizationhashedindexv1\": bucket not found""#,
    r#"ts=2026-03-02T08:11:05Z lvl=error msg="Failed opening bolt" log_id=0jX4Vb2l000 error="unable to open boltdb: timeout""#,
    "Error: unable to open boltdb file timeout",
    "timeout",
    r#"lvl=error msg="Failed opening bolt" error="unable to open boltdb: mmap of \"/var/lib/influxdb2/influxd.bolt\" may not support the MAP_SHARED option""#,
    r#"Error: unable to open boltdb: file size too small 512"#,
    r#"2026-03-02T08:11:05.183Z	error	Failed opening bolt	{"log_id": "0jX4", "error": "unable to open boltdb: invalid database"}"#,
    "run: unable to open boltdb: version mismatch",
    "Error: unable to open boltdb: checksum error",
    "influxdb-1  | panic: invalid page type: 41: 10\ninfluxdb-1  |\ninfluxdb-1  | goroutine 1 [running]:",
    "panic: assertion failed: Page expected to be: 113, but self identifies as 0",
    "unexpected fault address 0x7f3c9a2c1000\nfatal error: fault\n[signal SIGBUS: bus error code=0x2 addr=0x7f3c9a2c1000 pc=0x5a3c11]",
    "panic: assertion failed: page 9: has unexpected type/flags: 41",
    "page 77: multiple references (stack: [3 12 77])",
    "panic: assertion failed: spill: zero-length node key",
    "panic: invalid freelist page: 66, page type is leaf",
    "panic: freelist pgid (131) above high water mark (130)",
    "panic: pgid (7310323408571395104) above high water mark (4021)",
    "Mar 02 08:11:05 nas influxd-systemd-start.sh[812]: panic: page 3 already freed",
    "page 14: unreachable unfreed",
    "Error: database reached maximum size",
    r#"Error: bucket "authorizationsv1": bucket not found"#,
    r#"unexpected error retrieving auth bucket "authorizationindexv1"; Err: bucket not found"#,
    r#"{"code":"internal error","message":"user could not be unmarshalled"}"#,
    r#"HTTP/1.1 401 Unauthorized  {"code":"unauthorized","message":"unauthorized access"}"#,
    r#"Error: 401 Unauthorized: read:authorizations is unauthorized"#,
    r#"{"code":"forbidden","message":"permission write:orgs/0a1b2c3d4e5f6071/buckets is not allowed"}"#,
    r#"lvl=warn msg=Unauthorized log_id=0jX4Vb2l000 error="authorization not found""#,
    r#"Error: Failed to create authorization: 409 Conflict: token already exists"#,
    r#"{"code":"unauthorized","message":"token is inactive"}"#,
    "403 Forbidden: User is inactive",
    r#"Error: failed to restore: 500 Internal Server Error: invalid backup without an operator token, consider editing the BoltDB in the backup with 'influxd recovery'"#,
    "Error: failed to setup instance: 422 Unprocessable Entity: onboarding has already been completed",
    r#"{"code":"forbidden","message":"your username or password is incorrect"}"#,
    "Error: passwords must be between 8 and 72 characters long",
    r#"Error: could not find user "admin": user not found"#,
    r#"Error: could not find org “acme”: organization name “acme” not found"#,
    r#"{"error":"database not found: telegraf"}"#,
    r#"{"results":[{"statement_id":0,"error":"retention policy not found: year"}]}"#,
    r#"{"code":"forbidden","message":"insufficient permissions for write"}"#,
    r#"{"code":"forbidden","message":"password change required"}"#,
    r#"{"code":"unauthorized","message":"Unauthorized"}"#,
    r#"ts=2026-03-02T08:11:05Z lvl=error msg="Failed opening sqlite store" error="database is locked""#,
    r#"lvl=error msg="Failed to apply SQL migrations" error="database disk image is malformed""#,
    r#"lvl=error msg="Failed opening bolt" error="unable to open boltdb: open /var/lib/influxdb2/influxd.bolt: permission denied""#,
];

#[test]
fn each_text_is_found_in_what_people_paste() {
    let answers: Vec<&str> = LINES
        .iter()
        .map(|line| explain(line).unwrap().text.unwrap_or_default())
        .collect();
    assert!(TEXTS.len() >= 25, "{}", TEXTS.len());
    for known in TEXTS {
        assert!(answers.contains(&known.name()), "{}", known.name());
    }
    // Every spelling by itself as well, in the same entry or in one that says more.
    for known in TEXTS {
        for pattern in known.patterns {
            let text = pattern.replace('#', "41").replace('*', "x");
            let text = text.trim_start_matches('=');
            assert!(explain(text).is_ok(), "{pattern}");
        }
    }
    println!("cases: error-texts {}", TEXTS.len());
}

#[test]
fn what_is_none_of_them_is_not_explained() {
    for asked in [
        "dial tcp 127.0.0.1:8086: i/o timeout",
        "context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
        "hello",
        "",
        "page x already freed",
        "bucket \"metrics",
    ] {
        let error = explain(asked).unwrap_err();
        assert!(error.hint().unwrap().contains("nearest"), "{asked}");
    }
    // A text that is almost right is named.
    let hint = explain("invalid databse").unwrap_err();
    assert!(hint.hint().unwrap().contains("\"invalid database\""));
    // A long one ends too.
    let long = "bucket \"".repeat(20_000);
    assert!(explain(&long).is_err());
}

/// The commands in a text: words after the program's name, and the options that follow them.
pub fn commands_in(text: &str) -> Vec<(Vec<String>, Vec<String>)> {
    let mut commands = Vec::new();
    for part in text.split("boltkey ").skip(1) {
        let (mut words, mut options) = (Vec::new(), Vec::new());
        for word in part.split(' ') {
            let end = word.ends_with(['.', ',', ':', ';', ')']);
            let word = word.trim_end_matches(['.', ',', ':', ';', ')']);
            let is_letter = |b: u8| b.is_ascii_lowercase() || b == b'1';
            let is_verb = !word.is_empty() && word.bytes().all(is_letter);
            if word.starts_with('-') {
                options.push(word.to_owned());
            } else if options.is_empty() && is_verb && words.len() < 3 {
                words.push(word.to_owned());
            } else if is_verb {
                break;
            }
            if end {
                break;
            }
        }
        commands.push((words, options));
    }
    commands
}

/// The command of these words, of which the last may be prose.
fn known(sandbox: &Sandbox, words: &[String]) -> Option<String> {
    let help = |words: &[String]| {
        let words = words.iter().map(String::as_str);
        let ran = sandbox.run(words.chain(["--help"]).collect::<Vec<_>>());
        (ran.code == 0).then_some(ran.stdout)
    };
    let mut lengths = (1..=words.len()).rev();
    lengths.find_map(|length| help(&words[..length]))
}

#[test]
fn what_a_text_says_to_run_is_there() {
    let sandbox = Sandbox::new();
    let mut named = 0;
    for cure in TEXTS
        .iter()
        .map(|known| known.cure)
        .chain(Code::ALL.iter().map(|code| code.cure()))
        .collect::<std::collections::BTreeSet<_>>()
    {
        for (words, options) in commands_in(cure) {
            let help = known(&sandbox, &words).unwrap_or_else(|| panic!("{words:?}: {cure}"));
            for option in &options {
                assert!(help.contains(option.as_str()), "{option}: {cure}");
            }
            named += 1;
        }
    }
    assert!(named > 40, "{named}");
}

#[test]
fn the_command_answers_in_both_forms() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(["explain", "metadata.token-user-gone", "--json"]);
    let json = ran.ok().json();
    assert_eq!(json["code"], "metadata.token-user-gone");
    assert_eq!(json["needsAll"], true);
    assert_eq!(json["repair"], "choice");
    let line = LINES[2];
    let json = sandbox.run(["explain", line, "--json"]).ok().json();
    assert_eq!(json["text"], "unknown migration");
    assert!(json.get("needsAll").is_none(), "{json}");
    // Not quoted as a whole: the shell makes words of it.
    let mut words = vec!["explain"];
    words.extend("panic: page 3 already freed".split(' '));
    let told = sandbox.run(words).ok().stdout;
    assert!(told.contains("boltkey compact --out"), "{told}");
    let unknown = sandbox.run(["explain", "what is this"]).code(1);
    assert!(unknown.stderr.contains("nearest"), "{unknown:?}");
}
