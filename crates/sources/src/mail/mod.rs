//! Mail: folders, messages with their MIME and their record, and the way back.

mod read;
mod record;
mod write;

pub use read::{
    Head, MailFolder, News, Part, WELL_KNOWN, fetch, folder_changes, folders_below, folders_by_id,
    folders_of, ids, is_event_message, message, message_changes, message_count, unlisted_names,
    well_known_folders,
};
pub use record::{Attachment, AttachmentForm, RECORD_VERSION, Record};
pub use write::{
    Outgoing, Restored, compare, create_folder, create_message, delete_message, find_folder,
    move_message,
};

/// What the delta of messages selects: everything that a restore needs and a listing can give.
const SELECT: &str = "changeKey,createdDateTime,receivedDateTime,sentDateTime,hasAttachments,internetMessageId,subject,\
importance,conversationId,isDeliveryReceiptRequested,isReadReceiptRequested,isRead,isDraft,inferenceClassification,body,\
sender,from,toRecipients,ccRecipients,bccRecipients,replyTo,flag,categories";
