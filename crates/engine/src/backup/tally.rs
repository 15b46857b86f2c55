//! What one run counts of an owner's things of a workload, as the tree changes; and the sums that
//! are made of it when all was read.
//!
//! Lists are bounded. What does not go into one is counted by its number alone, as what is graver.

use super::behaviour::Behaviour;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use strongroom_model::{Damage, ItemId};
use strongroom_repository::Node;

/// Rows of each list of one owner and workload.
const ROWS_MAX: usize = 2_000;
/// So many things of one folder are what somebody did to that folder.
const TOGETHER_MIN: u64 = 5;
/// So many items with one new content, or one new length, did not come to it by chance.
const EQUAL_MIN: usize = 5;
const EQUAL_LENGTHS_MIN: usize = 10;
/// Content that so many got is known on the days after.
const EQUAL_KNOWN_MIN: usize = 3;

/// What is counted by day. Codes are stored: a new one takes a new version of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Count {
    /// Went one by one.
    Gone,
    /// Went with their folder, or with many others of it.
    Cleared,
    /// Lost their extension, or all of their name.
    Renamed,
    /// Got another name together with others of their folder, by one pattern.
    RenamedTogether,
    /// Went as another appeared beside them that is about as long.
    Replaced,
    /// Got other marks.
    Relabelled,
    /// Read like ransom notes.
    Notes,
    /// Were judged when they were seen first.
    First,
    /// Of those, were not what their names say.
    Odd,
    /// Of damaged ones, those of which each is an alarm.
    Encrypted,
    /// Of damaged ones, those that were written when nobody is at school.
    OutOfHours,
    /// Were written in the year before the first backup, by their own dates.
    Past,
}

/// What happened, by number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sums {
    /// How many of each; none stand for zero.
    pub(super) n: BTreeMap<Count, u64>,
    /// Damaged ones, by what became of them.
    pub(super) d: BTreeMap<Damage, u64>,
}

impl Sums {
    pub(super) fn get(&self, count: Count) -> u64 {
        self.n.get(&count).copied().unwrap_or_default()
    }

    pub(super) fn add(&mut self, count: Count, by: u64) {
        if by > 0 {
            *self.n.entry(count).or_default() += by;
        }
    }

    pub(super) fn damage(&mut self, damage: Damage, by: u64) {
        if by > 0 {
            *self.d.entry(damage).or_default() += by;
        }
    }

    pub(super) fn damaged(&self) -> u64 {
        self.d.values().sum()
    }

    pub(super) fn add_all(&mut self, other: &Sums) {
        other.n.iter().for_each(|(count, by)| self.add(*count, *by));
        other.d.iter().for_each(|(damage, by)| self.damage(*damage, *by));
    }

    /// All numbers by half.
    pub(super) fn halve(&mut self) {
        self.n.values_mut().chain(self.d.values_mut()).for_each(|n| *n /= 2);
        self.n.retain(|_, n| *n > 0);
        self.d.retain(|_, n| *n > 0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.n.is_empty() && self.d.is_empty()
    }
}

/// A short name of something, to be compared with others' alone.
pub(super) fn number_of(parts: &[&[u8]]) -> u64 {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    let whole: [u8; 32] = hash.finalize().into();
    let (first, _) = whole.split_at(8);
    first.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))
}

/// A number of an item.
pub(super) fn of_item(id: &ItemId) -> u64 {
    number_of(&[id.0.as_bytes()])
}

/// A number of a content; none of an empty one.
pub(super) fn of_content(node: &Node) -> Option<u64> {
    let pieces: Vec<String> = node.content().iter().map(ToString::to_string).collect();
    let pieces: Vec<&[u8]> = pieces.iter().map(|id| id.as_bytes()).collect();
    (node.size_bytes() > 0).then(|| number_of(&pieces))
}

/// An item that went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Went {
    /// A number of what it stood in.
    pub(super) folder: u64,
    pub(super) bytes: u64,
    /// A number of its content. Absent of an empty one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<u64>,
    /// It went with what it stood in.
    pub(super) with_folder: bool,
    /// It was made since the first backup and not long ago: such things come and go.
    pub(super) is_young: bool,
}

/// An item that came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Came {
    /// A number of what it stands in.
    pub(super) folder: u64,
    pub(super) bytes: u64,
    /// A number of its content. Absent of an empty one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<u64>,
}

/// An item that got another content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Changed {
    /// A number of it.
    pub(super) item: u64,
    /// A number of its content before. Absent of an empty one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) was: Option<u64>,
    /// A number of its content. Absent of an empty one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) is: Option<u64>,
    pub(super) bytes_before: u64,
    pub(super) bytes: u64,
}

/// What is counted of an owner's things of a workload since the last finished snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    went: Vec<Went>,
    came: Vec<Came>,
    changed: Vec<Changed>,
    /// Other names, by item: which pattern in which folder the name has, or 0.
    names: BTreeMap<ItemId, u64>,
    damaged: BTreeMap<ItemId, Damage>,
    relabelled: BTreeSet<ItemId>,
    /// What is known by its number alone.
    more: Sums,
}

fn push<T>(list: &mut Vec<T>, row: T) -> bool {
    let is_kept = list.len() < ROWS_MAX;
    if is_kept {
        list.push(row);
    }
    is_kept
}

impl Tally {
    pub(super) fn went(&mut self, row: Went) {
        let (is_young, with_folder) = (row.is_young, row.with_folder);
        if !push(&mut self.went, row) && !is_young {
            self.more.add(if with_folder { Count::Cleared } else { Count::Gone }, 1);
        }
    }

    /// So many went with what they stood in.
    pub(super) fn cleared(&mut self, items: u64) {
        self.more.add(Count::Cleared, items);
    }

    pub(super) fn came(&mut self, row: Came) {
        push(&mut self.came, row);
    }

    pub(super) fn changed(&mut self, row: Changed) {
        push(&mut self.changed, row);
    }

    /// An item got another name; `None` where that is an ordinary one.
    pub(super) fn renamed(&mut self, id: &ItemId, pattern: Option<u64>) {
        let Some(pattern) = pattern else { return };
        match self.names.len() < ROWS_MAX || self.names.contains_key(id) {
            true => drop(self.names.insert(id.clone(), pattern)),
            false => self.more.add(Count::Renamed, 1),
        }
    }

    /// An item has the content that it had, or a clean one, and another look found it damaged.
    pub(super) fn damaged(&mut self, id: &ItemId, damage: Damage) {
        match self.damaged.len() < ROWS_MAX || self.damaged.contains_key(id) {
            true => drop(self.damaged.insert(id.clone(), damage)),
            false => self.more.damage(damage, 1),
        }
    }

    /// Marks of an item are others, though nobody read or wrote it.
    pub(crate) fn relabelled(&mut self, id: &ItemId) {
        match self.relabelled.len() < ROWS_MAX {
            true => drop(self.relabelled.insert(id.clone())),
            false if self.relabelled.contains(id) => {}
            false => self.more.add(Count::Relabelled, 1),
        }
    }

    /// More of something that no list is kept of.
    pub(super) fn count(&mut self, count: Count, by: u64) {
        self.more.add(count, by);
    }

    /// Items damaged otherwise than one by one are told by this.
    fn numbers(&self) -> HashMap<u64, &ItemId> {
        self.damaged.keys().map(|id| (of_item(id), id)).collect()
    }
}

/// What became of the name of an item: `None` of an ordinary change; else which pattern in which
/// folder the new one has, where it has one, and 0 where it has none.
pub(super) fn renamed(before: &str, now: &str, folder: &str) -> Option<u64> {
    let (old, new) = (before.to_lowercase(), now.to_lowercase());
    let split = |name: &str| match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => (stem.to_owned(), ending.to_owned()),
        _ => (name.to_owned(), String::new()),
    };
    let ((old_stem, old_ending), (new_stem, new_ending)) = (split(&old), split(&new));
    const SAME: &[&[&str]] =
        &[&["jpg", "jpeg"], &["htm", "html"], &["tif", "tiff"], &["yml", "yaml"], &["md", "txt"]];
    let (a, b) = (old_ending.as_str(), new_ending.as_str());
    let is_same = a == b || SAME.iter().any(|group| group.contains(&a) && group.contains(&b));
    if !a.is_empty() && !is_same {
        return Some(0);
    }
    let words = |stem: &str| -> BTreeSet<String> {
        let words = stem.split(|c: char| !c.is_alphanumeric());
        words.filter(|w| w.chars().count() >= 3).map(str::to_owned).collect()
    };
    let begins = old_stem.chars().zip(new_stem.chars()).take_while(|(a, b)| a == b).count();
    let ends = old_stem.chars().rev().zip(new_stem.chars().rev()).take_while(|(a, b)| a == b);
    let longer = old_stem.chars().count().max(new_stem.chars().count());
    let is_mended = (begins + ends.count()) * 2 >= longer;
    let holds = |a: &str, b: &str| a.chars().count() >= 3 && b.contains(a);
    let is_alike = begins >= 3
        || is_mended
        || holds(&old_stem, &new_stem)
        || holds(&new_stem, &old_stem)
        || !words(&old_stem).is_disjoint(&words(&new_stem));
    if is_alike {
        return None;
    }
    // People who rename many give them one name and a number each.
    let named: String = new_stem.chars().take_while(|c| !c.is_numeric()).collect();
    let named = named.trim_end_matches(|c: char| !c.is_alphanumeric());
    match named.chars().count() >= 3 {
        true => Some(number_of(&[folder.as_bytes(), b"/", named.as_bytes()]).max(1)),
        false => Some(0),
    }
}

/// Items with a new content, or a new length, that many others got as well; and content that is to
/// be known on other days.
fn made_equal(tallies: &[&Tally], known: &Behaviour) -> (HashMap<u64, Damage>, BTreeSet<u64>) {
    let changed = || tallies.iter().flat_map(|t| &t.changed);
    let mut contents: HashMap<u64, Vec<&Changed>> = HashMap::new();
    let mut lengths: HashMap<u64, Vec<&Changed>> = HashMap::new();
    for row in changed() {
        if let Some(is) = row.is.filter(|is| row.was != Some(*is)) {
            contents.entry(is).or_default().push(row);
        }
        if row.bytes > 0 && row.bytes != row.bytes_before {
            lengths.entry(row.bytes).or_default().push(row);
        }
    }
    // They were not equal before, and one that is looked at twice is one.
    let differ = |rows: &[&Changed], before: fn(&Changed) -> u64| {
        let items: BTreeSet<u64> = rows.iter().map(|r| r.item).collect();
        let before: BTreeSet<u64> = rows.iter().map(|r| before(r)).collect();
        items.len().min(before.len())
    };
    let (mut found, mut to_know) = (HashMap::new(), BTreeSet::new());
    for (is, rows) in &contents {
        let many = differ(rows, |r| r.was.unwrap_or_default());
        let is_known = known.is_equal(*is);
        if many >= EQUAL_MIN || is_known {
            found.extend(rows.iter().map(|r| (r.item, Damage::MadeEqual)));
        }
        if many >= EQUAL_KNOWN_MIN || is_known {
            to_know.insert(*is);
        }
    }
    for rows in lengths.values().filter(|r| differ(r, |r| r.bytes_before) >= EQUAL_LENGTHS_MIN) {
        for r in rows {
            found.entry(r.item).or_insert(Damage::MadeEqual);
        }
    }
    let were: HashMap<u64, u64> = changed().filter_map(|r| Some((r.was?, r.item))).collect();
    let swapped: Vec<u64> = changed()
        .filter(|r| r.is.and_then(|is| were.get(&is)).is_some_and(|other| *other != r.item))
        .map(|r| r.item)
        .collect();
    if swapped.len() >= EQUAL_MIN {
        for item in swapped {
            found.entry(item).or_insert(Damage::Exchanged);
        }
    }
    (found, to_know)
}

/// Whether a content may stand for another: encoded it is longer, packed it is shorter.
fn may_replace(went: u64, came: u64) -> bool {
    const SMALL: u64 = 4096;
    came.max(SMALL) * 2 >= went && came <= went.max(SMALL) * 9 / 4
}

/// What a run makes of what it counted.
pub(super) struct Summed {
    pub(super) sums: Sums,
    /// Of what went, so many stand elsewhere in the tenant now.
    pub(super) moved: u64,
    /// Items that are not to be counted again: damaged, renamed, relabelled.
    pub(super) damaged: BTreeSet<u64>,
    pub(super) renamed: BTreeSet<u64>,
    pub(super) relabelled: BTreeSet<u64>,
}

/// Sums of each, in their order, and content to be known on other days.
pub(super) fn sums(tallies: &[&Tally], known: &Behaviour) -> (Vec<Summed>, BTreeSet<u64>) {
    let mut elsewhere: HashMap<u64, u64> = HashMap::new();
    for came in tallies.iter().flat_map(|t| &t.came) {
        if let Some(content) = came.content {
            *elsewhere.entry(content).or_default() += 1;
        }
    }
    let (equal, to_know) = made_equal(tallies, known);
    let all = tallies.iter().map(|t| one(t, known, &mut elsewhere, &equal)).collect();
    (all, to_know)
}

fn one(
    t: &Tally,
    known: &Behaviour,
    elsewhere: &mut HashMap<u64, u64>,
    equal: &HashMap<u64, Damage>,
) -> Summed {
    let mut sums = t.more.clone();
    let mut moved = 0;
    let mut gone: Vec<&Went> = Vec::new();
    for row in &t.went {
        match row.content.and_then(|content| elsewhere.get_mut(&content)) {
            Some(left) if *left > 0 => {
                *left -= 1;
                moved += 1;
            }
            _ => gone.push(row),
        }
    }
    let went: BTreeSet<u64> = t.went.iter().filter_map(|r| r.content).collect();
    let mut places: HashMap<u64, Vec<u64>> = HashMap::new();
    for came in t.came.iter().filter(|c| c.content.is_none_or(|c| !went.contains(&c))) {
        places.entry(came.folder).or_default().push(came.bytes);
    }
    let mut folders: BTreeMap<u64, u64> = BTreeMap::new();
    for row in gone {
        if let Some(here) = places.get_mut(&row.folder).filter(|_| !row.with_folder)
            && let Some(n) = here.iter().position(|came| may_replace(row.bytes, *came))
        {
            here.swap_remove(n);
            sums.add(Count::Replaced, 1);
        }
        match (row.is_young, row.with_folder) {
            (true, _) => {}
            (false, true) => sums.add(Count::Cleared, 1),
            (false, false) => *folders.entry(row.folder).or_default() += 1,
        }
    }
    for n in folders.into_values() {
        sums.add(if n >= TOGETHER_MIN { Count::Cleared } else { Count::Gone }, n);
    }
    let mut renamed = BTreeSet::new();
    let mut patterns: BTreeMap<u64, u64> = BTreeMap::new();
    for (id, pattern) in &t.names {
        let number = of_item(id);
        if !known.is_renamed(number) {
            renamed.insert(number);
            *patterns.entry(*pattern).or_default() += 1;
        }
    }
    for (pattern, n) in patterns {
        let together = pattern != 0 && n >= TOGETHER_MIN;
        sums.add(if together { Count::RenamedTogether } else { Count::Renamed }, n);
    }
    let mut damaged = BTreeSet::new();
    let numbers = t.numbers();
    let by_look = numbers.iter().filter_map(|(n, id)| Some((*n, *t.damaged.get(*id)?)));
    let by_equal = t.changed.iter().filter_map(|r| Some((r.item, *equal.get(&r.item)?)));
    for (item, damage) in by_look.chain(by_equal) {
        if !known.is_damaged(item) && damaged.insert(item) {
            sums.damage(damage, 1);
        }
    }
    let relabelled: BTreeSet<u64> =
        t.relabelled.iter().map(of_item).filter(|n| !known.is_relabelled(*n)).collect();
    sums.add(Count::Relabelled, relabelled.len() as u64);
    Summed { sums, moved, damaged, renamed, relabelled }
}
