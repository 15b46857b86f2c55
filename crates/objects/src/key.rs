use crate::StoreError;
use sha2::{Digest, Sha256};

/// The kinds of objects that restic's format knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The one `config` object.
    Config,
    /// Key files.
    Keys,
    /// Packs.
    Data,
    /// Index files.
    Index,
    /// Snapshots.
    Snapshots,
    /// Manifests: what a vault without a key may know of each snapshot. Stock programs pass the
    /// folder over.
    Manifests,
    /// Locks: transient, never in a vault.
    Locks,
}

impl Kind {
    /// Kinds whose objects are replicated, in the order in which they must arrive (law 3).
    pub const REPLICATED: [Kind; 6] =
        [Kind::Config, Kind::Keys, Kind::Data, Kind::Index, Kind::Snapshots, Kind::Manifests];
    /// Kinds that live in a directory of their own.
    pub const DIRECTORIES: [Kind; 6] =
        [Kind::Keys, Kind::Data, Kind::Index, Kind::Snapshots, Kind::Manifests, Kind::Locks];

    /// The directory's name in restic's layout.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Config => "config",
            Kind::Keys => "keys",
            Kind::Data => "data",
            Kind::Index => "index",
            Kind::Snapshots => "snapshots",
            Kind::Manifests => "manifests",
            Kind::Locks => "locks",
        }
    }

    /// Most bytes that an object of this kind has. Beyond what any writer makes, ours or restic's:
    /// packs of restic have at most 128 MiB and one blob more, and indexes 50,000 blobs; and little
    /// enough that one planted object does not fill the memory.
    pub const fn bytes_max(self) -> u64 {
        const KIB: u64 = 1024;
        match self {
            Kind::Config | Kind::Keys | Kind::Locks => 64 * KIB,
            Kind::Snapshots => 16 * KIB * KIB,
            Kind::Index | Kind::Manifests => 128 * KIB * KIB,
            Kind::Data => 160 * KIB * KIB,
        }
    }

    /// The kind of a directory's name.
    pub fn parse(name: &str) -> Option<Kind> {
        [Kind::Config].into_iter().chain(Kind::DIRECTORIES).find(|k| k.as_str() == name)
    }
}

/// The full name of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    kind: Kind,
    name: String,
}

impl Key {
    /// The one `config` object.
    pub fn config() -> Self {
        Key { kind: Kind::Config, name: "config".to_owned() }
    }

    /// An object named by a SHA-256 in hexadecimal; anything else is refused.
    pub fn new(kind: Kind, name: &str) -> Result<Self, StoreError> {
        let fits = match kind {
            Kind::Config => name == "config",
            _ => {
                name.len() == 64
                    && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
            }
        };
        if !fits {
            return Err(StoreError::Refused {
                location: "the store".to_owned(),
                action: format!("name an object {}/{name:.80}", kind.as_str()),
                why: "a name is the SHA-256 of the bytes in lower-case hexadecimal".into(),
            });
        }
        Ok(Key { kind, name: name.to_owned() })
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its name within the kind.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether `bytes` may stand under this name (law 5).
    pub fn names_its_bytes(&self, bytes: &[u8]) -> bool {
        self.kind == Kind::Config || hash_name(bytes) == self.name
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            Kind::Config => f.write_str("config"),
            kind => write!(f, "{}/{}", kind.as_str(), self.name),
        }
    }
}

/// The name that law 5 gives to `bytes`.
pub fn hash_name(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
