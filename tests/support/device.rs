//! The simulated disk of all tests: a file in memory that records every changing call, fails a
//! chosen call, and produces what a power failure could leave.

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

/// The progress of a commit. The commit point is in `During`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// No meta page was touched.
    #[default]
    Before,
    /// The first byte of the first new meta page may be written, and is not known to be on disk.
    During,
    /// It is on disk.
    After,
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
    /// A write is said to be done, and is not.
    Lost,
    /// A write is done, but one bit of it is wrong.
    Flipped,
}

impl Fault {
    /// Whether the call tells that it failed.
    pub fn is_told(self) -> bool {
        !matches!(self, Self::Lost | Self::Flipped)
    }
}

#[derive(Default)]
struct State {
    before: Vec<u8>,
    bytes: Vec<u8>,
    log: Vec<Call>,
    /// Calls so far, reads included.
    calls: usize,
    fail: Option<(usize, Fault)>,
    failed: Option<Stage>,
    /// Whether the caller was told.
    told: bool,
    /// What each call does.
    kinds: Vec<Kind>,
    /// The numbers of the calls that sync or make a commit hold.
    noted: Vec<usize>,
    changed_after_failure: bool,
    stage: Stage,
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

    /// The numbers of the calls that sync or make a commit hold.
    pub fn noted(&self) -> Vec<usize> {
        self.0.lock().unwrap().noted.clone()
    }

    /// Whether call `number` of this run could have failed so.
    pub fn could(&self, number: usize, fault: Fault) -> bool {
        self.0.lock().unwrap().kinds[number].can_fail(fault)
    }

    /// How far the commit had come when the fault was reached, if it was.
    pub fn failed(&self) -> Option<Stage> {
        self.0.lock().unwrap().failed
    }

    /// Whether something was changed after the failure.
    pub fn changed_after_failure(&self) -> bool {
        self.0.lock().unwrap().changed_after_failure
    }

    /// What a power failure could leave behind.
    pub fn crash_images(&self, effort: Effort, visit: &mut dyn FnMut(Crash<'_>)) {
        let (before, log) = {
            let state = self.0.lock().unwrap();
            (state.before.clone(), state.log.clone())
        };
        crash_images(&before, &log, effort, visit);
    }

    /// What the disk could contain after a power failure now: all that was written, what was synced,
    /// and `mixed` random mixtures.
    pub fn reboot_images(&self, mixed: usize, visit: &mut dyn FnMut(&[u8])) {
        let (mut durable, log) = {
            let state = self.0.lock().unwrap();
            (state.before.clone(), state.log.clone())
        };
        let mut pending: Vec<&Call> = Vec::new();
        for call in &log {
            match call {
                Call::Sync => pending
                    .drain(..)
                    .for_each(|call| apply(&mut durable, call, None)),
                _ => pending.push(call),
            }
        }
        visit(&durable);
        let mut kept = durable.clone();
        pending.iter().for_each(|call| apply(&mut kept, call, None));
        if !pending.is_empty() {
            visit(&kept);
        }
        let mut random = random();
        for _ in 0..if pending.len() > 1 { mixed } else { 0 } {
            let mut image = durable.clone();
            for call in &pending {
                if random().is_multiple_of(2) {
                    apply(&mut image, call, None);
                }
            }
            visit(&image);
        }
    }

    /// Whether this write makes another commit slot of a redb store count.
    fn switches(&self, bytes: &[u8], offset: u64) -> bool {
        let state = self.0.lock().unwrap();
        let new = 9_u64
            .checked_sub(offset)
            .and_then(|at| bytes.get(usize::try_from(at).unwrap()));
        let old = state
            .bytes
            .get(9)
            .filter(|_| state.bytes.starts_with(b"redb"));
        old.zip(new).is_some_and(|(old, new)| (old ^ new) & 1 != 0)
    }

    fn call(&self, kind: Kind) -> (std::sync::MutexGuard<'_, State>, Option<Fault>) {
        let mut state = self.0.lock().unwrap();
        let number = state.calls;
        state.calls += 1;
        state.kinds.push(kind);
        let changes = kind != Kind::Reads;
        if state.failed.is_some() && state.told && changes {
            state.changed_after_failure = true;
        }
        if matches!(kind, Kind::WritesMeta | Kind::Syncs) {
            state.noted.push(number);
        }
        if kind == Kind::WritesMeta {
            state.stage = state.stage.max(Stage::During);
        }
        let fault = state.fail.filter(|(at, _)| *at == number).map(|(_, f)| f);
        let fault = fault.filter(|fault| kind.can_fail(*fault));
        if let Some(fault) = fault {
            state.failed = Some(state.stage);
            state.told = fault.is_told();
        }
        if fault.is_none_or(|fault| !fault.is_told())
            && kind == Kind::Syncs
            && state.stage == Stage::During
        {
            state.stage = Stage::After;
        }
        (state, fault)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reads,
    Writes,
    WritesMeta,
    Syncs,
}

impl Kind {
    fn can_fail(self, fault: Fault) -> bool {
        match fault {
            Fault::Io => true,
            Fault::Full => self != Self::Reads,
            Fault::Short => self == Self::Reads,
            Fault::Lost | Fault::Flipped => matches!(self, Self::Writes | Self::WritesMeta),
        }
    }
}

/// Whether these are the bytes of a meta page.
fn is_meta(bytes: &[u8]) -> bool {
    bytes.get(16..20) == Some(&0xED0C_DAED_u32.to_le_bytes()[..])
}

fn error(fault: Fault) -> io::Error {
    match fault {
        Fault::Io => io::Error::from_raw_os_error(5),
        Fault::Full => io::Error::from_raw_os_error(28),
        Fault::Short => io::ErrorKind::UnexpectedEof.into(),
        Fault::Lost | Fault::Flipped => io::Error::other("a lie that was told"),
    }
}

/// The outcome of a call that this became of.
fn told(fault: Option<Fault>) -> io::Result<()> {
    match fault.filter(|fault| fault.is_told()) {
        Some(fault) => Err(error(fault)),
        None => Ok(()),
    }
}

fn write(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if file.len() < offset + bytes.len() {
        file.resize(offset + bytes.len(), 0);
    }
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

impl Device for Recorder {
    fn forget(&self, _: u64, _: u64) {}

    fn length(&self) -> io::Result<u64> {
        let (state, fault) = self.call(Kind::Reads);
        fault.map_or(Ok(state.bytes.len() as u64), |fault| Err(error(fault)))
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let (state, fault) = self.call(Kind::Reads);
        if let Some(fault) = fault {
            return Err(error(fault));
        }
        let start = usize::try_from(offset).unwrap();
        let bytes = state.bytes.get(start..start + buffer.len());
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let kind = if is_meta(bytes) || self.switches(bytes, offset) {
            Kind::WritesMeta
        } else {
            Kind::Writes
        };
        let (mut state, fault) = self.call(kind);
        let start = usize::try_from(offset).unwrap();
        let mut wrong = bytes.to_vec();
        let done = match fault {
            None => bytes,
            Some(Fault::Full) => &bytes[..bytes.len() / 2],
            Some(Fault::Flipped) => {
                let at = wrong.len() / 3;
                wrong[at] ^= 0x10;
                &wrong
            }
            Some(_) => &[],
        };
        write(&mut state.bytes, start, done);
        if !done.is_empty() {
            state.log.push(Call::Write {
                offset,
                bytes: done.to_vec(),
            });
        }
        told(fault)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let (mut state, fault) = self.call(Kind::Writes);
        if let Some(fault) = fault {
            return Err(error(fault));
        }
        state.bytes.resize(usize::try_from(length).unwrap(), 0);
        state.log.push(Call::SetLength(length));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let (mut state, fault) = self.call(Kind::Syncs);
        if let Some(fault) = fault {
            return Err(error(fault));
        }
        state.log.push(Call::Sync);
        Ok(())
    }
}

/// Bytes that a disk writes as a whole.
const SECTOR: usize = 512;

/// Stretches of more calls than this between two syncs are tried at random.
const EXHAUSTIVE: usize = 64;

/// How many images are made of each stretch between two syncs.
#[derive(Clone, Copy)]
pub struct Effort {
    /// Random mixtures where everything else is tried as well.
    pub mixed: usize,
    /// Random mixtures where there are too many calls for that.
    pub seeded: usize,
    /// The most places at which one write is torn; of more, as many are taken evenly.
    pub cuts: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            mixed: 24,
            seeded: 2000,
            cuts: 64,
        }
    }
}

/// What a power failure could leave behind.
#[derive(Clone, Copy)]
pub struct Crash<'i> {
    pub image: &'i [u8],
    /// How many calls of the log had returned.
    pub returned: usize,
    /// Whether it comes of a stretch that was tried at random only.
    pub seeded: bool,
}

/// The positions in a log of the steps that make a change durable.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// The first new meta page is written.
    pub s5: usize,
    /// The sync that makes it hold.
    pub s6: usize,
    /// The sync after the second one.
    pub s8: usize,
}

impl Steps {
    /// Of the one commit in this log.
    pub fn of(log: &[Call]) -> Self {
        let metas: Vec<usize> = (0..log.len())
            .filter(|at| matches!(&log[*at], Call::Write { bytes, .. } if is_meta(bytes)))
            .collect();
        assert_eq!(metas.len(), 2, "a commit writes both metas once");
        let sync = |from: usize| {
            let next = log[from..].iter().position(|c| matches!(c, Call::Sync));
            from + next.unwrap()
        };
        let (s6, s8) = (sync(metas[0]), sync(metas[1]));
        assert!(s6 < metas[1], "both metas behind one sync");
        Self {
            s5: metas[0],
            s6,
            s8,
        }
    }
}

/// The same numbers in every run.
fn random() -> impl FnMut() -> u64 {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    }
}

/// Builds images: the durable state, which is everything before the last sync, and of what came
/// after it every prefix, every single call lost, every single call alone, every single write torn
/// at sector borders, and random mixtures of whole, lost and torn. Writes to a meta page are torn
/// at every byte that counts.
pub fn crash_images(before: &[u8], log: &[Call], effort: Effort, visit: &mut dyn FnMut(Crash<'_>)) {
    let mut durable = before.to_vec();
    let mut pending: Vec<&Call> = Vec::new();
    let mut random = random();
    for (number, call) in log.iter().map(Some).chain([None]).enumerate() {
        let mut show = |image: &[u8], returned: usize, seeded: bool| {
            visit(Crash {
                image,
                returned,
                seeded,
            });
        };
        if let Some(call @ (Call::Write { .. } | Call::SetLength(_))) = call {
            pending.push(call);
            if pending.len() <= EXHAUSTIVE {
                // A prefix in order.
                let mut image = durable.clone();
                pending
                    .iter()
                    .for_each(|call| apply(&mut image, call, None));
                show(&image, number, false);
            }
            continue;
        }
        // The moment before a sync returns: everything since the last one is in doubt.
        show(&durable, number, false);
        let exhaustive = pending.len() <= EXHAUSTIVE;
        if exhaustive {
            one_by_one(&durable, &pending, effort.cuts, &mut |image| {
                show(image, number, false);
            });
        }
        if pending.len() > 1 {
            let mixtures = if exhaustive {
                effort.mixed
            } else {
                effort.seeded
            };
            for _ in 0..mixtures {
                let mut image = durable.clone();
                // From nearly nothing to nearly everything.
                let lost = 1 + random() % 7;
                for call in &pending {
                    match (random() % 8, call) {
                        (dice, _) if dice < lost => {}
                        (7, Call::Write { bytes, .. }) => {
                            let sectors = bytes.len().div_ceil(SECTOR) as u64;
                            let at = usize::try_from(random() % sectors).unwrap() * SECTOR;
                            let part = if random().is_multiple_of(2) {
                                0..at
                            } else {
                                at..bytes.len()
                            };
                            apply(&mut image, call, Some(part));
                        }
                        _ => apply(&mut image, call, None),
                    }
                }
                show(&image, number, !exhaustive);
            }
        }
        pending
            .drain(..)
            .for_each(|call| apply(&mut durable, call, None));
        show(&durable, number + 1, false);
    }
}

/// Each pending call lost, alone, and torn.
fn one_by_one(durable: &[u8], pending: &[&Call], cuts: usize, show: &mut dyn FnMut(&[u8])) {
    for (index, one) in pending.iter().enumerate() {
        let mut lost = durable.to_vec();
        for (other, call) in pending.iter().enumerate() {
            if other != index {
                apply(&mut lost, call, None);
            }
        }
        show(&lost);
        let mut alone = durable.to_vec();
        apply(&mut alone, one, None);
        show(&alone);
        let Call::Write { bytes, .. } = one else {
            continue;
        };
        let meta = is_meta(bytes);
        let step = if meta { 1 } else { SECTOR };
        let end = if meta { 81 } else { bytes.len() };
        let places: Vec<usize> = (step..end.min(bytes.len())).step_by(step).collect();
        let most = if meta { places.len() } else { cuts };
        for cut in places
            .iter()
            .step_by(places.len().div_ceil(most.max(1)).max(1))
        {
            let mut torn = durable.to_vec();
            for (other, call) in pending.iter().enumerate() {
                apply(&mut torn, call, (other == index).then_some(0..*cut));
            }
            show(&torn);
            // The end came first.
            let mut torn = durable.to_vec();
            apply(&mut torn, one, Some(*cut..bytes.len()));
            show(&torn);
        }
    }
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
