//! How a task that has more to do lets others go first.

use std::task::Poll;

/// Goes to the end of the run queue.
///
/// `tokio::task::yield_now` would not: its wake-up is put off until the worker has looked at its
/// sockets, and then lands in the slot that runs before the queue. A worker that looks at its
/// sockets after every task (see [`super::runtime`]) would run the same task again and again, and
/// as many busy publishers as there are workers would keep everybody else from running. A task
/// that is woken while it runs is put behind the others of its worker.
pub(crate) async fn behind_others() {
    let mut went = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut went, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}
