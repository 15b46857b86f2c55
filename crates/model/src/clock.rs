use std::{future::Future, pin::Pin, time::Duration};

/// A boxed sleep, so that `Clock` stays object-safe.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where time comes from.
///
/// Invariant: no library reads the wall clock by itself. Backups of a demonstration are back-dated,
/// throttle simulations run on a virtual clock, and the vault hands in real time always.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> jiff::Timestamp;
    /// Completes once `duration` has passed on this clock.
    fn sleep(&self, duration: Duration) -> Sleep;
}
