//! What rules see: the configuration, and what people decided about it.

use crate::{
    policies::AccessPolicy,
    rule::{Concern, Skip},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use strongroom_model::{
    ConfigObject, Configuration,
    collections::{directory, identity},
    decision::{Decided, Decision, DecisionKind},
};

/// An account that policies may leave out, because somebody decided so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exclusion {
    /// A user's sign-in name, a group's name, or the object id of either.
    pub who: String,
    /// `break-glass` or `service`.
    pub kind: String,
    /// Why.
    pub reason: String,
    /// The last day on which it holds; always, when there is none.
    #[serde(default, deserialize_with = "day_if_any")]
    pub until: Option<jiff::civil::Date>,
}

impl Exclusion {
    /// The decision that it is: an exception.
    pub fn decision(&self) -> Decision {
        let subject = format!("{}: {}", self.kind, self.who);
        Decision {
            until: self.until,
            ..Decision::new(DecisionKind::Exception, subject, &*self.reason)
        }
    }
}

/// A finding that somebody decided to live with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// The rule, or the kind of change.
    pub rule: String,
    /// The object, as findings name it; all of the rule's, when there is none.
    #[serde(default)]
    pub object: Option<String>,
    /// Why.
    pub reason: String,
    /// Who decided.
    pub by: String,
    /// The last day on which it holds.
    #[serde(deserialize_with = "day")]
    pub until: jiff::civil::Date,
}

impl Acceptance {
    /// The decision that it is.
    pub fn decision(&self) -> Decision {
        let subject = match &self.object {
            Some(object) => format!("{} at {object}", self.rule),
            None => self.rule.clone(),
        };
        Decision {
            person: Some(self.by.clone()),
            until: Some(self.until),
            ..Decision::new(DecisionKind::Acceptance, subject, &*self.reason)
        }
    }
}

/// For what somebody may be left out.
const EXCLUSIONS: &[&str] = &["break-glass", "service"];

/// Rules of the customer's own may be there or not: their names begin with `own.`.
fn is_rule(id: &str) -> bool {
    id.starts_with("own.") || crate::RULES.iter().any(|r| r.id == id)
}

/// A day, as TOML writes it or in quotes.
fn day<'de, D: serde::Deserializer<'de>>(from: D) -> Result<jiff::civil::Date, D::Error> {
    let value = toml::Value::deserialize(from)?;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse().map_err(|_| {
        serde::de::Error::custom(format!("{text} is no day; a day reads like 2027-09-30"))
    })
}

fn day_if_any<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<jiff::civil::Date>, D::Error> {
    day(from).map(Some)
}

/// What is to follow when a rule fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailureAnswer {
    /// It stands in reports.
    #[default]
    Report,
    /// Somebody is told at once.
    Alert,
    /// It is set back as it was when the rule passed last.
    Remediate,
}

/// What is to follow when this rule fails in this tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnFailure {
    /// The rule.
    pub rule: String,
    /// What follows.
    pub answer: OnFailureAnswer,
}

/// What people decided about a tenant. Data, not code.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exceptions {
    /// Accounts that policies may leave out.
    #[serde(default, rename = "exclusion")]
    pub exclusions: Vec<Exclusion>,
    /// Findings that somebody lives with.
    #[serde(default, rename = "accepted")]
    pub accepted: Vec<Acceptance>,
    /// What follows when a rule fails; a report, where nothing is said.
    #[serde(default, rename = "on-failure")]
    pub on_failure: Vec<OnFailure>,
}

impl Exceptions {
    /// Reads them. Rules of the customer's own may be there or not: their names begin with `own.`.
    ///
    /// # Errors
    /// A sentence that names the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read: Self = toml::from_str(text).map_err(|e| e.to_string().trim_end().to_owned())?;
        let names = read
            .exclusions
            .iter()
            .map(|e| (&e.who, &e.reason))
            .chain(read.accepted.iter().map(|a| (&a.rule, &a.reason)));
        if let Some((what, _)) = names.into_iter().find(|(_, reason)| reason.trim().is_empty()) {
            return Err(format!(
                "the exception for {what} has no reason; whoever reads it next year will ask"
            ));
        }
        let named =
            read.accepted.iter().map(|a| &a.rule).chain(read.on_failure.iter().map(|o| &o.rule));
        if let Some(bad) = named.into_iter().find(|r| !is_rule(r)) {
            return Err(format!("there is no rule {bad:?}; `strongroom tenant rules` lists them"));
        }
        if let Some(own) = read
            .on_failure
            .iter()
            .find(|o| o.answer == OnFailureAnswer::Remediate && o.rule.starts_with("own."))
        {
            return Err(format!(
                "{} is a rule of your own, which says not what sets back what it finds; let it \
                 alert",
                own.rule
            ));
        }
        let mut rules: Vec<&String> = read.on_failure.iter().map(|o| &o.rule).collect();
        rules.sort();
        if let Some(twice) = rules.windows(2).find(|w| w[0] == w[1]) {
            return Err(format!("what follows when {} fails is said twice", twice[0]));
        }
        if let Some(bad) = read.exclusions.iter().find(|e| !EXCLUSIONS.contains(&e.kind.as_str())) {
            return Err(format!(
                "the exclusion of {} is of kind {:?}; it must be \"break-glass\" or \"service\"",
                bad.who, bad.kind
            ));
        }
        Ok(read)
    }
}

impl Exceptions {
    /// Everything that was decided, in the form of all decisions. What stands in the exceptions
    /// file is written by hand, and nobody signed it.
    pub fn decisions(&self) -> Vec<Decision> {
        let exclusions = self.exclusions.iter().map(Exclusion::decision);
        exclusions.chain(self.accepted.iter().map(Acceptance::decision)).collect()
    }

    /// Takes in what was decided elsewhere; decisions of other kinds, and rejections, are not for
    /// rules.
    ///
    /// # Errors
    /// A sentence, when it names no rule that there is, or nobody in a way that rules know.
    pub fn add(&mut self, decision: &Decision) -> Result<(), String> {
        if decision.decided != Decided::Accepted {
            return Ok(());
        }
        let bad = || {
            format!(
                "the decision of {} on {:?} fits no rule; `strongroom tenant rules` lists them",
                decision.by(),
                decision.subject
            )
        };
        match decision.kind {
            DecisionKind::Acceptance => {
                let (rule, object) = match decision.subject.split_once(" at ") {
                    Some((rule, object)) => (rule, Some(object.to_owned())),
                    None => (decision.subject.as_str(), None),
                };
                if !is_rule(rule) {
                    return Err(bad());
                }
                self.accepted.push(Acceptance {
                    rule: rule.to_owned(),
                    object,
                    reason: decision.reason.clone(),
                    by: decision.by().to_owned(),
                    until: decision.until.unwrap_or(jiff::civil::Date::MAX),
                });
            }
            DecisionKind::Exception => {
                let (kind, who) = decision.subject.split_once(": ").ok_or_else(bad)?;
                if !EXCLUSIONS.contains(&kind) {
                    return Err(bad());
                }
                self.exclusions.push(Exclusion {
                    who: who.to_owned(),
                    kind: kind.to_owned(),
                    reason: decision.reason.clone(),
                    until: decision.until,
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// What follows when a rule fails.
    pub fn answer(&self, rule: &str) -> OnFailureAnswer {
        self.on_failure.iter().find(|o| o.rule == rule).map(|o| o.answer).unwrap_or_default()
    }
}

/// What settings may call somebody whom an exclusion names, in small letters.
fn called(configuration: &Configuration, e: &Exclusion) -> Vec<String> {
    let by_name = || {
        vec![
            format!("@users/{}", e.who).to_lowercase(),
            format!("@groups/{}", e.who).to_lowercase(),
        ]
    };
    configuration.symbol_of(&e.who).map_or_else(by_name, |symbol| vec![symbol.to_lowercase()])
}

/// What a rule may look at.
pub struct Evidence<'c> {
    pub(crate) configuration: &'c Configuration,
    pub(crate) today: jiff::civil::Date,
    emergency: BTreeSet<String>,
    left_out: BTreeSet<String>,
}

impl<'c> Evidence<'c> {
    /// That of a configuration, on a day.
    pub fn new(
        configuration: &'c Configuration,
        exceptions: &Exceptions,
        today: jiff::civil::Date,
    ) -> Self {
        let valid = exceptions.exclusions.iter().filter(|e| e.until.is_none_or(|u| u >= today));
        let names = |e: &Exclusion| called(configuration, e);
        let (mut emergency, mut left_out) = (BTreeSet::new(), BTreeSet::new());
        for e in valid {
            left_out.extend(names(e));
            if e.kind == "break-glass" {
                emergency.extend(names(e));
            }
        }
        // Who is in a group that is named is named too; and a group is, when all who are in it are.
        let groups = configuration
            .collections
            .get(directory::REFERENCED_GROUPS)
            .filter(|c| c.state.is_collected());
        for g in groups.into_iter().flat_map(|c| &c.objects) {
            let symbol = format!("@groups/{}", g.name).to_lowercase();
            let members: Vec<String> = g.body["members"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|m| m.as_str())
                .map(str::to_lowercase)
                .collect();
            for set in [&mut emergency, &mut left_out] {
                if set.contains(&symbol) {
                    set.extend(members.iter().cloned());
                } else if !members.is_empty() && members.iter().all(|m| set.contains(m)) {
                    set.insert(symbol.clone());
                }
            }
        }
        Self { configuration, today, emergency, left_out }
    }

    /// Exclusions that ended, or name nobody whom the configuration knows.
    pub(crate) fn idle(&self, exceptions: &Exceptions, today: jiff::civil::Date) -> Vec<String> {
        let mut known: BTreeSet<String> =
            self.configuration.references.keys().map(|s| s.to_lowercase()).collect();
        for (collection, kind) in
            [(directory::PRIVILEGED_USERS, "users"), (directory::REFERENCED_GROUPS, "groups")]
        {
            let objects = self
                .configuration
                .collections
                .get(collection)
                .map(|c| c.objects.as_slice())
                .unwrap_or_default();
            known.extend(objects.iter().map(|o| format!("@{kind}/{}", o.name).to_lowercase()));
        }
        let says = |e: &Exclusion| match e.until {
            Some(until) if until < today => {
                Some(format!("the exclusion of {} ended on {until}", e.who))
            }
            _ if !called(self.configuration, e).iter().any(|s| known.contains(s)) => {
                Some(format!("the exclusion of {} names nobody whom policies or roles name", e.who))
            }
            _ => None,
        };
        exceptions.exclusions.iter().filter_map(says).collect()
    }

    /// Whether somebody decided that policies may leave this symbol out.
    pub(crate) fn may_be_left_out(&self, symbol: &str) -> bool {
        self.left_out.contains(&symbol.to_lowercase())
    }

    /// Symbols that policies may leave out, in small letters, as far as the configuration knows
    /// them.
    pub(crate) fn left_out(&self) -> Vec<&String> {
        self.known(&self.left_out)
    }

    /// Those of them that are for emergencies.
    pub(crate) fn emergency(&self) -> Vec<&String> {
        self.known(&self.emergency)
    }

    fn known<'s>(&self, symbols: &'s BTreeSet<String>) -> Vec<&'s String> {
        let text: BTreeSet<String> =
            self.configuration.references.keys().map(|k| k.to_lowercase()).collect();
        symbols.iter().filter(|s| text.contains(*s)).collect()
    }

    /// Accounts for emergencies, not their groups, in small letters, as far as settings or roles
    /// know them.
    pub(crate) fn emergency_users(&self) -> Vec<&String> {
        let people = self
            .configuration
            .collections
            .get(directory::PRIVILEGED_USERS)
            .map(|c| c.objects.as_slice())
            .unwrap_or_default();
        let mut known: BTreeSet<String> =
            people.iter().map(|o| format!("@users/{}", o.name).to_lowercase()).collect();
        known.extend(self.configuration.references.keys().map(|k| k.to_lowercase()));
        let members = |g: &ConfigObject| {
            g.body["members"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|m| m.as_str())
                .map(str::to_lowercase)
                .collect::<Vec<_>>()
        };
        let groups = self
            .configuration
            .collections
            .get(directory::REFERENCED_GROUPS)
            .map(|c| c.objects.as_slice())
            .unwrap_or_default();
        known.extend(groups.iter().flat_map(members));
        self.emergency.iter().filter(|s| s.starts_with("@users/") && known.contains(*s)).collect()
    }

    /// Whether this is an account for emergencies.
    pub(crate) fn is_emergency(&self, symbol: &str) -> bool {
        self.emergency.contains(&symbol.to_lowercase())
    }

    pub(crate) fn knows_emergency(&self) -> bool {
        !self.emergency.is_empty()
    }

    /// All objects of a collection.
    pub(crate) fn many(&self, collection: &str) -> Result<&'c [ConfigObject], Skip> {
        match self.configuration.collections.get(collection) {
            None => Err(Skip(format!("not collected: {collection} is not in this snapshot"))),
            Some(c) if !c.state.is_collected() => {
                Err(Skip(format!("{collection}: {}", c.state.lack())))
            }
            Some(c) => Ok(&c.objects),
        }
    }

    /// The one object of a collection.
    pub(crate) fn one(&self, collection: &str) -> Result<Setting<'c>, Skip> {
        let objects = self.many(collection)?;
        let object =
            objects.first().ok_or_else(|| Skip(format!("not collected: {collection} is empty")))?;
        Ok(Setting { object: collection.to_owned(), body: &object.body })
    }

    /// All objects of a collection, to ask for their properties.
    pub(crate) fn settings(&self, collection: &str) -> Result<Vec<Setting<'c>>, Skip> {
        Ok(self
            .many(collection)?
            .iter()
            .map(|o| Setting { object: format!("{collection}/{}", o.name), body: &o.body })
            .collect())
    }

    /// The object of this name.
    pub(crate) fn named(&self, collection: &str, name: &str) -> Result<Setting<'c>, Skip> {
        let found = self.many(collection)?.iter().find(|o| o.name.eq_ignore_ascii_case(name));
        let found =
            found.ok_or_else(|| Skip(format!("not collected: {collection} has no {name}")))?;
        Ok(Setting { object: format!("{collection}/{}", found.name), body: &found.body })
    }

    /// The Conditional Access policies.
    pub(crate) fn policies(&self) -> Result<Vec<AccessPolicy<'c>>, Skip> {
        Ok(self
            .many(identity::CONDITIONAL_ACCESS_POLICIES)?
            .iter()
            .map(|o| AccessPolicy { name: &o.name, body: &o.body })
            .collect())
    }

    /// A value of the directory's settings by template: what is set, or what the template says
    /// where nothing is.
    pub(crate) fn directory_setting(&self, template: &str, name: &str) -> Result<String, Skip> {
        let look = |collection: &str, key: &str| -> Result<Option<String>, Skip> {
            let found = self.many(collection)?.iter().find(|o| o.name == template);
            let rows = found.and_then(|o| o.body["values"].as_array());
            Ok(rows
                .into_iter()
                .flatten()
                .find(|v| v["name"] == name)
                .and_then(|v| v[key].as_str())
                .map(str::to_owned))
        };
        if let Some(set) = look(directory::GROUP_SETTINGS, "value")? {
            return Ok(set);
        }
        look(directory::GROUP_SETTING_TEMPLATES, "defaultValue")?.ok_or_else(|| {
            Skip(format!(
                "not collected: neither the setting {name} nor its default \
                is in the directory settings"
            ))
        })
    }

    /// One authentication method's settings.
    pub(crate) fn method(&self, id: &str) -> Result<Setting<'c>, Skip> {
        let all = self.one(identity::AUTHENTICATION_METHODS)?;
        let found = all
            .rows("authenticationMethodConfigurations")?
            .iter()
            .find(|m| m["id"].as_str().is_some_and(|i| i.eq_ignore_ascii_case(id)));
        let body = found.ok_or_else(|| {
            Skip(format!("not collected: the settings of the method {id} are missing"))
        })?;
        Ok(Setting { object: format!("{}/{id}", identity::AUTHENTICATION_METHODS), body })
    }
}

/// One object, whose properties are asked for by path. What is not there cannot be judged.
#[derive(Debug, Clone)]
pub(crate) struct Setting<'c> {
    pub(crate) object: String,
    pub(crate) body: &'c Value,
}

impl<'c> Setting<'c> {
    /// The value at a path with dots; `|` stands for a dot within a name.
    pub(crate) fn value(&self, path: &str) -> Result<&'c Value, Skip> {
        let mut at = self.body;
        for part in path.split('.') {
            at = &at[part.replace('|', ".")];
        }
        if at.is_null() {
            Err(Skip(format!("not collected: {} has no {path}", self.object)))
        } else {
            Ok(at)
        }
    }

    fn odd(&self, path: &str) -> Skip {
        Skip(format!("not understood: {path} of {} has an unexpected form", self.object))
    }

    pub(crate) fn is(&self, path: &str) -> Result<bool, Skip> {
        self.value(path)?.as_bool().ok_or_else(|| self.odd(path))
    }

    pub(crate) fn text(&self, path: &str) -> Result<&'c str, Skip> {
        self.value(path)?.as_str().ok_or_else(|| self.odd(path))
    }

    pub(crate) fn number(&self, path: &str) -> Result<i64, Skip> {
        self.value(path)?.as_i64().ok_or_else(|| self.odd(path))
    }

    pub(crate) fn rows(&self, path: &str) -> Result<&'c [Value], Skip> {
        self.value(path)?.as_array().map(Vec::as_slice).ok_or_else(|| self.odd(path))
    }

    pub(crate) fn texts(&self, path: &str) -> Result<Vec<&'c str>, Skip> {
        Ok(self.rows(path)?.iter().filter_map(Value::as_str).collect())
    }

    /// A concern when a switch does not stand as wanted.
    pub(crate) fn want(
        &self,
        path: &str,
        wanted: bool,
        says: &str,
        out: &mut Vec<Concern>,
    ) -> Result<(), Skip> {
        if self.is(path)? != wanted {
            out.push(self.concern(says));
        }
        Ok(())
    }

    /// A concern when a text is none of those wanted.
    pub(crate) fn want_text(
        &self,
        path: &str,
        wanted: &[&str],
        says: &str,
        out: &mut Vec<Concern>,
    ) -> Result<(), Skip> {
        let found = self.text(path)?;
        if !wanted.iter().any(|w| w.eq_ignore_ascii_case(found)) {
            out.push(self.concern(&format!("{says} ({} is {found})", path.replace('|', "."))));
        }
        Ok(())
    }

    pub(crate) fn concern(&self, says: &str) -> Concern {
        Concern::new(self.object.clone(), says)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_are_decisions_and_back() {
        let rule = crate::RULES[0].id;
        let text = format!(
            "[[exclusion]]\nwho = \"Emergency access\"\nkind = \"break-glass\"\nreason = \"last \
             way in\"\n[[accepted]]\nrule = \"{rule}\"\nobject = \"a/b\"\nreason = \"r\"\nby = \
             \"A. Head\"\nuntil = 2099-01-01\n"
        );
        let read = Exceptions::parse(&text).unwrap();
        let decisions = read.decisions();
        assert_eq!(decisions[0].kind, DecisionKind::Exception);
        assert_eq!(decisions[1].kind, DecisionKind::Acceptance);
        assert_eq!(decisions[1].by(), "A. Head");
        assert!(decisions.iter().all(|d| d.signature.is_none()));
        let mut again = Exceptions::default();
        decisions.iter().for_each(|d| again.add(d).unwrap());
        assert_eq!(again, read);
        // What is rejected, or is about something else, excepts nobody.
        let mut no = decisions[0].clone();
        no.decided = Decided::Rejected;
        again.add(&no).unwrap();
        again.add(&Decision { kind: DecisionKind::Review, ..decisions[0].clone() }).unwrap();
        assert_eq!(again, read);
        let strange = Decision::new(DecisionKind::Acceptance, "no.such-rule", "r");
        assert!(again.add(&strange).unwrap_err().contains("no.such-rule"));
    }
}
