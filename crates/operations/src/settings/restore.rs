use super::{
    Aim, SettingsReport, SettingsWork, TenantSettings, all_exceptions,
    work::{carry_out, prepare},
};
use crate::{
    Error, Hears, Kind, Remedy, School, blocking,
    plan::{Authority, Done, Guarded, Operation, OperationKind, Prepared, sealed},
    snapshots::snapshot,
};
use serde::{Deserialize, Serialize};
use strongroom_engine::configuration::{
    self, SettingsRestoreOptions, has, latest, plan as plan_restore,
};
use strongroom_model::{Configuration, Progress, Untrusted};
use strongroom_repository::{Id, Repository};

/// Puts settings of a tenant back as a snapshot has them.
pub struct RestoreSettings;

/// Which, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreSettingsRequest {
    /// The snapshot, as [`snapshot`] takes it.
    pub to: String,
    /// Only these, as `collection` or `collection/name`; all where there is none.
    pub objects: Vec<String>,
    /// Who stands now for somebody that the tenant does not have any more, as
    /// `@groups/Emergency access=OBJECT ID`.
    pub stand_ins: Vec<String>,
    /// What was added since is removed.
    pub remove_added: bool,
    /// Conditional Access policies that are made or switched on only report.
    pub report_only: bool,
    /// It undoes what may never have been done: of what neither the snapshot nor the tenant has,
    /// nothing is to be undone. A plan names what is left.
    #[serde(skip)]
    pub is_undo: bool,
}

/// The settings of a school in a snapshot, as [`snapshot`] takes it; `latest` is the newest of the
/// settings.
///
/// # Errors
/// [`Kind::Request`], where there is none; and those of reading.
pub fn load(repo: &Repository, tenant: &str, word: &str) -> Result<(Id, Configuration), Error> {
    if word == "latest" {
        return latest(repo, tenant)?.ok_or_else(|| {
            let what = format!("no configuration of {tenant} was read yet");
            Error::new(Kind::Request, what).with(Remedy::ReadSettings(tenant.to_owned()))
        });
    }
    let (id, snapshot) = snapshot(repo, word)?;
    let found = configuration::load(repo, &snapshot)?;
    let none =
        || Error::new(Kind::Request, format!("snapshot {} holds no configuration", id.short()));
    Ok((id, found.ok_or_else(none)?))
}

/// Of what an undo names, that which either has.
fn those_there(
    objects: Vec<String>,
    wanted: &Configuration,
    now: &Configuration,
    progress: &dyn Progress,
) -> Result<Vec<String>, Error> {
    let (there, gone): (Vec<_>, Vec<_>) =
        objects.into_iter().partition(|c| has(wanted, c) || has(now, c));
    for object in gone {
        let object = Untrusted::from(object);
        progress.note(&format!(
            "{} is neither in the snapshot nor in the tenant: nothing of it is to be undone",
            object.quoted()
        ));
    }
    // No name at all would mean every object.
    match there.is_empty() {
        false => Ok(there),
        true => Err(Error::new(
            Kind::Request,
            "neither the snapshot nor the tenant has any object of the plan: nothing is to be \
             undone",
        )),
    }
}

/// Lets somebody stand for one whom the tenant does not have any more.
fn stand_in(wanted: &mut Configuration, given: &str) -> Result<(), Error> {
    let wrong = |what: String| Error::new(Kind::Request, what);
    let (symbol, id) = given.rsplit_once('=').ok_or_else(|| {
        wrong(format!("who stands in, {given:?}, is not of the form \"@groups/NAME=OBJECT ID\""))
    })?;
    let known = wanted
        .references
        .get_mut(symbol)
        .ok_or_else(|| wrong(format!("the snapshot's settings name no {symbol:?}")))?;
    let was = std::mem::replace(known, id.to_owned());
    for o in wanted.collections.values_mut().flat_map(|c| &mut c.objects).filter(|o| o.id == was) {
        o.id = id.to_owned();
    }
    Ok(())
}

impl sealed::Sealed for RestoreSettings {}

impl Operation for RestoreSettings {
    const KIND: OperationKind = OperationKind::RestoreSettings;
    const MAY_GROW: bool = false;
    type At = School;
    type Request = RestoreSettingsRequest;
    type Work = SettingsWork;
    type Report = SettingsReport;

    async fn plan(
        school: &School,
        mut request: RestoreSettingsRequest,
        by: &str,
        progress: Hears,
    ) -> Result<Prepared<SettingsWork>, Error> {
        let repo = school.repository().await?;
        let (name, id, word) =
            (school.name().to_owned(), school.tenant().tenant_id.clone(), request.to.clone());
        let (snapshot, mut wanted, last) = blocking({
            let repo = repo.clone();
            move || {
                // One tenant's settings are never another's, whichever repository was named.
                strongroom_engine::seal::check(&repo, &id)?;
                let (snapshot, wanted) = load(&repo, &name, &word)?;
                Ok((snapshot, wanted, latest(&repo, &name)?.map(|(_, c)| c)))
            }
        })
        .await?;
        request.stand_ins.iter().try_for_each(|s| stand_in(&mut wanted, s))?;
        let hand = TenantSettings::new(school, all_exceptions(school, progress.as_ref())?, last)?;
        let now = hand.read(progress.as_ref()).await?;
        if request.is_undo {
            request.objects = those_there(request.objects, &wanted, &now, progress.as_ref())?;
        }
        let options = hand.options(&wanted, &now, request.objects.clone()).await?;
        let options = SettingsRestoreOptions {
            remove_added: request.remove_added,
            report_only: request.report_only,
            ..options
        };
        let restore = plan_restore(&wanted, &now, &options)?;
        let work = SettingsWork {
            repo,
            hand,
            aim: Aim::Snapshot(snapshot),
            found: now.clone(),
            now,
            wanted,
            options,
            restore,
            seen: school.now(),
            as_in: None,
            way_back: None,
            alone: None,
        };
        request.to = snapshot.to_string();
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
