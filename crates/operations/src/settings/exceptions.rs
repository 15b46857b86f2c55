use crate::{Error, Kind, School, decisions::counted};
use std::path::PathBuf;
use strongroom_guards::{Exceptions, OnFailureAnswer, RULES};
use strongroom_model::{Progress, decision::Decision};
use strongroom_objects::{SETTINGS_BYTES_MAX, read_regular_text};
use strongroom_settings::setters;

/// What people decided about a tenant: what the exceptions file says, and these decisions.
///
/// # Errors
/// [`Kind::Files`], where the file cannot be read; [`Kind::Configuration`], where something in it
/// is wrong.
pub fn exceptions(school: &School, decided: &[Decision]) -> Result<Exceptions, Error> {
    let mut all = written(school, school.tenant().exceptions.as_ref())?;
    for decision in decided {
        all.add(decision).map_err(|e| Error::new(Kind::Configuration, e))?;
    }
    Ok(all)
}

/// The same, with the decisions that count; what there is to tell of them is told.
///
/// # Errors
/// As [`exceptions`], and those of reading decisions.
pub fn all_exceptions(school: &School, progress: &dyn Progress) -> Result<Exceptions, Error> {
    let (exceptions, told) = all_exceptions_and_told(school)?;
    told.iter().for_each(|text| progress.note(text));
    Ok(exceptions)
}

/// The same, with what there is to tell.
///
/// # Errors
/// As [`all_exceptions`].
pub fn all_exceptions_and_told(school: &School) -> Result<(Exceptions, Vec<String>), Error> {
    let counted = counted(school)?;
    Ok((exceptions(school, &counted.decisions)?, counted.told))
}

fn written(school: &School, file: Option<&PathBuf>) -> Result<Exceptions, Error> {
    let Some(file) = file else { return Ok(Exceptions::default()) };
    let path = school.config().path(file);
    let text = read_regular_text(&path, SETTINGS_BYTES_MAX).map_err(|e| {
        let what = format!("the exceptions file {} cannot be read", path.display());
        Error::because(Kind::Files, what, e)
    })?;
    let read = Exceptions::parse(&text).map_err(|e| {
        let what = format!("the exceptions file {} is wrong: {e}", path.display());
        Error::new(Kind::Configuration, what)
    })?;
    let settable = |rule: &str| {
        let known = RULES.iter().find(|r| r.id == rule);
        known.is_none_or(|r| r.inputs.iter().any(|i| setters().iter().any(|s| s.row.name == *i)))
    };
    let bad = read
        .on_failure
        .iter()
        .find(|o| o.answer == OnFailureAnswer::Remediate && !settable(&o.rule));
    match bad {
        None => Ok(read),
        Some(bad) => Err(Error::new(
            Kind::Configuration,
            format!(
                "the exceptions file {} lets {} be remediated, but no interface sets what it looks \
                 at; let it alert, and set it by hand",
                path.display(),
                bad.rule
            ),
        )),
    }
}
