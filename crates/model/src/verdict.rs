use crate::Untrusted;
use serde::{Deserialize, Serialize};

/// Bytes of the sentences that are kept with a verdict (own limit: a record stays small).
const SAYS_BYTES_MAX: usize = 800;

/// What is thought of one stored version of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing speaks against it.
    Clean,
    /// Something is wrong that an honest user could also have done.
    Suspicious,
    /// Its bytes are ciphertext where there was a document.
    Encrypted,
}

impl Verdict {
    /// The word used in records and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Clean => "clean",
            Verdict::Suspicious => "suspicious",
            Verdict::Encrypted => "encrypted",
        }
    }
}

/// Why a verdict is not simply *clean*. Codes are stored: add, never rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictReason {
    /// The format that the name promises is absent and the bytes are evenly random.
    RandomInsteadOfFormat,
    /// The version before was a well-formed file of its format, this one is not.
    StructureLost,
    /// Parts of the file were overwritten with random bytes in place, the rest is as before.
    RandomBlocksInPlace,
    /// The bytes became much more random than those of the version before.
    EntropyJump,
    /// A second extension was added behind the real one.
    ExtensionAppended,
    /// The extension is one that ransomware is known to use.
    KnownExtension,
    /// The text of a ransom note.
    RansomNote,
    /// Many files of one drive were renamed in one run.
    RenameStorm,
    /// Older versions of the file disappeared while its content changed.
    VersionsFlushed,
    /// The alarm of a whole run covers this item.
    RunAlarm,
    /// The item became empty while many others changed.
    Emptied,
    /// A record in a text or container of text no longer reads as text.
    TextLost,
    /// Noise written as text (base64, hex, armour) stands where a document or a text was promised.
    NoiseAsText,
    /// A well-formed container holds nothing but noise.
    NoiseInContainer,
    /// A password hides what could be read before.
    ProtectedNow,
    /// Nothing of the version before is found again.
    TraceLost,
    /// The bytes or letters of the version before, exchanged for others or put elsewhere.
    BytesExchanged,
    /// Stretches are filled with one byte that were not before.
    Wiped,
    /// It ends where the version before went on.
    CutShort,
    /// The document's main part is gone, or does not read.
    MainPartLost,
    /// Members of a container lie in one another, so that unpacking it would have no end.
    OverlappingMembers,
    /// Attachments of a message that was sent or received are gone.
    AttachmentLost,
    /// The text of a message that was sent or received is another.
    BodyChanged,
    /// Another message stands in the place of one that was sent or received.
    HeadersChanged,
    /// What was a message no longer reads as one.
    MessageUnreadable,
}

/// What became of an item's content, as its bytes show it. Codes are stored: add, never rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Damage {
    /// Ciphertext, or noise that looks like it, stands where there was content.
    Ciphertext,
    /// Noise written as text.
    Encoded,
    /// A whole container that holds nothing but noise.
    Wrapped,
    /// A password hides it.
    Locked,
    /// It reads no more: its form or its main part is gone.
    Broken,
    /// Something else stands in its place.
    Overwritten,
    /// The same bytes, exchanged for others or put elsewhere.
    Exchanged,
    /// One byte fills it, or parts of it.
    Wiped,
    /// Its end is gone.
    CutShort,
    /// Nothing is left.
    Emptied,
    /// It became equal to many others.
    MadeEqual,
    /// What was attached to it is gone.
    Stripped,
}

impl Damage {
    /// What such items did, behind their number: "12 became ciphertext".
    pub fn did(self) -> &'static str {
        match self {
            Damage::Ciphertext => "became ciphertext",
            Damage::Encoded => "became noise written as text",
            Damage::Wrapped => "became containers of noise",
            Damage::Locked => "got a password",
            Damage::Broken => "read no more",
            Damage::Overwritten => "lost all trace of what they held",
            Damage::Exchanged => "had their bytes exchanged",
            Damage::Wiped => "were filled with one byte",
            Damage::CutShort => "were cut short",
            Damage::Emptied => "were emptied",
            Damage::MadeEqual => "became equal to others",
            Damage::Stripped => "lost what was attached to them",
        }
    }
}

impl VerdictReason {
    /// What became of the content, where the reason speaks of that: a name, a note, and what many
    /// others did at the same time say nothing of an item's own bytes.
    pub fn damage(self) -> Option<Damage> {
        Some(match self {
            Self::RandomInsteadOfFormat | Self::RandomBlocksInPlace | Self::EntropyJump => {
                Damage::Ciphertext
            }
            Self::NoiseAsText => Damage::Encoded,
            Self::NoiseInContainer => Damage::Wrapped,
            Self::ProtectedNow => Damage::Locked,
            Self::StructureLost | Self::MainPartLost | Self::TextLost | Self::MessageUnreadable => {
                Damage::Broken
            }
            Self::TraceLost | Self::BodyChanged | Self::HeadersChanged => Damage::Overwritten,
            Self::AttachmentLost => Damage::Stripped,
            Self::BytesExchanged => Damage::Exchanged,
            Self::Wiped => Damage::Wiped,
            Self::CutShort => Damage::CutShort,
            Self::Emptied => Damage::Emptied,
            Self::ExtensionAppended
            | Self::KnownExtension
            | Self::RansomNote
            | Self::RenameStorm
            | Self::VersionsFlushed
            | Self::RunAlarm
            | Self::OverlappingMembers => return None,
        })
    }

    /// Whether it can be said only of what was held against an earlier version.
    pub fn is_of_a_change(self) -> bool {
        matches!(
            self,
            Self::StructureLost
                | Self::RandomBlocksInPlace
                | Self::EntropyJump
                | Self::ProtectedNow
                | Self::TraceLost
                | Self::BytesExchanged
                | Self::CutShort
                | Self::AttachmentLost
                | Self::BodyChanged
                | Self::HeadersChanged
        )
    }
}

/// A verdict with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredJudgement", into = "StoredJudgement")]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// What speaks for it, strongest first.
    pub reasons: Vec<VerdictReason>,
    /// The same in sentences with figures, as far as they are kept: none of what older programs
    /// judged.
    pub says: Vec<Untrusted>,
    /// Who said that the verdict was wrong, and why: then it is clean, whatever was found.
    pub overruled: Option<Untrusted>,
}

/// The form in which a judgement is stored.
#[derive(Serialize, Deserialize)]
struct StoredJudgement {
    is: Verdict,
    /// Absent when nothing speaks against the item.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<Vec<VerdictReason>>,
    /// Absent when nothing speaks against the item, and of what older programs judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    says: Option<Vec<Untrusted>>,
    /// Absent where nobody overruled the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    overruled: Option<Untrusted>,
}

impl From<StoredJudgement> for Judgement {
    fn from(stored: StoredJudgement) -> Self {
        Self {
            verdict: stored.is,
            reasons: stored.why.unwrap_or_default(),
            says: stored.says.unwrap_or_default(),
            overruled: stored.overruled,
        }
    }
}

impl From<Judgement> for StoredJudgement {
    fn from(judgement: Judgement) -> Self {
        let Judgement { verdict, reasons, says, overruled } = judgement;
        let why = (!reasons.is_empty()).then_some(reasons);
        let says = (!says.is_empty()).then_some(says);
        Self { is: verdict, why, says, overruled }
    }
}

impl Judgement {
    /// Nothing speaks against the item.
    pub fn clean() -> Self {
        Self { verdict: Verdict::Clean, reasons: Vec::new(), says: Vec::new(), overruled: None }
    }

    /// Clean, since a person said so.
    pub fn overruled(says: impl Into<Untrusted>) -> Self {
        Self { overruled: Some(says.into()), ..Self::clean() }
    }

    /// Whether nothing speaks against the item, or a person says that it does not count.
    pub fn is_clean(&self) -> bool {
        self.verdict == Verdict::Clean
    }

    /// What became of the content, by the strongest reason that says so, where it is not clean.
    pub fn damage(&self) -> Option<Damage> {
        let is_odd = self.verdict != Verdict::Clean;
        self.reasons.iter().find_map(|r| r.damage()).filter(|_| is_odd)
    }

    /// Adds a reason and raises the verdict to at least `verdict`.
    pub fn raise(&mut self, verdict: Verdict, reason: VerdictReason) {
        self.verdict = self.verdict.max(verdict);
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    /// Adds a sentence, where there is room for it; the first one is cut to fit.
    pub fn say(&mut self, sentence: &str) {
        let used: usize = self.says.iter().map(|s| s.as_str().len()).sum();
        let room = SAYS_BYTES_MAX.saturating_sub(used);
        if sentence.len() <= room {
            self.says.push(sentence.into());
        } else if self.says.is_empty() {
            self.says.push(sentence[..sentence.floor_char_boundary(room)].into());
        }
    }

    /// Takes over what another judgement of the same item found.
    pub fn add(&mut self, other: Judgement) {
        for reason in other.reasons {
            self.raise(other.verdict, reason);
        }
        for s in other.says {
            if !self.says.contains(&s) {
                self.say(s.as_str());
            }
        }
    }
}
