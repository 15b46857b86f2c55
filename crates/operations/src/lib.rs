//! What the product does, for any face: a command line, a service, a test.
//!
//! Everything here is told what it needs. It knows no terminal, no command line and no
//! environment, asks nobody anything and prints nothing; the wall clock, the account and the places
//! of this computer arrive in a [`Host`]. What goes wrong is an [`Error`]: a sentence without a
//! command in it, the [`Kind`] that a program goes by, and the [`Remedy`] that a face words as the
//! command, button or answer of its own.
//!
//! It starts at [`School`]: which school, where its copies are, who signs in. Whatever needs no
//! tenant starts at its [`Copy2`].

pub mod acceptance;
pub mod alarms;
pub mod approvers;
pub mod assess;
pub mod backup;
pub mod browse;
pub mod canary;
pub mod check;
pub mod config;
mod copy2;
mod damage;
pub mod decisions;
mod duty;
mod error;
pub mod files;
pub mod fleet;
mod grave;
mod host;
pub mod independence;
pub mod keys;
mod listed;
pub mod nightly;
pub mod place;
pub mod plan;
pub mod protection;
pub mod recovery;
mod removed;
pub mod repair;
pub mod replicate;
pub mod restore;
mod restoring;
pub mod reviews;
pub mod rules;
mod school;
pub mod settings;
pub mod sheets;
pub mod snapshots;
pub mod status;
mod tell;
pub mod upkeep;
pub mod vault;

use std::sync::Arc;

pub use copy2::{Choice, Copy2};
pub use damage::{Part, Standing};
pub use duty::{Attempt, Duty};
pub use error::{Error, Kind, Remedy};
pub use host::{DiskRoom, Host, Room, Wrap};
pub use restoring::{BroughtBack, Restoring};
pub use school::{Identity, School};
pub use strongroom_engine::Stop;
pub use strongroom_graph::TokioClock;
pub use tell::{AlarmTest, FoundAlarm};

/// From now on nothing of this process waits for a copy that does not answer: what waits gives up
/// at once. For who was interrupted.
pub fn stop_waiting() {
    strongroom_objects::stop_waiting();
}

/// Hears how the work goes on.
type Hears = Arc<dyn strongroom_model::Progress>;

/// Runs what blocks on a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(Error::stopped)?
}
