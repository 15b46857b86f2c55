//! The queue of changes: every change of a tenant's configuration waits for somebody's decision,
//! until a day.
//!
//! The changes follow from the snapshots at any time; only decisions are kept, one line of JSON
//! each, in a file that is only ever added to.

use crate::{Global, edge::blocking, export::word, failure, output};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::Serialize;
use serde_json::json;
use std::{collections::HashMap, path::PathBuf};
use strongroom_engine::{
    Accepted, Unread,
    configuration::history,
    decisions::{Decisions, Kept, People, Standing, read_key},
};
use strongroom_guards::{Change, Kind, Rank, compare};
use strongroom_model::{
    Configuration, Ending, Record,
    decision::{AppliedPlan, Decided, Decision, DecisionKind, Entry},
    digest_id, shown_line,
};
use strongroom_operations::{School, config::TenantEntry, decisions::counted};
use strongroom_repository::Id;

#[derive(Subcommand)]
pub(crate) enum ReviewCommand {
    /// Show what waits, the most urgent first.
    List(List),
    /// A change is as it should be.
    Accept(Decide),
    /// A change is not as it should be: shows the command that sets it back.
    Reject(Decide),
    /// Make a key file with which a person signs decisions.
    Key {
        /// The new file; only its owner can read it.
        out: PathBuf,
        /// The person's name, as `--by` gives it.
        #[arg(long)]
        by: String,
    },
}

/// Makes a key file and says what the configuration needs of it.
fn new_key(global: &Global, out: &std::path::Path, by: &str) -> anyhow::Result<Ending> {
    let custodian = strongroom_vault::new_custodian(by, out)?;
    if global.json {
        println!("{}", json!({"name": by, "public_key": custodian.key}));
        return Ok(Ending::Done);
    }
    println!(
        "{} signs for {by} from now on; keep it where {by} alone can read it, and add to the \
         configuration of who checks decisions:\n\n[[person]]\nname = {}\npublic_key = \"{}\"",
        out.display(),
        toml::Value::from(by),
        custodian.key
    );
    Ok(Ending::Done)
}

#[derive(Args)]
pub(crate) struct List {
    /// Show what was decided too.
    #[arg(long)]
    all: bool,
    /// Look back so many days.
    #[arg(long, default_value_t = DAYS)]
    days: u32,
}

#[derive(Args)]
pub(crate) struct Decide {
    /// The change, by its id or the beginning of it; or a collection or COLLECTION/NAME, for all
    /// that wait there: shows them, then asks.
    #[arg(required = true)]
    changes: Vec<String>,
    /// Who decides.
    #[arg(long)]
    by: String,
    /// Why.
    #[arg(long, value_name = "WHY")]
    reason: String,
    /// The last day on which the decision holds, like 2027-07-31; for ever without it.
    #[arg(long, value_parser = day)]
    until: Option<Date>,
    /// Look back so many days.
    #[arg(long, default_value_t = DAYS)]
    days: u32,
    /// The key file of who decides: signs the decision. Needed where the configuration names that
    /// person's public key.
    #[arg(long)]
    key: Option<PathBuf>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
}

fn day(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| "a day reads like 2027-07-31".to_owned())
}

const DAYS: u32 = 90;

/// How long somebody has to look at a change.
fn days_to_decide(rank: Rank) -> i64 {
    match rank {
        Rank::Critical => 1,
        Rank::High => 3,
        Rank::Medium => 14,
        Rank::Low => 30,
    }
}

/// Keeps what was applied, before or after.
pub(crate) fn keep_applied(school: &School, applied: &AppliedPlan) -> anyhow::Result<()> {
    let entry = Entry::Applied(Record::new(applied.clone()));
    Ok(school.decisions().add(&[entry])?)
}

/// Keeps that somebody knows of items that cannot be read.
pub(crate) fn accept_unread(
    school: &School,
    unread: &[Unread],
    ids: &[String],
    (by, reason, until, key): (&str, &str, Option<Date>, Option<&std::path::Path>),
) -> anyhow::Result<()> {
    anyhow::ensure!(
        !by.trim().is_empty() && !reason.trim().is_empty(),
        "--by and --reason must say something; whoever reads it next year will ask"
    );
    anyhow::ensure!(until.is_none_or(|u| u >= school.today()), "--until is in the past");
    let (people, key) = (school.config().people()?, key.map(read_key).transpose()?);
    let mut lines = Vec::new();
    for id in ids {
        let Some(item) = unread.iter().find(|u| u.id.0 == *id) else {
            bail!("the newest snapshot names no item {id:?} that was not read");
        };
        let made = Decision {
            says: Some(format!("{:?} in {}: {}", item.name, item.place.line(), item.cause.line())),
            person: Some(by.to_owned()),
            from: Some(school.now()),
            until,
            ..Decision::new(DecisionKind::Unreadable, id, reason)
        };
        lines.push(Entry::Decision(people.record(made, key.as_ref())?));
    }
    Ok(school.decisions().add(&lines)?)
}

/// Items that are known not to be readable, today, as these decisions say.
pub(crate) fn accepted_unread(decisions: &[Decision], today: Date) -> Vec<Accepted> {
    let mut out = Vec::new();
    for d in decisions {
        if d.kind == DecisionKind::Unreadable && d.holds_on(today) {
            let until = d.until.map(|u| format!(" until {u}")).unwrap_or_default();
            let says = format!("accepted by {}{until}: {}", d.by(), d.reason);
            out.push(Accepted { id: d.subject.as_str().into(), says });
        }
    }
    out
}

/// What is kept; what a crash cut off and what is not known is told.
fn kept(school: &School) -> anyhow::Result<Kept> {
    let kept = school.decisions().entries()?;
    kept.cut.iter().chain(&kept.unknown).for_each(|s| eprintln!("{}", output::alarm(s)));
    Ok(kept)
}

/// Decisions that count, of all kinds; what is unproven does not.
pub(crate) fn that_count(school: &School) -> anyhow::Result<Vec<Decision>> {
    let counted = counted(school)?;
    counted.told.iter().for_each(|s| eprintln!("{}", output::alarm(s)));
    Ok(counted.decisions)
}

/// A decision about a change, and how it stands.
type Looked = (Record<Decision>, Standing);

/// Reviews, oldest first; a wrong signature stops.
fn reviews(kept: &Kept, people: &People) -> anyhow::Result<Vec<Looked>> {
    kept.decisions()
        .filter(|d| d.kind == DecisionKind::Review)
        .map(|d| Ok((d.clone(), people.standing(d)?)))
        .collect()
}

/// A name for a shell to take as it is: people of the tenant choose names, and somebody pastes the
/// command.
pub(crate) fn quoted(name: &str) -> String {
    // What would read otherwise than it is names nothing, and a command that is pasted fails.
    format!("'{}'", shown_line(name).replace('\'', "'\\''"))
}

/// The command that brings back what was there before.
pub(crate) fn undo_command(tenant: &str, snapshot: &str, objects: &[String]) -> String {
    let objects: Vec<String> = objects.iter().map(|o| format!("--object {}", quoted(o))).collect();
    format!(
        "undo: strongroom --tenant {tenant} tenant restore --to {snapshot:.8} --remove-added {}",
        objects.join(" ")
    )
}

/// Changes that somebody accepted and that stand still, in any of these objects or collections.
pub(crate) fn accepted_in(
    school: &School,
    steps: &[(Id, Configuration)],
    chosen: &[String],
) -> anyhow::Result<Vec<String>> {
    let kept = kept(school)?;
    // It may be somebody's decision against what is about to be done.
    if let Some(unknown) = kept.unknown.first() {
        bail!("{unknown}; until then nothing is set back that somebody may have accepted");
    }
    let all = queue(
        steps,
        &reviews(&kept, &school.config().people()?)?,
        school.tenant(),
        &crate::tenant::backup_ids(school.tenant()),
        school.now(),
        school.today(),
    );
    let touched = |e: &Waiting| {
        chosen.iter().any(|c| {
            *c == e.change.collection
                || *c == format!("{}/{}", e.change.collection, e.change.object)
        })
    };
    Ok(all
        .iter()
        .filter(|e| e.state == "accepted" && !e.undone && touched(e))
        .map(|e| format!("{}: {}", e.id, e.change.says.line()))
        .collect())
}

/// A change in the queue.
#[derive(Debug, Serialize)]
struct Waiting {
    tenant: String,
    id: String,
    #[serde(flatten)]
    change: Change,
    /// When a snapshot showed it first.
    seen: Timestamp,
    deadline: Timestamp,
    reviewer: Option<String>,
    /// The snapshot before it: what `tenant restore` would go back to.
    before: String,
    /// The tenant is as before again.
    undone: bool,
    /// `open`, `overdue`, `accepted`, `rejected`; an acceptance that ended is open again.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Record<Decision>>,
    /// How the decision stands: `signed`, `unsigned`, `unproven`.
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<&'static str>,
}

fn standing(s: Standing) -> &'static str {
    match s {
        Standing::Signed => "signed",
        Standing::Unsigned => "unsigned",
        Standing::Unproven => "unproven",
    }
}

/// Whether the tenant is as before a change again, or the change itself was the way back to what
/// was there before: neither waits for anybody. What is not a matter of one object (a permission of
/// the backup, another object under an old name) always does.
fn is_undone(steps: &[(Id, Configuration)], n: usize, change: &Change) -> bool {
    let Some((_, newest)) = steps.last() else { return false };
    let readable =
        newest.collections.get(&change.collection).is_some_and(|c| c.state.is_collected());
    // What was out of sight, or emptied, and is seen again waits for nobody.
    if change.kind == Kind::Lost {
        let seen = newest.collections.get(&change.collection);
        return readable && seen.is_some_and(|c| !c.objects.is_empty());
    }
    let at = |c: &Configuration| {
        // What was deleted and is made anew has another id.
        let made_anew = matches!(change.kind, Kind::Added | Kind::Removed);
        let one = c.object(&change.collection, &change.object);
        one.map(|o| {
            (
                if made_anew { String::new() } else { o.id.clone() },
                o.body.clone(),
                o.volatile["keyIds"].clone(),
            )
        })
    };
    let (old, new) = (at(&steps[n].1), at(&steps[n + 1].1));
    if !readable || old == new || change.kind == Kind::Replaced {
        return false;
    }
    let states: Vec<_> = steps[..=n + 1].iter().map(|(_, c)| at(c)).collect();
    at(newest) == old || at(newest) == new && ways_back(&states).last() == Some(&true)
}

/// Which steps from one state to the next were the way back from a change: to what was there before
/// it. Whoever takes a way back back makes the change again.
fn ways_back<S: PartialEq>(states: &[S]) -> Vec<bool> {
    let mut out: Vec<bool> = Vec::new();
    for (k, step) in states.windows(2).enumerate() {
        let undoes = |m: usize| !out[m] && states[m] != states[m + 1] && states[m] == step[1];
        out.push(step[0] != step[1] && (0..k).any(undoes));
    }
    out
}

/// What a change is known by: what was there and what is there, not our words for it, nor the
/// snapshots on either side, which come and go. The same change made again has the same id; a
/// decision counts for the time at which it was seen.
fn id_of(old: &Configuration, new: &Configuration, change: &Change) -> String {
    let side = |c: &Configuration| {
        let object = c.object(&change.collection, &change.object);
        // Ids matter where they are the change.
        let id = object.filter(|_| change.kind == Kind::Replaced).map(|o| o.id.clone());
        let named: Vec<&String> = match object {
            Some(_) => Vec::new(),
            None => c
                .references
                .iter()
                .filter(|(s, _)| s.split_once('/').is_some_and(|(_, n)| n == change.object))
                .map(|(_, id)| id)
                .collect(),
        };
        let unseen: Vec<&String> = match object {
            Some(_) => Vec::new(),
            None => {
                c.collections.iter().filter(|(_, c)| c.state.is_blind()).map(|(n, _)| n).collect()
            }
        };
        json!([
            object.map(|o| (&o.body, &o.volatile["keyIds"])),
            id,
            named,
            if change.object == THE_BACKUP { unseen } else { Vec::new() }
        ])
    };
    digest_id(
        &json!([change.collection, change.object, change.kind, side(old), side(new)]).to_string(),
    )
}

/// How the drift calls what happens to the backup's own rights.
const THE_BACKUP: &str = "the backup";

/// Every change that snapshots show, with what was decided.
fn queue(
    steps: &[(Id, Configuration)],
    reviews: &[Looked],
    tenant: &TenantEntry,
    own: &[String],
    now: Timestamp,
    today: Date,
) -> Vec<Waiting> {
    let mut decided: HashMap<&str, Vec<(Timestamp, &Looked)>> = HashMap::new();
    for looked in reviews {
        // A review without a time says nothing of any.
        if let Some(seen) = looked.0.seen {
            decided.entry(&looked.0.subject).or_default().push((seen, looked));
        }
    }
    let mut out = Vec::new();
    for (n, pair) in steps.windows(2).enumerate() {
        let ((before, old), (_, new)) = (&pair[0], &pair[1]);
        for change in compare(old, new, own, true).changes {
            let id = id_of(old, new, &change);
            let deadline = new.taken + SignedDuration::from_hours(24 * days_to_decide(change.rank));
            let undone = is_undone(steps, n, &change);
            // What was decided about another time says nothing of this one. Snapshots on either
            // side may have been let go.
            let looked = decided
                .get(id.as_str())
                .and_then(|all| {
                    let counts = |(seen, l): &&(Timestamp, &Looked)| {
                        old.taken < *seen && *seen <= new.taken && l.1 != Standing::Unproven
                    };
                    let at =
                        |(seen, _): &&(Timestamp, &Looked)| old.taken < *seen && *seen <= new.taken;
                    // What does not count is shown where nothing else is there.
                    all.iter().rfind(counts).or_else(|| all.iter().rfind(at))
                })
                .map(|(_, l)| (*l).clone());
            let counts = looked.as_ref().filter(|(_, s)| *s != Standing::Unproven);
            let state = match counts.map(|(d, _)| d) {
                Some(d) if !d.holds_on(today) => "open",
                Some(d) if d.decided == Decided::Accepted => "accepted",
                Some(_) => "rejected",
                _ if undone => "undone",
                _ if deadline < now => "overdue",
                _ => "open",
            };
            out.push(Waiting {
                tenant: tenant.name.clone(),
                id,
                change,
                seen: new.taken,
                deadline,
                reviewer: tenant.reviewer.clone(),
                before: before.to_string(),
                undone,
                state,
                signature: looked.as_ref().map(|(_, s)| standing(*s)),
                decision: looked.map(|(d, _)| d),
            });
        }
    }
    let order = |s: &str| {
        ["overdue", "open", "rejected", "undone", "accepted"].iter().position(|o| *o == s)
    };
    out.sort_by(|a, b| {
        order(a.state)
            .cmp(&order(b.state))
            .then(a.change.rank.cmp(&b.change.rank))
            .then(a.deadline.cmp(&b.deadline))
    });
    out
}

async fn load(school: &School, days: u32) -> anyhow::Result<(Vec<Waiting>, Vec<String>)> {
    let (repo, tenant, now) = (school.repository().await?, school.tenant(), school.now());
    let (name, since) =
        (tenant.name.clone(), now - SignedDuration::from_hours(24 * i64::from(days)));
    let steps = blocking(move || Ok(history(&repo, &name, since)?)).await?;
    if steps.is_empty() {
        bail!(
            "no configuration of {} was kept yet; `strongroom --tenant {0} tenant snapshot` keeps \
             it",
            tenant.name
        );
    }
    let kept = kept(school)?;
    let all = queue(
        &steps,
        &reviews(&kept, &school.config().people()?)?,
        tenant,
        &crate::tenant::backup_ids(tenant),
        now,
        school.today(),
    );
    Ok((all, kept.unknown))
}

pub(crate) async fn review(global: &Global, command: ReviewCommand) -> anyhow::Result<Ending> {
    let (args, decision) = match command {
        ReviewCommand::List(a) => return list(global, &a).await,
        ReviewCommand::Accept(a) => (a, Decided::Accepted),
        ReviewCommand::Reject(a) => (a, Decided::Rejected),
        ReviewCommand::Key { out, by } => return new_key(global, &out, &by),
    };
    decide(global, &global.school()?, args, decision).await
}

/// What was rejected and stands still is somebody's work.
fn waits(e: &Waiting) -> bool {
    ["open", "overdue"].contains(&e.state) || e.state == "rejected" && !e.undone
}

/// Of one tenant, or of all.
async fn list(global: &Global, args: &List) -> anyhow::Result<Ending> {
    let schools = global.schools()?;
    let (mut rows, mut endings) = (Vec::new(), Vec::new());
    for school in &schools {
        match load(school, args.days).await {
            Ok((mut all, unknown)) => {
                let unknown = match unknown.is_empty() {
                    true => Ending::Done,
                    false => Ending::Partial,
                };
                all.retain(|e| args.all || waits(e));
                let overdue = match all.iter().any(|e| e.state == "overdue") {
                    true => Ending::Alarm,
                    false => Ending::Done,
                };
                endings.push(unknown.or_worse(overdue));
                if !global.json {
                    show(school.tenant(), &all, schools.len() > 1);
                }
                rows.extend(all.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?);
            }
            Err(e) if schools.len() == 1 => return Err(e),
            Err(e) => {
                endings.push(failure::ending(&e));
                match global.json {
                    true => rows.push(failure::row(school.name(), &e)),
                    false => println!(
                        "{}",
                        output::alarm(&format!("{}: {}", school.name(), failure::sentence(&e)))
                    ),
                }
            }
        }
    }
    if global.json {
        println!("{}", serde_json::Value::from(rows));
    }
    Ok(Ending::of_several(&endings))
}

fn show(tenant: &TenantEntry, all: &[Waiting], several: bool) {
    let who = tenant.reviewer.as_ref().map_or_else(String::new, |r| format!(", for {r}"));
    let of = if several { format!("{}: ", tenant.name) } else { String::new() };
    if all.is_empty() {
        return println!("{of}nothing waits for a decision");
    }
    let overdue = all.iter().filter(|e| e.state == "overdue").count();
    println!(
        "{of}{} {}{who}; {overdue} overdue",
        all.len(),
        if all.len() == 1 { "change" } else { "changes" }
    );
    println!("{:<8}  {:<8}  {:<8}  {:<10}  what", "change", "state", "rank", "decide by");
    for e in all {
        let line = format!(
            "{:.8}  {:<8}  {:<8}  {}  {}",
            e.id,
            e.state,
            word(e.change.rank),
            e.deadline.strftime("%Y-%m-%d"),
            e.change.says.line()
        );
        println!("{}", if e.state == "overdue" { output::alarm(&line) } else { line });
        if let Some(d) = &e.decision {
            println!(
                "          {}: {}{}{}",
                d.by(),
                d.reason,
                d.until.map_or_else(String::new, |u| format!(" (until {u})")),
                match e.signature {
                    Some("signed") => String::new(),
                    Some("unproven") => output::alarm(
                        " (unsigned, and does not count: the decisions of this person are signed)"
                    ),
                    _ => " (unsigned)".to_owned(),
                }
            );
        }
    }
}

/// Fewer digits of an id may be those of two.
const DIGITS_MIN: usize = 6;

/// The changes that somebody means.
fn meant<'e>(all: &'e [Waiting], what: &str, days: u32) -> anyhow::Result<Vec<&'e Waiting>> {
    let none = || {
        format!(
            "no change {what:?} in the last {days} days; `strongroom review list --all` shows them"
        )
    };
    if what.contains('/') {
        let fits = |e: &Waiting| {
            e.change.collection == what
                || format!("{}/{}", e.change.collection, e.change.object) == what
        };
        let there: Vec<&Waiting> = all.iter().filter(|e| waits(e) && fits(e)).collect();
        anyhow::ensure!(
            !there.is_empty(),
            "nothing waits for a decision at {what:?}, which must be a collection or \
             COLLECTION/NAME"
        );
        return Ok(there);
    }
    let what = what.to_lowercase();
    anyhow::ensure!(
        what.len() >= DIGITS_MIN,
        "{what:?} is too short to name a change; give at least {DIGITS_MIN} digits"
    );
    // Of the same change at several times those that wait are meant, or the last.
    let found: Vec<&Waiting> = all.iter().filter(|e| e.id.starts_with(&what)).collect();
    let first = found.first().with_context(none)?;
    anyhow::ensure!(
        found.iter().all(|e| e.id == first.id),
        "{what:?} is the beginning of several changes; give more digits"
    );
    let waiting: Vec<&Waiting> = found.iter().copied().filter(|e| waits(e)).collect();
    Ok(if waiting.is_empty() {
        found.into_iter().max_by_key(|e| e.seen).into_iter().collect()
    } else {
        waiting
    })
}

async fn decide(
    global: &Global,
    school: &School,
    args: Decide,
    decision: Decided,
) -> anyhow::Result<Ending> {
    if args.reason.trim().is_empty() || args.by.trim().is_empty() {
        bail!("--by and --reason must say something; whoever reads it next year will ask");
    }
    if args.until.is_some_and(|u| u < school.today()) {
        bail!("--until is in the past");
    }
    let people = school.config().people()?;
    let key = args.key.as_deref().map(read_key).transpose()?;
    let (all, _) = load(school, args.days).await?;
    let mut chosen: Vec<&Waiting> = Vec::new();
    for what in &args.changes {
        for e in meant(&all, what, args.days)? {
            if !chosen.iter().any(|c| c.id == e.id && c.seen == e.seen) {
                chosen.push(e);
            }
        }
    }
    // Whoever names a place has not seen what waits there.
    if !args.yes && args.changes.iter().any(|w| w.contains('/')) {
        anyhow::ensure!(
            !global.json,
            "with --json nobody is asked: look at the list first, then add --yes"
        );
        chosen.iter().for_each(|e| {
            println!("{:.8}  {:<8}  {}", e.id, word(e.change.rank), e.change.says.line())
        });
        if !output::confirm(&format!(
            "Is the decision about all {}: {}?",
            chosen.len(),
            word(decision)
        ))? {
            println!("nothing was decided");
            return Ok(Ending::Failed);
        }
    }
    let at = school.now();
    let mut lines = Vec::new();
    for e in &chosen {
        let made = Decision {
            says: Some(e.change.says.as_str().to_owned()),
            seen: Some(e.seen),
            decided: decision,
            person: Some(args.by.clone()),
            from: Some(at),
            until: args.until,
            ..Decision::new(DecisionKind::Review, e.id.clone(), args.reason.clone())
        };
        lines.push(Entry::Decision(people.record(made, key.as_ref())?));
    }
    school.decisions().add(&lines)?;
    let back = |e: &Waiting| {
        // Somebody who took another's place is named by other settings too.
        if e.change.kind == Kind::Replaced {
            return format!(
                "strongroom --tenant {} tenant restore --to {:.8} --remove-added",
                school.name(),
                e.before
            );
        }
        let object = quoted(&format!("{}/{}", e.change.collection, e.change.object));
        format!(
            "strongroom --tenant {} tenant restore --to {:.8} --object {object} --remove-added",
            school.name(),
            e.before
        )
    };
    if global.json {
        let rows: Vec<_> = chosen
            .iter()
            .map(|e| {
                json!({"change": e.id, "decision": decision,
                "set_back_by": if decision == Decided::Rejected { json!(back(e)) } else {
                    json!(null) }})
            })
            .collect();
        println!("{}", serde_json::Value::from(rows));
        return Ok(Ending::Done);
    }
    for e in chosen {
        println!("{} {:.8}: {}", word(decision), e.id, e.change.says.line());
        if decision == Decided::Rejected {
            println!("  set it back with: {}", back(e));
        }
    }
    Ok(Ending::Done)
}

#[cfg(test)]
mod tests {
    use super::ways_back;

    #[test]
    fn a_change_made_again_is_no_way_back() {
        assert_eq!(ways_back(&["a", "b", "a", "b", "a"]), [false, true, false, true]);
        assert_eq!(ways_back(&["a", "b", "c", "c", "b"]), [false, false, false, true]);
        assert_eq!(ways_back(&["a", "b", "c", "a"]), [false, false, true]);
    }
}
