use crate::{Decision, Enrolment, Error, Event, Policy, PublicKey, Sealed, SignedOrder, order::check_custodians};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

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
    pub snapshots: Vec<Sealed>,
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
    pub policy: Policy,
    /// Objects by path.
    pub objects: BTreeMap<String, Object>,
    /// Sealed sessions.
    pub sessions: BTreeMap<u64, SessionInfo>,
    /// Paths that custodians hid.
    pub hidden: BTreeSet<String>,
    /// Sessions that custodians hid.
    pub hidden_sessions: BTreeSet<u64>,
    /// Why nothing is freed, with the first moment of each.
    pub frozen: BTreeMap<String, Timestamp>,
    /// Key files that custodians admitted after enrolment.
    pub admitted: BTreeSet<String>,
    /// Objects whose deletion began.
    pub freeing: BTreeSet<String>,
    /// Orders carried out.
    pub orders: Vec<(Timestamp, SignedOrder)>,
    /// The latest moment that the log knows.
    pub latest: Timestamp,
    /// When the last canary ran.
    pub canary: Option<Timestamp>,
    /// The last alarms, oldest first.
    pub alarms: Vec<(Timestamp, String, String)>,
    /// Segments of the log whose lock was made longer since they were written.
    pub renewed_segments: BTreeMap<String, Timestamp>,
    /// Moment up to which custodians vouched for the clock.
    pub clock_vouched: Option<Timestamp>,
}

/// Alarms that the state remembers.
const ALARMS_MAX: usize = 200;

/// What a signer may write into the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The vault itself: everything.
    Vault,
    /// Who pushes: only what adds and extends.
    School,
}

impl State {
    /// How it began, or a sentence about that.
    pub fn enrolled(&self) -> Result<&Enrolment, Error> {
        self.enrolment.as_ref().ok_or_else(|| Error::Request("nothing is enrolled here yet".into()))
    }

    /// Number of the next session.
    pub fn next_session(&self) -> u64 {
        self.sessions.keys().next_back().map_or(1, |n| n + 1)
    }

    /// Whether the object is in the view of sealed sessions up to `upto`.
    pub fn is_seen(&self, path: &str, upto: u64) -> bool {
        self.objects.get(path).is_some_and(|o| {
            o.session > 0
                && o.session <= upto
                && !o.stray
                && !self.hidden.contains(path)
                && !self.hidden_sessions.contains(&o.session)
                && !self.freeing.contains(path)
        })
    }

    /// The snapshots of sealed sessions, with the session.
    pub fn snapshots(&self) -> impl Iterator<Item = (u64, Timestamp, &Sealed)> {
        self.sessions.iter().flat_map(|(n, s)| s.snapshots.iter().map(|x| (*n, s.at, x)))
    }

    /// Bytes held, and the latest end of a lock.
    pub fn held(&self) -> (u64, u64, Option<Timestamp>, Option<Timestamp>) {
        let bytes = self.objects.values().map(|o| o.size_bytes).sum();
        let ends = self.objects.values().map(|o| o.until);
        (self.objects.len() as u64, bytes, ends.clone().min(), ends.max())
    }

    /// Whether an order may be carried out now; says why not.
    pub fn may(&self, order: &SignedOrder, now: Timestamp) -> Result<crate::Order, Error> {
        let enrolment = self.enrolled()?;
        let refused = |why: String| Error::Signature { what: "the order".into(), why };
        let o = order.order()?;
        if o.v != 1 || o.repository != enrolment.card.repository || o.vault != enrolment.vault {
            return Err(refused("it is for another vault or repository".into()));
        }
        if o.after != self.orders.len() as u64 {
            return Err(refused(format!("it was written after {} orders, and {} were carried out; write and sign it anew", o.after, self.orders.len())));
        }
        let age = now.as_second() - o.at.as_second();
        if !(-86_400..=crate::order::ORDER_DAYS_MAX * 86_400).contains(&age) {
            return Err(refused(format!("it was written on {}; an order is good for {} days", o.at, crate::order::ORDER_DAYS_MAX)));
        }
        let signers = order.signers(&enrolment.custodians);
        if signers.len() < enrolment.quorum {
            let who: Vec<&str> = signers.iter().map(|c| c.name.as_str()).collect();
            let who = if who.is_empty() { "none".to_owned() } else { who.join(", ") };
            return Err(refused(format!("{} custodians must sign it; those who did: {who}", enrolment.quorum)));
        }
        match &o.decision {
            Decision::Policy { policy } => policy.check()?,
            Decision::Custodians { custodians, quorum } => check_custodians(custodians, *quorum)?,
            _ => {}
        }
        Ok(o)
    }

    /// Takes an event in. What a signer may not say is passed over, and answered as text.
    pub(crate) fn apply(&mut self, event: &Event, role: Role, at: Timestamp) -> Result<(), String> {
        let adds = matches!(
            event,
            Event::Arrived { .. } | Event::Renewed { .. } | Event::Sealed { .. } | Event::Stray { .. } | Event::Canary { .. } | Event::Alarm { .. }
        );
        if role == Role::School && !adds {
            return Err("who pushes may only add and extend".into());
        }
        self.latest = self.latest.max(at);
        match event {
            Event::Enrolled(e) => {
                if self.enrolment.is_some() {
                    return Err("it was enrolled before".into());
                }
                self.policy = e.policy.clone();
                self.enrolment = Some((**e).clone());
            }
            Event::Arrived { path, version, size_bytes, until, at } => {
                let new = Object { version: version.clone(), size_bytes: *size_bytes, until: *until, at: *at, session: 0, stray: false };
                match self.objects.get_mut(path) {
                    // The first version counts for good; one that was a stray may arrive again, named this time.
                    Some(there) if there.version == *version => there.until = there.until.max(*until),
                    Some(there) if there.stray => *there = new,
                    Some(_) => return Err(format!("{path} was there already")),
                    None => drop(self.objects.insert(path.clone(), new)),
                }
                self.freeing.remove(path);
            }
            Event::Renewed { path, until } if path.starts_with(crate::ledger::FOLDER) => {
                let there = self.renewed_segments.entry(path.clone()).or_insert(*until);
                *there = (*until).max(*there);
            }
            Event::Renewed { path, until } => match self.objects.get_mut(path) {
                Some(o) => o.until = o.until.max(*until),
                None => return Err(format!("{path} was never here")),
            },
            Event::Stray { path } => match self.objects.get_mut(path) {
                Some(o) if o.session == 0 => o.stray = true,
                _ => return Err(format!("{path} is no stray")),
            },
            Event::Sealed { session, at, snapshots } => {
                // Two hands may seal at once: the number moves on, the content stands.
                let session = if self.sessions.contains_key(session) { self.next_session() } else { *session };
                let (mut objects, mut bytes) = (0, 0);
                for o in self.objects.values_mut().filter(|o| o.session == 0 && !o.stray) {
                    o.session = session;
                    objects += 1;
                    bytes += o.size_bytes;
                }
                self.sessions.insert(session, SessionInfo { at: *at, snapshots: snapshots.clone(), objects, bytes });
            }
            Event::Freeing { paths } => self.freeing.extend(paths.iter().cloned()),
            Event::Freed { paths, .. } => {
                for path in paths {
                    self.objects.remove(path);
                    self.freeing.remove(path);
                }
            }
            Event::Ordered(order) => self.carry_out(order, at).map_err(|e| e.to_string())?,
            Event::Frozen { at, why } => self.frozen.extend((!self.frozen.contains_key(why)).then(|| (why.clone(), *at))),
            Event::Alarm { at, kind, text } => {
                self.alarms.push((*at, kind.clone(), text.clone()));
                if self.alarms.len() > ALARMS_MAX {
                    self.alarms.remove(0);
                }
            }
            Event::Canary { at, .. } => self.canary = Some(*at),
        }
        Ok(())
    }

    fn carry_out(&mut self, order: &SignedOrder, at: Timestamp) -> Result<(), Error> {
        let o = self.may(order, at)?;
        match o.decision {
            Decision::Policy { policy } => self.policy = policy,
            Decision::Hide { paths, sessions } => {
                self.hidden.extend(paths);
                self.hidden_sessions.extend(sessions);
            }
            Decision::Show { paths, sessions } => {
                self.hidden.retain(|p| !paths.contains(p));
                self.hidden_sessions.retain(|s| !sessions.contains(s));
            }
            Decision::Thaw => self.frozen.clear(),
            Decision::AdmitKey { key } => self.admitted.extend([key]),
            Decision::Custodians { custodians, quorum } => {
                if let Some(e) = &mut self.enrolment {
                    e.custodians = custodians;
                    e.quorum = quorum;
                }
            }
            Decision::AcceptFacts { facts } => {
                if let Some(e) = &mut self.enrolment {
                    e.facts = facts;
                }
            }
            Decision::ClockIsRight => self.clock_vouched = Some(at),
        }
        self.orders.push((at, order.clone()));
        Ok(())
    }

    /// Whether a key file may come in.
    pub fn admits_key(&self, name: &str) -> bool {
        self.admitted.contains(name) || self.enrolment.as_ref().is_some_and(|e| e.card.keys.iter().any(|k| k == name))
    }

    /// The key that signs the school's manifests.
    pub fn school(&self) -> Result<PublicKey, Error> {
        Ok(self.enrolled()?.card.key)
    }
}
