//! What happens to sites and in their libraries in a day.

use crate::{
    core::world::World,
    drives::{
        documents,
        life::{DriveAct, ORDINARY, act},
    },
    sites::state::library,
};
use rand::{
    Rng, SeedableRng,
    seq::{IndexedMutRandom, IndexedRandom},
};
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};

/// Something that happens to a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SiteAct {
    /// A site below another one is made.
    NewSubsite,
    /// It gets another title; its address stays.
    Rename,
    /// It gets another library.
    NewLibrary,
    /// It is deleted, with what stands below it and with its libraries.
    Delete,
}

impl World {
    /// Does something to a site, chosen by `seed`; answers its address, `None` when there is none
    /// to do it to. The root and the last of the others are not deleted.
    pub(crate) fn site_act(&mut self, tenant: usize, what: SiteAct, seed: u64) -> Option<String> {
        let now = self.now();
        let now = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let sites = &mut self.tenants.get_mut(tenant)?.sites;
        let root = sites.root().map(|s| s.id.clone());
        let others: Vec<String> =
            sites.all.keys().filter(|id| Some(*id) != root.as_ref()).cloned().collect();
        let id = others.choose(&mut rng)?.clone();
        let url = sites.all.get(&id)?.url.clone();
        match what {
            SiteAct::NewSubsite => {
                let name = format!("part{}", rng.random_range(100..1000));
                sites.all.values().all(|s| s.url != format!("{url}/{name}")).then_some(())?;
                let new = sites.add(Some(&id), &name, &format!("Part {name}"), now);
                return sites.all.get(&new).map(|s| s.url.clone());
            }
            SiteAct::Rename => {
                let title = format!("Room {}", rng.random_range(100..1000));
                sites.rename(&id, &title, now);
            }
            SiteAct::NewLibrary => {
                let name = format!("Library {}", rng.random_range(100..1000));
                let new = library(&mut sites.ids, &name, now);
                let site = sites.all.get_mut(&id)?;
                site.libraries.iter().all(|l| l.name != name).then_some(())?;
                site.libraries.push(new);
            }
            SiteAct::Delete => {
                (others.len() > 2).then_some(())?;
                sites.remove(&id);
            }
        }
        Some(url)
    }

    /// Does something in one library of one site, or puts a file there when nothing is named;
    /// `seed` chooses. Answers the path.
    pub(crate) fn library_act(
        &mut self,
        tenant: usize,
        what: Option<DriveAct>,
        seed: u64,
    ) -> Option<String> {
        let now = self.now();
        let now = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let sites = &mut self.tenants.get_mut(tenant)?.sites;
        let mut all: Vec<_> = sites.all.values_mut().flat_map(|s| &mut s.libraries).collect();
        let library = all.choose_mut(&mut rng)?;
        let Some(what) = what else {
            let form = rng.random_range(0..8_usize);
            let (name, content) = documents::any(&mut rng, form);
            let mut places: Vec<String> = library
                .items
                .values()
                .filter(|i| i.is_folder() && i.package.is_none())
                .map(|i| i.id.clone())
                .collect();
            places.sort();
            let parent = places.choose(&mut rng)?;
            let name = format!("{} {name}", rng.random_range(100..1000));
            library.child(parent, &name).is_none().then_some(())?;
            let id = library.new_file(&mut sites.ids, parent, &name, content, now, (now, now));
            return Some(library.path(&id));
        };
        act(library, &mut sites.ids, what, &mut rng, now)
    }

    /// Deletes so many percent of the files of one library of one site.
    pub(crate) fn purge_library(
        &mut self,
        tenant: usize,
        percent: u32,
        seed: u64,
    ) -> Option<String> {
        let now = self.now();
        let now = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let sites = &mut self.tenants.get_mut(tenant)?.sites;
        let mut all: Vec<_> = sites.all.values_mut().flat_map(|s| &mut s.libraries).collect();
        let library = all.choose_mut(&mut rng)?;
        let mut ids = library.files();
        ids.truncate(ids.len() * percent as usize / 100);
        (!ids.is_empty()).then_some(())?;
        ids.iter().for_each(|id| library.destroy(id, now));
        Some(library.name.clone())
    }

    /// A day in all libraries of all sites: some acts in each. Answers the address of the site, the
    /// act and the path, which begins with the library's name.
    pub(crate) fn day_of_sites(
        &mut self,
        tenant: usize,
        seed: u64,
    ) -> Vec<(String, DriveAct, String)> {
        let now = self.now();
        let now = jiff::Timestamp::from_second(now.as_second()).unwrap_or(now);
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut done = Vec::new();
        let Some(tenant) = self.tenants.get_mut(tenant) else { return done };
        let ids = &mut tenant.sites.ids;
        for site in tenant.sites.all.values_mut() {
            for library in &mut site.libraries {
                for _ in 0..rng.random_range(0..4) {
                    let Some(what) = ORDINARY.choose(&mut rng) else { continue };
                    if let Some(path) = act(library, ids, *what, &mut rng, now) {
                        let path = format!("{}/{path}", library.name);
                        done.push((site.url.clone(), *what, path));
                    }
                }
            }
        }
        done
    }
}
