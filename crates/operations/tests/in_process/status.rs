//! How schools stand, by what is there, by what was noted, and by what is not known.

use crate::common::{Stands, committed, host_at, made, secret, written};
use jiff::Timestamp;
use std::{fs, path::Path, sync::Arc};
use strongroom_model::{Clock, Ending, Series};
use strongroom_operations::{
    Choice, DiskRoom, Duty, Host, School,
    config::Config,
    status::{
        CopyState, DutyState, Grade, SchoolStatus, Status, StatusOptions, prometheus, status,
    },
};
use strongroom_repository::{CheckReport, ReadData};

struct Schools {
    dir: tempfile::TempDir,
    clock: Arc<Stands>,
    host: Arc<Host>,
    all: Vec<School>,
}

const CLEAN: &[&str] = &["complete", "clean"];

/// Two schools, each with a copy 2 that holds a snapshot of the data and one of the settings, and
/// with all duties done.
async fn schools(more: &str) -> Schools {
    let dir = tempfile::tempdir().unwrap();
    let clock = Stands::new();
    let host = host_at(clock.clone());
    let file = written(dir.path(), &format!("cache_dir = \"caches\"\n{more}"));
    let config = Arc::new(Config::read(&file, &host.accounts).unwrap());
    let all = School::all(&config, &host, &Choice::default());
    for school in &all {
        made(school, &school.tenant().tenant_id);
        let data = committed(school, &Series::DATA, CLEAN).await;
        committed(school, &Series::SETTINGS, &["complete"]).await;
        let at: Timestamp = clock.now();
        let beat = serde_json::json!({"began": at, "done": at, "code": 0});
        let mut backup = beat.clone();
        backup["last"] = serde_json::json!({"began": at, "took_s": 7, "snapshot": data,
            "tags": CLEAN, "coverage": {"owners": 3, "collections": 9, "left_out": 0,
            "skipped": 0}});
        let noted = serde_json::json!({"v": 1, "since": at, "duties": {"backup": backup,
            "settings": beat, "check": beat}});
        let state = school.state().unwrap();
        fs::write(state.join("heartbeat.json"), noted.to_string()).unwrap();
    }
    Schools { dir, clock, host, all }
}

impl Schools {
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    async fn look(&self) -> Status {
        self.ask(StatusOptions::default()).await
    }

    async fn ask(&self, question: StatusOptions) -> Status {
        status(&self.all, question, self.clock.now()).await
    }

    async fn first(&self) -> SchoolStatus {
        self.look().await.schools.remove(0)
    }
}

fn offline() -> StatusOptions {
    StatusOptions { offline: true, ..StatusOptions::default() }
}

fn grades(school: &SchoolStatus) -> Vec<(Grade, &str)> {
    let counted = school.findings.iter().filter(|f| f.grade > Grade::Note);
    counted.map(|f| (f.grade, f.about.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn status_reads_no_index_and_no_tree() {
    let schools = schools("").await;
    // Neither is there to be read, and no local index is either.
    for school in ["riverside", "hillside"] {
        for kind in ["data", "index"] {
            let of = schools.path(&format!("copies/{school}/{kind}"));
            fs::rename(&of, of.with_extension("away")).unwrap();
        }
    }
    fs::remove_dir_all(schools.path("caches")).unwrap();
    schools.clock.hours_pass(5);
    let found = schools.look().await;
    for school in &found.schools {
        assert_eq!(grades(school), [], "{:#?}", school.findings);
        assert_eq!((school.copy2.state, school.copy2.reachable), (CopyState::Ok, Some(true)));
        assert_eq!(school.copy2.as_of, None, "the copy itself was asked");
        let ages = [&school.copy2.data, &school.copy2.settings].map(|n| n.as_ref().unwrap().age_s);
        assert_eq!(ages, [5 * 3_600; 2]);
        assert_eq!(school.copy2.clean_point.as_ref().unwrap().age_s, 5 * 3_600);
        assert_eq!(school.copy3.state, CopyState::None);
        assert_eq!(school.alarms.as_ref().map(Vec::len), Some(0));
        assert_eq!(school.coverage.as_ref().unwrap().counts.owners, Some(3));
    }
    assert_eq!(found.ending(None), Ending::Done);
    let made: Vec<_> = fs::read_dir(schools.path("caches")).unwrap().collect();
    assert!(made.is_empty(), "{made:?}");
    // By what was noted it is the same, and says when that was.
    let noted = schools.ask(offline()).await;
    let copy2 = &noted.schools[0].copy2;
    assert_eq!((copy2.state, copy2.reachable), (CopyState::Ok, None));
    assert!(copy2.as_of.is_some());
    let snapshots =
        [&found, &noted].map(|s| s.schools[0].copy2.data.as_ref().unwrap().snapshot.clone());
    assert_eq!(snapshots[0], snapshots[1]);
    assert_eq!(noted.ending(None), Ending::Done);
}

/// A disk is told below a tenth of its room, and one of which that cannot be had is not thought to
/// have any.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_is_told() {
    let schools = schools("").await;
    let about = ["disk of copy 2", "disk of caches", "disk of state"];
    for (room, grade) in [
        (Some((10, 100)), None),
        (Some((9, 100)), Some(Grade::Warning)),
        (Some((0, 0)), Some(Grade::Warning)),
        (None, Some(Grade::Unknown)),
    ] {
        let host = Host {
            room: Arc::new(move |_| {
                let (free, total) = room.ok_or(std::io::ErrorKind::StaleNetworkFileHandle)?;
                Ok(DiskRoom { free_bytes: free << 30, total_bytes: total << 30 })
            }),
            ..schools.host.as_ref().clone()
        };
        let host = Arc::new(host);
        let file = schools.path("strongroom.toml");
        let config = Arc::new(Config::read(&file, &host.accounts).unwrap());
        let all = School::all(&config, &host, &Choice::default());
        let found = status(&all, StatusOptions::default(), schools.clock.now()).await;
        let wanted: Vec<_> = grade.iter().flat_map(|g| about.map(|a| (*g, a))).collect();
        assert_eq!(grades(&found.schools[0]), wanted, "{room:?}");
        let free = room.map(|(free, _)| free << 30);
        assert!(found.schools[0].disk.iter().all(|d| d.free_bytes == free), "{room:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_copy_is_late_though_nothing_ran() {
    let schools = schools("").await;
    schools.clock.hours_pass(47);
    assert_eq!(schools.look().await.ending(None), Ending::Done);
    schools.clock.hours_pass(2);
    for question in [StatusOptions::default(), offline()] {
        let found = schools.ask(question).await;
        let school = &found.schools[0];
        assert_eq!(school.copy2.state, CopyState::Late);
        let late: Vec<_> =
            school.duties.iter().filter(|d| d.state == DutyState::Late).map(|d| d.duty).collect();
        assert_eq!(late, ["settings", "backup"], "a check is due after thirty days");
        assert_eq!(found.ending(None), Ending::Partial);
        assert_eq!(found.ending(Some(Grade::Overdue)), Ending::Alarm);
        assert_eq!(found.ending(Some(Grade::Alarm)), Ending::Done);
        let text = prometheus(&found);
        assert!(text.contains("strongroom_duty_late{school=\"riverside\",duty=\"backup\"} 1\n"));
        assert!(text.contains("strongroom_copy_late{school=\"riverside\",copy=\"2\"} 1\n"));
    }
    let found = schools.ask(StatusOptions { max_age_hours: Some(72), ..offline() }).await;
    assert_eq!(found.schools[0].copy2.state, CopyState::Ok);
    // What is not owed is not late.
    let more = "[nightly]\nwithout = [\"settings\", \"check\"]\nevery_hours = 1\n";
    let others = self::schools(more).await;
    others.clock.hours_pass(3);
    let rows = others.first().await.duties;
    assert_eq!(
        rows.iter().map(|d| (d.duty, d.state)).collect::<Vec<_>>(),
        [("backup", DutyState::Late)]
    );
}

/// Whether a figure of the first school has a sample.
fn has_sample(found: &Status, gauge: &str) -> bool {
    let begins = format!("{gauge}{{school=\"riverside\"");
    prometheus(found).lines().any(|l| l.starts_with(&begins))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_known_is_not_zero() {
    let schools = schools("").await;
    schools.clock.hours_pass(1);
    assert!(has_sample(&schools.look().await, "strongroom_alarms"));
    let state = schools.path("state/riverside/heartbeat.json");
    let kept = fs::read(&state).unwrap();

    // Nothing was noted; it is damaged; a newer program wrote it.
    for text in [None, Some("{\"v\":1,"), Some("{\"v\":9}")] {
        match text {
            None => fs::remove_file(&state).unwrap(),
            Some(text) => fs::write(&state, text).unwrap(),
        }
        let found = schools.look().await;
        let school = &found.schools[0];
        assert_eq!(school.copy2.state, CopyState::Ok, "the copy itself says it");
        assert!(school.duties.iter().all(|d| d.state == DutyState::Unknown && d.done.is_none()));
        assert!(school.coverage.is_none());
        assert_eq!(grades(school)[0], (Grade::Unknown, "duties"), "{text:?}");
        for gauge in ["strongroom_items_skipped", "strongroom_duty_late"] {
            assert!(!has_sample(&found, gauge), "{gauge}");
        }
        assert!(has_sample(&found, "strongroom_unknown"));
        assert_eq!(found.ending(None), Ending::Partial);
        assert_eq!(found.ending(Some(Grade::Alarm)), Ending::Partial, "who knows?");
        if let Some(text) = text {
            assert_eq!(fs::read_to_string(&state).unwrap(), text, "who looks changes nothing");
        }
        // And without the copy nothing at all is known.
        let found = schools.ask(offline()).await;
        let school = &found.schools[0];
        assert_eq!(school.copy2.state, CopyState::Unknown);
        assert!(school.copy2.data.is_none() && school.alarms.is_none());
        for gauge in ["strongroom_copy_age_seconds", "strongroom_alarms", "strongroom_copy_late"] {
            assert!(!has_sample(&found, gauge), "{gauge}");
        }
    }
    fs::write(&state, &kept).unwrap();

    // A wrong password, and a password that is not here: the figures are those that were noted.
    for (password, reachable) in [("another", Some(true)), ("", None)] {
        secret(&schools.path("riverside.password"), password);
        let found = schools.look().await;
        let copy2 = &found.schools[0].copy2;
        assert_eq!((copy2.state, copy2.reachable), (CopyState::Unknown, reachable));
        assert!(copy2.why.is_some() && copy2.as_of.is_some() && copy2.data.is_some());
        assert_eq!(grades(&found.schools[0]), [(Grade::Unknown, "copy 2")]);
        assert_eq!(grades(&found.schools[1]), [], "the other one is told whole");
    }
    secret(&schools.path("riverside.password"), "riverside");
    assert_eq!(schools.look().await.ending(None), Ending::Done);

    // A copy 2 that was there and is gone is an alarm; one that never was is not.
    fs::rename(schools.path("copies/riverside"), schools.path("away")).unwrap();
    let found = schools.look().await;
    assert_eq!(found.schools[0].copy2.state, CopyState::Missing);
    assert_eq!(found.ending(Some(Grade::Alarm)), Ending::Alarm);
    fs::remove_file(&state).unwrap();
    assert_eq!(schools.first().await.copy2.state, CopyState::Missing);
    assert!(!schools.first().await.findings.iter().any(|f| f.grade == Grade::Alarm));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_snapshot_does_not_say_whole_is_not_believed() {
    let schools = schools("").await;
    let snapshots = schools.path("copies/riverside/snapshots");
    let newest = schools.first().await.copy2.data.unwrap();
    let file = snapshots.join(&newest.snapshot);
    let kept = fs::read(&file).unwrap();
    // It rotted: whatever it said may have been the newest.
    fs::remove_file(&file).unwrap();
    fs::write(&file, b"rotten").unwrap();
    let school = schools.first().await;
    assert_eq!(school.copy2.state, CopyState::Unknown);
    assert!(school.copy2.data.is_none() && school.alarms.is_none(), "{school:#?}");
    fs::write(&file, kept).unwrap();
    assert_eq!(schools.first().await.copy2.state, CopyState::Ok);

    // Somebody took away the newest one, which bears an alarm: this host knows that it made it.
    schools.clock.hours_pass(1);
    let made = committed(&schools.all[0], &Series::DATA, &["complete", "alarm:encryption"]).await;
    let heartbeat = schools.path("state/riverside/heartbeat.json");
    let mut noted: serde_json::Value =
        serde_json::from_slice(&fs::read(&heartbeat).unwrap()).unwrap();
    let last = &mut noted["duties"]["backup"]["last"];
    last["began"] = schools.clock.now().to_string().into();
    last["snapshot"] = serde_json::json!(made);
    last["tags"] = serde_json::json!(["complete", "alarm:encryption"]);
    let before = fs::read(&heartbeat).unwrap();
    fs::write(&heartbeat, noted.to_string()).unwrap();
    let gone = (Grade::Alarm, "alarm snapshot-gone");
    assert!(!grades(&schools.first().await).contains(&gone));
    fs::remove_file(
        snapshots.join(noted["duties"]["backup"]["last"]["snapshot"].as_str().unwrap()),
    )
    .unwrap();
    let school = schools.first().await;
    assert!(grades(&school).contains(&gone), "{:?}", school.findings);
    assert!(school.alarms.iter().flatten().any(|a| a.kind == "encryption" && a.open));
    // Or all of them: what this host saw there is no less true.
    let aside = schools.path("aside");
    fs::rename(&snapshots, &aside).unwrap();
    fs::create_dir(&snapshots).unwrap();
    let school = schools.first().await;
    assert_eq!(school.copy2.state, CopyState::Missing);
    assert!(grades(&school).contains(&gone), "{:?}", school.findings);
    assert!(school.alarms.iter().flatten().any(|a| a.kind == "encryption" && a.open));
    // Where this host never made one, there is nothing to miss.
    let noted = fs::read(&heartbeat).unwrap();
    fs::remove_file(&heartbeat).unwrap();
    let school = schools.first().await;
    assert!(!grades(&school).contains(&gone), "{:?}", school.findings);
    fs::write(&heartbeat, noted).unwrap();
    fs::remove_dir(&snapshots).unwrap();
    fs::rename(&aside, &snapshots).unwrap();
    fs::write(&heartbeat, before).unwrap();

    // A snapshot of next year is late on no day.
    schools.clock.hours_pass(9_000);
    committed(&schools.all[0], &Series::DATA, CLEAN).await;
    schools.clock.hours_pass(-8_999);
    let school = schools.first().await;
    assert_eq!(school.copy2.state, CopyState::Unknown, "{:?}", school.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn alarms_stand_by_the_newest_snapshot_and_by_how_duties_ended() {
    let schools = schools("").await;
    let school = &schools.all[0];
    schools.clock.hours_pass(1);
    let since = schools.clock.now();
    committed(school, &Series::DATA, &["complete", "alarm:encryption"]).await;
    schools.clock.hours_pass(1);
    committed(school, &Series::DATA, &["complete", "alarm:encryption", "alarm:newer-kind"]).await;
    let found = schools.look().await;
    let rows = found.schools[0].alarms.as_ref().unwrap();
    let told: Vec<_> = rows.iter().map(|a| (a.kind.as_str(), a.severity, a.since)).collect();
    let now = schools.clock.now();
    let wanted = [("encryption", Some("high"), Some(since)), ("newer-kind", None, Some(now))];
    assert_eq!(told, wanted);
    let point = found.schools[0].copy2.clean_point.as_ref().unwrap();
    assert_eq!(point.age_s, 2 * 3_600, "before the attack");
    assert_eq!(found.ending(Some(Grade::Alarm)), Ending::Alarm);
    assert_eq!(found.ending(None), Ending::Alarm);

    // A clean one may bear a notice, which is none that stands.
    let tags = ["complete", "clean", "alarm:user-gone", "alarm:encryption"];
    committed(school, &Series::DATA, &tags).await;
    let found = schools.look().await;
    let rows = found.schools[0].alarms.as_ref().unwrap();
    let told: Vec<_> = rows.iter().map(|a| (a.severity, a.open)).collect();
    assert_eq!(told, [(Some("notice"), false), (Some("high"), false)], "somebody bears the other");
    assert_eq!(found.ending(None), Ending::Done);

    let mut report = CheckReport::default();
    report.problems.push("a pack is gone".into());
    school.begin(Duty::Check).checked(&report, ReadData::All);
    school.begin(Duty::Backup).failed(Ending::NothingRead, "consent-revoked: it is gone");
    let found = schools.look().await;
    let kinds: Vec<_> = found.schools[0].alarms.iter().flatten().map(|a| a.kind.as_str()).collect();
    assert_eq!(kinds, ["user-gone", "encryption", "nothing-read", "damage"]);
    // A check that does not come so far takes nothing back.
    school.begin(Duty::Check).failed(Ending::Failed, "the line is down");
    let again = schools.look().await;
    let kinds: Vec<_> = again.schools[0].alarms.iter().flatten().map(|a| a.kind.as_str()).collect();
    assert_eq!(kinds, ["user-gone", "encryption", "nothing-read", "damage"]);
    let backup = found.schools[0].duties.iter().find(|d| d.duty == "backup").unwrap();
    assert_eq!(backup.state, DutyState::Failed);
    assert!(backup.why.as_ref().unwrap().contains("consent-revoked"), "{:?}", backup.why);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_at_work_is_running_and_who_broke_off_failed() {
    let schools = schools("").await;
    schools.clock.hours_pass(24);
    let state = |school: SchoolStatus| {
        school.duties.iter().find(|d| d.duty == "backup").map(|d| d.state).unwrap()
    };
    let attempt = schools.all[0].begin(Duty::Backup);
    assert_eq!(state(schools.first().await), DutyState::Running);
    drop(attempt);
    schools.clock.hours_pass(1);
    assert_eq!(state(schools.first().await), DutyState::Failed);
    // What was damaged is set aside, and is not taken for never.
    fs::write(schools.path("state/riverside/heartbeat.json"), "?").unwrap();
    schools.all[0].begin(Duty::Check).checked(&CheckReport::default(), ReadData::All);
    assert_eq!(state(schools.first().await), DutyState::Unknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_choose_schools_and_a_label_of_nobody_is_told() {
    let schools = schools("").await;
    let file = schools.path("strongroom.toml");
    let text = fs::read_to_string(&file).unwrap();
    let mut labelled =
        text.replacen("repository =", "labels = [\"north\", \"primary\"]\nrepository =", 1);
    secret(&file, &labelled);
    let read = |path: &Path| Config::read(path, &schools.host.accounts);
    let config = Arc::new(read(&file).unwrap());
    let all = School::all(&config, &schools.host, &Choice::default());
    let names = |labels: &[&str]| {
        let labels: Vec<String> = labels.iter().map(|l| (*l).to_owned()).collect();
        let chosen = School::labelled(all.clone(), &labels);
        chosen.map(|all| all.iter().map(|s| s.name().to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(names(&[]).unwrap(), ["riverside", "hillside"]);
    assert_eq!(names(&["north"]).unwrap(), ["riverside"]);
    assert_eq!(names(&["north", "primary"]).unwrap(), ["riverside"]);
    let e = names(&["south"]).unwrap_err();
    assert!(e.sentence().contains("north, primary"), "{}", e.sentence());
    secret(&file, &labelled.replace("\"primary\"", "\"north\""));
    assert!(read(&file).unwrap_err().sentence().contains("two labels"), "no sample stands twice");
    labelled = labelled.replace("\"north\"", "\"no\\nrth\"");
    secret(&file, &labelled);
    assert!(read(&file).unwrap_err().sentence().contains("label"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_ends_no_label() {
    let schools = schools("").await;
    let mut found = schools.look().await;
    found.schools.truncate(1);
    found.schools[0].school = "St. \"Mary\"\\s\nstrongroom_alarms 0".to_owned();
    let text = prometheus(&found);
    let named = "strongroom_duty_late{school=\"St. \\\"Mary\\\"\\\\s\\nstrongroom_alarms 0\",";
    assert!(text.contains(named), "{text}");
    // Each line is a comment, or a name that is told above it, with a value that is a number.
    let mut told = "";
    for line in text.lines() {
        match line.strip_prefix("# ") {
            Some(comment) => told = comment.split(' ').nth(1).unwrap(),
            None => {
                let (name, value) = line.rsplit_once(' ').unwrap();
                assert_eq!(name.split('{').next(), Some(told), "{line}");
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
    }
}
