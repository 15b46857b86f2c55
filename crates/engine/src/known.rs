//! What is known of a stored content: as the record beside it says, else found out from its bytes.
//!
//! A record that is missing, damaged, of another content or of a newer program never stands for a
//! content of which nothing speaks: the stored bytes are read instead, in bounded memory.

use crate::Error;
use sha2::{Digest, Sha256};
use strongroom_content::{ContentExaminer, ContentRecord, StoredContent};
use strongroom_model::{Facts, KnownContent};
use strongroom_repository::{BlobKind, Node, Repository};

/// What the record beside a content of this length says, when it is understood and is that
/// content's.
pub(crate) fn recorded(facts: &Facts, size_bytes: u64) -> Option<ContentRecord> {
    let stored = StoredContent::of_known(facts.content.as_ref()?).ok()?;
    let record = stored.known()?;
    // An older program carries along what it does not know, under another content.
    let sha256 = facts.file.as_ref().and_then(|f| f.sha256.as_deref());
    let is_its = record.length == size_bytes
        && sha256.is_none_or(|s| s.starts_with(&hex::encode(record.whole)));
    is_its.then(|| record.clone())
}

/// What is known of a stored file. Where its record does not say, its bytes are read.
pub(crate) fn known(repo: &Repository, node: &Node, facts: &Facts) -> Result<ContentRecord, Error> {
    if let Some(record) = recorded(facts, node.size_bytes()) {
        return Ok(record);
    }
    let mut blobs = node.content().iter();
    examined(|| {
        let next = blobs.next();
        Ok(next.map(|id| repo.read_blob(BlobKind::Data, id)).transpose()?)
    })
}

/// The record of a content that comes in pieces.
pub(crate) fn examined<E>(
    mut next: impl FnMut() -> Result<Option<Vec<u8>>, E>,
) -> Result<ContentRecord, E> {
    let (mut examiner, mut sha256) = (ContentExaminer::new(), Sha256::new());
    while let Some(piece) = next()? {
        sha256.update(&piece);
        examiner.push(&piece);
    }
    Ok(examiner.finish(&sha256.finalize().into()))
}

/// A record as it stands beside its content.
pub(crate) fn to_store(record: &ContentRecord) -> KnownContent {
    StoredContent::Known(Box::new(record.clone())).to_known()
}

/// Puts what is known of a content beside it, where nothing stands or what belongs to another one.
/// What is damaged or newer stays as it was found.
pub(crate) fn complete(facts: &mut Facts, record: &ContentRecord) {
    let is_understood =
        |known| StoredContent::of_known(known).is_ok_and(|stored| stored.known().is_some());
    if facts.content.as_ref().is_none_or(is_understood) {
        facts.content = Some(to_store(record));
    }
}
