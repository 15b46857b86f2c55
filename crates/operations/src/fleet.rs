//! All schools at a glance: what rules say of the newest settings of each.

use crate::{
    Error, Kind, School, blocking,
    rules::OwnRules,
    settings::{all_exceptions_and_told, secure_score},
};
use futures::{StreamExt, stream};
use strongroom_engine::configuration::latest;
use strongroom_guards::{Report, judge};

/// What rules say of one school.
#[derive(Debug)]
pub struct JudgedSchool {
    /// The school.
    pub name: String,
    /// What they say, or why it could not be judged.
    pub judged: Result<Judged, Error>,
    /// What there is to tell of the place that keeps decisions.
    pub told: Vec<String>,
}

/// What rules say of settings.
#[derive(Debug)]
pub struct Judged {
    /// What each rule says.
    pub report: Report,
    /// Microsoft's own score: reached, and possible.
    pub secure_score: Option<(f64, f64)>,
    /// Whether a rule that should have judged could not.
    pub is_blind: bool,
}

/// Judges the newest settings of each school, several at once; in the order in which they are
/// judged.
pub async fn judge_schools(schools: Vec<School>, own: &OwnRules) -> Vec<JudgedSchool> {
    let at_once = std::thread::available_parallelism().map_or(2, usize::from);
    stream::iter(schools)
        .map(|school| async move {
            let mut told = Vec::new();
            let judged = judged(&school, own, &mut told).await;
            JudgedSchool { name: school.name().to_owned(), judged, told }
        })
        .buffer_unordered(at_once)
        .collect()
        .await
}

async fn judged(school: &School, own: &OwnRules, told: &mut Vec<String>) -> Result<Judged, Error> {
    let (exceptions, said) = all_exceptions_and_told(school)?;
    told.extend(said);
    let repo = school.repository().await?;
    let (name, today, own) = (school.name().to_owned(), school.today(), own.clone());
    blocking(move || {
        let (_, found) = latest(&repo, &name)?
            .ok_or_else(|| Error::new(Kind::Request, "no configuration was read yet"))?;
        let (said, is_blind) = own.judge(&found, &exceptions, today);
        let report = judge(&found, &exceptions, said, today);
        Ok(Judged { report, secure_score: secure_score(&found), is_blind })
    })
    .await
}
