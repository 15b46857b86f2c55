//! The sites of a school: the intranet's root, the staff's with an archive below it, a class.

use crate::{
    core::{ids::IdMaker, tenant::Tenant},
    drives::{
        documents,
        sharing::{Grant, Recipient},
        state::Drive,
        write::file,
    },
    sites::state::{Sites, library, seed_of},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Puts sites into a tenant; `filled` with files, in a school. Nothing else is changed by it: ids
/// and chances are its own.
pub(crate) fn fill(tenant: &mut Tenant, filled: bool, now: jiff::Timestamp) {
    let seed = seed_of(&format!("sites {}", tenant.id));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let at = now - jiff::SignedDuration::from_hours(24 * 200);
    let at = jiff::Timestamp::from_second(at.as_second()).unwrap_or(now);
    let stem = tenant.domain.split('.').next().unwrap_or("school").to_lowercase();
    let mut sites = Sites {
        host: format!("{stem}.sharepoint.com"),
        ids: IdMaker::new(seed ^ 0x0051_7e50),
        ..Sites::default()
    };
    sites.add(None, "", &tenant.name, at);
    if filled {
        let staff = sites.add(None, "staff", "Staff", at);
        let archive = sites.add(Some(&staff), "archive", "Archive of the staff", at);
        let class = sites.add(None, "class5a", "Class 5a", at);
        if let Some(site) = sites.all.get_mut(&staff) {
            "What teachers share".clone_into(&mut site.description);
        }
        let mut ids = std::mem::take(&mut sites.ids);
        for (id, folders) in [
            (&staff, &["Policies", "Minutes / 2025", "Timetables"][..]),
            (&archive, &["2023"][..]),
            (&class, &["Homework", "Projects"][..]),
        ] {
            if let Some(site) = sites.all.get_mut(id) {
                site.libraries.iter_mut().for_each(|l| lessons(l, &mut ids, &mut rng, folders, at));
            }
        }
        if let Some(site) = sites.all.get_mut(&staff) {
            let mut forms = library(&mut ids, "Forms & letters", at);
            lessons(&mut forms, &mut ids, &mut rng, &["Parents"], at);
            share(&mut forms, &mut ids, tenant);
            site.libraries.push(forms);
        }
        sites.ids = ids;
    }
    tenant.sites = sites;
}

/// Folders in each other, files, and older versions of some.
fn lessons(
    drive: &mut Drive,
    ids: &mut IdMaker,
    rng: &mut ChaCha8Rng,
    folders: &[&str],
    at: jiff::Timestamp,
) {
    let root = drive.root.clone();
    for name in folders {
        // A slash in a name is refused by SharePoint.
        let top = drive.new_folder(ids, &root, &name.replace('/', "-"), at);
        let deep = drive.new_folder(ids, &top, "Year 5", at);
        for n in 0..4 {
            let folder = if n % 2 == 0 { &top } else { &deep };
            let (name, content) = documents::any(rng, n);
            let id = file(drive, ids, folder, &format!("{n} {name}"), content, at);
            for day in 0..(n % 3) as i64 {
                let later = at + jiff::SignedDuration::from_hours(24 * (3 + day * 9));
                let length = rng.random_range(5..30);
                drive.write(&id, documents::docx(rng, length), later, later);
            }
        }
    }
    file(drive, ids, &root, "empty.txt", Vec::new(), at);
    drive.new_folder(ids, &root, "empty folder", at);
}

/// Somebody may write a file of the library.
fn share(drive: &mut Drive, ids: &mut IdMaker, tenant: &Tenant) {
    let Some(u) = tenant.users.values().find(|u| u.job == "Teacher") else { return };
    let Some(first) = drive.files().first().cloned() else { return };
    let to =
        Recipient::Person { id: Some(u.id.clone()), name: u.name.clone(), email: u.upn.clone() };
    let grant = Grant { id: ids.exchange("aTow"), role: "write".into(), to, expires: None };
    drive.share(&first, |grants| grants.push(grant));
}
