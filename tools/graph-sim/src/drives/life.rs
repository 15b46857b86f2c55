//! What people do with their files: each act by itself, and days made of them.

use crate::{
    core::{ids::IdMaker, truth::Truth, world::World},
    drives::{
        documents,
        sharing::{Grant, Recipient},
        state::Drive,
        write::file,
    },
};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};

/// Something that people do with their files, or that is done to their drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriveAct {
    /// A document gets another version.
    Edit,
    /// A file is deleted and one of the same name made, as many programs save.
    Replace,
    /// A file gets another name.
    Rename,
    /// A file goes to another folder.
    Move,
    /// Two files exchange their names.
    SwapNames,
    /// A file is shared with a link.
    Share,
    /// All sharing of a file ends.
    Unshare,
    /// A folder goes into another one with all that it holds.
    MoveFolder,
    /// A file goes into the recycle bin.
    Delete,
    /// What was deleted last comes back.
    BringBack,
    /// The drive is made anew: another drive, empty, under the same person.
    ProvisionAnew,
}

/// What ordinary days are made of.
pub const ORDINARY: &[DriveAct] = &[
    DriveAct::Edit,
    DriveAct::Edit,
    DriveAct::Replace,
    DriveAct::Rename,
    DriveAct::Move,
    DriveAct::SwapNames,
    DriveAct::Share,
    DriveAct::Unshare,
    DriveAct::MoveFolder,
    DriveAct::Delete,
    DriveAct::BringBack,
];

type Chance = ChaCha20Rng;

fn any_file(drive: &Drive, rng: &mut Chance) -> Option<String> {
    drive.files().choose(rng).cloned()
}

fn any_folder(drive: &Drive, rng: &mut Chance) -> Option<String> {
    let mut all: Vec<&String> = drive
        .items
        .values()
        .filter(|i| i.is_folder() && i.package.is_none())
        .map(|i| &i.id)
        .collect();
    all.sort_by_key(|id| (drive.path(id), (*id).clone()));
    all.choose(rng).map(|id| (*id).clone())
}

fn name_of(drive: &Drive, id: &str) -> Option<(String, String)> {
    drive.items.get(id).map(|i| (i.parent.clone(), i.name.clone()))
}

/// Carries out one act; answers the path that it was about, `None` when there is nothing to do it
/// to.
pub(crate) fn act(
    drive: &mut Drive,
    ids: &mut IdMaker,
    what: DriveAct,
    rng: &mut Chance,
    now: jiff::Timestamp,
) -> Option<String> {
    let target = match what {
        DriveAct::MoveFolder => any_folder(drive, rng).filter(|id| *id != drive.root)?,
        DriveAct::BringBack => drive.recycled.last()?.first()?.id.clone(),
        DriveAct::ProvisionAnew => drive.root.clone(),
        _ => any_file(drive, rng)?,
    };
    let path = drive.path(&target);
    match what {
        DriveAct::Edit => {
            let length = rng.random_range(5..40);
            let content = documents::docx(rng, length);
            drive.write(&target, content, now, now);
        }
        DriveAct::Replace => {
            let (parent, name) = name_of(drive, &target)?;
            drive.destroy(&target, now);
            file(drive, ids, &parent, &name, documents::docx(rng, 9), now);
        }
        DriveAct::Rename => {
            let (parent, name) = name_of(drive, &target)?;
            let name = format!("{} {name}", rng.random_range(2..99));
            if drive.child(&parent, &name).is_some() {
                return None;
            }
            drive.move_to(&target, &parent, &name, now);
        }
        DriveAct::Move | DriveAct::MoveFolder => {
            let to = any_folder(drive, rng)?;
            let (parent, name) = name_of(drive, &target)?;
            if to == parent || drive.is_within(&to, &target) || drive.child(&to, &name).is_some() {
                return None;
            }
            drive.move_to(&target, &to, &name, now);
        }
        DriveAct::SwapNames => {
            let (parent, name) = name_of(drive, &target)?;
            let other = drive
                .children(&parent)
                .iter()
                .find(|i| i.id != target && i.versions.is_some())
                .map(|i| (i.id.clone(), i.name.clone()))?;
            drive.move_to(&target, &parent, &format!("{name}.moving"), now);
            drive.move_to(&other.0, &parent, &name, now);
            drive.move_to(&target, &parent, &other.1, now);
        }
        DriveAct::Share => {
            let id = ids.guid("link");
            let to = Recipient::Link {
                kind: "view".into(),
                scope: "organization".into(),
                url: format!("https://example-my.sharepoint.com/:b:/g/personal/{id}"),
                people: Vec::new(),
            };
            let grant = Grant { id, role: "read".into(), to, expires: None };
            drive.share(&target, |grants| grants.push(grant));
        }
        DriveAct::Unshare => {
            drive.items.get(&target).filter(|i| !i.grants.is_empty())?;
            drive.share(&target, Vec::clear);
        }
        DriveAct::Delete => drive.destroy(&target, now),
        DriveAct::BringBack => {
            drive.bring_back(&target, None, None, now)?;
            return Some(drive.path(&target));
        }
        DriveAct::ProvisionAnew => *drive = Drive::new(ids, now),
    }
    Some(path)
}

impl World {
    /// Does something in somebody's default drive, chosen by `seed`; answers the path that it was
    /// about.
    pub(crate) fn drive_act(
        &mut self,
        tenant: usize,
        user: &str,
        what: DriveAct,
        seed: u64,
    ) -> Option<String> {
        let now = self.now();
        let now = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
        let mut rng = Chance::seed_from_u64(seed);
        let tells = self.tells(Truth::DriveAnew);
        let tenant = self.tenants.get_mut(tenant)?;
        let id = tenant.user_id(user)?;
        let (u, ids) = tenant.user_mut(&id)?;
        if !u.drive.is_there() && what != DriveAct::ProvisionAnew {
            return None;
        }
        if what == DriveAct::ProvisionAnew && !tells {
            return None;
        }
        act(&mut u.drive, ids, what, &mut rng, now)
    }

    /// A day in all drives of a tenant: some acts in each. Answers person, act and path of each.
    pub(crate) fn drive_day(
        &mut self,
        tenant: usize,
        seed: u64,
    ) -> Vec<(String, DriveAct, String)> {
        let mut rng = Chance::seed_from_u64(seed);
        let users: Vec<String> =
            self.tenants.get(tenant).into_iter().flat_map(|t| t.users.keys().cloned()).collect();
        let mut done = Vec::new();
        for user in users {
            for _ in 0..rng.random_range(0..4) {
                let Some(what) = ORDINARY.choose(&mut rng) else { continue };
                let seed = rng.random();
                if let Some(path) = self.drive_act(tenant, &user, *what, seed) {
                    done.push((user.clone(), *what, path));
                }
            }
        }
        done
    }
}
