//! Documented behaviour that is not held back: under which of it is a small life whole?

use crate::{Life, SchoolPlan, Violation, shrink, told};
use graph_sim::{NOT_YET, Truth, year::Event};
use std::collections::{BTreeMap, BTreeSet};

/// Laws of one behaviour whose lives are shrunk; the others keep the life of the first, or the
/// whole one.
const SHRUNK_MAX: usize = 2;
/// Nights that are told again for one of them.
const SHRINK_NIGHTS: usize = 90;

/// What broke under one behaviour.
#[derive(Debug, Clone)]
pub struct Broken {
    /// The behaviour.
    pub truth: Truth,
    /// What broke, in the smallest life.
    pub finding: Violation,
    /// That life.
    pub life: Life,
}

/// Folders in which mail comes on the last night: a message comes twice in the round of one folder
/// of three, so here in that of some.
const MANY: &[&str] = &["inbox", "sentitems", "archive", "deleteditems", "junkemail"];

/// A few nights with mail, files and people that change: what a delta tells of only then. The last
/// brings single items alone, so that one that is taken twice is seen in the sums.
pub fn script() -> Vec<Vec<Event>> {
    use Event as E;
    let (person, other) = (0, 1);
    let mail_of = |person: u32, mail: u32, folder: &str| E::Mail {
        person,
        mail,
        folder: folder.to_owned(),
        words: 9,
        html: false,
        attachment: false,
    };
    let mail = |mail: u32, folder: &str| mail_of(person, mail, folder);
    let file = |file: u32, parent: Option<u32>, name: &str, form: u32| E::File {
        person,
        file,
        parent,
        name: name.to_owned(),
        form,
        seed: u64::from(file),
    };
    let to = |mail: u32, folder: &str| E::MoveMail { person, mail, folder: folder.to_owned() };
    // Two rows of one file follow each other in the delta of a drive that nothing else changes.
    let mut last = vec![file(214, None, "last.png", 5)];
    for (n, (who, folder)) in [0, 1, 2, 4]
        .into_iter()
        .flat_map(|who| MANY.iter().map(move |folder| (who, *folder)))
        .enumerate()
    {
        last.push(mail_of(who, 300 + n as u32, folder));
    }
    vec![
        Vec::new(),
        vec![
            E::MailFolder { person, folder: 201, parent: "inbox".into(), name: "Exams".into() },
            mail(202, "inbox"),
            mail(203, "inbox"),
            mail(204, "#201"),
            mail(205, "sentitems"),
            E::Folder { person, folder: 211, parent: None, name: "Plans".into() },
            file(212, Some(211), "plan.docx", 0),
            file(213, None, "list.txt", 6),
        ],
        vec![
            E::Read { person, mail: 202, read: true },
            E::Flag { person, mail: 203, on: true },
            E::Categorize { person, mail: 204, category: "School".into() },
            to(205, "archive"),
            E::EditFile { person, file: 212, form: 0, seed: 99 },
            E::RenameFile { person, file: 213, name: "names.txt".into() },
            E::RenameFolder { person, folder: 211, name: "Old plans".into() },
            E::RenameUser { person: other, name: "married".into() },
            E::Disable { person: 4 },
            E::ManyMails { person: 5, messages: 250, seed: 7 },
        ],
        vec![
            to(202, "#201"),
            to(204, "recoverableitemspurges"),
            E::PurgeMail { person, mail: 203 },
            E::DeleteFile { person, file: 213 },
            E::MoveFile { person, file: 212, parent: None },
            E::NewDrive { person: 2 },
            E::Leave { person: 3 },
            mail_of(4, 207, "inbox"),
        ],
        last,
    ]
}

/// The school that a year is lived in: all documented behaviour is shown, but for that under which
/// this script is not whole. That is a finding of its own, with the life that shows it.
pub fn school(
    script: &[Vec<Event>],
    tell: &mut dyn FnMut(&str),
) -> anyhow::Result<(SchoolPlan, Vec<Broken>)> {
    let all: BTreeSet<Truth> = NOT_YET.iter().copied().collect();
    let with = |withheld: BTreeSet<Truth>| Life {
        school: SchoolPlan { withheld, ..SchoolPlan::default() },
        nights: script.to_vec(),
    };
    // What breaks anyway is no news here; the year finds it.
    let anyway: BTreeSet<String> = told(&with(all.clone()))?.into_iter().map(|f| f.law).collect();
    let mut plan = SchoolPlan::default();
    let mut broken = Vec::new();
    for truth in &all {
        let life = with(all.iter().copied().filter(|t| t != truth).collect());
        let mut laws: BTreeMap<String, Violation> = BTreeMap::new();
        for finding in told(&life)?.into_iter().filter(|f| !anyway.contains(&f.law)) {
            let first = laws.entry(finding.law.clone()).or_insert_with(|| finding.clone());
            if finding.night == first.night && finding.kinds.len() < first.kinds.len() {
                *first = finding;
            }
        }
        if laws.is_empty() {
            continue;
        }
        plan.withheld.insert(*truth);
        let mut findings: Vec<Violation> = laws.into_values().collect();
        findings.sort_by_key(|f| (f.night, f.kinds.len()));
        let mut shown: Option<Life> = None;
        for (n, finding) in findings.into_iter().enumerate() {
            let mut small = life.clone();
            small.nights.truncate(finding.night + 1);
            if let Some(first) = &shown
                && told(first)?.iter().any(|f| f.law == finding.law)
            {
                small = first.clone();
            } else if n < SHRUNK_MAX {
                small = shrink::shrink_within(&life, &finding, SHRINK_NIGHTS);
            }
            shown.get_or_insert_with(|| small.clone());
            tell(&format!("{} under {truth:?}: {} nights", finding.law, small.nights.len()));
            broken.push(Broken { truth: *truth, finding, life: small });
        }
    }
    Ok((plan, broken))
}
