//! A whole run against the simulator, in process; and runs that are aimed at what they did not
//! make.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use graph_sim::{DigestRow, SeedPlan, Settings as SimSettings, Sim};
use serde_json::json;
use sim_transport::{InProcess, VirtualTime};
use std::{path::Path, sync::Arc};
use strongroom_acceptance::{
    AcceptanceReport, Error, FieldVerdict, Ground, Made, MadeKind, RunRecord, Tools, clean, delete,
    find_owner, prove,
    transcript::{Secrets, Transcript},
    wipe,
};
use strongroom_graph::{
    Budget, Client, Credential, ErrorKind, Request, RetryLimits, Scope, Settings, Transport,
};
use strongroom_model::{Clock, Silent};
use strongroom_objects::LocalDir;
use strongroom_repository::{Repository, Writer};

const GRAPH: &str = "https://graph.microsoft.com/";
const AUTHORITY: &str = "https://login.microsoftonline.com/";

fn sim() -> (Sim, VirtualTime) {
    let sim = Sim::new(SimSettings::default(), 1, "2026-03-02T06:00:00Z".parse().unwrap());
    sim.seed(&SeedPlan {
        people: Some(4),
        messages_per_mailbox: Some(3),
        scale: 0.3,
        ..SeedPlan::default()
    })
    .unwrap();
    sim.control("POST", "/sim/consent", "", b"{}");
    let time = VirtualTime::new(sim.clock().clone());
    (sim, time)
}

fn owner(sim: &Sim) -> String {
    sim.digest(0).first().unwrap().user.clone()
}

fn client(sim: &Sim, time: &VirtualTime, app: &str, through: Arc<dyn Transport>) -> Arc<Client> {
    let c = sim.credentials(0, app).unwrap();
    let settings = Settings {
        authority: AUTHORITY.parse().unwrap(),
        graph: GRAPH.parse().unwrap(),
        tenant: c.tenant_id,
        application_id: c.application_id,
        credential: Credential::Secret(c.secret.into()),
        ca_file: None,
        user_agent: "test".into(),
    };
    let budget = Arc::new(Budget::new(false));
    let patience = RetryLimits { tries: 3, pause_ms: 10, throttled_s_max: 60 };
    Arc::new(Client::with_transport(settings, through, Arc::new(time.clone()), budget, patience))
}

struct Stage {
    tools: Tools,
    transcript: Transcript,
    plain: Arc<Client>,
    _dir: tempfile::TempDir,
}

async fn stage(sim: &Sim, time: &VirtualTime, dir: &Path) -> Stage {
    let bare: Arc<dyn Transport> = Arc::new(InProcess::new(sim.clone(), time.clone()));
    let tenant_id = sim.credentials(0, "read").unwrap().tenant_id;
    let transcript = Transcript::new(
        Secrets { owner: owner(sim), tenant: tenant_id, ..Secrets::default() },
        &GRAPH.parse().unwrap(),
        &AUTHORITY.parse().unwrap(),
        Arc::new(time.clone()),
    )
    .unwrap();
    let noted = |app| transcript.transport(app, bare.clone());
    let finder = client(sim, time, "write", noted("write"));
    let ledger = find_owner(&finder, dir, "school", &owner(sim)).await.unwrap();
    transcript.know_mark(&ledger.mark());
    let ground = Ground::new(ledger);
    let work = tempfile::tempdir().unwrap();
    let repository = Repository::init(
        Arc::new(LocalDir::new(work.path().join("repository"))),
        &"password".to_owned().into(),
        &work.path().join("cache"),
        Writer { host: "h".into(), user: "u".into(), program: "p".into() },
        time.now(),
    )
    .unwrap();
    let through = |app| client(sim, time, app, ground.transport(noted(app)));
    Stage {
        tools: Tools {
            read: through("read"),
            write: through("write"),
            configure: Some(through("configure")),
            repository: Arc::new(repository),
            cache: work.path().join("cache"),
            graph: GRAPH.parse().unwrap(),
            ground: ground.clone(),
        },
        plain: client(sim, time, "write", bare.clone()),
        transcript,
        _dir: work,
    }
}

/// What the tenant holds, without what was deleted for good: that lies in the purges of Recoverable
/// Items, which only time empties.
fn held(sim: &Sim) -> Vec<DigestRow> {
    sim.digest(0).into_iter().filter(|r| r.path != "Purges").collect()
}

fn marks(rows: &[DigestRow]) -> usize {
    rows.iter().filter(|r| format!("{r:?}").contains("Strongroom acceptance")).count()
}

fn whole(report: &AcceptanceReport) {
    let different: Vec<_> =
        report.rows.iter().filter(|r| r.verdict == FieldVerdict::Different).collect();
    assert!(different.is_empty(), "{different:#?}");
    assert!(report.failed.is_empty(), "{:#?}", report.failed);
    for kind in [
        MadeKind::MailFolder,
        MadeKind::Message,
        MadeKind::DriveItem,
        MadeKind::NamedLocation,
        MadeKind::Policy,
    ] {
        assert!(report.rows.iter().any(|r| r.kind == kind), "nothing of {kind:?} was compared");
    }
    assert!(
        report.count(FieldVerdict::Identical) > 250,
        "{}",
        report.count(FieldVerdict::Identical)
    );
}

#[test]
fn a_run_brings_all_back_leaves_nothing_and_its_transcript_is_replayed() {
    let (sim, time) = sim();
    let records = tempfile::tempdir().unwrap();
    let dir = records.path().to_owned();
    let before = held(&sim);
    let (s, t) = (sim.clone(), time.clone());
    let written = time.run(async move {
        let stage = stage(&s, &t, &dir).await;
        let report = prove(&stage.tools, &Silent).await.unwrap();
        assert!(marks(&held(&s)) > 15, "{}", marks(&held(&s)));
        let left = clean(&stage.tools, &Silent).await.unwrap();
        assert!(left.is_empty(), "{left:#?}");
        assert!(stage.tools.ground.refused().is_empty(), "{:?}", stage.tools.ground.refused());
        whole(&report);
        stage.transcript.finish().unwrap()
    });
    assert_eq!(marks(&held(&sim)), 0);
    assert!(marks(&sim.digest(0)) > 5, "what was deleted for good lies in the purges");
    assert_eq!(sim.answer_faults(), Default::default(), "answers without published type");
    assert_eq!(held(&sim), before, "what was there before is as it was");
    assert_eq!(std::fs::read_dir(records.path()).unwrap().count(), 0, "the record is closed");
    if let Some(file) = std::env::var_os("STRONGROOM_KEEP_TRANSCRIPT") {
        std::fs::write(file, &written).unwrap();
    }
    let owner = owner(&sim);
    let domain = owner.split('@').nth(1).unwrap();
    assert!(!written.contains(domain) && !written.contains("eyJ"));
    // Nothing is sent or asked for that Microsoft does not publish: Graph answers 400 to it.
    let unpublished: Vec<_> = written.lines().filter(|l| l.contains("{key:")).collect();
    assert!(unpublished.is_empty(), "{unpublished:#?}");
    let again = self::sim().0;
    let report = again.replay(&written, Some(&owner)).unwrap();
    assert_eq!(report.exchanges, report.compared, "{:#?}", report.skipped);
    assert!(report.differences.is_empty(), "{:#?}", report.differences);
    assert!(report.compared > 150, "{}", report.compared);
    // A transcript that says otherwise is told apart.
    let other = written.replace("\"isRead\":", "\"wasRead\":").replacen(
        "\"status\":201",
        "\"status\":200",
        1,
    );
    assert!(again.replay(&other, Some(&owner)).unwrap().differences.len() >= 2);
    assert!(again.replay(written.trim_end().rsplit_once('\n').unwrap().0, None).is_err());
}

#[test]
fn no_change_leaves_for_what_the_run_has_not_made() {
    let (sim, time) = sim();
    let records = tempfile::tempdir().unwrap();
    let dir = records.path().to_owned();
    let (s, t) = (sim.clone(), time.clone());
    time.run(async move {
        let stage = stage(&s, &t, &dir).await;
        let (id, drive, root) = {
            let l = stage.tools.ground.ledger();
            (l.owner_id.clone(), l.drive.clone().unwrap(), l.drive_root.clone().unwrap())
        };
        let mailbox = Scope::Mailbox(id.clone());
        let user = format!("users/{id}");
        let other = s.digest(0).iter().map(|r| r.user.clone()).find(|u| *u != owner(&s)).unwrap();
        let row = &stage
            .plain
            .list(&Request::get(mailbox.clone(), format!("{user}/messages?$top=1")))
            .await
            .unwrap()[0];
        let message = row["id"].as_str().unwrap();
        let all = [
            Request::delete(mailbox.clone(), format!("{user}/messages/{message}")),
            Request::delete(mailbox.clone(), format!("{user}/mailFolders/inbox")),
            Request::post(
                mailbox.clone(),
                format!("{user}/mailFolders"),
                &json!({"displayName":
                "Strongroom acceptance 00000000"}),
            ),
            Request::post(
                mailbox.clone(),
                format!("{user}/mailFolders/inbox/messages"),
                &json!({}),
            ),
            Request::post(mailbox.clone(), format!("{user}/sendMail"), &json!({})),
            Request::patch(mailbox.clone(), format!("{user}/messages/{message}"), &json!({})),
            Request::post(
                mailbox.clone(),
                format!("users/{other}/mailFolders"),
                &json!({
                "displayName": stage.tools.ground.ledger().mark()}),
            ),
            Request::post(
                mailbox.clone(),
                "$batch",
                &json!({"requests": [{"id": "1", "method":
                "DELETE", "url": format!("/{user}/messages/{message}")}]}),
            ),
            Request::delete(Scope::Drives, format!("drives/{drive}/items/{root}")),
            Request::put(
                Scope::Drives,
                format!("drives/{drive}/items/{root}:/a.txt:/content"),
                "x".into(),
            ),
            Request::post(
                Scope::Drives,
                format!("drives/{drive}/items/{root}/children"),
                &json!({"name": "Mine", "folder": {}}),
            ),
            Request::post(
                Scope::Policies,
                "identity/conditionalAccess/policies",
                &json!({
                "displayName": "All", "state": "disabled"}),
            ),
            Request::post(
                Scope::Policies,
                "identity/conditionalAccess/policies",
                &json!({
                "displayName": stage.tools.ground.ledger().mark(), "state": "enabled"}),
            ),
            Request::patch(Scope::Policies, "policies/authorizationPolicy", &json!({})),
            Request::delete(Scope::Directory, format!("users/{id}")),
            Request::delete(Scope::Directory, format!("users/{id}")).beta(),
        ];
        let before = s.digest(0);
        s.clear_log();
        for request in &all {
            let refused = stage.tools.write.send(request).await.unwrap_err();
            assert_eq!(refused.kind, ErrorKind::Denied, "{refused}");
            assert_eq!(
                refused.code.as_ref().map(|c| c.as_str()),
                Some("notOfThisRun"),
                "{refused}"
            );
        }
        assert_eq!(stage.tools.ground.refused().len(), all.len());
        let sent: Vec<_> = s
            .log()
            .into_iter()
            .filter(|r| r.method != "GET" && !r.path.ends_with("/token"))
            .collect();
        assert!(sent.is_empty(), "{sent:#?}");
        assert_eq!(s.digest(0), before);
    });
}

#[test]
fn a_wipe_that_is_aimed_at_something_else_is_refused_by_id_by_name_and_by_place() {
    let (sim, time) = sim();
    let records = tempfile::tempdir().unwrap();
    let dir = records.path().to_owned();
    let (s, t) = (sim.clone(), time.clone());
    time.run(async move {
        let stage = stage(&s, &t, &dir).await;
        let tools = &stage.tools;
        let (id, mark) = {
            let l = tools.ground.ledger();
            (l.owner_id.clone(), l.mark())
        };
        let mailbox = Scope::Mailbox(id.clone());
        let list = Request::get(mailbox.clone(), format!("users/{id}/messages?$top=1"));
        let row = stage.plain.list(&list).await.unwrap().remove(0);
        let message = row["id"].as_str().unwrap().to_owned();
        let before = s.digest(0);
        let why = |e: Error| match e {
            Error::NotOurs { why, .. } => why,
            other => panic!("{other}"),
        };
        // Not in the record.
        let said = why(delete(tools, MadeKind::Message, &message).await.unwrap_err());
        assert!(said.contains("record"), "{said}");
        // A record that was tampered with: another name.
        let note = |name: &str, parent: &str| {
            let made = Made {
                kind: MadeKind::Message,
                id: message.clone(),
                name: name.into(),
                parent: parent.into(),
                deleted: false,
            };
            tools.ground.ledger().note(made).unwrap();
        };
        note(&format!("{mark} 01"), "somewhere");
        let said = why(delete(tools, MadeKind::Message, &message).await.unwrap_err());
        assert!(said.contains("another name"), "{said}");
        // The right name, at the top: it is none of the run's.
        let subject = row["subject"].as_str().unwrap();
        note(subject, "");
        let said = why(delete(tools, MadeKind::Message, &message).await.unwrap_err());
        assert!(said.contains("begin"), "{said}");
        // The right name, said to be in a folder: it is in another one.
        note(subject, "somewhere");
        let said = why(delete(tools, MadeKind::Message, &message).await.unwrap_err());
        assert!(said.contains("no longer in a folder of this run"), "{said}");
        // A wipe names it, and deletes nothing.
        let left = wipe(tools).await;
        assert_eq!(left.len(), 1, "{left:#?}");
        assert_eq!(s.digest(0), before);
        tools.ground.ledger().made.clear();
        // A folder of the run into which somebody has put something stays.
        let folder = json!({"displayName": mark});
        let post = Request::post(mailbox.clone(), format!("users/{id}/mailFolders"), &folder);
        let made: serde_json::Value = tools.write.json(&post).await.unwrap();
        let folder = made["id"].as_str().unwrap().to_owned();
        let target = format!("users/{id}/mailFolders/{folder}/messages");
        stage
            .plain
            .send(&Request::post(mailbox.clone(), target, &json!({"subject": "A stranger"})))
            .await
            .unwrap();
        let left = wipe(tools).await;
        assert!(left.len() == 1 && left[0].why.contains("has not made"), "{left:#?}");
        assert_eq!(s.digest(0).len(), before.len() + 1);
    });
}

#[test]
fn a_record_that_cannot_be_understood_deletes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = RunRecord::begin(dir.path(), "school", "a@b", "1").unwrap();
    let run = ledger.run.clone();
    assert_eq!(RunRecord::open(dir.path(), &run).unwrap().owner, "a@b");
    assert!(matches!(RunRecord::open(dir.path(), "0badc0de"), Err(Error::NoRun { .. })));
    assert!(matches!(RunRecord::open(dir.path(), "../../x"), Err(Error::NoRun { .. })));
    let file = dir.path().join(format!("acceptance-{run}.json"));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"v\": 1", "\"v\": 2")).unwrap();
    assert!(matches!(RunRecord::open(dir.path(), &run), Err(Error::Ledger { .. })));
    std::fs::write(&file, &text[..text.len() / 2]).unwrap();
    assert!(matches!(RunRecord::open(dir.path(), &run), Err(Error::Ledger { .. })));
}
