use crate::{
    Error, PublicKey, SigningKey, TolerantReader,
    holding::path,
    sign::{ONE_FORM, open_lines, open_recorded, seal_lines},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use strongroom_model::Series;
use strongroom_objects::{Key, Kind, Store, StoreError, each, hash_name};

const PURPOSE: &str = "manifest";
/// Longest manifest: a full one of 500,000 packs (8 TiB) has 34 MB.
pub(crate) const BYTES_MAX: usize = Kind::Manifests.bytes_max() as usize;

/// What lies under the name of a manifest.
enum Found {
    Whole(Box<Manifest>),
    /// Signed by another key, or in a form that is not known.
    Foreign,
    Damaged,
}

/// A manifest of so many bytes is read alone.
const LARGE_BYTES: u64 = 8 << 20;
/// So much is read of manifests in one go: some hundred full ones of the largest school.
const READ_BYTES_MAX: u64 = 4 << 30;

/// How the lines of a signed document are read.
type OpenLines = for<'b> fn(&PublicKey, &str, &'b [u8]) -> Result<&'b [u8], String>;
/// How a manifest is read: as something new, or as what was taken once.
type OpenManifest = fn(&[u8], &PublicKey, Option<&str>) -> Result<Manifest, Error>;

/// More manifests than anybody writes; so no sum overflows.
const NUMBER_MAX: u64 = 1 << 40;
/// Longest way to a full manifest that is followed: the backup side writes a full one far sooner.
const LINEAGE_MAX: usize = 4_096;

/// What a vault without a key may know of a snapshot: which indexes belong to it, and which packs
/// those name. Signed by the repository's key. A vault trusts it to keep longer, never to keep
/// shorter.
///
/// A manifest tells the difference to the one before it in its series, so that its size follows
/// what changed; after a prune, and from time to time, a full one stands alone. Each series has a
/// chain of its own, since their writers know nothing of each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format version.
    pub v: u32,
    /// Id of the repository.
    pub repository: String,
    /// The series of the snapshot; absent for that of data, as in manifests of older programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<Series>,
    /// Counted from 1 in its series. It orders what is shown to people; what a snapshot needs
    /// follows from `previous` alone.
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
    /// The series of the snapshot.
    pub fn series(&self) -> Series {
        self.series.clone().unwrap_or_default()
    }

    /// Its signed bytes; their hash is its name.
    pub fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, Error> {
        seal_lines(key, PURPOSE, self)
    }

    /// Reads a manifest that this key signed for this repository, in the one form that is written:
    /// else one thing had many names, and could come again as something new.
    pub fn open(bytes: &[u8], key: &PublicKey, repository: Option<&str>) -> Result<Self, Error> {
        let manifest = Self::read(bytes, open_lines, key, repository)?;
        let body =
            serde_json::to_vec(&manifest).map_err(|e| Error::Request(e.to_string().into()))?;
        // Data is what a manifest speaks of that names no series.
        let spelt_out = manifest.series.as_ref().is_some_and(Series::is_data);
        let rest = bytes.strip_prefix(body.as_slice());
        match !spelt_out && rest.is_some_and(|rest| rest.first() == Some(&b'\n')) {
            true => Ok(manifest),
            false => Err(Error::Signature {
                what: format!("manifest {:.8}", hash_name(bytes)).into(),
                why: format!("{ONE_FORM}: it says more, or says it otherwise, than was read")
                    .into(),
            }),
        }
    }

    /// The same of what stands in a log: other forms were taken there, and what they name is
    /// needed.
    pub fn recorded(
        bytes: &[u8],
        key: &PublicKey,
        repository: Option<&str>,
    ) -> Result<Self, Error> {
        Self::read(bytes, open_recorded, key, repository)
    }

    fn read(
        bytes: &[u8],
        opened: OpenLines,
        key: &PublicKey,
        repository: Option<&str>,
    ) -> Result<Self, Error> {
        let refused = |why: String| Error::Signature {
            what: format!("manifest {:.8}", hash_name(bytes)).into(),
            why: why.into(),
        };
        if bytes.len() > BYTES_MAX {
            return Err(refused(format!("it has {} bytes", bytes.len())));
        }
        let body = opened(key, PURPOSE, bytes).map_err(refused)?;
        let manifest: Manifest =
            serde_json::from_slice(body).map_err(|e| refused(e.to_string()))?;
        if manifest.v != 1 {
            return Err(refused(format!("it has version {}; this program reads 1", manifest.v)));
        }
        if manifest.number == 0 || manifest.number > NUMBER_MAX {
            return Err(refused(format!("it bears the number {}", manifest.number)));
        }
        if repository.is_some_and(|r| r != manifest.repository) {
            return Err(refused(format!("it speaks of repository {:.8}", manifest.repository)));
        }
        let good = |name: &String| {
            name.len() == 64
                && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let names = manifest.indexes.iter().flat_map(|(i, packs)| std::iter::once(i).chain(packs));
        let all_good = names.chain([&manifest.snapshot]).all(good);
        match all_good {
            true => Ok(manifest),
            false => Err(refused("it names what cannot be an object".into())),
        }
    }
}

/// Manifests by name, and what each needs.
///
/// A manifest needs what it names itself, and what those before it name, back to a full one.
/// Nothing that another manifest says takes anything of that away: a later or forged one can only
/// name more.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    rows: BTreeMap<String, Manifest>,
}

impl Chain {
    /// Takes manifests, name and content.
    pub fn new(manifests: impl IntoIterator<Item = (String, Manifest)>) -> Self {
        Self { rows: manifests.into_iter().collect() }
    }

    /// Takes another one in.
    pub fn add(&mut self, name: String, manifest: Manifest) {
        self.rows.insert(name, manifest);
    }

    /// Names and contents, by number.
    pub fn rows(&self) -> Vec<(&str, &Manifest)> {
        let mut all: Vec<(&str, &Manifest)> =
            self.rows.iter().map(|(n, m)| (n.as_str(), m)).collect();
        all.sort_by(|a, b| a.1.number.cmp(&b.1.number).then(a.0.cmp(b.0)));
        all
    }

    /// One manifest.
    pub fn get(&self, name: &str) -> Option<&Manifest> {
        self.rows.get(name)
    }

    /// The one of the highest number in a series of which it is known what it needs.
    pub fn newest(&self, series: &Series) -> Option<(&str, &Manifest)> {
        let of_it =
            |(name, m): &(&str, &Manifest)| m.series() == *series && self.lineage(name).is_some();
        self.rows().into_iter().rfind(of_it)
    }

    /// The newest of people's data, or of another series where there is none of data.
    pub fn last(&self) -> Option<(&str, &Manifest)> {
        self.newest(&Series::DATA)
            .or_else(|| self.rows().into_iter().rfind(|(name, _)| self.is_whole(name)))
    }

    /// A manifest and those before it, back to a full one; `None` when one of them never came.
    pub fn lineage<'c>(&'c self, name: &str) -> Option<Vec<(&'c str, &'c Manifest)>> {
        let mut out = Vec::new();
        let mut next = name;
        while out.len() < LINEAGE_MAX {
            let (name, m) = self.rows.get_key_value(next)?;
            out.push((name.as_str(), m));
            match &m.previous {
                None => return Some(out),
                Some(previous) => next = previous,
            }
        }
        None
    }

    /// Whether what a manifest needs is known.
    pub fn is_whole(&self, name: &str) -> bool {
        self.lineage(name).is_some()
    }

    /// The indexes that a manifest's snapshot needs.
    pub fn indexes(&self, name: &str) -> BTreeSet<&str> {
        self.lineage(name)
            .into_iter()
            .flatten()
            .flat_map(|(_, m)| m.indexes.keys().map(String::as_str))
            .collect()
    }

    /// The packs that a manifest's snapshot needs.
    pub fn packs_of(&self, name: &str) -> BTreeSet<&str> {
        self.lineage(name)
            .into_iter()
            .flatten()
            .flat_map(|(_, m)| m.indexes.values().flatten().map(String::as_str))
            .collect()
    }

    /// Every index that was ever named, with every pack that was ever said to be in it.
    pub fn all_indexes(&self) -> HashMap<&str, BTreeSet<&str>> {
        let mut all: HashMap<&str, BTreeSet<&str>> = HashMap::new();
        for (index, packs) in self.rows.values().flat_map(|m| &m.indexes) {
            all.entry(index).or_default().extend(packs.iter().map(String::as_str));
        }
        all
    }

    /// The paths of everything that a manifest names, the manifests themselves included.
    pub fn named(&self) -> Result<BTreeSet<String>, Error> {
        let mut named = BTreeSet::from(["config".to_owned()]);
        for (name, m) in &self.rows {
            named.insert(path(Kind::Manifests, name)?);
            named.insert(path(Kind::Snapshots, &m.snapshot)?);
            for (index, packs) in &m.indexes {
                named.insert(path(Kind::Index, index)?);
                for pack in packs {
                    named.insert(path(Kind::Data, pack)?);
                }
            }
        }
        Ok(named)
    }

    /// What each manifest's snapshot needs and cannot be had, by name of the manifest; nothing in
    /// it where all is there. `there` says of an object whether it can be had; the snapshot itself
    /// is not asked for. Of a manifest that follows one that is not known, that one is lacking.
    pub fn lacking(
        &self,
        there: impl Fn(Kind, &str) -> bool,
    ) -> BTreeMap<&str, BTreeSet<(Kind, &str)>> {
        let mut own: HashMap<&str, Vec<(Kind, &str)>> = HashMap::new();
        for (name, m) in &self.rows {
            let mut missing = Vec::new();
            for (index, packs) in &m.indexes {
                let named = std::iter::once((Kind::Index, index.as_str()))
                    .chain(packs.iter().map(|pack| (Kind::Data, pack.as_str())));
                missing.extend(named.filter(|(kind, name)| !there(*kind, name)));
            }
            own.insert(name, missing);
        }
        let mut all = BTreeMap::new();
        for name in self.rows.keys() {
            let mut missing = BTreeSet::new();
            let mut next = Some(name.as_str());
            for _ in 0..LINEAGE_MAX {
                let Some(now) = next else { break };
                missing.extend(own.get(now).into_iter().flatten().copied());
                match self.rows.get(now) {
                    Some(m) => next = m.previous.as_deref(),
                    None => {
                        missing.insert((Kind::Manifests, now));
                        next = None;
                    }
                }
            }
            all.insert(name.as_str(), missing);
        }
        all
    }

    /// The manifests of a store that a key signed; others, and those that cannot be read, are
    /// passed over.
    pub fn of_store(store: &dyn Store, school: &PublicKey) -> Result<Self, Error> {
        Ok(Self::read(store, school, Manifest::open)?.0)
    }

    /// The same of what a vault holds, in whatever form it was taken once, and the names of those
    /// that are damaged or cannot be read: of them it is not known who signed them.
    pub fn found(store: &dyn Store, school: &PublicKey) -> Result<(Self, Vec<String>), Error> {
        Self::read(store, school, Manifest::recorded)
    }

    fn read(
        store: &dyn Store,
        school: &PublicKey,
        opened: OpenManifest,
    ) -> Result<(Self, Vec<String>), Error> {
        let source = TolerantReader::new(store);
        let mut entries = store.list(Kind::Manifests)?;
        entries.retain(|e| e.size_bytes <= BYTES_MAX as u64);
        // Where anybody can put what looks like one, junk is what is large.
        entries.sort_by(|a, b| a.size_bytes.cmp(&b.size_bytes).then(a.name.cmp(&b.name)));
        let (mut manifests, mut damaged) = (Vec::new(), Vec::new());
        let (mut keys, mut left, mut large_from) = (Vec::new(), READ_BYTES_MAX, 0);
        for entry in entries {
            match left.checked_sub(entry.size_bytes) {
                Some(after) => {
                    left = after;
                    keys.push(Key::new(Kind::Manifests, &entry.name)?);
                    if entry.size_bytes <= LARGE_BYTES {
                        large_from = keys.len();
                    }
                }
                None => {
                    tracing::warn!("manifest {:.8} is one too many: it was not read", entry.name);
                    damaged.push(entry.name);
                }
            }
        }
        // Opened as they come: all of them together may be more than there is room for.
        let look = |key: &Key| {
            Ok(match source.get(key)? {
                Err(why) => {
                    tracing::warn!("{why}");
                    Found::Damaged
                }
                Ok(bytes) if !key.names_its_bytes(&bytes) => Found::Damaged,
                Ok(bytes) => match opened(&bytes, school, None) {
                    Ok(manifest) => Found::Whole(Box::new(manifest)),
                    Err(_) => Found::Foreign,
                },
            })
        };
        // They come smallest first, and several large ones at a time would be too much.
        let (small, large) = keys.split_at(large_from);
        let mut read = each(store, small, look);
        read.extend(large.iter().map(look));
        for (key, found) in keys.into_iter().zip(read) {
            let found: Found = found.map_err(|e: StoreError| e)?;
            match found {
                Found::Whole(manifest) => manifests.push((key.name().to_owned(), *manifest)),
                Found::Damaged => damaged.push(key.name().to_owned()),
                Found::Foreign => {}
            }
        }
        Ok((Self::new(manifests), damaged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(
        number: u64,
        previous: Option<&str>,
        indexes: &[(&str, &[&str])],
    ) -> (String, Manifest) {
        let name = format!("m{number}");
        let indexes = indexes
            .iter()
            .map(|(i, p)| ((*i).to_owned(), p.iter().map(|p| (*p).to_owned()).collect()))
            .collect();
        let m = Manifest {
            v: 1,
            repository: "r".into(),
            series: None,
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
        let mut chain = Chain::new([
            manifest(1, None, &[("a", &["p", "q"])]),
            manifest(2, Some("m1"), &[("b", &["r"])]),
            manifest(3, None, &[("c", &["q", "r"])]),
            manifest(5, Some("m4"), &[("d", &["s"])]),
            manifest(6, None, &[("d", &["s"])]),
        ]);
        let set = |c: &Chain, n: &str| c.indexes(n).into_iter().collect::<Vec<_>>().join("");
        assert_eq!(
            (set(&chain, "m1"), set(&chain, "m2"), set(&chain, "m3"), set(&chain, "m6")),
            ("a".into(), "ab".into(), "c".into(), "d".into())
        );
        assert!(
            chain.is_whole("m3")
                && !chain.is_whole("m5")
                && chain.is_whole("m6")
                && !chain.is_whole("m4")
        );
        assert_eq!(chain.packs_of("m2").len(), 3);
        // Who signs lies takes nothing away from what is there: not by an emptied index, not by a
        // full one in between.
        chain.add("lie".into(), manifest(2, None, &[("a", &[]), ("b", &[])]).1);
        assert_eq!((chain.packs_of("m2").len(), chain.all_indexes()["a"].len()), (3, 2));
        assert_eq!(chain.newest(&Series::DATA).map(|(n, _)| n), Some("m6"));
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

    #[test]
    fn a_manifest_has_one_name() {
        let key = SigningKey::from_seed(&SigningKey::new_seed().unwrap()).unwrap();
        let (_, mut m) = manifest(1, None, &[]);
        m.snapshot = hash_name(b"x");
        let bytes = m.sign(&key).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let (body, signature) = text.split_once('\n').unwrap();
        let signature = signature.trim_end();
        let open = |text: &str| Manifest::open(text.as_bytes(), &key.public(), Some("r"));
        assert!(open(&text).is_ok());
        // What anybody can write who has seen it once.
        for other in [
            format!("{body}\n{}\n", signature.to_uppercase()),
            format!("{body}\n{signature}"),
            format!("{body}\n{signature}\n\n"),
            format!("{body}\n{signature} \n"),
            format!("{body}\n{signature}\r\n"),
            format!("{body}\n{signature}\u{a0}\n"),
            format!("{body}\n {signature}\n"),
            format!("{body}\n{signature}\n{signature}\n"),
            format!("{body}\n{signature}\0"),
        ] {
            let error = open(&other).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains("one form"), "{other:?}: {error}");
        }
        // What the key alone can sign, and its own program never does.
        let signed = |body: String| format!("{body}\n{}\n", key.sign(PURPOSE, body.as_bytes()));
        let head = body.strip_prefix('{').unwrap();
        for other in [
            format!("{{ {head}"),
            format!("{{\"more\":1,{head}"),
            format!("{{\"series\":\"data\",{head}"),
            body.replacen("\"number\"", "\"series\":\"data\",\"number\"", 1),
            format!("{{{},\"v\":1}}", &head[6..].strip_suffix('}').unwrap()),
        ] {
            let text = signed(other);
            let error = open(&text).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains("one form"), "{text}: {error}");
            // What stands in a log goes on telling what its snapshot needs.
            let read = Manifest::recorded(text.as_bytes(), &key.public(), Some("r")).unwrap();
            assert_eq!((read.series(), read.snapshot), (m.series(), m.snapshot.clone()));
        }
        let upper = text.replace(signature, &signature.to_uppercase());
        assert_eq!(Manifest::recorded(upper.as_bytes(), &key.public(), Some("r")).unwrap(), m);
    }
}
