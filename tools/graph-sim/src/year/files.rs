//! Files and folders of a drive.

use super::{Event, FolderKey, Life, state::has};
use crate::drives::{
    documents,
    sharing::{Grant, Recipient},
    state::Drive,
};
use bytes::Bytes;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use std::{collections::BTreeMap, ops::Bound};

fn parent_id(
    folders: &BTreeMap<FolderKey, String>,
    drive: &Drive,
    parent: Option<FolderKey>,
) -> Option<String> {
    match parent {
        None => Some(drive.root.clone()),
        Some(key) => folders.get(&key).filter(|id| drive.items.contains_key(*id)).cloned(),
    }
}

fn is_below(drive: &Drive, id: &str, above: &str) -> bool {
    let mut at = id;
    while let Some(item) = drive.items.get(at) {
        if at == above {
            return true;
        }
        at = &item.parent;
    }
    false
}

fn content(form: u32, seed: u64) -> Bytes {
    documents::any(&mut ChaCha20Rng::seed_from_u64(seed), form as usize).1
}

impl Life {
    pub(super) fn act_on_files(&mut self, event: &Event) -> Option<()> {
        let person = *event.people().first()?;
        let owner = self.people.get(&person)?.clone();
        let mut world = self.sim.world();
        let now = world.now();
        let now = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
        // Whom somebody shares with: the next in the order of ids.
        let users = &world.tenants[self.tenant].users;
        let after = users.range::<String, _>((Bound::Excluded(&owner), Bound::Unbounded)).next();
        let other = after.or(users.iter().next()).map(|(id, u)| Recipient::Person {
            id: Some(id.clone()),
            name: u.name.clone(),
            email: u.upn.clone(),
        });
        let (user, ids) = world.tenants[self.tenant].user_mut(&owner)?;
        if !has(user).1 {
            return None;
        }
        let drive = &mut user.drive;
        let there = |drive: &Drive, id: Option<&String>| {
            id.filter(|id| drive.items.contains_key(*id)).cloned()
        };
        match event {
            Event::Folder { folder, parent, name, .. } => {
                let parent = parent_id(&self.folders, drive, *parent)?;
                if self.folders.contains_key(folder) || drive.child(&parent, name).is_some() {
                    return None;
                }
                let id = drive.new_folder(ids, &parent, name, now);
                self.folders.insert(*folder, id);
            }
            Event::RenameFolder { folder, name, .. } => {
                let id = there(drive, self.folders.get(folder))?;
                let parent = drive.items.get(&id)?.parent.clone();
                if drive.child(&parent, name).is_some() {
                    return None;
                }
                drive.move_to(&id, &parent, name, now);
            }
            Event::MoveFolder { folder, parent, .. } => {
                let id = there(drive, self.folders.get(folder))?;
                let parent = parent_id(&self.folders, drive, *parent)?;
                let name = drive.items.get(&id)?.name.clone();
                if is_below(drive, &parent, &id) || drive.child(&parent, &name).is_some() {
                    return None;
                }
                drive.move_to(&id, &parent, &name, now);
            }
            Event::DeleteFolder { folder, .. } => {
                let id = there(drive, self.folders.get(folder))?;
                drive.destroy(&id, now);
            }
            Event::File { file, parent, name, form, seed, .. } => {
                let parent = parent_id(&self.folders, drive, *parent)?;
                if self.files.contains_key(file) || drive.child(&parent, name).is_some() {
                    return None;
                }
                let id = drive.new_file(ids, &parent, name, content(*form, *seed), now, (now, now));
                self.files.insert(*file, id);
            }
            Event::EditFile { file, form, seed, .. } => {
                let id = there(drive, self.files.get(file))?;
                drive.write(&id, content(*form, *seed), now, now);
            }
            Event::ReplaceFile { old, file, form, seed, .. } => {
                let id = there(drive, self.files.get(old))?;
                if self.files.contains_key(file) {
                    return None;
                }
                let (parent, name) =
                    drive.items.get(&id).map(|i| (i.parent.clone(), i.name.clone()))?;
                drive.destroy(&id, now);
                let id =
                    drive.new_file(ids, &parent, &name, content(*form, *seed), now, (now, now));
                self.files.insert(*file, id);
            }
            Event::RenameFile { file, name, .. } => {
                let id = there(drive, self.files.get(file))?;
                let parent = drive.items.get(&id)?.parent.clone();
                if drive.child(&parent, name).is_some() {
                    return None;
                }
                drive.move_to(&id, &parent, name, now);
            }
            Event::MoveFile { file, parent, .. } => {
                let id = there(drive, self.files.get(file))?;
                let parent = parent_id(&self.folders, drive, *parent)?;
                let name = drive.items.get(&id)?.name.clone();
                if drive.child(&parent, &name).is_some() {
                    return None;
                }
                drive.move_to(&id, &parent, &name, now);
            }
            Event::ShareFile { file, .. } => {
                let id = there(drive, self.files.get(file))?;
                let to = other?;
                if drive.items.get(&id)?.grants.iter().any(|g| g.to == to) {
                    return None;
                }
                let grant =
                    Grant { id: ids.exchange("aTow"), role: "write".into(), to, expires: None };
                drive.share(&id, |grants| grants.push(grant));
            }
            Event::DeleteFile { file, .. } => {
                let id = there(drive, self.files.get(file))?;
                drive.destroy(&id, now);
            }
            Event::DeleteMany { percent, .. } => {
                let mut ids = drive.files();
                ids.truncate(ids.len() * *percent as usize / 100);
                if ids.is_empty() {
                    return None;
                }
                for id in ids {
                    drive.destroy(&id, now);
                }
            }
            Event::EncryptMany { files, seed, .. } => {
                let ids: Vec<String> = drive.files().into_iter().take(*files as usize).collect();
                if ids.is_empty() {
                    return None;
                }
                for (n, id) in (0..).zip(ids) {
                    let plain = drive.items.get(&id)?.current()?.content.clone();
                    let mut out = vec![0; plain.len() + 256];
                    ChaCha20Rng::seed_from_u64(seed ^ n).fill_bytes(&mut out);
                    drive.write(&id, out.into(), now, now);
                }
            }
            _ => return None,
        }
        Some(())
    }
}
