//! Plans that are kept, and carried out by somebody else: what was agreed to is done, or nothing.

use crate::common::*;
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{Arc, Barrier},
};
use strongroom_model::{Clock, Record, Silent};
use strongroom_operations::{
    Copy2, Error, Host, Kind, Remedy, School,
    config::Config,
    plan::{
        Authority, Done, Guarded, Operation, OperationKind, Plan, PlanId, PlanStore, Prepared,
        again, guard,
    },
    upkeep::{
        Forget, ForgetReport, ForgetRequest, Prune, PruneOptions, PruneWork, ReleaseHold,
        ReleaseHoldRequest, RetentionPolicy,
    },
};
use strongroom_repository::{Cut, Id, Node, Repository, Snapshot, TreeEditor};

pub(crate) const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A school with a copy 2 of some days, and the clock of whoever works for it.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) clock: Arc<Stands>,
    pub(crate) repo: Arc<Repository>,
    newest: Option<(Id, Snapshot)>,
}

impl Place {
    pub(crate) fn new(days: u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Stands::at("2027-01-15T08:00:00Z");
        written(dir.path(), "cache_dir = \"caches\"\n");
        let school = school(&dir.path().join("strongroom.toml"), &host_at(clock.clone()));
        let repo = made(&school, "aaaa");
        let mut place = Self { dir, clock, repo, newest: None };
        for _ in 0..days {
            place.backs_up(true);
            place.clock.advance(DAY);
        }
        place
    }

    /// The school as another process finds it, with caches of its own.
    pub(crate) fn school(&self) -> School {
        school(&self.config_file(), &host_at(self.clock.clone()))
    }

    pub(crate) fn copy2(&self) -> Copy2 {
        self.school().copy2().unwrap()
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.dir.path().join("strongroom.toml")
    }

    pub(crate) fn store(&self) -> PlanStore {
        let host = host();
        PlanStore::of(&Config::read(&self.config_file(), &host.accounts).unwrap(), &host.accounts)
    }

    pub(crate) fn plans(&self) -> PathBuf {
        self.dir.path().join("state/plans")
    }

    pub(crate) fn backs_up(&mut self, is_clean: bool) -> Id {
        let (repo, now) = (&self.repo, self.clock.now());
        repo.reload_index().unwrap();
        // Much of each day is of that day alone.
        let mut x = now.as_second() as u64;
        let mut noise = || {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (x >> 56) as u8
        };
        let bytes: Vec<u8> = (0..40_000).map(|_| noise()).collect();
        let stored = repo.put_content(&bytes, Cut::Mime).unwrap();
        let mut editor = TreeEditor::new(repo.clone(), None, now);
        let node = Node::file("day.bin", stored.content, stored.size_bytes, now);
        editor.put(&["drives", "ann"], node).unwrap();
        let mut tags = vec!["complete".to_owned()];
        tags.extend(is_clean.then(|| "clean".to_owned()));
        let snapshot = Snapshot {
            time: now,
            parent: self.newest.as_ref().map(|(id, _)| *id),
            tree: editor.write_and_unload().unwrap(),
            paths: vec!["/drives".into()],
            hostname: "riverside".into(),
            username: "strongroom".into(),
            tags,
            program_version: "strongroom test".into(),
            generation: Snapshot::generation_on(self.newest.as_ref().map(|(_, s)| s)),
        };
        let id = repo.commit(&snapshot).unwrap();
        self.newest = Some((id, snapshot));
        id
    }

    pub(crate) fn snapshots(&self) -> BTreeSet<Id> {
        self.repo.snapshots().unwrap().into_iter().map(|(id, _)| id).collect()
    }

    /// Plans to keep the two newest days, and keeps the plan.
    async fn forget_is_planned(&self) -> (PlanId, BTreeSet<Id>) {
        let policy = RetentionPolicy { daily: 2, ..RetentionPolicy::default() };
        let request = ForgetRequest::Policy { policy, though_not_clean: false };
        let copy2 = self.copy2();
        let ready = Forget::plan(&copy2, request, "ada", Arc::new(Silent)).await.unwrap();
        let gone = ready.work().forget().remove.iter().map(|(id, _)| *id).collect();
        (self.store().put(ready.plan()).unwrap(), gone)
    }

    /// As `plan apply` does.
    pub(crate) async fn applies(&self, id: &PlanId) -> Result<Done<ForgetReport>, Error> {
        applies(&self.copy2(), &self.store(), id, &self.clock).await
    }
}

pub(crate) async fn applies(
    copy2: &Copy2,
    store: &PlanStore,
    id: &PlanId,
    clock: &Stands,
) -> Result<Done<ForgetReport>, Error> {
    let plan = store.get(id)?;
    let leave = Authority::of(&plan, "grace", clock.now())?.noted_in(store);
    let ready = again::<Forget>(copy2, &plan, Arc::new(Silent)).await?;
    Forget::apply(copy2, ready, leave, Arc::new(Silent)).await
}

pub(crate) fn school(config: &std::path::Path, host: &Arc<Host>) -> School {
    let config = Arc::new(Config::read(config, &host.accounts).unwrap());
    School::chosen(&config, host, &choice("riverside")).unwrap()
}

async fn guarded(copy2: &Copy2, ready: Prepared<PruneWork>) -> Guarded<PruneWork> {
    guard::<Prune>(copy2, ready).await.unwrap()
}

pub(crate) fn refused<T>(done: Result<T, Error>, kind: Kind, says: &str) {
    let e = done.err().expect("it was done");
    assert_eq!(e.kind(), kind, "{}", e.sentence());
    assert!(e.sentence().contains(says), "{says:?} is not in {}", e.sentence());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_plan_is_carried_out_an_hour_later_as_it_was_planned_and_once() {
    let mut place = Place::new(6);
    let before = place.snapshots();
    let (id, gone) = place.forget_is_planned().await;
    assert!(gone.len() >= 3, "{gone:?}");
    assert_eq!(place.snapshots(), before, "a plan changes nothing");

    // What comes meanwhile would let one more go: the plan does not say so.
    place.clock.advance(DAY);
    let newer = place.backs_up(true);
    let done = place.applies(&id).await.unwrap();
    assert_eq!(done.report.removed, gone.len() as u64);
    let mut left: BTreeSet<Id> = before.difference(&gone).copied().collect();
    left.insert(newer);
    assert_eq!(place.snapshots(), left);

    let applied = place.store().applied(&id).unwrap().unwrap();
    assert_eq!((applied.done, applied.by.as_str()), (gone.len() as u64, "grace"));
    assert!(applied.ended.is_some());
    // A replay; and one after the notes were taken away.
    for end in ["begun", "ended"] {
        refused(place.applies(&id).await, Kind::Changed, "is planned no more");
        let leave = Authority::of(&place.store().get(&id).unwrap(), "x", place.clock.now());
        drop(leave.unwrap());
        assert!(place.store().waits(&id).is_err(), "{end}");
        fs::remove_file(place.plans().join(format!("{id}.{end}"))).unwrap();
    }
    place.store().waits(&id).unwrap();
    refused(place.applies(&id).await, Kind::Changed, "is planned no more");
    assert_eq!(place.snapshots(), left);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_carry_out_one_plan_at_once_one_does() {
    for _ in 0..2 {
        let place = Place::new(5);
        let (id, gone) = place.forget_is_planned().await;
        let before = place.snapshots();
        let start = Arc::new(Barrier::new(2));
        let both: Vec<_> = (0..2)
            .map(|_| {
                let (school, store) = (place.school(), place.store());
                let (id, clock, start) = (id.clone(), place.clock.clone(), start.clone());
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Runtime::new().unwrap();
                    let copy2 = school.copy2().unwrap();
                    runtime.block_on(async move {
                        let plan = store.get(&id).unwrap();
                        let leave = Authority::of(&plan, "grace", clock.now()).unwrap();
                        let leave = leave.noted_in(&store);
                        let ready = again::<Forget>(&copy2, &plan, Arc::new(Silent)).await;
                        // Whatever came of it: the other one does not wait for ever.
                        start.wait();
                        Forget::apply(&copy2, ready.unwrap(), leave, Arc::new(Silent)).await
                    })
                })
            })
            .collect();
        let done: Vec<_> = both.into_iter().map(|t| t.join().unwrap()).collect();
        assert_eq!(done.iter().filter(|d| d.is_ok()).count(), 1, "{done:?}");
        let e = done.into_iter().find_map(Result::err).unwrap();
        assert!(
            matches!(e.kind(), Kind::Refused | Kind::Changed | Kind::Locked),
            "{}",
            e.sentence()
        );
        assert_eq!(place.snapshots(), before.difference(&gone).copied().collect());
    }
}

/// Both have looked at everything before either begins: only the note tells them apart.
#[tokio::test(flavor = "multi_thread")]
async fn the_note_alone_tells_who_was_first() {
    let place = Place::new(4);
    let (id, _) = place.forget_is_planned().await;
    let (store, now) = (place.store(), place.clock.now());
    let plan = store.get(&id).unwrap();
    fs::write(place.plans().join(format!("{id}.begun")), "").unwrap();
    let leave = Authority::of(&plan, "grace", now).unwrap().noted_in(&store);
    let copy2 = place.copy2();
    let ready = again::<Forget>(&copy2, &plan, Arc::new(Silent)).await.unwrap();
    let before = place.snapshots();
    let done = Forget::apply(&copy2, ready, leave, Arc::new(Silent)).await;
    refused(done, Kind::Refused, "a plan is carried out once");
    assert_eq!(place.snapshots(), before);
    // What became of it nobody knows: neither waiting nor done.
    assert!(store.waits(&id).is_err());
    assert!(store.list().unwrap()[0].applied.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_now_is_named_and_nothing_goes() {
    let mut place = Place::new(6);
    let (id, gone) = place.forget_is_planned().await;
    let held = *gone.first().unwrap();
    let hold = place.repo.hold(&held, "case 7").unwrap();
    let before = place.snapshots();
    let e = place.applies(&id).await.err().unwrap();
    assert_eq!(
        (e.kind(), e.remedy()),
        (Kind::Changed, Some(&Remedy::PlanAgain(OperationKind::Forget, Vec::new())))
    );
    assert!(e.sentence().contains(&held.to_string()), "{}", e.sentence());
    assert_eq!(place.snapshots(), before);

    // Released, by a plan that was kept as well.
    let copy2 = place.copy2();
    let request = ReleaseHoldRequest { hold: hold.short() };
    let ready = ReleaseHold::plan(&copy2, request, "ada", Arc::new(Silent)).await.unwrap();
    let release = place.store().put(ready.plan()).unwrap();
    let plan = place.store().get(&release).unwrap();
    let ready = again::<ReleaseHold>(&copy2, &plan, Arc::new(Silent)).await.unwrap();
    let leave = Authority::of(&plan, "grace", place.clock.now()).unwrap();
    ReleaseHold::apply(&copy2, ready, leave, Arc::new(Silent)).await.unwrap();

    // While the newest is not clean nothing goes, whoever agreed to what before.
    place.backs_up(false);
    refused(place.applies(&id).await, Kind::Changed, "is planned no more");
    place.clock.advance(DAY);
    place.backs_up(true);
    // A configuration that says something else now speaks against it too.
    let text = fs::read_to_string(place.config_file()).unwrap();
    let longer = text.replacen(
        "password_file = \"riverside.password\"\n",
        "password_file = \"riverside.password\"\n[repository.retention]\ndaily = 30\n",
        1,
    );
    assert_ne!(longer, text);
    fs::write(place.config_file(), longer).unwrap();
    refused(place.applies(&id).await, Kind::Changed, "what the configuration says");
    fs::write(place.config_file(), text).unwrap();
    place.applies(&id).await.unwrap();
    assert!(place.snapshots().is_disjoint(&gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_is_of_one_look_and_a_backup_in_between_ends_it() {
    let mut place = Place::new(4);
    let (id, _) = place.forget_is_planned().await;
    place.applies(&id).await.unwrap();
    let copy2 = place.copy2();
    let options = PruneOptions { unused_percent_max: 0, grace_s: 0, may_empty: false };
    let planned = || Prune::plan(&copy2, options, "ada", Arc::new(Silent));
    let packs = place.dir.path().join("copies/riverside/data");
    let count = || {
        let folders = packs.read_dir().unwrap().map(|e| e.unwrap().path());
        folders.flat_map(|f| f.read_dir().unwrap().map(|e| e.unwrap().file_name())).count()
    };
    let here = planned().await.unwrap();
    let kept = place.store().put(here.plan()).unwrap();
    assert!(!here.is_empty() && here.plan().cost.bytes_freed > 0);
    // No lock is held while somebody thinks: a backup goes on.
    let cache = place.dir.path().join("another");
    fs::create_dir(&cache).unwrap();
    place.repo.lock_for_upkeep(&cache, place.clock.now()).unwrap().release().unwrap();

    let before = count();
    let leave = Authority::of(here.plan(), "ada", place.clock.now()).unwrap();
    let another = planned().await.unwrap();
    let done = Prune::apply(&copy2, guarded(&copy2, another).await, leave, Arc::new(Silent)).await;
    refused(done, Kind::Refused, "what was agreed to is another plan");
    place.backs_up(true);
    let with_backup = count();
    assert!(with_backup > before);
    // In the process that planned it, and in another.
    let leave = Authority::of(here.plan(), "ada", place.clock.now()).unwrap();
    let leave = leave.noted_in(&place.store());
    let done = Prune::apply(&copy2, guarded(&copy2, here).await, leave, Arc::new(Silent)).await;
    refused(done, Kind::Changed, "has changed since the prune was planned");
    assert!(place.store().applied(&kept).unwrap().is_none(), "nothing was begun");
    let stored = place.store().get(&kept).unwrap();
    let e = again::<Prune>(&copy2, &stored, Arc::new(Silent)).await.err().unwrap();
    assert_eq!(e.kind(), Kind::Changed, "{}", e.sentence());
    assert!(e.sentence().contains("snapshots or index files came or went"), "{}", e.sentence());
    assert_eq!(count(), with_backup);

    // Untouched, an hour later: as planned.
    let ready = planned().await.unwrap();
    let kept = place.store().put(ready.plan()).unwrap();
    place.clock.advance(SignedDuration::from_hours(1));
    let stored = place.store().get(&kept).unwrap();
    let leave = Authority::of(&stored, "grace", place.clock.now()).unwrap();
    let ready = again::<Prune>(&copy2, &stored, Arc::new(Silent)).await.unwrap();
    Prune::apply(&copy2, ready, leave.noted_in(&place.store()), Arc::new(Silent)).await.unwrap();
    assert!(count() < with_backup);
    assert_eq!(place.store().applied(&kept).unwrap().unwrap().done, stored.steps.len() as u64);
}

/// Everything that stands in a JSON tree, with something else in its place, one at a time.
fn flipped(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(map) => map
            .iter()
            .flat_map(|(name, inner)| {
                flipped(inner).into_iter().map(|v| {
                    let mut map = map.clone();
                    map.insert(name.clone(), v);
                    Value::Object(map)
                })
            })
            .collect(),
        Value::Array(rows) => (0..rows.len())
            .flat_map(|n| {
                flipped(&rows[n]).into_iter().map(move |v| {
                    let mut rows = rows.clone();
                    rows[n] = v;
                    Value::Array(rows)
                })
            })
            .collect(),
        Value::String(s) => vec![format!("{s}0").into(), s.replacen(['0', 'a'], "1", 1).into()],
        Value::Bool(b) => vec![(!b).into()],
        Value::Number(n) => vec![(n.as_u64().unwrap() + 1).into()],
        Value::Null => vec![json!(0)],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_which_anything_was_edited_is_refused() {
    let place = Place::new(4);
    let (id, _) = place.forget_is_planned().await;
    let (before, store) = (place.snapshots(), place.store());
    let file = place.plans().join(format!("{id}.json"));
    let text = fs::read_to_string(&file).unwrap();
    let whole: Value = serde_json::from_str(&text).unwrap();
    let mut tried = 0;
    for other in flipped(&whole).into_iter().filter(|other| *other != whole) {
        fs::write(&file, other.to_string()).unwrap();
        let e = store.get(&id).err().unwrap_or_else(|| panic!("{other}"));
        assert_eq!(e.kind(), Kind::Refused, "{}", e.sentence());
        assert!(store.list().unwrap()[0].plan.is_err());
        // Under the id that it has now it is a plan of somebody's, and not this one.
        if let Ok(plan) = Record::<Plan>::from_bytes(other.to_string().as_bytes()) {
            assert_ne!(plan.id().unwrap(), id, "{other}");
        }
        tried += 1;
    }
    assert!(tried > 25, "{tried}");
    for bad in [&text[..text.len() / 2], "", "[]", "{}"] {
        fs::write(&file, bad).unwrap();
        refused(store.get(&id), Kind::Refused, "");
    }
    fs::write(&file, &text).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    refused(store.get(&id), Kind::Files, "others can change");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    // Called otherwise, by its digits or by somebody's path.
    assert_eq!(store.find(id.short()).unwrap(), id);
    for none in ["zzzzzzzz", "../../..", "/etc/passwd"] {
        refused(store.find(none), Kind::Request, "no plan begins with");
    }
    // An unset variable of a script names no plan, and neither do digits that another may share.
    for short in ["", &id.as_str()[..7], "zz", "../"] {
        refused(store.find(short), Kind::Request, "at least the first 8 digits");
    }
    assert_eq!(place.snapshots(), before);
    store.get(&id).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_has_its_time() {
    let place = Place::new(4);
    let (id, gone) = place.forget_is_planned().await;
    let plan = place.store().get(&id).unwrap();
    let (at, day) = (plan.asked.at, plan.expires);
    assert_eq!(day.duration_since(at), DAY * 7);
    for (now, says) in [
        (day.checked_add(SignedDuration::from_secs(1)).unwrap(), "could be carried out until"),
        (at.checked_sub(SignedDuration::from_mins(6)).unwrap(), "which has not come"),
    ] {
        refused(Authority::of(&plan, "grace", now), Kind::Refused, says);
    }
    Authority::of(&plan, "grace", at.checked_sub(SignedDuration::from_mins(4)).unwrap()).unwrap();
    // Another school's copy 2 is not the one that it was planned for.
    let hillside = place.school().other("hillside").unwrap();
    made(&hillside, "bbbb");
    let copy2 = hillside.copy2().unwrap();
    let done = applies(&copy2, &place.store(), &id, &place.clock).await;
    refused(done, Kind::Changed, "it is for the tenant aaaa");
    place.clock.advance(DAY * 7);
    place.applies(&id).await.unwrap();
    assert!(place.snapshots().is_disjoint(&gone));
}

/// Somebody is asked, and answers eight days later.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_whose_time_ends_while_somebody_thinks_is_not_carried_out() {
    let place = Place::new(4);
    let (id, _) = place.forget_is_planned().await;
    let (store, copy2, before) = (place.store(), place.copy2(), place.snapshots());
    let plan = store.get(&id).unwrap();
    let leave = Authority::of(&plan, "grace", place.clock.now()).unwrap().noted_in(&store);
    let ready = again::<Forget>(&copy2, &plan, Arc::new(Silent)).await.unwrap();
    place.clock.advance(DAY * 8);
    let done = Forget::apply(&copy2, ready, leave, Arc::new(Silent)).await;
    refused(done, Kind::Refused, "could be carried out until");
    assert_eq!(place.snapshots(), before);
    assert!(store.applied(&id).unwrap().is_none(), "nothing was begun");

    // One that gives itself more time than plans have.
    let mut long = plan.clone();
    long.expires = plan.expires.checked_add(SignedDuration::from_secs(1)).unwrap();
    let long = store.get(&store.put(&long).unwrap()).unwrap();
    let leave = Authority::of(&long, "grace", plan.asked.at);
    refused(leave, Kind::Refused, "longer than plans hold");
}

/// What goes by name is planned again by the same names, and not by the retention.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_named_is_planned_again_by_name() {
    let place = Place::new(3);
    let named = *place.snapshots().first().unwrap();
    let (copy2, store) = (place.copy2(), place.store());
    let request = ForgetRequest::Named { snapshots: vec![named.short()] };
    let ready = Forget::plan(&copy2, request, "ada", Arc::new(Silent)).await.unwrap();
    let id = store.put(ready.plan()).unwrap();
    place.clock.advance(DAY * 8);
    let e = Authority::of(&store.get(&id).unwrap(), "grace", place.clock.now()).err().unwrap();
    let remedy = Remedy::PlanAgain(OperationKind::Forget, vec![named.short()]);
    assert_eq!(e.remedy(), Some(&remedy), "{}", e.sentence());
}

/// A host that lost its power left the note of the end empty: that it was begun is known.
#[tokio::test(flavor = "multi_thread")]
async fn a_note_of_the_end_that_cannot_be_read_leaves_that_of_the_beginning() {
    let place = Place::new(4);
    let (id, _) = place.forget_is_planned().await;
    place.applies(&id).await.unwrap();
    let store = place.store();
    assert!(store.applied(&id).unwrap().unwrap().ended.is_some());
    for bad in ["", "{", "[]"] {
        fs::write(place.plans().join(format!("{id}.ended")), bad).unwrap();
        let applied = store.applied(&id).unwrap().unwrap();
        assert_eq!((applied.by.as_str(), applied.ended), ("grace", None), "{bad:?}");
        refused(store.waits(&id), Kind::Refused, "a plan is carried out once");
    }
    fs::remove_file(place.plans().join(format!("{id}.begun"))).unwrap();
    assert!(store.applied(&id).is_err(), "what cannot be read is not absent");
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_and_their_notes_go_only_into_a_folder_that_is_this_accounts_own() {
    let place = Place::new(4);
    let (id, gone) = place.forget_is_planned().await;
    let (before, store) = (place.snapshots(), place.store());
    let link = place.dir.path().join("state/plans").join(format!("{id}.ended.tmp"));
    std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
    let plan = store.get(&id).unwrap();
    refused(store.put(&plan), Kind::Files, "a link");
    refused(place.applies(&id).await, Kind::Files, "a link");
    assert_eq!(place.snapshots(), before);
    assert!(store.applied(&id).unwrap().is_none());
    fs::remove_file(&link).unwrap();
    // What was open to others is so no more.
    fs::set_permissions(place.plans(), Permissions::from_mode(0o755)).unwrap();
    let state = place.dir.path().join("state");
    fs::set_permissions(&state, Permissions::from_mode(0o755)).unwrap();
    store.put(&plan).unwrap();
    assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o700);
    place.applies(&id).await.unwrap();
    assert!(place.snapshots().is_disjoint(&gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_folder_takes_no_plan_until_some_are_over() {
    let place = Place::new(4);
    let store = place.store();
    let (begun, _) = place.forget_is_planned().await;
    let (over, _) = place.forget_is_planned().await;
    fs::write(place.plans().join(format!("{begun}.begun")), "").unwrap();
    place.clock.advance(DAY * 8);
    for n in 0..9_998 {
        fs::write(place.plans().join(format!("{n:064x}.json")), "{}").unwrap();
    }
    let (newer, _) = place.forget_is_planned().await;
    refused(store.get(&over), Kind::Request, "is kept in");
    // What was begun stays, and so does what cannot be read: nobody knows what it says.
    for kept in [&begun, &newer] {
        store.get(kept).unwrap();
    }
    let plan = store.get(&newer).unwrap();
    let mut another = plan.clone();
    another.nonce = "ff".repeat(16);
    refused(store.put(&another), Kind::Files, "holds 10000 plans");
    assert_eq!(store.list().unwrap().len(), 10_000, "they are listed still");
}
