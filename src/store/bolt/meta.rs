//! The two meta pages: finding them, judging them, choosing one.

use std::fmt;
use std::path::Path;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::store::ReadAt;
use crate::store::bolt::codes::{Code, Defect};
use crate::store::bolt::judge::Reference;
use crate::store::bolt::layout::{
    GREATEST_PAGE_SIZE, HEADER, Header, LEAST_PAGE_SIZE, MAGIC, META, META_END, PageId, TxId,
    VERSION, u32_at, u64_at,
};
use crate::store::bolt::pages::PageFile;

/// A meta page whose magic, version and checksum are right. That says nothing about the tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meta {
    /// 0 or 1: the page it stands on.
    pub(super) slot: u64,
    /// Whether the page header, which the checksum does not cover, is right.
    pub(super) header_ok: bool,
    pub(super) page_size: u64,
    pub(super) root: PageId,
    /// The freelist's page, or [`crate::store::bolt::layout::NO_FREELIST`].
    pub(super) freelist: u64,
    /// The high-water mark: the first page number never given out.
    pub(super) hwm: PageId,
    pub(super) txid: TxId,
}

/// Why a page is no meta.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flaw {
    Missing,
    BigEndian,
    Magic(u32),
    Version(u32),
    /// The checksum stored, and the one the bytes have.
    Checksum(u64, u64),
    PageSize(u64),
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

/// FNV-1a, 64 bits.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl Meta {
    /// Judges the start of a page as bolt does: magic, version, checksum.
    fn parse(slot: u64, page: &[u8]) -> Result<Self, Flaw> {
        Self::fields(slot, page).ok_or(Flaw::Missing)?
    }

    fn fields(slot: u64, page: &[u8]) -> Option<Result<Self, Flaw>> {
        let header = Header::parse(page)?;
        let magic = u32_at(page, 16)?;
        let version = u32_at(page, 20)?;
        let stored = u64_at(page, 72)?;
        let computed = checksum(page.get(HEADER..72)?);
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
                page_size: u64::from(u32_at(page, 24)?),
                root: PageId(u64_at(page, 32)?),
                freelist: u64_at(page, 48)?,
                hwm: PageId(u64_at(page, 56)?),
                txid: TxId(u64_at(page, 64)?),
            })
        })
    }

    /// Whether its root may be a page at all.
    pub(super) fn has_root(&self, file: &PageFile) -> bool {
        self.root.0 >= 2 && self.root < self.hwm && self.root.0 < file.pages()
    }

    /// Where it names its root.
    pub(super) fn root_field(&self, file: &PageFile) -> Reference {
        let page = PageId(self.slot);
        Reference {
            page,
            offset: file.offset(page).saturating_add(32),
        }
    }

    /// A defect of this meta, at the field `at` bytes into its page.
    pub(super) fn defect(&self, file: &PageFile, code: Code, at: u64, message: String) -> Defect {
        let page = PageId(self.slot);
        Defect::new(code, page, file.offset(page).saturating_add(at), message)
    }
}

/// What was found on the two meta pages, and the choice made.
pub(super) struct Metas {
    /// What stands in slot 0 and slot 1.
    pub(super) slots: [Result<Meta, Flaw>; 2],
    /// The one to read by.
    pub(super) current: Meta,
    /// The other one, if it is valid.
    pub(super) other: Option<Meta>,
}

/// Finds the metas and the page size, and chooses as bolt does: the higher transaction number
/// among the valid ones, slot 0 when they are equal. Unlike bolt it takes the other one where
/// the chosen one names no possible root; [`Metas::passed_over`] then says so.
///
/// # Errors
/// [`ErrorKind::NotAStore`] when neither is valid.
pub(super) fn find(source: Box<dyn ReadAt>, path: &Path) -> Result<(PageFile, Metas)> {
    let first = read_meta(&*source, path, 0, 0)?.and_then(believe_page_size);
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

impl Metas {
    /// Whether another meta than bolt's choice had to be used, or may have had to.
    pub(super) fn fell_back(&self) -> bool {
        self.slots.iter().any(Result::is_err) || self.passed_over().is_some()
    }

    /// A meta that bolt would have chosen but that names no possible root.
    pub(super) fn passed_over(&self) -> Option<&Meta> {
        let other = self.other.as_ref()?;
        let chosen_by_bolt = (other.txid, self.current.slot) > (self.current.txid, other.slot);
        chosen_by_bolt.then_some(other)
    }
}

fn believe_page_size(meta: Meta) -> Result<Meta, Flaw> {
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
    let mut page = [0; META_END];
    if source.size() < offset.saturating_add(META_END as u64) {
        return Ok(Err(Flaw::Missing));
    }
    source
        .read_exact_at(&mut page, offset)
        .at(&format!("read meta page {slot} (byte {offset}) of"), path)?;
    Ok(Meta::parse(slot, &page))
}

/// Looks for meta 1 where meta 0 is no help. It must stand at the offset it names as page size
/// and carry the right header, so that a value that embeds another bolt file does not match.
fn probe(source: &dyn ReadAt, path: &Path) -> Result<(u64, Result<Meta, Flaw>)> {
    const WINDOW: usize = 256 << 10;
    let mut start = [0; 8];
    start[..4].copy_from_slice(&MAGIC.to_le_bytes());
    start[4..].copy_from_slice(&VERSION.to_le_bytes());
    let finder = memchr::memmem::Finder::new(&start);

    let end = source.size().min(GREATEST_PAGE_SIZE + META_END as u64);
    let mut buffer = vec![0; WINDOW];
    let mut at = LEAST_PAGE_SIZE;
    while at + (META_END as u64) <= end {
        let length = usize::try_from(end - at).map_or(WINDOW, |left| left.min(WINDOW));
        let window = buffer.get_mut(..length).unwrap_or_default();
        source
            .read_exact_at(window, at)
            .at(&format!("read {length} bytes at byte {at} of"), path)?;
        for hit in finder.find_iter(window) {
            let Some(page_size) = (at + hit as u64).checked_sub(HEADER as u64) else {
                continue;
            };
            let named = u32_at(window, hit + 8).map(u64::from);
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
        // The next window repeats the last bytes, where the magic may have been cut.
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
        Flaw::BigEndian => "only files of little-endian machines can be read",
        _ => "check the path; if the file is damaged, name a copy or a backup of it instead",
    })
}
