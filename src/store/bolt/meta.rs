//! The two meta pages: finding, parsing and encoding them, and choosing one to read by.

use std::fmt;
use std::path::Path;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::store::ReadAt;
use crate::store::bolt::codes::{Code, Defect};
use crate::store::bolt::layout::{
    GREATEST_PAGE_SIZE, Header, LEAST_PAGE_SIZE, MAGIC, META, PageId, TxId, VERSION, meta_at, put,
    u32_at, u64_at,
};
use crate::store::bolt::pages::PageFile;
use crate::store::bolt::validate::Reference;

/// The content of a meta page. One that was parsed had the right magic, version and checksum;
/// that says nothing about the tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meta {
    /// The meta page it belongs to: 0 or 1.
    pub(super) slot: u64,
    /// Whether the page header, which the checksum does not cover, is right.
    pub(super) header_ok: bool,
    /// Bytes per page.
    pub(super) page_size: u64,
    /// A field that bolt does not use; kept as it was read.
    pub(super) flags: u32,
    /// The page of the root bucket.
    pub(super) root: PageId,
    /// The sequence of the root bucket.
    pub(super) root_sequence: u64,
    /// The freelist's page, or [`crate::store::bolt::layout::NO_FREELIST`].
    pub(super) freelist: u64,
    /// The high-water mark: the lowest page number that was never allocated.
    pub(super) hwm: PageId,
    /// The transaction that wrote it.
    pub(super) txid: TxId,
}

/// Why a page is not a valid meta page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The file ends before it.
    Missing,
    /// Its magic is byte-swapped.
    BigEndian,
    /// The magic found.
    Magic(u32),
    /// The version found.
    Version(u32),
    /// The checksum stored, and the one computed from the fields.
    Checksum(u64, u64),
    /// The page size found, which is out of range.
    PageSize(u64),
    /// Meta page 0 is invalid, and a search for meta page 1 found none.
    NotFound,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("lies beyond the end of the file"),
            Self::BigEndian => f.write_str("was written by a big-endian machine"),
            Self::Magic(found) => write!(f, "has the magic {found:#010x} instead of {MAGIC:#010x}"),
            Self::Version(found) => write!(f, "has the version {found} instead of {VERSION}"),
            Self::Checksum(stored, computed) => write!(
                f,
                "has the checksum {stored:#018x}, its bytes give {computed:#018x}"
            ),
            Self::PageSize(found) => write!(f, "names a page size of {found} bytes"),
            Self::NotFound => f.write_str("was not found at any page size"),
        }
    }
}

/// FNV-1a with 64 bits, the checksum of a meta page.
fn fnv1a_64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl Meta {
    /// Parses meta page `slot` from the start of `page`. Checks what bolt checks, in its order:
    /// magic, version, checksum.
    fn parse(slot: u64, page: &[u8]) -> Result<Self, Flaw> {
        Self::fields(slot, page).ok_or(Flaw::Missing)?
    }

    /// The bytes that [`Self::parse`] reads, with a right page header and checksum.
    pub(super) fn encode(&self) -> [u8; meta_at::END] {
        let mut page = [0; meta_at::END];
        let header = Header {
            id: PageId(self.slot),
            flags: META,
            count: 0,
            overflow: 0,
        };
        // Page sizes are parsed from 32 bits, or checked to fit.
        let page_size = u32::try_from(self.page_size).unwrap_or(0);
        put(&mut page, 0, &header.encode());
        put(&mut page, meta_at::MAGIC, &MAGIC.to_le_bytes());
        put(&mut page, meta_at::VERSION, &VERSION.to_le_bytes());
        put(&mut page, meta_at::PAGE_SIZE, &page_size.to_le_bytes());
        put(&mut page, meta_at::FLAGS, &self.flags.to_le_bytes());
        put(&mut page, meta_at::ROOT, &self.root.0.to_le_bytes());
        put(
            &mut page,
            meta_at::ROOT_SEQUENCE,
            &self.root_sequence.to_le_bytes(),
        );
        put(&mut page, meta_at::FREELIST, &self.freelist.to_le_bytes());
        put(&mut page, meta_at::HWM, &self.hwm.0.to_le_bytes());
        put(&mut page, meta_at::TXID, &self.txid.0.to_le_bytes());
        let covered = page.get(meta_at::MAGIC..meta_at::CHECKSUM);
        let checksum = fnv1a_64(covered.unwrap_or_default());
        put(&mut page, meta_at::CHECKSUM, &checksum.to_le_bytes());
        page
    }

    fn fields(slot: u64, page: &[u8]) -> Option<Result<Self, Flaw>> {
        let header = Header::parse(page)?;
        let magic = u32_at(page, meta_at::MAGIC)?;
        let version = u32_at(page, meta_at::VERSION)?;
        let stored = u64_at(page, meta_at::CHECKSUM)?;
        let computed = fnv1a_64(page.get(meta_at::MAGIC..meta_at::CHECKSUM)?);
        Some(if magic == MAGIC.swap_bytes() {
            Err(Flaw::BigEndian)
        } else if magic != MAGIC {
            Err(Flaw::Magic(magic))
        } else if version != VERSION {
            Err(Flaw::Version(version))
        } else if stored != computed {
            Err(Flaw::Checksum(stored, computed))
        } else {
            Ok(Self {
                slot,
                header_ok: header.id == PageId(slot) && header.flags == META,
                page_size: u64::from(u32_at(page, meta_at::PAGE_SIZE)?),
                flags: u32_at(page, meta_at::FLAGS)?,
                root: PageId(u64_at(page, meta_at::ROOT)?),
                root_sequence: u64_at(page, meta_at::ROOT_SEQUENCE)?,
                freelist: u64_at(page, meta_at::FREELIST)?,
                hwm: PageId(u64_at(page, meta_at::HWM)?),
                txid: TxId(u64_at(page, meta_at::TXID)?),
            })
        })
    }

    /// Whether its root is a page below the high-water mark and in the file.
    pub(super) fn has_root(&self, file: &PageFile) -> bool {
        self.root.0 >= 2 && self.root < self.hwm && self.root.0 < file.pages()
    }

    /// Where in the file it names its root.
    pub(super) fn root_field(&self, file: &PageFile) -> Reference {
        let page = PageId(self.slot);
        Reference {
            page,
            offset: file.offset(page).saturating_add(meta_at::ROOT as u64),
        }
    }

    /// A defect of this meta, at the field `at` bytes into its page.
    pub(super) fn defect(&self, file: &PageFile, code: Code, at: usize, message: String) -> Defect {
        let page = PageId(self.slot);
        let offset = file.offset(page).saturating_add(at as u64);
        Defect::new(code, page, offset, message)
    }
}

/// What was found on the two meta pages, and the choice made.
#[derive(Clone)]
pub(super) struct Metas {
    /// Meta page 0 and meta page 1.
    pub(super) slots: [Result<Meta, Flaw>; 2],
    /// The one that all reading uses.
    pub(super) current: Meta,
    /// The other one, if it is valid.
    pub(super) other: Option<Meta>,
}

/// Finds the metas and the page size, and chooses as bolt does: the higher transaction number
/// among the valid ones, slot 0 when they are equal. Unlike bolt it uses the other one when the
/// root of the chosen one is out of bounds; [`Metas::passed_over`] then returns the chosen one.
///
/// # Errors
/// [`ErrorKind::NotAStore`] when neither is valid; [`ErrorKind::Io`] when the file can't be read.
pub(super) fn find(source: Box<dyn ReadAt>, path: &Path) -> Result<(PageFile, Metas)> {
    let first = read_meta(&*source, path, 0, 0)?.and_then(check_page_size);
    let (page_size, second) = match &first {
        Ok(meta) => {
            let page_size = meta.page_size;
            (page_size, read_meta(&*source, path, 1, page_size)?)
        }
        Err(_) => probe(&*source, path)?,
    };
    let (better, worse) = match (&first, &second) {
        (Ok(a), Ok(b)) if b.txid > a.txid => (*b, Some(*a)),
        (Ok(a), Ok(b)) => (*a, Some(*b)),
        (Ok(a), Err(_)) => (*a, None),
        (Err(_), Ok(b)) => (*b, None),
        (Err(first), Err(second)) => return Err(no_meta(path, first, second)),
    };
    let page_size = usize::try_from(page_size).map_err(|_| {
        Error::new(
            ErrorKind::NotAStore,
            format!("{} has pages of {page_size} bytes", path.display()),
        )
    })?;
    let file = PageFile::new(source, path, page_size);
    let (current, other) = match worse {
        Some(worse) if !better.has_root(&file) && worse.has_root(&file) => (worse, Some(better)),
        worse => (better, worse),
    };
    let metas = Metas {
        slots: [first, second],
        current,
        other,
    };
    Ok((file, metas))
}

/// The page size and all valid metas, the newest first; `None` if there is none.
///
/// # Errors
/// [`ErrorKind::Io`] when the file can't be read.
pub(super) fn all_valid(source: &dyn ReadAt, path: &Path) -> Result<Option<(usize, Vec<Meta>)>> {
    let first = read_meta(source, path, 0, 0)?.and_then(check_page_size);
    let (page_size, second) = match &first {
        Ok(meta) => (meta.page_size, read_meta(source, path, 1, meta.page_size)?),
        Err(_) => probe(source, path)?,
    };
    let mut metas: Vec<Meta> = [first, second].into_iter().flatten().collect();
    metas.sort_by_key(|meta| std::cmp::Reverse(meta.txid));
    let page_size = usize::try_from(page_size).unwrap_or(0);
    Ok((!metas.is_empty()).then_some((page_size, metas)))
}

impl Metas {
    /// Whether a meta page is invalid, or bolt's choice was passed over.
    pub(super) fn fell_back(&self) -> bool {
        self.slots.iter().any(Result::is_err) || self.passed_over().is_some()
    }

    /// The meta that bolt would have chosen, if another one is used because its root is out of
    /// bounds.
    pub(super) fn passed_over(&self) -> Option<&Meta> {
        let other = self.other.as_ref()?;
        let chosen_by_bolt = (other.txid, self.current.slot) > (self.current.txid, other.slot);
        chosen_by_bolt.then_some(other)
    }
}

fn check_page_size(meta: Meta) -> Result<Meta, Flaw> {
    if (LEAST_PAGE_SIZE..=GREATEST_PAGE_SIZE).contains(&meta.page_size) {
        Ok(meta)
    } else {
        Err(Flaw::PageSize(meta.page_size))
    }
}

fn read_meta(
    source: &dyn ReadAt,
    path: &Path,
    slot: u64,
    offset: u64,
) -> Result<Result<Meta, Flaw>> {
    let mut page = [0; meta_at::END];
    if source.size() < offset.saturating_add(meta_at::END as u64) {
        return Ok(Err(Flaw::Missing));
    }
    source
        .read_exact_at(&mut page, offset)
        .at(&format!("read meta page {slot} (byte {offset}) of"), path)?;
    Ok(Meta::parse(slot, &page))
}

/// Searches for meta page 1 when meta page 0 is invalid, and returns the page size with it. It
/// must begin at the offset that it names as page size and have the right header, so that a value
/// that contains another bolt file does not match.
fn probe(source: &dyn ReadAt, path: &Path) -> Result<(u64, Result<Meta, Flaw>)> {
    const WINDOW: usize = 256 << 10;
    let mut start = [0; 8];
    start[..4].copy_from_slice(&MAGIC.to_le_bytes());
    start[4..].copy_from_slice(&VERSION.to_le_bytes());
    let finder = memchr::memmem::Finder::new(&start);

    let end = source.size().min(GREATEST_PAGE_SIZE + meta_at::END as u64);
    let mut buffer = vec![0; WINDOW];
    let mut at = LEAST_PAGE_SIZE;
    while at + (meta_at::END as u64) <= end {
        let length = usize::try_from(end - at).map_or(WINDOW, |left| left.min(WINDOW));
        let window = buffer.get_mut(..length).unwrap_or_default();
        source
            .read_exact_at(window, at)
            .at(&format!("read {length} bytes at byte {at} of"), path)?;
        for hit in finder.find_iter(window) {
            let Some(page_size) = (at + hit as u64).checked_sub(meta_at::MAGIC as u64) else {
                continue;
            };
            let named = u32_at(window, hit + (meta_at::PAGE_SIZE - meta_at::MAGIC)).map(u64::from);
            if page_size < LEAST_PAGE_SIZE || named.is_some_and(|named| named != page_size) {
                continue;
            }
            let meta = read_meta(source, path, 1, page_size)?;
            if let Ok(found) = &meta
                && found.page_size == page_size
                && found.header_ok
            {
                return Ok((page_size, meta));
            }
        }
        // The next window repeats the last bytes, in case the window cut the magic in two.
        at += (length - (start.len() - 1).min(length - 1)) as u64;
        if length < WINDOW {
            break;
        }
    }
    Ok((0, Err(Flaw::NotFound)))
}

fn no_meta(path: &Path, first: &Flaw, second: &Flaw) -> Error {
    let second = match second {
        Flaw::NotFound => String::from("meta page 1 was not found at any page size"),
        flaw => format!("meta page 1 {flaw}"),
    };
    let both = match first {
        Flaw::Magic(_) | Flaw::Missing => "no valid meta page",
        _ => "no valid meta page: both are damaged",
    };
    Error::new(
        ErrorKind::NotAStore,
        format!(
            "{} is not an InfluxDB metadata store: {both} (meta page 0 {first}; {second})",
            path.display()
        ),
    )
    .with_hint(match first {
        Flaw::BigEndian => "only files from little-endian machines can be read",
        _ => {
            "check the path; if this is the right file and it is damaged, boltkey salvage --out FILE \
             makes a new store of what is left in it"
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meta_has_the_layout_of_the_format() {
        let meta = Meta {
            slot: 1,
            header_ok: true,
            page_size: 4096,
            flags: 7,
            root: PageId(0x11),
            root_sequence: 0x22,
            freelist: 0x33,
            hwm: PageId(0x44),
            txid: TxId(0x55),
        };
        let page = meta.encode();
        let fields: [&[u8]; 11] = [
            &[1, 0, 0, 0, 0, 0, 0, 0],
            &[4, 0, 0, 0, 0, 0, 0, 0],
            &[0xED, 0xDA, 0x0C, 0xED],
            &[2, 0, 0, 0],
            &[0, 0x10, 0, 0],
            &[7, 0, 0, 0],
            &0x11_u64.to_le_bytes(),
            &0x22_u64.to_le_bytes(),
            &0x33_u64.to_le_bytes(),
            &0x44_u64.to_le_bytes(),
            &0x55_u64.to_le_bytes(),
        ];
        assert_eq!(page[..72], fields.concat());
        assert_eq!(page[72..], fnv1a_64(&page[16..72]).to_le_bytes());
        assert_eq!(fnv1a_64(b"foobar"), 0x8594_4171_f739_67e8);
        let parsed = Meta::parse(1, &page).unwrap();
        assert!(parsed.header_ok);
        assert_eq!(parsed.encode(), page);
        assert!(!Meta::parse(0, &page).unwrap().header_ok);
        for byte in 16..80 {
            let mut damaged = page;
            damaged[byte] ^= 1;
            assert!(Meta::parse(1, &damaged).is_err(), "byte {byte}");
        }
    }
}
