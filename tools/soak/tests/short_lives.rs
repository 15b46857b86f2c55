//! Short lives: the same seed tells the same, a life goes on where it stopped, and what is taken
//! from a snapshot or a report is found.
#![allow(clippy::unwrap_used)]

use graph_sim::{NOT_YET, year::Event};
use soak::{Life, School, SchoolPlan, Taken, Violation, told, truths, year};
use std::collections::BTreeSet;

/// A small school without what the product is known not to stand.
fn plan() -> SchoolPlan {
    SchoolPlan { people: 3, messages: 4, withheld: NOT_YET.iter().copied().collect() }
}

fn mail(mail: u32) -> Event {
    let folder = "inbox".to_owned();
    Event::Mail { person: 0, mail, folder, words: 9, html: false, attachment: true }
}

#[test]
fn a_seed_tells_the_same_life_and_the_same_findings_whether_it_stopped_in_between_or_not() {
    let all = year::run(plan(), 3, 6, None, |_| true).unwrap();
    let again = year::run(plan(), 3, 6, None, |_| true).unwrap();
    assert_eq!(all.life, again.life);
    assert_eq!(all.findings, again.findings);
    assert!(all.life.nights.iter().map(Vec::len).sum::<usize>() > 20, "something happened");

    let half = year::run(plan(), 3, 6, None, |y| y.life.nights.len() < 3).unwrap();
    assert_eq!(half.life.nights.len(), 3);
    let whole = year::run(plan(), 3, 6, Some(half.clone()), |_| true).unwrap();
    assert_eq!(whole.life, all.life);
    assert_eq!(whole.findings, all.findings);

    let error = year::run(plan(), 4, 6, Some(half), |_| true).unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
}

#[test]
fn a_few_quiet_nights_and_an_ordinary_day_break_no_law() {
    let day = vec![mail(1), Event::Read { person: 0, mail: 1, read: true }];
    let nights = vec![Vec::new(), day, Vec::new()];
    let found = told(&Life { school: plan(), nights }).unwrap();
    let sharing = |law: &str| law == "file/sharing-not-named";
    let other: Vec<_> = found.iter().filter(|f| !sharing(&f.law)).collect();
    assert!(other.is_empty(), "{other:#?}");
}

#[test]
fn what_the_snapshot_lacks_is_found() {
    for (taken, law) in [
        (Taken::Message, "message/missing"),
        (Taken::File, "file/missing"),
        (Taken::LibraryFile, "library-file/missing"),
        (Taken::Thing("contacts"), "contact/missing"),
        (Taken::Thing("tasks"), "task/missing"),
        (Taken::Record("contacts"), "contact/displayName"),
        (Taken::Record("tasks"), "task/title"),
    ] {
        let mut school = School::new(&plan()).unwrap();
        let before = school.night(&[mail(1)]).unwrap();
        assert!(before.iter().all(|f| f.law != law), "{before:#?}");
        school.without(taken);
        let after = school.night(&[]).unwrap();
        assert_eq!(after.iter().filter(|f| f.law == law).count(), 1, "{after:#?}");
    }
}

#[test]
fn what_the_tenant_has_more_than_it_told_or_less_is_found_of_things_and_libraries() {
    use graph_sim::{DriveAct, ListAct};
    let add = Event::ManyTasks { person: 0, tasks: 3, seed: 5 };
    let edit = Event::Contacts { person: 0, act: ListAct::Edit, seed: 7 };
    let library = Event::Library { act: DriveAct::Delete, seed: 3 };
    for (event, law) in [
        (add, "task/missing"),
        (edit, "contact/lastModifiedDateTime"),
        (library, "library-file/extra"),
    ] {
        let mut school = School::new(&plan()).unwrap();
        school.night(&[]).unwrap();
        // It is judged by what the tenant holds after the backup.
        school.without(Taken::News);
        let found = school.night(std::slice::from_ref(&event)).unwrap();
        assert!(found.iter().any(|f| f.law == law), "{law}: {found:#?}");
    }
}

#[test]
fn a_purge_of_contacts_tasks_or_library_files_alarms_or_is_found() {
    let seed = 1;
    let lives = [
        (
            vec![Event::ManyContacts { person: 0, contacts: 60, seed }],
            Event::PurgeContacts { person: 0, percent: 50 },
            "alarm/missing-purge-contacts",
        ),
        (
            vec![Event::ManyTasks { person: 0, tasks: 60, seed }],
            Event::PurgeTasks { person: 0, percent: 50 },
            "alarm/missing-purge-tasks",
        ),
        (
            (0..300).map(|seed| Event::LibraryFile { seed }).collect(),
            Event::PurgeLibrary { percent: 80, seed },
            "alarm/missing-purge-library",
        ),
    ];
    for (grow, purge, law) in lives {
        for taken in [None, Some(Taken::Alarms)] {
            let mut school = School::new(&plan()).unwrap();
            let mut found = school.night(&grow).unwrap();
            school.without(taken);
            found.extend(school.night(std::slice::from_ref(&purge)).unwrap());
            let wanted = usize::from(taken.is_some());
            let told = found.iter().filter(|f| f.law == law).count();
            assert_eq!(told, wanted, "{law} {taken:?}: {found:#?}");
            assert!(taken.is_some() || found.is_empty(), "{found:#?}");
        }
    }
}

#[test]
fn the_nights_of_the_probes_break_no_law_with_all_that_the_product_stands() {
    let school = SchoolPlan { people: 6, ..plan() };
    let found = told(&Life { school, nights: truths::script() }).unwrap();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn who_may_no_longer_sign_in_is_backed_up_like_anybody() {
    let mut school = School::new(&plan()).unwrap();
    let mut found = school.night(&[mail(1)]).unwrap();
    let days = [
        vec![Event::Disable { person: 0 }, mail(2)],
        vec![mail(3), Event::Read { person: 0, mail: 2, read: true }],
        vec![Event::Enable { person: 0 }, mail(4)],
        vec![Event::Disable { person: 0 }, Event::Leave { person: 0 }],
    ];
    for day in days {
        found.extend(school.night(&day).unwrap());
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn settings_that_were_not_read_anew_are_found_and_so_is_a_change_that_nobody_made() {
    let change = || [Event::Settings { name: "ca-off".to_owned() }];
    let of = |found: Vec<Violation>| -> BTreeSet<String> {
        found.into_iter().map(|f| f.law).filter(|l| l.starts_with("settings/")).collect()
    };
    let mut school = School::new(&plan()).unwrap();
    assert_eq!(of(school.night(&[]).unwrap()), BTreeSet::new());
    school.without(Taken::Settings);
    let missed = BTreeSet::from(["settings/missed".to_owned()]);
    assert_eq!(of(school.night(&change()).unwrap()), missed);
    school.without(None);
    // The seventh night reads them though nobody changed anything since.
    let mut later = BTreeSet::new();
    for _ in 2..=7 {
        later.extend(of(school.night(&[]).unwrap()));
    }
    assert_eq!(later, BTreeSet::from(["settings/false".to_owned()]));
}

#[test]
fn a_purge_of_twenty_of_a_hundred_messages_alarms_or_is_found() {
    let grow = Event::ManyMails { person: 0, messages: 60, seed: 1 };
    let purge = Event::PurgeMany { person: 0, percent: 50 };
    let alarms_missing = |taken: Option<Taken>| {
        let mut school = School::new(&plan()).unwrap();
        let mut found = school.night(std::slice::from_ref(&grow)).unwrap();
        if let Some(taken) = taken {
            school.without(taken);
        }
        found.extend(school.night(std::slice::from_ref(&purge)).unwrap());
        found.iter().filter(|f| f.law == "alarm/missing-purge-many").count()
    };
    assert_eq!(alarms_missing(None), 0, "the product raises it");
    assert_eq!(alarms_missing(Some(Taken::Alarms)), 1, "a report without alarms is found");
}
