//! One `ssh` and what goes through its pipes: requests by number, many of them at a time.

use super::{
    SftpSettings,
    wire::{self, Reply, Request},
};
use crate::bounds;
use bytes::Bytes;
use std::{
    collections::HashMap,
    io::{Read, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

/// For a connection to stand.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(60);
/// For a server to say nothing at all while something is asked of it.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// For one piece of work, and so much more as its bytes need at
/// [`bounds::UPLOAD_BYTES_PER_S_MIN`].
const WORK_TIME_MAX: Duration = Duration::from_secs(600);
/// Of what `ssh` and the server say before an end.
const STDERR_BYTES_MAX: usize = 4096;

/// Why something did not come about.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The connection is gone; another may do.
    Lost(String),
    /// No connection, and none by trying again.
    Refused(String),
    /// About what was asked.
    Store(crate::StoreError),
}

impl From<crate::StoreError> for Trouble {
    fn from(e: crate::StoreError) -> Self {
        Self::Store(e)
    }
}

/// What the server can beyond version 3.
#[derive(Debug, Default)]
pub(super) struct Can {
    pub(super) fsync: bool,
    pub(super) hardlink: bool,
    pub(super) posix_rename: bool,
}

#[derive(Default)]
struct Waiting {
    asked: HashMap<u32, Sender<Option<(u32, Reply)>>>,
    heard: Option<Instant>,
    over: Option<Over>,
}

/// Why nothing can be asked any more.
#[derive(Clone)]
struct Over {
    why: String,
    /// What broke the protocol does so again.
    is_final: bool,
}

impl Over {
    fn trouble(&self) -> Trouble {
        let why = self.why.clone();
        if self.is_final { Trouble::Refused(why) } else { Trouble::Lost(why) }
    }
}

type Shared = Arc<Mutex<Waiting>>;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) struct Connection {
    child: Mutex<Child>,
    out: Sender<Vec<u8>>,
    waiting: Shared,
    next: AtomicU32,
    pub(super) can: Can,
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut child = locked(&self.child);
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A file's name as a value of ssh's options.
fn quoted(path: &Path) -> Result<String, Trouble> {
    let text = path.to_str().filter(|t| !t.contains(['"', '\\']) && !t.contains(char::is_control));
    let text = text.ok_or_else(|| {
        Trouble::Refused(format!("ssh cannot be told the file name {}", path.display()))
    })?;
    Ok(format!("\"{}\"", text.replace('%', "%%")))
}

fn command(settings: &SftpSettings) -> Result<Command, Trouble> {
    let (program, first) = match settings.ssh_command.split_first() {
        Some((program, rest)) => (program.as_str(), rest),
        None => ("ssh", &[][..]),
    };
    let mut command = Command::new(program);
    command.args(first);
    // The first value of an option counts: what a configuration of ssh says later does not.
    for option in [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "GlobalKnownHostsFile=/dev/null",
        "UpdateHostKeys=no",
        "VerifyHostKeyDNS=no",
        // Older ones do not know the option that follows.
        "IgnoreUnknown=KnownHostsCommand",
        "KnownHostsCommand=none",
        "NoHostAuthenticationForLocalhost=no",
        // A connection that somebody else keeps open was not proven against the file.
        "ControlMaster=no",
        "ControlPath=none",
        "ClearAllForwardings=yes",
        "ForwardAgent=no",
        "ForwardX11=no",
        "Tunnel=no",
        "PermitLocalCommand=no",
        "RequestTTY=no",
        "ConnectTimeout=20",
        "ServerAliveInterval=15",
        "ServerAliveCountMax=3",
    ] {
        command.args(["-o", option]);
    }
    let known = quoted(&settings.known_hosts_file)?;
    command.args(["-o", &format!("UserKnownHostsFile={known}")]);
    if let Some(file) = &settings.identity_file {
        let file = quoted(file)?;
        command.args(["-o", &format!("IdentityFile={file}"), "-o", "IdentitiesOnly=yes"]);
    }
    if let Some(port) = settings.port {
        command.args(["-p", &port.to_string()]);
    }
    if let Some(user) = &settings.user {
        command.args(["-l", user]);
    }
    command.args(["-s", "--", &settings.host, "sftp"]);
    command.env("SSH_ASKPASS_REQUIRE", "never");
    // A key that is pressed at a terminal ends this program, which then ends its connection.
    command.process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

/// What it means that `ssh` ended before anything was said.
fn ended(said: &str, settings: &SftpSettings) -> Trouble {
    let known = settings.known_hosts_file.display();
    let last = said.lines().map(str::trim).rfind(|l| !l.is_empty()).unwrap_or_default();
    let last = wire::words(last.as_bytes());
    if said.contains("IDENTIFICATION HAS CHANGED") {
        return Trouble::Refused(format!(
            "the server shows another host key than the one in {known}: it was set up anew, or \
             somebody stands in its place; nothing was sent to it"
        ));
    }
    if said.contains("Host key verification failed") || said.contains("host key is known for") {
        return Trouble::Refused(format!(
            "the server's host key is not in {known}; add it there (ssh-keyscan shows it) once its \
             owner has read you the same fingerprint"
        ));
    }
    if said.contains("Permission denied") || said.contains("Too many authentication failures") {
        return Trouble::Refused(format!(
            "the server lets nobody in with the keys that were offered, and nobody is asked for a \
             password ({last})"
        ));
    }
    if said.contains("subsystem request failed") {
        return Trouble::Refused("the server offers no SFTP".to_owned());
    }
    match last.is_empty() {
        true => Trouble::Lost("the connection ended".to_owned()),
        false => Trouble::Lost(format!("the connection ended: {last}")),
    }
}

/// A packet; an error says what came instead.
fn packet(from: &mut impl Read) -> Result<Bytes, String> {
    let mut length = [0; 4];
    from.read_exact(&mut length).map_err(|_| String::new())?;
    let length = u32::from_be_bytes(length) as usize;
    if !(5..=wire::PACKET_BYTES_MAX).contains(&length) {
        return Err(format!(
            "what it sends is no SFTP (a packet of {length} bytes); a login script that prints \
             something does that"
        ));
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).map_err(|_| String::new())?;
    Ok(bytes.into())
}

fn listen(mut from: ChildStdout, waiting: &Shared, first: &Sender<Option<Vec<String>>>) -> String {
    match packet(&mut from).map(wire::version) {
        Ok(Some(extensions)) => {
            let _ = first.send(Some(extensions));
        }
        Ok(None) => return "it does not speak version 3 of SFTP".to_owned(),
        Err(why) => return why,
    }
    loop {
        let (id, reply) = match packet(&mut from).map(wire::reply) {
            Ok(Some(answer)) => answer,
            Ok(None) => return "it answers with what is no answer of SFTP".to_owned(),
            Err(why) => return why,
        };
        let mut waiting = locked(waiting);
        waiting.heard = Some(Instant::now());
        let Some(whose) = waiting.asked.remove(&id) else {
            return "it answers what nobody asked".to_owned();
        };
        // Whoever asked may have heard enough.
        let _ = whose.send(Some((id, reply)));
    }
}

fn write(mut to: ChildStdin, packets: &Receiver<Vec<u8>>) {
    while let Ok(packet) = packets.recv() {
        if to.write_all(&packet).is_err() {
            // Whoever listens notices, and says why.
            return;
        }
    }
}

/// Keeps the last of what is said, and tells its end.
fn overhear(mut from: impl Read, said: &Mutex<Vec<u8>>, end: &Sender<()>) {
    let mut part = [0; 1024];
    while let Ok(n @ 1..) = from.read(&mut part) {
        let mut said = locked(said);
        said.extend_from_slice(&part[..n]);
        let excess = said.len().saturating_sub(STDERR_BYTES_MAX);
        said.drain(..excess);
    }
    let _ = end.send(());
}

impl Connection {
    /// Starts `ssh` and says hello.
    pub(super) fn open(settings: &SftpSettings) -> Result<Self, Trouble> {
        let mut command = command(settings)?;
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .spawn()
            .map_err(|e| Trouble::Refused(format!("{program} does not start: {e}")))?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Trouble::Refused(format!("{program} has no pipes")));
        };
        let waiting = Shared::default();
        let (out, packets) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let (tell_end, told_end) = mpsc::channel();
        std::thread::spawn(move || write(stdin, &packets));
        let said = Arc::new(Mutex::new(Vec::new()));
        let (shared, kept) = (waiting.clone(), said.clone());
        let (tell_silence, silence) = mpsc::channel();
        std::thread::spawn(move || overhear(stderr, &kept, &tell_silence));
        std::thread::spawn(move || {
            let why = listen(stdout, &shared, &tell);
            let kept = match why.is_empty() {
                true => {
                    // What ssh started may live longer, and hold its standard error open.
                    let _ = silence.recv_timeout(Duration::from_secs(2));
                    String::from_utf8_lossy(&locked(&said)).into_owned()
                }
                false => why.clone(),
            };
            let mut waiting = locked(&shared);
            waiting.over.get_or_insert_with(|| Over {
                why: match kept.lines().rfind(|l| !l.trim().is_empty()) {
                    None => "the connection ended".to_owned(),
                    Some(said) => {
                        format!("the connection ended: {}", wire::words(said.as_bytes()))
                    }
                },
                is_final: !why.is_empty(),
            });
            // Whoever waits hears that nothing comes.
            for (_, whose) in waiting.asked.drain() {
                let _ = whose.send(None);
            }
            drop(waiting);
            let _ = tell_end.send((why, kept));
        });
        let mut connection = Self {
            child: Mutex::new(child),
            out,
            waiting,
            next: AtomicU32::new(0),
            can: Can::default(),
        };
        let _ = connection.out.send(Request::init());
        match told.recv_timeout(CONNECT_TIME_MAX) {
            Ok(Some(names)) => {
                let has = |name: &str| names.iter().any(|n| n == name);
                connection.can = Can {
                    fsync: has("fsync@openssh.com"),
                    hardlink: has("hardlink@openssh.com"),
                    posix_rename: has("posix-rename@openssh.com"),
                };
                Ok(connection)
            }
            Ok(None) | Err(RecvTimeoutError::Disconnected) => {
                match told_end.recv_timeout(Duration::from_secs(5)) {
                    Ok((why, said)) if why.is_empty() => Err(ended(&said, settings)),
                    Ok((why, _)) => Err(Trouble::Refused(why)),
                    Err(_) => Err(Trouble::Lost("the connection ended".to_owned())),
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                Err(Trouble::Lost(format!("no answer in {} s", CONNECT_TIME_MAX.as_secs())))
            }
        }
    }

    /// Ends it: what waits for an answer gets none.
    fn give_up(&self, why: String) -> Trouble {
        let over = Over { why: why.clone(), is_final: false };
        locked(&self.waiting).over.get_or_insert(over);
        let _ = locked(&self.child).kill();
        Trouble::Lost(why)
    }

    /// Whether nothing can be asked any more.
    pub(super) fn is_over(&self) -> bool {
        locked(&self.waiting).over.is_some()
    }

    /// For requests that are in flight together.
    pub(super) fn flight(&self) -> Flight<'_> {
        let (tell, told) = mpsc::channel();
        Flight { connection: self, tell, told, asked: 0, bytes: 0, began: Instant::now() }
    }

    /// Asks one thing.
    pub(super) fn ask(&self, request: Request) -> Result<Reply, Trouble> {
        let mut flight = self.flight();
        flight.ask(request)?;
        Ok(flight.next()?.1)
    }

    /// Asks several things at once; the answers come in the same order.
    pub(super) fn ask_all(&self, requests: Vec<Request>) -> Result<Vec<Reply>, Trouble> {
        let mut flight = self.flight();
        let ids = requests.into_iter().map(|r| flight.ask(r)).collect::<Result<Vec<_>, _>>()?;
        let mut replies = HashMap::new();
        for _ in &ids {
            let (id, reply) = flight.next()?;
            replies.insert(id, reply);
        }
        let lost = || Trouble::Lost("an answer is missing".to_owned());
        ids.iter().map(|id| replies.remove(id).ok_or_else(lost)).collect()
    }

    /// Asks for what nobody waits for.
    pub(super) fn tell(&self, request: Request) {
        let _ = self.flight().ask(request);
    }
}

/// Requests of one piece of work.
pub(super) struct Flight<'c> {
    connection: &'c Connection,
    tell: Sender<Option<(u32, Reply)>>,
    told: Receiver<Option<(u32, Reply)>>,
    /// How many wait for their answer.
    pub(super) asked: usize,
    bytes: u64,
    began: Instant,
}

impl Flight<'_> {
    /// Sends it; answers its number.
    pub(super) fn ask(&mut self, request: Request) -> Result<u32, Trouble> {
        let id = self.connection.next.fetch_add(1, Ordering::Relaxed);
        let packet = request.numbered(id);
        self.bytes += packet.len() as u64;
        let mut waiting = locked(&self.connection.waiting);
        if let Some(over) = &waiting.over {
            return Err(over.trouble());
        }
        if waiting.asked.is_empty() {
            // It had nothing to say until now.
            waiting.heard = Some(Instant::now());
        }
        waiting.asked.insert(id, self.tell.clone());
        drop(waiting);
        self.asked += 1;
        let _ = self.connection.out.send(packet);
        Ok(id)
    }

    /// The next answer to one of its requests, whichever comes first.
    pub(super) fn next(&mut self) -> Result<(u32, Reply), Trouble> {
        loop {
            if let Ok(Some((id, reply))) = self.told.recv_timeout(Duration::from_secs(1)) {
                self.asked -= 1;
                if let Reply::Data(bytes) = &reply {
                    self.bytes += bytes.len() as u64;
                }
                return Ok((id, reply));
            }
            let (over, heard) = {
                let waiting = locked(&self.connection.waiting);
                (waiting.over.clone(), waiting.heard)
            };
            if let Some(over) = over {
                return Err(over.trouble());
            }
            let more = Duration::from_secs(self.bytes / bounds::UPLOAD_BYTES_PER_S_MIN);
            if heard.is_none_or(|at| at.elapsed() > SILENCE_MAX)
                || self.began.elapsed() > WORK_TIME_MAX + more
            {
                let why = format!("no answer in {} s", SILENCE_MAX.as_secs());
                return Err(self.connection.give_up(why));
            }
        }
    }

    /// Whether what it reads comes too slowly.
    pub(super) fn is_too_slow(&self, so_far: u64) -> bool {
        bounds::too_slow(so_far, self.began.elapsed())
    }
}
