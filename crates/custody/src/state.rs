use crate::{
    Enrolment, Error, HostAlarm, LogEvent, OrderAction, PublicKey, SealedSnapshot, SignedOrder,
    UnknownEvent, VaultPolicy,
    order::{ORDER_VERSION, OrderHead, check_custodians},
    plain,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use strongroom_model::Row;
use strongroom_objects::key_of;

/// What the vault knows of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The version that counts.
    pub version: String,
    /// Its length.
    pub size_bytes: u64,
    /// Until when it is locked.
    pub until: Timestamp,
    /// When it came, by the vault's clock.
    pub at: Timestamp,
    /// The sealed session in which it came; 0 while that is open.
    pub session: u64,
    /// No signed manifest names it.
    pub stray: bool,
}

/// A sealed session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    /// When it was sealed.
    pub at: Timestamp,
    /// What it made whole.
    pub snapshots: Vec<SealedSnapshot>,
    /// Objects that came in it.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Everything that the log says.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// How it began.
    pub enrolment: Option<Enrolment>,
    /// The policy in force.
    pub policy: VaultPolicy,
    /// Objects by path.
    pub objects: BTreeMap<String, Object>,
    /// Sealed sessions.
    pub sessions: BTreeMap<u64, SessionInfo>,
    /// Paths that custodians hid.
    pub hidden: BTreeSet<String>,
    /// Sessions that custodians hid.
    pub hidden_sessions: BTreeSet<u64>,
    /// Snapshots of these sessions, as they were when custodians decided.
    pub hidden_snapshots: BTreeSet<String>,
    /// Every snapshot that was ever published.
    published: BTreeSet<String>,
    /// Bytes of all objects.
    held_bytes: u64,
    /// Objects of the open session, and their bytes.
    unsealed: (u64, u64),
    /// Why nothing is freed, with the first moment of each.
    pub frozen: BTreeMap<String, Timestamp>,
    /// Reasons that custodians looked at, each with the newest snapshot of that moment, and when:
    /// they freeze again when there is a newer one.
    pub thawed: BTreeMap<String, (Option<String>, Timestamp)>,
    /// Key files that custodians admitted after enrolment.
    pub admitted: BTreeSet<String>,
    /// Objects whose deletion began.
    pub freeing: BTreeSet<String>,
    /// Objects that were found gone or damaged, and did not come again yet.
    pub missing: BTreeSet<String>,
    /// Versions in whose place another one came, with the end of their locks.
    pub former: BTreeMap<String, Vec<(String, Timestamp)>>,
    /// Orders carried out.
    pub orders: Vec<(Timestamp, SignedOrder)>,
    /// The latest moment that the log knows.
    pub latest: Timestamp,
    /// When the last canary ran.
    pub canary: Option<Timestamp>,
    /// What is wrong for as long as it is so.
    pub standing: crate::alarms::StandingHostAlarms,
    /// The last alarms, oldest first.
    pub alarms: Vec<(Timestamp, String, String)>,
    /// Segments of the log whose lock was made longer since they were written.
    pub renewed_segments: BTreeMap<String, Timestamp>,
    /// The moment that custodians signed last as the right time.
    pub clock_vouched: Option<Timestamp>,
    /// Events that this program does not know, oldest first.
    pub unknown: Vec<UnknownEvent>,
}

/// Alarms that the state remembers.
const ALARMS_MAX: usize = 200;

/// What a signer may write into the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignerRole {
    /// The vault itself: everything.
    Vault,
    /// Who pushes, as another reads it: only what adds and extends.
    School,
    /// Who pushes, as it reads itself.
    Own,
}

impl State {
    /// How it began, or a sentence about that.
    pub fn enrolled(&self) -> Result<&Enrolment, Error> {
        let missing = || match self.unknown.first() {
            None => "nothing is enrolled here yet".into(),
            Some(e) => format!(
                "the log holds {}, which this program does not know, and no enrolment that it \
                 knows; use a newer strongroom-vault",
                e.kind
            ),
        };
        self.enrolment.as_ref().ok_or_else(|| Error::Request(missing().into()))
    }

    /// The vault's own key.
    pub(crate) fn vault(&self) -> Option<PublicKey> {
        self.enrolment.as_ref().map(|e| e.vault)
    }

    /// Number of the next session.
    pub fn next_session(&self) -> u64 {
        self.sessions.keys().next_back().map_or(1, |n| n + 1)
    }

    /// Whether the object is in the view of sealed sessions up to `upto`, hidden sessions aside.
    pub fn is_seen(&self, path: &str, upto: u64) -> bool {
        self.is_in_sight(path, upto) && !self.missing.contains(path)
    }

    /// The same, and what was found lost or damaged as well.
    pub(crate) fn is_in_sight(&self, path: &str, upto: u64) -> bool {
        self.objects.get(path).is_some_and(|o| {
            o.session > 0
                && o.session <= upto
                && !o.stray
                && !self.hidden.contains(path)
                && !self.freeing.contains(path)
        })
    }

    /// Whether an object is here, whole as far as it is known, and stays. What is on its way out
    /// counts as gone.
    pub fn has(&self, path: &str) -> bool {
        self.objects.get(path).is_some_and(|o| !o.stray)
            && !self.freeing.contains(path)
            && !self.missing.contains(path)
    }

    /// Whether a snapshot was published, by whatever manifest. It is so once: who publishes it
    /// again moves no retention, hides no silence, makes no flood and brings nothing back in sight.
    pub fn is_published(&self, snapshot: &str) -> bool {
        self.published.contains(snapshot)
    }

    /// The snapshots that these sessions published.
    fn published_by(&self, sessions: &[u64]) -> BTreeSet<String> {
        let of = sessions.iter().filter_map(|n| self.sessions.get(n));
        of.flat_map(|s| s.snapshots.iter().map(|x| x.snapshot.clone())).collect()
    }

    /// Whether custodians hid a snapshot that this session published.
    pub fn is_hidden(&self, session: u64, snapshot: &str) -> bool {
        self.hidden_sessions.contains(&session)
            || self.hidden_snapshots.contains(snapshot)
            || self.hidden.contains(&format!("snapshots/{snapshot}"))
    }

    /// The snapshots of sealed sessions, with the session of their first publication.
    pub fn snapshots(&self) -> impl Iterator<Item = (u64, Timestamp, &SealedSnapshot)> {
        self.sessions.iter().flat_map(|(n, s)| s.snapshots.iter().map(|x| (*n, s.at, x)))
    }

    /// The snapshot of people's data that was published last: what custodians looked at is not
    /// doubted again because settings came.
    pub fn newest_snapshot(&self) -> Option<String> {
        self.snapshots()
            .filter(|(_, _, s)| s.series().is_data())
            .last()
            .map(|(_, _, s)| s.manifest.clone())
    }

    /// Whether an alarm of this kind stands.
    pub fn stands(&self, kind: &str) -> bool {
        let from = (kind.to_owned(), String::new());
        self.standing.range(from..).next().is_some_and(|((k, _), _)| k == kind)
    }

    /// Bytes held.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// Objects that came and are sealed in no session, and their bytes. What no manifest named at a
    /// seal does not count any more: it is a stray.
    pub fn unsealed(&self) -> (u64, u64) {
        self.unsealed
    }

    /// Keeps the sums, when an object came, went or changed.
    fn weigh(&mut self, before: Option<&Object>, path: &str) {
        let after = self.objects.get(path);
        let is_open = |o: &&Object| o.session == 0 && !o.stray;
        let bytes = |o: Option<&Object>| o.map_or(0, |o| o.size_bytes);
        let count = |o: Option<&Object>| u64::from(o.is_some());
        let (was, is) = (before.filter(is_open), after.filter(is_open));
        self.held_bytes =
            self.held_bytes.saturating_sub(bytes(before)).saturating_add(bytes(after));
        self.unsealed = (
            (self.unsealed.0 + count(is)).saturating_sub(count(was)),
            self.unsealed.1.saturating_add(bytes(is)).saturating_sub(bytes(was)),
        );
    }

    /// Bytes held, and the latest end of a lock.
    pub fn held(&self) -> (u64, u64, Option<Timestamp>, Option<Timestamp>) {
        let bytes = self.held_bytes;
        let ends = self.objects.values().map(|o| o.until);
        (self.objects.len() as u64, bytes, ends.clone().min(), ends.max())
    }

    /// Whether an order may be carried out now; says why not.
    pub fn may(&self, order: &SignedOrder, now: Timestamp) -> Result<crate::Order, Error> {
        let o = order.whole()?;
        self.may_be(&order.head()?, order, now)?;
        match &o.decision {
            OrderAction::Policy { policy } => policy.check()?,
            OrderAction::Custodians { custodians, quorum } => {
                check_custodians(custodians, *quorum)?
            }
            OrderAction::Acknowledge { alarms, until } => {
                crate::alarms::may_acknowledge(alarms, *until, o.at)?
            }
            _ => {}
        }
        Ok(o)
    }

    fn may_be(&self, o: &OrderHead, order: &SignedOrder, now: Timestamp) -> Result<(), Error> {
        let enrolment = self.enrolled()?;
        let refused = |why: String| Error::Signature { what: "the order".into(), why: why.into() };
        if o.v != ORDER_VERSION
            || o.repository != enrolment.card.repository
            || o.vault != enrolment.vault
        {
            return Err(refused("it is for another vault or repository".into()));
        }
        if o.after != self.orders.len() as u64 {
            return Err(refused(format!(
                "it was written after {} orders, and {} were carried out; write and sign it anew",
                o.after,
                self.orders.len()
            )));
        }
        let age = now.as_second() - o.at.as_second();
        if !(-86_400..=crate::order::ORDER_DAYS_MAX * 86_400).contains(&age) {
            return Err(refused(format!(
                "it was written on {}; an order is good for {} days",
                o.at,
                crate::order::ORDER_DAYS_MAX
            )));
        }
        let signers = order.signers(&enrolment.custodians);
        if signers.len() < enrolment.quorum {
            let who: Vec<&str> = signers.iter().map(|c| c.name.as_str()).collect();
            let who = if who.is_empty() { "none".to_owned() } else { who.join(", ") };
            return Err(refused(format!(
                "{} custodians must sign it; those who did: {who}",
                enrolment.quorum
            )));
        }
        Ok(())
    }

    /// Takes a row of the log in. An event that this program does not know freezes: what it asked
    /// for may be to keep.
    pub(crate) fn take(
        &mut self,
        row: &Row<LogEvent>,
        role: SignerRole,
        at: Timestamp,
    ) -> Result<(), String> {
        let Some(event) = row.known() else {
            let kind = row.unknown_text("event").unwrap_or("nothing with a name");
            if role != SignerRole::Vault {
                return Err(format!(
                    "this program knows no event {kind:?}; who pushes may only add and extend"
                ));
            }
            self.latest = self.latest.max(at);
            self.not_known(format!("the event {kind:?}"), at);
            return Ok(());
        };
        self.apply(event, role, at)
    }

    /// A log may hold a policy of a time without bounds: it is carried out within them.
    fn take_policy(&mut self, policy: &VaultPolicy, at: Timestamp) {
        self.policy = policy.bounded();
        if self.policy != *policy {
            let text = "the policy of the log goes further than a vault does; what goes too far \
                counts as the most that may be, until custodians order another";
            self.tell(at, "policy", text);
        }
    }

    fn tell(&mut self, at: Timestamp, kind: &str, text: &str) {
        self.alarms.push((at, kind.to_owned(), text.to_owned()));
        if self.alarms.len() > ALARMS_MAX {
            self.alarms.remove(0);
        }
    }

    fn not_known(&mut self, kind: String, at: Timestamp) {
        let why = format!("unknown: the log holds {kind}, which this program does not know");
        self.frozen.entry(why).or_insert(at);
        self.unknown.push(UnknownEvent { at, kind });
    }

    /// Takes an event in. What a signer may not say is passed over, and answered as text. `at` is
    /// when the store took the event in, for those who push: their own word on time counts for
    /// nothing.
    pub(crate) fn apply(
        &mut self,
        event: &LogEvent,
        role: SignerRole,
        at: Timestamp,
    ) -> Result<(), String> {
        let Some(event) = &self.cautious(event, role, at)? else { return Ok(()) };
        if role == SignerRole::Vault {
            self.latest = self.latest.max(at);
        }
        match event {
            LogEvent::Enrolled(e) => {
                if self.enrolment.is_some() {
                    return Err("it was enrolled before".into());
                }
                self.take_policy(&e.policy, at);
                self.enrolment = Some((**e).clone());
            }
            LogEvent::Arrived { path, version, size_bytes, until, at } => {
                let new = Object {
                    version: version.clone(),
                    size_bytes: *size_bytes,
                    until: *until,
                    at: *at,
                    session: 0,
                    stray: false,
                };
                let before = self.objects.get(path).cloned();
                let is_back = self.missing.remove(path);
                if is_back {
                    // What it tells is over: its bytes were read.
                    for kind in ["lost", "damaged"] {
                        self.standing.remove(&(kind.to_owned(), path.clone()));
                    }
                }
                match self.objects.get_mut(path) {
                    // In the place of what was lost: in the session in which that came.
                    Some(there) if is_back => {
                        if there.version != *version {
                            let former = self.former.entry(path.clone()).or_default();
                            former.push((there.version.clone(), there.until));
                        }
                        *there = Object { session: there.session, stray: there.stray, ..new };
                    }
                    // The first version counts for good; one that was a stray may arrive again,
                    // named this time.
                    Some(there) if there.version == *version => {
                        there.until = there.until.max(*until);
                        if there.stray {
                            // Named this time: it belongs to the open session from now on.
                            (there.stray, there.session, there.at) = (false, 0, *at);
                        }
                    }
                    Some(there) if there.stray => {
                        let former = self.former.entry(path.clone()).or_default();
                        former.push((there.version.clone(), there.until));
                        *there = new;
                    }
                    Some(_) => return Err(format!("{path} was there already")),
                    None => drop(self.objects.insert(path.clone(), new)),
                }
                self.freeing.remove(path);
                self.weigh(before.as_ref(), path);
            }
            LogEvent::Renewed { path, until } if path.starts_with(crate::ledger::FOLDER) => {
                let there = self.renewed_segments.entry(path.clone()).or_insert(*until);
                *there = (*until).max(*there);
            }
            LogEvent::Renewed { path, until } => match self.objects.get_mut(path) {
                Some(o) => o.until = o.until.max(*until),
                None => return Err(format!("{path} was never here")),
            },
            LogEvent::Stray { path } => {
                let before = self.objects.get(path).cloned();
                match self.objects.get_mut(path) {
                    Some(o) if o.session == 0 => o.stray = true,
                    _ => return Err(format!("{path} is no stray")),
                }
                self.weigh(before.as_ref(), path);
            }
            LogEvent::Sealed { at, snapshots, left, .. } => {
                // Two hands may seal at once: numbers are counted here.
                let session = self.next_session();
                let left: BTreeSet<&String> = left.iter().flatten().collect();
                let (mut objects, mut bytes) = (0, 0);
                for (_, o) in self
                    .objects
                    .iter_mut()
                    .filter(|(p, o)| o.session == 0 && !o.stray && !left.contains(p))
                {
                    o.session = session;
                    objects += 1;
                    bytes = o.size_bytes.saturating_add(bytes);
                }
                self.unsealed = (
                    self.unsealed.0.saturating_sub(objects),
                    self.unsealed.1.saturating_sub(bytes),
                );
                // The lock of what came with a repetition stands as it was set; it is no news. The
                // session is counted all the same: orders name sessions by number.
                let snapshots = snapshots
                    .iter()
                    .filter(|s| self.published.insert(s.snapshot.clone()))
                    .cloned()
                    .collect();
                self.sessions.insert(session, SessionInfo { at: *at, snapshots, objects, bytes });
            }
            LogEvent::Missing { paths, .. } => {
                let known = paths.iter().filter(|p| self.objects.contains_key(*p));
                self.missing.extend(known.cloned());
            }
            // Which segments count is decided before any of them is taken in.
            LogEvent::Witnessed { .. } => {}
            LogEvent::Kept { paths } => self.freeing.retain(|p| !paths.contains(p)),
            LogEvent::Freeing { paths } => self.freeing.extend(paths.iter().cloned()),
            LogEvent::Freed { paths, .. } => {
                for path in paths {
                    let before = self.objects.remove(path);
                    self.weigh(before.as_ref(), path);
                    self.freeing.remove(path);
                    self.missing.remove(path);
                }
            }
            LogEvent::Ordered(order) => self.carry_out(order, at).map_err(|e| e.to_string())?,
            LogEvent::Frozen { at, why } => {
                self.frozen.extend((!self.frozen.contains_key(why)).then(|| (why.clone(), *at)))
            }
            LogEvent::Alarm { at, kind, text } => self.tell(*at, kind, text),
            LogEvent::Raised { at, kind, subject, text } => {
                let alarm = HostAlarm::new(kind, subject, text);
                self.tell(*at, kind, &alarm.text);
                crate::alarms::raise(&mut self.standing, *at, alarm);
            }
            LogEvent::Over { kind, subject, .. } => {
                self.standing.remove(&(kind.clone(), subject.clone()));
            }
            LogEvent::Canary { at, .. } => self.canary = Some(*at),
        }
        Ok(())
    }

    /// What is believed of an event: who pushes may only add and extend, and says nothing of when
    /// or for how long.
    fn cautious(
        &self,
        event: &LogEvent,
        role: SignerRole,
        at: Timestamp,
    ) -> Result<Option<LogEvent>, String> {
        if role == SignerRole::Vault {
            return Ok(Some(event.clone()));
        }
        let mut bytes_max = u64::MAX;
        if let LogEvent::Arrived { path, .. } | LogEvent::Stray { path } = event {
            match key_of(path) {
                Some(key) => bytes_max = key.kind().bytes_max(),
                None => return Err(format!("{:?} is nothing that a vault holds", plain(path))),
            }
        }
        Ok(Some(match event {
            LogEvent::Arrived { path, .. }
                if path.strip_prefix("keys/").is_some_and(|k| !self.admits_key(k)) =>
            {
                return Err("a key file comes from custodians alone".into());
            }
            // Who pushes says that it came; that it is whole the vault says, when it has read it.
            LogEvent::Arrived { path, .. }
                if role == SignerRole::School && self.missing.contains(path) =>
            {
                return Ok(None);
            }
            LogEvent::Arrived { .. } | LogEvent::Renewed { .. } if role == SignerRole::Own => {
                event.clone()
            }
            LogEvent::Arrived { path, version, size_bytes, until, .. } => {
                let most = self.policy.with_surplus(self.policy.least(at));
                LogEvent::Arrived {
                    path: path.clone(),
                    version: version.clone(),
                    size_bytes: (*size_bytes).min(bytes_max),
                    until: (*until).min(most),
                    at,
                }
            }
            // The vault makes locks long enough by itself, whatever is said of them.
            LogEvent::Renewed { .. } => return Ok(None),
            LogEvent::Sealed { snapshots, left, .. } => {
                // What did not even arrive is no snapshot.
                let came = |s: &&SealedSnapshot| {
                    self.objects.contains_key(&format!("snapshots/{}", s.snapshot))
                        && self.objects.contains_key(&format!("manifests/{}", s.manifest))
                };
                let snapshots = snapshots.iter().filter(came).cloned().collect();
                LogEvent::Sealed { session: 0, at, snapshots, left: left.clone() }
            }
            LogEvent::Stray { .. } => event.clone(),
            LogEvent::Alarm { .. } | LogEvent::Canary { .. } => return Ok(None),
            _ => return Err("who pushes may only add and extend".into()),
        }))
    }

    fn carry_out(&mut self, order: &SignedOrder, at: Timestamp) -> Result<(), Error> {
        if !order.order().is_ok_and(|o| o.v == ORDER_VERSION) {
            // Custodians decided it with a newer program; the orders after it count on it.
            let head = OrderHead { v: ORDER_VERSION, ..order.head()? };
            self.may_be(&head, order, at)?;
            self.not_known(format!("the order {:?}", head.kind()), at);
            self.orders.push((at, order.clone()));
            return Ok(());
        }
        // What was carried out stays so: bounds that are younger do not void an order, since the
        // orders after it count on it.
        let o = order.order()?;
        self.may_be(&order.head()?, order, at)?;
        if let OrderAction::Custodians { custodians, quorum } = &o.decision {
            check_custodians(custodians, *quorum)?;
        }
        let signed = o.at;
        match o.decision {
            OrderAction::Policy { policy } => self.take_policy(&policy, at),
            OrderAction::Hide { paths, sessions } => {
                self.hidden_snapshots.extend(self.published_by(&sessions));
                self.hidden.extend(paths);
                self.hidden_sessions.extend(sessions);
            }
            OrderAction::Show { paths, sessions } => {
                let shown = self.published_by(&sessions);
                self.hidden_snapshots.retain(|s| !shown.contains(s));
                self.hidden.retain(|p| !paths.contains(p));
                self.hidden_sessions.retain(|s| !sessions.contains(s));
            }
            OrderAction::Thaw => {
                // What was looked at does not freeze again by itself: the newest snapshot of that
                // moment is remembered.
                let (newest, frozen) = (self.newest_snapshot(), self.frozen.keys());
                let codes = frozen.filter_map(|why| why.split_once(':'));
                let seen = codes.map(|(code, _)| (code.to_owned(), (newest.clone(), at)));
                self.thawed.extend(seen);
                self.frozen.clear();
            }
            OrderAction::AdmitKey { key } => self.admitted.extend([key]),
            OrderAction::Custodians { custodians, quorum } => {
                if let Some(e) = &mut self.enrolment {
                    e.custodians = custodians;
                    e.quorum = quorum;
                }
            }
            OrderAction::AcceptFacts { facts } => {
                if let Some(e) = &mut self.enrolment {
                    e.facts = facts;
                }
            }
            OrderAction::Acknowledge { alarms, until } => {
                crate::alarms::acknowledge(&mut self.standing, &alarms, until, signed);
            }
            OrderAction::ClockIsRight => {
                // They know when they signed, and not what this host's clock said when the order
                // was carried out.
                self.clock_vouched = Some(signed);
                // What the log holds of a later time was the clock's mistake.
                self.latest = signed;
            }
        }
        self.orders.push((at, order.clone()));
        Ok(())
    }

    /// Whether a key file may come in.
    pub fn admits_key(&self, name: &str) -> bool {
        self.admitted.contains(name)
            || self.enrolment.as_ref().is_some_and(|e| e.card.keys.iter().any(|k| k == name))
    }

    /// The key that signs the school's manifests.
    pub fn school(&self) -> Result<PublicKey, Error> {
        Ok(self.enrolled()?.card.key)
    }
}
