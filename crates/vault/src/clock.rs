use crate::Refusal;
use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// How far the clock may seem to go back before the vault stops taking things in.
const BACKWARDS_MAX_S: i64 = 300;
/// The mark is written when it is this old.
const WRITE_EVERY_S: i64 = 60;

/// Real time, with a mark of the latest moment ever seen: retention counts from arrival, so nobody may turn time back.
pub struct VaultClock {
    path: PathBuf,
    mark: Mutex<Mark>,
}

#[derive(Clone, Copy)]
struct Mark {
    seen: i64,
    written: i64,
}

impl VaultClock {
    pub(crate) fn open(path: &Path) -> Result<Self, Refusal> {
        let seen = match std::fs::read_to_string(path) {
            Ok(text) => text.trim().parse().map_err(|_| Refusal::Failed(format!("{} is no clock mark", path.display())))?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => 0,
            Err(e) => return Err(e.into()),
        };
        Ok(Self { path: path.to_owned(), mark: Mutex::new(Mark { seen, written: 0 }) })
    }

    /// Now; refused when the clock went back.
    #[allow(clippy::disallowed_methods)] // the vault always has real time
    pub fn now(&self) -> Result<jiff::Timestamp, Refusal> {
        let now = jiff::Timestamp::now();
        let mut mark = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        if now.as_second() + BACKWARDS_MAX_S < mark.seen {
            return Err(Refusal::Failed(format!("the vault's clock went back by {} s; set it right before anything is taken in", mark.seen - now.as_second())));
        }
        mark.seen = mark.seen.max(now.as_second());
        if mark.seen - mark.written >= WRITE_EVERY_S {
            let tmp = self.path.with_extension("new");
            std::fs::write(&tmp, mark.seen.to_string())?;
            std::fs::rename(&tmp, &self.path)?;
            mark.written = mark.seen;
        }
        Ok(now)
    }
}
