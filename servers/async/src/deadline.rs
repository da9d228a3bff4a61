use std::{
    future::{Future as _, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::time::{Sleep, sleep};

/// A timer that is set once for many deadlines: as long as each is later than the last, it is left alone, and when it
/// fires it looks which one holds now. So a request does not pay for a timer.
pub(crate) struct Deadline {
    sleep: Pin<Box<Sleep>>,
}

impl Deadline {
    pub(crate) fn new() -> Self {
        Self { sleep: Box::pin(sleep(Duration::ZERO)) }
    }

    /// Awaits what `poll` polls, until the deadline; nothing if that came first.
    pub(crate) async fn bound<T>(
        &mut self,
        at: Option<Instant>,
        mut poll: impl FnMut(&mut Context) -> Poll<T>,
    ) -> Option<T> {
        let sleep = &mut self.sleep;
        poll_fn(|context| {
            if let Poll::Ready(done) = poll(context) {
                return Poll::Ready(Some(done));
            }
            let Some(at) = at else { return Poll::Pending };
            if sleep.deadline().into_std() > at {
                sleep.as_mut().reset(at.into());
            }
            while sleep.as_mut().poll(context).is_ready() {
                if at <= Instant::now() {
                    return Poll::Ready(None);
                }
                sleep.as_mut().reset(at.into());
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never(_: &mut Context) -> Poll<()> {
        Poll::Pending
    }

    #[tokio::test]
    async fn deadlines_may_come_in_any_order() {
        let mut deadline = Deadline::new();
        for milliseconds in [20, 60, 10, 30] {
            let start = Instant::now();
            let at = start + Duration::from_millis(milliseconds);
            assert_eq!(deadline.bound(Some(at), never).await, None);
            assert!(start.elapsed() >= Duration::from_millis(milliseconds));
        }
    }

    #[tokio::test]
    async fn what_is_ready_does_not_wait() {
        let mut deadline = Deadline::new();
        assert_eq!(deadline.bound(None, |_| Poll::Ready(1)).await, Some(1));
        assert_eq!(deadline.bound(Some(Instant::now()), |_| Poll::Ready(2)).await, Some(2));
    }
}
