//! Ids as opaque as the real ones, the same for the same seed.

use base64::{Engine, engine::general_purpose::URL_SAFE};
use sha2::{Digest, Sha256};

/// Makes ids from a seed and a counter.
#[derive(Debug, Clone, Default)]
pub(crate) struct IdMaker {
    seed: u64,
    next: u64,
}

impl IdMaker {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, next: 0 }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn hash(&mut self, kind: &str) -> [u8; 32] {
        let n = self.number();
        Sha256::new()
            .chain_update(kind)
            .chain_update(self.seed.to_le_bytes())
            .chain_update(n.to_le_bytes())
            .finalize()
            .into()
    }

    /// An Exchange-like id: long, case-sensitive, URL-safe base64.
    pub(crate) fn exchange(&mut self, prefix: &str) -> String {
        let h = self.hash(prefix);
        format!("{prefix}{}", URL_SAFE.encode([&h[..], &h[..13]].concat()))
    }

    /// A drive item id: 34 capitals and digits.
    pub(crate) fn drive_item(&mut self) -> String {
        const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let h = self.hash("item");
        let tail: String = h.iter().map(|b| char::from(DIGITS[usize::from(b % 32)])).collect();
        format!("01{tail}")
    }

    pub(crate) fn guid(&mut self, kind: &str) -> String {
        let h = hex::encode(&self.hash(kind)[..16]);
        format!("{}-{}-4{}-a{}-{}", &h[..8], &h[8..12], &h[13..16], &h[17..20], &h[20..32])
    }

    pub(crate) fn secret(&mut self, kind: &str) -> String {
        URL_SAFE.encode(&self.hash(kind)[..24]).replace(['-', '_', '='], "x")
    }
}
