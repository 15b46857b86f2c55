//! A believable school, the same for the same seed; or one filled with the files of a directory.

use crate::{
    core::ids::IdMaker,
    core::signin_files::{for_people, make_app},
    core::tenant::{Facts, Hold, Tenant, User, What},
    core::world::World,
    drives::documents,
    drives::state::Drive,
    mail::state::{Address, Attachment, AttachmentKind, Mailbox, Message},
    mail::write::{blank, from_mime},
};
use bytes::Bytes;
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// What to fill a tenant with.
#[derive(Debug, Clone)]
pub struct SeedPlan {
    /// Same seed, same school.
    pub seed: u64,
    /// 1.0 is 3 staff and 9 pupils with some weeks of mail; everything grows with it.
    pub scale: f64,
    /// Fixed number of people instead of what the scale says.
    pub people: Option<usize>,
    /// Fixed number of messages in each mailbox instead of what the scale says.
    pub messages_per_mailbox: Option<usize>,
    /// Files to fill the first user's mailbox and drive with, instead of generated people and
    /// content.
    pub dir: Option<PathBuf>,
    /// The tenant's domain.
    pub domain: String,
    /// How well its configuration is kept.
    pub care: crate::Care,
}

impl Default for SeedPlan {
    fn default() -> Self {
        Self {
            seed: 1,
            scale: 1.0,
            people: None,
            messages_per_mailbox: None,
            dir: None,
            domain: "riverside.example".into(),
            care: crate::Care::Hardened,
        }
    }
}

/// What a backup and a judge of settings need to read.
pub(crate) const READ: &[&str] = &[
    "User.Read.All",
    "Organization.Read.All",
    "Mail.Read",
    "Files.Read.All",
    "Sites.Read.All",
    "Contacts.Read",
    "Tasks.Read.All",
    "Calendars.Read",
    "eDiscovery.Read.All",
    "Application.Read.All",
    "Directory.Read.All",
    "Policy.Read.All",
    "Policy.Read.DeviceConfiguration",
    "Policy.Read.PermissionGrant",
    "AuthenticationContext.Read.All",
    "RoleManagement.Read.Directory",
    "RoleAssignmentSchedule.Read.Directory",
    "RoleEligibilitySchedule.Read.Directory",
    "AdministrativeUnit.Read.All",
    "Domain.Read.All",
    "Domain-InternalFederation.Read.All",
    "GroupSettings.Read.All",
    "GroupMember.Read.All",
    "OnPremDirectorySynchronization.Read.All",
    "SharePointTenantSettings.Read.All",
    "DeviceManagementServiceConfig.Read.All",
    "DeviceManagementConfiguration.Read.All",
    "DeviceManagementApps.Read.All",
    "DeviceManagementRBAC.Read.All",
    "AuditLog.Read.All",
    "SecurityEvents.Read.All",
    "ConfigurationMonitoring.ReadWrite.All",
];

/// What a client that works with mail and files has. Upload sessions ask an application for
/// Sites.ReadWrite.All (permissions table, driveItem: createUploadSession).
const OTHER: &[&str] = &[
    "User.Read.All",
    "Mail.Read",
    "Mail.ReadWrite",
    "MailboxSettings.ReadWrite",
    "Files.ReadWrite.All",
    "Sites.ReadWrite.All",
];

/// What a restore may do.
const WRITE: &[&str] = &[
    "User.Read.All",
    "Mail.Read",
    "Mail.ReadWrite",
    "Files.ReadWrite.All",
    "Sites.ReadWrite.All",
    "Contacts.Read",
    "Contacts.ReadWrite",
    "Tasks.ReadWrite.All",
    "Calendars.Read",
    "Calendars.ReadWrite",
];

/// What putting settings back needs.
pub(crate) const CONFIGURE: &[&str] = &[
    "User.Read.All",
    "Directory.Read.All",
    "Policy.Read.All",
    "Policy.ReadWrite.ConditionalAccess",
    "Policy.ReadWrite.AuthenticationMethod",
    "Policy.ReadWrite.Authorization",
    "Policy.ReadWrite.SecurityDefaults",
    "Policy.ReadWrite.ConsentRequest",
    "Policy.ReadWrite.CrossTenantAccess",
    "Policy.ReadWrite.DeviceConfiguration",
    "Policy.ReadWrite.AuthenticationFlows",
    "Policy.ReadWrite.ApplicationConfiguration",
    "Policy.ReadWrite.PermissionGrant",
    "RoleManagement.ReadWrite.Directory",
    "RoleManagementPolicy.ReadWrite.Directory",
    "RoleAssignmentSchedule.ReadWrite.Directory",
    "AppRoleAssignment.ReadWrite.All",
    "Application.ReadWrite.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "AdministrativeUnit.ReadWrite.All",
    "Domain.ReadWrite.All",
    "Domain-InternalFederation.Read.All",
    "GroupSettings.ReadWrite.All",
    "OnPremDirectorySynchronization.ReadWrite.All",
    "Group.ReadWrite.All",
    "Directory.ReadWrite.All",
    "SharePointTenantSettings.ReadWrite.All",
    "DeviceManagementServiceConfig.ReadWrite.All",
    "DeviceManagementConfiguration.ReadWrite.All",
    "DeviceManagementApps.ReadWrite.All",
    "DeviceManagementRBAC.ReadWrite.All",
];

const FIRST: &[&str] = &[
    "Ann", "Ben", "Chloë", "Dev", "Ela", "Finn", "Grace", "Hugo", "Ines", "Jonas", "Kofi", "Łucja",
    "Maya", "Noah", "Olga", "Priya",
];
const LAST: &[&str] = &[
    "Adams", "Brown", "Çelik", "Dean", "Evans", "Fischer", "Green", "Hughes", "Ito", "Jones",
    "Khan", "Lewis", "Müller", "Novak", "Owen", "Patel",
];

pub(crate) fn user(
    ids: &mut IdMaker,
    name: &str,
    upn: String,
    job: &str,
    now: jiff::Timestamp,
) -> User {
    let id = ids.guid("user");
    User {
        contacts: crate::contacts::seed::empty(&id),
        tasks: crate::tasks::seed::empty(&id),
        calendars: crate::calendars::state::Calendars::new(&id),
        id,
        upn,
        name: name.to_owned(),
        job: job.to_owned(),
        mailbox: Mailbox::new(ids),
        drive: Drive::new(ids, now),
        more_drives: Vec::new(),
        facts: Facts::default(),
    }
}

impl World {
    /// Adds a tenant. Fails only when the files of a directory cannot be read.
    pub(crate) fn seed(&mut self, plan: &SeedPlan) -> anyhow::Result<()> {
        let n = self.tenants.len() as u64;
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed.wrapping_add(n << 32));
        let mut ids = IdMaker::new(plan.seed.wrapping_mul(31).wrapping_add(n));
        let now = self.now();
        let mut tenant = Tenant {
            id: ids.guid("tenant"),
            name: format!("{} School", plan.domain.split('.').next().unwrap_or("Some")),
            domain: plan.domain.clone(),
            apps: Vec::new(),
            users: BTreeMap::new(),
            user_log: Vec::new(),
            gone: BTreeMap::new(),
            case_id: ids.guid("case"),
            holds: Vec::new(),
            ids: IdMaker::default(),
            settings: crate::settings::state::Settings::default(),
            sites: Default::default(),
        };
        // Looks at a school once, and then removes itself.
        let assess: Vec<&str> =
            READ.iter().copied().chain(["Application.ReadWrite.OwnedBy"]).collect();
        for (name, roles) in [
            ("read", READ),
            // Microsoft's table lets an application open an upload session into a drive with
            // Sites.ReadWrite.All alone, and read one message with Mail.Read.
            ("write", WRITE),
            // Its consent is given when settings are to be written, and taken back after.
            ("configure", &[][..]),
            ("other", OTHER),
            ("assess", &assess),
        ] {
            let mut app = make_app(&mut ids, name, roles)?;
            if name == "other" {
                for_people(&mut app);
            }
            tenant.apps.push(app);
        }
        match &plan.dir {
            Some(dir) => from_dir(&mut tenant, &mut ids, dir, now)?,
            None => {
                school(&mut tenant, &mut ids, &mut rng, plan, now);
                let withheld = &self.settings.withheld;
                crate::drives::seed::odd_things(&mut tenant, &mut ids, withheld, now);
            }
        }
        tenant.user_log = tenant.users.keys().map(|id| (id.clone(), What::New)).collect();
        let first: Vec<String> = tenant.users.values().take(2).map(|u| u.upn.clone()).collect();
        tenant.holds = first
            .into_iter()
            .map(|email| Hold { id: ids.guid("hold"), email, applied: true })
            .collect();
        tenant.settings = crate::settings::state::seeded(plan.care, &tenant, &mut ids)?;
        crate::settings::routes::publish_roles(&mut tenant, &mut ids);
        crate::mail::everything::fill(&mut tenant, &mut ids, now, &|t| self.tells(t));
        tenant.ids = ids;
        let first = tenant.users.values().find(|u| u.job == "Teacher");
        let colleague = first.map(|u| (u.name.clone(), u.upn.clone())).unwrap_or_default();
        for u in tenant.users.values_mut().filter(|_| plan.dir.is_none()) {
            let staff = u.job == "Teacher";
            crate::contacts::seed::fill(&mut u.contacts, &u.id, staff, now);
            crate::tasks::seed::fill(&mut u.tasks, &u.id, staff, now);
            crate::calendars::seed::fill(u, (&colleague.0, &colleague.1), now);
        }
        crate::sites::seed::fill(&mut tenant, plan.dir.is_none(), now);
        self.tenants.push(tenant);
        Ok(())
    }
}

fn school(
    tenant: &mut Tenant,
    ids: &mut IdMaker,
    rng: &mut ChaCha8Rng,
    plan: &SeedPlan,
    now: jiff::Timestamp,
) {
    let staff = plan.people.map_or(((3.0 * plan.scale) as usize).max(2), |n| n.div_ceil(4));
    let pupils = plan.people.map_or(((9.0 * plan.scale) as usize).max(3), |n| n - n.div_ceil(4));
    let mut people = Vec::new();
    for n in 0..staff + pupils {
        let first = FIRST[n % FIRST.len()];
        let last = LAST[(n / FIRST.len() + n * 7) % LAST.len()];
        let job = if n < staff { "Teacher" } else { "Pupil" };
        let plain: String =
            first.to_lowercase().chars().filter(char::is_ascii_alphabetic).collect();
        let upn =
            format!("{plain}.{}{n}@{}", if n < staff { "staff" } else { "pupil" }, plan.domain);
        people.push(user(ids, &format!("{first} {last}"), upn, job, now));
    }
    let addresses: Vec<Address> =
        people.iter().map(|u| Address { name: u.name.clone(), address: u.upn.clone() }).collect();
    let day_s = 86_400;
    let mut letters = Vec::new();
    // Letters to everybody with the same attachment.
    for n in 0..((6.0 * plan.scale.min(4.0)) as usize).max(3) {
        let content = documents::pdf(rng, 30 + n * 10);
        let sent = now
            - jiff::SignedDuration::from_secs(
                rng.random_range(1..700) * day_s + rng.random_range(28_800..57_600),
            );
        letters.push((
            format!("Letter to parents {}", n + 1),
            documents::sentence(rng, 30),
            content,
            sent,
        ));
    }
    for (n, u) in people.iter_mut().enumerate() {
        let is_staff = n < staff;
        let root = u.mailbox.root.clone();
        let mut folders = vec![
            u.mailbox.well_known("inbox"),
            u.mailbox.well_known("sentitems"),
            u.mailbox.well_known("archive"),
        ];
        for name in ["Classes", "Projects / 2025"].iter().take(if is_staff { 2 } else { 1 }) {
            let parent = u.mailbox.new_folder(ids, &root, name, false);
            folders.push(u.mailbox.new_folder(ids, &parent, "Year 5", false));
            folders.push(parent);
        }
        u.mailbox.new_folder(ids, &root, "Hidden rules", true);
        let count = plan.messages_per_mailbox.unwrap_or(
            ((if is_staff { 60.0 } else { 25.0 }) * plan.scale.clamp(0.3, 3.0)) as usize,
        );
        for k in 0..count {
            let folder = if k % 3 == 0 {
                folders[rng.random_range(0..folders.len())].clone()
            } else {
                folders[0].clone()
            };
            // Years of mail, in whole seconds as Exchange keeps times.
            let at = now
                - jiff::SignedDuration::from_secs(
                    rng.random_range(1..900) * day_s + rng.random_range(0..day_s),
                );
            let at = jiff::Timestamp::from_second(at.as_second()).unwrap_or(now);
            let other = addresses.choose(rng).cloned().unwrap_or_default();
            let m = ordinary(ids, rng, &folder, &other, &addresses[n], at, &plan.domain, k);
            let number = ids.number();
            u.mailbox.add(number, m);
        }
        for (subject, text, content, sent) in &letters {
            let sent = jiff::Timestamp::from_second(sent.as_second()).unwrap_or(now);
            let mut m = blank(ids, &folders[0], sent, &plan.domain);
            m.subject = Some(subject.clone());
            m.body = text.as_str().into();
            m.from = Some(addresses[0].clone());
            m.sender.clone_from(&m.from);
            m.to = vec![addresses[n].clone()];
            m.is_draft = false;
            m.is_read = rng.random_bool(0.5);
            m.sent = Some(sent);
            m.received = Some(sent);
            m.attachments.push(file(ids, "letter.pdf", "application/pdf", content.clone(), sent));
            let number = ids.number();
            u.mailbox.add(number, m);
        }
        special(u, ids, rng, &addresses, now, &plan.domain);
        fill_drive(
            &mut u.drive,
            ids,
            rng,
            if is_staff { 3 } else { 2 },
            ((10.0 * plan.scale.clamp(0.3, 3.0)) as usize).max(4),
            now,
        );
    }
    for u in people {
        tenant.users.insert(u.id.clone(), u);
    }
}

fn file(
    ids: &mut IdMaker,
    name: &str,
    kind: &str,
    content: Bytes,
    at: jiff::Timestamp,
) -> Attachment {
    Attachment {
        id: ids.exchange("AAMkAtt"),
        name: name.to_owned(),
        content_type: Some(kind.to_owned()),
        inline: false,
        modified: at,
        kind: AttachmentKind::File { content, content_id: None, content_location: None },
    }
}

#[allow(clippy::too_many_arguments)]
fn ordinary(
    ids: &mut IdMaker,
    rng: &mut ChaCha8Rng,
    folder: &str,
    from: &Address,
    to: &Address,
    at: jiff::Timestamp,
    domain: &str,
    k: usize,
) -> Message {
    let mut m = blank(ids, folder, at, domain);
    m.subject =
        Some(format!("{}{}", if k % 5 == 0 { "Re: " } else { "" }, documents::sentence(rng, 5)));
    m.html = k % 2 == 0;
    let words = rng.random_range(20..160);
    let text = documents::sentence(rng, words);
    m.body = if m.html {
        format!("<html><body><p>{text}</p></body></html>").into()
    } else {
        text.into()
    };
    m.from = Some(from.clone());
    m.sender = Some(from.clone());
    m.to = vec![to.clone()];
    m.sent = Some(at);
    m.received = Some(at);
    m.is_draft = false;
    m.is_read = rng.random_bool(0.7);
    if k % 11 == 0 {
        m.importance = "high".into();
    }
    if k % 13 == 0 {
        m.categories = vec!["Red category".into(), "School".into()];
    }
    if k % 17 == 0 {
        m.flag = json!({"flagStatus": "flagged"});
    }
    if k % 9 == 4 {
        let (name, content) = documents::any(rng, k % 5);
        let kind = crate::drives::show::mime_type(&name);
        m.attachments.push(file(ids, &name, kind, content, at));
    }
    m
}

/// One of each awkward kind: nested messages, links, inline pictures, no subject, a draft, an
/// emoji.
fn special(
    u: &mut User,
    ids: &mut IdMaker,
    rng: &mut ChaCha8Rng,
    all: &[Address],
    now: jiff::Timestamp,
    domain: &str,
) {
    let inbox = u.mailbox.well_known("inbox");
    let at = jiff::Timestamp::from_second(now.as_second() - 86_400 * 3).unwrap_or(now);
    let me = Address { name: u.name.clone(), address: u.upn.clone() };
    let base = |ids: &mut IdMaker, subject: Option<&str>| {
        let mut m = blank(ids, &inbox, at, domain);
        m.subject = subject.map(str::to_owned);
        m.from = all.first().cloned();
        m.sender.clone_from(&m.from);
        m.to = vec![me.clone()];
        m.sent = Some(at);
        m.received = Some(at);
        m.is_draft = false;
        m
    };
    let mut nested = base(ids, Some("Fwd: please look"));
    nested.body = "See the attached message.".into();
    nested.attachments.push(Attachment {
        id: ids.exchange("AAMkAtt"),
        name: "Inner message".into(),
        content_type: None,
        inline: false,
        modified: at,
        kind: AttachmentKind::Item {
            item: json!({"@odata.type": "#microsoft.graph.message", "id": "",
                "subject": "Inner message",
                "body": {"contentType": "text", "content": "I am inside."}, "isRead": true,
                    "isDraft": false,
                "toRecipients": [{"emailAddress": {"name": me.name, "address": me.address}}]}),
            mime: None,
        },
    });
    let mut link = base(ids, Some("A link to the plan"));
    link.attachments.push(Attachment {
        id: ids.exchange("AAMkAtt"),
        name: "Plan.docx".into(),
        content_type: None,
        inline: false,
        modified: at,
        kind: AttachmentKind::Reference,
    });
    let mut picture = base(ids, Some("Photo 📷 día"));
    picture.html = true;
    picture.body = "<html><body><img src=\"cid:pic1\"></body></html>".into();
    let mut inline = file(ids, "pic.png", "image/png", documents::png(rng, 30).into(), at);
    inline.inline = true;
    if let AttachmentKind::File { content_id, .. } = &mut inline.kind {
        *content_id = Some("pic1".into());
    }
    picture.attachments.push(inline);
    let mut draft = base(ids, Some("Not sent yet"));
    draft.folder = u.mailbox.well_known("drafts");
    draft.is_draft = true;
    let silent = base(ids, None);
    let mut junk = base(ids, Some("You have won"));
    junk.folder = u.mailbox.well_known("junkemail");
    let mut recoverable = base(ids, Some("Deleted last week"));
    recoverable.folder = u.mailbox.well_known("recoverableitemsdeletions");
    let mut hidden = base(ids, Some("Rule data"));
    hidden.folder = u
        .mailbox
        .folders
        .values()
        .find(|f| f.hidden && f.well_known.is_none())
        .map(|f| f.id.clone())
        .unwrap_or_else(|| inbox.clone());
    for m in [nested, link, picture, draft, silent, junk, recoverable, hidden] {
        let number = ids.number();
        u.mailbox.add(number, m);
    }
}

fn fill_drive(
    drive: &mut Drive,
    ids: &mut IdMaker,
    rng: &mut ChaCha8Rng,
    folders: usize,
    files: usize,
    now: jiff::Timestamp,
) {
    let root = drive.root.clone();
    let mut places = vec![root.clone()];
    for n in 0..folders {
        let top =
            drive.new_folder(ids, &root, ["Documents", "Classes", "Photos & art"][n % 3], now);
        places.push(drive.new_folder(ids, &top, &format!("Year {}", 5 + n), now));
        places.push(top);
    }
    for k in 0..files {
        let (name, content) = documents::any(rng, k);
        let place = places[k % places.len()].clone();
        let made = now - jiff::SignedDuration::from_secs(86_400 * rng.random_range(5..400));
        let made = jiff::Timestamp::from_second(made.as_second()).unwrap_or(now);
        let id = drive.new_file(ids, &place, &name, content, made, (made, made));
        // Every fourth file has been edited: the same document, longer each time.
        if k % 4 == 0 {
            for v in 1..3 {
                let at = made + jiff::SignedDuration::from_secs(86_400 * v);
                let edited = if name.ends_with(".docx") {
                    documents::docx(rng, 10 + v as usize)
                } else {
                    documents::any(rng, k).1
                };
                drive.write(&id, edited, at, at);
            }
        }
    }
}

/// Each `.eml` becomes a message whose `$value` is that file's bytes; every other file a drive
/// file; folders folders.
fn from_dir(
    tenant: &mut Tenant,
    ids: &mut IdMaker,
    dir: &Path,
    now: jiff::Timestamp,
) -> anyhow::Result<()> {
    let domain = tenant.domain.clone();
    let mut u = user(ids, "Seed Folder", format!("seed@{domain}"), "Teacher", now);
    let root = u.mailbox.root.clone();
    let inbox = u.mailbox.well_known("inbox");
    let top = u.drive.root.clone();
    fn fill(
        u: &mut User,
        ids: &mut IdMaker,
        dir: &Path,
        mail: (&str, &str),
        place: &str,
        domain: &str,
        now: jiff::Timestamp,
    ) -> anyhow::Result<()> {
        let mut entries: Vec<_> = std::fs::read_dir(dir)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = std::fs::metadata(entry.path())?;
            if kind.is_dir() {
                let folder = u.mailbox.new_folder(ids, mail.1, &name, false);
                let below = u.drive.new_folder(ids, place, &name, now);
                fill(u, ids, &entry.path(), (&folder, &folder), &below, domain, now)?;
                // A folder that holds no mail (or no file) anywhere below appears on the other side
                // only.
                if !has(&entry.path(), true)? {
                    u.mailbox.destroy_folder(&folder);
                }
                if !has(&entry.path(), false)? && has(&entry.path(), true)? {
                    u.drive.destroy(&below, now);
                }
                continue;
            }
            let bytes = Bytes::from(std::fs::read(entry.path())?);
            if name.to_ascii_lowercase().ends_with(".eml") {
                let mut m = from_mime(ids, mail.0, bytes, now, domain);
                m.is_draft = false;
                m.is_read = false;
                let number = ids.number();
                u.mailbox.add(number, m);
            } else {
                let modified = kind
                    .modified()
                    .ok()
                    .and_then(|t| jiff::Timestamp::try_from(t).ok())
                    .unwrap_or(now);
                let modified = jiff::Timestamp::from_second(modified.as_second()).unwrap_or(now);
                u.drive.new_file(ids, place, &name, bytes, now, (modified, modified));
            }
        }
        Ok(())
    }
    fn has(dir: &Path, mail: bool) -> anyhow::Result<bool> {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let path = entry.path();
            let found = if std::fs::metadata(&path)?.is_dir() {
                has(&path, mail)?
            } else {
                mail == entry.file_name().to_string_lossy().to_ascii_lowercase().ends_with(".eml")
            };
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }
    fill(&mut u, ids, dir, (&inbox, &root), &top, &domain, now)?;
    tenant.users.insert(u.id.clone(), u);
    Ok(())
}
