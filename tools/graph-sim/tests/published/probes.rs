//! Requests that Microsoft refuses: whether the simulator does, with the documented status and
//! code.

use super::{
    data::Published,
    refusals, report,
    school::{Answer, School, all_permissions, seeded},
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Whose token a probe carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    /// May do everything.
    All,
    Nobody,
    /// Was valid once.
    Expired,
    /// Text that was never a token.
    Garbage,
    /// May do everything in another tenant.
    Neighbour,
    /// Has one permission that no probe needs.
    Powerless,
}

/// One request that must be refused.
pub(crate) struct Probe {
    pub(crate) area: &'static str,
    /// Which kind of refusal: `unknown property`.
    pub(crate) class: &'static str,
    pub(crate) method: &'static str,
    /// With `{…}` for ids of the seeded tenant.
    pub(crate) template: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: Vec<u8>,
    pub(crate) holder: Holder,
    /// Any of these is the documented status.
    pub(crate) want: &'static [u16],
    /// The documented code, where it is known.
    pub(crate) code: Option<&'static str>,
}

impl Probe {
    pub(crate) fn new(
        area: &'static str,
        class: &'static str,
        method: &'static str,
        template: impl Into<String>,
        want: &'static [u16],
    ) -> Self {
        Self {
            area,
            class,
            method,
            template: template.into(),
            query: String::new(),
            headers: vec![("content-type", "application/json")],
            body: Vec::new(),
            holder: Holder::All,
            want,
            code: None,
        }
    }

    pub(crate) fn query(mut self, query: impl Into<String>) -> Self {
        self.query = query.into();
        self
    }

    pub(crate) fn body(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self
    }

    pub(crate) fn bytes(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.retain(|(n, _)| *n != name);
        self.headers.push((name, value));
        self
    }

    pub(crate) fn by(mut self, holder: Holder) -> Self {
        self.holder = holder;
        self
    }

    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }
}

struct Run {
    all: BTreeSet<String>,
}

impl Run {
    fn ask(&self, p: &Probe) -> Option<Answer> {
        let school = School::with(&self.all);
        // Ids of the tenant, or the path as it stands.
        let path = school.fill(&p.template, None, &|_, _, _| {})?;
        let names: Vec<&str> = self.all.iter().map(String::as_str).collect();
        let token = match p.holder {
            Holder::All => school.token.clone(),
            Holder::Nobody => String::new(),
            Holder::Garbage => "not.a.token".to_owned(),
            Holder::Neighbour => school.sim.token(1, &names).unwrap(),
            Holder::Powerless => school.sim.token(0, &["Printer.Read.All"]).unwrap(),
            Holder::Expired => {
                let old = school.sim.token(0, &names).unwrap();
                school.sim.clock().advance(std::time::Duration::from_secs(100_000));
                old
            }
        };
        let target = match p.query.is_empty() {
            true => path,
            false => format!("{path}?{}", p.query),
        };
        Some(school.send(&token, p.method, &target, &p.headers, p.body.clone()))
    }
}

/// What the first measurement found refused, by area.
const BEFORE: &[(&str, usize)] = &[
    ("batch", 5),
    ("directory", 26),
    ("drives", 29),
    ("groups", 14),
    ("intune", 56),
    ("mail", 56),
    ("settings", 189),
    ("users", 9),
];

/// `floor` is how many were refused as documented; it may only rise.
pub(crate) fn run(data: &Published, floor: usize) {
    let run = Run { all: all_permissions(data) };
    let _ = seeded();
    let probes = refusals::all();
    let mut table: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    let mut lines = vec!["right\tarea\tclass\tmethod\tpath\twant\tgot\tcode\tmessage".to_owned()];
    let mut right_in_all = 0;
    for p in &probes {
        let answer = run.ask(p);
        let right = answer.as_ref().is_some_and(|a| {
            p.want.contains(&a.status)
                && p.code.is_none_or(|c| a.code() == c)
                && a.body["error"].is_object()
        });
        let cell = table.entry((p.area, p.class)).or_default();
        cell.1 += 1;
        cell.0 += usize::from(right);
        right_in_all += usize::from(right);
        let (status, code, message) = match &answer {
            Some(a) => (a.status, a.code().to_owned(), a.message().to_owned()),
            None => (0, String::new(), "the path is not simulated".to_owned()),
        };
        lines.push(format!(
            "{}\t{}\t{}\t{}\t{}{}{}\t{:?}{}\t{status}\t{code}\t{message}",
            if right { "yes" } else { "NO" },
            p.area,
            p.class,
            p.method,
            p.template,
            if p.query.is_empty() { "" } else { "?" },
            p.query,
            p.want,
            p.code.unwrap_or_default(),
        ));
    }
    report::write("probes.tsv", &lines);
    println!("{:<12}{:<34}{:>8}{:>5}", "area", "refusal", "refused", "of");
    let mut areas: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for ((area, class), (right, of)) in &table {
        println!("{area:<12}{class:<34}{right:>8}{of:>5}");
        let sum = areas.entry(area).or_default();
        sum.0 += right;
        sum.1 += of;
    }
    println!("{:<46}{:>8}{:>5}{:>8}", "all of an area", "refused", "of", "before");
    for (area, (right, of)) in &areas {
        let before = BEFORE.iter().find(|(a, _)| a == area).map_or(0, |(_, n)| *n);
        println!("{area:<46}{right:>8}{of:>5}{before:>8}");
    }
    println!("{right_in_all} of {} refused as documented", probes.len());
    assert!(probes.len() >= 150);
    assert!(right_in_all >= floor, "{right_in_all} probes are refused; there were {floor}");
}
