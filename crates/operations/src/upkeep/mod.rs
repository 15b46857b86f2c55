//! What takes something away from a copy 2, or protects less of it.

mod forget;
mod prune;
mod release_hold;

pub use forget::{Forget, ForgetReport, ForgetRequest, ForgetWork};
pub use prune::{Prune, PruneReport, PruneWork};
pub use release_hold::{ReleaseHold, ReleaseHoldRequest, ReleaseHoldWork};
pub use strongroom_repository::{ForgetPlan, PruneOptions, PrunePlan, RetentionPolicy};

use crate::{Copy2, Error, Kind, Remedy};
use strongroom_model::Series;
use strongroom_repository::{Id, Repository, Snapshot};

impl Copy2 {
    /// What its school's configuration keeps of it: nothing in particular where it was named by
    /// itself.
    pub fn retention(&self) -> RetentionPolicy {
        let entry = self.school_name().and_then(|_| self.entry());
        entry.and_then(|entry| entry.retention.clone()).unwrap_or_default()
    }
}

/// The snapshot that somebody means: by its id, the first digits of one, `latest`, or
/// `latest:settings`.
///
/// # Errors
/// [`Kind::Request`], where there is none, or several are meant; and those of reading.
pub fn snapshot(repo: &Repository, word: &str) -> Result<(Id, Snapshot), Error> {
    let none = |what: String| Error::new(Kind::Request, what);
    let all = repo.snapshots()?;
    if let Some(rest) = word.strip_prefix("latest")
        && (rest.is_empty() || rest.starts_with(':'))
    {
        let series = match rest.strip_prefix(':') {
            None => Series::DATA,
            Some(name) => Series::parse(name).ok_or_else(|| {
                none(format!("{name:?} is no series of snapshots; `latest:settings` is one"))
            })?,
        };
        return repo.head_of(&all, None, &series)?.cloned().ok_or_else(|| {
            none(match series.is_data() {
                true => "the repository holds no snapshot yet".to_owned(),
                false => format!("the repository holds no snapshot of its {series} yet"),
            })
        });
    }
    let found: Vec<_> =
        all.into_iter().filter(|(id, _)| id.to_string().starts_with(word)).collect();
    match <[_; 1]>::try_from(found) {
        Ok([one]) => Ok(one),
        Err(found) if found.is_empty() => {
            Err(none(format!("no snapshot begins with {word:?}")).with(Remedy::ListSnapshots))
        }
        Err(found) => {
            Err(none(format!("{} snapshots begin with {word:?}; give more digits", found.len())))
        }
    }
}
