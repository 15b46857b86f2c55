//! How a run of `strongroom acceptance` is told to people.

use crate::output;
use std::collections::BTreeMap;
use strongroom_operations::acceptance::{
    AcceptancePlan, AcceptanceReport, FieldVerdict, Leftover, PREFIX,
};

pub(super) fn verdict(v: FieldVerdict) -> &'static str {
    match v {
        FieldVerdict::Identical => "identical",
        FieldVerdict::ProviderAltered => "provider-altered",
        FieldVerdict::Different => "different",
    }
}

/// What will be done, before anything is.
pub(super) fn plan(plan: &AcceptancePlan) -> String {
    let (tenant, owner) = (plan.school().name(), &plan.request().owner);
    let mut out = format!(
        "In tenant {tenant}, for {owner}:\n\
         make    a mail folder \"{PREFIX} …\" with 10 messages and one folder within (4 MiB)\n\
         make    a folder \"{PREFIX} …\" in the drive with 8 files, one in two versions (4 MiB)\n"
    );
    out.push_str(match plan.sets_settings() {
        true => {
            "make    a named location and a Conditional Access policy, switched off, that names \
             nobody\n"
        }
        false => {
            "skip    settings: the configuration has no identity \"configure\" for this tenant\n"
        }
    });
    out.push_str(&format!(
        "read    all of the mailbox and the drive of {owner}, into a repository that is deleted \
         at the end\n\
         wipe    what was made, and nothing else; then restore it from that repository, compare \
         field by field, and delete it again\n\
         cost    some 300 requests and 16 MiB up, and what a first backup of {owner} takes\n"
    ));
    if let Some(file) = &plan.request().transcript {
        out.push_str(&format!("write   a redacted transcript into {}\n", file.display()));
    }
    out
}

pub(super) fn by_command(run: &str) -> String {
    format!("what the run made is still there; `strongroom acceptance --clean {run}` deletes it")
}

pub(super) fn cleaned(run: &str, left: &[Leftover]) -> String {
    if left.is_empty() {
        return "what the run made is deleted".to_owned();
    }
    let names: Vec<String> =
        left.iter().map(|l| format!("{} {:?}: {}", l.kind.word(), l.name, l.why)).collect();
    format!("still there: {}; `strongroom acceptance --clean {run}` tries again", names.join("; "))
}

/// What was found: fields that are not identical, then figures.
pub(super) fn report(r: &AcceptanceReport) -> String {
    let mut out = String::new();
    for s in &r.skipped {
        out.push_str(&format!("SKIPPED  {}: {}\n", s.part, s.why));
    }
    for f in &r.failed {
        out.push_str(&format!("{}\n", output::alarm(&format!("FAILED   {f}"))));
    }
    for row in &r.rows {
        let said = format!(
            "{} {:?}, {}: {} became {}",
            row.kind.word(),
            row.object,
            row.field,
            short(&row.before.to_string()),
            short(&row.after.to_string())
        );
        match row.verdict {
            FieldVerdict::Identical => {}
            FieldVerdict::ProviderAltered => {
                out.push_str(&format!("altered  {said} ({})\n", row.why));
            }
            FieldVerdict::Different => {
                out.push_str(&format!("{}\n", output::alarm(&format!("DIFFERS  {said}"))));
            }
        }
    }
    let mut kinds: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for row in &r.rows {
        kinds.entry(row.kind.word()).or_default()[row.verdict as usize] += 1;
    }
    let rows: Vec<Vec<String>> = kinds
        .into_iter()
        .map(|(kind, counts)| {
            std::iter::once(kind.to_owned()).chain(counts.iter().map(usize::to_string)).collect()
        })
        .collect();
    out.push_str(&output::table(&["fields of", "identical", "altered", "different"], &rows));
    out.push_str(&cleaned(&r.run, &r.left));
    out.push('\n');
    out
}

fn short(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
