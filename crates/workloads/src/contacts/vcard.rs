//! A contact as a vCard 3.0 (RFC 2426), which every address book opens.

use crate::things::Part;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use calcard::vcard::{
    VCard, VCardEntry, VCardParameter, VCardProperty as P, VCardType, VCardValue, VCardVersion,
};
use serde_json::Value;

/// The MIME type of a picture, by its first bytes.
pub(super) fn picture(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', ..] => Some("image/gif"),
        _ => None,
    }
}

/// A text with the ends of lines that a vCard has.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// A contact with its picture.
pub(super) fn write(v: &Value, photo: Option<&(Part, Bytes)>) -> String {
    let text = |name: &str| v[name].as_str().map(str::trim).filter(|t| !t.is_empty());
    let texts = |name: &str| -> Vec<String> {
        let all = v[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        all.filter(|t| !t.is_empty()).map(str::to_owned).collect()
    };
    let mut card = VCard::default();
    let mut add = |entry: VCardEntry| card.entries.push(entry);
    let one = |name: P, value: &str| VCardEntry::new(name).with_value(lines(value));
    add(one(P::Fn, &<super::Contacts as crate::things::Thing>::name(v)));
    let names = ["surname", "givenName", "middleName", "title", "generation"]
        .map(|n| VCardValue::Text(text(n).unwrap_or_default().to_owned()));
    add(VCardEntry::new(P::N).with_values(names.to_vec()));
    for (name, property) in [
        (P::Nickname, "nickName"),
        (P::Title, "jobTitle"),
        (P::Role, "profession"),
        (P::Url, "businessHomePage"),
        (P::Note, "personalNotes"),
        (P::Uid, "id"),
    ] {
        if let Some(value) = text(property) {
            add(one(name, value));
        }
    }
    if let Some(day) = text("birthday").and_then(|b| b.get(..10)) {
        add(one(P::Bday, day));
    }
    let organization = ["companyName", "department", "officeLocation"].map(text);
    if organization.iter().any(Option::is_some) {
        let parts = organization.map(|t| VCardValue::Text(t.unwrap_or_default().to_owned()));
        add(VCardEntry::new(P::Org).with_values(parts.to_vec()));
    }
    for address in v["emailAddresses"].as_array().into_iter().flatten() {
        if let Some(address) = address["address"].as_str().filter(|a| !a.is_empty()) {
            add(one(P::Email, address));
        }
    }
    let phones = [("businessPhones", VCardType::Work), ("homePhones", VCardType::Home)];
    for (property, kind) in phones {
        for number in texts(property) {
            add(one(P::Tel, &number).with_param(VCardParameter::typ(kind.clone())));
        }
    }
    if let Some(number) = text("mobilePhone") {
        add(one(P::Tel, number).with_param(VCardParameter::typ(VCardType::Cell)));
    }
    for number in texts("imAddresses") {
        add(one(P::Impp, &number));
    }
    let places = [
        ("businessAddress", Some(VCardType::Work)),
        ("homeAddress", Some(VCardType::Home)),
        ("otherAddress", None),
    ];
    for (property, kind) in places {
        let parts = ["street", "city", "state", "postalCode", "countryOrRegion"]
            .map(|n| lines(v[property][n].as_str().unwrap_or_default()));
        if parts.iter().all(String::is_empty) {
            continue;
        }
        // Post office box and the rest of an address come first.
        let values = [String::new(), String::new()].into_iter().chain(parts);
        let entry = VCardEntry::new(P::Adr).with_values(values.map(VCardValue::Text).collect());
        add(entry.with_param_opt(kind.map(VCardParameter::typ)));
    }
    let categories = texts("categories");
    if !categories.is_empty() {
        let all = categories.into_iter().map(VCardValue::Text).collect();
        add(VCardEntry::new(P::Categories).with_values(all));
    }
    if let Some((part, bytes)) = photo {
        let kind = part.content_type.as_deref().and_then(|t| t.strip_prefix("image/"));
        let entry = one(P::Photo, &STANDARD.encode(bytes));
        let entry = entry.with_param(VCardParameter::new(
            calcard::vcard::VCardParameterName::Other("ENCODING".into()),
            "b".to_owned(),
        ));
        add(entry.with_param_opt(kind.map(|k| VCardParameter::typ(k.to_uppercase()))));
    }
    let mut out = String::new();
    // A text takes everything.
    let _ = card.write_to(&mut out, VCardVersion::V3_0);
    out
}
