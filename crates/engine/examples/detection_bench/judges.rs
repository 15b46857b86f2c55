//! What is measured: anything that judges a version, with the one before it or without.

use sha2::{Digest, Sha256};
use strongroom_content::{ContentExaminer, ContentRecord, Version as Judged, judge};
use strongroom_model::Verdict;

/// A file's name and bytes.
#[derive(Clone, Copy)]
pub(crate) struct Version<'a> {
    pub(crate) name: &'a str,
    pub(crate) bytes: &'a [u8],
}

/// A verdict and its reasons, in whatever words the judge has for them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) verdict: Verdict,
    pub(crate) reasons: Vec<String>,
}

pub(crate) trait Judge: Sync {
    /// What stands in the results.
    fn name(&self) -> &'static str;
    fn judge(&self, now: Version<'_>, before: Option<Version<'_>>) -> Answer;
}

/// The first is taken where none is named.
pub(crate) const ALL: &[&dyn Judge] = &[&ByContent];

/// `strongroom_content::judge`, as each backup calls it. A backup makes each record once; here both
/// count.
struct ByContent;

impl Judge for ByContent {
    fn name(&self) -> &'static str {
        "content"
    }

    fn judge(&self, now: Version<'_>, before: Option<Version<'_>>) -> Answer {
        let (record, earlier) = (record(now.bytes), before.map(|b| (b.name, record(b.bytes))));
        let before = earlier.as_ref().map(|(name, record)| Judged { name, record });
        let found = judge(Judged { name: now.name, record: &record }, before);
        let reasons = found.judgement().reasons;
        Answer {
            verdict: found.verdict,
            reasons: reasons.iter().map(|r| format!("{r:?}")).collect(),
        }
    }
}

fn record(bytes: &[u8]) -> ContentRecord {
    let mut examiner = ContentExaminer::new();
    examiner.push(bytes);
    examiner.finish(&Sha256::digest(bytes).into())
}
