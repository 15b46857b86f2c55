//! One file goes back: to its place or beside what is there, with its times, and is read back.

use super::{DriveWork, acceptable};
use crate::{
    ErrorKind, QuickXor,
    drive::{
        DriveItem, FileHead, Other, child, create_folder, delete, is_by_session,
        item::may_be_whole, set_place, upload, versions,
    },
    restore::{Action, Into, Reader, RestoreOutcome, Stopped, To},
};
use futures::future::BoxFuture;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use strongroom_model::{ItemId, Untrusted, extension, limits};

/// How a file came back, and how many bytes were sent for it.
type Done = (RestoreOutcome, u64);

pub(super) fn job<'a>(
    to: To<'a>,
    w: &'a DriveWork,
    parent: ItemId,
    name: String,
) -> BoxFuture<'a, (&'a DriveWork, Result<Done, Stopped>)> {
    Box::pin(async move {
        let done = one(to, w, &parent, name).await;
        to.progress.advance(1, w.bytes());
        (w, done)
    })
}

pub(super) async fn ensure(
    to: To<'_>,
    (drive, root): (&ItemId, &ItemId),
    folder: &[String],
    known: &mut HashMap<(ItemId, Vec<String>), ItemId>,
) -> Result<ItemId, Stopped> {
    let mut path = Vec::new();
    let mut at = root.clone();
    let top = match to.into {
        Into::Folder(name) => Some(acceptable(name)),
        Into::InPlace => None,
    };
    for name in top.iter().chain(folder) {
        path.push(name.clone());
        let place = (drive.clone(), path.clone());
        at = match known.get(&place) {
            Some(id) => id.clone(),
            None => create_folder(to.client, drive, &at, name).await?.id,
        };
        known.insert(place, at.clone());
    }
    Ok(at)
}

/// Brings one file back; answers how, and how many bytes were sent for it.
async fn one(to: To<'_>, w: &DriveWork, parent: &ItemId, name: String) -> Result<Done, Stopped> {
    if let (Action::Move, Some(id)) = (w.action, &w.over) {
        let (_, name) = put_in_place(to, w, id, parent, &name, w.times()).await?;
        return Ok((under_name(w, &name, None), 0));
    }
    // Where the plan saw nothing there is most likely nothing, and if there is, the service says
    // so: a file costs no request to find that out.
    let is_tried = w.over.is_none() && to.is_in_place() && !to.versions;
    if is_tried && is_by_session(w.item.size_bytes, w.times()) {
        match send(to, w, parent, name.clone(), Other::Kept).await {
            Err(Stopped::Graph(e)) if e.kind == ErrorKind::NameTaken => {}
            done => return Ok((done?, w.bytes())),
        }
    }
    let name = match w.over {
        Some(_) => name,
        None => match site(to, w, parent, &name).await? {
            Site::Free(name) => name,
            Site::There(outcome) => return Ok((outcome, 0)),
        },
    };
    Ok((send(to, w, parent, name, Other::Replaced).await?, w.bytes()))
}

/// Where a file goes that is not in its drive.
enum Site {
    /// Nothing bears this name.
    Free(String),
    /// An earlier restore brought it already: no second one beside it.
    There(RestoreOutcome),
}

/// Names that are tried for a file before it is given up.
const NAMES_MAX: usize = 100;

async fn site(to: To<'_>, w: &DriveWork, parent: &ItemId, wanted: &str) -> Result<Site, Stopped> {
    let client = to.client;
    for n in 0..NAMES_MAX {
        // What bears the name and is something else stays as it is.
        let name = match n {
            0 => wanted.to_owned(),
            1 => apart(wanted, w),
            n => numbered(&apart(wanted, w), n),
        };
        let Some(there) = child(client, &w.drive, parent, &name).await? else {
            return Ok(Site::Free(name));
        };
        let Some(form) = holds_the_same(to, w, &there).await? else { continue };
        if (there.created, there.modified) != w.times() {
            set_place(client, &w.drive, &there.id, None, w.times()).await?;
        }
        let other = "an earlier restore brought it; the service keeps it in another form";
        let other = (form == Form::Rewritten).then(|| other.to_owned());
        return Ok(Site::There(under_name(w, &name, other)));
    }
    Err(Stopped::Stored(
        format!("{NAMES_MAX} names like {wanted:?} are taken by other items").into(),
    ))
}

/// How a file came back under a name.
fn under_name(w: &DriveWork, name: &str, difference: Option<String>) -> RestoreOutcome {
    let mut differences: Vec<String> = (name != w.name).then(|| taken(name)).into_iter().collect();
    differences.extend(difference);
    match differences.is_empty() {
        true => named(w),
        false => RestoreOutcome::of(differences),
    }
}

/// `report~1a2b3c4d 2.docx`
fn numbered(name: &str, n: usize) -> String {
    let ext = extension(name);
    format!("{} {n}{ext}", &name[..name.len() - ext.len()])
}

/// Uploads a file with what is wanted of its older versions, and reads it back.
async fn send(
    to: To<'_>,
    w: &DriveWork,
    parent: &ItemId,
    mut name: String,
    other: Other,
) -> Result<RestoreOutcome, Stopped> {
    let state = w.item.facts.file.clone().unwrap_or_default();
    let times = w.times();
    let client = to.client;
    let mut over = w.over.clone();
    if to.versions {
        for version in w.item.contents.versions()? {
            let modified = version.facts.file.as_ref().and_then(|f| f.modified);
            if over.is_some() && w.action == Action::Replace {
                let (there, _) =
                    versions(client, &w.drive, over.as_ref().unwrap_or(&w.root)).await?;
                // The tenant still has its own history.
                if !there.is_empty() {
                    break;
                }
            }
            let reader = Reader::new(&version);
            let up = upload(
                client,
                &w.drive,
                over.as_ref(),
                (parent, &name),
                other,
                version.size_bytes,
                (state.created, modified),
                |at, n| reader.read(at, n),
            )
            .await?;
            over = Some(up.item.id);
        }
    }
    let reader = Reader::new(&w.item);
    let up = upload(
        client,
        &w.drive,
        over.as_ref(),
        (parent, &name),
        other,
        w.item.size_bytes,
        times,
        |at, n| reader.read(at, n),
    )
    .await?;
    let mut item = up.item;
    if item.name != name || item.parent.as_ref() != Some(parent) {
        (item, name) = put_in_place(to, w, &item.id, parent, &name, times).await?;
    }
    let mut differences = Vec::new();
    if name != w.name {
        differences.push(taken(&name));
    }
    let (size, hash) = (w.item.size_bytes, reader.hash());
    let file = item.file.clone().unwrap_or(FileHead {
        size_bytes: None,
        quick_xor: None,
        sha256: None,
        malware: false,
    });
    let same = file.size_bytes == Some(size) && file.quick_xor.as_ref() == Some(&hash);
    if !same {
        // Size or hash may be told wrong, and the service writes into some files: what it hands
        // out says which.
        let came = Came::of(to, w, &item.id).await?;
        if came.size != size || came.quick_xor != hash {
            if !came.is_another_form(to, w, &item.name).await? {
                // Damage is no file: the next try makes it anew.
                if w.over.is_none() {
                    delete(client, &w.drive, &item.id).await?;
                }
                let why = format!(
                    "the service hands out something else: {size} bytes became {}",
                    came.size
                );
                return Ok(RestoreOutcome::Failed { why: why.into() });
            }
            let text =
                format!("the service rewrote it on upload: {size} bytes became {}", came.size);
            differences.push(text);
        }
    }
    if (item.created, item.modified) != times && times.1.is_some() {
        differences.push("its times differ".into());
    }
    match named(w) {
        RestoreOutcome::Altered { differences: more } => {
            differences.extend(more.into_iter().map(Untrusted::into_string));
        }
        RestoreOutcome::Identical | RestoreOutcome::Failed { .. } => {}
    }
    Ok(RestoreOutcome::of(differences))
}

/// In which form a file is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// With the stored bytes.
    Same,
    /// With its times, and with bytes that the service made of them: SharePoint writes into Office
    /// files.
    Rewritten,
}

/// Whether a file of the drive is the stored one: by its hash, else by what is handed out, since
/// not every file has a hash, and not every hash is right.
pub(super) async fn holds_the_same(
    to: To<'_>,
    w: &DriveWork,
    there: &DriveItem,
) -> Result<Option<Form>, Stopped> {
    let state = w.item.facts.file.clone().unwrap_or_default();
    let Some(file) = &there.file else { return Ok(None) };
    let size = w.item.size_bytes;
    if file.size_bytes.is_some_and(|n| n == size)
        && file.quick_xor.is_some()
        && file.quick_xor == state.quick_xor
    {
        return Ok(Some(Form::Same));
    }
    let times = (state.created, state.modified);
    let with_times = times.1.is_some() && (there.created, there.modified) == times;
    let other_hash = file.quick_xor.is_some() && file.quick_xor != state.quick_xor;
    if !with_times && other_hash && file.size_bytes != Some(size) {
        return Ok(None);
    }
    let came = Came::of(to, w, &there.id).await?;
    if came.size == size && state.sha256 == Some(came.sha256.clone()) {
        return Ok(Some(Form::Same));
    }
    if !with_times {
        return Ok(None);
    }
    // What an attacker made of it, times and all, is not the file.
    let is_it = is_office(&w.name) && came.is_another_form(to, w, &there.name).await?;
    Ok(is_it.then_some(Form::Rewritten))
}

/// What the service hands out of a file, read once.
struct Came {
    size: u64,
    sha256: String,
    quick_xor: String,
    /// Its beginning, which is judged.
    head: Vec<u8>,
}

impl Came {
    async fn of(to: To<'_>, w: &DriveWork, id: &ItemId) -> Result<Self, Stopped> {
        let mut download = crate::drive::download(to.client, &w.drive, id);
        let (mut sha256, mut quick_xor) = (Sha256::new(), QuickXor::default());
        let (mut size, mut head) = (0_u64, Vec::new());
        while let Some(piece) = download.next().await? {
            sha256.update(&piece);
            quick_xor.update(&piece);
            size += piece.len() as u64;
            let room = (limits::JUDGE_BYTES_MAX as usize).saturating_sub(head.len());
            head.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        let (sha256, quick_xor) = (hex::encode(sha256.finalize()), quick_xor.finish());
        Ok(Self { size, sha256, quick_xor, head })
    }

    /// Whether it is the stored file as the service writes it: of a kind that it writes into,
    /// whole, and nothing that an attacker made of it.
    async fn is_another_form(
        &self,
        to: To<'_>,
        w: &DriveWork,
        name: &str,
    ) -> Result<bool, Stopped> {
        if !may_be_rewritten(&w.name, &self.head, self.size) {
            return Ok(false);
        }
        let length = w.item.size_bytes.min(limits::JUDGE_BYTES_MAX) as usize;
        let stored = Reader::new(&w.item).read(0, length).await?;
        let is_clean = || to.snapshot.is_clean((name, &self.head), (&w.name, &stored));
        Ok(tokio::task::block_in_place(is_clean))
    }
}

/// Whether these bytes are all of a file into which the service writes: an Office file, or a
/// picture. Of what is longer than what is looked at the end is not known: length has to do.
fn may_be_rewritten(name: &str, head: &[u8], size: u64) -> bool {
    let is_picture = [".png", ".jpg", ".jpeg"].contains(&&*extension(name).to_lowercase());
    let starts = match head {
        [b'P', b'K', 3, 4, ..] => is_office(name),
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] => is_picture,
        _ => false,
    };
    starts && may_be_whole(name, head, size, limits::JUDGE_BYTES_MAX)
}

/// Whether SharePoint writes its own properties into files of such a name.
pub(super) fn is_office(name: &str) -> bool {
    let kind = extension(name).to_lowercase();
    [".docx", ".xlsx", ".pptx", ".docm", ".xlsm", ".pptm"].contains(&kind.as_str())
}

/// A name that no other item has: the id stands behind it.
pub(super) fn apart(name: &str, w: &DriveWork) -> String {
    let ext = extension(name);
    format!(
        "{}~{}{ext}",
        &name[..name.len() - ext.len()],
        strongroom_model::short_id(&w.item.facts.id.0)
    )
}

fn taken(name: &str) -> String {
    format!("the name is {name:?} now: another item has its own, or one that differs by case alone")
}

pub(super) type Times = (Option<jiff::Timestamp>, Option<jiff::Timestamp>);

/// Moves an item to its place; when the name is taken there, to a name of its own.
async fn put_in_place(
    to: To<'_>,
    w: &DriveWork,
    id: &ItemId,
    parent: &ItemId,
    name: &str,
    times: Times,
) -> Result<(DriveItem, String), Stopped> {
    match set_place(to.client, &w.drive, id, Some((parent, name)), times).await {
        Ok(item) => Ok((item, name.to_owned())),
        Err(e) if e.kind == ErrorKind::NameTaken => {
            let name = apart(name, w);
            Ok((set_place(to.client, &w.drive, id, Some((parent, &name)), times).await?, name))
        }
        Err(e) => Err(e.into()),
    }
}

fn named(w: &DriveWork) -> RestoreOutcome {
    match w.renamed {
        true => RestoreOutcome::of(vec![format!(
            "the service does not take its name, it is {:?} now",
            w.name
        )]),
        false => RestoreOutcome::Identical,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_office_files_and_pictures_may_come_back_otherwise() {
        let zip = b"PK\x03\x04 content PK\x05\x06 end";
        let rewritten = |name, bytes: &[u8]| may_be_rewritten(name, bytes, bytes.len() as u64);
        assert!(rewritten("plan.docx", zip) && rewritten("PLAN.DOCX", zip));
        assert!(rewritten("photo.png", b"\x89PNG\r\n\x1a\n IEND"));
        let cut = &zip[..zip.len() - 12];
        assert!(!rewritten("plan.docx", cut) && !rewritten("plan.zip", zip));
        assert!(!rewritten("photo.png", zip) && !rewritten("plan.docx", b"<html></html>"));
        assert!(!rewritten("letter.pdf", b"%PDF-1.7 text %%EOF"));
        assert!(!rewritten("notes.txt", b"notes") && !rewritten("plan.docx", b""));
    }
}
