//! Mail: every folder and message, field by field.

use super::{Night, same_path};
use crate::{
    Violation,
    kept::{Kept, KeptMessage},
    parse,
};
use graph_sim::year::{MessageState, PersonState};
use std::collections::{BTreeMap, BTreeSet};

/// A separator within a name, which the tree replaces.
pub(super) fn plain(path: &str) -> String {
    path.replace(" / ", " _ ")
}

pub(super) fn folders(
    night: &Night<'_>,
    kept: &Kept,
    person: &PersonState,
    room: &str,
    found: &mut Vec<Violation>,
) {
    let hidden = night.is_hidden(&person.id);
    let have: BTreeMap<&str, &crate::kept::KeptFolder> =
        kept.folders.iter().filter(|f| f.room == room).map(|f| (f.id.as_str(), f)).collect();
    for folder in person.folders.iter().filter(|f| !f.is_search) {
        let mut tell = |law: &str, detail: String| {
            found.push(night.finding(law, Some(&person.id), &folder.id, detail));
        };
        let Some(known) = have.get(folder.id.as_str()) else {
            if !hidden {
                tell("mail-folder/missing", folder.path.clone());
            }
            continue;
        };
        // Those of Recoverable Items are shown under a name that says so.
        let recoverable = folder.well_known.is_some_and(|n| n.starts_with("recoverable"));
        if !hidden && !recoverable && !same_path(&known.path, &plain(&folder.path)) {
            tell("mail-folder/path", format!("{} stands at {}", folder.path, known.path));
        }
        if !hidden && !known.link {
            tell("link/mail-folder", format!("{} has no delta link", folder.path));
        }
    }
    if hidden {
        return;
    }
    let real: BTreeSet<&str> = person.folders.iter().map(|f| f.id.as_str()).collect();
    for (id, folder) in have.iter().filter(|(id, _)| !real.contains(*id)) {
        let text = format!("{} is not in the tenant", folder.path);
        found.push(night.finding("mail-folder/extra", Some(&person.id), id, text));
    }
}

pub(super) fn messages(
    night: &Night<'_>,
    kept: &Kept,
    person: &PersonState,
    room: &str,
    found: &mut Vec<Violation>,
) {
    let hidden = night.is_hidden(&person.id);
    let skipped = night.skipped_items(person);
    let mut have: BTreeMap<&str, Vec<&KeptMessage>> = BTreeMap::new();
    for m in kept.messages.iter().filter(|m| m.room == room) {
        have.entry(m.facts.id.0.as_str()).or_default().push(m);
    }
    let had: BTreeSet<&str> = night
        .before
        .people
        .iter()
        .filter(|p| p.id == person.id)
        .flat_map(|p| p.messages.iter().map(|m| m.id.as_str()))
        .collect();
    for m in &person.messages {
        let mut tell = |law: &str, detail: String| {
            found.push(night.finding(law, Some(&person.id), &m.id, detail));
        };
        match have.get(m.id.as_str()).map(Vec::as_slice) {
            None | Some([]) if hidden => {
                if had.contains(m.id.as_str()) && night.had_read(&m.id) {
                    tell("message/lost-while-hidden", format!("{:?}", m.subject));
                }
            }
            None | Some([]) if skipped.contains(m.id.as_str()) => {}
            None | Some([]) => {
                tell("message/missing", format!("{:?} in {}", m.subject, m.folder_path));
            }
            Some(_) if hidden || skipped.contains(m.id.as_str()) => {}
            Some([known]) => fields(m, known, &mut tell),
            Some(many) => {
                let text = format!("{:?} stands {} times", m.subject, many.len());
                tell("message/twice", text);
            }
        }
    }
    if hidden || !skipped.is_empty() {
        return;
    }
    let real: BTreeSet<&str> = person.messages.iter().map(|m| m.id.as_str()).collect();
    for (id, known) in have.iter().filter(|(id, _)| !real.contains(*id)) {
        let subject = known.first().and_then(|m| m.letter.as_ref()).map(|l| l.subject.as_str());
        let text = format!("{subject:?} is not in the mailbox");
        found.push(night.finding("message/extra", Some(&person.id), id, text));
    }
}

fn fields(m: &MessageState, known: &KeptMessage, tell: &mut dyn FnMut(&str, String)) {
    let mut same = |law: &str, want: String, have: String| {
        if want != have {
            tell(law, format!("{:?}: {want} is kept as {have}", m.subject));
        }
    };
    same("message/folder", m.folder.clone(), known.folder.clone());
    let state = known.facts.message.clone().unwrap_or_default();
    same("message/read", m.is_read.to_string(), state.is_read.to_string());
    let flag = state.flag.as_ref().and_then(|f| f["flagStatus"].as_str()).unwrap_or("notFlagged");
    same("message/flag", m.flag.clone(), flag.to_owned());
    same("message/categories", m.categories.join(", "), state.categories.join(", "));
    let record = known.record.as_ref().map(|r| &r["message"]);
    let text = |name: &str| record.and_then(|r| r[name].as_str()).unwrap_or_default().to_owned();
    same("message/record-subject", m.subject.clone(), text("subject"));
    same("message/importance", m.importance.clone(), text("importance"));
    same("message/internet-id", m.internet_message_id.clone(), text("internetMessageId"));
    let received: Option<jiff::Timestamp> = text("receivedDateTime").parse().ok();
    same("message/received", format!("{:?}", m.received), format!("{received:?}"));
    let draft = record.and_then(|r| r["isDraft"].as_bool()).unwrap_or(false);
    same("message/draft", m.is_draft.to_string(), draft.to_string());
    let body = record.and_then(|r| r["body"]["content"].as_str()).unwrap_or_default();
    same("message/record-body", parse::folded(&m.body), parse::folded(body));
    // An invitation is put back as one only when the record says that it is.
    if let Some(kind) = &m.event {
        let says = known.record.as_ref().is_some_and(|r| r.to_string().contains(kind.as_str()));
        same("message/event-type", kind.clone(), if says { kind } else { "a message" }.to_owned());
    }
    let Some(letter) = &known.letter else {
        tell("message/unreadable", format!("{:?}", m.subject));
        return;
    };
    let mut same = |law: &str, want: String, have: String| {
        if want != have {
            tell(law, format!("{:?}: {want} is kept as {have}", m.subject));
        }
    };
    same("message/subject", m.subject.clone(), letter.subject.clone());
    same("message/from", m.from.clone(), letter.from.clone());
    same("message/to", m.to.join(", "), letter.to.join(", "));
    same("message/body", parse::folded(&m.body), letter.body.clone());
    let mut want: Vec<(String, String)> = m
        .attachments
        .iter()
        .filter_map(|(name, bytes)| Some((name.clone(), parse::sha256(bytes.as_ref()?))))
        .collect();
    want.sort();
    same("message/attachments", format!("{want:?}"), format!("{:?}", letter.attachments));
}
