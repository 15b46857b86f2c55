//! The owners of a tenant and where each stands in the tree.
//!
//! An owner is an id; names are labels. Two owners never share a directory, whatever is renamed
//! into what within one round: who moves is taken out first, and put where nobody stands. The
//! register is a directory for each kind of owner; its cursor rides on it.

use super::run::Run;
use crate::{Error, layout, owner_dirs};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};
use strongroom_model::{
    Alarm, AlarmKind, AlarmSeverity, Facts, ItemId, ItemKind, Role, Untrusted, fit_name, short_id,
};
use strongroom_workloads::{Cursor, ErrorKind, Owner, OwnerKind, OwnerNews, SourceEvent};

/// An owner's directories: the same name in the register and in each workload.
#[derive(Debug, Clone)]
struct OwnerDir {
    /// Name of the directory.
    name: String,
    facts: Facts,
}

impl OwnerDir {
    /// Name as last seen.
    fn label(&self) -> String {
        self.facts.label.clone().unwrap_or_else(|| self.name.clone())
    }
}

/// Where an older program kept the register: the directories of mail were that of users.
fn earlier_register(kind: OwnerKind) -> Vec<&'static str> {
    layout::tops(kind).take(1).collect()
}

/// What the last snapshot knows of owners.
struct Register {
    /// Its own record.
    facts: Option<Facts>,
    rooms: BTreeMap<ItemId, OwnerDir>,
    /// Where it stood so far, when that is not its place any more.
    moved: Option<Vec<&'static str>>,
}

impl Register {
    fn read(run: &Run, kind: OwnerKind) -> Result<Self, Error> {
        let here = layout::register(kind);
        let facts = run.dir_facts(&here)?;
        let at = match facts {
            Some(_) => here.to_vec(),
            None => earlier_register(kind),
        };
        let mut moved = None;
        let facts = match facts {
            Some(facts) => Some(facts),
            None => run.dir_facts(&at)?.filter(|f| f.kind.role() == Role::Owners),
        };
        if at != here && facts.is_some() {
            moved = Some(at.clone());
        }
        let mut rooms: BTreeMap<ItemId, OwnerDir> = BTreeMap::new();
        for name in run.names(&at)? {
            let Some(facts) = run.dir_facts(&[&at[..], &[&name]].concat())? else { continue };
            let room = OwnerDir { name, facts };
            match rooms.get(&room.facts.id) {
                // Two of one owner, by an older program: who is there stands in the younger.
                Some(known) if !known.facts.is_gone() || room.facts.is_gone() => {}
                _ => drop(rooms.insert(room.facts.id.clone(), room)),
            }
        }
        Ok(Self { facts, rooms, moved })
    }
}

/// The owners of a kind: those of the last snapshot, with what changed since.
pub(super) async fn read(run: &Arc<Run>, kind: OwnerKind) -> Result<Vec<Owner>, Error> {
    match listed(run, kind).await {
        // Whoever cannot be listed keeps nobody else from being read.
        Err(Error::Graph(e)) if kind.is_optional() => {
            let known = run.dir_facts(&layout::register(kind))?.is_some();
            if known || e.kind != ErrorKind::Denied {
                run.access_lost(kind.register(), &e);
            }
            let why = match !known && e.kind == ErrorKind::Denied {
                true => NOT_PERMITTED.to_owned(),
                false => e.to_string(),
            };
            run.coverage("tenant", kind.name(), None, Some(&why));
            Ok(Vec::new())
        }
        done => done,
    }
}

/// Why something is not backed up that never was.
pub(super) const NOT_PERMITTED: &str = "the application has no permission to read it";

async fn listed(run: &Arc<Run>, kind: OwnerKind) -> Result<Vec<Owner>, Error> {
    let Register { facts: known, rooms, moved } = Register::read(run, kind)?;
    let mut cursor = known.as_ref().and_then(|f| f.delta.clone()).map(Cursor);
    let (mut there, end, changed) = loop {
        let mut there: BTreeMap<ItemId, String> = BTreeMap::new();
        if cursor.is_some() {
            let stay = rooms.iter().filter(|(_, room)| !room.facts.is_gone());
            there.extend(stay.map(|(id, room)| (id.clone(), room.label())));
            // Whose name could not be read once is asked for until it can be: no news name them.
            let nameless: Vec<ItemId> =
                there.keys().filter(|id| there[*id] == id.0).cloned().collect();
            for id in nameless {
                let why = "their name could not be read, and is asked for again";
                ask_for(run, kind, id, &mut there, &why.into()).await?;
            }
        }
        match news(run, kind, cursor.as_ref(), &mut there).await {
            Ok((end, changed)) => {
                run.note_read();
                break (there, end, changed);
            }
            Err(Error::Graph(e)) if e.invalidates_link() && cursor.is_some() => cursor = None,
            Err(e) => return Err(e),
        }
    };
    if cursor.is_none() {
        // A page may have left somebody out: who is not listed is asked for before they are gone.
        let lacking: Vec<&ItemId> = rooms
            .iter()
            .filter(|(id, room)| !room.facts.is_gone() && !there.contains_key(*id))
            .map(|(id, _)| id)
            .collect();
        for id in lacking {
            if let Some(owner) = strongroom_workloads::find_owner(&run.client, kind, &id.0).await? {
                there.insert(owner.id, owner.name);
            }
        }
    }
    // Those of whom a run knew that was broken off are told of as well.
    let is_news = |id: &ItemId, room: &OwnerDir| !room.facts.is_gone() || run.is_gone(kind, id);
    let gone = rooms.iter().filter(|(id, room)| !there.contains_key(*id) && is_news(id, room));
    let gone: Vec<_> = gone.map(|(id, room)| (id.clone(), room.label())).collect();
    run.owners_gone(kind, &gone);
    // Everybody stands in the tree before the cursor does: who is not read in this run is known to
    // the next one.
    let names = assign_names(run, kind, &rooms, &there)?;
    let mut facts = Facts::new(ItemKind::Owners, ItemId::default());
    run.keep_link(&mut facts, known.as_ref(), end.0, changed);
    run.put_dir(&layout::register(kind), &facts)?;
    if let Some(at) = moved {
        // One register, and one cursor.
        run.edit(|tree| Ok(tree.put_dir(&at, None, run.began)?))?;
    }
    run.take_rooms(names);
    let mut owners: Vec<Owner> =
        there.into_iter().map(|(id, name)| Owner { kind, id, name }).collect();
    let is_asked = |o: &Owner| run.options.users.iter().any(|u| u.eq_ignore_ascii_case(&o.name));
    if !run.options.users.is_empty() {
        owners.retain(is_asked);
    }
    owners.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(owners)
}

/// Merges what the register's news tell into who is known: a row that lacks the name says that it
/// did not change.
async fn news(
    run: &Run,
    kind: OwnerKind,
    cursor: Option<&Cursor>,
    there: &mut BTreeMap<ItemId, String>,
) -> Result<(Cursor, bool), Error> {
    let mut feed = strongroom_workloads::owners(&run.client, kind, cursor);
    let mut changed = false;
    loop {
        match feed.next().await? {
            SourceEvent::Item(OwnerNews { id, name: Some(name) }) => {
                changed = true;
                there.insert(id, name);
            }
            SourceEvent::Item(OwnerNews { id, name: None }) if there.contains_key(&id) => {
                changed = true;
            }
            // News of somebody who is not known: they are asked for whole.
            SourceEvent::Item(OwnerNews { id, name: None }) => {
                changed = true;
                match strongroom_workloads::find_owner(&run.client, kind, &id.0).await? {
                    Some(owner) => drop(there.insert(owner.id, owner.name)),
                    None => drop(there.remove(&id)),
                }
            }
            SourceEvent::Deleted(id) => {
                changed = true;
                there.remove(&id);
            }
            SourceEvent::Skipped { id, name, cause } if id.0.is_empty() => {
                run.skip_once("directory", &id, &name, &cause);
            }
            SourceEvent::Skipped { id, cause, .. } => {
                changed = true;
                ask_for(run, kind, id, there, &cause).await?;
            }
            SourceEvent::End { cursor } => return Ok((cursor, changed)),
        }
    }
}

/// Asks for one whose row cannot be read, alone. Where that cannot be read either, they stay as
/// they are, by their id when nothing else is known of them: the next news do not name them again.
/// One answer takes nobody away: who is gone is named as that.
async fn ask_for(
    run: &Run,
    kind: OwnerKind,
    id: ItemId,
    there: &mut BTreeMap<ItemId, String>,
    cause: &Untrusted,
) -> Result<(), Error> {
    match strongroom_workloads::find_owner(&run.client, kind, &id.0).await {
        Ok(Some(owner)) => drop(there.insert(owner.id, owner.name)),
        Ok(None) if !there.contains_key(&id) => {}
        // A service that is down, or refuses, says nothing of this one.
        Err(e) if e.is_access() || is_away(&e) => return Err(e.into()),
        Ok(None) | Err(_) => {
            run.skip_once("directory", &id, &id.0, cause);
            let called = id.0.clone();
            there.entry(id).or_insert(called);
        }
    }
    Ok(())
}

fn is_away(e: &strongroom_workloads::Error) -> bool {
    matches!(e.kind, ErrorKind::Throttled | ErrorKind::Unavailable)
}

/// Gives each owner a directory of their own: `<name>~<short id>`. Who stands under the plain
/// name, by an older program, keeps it until renamed. Answers the names by id.
fn assign_names(
    run: &Run,
    kind: OwnerKind,
    rooms: &BTreeMap<ItemId, OwnerDir>,
    there: &BTreeMap<ItemId, String>,
) -> Result<HashMap<ItemId, String>, Error> {
    let mut names: HashMap<ItemId, String> = HashMap::new();
    // What belongs to nobody of these is nobody's to take.
    let mut taken: HashSet<String> = HashSet::new();
    for top in layout::tops(kind) {
        let held = |name: &String| rooms.values().any(|room| room.name == *name);
        taken.extend(run.names(&[top])?.into_iter().filter(|name| !held(name)));
    }
    // Who is gone, or is called as before, stays.
    for (id, room) in rooms {
        let stays = there.get(id).is_none_or(|name| {
            let plain = fit_name(name, &id.0, &[]).0;
            [plain, owner_dirs::named(name, id), owner_dirs::named_apart(name, id)]
                .contains(&room.name)
        });
        if stays {
            taken.insert(room.name.clone());
            names.insert(id.clone(), room.name.clone());
        }
    }
    for (id, name) in there {
        if names.contains_key(id) {
            continue;
        }
        let mut wanted = owner_dirs::named(name, id);
        if taken.contains(&wanted) {
            wanted = owner_dirs::named_apart(name, id);
        }
        taken.insert(wanted.clone());
        names.insert(id.clone(), wanted);
    }
    let moves: Vec<(&OwnerDir, &String)> = rooms
        .iter()
        .filter_map(|(id, room)| names.get(id).map(|name| (room, name)))
        .filter(|(room, name)| room.name != **name)
        .collect();
    let on_the_way = |room: &OwnerDir| format!(".moving~{}", short_id(&room.facts.id.0));
    for (room, _) in &moves {
        run.move_room(kind, &room.name, &on_the_way(room))?;
    }
    for (room, name) in &moves {
        run.move_room(kind, &on_the_way(room), name)?;
    }
    let here = layout::register(kind);
    for (id, name) in &names {
        let mut facts = Facts::new(ItemKind::Owner, id.clone());
        if let Some(room) = rooms.get(id).filter(|r| r.facts.kind == ItemKind::Owner) {
            facts.carry_rest_of(&room.facts);
        }
        facts.label = there.get(id).cloned().or_else(|| rooms.get(id).map(OwnerDir::label));
        facts.gone = (!there.contains_key(id)).then_some(true);
        run.put_dir(&[&here[..], &[name]].concat(), &facts)?;
    }
    Ok(names)
}

impl Run {
    /// Moves an owner's directories to where nobody stands.
    fn move_room(&self, kind: OwnerKind, from: &str, to: &str) -> Result<(), Error> {
        let mut all: Vec<Vec<&str>> = layout::tops(kind).map(|top| vec![top]).collect();
        all.push(layout::register(kind).to_vec());
        for top in all {
            let (from, to) = ([&top[..], &[from]].concat(), [&top[..], &[to]].concat());
            self.edit(|tree| Ok(tree.rename(&from, &to, self.began)?))?;
        }
        Ok(())
    }

    /// The directory of an owner in each workload.
    pub(crate) fn room(&self, owner: &Owner) -> String {
        self.room_of(&owner.id).unwrap_or_else(|| owner_dirs::named(&owner.name, &owner.id))
    }

    fn is_gone(&self, kind: OwnerKind, id: &ItemId) -> bool {
        self.seen(|seen| seen.is_gone(kind, id))
    }

    fn owners_gone(&self, kind: OwnerKind, gone: &[(ItemId, String)]) {
        self.seen(|seen| seen.set_gone(kind, gone));
        for (_, name) in gone {
            self.alarm(Alarm::new(
                AlarmKind::UserGone,
                AlarmSeverity::Notice,
                name.as_str(),
                format!("{name} is gone from {}; what was backed up stays", kind.register()),
                1,
            ));
        }
    }
}
