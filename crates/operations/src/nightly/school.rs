//! The night of one school.

use super::{NightAlarm, SchoolNight, State, Step, StepRow, broke_off, gravest, retention};
use crate::{
    Attempt, Duty, Error, Kind, School, Stop, backup::back_up, check::check, decisions::counted,
    files::written, nightly::Chosen, protection, replicate::Replicated, replicate::replicate,
    settings,
};
use std::{
    fs::{File, TryLockError},
    future::Future,
    sync::Arc,
};
use strongroom_model::{Ending, Silent, Untrusted, shown_bytes};

/// Held for as long as a school's night goes on, and however it ends.
const MARK: &str = "nightly.running";

/// Sentences of several things are cut after that many.
const NAMED_MAX: usize = 3;

/// What is known on the way.
struct AtWork {
    school: School,
    stop: Stop,
    alarms: Vec<NightAlarm>,
}

/// Works for a school, step by step.
pub(super) async fn night(school: School, stop: Stop) -> SchoolNight {
    let chosen = Chosen::School(school.clone());
    let began = school.now();
    let mark = match alone(&school) {
        Ok(mark) => mark,
        Err(e) => {
            let night = SchoolNight::none(&chosen, e.kind().ending(), e.sentence());
            return SchoolNight { remedy: e.remedy().cloned(), ..night };
        }
    };
    let mut work = AtWork { school: school.clone(), stop, alarms: Vec::new() };
    work.weakened().await;
    let is_weakened = !work.alarms.is_empty();
    let mut steps: Vec<StepRow> = Vec::new();
    let mut all = vec![Step::Settings, Step::Backup, Step::Replicate, Step::Check, Step::Retention];
    all.extend(school.config().nightly.prune.then_some(Step::Prune));
    for step in all {
        let from = school.now();
        let mut row = match work.stop.is_set() {
            true => StepRow::new(
                step,
                State::NotBegun,
                Ending::Interrupted,
                "not begun, since the night was ended",
            ),
            false => work.does(step, &steps).await,
        };
        if matches!(row.state, State::Done | State::Failed | State::Waits) {
            row.took_s = Some(seconds(&school, from));
        }
        steps.push(row);
    }
    drop(mark);
    let is_backed_up = steps.iter().any(|r| r.step == Step::Backup && r.is_done());
    // Who made no backup does not know what stands.
    let is_known = is_backed_up || !school.owes(Duty::Backup) || !work.alarms.is_empty();
    SchoolNight {
        school: school.name().to_owned(),
        tenant_id: Some(school.tenant().tenant_id.clone()),
        labels: Some(school.tenant().labels.clone()),
        ending: gravest(
            steps.iter().map(|row| row.ending).chain(is_weakened.then_some(Ending::Alarm)),
        ),
        began: Some(began),
        took_s: Some(seconds(&school, began)),
        why: None,
        steps,
        alarms: is_known.then_some(work.alarms),
        remedy: None,
    }
}

fn seconds(school: &School, from: jiff::Timestamp) -> u64 {
    u64::try_from(school.now().as_second() - from.as_second()).unwrap_or(0)
}

/// Of two nights at once the second does nothing. Where no mark can be left, what each step locks
/// keeps them apart.
fn alone(school: &School) -> Result<Option<File>, Error> {
    let mark = school.state().map_err(|e| e.sentence()).and_then(|dir| {
        let path = dir.join(MARK);
        written::mark(&path).map_err(|e| format!("{}: {e}", path.display()))
    });
    let unmarked = |why: &str| {
        let name = school.name();
        tracing::warn!("{name}: that its night is under way is not marked: {why}");
    };
    match mark.map(|file| file.try_lock().map(|()| file)) {
        Ok(Ok(file)) => Ok(Some(file)),
        Ok(Err(TryLockError::WouldBlock)) => Err(Error::new(
            Kind::Locked,
            "another night is at work for this school; nothing was done for it by this one",
        )),
        Ok(Err(TryLockError::Error(e))) => {
            unmarked(&e.to_string());
            Ok(None)
        }
        Err(why) => {
            unmarked(&why);
            Ok(None)
        }
    }
}

/// Does work as a task of its own: what breaks off there is an error. Work that does not end by
/// itself is left when somebody asks.
async fn apart<T, F, Fut>(stop: &Stop, ends_itself: bool, work: F) -> Result<T, Error>
where
    T: Send + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<T, Error>> + Send + 'static,
{
    let task = tokio::spawn(work());
    tokio::select! {
        biased;
        done = task => done.map_err(broke_off)?,
        () = stop.asked(), if !ends_itself => {
            Err(Error::new(Kind::Interrupted, "interrupted; what was done by then is done"))
        }
    }
}

/// Notes how a duty ended, which may wait for the program that is told alarms. What cannot be noted
/// is told by who notes it.
async fn noted<R: Send + 'static>(note: impl FnOnce() -> R + Send + 'static) -> Option<R> {
    let done = tokio::task::spawn_blocking(note).await;
    done.inspect_err(|e| tracing::error!("how a duty ended was not noted: {e}")).ok()
}

/// Some of several things, and how many more there are.
fn list(all: &[String]) -> String {
    let named = all.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join("; ");
    match all.len().saturating_sub(NAMED_MAX) {
        0 => named,
        n => format!("{named}; and {n} more"),
    }
}

/// Whose it is, what it is called, its id, as somebody who accepts it names it, and why.
fn unread_item(item: &strongroom_engine::SkippedItem) -> String {
    let name = match item.name.line().to_string() {
        name if name.is_empty() => String::new(),
        name => format!(" {name}"),
    };
    let id = Untrusted::from(item.id.0.as_str());
    format!("{}{name} ({}): {}", item.scope.line(), id.line(), item.cause.line())
}

impl AtWork {
    /// Whether the configuration protects less than at the last run.
    async fn weakened(&mut self) {
        let school = self.school.clone();
        let found = match noted(move || protection::look_and_tell(&school)).await {
            None | Some(Ok(None)) => return,
            Some(Ok(Some(weaker))) => weaker.says,
            Some(Err(e)) => vec![e.sentence()],
        };
        let kind = || "weakened".to_owned();
        self.alarms.extend(found.into_iter().map(|text| NightAlarm { kind: kind(), text }));
    }

    async fn does(&mut self, step: Step, before: &[StepRow]) -> StepRow {
        let duty = match step {
            Step::Settings => Some(Duty::Settings),
            Step::Backup => Some(Duty::Backup),
            Step::Replicate => Some(Duty::Replicate),
            Step::Check => Some(Duty::Check),
            Step::Retention | Step::Prune => None,
        };
        if let Some(row) = duty.filter(|d| !self.school.owes(*d)).map(|_| self.not_owed(step)) {
            return row;
        }
        match step {
            Step::Settings => self.settings().await,
            Step::Backup => self.backup().await,
            Step::Replicate => self.replicate().await,
            Step::Check => self.check().await,
            Step::Retention | Step::Prune => {
                match self.keeps_all(before) {
                    Some(why) => StepRow::new(step, State::Held, Ending::Done, why),
                    None if step == Step::Prune => {
                        let school = self.school.clone();
                        let done = apart(&self.stop, false, move || async move {
                            retention::prune(&school).await
                        });
                        done.await.unwrap_or_else(|e| StepRow::failed(step, &e))
                    }
                    None => {
                        let school = self.school.clone();
                        // It is short, and ends in order.
                        let done = apart(&self.stop, true, move || async move {
                            retention::forget(&school).await
                        });
                        done.await.unwrap_or_else(|e| StepRow::failed(step, &e))
                    }
                }
            }
        }
    }

    fn not_owed(&self, step: Step) -> StepRow {
        let nightly = &self.school.config().nightly;
        let row = |state, text: &str| StepRow::new(step, state, Ending::Done, text);
        match step {
            Step::Replicate if self.school.tenant().vault.is_none() => {
                row(State::Off, "the configuration names no vault")
            }
            Step::Replicate if !nightly.without.iter().any(|n| n == Duty::Replicate.name()) => {
                row(State::Elsewhere, "the vault fetches for itself")
            }
            Step::Check if nightly.check_days == 0 => row(State::Off, "this host owes no check"),
            _ => row(State::Elsewhere, "another host does it"),
        }
    }

    /// Why nothing may go in this night; none where nothing speaks against it.
    fn keeps_all(&self, before: &[StepRow]) -> Option<&'static str> {
        let is = |step, f: &dyn Fn(&StepRow) -> bool| before.iter().any(|r| r.step == step && f(r));
        if self.school.owes(Duty::Backup) && !is(Step::Backup, &StepRow::is_done) {
            return Some("nothing is let go in a night without a backup");
        }
        // Who edits what is kept does not empty copy 2 in the same night.
        let is_weakened = self.alarms.iter().any(|a| a.kind == "weakened");
        let has_alarm = is_weakened || before.iter().any(|row| row.ending == Ending::Alarm);
        has_alarm.then_some("nothing is let go while an alarm stands")
    }

    async fn begun(&self, duty: Duty) -> Option<Attempt> {
        let school = self.school.clone();
        noted(move || school.begin(duty)).await
    }

    async fn not_done(&mut self, step: Step, attempt: Option<Attempt>, e: Error) -> StepRow {
        let row = StepRow::failed(step, &e);
        if row.ending == Ending::NothingRead {
            let (kind, text) = ("nothing-read".to_owned(), row.text.clone());
            self.alarms.push(NightAlarm { kind, text });
        }
        if let Some(attempt) = attempt {
            let (ending, why) = (row.ending, row.text.clone());
            noted(move || attempt.failed(ending, &why)).await;
        }
        row
    }

    async fn settings(&mut self) -> StepRow {
        let (step, school) = (Step::Settings, self.school.clone());
        let attempt = self.begun(Duty::Settings).await;
        let keep = move || async move { settings::keep(&school, false, Arc::new(Silent)).await };
        let kept = match apart(&self.stop, false, keep).await {
            Ok(kept) => kept,
            Err(e) => return self.not_done(step, attempt, e).await,
        };
        let (ending, grave) = (kept.report.ending(), kept.grave());
        let told: Vec<String> = grave.iter().map(|(_, says)| says.clone()).collect();
        let lost: Vec<String> =
            kept.report.lost.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        let blind = kept.report.collections.values().filter(|s| s.is_blind()).count() as u64;
        let mut text = match (kept.is_first, kept.changes.len()) {
            (true, _) => "the first reading".to_owned(),
            (false, 0) => "no change".to_owned(),
            (false, 1) => "1 change".to_owned(),
            (false, n) => format!("{n} changes"),
        };
        if !told.is_empty() {
            text.push_str(&format!(", of which grave: {}", list(&told)));
        }
        if blind > 0 {
            text.push_str(&format!("; {blind} collections could not be read"));
        }
        if !lost.is_empty() {
            text.push_str(&format!("; out of sight: {}", list(&lost)));
        }
        let (snapshot, n) = (kept.report.snapshot.clone(), grave.len() as u64);
        if ending == Ending::NothingRead {
            let (kind, text) = ("nothing-read".to_owned(), text.clone());
            self.alarms.push(NightAlarm { kind, text });
        }
        if let Some(attempt) = attempt {
            noted(move || attempt.settings_kept(&kept.report, &grave)).await;
        }
        let state = if ending == Ending::NothingRead { State::Failed } else { State::Done };
        let row = StepRow::new(step, state, ending, text);
        StepRow { snapshot: Some(snapshot), skipped: Some(blind), grave: Some(n), ..row }
    }

    async fn backup(&mut self) -> StepRow {
        let (step, school, stop) = (Step::Backup, self.school.clone(), self.stop.clone());
        let attempt = self.begun(Duty::Backup).await;
        let work = move || async move {
            // Who cannot reach copy 2 is not waited for by who ends the night.
            let repo = tokio::select! {
                repo = school.repository() => repo?,
                () = stop.asked() => return Err(ended_before_reading()),
            };
            let kept = counted(&school)?;
            for told in &kept.told {
                tracing::warn!("{}: {told}", school.name());
            }
            back_up(&school, repo, Vec::new(), &kept.decisions, Arc::new(Silent)).await
        };
        // It keeps what it has read.
        let from = self.school.now();
        let report = match apart(&self.stop, true, work).await {
            Ok(report) => report,
            Err(e) => {
                let raised = self.school.raised_since(Duty::Backup, from);
                let row = self.not_done(step, attempt, e).await;
                if raised.is_empty() {
                    return row;
                }
                let named: Vec<String> =
                    raised.iter().map(|r| format!("{}: {}", r.kind, r.text)).collect();
                let text = format!("{}; alarms until then: {}", row.text, list(&named));
                self.alarms
                    .extend(raised.into_iter().map(|r| NightAlarm { kind: r.kind, text: r.text }));
                return StepRow { text, ending: gravest([row.ending, Ending::Alarm]), ..row };
            }
        };
        let mut found = Vec::new();
        found.extend(report.alarms.iter().map(|a| NightAlarm {
            kind: a.kind.as_str().to_owned(),
            text: a.text.line().to_string(),
        }));
        found.extend(report.standing.iter().map(|row| NightAlarm {
            kind: row.code().to_owned(),
            text: row.sentence().line().to_string(),
        }));
        let ending = report.ending();
        let skipped = (report.skipped.len() + report.failed.len()) as u64;
        let mut text = format!(
            "{} new, {} changed, {} deleted; {} stored",
            report.items_new,
            report.items_changed,
            report.items_deleted,
            shown_bytes(report.written.bytes_stored)
        );
        if skipped > 0 {
            let unread = report.skipped.iter().chain(&report.failed);
            let unread: Vec<String> = unread.map(unread_item).collect();
            text.push_str(&format!(
                "; {skipped} things could not be read, and are asked for again: {}",
                list(&unread)
            ));
        }
        if report.snapshot.is_none() {
            text = "nothing could be read, and no snapshot was made".to_owned();
        }
        let named: Vec<String> = found.iter().map(|a| format!("{}: {}", a.kind, a.text)).collect();
        if !named.is_empty() {
            text.push_str(&format!("; alarms: {}", list(&named)));
        }
        self.alarms.extend(found);
        let (snapshot, bytes) = (report.snapshot.clone(), report.written.bytes_stored);
        if let Some(attempt) = attempt {
            noted(move || attempt.backed_up(&report)).await;
        }
        let state = if snapshot.is_some() { State::Done } else { State::Failed };
        let row = StepRow::new(step, state, ending, text);
        StepRow { snapshot, skipped: Some(skipped), bytes: Some(bytes), ..row }
    }

    async fn replicate(&mut self) -> StepRow {
        let (step, school) = (Step::Replicate, self.school.clone());
        let attempt = self.begun(Duty::Replicate).await;
        let work = move || async move {
            replicate(&school.copy2()?, school.vault()?, Arc::new(Silent)).await
        };
        let brought = match apart(&self.stop, false, work).await {
            Ok(brought) => brought,
            Err(e) => return self.not_done(step, attempt, e).await,
        };
        let (ending, bytes, mut text) = match &brought {
            Replicated::Session(r) => {
                let ending = if r.is_whole() { Ending::Done } else { Ending::Partial };
                let mut text = format!("{} objects, {}", r.sent, shown_bytes(r.bytes));
                if ending == Ending::Partial {
                    text.push_str("; not all of it came whole: a check of all data names what");
                }
                (ending, r.bytes, text)
            }
            Replicated::Bucket(r) => {
                let ending = match (r.alarms.is_empty(), r.paused) {
                    (false, _) => Ending::Alarm,
                    (true, true) => Ending::Partial,
                    (true, false) => Ending::Done,
                };
                let paused = if r.paused { "; paused outside its hours" } else { "" };
                let text = format!("{} objects, {}{paused}", r.objects, shown_bytes(r.bytes));
                (ending, r.bytes, text)
            }
        };
        if let Replicated::Bucket(r) = &brought
            && !r.alarms.is_empty()
        {
            let named: Vec<String> = r.alarms.iter().map(|(k, t)| format!("{k}: {t}")).collect();
            text.push_str(&format!("; alarms: {}", list(&named)));
            self.alarms.extend(
                r.alarms
                    .iter()
                    .map(|(kind, text)| NightAlarm { kind: kind.to_string(), text: text.clone() }),
            );
        }
        if let Some(attempt) = attempt {
            noted(move || attempt.brought(&brought)).await;
        }
        StepRow { bytes: Some(bytes), ..StepRow::new(step, State::Done, ending, text) }
    }

    async fn check(&mut self) -> StepRow {
        let (step, school) = (Step::Check, self.school.clone());
        let attempt = self.begun(Duty::Check).await;
        let nights = school.config().nightly.check_nights.max(1);
        let work = move || async move {
            // Before anything is read: who cannot keep which is next would read one for ever.
            let part = school.next_part(nights)?;
            let report = check(&school.copy2()?, part.read(), Arc::new(Silent)).await?;
            Ok((part, report))
        };
        let (part, report) = match apart(&self.stop, false, work).await {
            Ok(done) => done,
            Err(e) => return self.not_done(step, attempt, e).await,
        };
        let (packs, bytes) = (report.packs_read, report.bytes_read);
        let found: Vec<String> = report.problems.iter().map(|p| p.line().to_string()).collect();
        let kept = match attempt {
            Some(attempt) => noted(move || attempt.checked(&report, part.read())).await,
            None => None,
        };
        let kept = kept.unwrap_or_else(|| crate::Standing {
            damage: found.clone(),
            unkept: Some("how it ended could not be noted".to_owned()),
        });
        let mut text = format!(
            "part {} of {}: {packs} packs, {} read, {}",
            part.part,
            part.of,
            shown_bytes(bytes),
            if found.is_empty() { "sound".to_owned() } else { list(&found) }
        );
        let before: Vec<String> =
            kept.damage.iter().filter(|d| !found.contains(d)).cloned().collect();
        if !before.is_empty() {
            text.push_str(&format!("; found before, and standing: {}", list(&before)));
        }
        if let Some(why) = &kept.unkept {
            text.push_str(&format!("; that it was read is not kept, and it is read again: {why}"));
        }
        self.alarms.extend(
            kept.damage
                .iter()
                .map(|text| NightAlarm { kind: "damage".to_owned(), text: text.clone() }),
        );
        let ending = match (kept.damage.is_empty(), kept.unkept.is_none()) {
            (false, _) => Ending::Alarm,
            (true, false) => Ending::Partial,
            (true, true) => Ending::Done,
        };
        let row = StepRow::new(step, State::Done, ending, text);
        StepRow { part: Some(part), bytes: Some(bytes), ..row }
    }
}

fn ended_before_reading() -> Error {
    Error::new(Kind::Interrupted, "interrupted before anything was read; nothing of it is kept")
}
