use super::{listed, new};
use crate::{
    arena::{Arena, tree},
    case::{Class, stands},
    child::Ran,
    graph::{Answered, Between, Wire},
    hostile::{Asked, Server},
};
use anyhow::{Context, ensure};
use std::{
    io::Write,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

const ENDS: &str = "the backup ends in time and memory, not with 0; the next one is whole";

pub(super) const CLASS: Class = Class {
    name: "microsoft",
    attacker: "answers in place of Microsoft, or sends mail and files",
    cases: &[
        listed("graph-endless", "answers a page without an end", ENDS, |a| {
            between(a, |asked, _, w| {
                is_page(asked) && {
                    say(
                        w,
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\
                    \r\n{\"value\":[",
                    );
                    pour(w, b"{\"id\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"},", 400);
                    true
                }
            })
        }),
        listed("graph-mime-nested", "sends mail nested 40,000 times", ENDS, |a| {
            mime(a, nested(40_000))
        }),
        listed("graph-mime-parts", "sends mail of 4 million parts", ENDS, |a| {
            mime(
                a,
                [
                    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec(),
                    b"--b\n\n".repeat(4 << 20),
                ]
                .concat(),
            )
        }),
        new(
            "graph-one-bad-element",
            "sends one number beyond all numbers, and half characters, in pages of messages",
            "those messages alone are missed, and named; they come with the next backup",
            one_bad_element,
        ),
        new(
            "graph-mime-boundaries",
            "sends 100,000 multiparts whose boundary never comes",
            ENDS,
            |a| {
                mime(
                    a,
                    [
                        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec(),
                        b"--b\nContent-Type: multipart/mixed; boundary=q\n\n".repeat(100_000),
                    ]
                    .concat(),
                )
            },
        ),
        new("graph-mime-long-boundary", "sends a boundary of 1 MB of hyphens", ENDS, |a| {
            let dashes = "-".repeat(1 << 20);
            mime(
                a,
                format!(
                    "Content-Type: multipart/mixed; boundary=\"{dashes}\"\r\n\r\n{dashes}\
                {}",
                    &dashes[1..]
                )
                .into_bytes(),
            )
        }),
        new("graph-mime-headers", "sends mail with 2 million header fields", ENDS, |a| {
            mime(a, b"X-A: b\r\n".repeat(2 << 20))
        }),
        new("graph-mime-comments", "nests comments in an address 200,000 times", ENDS, |a| {
            mime(a, format!("From: {}\r\nSubject: x\r\n\r\nx", "(".repeat(200_000)).into_bytes())
        }),
        new("graph-mime-encoded-words", "writes a subject of 300,000 encoded words", ENDS, |a| {
            mime(a, format!("Subject: {}\r\n\r\nx", "=?utf-8?q?a?= ".repeat(300_000)).into_bytes())
        }),
        new("graph-retry-after", "asks to wait NaN, -1, 1e99 s, 600 years", ENDS, |a| {
            let n = std::sync::atomic::AtomicUsize::new(0);
            between(a, move |asked, answer, _| {
                if is_page(asked) && !asked.target.contains("token") {
                    let waits =
                        ["nan", "-1", "1e99", "inf", "0x10", "18446744073709552000", "", "\u{7f}"];
                    let wait = waits[n.fetch_add(1, Ordering::SeqCst) % waits.len()];
                    answer.status = 429;
                    answer.head = format!(
                        "Retry-After: {wait}\r\nRateLimit-Reset: {wait}\r\n\
                        Content-Type: application/json\r\n"
                    );
                    answer.body =
                        b"{\"error\":{\"code\":\"TooManyRequests\",\"message\":\"x\"}}".to_vec();
                }
                false
            })
        }),
        new(
            "graph-next-elsewhere",
            "names another host as the next page",
            "no token goes there",
            next_elsewhere,
        ),
        new(
            "graph-download-elsewhere",
            "names http and inner addresses for downloads",
            "nobody comes there",
            download_elsewhere,
        ),
        new("graph-redirects", "answers 302 to another host", "no token goes there", redirects),
        new("graph-next-circle", "lets pages follow each other for ever", ENDS, |a| {
            between(a, |asked, answer, _| {
                if is_page(asked) && asked.target.contains("/delta") {
                    let host = asked
                        .head
                        .lines()
                        .find_map(|l| l.strip_prefix("host: ").or_else(|| l.strip_prefix("Host: ")))
                        .unwrap_or_default()
                        .trim();
                    let n = asked.target.matches("again").count() + 1;
                    let link = format!(
                        "https://{host}{}{}again={n}",
                        asked.path(),
                        if asked.target.contains('?') { "?" } else { "?x&" }
                    );
                    answer.body =
                        format!("{{\"value\":[],\"@odata.nextLink\":\"{link}\"}}").into_bytes();
                }
                false
            })
        }),
        new("graph-deep-json", "nests 3 million brackets in a page", ENDS, |a| {
            between(a, |asked, answer, _| {
                if is_page(asked) {
                    answer.body = "[".repeat(3_000_000).into_bytes();
                }
                false
            })
        }),
        new("graph-not-json", "answers pages of HTML, of nothing, of NULs", ENDS, |a| {
            let n = std::sync::atomic::AtomicUsize::new(0);
            between(a, move |asked, answer, _| {
                if is_page(asked) {
                    answer.body = [
                        b"<html>".to_vec(),
                        Vec::new(),
                        vec![0; 100],
                        b"null".to_vec(),
                        b"{\"value\":null}".to_vec(),
                        b"{\"value\":[null,1,\"x\",{}]}".to_vec(),
                    ][n.fetch_add(1, Ordering::SeqCst) % 6]
                        .clone();
                }
                false
            })
        }),
        new("graph-wrong-types", "exchanges strings, numbers, lists, nulls in items", ENDS, |a| {
            between(a, |asked, answer, _| {
                if is_page(asked) {
                    let text = String::from_utf8_lossy(&answer.body).into_owned();
                    answer.body = text
                        .replace("\"name\":\"", "\"name\":7,\"x\":\"")
                        .replace("\"size\":", "\"size\":-1e30,\"y\":")
                        .replace("\"subject\":\"", "\"subject\":[],\"z\":\"")
                        .into_bytes();
                }
                false
            })
        }),
        new(
            "graph-names-climb",
            "calls files ../../x, /etc/passwd, NUL, 64 KB, C:\\x",
            "nothing is restored outside",
            |a| {
                names(
                    a,
                    &[
                        "..",
                        "../../escaped",
                        "/tmp/escaped-graph",
                        "a\\u0000b",
                        "C:\\\\x",
                        "..\\\\..\\\\x",
                        ".",
                    ],
                )
            },
        ),
        new(
            "graph-names-shown",
            "calls files by escapes, bidi, line ends",
            "no output holds them raw",
            |a| {
                names(
                    a,
                    &[
                        "\\u001b[2Jx",
                        "\\u202ex",
                        "a\\nALARM x",
                        "\\u009b31m",
                        "\\u0007",
                        "\\u2066x",
                    ],
                )
            },
        ),
        new(
            "graph-token-page",
            "answers sign-in with pages of 300 MB, of HTML, of odd tokens",
            ENDS,
            |a| {
                between(a, |asked, answer, w| {
                    asked.target.contains("/token") && {
                        match asked.body.len() % 3 {
                            0 => {
                                say(w, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
                                pour(w, &[b'x'; 1 << 20], 300);
                                return true;
                            }
                            1 => answer.body = b"<html>".to_vec(),
                            _ => {
                                answer.body =
                                    b"{\"access_token\":\"a\\nX-Evil: 1\",\"expires_in\":-5,\
                        \"token_type\":\"x\"}"
                                        .to_vec()
                            }
                        }
                        false
                    }
                })
            },
        ),
        new("graph-drip", "sends a page a byte a second", ENDS, |a| {
            between(a, |asked, _, w| {
                is_page(asked) && asked.target.contains("/users") && {
                    say(w, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
                    for _ in 0..300 {
                        if w.write_all(b" ").and_then(|()| w.flush()).is_err() {
                            break;
                        }
                        std::thread::sleep(Duration::from_secs(1));
                    }
                    true
                }
            })
        }),
        new("graph-gzip-bomb", "packs a page 1,000 times", ENDS, gzip),
        new(
            "graph-downloads-short",
            "ends downloads in the middle, with the length right",
            ENDS,
            |a| {
                between(a, |asked, answer, _| {
                    if asked.method == "GET" && is_content(asked) && answer.body.len() > 40 {
                        let half = answer.body.len() / 2;
                        answer.body.truncate(half);
                    }
                    false
                })
            },
        ),
        new("graph-downloads-other", "sends other bytes of the same length", ENDS, |a| {
            between(a, |asked, answer, _| {
                if asked.method == "GET" && is_content(asked) {
                    answer.head.push_str("X-Lied: 1\r\n");
                    answer.body.iter_mut().for_each(|b| *b ^= 0x55);
                }
                false
            })
        }),
        new(
            "graph-all-gone",
            "answers that nobody and nothing is there",
            "the snapshot before stays, it is told",
            all_gone,
        ),
    ],
};

fn say(w: &mut Wire, text: &str) {
    let _ = w.write_all(text.as_bytes()).and_then(|()| w.flush());
}

fn pour(w: &mut Wire, piece: &[u8], mebibytes: usize) {
    for _ in 0..(mebibytes << 20) / piece.len() {
        if w.write_all(piece).is_err() {
            return;
        }
    }
}

fn is_content(asked: &Asked) -> bool {
    let path = asked.path();
    path.ends_with("/content")
        || path.ends_with("/$value")
        || path.contains("/download")
        || path.contains("/_layouts")
}

fn is_page(asked: &Asked) -> bool {
    asked.method == "GET" && asked.path().contains("/v1.0/") && !is_content(asked)
}

/// Puts a server between the school and its tenant.
fn stand_between(
    a: &Arena,
    lie: impl Fn(&Asked, &mut Answered, &mut Wire) -> bool + Send + Sync + 'static,
) -> anyhow::Result<Between> {
    let ready = a.stage.ready();
    let https = ready["https"].as_str().context("https")?.to_owned();
    let upstream: SocketAddr = https.trim_start_matches("https://").parse()?;
    let ca = ready["ca_file"].as_str().context("ca")?.to_owned();
    let upstream_ca = if ca.starts_with('/') { ca.clone().into() } else { a.path(&ca) };
    let between = Between::start(upstream, &upstream_ca, &a.path("between.pem"), Arc::new(lie))?;
    let text = a.read("strongroom.toml")?;
    let text = text.replace(&https, &format!("https://{}", between.address));
    a.write("strongroom.toml", text.replace(&ca, "between.pem"))?;
    Ok(between)
}

fn backup(a: &mut Arena) -> anyhow::Result<Ran> {
    let mut command = a.command(0, &["backup"]);
    let ran = a.run(&mut command, Duration::from_secs(400))?;
    stands!(!ran.hung, "the backup had not ended after 400 s");
    stands!(ran.is_orderly(), "the backup: {}", ran.brief());
    stands!(ran.peak_kib < 1200 << 10, "the backup took {} KiB", ran.peak_kib);
    let raw = super::copy2_msp::raw_char(&format!("{}{}", ran.out, ran.err));
    stands!(raw.is_none(), "the backup shows {raw:?} raw");
    Ok(ran)
}

/// A lie during one backup, and an honest backup after it.
fn between(
    a: &mut Arena,
    lie: impl Fn(&Asked, &mut Answered, &mut Wire) -> bool + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let on = Arc::new(AtomicBool::new(true));
    let lies = on.clone();
    let server = stand_between(a, move |asked, answer, w| {
        lies.load(Ordering::SeqCst) && lie(asked, answer, w)
    })?;
    let ran = backup(a)?;
    ensure!(server.lied.load(Ordering::SeqCst) > 0, "nothing was lied about: {}", ran.brief());
    stands!(!ran.is_ok(), "exit 0 on lies: {}", ran.brief());
    on.store(false, Ordering::SeqCst);
    let ran = backup(a)?;
    stands!(ran.is_done(), "the honest backup after it: {}", ran.brief());
    let repo = a.path("copy2-0");
    let check = a.restic(&repo, &["check", "--read-data"])?;
    stands!(check.is_ok(), "stock restic: {}", check.brief());
    Ok(())
}

fn nested(levels: usize) -> Vec<u8> {
    let mut out = b"From: a@b\r\nSubject: x\r\n".to_vec();
    for _ in 0..levels {
        out.extend_from_slice(b"Content-Type: message/rfc822\r\n\r\n");
    }
    out.extend_from_slice(b"Subject: y\r\n\r\nend\r\n");
    out
}

/// The content of each message is this one.
fn mime(a: &mut Arena, bytes: Vec<u8>) -> anyhow::Result<()> {
    let on = Arc::new(AtomicBool::new(true));
    let lies = on.clone();
    let few = std::sync::atomic::AtomicUsize::new(0);
    let server = stand_between(a, move |asked, answer, _| {
        if lies.load(Ordering::SeqCst)
            && asked.path().ends_with("/$value")
            && asked.path().contains("/messages/")
        {
            // Five of them, each asked for once or more.
            if few.fetch_add(1, Ordering::SeqCst) < 5 {
                answer.body.clone_from(&bytes);
            }
        }
        false
    })?;
    // Everything is read anew.
    let _ = std::fs::remove_dir_all(a.path("copy2-0"));
    let _ = std::fs::remove_dir_all(a.path("cache"));
    a.strongroom_ok(&["init", "--no-recovery"])?;
    let ran = backup(a)?;
    ensure!(server.lied.load(Ordering::SeqCst) > 0, "no message was read: {}", ran.brief());
    stands!(ran.is_done(), "the items cost the whole backup: {}", ran.brief());
    let worked = ran.worked;
    // The rest of a first backup among it.
    stands!(worked < Duration::from_secs(40), "five messages took {worked:.1?} of a processor");
    let listed = a.strongroom_ok(&["ls", "latest", "/", "-R"])?;
    stands!(listed.out.contains("drives"), "the drives are not in it");
    Ok(())
}

fn one_bad_element(a: &mut Arena) -> anyhow::Result<()> {
    let on = Arc::new(AtomicBool::new(true));
    let lies = on.clone();
    let server = stand_between(a, move |asked, answer, _| {
        if lies.load(Ordering::SeqCst) && asked.path().ends_with("/messages/delta") {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            let text = text.replace("\"subject\":\"", "\"subject\":\"\\ud83d");
            answer.body = text.replacen("\"subject\":", "\"x\":1e999,\"subject\":", 1).into_bytes();
        }
        false
    })?;
    let _ = std::fs::remove_dir_all(a.path("copy2-0"));
    let _ = std::fs::remove_dir_all(a.path("cache"));
    a.strongroom_ok(&["init", "--no-recovery"])?;
    let ran = backup(a)?;
    ensure!(server.lied.load(Ordering::SeqCst) > 0, "no page was changed: {}", ran.brief());
    stands!(ran.is_done() && !ran.is_ok(), "some items are missed and told: {}", ran.brief());
    let letters = |a: &mut Arena| -> anyhow::Result<usize> {
        let listed = a.strongroom_ok(&["ls", "latest", "/mail", "-R"])?;
        Ok(listed.out.lines().filter(|l| l.contains(".eml")).count())
    };
    let some = letters(a)?;
    on.store(false, Ordering::SeqCst);
    let ran = backup(a)?;
    stands!(ran.is_ok(), "the honest backup after it: {}", ran.brief());
    let all = letters(a)?;
    stands!(some > 0 && some < all, "{some} of {all} messages came, and then {all}");
    Ok(())
}

fn next_elsewhere(a: &mut Arena) -> anyhow::Result<()> {
    let (elsewhere, visits) = Server::elsewhere()?;
    between(a, move |asked, answer, _| {
        if is_page(asked) && answer.body.starts_with(b"{") {
            for scheme in ["https", "http"] {
                let link = format!("{scheme}://{elsewhere}/v1.0/x");
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                answer.body = text
                    .replacen('{', &format!("{{\"@odata.nextLink\":\"{link}\","), 1)
                    .into_bytes();
            }
        }
        false
    })?;
    let visits = visits.load(Ordering::SeqCst);
    stands!(visits == 0, "{visits} connections to the host that a page named");
    Ok(())
}

fn download_elsewhere(a: &mut Arena) -> anyhow::Result<()> {
    let (elsewhere, visits) = Server::elsewhere()?;
    between(a, move |asked, answer, _| {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if is_page(asked) && text.contains("downloadUrl") {
            let mut out = String::new();
            for (n, part) in text.split("downloadUrl\":\"").enumerate() {
                if n > 0 {
                    let host = [
                        format!("http://{elsewhere}/"),
                        "http://169.254.169.254/".into(),
                        format!("https://{elsewhere}/"),
                        "file:///etc/passwd".into(),
                    ];
                    out.push_str(&format!("downloadUrl\":\"{}", host[n % 4]));
                    out.push_str(part.split_once('"').map_or("\"", |(_, rest)| rest));
                    continue;
                }
                out.push_str(part);
            }
            answer.body = out.into_bytes();
        } else if asked.path().ends_with("/content") {
            answer.status = 302;
            answer.head = format!("Location: http://{elsewhere}/x\r\n");
            answer.body.clear();
        }
        false
    })?;
    let visits = visits.load(Ordering::SeqCst);
    stands!(visits == 0, "{visits} connections to addresses that a page named for a download");
    Ok(())
}

fn redirects(a: &mut Arena) -> anyhow::Result<()> {
    let (elsewhere, visits) = Server::elsewhere()?;
    between(a, move |asked, answer, _| {
        if is_page(asked) || asked.target.contains("/token") {
            answer.status = [301, 302, 303, 307, 308][asked.target.len() % 5];
            answer.head = format!("Location: https://{elsewhere}/x\r\n");
            answer.body.clear();
        }
        false
    })?;
    let visits = visits.load(Ordering::SeqCst);
    stands!(visits == 0, "{visits} connections to where a redirect led");
    Ok(())
}

fn gzip(a: &mut Arena) -> anyhow::Result<()> {
    let out = std::process::Command::new("sh")
        .args(["-c", "head -c 1000000000 /dev/zero | gzip -9"])
        .output()?;
    let bomb = out.stdout;
    between(a, move |asked, answer, _| {
        if is_page(asked) {
            answer.head = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n".into();
            answer.body.clone_from(&bomb);
        }
        false
    })
}

/// Files of these names, and a restore of them.
fn names(a: &mut Arena, all: &'static [&'static str]) -> anyhow::Result<()> {
    let n = std::sync::atomic::AtomicUsize::new(0);
    let server = stand_between(a, move |asked, answer, _| {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if asked.method == "GET" && !is_content(asked) && text.contains("\"file\":") {
            let mut out = String::new();
            for (at, part) in text.split("\"name\":\"").enumerate() {
                if at > 0 {
                    let name = all[n.fetch_add(1, Ordering::SeqCst) % all.len()];
                    out.push_str(&format!("\"name\":\"{name}{}\"", ".txt"));
                    out.push_str(part.split_once('"').map_or("", |(_, rest)| rest));
                } else {
                    out.push_str(part);
                }
            }
            answer.body = out.into_bytes();
        }
        false
    })?;
    let _ = std::fs::remove_dir_all(a.path("copy2-0"));
    let _ = std::fs::remove_dir_all(a.path("cache"));
    a.strongroom_ok(&["init", "--no-recovery"])?;
    let ran = backup(a)?;
    ensure!(server.lied.load(Ordering::SeqCst) > 0, "no file was named: {}", ran.brief());
    let before = tree(a.dir()).len();
    let target = a.arg("restored");
    for args in [
        &["ls", "latest", "/", "-R"][..],
        &["find", "txt"],
        &["restore", "--target", &target],
        &["snapshots"],
        &["diff", "latest", "latest"],
    ] {
        let mut command = a.command(0, args);
        let ran = a.run(&mut command, Duration::from_secs(60))?;
        stands!(ran.is_orderly(), "{args:?}: {}", ran.brief());
        let raw = super::copy2_msp::raw_char(&format!("{}{}", ran.out, ran.err));
        stands!(raw.is_none(), "{args:?} shows {raw:?} raw");
        stands!(!ran.out.lines().any(|l| l.starts_with("ALARM x")), "a file's name wrote a line");
    }
    let outside = tree(a.dir()).len() - tree(&a.path("restored")).len() - before;
    let escaped = std::path::Path::new("/tmp/escaped-graph.txt").exists();
    stands!(outside < 4 && !escaped, "{outside} files were written outside of the target");
    Ok(())
}

fn all_gone(a: &mut Arena) -> anyhow::Result<()> {
    let before = a.names("snapshots");
    let on = Arc::new(AtomicBool::new(true));
    let lies = on.clone();
    let _server = stand_between(a, move |asked, answer, _| {
        if lies.load(Ordering::SeqCst) && is_page(asked) {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            if let Some(end) = text.find("@odata.deltaLink") {
                answer.body = format!("{{\"value\":[],\"{}", &text[end..]).into_bytes();
            } else if text.contains("\"value\"") {
                answer.body = b"{\"value\":[]}".to_vec();
            }
        }
        false
    })?;
    let ran = backup(a)?;
    stands!(!ran.is_ok(), "exit 0 though nobody and nothing is there: {}", ran.brief());
    let after = a.names("snapshots");
    stands!(before.iter().all(|n| after.contains(n)), "a snapshot is gone");
    Ok(())
}
