//! Every class of page zeroed, torn, swapped and cut, in stores of every release and page size. No
//! record is lost but those of the damaged page, and none that was deleted comes back.

use std::collections::BTreeSet;

use super::sound_stores::{large_stores, stores};
use crate::support::bolt_image::Image;
use crate::support::salvage::{Difference, Pairs, pairs, salvaged, truth};
use crate::support::store_image::open;
use boltkey::metadata::names;
use boltkey::store::{Engine, Model, Previous};

/// Buckets whose records must not get lost, and must not come back once they are deleted.
const RECORDS: &[&[u8]] = &[
    names::AUTHORIZATIONS,
    names::LEGACY_AUTHORIZATIONS,
    names::LEGACY_PASSWORDS,
    names::USERS,
    names::USER_PASSWORDS,
    names::ORGANIZATIONS,
    names::BUCKETS,
    names::MAPPINGS,
    names::TASKS,
];

/// A store, and what it holds.
struct Truth {
    name: String,
    image: Image,
    model: Model,
    pairs: Pairs,
    /// What the transaction before held.
    previous: Pairs,
}

impl Truth {
    fn of(name: &str, bytes: Vec<u8>) -> Self {
        let model = truth(&bytes);
        Self {
            name: name.to_owned(),
            pairs: pairs(&model),
            previous: match open(Engine::Bolt, &bytes).unwrap().previous().unwrap() {
                Previous::Whole(before) => pairs(&*before),
                Previous::Unreadable(_) => Pairs::new(),
            },
            model,
            image: Image::new(bytes),
        }
    }

    /// Salvages a damaged copy. At most `lost` records of any bucket may be missing, and none may
    /// be there that the store did not hold.
    fn judge(&self, damaged: &Image, lost: &BTreeSet<(Vec<u8>, Vec<u8>)>, what: &str) {
        let found = salvaged(&damaged.bytes);
        let content = pairs(&found.rebuilt.content);
        let none = std::collections::BTreeMap::new();
        let place = format!("{}: {what}", self.name);
        for bucket in RECORDS {
            let (here, there) = (
                content.get(*bucket).unwrap_or(&none),
                self.pairs.get(*bucket).unwrap_or(&none),
            );
            let name = String::from_utf8_lossy(bucket);
            for key in there.keys() {
                let may_be_lost = lost.contains(&(bucket.to_vec(), key.clone()));
                assert!(
                    here.contains_key(key) || may_be_lost,
                    "{place}: {name}/{} is lost; {} {:?} {:?}",
                    String::from_utf8_lossy(key),
                    Difference::of(&self.model, &found.rebuilt.content).numbers(),
                    found.sources,
                    found.rebuilt.lost,
                );
            }
            for key in here.keys() {
                // System buckets of an organization are made again.
                let made = *bucket == names::BUCKETS && key.starts_with(b"7000")
                    // Where no user is left, all that tokens need are made again, and reported.
                    || *bucket == names::USERS
                        && String::from_utf8_lossy(&here[key]).contains("recovered-");
                // Where a part of the bucket is lost, the transaction before is the best there is.
                let in_damage = lost.iter().any(|(damaged, _)| damaged == bucket);
                let before = self.previous.get(*bucket);
                let stepped_back =
                    in_damage && before.is_some_and(|before| before.contains_key(key));
                assert!(
                    there.contains_key(key) || made || stepped_back,
                    "{place}: {name}/{} comes back; {:?}",
                    String::from_utf8_lossy(key),
                    found.sources,
                );
            }
        }
    }

    /// The records on a page, those of inline buckets included.
    fn records_on(&self, page: u64) -> BTreeSet<(Vec<u8>, Vec<u8>)> {
        let image = &self.image;
        let node = image.page(page);
        let mut records = BTreeSet::new();
        if image.u64(node) != page || image.u16(node + 8) != 2 {
            return records;
        }
        let keys: BTreeSet<Vec<u8>> = (0..usize::from(image.u16(node + 10)))
            .map(|index| {
                let element = image.element(node, index);
                image.bytes[image.key(element)..image.value(element)].to_vec()
            })
            .collect();
        for (bucket, pairs) in &self.pairs {
            let inline = keys.contains(bucket);
            for key in pairs.keys() {
                if inline || keys.contains(key) {
                    records.insert((bucket.clone(), key.clone()));
                }
            }
        }
        records
    }

    /// All pages in use: those of the trees.
    fn live_pages(&self) -> Vec<u64> {
        let image = &self.image;
        let mut pages = Vec::new();
        let mut pending = vec![image.root()];
        while let Some(page) = pending.pop() {
            pages.push(page);
            let node = image.page(page);
            for index in 0..usize::from(image.u16(node + 10)) {
                let element = image.element(node, index);
                if image.u16(node + 8) == 1 {
                    pending.push(image.u64(element + 8));
                } else if image.u32(element) & 1 == 1 {
                    let root = image.u64(image.value(element));
                    pending.extend((root != 0).then_some(root));
                }
            }
        }
        pages.sort_unstable();
        pages
    }

    /// The pages of a node.
    fn span(&self, page: u64) -> std::ops::Range<usize> {
        let at = self.image.page(page);
        let pages = self.image.u32(at + 12) as usize + 1;
        at..(at + pages * self.image.page_size).min(self.image.bytes.len())
    }
}

fn zeroed(image: &Image, range: std::ops::Range<usize>) -> Image {
    let mut image = image.clone();
    image.bytes[range].fill(0);
    image
}

/// The churned store has 700 pages in use: some of them are tried.
fn some(pages: Vec<u64>) -> Vec<u64> {
    let step = if pages.len() > 200 { 71 } else { 1 };
    pages.into_iter().step_by(step).collect()
}

#[test]
fn a_zeroed_page_loses_its_own_records_only() {
    let mut cases = 0;
    for (name, bytes) in stores() {
        let truth = Truth::of(&name, bytes);
        for page in some(truth.live_pages()) {
            let damaged = zeroed(&truth.image, truth.span(page));
            let lost = truth.records_on(page);
            truth.judge(&damaged, &lost, &format!("page {page} zeroed"));
            cases += 1;
        }
    }
    println!("cases: salvaged-zeroed {cases}");
}

/// Stores of all kinds: of an old and a new release, churned, with small and large pages.
fn some_stores() -> Vec<(String, Vec<u8>)> {
    let kinds = [
        "downgraded-15",
        "fresh-2.9.1",
        "lived-2.7.12",
        "mixed-2.9.1",
        "churned",
        "pages of 512",
        "pages of 65536",
    ];
    let mut stores = stores();
    stores.retain(|(name, _)| kinds.contains(&name.as_str()));
    assert_eq!(stores.len(), kinds.len());
    stores
}

#[test]
fn a_torn_page_loses_its_own_records_only() {
    let mut cases = 0;
    for (name, bytes) in some_stores() {
        let truth = Truth::of(&name, bytes);
        for page in some(truth.live_pages()) {
            let span = truth.span(page);
            let middle = span.start + (span.len() / 2).next_multiple_of(512);
            for part in [span.start..middle, middle..span.end] {
                let lost = truth.records_on(page);
                let what = format!("page {page} torn at {part:?}");
                truth.judge(&zeroed(&truth.image, part), &lost, &what);
                cases += 1;
            }
        }
    }
    println!("cases: salvaged-torn {cases}");
}

/// Each page carries its number, so a page in the place of another is known.
#[test]
fn swapped_pages_lose_nothing() {
    let mut cases = 0;
    for (name, bytes) in some_stores() {
        let truth = Truth::of(&name, bytes);
        let pages = some(truth.live_pages());
        // Where these are all pages, nothing is left.
        for pair in pages.windows(2).filter(|_| pages.len() > 2) {
            let size = truth.image.page_size;
            let (a, b) = (truth.image.page(pair[0]), truth.image.page(pair[1]));
            let mut damaged = truth.image.clone();
            damaged.put(a, &truth.image.bytes[b..b + size]);
            damaged.put(b, &truth.image.bytes[a..a + size]);
            let lost = BTreeSet::new();
            truth.judge(&damaged, &lost, &format!("pages {pair:?} swapped"));
            cases += 1;
        }
    }
    println!("cases: salvaged-swapped {cases}");
}

#[test]
fn a_file_that_was_cut_keeps_what_is_in_it() {
    let mut cases = 0;
    for (name, bytes) in some_stores() {
        let truth = Truth::of(&name, bytes);
        let size = truth.image.page_size;
        let live = truth.live_pages();
        let end = truth.image.page(truth.image.hwm());
        for part in 1..8 {
            // At a page, and inside of one.
            for inside in [0, size / 2] {
                let cut = (end * part / 8).next_multiple_of(size) + inside;
                if cut < 3 * size {
                    continue;
                }
                let mut damaged = truth.image.clone();
                damaged.bytes.truncate(cut);
                if live.iter().all(|page| truth.image.page(*page) + size > cut) {
                    continue;
                }
                let gone = live.iter().filter(|page| truth.span(**page).end > cut);
                let mut lost: BTreeSet<_> = gone.flat_map(|page| truth.records_on(*page)).collect();
                if truth.image.page(truth.image.freelist()) + size > cut {
                    // Nothing tells old leaves with buckets apart from those in use.
                    let inline =
                        |page: &&u64| truth.image.u32(truth.image.page(**page) + 16) & 1 == 1;
                    let leaves = live.iter().filter(inline);
                    lost.extend(leaves.flat_map(|page| truth.records_on(*page)));
                }
                let what = format!("cut at {cut} of {end}");
                truth.judge(&damaged, &lost, &what);
                cases += 1;
            }
        }
    }
    println!("cases: salvaged-cut {cases}");
}

/// All pages of a tree, by level: the root first.
fn levels(image: &Image, root: usize) -> Vec<Vec<usize>> {
    let mut levels = vec![vec![root]];
    loop {
        let last = levels.last().unwrap();
        if image.u16(last[0] + 8) != 1 {
            return levels;
        }
        let mut next = Vec::new();
        for node in last {
            for index in 0..usize::from(image.u16(node + 10)) {
                next.push(image.page(image.u64(image.element(*node, index) + 8)));
            }
        }
        levels.push(next);
    }
}

/// More than 2,000 authorizations, and many more that were deleted.
#[test]
fn a_large_store_comes_back_whole_where_only_branches_are_lost() {
    let mut cases = 0;
    for (name, bytes) in large_stores() {
        let truth = Truth::of(name, bytes);
        assert!(truth.pairs[names::AUTHORIZATIONS].len() > 2000, "{name}");
        let image = &truth.image;
        let size = image.page_size;
        let page = |at: usize| at..at + size;
        let node = |at: usize| at..at + size * (1 + image.u32(at + 12) as usize);
        let tree = levels(image, image.tree_of("authorizationsv1"));
        let index = levels(image, image.tree_of("authorizationindexv1"));
        assert_eq!(tree.len(), 3, "{name}");
        let middle = |level: &[usize]| level[level.len() / 2];
        let mut damages = vec![
            (
                "the root page",
                zeroed(image, page(image.page(image.root()))),
            ),
            ("the root of the bucket", zeroed(image, page(tree[0][0]))),
            ("a branch", zeroed(image, page(middle(&tree[1])))),
            ("the first branch", zeroed(image, page(tree[1][0]))),
            (
                "the last branch",
                zeroed(image, page(*tree[1].last().unwrap())),
            ),
            ("the root of the index", zeroed(image, page(index[0][0]))),
            (
                "a leaf of the index",
                zeroed(image, page(middle(index.last().unwrap()))),
            ),
            ("both metas", zeroed(image, 0..2 * size)),
            (
                "the freelist",
                zeroed(image, node(image.page(image.freelist()))),
            ),
        ];
        if index.len() > 2 {
            let branch = zeroed(image, page(middle(&index[1])));
            damages.push(("a branch of the index", branch));
        }
        for (what, damaged) in damages {
            let found = salvaged(&damaged.bytes);
            let difference = Difference::of(&truth.model, &found.rebuilt.content);
            let place = format!("{name}, {what}");
            assert!(difference.is_none(), "{place}: {}", difference.numbers());
            assert_eq!(found.rebuilt.lost, [], "{place}");
            assert_eq!(found.rebuilt.tokens.doubtful, 0, "{place}");
            cases += 1;
        }
    }
    println!("cases: salvaged-targets {cases}");
}

#[test]
fn a_lost_leaf_loses_its_records_and_the_index_names_them() {
    let mut cases = 0;
    for (name, bytes) in large_stores() {
        let truth = Truth::of(name, bytes);
        let image = &truth.image;
        let tree = levels(image, image.tree_of("authorizationsv1"));
        let leaves = &tree[2];
        for leaf in [0, leaves.len() / 5, leaves.len() / 2, leaves.len() - 1] {
            let at = leaves[leaf];
            let found = salvaged(&zeroed(image, at..at + image.page_size).bytes);
            let rebuilt = found.rebuilt;
            let difference = Difference::of(&truth.model, &rebuilt.content);
            let lost = difference.missing_of(names::AUTHORIZATIONS) as u64;
            let there = u64::from(image.u16(at + 10));
            // An older version on a free page is better than none.
            assert!(
                lost <= there && there > 0,
                "{name}, {leaf}: {}",
                difference.numbers()
            );
            assert_eq!(difference.extra_of(names::AUTHORIZATIONS), 0);
            assert_eq!(rebuilt.tokens.only_in_index, lost, "{name}, {leaf}");
            assert_eq!(rebuilt.tokens.with_value, lost, "{name}, {leaf}");
            assert_eq!(rebuilt.lost.len() as u64, lost, "{name}, {leaf}");
            if name == "of boltkey" {
                // Nothing of it is anywhere else.
                assert_eq!(lost, there, "{leaf}");
            }
            cases += 1;
        }
    }
    println!("cases: salvaged-leaves {cases}");
}

#[test]
fn without_its_root_leaves_a_store_keeps_all_that_is_elsewhere() {
    for (name, bytes) in large_stores() {
        let truth = Truth::of(name, bytes);
        let image = &truth.image;
        let mut damaged = image.clone();
        let root = levels(image, image.page(image.root()));
        for at in root.last().unwrap() {
            damaged.bytes[*at..*at + image.page_size].fill(0);
        }
        let rebuilt = salvaged(&damaged.bytes).rebuilt;
        let difference = Difference::of(&truth.model, &rebuilt.content);
        // Buckets whose trees have pages of their own.
        let own = |bucket: &&[u8]| {
            let name = std::str::from_utf8(bucket).unwrap();
            image.u64(image.value(image.bucket(name))) != 0
        };
        let mut elsewhere = vec![names::AUTHORIZATIONS, names::AUTHORIZATION_INDEX];
        elsewhere.extend(
            [names::BUCKETS, names::MIGRATIONS]
                .iter()
                .filter(|b| own(b)),
        );
        for bucket in elsewhere {
            let place = String::from_utf8_lossy(bucket);
            let numbers = difference.numbers();
            assert_eq!(
                difference.missing_of(bucket),
                0,
                "{name}, {place}: {numbers}"
            );
            assert_eq!(difference.extra_of(bucket), 0, "{name}, {place}: {numbers}");
        }
        // The organizations that buckets need are made again, with their old IDs, and so are the
        // users of tokens, where none is left: their names are lost.
        let users = rebuilt.lost.iter().filter(|lost| {
            lost.bucket.as_deref() == Some("usersv1") && lost.reason.contains("made again")
        });
        let orgs = difference.missing_of(names::ORGANIZATIONS);
        if name == "churned" {
            assert_eq!(orgs, 0, "{}", difference.numbers());
        }
        assert!(users.count() >= 1 && rebuilt.made.owners >= 2, "{name}");
    }
}

#[test]
fn half_of_a_file_gives_all_that_is_in_the_half() {
    for (name, bytes) in large_stores() {
        let truth = Truth::of(name, bytes);
        let mut damaged = truth.image.clone();
        damaged.bytes.truncate(truth.image.bytes.len() / 2);
        let tree = levels(&truth.image, truth.image.tree_of("authorizationsv1"));
        let inside = tree[2]
            .iter()
            .filter(|at| **at + truth.image.page_size <= damaged.bytes.len());
        let records: usize = inside.map(|at| usize::from(truth.image.u16(at + 10))).sum();
        let rebuilt = salvaged(&damaged.bytes).rebuilt;
        let difference = Difference::of(&truth.model, &rebuilt.content);
        let all = truth.pairs[names::AUTHORIZATIONS].len();
        let found = all - difference.missing_of(names::AUTHORIZATIONS);
        println!("{name}: {found} of {records} in the half, of {all}");
        assert!(
            records > 300 && found >= records,
            "{name}: {found} of {records}"
        );
        assert_eq!(difference.extra_of(names::AUTHORIZATIONS), 0, "{name}");
        assert!(
            rebuilt.tokens.only_in_index > 0 && !rebuilt.lost.is_empty(),
            "{name}"
        );
    }
}
