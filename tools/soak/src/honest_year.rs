//! A year of a school in which nobody attacks: each alarm of high severity is a false one.
//!
//! What happens is what schools do by the hundred and what looks like damage to who has not been
//! told: registers with a password, handouts that are the same in thirty drives, photographs that
//! are renamed in bulk, folders that are cleared, a year group that leaves, a library that moves.

use crate::{
    attacks::{
        campus::{AlarmRule, By, Campus, Size},
        damage::{Damage, damaged},
        documents::{Document, Form},
    },
    cli::Said,
};
use anyhow::{Context, bail};
use graph_sim::{MailAct, PersonChange};
use jiff::civil::{Date, Weekday, date};
use rand::{Rng, seq::IndexedRandom};
use serde::Serialize;
use std::{fmt::Write, path::PathBuf};
use strongroom_engine::{Announced, Calendar, EventKind};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// People.
    pub people: usize,
    /// Files that each begins with.
    pub items: usize,
    /// Nights.
    pub nights: usize,
    /// Of what all is drawn.
    pub seed: u64,
    /// Whether the backup is told the school's calendar, with what was announced.
    pub calendar: bool,
    /// Where the nights with an alarm go as JSON.
    pub json: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments that follow `--honest-year`.
    ///
    /// # Errors
    /// One that is not known, or has no value.
    pub fn parse(args: &[String]) -> anyhow::Result<Self> {
        let (people, items, nights) = (300, 20, 365);
        let mut o = Options { people, items, nights, seed: 1, calendar: true, json: None };
        let mut args = args.iter();
        while let Some(name) = args.next() {
            let value = args.next().with_context(|| format!("{name} needs a value"))?;
            let number = || value.parse::<u64>().with_context(|| format!("{name} {value}"));
            match name.as_str() {
                "--people" => o.people = number()? as usize,
                "--items" => o.items = number()? as usize,
                "--nights" => o.nights = number()? as usize,
                "--seed" => o.seed = number()?,
                "--calendar" if value == "yes" || value == "no" => o.calendar = value == "yes",
                "--json" => o.json = Some(value.into()),
                _ => bail!(
                    "usage: soak --honest-year [--people 300] [--items 20] [--nights 365] [--seed \
                     1] [--calendar yes|no] [--json FILE]"
                ),
            }
        }
        if o.people < PEOPLE_MIN {
            bail!("a school has {PEOPLE_MIN} people at least");
        }
        Ok(o)
    }
}

const PEOPLE_MIN: usize = 12;
/// The first day.
const FIRST: Date = date(2026, 9, 1);

/// Terms, with the days after each that belong to it.
const TERMS: &[(&str, Date, Date)] = &[
    ("autumn", FIRST, date(2027, 1, 3)),
    ("spring", date(2027, 1, 4), date(2027, 4, 11)),
    ("summer", date(2027, 4, 12), date(2027, 8, 31)),
];
/// Holidays, first and last day.
const HOLIDAYS: &[(Date, Date)] = &[
    (date(2026, 10, 26), date(2026, 10, 30)),
    (date(2026, 12, 19), date(2027, 1, 3)),
    (date(2027, 2, 15), date(2027, 2, 19)),
    (date(2027, 3, 27), date(2027, 4, 11)),
    (date(2027, 5, 31), date(2027, 6, 4)),
    (date(2027, 7, 21), date(2027, 8, 31)),
];
/// False alarms that a term may have.
const PER_TERM_MAX: usize = 1;

/// Something of which a school's people know.
type Happening = (Date, &'static str, fn(&mut School));

/// What happens, in the order of the days.
const HAPPENINGS: &[Happening] = &[
    (date(2026, 9, 8), "a handout goes into all drives", handout),
    (date(2026, 9, 15), "a plan for incidents is written", incident_plan),
    (date(2026, 9, 22), "photographs of a trip come", photographs),
    (date(2026, 9, 29), "the photographs are renamed", rename_photographs),
    (date(2026, 10, 6), "an exam is encrypted for a colleague", encrypt_exam),
    (date(2026, 10, 13), "a lesson about ransomware goes to a class", lesson),
    (date(2026, 10, 22), "folders are cleared before half term", clear_folders),
    (date(2026, 11, 3), "a library moves, as was announced", migrate),
    (date(2026, 11, 10), "an archive in parts comes", volumes),
    (date(2026, 11, 17), "thirty reports are written in a day", reports),
    (date(2026, 11, 24), "photographs are turned", turn_photographs),
    (date(2026, 12, 1), "exams get a password under their names", protect_exams),
    (date(2026, 12, 8), "mailboxes are tidied", tidy_mail),
    (date(2026, 12, 17), "folders are cleared before Christmas", clear_folders),
    (date(2027, 1, 6), "a handout goes into all drives", handout),
    (date(2027, 1, 13), "somebody leaves", one_leaves),
    (date(2027, 1, 20), "notes are joined into one file, and deleted", join_notes),
    (date(2027, 2, 3), "templates are filled in", handout),
    (date(2027, 2, 12), "folders are cleared before half term", clear_folders),
    (date(2027, 2, 24), "tables become another format", convert),
    (date(2027, 3, 10), "an exam is encrypted for a colleague", encrypt_exam),
    (date(2027, 3, 17), "old messages are deleted", delete_mail),
    (date(2027, 3, 24), "folders are cleared before Easter", clear_folders),
    (date(2027, 4, 14), "photographs come", photographs),
    (date(2027, 4, 21), "the photographs are renamed", rename_photographs),
    (date(2027, 5, 5), "an archive in parts comes", volumes),
    (date(2027, 5, 12), "a lesson about ransomware goes to a class", lesson),
    (date(2027, 6, 9), "exams get a password under their names", protect_exams),
    (date(2027, 6, 23), "thirty reports are written in a day", reports),
    (date(2027, 7, 7), "drafts are emptied", empty_drafts),
    (date(2027, 7, 16), "folders are cleared before summer", clear_folders),
    (date(2027, 7, 22), "the oldest year group leaves", year_group_leaves),
    (date(2027, 8, 16), "everybody's folders are put in order for the new year", roll_over),
];

/// What the school says of itself: that libraries move, folders are cleared, a year rolls over.
fn calendar() -> Calendar {
    let announced = |(begins, says, _): &Happening| {
        let kind = match *says {
            says if says.contains("library moves") => EventKind::Migration,
            says if says.contains("cleared") => EventKind::Cleanup,
            says if says.contains("year") => EventKind::Rollover,
            _ => return None,
        };
        let ends = begins.checked_add(jiff::Span::new().days(2)).unwrap_or(*begins);
        Some(Announced { kind, begins: *begins, ends })
    };
    Calendar {
        zone: jiff::tz::TimeZone::UTC,
        terms: vec![(FIRST, date(2027, 7, 20))],
        holidays: HOLIDAYS.to_vec(),
        hours: None,
        events: HAPPENINGS.iter().filter_map(announced).collect(),
    }
}

struct School {
    campus: Campus,
    registers: Vec<usize>,
    photographs: Vec<usize>,
}

/// A night with an alarm.
#[derive(Debug, Clone, Serialize)]
pub struct FalseAlarm {
    /// The day.
    pub day: String,
    /// The term.
    pub term: String,
    /// What happened at the school.
    pub because: String,
    /// Kind and sentence.
    pub alarm: String,
}

/// Lives the year.
///
/// # Errors
/// A backup that ends in an error.
pub fn run(options: &Options, now_and_then: &mut dyn FnMut(&str)) -> anyhow::Result<Said> {
    let began = std::time::Instant::now();
    let size = Size { people: options.people, files: options.items, messages: 6 };
    let mut campus = Campus::new(size, AlarmRule::Bytes, options.seed)?;
    campus.calendar = options.calendar.then(calendar);
    let mut school = School { campus, registers: Vec::new(), photographs: Vec::new() };
    for owner in (0..school.campus.people.len()).step_by(12) {
        let register = school.campus.register(owner);
        school.registers.extend(register);
    }
    let (mut found, mut unclean, mut in_backup) = (Vec::new(), 0_usize, 0.0);
    let mut day = FIRST;
    for night in 0..options.nights {
        let because = live(&mut school, day);
        let at = std::time::Instant::now();
        let said = school.campus.back_up().with_context(|| format!("night of {day}"))?;
        in_backup += at.elapsed().as_secs_f64();
        unclean += usize::from(!said.is_clean);
        for (kind, text) in &said.high {
            found.push(FalseAlarm {
                day: day.to_string(),
                term: term(day).to_owned(),
                because: because.clone(),
                alarm: format!("{}: {text}", kind.as_str()),
            });
        }
        school.campus.pass_hours(4);
        if night % 10 == 9 {
            let (s, n) = (began.elapsed().as_secs(), found.len());
            now_and_then(&format!("{day}: {n} false alarms, {s} s"));
        }
        day = day.tomorrow()?;
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_vec_pretty(&found)?)
            .with_context(|| path.display().to_string())?;
    }
    let mut text = format!(
        "{} people, {} files, {} nights, {unclean} of them not clean; {:.0} s, {in_backup:.0} s of \
         them in backups\n",
        school.campus.people.len(),
        school.campus.files.len(),
        options.nights,
        began.elapsed().as_secs_f64(),
    );
    let mut is_known = true;
    for (name, first, _) in TERMS.iter().filter(|(_, first, _)| *first < day) {
        let of_term: Vec<&FalseAlarm> = found.iter().filter(|f| f.term == *name).collect();
        is_known &= of_term.len() <= PER_TERM_MAX;
        let n = of_term.len();
        let _ = writeln!(text, "\n{name} term from {first}: {n} alarms of high severity");
        for f in of_term {
            let _ = writeln!(text, "  {}: {}\n    ({})", f.day, f.alarm, f.because);
        }
    }
    Ok(Said { text, is_known })
}

fn term(day: Date) -> &'static str {
    let of = TERMS.iter().find(|(_, first, last)| (*first..=*last).contains(&day));
    of.map_or("summer", |(name, ..)| name)
}

fn is_holiday(day: Date) -> bool {
    HOLIDAYS.iter().any(|(first, last)| (*first..=*last).contains(&day))
}

/// A day; what was particular about it.
fn live(school: &mut School, day: Date) -> String {
    let is_weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
    let percent = match (is_holiday(day), is_weekend) {
        (true, _) => 3,
        (false, true) => 8,
        (false, false) => 100,
    };
    school.campus.pass_hours(8);
    school.campus.work(percent / 2);
    school.campus.pass_hours(4);
    let mut because = Vec::new();
    if percent == 100 {
        for n in school.registers.clone() {
            school.campus.edit(n);
        }
        because.push("registers are kept");
    }
    for (_, says, act) in HAPPENINGS.iter().filter(|(at, ..)| *at == day) {
        act(school);
        because.push(says);
    }
    school.campus.pass_hours(3);
    school.campus.work(percent / 2);
    school.campus.pass_hours(5);
    match because.is_empty() {
        true => "ordinary work".to_owned(),
        false => because.join("; "),
    }
}

impl School {
    /// So many people, by chance.
    fn some(&mut self, n: usize) -> Vec<usize> {
        let all: Vec<usize> = (0..self.campus.people.len()).collect();
        all.choose_multiple(&mut self.campus.rng, n).copied().collect()
    }

    fn of(&self, owner: usize, folder: &str) -> Vec<usize> {
        let mut all = self.campus.targets(|o| o == owner);
        all.retain(|n| self.campus.files[*n].path.starts_with(folder));
        all
    }

    /// The same file in the drives of these people.
    fn give(&mut self, people: &[usize], name: &str, document: &Document) {
        let content = document.bytes();
        for owner in people {
            if let Some(n) = self.campus.put(*owner, name, content.clone(), By::Honest) {
                self.campus.files[n].document = Some(document.clone());
            }
        }
    }
}

fn handout(s: &mut School) {
    let document = Document::new(Form::Docx, &mut s.campus.rng);
    let all: Vec<usize> = (0..s.campus.people.len()).collect();
    let name = format!("Handout {}.docx", s.campus.files.len());
    s.give(&all, &name, &document);
}

fn lesson(s: &mut School) {
    let text = [
        "Ransomware is a program that encrypts the files on a computer. In this lesson we find out \
         how it gets in, and what a school can do.",
        "Look at this example of a ransom note: \"All your files have been encrypted. To decrypt \
         them you have to pay 2 bitcoin. Contact us at this address. Do not rename your files.\" \
         What does the writer want you to feel? Underline the words.",
        "Task 1: why does the note forbid you to ask the police? Task 2: write down three reasons \
         not to pay. Task 3: what is a backup, and where should it be kept?",
        "Homework: talk with somebody at home about suspicious messages, and bring one example.",
    ]
    .map(str::to_owned);
    let class = s.some(25);
    for (form, name) in [(Form::Docx, "Lesson ransomware.docx"), (Form::Txt, "Ransom note.txt")] {
        let document = Document::saying(form, "Ransomware", &text, &mut s.campus.rng);
        let name = format!("{} {name}", s.campus.files.len());
        s.give(&class, &name, &document);
    }
}

fn incident_plan(s: &mut School) {
    let text = [
        "What to do when files are encrypted: switch the computer off, call the office, touch \
         nothing. The head decides who is told.",
        "If a note asks for bitcoin or threatens to publish personal data, do not contact the \
         attackers and do not pay. Keep the note; the police will need it.",
        "Then restore from the last clean backup. The list of passwords is in the safe.",
    ]
    .map(str::to_owned);
    for form in [Form::Docx, Form::Pdf, Form::Txt] {
        let document = Document::saying(form, "Incident plan", &text, &mut s.campus.rng);
        s.campus.make(0, document);
    }
}

fn photographs(s: &mut School) {
    let owner = s.some(1)[0];
    s.photographs.clear();
    for n in 0..60 {
        let content = Document::new(Form::Jpg, &mut s.campus.rng).bytes();
        let name = format!("DSC_{:04}_{}.jpg", n, s.campus.files.len());
        let put = s.campus.put(owner, &name, content, By::Honest);
        s.photographs.extend(put);
    }
}

fn rename_photographs(s: &mut School) {
    for (n, file) in s.photographs.clone().into_iter().enumerate() {
        s.campus.rename(file, &format!("Trip {file} ({n}).jpg"), By::Honest);
    }
}

fn turn_photographs(s: &mut School) {
    for n in s.photographs.clone().into_iter().take(25) {
        // Written anew by the camera's program: nothing of the old stream stands in it.
        let content = Document::new(Form::Jpg, &mut s.campus.rng).bytes();
        s.campus.write(n, content, By::Honest);
    }
}

fn encrypt_exam(s: &mut School) {
    for owner in s.some(4) {
        let exam = Document::new(Form::Docx, &mut s.campus.rng);
        let name = format!("Exam {}.docx.gpg", s.campus.files.len());
        let content = damaged(Damage::Strong, &name, &exam.bytes(), &mut s.campus.rng);
        s.campus.put(owner, &name, content, By::Honest);
        let name = format!("Exam {}.zip", s.campus.files.len());
        let content = damaged(Damage::Protected, &name, &exam.bytes(), &mut s.campus.rng);
        s.campus.put(owner, &name, content, By::Honest);
    }
}

/// An exam that was there gets a password, as Office sets it.
fn protect_exams(s: &mut School) {
    for owner in s.some(5) {
        let docx: Vec<usize> = s
            .of(owner, "")
            .into_iter()
            .filter(|n| s.campus.files[*n].path.ends_with(".docx"))
            .collect();
        for n in docx.into_iter().take(2) {
            let content = Document::new(Form::Register, &mut s.campus.rng).bytes();
            s.campus.write(n, content, By::Honest);
            s.campus.files[n].document = None;
        }
    }
}

fn clear_folders(s: &mut School) {
    let many = s.campus.people.len() / 10;
    for owner in s.some(many) {
        for n in s.of(owner, "Old/") {
            s.campus.delete(n, By::Honest);
        }
    }
}

fn empty_drafts(s: &mut School) {
    let many = s.campus.people.len() / 15;
    for owner in s.some(many) {
        for n in s.of(owner, "Work/").into_iter().take(6) {
            s.campus.delete(n, By::Honest);
        }
    }
}

/// What a department has is copied to a new place by a program, and deleted at the old one.
fn migrate(s: &mut School) {
    let (from, to) = (1, 2);
    for n in s.of(from, "") {
        let (Some((name, content)), document) =
            (s.campus.name_and_content(n), s.campus.files[n].document.clone())
        else {
            continue;
        };
        if let Some(new) = s.campus.put(to, &name, content, By::Honest) {
            s.campus.files[new].document = document;
            s.campus.delete(n, By::Honest);
        }
    }
}

fn volumes(s: &mut School) {
    let owner = s.some(1)[0];
    let run = s.campus.files.len();
    for n in 1..=12 {
        let mut content = vec![0_u8; 60_000];
        s.campus.rng.fill(content.as_mut_slice());
        let name = format!("Recordings {run}.7z.{n:03}");
        s.campus.put(owner, &name, content.into(), By::Honest);
    }
}

fn reports(s: &mut School) {
    for owner in s.some(6) {
        for _ in 0..10 {
            let report = Document::new(Form::Docx, &mut s.campus.rng);
            s.campus.make(owner, report);
        }
        for n in s.of(owner, "") {
            s.campus.edit(n);
        }
    }
}

/// Tables are saved as another format under another name, and the old ones deleted.
fn convert(s: &mut School) {
    for owner in s.some(6) {
        let tables: Vec<usize> = s
            .of(owner, "")
            .into_iter()
            .filter(|n| s.campus.files[*n].path.ends_with(".csv"))
            .collect();
        for n in tables {
            let table = Document::new(Form::Xlsx, &mut s.campus.rng);
            if s.campus.make(owner, table).is_some() {
                s.campus.delete(n, By::Honest);
            }
        }
    }
}

fn join_notes(s: &mut School) {
    for owner in s.some(5) {
        let notes: Vec<usize> = s
            .of(owner, "")
            .into_iter()
            .filter(|n| s.campus.files[*n].path.ends_with(".txt"))
            .collect();
        let all: Vec<String> = notes
            .iter()
            .filter_map(|n| s.campus.name_and_content(*n))
            .map(|(_, text)| String::from_utf8_lossy(&text).into_owned())
            .collect();
        let joined = Document::saying(Form::Txt, "All notes", &all, &mut s.campus.rng);
        s.campus.make(owner, joined);
        for n in notes {
            s.campus.delete(n, By::Honest);
        }
    }
}

fn mail_of(s: &School, owner: usize) -> Vec<usize> {
    (0..s.campus.mails.len()).filter(|n| s.campus.mails[*n].owner == owner).collect()
}

fn tidy_mail(s: &mut School) {
    for owner in s.some(5) {
        for n in mail_of(s, owner) {
            let label = ["Parents", "Exams"].choose(&mut s.campus.rng).copied().unwrap_or("Exams");
            s.campus.sort(n, &MailAct::Categories(vec![label.to_owned()]));
        }
    }
}

fn delete_mail(s: &mut School) {
    for owner in s.some(5) {
        let all = mail_of(s, owner);
        let old = all.len() / 3;
        for n in all.into_iter().take(old) {
            s.campus.sort(n, &MailAct::Move("deleteditems"));
        }
    }
}

fn leave(s: &mut School, owner: usize) {
    let person = s.campus.people[owner].id.clone();
    s.campus.sim().change_people(0, &PersonChange::Delete { person });
    s.campus.forget(owner);
}

fn one_leaves(s: &mut School) {
    leave(s, 5);
}

fn year_group_leaves(s: &mut School) {
    let many = s.campus.people.len() / 12;
    for owner in s.some(many).into_iter().filter(|o| *o > 5) {
        leave(s, owner);
    }
}

/// What is of last year goes into a folder, under a name that says so; registers begin anew.
fn roll_over(s: &mut School) {
    for owner in (0..s.campus.people.len()).step_by(3) {
        for n in s.of(owner, "Work/") {
            if let Some((name, _)) = s.campus.name_and_content(n) {
                s.campus.rename(n, &format!("2026-27 {name}"), By::Honest);
            }
        }
    }
    for n in std::mem::take(&mut s.registers) {
        let owner = s.campus.files[n].owner;
        s.campus.delete(n, By::Honest);
        let new = s.campus.register(owner);
        s.registers.extend(new);
    }
}
