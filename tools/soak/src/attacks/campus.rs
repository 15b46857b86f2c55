//! A school whose every version is known: when it was written, and whether by an honest hand.
//!
//! What is known here comes from the hands alone. Nothing is asked of the product but what a night
//! or a restore is by the command too.

use super::{
    damage::{Damage, damaged},
    documents::{Document, Form, sentence},
};
use crate::school::{TENANT, cache, key, who};
use anyhow::Context;
use bytes::Bytes;
use graph_sim::{Letter, MailAct, SeedPlan, Settings, Sim, ThrottleSettings};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use sim_transport::{VirtualTime, in_process};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use strongroom_engine::{
    BackupOptions, BackupReport, Calendar, Silent, backup, clean,
    restore::{self, DataRestorePlan, Into, RestoreOptions, RestoreReport},
    standing_alarms,
};
use strongroom_graph::{Budget, Client, RetryLimits};
use strongroom_model::{AlarmKind, AlarmSeverity};
use strongroom_objects::testing::Memory;
use strongroom_repository::{MasterKey, Repository, TAG_CLEAN};

/// Whose hand did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Somebody at work.
    Honest,
    /// The attacker.
    Attacker,
}

/// SHA-256.
pub type Sha = [u8; 32];

pub(super) fn sha(bytes: &[u8]) -> Sha {
    Sha256::digest(bytes).into()
}

/// A version of a file.
#[derive(Debug, Clone)]
pub struct Version {
    /// By whom.
    pub by: By,
    /// Its bytes.
    pub content: Bytes,
    /// Of its bytes.
    pub sha: Sha,
    /// Whether a backup could have it: it was current, or among the ten older ones, at a backup.
    pub could_be_kept: bool,
}

/// A file, as long as it is remembered.
#[derive(Debug, Clone)]
pub struct FileThing {
    /// Whose, by place in [`Campus::people`].
    pub owner: usize,
    /// Its id in the service.
    pub id: String,
    /// Where it stands, below the drive's root.
    pub path: String,
    /// Where an honest hand left it.
    pub honest_path: String,
    /// Who made it.
    pub made_by: By,
    /// Oldest first.
    pub versions: Vec<Version>,
    /// Who deleted it.
    pub gone: Option<By>,
    /// Whether the attacker did anything to it.
    pub is_hit: bool,
    /// What it says, where this program made it.
    pub document: Option<Document>,
}

impl FileThing {
    fn is_honest_and_here(&self) -> bool {
        self.made_by == By::Honest && self.gone.is_none() && !self.is_hit
    }

    /// The newest honest version that a backup could have.
    pub fn wanted(&self) -> Option<&Version> {
        self.versions.iter().rev().find(|v| v.by == By::Honest && v.could_be_kept)
    }
}

/// A message, as an honest hand left it.
#[derive(Debug, Clone)]
pub struct MailThing {
    /// Whose.
    pub owner: usize,
    /// Its immutable id.
    pub id: String,
    /// Its internet message id, which stays when it is made anew.
    pub internet_id: String,
    /// Its body.
    pub body: String,
    /// Names and hashes of its attachments.
    pub attachments: Vec<(String, Sha)>,
    /// Its categories.
    pub categories: Vec<String>,
    /// Whether a backup could have it as it is here.
    pub could_be_kept: bool,
    /// Whether the attacker did anything to it.
    pub is_hit: bool,
}

/// Somebody.
#[derive(Debug, Clone)]
pub struct Person {
    /// Id in the directory.
    pub id: String,
    /// Principal name.
    pub upn: String,
    /// Folders of the drive that work goes into, by name.
    pub folders: Vec<(String, String)>,
}

/// What a night's backup said.
#[derive(Debug, Clone)]
pub struct NightSaid {
    /// How many honest items were hit by then.
    pub hit: usize,
    /// Whether the alarm was due by then.
    pub is_due: bool,
    /// Whether the snapshot bears `clean`.
    pub is_clean: bool,
    /// Alarms of high severity that this night raised: kind and sentence.
    pub high: Vec<(AlarmKind, String)>,
    /// Items and collections that were not read.
    pub unread: usize,
}

/// When an alarm must have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlarmRule {
    /// Damage that is seen in bytes: with the backup after the 20th item.
    Bytes,
    /// Absence, renaming, replacement: at 5 % of a person's items or 1 % of the tenant's, of at
    /// least twenty.
    Absence,
}

/// So many items are a sign, and fewer are none.
pub const HIT_MIN: usize = 20;
/// Older versions of a file that a backup keeps.
const VERSIONS_MAX: usize = 10;
/// 2026-09-01, when a school's year begins.
const START: jiff::Timestamp = jiff::Timestamp::constant(1_788_220_800, 0);

/// How large a school is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// People.
    pub people: usize,
    /// Files that each has.
    pub files: usize,
    /// Messages that each has.
    pub messages: usize,
}

/// See the module.
pub struct Campus {
    sim: Sim,
    time: VirtualTime,
    store: Arc<Memory>,
    key: MasterKey,
    cache: tempfile::TempDir,
    /// Everybody with a drive and a mailbox.
    pub people: Vec<Person>,
    /// Files, in the order in which they were made.
    pub files: Vec<FileThing>,
    /// Messages.
    pub mails: Vec<MailThing>,
    /// What each backup said.
    pub nights: Vec<NightSaid>,
    /// When an alarm must come.
    pub rule: AlarmRule,
    /// For all that is drawn.
    pub rng: ChaCha8Rng,
    /// Whether the standing alarms are acknowledged before the next backup.
    pub acknowledges: bool,
    /// What is ordinary when, as the school says.
    pub calendar: Option<Calendar>,
    made: usize,
}

impl Campus {
    /// A school with files and mail, before its first backup.
    pub fn new(size: Size, rule: AlarmRule, seed: u64) -> anyhow::Result<Self> {
        let settings = Settings {
            throttle: ThrottleSettings::Off,
            check_answers: false,
            log_rows_max: 1,
            ..Settings::default()
        };
        let sim = Sim::new(settings, seed, START);
        let time = VirtualTime::new(sim.clock().clone());
        sim.seed(&SeedPlan {
            seed,
            people: Some(size.people),
            messages_per_mailbox: Some(3),
            scale: 0.05,
            ..SeedPlan::default()
        })?;
        let store = Arc::new(Memory::new());
        let key = key()?;
        Repository::make(store.clone(), &key)?;
        let mut campus = Self {
            sim,
            time,
            store,
            key,
            cache: cache()?,
            people: Vec::new(),
            files: Vec::new(),
            mails: Vec::new(),
            nights: Vec::new(),
            rule,
            rng: ChaCha8Rng::seed_from_u64(seed),
            acknowledges: true,
            calendar: None,
            made: 0,
        };
        campus.meet_all();
        for owner in 0..campus.people.len() {
            for _ in 0..size.files {
                let document = Document::any(&mut campus.rng);
                campus.make(owner, document);
            }
            for n in 0..size.messages {
                campus.receive(owner, n % 2 == 0);
            }
        }
        Ok(campus)
    }

    /// Takes down who is there and what the simulator gave them.
    fn meet_all(&mut self) {
        for person in self.sim.state(0).people {
            if !person.has_drive || !person.has_mailbox {
                continue;
            }
            let owner = self.people.len();
            let mut folders = Vec::new();
            for name in ["", "Work", "Shared with class", "Old"] {
                if let Some(id) = self.sim.hand(0, &person.id).folder(name) {
                    folders.push((name.to_owned(), id));
                }
            }
            let files = person.files.into_iter().filter(|f| !f.is_malware);
            self.files.extend(files.map(|f| {
                let older = f.versions.iter().map(|v| v.content.clone());
                let versions = older.chain([f.content.clone()]).map(|content| Version {
                    by: By::Honest,
                    sha: sha(&content),
                    content,
                    could_be_kept: false,
                });
                FileThing {
                    owner,
                    id: f.id,
                    honest_path: f.path.clone(),
                    path: f.path,
                    made_by: By::Honest,
                    versions: versions.collect(),
                    gone: None,
                    is_hit: false,
                    document: None,
                }
            }));
            let is_kept = |path: &str| {
                let top = path.split('/').next().unwrap_or_default();
                ["Inbox", "Sent Items", "Archive"].contains(&top)
            };
            let mails = person.messages.into_iter().filter(|m| {
                is_kept(&m.folder_path)
                    && m.event.is_none()
                    && !m.is_draft
                    && m.attachments.iter().all(|(_, bytes)| bytes.is_some())
            });
            self.mails.extend(mails.map(|m| MailThing {
                owner,
                id: m.id,
                internet_id: m.internet_message_id,
                body: m.body,
                attachments: hashes(&m.attachments),
                categories: m.categories,
                could_be_kept: false,
                is_hit: false,
            }));
            self.people.push(Person { id: person.id, upn: person.upn, folders });
        }
    }

    /// The simulator.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// Time goes on.
    pub fn pass_hours(&self, hours: u64) {
        self.sim.clock().advance(Duration::from_secs(hours * 3600));
    }

    fn version(by: By, content: Bytes) -> Version {
        Version { by, sha: sha(&content), content, could_be_kept: false }
    }

    /// A file comes; `None` when its name is taken.
    pub fn put(&mut self, owner: usize, name: &str, content: Bytes, by: By) -> Option<usize> {
        let person = &self.people[owner];
        let (folder_name, folder) = person.folders.choose(&mut self.rng)?.clone();
        let id = self.sim.hand(0, &person.id).new_file(&folder, name, content.clone())?;
        let path = match folder_name.as_str() {
            "" => name.to_owned(),
            folder => format!("{folder}/{name}"),
        };
        self.files.push(FileThing {
            owner,
            id,
            path: path.clone(),
            honest_path: path,
            made_by: by,
            versions: vec![Self::version(by, content)],
            gone: None,
            is_hit: false,
            document: None,
        });
        Some(self.files.len() - 1)
    }

    /// An honest document is made.
    pub fn make(&mut self, owner: usize, document: Document) -> Option<usize> {
        self.made += 1;
        let n = self.put(owner, &document.name(self.made), document.bytes(), By::Honest)?;
        self.files[n].document = Some(document);
        Some(n)
    }

    /// Somebody works in a file.
    pub fn edit(&mut self, n: usize) -> Option<()> {
        let mut document = self.files[n].document.clone()?;
        document.edit(&mut self.rng);
        let content = document.bytes();
        self.files[n].document = Some(document);
        self.write(n, content, By::Honest)
    }

    /// A file gets a new version.
    pub fn write(&mut self, n: usize, content: Bytes, by: By) -> Option<()> {
        let file = &mut self.files[n];
        if file.gone.is_some() || file.versions.last().is_some_and(|v| v.content == content) {
            return None;
        }
        self.sim.hand(0, &self.people[file.owner].id).write(&file.id, content.clone())?;
        file.versions.push(Self::version(by, content));
        file.is_hit |= by == By::Attacker;
        Some(())
    }

    /// A file gets another name in its folder.
    pub fn rename(&mut self, n: usize, name: &str, by: By) -> Option<()> {
        let file = &mut self.files[n];
        if file.gone.is_some() {
            return None;
        }
        self.sim.hand(0, &self.people[file.owner].id).rename(&file.id, None, name)?;
        file.path = match file.path.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/{name}"),
            None => name.to_owned(),
        };
        match by {
            By::Honest => file.honest_path.clone_from(&file.path),
            By::Attacker => file.is_hit = true,
        }
        Some(())
    }

    /// A file is deleted.
    pub fn delete(&mut self, n: usize, by: By) -> Option<()> {
        let file = &mut self.files[n];
        if file.gone.is_some() {
            return None;
        }
        self.sim.hand(0, &self.people[file.owner].id).delete(&file.id)?;
        file.gone = Some(by);
        file.is_hit |= by == By::Attacker;
        Some(())
    }

    /// The attacker damages a file under its name.
    pub fn damage(&mut self, n: usize, damage: Damage) -> Option<()> {
        let (name, plain) = self.name_and_content(n)?;
        let content = damaged(damage, &name, &plain, &mut self.rng);
        self.write(n, content, By::Attacker)
    }

    /// What a file is called, and what it holds.
    pub fn name_and_content(&self, n: usize) -> Option<(String, Bytes)> {
        let file = &self.files[n];
        let name = file.path.rsplit('/').next().unwrap_or_default().to_owned();
        Some((name, file.versions.last()?.content.clone()))
    }

    /// A message arrives.
    pub fn receive(&mut self, owner: usize, with_attachment: bool) -> Option<usize> {
        let rng = &mut self.rng;
        let body: String = (0..rng.random_range(2..9)).map(|_| sentence(rng) + "\r\n").collect();
        let mut attachments = Vec::new();
        if with_attachment {
            self.made += 1;
            let document = Document::any(rng);
            attachments.push((document.name(self.made), document.bytes()));
        }
        let letter = Letter {
            from: ("A parent".into(), "parent@home.example".into()),
            subject: sentence(rng),
            body,
            attachments,
        };
        let (id, internet_id) = self.sim.hand(0, &self.people[owner].id).receive(&letter)?;
        let all = letter.attachments.iter().map(|(n, b)| (n.clone(), sha(b))).collect();
        self.mails.push(MailThing {
            owner,
            id,
            internet_id,
            body: letter.body,
            attachments: all,
            categories: Vec::new(),
            could_be_kept: false,
            is_hit: false,
        });
        Some(self.mails.len() - 1)
    }

    /// The attacker does something to a message.
    pub fn tamper(&mut self, n: usize, act: &MailAct) -> Option<()> {
        let mail = &mut self.mails[n];
        self.sim.hand(0, &self.people[mail.owner].id).mail(&mail.id, act)?;
        mail.is_hit = true;
        Some(())
    }

    /// Somebody does something to a message of their own.
    pub fn sort(&mut self, n: usize, act: &MailAct) -> Option<()> {
        let mail = &mut self.mails[n];
        self.sim.hand(0, &self.people[mail.owner].id).mail(&mail.id, act)?;
        if let MailAct::Categories(all) = act {
            mail.categories.clone_from(all);
        }
        Some(())
    }

    /// Somebody is gone with all that was theirs.
    pub fn forget(&mut self, owner: usize) {
        self.people[owner].folders.clear();
        for file in self.files.iter_mut().filter(|f| f.owner == owner && f.gone.is_none()) {
            file.gone = Some(By::Honest);
        }
        self.mails.retain(|m| m.owner != owner);
    }

    /// Files that honest people have and nobody harmed, of whom `whose` says so.
    pub fn targets(&self, whose: impl Fn(usize) -> bool) -> Vec<usize> {
        let is_one = |f: &FileThing| {
            // Of an empty file there is nothing to damage, and what ends with a dot can be called
            // so by nobody again.
            f.is_honest_and_here()
                && whose(f.owner)
                && !f.path.ends_with('.')
                && f.versions.last().is_some_and(|v| v.content.len() > 64)
        };
        (0..self.files.len()).filter(|n| is_one(&self.files[*n])).collect()
    }

    /// Half a day of honest work, of so many percent of its usual extent.
    pub fn work(&mut self, percent: u32) {
        let mut of_each = vec![Vec::new(); self.people.len()];
        for n in self.targets(|_| true) {
            of_each[self.files[n].owner].push(n);
        }
        for (owner, files) in of_each.into_iter().enumerate() {
            let edited: Vec<usize> = files
                .iter()
                .copied()
                .filter(|n| self.files[*n].document.as_ref().is_some_and(Document::is_edited))
                .collect();
            let mut draw =
                |of_thousand: u32| self.rng.random_range(0..100_000) < of_thousand * percent;
            let (edits, more) = (draw(500), draw(250));
            let (makes, deletes, renames) = (draw(150), draw(10), draw(20));
            let (mail, attached) = (draw(400), draw(250));
            for _ in 0..u32::from(edits) + u32::from(more) {
                if let Some(n) = edited.choose(&mut self.rng) {
                    self.edit(*n);
                }
            }
            if makes {
                let document = Document::any(&mut self.rng);
                self.make(owner, document);
            }
            if let Some(n) = files.choose(&mut self.rng).filter(|_| deletes).copied() {
                self.delete(n, By::Honest);
            }
            if let Some(n) = files.choose(&mut self.rng).filter(|_| renames).copied()
                && let Some((name, _)) = self.name_and_content(n)
            {
                self.rename(n, &format!("final {name}"), By::Honest);
            }
            if mail {
                self.receive(owner, attached);
            }
        }
    }

    /// How many honest items were hit.
    pub fn hit(&self) -> usize {
        let files = self.files.iter().filter(|f| f.made_by == By::Honest && f.is_hit).count();
        files + self.mails.iter().filter(|m| m.is_hit).count()
    }

    /// Whether an alarm is due.
    fn is_due(&self) -> bool {
        let hit = self.hit();
        if self.rule == AlarmRule::Bytes || hit < HIT_MIN {
            return hit >= HIT_MIN;
        }
        let mut of: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        let files =
            self.files.iter().filter(|f| f.made_by == By::Honest && f.gone != Some(By::Honest));
        let each = files.map(|f| (f.owner, f.is_hit));
        for (owner, is_hit) in each.chain(self.mails.iter().map(|m| (m.owner, m.is_hit))) {
            let sums = of.entry(owner).or_default();
            sums.0 += 1;
            sums.1 += usize::from(is_hit);
        }
        let all: usize = of.values().map(|(all, _)| all).sum();
        hit * 100 >= all || of.values().any(|(all, hit)| *hit >= HIT_MIN && hit * 20 >= *all)
    }

    fn repository(&self) -> anyhow::Result<Arc<Repository>> {
        let cache = self.cache.path();
        Ok(Arc::new(Repository::with_key(self.store.clone(), self.key.clone(), cache, who())?))
    }

    fn client(&self, application: &str) -> anyhow::Result<Arc<Client>> {
        let budget = Arc::new(Budget::new(true));
        in_process(&self.sim, &self.time, 0, application, budget, RetryLimits::default())
            .map(Arc::new)
            .context("the tenant has no such application")
    }

    /// A backup as the command line runs it.
    pub fn back_up(&mut self) -> anyhow::Result<&NightSaid> {
        for file in self.files.iter_mut().filter(|f| f.gone.is_none()) {
            let newest = file.versions.iter_mut().rev().take(VERSIONS_MAX + 1);
            newest.for_each(|v| v.could_be_kept = true);
        }
        for mail in self.mails.iter_mut().filter(|m| !m.is_hit) {
            mail.could_be_kept = true;
        }
        let (repo, client) = (self.repository()?, self.client("read")?);
        let mut options = BackupOptions::new(TENANT, self.cache.path());
        options.users_at_once = 1;
        options.calendar.clone_from(&self.calendar);
        if self.acknowledges {
            let all = standing_alarms(&repo, TENANT)?;
            options.acknowledged = all.iter().map(|a| a.acknowledged(None)).collect();
        }
        let (at, silent) = (repo.clone(), Arc::new(Silent));
        let report: BackupReport =
            self.time.run(async move { backup(at, client, options, silent).await })?;
        let newest = clean::latest(&repo, Some(TENANT))?;
        let high = report.alarms.iter().filter(|a| a.severity == AlarmSeverity::High);
        let said = NightSaid {
            hit: self.hit(),
            is_due: self.is_due(),
            is_clean: newest.is_some_and(|(_, s)| s.has_tag(TAG_CLEAN)),
            high: high.map(|a| (a.kind, a.text.as_str().to_owned())).collect(),
            unread: report.failed.len() + report.skipped.len(),
        };
        self.sim.clear_log();
        self.nights.push(said);
        self.nights.last().context("a night that was lived is there")
    }

    /// The newest clean version of each item goes back over what is there.
    pub fn restore_clean(&self) -> anyhow::Result<(DataRestorePlan, RestoreReport)> {
        let (repo, client) = (self.repository()?, self.client("write")?);
        let options = RestoreOptions {
            under: String::new(),
            clean: true,
            snapshot: None,
            tenant: Some(TENANT.to_owned()),
            into: Into::InPlace,
            users: Default::default(),
            addresses: Default::default(),
            versions: false,
            to_other_tenant: false,
            lines: Vec::new(),
        };
        let done = self.time.run(async move {
            let silent = Arc::new(Silent);
            let plan = restore::plan(repo.clone(), client.clone(), options.clone(), silent.clone())
                .await?;
            let report = restore::apply(repo, client, options, plan.clone(), silent).await?;
            Ok::<_, strongroom_engine::Error>((plan, report))
        });
        Ok(done?)
    }

    /// A register with a password, somebody's.
    pub fn register(&mut self, owner: usize) -> Option<usize> {
        let register = Document::new(Form::Register, &mut self.rng);
        self.make(owner, register)
    }
}

/// Names and hashes of attachments.
pub(super) fn hashes(all: &[(String, Option<Bytes>)]) -> Vec<(String, Sha)> {
    let known = all.iter().filter_map(|(name, bytes)| Some((name.clone(), sha(bytes.as_ref()?))));
    known.collect()
}
