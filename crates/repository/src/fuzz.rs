//! Entry points for the fuzzer, built for it and for tests alone: each parser of stored bytes
//! behind its encryption, with the law that it keeps. A broken law panics, which is what the fuzzer
//! looks for.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

use crate::{
    BlobKind, Cut, Id, MasterKey, PackedBlob, RecoveryShare, Snapshot, cut,
    cut::{CDC_MAX, first_cut},
    index::{self, IndexFile},
    keyfile::{Config, KeyFile},
    pack::{header_bytes, open_blob, parse_header},
    repo::unpack,
    tree,
};
use std::path::Path;

const UNPACKED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A directory that was read is written so that it reads the same.
pub fn tree(bytes: &[u8]) {
    let id = Id([0; 32]);
    let Ok(nodes) = tree::decode(&id, bytes) else { return };
    for node in &nodes {
        assert!(
            !node.name.is_empty()
                && !node.name.contains(['/', '\0'])
                && node.name != ".."
                && node.name != "."
        );
        let _ = node.facts();
    }
    let written = tree::encode(nodes.iter());
    let again = tree::decode(&id, &written).expect("what we write, we read");
    assert_eq!(tree::encode(again.iter()), written);
    assert!(
        nodes
            .iter()
            .zip(&again)
            .all(|(a, b)| a.name == b.name && a.kind == b.kind && a.facts == b.facts)
    );
}

/// The blobs of a header lie one behind another and fill the pack.
pub fn pack(bytes: &[u8]) {
    let Some((length, header)) = bytes.split_first_chunk::<5>() else { return };
    let body = length.iter().fold(0, |n, b| n << 8 | u64::from(*b));
    let Ok(blobs) = parse_header(header, body) else { return };
    assert_eq!(blobs.iter().map(|b| u64::from(b.length)).sum::<u64>(), body);
    assert!(
        blobs
            .windows(2)
            .all(|w| u64::from(w[0].offset) + u64::from(w[0].length) == u64::from(w[1].offset))
    );
    let again = parse_header(&header_bytes(&blobs), body).expect("what we write, we read");
    assert_eq!(again, blobs);
}

/// Index files, snapshots and `config`: bounded when unpacked, the same when written again.
pub fn unpacked(bytes: &[u8], scratch: &Path) {
    let Ok(json) = unpack(bytes.to_vec(), UNPACKED_BYTES_MAX) else { return };
    assert!(json.len() <= UNPACKED_BYTES_MAX.max(bytes.len()));
    if let Ok(snapshot) = serde_json::from_slice::<Snapshot>(&json) {
        let again: Snapshot =
            serde_json::from_slice(&serde_json::to_vec(&snapshot).unwrap()).unwrap();
        assert_eq!(again, snapshot);
    }
    let _ = serde_json::from_slice::<Config>(&json);
    if let Ok(file) = serde_json::from_slice::<IndexFile>(&json) {
        index::check_runs(&file, scratch);
    }
}

/// A sealed blob opens to bytes of its name or not at all. The first bytes say what an index would.
pub fn blob(bytes: &[u8]) {
    let Some((head, plain)) = bytes.split_first_chunk::<3>() else { return };
    let key = MasterKey::from_bytes(&[7; 64]);
    let plain_length = u32::from_le_bytes([head[0], head[1], head[2], 0]);
    let sealed = key.encrypt(plain).unwrap();
    let right = Id::of(&zstd::bulk::decompress(plain, plain_length as usize).unwrap_or_default());
    for id in [right, Id([1; 32])] {
        let blob = PackedBlob {
            id,
            kind: BlobKind::Data,
            offset: 0,
            length: sealed.len() as u32,
            plain_length,
        };
        if let Ok(opened) = open_blob(&key, &blob, &sealed) {
            assert_eq!(Id::of(&opened), id);
        }
    }
}

/// A key file never costs more than a gibibyte; the key in it has its length.
pub fn key_file(bytes: &[u8]) {
    if let Ok(file) = serde_json::from_slice::<KeyFile>(bytes)
        && let Some(log_n) = file.log_n()
    {
        assert!(log_n <= 30);
    }
    if let Ok(key) = MasterKey::from_json(bytes) {
        assert_eq!(
            MasterKey::from_json(&key.to_json().unwrap()).unwrap().to_json().unwrap(),
            key.to_json().unwrap()
        );
    }
}

/// A share that was read is the share that is written.
pub fn share(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(share) = RecoveryShare::parse(&text) else { return };
    for written in [share.to_text().unwrap(), share.to_compact().unwrap()] {
        let again = RecoveryShare::parse(secrecy::ExposeSecret::expose_secret(&written))
            .expect("what we write, we read");
        assert_eq!(
            (again.number(), again.needed(), again.made()),
            (share.number(), share.needed(), share.made())
        );
    }
    let _ = crate::join_shares(&[share]);
}

/// A file of the local index is read or refused.
pub fn run(bytes: &[u8], scratch: &Path) {
    index::probe_run(scratch, bytes);
}

/// Cuts are all of the content, in order, none empty; a stream is cut within its bounds.
pub fn cuts(bytes: &[u8]) {
    for how in [Cut::Plain, Cut::Mime] {
        let mut at = 0;
        for range in cut(bytes, how) {
            assert_eq!(range.start, at);
            assert!(range.end > at && range.len() <= CDC_MAX);
            at = range.end;
        }
        assert_eq!(at, bytes.len());
    }
    if !bytes.is_empty() {
        assert!((1..=bytes.len()).contains(&first_cut(bytes)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the fuzzer starts from, and what it once found, goes through every entry point.
    #[test]
    fn seeds_pass() {
        let scratch = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
        let mut n = 0;
        for folder in std::fs::read_dir(root).unwrap().flatten() {
            for seed in std::fs::read_dir(folder.path()).unwrap().flatten() {
                let bytes = std::fs::read(seed.path()).unwrap();
                for door in [tree, pack, blob, key_file, share, cuts] {
                    door(&bytes);
                }
                unpacked(&bytes, scratch.path());
                run(&bytes, scratch.path());
                n += 1;
            }
        }
        assert!(n > 25, "{n} seeds");
    }

    /// A seed that its own entry point turns away is no seed.
    #[test]
    fn seeds_are_let_in() {
        let seeds = |name: &str| -> Vec<Vec<u8>> {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(name);
            std::fs::read_dir(folder)
                .unwrap()
                .flatten()
                .map(|e| std::fs::read(e.path()).unwrap())
                .collect()
        };
        assert!(
            seeds("tree")
                .iter()
                .all(|s| tree::decode(&Id([0; 32]), s).is_ok_and(|nodes| !nodes.is_empty()))
        );
        assert!(seeds("pack").iter().all(|s| {
            parse_header(&s[5..], s[..5].iter().fold(0, |n, b| n << 8 | u64::from(*b)))
                .is_ok_and(|b| !b.is_empty())
        }));
        assert!(
            seeds("share")
                .iter()
                .all(|s| RecoveryShare::parse(&String::from_utf8_lossy(s)).is_ok())
        );
        assert!(seeds("unpacked").iter().all(|s| unpack(s.clone(), UNPACKED_BYTES_MAX).is_ok()));
        assert!(
            seeds("cuts").iter().all(|s| cut(s, Cut::Plain).len() + cut(s, Cut::Mime).len() > 2)
        );
    }
}
