//! What people do with their contacts and tasks in a day.

use crate::core::{lists::Lists, lists::Thing, world::World};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Something that people do with lists and what is in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListAct {
    /// Something new comes.
    Add,
    /// A property of something changes.
    Edit,
    /// Something goes to another list.
    Move,
    /// Something is deleted.
    Delete,
    /// A list is made.
    NewList,
    /// A list gets another name.
    RenameList,
    /// A list is deleted with all that is in it.
    DeleteList,
}

/// What ordinary days are made of.
pub const ORDINARY_LIST_ACTS: &[ListAct] = &[
    ListAct::Add,
    ListAct::Add,
    ListAct::Edit,
    ListAct::Edit,
    ListAct::Edit,
    ListAct::Move,
    ListAct::Delete,
    ListAct::NewList,
    ListAct::RenameList,
    ListAct::DeleteList,
];

/// What is made and what changes, in one kind of lists.
pub(crate) struct Habits<'h> {
    pub(crate) make: &'h dyn Fn(&mut ChaCha20Rng) -> Value,
    pub(crate) edit: &'h dyn Fn(&mut ChaCha20Rng) -> (&'static str, Value),
    /// What things are called by.
    pub(crate) name: &'static str,
    /// Whether things may be put there.
    pub(crate) takes: &'h dyn Fn(&crate::core::lists::List) -> bool,
}

/// A day with one kind of what people have: some acts each. Answers person, act and what it was
/// about.
pub(crate) fn day<A: Copy>(
    world: &mut World,
    tenant: usize,
    seed: u64,
    acts: &[A],
    act: fn(&mut World, usize, &str, A, u64) -> Option<String>,
) -> Vec<(String, A, String)> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let users: Vec<String> =
        world.tenants.get(tenant).into_iter().flat_map(|t| t.users.keys().cloned()).collect();
    let mut done = Vec::new();
    for user in users {
        for _ in 0..rng.random_range(0..3) {
            let Some(what) = acts.choose(&mut rng) else { continue };
            let seed = rng.random();
            if let Some(name) = act(world, tenant, &user, *what, seed) {
                done.push((user.clone(), *what, name));
            }
        }
    }
    done
}

/// Carries out one act; answers what it was about, `None` when there is nothing to do it to.
pub(crate) fn act(
    lists: &mut Lists,
    what: ListAct,
    habits: &Habits<'_>,
    rng: &mut ChaCha20Rng,
    now: jiff::Timestamp,
) -> Option<String> {
    let places: Vec<String> =
        lists.all.values().filter(|l| (habits.takes)(l)).map(|l| l.id.clone()).collect();
    let own: Vec<String> = places
        .iter()
        .filter(|id| lists.all.get(*id).is_some_and(|l| l.well_known.is_none()))
        .cloned()
        .collect();
    let things: Vec<(String, String)> = places
        .iter()
        .filter_map(|id| lists.all.get(id))
        .flat_map(|l| l.things.keys().map(|t| (l.id.clone(), t.clone())))
        .collect();
    let named = |lists: &Lists, at: &(String, String)| {
        lists.thing(at).map(|t| t.text(habits.name).to_owned())
    };
    match what {
        ListAct::Add => {
            let list = places.choose(rng)?;
            let thing = Thing::new(&mut lists.ids, (habits.make)(rng), now);
            let id = lists.add(list, thing);
            named(lists, &(list.clone(), id))
        }
        ListAct::Edit => {
            let at = things.choose(rng)?;
            let (name, value) = (habits.edit)(rng);
            lists.change(at, &[name], now, |t| {
                t.properties.insert(name.to_owned(), value);
            });
            named(lists, at)
        }
        ListAct::Move => {
            let (at, to) = (things.choose(rng)?, places.choose(rng)?);
            (*to != at.0).then_some(())?;
            let name = named(lists, at);
            lists.move_to(at, to);
            name
        }
        ListAct::Delete => {
            let at = things.choose(rng)?;
            lists.remove(at).map(|t| t.text(habits.name).to_owned())
        }
        ListAct::NewList => {
            let name = format!("List {}", rng.random_range(100..1000));
            let root = lists.root.clone();
            let parent = lists.well_known("contacts").map_or(root, |l| l.id.clone());
            lists.add_list(&parent, None, json!({"displayName": name}));
            Some(name)
        }
        ListAct::RenameList => {
            let name = format!("List {}", rng.random_range(100..1000));
            let change = Map::from_iter([("displayName".to_owned(), name.as_str().into())]);
            lists.change_list(own.choose(rng)?, &change);
            Some(name)
        }
        ListAct::DeleteList => {
            (own.len() > 1).then_some(())?;
            let id = own.choose(rng)?;
            let name = lists.all.get(id)?.properties.get("displayName").cloned();
            lists.remove_list(id);
            name.and_then(|n| n.as_str().map(str::to_owned))
        }
    }
}
