use serde::{Deserialize, Serialize};

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
}

/// A verdict with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredJudgement", into = "StoredJudgement")]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// What speaks for it, strongest first.
    pub reasons: Vec<VerdictReason>,
}

/// The form in which a judgement is stored.
#[derive(Serialize, Deserialize)]
struct StoredJudgement {
    is: Verdict,
    /// Absent when nothing speaks against the item.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<Vec<VerdictReason>>,
}

impl From<StoredJudgement> for Judgement {
    fn from(stored: StoredJudgement) -> Self {
        Self { verdict: stored.is, reasons: stored.why.unwrap_or_default() }
    }
}

impl From<Judgement> for StoredJudgement {
    fn from(judgement: Judgement) -> Self {
        let why = (!judgement.reasons.is_empty()).then_some(judgement.reasons);
        Self { is: judgement.verdict, why }
    }
}

impl Judgement {
    /// Nothing speaks against the item.
    pub fn clean() -> Self {
        Self { verdict: Verdict::Clean, reasons: Vec::new() }
    }

    /// Adds a reason and raises the verdict to at least `verdict`.
    pub fn raise(&mut self, verdict: Verdict, reason: VerdictReason) {
        self.verdict = self.verdict.max(verdict);
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }
}
