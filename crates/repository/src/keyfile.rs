//! Key files and `config`, as restic writes them.

use crate::{
    Error, Id, Repository,
    crypto::{MasterKey, random},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use strongroom_objects::{Key, Kind, Store, hash_name};

/// restic's own cost: N = 2^15, r = 8, p = 1.
const SCRYPT_LOG_N: u8 = 15;
/// Most memory that a key file may ask for.
const SCRYPT_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Most passes that a key file may ask for.
const SCRYPT_P_MAX: u32 = 16;
/// Largest key file that is read.
const KEY_FILE_BYTES_MAX: u64 = 64 * 1024;

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
    let params = scrypt::Params::new(log_n, r, p, 64).map_err(|e| bad(&e))?;
    let mut bytes = [0; 64];
    scrypt::scrypt(password.expose_secret().as_bytes(), salt, &params, &mut bytes)
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
            "an empty password protects nothing; no key was written".to_owned(),
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
    pub user: String,
    /// Where it was made.
    pub host: String,
}

impl Repository {
    /// The key files; what is no key file is left out.
    pub fn keys(&self) -> Result<Vec<KeyEntry>, Error> {
        let mut keys = Vec::new();
        for entry in
            self.store.list(Kind::Keys)?.into_iter().filter(|e| e.size_bytes <= KEY_FILE_BYTES_MAX)
        {
            let bytes = self.store.get(&Key::new(Kind::Keys, &entry.name)?)?;
            // A damaged one opens nothing, so it does not count.
            if hash_name(&bytes) != entry.name {
                continue;
            }
            if let Ok(file) = serde_json::from_slice::<KeyFile>(&bytes) {
                keys.push(KeyEntry {
                    id: Id::parse(&entry.name)?,
                    created: file.created,
                    user: file.username,
                    host: file.hostname,
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

    /// Key files whose bytes are not those that their names say: they open nothing.
    pub(crate) fn damaged_keys(&self) -> Result<Vec<String>, Error> {
        let whole: Vec<String> = self.keys()?.iter().map(|k| k.id.to_string()).collect();
        Ok(self
            .store
            .list(Kind::Keys)?
            .into_iter()
            .map(|e| e.name)
            .filter(|name| !whole.contains(name))
            .collect())
    }

    /// Removes a key file. Whoever knew its password and has a copy of it can still open the
    /// repository: rotate for that.
    pub fn remove_key(&self, id: &Id) -> Result<(), Error> {
        let keys = self.keys()?;
        if self.damaged_keys()?.contains(&id.to_string()) {
            self.store.remove(&Key::new(Kind::Keys, &id.to_string())?)?;
            return Ok(self.store.flush()?);
        }
        if !keys.iter().any(|k| k.id == *id) {
            return Err(Error::Unsupported(format!(
                "{} has no key {}",
                self.location(),
                id.short()
            )));
        }
        if keys.len() == 1 {
            return Err(Error::Unsupported(format!(
                "{} is the only key of {}; add another first",
                id.short(),
                self.location()
            )));
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

/// Tries the key files in turn; answers the name of the one that opens, too. A damaged or foreign
/// one does not stop the others.
pub(crate) fn open(
    store: &dyn Store,
    password: &SecretString,
) -> Result<(MasterKey, String), Error> {
    let entries = store.list(Kind::Keys)?;
    let mut tried = 0;
    for entry in &entries {
        // Key files are small; a large object of that name is junk and is not worth reading.
        if entry.size_bytes > KEY_FILE_BYTES_MAX {
            continue;
        }
        let bytes = store.get(&Key::new(Kind::Keys, &entry.name)?)?;
        let Ok(file) = serde_json::from_slice::<KeyFile>(&bytes) else { continue };
        let Some(log_n) = file.log_n().filter(|_| hash_name(&bytes) == entry.name) else {
            continue;
        };
        let (Ok(salt), Ok(data)) = (BASE64.decode(&file.salt), BASE64.decode(&file.data)) else {
            continue;
        };
        tried += 1;
        // Parameters that make no sense are no key; another one may open.
        let Ok(user) = derive(password, &salt, log_n, file.r, file.p) else { continue };
        if let Some(json) = user.decrypt(&data) {
            return Ok((MasterKey::from_json(&json)?, entry.name.clone()));
        }
    }
    Err(Error::WrongKey { location: store.location(), keys: tried })
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
