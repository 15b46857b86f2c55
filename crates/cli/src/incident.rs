//! `strongroom incident`: what is known of an attack, and what people decide about it.

use crate::{Global, approvers::tell_undecided, browse::time, export::word, output, review};
use clap::{Args, Subcommand};
use jiff::{Timestamp, civil::Date};
use std::{collections::BTreeMap, fmt::Display, path::PathBuf};
use strongroom_model::{Ending, Untrusted, decision::Decided};
use strongroom_operations::{
    incident::{
        self, DamageKind, Incident, Intruder, LineWanted, PlannedLine, Points, Sign, SignKind,
        StandingChange, Which,
    },
    restore::Basis,
    reviews::Ruling,
};

/// What fits a terminal of the usual width.
const COLUMNS: usize = 80;
/// So many rows of a table are shown.
const ROWS_MAX: usize = 12;
/// So many characters of a name are.
const NAME_MAX: usize = 30;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct IncidentArgs {
    #[command(subcommand)]
    command: Option<IncidentCommand>,
    /// Look at the data since this day or moment, and at all alarms since, in the place of those
    /// that stand.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum IncidentCommand {
    /// Accept what of the intruder still stands, with one reason: a review of each.
    Accept(Accept),
    /// Move the line for somebody, or for one of their folders: nothing that was stored of it since
    /// a moment is believed. Shows what that changes, then asks.
    Line(LineArgs),
    /// Read the settings anew, and say what of the intruder is gone. Ends with 4 while something
    /// stands that nobody accepted.
    Removed,
}

#[derive(Args)]
pub(crate) struct Accept {
    /// Which, by the first digits of their ids.
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    changes: Vec<String>,
    /// All that stand and that nobody accepted: shows them, then asks.
    #[arg(long)]
    all: bool,
    /// Who decides.
    #[arg(long)]
    by: String,
    /// Why it may stand.
    #[arg(long, value_name = "WHY")]
    reason: String,
    /// The last day on which it may, like 2027-07-31; for ever without it.
    #[arg(long, value_name = "DAY")]
    until: Option<Date>,
    /// The key file of who decides: signs the decision. Needed where the configuration names that
    /// person's public key.
    #[arg(long)]
    key: Option<PathBuf>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
}

#[derive(Args)]
pub(crate) struct LineArgs {
    /// Whose things: a person or a site, as paths name them.
    #[arg(long)]
    owner: String,
    /// Of these, what lies below this path: the workload and what follows, as
    /// drives/OneDrive/Plans.
    #[arg(long, value_name = "PATH", default_value = "")]
    under: String,
    /// The moment, a day, or a snapshot that is not believed itself.
    #[arg(long, value_name = "TIME|SNAPSHOT", required_unless_present = "as_proposed")]
    before: Option<String>,
    /// Take the line back: what is proposed counts again.
    #[arg(long, conflicts_with = "before")]
    as_proposed: bool,
    /// Who decides.
    #[arg(long)]
    by: String,
    /// Why.
    #[arg(long, value_name = "WHY")]
    reason: String,
    /// The last day on which it counts, like 2027-07-31; for 30 days without it.
    #[arg(long, value_name = "DAY")]
    until: Option<Date>,
    /// The key file of who decides: signs the decision. Needed where the configuration names that
    /// person's public key.
    #[arg(long)]
    key: Option<PathBuf>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
}

pub(crate) async fn incident(global: &Global, args: IncidentArgs) -> anyhow::Result<Ending> {
    match args.command {
        None => show(global, args.since.as_deref()).await,
        Some(IncidentCommand::Accept(args)) => accept(global, args).await,
        Some(IncidentCommand::Line(args)) => line(global, args).await,
        Some(IncidentCommand::Removed) => removed(global).await,
    }
}

async fn show(global: &Global, since: Option<&str>) -> anyhow::Result<Ending> {
    let school = global.school()?;
    let found = incident::look(&school, since.map(time).transpose()?).await?;
    found.told.iter().for_each(|s| eprintln!("{}", output::alarm(s)));
    match global.json {
        true => println!("{}", serde_json::to_string(&found)?),
        false => print!("{}", described(&found)),
    }
    Ok(found.ending())
}

async fn accept(global: &Global, args: Accept) -> anyhow::Result<Ending> {
    let school = global.school()?;
    let ruling = Ruling {
        decided: Decided::Accepted,
        by: &args.by,
        reason: &args.reason,
        until: args.until,
        key_file: args.key.as_deref(),
    };
    ruling.check(&school)?;
    let found = incident::intruder(&school).await?;
    let which = match args.all {
        true => Which::All,
        false => Which::Named(&args.changes),
    };
    let meant = found.meant(&which)?;
    if args.all && !args.yes {
        anyhow::ensure!(
            !global.json,
            "with --json nobody is asked: look at the list first, then add --yes"
        );
        meant.iter().for_each(|c| print!("{}", one(c)));
        if !output::confirm(&format!("may all {} of these stand?", meant.len()))? {
            println!("nothing was decided");
            return Ok(Ending::Failed);
        }
    }
    incident::accept(&school, &meant, &ruling).await?;
    match global.json {
        true => println!("{}", serde_json::to_string(&meant)?),
        false => meant.iter().for_each(|c| println!("accepted {:.8}: {}", c.id, c.says.line())),
    }
    Ok(Ending::Done)
}

async fn line(global: &Global, args: LineArgs) -> anyhow::Result<Ending> {
    let school = global.school()?;
    let wanted = LineWanted {
        owner: &args.owner,
        under: &args.under,
        before: args.before.as_deref(),
        by: &args.by,
        reason: &args.reason,
        until: args.until,
    };
    let planned = incident::plan_line(&school, wanted).await?;
    if !global.json {
        print!("{}", changed(&planned));
    }
    if !args.yes {
        anyhow::ensure!(
            !global.json,
            "with --json nobody is asked: look at what it changes first, then add --yes"
        );
        if !output::confirm("draw the line so?")? {
            println!("nothing was decided");
            return Ok(Ending::Failed);
        }
    }
    let shown = serde_json::to_string(&planned)?;
    let weakens = planned.weakens;
    incident::draw(&school, planned, args.key.as_deref())?;
    match global.json {
        true => println!("{shown}"),
        false => println!("decided"),
    }
    // An earlier line counts at once, whatever else waits.
    Ok(match weakens && tell_undecided(global, &school)? {
        true => Ending::Waiting,
        false => Ending::Done,
    })
}

/// What a line changes.
fn changed(planned: &PlannedLine) -> String {
    let mut out = format!("{}\n", planned.says.line());
    let figures = format!(
        "{} items come back as they stood at another time, {} more come back, {} do not",
        planned.other, planned.more, planned.fewer
    );
    out.push_str(&wrapped(2, &figures));
    for path in &planned.items {
        out.push_str(&format!("  {}\n", path.line()));
    }
    let all = planned.other + planned.more + planned.fewer;
    let more = all.saturating_sub(planned.items.len() as u64);
    if more > 0 {
        out.push_str(&format!("  and {more} more\n"));
    }
    if planned.weakens {
        out.push_str(&wrapped(
            0,
            "it lets more be believed than before: where a school has approvers, it counts once \
             approved of",
        ));
    }
    out
}

async fn removed(global: &Global) -> anyhow::Result<Ending> {
    let school = global.school()?;
    let bar = global.bar();
    let found = incident::look_again(&school, bar.clone()).await;
    bar.finish();
    let found = found?;
    if global.json {
        println!("{}", serde_json::to_string(&found)?);
    } else {
        for c in &found.gone {
            println!("gone {:.8}: {}", c.id, c.says.line());
        }
        for why in &found.blind {
            println!("{}", output::alarm(&format!("not read: {why}")));
        }
        print!("{}", standing(&found.intruder));
        if found.intruder.undecided().next().is_none() {
            println!("nothing of the intruder's waits for a decision");
        }
    }
    Ok(match (found.intruder.undecided().next(), found.blind.is_empty()) {
        (Some(_), _) => Ending::Alarm,
        (None, false) => Ending::Partial,
        (None, true) => Ending::Done,
    })
}

fn moment(at: Timestamp) -> impl Display {
    at.strftime("%Y-%m-%d %H:%M")
}

/// Words in lines of the usual width, each this far in.
fn wrapped(indent: usize, text: &str) -> String {
    let (mut out, mut line) = (String::new(), String::new());
    let mut end = |line: &mut String| {
        if !line.is_empty() {
            out.push_str(&format!("{:indent$}{line}\n", ""));
            line.clear();
        }
    };
    for word in text.split_whitespace() {
        let length = line.chars().count() + usize::from(!line.is_empty()) + word.chars().count();
        if length > COLUMNS.saturating_sub(indent) {
            end(&mut line);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    end(&mut line);
    out
}

/// A name as far as it fits a column, its end included: what is alike differs there.
fn short(name: &Untrusted) -> String {
    let all: Vec<char> = name.line().to_string().chars().collect();
    match all.len() > NAME_MAX {
        true => {
            let (head, tail) = (&all[..NAME_MAX - 11], &all[all.len() - 10..]);
            head.iter().chain(&['…']).chain(tail).collect()
        }
        false => all.into_iter().collect(),
    }
}

/// A table, as far as it is shown.
fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let more = rows.len().saturating_sub(ROWS_MAX);
    let mut out = output::table(head, &rows[..rows.len() - more]);
    if more > 0 {
        out.push_str(&format!("and {more} more; --json has all\n"));
    }
    out
}

fn titled(title: &str, text: String) -> String {
    match text.is_empty() {
        true => text,
        false => format!("\n{title}\n{text}"),
    }
}

fn told_by(sign: &Sign) -> &'static str {
    match sign.kind {
        SignKind::Alarm => "alarm",
        SignKind::Item => "verdict",
        SignKind::Setting => "settings",
    }
}

fn sign(s: &Sign) -> String {
    let of = match &s.snapshot {
        Some(id) => format!("snapshot {id:.8}"),
        None => "no finished snapshot".to_owned(),
    };
    let head = format!("{}  {of}  {} {}\n", moment(s.at), told_by(s), s.code);
    head + &wrapped(2, &s.says.quoted().to_string())
}

fn one(c: &StandingChange) -> String {
    let state = match (&c.accepted, c.is_rejected) {
        (Some(a), _) => {
            let until = a.until.map(|day| format!(" until {day}")).unwrap_or_default();
            format!("accepted by {}{until}", a.by)
        }
        (None, true) => "rejected, and still there".to_owned(),
        (None, false) => "NOT DECIDED".to_owned(),
    };
    let head =
        format!("{:.8}  {}  {}  {}  {state}\n", c.id, moment(c.at), word(c.rank), c.topic.as_str());
    head + &wrapped(2, &c.says.quoted().to_string())
}

/// What of an intruder still stands, and what decides about it; nothing where there is no sign of
/// one.
pub(crate) fn standing(intruder: &Intruder) -> String {
    let Some(since) = intruder.since else { return String::new() };
    let title = format!("what of the intruder still stands, of changes since {}", moment(since));
    let mut out = String::new();
    if let Some(why) = &intruder.unknown {
        out.push_str(&wrapped(2, &format!("NOT KNOWN: {why}")));
    } else if intruder.changes.is_empty() {
        out.push_str("  nothing grave that was not put back\n");
    }
    let mut open: Vec<&StandingChange> = intruder.undecided().collect();
    let is_open = !open.is_empty();
    open.extend(intruder.changes.iter().filter(|c| c.accepted.is_some()));
    open.iter().for_each(|c| out.push_str(&one(c)));
    if is_open {
        out.push_str(
            "each is to be removed, or accepted with a reason, before anything goes back:\n",
        );
        let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for c in intruder.undecided() {
            places.entry(&c.before).or_default().push(c.place.clone());
        }
        for (before, objects) in &places {
            let objects: Vec<String> =
                objects.iter().map(|o| format!(" --object {}", review::quoted(o))).collect();
            out.push_str(&format!(
                "  strongroom tenant restore --to {before:.8} --remove-added{}\n",
                objects.concat()
            ));
        }
        out.push_str("  strongroom incident removed\n");
        out.push_str("  strongroom incident accept --all --by NAME --reason WHY\n");
    }
    titled(&title, out)
}

fn did(what: DamageKind) -> String {
    match what {
        DamageKind::Damage(damage) => damage.did().to_owned(),
        DamageKind::Reason(reason) => word(reason),
    }
}

fn drawn(found: &Incident) -> String {
    let mut out = String::new();
    for l in &found.lines {
        let until = l.until.map(|day| format!(" until {day}")).unwrap_or_default();
        let text = format!("{}: {}, by {}{until}", l.says.quoted(), l.reason, l.by);
        out.push_str(&wrapped(2, &text));
    }
    out
}

fn proposed(points: &Points) -> String {
    let what = match points.basis {
        Basis::Clean | Basis::Line => "the last clean one",
        Basis::BeforeFirstSign => "the last before the first alarm; none is clean",
        Basis::Oldest => "the oldest that there is; none is clean",
    };
    let (of, at) = (&points.snapshot, moment(points.at));
    let mut out = wrapped(0, &format!("clean point: snapshot {of:.8} of {at}, {what}"));
    out.push_str(&wrapped(
        0,
        &format!(
            "{} items come back, {} stay as they are, of {} no clean version is known",
            points.items.len(),
            points.kept,
            points.none.len()
        ),
    ));
    for (certainty, n) in &points.certainty {
        out.push_str(&wrapped(2, &format!("{n}: {}", certainty.words())));
    }
    let rows =
        points.people.iter().map(|p| vec![short(&p.owner), p.day.to_string(), p.items.to_string()]);
    if !points.people.is_empty() {
        out.push_str(&table(&["person", "as of", "items"], rows.collect()));
    }
    out
}

fn described(found: &Incident) -> String {
    let mut out = match found.first() {
        Some(first) => format!("{}: first sign of an attack\n{}", found.school, sign(first)),
        None => format!(
            "{}: no alarm about data stands, and nothing else tells of an attack since {}\n",
            found.school,
            moment(found.since)
        ),
    };
    let others: String = found.signs.iter().skip(1).map(sign).collect();
    out.push_str(&titled("other signs", others));
    out.push_str(&standing(&found.intruder));
    if !found.spread.is_empty() {
        let rows = found.spread.iter().map(|s| {
            let days = s.days.map(|(a, b)| match a == b {
                true => a.strftime("%m-%d").to_string(),
                false => format!("{}..{}", a.strftime("%m-%d"), b.strftime("%m-%d")),
            });
            let figures = [s.damaged, s.new, s.gone].map(|n| n.to_string());
            let [damaged, new, gone] = figures;
            let (owner, workload) = (short(&s.owner), s.workload.to_owned());
            vec![owner, workload, damaged, new, gone, days.unwrap_or_default()]
        });
        let head = ["person", "workload", "damaged", "new", "gone", "days"];
        out.push_str(&titled("whom it reached", table(&head, rows.collect())));
        out.push_str("new: came not clean; gone: deleted, by whomever\n");
    }
    if !found.days.is_empty() {
        let rows = found.days.iter().map(|d| {
            let figures = [d.damaged, d.new, d.gone, d.people].map(|n| n.to_string());
            [vec![d.day.to_string()], figures.to_vec()].concat()
        });
        let head = ["day", "damaged", "new", "gone", "people"];
        out.push_str(&titled("day by day", table(&head, rows.collect())));
    }
    if !found.damage.is_empty() {
        let rows = found
            .damage
            .iter()
            .map(|d| vec![did(d.what), d.items.to_string(), d.people.to_string()]);
        let head = ["what became of them", "items", "people"];
        out.push_str(&titled("what it did", table(&head, rows.collect())));
    }
    let others: Vec<String> = found
        .preceded
        .iter()
        .filter(|p| !found.intruder.changes.iter().any(|c| c.id == p.id && c.at == p.at))
        .map(|p| {
            let (rank, topic) = (word(p.rank), p.topic.as_str());
            let head = format!("{:.8}  {}  {rank}  {topic}  {}\n", p.id, moment(p.at), p.state);
            head + &wrapped(2, &p.says.quoted().to_string())
        })
        .collect();
    let more = others.len().saturating_sub(ROWS_MAX);
    let mut text = others[..others.len() - more].concat();
    if more > 0 {
        text.push_str(&format!("and {more} more; --json has all\n"));
    }
    out.push_str(&titled("other changes of settings before and since", text));
    out.push_str(&titled("lines that people drew", drawn(found)));
    if let Some(points) = &found.points {
        out.push_str(&titled("where everything would come back from", proposed(points)));
    }
    let unsure = found.unsure.iter().map(|d| {
        let text = wrapped(2, &d.says);
        format!("-{}", text.get(1..).unwrap_or_default())
    });
    out.push_str(&titled("what is unsure, the worst first", unsure.collect()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_keeps_to_the_width_and_a_name_shows_its_end() {
        let text =
            "one of so many words that a line of the usual width cannot hold them ".repeat(4);
        let lines = wrapped(2, &text);
        assert!(lines.lines().all(|l| l.chars().count() <= COLUMNS && l.starts_with("  ")));
        assert_eq!(lines.split_whitespace().count(), text.split_whitespace().count());
        let name = short(&"a.very.long.name.of.somebody@riverside.example".into());
        assert_eq!(name.chars().count(), NAME_MAX);
        assert!(name.ends_with("de.example"), "{name}");
    }
}
