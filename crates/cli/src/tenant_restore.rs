//! `strongroom tenant restore`: settings are put back; plan, show, ask, apply, read back.

use crate::{
    Global,
    export::word,
    failure, output,
    review::undo_command,
    tenant::{exceptions, load},
};
use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc};
use strongroom_engine::configuration::{
    Outcome, RestoreOptions, RestorePlan, keep, keep_managed, plan, restore as apply,
    unknown_principals,
};
use strongroom_guards::{Change, Exceptions, Property, compare, emergency_users, way_in};
use strongroom_model::{
    ConfigObject, Configuration, Ending, Progress,
    collections::{applications, directory, identity, roles},
    shown_line,
};
use strongroom_operations::{Identity, School};
use strongroom_repository::{Id, Repository};
use strongroom_workloads::{
    Client,
    configuration::{With, alive, find, members_of, people},
};

#[derive(Args)]
pub(crate) struct Restore {
    /// The snapshot whose settings are put back.
    #[arg(long)]
    to: String,
    /// Only this collection, or this object as COLLECTION/NAME; once for each.
    #[arg(long = "object")]
    objects: Vec<String>,
    /// Who stands now for somebody that the tenant does not have any more, as "@groups/Emergency
    /// access=OBJECT ID"; once for each.
    #[arg(long = "as", value_name = "NAME=ID")]
    stand_ins: Vec<String>,
    /// Also remove what was added since.
    #[arg(long)]
    remove_added: bool,
    /// Conditional Access policies that are made or switched on only report, until somebody
    /// switches them on.
    #[arg(long)]
    report_only: bool,
    /// Show the plan and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// A plan for people: what is done to which object, and each setting as it is and as it becomes.
pub(crate) fn describe(plan: &RestorePlan, now: &Configuration, wanted: &Configuration) -> String {
    let mut out = String::new();
    let changes = compare(&now.in_the_words_of(wanted), wanted, &[], false).changes;
    for a in &plan.acts {
        let what = if a.properties.is_empty() {
            String::new()
        } else {
            format!(": {}", line(&a.properties.join(", ")))
        };
        out.push_str(&format!("{:<7} {}/{}{what}\n", word(a.verb), a.collection, line(&a.object)));
        let touched = |p: &&Property| {
            a.properties.is_empty()
                || a.properties.iter().any(|t| {
                    p.path == *t
                        || p.path.as_str().starts_with(&format!("{t}."))
                        || p.path.as_str().starts_with(&format!("{t}["))
                })
        };
        for p in changes
            .iter()
            .filter(|c| c.collection == a.collection && c.object == a.object)
            .flat_map(|c| &c.properties)
            .filter(touched)
        {
            out.push_str(&format!("        {}: {} → {}\n", p.path.line(), p.old, p.new));
        }
        for s in &a.steps {
            if let Some(when) = s.when {
                let path = line(&s.path);
                out.push_str(&format!("        then    {} {path} ({when})\n", s.method));
            }
        }
    }
    plan.added.iter().for_each(|a| {
        out.push_str(&format!("added   {}: stays; --remove-added takes it away\n", line(a)))
    });
    plan.cannot.iter().for_each(|(object, why)| {
        out.push_str(&format!("cannot  {}: {}\n", line(object), line(why)))
    });
    if !plan.needs.is_empty() {
        out.push_str(&format!(
            "needs   {}\n",
            plan.needs.iter().copied().collect::<Vec<_>>().join(", ")
        ));
    }
    out
}

/// A name as one line: people of the tenant choose names, and none may hide or forge a line of what
/// is approved.
fn line(name: &str) -> String {
    shown_line(name).into_owned()
}

/// Who wants JSON is asked nothing, so that nothing is approved unseen.
pub(crate) fn unasked(global: &Global, yes: bool) -> anyhow::Result<()> {
    anyhow::ensure!(
        !global.json || yes,
        "with --json nobody is asked: look at the plan first, then add --yes"
    );
    Ok(())
}

/// Reads a tenant's settings as they are, and puts plans into effect.
pub(crate) struct Hand {
    school: School,
    reader: Arc<Client>,
    pub(crate) exceptions: Exceptions,
    pub(crate) own: Vec<String>,
    /// What is rationed is taken as it was read last; nothing of it can be set.
    last: Option<Configuration>,
}

/// What became of a plan.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Applied {
    pub(crate) outcomes: Vec<Outcome>,
    /// What differs still from what is wanted.
    pub(crate) left: Vec<Change>,
    /// Why nobody may get in any more, or why that is not known.
    pub(crate) no_way_in: Option<String>,
    /// Collections that were touched and cannot be read now: nobody knows what they say.
    pub(crate) unknown: Vec<String>,
    /// The settings as they were read back; as they were before, where they could not be.
    #[serde(skip)]
    pub(crate) after: Configuration,
}

impl Applied {
    /// A tenant that nobody may get into any more is more than a plan carried out in part.
    pub(crate) fn ending(&self) -> Ending {
        match (&self.no_way_in, self.is_whole()) {
            (Some(_), _) => Ending::Alarm,
            (None, true) => Ending::Done,
            (None, false) => Ending::Partial,
        }
    }

    pub(crate) fn is_whole(&self) -> bool {
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
fn touches_access(plan: &RestorePlan) -> bool {
    plan.acts.iter().any(|a| ACCESS.contains(&a.collection.as_str()))
}

/// The id of the object at `collection/name`. Names may hold slashes, names of collections hold
/// one.
fn id_at(c: &Configuration, at: &str) -> Option<String> {
    let slash = at.match_indices('/').nth(1)?.0;
    c.object(&at[..slash], &at[slash + 1..]).map(|o| o.id.clone())
}

/// Whom the exceptions file names for emergencies.
pub(crate) fn break_glass(
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
pub(crate) fn called(now: &Configuration, who: &str) -> Option<String> {
    let known =
        |symbol: String| now.references.keys().find(|k| k.eq_ignore_ascii_case(&symbol)).cloned();
    now.symbol_of(who)
        .or_else(|| known(format!("@users/{who}")))
        .or_else(|| known(format!("@groups/{who}")))
}

impl Hand {
    pub(crate) fn new(school: &School, last: Option<Configuration>) -> anyhow::Result<Self> {
        let identities = school.tenant().identities.values();
        Ok(Self {
            school: school.clone(),
            reader: school.client(Identity::Read)?,
            exceptions: exceptions(school)?,
            own: identities.map(|i| i.application_id.clone()).collect(),
            last,
        })
    }

    /// The settings as they are.
    pub(crate) async fn read(&self, progress: &dyn Progress) -> anyhow::Result<Configuration> {
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
    pub(crate) async fn emergency(&self, now: &mut Configuration) -> anyhow::Result<Vec<String>> {
        let mut words = Configuration::new(&now.tenant, now.taken);
        for who in break_glass(&self.exceptions, self.school.today()) {
            let (symbol, id) = find(&self.reader, who).await?;
            words.references.insert(
                now.symbol_of(&id).filter(|s| s.eq_ignore_ascii_case(&symbol)).unwrap_or(symbol),
                id,
            );
        }
        *now = now.in_the_words_of(&words);
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
    pub(crate) async fn options(
        &self,
        wanted: &Configuration,
        now: &Configuration,
        chosen: Vec<String>,
    ) -> anyhow::Result<RestoreOptions> {
        let unknown = unknown_principals(wanted, now);
        let alive = if unknown.is_empty() {
            BTreeSet::new()
        } else {
            alive(&self.reader, &unknown).await?
        };
        Ok(RestoreOptions { chosen, own: self.own.clone(), alive, ..RestoreOptions::default() })
    }

    /// Why nobody may get in any more, or why that is not known.
    /// `read` is how the tenant calls people now; `wanted` was seen once.
    async fn shut(
        &self,
        configuration: &Configuration,
        read: &Configuration,
        wanted: &Configuration,
    ) -> anyhow::Result<Option<String>> {
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
        Ok(way_in(&known, &exceptions, self.school.today()).err())
    }

    /// Refuses a plan after which nobody would get in.
    pub(crate) async fn guarded(
        &self,
        plan: &RestorePlan,
        wanted: &Configuration,
        now: &Configuration,
        options: &RestoreOptions,
    ) -> anyhow::Result<()> {
        if !touches_access(plan) {
            return Ok(());
        }
        let Some(after) = self.shut(&plan.outcome(wanted, now, options), now, wanted).await? else {
            return Ok(());
        };
        let already = self
            .shut(&now.in_the_words_of(wanted), now, wanted)
            .await?
            .is_some_and(|before| before == after);
        bail!("{}, {after}", if already { "already now, and after this too" } else { "after this" })
    }

    /// Puts a plan into effect and reads back: what counts is what the tenant says. `goal` answers
    /// how a tenant that stands so should stand.
    pub(crate) async fn apply(
        &self,
        plan: &RestorePlan,
        wanted: &Configuration,
        goal: &dyn Fn(&Configuration) -> Configuration,
        now: &Configuration,
        options: &RestoreOptions,
        progress: &dyn Progress,
    ) -> anyhow::Result<Applied> {
        let writer = self.school.client(Identity::Configure)?;
        let graph = self.school.tenant().graph.as_str();
        let mut outcomes = apply(&writer, graph, plan, wanted, now, progress).await;
        let mut read = self.read(&strongroom_model::Silent).await;
        let again = plan.looked_at_again();
        if let (false, Ok(seen)) = (again.is_empty(), &read) {
            let done: Vec<String> =
                outcomes.iter().filter(|o| o.failed.is_empty()).map(|o| o.object.clone()).collect();
            let mut options = RestoreOptions { chosen: again.clone(), ..options.clone() };
            options
                .alive
                .extend(done.iter().filter_map(|at| id_at(wanted, at)).map(|id| id.to_lowercase()));
            let more = strongroom_engine::configuration::plan(wanted, seen, &options)?;
            let unseen = more.looked_at_again();
            // Nothing is done that the plan that was shown does not name.
            let more = more.as_far_as_named_in(plan);
            let mut second =
                apply(&writer, graph, &more, wanted, seen, &strongroom_model::Silent).await;
            second.retain(|o| !(done.contains(&o.object) && unseen.contains(&o.object)));
            // What is in sight now and wants nothing is as it should be.
            let seen = &seen.in_the_words_of(wanted);
            let fine = again.iter().filter(|at| {
                !second.iter().any(|o| o.object == **at)
                    && id_at(seen, at).is_some_and(|id| Some(id) == id_at(wanted, at))
            });
            second.extend(
                fine.map(|at| Outcome {
                    object: at.clone(),
                    failed: String::new(),
                    waits_for_approval: false,
                })
                .collect::<Vec<_>>(),
            );
            outcomes.retain(|first| !second.iter().any(|o| o.object == first.object));
            outcomes.extend(second);
            read = self.read(&strongroom_model::Silent).await;
        }
        let after = match read {
            Ok(after) => after,
            // What was done is told all the same.
            Err(e) => {
                let unknown = plan.acts.iter().map(|a| a.collection.clone()).collect();
                return Ok(Applied {
                    outcomes,
                    left: Vec::new(),
                    no_way_in: Some(format!(
                        "the tenant could not be read back: {}",
                        failure::sentence(&e)
                    )),
                    unknown,
                    after: now.clone(),
                });
            }
        };
        // What was made anew has another id, and what our own applications may do is not put back.
        let words = after.words_of(wanted);
        let ours: Vec<String> = after
            .application_symbols(&self.own)
            .iter()
            .map(|s| words.symbol(s).to_owned())
            .collect();
        let read = after.clone();
        let after = after.in_the_words_of(wanted);
        let is_ours = |c: &Change| {
            let there =
                after.object(&c.collection, &c.object).and_then(|o| o.body["application"].as_str());
            c.collection == applications::PERMISSIONS
                && there.is_some_and(|a| ours.iter().any(|s| s == a))
        };
        let compared = compare(&goal(&after), &after, &self.own, false);
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
            true => self.shut(&after, &read, wanted).await.unwrap_or_else(|e| {
                Some(format!(
                    "it cannot be told whether a way in is left: {}",
                    failure::sentence(&e)
                ))
            }),
            false => None,
        };
        let no_way_in = no_way_in.map(|why| format!("as the tenant stands now, {why}"));
        Ok(Applied { outcomes, left, no_way_in, unknown, after: read })
    }
}

pub(crate) async fn restore(global: &Global, args: Restore) -> anyhow::Result<Ending> {
    let school = global.school()?;
    let repo = school.repository().await?;
    // One tenant's settings are never another's, whichever repository was named.
    strongroom_engine::seal::check(&repo, &school.tenant().tenant_id)?;
    let (id, mut wanted) = load(&repo, school.name(), &args.to)?;
    args.stand_ins.iter().try_for_each(|s| stand_in(&mut wanted, s))?;
    let hand = Hand::new(
        &school,
        strongroom_engine::configuration::latest(&repo, school.name())?.map(|(_, c)| c),
    )?;
    let bar = global.bar();
    let now = hand.read(bar.as_ref()).await;
    bar.finish();
    let now = now?;
    let options = hand.options(&wanted, &now, args.objects.clone()).await?;
    let options = RestoreOptions {
        remove_added: args.remove_added,
        report_only: args.report_only,
        ..options
    };
    let plan = plan(&wanted, &now, &options)?;
    if !global.json {
        print!("{}", describe(&plan, &now, &wanted));
    }
    if plan.acts.is_empty() {
        if global.json {
            println!(
                "{}",
                json!({"snapshot": id.to_string(), "plan": plan, "outcomes": [], "left": []})
            );
        } else {
            println!("nothing is to be set");
        }
        return Ok(if plan.cannot.is_empty() { Ending::Done } else { Ending::Partial });
    }
    hand.guarded(&plan, &wanted, &now, &options).await?;
    if args.dry_run {
        if global.json {
            println!("{}", json!({"snapshot": id.to_string(), "plan": plan}));
        }
        return Ok(Ending::Done);
    }
    unasked(global, args.yes)?;
    let count = plan.acts.len();
    if !args.yes
        && !output::confirm(&format!(
            "Change {count} objects of {} as snapshot {} says?",
            school.name(),
            id.short()
        ))?
    {
        println!("nothing was changed");
        return Ok(Ending::Failed);
    }
    let undo = way_back(&school, &repo, &now)?;
    // Said first: whoever interrupts the work needs it most.
    if let Some(undo) = undo.as_ref().filter(|_| !global.json) {
        println!(
            "{}",
            undo_command(school.name(), &undo.to_string(), &touched(&plan, &now, &wanted))
        );
    }
    let bar = global.bar();
    let applied =
        hand.apply(&plan, &wanted, &|_| wanted.clone(), &now, &options, bar.as_ref()).await;
    bar.finish();
    let applied = applied?;
    if global.json {
        let mut value =
            json!({"snapshot": id.to_string(), "plan": plan, "undo": undo.map(|u| u.to_string())});
        merge(&mut value, serde_json::to_value(&applied)?);
        println!("{value}");
    } else {
        report(&applied, &format!("snapshot {}", id.short()));
    }
    if applied.outcomes.iter().any(|o| o.failed.is_empty()) {
        way_back(&school, &repo, &applied.after)?;
    }
    Ok(applied.ending())
}

/// Lets somebody stand for one whom the tenant does not have any more.
fn stand_in(wanted: &mut Configuration, given: &str) -> anyhow::Result<()> {
    let (symbol, id) = given
        .rsplit_once('=')
        .with_context(|| format!("--as {given:?} is not of the form \"@groups/NAME=OBJECT ID\""))?;
    let known = wanted
        .references
        .get_mut(symbol)
        .with_context(|| format!("the snapshot's settings name no {symbol:?}"))?;
    let was = std::mem::replace(known, id.to_owned());
    for o in wanted.collections.values_mut().flat_map(|c| &mut c.objects).filter(|o| o.id == was) {
        o.id = id.to_owned();
    }
    Ok(())
}

/// The objects of a plan, as the tenant calls them now.
pub(crate) fn touched(
    plan: &RestorePlan,
    now: &Configuration,
    wanted: &Configuration,
) -> Vec<String> {
    let words = now.words_of(wanted).back();
    plan.acts
        .iter()
        .map(|a| format!("{}/{}", a.collection, words.name(&a.collection, &a.object)))
        .collect()
}

/// Keeps the settings as they are. A backup that runs for hours holds nobody back who must act now:
/// the last snapshot is the way back then.
pub(crate) fn way_back(
    school: &School,
    repo: &Arc<Repository>,
    now: &Configuration,
) -> anyhow::Result<Option<Id>> {
    let (cache, clock) = (school.cache()?, &school.host().clock);
    match tokio::task::block_in_place(|| keep(repo, now.clone(), &cache, clock)) {
        Ok(id) => Ok(Some(id)),
        Err(strongroom_engine::Error::Repository(strongroom_repository::Error::Locked {
            ..
        })) => {
            eprintln!(
                "{}",
                output::alarm(
                    "the repository is locked by another run, so the settings as they are were not \
                     kept; the way back is the newest snapshot"
                )
            );
            Ok(None)
        }
        Err(e) => Err(e.into()),
    }
}

/// Adds the fields of one object to another.
pub(crate) fn merge(into: &mut serde_json::Value, more: serde_json::Value) {
    if let (Some(into), serde_json::Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}

/// What became of it, for people.
pub(crate) fn report(applied: &Applied, wanted: &str) {
    for o in applied.outcomes.iter().filter(|o| !o.failed.is_empty()) {
        println!("{}", output::alarm(&format!("FAILED  {}: {}", line(&o.object), line(&o.failed))));
    }
    for o in applied.outcomes.iter().filter(|o| o.waits_for_approval) {
        println!("waits for approval by a second administrator: {}", line(&o.object));
    }
    if let Some(why) = &applied.no_way_in {
        println!("{}", output::alarm(why));
    }
    for c in &applied.unknown {
        println!(
            "{}",
            output::alarm(&format!(
                "{c} cannot be read now, so nobody knows whether it is as wanted"
            ))
        );
    }
    for c in &applied.left {
        println!("differs still: {}", c.says.line());
    }
    let set =
        applied.outcomes.iter().filter(|o| o.failed.is_empty() && !o.waits_for_approval).count();
    println!(
        "{set} of {} objects were set; {} differ still from {wanted}",
        applied.outcomes.len(),
        applied.left.len()
    );
}
