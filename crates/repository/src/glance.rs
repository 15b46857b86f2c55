use crate::{
    Error, Id, Repository, Snapshot,
    junk::{JunkObject, Look, look_at},
    keyfile,
};
use secrecy::SecretString;
use strongroom_objects::{Key, Kind, Store, both, each};

/// What a repository shows from outside: its snapshots, and nothing below them. For who wants to
/// know how old they are: no index and no tree is read, and no local cache is made.
pub struct Glance {
    /// Id of the tenant whose data alone it takes, when that was said as it was made.
    pub tenant: Option<String>,
    /// Its snapshots, oldest first.
    pub snapshots: Vec<(Id, Snapshot)>,
    /// What stands among them and cannot be read. One that is not foreign may be the newest.
    pub passed_over: Vec<JunkObject>,
}

impl Repository {
    /// Looks at the snapshots alone. What is asked: `config`, the key files, a listing, and each
    /// snapshot.
    ///
    /// # Errors
    /// [`Error::NoRepository`], [`Error::WrongKey`]; a snapshot of ours that is not in a form that
    /// is known; and those of the store.
    pub fn glance(store: &dyn Store, password: &SecretString) -> Result<Glance, Error> {
        let keys_and_list =
            || both(store, || keyfile::files(store), || store.list(Kind::Snapshots));
        let (config, (keys, listed)) = both(store, || store.get(&Key::config()), keys_and_list);
        let sealed = match config {
            Err(e) if e.is_not_found() => {
                Self::must_have_config(store)?;
                return Err(e.into());
            }
            other => other?,
        };
        let (key, _) = keys?.open(store, password, Some(&sealed))?;
        let config = keyfile::open_config(&key, &sealed)?;
        let ids: Vec<Id> = listed?.iter().map(|e| Id::parse(&e.name)).collect::<Result<_, _>>()?;
        let (mut snapshots, mut passed_over, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        let looks = each(store, &ids, |id| look_at(store, &key, Kind::Snapshots, id));
        for (id, look) in ids.iter().zip(looks) {
            let mut pass_over = |why: String, is_foreign| {
                let object = format!("{}/{id}", Kind::Snapshots.as_str());
                passed_over.push(JunkObject { object, why: why.into(), is_foreign });
            };
            match look {
                Ok(Look::Ours(json)) => {
                    let read = serde_json::from_slice(&json);
                    let read = read.map_err(|e| Error::damaged(format!("snapshot {id}"), e))?;
                    snapshots.push((*id, read));
                }
                Ok(Look::Foreign(why)) => pass_over(why, true),
                Ok(Look::Rotten(why)) => pass_over(why, false),
                Err(Error::Store(e)) if e.is_not_found() => gone.push((*id, e)),
                Err(e) => return Err(e),
            }
        }
        // A backup forgets the partial ones that it replaces.
        if !gone.is_empty() {
            let listed = store.list(Kind::Snapshots)?;
            let is_listed = |id: &Id| listed.iter().any(|e| e.name == id.to_string());
            if let Some((_, e)) = gone.into_iter().find(|(id, _)| is_listed(id)) {
                return Err(e.into());
            }
        }
        snapshots.sort_by_key(|(id, s): &(Id, Snapshot)| (s.time, *id));
        Ok(Glance { tenant: config.tenant, snapshots, passed_over })
    }
}
