//! Runs work on all processors, with the results in the order of the input and only a few of them in
//! memory.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use crate::error::Result;

/// Results in progress for each worker. One slow item holds up no more than these.
const AHEAD: usize = 4;

/// Maximum number of workers.
const MOST_WORKERS: usize = 32;

/// Calls `work` for each item, in parallel, and passes the results to `sink`, in the order of the
/// items.
///
/// # Errors
/// The first error of `sink`. No further items are taken then.
pub fn in_order<T: Send, R: Send>(
    items: impl Iterator<Item = T>,
    work: &(impl Fn(T) -> R + Sync),
    sink: &mut dyn FnMut(R) -> Result<()>,
) -> Result<()> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let workers = workers.min(MOST_WORKERS);
    let (jobs, queue) = mpsc::channel::<(T, mpsc::SyncSender<R>)>();
    let queue = Mutex::new(queue);
    thread::scope(|scope| {
        // Moved into this closure, so that the queue is closed however the closure ends.
        let jobs = jobs;
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((item, done)) = job else { return };
                    // The other side is gone if the sink has failed.
                    let _ = done.send(work(item));
                }
            });
        }
        let mut under_way: VecDeque<mpsc::Receiver<R>> = VecDeque::new();
        let mut finish = |result: mpsc::Receiver<R>| match result.recv() {
            Ok(result) => sink(result),
            // A worker panicked. The scope passes the panic on.
            Err(_) => Ok(()),
        };
        for item in items {
            if under_way.len() >= workers * AHEAD
                && let Some(oldest) = under_way.pop_front()
            {
                finish(oldest)?;
            }
            let (done, result) = mpsc::sync_channel(1);
            if jobs.send((item, done)).is_err() {
                break;
            }
            under_way.push_back(result);
        }
        under_way.into_iter().try_for_each(finish)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::error::{Error, ErrorKind};

    #[test]
    fn results_come_in_order_and_complete() {
        for number in [0, 1, 7, 500] {
            let mut seen = Vec::new();
            let work = |n: u64| {
                // The later ones are often ready first.
                thread::sleep(Duration::from_micros(n.wrapping_mul(7_919) % 97));
                n * 2
            };
            in_order(0..number, &work, &mut |result| {
                seen.push(result);
                Ok(())
            })
            .unwrap();
            assert_eq!(seen, (0..number).map(|n| n * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn only_a_few_are_ahead_and_none_after_an_error() {
        let taken = AtomicUsize::new(0);
        let items = (0..100_000).inspect(|_| {
            taken.fetch_add(1, Ordering::SeqCst);
        });
        let mut seen = 0;
        let failed = in_order(items, &|n: u32| n, &mut |_| {
            seen += 1;
            match seen {
                10 => Err(Error::new(ErrorKind::Io, "full")),
                _ => Ok(()),
            }
        });
        assert!(failed.is_err());
        assert!(taken.load(Ordering::SeqCst) <= 12 + MOST_WORKERS * AHEAD);
    }
}
