//! Runs waiting test cases in parallel. The locks of one case don't affect the others.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use boltkey::store::OpenOptions;

/// How many cases run at once.
pub const WORKERS: usize = 8;

/// Tries every case, several at once, and returns the results in the order of the cases. The
/// worker's number, below [`WORKERS`], lets each worker have files of its own. A case that panics
/// fails the test once the other workers are done.
pub fn side_by_side<C: Send, R: Send>(
    cases: impl IntoIterator<Item = C, IntoIter: Send>,
    try_case: impl Fn(usize, C) -> R + Sync,
) -> Vec<R> {
    let cases = Mutex::new(cases.into_iter().enumerate());
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (cases, results, try_case) = (&cases, &results, &try_case);
            scope.spawn(move || {
                loop {
                    let Some((number, case)) = cases.lock().unwrap().next() else {
                        return;
                    };
                    let result = try_case(worker, case);
                    results.lock().unwrap().push((number, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Opens a store as soon as its lock is free: a child that another test is just starting holds
/// this process's locks until it runs.
pub fn patient() -> OpenOptions {
    let mut options = OpenOptions::default();
    options.lock.wait = Duration::from_secs(20);
    options
}
