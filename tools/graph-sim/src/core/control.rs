//! The control plane under `/sim/`: seed, faults, clock, attacks, log, counters, digest. Bound to
//! loopback.

use crate::{
    Rule, SeedPlan, Sim, core::budgets::ThrottleSettings, core::http::Reply, core::odata::pairs,
};
use serde_json::{Value, json};
use std::time::Duration;

fn bad(text: &str) -> Reply {
    Reply::json(400, &json!({"error": text}))
}

pub(crate) fn run(sim: &Sim, method: &str, path: &str, query: &str, body: &[u8]) -> Reply {
    let json: Value = match body {
        [] => json!({}),
        bytes => match serde_json::from_slice(bytes) {
            Ok(v) => v,
            Err(e) => return bad(&format!("the body is no JSON: {e}")),
        },
    };
    let query: std::collections::BTreeMap<String, String> = pairs(query).into_iter().collect();
    let tenant =
        json["tenant"].as_u64().or_else(|| query.get("tenant")?.parse().ok()).unwrap_or(0) as usize;
    let ok = || Reply::json(200, &json!({"ok": true}));
    let what = path.trim_start_matches("/sim/").trim_end_matches('/');
    if tenant >= sim.world().tenants.len()
        && !["status", "seed", "clock", "faults", "log", "settings"].contains(&what)
    {
        return bad("there is no such tenant");
    }
    match (method, what) {
        ("GET", "status") => Reply::json(200, &sim.status()),
        ("POST", "seed") => {
            let mut plan = SeedPlan::default();
            if let Some(n) = json["seed"].as_u64() {
                plan.seed = n;
            }
            if let Some(x) = json["scale"].as_f64() {
                plan.scale = x;
            }
            if let Some(d) = json["domain"].as_str() {
                d.clone_into(&mut plan.domain);
            }
            plan.people = json["people"].as_u64().map(|n| n as usize);
            plan.messages_per_mailbox = json["messages_per_mailbox"].as_u64().map(|n| n as usize);
            if json["configuration"] == "sloppy" {
                plan.care = crate::Care::Sloppy;
            }
            plan.dir = json["dir"].as_str().map(Into::into);
            match sim.seed(&plan) {
                Ok(()) => ok(),
                Err(e) => bad(&e.to_string()),
            }
        }
        ("GET", "clock") => Reply::json(200, &json!({"now": sim.clock().now().to_string()})),
        ("POST", "clock") => {
            if json["stop"] == true {
                sim.clock().stop();
            }
            if let Some(s) = json["advance_s"].as_f64() {
                sim.clock().advance(Duration::from_millis((s * 1000.0) as u64));
            }
            if let Some(t) = json["set"].as_str() {
                match t.parse() {
                    Ok(t) => sim.clock().set(t),
                    Err(_) => return bad("`set` is no time"),
                }
            }
            Reply::json(200, &json!({"now": sim.clock().now().to_string()}))
        }
        ("GET", "faults") => {
            let world = sim.world();
            Reply::json(200, &json!({"rules": world.faults.rules, "struck": world.faults.struck}))
        }
        ("POST", "faults") => match serde_json::from_value::<Vec<Rule>>(json) {
            Ok(rules) => {
                sim.world().faults.rules.extend(rules);
                ok()
            }
            Err(e) => bad(&format!("a fault plan is a list of rules: {e}")),
        },
        ("DELETE", "faults") => {
            sim.world().faults.rules.clear();
            ok()
        }
        ("POST", "attack") => {
            let name = json["name"].as_str().unwrap_or_default();
            match sim.attack(tenant, name, json["seed"].as_u64().unwrap_or(7)) {
                Some(report) => Reply::json(200, &json!(report)),
                None => bad(&format!("there is no attack {name:?}; GET /sim/attacks lists them")),
            }
        }
        ("GET", "attacks") => {
            let all: Vec<Value> =
                crate::ATTACKS.iter().map(|(n, d)| json!({"name": n, "does": d})).collect();
            Reply::json(200, &all.into())
        }
        ("POST", "config-attack") => {
            match sim.config_attack(tenant, json["name"].as_str().unwrap_or_default()) {
                true => ok(),
                false => bad("there is no such change; GET /sim/config-attacks lists them"),
            }
        }
        ("GET", "config-attacks") => {
            let all: Vec<Value> =
                crate::CONFIG_ATTACKS.iter().map(|(n, d)| json!({"name": n, "does": d})).collect();
            Reply::json(200, &all.into())
        }
        ("POST", "live") if json["mail"] == true => {
            sim.live_a_day_of_mail(tenant, json["seed"].as_u64().unwrap_or(1));
            ok()
        }
        ("POST", "live") => {
            sim.live_a_day(tenant, json["seed"].as_u64().unwrap_or(1), json["spare"] == true);
            ok()
        }
        // An incident responder gives the backup its access back, as far as the tenant allows.
        ("POST", "recover") => {
            let mut world = sim.world();
            for u in world.tenants[tenant].users.values_mut() {
                u.drive.version_limit = 500;
            }
            for app in &mut world.tenants[tenant].apps {
                app.deleted = false;
                if app.name == "read" {
                    for role in crate::life::seed::READ {
                        app.roles.insert((*role).to_owned());
                    }
                }
            }
            world.throttle.set(ThrottleSettings::Off);
            ok()
        }
        ("POST", "expire-delta") => {
            let mut world = sim.world();
            let tenant = &mut world.tenants[tenant];
            tenant.sites.expire_tokens();
            for u in tenant.users.values_mut() {
                u.contacts.expire_tokens();
                u.tasks.expire_tokens();
                u.calendars.lists.expire_tokens();
            }
            for u in tenant.users.values_mut() {
                u.drive.expire_tokens();
                let seq = u.mailbox.seq + 1;
                for f in u.mailbox.folders.values_mut() {
                    f.oldest_token = seq;
                }
            }
            ok()
        }
        // The service itself went back in time: what clients hold may be newer.
        ("POST", "set-back-drives") => {
            for u in sim.world().tenants[tenant].users.values_mut() {
                u.drive.epoch += 1;
            }
            ok()
        }
        ("POST", "malware") => {
            let mut hit = 0;
            let part = json["name"].as_str().unwrap_or_default().to_owned();
            for u in sim.world().tenants[tenant].users.values_mut() {
                for i in
                    u.drive.items.values_mut().filter(|i| !i.is_folder() && i.name.contains(&part))
                {
                    i.malware = true;
                    hit += 1;
                }
            }
            Reply::json(200, &json!({"items": hit}))
        }
        // An administrator consents to the application that writes settings, or takes that back.
        ("POST", "consent") => {
            let mut world = sim.world();
            let t = &mut world.tenants[tenant];
            for app in t.apps.iter_mut().filter(|a| a.name == "configure") {
                app.roles = if json["revoke"] == true {
                    Default::default()
                } else {
                    crate::life::seed::CONFIGURE.iter().map(|r| (*r).to_owned()).collect()
                };
            }
            let mut ids = std::mem::take(&mut t.ids);
            crate::settings::routes::publish_roles(t, &mut ids);
            t.ids = ids;
            ok()
        }
        // What an application may do, one permission more and one less.
        ("POST", "roles") => {
            let mut world = sim.world();
            let apps = &mut world.tenants[tenant].apps;
            match apps.iter_mut().find(|a| json["application"] == a.name.as_str()) {
                Some(app) => {
                    app.roles.extend(json["grant"].as_str().map(str::to_owned));
                    if let Some(role) = json["revoke"].as_str() {
                        app.roles.remove(role);
                    }
                    ok()
                }
                None => bad("there is no such application"),
            }
        }
        // A new certificate of an application, good for some days; answers it with its key.
        ("POST", "certificate") => {
            let days = json["days"].as_i64().unwrap_or(365);
            let end = sim.clock().now() + jiff::SignedDuration::from_hours(24 * days);
            let mut world = sim.world();
            let apps = &mut world.tenants[tenant].apps;
            match apps.iter_mut().find(|a| json["application"] == a.name.as_str()) {
                Some(app) => match crate::core::signin_files::certify(app, Some(end)) {
                    Ok(()) => Reply::json(200, &json!({"pem": app.pem})),
                    Err(e) => bad(&format!("no certificate: {e}")),
                },
                None => bad("there is no such application"),
            }
        }
        // How far the `Date` of each answer is ahead, in seconds.
        ("POST", "date") => {
            sim.world().settings.date_ahead_s = json["ahead_s"].as_i64().unwrap_or_default();
            ok()
        }
        // Paths that the tenant has no licence for.
        ("POST", "unlicensed") => {
            let paths = json["paths"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|p| Some(p.as_str()?.to_lowercase()))
                .collect();
            sim.world().tenants[tenant].settings.unlicensed = paths;
            ok()
        }
        // A second administrator approves everything that waits.
        ("POST", "approve") => {
            let mut world = sim.world();
            let requests = world.tenants[tenant]
                .settings
                .many
                .entry("devicemanagement/operationapprovalrequests".to_owned())
                .or_default();
            requests
                .iter_mut()
                .filter(|r| r["status"] == "needsApproval")
                .for_each(|r| r["status"] = "approved".into());
            ok()
        }
        // Other settings at a path: a list, or one object.
        ("POST", "configuration") => {
            let mut world = sim.world();
            let t = &mut world.tenants[tenant];
            let path = json["path"].as_str().unwrap_or_default().to_lowercase();
            match (
                t.settings.many.contains_key(&path),
                t.settings.one.contains_key(&path),
                &json["value"],
            ) {
                (true, _, serde_json::Value::Array(rows)) => {
                    let mut rows = rows.clone();
                    for row in &mut rows {
                        if row["id"].is_null() {
                            row["id"] = t.ids.guid(&path).into();
                        }
                    }
                    t.settings.many.insert(path, rows);
                    ok()
                }
                (_, true, one @ serde_json::Value::Object(_)) => {
                    t.settings.one.insert(path, one.clone());
                    ok()
                }
                _ => bad("there are no such settings, or not in this form"),
            }
        }
        // Types of resources that Tenant Configuration Management has no rights for.
        ("POST", "managed-forbidden") => {
            let types = json["types"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|p| Some(p.as_str()?.to_lowercase()))
                .collect();
            sim.world().tenants[tenant].settings.managed.forbidden = types;
            ok()
        }
        // A message in somebody's inbox, as if it had just come in.
        ("POST", "message") => {
            let mut world = sim.world();
            let now = world.now();
            let Some(id) = world.tenants[tenant].user_id(json["user"].as_str().unwrap_or_default())
            else {
                return bad("there is no such user");
            };
            let domain = world.tenants[tenant].domain.clone();
            let Some((u, ids)) = world.tenants[tenant].user_mut(&id) else {
                return bad("there is no such user");
            };
            let inbox = u.mailbox.well_known("inbox");
            let mut m = crate::mail::write::blank(ids, &inbox, now, &domain);
            m.subject = json["message"]["subject"].as_str().map(str::to_owned);
            m.body = json["message"]["body"]["content"].as_str().unwrap_or_default().into();
            m.is_draft = false;
            let number = ids.number();
            u.mailbox.add(number, m);
            ok()
        }
        ("POST", "remove-user") => {
            let person = json["user"].as_str().unwrap_or_default().to_owned();
            match sim.change_people(tenant, &crate::PersonChange::Delete { person }) {
                Some(_) => ok(),
                None => bad("there is no such user"),
            }
        }
        ("POST", "people") => match serde_json::from_value::<crate::PersonChange>(json) {
            Ok(change) => match sim.change_people(tenant, &change) {
                Some(id) => Reply::json(200, &json!({"id": id})),
                None => bad("there is no such person"),
            },
            Err(e) => bad(&format!("that is no change of people: {e}")),
        },
        ("GET", "log") => {
            let after: usize = query.get("after").and_then(|n| n.parse().ok()).unwrap_or(0);
            let rows: Vec<_> = sim.log().into_iter().skip(after).collect();
            Reply::json(200, &json!(rows))
        }
        ("DELETE", "log") => {
            sim.clear_log();
            ok()
        }
        ("GET", "contacts-digest") => Reply::json(200, &json!(sim.contacts_digest(tenant))),
        ("GET", "events-digest") => Reply::json(200, &json!(sim.events_digest(tenant))),
        ("GET", "messages-to-attendees") => {
            Reply::json(200, &json!(sim.messages_to_attendees(tenant)))
        }
        ("GET", "tasks-digest") => Reply::json(200, &json!(sim.tasks_digest(tenant))),
        ("GET", "sites-digest") => Reply::json(200, &json!(sim.sites_digest(tenant))),
        ("GET", "digest") => Reply::json(200, &json!(sim.digest(tenant))),
        ("POST", "settings") => {
            let mut world = sim.world();
            match json["throttle"].as_str() {
                Some("published") => world.throttle.set(ThrottleSettings::Published),
                Some("off") => world.throttle.set(ThrottleSettings::Off),
                Some(_) => return bad("`throttle` is \"published\" or \"off\""),
                None => {}
            }
            if let Some(on) = json["office_rewrite"].as_bool() {
                world.settings.office_rewrite = on;
            }
            if let Some(s) = json["token_lifetime_s"].as_i64() {
                world.settings.token_lifetime_s = s;
            }
            ok()
        }
        _ => Reply::json(404, &json!({"error": format!("there is no {method} {path}")})),
    }
}
