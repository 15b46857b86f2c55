//! What Ceph lacks: conditional PUTs, checksums and locks on multipart uploads, against LocalStack.
//! It has no authentication, so credentials are Ceph's to test.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

use crate::common::{Ahead, Hand, LocalStack, School, attack, noise, restic_is_content};
use jiff::Timestamp;
use strongroom_custody::{AuditOptions, Meaning, VaultPolicy, audit, probe};
use strongroom_model::Silent;
use strongroom_objects::{LockedStore, S3Attempt, conformance};

const SERVER: &str = "LocalStack";

#[test]
#[ignore = "needs LocalStack; cargo xtask test installs and runs it"]
fn localstack_attacks() {
    let stack = LocalStack::start();
    let version = stack.version.clone();
    attack("contract of a write-once store, with If-None-Match", SERVER, &version, || {
        let bucket = stack.open("plain");
        bucket.make(false).unwrap();
        conformance::write_once_store(bucket.as_ref(), true);
    });
    attack("checksums, conditions and multipart locks are kept", SERVER, &version, || {
        let bucket = stack.open("probed");
        bucket.make(true).unwrap();
        let found = probe(&bucket, Timestamp::now()).unwrap();
        for kept in ["sha256", "If-None-Match", "multipart", "Content-MD5", "shortening"] {
            let f = found.iter().find(|f| f.probe.contains(kept)).unwrap();
            assert_eq!(f.meaning, Meaning::Good, "{f:?}");
        }
        // It lets who may bypass turn COMPLIANCE into GOVERNANCE: the probe finds that, and an
        // enrolment there is refused.
        let weakened = found.iter().find(|f| f.probe == "weakening a lock").unwrap();
        assert_eq!(weakened.meaning, Meaning::Refused, "{weakened:?}");
    });
    attack("pull, delete without a version, audit, read", SERVER, &version, || {
        let dir = tempfile::tempdir().unwrap();
        let school = School::new(dir.path());
        let bucket = stack.open("vault");
        bucket.make(true).unwrap();
        let hand = Hand::enrol(
            bucket.clone(),
            &school,
            &dir.path().join("state"),
            VaultPolicy::default(),
            Ahead::none(),
        );
        school.backup(&[("a.bin", &noise(1, 80_000))], true);
        hand.pull(school.store.as_ref());
        let report = audit(
            &mut hand.open(),
            AuditOptions { read_percent: 100, mend: false },
            Timestamp::now(),
            &Silent,
        )
        .unwrap();
        assert!(report.alarms().is_empty(), "{:?}", report.alarms());
        for row in bucket.survey("").unwrap() {
            bucket.attempt(&S3Attempt::Hide { path: &row.path });
            let gone = bucket.attempt(&S3Attempt::DeleteVersionBypassing {
                path: &row.path,
                version: &row.version,
            });
            assert!(gone.is_denial(), "{}: {gone:?}", row.path);
        }
        restic_is_content(&hand, None);
        let report =
            audit(&mut hand.open(), AuditOptions::default(), Timestamp::now(), &Silent).unwrap();
        assert!(!report.covered.is_empty() && report.lost.is_empty());
    });
}
