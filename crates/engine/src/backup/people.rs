//! The people of the tenant and where each stands in the tree.
//!
//! A person is an id; names are labels. Two people never share a directory, whatever is renamed
//! into what within one round: who moves is taken out first, and put where nobody stands.

use super::run::Run;
use crate::{Error, layout};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};
use strongroom_model::{Alarm, AlarmKind, Facts, ItemId, ItemKind, Severity, fit_name, short_id};
use strongroom_sources::{Event, users, users::User};

/// A person's directories: the same name below mail and drives.
#[derive(Debug, Clone)]
struct Room {
    /// Name of the directory.
    name: String,
    facts: Facts,
}

impl Room {
    /// Principal name as last seen.
    fn label(&self) -> String {
        self.facts.label.clone().unwrap_or_else(|| self.name.clone())
    }
}

/// The rooms of the tree, by person.
fn rooms(run: &Run) -> Result<BTreeMap<ItemId, Room>, Error> {
    let mut rooms: BTreeMap<ItemId, Room> = BTreeMap::new();
    for name in run.names(&[layout::MAIL])? {
        let Some(facts) = run.dir_facts(&[layout::MAIL, &name])? else { continue };
        let room = Room { name, facts };
        match rooms.get(&room.facts.id) {
            // Two of one person, by an older program: who is there stands in the younger.
            Some(known) if !known.facts.is_gone() || room.facts.is_gone() => {}
            _ => drop(rooms.insert(room.facts.id.clone(), room)),
        }
    }
    Ok(rooms)
}

/// The people of the tenant: those of the last snapshot, with what changed since.
pub(super) async fn read(run: &Arc<Run>) -> Result<Vec<User>, Error> {
    let known = run.dir_facts(&[layout::MAIL])?.filter(|f| f.kind == ItemKind::Users);
    let rooms = rooms(run)?;
    let mut link = known.as_ref().and_then(|f| f.delta.clone());
    let (people, end, changed) = loop {
        let mut people: BTreeMap<ItemId, String> = BTreeMap::new();
        if link.is_some() {
            let there = rooms.iter().filter(|(_, room)| !room.facts.is_gone());
            people.extend(there.map(|(id, room)| (id.clone(), room.label())));
        }
        match news(run, link.as_deref(), &mut people).await {
            Ok((end, changed)) => break (people, end, changed),
            Err(Error::Graph(e)) if e.spoils_link() && link.is_some() => {
                link = None;
            }
            Err(e) => return Err(e),
        }
    };
    for (id, room) in
        rooms.iter().filter(|(id, room)| !room.facts.is_gone() && !people.contains_key(*id))
    {
        run.user_gone(id, &room.name, &room.label())?;
    }
    // Everybody stands in the tree before the link does: who is not read in this run is known to
    // the next one.
    let names = settle(run, &rooms, &people)?;
    let mut facts = Facts::new(ItemKind::Users, ItemId::default());
    run.keep_link(&mut facts, known.as_ref(), end, changed);
    run.put_dir(&[layout::MAIL], &facts)?;
    run.take_rooms(names);
    let mut people: Vec<User> = people.into_iter().map(|(id, name)| User { id, name }).collect();
    if let Some(unknown) =
        run.options.users.iter().find(|u| !people.iter().any(|p| u.eq_ignore_ascii_case(&p.name)))
    {
        return Err(Error::Request(format!(
            "the tenant has no user {unknown:?}; nothing was backed up"
        )));
    }
    if !run.options.users.is_empty() {
        people.retain(|p| run.options.users.iter().any(|u| u.eq_ignore_ascii_case(&p.name)));
    }
    people.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(people)
}

/// Merges what the delta of users tells into who is known: a row that lacks the principal name says
/// that it did not change.
async fn news(
    run: &Run,
    link: Option<&str>,
    people: &mut BTreeMap<ItemId, String>,
) -> Result<(String, bool), Error> {
    let mut changes = users::changes(&run.client, link);
    let mut changed = false;
    loop {
        match changes.next().await? {
            Event::Item(users::News { id, name: Some(name) }) => {
                changed = true;
                people.insert(id, name);
            }
            Event::Item(users::News { id, name: None }) if people.contains_key(&id) => {
                changed = true;
            }
            // News of somebody who is not known: they are asked for whole.
            Event::Item(users::News { id, name: None }) => {
                changed = true;
                match users::find(&run.client, &id.0).await? {
                    Some(user) => drop(people.insert(user.id, user.name)),
                    None => drop(people.remove(&id)),
                }
            }
            Event::Deleted(id) => {
                changed = true;
                people.remove(&id);
            }
            Event::Skipped { id, name, cause } => run.skip("directory", &id, &name, &cause),
            Event::End { link } => return Ok((link, changed)),
        }
    }
}

/// Gives each person a room of their own under their present name, as far as it is free; answers
/// the names by id. Who is gone makes way for who is there.
fn settle(
    run: &Run,
    rooms: &BTreeMap<ItemId, Room>,
    people: &BTreeMap<ItemId, String>,
) -> Result<HashMap<ItemId, String>, Error> {
    let plain = |id: &ItemId, name: &str| fit_name(name, &id.0, &[]).0;
    let aside =
        |id: &ItemId, name: &str| fit_name(&format!("{name}~{}", short_id(&id.0)), &id.0, &[]).0;
    let mut names: HashMap<ItemId, String> = HashMap::new();
    // What belongs to nobody of these is nobody's to take.
    let mut taken: HashSet<String> = HashSet::new();
    for top in [layout::MAIL, layout::DRIVES] {
        let held = |name: &String| rooms.values().any(|room| room.name == *name);
        taken.extend(run.names(&[top])?.into_iter().filter(|name| !held(name)));
    }
    // Who keeps name and room; who stands aside already and is not renamed stays there.
    for (id, name) in people {
        let Some(room) = rooms.get(id) else { continue };
        let stays =
            room.name == plain(id, name) || room.label() == *name && room.name == aside(id, name);
        if stays && taken.insert(room.name.clone()) {
            names.insert(id.clone(), room.name.clone());
        }
    }
    for (id, name) in people {
        if names.contains_key(id) {
            continue;
        }
        let mut wanted = plain(id, name);
        if taken.contains(&wanted) {
            wanted = aside(id, name);
        }
        taken.insert(wanted.clone());
        names.insert(id.clone(), wanted);
    }
    for (id, room) in rooms.iter().filter(|(id, _)| !people.contains_key(*id)) {
        let mut name = room.name.clone();
        if taken.contains(&name) {
            name = aside(id, &room.label());
        }
        taken.insert(name.clone());
        names.insert(id.clone(), name);
    }
    let moves: Vec<(&Room, &String)> = rooms
        .iter()
        .filter_map(|(id, room)| names.get(id).map(|name| (room, name)))
        .filter(|(room, name)| room.name != **name)
        .collect();
    let on_the_way = |room: &Room| format!(".moving~{}", short_id(&room.facts.id.0));
    for (room, _) in &moves {
        run.move_room(&room.name, &on_the_way(room))?;
    }
    for (room, name) in &moves {
        run.move_room(&on_the_way(room), name)?;
    }
    for (id, label) in people {
        let Some(name) = names.get(id) else { continue };
        let mut facts = match rooms.get(id) {
            Some(room) if !room.facts.is_gone() && room.label() == *label => continue,
            Some(room) => room.facts.clone(),
            None => Facts::new(ItemKind::Mailbox, id.clone()),
        };
        facts.gone = None;
        facts.label = Some(label.clone());
        run.put_dir(&[layout::MAIL, name], &facts)?;
    }
    Ok(names)
}

impl Run {
    /// Moves a person's directories to where nobody stands.
    fn move_room(&self, from: &str, to: &str) -> Result<(), Error> {
        for top in [layout::MAIL, layout::DRIVES] {
            self.edit(|tree| Ok(tree.rename(&[top, from], &[top, to], self.began)?))?;
        }
        Ok(())
    }

    /// The directory of a person below mail and drives.
    pub(crate) fn room(&self, user: &User) -> String {
        self.room_of(&user.id).unwrap_or_else(|| fit_name(&user.name, &user.id.0, &[]).0)
    }

    fn user_gone(&self, id: &ItemId, room: &str, name: &str) -> Result<(), Error> {
        if let Some(mut facts) = self.dir_facts(&[layout::MAIL, room])?.filter(|f| f.id == *id) {
            facts.gone = Some(true);
            self.put_dir(&[layout::MAIL, room], &facts)?;
        }
        self.alarm(Alarm {
            kind: AlarmKind::UserGone,
            severity: Severity::Notice,
            scope: name.to_owned(),
            text: format!("{name} is gone from the directory; mail and files stay in the backup"),
            items: 1,
        });
        Ok(())
    }
}
