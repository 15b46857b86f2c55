//! Kinds of drives and items that surprise clients.

/// What a drive is; `driveType` of the drive resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum DriveKind {
    /// Somebody's OneDrive.
    #[default]
    Business,
    /// A library of a site.
    Library,
}

impl DriveKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Business => "business",
            Self::Library => "documentLibrary",
        }
    }
}

/// How a notebook is shown.
///
/// Source: the package resource says that it has neither file nor folder facet; a live trace
/// (wisecom-oy/atlas, pull request 72, August 2026) shows `folder` and `package` together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Package {
    WithFolder,
    Alone,
}

/// Where a shortcut leads (remoteItem resource).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) drive: String,
    pub(crate) item: String,
}

/// What the service says of a file's size and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announced {
    /// Size and `quickXorHash` are those of the bytes.
    Right,
    /// No hash until the file was downloaded (hashes resource: "In some cases hash values may not
    /// be available. If this is the case, the hash values on an item will be updated after the item
    /// is downloaded").
    NoHash,
    /// `sha256Hash` alone, as personal drives and files that moved from there have.
    Sha256,
    /// `sha1Hash` alone (optional in the hashes resource).
    Sha1,
    /// The hash of what was uploaded, where the service keeps something else (OneDrive
    /// onedrive-api-docs 1068: Office files rewritten by SharePoint).
    WrongHash,
    /// The size of what was uploaded (rclone 2036: sizes of Office files differ from downloads).
    WrongSize,
    /// No `size` (optional in driveItem).
    NoSize,
    /// Delta shows the hash before the last rewriting, the item itself the right one.
    OldInDelta,
}

/// What SharePoint does not take in a name. Source: Microsoft's support article on invalid file
/// names in OneDrive and SharePoint; 400 characters are the limit of a path, 255 that of a name.
pub(crate) fn name_is_refused(name: &str) -> bool {
    let lower = name.to_lowercase();
    let stem = lower.split('.').next().unwrap_or_default();
    let device = |s: &str| {
        ["con", "prn", "aux", "nul"].contains(&s)
            || ((s.starts_with("com") || s.starts_with("lpt"))
                && s.len() == 4
                && s.ends_with(|c: char| c.is_ascii_digit()))
    };
    name.is_empty()
        || name.chars().count() > 255
        || name.chars().any(|c| "\"*:<>?/\\|".contains(c) || c.is_control())
        || name.starts_with(' ')
        || name.ends_with(' ')
        || name.ends_with('.')
        || name.starts_with("~$")
        || lower.contains("_vti_")
        || [".lock", "desktop.ini"].contains(&lower.as_str())
        || (device(stem) && stem.len() == lower.len())
}
