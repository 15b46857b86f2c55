//! Whether a copy 2 is sound.

use crate::{Copy2, Error, Hears, blocking, place::Doing};
use strongroom_model::{AlarmKind, Series, Untrusted};
pub use strongroom_repository::{CheckReport, ReadData};
use strongroom_repository::{Repository, TAG_ALARM, heads};

/// Looks whether it is sound, and reads so much of its data.
///
/// # Errors
/// Those of opening it, and where the look itself could not go on: damage is no error.
pub async fn check(copy2: &Copy2, read: ReadData, progress: Hears) -> Result<CheckReport, Error> {
    let repo = copy2.open(Doing::Looking).await?;
    let copy2 = copy2.clone();
    blocking(move || {
        progress.phase("check");
        let mut report = repo.check(read, &|_, all| {
            progress.expect(all, 0);
            progress.advance(1, 0);
        })?;
        report.problems.extend(gone(&copy2, &repo).into_iter().map(Untrusted::from));
        Ok(report)
    })
    .await
}

/// How each sentence begins that says of snapshots that they are gone: any check finds that over,
/// whatever it reads.
pub(crate) const GONE: &str = "copy 2 lacks what was there: ";

/// Snapshots that were made and are not there any more, though nobody of ours let them go: what is
/// left may be sound, and is not all.
fn gone(copy2: &Copy2, repo: &Repository) -> Vec<String> {
    // What cannot be read is told by the check itself.
    let Ok(all) = repo.snapshots() else { return Vec::new() };
    let Some((school, made)) = copy2.made_before() else { return Vec::new() };
    let mut found: Vec<String> =
        made.iter().filter_map(|(_, series, made)| made.gone_from(&all, &school, series)).collect();
    let tag = format!("{TAG_ALARM}{}", AlarmKind::SnapshotGone.as_str());
    if let Some((id, s)) = heads(&all, &school, &Series::DATA).last().copied()
        && s.has_tag(&tag)
    {
        found.push(format!(
            "snapshots that were made before {} of {:.0} are gone, as that backup found, and \
             nobody has acknowledged it",
            id.short(),
            s.time
        ));
    }
    found.into_iter().map(|text| format!("{GONE}{text}")).collect()
}
