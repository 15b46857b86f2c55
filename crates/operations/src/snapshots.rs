//! Which snapshot somebody means.

use crate::{Error, Kind, Remedy};
use jiff::Timestamp;
use strongroom_model::Series;
use strongroom_repository::Repository;
pub use strongroom_repository::{Id, Snapshot};

/// Where the tenant's configuration stands in a snapshot.
pub const SETTINGS: &str = "/tenant/configuration";

/// Whether a path is one of the series of settings.
pub fn is_of_settings(path: &str) -> bool {
    let path = format!("/{}/", path.trim_matches('/'));
    path.starts_with(&format!("{SETTINGS}/")) || path == "/tenant/identity.json/"
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

/// The same for whoever names a path of its tree: `latest` is the newest of the series that the
/// path is of.
///
/// # Errors
/// As [`snapshot`].
pub fn of_path(repo: &Repository, word: &str, path: &str) -> Result<(Id, Snapshot), Error> {
    if word == "latest"
        && is_of_settings(path)
        && let Some(found) = repo.head(None, &Series::SETTINGS)?
    {
        return Ok(found);
    }
    // Older programs kept the settings within the data.
    snapshot(repo, word)
}

/// Says of a snapshot that claims a time which has not come that it does.
pub fn ahead_of_the_clock(found: &(Id, Snapshot), now: Timestamp) -> Option<String> {
    strongroom_engine::clean::ahead_of_the_clock(found, now)
}
