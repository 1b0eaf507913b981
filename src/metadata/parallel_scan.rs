//! Processes the pairs of a large bucket in parallel, with the results in order.

use std::collections::VecDeque;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::{Mutex, mpsc};
use std::thread;

use zeroize::Zeroizing;

use crate::error::Result;
use crate::finding::Finding;
use crate::store::{Snapshot, Visitor};

/// Bytes of keys and values in one batch; fewer are not worth a thread.
const BATCH: usize = 256 << 10;

/// Batches in progress for each worker, so that no worker waits for the file.
const AHEAD: usize = 3;

/// Maximum number of workers: one reading thread can't keep more of them busy.
const MOST_WORKERS: usize = 8;

/// Calls `work` for every pair of `bucket` and passes the results to `sink`, in ascending order of
/// keys. Each result is for up to a few thousand consecutive pairs. Returns findings about skipped
/// parts.
///
/// # Errors
/// As [`Snapshot::scan`]; `sink` may have received results before.
pub fn scan<R: Default + Send>(
    snapshot: &dyn Snapshot,
    bucket: &[u8],
    work: &(impl Fn(&mut R, &[u8], &[u8]) + Sync),
    sink: &mut impl FnMut(R),
) -> Result<Vec<Finding>> {
    let read = |visit: &mut Visitor<'_>| snapshot.scan(bucket, visit);
    in_parallel(&read, work, sink)
}

/// [`scan`] in any order of keys, see [`Snapshot::scan_any_order`].
///
/// # Errors
/// As [`scan`].
pub fn scan_any_order<R: Default + Send>(
    snapshot: &dyn Snapshot,
    bucket: &[u8],
    work: &(impl Fn(&mut R, &[u8], &[u8]) + Sync),
    sink: &mut impl FnMut(R),
) -> Result<Vec<Finding>> {
    let read = |visit: &mut Visitor<'_>| snapshot.scan_any_order(bucket, visit);
    in_parallel(&read, work, sink)
}

/// The callback of [`pairs`].
pub type EachPair<'v> = dyn FnMut(&[u8], &[u8]) + 'v;

/// Calls `work` for every pair that `read` passes to its callback, as [`scan`] does.
pub fn pairs<R: Default + Send>(
    read: &dyn Fn(&mut EachPair<'_>),
    work: &(impl Fn(&mut R, &[u8], &[u8]) + Sync),
    sink: &mut impl FnMut(R),
) {
    let read = |visit: &mut Visitor<'_>| {
        read(&mut |key, value| {
            // Nothing stops it before the end.
            let _ = visit(key, value);
        });
        Ok(Vec::new())
    };
    // Nothing is read from a file, so nothing can fail.
    let _ = in_parallel(&read, work, sink);
}

fn in_parallel<R: Default + Send>(
    read: &dyn Fn(&mut Visitor<'_>) -> Result<Vec<Finding>>,
    work: &(impl Fn(&mut R, &[u8], &[u8]) + Sync),
    sink: &mut impl FnMut(R),
) -> Result<Vec<Finding>> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let workers = workers.min(MOST_WORKERS);
    let (jobs, queue) = mpsc::channel::<Job<R>>();
    let queue = Mutex::new(queue);
    thread::scope(|scope| {
        // Moved into this closure, so that the workers' queue is closed however the closure ends.
        let jobs = jobs;
        let mut running = 0;
        let mut under_way = VecDeque::new();
        let mut batch = Batch::default();
        let skipped = read(&mut |key, value| {
            batch.add(key, value);
            if batch.bytes.len() < BATCH {
                return ControlFlow::Continue(());
            }
            while running < workers {
                scope.spawn(|| serve(&queue, work));
                running += 1;
            }
            let spare = if under_way.len() < workers * AHEAD {
                None
            } else {
                finish(&mut under_way, sink)
            };
            let (done, result) = mpsc::sync_channel(1);
            under_way.push_back(result);
            let full = std::mem::replace(&mut batch, spare.unwrap_or_default());
            match jobs.send(Job { batch: full, done }) {
                Ok(()) => ControlFlow::Continue(()),
                // The queue lives as long as this closure.
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        while finish(&mut under_way, sink).is_some() {}
        sink(batch.work(work));
        Ok(skipped)
    })
}

/// Consecutive pairs, copied.
#[derive(Default)]
struct Batch {
    /// Keys and values in a row. They may be tokens.
    bytes: Zeroizing<Vec<u8>>,
    /// Where each key and each value ends.
    ends: Vec<(usize, usize)>,
}

impl Batch {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(key);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.ends.push((middle, self.bytes.len()));
    }

    fn work<R: Default>(&self, work: &impl Fn(&mut R, &[u8], &[u8])) -> R {
        let mut result = R::default();
        let mut start = 0;
        for (middle, end) in &self.ends {
            let key = self.bytes.get(start..*middle).unwrap_or_default();
            let value = self.bytes.get(*middle..*end).unwrap_or_default();
            work(&mut result, key, value);
            start = *end;
        }
        result
    }

    /// Empties it, but keeps its memory.
    fn emptied(mut self) -> Self {
        // Not zeroized here: the next pairs overwrite these bytes.
        self.bytes.clear();
        self.ends.clear();
        self
    }
}

/// A batch, and the channel for its result.
struct Job<R> {
    batch: Batch,
    done: mpsc::SyncSender<(R, Batch)>,
}

/// The loop of a worker, until there are no more jobs.
fn serve<R: Default>(queue: &Mutex<mpsc::Receiver<Job<R>>>, work: &impl Fn(&mut R, &[u8], &[u8])) {
    loop {
        let job = match queue.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok(Job { batch, done }) = job else { return };
        let result = batch.work(work);
        if done.send((result, batch)).is_err() {
            return;
        }
    }
}

/// Waits for the oldest batch and passes its result on. Returns the batch for reuse, or `None` when
/// none is in progress.
fn finish<R>(
    under_way: &mut VecDeque<mpsc::Receiver<(R, Batch)>>,
    sink: &mut impl FnMut(R),
) -> Option<Batch> {
    let (result, batch) = under_way.pop_front()?.recv().ok()?;
    sink(result);
    Some(batch.emptied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Model;

    #[test]
    fn results_come_in_order_and_complete() {
        let sizes = [0, 1, 100, 20_000];
        for size in sizes {
            let mut model = Model::default();
            for n in 0..size {
                model.put(b"b", format!("{n:08}").as_bytes(), &[b'x'; 90]);
            }
            let mut keys = Vec::new();
            let mut calls = 0;
            let skipped = scan(
                &model,
                b"b",
                &|keys: &mut Vec<Vec<u8>>, key, value| {
                    assert_eq!(value.len(), 90);
                    keys.push(key.to_vec());
                },
                &mut |more: Vec<Vec<u8>>| {
                    calls += 1;
                    keys.extend(more);
                },
            )
            .unwrap();
            assert!(skipped.is_empty());
            let wanted: Vec<Vec<u8>> = (0..size).map(|n| format!("{n:08}").into_bytes()).collect();
            assert_eq!(keys, wanted);
            // The largest must be split into several parts, otherwise this test is useless.
            assert_eq!(calls > 1, size == 20_000);
        }
        println!("cases: parallel-scan {}", sizes.len());
    }
}
