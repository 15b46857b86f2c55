use crate::{Error, spoken};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use serde::{Deserialize, Serialize};
use std::{io::Write, os::unix::fs::OpenOptionsExt};
use strongroom_objects::{SETTINGS_BYTES_MAX, read_regular_text};

/// An Ed25519 key that signs: a vault's, a custodian's, or the one that belongs to a repository's
/// master key.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey(for {})", self.public)
    }
}

impl SigningKey {
    /// A new seed, from the system's randomness.
    pub fn new_seed() -> Result<SecretBox<[u8; 32]>, Error> {
        let mut seed = Box::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|e| {
            Error::Request(format!("the system gives no random numbers: {e}").into())
        })?;
        Ok(SecretBox::new(seed))
    }

    /// The key of a seed.
    pub fn from_seed(seed: &SecretBox<[u8; 32]>) -> Result<Self, Error> {
        let bad = |why: &str| Error::Signature {
            what: "a signing key".into(),
            why: why.to_owned().into(),
        };
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose_secret())
            .map_err(|_| bad("its seed is no Ed25519 seed"))?;
        let public = pair
            .public_key()
            .as_ref()
            .try_into()
            .map(PublicKey)
            .map_err(|_| bad("its public part has a wrong length"))?;
        Ok(Self { pair, public })
    }

    /// The key of a file, as custodians and other people have one: the seed, 64 hexadecimal
    /// digits.
    ///
    /// # Errors
    /// [`Error::File`] that names the file.
    pub fn from_file(path: &std::path::Path) -> Result<Self, Error> {
        let text = SecretString::from(
            read_regular_text(path, SETTINGS_BYTES_MAX)
                .map_err(|e| Error::file(path, format!("it cannot be read: {e}")))?,
        );
        let mut seed = Box::new([0; 32]);
        hex::decode_to_slice(text.expose_secret().trim(), seed.as_mut())
            .map_err(|_| Error::file(path, "it is no signing key"))?;
        Self::from_seed(&SecretBox::new(seed))
    }

    /// A new key in a new file, which its owner alone reads.
    ///
    /// # Errors
    /// [`Error::File`] that names the file, where it is there already or cannot be made.
    pub fn to_new_file(path: &std::path::Path) -> Result<Self, Error> {
        let seed = Self::new_seed()?;
        let key = Self::from_seed(&seed)?;
        let text = SecretString::from(format!("{}\n", hex::encode(seed.expose_secret())));
        let unmade = |e: std::io::Error| Error::file(path, format!("it cannot be made: {e}"));
        let mut file = std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(path)
            .map_err(unmade)?;
        let done = file.write_all(text.expose_secret().as_bytes()).and_then(|()| file.sync_all());
        // Half a key is none, and would keep the whole one from being made.
        if done.is_err() {
            let _ = std::fs::remove_file(path);
        }
        done.map_err(unmade)?;
        Ok(key)
    }

    /// The public part.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs bytes for one purpose; a signature for another purpose does not fit.
    pub fn sign(&self, purpose: &str, bytes: &[u8]) -> String {
        hex::encode(self.pair.sign(&message(purpose, bytes)))
    }
}

fn message(purpose: &str, bytes: &[u8]) -> Vec<u8> {
    let mut all = format!("strongroom {purpose} v1\n").into_bytes();
    all.extend_from_slice(bytes);
    all
}

/// The public part of a signing key: 64 hexadecimal digits, or the same in words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads a key as a file or a person gives it: as [`PublicKey::from_digits`], where blanks
    /// around them count for nothing; or in words, as [`PublicKey::in_words`] has them, in any
    /// case.
    ///
    /// # Errors
    /// [`Error::Signature`] that says what is wrong with it, and of words with which.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if !spoken::is_words(text) {
            return Self::from_digits(text.trim());
        }
        let refused = |why: String| Error::Signature {
            what: "the public key in words".into(),
            why: why.into(),
        };
        Self::of_bytes(spoken::read(text).map_err(refused)?).map_err(|why| refused(why.to_owned()))
    }

    /// Reads 64 hexadecimal digits, lower case: the one form in which documents have it.
    ///
    /// # Errors
    /// [`Error::Signature`] for anything else.
    pub fn from_digits(digits: &str) -> Result<Self, Error> {
        let mut bytes = [0; 32];
        let refused = |why: &str| Error::Signature {
            what: format!("the public key {digits:.80}").into(),
            why: why.to_owned().into(),
        };
        if !is_hex(digits) || hex::decode_to_slice(digits, &mut bytes).is_err() {
            return Err(refused("it has not 64 hexadecimal digits in lower case"));
        }
        Self::of_bytes(bytes).map_err(refused)
    }

    fn of_bytes(bytes: [u8; 32]) -> Result<Self, &'static str> {
        match is_weak(&bytes) {
            true => Err("it is a point of which anybody can sign, or a second name of one"),
            false => Ok(Self(bytes)),
        }
    }

    /// All of it in 25 words, for the telephone: [`PublicKey::parse`] takes them, and tells a wrong
    /// one.
    pub fn in_words(&self) -> String {
        spoken::words(&self.0).join(" ")
    }

    /// The same, in five rows of five.
    pub fn rows_of_words(&self) -> Vec<String> {
        spoken::words(&self.0).chunks(spoken::ROW).map(|row| row.join(" ")).collect()
    }

    /// The first sixteen digits: enough to tell keys apart.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..8])
    }

    /// Whether a signature over these bytes, for this purpose, is this key's.
    pub fn verifies(&self, purpose: &str, bytes: &[u8], signature: &str) -> bool {
        if !is_hex(signature) {
            return false;
        }
        let Ok(signature) = hex::decode(signature) else { return false };
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(&message(purpose, bytes), &signature)
            .is_ok()
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.short())
    }
}

impl Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        PublicKey::from_digits(&text).map_err(serde::de::Error::custom)
    }
}

/// A document and its signature, as two lines: what was signed is exactly the first line.
pub(crate) fn seal_lines(
    key: &SigningKey,
    purpose: &str,
    body: &impl Serialize,
) -> Result<Vec<u8>, Error> {
    let mut bytes = serde_json::to_vec(body).map_err(|e| Error::Request(e.to_string().into()))?;
    let signature = key.sign(purpose, &bytes);
    bytes.push(b'\n');
    bytes.extend_from_slice(signature.as_bytes());
    bytes.push(b'\n');
    Ok(bytes)
}

/// Digits of a signature.
const SIGNATURE_DIGITS: usize = 128;

/// What is written in another way than this program writes it.
pub(crate) const ONE_FORM: &str = "a signed thing has one form, and this is not it";

/// The `y` of the eight points of small order, least byte first: signatures of these fit whatever
/// was signed, and nobody needs a secret for them.
const SMALL_ORDER: [[u8; 32]; 5] = {
    let (mut one, mut minus_one) = ([0; 32], [0xff; 32]);
    one[0] = 1;
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    [
        [0; 32],
        one,
        minus_one,
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
    ]
};

/// Whether a point is of small order, or written with a `y` that is not below 2^255 - 19: a point
/// of many names would be several keys.
fn is_weak(bytes: &[u8; 32]) -> bool {
    let mut y = *bytes;
    y[31] &= 0x7f;
    let below = y[31] < 0x7f || y[1..31].iter().any(|b| *b < 0xff) || y[0] < 0xed;
    !below || SMALL_ORDER.contains(&y)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The first line of such a document, when the signature is this key's.
///
/// The hash of the whole is its name, so nothing but [`seal_lines`] writes is taken: who has no
/// key could else spell the signature anew, and have a second name for what was signed once.
pub(crate) fn open_lines<'b>(
    key: &PublicKey,
    purpose: &str,
    bytes: &'b [u8],
) -> Result<&'b [u8], String> {
    let (body, rest) = cut(bytes)?;
    match rest.strip_suffix("\n") {
        Some(signature) if signature.len() == SIGNATURE_DIGITS && is_hex(signature) => {
            fits(key, purpose, body, signature)
        }
        _ => Err(format!("{ONE_FORM}: it ends with 128 digits in lower case and one line's end")),
    }
}

/// The same of what stands in a log since a time when other spellings were taken.
pub(crate) fn open_recorded<'b>(
    key: &PublicKey,
    purpose: &str,
    bytes: &'b [u8],
) -> Result<&'b [u8], String> {
    let (body, rest) = cut(bytes)?;
    fits(key, purpose, body, &rest.trim_end().to_ascii_lowercase())
}

fn cut(bytes: &[u8]) -> Result<(&[u8], &str), String> {
    let cut = bytes.iter().position(|b| *b == b'\n').ok_or("it has no signature")?;
    let rest = std::str::from_utf8(&bytes[cut + 1..]).map_err(|_| "its signature is no text")?;
    Ok((&bytes[..cut], rest))
}

fn fits<'b>(
    key: &PublicKey,
    purpose: &str,
    body: &'b [u8],
    signature: &str,
) -> Result<&'b [u8], String> {
    match key.verifies(purpose, body, signature) {
        true => Ok(body),
        false => Err(format!("its signature is not that of the key {}", key.short())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_fits_one_key_one_purpose_and_these_bytes() {
        let key = SigningKey::from_seed(&SigningKey::new_seed().unwrap()).unwrap();
        let other = SigningKey::from_seed(&SigningKey::new_seed().unwrap()).unwrap();
        let s = key.sign("manifest", b"bytes");
        assert!(key.public().verifies("manifest", b"bytes", &s));
        assert!(!key.public().verifies("order", b"bytes", &s));
        assert!(!key.public().verifies("manifest", b"bytez", &s));
        assert!(!other.public().verifies("manifest", b"bytes", &s));
        assert!(!key.public().verifies("manifest", b"bytes", "no hex"));
        assert_eq!(PublicKey::parse(&key.public().to_string()).unwrap(), key.public());
    }

    #[test]
    fn a_signature_and_a_key_are_written_in_one_way() {
        let key = SigningKey::from_seed(&SigningKey::new_seed().unwrap()).unwrap();
        let s = key.sign("order", b"bytes");
        for other in [s.to_uppercase(), format!("{s} "), format!("{s}\n"), s[..126].to_owned()] {
            assert!(!key.public().verifies("order", b"bytes", &other), "{other:?}");
        }
        let text = key.public().to_string();
        let read = |t: &str| serde_json::from_value::<PublicKey>(serde_json::Value::from(t));
        assert!(read(&text).is_ok());
        for other in [text.to_uppercase(), format!("{text} "), format!("\t{text}")] {
            assert!(read(&other).is_err(), "{other:?}");
        }
        // A file that a person wrote ends with a line's end.
        assert_eq!(PublicKey::parse(&format!("{text}\n")).unwrap(), key.public());
        assert!(PublicKey::parse(&text.to_uppercase()).is_err());
    }

    #[test]
    fn weak_points_are_no_keys() {
        // The eight of small order with both signs, and what is written above the field's end.
        for y in SMALL_ORDER {
            for sign in [0, 0x80] {
                let mut bytes = y;
                bytes[31] |= sign;
                let text = hex::encode(bytes);
                let error = PublicKey::parse(&text).map(|_| ()).unwrap_err().to_string();
                assert!(error.contains("anybody can sign"), "{text}: {error}");
                assert!(serde_json::from_value::<PublicKey>(text.into()).is_err());
            }
        }
        for least in 0xed..=0xff {
            for sign in [0x7f, 0xff] {
                let mut bytes = [0xff; 32];
                (bytes[0], bytes[31]) = (least, sign);
                assert!(PublicKey::parse(&hex::encode(bytes)).is_err(), "{least:x}");
            }
        }
        // Nothing of what keys are is lost.
        for _ in 0..100 {
            let key = SigningKey::from_seed(&SigningKey::new_seed().unwrap()).unwrap();
            assert!(PublicKey::parse(&key.public().to_string()).is_ok());
        }
    }
}
