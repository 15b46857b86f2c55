//! Whose a file is, and who else may change it: one answer for the configuration, for what it
//! names, and for the folders on the way to a cache.

use rustix::io::Errno;
use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Of a folder, that many files are looked at; no folder of rules or decisions has more.
const FILES_MAX: usize = 10_000;

/// Whose files this program relies on: those of the account that it runs as, root's, and those of
/// whoever asked for root's rights. Numbers as the system gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accounts {
    /// The account that the program runs as.
    pub user: u32,
    /// Its group.
    pub group: u32,
    /// Of a program that runs as root: the account that asked for root's rights, where one did.
    pub asking_user: Option<u32>,
    /// The group of that account.
    pub asking_group: Option<u32>,
}

impl Accounts {
    /// Whether files of an account are to be relied on.
    pub fn relies_on(&self, uid: u32) -> bool {
        self.is_own(uid) || self.asking_user == Some(uid)
    }

    /// Whether files of an account are the program's own, or root's. Who asked for root's rights
    /// has caches of their own.
    pub(super) fn is_own(&self, uid: u32) -> bool {
        uid == self.user || uid == 0
    }

    fn is_own_group(&self, gid: u32) -> bool {
        gid == 0 || gid == self.group || self.asking_group == Some(gid)
    }

    /// Whether somebody beside its owner may write there: everybody, a group that is neither root's
    /// nor this account's own, or whom an access list names, which shows as the group's right
    /// alone.
    fn is_open(&self, path: &Path, meta: &Metadata) -> bool {
        // Whatever the modes say: nobody writes to a read-only mount, as containers are given them.
        let is_fixed = || {
            let flags = rustix::fs::statvfs(path).map(|fs| fs.f_flag);
            flags.is_ok_and(|flags| flags.contains(rustix::fs::StatVfsMountFlags::RDONLY))
        };
        if meta.mode() & 0o022 == 0 || is_fixed() {
            return false;
        }
        if meta.mode() & 0o002 != 0 {
            return true;
        }
        !self.is_own_group(meta.gid()) || has_access_list(path)
    }

    /// Why others can change what is there, in one sentence; none where they cannot.
    pub fn changeable(&self, path: &Path, meta: &Metadata) -> Option<String> {
        match self.relies_on(meta.uid()) {
            false => Some(foreign(path, meta)),
            true => self.is_open(path, meta).then(|| open_to_others(path, meta)),
        }
    }

    /// Why others can put another thing in the place of this one, of what a link leads to, or of a
    /// folder above either.
    pub fn replaceable(&self, path: &Path) -> Option<String> {
        let Ok(whole) = std::path::absolute(path) else {
            return Some(format!("{} has no folder", path.display()));
        };
        let real = match whole.canonicalize() {
            Ok(real) => real,
            Err(e) => return Some(format!("{} cannot be looked at: {e}", whole.display())),
        };
        let is_relied_on = |uid| self.relies_on(uid);
        let way = self.way_is_open(&whole, is_relied_on);
        way.or_else(|| (real != whole).then(|| self.way_is_open(&real, is_relied_on)).flatten())
    }

    /// Why somebody beside these accounts can put another thing in the place of this one, or of a
    /// folder on the way to it.
    pub(super) fn way_is_open(
        &self,
        whole: &Path,
        is_relied_on: impl Fn(u32) -> bool,
    ) -> Option<String> {
        for above in whole.ancestors().skip(1) {
            let shown = above.display();
            let meta = match above.metadata() {
                Ok(meta) => meta,
                Err(e) => return Some(format!("{shown} cannot be looked at: {e}")),
            };
            if !is_relied_on(meta.uid()) {
                return Some(foreign(above, &meta));
            }
            // In a folder with the sticky bit nobody but the folder's owner replaces what is
            // another's.
            if meta.mode() & 0o1000 == 0 && self.is_open(above, &meta) {
                return Some(open_to_others(above, &meta));
            }
        }
        let is_planted = |part: &&Path| {
            part.symlink_metadata().is_ok_and(|m| m.is_symlink() && !is_relied_on(m.uid()))
        };
        let planted = whole.ancestors().find(is_planted)?;
        Some(format!("{} is a link of another account", planted.display()))
    }

    /// The same of a file, or of a folder and the files in it, that decides what this program does.
    /// What is not there is nobody's yet; what cannot be looked at is told by whoever needs it.
    pub fn changeable_by_others(&self, path: &Path) -> Option<String> {
        let meta = path.metadata().ok()?;
        let own = self.changeable(path, &meta).or_else(|| self.replaceable(path));
        if own.is_some() || meta.is_file() {
            return own;
        }
        if !meta.is_dir() {
            return Some(format!("{} is no file", path.display()));
        }
        let entries = path.read_dir().ok()?;
        let files: Vec<PathBuf> = entries.flatten().take(FILES_MAX).map(|e| e.path()).collect();
        files.iter().find_map(|file| {
            let meta = file.metadata().ok()?;
            match meta.is_dir() || meta.is_file() {
                true => self.changeable(file, &meta),
                false => Some(format!("{} is no file", file.display())),
            }
        })
    }
}

fn has_access_list(path: &Path) -> bool {
    // One that does not fit in here is one.
    match rustix::fs::getxattr(path, "system.posix_acl_access", &mut [0_u8; 256]) {
        Ok(bytes) => bytes > 0,
        // Neither a list, nor a file system that knows of any.
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOENT) => false,
        Err(_) => true,
    }
}

fn foreign(path: &Path, meta: &Metadata) -> String {
    format!(
        "{} belongs to another account (uid {}), who may write there what this one does; chown it",
        path.display(),
        meta.uid()
    )
}

fn open_to_others(path: &Path, meta: &Metadata) -> String {
    let (shown, mode) = (path.display(), meta.mode() & 0o7777);
    format!("others can change {shown} (mode {mode:o}); chmod go-w {shown}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::files::tests::own;
    use std::{
        fs::Permissions,
        os::unix::fs::{PermissionsExt, chown},
    };

    #[test]
    fn whoever_asked_for_roots_rights_is_relied_on_and_owns_no_cache() {
        let accounts = Accounts { user: 0, group: 0, asking_user: Some(1000), ..own() };
        assert!(accounts.relies_on(1000) && accounts.relies_on(0) && !accounts.relies_on(1001));
        assert!(accounts.is_own(0) && !accounts.is_own(1000));
    }

    #[test]
    fn nobody_else_changes_what_decides() {
        let accounts = own();
        let changeable_by_others = |path: &Path| accounts.changeable_by_others(path);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "text").unwrap();
        let mode = |path: &Path, mode: u32| {
            std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        let says = || changeable_by_others(&file);
        for good in [0o600, 0o644, 0o664] {
            mode(&file, good);
            assert_eq!(says(), None, "{good:o}");
        }
        for bad in [0o646, 0o666] {
            mode(&file, bad);
            assert!(says().is_some_and(|s| s.contains("chmod go-w")), "{bad:o}");
        }
        mode(&file, 0o644);
        mode(dir.path(), 0o777);
        assert!(says().is_some_and(|s| s.contains("others can change")), "its folder");
        mode(dir.path(), 0o1777);
        assert_eq!(says(), None, "a folder in which nobody replaces what is another's");
        mode(dir.path(), 0o700);
        assert!(changeable_by_others(dir.path()).is_none());
        // Whoever may write above it, or above what a link leads to, puts another there.
        let (shared, inner) = (dir.path().join("shared"), dir.path().join("shared/inner"));
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(inner.join("file"), "text").unwrap();
        std::os::unix::fs::symlink(inner.join("file"), dir.path().join("link")).unwrap();
        let ways = [inner.join("file"), dir.path().join("link")];
        assert!(ways.iter().all(|way| changeable_by_others(way).is_none()));
        for open in [&inner, &shared] {
            mode(open, 0o777);
            for way in &ways {
                let says = changeable_by_others(way);
                assert!(says.is_some_and(|s| s.contains("others can change")), "{way:?}");
            }
            mode(open, 0o755);
        }
        std::fs::remove_file(dir.path().join("link")).unwrap();
        mode(&file, 0o666);
        assert!(changeable_by_others(dir.path()).is_some(), "a file in a folder that decides");
        mode(&file, 0o664);

        // Groups and accounts can be given away by root alone.
        if !rustix::process::geteuid().is_root() {
            return;
        }
        chown(&file, None, Some(65534)).unwrap();
        assert!(says().is_some_and(|s| s.contains("mode 664")), "a foreign group");
        mode(&file, 0o644);
        assert_eq!(says(), None);
        chown(&file, Some(65534), Some(0)).unwrap();
        assert!(says().is_some_and(|s| s.contains("another account")));
        chown(&file, Some(0), Some(0)).unwrap();
        chown(dir.path(), None, Some(65534)).unwrap();
        mode(dir.path(), 0o775);
        assert!(says().is_some(), "a folder of a foreign group");
        mode(dir.path(), 0o1777);
        chown(dir.path(), Some(65534), None).unwrap();
        assert!(says().is_some(), "whose folder it is replaces everything in it");
        chown(dir.path(), Some(0), Some(0)).unwrap();
        mode(dir.path(), 0o700);

        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(changeable_by_others(&link), None);
        std::os::unix::fs::lchown(&link, Some(65534), None).unwrap();
        assert!(
            changeable_by_others(&link).is_some_and(|s| s.contains("a link of another account"))
        );
        std::fs::remove_file(&link).unwrap();

        // user::rw-, user:65534:rw-, group::r--, mask::rw-, other::r--
        let entries: [(u16, u16, u32); 5] = [
            (1, 6, u32::MAX),
            (2, 6, 65534),
            (4, 4, u32::MAX),
            (16, 6, u32::MAX),
            (32, 4, u32::MAX),
        ];
        let mut list = 2_u32.to_le_bytes().to_vec();
        for (tag, rights, id) in entries {
            list.extend(tag.to_le_bytes());
            list.extend(rights.to_le_bytes());
            list.extend(id.to_le_bytes());
        }
        let flags = rustix::fs::XattrFlags::empty();
        match rustix::fs::setxattr(&file, "system.posix_acl_access", &list, flags) {
            Ok(()) => assert!(says().is_some_and(|s| s.contains("others can change"))),
            Err(e) => assert_eq!(e, Errno::OPNOTSUPP, "a file system without access lists"),
        }
    }
}
