//! One message: its place in the tree, its record, its content proven.

use super::{Head, Part, Proof, fetch, message, prove};
use crate::{
    ErrorKind, SourceEvent,
    workload::{
        Collection, Compared, Content, ContentStore, Failure, Fetched, Form, Item, ItemChange,
        ItemPlace, Of, Sidecar,
    },
};
use bytes::Bytes;
use futures::future::BoxFuture;
use std::sync::Arc;
use strongroom_model::{Facts, ItemId, ItemKind, MessageState, day_folder, message_name};

/// Characters of a subject that are kept in the record; Exchange allows 255.
const SUBJECT_CHARS_MAX: usize = 255;
/// Bytes of an address that is kept in the record (RFC 5321: 64 and 255 and the sign between).
const ADDRESS_BYTES_MAX: usize = 320;
/// How often a message is fetched that is not what the mailbox tells of it.
const FETCHES_MAX: usize = 4;
/// Bytes that the categories of a message may have in its record, which must stay small: a mailbox
/// may put any number of them on a message.
const CATEGORIES_BYTES_MAX: usize = 1500;

fn fitting(state: &MessageState) -> MessageState {
    let mut state = state.clone();
    let mut room = CATEGORIES_BYTES_MAX;
    state.categories.retain(|c| {
        let fits = c.len() + 3 <= room;
        room = room.saturating_sub(c.len() + 3);
        fits
    });
    state
}

impl ItemChange for Part {
    fn id(&self) -> &ItemId {
        &self.id
    }

    fn apply(&self, stored: &Facts) -> Option<Facts> {
        let before = stored.message.as_ref().filter(|_| !self.content)?;
        let after = fitting(&self.applied_to(before));
        let mut facts = stored.clone();
        if after != *before || self.change_key.is_some() {
            facts.message = Some(after);
            // Not told: the next whole row is looked at.
            facts.change_key.clone_from(&self.change_key);
        }
        Some(facts)
    }
}

impl Item for Head {
    fn id(&self) -> &ItemId {
        &self.id
    }

    fn name(&self) -> &str {
        &self.subject
    }

    fn place(&self) -> ItemPlace {
        let name = format!("{}.eml", message_name(self.at, &self.subject, &self.id.0));
        ItemPlace { folder: Some(day_folder(self.at)), name, is_its_own: true }
    }

    fn modified(&self) -> Option<jiff::Timestamp> {
        self.at
    }

    fn facts(&self, file: &str) -> Facts {
        let mut facts = Facts::new(ItemKind::Message, self.id.clone());
        facts.change_key = Some(self.change_key.clone());
        facts.content_key = Some(self.content_key());
        facts.message = Some(fitting(&self.state));
        facts.from = self.from().filter(|a| a.len() <= ADDRESS_BYTES_MAX).map(str::to_owned);
        // What the file's name shows of the subject is shortened and has characters replaced.
        let is_shown = self.subject.is_empty() || file.contains(&format!(" {}~", self.subject));
        facts.name = (!is_shown).then(|| self.subject.chars().take(SUBJECT_CHARS_MAX).collect());
        facts
    }

    fn compare(&self, stored: &Facts, _size_bytes: u64) -> Compared {
        if stored.change_key.as_deref() == Some(&self.change_key) {
            return Compared::Same;
        }
        match !self.is_draft && stored.content_key == Some(self.content_key()) {
            true => Compared::State,
            false => Compared::Content,
        }
    }

    fn fetch<'a>(
        &'a self,
        of: Of<'a>,
        _collection: &'a Collection,
        file: &'a str,
        store: &'a dyn ContentStore,
    ) -> BoxFuture<'a, Result<Fetched, Failure>> {
        Box::pin(async move {
            let (content, unproven) = match self.content(of).await? {
                Found::Content(content, unproven) => (content, unproven),
                Found::Newer(now) => return Ok(Fetched::Newer(Arc::new(now))),
                Found::Gone => return Ok(Fetched::Gone),
            };
            let (mime, record, beside) = *content;
            let json = serde_json::to_vec(&record).map_err(|e| Failure::Item(e.to_string()))?;
            let main = store.put(&mime, Form::Mime)?;
            let mut sidecars = vec![Sidecar {
                suffix: ".json".to_owned(),
                put: store.put(&json, Form::Plain)?,
                facts: Facts::new(ItemKind::MessageRecord, self.id.clone()),
            }];
            for bytes in &beside {
                let put = store.put(bytes, Form::Plain)?;
                let mut facts = Facts::new(ItemKind::Attachment, self.id.clone());
                facts.content_key = Some(put.sha256.clone());
                let suffix = format!(".{:.16}.attachment", put.sha256);
                sidecars.push(Sidecar { suffix, put, facts });
            }
            let facts = self.facts(file);
            let content = Content { main, facts, sidecars, unproven, newer: None };
            Ok(Fetched::Content(Box::new(content)))
        })
    }
}

/// MIME, record, and what lies beside them.
type Parts = (Bytes, super::MessageRecord, Vec<Bytes>);

/// What came of asking for a message's content.
enum Found {
    /// The content, and why it is not proven.
    Content(Box<Parts>, Option<String>),
    /// It changed since it was listed: what the mailbox tells of it now.
    Newer(Head),
    /// It is not there any more; a delta says so.
    Gone,
}

impl Head {
    /// What a message holds, proven against what the mailbox tells of it. What contradicts is
    /// fetched again: twice the same, and whole, is what the service hands out; what is cut is
    /// asked for in the next run.
    async fn content(&self, of: Of<'_>) -> Result<Found, Failure> {
        let (client, user) = (of.client, &of.owner.id);
        let mut before = None;
        let mut alike = 0;
        let mut why = String::new();
        for _ in 0..FETCHES_MAX {
            let content = match fetch(client, user, self).await {
                Ok(content) => content,
                // Listed, and gone before it was read: its deletion comes with the next delta.
                Err(e) if e.kind == ErrorKind::NotFound => {
                    match message(client, user, &self.id).await {
                        Err(again) if again.kind == ErrorKind::NotFound => return Ok(Found::Gone),
                        _ => return Err(Failure::Item(e.to_string())),
                    }
                }
                Err(e) => return Err(e.into()),
            };
            let proof = tokio::task::block_in_place(|| prove(&content.0, &content.1));
            let (text, wanted) = match proof {
                Proof::Proven => return Ok(Found::Content(Box::new(content), None)),
                Proof::Contradicted(text) => (text, 2),
                Proof::Doubtful(text) => (text, FETCHES_MAX),
                Proof::Cut(text) => (text, usize::MAX),
            };
            why = text;
            match message(client, user, &self.id).await {
                Ok(SourceEvent::Item(now)) if now.change_key != self.change_key => {
                    return Ok(Found::Newer(now));
                }
                Ok(_) => {}
                Err(e) if e.kind == ErrorKind::NotFound => return Ok(Found::Gone),
                Err(e) => return Err(e.into()),
            }
            let same = before.replace(content.0.clone()).is_some_and(|b| b == content.0);
            alike = if same { alike + 1 } else { 1 };
            if alike >= wanted {
                let why = format!("stored unproven, since {alike} downloads agree: {why}");
                return Ok(Found::Content(Box::new(content), Some(why)));
            }
        }
        Err(Failure::Item(why))
    }
}
