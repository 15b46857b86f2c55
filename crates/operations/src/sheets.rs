//! Recovery sheets as files: what they say of themselves, whose they are, and where some lie that
//! should not lie there.

use crate::{Choice, Error, Kind, School, config::Config, place::sheets_of};
use jiff::{Timestamp, tz::TimeZone};
use secrecy::{ExposeSecret, SecretString};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};
use strongroom_custody::PublicKey;
use strongroom_engine::publish;
use strongroom_model::Untrusted;
use strongroom_objects::{SETTINGS_BYTES_MAX, Store, read_regular_text};
pub use strongroom_repository::RecoveryShare;
use strongroom_repository::{Id, MasterKey, Misfit, join_shares, shares_fit, split_key};

/// A sheet has some 40 KiB. What is longer is none, and is not looked at.
const SHEET_BYTES_MAX: u64 = 256 << 10;
/// What a sheet says of itself fits in lines of this length.
const LINE_BYTES_MAX: usize = 4096;
/// Of a folder so many entries are looked at.
const ENTRIES_MAX: usize = 2_000;

const SCHOOL: &str = "school";
const MADE: &str = "made";
const OPENS: &str = "opens";
const REPOSITORY: &str = "repository";
const SET: &str = "set";
const SHARE: &str = "share";
/// Sheets of older programs have this line too, and none of those above.
const VAULT: &str = "vault's key";

/// What sheets that are made together say of themselves.
#[derive(Debug, Clone)]
pub struct Label {
    /// The school, where it is known.
    pub school: Option<String>,
    /// When they were made.
    pub made: Timestamp,
    /// Where copy 2 is.
    pub copy2: String,
    /// The vault's name in the configuration.
    pub vault: Option<String>,
    /// Whose log a recovery believes.
    pub vault_key: Option<PublicKey>,
}

/// Sheets that are to be written, and how they look.
pub struct SheetsWanted {
    /// How many of them open the repository.
    pub needed: u8,
    /// How many are made.
    pub made: u8,
    /// The folder that they go into.
    pub dir: PathBuf,
    /// What they say of themselves.
    pub label: Label,
    /// Draws one, for paper.
    pub draw: Draw,
}

/// Draws a sheet.
pub type Draw = fn(&RecoveryShare, &Label) -> Result<SecretString, Error>;

/// Whether sheets can be written to their folder: asked before a repository is made whose key they
/// are to hold.
///
/// # Errors
/// [`Kind::Request`], where the numbers make no sense, or the folder holds something.
pub fn possible(wanted: &SheetsWanted) -> Result<(), Error> {
    shares_fit(wanted.needed, wanted.made)?;
    if fs::read_dir(&wanted.dir).is_ok_and(|mut all| all.next().is_some()) {
        let what = format!(
            "{} holds something already; name a new folder for the recovery shares",
            wanted.dir.display()
        );
        return Err(Error::new(Kind::Request, what));
    }
    Ok(())
}

/// Makes a set of shares of a key, and writes a sheet for each, readable for its owner alone.
/// Answers the files.
///
/// # Errors
/// As [`possible`]; [`Kind::Files`], where they cannot be written.
pub(crate) fn write(
    key: &MasterKey,
    id: &Id,
    wanted: &SheetsWanted,
) -> Result<Vec<PathBuf>, Error> {
    possible(wanted)?;
    let dir = &wanted.dir;
    let shares = split_key(key, id, wanted.needed, wanted.made)?;
    let unmade = |e| Error::because(Kind::Files, format!("{} cannot be made", dir.display()), e);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unmade)?;
    // Whoever can put a link there would choose where the shares go.
    if dir.is_symlink() {
        let what =
            format!("{} is a link; name the folder itself for the recovery shares", dir.display());
        return Err(Error::new(Kind::Request, what));
    }
    let mut files = Vec::new();
    for share in &shares {
        let path = dir.join(format!("share-{}-of-{}.html", share.number(), share.made()));
        let unwritten =
            |e| Error::because(Kind::Files, format!("{} cannot be written", path.display()), e);
        let page = (wanted.draw)(share, &wanted.label)?;
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(unwritten)?;
        file.write_all(page.expose_secret().as_bytes()).map_err(unwritten)?;
        files.push(path);
    }
    Ok(files)
}

impl Label {
    /// Of a repository at this place: the school and its vault, as the configuration has them. A
    /// recovery asks for the vault's key, so that sheets without it are made where nobody names
    /// one, and never because a configuration says too little.
    ///
    /// # Errors
    /// [`Kind::Configuration`], where it does not say whose the repository is.
    pub fn of(
        config: Option<&Config>,
        choice: &Choice,
        copy2: &str,
        made: Timestamp,
    ) -> Result<Self, Error> {
        let copy2 = copy2.to_owned();
        let mut label = Self { school: None, made, copy2, vault: None, vault_key: None };
        let Some(config) = config else { return Ok(label) };
        let named = choice.repository.as_deref().filter(|_| choice.tenant.is_none());
        let whose = match named.and_then(|word| config.tenant_of(word)) {
            Some(tenant) => tenant,
            None => config.tenant(choice.tenant.as_deref()).map_err(|e| {
                let what = "the recovery sheets name the key of the repository's vault, and whose \
                            it is is not known";
                Error::because(e.kind(), what, e)
            })?,
        };
        label.school = Some(whose.name.clone());
        if let Some(name) = &whose.vault {
            let key = config.vault(name)?.public_key.as_deref().map(PublicKey::parse);
            (label.vault, label.vault_key) = (Some(name.clone()), key.transpose()?);
        }
        Ok(label)
    }

    /// When they were made, with the zone.
    pub fn made(&self) -> String {
        self.made.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
    }

    /// Which copies they open.
    pub fn copies(&self) -> String {
        match &self.vault {
            Some(vault) => format!("copy 2 in {}, and copy 3 in the vault {vault}", self.copy2),
            None => format!("copy 2 in {}, and what a vault holds of it", self.copy2),
        }
    }

    /// The lines of a sheet, one for each thing. [`Sheet::read`] reads them.
    pub fn lines(&self, share: &RecoveryShare) -> String {
        let school = self.school.clone().unwrap_or_else(|| "_".repeat(24));
        let key = self.vault_key.map(|key| key.to_string());
        let of = format!(
            "{} of {}; any {} of them open it",
            share.number(),
            share.made(),
            share.needed()
        );
        let rows = [
            (SCHOOL, Some(school)),
            (MADE, Some(self.made())),
            (OPENS, Some(self.copies())),
            (REPOSITORY, Some(share.repository())),
            (SET, Some(share.set())),
            (SHARE, Some(of)),
            (VAULT, key),
        ];
        let mut out = String::new();
        for (name, value) in rows.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            // A string takes whatever is written.
            let _ = writeln!(out, "{name:<12}{value}");
        }
        out
    }
}

/// A share with what its file says besides.
#[derive(Debug)]
pub struct Sheet {
    file: PathBuf,
    share: RecoveryShare,
    school: Option<Untrusted>,
    made: Option<Untrusted>,
    vault_keys: Vec<PublicKey>,
}

/// What stands behind this name at the beginning of lines. A page has it as HTML.
fn said(text: &str, name: &str) -> Vec<String> {
    let value = |line: &str| {
        let line = line.trim();
        // Nothing of the share itself is copied.
        let is_named = line.starts_with(&name[..1]) && line.len() <= LINE_BYTES_MAX;
        let plain = is_named.then(|| {
            line.replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&quot;", "\"")
                .replace("&#39;", "'")
                .replace("&amp;", "&")
        })?;
        let value = plain.strip_prefix(name)?.strip_prefix(char::is_whitespace)?.trim();
        (!value.trim_matches('_').is_empty()).then(|| value.to_owned())
    };
    text.lines().filter_map(value).collect()
}

impl Sheet {
    /// Reads a file: the sheet, its lines as somebody typed them, or what its code says.
    ///
    /// # Errors
    /// [`Kind::Files`], where it cannot be read; [`Kind::Request`] that says what is wrong with the
    /// share in it.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let text = read_regular_text(file, SETTINGS_BYTES_MAX).map_err(|e| {
            Error::because(Kind::Files, format!("{} cannot be read", file.display()), e)
        })?;
        Self::of_text(file, &SecretString::from(text))
    }

    fn of_text(file: &Path, text: &SecretString) -> Result<Self, Error> {
        let text = text.expose_secret();
        let shown = || file.display().to_string();
        let share =
            RecoveryShare::parse(text).map_err(|e| Error::because(Kind::Request, shown(), e))?;
        let vault_keys = said(text, VAULT)
            .iter()
            .map(|key| PublicKey::parse(key))
            .collect::<Result<_, _>>()
            .map_err(|e| Error::because(Kind::Request, shown(), e))?;
        Ok(Self {
            file: file.to_owned(),
            share,
            school: said(text, SCHOOL).into_iter().next().map(Untrusted::from),
            made: said(text, MADE).into_iter().next().map(Untrusted::from),
            vault_keys,
        })
    }

    /// Whose it is, as a sentence has it: `a share of riverside's repository 1a2b3c4d, made …`.
    pub fn of_whom(&self) -> String {
        let id = self.share.repository();
        let mut out = match &self.school {
            Some(school) => format!("a share of {}'s repository {id:.8}", school.quoted()),
            None => format!("a share of the repository {id:.8}"),
        };
        if let Some(made) = &self.made {
            let _ = write!(out, ", made on {:.40}", made.line());
        }
        out
    }
}

/// Reads sheets.
///
/// # Errors
/// As [`Sheet::read`].
pub fn read(files: &[PathBuf]) -> Result<Vec<Sheet>, Error> {
    files.iter().map(|file| Sheet::read(file)).collect()
}

/// The master key that sheets hold together.
///
/// # Errors
/// [`Kind::Request`], where they were not made together, and says which is of what; or too few are
/// there.
pub fn key_of(sheets: &[Sheet]) -> Result<MasterKey, Error> {
    if let [first, rest @ ..] = sheets
        && let Some((other, misfit)) =
            rest.iter().find_map(|s| Some((s, s.share.misfit(&first.share)?)))
    {
        let end = match misfit {
            Misfit::Repository => "shares of one repository open it".to_owned(),
            Misfit::Set => format!(
                "they are of two sets, {} and {}, and shares of one set open it",
                first.share.set(),
                other.share.set()
            ),
        };
        return Err(Error::new(
            Kind::Request,
            format!(
                "{} is {}, and {} is {}: {end}",
                first.file.display(),
                first.of_whom(),
                other.file.display(),
                other.of_whom()
            ),
        ));
    }
    let shares: Vec<&RecoveryShare> = sheets.iter().map(|s| &s.share).collect();
    Ok(join_shares(&shares)?)
}

/// The vault's public key that sheets name; nothing when none does.
///
/// # Errors
/// [`Kind::Request`], where they name two.
pub fn vault_key_of(sheets: &[Sheet]) -> Result<Option<PublicKey>, Error> {
    let named: BTreeSet<PublicKey> = sheets.iter().flat_map(|s| &s.vault_keys).copied().collect();
    match named.len() {
        0 | 1 => Ok(named.into_iter().next()),
        _ => Err(Error::new(Kind::Request, "the sheets name two vaults; say which is meant")),
    }
}

/// Whose sheets are whose key does not open what lies in a store, and what is there; nothing where
/// what is there bears the same id, and so is damaged. The school is that which is meant, where it
/// is known.
pub fn foreign(sheets: &[Sheet], store: &dyn Store, school: Option<&str>) -> Option<Error> {
    let first = sheets.first()?;
    let own = first.share.repository();
    // Who may write there can say anything of what is there; it makes a sentence and no more.
    let there = publish::repositories(store).unwrap_or_default();
    if there.iter().any(|id| id.starts_with(&own)) {
        return None;
    }
    let at = store.location();
    let is = format!("{} is {}", first.file.display(), first.of_whom());
    let said = first.school.as_ref();
    let meant = school.filter(|meant| said.is_some_and(|said| said.as_str() != *meant));
    const CHANGED: &str = "it is another school's, or was given a new key since, and the shares \
                           that were made then open it";
    let what = match (meant, there.iter().next()) {
        (Some(meant), _) => format!("{is}, and {at} is {meant}'s"),
        (None, Some(id)) => format!("{is}, and {at} holds the repository {id:.8}: {CHANGED}"),
        (None, None) => format!("{is}, and {at} does not open with it: {CHANGED}"),
    };
    Some(Error::new(Kind::WrongKey, what))
}

/// Shares that lie where whoever gets at copy 2, or at this host, finds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lying {
    /// Where.
    pub folder: PathBuf,
    /// The first digits of the repository's id.
    pub repository: String,
    /// How many different ones of one set.
    pub found: usize,
    /// How many were made.
    pub made: u8,
    /// How many open it.
    pub needed: u8,
}

impl Lying {
    /// One sentence.
    pub fn sentence(&self) -> String {
        let lacking = usize::from(self.needed).saturating_sub(self.found);
        let who = match lacking {
            0 => "whoever reads that folder opens copies 2 and 3".to_owned(),
            n => format!("with {n} more they open copies 2 and 3"),
        };
        format!(
            "{} of {} recovery shares of the repository {:.8} lie in {}: {who}; print them, hand \
             them out, and delete the files",
            self.found,
            self.made,
            self.repository,
            self.folder.display()
        )
    }
}

/// What was found on this host.
#[derive(Debug, Clone, Default)]
pub struct Looked {
    /// Shares.
    pub lying: Vec<Lying>,
    /// Folders that could not be looked into, and why.
    pub unseen: Vec<String>,
}

/// Looks where sheets of a school lie that nobody took away: beside and in its copy 2, and beside
/// the configuration, one folder deep. It blocks.
pub fn lying(school: &School) -> Looked {
    let (config, name) = (school.config(), school.name());
    let entry = config.repository(&school.tenant().repository).ok();
    let copy2 = entry.and_then(|r| r.path.as_ref()).map(|path| config.path(path));
    let mut look = Look::default();
    // What belongs to another school is told of that one.
    let others = config.tenants.iter().filter(|t| t.name != name);
    look.passed_over = others
        .filter_map(|t| config.repository(&t.repository).ok())
        .map(|r| sheets_of(r, config))
        .chain([config.state_dir()])
        .chain(config.cache_dir.as_ref().map(|dir| config.path(dir)))
        .collect();
    let is_ours = |sheet: &Sheet| is_of(sheet, name, config);
    if let Some(entry) = entry {
        look.look_into(&sheets_of(entry, config), 0, true, &is_ours);
    }
    if let Some(copy2) = &copy2 {
        look.look_into(copy2, 1, true, &is_ours);
        // The root of a host is beside nothing.
        if let Some(beside) = copy2.parent().filter(|p| p.parent().is_some()) {
            look.look_into(beside, 1, false, &is_ours);
        }
    }
    look.look_into(&config.base, 1, false, &is_ours);
    let lying = look.found.into_iter().map(|((folder, repository, _), (numbers, made, needed))| {
        Lying { folder, repository, found: numbers.len(), made, needed }
    });
    Looked { lying: lying.collect(), unseen: look.unseen }
}

/// Whether a sheet is this school's, or nobody says whose.
fn is_of(sheet: &Sheet, name: &str, config: &Config) -> bool {
    let Some(school) = &sheet.school else { return true };
    *school == name || !config.tenants.iter().any(|t| *school == t.name)
}

/// Folder, repository and set; and which shares of it, of how many, and how many open it.
type Found = BTreeMap<(PathBuf, String, String), (BTreeSet<u8>, u8, u8)>;

#[derive(Default)]
struct Look {
    passed_over: Vec<PathBuf>,
    seen: BTreeSet<PathBuf>,
    found: Found,
    unseen: Vec<String>,
}

impl Look {
    /// Looks into a folder, and into those below it so deep. One that need not be readable to this
    /// account is passed over where it is not.
    fn look_into(&mut self, folder: &Path, deep: u8, must: bool, is_ours: &dyn Fn(&Sheet) -> bool) {
        let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        if self.passed_over.iter().any(|p| p == folder || *p == real) || self.seen.contains(&real) {
            return;
        }
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return,
            Err(e) => {
                let why = format!("whether recovery sheets lie in {}: {e}", folder.display());
                self.unseen.extend(must.then_some(why));
                return;
            }
        };
        self.seen.insert(real);
        for entry in entries.flatten().take(ENTRIES_MAX) {
            let (Ok(kind), path) = (entry.file_type(), entry.path()) else { continue };
            match kind.is_dir() {
                true if deep > 0 && !is_of_a_repository(&path) => {
                    self.look_into(&path, deep - 1, false, is_ours);
                }
                false if kind.is_file() && may_be_a_sheet(&path) => {
                    let text = read_regular_text(&path, SHEET_BYTES_MAX).map(SecretString::from);
                    let sheet = text.ok().and_then(|text| Sheet::of_text(&path, &text).ok());
                    if let Some(sheet) = sheet.filter(|s| is_ours(s)) {
                        self.add(folder, &sheet.share);
                    }
                }
                _ => {}
            }
        }
    }

    fn add(&mut self, folder: &Path, share: &RecoveryShare) {
        let key = (folder.to_owned(), share.repository(), share.set());
        let (numbers, ..) = self
            .found
            .entry(key)
            .or_insert_with(|| (BTreeSet::new(), share.made(), share.needed()));
        numbers.insert(share.number());
    }
}

/// Whether a folder is another repository, or a part of one.
fn is_of_a_repository(folder: &Path) -> bool {
    const PARTS: [&str; 8] =
        ["data", "index", "keys", "locks", "snapshots", "manifests", "strange", "tmp"];
    let is_part = folder.file_name().is_some_and(|n| PARTS.iter().any(|p| n == *p));
    is_part || (folder.join("config").is_file() && folder.join("keys").is_dir())
}

/// Whether a file's name is one that people give pages and notes; caches and keys are not read.
fn may_be_a_sheet(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    ["share", "sheet", "recover"].iter().any(|word| name.contains(word))
        || [".html", ".htm", ".txt"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use strongroom_objects::LocalDir;
    use strongroom_repository::{Id, Repository, Writer, split_key};

    fn label(school: Option<&str>) -> Label {
        Label {
            school: school.map(str::to_owned),
            made: "2026-11-30T18:04:00Z".parse().unwrap(),
            copy2: "/srv/riverside".to_owned(),
            vault: None,
            vault_key: None,
        }
    }

    fn shares(repository: &[u8]) -> Vec<RecoveryShare> {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(LocalDir::new(dir.path().join("copy2")));
        let who = Writer { host: "host".into(), user: "user".into(), program: "test".into() };
        let (password, now) = (SecretString::from("x"), Timestamp::UNIX_EPOCH);
        let repo = Repository::init(store, &password, &dir.path().join("cache"), who, now);
        split_key(repo.unwrap().key(), &Id::of(repository), 2, 3).unwrap()
    }

    fn sheet(file: &str, label: &Label, share: &RecoveryShare) -> Sheet {
        let page = format!(
            "{}{}",
            label.lines(share).replace('&', "&amp;").replace('\'', "&#39;"),
            share.to_text().unwrap().expose_secret()
        );
        Sheet::of_text(Path::new(file), &SecretString::from(page)).unwrap()
    }

    #[test]
    fn a_sheet_says_whose_it_is_and_is_read_back() {
        let share = &shares(b"r")[0];
        let mut label = label(Some("St. Mary's & Co"));
        const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        label.vault = Some("attic".to_owned());
        label.vault_key = Some(PublicKey::parse(KEY).unwrap());
        let read = sheet("a.html", &label, share);
        let whose = read.of_whom();
        for part in ["St. Mary's & Co's", &share.repository()[..8], "2026-11-30 18:04 UTC"] {
            assert!(whose.contains(part), "{part}: {whose}");
        }
        assert_eq!(vault_key_of(std::slice::from_ref(&read)).unwrap(), label.vault_key);
        let lines = label.lines(share);
        for part in ["copy 2 in /srv/riverside", "vault attic", "1 of 3; any 2", &share.set()] {
            assert!(lines.contains(part), "{part}: {lines}");
        }
        // A line that nobody filled in says nothing.
        let blank = sheet("b.html", &super::tests::label(None), share);
        assert!(blank.school.is_none() && !blank.of_whom().contains("'s"), "{}", blank.of_whom());
    }

    #[test]
    fn a_share_of_another_school_or_another_day_is_named_as_such() {
        let (ours, theirs, later) = (shares(b"r"), shares(b"h"), shares(b"r"));
        let mut earlier = label(Some("riverside"));
        earlier.made = "2025-01-02T03:04:00Z".parse().unwrap();
        let say = |a: Sheet, b: Sheet| key_of(&[a, b]).map(|_| ()).unwrap_err().to_string();
        let a = || sheet("a.html", &label(Some("riverside")), &ours[0]);
        let foreign = say(a(), sheet("b.html", &label(Some("hillside")), &theirs[1]));
        for part in ["a.html is a share of riverside's", "b.html is a share of hillside's"] {
            assert!(foreign.contains(part), "{part}: {foreign}");
        }
        let old = say(a(), sheet("b.html", &earlier, &later[1]));
        for part in ["two sets", "2026-11-30", "made on 2025-01-02", &later[1].set()] {
            assert!(old.contains(part), "{part}: {old}");
        }
        assert!(key_of(&[a(), sheet("b.html", &label(Some("riverside")), &ours[2])]).is_ok());
    }

    #[test]
    fn a_sheet_cannot_move_a_cursor() {
        let read = sheet("a.html", &label(Some("x\u{1b}[2J")), &shares(b"r")[0]);
        assert!(!read.of_whom().contains('\u{1b}'));
    }
}
