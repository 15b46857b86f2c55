//! What stands in the libraries of a tenant's sites, for comparison from outside.

use crate::{core::world::World, life::digest::DigestRow};
use sha2::{Digest, Sha256};

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl World {
    /// All files of all libraries (`library-file`) and what they were before (`library-version`,
    /// with its number as `subject`), sorted. `user` is the address of the site below the host, and
    /// `path` begins with the name of the library.
    pub(crate) fn sites_digest(&self, tenant: usize) -> Vec<DigestRow> {
        let mut rows = Vec::new();
        if let Some(t) = self.tenants.get(tenant) {
            let host = format!("https://{}", t.sites.host);
            for site in t.sites.all.values() {
                let user = site.url.trim_start_matches(&host).trim_start_matches('/').to_owned();
                for library in &site.libraries {
                    for id in library.files() {
                        let Some(i) = library.items.get(&id) else { continue };
                        let path = format!("{}/{}", library.name, library.path(&id));
                        let mut versions = i.versions.iter().flatten().rev();
                        let current = versions.next().map(|v| v.content.clone());
                        let text = format!(
                            "{} {} {}",
                            hash(&current.unwrap_or_default()),
                            i.fs_created,
                            i.fs_modified
                        );
                        rows.push(DigestRow {
                            kind: "library-file".into(),
                            user: user.clone(),
                            path: path.clone(),
                            subject: String::new(),
                            digest: hash(text.as_bytes()),
                        });
                        rows.extend(versions.map(|v| DigestRow {
                            kind: "library-version".into(),
                            user: user.clone(),
                            path: path.clone(),
                            subject: format!("{}.0", v.number),
                            digest: hash(&v.content),
                        }));
                    }
                }
            }
        }
        rows.sort();
        rows
    }
}
