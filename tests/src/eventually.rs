//! Waiting for a state.

use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine, shorter than anybody waits for a hung test.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `look` finds something, and gives it.
///
/// # Panics
/// When that never happens; `what` says what was waited for.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What `future` gives, which must not take for ever.
///
/// # Panics
/// When it does; `what` says what was waited for.
pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("never happened: {what}"),
    }
}
