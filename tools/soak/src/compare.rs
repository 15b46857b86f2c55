//! The laws: what a snapshot must say of a tenant, and a report of a night.

mod files;
mod mail;
mod report;
mod sites;
pub(crate) mod things;

use crate::{Violation, kept::Kept, parse};
use graph_sim::year::{Event, Life, ListState, PersonState, SiteState, State};
use std::collections::{BTreeMap, BTreeSet};
use strongroom_engine::{BackupReport, backup::SkippedItem};

/// A night with all that is known of it.
pub(crate) struct Night<'a> {
    pub(crate) number: usize,
    pub(crate) life: &'a Life,
    /// Events of the day that did happen.
    pub(crate) happened: &'a [Event],
    /// The tenant at the last night's backup.
    pub(crate) before: &'a State,
    pub(crate) now: &'a State,
    pub(crate) outcome: &'a Result<BackupReport, String>,
    pub(crate) kept: Option<&'a Kept>,
    /// Laws and items that did not hold the night before.
    pub(crate) open: &'a BTreeSet<(String, String)>,
    /// Whether the night before had a fault or something was not read in it.
    pub(crate) after_fault: bool,
    /// Whether an attack happened since everything was read last.
    pub(crate) attacked_unseen: bool,
    /// Nights in a row, with this one, in which the run skipped these items, by id.
    pub(crate) skipped: &'a BTreeMap<String, u32>,
    /// Items that the run of the night before skipped, by id.
    pub(crate) skipped_before: &'a BTreeMap<String, u32>,
    /// Ids of all that the snapshot of the night before held; `None` when it was not looked at.
    pub(crate) held: Option<&'a BTreeSet<String>>,
}

/// A fault that lasts the night is struck more often than the product tries.
const LASTING_TIMES: u64 = 10;

impl Night<'_> {
    /// Whether the service would not tell about this person all night, or the run says that it
    /// could not read a collection of the person's (which is a finding of its own, or none): then
    /// what was kept before may stand, and nothing that is there may be lost.
    pub(crate) fn is_hidden(&self, person: &str) -> bool {
        let Some(key) = self.life.person_of(person) else { return false };
        if let Some(p) = self.now.people.iter().find(|p| p.id == person)
            && self.skips_of(p).any(|s| !is_item(p, &s.id.0))
        {
            return true;
        }
        let hit = |e: &Event| e.is_of_access() || e.people().contains(&key);
        self.happened.iter().any(|e| hit(e) && is_lasting(e))
    }

    /// Whether an item that was there the night before was read then: what was new and could not be
    /// read is not lost when it cannot be read again.
    pub(crate) fn had_read(&self, id: &str) -> bool {
        match self.held {
            Some(held) => held.contains(id),
            None => self.number > 0 && !self.after_fault && !self.skipped_before.contains_key(id),
        }
    }

    /// What the run says that it could not read of somebody's.
    fn skips_of<'n>(&'n self, p: &'n PersonState) -> impl Iterator<Item = &'n SkippedItem> {
        let all = self.outcome.iter().flat_map(|r| r.failed.iter().chain(&r.skipped));
        let within = format!("{}/", p.upn);
        all.filter(move |s| {
            s.scope.as_str().ends_with(&p.upn) || s.scope.as_str().starts_with(&within)
        })
    }

    /// Ids of items that the run says it could not read, where the rest was read.
    pub(crate) fn skipped_items<'n>(&'n self, p: &'n PersonState) -> BTreeSet<&'n str> {
        self.skips_of(p).map(|s| s.id.0.as_str()).filter(|id| is_item(p, id)).collect()
    }

    /// Whether the run names a thing of somebody's as not protected: by id or name.
    pub(crate) fn names_as_left_out(&self, p: &PersonState, id: &str, name: &str) -> bool {
        let Ok(report) = self.outcome else { return false };
        let told = |text: &str| text.contains(id) || text.contains(name);
        self.skips_of(p).any(|s| s.id.0 == id || told(s.name.as_str()) || told(s.cause.as_str()))
            || report.coverage.iter().filter(|c| c.scope == p.upn).any(|c| {
                let why = c.skipped.as_ref().map(|w| w.as_str());
                why.is_some_and(|why| told(c.collection.as_str()) || told(why))
            })
    }

    /// Whether the service would not tell about sites all night.
    pub(crate) fn hides_sites(&self) -> bool {
        let of_them = |e: &Event| e.is_of_access() || e.is_of_sites();
        let listed = self.outcome.iter().flat_map(|r| r.failed.iter().chain(&r.skipped));
        self.outcome.is_err()
            || self.happened.iter().any(|e| of_them(e) && is_lasting(e))
            || listed.into_iter().any(|s| s.scope.as_str().contains("site"))
    }

    /// Ids of sites of which not all was read.
    pub(crate) fn hidden_sites(&self) -> Vec<String> {
        let is_hidden =
            |s: &&SiteState| self.hides_sites() || sites::skips_of(self, &s.title).next().is_some();
        self.now.sites.iter().filter(is_hidden).map(|s| s.id.clone()).collect()
    }

    /// Whether the backup's own access was taken away.
    pub(crate) fn is_of_access(&self) -> bool {
        self.happened.iter().any(Event::is_of_access)
    }

    /// Whether the service never gives this item: it withholds it, or it is a shortcut.
    pub(crate) fn never_given(&self, id: &str) -> bool {
        self.now.people.iter().any(|p| {
            p.files.iter().any(|f| f.id == id && f.is_malware)
                || p.shortcuts.iter().any(|(i, _)| i == id)
        })
    }

    pub(crate) fn has_lasting_fault(&self) -> bool {
        self.happened.iter().any(|e| is_lasting(e) && self.hides_something(e))
    }

    /// Whether there is something behind what a fault strikes: who has no mailbox loses nothing
    /// when a mailbox does not answer.
    fn hides_something(&self, event: &Event) -> bool {
        let (Event::Refuse { person, part, .. }
        | Event::BreakOff { person, part, .. }
        | Event::CutShort { person, part, .. }) = event
        else {
            return true;
        };
        let of = |p: &&PersonState| self.life.person_of(&p.id) == Some(*person);
        let Some(p) = self.now.people.iter().find(of) else { return true };
        match part.as_str() {
            "" => p.has_mailbox || p.has_drive,
            // What the product does not read is not missed.
            part if things::ALL.iter().any(|k| is_below(part, k.workload)) => {
                p.has_mailbox
                    && things::backed_up().any(|k| is_below(part, k.workload))
                    && list_of(p, part).is_none_or(|list| list.can_edit)
            }
            part if part.starts_with("drive:") => p.has_drive,
            // Messages are asked for one by one only when they are new.
            "/messages" => {
                let mut before = self.before.people.iter().filter(|b| b.id == p.id);
                let known: BTreeSet<&str> = before
                    .next()
                    .into_iter()
                    .flat_map(|b| b.messages.iter().map(|m| m.id.as_str()))
                    .collect();
                p.messages.iter().any(|m| !known.contains(m.id.as_str()))
            }
            // A folder that went the same day is missed by nobody.
            part if part.starts_with('#') => {
                let key = part.strip_prefix('#').and_then(|key| key.parse().ok());
                p.folders.iter().any(|f| self.life.thing_of(&f.id) == key)
            }
            _ => p.has_mailbox,
        }
    }

    /// Kinds of the events of this day that touched a thing; when none names it, those of its
    /// person that touch many things or the person, and those that may have to do with the law.
    fn kinds(&self, law: &str, person: Option<u32>, thing: Option<u32>) -> BTreeSet<String> {
        let begins = |words: &[&str]| words.iter().any(|w| law.starts_with(w));
        let of_sites = begins(&["site", "library", "link/library"]);
        let of_others = begins(&["message", "mail-folder", "file", "drive", "link"]);
        let fits = |e: &Event| match (e.is_of_sites(), e.is_of_things()) {
            (true, _) => person.is_none(),
            (_, true) => !of_sites && !of_others,
            _ => !of_sites || e.is_attack() || e.is_fault(),
        };
        let direct: BTreeSet<String> = self
            .happened
            .iter()
            .filter(|e| thing.is_some() && e.thing() == thing && person_fits(e, person))
            .map(Event::kind)
            .collect();
        if !direct.is_empty() {
            return direct;
        }
        self.happened
            .iter()
            .filter(|e| person_fits(e, person) && touches_much(e) && fits(e))
            .map(Event::kind)
            .collect()
    }

    /// A finding about a thing of a person.
    pub(crate) fn finding(
        &self,
        law: &str,
        person: Option<&str>,
        item: &str,
        detail: String,
    ) -> Violation {
        let key = person.and_then(|p| self.life.person_of(p));
        let thing = self.life.thing_of(item);
        Violation {
            night: self.number,
            law: law.to_owned(),
            person: key,
            item: item.to_owned(),
            thing,
            detail,
            kinds: self.kinds(law, key, thing),
        }
    }
}

/// Whether an id is that of one message, file, folder of a drive or shortcut, as opposed to a
/// collection.
fn is_item(p: &PersonState, id: &str) -> bool {
    p.files.iter().any(|f| f.id == id)
        || p.messages.iter().any(|m| m.id == id)
        || p.drive_folders.iter().chain(&p.shortcuts).any(|(i, _)| i == id)
        || things::ALL.iter().any(|kind| things::things_of(kind, p).any(|t| t.id == id))
}

/// The list that a fault strikes, where it strikes one: `calendars:5/` is the number of one, of as
/// many as there are.
fn list_of<'p>(person: &'p PersonState, part: &str) -> Option<&'p ListState> {
    let (kind, rest) = part.split_once(':')?;
    let lists = match kind {
        "contacts" => &person.contacts,
        "tasks" => &person.tasks,
        "calendars" => &person.calendars,
        _ => return None,
    };
    let number = rest.split('/').next()?.parse::<usize>().ok()?;
    lists.get(number % lists.len().max(1))
}

/// Whether a part of somebody's path is of a workload.
fn is_below(part: &str, workload: &str) -> bool {
    let paths: &[&str] = match workload {
        "contacts" => &["contacts:", "/contactFolders"],
        "tasks" => &["tasks:", "/todo"],
        _ => &["calendars:", "/calendar"],
    };
    paths.iter().any(|path| part.starts_with(path))
}

fn person_fits(event: &Event, person: Option<u32>) -> bool {
    match person {
        Some(p) => event.people().contains(&p) || event.people().is_empty(),
        None => true,
    }
}

fn touches_much(event: &Event) -> bool {
    event.is_attack()
        || event.is_fault()
        || event.is_of_people()
        || event.is_of_things()
        || event.is_of_sites()
        || matches!(
            event,
            Event::NewDrive { .. }
                | Event::RenameMailFolder { .. }
                | Event::MoveMailFolder { .. }
                | Event::EmptyMailFolder { .. }
                | Event::DeleteMailFolder { .. }
                | Event::RenameFolder { .. }
                | Event::MoveFolder { .. }
                | Event::DeleteFolder { .. }
        )
}

fn is_lasting(event: &Event) -> bool {
    match event {
        Event::Refuse { times, .. }
        | Event::RefuseSite { times, .. }
        | Event::BreakOff { times, .. }
        | Event::CutShort { times, .. } => *times > LASTING_TIMES,
        e => e.is_of_access(),
    }
}

/// All that does not hold.
pub(crate) fn all(night: &Night<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    report::outcome(night, &mut found);
    let (Ok(report), Some(kept)) = (night.outcome, night.kept) else { return found };
    let rooms = rooms(night, kept, &mut found);
    for person in &night.now.people {
        report::without(night, report, person, &mut found);
        let Some(room) = rooms.get(person.id.as_str()) else { continue };
        if person.has_mailbox {
            mail::folders(night, kept, person, room, &mut found);
            mail::messages(night, kept, person, room, &mut found);
            things::all(night, kept, person, room, &mut found);
        }
        if person.has_drive {
            files::drive(night, kept, person, room, &mut found);
            files::beside(night, kept, person, room, &mut found);
        }
        report::coverage(night, report, kept, person, room, &mut found);
    }
    sites::all(night, report, kept, &mut found);
    report::counts(night, report, &mut found);
    leavers(night, kept, &mut found);
    report::alarms(night, report, &mut found);
    report::tags(night, report, kept, &mut found);
    found
}

/// The room of everybody who is there, by id.
fn rooms<'k>(
    night: &Night<'_>,
    kept: &'k Kept,
    found: &mut Vec<Violation>,
) -> BTreeMap<String, &'k str> {
    let mut rooms = BTreeMap::new();
    // Who may not sign in at all hears of nobody's coming, going or other name.
    let is_shut = night.is_of_access();
    for person in &night.now.people {
        let mut tell = |law: &str, detail: String| {
            let may_stay = is_shut && law != "person/twice";
            if !may_stay {
                found.push(night.finding(law, Some(&person.id), &person.id, detail));
            }
        };
        match kept.people.get(&person.id).map(Vec::as_slice) {
            // Who has neither mailbox nor drive has nothing to keep.
            None | Some([]) if !person.has_mailbox && !person.has_drive => {}
            None | Some([]) => tell("person/missing", format!("{} has no room", person.upn)),
            Some([room]) => {
                rooms.insert(person.id.clone(), room.room.as_str());
                if room.room != parse::room(&person.upn, &person.id) {
                    tell("person/name", format!("{} stands under {}", person.upn, room.room));
                }
                if room.gone {
                    tell("person/gone", format!("{} is said to be gone", person.upn));
                }
            }
            Some(many) => {
                let names: Vec<&str> = many.iter().map(|r| r.room.as_str()).collect();
                tell("person/twice", format!("{} has {}", person.upn, names.join(", ")));
            }
        }
    }
    let there: BTreeSet<&str> = night.now.people.iter().map(|p| p.id.as_str()).collect();
    for (id, all) in kept.people.iter().filter(|(id, _)| !there.contains(id.as_str())) {
        let known = night.before.people.iter().any(|p| p.id == *id);
        if !known && all.iter().any(|r| !r.gone) {
            let names: Vec<&str> = all.iter().map(|r| r.room.as_str()).collect();
            let text = format!("{} is of nobody who is there", names.join(", "));
            found.push(night.finding("person/extra", Some(id), id, text));
        }
    }
    rooms
}

/// Who is gone keeps what the last night held.
fn leavers(night: &Night<'_>, kept: &Kept, found: &mut Vec<Violation>) {
    let there: BTreeSet<&str> = night.now.people.iter().map(|p| p.id.as_str()).collect();
    for person in night.before.people.iter().filter(|p| !there.contains(p.id.as_str())) {
        // Nothing was kept before the first night, nor of who had nothing.
        if night.number == 0 || (!person.has_mailbox && !person.has_drive) {
            continue;
        }
        let mut tell = |law: &str, detail: String| {
            found.push(night.finding(law, Some(&person.id), &person.id, detail));
        };
        let room = match kept.people.get(&person.id).map(Vec::as_slice) {
            Some([room]) => room,
            _ => {
                tell("leaver/missing", format!("{} has no room", person.upn));
                continue;
            }
        };
        // Who may not read the directory does not know it.
        if !room.gone && !night.is_of_access() {
            tell("leaver/not-gone", format!("{} is not said to be gone", person.upn));
        }
        // What was not kept the night before is told then.
        if night.open.iter().any(|(_, item)| is_item(person, item)) {
            continue;
        }
        let (mail, files) = counts(kept, person, &room.room);
        // What came in a night in which nothing was read was never kept.
        if mail < person.messages.len() && !night.after_fault {
            let text = format!("{} of {} messages", mail, person.messages.len());
            tell("leaver/mail", text);
        }
        let had = person.files.iter().filter(|f| !f.is_malware).count();
        if files < had && !night.after_fault {
            tell("leaver/files", format!("{files} of {had} files"));
        }
        for kind in things::backed_up().filter(|_| !night.after_fault) {
            let all = kept.things.iter().filter(|t| t.workload == kind.workload);
            let ids: BTreeSet<&str> =
                all.filter(|t| t.room == room.room).map(|t| t.id.as_str()).collect();
            let had = things::things_of(kind, person).count();
            let has =
                things::things_of(kind, person).filter(|t| ids.contains(t.id.as_str())).count();
            if has < had {
                tell(&format!("leaver/{}", kind.workload), format!("{has} of {had}"));
            }
        }
    }
}

/// How many of somebody's messages and files stand in a room.
fn counts(kept: &Kept, person: &PersonState, room: &str) -> (usize, usize) {
    let messages: BTreeSet<&str> =
        kept.messages.iter().filter(|m| m.room == room).map(|m| m.facts.id.0.as_str()).collect();
    let files: BTreeSet<&str> =
        kept.files.iter().filter(|f| f.room == room).map(|f| f.facts.id.0.as_str()).collect();
    (
        person.messages.iter().filter(|m| messages.contains(m.id.as_str())).count(),
        person.files.iter().filter(|f| !f.is_malware && files.contains(f.id.as_str())).count(),
    )
}

/// Whether a name in the tree stands for a real one: what no file system takes is replaced, and a
/// short id keeps equal names apart.
pub(crate) fn same_path(kept: &str, real: &str) -> bool {
    let (kept, real): (Vec<&str>, Vec<&str>) =
        (kept.split('/').collect(), real.split('/').collect());
    kept.len() == real.len()
        && kept.iter().zip(real).all(|(k, r)| {
            *k == r
                || k.strip_prefix(r).is_some_and(|rest| rest.starts_with('~'))
                || k.rsplit_once('~')
                    .is_some_and(|(stem, _)| r.starts_with(stem) && !stem.is_empty())
        })
}
