//! A time limit for calls to a file system that may never answer: a network mount whose server is
//! gone, or a mount of another user.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

/// The time for one call, in milliseconds.
const ONE_CALL: u64 = 2_000;
/// The time for one call after too many of them did not answer, in milliseconds.
const IMPATIENT: u64 = 5;

/// What is left to wait for calls that do not answer, in milliseconds.
static PATIENCE: AtomicU64 = AtomicU64::new(10_000);

/// Runs `work` in a thread. None if it has no result within 2 seconds; it is then left to itself.
/// After five such calls the limit is 5 milliseconds.
pub fn within<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let limit = ONE_CALL
        .min(PATIENCE.load(Ordering::Relaxed))
        .max(IMPATIENT);
    let result = within_time(Duration::from_millis(limit), work);
    if result.is_none() {
        let spent = |left: u64| Some(left.saturating_sub(limit));
        let _ = PATIENCE.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent);
    }
    result
}

/// Runs `work` in a thread. None if it has no result in this time; it is then left to itself.
pub fn within_time<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (send, receive) = sync_channel(1);
    let started = thread::Builder::new().spawn(move || {
        // The other side is gone if the time is over.
        let _ = send.send(work());
    });
    started.ok()?;
    receive.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_answer_is_left_alone() {
        assert_eq!(within(|| 7), Some(7));
        let sleeper = || thread::sleep(Duration::from_secs(60));
        assert_eq!(within_time(Duration::from_millis(10), sleeper), None);
    }
}
