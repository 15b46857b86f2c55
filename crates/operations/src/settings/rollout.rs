use super::ApplyReport;
use crate::{Error, Kind, School};
use strongroom_model::Ending;

/// A round over several schools: one first, and the others when all went well there. Whoever runs
/// it asks between the first and the others.
pub struct Rollout {
    schools: Vec<School>,
    endings: Vec<Ending>,
    /// Nothing more is begun.
    over: bool,
}

/// What follows when it went somehow in a school.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoOn {
    /// The next, if there is one.
    Yes,
    /// It went well in the first: so many others follow, when somebody says so.
    WhenAgreed(usize),
    /// It did not go well in the first: so many others are left alone.
    No(usize),
}

impl Rollout {
    /// Over these schools, this one first; the first of them where none is named.
    ///
    /// # Errors
    /// [`Kind::Request`], where none of them bears the name, or there is none.
    pub fn new(mut schools: Vec<School>, first: Option<&str>) -> Result<Self, Error> {
        if let Some(first) = first {
            let at = schools.iter().position(|school| school.name() == first).ok_or_else(|| {
                Error::new(Kind::Request, format!("there is no tenant {first:?} to go first"))
            })?;
            schools[..=at].rotate_right(1);
        }
        Ok(Self { schools, endings: Vec::new(), over: false })
    }

    /// The school that is next; none, when it is over.
    pub fn next(&self) -> Option<School> {
        self.schools.get(self.endings.len()).filter(|_| !self.over).cloned()
    }

    /// Those in which nothing was begun.
    pub fn left_alone(&self) -> &[School] {
        self.schools.get(self.endings.len()..).unwrap_or_default()
    }

    /// Leaves the others alone.
    pub fn stop(&mut self) {
        self.over = true;
    }

    /// What came of it in the school that was next: what was done there, nothing where somebody
    /// said no, or an error.
    pub fn went<E>(&mut self, how: &Result<Option<&ApplyReport>, E>) -> GoOn {
        let ending = match how {
            Ok(Some(applied)) => applied.ending(),
            Ok(None) => Ending::Failed,
            // What was done until then is done.
            Err(_) => Ending::Partial,
        };
        self.ended(ending, matches!(how, Ok(Some(applied)) if applied.is_whole()))
    }

    /// Nothing was done in the school that was next: somebody else must approve of it first.
    pub fn waits(&mut self) -> GoOn {
        self.ended(Ending::Waiting, false)
    }

    fn ended(&mut self, ending: Ending, is_well: bool) -> GoOn {
        let is_first = self.endings.is_empty();
        self.endings.push(ending);
        let others = self.left_alone().len();
        if !is_first || others == 0 {
            return GoOn::Yes;
        }
        if is_well {
            return GoOn::WhenAgreed(others);
        }
        self.over = true;
        GoOn::No(others)
    }

    /// How it ended.
    pub fn ending(&self) -> Ending {
        match Ending::of_several(&self.endings) {
            Ending::Done if !self.left_alone().is_empty() => Ending::Partial,
            ending => ending,
        }
    }
}
