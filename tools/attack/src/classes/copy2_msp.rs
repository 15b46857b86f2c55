use super::{listed, new};
use crate::{
    arena::{Arena, tree},
    case::{Class, stands},
    child::Ran,
    plant::Plant,
};
use anyhow::{Context, ensure};
use std::{fs, os::unix::fs::symlink, process::Command, time::Duration};

const SAME: &str = "each command ends in time with the answer that it gave before";

pub(super) const CLASS: Class = Class {
    name: "copy2-msp",
    attacker: "has the storage of copy 2, which the MSP's side works on",
    cases: &[
        listed("junk-fifo", "plants FIFOs among keys, indexes, snapshots", SAME, |a| {
            planted(a, Plant::Fifo)
        }),
        listed("junk-directory", "plants folders there", SAME, |a| planted(a, Plant::Directory)),
        listed("junk-link-endless", "plants links to what never ends", SAME, |a| {
            planted(a, Plant::EndlessLink)
        }),
        listed("junk-sparse", "plants files of 8 TiB", SAME, |a| planted(a, Plant::Sparse)),
        new("junk-link-dangling", "plants links to nowhere", SAME, |a| {
            planted(a, Plant::DanglingLink)
        }),
        new("junk-link-loop", "plants links to themselves", SAME, |a| planted(a, Plant::LoopLink)),
        new("junk-device", "plants devices", SAME, |a| planted(a, Plant::Device)),
        new("junk-socket", "plants sockets", SAME, |a| planted(a, Plant::Socket)),
        new("junk-closed", "plants files that nobody may read", SAME, |a| {
            planted(a, Plant::Closed)
        }),
        new("junk-empty", "plants empty files", SAME, |a| planted(a, Plant::Empty)),
        listed("junk-bytes", "plants files of junk", SAME, |a| planted(a, Plant::Junk)),
        listed(
            "junk-dear-key",
            "plants a key file that costs 1 GiB and 16 passes",
            "commands take less than 10 s",
            |a| dear_keys(a, 1),
        ),
        new("junk-dear-keys-50", "plants 50 of them", "commands take less than 15 s", |a| {
            dear_keys(a, 50)
        }),
        new("junk-1000-snapshots", "plants 1,000 junk snapshots", SAME, many_snapshots),
        new(
            "junk-locks",
            "plants FIFOs, folders, sparse files among the locks",
            "a backup goes on",
            junk_locks,
        ),
        new(
            "locks-link",
            "links locks/ to the other school's snapshots/",
            "nothing of the other school is removed",
            |a| linked(a, "locks", "snapshots"),
        ),
        new(
            "locks-link-keys",
            "links locks/ to the other school's keys/",
            "nothing of the other school is removed",
            |a| linked(a, "locks", "keys"),
        ),
        new(
            "tmp-link",
            "links tmp/ to a folder of old files of the host",
            "prune and repair remove nothing there",
            tmp_link,
        ),
        new(
            "data-link",
            "links a folder of packs to a folder of the host",
            "a backup writes nothing there",
            data_link,
        ),
        new(
            "config-swapped",
            "puts the other school's config in place",
            "refused, nothing written",
            config_swapped,
        ),
        new(
            "config-old",
            "puts a config of another cut, of version 1, of none",
            "refused with a sentence",
            config_broken,
        ),
        new(
            "all-swapped",
            "exchanges the schools' repositories",
            "refused, nothing written",
            all_swapped,
        ),
        new(
            "head-gone",
            "removes the newest snapshot",
            "said, or the next backup is whole",
            head_gone,
        ),
        new(
            "snapshot-old-again",
            "brings a forgotten snapshot back",
            "latest is still the newest",
            old_again,
        ),
        new("pack-cut", "cuts a pack to half", "check names it, exit is not 0", |a| {
            damaged(a, |b| b.truncate(b.len() / 2))
        }),
        new("pack-flipped", "flips one bit of each pack", "check names it, exit is not 0", |a| {
            damaged(a, |b| {
                let middle = b.len() / 2;
                b[middle] ^= 1;
            })
        }),
        new("pack-longer", "adds bytes behind each pack", "check names it, exit is not 0", |a| {
            damaged(a, |b| b.extend_from_slice(&[0; 64]))
        }),
        new(
            "index-gone",
            "removes all indexes",
            "a backup does not say that all is there",
            index_gone,
        ),
        new("keys-gone", "removes all key files", "one sentence, exit 12 or 1, no hang", |a| {
            gone(a, "keys")
        }),
        new(
            "manifests-gone",
            "removes all manifests",
            "the vault still gets the next snapshot",
            manifests_gone,
        ),
        new(
            "read-only-copy2",
            "makes copy 2 read-only",
            "a backup fails with a sentence, in time",
            read_only,
        ),
        new(
            "full-copy2",
            "fills copy 2's disk",
            "exit code, no half snapshot; then it goes on",
            full,
        ),
        new(
            "names-of-storage",
            "gives objects names of escapes and bidi",
            "no output holds them raw",
            odd_names,
        ),
        new(
            "key-file-text",
            "writes escapes into a key file's user and host",
            "key list shows none raw",
            key_text,
        ),
        new(
            "vanishing",
            "removes and brings back objects while a restore reads",
            "it ends; what it gives is right",
            vanishing,
        ),
    ],
};

const LOOKS: &[&[&str]] = &[
    &["snapshots"],
    &["ls", "latest", "/"],
    &["find", "plan"],
    &["key", "list"],
    &["--json", "check"],
    &["diff", "latest", "latest"],
];

fn look(a: &mut Arena, args: &[&str]) -> anyhow::Result<Ran> {
    let mut command = a.command(0, args);
    let ran = a.run(&mut command, Duration::from_secs(20))?;
    stands!(!ran.hung, "{args:?} had not ended after 20 s");
    stands!(ran.is_orderly(), "{args:?}: {}", ran.brief());
    Ok(ran)
}

fn planted(a: &mut Arena, plant: Plant) -> anyhow::Result<()> {
    let mut before = Vec::new();
    for args in LOOKS {
        before.push(look(a, args)?);
    }
    for kind in ["keys", "index", "snapshots"] {
        for n in ["00", "7f", "ff"] {
            plant.put(&a.path("copy2-0").join(kind).join(n.repeat(32)))?;
        }
        plant.put(&a.path("copy2-0").join(kind).join("readme"))?;
    }
    for (args, before) in LOOKS.iter().zip(&before) {
        let ran = look(a, args)?;
        let most = before.took * 3 + Duration::from_secs(2);
        stands!(ran.took < most, "{args:?} took {:.1?}, {:.1?} before", ran.took, before.took);
        stands!(ran.peak_kib < 600 << 10, "{args:?} took {} KiB", ran.peak_kib);
        // A check names what it found; everybody else answers as before.
        let is_check = args.contains(&"check") || args.contains(&"key");
        let same = is_check || ran.code == before.code && ran.out == before.out;
        stands!(same, "{args:?} answers otherwise: {}", ran.brief());
        if args.contains(&"check") {
            stands!(ran.code != Some(0), "check finds nothing: {}", ran.brief());
        }
    }
    let ran = a.backup()?;
    stands!(ran.is_done(), "a backup: {}", ran.brief());
    let target = a.arg("restored");
    let mut command = a.command(0, &["restore", "--target", &target]);
    let ran = a.run(&mut command, Duration::from_secs(30))?;
    stands!(ran.is_done() && !tree(&a.path("restored")).is_empty(), "restore: {}", ran.brief());
    Ok(())
}

fn dear_keys(a: &mut Arena, many: u32) -> anyhow::Result<()> {
    for n in 0..many {
        let file = format!(
            "{{\"created\":\"2020-01-01T00:00:00Z\",\"username\":\"u\",\"hostname\":\"h\",\"kdf\":\
             \"scrypt\",\"N\":1048576,\"r\":8,\"p\":16,\"salt\":\"{}\",\"data\":\"{}\"}}",
            "A".repeat(86) + "==",
            "B".repeat(214) + "=="
        );
        a.write(&format!("copy2-0/keys/{n:064x}"), file)?;
    }
    let most = Duration::from_secs(if many == 1 { 10 } else { 15 });
    for args in &LOOKS[..2] {
        let mut command = a.command(0, args);
        let ran = a.run(&mut command, Duration::from_secs(100))?;
        stands!(ran.is_ok(), "{args:?}: {}", ran.brief());
        stands!(ran.took < most, "{args:?} took {:.1?}", ran.took);
        stands!(ran.peak_kib < 300 << 10, "{args:?} took {} KiB", ran.peak_kib);
    }
    Ok(())
}

fn many_snapshots(a: &mut Arena) -> anyhow::Result<()> {
    let before = look(a, &["ls", "latest", "/"])?;
    for n in 0..1000_u32 {
        a.write(&format!("copy2-0/snapshots/{n:064x}"), [0x77; 400])?;
    }
    let ran = look(a, &["ls", "latest", "/"])?;
    stands!(ran.out == before.out && ran.code == before.code, "other answer: {}", ran.brief());
    let most = before.took * 3 + Duration::from_secs(2);
    stands!(ran.took < most, "it took {:.1?}, {:.1?} before", ran.took, before.took);
    Ok(())
}

fn junk_locks(a: &mut Arena) -> anyhow::Result<()> {
    for (n, plant) in Plant::ALL.iter().enumerate() {
        plant.put(&a.path(&format!("copy2-0/locks/{n:064x}")))?;
    }
    let mut command = a.command(0, &["backup"]);
    let ran = a.run(&mut command, Duration::from_secs(30))?;
    stands!(ran.is_done(), "a backup: {}", ran.brief());
    Ok(())
}

/// The aftermath looks whether the other school is whole.
fn linked(a: &mut Arena, what: &str, to: &str) -> anyhow::Result<()> {
    fs::remove_dir_all(a.path("copy2-0").join(what))?;
    symlink(a.path("copy2-1").join(to), a.path("copy2-0").join(what))?;
    for args in [&["backup"][..], &["prune", "--yes"], &["check"], &["repair", "index"]] {
        let mut command = a.command(0, args);
        let ran = a.run(&mut command, Duration::from_secs(30))?;
        stands!(!ran.hung, "{args:?} hangs");
    }
    Ok(())
}

fn tmp_link(a: &mut Arena) -> anyhow::Result<()> {
    fs::create_dir(a.path("of-the-host"))?;
    let names = ["passwd", ".tmp-1", "0000", &"a".repeat(64), "x.new", "1-1"];
    for name in names {
        let file = a.write(&format!("of-the-host/{name}"), "whole")?;
        let done = Command::new("touch").args(["-d", "2020-01-01"]).arg(file).status()?;
        ensure!(done.success(), "touch");
    }
    let _ = fs::remove_dir_all(a.path("copy2-0/tmp"));
    symlink(a.path("of-the-host"), a.path("copy2-0/tmp"))?;
    for args in [&["backup"][..], &["prune", "--yes"], &["repair", "index"]] {
        a.strongroom(args)?;
    }
    let left = tree(&a.path("of-the-host")).len();
    stands!(left == names.len(), "{} files of the host are gone", names.len() - left);
    Ok(())
}

fn data_link(a: &mut Arena) -> anyhow::Result<()> {
    fs::create_dir(a.path("of-the-host"))?;
    for n in 0..256 {
        let dir = a.path(&format!("copy2-0/data/{n:02x}"));
        if !dir.exists() {
            symlink(a.path("of-the-host"), &dir)?;
        }
    }
    for kind in ["index", "snapshots"] {
        let dir = a.path("copy2-0").join(kind);
        fs::rename(&dir, a.path(kind))?;
        symlink(a.path(kind), &dir)?;
    }
    let before = tree(&a.path("snapshots")).len();
    a.strongroom(&["backup"])?;
    let written = tree(&a.path("of-the-host")).len();
    stands!(written == 0, "{written} files were written through a link");
    let after = tree(&a.path("snapshots")).len();
    stands!(after == before, "a snapshot was written through a link");
    Ok(())
}

fn no_write(a: &mut Arena, what: &str) -> anyhow::Result<()> {
    let before = tree(&a.path("copy2-0"));
    let ran = a.strongroom(&["backup"])?;
    stands!(!ran.is_done(), "a backup into {what}: {}", ran.brief());
    stands!(ran.is_orderly(), "{}", ran.brief());
    let after = tree(&a.path("copy2-0"));
    stands!(crate::arena::lost(&before, &after).is_none(), "something of {what} is gone");
    let new = after.keys().filter(|k| !before.contains_key(*k) && !k.starts_with("locks")).count();
    stands!(new == 0, "{new} objects were written into {what}");
    Ok(())
}

fn config_swapped(a: &mut Arena) -> anyhow::Result<()> {
    fs::remove_file(a.path("copy2-0/config"))?;
    fs::copy(a.path("copy2-1/config"), a.path("copy2-0/config"))?;
    no_write(a, "a repository with the other's config")
}

fn config_broken(a: &mut Arena) -> anyhow::Result<()> {
    let file = a.path("copy2-0/config");
    let whole = fs::read(&file)?;
    for bytes in [
        b"".to_vec(),
        whole[..20].to_vec(),
        vec![0; 155],
        vec![b'x'; 5 << 20],
        b"{\"version\":1}".to_vec(),
    ] {
        fs::remove_file(&file)?;
        fs::write(&file, bytes)?;
        no_write(a, "a repository with a broken config")?;
    }
    Ok(())
}

fn all_swapped(a: &mut Arena) -> anyhow::Result<()> {
    // With the other's password, as after a mix-up of mounts.
    let text = a.read("strongroom.toml")?;
    let text = text.replace("copy2-0", "X").replace("copy2-1", "copy2-0").replace("X", "copy2-1");
    let text = text
        .replace("\"password0\"", "\"P\"")
        .replace("\"password1\"", "\"password0\"")
        .replace("\"P\"", "\"password1\"");
    a.write("strongroom.toml", text)?;
    let ran = a.strongroom(&["backup"])?;
    stands!(!ran.is_done(), "a school went into another's repository: {}", ran.brief());
    Ok(())
}

fn head_gone(a: &mut Arena) -> anyhow::Result<()> {
    for name in a.names("snapshots") {
        fs::remove_file(a.path(&format!("copy2-0/snapshots/{name}")))?;
    }
    let ran = a.backup()?;
    stands!(ran.is_orderly(), "{}", ran.brief());
    if ran.is_done() {
        let repo = a.path("copy2-0");
        let check = a.restic(&repo, &["check", "--read-data"])?;
        stands!(check.is_ok(), "restic check: {}", check.brief());
        let ls = look(a, &["ls", "latest", "/", "-R"])?;
        stands!(ls.out.lines().count() > 10, "the backup after it is empty: {}", ls.brief());
    }
    Ok(())
}

fn old_again(a: &mut Arena) -> anyhow::Result<()> {
    let old = a.names("snapshots").pop().context("no snapshot")?;
    let bytes = fs::read(a.path(&format!("copy2-0/snapshots/{old}")))?;
    ensure!(a.backup()?.is_done(), "backup");
    let newest = a.names("snapshots").into_iter().find(|n| *n != old).context("no new snapshot")?;
    a.strongroom_ok(&["forget", &old, "--yes"])?;
    a.write(&format!("copy2-0/snapshots/{old}"), bytes)?;
    let ls = a.strongroom_ok(&["--json", "ls", "latest", "/", "-R"])?;
    let by_name = a.strongroom_ok(&["--json", "ls", &newest, "/", "-R"])?;
    stands!(ls.out == by_name.out, "latest is the old one");
    Ok(())
}

fn damaged(a: &mut Arena, how: impl Fn(&mut Vec<u8>)) -> anyhow::Result<()> {
    for name in a.names("data") {
        let path = a.path(&format!("copy2-0/data/{}/{name}", &name[..2]));
        let mut bytes = fs::read(&path)?;
        how(&mut bytes);
        fs::remove_file(&path)?;
        fs::write(&path, bytes)?;
    }
    let ran = look(a, &["check", "--read-data"])?;
    stands!(ran.code != Some(0), "check finds nothing");
    let target = a.arg("restored");
    let ran = look(a, &["restore", "--target", &target])?;
    // Bytes behind a pack hurt nobody who reads it; the others lose something.
    let whole = tree(&a.path("restored")).len() > 20;
    stands!(ran.code != Some(0) || whole, "a restore says that all is well: {}", ran.brief());
    Ok(())
}

fn index_gone(a: &mut Arena) -> anyhow::Result<()> {
    for name in a.names("index") {
        fs::remove_file(a.path(&format!("copy2-0/index/{name}")))?;
    }
    let ran = a.backup()?;
    stands!(ran.is_orderly(), "{}", ran.brief());
    let check = look(a, &["check"])?;
    let repo = a.path("copy2-0");
    let restic = a.restic(&repo, &["check"])?;
    stands!(
        check.code == Some(0) || !ran.is_ok() || restic.is_ok() == check.is_ok(),
        "exit 0 on a repository without indexes that does not check: {}",
        check.brief()
    );
    if ran.is_ok() {
        stands!(restic.is_ok(), "a backup says 0, stock restic finds: {}", restic.brief());
    }
    Ok(())
}

fn gone(a: &mut Arena, kind: &str) -> anyhow::Result<()> {
    for name in a.names(kind) {
        fs::remove_file(a.path(&format!("copy2-0/{kind}/{name}")))?;
    }
    for args in LOOKS {
        let ran = look(a, args)?;
        stands!(ran.code != Some(0), "{args:?} without {kind}: {}", ran.brief());
    }
    no_write(a, "a repository without its keys")
}

fn manifests_gone(a: &mut Arena) -> anyhow::Result<()> {
    for name in a.names("manifests") {
        fs::remove_file(a.path(&format!("copy2-0/manifests/{name}")))?;
    }
    ensure!(a.backup()?.is_done(), "backup");
    let ran = a.vault(&["pull", "school0"])?;
    let sessions = a.sessions()?.as_array().map_or(0, Vec::len);
    let told = ran.code != Some(0) || !a.alarms(0).is_empty();
    stands!(sessions == 2 || told, "it does not come, and nobody is told: {}", ran.brief());
    Ok(())
}

fn read_only(a: &mut Arena) -> anyhow::Result<()> {
    let mounted = super::copy2::Mounted::tmpfs(&a.path("ro"), "size=32m")?;
    let done = Command::new("cp").arg("-a").arg(a.path("copy2-0")).arg(a.path("ro")).status()?;
    ensure!(done.success(), "cp");
    mounted.again("ro")?;
    let text = a.read("strongroom.toml")?.replace("path = \"copy2-0\"", "path = \"ro/copy2-0\"");
    a.write("strongroom.toml", text)?;
    let ran = look(a, &["backup"])?;
    stands!(!ran.is_done(), "exit {:?} on a read-only place", ran.code);
    for args in LOOKS {
        let ran = look(a, args)?;
        stands!(ran.is_done(), "{args:?} on a read-only place: {}", ran.brief());
    }
    Ok(())
}

fn full(a: &mut Arena) -> anyhow::Result<()> {
    let _mounted = super::copy2::Mounted::tmpfs(&a.path("small"), "size=3m")?;
    let done = Command::new("cp").arg("-a").arg(a.path("copy2-0")).arg(a.path("small")).status()?;
    ensure!(done.success(), "cp");
    let text = a.read("strongroom.toml")?.replace("path = \"copy2-0\"", "path = \"small/copy2-0\"");
    a.write("strongroom.toml", text)?;
    let mut fill = fs::File::create(a.path("small/filler"))?;
    while std::io::Write::write_all(&mut fill, &[1; 4096]).is_ok() {}
    let ran = look(a, &["backup"])?;
    stands!(!ran.is_done(), "exit {:?} on a full disk", ran.code);
    drop(fill);
    fs::remove_file(a.path("small/filler"))?;
    let ran = look(a, &["backup"])?;
    stands!(ran.is_done(), "with room again: {}", ran.brief());
    let repo = a.path("small/copy2-0");
    let check = a.restic(&repo, &["check", "--read-data"])?;
    stands!(check.is_ok(), "restic check: {}", check.brief());
    Ok(())
}

/// Whether something of a stranger's that a terminal would act on stands in an output.
pub(super) fn raw_char(text: &str) -> Option<char> {
    text.chars().find(|c| {
        *c != '\n' && *c != '\t' && c.is_control()
            || ('\u{202a}'..='\u{202e}').contains(c)
            || ('\u{2066}'..='\u{2069}').contains(c)
    })
}

fn odd_names(a: &mut Arena) -> anyhow::Result<()> {
    for kind in ["keys", "index", "snapshots", "data", "locks", "manifests"] {
        for name in ["\u{1b}[2J", "a\nALARM", "\u{202e}x", "\u{9b}31m"] {
            a.write(&format!("copy2-0/{kind}/{name}"), "x")?;
        }
    }
    for args in [
        &["snapshots"][..],
        &["key", "list"],
        &["check"],
        &["check", "--read-data"],
        &["prune", "--dry-run"],
        &["repair", "index"],
    ] {
        let ran = look(a, args)?;
        let raw = raw_char(&format!("{}{}", ran.out, ran.err));
        stands!(raw.is_none(), "{args:?} shows {raw:?} raw");
    }
    Ok(())
}

fn key_text(a: &mut Arena) -> anyhow::Result<()> {
    use sha2::{Digest, Sha256};
    let name = a.names("keys").pop().context("no key file")?;
    let text = fs::read_to_string(a.path(&format!("copy2-0/keys/{name}")))?;
    let mut json: serde_json::Value = serde_json::from_str(&text)?;
    json["username"] = "\u{1b}]0;owned\u{7}\u{202e}".into();
    json["hostname"] = "\u{9b}31m\u{2066}".into();
    json["created"] = "\u{1b}[2J".into();
    let bytes = json.to_string();
    a.write(&format!("copy2-0/keys/{}", hex::encode(Sha256::digest(&bytes))), &bytes)?;
    for args in [&["key", "list"][..], &["snapshots"], &["check"], &["key", "remove", "00"]] {
        let ran = look(a, args)?;
        let raw = raw_char(&format!("{}{}", ran.out, ran.err));
        stands!(raw.is_none(), "{args:?} shows {raw:?} raw");
    }
    Ok(())
}

fn vanishing(a: &mut Arena) -> anyhow::Result<()> {
    a.strongroom_ok(&["restore", "--target", &a.arg("honest")])?;
    let honest = tree(&a.path("honest"));
    let packs: Vec<_> =
        a.names("data").iter().map(|n| a.path(&format!("copy2-0/data/{}/{n}", &n[..2]))).collect();
    let over = std::sync::atomic::AtomicBool::new(false);
    let ran = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::SeqCst) {
                for pack in &packs {
                    let aside = pack.with_extension("aside");
                    let _ = fs::rename(pack, &aside);
                    std::thread::yield_now();
                    let _ = fs::rename(&aside, pack);
                }
            }
        });
        let mut command = a.command(0, &["restore", "--target", &a.arg("restored")]);
        let ran = crate::child::run(&mut command, Duration::from_secs(60));
        over.store(true, std::sync::atomic::Ordering::SeqCst);
        ran
    })?;
    stands!(ran.is_orderly(), "{}", ran.brief());
    let restored = tree(&a.path("restored"));
    let same = crate::arena::lost(&honest, &restored).is_none();
    stands!(!ran.is_ok() || same, "exit 0, and a file is not as it was");
    Ok(())
}
