//! A school's data is backed up as its configuration says.

use crate::{
    Error, Hears, Identity, School,
    alarms::looked_at,
    blocking,
    decisions::{accept_unread, accepted_unread},
};
use jiff::civil::Date;
use std::{path::Path, sync::Arc};
use strongroom_engine::BackupOptions;
pub use strongroom_engine::BackupReport;
use strongroom_model::decision::Decision;
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
    Ok(strongroom_engine::backup(repo, client, options, progress).await?)
}
