use crate::metadata::residue::*;
use crate::store::Model;

/// A token of generated form, different for each `n`.
fn token(n: usize) -> String {
    use base64::Engine as _;
    let (a, b) = (
        Sha256::digest(n.to_le_bytes()),
        Sha256::digest([n.to_le_bytes(); 3].concat()),
    );
    base64::engine::general_purpose::URL_SAFE.encode([a, b].concat())
}

fn id(n: u64) -> Id {
    Id::new(n).unwrap()
}

/// A store with these hashed tokens, IDs counting from 1, and a plaintext one.
fn store(hashed: &[&str], variant: &str) -> Model {
    use base64::Engine as _;
    let mut model = Model::default();
    for (n, text) in hashed.iter().enumerate() {
        let digest = match variant {
            "sha256" => Sha256::digest(text).to_vec(),
            _ => sha2::Sha512::digest(text).to_vec(),
        };
        let hash = base64::engine::general_purpose::URL_SAFE.encode(digest);
        let key = id(n as u64 + 1).to_string();
        let record = format!(
            r#"{{"id":"{key}","hashedToken":"$influxdb2-{variant}${hash}","status":"active"}}"#
        );
        model.put(names::AUTHORIZATIONS, key.as_bytes(), record.as_bytes());
    }
    let live = r#"{"id":"00000000000000ff","token":"live & plain","status":"active"}"#;
    model.put(names::AUTHORIZATIONS, b"00000000000000ff", live.as_bytes());
    model.put(
        names::LEGACY_AUTHORIZATION_INDEX,
        b"collectd",
        b"00000000000000fe",
    );
    model
}

fn known(hashed: &[&str]) -> Known {
    Known::load(&store(hashed, "sha256")).unwrap().0
}

/// Feeds one run in chunks of the given size.
fn scan(known: &Known, bytes: &[u8], chunk: usize) -> Residue {
    let mut scan = Scan::new(known);
    for (n, chunk) in bytes.chunks(chunk).enumerate() {
        scan.feed(chunk, n > 0);
    }
    scan.finish()
}

fn found(residue: &Residue) -> Vec<(u64, &str)> {
    let pairs = residue.matching.iter();
    pairs
        .map(|(id, token)| (id.get(), token.reveal()))
        .collect()
}

/// Texts in raw bytes with different surroundings, the number of tokens to find, and how many of
/// them match the store's (`t`, `chosen & <1>`).
#[test]
fn texts_in_raw_bytes() {
    let t = token(1);
    let (body, hash512) = (&t[..86], token(2));
    let chosen = "chosen & <1>";
    let long = "x".repeat(MAX_KEY_SIZE);
    let cases: Vec<(&str, String, u64, u64)> = vec![
        ("alone", t.clone(), 1, 1),
        ("at the start", format!("{t}\0\0"), 1, 1),
        ("at the end", format!("\0\0{t}"), 1, 1),
        (
            "after hex and before hex",
            format!("08371db24dcc8000{t}08371db24dcc8000"),
            1,
            1,
        ),
        (
            "after base64",
            format!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA{t}"),
            1,
            1,
        ),
        ("twice", format!("{t}{t}"), 1, 1),
        ("two", format!("{t}{}", token(3)), 2, 1),
        ("four signs", format!("{t}=="), 1, 1),
        ("three signs", format!("{t}="), 1, 1),
        ("one sign", format!("{body}="), 0, 0),
        ("signs before", format!("=={t}"), 1, 1),
        ("too short", format!(".{}==", &body[1..]), 0, 0),
        ("torn", format!("{}.{}", &t[..40], &t[40..]), 0, 0),
        (
            "standard base64",
            format!("{}+{}", &t[..40], &t[41..]),
            0,
            0,
        ),
        (
            "a hash of the long variant",
            format!("\"$influxdb2-sha512${hash512}\""),
            0,
            0,
        ),
        (
            "the same after another sign",
            format!("x512${hash512}"),
            1,
            0,
        ),
        (
            "another's after it",
            format!("$influxdb2-sha512${hash512}{t}"),
            1,
            1,
        ),
        (
            "a hash of the short variant",
            "$influxdb2-sha256$MF-hXZK0ApLZgX8ybiLglgYvxJSVlxrEFgaIQtXa89k=".into(),
            0,
            0,
        ),
        (
            "field",
            r#"{"token":"chosen \u0026 \u003c1\u003e","#.into(),
            1,
            1,
        ),
        (
            "field, capitals in the escape",
            r#""token":"chosen \u0026 \u003C1\u003E""#.into(),
            1,
            1,
        ),
        (
            "field, not escaped",
            r#""token":"chosen & <1>""#.into(),
            1,
            1,
        ),
        (
            "field, with space",
            "\"token\" :\n  \"chosen & <1>\"".into(),
            1,
            1,
        ),
        ("field, generated", format!(r#""token":"{t}""#), 1, 1),
        (
            "field, other text",
            r#""token":"something else""#.into(),
            1,
            0,
        ),
        (
            "field, pair of escapes",
            r#""token":"\ud83d\ude00 \/\"\\\b\f\n\r\t""#.into(),
            1,
            0,
        ),
        ("field, half a pair", r#""token":"\ud83d""#.into(), 0, 0),
        (
            "field, wrong pair",
            r#""token":"\ud83d\ue000""#.into(),
            0,
            0,
        ),
        ("field, no escape", r#""token":"\x41""#.into(), 0, 0),
        (
            "field, control character",
            "\"token\":\"a\u{1}b\"".into(),
            0,
            0,
        ),
        ("field, empty", r#""token":"""#.into(), 0, 0),
        ("field, null", r#""token":null,"x":"y""#.into(), 0, 0),
        ("field, an object", r#""token":{"key":"y"}"#.into(), 0, 0),
        ("field, not ended", r#""token":"chosen & <1>"#.into(), 0, 0),
        (
            "field, ends in an escaped quote",
            r#""token":"chosen & <1>\""#.into(),
            0,
            0,
        ),
        (
            "field, a hash",
            r#""token":"$influxdb2-sha256$MF-hXZK0ApLZgX8ybiLglgYvxJSVlxrEFgaIQtXa89k=""#.into(),
            0,
            0,
        ),
        (
            "field, in plaintext in the store",
            r#""token":"live \u0026 plain""#.into(),
            0,
            0,
        ),
        (
            "field, a 1.x user name",
            r#""token":"collectd""#.into(),
            0,
            0,
        ),
        (
            "field, a reference to a secret",
            r#""token":"secret: 0123-token""#.into(),
            0,
            0,
        ),
        (
            "another field",
            r#""hashedToken":"abc","mytoken":"abc""#.into(),
            0,
            0,
        ),
        ("two fields", r#""token":"a""token":"b""#.into(), 2, 0),
        ("the longest", format!(r#""token":"{long}""#), 1, 0),
        (
            "the longest, in escapes",
            format!(r#""token":"{}""#, "\\u0041".repeat(MAX_KEY_SIZE)),
            1,
            0,
        ),
        (
            "longer than the longest",
            format!(r#""token":"{long}x""#),
            0,
            0,
        ),
        (
            "much longer",
            format!(r#""token":"{}" "token":"b""#, "x".repeat(500_000)),
            1,
            0,
        ),
    ];
    let known = known(&[&t, chosen]);
    let mut tried = 0;
    for (name, text, tokens, matching) in &cases {
        let chunks: &[usize] = if text.len() < 1000 {
            &[usize::MAX, 4096, 100, 13, 1]
        } else {
            &[1 << 20, 262_144, 65_537, 4096]
        };
        for chunk in chunks {
            // At the start of a run, and inside it.
            for before in [0, 1, 90, 130] {
                let run = ["\0".repeat(before), text.clone(), "\0".repeat(before)].concat();
                let residue = scan(&known, run.as_bytes(), *chunk);
                assert_eq!(
                    (residue.tokens(), residue.matching.len() as u64),
                    (*tokens, *matching),
                    "{name}, {before} before, chunks of {chunk}"
                );
                tried += 1;
            }
        }
    }
    println!("cases: residue {tried}");
}

#[test]
fn every_cut_of_a_run() {
    let (t, u) = (token(1), token(2));
    let known = known(&[&t, "chosen \u{1f600}"]);
    let run =
        format!(r#"xx{t}0123456789abcdef$influxdb2-sha512${u}","token":"chosen \ud83d\ude00",{t}"#);
    for cut in 0..=run.len() {
        let (a, b) = run.as_bytes().split_at(cut);
        let mut scan = Scan::new(&known);
        scan.feed(a, false);
        scan.feed(b, true);
        let residue = scan.finish();
        assert_eq!(
            found(&residue),
            [(1, &t[..]), (2, "chosen \u{1f600}")],
            "cut at {cut}"
        );
        assert_eq!(residue.unmatched, 0, "cut at {cut}");
    }
    println!("cases: residue {}", run.len() + 1);
}

#[test]
fn runs_that_are_not_continued_are_not_joined() {
    let t = token(1);
    let known = known(&[&t]);
    for cut in 1..t.len() {
        let mut scan = Scan::new(&known);
        scan.feed(&t.as_bytes()[..cut], false);
        scan.feed(&t.as_bytes()[cut..], false);
        assert_eq!(scan.finish().tokens(), 0, "{cut}");
    }
}

#[test]
fn a_hash_whose_start_is_cut_off_is_no_token() {
    let hash = token(1);
    for prefix in ["$", "512$", "$influxdb2-sha512$"] {
        let run = format!("{prefix}{hash}");
        assert_eq!(
            scan(&known(&[]), run.as_bytes(), 4096).tokens(),
            0,
            "{prefix}"
        );
    }
}

#[test]
fn both_variants_match() {
    let t = token(1);
    for variant in ["sha256", "sha512"] {
        let (known, _) = Known::load(&store(&[&t], variant)).unwrap();
        assert_eq!(found(&scan(&known, t.as_bytes(), 4096)), [(1, &t[..])]);
    }
}

#[test]
fn keys_of_stale_nodes() {
    let known = known(&["chosen"]);
    let generated: Vec<String> = (1..4).map(token).collect();
    let hex = b"00000000000000aa".as_slice();
    // The keys of a node with their values, its bucket if known, and: tokens, matching.
    type Node<'a> = (
        &'a str,
        Option<&'a [u8]>,
        Vec<(&'a str, &'a [u8])>,
        u64,
        u64,
    );
    let nodes: Vec<Node<'_>> = vec![
        (
            "a matching key anywhere",
            None,
            vec![("alice", hex), ("chosen", hex)],
            1,
            1,
        ),
        (
            "a matching separator",
            None,
            vec![("bucket", b""), ("chosen", b"")],
            1,
            1,
        ),
        ("names", None, vec![("alice", hex), ("bob", hex)], 0, 0),
        (
            "separators of names",
            None,
            vec![("alice", b""), ("bob", b"")],
            0,
            0,
        ),
        (
            "one among tokens",
            None,
            vec![(&generated[0], hex), (&generated[1], hex), ("other", hex)],
            1,
            0,
        ),
        (
            "one among as many tokens",
            None,
            vec![(&generated[0], hex), ("other", hex)],
            0,
            0,
        ),
        (
            "a record among tokens",
            None,
            vec![(&generated[0], hex), (&generated[1], hex), ("other", b"{}")],
            0,
            0,
        ),
        (
            "a separator among tokens",
            None,
            vec![(&generated[0], b""), (&generated[1], b""), ("other", b"")],
            1,
            0,
        ),
        (
            "an ID among tokens",
            None,
            vec![
                (&generated[0], b""),
                (&generated[1], b""),
                ("00000000000000aa", b""),
            ],
            0,
            0,
        ),
        (
            "inline index",
            Some(names::AUTHORIZATION_INDEX),
            vec![("other", hex), ("live & plain", hex)],
            1,
            0,
        ),
        (
            "other inline bucket",
            Some(names::USER_INDEX),
            vec![("alice", hex)],
            0,
            0,
        ),
        (
            "other inline bucket, matching",
            Some(names::USER_INDEX),
            vec![("chosen", hex)],
            1,
            1,
        ),
        (
            "inline index of hashes",
            Some(names::AUTHORIZATION_INDEX),
            vec![("$influxdb2-sha256$x=", hex)],
            0,
            0,
        ),
    ];
    for (name, bucket, entries, tokens, matching) in &nodes {
        let mut scan = Scan::new(&known);
        let element = |page, bucket, key, value| StaleElement {
            page,
            bucket,
            key,
            value,
            place: 0..1,
        };
        for (key, value) in entries {
            scan.feed_element(&element(7, *bucket, key.as_bytes(), value));
        }
        // The keys of another page are examined separately.
        scan.feed_element(&element(8, None, b"carol", hex));
        let residue = scan.finish();
        assert_eq!(
            (residue.tokens(), residue.matching.len() as u64),
            (*tokens, *matching),
            "{name}"
        );
    }
    println!("cases: residue {}", nodes.len());
}
