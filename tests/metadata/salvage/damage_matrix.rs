//! Every class of page zeroed, torn, swapped and cut.

use super::sound_stores::{churned, stores};
use crate::support::bolt_image::Image;
use crate::support::salvage::{Difference, salvaged, truth};
use boltkey::metadata::names;

/// The bucket with most pages of a churned store.
const TOKENS: &str = "authorizationsv1";

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

fn zero(image: &mut Image, at: usize) {
    let size = image.page_size;
    image.bytes[at..at + size].fill(0);
}

#[test]
fn survey() {
    let image = Image::new(churned());
    let truth = truth(&image.bytes);
    let show = |what: &str, image: &Image| {
        let found = salvaged(&image.bytes);
        let difference = Difference::of(&truth, &found.rebuilt.content);
        println!(
            "{what}: {}\n   {:?} based on previous {}\n   tokens {} doubtful {} only index {} lost {}",
            difference.numbers(),
            found.sources,
            found.based_on_previous,
            found.rebuilt.tokens.found,
            found.rebuilt.tokens.doubtful,
            found.rebuilt.tokens.only_in_index,
            found.rebuilt.lost.len()
        );
    };
    let root = image.page(image.root());
    let mut damaged = image.clone();
    zero(&mut damaged, root);
    show("root", &damaged);

    let tree = levels(&image, image.tree_of(TOKENS));
    println!("levels {:?}", tree.iter().map(Vec::len).collect::<Vec<_>>());
    for (level, nodes) in tree.iter().enumerate() {
        for number in [0, nodes.len() / 2, nodes.len() - 1] {
            let mut damaged = image.clone();
            zero(&mut damaged, nodes[number]);
            show(&format!("level {level} node {number}"), &damaged);
        }
    }
    let index = levels(&image, image.tree_of("authorizationindexv1"));
    for (level, nodes) in index.iter().enumerate() {
        let mut damaged = image.clone();
        zero(&mut damaged, nodes[nodes.len() / 2]);
        show(&format!("index level {level}"), &damaged);
    }
    let mut damaged = image.clone();
    let all = levels(&image, root);
    for leaf in all.last().unwrap() {
        zero(&mut damaged, *leaf);
    }
    show("all root leaves", &damaged);
    for leaf in all.last().unwrap() {
        let mut damaged = image.clone();
        zero(&mut damaged, *leaf);
        show("one root leaf", &damaged);
    }
    let mut damaged = image.clone();
    let freelist = image.page(image.freelist());
    zero(&mut damaged, freelist);
    show("freelist", &damaged);
    zero(&mut damaged, root);
    show("freelist and root", &damaged);
    let mut damaged = image.clone();
    let half = damaged.bytes.len() / 2;
    damaged.bytes.truncate(half);
    let in_half = tree
        .last()
        .unwrap()
        .iter()
        .filter(|at| **at + image.page_size <= half);
    let records: usize = in_half.map(|at| usize::from(image.u16(at + 10))).sum();
    show(&format!("half, {records} records in it"), &damaged);
    let _ = (stores(), names::AUTHORIZATIONS);
}
