//! What the configuration file says of a school's protection, as it was in force at the last run on
//! this host: whoever edits the file to protect less is told, and approved of like whoever asks for
//! it by a command.
//!
//! The file is read by each run and can be edited by hand, so nothing keeps a weaker one from being
//! there. It is held against what was noted, and is noted itself once nobody has to say anything
//! about it any more.

use crate::{
    Error, FoundAlarm, Kind, School,
    approvers::{self, Approvals, Approves},
    duty::Duty,
    files::{secrets, written},
};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::ErrorKind,
    path::PathBuf,
};
use strongroom_model::{Record, Stored, Untrusted, canonical};
use strongroom_objects::{SETTINGS_BYTES_MAX, read_regular};

/// The note, in the school's folder of what this host remembers.
const FILE: &str = "protection.json";
/// Longer than any such note.
const BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Who finds that less is protected.
const FOUND_BY: &str = "protection";
/// How long an approval of a weaker configuration waits for a run.
const APPROVED_FOR: SignedDuration = SignedDuration::from_hours(14 * 24);

/// What a configuration file says of a school's protection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct InForce {
    /// Format version.
    v: u32,
    /// The tenant.
    tenant: String,
    /// What is read of it: workloads, and `holds`.
    reads: BTreeSet<String>,
    /// Older versions of a file that are fetched.
    versions_max: u64,
    /// Periods of which a snapshot is kept, by name. Absent where nothing is ever forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    keeps: Option<BTreeMap<String, u64>>,
    /// Whether it has a vault.
    vault: bool,
    /// What this host owes it, and within how many hours.
    owes: BTreeMap<String, u64>,
    /// Whether alarms are told to a program.
    tells: bool,
    /// SHA-256 of its exceptions file. Absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    exceptions: Option<String>,
    /// The keys of those whose decisions are signed, by name.
    people: BTreeMap<String, String>,
}

impl Stored for InForce {
    const NAME: &'static str = "what was protected at the last run (protection.json)";
}

/// A configuration that protects less than the one that was in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Weaker {
    /// What names the change when somebody approves of it.
    pub id: String,
    /// What is less, a sentence each.
    pub says: Vec<String>,
    /// How many approvals it takes still. None where one person acts alone: it is told once.
    pub lacks: usize,
}

impl InForce {
    fn of(school: &School) -> Result<Self, Error> {
        let (config, tenant) = (school.config(), school.tenant());
        let backup = &tenant.backup;
        let mut reads: BTreeSet<String> =
            strongroom_workloads::ALL.iter().map(|w| w.profile().name.to_owned()).collect();
        for (name, is_read) in [("mail", backup.mail), ("drives", backup.drives)] {
            if !is_read {
                reads.remove(name);
            }
        }
        reads.retain(|name| !backup.without.contains(name));
        reads.extend(backup.holds.then(|| "holds".to_owned()));
        let policy = config.repository(&tenant.repository)?.retention.as_ref();
        let keeps = policy.map(|p| {
            let rows = [
                ("hours in which everything is kept", p.within_hours),
                ("hourly snapshots", p.hourly),
                ("daily snapshots", p.daily),
                ("weekly snapshots", p.weekly),
                ("monthly snapshots", p.monthly),
                ("yearly snapshots", p.yearly),
            ];
            rows.into_iter().map(|(name, n)| (name.to_owned(), u64::from(n))).collect()
        });
        let nightly = &config.nightly;
        let hours = |duty: Duty| match duty {
            Duty::Check => u64::from(nightly.check_days) * 24,
            _ => u64::from(nightly.every_hours),
        };
        let all = [Duty::Backup, Duty::Settings, Duty::Replicate, Duty::Check];
        let owed = all.into_iter().filter(|duty| {
            hours(*duty) > 0 && !nightly.without.iter().any(|name| name == duty.name())
        });
        let exceptions = match &tenant.exceptions {
            None => None,
            Some(file) => {
                let path = config.path(file);
                let bytes = read_regular(&path, SETTINGS_BYTES_MAX).map_err(|e| {
                    let what = format!("the exceptions file {} cannot be read", path.display());
                    Error::because(Kind::Files, what, e)
                })?;
                Some(hex::encode(Sha256::digest(bytes)))
            }
        };
        Ok(Self {
            v: Self::VERSION,
            tenant: tenant.tenant_id.trim().to_lowercase(),
            reads,
            versions_max: backup.versions_max as u64,
            keeps,
            vault: tenant.vault.is_some(),
            owes: owed.map(|duty| (duty.name().to_owned(), hours(duty))).collect(),
            tells: !school.alarm_command().is_empty(),
            exceptions,
            people: config
                .persons
                .iter()
                .map(|p| (p.name.clone(), p.public_key.trim().to_owned()))
                .collect(),
        })
    }

    /// What is less now, a sentence each.
    fn less_in(&self, now: &InForce) -> Vec<String> {
        let mut out = Vec::new();
        for name in self.reads.difference(&now.reads) {
            out.push(match name.as_str() {
                "holds" => "holds of the tenant are not watched any more".to_owned(),
                name => format!("{} is not backed up any more", Untrusted::from(name).quoted()),
            });
        }
        let mut fewer = |what: &str, before: u64, now: u64| {
            if now < before {
                let what = Untrusted::from(what);
                out.push(format!("{}: {now}, and {before} before", what.quoted()));
            }
        };
        fewer("older versions of a file", self.versions_max, now.versions_max);
        match (&self.keeps, &now.keeps) {
            (_, None) => {}
            (None, Some(_)) => {
                out.push("snapshots may be forgotten, and none was before".to_owned());
            }
            (Some(before), Some(now)) => before.iter().for_each(|(what, n)| {
                fewer(what, *n, now.get(what).copied().unwrap_or_default());
            }),
        }
        if self.vault && !now.vault {
            out.push("it has no vault any more".to_owned());
        }
        for (duty, hours) in &self.owes {
            let duty_line = Untrusted::from(duty);
            match now.owes.get(duty) {
                None => {
                    out.push(format!("this host owes no {} any more", duty_line.quoted()));
                }
                Some(now) if now > hours => out.push(format!(
                    "a {} is owed every {now} hours, and every {hours} before",
                    duty_line.quoted()
                )),
                Some(_) => {}
            }
        }
        if self.tells && !now.tells {
            out.push("alarms are told to no program any more".to_owned());
        }
        if now.exceptions.is_some() && now.exceptions != self.exceptions {
            out.push("the exceptions file is another".to_owned());
        }
        for (name, key) in &self.people {
            let who = Untrusted::from(name);
            match now.people.get(name) {
                None => out.push(format!("decisions of {} take no signature", who.quoted())),
                Some(now) if now != key => {
                    out.push(format!("decisions of {} take another key", who.quoted()));
                }
                Some(_) => {}
            }
        }
        out
    }
}

fn note(school: &School) -> Result<PathBuf, Error> {
    Ok(school.state()?.join(FILE))
}

/// What was in force at the last run. None where this is the first.
fn noted(school: &School) -> Result<Option<InForce>, Error> {
    let path = note(school)?;
    if let Err(e) = path.symlink_metadata()
        && e.kind() == ErrorKind::NotFound
    {
        return Ok(None);
    }
    let accounts = &school.host().accounts;
    let unread = |e| Error::because(Kind::Files, format!("{} cannot be used", path.display()), e);
    let bytes = secrets::read_decisive(&path, BYTES_MAX, accounts).map_err(unread)?;
    let noted = Record::<InForce>::from_bytes(&bytes).map_err(|e| unread(e.into()))?;
    // The school of that name may be another tenant now.
    let tenant = school.tenant().tenant_id.trim().to_lowercase();
    Ok(Some(noted.value).filter(|noted| noted.tenant == tenant))
}

fn keep(school: &School, now: InForce) -> Result<(), Error> {
    let path = note(school)?;
    let bytes = Record::new(now).to_bytes()?;
    written::put_durably(&path, &bytes).map_err(|e| {
        Error::because(Kind::Files, format!("{} cannot be written", path.display()), e)
    })
}

/// Holds the configuration of a school against what was in force on this host at the last run.
/// Where it protects less, answers so: once where one person acts alone, and for as long as nobody
/// approves of it where the school has approvers.
///
/// # Errors
/// [`Kind::Files`], where what was in force is not known any more, or cannot be noted;
/// [`Kind::Refused`], where it is not known who approves.
pub fn look(school: &School) -> Result<Option<Weaker>, Error> {
    look_at(school, Keep::Yes)
}

/// The same, and nothing is noted: for who only looks.
///
/// # Errors
/// As [`look`].
pub fn glance(school: &School) -> Result<Option<Weaker>, Error> {
    look_at(school, Keep::No)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Yes,
    No,
}

fn look_at(school: &School, how: Keep) -> Result<Option<Weaker>, Error> {
    let now = InForce::of(school)?;
    let before = noted(school)?;
    if before.as_ref() == Some(&now) {
        return Ok(None);
    }
    let says = before.as_ref().map(|before| before.less_in(&now)).unwrap_or_default();
    let weaker = match says.is_empty() {
        true => None,
        false => {
            let internal = |e| Error::because(Kind::Internal, "a configuration is no JSON", e);
            let both = serde_json::to_value((&before, &now)).map_err(internal)?;
            let id = hex::encode(Sha256::digest(canonical(&both).map_err(internal)?));
            let approvals = Approvals::of_school(school)?;
            let lacks = approvals.lacks_of(&id, school.now());
            // What was approved of is in force.
            let stands = approvals.is_alone() || lacks > 0;
            stands.then_some(Weaker { id, says, lacks })
        }
    };
    if how == Keep::Yes && weaker.as_ref().is_none_or(|w| w.lacks == 0) {
        keep(school, now)?;
    }
    Ok(weaker)
}

/// The same, told as an alarm of the school as long as it stands.
///
/// # Errors
/// As [`look`]; that is told too.
pub fn look_and_tell(school: &School) -> Result<Option<Weaker>, Error> {
    let found = look(school);
    let text = match &found {
        Ok(None) => None,
        Ok(Some(weaker)) => Some(weaker.says.join("; ")),
        Err(e) => Some(e.sentence()),
    };
    let alarms: Vec<FoundAlarm> =
        text.into_iter().map(|text| FoundAlarm::high("weakened", "", text)).collect();
    school.tell(FOUND_BY, &alarms);
    found
}

/// Keeps that somebody approves of a weaker configuration. Answers how many more it takes.
///
/// # Errors
/// [`Kind::Refused`], where their approval would not count; [`Kind::Request`], where none waits.
pub fn approve(school: &School, weaker: &Weaker, how: Approves<'_>) -> Result<usize, Error> {
    let last = school.now().saturating_add(APPROVED_FOR).unwrap_or(school.now());
    let says = weaker.says.join("; ");
    approvers::approve_of(school, (&weaker.id, &says), last, how)?;
    Ok(Approvals::of_school(school)?.lacks_of(&weaker.id, school.now()))
}
