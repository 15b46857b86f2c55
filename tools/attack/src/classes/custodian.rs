use super::{listed, new};
use crate::{
    arena::Arena,
    case::{Class, stands},
    child::Ran,
    plant::Plant,
};
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::{fs, time::Duration};

const VOID: &str = "it is not carried out, nothing changes";

pub(super) const CLASS: Class = Class {
    name: "custodian",
    attacker: "is one custodian, or hands custodians something to sign",
    cases: &[
        listed("order-one-signature", "applies an order that one signed", VOID, |a| {
            signed(a, &["thaw"], &["ada.key"], &|_| {})
        }),
        listed("order-twice-the-same", "signs it twice with one key", VOID, |a| {
            signed(a, &["thaw"], &["ada.key", "ada.key"], &|_| {})
        }),
        new(
            "order-copied-signature",
            "writes one's own signature twice into the file",
            VOID,
            |a| {
                signed(a, &["thaw"], &["ada.key"], &|o| {
                    if let Some(all) = o["signatures"].as_array_mut() {
                        let one = all[0].clone();
                        all.push(one);
                    }
                })
            },
        ),
        new("order-respelt-key", "writes one's own key in other letters beside it", VOID, |a| {
            signed(a, &["thaw"], &["ada.key"], &|o| {
                if let Some(all) = o["signatures"].as_array_mut() {
                    let text = all[0].to_string().to_uppercase();
                    all.extend(serde_json::from_str::<Value>(&text));
                }
            })
        }),
        new("order-stranger", "signs with one custodian and one stranger", VOID, |a| {
            signed(a, &["thaw"], &["ada.key", "eve.key"], &|_| {})
        }),
        new("order-edited", "changes the order after both signed", VOID, |a| {
            signed(a, &["thaw"], &["ada.key", "bob.key"], &|o| {
                *o = serde_json::from_str(&o.to_string().replace("thaw", "clock-is-right"))
                    .unwrap_or_default();
            })
        }),
        new("order-signature-moved", "moves signatures of one order to another", VOID, moved),
        listed("order-again", "applies an order twice", VOID, again),
        new(
            "order-other-school",
            "applies an order for one school to the other",
            VOID,
            other_school,
        ),
        new(
            "order-other-vault",
            "applies it in a second vault of the same school",
            VOID,
            other_vault,
        ),
        new("order-old", "applies an order of 15 days ago", VOID, old),
        new(
            "order-unknown-field",
            "adds a field that nobody is shown before it is signed",
            "it is shown, or not signed",
            unknown_field,
        ),
        new(
            "order-text",
            "writes escapes and forged lines into the reason",
            "what custodians are shown has none raw",
            text,
        ),
        new(
            "order-fifo",
            "hands a FIFO, a device, a folder, 300 MB as order",
            "an orderly error",
            odd_files,
        ),
        new(
            "order-out-link",
            "links the order's new file to a file of the host",
            "nothing is written over",
            out_link,
        ),
        new(
            "order-sign-link",
            "links the order to a file of the host before it is signed",
            "the file is whole",
            sign_link,
        ),
        new(
            "order-hide-all",
            "two hide all sessions, and show them again",
            "nothing is freed, and all comes back",
            hide_all,
        ),
        new(
            "order-hide-paths",
            "writes orders that hide config, /etc/passwd, paths with dots",
            "none is written, or none is carried out",
            hide_paths,
        ),
        listed("order-weak-key", "makes a point of small order a custodian", VOID, weak),
        new("order-one-key-two-names", "makes one key two custodians", VOID, |a| {
            custodians(a, |ada, _| vec![format!("ada={ada}"), format!("anna={ada}")], 2)
        }),
        new("order-quorum", "lets nobody, one, or more than there are decide", VOID, |a| {
            for quorum in [0, 1, 3, 99] {
                custodians(a, |ada, bob| vec![format!("ada={ada}"), format!("bob={bob}")], quorum)?;
            }
            Ok(())
        }),
        listed(
            "policy-wraps",
            "sets months, years, days that wrap or never protect",
            VOID,
            policies,
        ),
        new(
            "policy-odd-toml",
            "writes policies of dates, floats, nested tables, 10 MB",
            VOID,
            odd_policies,
        ),
        new(
            "order-admit-paths",
            "admits keys called ../../config, a FIFO, 10 of them",
            "nothing but a key file of that name comes in",
            admit,
        ),
        new(
            "order-key-open",
            "signs with a key file that all may read",
            "refused or told",
            open_key,
        ),
        new(
            "order-not-json",
            "applies orders that are cut, nested, doubled at 200 places",
            VOID,
            mutated,
        ),
        new(
            "enrol-again",
            "enrols the school again with other custodians",
            "said, and refused",
            enrol_again,
        ),
        new(
            "enrol-names",
            "enrols schools called .., vault.key, with slashes and escapes",
            "refused, nothing is made",
            enrol_names,
        ),
        new(
            "enrol-card",
            "enrols with cards that are cut, foreign, weak, of 50 MB",
            "refused",
            enrol_cards,
        ),
    ],
};

fn order(a: &mut Arena, what: &[&str], keys: &[&str]) -> anyhow::Result<()> {
    let _ = fs::remove_file(a.path("o.json"));
    let mut args = vec!["order", "new", "school0", "--reason", "a reason", "--out", "o.json"];
    args.extend(what);
    a.vault_ok(&args)?;
    for key in keys {
        // A second signature of one key may be refused here already.
        a.vault(&["order", "sign", "o.json", "--key", key])?;
    }
    Ok(())
}

fn orders(a: &mut Arena) -> anyhow::Result<u64> {
    let status = a.vault(&["status"])?;
    status.json()[0]["orders"].as_u64().with_context(|| status.brief())
}

fn is_void(a: &mut Arena, before: u64) -> anyhow::Result<()> {
    let ran = a.vault(&["order", "apply", "school0", "o.json"])?;
    stands!(!ran.is_done(), "it was carried out: {}", ran.brief());
    stands!(ran.is_orderly(), "{}", ran.brief());
    stands!(orders(a)? == before, "it was counted");
    Ok(())
}

fn signed(
    a: &mut Arena,
    what: &[&str],
    keys: &[&str],
    then: &dyn Fn(&mut Value),
) -> anyhow::Result<()> {
    let before = orders(a)?;
    order(a, what, keys)?;
    let mut json: Value = serde_json::from_str(&a.read("o.json")?)?;
    then(&mut json);
    a.write("o.json", json.to_string())?;
    is_void(a, before)
}

fn moved(a: &mut Arena) -> anyhow::Result<()> {
    let before = orders(a)?;
    order(a, &["thaw"], &["ada.key", "bob.key"])?;
    let from: Value = serde_json::from_str(&a.read("o.json")?)?;
    order(a, &["hide", "--session", "1"], &[])?;
    let mut to: Value = serde_json::from_str(&a.read("o.json")?)?;
    to["signatures"] = from["signatures"].clone();
    a.write("o.json", to.to_string())?;
    is_void(a, before)
}

fn again(a: &mut Arena) -> anyhow::Result<()> {
    order(a, &["thaw"], &["ada.key", "bob.key"])?;
    let ran = a.vault(&["order", "apply", "school0", "o.json"])?;
    ensure!(ran.is_done(), "the first time: {}", ran.brief());
    let before = orders(a)?;
    is_void(a, before)
}

fn other_school(a: &mut Arena) -> anyhow::Result<()> {
    order(a, &["thaw"], &["ada.key", "bob.key"])?;
    let ran = a.vault(&["order", "apply", "school1", "o.json"])?;
    stands!(!ran.is_done(), "the other school carried it out: {}", ran.brief());
    Ok(())
}

fn people(a: &Arena) -> anyhow::Result<(String, String)> {
    let text = a.read("custodians")?;
    let key =
        |n: usize| text.lines().nth(n).and_then(|l| l.split_once('=')).map(|(_, k)| k.to_owned());
    Ok((key(0).context("ada")?, key(1).context("bob")?))
}

fn enrol(a: &mut Arena, dir: &str, name: &str, card: &str) -> anyhow::Result<Ran> {
    let (ada, bob) = people(a)?;
    let copy2 = a.arg("copy2-0");
    let mut command = a.stage.program("strongroom-vault", a.dir());
    command.args(["--dir", dir, "--json", "enrol", name, "--card", card, "--source", &copy2]);
    command.args(["--custodian", &format!("ada={ada}"), "--custodian", &format!("bob={bob}")]);
    a.run(&mut command, Duration::from_secs(30))
}

fn other_vault(a: &mut Arena) -> anyhow::Result<()> {
    let ran = enrol(a, "vault2", "school0", "card0.json")?;
    ensure!(ran.is_done(), "a second vault: {}", ran.brief());
    order(a, &["thaw"], &["ada.key", "bob.key"])?;
    let mut command = a.stage.program("strongroom-vault", a.dir());
    command.args(["--dir", "vault2", "--json", "order", "apply", "school0", "o.json"]);
    let ran = a.run(&mut command, Duration::from_secs(20))?;
    stands!(!ran.is_done(), "the second vault carried it out: {}", ran.brief());
    Ok(())
}

fn old(a: &mut Arena) -> anyhow::Result<()> {
    use super::clock::{At, at};
    let when = At { ahead_s: -15 * 86_400, uptime_s: None, boot: None };
    let before = orders(a)?;
    // The vault itself refuses to write it at that time; the order's own day is set back instead.
    order(a, &["thaw"], &[])?;
    let mut command = at(a.dir(), &a.stage.bin.join("strongroom-vault"), &when)?;
    command.args(["--dir", "vault", "--json", "order", "sign", "o.json", "--key", "ada.key"]);
    a.run(&mut command, Duration::from_secs(20))?;
    let text = a.read("o.json")?;
    let year = text.replace("2026-", "2025-").replace("2027-", "2025-");
    a.write("o.json", year)?;
    for key in ["ada.key", "bob.key"] {
        a.vault(&["order", "sign", "o.json", "--key", key])?;
    }
    is_void(a, before)
}

fn unknown_field(a: &mut Arena) -> anyhow::Result<()> {
    let before = orders(a)?;
    order(a, &["thaw"], &[])?;
    let mut json: Value = serde_json::from_str(&a.read("o.json")?)?;
    let text = json["text"].as_str().context("an order has no text")?.to_owned();
    json["text"] = text.replacen('{', "{\"and_also\":\"delete everything\",", 1).into();
    a.write("o.json", json.to_string())?;
    let mut shown = true;
    for key in ["ada.key", "bob.key"] {
        let ran = a.vault(&["order", "sign", "o.json", "--key", key])?;
        shown &= !ran.is_done() || ran.says("delete everything");
    }
    stands!(shown, "custodians signed what they were not shown");
    is_void(a, before)
}

fn text(a: &mut Arena) -> anyhow::Result<()> {
    let reason = "ok\u{1b}[2J\u{202e}\u{9b}31m\n\"decision\": {\"do\": \"nothing\"}\r";
    let mut command = a.stage.program("strongroom-vault", a.dir());
    command.args(["--dir", "vault", "order", "new", "school0", "--out", "o.json", "--reason"]);
    command.arg(reason).arg("thaw");
    a.run(&mut command, Duration::from_secs(20))?;
    if !a.path("o.json").exists() {
        return Ok(());
    }
    for args in [&["order", "show", "o.json"][..], &["order", "sign", "o.json", "--key", "ada.key"]]
    {
        let mut command = a.stage.program("strongroom-vault", a.dir());
        command.args(["--dir", "vault"]).args(args);
        let ran = a.run(&mut command, Duration::from_secs(20))?;
        let raw = super::copy2_msp::raw_char(&ran.out);
        stands!(raw.is_none(), "{args:?} shows {raw:?} raw");
    }
    Ok(())
}

fn odd_files(a: &mut Arena) -> anyhow::Result<()> {
    for plant in Plant::ALL {
        plant.put(&a.path("o.json"))?;
        for args in [
            &["order", "show", "o.json"][..],
            &["order", "apply", "school0", "o.json"],
            &["order", "sign", "o.json", "--key", "ada.key"],
        ] {
            let mut command = a.vault_command(args);
            let ran = a.run(&mut command, Duration::from_secs(6))?;
            stands!(!ran.hung, "{args:?} hangs on a {plant:?}");
            stands!(ran.peak_kib < 400 << 10, "{args:?} of a {plant:?}: {} KiB", ran.peak_kib);
            stands!(ran.is_orderly() && !ran.is_done(), "{plant:?} {args:?}: {}", ran.brief());
        }
        if *plant == Plant::Sparse {
            continue;
        }
    }
    Ok(())
}

fn out_link(a: &mut Arena) -> anyhow::Result<()> {
    a.write("of-the-host", "whole")?;
    for target in ["of-the-host", "not-there-yet"] {
        let _ = fs::remove_file(a.path("o.json"));
        std::os::unix::fs::symlink(a.path(target), a.path("o.json"))?;
        a.vault(&["order", "new", "school0", "--reason", "r", "--out", "o.json", "thaw"])?;
        a.vault(&["custodian", "new", "x", "--out", "o.json"])?;
    }
    stands!(a.read("of-the-host")? == "whole", "a file of the host was written over");
    stands!(!a.path("not-there-yet").exists(), "a file was made through a link");
    Ok(())
}

fn sign_link(a: &mut Arena) -> anyhow::Result<()> {
    a.write("of-the-host", "whole")?;
    std::os::unix::fs::symlink(a.path("of-the-host"), a.path("o.json"))?;
    a.vault(&["order", "sign", "o.json", "--key", "ada.key"])?;
    stands!(a.read("of-the-host")? == "whole", "a file of the host was written over");
    Ok(())
}

fn hide_all(a: &mut Arena) -> anyhow::Result<()> {
    let apply = |a: &mut Arena, what: &[&str]| -> anyhow::Result<Ran> {
        order(a, what, &["ada.key", "bob.key"])?;
        a.vault(&["order", "apply", "school0", "o.json"])
    };
    let hidden = apply(a, &["hide", "--session", "1"])?;
    stands!(hidden.is_orderly(), "{}", hidden.brief());
    let shown = apply(a, &["show", "--session", "1"])?;
    stands!(shown.is_done() || !hidden.is_done(), "{}", shown.brief());
    Ok(())
}

fn hide_paths(a: &mut Arena) -> anyhow::Result<()> {
    for path in ["../../config", "/etc/passwd", "data/..", "snapshots/x", "", "config"] {
        let _ = fs::remove_file(a.path("o.json"));
        let ran = a.vault(&[
            "order", "new", "school0", "--reason", "r", "--out", "o.json", "hide", path,
        ])?;
        if ran.is_done() {
            for key in ["ada.key", "bob.key"] {
                a.vault(&["order", "sign", "o.json", "--key", key])?;
            }
            let ran = a.vault(&["order", "apply", "school0", "o.json"])?;
            stands!(!ran.is_done(), "{path:?} was hidden: {}", ran.brief());
        }
    }
    Ok(())
}

fn custodians(
    a: &mut Arena,
    all: impl Fn(&str, &str) -> Vec<String>,
    quorum: usize,
) -> anyhow::Result<()> {
    let before = orders(a)?;
    let (ada, bob) = people(a)?;
    let (all, quorum) = (all(&ada, &bob), quorum.to_string());
    let _ = fs::remove_file(a.path("o.json"));
    let mut args = vec![
        "order",
        "new",
        "school0",
        "--reason",
        "r",
        "--out",
        "o.json",
        "custodians",
        "--quorum",
        &quorum,
    ];
    args.extend(all.iter().map(String::as_str));
    let ran = a.vault(&args)?;
    if !ran.is_done() {
        stands!(ran.is_orderly(), "{}", ran.brief());
        return Ok(());
    }
    for key in ["ada.key", "bob.key"] {
        a.vault(&["order", "sign", "o.json", "--key", key])?;
    }
    is_void(a, before)
}

fn weak(a: &mut Arena) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for first in ["00", "01", "ec", "ed", "ee", "26", "c7"] {
        let rest = match first {
            "00" | "01" => "00".repeat(31),
            "26" => "e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05".into(),
            "c7" => "176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a".into(),
            _ => format!("{}7f", "ff".repeat(30)),
        };
        all.push(format!("{first}{rest}"));
    }
    all.push("ff".repeat(32));
    for key in all {
        custodians(a, |ada, _| vec![format!("ada={ada}"), format!("weak={key}")], 2)?;
    }
    Ok(())
}

fn policy_void(a: &mut Arena, text: &[u8]) -> anyhow::Result<()> {
    let before = orders(a)?;
    a.write("p.toml", text)?;
    let _ = fs::remove_file(a.path("o.json"));
    let mut command = a.vault_command(&[
        "order", "new", "school0", "--reason", "r", "--out", "o.json", "policy", "p.toml",
    ]);
    let ran = a.run(&mut command, Duration::from_secs(20))?;
    stands!(
        ran.is_orderly(),
        "{:?}: {}",
        String::from_utf8_lossy(&text[..text.len().min(80)]),
        ran.brief()
    );
    if ran.is_done() {
        for key in ["ada.key", "bob.key"] {
            a.vault(&["order", "sign", "o.json", "--key", key])?;
        }
        is_void(a, before)?;
    }
    let status = a.vault(&["status"])?;
    stands!(status.is_done(), "status: {}", status.brief());
    Ok(())
}

fn policies(a: &mut Arena) -> anyhow::Result<()> {
    for text in [
        "monthly_months = 138547333",
        "monthly_months = 4294967295",
        "lock_days = 1",
        "lock_days = 0",
        "lock_days = 4294967295",
        "yearly_years = 4294967295",
        "lock_days = -90",
        "renew_ahead_days = 4294967295",
        "silent_days = 4294967295",
        "year_starts_month = 13",
        "year_starts_month = 0",
        "snapshots_a_day_max = 4294967295",
        "growth_percent_max = 4294967295",
        "shrink_percent_min = 0",
        "growth_bytes_free = 18446744073709551615",
    ] {
        policy_void(a, text.as_bytes())?;
    }
    Ok(())
}

fn odd_policies(a: &mut Arena) -> anyhow::Result<()> {
    let deep = format!("x = {}1{}", "[".repeat(20_000), "]".repeat(20_000));
    for text in [
        "lock_days = 1979-05-27",
        "lock_days = 90.5",
        "lock_days = nan",
        "lock_days = inf",
        "lock_days = \"90\"",
        "[lock_days]\nx = 1",
        "lock_days = 0x5a\nlock_days = 91",
        "\u{feff}a",
        "unknown = 1",
        "lock_days = true",
        &deep,
        "= 1",
        "\0",
    ] {
        policy_void(a, text.as_bytes())?;
    }
    policy_void(a, &vec![b'='; 10 << 20])?;
    policy_void(a, b"\xff\xfe")
}

fn admit(a: &mut Arena) -> anyhow::Result<()> {
    for key in ["../../config", "..", "", "config", "A", &"g".repeat(64), &"F".repeat(64)] {
        let _ = fs::remove_file(a.path("o.json"));
        let ran = a.vault(&[
            "order",
            "new",
            "school0",
            "--reason",
            "r",
            "--out",
            "o.json",
            "admit-key",
            key,
        ])?;
        if ran.is_done() {
            for seed in ["ada.key", "bob.key"] {
                a.vault(&["order", "sign", "o.json", "--key", seed])?;
            }
            let ran = a.vault(&["order", "apply", "school0", "o.json"])?;
            stands!(!ran.is_done(), "a key called {key:?} was admitted");
        }
    }
    // Rightly admitted, and a FIFO when it comes.
    let name = "5".repeat(64);
    order(a, &["admit-key", &name], &["ada.key", "bob.key"])?;
    a.vault_ok(&["order", "apply", "school0", "o.json"])?;
    Plant::Fifo.put(&a.path(&format!("copy2-0/keys/{name}")))?;
    ensure!(a.backup()?.is_done(), "backup");
    let mut command = a.vault_command(&["pull", "school0"]);
    let ran = a.run(&mut command, Duration::from_secs(15))?;
    stands!(ran.is_orderly(), "a pull: {}", ran.brief());
    let sessions = a.sessions()?.as_array().map_or(0, Vec::len);
    stands!(sessions == 2, "an admitted FIFO holds the snapshot back: {}", ran.brief());
    Ok(())
}

fn open_key(a: &mut Arena) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    order(a, &["thaw"], &[])?;
    fs::set_permissions(a.path("ada.key"), fs::Permissions::from_mode(0o644))?;
    let ran = a.vault(&["order", "sign", "o.json", "--key", "ada.key"])?;
    let told = !ran.is_done() || ran.says("may read") || ran.says("others");
    stands!(told, "a custodian's key that all may read signs without a word: {}", ran.brief());
    Ok(())
}

fn mutated(a: &mut Arena) -> anyhow::Result<()> {
    order(a, &["thaw"], &["ada.key", "bob.key"])?;
    let before = orders(a)?;
    let whole = fs::read(a.path("o.json"))?;
    for n in 0..60 {
        let mut bytes = whole.clone();
        let at = (a.random() as usize) % bytes.len();
        match n % 4 {
            0 => bytes[at] ^= 1 << (a.random() % 8),
            1 => bytes.truncate(at),
            2 => bytes.extend_from_slice(&whole),
            _ => drop(bytes.splice(at..at, b"{\"a\":[".repeat(300))),
        }
        a.write("m.json", &bytes)?;
        let ran = a.vault(&["order", "apply", "school0", "m.json"])?;
        stands!(ran.is_orderly(), "{}", ran.brief());
        // A change in what is between the words may leave the order what it is.
        if ran.is_done() {
            let old: Value = serde_json::from_slice(&whole)?;
            let new: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            stands!(old["text"] == new["text"], "a changed order was carried out");
            return Ok(());
        }
    }
    stands!(orders(a)? == before, "an order was counted");
    Ok(())
}

fn enrol_again(a: &mut Arena) -> anyhow::Result<()> {
    let text = a.read("custodians")?;
    let eve = text.lines().nth(2).context("eve")?.to_owned();
    let eve2 = a.vault(&["custodian", "new", "eve2", "--out", "eve2.key"])?.json();
    let second = format!("eve2={}", eve2["key"].as_str().unwrap_or_default());
    let ran = a.vault(&[
        "enrol",
        "school0",
        "--card",
        "card0.json",
        "--custodian",
        &eve,
        "--custodian",
        &second,
    ])?;
    let status = a.vault(&["status"])?;
    let names = status.json()[0]["custodians"].to_string();
    stands!(!names.contains("eve"), "the custodians are others now: {names}");
    stands!(!ran.is_ok(), "it says that it enrolled with others: {}", ran.brief());
    // The same from another folder name of the same vault.
    let ran = a.vault(&[
        "enrol",
        "school0b",
        "--card",
        "card0.json",
        "--custodian",
        &eve,
        "--custodian",
        &second,
    ])?;
    stands!(ran.is_orderly(), "{}", ran.brief());
    Ok(())
}

fn enrol_names(a: &mut Arena) -> anyhow::Result<()> {
    let before = fs::read_dir(a.path("vault"))?.count();
    let outside = fs::read_dir(a.dir())?.count();
    for name in [
        "..",
        ".",
        "",
        "a/b",
        "/abs",
        "vault.key",
        "a\nb",
        "\u{1b}[2J",
        "a@1",
        "-x",
        "../escaped",
        "CON",
        &"n".repeat(300),
        "\u{202e}x",
        "school0/x",
        "a\\b",
    ] {
        let ran = enrol(a, "vault", name, "card0.json")?;
        stands!(!ran.is_done(), "a school called {name:?} is enrolled: {}", ran.brief());
        stands!(ran.is_orderly(), "{name:?}: {}", ran.brief());
    }
    let after = fs::read_dir(a.path("vault"))?.count();
    stands!(after == before, "{} things were made in the vault's folder", after - before);
    let now = fs::read_dir(a.dir())?.count();
    stands!(now == outside, "something was made beside the vault");
    Ok(())
}

fn enrol_cards(a: &mut Arena) -> anyhow::Result<()> {
    let card: Value = serde_json::from_str(&a.read("card0.json")?)?;
    let with = |field: &str, value: Value| {
        let mut card = card.clone();
        card[field] = value;
        card.to_string().into_bytes()
    };
    let one = format!("01{}", "00".repeat(31));
    let cards = [
        b"".to_vec(),
        b"{}".to_vec(),
        with("key", one.into()),
        with("v", 99.into()),
        with("key", json!(null)),
        with("config_sha256", "00".into()),
        with("repository", "x".into()),
        fs::read(a.path("card1.json"))?,
        vec![b' '; 50 << 20],
        vec![b'['; 1 << 20],
        with("keys", json!(["../../../etc/passwd"])),
    ];
    for (n, bytes) in cards.iter().enumerate() {
        a.write("c.json", bytes)?;
        let ran = enrol(a, &format!("vault-{n}"), "schoolx", "c.json")?;
        stands!(ran.code != Some(0), "card {n} is enrolled: {}", ran.brief());
        stands!(ran.is_orderly(), "card {n}: {}", ran.brief());
    }
    Ok(())
}
