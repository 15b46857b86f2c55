use super::{listed, new};
use crate::{
    arena::Arena,
    case::{Class, stands},
    child::{self, Ran},
    plant::Plant,
};
use anyhow::{Context, ensure};
use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::Path,
    time::{Duration, Instant},
};

const BESIDE: &str = "the honest snapshot is published within 15 s, in flat memory";

pub(super) const CLASS: Class = Class {
    name: "copy2",
    attacker: "has the storage of copy 2, from which the vault pulls",
    cases: &[
        listed("pull-fifo", "plants FIFOs in each folder", BESIDE, |a| beside(a, Plant::Fifo)),
        listed("pull-link-endless", "plants links to what never ends", BESIDE, |a| {
            beside(a, Plant::EndlessLink)
        }),
        listed("pull-device", "plants devices that never end", BESIDE, |a| {
            beside(a, Plant::Device)
        }),
        listed("pull-sparse", "plants sparse files of 8 TiB", BESIDE, |a| beside(a, Plant::Sparse)),
        new("pull-link-dangling", "plants links to nowhere", BESIDE, |a| {
            beside(a, Plant::DanglingLink)
        }),
        new("pull-link-loop", "plants links to themselves", BESIDE, |a| beside(a, Plant::LoopLink)),
        new("pull-directory", "plants folders named as objects", BESIDE, |a| {
            beside(a, Plant::Directory)
        }),
        new("pull-socket", "plants sockets", BESIDE, |a| beside(a, Plant::Socket)),
        new("pull-closed", "plants files that nobody may read", BESIDE, |a| {
            beside(a, Plant::Closed)
        }),
        new("pull-empty", "plants empty files", BESIDE, |a| beside(a, Plant::Empty)),
        new("pull-junk", "plants files of junk", BESIDE, |a| beside(a, Plant::Junk)),
        listed(
            "pull-config-fifo",
            "puts a FIFO in place of config",
            "each duty ends, the other school is pulled",
            |a| instead(a, "config", Plant::Fifo),
        ),
        new(
            "pull-snapshots-fifo",
            "puts a FIFO in place of the folder snapshots",
            "each duty ends, the other school is pulled",
            |a| instead(a, "snapshots", Plant::Fifo),
        ),
        new(
            "pull-manifests-socket",
            "puts a socket in place of the folder manifests",
            "each duty ends, the other school is pulled",
            |a| instead(a, "manifests", Plant::Socket),
        ),
        new(
            "pull-data-device",
            "puts a device in place of the folder data",
            "each duty ends, the other school is pulled",
            |a| instead(a, "data", Plant::Device),
        ),
        new(
            "pull-root-link",
            "makes the whole repository a link to the other school's",
            "nothing of it comes in, an alarm",
            root_link,
        ),
        new(
            "pull-folder-link",
            "links a kind's folder to the other school's",
            "nothing of it comes in",
            folder_link,
        ),
        new(
            "pull-many-names",
            "plants 30,000 files named as manifests",
            "it ends within 60 s",
            many_names,
        ),
        listed(
            "pull-variants",
            "writes a new manifest in 49 spellings",
            "one session, one snapshot",
            variants,
        ),
        new("pull-swapped", "swaps the bytes of two packs", "neither counts, an alarm", swapped),
        new(
            "pull-foreign-manifest",
            "adds the other school's manifest and objects",
            "nothing of it is published",
            foreign_manifest,
        ),
        new(
            "pull-rollback",
            "sets copy 2 back to before its newest snapshot",
            "what was published stays",
            rollback,
        ),
        new("pull-wiped", "empties copy 2", "told; what was published stays", wiped),
        new(
            "pull-names-odd",
            "gives files names of escapes, line ends, no UTF-8, 255 bytes",
            "no output holds them raw; the snapshot comes",
            names_odd,
        ),
        new("pull-deep", "nests 400 folders below data/", BESIDE, deep),
        new(
            "pull-hard-link",
            "hard-links an object to a file of the host",
            "it never counts",
            hard_link,
        ),
        new(
            "pull-racing",
            "replaces objects by FIFOs and back while it pulls",
            "each pull ends; then the snapshot comes",
            racing,
        ),
        new("pull-growing", "lets a pack grow while it is read", "it never counts", growing),
        new(
            "pull-disk-full",
            "pulls where the vault's disk has no room",
            "exit code, no half session; the next pull goes on",
            disk_full,
        ),
        new(
            "pull-read-only",
            "pulls where the vault's folder is read-only",
            "told, exit code",
            read_only,
        ),
        new(
            "pull-killed",
            "ends 12 pulls by SIGKILL at points by chance",
            "the next one publishes once",
            killed,
        ),
        new("pull-stopped", "stops a pull (SIGSTOP) and starts another", "11, none hangs", stopped),
        new("pull-two-at-once", "starts six pulls at once", "one session", at_once),
        new(
            "pull-file-size",
            "pulls under a limit of file size (SIGXFSZ)",
            "exit code; the next one goes on",
            file_size,
        ),
        new(
            "pull-few-files",
            "pulls with 12 files that may be open",
            "exit code, no half session",
            few_files,
        ),
    ],
};

/// A name that no object has.
fn stranger(n: u8) -> String {
    format!("{n:02x}").repeat(32)
}

fn honest_backup(a: &mut Arena) -> anyhow::Result<String> {
    let before = a.names("snapshots");
    let ran = a.backup()?;
    ensure!(ran.is_done(), "an honest backup: {}", ran.brief());
    let after = a.names("snapshots");
    after.into_iter().find(|n| !before.contains(n)).context("no new snapshot")
}

fn published(a: &mut Arena) -> anyhow::Result<Vec<String>> {
    let sessions = a.sessions()?;
    let all = sessions.as_array().into_iter().flatten();
    let all = all.flat_map(|s| s["snapshots"].as_array().into_iter().flatten());
    Ok(all.filter_map(|s| s["snapshot"].as_str().map(str::to_owned)).collect())
}

fn pull(a: &mut Arena, limit: Duration) -> anyhow::Result<Ran> {
    let mut command = a.vault_command(&["pull", "school0"]);
    let ran = a.run(&mut command, limit)?;
    stands!(!ran.hung, "the pull had not ended after {limit:.0?}");
    stands!(ran.peak_kib < 400 << 10, "the pull took {} KiB", ran.peak_kib);
    stands!(ran.is_orderly(), "the pull: {}", ran.brief());
    Ok(ran)
}

/// Plants one kind of thing in each folder, where names of objects, of folders and of others are.
fn plant_all(root: &Path, plant: Plant) -> anyhow::Result<()> {
    for kind in ["data", "index", "keys", "locks", "manifests", "snapshots"] {
        for n in [0x00, 0x7f, 0xff] {
            let name = stranger(n);
            let at = match kind {
                "data" => root.join(kind).join(&name[..2]).join(&name),
                _ => root.join(kind).join(&name),
            };
            plant.put(&at)?;
        }
        plant.put(&root.join(kind).join("readme"))?;
    }
    plant.put(&root.join("data/zz"))?;
    plant.put(&root.join("other"))
}

fn beside(a: &mut Arena, plant: Plant) -> anyhow::Result<()> {
    let snapshot = honest_backup(a)?;
    plant_all(&a.path("copy2-0"), plant)?;
    let ran = pull(a, Duration::from_secs(15))?;
    let there = published(a)?.contains(&snapshot);
    stands!(there, "the honest snapshot is not published: {}", ran.brief());
    Ok(())
}

fn instead(a: &mut Arena, what: &str, plant: Plant) -> anyhow::Result<()> {
    let at = a.path("copy2-0").join(what);
    if at.is_dir() {
        fs::remove_dir_all(&at)?;
    }
    plant.put(&at)?;
    let ran = pull(a, Duration::from_secs(15))?;
    let told = ran.code != Some(0) || !a.alarms(0).is_empty();
    stands!(told, "{what} is no file or folder, and nobody is told: {}", ran.brief());
    for duty in [&["renew"][..0], &["verify", "school0"], &["status"], &["pull", "school1"]] {
        if duty.is_empty() {
            continue;
        }
        let mut command = a.vault_command(duty);
        let ran = a.run(&mut command, Duration::from_secs(10))?;
        stands!(ran.is_done(), "{duty:?}: {}", ran.brief());
    }
    Ok(())
}

fn root_link(a: &mut Arena) -> anyhow::Result<()> {
    let before = published(a)?;
    fs::rename(a.path("copy2-0"), a.path("away"))?;
    symlink(a.path("copy2-1"), a.path("copy2-0"))?;
    let ran = pull(a, Duration::from_secs(15))?;
    stands!(published(a)? == before, "something was published: {}", ran.brief());
    let told = ran.code != Some(0) || !a.alarms(0).is_empty();
    stands!(told, "copy 2 is another repository now, and nobody is told: {}", ran.brief());
    Ok(())
}

fn folder_link(a: &mut Arena) -> anyhow::Result<()> {
    let before = published(a)?;
    for kind in ["manifests", "snapshots", "index", "data"] {
        fs::remove_dir_all(a.path("copy2-0").join(kind))?;
        symlink(a.path("copy2-1").join(kind), a.path("copy2-0").join(kind))?;
    }
    let held = crate::arena::tree(&a.path("vault/school0/hold")).len();
    pull(a, Duration::from_secs(15))?;
    stands!(published(a)? == before, "something was published");
    let data = crate::arena::tree(&a.path("vault/school0/hold/data")).len();
    let grown = crate::arena::tree(&a.path("vault/school0/hold")).len() - held;
    stands!(grown < 5, "{grown} objects of the other school came in; {data} packs");
    Ok(())
}

fn many_names(a: &mut Arena) -> anyhow::Result<()> {
    let snapshot = honest_backup(a)?;
    for n in 0..30_000_u32 {
        fs::write(a.path(&format!("copy2-0/manifests/{n:064x}")), b"{}")?;
    }
    let ran = pull(a, Duration::from_secs(60))?;
    stands!(published(a)?.contains(&snapshot), "not published: {}", ran.brief());
    let again = pull(a, Duration::from_secs(60))?;
    stands!(again.took < Duration::from_secs(30), "the second pull took {:.1?}", again.took);
    let status = a.vault(&["status"])?;
    stands!(status.took < Duration::from_secs(2), "status took {:.1?}", status.took);
    Ok(())
}

fn variants(a: &mut Arena) -> anyhow::Result<()> {
    use sha2::{Digest, Sha256};
    let old = a.names("manifests");
    let snapshot = honest_backup(a)?;
    let name =
        a.names("manifests").into_iter().find(|n| !old.contains(n)).context("no manifest")?;
    let bytes = fs::read(a.path(&format!("copy2-0/manifests/{name}")))?;
    let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
    for n in 1..50 {
        let other = format!("{text}{}\n", " ".repeat(n));
        let name = hex::encode(Sha256::digest(&other));
        fs::write(a.path(&format!("copy2-0/manifests/{name}")), other)?;
    }
    let ran = pull(a, Duration::from_secs(15))?;
    let times = published(a)?.iter().filter(|s| **s == snapshot).count();
    stands!(times == 1, "the snapshot is published {times} times: {}", ran.brief());
    Ok(())
}

fn packs(a: &Arena) -> Vec<std::path::PathBuf> {
    let names = a.names("data").into_iter();
    names.map(|n| a.path(&format!("copy2-0/data/{}/{n}", &n[..2]))).collect()
}

fn swapped(a: &mut Arena) -> anyhow::Result<()> {
    let old = packs(a);
    let snapshot = honest_backup(a)?;
    let new: Vec<_> = packs(a).into_iter().filter(|p| !old.contains(p)).collect();
    let (one, other) = (new.first().context("no new pack")?, old.first().context("no pack")?);
    let (x, y) = (fs::read(one)?, fs::read(other)?);
    fs::write(one, y)?;
    fs::write(other, x)?;
    let ran = pull(a, Duration::from_secs(30))?;
    stands!(!published(a)?.contains(&snapshot), "it is published with a pack that is another");
    stands!(ran.code == Some(4), "exit {:?}", ran.code);
    Ok(())
}

fn foreign_manifest(a: &mut Arena) -> anyhow::Result<()> {
    let before = published(a)?;
    for kind in ["manifests", "snapshots", "index", "data"] {
        let from = a.path("copy2-1").join(kind).join(".").display().to_string();
        let to = a.path("copy2-0").join(kind).display().to_string();
        let done = std::process::Command::new("cp").args(["-a", &from, &to]).status()?;
        ensure!(done.success(), "cp {from} {to}");
    }
    let ran = pull(a, Duration::from_secs(15))?;
    stands!(published(a)? == before, "it is published: {}", ran.brief());
    Ok(())
}

fn rollback(a: &mut Arena) -> anyhow::Result<()> {
    let saved = a.path("saved");
    let copy = |from: &Path, to: &Path| -> anyhow::Result<()> {
        let done = std::process::Command::new("cp").arg("-a").args([from, to]).status()?;
        ensure!(done.success(), "cp");
        Ok(())
    };
    copy(&a.path("copy2-0"), &saved)?;
    let snapshot = honest_backup(a)?;
    pull(a, Duration::from_secs(15))?;
    fs::remove_dir_all(a.path("copy2-0"))?;
    copy(&saved, &a.path("copy2-0"))?;
    let ran = pull(a, Duration::from_secs(15))?;
    stands!(published(a)?.contains(&snapshot), "what was published is gone: {}", ran.brief());
    let told = ran.code != Some(0)
        || !a.alarms(0).is_empty()
        || ran.json().to_string().contains("supersede");
    stands!(told, "copy 2 went back, and nobody is told: {}", ran.brief());
    Ok(())
}

fn wiped(a: &mut Arena) -> anyhow::Result<()> {
    for kind in ["data", "index", "snapshots", "manifests", "keys", "locks"] {
        fs::remove_dir_all(a.path("copy2-0").join(kind))?;
        fs::create_dir(a.path("copy2-0").join(kind))?;
    }
    let ran = pull(a, Duration::from_secs(15))?;
    let told = ran.code != Some(0) || !a.alarms(0).is_empty();
    stands!(told, "copy 2 was emptied, and nobody is told: {}", ran.brief());
    Ok(())
}

fn names_odd(a: &mut Arena) -> anyhow::Result<()> {
    let snapshot = honest_backup(a)?;
    for kind in ["data", "manifests", "index", "snapshots", "keys"] {
        let dir = a.path("copy2-0").join(kind);
        for name in [
            "\u{1b}[2J",
            "a\nALARM all is well",
            "\u{202e}x",
            "..\\..\\x",
            "%2e%2e",
            "-rf",
            "\u{9b}31m",
            " ",
            "CON",
            "A".repeat(255).as_str(),
            &"F".repeat(64),
        ] {
            fs::write(dir.join(name), b"x")?;
        }
        fs::write(dir.join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), b"x")?;
    }
    let mut command = a.stage.program("strongroom-vault", a.dir());
    command.args(["--dir", "vault", "pull", "school0"]);
    let ran = a.run(&mut command, Duration::from_secs(15))?;
    stands!(published(a)?.contains(&snapshot), "not published: {}", ran.brief());
    let all = format!("{}{}", ran.out, ran.err);
    let raw = all.chars().find(|c| *c != '\n' && c.is_control() || *c == '\u{202e}');
    stands!(raw.is_none(), "{raw:?} of a name stands raw in the output");
    stands!(!all.lines().any(|l| l.starts_with("ALARM all is well")), "a name wrote a line");
    Ok(())
}

fn deep(a: &mut Arena) -> anyhow::Result<()> {
    let snapshot = honest_backup(a)?;
    let path = format!("copy2-0/data/00/{}", "d/".repeat(400));
    fs::create_dir_all(a.path(&path))?;
    let ran = pull(a, Duration::from_secs(15))?;
    stands!(published(a)?.contains(&snapshot), "not published: {}", ran.brief());
    Ok(())
}

fn hard_link(a: &mut Arena) -> anyhow::Result<()> {
    let old = packs(a);
    let snapshot = honest_backup(a)?;
    let secret = a.write("secret-of-the-host", "of the host")?;
    let new = packs(a).into_iter().find(|p| !old.contains(p)).context("no new pack")?;
    fs::remove_file(&new)?;
    fs::hard_link(&secret, &new)?;
    let ran = pull(a, Duration::from_secs(30))?;
    stands!(!published(a)?.contains(&snapshot), "published: {}", ran.brief());
    stands!(a.read("secret-of-the-host")? == "of the host", "the host's file was changed");
    Ok(())
}

fn racing(a: &mut Arena) -> anyhow::Result<()> {
    let snapshot = honest_backup(a)?;
    let mut all = packs(a);
    all.extend(a.names("index").iter().map(|n| a.path(&format!("copy2-0/index/{n}"))));
    let saved: Vec<(std::path::PathBuf, Vec<u8>)> =
        all.iter().map(|p| Ok((p.clone(), fs::read(p)?))).collect::<anyhow::Result<_>>()?;
    let over = std::sync::atomic::AtomicBool::new(false);
    let command = || a.vault_command(&["pull", "school0"]);
    let ran = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::SeqCst) {
                for (path, bytes) in &saved {
                    let _ = Plant::Fifo.put(path);
                    let _ = fs::remove_file(path);
                    let _ = fs::write(path, bytes);
                }
            }
        });
        let ran: anyhow::Result<Vec<Ran>> =
            (0..8).map(|_| child::run(&mut command(), Duration::from_secs(15))).collect();
        over.store(true, std::sync::atomic::Ordering::SeqCst);
        ran
    })?;
    for ran in &ran {
        stands!(ran.is_orderly(), "a pull: {}", ran.brief());
    }
    for (path, bytes) in &saved {
        let _ = fs::remove_file(path);
        fs::write(path, bytes)?;
    }
    let last = pull(a, Duration::from_secs(30))?;
    stands!(published(a)?.contains(&snapshot), "not published in peace: {}", last.brief());
    Ok(())
}

fn growing(a: &mut Arena) -> anyhow::Result<()> {
    let old = packs(a);
    let snapshot = honest_backup(a)?;
    let new = packs(a).into_iter().find(|p| !old.contains(p)).context("no new pack")?;
    let over = std::sync::atomic::AtomicBool::new(false);
    let mut command = a.vault_command(&["pull", "school0"]);
    let ran = std::thread::scope(|scope| {
        scope.spawn(|| {
            use std::io::Write;
            let Ok(mut f) = fs::OpenOptions::new().append(true).open(&new) else { return };
            for _ in 0..4000 {
                let _ = f.write_all(&[0; 4096]);
                if over.load(std::sync::atomic::Ordering::SeqCst) {
                    return;
                }
            }
        });
        std::thread::sleep(Duration::from_millis(5));
        let ran = child::run(&mut command, Duration::from_secs(30));
        over.store(true, std::sync::atomic::Ordering::SeqCst);
        ran
    })?;
    stands!(ran.is_orderly(), "the pull: {}", ran.brief());
    stands!(!published(a)?.contains(&snapshot), "it is published with a pack that grew");
    Ok(())
}

/// Mounts a small file system over a folder of the arena; undone when it is dropped.
pub(super) struct Mounted(std::path::PathBuf);

impl Mounted {
    pub(super) fn tmpfs(at: &Path, options: &str) -> anyhow::Result<Self> {
        fs::create_dir_all(at)?;
        let done = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(at)
            .output()?;
        if !done.status.success() {
            let why = String::from_utf8_lossy(&done.stderr).into_owned();
            return Err(crate::case::Absent(format!("nothing can be mounted: {why}")).into());
        }
        Ok(Self(at.to_owned()))
    }

    pub(super) fn again(&self, options: &str) -> anyhow::Result<()> {
        let done = std::process::Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(&self.0)
            .status()?;
        ensure!(done.success(), "cannot mount it again");
        Ok(())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// The vault's folder on a file system of its own.
fn vault_on_tmpfs(a: &Arena, options: &str) -> anyhow::Result<Mounted> {
    fs::rename(a.path("vault"), a.path("vault-before"))?;
    let mounted = Mounted::tmpfs(&a.path("vault"), options)?;
    let from = a.path("vault-before/.");
    let done =
        std::process::Command::new("cp").arg("-a").arg(from).arg(a.path("vault")).status()?;
    ensure!(done.success(), "cp");
    Ok(mounted)
}

fn disk_full(a: &mut Arena) -> anyhow::Result<()> {
    let snapshot = honest_backup(a)?;
    let mounted = vault_on_tmpfs(a, "size=64m")?;
    // Down to 60 KiB of room.
    let fill = a.path("vault/filler");
    let mut block = 1 << 20;
    let mut file = fs::File::create(&fill)?;
    while block >= 4096 {
        use std::io::Write;
        if file.write_all(&vec![1; block]).and_then(|()| file.sync_all()).is_err() {
            block /= 2;
        }
    }
    let length = file.metadata()?.len();
    file.set_len(length.saturating_sub(60 << 10))?;
    drop(file);
    let ran = pull(a, Duration::from_secs(30))?;
    stands!(ran.code != Some(0), "a pull onto a full disk: {}", ran.brief());
    stands!(!published(a)?.contains(&snapshot), "it is published without all that it needs");
    fs::remove_file(&fill)?;
    let ran = pull(a, Duration::from_secs(30))?;
    let there = published(a)?.contains(&snapshot);
    stands!(there, "with room again it does not go on: {}", ran.brief());
    let verify = a.vault(&["verify", "school0"])?;
    stands!(verify.is_done(), "verify: {}", verify.brief());
    back_home(a, mounted)
}

/// Brings the vault back to where the aftermath looks for it.
fn back_home(a: &Arena, mounted: Mounted) -> anyhow::Result<()> {
    fs::remove_dir_all(a.path("vault-before"))?;
    let done = std::process::Command::new("cp")
        .arg("-a")
        .args([a.path("vault"), a.path("vault-before")])
        .status()?;
    ensure!(done.success(), "cp");
    drop(mounted);
    fs::remove_dir(a.path("vault"))?;
    Ok(fs::rename(a.path("vault-before"), a.path("vault"))?)
}

fn read_only(a: &mut Arena) -> anyhow::Result<()> {
    let mounted = vault_on_tmpfs(a, "size=64m")?;
    mounted.again("ro")?;
    let ran = pull(a, Duration::from_secs(15))?;
    stands!(ran.code != Some(0), "exit 0: {}", ran.brief());
    let status = a.vault(&["status"])?;
    stands!(status.is_orderly(), "status: {}", status.brief());
    mounted.again("rw")?;
    let ran = pull(a, Duration::from_secs(15))?;
    stands!(ran.is_done(), "writable again: {}", ran.brief());
    back_home(a, mounted)
}

fn killed(a: &mut Arena) -> anyhow::Result<()> {
    let snapshot = honest_backup(a)?;
    for _ in 0..12 {
        let wait = Duration::from_micros(a.random() % 60_000);
        let mut command = a.vault_command(&["pull", "school0"]);
        let mut child = command.stdout(std::process::Stdio::null()).spawn()?;
        std::thread::sleep(wait);
        child.kill()?;
        child.wait()?;
    }
    let ran = pull(a, Duration::from_secs(15))?;
    let times = published(a)?.iter().filter(|s| **s == snapshot).count();
    stands!(times == 1, "published {times} times: {}", ran.brief());
    let verify = a.vault(&["verify", "school0"])?;
    stands!(verify.code == Some(0), "verify: {}", verify.brief());
    Ok(())
}

fn stopped(a: &mut Arena) -> anyhow::Result<()> {
    use rustix::process::{Pid, Signal, kill_process};
    honest_backup(a)?;
    let mut command = a.vault_command(&["pull", "school0"]);
    let mut child = command.stdout(std::process::Stdio::null()).spawn()?;
    std::thread::sleep(Duration::from_millis(8));
    let pid = Pid::from_raw(i32::try_from(child.id())?).context("no pid")?;
    let _ = kill_process(pid, Signal::STOP);
    let mut beside = || -> anyhow::Result<()> {
        for args in [&["pull", "school0"][..], &["status"], &["pull", "school1"]] {
            let mut command = a.vault_command(args);
            let ran = a.run(&mut command, Duration::from_secs(20))?;
            stands!(!ran.hung, "{args:?} hangs behind a stopped pull");
        }
        Ok(())
    };
    let came_of_it = beside();
    let _ = kill_process(pid, Signal::CONT);
    child.wait()?;
    came_of_it
}

fn at_once(a: &mut Arena) -> anyhow::Result<()> {
    let snapshot = honest_backup(a)?;
    let mut all = Vec::new();
    for _ in 0..6 {
        let mut command = a.vault_command(&["pull", "school0"]);
        all.push(
            command
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()?,
        );
    }
    let began = Instant::now();
    for mut child in all {
        let code = child.wait()?.code();
        stands!(matches!(code, Some(0 | 3 | 4 | 11)), "exit {code:?}");
    }
    stands!(began.elapsed() < Duration::from_secs(30), "it took {:.0?}", began.elapsed());
    let times = published(a)?.iter().filter(|s| **s == snapshot).count();
    stands!(times == 1, "published {times} times");
    Ok(())
}

/// Runs a command of the vault under a shell's limit.
fn limited(a: &mut Arena, limit: &str, args: &[&str]) -> anyhow::Result<Ran> {
    let mut command = std::process::Command::new("sh");
    command.current_dir(a.dir()).env_clear().env("PATH", "/usr/bin:/bin");
    command.args(["-c", &format!("ulimit {limit}; exec \"$0\" \"$@\"")]);
    command.arg(a.stage.bin.join("strongroom-vault")).args(["--dir", "vault", "--json"]).args(args);
    a.run(&mut command, Duration::from_secs(20))
}

fn file_size(a: &mut Arena) -> anyhow::Result<()> {
    let snapshot = honest_backup(a)?;
    let ran = limited(a, "-f 8", &["pull", "school0"])?;
    stands!(ran.code != Some(0), "exit 0 where nothing larger than 4 KiB can be written");
    let ran = pull(a, Duration::from_secs(15))?;
    stands!(published(a)?.contains(&snapshot), "it does not go on: {}", ran.brief());
    Ok(())
}

fn few_files(a: &mut Arena) -> anyhow::Result<()> {
    let snapshot = honest_backup(a)?;
    for files in [6, 8, 10, 12, 16] {
        let ran = limited(a, &format!("-n {files}"), &["pull", "school0"])?;
        let ended = ran.code.is_some() && !ran.hung;
        stands!(ended, "with {files} files: {}", ran.brief());
    }
    let ran = pull(a, Duration::from_secs(15))?;
    let times = published(a)?.iter().filter(|s| **s == snapshot).count();
    stands!(times == 1, "published {times} times: {}", ran.brief());
    Ok(())
}
