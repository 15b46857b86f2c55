//! Alarms that stand in a school's newest snapshot, and people who looked at them.
//!
//! [`look`] finds them, [`acknowledge`] keeps that somebody looked at those that were named, and
//! the next backup closes what was looked at ([`looked_at`]), as it was then: an alarm that was
//! raised again since, or another that nobody named, stands.

use crate::{Error, Kind, School, decisions, listed::Shown, place::Doing, status::alarms_of};
use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use std::{collections::BTreeSet, fmt, path::Path, str::FromStr};
use strongroom_engine::{AcknowledgedAlarm, StandingAlarm, passing_alarms, standing_alarms};
use strongroom_model::{
    Ending, Untrusted,
    decision::{Decided, Decision, DecisionKind},
};

/// What names alarms: their kind, or a kind and what it is about. `KIND` or `KIND@SUBJECT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmName {
    kind: String,
    subject: Option<String>,
}

impl FromStr for AlarmName {
    type Err = &'static str;

    /// No kind has an `@`, and the names of people have.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, subject) = match text.split_once('@') {
            Some((kind, subject)) => (kind, Some(subject)),
            None => (text, None),
        };
        let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if kind.is_empty() || !kind.bytes().all(is_letter) || subject == Some("") {
            return Err("an alarm is named KIND, or KIND@SUBJECT, as the list of alarms has them");
        }
        Ok(Self { kind: kind.to_owned(), subject: subject.map(str::to_owned) })
    }
}

impl fmt::Display for AlarmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Some(subject) => write!(f, "{}@{}", self.kind, Untrusted::from(subject).line()),
            None => f.write_str(&self.kind),
        }
    }
}

/// Who looked at an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Looked {
    /// Who.
    pub by: String,
    /// What came of it.
    pub reason: String,
    /// The last day on which the alarm is borne; without one the next backup closes it.
    pub until: Option<Date>,
}

/// How an alarm ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ends {
    /// Somebody looks at it and says so; the next backup closes it.
    Acknowledged,
    /// The next backup finds it over, or makes of it one that is acknowledged.
    Backup,
    /// A check of the same data, or of all, finds it over.
    Check,
    /// Copy 3 is brought up to date without one.
    Replicate,
    /// The configuration protects as much again, or two approve of it.
    Configuration,
    /// Somebody decides about the change, or the settings are as before.
    Review,
}

impl Ends {
    /// That of a kind that no list of a backup has.
    fn of(kind: &str) -> Self {
        match kind {
            "damage" => Ends::Check,
            "copy-3" => Ends::Replicate,
            "weakened" => Ends::Configuration,
            "changed" => Ends::Review,
            _ => Ends::Backup,
        }
    }
}

/// An alarm that stands, as a list shows it. The names are those of the vault's list.
#[derive(Debug, Clone, Serialize)]
pub struct ListedAlarm {
    /// A short code.
    pub kind: String,
    /// What it is about: whose, and of which workload, where it is of one.
    pub subject: Untrusted,
    /// Whose.
    #[serde(skip)]
    scope: Untrusted,
    /// One sentence.
    pub text: Untrusted,
    /// When a backup raised it first.
    pub since: Timestamp,
    /// When a backup raised it last.
    pub last: Timestamp,
    /// Who looked at it as it is now.
    pub acknowledged: Option<Looked>,
    /// Whether nobody did.
    pub open: bool,
    /// How it ends.
    pub ends: Ends,
}

impl ListedAlarm {
    /// Whether somebody can acknowledge it; any other ends by what it tells being mended.
    pub fn is_acknowledged(&self) -> bool {
        self.ends == Ends::Acknowledged
    }

    fn shown(&self) -> Shown {
        let (kind, subject) = (self.kind.clone(), self.subject.as_str().to_owned());
        Shown { kind, subject, last: self.last }
    }

    /// What names it.
    pub fn name(&self) -> AlarmName {
        let subject = self.subject.as_str().to_owned();
        AlarmName { kind: self.kind.clone(), subject: Some(subject) }
    }
}

/// The alarms of a school that stand.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    /// The alarms, in the order in which they were raised.
    pub alarms: Vec<ListedAlarm>,
    /// What there is to tell of the place that keeps decisions.
    pub told: Vec<String>,
}

impl Listed {
    /// An alarm for as long as nobody looked at one.
    pub fn ending(&self) -> Ending {
        if self.alarms.iter().any(|a| a.open) { Ending::Alarm } else { Ending::Done }
    }

    /// Those that a name means: all of a kind; of a subject the one that is called so, or else the
    /// only one that is of this person.
    fn meant(&self, name: &AlarmName) -> Result<Vec<&ListedAlarm>, Error> {
        let of = |is_it: &dyn Fn(&ListedAlarm) -> bool| {
            let of_kind = self.alarms.iter().filter(|a| a.kind == name.kind);
            of_kind.filter(|a| is_it(a)).collect::<Vec<_>>()
        };
        let called = |all: &[&ListedAlarm]| {
            all.iter().map(|a| a.name().to_string()).collect::<Vec<_>>().join(", ")
        };
        let mut meant = match &name.subject {
            None => of(&|_| true),
            Some(subject) => of(&|a| a.subject == *subject),
        };
        if let (true, Some(person)) = (meant.is_empty(), &name.subject) {
            meant = of(&|a| a.scope == *person);
            if meant.len() > 1 {
                let what = format!("{name} could be several: {}; name which", called(&meant));
                return Err(Error::new(Kind::Request, what));
            }
        }
        if meant.is_empty() {
            let what = match self.alarms.as_slice() {
                [] => format!("no alarm {name} stands, and no other"),
                all => {
                    let all: Vec<&ListedAlarm> = all.iter().collect();
                    format!("no alarm {name} stands; these do: {}", called(&all))
                }
            };
            return Err(Error::new(Kind::Request, what));
        }
        Ok(meant)
    }
}

/// Looks which alarms stand, by the newest snapshot of a school's data and by what this host noted,
/// and which of them somebody acknowledged: all that is called an alarm of a school anywhere.
///
/// # Errors
/// Those of opening copy 2, and of reading decisions.
pub async fn look(school: &School) -> Result<Listed, Error> {
    let repo = school.copy2()?.open(Doing::Looking).await?;
    let tenant = school.name().to_owned();
    let read = tokio::task::spawn_blocking(move || -> Result<_, strongroom_engine::Error> {
        Ok((standing_alarms(&repo, &tenant)?, passing_alarms(&repo, &tenant)?))
    });
    let (standing, passing) = read.await.map_err(Error::stopped)??;
    let kept = decisions::counted(school)?;
    let today = school.today();
    let listed = |seen: StandingAlarm| {
        let acknowledged = kept.decisions.iter().rev().find_map(|d| {
            let is_it = of_decision(d).is_some_and(|a| seen.is(&a)) && d.holds_on(today);
            let (by, reason) = (d.by().to_owned(), d.reason.clone());
            is_it.then_some(Looked { by, reason, until: d.until })
        });
        ListedAlarm {
            kind: seen.row.code().to_owned(),
            subject: seen.row.subject().into(),
            scope: seen.row.scope().into(),
            text: seen.row.sentence(),
            since: seen.since,
            last: seen.last,
            open: acknowledged.is_none(),
            acknowledged,
            ends: Ends::Acknowledged,
        }
    };
    let mut alarms: Vec<ListedAlarm> = standing.into_iter().map(listed).collect();
    let passes =
        |seen| ListedAlarm { acknowledged: None, open: true, ends: Ends::Backup, ..listed(seen) };
    alarms.extend(passing.into_iter().map(passes));
    // What is told of a school as an alarm and stands in no list of a backup.
    let listed: BTreeSet<String> = alarms.iter().map(|a| a.kind.clone()).collect();
    for row in alarms_of(school).await.into_iter().filter(|row| row.open) {
        if listed.contains(&row.kind) {
            continue;
        }
        let subject = row.subject.unwrap_or_else(|| school.name().to_owned());
        let at = row.since.unwrap_or_else(|| school.now());
        alarms.push(ListedAlarm {
            ends: Ends::of(&row.kind),
            kind: row.kind,
            scope: subject.as_str().into(),
            subject: subject.into(),
            text: row.text.into(),
            since: at,
            last: at,
            acknowledged: None,
            open: true,
        });
    }
    Ok(Listed { alarms, told: kept.told })
}

/// The same, for somebody to see: what is acknowledged by its name is what was shown so.
///
/// # Errors
/// As [`look`]; [`Kind::Files`], where it cannot be kept what was shown.
pub async fn list(school: &School) -> Result<Listed, Error> {
    let found = look(school).await?;
    school.keep_shown(found.alarms.iter().map(ListedAlarm::shown).collect())?;
    Ok(found)
}

/// Refuses names of alarms that nobody was shown as they are now: another was raised since, or the
/// same again.
///
/// # Errors
/// [`Kind::Request`].
pub fn as_shown(school: &School, found: &Listed, names: &[AlarmName]) -> Result<(), Error> {
    let shown = school.shown()?;
    for name in names {
        for alarm in found.meant(name)? {
            if alarm.is_acknowledged() && !shown.contains(&alarm.shown()) {
                let what = format!(
                    "{} was raised at {:.0}, and nobody was shown it so: {}",
                    alarm.name(),
                    alarm.last,
                    alarm.text.line()
                );
                return Err(Error::new(Kind::Request, what).with(crate::Remedy::ListAlarms));
            }
        }
    }
    Ok(())
}

/// That somebody looked at alarms.
#[derive(Debug, Clone, Copy)]
pub struct Acknowledgement<'a> {
    /// Who.
    pub by: &'a str,
    /// What came of it.
    pub reason: &'a str,
    /// The last day on which they are borne: they stand until then and keep no snapshot from being
    /// clean. Without one the next backup closes them.
    pub until: Option<Date>,
    /// The file of the person's key; needed where the configuration names their public key.
    pub key_file: Option<&'a Path>,
}

/// Keeps that somebody looked at the alarms that are named, as they were found, and at no other.
/// Answers those.
///
/// # Errors
/// [`Kind::Request`], where a name is that of no alarm that stands, or nobody and nothing is said;
/// what keeping a decision has. Nothing is kept then.
pub fn acknowledge<'a>(
    school: &School,
    found: &'a Listed,
    names: &[AlarmName],
    said: Acknowledgement<'_>,
) -> Result<Vec<&'a ListedAlarm>, Error> {
    let mut named: Vec<&ListedAlarm> = Vec::new();
    for name in names {
        for alarm in found.meant(name)? {
            if !alarm.is_acknowledged() {
                let what = format!(
                    "{} ends when what it tells is mended, and not by being acknowledged",
                    alarm.name()
                );
                return Err(Error::new(Kind::Request, what));
            }
            if !named.iter().any(|a| std::ptr::eq(*a, alarm)) {
                named.push(alarm);
            }
        }
    }
    let made = named.iter().map(|a| Decision {
        says: Some(a.text.as_str().to_owned()),
        seen: Some(a.last),
        person: Some(said.by.to_owned()),
        from: Some(school.now()),
        until: said.until,
        ..Decision::new(
            DecisionKind::Acknowledgement,
            format!("{}{AT}{}", a.kind, a.subject.as_str()),
            said.reason,
        )
    });
    decisions::keep(school, made.collect(), said.key_file)?;
    Ok(named)
}

/// Between the two halves of an acknowledgement's subject.
const AT: &str = " at ";

/// What an acknowledgement says was looked at. Those of the first programs name no time: what they
/// closed is closed.
fn of_decision(d: &Decision) -> Option<AcknowledgedAlarm> {
    if d.kind != DecisionKind::Acknowledgement || d.decided != Decided::Accepted {
        return None;
    }
    let (code, scope) = d.subject.split_once(AT)?;
    Some(AcknowledgedAlarm {
        code: code.to_owned(),
        scope: scope.to_owned(),
        text: d.says.clone()?,
        last: d.seen?,
        until: d.until,
    })
}

/// The alarms that decisions say were looked at: what a backup closes, or bears.
pub fn looked_at(decisions: &[Decision]) -> Vec<AcknowledgedAlarm> {
    decisions.iter().filter_map(of_decision).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_named_by_its_kind_and_what_it_is_about() {
        let name: AlarmName = "encryption@ann@school.example".parse().unwrap();
        assert_eq!(name.subject.as_deref(), Some("ann@school.example"));
        assert_eq!(name.to_string(), "encryption@ann@school.example");
        assert_eq!("mass-delete".parse::<AlarmName>().unwrap().subject, None);
        for wrong in ["", "@ann", "encryption@", "two words", "Encryption"] {
            assert!(wrong.parse::<AlarmName>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn who_names_one_means_one() {
        let alarm = |kind: &str, scope: &str, workload: Option<&str>| ListedAlarm {
            kind: kind.into(),
            subject: workload.map_or(scope.to_owned(), |w| format!("{scope}/{w}")).into(),
            scope: scope.into(),
            text: "x".into(),
            since: Timestamp::UNIX_EPOCH,
            last: Timestamp::UNIX_EPOCH,
            acknowledged: None,
            open: true,
            ends: Ends::Acknowledged,
        };
        let alarms = vec![
            alarm("mailbox-purge", "ann@x", Some("mail")),
            alarm("mailbox-purge", "ann@x", Some("calendars")),
            alarm("mailbox-purge", "ben@x", Some("mail")),
            alarm("mass-delete", "ann@x", None),
            alarm("mass-delete", "ann@x", Some("drives")),
        ];
        let found = Listed { alarms, told: Vec::new() };
        let meant = |name: &str| found.meant(&name.parse().unwrap()).map(|all| all.len());
        for (name, n) in [
            ("mailbox-purge", 3),
            ("mailbox-purge@ann@x/mail", 1),
            ("mailbox-purge@ann@x/calendars", 1),
            ("mailbox-purge@ben@x", 1),
            // What an older program wrote is called by the person alone.
            ("mass-delete@ann@x", 1),
            ("mass-delete@ann@x/drives", 1),
        ] {
            assert_eq!(meant(name).unwrap(), n, "{name}");
        }
        for (name, says) in [
            ("mailbox-purge@ann@x", "mailbox-purge@ann@x/calendars"),
            ("mailbox-purge@cid@x", "no alarm mailbox-purge@cid@x stands"),
            ("encryption", "no alarm encryption stands"),
        ] {
            let error = meant(name).unwrap_err().to_string();
            assert!(error.contains(says), "{name}: {error}");
        }
    }

    #[test]
    fn what_the_first_programs_acknowledged_closes_nothing_again() {
        let mut d = Decision::new(DecisionKind::Acknowledgement, "encryption at ann", "seen");
        d.says = Some("ann: 3 files became ciphertext".to_owned());
        assert!(looked_at(std::slice::from_ref(&d)).is_empty());
        d.seen = Some(Timestamp::UNIX_EPOCH);
        assert_eq!(looked_at(std::slice::from_ref(&d))[0].scope, "ann");
        d.decided = Decided::Rejected;
        assert!(looked_at(&[d]).is_empty());
    }
}
