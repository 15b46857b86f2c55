//! The vault's program, as a process of its own.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

use crate::{
    common::{PASSWORD, School, attack, noise},
    vault::{SERVER, VERSION},
};
use bytes::Bytes;
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};
use strongroom_objects::{Key, Kind, Store, VaultRest, VaultSettings};

/// The program, in a process of its own.
pub(crate) fn program(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom-vault"));
    command.arg("--dir").arg(dir.join("vault")).arg("--json").args(args).current_dir(dir);
    command
}

pub(crate) fn ok(dir: &Path, args: &[&str]) -> String {
    let out = program(dir, args).output().unwrap();
    assert!(
        out.status.success(),
        "{args:?}: {}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

/// The bytes of a repository's master key: 32 that encrypt, then 32 that authenticate. Taken out of
/// its key file with the format's description alone, so that our own code has no way to them.
fn master_key(repository: &Path) -> [u8; 64] {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use ctr::cipher::{KeyIvInit, StreamCipher};
    let file = std::fs::read_dir(repository.join("keys")).unwrap().next().unwrap().unwrap();
    let file: serde_json::Value =
        serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
    let bytes = |v: &serde_json::Value| STANDARD.decode(v.as_str().unwrap()).unwrap();
    let number = |name: &str| u32::try_from(file[name].as_u64().unwrap()).unwrap();
    let params = scrypt::Params::new(number("N").ilog2() as u8, number("r"), number("p")).unwrap();
    let mut opener = [0; 64];
    scrypt::scrypt(PASSWORD.as_bytes(), &bytes(&file["salt"]), &params, &mut opener).unwrap();
    let sealed = bytes(&file["data"]);
    let (iv, rest) = sealed.split_at(16);
    let mut plain = rest[..rest.len() - 16].to_vec();
    ctr::Ctr128BE::<aes::Aes256>::new_from_slices(&opener[..32], iv)
        .unwrap()
        .apply_keystream(&mut plain);
    let keys: serde_json::Value = serde_json::from_slice(&plain).unwrap();
    let all = [&keys["encrypt"], &keys["mac"]["k"], &keys["mac"]["r"]].map(bytes).concat();
    all.try_into().unwrap()
}

/// A vault that pulls from the school's folder; answers the custodians' key files.
pub(crate) fn enrolled(dir: &Path, school: &School, immutable: bool) -> [String; 2] {
    std::fs::write(dir.join("card.json"), serde_json::to_string(&school.card()).unwrap()).unwrap();
    let settings = format!(
        "[hold]\nkind = \"local\"\nimmutable = {immutable}\n[source]\nkind = \"folder\"\npath = \
         {:?}\n",
        school.dir.join("copy2")
    );
    std::fs::write(dir.join("settings.toml"), settings).unwrap();
    let custodian = |name: &str| {
        let made: serde_json::Value = serde_json::from_str(&ok(
            dir,
            &["custodian", "new", name, "--out", &format!("{name}.key")],
        ))
        .unwrap();
        format!("{name}={}", made["key"].as_str().unwrap())
    };
    let (ada, bob) = (custodian("ada"), custodian("bob"));
    let said = ok(
        dir,
        &[
            "enrol",
            "school",
            "--card",
            "card.json",
            "--custodian",
            &ada,
            "--custodian",
            &bob,
            "--settings",
            "settings.toml",
            "--read-token-file",
            "read.token",
        ],
    );
    assert!(said.contains("no second clock is asked"), "{said}");
    ["ada.key".to_owned(), "bob.key".to_owned()]
}

#[test]
fn the_program_enrols_pulls_verifies_is_ordered_and_expires() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 70_000))], true);
    let keys = enrolled(d, &school, false);
    let pulled: serde_json::Value = serde_json::from_str(&ok(d, &["pull", "school"])).unwrap();
    assert_eq!(pulled["report"]["session"], 1);
    assert!(ok(d, &["sessions", "school"]).contains("\"session\":1"));
    assert!(ok(d, &["locks", "school", "snapshots/"]).contains("\"until\""));
    let verified: serde_json::Value = serde_json::from_str(&ok(d, &["verify", "school"])).unwrap();
    assert_eq!(verified["read"], verified["objects"]);
    let canary = ok(d, &["canary", "school"]);
    assert!(canary.contains("not-tested") && !canary.contains("\"worked\""), "{canary}");
    // It has one clock: nothing ever goes, and it is said from the first day on.
    let out = program(d, &["expire", "school", "--apply"]).output().unwrap();
    let said = String::from_utf8(out.stdout).unwrap();
    assert_eq!(out.status.code(), Some(4), "{said}");
    assert!(said.contains("\"freed\":0") && said.contains("no-second-clock"), "{said}");
    assert!(ok(d, &["status"]).contains("no second clock is asked"));
    // A change of policy: one custodian is not enough.
    std::fs::write(d.join("policy.toml"), "lock_days = 365\nyearly_years = 3\n").unwrap();
    ok(
        d,
        &[
            "order",
            "new",
            "school",
            "--reason",
            "the governors want a year",
            "--out",
            "order.json",
            "policy",
            "policy.toml",
        ],
    );
    ok(d, &["order", "sign", "order.json", "--key", &keys[0]]);
    assert!(
        !program(d, &["order", "apply", "school", "order.json"]).output().unwrap().status.success()
    );
    ok(d, &["order", "sign", "order.json", "--key", &keys[1]]);
    ok(d, &["order", "apply", "school", "order.json"]);
    assert!(ok(d, &["status"]).contains("\"lock_days\":365"));
    // Wrong inputs are sentences, and nothing is lost.
    for (args, word) in [
        (&["pull", "nobody"][..], "no repository"),
        (
            &["enrol", "other", "--card", "card.json", "--custodian", "x=y", "--custodian", "a=b"],
            "hexadecimal",
        ),
        (&["enrol", "other", "--card", "settings.toml", "--custodian", "x=y"], "no card"),
        (&["view", "school", "--upto", "9", "--out", "v"], "no sealed session"),
        (&["view", "school", "--out", "vault"], "not empty"),
    ] {
        let out = program(d, args).output().unwrap();
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
        assert!(!out.status.success() && said.contains(word), "{args:?}: {said}");
    }
    std::fs::rename(d.join("copy2"), d.join("elsewhere")).unwrap();
    let out = program(d, &["pull", "school"]).output().unwrap();
    assert!(
        String::from_utf8_lossy(&out.stdout).contains("is it mounted?"),
        "{}",
        String::from_utf8_lossy(&out.stdout)
    );
    assert!(
        std::fs::read_to_string(d.join("vault/school/alarms.jsonl"))
            .unwrap()
            .contains("pull-failed"),
        "and an alarm went out"
    );
    // Locks were made longer all the same, as the order says.
    let out = program(d, &["status"]).output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let least: jiff::Timestamp = status[0]["least_lock"].as_str().unwrap().parse().unwrap();
    assert!(least > jiff::Timestamp::now() + jiff::SignedDuration::from_hours(360 * 24));
}

/// The program with its clock moved by libfaketime.
fn faked(dir: &Path, offset: &str, args: &[&str]) -> Output {
    let lib = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
    assert!(Path::new(lib).exists(), "libfaketime is not here");
    program(dir, args).env("LD_PRELOAD", lib).env("FAKETIME", offset).output().unwrap()
}

#[test]
#[ignore = "needs libfaketime; cargo xtask test installs and runs it"]
fn vault_refuses_a_clock_that_jumps_in_either_direction() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 70_000))], true);
    enrolled(d, &school, false);
    ok(d, &["pull", "school"]);
    attack("clock or NTP moved: the vault's own host", SERVER, VERSION, || {
        school.backup(&[("b", b"b")], true);
        for offset in ["+400d", "+1h", "-1h", "-400d"] {
            for args in [
                &["pull", "school"][..],
                &["expire", "school", "--apply"],
                &["verify", "school"],
                &["canary", "school"],
            ] {
                let out = faked(d, offset, args);
                let said = format!(
                    "{}{}",
                    String::from_utf8_lossy(&out.stdout),
                    String::from_utf8_lossy(&out.stderr)
                );
                assert!(
                    !out.status.success() && said.contains("clock cannot be trusted"),
                    "{offset} {args:?}: {said}"
                );
            }
        }
        // Set right, it goes on.
        ok(d, &["pull", "school"]);
    });
}

/// Kills the process when the test ends.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether any readable part of a process' memory holds these bytes.
fn memory_holds(pid: u32, needles: &[(&str, &[u8])]) -> Vec<String> {
    use std::io::{Read, Seek, SeekFrom};
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut memory = std::fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut found = Vec::new();
    let mut looked = 0_usize;
    for line in maps.lines().filter(|l| l.split(' ').nth(1).is_some_and(|p| p.starts_with('r'))) {
        let Some((from, to)) = line.split(' ').next().and_then(|r| r.split_once('-')) else {
            continue;
        };
        let (from, to) =
            (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        if memory.seek(SeekFrom::Start(from)).is_err() {
            continue;
        }
        let mut bytes = vec![0; (to - from) as usize];
        if memory.read_exact(&mut bytes).is_err() {
            continue;
        }
        looked += bytes.len();
        for (name, needle) in needles {
            if bytes.windows(needle.len()).any(|w| w == *needle) {
                found.push((*name).to_owned());
            }
        }
    }
    assert!(looked > 1_000_000, "the memory was looked at");
    found
}

fn disk_holds(dir: &Path, needles: &[(&str, &[u8])]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(disk_holds(&entry.path(), needles));
        } else {
            let bytes = std::fs::read(entry.path()).unwrap();
            found.extend(
                needles
                    .iter()
                    .filter(|(_, n)| bytes.windows(n.len()).any(|w| w == *n))
                    .map(|(name, _)| format!("{name} in {}", entry.path().display())),
            );
        }
    }
    found
}

#[test]
fn the_vaults_process_and_disk_hold_neither_key_nor_plaintext() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    // Too short to be compressed, and nowhere else.
    let message =
        b"Dear Mrs Oduya, the minutes of Tuesday's safeguarding meeting are attached. 7f1c9e";
    school.backup(&[("letter.eml", message), ("a.bin", &noise(1, 70_000))], true);
    enrolled(d, &school, false);
    let mut child =
        program(d, &["run", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let running = Running(child);
    // Its own schedule pulls; then the vault is read through, as a restore would.
    let url: serde_json::Value = serde_json::from_str(&ready).unwrap();
    let token = std::fs::read_to_string(d.join("read.token")).unwrap();
    let url = url::Url::parse(url["url"].as_str().unwrap()).unwrap().join("school/").unwrap();
    let client = VaultRest::new(VaultSettings {
        url,
        user: "read".into(),
        token: token.into(),
        ca_file: None,
        identity_file: None,
    })
    .unwrap();
    for _ in 0..200 {
        if client.list(Kind::Snapshots).is_ok_and(|l| !l.is_empty()) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let mut packs = Vec::new();
    for kind in [Kind::Config, Kind::Keys, Kind::Data, Kind::Index, Kind::Snapshots] {
        for e in client.list(kind).unwrap() {
            packs.push(client.get(&Key::new(kind, &e.name).unwrap()).unwrap());
        }
    }
    assert!(packs.len() >= 6);
    let master = master_key(&school.dir.join("copy2"));
    let needles: Vec<(&str, &[u8])> = vec![
        ("the encryption key", &master[..32]),
        ("the MAC key", &master[32..]),
        ("the password", PASSWORD.as_bytes()),
        ("the message", &message[..40]),
    ];
    // The test can fail: ciphertext that passed through is somewhere, and this process holds the
    // key itself.
    assert!(!memory_holds(std::process::id(), &needles[..1]).is_empty());
    let pack: Bytes = packs.iter().max_by_key(|p| p.len()).unwrap().clone();
    assert!(!disk_holds(&d.join("vault"), &[("ciphertext", &pack[1000..1064])]).is_empty());
    assert_eq!(memory_holds(running.0.id(), &needles), Vec::<String>::new());
    assert_eq!(disk_holds(&d.join("vault"), &needles), Vec::<String>::new());
}

#[test]
fn files_are_immutable_where_the_kernel_allows() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 70_000))], true);
    enrolled(d, &school, true);
    ok(d, &["pull", "school"]);
    let hold = d.join("vault/school/hold");
    let canary = ok(d, &["canary", "school"]);
    let report: serde_json::Value = serde_json::from_str(&canary).unwrap();
    let tried = report["report"]["tried"].as_array().unwrap();
    let works = tried.iter().any(|t| {
        t["attempt"].as_str().unwrap().contains("delete the file past this program")
            && t["outcome"] == "refused"
    });
    let pack = std::fs::read_dir(hold.join("data"))
        .unwrap()
        .flatten()
        .flat_map(|e| std::fs::read_dir(e.path()).unwrap().flatten())
        .next()
        .unwrap()
        .path();
    let removed = std::fs::remove_file(&pack);
    println!("immutable flag: {}", if works { "kept by the kernel" } else { "not possible here" });
    assert_eq!(removed.is_err(), works, "{removed:?}");
    let _ = Command::new("chattr").args(["-R", "-i"]).arg(d).output();
}

#[test]
fn an_enrolment_that_no_recovery_could_follow_says_so_for_as_long_as_it_is_so() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 40_000))], true);
    let source = school.dir.join("copy2");
    let custodian = |name: &str| {
        let out = format!("{name}.key");
        let made: serde_json::Value =
            serde_json::from_str(&ok(d, &["custodian", "new", name, "--out", &out])).unwrap();
        // As it was read out on the telephone, and typed.
        let words = made["key_in_words"].as_str().unwrap().to_uppercase().replace(' ', "\n ");
        format!("{name}={words}")
    };
    let (ada, bob) = (custodian("ada"), custodian("bob"));
    let misheard = format!("{}{}", &ada[..ada.len() - 1], "qqq");
    let args = ["enrol", "a", "--card", "none", "--custodian", &misheard, "--custodian", &bob];
    std::fs::write(d.join("none"), serde_json::to_string(&school.card()).unwrap()).unwrap();
    let told = program(d, &args).output().unwrap();
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("its word 25, ") && told.contains("is not in the list"), "{told}");
    std::fs::write(d.join("settings.toml"), "[hold]\nkind = \"local\"\nimmutable = false\n")
        .unwrap();
    let enrol = |name: &str, card: &strongroom_custody::EnrolmentCard| {
        std::fs::write(d.join("card.json"), serde_json::to_string(card).unwrap()).unwrap();
        let args = [
            "enrol",
            name,
            "--card",
            "card.json",
            "--custodian",
            &ada,
            "--custodian",
            &bob,
            "--settings",
            "settings.toml",
            "--source",
            source.to_str().unwrap(),
        ];
        let out = program(d, &args).output().unwrap();
        (out.status.code().unwrap(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let standing = |name: &str| {
        let out = program(d, &["status"]).output().unwrap();
        let all: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        let row = all.as_array().unwrap().iter().find(|r| r["name"] == name).unwrap();
        row["standing"].as_array().map_or(0, Vec::len)
    };
    let card = school.card();
    // As it should be.
    let (code, said) = enrol("good", &card);
    assert_eq!((code, standing("good")), (0, 0), "{said}");
    // A card without keys: whoever reads the vault alone has no password to it.
    let bare = strongroom_custody::EnrolmentCard { keys: Vec::new(), ..card.clone() };
    let (code, said) = enrol("bare", &bare);
    assert!(code == 4 && said.contains("names no key file"), "{code} {said}");
    assert_eq!(standing("bare"), 1);
    let _ = program(d, &["pull", "bare"]).output().unwrap();
    assert_eq!(standing("bare"), 1, "for as long as it is so");
    // Keys that copy 2 does not have, or not those.
    let key = Key::new(Kind::Keys, &card.keys[0]).unwrap();
    let bytes = school.store.get(&key).unwrap();
    school.store.replace(&key, b"another").unwrap();
    let (code, said) = enrol("rotten", &card);
    assert!(code == 4 && said.contains("none of the key files"), "{code} {said}");
    school.store.remove(&key).unwrap();
    let (code, said) = enrol("gone", &card);
    assert!(code == 4 && said.contains("none of the key files"), "{code} {said}");
    assert_eq!(standing("gone"), 1);
    let _ = program(d, &["pull", "gone"]).output().unwrap();
    assert_eq!(standing("gone"), 1);
    school.store.replace(&key, &bytes).unwrap();
    school.backup(&[("b.bin", &noise(2, 40_000))], true);
    let _ = program(d, &["pull", "gone"]).output().unwrap();
    assert_eq!(standing("gone"), 0, "and no longer");
    // A manifest whose packs are not there.
    let pack = school.store.list(Kind::Data).unwrap().remove(0);
    school.store.remove(&Key::new(Kind::Data, &pack.name).unwrap()).unwrap();
    let (code, said) = enrol("torn", &card);
    assert!(code == 4 && said.contains("lacks 1 objects"), "{code} {said}");
}

/// Each verb says that the clock is wrong, and none ends in a panic; at times that a date can be
/// written for, the vault's own doubt decides.
#[test]
#[ignore = "needs libfaketime; cargo xtask test installs and runs it"]
fn a_clock_that_no_date_can_be_written_for_ends_each_verb_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let school = School::new(d);
    school.backup(&[("a.bin", &noise(1, 70_000))], true);
    enrolled(d, &school, false);
    ok(d, &["pull", "school"]);
    let verbs: [&[&str]; 20] = [
        &["key"],
        &["custodian", "new", "cy", "--out", "cy.key"],
        &["enrol", "b", "--card", "card.json", "--custodian", "x=y", "--custodian", "a=b"],
        &["pull", "school"],
        &["serve", "--listen", "127.0.0.1:0"],
        &["run", "--listen", "127.0.0.1:0"],
        &["status"],
        &["sessions", "school"],
        &["locks", "school"],
        &["view", "school", "--out", "out"],
        &["renew", "school"],
        &["verify", "school"],
        &["expire", "school"],
        &["expire", "school", "--apply"],
        &["canary", "school"],
        &["probe", "settings.toml"],
        &["credential", "list", "school"],
        &["alarm", "list", "school"],
        &["order", "new", "school", "--reason", "x", "--out", "o.json", "thaw"],
        &["order", "new", "school", "--reason", "x", "--out", "p.json", "clock-is-right"],
    ];
    let now = jiff::Timestamp::now().as_second();
    let said = |at: i64, args: &[&str]| {
        let out = faked(d, &format!("{:+}", at - now), args);
        let text = [&out.stdout[..], &out.stderr].map(String::from_utf8_lossy).concat();
        assert!(!text.contains("panicked"), "{at} {args:?}: {text}");
        (out.status.code(), text)
    };
    for at in [-86_400, 253_402_300_799] {
        for args in verbs {
            let (code, text) = said(at, args);
            assert_eq!(code, Some(1), "{at} {args:?}: {text}");
            assert!(text.contains("set its clock right"), "{at} {args:?}: {text}");
        }
    }
    assert!(!d.join("cy.key").exists() && !d.join("out").exists());
    for at in [0, 2_147_483_647, 4_294_967_296, 9_223_372_036, 253_370_764_800] {
        for args in verbs.into_iter().filter(|args| !["serve", "run"].contains(&args[0])) {
            let (code, text) = said(at, args);
            assert!(matches!(code, Some(0..=4)), "{at} {args:?}: {code:?} {text}");
        }
    }
    ok(d, &["pull", "school"]);
}

/// What a process shows of itself belongs to root where nobody may look into its memory, and to its
/// account where others of it may.
#[test]
fn a_vault_at_work_leaves_no_core() {
    use std::os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    };
    let dir = tempfile::tempdir().unwrap();
    let somebody = Some(65_534).filter(|_| rustix::process::getuid().is_root());
    chown(dir.path(), somebody, somebody).unwrap();
    let begin = |program: &str, args: &[&str]| {
        // Where that account may go.
        let copy = dir.path().join(Path::new(program).file_name().unwrap());
        std::fs::copy(program, &copy).unwrap();
        let mut command = Command::new(copy);
        command.args(args).current_dir(dir.path());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(id) = somebody {
            command.uid(id).gid(id);
        }
        loop {
            match command.spawn() {
                // For as long as a child of another test has not begun.
                Err(e) if e.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                child => return Running(child.unwrap()),
            }
        }
    };
    let shown = |running: &Running| {
        let proc = Path::new("/proc").join(running.0.id().to_string());
        let text = std::fs::read_to_string(proc.join("limits")).unwrap();
        let line = text.lines().find(|l| l.starts_with("Max core file size")).unwrap();
        let core = line.split_whitespace().skip(4).take(2).map(str::to_owned);
        (core.collect::<Vec<_>>(), std::fs::metadata(proc.join("mem")).unwrap().uid())
    };
    let plain = begin("/bin/cat", &[]);
    assert_ne!(shown(&plain).1, 0, "a process without secrets shows otherwise");
    let vault = env!("CARGO_BIN_EXE_strongroom-vault");
    let made = begin(vault, &["--dir", "vault", "key"]).0.wait().unwrap();
    assert!(made.success());
    let mut vault = begin(vault, &["--dir", "vault", "run", "--listen", "127.0.0.1:0"]);
    let wanted = (vec!["0".to_owned(), "0".to_owned()], 0);
    let over = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while shown(&vault) != wanted && std::time::Instant::now() < over {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(shown(&vault), wanted);
    assert!(vault.0.try_wait().unwrap().is_none(), "it runs still");
}
