use crate::{
    Error, PublicKey, SigningKey,
    holding::path,
    sign::{open_lines, seal_lines},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use strongroom_objects::{Key, Kind, Store, hash_name};

const PURPOSE: &str = "manifest";
/// Longest manifest: a full one of 500,000 packs (8 TiB) has 34 MB.
pub(crate) const BYTES_MAX: usize = 128 * 1024 * 1024;

/// What a vault without a key may know of a snapshot: which indexes belong to it, and which packs those name. Signed by the
/// repository's key. A vault trusts it to keep longer, never to keep shorter.
///
/// A manifest tells the difference to the one before it, so that its size follows what changed; after a prune, and from time
/// to time, a full one stands alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format version.
    pub v: u32,
    /// Id of the repository.
    pub repository: String,
    /// Counted from 1, without gaps.
    pub number: u64,
    /// Name of the manifest before, or nothing: then this one is full.
    pub previous: Option<String>,
    /// The snapshot.
    pub snapshot: String,
    /// The snapshot's own time.
    pub time: Timestamp,
    /// Whether the backup side calls it clean.
    pub clean: bool,
    /// Index to packs: those that came since the manifest before; all of them in a full one.
    pub indexes: BTreeMap<String, Vec<String>>,
}

impl Manifest {
    /// Its signed bytes; their hash is its name.
    pub fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, Error> {
        seal_lines(key, PURPOSE, self)
    }

    /// Reads a manifest that this key signed for this repository.
    pub fn open(bytes: &[u8], key: &PublicKey, repository: Option<&str>) -> Result<Self, Error> {
        let refused = |why: String| Error::Signature { what: format!("manifest {:.8}", hash_name(bytes)), why };
        if bytes.len() > BYTES_MAX {
            return Err(refused(format!("it has {} bytes", bytes.len())));
        }
        let body = open_lines(key, PURPOSE, bytes).map_err(refused)?;
        let manifest: Manifest = serde_json::from_slice(body).map_err(|e| refused(e.to_string()))?;
        if manifest.v != 1 {
            return Err(refused(format!("it has version {}; this program reads 1", manifest.v)));
        }
        if repository.is_some_and(|r| r != manifest.repository) {
            return Err(refused(format!("it speaks of repository {:.8}", manifest.repository)));
        }
        let good = |name: &String| name.len() == 64 && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let names = manifest.indexes.iter().flat_map(|(i, packs)| std::iter::once(i).chain(packs));
        let all_good = names.chain([&manifest.snapshot]).all(good);
        match all_good {
            true => Ok(manifest),
            false => Err(refused("it names what cannot be an object".into())),
        }
    }
}

/// Manifests in their order, and what each snapshot needs.
///
/// An index belongs to the snapshots from the manifest that brought it to the last one before the next full manifest that
/// leaves it out.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    /// By number; the name with it.
    rows: BTreeMap<u64, (String, Manifest)>,
    /// Numbers whose predecessor is unknown: what they need is not known.
    broken: BTreeSet<u64>,
    /// Index to the numbers of the manifests that need it: from, and up to but without.
    spans: HashMap<String, Vec<(u64, u64)>>,
    /// Index to packs.
    packs: HashMap<String, Vec<String>>,
    /// For each full manifest, its number.
    full: BTreeSet<u64>,
}

impl Chain {
    /// Sets manifests (name and content) in order. Of two with one number, the one that others follow counts; the backup side
    /// gives the other's snapshot a new number.
    pub fn new(manifests: impl IntoIterator<Item = (String, Manifest)>) -> Self {
        let mut all: Vec<(String, Manifest)> = manifests.into_iter().collect();
        all.sort_by(|a, b| a.1.number.cmp(&b.1.number).then(a.0.cmp(&b.0)));
        let followed: BTreeSet<String> = all.iter().filter_map(|(_, m)| m.previous.clone()).collect();
        let mut chain = Chain::default();
        for (name, m) in all {
            for (index, packs) in &m.indexes {
                chain.packs.insert(index.clone(), packs.clone());
            }
            let stays = chain.rows.get(&m.number).is_some_and(|(there, _)| followed.contains(there) || !followed.contains(&name));
            if !stays {
                chain.rows.insert(m.number, (name, m));
            }
        }
        let mut open: HashMap<String, u64> = HashMap::new();
        let mut before: Option<String> = None;
        let mut known = false;
        for (number, (name, m)) in &chain.rows {
            match &m.previous {
                None => {
                    for (index, from) in std::mem::take(&mut open) {
                        match m.indexes.contains_key(&index) {
                            true => open.extend([(index, from)]),
                            false => chain.spans.entry(index).or_default().push((from, *number)),
                        }
                    }
                    chain.full.insert(*number);
                    known = true;
                }
                // A gap: what this one needs beyond its own additions is not known until the next full one.
                Some(p) if before.as_ref() != Some(p) => known = false,
                Some(_) => {}
            }
            if !known {
                chain.broken.insert(*number);
            }
            for index in m.indexes.keys() {
                open.entry(index.clone()).or_insert(*number);
            }
            before = Some(name.clone());
        }
        for (index, from) in open {
            chain.spans.entry(index).or_default().push((from, u64::MAX));
        }
        chain
    }

    /// Number, name and content, in order.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = (u64, &str, &Manifest)> {
        self.rows.iter().map(|(n, (name, m))| (*n, name.as_str(), m))
    }

    /// The newest.
    pub fn newest(&self) -> Option<(&str, &Manifest)> {
        self.rows.values().next_back().map(|(name, m)| (name.as_str(), m))
    }

    /// Whether what a manifest needs is known.
    pub fn is_whole(&self, number: u64) -> bool {
        self.rows.contains_key(&number) && !self.broken.contains(&number)
    }

    /// Numbers of manifests of which the one before is missing, or that are not alone under their number.
    pub fn broken(&self) -> &BTreeSet<u64> {
        &self.broken
    }

    /// The indexes that a manifest's snapshot needs.
    pub fn indexes(&self, number: u64) -> impl Iterator<Item = &str> {
        self.spans.iter().filter(move |(_, spans)| spans.iter().any(|(a, b)| (*a..*b).contains(&number))).map(|(i, _)| i.as_str())
    }

    /// Every index that was ever named, with its packs.
    pub fn all_indexes(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.packs.iter().map(|(i, p)| (i.as_str(), p.as_slice()))
    }

    /// The packs that an index names.
    pub fn packs(&self, index: &str) -> &[String] {
        self.packs.get(index).map_or(&[], Vec::as_slice)
    }

    /// The numbers of the manifests that need an index: from, and up to but without.
    pub fn spans(&self, index: &str) -> &[(u64, u64)] {
        self.spans.get(index).map_or(&[], Vec::as_slice)
    }

    /// The paths of everything that a manifest names, the manifests themselves included.
    pub fn named(&self) -> Result<BTreeSet<String>, Error> {
        let mut named = BTreeSet::from(["config".to_owned()]);
        for (name, m) in self.rows.values() {
            named.insert(path(Kind::Manifests, name)?);
            named.insert(path(Kind::Snapshots, &m.snapshot)?);
        }
        for (index, packs) in self.all_indexes() {
            named.insert(path(Kind::Index, index)?);
            for pack in packs {
                named.insert(path(Kind::Data, pack)?);
            }
        }
        Ok(named)
    }

    /// The manifests of a store that a key signed; others are passed over.
    pub fn of_store(store: &dyn Store, school: &PublicKey) -> Result<Self, Error> {
        let mut manifests = Vec::new();
        for entry in store.list(Kind::Manifests)? {
            let key = Key::new(Kind::Manifests, &entry.name)?;
            let bytes = store.get(&key)?;
            if let (true, Ok(m)) = (key.names_its_bytes(&bytes), Manifest::open(&bytes, school, None)) {
                manifests.push((entry.name, m));
            }
        }
        Ok(Self::new(manifests))
    }

    /// The manifests that one needs to be understood: from its full one to the one before the next full one.
    pub fn group(&self, number: u64) -> (u64, u64) {
        let from = self.full.range(..=number).next_back().copied().unwrap_or(0);
        let to = self.full.range(number + 1..).next().copied().unwrap_or(u64::MAX);
        (from, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(number: u64, previous: Option<&str>, indexes: &[(&str, &[&str])]) -> (String, Manifest) {
        let name = format!("m{number}");
        let indexes = indexes.iter().map(|(i, p)| ((*i).to_owned(), p.iter().map(|p| (*p).to_owned()).collect())).collect();
        let m = Manifest {
            v: 1,
            repository: "r".into(),
            number,
            previous: previous.map(str::to_owned),
            snapshot: format!("s{number}"),
            time: Timestamp::UNIX_EPOCH,
            clean: true,
            indexes,
        };
        (name, m)
    }

    #[test]
    fn a_chain_knows_what_each_snapshot_needs_and_where_it_is_torn() {
        let chain = Chain::new([
            manifest(1, None, &[("a", &["p", "q"])]),
            manifest(2, Some("m1"), &[("b", &["r"])]),
            manifest(3, None, &[("c", &["q", "r"])]),
            manifest(5, Some("m4"), &[("d", &["s"])]),
            manifest(6, None, &[("d", &["s"])]),
        ]);
        let set = |n| chain.indexes(n).map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join("");
        assert_eq!((set(1), set(2), set(3), set(6)), ("a".into(), "ab".into(), "c".into(), "d".into()));
        assert!(chain.is_whole(3) && !chain.is_whole(5) && chain.is_whole(6) && !chain.is_whole(4));
        assert_eq!(chain.group(2), (1, 3));
        assert_eq!(chain.packs("c"), ["q", "r"]);
    }

    #[test]
    fn a_manifest_of_another_key_or_repository_is_refused() {
        let key = SigningKey::from_seed(&SigningKey::new_seed().unwrap()).unwrap();
        let other = SigningKey::from_seed(&SigningKey::new_seed().unwrap()).unwrap();
        let name = hash_name(b"x");
        let (_, mut m) = manifest(1, None, &[(name.as_str(), &[name.as_str()])]);
        m.snapshot = name.clone();
        let bytes = m.sign(&key).unwrap();
        assert_eq!(Manifest::open(&bytes, &key.public(), Some("r")).unwrap(), m);
        assert!(Manifest::open(&bytes, &other.public(), Some("r")).is_err());
        assert!(Manifest::open(&bytes, &key.public(), Some("another")).is_err());
        for n in 0..bytes.len() - 1 {
            let mut bad = bytes.clone();
            bad[n] ^= 1;
            assert!(Manifest::open(&bad, &key.public(), Some("r")).is_err(), "byte {n}");
        }
        m.snapshot = "../../etc".into();
        assert!(Manifest::open(&m.sign(&key).unwrap(), &key.public(), Some("r")).is_err());
    }
}
