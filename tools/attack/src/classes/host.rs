use super::{listed, new};
use crate::{
    arena::{Arena, tree},
    case::{Class, stands},
    child::Ran,
};
use anyhow::{Context, ensure};
use std::{fs, os::unix::fs::symlink, path::Path, process::Command, time::Duration};

const WHOLE: &str = "nothing outside of the target is written, no output is raw";

pub(super) const CLASS: Class = Class {
    name: "host",
    attacker: "has the backup host with the password, or whoever writes snapshots",
    cases: &[
        listed(
            "poisoned-snapshots",
            "writes snapshots with stock restic and forgets the others",
            "the vault keeps session 1, and says it",
            poisoned,
        ),
        listed("flood", "makes 60 snapshots in one day", "expiry freezes, nothing goes", flood),
        new("tree-links", "stores links to files of the host, and files below them", WHOLE, |a| {
            hostile_tree(a, &|dir| {
                symlink("/etc", dir.join("etc"))?;
                symlink("../../../../escaped-host", dir.join("up"))?;
                symlink("/etc/passwd", dir.join("passwd"))?;
                fs::create_dir(dir.join("d"))?;
                symlink("..", dir.join("d/loop"))?;
                Ok(())
            })
        }),
        new("tree-specials", "stores FIFOs, devices, sockets, setuid files", WHOLE, |a| {
            hostile_tree(a, &|dir| {
                use std::os::unix::fs::PermissionsExt;
                crate::plant::Plant::Fifo.put(&dir.join("fifo"))?;
                crate::plant::Plant::Device.put(&dir.join("device"))?;
                crate::plant::Plant::Socket.put(&dir.join("socket"))?;
                fs::write(dir.join("suid"), "x")?;
                fs::set_permissions(dir.join("suid"), fs::Permissions::from_mode(0o6777))?;
                Ok(())
            })
        }),
        new("tree-names", "stores names of escapes, bidi, no UTF-8, 255 bytes", WHOLE, |a| {
            hostile_tree(a, &|dir| {
                use std::os::unix::ffi::OsStrExt;
                for name in [
                    "\u{1b}[2J",
                    "\u{202e}x",
                    "a\nALARM x",
                    "\u{9b}31m",
                    "-rf",
                    "..x",
                    " ",
                    &"n".repeat(255),
                ] {
                    fs::write(dir.join(name), "x")?;
                }
                fs::write(dir.join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), "x")?;
                Ok(())
            })
        }),
        new("tree-deep", "stores folders 900 deep", WHOLE, |a| {
            hostile_tree(a, &|dir| Ok(fs::create_dir_all(dir.join("d/".repeat(900)))?))
        }),
        new("tree-wide", "stores 20,000 files in one folder", WHOLE, |a| {
            hostile_tree(a, &|dir| {
                (0..20_000)
                    .try_for_each(|n| fs::write(dir.join(n.to_string()), ""))
                    .map_err(Into::into)
            })
        }),
        new("tree-sparse", "stores a sparse file of 4 GiB", "memory and disk stay small", |a| {
            hostile_tree(a, &|dir| Ok(fs::File::create(dir.join("sparse"))?.set_len(4 << 30)?))
        }),
        new(
            "stolen-tokens-dead",
            "uses the token after it is rotated while it pushes",
            "it is refused, the honest one is not",
            rotated,
        ),
        new(
            "master-key-other",
            "signs manifests with the other school's repository",
            "refused",
            other_key,
        ),
        new(
            "series-names",
            "writes series that are called data, ../x, by tags of stock restic",
            "the data's lineage stays",
            series_tags,
        ),
        new(
            "snapshot-time",
            "writes snapshots of the years 1970 and 2200 with stock restic",
            "latest is the newest of ours",
            times,
        ),
        new(
            "locks-of-restic",
            "leaves exclusive locks of stock restic of another host",
            "11 with a sentence, no hang",
            restic_locks,
        ),
        new(
            "undo-command",
            "names tenants and paths so that printed commands do other things",
            "what is printed can be pasted",
            undo,
        ),
    ],
};

fn restic_backup(a: &mut Arena, dir: &Path, more: &[&str]) -> anyhow::Result<Ran> {
    let repo = a.path("copy2-0");
    let shown = dir.display().to_string();
    let args = [&["backup", &shown][..], more].concat();
    a.restic(&repo, &args)
}

fn poisoned(a: &mut Arena) -> anyhow::Result<()> {
    let repo = a.path("copy2-0");
    let dir = a.path("poison");
    fs::create_dir(&dir)?;
    fs::write(dir.join("ransom.txt"), "pay")?;
    let old = a.names("snapshots").pop().context("no snapshot")?;
    ensure!(restic_backup(a, &dir, &[])?.is_ok(), "restic backup");
    let ran = a.restic(&repo, &["forget", "--prune", &old])?;
    ensure!(ran.is_ok(), "restic forget: {}", ran.brief());
    let ran = a.vault(&["pull", "school0"])?;
    let told = ran.code != Some(0) || !a.alarms(0).is_empty();
    stands!(
        told,
        "copy 2's snapshot was forgotten and pruned, and nobody is told: {}",
        ran.brief()
    );
    let ran = a.backup()?;
    stands!(ran.is_orderly(), "{}", ran.brief());
    Ok(())
}

fn flood(a: &mut Arena) -> anyhow::Result<()> {
    for _ in 0..50 {
        ensure!(a.backup()?.is_done(), "backup");
    }
    let ran = a.vault(&["pull", "school0"])?;
    stands!(ran.code == Some(4), "a flood of 51: {}", ran.brief());
    let status = a.vault(&["status"])?;
    let frozen = status.json()[0]["frozen"].to_string();
    stands!(frozen.contains("flood"), "not frozen: {frozen}");
    Ok(())
}

/// Looks and restores by every command that shows names or writes files.
fn hostile_tree(a: &mut Arena, make: &dyn Fn(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let dir = a.path("hostile");
    fs::create_dir(&dir)?;
    make(&dir)?;
    let ran = restic_backup(a, &dir, &[])?;
    ensure!(ran.code == Some(0) || ran.code == Some(3), "restic backup: {}", ran.brief());
    let text = a.restic(&a.path("copy2-0"), &["--json", "snapshots"])?.json();
    let id = text.as_array().and_then(|s| {
        s.iter().find(|s| s["paths"].to_string().contains("hostile"))?["id"].as_str()
    });
    let id = id.context("no snapshot of restic's")?.to_owned();
    let (passwd, target) = (fs::read("/etc/passwd")?, a.arg("restored"));
    for args in [
        &["ls", &id, "/", "-R"][..],
        &["find", "x", "--snapshot", &id],
        &["snapshots"],
        &["restore", "--target", &target, "--snapshot", &id],
        &["restore", "--target", &target, "--snapshot", &id, "--resume"],
        &["check", "--read-data"],
        &["diff", &id, "latest"],
    ] {
        let mut command = a.command(0, args);
        let ran = a.run(&mut command, Duration::from_secs(90))?;
        stands!(!ran.hung, "{args:?} hangs");
        stands!(ran.is_orderly(), "{args:?}: {}", ran.brief());
        stands!(ran.peak_kib < 900 << 10, "{args:?} took {} KiB", ran.peak_kib);
        let raw = super::copy2_msp::raw_char(&format!("{}{}", ran.out, ran.err));
        stands!(raw.is_none(), "{args:?} shows {raw:?} raw");
        stands!(!ran.out.lines().any(|l| l.starts_with("ALARM x")), "a name wrote a line");
    }
    stands!(fs::read("/etc/passwd")? == passwd, "/etc/passwd is another");
    stands!(!Path::new("/escaped-host").exists(), "something was made outside");
    let suid = tree_modes(&a.path("restored"));
    stands!(suid.is_none(), "{suid:?} came back with rights of its owner");
    // 4 GiB of nothing must not fill the disk of whoever restores.
    let out = Command::new("du").args(["-s", "-k"]).arg(a.path("restored")).output()?;
    let kib: u64 = String::from_utf8_lossy(&out.stdout)
        .split_whitespace()
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    stands!(kib < 5 << 20, "the restore takes {kib} KiB of disk");
    Ok(())
}

fn tree_modes(dir: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(meta) = entry.path().symlink_metadata() else { continue };
        if meta.is_file() && meta.permissions().mode() & 0o6000 != 0 {
            return Some(entry.path().display().to_string());
        }
        if meta.is_dir()
            && let Some(found) = tree_modes(&entry.path())
        {
            return Some(found);
        }
    }
    None
}

fn rotated(a: &mut Arena) -> anyhow::Result<()> {
    let (_vault, c) = a.serve("run")?;
    stands!(c.get("/school0/config").status == 200, "it was never good");
    a.vault_ok(&["credential", "rotate", "school0", "push", "--token-file", "new.token"])?;
    std::thread::sleep(Duration::from_secs(2));
    let reply = c.post("/school0/sessions", b"");
    stands!(reply.status == 401, "the stolen token still pushes: {}", reply.brief());
    let token = a.read("new.token")?.trim().to_owned();
    let honest = crate::wire::Client { token, ..c };
    let reply = honest.post("/school0/sessions", b"");
    stands!(reply.status == 200, "the honest one: {}", reply.brief());
    Ok(())
}

fn other_key(a: &mut Arena) -> anyhow::Result<()> {
    use sha2::{Digest, Sha256};
    let name = tree(&a.path("copy2-1/manifests")).into_keys().next().context("no manifest")?;
    let bytes = fs::read(a.path(&format!("copy2-1/manifests/{name}")))?;
    let own = a.names("manifests").pop().context("no manifest")?;
    let own = fs::read_to_string(a.path(&format!("copy2-0/manifests/{own}")))?;
    let theirs = String::from_utf8_lossy(&bytes).into_owned();
    let mixed = format!(
        "{}\n{}\n",
        own.lines().next().unwrap_or_default(),
        theirs.lines().nth(1).unwrap_or_default()
    );
    for bytes in [bytes.clone(), mixed.into_bytes()] {
        let name = hex::encode(Sha256::digest(&bytes));
        a.write(&format!("copy2-0/manifests/{name}"), bytes)?;
    }
    let before = a.sessions()?;
    a.vault(&["pull", "school0"])?;
    stands!(a.sessions()? == before, "a manifest of another key was taken");
    Ok(())
}

fn series_tags(a: &mut Arena) -> anyhow::Result<()> {
    let dir = a.path("odd");
    fs::create_dir(&dir)?;
    fs::write(dir.join("x"), "x")?;
    let before = a.strongroom_ok(&["ls", "latest", "/"])?;
    for tag in [
        "series:data",
        "series:../x",
        "series:",
        "complete",
        "clean",
        "partial",
        "\u{1b}[2J",
        "series:\u{202e}",
    ] {
        restic_backup(a, &dir, &["--tag", tag, "--host", "school0"])?;
    }
    for args in [&["snapshots"][..], &["--json", "snapshots"]] {
        let ran = a.strongroom(args)?;
        stands!(ran.is_orderly(), "{args:?}: {}", ran.brief());
        let raw = super::copy2_msp::raw_char(&format!("{}{}", ran.out, ran.err));
        stands!(raw.is_none(), "{args:?} shows {raw:?} raw");
    }
    let after = a.strongroom(&["ls", "latest", "/"])?;
    stands!(after.out == before.out, "latest is another now: {}", after.brief());
    let ran = a.backup()?;
    stands!(ran.is_done(), "a backup: {}", ran.brief());
    Ok(())
}

fn times(a: &mut Arena) -> anyhow::Result<()> {
    let dir = a.path("odd");
    fs::create_dir(&dir)?;
    fs::write(dir.join("x"), "x")?;
    let before = a.strongroom_ok(&["ls", "latest", "/"])?;
    for time in ["1970-01-01 00:00:00", "2200-01-01 00:00:00"] {
        restic_backup(a, &dir, &["--time", time])?;
    }
    let after = a.strongroom(&["ls", "latest", "/"])?;
    stands!(after.out == before.out, "latest is another now: {}", after.brief());
    let ran = a.backup()?;
    stands!(ran.is_done(), "a backup: {}", ran.brief());
    let ran = a.strongroom(&["forget", "--yes", "--keep-daily", "1"])?;
    stands!(ran.is_orderly(), "{}", ran.brief());
    let after = a.strongroom(&["ls", "latest", "/"])?;
    stands!(after.is_ok(), "after a forget: {}", after.brief());
    Ok(())
}

fn restic_locks(a: &mut Arena) -> anyhow::Result<()> {
    let repo = a.path("copy2-0");
    // A prune of another host that was stopped while it held its lock.
    let mut command = Command::new("restic");
    command.arg("-r").arg(&repo).arg("-p").arg(a.path("password0"));
    command.args(["--no-cache", "check", "--read-data"]).stdout(std::process::Stdio::null());
    let mut child = command.spawn()?;
    for _ in 0..200 {
        if !a.names("locks").is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill()?;
    child.wait()?;
    let mut command = a.command(0, &["backup"]);
    let ran = a.run(&mut command, Duration::from_secs(20))?;
    stands!(!ran.hung, "a backup hangs on a lock of stock restic");
    stands!(ran.code == Some(11) || ran.is_done(), "{}", ran.brief());
    Ok(())
}

fn undo(a: &mut Arena) -> anyhow::Result<()> {
    let odd = "x'; touch pasted; '";
    let text = a.read("strongroom.toml")?;
    a.write(
        "strongroom.toml",
        text.replacen("name = \"school0\"", &format!("name = \"{odd}\""), 1),
    )?;
    for args in [
        &["backup"][..],
        &["restore", "--yes", "--path", "/nothing"],
        &["snapshots"],
        &["config", "check"],
    ] {
        let mut command = a.stage.program("strongroom", a.dir());
        command.args(["--tenant", odd]).args(args);
        let ran = a.run(&mut command, Duration::from_secs(40))?;
        for line in format!("{}\n{}", ran.out, ran.err).lines() {
            if let Some(at) = line.find("strongroom ")
                && line.contains("touch pasted")
            {
                let script = line[at..].replace("strongroom ", "true ");
                let _ = Command::new("sh").args(["-c", &script]).current_dir(a.dir()).status();
            }
        }
    }
    stands!(!a.path("pasted").exists(), "a printed command that is pasted does something else");
    Ok(())
}
