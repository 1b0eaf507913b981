//! A Bolt file whose bytes a test changes one by one.

use super::fixtures::{content, fixtures};

/// The checksum of a meta page: FNV-1a of the bytes that follow the page header.
pub fn checksum(bytes: &[u8]) -> u64 {
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// A file of Bolt whose bytes can be changed one by one. Offsets are those of the format's own
/// description: a page header of 16 bytes, then elements of 16 bytes each.
#[derive(Clone)]
pub struct Image {
    pub bytes: Vec<u8>,
    pub page_size: usize,
}

impl Image {
    pub fn new(bytes: Vec<u8>) -> Self {
        let page_size = u32::from_le_bytes(bytes[24..28].try_into().unwrap()) as usize;
        Self { bytes, page_size }
    }

    /// One of `fixtures/bbolt`.
    pub fn bbolt(name: &str) -> Self {
        Self::new(content(&fixtures().join("bbolt").join(name)))
    }

    /// The file with a list of free pages that is not stored.
    pub fn without_freelist(mut self) -> Vec<u8> {
        for meta in [0, self.page_size] {
            self.set_meta(meta, 48, u64::MAX);
        }
        self.bytes
    }

    pub fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.bytes[at..at + 2].try_into().unwrap())
    }

    pub fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes[at..at + 4].try_into().unwrap())
    }

    pub fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes[at..at + 8].try_into().unwrap())
    }

    pub fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    pub fn put_u32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_le_bytes());
    }

    pub fn put_u64(&mut self, at: usize, value: u64) {
        self.put(at, &value.to_le_bytes());
    }

    /// Where page `page` begins.
    pub fn page(&self, page: u64) -> usize {
        usize::try_from(page).unwrap() * self.page_size
    }

    /// Where the current meta page begins.
    pub fn meta(&self) -> usize {
        let second = self.page_size;
        if self.u64(second + 64) > self.u64(64) {
            second
        } else {
            0
        }
    }

    /// Where the other meta page begins.
    pub fn other_meta(&self) -> usize {
        self.page_size - self.meta()
    }

    /// Makes the checksum of the meta page at `at` right again.
    pub fn seal(&mut self, at: usize) {
        let sum = checksum(&self.bytes[at + 16..at + 72]);
        self.put_u64(at + 72, sum);
    }

    /// Sets a field of a meta page and seals it.
    pub fn set_meta(&mut self, at: usize, field: usize, value: u64) {
        self.put_u64(at + field, value);
        self.seal(at);
    }

    pub fn root(&self) -> u64 {
        self.u64(self.meta() + 32)
    }

    pub fn freelist(&self) -> u64 {
        self.u64(self.meta() + 48)
    }

    pub fn hwm(&self) -> u64 {
        self.u64(self.meta() + 56)
    }

    /// The offset of element `index` of the node at `node`.
    pub fn element(&self, node: usize, index: usize) -> usize {
        assert!(
            index < usize::from(self.u16(node + 10)),
            "no element {index}"
        );
        node + 16 + 16 * index
    }

    /// Where the key of the leaf element at `element` begins.
    pub fn key(&self, element: usize) -> usize {
        element + self.u32(element + 4) as usize
    }

    /// Where its value begins.
    pub fn value(&self, element: usize) -> usize {
        self.key(element) + self.u32(element + 8) as usize
    }

    /// Where its value ends.
    pub fn end(&self, element: usize) -> usize {
        self.value(element) + self.u32(element + 12) as usize
    }

    /// The key of the branch element at `element`.
    pub fn key_of_branch(&self, element: usize) -> Vec<u8> {
        let start = element + self.u32(element) as usize;
        self.bytes[start..start + self.u32(element + 4) as usize].to_vec()
    }

    /// Adds a page to the end: a branch with one child.
    pub fn push_branch(&mut self, page: u64, key: &[u8], child: u64) {
        let at = self.page(page);
        assert_eq!(at, self.bytes.len());
        self.bytes.resize(at + self.page_size, 0);
        self.put_u64(at, page);
        self.put(at + 8, &[1, 0, 1, 0]);
        self.put_u32(at + 16, 16);
        self.put_u32(at + 20, u32::try_from(key.len()).unwrap());
        self.put_u64(at + 24, child);
        self.put(at + 32, key);
    }

    /// The first leaf of the tree of the root bucket.
    pub fn first_root_leaf(&self) -> usize {
        self.first_leaf(self.root())
    }

    fn first_leaf(&self, root: u64) -> usize {
        let mut node = self.page(root);
        while self.u16(node + 8) == 1 {
            node = self.page(self.u64(node + 16 + 8));
        }
        node
    }

    /// The element of the bucket `name` in the root bucket, and its node.
    pub fn bucket(&self, name: &str) -> usize {
        self.all_root_elements()
            .into_iter()
            .find(|element| {
                self.bytes[self.key(*element)..self.value(*element)] == *name.as_bytes()
            })
            .unwrap_or_else(|| panic!("no bucket {name}"))
    }

    /// All elements of the root bucket's leaves.
    pub fn all_root_elements(&self) -> Vec<usize> {
        let mut elements = Vec::new();
        let mut pending = vec![self.page(self.root())];
        while let Some(node) = pending.pop() {
            for index in 0..usize::from(self.u16(node + 10)) {
                let element = self.element(node, index);
                if self.u16(node + 8) == 1 {
                    pending.push(self.page(self.u64(element + 8)));
                } else {
                    elements.push(element);
                }
            }
        }
        elements
    }

    /// Where the root node of a bucket that has pages of its own begins.
    pub fn tree_of(&self, name: &str) -> usize {
        self.page(self.u64(self.value(self.bucket(name))))
    }
}
