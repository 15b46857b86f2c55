//! Baselines: settings that many schools share, planned for all, applied to one first, then to the
//! others.

use crate::{
    Global,
    edge::blocking,
    failure, output,
    progress::Bar,
    review::{keep_applied, undo_command},
    tenant::exceptions,
    tenant_restore::{describe, report, unasked, way_back},
};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use strongroom_engine::configuration::{RestoreOptions, RestorePlan, keep, latest, plan};
use strongroom_guards::Baseline;
use strongroom_model::{Configuration, Ending, decision::AppliedPlan};
use strongroom_objects::{SETTINGS_BYTES_MAX, read_regular_text};
use strongroom_operations::{
    School,
    config::Config,
    settings::{Applied, Hand, touched},
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
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
}

pub(crate) async fn baseline(global: &Global, command: BaselineCommand) -> anyhow::Result<Ending> {
    // Those that come with the program need no configuration.
    let config = global.config_if_there()?;
    let all = known(config.as_deref())?;
    let named = |name: &str| {
        all.iter().find(|b| b.name == name).with_context(|| {
            format!(
                "there is no baseline {name:?}, only: {}",
                all.iter().map(|b| b.name.as_str()).collect::<Vec<_>>().join(", ")
            )
        })
    };
    match command {
        BaselineCommand::List if global.json => println!("{}", serde_json::to_string(&all)?),
        BaselineCommand::List => {
            let rows: Vec<Vec<String>> = all
                .iter()
                .map(|b| vec![b.name.clone(), b.chosen().len().to_string(), b.title.clone()])
                .collect();
            print!("{}", output::table(&["baseline", "objects", "what for"], &rows));
        }
        BaselineCommand::Show { name } => {
            println!("{}", serde_json::to_string_pretty(named(&name)?)?)
        }
        BaselineCommand::Plan(a) => return plans(global, named(&a.name)?).await,
        BaselineCommand::Apply(a) => return apply(global, named(&a.name)?, &a).await,
    }
    Ok(Ending::Done)
}

/// The baseline of this name.
pub(crate) fn named(config: &Config, name: &str) -> anyhow::Result<Baseline> {
    known(Some(config))?.into_iter().find(|b| b.name == name).with_context(|| {
        format!("there is no baseline {name:?}; `strongroom baseline list` lists them")
    })
}

/// Those of the program, and those of the configuration's folder.
pub(crate) fn known(config: Option<&Config>) -> anyhow::Result<Vec<Baseline>> {
    let mut all = Baseline::built_in();
    let Some((config, dir)) = config.and_then(|c| Some((c, c.baselines_dir.as_ref()?))) else {
        return Ok(all);
    };
    let dir = config.path(dir);
    let entries = std::fs::read_dir(&dir)
        .with_context(|| format!("the folder of baselines {} cannot be read", dir.display()))?;
    let mut files: Vec<_> = entries.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    files.retain(|f| f.extension().is_some_and(|e| e == "json"));
    files.sort();
    for file in files {
        let text = read_regular_text(&file, SETTINGS_BYTES_MAX)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        let one = Baseline::parse(&text)
            .map_err(|e| anyhow::anyhow!("the baseline {} is wrong: {e}", file.display()))?;
        if all.iter().any(|b| b.name == one.name) {
            bail!(
                "the baseline {} has the name {}, which another has too",
                file.display(),
                one.name
            );
        }
        all.push(one);
    }
    Ok(all)
}

/// One tenant, and what the baseline would change in it.
struct Planned {
    hand: Hand,
    /// What undoes it.
    as_read: Configuration,
    /// The accounts for emergencies, as settings call them.
    emergency: Vec<String>,
    wanted: Configuration,
    now: Configuration,
    options: RestoreOptions,
    plan: RestorePlan,
}

async fn planned(
    school: &School,
    baseline: &Baseline,
    report_only: bool,
    quiet: bool,
) -> anyhow::Result<Planned> {
    // A school that was never snapshotted has no way back: the snapshot is the undo.
    let (repo, name) = (school.repository().await?, school.name().to_owned());
    let last = blocking(move || Ok(latest(&repo, &name)?)).await?.with_context(|| {
        format!(
            "no configuration of {} was kept yet, so there would be no way back; `strongroom \
            --tenant {0} tenant snapshot` keeps it",
            school.name()
        )
    })?;
    let hand = Hand::new(school, exceptions(school)?, Some(last.1))?;
    let bar = Bar::new(quiet);
    let now = hand.read(bar.as_ref()).await;
    bar.finish();
    let mut now = now?;
    let as_read = now.clone();
    let emergency = hand.emergency(&mut now).await?;
    let wanted = baseline.over(&now, &emergency);
    let options =
        RestoreOptions { report_only, ..hand.options(&wanted, &now, baseline.chosen()).await? };
    // Collections that were not read hold none of the chosen objects.
    let reach = RestoreOptions {
        chosen: options
            .chosen
            .iter()
            .filter(|c| {
                c.rsplit_once('/').is_some_and(|(at, name)| wanted.object(at, name).is_some())
            })
            .cloned()
            .collect(),
        ..options.clone()
    };
    let mut plan = plan(&wanted, &now, &reach)?;
    plan.cannot.extend(baseline.out_of_reach(&now));
    plan.added.clear();
    hand.guarded(&plan, &wanted, &now, &reach).await?;
    Ok(Planned { hand, as_read, emergency, wanted, now, options: reach, plan })
}

async fn plans(global: &Global, baseline: &Baseline) -> anyhow::Result<Ending> {
    let mut rows = Vec::new();
    let mut endings = Vec::new();
    let ending = |p: &RestorePlan| match p.cannot.is_empty() {
        true => Ending::Done,
        false => Ending::Partial,
    };
    for school in global.schools()? {
        let name = school.name();
        match planned(&school, baseline, false, global.is_quiet()).await {
            Ok(p) if global.json => {
                endings.push(ending(&p.plan));
                rows.push(json!({"tenant": name, "plan": p.plan}));
            }
            Ok(p) => {
                endings.push(ending(&p.plan));
                println!(
                    "{name}: {} to set, {} out of reach",
                    p.plan.acts.len(),
                    p.plan.cannot.len()
                );
                describe(&p.plan, &p.now, &p.wanted).lines().for_each(|l| println!("  {l}"));
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

/// How a round over so many tenants ended.
fn ending(rows: &[(String, Result<Option<Applied>, String>)], all: usize) -> Ending {
    let of = |row: &Result<Option<Applied>, String>| match row {
        Ok(Some(applied)) => applied.ending(),
        Ok(None) => Ending::Failed,
        // What was done until then is done.
        Err(_) => Ending::Partial,
    };
    let endings: Vec<Ending> = rows.iter().map(|(_, row)| of(row)).collect();
    match Ending::of_several(&endings) {
        Ending::Done if rows.len() < all => Ending::Partial,
        ending => ending,
    }
}

async fn apply(global: &Global, baseline: &Baseline, args: &Apply) -> anyhow::Result<Ending> {
    let mut all = global.schools()?;
    if let Some(first) = &args.first {
        let at = all
            .iter()
            .position(|school| school.name() == first)
            .with_context(|| format!("there is no tenant {first:?} to go first"))?;
        let first = all.remove(at);
        all.insert(0, first);
    }
    let mut rows: Vec<(String, Result<Option<Applied>, String>)> = Vec::new();
    for (n, school) in all.iter().enumerate() {
        let outcome = one(global, school, baseline, args).await;
        let row = outcome.map_err(|e| failure::sentence(&e));
        let good = row.as_ref().is_ok_and(|a| a.as_ref().is_some_and(Applied::is_whole));
        rows.push((school.name().to_owned(), row));
        let declined = matches!(rows.last(), Some((_, Ok(None))));
        let rest = all.len() - n - 1;
        if n == 0 && declined {
            break;
        }
        if n == 0 && rest > 0 && !good {
            eprintln!(
                "{}",
                output::alarm(&format!(
                    "it did not go well in {}, so the {rest} others were left alone",
                    school.name()
                ))
            );
            break;
        }
        if n == 0
            && rest > 0
            && !args.yes
            && !output::confirm(&format!(
                "It went well in {}. Go on with the {rest} others?",
                school.name()
            ))?
        {
            break;
        }
    }
    let code = ending(&rows, all.len());
    if global.json {
        let shown: Vec<_> = rows
            .iter()
            .map(|(name, r)| match r {
                Ok(Some(a)) => json!({"tenant": name, "outcomes": a.outcomes, "left": a.left,
                    "no_way_in": a.no_way_in, "unknown": a.unknown}),
                Ok(None) => json!({"tenant": name, "declined": true}),
                Err(e) => json!({"tenant": name, "error": e}),
            })
            .collect();
        println!("{}", json!({"baseline": baseline.name, "tenants": shown}));
        return Ok(code);
    }
    let table: Vec<Vec<String>> = rows
        .iter()
        .map(|(name, r)| match r {
            Ok(Some(a)) => {
                let set = a
                    .outcomes
                    .iter()
                    .filter(|o| o.failed.is_empty() && !o.waits_for_approval)
                    .count();
                let failed = a.outcomes.iter().filter(|o| !o.failed.is_empty()).count();
                let waiting = a.outcomes.iter().filter(|o| o.waits_for_approval).count();
                vec![
                    name.clone(),
                    set.to_string(),
                    failed.to_string(),
                    waiting.to_string(),
                    a.left.len().to_string(),
                    String::new(),
                ]
            }
            Ok(None) => vec![
                name.clone(),
                "0".into(),
                "0".into(),
                "0".into(),
                String::new(),
                "declined".into(),
            ],
            Err(e) => {
                vec![name.clone(), "0".into(), "0".into(), "0".into(), String::new(), e.clone()]
            }
        })
        .chain(all.iter().skip(rows.len()).map(|t| {
            vec![
                t.name().to_owned(),
                "0".into(),
                "0".into(),
                "0".into(),
                String::new(),
                "left alone".into(),
            ]
        }))
        .collect();
    print!(
        "{}",
        output::table(&["school", "set", "failed", "waiting", "differ still", "note"], &table)
    );
    Ok(code)
}

/// Applies it to one tenant; nothing, when somebody says no.
async fn one(
    global: &Global,
    school: &School,
    baseline: &Baseline,
    args: &Apply,
) -> anyhow::Result<Option<Applied>> {
    let p = planned(school, baseline, args.report_only, global.is_quiet()).await?;
    if !global.json {
        println!(
            "{}: {} to set, {} out of reach",
            school.name(),
            p.plan.acts.len(),
            p.plan.cannot.len()
        );
        print!("{}", describe(&p.plan, &p.now, &p.wanted));
    }
    if p.plan.acts.is_empty() {
        // A school in which nothing can be tried is not one in which all went well.
        let unknown = p.plan.cannot.iter().map(|(what, _)| what.clone()).collect();
        return Ok(Some(Applied {
            outcomes: Vec::new(),
            left: Vec::new(),
            no_way_in: None,
            unknown,
            after: p.as_read,
        }));
    }
    unasked(global, args.yes)?;
    if !args.yes
        && !output::confirm(&format!(
            "Change {} objects of {} as {} says?",
            p.plan.acts.len(),
            school.name(),
            baseline.name
        ))?
    {
        return Ok(None);
    }
    let writing = p.hand.writing()?;
    // What is, is kept first: it is the way back.
    let (repo, cache) = (school.repository().await?, school.cache()?);
    let undo = tokio::task::block_in_place(|| {
        keep(&repo, p.as_read.clone(), &cache, &school.host().clock)
    })?
    .to_string();
    // The way back is written down before anything is changed.
    let mut record = AppliedPlan {
        what: format!("baseline {}", baseline.name),
        to: None,
        plan: serde_json::to_value(&p.plan)?,
        outcomes: json!("begun"),
        undo: undo.clone(),
        at: school.now(),
    };
    keep_applied(school, &record)?;
    if !global.json {
        println!(
            "{}",
            undo_command(school.name(), &undo, &touched(&p.plan, &p.as_read, &p.wanted))
        );
    }
    let bar = global.bar();
    // The service shows more of what is made than the baseline asks for.
    let goal = |after: &Configuration| baseline.over(after, &p.emergency);
    let applied = writing.apply(&p.plan, &p.wanted, &goal, &p.now, &p.options, bar.as_ref()).await;
    bar.finish();
    let applied = applied?;
    record.outcomes = serde_json::to_value(&applied.outcomes)?;
    keep_applied(school, &record)?;
    if !global.json {
        report(&applied, &baseline.name);
    }
    if applied.outcomes.iter().any(|o| o.failed.is_empty()) {
        way_back(school, &repo, &applied.after).await?;
    }
    Ok(Some(applied))
}
