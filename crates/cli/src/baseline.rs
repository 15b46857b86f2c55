//! Baselines: settings that many schools share, planned for all, applied to one first, then to the
//! others.

use crate::{
    Global,
    approvers::Asks,
    failure, output, plans,
    tenant_restore::{carry_out, describe, unasked},
};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;
use strongroom_model::Ending;
use strongroom_operations::{
    School,
    plan::{Authority, Operation, PlanId, Prepared, guard},
    settings::{
        ActOutcome, ApplyBaseline, ApplyBaselineRequest, ApplyReport, Baseline, GoOn, Rollout,
        SettingsWork, baseline as named, baselines,
    },
};

#[derive(Subcommand)]
pub(crate) enum BaselineCommand {
    /// List the baselines.
    List,
    /// Print one, to start one of your own from.
    Show {
        /// Its name.
        name: String,
    },
    /// Show what it would change, in one tenant or in all.
    Plan(Which),
    /// Apply it: to one tenant first, then, when that went well, to the others.
    Apply(Apply),
}

#[derive(Args)]
pub(crate) struct Which {
    /// The baseline.
    name: String,
}

#[derive(Args)]
pub(crate) struct Apply {
    /// The baseline.
    name: String,
    /// The tenant that goes first; the first of the configuration by default. --tenant takes that
    /// one alone.
    #[arg(long)]
    first: Option<String>,
    /// Conditional Access policies that are made or switched on only report, until somebody
    /// switches them on.
    #[arg(long)]
    report_only: bool,
    /// Keep the plan of one tenant and change nothing: `plan apply` carries it out later.
    #[arg(long, conflicts_with_all = ["first", "yes"])]
    save_plan: bool,
    #[command(flatten)]
    asks: Asks,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
}

pub(crate) async fn baseline(global: &Global, command: BaselineCommand) -> anyhow::Result<Ending> {
    // Those that come with the program need no configuration.
    let config = global.config_if_there()?;
    let config = config.as_deref();
    match command {
        BaselineCommand::List if global.json => {
            println!("{}", serde_json::to_string(&baselines(config)?)?)
        }
        BaselineCommand::List => {
            let rows: Vec<Vec<String>> = baselines(config)?
                .iter()
                .map(|b| vec![b.name.clone(), b.chosen().len().to_string(), b.title.clone()])
                .collect();
            print!("{}", output::table(&["baseline", "objects", "what for"], &rows));
        }
        BaselineCommand::Show { name } => {
            println!("{}", serde_json::to_string_pretty(&named(config, &name)?)?)
        }
        BaselineCommand::Plan(a) => return plans(global, &named(config, &a.name)?).await,
        BaselineCommand::Apply(a) => return apply(global, &named(config, &a.name)?, &a).await,
    }
    Ok(Ending::Done)
}

/// What a baseline would change in a school.
async fn planned(
    global: &Global,
    school: &School,
    baseline: &Baseline,
    report_only: bool,
) -> anyhow::Result<Prepared<SettingsWork>> {
    let (bar, by) = (global.bar(), &global.host.account);
    let request = ApplyBaselineRequest { baseline: baseline.name.clone(), report_only };
    let ready = ApplyBaseline::plan(school, request, by, bar.clone()).await;
    bar.finish();
    Ok(ready?)
}

/// The same, where nothing forbids it.
async fn allowed(
    global: &Global,
    school: &School,
    baseline: &Baseline,
) -> anyhow::Result<Prepared<SettingsWork>> {
    let ready = planned(global, school, baseline, false).await?;
    ApplyBaseline::guard(school, &ready).await?;
    Ok(ready)
}

/// How much a plan sets, and each thing.
fn shown(school: &School, work: &SettingsWork) -> String {
    let plan = work.restore();
    format!("{}: {} to set, {} out of reach\n", school.name(), plan.acts.len(), plan.cannot.len())
}

async fn plans(global: &Global, baseline: &Baseline) -> anyhow::Result<Ending> {
    let mut rows = Vec::new();
    let mut endings = Vec::new();
    for school in global.schools()? {
        let name = school.name();
        match allowed(global, &school, baseline).await {
            Ok(ready) => {
                let work = ready.work();
                endings.push(match work.restore().cannot.is_empty() {
                    true => Ending::Done,
                    false => Ending::Partial,
                });
                if global.json {
                    rows.push(json!({"tenant": name, "plan": work.restore()}));
                    continue;
                }
                print!("{}", shown(&school, work));
                describe(work).lines().for_each(|l| println!("  {l}"));
            }
            Err(e) => {
                endings.push(failure::ending(&e));
                match global.json {
                    true => rows.push(failure::row(name, &e)),
                    false => println!(
                        "{}",
                        output::alarm(&format!(
                            "{name}: cannot be planned: {}",
                            failure::sentence(&e)
                        ))
                    ),
                }
            }
        }
    }
    if global.json {
        println!("{}", json!({"baseline": baseline.name, "tenants": rows}));
    }
    Ok(Ending::of_several(&endings))
}

/// What came of it in a school.
enum Went {
    Set(Box<ApplyReport>),
    /// Somebody said no.
    Declined,
    /// Others must approve of it first: its plan was kept, until then.
    Waits(PlanId, Timestamp),
}

impl Went {
    fn applied(&self) -> Option<&ApplyReport> {
        match self {
            Went::Set(applied) => Some(applied.as_ref()),
            Went::Declined | Went::Waits(..) => None,
        }
    }
}

/// A school, and what came of it there, or why nothing did.
type Row = (String, Result<Went, String>);

async fn apply(global: &Global, baseline: &Baseline, args: &Apply) -> anyhow::Result<Ending> {
    let schools = global.schools()?;
    if args.save_plan {
        let [school] = schools.as_slice() else {
            anyhow::bail!("a plan that is kept is of one school: name it with --tenant")
        };
        let asker = args.asks.asker()?;
        let ready = planned(global, school, baseline, args.report_only).await?.asked_by(&asker);
        // What is refused now is not kept for later.
        ApplyBaseline::guard(school, &ready).await?;
        if !global.json {
            print!("{}{}", shown(school, ready.work()), describe(ready.work()));
            plans::say_alone(&ready);
        }
        return Ok(match plans::keep(global, &ready, &asker, true)? {
            plans::Kept::Yes(ending) => ending,
            plans::Kept::No => Ending::Done,
        });
    }
    let mut round = Rollout::new(schools, args.first.as_deref())?;
    let mut rows: Vec<Row> = Vec::new();
    while let Some(school) = round.next() {
        let how = one(global, &school, baseline, args).await;
        let go_on = match &how {
            Ok(Went::Waits(..)) => round.waits(),
            _ => round.went(&how.as_ref().map(Went::applied)),
        };
        let why = match &how {
            Ok(Went::Declined) => None,
            Ok(Went::Waits(..)) => Some("others must approve of it first"),
            Ok(Went::Set(_)) | Err(_) => Some("it did not go well"),
        };
        rows.push((school.name().to_owned(), how.map_err(|e| failure::sentence(&e))));
        let name = school.name();
        match go_on {
            GoOn::No(others) => why.iter().for_each(|why| {
                let text = format!("{why} in {name}, so the {others} others were left alone");
                eprintln!("{}", output::alarm(&text));
            }),
            GoOn::WhenAgreed(others) if !args.yes => {
                let ask = format!("It went well in {name}. Go on with the {others} others?");
                if !output::confirm(&ask)? {
                    round.stop();
                }
            }
            GoOn::Yes | GoOn::WhenAgreed(_) => {}
        }
    }
    if global.json {
        let shown: Vec<_> = rows
            .iter()
            .map(|(name, r)| match r {
                Ok(Went::Set(a)) => json!({"tenant": name, "outcomes": a.outcomes, "left": a.left,
                    "no_way_in": a.no_way_in, "unknown": a.unknown}),
                Ok(Went::Declined) => json!({"tenant": name, "declined": true}),
                Ok(Went::Waits(id, expires)) => {
                    json!({"tenant": name, "kept": {"plan": id, "expires": expires}})
                }
                Err(e) => json!({"tenant": name, "error": e}),
            })
            .collect();
        println!("{}", json!({"baseline": baseline.name, "tenants": shown}));
    } else {
        print!("{}", table(&rows, round.left_alone()));
    }
    Ok(round.ending())
}

fn table(rows: &[Row], left_alone: &[School]) -> String {
    let none = |name: &str, note: &str| {
        vec![name.to_owned(), "0".into(), "0".into(), "0".into(), String::new(), note.to_owned()]
    };
    let table: Vec<Vec<String>> = rows
        .iter()
        .map(|(name, r)| match r {
            Ok(Went::Set(a)) => {
                let count = |f: &dyn Fn(&ActOutcome) -> bool| {
                    a.outcomes.iter().filter(|o| f(o)).count().to_string()
                };
                vec![
                    name.clone(),
                    count(&|o| o.failed.is_empty() && !o.waits_for_approval),
                    count(&|o| !o.failed.is_empty()),
                    count(&|o| o.waits_for_approval),
                    a.left.len().to_string(),
                    String::new(),
                ]
            }
            Ok(Went::Declined) => none(name, "declined"),
            Ok(Went::Waits(..)) => none(name, "waits for approval"),
            Err(e) => none(name, e),
        })
        .chain(left_alone.iter().map(|t| none(t.name(), "left alone")))
        .collect();
    output::table(&["school", "set", "failed", "waiting", "differ still", "note"], &table)
}

/// Applies it to one tenant, or keeps its plan where others must approve of it.
async fn one(
    global: &Global,
    school: &School,
    baseline: &Baseline,
    args: &Apply,
) -> anyhow::Result<Went> {
    let asker = args.asks.asker()?;
    let ready = planned(global, school, baseline, args.report_only).await?.asked_by(&asker);
    let work = ready.work();
    if !global.json {
        print!("{}{}", shown(school, work), describe(work));
        plans::say_alone(&ready);
    }
    let count = work.restore().acts.len();
    if count == 0 {
        return Ok(Went::Set(Box::new(work.untouched())));
    }
    if !ready.is_alone() {
        // What is refused now is not kept for later.
        ApplyBaseline::guard(school, &ready).await?;
        let (id, expires) = plans::kept(global, &ready, &asker)?;
        return Ok(Went::Waits(id, expires));
    }
    let leave = Authority::of(ready.plan(), &global.host.account, global.host.clock.now())?;
    let ready = guard::<ApplyBaseline>(school, ready).await?;
    unasked(global, args.yes)?;
    if !args.yes
        && !output::confirm(&format!(
            "Change {count} objects of {} as {} says?",
            school.name(),
            baseline.name
        ))?
    {
        return Ok(Went::Declined);
    }
    let done = carry_out::<ApplyBaseline>(global, school, ready, leave).await?;
    Ok(Went::Set(Box::new(done.report.applied)))
}
