//! Programs that are started, watched and ended: never waited for without a limit.

use anyhow::{Context, bail};
use serde_json::Value;
use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// What came of a program.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    /// Nothing when it was ended by a signal, or by us as its time was over.
    pub(crate) code: Option<i32>,
    /// By which signal.
    pub(crate) signal: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) took: Duration,
    /// Most memory that it held at once.
    pub(crate) peak_kib: u64,
    /// Time of a processor that it used, by and large.
    pub(crate) worked: Duration,
    /// It had not ended when its time was over.
    pub(crate) hung: bool,
}

impl Ran {
    pub(crate) fn is_ok(&self) -> bool {
        self.code == Some(0)
    }

    /// Done, with or without alarms, whole or in part.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.code, Some(0 | 3 | 4))
    }

    /// An orderly refusal: an exit code of its own, no panic.
    pub(crate) fn is_orderly(&self) -> bool {
        !self.hung && self.code.is_some() && !self.says("panicked")
    }

    pub(crate) fn says(&self, text: &str) -> bool {
        self.out.contains(text) || self.err.contains(text)
    }

    /// Its answer in JSON: the last line that is some.
    pub(crate) fn json(&self) -> Value {
        let last = self.out.lines().rev().find_map(|l| serde_json::from_str(l).ok());
        last.or_else(|| serde_json::from_str(&self.out).ok()).unwrap_or(Value::Null)
    }

    /// For the words of a case that got through.
    pub(crate) fn brief(&self) -> String {
        let text = format!("{} {}", self.out.trim(), self.err.trim());
        let text: String = text.chars().filter(|c| !c.is_control()).take(300).collect();
        match (self.hung, self.code, self.signal) {
            (true, ..) => format!("it had not ended after {:.0?}: {text}", self.took),
            (_, Some(code), _) => format!("exit {code} after {:.1?}: {text}", self.took),
            (_, None, signal) => format!("signal {signal:?} after {:.1?}: {text}", self.took),
        }
    }
}

/// Peak memory of a process, in KiB.
pub(crate) fn peak_kib(pid: u32) -> Option<u64> {
    field(pid, "VmHWM:")
}

/// Memory of a process at this moment, in KiB.
pub(crate) fn memory_kib(pid: u32) -> Option<u64> {
    field(pid, "VmRSS:")
}

fn field(pid: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn text_of(mut file: File) -> anyhow::Result<String> {
    // Of what never ends the beginning is enough.
    const TEXT_MAX: u64 = 32 << 20;
    file.rewind()?;
    let mut bytes = Vec::new();
    file.take(TEXT_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Runs a program to its end, or for so long.
pub(crate) fn run(command: &mut Command, limit: Duration) -> anyhow::Result<Ran> {
    let (out, err) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(err.try_clone()?);
    let began = Instant::now();
    let mut child =
        command.spawn().with_context(|| format!("{:?} cannot start", command.get_program()))?;
    let (status, peak, worked) = watch(&mut child, began, limit)?;
    let hung = status.is_none();
    if hung {
        child.kill()?;
        child.wait()?;
    }
    use std::os::unix::process::ExitStatusExt;
    Ok(Ran {
        code: status.and_then(|s| s.code()),
        signal: status.and_then(|s| s.signal()),
        out: text_of(out)?,
        err: text_of(err)?,
        took: began.elapsed(),
        peak_kib: peak,
        worked,
        hung,
    })
}

fn watch(
    child: &mut Child,
    began: Instant,
    limit: Duration,
) -> anyhow::Result<(Option<std::process::ExitStatus>, u64, Duration)> {
    let (mut peak, mut worked) = (0, Duration::ZERO);
    loop {
        peak = peak.max(peak_kib(child.id()).unwrap_or(0));
        worked = worked.max(used(child.id()).unwrap_or_default());
        if let Some(status) = child.try_wait()? {
            return Ok((Some(status), peak, worked));
        }
        if began.elapsed() > limit {
            return Ok((None, peak, worked));
        }
        std::thread::sleep(Duration::from_millis(4));
    }
}

/// Time of a processor that a process used until now.
fn used(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything; user and system time are the 12th and 13th after it.
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks = rest.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks: u64 = ticks.collect::<Result<Vec<_>, _>>().ok()?.iter().sum();
    Some(Duration::from_millis(ticks * 10))
}

/// A program that goes on, until it is dropped.
pub(crate) struct Served {
    child: Child,
    /// What it said first, as JSON.
    pub(crate) ready: Value,
}

impl Served {
    /// Starts a program that prints one line of JSON when it is ready; what it says besides goes
    /// into a file.
    pub(crate) fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(log)?);
        let mut child = command.spawn().context("a server cannot start")?;
        let out = child.stdout.take().context("no output")?;
        let mut line = String::new();
        let mut reader = BufReader::new(out);
        reader.read_line(&mut line)?;
        let Ok(ready) = serde_json::from_str(&line) else {
            child.kill()?;
            child.wait()?;
            bail!("a server said {line:?} and {}", std::fs::read_to_string(log)?);
        };
        // What it prints later must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        Ok(Self { child, ready })
    }

    /// Starts a program that says nothing, and waits until it listens.
    pub(crate) fn listening(command: &mut Command, port: u16, log: &Path) -> anyhow::Result<Self> {
        let file = File::create(log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().context("a server cannot start")?;
        let served = Self { child, ready: Value::Null };
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(served);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{:?} does not listen: {}", command.get_program(), std::fs::read_to_string(log)?)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a program is on this machine.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// A port that nobody uses at this moment.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
