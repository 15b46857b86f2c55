//! restic's authenticated encryption: AES-256 in counter mode, Poly1305-AES over the ciphertext.

use crate::Error;
use aes::{
    Aes128, Aes256,
    cipher::{BlockEncrypt, KeyInit, KeyIvInit, StreamCipher, generic_array::GenericArray},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use poly1305::Poly1305;
use secrecy::{ExposeSecret, SecretBox};
use serde::{Deserialize, Serialize};
use sha2::Digest;

const IV_BYTES: usize = 16;
const MAC_BYTES: usize = 16;
/// How much longer ciphertext is than plaintext.
pub(crate) const OVERHEAD_BYTES: usize = IV_BYTES + MAC_BYTES;

/// The key that encrypts everything in a repository. Never printed, never serialised outside a key
/// file.
#[derive(Clone)]
pub struct MasterKey {
    encrypt: [u8; 32],
    mac_k: [u8; 16],
    mac_r: [u8; 16],
}

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

impl MasterKey {
    /// A key from the operating system's randomness.
    pub(crate) fn generate() -> Result<Self, Error> {
        let mut bytes = [0; 64];
        random(&mut bytes)?;
        Ok(Self::from_bytes(&bytes))
    }

    /// A key from 64 bytes in the order encryption key, MAC key, MAC nonce key.
    pub(crate) fn from_bytes(bytes: &[u8; 64]) -> Self {
        let mut key = Self { encrypt: [0; 32], mac_k: [0; 16], mac_r: [0; 16] };
        key.encrypt.copy_from_slice(&bytes[..32]);
        key.mac_k.copy_from_slice(&bytes[32..48]);
        key.mac_r.copy_from_slice(&bytes[48..]);
        key
    }

    pub(crate) fn to_bytes(&self) -> SecretBox<[u8; 64]> {
        let mut bytes = Box::new([0; 64]);
        bytes[..32].copy_from_slice(&self.encrypt);
        bytes[32..48].copy_from_slice(&self.mac_k);
        bytes[48..].copy_from_slice(&self.mac_r);
        SecretBox::new(bytes)
    }

    /// The key's bytes, for a test that looks for them where they must not be.
    #[doc(hidden)]
    pub fn raw_for_tests(&self) -> [u8; 64] {
        *self.to_bytes().expose_secret()
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

    pub(crate) fn to_json(&self) -> Result<Vec<u8>, Error> {
        let json = KeyJson {
            mac: MacJson { k: BASE64.encode(self.mac_k), r: BASE64.encode(self.mac_r) },
            encrypt: BASE64.encode(self.encrypt),
        };
        serde_json::to_vec(&json).map_err(|e| Error::damaged("the master key", e))
    }

    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        let bad = |why: String| Error::damaged("the master key", why);
        let json: KeyJson = serde_json::from_slice(bytes).map_err(|e| bad(e.to_string()))?;
        let mut all = [0; 64];
        for (text, range) in [(&json.encrypt, 0..32), (&json.mac.k, 32..48), (&json.mac.r, 48..64)]
        {
            let part = BASE64.decode(text).map_err(|e| bad(e.to_string()))?;
            if part.len() != range.len() {
                return Err(bad(format!("a part has {} bytes, not {}", part.len(), range.len())));
            }
            all[range].copy_from_slice(&part);
        }
        Ok(Self::from_bytes(&all))
    }

    fn mac(&self, iv: &[u8], ciphertext: &[u8]) -> [u8; MAC_BYTES] {
        let mut nonce = GenericArray::clone_from_slice(iv);
        Aes128::new(GenericArray::from_slice(&self.mac_k)).encrypt_block(&mut nonce);
        let mut key = [0; 32];
        key[..16].copy_from_slice(&self.mac_r);
        key[16..].copy_from_slice(&nonce);
        Poly1305::new(GenericArray::from_slice(&key)).compute_unpadded(ciphertext).into()
    }

    /// `IV || ciphertext || MAC`.
    pub fn encrypt(&self, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = vec![0; IV_BYTES];
        out.reserve_exact(plain.len() + MAC_BYTES);
        random(&mut out)?;
        out.extend_from_slice(plain);
        let (iv, body) = out.split_at_mut(IV_BYTES);
        let iv: &[u8] = iv;
        ctr::Ctr128BE::<Aes256>::new(
            GenericArray::from_slice(&self.encrypt),
            GenericArray::from_slice(iv),
        )
        .apply_keystream(body);
        let mac = self.mac(iv, body);
        out.extend_from_slice(&mac);
        Ok(out)
    }

    /// The plain bytes, or `None` when the MAC says that these bytes were not written with this
    /// key.
    pub fn decrypt(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        if sealed.len() < OVERHEAD_BYTES {
            return None;
        }
        let (rest, mac) = sealed.split_at(sealed.len() - MAC_BYTES);
        let (iv, body) = rest.split_at(IV_BYTES);
        let expected = self.mac(iv, body);
        let differs = expected.iter().zip(mac).fold(0, |d, (a, b)| d | (a ^ b));
        if differs != 0 {
            return None;
        }
        let mut plain = body.to_vec();
        ctr::Ctr128BE::<Aes256>::new(
            GenericArray::from_slice(&self.encrypt),
            GenericArray::from_slice(iv),
        )
        .apply_keystream(&mut plain);
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
