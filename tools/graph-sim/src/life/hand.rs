//! What a hand does in somebody's drive and mailbox, honest or not: through synced clients and
//! through Outlook, which may change what Graph lets nobody change (the body of a message that was
//! received). Whose hand it is the service cannot know, and is not told.

use crate::{
    Sim,
    core::{ids::IdMaker, tenant::User},
    mail::{
        state::{Address, Attachment, AttachmentKind, Message},
        write::blank,
    },
};
use bytes::Bytes;

/// A message as it arrives.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Name and address of who wrote it.
    pub from: (String, String),
    /// Subject.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// Names and bytes.
    pub attachments: Vec<(String, Bytes)>,
}

/// What is done with a message.
#[derive(Debug, Clone)]
pub enum MailAct {
    /// It has another body from now on.
    Body(String),
    /// All its attachments are taken away.
    NoAttachments,
    /// It has these categories.
    Categories(Vec<String>),
    /// It was read, or not.
    Read(bool),
    /// It goes to a folder with this well-known name.
    Move(&'static str),
    /// It is gone for good.
    Purge,
}

/// Somebody's drive and mailbox, to work in.
pub struct Hand<'s> {
    sim: &'s Sim,
    tenant: usize,
    user: String,
}

impl Sim {
    /// A hand in the drive and the mailbox of a person (by id).
    pub fn hand(&self, tenant: usize, user: &str) -> Hand<'_> {
        Hand { sim: self, tenant, user: user.to_owned() }
    }
}

impl Hand<'_> {
    fn with<T>(
        &self,
        act: impl FnOnce(&mut User, &mut IdMaker, jiff::Timestamp, &str) -> Option<T>,
    ) -> Option<T> {
        let mut world = self.sim.world();
        let now = world.now();
        let now = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
        let tenant = world.tenants.get_mut(self.tenant)?;
        let domain = tenant.domain.clone();
        let (user, ids) = tenant.user_mut(&self.user)?;
        act(user, ids, now, &domain)
    }

    /// A folder below the root, made when it is not there; the root's id for no name.
    pub fn folder(&self, name: &str) -> Option<String> {
        self.with(|u, ids, now, _| {
            if !u.drive.is_there() {
                return None;
            }
            let root = u.drive.root.clone();
            if name.is_empty() {
                return Some(root);
            }
            let there = u.drive.child(&root, name).map(|i| i.id.clone());
            Some(there.unwrap_or_else(|| u.drive.new_folder(ids, &root, name, now)))
        })
    }

    /// A new file; `None` when the name is taken.
    pub fn new_file(&self, folder: &str, name: &str, content: Bytes) -> Option<String> {
        self.with(|u, ids, now, _| {
            if !u.drive.is_there() || u.drive.child(folder, name).is_some() {
                return None;
            }
            Some(u.drive.new_file(ids, folder, name, content, now, (now, now)))
        })
    }

    /// A new version of a file.
    pub fn write(&self, file: &str, content: Bytes) -> Option<()> {
        self.with(|u, _, now, _| {
            u.drive.items.get(file)?.versions.as_ref()?;
            u.drive.write(file, content, now, now);
            Some(())
        })
    }

    /// Another name, in another folder where one is given; `None` when it is taken there.
    pub fn rename(&self, file: &str, folder: Option<&str>, name: &str) -> Option<()> {
        self.with(|u, _, now, _| {
            let parent = u.drive.items.get(file)?.parent.clone();
            let parent = folder.unwrap_or(&parent);
            if u.drive.child(parent, name).is_some_and(|other| other.id != file) {
                return None;
            }
            u.drive.move_to(file, parent, name, now);
            Some(())
        })
    }

    /// A file, or a folder with all below, goes into the recycle bin.
    pub fn delete(&self, item: &str) -> Option<()> {
        self.with(|u, _, now, _| {
            u.drive.items.get(item)?;
            u.drive.destroy(item, now);
            Some(())
        })
    }

    /// A message arrives in the inbox; its immutable id and its internet message id.
    pub fn receive(&self, letter: &Letter) -> Option<(String, String)> {
        self.with(|u, ids, now, domain| {
            let inbox = u.mailbox.folder_id("inbox")?;
            let mut m = blank(ids, &inbox, now, domain);
            m.subject = Some(letter.subject.clone());
            m.body = letter.body.as_str().into();
            let (name, address) = letter.from.clone();
            m.from = Some(Address { name, address });
            m.sender.clone_from(&m.from);
            m.to = vec![Address { name: u.name.clone(), address: u.upn.clone() }];
            (m.is_draft, m.is_read) = (false, false);
            for (name, content) in &letter.attachments {
                m.attachments.push(Attachment {
                    id: ids.exchange("AAMkAtt"),
                    name: name.clone(),
                    content_type: Some("application/octet-stream".into()),
                    inline: false,
                    modified: now,
                    kind: AttachmentKind::File {
                        content: content.clone(),
                        content_id: None,
                        content_location: None,
                    },
                });
            }
            let (number, id) = (ids.number(), m.immutable_id.clone());
            let internet_id = m.internet_message_id.clone();
            u.mailbox.add(number, m);
            Some((id, internet_id))
        })
    }

    /// Does something with a message (by its immutable id).
    pub fn mail(&self, message: &str, act: &MailAct) -> Option<()> {
        self.with(|u, ids, now, _| {
            let mailbox = &mut u.mailbox;
            let number = mailbox.key(message)?;
            let mut change = |change: &mut dyn FnMut(&mut Message)| {
                change(mailbox.messages.get_mut(&number)?);
                mailbox.touch(number, now);
                Some(())
            };
            match act {
                MailAct::Body(text) => change(&mut |m| {
                    m.body = text.as_str().into();
                    // What arrived is not what is there any more.
                    m.mime = None;
                }),
                MailAct::NoAttachments => change(&mut |m| {
                    m.attachments.clear();
                    m.mime = None;
                }),
                MailAct::Categories(all) => change(&mut |m| m.categories.clone_from(all)),
                MailAct::Read(read) => change(&mut |m| m.is_read = *read),
                MailAct::Move(folder) => {
                    let folder = mailbox.folder_id(folder)?;
                    mailbox.move_to(ids, number, &folder, now);
                    Some(())
                }
                MailAct::Purge => {
                    mailbox.destroy(number);
                    Some(())
                }
            }
        })
    }
}
