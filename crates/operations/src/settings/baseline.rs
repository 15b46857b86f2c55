use super::{
    Aim, SettingsReport, SettingsWork, TenantSettings, all_exceptions,
    work::{carry_out, none_kept, prepare},
};
use crate::{
    Error, Hears, Kind, School, blocking,
    config::Config,
    files::read_text,
    plan::{Authority, Done, Guarded, Operation, OperationKind, Prepared, sealed},
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use strongroom_engine::configuration::{
    SettingsRestoreOptions, SettingsRestorePlan, latest, plan as plan_restore,
};
use strongroom_guards::Baseline;
use strongroom_objects::SETTINGS_BYTES_MAX;

/// Those of the program, and those of the configuration's folder.
///
/// # Errors
/// [`Kind::Files`], where the folder or a file of it cannot be read; [`Kind::Configuration`], where
/// one is wrong, or has another's name.
pub fn baselines(config: Option<&Config>) -> Result<Vec<Baseline>, Error> {
    let mut all = Baseline::built_in();
    let Some((config, dir)) = config.and_then(|c| Some((c, c.baselines_dir.as_ref()?))) else {
        return Ok(all);
    };
    let dir = config.path(dir);
    let unread = |e| {
        let what = format!("the folder of baselines {} cannot be read", dir.display());
        Error::because(Kind::Files, what, e)
    };
    let entries = std::fs::read_dir(&dir).map_err(unread)?;
    let mut files: Vec<PathBuf> =
        entries.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>().map_err(unread)?;
    files.retain(|f| f.extension().is_some_and(|e| e == "json"));
    files.sort();
    for file in files {
        let text = read_text(&file, SETTINGS_BYTES_MAX)?;
        let wrong = |what: String| Error::new(Kind::Configuration, what);
        let one = Baseline::parse(&text)
            .map_err(|e| wrong(format!("the baseline {} is wrong: {e}", file.display())))?;
        if all.iter().any(|b| b.name == one.name) {
            return Err(wrong(format!(
                "the baseline {} has the name {}, which another has too",
                file.display(),
                one.name
            )));
        }
        all.push(one);
    }
    Ok(all)
}

/// The baseline of this name.
///
/// # Errors
/// [`Kind::Request`], where there is none; else as [`baselines`].
pub fn baseline(config: Option<&Config>, name: &str) -> Result<Baseline, Error> {
    let mut all = baselines(config)?;
    match all.iter().position(|b| b.name == name) {
        Some(at) => Ok(all.swap_remove(at)),
        None => {
            let names: Vec<&str> = all.iter().map(|b| b.name.as_str()).collect();
            let what = format!("there is no baseline {name:?}, only: {}", names.join(", "));
            Err(Error::new(Kind::Request, what))
        }
    }
}

/// Sets what a baseline wants of a tenant.
pub struct ApplyBaseline;

/// Which, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyBaselineRequest {
    /// Its name.
    pub baseline: String,
    /// Conditional Access policies that are made or switched on only report.
    pub report_only: bool,
}

impl sealed::Sealed for ApplyBaseline {}

impl Operation for ApplyBaseline {
    const KIND: OperationKind = OperationKind::ApplyBaseline;
    const MAY_GROW: bool = false;
    type At = School;
    type Request = ApplyBaselineRequest;
    type Work = SettingsWork;
    type Report = SettingsReport;

    async fn plan(
        school: &School,
        request: ApplyBaselineRequest,
        by: &str,
        progress: Hears,
    ) -> Result<Prepared<SettingsWork>, Error> {
        let baseline = baseline(Some(school.config()), &request.baseline)?;
        let repo = school.repository().await?;
        let (name, id) = (school.name().to_owned(), school.tenant().tenant_id.clone());
        let last = blocking({
            let repo = repo.clone();
            move || {
                strongroom_engine::seal::check(&repo, &id)?;
                Ok(latest(&repo, &name)?)
            }
        })
        .await?;
        // A school that was never snapshotted has no way back: the snapshot is the undo.
        let (_, last) = last.ok_or_else(|| none_kept(school, ", so there would be no way back"))?;
        let hand =
            TenantSettings::new(school, all_exceptions(school, progress.as_ref())?, Some(last))?;
        let found = hand.read(progress.as_ref()).await?;
        let mut now = found.clone();
        let emergency = hand.emergency(&mut now).await?;
        let wanted = baseline.over(&now, &emergency);
        // Collections that were not read hold none of the chosen objects.
        let mut chosen = baseline.chosen();
        chosen.retain(|c| {
            c.rsplit_once('/').is_some_and(|(at, name)| wanted.object(at, name).is_some())
        });
        let options = SettingsRestoreOptions {
            report_only: request.report_only,
            ..hand.options(&wanted, &now, chosen).await?
        };
        // None is not all.
        let mut restore = match options.chosen.is_empty() {
            true => SettingsRestorePlan::default(),
            false => plan_restore(&wanted, &now, &options)?,
        };
        restore.cannot.extend(baseline.unread_collections(&now));
        restore.added.clear();
        let work = SettingsWork {
            repo,
            hand,
            aim: Aim::Baseline { baseline, emergency },
            found,
            now,
            wanted,
            options,
            restore,
            seen: school.now(),
            as_in: None,
            way_back: None,
            alone: None,
        };
        prepare::<Self>(school, request, work, by).await
    }

    /// Refuses a plan after which nobody would get in.
    async fn guard(_: &School, ready: &Prepared<SettingsWork>) -> Result<(), Error> {
        ready.work().guarded().await
    }

    async fn apply(
        school: &School,
        ready: Guarded<SettingsWork>,
        authority: Authority,
        progress: Hears,
    ) -> Result<Done<SettingsReport>, Error> {
        carry_out::<Self>(school, ready, authority, progress).await
    }
}
