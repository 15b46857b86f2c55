//! What is measured: anything that judges a version, with the one before it or without.

use strongroom_engine::{JudgedContent, judge};
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
pub(crate) const ALL: &[&dyn Judge] = &[&ByBytes];

/// `strongroom_engine::judge`, as each backup calls it.
struct ByBytes;

impl Judge for ByBytes {
    fn name(&self) -> &'static str {
        "engine"
    }

    fn judge(&self, now: Version<'_>, before: Option<Version<'_>>) -> Answer {
        let j = judge(content(now), before.map(content));
        Answer { verdict: j.verdict, reasons: j.reasons.iter().map(|r| format!("{r:?}")).collect() }
    }
}

fn content(v: Version<'_>) -> JudgedContent<'_> {
    JudgedContent { name: v.name, bytes: v.bytes }
}
