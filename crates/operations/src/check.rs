//! Whether a copy 2 is sound.

use crate::{Copy2, Error, Hears, blocking, place::Doing};
pub use strongroom_repository::{CheckReport, ReadData};

/// Looks whether it is sound, and reads so much of its data.
///
/// # Errors
/// Those of opening it, and where the look itself could not go on: damage is no error.
pub async fn check(copy2: &Copy2, read: ReadData, progress: Hears) -> Result<CheckReport, Error> {
    let repo = copy2.open(Doing::Looking).await?;
    blocking(move || {
        progress.phase("check");
        let report = repo.check(read, &|_, all| {
            progress.expect(all, 0);
            progress.advance(1, 0);
        });
        Ok(report?)
    })
    .await
}
