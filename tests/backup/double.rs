//! A simulated disk for export and restore. It counts every call, fails a chosen one, records the
//! order, and stops at each step that changes names.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::{Arc, Mutex};

use boltkey::ops::files::disk::{Disk, Step};
use boltkey::store::Device;

use crate::support::device::Fault;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// Bytes or the length of the file with this inode.
    Write(u64),
    /// All of it is durable.
    Sync(u64),
    /// Names were changed, or were to be.
    Step(String),
}

#[derive(Default)]
struct State {
    calls: usize,
    fail: Option<(usize, Fault)>,
    failed: bool,
    told: bool,
    after_failure: Vec<Done>,
    log: Vec<Done>,
    /// For each call what it changes, if anything.
    kinds: Vec<Option<Done>>,
    /// Keeps the files open, so that no inode is given out twice.
    open: Vec<File>,
}

/// Told of each step before it is done, and how it is called.
pub type OnStep<'s> = &'s (dyn Fn(&str) + Sync);

/// The disk.
#[derive(Clone)]
pub struct Double<'s> {
    state: Arc<Mutex<State>>,
    on_step: OnStep<'s>,
}

impl<'s> Double<'s> {
    pub fn new(on_step: OnStep<'s>) -> Self {
        let state = Arc::default();
        Self { state, on_step }
    }

    /// One on which call `number`, counted from 0, fails.
    pub fn failing(number: usize, fault: Fault) -> Self {
        let double = Self::new(&|_| {});
        double.state.lock().unwrap().fail = Some((number, fault));
        double
    }

    pub fn calls(&self) -> usize {
        self.state.lock().unwrap().calls
    }

    /// Whether call `number` of this run could have failed so.
    pub fn could(&self, number: usize, fault: Fault) -> bool {
        let state = self.state.lock().unwrap();
        fits(fault, state.kinds[number].as_ref())
    }

    pub fn log(&self) -> Vec<Done> {
        self.state.lock().unwrap().log.clone()
    }

    /// Whether the call that was to fail came.
    pub fn failed(&self) -> bool {
        self.state.lock().unwrap().failed
    }

    /// What was changed after the caller was told of a failure.
    pub fn after_failure(&self) -> Vec<Done> {
        self.state.lock().unwrap().after_failure.clone()
    }
}

impl Disk for Double<'_> {
    fn device(&self, file: File) -> Box<dyn Device> {
        let open = file.try_clone().unwrap();
        self.state.lock().unwrap().open.push(open);
        Box::new(Tracked {
            inode: file.metadata().unwrap().ino(),
            state: Arc::clone(&self.state),
            file,
        })
    }

    fn before(&self, step: Step<'_>) -> io::Result<()> {
        let (kind, path) = match step {
            Step::Make(path) => ("make", path),
            Step::Link(path) => ("link", path),
            Step::Replace(path) => ("replace", path),
            Step::MoveAway(path) => ("move away", path),
            Step::Sync(path) => ("sync", path),
        };
        let name = path.file_name().unwrap_or_default().to_str().unwrap();
        let done = Done::Step(format!("{kind} {name}"));
        (self.on_step)(&format!("{kind} {name}"));
        match self.state.call(Some(&done)) {
            Some(fault) if fault != Fault::Short && fault.is_told() => Err(error(fault)),
            _ => Ok(()),
        }
    }
}

/// Whether a call can fail so.
fn fits(fault: Fault, change: Option<&Done>) -> bool {
    match fault {
        Fault::Io => true,
        Fault::Full => change.is_some(),
        Fault::Short => change.is_none(),
        Fault::Lost | Fault::Flipped => matches!(change, Some(Done::Write(_))),
    }
}

trait Call {
    fn call(&self, change: Option<&Done>) -> Option<Fault>;
}

impl Call for Mutex<State> {
    /// Counts a call and returns how it fails. `change` is none for a call that only reads.
    fn call(&self, change: Option<&Done>) -> Option<Fault> {
        let mut state = self.lock().unwrap();
        let number = state.calls;
        state.calls += 1;
        state.kinds.push(change.cloned());
        if let Some(done) = change {
            if state.told {
                state.after_failure.push(done.clone());
            }
            state.log.push(done.clone());
        }
        let fault = state.fail.filter(|(at, _)| *at == number).map(|(_, f)| f);
        let fault = fault.filter(|fault| fits(*fault, change));
        if let Some(fault) = fault {
            state.failed = true;
            state.told = fault.is_told();
        }
        fault
    }
}

fn error(fault: Fault) -> io::Error {
    match fault {
        Fault::Full => io::Error::from_raw_os_error(28),
        Fault::Short => io::ErrorKind::UnexpectedEof.into(),
        _ => io::Error::from_raw_os_error(5),
    }
}

struct Tracked {
    file: File,
    inode: u64,
    state: Arc<Mutex<State>>,
}

impl Device for Tracked {
    fn forget(&self, _: u64, _: u64) {}

    fn length(&self) -> io::Result<u64> {
        match self.state.call(None) {
            Some(fault) => Err(error(fault)),
            None => Ok(self.file.metadata()?.len()),
        }
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self.state.call(None) {
            Some(fault) => Err(error(fault)),
            None => self.file.read_exact_at(buffer, offset),
        }
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self.state.call(Some(&Done::Write(self.inode))) {
            None => self.file.write_all_at(bytes, offset),
            Some(Fault::Lost) => Ok(()),
            Some(Fault::Flipped) => {
                let mut wrong = bytes.to_vec();
                if let Some(byte) = wrong.get_mut(bytes.len() / 3) {
                    *byte ^= 0x10;
                }
                self.file.write_all_at(&wrong, offset)
            }
            Some(fault) => {
                if fault == Fault::Full {
                    self.file.write_all_at(&bytes[..bytes.len() / 2], offset)?;
                }
                Err(error(fault))
            }
        }
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        match self.state.call(Some(&Done::Write(self.inode))) {
            Some(fault) if fault.is_told() => Err(error(fault)),
            _ => self.file.set_len(length),
        }
    }

    fn sync(&self) -> io::Result<()> {
        match self.state.call(Some(&Done::Sync(self.inode))) {
            Some(fault) => Err(error(fault)),
            None => Ok(()),
        }
    }
}
