//! The smallest life that shows the same: nights are left out, then events, as long as the class
//! of defect still shows.

use crate::{
    Life, Violation,
    violation::class,
    year::{needs_stock, told_for},
};
use graph_sim::year::Event;
use std::collections::BTreeSet;

/// Nights that are told again for one shrinking: a number, not a time, so that the outcome does not
/// hang on the machine.
const NIGHTS_MAX: usize = 600;

/// What a restore by a stock client counts as.
const STOCK_NIGHTS: usize = 6;

struct Shrinker<'a> {
    finding: &'a Violation,
    nights_left: usize,
}

impl Shrinker<'_> {
    fn shows(&mut self, life: &Life) -> bool {
        // A stock client's restore costs as much as some nights.
        let restore = if needs_stock(&self.finding.law) { STOCK_NIGHTS } else { 0 };
        self.nights_left = self.nights_left.saturating_sub(life.nights.len() + 1 + restore);
        told_for(life, &self.finding.law)
            .is_ok_and(|found| found.iter().any(|f| f.is_like(self.finding)))
    }

    fn has_time(&self) -> bool {
        self.nights_left > 0
    }

    /// Leaves out pieces of a list, large ones first, as long as `with` of the rest still shows.
    fn thin<T: Clone>(&mut self, all: &mut Vec<T>, with: impl Fn(&[T]) -> Life) {
        let mut piece = all.len().div_ceil(2).max(1);
        loop {
            let mut at = 0;
            while at < all.len() && self.has_time() {
                let mut rest = all.clone();
                rest.drain(at..(at + piece).min(all.len()));
                match self.shows(&with(&rest)) {
                    true => *all = rest,
                    false => at += piece,
                }
            }
            if piece == 1 || !self.has_time() {
                return;
            }
            piece = piece.div_ceil(2);
        }
    }
}

/// The smallest life found that shows a finding's class. The life itself when nothing smaller does.
pub fn shrink(life: &Life, finding: &Violation) -> Life {
    shrink_within(life, finding, NIGHTS_MAX)
}

/// The smallest life found that shows a finding's class. The life itself when nothing smaller does.
pub(crate) fn shrink_within(life: &Life, finding: &Violation, nights_max: usize) -> Life {
    let mut s = Shrinker { finding, nights_left: nights_max };
    let mut best = life.clone();
    best.nights.truncate(finding.night + 1);
    let last = best.nights.len() - 1;
    // Most defects need one person, and few nights.
    let mine = |e: &Event| match finding.person {
        Some(p) => e.people().contains(&p) || e.people().is_empty(),
        None => true,
    };
    let thing = |e: &Event| finding.thing.is_some() && e.thing() == finding.thing;
    let guesses: Vec<Life> = [1, 2, 4, 8, usize::MAX]
        .into_iter()
        .flat_map(|back: usize| {
            let from = (last + 1).saturating_sub(back);
            let pick = |n: usize, day: &Vec<Event>, own: bool| {
                day.iter()
                    .filter(|e| {
                        (n >= from && (!own || mine(e)))
                            || (n < from && (thing(e) || is_birth(e, finding)))
                    })
                    .cloned()
                    .collect::<Vec<_>>()
            };
            [true, false].map(|own| {
                let mut nights: Vec<Vec<_>> =
                    best.nights.iter().enumerate().map(|(n, day)| pick(n, day, own)).collect();
                let kept_from = from.min(last);
                let mut n = 0;
                nights.retain(|day| {
                    n += 1;
                    !day.is_empty() || n > kept_from
                });
                // One night before all of it, to stand on.
                nights.insert(0, Vec::new());
                Life { nights, ..best.clone() }
            })
        })
        .collect();
    for guess in guesses {
        if !s.has_time() {
            break;
        }
        if s.shows(&guess) {
            best = guess;
            break;
        }
    }
    let school = best.school.clone();
    s.thin(&mut best.nights, |nights| Life { school: school.clone(), nights: nights.to_vec() });
    let count = best.nights.len();
    let mut events: Vec<(usize, Event)> = best
        .nights
        .iter()
        .enumerate()
        .flat_map(|(n, day)| day.iter().map(move |e| (n, e.clone())))
        .collect();
    let arranged = |events: &[(usize, Event)]| {
        let mut nights = vec![Vec::new(); count];
        for (n, e) in events {
            nights[*n].push(e.clone());
        }
        Life { school: school.clone(), nights }
    };
    s.thin(&mut events, arranged);
    best = arranged(&events);
    s.thin(&mut best.nights, |nights| Life { school: school.clone(), nights: nights.to_vec() });
    best
}

/// Whether an event makes the person or thing of a finding.
fn is_birth(event: &Event, finding: &Violation) -> bool {
    use graph_sim::year::Event as E;
    match event {
        E::Join { person, .. } | E::Recreate { person, .. } => Some(*person) == finding.person,
        E::MailFolder { person, .. } | E::Folder { person, .. } => Some(*person) == finding.person,
        E::ManyContacts { person, .. } | E::ManyTasks { person, .. } => {
            Some(*person) == finding.person
        }
        E::ReplaceFile { file, .. } => Some(*file) == finding.thing,
        _ => false,
    }
}

/// The class of a life that was shrunk: the law, and the kinds of all events that it takes.
pub fn class_of(law: &str, life: &Life) -> String {
    let kinds: BTreeSet<String> = life
        .nights
        .iter()
        .flatten()
        .map(|e| match e {
            Event::Refuse { status, times, .. } => {
                let how = if *times > 10 { "all night" } else { "once" };
                format!("refuse {status} {how}")
            }
            e => e.kind(),
        })
        .collect();
    class(law, &kinds)
}
