//! Doors for the fuzzer, built for it and for tests alone. A broken law panics, which is what the fuzzer looks for.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

use crate::journal::Journal;
use std::path::Path;

/// A journal that was cut, damaged or forged opens or is refused, and opens the same again.
pub fn journal(bytes: &[u8], scratch: &Path) {
    let (lines, seal) = match bytes.iter().position(|b| *b == 0) {
        Some(n) => (&bytes[..n], Some(&bytes[n + 1..])),
        None => (bytes, None),
    };
    std::fs::write(scratch.join("00000001.journal"), lines).unwrap();
    let sealed = scratch.join("00000001.sealed");
    match seal {
        // The hash is right, so that what stands behind it is reached.
        Some(seal) => {
            let text = String::from_utf8_lossy(seal).replace("JOURNAL", &strongroom_objects::hash_name(lines));
            std::fs::write(&sealed, text).unwrap();
        }
        None => drop(std::fs::remove_file(&sealed)),
    }
    let look = || {
        let journal = Journal::open(scratch).ok()?;
        let rows = journal.arrivals(1).ok();
        if let (Some(rows), Ok(view)) = (&rows, journal.view(1)) {
            assert!(view.len() <= rows.len());
        }
        Some((journal.sealed().len(), rows.map(|r| r.len())))
    };
    assert_eq!(look(), look());
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
