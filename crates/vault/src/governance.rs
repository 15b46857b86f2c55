//! Who decides: enrolment by exchange of public keys, custodians, orders.

use crate::{
    AlarmStatus, Credential, CredentialRight, Refusal, RepoSettings, Vault, good_name, repo::Repo,
};
use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};
use strongroom_custody::{
    AcknowledgedHostAlarm, Custodian, Enrolment, EnrolmentCard, Ledger, LogEvent, Meaning,
    NO_SECOND_CLOCK, Order, OrderAction, ProbeResult, SignedOrder, SignerRole, SigningKey, Trust,
    TrustedClock, VaultPolicy, check_custodians, host_time, may_acknowledge, probe,
};
use strongroom_objects::{Key, Kind, SETTINGS_BYTES_MAX, read_regular_text};

/// What an enrolment takes.
#[derive(Debug, Clone)]
pub struct Enrol {
    /// The school's card.
    pub card: EnrolmentCard,
    /// The custodians.
    pub custodians: Vec<Custodian>,
    /// How many of them decide.
    pub quorum: usize,
    /// The policy of the first day.
    pub policy: VaultPolicy,
    /// How the vault reaches things.
    pub settings: RepoSettings,
    /// Names of credentials to make, and what they may do.
    pub credentials: Vec<(String, CredentialRight)>,
}

/// What an enrolment made: settings, tokens, what was found, and the clocks that did not answer.
type Enrolled = (RepoSettings, BTreeMap<String, String>, Vec<ProbeResult>, Vec<(String, String)>);

/// A file that only its owner reads, new.
pub fn write_private(path: &Path, text: &str) -> Result<(), Refusal> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let failed =
        |e: std::io::Error| Refusal::Bad(format!("{} cannot be made: {e}", path.display()));
    let mut file = std::fs::OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    let done = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    // Half a key is none, and would keep the whole one from being made.
    if done.is_err() {
        let _ = std::fs::remove_file(path);
    }
    done.map_err(failed)
}

pub(crate) fn write_seed(path: &Path, seed: &SecretBox<[u8; 32]>) -> Result<(), Refusal> {
    write_private(path, &format!("{}\n", hex::encode(seed.expose_secret())))
}

/// Reads a signing key's file.
pub fn read_seed(path: &Path) -> Result<SecretBox<[u8; 32]>, Refusal> {
    use std::os::unix::fs::PermissionsExt;
    let unread = |e| Refusal::Bad(format!("{} cannot be read: {e}", path.display()));
    let mode = path.metadata().map_err(unread)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Refusal::Bad(format!(
            "other accounts may read the signing key {0}; `chmod 600 {0}`, or make another one if \
             somebody may have",
            path.display()
        )));
    }
    let text = read_regular_text(path, SETTINGS_BYTES_MAX).map_err(unread)?;
    let mut seed = Box::new([0; 32]);
    hex::decode_to_slice(text.trim(), seed.as_mut())
        .map_err(|_| Refusal::Bad(format!("{} is no signing key", path.display())))?;
    Ok(SecretBox::new(seed))
}

/// Makes a custodian's key file and answers the public part.
pub fn new_custodian(name: &str, path: &Path) -> Result<Custodian, Refusal> {
    if name.trim().is_empty() || name.contains('=') {
        return Err(Refusal::Bad("a custodian has a name, without =".into()));
    }
    let key = SigningKey::to_new_file(path).map_err(|e| Refusal::Bad(e.to_string()))?;
    Ok(Custodian { name: name.to_owned(), key: key.public() })
}

/// Whether it has the form of an object's name, which an id of a repository has as well.
fn is_digest(name: &str) -> bool {
    Key::new(Kind::Keys, name).is_ok()
}

pub(crate) fn token() -> Result<String, Refusal> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| Refusal::Failed(e.to_string()))?;
    Ok(hex::encode(bytes))
}

impl Vault {
    /// Enrols a repository. Answers the tokens of its credentials, which are stored nowhere, and
    /// what was found about the place.
    pub fn enrol(
        &self,
        name: &str,
        what: Enrol,
    ) -> Result<(BTreeMap<String, String>, Vec<ProbeResult>), Refusal> {
        if !good_name(name) {
            return Err(Refusal::Bad(
                "a repository's name has lower-case letters, digits, dots and hyphens".into(),
            ));
        }
        let dir = self.dir.join(name);
        if dir.join("repo.toml").exists() {
            return Err(Refusal::Forbidden(format!(
                "{name} is enrolled already; nothing was changed"
            )));
        }
        what.policy.check()?;
        check_custodians(&what.custodians, what.quorum)?;
        if what.card.v != 1 {
            return Err(Refusal::Bad(format!(
                "the card has version {}; this program reads 1",
                what.card.v
            )));
        }
        if !is_digest(&what.card.repository) {
            return Err(Refusal::Bad(format!(
                "the card names no repository: {:.80?} is no id of one",
                what.card.repository
            )));
        }
        let alarms = what.settings.check(&dir, &what.card)?;
        std::fs::create_dir_all(&dir)?;
        let made = self.enrol_in(&dir, what, &alarms);
        match made {
            Ok((settings, tokens, findings, silent)) => {
                // The settings come last: a folder without them is no repository.
                settings.write(&dir.join("repo.toml"))?;
                self.note_clocks(name, &silent);
                let mut repo = Repo::open(&dir, &self.seed)?;
                self.lay(name, &mut repo)?;
                super::locked(&self.repos).insert(name.to_owned(), Arc::new(Mutex::new(repo)));
                self.raise(name, &alarms);
                Ok((tokens, findings))
            }
            Err(e) => {
                let _ = std::fs::remove_file(dir.join("school.pub"));
                let _ = std::fs::remove_dir(&dir);
                Err(e)
            }
        }
    }

    fn enrol_in(
        &self,
        dir: &Path,
        what: Enrol,
        alarms: &[(String, String)],
    ) -> Result<Enrolled, Refusal> {
        let mut settings = what.settings;
        let (store, bucket) = settings.open_hold(dir)?;
        let clock = TrustedClock::open(&dir.join("clock"), settings.ntp.clone())?;
        let now = crate::repo::ask(&clock, store.as_ref(), jiff::Timestamp::UNIX_EPOCH, None)?;
        let mut findings = match &bucket {
            Some(bucket) => probe(bucket, now)?,
            None => Vec::new(),
        };
        let mut one_clock = |text: String| {
            let probe = "a second clock".to_owned();
            findings.push(ProbeResult { probe, meaning: Meaning::WorkedAround, text });
        };
        for (server, why) in clock.silent().unwrap_or_default() {
            one_clock(format!("the NTP server {server} does not answer: {why}"));
        }
        if clock.last_agreed()?.is_none() {
            one_clock(NO_SECOND_CLOCK.into());
        }
        if let Some(bad) = findings.iter().find(|f| f.meaning == Meaning::Refused) {
            return Err(Refusal::Forbidden(format!(
                "{} cannot be a vault: {}: {}",
                store.location(),
                bad.probe,
                bad.text
            )));
        }
        let key = self.key()?;
        let trust = Trust::Keys(vec![
            (key.public(), SignerRole::Vault),
            (what.card.key, SignerRole::School),
        ]);
        let mut ledger = Ledger::open(store.clone(), Some(key), &trust, Some(dir))?;
        // The place may have been enrolled by this vault before, and its folder here lost: then the
        // log goes on.
        match &ledger.state().enrolment {
            Some(e) if e.card.repository == what.card.repository && e.card.key == what.card.key => {
            }
            Some(_) => {
                return Err(Refusal::Forbidden(format!(
                    "{} holds another repository already",
                    store.location()
                )));
            }
            // What cannot be understood may be an enrolment.
            None if !ledger.state().unknown.is_empty() => {
                ledger.state().enrolled()?;
            }
            None => {
                let enrolment = Enrolment {
                    card: what.card.clone(),
                    vault: self.public(),
                    custodians: what.custodians,
                    quorum: what.quorum,
                    policy: what.policy,
                    facts: store.facts()?,
                };
                ledger.append(vec![LogEvent::Enrolled(Box::new(enrolment))], now)?;
            }
        }
        let alarm = |(kind, text): &(String, String)| LogEvent::Alarm {
            at: now,
            kind: kind.clone(),
            text: text.clone(),
        };
        if !alarms.is_empty() {
            ledger.append(alarms.iter().map(alarm).collect(), now)?;
        }
        std::fs::write(dir.join("school.pub"), format!("{}\n", what.card.key))?;
        let mut tokens = BTreeMap::new();
        for (user, may) in what.credentials {
            let token = token()?;
            settings.credentials.push(Credential {
                user: user.clone(),
                token_sha256: hex::encode(Sha256::digest(&token)),
                may,
            });
            tokens.insert(user, token);
        }
        Ok((settings, tokens, findings, clock.silent().unwrap_or_default()))
    }

    /// Writes an order down, for custodians to sign.
    pub fn new_order(
        &self,
        name: &str,
        decision: OrderAction,
        reason: &str,
    ) -> Result<SignedOrder, Refusal> {
        if reason.trim().is_empty() {
            return Err(Refusal::Bad("an order needs a reason".into()));
        }
        self.read(name, |r| {
            let state = r.holding.ledger().state();
            // Two people sign what is written here: what names nothing would only look as if it did
            // something.
            let known = |paths: &[String], sessions: &[u64]| -> Result<(), Refusal> {
                if paths.is_empty() && sessions.is_empty() {
                    return Err(Refusal::Bad("name paths, or sessions with --session".into()));
                }
                let whole = |p: &&String| {
                    let hidable = ["snapshots/", "index/"].iter().any(|k| p.starts_with(k));
                    !hidable || !state.objects.contains_key(*p)
                };
                if let Some(p) = paths.iter().find(whole) {
                    return Err(Refusal::Bad(format!(
                        "the vault holds no snapshot and no index {p:?}; `locks` lists whole \
                        paths, such as snapshots/ and 64 digits"
                    )));
                }
                match sessions.iter().find(|s| !state.sessions.contains_key(s)) {
                    Some(s) => Err(Refusal::Bad(format!("there is no sealed session {s}"))),
                    None => Ok(()),
                }
            };
            match &decision {
                OrderAction::Hide { paths, sessions } | OrderAction::Show { paths, sessions } => {
                    known(paths, sessions)?
                }
                OrderAction::Custodians { custodians, quorum } => {
                    check_custodians(custodians, *quorum)?
                }
                OrderAction::Acknowledge { alarms, until } => {
                    may_acknowledge(alarms, *until, crate::heartbeat::now())?
                }
                OrderAction::AdmitKey { key } if !is_digest(key) => {
                    return Err(Refusal::Bad(format!(
                        "{key:?} is no name of a key file; it has 64 \
                        hexadecimal digits in lower case, as in copy 2's folder keys"
                    )));
                }
                _ => {}
            }
            let decision = match decision {
                OrderAction::AcceptFacts { .. } => {
                    OrderAction::AcceptFacts { facts: r.store.facts()? }
                }
                other => other,
            };
            // Not the trusted clock: custodians may have to say that it is right.
            let at = host_time()?;
            if decision == OrderAction::ClockIsRight {
                r.clock.asked(at)?;
            }
            let order = Order {
                v: 1,
                repository: state.enrolled()?.card.repository.clone(),
                vault: self.public(),
                holding: r.holding.ledger().id(),
                after: state.orders.len() as u64,
                at,
                reason: reason.to_owned(),
                decision,
            };
            Ok(SignedOrder::new(&order)?)
        })
    }

    /// The decision to bear alarms that stand now, for so many days.
    ///
    /// # Errors
    /// None of them stands, or they are of a kind that nobody may bear.
    pub fn acknowledgement(
        &self,
        name: &str,
        kind: &str,
        subjects: &[String],
        days: i64,
    ) -> Result<OrderAction, Refusal> {
        let all = self.standing(name)?;
        let named = |a: &&AlarmStatus| {
            a.since.is_some()
                && a.kind == kind
                && (subjects.is_empty() || subjects.contains(&a.subject))
        };
        let alarms: Vec<AcknowledgedHostAlarm> = all
            .iter()
            .filter(named)
            .map(|a| AcknowledgedHostAlarm {
                kind: a.kind.clone(),
                subject: a.subject.clone(),
                text: a.text.clone(),
            })
            .collect();
        let lacking = subjects.iter().find(|s| !alarms.iter().any(|a| a.subject == **s));
        if let Some(s) = lacking {
            return Err(Refusal::Bad(format!("no alarm {kind} about {s:?} stands")));
        }
        if alarms.is_empty() {
            return Err(Refusal::Bad(format!(
                "no alarm of the kind {kind:?} stands that can be acknowledged; `alarm list` shows \
                 them"
            )));
        }
        let until = crate::heartbeat::now()
            .checked_add(jiff::SignedDuration::from_hours(24 * days))
            .map_err(|e| Refusal::Bad(e.to_string()))?;
        Ok(OrderAction::Acknowledge { alarms, until })
    }

    /// Carries an order out that enough custodians signed.
    pub fn carry_out(&self, name: &str, order: &SignedOrder) -> Result<Order, Refusal> {
        self.write(name, |r| {
            // As above.
            let wall = host_time()?;
            let o = r.holding.ledger().state().may(order, wall)?;
            let now = match o.decision {
                OrderAction::ClockIsRight => {
                    r.clock.may_vouch(o.at)?;
                    wall
                }
                _ => r.now()?,
            };
            r.holding.ledger_mut().append(vec![LogEvent::Ordered(Box::new(order.clone()))], now)?;
            Ok(o)
        })
    }
}
