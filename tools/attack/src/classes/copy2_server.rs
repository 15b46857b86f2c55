use super::{listed, new};
use crate::{
    arena::Arena,
    case::{Class, stands},
    child::Ran,
    hostile::{Asked, Lie, Server, Speaks, drip, pour, say},
};
use std::{
    net::TcpStream,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

const ENDS: &str = "the pull ends in time and memory, the other school is pulled, it is told";
const BESIDE: &str = "the honest snapshot is published all the same";

pub(super) const CLASS: Class = Class {
    name: "copy2-server",
    attacker: "answers in place of copy 2's server (REST, S3)",
    cases: &[
        listed("rest-endless", "answers objects without an end", ENDS, |a| {
            both(a, Speaks::Rest, |asked, s| {
                asked.method == "GET" && is_object(asked) && {
                    say(s, ENDLESS);
                    pour(s, &[b'x'; 1 << 20], 600);
                    true
                }
            })
        }),
        listed("rest-8-gib", "announces 8 GiB for each object", ENDS, |a| {
            both(a, Speaks::Rest, |asked, s| {
                is_object(asked) && {
                    say(s, "HTTP/1.1 200 OK\r\nContent-Length: 8589934592\r\n\r\n");
                    if asked.method == "GET" {
                        pour(s, &[b'x'; 1 << 20], 600);
                    }
                    true
                }
            })
        }),
        listed("rest-redirect", "redirects to an address within", "nobody comes there", |a| {
            redirected(a, Speaks::Rest)
        }),
        listed("s3-redirect", "redirects to an address within", "nobody comes there", |a| {
            redirected(a, Speaks::S3)
        }),
        listed("s3-endless", "answers objects without an end", ENDS, |a| {
            both(a, Speaks::S3, |asked, s| {
                asked.method == "GET" && is_object(asked) && {
                    say(s, ENDLESS);
                    pour(s, &[b'x'; 1 << 20], 600);
                    true
                }
            })
        }),
        listed("s3-endless-list", "says of each page of a list that another follows", ENDS, |a| {
            both(a, Speaks::S3, |asked, s| {
                is_list(asked, Speaks::S3) && {
                    let token = asked.target.len() + asked.head.len();
                    let xml = format!(
                        "<ListBucketResult><IsTruncated>true</IsTruncated>\
                    <NextContinuationToken>{token}</NextContinuationToken></ListBucketResult>"
                    );
                    ok(s, "application/xml", xml.as_bytes());
                    true
                }
            })
        }),
        new("s3-entity-bomb", "answers lists with a billion laughs", ENDS, |a| {
            both(a, Speaks::S3, |asked, s| {
                is_list(asked, Speaks::S3) && {
                    let mut xml =
                        String::from("<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a0 \"ha\">");
                    for n in 1..12 {
                        let of = format!("&a{};", n - 1).repeat(10);
                        xml.push_str(&format!("<!ENTITY a{n} \"{of}\">"));
                    }
                    xml.push_str("]><ListBucketResult><Name>&a11;</Name></ListBucketResult>");
                    ok(s, "application/xml", xml.as_bytes());
                    true
                }
            })
        }),
        new(
            "s3-external-entity",
            "names a file of the host in an entity",
            "it does not come back",
            external_entity,
        ),
        new("s3-deep-xml", "nests 200,000 elements in a list", ENDS, |a| {
            both(a, Speaks::S3, |asked, s| {
                is_list(asked, Speaks::S3) && {
                    ok(s, "application/xml", "<a>".repeat(200_000).as_bytes());
                    true
                }
            })
        }),
        new("s3-error-bodies", "refuses with bodies of 300 MiB", ENDS, |a| {
            both(a, Speaks::S3, |_, s| {
                say(s, "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n");
                pour(s, &[b'<'; 1 << 20], 300);
                true
            })
        }),
        new("rest-error-bodies", "refuses with bodies of 300 MiB", ENDS, |a| {
            both(a, Speaks::Rest, |_, s| {
                say(s, "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n");
                pour(s, &[b'<'; 1 << 20], 300);
                true
            })
        }),
        new("rest-gzip-bomb", "packs a list 1,000 times (Content-Encoding)", ENDS, |a| {
            let bomb = gzip_of_zeros(a)?;
            both(a, Speaks::Rest, move |asked, s| {
                is_list(asked, Speaks::Rest) && {
                    say(
                        s,
                        &format!(
                            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: \
                    {}\r\n\r\n",
                            bomb.len()
                        ),
                    );
                    pour(s, &bomb, 64);
                    true
                }
            })
        }),
        new("rest-deep-json", "nests 5 million brackets in a list", ENDS, |a| {
            both(a, Speaks::Rest, |asked, s| {
                is_list(asked, Speaks::Rest) && {
                    ok(s, LIST_V2, "[".repeat(5_000_000).as_bytes());
                    true
                }
            })
        }),
        new(
            "rest-list-lies",
            "lists names with dots, slashes, escapes, sizes beyond 2^64",
            ENDS,
            |a| {
                both(a, Speaks::Rest, |asked, s| {
                    is_list(asked, Speaks::Rest) && {
                        let name = "a".repeat(64);
                        let rows = format!(
                            "[{{\"name\":\"../../config\",\"size\":1}},{{\"name\":\"{name}\",\
                    \"size\":99999999999999999999}},{{\"name\":\"\\u001b[2J\",\"size\":-1}},\
                    {{\"name\":null,\"size\":null}},{{}},{{\"name\":\"{name}\",\"size\":1e400}}]"
                        );
                        ok(s, LIST_V2, rows.as_bytes());
                        true
                    }
                })
            },
        ),
        new("rest-long-list", "lists 3 million names of manifests", ENDS, |a| {
            both(a, Speaks::Rest, |asked, s| {
                asked.path().contains("-manifests/data") && {
                    say(
                        s,
                        &format!(
                            "HTTP/1.1 200 OK\r\nContent-Type: {LIST_V2}\r\nConnection: \
                    close\r\n\r\n["
                        ),
                    );
                    for n in 0..3_000_000_u32 {
                        if n % 1000 == 0 && s.write_list(n).is_err() {
                            return true;
                        }
                    }
                    say(s, "{}]");
                    true
                }
            })
        }),
        new("rest-html", "answers with a page to sign in and status 200", ENDS, |a| {
            both(a, Speaks::Rest, |_, s| {
                ok(s, "text/html", b"<html><body>Please sign in</body></html>");
                true
            })
        }),
        new("rest-empty", "answers everything with 200 and nothing", ENDS, |a| {
            both(a, Speaks::Rest, |_, s| {
                ok(s, "application/octet-stream", b"");
                true
            })
        }),
        new("rest-short", "ends each object in its middle", ENDS, |a| {
            both(a, Speaks::Rest, |asked, s| {
                asked.method == "GET" && is_object(asked) && {
                    say(s, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nhalf of it");
                    true
                }
            })
        }),
        new("rest-head-flood", "sends heads of answers without an end", ENDS, |a| {
            both(a, Speaks::Rest, |_, s| {
                say(s, "HTTP/1.1 200 OK\r\n");
                pour(s, b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 300);
                true
            })
        }),
        new("rest-informational", "sends 1xx answers without an end", ENDS, |a| {
            both(a, Speaks::Rest, |_, s| {
                for _ in 0..2_000_000 {
                    if std::io::Write::write_all(s, b"HTTP/1.1 103 Early Hints\r\n\r\n").is_err() {
                        break;
                    }
                }
                true
            })
        }),
        new("rest-not-http", "answers with bytes that are no HTTP", ENDS, |a| {
            both(a, Speaks::Rest, |_, s| {
                pour(s, &[0xff; 4096], 1);
                true
            })
        }),
        new(
            "rest-wrong-range",
            "answers ranges with other bytes, and wholes with a part",
            ENDS,
            |a| {
                both(a, Speaks::Rest, |asked, s| {
                    asked.method == "GET" && is_object(asked) && {
                        say(
                            s,
                            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/4\r\n\
                    Content-Length: 4\r\n\r\nwhat",
                        );
                        true
                    }
                })
            },
        ),
        new("rest-cookies", "sets cookies and asks to sign in by other means", ENDS, |a| {
            both(a, Speaks::Rest, |_, s| {
                say(
                    s,
                    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\n\
                    WWW-Authenticate: NTLM\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n",
                );
                true
            })
        }),
        new(
            "rest-error-text",
            "refuses with a text of escapes, bidi and forged lines",
            "no output holds it raw",
            error_text,
        ),
        new("rest-busy-for-ever", "answers 503 with Retry-After of a year", ENDS, |a| {
            both(a, Speaks::Rest, |_, s| {
                say(s, "HTTP/1.1 503 Busy\r\nRetry-After: 31536000\r\nContent-Length: 0\r\n\r\n");
                true
            })
        }),
        listed("rest-drip-one", "drips one manifest that nobody needs", BESIDE, |a| {
            one_bad(a, Speaks::Rest)
        }),
        listed("s3-drip-one", "drips one manifest that nobody needs", BESIDE, |a| {
            one_bad(a, Speaks::S3)
        }),
        new("rest-junk-among", "lists 200 manifests that are junk of 1 MiB", BESIDE, junk_among),
    ],
};

const ENDLESS: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
const LIST_V2: &str = "application/vnd.x.restic.rest.v2";

/// Pieces of a long list.
trait WriteList {
    fn write_list(&mut self, from: u32) -> std::io::Result<()>;
}

impl WriteList for TcpStream {
    fn write_list(&mut self, from: u32) -> std::io::Result<()> {
        let rows: String =
            (from..from + 1000).map(|n| format!("{{\"name\":\"{n:064x}\",\"size\":9}},")).collect();
        std::io::Write::write_all(self, rows.as_bytes())
    }
}

fn ok(s: &mut TcpStream, kind: &str, body: &[u8]) {
    say(
        s,
        &format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: \
         close\r\n\r\n",
            body.len()
        ),
    );
    let _ = std::io::Write::write_all(s, body);
}

fn is_object(asked: &Asked) -> bool {
    asked.path().rsplit('/').next().is_some_and(|n| n.len() == 64)
}

fn is_list(asked: &Asked, speaks: Speaks) -> bool {
    let last = asked.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let kinds = ["data", "index", "keys", "locks", "snapshots", "manifests"];
    asked.method == "GET"
        && match speaks {
            Speaks::Rest => kinds.contains(&last),
            Speaks::S3 => asked.target.contains("list-type"),
        }
}

/// Lets the vault pull the school from a server that lies.
fn point_at(a: &Arena, speaks: Speaks, server: &Server) -> anyhow::Result<()> {
    let file = "vault/school0/repo.toml";
    let text = a.read(file)?;
    let before = text.split("[source]").next().unwrap_or_default().to_owned();
    a.write("source.secret", "of-the-source")?;
    let secret = a.arg("source.secret");
    let source = match speaks {
        Speaks::Rest => format!(
            "[source]\nkind = \"rest\"\nurl = \"http://{}/copy2/\"\nuser = \"read\"\ntoken_file = \
             \"{secret}\"\n",
            server.address
        ),
        Speaks::S3 => format!(
            "[source]\nkind = \"s3\"\nendpoint = \"http://{}/\"\nbucket = \"b\"\naccess_key_id = \
             \"read\"\nsecret_file = \"{secret}\"\n",
            server.address
        ),
    };
    let rest: String = text
        .split("[source]")
        .nth(1)
        .and_then(|t| t.find("\n[").map(|at| t[at..].to_owned()))
        .unwrap_or_default();
    a.write(file, format!("{before}{source}{rest}"))?;
    Ok(())
}

const LIMIT: Duration = Duration::from_secs(120);

fn pull(a: &mut Arena) -> anyhow::Result<Ran> {
    let mut command = a.vault_command(&["pull", "school0"]);
    let ran = a.run(&mut command, LIMIT)?;
    stands!(!ran.hung, "the pull had not ended after {LIMIT:.0?}");
    stands!(ran.peak_kib < 500 << 10, "the pull took {} KiB", ran.peak_kib);
    stands!(ran.is_orderly(), "the pull: {}", ran.brief());
    Ok(ran)
}

/// An honest pull from an honest server first; then the lie.
fn both(
    a: &mut Arena,
    speaks: Speaks,
    lie: impl Fn(&Asked, &mut TcpStream) -> bool + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let lies = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let on = lies.clone();
    let lie: Arc<Lie> = Arc::new(move |asked, s| on.load(Ordering::SeqCst) && lie(asked, s));
    let server = Server::start(speaks, &a.path("copy2-0"), lie)?;
    point_at(a, speaks, &server)?;
    let ran = pull(a)?;
    anyhow::ensure!(ran.is_ok(), "an honest server: {}", ran.brief());
    let ran = a.backup()?;
    anyhow::ensure!(ran.is_done(), "backup: {}", ran.brief());
    lies.store(true, Ordering::SeqCst);
    let ran = pull(a)?;
    let told = ran.code != Some(0) || !a.alarms(0).is_empty();
    stands!(told, "nobody is told: {}", ran.brief());
    let mut other = a.vault_command(&["pull", "school1"]);
    let ran = a.run(&mut other, Duration::from_secs(20))?;
    stands!(ran.is_done(), "the other school's pull: {}", ran.brief());
    lies.store(false, Ordering::SeqCst);
    let ran = pull(a)?;
    let sessions = a.sessions()?.as_array().map_or(0, Vec::len);
    stands!(sessions == 2, "when all is well again it is not published: {}", ran.brief());
    Ok(())
}

fn redirected(a: &mut Arena, speaks: Speaks) -> anyhow::Result<()> {
    let (elsewhere, visits) = Server::elsewhere()?;
    both(a, speaks, move |asked, s| {
        let status = ["301 Moved", "302 Found", "307 Again", "308 For good", "303 Other"];
        let status = status[asked.target.len() % status.len()];
        say(
            s,
            &format!(
                "HTTP/1.1 {status}\r\nLocation: http://{elsewhere}/x\r\nx-amz-bucket-region: \
            eu-west-1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            ),
        );
        true
    })?;
    let visits = visits.load(Ordering::SeqCst);
    stands!(visits == 0, "{visits} requests went where a redirect led");
    Ok(())
}

fn external_entity(a: &mut Arena) -> anyhow::Result<()> {
    let file = a.write("of-the-host", "OF-THE-HOST")?;
    let url = format!("file://{}", file.display());
    both(a, Speaks::S3, move |_, s| {
        let xml = format!(
            "<?xml version=\"1.0\"?><!DOCTYPE e [<!ENTITY x SYSTEM \"{url}\">]><Error>\
            <Code>&x;</Code><Message>&x;</Message></Error>"
        );
        say(
            s,
            &format!(
                "HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\nConnection: \
            close\r\n\r\n{xml}",
                xml.len()
            ),
        );
        true
    })?;
    let told = a.read("vault/school0/alarms.jsonl").unwrap_or_default();
    stands!(!told.contains("OF-THE-HOST"), "a file of the host came into an alarm");
    Ok(())
}

fn gzip_of_zeros(a: &Arena) -> anyhow::Result<Vec<u8>> {
    let out = std::process::Command::new("sh")
        .args(["-c", "head -c 1000000000 /dev/zero | gzip -9"])
        .current_dir(a.dir())
        .output()?;
    Ok(out.stdout)
}

fn error_text(a: &mut Arena) -> anyhow::Result<()> {
    both(a, Speaks::Rest, |_, s| {
        let text = "\u{1b}[2J\u{1b}[31m\u{202e}\u{9b}x\r\nALARM all is well\r\n";
        say(
            s,
            &format!(
                "HTTP/1.1 403 \u{1b}[2J\r\nContent-Length: {}\r\nConnection: \
            close\r\n\r\n{text}",
                text.len()
            ),
        );
        true
    })?;
    let mut command = a.stage.program("strongroom-vault", a.dir());
    command.args(["--dir", "vault", "status"]);
    let ran = a.run(&mut command, Duration::from_secs(20))?;
    let all = format!(
        "{}{}{}",
        ran.out,
        ran.err,
        a.read("vault/school0/alarms.jsonl").unwrap_or_default()
    );
    let raw = all.chars().find(|c| *c != '\n' && c.is_control() || *c == '\u{202e}');
    stands!(raw.is_none(), "{raw:?} of a server's text stands raw in the output");
    stands!(!all.lines().any(|l| l.starts_with("ALARM all is well")), "a server wrote a line");
    Ok(())
}

/// One more manifest in the list, which comes a byte at a time.
fn one_bad(a: &mut Arena, speaks: Speaks) -> anyhow::Result<()> {
    let bad = "b".repeat(64);
    a.write(&format!("copy2-0/manifests/{bad}"), vec![b'x'; 5000])?;
    let ran = a.backup()?;
    anyhow::ensure!(ran.is_done(), "backup: {}", ran.brief());
    let lie: Arc<Lie> = Arc::new(move |asked, s| {
        asked.method == "GET" && asked.path().ends_with(&bad) && {
            say(s, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
            drip(s, 300);
            true
        }
    });
    let server = Server::start(speaks, &a.path("copy2-0"), lie)?;
    point_at(a, speaks, &server)?;
    let mut command = a.vault_command(&["pull", "school0"]);
    let ran = a.run(&mut command, Duration::from_secs(180))?;
    let sessions = a.sessions()?.as_array().map_or(0, Vec::len);
    stands!(sessions == 2, "after {:.0?} it is not published: {}", ran.took, ran.brief());
    Ok(())
}

fn junk_among(a: &mut Arena) -> anyhow::Result<()> {
    for n in 0..200_u32 {
        let mut bytes = vec![b' '; 1 << 20];
        bytes[..4].copy_from_slice(&n.to_le_bytes());
        a.write(&format!("copy2-0/manifests/{n:064x}"), bytes)?;
    }
    let ran = a.backup()?;
    anyhow::ensure!(ran.is_done(), "backup: {}", ran.brief());
    let server = Server::start(Speaks::Rest, &a.path("copy2-0"), Arc::new(|_, _| false))?;
    point_at(a, Speaks::Rest, &server)?;
    let first = pull(a)?;
    let sessions = a.sessions()?.as_array().map_or(0, Vec::len);
    stands!(sessions == 2, "it is not published: {}", first.brief());
    let before = server.asked.load(Ordering::SeqCst);
    let second = pull(a)?;
    let again = server.asked.load(Ordering::SeqCst) - before;
    stands!(again < 100, "the second pull asks {again} times, for the same junk");
    stands!(second.took < Duration::from_secs(10), "the second pull took {:.1?}", second.took);
    Ok(())
}
