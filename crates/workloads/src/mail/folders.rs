//! The folders of a mailbox: those that a delta names, those that no delta names, and those that
//! are gone.

use super::{
    MailFolder, WELL_KNOWN, folder_changes, folders_below, folders_by_id, unlisted_names,
    well_known_folders,
};
use crate::{
    Cursor, Error, SourceEvent,
    workload::{Collection, CollectionHead, Collections, Gone, Of},
};
use std::collections::{HashMap, HashSet};
use strongroom_model::ItemId;

/// What the service tells of folders.
#[derive(Default)]
struct Listing {
    full: bool,
    link: String,
    listed: HashMap<ItemId, MailFolder>,
    removed: HashSet<ItemId>,
    /// Of which a row told less than a folder is.
    told: HashSet<ItemId>,
    /// They show messages of others, and are not kept.
    searches: HashSet<ItemId>,
    skipped: Vec<(ItemId, String, String)>,
}

/// Names of their own of folders, and whether only this way shows the folder.
type Labels = HashMap<ItemId, (&'static str, bool)>;

pub(super) async fn read(
    of: Of<'_>,
    cursor: Option<&Cursor>,
    stored: &[Collection],
) -> Result<Collections, Error> {
    let mut news = folder_news(of, cursor).await?;
    // News of a folder may tell the half of it.
    let told = std::mem::take(&mut news.told).into_iter().collect::<Vec<_>>();
    let now = folders_by_id(of.client, &of.owner.id, &told).await?;
    for (id, folder) in told.into_iter().zip(now) {
        match folder {
            Some(f) if f.is_search => drop(news.searches.insert(id)),
            Some(f) => drop(news.listed.insert(id, f)),
            None => drop(news.removed.insert(id)),
        }
    }
    let changed = !news.listed.is_empty() || !news.removed.is_empty();
    let top = hidden_folders(of, &mut news, stored).await?;
    let (labels, absent) = named_folders(of, &mut news, stored).await?;
    let gone = missing_folders(of, &mut news, stored, &top).await?;
    // What a search showed was taken for its own: each message is looked for where it is.
    let relist = stored.iter().any(|f| news.searches.contains(&f.id));
    let Listing { link, listed, skipped, .. } = news;
    let there = listed.into_values().map(|f| {
        let named = labels.get(&f.id);
        let before = stored.iter().find(|k| k.id == f.id).and_then(|k| k.facts.label.clone());
        let label = named.map(|(name, _)| (*name).to_owned()).or(before);
        let is_recoverable = named.is_some_and(|(_, unlisted)| *unlisted)
            || label.as_deref().is_some_and(|l| l.starts_with("recoverable"));
        CollectionHead {
            state: None,
            directory: is_recoverable.then(|| format!("Recoverable Items ({})", f.name)),
            id: f.id,
            name: f.name,
            parent: Some(f.parent),
            called: label.clone(),
            label,
            root: None,
        }
    });
    Ok(Collections {
        there: there.collect(),
        gone: gone.into_iter().map(|id| Gone { id, keep: false }).collect(),
        failed: Vec::new(),
        cursor: Some(Cursor(link)),
        changed,
        relist,
        absent,
        skipped,
    })
}

/// What the delta of folders tells.
async fn folder_news(of: Of<'_>, cursor: Option<&Cursor>) -> Result<Listing, Error> {
    let mut link = cursor.map(|c| c.0.as_str());
    'round: loop {
        let mut news = Listing { full: link.is_none(), ..Listing::default() };
        let mut changes = folder_changes(of.client, &of.owner.id, link);
        loop {
            match changes.next().await {
                Ok(SourceEvent::Item(f)) if f.is_search => {
                    news.searches.insert(f.id);
                }
                Ok(SourceEvent::Item(f)) => {
                    news.removed.remove(&f.id);
                    news.told.remove(&f.id);
                    news.listed.insert(f.id.clone(), f);
                }
                Ok(SourceEvent::Deleted(id)) => {
                    news.listed.remove(&id);
                    news.told.remove(&id);
                    news.removed.insert(id);
                }
                Ok(SourceEvent::Skipped { id, .. }) if !id.0.is_empty() => {
                    news.told.insert(id);
                }
                Ok(SourceEvent::Skipped { id, name, cause }) => {
                    news.skipped.push((id, name.into_string(), cause.into_string()));
                }
                Ok(SourceEvent::End { cursor }) => {
                    news.link = cursor.0;
                    return Ok(news);
                }
                Err(e) if e.invalidates_link() && link.is_some() => {
                    link = None;
                    continue 'round;
                }
                Err(e) => return Err(e),
            }
        }
    }
}

/// Folders that the delta does not name, since they are hidden: below the root and below each other
/// at every run, below all others when everything is listed. Answers what stands below the root.
async fn hidden_folders(
    of: Of<'_>,
    news: &mut Listing,
    stored: &[Collection],
) -> Result<HashSet<ItemId>, Error> {
    let (mut top, mut hidden) = (HashSet::new(), HashSet::new());
    let mut parents: Vec<Option<ItemId>> = vec![None];
    if news.full {
        let with_some = news.listed.values().filter(|f| f.children > 0);
        parents.extend(with_some.map(|f| Some(f.id.clone())));
    }
    while let Some(parent) = parents.pop() {
        for f in folders_below(of.client, &of.owner.id, parent.as_ref()).await? {
            if parent.is_none() {
                top.insert(f.id.clone());
            }
            if f.is_search {
                news.searches.insert(f.id);
                continue;
            }
            if f.is_hidden && hidden.insert(f.id.clone()) && f.children > 0 {
                parents.push(Some(f.id.clone()));
            }
            // A list is told of the moment, a delta of the last round.
            let is_news = f.is_hidden || !stored.iter().any(|k| k.id == f.id);
            if is_news && !news.removed.contains(&f.id) {
                news.listed.entry(f.id.clone()).or_insert(f);
            }
        }
    }
    Ok(top)
}

/// Folders with names of their own: all of them when everything is listed, else those that no list
/// shows and that were not there before. Answers their names, and what the mailbox lacks.
async fn named_folders(
    of: Of<'_>,
    news: &mut Listing,
    stored: &[Collection],
) -> Result<(Labels, Vec<(String, String)>), Error> {
    let has = |name: &str| stored.iter().any(|f| f.facts.label.as_deref() == Some(name));
    let names: Vec<&'static str> = match news.full {
        true => WELL_KNOWN.to_vec(),
        false => unlisted_names().iter().filter(|n| !has(n)).copied().collect(),
    };
    let mut labels = Labels::new();
    for (name, folder, unlisted) in well_known_folders(of.client, &of.owner.id, &names).await? {
        labels.insert(folder.id.clone(), (name, unlisted));
        news.listed.entry(folder.id.clone()).or_insert(folder);
    }
    let lacks = |name: &&&'static str| news.full && !labels.values().any(|(l, _)| l == *name);
    let absent = names.iter().filter(lacks);
    let absent =
        absent.map(|n| ((*n).to_owned(), "the mailbox has no such folder".to_owned())).collect();
    Ok((labels, absent))
}

/// Stored folders that are not there any more: each that a list lacks, that a delta says is gone,
/// or that stands below one of those, is asked for before it counts as gone.
async fn missing_folders(
    of: Of<'_>,
    news: &mut Listing,
    stored: &[Collection],
    top: &HashSet<ItemId>,
) -> Result<HashSet<ItemId>, Error> {
    let unlisted =
        |f: &Collection| f.facts.label.as_deref().is_some_and(|l| unlisted_names().contains(&l));
    let lacks = |f: &Collection| {
        news.removed.contains(&f.id)
            || news.searches.contains(&f.id)
            || !news.listed.contains_key(&f.id)
                && (news.full || f.path.len() == 1 && !unlisted(f) && !top.contains(&f.id))
    };
    let mut missing: Vec<&Collection> = stored.iter().filter(|f| lacks(f)).collect();
    let above: Vec<&[String]> = missing.iter().map(|f| f.path.as_slice()).collect();
    let below = stored.iter().filter(|f| {
        !lacks(f)
            && !news.listed.contains_key(&f.id)
            && above.iter().any(|path| f.path.starts_with(path))
    });
    missing.extend(below);
    let ids: Vec<ItemId> = missing.iter().map(|f| f.id.clone()).collect();
    let mut gone = HashSet::new();
    let now = folders_by_id(of.client, &of.owner.id, &ids).await?;
    for (id, folder) in ids.into_iter().zip(now) {
        match folder {
            Some(f) if !f.is_search => drop(news.listed.insert(id, f)),
            _ => drop(gone.insert(id)),
        }
    }
    Ok(gone)
}
