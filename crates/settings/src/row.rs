//! The form of a row.

use serde::Serialize;
use serde_json::Value;

/// All that is known of a collection.
#[derive(Debug)]
pub struct Row {
    /// Where it stands in a snapshot, and what it is called everywhere: `area/kind`.
    pub name: &'static str,
    /// How it is read.
    pub reader: Reader,
    /// How its objects become what is kept.
    pub normalizer: Normalizer,
    /// How, and after what, its objects are put back; or why they are not.
    pub setter: Back,
    /// How grave a change of it is that says nothing graver by itself.
    pub rank: Ranks,
    /// What it means that it was answered and holds nothing.
    pub empty: Empty,
}

impl Row {
    /// How it is put back, if it is.
    pub fn setter(&self) -> Option<&Setter> {
        match &self.setter {
            Back::By(setter) => Some(setter),
            Back::Not(_) => None,
        }
    }

    /// Whether it comes from Tenant Configuration Management, which is rationed.
    pub fn is_managed(&self) -> bool {
        matches!(self.reader, Reader::Managed(_))
    }
}

/// How a collection is read.
#[derive(Debug, Clone, Copy)]
pub enum Reader {
    /// Graph answers it.
    Graph(Ask),
    /// A job of Tenant Configuration Management gives it; the type of resource, as that calls it.
    Managed(&'static str),
    /// It is made of what others hold.
    Derived(Derived),
    /// No interface that is known for certain gives it: where a person finds it.
    None(&'static str),
}

/// What is asked of Graph.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// Below the version.
    pub target: &'static str,
    /// Asked of `beta`, because v1.0 lacks what rules need.
    pub beta: bool,
    /// The least permission of an application that reads it.
    pub permission: &'static str,
    /// What its absence means when the service denies it although the permission is there.
    pub licence: Option<&'static str>,
    /// The limit that it counts against.
    pub limit: Limit,
    /// Lists of each object that its own answer does not hold: asked for one by one, in batches.
    pub parts: &'static [ReadPart],
}

/// A list that belongs to an object and is asked for by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadPart {
    /// What it is called in the object, and the last part of its path.
    pub property: &'static str,
    /// Whether only the ids of its rows are settings: the rows are people and the like.
    pub ids: bool,
}

/// Which published limit a collection counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Conditional Access and named locations: one request a second for a tenant.
    Policies,
    /// The directory.
    Directory,
    /// Intune.
    Intune,
    /// Alerts and scores.
    Security,
}

/// Collections that are made of what others hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Derived {
    /// How federated domains sign people in.
    Federation,
    /// What applications may do in Microsoft Graph by themselves.
    Permissions,
    /// Groups that settings name.
    Groups,
    /// People with roles.
    People,
}

/// How an object becomes what is kept.
#[derive(Debug, Clone, Copy)]
pub struct Normalizer {
    /// One or many.
    pub shape: Shape,
    /// What people know an object by.
    pub naming: Naming,
    /// Properties that change without anybody changing a setting, beside those that are the same
    /// everywhere.
    pub volatile: &'static [&'static str],
    /// What the symbols of its objects begin with; the last part of the name when nothing is said.
    pub symbol: Option<&'static str>,
    /// Whether an object's id belongs to this tenant alone, whose id comes second: others may name
    /// it by a symbol. What Microsoft ships has the same id everywhere and keeps it, so that nobody
    /// can take its place by taking its name.
    pub own: fn(&Value, &str) -> bool,
    /// Whether an object is kept at all.
    pub kept: fn(&Value) -> bool,
    /// Where its objects name people and groups.
    pub principals: Principals,
    /// Properties that show another object whole, of which its id is the setting.
    pub by_id: &'static [&'static str],
    /// Whether what is given has a start, which is no setting: that there was one is.
    pub starts: bool,
    /// Whether the service makes its objects anew, with other ids, whenever they are touched.
    pub fleeting: bool,
    /// Properties that older programs did not ask for: a snapshot without them says nothing.
    pub read_since: &'static [&'static str],
}

/// Whether there is one of it or many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One object, named by the last part of its collection.
    One,
    /// A list.
    Many,
}

/// What an object is called.
#[derive(Debug, Clone, Copy)]
pub enum Naming {
    /// By the first of these properties that is there.
    First(&'static [&'static str]),
    /// By all of these properties together.
    Join(&'static [&'static str]),
}

/// Where an object names people and groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principals {
    /// Nowhere that is followed.
    Nowhere,
    /// Below this place, a JSON pointer; empty for the object as a whole.
    Below(&'static str),
    /// There, and whoever it is has power: facts of such people, and members of such groups, are
    /// read too.
    Powerful(&'static str),
}

/// Whether a collection is put back.
#[derive(Debug, Clone, Copy)]
pub enum Back {
    /// So.
    By(Setter),
    /// It is not, for this reason.
    Not(&'static str),
}

/// How a collection is put back, and when.
#[derive(Debug, Clone, Copy)]
pub struct Setter {
    /// What others stand on has a lower number. No two have the same.
    pub order: u16,
    /// Below the version. `{property}` is that property of the object.
    pub target: &'static str,
    /// How.
    pub how: SetMethod,
    /// The application permission that it needs.
    pub permission: &'static str,
    /// Asked of `beta`.
    pub beta: bool,
    /// Whether an object that is made has the id that it had: it is known by a name of its own.
    pub keeps_id: bool,
    /// The type that is sent with an object whose own answer does not say it: the list that it is
    /// given to is of a wider one.
    pub kind: Option<&'static str>,
    /// Where what was deleted is had back, with `{id}`.
    pub undelete: Option<&'static str>,
    /// Why an object that is gone is not made anew.
    pub unmakeable: Option<&'static str>,
    /// Properties that are given when an object is made and that a later call cannot change, and
    /// why.
    pub fixed: &'static [(&'static str, &'static str)],
    /// Properties that are never written, and why.
    pub never: &'static [(&'static str, &'static str)],
    /// Properties that follow from others: they are not written, and come right with those.
    pub follows: &'static [&'static str],
    /// Lists of an object that calls of their own set.
    pub parts: &'static [Part],
}

/// How one kind of object is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetMethod {
    /// PATCH of the one object.
    One,
    /// PUT of the one object, whole.
    Replaced,
    /// PATCH of the one object by its id.
    OneById,
    /// POST to the list, PATCH and DELETE by id.
    Many,
    /// POST to the list, PUT of the whole object and DELETE by id.
    Wholes,
    /// POST to the list and DELETE by id; what is given is never changed.
    Given,
    /// A list whose objects are deleted and never made here.
    DeleteOnly,
    /// Authentication methods: the policy, and each method by its id.
    Methods,
    /// Groups: their members.
    Members,
    /// Activation of roles: each rule by its id.
    Rules,
    /// Eligibility: by requests.
    Requests,
}

/// How a list that belongs to an object is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartSetMethod {
    /// An action below the object takes the whole list, under this name.
    Whole {
        /// The action.
        action: &'static str,
        /// What its body calls the list.
        within: &'static str,
    },
    /// Members are added and taken away by reference.
    References,
    /// Rows are made and deleted by themselves.
    Rows,
    /// With the whole object.
    Object,
}

/// A list that belongs to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// What it is called in the object, and in paths.
    pub property: &'static str,
    /// How it is set.
    pub how: PartSetMethod,
    /// Whether it is sent with the object when that is made.
    pub with_object: bool,
}

/// How grave a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rank {
    /// What attackers do first.
    Critical,
    /// Opens a way, or closes somebody's eyes.
    High,
    /// Worth a look.
    Medium,
    /// Everyday.
    Low,
}

/// How grave it is what became of an object, and what an object is called in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranks {
    /// It is new.
    pub added: Rank,
    /// Some of its settings differ.
    pub changed: Rank,
    /// It is gone.
    pub removed: Rank,
    /// Another object bears its name.
    pub replaced: Rank,
    /// Before its name, such as `the place `.
    pub called: &'static str,
}

/// What it means that a collection was answered and holds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    /// There is none.
    Fine,
    /// Every tenant has one, so something is wrong.
    Wrong,
    /// Every tenant that has this licence has one.
    Unlicensed(&'static str),
}
