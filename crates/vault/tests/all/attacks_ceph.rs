//! The attacks on a vault, against Ceph's gateway: with users, policies, its own clock, and
//! lifecycle rules that run.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

use crate::common::{
    Ahead, Ceph, Hand, PUSH, School, attack, noise, restic, restic_for, restic_is_content,
};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use std::{sync::Arc, time::Duration};
use strongroom_custody::{
    AuditOptions, AuditReport, CanaryOutcome, Meaning, VaultPolicy, VaultView, audit, expire,
    plan_expiry, probe, s3_canary,
};
use strongroom_engine::replicate as copies;
use strongroom_model::{Clock, Silent};
use strongroom_objects::{
    Key, Kind, LockedStore, S3Attempt, S3Bucket, Store, UNKNOWN_SETTING, conformance, hash_name,
};

const SERVER: &str = "Ceph RGW";

struct Stage {
    _dir: tempfile::TempDir,
    school: School,
    hand: Hand,
    bucket: Arc<S3Bucket>,
}

/// A school, and its vault in a bucket of its own.
fn stage(ceph: &Ceph, name: &str, policy: VaultPolicy, clock: Arc<Ahead>) -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let school = School::new(dir.path());
    ceph.bucket("vault", name);
    let bucket = ceph.open("vault", name, Some(clock.clone()));
    let hand = Hand::enrol(bucket.clone(), &school, &dir.path().join("state"), policy, clock);
    Stage { _dir: dir, school, hand, bucket }
}

fn look(s: &Stage, mend: bool) -> AuditReport {
    audit(&mut s.hand.open(), AuditOptions { read_percent: 100, mend }, s.hand.clock.now(), &Silent)
        .unwrap()
}

fn codes(r: &AuditReport) -> Vec<String> {
    r.alarms().into_iter().map(|(c, _)| c).collect()
}

/// The pack, the index and the snapshot of a store, by path.
fn some_objects(school: &School) -> Vec<String> {
    [Kind::Data, Kind::Index, Kind::Snapshots]
        .into_iter()
        .map(|kind| {
            strongroom_objects::path_of(
                &Key::new(kind, &school.store.list(kind).unwrap()[0].name).unwrap(),
            )
        })
        .collect()
}

#[test]
#[ignore = "needs Ceph; cargo xtask test installs and runs it"]
fn ceph_as_a_plain_store_keeps_the_contract() {
    let ceph = Ceph::start();
    attack("contract of a write-once store", SERVER, &ceph.version.clone(), || {
        ceph.user("vault");
        let bucket = ceph.open("vault", "plain", None);
        bucket.make(false).unwrap();
        conformance::write_once_store(bucket.as_ref(), true);
    });
}

#[test]
#[ignore = "needs Ceph; cargo xtask test installs and runs it"]
fn ceph_attacks_with_stolen_credentials() {
    let ceph = Ceph::start();
    let version = ceph.version.clone();
    ceph.user("vault");
    ceph.user("push");
    let run = |name: &str, work: &dyn Fn()| attack(name, SERVER, &version, work);

    run("provider faults are probed at enrolment", &|| {
        ceph.bucket("vault", "probed");
        let found = probe(&ceph.open("vault", "probed", None), Timestamp::now()).unwrap();
        let of = |name: &str| {
            found
                .iter()
                .find(|f| f.probe.contains(name))
                .unwrap_or_else(|| panic!("{name}"))
                .meaning
        };
        assert!(!found.iter().any(|f| f.meaning == Meaning::Refused), "{found:?}");
        // What Ceph 16 ignores is found out, not assumed.
        for ignored in ["sha256", "If-None-Match", "multipart"] {
            assert_eq!(of(ignored), Meaning::WorkedAround, "{ignored}");
        }
        for kept in [
            "lock in the headers",
            "shortening",
            "deleting",
            "clearing",
            "weakening",
            "Content-MD5",
            "second PUT",
        ] {
            assert_eq!(of(kept), Meaning::Good, "{kept}");
        }
        let bare = ceph.open("vault", "bare", None);
        bare.make(false).unwrap();
        assert!(
            probe(&bare, Timestamp::now())
                .map_or(true, |f| f.iter().any(|f| f.meaning == Meaning::Refused)),
            "a bucket without locks is no vault"
        );
    });

    run("delete without a version, everywhere", &|| {
        let s = stage(&ceph, "hide", VaultPolicy::default(), Ahead::none());
        s.school.backup(&[("a.bin", &noise(1, 80_000))], true);
        s.hand.pull(s.school.store.as_ref());
        for row in s.bucket.survey("").unwrap() {
            s.bucket.attempt(&S3Attempt::Hide { path: &row.path });
        }
        assert!(
            Store::list(s.bucket.as_ref(), Kind::Data).unwrap().is_empty(),
            "who asks for the latest sees nothing"
        );
        restic_is_content(&s.hand, None);
        let report = look(&s, false);
        assert!(codes(&report).contains(&"covered".to_owned()), "{:?}", report.alarms());
        // From the bucket and the school's key alone, too.
        let key = s.school.repo.key();
        let out = tempfile::tempdir().unwrap();
        let view = VaultView::as_found(s.bucket.clone(), None).unwrap();
        copies::from_vault(&view, key, &strongroom_objects::LocalDir::new(out.path()), &Silent)
            .unwrap();
        let checked = restic(
            out.path(),
            out.path().to_str().unwrap(),
            &[],
            &["--no-lock", "check", "--read-data"],
        );
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    });

    run("overwrite by a newer version, then extension", &|| {
        let clock = Ahead::none();
        let s = stage(
            &ceph,
            "cover",
            VaultPolicy { monthly_months: 0, ..VaultPolicy::default() },
            clock.clone(),
        );
        s.school.backup(&[("a.bin", &noise(1, 80_000))], true);
        s.hand.pull(s.school.store.as_ref());
        let recorded: Vec<(String, String)> = s
            .hand
            .open()
            .ledger()
            .state()
            .objects
            .iter()
            .map(|(p, o)| (p.clone(), o.version.clone()))
            .collect();
        for path in some_objects(&s.school) {
            let done =
                s.bucket.attempt(&S3Attempt::Overwrite { path: &path, bytes: b"the attacker's" });
            assert!(matches!(done, strongroom_objects::S3Answer::Done(_)), "{done:?}");
        }
        restic_is_content(&s.hand, None);
        // A month and more later the locks are renewed: those of the recorded versions.
        clock.set_days(0);
        let far = Timestamp::now() + SignedDuration::from_hours(24 * 60);
        let mut holding = s.hand.open();
        s.school.backup(&[("a.bin", &noise(1, 80_000)), ("b", b"b")], true);
        drop(holding);
        s.hand.pull(s.school.store.as_ref());
        holding = s.hand.open();
        let needs = holding.needs(&holding.published(), far).unwrap();
        let renewed = holding.renew(&needs, &Silent).unwrap();
        assert!(renewed.renewed > 0);
        for (path, version) in recorded.iter().filter(|(p, _)| some_objects(&s.school).contains(p))
        {
            let mine = s.bucket.look(path, version).unwrap().unwrap();
            assert!(
                mine.until.unwrap() > far + SignedDuration::from_hours(24 * 179),
                "{path}: {:?}",
                mine.until
            );
            let other = s.bucket.survey(path).unwrap().into_iter().find(|r| r.version != *version);
            let other = other.map(|o| s.bucket.look(path, &o.version).unwrap().unwrap());
            assert!(
                other.is_none_or(|o| o.until.is_none()),
                "the attacker's version is not kept longer: {path}"
            );
        }
        drop(holding);
        assert!(codes(&look(&s, false)).iter().any(|c| c == "covered"));
    });

    run("delete, shorten, bypass, weaken by version", &|| {
        let s = stage(&ceph, "strike", VaultPolicy::default(), Ahead::none());
        s.school.backup(&[("a.bin", &noise(1, 80_000))], true);
        s.hand.pull(s.school.store.as_ref());
        let objects: Vec<(String, String)> = s
            .hand
            .open()
            .ledger()
            .state()
            .objects
            .iter()
            .map(|(p, o)| (p.clone(), o.version.clone()))
            .collect();
        let soon = Timestamp::now() + SignedDuration::from_hours(1);
        for (path, version) in &objects {
            let (path, version) = (path.as_str(), version.as_str());
            for attempt in [
                S3Attempt::DeleteVersion { path, version },
                S3Attempt::DeleteVersionBypassing { path, version },
                S3Attempt::Shorten { path, version, until: soon },
                S3Attempt::ShortenBypassing { path, version, until: soon },
                S3Attempt::ToGovernance { path, version, until: soon },
                S3Attempt::ClearLock { path, version },
            ] {
                let answer = s.bucket.attempt(&attempt);
                assert!(
                    !matches!(answer, strongroom_objects::S3Answer::Done(_)),
                    "{attempt:?}: {answer:?}"
                );
            }
        }
        let report = look(&s, false);
        assert!(report.alarms().is_empty(), "{:?}", report.alarms());
        restic_is_content(&s.hand, None);
    });

    run(
        "governance instead of compliance, and a lock on the bucket but not on the object",
        &|| {
            let s = stage(&ceph, "weak", VaultPolicy::default(), Ahead::none());
            s.school.backup(&[("a.bin", &noise(1, 80_000))], true);
            s.hand.pull(s.school.store.as_ref());
            // Put past the vault, without a lock; a lock that can be bypassed counts as none.
            let strongroom_objects::S3Answer::Done(Some(version)) =
                s.bucket.attempt(&S3Attempt::Overwrite { path: "data/aa/free", bytes: b"x" })
            else {
                panic!("no put")
            };
            assert_eq!(s.bucket.look("data/aa/free", &version).unwrap().unwrap().until, None);
            let until = Timestamp::now() + SignedDuration::from_hours(48);
            s.bucket.attempt(&S3Attempt::ToGovernance {
                path: "data/aa/free",
                version: &version,
                until,
            });
            assert_eq!(
                s.bucket.look("data/aa/free", &version).unwrap().unwrap().until,
                None,
                "GOVERNANCE is no lock"
            );
            assert!(matches!(
                s.bucket.attempt(&S3Attempt::DeleteVersionBypassing {
                    path: "data/aa/free",
                    version: &version
                }),
                strongroom_objects::S3Answer::Done(_)
            ));
            // The vault's own are COMPLIANCE, each read back.
            let state = s.hand.open();
            for (path, o) in &state.ledger().state().objects {
                let held = s.bucket.look(path, &o.version).unwrap().unwrap();
                assert!(held.until.is_some_and(|u| u.as_second() >= o.until.as_second()), "{path}");
            }
        },
    );

    run("junk under right names from a pushing credential", &|| {
        let s = stage(&ceph, "junk", VaultPolicy::default(), Ahead::none());
        ceph.allow("vault", "junk", "push", &PUSH);
        s.school.backup(&[("a.bin", &noise(1, 80_000))], true);
        s.hand.pull(s.school.store.as_ref());
        let thief = ceph.open("push", "junk", None);
        for (folder, body) in [
            ("index", "junk 1"),
            ("snapshots", "junk 2"),
            ("keys", "junk 3"),
            ("ledger/0000000000000000", "junk 4"),
            ("manifests", "junk 5"),
        ] {
            let path = format!("{folder}/{}", hash_name(body.as_bytes()));
            thief
                .put_locked(
                    &path,
                    &Bytes::from(body),
                    Timestamp::now() + SignedDuration::from_hours(24 * 400),
                )
                .unwrap();
        }
        // Measured: stock restic on the bare bucket stops.
        let url = format!("s3:http://127.0.0.1:{}/junk", ceph.port);
        let env = [("AWS_ACCESS_KEY_ID", "KEYOFVAULT"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        let bare = restic_for(15, &s.school.dir, &url, &env, &["--no-lock", "check"]);
        assert!(!bare.status.success(), "the attack works on who reads without a view");
        restic_is_content(&s.hand, None);
        let report = look(&s, false);
        assert!(codes(&report).contains(&"unknown".to_owned()));
        // A fresh machine with the school's key is not fooled either.
        let out = tempfile::tempdir().unwrap();
        let view = VaultView::as_found(s.bucket.clone(), None).unwrap();
        copies::from_vault(
            &view,
            s.school.repo.key(),
            &strongroom_objects::LocalDir::new(out.path()),
            &Silent,
        )
        .unwrap();
        let checked = restic(
            out.path(),
            out.path().to_str().unwrap(),
            &[],
            &["--no-lock", "check", "--read-data"],
        );
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    });

    run("canary: a credential that can only add and extend, and one that can do more", &|| {
        ceph.bucket("vault", "home");
        ceph.bucket("vault", "twin");
        ceph.allow("vault", "home", "push", &PUSH);
        ceph.allow("vault", "twin", "push", &PUSH);
        let canary = |user: &str| {
            s3_canary(
                &ceph.open(user, "home", None),
                Some(&ceph.open(user, "twin", None)),
                Timestamp::now(),
            )
            .unwrap()
        };
        let push = canary("push");
        assert_eq!(push.worked(), Vec::<String>::new(), "{push:#?}");
        assert!(push.refused() >= 11, "{push:#?}");
        // Ceph 16 knows no empty retention and no replication: what it does not know it does not
        // deny.
        let unknown = ["clear a lock", "replicate deletions"]
            .into_iter()
            .chain(strongroom_custody::NOT_TRIED)
            .map(str::to_owned)
            .collect::<Vec<_>>();
        assert_eq!(push.not_tested(), unknown, "{:?}", push.tried);
        let owner = canary("vault");
        assert!(
            owner.worked().iter().any(|w| w.contains("policy")),
            "who owns the bucket can change its policy, and is told so: {owner:#?}"
        );
        let locked = |t: &strongroom_custody::Tried| {
            t.attempt.contains("lock")
                && !t.attempt.contains("configuration")
                && !t.attempt.contains("first moment")
        };
        assert!(
            owner
                .tried
                .iter()
                .filter(|t| locked(t))
                .all(|t| !matches!(t.outcome, CanaryOutcome::Worked)),
            "{owner:#?}"
        );
        assert!(
            owner
                .tried
                .iter()
                .filter(|t| locked(t))
                .filter(|t| matches!(t.outcome, CanaryOutcome::Refused { .. }))
                .count()
                >= 5,
            "{owner:#?}"
        );
        // After that the twin is no twin: nothing is learned from it any more.
        let again = canary("push");
        assert!(again.not_tested().iter().any(|n| n.contains("versioning")), "{again:#?}");
    });

    run("push straight into the bucket", &|| {
        let s = stage(&ceph, "pushed", VaultPolicy::default(), Ahead::none());
        ceph.allow("vault", "pushed", "push", &PUSH);
        s.school.backup(&[("a.bin", &noise(1, 80_000))], true);
        let dir = s.school.dir.join("pusher");
        std::fs::create_dir_all(&dir).unwrap();
        let clock = strongroom_custody::TrustedClock::open(&dir.join("clock"), vec![]).unwrap();
        let pace = strongroom_custody::Pace::free();
        let push = || {
            let store: Arc<dyn LockedStore> = ceph.open_sharing("push", "pushed");
            let bucket = copies::Bucket {
                store,
                dir: &dir,
                vault: s.hand.key().public(),
                clock: &clock,
                pace: &pace,
            };
            copies::to_bucket(&s.school.repo, &bucket, &Silent).unwrap()
        };
        assert_eq!(push().session, Some(1));
        assert_eq!(push().session, None);
        s.school.backup(&[("a.bin", &noise(1, 80_000)), ("b", b"b")], true);
        assert_eq!(push().session, Some(2));
        restic_is_content(&s.hand, None);
        let report = look(&s, false);
        assert!(report.alarms().iter().all(|(c, _)| c == "drift"), "{:?}", report.alarms());
    });
}

#[test]
#[ignore = "needs Ceph; cargo xtask test installs and runs it"]
fn ceph_attacks_on_the_bucket() {
    let ceph = Ceph::start();
    let version = ceph.version.clone();
    ceph.user("vault");
    attack(
        "lifecycle rule, policy, versioning, replication, lock configuration",
        SERVER,
        &version,
        || {
            let s = stage(&ceph, "whole", VaultPolicy::default(), Ahead::none());
            s.school.backup(&[("a.bin", &noise(1, 80_000))], true);
            s.hand.pull(s.school.store.as_ref());
            assert!(look(&s, false).drift.is_empty());
            let facts = s.bucket.facts().unwrap();
            for name in ["lifecycle", "replication", "encryption", "public access block"] {
                let is_none = facts[name] == "none" || facts[name].starts_with(UNKNOWN_SETTING);
                assert!(is_none, "{name}: {}", facts[name]);
            }
            let done = |a: S3Attempt<'_>| {
                matches!(s.bucket.attempt(&a), strongroom_objects::S3Answer::Done(_))
            };
            assert!(!done(S3Attempt::SuspendVersioning), "a bucket with locks stays versioned");
            assert!(!done(S3Attempt::DeleteBucket));
            assert!(done(S3Attempt::LifecycleExpiresAll), "the owner can add a rule");
            assert!(done(S3Attempt::PolicyAllowsAll));
            let drift = look(&s, false).drift;
            assert!(
                drift.iter().any(|d| d.starts_with("lifecycle"))
                    && drift.iter().any(|d| d.starts_with("policy")),
                "{drift:?}"
            );
            done(S3Attempt::DropDefaultLock);
            assert!(look(&s, false).drift.iter().any(|d| d.starts_with("object lock")));
            // A day of this gateway's lifecycle has ten seconds: several pass.
            let mut hidden = false;
            for _ in 0..60 {
                std::thread::sleep(Duration::from_millis(1000));
                hidden = s.bucket.survey("").unwrap().iter().any(|r| r.marker);
                if hidden {
                    break;
                }
            }
            assert!(hidden, "the rule ran");
            std::thread::sleep(Duration::from_secs(12));
            let report = look(&s, false);
            assert!(
                report.lost.is_empty() && report.damaged.is_empty() && report.short.is_empty(),
                "locked versions outlive the rule: {:?}",
                report.alarms()
            );
            assert!(codes(&report).contains(&"covered".to_owned()));
            restic_is_content(&s.hand, None);
        },
    );
}

#[test]
#[ignore = "needs Ceph and libfaketime; cargo xtask test installs and runs it"]
fn ceph_locks_by_its_own_clock_and_expiry_waits_for_it() {
    let ceph = Ceph::start();
    let version = ceph.version.clone();
    ceph.user("vault");
    let clock = Ahead::none();
    let s = stage(
        &ceph,
        "time",
        VaultPolicy { monthly_months: 0, ..VaultPolicy::default() },
        clock.clone(),
    );
    attack(
        "expiry after the lock by the server's own clock, restic content each time",
        SERVER,
        &version,
        || {
            let a = s
                .school
                .backup(&[("keep.bin", &noise(1, 80_000)), ("old.bin", &noise(2, 80_000))], true);
            s.hand.pull(s.school.store.as_ref());
            s.school.backup(&[("keep.bin", &noise(1, 80_000))], true);
            s.hand.pull(s.school.store.as_ref());
            s.school.forget_and_prune(&[&a]);
            for (day, may_go) in [(180_i64, false), (215, true), (250, true)] {
                ceph.gateway(Some(&format!("+{day}d")));
                clock.set_days(day);
                s.school.backup(
                    &[("keep.bin", &noise(1, 80_000)), ("day", day.to_string().as_bytes())],
                    true,
                );
                s.hand.pull(s.school.store.as_ref());
                let mut holding = s.hand.open();
                let plan = plan_expiry(&mut holding, clock.agreed()).unwrap();
                assert_eq!(!plan.paths.is_empty(), day == 215, "day {day}: {plan:?}");
                expire(&mut holding, &plan, clock.agreed(), &Silent).unwrap();
                let gone = s.bucket.survey(&format!("snapshots/{a}")).unwrap().is_empty();
                assert_eq!(gone, may_go, "day {day}");
                restic_is_content(&s.hand, None);
                let report = look(&s, false);
                assert!(report.alarms().is_empty(), "day {day}: {:?}", report.alarms());
            }
        },
    );
    attack(
        "a vault whose clock runs ahead frees nothing that the server holds",
        SERVER,
        &version,
        || {
            ceph.gateway(None);
            clock.set_days(0);
            let mut holding = s.hand.open();
            let (path, o) = holding
                .ledger()
                .state()
                .objects
                .iter()
                .find(|(p, _)| p.starts_with("data/"))
                .map(|(p, o)| (p.clone(), o.clone()))
                .unwrap();
            let store = s.bucket.clone();
            assert!(
                store
                    .free(
                        &path,
                        &o.version,
                        Timestamp::now() + SignedDuration::from_hours(24 * 2000)
                    )
                    .is_err(),
                "the server's clock decides"
            );
            let _ = holding.ledger_mut();
            restic_is_content(&s.hand, None);
        },
    );
    attack(
        "the server's clock or this host's moved: refused in either direction",
        SERVER,
        &version,
        || {
            for offset in ["+2d", "-2d"] {
                ceph.gateway(Some(offset));
                let date = s.bucket.date().unwrap().unwrap();
                assert!(
                    (date.as_second() - Timestamp::now().as_second()).abs() > 100_000,
                    "{offset} {date}"
                );
                let dir = tempfile::tempdir().unwrap();
                let trusted =
                    strongroom_custody::TrustedClock::open(&dir.path().join("clock"), vec![])
                        .unwrap();
                let refused =
                    trusted.now(&[("the S3 server".into(), date)], Timestamp::UNIX_EPOCH, None);
                assert!(matches!(refused, Err(strongroom_custody::Error::Clock(_))), "{offset}");
            }
        },
    );
}
