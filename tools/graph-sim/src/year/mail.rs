//! Mail arrives, moves, changes and goes; so do its folders.

use super::{Event, FolderKey, Life, state::has};
use crate::{
    drives::documents,
    mail::{
        state::{Address, Attachment, AttachmentKind, Mailbox},
        write::blank,
    },
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use std::collections::BTreeMap;

/// A folder by a well-known name, or by `#` and its key.
fn place(folders: &BTreeMap<FolderKey, String>, mailbox: &Mailbox, name: &str) -> Option<String> {
    match name.strip_prefix('#') {
        Some(key) => {
            let id = folders.get(&key.parse().ok()?)?;
            mailbox.folders.contains_key(id).then(|| id.clone())
        }
        None => mailbox.folder_id(name),
    }
}

/// Whether `id` stands somewhere below `above`, or is it.
fn is_below(mailbox: &Mailbox, id: &str, above: &str) -> bool {
    let mut at = id;
    loop {
        if at == above {
            return true;
        }
        match mailbox.folders.get(at) {
            Some(folder) => at = &folder.parent,
            None => return false,
        }
    }
}

fn name_is_taken(mailbox: &Mailbox, parent: &str, name: &str) -> bool {
    mailbox.children(parent).any(|f| f.name.eq_ignore_ascii_case(name))
}

impl Life {
    pub(super) fn act_on_mail(&mut self, event: &Event) -> Option<()> {
        let person = *event.people().first()?;
        let owner = self.people.get(&person)?.clone();
        let mut world = self.sim.world();
        let now = world.now();
        let second = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
        let tenant = &mut world.tenants[self.tenant];
        let domain = tenant.domain.clone();
        let (user, ids) = tenant.user_mut(&owner)?;
        if !has(user).0 {
            return None;
        }
        let mailbox = &mut user.mailbox;
        let number = |mail: &u32| {
            self.mail.get(mail).filter(|(o, _)| *o == owner).map(|(_, number)| *number)
        };
        match event {
            Event::Mail { mail, folder, words, html, attachment, .. } => {
                if self.mail.contains_key(mail) {
                    return None;
                }
                let folder = place(&self.folders, mailbox, folder)?;
                let mut rng = ChaCha8Rng::seed_from_u64(u64::from(*mail));
                let mut m = blank(ids, &folder, second, &domain);
                m.subject = Some(format!("{} {mail}", documents::sentence(&mut rng, 3)));
                let text = documents::sentence(&mut rng, *words as usize);
                m.html = *html;
                m.body = match html {
                    true => format!("<html><body><p>{text}</p></body></html>").into(),
                    false => text.into(),
                };
                let me = Address { name: user.name.clone(), address: user.upn.clone() };
                m.from = Some(me.clone());
                m.sender = Some(me.clone());
                m.to = vec![me];
                m.is_draft = mailbox.folders.get(&folder)?.well_known == Some("drafts");
                m.is_read = m.is_draft;
                if *attachment {
                    let content = documents::pdf(&mut rng, 10);
                    m.attachments.push(Attachment {
                        id: ids.exchange("AAMkAtt"),
                        name: format!("sheet {mail}.pdf"),
                        content_type: Some("application/pdf".into()),
                        inline: false,
                        modified: second,
                        kind: AttachmentKind::File {
                            content,
                            content_id: None,
                            content_location: None,
                        },
                    });
                }
                let number = ids.number();
                mailbox.add(number, m);
                self.mail.insert(*mail, (owner.clone(), number));
            }
            Event::MoveMail { mail, folder, .. } => {
                let number = number(mail)?;
                mailbox.messages.get(&number)?;
                // Folders of Recoverable Items appear with what is first put into them.
                let folder = match folder.starts_with("recoverableitems") {
                    true => mailbox.recoverable(ids, folder),
                    false => place(&self.folders, mailbox, folder)?,
                };
                if mailbox.messages.get(&number)?.folder == folder {
                    return None;
                }
                mailbox.move_to(ids, number, &folder, now);
            }
            Event::ManyMails { messages, seed, .. } => {
                let mut rng = ChaCha8Rng::seed_from_u64(*seed);
                let inbox = mailbox.well_known("inbox");
                let me = Address { name: user.name.clone(), address: user.upn.clone() };
                for n in 0..*messages {
                    let mut m = blank(ids, &inbox, second, &domain);
                    m.subject = Some(format!("{} {n}", documents::sentence(&mut rng, 2)));
                    m.body = documents::sentence(&mut rng, 12).into();
                    m.from = Some(me.clone());
                    m.to = vec![me.clone()];
                    (m.is_draft, m.is_read) = (false, false);
                    let number = ids.number();
                    mailbox.add(number, m);
                }
            }
            Event::Read { mail, read, .. } => {
                let number = number(mail)?;
                let m = mailbox.messages.get_mut(&number)?;
                if m.is_read == *read {
                    return None;
                }
                m.is_read = *read;
                mailbox.touch(number, now);
            }
            Event::Flag { mail, on, .. } => {
                let number = number(mail)?;
                let status = if *on { "flagged" } else { "notFlagged" };
                mailbox.messages.get_mut(&number)?.flag = json!({"flagStatus": status});
                mailbox.touch(number, now);
            }
            Event::Categorize { mail, category, .. } => {
                let number = number(mail)?;
                let m = mailbox.messages.get_mut(&number)?;
                if m.categories.contains(category) {
                    return None;
                }
                m.categories.push(category.clone());
                mailbox.touch(number, now);
            }
            Event::EditDraft { mail, subject, .. } => {
                let number = number(mail)?;
                let m = mailbox.messages.get_mut(&number).filter(|m| m.is_draft)?;
                m.subject = Some(subject.clone());
                mailbox.touch(number, now);
            }
            Event::PurgeMail { mail, .. } => {
                let number = number(mail)?;
                mailbox.messages.get(&number)?;
                mailbox.destroy(number);
            }
            Event::MailFolder { folder, parent, name, .. } => {
                let parent = place(&self.folders, mailbox, parent)?;
                if self.folders.contains_key(folder) || name_is_taken(mailbox, &parent, name) {
                    return None;
                }
                let id = mailbox.new_folder(ids, &parent, name, false);
                self.folders.insert(*folder, id);
            }
            Event::RenameMailFolder { folder, name, .. } => {
                let id = self.folders.get(folder)?;
                let parent = mailbox.folders.get(id)?.parent.clone();
                if name_is_taken(mailbox, &parent, name) {
                    return None;
                }
                mailbox.folders.get_mut(id)?.name = name.clone();
                mailbox.touch_folder(id);
            }
            Event::MoveMailFolder { folder, parent, .. } => {
                let id = self.folders.get(folder)?;
                let parent = place(&self.folders, mailbox, parent)?;
                let name = mailbox.folders.get(id)?.name.clone();
                if is_below(mailbox, &parent, id) || name_is_taken(mailbox, &parent, &name) {
                    return None;
                }
                mailbox.folders.get_mut(id)?.parent = parent;
                mailbox.touch_folder(id);
            }
            Event::EmptyMailFolder { folder, .. } => {
                let id = self.folders.get(folder)?;
                let numbers: Vec<u64> = mailbox.folders.get(id)?.live.values().copied().collect();
                let bin = mailbox.well_known("deleteditems");
                for number in numbers {
                    mailbox.move_to(ids, number, &bin, now);
                }
            }
            Event::DeleteMailFolder { folder, .. } => {
                let id = self.folders.get(folder)?.clone();
                mailbox.folders.get(&id)?;
                mailbox.destroy_folder(&id);
            }
            Event::PurgeMany { percent, .. } => {
                let mut numbers: Vec<u64> = mailbox.messages.keys().copied().collect();
                numbers.sort_unstable();
                numbers.truncate(numbers.len() * *percent as usize / 100);
                if numbers.is_empty() {
                    return None;
                }
                for number in numbers {
                    mailbox.destroy(number);
                }
            }
            _ => return None,
        }
        Some(())
    }
}
