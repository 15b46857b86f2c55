//! One mailbox: its folders, then each folder's messages.

mod folders;
mod message;
mod round;

use super::run::Run;
use crate::{Error, layout};
use round::Reading;
use std::{collections::HashSet, sync::Arc};
use strongroom_model::{Alarm, AlarmKind, ItemId, Severity};
use strongroom_sources::{ErrorKind, users::User};

/// A folder and where it stands.
#[derive(Debug, Clone)]
struct Folder {
    id: ItemId,
    /// Below the mailbox.
    path: Vec<String>,
    link: Option<String>,
    label: Option<String>,
}

struct Mailbox<'r> {
    run: &'r Arc<Run>,
    user: &'r User,
    base: Vec<String>,
}

/// Backs up a mailbox. Only the repository's errors come back; everything else is in the run's
/// report.
pub(super) async fn mailbox(run: &Arc<Run>, user: &User) -> Result<(), Error> {
    let base = vec![layout::MAIL.to_owned(), run.room(user)];
    let mailbox = Mailbox { run, user, base };
    match mailbox.back_up().await {
        Ok(()) => Ok(()),
        // A user without a mailbox is no failure.
        Err(Error::Graph(e)) if e.kind == ErrorKind::NotFound => {
            let had_one =
                run.dir_facts(&layout::refs(&mailbox.base))?.is_some_and(|f| f.delta.is_some());
            if had_one {
                run.access_lost(&format!("the mailbox of {}", user.name), &e);
                run.alarm(Alarm {
                    kind: AlarmKind::UserGone,
                    severity: Severity::High,
                    scope: user.name.clone(),
                    text: format!(
                        "the mailbox of {} is gone, though the user is not; its mail \
                        stays in the backup",
                        user.name
                    ),
                    items: 1,
                });
            }
            run.coverage(&user.name, "mailbox", None, Some("the user has no mailbox"));
            Ok(())
        }
        Err(Error::Graph(e)) => {
            run.access_lost(&format!("the mailbox of {}", user.name), &e);
            run.coverage(&user.name, "mailbox", None, Some(&e.text));
            Ok(())
        }
        Err(e) => Err(e),
    }
}

impl Mailbox<'_> {
    fn path(&self, folder: &[String]) -> Vec<String> {
        [self.base.as_slice(), folder].concat()
    }

    async fn back_up(&self) -> Result<(), Error> {
        let run = self.run;
        let known = run.dir_facts(&layout::refs(&self.base))?;
        let mut stored = Vec::new();
        self.stored_folders(&[], &mut stored)?;
        let found = self.read_folders(known, stored).await?;
        let (folders, gone) = (found.folders, found.gone);
        let mut before = 0;
        for folder in folders.iter().chain(&gone) {
            before += self.count(folder)?.unwrap_or(0);
        }
        run.pattern(&self.user.name, |p| p.messages_before += before);
        let mut readings = Vec::new();
        for folder in &folders {
            readings.push(self.messages(folder).await?);
        }
        // What left one folder may be in another that could not be read.
        let unsure = readings.iter().any(|r| matches!(r, Reading::Failed(_)));
        let mut deleted = 0;
        for (folder, reading) in folders.iter().zip(&mut readings) {
            let Reading::Whole { left, .. } = reading else { continue };
            let mut waiting = HashSet::new();
            for p in run.pending(&self.path(&folder.path))?.items {
                waiting.insert(p.value.id);
            }
            let mut left = std::mem::take(left);
            left.retain(|id| !waiting.contains(id));
            let ids = match unsure {
                true => self.truly_gone(left).await?,
                false => left.into_iter().collect(),
            };
            for id in ids {
                deleted += u64::from(self.remove_if_still_there(&folder.id, &id)?);
            }
        }
        // Below first, so that what a folder holds is counted before it goes.
        let mut all_went = true;
        for folder in gone.iter().rev() {
            let (messages, went) = self.remove_folder(folder, unsure || !all_went).await?;
            deleted += messages;
            all_went &= went;
        }
        run.count_deleted(deleted);
        run.pattern(&self.user.name, |p| p.messages_deleted += deleted);
        // Links last: until here a partial snapshot leads the next run over everything again, which
        // is harmless.
        for (folder, reading) in folders.iter().zip(readings) {
            let path = self.path(&folder.path);
            let path = layout::refs(&path);
            let name = folder.label.clone().unwrap_or_else(|| folder.path.join("/"));
            let why = match reading {
                Reading::Whole { link, changed, .. } => {
                    if let Some(mut facts) = run.dir_facts(&path)? {
                        let old = facts.clone();
                        run.keep_link(&mut facts, Some(&old), link, changed);
                        run.put_dir(&path, &facts)?;
                    }
                    None
                }
                Reading::Gone => Some("the folder went while the mailbox was read".to_owned()),
                Reading::Failed(why) => Some(why),
            };
            run.coverage(&self.user.name, &name, self.count(folder)?, why.as_deref());
        }
        // A folder that stays for now is told of again.
        match all_went {
            true => run.put_dir(&layout::refs(&self.base), &found.facts),
            false => Ok(()),
        }
    }
}
