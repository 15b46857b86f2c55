//! Deletes what a run has made, and nothing else.
//!
//! Before anything goes three things must agree: the id is in the run's record, the service gives
//! the name that the record has, and it stands in a folder of the record or at the place where the
//! run makes things. What somebody else has put into a folder of the run keeps the folder.

use crate::{
    error::{During, Error},
    escape,
    run::Tools,
    run_record::{Made, MadeKind, Meant},
};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;
use strongroom_graph::{Client, ErrorKind, Request, Scope};

const STEP: &str = "deleting what the run has made";

/// Something of a run that is still there.
#[derive(Debug, Clone, Serialize)]
pub struct Leftover {
    /// Its kind.
    pub kind: MadeKind,
    /// Its name.
    pub name: String,
    /// Why.
    pub why: String,
}

fn scope(tools: &Tools, kind: MadeKind) -> Scope {
    match kind {
        MadeKind::MailFolder | MadeKind::Message => {
            Scope::Mailbox(tools.ground.ledger().owner_id.clone())
        }
        MadeKind::DriveItem => Scope::Drives,
        MadeKind::NamedLocation | MadeKind::Policy => Scope::Policies,
    }
}

fn target(tools: &Tools, kind: MadeKind, id: &str) -> String {
    let ledger = tools.ground.ledger();
    let (owner, id) = (escape(&ledger.owner_id), escape(id));
    match kind {
        MadeKind::MailFolder => format!("users/{owner}/mailFolders/{id}"),
        MadeKind::Message => format!("users/{owner}/messages/{id}"),
        MadeKind::DriveItem => {
            format!("drives/{}/items/{id}", escape(ledger.drive.as_deref().unwrap_or_default()))
        }
        MadeKind::NamedLocation => format!("identity/conditionalAccess/namedLocations/{id}"),
        MadeKind::Policy => format!("identity/conditionalAccess/policies/{id}"),
    }
}

fn client(tools: &Tools, kind: MadeKind) -> Result<&Client, Error> {
    match kind {
        MadeKind::NamedLocation | MadeKind::Policy => tools.configure.as_deref().ok_or_else(|| {
            let why = "the configuration has no identity \"configure\" any more".to_owned();
            Error::NotOurs { kind, why }
        }),
        _ => Ok(&tools.write),
    }
}

/// Whether an object is one that this run has made: by its record, by its name, by its place.
/// `None` when it is not there any more.
///
/// # Errors
/// [`Error::NotOurs`] says which of the tests it fails.
pub async fn ours(tools: &Tools, kind: MadeKind, id: &str) -> Result<Option<Made>, Error> {
    let not = |why: &str| Error::NotOurs { kind, why: why.to_owned() };
    let known = tools.ground.ledger().find(kind, id).cloned();
    let known = known.ok_or_else(|| not("its id is not in the record of this run"))?;
    let select = match kind {
        MadeKind::MailFolder => "?$select=id,displayName,parentFolderId",
        MadeKind::Message => "?$select=id,subject,parentFolderId",
        MadeKind::DriveItem => "?$select=id,name,parentReference",
        MadeKind::NamedLocation | MadeKind::Policy => "",
    };
    let request = Request::get(scope(tools, kind), format!("{}{select}", target(tools, kind, id)));
    let now: Value = match client(tools, kind)?.json(&request).await {
        Ok(now) => now,
        Err(e) if e.kind == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).during(STEP),
    };
    let name = match kind {
        MadeKind::Message => &now["subject"],
        MadeKind::DriveItem => &now["name"],
        _ => &now["displayName"],
    };
    if name.as_str() != Some(known.name.as_str()) {
        return Err(not("it has another name than the one that this run gave it"));
    }
    let ledger = tools.ground.ledger();
    let at_top = known.parent.is_empty();
    if at_top && !known.name.starts_with(&ledger.mark()) {
        return Err(not("its name does not begin with that of this run"));
    }
    let place = match kind {
        MadeKind::MailFolder | MadeKind::Message => now["parentFolderId"].as_str(),
        MadeKind::DriveItem => now["parentReference"]["id"].as_str(),
        _ => return Ok(Some(known)),
    };
    let place = place.unwrap_or_default();
    let folder = if kind == MadeKind::Message { MadeKind::MailFolder } else { kind };
    match (at_top, kind) {
        (false, _) if ledger.find(folder, place).is_none() => {
            Err(not("it is no longer in a folder of this run"))
        }
        (true, MadeKind::DriveItem) if ledger.drive_root.as_deref() != Some(place) => {
            Err(not("it is no longer at the root of the drive"))
        }
        _ => Ok(Some(known)),
    }
}

/// Deletes one object after it was proven to be of this run.
///
/// # Errors
/// [`Error::NotOurs`], or as Graph answers.
pub async fn delete(tools: &Tools, kind: MadeKind, id: &str) -> Result<(), Error> {
    if ours(tools, kind, id).await?.is_none() {
        return tools.ground.ledger().note_deleted(kind, id);
    }
    if matches!(kind, MadeKind::MailFolder | MadeKind::DriveItem) {
        no_strangers(tools, kind, id).await?;
    }
    let (client, scope, at) = (client(tools, kind)?, scope(tools, kind), target(tools, kind, id));
    // For good where that can be had: ordinary deletion leaves a drive's item in the recycle bin,
    // and a mail folder in Deleted Items.
    let for_good = !matches!(kind, MadeKind::NamedLocation | MadeKind::Policy);
    let post = Request::post(scope.clone(), format!("{at}/permanentDelete"), &json!({}));
    let done = match for_good {
        true => client.send(&post).await.is_ok(),
        false => false,
    };
    if !done {
        match client.send(&Request::delete(scope, at)).await {
            Err(e) if e.kind != ErrorKind::NotFound => return Err(e).during(STEP),
            _ => {}
        }
    }
    tools.ground.ledger().note_deleted(kind, id)
}

/// What stands in a folder of the run and was not made by it keeps the folder.
async fn no_strangers(tools: &Tools, kind: MadeKind, id: &str) -> Result<(), Error> {
    let at = target(tools, kind, id);
    let lists: &[(&str, MadeKind)] = match kind {
        MadeKind::MailFolder => &[
            ("messages?$select=id,subject&$top=100", MadeKind::Message),
            ("childFolders?$select=id,displayName&$top=100", MadeKind::MailFolder),
        ],
        _ => &[("children?$select=id,name,folder", MadeKind::DriveItem)],
    };
    for (list, inner) in lists {
        let request = Request::get(scope(tools, kind), format!("{at}/{list}"));
        for row in client(tools, kind)?.list(&request).await.during(STEP)? {
            let id = row["id"].as_str().unwrap_or_default();
            if tools.ground.ledger().find(*inner, id).is_none() {
                let name = row["name"].as_str().or(row["displayName"].as_str());
                let name = name.or(row["subject"].as_str()).unwrap_or_default();
                let why = format!("{name:?} is in it, which this run has not made");
                return Err(Error::NotOurs { kind, why });
            }
            if *inner == MadeKind::DriveItem && row["folder"].is_object() {
                Box::pin(no_strangers(tools, MadeKind::DriveItem, id)).await?;
            }
        }
    }
    Ok(())
}

/// How long after one another what was asked for without an answer is looked for: a service goes on
/// with what it was asked for when its caller is gone, and what it makes a moment after the first
/// look would be a stranger in a folder of the run. Seconds; our choice.
const LOOKS_S: [u64; 4] = [0, 1, 2, 4];

/// Looks for what was asked for without an answer, by name and place, and notes what is there. Only
/// what carries the run's own name, or stands in a folder of its record, is looked for. Whether
/// there is nothing more to look for.
async fn find_meant(tools: &Tools, meant: &Meant) -> Result<bool, Error> {
    let ledger = tools.ground.ledger().clone();
    let folder = if meant.kind == MadeKind::Message { MadeKind::MailFolder } else { meant.kind };
    let own = match meant.parent.as_str() {
        "" => meant.name.starts_with(&ledger.mark()),
        parent => ledger.find(folder, parent).is_some(),
    };
    if !own {
        return tools.ground.ledger().forget_meant(meant).map(|()| true);
    }
    let at = |id: &str| target(tools, folder, id);
    let owner = escape(&ledger.owner_id);
    let (list, property) = match (meant.kind, meant.parent.as_str()) {
        (MadeKind::MailFolder, "") => (format!("users/{owner}/mailFolders"), "displayName"),
        (MadeKind::MailFolder, parent) => (format!("{}/childFolders", at(parent)), "displayName"),
        (MadeKind::Message, parent) => (format!("{}/messages", at(parent)), "subject"),
        (MadeKind::DriveItem, "") => {
            let root = ledger.drive_root.as_deref().unwrap_or_default();
            (format!("{}/children", at(root)), "name")
        }
        (MadeKind::DriveItem, parent) => (format!("{}/children", at(parent)), "name"),
        (MadeKind::NamedLocation, _) => {
            ("identity/conditionalAccess/namedLocations".to_owned(), "displayName")
        }
        (MadeKind::Policy, _) => ("identity/conditionalAccess/policies".to_owned(), "displayName"),
    };
    let request = Request::get(scope(tools, meant.kind), format!("{list}?$select=id,{property}"));
    let rows = match client(tools, meant.kind)?.list(&request).await {
        Ok(rows) => rows,
        // Its folder is gone, and it with it.
        Err(e) if e.kind == ErrorKind::NotFound => {
            return tools.ground.ledger().forget_meant(meant).map(|()| true);
        }
        Err(e) => return Err(e).during(STEP),
    };
    let mut found = false;
    for row in rows.iter().filter(|r| r[property] == meant.name.as_str()) {
        found = true;
        let id = row["id"].as_str().unwrap_or_default();
        if tools.ground.ledger().find(meant.kind, id).is_none() {
            let Meant { kind, name, parent } = meant.clone();
            let made = Made { kind, id: id.to_owned(), name, parent, deleted: false };
            tools.ground.ledger().note(made)?;
        }
    }
    if found {
        tools.ground.ledger().forget_meant(meant)?;
    }
    Ok(found)
}

/// Looks for all that was asked for without an answer, until it is found or time enough went by.
async fn find_all_meant(tools: &Tools) -> Vec<Leftover> {
    let mut left = Vec::new();
    let mut never = tools.ground.ledger().meant.clone();
    for wait_s in LOOKS_S {
        if never.is_empty() {
            break;
        }
        tools.write.clock().sleep(Duration::from_secs(wait_s)).await;
        let mut missing = Vec::new();
        for meant in never {
            match find_meant(tools, &meant).await {
                Ok(true) => {}
                Ok(false) => missing.push(meant),
                Err(e) => {
                    left.push(Leftover { kind: meant.kind, name: meant.name, why: e.to_string() })
                }
            }
        }
        never = missing;
    }
    for meant in never {
        if let Err(e) = tools.ground.ledger().forget_meant(&meant) {
            left.push(Leftover { kind: meant.kind, name: meant.name, why: e.to_string() });
        }
    }
    left
}

/// Deletes all that the run has made and that is still there: what is within goes first. What
/// cannot go is named, and keeps nothing else back.
pub async fn wipe(tools: &Tools) -> Vec<Leftover> {
    let mut left = find_all_meant(tools).await;
    let mut all = tools.ground.ledger().made.clone();
    // A drive's folder takes with it what is within; policies name locations.
    all.retain(|m| !m.deleted && (m.kind != MadeKind::DriveItem || m.parent.is_empty()));
    all.reverse();
    all.sort_by_key(|m| match m.kind {
        MadeKind::Message => 0,
        MadeKind::MailFolder => 1,
        MadeKind::DriveItem => 2,
        MadeKind::Policy => 3,
        MadeKind::NamedLocation => 4,
    });
    for made in all {
        if let Err(e) = delete(tools, made.kind, &made.id).await {
            left.push(Leftover { kind: made.kind, name: made.name, why: e.to_string() });
        }
    }
    left
}
