//! Entry points for the fuzzer, built for it and for tests alone. A broken law panics, which is
//! what the fuzzer looks for.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

use bytes::Bytes;
use jiff::Timestamp;
use std::{path::Path, sync::Arc};
use strongroom_custody::{Chain, Ledger, Manifest, PublicKey, SignedOrder, Trust};
use strongroom_objects::{LocalHold, LockedStore};

/// A log that was cut, damaged or forged opens or is refused, and opens the same again; manifests
/// and orders likewise.
pub fn journal(bytes: &[u8], scratch: &Path) {
    let _ = std::fs::remove_dir_all(scratch.join("ledger"));
    let key = PublicKey::parse(&"ab".repeat(32)).unwrap();
    let store = Arc::new(LocalHold::new(scratch, false));
    for (n, part) in bytes.split(|b| *b == 0).take(4).enumerate() {
        let signer = String::from_utf8_lossy(part)
            .split("\"signer\":\"")
            .nth(1)
            .and_then(|s| s.get(..16))
            .unwrap_or("0000000000000000")
            .to_owned();
        let path = format!("ledger/{signer}/{:08}", n + 1);
        if store.put_locked(&path, &Bytes::copy_from_slice(part), Timestamp::UNIX_EPOCH).is_err() {
            return;
        }
        if let Ok(m) = Manifest::open(part, &key, None) {
            assert!(Chain::new([("x".to_owned(), m)]).named().is_ok());
        }
        if let Ok(order) = serde_json::from_slice::<SignedOrder>(part) {
            assert!(order.signers(&[]).is_empty());
        }
    }
    let look = || {
        let ledger = Ledger::open(store.clone(), None, &Trust::AsFound, None).ok()?;
        let s = ledger.state();
        Some((s.objects.len(), s.sessions.len(), s.orders.len(), s.frozen.len()))
    };
    let first = look();
    assert_eq!(first, look());
    // Nobody's signature is forged: whom nobody trusts says nothing.
    if let Ok(ledger) = Ledger::open(store, None, &Trust::Keys(vec![]), None) {
        assert!(ledger.state().objects.is_empty() && ledger.state().enrolment.is_none());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_pass() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/journal");
        let seeds: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().collect();
        assert!(seeds.len() >= 2);
        for seed in seeds {
            journal(&std::fs::read(seed.path()).unwrap(), scratch.path());
        }
    }
}
