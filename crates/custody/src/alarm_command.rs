//! How alarms get out: into `alarms.jsonl` of the school's folder, and to the program that its
//! settings name.
//!
//! That program is somebody else's. It runs in a thread of its own, has ten seconds, is killed then
//! with all that it started, and is not called more often than a person reads; that it fails is
//! told itself. Nothing that it does holds up the work that found the alarm.

use crate::{
    heartbeat::{self, TELL},
    host_time,
};
use jiff::Timestamp;
use std::{
    collections::{HashMap, VecDeque},
    fs::File,
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// For one call of the program.
const CALL: Duration = Duration::from_secs(10);
/// Calls for a school within [`CALLS_PER`]. No more lines wait for it: how many others there are is
/// told along with the first, and `alarms.jsonl` has all.
const CALLS_MAX: usize = 20;
const CALLS_PER: Duration = Duration::from_secs(600);

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmLine {
    /// A short code.
    pub kind: String,
    /// What it is about, where the kind does not say it all.
    pub subject: Option<String>,
    /// How bad it is, where that is known.
    pub severity: Option<&'static str>,
    /// One sentence.
    pub text: String,
}

impl AlarmLine {
    /// One that says nothing but its kind and its sentence.
    pub fn new(kind: &str, text: &str) -> Self {
        let (kind, text) = (kind.to_owned(), text.to_owned());
        Self { kind, subject: None, severity: None, text }
    }
}

/// What waits to be told, by school.
pub struct AlarmDispatcher {
    /// What a name is the name of: a property of each line.
    named: &'static str,
    schools: Mutex<HashMap<String, Waiting>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<String>,
    /// How many were not passed on since the last call.
    left_out: u64,
    called: VecDeque<Instant>,
    at_work: bool,
    /// The program, as the settings named it when they could be read last.
    program: Vec<String>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When something is told is a matter of the host's own time; one that no date can be written for
/// keeps nothing from being told.
fn now() -> Timestamp {
    host_time().unwrap_or(Timestamp::UNIX_EPOCH)
}

fn write_down(dir: &Path, line: &str) {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("alarms.jsonl"));
    if let Err(e) = file.and_then(|mut f| writeln!(f, "{line}")) {
        tracing::error!("{}: the alarm was not written down ({e}): {line}", dir.display());
    }
}

impl AlarmDispatcher {
    /// One whose lines name a school by this property: `repository`, `school`.
    pub fn new(named: &'static str) -> Self {
        Self { named, schools: Mutex::default(), threads: Mutex::default() }
    }

    fn line(&self, name: &str, says: &AlarmLine) -> String {
        let mut line = serde_json::json!({"at": now(), self.named: name, "kind": says.kind,
            "text": crate::plain(&says.text)});
        if let Some(subject) = says.subject.as_ref().filter(|s| !s.is_empty()) {
            line["subject"] = crate::plain(subject).into();
        }
        if let Some(severity) = says.severity {
            line["severity"] = severity.into();
        }
        line.to_string()
    }

    /// Tells alarms of a school, whose folder this is, to the program that its
    /// settings name; where these cannot be read, to the one that they named last. Waits for
    /// nothing, and cannot fail: an alarm that finds no way out stands in the caller's own log.
    pub fn dispatch(
        self: &Arc<Self>,
        dir: &Path,
        name: &str,
        program: Option<Vec<String>>,
        alarms: &[AlarmLine],
    ) {
        if alarms.is_empty() {
            return;
        }
        let lines: Vec<String> = alarms.iter().map(|says| self.line(name, says)).collect();
        lines.iter().for_each(|line| write_down(dir, line));
        self.pass_on(dir, name, program, lines);
    }

    /// Gives lines to the program.
    fn pass_on(
        self: &Arc<Self>,
        dir: &Path,
        name: &str,
        program: Option<Vec<String>>,
        lines: Vec<String>,
    ) {
        let mut schools = locked(&self.schools);
        let waiting = schools.entry(name.to_owned()).or_default();
        if let Some(program) = program {
            waiting.program = program;
        }
        if waiting.program.is_empty() {
            return;
        }
        for line in lines {
            match waiting.lines.len() < CALLS_MAX {
                true => waiting.lines.push_back(line),
                false => waiting.left_out += 1,
            }
        }
        if waiting.at_work {
            return;
        }
        waiting.at_work = true;
        let (bell, dir, school) = (self.clone(), dir.to_owned(), name.to_owned());
        let thread = std::thread::Builder::new().name(format!("alarm {name}"));
        match thread.spawn(move || bell.call(&dir, &school)) {
            Ok(handle) => {
                let mut threads = locked(&self.threads);
                threads.retain(|t| !t.is_finished());
                threads.push(handle);
            }
            Err(e) => {
                waiting.at_work = false;
                tracing::error!("{name}: no thread for the alarm command: {e}");
            }
        }
    }

    /// Says that alarms were not told, for a command that failed at them: when it is well again,
    /// its failure ends.
    pub fn dispatch_again(
        self: &Arc<Self>,
        dir: &Path,
        name: &str,
        program: Option<Vec<String>>,
        since: Timestamp,
    ) {
        let text = format!("alarms since {since:.0} may not have been told; alarms.jsonl has all");
        self.pass_on(
            dir,
            name,
            program,
            vec![self.line(name, &AlarmLine::new("alarms-left-out", &text))],
        );
    }

    /// Waits for calls that are at work: for a command that ends when its work is done.
    pub fn wait_for_calls(&self) {
        let threads = std::mem::take(&mut *locked(&self.threads));
        for thread in threads {
            let _ = thread.join();
        }
    }

    #[allow(clippy::disallowed_methods)] // how often is a matter of real time
    fn next(&self, name: &str) -> Option<(Vec<String>, String)> {
        let mut schools = locked(&self.schools);
        let waiting = schools.get_mut(name)?;
        waiting.called.retain(|at| at.elapsed() < CALLS_PER);
        if waiting.called.len() >= CALLS_MAX {
            waiting.left_out += waiting.lines.len() as u64;
            waiting.lines.clear();
        }
        let Some(line) = waiting.lines.pop_front() else {
            waiting.at_work = false;
            return None;
        };
        waiting.called.push_back(Instant::now());
        let line = match std::mem::take(&mut waiting.left_out) {
            0 => line,
            n => {
                let text = format!("{n} alarms beside it were not passed on; alarms.jsonl has all");
                format!("{line}\n{}", self.line(name, &AlarmLine::new("alarms-left-out", &text)))
            }
        };
        Some((waiting.program.clone(), line))
    }

    fn call(&self, dir: &Path, name: &str) {
        while let Some((program, line)) = self.next(name) {
            let done = run(&program, &line, CALL);
            let failed = done.err().map(|why| (now(), why));
            if let Some((_, why)) = &failed {
                tracing::error!("{name}: {why}");
                write_down(dir, &self.line(name, &AlarmLine::new("alarm-command", why)));
                // The others would fail alike, each for ten seconds.
                if let Some(waiting) = locked(&self.schools).get_mut(name) {
                    waiting.left_out += waiting.lines.len() as u64;
                    waiting.lines.clear();
                }
            }
            let noted = heartbeat::note(dir, TELL, now(), |beat| {
                let now = now();
                beat.began = Some(now);
                if failed.is_none() {
                    beat.done = Some(now);
                }
                beat.failed = failed;
            });
            if let Err(e) = noted {
                tracing::error!("{name}: {e}");
            }
        }
    }
}

/// Calls a program with an alarm that is none, as it is called with one. What it says for people to
/// read goes into a file.
///
/// # Errors
/// It does not start, fails, or does not end in time: why, in one sentence.
pub fn try_out(
    program: &[String],
    named: &'static str,
    name: &str,
    says: &AlarmLine,
    said: &File,
) -> Result<(), String> {
    let into = || said.try_clone().map(Stdio::from).map_err(|e| e.to_string());
    run_into(program, &AlarmDispatcher::new(named).line(name, says), CALL, into()?, into()?)
}

/// Calls the program with a line on its standard input. It has so long.
fn run(program: &[String], line: &str, most: Duration) -> Result<(), String> {
    run_into(program, line, most, Stdio::null(), Stdio::null())
}

#[allow(clippy::disallowed_methods)] // how long is a matter of real time
fn run_into(
    program: &[String],
    line: &str,
    most: Duration,
    out: Stdio,
    err: Stdio,
) -> Result<(), String> {
    let Some((name, args)) = program.split_first() else { return Ok(()) };
    let path = PathBuf::from(name);
    let mut child = Command::new(&path)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(out)
        .stderr(err)
        .process_group(0)
        .spawn()
        .map_err(|e| format!("the alarm command {name} does not start: {e}"))?;
    if let Some(mut input) = child.stdin.take() {
        // Who does not read it has its reasons; how it ends counts.
        let _ = writeln!(input, "{line}");
    }
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("the alarm command {name} failed: {status}")),
            Ok(None) if began.elapsed() < most => std::thread::sleep(Duration::from_millis(20)),
            Ok(None) => {
                kill(&mut child);
                return Err(format!(
                    "the alarm command {name} did not end within {most:.0?}; it was killed"
                ));
            }
            Err(e) => {
                kill(&mut child);
                return Err(format!("the alarm command {name}: {e}"));
            }
        }
    }
}

/// With all that it started.
fn kill(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods)]
    use super::*;

    #[test]
    fn an_alarm_command_has_ten_seconds_with_all_that_it_started() {
        assert_eq!(CALL, Duration::from_secs(10));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pids");
        let text = format!("sleep 600 & echo $$ $! > {}; sleep 600", file.display());
        let program = ["sh", "-c", text.as_str()].map(str::to_owned);
        let began = Instant::now();
        let most = Duration::from_secs(2);
        let why = run(&program, "an alarm", most).unwrap_err();
        assert!(why.contains("within 2s; it was killed"), "{why}");
        let took = began.elapsed();
        assert!(took >= most && took < most + CALL, "{took:?}");
        let pids = std::fs::read_to_string(&file).unwrap();
        let is_there = |pid: &str| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // One that is dead and that nobody asked for yet is dead.
            stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
        };
        let over = Instant::now() + CALL;
        let pids: Vec<&str> = pids.split_whitespace().collect();
        assert_eq!(pids.len(), 2);
        while pids.iter().any(|pid| is_there(pid)) {
            assert!(Instant::now() < over, "what it started runs on");
            std::thread::sleep(Duration::from_millis(20));
        }
        // One that ends has all its time.
        let quick = ["sh", "-c", "cat > /dev/null; sleep 0.2"].map(str::to_owned);
        run(&quick, "an alarm", CALL).unwrap();
    }
}
