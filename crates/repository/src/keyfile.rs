//! Key files and `config`, as restic writes them.

use crate::{
    Error, Id, Repository,
    crypto::{MasterKey, random},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strongroom_model::Untrusted;
use strongroom_objects::{Entry, Key, Kind, Store, StoreError, both, each, hash_name};
use zeroize::Zeroizing;

/// restic's own cost: N = 2^15, r = 8, p = 1.
const SCRYPT_LOG_N: u8 = 15;
/// Most memory that a key file may ask for.
const SCRYPT_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Most passes that a key file may ask for.
const SCRYPT_P_MAX: u32 = 16;
/// Bytes that are gone over for a key file of restic's own cost, four times: such files are tried
/// whatever their number.
const CHEAP_BYTES: u64 = 4 * 128 * (1 << SCRYPT_LOG_N) * 8;
/// Most bytes that are gone over for all dearer key files together: some ten seconds. Whoever can
/// write to `keys/` could ask for hours otherwise.
const DEAR_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
pub(crate) struct KeyFile {
    created: jiff::Timestamp,
    username: String,
    hostname: String,
    kdf: String,
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
    salt: String,
    data: String,
}

impl KeyFile {
    /// The bytes that are gone over to try it.
    fn cost(&self) -> u64 {
        let per_pass = 128_u64.saturating_mul(u64::from(self.r)).saturating_mul(self.n);
        per_pass.saturating_mul(u64::from(self.p))
    }

    /// The cost as a power of two, when it is one that this program pays: beyond a gibibyte it is
    /// an attack on memory, not a key.
    pub(crate) fn log_n(&self) -> Option<u8> {
        let fits = |n: u64| {
            128_u64
                .checked_mul(u64::from(self.r))
                .and_then(|bytes| bytes.checked_mul(n))
                .is_some_and(|bytes| bytes <= SCRYPT_BYTES_MAX)
        };
        let payable = self.kdf == "scrypt"
            && self.n.is_power_of_two()
            && self.p <= SCRYPT_P_MAX
            && fits(self.n)
            && fits(u64::from(self.p));
        if payable { u8::try_from(self.n.trailing_zeros()).ok() } else { None }
    }
}

/// The `config` object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) version: u32,
    pub(crate) id: Id,
    pub(crate) chunker_polynomial: String,
    /// The tenant whose data alone it takes; absent where that was not said when it was made. Of
    /// our own: restic passes it over.
    #[serde(rename = "strongroom_tenant", skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
}

fn derive(
    password: &SecretString,
    salt: &[u8],
    log_n: u8,
    r: u32,
    p: u32,
) -> Result<MasterKey, Error> {
    let bad = |e: &dyn std::fmt::Display| Error::damaged("a key file", e);
    let params = scrypt::Params::new(log_n, r, p).map_err(|e| bad(&e))?;
    let mut bytes = Zeroizing::new([0; 64]);
    scrypt::scrypt(password.expose_secret().as_bytes(), salt, &params, bytes.as_mut_slice())
        .map_err(|e| bad(&e))?;
    Ok(MasterKey::from_bytes(&bytes))
}

/// Writes a key file that opens `master` with `password`.
pub(crate) fn write(
    store: &dyn Store,
    master: &MasterKey,
    password: &SecretString,
    created: jiff::Timestamp,
    host: &str,
    user: &str,
) -> Result<Id, Error> {
    if password.expose_secret().is_empty() {
        return Err(Error::Unsupported(
            "an empty password protects nothing; no key was written".into(),
        ));
    }
    let mut salt = [0; 64];
    random(&mut salt)?;
    let data = derive(password, &salt, SCRYPT_LOG_N, 8, 1)?.encrypt(&master.to_json()?)?;
    let file = KeyFile {
        created,
        username: user.to_owned(),
        hostname: host.to_owned(),
        kdf: "scrypt".to_owned(),
        n: 1 << SCRYPT_LOG_N,
        r: 8,
        p: 1,
        salt: BASE64.encode(salt),
        data: BASE64.encode(data),
    };
    let bytes = serde_json::to_vec(&file).map_err(|e| Error::damaged("a new key file", e))?;
    let name = hash_name(&bytes);
    store.put(&Key::new(Kind::Keys, &name)?, &bytes)?;
    Id::parse(&name)
}

/// A key file, as far as it shows without its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyEntry {
    /// Its name.
    pub id: Id,
    /// When it was made.
    pub created: jiff::Timestamp,
    /// Whom it is for: the service, or a person.
    pub user: Untrusted,
    /// Where it was made.
    pub host: Untrusted,
}

/// What lies in `keys/` under the name of an object.
enum Look {
    /// A key file, of whoever wrote it.
    File(Box<KeyFile>),
    /// None: it opens nothing, for this reason.
    Junk(&'static str),
    /// The store did not give it.
    Unread(StoreError),
}

/// Reads `keys/`. One object there keeps nobody from the others: whoever can write to the store can
/// put anything.
fn look(store: &dyn Store) -> Result<Vec<(String, Look)>, Error> {
    let entries = store.list(Kind::Keys)?;
    let looks = each(store, &entries, |entry| look_at(store, entry));
    let looks = looks.into_iter().collect::<Result<Vec<_>, _>>()?;
    let named = entries.into_iter().zip(looks);
    Ok(named.filter_map(|(entry, look)| Some((entry.name, look?))).collect())
}

/// One of them; `None` when it was removed since the listing.
fn look_at(store: &dyn Store, entry: &Entry) -> Result<Option<Look>, Error> {
    let key = Key::new(Kind::Keys, &entry.name)?;
    Ok(Some(match entry.size_bytes > Kind::Keys.bytes_max() {
        true => Look::Junk("too large for a key file"),
        false => match store.get(&key) {
            Ok(bytes) if !key.names_its_bytes(&bytes) => {
                Look::Junk("not the bytes that the name says")
            }
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(file) => Look::File(Box::new(file)),
                Err(_) => Look::Junk("not of a key file's form"),
            },
            Err(e) if e.is_not_found() => return Ok(None),
            Err(StoreError::Damaged { .. }) => Look::Junk("damaged"),
            Err(e) => Look::Unread(e),
        },
    }))
}

impl Repository {
    /// The key files; what is no key file, or is not to be had, is left out.
    pub fn keys(&self) -> Result<Vec<KeyEntry>, Error> {
        let mut keys = Vec::new();
        for (name, look) in look(self.store.as_ref())? {
            if let Look::File(file) = look {
                keys.push(KeyEntry {
                    id: Id::parse(&name)?,
                    created: file.created,
                    user: file.username.into(),
                    host: file.hostname.into(),
                });
            }
        }
        keys.sort_by_key(|k| (k.created, k.id));
        Ok(keys)
    }

    /// Adds a key file for one more password.
    pub fn add_key(
        &self,
        password: &SecretString,
        user: &str,
        now: jiff::Timestamp,
    ) -> Result<Id, Error> {
        let id = write(self.store.as_ref(), &self.key, password, now, &self.who.host, user)?;
        self.store.flush()?;
        Ok(id)
    }

    /// What lies among the key files and opens nothing: names, and why.
    pub(crate) fn damaged_keys(&self) -> Result<Vec<(String, String)>, Error> {
        let looks = look(self.store.as_ref())?.into_iter();
        Ok(looks
            .filter_map(|(name, look)| match look {
                Look::File(_) => None,
                Look::Junk(why) => Some((name, why.to_owned())),
                Look::Unread(e) => Some((name, e.to_string())),
            })
            .collect())
    }

    /// Key files whose bytes are those of their names and of no key file's form: none of ours.
    pub(crate) fn foreign_keys(&self) -> Result<Vec<(String, String)>, Error> {
        let looks = look(self.store.as_ref())?.into_iter();
        let junk = looks.filter_map(|(name, look)| match look {
            Look::Junk(why) => Some((name, format!("it is {why}"))),
            Look::File(_) | Look::Unread(_) => None,
        });
        let mut foreign = Vec::new();
        for (name, why) in junk {
            let key = Key::new(Kind::Keys, &name)?;
            let is_large = |n: u64| n > Kind::Keys.bytes_max();
            // What is not the bytes of its name may be a key of ours that rotted.
            let is_ours = match self.store.get(&key) {
                Ok(bytes) => !key.names_its_bytes(&bytes),
                Err(_) => !self.store.size(&key)?.is_some_and(is_large),
            };
            if !is_ours {
                foreign.push((name, why));
            }
        }
        Ok(foreign)
    }

    /// Removes a key file. Whoever knew its password and has a copy of it can still open the
    /// repository: rotate for that.
    pub fn remove_key(&self, id: &Id) -> Result<(), Error> {
        let keys = self.keys()?;
        // What was not read now may be the only key.
        let junk = look(self.store.as_ref())?
            .iter()
            .any(|(name, look)| matches!(look, Look::Junk(_)) && *name == id.to_string());
        if junk {
            self.store.remove(&Key::new(Kind::Keys, &id.to_string())?)?;
            return Ok(self.store.flush()?);
        }
        if !keys.iter().any(|k| k.id == *id) {
            return Err(Error::Unsupported(
                format!("{} has no key {}", self.location(), id.short()).into(),
            ));
        }
        if keys.len() == 1 {
            return Err(Error::Unsupported(
                format!("{} is the only key of {}; add another first", id.short(), self.location())
                    .into(),
            ));
        }
        self.store.remove(&Key::new(Kind::Keys, &id.to_string())?)?;
        Ok(self.store.flush()?)
    }
}

/// What `config` says, opened with the master key.
pub(crate) fn open_config(key: &MasterKey, sealed: &[u8]) -> Result<Config, Error> {
    let json = key.decrypt(sealed).ok_or_else(|| {
        Error::damaged(
            "config",
            "it does not decrypt; `strongroom repair heal` fetches it from the other copy",
        )
    })?;
    serde_json::from_slice(&json).map_err(|e| Error::damaged("config", e))
}

/// Key files as they were read: with what `config` holds, one of them is chosen.
pub(crate) struct KeyFiles(Vec<(String, Look)>);

/// Reads the key files.
pub(crate) fn files(store: &dyn Store) -> Result<KeyFiles, Error> {
    look(store).map(KeyFiles)
}

/// Reads the key files and tries them; see [`KeyFiles::open`].
pub(crate) fn open(
    store: &dyn Store,
    password: &SecretString,
) -> Result<(MasterKey, String), Error> {
    let (config, files) = both(store, || store.get(&Key::config()), || files(store));
    // One that is not to be had now is missed by whoever needs it.
    files?.open(store, password, config.ok().as_deref())
}

impl KeyFiles {
    /// Tries the key files, the cheapest first; answers the name of the one that opens, too. Junk
    /// among them neither stops nor slows: what is dearer than restic's own waits until the others
    /// were tried, and all of it together gets no more work than [`DEAR_BYTES_MAX`].
    ///
    /// One whose master key does not open `config`, where that is at hand, is of another
    /// repository: the others are tried, and it counts only when none of them does better.
    pub(crate) fn open(
        self,
        store: &dyn Store,
        password: &SecretString,
        config: Option<&[u8]>,
    ) -> Result<(MasterKey, String), Error> {
        let mut passed_over: BTreeMap<String, usize> = BTreeMap::new();
        let mut pass_over = |why: &str| *passed_over.entry(why.to_owned()).or_default() += 1;
        let mut unread = None;
        let mut files = Vec::new();
        for (name, look) in self.0 {
            match look {
                Look::File(file) => match file.log_n() {
                    Some(log_n) => files.push((file.cost(), name, log_n, file)),
                    None => pass_over("asking for work that no key file asks for"),
                },
                Look::Junk(why) => pass_over(why),
                Look::Unread(e) => {
                    pass_over("not to be read");
                    unread = Some(e);
                }
            }
        }
        files.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let (mut tried, mut of_another) = (0, None);
        let mut dear_bytes = 0;
        for (cost, name, log_n, file) in files {
            let (Ok(salt), Ok(data)) = (BASE64.decode(&file.salt), BASE64.decode(&file.data))
            else {
                pass_over("not of a key file's form");
                continue;
            };
            if cost > CHEAP_BYTES {
                if dear_bytes + cost > DEAR_BYTES_MAX {
                    pass_over("asking for more work than is spent on all of them");
                    continue;
                }
                dear_bytes += cost;
            }
            // Parameters that make no sense are no key; another one may open.
            let Ok(user) = derive(password, &salt, log_n, file.r, file.p) else {
                pass_over("asking for work that no key file asks for");
                continue;
            };
            tried += 1;
            // What the password opens and is no key was made by somebody who knows it: another may
            // do.
            let opened = user.decrypt(&data).map(Zeroizing::new);
            match opened.map(|json| MasterKey::from_json(&json)) {
                Some(Ok(master))
                    if config.is_some_and(|sealed| master.decrypt(sealed).is_none()) =>
                {
                    of_another.get_or_insert((master, name));
                }
                Some(Ok(master)) => return Ok((master, name)),
                Some(Err(_)) => pass_over("damaged"),
                None => {}
            }
        }
        if let Some(e) = unread.filter(|_| tried == 0 || of_another.is_some()) {
            return Err(e.into());
        }
        if let Some(opened) = of_another {
            return Ok(opened);
        }
        if let Some(n) = store.strangers(Kind::Keys).ok().map(|s| s.len()).filter(|n| *n > 0) {
            passed_over.insert("no files".to_owned(), n);
        }
        let passed_over = passed_over.iter().map(|(why, n)| format!("{n} {why}")).collect();
        Err(Error::WrongKey { location: store.location(), keys: tried, passed_over })
    }
}

impl Config {
    pub(crate) fn generate() -> Result<Self, Error> {
        let mut id = [0; 32];
        random(&mut id)?;
        Ok(Self {
            version: 2,
            id: Id(id),
            chunker_polynomial: format!("{:x}", random_polynomial()?),
            tenant: None,
        })
    }
}

/// A random irreducible polynomial of degree 53 over GF(2), which stock restic demands in `config`.
///
/// Our own cuts do not use it; a stock client that backs up into the same repository would.
fn random_polynomial() -> Result<u64, Error> {
    loop {
        let mut bytes = [0; 8];
        random(&mut bytes)?;
        let candidate = (u64::from_le_bytes(bytes) & ((1 << 53) - 1)) | (1 << 53) | 1;
        if irreducible(candidate) {
            return Ok(candidate);
        }
    }
}

fn degree(p: u64) -> i32 {
    63 - p.leading_zeros() as i32
}

fn remainder(mut a: u64, p: u64) -> u64 {
    while a != 0 && degree(a) >= degree(p) {
        a ^= p << (degree(a) - degree(p));
    }
    a
}

fn multiply(mut a: u64, mut b: u64, p: u64) -> u64 {
    let mut product = 0;
    a = remainder(a, p);
    while b != 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        b >>= 1;
        a = remainder(a << 1, p);
    }
    product
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, remainder(a, b));
    }
    a
}

/// Ben-Or's test: no common factor with x^(2^i) - x for i up to half the degree.
fn irreducible(p: u64) -> bool {
    let mut power = 2;
    for _ in 0..degree(p) / 2 {
        power = multiply(power, power, p);
        if gcd(p, power ^ 2) != 1 {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_polynomial_test_knows_restics_own() {
        assert!(irreducible(0x3D_A335_8B4D_C173));
        assert!(!irreducible(0x3D_A335_8B4D_C172));
        assert!(!irreducible(0b101), "x^2 + 1 is (x + 1)^2");
        assert!(irreducible(0b111));
        assert_eq!(degree(random_polynomial().unwrap()), 53);
    }
}
