use super::{listed, new};
use crate::{
    arena::{Arena, tree},
    case::{Class, stands},
    child::Ran,
    plant::Plant,
};
use anyhow::{Context, ensure};
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command, time::Duration};

const BACK: &str = "two shares bring everything back, byte for byte";

pub(super) const CLASS: Class = Class {
    name: "recovery",
    attacker: "stands in the way of a recovery when all else is gone",
    cases: &[
        listed("recover-stranger-log", "puts a stranger's log beside the vault's", BACK, stranger),
        listed("recover-junk-keys", "puts 30 dear key files into the hold", BACK, junk_keys),
        new(
            "recover-junk-manifests",
            "puts 500 junk manifests of 1 MB into the hold",
            BACK,
            junk_manifests,
        ),
        new("recover-fifos", "puts FIFOs, devices, sparse files into the hold", BACK, fifos),
        new("recover-rotten", "flips a bit of each pack of the hold", "named LOST, exit 3", rotten),
        new(
            "recover-shares",
            "brings one share twice, of another school, of another set, cut",
            "nothing is opened, one sentence",
            shares,
        ),
        new(
            "recover-share-text",
            "fills share files with escapes, 100 MB, FIFOs, HTML",
            "nothing is opened, in time, no share is shown",
            share_text,
        ),
        new(
            "recover-into-link",
            "links the folder of the new copy 2 to another",
            "nothing is written there",
            into_link,
        ),
        new(
            "recover-mark-link",
            "links what a recovery makes beside (.recovering, marks)",
            "no file of the host is changed",
            mark_link,
        ),
        new(
            "recover-into-other",
            "recovers into a folder of the other school",
            "refused, nothing changes",
            into_other,
        ),
        new("recover-password-empty", "gives an empty new password", "refused", empty_password),
        new(
            "recover-place",
            "writes place files with two places, with paths out, with http",
            "one sentence each",
            place_files,
        ),
        new("recover-killed", "ends 8 recoveries by SIGKILL", BACK, killed),
        new("recover-full", "recovers onto a full disk", "not 0; then it goes on", full),
        new(
            "recover-upto",
            "asks for sessions 0, 99, 2^64",
            "one sentence, or what was there",
            upto,
        ),
        new(
            "recover-hidden-link",
            "links packs of the hold to files of the host",
            "none of the host's bytes is copied",
            linked_packs,
        ),
    ],
};

fn share(a: &Arena, school: usize, n: usize) -> PathBuf {
    a.path(&format!("copy2-{school}-recovery/share-{n}-of-3.html"))
}

/// A recovery on a machine that has the hold and shares alone.
fn recover(a: &mut Arena, shares: &[PathBuf], more: &[&str]) -> anyhow::Result<Ran> {
    let mut command = recovery(a, shares, more)?;
    a.run(&mut command, Duration::from_secs(60))
}

fn recovery(a: &Arena, shares: &[PathBuf], more: &[&str]) -> anyhow::Result<Command> {
    let place = a.path("place.toml");
    if !place.exists() {
        a.write("place.toml", a.place()?)?;
    }
    if !a.path("new.password").exists() {
        a.write("new.password", "a new password of some length")?;
        fs::set_permissions(a.path("new.password"), fs::Permissions::from_mode(0o600))?;
    }
    let mut command = a.stage.program("strongroom", a.dir());
    command.args([
        "--json",
        "--quiet",
        "--cache-dir",
        "fresh-cache",
        "vault",
        "recover",
        "--place",
    ]);
    command.arg(place).args(["--new-password-file", "new.password"]);
    for share in shares {
        command.arg("--share").arg(share);
    }
    if !more.contains(&"--to") {
        command.args(["--to", "recovered"]);
    }
    command.args(more);
    Ok(command)
}

fn two(a: &Arena) -> Vec<PathBuf> {
    vec![share(a, 0, 1), share(a, 0, 3)]
}

/// What an honest restore gives, before anything is done.
fn honest(a: &mut Arena) -> anyhow::Result<std::collections::BTreeMap<String, String>> {
    let target = a.arg("honest");
    a.strongroom_ok(&["restore", "--target", &target])?;
    Ok(tree(&a.path("honest")))
}

fn brings_back(
    a: &mut Arena,
    wanted: &std::collections::BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let shares = two(a);
    let ran = recover(a, &shares, &["--restore-to", "files"])?;
    stands!(ran.is_done(), "the recovery: {}", ran.brief());
    stands!(tree(&a.path("files")) == *wanted, "other files came back: {}", ran.brief());
    stands!(ran.took < Duration::from_secs(30), "it took {:.0?}", ran.took);
    stands!(ran.peak_kib < 900 << 10, "it took {} KiB", ran.peak_kib);
    let out = Command::new("restic")
        .args(["-r"])
        .arg(a.path("recovered"))
        .arg("-p")
        .arg(a.path("new.password"))
        .args(["--no-cache", "check", "--read-data"])
        .output();
    if let Ok(out) = out {
        stands!(out.status.success(), "stock restic: {}", String::from_utf8_lossy(&out.stderr));
    }
    Ok(())
}

fn stranger(a: &mut Arena) -> anyhow::Result<()> {
    a.wounds_the_vault();
    let wanted = honest(a)?;
    // The other school's log, which the vault's own key signed, and one of another vault.
    let from =
        fs::read_dir(a.path("vault/school1/hold/ledger"))?.flatten().next().context("log")?;
    for name in ["0000000000000000", "ffffffffffffffff"] {
        let to = a.path("vault/school0/hold/ledger").join(name);
        let done = Command::new("cp").arg("-a").arg(from.path()).arg(to).status()?;
        ensure!(done.success(), "cp");
    }
    brings_back(a, &wanted)
}

fn junk_keys(a: &mut Arena) -> anyhow::Result<()> {
    a.wounds_the_vault();
    let wanted = honest(a)?;
    for n in 0..30_u32 {
        let file = format!(
            "{{\"created\":\"2020-01-01T00:00:00Z\",\"username\":\"u\",\"hostname\":\"h\",\"kdf\":\
             \"scrypt\",\"N\":1048576,\"r\":8,\"p\":16,\"salt\":\"{}==\",\"data\":\"{}==\"}}",
            "A".repeat(86),
            "B".repeat(214)
        );
        use sha2::Digest;
        let file = file.replace("2020-01-01", &format!("20{n:02}-01-01"));
        let name = hex::encode(sha2::Sha256::digest(&file));
        a.write(&format!("vault/school0/hold/keys/{name}"), file)?;
    }
    brings_back(a, &wanted)?;
    let carried = tree(&a.path("recovered/keys")).len();
    stands!(carried < 5, "{carried} key files were carried along");
    Ok(())
}

fn junk_manifests(a: &mut Arena) -> anyhow::Result<()> {
    a.wounds_the_vault();
    let wanted = honest(a)?;
    for n in 0..500_u32 {
        let mut bytes = vec![b' '; 1 << 20];
        bytes[..4].copy_from_slice(&n.to_le_bytes());
        a.write(&format!("vault/school0/hold/manifests/{n:064x}"), bytes)?;
    }
    brings_back(a, &wanted)
}

fn fifos(a: &mut Arena) -> anyhow::Result<()> {
    a.wounds_the_vault();
    let wanted = honest(a)?;
    for kind in ["data/00", "index", "snapshots", "keys", "manifests", "ledger"] {
        for (n, plant) in Plant::ALL.iter().enumerate() {
            plant.put(&a.path(&format!("vault/school0/hold/{kind}/{n:064x}")))?;
        }
    }
    brings_back(a, &wanted)
}

fn rotten(a: &mut Arena) -> anyhow::Result<()> {
    a.wounds_the_vault();
    for name in a.names("data") {
        let path = a.path(&format!("vault/school0/hold/data/{}/{name}", &name[..2]));
        let mut bytes = fs::read(&path)?;
        bytes[9] ^= 1;
        fs::remove_file(&path)?;
        fs::write(&path, bytes)?;
    }
    let shares = two(a);
    let ran = recover(a, &shares, &["--restore-to", "files"])?;
    stands!(ran.code != Some(0), "exit 0 though every pack is rotten: {}", ran.brief());
    stands!(ran.is_orderly(), "{}", ran.brief());
    Ok(())
}

fn opens_nothing(a: &mut Arena, shares: &[PathBuf], what: &str) -> anyhow::Result<()> {
    let mut command = recovery(a, shares, &[])?;
    let ran = a.run(&mut command, Duration::from_secs(15))?;
    stands!(!ran.hung, "{what}: it hangs");
    stands!(!ran.is_done() && ran.is_orderly(), "{what}: {}", ran.brief());
    stands!(!a.path("recovered/config").exists(), "{what}: something was made");
    stands!(ran.peak_kib < 600 << 10, "{what}: {} KiB", ran.peak_kib);
    // The eight lines of a sheet are the share.
    let text = fs::read_to_string(share(a, 0, 1))?;
    let said = format!("{}{}", ran.out, ran.err);
    let lines = text.split("<pre>").nth(1).and_then(|t| t.split("</pre>").next());
    let lines = lines.context("a sheet without its lines")?;
    let shown = lines.lines().filter_map(|l| l.get(3..17)).find(|part| said.contains(part));
    stands!(shown.is_none(), "{what}: a share is shown");
    Ok(())
}

fn shares(a: &mut Arena) -> anyhow::Result<()> {
    let one = share(a, 0, 1);
    opens_nothing(a, std::slice::from_ref(&one), "one share")?;
    opens_nothing(a, &[one.clone(), one.clone()], "one share twice")?;
    opens_nothing(a, &[one.clone(), share(a, 1, 2)], "a share of another school")?;
    fs::create_dir(a.path("set2"))?;
    let dir = a.arg("set2/sheets");
    a.strongroom_ok(&["key", "shares", &dir])?;
    let other = fs::read_dir(&dir)?
        .flatten()
        .map(|e| e.path())
        .find(|p| p.display().to_string().contains("-2-"));
    if let Some(other) = other {
        opens_nothing(a, &[one.clone(), other], "a share of another set")?;
    }
    let text = fs::read_to_string(share(a, 0, 2))?;
    for (n, changed) in [
        text.split("\n5  ").next().unwrap_or_default().to_owned(),
        text.replace('1', "2"),
        String::new(),
    ]
    .into_iter()
    .enumerate()
    {
        let file = a.write(&format!("cut{n}.html"), changed)?;
        opens_nothing(a, &[one.clone(), file], &format!("a share that is changed, {n}"))?;
    }
    Ok(())
}

fn share_text(a: &mut Arena) -> anyhow::Result<()> {
    let one = share(a, 0, 1);
    for plant in Plant::ALL {
        let at = a.path("odd-share");
        plant.put(&at)?;
        opens_nothing(a, &[one.clone(), at], &format!("a {plant:?} as share"))?;
    }
    for bytes in [
        vec![b'a'; 100 << 20],
        "\u{1b}[2J\u{202e}".repeat(1000).into_bytes(),
        b"<html>".repeat(1 << 20),
        vec![0xff; 5000],
    ] {
        let _ = fs::remove_file(a.path("odd-share"));
        let _ = fs::remove_dir_all(a.path("odd-share"));
        let file = a.write("odd-share2", bytes)?;
        opens_nothing(a, &[one.clone(), file], "a share of junk")?;
    }
    Ok(())
}

fn into_link(a: &mut Arena) -> anyhow::Result<()> {
    fs::create_dir(a.path("elsewhere"))?;
    std::os::unix::fs::symlink(a.path("elsewhere"), a.path("recovered"))?;
    let shares = two(a);
    let ran = recover(a, &shares, &[])?;
    stands!(ran.is_orderly(), "{}", ran.brief());
    let written = tree(&a.path("elsewhere")).len();
    stands!(
        written == 0 || ran.is_done(),
        "{written} files were written through a link, exit {:?}",
        ran.code
    );
    Ok(())
}

fn mark_link(a: &mut Arena) -> anyhow::Result<()> {
    a.write("of-the-host", "whole")?;
    for target in ["of-the-host", "not-there"] {
        for name in [
            "recovered.recovering",
            "recovered.new",
            "recovered.tmp",
            "recovered.lock",
            "files.recovering",
            "recovered/strongroom-rebuilding",
        ] {
            let at = a.path(name);
            if let Some(parent) = at.parent() {
                fs::create_dir_all(parent)?;
            }
            let _ = fs::remove_file(&at);
            std::os::unix::fs::symlink(a.path(target), &at)?;
        }
        let shares = two(a);
        recover(a, &shares, &["--restore-to", "files"])?;
        stands!(a.read("of-the-host")? == "whole", "a file of the host was written over");
        stands!(!a.path("not-there").exists(), "a file was made through a link");
        let _ = fs::remove_dir_all(a.path("recovered"));
        let _ = fs::remove_dir_all(a.path("files"));
    }
    Ok(())
}

fn into_other(a: &mut Arena) -> anyhow::Result<()> {
    let shares = two(a);
    for to in ["copy2-1", "copy2-0", "vault", "vault/school1/hold", "/", "."] {
        let ran = recover(a, &shares, &["--to", to])?;
        stands!(!ran.is_done(), "it recovers into {to}: {}", ran.brief());
    }
    Ok(())
}

fn empty_password(a: &mut Arena) -> anyhow::Result<()> {
    for bytes in [&b""[..], b"\n", b"\r\n"] {
        a.write("new.password", bytes)?;
        fs::set_permissions(a.path("new.password"), fs::Permissions::from_mode(0o600))?;
        let shares = two(a);
        let ran = recover(a, &shares, &[])?;
        stands!(!ran.is_done(), "a recovery with an empty password: {}", ran.brief());
    }
    Ok(())
}

fn place_files(a: &mut Arena) -> anyhow::Result<()> {
    let hold = a.arg("vault/school0/hold");
    for text in [
        String::new(),
        "hold = \"/\"".into(),
        "hold = \"\"".into(),
        format!("hold = \"{hold}\"\nurl = \"https://x.example/\""),
        "url = \"http://10.255.255.1/x/\"\nuser = \"read\"\ntoken_file = \"read0.token\"".into(),
        "hold = \"/proc\"".into(),
        "hold = \"/dev/zero\"".into(),
        "hold = 7".into(),
        format!("hold = \"{hold}\"\nunknown = 1"),
        "\u{1b}[2J".into(),
    ] {
        a.write("place.toml", &text)?;
        let shares = two(a);
        let mut command = recovery(a, &shares, &[])?;
        let ran = a.run(&mut command, Duration::from_secs(20))?;
        stands!(!ran.hung && ran.is_orderly(), "{text:?}: {}", ran.brief());
        stands!(!ran.is_done(), "{text:?} is a place: {}", ran.brief());
        let raw = super::copy2_msp::raw_char(&format!("{}{}", ran.out, ran.err));
        stands!(raw.is_none(), "{text:?} is shown raw");
    }
    Ok(())
}

fn killed(a: &mut Arena) -> anyhow::Result<()> {
    let wanted = honest(a)?;
    for _ in 0..8 {
        let shares = two(a);
        let mut command = recovery(a, &shares, &["--restore-to", "files"])?;
        let mut child = command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()?;
        std::thread::sleep(Duration::from_millis(a.random() % 700));
        child.kill()?;
        child.wait()?;
        let _ = fs::remove_dir_all(a.path("files"));
    }
    brings_back(a, &wanted)
}

fn full(a: &mut Arena) -> anyhow::Result<()> {
    let mounted = super::copy2::Mounted::tmpfs(&a.path("small"), "size=500k")?;
    let shares = two(a);
    let ran = recover(a, &shares, &["--to", "small/copy2"])?;
    stands!(!ran.is_done() && ran.is_orderly(), "on a full disk: {}", ran.brief());
    mounted.again("size=64m")?;
    let ran = recover(a, &shares, &["--to", "small/copy2"])?;
    stands!(ran.is_done(), "with room it does not go on: {}", ran.brief());
    Ok(())
}

fn upto(a: &mut Arena) -> anyhow::Result<()> {
    for n in ["0", "99", "18446744073709551615", "18446744073709551616", "-1"] {
        let shares = two(a);
        let ran = recover(a, &shares, &["--upto", n])?;
        stands!(ran.is_orderly(), "--upto {n}: {}", ran.brief());
        let _ = fs::remove_dir_all(a.path("recovered"));
    }
    Ok(())
}

fn linked_packs(a: &mut Arena) -> anyhow::Result<()> {
    a.wounds_the_vault();
    a.write("of-the-host", "OF THE HOST")?;
    for name in a.names("data") {
        let path = a.path(&format!("vault/school0/hold/data/{}/{name}", &name[..2]));
        fs::remove_file(&path)?;
        std::os::unix::fs::symlink(a.path("of-the-host"), &path)?;
    }
    let shares = two(a);
    let ran = recover(a, &shares, &[])?;
    stands!(ran.code != Some(0) && ran.is_orderly(), "{}", ran.brief());
    let copied = tree(&a.path("recovered/data"));
    use sha2::Digest;
    let hash = hex::encode(sha2::Sha256::digest("OF THE HOST"));
    stands!(!copied.values().any(|h| *h == hash), "the host's bytes were copied");
    Ok(())
}
