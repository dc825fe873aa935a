//! The wish to stop, told to every part of the process at once.

use std::future::Future;

use tokio::sync::watch;

/// Asks every holder of a [`Stop`] to finish; dropping it asks too.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// Tells whether the process shall stop. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

/// A wish that nobody has uttered yet.
#[must_use]
pub fn channel() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Asks everybody to finish what is in hand and to start nothing.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Whether the process shall stop.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Ends when the process shall stop.
    pub fn requested(&self) -> impl Future<Output = ()> + Send + Sync + 'static + use<> {
        let mut receiver = self.0.clone();
        async move {
            // An error means that the Stopper is gone: that asks too.
            let _ = receiver.wait_for(|it| *it).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_hears_the_wish_also_when_it_came_before() {
        let (stopper, stop) = channel();
        let early = tokio::spawn(stop.requested());
        assert!(!stop.is_requested());
        stopper.stop();
        assert!(stop.is_requested());
        early.await.unwrap();
        stop.clone().requested().await;
    }

    #[tokio::test]
    async fn a_dropped_stopper_asks_too() {
        let (stopper, stop) = channel();
        drop(stopper);
        stop.requested().await;
        assert!(stop.is_requested());
    }
}
