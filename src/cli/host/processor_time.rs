//! The work of a test, which a busy machine does not make longer.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How long this thread computed while it did the work. The time in which it waited for a processor
/// is not in it.
pub fn processor_time<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let before = now();
    let result = work();
    (result, now() - before)
}

#[test]
fn waiting_is_not_work() {
    let (_, slept) = processor_time(|| std::thread::sleep(Duration::from_millis(300)));
    assert!(slept < Duration::from_millis(150), "{slept:?}");
    let (sum, worked) =
        processor_time(|| (0..1_000_000_u64).map(std::hint::black_box).sum::<u64>());
    assert_eq!(sum, 499_999_500_000);
    assert!(worked > Duration::ZERO);
}
