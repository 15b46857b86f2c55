//! Where decisions of people are kept, and whether they are that person's.
//!
//! [`Decisions`] is all that anybody asks of the place; today it is a [`DecisionFile`] for each
//! tenant, one line of JSON an entry, only ever added to. A person whose public key the
//! configuration names signs with the key's file: what bears that name without the signature does
//! not count, and what bears a wrong one is refused.

use crate::Error;
use std::{
    io::Write,
    path::{Path, PathBuf},
};
use strongroom_custody::{PublicKey, SigningKey};
use strongroom_model::{
    Record,
    decision::{Decision, DecisionEntry, DecisionSignature},
};
use strongroom_objects::{append_regular, read_regular};

/// What a signature is for; one for another purpose does not fit.
const PURPOSE: &str = "decision";

/// A place that keeps decisions.
pub trait Decisions {
    /// All entries, oldest first.
    ///
    /// # Errors
    /// [`Error::Request`] when the place cannot be read, or holds what is no entry.
    fn entries(&self) -> Result<StoredDecisions, Error>;

    /// Adds entries; they are there for good when this returns.
    ///
    /// # Errors
    /// [`Error::Request`] when they could not be written.
    fn add(&self, entries: &[DecisionEntry]) -> Result<(), Error>;
}

/// What a place holds.
#[derive(Debug, Default)]
pub struct StoredDecisions {
    /// All entries, oldest first.
    pub entries: Vec<DecisionEntry>,
    /// Sentences about what a crash cut off: it was never decided.
    pub cut: Vec<String>,
    /// Sentences about entries that this program does not know. Each may be a decision against
    /// what is about to be done.
    pub unknown: Vec<String>,
}

impl StoredDecisions {
    /// The decisions.
    pub fn decisions(&self) -> impl Iterator<Item = &Record<Decision>> {
        self.entries.iter().filter_map(|entry| match entry {
            DecisionEntry::Decision(record) => Some(record),
            _ => None,
        })
    }
}

/// A decision has some hundred bytes; a school's take megabytes at most.
const DECISIONS_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A file of decisions.
#[derive(Debug, Clone)]
pub struct DecisionFile {
    path: PathBuf,
}

impl DecisionFile {
    /// The file need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn failed(&self, what: &str, e: impl std::fmt::Display) -> Error {
        Error::Request(format!("{} {what}: {e}", self.path.display()).into())
    }
}

impl Decisions for DecisionFile {
    fn entries(&self) -> Result<StoredDecisions, Error> {
        let bytes = match read_regular(&self.path, DECISIONS_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Ok(StoredDecisions::default());
            }
            Err(e) => return Err(self.failed("cannot be read", e)),
        };
        let mut kept = StoredDecisions::default();
        for (n, line) in bytes.split(|b| *b == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            let place = || format!("line {} of {}", n + 1, self.path.display());
            match serde_json::from_slice(line) {
                Ok(found) => {
                    let entry = DecisionEntry::from_json(found);
                    if let DecisionEntry::Unknown(found) = &entry {
                        let kind = found["record"].as_str().or(found["kind"].as_str());
                        kept.unknown.push(format!(
                            "{} ({}) is of a kind that this program does not know; use the \
                             strongroom that wrote it",
                            place(),
                            kind.unwrap_or("without a name")
                        ));
                    }
                    kept.entries.push(entry);
                }
                // What a crash cut off was never decided; it may cut a letter in two.
                Err(e) if line.starts_with(b"{") && is_cut(&e, line) => {
                    kept.cut.push(format!("{} was cut off and is passed over", place()));
                }
                Err(e) => {
                    return Err(Error::Request(format!("{} is no record: {e}", place()).into()));
                }
            }
        }
        Ok(kept)
    }

    fn add(&self, entries: &[DecisionEntry]) -> Result<(), Error> {
        if let Some(dir) = self.path.parent() {
            std::fs::create_dir_all(dir).map_err(|e| {
                Error::Request(format!("{} cannot be made: {e}", dir.display()).into())
            })?;
        }
        let mut text = String::new();
        for entry in entries {
            text.push_str(&format!("{}\n", entry.to_json()?));
        }
        let mut out =
            append_regular(&self.path).map_err(|e| self.failed("cannot be written", e))?;
        // Two who decide at once write one after the other.
        out.lock().map_err(|e| self.failed("cannot be locked", e))?;
        // A line that a crash cut off stays alone.
        let before = read_regular(&self.path, DECISIONS_BYTES_MAX)
            .map_err(|e| self.failed("cannot be read", e))?;
        if before.last().is_some_and(|b| *b != b'\n') {
            text.insert(0, '\n');
        }
        out.write_all(text.as_bytes())
            .and_then(|()| out.sync_all())
            .map_err(|e| self.failed("cannot be written", e))
    }
}

/// Whether a line ends where JSON would go on.
fn is_cut(e: &serde_json::Error, line: &[u8]) -> bool {
    e.is_eof() || std::str::from_utf8(line).is_err_and(|e| e.error_len().is_none())
}

/// A person whose decisions are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Name, as decisions bear it.
    pub name: String,
    /// The key that signs for them.
    pub key: PublicKey,
}

/// How a decision stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureState {
    /// Signed with the key of the person whom it names.
    Signed,
    /// Unsigned, or signed with a key of which nothing is known; nobody configured a key for this
    /// person. It counts, and is shown as unsigned.
    Unsigned,
    /// Unsigned, though the person has a key: anybody may have written it, and it does not count.
    Unproven,
}

/// Those whose decisions are signed.
#[derive(Debug, Clone, Default)]
pub struct People(Vec<Person>);

impl People {
    /// Takes them as they are configured.
    pub fn new(people: Vec<Person>) -> Self {
        Self(people)
    }

    fn key_of(&self, person: Option<&str>) -> Option<&PublicKey> {
        self.0.iter().find(|p| Some(p.name.as_str()) == person).map(|p| &p.key)
    }

    /// How a decision stands.
    ///
    /// # Errors
    /// [`Error::Request`] that names the decision, when its signature is wrong: not over these
    /// words, or not by this person's key.
    pub fn standing(&self, decision: &Record<Decision>) -> Result<SignatureState, Error> {
        let key = self.key_of(decision.person.as_deref());
        let Some(signer) = signer(decision)? else {
            return Ok(if key.is_some() {
                SignatureState::Unproven
            } else {
                SignatureState::Unsigned
            });
        };
        match key {
            Some(key) if *key == signer => Ok(SignatureState::Signed),
            Some(key) => Err(wrong(
                decision,
                &format!(
                    "it is by the key {}, and the person's is {}",
                    signer.short(),
                    key.short()
                ),
            )),
            None => Ok(SignatureState::Unsigned),
        }
    }

    /// Makes the record of a decision, signed when there is a key.
    ///
    /// # Errors
    /// [`Error::Request`] when the person has a key and this is not it.
    pub fn record(
        &self,
        decision: Decision,
        key: Option<&SigningKey>,
    ) -> Result<Record<Decision>, Error> {
        let record = signed(decision, key)?;
        match self.standing(&record)? {
            SignatureState::Unproven => Err(Error::Request(
                format!(
                    "the decisions of {} are signed; name the key's file with --key",
                    record.by()
                )
                .into(),
            )),
            _ => Ok(record),
        }
    }
}

fn wrong(decision: &Record<Decision>, why: &str) -> Error {
    Error::Request(
        format!(
            "the signature under the decision of {} on {:?} is wrong: {why}; somebody changed it, \
             or wrote it in their name",
            decision.by(),
            decision.subject
        )
        .into(),
    )
}

/// The key that signed a decision, whosever it is; none where nobody did.
///
/// # Errors
/// [`Error::Request`] that names the decision, when its signature is not that key's over these
/// words.
pub fn signer(decision: &Record<Decision>) -> Result<Option<PublicKey>, Error> {
    let Some(s) = &decision.signature else { return Ok(None) };
    let signer = PublicKey::from_digits(&s.key).map_err(|e| wrong(decision, &e.to_string()))?;
    match signer.verifies(PURPOSE, &decision.signed_bytes()?, &s.signature) {
        true => Ok(Some(signer)),
        false => Err(wrong(decision, &format!("it is not that of the key {}", signer.short()))),
    }
}

/// A decision that a key signs, or that nobody does.
///
/// # Errors
/// [`Error::Record`]; no decision of ours has it.
pub fn signed(decision: Decision, key: Option<&SigningKey>) -> Result<Record<Decision>, Error> {
    let mut record = Record::new(Decision { signature: None, ..decision });
    if let Some(key) = key {
        record.signature = Some(DecisionSignature {
            key: key.public().to_string(),
            signature: key.sign(PURPOSE, &record.signed_bytes()?),
        });
    }
    Ok(record)
}

/// Reads a person's key file, as a custodian's: the seed, 64 hexadecimal digits.
///
/// # Errors
/// [`Error::Custody`] that names the file.
pub fn read_key(path: &Path) -> Result<SigningKey, Error> {
    Ok(SigningKey::from_file(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use strongroom_model::decision::DecisionKind;

    fn key() -> SigningKey {
        SigningKey::from_seed(&SigningKey::new_seed().unwrap()).unwrap()
    }

    fn by(person: &str) -> Decision {
        Decision {
            person: Some(person.into()),
            ..Decision::new(DecisionKind::Review, "ab12", "as agreed")
        }
    }

    fn people(name: &str, key: &SigningKey) -> People {
        People::new(vec![Person { name: name.into(), key: key.public() }])
    }

    #[test]
    fn a_signature_is_that_persons_over_these_words() {
        let (head, other) = (key(), key());
        let people = people("A. Head", &head);
        let signed = people.record(by("A. Head"), Some(&head)).unwrap();
        assert_eq!(people.standing(&signed).unwrap(), SignatureState::Signed);
        // Every word counts, the unknown ones too.
        let value = serde_json::to_value(&signed).unwrap();
        let changes = [
            ("reason", json!("as I say")),
            ("subject", json!("cd34")),
            ("until", json!("2099-01-01")),
            ("decided", json!("rejected")),
            ("kind", json!("approval")),
            ("unless", json!("never")),
        ];
        for (name, to) in changes {
            let mut changed = value.clone();
            changed[name] = to;
            let changed = Record::<Decision>::from_json(&changed).unwrap();
            let error = people.standing(&changed).unwrap_err().to_string();
            assert!(error.contains("A. Head") && error.contains("wrong"), "{name}: {error}");
        }
        // Another's key is not the person's, at writing and at reading.
        assert!(people.record(by("A. Head"), Some(&other)).is_err());
        let foreign = People::default().record(by("A. Head"), Some(&other)).unwrap();
        assert!(people.standing(&foreign).is_err());
        // In another's name.
        let mut stolen = value.clone();
        stolen["person"] = json!("B. Other");
        assert!(people.standing(&Record::from_json(&stolen).unwrap()).is_err());
    }

    #[test]
    fn without_a_signature_it_counts_only_where_the_person_has_no_key() {
        let head = key();
        let unsigned = People::default().record(by("A. Head"), None).unwrap();
        assert_eq!(People::default().standing(&unsigned).unwrap(), SignatureState::Unsigned);
        let people = people("A. Head", &head);
        assert_eq!(people.standing(&unsigned).unwrap(), SignatureState::Unproven);
        let error = people.record(by("A. Head"), None).unwrap_err().to_string();
        assert!(error.contains("--key"), "{error}");
        let other = people.record(by("B. Other"), None).unwrap();
        assert_eq!(people.standing(&other).unwrap(), SignatureState::Unsigned);
    }

    #[test]
    fn a_file_keeps_what_it_does_not_know_and_refuses_what_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let file = DecisionFile::new(dir.path().join("new/school.jsonl"));
        assert!(file.entries().unwrap().entries.is_empty());
        let record = People::default().record(by("A. Head"), None).unwrap();
        file.add(&[DecisionEntry::Decision(record.clone())]).unwrap();
        let path = dir.path().join("new/school.jsonl");
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(b"{\"record\":\"delegation\",\"to\":\"x\"}\n{\"v\":1,\"ki\xc3");
        std::fs::write(&path, &text).unwrap();
        file.add(&[DecisionEntry::Decision(record)]).unwrap();
        let kept = file.entries().unwrap();
        assert_eq!((kept.decisions().count(), kept.unknown.len(), kept.cut.len()), (2, 1, 1));
        assert!(kept.unknown[0].contains("line 2") && kept.unknown[0].contains("delegation"));
        std::fs::write(&path, b"{\"v\":1}\nnonsense\n").unwrap();
        assert!(file.entries().unwrap_err().to_string().contains("line 2 of"));
    }
}
