//! One file of a drive: its record, its content proven, its older versions.

use super::{DriveItem, FileHead, download, download_version, item, versions};
use crate::{
    Download, ErrorKind, QuickXor, SourceEvent,
    workload::{
        Collection, Compared, Content, ContentStore, Failure, Fetched, Form, Item, ItemPlace, Of,
        OlderPut, Put, Version, Versions, looks_like_a_page,
    },
};
use futures::future::BoxFuture;
use std::sync::Arc;
use strongroom_model::{Facts, FileState, ItemId, ItemKind};

/// How often a file is fetched whose length or hash does not fit.
const FETCHES_MAX: usize = 10;

/// A file, below the root of its drive.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) item: DriveItem,
    /// The folder above; `None` at the root.
    pub(super) parent: Option<ItemId>,
    pub(super) head: FileHead,
}

/// Whether what came can be all of a file, though another length or hash is announced: its form has
/// an end, and the end is there; or nothing is missing by length.
pub(super) fn may_be_whole(name: &str, bytes: &[u8], came: u64, announced: u64) -> bool {
    if came == 0 || is_page(name, bytes) {
        return false;
    }
    // Of a file that is larger than what is looked at the end is not known.
    if bytes.len() as u64 != came {
        return came >= announced;
    }
    let tail = &bytes[bytes.len().saturating_sub(66_000)..];
    let ends = |mark: &[u8]| tail.windows(mark.len()).any(|w| w == mark);
    match bytes {
        [b'P', b'K', 3, 4, ..] => ends(b"PK\x05\x06"),
        [b'%', b'P', b'D', b'F', ..] => ends(b"%%EOF"),
        [0x89, b'P', b'N', b'G', ..] => ends(b"IEND"),
        [0xff, 0xd8, 0xff, ..] => ends(&[0xff, 0xd9]),
        _ => came >= announced,
    }
}

/// Whether a page of the service, or of what stands before it, came instead of a file.
fn is_page(name: &str, bytes: &[u8]) -> bool {
    const PAGES: &[&str] = &["htm", "html", "xhtml", "mht", "mhtml", "aspx", "php", "xml", "svg"];
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    looks_like_a_page(bytes) && !ending.is_some_and(|ending| PAGES.contains(&ending.as_str()))
}

/// The bytes with their hash as OneDrive computes it.
async fn read(
    mut download: Download<'_>,
    store: &dyn ContentStore,
) -> Result<(Put, String), Failure> {
    let mut hash = QuickXor::default();
    let mut writer = store.writer();
    while let Some(piece) = download.next().await? {
        hash.update(&piece);
        writer.push(&piece)?;
    }
    Ok((writer.finish()?, hash.finish()))
}

impl Item for File {
    fn id(&self) -> &ItemId {
        &self.item.id
    }

    fn name(&self) -> &str {
        &self.item.name
    }

    fn parent(&self) -> Option<&ItemId> {
        self.parent.as_ref()
    }

    fn place(&self) -> ItemPlace {
        ItemPlace { folder: None, name: self.item.name.clone(), is_its_own: false }
    }

    fn modified(&self) -> Option<jiff::Timestamp> {
        self.item.modified
    }

    fn facts(&self, file: &str) -> Facts {
        let mut facts = Facts::new(ItemKind::File, self.item.id.clone());
        facts.change_key = Some(self.item.e_tag.clone());
        facts.name = (file != self.item.name).then(|| self.item.name.clone());
        facts.file = Some(FileState {
            created: self.item.created,
            modified: self.item.modified,
            quick_xor: self.head.quick_xor.clone(),
            ..FileState::default()
        });
        facts
    }

    fn renew(&self, stored: &Facts, file: &str) -> Facts {
        let mut facts = stored.clone();
        let state = facts.file.get_or_insert_default();
        // What a row does not tell did not change.
        state.created = self.item.created.or(state.created);
        state.modified = self.item.modified.or(state.modified);
        facts.change_key = Some(self.item.e_tag.clone());
        facts.name = (file != self.item.name).then(|| self.item.name.clone());
        facts
    }

    fn compare(&self, stored: &Facts, size_bytes: u64) -> Compared {
        let state = stored.file.clone().unwrap_or_default();
        let same = match &self.head.quick_xor {
            Some(q) => {
                state.quick_xor.as_ref() == Some(q)
                    && self.head.size_bytes.is_none_or(|n| n == size_bytes)
            }
            None => stored.change_key.as_deref() == Some(&self.item.e_tag),
        };
        let told = |now: Option<jiff::Timestamp>, old| now.is_none() || now == old;
        let times =
            told(self.item.created, state.created) && told(self.item.modified, state.modified);
        match (same, times) {
            (true, true) => Compared::Same,
            (true, false) => Compared::State,
            (false, _) => Compared::Content,
        }
    }

    fn withheld(&self) -> Option<&'static str> {
        self.head
            .malware
            .then_some("the service says that it holds malware and does not hand it out")
    }

    fn fetch<'a>(
        &'a self,
        of: Of<'a>,
        drive: &'a Collection,
        file: &'a str,
        store: &'a dyn ContentStore,
    ) -> BoxFuture<'a, Result<Fetched, Failure>> {
        Box::pin(async move {
            match self.content(of, &drive.id, file, store).await {
                // Some part of it was not found. Gone is only what is not there when asked for
                // itself.
                Err(Failure::Gone) => match item(of.client, &drive.id, &self.item.id).await {
                    Err(e) if e.kind == ErrorKind::NotFound => Ok(Fetched::Gone),
                    _ => Err(Failure::Item(
                        "the service lists it, and does not find its content".into(),
                    )),
                },
                done => done,
            }
        })
    }

    fn versions<'a>(
        &'a self,
        of: Of<'a>,
        drive: &'a Collection,
    ) -> BoxFuture<'a, Result<Versions, Failure>> {
        Box::pin(async move {
            let (older, current) = versions(of.client, &drive.id, &self.item.id).await?;
            Ok(Versions { older, current })
        })
    }

    /// Checked by length; the service announces no hash of what is older.
    fn fetch_version<'a>(
        &'a self,
        of: Of<'a>,
        drive: &'a Collection,
        v: &'a Version,
        store: &'a dyn ContentStore,
    ) -> BoxFuture<'a, Result<Option<OlderPut>, Failure>> {
        Box::pin(async move {
            if v.size_bytes == Some(0) {
                let put = store.put(&[], Form::Plain)?;
                return Ok(Some(OlderPut { put, unproven: None }));
            }
            let (mut before, mut why) = (None, String::new());
            for _ in 0..FETCHES_MAX {
                let download = download_version(of.client, &drive.id, &self.item.id, &v.id);
                let put = match read(download, store).await {
                    Ok((put, _)) => put,
                    Err(Failure::Again(cause)) => {
                        why = cause;
                        continue;
                    }
                    // The service trimmed it meanwhile.
                    Err(Failure::Gone) => return Ok(None),
                    Err(e) => return Err(e),
                };
                let (came, announced) = (put.size_bytes, v.size_bytes.unwrap_or(put.size_bytes));
                if v.size_bytes == Some(came) {
                    return Ok(Some(OlderPut { put, unproven: None }));
                }
                why = match v.size_bytes {
                    Some(_) => format!("{came} bytes came where {announced} are announced"),
                    None => "the service announces no length".to_owned(),
                };
                // As with the current content: twice the same, and whole.
                let agreed = before.replace(put.sha256.clone()).as_ref() == Some(&put.sha256);
                if agreed && may_be_whole(&self.item.name, &put.head, came, announced) {
                    let why = format!("stored unproven, since two downloads agree: {why}");
                    return Ok(Some(OlderPut { put, unproven: Some(why) }));
                }
            }
            Err(Failure::Item(why))
        })
    }
}

impl File {
    /// The bytes of a file, checked by length and by the hashes that the service announces.
    async fn content(
        &self,
        of: Of<'_>,
        drive: &ItemId,
        file: &str,
        store: &dyn ContentStore,
    ) -> Result<Fetched, Failure> {
        let mut now = self.clone();
        let mut why = String::new();
        let mut before = None;
        for _ in 0..FETCHES_MAX {
            let head = now.head.clone();
            let empty = QuickXor::default().finish();
            let (put, hash) = match head.size_bytes {
                // An empty file is not asked for; one that is said to be empty and has the hash of
                // something is.
                Some(0) if head.quick_xor.as_ref().is_none_or(|q| *q == empty) => {
                    (store.put(&[], Form::Plain)?, empty)
                }
                _ => match read(download(of.client, drive, &now.item.id), store).await {
                    Ok(read) => read,
                    Err(Failure::Again(cause)) => {
                        why = cause;
                        continue;
                    }
                    Err(e) => return Err(e),
                },
            };
            let announced = head.size_bytes.unwrap_or(put.size_bytes);
            let is_told = head.size_bytes.is_some() || head.quick_xor.is_some();
            let is_told = is_told || head.sha256.is_some();
            let fits = put.size_bytes == announced
                && head.quick_xor.as_ref().is_none_or(|q| *q == hash)
                && head.sha256.as_ref().is_none_or(|h| *h == put.sha256);
            if fits && is_told {
                return Ok(now.fetched(put, file, None));
            }
            why = match (is_told, put.size_bytes == announced) {
                (false, _) => "the service announces neither length nor hash".to_owned(),
                (_, true) => {
                    "the bytes that came do not have the hash that the service announces".to_owned()
                }
                (_, false) => {
                    format!("{} bytes came where {announced} are announced", put.size_bytes)
                }
            };
            // It may have changed since it was listed.
            let listed = (head, now.item.e_tag.clone());
            let SourceEvent::Item(again) = item(of.client, drive, &now.item.id).await? else {
                return Err(Failure::Gone);
            };
            let Some(head) = again.file.clone() else {
                return Err(Failure::Item("it is a folder now".into()));
            };
            now = File { head, item: again, parent: now.parent };
            // What is announced can be wrong (OneDrive/onedrive-api-docs 935, 1532). Twice the
            // same, under the same tag, and whole: this is what the service hands out.
            let same = before.replace((put.sha256.clone(), listed.clone()));
            let agreed = same.as_ref() == Some(&(put.sha256.clone(), listed.clone()))
                && (&now.head, &now.item.e_tag) == (&listed.0, &listed.1);
            if agreed && may_be_whole(&now.item.name, &put.head, put.size_bytes, announced) {
                let why = format!("stored unproven, since two downloads agree: {why}");
                return Ok(now.fetched(put, file, Some(why)));
            }
        }
        Err(Failure::Item(why))
    }

    fn fetched(self, main: Put, file: &str, unproven: Option<String>) -> Fetched {
        let mut facts = self.facts(file);
        facts.file.get_or_insert_default().sha256 = Some(main.sha256.clone());
        let newer: Option<Arc<dyn Item>> = Some(Arc::new(self));
        Fetched::Content(Box::new(Content { main, facts, sidecars: Vec::new(), unproven, newer }))
    }
}
