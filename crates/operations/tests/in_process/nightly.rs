//! The night of three schools on the simulator: what is wrong with one stops no other, and nothing
//! is called done that was not.

use crate::common::{host_at, made, secret};
use graph_sim::{Fault, Rule, SeedPlan, Sim, ThrottleSettings};
use sim_transport::{InProcess, VirtualTime};
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use strongroom_graph::{Answering, HttpRequest, Transport, TransportError};
use strongroom_model::{Clock, Ending, Series, Silent};
use strongroom_operations::{
    Choice, Host, School, Stop,
    config::{Apart, Config},
    nightly::{Chosen, Night, SchoolNight, State, Step, StepRow, choose, gravity, nightly},
    plan::{Authority, Operation, PlanStore, again},
    upkeep::Forget,
};

const NAMES: [&str; 3] = ["riverside", "hillside", "lakeside"];
/// The one with which something is wrong.
const BROKEN: &str = "hillside";

/// From one night to the next; a little more, so that two nights are more than two days.
const DAY: Duration = Duration::from_secs(25 * 3_600);

struct Schools {
    dir: tempfile::TempDir,
    sim: Sim,
    time: VirtualTime,
    /// Whether the tenant of the broken one answers nobody, and whether asking it is a defect.
    is_down: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
}

/// What the broken school's requests go through.
struct Line {
    sim: InProcess,
    tenant_id: String,
    is_down: Arc<AtomicBool>,
}

impl Transport for Line {
    fn send(&self, request: HttpRequest) -> Answering<'_> {
        // Signing in names the tenant; without a token nothing else is asked.
        let is_theirs = request.url.path().contains(&self.tenant_id);
        if is_theirs && self.is_down.load(Ordering::SeqCst) {
            let text = "the connection failed: nobody is there".to_owned();
            return Box::pin(async { Err(TransportError { text, sent: false }) });
        }
        self.sim.send(request)
    }
}

impl Schools {
    fn new(nightly: &str) -> Self {
        let settings =
            graph_sim::Settings { throttle: ThrottleSettings::Off, ..Default::default() };
        let sim = Sim::new(settings.for_the_product(), 1, "2027-01-15T01:00:00Z".parse().unwrap());
        for _ in NAMES {
            let plan = SeedPlan {
                people: Some(3),
                messages_per_mailbox: Some(4),
                scale: 0.2,
                ..SeedPlan::default()
            };
            sim.seed(&plan).unwrap();
        }
        let time = VirtualTime::new(sim.clock().clone());
        let dir = tempfile::tempdir().unwrap();
        let schools = Self { dir, sim, time, is_down: Arc::default(), panics: Arc::default() };
        schools.write(nightly);
        for school in School::all(&schools.whole(), &schools.host(), &Choice::default()) {
            made(&school, &school.tenant().tenant_id);
        }
        schools
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, nightly: &str) {
        let mut text = format!("cache_dir = \"caches\"\n[nightly]\ncheck_nights = 3\n{nightly}\n");
        for (n, name) in NAMES.iter().enumerate() {
            let app = self.sim.credentials(n, "read").unwrap();
            secret(&self.path(&format!("{name}.read")), &app.secret);
            secret(&self.path(&format!("{name}.password")), name);
            text.push_str(&format!(
                "[[tenant]]\nname = \"{name}\"\ntenant_id = \"{}\"\nlabels = [\"all\", \"n{n}\"]\n\
                 authority = \"https://login.microsoftonline.com/\"\n\
                 graph = \"https://graph.microsoft.com/\"\nrepository = \"{name}\"\n\
                 [tenant.backup]\ntries = 2\n\
                 [tenant.identities.read]\napplication_id = \"{}\"\nsecret_file = \"{name}.read\"\n\
                 [[repository]]\nname = \"{name}\"\npath = \"copies/{name}\"\n\
                 password_file = \"{name}.password\"\n[repository.retention]\ndaily = 2\n",
                app.tenant_id, app.application_id
            ));
        }
        self.write_text(&text);
    }

    fn write_text(&self, text: &str) {
        fs::write(self.path("strongroom.toml"), text).unwrap();
        let mode = Permissions::from_mode(0o600);
        fs::set_permissions(self.path("strongroom.toml"), mode).unwrap();
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path("strongroom.toml")).unwrap()
    }

    fn host(&self) -> Arc<Host> {
        let (sim, time) = (self.sim.clone(), self.time.clone());
        let (is_down, panics) = (self.is_down.clone(), self.panics.clone());
        let tenant_id = self.sim.credentials(1, "read").unwrap().tenant_id;
        let host = host_at(Arc::new(self.time.clone()));
        Arc::new(Host {
            through: Some(Arc::new(move |_| {
                assert!(!panics.load(Ordering::SeqCst), "a defect");
                let sim = InProcess::new(sim.clone(), time.clone());
                Arc::new(Line { sim, tenant_id: tenant_id.clone(), is_down: is_down.clone() })
            })),
            ..Host::clone(&host)
        })
    }

    fn whole(&self) -> Arc<Config> {
        let host = self.host();
        let file = self.path("strongroom.toml");
        Arc::new(Config::read(&file, &host.accounts).unwrap())
    }

    fn apart(&self) -> Apart {
        Config::read_apart(&self.path("strongroom.toml"), &self.host().accounts).unwrap()
    }

    fn school(&self, name: &str) -> School {
        let choice = Choice { tenant: Some(name.to_owned()), ..Choice::default() };
        School::chosen(&self.whole(), &self.host(), &choice).unwrap()
    }

    fn chosen(&self) -> Vec<Chosen> {
        choose(&self.apart(), &self.host(), &Choice::default(), &[], &[]).unwrap()
    }

    /// A night of all, a day after the one before.
    fn night(&self) -> Night {
        self.sim.clock().advance(DAY);
        self.night_of(self.chosen(), &self.host(), 2)
    }

    fn night_of(&self, chosen: Vec<Chosen>, host: &Arc<Host>, jobs: usize) -> Night {
        let host = host.clone();
        self.time.run(async move { nightly(chosen, Vec::new(), jobs, &host, &|_| {}).await })
    }

    fn snapshots(&self, name: &str) -> usize {
        fs::read_dir(self.path(&format!("copies/{name}/snapshots"))).map_or(0, Iterator::count)
    }
}

fn of<'n>(night: &'n Night, name: &str) -> &'n SchoolNight {
    night.schools.iter().find(|s| s.school == name).unwrap()
}

fn step<'n>(night: &'n Night, name: &str, step: Step) -> &'n StepRow {
    of(night, name).step(step).unwrap_or_else(|| panic!("{:#?}", of(night, name)))
}

/// A school for which all was done.
fn assert_done(night: &Night, name: &str) {
    let school = of(night, name);
    for done in [Step::Settings, Step::Backup, Step::Check, Step::Retention] {
        let row = step(night, name, done);
        assert_eq!(row.state, State::Done, "{name}: {row:#?}");
        let is_well = matches!(row.ending, Ending::Done | Ending::Partial);
        assert!(is_well, "{name}: {row:#?}");
    }
    assert_eq!(step(night, name, Step::Replicate).state, State::Off);
    assert!(school.why.is_none() && school.is_begun(), "{school:#?}");
    assert_eq!(school.alarms.as_ref().map(Vec::len), Some(0), "{school:#?}");
}

fn assert_others_done(night: &Night) {
    NAMES.iter().filter(|name| **name != BROKEN).for_each(|name| assert_done(night, name));
}

#[test]
fn a_night_does_what_is_owed_and_each_part_of_the_check_has_its_turn() {
    let schools = Schools::new("");
    let mut nights = Vec::new();
    for n in 0..5 {
        if n == 2 {
            // Nights that are missed are no parts that are missed.
            schools.sim.clock().advance(8 * DAY);
        }
        let night = schools.night();
        NAMES.iter().for_each(|name| assert_done(&night, name));
        nights.push(night);
    }
    for name in NAMES {
        let parts: Vec<u8> =
            nights.iter().map(|n| step(n, name, Step::Check).part.unwrap().part).collect();
        assert_eq!(parts, [1, 2, 3, 1, 2], "{name}");
        let read: u64 = nights[..3].iter().filter_map(|n| step(n, name, Step::Check).bytes).sum();
        assert!(read > 0, "{name}");
        let removed: Vec<u64> =
            nights.iter().map(|n| step(n, name, Step::Retention).removed.unwrap()).collect();
        assert!(removed[..2] == [0, 0] && removed[2..].iter().all(|n| *n > 0), "{removed:?}");
    }
    // What a program reads.
    let value = serde_json::to_value(&nights[4]).unwrap();
    assert_eq!(value["schools"].as_array().unwrap().len(), 3);
    let row = &value["schools"][0]["steps"][3];
    assert_eq!((&row["step"], &row["part"]["of"]), (&"check".into(), &3.into()), "{row}");
    assert_eq!(value["code"], nights[4].ending.code());
}

/// A night in which something is wrong with one school: the others are done, and of that one
/// nothing is let go.
fn assert_only_one_is_broken(schools: &Schools, means: &str) -> Night {
    let before =
        schools.path(&format!("copies/{BROKEN}")).exists().then(|| schools.snapshots(BROKEN));
    let night = schools.night();
    assert_others_done(&night);
    let school = of(&night, BROKEN);
    assert!(gravity(school.ending) > gravity(Ending::Partial), "{means}: {school:#?}");
    assert_eq!(night.ending, school.ending, "{means}: the gravest of all");
    assert_eq!(night.schools[0].school, BROKEN, "{means}: what matters comes first");
    if let Some(row) = school.step(Step::Retention) {
        assert_ne!(row.state, State::Done, "{means}: {row:#?}");
    }
    if let Some(before) = before {
        assert!(schools.snapshots(BROKEN) >= before, "{means}");
    }
    night
}

#[test]
fn a_school_that_is_broken_by_whatever_means_stops_no_other() {
    let schools = Schools::new("");
    for _ in 0..3 {
        let night = schools.night();
        NAMES.iter().for_each(|name| assert_done(&night, name));
    }
    let text = schools.text();

    // Its entry is wrong: in a word that nobody knows, and in what it says.
    let id = schools.school(BROKEN).tenant().tenant_id.clone();
    for (good, bad) in [
        (format!("tenant_id = \"{id}\""), format!("tenent_id = \"{id}\"")),
        (format!("tenant_id = \"{id}\""), "tenant_id = \"../x\"".to_owned()),
        ("path = \"copies/hillside\"".to_owned(), "path = 7".to_owned()),
        ("path = \"copies/hillside\"".to_owned(), String::new()),
    ] {
        assert!(text.contains(&good));
        schools.write_text(&text.replace(&good, &bad));
        let host = schools.host();
        Config::read(&schools.path("strongroom.toml"), &host.accounts).unwrap_err();
        let night = assert_only_one_is_broken(&schools, &bad);
        let school = of(&night, BROKEN);
        assert!(!school.is_begun() && school.steps.is_empty(), "{school:#?}");
        assert_eq!(school.ending, Ending::Failed);
        assert!(school.why.as_ref().unwrap().contains(BROKEN), "{:?}", school.why);
    }
    schools.write_text(&text);

    // Its password is another; its copy is not there.
    let password = schools.path(&format!("{BROKEN}.password"));
    secret(&password, "another");
    let night = assert_only_one_is_broken(&schools, "password");
    assert_eq!(of(&night, BROKEN).ending, Ending::WrongKey);
    secret(&password, BROKEN);
    let (copy, away) = (schools.path(&format!("copies/{BROKEN}")), schools.path("away"));
    fs::rename(&copy, &away).unwrap();
    let night = assert_only_one_is_broken(&schools, "no copy");
    assert_eq!(of(&night, BROKEN).ending, Ending::NoRepository);
    assert_eq!(of(&night, BROKEN).alarms, None, "nobody knows");
    fs::rename(&away, &copy).unwrap();

    // Somebody writes to it, from elsewhere.
    {
        let choice = Choice {
            tenant: Some(BROKEN.to_owned()),
            cache_dir: Some(schools.path("caches-elsewhere")),
            ..Choice::default()
        };
        let elsewhere = School::chosen(&schools.whole(), &schools.host(), &choice).unwrap();
        let repo = schools.time.run({
            let elsewhere = elsewhere.clone();
            async move { elsewhere.repository().await.unwrap() }
        });
        let cache = elsewhere.cache().unwrap();
        schools.sim.clock().advance(DAY);
        let _lock = repo.lock_for_writing(&Series::DATA, &cache, elsewhere.now()).unwrap();
        let night = schools.night_of(schools.chosen(), &schools.host(), 3);
        assert_others_done(&night);
        let row = step(&night, BROKEN, Step::Backup);
        assert_eq!((row.state, row.ending), (State::Failed, Ending::Locked), "{row:#?}");
        assert_eq!(step(&night, BROKEN, Step::Settings).state, State::Done, "another series");
        assert_eq!(step(&night, BROKEN, Step::Check).state, State::Done);
        assert_eq!(step(&night, BROKEN, Step::Retention).state, State::Held);
        assert_eq!(night.ending, Ending::Locked);
    }

    // Its tenant does not answer; its copy is looked at all the same.
    schools.is_down.store(true, Ordering::SeqCst);
    let night = assert_only_one_is_broken(&schools, "tenant");
    for tried in [Step::Settings, Step::Backup] {
        assert_eq!(step(&night, BROKEN, tried).state, State::Failed, "{night:#?}");
    }
    assert_eq!(step(&night, BROKEN, Step::Check).state, State::Done);
    schools.is_down.store(false, Ordering::SeqCst);

    // What this program itself gets wrong.
    schools.panics.store(true, Ordering::SeqCst);
    let defective = schools.host();
    schools.sim.clock().advance(DAY);
    let chosen = schools.chosen().into_iter().map(|c| match c {
        Chosen::School(s) if s.name() == BROKEN => Chosen::School(School::of(
            s.tenant().clone(),
            &schools.whole(),
            &defective,
            &Choice { tenant: Some(BROKEN.to_owned()), ..Choice::default() },
        )),
        Chosen::School(s) => {
            let sound = Schools { panics: Arc::default(), ..schools.beside() };
            let choice = Choice { tenant: Some(s.name().to_owned()), ..Choice::default() };
            Chosen::School(School::of(s.tenant().clone(), &schools.whole(), &sound.host(), &choice))
        }
        refused => refused,
    });
    let night = schools.night_of(chosen.collect(), &defective, 2);
    assert_others_done(&night);
    let row = step(&night, BROKEN, Step::Backup);
    assert_eq!((row.state, row.ending), (State::Failed, Ending::Failed), "{row:#?}");
    assert!(row.text.contains("defect") && row.text.contains("a defect"), "{}", row.text);
    assert_eq!(step(&night, BROKEN, Step::Check).state, State::Done);
    assert_eq!(step(&night, BROKEN, Step::Retention).state, State::Held);
    schools.panics.store(false, Ordering::SeqCst);

    // An alarm: what would go stays.
    schools.sim.attack(1, "encrypt-fast", 9).unwrap();
    let before = schools.snapshots(BROKEN);
    let night = assert_only_one_is_broken(&schools, "attack");
    assert_eq!(night.ending, Ending::Alarm);
    let row = step(&night, BROKEN, Step::Backup);
    assert_eq!((row.state, row.ending), (State::Done, Ending::Alarm), "{row:#?}");
    assert_eq!(step(&night, BROKEN, Step::Retention).state, State::Held);
    assert_eq!(step(&night, BROKEN, Step::Check).state, State::Done, "it goes on");
    assert!(schools.snapshots(BROKEN) > before, "nothing went");
    assert!(!of(&night, BROKEN).alarms.as_ref().unwrap().is_empty());
}

impl Schools {
    /// The same schools, for a host of another kind.
    fn beside(&self) -> Schools {
        Schools {
            dir: tempfile::tempdir().unwrap(),
            sim: self.sim.clone(),
            time: self.time.clone(),
            is_down: self.is_down.clone(),
            panics: self.panics.clone(),
        }
    }

    /// The largest pack of the broken school, which holds what people wrote, and the part of three
    /// that it is in.
    fn pack(&self) -> (PathBuf, u8) {
        let dirs = fs::read_dir(self.path(&format!("copies/{BROKEN}/data"))).unwrap();
        let files = dirs.flat_map(|dir| fs::read_dir(dir.unwrap().path()).unwrap());
        let all = files.map(|file| file.unwrap().path());
        let pack = all.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
        let name = pack.file_name().unwrap().to_str().unwrap();
        let part = u8::from_str_radix(&name[..2], 16).unwrap() % 3 + 1;
        (pack, part)
    }
}

#[test]
fn damage_stands_until_its_own_part_is_sound_again() {
    let schools = Schools::new("");
    schools.night();
    schools.write("without = [\"settings\", \"backup\"]");
    let (pack, part) = schools.pack();
    let whole = fs::read(&pack).unwrap();
    let mut rotten = whole.clone();
    rotten[5] ^= 0x40;
    fs::set_permissions(&pack, Permissions::from_mode(0o600)).unwrap();
    fs::write(&pack, rotten).unwrap();
    // The night before read the first part.
    let mut next = 2;
    while next != part {
        let night = schools.night();
        let row = step(&night, BROKEN, Step::Check);
        assert_eq!((row.part.unwrap().part, row.ending), (next, Ending::Done), "{row:#?}");
        next = next % 3 + 1;
    }
    let night = assert_only_alarm(&schools, part);
    // That this host owes less than before is told in the first night after it, whichever part has
    // its turn in that one.
    let mut damage = of(&night, BROKEN).alarms.clone().unwrap();
    damage.retain(|a| a.kind != "weakened");
    let is_damage = damage.iter().all(|a| a.kind == "damage") && !damage.is_empty();
    assert!(is_damage, "part {part}: {damage:#?}");
    // It is mended, and nobody looked yet.
    fs::write(&pack, &whole).unwrap();
    for other in [part % 3 + 1, (part + 1) % 3 + 1] {
        let night = assert_only_alarm(&schools, other);
        assert_eq!(of(&night, BROKEN).alarms.as_ref(), Some(&damage), "it stands");
        assert!(step(&night, BROKEN, Step::Check).text.contains("found before"), "{night:#?}");
    }
    let night = schools.night();
    let row = step(&night, BROKEN, Step::Check);
    assert_eq!((row.part.unwrap().part, row.ending), (part, Ending::Done), "{row:#?}");
    assert_eq!(of(&night, BROKEN).alarms.as_ref().map(Vec::len), Some(0));
}

/// Only the broken school has an alarm, of its check of this part; and it keeps what it has.
fn assert_only_alarm(schools: &Schools, part: u8) -> Night {
    let night = schools.night();
    let row = step(&night, BROKEN, Step::Check);
    assert_eq!((row.part.unwrap().part, row.ending), (part, Ending::Alarm), "{row:#?}");
    assert_eq!(step(&night, BROKEN, Step::Retention).state, State::Held);
    assert_eq!(step(&night, BROKEN, Step::Backup).state, State::Elsewhere);
    assert_eq!(step(&night, "lakeside", Step::Check).ending, Ending::Done);
    assert_eq!(night.ending, Ending::Alarm);
    night
}

#[test]
fn a_part_that_cannot_be_remembered_is_not_read_for_ever_as_if_all_were_well() {
    let schools = Schools::new("");
    schools.night();
    // Somebody put something there.
    let planted = schools.path(&format!("state/{BROKEN}/planted"));
    std::os::unix::fs::symlink("/dev/null", &planted).unwrap();
    for _ in 0..2 {
        let night = schools.night();
        assert_others_done(&night);
        let row = step(&night, BROKEN, Step::Check);
        assert_eq!((row.state, row.ending), (State::Failed, Ending::Failed), "{row:#?}");
        assert!(row.text.contains("planted"), "{}", row.text);
        assert_eq!(step(&night, BROKEN, Step::Backup).state, State::Done);
    }
    fs::remove_file(planted).unwrap();
    let night = schools.night();
    assert_eq!(step(&night, BROKEN, Step::Check).part.unwrap().part, 2);
}

#[test]
fn where_somebody_has_to_agree_one_plan_waits() {
    let schools = Schools::new("retention = \"plan\"");
    let nights: Vec<Night> = (0..4).map(|_| schools.night()).collect();
    let rows: Vec<&StepRow> = nights.iter().map(|n| step(n, BROKEN, Step::Retention)).collect();
    assert_eq!(rows[1].state, State::Done, "{:#?}", rows[1]);
    for row in &rows[2..] {
        assert_eq!((row.state, row.ending), (State::Waits, Ending::Partial), "{row:#?}");
        assert!(row.removed.is_none() && row.text.contains("waits"), "{row:#?}");
    }
    assert_eq!(rows[2].plan, rows[3].plan, "a plan a night helps nobody");
    let host = schools.host();
    let store = PlanStore::of(&schools.whole(), &host.accounts);
    assert_eq!(store.list().unwrap().len(), 3, "one a school");
    let before = schools.snapshots(BROKEN);
    // Somebody carries it out.
    let id = store.find(&rows[2].plan.clone().unwrap()[..8]).unwrap();
    let copy2 = schools.school(BROKEN).copy2().unwrap();
    let now = schools.time.now();
    schools.time.run(async move {
        let plan = store.get(&id).unwrap();
        let leave = Authority::of(&plan, "grace", now).unwrap().noted_in(&store);
        let ready = again::<Forget>(&copy2, &plan, Arc::new(Silent)).await.unwrap();
        Forget::apply(&copy2, ready, leave, Arc::new(Silent)).await.unwrap();
    });
    assert!(schools.snapshots(BROKEN) < before);
    let night = schools.night();
    let row = step(&night, BROKEN, Step::Retention);
    assert_ne!(row.plan, rows[2].plan, "{row:#?}");
    // Nobody lets anything go where nobody is to.
    schools.write("retention = \"none\"");
    assert_eq!(step(&schools.night(), BROKEN, Step::Retention).state, State::Off);
}

#[test]
fn who_ends_the_night_is_told_which_schools_were_not_begun() {
    let schools = Schools::new("");
    let host = Arc::new(Host { stop: Stop::default(), ..Host::clone(&schools.host()) });
    let chosen = choose(&schools.apart(), &host, &Choice::default(), &[], &[]).unwrap();
    let night = schools.time.run({
        let host = host.clone();
        async move {
            let stop = host.stop.clone();
            nightly(chosen, Vec::new(), 1, &host, &move |_| stop.stop()).await
        }
    });
    assert_eq!(
        (night.ending, night.not_begun.as_slice()),
        (Ending::Interrupted, &["hillside".to_owned(), "lakeside".to_owned()][..])
    );
    assert_done(&night, "riverside");
    for name in ["hillside", "lakeside"] {
        let school = of(&night, name);
        assert!(!school.is_begun() && school.ending == Ending::Interrupted, "{school:#?}");
        assert_eq!(schools.snapshots(name), 0);
    }
    // Within a school the steps that were not begun say so.
    let host = Arc::new(Host { stop: Stop::default(), ..Host::clone(&schools.host()) });
    host.stop.stop();
    let chosen = choose(&schools.apart(), &host, &Choice::default(), &[], &[]).unwrap();
    let night = schools.night_of(chosen, &host, 2);
    assert_eq!(night.not_begun.len(), 3);
}

#[test]
fn of_two_nights_at_once_the_second_says_so_and_does_nothing() {
    let schools = Schools::new("");
    let (first, second) = (schools.chosen(), schools.chosen());
    let host = schools.host();
    let (first, second) = schools.time.run(async move {
        let quiet = |_: &SchoolNight| {};
        tokio::join!(
            nightly(first, Vec::new(), 3, &host, &quiet),
            nightly(second, Vec::new(), 3, &host, &quiet)
        )
    });
    for name in NAMES {
        let both = [of(&first, name), of(&second, name)];
        let locked: Vec<_> = both.iter().filter(|s| s.ending == Ending::Locked).collect();
        assert_eq!(locked.len(), 1, "{both:#?}");
        assert!(locked[0].steps.is_empty() && !locked[0].is_begun());
        assert!(locked[0].why.as_ref().unwrap().contains("another night"));
        assert_eq!(schools.snapshots(name), 2, "data and settings, once");
    }
    // And when it is over, it is over.
    let night = schools.night();
    NAMES.iter().for_each(|name| assert_done(&night, name));
}

#[test]
fn schools_are_chosen_by_name_and_label_whether_they_are_well_or_not() {
    let schools = Schools::new("");
    let text = schools.text();
    let names = |names: &[&str], labels: &[&str]| {
        let owned = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let (names, labels) = (owned(names), owned(labels));
        let chosen = choose(&schools.apart(), &schools.host(), &Choice::default(), &names, &labels);
        chosen.map(|all| {
            let name = |c: Chosen| match c {
                Chosen::School(s) => s.name().to_owned(),
                Chosen::Refused(r) => format!("!{}", r.school),
            };
            all.into_iter().map(name).collect::<Vec<_>>().join(" ")
        })
    };
    assert_eq!(names(&["lakeside", "riverside"], &[]).unwrap(), "riverside lakeside");
    assert_eq!(names(&[], &["all", "n1"]).unwrap(), "hillside");
    assert!(names(&["nobody"], &[]).unwrap_err().sentence().contains("riverside"));
    assert!(names(&[], &["none"]).is_err());

    // Two of one name, two in one repository, two in one place: both are refused, and a place that
    // no school has is told beside.
    for (good, bad, refused) in [
        ("name = \"lakeside\"\ntenant", "name = \"hillside\"\ntenant", "riverside !hillside"),
        ("repository = \"lakeside\"", "repository = \"hillside\"", "riverside !hillside !lakeside"),
        ("copies/lakeside", "copies/hillside/data", "riverside !hillside !lakeside"),
        ("labels = [\"all\", \"n1\"]", "labels = 7", "riverside lakeside !hillside"),
    ] {
        assert!(text.contains(good), "{good}");
        schools.write_text(&text.replacen(good, bad, 1));
        let found = names(&[], &[]).unwrap();
        let first = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mut found = first(&found);
        found.dedup();
        assert_eq!(found, first(refused), "{bad}");
    }
    let known = names(&[], &["n0"]).unwrap();
    assert_eq!(known, "riverside !hillside", "who knows which labels it bears");
    schools.write_text(&format!("{text}[[repository]]\nname = \"offsite\"\nplace = 1\n"));
    let apart = schools.apart();
    assert!(apart.refused.is_empty() && apart.beside[0].contains("offsite"), "{apart:?}");

    // What is of the file stops all.
    for bad in [
        text.replace("check_nights = 3", "check_nights = 0"),
        text.replace("check_nights", "check_knights"),
        text.replace("[[tenant]]", "[[tenant"),
        format!("tenant = 3\n{}", text.split("[[tenant]]").next().unwrap()),
        text.split("[[tenant]]").next().unwrap().to_owned(),
    ] {
        schools.write_text(&bad);
        let accounts = schools.host().accounts;
        Config::read_apart(&schools.path("strongroom.toml"), &accounts).unwrap_err();
    }
    schools.write_text(&text);
    let mode = Permissions::from_mode(0o666);
    fs::set_permissions(schools.path("strongroom.toml"), mode).unwrap();
    let accounts = schools.host().accounts;
    Config::read_apart(&schools.path("strongroom.toml"), &accounts).unwrap_err();
}

/// Whoever decides about it names it by its id, and has it from the night's own report.
#[test]
fn what_could_not_be_read_is_named_with_its_id() {
    let schools = Schools::new("");
    schools.night();
    schools.sim.live_a_day(0, 7, false);
    let broken = Fault::Status { status: 500, retry_after_s: None };
    schools.sim.set_faults(vec![Rule::new(broken, "/$value")]);
    let night = schools.night();
    let row = step(&night, NAMES[0], Step::Backup);
    assert_eq!(row.ending, Ending::Partial, "{}", row.text);
    let (school, name) = (schools.school(NAMES[0]), NAMES[0]);
    let repo = schools.time.run(async move { school.repository().await.unwrap() });
    let unread = strongroom_engine::unread_items(&repo, name).unwrap();
    assert!(!unread.is_empty());
    // Why it could not be read may name it as well: in its own place it is whole.
    let is_named = |id: &str| row.text.contains(&format!(" ({id}): "));
    let named = unread.iter().filter(|item| is_named(&item.id.0)).count();
    assert_eq!(named, unread.len().min(3), "{}: {unread:?}", row.text);
    assert!(row.text.contains('@'), "{}", row.text);
}
