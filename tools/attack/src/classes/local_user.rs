use super::{listed, new};
use crate::{
    arena::{Arena, tree},
    case::{Absent, Class, stands},
    child::{self, Ran},
    plant::Plant,
};
use anyhow::{Context, ensure};
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

const WHOLE: &str = "no file of the host is changed, made or removed";

pub(super) const CLASS: Class = Class {
    name: "local-user",
    attacker: "has another account on the backup host",
    cases: &[
        listed(
            "cache-links",
            "links each file of the cache to a file of the host",
            WHOLE,
            cache_links,
        ),
        listed(
            "cache-dir-link",
            "links the cache's folder to a folder of the host",
            WHOLE,
            cache_dir_link,
        ),
        listed(
            "cache-shared",
            "makes the cache's folder writable to all, or another's",
            "refused, or nothing in it is believed",
            cache_shared,
        ),
        listed(
            "cache-no-home",
            "the honest case: cron without HOME",
            "no cache in a shared folder",
            no_home,
        ),
        listed("core-dumps", "crashes a process that holds keys", "no core, not dumpable", cores),
        listed(
            "resume-links",
            "plants links in a folder that --resume goes on with",
            WHOLE,
            resume_links,
        ),
        new(
            "cache-kinds",
            "plants FIFOs, devices, folders in place of cache files",
            "the command ends, the backup is whole",
            cache_kinds,
        ),
        new(
            "cache-poisoned",
            "writes an index of the cache by another key",
            "nothing is left out of a backup",
            cache_poisoned,
        ),
        new("cache-old", "brings back a cache of before a prune", "nothing is left out", cache_old),
        new(
            "cache-modes",
            "looks into caches and folders that were made",
            "closed to others",
            modes,
        ),
        new(
            "process-list",
            "reads /proc of all processes during all commands",
            "no secret in arguments or environments",
            process_list,
        ),
        new("restored-modes", "looks into what was restored", "closed to others", restored_modes),
        new(
            "restore-target-link",
            "makes the restore's target a link, a file, a FIFO",
            "refused, nothing is written there",
            target_links,
        ),
        new(
            "restore-parents",
            "as another account makes folders of a target in /tmp links meanwhile",
            WHOLE,
            racing_links,
        ),
        new(
            "out-files-links",
            "links files that commands write (--out, tokens, cards, sheets)",
            WHOLE,
            out_links,
        ),
        new(
            "recovery-folder",
            "plants a link where recovery sheets go",
            "sheets go nowhere else",
            recovery_link,
        ),
        new(
            "tmp-names",
            "watches /tmp during all commands",
            "nothing guessable is made there",
            tmp_names,
        ),
        new(
            "lease-held",
            "holds a lock on the lease file from another process",
            "11 in time, no hang",
            lease_held,
        ),
        new("mount-others", "looks into a mount as another account", "it is closed", mounted),
        new(
            "vault-files",
            "reads the vault's folder as another account",
            "it is closed",
            vault_files,
        ),
        new(
            "vault-links",
            "plants links in the folders of a vault that was made under umask 000",
            "no folder of it can be written by others",
            vault_links,
        ),
        new(
            "signals",
            "sends HUP, USR1, USR2, PIPE, ALRM, WINCH, QUIT to a backup",
            "the repository is sound, the next backup whole",
            signals,
        ),
        new(
            "acceptance-demo",
            "starts the demonstration in a folder of another account",
            "it is refused",
            demo_dir,
        ),
    ],
};

fn canary_file(a: &Arena) -> anyhow::Result<PathBuf> {
    a.write("of-the-host", "whole")
}

fn is_whole(a: &Arena) -> anyhow::Result<()> {
    let text = a.read("of-the-host").unwrap_or_default();
    stands!(text == "whole", "a file of the host holds {text:.60?}");
    stands!(!a.path("not-there").exists(), "a file was made where a dangling link leads");
    Ok(())
}

/// Every file and folder below a folder.
fn all_below(dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.symlink_metadata().is_ok_and(|m| m.is_dir()) {
            out.extend(all_below(&path));
        }
        out.push(path);
    }
    out
}

fn some_commands(a: &mut Arena) -> anyhow::Result<Vec<Ran>> {
    let mut all = Vec::new();
    for args in [
        &["backup"][..],
        &["check"],
        &["ls", "latest", "/"],
        &["prune", "--yes", "--grace-hours", "0"],
        &["repair", "index"],
    ] {
        let mut command = a.command(0, args);
        let ran = a.run(&mut command, Duration::from_secs(20))?;
        stands!(!ran.hung, "{args:?} hangs");
        stands!(ran.is_orderly(), "{args:?}: {}", ran.brief());
        all.push(ran);
    }
    Ok(all)
}

fn cache_links(a: &mut Arena) -> anyhow::Result<()> {
    let host = canary_file(a)?;
    // Names are those that an honest run leaves, and those beside which it writes.
    let names: Vec<PathBuf> =
        all_below(&a.path("cache")).into_iter().filter(|p| p.is_file()).collect();
    ensure!(!names.is_empty(), "no cache");
    let mut more = Vec::new();
    for name in &names {
        for end in ["new", "tmp", "lock", "lease"] {
            more.push(name.with_extension(end));
        }
    }
    for target in [host, a.path("not-there")] {
        for name in names.iter().chain(&more) {
            let _ = fs::remove_file(name);
            if let Some(parent) = name.parent() {
                fs::create_dir_all(parent)?;
            }
            let _ = symlink(&target, name);
        }
        some_commands(a)?;
        is_whole(a)?;
    }
    Ok(())
}

fn cache_dir_link(a: &mut Arena) -> anyhow::Result<()> {
    fs::create_dir(a.path("folder-of-the-host"))?;
    for name in ["old.run", "packs", "packs1", "x.index", "1.lease"] {
        a.write(&format!("folder-of-the-host/{name}"), "whole")?;
    }
    let index = all_below(&a.path("cache"))
        .into_iter()
        .find(|p| p.extension().is_some_and(|e| e == "index") && p.is_dir());
    let index = index.context("no index in the cache")?;
    let before = tree(&a.path("folder-of-the-host"));
    fs::remove_dir_all(&index)?;
    symlink(a.path("folder-of-the-host"), &index)?;
    some_commands(a)?;
    stands!(tree(&a.path("folder-of-the-host")) == before, "the folder of the host is another");
    fs::rename(a.path("cache"), a.path("cache-real"))?;
    symlink(a.path("folder-of-the-host"), a.path("cache"))?;
    some_commands(a)?;
    let after = tree(&a.path("folder-of-the-host"));
    let lost = crate::arena::lost(&before, &after);
    stands!(lost.is_none(), "{lost:?} of the host is gone");
    Ok(())
}

fn backup_is_whole(a: &mut Arena) -> anyhow::Result<()> {
    let repo = a.path("copy2-0");
    let check = a.restic(&repo, &["check", "--read-data"])?;
    stands!(check.is_ok(), "stock restic: {}", check.brief());
    Ok(())
}

fn cache_shared(a: &mut Arena) -> anyhow::Result<()> {
    for (mode, owner) in [(0o777, None), (0o1777, None), (0o770, None), (0o700, Some("nobody"))] {
        fs::set_permissions(a.path("cache"), fs::Permissions::from_mode(mode))?;
        if let Some(owner) = owner {
            let done = Command::new("chown").arg(owner).arg(a.path("cache")).status()?;
            if !done.success() {
                return Err(Absent("this account gives no files away".into()).into());
            }
        }
        let ran = a.backup()?;
        let now = fs::metadata(a.path("cache"))?;
        let closed = now.mode() & 0o077 == 0 && now.uid() == rustix::process::getuid().as_raw();
        stands!(
            !ran.is_done() || closed,
            "a cache of mode {mode:o}, {owner:?} is used: {}",
            ran.brief()
        );
        let chown = Command::new("chown").arg("root").arg(a.path("cache")).status()?;
        ensure!(chown.success(), "chown");
    }
    Ok(())
}

fn no_home(a: &mut Arena) -> anyhow::Result<()> {
    let text = a.read("strongroom.toml")?.replace("cache_dir = \"cache\"\n", "");
    a.write("strongroom.toml", text)?;
    let listed = || -> Vec<String> {
        let all = fs::read_dir("/tmp").into_iter().flatten().flatten();
        all.map(|e| e.file_name().to_string_lossy().into_owned())
            .filter(|n| n.contains("strongroom"))
            .collect()
    };
    let before = listed();
    let mut command = Command::new("setpriv");
    if !child::has("setpriv") {
        return Err(Absent("setpriv is not here".into()).into());
    }
    // As an account that has no home and no folder of its own.
    let done = Command::new("chown").args(["-R", "nobody"]).arg(a.dir()).status()?;
    ensure!(done.success(), "chown");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    command.arg(a.stage.bin.join("strongroom")).args(["--quiet", "--tenant", "school0", "backup"]);
    command.current_dir(a.dir()).env_clear().env("PATH", "/usr/bin:/bin");
    let ran = a.run(&mut command, Duration::from_secs(30))?;
    let new: Vec<String> = listed().into_iter().filter(|n| !before.contains(n)).collect();
    stands!(new.is_empty(), "caches in /tmp: {new:?}");
    stands!(ran.is_orderly(), "{}", ran.brief());
    let done = Command::new("chown").args(["-R", "root"]).arg(a.dir()).status()?;
    ensure!(done.success(), "chown");
    Ok(())
}

fn cores(a: &mut Arena) -> anyhow::Result<()> {
    use rustix::process::{Pid, Signal, kill_process};
    let before = fs::read_dir(a.dir())?.count();
    let mut shell = Command::new("sh");
    shell.current_dir(a.dir()).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", a.path("home"));
    shell.args(["-c", "ulimit -c unlimited; exec \"$0\" \"$@\""]);
    shell.arg(a.stage.bin.join("strongroom")).args(["--quiet", "--tenant", "school0", "backup"]);
    let mut child = shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    std::thread::sleep(Duration::from_millis(120));
    // Not dumpable: its files in /proc belong to root, whoever it is; and the limit is zero.
    let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap_or_default();
    let core = limits.lines().find(|l| l.starts_with("Max core file size")).unwrap_or_default();
    let none = core.split_whitespace().filter(|w| *w == "0").count() == 2;
    let pid = Pid::from_raw(i32::try_from(child.id())?).context("no pid")?;
    let _ = kill_process(pid, Signal::SEGV);
    child.wait()?;
    stands!(none || core.is_empty(), "core dumps are allowed: {core}");
    let after = fs::read_dir(a.dir())?.count();
    stands!(after == before, "a crash left {} files", after - before);
    let (vault, _) = a.serve("run")?;
    let limits = fs::read_to_string(format!("/proc/{}/limits", vault.pid()))?;
    let core = limits.lines().find(|l| l.starts_with("Max core file size")).unwrap_or_default();
    stands!(
        core.split_whitespace().filter(|w| *w == "0").count() == 2,
        "the vault's process, which holds its seed, may dump core: {core}"
    );
    Ok(())
}

fn snapshot_id(a: &Arena) -> anyhow::Result<String> {
    a.names("snapshots").pop().context("no snapshot")
}

fn resume_links(a: &mut Arena) -> anyhow::Result<()> {
    let host = canary_file(a)?;
    let id = snapshot_id(a)?;
    let target = a.arg("restored");
    a.strongroom_ok(&["restore", "--target", &target, "--snapshot", &id])?;
    let files: Vec<PathBuf> =
        all_below(&a.path("restored")).into_iter().filter(|p| p.is_file()).collect();
    for (n, file) in files.iter().enumerate() {
        fs::remove_file(file)?;
        symlink(if n % 2 == 0 { host.clone() } else { a.path("not-there") }, file)?;
    }
    let args = ["restore", "--target", &target, "--snapshot", &id, "--resume"];
    let ran = a.strongroom(&args)?;
    stands!(ran.is_orderly(), "{}", ran.brief());
    is_whole(a)?;
    // A folder of it, and the mark.
    fs::remove_dir_all(a.path("restored"))?;
    fs::create_dir_all(a.path("restored"))?;
    fs::create_dir(a.path("elsewhere"))?;
    for name in ["mail", "drives", "tenant"] {
        symlink(a.path("elsewhere"), a.path("restored").join(name))?;
    }
    a.strongroom(&args)?;
    stands!(tree(&a.path("elsewhere")).is_empty(), "files were written through a linked folder");
    Ok(())
}

fn cache_kinds(a: &mut Arena) -> anyhow::Result<()> {
    let names: Vec<PathBuf> =
        all_below(&a.path("cache")).into_iter().filter(|p| p.is_file()).collect();
    for plant in [
        Plant::Fifo,
        Plant::Directory,
        Plant::Device,
        Plant::Socket,
        Plant::Sparse,
        Plant::Junk,
        Plant::Empty,
        Plant::Closed,
    ] {
        for name in &names {
            plant.put(name)?;
        }
        for args in [&["backup"][..], &["ls", "latest", "/"]] {
            let mut command = a.command(0, args);
            let ran = a.run(&mut command, Duration::from_secs(15))?;
            stands!(!ran.hung, "{args:?} hangs on a {plant:?} in the cache");
            stands!(ran.is_orderly(), "{args:?} on {plant:?}: {}", ran.brief());
            stands!(ran.peak_kib < 700 << 10, "{plant:?} took {} KiB", ran.peak_kib);
        }
        let _ = fs::remove_dir_all(a.path("cache"));
        let ran = a.backup()?;
        stands!(ran.is_done(), "with a fresh cache: {}", ran.brief());
    }
    backup_is_whole(a)
}

fn cache_poisoned(a: &mut Arena) -> anyhow::Result<()> {
    // The other school's caches under this one's names: right in form, by another key.
    let short = |a: &Arena, n: usize| -> anyhow::Result<String> {
        let card: serde_json::Value = serde_json::from_str(&a.read(&format!("card{n}.json"))?)?;
        Ok(card["repository"].as_str().unwrap_or_default()[..8].to_owned())
    };
    let (ours, theirs) = (short(a, 0)?, short(a, 1)?);
    for entry in fs::read_dir(a.path("cache"))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(rest) = name.strip_prefix(&theirs) {
            let to = a.path("cache").join(format!("{ours}{rest}"));
            let _ = fs::remove_dir_all(&to);
            let _ = fs::remove_file(&to);
            let done = Command::new("cp").arg("-a").arg(entry.path()).arg(&to).status()?;
            ensure!(done.success(), "cp");
        }
    }
    let ran = a.backup()?;
    stands!(ran.is_orderly(), "{}", ran.brief());
    backup_is_whole(a)?;
    // One bit at a time in each of our own.
    for n in 0..12_usize {
        for file in all_below(&a.path("cache")).into_iter().filter(|p| p.is_file()) {
            let mut bytes = fs::read(&file)?;
            if !bytes.is_empty() {
                let at = (a.random() as usize) % bytes.len();
                bytes[at] ^= 1 << (n % 8);
                fs::write(&file, bytes)?;
            }
        }
        let ran = a.backup()?;
        stands!(ran.is_orderly(), "{}", ran.brief());
    }
    backup_is_whole(a)
}

fn cache_old(a: &mut Arena) -> anyhow::Result<()> {
    let copy = |from: PathBuf, to: PathBuf| -> anyhow::Result<()> {
        let done = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
        ensure!(done.success(), "cp");
        Ok(())
    };
    let old = snapshot_id(a)?;
    copy(a.path("cache"), a.path("cache-old"))?;
    ensure!(a.backup()?.is_done(), "backup");
    a.strongroom_ok(&["forget", &old, "--yes"])?;
    for _ in 0..2 {
        a.strongroom_ok(&["prune", "--yes", "--grace-hours", "0", "--max-unused", "0"])?;
    }
    fs::remove_dir_all(a.path("cache"))?;
    copy(a.path("cache-old"), a.path("cache"))?;
    let ran = a.backup()?;
    stands!(ran.is_done(), "{}", ran.brief());
    backup_is_whole(a)
}

fn open_to_others(dir: &Path) -> Vec<String> {
    let mut all = all_below(dir);
    all.push(dir.to_owned());
    // What lies in a closed folder is closed.
    if fs::metadata(dir).is_ok_and(|m| m.mode() & 0o077 == 0) {
        return Vec::new();
    }
    let open = all
        .iter()
        .filter(|p| fs::symlink_metadata(p).is_ok_and(|m| m.is_file() && m.mode() & 0o044 != 0));
    open.map(|p| p.display().to_string()).collect()
}

fn modes(a: &mut Arena) -> anyhow::Result<()> {
    let _ = fs::remove_dir_all(a.path("cache"));
    let mut shell = Command::new("sh");
    shell.current_dir(a.dir()).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", a.path("home"));
    shell.args(["-c", "umask 000; exec \"$0\" \"$@\""]).arg(a.stage.bin.join("strongroom"));
    shell.args(["--quiet", "--tenant", "school0", "backup"]);
    let ran = a.run(&mut shell, Duration::from_secs(30))?;
    ensure!(ran.is_done(), "{}", ran.brief());
    let open = open_to_others(&a.path("cache"));
    stands!(open.is_empty(), "others may read {open:?}");
    stands!(open_to_others(&a.path("copy2-0-recovery")).is_empty(), "others may read the shares");
    for name in ["ada.key", "vault/vault.key", "push0.token"] {
        let mode = fs::metadata(a.path(name))?.mode();
        stands!(mode & 0o077 == 0, "{name} has mode {mode:o}");
    }
    Ok(())
}

fn process_list(a: &mut Arena) -> anyhow::Result<()> {
    let over = std::sync::atomic::AtomicBool::new(false);
    let mut seen = String::new();
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut all = std::collections::BTreeSet::new();
            while !over.load(std::sync::atomic::Ordering::SeqCst) {
                for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
                    for file in ["cmdline", "environ"] {
                        let Ok(bytes) = fs::read(entry.path().join(file)) else { continue };
                        let text = String::from_utf8_lossy(&bytes).into_owned();
                        if text.contains("strongroom") {
                            all.insert(text);
                        }
                    }
                }
            }
            all
        });
        for args in [&["backup"][..], &["snapshots"], &["check"], &["key", "list"]] {
            let mut command = a.command(0, args);
            let _ = child::run(&mut command, Duration::from_secs(30));
        }
        over.store(true, std::sync::atomic::Ordering::SeqCst);
        seen = watcher.join().map(|all| all.into_iter().collect()).unwrap_or_default();
    });
    ensure!(!seen.is_empty(), "nothing was seen");
    a.look_for_secrets(&seen, "the list of processes");
    Ok(())
}

fn restored_modes(a: &mut Arena) -> anyhow::Result<()> {
    let target = a.arg("restored");
    a.strongroom_ok(&["restore", "--target", &target])?;
    let mode = fs::metadata(&target)?.mode();
    stands!(
        mode & 0o077 == 0,
        "the restored folder has mode {:o}: all of the school's mail is \
        open to every account of the host",
        mode & 0o777
    );
    Ok(())
}

fn target_links(a: &mut Arena) -> anyhow::Result<()> {
    fs::create_dir(a.path("elsewhere"))?;
    let host = canary_file(a)?;
    for (n, to) in [a.path("elsewhere"), host, a.path("not-there")].into_iter().enumerate() {
        let link = a.path(&format!("target{n}"));
        symlink(&to, &link)?;
        let shown = link.display().to_string();
        let ran = a.strongroom(&["restore", "--target", &shown])?;
        stands!(ran.is_orderly(), "{}", ran.brief());
    }
    Plant::Fifo.put(&a.path("fifo"))?;
    let fifo = a.arg("fifo");
    let mut command = a.command(0, &["restore", "--target", &fifo]);
    let ran = a.run(&mut command, Duration::from_secs(10))?;
    stands!(!ran.hung && !ran.is_ok(), "a FIFO as target: {}", ran.brief());
    is_whole(a)
}

fn racing_links(a: &mut Arena) -> anyhow::Result<()> {
    use std::os::unix::process::CommandExt;
    let (shared, elsewhere) = (a.path("shared"), a.path("elsewhere"));
    for dir in [&shared, &elsewhere] {
        fs::create_dir(dir)?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o1777))?;
    }
    fs::set_permissions(a.dir(), fs::Permissions::from_mode(0o755))?;
    let script = "while :; do for d in shared/r shared/r/* shared/r/*/*; do mv -T \"$d\" \
        \"$d.aside\" && ln -s \"$PWD/elsewhere\" \"$d\"; done; done";
    let mut racer = Command::new("sh");
    racer.args(["-c", script]).current_dir(a.dir()).stderr(Stdio::null());
    let mut racer = racer.uid(65_534).gid(65_534).spawn()?;
    for _ in 0..5 {
        let mut command = a.command(0, &["restore", "--target", "shared/r"]);
        let ran = a.run(&mut command, Duration::from_secs(20));
        let _ = fs::remove_dir_all(a.path("shared/r"));
        ran?;
    }
    racer.kill()?;
    racer.wait()?;
    let written = tree(&elsewhere).len();
    stands!(written == 0, "{written} files were written through a folder that became a link");
    Ok(())
}

fn out_links(a: &mut Arena) -> anyhow::Result<()> {
    let host = canary_file(a)?;
    for (n, target) in [host, a.path("not-there")].into_iter().enumerate() {
        let link = |name: &str| -> anyhow::Result<String> {
            let path = a.path(&format!("{name}{n}"));
            symlink(&target, &path)?;
            Ok(path.display().to_string())
        };
        let (card, shares, token, export, assess) =
            (link("card")?, link("shares")?, link("token")?, link("export")?, link("assess")?);
        a.strongroom(&["vault", "card", "--out", &card])?;
        a.strongroom(&["key", "shares", &shares])?;
        a.strongroom(&["tenant", "export", "--out", &export])?;
        a.strongroom(&["assess", "--out", &assess])?;
        a.vault(&[
            "credential",
            "add",
            "school0",
            &format!("u{n}"),
            "--may",
            "read",
            "--token-file",
            &token,
        ])?;
        a.vault(&["custodian", "new", "z", "--out", &token])?;
        a.vault(&["view", "school0", "--out", &export])?;
    }
    is_whole(a)
}

fn recovery_link(a: &mut Arena) -> anyhow::Result<()> {
    fs::create_dir(a.path("elsewhere"))?;
    symlink(a.path("elsewhere"), a.path("fresh-recovery"))?;
    a.write("new.password", "a new password of some length")?;
    fs::set_permissions(a.path("new.password"), fs::Permissions::from_mode(0o600))?;
    let ran = a.strongroom(&["--repo", "fresh", "--password-file", "new.password", "init"])?;
    stands!(ran.is_orderly(), "{}", ran.brief());
    let written = tree(&a.path("elsewhere")).len();
    stands!(written == 0, "{written} recovery shares went where a planted link leads");
    Ok(())
}

fn tmp_names(a: &mut Arena) -> anyhow::Result<()> {
    let tmp = a.path("watched-tmp");
    fs::create_dir(&tmp)?;
    fs::set_permissions(&tmp, fs::Permissions::from_mode(0o1777))?;
    let over = std::sync::atomic::AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = std::collections::BTreeSet::new();
            while !over.load(std::sync::atomic::Ordering::SeqCst) {
                for e in fs::read_dir(&tmp).into_iter().flatten().flatten() {
                    seen.insert(e.file_name().to_string_lossy().into_owned());
                }
            }
            seen
        });
        for args in
            [&["backup"][..], &["check"], &["tenant", "snapshot"], &["restore", "--target", "r"]]
        {
            let mut command = a.command(0, args);
            command.env("TMPDIR", &tmp);
            let _ = child::run(&mut command, Duration::from_secs(30));
        }
        over.store(true, std::sync::atomic::Ordering::SeqCst);
        watcher.join().unwrap_or_default()
    });
    let guessable = seen.iter().find(|n| {
        let digits = n.chars().filter(char::is_ascii_digit).count();
        n.starts_with("strongroom") && (digits == n.len() - 10 || n.len() < 14)
    });
    stands!(guessable.is_none(), "guessable in a shared folder: {guessable:?}");
    Ok(())
}

fn lease_held(a: &mut Arena) -> anyhow::Result<()> {
    let lease = all_below(&a.path("cache"))
        .into_iter()
        .find(|p| p.extension().is_some_and(|e| e == "lease"));
    let held = fs::File::options().write(true).open(lease.context("no lease")?)?;
    held.lock()?;
    let mut command = a.command(0, &["backup"]);
    let ran = a.run(&mut command, Duration::from_secs(20))?;
    stands!(!ran.hung, "a backup hangs on a held lease");
    stands!(ran.code == Some(11) || ran.is_done(), "{}", ran.brief());
    drop(held);
    let ran = a.backup()?;
    stands!(ran.is_done(), "afterwards: {}", ran.brief());
    Ok(())
}

fn mounted(a: &mut Arena) -> anyhow::Result<()> {
    if !Path::new("/dev/fuse").exists() || !child::has("fusermount3") {
        return Err(Absent("fuse is not here".into()).into());
    }
    let at = a.path("mnt");
    fs::create_dir(&at)?;
    let shown = at.display().to_string();
    let mut command = a.command(0, &["mount", &shown]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let mut there = false;
    for _ in 0..60 {
        std::thread::sleep(Duration::from_millis(50));
        there = fs::read_dir(&at).is_ok_and(|mut d| d.next().is_some());
        if there {
            break;
        }
    }
    let other = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "ls"])
        .arg(&at)
        .output();
    let _ = Command::new("fusermount3").args(["-u", "-z"]).arg(&at).status();
    let _ = child.kill();
    child.wait()?;
    if !there {
        return Err(Absent("nothing can be mounted here".into()).into());
    }
    let open = other.is_ok_and(|o| o.status.success() && !o.stdout.is_empty());
    stands!(!open, "another account looks into the mount");
    Ok(())
}

fn vault_files(a: &mut Arena) -> anyhow::Result<()> {
    // A vault that was made under the usual mask.
    a.backup()?;
    a.vault(&["pull", "school0"])?;
    a.vault(&["canary", "school0"])?;
    a.vault(&["verify", "school0"])?;
    let closed = |p: &Path| fs::metadata(p).is_ok_and(|m| m.mode() & 0o077 == 0);
    let root = a.path("vault");
    stands!(closed(&root.join("vault.key")), "the vault's key is open");
    let mut open = Vec::new();
    if !closed(&root) && !closed(&root.join("school0")) {
        for file in all_below(&root.join("school0")).iter().filter(|p| p.is_file()) {
            let name = file.strip_prefix(&root).unwrap_or(file).display().to_string();
            if !name.contains("/hold/") && !closed(file) {
                open.push(name);
            }
        }
    }
    stands!(open.is_empty(), "every account of the vault's host may read {open:?}");
    Ok(())
}

fn vault_links(a: &mut Arena) -> anyhow::Result<()> {
    use std::os::unix::process::CommandExt;
    canary_file(a)?;
    // The vault is made and works under a mask that closes nothing.
    let text = a.read("custodians")?;
    let people: Vec<&str> = text.lines().collect();
    let copy2 = a.arg("copy2-0");
    let program = a.stage.bin.join("strongroom-vault").display().to_string();
    let script = format!(
        "umask 000; '{program}' --dir wide enrol s --card card0.json --source '{copy2}' \
         --custodian '{}' --custodian '{}' && '{program}' --dir wide pull s",
        people[0], people[1]
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).current_dir(a.dir()).env_clear().env("PATH", "/usr/bin:/bin");
    let ran = a.run(&mut shell, Duration::from_secs(30))?;
    ensure!(ran.is_done(), "{}", ran.brief());
    fs::set_permissions(a.dir(), fs::Permissions::from_mode(0o755))?;
    let mut planted = Vec::new();
    for dir in all_below(&a.path("wide")).into_iter().filter(|p| p.is_dir()) {
        let out = Command::new("ln")
            .args(["-s", "/etc/passwd"])
            .arg(dir.join("planted"))
            .uid(65_534)
            .gid(65_534)
            .stderr(Stdio::null())
            .status()?;
        if out.success() {
            planted.push(dir.display().to_string());
        }
    }
    let _ = Command::new("chattr")
        .args(["-R", "-i"])
        .arg(a.path("wide"))
        .stderr(Stdio::null())
        .status();
    stands!(planted.is_empty(), "another account plants links in {planted:?}");
    Ok(())
}

fn signals(a: &mut Arena) -> anyhow::Result<()> {
    for signal in ["HUP", "USR1", "USR2", "PIPE", "ALRM", "WINCH", "QUIT", "INT", "TERM", "TSTP"] {
        let mut command = a.command(0, &["backup"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        std::thread::sleep(Duration::from_millis(60 + a.random() % 200));
        let pid = child.id().to_string();
        let _ = Command::new("kill").args(["-s", signal, &pid]).stderr(Stdio::null()).status();
        std::thread::sleep(Duration::from_millis(50));
        let _ = Command::new("kill").args(["-s", "CONT", &pid]).stderr(Stdio::null()).status();
        for _ in 0..200 {
            if child.try_wait()?.is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        if child.try_wait()?.is_none() {
            child.kill()?;
            child.wait()?;
            stands!(false, "after {signal} a backup does not end in 10 s");
        }
    }
    let ran = a.backup()?;
    stands!(ran.is_done(), "the next backup: {}", ran.brief());
    backup_is_whole(a)
}

fn demo_dir(a: &mut Arena) -> anyhow::Result<()> {
    let dir = a.path("demo-dir");
    fs::create_dir(&dir)?;
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777))?;
    let done = Command::new("chown").arg("nobody").arg(&dir).status()?;
    if !done.success() {
        return Err(Absent("this account gives no files away".into()).into());
    }
    let mut command = a.stage.program("strongroom", a.dir());
    command.args(["demo", "--dir", "demo-dir"]);
    let ran = a.run(&mut command, Duration::from_secs(6))?;
    stands!(!ran.hung && !ran.is_ok(), "the demonstration starts in another account's folder");
    Ok(())
}
