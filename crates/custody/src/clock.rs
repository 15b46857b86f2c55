//! Time that nobody can turn: the system's clock, held against a mark that only grows, against the
//! time since boot, and against other clocks.
//!
//! What the clock went besides the time since boot is *drift*, and is summed for as long as the
//! vault lives: small steps are no way round the limit of a large one. The time between two boots
//! is believed in full only where another clock says the same. Nothing is freed but in a call in
//! which a second clock agreed ([`Agreed`]).

use crate::{Error, order::ORDER_DAYS_MAX};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use strongroom_model::{Record, Stored};
use strongroom_objects::read_regular;

/// Of the file that holds the mark.
const MARK_BYTES_MAX: u64 = 1024 * 1024;

/// How far two clocks may be apart.
pub(crate) const APART_MAX_S: i64 = 300;
/// So much drift is borne, and so much more for each year of which other clocks agreed. A vault
/// whose shortest lock is 90 days is not emptied by it.
const DRIFT_MAX_S: i64 = 86_400;
const YEAR_S: i64 = 365 * 86_400;
/// For so long custodians stand for a second clock.
const VOUCHED_MAX_S: i64 = 30 * 86_400;
/// The mark is written when it is this old.
const WRITE_EVERY_S: i64 = 60;

/// A moment by the wall's clock, and by the kernel's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reading {
    at: i64,
    uptime_s: i64,
    boot: String,
}

impl Reading {
    /// Seconds since, when the kernel ran on.
    fn passed(&self, boot: Option<&(i64, String)>) -> Option<i64> {
        boot.filter(|(_, id)| *id == self.boot).map(|(up, _)| up - self.uptime_s)
    }
}

/// What of the clock's way was not the time since boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Drift {
    /// Where the sum of this boot begins: a sum over calls would add up what is rounded off.
    since: Reading,
    /// The most that the clock was away from the time since then, in either direction.
    most_s: i64,
    /// The same of the boots before.
    spent_s: i64,
    /// Time between boots of which no other clock said since that it passed.
    unconfirmed_s: i64,
}

/// From when to when other clocks agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    from: i64,
    to: i64,
}

/// What was last known of time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// The version of the form. Absent in the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    v: Option<u32>,
    /// Seconds since 1970: the latest moment ever believed.
    seen: i64,
    /// Seconds since boot at that moment.
    uptime_s: i64,
    /// Which boot.
    boot: String,
    /// The last moment for which custodians vouched, and that was used: none counts twice. Absent
    /// when they never did.
    #[serde(skip_serializing_if = "Option::is_none")]
    vouched: Option<i64>,
    /// Absent where the kernel never told the time since boot, and in the first form: then nothing
    /// drifted yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    drift: Option<Drift>,
    /// Absent when no other clock ever agreed.
    #[serde(skip_serializing_if = "Option::is_none")]
    agreed: Option<Span>,
    /// In how many years since then one agreed, the running one aside. Absent when in none, and in
    /// marks of programs that did not count them.
    #[serde(skip_serializing_if = "Option::is_none")]
    agreed_years: Option<u32>,
    /// When an order was written by which custodians may vouch for the clock. Absent when none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<Reading>,
    /// The moment for which they vouched, as this host knew it. Absent when they never did, or
    /// when the host started anew in between.
    #[serde(skip_serializing_if = "Option::is_none")]
    vouch: Option<Reading>,
}

impl Stored for Mark {
    const NAME: &'static str = "the clock's mark";
    const VERSION: u32 = 2;
}

/// What the clocks say in one call.
#[derive(Debug, Clone)]
struct Told {
    /// The wall's clock.
    second: i64,
    /// Seconds since boot, and which; nothing when the kernel does not say.
    boot: Option<(i64, String)>,
    /// The latest moment that the log knows.
    latest: i64,
    /// The moment that custodians signed last.
    vouched: Option<i64>,
    /// Whether another clock says the same, and none says otherwise.
    agrees: bool,
}

impl Told {
    fn reading(&self) -> Option<Reading> {
        let (uptime_s, boot) = self.boot.clone()?;
        Some(Reading { at: self.second, uptime_s, boot })
    }
}

impl Mark {
    /// The mark after this call, or why the clock is not believed.
    fn after(&self, told: &Told) -> Result<Self, String> {
        let second = told.second;
        let mut next = self.vouched_for(told)?.unwrap_or_else(|| self.clone());
        let is_new = next.seen == 0;
        let known = next.seen.max(told.latest);
        if second + APART_MAX_S < known {
            return Err(format!(
                "it went back by {} s: the vault has seen {:.0}",
                known - second,
                Timestamp::from_second(known).unwrap_or_default()
            ));
        }
        match told.reading() {
            None if known > 0 && !told.agrees => {
                return Err("the kernel does not say how long this host is up (/proc/uptime), so \
                            nothing holds its clock, and no other clock says so either"
                    .into());
            }
            None => {}
            Some(here) if !is_new && here.boot == next.boot => {
                let (walked, passed) = (second - next.seen, here.uptime_s - next.uptime_s);
                if (walked - passed).abs() > APART_MAX_S {
                    return Err(format!("it moved by {walked} s while {passed} s passed"));
                }
                let last =
                    Reading { at: next.seen, uptime_s: next.uptime_s, boot: next.boot.clone() };
                let drift = next.drift.get_or_insert(Drift {
                    since: last,
                    most_s: 0,
                    spent_s: 0,
                    unconfirmed_s: 0,
                });
                let away = (second - drift.since.at) - (here.uptime_s - drift.since.uptime_s);
                drift.most_s = drift.most_s.max(away.abs());
            }
            Some(here) => {
                let before = next.drift.take();
                let spent = before.as_ref().map_or(0, |d| d.spent_s + d.most_s);
                let unconfirmed = before.map_or(0, |d| d.unconfirmed_s);
                // A mark that is gone is no new beginning, neither of time nor of drift.
                let is_lost = is_new && told.latest > 0;
                // Since an earlier boot at least the time of this one passed.
                let sure = if is_new { 0 } else { here.uptime_s };
                let gap = if known > 0 { (second - known - sure).max(0) } else { 0 };
                next.drift = Some(Drift {
                    since: here,
                    most_s: 0,
                    spent_s: if is_lost { DRIFT_MAX_S } else { spent },
                    unconfirmed_s: unconfirmed + gap,
                });
            }
        }
        if told.agrees {
            let span = next.agreed.unwrap_or(Span { from: second, to: second });
            let year = |at: i64| (at - span.from).max(0) / YEAR_S;
            // The year of the one before is over: it is one in which another clock agreed.
            if year(second) > year(span.to) {
                next.agreed_years = Some(next.agreed_years.unwrap_or(0).saturating_add(1));
            }
            next.agreed = Some(Span { to: second, ..span });
            if let Some(drift) = &mut next.drift {
                drift.unconfirmed_s = 0;
            }
        }
        next.bear()?;
        next.seen = next.seen.max(second);
        match &told.boot {
            Some((up, id)) => {
                (next.uptime_s, next.boot) = (up - (second - next.seen), id.clone());
            }
            None => next.boot.clear(),
        }
        next.v = Some(Self::VERSION);
        Ok(next)
    }

    /// Whether so much drift is borne.
    fn bear(&self) -> Result<(), String> {
        let Some(d) = &self.drift else { return Ok(()) };
        let sum = d.spent_s + d.most_s + d.unconfirmed_s;
        let most = DRIFT_MAX_S * (1 + i64::from(self.agreed_years.unwrap_or(0)));
        // What two clocks may be apart is no drift.
        if sum <= most + APART_MAX_S {
            return Ok(());
        }
        Err(format!(
            "it may be {} hours off by now: {} s besides the time since boot, and {} s while this \
             host was off; {} hours are the most, without another clock that says so: name an NTP \
             server, or let custodians sign that it is right",
            sum / 3600,
            d.spent_s + d.most_s,
            d.unconfirmed_s,
            most / 3600
        ))
    }

    /// The mark of a new beginning, when custodians signed one since. They vouch for the moment
    /// that they signed: what passed since is what the kernel says, or was not held by anything.
    fn vouched_for(&self, told: &Told) -> Result<Option<Self>, String> {
        let Some(v) = told.vouched.filter(|v| self.vouched.is_none_or(|used| *v > used)) else {
            return Ok(None);
        };
        let since = told.second - v;
        if !(-APART_MAX_S..=ORDER_DAYS_MAX * 86_400).contains(&since) {
            return Ok(None);
        }
        let asked = self.asked.as_ref().filter(|a| a.at == v);
        let passed = asked.and_then(|a| a.passed(told.boot.as_ref()));
        if let Some(passed) = passed
            && (since - passed).abs() > APART_MAX_S
        {
            return Err(format!(
                "custodians signed {:.0}, and {passed} s later it says {since} s later",
                Timestamp::from_second(v).unwrap_or_default()
            ));
        }
        let unconfirmed_s = if passed.is_some() { 0 } else { since.max(0) };
        let drift = |since| Drift { since, most_s: 0, spent_s: 0, unconfirmed_s };
        Ok(Some(Self {
            vouched: Some(v),
            drift: told.reading().map(drift),
            agreed: Some(Span { from: v, to: v }),
            vouch: passed.and_then(|_| asked.cloned()),
            // From here on it is held against this boot, at once.
            seen: told.boot.as_ref().map_or(0, |_| told.second),
            uptime_s: told.boot.as_ref().map_or(0, |(up, _)| *up),
            boot: told.boot.as_ref().map(|(_, id)| id.clone()).unwrap_or_default(),
            ..Self::default()
        }))
    }

    /// Whether custodians stand for a second clock: what they signed is not long ago, and the
    /// kernel ran on since.
    fn custodians_agree(&self, told: &Told) -> bool {
        let Some(vouch) = &self.vouch else { return false };
        let since = told.second - vouch.at;
        (-APART_MAX_S..=VOUCHED_MAX_S).contains(&since)
            && vouch
                .passed(told.boot.as_ref())
                .is_some_and(|passed| (since - passed).abs() <= APART_MAX_S)
    }
}

/// A moment of which a second, independent clock said the same in this very call. What frees
/// anything takes one of these, so nothing can be freed on the word of one clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed(Timestamp);

impl Agreed {
    /// What two clocks say; nothing when they are apart.
    pub fn of(one: Timestamp, other: Timestamp) -> Option<Self> {
        ((one.as_second() - other.as_second()).abs() <= APART_MAX_S).then_some(Self(one))
    }

    /// The moment.
    pub fn at(self) -> Timestamp {
        self.0
    }
}

/// A clock that is believed only where several agree.
pub struct TrustedClock {
    path: PathBuf,
    state: Mutex<Kept>,
    ntp: Vec<String>,
    /// When the NTP servers were asked last and none disagreed, and how many agreed.
    asked: Mutex<Option<(std::time::Instant, usize)>>,
    /// NTP servers that did not answer when they were asked last, and why; nothing when they were
    /// not asked yet.
    silent: Mutex<Option<Vec<(String, String)>>>,
}

struct Kept {
    mark: Record<Mark>,
    /// What the file held when it was read or written last, or nothing before: other processes of
    /// the vault write it. An empty file is a damaged mark, and not the same as none.
    file: Option<Vec<u8>>,
    written: i64,
}

/// Whether the kernel says how long this host is up. Where it does not, another clock is asked each
/// time.
pub fn kernel_tells() -> bool {
    boot().is_some()
}

/// Seconds since boot and the boot's id, from the kernel: no library call that a preloaded library
/// could answer.
fn boot() -> Option<(i64, String)> {
    let up = std::fs::read_to_string("/proc/uptime").ok()?;
    let up = up.split('.').next()?.trim().parse().ok()?;
    Some((up, std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned()))
}

/// What this host's clock says.
///
/// # Errors
/// It says a moment that no date can be written for.
#[allow(clippy::disallowed_methods)] // the vault always has real time
pub fn host_time() -> Result<Timestamp, Error> {
    let now = Timestamp::try_from(std::time::SystemTime::now()).ok();
    now.filter(|at| *at >= Timestamp::UNIX_EPOCH).ok_or_else(|| {
        Error::Clock("this host says a time before 1970 or after 9999; set its clock right".into())
    })
}

/// What one NTP server says, in seconds since 1970.
fn ask_ntp(server: &str) -> Result<i64, String> {
    let mut client = rsntp::SntpClient::new();
    client.set_timeout(Duration::from_secs(3));
    let answer = client.synchronize(server).map_err(|e| e.to_string())?;
    let since = answer.datetime().unix_timestamp().map_err(|e| e.to_string())?;
    i64::try_from(since.as_secs()).map_err(|e| e.to_string())
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match read_regular(path, MARK_BYTES_MAX) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::file(path, e)),
    }
}

impl TrustedClock {
    /// Opens the mark. `ntp` are servers that are asked as well.
    pub fn open(path: &Path, ntp: Vec<String>) -> Result<Self, Error> {
        let mut state = Kept { mark: Record::new(Mark::default()), file: None, written: 0 };
        state.refresh(path)?;
        Ok(Self {
            path: path.to_owned(),
            state: Mutex::new(state),
            ntp,
            asked: Mutex::new(None),
            silent: Mutex::new(None),
        })
    }

    /// NTP servers that did not answer when they were asked last, and why; nothing when this object
    /// did not ask them.
    pub fn silent(&self) -> Option<Vec<(String, String)>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When another clock said the same last, or custodians did; nothing when none ever did.
    ///
    /// # Errors
    /// When the mark cannot be read.
    pub fn last_agreed(&self) -> Result<Option<Timestamp>, Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.refresh(&self.path)?;
        Ok(state.mark.value.agreed.and_then(|a| Timestamp::from_second(a.to).ok()))
    }

    /// Now, when it is to be believed.
    ///
    /// `others` are other clocks with their names (the S3 server's, say); `latest` is the latest
    /// moment that the vault's log knows; `vouched` the moment that custodians last signed.
    pub fn now(
        &self,
        others: &[(String, Timestamp)],
        latest: Timestamp,
        vouched: Option<Timestamp>,
    ) -> Result<Timestamp, Error> {
        Ok(self.tell(others, latest, vouched, false)?.0)
    }

    /// Now, when another clock that is asked in this call says the same; nothing when none says
    /// anything. `others` must have been asked for it.
    ///
    /// # Errors
    /// When the clock is not to be believed.
    pub fn agreed(
        &self,
        others: &[(String, Timestamp)],
        latest: Timestamp,
        vouched: Option<Timestamp>,
    ) -> Result<Option<Agreed>, Error> {
        let (now, agrees) = self.tell(others, latest, vouched, true)?;
        Ok(agrees.then_some(Agreed(now)))
    }

    /// Remembers when an order was written by which custodians may vouch for the clock: what passes
    /// until it is carried out is known then.
    pub fn asked(&self, at: Timestamp) -> Result<(), Error> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.refresh(&self.path)?;
        let reading = |(uptime_s, boot)| Reading { at: at.as_second(), uptime_s, boot };
        state.mark.value.asked = boot().map(reading);
        state.mark.value.v = Some(Mark::VERSION);
        state.write(&self.path)
    }

    /// Whether the moment that custodians signed can be this host's, so much later.
    pub fn may_vouch(&self, signed: Timestamp) -> Result<(), Error> {
        let second = host_time()?.as_second();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.refresh(&self.path)?;
        let vouched = Some(signed.as_second());
        let told = Told { second, boot: boot(), latest: 0, vouched, agrees: false };
        match state.mark.value.vouched_for(&told).map_err(Error::Clock)? {
            Some(next) => next.bear().map_err(Error::Clock),
            None => Err(Error::Clock(format!(
                "custodians signed {signed:.0}, which is not now; write the order anew"
            ))),
        }
    }

    fn tell(
        &self,
        others: &[(String, Timestamp)],
        latest: Timestamp,
        vouched: Option<Timestamp>,
        anew: bool,
    ) -> Result<(Timestamp, bool), Error> {
        let now = host_time()?;
        let second = now.as_second();
        for (name, other) in others {
            if Agreed::of(now, *other).is_none() {
                return Err(Error::Clock(format!(
                    "this host says {now:.0}, {name} says {other:.0}"
                )));
            }
        }
        let agreeing = others.len() + self.ntp_agree(second, anew)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.refresh(&self.path)?;
        let told = Told {
            second,
            boot: boot(),
            latest: latest.as_second(),
            vouched: vouched.map(Timestamp::as_second),
            agrees: agreeing > 0,
        };
        let next = state.mark.value.after(&told).map_err(Error::Clock)?;
        let agrees = told.agrees || next.custodians_agree(&told);
        state.mark.value = next;
        // Either way: custodians may have set back a mark that was ahead.
        if (state.mark.seen - state.written).abs() >= WRITE_EVERY_S {
            state.write(&self.path)?;
        }
        Ok((now, agrees))
    }

    /// How many NTP servers agree. An answer of this minute is as good as another, since thousands
    /// of objects come in one; but only where none disagreed, one that did is asked at each call,
    /// and where something is to be freed, all are.
    #[allow(clippy::disallowed_methods)]
    fn ntp_agree(&self, second: i64, anew: bool) -> Result<usize, Error> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, agreed)) = *asked
            && when.elapsed() < Duration::from_secs(60)
            && !anew
        {
            return Ok(agreed);
        }
        *asked = None;
        let (mut agreed, mut silent) = (0, Vec::new());
        for server in &self.ntp {
            match ask_ntp(server) {
                Ok(other) if (other - second).abs() > APART_MAX_S => {
                    return Err(Error::Clock(format!(
                        "this host is {} s away from the NTP server {server}",
                        second - other
                    )));
                }
                Ok(_) => agreed += 1,
                Err(e) => {
                    tracing::warn!("the NTP server {server} does not answer: {e}");
                    silent.push((server.clone(), e));
                }
            }
        }
        *self.silent.lock().unwrap_or_else(PoisonError::into_inner) = Some(silent);
        *asked = Some((std::time::Instant::now(), agreed));
        Ok(agreed)
    }
}

impl Kept {
    /// Takes the mark of another process, when one wrote it: drift counts by whomever it was seen.
    fn refresh(&mut self, path: &Path) -> Result<(), Error> {
        let known = self.file.as_ref();
        let Some(bytes) = read(path)?.filter(|b| Some(b) != known) else { return Ok(()) };
        self.mark = Record::from_bytes(&bytes).map_err(|e| Error::file(path, e))?;
        self.file = Some(bytes);
        Ok(())
    }

    fn write(&mut self, path: &Path) -> Result<(), Error> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let tmp = path.with_extension(format!("new-{}-{n}", std::process::id()));
        let json = self.mark.to_bytes().map_err(|e| Error::Request(e.to_string().into()))?;
        let written = (|| {
            let mut file = std::fs::File::create(&tmp)?;
            file.write_all(&json)?;
            file.sync_all()?;
            std::fs::rename(&tmp, path)?;
            match path.parent() {
                Some(dir) => std::fs::File::open(dir)?.sync_all(),
                None => Ok(()),
            }
        })();
        // A disk that is full gets no fuller by each attempt.
        if written.is_err() {
            let _ = std::fs::remove_file(&tmp);
        }
        written.map_err(|e| Error::file(path, e))?;
        (self.file, self.written) = (Some(json), self.mark.seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
