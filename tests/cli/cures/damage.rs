//! For kinds of structural damage one change to a real store of InfluxDB that makes it.

use boltkey::finding::Code;

use crate::fixtures::fixture;
use crate::support::bolt_image::Image;
use crate::support::record_changes::SOUND;

/// The bucket of which the tree is damaged: a branch over eleven leaves.
const TREE: &str = "authorizationsv1";
/// A bucket that stands in its parent's page.
const INLINE: &str = "telegrafPluginsv1";

/// A leaf of [`TREE`].
fn leaf(image: &Image, index: usize) -> usize {
    image.page(image.u64(image.element(image.tree_of(TREE), index) + 8))
}

/// A leaf of [`TREE`] with unused bytes at its end.
fn roomy_leaf(image: &Image) -> usize {
    (0..11)
        .map(|index| leaf(image, index))
        .find(|node| image.end(last(image, *node)) + 1 < node + image.page_size)
        .unwrap()
}

/// The last element of a leaf.
fn last(image: &Image, node: usize) -> usize {
    image.element(node, usize::from(image.u16(node + 10)) - 1)
}

/// An inline bucket in a page that the last transaction wrote: the one before is whole without it.
fn just_written(image: &Image) -> usize {
    let mut before = image.clone();
    before.put_u64(image.meta() + 64, 0);
    let before = before.all_root_elements();
    let mut elements = image.all_root_elements().into_iter();
    elements
        .find(|element| !before.contains(element) && image.u64(image.value(*element)) == 0)
        .unwrap()
}

/// Adds zeroed pages at the end of what is in use; the number of the first.
fn more_pages(image: &mut Image, count: u64) -> u64 {
    let first = image.hwm();
    let at = image.page(first);
    let end = at + image.page_size * usize::try_from(count).unwrap();
    image.bytes.resize(image.bytes.len().max(end), 0);
    image.bytes[at..end].fill(0);
    image.set_meta(image.meta(), 56, first + count);
    first
}

/// Writes a branch with one child.
fn branch(image: &mut Image, page: u64, key: &[u8], child: u64) {
    let at = image.page(page);
    image.put_u64(at, page);
    image.put(at + 8, &[1, 0, 1, 0]);
    image.put_u32(at + 16, 16);
    image.put_u32(at + 20, u32::try_from(key.len()).unwrap());
    image.put_u64(at + 24, child);
    image.put(at + 32, key);
}

/// The store with this damage; none where no change makes it.
pub fn with(code: Code) -> Option<Vec<u8>> {
    let mut image = Image::new(fixture(SOUND));
    let i = &mut image;
    let bucket = i.bucket(TREE);
    match code {
        Code::OlderMeta => i.put_u64(i.meta() + 72, 1),
        Code::MetaChecksumZero => i.put_u64(i.other_meta() + 72, 0),
        Code::MetaHeader => i.put(i.other_meta(), &[9]),
        Code::MetaRoot => i.set_meta(i.meta(), 32, 0),
        Code::MetaPageSize => {
            i.put_u32(i.meta() + 24, 8192);
            i.seal(i.meta());
        }
        Code::OtherMetaPageSize => {
            // The first is the current one, so that its page size is the file's.
            let second = i.page_size;
            assert_eq!(i.meta(), second);
            let meta = i.bytes[second + 16..second + 80].to_vec();
            i.put(16, &meta);
            i.set_meta(0, 64, i.u64(second + 64) + 1);
            i.put_u32(second + 24, 8192);
            i.seal(second);
        }
        Code::MetaParity => i.set_meta(i.meta(), 64, i.u64(i.meta() + 64) + 1),
        Code::MetaTwins => i.set_meta(i.other_meta(), 64, i.u64(i.meta() + 64)),
        Code::OtherMeta => {
            let root = i.u64(i.other_meta() + 32);
            assert_ne!(root, i.root());
            i.put(i.page(root) + 8, &[0, 0]);
        }
        Code::Tail => {
            let end = i.page(i.hwm());
            i.bytes.resize(i.bytes.len().max(end + 4096), 0);
            i.put(end + 100, &[1]);
        }
        Code::PageBounds => i.put_u64(i.value(bucket), i.hwm()),
        Code::PageMissing => {
            let page = i.u64(i.value(bucket));
            i.bytes.truncate(i.page(page));
        }
        Code::PageId => i.put_u64(leaf(i, 0), 9999),
        Code::PageType => i.put(leaf(i, 0) + 8, &[0x40, 0]),
        Code::PageCount => i.put(leaf(i, 0) + 10, &[0x60, 0xea]),
        Code::PageShared => {
            let first = i.u64(i.element(i.tree_of(TREE), 0) + 8);
            i.put_u64(i.element(i.tree_of(TREE), 1) + 8, first);
        }
        Code::TreeDepth => {
            let top = i.u64(i.value(bucket));
            let key = i.key_of_branch(i.element(i.tree_of(TREE), 0));
            let first = more_pages(i, 64);
            for page in first..first + 64 {
                let child = if page == first + 63 { top } else { page + 1 };
                branch(i, page, &key, child);
            }
            i.put_u64(i.value(bucket), first);
        }
        Code::EmptyBranch => i.put(i.tree_of(TREE) + 10, &[0, 0]),
        Code::Slack => {
            let end = roomy_leaf(i) + i.page_size;
            i.put(end - 1, &[1]);
        }
        Code::Packing => {
            // The last element's bytes one further, into the unused rest of the page.
            let last = last(i, roomy_leaf(i));
            let (start, end) = (i.key(last), i.end(last));
            let bytes = i.bytes[start..end].to_vec();
            i.put(start + 1, &bytes);
            i.put(start, &[0]);
            i.put_u32(last + 4, i.u32(last + 4) + 1);
        }
        Code::ElementBounds => i.put_u32(i.element(leaf(i, 0), 0) + 12, 60_000),
        Code::ElementOverlap => {
            let last = last(i, leaf(i, 0));
            i.put_u32(last + 4, i.u32(last + 4) - 16);
        }
        Code::ElementFlags => i.put_u32(i.element(leaf(i, 0), 0), 2),
        Code::KeyEmpty => {
            let first = i.element(leaf(i, 0), 0);
            i.put_u32(first + 12, i.u32(first + 8) + i.u32(first + 12));
            i.put_u32(first + 8, 0);
        }
        Code::KeySize => {
            // A leaf of more pages, with room for such a key.
            let old = leaf(i, 10);
            let new = more_pages(i, 12);
            let at = i.page(new);
            let bytes = i.bytes[old..old + i.page_size].to_vec();
            i.put(at, &bytes);
            i.put_u64(at, new);
            i.put_u32(at + 12, 11);
            let last = last(i, at);
            i.put_u32(last + 8, 40_000);
            i.put_u32(last + 12, 0);
            i.put_u64(i.element(i.tree_of(TREE), 10) + 8, new);
        }
        Code::KeyOrder => i.put(i.key(i.element(leaf(i, 0), 0)), &[0xff]),
        Code::KeyRange => i.put(i.key(i.element(leaf(i, 1), 0)), &[0]),
        Code::BucketValue => i.put_u32(i.bucket(INLINE) + 12, 8),
        Code::InlinePage => i.put(i.value(i.bucket(INLINE)) + 16 + 8, &[4]),
        Code::InlineNested => {
            // The first value of an inline bucket becomes an empty bucket.
            let page = i.value(i.bucket("sourcesv1")) + 16;
            let element = page + 16;
            i.put_u32(element, 1);
            let value = i.value(element);
            let size = i.end(element) - value;
            assert!(size >= 32);
            i.put(value, &vec![0; size]);
            i.put(value + 16 + 8, &[2]);
        }
        Code::RootValue => i.put_u32(just_written(i), 0),
        _ => return None,
    }
    Some(image.bytes)
}
