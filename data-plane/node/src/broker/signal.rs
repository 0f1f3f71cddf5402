//! One flag that any thread raises and one task waits for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

/// Wakes the task that owns a connection. Raising it twice before the task
/// looked is the same as once; a raise is never lost.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    raised: AtomicBool,
    waker: AtomicWaker,
}

impl Signal {
    /// Makes the next [`Signal::poll_raised`] ready.
    pub(crate) fn raise(&self) {
        self.raised.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Ready when raised since it was last ready. Only one task may poll it.
    pub(crate) fn poll_raised(&self, context: &mut Context<'_>) -> Poll<()> {
        // Without registering: the common case of a task that is busy anyway.
        if self.raised.swap(false, Ordering::AcqRel) {
            return Poll::Ready(());
        }
        self.waker.register(context.waker());
        // Raised between the look above and the registration: nobody wakes us for that any more.
        if self.raised.swap(false, Ordering::AcqRel) {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::task::{Wake, Waker};

    struct Flag(AtomicBool);
    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn raise_before_poll_is_not_lost_and_raise_after_poll_wakes() {
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(flag.clone());
        let mut context = Context::from_waker(&waker);
        let signal = Signal::default();

        signal.raise();
        assert!(signal.poll_raised(&mut context).is_ready());
        assert!(signal.poll_raised(&mut context).is_pending());

        signal.raise();
        assert!(flag.0.load(Ordering::SeqCst), "the waiting task was woken");
        assert!(signal.poll_raised(&mut context).is_ready());
    }
}
