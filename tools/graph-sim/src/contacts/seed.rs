//! The contacts that somebody has, and what surprises clients about some.

use crate::{
    contacts::routes::DEFAULT,
    core::lists::{Lists, Thing},
    drives::documents,
    sites::state::seed_of,
};
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

const FIRST: &[&str] = &["Amal", "Bruno", "Cleo", "Dana", "Emre", "Zo\u{eb}", "Rene\u{301}"];
const LAST: &[&str] = &["Abbott", "Brook", "Costa", "Dahl", "O'Hara", "\u{160}imi\u{107}", "Zhu"];

/// The folder that every mailbox has, and nothing in it.
pub(crate) fn empty(user: &str) -> Lists {
    let mut lists = Lists::new(seed_of(&format!("contacts {user}")));
    let root = lists.root.clone();
    lists.add_list(&root, Some(DEFAULT), json!({"displayName": "Contacts"}));
    lists
}

/// An ordinary contact.
pub(crate) fn contact(rng: &mut impl Rng) -> Value {
    let pick = |rng: &mut _, names: &[&str]| names.choose(rng).copied().unwrap_or("A").to_owned();
    let (first, last) = (pick(rng, FIRST), pick(rng, LAST));
    let number = rng.random_range(10_000..99_999);
    let name = format!("{first} {last}");
    json!({
        "givenName": first,
        "surname": last,
        "displayName": name,
        "fileAs": format!("{last}, {first}"),
        "emailAddresses": [{"name": name, "address": format!("p{number}@home.example")}],
        "mobilePhone": format!("+44 7700 9{number}"),
        "businessPhones": [], "homePhones": [], "imAddresses": [], "children": [],
        "categories": [],
        "personalNotes": "",
    })
}

/// Fills somebody's contacts: more for staff.
pub(crate) fn fill(lists: &mut Lists, user: &str, staff: bool, now: jiff::Timestamp) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed_of(&format!("contacts of {user}")));
    let at = now - jiff::SignedDuration::from_hours(24 * 150);
    let at = jiff::Timestamp::from_second(at.as_second()).unwrap_or(now);
    let default = lists.default_id(DEFAULT);
    let put = |lists: &mut Lists, folder: &str, contact: Value| {
        let thing = Thing::new(&mut lists.ids, contact, at);
        lists.add(folder, thing)
    };
    for _ in 0..if staff { 6 } else { 2 } {
        put(lists, &default, contact(&mut rng));
    }
    if !staff {
        return;
    }
    let parents = lists.add_list(&default, None, json!({"displayName": "Parents"}));
    let year = lists.add_list(&parents, None, json!({"displayName": "Year 5 / A"}));
    lists.add_list(&default, None, json!({"displayName": "Empty"}));
    for n in 0..8 {
        let folder = if n % 2 == 0 { &parents } else { &year };
        put(lists, folder, contact(&mut rng));
    }
    // Two that are the same; one with an address and no name; one with all that there is.
    let twin = contact(&mut rng);
    put(lists, &parents, twin.clone());
    put(lists, &parents, twin);
    put(
        lists,
        &year,
        json!({"emailAddresses": [{"address": "office@trips.example"}],
        "companyName": "School trips Ltd"}),
    );
    let full = put(lists, &default, everything());
    let picture = documents::png(&mut rng, 32);
    let full = (default.clone(), full);
    lists.change(&full, &[], at, |t| {
        t.photo = Some(picture.into());
        let color = "String {66f5a359-4659-4830-9070-00047ec6ac6e} Name Color";
        t.extended.insert(color.to_owned(), "Green".to_owned());
    });
    if let Some(list) = lists.all.get_mut(&parents) {
        list.unlisted = 1;
    }
}

fn everything() -> Value {
    let address = |street: &str| {
        json!({"street": street, "city": "Riverside", "state": "",
        "countryOrRegion": "United Kingdom", "postalCode": "RS1 2AB"})
    };
    json!({
        "title": "Dr", "givenName": "Marie\u{2011}Ann", "middleName": "de",
        "surname": "Wit; \\ M,n",
        "initials": "M.W.", "generation": "III", "nickName": "\u{1f33b} Mia",
        "displayName": "Dr Marie\u{2011}Ann de Wit III", "fileAs": "Wit, Marie\u{2011}Ann de",
        "yomiGivenName": "\u{30de}\u{30ea}", "yomiSurname": "\u{30a6}\u{30a3}\u{30c3}\u{30c8}",
        "yomiCompanyName": "",
        "companyName": "Clinic \"Sun\"", "department": "Care", "jobTitle": "Doctor",
        "officeLocation": "2.14", "profession": "Physician", "manager": "Bea",
        "assistantName": "Al",
        "spouseName": "Kim", "children": ["Lo", "Jo"],
        "birthday": "1979-02-28T11:59:00Z", "businessHomePage": "https://clinic.example/a?b=c&d",
        "emailAddresses": [
            {"name": "Marie", "address": "marie@clinic.example"},
            {"name": "", "address": "wit+school@home.example"},
            {"name": "Third", "address": "third@home.example"}],
        "imAddresses": ["sip:marie@clinic.example"],
        "businessPhones": ["+44 20 7946 0001", "+44 20 7946 0002"],
        "homePhones": ["+44 20 7946 0003"], "mobilePhone": "+44 7700 900004",
        "businessAddress": address("1 High St\r\nFloor 2"), "homeAddress": address("9 Low St"),
        "otherAddress": {}, "categories": ["Red category", "Parents; A, B"],
        "personalNotes": "Calls on\r\nMondays, never \u{2013} \u{1f4de} \u{2013} at night.\r\n",
    })
}

/// Used by life too: what changes of a contact.
pub(crate) fn edit(rng: &mut impl Rng) -> (&'static str, Value) {
    let number = rng.random_range(10_000..99_999);
    match number % 4 {
        0 => ("mobilePhone", format!("+44 7700 9{number}").into()),
        1 => ("personalNotes", format!("Called about {number}").into()),
        2 => ("categories", json!(["Blue category"])),
        _ => (
            "homeAddress",
            json!({"street": format!("{number} New Rd"), "city": "Riverside",
            "state": "", "countryOrRegion": "", "postalCode": ""}),
        ),
    }
}
