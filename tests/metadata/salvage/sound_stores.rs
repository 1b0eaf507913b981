//! A sound store comes back as it is, from its tree and without its meta pages.

use crate::support::bolt_image::Image;
use crate::support::fixtures::{content, fixture, fixtures, store_names};
use crate::support::salvage::{Difference, salvaged, truth};
use crate::support::store_image::{made, open};
use boltkey::store::Engine;

/// The stores of all releases, and one of every page size.
pub fn stores() -> Vec<(String, Vec<u8>)> {
    let mut stores: Vec<(String, Vec<u8>)> = store_names()
        .into_iter()
        .map(|name| {
            let bytes = fixture(&name);
            (name, bytes)
        })
        .collect();
    stores.push(("churned".to_owned(), churned()));
    let lived = open(Engine::Bolt, &fixture("lived-2.9.1")).unwrap();
    for page_size in [512, 1024, 8192, 16384, 65536] {
        let name = format!("pages of {page_size}");
        stores.push((name, made(Engine::Bolt, &*lived, page_size)));
    }
    stores
}

pub fn churned() -> Vec<u8> {
    content(&fixtures().join("churned/tokens-136.bolt.gz"))
}

#[test]
fn nothing_is_added_or_lost() {
    let mut cases = 0;
    for (name, bytes) in stores() {
        let truth = truth(&bytes);
        let found = salvaged(&bytes);
        let difference = Difference::of(&truth, &found.rebuilt.content);
        assert!(difference.is_none(), "{name}: {}", difference.numbers());
        assert_eq!(found.rebuilt.lost, [], "{name}");
        cases += 1;
    }
    println!("cases: salvaged-sound {cases}");
}

#[test]
fn both_metas_zeroed_lose_nothing() {
    let mut cases = 0;
    for (name, bytes) in stores() {
        let truth = truth(&bytes);
        let mut image = Image::new(bytes);
        let size = image.page_size;
        image.bytes[..2 * size].fill(0);
        let found = salvaged(&image.bytes);
        let difference = Difference::of(&truth, &found.rebuilt.content);
        assert!(difference.is_none(), "{name}: {}", difference.numbers());
        assert_eq!(found.sources.lost_metas, 2, "{name}");
        assert_eq!(found.sources.state, "found", "{name}");
        cases += 1;
    }
    println!("cases: salvaged-without-metas {cases}");
}
