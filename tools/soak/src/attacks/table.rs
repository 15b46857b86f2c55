//! What is printed of outcomes.

use super::outcome::Outcome;
use std::fmt::Write;

fn at(n: Option<usize>) -> String {
    n.map_or_else(|| "-".to_owned(), |n| n.to_string())
}

/// A table, and for each attack that broke a law what broke, with some items.
pub(super) fn of(outcomes: &[Outcome]) -> String {
    let mut text = String::from(
        "| attack | hit | alarm at (due by) | tags | back of wanted | older | honest lost | set \
         aside | planted: left, aside, destroyed |\n| --- | --- | --- | --- | --- | --- | --- | \
         --- | --- |\n",
    );
    for o in outcomes {
        let place = match o.back - o.in_place {
            0 => String::new(),
            n => format!(", {n} misplaced"),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} ({}) | {} of {} | {} of {}{place} | {} | {} of {} | {} | {}: {}, {}, \
             {} |",
            o.attack,
            o.hit,
            at(o.alarm_at),
            at(o.due_at),
            o.tags.1,
            o.tags.0,
            o.back,
            o.wanted,
            o.older,
            o.honest_lost,
            o.honest,
            o.honest_aside,
            o.planted,
            o.planted_left,
            o.planted_aside,
            o.planted_destroyed,
        );
    }
    let is_red = |o: &&Outcome| !o.broken.is_empty();
    let red = outcomes.iter().filter(is_red).count();
    let _ = writeln!(text, "\n{red} of {} attacks broke a law", outcomes.len());
    for o in outcomes.iter().filter(is_red) {
        let _ = writeln!(text, "\n{} (seed {}): {}", o.attack, o.seed, o.says);
        for law in &o.broken {
            let _ = writeln!(text, "  BROKEN {law}");
        }
        let _ = writeln!(text, "  restore: {}", o.restore);
        for alarm in o.alarms.iter().take(4) {
            let _ = writeln!(text, "  {alarm}");
        }
        for (kind, some) in &o.examples {
            let _ = writeln!(text, "  {kind}: {}", some.join("; "));
        }
    }
    text
}
