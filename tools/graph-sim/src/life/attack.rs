//! The attacks, each under its name. They act as an attacker with Global Admin rights does: through
//! synced clients, through Exchange, through consent.

use crate::{core::budgets::Throttle, core::ids::IdMaker, core::tenant::User, core::world::World};
use bytes::Bytes;
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};

/// Names of all attacks, with what they do.
pub const ATTACKS: &[(&str, &str)] = &[
    (
        "encrypt-fast",
        "every file of every drive is encrypted and gets a new extension; notes are left",
    ),
    ("encrypt-same-name", "every file is encrypted and keeps its name"),
    ("encrypt-slow", "a few files a day are encrypted and keep their names"),
    ("encrypt-partial", "parts of every file are encrypted in place; size and name stay"),
    ("ransom-note", "only notes are left"),
    ("version-flush", "the version limit is set to one and every file saved twice with ciphertext"),
    ("purge-mailboxes", "every mailbox is emptied, Recoverable Items too"),
    ("mass-delete", "most files of every drive are deleted"),
    ("rename-storm", "every file gets a new extension, its content stays"),
    ("consent-revoked", "the backup's permissions are revoked"),
    ("application-deleted", "the backup's application is deleted"),
    ("permissions-narrowed", "the backup may no longer read mail"),
    ("holds-removed", "the holds on mailboxes are removed"),
    ("budget-eaten", "another client uses up the throttle budget"),
];

/// What an attack did.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AttackReport {
    /// Its name.
    pub name: String,
    /// Files touched, by path `user/path` before the attack.
    pub files: Vec<String>,
    /// Messages destroyed.
    pub messages: u64,
    /// Notes left.
    pub notes: u64,
}

const NOTE: &str = "ALL YOUR FILES HAVE BEEN ENCRYPTED!\r\n\r\nYour documents, photos and \
    databases are no longer accessible.\r\nTo decrypt them you need our private key. Pay 2 bitcoin \
    to the wallet below and contact us with your personal ID.\r\nDo not rename files. Do not \
    contact the police. You have 72 hours, then the price doubles.\r\nPersonal ID: 7F3A-91C2\r\n";

fn cipher(content: &Bytes, key: u64) -> Vec<u8> {
    let mut out = content.to_vec();
    let mut stream = vec![0; out.len()];
    ChaCha20Rng::seed_from_u64(key).fill_bytes(&mut stream);
    for (o, s) in out.iter_mut().zip(&stream) {
        *o ^= s;
    }
    // The wrapped key that such programs append.
    let mut tail = [0; 256];
    ChaCha20Rng::seed_from_u64(!key).fill_bytes(&mut tail);
    out.extend_from_slice(&tail);
    out
}

/// Every other block, so that most of the file is touched quickly; the size stays.
fn cipher_partly(content: &Bytes, key: u64) -> Vec<u8> {
    let mut out = content.to_vec();
    let block = if out.len() > 1024 * 1024 { 64 * 1024 } else { (out.len() / 8).clamp(16, 4096) };
    let mut rng = ChaCha20Rng::seed_from_u64(key);
    for chunk in out.chunks_mut(block).step_by(2) {
        let mut stream = vec![0; chunk.len()];
        rng.fill_bytes(&mut stream);
        for (o, s) in chunk.iter_mut().zip(&stream) {
            *o ^= s;
        }
    }
    out
}

fn each_file(
    world: &mut World,
    tenant: usize,
    report: &mut AttackReport,
    mut act: impl FnMut(&mut User, &mut IdMaker, &str, u64),
) {
    let users: Vec<String> = world.tenants[tenant].users.keys().cloned().collect();
    let mut n = 0;
    for id in users {
        let Some((u, ids)) = world.tenants[tenant].user_mut(&id) else { continue };
        for file in u.drive.files() {
            n += 1;
            report.files.push(format!("{}/{}", u.upn, u.drive.path(&file)));
            act(u, ids, &file, n);
        }
    }
}

fn leave_notes(world: &mut World, tenant: usize, report: &mut AttackReport) {
    let now = world.now();
    let users: Vec<String> = world.tenants[tenant].users.keys().cloned().collect();
    for id in users {
        let Some((u, ids)) = world.tenants[tenant].user_mut(&id) else { continue };
        if !u.drive.is_there() {
            continue;
        }
        let folders: Vec<String> =
            u.drive.items.values().filter(|i| i.is_folder()).map(|i| i.id.clone()).collect();
        for folder in folders {
            if u.drive.child(&folder, "README_TO_RESTORE.txt").is_none() {
                u.drive.new_file(
                    ids,
                    &folder,
                    "README_TO_RESTORE.txt",
                    Bytes::from_static(NOTE.as_bytes()),
                    now,
                    (now, now),
                );
                report.notes += 1;
            }
        }
    }
}

fn current(u: &User, file: &str) -> Bytes {
    u.drive.items.get(file).and_then(|i| i.current()).map(|v| v.content.clone()).unwrap_or_default()
}

fn rename(u: &mut User, file: &str, now: jiff::Timestamp) {
    if let Some((parent, name)) =
        u.drive.items.get(file).map(|i| (i.parent.clone(), i.name.clone()))
    {
        u.drive.move_to(file, &parent, &format!("{name}.locked"), now);
    }
}

impl World {
    /// Carries out an attack. `seed` decides keys and victims.
    pub(crate) fn attack(&mut self, tenant: usize, name: &str, seed: u64) -> Option<AttackReport> {
        let mut report = AttackReport { name: name.to_owned(), ..AttackReport::default() };
        let now = self.now();
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let key = rng.next_u64();
        match name {
            "encrypt-fast" | "encrypt-same-name" => {
                each_file(self, tenant, &mut report, |u, _, file, n| {
                    let bytes = cipher(&current(u, file), key ^ n);
                    u.drive.write(file, bytes.into(), now, now);
                    if name == "encrypt-fast" {
                        rename(u, file, now);
                    }
                });
                if name == "encrypt-fast" {
                    leave_notes(self, tenant, &mut report);
                }
            }
            "encrypt-slow" => {
                let mut hit = Vec::new();
                each_file(self, tenant, &mut report, |u, _, file, n| {
                    if rng.random_ratio(1, 12) {
                        hit.push(format!("{}/{}", u.upn, u.drive.path(file)));
                        let bytes = cipher(&current(u, file), key ^ n);
                        u.drive.write(file, bytes.into(), now, now);
                    }
                });
                report.files = hit;
            }
            "encrypt-partial" => {
                let mut hit = Vec::new();
                each_file(self, tenant, &mut report, |u, _, file, n| {
                    let before = current(u, file);
                    // Of an empty file there is no part to encrypt.
                    if !before.is_empty() {
                        hit.push(format!("{}/{}", u.upn, u.drive.path(file)));
                        u.drive.write(file, cipher_partly(&before, key ^ n).into(), now, now);
                    }
                });
                report.files = hit;
            }
            "ransom-note" => leave_notes(self, tenant, &mut report),
            "version-flush" => {
                for u in self.tenants[tenant].users.values_mut() {
                    u.drive.version_limit = 1;
                }
                each_file(self, tenant, &mut report, |u, _, file, n| {
                    for round in 0..2 {
                        let bytes = cipher(&current(u, file), key ^ n ^ (round << 40));
                        u.drive.write(file, bytes.into(), now, now);
                    }
                });
            }
            "purge-mailboxes" => {
                for u in self.tenants[tenant].users.values_mut() {
                    let all: Vec<u64> = u.mailbox.messages.keys().copied().collect();
                    report.messages += all.len() as u64;
                    for number in all {
                        u.mailbox.destroy(number);
                    }
                }
            }
            "mass-delete" => {
                let mut hit = Vec::new();
                each_file(self, tenant, &mut report, |u, _, file, n| {
                    if n % 5 != 0 {
                        hit.push(format!("{}/{}", u.upn, u.drive.path(file)));
                        u.drive.destroy(file, now);
                    }
                });
                report.files = hit;
            }
            "rename-storm" => {
                each_file(self, tenant, &mut report, |u, _, file, _| rename(u, file, now))
            }
            "consent-revoked" | "permissions-narrowed" => {
                if let Some(app) = self.tenants[tenant].apps.iter_mut().find(|a| a.name == "read") {
                    app.roles.retain(|r| name == "permissions-narrowed" && !r.starts_with("Mail."));
                }
                // By the next run the old tokens are gone.
                self.tokens.clear();
            }
            "application-deleted" => {
                if let Some(app) = self.tenants[tenant].apps.iter_mut().find(|a| a.name == "read") {
                    app.deleted = true;
                }
                self.tokens.clear();
            }
            "holds-removed" => self.tenants[tenant].holds.clear(),
            "budget-eaten" => {
                let t = &self.tenants[tenant];
                let app = t
                    .apps
                    .iter()
                    .find(|a| a.name == "read")
                    .map(|a| a.app_id.clone())
                    .unwrap_or_default();
                let mut scopes = Vec::new();
                for (scope, limit) in Throttle::EATEN {
                    match scope {
                        "mailbox" => scopes
                            .extend(t.users.keys().map(|u| (format!("mailbox {app} {u}"), limit))),
                        _ => scopes.push((format!("{scope} {app} {tenant}"), limit)),
                    }
                }
                let at = self.clock.now_ms();
                self.throttle.eat(at, &scopes);
            }
            _ => return None,
        }
        self.count("attacks", 1);
        Some(report)
    }

    /// A day in the life of a school: new mail, read flags, edited and new files. Seeded files are
    /// left alone when `spare` says so.
    pub(crate) fn live_a_day(&mut self, tenant: usize, seed: u64, spare: bool) {
        let now = self.now();
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let domain = self.tenants[tenant].domain.clone();
        let users: Vec<String> = self.tenants[tenant].users.keys().cloned().collect();
        for id in users {
            let Some((u, ids)) = self.tenants[tenant].user_mut(&id) else { continue };
            let inbox = u.mailbox.well_known("inbox");
            let me = crate::mail::state::Address { name: u.name.clone(), address: u.upn.clone() };
            // Nothing arrives where there is no mailbox.
            let has_mailbox = u.mailbox.purpose != crate::mail::state::Purpose::NoMailbox;
            for _ in 0..rng.random_range(1..4) {
                if !has_mailbox {
                    break;
                }
                let at = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
                let mut m = crate::mail::write::blank(ids, &inbox, at, &domain);
                m.subject = Some(crate::drives::documents::sentence(&mut rng, 5));
                m.body = crate::drives::documents::sentence(&mut rng, 40).into();
                m.from = Some(me.clone());
                m.sender = Some(me.clone());
                m.to = vec![me.clone()];
                m.is_draft = false;
                m.is_read = false;
                let number = ids.number();
                u.mailbox.add(number, m);
            }
            if !spare {
                let mut unread: Vec<u64> = u
                    .mailbox
                    .messages
                    .iter()
                    .filter(|(_, m)| !m.is_read)
                    .map(|(n, _)| *n)
                    .collect();
                unread.sort_unstable();
                for number in unread.into_iter().take(2) {
                    if let Some(m) = u.mailbox.messages.get_mut(&number) {
                        m.is_read = true;
                    }
                    u.mailbox.touch(number, now);
                }
                let files = u.drive.files();
                let docs: Vec<&String> = files
                    .iter()
                    .filter(|f| u.drive.items.get(*f).is_some_and(|i| i.name.ends_with(".docx")))
                    .collect();
                if let Some(file) = docs.first().map(|f| (*f).clone()) {
                    let edited = crate::drives::documents::docx(&mut rng, 12);
                    u.drive.write(&file, edited, now, now);
                }
            }
            let n = rng.random_range(0..8);
            let (name, content) = crate::drives::documents::any(&mut rng, n);
            let root = u.drive.root.clone();
            let name = format!("{} {name}", now.strftime("%d %b"));
            if u.drive.child(&root, &name).is_none() {
                u.drive.new_file(ids, &root, &name, content, now, (now, now));
            }
        }
    }
}
