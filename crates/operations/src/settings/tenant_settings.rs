use crate::{BroughtBack, Error, Identity, Kind, Restoring, School};
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc};
use strongroom_engine::configuration::{
    ActOutcome, SettingsRestoreOptions, SettingsRestorePlan, keep_managed, restore as apply,
    unknown_principals,
};
use strongroom_graph::Client;
use strongroom_guards::{
    Change, Exceptions, RuleVerdict, compare, emergency_users, judge, lockout_guard,
};
use strongroom_model::{
    ConfigObject, Configuration, Ending, Progress,
    collections::{applications, directory, identity, roles},
};
use strongroom_workloads::configuration::{With, alive, find, members_of, people};

/// Reads a tenant's settings as they are, and puts plans into effect.
pub struct TenantSettings {
    school: School,
    reader: Arc<Client>,
    /// What people decided about the tenant.
    pub exceptions: Exceptions,
    /// Ids of our own applications.
    pub own: Vec<String>,
    /// What is rationed is taken as it was read last; nothing of it can be set.
    last: Option<Configuration>,
}

/// What became of a plan.
#[derive(Debug, serde::Serialize)]
pub struct ApplyReport {
    /// Act by act.
    pub outcomes: Vec<ActOutcome>,
    /// What differs still from what is wanted.
    pub left: Vec<Change>,
    /// Why nobody may get in any more, or why that is not known.
    pub no_way_in: Option<String>,
    /// Collections that were touched and cannot be read now: nobody knows what they say.
    pub unknown: Vec<String>,
    /// The settings as they were read back; as they were before, where they could not be.
    #[serde(skip)]
    pub after: Configuration,
}

impl ApplyReport {
    /// A tenant that nobody may get into any more is more than a plan carried out in part.
    pub fn ending(&self) -> Ending {
        match (&self.no_way_in, self.is_whole()) {
            (Some(_), _) => Ending::Alarm,
            (None, true) => Ending::Done,
            (None, false) => Ending::Partial,
        }
    }

    /// Whether all is as it was wanted.
    pub fn is_whole(&self) -> bool {
        self.no_way_in.is_none()
            && self.left.is_empty()
            && self.unknown.is_empty()
            && self.outcomes.iter().all(|o| o.failed.is_empty() && !o.waits_for_approval)
    }
}

const GROUPS: &str = directory::REFERENCED_GROUPS;
const PEOPLE: &str = directory::PRIVILEGED_USERS;

/// What decides who gets in: policies, who is left out of them, who is an administrator, and by
/// what means people sign in.
const ACCESS: &[&str] = &[
    identity::CONDITIONAL_ACCESS_POLICIES,
    identity::SECURITY_DEFAULTS,
    identity::AUTHENTICATION_METHODS,
    directory::REFERENCED_GROUPS,
    directory::DOMAINS,
    directory::FEDERATION,
    roles::ASSIGNMENTS,
];

/// Whether a plan touches what decides who gets in.
pub(super) fn touches_access(plan: &SettingsRestorePlan) -> bool {
    plan.acts.iter().any(|a| ACCESS.contains(&a.collection.as_str()))
}

/// Whether a rule passes.
pub(super) fn passes(
    configuration: &Configuration,
    exceptions: &Exceptions,
    rule: &str,
    today: jiff::civil::Date,
) -> bool {
    let found = judge(configuration, exceptions, Vec::new(), today).findings;
    found.iter().any(|f| f.rule == rule && f.verdict == RuleVerdict::Passed)
}

/// The id of the object at `collection/name`. Names may hold slashes, names of collections hold
/// one.
fn id_at(c: &Configuration, at: &str) -> Option<String> {
    let slash = at.match_indices('/').nth(1)?.0;
    c.object(&at[..slash], &at[slash + 1..]).map(|o| o.id.clone())
}

/// Whom the exceptions file names for emergencies.
pub fn break_glass(
    exceptions: &Exceptions,
    today: jiff::civil::Date,
) -> impl Iterator<Item = &str> {
    exceptions
        .exclusions
        .iter()
        .filter(move |e| e.kind == "break-glass" && e.until.is_none_or(|u| u >= today))
        .map(|e| e.who.as_str())
}

/// What settings call somebody whom the exceptions file names, when they name them.
pub fn called(now: &Configuration, who: &str) -> Option<String> {
    let known =
        |symbol: String| now.references.keys().find(|k| k.eq_ignore_ascii_case(&symbol)).cloned();
    now.symbol_of(who)
        .or_else(|| known(format!("@users/{who}")))
        .or_else(|| known(format!("@groups/{who}")))
}

impl TenantSettings {
    /// Of a school of which people decided this, whose settings were read last as `last`.
    ///
    /// # Errors
    /// As [`School::client`].
    pub fn new(
        school: &School,
        exceptions: Exceptions,
        last: Option<Configuration>,
    ) -> Result<Self, Error> {
        let identities = school.tenant().identities.values();
        Ok(Self {
            school: school.clone(),
            reader: school.client(Identity::Read)?,
            exceptions,
            own: identities.map(|i| i.application_id.clone()).collect(),
            last,
        })
    }

    /// The settings as they are.
    ///
    /// # Errors
    /// [`Kind::Tenant`], where it does not answer.
    pub async fn read(&self, progress: &dyn Progress) -> Result<Configuration, Error> {
        let mut now = strongroom_workloads::configuration::read(
            &self.reader,
            self.school.name(),
            With::Direct,
            progress,
        )
        .await?;
        keep_managed(&mut now, self.last.as_ref());
        Ok(now)
    }

    /// What settings call the accounts for emergencies; those that none names yet are looked for,
    /// so that a plan may name them. Who only bears the name of one is called another from then on.
    ///
    /// # Errors
    /// [`Kind::Tenant`], where it does not answer, or knows nobody of the name.
    pub async fn emergency(&self, now: &mut Configuration) -> Result<Vec<String>, Error> {
        let mut words = Configuration::new(&now.tenant, now.taken);
        for who in break_glass(&self.exceptions, self.school.today()) {
            let (symbol, id) = find(&self.reader, who).await?;
            words.references.insert(
                now.symbol_of(&id).filter(|s| s.eq_ignore_ascii_case(&symbol)).unwrap_or(symbol),
                id,
            );
        }
        *now = now.with_names_of(&words);
        now.references
            .extend(words.references.iter().map(|(symbol, id)| (symbol.clone(), id.clone())));
        // Of a group that no setting names yet nobody has seen who is in it.
        for (symbol, id) in &words.references {
            let Some(name) =
                symbol.strip_prefix("@groups/").filter(|name| now.object(GROUPS, name).is_none())
            else {
                continue;
            };
            let members = members_of(&self.reader, id).await?;
            let body = json!({"displayName": name, "members": members.iter().map(|(symbol,
                _)| symbol).collect::<Vec<_>>()});
            now.references.extend(members);
            let group =
                ConfigObject { name: name.to_owned(), id: id.clone(), body, volatile: json!({}) };
            now.collections.get_mut(GROUPS).into_iter().for_each(|c| c.objects.push(group.clone()));
        }
        Ok(words.references.into_keys().collect())
    }

    /// How a snapshot is put back here.
    ///
    /// # Errors
    /// [`Kind::Tenant`], where it does not answer.
    pub async fn options(
        &self,
        wanted: &Configuration,
        now: &Configuration,
        chosen: Vec<String>,
    ) -> Result<SettingsRestoreOptions, Error> {
        let unknown = unknown_principals(wanted, now);
        let alive = if unknown.is_empty() {
            BTreeSet::new()
        } else {
            alive(&self.reader, &unknown).await?
        };
        Ok(SettingsRestoreOptions {
            chosen,
            own: self.own.clone(),
            alive,
            ..SettingsRestoreOptions::default()
        })
    }

    /// Why nobody may get in any more, or why that is not known.
    /// `read` is how the tenant calls people now; `wanted` was seen once.
    async fn shut(
        &self,
        configuration: &Configuration,
        read: &Configuration,
        wanted: &Configuration,
    ) -> Result<Option<String>, Error> {
        let mut known = configuration.clone();
        // A refusal that speaks of a licence hides policies as well as there being none.
        for seen in self.last.iter().chain([wanted]) {
            known.doubt_licences(seen);
        }
        let mut exceptions = self.exceptions.clone();
        // Who was called otherwise when the snapshot was made is known by the id.
        for e in exceptions.exclusions.iter_mut().filter(|e| called(&known, &e.who).is_none()) {
            if let Some(id) = called(read, &e.who).and_then(|symbol| read.references.get(&symbol)) {
                e.who.clone_from(id);
            }
        }
        // Whoever lost the role is among the people with roles no more, and what was true of them
        // may be so no more either.
        let there: BTreeSet<String> = known
            .collections
            .get(PEOPLE)
            .map(|c| {
                c.objects.iter().map(|o| format!("@users/{}", o.name).to_lowercase()).collect()
            })
            .unwrap_or_default();
        let lacking = emergency_users(&known, &exceptions, self.school.today())
            .into_iter()
            .filter(|s| !there.contains(s))
            .collect::<Vec<_>>();
        let ids: Vec<String> = known
            .references
            .iter()
            .filter(|(s, _)| lacking.contains(&s.to_lowercase()))
            .map(|(_, id)| id.clone())
            .collect();
        if !ids.is_empty() {
            let mut found = people(&self.reader, &ids).await?;
            for o in &mut found {
                if let Some(name) =
                    known.symbol_of(&o.id).as_deref().and_then(|s| s.strip_prefix("@users/"))
                {
                    o.name = name.to_owned();
                }
            }
            known
                .collections
                .get_mut(PEOPLE)
                .into_iter()
                .for_each(|c| c.objects.extend(found.iter().cloned()));
        }
        Ok(lockout_guard(&known, &exceptions, self.school.today()).err())
    }

    /// Refuses a plan after which nobody would get in.
    ///
    /// # Errors
    /// [`Kind::Refused`] then; [`Kind::Tenant`], where it does not answer.
    pub async fn guarded(
        &self,
        plan: &SettingsRestorePlan,
        wanted: &Configuration,
        now: &Configuration,
        options: &SettingsRestoreOptions,
    ) -> Result<(), Error> {
        if !touches_access(plan) {
            return Ok(());
        }
        let Some(after) = self.shut(&plan.outcome(wanted, now, options), now, wanted).await? else {
            return Ok(());
        };
        let already = self
            .shut(&now.with_names_of(wanted), now, wanted)
            .await?
            .is_some_and(|before| before == after);
        let when = if already { "already now, and after this too" } else { "after this" };
        Err(Error::new(Kind::Refused, format!("{when}, {after}")))
    }

    /// The leave to write, which nobody else has then.
    ///
    /// # Errors
    /// As [`School::restoring`].
    pub(super) fn alone(&self) -> Result<Restoring, Error> {
        self.school.restoring(BroughtBack::Settings)
    }

    /// The same hand, which may write too, for who has that leave.
    ///
    /// # Errors
    /// As [`School::client`]: before anybody notes that something is begun.
    pub(super) fn writing(&self, alone: Restoring) -> Result<Writing<'_>, Error> {
        Ok(Writing { hand: self, writer: self.writer()?, _alone: alone })
    }

    /// The identity that writes.
    ///
    /// # Errors
    /// As [`School::client`].
    pub(super) fn writer(&self) -> Result<Arc<Client>, Error> {
        self.school.client(Identity::Configure)
    }
}

/// A [`TenantSettings`] whose identity that writes can sign in, and which nobody else works with
/// meanwhile.
pub struct Writing<'h> {
    hand: &'h TenantSettings,
    writer: Arc<Client>,
    _alone: Restoring,
}

impl Writing<'_> {
    /// Puts a plan into effect and reads back: what counts is what the tenant says. `goal` answers
    /// how a tenant that stands so should stand.
    ///
    /// # Errors
    /// Those of planning what shows only afterwards; what fails otherwise is among the outcomes.
    pub async fn apply(
        &self,
        plan: &SettingsRestorePlan,
        wanted: &Configuration,
        goal: &(dyn Fn(&Configuration) -> Configuration + Sync),
        now: &Configuration,
        options: &SettingsRestoreOptions,
        progress: &dyn Progress,
    ) -> Result<ApplyReport, Error> {
        let Self { hand, writer, .. } = self;
        let graph = hand.school.tenant().graph.as_str();
        let mut outcomes = apply(writer, graph, plan, wanted, now, progress).await;
        let mut read = hand.read(&strongroom_model::Silent).await;
        let again = plan.looked_at_again();
        if let (false, Ok(seen)) = (again.is_empty(), &read) {
            let done: Vec<String> =
                outcomes.iter().filter(|o| o.failed.is_empty()).map(|o| o.object.clone()).collect();
            let mut options = SettingsRestoreOptions { chosen: again.clone(), ..options.clone() };
            options
                .alive
                .extend(done.iter().filter_map(|at| id_at(wanted, at)).map(|id| id.to_lowercase()));
            let more = strongroom_engine::configuration::plan(wanted, seen, &options)?;
            let unseen = more.looked_at_again();
            // Nothing is done that the plan that was shown does not name.
            let more = more.limited_to(plan);
            let mut second =
                apply(writer, graph, &more, wanted, seen, &strongroom_model::Silent).await;
            second.retain(|o| !(done.contains(&o.object) && unseen.contains(&o.object)));
            // What is in sight now and wants nothing is as it should be.
            let seen = &seen.with_names_of(wanted);
            let fine = again.iter().filter(|at| {
                !second.iter().any(|o| o.object == **at)
                    && id_at(seen, at).is_some_and(|id| Some(id) == id_at(wanted, at))
            });
            second.extend(
                fine.map(|at| ActOutcome {
                    object: at.clone(),
                    failed: String::new(),
                    waits_for_approval: false,
                })
                .collect::<Vec<_>>(),
            );
            outcomes.retain(|first| !second.iter().any(|o| o.object == first.object));
            outcomes.extend(second);
            read = hand.read(&strongroom_model::Silent).await;
        }
        let after = match read {
            Ok(after) => after,
            // What was done is told all the same.
            Err(e) => {
                let unknown = plan.acts.iter().map(|a| a.collection.clone()).collect();
                return Ok(ApplyReport {
                    outcomes,
                    left: Vec::new(),
                    no_way_in: Some(format!("the tenant could not be read back: {}", e.sentence())),
                    unknown,
                    after: now.clone(),
                });
            }
        };
        // What was made anew has another id, and what our own applications may do is not put back.
        let words = after.names_in(wanted);
        let ours: Vec<String> = after
            .application_symbols(&hand.own)
            .iter()
            .map(|s| words.symbol(s).to_owned())
            .collect();
        let read = after.clone();
        let after = after.with_names_of(wanted);
        let is_ours = |c: &Change| {
            let there =
                after.object(&c.collection, &c.object).and_then(|o| o.body["application"].as_str());
            c.collection == applications::PERMISSIONS
                && there.is_some_and(|a| ours.iter().any(|s| s == a))
        };
        let compared = compare(&goal(&after), &after, &hand.own, false);
        let unknown = plan
            .acts
            .iter()
            .map(|a| &a.collection)
            .filter(|c| compared.not_compared.contains_key(*c))
            .cloned()
            .collect();
        let options = options.told(now, wanted).told(&read, wanted);
        let left = compared
            .changes
            .into_iter()
            .filter(|c| options.takes(&c.collection, &c.object) && !is_ours(c))
            .collect();
        // Proven again: what was refused or changed meanwhile may have left the tenant without a
        // way in.
        let no_way_in = match touches_access(plan) {
            true => hand.shut(&after, &read, wanted).await.unwrap_or_else(|e| {
                Some(format!("it cannot be told whether a way in is left: {}", e.sentence()))
            }),
            false => None,
        };
        let no_way_in = no_way_in.map(|why| format!("as the tenant stands now, {why}"));
        Ok(ApplyReport { outcomes, left, no_way_in, unknown, after: read })
    }
}
