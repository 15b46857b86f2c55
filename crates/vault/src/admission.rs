//! Who may stand at the vault's door: before a credential is known everything is bounded in count,
//! bytes and time, and behind it in what one credential may hold at once.
//!
//! Connections together take less than half of the descriptors that the process may open, so that
//! the vault's own work (a pull, its log, an alarm) keeps the others. Where the door is full, who
//! waits there longest without a credential makes room: an honest client is let in whatever the
//! number of those that merely stand there.

use crate::{Refusal, locked};
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// For a TLS handshake, and for the head of a request.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);
/// Most bytes of a request's head.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// A body that stands still for so long is given up.
pub(crate) const STILL: Duration = Duration::from_secs(30);
/// Slower than this, a body or an answer is given up, some seconds aside.
const RATE_BYTES_PER_S_MIN: u64 = 64 * 1024;
/// For what the vault itself does about a request: a seal may renew many locks.
const WORK: Duration = Duration::from_secs(3600);
/// For the last bytes of an answer, and for the next request on the same connection.
const REST: Duration = Duration::from_secs(20);
/// How long a request waits for the others of its credential.
const TURN: Duration = Duration::from_secs(60);
/// Most connections, however many descriptors there are.
const CONNECTIONS_MAX: usize = 1024;
/// Fewer are no server.
const CONNECTIONS_MIN: usize = 16;
/// Closing takes a moment: so many sockets may be on their way out.
const LEAVING_MAX: usize = 16;
/// Requests of one credential at work at once.
const REQUESTS_MAX: usize = 16;
/// Bytes of bodies and answers of one credential in memory at once, in KiB: an object of the
/// largest kind, and some beside it.
const MEMORY_KIB_MAX: u32 = 192 * 1024;

/// How long so many bytes may take.
pub(crate) fn time_for(bytes: u64) -> Duration {
    STILL + Duration::from_secs(bytes / RATE_BYTES_PER_S_MIN)
}

/// Who stands at the door and who is in.
pub(crate) struct Admission {
    connections_max: usize,
    from_one_max: usize,
    sockets: Arc<Semaphore>,
    guests: Mutex<BTreeMap<u64, Arc<Guest>>>,
    next: Mutex<u64>,
    shares: Mutex<HashMap<(String, String), Share>>,
}

/// What one credential may hold at once.
#[derive(Clone)]
struct Share {
    requests: Arc<Semaphore>,
    memory: Arc<Semaphore>,
}

/// A place within a credential's share, until it is dropped.
pub(crate) struct Turn {
    share: Share,
    _request: OwnedSemaphorePermit,
    memory: Vec<OwnedSemaphorePermit>,
    /// Whether its credential is good still.
    good: Option<Box<dyn Fn() -> bool + Send + Sync>>,
}

/// A connection.
pub(crate) struct Guest {
    from: IpAddr,
    /// A request of a known credential is at work: not asked to leave.
    busy: AtomicBool,
    /// It showed a known credential once.
    known: AtomicBool,
    until: Mutex<Instant>,
    leave: Notify,
}

/// A connection's place at the door, until it is dropped.
pub(crate) struct Stay {
    door: Arc<Admission>,
    id: u64,
    pub(crate) guest: Arc<Guest>,
}

/// Neighbours count as one: a host has a whole /64 of IPv6 to itself.
fn household(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        four => four,
    }
}

impl Admission {
    /// For as many connections as the process' descriptors allow.
    pub(crate) fn new() -> Result<Self, Refusal> {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let files = files.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        let room = (files / 2).saturating_sub(LEAVING_MAX).min(CONNECTIONS_MAX);
        if room < CONNECTIONS_MIN {
            return Err(Refusal::Failed(format!(
                "this process may open {files} files, too few to serve and to work as well; give \
                 it 1,024 (ulimit -n, LimitNOFILE=)"
            )));
        }
        Ok(Self {
            connections_max: room,
            from_one_max: room / 2,
            sockets: Arc::new(Semaphore::new(room + LEAVING_MAX)),
            guests: Mutex::default(),
            next: Mutex::default(),
            shares: Mutex::default(),
        })
    }

    /// A descriptor for a socket; waits while too many are on their way out.
    pub(crate) async fn socket(&self) -> Option<OwnedSemaphorePermit> {
        self.sockets.clone().acquire_owned().await.ok()
    }

    /// Lets a connection stand at the door; nothing where all that stand there are at work.
    pub(crate) fn admit(self: &Arc<Self>, from: IpAddr) -> Option<Stay> {
        let from = household(from);
        let mut guests = locked(&self.guests);
        let theirs = guests.values().filter(|g| g.from == from).count();
        let is_crowd = theirs >= self.from_one_max;
        if is_crowd || guests.len() >= self.connections_max {
            // Who does nothing makes room: who never showed a credential before those who did, of
            // them the largest crowd, of it the oldest. Who is at work counts for no crowd.
            let waits = |g: &Guest| !g.busy.load(Ordering::SeqCst);
            let mut waiting: HashMap<IpAddr, usize> = HashMap::new();
            for guest in guests.values().filter(|g| waits(g)) {
                *waiting.entry(guest.from).or_default() += 1;
            }
            let row = guests
                .iter()
                .filter(|(_, g)| waits(g) && (!is_crowd || g.from == from))
                .min_by_key(|(id, g)| {
                    let crowd = waiting.get(&g.from).copied().unwrap_or_default();
                    (g.known.load(Ordering::SeqCst), Reverse(crowd), **id)
                });
            let id = *row?.0;
            guests.remove(&id)?.leave.notify_one();
        }
        let mut next = locked(&self.next);
        *next += 1;
        let guest = Arc::new(Guest {
            from,
            busy: AtomicBool::new(false),
            known: AtomicBool::new(false),
            until: Mutex::new(Instant::now() + HANDSHAKE),
            leave: Notify::new(),
        });
        guests.insert(*next, guest.clone());
        Some(Stay { door: self.clone(), id: *next, guest })
    }

    /// Waits for a place among the requests of one credential; nothing when it does not come.
    pub(crate) async fn turn(&self, repo: &str, user: &str) -> Option<Turn> {
        let share = locked(&self.shares)
            .entry((repo.to_owned(), user.to_owned()))
            .or_insert_with(|| Share {
                requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
                memory: Arc::new(Semaphore::new(MEMORY_KIB_MAX as usize)),
            })
            .clone();
        let wait = tokio::time::timeout(TURN, share.requests.clone().acquire_owned());
        let request = wait.await.ok()?.ok()?;
        Some(Turn { share, _request: request, memory: Vec::new(), good: None })
    }
}

impl Turn {
    /// What is sent is sent for as long as the credential is good.
    pub(crate) fn while_good(&mut self, good: Box<dyn Fn() -> bool + Send + Sync>) {
        self.good = Some(good);
    }

    /// Whether the credential is good still: it may have been revoked while something was under
    /// way.
    pub(crate) fn is_good(&self) -> bool {
        self.good.as_ref().is_none_or(|good| good())
    }

    /// Waits until so many bytes fit into the credential's share of the memory.
    pub(crate) async fn hold(&mut self, bytes: u64) -> Result<(), Refusal> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let wait = self.share.memory.clone().acquire_many_owned(kib.min(MEMORY_KIB_MAX));
        match tokio::time::timeout(TURN, wait).await {
            Ok(Ok(permit)) => {
                self.memory.push(permit);
                Ok(())
            }
            _ => Err(busy()),
        }
    }
}

/// The answer to a credential that asks for more at once than one may.
pub(crate) fn busy() -> Refusal {
    Refusal::Busy("too many requests of this credential are at work; ask again later".into())
}

impl Drop for Stay {
    fn drop(&mut self) {
        locked(&self.door.guests).remove(&self.id);
    }
}

impl Guest {
    /// Where it comes from.
    pub(crate) fn from(&self) -> IpAddr {
        self.from
    }

    /// Gives so long from now.
    pub(crate) fn give(&self, time: Duration) {
        *locked(&self.until) = Instant::now() + time;
    }

    /// Waits for its turn: it may be asked to leave, or one credential would fill the door.
    pub(crate) fn waits(&self) {
        self.known.store(true, Ordering::SeqCst);
        self.give(TURN + HANDSHAKE);
    }

    /// A known credential's request begins.
    pub(crate) fn works(&self) {
        self.known.store(true, Ordering::SeqCst);
        self.busy.store(true, Ordering::SeqCst);
        self.give(WORK);
    }

    fn rests(&self) {
        self.give(REST);
        self.busy.store(false, Ordering::SeqCst);
    }

    /// Ends when the connection has to: its time is over, or others need its place.
    pub(crate) async fn gone(&self) {
        let over = async {
            loop {
                let until = *locked(&self.until);
                if until <= Instant::now() {
                    return;
                }
                tokio::time::sleep_until(until).await;
            }
        };
        tokio::select! {
            () = self.leave.notified() => {}
            () = over => {}
        }
    }
}

/// An answer on its way out: piece by piece, so that one who does not take it is noticed.
pub(crate) struct Sent {
    rest: Bytes,
    guest: Arc<Guest>,
    turn: Option<Turn>,
}

impl Sent {
    pub(crate) fn new(bytes: Bytes, guest: Arc<Guest>, turn: Option<Turn>) -> Self {
        guest.give(time_for(bytes.len() as u64));
        Self { rest: bytes, guest, turn }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.guest.rests();
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        if self.turn.as_ref().is_some_and(|turn| !turn.is_good()) {
            let why = std::io::Error::other("the credential was revoked");
            return Poll::Ready(Some(Err(why)));
        }
        let piece = self.rest.len().min(64 * 1024);
        let piece = self.rest.split_to(piece);
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn door(connections_max: usize, from_one_max: usize) -> Arc<Admission> {
        Arc::new(Admission {
            connections_max,
            from_one_max,
            sockets: Arc::new(Semaphore::new(connections_max)),
            guests: Mutex::default(),
            next: Mutex::default(),
            shares: Mutex::default(),
        })
    }

    fn at(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[tokio::test]
    async fn who_is_at_work_crowds_nobody_out_and_who_is_known_goes_last() {
        let door = door(5, 5);
        let honest: Vec<Stay> = (0..3).map(|_| door.admit(at(1)).unwrap()).collect();
        honest[0].guest.works();
        honest[1].guest.works();
        // Between two requests: known, and doing nothing.
        honest[2].guest.works();
        honest[2].guest.rests();
        let strangers: Vec<Stay> = (2..4).map(|n| door.admit(at(n)).unwrap()).collect();
        let ids = |door: &Admission| locked(&door.guests).keys().copied().collect::<Vec<_>>();
        let newcomer = door.admit(at(9)).unwrap();
        assert_eq!(ids(&door), [1, 2, 3, 5, newcomer.id], "the oldest stranger made room");
        let another = door.admit(at(9)).unwrap();
        let left = ids(&door);
        assert!(left.starts_with(&[1, 2, 3]) && left.contains(&another.id), "{left:?}");
        // Where all are at work, whoever comes is told to come again.
        for stay in honest.iter().chain([&newcomer, &another]).chain(&strangers) {
            stay.guest.works();
        }
        assert!(door.admit(at(8)).is_none());
    }

    #[tokio::test]
    async fn one_address_makes_room_for_itself() {
        let door = door(10, 2);
        let other = door.admit(at(2)).unwrap();
        let first = door.admit(at(1)).unwrap();
        let _second = door.admit(at(1)).unwrap();
        let _third = door.admit(at(1)).unwrap();
        let guests = locked(&door.guests);
        assert!(guests.contains_key(&other.id) && !guests.contains_key(&first.id));
    }

    #[tokio::test]
    async fn sixteen_requests_of_one_credential_are_at_work_at_once() {
        let door = door(100, 100);
        let turn = |user: &'static str| {
            let door = door.clone();
            async move {
                let soon = Duration::from_millis(200);
                tokio::time::timeout(soon, door.turn("school", user)).await.ok().flatten()
            }
        };
        let mut at_work = Vec::new();
        while let Some(one) = turn("read").await {
            at_work.push(one);
            assert!(at_work.len() <= 16, "the next one waits");
        }
        assert_eq!(at_work.len(), 16);
        assert!(turn("desk").await.is_some(), "for another credential nobody waits");
        at_work.pop();
        let next = turn("read").await.unwrap();
        assert!(turn("read").await.is_none(), "one place, one request");
        // And so with what they hold in memory.
        let (mut one, mut two) = (next, at_work.pop().unwrap());
        let all = u64::from(MEMORY_KIB_MAX) * 1024;
        one.hold(all).await.unwrap();
        let soon = Duration::from_millis(200);
        assert!(tokio::time::timeout(soon, two.hold(1)).await.is_err(), "192 MiB together");
        drop(one);
        tokio::time::timeout(soon, two.hold(1)).await.unwrap().unwrap();
    }
}
