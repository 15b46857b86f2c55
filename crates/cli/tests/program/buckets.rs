//! Copy 2 elsewhere: everything that is done with a folder, kills, and a vault that pulls it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use crate::common::{self, School, school, small};
use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use strongroom_custody::{Custodian, SigningKey, VaultPolicy};
use strongroom_vault::{Enrol, RepoSettings, Vault};

#[path = "../../../objects/tests/all/servers/azurite.rs"]
mod azurite;
#[path = "../../../vault/tests/all/common/ceph.rs"]
mod ceph;
#[path = "../../../objects/tests/all/servers/sshd.rs"]
mod sshd;
use azurite::Azurite;
use ceph::Ceph;
use sshd::Sshd;

/// Runs stock restic with these first arguments.
type Run<'r> = &'r dyn Fn(&[&str]);

/// A kind of place: how its parts are told to the program, to a vault and to stock restic.
struct Kind<'k> {
    /// Lines of a `[[repository]]` for the part of this name; `table` is its heading.
    lines: &'k dyn Fn(&str, &str) -> String,
    /// Lines of a `[source]`, with a credential that reads.
    source: String,
    /// Gives what tells stock restic the part `riverside` to whoever runs it.
    restic: &'k dyn Fn(Run<'_>),
}

/// The configuration of a school with these lines in the place of copy 2's folder.
fn moved(config: &str, lines: &str) -> String {
    config.replace("path = \"copy2-0\"\n", "").replace(
        "password_file = \"password\"\n",
        &format!("password_file = \"password\"\n{lines}"),
    )
}

/// A school whose copy 2 is such a place, with others for a second one.
fn placed(kind: &Kind<'_>) -> School {
    let school = school(&small());
    let config = std::fs::read_to_string(school.path("strongroom.toml")).unwrap();
    let mut config = moved(&config, &(kind.lines)("[repository.KIND]", "riverside"));
    for name in ["other", "rotated", "recovered"] {
        let lines = (kind.lines)("[repository.KIND]", name);
        config +=
            &format!("[[repository]]\nname = \"{name}\"\npassword_file = \"password\"\n{lines}");
    }
    std::fs::write(school.path("strongroom.toml"), config).unwrap();
    common::secret(&school.path("place.secret"), "secret\n");
    common::secret(&school.path("account.key"), azurite::KEY);
    // Nothing of what follows may touch the folder that was made first.
    std::fs::remove_dir_all(school.path("copy2-0")).unwrap();
    school.ok(&["config", "check"]);
    school.ok(&["init"]);
    assert!(school.path("r0-recovery").is_dir(), "the sheets lie beside the configuration");
    school
}

fn restic(kind: &Kind<'_>, school: &School) {
    (kind.restic)(&|place| {
        let out = Command::new("restic")
            .args(place)
            .env("AWS_ACCESS_KEY_ID", "KEYOFSCHOOL")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .arg("--password-file")
            .arg(school.path("password"))
            .args(["--no-cache", "check", "--read-data"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
    });
}

/// What people do with it, and stock restic beside them.
fn live(kind: &Kind<'_>, school: &School) {
    school.whole();
    school.assert_everything_is_in();
    school.check();
    restic(kind, school);

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
    common::secret(&school.path("second.password"), "battery staple");
    let second = school.path("second.password").display().to_string();
    school.ok(&["key", "add", "--new-password-file", &second]);
    school.ok(&["--password-file", &second, "snapshots"]);
    restic(kind, school);
    let into = school.path("restored");
    school.ok(&["restore", "--target", into.to_str().unwrap()]);
    assert!(into.join("mail").is_dir() && into.join("drives").is_dir());
    let copy = school.path("second");
    let password = school.path("password").display().to_string();
    school.ok(&["replicate", "--to", copy.to_str().unwrap()]);
    school.ok(&[
        "--repo",
        copy.to_str().unwrap(),
        "--password-file",
        &password,
        "check",
        "--read-data",
    ]);

    // A second place by the name that the configuration gives it.
    school.ok(&["replicate", "--to", "other"]);
    school.ok(&["replicate", "--to", "other", "--verify"]);
    school.ok(&["--repo", "other", "check", "--read-data"]);
    school.ok(&["repair", "heal", "--from", "other"]);
    school.ok(&["key", "rotate", "rotated", "--new-password-file", &password]);
    school.ok(&["--repo", "rotated", "check", "--read-data"]);
    assert!(school.path("rotated-recovery").is_dir());
    for folder in ["other", "rotated", "copy2-0"] {
        assert!(!school.path(folder).exists(), "a folder {folder} was made");
    }

    // A second init finds what is there, and changes nothing; nor is it rebuilt while it is whole.
    let out = school.run(&["init", "--no-recovery"]);
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success() && told.contains("already"), "{told}");
    school.whole();
}

/// Backups that are killed at any moment: what comes after them lacks nothing.
fn killed(kind: &Kind<'_>, school: &School) {
    let began = Instant::now();
    school.sim.live_a_day_of_mail(0, 100);
    school.whole();
    let whole = began.elapsed();
    let mut killed = 0;
    for round in 101..150_u64 {
        school.sim.live_a_day_of_mail(0, round);
        let mut command = school.command(&["backup"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole.mul_f64((round * 37 % 97) as f64 / 100.0));
        killed += u32::from(child.try_wait().unwrap().is_none());
        let _ = child.kill();
        child.wait().unwrap();
        if killed == 12 {
            break;
        }
    }
    assert!(killed >= 8, "{killed} backups were killed");
    school.whole();
    school.assert_everything_is_in();
    school.check();
    restic(kind, school);
}

fn enrol(school: &School, source: &str) -> Result<Vault, strongroom_vault::Refusal> {
    let card = school.path("card.json").display().to_string();
    if !Path::new(&card).exists() {
        school.ok(&["--tenant", "school0", "vault", "card", "--out", &card]);
    }
    let settings = school.path("settings.toml");
    let text = format!("[hold]\nkind = \"local\"\nimmutable = false\n{source}");
    std::fs::write(&settings, text).unwrap();
    let vault = Vault::open(&school.path("vault"))?;
    let custodian = |name: &str| Custodian {
        name: name.into(),
        key: SigningKey::from_seed(&SigningKey::new_seed().unwrap()).unwrap().public(),
    };
    let enrol = Enrol {
        card: serde_json::from_slice(&std::fs::read(&card).unwrap()).unwrap(),
        custodians: vec![custodian("ada"), custodian("bob")],
        quorum: 2,
        policy: VaultPolicy::default(),
        settings: RepoSettings::read(&settings)?,
        credentials: vec![],
    };
    vault.enrol("school", enrol)?;
    Ok(vault)
}

/// A vault that may only read it has all of it, and gives it back into a place of the same kind.
fn pulled(kind: &Kind<'_>, school: &School) {
    let vault = enrol(school, &kind.source).unwrap();
    let session = vault.pull("school", &strongroom_model::Silent).unwrap().session;
    assert_eq!(session, Some(1));
    let place = school.path("place.toml");
    let (hold, key) = (school.path("vault/school/hold"), vault.public());
    std::fs::write(&place, format!("hold = {hold:?}\npublic_key = \"{key}\"\n")).unwrap();
    let share = |n: u8| {
        school.path("r0-recovery").join(format!("share-{n}-of-3.html")).display().to_string()
    };
    let (place, password) = (place.display().to_string(), school.path("password"));
    school.ok(&[
        "vault",
        "recover",
        "--place",
        &place,
        "--share",
        &share(1),
        "--share",
        &share(2),
        "--new-password-file",
        password.to_str().unwrap(),
        "--to",
        "recovered",
    ]);
    school.ok(&["--repo", "recovered", "check", "--read-data"]);
}

/// A host whose credential adds, and takes its own locks away; what deletes has another one.
fn guarded(lines: &str, prune: &str) {
    let school = school(&small());
    let path = school.path("strongroom.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, moved(&config, lines)).unwrap();
    school.ok(&["init"]);
    school.whole();
    school.sim.live_a_day(0, 5, false);
    school.whole();
    let snapshots = || -> Vec<serde_json::Value> {
        serde_json::from_str(&school.ok(&["--json", "snapshots"])).unwrap()
    };
    let first = snapshots()[0]["id"].as_str().unwrap().to_owned();
    let forget = ["forget", first.as_str(), "--yes"];
    let out = school.run(&forget);
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success() && told.contains("refuses to"), "{told}");
    assert_eq!(snapshots().len(), 2);
    std::fs::write(&path, moved(&config, &format!("{lines}[repository.prune]\n{prune}"))).unwrap();
    school.ok(&forget);
    school.ok(&["prune", "--grace-hours", "0", "--max-unused", "0", "--yes"]);
    assert_eq!(snapshots().len(), 1);
    school.check();
    school.whole();
    school.assert_everything_is_in();
}

#[test]
#[ignore = "needs Ceph; cargo xtask test installs and runs it"]
fn ceph_lets_a_host_add_and_another_credential_delete() {
    let ceph = Ceph::start();
    ceph.user("school");
    ceph.user("host");
    let owner = ceph.open_at("school", "copies", None);
    owner.make(false).unwrap();
    // As docs/configuration.md has it.
    let allow = |actions: &str, resource: &str| {
        format!(
            "{{\"Effect\":\"Allow\",\"Principal\":{{\"AWS\":[\"arn:aws:iam:::user/host\"]}},\
             \"Action\":[{actions}],\"Resource\":\"arn:aws:s3:::copies{resource}\"}}"
        )
    };
    let policy = format!(
        "{{\"Version\":\"2012-10-17\",\"Statement\":[{},{},{}]}}",
        allow("\"s3:ListBucket\"", ""),
        allow("\"s3:GetObject\",\"s3:PutObject\"", "/riverside/*"),
        allow("\"s3:DeleteObject\"", "/riverside/locks/*")
    );
    owner.set_policy(&policy).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    common::secret(&secret, "secret\n");
    let lines = format!(
        "[repository.s3]\nendpoint = \"http://127.0.0.1:{}/\"\nbucket = \"copies\"\nprefix = \
         \"riverside/\"\naccess_key_id = \"KEYOFHOST\"\nsecret_file = {secret:?}\n\
         owner_control = true\n",
        ceph.port
    );
    guarded(&lines, &format!("access_key_id = \"KEYOFSCHOOL\"\nsecret_file = {secret:?}\n"));
}

#[test]
#[ignore = "needs rclone; cargo xtask test installs and runs it"]
fn rclone_lets_a_host_add_and_another_server_delete() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    let memory = "--cache-objects=false";
    let adds = Rclone::serve(folder, &[], &["--append-only", memory]);
    let deletes = Rclone::serve(folder, &[], &[memory]);
    let url = |served: &Rclone| format!("url = \"http://127.0.0.1:{}/riverside/\"\n", served.1);
    guarded(&format!("[repository.rest]\n{}", url(&adds)), &url(&deletes));
}

/// The demonstration, with its copy 2 in a part of its own.
fn demonstrated(kind: &Kind<'_>) {
    let dir = tempfile::tempdir().unwrap();
    let (lines, all) = (dir.path().join("copy2.toml"), dir.path().join("demo"));
    std::fs::write(&lines, (kind.lines)("[repository.KIND]", "demonstrated")).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_strongroom"))
        .args(["demo", "--json", "--scale", "0.3", "--dir"])
        .arg(&all)
        .arg("--copy2")
        .arg(&lines)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{told}{}", String::from_utf8_lossy(&out.stdout));
    let said: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(said["attacked"].as_u64().unwrap() > 0, "{said}");
    assert!(said["failed"].as_array().unwrap().is_empty(), "{said}");
    assert!(!all.join("copy2").exists(), "a folder was made");
}

fn everything(kind: &Kind<'_>) {
    demonstrated(kind);
    let school = placed(kind);
    live(kind, &school);
    killed(kind, &school);
    pulled(kind, &school);
}

#[test]
#[ignore = "needs Ceph; cargo xtask test installs and runs it"]
fn ceph_holds_copy_2_as_a_folder_does() {
    let ceph = Ceph::start();
    ceph.user("school");
    ceph.user("reader");
    ceph.open_at("school", "copies", None).make(false).unwrap();
    ceph.allow("school", "copies", "reader", &["GetObject", "ListBucket"]);
    let server = format!("http://127.0.0.1:{}", ceph.port);
    let secret = tempfile::NamedTempFile::new().unwrap();
    common::secret(secret.path(), "secret\n");
    let lines = |table: &str, name: &str| {
        format!(
            "{}\nendpoint = \"{server}/\"\nbucket = \"copies\"\nprefix = \"{name}/\"\n\
             access_key_id = \"KEYOFSCHOOL\"\nsecret_file = {:?}\n",
            table.replace("KIND", "s3"),
            secret.path()
        )
    };
    let restic = |run: Run<'_>| run(&["-r", &format!("s3:{server}/copies/riverside")]);
    let source =
        lines("[source]\nkind = \"s3\"", "riverside").replace("KEYOFSCHOOL", "KEYOFREADER");
    everything(&Kind { lines: &lines, source, restic: &restic });
}

struct Rclone(Child, u16);

impl Rclone {
    fn serve(what: &str, envs: &[(&str, String)], args: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Command::new("rclone")
            .args(["serve", "restic", "--addr", &format!("127.0.0.1:{port}")])
            .args(args)
            .arg(what)
            .envs(envs.iter().map(|(k, v)| (*k, v)))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Self(server, port)
    }
}

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
    let sign_in = ["--user", "school", "--pass", "secret"];
    let served = Rclone::serve(dir.path().to_str().unwrap(), &[], &sign_in);
    let port = served.1;
    let secret = dir.path().join("secret");
    common::secret(&secret, "secret\n");
    let lines = |table: &str, name: &str| {
        format!(
            "{}\nurl = \"http://127.0.0.1:{port}/{name}/\"\nuser = \"school\"\nsecret_file = \
             {secret:?}\n",
            table.replace("KIND", "rest")
        )
    };
    let restic = |run: Run<'_>| {
        run(&["-r", &format!("rest:http://school:secret@127.0.0.1:{port}/riverside/")]);
    };
    // The vault's server takes nothing away; rclone knows none that only reads. Of a vault the
    // secret is a token.
    let reader = Rclone::serve(
        dir.path().to_str().unwrap(),
        &[],
        &["--append-only", "--user", "school", "--pass", "secret"],
    );
    let source = lines("[source]\nkind = \"rest\"", "riverside")
        .replace("secret_file", "token_file")
        .replace(&port.to_string(), &reader.1.to_string());
    everything(&Kind { lines: &lines, source, restic: &restic });
}

#[test]
#[ignore = "needs OpenSSH's server; cargo xtask test installs and runs it"]
fn openssh_holds_copy_2_as_a_folder_does() {
    let server = Sshd::start("");
    let folder = |name: &str| server.path("copies").join(name);
    let lines =
        |table: &str, name: &str| server.lines(&table.replace("KIND", "sftp"), &folder(name));
    let restic = |run: Run<'_>| {
        let at = format!("sftp:127.0.0.1:{}", folder("riverside").display());
        run(&["-o", &server.restic_command(), "-r", &at]);
    };
    // The vault's account at the server may only read.
    let reader = Sshd::start("-R");
    let source = reader.lines("[source]\nkind = \"sftp\"", &folder("riverside"));
    everything(&Kind { lines: &lines, source, restic: &restic });
}

#[test]
#[ignore = "needs Azurite and rclone; cargo xtask test installs and runs it"]
fn azurite_holds_copy_2_as_a_folder_does() {
    let server = Azurite::start();
    let dir = tempfile::tempdir().unwrap();
    let (key, sas) = (dir.path().join("account.key"), dir.path().join("read.sas"));
    common::secret(&key, azurite::KEY);
    common::secret(&sas, &server.make("copies", "rl"));
    let lines = |table: &str, name: &str| {
        server
            .lines(&table.replace("KIND", "azure"), "copies", &format!("key_file = {key:?}"))
            .replace("riverside/", &format!("{name}/"))
    };
    // The restic of Debian cannot be told another server than Microsoft's: rclone stands between.
    let all = server.make("copies", "racwdl");
    let at_azurite = [
        ("RCLONE_CONFIG_AZ_TYPE", "azureblob".to_owned()),
        ("RCLONE_CONFIG_AZ_SAS_URL", format!("{}/copies?{all}", server.endpoint())),
    ];
    let restic = |run: Run<'_>| {
        // It remembers what it has seen: each time anew.
        let served = Rclone::serve("az:copies/riverside", &at_azurite, &[]);
        run(&["-r", &format!("rest:http://127.0.0.1:{}/", served.1)]);
    };
    let source =
        server.lines("[source]\nkind = \"azure\"", "copies", &format!("sas_file = {sas:?}"));
    everything(&Kind { lines: &lines, source, restic: &restic });
}

#[test]
fn a_vault_sends_no_credential_where_it_could_be_read() {
    let school = school(&small());
    common::secret(&school.path("secret"), "hush");
    let secret = school.path("secret");
    // It would be reached, and is not this machine by its name.
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    listening.set_nonblocking(true).unwrap();
    let there = format!("http://localhost.:{}/", listening.local_addr().unwrap().port());
    let s3 = format!("bucket = \"b\"\naccess_key_id = \"a\"\nsecret_file = {secret:?}\n");
    let azure = format!("account = \"school\"\ncontainer = \"copies\"\nkey_file = {secret:?}\n");
    let rest = format!("user = \"read\"\ntoken_file = {secret:?}\n");
    let sftp = format!("path = \"/copies\"\nknown_hosts_file = {secret:?}\n");
    for (lines, says) in [
        (format!("kind = \"rest\"\nurl = \"{there}r/\"\n{rest}"), "credentials need https"),
        (format!("kind = \"rest\"\nurl = \"https://me:hush@h/r/\"\n{rest}"), "does not belong"),
        (format!("kind = \"s3\"\nendpoint = \"{there}\"\n{s3}"), "credentials need https"),
        (format!("kind = \"s3\"\nendpoint = \"https://s3.example/b\"\n{s3}"), "end with its host"),
        (format!("kind = \"azure\"\nendpoint = \"{there}\"\n{azure}"), "credentials need https"),
        (format!("kind = \"azure\"\nsas_file = {secret:?}\n{azure}"), "both a key_file"),
        (format!("kind = \"sftp\"\nhost = \"-oProxyCommand=x\"\n{sftp}"), "no host's name"),
    ] {
        let error = enrol(&school, &format!("[source]\n{lines}")).map(|_| ()).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(says) && !error.contains("hush"), "{lines}: {error}");
    }
    assert!(listening.accept().is_err());
}
