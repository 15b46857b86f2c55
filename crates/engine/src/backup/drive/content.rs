//! What a file holds: its bytes, its older versions, and what is thought of them.

use super::{super::failure::Failure, Drive};
use crate::{Content, Error, judge, layout};
use std::{collections::HashSet, sync::Arc};
use strongroom_model::{Facts, FileState, ItemId, ItemKind, Judgement, Verdict, fit_name, limits};
use strongroom_repository::{Found, Node, Stored};
use strongroom_sources::{
    Event, QuickXor,
    drive::{self as source, DriveItem},
};

/// How often a file is fetched whose length or hash does not fit.
const FETCHES_MAX: usize = 10;

/// Whether what came can be all of a file, though another length or hash is announced: its form has
/// an end, and the end is there; or nothing is missing by length.
fn may_be_whole(bytes: &[u8], came: u64, announced: u64) -> bool {
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

impl Drive {
    /// Fetches the content of a file with its older versions, judges it and stores it.
    pub(super) async fn fetch(
        self: &Arc<Self>,
        item: &DriveItem,
        old: Option<Node>,
    ) -> Result<(), Failure> {
        let run = &self.run;
        if item.file.as_ref().is_some_and(|f| f.malware) {
            return Err(Failure::Item(
                "the service says that it holds malware and does not hand it out".into(),
            ));
        }
        let (stored, bytes, item) = self.content(item).await?;
        let old_facts = match &old {
            Some(node) => node.facts()?,
            None => None,
        };
        let (versions, version_id, total) =
            self.versions(&item, old.as_ref(), old_facts.as_ref()).await?;
        let mut base = self.baseline(&item.id, old.as_ref(), old_facts.as_ref())?;
        if old.is_none() {
            // Written and overwritten since the last run: its own older version is what to hold it
            // against.
            base = match versions.first() {
                Some(v) => {
                    let judged = v.facts()?.and_then(|f| f.judgement);
                    judged.is_none_or(|j| j.verdict == Verdict::Clean).then(|| v.clone())
                }
                None => None,
            };
        }
        let judgement = tokio::task::block_in_place(|| -> Result<Judgement, Error> {
            let before = base.as_ref().map(|node| self.head(node)).transpose()?;
            // A version has no name of its own.
            let name = base.as_ref().map_or(item.name.as_str(), |n| {
                if old.is_some() { n.name.as_str() } else { item.name.as_str() }
            });
            Ok(judge(
                Content { name: &item.name, bytes: &bytes },
                before.as_deref().map(|bytes| Content { name, bytes }),
            ))
        })?;
        drop(bytes);
        run.count_verdict(&judgement);
        let mut facts = Facts::new(ItemKind::File, item.id.clone());
        facts.change_key = Some(item.e_tag.clone());
        let file = item.file.clone().unwrap_or(source::FileHead {
            size_bytes: None,
            quick_xor: None,
            sha256: None,
            malware: false,
        });
        facts.file = Some(FileState {
            created: item.created,
            modified: item.modified,
            quick_xor: file.quick_xor,
            sha256: Some(stored.sha256.to_string()),
            version_id,
            versions: (total > 0).then_some(total),
        });
        facts.judgement = Some(judgement.clone());
        let Some(path) = run.catalog.path(self.owner(), &item.id.0)? else { return Ok(()) };
        let Some((name, dir)) = path.split_last() else { return Ok(()) };
        facts.name = (*name != item.name).then(|| item.name.clone());
        let mut node = Node::file(
            name.clone(),
            stored.content,
            stored.size_bytes,
            item.modified.unwrap_or(run.began),
        );
        node.set_facts(&facts)?;
        let versions_dir =
            self.path(&[layout::VERSIONS.to_owned(), fit_name(&item.id.0, &item.id.0, &[]).0]);
        let clean_dir =
            self.path(&[layout::LAST_CLEAN.to_owned(), fit_name(&item.id.0, &item.id.0, &[]).0]);
        let keep = (judgement.verdict != Verdict::Clean).then_some(base).flatten();
        run.edit(|tree| {
            for v in versions {
                tree.put(&layout::refs(&versions_dir), v)?;
            }
            tree.put(&layout::refs(&self.path(dir)), node)?;
            match keep {
                Some(mut clean) => {
                    if let Some(mut f) = clean.facts()? {
                        f.kind = ItemKind::LastClean;
                        clean.set_facts(&f)?;
                    }
                    tree.remove(&layout::refs(&clean_dir))?;
                    tree.put(&layout::refs(&clean_dir), clean)?;
                }
                None => {
                    tree.remove(&layout::refs(&clean_dir))?;
                    tree.prune_empty(
                        &layout::refs(&clean_dir[..clean_dir.len() - 1]),
                        self.base.len(),
                    )?;
                }
            }
            Ok(())
        })?;
        let had = old_facts.as_ref().and_then(|f| f.file.as_ref()).and_then(|f| f.versions);
        let flushed = had.is_some_and(|had| had > total);
        let reasons = judgement.reasons.clone();
        run.pattern(&self.user.name, |p| {
            use strongroom_model::Reason as R;
            p.encrypted += u64::from(judgement.verdict == Verdict::Encrypted);
            p.notes += u64::from(reasons.contains(&R::RansomNote));
            p.suspicious += u64::from(judgement.verdict == Verdict::Suspicious);
            p.flushed += u64::from(flushed);
            p.emptied += u64::from(
                stored.size_bytes == 0 && old.as_ref().is_some_and(|o| o.size_bytes() > 0),
            );
            p.files_renamed += u64::from(reasons.contains(&R::ExtensionAppended));
        });
        match old {
            Some(_) => run.count_changed(stored.size_bytes),
            None => run.count_new(stored.size_bytes),
        }
        Ok(())
    }

    /// The bytes of a file, checked by length and provider hash; those in memory are for the judge.
    pub(super) async fn content(
        &self,
        item: &DriveItem,
    ) -> Result<(Stored, Vec<u8>, DriveItem), Failure> {
        let mut item = item.clone();
        let mut why = String::new();
        let mut before = None;
        for _ in 0..FETCHES_MAX {
            let Some(head) = item.file.clone() else {
                return Err(Failure::Item("it is a folder now".into()));
            };
            let (stored, bytes, hash) = match head.size_bytes {
                Some(0) => (
                    self.run.repo.put_content(&[], strongroom_repository::Cut::Plain)?,
                    Vec::new(),
                    QuickXor::default().finish(),
                ),
                _ => {
                    match self.read(source::download(&self.run.client, &self.id, &item.id)).await {
                        Ok(read) => read,
                        Err(Failure::Again(cause)) => {
                            why = cause;
                            continue;
                        }
                        Err(e) => return Err(e),
                    }
                }
            };
            let announced = head.size_bytes.unwrap_or(stored.size_bytes);
            let sha256 = stored.sha256.to_string();
            let is_told = head.size_bytes.is_some() || head.quick_xor.is_some();
            let is_told = is_told || head.sha256.is_some();
            let fits = stored.size_bytes == announced
                && head.quick_xor.as_ref().is_none_or(|q| *q == hash)
                && head.sha256.as_ref().is_none_or(|h| *h == sha256);
            if fits && is_told {
                return Ok((stored, bytes, item));
            }
            why = match (is_told, stored.size_bytes == announced) {
                (false, _) => "the service announces neither length nor hash".to_owned(),
                (_, true) => {
                    "the bytes that came do not have the hash that the service announces".to_owned()
                }
                (_, false) => {
                    format!("{} bytes came where {announced} are announced", stored.size_bytes)
                }
            };
            // It may have changed since it was listed.
            let listed = (head, item.e_tag.clone());
            match source::item(&self.run.client, &self.id, &item.id).await? {
                Event::Item(now) => item = now,
                _ => return Err(Failure::Gone),
            }
            // What is announced can be wrong (OneDrive/onedrive-api-docs 935, 1532). Twice the
            // same, under the same tag, and whole: this is what the service hands out.
            let same = before.replace((stored.sha256, listed.clone()));
            let agreed = same.as_ref() == Some(&(stored.sha256, listed.clone()))
                && (item.file.as_ref(), &item.e_tag) == (Some(&listed.0), &listed.1);
            if agreed && may_be_whole(&bytes, stored.size_bytes, announced) {
                self.run.coverage(
                    &self.user.name,
                    &format!("drive item {}", item.name),
                    Some(1),
                    Some(&format!("stored unproven, since two downloads agree: {why}")),
                );
                return Ok((stored, bytes, item));
            }
        }
        Err(Failure::Item(why))
    }

    pub(super) async fn read(
        &self,
        mut download: strongroom_sources::Download<'_>,
    ) -> Result<(Stored, Vec<u8>, String), Failure> {
        let mut hash = QuickXor::default();
        let mut kept = Vec::new();
        let mut stream = self.run.repo.stream();
        while let Some(piece) = download.next().await? {
            tokio::task::block_in_place(|| {
                hash.update(&piece);
                stream.push(&piece)
            })?;
            let room = (limits::JUDGE_BYTES_MAX as usize).saturating_sub(kept.len());
            kept.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        let stored = tokio::task::block_in_place(|| stream.finish())?;
        Ok((stored, kept, hash.finish()))
    }

    /// As much of a stored file as the judge looks at.
    pub(super) fn head(&self, node: &Node) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        for id in node.content() {
            if bytes.len() as u64 >= limits::JUDGE_BYTES_MAX {
                break;
            }
            bytes.extend(self.run.repo.read_blob(strongroom_repository::BlobKind::Data, id)?);
        }
        bytes.truncate(limits::JUDGE_BYTES_MAX as usize);
        Ok(bytes)
    }

    /// The last clean version of an item, against which a new one is judged.
    pub(super) fn baseline(
        &self,
        id: &ItemId,
        old: Option<&Node>,
        facts: Option<&Facts>,
    ) -> Result<Option<Node>, Error> {
        let clean =
            facts.and_then(|f| f.judgement.as_ref()).is_none_or(|j| j.verdict == Verdict::Clean);
        if clean {
            return Ok(old.cloned());
        }
        let dir = self.path(&[layout::LAST_CLEAN.to_owned(), fit_name(&id.0, &id.0, &[]).0]);
        for name in self.run.names(&layout::refs(&dir))? {
            if let Some(Found::File(node)) =
                self.run.found(&layout::refs(&layout::join(&dir, &name)))?
            {
                return Ok(Some(node));
            }
        }
        Ok(None)
    }

    /// Nodes of older versions that are not stored yet, the current version's id, and how many
    /// older ones there are.
    pub(super) async fn versions(
        &self,
        item: &DriveItem,
        old: Option<&Node>,
        facts: Option<&Facts>,
    ) -> Result<(Vec<Node>, Option<String>, u32), Failure> {
        let run = &self.run;
        if run.options.versions_max == 0 {
            return Ok((Vec::new(), None, 0));
        }
        let (all, current) = source::versions(&run.client, &self.id, &item.id).await?;
        let total = all.len() as u32;
        let dir =
            self.path(&[layout::VERSIONS.to_owned(), fit_name(&item.id.0, &item.id.0, &[]).0]);
        let stored: HashSet<String> = run.names(&layout::refs(&dir))?.into_iter().collect();
        let last = facts.and_then(|f| f.file.as_ref()).and_then(|f| f.version_id.clone());
        let mut nodes = Vec::new();
        for v in all.iter().rev().take(run.options.versions_max) {
            let name =
                fit_name(&format!("{}{}", v.id, layout::extension(&item.name)), &v.id, &[]).0;
            if stored.contains(&name) {
                continue;
            }
            let mut f = Facts::new(ItemKind::Version, item.id.clone());
            let modified = v.modified.unwrap_or(run.began);
            let mut node = match old
                .filter(|o| last.as_ref() == Some(&v.id) && o.size_bytes() == v.size_bytes)
            {
                // What was current last time is an older version now: its bytes are here.
                Some(node) => {
                    f.judgement = facts.and_then(|f| f.judgement.clone());
                    let mut node = node.clone();
                    node.name = name;
                    node.modified = modified;
                    node
                }
                None => {
                    let Some((content, bytes)) = self.version(&item.id, v).await? else { continue };
                    let j = tokio::task::block_in_place(|| {
                        judge(Content { name: &item.name, bytes: &bytes }, None)
                    });
                    run.count_verdict(&j);
                    f.judgement = Some(j);
                    Node::file(name, content.content, content.size_bytes, modified)
                }
            };
            f.file = Some(FileState {
                modified: v.modified,
                version_id: Some(v.id.clone()),
                ..FileState::default()
            });
            node.set_facts(&f)?;
            nodes.push(node);
        }
        Ok((nodes, current, total))
    }

    /// The bytes of an older version, checked by length; `None` when the service trimmed it
    /// meanwhile.
    pub(super) async fn version(
        &self,
        id: &ItemId,
        v: &source::Version,
    ) -> Result<Option<(Stored, Vec<u8>)>, Failure> {
        if v.size_bytes == 0 {
            return Ok(Some((
                self.run.repo.put_content(&[], strongroom_repository::Cut::Plain)?,
                Vec::new(),
            )));
        }
        let mut came = 0;
        for _ in 0..FETCHES_MAX {
            match self.read(source::download_version(&self.run.client, &self.id, id, &v.id)).await {
                Ok((content, bytes, _)) if content.size_bytes == v.size_bytes => {
                    return Ok(Some((content, bytes)));
                }
                Ok((content, ..)) => came = content.size_bytes,
                Err(Failure::Again(_)) => {}
                Err(Failure::Gone) => return Ok(None),
                Err(e) => return Err(e),
            }
        }
        Err(Failure::Item(format!(
            "{came} bytes of version {} came where {} are announced",
            v.id, v.size_bytes
        )))
    }
}
