//! A key file that costs next to nothing to open, for tests.
//!
//! What guards a password against guessing is that each try takes a tenth of a second and 32 MiB.
//! A test of a hundred nights opens a repository some hundred times and guards nothing. So it puts
//! a key file of its own before it makes its repository, which then goes on with that key as if it
//! had been begun before. The product has no way to write such a file. Tests of key files
//! themselves use the real ones.
//!
//! Written from the description of restic's repository format alone: it sees no crate of the
//! product, and that the product opens what it writes is one more proof that both read it alike.
#![allow(clippy::expect_used)]

use aes::{
    Aes128, Aes256,
    cipher::{BlockCipherEncrypt, KeyInit, KeyIvInit, StreamCipher},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use poly1305::Poly1305;
use serde_json::json;
use sha2::{Digest, Sha256};

/// The cost factor: restic's own is 32,768.
const N: u8 = 4;

/// The name and the bytes of a key file, to be put below `keys/`, that opens with this password.
///
/// # Panics
/// Where the operating system gives no randomness.
#[must_use]
pub fn key_file(password: &str) -> (String, Vec<u8>) {
    let (mut master, mut salt, mut iv) = ([0; 64], [0; 64], [0; 16]);
    for bytes in [&mut master[..], &mut salt[..], &mut iv[..]] {
        getrandom::fill(bytes).expect("randomness");
    }
    let mut user = [0; 64];
    let params = scrypt::Params::new(N, 8, 1).expect("a cost");
    scrypt::scrypt(password.as_bytes(), &salt, &params, &mut user).expect("a key");
    let text = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
    let inside = json!({
        "mac": {"k": text(&master[32..48]), "r": text(&master[48..])},
        "encrypt": text(&master[..32]),
    });
    let file = json!({
        "created": "2026-01-01T00:00:00Z", "username": "root", "hostname": "host",
        "kdf": "scrypt", "N": 1 << N, "r": 8, "p": 1, "salt": text(&salt),
        "data": text(&sealed(&user, &iv, inside.to_string().as_bytes())),
    });
    let bytes = file.to_string().into_bytes();
    (hex::encode(Sha256::digest(&bytes)), bytes)
}

/// Nonce, AES-256-CTR, and Poly1305-AES over what that gives.
fn sealed(key: &[u8; 64], iv: &[u8; 16], plain: &[u8]) -> Vec<u8> {
    let mut body = plain.to_vec();
    let mut stream = ctr::Ctr128BE::<Aes256>::new_from_slices(&key[..32], iv).expect("lengths");
    stream.apply_keystream(&mut body);
    let mut pad = (*iv).into();
    Aes128::new_from_slice(&key[32..48]).expect("a length").encrypt_block(&mut pad);
    let mut mac_key = [0; 32];
    mac_key[..16].copy_from_slice(&key[48..]);
    mac_key[16..].copy_from_slice(&pad);
    let mac = Poly1305::new(&mac_key.into()).compute_unpadded(&body);
    [&iv[..], &body, &mac[..]].concat()
}
