//! Named limits: each with its unit and its source.

/// Graph: requests in one `$batch` (Microsoft Graph documentation, JSON batching).
pub const BATCH_REQUESTS_MAX: usize = 20;
/// Outlook: concurrent requests for one app and mailbox (Graph throttling limits).
pub const MAILBOX_CONCURRENT_MAX: usize = 4;
/// Attachments of this size and above need an upload session (Graph, attachment:
/// createUploadSession).
pub const ATTACHMENT_POST_BYTES_MAX: u64 = 3 * 1024 * 1024;
/// A message as one request, with the attachments in it, and room for the rest of the request
/// (Graph: requests above 4 MB are refused).
pub const MAIL_POST_BYTES_MAX: u64 = 3_900_000;
/// Range of an attachment upload session, at most 4 MB; a multiple of 320 KiB below it.
pub const ATTACHMENT_RANGE_BYTES: usize = 12 * 327_680;
/// Fragment of a drive upload session: a multiple of 320 KiB, 5 to 10 MiB advised (driveItem:
/// createUploadSession).
pub const DRIVE_FRAGMENT_BYTES: usize = 30 * 327_680;
/// Files up to here go up in one PUT (250 MB allowed; smaller keeps a broken upload cheap to
/// repeat).
pub const DRIVE_PUT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// MIME messages are held in memory up to this size (Exchange Online's largest message is 150 MB).
pub const MESSAGE_BYTES_MAX: u64 = 160 * 1024 * 1024;
/// One JSON page of Graph (own limit: a page of 100 messages with large bodies).
pub const PAGE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Any other answer: a token, the state of an upload, an error (own limit; Graph's are some
/// kilobytes).
pub const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// One file of a drive (SharePoint Online's largest is 250 GB).
pub const FILE_BYTES_MAX: u64 = 250 * 1024 * 1024 * 1024;
/// Rows of a list that is read whole into memory (own limit: ten times the largest school).
pub const LIST_ROWS_MAX: usize = 2_000_000;
/// Seconds that a service may ask to wait before it is called again (own limit: a day).
pub const RETRY_AFTER_S_MAX: u64 = 86_400;
/// Seconds that the host of one file may hold up all files (own limit: what Graph names for
/// throttling is minutes).
pub const FILE_HOST_WAIT_S_MAX: u64 = 3_600;
/// Seconds that an access token counts, whatever is said of it (Entra: 24 hours at most).
pub const TOKEN_LIFETIME_S_MAX: i64 = 86_400;
/// Seconds that a body may keep its reader waiting in all, beside what its bytes take.
pub const BODY_GRACE_S: u64 = 120;
/// Bytes a second that a body comes with at least (own limit: a tenth of a modem's line, since
/// many come at once).
pub const BODY_BYTES_S_MIN: u64 = 1_024;
/// Children of one drive folder before shard folders appear (own limit, keeps a tree under 2 MiB).
pub const FOLDER_CHILDREN_MAX: usize = 5_000;
/// A file's share that is kept in memory to judge its content.
pub const JUDGE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Characters that a sentence quotes of somebody else's words (own limit: what a person reads).
pub const QUOTED_CHARS_MAX: usize = 300;
