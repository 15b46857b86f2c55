//! A school on the simulator that is attacked: what a run found is told, whatever becomes of it,
//! and what a host made is missed when it is gone.

use crate::{
    common::{choice, host_at, made, secret},
    tenant::Tenant,
};
use graph_sim::{Fault, Rule, SeedPlan, Sim, ThrottleSettings};
use serde_json::Value;
use sim_transport::{InProcess, VirtualTime};
use std::{
    collections::BTreeSet,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use strongroom_engine::{
    BackupReport,
    restore::{self, RestoreOptions, RestoreReport},
};
use strongroom_graph::{Answering, HttpRequest, Transport};
use strongroom_model::{AlarmKind, Clock, Ending, Silent, decision::Decided};
use strongroom_operations::{
    Copy2, Duty, Error, Host, Identity, School,
    alarms::{self, Acknowledgement, AlarmName, Ends, Listed},
    backup::back_up,
    check::check,
    config::Config,
    decisions,
    plan::{Authority, Operation, guard},
    reviews::{self, Ruling},
    settings::keep_settings,
    status::{Grade, Status, StatusOptions, status},
    upkeep::{Forget, ForgetRequest},
};
use strongroom_repository::{CheckReport, ReadData};

/// One school, whose alarms a program is told.
struct Attacked {
    dir: tempfile::TempDir,
    sim: Sim,
    time: VirtualTime,
    /// Whether copy 2 takes no snapshot any more as soon as something is asked of the tenant.
    fills_up: Arc<AtomicBool>,
}

struct Line {
    sim: InProcess,
    snapshots: PathBuf,
    fills_up: Arc<AtomicBool>,
}

impl Transport for Line {
    fn send(&self, request: HttpRequest) -> Answering<'_> {
        if self.fills_up.swap(false, Ordering::SeqCst) {
            fs::rename(&self.snapshots, self.snapshots.with_extension("aside")).unwrap();
            fs::write(&self.snapshots, "").unwrap();
        }
        self.sim.send(request)
    }
}

impl Attacked {
    fn new() -> Self {
        let settings =
            graph_sim::Settings { throttle: ThrottleSettings::Off, ..Default::default() };
        let sim = Sim::new(settings.for_the_product(), 1, "2027-01-15T08:00:00Z".parse().unwrap());
        let plan = SeedPlan {
            people: Some(4),
            messages_per_mailbox: Some(30),
            scale: 0.6,
            ..SeedPlan::default()
        };
        sim.seed(&plan).unwrap();
        let time = VirtualTime::new(sim.clock().clone());
        let dir = tempfile::tempdir().unwrap();
        let school = Self { dir, sim, time, fills_up: Arc::default() };
        school.written();
        made(&school.school(), &school.school().tenant().tenant_id);
        school
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn written(&self) {
        let told = self.path("told");
        let read = self.sim.credentials(0, "read").unwrap();
        let mut text = format!(
            "cache_dir = \"caches\"\n[nightly]\nalarm_command = [\"/bin/sh\", \"-c\", \
             \"cat >> {}\"]\n[[tenant]]\nname = \"riverside\"\ntenant_id = \"{}\"\n\
             authority = \"https://login.microsoftonline.com/\"\n\
             graph = \"https://graph.microsoft.com/\"\nrepository = \"riverside\"\n",
            told.display(),
            read.tenant_id
        );
        for name in ["read", "write"] {
            let app = self.sim.credentials(0, name).unwrap();
            secret(&self.path(name), &app.secret);
            text.push_str(&format!(
                "[tenant.identities.{name}]\napplication_id = \"{}\"\nsecret_file = \"{name}\"\n",
                app.application_id
            ));
        }
        text.push_str(
            "[[repository]]\nname = \"riverside\"\npath = \"copies/riverside\"\n\
             password_file = \"password\"\n",
        );
        secret(&self.path("password"), "riverside");
        fs::write(self.path("strongroom.toml"), text).unwrap();
        fs::set_permissions(self.path("strongroom.toml"), Permissions::from_mode(0o600)).unwrap();
    }

    fn snapshots(&self) -> PathBuf {
        self.path("copies/riverside/snapshots")
    }

    fn host(&self) -> Arc<Host> {
        let (sim, time, fills_up) = (self.sim.clone(), self.time.clone(), self.fills_up.clone());
        let snapshots = self.snapshots();
        let host = host_at(Arc::new(self.time.clone()));
        Arc::new(Host {
            through: Some(Arc::new(move |_| {
                let sim = InProcess::new(sim.clone(), time.clone());
                let (snapshots, fills_up) = (snapshots.clone(), fills_up.clone());
                Arc::new(Line { sim, snapshots, fills_up })
            })),
            ..Host::clone(&host)
        })
    }

    /// The school as another process finds it.
    fn school(&self) -> School {
        let host = self.host();
        let file = self.path("strongroom.toml");
        let config = Arc::new(Config::read(&file, &host.accounts).unwrap());
        School::chosen(&config, &host, &choice("riverside")).unwrap()
    }

    fn copy2(&self) -> Copy2 {
        self.school().copy2().unwrap()
    }

    /// An hour later, as the command does it.
    fn runs(&self) -> Result<BackupReport, Error> {
        self.sim.clock().advance(Duration::from_secs(3600));
        let school = self.school();
        let attempt = school.begin(Duty::Backup);
        let of = school.clone();
        let done = self.time.run(async move {
            let repo = of.repository().await?;
            let decided = decisions::counted(&of)?.decisions;
            back_up(&of, repo, Vec::new(), &decided, Arc::new(Silent)).await
        });
        match &done {
            Ok(report) => attempt.backed_up(report),
            Err(e) => attempt.failed(e.kind().ending(), &e.sentence()),
        }
        done
    }

    fn backed_up(&self) -> BackupReport {
        self.runs().unwrap()
    }

    /// A backup that sees all and can keep none of it.
    fn fails(&self) -> Error {
        self.fills_up.store(true, Ordering::SeqCst);
        let e = self.runs().expect_err("copy 2 takes no snapshot");
        fs::remove_file(self.snapshots()).unwrap();
        fs::rename(self.snapshots().with_extension("aside"), self.snapshots()).unwrap();
        e
    }

    fn checked(&self) -> CheckReport {
        let copy2 = self.copy2();
        self.time.run(async move { check(&copy2, ReadData::None, Arc::new(Silent)).await.unwrap() })
    }

    /// What the program was told: kinds, in their order.
    fn told(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("told")).unwrap_or_default();
        let lines = text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
        lines.map(|l| l["kind"].as_str().unwrap().to_owned()).collect()
    }

    fn told_of(&self, kind: &str) -> usize {
        self.told().iter().filter(|told| *told == kind).count()
    }

    /// What `status` calls an alarm.
    fn stands(&self, offline: bool) -> Vec<String> {
        let (school, now) = (self.school(), self.time.now());
        let question = StatusOptions { offline, ..StatusOptions::default() };
        let found = self.time.run(async move { status(&[school], question, now).await });
        let graves = found.schools[0].findings.iter().filter(|f| f.grade == Grade::Alarm);
        let mut all: Vec<_> =
            graves.filter_map(|f| f.about.strip_prefix("alarm ").map(str::to_owned)).collect();
        all.sort();
        all
    }

    fn acknowledges(&self, kind: &str) {
        let (school, name) = (self.school(), kind.parse::<AlarmName>().unwrap());
        self.time.run(async move {
            let found = alarms::look(&school).await.unwrap();
            let said = Acknowledgement { by: "ada", reason: "seen", until: None, key_file: None };
            alarms::acknowledge(&school, &found, &[name], said).unwrap();
        });
    }

    /// The newest clean version of everything, in place, as the command does it.
    fn restores(&self) -> RestoreReport {
        let school = self.school();
        let options = RestoreOptions {
            under: String::new(),
            clean: true,
            snapshot: None,
            tenant: Some("riverside".to_owned()),
            into: restore::Into::InPlace,
            users: Default::default(),
            addresses: Default::default(),
            versions: true,
            to_other_tenant: false,
        };
        self.time.run(async move {
            let repo = school.repository().await.unwrap();
            let client = school.client(Identity::Write).unwrap();
            let (of, silent) = (client.clone(), Arc::new(Silent));
            let plan = restore::plan(repo.clone(), of, options.clone(), silent.clone()).await;
            let plan = plan.unwrap();
            school.notes_removed(&plan.removes());
            restore::apply(repo, client, options, plan, silent).await.unwrap()
        })
    }

    fn all_snapshots_go(&self) {
        for file in fs::read_dir(self.snapshots()).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
    }

    fn forgets(&self, snapshot: &str) {
        let (copy2, now) = (self.copy2(), self.time.now());
        let request = ForgetRequest::Named { snapshots: vec![snapshot.to_owned()] };
        self.time.run(async move {
            let ready = Forget::plan(&copy2, request, "ada", Arc::new(Silent)).await.unwrap();
            let leave = Authority::of(ready.plan(), "ada", now).unwrap();
            let ready = guard::<Forget>(&copy2, ready).await.unwrap();
            Forget::apply(&copy2, ready, leave, Arc::new(Silent)).await.unwrap();
        });
    }
}

fn kinds(report: &BackupReport) -> Vec<&'static str> {
    report.alarms.iter().map(|a| a.kind.as_str()).collect()
}

const GONE: &str = "snapshot-gone";

#[test]
fn a_first_backup_where_one_was_made_before_is_no_new_school() {
    let school = Attacked::new();
    let first = school.backed_up();
    assert_eq!(kinds(&first), [""; 0], "a new school is none that lost anything");
    school.backed_up();
    assert!(school.checked().problems.is_empty());
    // Who has the credentials of copy 2 takes all snapshots away.
    school.all_snapshots_go();
    let problems = school.checked().problems;
    assert!(problems.iter().any(|p| p.as_str().contains("is not in copy 2 any more")));
    assert_eq!(school.stands(false), [GONE]);
    let report = school.backed_up();
    assert_eq!(kinds(&report), [GONE], "{:?}", report.alarms);
    assert_eq!((report.ending(), school.told_of(GONE)), (Ending::Alarm, 1));
    assert!(report.alarms[0].kind.is_of_data());
    assert!(!school.checked().problems.is_empty(), "what is left is not all");
    // It stands, and is told no second time.
    let report = school.backed_up();
    assert_eq!((kinds(&report), report.is_clean()), (vec![], false));
    assert_eq!((school.stands(false), school.told_of(GONE)), (vec![GONE.to_owned()], 1));
    school.acknowledges(GONE);
    assert!(school.backed_up().is_clean());
    assert!(school.checked().problems.is_empty());

    // With it went what stood: its kind is what this host knows of it.
    school.sim.attack(0, "purge-mailboxes", 5).unwrap();
    assert!(kinds(&school.backed_up()).contains(&"mailbox-purge"));
    school.all_snapshots_go();
    let report = school.backed_up();
    let gone = report.alarms.iter().find(|a| a.kind == AlarmKind::SnapshotGone).unwrap();
    assert!(gone.text.as_str().contains("it told of mailbox-purge"), "{:?}", gone.text);
}

#[test]
fn what_goes_by_our_own_hand_is_missed_by_nobody() {
    let school = Attacked::new();
    school.backed_up();
    let newest = school.backed_up().snapshot.unwrap();
    // The newest one, which this host noted.
    school.forgets(&newest);
    assert_eq!((school.stands(false), school.checked().problems.len()), (vec![], 0));
    assert_eq!(kinds(&school.backed_up()), [""; 0]);
    // A host that knows of none before.
    fs::rename(school.path("state"), school.path("away")).unwrap();
    assert_eq!(kinds(&school.backed_up()), [""; 0]);
    assert!(school.checked().problems.is_empty());
    // Copy 2 elsewhere: whole, under another name.
    let text = fs::read_to_string(school.path("strongroom.toml")).unwrap();
    secret(&school.path("strongroom.toml"), &text.replace("copies/riverside", "moved"));
    fs::rename(school.path("copies/riverside"), school.path("moved")).unwrap();
    assert_eq!(kinds(&school.backed_up()), [""; 0]);
    fs::rename(school.path("moved"), school.path("copies/riverside")).unwrap();
    secret(&school.path("strongroom.toml"), &text);
    // One that is made anew, as somebody says in so many words.
    fs::rename(school.path("copies/riverside"), school.path("lost")).unwrap();
    made(&school.school(), &school.school().tenant().tenant_id);
    school.copy2().keeps_only(&[]);
    assert_eq!(kinds(&school.backed_up()), [""; 0]);
    // And one of which nobody says so is told.
    fs::remove_dir_all(school.path("copies/riverside")).unwrap();
    made(&school.school(), &school.school().tenant().tenant_id);
    assert_eq!(kinds(&school.backed_up()), [GONE]);
}

#[test]
fn what_a_run_found_that_failed_is_told_once_and_counted_by_the_next() {
    let school = Attacked::new();
    school.backed_up();
    school.backed_up();
    school.sim.attack(0, "encrypt-fast", 9).unwrap();
    let e = school.fails();
    assert_eq!(school.told_of("encryption"), 4, "{}, {:?}", e.sentence(), school.told());
    for offline in [false, true] {
        let stands = school.stands(offline);
        assert!(stands.contains(&"encryption".to_owned()), "{stands:?}");
    }
    // Told once, however often it fails.
    school.fails();
    assert_eq!(school.told_of("encryption"), 4);
    let report = school.backed_up();
    assert!(kinds(&report).contains(&"encryption") && !report.is_clean());
    assert_eq!(school.told_of("encryption"), 4, "{:?}", school.told());
    assert_eq!(school.told_of("rename-storm"), 4);
    let stands = school.stands(false);
    assert_eq!(stands.iter().filter(|kind| *kind == "encryption").count(), 1, "{stands:?}");
}

#[test]
fn what_a_restore_of_ours_did_is_no_attack_and_an_attack_on_the_same_items_is() {
    // Seen by a backup before it was restored, and not.
    for is_seen in [true, false] {
        let school = Attacked::new();
        school.backed_up();
        school.backed_up();
        school.sim.attack(0, "encrypt-fast", 9).unwrap();
        if is_seen {
            school.backed_up();
            let stands = school.stands(false);
            assert_eq!(stands, ["encryption", "ransom-notes", "rename-storm"]);
        }
        let report = school.restores();
        assert_eq!(report.failed, 0, "{:#?}", report.items);
        if is_seen {
            for kind in ["encryption", "ransom-notes", "rename-storm"] {
                school.acknowledges(kind);
            }
        }
        let report = school.backed_up();
        // Notes that no backup had seen are removed by no restore, and are told now; what was
        // brought back is not.
        let only = |kind: &str| !is_seen && kind == "ransom-notes";
        assert!(kinds(&report).iter().all(|kind| only(kind)), "{:#?}", report.alarms);
        assert_eq!(report.is_clean(), is_seen);
        // The same attack on what was just brought back.
        school.sim.attack(0, "encrypt-fast", 11).unwrap();
        school.backed_up();
        school.restores();
        school.sim.attack(0, "encrypt-fast", 12).unwrap();
        let kinds = kinds(&school.backed_up()).into_iter().collect::<BTreeSet<_>>();
        for kind in ["encryption", "ransom-notes"] {
            assert!(kinds.contains(kind), "seen {is_seen}: {kinds:?}");
        }
    }
}

/// What `status` calls an alarm is listed, with how it ends, and what nobody was shown is not
/// acknowledged.
#[test]
fn all_alarms_are_listed_and_what_came_since_is_not_closed_unseen() {
    let school = Attacked::new();
    school.backed_up();
    school.backed_up();
    let listed = || {
        let of = school.school();
        school.time.run(async move { alarms::list(&of).await.unwrap() })
    };
    let how = |found: &Listed| -> Vec<(String, Ends)> {
        found.alarms.iter().map(|a| (a.kind.clone(), a.ends)).collect()
    };
    let shown = |kind: &str| {
        let (of, names) = (school.school(), [kind.parse::<AlarmName>().unwrap()]);
        school.time.run(async move {
            let found = alarms::look(&of).await.unwrap();
            alarms::as_shown(&of, &found, &names)
        })
    };
    // Access that is lost: told by a tag alone until now, and not whose.
    let denied = Fault::Status { status: 403, retry_after_s: None };
    school.sim.set_faults(vec![Rule::new(denied, "/mailFolders")]);
    school.backed_up();
    school.sim.set_faults(Vec::new());
    let stands = school.stands(false);
    assert!(!stands.is_empty() && stands.iter().all(|k| k == "permissions-narrowed"), "{stands:?}");
    let found = listed();
    let narrowed = ("permissions-narrowed".to_owned(), Ends::Backup);
    assert!(how(&found).iter().all(|how| *how == narrowed), "{:?}", found.alarms);
    assert!(!found.alarms.is_empty());
    assert!(found.alarms[0].text.as_str().contains('@'), "{:?}", found.alarms);
    assert_eq!(found.ending(), Ending::Alarm);
    let said = Acknowledgement { by: "ada", reason: "x", until: None, key_file: None };
    let name = ["permissions-narrowed".parse().unwrap()];
    let e = alarms::acknowledge(&school.school(), &found, &name, said).unwrap_err();
    assert!(e.sentence().contains("mended"), "{}", e.sentence());
    // Damage, and what a run found that failed.
    let mut report = CheckReport::default();
    report.problems.push("a pack is gone".into());
    school.school().begin(Duty::Check).checked(&report, ReadData::All);
    school.sim.attack(0, "purge-mailboxes", 5).unwrap();
    school.fails();
    let kinds = how(&listed());
    for wanted in [("damage", Ends::Check), ("mailbox-purge", Ends::Backup)] {
        let wanted = (wanted.0.to_owned(), wanted.1);
        assert!(kinds.contains(&wanted), "{kinds:?}");
    }
    let named: BTreeSet<String> = kinds.into_iter().map(|(kind, _)| kind).collect();
    let stands: BTreeSet<String> = school.stands(false).into_iter().collect();
    assert_eq!(named, stands, "one list and the other");
    // It is in a snapshot now; nobody was shown it so.
    school.backed_up();
    assert!(shown("mailbox-purge").unwrap_err().sentence().contains("nobody was shown it so"));
    listed();
    shown("mailbox-purge").unwrap();
    // Raised again since.
    school.sim.attack(0, "encrypt-fast", 3).unwrap();
    school.backed_up();
    shown("mailbox-purge").unwrap();
    shown("encryption").unwrap_err();
    fs::write(school.path("state/riverside/listed.json"), "?").unwrap();
    shown("mailbox-purge").unwrap_err();
}

/// Grave changes of the tenant's settings are told by `status` until somebody decides.
#[test]
fn grave_changes_of_settings_are_findings_until_somebody_decides() {
    let tenant = Tenant::new();
    let keep = || {
        tenant.an_hour_passes();
        let school = tenant.school();
        tenant
            .time
            .run(async move { keep_settings(&school, false, Arc::new(Silent)).await.unwrap() })
    };
    let look = || {
        let (school, now) = (tenant.school(), tenant.time.now());
        let question = StatusOptions { offline: true, ..StatusOptions::default() };
        tenant.time.run(async move { status(&[school], question, now).await })
    };
    let graves = |status: &Status| -> Vec<(Grade, String)> {
        let of = |about: &str| about == "alarm changed" || about == "changes of settings";
        let found = status.schools[0].findings.iter().filter(|f| of(&f.about));
        found.map(|f| (f.grade, f.text.clone())).collect()
    };
    keep();
    assert_eq!(graves(&look()), []);
    tenant.is_attacked(&["guest-invites", "ca-off"]);
    keep();
    let found = look();
    let told = graves(&found);
    assert!(told.len() >= 2 && told[0].0 == Grade::Alarm, "{told:?}");
    assert!(told[0].1.starts_with("critical change of settings"), "{told:?}");
    assert!(told.is_sorted_by(|a, b| a.0 >= b.0), "{told:?}");
    assert_eq!(found.ending(Some(Grade::Alarm)), Ending::Alarm);
    let rows = found.schools[0].alarms.as_ref().unwrap();
    assert!(rows.iter().any(|a| a.kind == "changed" && a.open && a.subject.is_some()));
    // Somebody decides, and the settings are not read again before it shows.
    let school = tenant.school();
    tenant.time.run(async move {
        let queue = reviews::queue(&school, reviews::DAYS).await.unwrap();
        let all: Vec<_> = queue.changes.iter().filter(|w| w.waits()).collect();
        let (decided, by, reason) = (Decided::Accepted, "ada", "ours");
        let ruling = Ruling { decided, by, reason, until: None, key_file: None };
        reviews::decide(&school, &all, &ruling).unwrap();
    });
    assert_eq!(graves(&look()), []);
    // A note that is damaged says nothing of the kind.
    fs::write(tenant.dir.path().join("state/riverside/changes.json"), "?").unwrap();
    assert_eq!(graves(&look())[0].0, Grade::Unknown);
}
