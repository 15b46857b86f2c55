//! An attack from its first honest day to the restore, and what is left then, item by item.

use super::{
    campus::{By, Campus, Sha, hashes, sha},
    script::Attack,
};
use graph_sim::year::State;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use strongroom_engine::restore::{Action, DataRestorePlan};

/// Days of honest work before the first backup.
const DAYS_BEFORE: usize = 5;
/// Nights of honest work before the attack.
const NIGHTS_BEFORE: usize = 6;
/// Sentences that are kept of each kind of finding.
const EXAMPLES_MAX: usize = 4;

/// What came of an attack.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    /// Its name.
    pub attack: String,
    /// What it does.
    pub says: String,
    /// Of what it was drawn.
    pub seed: u64,
    /// Nights that were backed up.
    pub nights: usize,
    /// Honest items, files and messages, at the end.
    pub honest: usize,
    /// Of these, how many were hit.
    pub hit: usize,
    /// How many were hit when the alarm came; none when none came.
    pub alarm_at: Option<usize>,
    /// How many were hit when it was due.
    pub due_at: Option<usize>,
    /// Nights of which it is known what the tag must be, and of these the ones that told it.
    pub tags: (usize, usize),
    /// Items that were hit of which a backup could have an honest version; how many are at the
    /// newest of these, wherever they stand; how many of these stand where they stood.
    pub wanted: usize,
    /// See [`Outcome::wanted`].
    pub back: usize,
    /// See [`Outcome::wanted`].
    pub in_place: usize,
    /// Items that were hit and are at an older honest version.
    pub older: usize,
    /// Items that were hit of which no backup could have an honest version.
    pub never_kept: usize,
    /// Honest items that nobody hit and that are not as they were, nowhere.
    pub honest_lost: usize,
    /// Honest items that nobody hit and that stand elsewhere.
    pub honest_aside: usize,
    /// Of these, how many the plan does not name.
    pub aside_not_named: usize,
    /// What the attacker made: how much there was, and where it is now.
    pub planted: usize,
    /// Where it was.
    pub planted_left: usize,
    /// Of these, how many the plan does not name.
    pub left_not_named: usize,
    /// Elsewhere.
    pub planted_aside: usize,
    /// Nowhere in the tenant.
    pub planted_destroyed: usize,
    /// What honest people deleted, and is there again.
    pub risen: usize,
    /// What the restore said.
    pub restore: String,
    /// Laws that broke, with figures.
    pub broken: Vec<String>,
    /// Alarms of high severity, by night.
    pub alarms: Vec<String>,
    /// Some items for each kind of finding.
    pub examples: BTreeMap<String, Vec<String>>,
}

impl Outcome {
    fn note(&mut self, kind: &str, what: impl FnOnce() -> String) {
        let some = self.examples.entry(kind.to_owned()).or_default();
        if some.len() < EXAMPLES_MAX {
            some.push(what());
        }
    }

    fn law(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(what());
        }
    }
}

/// Lives an attack: to the day after the alarm, or, when nobody hears it, to its end.
///
/// # Errors
/// A backup that ends in an error. A restore that does is a broken law.
pub fn live(attack: &Attack, seed: u64, is_heard: bool) -> anyhow::Result<Outcome> {
    let mut campus = Campus::new(attack.size, attack.rule, seed)?;
    let mut outcome = Outcome {
        attack: attack.name.to_owned(),
        says: attack.says.to_owned(),
        seed,
        ..Outcome::default()
    };
    for _ in 0..DAYS_BEFORE {
        day(&mut campus, |_| ());
        campus.pass_hours(14);
    }
    if !attack.is_before_first_backup {
        for _ in 0..NIGHTS_BEFORE {
            day(&mut campus, |_| ());
            night(&mut campus)?;
        }
    }
    let began = campus.nights.len();
    // Nobody looks at alarms from now on, but for the first.
    campus.acknowledges = began > 0;
    let mut alarm = None;
    for n in 0..attack.days {
        day(&mut campus, |c| (attack.act)(c, n));
        night(&mut campus)?;
        campus.acknowledges = false;
        let said = campus.nights.last();
        if said.is_some_and(|s| s.hit > 0 && !s.high.is_empty()) && alarm.is_none() {
            alarm = Some(n);
        }
        // Somebody hears of it, and it is over the day after.
        if is_heard && alarm.is_some_and(|at| n > at) {
            break;
        }
    }
    alarms(&campus, began, &mut outcome);
    match campus.restore_clean() {
        Ok((plan, report)) => {
            outcome.restore = format!(
                "{} items: {} kept, {} identical, {} altered, {} failed",
                plan.rows.len(),
                report.kept,
                report.identical,
                report.altered,
                report.failed
            );
            let failed = report.failed;
            outcome.law(failed == 0, || format!("restore/failed: {failed} items"));
            compare(&campus, Some(&plan), &mut outcome);
        }
        Err(e) => {
            outcome.restore = e.to_string();
            outcome.law(false, || format!("restore/error: {e}"));
            compare(&campus, None, &mut outcome);
        }
    }
    laws(&mut outcome);
    Ok(outcome)
}

/// A day: work in the morning, whatever happens at noon, work in the afternoon.
fn day(campus: &mut Campus, noon: impl FnOnce(&mut Campus)) {
    campus.pass_hours(3);
    campus.work(60);
    campus.pass_hours(3);
    noon(campus);
    campus.pass_hours(2);
    campus.work(40);
    campus.pass_hours(2);
}

fn night(campus: &mut Campus) -> anyhow::Result<()> {
    campus.back_up()?;
    campus.pass_hours(14);
    Ok(())
}

/// What the nights said, against what was so.
fn alarms(campus: &Campus, began: usize, outcome: &mut Outcome) {
    outcome.nights = campus.nights.len();
    outcome.hit = campus.hit();
    for (n, said) in campus.nights.iter().enumerate() {
        let must = match (said.hit, said.is_due) {
            (0, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        };
        if let Some(must) = must {
            outcome.tags.0 += 1;
            outcome.tags.1 += usize::from(must == said.is_clean);
            if must != said.is_clean {
                let hit = said.hit;
                outcome.note("tags", || format!("night {n}, {hit} hit: clean is {}", !must));
            }
        }
        for (kind, text) in &said.high {
            outcome.alarms.push(format!("night {n}, {} hit: {}: {text}", said.hit, kind.as_str()));
        }
        if said.unread > 0 {
            outcome.note("unread", || format!("night {n}: {} not read", said.unread));
        }
    }
    let during = &campus.nights[began..];
    let is_alarm = |n: &usize| during[*n].hit > 0 && !during[*n].high.is_empty();
    let (alarm, due) =
        ((0..during.len()).find(is_alarm), (0..during.len()).find(|n| during[*n].is_due));
    outcome.alarm_at = alarm.map(|n| during[n].hit);
    outcome.due_at = due.map(|n| during[n].hit);
    let (told, right) = outcome.tags;
    outcome.law(told == right, || format!("tags: {} of {told} nights not so", told - right));
    let is_late = due.is_some_and(|due| alarm.is_none_or(|at| at > due));
    let (at, due_at) = (outcome.alarm_at, outcome.due_at);
    outcome.law(!is_late, || match at {
        Some(at) => format!("alarm: at item {at}, due by {}", due_at.unwrap_or_default()),
        None => format!("alarm: none, due by item {}", due_at.unwrap_or_default()),
    });
    let false_alarms = campus.nights[..began].iter().filter(|s| !s.high.is_empty()).count();
    outcome.law(false_alarms == 0, || format!("false alarm: on {false_alarms} honest nights"));
}

/// Body, attachments, categories.
type HeldMail = (String, BTreeSet<(String, Sha)>, Vec<String>);

/// What a tenant holds, as it is asked for here.
#[derive(Default)]
struct Held {
    /// By person and path.
    files: HashMap<(String, String), Sha>,
    /// Contents by the file's id, and its path.
    by_id: HashMap<String, (String, Sha)>,
    /// What the files of a person hold now.
    of_person: HashSet<(String, Sha)>,
    /// Contents of all files and of their older versions.
    contents: HashSet<Sha>,
    /// By person and internet message id: body, attachments, categories.
    mails: HashMap<(String, String), Vec<HeldMail>>,
}

/// A text without its blanks: lines end otherwise after a way through MIME.
fn bare(text: &str) -> String {
    text.split_whitespace().collect()
}

impl Held {
    fn of(state: &State) -> Self {
        let mut held = Self::default();
        for person in &state.people {
            for f in &person.files {
                let content = sha(&f.content);
                held.files.insert((person.id.clone(), f.path.clone()), content);
                held.by_id.insert(f.id.clone(), (f.path.clone(), content));
                held.of_person.insert((person.id.clone(), content));
            }
            let more = person.more_drives.iter().flat_map(|d| &d.files);
            for f in person.files.iter().chain(more) {
                held.contents.insert(sha(&f.content));
                held.contents.extend(f.versions.iter().map(|v| sha(&v.content)));
            }
            for m in &person.messages {
                let is_gone = ["Deletions", "Purges", "Versions", "Deleted Items"]
                    .iter()
                    .any(|f| m.folder_path.split('/').any(|part| part == *f));
                if !is_gone {
                    let key = (person.id.clone(), m.internet_message_id.clone());
                    let attachments = hashes(&m.attachments).into_iter().collect();
                    held.mails.entry(key).or_default().push((
                        bare(&m.body),
                        attachments,
                        m.categories.clone(),
                    ));
                }
            }
        }
        for f in state.sites.iter().flat_map(|s| &s.libraries).flat_map(|l| &l.files) {
            held.contents.insert(sha(&f.content));
            held.contents.extend(f.versions.iter().map(|v| sha(&v.content)));
        }
        held
    }
}

fn compare(campus: &Campus, plan: Option<&DataRestorePlan>, outcome: &mut Outcome) {
    let held = Held::of(&campus.sim().state(0));
    let is_named = |path: &str| {
        let ending = format!("/{path}");
        plan.is_some_and(|p| {
            let done = p.rows.iter().filter(|r| r.action != Action::Keep).map(|r| &r.path);
            done.chain(p.left.iter().map(|l| &l.path)).any(|path| path.as_str().ends_with(&ending))
        })
    };
    for file in &campus.files {
        let owner = &campus.people[file.owner];
        let at = |path: &str| held.files.get(&(owner.id.clone(), path.to_owned()));
        let said = || format!("{}/{}", owner.upn, file.honest_path);
        let newest = file.versions.last();
        if file.made_by == By::Attacker {
            outcome.planted += 1;
            let is_anywhere = newest.is_some_and(|v| held.contents.contains(&v.sha));
            match newest.map(|v| &v.sha) {
                content if content == at(&file.path) => {
                    outcome.planted_left += 1;
                    outcome.left_not_named += usize::from(!is_named(&file.path));
                    outcome.note("planted, left", || format!("{}/{}", owner.upn, file.path));
                }
                _ if is_anywhere => outcome.planted_aside += 1,
                _ => {
                    outcome.planted_destroyed += 1;
                    outcome.note("planted, destroyed", || format!("{}/{}", owner.upn, file.path));
                }
            }
            continue;
        }
        if file.gone == Some(By::Honest) {
            outcome.risen += usize::from(at(&file.honest_path).is_some());
            continue;
        }
        outcome.honest += 1;
        let there = at(&file.honest_path);
        if !file.is_hit {
            let Some(newest) = newest else { continue };
            match there {
                Some(there) if *there == newest.sha => {}
                _ if held.contents.contains(&newest.sha) => {
                    outcome.honest_aside += 1;
                    outcome.aside_not_named += usize::from(!is_named(&file.honest_path));
                    outcome.note("honest, set aside", said);
                }
                _ => {
                    outcome.honest_lost += 1;
                    outcome.note("honest, lost", said);
                }
            }
            continue;
        }
        let Some(wanted) = file.wanted() else {
            outcome.never_kept += 1;
            continue;
        };
        outcome.wanted += 1;
        if there == Some(&wanted.sha) {
            outcome.back += 1;
            outcome.in_place += 1;
        } else if let Some((path, content)) = held.by_id.get(&file.id)
            && *content == wanted.sha
        {
            outcome.back += 1;
            outcome.note("back, misplaced", || format!("{} is at {path}", said()));
        } else if there.is_none() && held.of_person.contains(&(owner.id.clone(), wanted.sha)) {
            outcome.back += 1;
            outcome.note("back, misplaced", || format!("{} is elsewhere", said()));
        } else {
            let older = |v: &&super::campus::Version| v.by == By::Honest && there == Some(&v.sha);
            let damaged =
                file.versions.iter().any(|v| v.by == By::Attacker && there == Some(&v.sha));
            let what = match there {
                None => "is missing",
                _ if damaged => "is damaged still",
                _ if file.versions.iter().any(|v| older(&v)) => {
                    outcome.older += 1;
                    "is at an older version"
                }
                _ => "holds what it never held",
            };
            outcome.note("not back", || format!("{} {what}", said()));
        }
    }
    for mail in &campus.mails {
        outcome.honest += 1;
        let owner = &campus.people[mail.owner];
        let key = (owner.id.clone(), mail.internet_id.clone());
        let attachments: BTreeSet<_> = mail.attachments.iter().cloned().collect();
        let known = held.mails.get(&key).map(Vec::as_slice).unwrap_or_default();
        let is_there = known.iter().any(|(body, with, categories)| {
            *body == bare(&mail.body) && *with == attachments && *categories == mail.categories
        });
        let said = || format!("{}: {}", owner.upn, mail.internet_id);
        match (mail.is_hit, is_there) {
            (false, true) => {}
            (false, false) => {
                outcome.honest_lost += 1;
                outcome.note("honest message, lost", said);
            }
            (true, _) if !mail.could_be_kept => outcome.never_kept += 1,
            (true, true) => {
                outcome.wanted += 1;
                outcome.back += 1;
                outcome.in_place += 1;
            }
            (true, false) => {
                outcome.wanted += 1;
                let what = if known.is_empty() { "is missing" } else { "is not as it was" };
                outcome.note("message not back", || format!("{} {what}", said()));
            }
        }
    }
}

/// The goals.
fn laws(o: &mut Outcome) {
    let (wanted, back, in_place) = (o.wanted, o.back, o.in_place);
    o.law(back == wanted, || format!("back: {back} of {wanted}"));
    o.law(in_place == back, || format!("place: {} of {back} elsewhere", back - in_place));
    let (lost, aside, honest) = (o.honest_lost, o.honest_aside, o.honest);
    o.law(lost == 0, || format!("honest: {lost} of {honest} lost"));
    o.law(aside * 1000 <= honest, || format!("honest: {aside} of {honest} set aside"));
    let unnamed = o.aside_not_named;
    o.law(unnamed == 0, || format!("honest: {unnamed} set aside and not named by the plan"));
    let (left, unnamed) = (o.planted_left, o.left_not_named);
    o.law(unnamed == 0, || format!("planted: {unnamed} of {left} left and not named by the plan"));
    let (planted, destroyed) = (o.planted, o.planted_destroyed);
    o.law(destroyed == 0, || format!("planted: {destroyed} of {planted} destroyed"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attacks::{
        campus::{AlarmRule, Size},
        damage::Damage,
        script,
    };
    use graph_sim::MailAct;

    /// Those that no law is broken by, on a school that is small.
    fn no_law_is_broken_by(name: &str) {
        let known = script::ATTACKS.iter().find(|a| a.name == name).unwrap();
        let size = Size { people: 4, files: 14, messages: 4 };
        let outcome = live(&Attack { size, ..*known }, 1, true).unwrap();
        assert!(outcome.hit > 5, "{outcome:#?}");
        assert_eq!(outcome.broken, Vec::<String>::new(), "{outcome:#?}");
    }

    #[test]
    fn three_files_a_day_as_armour_are_told_and_come_back() {
        no_law_is_broken_by("slow-armour");
    }

    #[test]
    fn what_was_born_and_encrypted_between_two_backups_comes_back() {
        no_law_is_broken_by("born-that-morning");
    }

    /// What a judge must find who is not asked to restore anything: all that is wrong, by name.
    #[test]
    fn what_is_not_back_and_what_is_lost_is_found() {
        let size = Size { people: 3, files: 8, messages: 4 };
        let mut campus = Campus::new(size, AlarmRule::Bytes, 5).unwrap();
        campus.back_up().unwrap();
        let files = campus.targets(|_| true);
        let [damaged, deleted, renamed, honest, lost] = files[..5] else { panic!("{files:?}") };
        campus.damage(damaged, Damage::Strong).unwrap();
        campus.delete(deleted, By::Attacker).unwrap();
        campus.rename(renamed, "nothing", By::Attacker).unwrap();
        campus.rename(honest, "what it is called now", By::Honest).unwrap();
        let mail = campus.mails.iter().position(|m| !m.attachments.is_empty()).unwrap();
        campus.tamper(mail, &MailAct::NoAttachments).unwrap();
        campus.put(0, "planted.bin", vec![7; 900].into(), By::Attacker).unwrap();
        // Behind everybody's back.
        let (owner, id) = (campus.files[lost].owner, campus.files[lost].id.clone());
        campus.sim().hand(0, &campus.people[owner].id).delete(&id).unwrap();
        let mut outcome = Outcome::default();
        compare(&campus, None, &mut outcome);
        let o = &outcome;
        assert_eq!((o.wanted, o.back, o.in_place), (4, 1, 0), "{o:#?}");
        assert_eq!((o.honest_lost, o.honest_aside), (1, 0), "{o:#?}");
        assert_eq!((o.planted, o.planted_left, o.left_not_named), (1, 1, 1), "{o:#?}");
        laws(&mut outcome);
        for law in ["back:", "place:", "honest:", "planted:"] {
            assert!(outcome.broken.iter().any(|b| b.starts_with(law)), "{law} {outcome:#?}");
        }
    }
}
