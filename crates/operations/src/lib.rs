//! What the product does, for any face: a command line, a service, a test.
//!
//! Everything here is told what it needs. It knows no terminal, no command line and no
//! environment, asks nobody anything and prints nothing; the wall clock, the account and the places
//! of this computer arrive in a [`Host`]. What goes wrong is an [`Error`]: a sentence without a
//! command in it, the [`Kind`] that a program goes by, and the [`Remedy`] that a face words as the
//! command, button or answer of its own.

pub mod config;
mod error;
pub mod files;
mod host;

pub use error::{Error, Kind, Remedy};
pub use host::Host;
pub use strongroom_graph::TokioClock;
