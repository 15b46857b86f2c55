//! Documented behaviour that is shown by default, and can be held back one by one.
//!
//! What the product cannot stand would be held back for the product's tests and the demonstration
//! alone, by the one list [`NOT_YET`]. It is empty, and `cargo xtask tidy` keeps it so.

use serde::{Deserialize, Serialize};

/// A documented behaviour of Microsoft 365 that surprises clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Truth {
    /// A query option that is not published for an operation is refused, when it begins with `$`.
    QueryOptions,
    /// Names in a query that the answer's type does not have are refused.
    QueryNames,
    /// A body that does not fit the published type is refused.
    Bodies,
    /// A body over 4 MB is refused.
    BodyLength,
    /// A policy without the parts that it needs is refused: a compliance policy without its block
    /// action, a Conditional Access policy without people, applications or controls.
    RequiredParts,
    /// What Microsoft made is not changed or deleted, nor the last Global Administrator.
    BuiltIn,
    /// What stands once only is not made twice.
    Duplicates,
    /// An update in the delta of users carries only what changed.
    UserNews,
    /// A delta of users tells the same twice, and of people who were never seen.
    UserReplays,
    /// Who has no mailbox or no drive is told so by 404, in the words of Exchange and SharePoint.
    PeopleWithout,
    /// What is named must be there: who is assigned, who becomes a member or is none.
    References,
    /// A drive's delta names an item twice in a round, the first time as it was before, and a
    /// deleted one too (driveItem: delta, remarks).
    RowsTwice,
    /// A row of a drive's delta does not say the path of its parent: "The parentReference property
    /// on items won't include a value for path" (driveItem: delta, remarks). There are clients that
    /// lean on it all the same.
    DeltaWithoutPath,
    /// A delta page may be empty, with a next link that is its own (delta query overview; the page
    /// iterators of Microsoft's SDKs know of such links).
    StalledPage,
    /// A notebook has the `package` facet alone, and its sections are its children (package
    /// resource).
    PackageAlone,
    /// Shortcuts to folders of other drives: `remoteItem` without file or folder facet.
    Shortcuts,
    /// Somebody has more than one drive (drive: list).
    SeveralDrives,
    /// Somebody's site was never made: 404 `ResourceNotFound`.
    NoDrive,
    /// A drive is made anew: another id, empty, and the old one is not there.
    DriveAnew,
    /// Size or hash of a file are not those of what is handed out (Office files that SharePoint
    /// rewrote).
    WrongAnnouncement,
    /// A file has no `size`.
    SizeAbsent,
    /// Items whose names end with a dot, which other clients made and Graph does not take.
    TrailingDots,
    /// Files that are held back because of malware.
    Malware,
    /// A change of `fileSystemInfo` makes a version (OneDrive/onedrive-api-docs 778).
    TimesMakeVersions,
    /// Settings are shown with every published property of their type, their times and version.
    WholeObjects,
    /// A row of a delta of messages carries only what changed (delta query overview;
    /// microsoft-graph-docs 7776). So do those of contacts and tasks, and the next three are shown
    /// of these and of events too.
    RowsAreNews,
    /// A message comes twice in a round of its delta (delta query overview: replays).
    MessagesTwice,
    /// `@removed` comes twice, again in a later round, and for ids that were never seen.
    RemovedTwice,
    /// Deltas of mail page by their documented sizes; a page may be empty with a next link, a next
    /// link may be its own.
    MailPagesStall,
    /// The delta of mail folders names no hidden ones: `includeHiddenFolders` is not published for
    /// it.
    HiddenFoldersApart,
    /// `totalItemCount` counts what is no message too (mailFolder resource).
    CountsOfAllKinds,
    /// Invitations and answers to them: `#microsoft.graph.eventMessage…`.
    EventMessages,
    /// Search folders stand among the others (mailFolder: list).
    SearchFolders,
    /// Folders of Recoverable Items appear with what is first put into them, and
    /// `permanentDelete` puts into one of them (message: permanentDelete).
    RecoverableLater,
    /// Shared mailboxes: of accounts without licence; and people without any mailbox: 404
    /// `MailboxNotEnabledForRESTAPI`.
    SharedMailboxes,
    /// The sites of people's OneDrives stand among all sites (site resource, `isPersonalSite`), and
    /// their libraries are the drives of these people.
    PersonalSites,
    /// A row of a delta of sites carries id, name and what changed; it may come twice, a page may
    /// be empty with a next link (site: delta; delta query overview).
    SiteNews,
    /// The folder of contacts that everybody has is not listed among the others, nor told of by
    /// their delta (user: list contactFolders; microsoft-graph-docs-contrib 6327).
    DefaultContactsApart,
    /// A contact list is counted among the contacts of a folder, and never listed
    /// (microsoft-graph-docs-contrib 4041).
    ContactListsCounted,
    /// A day of a series has in a delta of events nothing but its id, type, master, start and end
    /// (microsoft-graph-docs 7632; microsoft-graph-docs-contrib 34).
    OccurrencesAreStubs,
    /// An event that changed and lies outside of the view of a delta is told as removed (event:
    /// delta).
    OutsideTheView,
}

/// What the product cannot stand: nothing that the simulator knows of.
pub const NOT_YET: &[Truth] = &[];
