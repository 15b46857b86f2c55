use crate::files::Accounts;
use std::{path::PathBuf, sync::Arc};
use strongroom_model::Clock;

/// What no library may find out by itself of the computer that it runs on, and whose it is. The
/// binary makes it, once; a test says what it likes.
#[derive(Clone)]
pub struct Host {
    /// The wall clock, or what stands for it.
    pub clock: Arc<dyn Clock>,
    /// The name of this computer.
    pub name: String,
    /// Who runs the program, as the system calls them; decisions without a name of their own are
    /// theirs.
    pub account: String,
    /// Whose files are relied on.
    pub accounts: Accounts,
    /// Where local caches go when nobody says it, or why there is no such place, as the end of a
    /// sentence.
    pub cache_default: Result<PathBuf, String>,
}
