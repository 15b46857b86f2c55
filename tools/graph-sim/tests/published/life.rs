//! Everything that can be read, before and after days of life and an attack: every answer is one
//! of the published types.

use super::{
    data::{Published, segments},
    report,
    school::{School, all_permissions, served},
    validate::Validator,
};

/// Pages and rounds that one list is followed through.
const PAGES_MAX: usize = 5;

/// `faults_max` is how many kinds of fault are known; it may only fall.
pub(crate) fn run(data: &Published, faults_max: usize) {
    let school = School::with(&all_permissions(data));
    let calls = served(data);
    let reads: Vec<_> = calls.iter().filter(|((m, _), _)| m == "GET").collect();
    let mut validator = Validator::new(data);
    let mut going: Vec<(String, String)> =
        reads.iter().map(|((_, t), p)| (t.clone(), (*p).clone())).collect();
    for day in 0..3 {
        let mut next = Vec::new();
        for (template, start) in &going {
            let path = segments(template);
            let operation = data.operation("GET", &path);
            let mut target = Some(start.clone());
            for _ in 0..PAGES_MAX {
                let Some(at) = target.take() else { break };
                let answer = school.ask("GET", &at, None);
                validator.answer(operation, &path, &answer);
                let link = |name: &str| {
                    let url = answer.body[name].as_str()?;
                    url.strip_prefix("https://graph.microsoft.com").map(str::to_owned)
                };
                target = link("@odata.nextLink");
                if let Some(delta) = link("@odata.deltaLink") {
                    next.push((template.clone(), delta));
                }
            }
        }
        school.sim.live_a_day(0, day, false);
        if day == 1 {
            school.sim.attack(0, "encrypt-fast", 7);
        }
        next.extend(reads.iter().map(|((_, t), p)| (t.clone(), (*p).clone())));
        going = next;
    }
    println!("{} kinds of read", reads.len());
    report::types("types-of-life.tsv", &validator);
    assert!(validator.answers > 100, "almost nothing was read");
    assert!(
        validator.problems.len() <= faults_max,
        "{} kinds of fault in answers; there were {faults_max}: see types-of-life.tsv",
        validator.problems.len()
    );
}
