//! Messages: the last clean content of one, against which the next is judged, and all that lies
//! beside it, which a restore needs.

use super::belongings::Belongings;
use crate::{Error, layout};
use strongroom_content::{ExaminedMessage, StoredMessage, examine_message};
use strongroom_model::{Facts, ItemId, ItemKind, Judgement, Role};
use strongroom_repository::{Found, Node, Repository};
use strongroom_workloads::workload::Collection;

/// Bytes of a record (ext4 refuses more in all attributes of a file).
const FACTS_BYTES_MAX: usize = 4096;

/// A message as it was when nothing spoke against it.
pub(super) struct CleanMessage {
    node: Node,
    facts: Facts,
    beside: Vec<Node>,
    pub(super) message: ExaminedMessage,
}

impl CleanMessage {
    /// As it is kept while the current content is not clean.
    pub(super) fn into_last_clean(self) -> Result<Vec<Node>, Error> {
        let Self { mut node, mut facts, beside, message } = self;
        facts.kind = ItemKind::LastClean;
        facts.content.get_or_insert_with(|| to_store(&message));
        fit(&mut facts)?;
        node.set_facts(&facts)?;
        Ok(std::iter::once(node).chain(beside).collect())
    }
}

/// What is known of a message, as it stands beside it.
pub(super) fn to_store(message: &ExaminedMessage) -> strongroom_model::KnownContent {
    StoredMessage::Known(Box::new(message.clone())).to_known()
}

/// Leaves out of a record what is found out from the content as well, where it has no room.
pub(super) fn fit(facts: &mut Facts) -> Result<(), Error> {
    if facts.to_bytes()?.len() > FACTS_BYTES_MAX {
        facts.content = None;
    }
    Ok(())
}

/// What is known of a stored message: as the record beside it says, else found out from its bytes.
/// Of what an older program stored it is not known whether its owner was still writing it; what
/// came from elsewhere nobody was.
fn known(
    repo: &Repository,
    node: &Node,
    facts: &Facts,
    now: &ExaminedMessage,
) -> Result<ExaminedMessage, Error> {
    let stored = facts.content.as_ref().and_then(|k| StoredMessage::of_known(k).ok());
    let stored = stored.as_ref().and_then(StoredMessage::known);
    if let Some(message) = stored.filter(|m| !m.is_partial()) {
        return Ok(message.clone());
    }
    let bytes = repo.read_file(node)?;
    let mut whole = examine_message(&bytes, false);
    Ok(match stored {
        Some(message) => {
            let mut message = message.clone();
            message.fill_from(whole);
            message
        }
        None => {
            whole.is_draft = now.is_draft || !whole.is_received;
            whole
        }
    })
}

impl Belongings {
    /// The last clean content of a message of which `now` is the next one.
    pub(super) fn clean_message(
        &self,
        c: &Collection,
        id: &ItemId,
        old: Option<(&Node, &Facts)>,
        now: &ExaminedMessage,
    ) -> Result<Option<CleanMessage>, Error> {
        let Some((node, facts)) = old else { return Ok(None) };
        let is_clean = facts.judgement.as_ref().is_none_or(Judgement::is_clean);
        let (node, facts, beside) = match is_clean {
            true => {
                let Some((_, path)) = self.current(c, id)? else { return Ok(None) };
                let Some((file, above)) = path.split_last() else { return Ok(None) };
                let dir = [&self.root(c)[..], above].concat();
                let mut beside = Vec::new();
                for name in self.sidecars(&dir, file, id)? {
                    let at = layout::join(&dir, &name);
                    if let Some(Found::File(node)) = self.run.found(&layout::refs(&at))? {
                        beside.push(node);
                    }
                }
                // It is found by what lies beside it, which bears its name.
                let mut node = node.clone();
                node.name.clone_from(file);
                (node, facts.clone(), beside)
            }
            false => {
                let (mut kept, mut beside) = (None, Vec::new());
                let dir = self.own_directory(c, layout::LAST_CLEAN, id);
                for (node, facts) in self.files_in(&dir)? {
                    match facts.kind.role() {
                        Role::LastClean => kept = Some((node, facts)),
                        _ => beside.push(node),
                    }
                }
                let Some((node, facts)) = kept else { return Ok(None) };
                (node, facts, beside)
            }
        };
        let message = known(&self.run.repo, &node, &facts, now)?;
        Ok(Some(CleanMessage { node, facts, beside, message }))
    }
}
