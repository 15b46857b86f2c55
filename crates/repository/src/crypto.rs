//! restic's authenticated encryption: AES-256 in counter mode, Poly1305-AES over the ciphertext.

use crate::Error;
use aes::{
    Aes128, Aes256,
    cipher::{
        Array, BlockCipherEncrypt, KeyInit, KeyIvInit, StreamCipher,
        consts::{U16, U32, U64},
    },
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use poly1305::Poly1305;
use secrecy::{ExposeSecret, SecretBox};
use serde::{Deserialize, Serialize};
use sha2::Digest;
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

pub(crate) const IV_BYTES: usize = 16;
pub(crate) const MAC_BYTES: usize = 16;
/// How much longer ciphertext is than plaintext.
pub(crate) const OVERHEAD_BYTES: usize = IV_BYTES + MAC_BYTES;

/// The key that encrypts everything in a repository. Never printed, never serialised outside a key
/// file; in memory once, however often it is cloned, and wiped with its last owner.
#[derive(Clone)]
pub struct MasterKey(Arc<Zeroizing<[u8; KEY_BYTES]>>);

/// Encryption key, MAC key, MAC nonce key.
const KEY_BYTES: usize = 64;
/// Room for a key as JSON, so that writing it leaves no shorter copies behind.
const JSON_BYTES_MAX: usize = 512;

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

#[derive(Serialize, Deserialize)]
struct MacJson {
    k: String,
    r: String,
}

#[derive(Serialize, Deserialize)]
struct KeyJson {
    mac: MacJson,
    encrypt: String,
}

impl Drop for KeyJson {
    fn drop(&mut self) {
        self.mac.k.zeroize();
        self.mac.r.zeroize();
        self.encrypt.zeroize();
    }
}

impl MasterKey {
    /// A key from the operating system's randomness.
    pub(crate) fn generate() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        random(bytes.as_mut_slice())?;
        Ok(Self::from_bytes(&bytes))
    }

    /// A key from 64 bytes in the order encryption key, MAC key, MAC nonce key.
    pub(crate) fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        // Written where it stays: a move would leave a copy.
        let mut key = Arc::new(Zeroizing::new([0; KEY_BYTES]));
        if let Some(place) = Arc::get_mut(&mut key) {
            place.copy_from_slice(bytes);
        }
        Self(key)
    }

    fn encrypt_key(&self) -> &Array<u8, U32> {
        <&Array<u8, U64>>::from(&**self.0).split_ref().0
    }

    fn mac_keys(&self) -> &Array<u8, U32> {
        <&Array<u8, U64>>::from(&**self.0).split_ref::<U32>().1
    }

    fn mac_k(&self) -> &Array<u8, U16> {
        self.mac_keys().split_ref().0
    }

    fn mac_r(&self) -> &Array<u8, U16> {
        self.mac_keys().split_ref::<U16>().1
    }

    fn stream(&self, iv: &[u8; IV_BYTES]) -> ctr::Ctr128BE<Aes256> {
        ctr::Ctr128BE::new(self.encrypt_key(), iv.into())
    }

    pub(crate) fn to_bytes(&self) -> SecretBox<[u8; KEY_BYTES]> {
        let mut bytes = Box::new([0; KEY_BYTES]);
        bytes.copy_from_slice(self.0.as_slice());
        SecretBox::new(bytes)
    }

    /// The seed of the key that signs manifests: whoever has the master key has it, and from it
    /// nothing of the master key follows.
    pub fn signing_seed(&self) -> SecretBox<[u8; 32]> {
        let hash = sha2::Sha256::new()
            .chain_update(b"strongroom manifest signing seed v1\n")
            .chain_update(self.to_bytes().expose_secret())
            .finalize();
        SecretBox::new(Box::new(hash.into()))
    }

    /// A keyed hash of what a stored plan must bind and must not tell: whoever has the master key
    /// makes the same, and nobody else can try out short secrets on it. Hexadecimal.
    pub fn plan_mac(&self, bytes: &[u8]) -> String {
        // Two hashes, each with the key before the text: nobody goes on from the outer one.
        let keyed = |what: &[u8], text: &[u8]| {
            sha2::Sha256::new()
                .chain_update(b"strongroom plan hash v1 ")
                .chain_update(what)
                .chain_update(self.to_bytes().expose_secret())
                .chain_update(text)
                .finalize()
        };
        hex::encode(keyed(b"outer\n", &keyed(b"inner\n", bytes)))
    }

    /// The key of local caches: what it opens was written by somebody who has the master key, of
    /// which nothing follows from it.
    pub(crate) fn cache_key(&self) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        for (n, half) in bytes.chunks_exact_mut(32).enumerate() {
            let hash = sha2::Sha256::new()
                .chain_update(b"strongroom cache key v1\n")
                .chain_update([n as u8])
                .chain_update(self.0.as_slice());
            half.copy_from_slice(&hash.finalize());
        }
        Self::from_bytes(&bytes)
    }

    pub(crate) fn to_json(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let json = KeyJson {
            mac: MacJson { k: BASE64.encode(self.mac_k()), r: BASE64.encode(self.mac_r()) },
            encrypt: BASE64.encode(self.encrypt_key()),
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(JSON_BYTES_MAX));
        serde_json::to_writer(&mut *bytes, &json)
            .map_err(|e| Error::damaged("the master key", e))?;
        Ok(bytes)
    }

    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        let bad = |why: String| Error::damaged("the master key", why);
        let json: KeyJson = serde_json::from_slice(bytes).map_err(|e| bad(e.to_string()))?;
        let mut all = Zeroizing::new([0; KEY_BYTES]);
        for (text, range) in [(&json.encrypt, 0..32), (&json.mac.k, 32..48), (&json.mac.r, 48..64)]
        {
            let part = Zeroizing::new(BASE64.decode(text).map_err(|e| bad(e.to_string()))?);
            if part.len() != range.len() {
                return Err(bad(format!("a part has {} bytes, not {}", part.len(), range.len())));
            }
            all[range].copy_from_slice(&part);
        }
        Ok(Self::from_bytes(&all))
    }

    /// Whether `mac` is that of these bytes. Under one nonce only ever one text may bear a MAC: a
    /// second gives the key of both away.
    pub(crate) fn is_mac(&self, nonce: &[u8; IV_BYTES], bytes: &[u8], mac: &[u8]) -> bool {
        let expected = self.mac(nonce, bytes);
        mac.len() == MAC_BYTES && expected.iter().zip(mac).fold(0, |d, (a, b)| d | (a ^ b)) == 0
    }

    pub(crate) fn mac(&self, nonce: &[u8; IV_BYTES], bytes: &[u8]) -> [u8; MAC_BYTES] {
        let mut pad = Array::from(*nonce);
        Aes128::new(self.mac_k()).encrypt_block(&mut pad);
        let key = Zeroizing::new(self.mac_r().concat(pad));
        Poly1305::new(&key).compute_unpadded(bytes).into()
    }

    /// `IV || ciphertext || MAC`.
    pub fn encrypt(&self, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let mut iv = [0; IV_BYTES];
        random(&mut iv)?;
        let mut out = Vec::with_capacity(plain.len() + OVERHEAD_BYTES);
        out.extend_from_slice(&iv);
        out.extend_from_slice(plain);
        let body = &mut out[IV_BYTES..];
        self.stream(&iv).apply_keystream(body);
        let mac = self.mac(&iv, body);
        out.extend_from_slice(&mac);
        Ok(out)
    }

    /// The plain bytes, or `None` when the MAC says that these bytes were not written with this
    /// key.
    pub fn decrypt(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (iv, rest) = sealed.split_first_chunk()?;
        let (body, mac) = rest.split_last_chunk::<MAC_BYTES>()?;
        if !self.is_mac(iv, body, mac) {
            return None;
        }
        let mut plain = body.to_vec();
        self.stream(iv).apply_keystream(&mut plain);
        Some(plain)
    }
}

pub(crate) fn random(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|e| Error::Random(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encrypted_opens_and_a_flipped_bit_does_not() {
        let key = MasterKey::generate().unwrap();
        let sealed = key.encrypt(b"a school").unwrap();
        assert_eq!(key.decrypt(&sealed).as_deref(), Some(b"a school".as_slice()));
        for n in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[n] ^= 1;
            assert!(key.decrypt(&bad).is_none(), "byte {n}");
        }
        let again = MasterKey::from_json(&key.to_json().unwrap()).unwrap();
        assert!(again.decrypt(&sealed).is_some());
    }
}
