//! `strongroom approver`: who approves what is planned for a school, and who asks for it.

use crate::{Global, failure, output, tenant_restore::unasked, upkeep::agreed};
use clap::{Args, Subcommand};
use jiff::civil::Date;
use serde_json::{Value, json};
use std::path::PathBuf;
use strongroom_model::{Ending, Untrusted, decision::DecisionKind};
use strongroom_operations::{
    School,
    approvers::{self, Approvals, Approves, Asker, Change, Changed, Outcome, Undecided, Waiting},
    protection::{self, Weaker},
};

/// Who asks for what a command plans.
#[derive(Args)]
pub(crate) struct Asks {
    /// Who asks; the account of this computer without it.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// The key file of who asks: where a school has approvers, one of them who asks with their key
    /// needs one approval, and anybody else two.
    #[arg(long, requires = "by")]
    key: Option<PathBuf>,
}

impl Asks {
    pub(crate) fn asker(&self) -> anyhow::Result<Asker> {
        Ok(Asker::new(self.by.as_deref(), self.key.as_deref())?)
    }
}

#[derive(Subcommand)]
pub(crate) enum ApproverCommand {
    /// List who approves, and what waits for a second signature.
    List,
    /// Sign that somebody becomes an approver. It takes two who are; the first signs alone, and the
    /// second with the first.
    #[command(
        override_usage = "strongroom approver enrol [OPTIONS] --by <NAME> --key <KEY>\n       \
                          --reason <WHY> <NAME>"
    )]
    Enrol {
        /// Their name.
        name: String,
        /// Their public key, as `review key` says it; not needed of who signs.
        #[arg(long, value_name = "64 DIGITS")]
        public_key: Option<String>,
        #[command(flatten)]
        signs: Signs,
    },
    /// Approve of a decision that weakens protection and that somebody else made, or of a
    /// configuration that protects less: shows it, then asks. `list` shows which wait.
    Approve {
        /// Decision: at least the first 8 digits of its id.
        decision: String,
        #[command(flatten)]
        approval: Approval,
    },
    /// Sign that somebody is an approver no more. It takes two others, as long as there are two.
    #[command(
        override_usage = "strongroom approver remove [OPTIONS] --by <NAME> --key <KEY>\n       \
                          --reason <WHY> <NAME>"
    )]
    Remove {
        /// Their name.
        name: String,
        #[command(flatten)]
        signs: Signs,
    },
}

/// Who approves of something that waits for it.
#[derive(Args)]
pub(crate) struct Approval {
    /// Who approves, as they are enrolled.
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Their key file.
    #[arg(long)]
    key: PathBuf,
    /// The last day on which the approval counts, like 2027-07-31; that of what is approved without
    /// it.
    #[arg(long, value_name = "DAY")]
    until: Option<Date>,
    /// Why.
    #[arg(long, value_name = "WHY", default_value = "approved as shown")]
    reason: String,
    /// Do not ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
}

impl Approval {
    pub(crate) fn how(&self) -> Approves<'_> {
        let Self { by, key, until, reason, .. } = self;
        Approves { by, key_file: key, until: *until, reason }
    }
}

/// Who signs, and why.
#[derive(Args)]
pub(crate) struct Signs {
    /// Who signs.
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Their key file.
    #[arg(long)]
    key: PathBuf,
    /// Why.
    #[arg(long, value_name = "WHY")]
    reason: String,
}

/// Fewer digits of an id may be those of two.
const DIGITS_MIN: usize = 8;

fn line(text: &str) -> String {
    Untrusted::from(text).line().to_string()
}

fn verb(kind: DecisionKind) -> &'static str {
    match kind {
        DecisionKind::Removal => "remove",
        _ => "enrol",
    }
}

fn waits(w: &Waiting) -> String {
    let names = |all: &[String]| all.iter().map(|n| line(n)).collect::<Vec<_>>().join(", ");
    format!(
        "{} {} (key {}): signed by {}, until {} by one more of: {}",
        verb(w.kind),
        line(&w.name),
        w.key.short(),
        names(&w.by),
        w.until,
        names(&w.lacks)
    )
}

fn said(u: &Undecided) -> String {
    let d = &u.decision;
    let until = d.until.map(|day| format!(" until {day}")).unwrap_or_default();
    format!(
        "{:.8} {} of {}{until} by {}: {}{}",
        u.id,
        d.kind.as_str(),
        line(&d.subject),
        line(d.by()),
        line(&d.reason),
        d.says.as_ref().map(|says| format!(" ({})", line(says))).unwrap_or_default(),
    )
}

/// Tells what waits for approval, and answers whether anything does.
pub(crate) fn tell_undecided(global: &Global, school: &School) -> anyhow::Result<bool> {
    let all = Approvals::of_school(school)?.undecided(school.now())?;
    for u in all.iter().filter(|_| !global.json) {
        println!("waits   {}", said(u));
    }
    if let Some(first) = all.first().filter(|_| !global.json) {
        println!(
            "it does not count yet: `strongroom --tenant {} approver approve {:.8} --by NAME --key \
             FILE`",
            school.name(),
            first.id
        );
    }
    Ok(!all.is_empty())
}

/// Tells where the configuration protects less than at the last run, and how that ends.
pub(crate) fn tell_weaker(school: &School) -> Ending {
    match protection::look_and_tell(school) {
        Ok(None) => return Ending::Done,
        Ok(Some(weaker)) => {
            for says in &weaker.says {
                eprintln!("{}", output::alarm(&format!("ALARM weakened: {says}")));
            }
            if weaker.lacks > 0 {
                eprintln!(
                    "the configuration protects less than at the last run: where that is meant, \
                     `strongroom --tenant {} approver approve {:.8} --by NAME --key FILE`",
                    school.name(),
                    weaker.id
                );
            }
        }
        Err(e) => {
            let e = e.into();
            eprintln!("{}", output::alarm(&format!("ALARM weakened: {}", failure::sentence(&e))));
        }
    }
    Ending::Alarm
}

fn less(weaker: &Weaker) -> String {
    format!("{:.8} the configuration: {}", weaker.id, weaker.says.join("; "))
}

async fn approve(global: &Global, word: &str, approval: &Approval) -> anyhow::Result<Ending> {
    let (school, how, yes) = (global.school()?, approval.how(), approval.yes);
    let is_meant = |w: &Weaker| word.len() >= DIGITS_MIN && w.id.starts_with(word);
    if let Some(weaker) = protection::glance(&school)?.filter(is_meant) {
        unasked(global, yes)?;
        if !global.json {
            println!("{}", less(&weaker));
        }
        if !agreed(yes, &format!("does {} approve of this?", line(how.by)))? {
            return Ok(Ending::Failed);
        }
        let lacks = protection::approve(&school, &weaker, how)?;
        say_approved(global, &weaker.id, lacks);
        return Ok(Ending::Done);
    }
    let found = approvers::undecided(&approvers::look(&school).await?, word, school.now())?;
    unasked(global, yes)?;
    if !global.json {
        println!("{}", said(&found));
    }
    if !agreed(yes, &format!("does {} approve of this?", line(how.by)))? {
        return Ok(Ending::Failed);
    }
    let found = approvers::approve_decision(&school, &found.id, how)?;
    say_approved(global, &found.id, found.lacks);
    Ok(Ending::Done)
}

fn say_approved(global: &Global, id: &str, lacks: usize) {
    match (global.json, lacks) {
        (true, lacks) => println!("{}", json!({"decision": id, "lacks": lacks})),
        (false, 0) => println!("approved: it counts"),
        (false, n) => println!("it takes {n} more approval{}", if n == 1 { "" } else { "s" }),
    }
}

fn rows(found: &Approvals) -> Value {
    let enrolled: Vec<Value> = found
        .enrolled()
        .iter()
        .map(|a| json!({"name": a.name, "public_key": a.key, "since": a.since}))
        .collect();
    let waiting: Vec<Value> = found
        .waiting()
        .iter()
        .map(|w| {
            json!({"what": verb(w.kind), "name": w.name, "public_key": w.key, "by": w.by,
                "lacks": w.lacks, "until": w.until})
        })
        .collect();
    json!({"approvers": enrolled, "waiting": waiting, "alone": found.is_alone()})
}

fn show(school: &School, found: &Approvals) {
    match protection::glance(school) {
        Ok(weaker) => weaker.iter().for_each(|w| println!("waits   {}", less(w))),
        Err(e) => println!("{}", output::alarm(&e.sentence())),
    }
    if let Ok(all) = found.undecided(school.now()) {
        all.iter().for_each(|u| println!("waits   {}", said(u)));
    }
    if found.is_alone() {
        println!(
            "nobody is enrolled for {}: whatever is planned there, one person acts alone",
            school.name()
        );
    } else {
        let row = |a: &approvers::Approver| {
            let since = a.since.strftime("%Y-%m-%d %H:%M").to_string();
            vec![line(&a.name), a.key.short(), since]
        };
        let rows: Vec<Vec<String>> = found.enrolled().iter().map(row).collect();
        print!("{}", output::table(&["approver", "key", "since (UTC)"], &rows));
    }
    for w in found.waiting() {
        println!("waits   {}", waits(w));
    }
    if !found.is_sealed() {
        println!(
            "{}",
            output::alarm("copy 2 does not know of the last change; sign it again to tell it")
        );
    }
}

async fn sign(global: &Global, change: Change<'_>) -> anyhow::Result<Ending> {
    let school = global.school()?;
    let Changed { outcome, approvals } = approvers::change(&school, change).await?;
    if global.json {
        let mut shown = rows(&approvals);
        shown["done"] = json!(outcome == Outcome::Done);
        println!("{shown}");
    } else {
        let (verb, name) = (verb(change.kind), line(change.name));
        match outcome {
            Outcome::Done => println!("{verb} {name}: done"),
            Outcome::Waits => println!("{verb} {name}: signed by {}", line(change.by)),
            Outcome::Known => println!("{verb} {name}: {} signed before", line(change.by)),
        }
        show(&school, &approvals);
    }
    Ok(match outcome {
        Outcome::Done => Ending::Done,
        Outcome::Waits | Outcome::Known => Ending::Waiting,
    })
}

pub(crate) async fn approver(global: &Global, command: ApproverCommand) -> anyhow::Result<Ending> {
    let (kind, name, public_key, signs) = match &command {
        ApproverCommand::List => {
            let school = global.school()?;
            let found = approvers::look(&school).await?;
            match global.json {
                true => {
                    let mut shown = rows(&found);
                    shown["weaker"] = json!(protection::glance(&school)?);
                    shown["decisions"] = json!(found.undecided(school.now())?);
                    println!("{shown}");
                }
                false => show(&school, &found),
            }
            return Ok(Ending::Done);
        }
        ApproverCommand::Enrol { name, public_key, signs } => {
            (DecisionKind::Enrolment, name, public_key.as_deref(), signs)
        }
        ApproverCommand::Approve { decision, approval } => {
            return approve(global, decision, approval).await;
        }
        ApproverCommand::Remove { name, signs } => (DecisionKind::Removal, name, None, signs),
    };
    let change = Change {
        kind,
        name,
        public_key,
        by: &signs.by,
        key_file: &signs.key,
        reason: &signs.reason,
    };
    sign(global, change).await
}
