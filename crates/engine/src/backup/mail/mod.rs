//! One mailbox: its folders, then each folder's messages.

mod folders;
mod message;
mod round;

use super::run::Run;
use crate::{Error, layout};
use std::{collections::HashSet, sync::Arc};
use strongroom_model::{Alarm, AlarmKind, ItemId, Severity, fit_name};
use strongroom_sources::{ErrorKind, users::User};

/// A folder and where it stands.
#[derive(Debug, Clone)]
struct Folder {
    id: ItemId,
    /// Below the mailbox.
    path: Vec<String>,
    link: Option<String>,
    /// The service's own count, when it was told in this run.
    total: Option<u64>,
    label: Option<String>,
}

/// A message that left a folder: deleted, or moved to one that is read later.
struct Left {
    folder: ItemId,
    id: ItemId,
}

struct Mailbox<'r> {
    run: &'r Arc<Run>,
    user: &'r User,
    base: Vec<String>,
}

/// Backs up a mailbox. Only the repository's errors come back; everything else is in the run's
/// report.
pub(super) async fn mailbox(run: &Arc<Run>, user: &User) -> Result<(), Error> {
    let base = vec![layout::MAIL.to_owned(), fit_name(&user.name, &user.id.0, &[]).0];
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
        let mut folders = Vec::new();
        self.stored_folders(&[], &mut folders)?;
        let mut left = Vec::new();
        let (mut folders, gone, facts) = self.read_folders(known, folders).await?;
        let mut before = 0;
        for folder in &folders {
            before += self.count(folder)?.unwrap_or(0);
        }
        run.pattern(&self.user.name, |p| p.messages_before += before);
        let mut links = Vec::new();
        for folder in &mut folders {
            links.push(self.messages(folder, &mut left).await?);
        }
        // A folder that could not be read whole may be where a message went: nothing is taken away,
        // and no link is kept, so that the next run hears of everything again.
        if links.iter().any(Option::is_none) {
            return Ok(());
        }
        let mut waiting = HashSet::new();
        for folder in &folders {
            let asked = run.pending(&self.path(&folder.path))?;
            waiting.extend(asked.items.into_iter().map(|p| p.value.id));
        }
        let mut deleted = 0;
        for l in left.iter().filter(|l| !waiting.contains(&l.id)) {
            deleted += u64::from(self.remove_if_still_there(l)?);
        }
        for folder in gone {
            deleted += self.remove_folder(&folder)?;
        }
        run.count_deleted(deleted);
        run.pattern(&self.user.name, |p| p.messages_deleted += deleted);
        // Links last: until here a partial snapshot leads the next run over everything again, which
        // is harmless.
        for (folder, link) in folders.iter().zip(links) {
            let path = self.path(&folder.path);
            let path = layout::refs(&path);
            if let (Some(mut facts), Some((link, changed))) = (run.dir_facts(&path)?, link) {
                let old = facts.clone();
                run.keep_link(&mut facts, Some(&old), link, changed);
                run.put_dir(&path, &facts)?;
            }
            run.coverage(
                &self.user.name,
                folder.label.as_deref().unwrap_or(&folder.path.join("/")),
                self.count(folder)?,
                None,
            );
        }
        run.put_dir(&layout::refs(&self.base), &facts)
    }
}
