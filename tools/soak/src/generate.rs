//! What happens in a day, made from a seed and from what is there.

use graph_sim::{
    ATTACKS, CONFIG_ATTACKS, ORDINARY_CALENDAR_ACTS, ORDINARY_DRIVE_ACTS, ORDINARY_LIST_ACTS,
    SiteAct,
    year::{Event, Life, PersonKey},
};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

/// Keys of people who join begin here; those of the seeded ones are below.
const FIRST_KEY: u32 = 100;
const PEOPLE_MAX: usize = 10;
const PEOPLE_MIN: usize = 3;
/// Nights after which a year group leaves and the others take over its names.
const ROLL_OVER: usize = 100;

const WELL_KNOWN: &[&str] =
    &["inbox", "sentitems", "archive", "deleteditems", "drafts", "junkemail"];
/// Statuses of answers that are none, and pass; see `Event::Refuse`.
const PASSING: &[u16] = &[429, 503, 500, 504, 200, 204, 302];
/// Those of a service that is not there for a night.
const LASTING: &[u16] = &[403, 404, 503, 200, 204, 302];
const WORDS: &[&str] = &[
    "Atlas", "Budget", "Choir", "Drama", "Exams", "Forms", "Garden", "History", "Intake", "Jumble",
];
const ENDINGS: &[&str] = &["docx", "docx", "xlsx", "pptx", "pdf", "png", "txt", "csv"];

/// Makes a life, day by day.
pub(crate) struct Generator {
    rng: ChaCha8Rng,
    next: u32,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), next: FIRST_KEY }
    }

    fn key(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn one<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        from.choose(&mut self.rng).copied()
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn word(&mut self) -> String {
        let n = self.rng.random_range(0..30);
        format!("{} {n}", self.one(WORDS).unwrap_or("Notes"))
    }

    /// A well-known folder, or one of the person's own.
    fn place(&mut self, life: &Life, person: PersonKey) -> String {
        let own = life.mail_folders_of(person);
        match (self.chance(45), self.one(&own)) {
            (true, Some(key)) => format!("#{key}"),
            _ => self.one(WELL_KNOWN).unwrap_or("inbox").to_owned(),
        }
    }

    /// The events of a day, in their order.
    pub(crate) fn day(&mut self, night: usize, life: &Life) -> Vec<Event> {
        let mut day = Vec::new();
        if night > 0 && night % ROLL_OVER == 0 {
            self.roll_over(life, &mut day);
        }
        let weekend = night % 7 >= 5;
        let many = if weekend { self.rng.random_range(0..4) } else { self.rng.random_range(5..14) };
        let people = life.people();
        let with_mailbox = life.people_with_mailbox();
        for _ in 0..many {
            let Some(person) = self.one(&with_mailbox) else { break };
            match self.rng.random_range(0..100) {
                0..4 => self.about_people(life, &people, person, &mut day),
                4..40 => self.about_mail(life, person, &mut day),
                40..56 => self.about_mail_folders(life, person, &mut day),
                56..84 => self.about_files(life, person, &mut day),
                _ => self.about_folders(life, person, &mut day),
            }
        }
        let more = if weekend { self.rng.random_range(0..2) } else { self.rng.random_range(2..7) };
        for _ in 0..more {
            self.about_things(&with_mailbox, &mut day);
        }
        let victim = self.one(&with_mailbox).unwrap_or_default();
        if self.chance(1) {
            let (messages, seed) = (self.rng.random_range(200..400), self.rng.random());
            day.push(Event::ManyMails { person: victim, messages, seed });
        }
        if self.chance(5) {
            // What only Tenant Configuration Management shows is rationed, and read seldom; and the
            // backup's own consent is taken by an attack of its own.
            let open: Vec<&str> = CONFIG_ATTACKS
                .iter()
                .map(|(name, _)| *name)
                .filter(|name| !name.starts_with("managed-") && *name != "backup-consent")
                .collect();
            let name = self.one(&open).unwrap_or_default().to_owned();
            day.push(Event::Settings { name });
        }
        if self.chance(2) {
            let (name, seed) = (self.rng.random_range(0..ATTACKS.len()), self.rng.random());
            let name = ATTACKS.get(name).map_or("", |(name, _)| name).to_owned();
            day.push(Event::Attack { name, seed });
        }
        if self.chance(3) {
            let seed = self.rng.random();
            day.push(match self.rng.random_range(0..3) {
                0 => Event::PurgeMany {
                    person: victim,
                    percent: self.one(&[10, 25, 40, 70, 100]).unwrap_or(40),
                },
                1 => Event::DeleteMany {
                    person: victim,
                    percent: self.one(&[10, 30, 60, 100]).unwrap_or(60),
                },
                _ => {
                    Event::EncryptMany { person: victim, files: self.rng.random_range(1..8), seed }
                }
            });
        }
        if self.chance(3) {
            let (person, seed) = (victim, self.rng.random());
            let percent = self.one(&[10, 25, 40, 70, 100]).unwrap_or(40);
            day.push(match self.rng.random_range(0..4) {
                0 => Event::PurgeContacts { person, percent },
                1 => Event::PurgeTasks { person, percent },
                2 => Event::PurgeEvents { person, percent },
                _ => Event::PurgeLibrary { percent, seed },
            });
        }
        if self.chance(6) {
            let fault = self.fault_of_things(victim);
            day.push(fault);
        }
        if self.chance(12) {
            let fault = self.fault(life, victim);
            day.push(fault);
        }
        day
    }

    /// The oldest group leaves, and each of the others takes over the name above it.
    fn roll_over(&mut self, life: &Life, day: &mut Vec<Event>) {
        let people = life.people();
        let names: Vec<Option<String>> = people.iter().map(|p| life.name_of(*p)).collect();
        let Some(first) = people.first() else { return };
        day.push(Event::Leave { person: *first });
        for (above, person) in names.iter().zip(people.iter().skip(1)).take(3) {
            if let Some(name) = above {
                day.push(Event::RenameUser { person: *person, name: name.clone() });
            }
        }
        for _ in 0..2 {
            let person = self.key();
            day.push(Event::Join { person, name: format!("new{person}") });
        }
    }

    fn about_people(
        &mut self,
        life: &Life,
        people: &[PersonKey],
        person: PersonKey,
        day: &mut Vec<Event>,
    ) {
        let other = self.one(people).unwrap_or(person);
        let key = self.key();
        match self.rng.random_range(0..120) {
            100..104 => day.push(Event::Invite { person: key, name: format!("guest{key}") }),
            104..108 => day.push(Event::JoinBare { person: key, name: format!("bare{key}") }),
            108..112 => day.push(Event::JoinShared { person: key, name: format!("office{key}") }),
            112..118 => day.push(Event::Disable { person }),
            118..120 => day.push(Event::Enable { person }),
            0..30 if people.len() < PEOPLE_MAX => {
                day.push(Event::Join { person: key, name: format!("new{key}") });
            }
            30..42 if people.len() > PEOPLE_MIN => day.push(Event::Leave { person }),
            42..62 => day.push(Event::RenameUser { person, name: format!("married{key}") }),
            62..78 if other != person => day.push(Event::SwapNames { a: person, b: other }),
            78..90 => day.push(Event::Recreate { old: person, person: key }),
            90..100 => day.push(Event::NewDrive { person }),
            _ => {
                // Somebody takes the name that somebody else gave up the same day.
                if let (Some(name), true) = (life.name_of(person), other != person) {
                    day.push(Event::RenameUser { person, name: format!("was{key}") });
                    day.push(Event::RenameUser { person: other, name });
                }
            }
        }
    }

    fn about_mail(&mut self, life: &Life, person: PersonKey, day: &mut Vec<Event>) {
        let own = life.mail_of(person);
        let today: Vec<u32> = day
            .iter()
            .filter_map(|e| match e {
                Event::Mail { person: p, mail, .. } if *p == person => Some(*mail),
                _ => None,
            })
            .collect();
        let known = if self.chance(25) && !today.is_empty() { today } else { own };
        let Some(mail) = self.one(&known).filter(|_| !self.chance(40)) else {
            let mail = self.key();
            let folder = if self.chance(60) { "inbox".into() } else { self.place(life, person) };
            day.push(Event::Mail {
                person,
                mail,
                folder,
                words: self.rng.random_range(3..40),
                html: self.chance(50),
                attachment: self.chance(15),
            });
            // Come and gone between two nights.
            if self.chance(8) {
                day.push(Event::PurgeMail { person, mail });
            }
            return;
        };
        let category = self.one(&["Red", "Blue", "School"]).unwrap_or("Red").to_owned();
        let folder = self.place(life, person);
        let (read, on) = (self.chance(70), self.chance(70));
        day.push(match self.rng.random_range(0..100) {
            0..35 => Event::MoveMail { person, mail, folder },
            35..55 => Event::Read { person, mail, read },
            55..67 => Event::Flag { person, mail, on },
            67..77 => Event::Categorize { person, mail, category },
            77..85 => Event::EditDraft { person, mail, subject: self.word() },
            85..92 => {
                let folder = "recoverableitemsdeletions".to_owned();
                Event::MoveMail { person, mail, folder }
            }
            _ => Event::PurgeMail { person, mail },
        });
    }

    fn about_mail_folders(&mut self, life: &Life, person: PersonKey, day: &mut Vec<Event>) {
        let own = life.mail_folders_of(person);
        let Some(folder) = self.one(&own).filter(|_| !self.chance(25)) else {
            let (folder, name) = (self.key(), self.word());
            let parent = match self.one(&own).filter(|_| self.chance(50)) {
                Some(key) => format!("#{key}"),
                None => self.one(&["msgfolderroot", "inbox"]).unwrap_or("inbox").to_owned(),
            };
            day.push(Event::MailFolder { person, folder, parent, name });
            return;
        };
        let parent = match self.one(&own).filter(|_| self.chance(60)) {
            Some(key) => format!("#{key}"),
            None => self
                .one(&["msgfolderroot", "inbox", "archive", "deleteditems"])
                .unwrap_or("inbox")
                .to_owned(),
        };
        let name = self.word();
        day.push(match self.rng.random_range(0..100) {
            0..35 => Event::RenameMailFolder { person, folder, name },
            35..70 => Event::MoveMailFolder { person, folder, parent },
            70..85 => Event::EmptyMailFolder { person, folder },
            _ => Event::DeleteMailFolder { person, folder },
        });
    }

    fn about_files(&mut self, life: &Life, person: PersonKey, day: &mut Vec<Event>) {
        let (files, folders) = life.files_of(person);
        let parent = self.one(&folders).filter(|_| self.chance(60));
        let (form, seed) = (self.rng.random_range(0..8_u32), self.rng.random());
        let ending = ENDINGS.get(form as usize).copied().unwrap_or("txt");
        let name = format!("{}.{ending}", self.word());
        let Some(file) = self.one(&files).filter(|_| !self.chance(35)) else {
            let file = self.key();
            day.push(Event::File { person, file, parent, name, form, seed });
            return;
        };
        let key = self.key();
        day.push(match self.rng.random_range(0..100) {
            0..32 => Event::EditFile { person, file, form, seed },
            32..42 => Event::ReplaceFile { person, old: file, file: key, form, seed },
            42..60 => Event::RenameFile { person, file, name },
            60..78 => Event::MoveFile { person, file, parent },
            78..86 => Event::ShareFile { person, file },
            _ => Event::DeleteFile { person, file },
        });
    }

    fn about_folders(&mut self, life: &Life, person: PersonKey, day: &mut Vec<Event>) {
        let (_, folders) = life.files_of(person);
        let parent = self.one(&folders).filter(|_| self.chance(50));
        let name = self.word();
        let Some(folder) = self.one(&folders).filter(|_| !self.chance(35)) else {
            let folder = self.key();
            day.push(Event::Folder { person, folder, parent, name });
            return;
        };
        day.push(match self.rng.random_range(0..100) {
            0..40 => Event::RenameFolder { person, folder, name },
            40..75 => Event::MoveFolder { person, folder, parent },
            _ => Event::DeleteFolder { person, folder },
        });
    }

    /// Contacts, tasks, calendars, libraries, sites.
    fn about_things(&mut self, people: &[PersonKey], day: &mut Vec<Event>) {
        let Some(person) = self.one(people) else { return };
        let (number, seed) = (self.rng.random_range(15..60), self.rng.random());
        let list = self.one(ORDINARY_LIST_ACTS);
        day.push(match (self.rng.random_range(0..100), list) {
            (0..25, Some(act)) => Event::Contacts { person, act, seed },
            (25..50, Some(act)) => Event::Tasks { person, act, seed },
            (50..68, _) => match self.one(ORDINARY_CALENDAR_ACTS) {
                Some(act) => Event::Calendars { person, act, seed },
                None => return,
            },
            (68..86, _) => match self.one(ORDINARY_DRIVE_ACTS) {
                Some(act) => Event::Library { act, seed },
                None => return,
            },
            (86..93, _) => Event::LibraryFile { seed },
            (93..96, _) => {
                use SiteAct as S;
                let acts = [S::NewSubsite, S::NewLibrary, S::Rename, S::Rename, S::Delete];
                Event::Site { act: self.one(&acts).unwrap_or(S::Rename), seed }
            }
            (96..98, _) => Event::ManyContacts { person, contacts: number, seed },
            _ => Event::ManyTasks { person, tasks: number, seed },
        });
    }

    /// A fault of what the other faults do not strike.
    fn fault_of_things(&mut self, person: PersonKey) -> Event {
        let n = self.rng.random_range(0..8u32);
        // Lists of lists, and what is told of a single one.
        let part = match self.rng.random_range(0..8) {
            6 => format!("contacts:{n}/contacts/"),
            7 => format!("tasks:{n}/tasks/"),
            0 => "/contactFolders/delta".to_owned(),
            1 => "/todo/lists/delta".to_owned(),
            2 => "/calendars".to_owned(),
            3 => format!("contacts:{n}/contacts/delta"),
            4 => format!("tasks:{n}/tasks/delta"),
            _ => format!("calendars:{n}/"),
        };
        let of_sites = match self.rng.random_range(0..4) {
            0 => String::new(),
            1 => format!("site:{n}/drives"),
            2 => format!("library:{n}/root/delta"),
            _ => format!("library:{n}/"),
        };
        // Once or twice, or all night.
        let (status, times) = match self.rng.random_range(0..10) {
            0..4 => (self.one(PASSING).unwrap_or(503), 2),
            // A token that is no longer good: what has none is not answered so.
            4..6 => {
                let number = self.rng.random_range(0..8u32);
                let part = match self.rng.random_range(0..4) {
                    0 => "/contactFolders/delta?$deltatoken".to_owned(),
                    1 => "/todo/lists/delta?$deltatoken".to_owned(),
                    2 => format!("contacts:{number}/contacts/delta?$deltatoken"),
                    _ => format!("tasks:{number}/tasks/delta?$deltatoken"),
                };
                let of_sites = match self.chance(50) {
                    true => "?token".to_owned(),
                    false => format!("library:{number}/root/delta?token"),
                };
                return match self.chance(60) {
                    true => Event::Refuse { person, part, status: 410, times: 1 },
                    false => Event::RefuseSite { part: of_sites, status: 410, times: 1 },
                };
            }
            6..8 => {
                let (repeat, times) = (self.chance(60), 2);
                return match repeat {
                    true => Event::RepeatPage { person, part, times },
                    false => Event::RepeatSitePage { part: of_sites, times },
                };
            }
            _ => (self.one(LASTING).unwrap_or(403), 1000),
        };
        match self.chance(60) {
            true => Event::Refuse { person, part, status, times },
            false => Event::RefuseSite { part: of_sites, status, times },
        }
    }

    fn fault(&mut self, life: &Life, person: PersonKey) -> Event {
        let part = self
            .one(&["", "/mailFolders/delta", "/messages", "drive:", "drive:/root/delta"])
            .unwrap_or_default()
            .to_owned();
        let folder = self.one(&life.mail_folders_of(person));
        match (self.rng.random_range(0..100), folder) {
            (0..20, _) => {
                let status = self.one(PASSING).unwrap_or(503);
                Event::Refuse { person, part, status, times: 2 }
            }
            // A delta token that is no longer good.
            (20..35, _) => {
                let part = self.one(&["/mailFolders/delta", "drive:/root/delta"]);
                let part = part.unwrap_or_default().to_owned();
                Event::Refuse { person, part, status: 410, times: 1 }
            }
            (35..50, _) => Event::BreakOff { person, part, after_bytes: 40, times: 2 },
            (50..60, _) => Event::CutShort { person, part, by_bytes: 20, times: 1 },
            (60..70, _) => Event::WrongBytes { times: 1 },
            // One folder is not found though the list still names it.
            (70..85, Some(key)) => {
                Event::Refuse { person, part: format!("#{key}"), status: 404, times: 1000 }
            }
            // A service that is not there for a night.
            _ => {
                let status = self.one(LASTING).unwrap_or(403);
                Event::Refuse { person, part, status, times: 1000 }
            }
        }
    }
}
