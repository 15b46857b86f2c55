//! What is out of sight, and what one side never looked at.

use super::{Change, ChangeKind, Property, Rank};
use std::collections::BTreeSet;
use strongroom_model::{CollectionState, ConfigCollection, ConfigObject};
use strongroom_settings::row;

/// What is told of a collection as a whole, beside what is told of its objects.
const ALL_OF_IT: &str = "all of it";

/// A collection that is out of sight now, whatever the service calls it, or that was emptied.
/// That a permission was taken away is told for all collections together.
pub(super) fn lost_at_once(
    name: &str,
    left: &ConfigCollection,
    right: &ConfigCollection,
) -> Option<Change> {
    let count = left.objects.len();
    let told = match &right.state {
        CollectionState::NoPermission { .. } if left.state.is_collected() => None,
        state if state.is_lost_since(&left.state) => {
            // The service was away: the next round sees, or says so again.
            let away = matches!(state, CollectionState::Failed { .. });
            let rank = if away { Rank::Medium } else { Rank::High };
            let lack = state.lack();
            Some((
                rank,
                format!("{name} is out of sight ({lack}); what was there ({count}) is kept"),
            ))
        }
        _ if left.state.has_objects() && count > 1 && right.objects.is_empty() => {
            Some((Rank::High, format!("{name} was emptied: all {count} are gone at once")))
        }
        _ => None,
    };
    told.map(|(rank, says)| Change {
        rank,
        collection: name.to_owned(),
        object: ALL_OF_IT.to_owned(),
        kind: ChangeKind::Lost,
        says: says.into(),
        properties: Vec::new(),
        by: Vec::new(),
        known_as: BTreeSet::new(),
    })
}

/// Whether both sides asked for what differs: what one did not ask for is no difference.
pub(super) fn was_asked_for(
    collection: &str,
    property: &Property,
    old: &ConfigObject,
    new: &ConfigObject,
) -> bool {
    let root = property.path.as_str().split(['.', '[']).next().unwrap_or_default();
    row(collection).is_none_or(|r| !r.normalizer.read_since.contains(&root))
        || [old, new].iter().all(|side| side.body.get(root).is_some())
}
