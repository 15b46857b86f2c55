//! Time that nobody can turn: the system's clock, held against a mark that only grows, against the
//! time since boot, and against other clocks.

use crate::Error;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};
use strongroom_model::{Record, Stored};

/// How far two clocks may be apart.
pub(crate) const APART_MAX_S: i64 = 300;
/// A gap between two runs on different boots that needs a second clock or custodians to be
/// believed.
pub(crate) const GAP_MAX_S: i64 = 14 * 86_400;
/// The mark is written when it is this old.
const WRITE_EVERY_S: i64 = 60;

/// What was last known of time.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Mark {
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
}

impl Stored for Mark {
    const NAME: &'static str = "the clock's mark";
}

/// A clock that is believed only where several agree.
pub struct TrustedClock {
    path: PathBuf,
    mark: Mutex<(Record<Mark>, i64)>,
    ntp: Vec<String>,
    /// When the NTP servers were asked last and none disagreed, and how many agreed.
    asked: Mutex<Option<(std::time::Instant, usize)>>,
}

/// Seconds since boot and the boot's id, from the kernel: no library call that a preloaded library
/// could answer.
fn boot() -> Option<(i64, String)> {
    let up = std::fs::read_to_string("/proc/uptime").ok()?;
    let up = up.split('.').next()?.trim().parse().ok()?;
    Some((up, std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned()))
}

/// What one NTP server says, in seconds since 1970.
fn ask_ntp(server: &str) -> Result<i64, String> {
    let mut client = rsntp::SntpClient::new();
    client.set_timeout(Duration::from_secs(3));
    let answer = client.synchronize(server).map_err(|e| e.to_string())?;
    let since = answer.datetime().unix_timestamp().map_err(|e| e.to_string())?;
    i64::try_from(since.as_secs()).map_err(|e| e.to_string())
}

impl TrustedClock {
    /// Opens the mark. `ntp` are servers that are asked as well.
    pub fn open(path: &Path, ntp: Vec<String>) -> Result<Self, Error> {
        let mark = match std::fs::read(path) {
            Ok(bytes) => Record::from_bytes(&bytes).map_err(|e| Error::file(path, e))?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Record::new(Mark::default()),
            Err(e) => return Err(Error::file(path, e)),
        };
        Ok(Self {
            path: path.to_owned(),
            mark: Mutex::new((mark, 0)),
            ntp,
            asked: Mutex::new(None),
        })
    }

    /// Now, when it is to be believed.
    ///
    /// `others` are other clocks with their names (the S3 server's, say); `latest` is the latest
    /// moment that the vault's log knows; `vouched` the moment at which custodians last said that
    /// the clock is right.
    pub fn now(
        &self,
        others: &[(String, Timestamp)],
        latest: Timestamp,
        vouched: Option<Timestamp>,
    ) -> Result<Timestamp, Error> {
        #[allow(clippy::disallowed_methods)] // the vault always has real time
        let now = Timestamp::now();
        let second = now.as_second();
        let mut agreeing = 0;
        for (name, other) in others {
            let apart = other.as_second() - second;
            if apart.abs() > APART_MAX_S {
                return Err(Error::Clock(format!(
                    "this host says {now:.0}, {name} says {other:.0}"
                )));
            }
            agreeing += 1;
        }
        agreeing += self.ntp_agree(second)?;
        let mut guard = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        let (mark, written) = &mut *guard;
        // Custodians said once that it was right at that moment; it goes on from there.
        let fresh = vouched
            .map(Timestamp::as_second)
            .filter(|v| mark.vouched.is_none_or(|used| *v > used))
            .filter(|v| (0..GAP_MAX_S).contains(&(second - v + APART_MAX_S)));
        if let Some(v) = fresh {
            mark.value = Mark { vouched: Some(v), ..Mark::default() };
        }
        let known = mark.seen.max(latest.as_second());
        if second + APART_MAX_S < known {
            return Err(Error::Clock(format!(
                "it went back by {} s: the vault has seen {:.0}",
                known - second,
                Timestamp::from_second(known).unwrap_or_default()
            )));
        }
        let boot = boot();
        // A mark that is gone is no new beginning: the log knows when the vault last worked.
        if known > 0 {
            match &boot {
                None if agreeing == 0 => {
                    return Err(Error::Clock(
                        "the kernel does not say how long this host is up (/proc/uptime), so \
                         nothing holds its clock, and no other clock says so either"
                            .into(),
                    ));
                }
                Some((up, id)) if mark.seen > 0 && *id == mark.boot => {
                    let (walked, passed) = (second - mark.seen, up - mark.uptime_s);
                    if (walked - passed).abs() > APART_MAX_S {
                        return Err(Error::Clock(format!(
                            "it moved by {walked} s while {passed} s passed"
                        )));
                    }
                }
                _ if second - known > GAP_MAX_S && agreeing == 0 => {
                    return Err(Error::Clock(format!(
                        "it is {} days later than when the vault last ran, and no other clock says \
                         so; name an NTP server, or let custodians sign that it is right",
                        (second - known) / 86_400
                    )));
                }
                _ => {}
            }
        }
        mark.seen = mark.seen.max(second);
        if let Some((up, id)) = boot {
            (mark.uptime_s, mark.boot) = (up - (second - mark.seen), id);
        }
        if mark.seen - *written >= WRITE_EVERY_S {
            self.write(mark)?;
            *written = mark.seen;
        }
        Ok(now)
    }

    /// How many NTP servers agree. An answer of this minute is as good as another, since thousands
    /// of objects come in one; but only where none disagreed: one that did is asked at each call.
    #[allow(clippy::disallowed_methods)]
    fn ntp_agree(&self, second: i64) -> Result<usize, Error> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, agreed)) = *asked
            && when.elapsed() < Duration::from_secs(60)
        {
            return Ok(agreed);
        }
        *asked = None;
        let mut agreed = 0;
        for server in &self.ntp {
            match ask_ntp(server) {
                Ok(other) if (other - second).abs() > APART_MAX_S => {
                    return Err(Error::Clock(format!(
                        "this host is {} s away from the NTP server {server}",
                        second - other
                    )));
                }
                Ok(_) => agreed += 1,
                Err(e) => tracing::warn!("the NTP server {server} does not answer: {e}"),
            }
        }
        *asked = Some((std::time::Instant::now(), agreed));
        Ok(agreed)
    }

    fn write(&self, mark: &Record<Mark>) -> Result<(), Error> {
        let tmp = self.path.with_extension("new");
        let json = mark.to_bytes().map_err(|e| Error::Request(e.to_string()))?;
        let written = (|| {
            let mut file = std::fs::File::create(&tmp)?;
            file.write_all(&json)?;
            file.sync_all()?;
            std::fs::rename(&tmp, &self.path)?;
            match self.path.parent() {
                Some(dir) => std::fs::File::open(dir)?.sync_all(),
                None => Ok(()),
            }
        })();
        written.map_err(|e| Error::file(&self.path, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(dir: &Path, seen: i64, uptime_s: i64, boot: &str) -> PathBuf {
        let path = dir.join("clock");
        std::fs::write(
            &path,
            serde_json::to_vec(&Mark { seen, uptime_s, boot: boot.into(), vouched: None }).unwrap(),
        )
        .unwrap();
        path
    }

    #[test]
    #[allow(clippy::disallowed_methods)]
    fn a_jump_in_either_direction_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let now = Timestamp::now().as_second();
        let (up, id) = boot().unwrap();
        let ask = |seen: i64, uptime: i64, boot: &str, others: &[(String, Timestamp)], vouched| {
            TrustedClock::open(&mark(dir.path(), seen, uptime, boot), vec![]).unwrap().now(
                others,
                Timestamp::UNIX_EPOCH,
                vouched,
            )
        };
        assert!(ask(now - 10, up - 10, &id, &[], None).is_ok());
        assert!(ask(now + 3600, up, "another boot", &[], None).is_err(), "it went back");
        assert!(ask(now - 86_400, up - 10, &id, &[], None).is_err(), "a day passed in ten seconds");
        assert!(
            ask(now - 86_400, up - 10, "another boot", &[], None).is_ok(),
            "a day switched off is a day"
        );
        let agrees = [("S3".to_owned(), Timestamp::now())];
        assert!(
            ask(now - 90 * 86_400, 5, "another boot", &[], None).is_err(),
            "90 days need a second clock"
        );
        assert!(ask(now - 90 * 86_400, 5, "another boot", &agrees, None).is_ok());
        assert!(
            ask(now - 90 * 86_400, 5, "another boot", &[], Some(Timestamp::now())).is_ok(),
            "or custodians"
        );
        let differs = [("S3".to_owned(), Timestamp::now() + jiff::SignedDuration::from_hours(1))];
        assert!(ask(now - 10, up - 10, &id, &differs, None).is_err());
        // What the log knows counts like the mark.
        let clock = TrustedClock::open(&dir.path().join("fresh"), vec![]).unwrap();
        assert!(
            clock.now(&[], Timestamp::now() + jiff::SignedDuration::from_hours(1), None).is_err()
        );
        let lately = Timestamp::now() - jiff::SignedDuration::from_hours(24 * 90);
        assert!(clock.now(&[], lately, None).is_err(), "a mark that is gone is no beginning");
        assert!(clock.now(&agrees, lately, None).is_ok());
        let clock = TrustedClock::open(&dir.path().join("other"), vec![]).unwrap();
        assert!(clock.now(&[], Timestamp::UNIX_EPOCH, None).is_ok());
        assert!(dir.path().join("fresh").exists(), "the mark is kept");
    }

    /// An NTP server of this host that is so many seconds ahead.
    fn ntp(ahead: i64) -> String {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let mut request = [0; 512];
            while let Ok((_, from)) = socket.recv_from(&mut request) {
                #[allow(clippy::disallowed_methods)]
                let second = Timestamp::now().as_second() + ahead + 2_208_988_800;
                let mut time = [0; 8];
                time[..4].copy_from_slice(&u32::try_from(second).unwrap().to_be_bytes());
                let mut answer = [0; 48];
                (answer[0], answer[1]) = (0x24, 1);
                answer[24..32].copy_from_slice(&request[40..48]);
                for at in [16, 32, 40] {
                    answer[at..at + 8].copy_from_slice(&time);
                }
                socket.send_to(&answer, from).unwrap();
            }
        });
        address
    }

    #[test]
    fn a_server_that_disagrees_goes_on_disagreeing() {
        let dir = tempfile::tempdir().unwrap();
        let open = |ahead: i64| {
            TrustedClock::open(&dir.path().join(format!("clock{ahead}")), vec![ntp(ahead)]).unwrap()
        };
        let good = open(0);
        assert!(good.now(&[], Timestamp::UNIX_EPOCH, None).is_ok());
        assert_eq!(good.asked.lock().unwrap().unwrap().1, 1);
        let bad = open(7_200);
        for call in 1..=3 {
            let said = bad.now(&[], Timestamp::UNIX_EPOCH, None);
            assert!(said.is_err_and(|e| e.to_string().contains("NTP")), "call {call}");
        }
    }
}
