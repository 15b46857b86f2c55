//! Who may use the vault's server: `credentials.toml` in each school's folder.
//!
//! The door reads it again when it changes, every second, without the repository and whatever is at
//! work there; so a credential that was revoked is refused at once. Where there is no such file the
//! credentials of `repo.toml` count, as older programs wrote them; the first command that changes
//! one moves them all. A file that cannot be read admits nobody: it may be what revokes somebody.

use crate::{Credential, CredentialRight, Refusal, RepoSettings, locked, settings::wrong_toml};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    fs::File,
    net::IpAddr,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use strongroom_custody::heartbeat;
use strongroom_objects::{SETTINGS_BYTES_MAX, read_regular_text};

const FILE: &str = "credentials.toml";
/// Failed sign-ins of an address are remembered for so long.
const REMEMBERED: Duration = Duration::from_secs(600);
/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 4096;
/// The longest wait of who failed before.
const DELAY_MAX: Duration = Duration::from_secs(5);
/// So many failed sign-ins at a school within [`ALARM_PER`] are an alarm.
const ALARM_AT: u32 = 10;
const ALARM_PER: Duration = Duration::from_secs(3600);

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    #[serde(default, rename = "credential")]
    all: Vec<Credential>,
}

/// Reads the credentials of the school in this folder.
///
/// # Errors
/// The file that holds them cannot be read.
pub fn credentials(dir: &Path) -> Result<Vec<Credential>, Refusal> {
    let path = dir.join(FILE);
    match read_regular_text(&path, SETTINGS_BYTES_MAX) {
        Ok(text) => toml::from_str::<Credentials>(&text)
            .map(|c| c.all)
            .map_err(|e| wrong_toml(&path, &text, &e)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            RepoSettings::read(&dir.join("repo.toml")).map(|s| s.credentials)
        }
        Err(e) => Err(Refusal::Failed(format!("{} cannot be read: {e}", path.display()))),
    }
}

/// Changes the credentials of the school in this folder, in one step.
fn change<T>(
    dir: &Path,
    f: impl FnOnce(&mut Vec<Credential>) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let toml = dir.join("repo.toml");
    if !toml.is_file() {
        return Err(Refusal::NoRepository(format!("there is no school in {}", dir.display())));
    }
    let lock = dir.join("credentials.lock");
    let alone = File::options().create(true).truncate(false).write(true).open(lock)?;
    alone.lock()?;
    let mut all = Credentials { all: credentials(dir)? };
    let mut settings = RepoSettings::read(&toml)?;
    let done = f(&mut all.all)?;
    let text = toml::to_string(&all).map_err(|e| Refusal::Failed(e.to_string()))?;
    heartbeat::replace(&dir.join(FILE), text.as_bytes())?;
    // What was revoked must not come back with the loss of one file.
    if !settings.credentials.is_empty() {
        settings.credentials.clear();
        let text = toml::to_string(&settings).map_err(|e| Refusal::Failed(e.to_string()))?;
        heartbeat::replace(&toml, text.as_bytes())?;
    }
    Ok(done)
}

fn digest(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

/// Makes a credential; answers its token, which is stored nowhere.
///
/// # Errors
/// There is one of that name, or the disk fails.
pub fn add_credential(dir: &Path, user: &str, may: CredentialRight) -> Result<String, Refusal> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if user.is_empty() || user.len() > 32 || !user.bytes().all(plain) {
        let text = "a credential's name has letters, digits, dots, hyphens, at most 32";
        return Err(Refusal::Bad(text.into()));
    }
    let token = crate::governance::token()?;
    change(dir, |all| {
        if all.iter().any(|c| c.user == user) {
            return Err(Refusal::Forbidden(format!("there is a credential {user:?} already")));
        }
        all.push(Credential { user: user.to_owned(), token_sha256: digest(&token), may });
        Ok(())
    })?;
    Ok(token)
}

fn unknown(user: &str) -> Refusal {
    Refusal::Missing(format!("there is no credential {user:?}"))
}

/// Gives a credential another token; the one before is refused from now on.
///
/// # Errors
/// There is none of that name, or the disk fails.
pub fn rotate_credential(dir: &Path, user: &str) -> Result<String, Refusal> {
    let token = crate::governance::token()?;
    change(dir, |all| {
        let mut theirs = all.iter_mut().filter(|c| c.user == user).peekable();
        theirs.peek().ok_or_else(|| unknown(user))?;
        theirs.for_each(|c| c.token_sha256 = digest(&token));
        Ok(())
    })?;
    Ok(token)
}

/// Takes a credential away.
///
/// # Errors
/// There is none of that name, or the disk fails.
pub fn revoke_credential(dir: &Path, user: &str) -> Result<(), Refusal> {
    change(dir, |all| {
        let before = all.len();
        all.retain(|c| c.user != user);
        if all.len() == before { Err(unknown(user)) } else { Ok(()) }
    })
}

/// What a file looked like; another look means that it was changed.
pub(crate) type Look = Option<(i64, i64, u64, u64)>;

pub(crate) fn look(path: &Path) -> Look {
    let m = std::fs::metadata(path).ok()?;
    Some((m.mtime(), m.mtime_nsec(), m.ino(), m.len()))
}

#[derive(Default)]
struct Page {
    looks: Option<(Look, Look)>,
    /// Why it could not be read, when it was told.
    why: Option<String>,
    all: Arc<Vec<Credential>>,
}

/// All credentials in memory, and who failed to sign in lately.
#[derive(Default)]
pub(crate) struct Book {
    pages: Mutex<HashMap<String, Page>>,
    failed: Mutex<HashMap<IpAddr, (u32, Instant)>>,
    /// By school: since when, how many, and whether it was told.
    counts: Mutex<HashMap<String, (Instant, u32, bool)>>,
}

/// A sign-in that failed.
pub(crate) struct Failed {
    /// How long the answer waits.
    pub(crate) delay: Duration,
    /// What is to be told, once an hour.
    pub(crate) alarm: Option<String>,
}

impl Book {
    /// Reads a school's credentials, if they changed; a reason why nobody is admitted any more.
    pub(crate) fn reread(&self, name: &str, dir: &Path) -> Option<String> {
        let looks = (look(&dir.join(FILE)), look(&dir.join("repo.toml")));
        if locked(&self.pages).get(name).is_some_and(|p| p.looks == Some(looks)) {
            return None;
        }
        let read = credentials(dir);
        let mut pages = locked(&self.pages);
        let page = pages.entry(name.to_owned()).or_default();
        let (all, why) = match read {
            Ok(all) => (all, None),
            Err(e) => (Vec::new(), Some(format!("nobody is admitted at {name}: {e}"))),
        };
        // A disk that failed once is asked again, though the file did not change.
        page.looks = why.is_none().then_some(looks);
        page.all = Arc::new(all);
        let is_news = why != page.why;
        page.why.clone_from(&why);
        why.filter(|_| is_news)
    }

    /// Forgets schools that are gone.
    pub(crate) fn keep(&self, schools: &std::collections::BTreeSet<String>) {
        locked(&self.pages).retain(|name, _| schools.contains(name));
    }

    /// What a credential may do; nothing when it is not known.
    pub(crate) fn sign_in(&self, name: &str, user: &str, token: &str) -> Option<CredentialRight> {
        let all = locked(&self.pages).get(name)?.all.clone();
        let given = digest(token);
        let same = |c: &&Credential| {
            c.user == user
                && c.token_sha256.len() == given.len()
                && c.token_sha256.bytes().zip(given.bytes()).fold(0, |d, (a, b)| d | (a ^ b)) == 0
        };
        all.iter().find(same).map(|c| c.may)
    }

    /// Counts a sign-in that failed.
    #[allow(clippy::disallowed_methods)] // how often is a matter of real time
    pub(crate) fn refused(&self, name: &str, user: &str, from: IpAddr) -> Failed {
        let now = Instant::now();
        // Whoever exchanged name and token by mistake finds no token in a log.
        let is_known =
            locked(&self.pages).get(name).is_some_and(|p| p.all.iter().any(|c| c.user == user));
        let user = if is_known { format!("{user:?}") } else { "somebody unknown".to_owned() };
        tracing::warn!("a sign-in from {from} as {user} at {name:.64?} was refused");
        let tries = {
            let mut failed = locked(&self.failed);
            if failed.len() >= ADDRESSES_MAX {
                failed.retain(|_, (_, at)| now.duration_since(*at) < REMEMBERED);
            }
            if failed.len() >= ADDRESSES_MAX && !failed.contains_key(&from) {
                // So many at once are one attack, and each of them waits.
                u32::MAX
            } else {
                let (tries, at) = failed.entry(from).or_insert((0, now));
                if now.duration_since(*at) >= REMEMBERED {
                    *tries = 0;
                }
                (*tries, *at) = (tries.saturating_add(1), now);
                *tries
            }
        };
        let delay = Duration::from_millis(50 << tries.min(7)).min(DELAY_MAX);
        let delay = if tries > 1 { delay } else { Duration::ZERO };
        // Names that are no school's take no memory.
        if !locked(&self.pages).contains_key(name) {
            return Failed { delay, alarm: None };
        }
        let mut counts = locked(&self.counts);
        let count = counts.entry(name.to_owned()).or_insert((now, 0, false));
        if now.duration_since(count.0) >= ALARM_PER {
            *count = (now, 0, false);
        }
        count.1 = count.1.saturating_add(1);
        let tell = count.1 >= ALARM_AT && !count.2;
        count.2 |= tell;
        let alarm = tell.then(|| {
            format!(
                "{} sign-ins within an hour were refused, the last from {from} as {user}: \
                 somebody tries, or an old token is still in use",
                count.1
            )
        });
        Failed { delay, alarm }
    }
}

impl crate::Vault {
    pub(crate) fn refused(&self, name: &str, user: &str, from: IpAddr) -> Failed {
        self.book.refused(name, user, from)
    }
}
