//! For kinds of structural damage one change to a real store of InfluxDB that makes it.

use boltkey::finding::Code;

use super::bolt_image::Image;
use super::fixtures::fixture;
use super::record_changes::SOUND;

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

/// The leaves of [`TREE`] that take one page.
fn of_one_page(image: &Image) -> Vec<usize> {
    let leaves = 0..11;
    leaves
        .filter(|index| image.u32(leaf(image, *index) + 12) == 0)
        .collect()
}

/// Copies a leaf of [`TREE`] to new pages, and lets the tree lead there. Returns the first new page.
fn moved(image: &mut Image, index: usize, pages: u64) -> u64 {
    let old = leaf(image, index);
    let new = more_pages(image, pages);
    let at = image.page(new);
    let bytes = image.bytes[old..old + image.page_size].to_vec();
    image.put(at, &bytes);
    image.put_u64(at, new);
    image.put_u32(at + 12, u32::try_from(pages - 1).unwrap());
    image.put_u64(image.element(image.tree_of(TREE), index) + 8, new);
    // The records are in the store, so that page is only lost space.
    image.put(old, &vec![0; image.page_size]);
    new
}

/// The first number of the freelist.
fn free_ids(image: &Image) -> usize {
    image.page(image.freelist()) + 16
}

/// The codes of damage that `repair` cures and [`with`] makes.
pub const CURED: &[Code] = &[
    Code::OlderMeta,
    Code::MetaChecksumZero,
    Code::MetaHeader,
    Code::OtherMetaPageSize,
    Code::OtherMeta,
    Code::Truncated,
    Code::ShortPage,
    Code::TreeUneven,
    Code::SingleChild,
    Code::ExcessPages,
    Code::ExcessShared,
    Code::Packing,
    Code::Slack,
    Code::EmptyLeaf,
    Code::BucketTrailing,
    Code::InlineHeader,
    Code::InlineNested,
    Code::FreelistPage,
    Code::FreelistCount,
    Code::FreelistBounds,
    Code::FreelistSelf,
    Code::FreelistDuplicate,
    Code::FreelistOrder,
    Code::FreelistLive,
    Code::Leaked,
];

/// Writes a branch with these children.
fn branches(image: &mut Image, page: u64, children: &[(Vec<u8>, u64)]) {
    let at = image.page(page);
    image.put_u64(at, page);
    let count = u8::try_from(children.len()).unwrap();
    image.put(at + 8, &[1, 0, count, 0]);
    let mut data = at + 16 + 16 * children.len();
    for (number, (key, child)) in children.iter().enumerate() {
        let element = at + 16 + 16 * number;
        image.put_u32(element, u32::try_from(data - element).unwrap());
        image.put_u32(element + 4, u32::try_from(key.len()).unwrap());
        image.put_u64(element + 8, *child);
        image.put(data, key);
        data += key.len();
    }
}

/// The store with this damage; none where no change makes it.
pub fn with(code: Code) -> Option<Vec<u8>> {
    made_of(SOUND, code)
}

/// A fixture of a server that has lived like [`SOUND`], with this damage.
pub fn made_of(name: &str, code: Code) -> Option<Vec<u8>> {
    let mut image = Image::new(fixture(name));
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
        Code::Truncated => {
            let end = i.hwm();
            i.set_meta(i.meta(), 56, end + 3);
            i.bytes.truncate(i.page(end));
        }
        Code::ShortPage => {
            let roomy = of_one_page(i).into_iter().find(|index| {
                let node = leaf(i, *index);
                i.end(last(i, node)) + 1 < node + i.page_size
            });
            let new = moved(i, roomy.unwrap(), 1);
            let end = i.end(last(i, i.page(new)));
            i.bytes.truncate(end);
        }
        Code::TreeUneven | Code::SingleChild => {
            let last = i.element(i.tree_of(TREE), 10);
            let (key, leaf) = (i.key_of_branch(last), i.u64(last + 8));
            let new = more_pages(i, 1);
            branch(i, new, &key, leaf);
            i.put_u64(last + 8, new);
        }
        Code::ExcessPages => {
            moved(i, of_one_page(i)[0], 2);
        }
        Code::ExcessShared => {
            let leaves = of_one_page(i);
            let first = moved(i, leaves[0], 1);
            let second = moved(i, leaves[1], 1);
            assert_eq!(second, first + 1);
            i.put_u32(i.page(first) + 12, 1);
        }
        Code::EmptyLeaf => {
            // One more leaf behind the last one.
            let old = i.tree_of(TREE);
            let mut children: Vec<(Vec<u8>, u64)> = (0..11)
                .map(|index| i.element(old, index))
                .map(|element| (i.key_of_branch(element), i.u64(element + 8)))
                .collect();
            let new = more_pages(i, 2);
            let mut key = children[10].0.clone();
            key.push(b'~');
            key[0] = b'f';
            children.push((key, new + 1));
            let empty = i.page(new + 1);
            i.put_u64(empty, new + 1);
            i.put(empty + 8, &[2]);
            branches(i, new, &children);
            i.put(old, &vec![0; i.page_size]);
            i.put_u64(i.value(bucket), new);
        }
        Code::BucketTrailing => {
            let all = i.all_root_elements();
            let starts: Vec<usize> = all.iter().map(|element| i.key(*element)).collect();
            let last = all.into_iter().find(|element| {
                let end = i.end(*element);
                i.u64(i.value(*element)) == 0
                    && !starts.contains(&end)
                    && !end.is_multiple_of(i.page_size)
            });
            let last = last.unwrap();
            i.put_u32(last + 12, i.u32(last + 12) + 1);
        }
        Code::InlineHeader => i.put(i.value(i.bucket(INLINE)) + 16, &[5]),
        Code::FreelistPage => i.put(i.page(i.freelist()) + 8, &[2]),
        Code::FreelistCount => i.put(i.page(i.freelist()) + 10, &[0x60, 0xea]),
        Code::FreelistBounds => i.put_u64(free_ids(i), 1),
        Code::FreelistSelf => i.put_u64(free_ids(i), i.freelist()),
        Code::FreelistDuplicate => i.put_u64(free_ids(i) + 8, i.u64(free_ids(i))),
        Code::FreelistOrder => {
            let (first, second) = (i.u64(free_ids(i)), i.u64(free_ids(i) + 8));
            i.put_u64(free_ids(i), second);
            i.put_u64(free_ids(i) + 8, first);
        }
        Code::FreelistLive => {
            let live = i.u64(i.element(i.tree_of(TREE), 0) + 8);
            let free = i.page(i.u64(free_ids(i)));
            i.put(free, &vec![0; i.page_size]);
            i.put_u64(free_ids(i), live);
        }
        Code::Leaked => {
            let list = i.page(i.freelist());
            let count = i.u16(list + 10);
            let at = list + 16 + 8 * usize::from(count - 1);
            let lost = i.page(i.u64(at));
            i.put(lost, &vec![0; i.page_size]);
            i.put_u64(at, 0);
            i.put(list + 10, &(count - 1).to_le_bytes());
        }
        Code::RootValue => i.put_u32(just_written(i), 0),
        _ => return None,
    }
    Some(image.bytes)
}
