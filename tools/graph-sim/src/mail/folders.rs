//! Everything that changes the folders of a mailbox.

use crate::{
    core::{
        http::{ApiError, Area, Reply},
        ids::IdMaker,
        odata::Query,
        world::{Call, World},
    },
    mail::{
        routes::folder_missing,
        show,
        state::{Mailbox, Search},
        write::{destination, user},
    },
};
use serde_json::Value;

const AREA: Area = Area::Mail;

fn exists() -> ApiError {
    let text = "A folder with the specified name already exists.";
    ApiError::new(409, "ErrorFolderExists", text)
}

fn taken(mailbox: &Mailbox, parent: &str, name: &str, but: &str) -> bool {
    mailbox.children(parent).any(|f| f.id != but && f.name.eq_ignore_ascii_case(name))
}

fn shown(mailbox: &Mailbox, folder: &str, status: u16) -> Result<Reply, ApiError> {
    let f = mailbox.folders.get(folder).ok_or_else(folder_missing)?;
    Ok(Reply::json(status, &show::folder(mailbox, f, &Query::default())))
}

/// Only these can be given. Sources: mailFolder: update; user: post mailFolders; mailSearchFolder.
fn only(json: &Value, names: &[&str]) -> Result<(), ApiError> {
    let mut given = json.as_object().into_iter().flatten().map(|(name, _)| name);
    match given.find(|n| !n.starts_with('@') && !names.contains(&n.as_str())) {
        Some(name) => Err(ApiError::new(
            400,
            "ErrorInvalidPropertySet",
            format!("Set action is invalid for property '{name}'."),
        )),
        None => Ok(()),
    }
}

/// Folders that every mailbox has cannot be deleted, moved or renamed. Source: response codes of
/// Exchange.
fn not_built_in(mailbox: &Mailbox, folder: &str, code: &'static str) -> Result<(), ApiError> {
    match mailbox.folders.get(folder).is_none_or(|f| f.well_known.is_some()) {
        true => Err(ApiError::new(
            403,
            code,
            "Distinguished folders cannot be deleted, moved or renamed.",
        )),
        false => Ok(()),
    }
}

pub(crate) fn create(
    world: &mut World,
    call: &Call<'_>,
    id: &str,
    parent: &str,
) -> Result<Reply, ApiError> {
    let json = call.req.json(AREA)?;
    let name = json["displayName"].as_str().unwrap_or_default().to_owned();
    if name.is_empty() {
        return Err(ApiError::bad_request(AREA, "A folder needs a displayName."));
    }
    let searches = json["@odata.type"]
        .as_str()
        .is_some_and(|t| t.ends_with("microsoft.graph.mailSearchFolder"));
    match searches {
        true => only(
            &json,
            &["displayName", "includeNestedFolders", "sourceFolderIds", "filterQuery", "isHidden"],
        )?,
        false => only(&json, &["displayName", "isHidden"])?,
    }
    let (u, ids) = user(world, call, id)?;
    if taken(&u.mailbox, parent, &name, "") {
        return Err(exists());
    }
    let hidden = json["isHidden"].as_bool().unwrap_or_default();
    let new = u.mailbox.new_folder(ids, parent, &name, hidden);
    if let Some(folder) = u.mailbox.folders.get_mut(&new).filter(|_| searches) {
        let texts = |v: &Value| v.as_str().map(str::to_owned);
        folder.search = Some(Search {
            filter: json["filterQuery"].as_str().unwrap_or_default().to_owned(),
            sources: json["sourceFolderIds"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(texts)
                .collect(),
            nested: json["includeNestedFolders"].as_bool().unwrap_or_default(),
        });
    }
    u.mailbox.touch_folder(parent);
    shown(&u.mailbox, &new, 201)
}

pub(crate) fn update(
    world: &mut World,
    call: &Call<'_>,
    id: &str,
    folder: &str,
) -> Result<Reply, ApiError> {
    let json = call.req.json(AREA)?;
    let (u, _) = user(world, call, id)?;
    let mailbox = &mut u.mailbox;
    let f = mailbox.folders.get(folder).ok_or_else(folder_missing)?;
    match f.search.is_some() {
        true => {
            only(&json, &["displayName", "includeNestedFolders", "sourceFolderIds", "filterQuery"])?
        }
        false => only(&json, &["displayName"])?,
    }
    let parent = f.parent.clone();
    let Some(name) = json["displayName"].as_str().filter(|n| !n.is_empty()) else {
        return Err(ApiError::new(400, "ErrorInvalidRequest", "A folder needs a displayName."));
    };
    not_built_in(mailbox, folder, "ErrorAccessDenied")?;
    if taken(mailbox, &parent, name, folder) {
        return Err(exists());
    }
    if let Some(f) = mailbox.folders.get_mut(folder) {
        name.clone_into(&mut f.name);
    }
    mailbox.touch_folder(folder);
    shown(mailbox, folder, 200)
}

fn is_below(mailbox: &Mailbox, id: &str, above: &str) -> bool {
    let mut at = id;
    loop {
        if at == above {
            return true;
        }
        match mailbox.folders.get(at) {
            Some(f) => at = &f.parent,
            None => return false,
        }
    }
}

/// Whether a folder may go there: not into itself, not beside one of its name.
fn fits(mailbox: &Mailbox, folder: &str, to: &str) -> Result<(), ApiError> {
    let f = mailbox.folders.get(folder).ok_or_else(folder_missing)?;
    if is_below(mailbox, to, folder) {
        return Err(ApiError::new(
            400,
            "ErrorMoveCopyFailed",
            "The move or copy operation failed.",
        ));
    }
    if taken(mailbox, to, &f.name, folder) {
        return Err(exists());
    }
    Ok(())
}

pub(crate) fn move_to(
    world: &mut World,
    call: &Call<'_>,
    id: &str,
    folder: &str,
) -> Result<Reply, ApiError> {
    let to = destination(world, call, id)?;
    let (u, _) = user(world, call, id)?;
    not_built_in(&u.mailbox, folder, "ErrorMoveDistinguishedFolder")?;
    fits(&u.mailbox, folder, &to)?;
    if let Some(f) = u.mailbox.folders.get_mut(folder) {
        f.parent = to;
    }
    u.mailbox.touch_folder(folder);
    shown(&u.mailbox, folder, 201)
}

/// A folder with all below, as new folders and messages.
pub(crate) fn copy(
    world: &mut World,
    call: &Call<'_>,
    id: &str,
    folder: &str,
) -> Result<Reply, ApiError> {
    let to = destination(world, call, id)?;
    let (u, ids) = user(world, call, id)?;
    fits(&u.mailbox, folder, &to)?;
    let made = copy_tree(&mut u.mailbox, ids, folder, &to).ok_or_else(folder_missing)?;
    shown(&u.mailbox, &made, 201)
}

fn copy_tree(mailbox: &mut Mailbox, ids: &mut IdMaker, from: &str, to: &str) -> Option<String> {
    let f = mailbox.folders.get(from)?.clone();
    let children: Vec<String> = mailbox.children(from).map(|c| c.id.clone()).collect();
    let made = mailbox.new_folder(ids, to, &f.name, f.hidden);
    for number in f.live.values() {
        let Some(mut m) = mailbox.messages.get(number).cloned() else { continue };
        m.immutable_id = ids.exchange("AAkA");
        m.id = ids.exchange("AAMk");
        m.folder.clone_from(&made);
        let number = ids.number();
        mailbox.add(number, m);
    }
    for child in children {
        copy_tree(mailbox, ids, &child, &made);
    }
    Some(made)
}

/// Takes a folder away with all below.
pub(crate) fn delete(
    world: &mut World,
    call: &Call<'_>,
    id: &str,
    folder: &str,
) -> Result<Reply, ApiError> {
    let (u, _) = user(world, call, id)?;
    not_built_in(&u.mailbox, folder, "ErrorDeleteDistinguishedFolder")?;
    u.mailbox.destroy_folder(folder);
    Ok(Reply::new(204))
}
