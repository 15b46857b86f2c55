//! One message: fetched, moved, taken out.

use super::{super::failure::Failure, Folder, Mailbox};
use crate::{Error, catalog::Place, layout};
use bytes::Bytes;
use strongroom_model::{Facts, ItemId, ItemKind, MessageState, day_folder, message_name};
use strongroom_repository::{Cut, Found, Node, NodeKind};
use strongroom_sources::{
    ErrorKind, Event,
    mail::{self, Head, News, Part, Proof},
};

/// Characters of a subject that are kept in the record; Exchange allows 255.
const SUBJECT_CHARS_MAX: usize = 255;

/// How often a message is fetched that is not what the mailbox tells of it.
const FETCHES_MAX: usize = 4;

/// What came of asking for a message's content.
enum Fetched {
    /// MIME, record, and what lies beside them.
    Content(Box<(Bytes, mail::Record, Vec<Bytes>)>),
    /// It changed since it was listed: what the mailbox tells of it now.
    Newer(Head),
    /// It is not there any more; a delta says so.
    Gone,
}

impl Mailbox<'_> {
    /// Brings one message up to date by what a row tells of it. A row that lacks a property says
    /// that it did not change.
    pub(super) async fn news(&self, folder: &Folder, news: News) -> Result<(), (String, Failure)> {
        let head = match news {
            News::Whole(head) => head,
            News::Part(part) => {
                match self.merge(folder, &part) {
                    Ok(true) => return Ok(()),
                    Ok(false) => {}
                    Err(e) => return Err((String::new(), e)),
                }
                match mail::message(&self.run.client, &self.user.id, &part.id).await {
                    Ok(Event::Item(head)) => head,
                    Ok(_) => {
                        let cause = "the mailbox gave a message without id".to_owned();
                        return Err((String::new(), Failure::Item(cause)));
                    }
                    // Gone again since it was listed.
                    Err(e) => return Err((String::new(), e.into())),
                }
            }
        };
        self.message(folder, &head).await.map_err(|failure| (head.subject, failure))
    }

    /// Merges news of a message's state into its record. Says no when more is to be asked for: the
    /// message stands elsewhere, or is not known, or its content changed.
    fn merge(&self, folder: &Folder, part: &Part) -> Result<bool, Failure> {
        let run = self.run;
        let owner = &self.user.id.0;
        let place = run.catalog.get(owner, &part.id.0)?;
        if part.content || place.is_none_or(|place| place.parent != folder.id.0) {
            return Ok(false);
        }
        let Some(path) = run.catalog.path(owner, &part.id.0)? else { return Ok(false) };
        let Some(mut node) = self.eml(&path)? else { return Ok(false) };
        let Some(mut facts) = node.facts()? else { return Ok(false) };
        let Some(before) = &facts.message else { return Ok(false) };
        let after = fitting(&part.applied_to(before));
        if after == *before && part.change_key.is_none() {
            return Ok(true);
        }
        facts.message = Some(after);
        // Not told: the next whole row is looked at.
        facts.change_key.clone_from(&part.change_key);
        node.set_facts(&facts)?;
        let dir = self.path(&path[..path.len().saturating_sub(1)]);
        run.put(&layout::refs(&dir), node)?;
        run.count_changed(0);
        Ok(true)
    }

    /// Brings one message up to date.
    async fn message(&self, folder: &Folder, head: &Head) -> Result<(), Failure> {
        let run = self.run;
        let owner = &self.user.id.0;
        let old = run.catalog.get(owner, &head.id.0)?;
        let old_path = run.catalog.path(owner, &head.id.0)?;
        let old_node = match (&old, &old_path) {
            (Some(_), Some(path)) => self.eml(path)?,
            _ => None,
        };
        let old_facts = match &old_node {
            Some(node) => node.facts()?,
            None => None,
        };
        let same_folder = old.as_ref().is_some_and(|p| p.parent == folder.id.0);
        if same_folder
            && old_facts.as_ref().is_some_and(|f| f.change_key.as_deref() == Some(&head.change_key))
        {
            return Ok(());
        }
        let day = day_folder(head.at);
        let base = message_name(head.at, &head.subject, &head.id.0);
        let mut facts = Facts::new(ItemKind::Message, head.id.clone());
        facts.change_key = Some(head.change_key.clone());
        facts.content_key = Some(head.content_key());
        facts.message = Some(fitting(&head.state));
        // A record must stay small, and an address has at most 320 bytes.
        facts.from = head.from().filter(|a| a.len() <= 320).map(str::to_owned);
        // What the file's name shows of the subject is shortened and has characters replaced.
        facts.name = (!head.subject.is_empty() && !base.contains(&format!(" {}~", head.subject)))
            .then(|| head.subject.chars().take(SUBJECT_CHARS_MAX).collect());
        let modified = head.at.unwrap_or(run.began);
        let new_dir = self.path(&layout::join(&folder.path, &day));
        let unchanged = !head.is_draft
            && old_facts.as_ref().is_some_and(|f| f.content_key == facts.content_key);
        let mut nodes = Vec::new();
        let mut bytes = 0;
        if let (true, Some(node), Some(path)) = (unchanged, &old_node, &old_path) {
            // Only its state or its place changed: the content is not fetched again.
            nodes = self.beside(path)?;
            let mut node = node.clone();
            if let Some(old) = &old_facts {
                facts.carry_rest_of(old);
            }
            node.set_facts(&facts)?;
            nodes.retain(|n| n.name != node.name);
            nodes.push(node);
        } else {
            let (mime, record, extra) = match self.content(head).await? {
                Fetched::Content(content) => *content,
                Fetched::Gone => return Ok(()),
                // It was changed since it was listed.
                Fetched::Newer(now) => return Box::pin(self.message(folder, &now)).await,
            };
            bytes = mime.len() as u64;
            let repo = run.repo.clone();
            let json = serde_json::to_vec(&record).map_err(|e| Failure::Item(e.to_string()))?;
            let stored =
                tokio::task::block_in_place(|| -> Result<_, strongroom_repository::Error> {
                    let mut stored = vec![
                        repo.put_content(&mime, Cut::Mime)?,
                        repo.put_content(&json, Cut::Plain)?,
                    ];
                    for e in &extra {
                        stored.push(repo.put_content(e, Cut::Plain)?);
                    }
                    Ok(stored)
                })?;
            for (n, s) in stored.into_iter().enumerate() {
                let (name, mut f) = match n {
                    0 => (format!("{base}.eml"), facts.clone()),
                    1 => (
                        format!("{base}.json"),
                        Facts::new(ItemKind::MessageRecord, head.id.clone()),
                    ),
                    _ => (
                        format!("{base}.{:.16}.attachment", s.sha256.to_string()),
                        Facts::new(ItemKind::Attachment, head.id.clone()),
                    ),
                };
                if n > 1 {
                    f.content_key = Some(s.sha256.to_string());
                }
                let mut node = Node::file(name, s.content, s.size_bytes, modified);
                node.set_facts(&f)?;
                nodes.push(node);
            }
        }
        let stays = same_folder && old.as_ref().is_some_and(|p| p.name == format!("{day}/{base}"));
        if !stays && let (Some(path), Some(_), Some(place)) = (&old_path, &old_node, &old) {
            self.take_out(path)?;
            self.count_folder(&place.parent, -1)?;
        }
        let old_base = old_path.as_ref().and_then(|p| p.last().cloned()).unwrap_or_default();
        for mut node in nodes {
            // Carried over from another name: keep what follows the old base.
            if let Some(rest) = node.name.strip_prefix(&old_base).filter(|_| !old_base.is_empty()) {
                node.name = format!("{base}{rest}");
            }
            run.put(&layout::refs(&new_dir), node)?;
        }
        run.catalog.set(
            owner,
            &head.id.0,
            Place { parent: folder.id.0.clone(), name: format!("{day}/{base}") },
        );
        if !stays || old_node.is_none() {
            self.count_folder(&folder.id.0, 1)?;
        }
        match old_node {
            Some(_) => run.count_changed(bytes),
            None => run.count_new(bytes),
        }
        Ok(())
    }

    /// What a message holds, proven against what the mailbox tells of it. What contradicts is
    /// fetched again: twice the same, and whole, is what the service hands out; what is cut is
    /// asked for in the next run.
    async fn content(&self, head: &Head) -> Result<Fetched, Failure> {
        let run = self.run;
        let (client, user) = (&run.client, &self.user.id);
        let mut before = None;
        let mut alike = 0;
        let mut why = String::new();
        for _ in 0..FETCHES_MAX {
            let content = match mail::fetch(client, user, head).await {
                Ok(content) => content,
                // Listed, and gone before it was read: its deletion comes with the next delta.
                Err(e) if e.kind == ErrorKind::NotFound => {
                    match mail::message(client, user, &head.id).await {
                        Err(again) if again.kind == ErrorKind::NotFound => {
                            return Ok(Fetched::Gone);
                        }
                        _ => return Err(Failure::Item(e.text)),
                    }
                }
                Err(e) => return Err(e.into()),
            };
            let proof = tokio::task::block_in_place(|| mail::prove(&content.0, &content.1));
            let (text, wanted) = match proof {
                Proof::Proven => return Ok(Fetched::Content(Box::new(content))),
                Proof::Contradicted(text) => (text, 2),
                Proof::Doubtful(text) => (text, FETCHES_MAX),
                Proof::Cut(text) => (text, usize::MAX),
            };
            why = text;
            match mail::message(client, user, &head.id).await {
                Ok(Event::Item(now)) if now.change_key != head.change_key => {
                    return Ok(Fetched::Newer(now));
                }
                Ok(_) => {}
                Err(e) if e.kind == ErrorKind::NotFound => return Ok(Fetched::Gone),
                Err(e) => return Err(e.into()),
            }
            let same = before.replace(content.0.clone()).is_some_and(|b| b == content.0);
            alike = if same { alike + 1 } else { 1 };
            if alike >= wanted {
                run.coverage(
                    &self.user.name,
                    &format!("message {}", head.subject),
                    Some(1),
                    Some(&format!("stored unproven, since {alike} downloads agree: {why}")),
                );
                return Ok(Fetched::Content(Box::new(content)));
            }
        }
        Err(Failure::Item(why))
    }

    pub(super) fn count_folder(&self, folder: &str, by: i64) -> Result<(), Error> {
        match self.run.catalog.path(&self.user.id.0, folder)? {
            Some(path) => self.add_count(&path, by),
            None => Ok(()),
        }
    }

    /// The `.eml` node of a message; `path` ends with its name without extension.
    pub(super) fn eml(&self, path: &[String]) -> Result<Option<Node>, Error> {
        let mut full = self.path(path);
        if let Some(last) = full.last_mut() {
            last.push_str(".eml");
        }
        Ok(match self.run.found(&layout::refs(&full))? {
            Some(Found::File(node)) => Some(node),
            _ => None,
        })
    }

    /// All nodes of a message: MIME, record, attachments.
    pub(super) fn beside(&self, path: &[String]) -> Result<Vec<Node>, Error> {
        let Some((base, dir)) = path.split_last() else { return Ok(Vec::new()) };
        let dir = self.path(dir);
        let mut nodes = Vec::new();
        for name in self
            .run
            .names(&layout::refs(&dir))?
            .iter()
            .filter(|n| n.strip_prefix(base.as_str()).is_some_and(|r| r.starts_with('.')))
        {
            let file = layout::join(&dir, name);
            if let Some(Found::File(node)) = self.run.found(&layout::refs(&file))?
                && matches!(node.kind, NodeKind::File { .. })
            {
                nodes.push(node);
            }
        }
        Ok(nodes)
    }

    pub(super) fn take_out(&self, path: &[String]) -> Result<(), Error> {
        let names: Vec<String> = self.beside(path)?.into_iter().map(|n| n.name).collect();
        let dir = self.path(&path[..path.len().saturating_sub(1)]);
        self.run.edit(|tree| {
            for name in &names {
                tree.remove(&layout::refs(&layout::join(&dir, name)))?;
            }
            // The day goes with its last message; folders stay.
            Ok(tree.prune_empty(&layout::refs(&dir), dir.len().saturating_sub(1))?)
        })
    }

    /// Takes out a message that left a folder, unless it stands in another by now.
    pub(super) fn remove_if_still_there(
        &self,
        folder: &ItemId,
        id: &ItemId,
    ) -> Result<bool, Error> {
        let owner = &self.user.id.0;
        let Some(place) = self.run.catalog.get(owner, &id.0)? else { return Ok(false) };
        if place.parent != folder.0 {
            return Ok(false);
        }
        let path = self.run.catalog.path(owner, &id.0)?;
        self.run.catalog.forget(owner, &id.0);
        match path {
            Some(path) if self.eml(&path)?.is_some() => {
                self.take_out(&path)?;
                self.count_folder(&place.parent, -1)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

/// The state, cut so that the record stays small: a mailbox may put any number of categories on a
/// message.
fn fitting(state: &MessageState) -> MessageState {
    let mut state = state.clone();
    let mut room = 1500_usize;
    state.categories.retain(|c| {
        let fits = c.len() + 3 <= room;
        room = room.saturating_sub(c.len() + 3);
        fits
    });
    state
}
