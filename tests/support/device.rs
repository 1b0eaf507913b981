//! The one device double of all tests: a file in memory that writes down every call which changes
//! it, fails the call it is told to, and shows what a power failure could leave behind.

#![allow(dead_code)]

use std::io;
use std::sync::{Arc, Mutex};

use boltkey::store::Device;

/// One call that changes the file or makes changes durable.
#[derive(Clone)]
pub enum Call {
    Write { offset: u64, bytes: Vec<u8> },
    SetLength(u64),
    Sync,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done.
    Io,
    /// A write stops half way; a growing file does not grow.
    Full,
    /// The bytes are not there: only for reads.
    Short,
}

#[derive(Default)]
struct State {
    before: Vec<u8>,
    bytes: Vec<u8>,
    log: Vec<Call>,
    /// Calls so far, reads included.
    calls: usize,
    fail: Option<(usize, Fault)>,
    failed: bool,
    changed_after_failure: bool,
}

/// The device, and a handle on it that stays with the test.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<State>>);

impl Recorder {
    pub fn new(bytes: Vec<u8>) -> Self {
        let recorder = Self::default();
        {
            let mut state = recorder.0.lock().unwrap();
            state.before.clone_from(&bytes);
            state.bytes = bytes;
        }
        recorder
    }

    /// Lets call `number`, counted from 0, fail.
    pub fn fail(&self, number: usize, fault: Fault) {
        self.0.lock().unwrap().fail = Some((number, fault));
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().bytes.clone()
    }

    pub fn log(&self) -> Vec<Call> {
        self.0.lock().unwrap().log.clone()
    }

    /// How many calls there were so far, reads included.
    pub fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    /// Whether the fault was reached.
    pub fn has_failed(&self) -> bool {
        self.0.lock().unwrap().failed
    }

    /// Whether something was changed after the failure.
    pub fn changed_after_failure(&self) -> bool {
        self.0.lock().unwrap().changed_after_failure
    }

    /// What a power failure could leave behind, each with the number of calls that had returned.
    pub fn crash_images(&self, seeded: usize, visit: &mut dyn FnMut(usize, &[u8])) -> usize {
        let state = self.0.lock().unwrap();
        crash_images(&state.before, &state.log, seeded, visit)
    }

    fn call(&self, changes: bool) -> (std::sync::MutexGuard<'_, State>, Option<Fault>) {
        let mut state = self.0.lock().unwrap();
        let number = state.calls;
        state.calls += 1;
        if state.failed && changes {
            state.changed_after_failure = true;
        }
        let fault = state.fail.filter(|(at, _)| *at == number).map(|(_, f)| f);
        let fault = fault.filter(|fault| changes || *fault != Fault::Full);
        let fault = fault.filter(|fault| !changes || *fault != Fault::Short);
        if fault.is_some() {
            state.failed = true;
        }
        (state, fault)
    }
}

fn error(fault: Fault) -> io::Error {
    match fault {
        Fault::Io => io::Error::from_raw_os_error(5),
        Fault::Full => io::Error::from_raw_os_error(28),
        Fault::Short => io::ErrorKind::UnexpectedEof.into(),
    }
}

fn write(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if file.len() < offset + bytes.len() {
        file.resize(offset + bytes.len(), 0);
    }
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

impl Device for Recorder {
    fn length(&self) -> io::Result<u64> {
        let (state, fault) = self.call(false);
        fault.map_or(Ok(state.bytes.len() as u64), |fault| Err(error(fault)))
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let (state, fault) = self.call(false);
        if let Some(fault) = fault {
            return Err(error(fault));
        }
        let start = usize::try_from(offset).unwrap();
        let bytes = state.bytes.get(start..start + buffer.len());
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let (mut state, fault) = self.call(true);
        let start = usize::try_from(offset).unwrap();
        let done = match fault {
            None => bytes,
            Some(Fault::Full) => &bytes[..bytes.len() / 2],
            Some(_) => &[],
        };
        write(&mut state.bytes, start, done);
        if !done.is_empty() {
            state.log.push(Call::Write {
                offset,
                bytes: done.to_vec(),
            });
        }
        fault.map_or(Ok(()), |fault| Err(error(fault)))
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let (mut state, fault) = self.call(true);
        if let Some(fault) = fault {
            return Err(error(fault));
        }
        state.bytes.resize(usize::try_from(length).unwrap(), 0);
        state.log.push(Call::SetLength(length));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let (mut state, fault) = self.call(true);
        if let Some(fault) = fault {
            return Err(error(fault));
        }
        state.log.push(Call::Sync);
        Ok(())
    }
}

/// Bytes that a disk writes as a whole.
const SECTOR: usize = 512;

/// Builds images: the durable state, which is everything before the last sync, and of what came
/// after it every prefix, every single call lost, every single call alone, every single write torn
/// at sector borders, and `seeded` random mixtures of whole, lost and torn. Writes to a meta page
/// are torn at every byte that counts.
pub fn crash_images(
    before: &[u8],
    log: &[Call],
    seeded: usize,
    visit: &mut dyn FnMut(usize, &[u8]),
) -> usize {
    let mut images = 0;
    let mut durable = before.to_vec();
    let mut pending: Vec<&Call> = Vec::new();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let syncs = log.iter().filter(|call| matches!(call, Call::Sync)).count();
    let per_stretch = seeded.div_ceil(syncs + 1);
    for (number, call) in log.iter().map(Some).chain([None]).enumerate() {
        let mut show = |image: &[u8], returned: usize| {
            images += 1;
            visit(returned, image);
        };
        if let Some(call @ (Call::Write { .. } | Call::SetLength(_))) = call {
            pending.push(call);
            // A prefix in order.
            let mut image = durable.clone();
            pending
                .iter()
                .for_each(|call| apply(&mut image, call, None));
            show(&image, number);
            continue;
        }
        // The moment before a sync returns: everything since the last one is in doubt.
        show(&durable, number);
        let exhaustive = pending.len() <= 64;
        for (index, one) in pending.iter().enumerate() {
            if exhaustive {
                let mut lost = durable.clone();
                for (other, call) in pending.iter().enumerate() {
                    if other != index {
                        apply(&mut lost, call, None);
                    }
                }
                show(&lost, number);
                let mut alone = durable.clone();
                apply(&mut alone, one, None);
                show(&alone, number);
            }
            if let (Call::Write { bytes, .. }, true) = (one, exhaustive) {
                let meta = bytes.get(16..20) == Some(&0xED0C_DAED_u32.to_le_bytes()[..]);
                let step = if meta { 1 } else { SECTOR };
                let end = if meta { 81 } else { bytes.len() };
                for cut in (step..end.min(bytes.len())).step_by(step) {
                    let mut torn = durable.clone();
                    for (other, call) in pending.iter().enumerate() {
                        apply(&mut torn, call, (other == index).then_some(0..cut));
                    }
                    show(&torn, number);
                    if meta {
                        let mut torn = durable.clone();
                        apply(&mut torn, one, Some(cut..bytes.len()));
                        show(&torn, number);
                    }
                }
            }
        }
        if pending.len() > 1 {
            for _ in 0..per_stretch {
                let mut image = durable.clone();
                for call in &pending {
                    match (random() % 4, call) {
                        (0, _) => {}
                        (1, Call::Write { bytes, .. }) => {
                            let sectors = bytes.len().div_ceil(SECTOR) as u64;
                            let at = usize::try_from(random() % sectors).unwrap() * SECTOR;
                            let part = if random() % 2 == 0 {
                                0..at
                            } else {
                                at..bytes.len()
                            };
                            apply(&mut image, call, Some(part));
                        }
                        _ => apply(&mut image, call, None),
                    }
                }
                show(&image, number);
            }
        }
        pending
            .drain(..)
            .for_each(|call| apply(&mut durable, call, None));
        show(&durable, number + 1);
    }
    images
}

/// Applies a call, or only `part` of the bytes it writes.
fn apply(image: &mut Vec<u8>, call: &Call, part: Option<std::ops::Range<usize>>) {
    match call {
        Call::Write { offset, bytes } => {
            let start = usize::try_from(*offset).unwrap();
            let part = part.unwrap_or(0..bytes.len());
            write(image, start + part.start, &bytes[part.clone()]);
        }
        Call::SetLength(length) => {
            if part.is_none() {
                image.resize(usize::try_from(*length).unwrap(), 0);
            }
        }
        Call::Sync => {}
    }
}
