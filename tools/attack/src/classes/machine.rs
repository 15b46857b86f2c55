use super::{listed, new};
use crate::{
    arena::{Arena, tree},
    case::{Class, stands},
    child::Ran,
};
use anyhow::ensure;
use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

const SOUND: &str = "stock restic finds the repository sound, the next run is whole";

pub(super) const CLASS: Class = Class {
    name: "machine",
    attacker: "the machine itself: power, disks, limits, pipes",
    cases: &[
        listed("killed-backups", "ends 12 backups by SIGKILL at points by chance", SOUND, killed),
        new("killed-prunes", "ends 12 prunes by SIGKILL", SOUND, killed_prunes),
        new(
            "killed-rotate",
            "ends 8 key rotations by SIGKILL",
            "the old repository is whole",
            killed_rotate,
        ),
        new(
            "killed-restores",
            "ends 8 restores by SIGKILL, then resumes",
            "what is there is byte for byte the same",
            killed_restores,
        ),
        new(
            "killed-enrol",
            "ends 10 enrolments by SIGKILL",
            "the next one enrols, or says what is \
            there",
            killed_enrol,
        ),
        listed(
            "broken-pipe",
            "closes the reader of each output",
            "no exit 0 for what was not done",
            broken_pipe,
        ),
        new("full-output", "writes answers to /dev/full", "exit is not 0", full_output),
        new(
            "closed-fds",
            "starts with 0, 1 and 2 closed",
            "no answer lands in the repository",
            closed_fds,
        ),
        new("cache-full", "gives the cache a disk of 200 KB", SOUND, cache_full),
        new("few-files", "allows 8 to 40 open files", "orderly ends, then whole", few_files),
        new("little-memory", "allows 200 MB of address space", "an end, then whole", little_memory),
        new("file-size", "allows files of 64 KB (SIGXFSZ)", SOUND, file_size),
        new("little-stack", "gives threads a stack of 128 KB", "orderly ends", little_stack),
        new("no-processes", "allows no more processes", "orderly ends", no_processes),
        new("two-backups", "starts four backups at once", "one works, others say 11", two_backups),
        new("backup-and-prune", "prunes without grace while backups run", SOUND, backup_and_prune),
        new(
            "restic-beside",
            "runs stock restic's check, unlock and prune beside ours",
            SOUND,
            restic_beside,
        ),
        new(
            "case-folded",
            "keeps copy 2 under upper-case names of objects",
            "named, nothing lost",
            case_folded,
        ),
        new("interrupted-twice", "sends INT twice, then KILL", SOUND, interrupted),
        new(
            "vault-killed",
            "ends the vault's server by SIGKILL while it is pushed to",
            "the next push is whole, sealed once",
            vault_killed,
        ),
    ],
};

fn sound(a: &mut Arena) -> anyhow::Result<()> {
    let ran = a.backup()?;
    stands!(ran.is_done(), "the next backup: {}", ran.brief());
    let repo = a.path("copy2-0");
    let ran = a.restic(&repo, &["check", "--read-data"])?;
    stands!(ran.is_ok(), "stock restic: {}", ran.brief());
    let ran = a.strongroom(&["check", "--read-data"])?;
    stands!(ran.is_ok(), "check: {}", ran.brief());
    Ok(())
}

/// Starts a command and kills it after a while by chance.
fn kill_soon(a: &mut Arena, args: &[&str], most_ms: u64) -> anyhow::Result<()> {
    let mut command = a.command(0, args);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    std::thread::sleep(Duration::from_micros(a.random() % (most_ms * 1000)));
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn killed(a: &mut Arena) -> anyhow::Result<()> {
    for _ in 0..12 {
        kill_soon(a, &["backup"], 900)?;
    }
    sound(a)
}

fn killed_prunes(a: &mut Arena) -> anyhow::Result<()> {
    let old = a.names("snapshots").pop().unwrap_or_default();
    ensure!(a.backup()?.is_done(), "backup");
    a.strongroom_ok(&["forget", &old, "--yes"])?;
    for _ in 0..12 {
        kill_soon(a, &["prune", "--yes", "--grace-hours", "0", "--max-unused", "0"], 80)?;
    }
    sound(a)
}

fn killed_rotate(a: &mut Arena) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    a.write("new.password", "another password of some length")?;
    fs::set_permissions(a.path("new.password"), fs::Permissions::from_mode(0o600))?;
    let before = tree(&a.path("copy2-0"));
    let to = a.arg("rotated");
    let args = ["key", "rotate", &to, "--new-password-file", "new.password"];
    for _ in 0..8 {
        kill_soon(a, &args, 400)?;
    }
    let ran = a.strongroom(&args)?;
    stands!(ran.is_orderly(), "{}", ran.brief());
    let lost = crate::arena::lost(&before, &tree(&a.path("copy2-0")));
    stands!(
        lost.as_ref().is_none_or(|n| n.starts_with("locks")),
        "{lost:?} of the old one is gone"
    );
    if ran.is_done() {
        let out = Command::new("restic")
            .args(["-r", &to, "-p"])
            .arg(a.path("new.password"))
            .args(["--no-cache", "check", "--read-data"])
            .output()?;
        stands!(
            out.status.success(),
            "stock restic on the new one: {}",
            String::from_utf8_lossy(&out.stderr)
        );
    } else {
        stands!(false, "a rotation that was killed cannot go on: {}", ran.brief());
    }
    Ok(())
}

fn killed_restores(a: &mut Arena) -> anyhow::Result<()> {
    let id = a.names("snapshots").pop().unwrap_or_default();
    let honest = a.arg("honest");
    a.strongroom_ok(&["restore", "--target", &honest, "--snapshot", &id])?;
    let target = a.arg("restored");
    for _ in 0..8 {
        kill_soon(a, &["restore", "--target", &target, "--snapshot", &id, "--resume"], 200)?;
    }
    let ran = a.strongroom(&["restore", "--target", &target, "--snapshot", &id, "--resume"])?;
    stands!(ran.is_done(), "{}", ran.brief());
    let same = tree(&a.path("honest")) == tree(&a.path("restored"));
    stands!(same, "what was resumed is not what is in the snapshot");
    Ok(())
}

fn killed_enrol(a: &mut Arena) -> anyhow::Result<()> {
    let text = a.read("custodians")?;
    let people: Vec<String> = text.lines().map(str::to_owned).collect();
    let copy2 = a.arg("copy2-0");
    let command = |a: &Arena| {
        let mut command = a.stage.program("strongroom-vault", a.dir());
        command.args(["--dir", "fresh-vault", "--json", "enrol", "s", "--card", "card0.json"]);
        command.args(["--source", &copy2, "--custodian", &people[0], "--custodian", &people[1]]);
        command
    };
    for _ in 0..10 {
        let mut child = command(a).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        std::thread::sleep(Duration::from_micros(a.random() % 25_000));
        child.kill()?;
        child.wait()?;
    }
    let mut last = command(a);
    let ran = a.run(&mut last, Duration::from_secs(20))?;
    stands!(ran.is_orderly(), "{}", ran.brief());
    let mut status = a.stage.program("strongroom-vault", a.dir());
    status.args(["--dir", "fresh-vault", "--json", "pull", "s"]);
    let pulled = a.run(&mut status, Duration::from_secs(20))?;
    stands!(pulled.is_done(), "after it: {} and {}", ran.brief(), pulled.brief());
    // The kernel's flag, where it was set, would keep the place from being removed.
    let _ = Command::new("chattr")
        .args(["-R", "-i"])
        .arg(a.path("fresh-vault"))
        .stderr(Stdio::null())
        .status();
    Ok(())
}

/// Runs a command in a shell whose output goes where the script says.
fn shell(a: &mut Arena, script: &str, args: &[&str]) -> anyhow::Result<Ran> {
    let mut command = Command::new("bash");
    command.current_dir(a.dir()).env_clear().env("PATH", "/usr/bin:/bin").env("NO_COLOR", "1");
    command.env("HOME", a.path("home")).args(["-c", script]);
    command.arg(a.stage.bin.join("strongroom")).args(["--quiet", "--tenant", "school0"]).args(args);
    a.run(&mut command, Duration::from_secs(40))
}

fn broken_pipe(a: &mut Arena) -> anyhow::Result<()> {
    let script = "\"$0\" \"$@\" 2>/dev/null | true; exit ${PIPESTATUS[0]}";
    // A backup that fails must not end with 0 because nobody reads its answer.
    let whole = a.read("strongroom.toml")?;
    let broken =
        whole.replacen("password_file = \"password0\"", "password_file = \"password1\"", 1);
    a.write("strongroom.toml", broken)?;
    for args in [&["backup"][..], &["--json", "backup"], &["check"], &["--json", "check"]] {
        let ran = shell(a, script, args)?;
        stands!(ran.code != Some(0), "{args:?} with a wrong password and a closed pipe: 0");
    }
    a.write("strongroom.toml", whole)?;
    for name in a.names("data") {
        let path = a.path(&format!("copy2-0/data/{}/{name}", &name[..2]));
        let mut bytes = fs::read(&path)?;
        bytes[5] ^= 1;
        fs::remove_file(&path)?;
        fs::write(&path, bytes)?;
    }
    for args in [
        &["check", "--read-data"][..],
        &["--json", "check", "--read-data"],
        &["restore", "--target", "r"],
    ] {
        let ran = shell(a, script, args)?;
        stands!(ran.code != Some(0), "{args:?} on damaged packs and a closed pipe: 0");
    }
    Ok(())
}

fn full_output(a: &mut Arena) -> anyhow::Result<()> {
    for args in [
        &["--json", "snapshots"][..],
        &["snapshots"],
        &["ls", "latest", "/"],
        &["--json", "check"],
        &["key", "list"],
        &["find", "a"],
        &["--json", "backup"],
    ] {
        let ran = shell(a, "\"$0\" \"$@\" >/dev/full 2>/dev/null", args)?;
        stands!(ran.code != Some(0), "{args:?} could not say anything, and ends with 0");
        stands!(ran.is_orderly(), "{args:?}: {}", ran.brief());
    }
    for args in [&["status"][..], &["sessions", "school0"], &["pull", "school0"]] {
        let mut command = Command::new("sh");
        command.current_dir(a.dir()).env_clear().env("PATH", "/usr/bin:/bin");
        command.args(["-c", "\"$0\" \"$@\" >/dev/full"]).arg(a.stage.bin.join("strongroom-vault"));
        command.args(["--dir", "vault", "--json"]).args(args);
        let ran = a.run(&mut command, Duration::from_secs(20))?;
        stands!(ran.code != Some(0), "vault {args:?} could not say anything, and ends with 0");
        stands!(!ran.says("panicked"), "vault {args:?}: {}", ran.brief());
    }
    Ok(())
}

fn closed_fds(a: &mut Arena) -> anyhow::Result<()> {
    for closed in ["<&- >&- 2>&-", ">&-", "2>&-", "<&-"] {
        for args in [&["backup"][..], &["--json", "snapshots"], &["check"]] {
            let ran = shell(a, &format!("\"$0\" \"$@\" {closed}"), args)?;
            stands!(!ran.hung, "{args:?} {closed} hangs");
        }
    }
    sound(a)
}

fn cache_full(a: &mut Arena) -> anyhow::Result<()> {
    {
        fs::remove_dir_all(a.path("cache"))?;
        let _mounted = super::copy2::Mounted::tmpfs(&a.path("cache"), "size=200k,mode=700")?;
        let ran = a.backup()?;
        stands!(ran.is_orderly(), "{}", ran.brief());
    }
    sound(a)
}

fn under(a: &mut Arena, limit: &str) -> anyhow::Result<()> {
    for args in [&["backup"][..], &["check"], &["restore", "--target", "r"]] {
        let ran = shell(a, &format!("ulimit {limit}; exec \"$0\" \"$@\""), args)?;
        stands!(!ran.hung, "{args:?} under {limit} hangs");
        let _ = fs::remove_dir_all(a.path("r"));
    }
    Ok(())
}

fn few_files(a: &mut Arena) -> anyhow::Result<()> {
    for n in [8, 12, 16, 24, 40] {
        under(a, &format!("-n {n}"))?;
    }
    sound(a)
}

fn little_memory(a: &mut Arena) -> anyhow::Result<()> {
    under(a, "-v 200000")?;
    sound(a)
}

fn file_size(a: &mut Arena) -> anyhow::Result<()> {
    under(a, "-f 64")?;
    sound(a)
}

fn little_stack(a: &mut Arena) -> anyhow::Result<()> {
    under(a, "-s 128")?;
    sound(a)
}

fn no_processes(a: &mut Arena) -> anyhow::Result<()> {
    under(a, "-u 1")?;
    sound(a)
}

fn two_backups(a: &mut Arena) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for _ in 0..4 {
        let mut command = a.command(0, &["backup"]);
        all.push(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    }
    let mut codes = Vec::new();
    for mut child in all {
        codes.push(child.wait()?.code());
    }
    let known = codes.iter().all(|c| matches!(c, Some(0 | 3 | 11)));
    let one = codes.iter().any(|c| matches!(c, Some(0 | 3)));
    stands!(known && one, "{codes:?}");
    sound(a)
}

fn backup_and_prune(a: &mut Arena) -> anyhow::Result<()> {
    for _ in 0..4 {
        let mut backup = a.command(0, &["backup"]);
        let mut one = backup.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        std::thread::sleep(Duration::from_millis(a.random() % 300));
        let mut prune =
            a.command(0, &["prune", "--yes", "--grace-hours", "0", "--max-unused", "0"]);
        // As on another host: no lease is shared.
        prune.args(["--cache-dir", "cache-of-another-host"]);
        let mut two = prune.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        one.wait()?;
        two.wait()?;
    }
    sound(a)
}

fn restic_beside(a: &mut Arena) -> anyhow::Result<()> {
    let repo = a.path("copy2-0");
    for args in
        [&["check"][..], &["unlock"], &["unlock", "--remove-all"], &["prune"], &["snapshots"]]
    {
        let mut backup = a.command(0, &["backup"]);
        let mut one = backup.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        std::thread::sleep(Duration::from_millis(a.random() % 200));
        a.restic(&repo, args)?;
        one.wait()?;
    }
    let ran = a.restic(&repo, &["unlock", "--remove-all"])?;
    ensure!(ran.is_ok(), "unlock: {}", ran.brief());
    sound(a)
}

fn case_folded(a: &mut Arena) -> anyhow::Result<()> {
    for kind in ["index", "snapshots"] {
        for name in a.names(kind) {
            let dir = a.path(&format!("copy2-0/{kind}"));
            fs::rename(dir.join(&name), dir.join(name.to_uppercase()))?;
        }
    }
    for args in [&["snapshots"][..], &["check"], &["backup"]] {
        let ran = a.strongroom(args)?;
        stands!(ran.is_orderly(), "{args:?}: {}", ran.brief());
    }
    let repo = a.path("copy2-0");
    let ran = a.restic(&repo, &["check", "--read-data"])?;
    stands!(ran.is_orderly(), "{}", ran.brief());
    Ok(())
}

fn interrupted(a: &mut Arena) -> anyhow::Result<()> {
    for _ in 0..6 {
        let mut command = a.command(0, &["backup"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let pid = child.id().to_string();
        for _ in 0..2 {
            std::thread::sleep(Duration::from_millis(a.random() % 300));
            let _ = Command::new("kill").args(["-INT", &pid]).stderr(Stdio::null()).status();
        }
        std::thread::sleep(Duration::from_millis(20));
        child.kill()?;
        child.wait()?;
    }
    sound(a)
}

fn vault_killed(a: &mut Arena) -> anyhow::Result<()> {
    ensure!(a.backup()?.is_done(), "backup");
    let whole = a.read("strongroom.toml")?;
    for _ in 0..6 {
        let (vault, c) = a.serve("serve")?;
        let with = whole.replacen("repository = \"r0\"", "repository = \"r0\"\nvault = \"v\"", 1);
        a.write(
            "strongroom.toml",
            format!(
                "{with}[[vault]]\nname = \"v\"\nurl = \
            \"http://{}/school0\"\ntoken_file = \"push0.token\"\n",
                c.address
            ),
        )?;
        let mut command = a.command(0, &["replicate"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        std::thread::sleep(Duration::from_millis(a.random() % 150));
        drop(vault);
        std::thread::sleep(Duration::from_millis(20));
        child.kill()?;
        child.wait()?;
    }
    let (_vault, c) = a.serve("serve")?;
    let with = whole.replacen("repository = \"r0\"", "repository = \"r0\"\nvault = \"v\"", 1);
    a.write(
        "strongroom.toml",
        format!(
            "{with}[[vault]]\nname = \"v\"\nurl = \
        \"http://{}/school0\"\ntoken_file = \"push0.token\"\n",
            c.address
        ),
    )?;
    let ran = a.strongroom(&["replicate"])?;
    stands!(ran.is_done(), "the next push: {}", ran.brief());
    let sessions = a.sessions()?;
    stands!(sessions.as_array().map_or(0, Vec::len) == 2, "{sessions}");
    Ok(())
}
