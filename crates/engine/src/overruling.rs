//! What a person says of verdicts: that they are wrong, of one version, an item, a folder, or files
//! that are called so.

use crate::{Error, clean, owner_dirs::OwnerPath};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};
use strongroom_model::{Facts, ItemId, Judgement, Untrusted};
use strongroom_repository::{BlobKind, Node, Repository};

/// Bytes of the sentence that stands beside a verdict that was overruled (own limit: a record
/// stays small).
const SAYS_BYTES_MAX: usize = 600;

/// Of what a verdict is overruled. Ids are meant, and no paths: whoever gives something a place or
/// a name is not believed for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overruled {
    /// One version: an item with these bytes.
    Version {
        /// The item.
        item: ItemId,
        /// SHA-256 of its content, hexadecimal.
        sha256: String,
    },
    /// An item, whatever it holds.
    Item(ItemId),
    /// All below a folder, a drive, or an owner.
    Below(ItemId),
    /// Files with names that fit.
    Named {
        /// What the names are like.
        names: NamePattern,
        /// Within this folder alone.
        below: Option<ItemId>,
    },
}

/// What names are like: `*` stands for any characters, `?` for one; case makes no difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern(String);

impl NamePattern {
    /// Whether a name is like it.
    pub fn fits(&self, name: &str) -> bool {
        let (pattern, name): (Vec<char>, Vec<char>) =
            (self.0.to_lowercase().chars().collect(), name.to_lowercase().chars().collect());
        // Where the last star stands, and how much of the name it covers.
        let (mut p, mut n, mut star) = (0, 0, None);
        while n < name.len() {
            match pattern.get(p) {
                Some('*') => {
                    star = Some((p, n));
                    p += 1;
                }
                Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
                _ => match star {
                    Some((at, covered)) => {
                        star = Some((at, covered + 1));
                        (p, n) = (at + 1, covered + 1);
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|c| *c == '*')
    }
}

impl FromStr for NamePattern {
    type Err = &'static str;

    /// One that fits nearly everything says nothing, and is refused.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.chars().filter(|c| c.is_alphanumeric()).count() < 3 {
            return Err("a pattern of names holds three letters or digits at least");
        }
        if text.contains(['/', '\n']) {
            return Err("a pattern is of names, and not of paths");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As the subject of a decision has it.
impl fmt::Display for Overruled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { item, sha256 } => write!(f, "version {sha256} of {item}"),
            Self::Item(id) => write!(f, "item {id}"),
            Self::Below(id) => write!(f, "below {id}"),
            Self::Named { names, below: None } => write!(f, "named {names}"),
            Self::Named { names, below: Some(id) } => write!(f, "below {id} named {names}"),
        }
    }
}

impl FromStr for Overruled {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const UNKNOWN: &str = "it is not known here what this overrules";
        let (word, rest) = text.split_once(' ').ok_or(UNKNOWN)?;
        let id = |text: &str| match text.is_empty() || text.contains(char::is_whitespace) {
            true => Err(UNKNOWN),
            false => Ok(ItemId::from(text)),
        };
        match word {
            "version" => {
                let (sha256, item) = rest.split_once(" of ").ok_or(UNKNOWN)?;
                let is_hash = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit());
                let sha256 = is_hash.then(|| sha256.to_lowercase()).ok_or(UNKNOWN)?;
                Ok(Self::Version { item: id(item)?, sha256 })
            }
            "item" => Ok(Self::Item(id(rest)?)),
            "named" => Ok(Self::Named { names: rest.parse()?, below: None }),
            "below" => match rest.split_once(" named ") {
                Some((below, names)) => {
                    Ok(Self::Named { names: names.parse()?, below: Some(id(below)?) })
                }
                None => Ok(Self::Below(id(rest)?)),
            },
            _ => Err(UNKNOWN),
        }
    }
}

/// A verdict that somebody overruled, and it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overruling {
    /// Of what.
    pub of: Overruled,
    /// Who said so, until when, and why.
    pub says: Untrusted,
    /// When they did.
    pub from: Option<jiff::Timestamp>,
}

/// What is asked about a version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) item: &'a ItemId,
    pub(crate) name: &'a str,
    pub(crate) sha256: Option<&'a str>,
    /// What it stands in, from the nearest.
    pub(crate) above: &'a [ItemId],
}

impl Overruling {
    pub(crate) fn covers(&self, asked: Asked<'_>) -> bool {
        let below = |id: &ItemId| asked.above.contains(id);
        match &self.of {
            Overruled::Version { item, sha256 } => {
                item == asked.item && asked.sha256 == Some(sha256.as_str())
            }
            Overruled::Item(item) => item == asked.item,
            Overruled::Below(id) => below(id),
            Overruled::Named { names, below: within } => {
                names.fits(asked.name) && within.as_ref().is_none_or(below)
            }
        }
    }

    /// The verdict that stands instead of what was found.
    pub(crate) fn instead_of(&self, found: &Judgement) -> Judgement {
        let what = found.says.first().map(|s| format!(": {}", s.as_str())).unwrap_or_default();
        let mut text =
            format!("{}; it was found {}{what}", self.says.as_str(), found.verdict.as_str());
        text.truncate(text.floor_char_boundary(SAYS_BYTES_MAX));
        Judgement::overruled(text)
    }
}

/// What somebody points at in the newest snapshot.
#[derive(Debug, Clone)]
pub struct Pointed {
    /// Its id.
    pub id: ItemId,
    /// Whether it is a file, and no folder.
    pub is_file: bool,
    /// SHA-256 of a file's content.
    pub sha256: Option<String>,
    /// What is thought of a file.
    pub judgement: Option<Judgement>,
    /// Where it stands.
    pub path: Untrusted,
    /// When the snapshot was made.
    pub seen: jiff::Timestamp,
}

/// Looks up what stands at a path in the newest snapshot of a tenant.
///
/// # Errors
/// [`Error::Request`], where nothing does, or it is nothing that is judged; those of reading.
pub fn point_at(repo: &Repository, tenant: &str, path: &str) -> Result<Pointed, Error> {
    let none = |what: String| Error::Request(what.into());
    let (_, snapshot) = clean::latest(repo, Some(tenant))?
        .ok_or_else(|| none(format!("{tenant} has no snapshot yet")))?;
    let place = OwnerPath::find(repo, &snapshot.tree, path)?;
    let node = match repo.node_at(&snapshot.tree, place.path()) {
        Ok(node) => node,
        Err(strongroom_repository::Error::NoSuchPath(_)) => {
            let shown = Untrusted::from(path);
            return Err(none(format!("the newest snapshot has nothing at {}", shown.quoted())));
        }
        Err(e) => return Err(e.into()),
    };
    let facts = node.facts()?;
    let judged = facts.filter(|f| f.kind.is_judged() || node.is_dir()).ok_or_else(|| {
        let shown = Untrusted::from(path);
        none(format!("{} is nothing that is judged: name a file or a folder", shown.quoted()))
    })?;
    let is_file = !node.is_dir();
    let sha256 = is_file.then(|| content_hash(repo, &node, &judged)).transpose()?;
    Ok(Pointed {
        id: judged.id,
        is_file,
        sha256,
        judgement: judged.judgement,
        path: place.path().into(),
        seen: snapshot.time,
    })
}

fn content_hash(repo: &Repository, node: &Node, facts: &Facts) -> Result<String, Error> {
    if let Some(known) = facts.file.as_ref().and_then(|f| f.sha256.clone()) {
        return Ok(known);
    }
    let mut hash = Sha256::new();
    for id in node.content() {
        hash.update(repo.read_blob(BlobKind::Data, id)?);
    }
    Ok(hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_overruled_is_written_and_read() {
        let hash = "ab".repeat(32);
        for text in [
            &format!("version {hash} of 01ABC"),
            "item 01ABC",
            "below 01ABC",
            "named *register*.xlsx",
            "below 01ABC named class 5 *.kdbx",
        ] {
            let read: Overruled = text.parse().unwrap();
            assert_eq!(read.to_string(), text);
        }
        for bad in
            ["", "item", "item a b", "version ab of x", "named *", "below x named a/b c", "x y"]
        {
            assert!(bad.parse::<Overruled>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_fit_as_people_mean_it() {
        let fits = |pattern: &str, name| pattern.parse::<NamePattern>().unwrap().fits(name);
        assert!(fits("*register*.xlsx", "Class 5 Register (new).XLSX"));
        assert!(fits("class ?.kdbx", "Class 5.kdbx") && fits("*abc", "ababc"));
        assert!(
            !fits("class ?.kdbx", "class 12.kdbx") && !fits("register.xlsx", "register.xlsx.q")
        );
    }

    #[test]
    fn an_overruling_covers_what_it_names_and_nothing_else() {
        let (item, folder) = (ItemId::from("i"), ItemId::from("f"));
        let (hash, above) = ("cd".repeat(32), [folder.clone()]);
        let asked =
            Asked { item: &item, name: "register.xlsx", sha256: Some(&hash), above: &above };
        let covers = |text: &str| {
            let of = text.parse().unwrap();
            Overruling { of, says: "x".into(), from: None }.covers(asked)
        };
        assert!(covers(&format!("version {hash} of i")) && covers("item i") && covers("below f"));
        assert!(covers("named reg*") && covers("below f named reg*"));
        assert!(!covers(&format!("version {} of i", "ee".repeat(32))));
        assert!(!covers(&format!("version {hash} of j")) && !covers("item j"));
        assert!(!covers("below g") && !covers("below g named reg*") && !covers("named *.kdbx"));
    }
}
