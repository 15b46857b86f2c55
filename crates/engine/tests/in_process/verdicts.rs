//! What is thought of files: each version against the newest clean one before it, whatever came
//! between two backups, and whatever wrote what is stored.

use super::{
    Budget, RetryLimits, VirtualTime, backup, in_process, in_process_backup, repository, school,
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use graph_sim::{Request, Sim, ThrottleSettings};
use std::{sync::Arc, time::Duration};
use strongroom_engine::{
    BackupOptions, BackupReport, Silent, clean,
    overruling::{Overruled, Overruling, point_at},
};
use strongroom_model::{Facts, KnownContent, Role, Verdict, VerdictReason};
use strongroom_repository::{Node, Repository, TreeEditor, Visit};

pub(crate) struct Files {
    pub(crate) sim: Sim,
    pub(crate) repo: Arc<Repository>,
    pub(crate) cache: tempfile::TempDir,
    pub(crate) user: String,
}

/// A stored file of some role.
pub(crate) struct Stored {
    pub(crate) path: String,
    pub(crate) node: Node,
    pub(crate) facts: Facts,
}

impl Stored {
    pub(crate) fn verdict(&self) -> Verdict {
        self.facts.judgement.as_ref().unwrap().verdict
    }

    fn reasons(&self) -> &[VerdictReason] {
        &self.facts.judgement.as_ref().unwrap().reasons
    }
}

impl Files {
    pub(crate) fn new() -> Self {
        let cache = tempfile::tempdir().unwrap();
        let sim = school(ThrottleSettings::Off);
        let user = sim.digest(0).iter().find(|row| row.kind == "file").unwrap().user.clone();
        let repo = repository(cache.path());
        Self { sim, repo, cache, user }
    }

    /// Somebody saves a file, a minute after whatever was before; answers its id.
    pub(crate) fn put(&self, path: &str, bytes: &[u8]) -> String {
        self.sim.clock().advance(Duration::from_secs(60));
        let token = self.sim.token(0, &["Files.ReadWrite.All"]).unwrap();
        let reply = self.sim.handle(&Request {
            method: "PUT".into(),
            path: format!("/v1.0/users/{}/drive/root:/{path}:/content", self.user),
            query: String::new(),
            headers: vec![
                ("authorization".into(), format!("Bearer {token}")),
                ("host".into(), "graph.microsoft.com".into()),
                ("content-type".into(), "application/octet-stream".into()),
                ("prefer".into(), "IdType=\"ImmutableId\"".into()),
            ],
            body: bytes.to_vec().into(),
        });
        assert!(reply.status == 200 || reply.status == 201, "{path}: {}", reply.status);
        let told: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        told["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn rename(&self, id: &str, name: &str) {
        let target = format!("users/{}/drive/items/{id}", self.user);
        let body = serde_json::json!({ "name": name });
        assert_eq!(super::call(&self.sim, "PATCH", &target, body).0, 200);
    }

    pub(crate) fn backup(&self) -> BackupReport {
        in_process_backup(&self.sim, &self.repo, self.cache.path())
    }

    /// A backup that goes by what somebody said of verdicts.
    fn backup_overruled(&self, of: &[String]) -> BackupReport {
        let time = VirtualTime::new(self.sim.clock().clone());
        let budget = Arc::new(Budget::new(true));
        let client = in_process(&self.sim, &time, 0, "read", budget, RetryLimits::default());
        let mut options = BackupOptions::new("school", self.cache.path());
        let overruling = |of: &String| Overruling {
            of: of.parse().unwrap(),
            says: "overruled by ada: as agreed".into(),
            from: Some(self.sim.clock().now()),
        };
        options.overruled = of.iter().map(overruling).collect();
        let (repo, client) = (self.repo.clone(), Arc::new(client.unwrap()));
        time.run(async move { backup(repo, client, options, Arc::new(Silent)).await }).unwrap()
    }

    /// All that is stored of an item in one role, oldest first.
    pub(crate) fn stored(&self, id: &str, role: Role) -> Vec<Stored> {
        let (_, latest) = clean::latest(&self.repo, None).unwrap().unwrap();
        let mut all = Vec::new();
        let mut look = |path: &str, node: &Node| {
            if let Some(facts) = node.facts()?.filter(|f| f.kind.role() == role && f.id.0 == id) {
                all.push(Stored { path: path.to_owned(), node: node.clone(), facts });
            }
            Ok::<_, strongroom_repository::Error>(Visit::Enter)
        };
        self.repo.walk(&latest.tree, "", &mut look).unwrap();
        all.sort_by_key(|s| s.node.modified);
        all
    }

    pub(crate) fn current(&self, id: &str) -> Stored {
        self.stored(id, Role::Item).pop().unwrap()
    }

    /// The bytes of the last clean version, where one is kept.
    pub(crate) fn last_clean(&self, id: &str) -> Option<Vec<u8>> {
        let mut all = self.stored(id, Role::LastClean);
        assert!(all.len() < 2, "{}", all.len());
        all.pop().map(|s| self.repo.read_file(&s.node).unwrap())
    }

    /// A newest snapshot that another program wrote: the records of an item's nodes are otherwise.
    fn as_if(&self, id: &str, change: impl Fn(&mut Facts)) {
        let (newest, mut snapshot) = clean::latest(&self.repo, None).unwrap().unwrap();
        snapshot.parent = Some(newest);
        snapshot.time = self.sim.clock().now();
        let mut tree = TreeEditor::new(self.repo.clone(), Some(snapshot.tree), snapshot.time);
        for role in [Role::Item, Role::Version, Role::LastClean] {
            for mut s in self.stored(id, role) {
                change(&mut s.facts);
                s.node.set_facts(&s.facts).unwrap();
                let mut dir: Vec<&str> = s.path.split('/').filter(|p| !p.is_empty()).collect();
                dir.pop();
                tree.put(&dir, s.node).unwrap();
            }
        }
        snapshot.tree = tree.write().unwrap();
        self.repo.commit(&snapshot).unwrap();
    }
}

pub(crate) fn noise(n: usize, seed: u64) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(n + 8);
    while out.len() < n {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        out.extend_from_slice(&x.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    out.truncate(n);
    out
}

/// A letter of some length; each seed tells another story.
pub(crate) fn letter(seed: u64, lines: usize) -> String {
    const WORDS: &[&str] = &[
        "school", "pupils", "garden", "river", "bring", "money", "trip", "monday", "teacher",
        "asks", "parents", "sign", "letter", "before", "summer", "books", "history", "water",
    ];
    let mut out = String::new();
    for (n, b) in noise(lines * 9, seed).into_iter().enumerate() {
        out.push_str(WORDS[usize::from(b) % WORDS.len()]);
        out.push(if n % 9 == 8 { '\n' } else { ' ' });
    }
    out
}

/// A zip with one member, hidden by a password where it is flagged so.
fn zip(name: &str, body: &[u8], flags: u16) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(body);
    let n = body.len() as u32;
    let about = [
        &20_u16.to_le_bytes()[..],
        &flags.to_le_bytes(),
        &[0; 6],
        &crc.sum().to_le_bytes(),
        &n.to_le_bytes(),
        &n.to_le_bytes(),
        &(name.len() as u16).to_le_bytes(),
        &[0; 2],
    ]
    .concat();
    let mut out = [b"PK\x03\x04", &about[..], name.as_bytes(), body].concat();
    let at = out.len() as u32;
    out.extend([b"PK\x01\x02\x14\0", &about[..], &[0; 14], name.as_bytes()].concat());
    let size = out.len() as u32 - at;
    out.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    out.extend([size.to_le_bytes(), at.to_le_bytes()].concat());
    out.extend([0; 2]);
    out
}

#[test]
fn of_a_file_edited_in_the_morning_and_encrypted_at_noon_the_morning_is_the_last_clean_one() {
    let s = Files::new();
    let first = letter(1, 200);
    let id = s.put("letter.txt", first.as_bytes());
    s.backup();
    let morning = format!("{first}One line more, in the morning.\n");
    s.put("letter.txt", morning.as_bytes());
    s.put("letter.txt", &noise(morning.len() + 64, 1));
    let report = s.backup();
    assert_eq!((report.verdicts.clean, report.verdicts.encrypted), (1, 1));
    let now = s.current(&id);
    assert_eq!((now.verdict(), now.reasons()[0]), (Verdict::Encrypted, VerdictReason::TextLost));
    // The sentences, with figures, and all of it small.
    let says = &now.facts.judgement.as_ref().unwrap().says;
    assert!(says.iter().any(|w| w.as_str().contains('%')), "{says:?}");
    assert!(now.facts.to_bytes().unwrap().len() < 3000);
    let versions = s.stored(&id, Role::Version);
    assert_eq!(versions.len(), 2);
    assert!(versions.iter().all(|v| v.verdict() == Verdict::Clean && v.facts.content.is_some()));
    assert_eq!(s.last_clean(&id).unwrap(), morning.as_bytes());
    assert_eq!(s.stored(&id, Role::LastClean)[0].node.name, "letter.txt");

    // Encrypted again and again: it stays the morning's. What was encrypted is no clean version.
    s.put("letter.txt", &noise(morning.len() + 64, 2));
    s.put("letter.txt", &noise(morning.len() + 64, 3));
    let report = s.backup();
    assert_eq!((report.verdicts.clean, report.verdicts.encrypted), (0, 2));
    assert_eq!(s.last_clean(&id).unwrap(), morning.as_bytes());
    let verdicts: Vec<_> = s.stored(&id, Role::Version).iter().map(Stored::verdict).collect();
    assert_eq!(verdicts, [&[Verdict::Clean; 2][..], &[Verdict::Encrypted; 2]].concat());

    // Somebody brings it back and goes on.
    s.put("letter.txt", format!("{morning}And in the evening.\n").as_bytes());
    s.backup();
    let now = s.current(&id);
    assert_eq!(now.verdict(), Verdict::Clean);
    assert!(now.facts.judgement.unwrap().says.is_empty());
    assert_eq!(s.last_clean(&id), None);
}

#[test]
fn of_a_file_born_and_encrypted_between_two_backups_the_first_version_is_the_last_clean_one() {
    let s = Files::new();
    s.backup();
    let first = letter(3, 100);
    // As text: nothing of its bytes is odd by itself.
    let id = s.put("report.txt", first.as_bytes());
    s.put("report.txt", hex::encode(noise(first.len(), 5)).as_bytes());
    let other = s.put("table.csv", letter(4, 90).as_bytes());
    s.put("table.csv", &noise(9000, 6));
    s.rename(&other, "table.csv.locked");
    let report = s.backup();
    assert_eq!((report.verdicts.clean, report.verdicts.suspicious), (2, 0));
    assert_eq!(s.current(&id).verdict(), Verdict::Encrypted);
    assert_eq!(s.last_clean(&id).unwrap(), first.as_bytes());
    assert_eq!(s.current(&other).verdict(), Verdict::Encrypted);
    assert_eq!(s.last_clean(&other).unwrap(), letter(4, 90).as_bytes());
    assert_eq!(s.stored(&other, Role::LastClean)[0].node.name, "table.csv");
}

#[test]
fn what_is_not_known_of_a_stored_content_is_found_out_from_its_bytes() {
    let newer = STANDARD_NO_PAD.encode([200, 1, 2, 3]);
    // Of an older program, damaged, of a newer program, of another content.
    let records = [None, Some("?".to_owned()), Some(newer), Some(String::new())];
    for (n, record) in records.into_iter().enumerate() {
        let s = Files::new();
        let first = letter(1, 200);
        let other = s.put("other.txt", letter(9, 200).as_bytes());
        let id = s.put("letter.txt", first.as_bytes());
        s.backup();
        let anothers = s.current(&other).facts.content;
        let stored = match n {
            3 => anothers,
            _ => record.map(KnownContent),
        };
        s.as_if(&id, |f| f.content.clone_from(&stored));
        // Without the version before it this is a text as any other.
        s.put("letter.txt", hex::encode(noise(first.len(), 5)).as_bytes());
        s.backup();
        assert_eq!(s.current(&id).verdict(), Verdict::Encrypted, "{n}");
        assert_eq!(s.last_clean(&id).unwrap(), first.as_bytes());
        // What is not understood stays as it was found.
        for role in [Role::LastClean, Role::Version] {
            let kept = s.stored(&id, role).pop().unwrap().facts.content.unwrap();
            match n {
                1 | 2 => assert_eq!(Some(&kept), stored.as_ref()),
                _ => assert!(kept.0.len() > 50 && Some(&kept) != stored.as_ref(), "{n}"),
            }
        }
        s.put("letter.txt", format!("{first}Back.\n").as_bytes());
        s.backup();
        assert_eq!(s.current(&id).verdict(), Verdict::Clean, "{n}");
    }
}

/// An older program looked for the last clean version in one place alone, and took noise written
/// as text for a text.
#[test]
fn a_clean_version_that_an_older_program_did_not_look_for_is_found() {
    let s = Files::new();
    s.backup();
    let first = letter(7, 100);
    let id = s.put("report.txt", first.as_bytes());
    s.put("report.txt", hex::encode(noise(4000, 1)).as_bytes());
    s.put("report.txt", &noise(4000, 2));
    s.backup();
    s.as_if(&id, |f| {
        f.content = None;
        if let (Role::Version, Some(j)) = (f.kind.role(), &mut f.judgement) {
            *j = strongroom_model::Judgement::clean();
        }
    });
    let (newest, mut snapshot) = clean::latest(&s.repo, None).unwrap().unwrap();
    let mut tree = TreeEditor::new(s.repo.clone(), Some(snapshot.tree), snapshot.time);
    for kept in s.stored(&id, Role::LastClean) {
        tree.remove(&kept.path.split('/').filter(|p| !p.is_empty()).collect::<Vec<_>>()).unwrap();
    }
    snapshot.tree = tree.write().unwrap();
    snapshot.parent = Some(newest);
    s.repo.commit(&snapshot).unwrap();
    assert_eq!(s.last_clean(&id), None);
    s.put("report.txt", &noise(4000, 3));
    s.backup();
    assert_eq!(s.last_clean(&id).unwrap(), first.as_bytes());
    let verdicts: Vec<_> = s.stored(&id, Role::Version).iter().map(Stored::verdict).collect();
    assert_eq!(verdicts, [Verdict::Clean, Verdict::Encrypted, Verdict::Encrypted]);
}

#[test]
fn registers_lessons_plans_and_volumes_raise_nothing() {
    let s = Files::new();
    s.put("register.zip", &zip("register.csv", &noise(9000, 1), 1));
    let mut key = vec![0x03, 0xd9, 0xa2, 0x9a, 0x67, 0xfb, 0x4b, 0xb5];
    key.extend(noise(5000, 2));
    s.put("keys.kdbx", &key);
    assert!(s.backup().is_clean());
    let note = "All your files have been encrypted. To decrypt your data contact us at \
                help@onionmail.org. Pay 2 bitcoin. Your ID: 88-AF. Do not rename files. The price \
                will be doubled in 3 days.";
    let lesson = format!(
        "Lesson 7 for year 9: ransomware. Pupils read this example of a note and say what the \
         criminals want: \"{note}\" Homework: why does a backup help? The teacher collects answers."
    );
    let plan = "Incident plan. If somebody reads: your files have been encrypted, do not rename \
                anything, do not contact the attackers, call the head. No ransom or bitcoin is \
                paid; the response team restores the backup. Files that will be lost are listed.";
    s.put("lesson.txt", lesson.as_bytes());
    s.put("incident plan.txt", plan.as_bytes());
    for (n, name) in ["b.zip.001", "b.zip.002", "c.part2.rar", "film.z01"].iter().enumerate() {
        s.put(name, &noise(60_000, n as u64 + 50));
    }
    // A line is added each day, and the password is asked for each day.
    for day in 0..8_usize {
        let body = noise(9000 + 40 * day, day as u64 + 10);
        s.put("register.zip", &zip("register.csv", &body, 1));
        key.truncate(8);
        key.extend(noise(5000 + 16 * day, day as u64 + 90));
        s.put("keys.kdbx", &key);
        let report = s.backup();
        assert!(report.is_clean() && report.alarms.is_empty(), "{day}: {:?}", report.alarms);
        assert_eq!((report.verdicts.suspicious, report.verdicts.encrypted), (0, 0), "{day}");
    }
    // And a note is still one.
    let id = s.put("README.txt", note.as_bytes());
    s.backup();
    assert_eq!(s.current(&id).reasons(), [VerdictReason::RansomNote]);
}

/// What nobody encrypted, and what its name alone said, is forgotten with the name.
#[test]
fn a_name_that_is_back_takes_its_suspicion_along_and_no_other() {
    let s = Files::new();
    let (text, note) = (letter(1, 50), letter(2, 50));
    let (one, two) = (s.put("a.txt", text.as_bytes()), s.put("b.txt", note.as_bytes()));
    s.backup();
    // Replaced throughout, by what is no noise.
    s.put("b.txt", letter(33, 9).replace(' ', "_").as_bytes());
    s.rename(&one, "a.txt.q7");
    s.backup();
    assert_eq!(s.current(&one).reasons(), [VerdictReason::ExtensionAppended]);
    assert_eq!(s.last_clean(&one).unwrap(), text.as_bytes());
    let before = s.current(&two).verdict();
    assert_ne!(before, Verdict::Clean);
    s.rename(&one, "a.txt");
    s.rename(&two, "b.txt.q7");
    s.backup();
    assert_eq!(s.current(&one).verdict(), Verdict::Clean);
    s.rename(&two, "b.txt");
    s.backup();
    assert_eq!(s.current(&two).verdict(), before, "its bytes are what they were");
    assert_eq!(s.last_clean(&two).unwrap(), note.as_bytes());
}

/// A zip whose directory names one member 65,535 times costs no more than its length.
#[test]
#[allow(clippy::disallowed_methods)] // what is measured is real time
fn a_zip_bomb_costs_a_backup_nothing() {
    let s = Files::new();
    s.backup();
    let mut bomb = zip("homework.txt", &vec![0; 1 << 20], 0);
    let end = bomb.len() - 22;
    let row = bomb[end - 46 - 12..end].to_vec();
    let at = (end - row.len()) as u32;
    bomb.truncate(at as usize);
    bomb.extend(row.repeat(65_535));
    bomb.extend(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff");
    bomb.extend((65_535 * row.len() as u32).to_le_bytes());
    bomb.extend(at.to_le_bytes());
    bomb.extend([0; 2]);
    let id = s.put("homework.zip", &bomb);
    let began = std::time::Instant::now();
    s.backup();
    s.put("homework.zip", &[&bomb[..], b" "].concat());
    s.backup();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_ne!(s.current(&id).verdict(), Verdict::Encrypted);
}

#[test]
fn a_person_overrules_verdicts_of_what_is_stored_and_of_what_comes() {
    let s = Files::new();
    let names = ["a.txt", "b.txt", "c.txt"];
    let ids = names.map(|n| s.put(n, letter(1, 99).as_bytes()));
    s.backup();
    for (n, name) in names.iter().enumerate() {
        s.put(name, &noise(9000, n as u64 + 1));
    }
    s.backup();
    assert!(ids.iter().all(|id| s.current(id).verdict() == Verdict::Encrypted));
    let path = s.current(&ids[0]).path;
    let at = point_at(&s.repo, "school", &path).unwrap();
    assert!(at.is_file && at.judgement.is_some());
    assert!(point_at(&s.repo, "school", "/drives/nobody").is_err());
    // One version of one file, another file, and those that are called so.
    let of = Overruled::Version { item: at.id, sha256: at.sha256.unwrap() }.to_string();
    let said = [of, format!("item {}", ids[1]), "named nothing*".to_owned()];
    s.backup_overruled(&said);
    let verdict = |n: usize| s.current(&ids[n]).verdict();
    assert_eq!([0, 1, 2].map(verdict), [Verdict::Clean, Verdict::Clean, Verdict::Encrypted]);
    let judged = s.current(&ids[0]).facts.judgement.unwrap();
    let says = judged.overruled.unwrap();
    assert!(says.as_str().contains("as agreed") && says.as_str().contains("encrypted"), "{says:?}");
    assert_eq!((s.last_clean(&ids[0]), s.last_clean(&ids[1])), (None, None));
    assert_eq!(s.last_clean(&ids[2]).unwrap(), letter(1, 99).as_bytes());
    // Another version is another thing; another content of the item is the same item.
    for (n, name) in names.iter().enumerate() {
        s.put(name, hex::encode(noise(3000, n as u64 + 9)).as_bytes());
    }
    let report = s.backup_overruled(&said);
    assert_eq!([1, 2].map(verdict), [Verdict::Clean, Verdict::Encrypted]);
    assert_ne!(verdict(0), Verdict::Clean);
    assert_eq!(report.verdicts.suspicious + report.verdicts.encrypted, 2);
    // All in the drive.
    let drive = path.split('/').take(4).collect::<Vec<_>>().join("/");
    let below = Overruled::Below(point_at(&s.repo, "school", &drive).unwrap().id).to_string();
    s.backup_overruled(&[below]);
    assert_eq!([0, 1, 2].map(verdict), [Verdict::Clean; 3]);
}
