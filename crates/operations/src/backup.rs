//! A school's data is backed up as its configuration says.

use crate::{
    Duty, Error, FoundAlarm, Hears, Identity, School,
    alarms::looked_at,
    blocking,
    decisions::{accept_unread, accepted_unread},
    tell::Look,
};
use jiff::civil::Date;
use std::{path::Path, sync::Arc};
use strongroom_custody::heartbeat::{self, Beat};
pub use strongroom_engine::BackupReport;
use strongroom_engine::{BackupOptions, HearsAlarms, MadeBefore};
use strongroom_model::{Alarm, decision::Decision};
use strongroom_repository::Repository;

/// Keeps that somebody knows of items that the newest snapshot names as not read: who, why, until
/// when, and their key file.
///
/// # Errors
/// As [`accept_unread`], and those of reading.
pub async fn accept(
    school: &School,
    repo: &Arc<Repository>,
    ids: &[String],
    said: (&str, &str, Option<Date>, Option<&Path>),
) -> Result<(), Error> {
    let (repo, name) = (repo.clone(), school.name().to_owned());
    let unread = blocking(move || Ok(strongroom_engine::unread_items(&repo, &name)?)).await?;
    accept_unread(school, &unread, ids, said)
}

/// Backs it up into its copy 2, which was opened: of these people, or of everybody. What was
/// decided is taken into account. It ends with what it has when the host is asked to stop.
///
/// # Errors
/// Where nobody can sign in, and those of a backup: [`crate::Kind::Locked`],
/// [`crate::Kind::NothingRead`], [`crate::Kind::Interrupted`] and what copy 2 and the tenant have.
pub async fn back_up(
    school: &School,
    repo: Arc<Repository>,
    users: Vec<String>,
    decided: &[Decision],
    progress: Hears,
) -> Result<BackupReport, Error> {
    let tenant = school.tenant();
    let client = school.client(Identity::Read)?;
    let mut options = BackupOptions::new(&tenant.name, school.cache()?);
    let (mail, drives) = (tenant.backup.mail, tenant.backup.drives);
    let off = [("mail", mail), ("drives", drives)].into_iter().filter(|(_, wanted)| !wanted);
    options.without = off.map(|(name, _)| name.to_owned()).collect();
    options.without.extend(tenant.backup.without.iter().cloned());
    options.holds = tenant.backup.holds;
    options.versions_max = tenant.backup.versions_max;
    options.users_at_once = tenant.backup.users_at_once.clamp(1, 64);
    options.users = users;
    options.accepted = accepted_unread(decided, school.today());
    options.acknowledged = looked_at(decided);
    options.stop = school.host().stop.clone();
    options.made_before = made_before(school);
    options.removed_by_us = school.removed_by_us();
    let of = school.clone();
    options.hears_alarms = HearsAlarms::new(move |found| heard(&of, found));
    Ok(strongroom_engine::backup(repo, client, options, progress).await?)
}

/// The last snapshot that a duty of this host made, as it was noted.
pub(crate) fn made(beat: Option<&Beat>) -> Option<MadeBefore> {
    let last = beat?.last.as_ref()?;
    let (snapshot, tags) = (last.snapshot.clone()?, last.tags.clone().unwrap_or_default());
    Some(MadeBefore { snapshot, time: last.began, tags })
}

/// The same of a duty, from the notes in a school's folder. Notes that cannot be read say nothing
/// here: how the school stands says so of them.
pub(crate) fn made_by(dir: &Path, duty: Duty) -> Option<MadeBefore> {
    let kept = heartbeat::read(dir);
    let kept = kept.inspect_err(|e| tracing::warn!("what was made before is not known: {e}"));
    made(kept.ok()??.duties.get(duty.name()))
}

fn made_before(school: &School) -> Option<MadeBefore> {
    let dir = school.state();
    let dir = dir.inspect_err(|e| {
        tracing::warn!("what was made before is not known: {}", e.sentence());
    });
    made_by(&dir.ok()?, Duty::Backup)
}

/// What a backup found until now is told, and noted as standing, whether it makes a snapshot or
/// not.
fn heard(school: &School, found: &[Alarm]) {
    let found: Vec<FoundAlarm> = found.iter().map(FoundAlarm::of).collect();
    school.note_raised(Duty::Backup, &found);
    school.tell_what(Duty::Backup.name(), &found, Look::Part);
}
