//! Unpacks a gzipped store into a file instead of memory.

use std::fs::File;
use std::io::{self, Read};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::store::bolt::{BEGINNING, begins_compact};
use crate::store::copy::does_not_read_back;
use crate::store::device::{Device, Latch, checksum_on_medium};
use crate::store::file::fill;
use crate::store::gzip::Unpacking;
use crate::store::open::{cant_unpack, recognise};
use crate::store::writable::WritableStore;

/// How many bytes are unpacked and written at a time. At least [`BEGINNING`].
const PIECE: usize = 1 << 20;

/// How many buffers the unpacking and the writing thread share.
const PIECES: usize = 4;

const _: () = assert!(PIECE >= BEGINNING);

/// A store that was unpacked into a file.
pub struct Unpacked {
    store: WritableStore,
    image: UnpackedImage,
}

/// The file as it was written, to verify it.
struct UnpackedImage {
    device: Arc<dyn Device>,
    length: u64,
    sum: u32,
}

impl Unpacked {
    /// Unpacks `packed` into an empty file and opens the result. Messages show `path` for `packed`
    /// and `to` for the file. `device` is called when the beginning is known; its argument says
    /// whether the store may be compact. `progress` is called with the number of bytes written so
    /// far.
    ///
    /// # Errors
    /// * [`ErrorKind::NotAStore`] for anything that is not a database, and for a damaged stream
    /// * [`ErrorKind::Io`] when `packed` can't be read or `to` can't be written
    pub fn new(
        packed: File,
        path: &Path,
        to: &Path,
        device: impl FnOnce(bool) -> Box<dyn Device>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Self> {
        let cant_unpack = |cause| cant_unpack(path, &cause);
        let mut stream = Unpacking::new(packed).map_err(cant_unpack)?;
        let first = Piece::of(&mut stream, Piece::new()).map_err(cant_unpack)?;
        let beginning = first.bytes().get(..BEGINNING).unwrap_or(first.bytes());
        recognise(path, beginning.len() as u64, beginning)?;
        let device = Box::new(UnpackedDevice {
            device: device(begins_compact(beginning)),
            to: to.to_path_buf(),
        });
        let device: Arc<dyn Device> = Arc::new(Latch::new(device));
        let (length, sum) = match write(first, &mut stream, &*device, progress) {
            Ok(written) => written,
            Err(Failed::Unpacking(cause)) => return Err(cant_unpack(cause)),
            Err(Failed::Writing(cause)) => return Err(cause).at("write", to),
        };
        device.sync().at("sync", to)?;
        let image = UnpackedImage {
            device: Arc::clone(&device),
            length,
            sum,
        };
        let store = WritableStore::on_latched(device, path).or_else(|error| {
            // If the file differs from what was written, the disk is the cause, not the backup.
            image.reads_back(to)?;
            Err(error)
        })?;
        Ok(Self { store, image })
    }

    /// The store, for reading.
    #[must_use]
    pub fn store(&self) -> &WritableStore {
        &self.store
    }

    /// Verifies the content of the file. Messages show `to`. Asks the system to read from the medium
    /// and not from its cache.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the content differs from what was written, or can't be read.
    pub fn reads_back(&self, to: &Path) -> Result<()> {
        self.image.reads_back(to)
    }

    /// The store, for changing. Messages show `to` from now on.
    #[must_use]
    pub fn into_store(self, to: &Path) -> WritableStore {
        let mut store = self.store;
        store.set_display_path(to);
        store
    }
}

impl UnpackedImage {
    /// See [`Unpacked::reads_back`].
    fn reads_back(&self, to: &Path) -> Result<()> {
        let sum = checksum_on_medium(&*self.device, 0..self.length).map_err(|cause| {
            let to = to.display();
            Error::new(ErrorKind::Io, format!("can't read {to} back: {cause}"))
        })?;
        let long = self.device.length().at("read the length of", to)?;
        if (long, sum) == (self.length, self.sum) {
            Ok(())
        } else {
            Err(does_not_read_back(to))
        }
    }
}

/// The device of the unpacked file. Messages about the store show the path of the packed file, so
/// read errors add the path of the unpacked one.
struct UnpackedDevice {
    device: Box<dyn Device>,
    to: PathBuf,
}

impl UnpackedDevice {
    fn with_path<T>(&self, read: io::Result<T>) -> io::Result<T> {
        read.map_err(|cause| {
            let message = format!("{cause}, in the file unpacked to {}", self.to.display());
            io::Error::new(cause.kind(), message)
        })
    }
}

impl Device for UnpackedDevice {
    fn length(&self) -> io::Result<u64> {
        self.with_path(self.device.length())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.with_path(self.device.read_exact_at(buffer, offset))
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.device.write_all_at(bytes, offset)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.device.set_length(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.device.sync()
    }

    fn free_space(&self) -> io::Result<Option<u64>> {
        self.device.free_space()
    }

    fn forget(&self, offset: u64, length: u64) {
        self.device.forget(offset, length);
    }
}

/// A buffer of unpacked bytes.
struct Piece {
    buffer: Zeroizing<Vec<u8>>,
    length: usize,
}

impl Piece {
    fn new() -> Self {
        Self {
            buffer: Zeroizing::new(vec![0; PIECE]),
            length: 0,
        }
    }

    /// Fills `piece` with the next bytes of `stream`; with none at its end.
    fn of(stream: &mut impl Read, mut piece: Self) -> io::Result<Self> {
        piece.length = fill(stream, &mut piece.buffer)?;
        Ok(piece)
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }
}

/// Which side of an unpacking failed.
enum Failed {
    Unpacking(io::Error),
    Writing(io::Error),
}

/// Writes `first` and the rest of `stream`, while more is unpacked in parallel. Returns the length
/// in bytes and the CRC-32.
fn write(
    first: Piece,
    stream: &mut impl Read,
    device: &dyn Device,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(u64, u32), Failed> {
    let (give, take) = sync_channel::<Piece>(PIECES);
    let (give_back, take_back) = sync_channel::<Piece>(PIECES);
    for _ in 1..PIECES {
        // The channel has room for all pieces.
        let _ = give_back.try_send(Piece::new());
    }
    thread::scope(|scope| {
        let writing = scope.spawn(move || write_pieces(&take, &give_back, device, progress));
        let mut next = Ok(first);
        let unpacked = loop {
            match next {
                Ok(piece) if piece.length == 0 => break Ok(()),
                // If the writer has stopped, it has failed; its error is returned below.
                Ok(piece) => match give.send(piece).ok().and_then(|()| take_back.recv().ok()) {
                    Some(empty) => next = Piece::of(stream, empty),
                    None => break Ok(()),
                },
                Err(cause) => break Err(cause),
            }
        };
        drop(give);
        let written = writing.join().unwrap_or_else(|panic| resume_unwind(panic));
        let written = written.map_err(Failed::Writing)?;
        unpacked.map_err(Failed::Unpacking)?;
        Ok(written)
    })
}

fn write_pieces(
    take: &Receiver<Piece>,
    give_back: &SyncSender<Piece>,
    device: &dyn Device,
    progress: &(dyn Fn(u64) + Sync),
) -> io::Result<(u64, u32)> {
    let mut sum = crc32fast::Hasher::new();
    let mut at = 0;
    for piece in take {
        sum.update(piece.bytes());
        device.write_all_at(piece.bytes(), at)?;
        at += piece.length as u64;
        progress(at);
        // Fails at the end, when nothing more is unpacked.
        let _ = give_back.send(piece);
    }
    Ok((at, sum.finalize()))
}
