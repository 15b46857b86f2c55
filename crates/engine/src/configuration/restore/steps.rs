//! The calls of a plan, as they are named before one of them is made: somebody approves what is
//! shown, and nothing else is done.

use super::*;

/// A call that a plan names, before it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedCall {
    /// `POST`, `PATCH`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// With the version. What is known only when it is done stands in braces.
    pub path: String,
    /// The condition on which it is made; it is made in any case without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<&'static str>,
    /// What is sent, as far as it is known before; it may hold secrets, and is for nobody to see.
    #[serde(skip)]
    body: Option<Value>,
}

const HAD_BACK: &str = "what was deleted is had back, if the service still keeps it";
const AFTER_IT: &str = "if it was had back";
const ANEW: &str = "if it cannot be had back";

impl PlannedCall {
    fn new(call: &Call, when: Option<&'static str>, map: &HashMap<String, String>) -> Self {
        let version = if call.beta { "beta" } else { "v1.0" };
        // Nobody has a symbol's name in a path: what is not known yet stands in braces.
        let target = resolve_text(&call.target, map)
            .unwrap_or_else(|symbol| call.target.replace(&symbol, "{an id}"));
        let body = call.body.as_ref().map(|b| resolve(b, map).unwrap_or_else(|_| b.clone()));
        Self { method: call.method, path: format!("/{version}/{target}"), when, body }
    }

    /// What is sent, to be hashed with a key and not otherwise.
    pub fn body(&self) -> Option<&Value> {
        self.body.as_ref()
    }

    /// Whether a call is the one that was named.
    fn names(&self, other: &PlannedCall) -> bool {
        let (a, b): (Vec<&str>, Vec<&str>) =
            (self.path.split('/').collect(), other.path.split('/').collect());
        self.method == other.method
            && a.len() == b.len()
            && a.iter().zip(b).all(|(a, b)| a.eq_ignore_ascii_case(b) || a.starts_with('{'))
    }
}

/// What may be done to a group once settings name it again: nobody can say before who is in it.
pub(super) fn once_seen(setter: &Settable, o: &ConfigObject) -> Vec<(Call, &'static str)> {
    let at = format!("{}/{}", setter.by.target, o.id);
    let to = |method, path: &str| call(setter, method, format!("{at}{path}"), None);
    vec![
        (to("POST", "/members/$ref"), "for each who was in it and is not"),
        (to("DELETE", "/members/{member}/$ref"), "for each who is in it and was not"),
        (to("PATCH", ""), "if it differs otherwise"),
    ]
}

impl SettingsRestorePlan {
    /// Where security defaults go off and not one policy comes on, they go on again: half of this
    /// is worse than nothing.
    pub(super) fn name_defaults_back(&mut self) {
        if !self.acts.iter().any(|a| a.collection == POLICIES) {
            return;
        }
        for a in self.acts.iter_mut().filter(|a| a.collection == DEFAULTS) {
            let off = |c: &&Call| c.body.as_ref().is_some_and(|b| b["isEnabled"] == false);
            if let Some(call) = a.calls.iter().find(off) {
                let on = Call { body: Some(json!({"isEnabled": true})), ..call.clone() };
                a.later.push((on, "if not one policy of this plan could be set: on again"));
            }
        }
    }

    /// Says of each act which calls it may make.
    pub(super) fn name_steps(&mut self, wanted: &Configuration, now: &Configuration) {
        let mut map = symbols(wanted, now, &self.alive);
        for a in self.acts.iter().filter(|a| a.verb == Verb::Create) {
            map.insert(a.symbol.clone(), MADE.to_owned());
        }
        for a in &mut self.acts {
            let back = a.undelete.is_some();
            let step = |when: Option<&'static str>| {
                let map = &map;
                move |call: &Call| PlannedCall::new(call, when, map)
            };
            a.steps = a.undelete.iter().map(step(Some(HAD_BACK))).collect();
            a.steps.extend(a.then.iter().map(step(Some(AFTER_IT))));
            a.steps.extend(a.calls.iter().map(step(back.then_some(ANEW))));
            a.steps.extend(a.later.iter().map(|(call, when)| step(Some(*when))(call)));
        }
    }

    /// The same without what another plan, the one that was shown, does not name on a condition.
    #[must_use]
    pub fn limited_to(mut self, shown: &SettingsRestorePlan) -> Self {
        for a in &mut self.acts {
            let named: Vec<&PlannedCall> = shown
                .acts
                .iter()
                .filter(|s| s.collection == a.collection && s.object == a.object)
                .flat_map(|s| s.steps.iter().filter(|s| s.when.is_some()))
                .collect();
            let before = usize::from(a.undelete.is_some()) + usize::from(a.then.is_some());
            (a.undelete, a.then) = (None, None);
            let (calls, steps) = (std::mem::take(&mut a.calls), std::mem::take(&mut a.steps));
            for (call, step) in calls.into_iter().zip(steps.into_iter().skip(before)) {
                if named.iter().any(|s| s.names(&step)) {
                    a.calls.push(call);
                    a.steps.push(step);
                }
            }
        }
        self.acts.retain(|a| !a.calls.is_empty());
        self
    }
}
