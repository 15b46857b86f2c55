//! Mail: folders, messages with their MIME and their record, and the way back.

mod bounded;
mod folders;
mod item;
mod proof;
mod read;
mod record;
mod restore;
mod workload;
mod write;

pub(crate) use proof::text_told;
pub use proof::{Proof, prove};
pub use read::{
    Head, MailFolder, News, Part, Present, WELL_KNOWN, fetch, folder_changes, folders_below,
    folders_by_id, folders_of, is_event_message, message, message_changes, message_count,
    message_in, messages_by_id, present, unlisted_names, well_known_folders,
};
pub use record::{Attachment, AttachmentForm, MessageRecord, RECORD_VERSION};
pub use workload::Mail;
pub use write::{
    MessageDifference, Outgoing, RestoredMessage, Taken, compare, create_folder, create_message,
    delete_message, find_folder, has_its_attachments, is_the_same, move_message,
    move_to_deleted_items, set_state, state_of,
};

/// What the delta of messages selects: everything that a restore needs and a listing can give.
const SELECT: &str = "changeKey,createdDateTime,receivedDateTime,sentDateTime,hasAttachments,internetMessageId,subject,\
importance,conversationId,isDeliveryReceiptRequested,isReadReceiptRequested,isRead,isDraft,inferenceClassification,body,\
sender,from,toRecipients,ccRecipients,bccRecipients,replyTo,flag,categories";
