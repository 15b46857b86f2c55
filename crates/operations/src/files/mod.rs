//! Files of this host that the program relies on or makes: whose they are, who else may change
//! them, and what must not lie in their place.

pub mod cache;
mod owned;
pub mod rebuilding;
pub mod secrets;
pub mod written;

pub use owned::Accounts;

use crate::{Error, Kind};
use std::path::Path;

/// The text of a file that somebody names, and nothing but a file.
///
/// # Errors
/// [`Kind::Files`], where it cannot be read, or is longer.
pub fn read_text(path: &Path, bytes_max: u64) -> Result<String, Error> {
    strongroom_objects::read_regular_text(path, bytes_max)
        .map_err(|e| Error::because(Kind::Files, format!("{} cannot be read", path.display()), e))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Accounts;

    /// The account that the tests run as, and nobody who asked for its rights.
    pub(crate) fn own() -> Accounts {
        Accounts {
            user: rustix::process::geteuid().as_raw(),
            group: rustix::process::getegid().as_raw(),
            asking_user: None,
            asking_group: None,
        }
    }
}
