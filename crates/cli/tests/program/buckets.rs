//! Copy 2 in a bucket, and at a server: everything that is done with a folder.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use crate::common::{School, school, small};
use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

#[path = "../../../vault/tests/all/common/ceph.rs"]
mod ceph;
use ceph::Ceph;

/// A school whose copy 2 is where these lines of the configuration say.
fn placed(lines: &str) -> School {
    let school = school(&small());
    let config = std::fs::read_to_string(school.path("strongroom.toml")).unwrap();
    let config = config.replace("path = \"copy2-0\"\n", "").replace(
        "password_file = \"password\"\n",
        &format!("password_file = \"password\"\n{lines}"),
    );
    std::fs::write(school.path("strongroom.toml"), config).unwrap();
    std::fs::write(school.path("place.secret"), "secret\n").unwrap();
    // Nothing of what follows may touch the folder that was made first.
    std::fs::remove_dir_all(school.path("copy2-0")).unwrap();
    school.ok(&["init"]);
    assert!(school.path("r0-recovery").is_dir(), "the sheets lie beside the configuration");
    school
}

/// What people do with it, and stock restic beside them.
fn live(school: &School, place: &str) {
    let restic = || {
        let out = Command::new("restic")
            .env("AWS_ACCESS_KEY_ID", "KEYOFSCHOOL")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .args(["-r", place, "--password-file"])
            .arg(school.path("password"))
            .args(["--no-cache", "check", "--read-data"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
    };
    school.whole();
    school.assert_everything_is_in();
    school.check();
    restic();

    // A second night, with a day of life before it; then maintenance, and files out of it.
    school.sim.live_a_day(0, 5, false);
    school.whole();
    school.assert_everything_is_in();
    let all: Vec<serde_json::Value> =
        serde_json::from_str(&school.ok(&["--json", "snapshots"])).unwrap();
    assert_eq!(all.len(), 2);
    school.ok(&["forget", all[0]["id"].as_str().unwrap(), "--yes"]);
    school.ok(&["prune", "--grace-hours", "0", "--max-unused", "0", "--yes"]);
    school.check();
    restic();
    let into = school.path("restored");
    school.ok(&["restore", "--target", into.to_str().unwrap()]);
    assert!(into.join("mail").is_dir() && into.join("drives").is_dir());
    let copy = school.path("second");
    school.ok(&["replicate", "--to", copy.to_str().unwrap()]);
    school.ok(&[
        "--repo",
        copy.to_str().unwrap(),
        "--password-file",
        school.path("password").to_str().unwrap(),
        "check",
        "--read-data",
    ]);

    // A second init finds what is there, and changes nothing; nor is it rebuilt while it is whole.
    let out = school.run(&["init", "--no-recovery"]);
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success() && told.contains("already"), "{told}");
    school.whole();
    assert!(!school.path("copy2-0").exists(), "a folder was made beside it");
}

#[test]
#[ignore = "needs Ceph; cargo xtask test installs and runs it"]
fn ceph_holds_copy_2_as_a_folder_does() {
    let ceph = Ceph::start();
    ceph.user("school");
    ceph.open_at("school", "copies", None).make(false).unwrap();
    let server = format!("http://127.0.0.1:{}", ceph.port);
    let school = placed(&format!(
        "[repository.s3]\nendpoint = \"{server}/\"\nbucket = \"copies\"\nprefix = \"riverside/\"\n\
         access_key_id = \"KEYOFSCHOOL\"\nsecret_file = \"place.secret\"\n"
    ));
    live(&school, &format!("s3:{server}/copies/riverside"));
}

struct Rclone(Child);

impl Drop for Rclone {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs rclone; cargo xtask test installs and runs it"]
fn rclone_serves_copy_2_as_a_folder_does() {
    let dir = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Command::new("rclone")
        .args(["serve", "restic", "--addr", &format!("127.0.0.1:{port}")])
        .args(["--user", "school", "--pass", "secret"])
        .arg(dir.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _server = Rclone(server);
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let school = placed(&format!(
        "[repository.rest]\nurl = \"http://127.0.0.1:{port}/riverside/\"\nuser = \"school\"\n\
         secret_file = \"place.secret\"\n"
    ));
    live(&school, &format!("rest:http://school:secret@127.0.0.1:{port}/riverside/"));
}
