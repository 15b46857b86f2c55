//! What stands in real mailboxes besides plain mail in plain folders.

use crate::{
    core::{ids::IdMaker, tenant::Tenant, truth::Truth},
    mail::{
        state::{EventMessage, Mailbox, Message, Purpose, Search},
        write::blank,
    },
};
use serde_json::{Map, Value, json};

/// Fills the mailboxes of a tenant that has just been seeded with what `tells` lets be seen.
pub(crate) fn fill(
    tenant: &mut Tenant,
    ids: &mut IdMaker,
    now: jiff::Timestamp,
    tells: &dyn Fn(Truth) -> bool,
) {
    let domain = tenant.domain.clone();
    for u in tenant.users.values_mut() {
        let mailbox = &mut u.mailbox;
        if tells(Truth::CountsOfAllKinds) {
            // Reports, contacts and appointments that were thrown away, conversations.
            for (name, others) in [("inbox", 1), ("deleteditems", 2), ("conversationhistory", 3)] {
                let id = mailbox.well_known(name);
                if let Some(folder) = mailbox.folders.get_mut(&id) {
                    folder.others = others;
                }
            }
        }
        if tells(Truth::EventMessages) {
            for m in event_messages(mailbox, ids, now, &domain) {
                let number = ids.number();
                mailbox.add(number, m);
            }
        }
        if tells(Truth::SearchFolders) {
            let (root, inbox) = (mailbox.root.clone(), mailbox.well_known("inbox"));
            let id = mailbox.new_folder(ids, &root, "Unread Mail", false);
            if let Some(folder) = mailbox.folders.get_mut(&id) {
                folder.search = Some(Search {
                    filter: "isRead eq false".into(),
                    sources: vec![inbox],
                    nested: false,
                });
            }
        }
        if tells(Truth::RecoverableLater) {
            mailbox.forget_unused();
        }
    }
    if tells(Truth::SharedMailboxes) {
        for (name, alias, purpose) in
            [("School office", "office", Purpose::Shared), ("Copier", "copier", Purpose::NoMailbox)]
        {
            let upn = format!("{alias}@{domain}");
            let mut u = crate::life::seed::user(ids, name, upn, "", now);
            // They stand behind the people in every list.
            u.id.replace_range(..2, "ff");
            u.mailbox.purpose = purpose;
            if purpose == Purpose::Shared {
                let mut m = blank(ids, &u.mailbox.well_known("inbox"), now, &domain);
                m.subject = Some("Absence today".into());
                (m.is_draft, m.is_read) = (false, false);
                let number = ids.number();
                u.mailbox.add(number, m);
            }
            tenant.user_log.push((u.id.clone(), crate::core::tenant::What::New));
            tenant.users.insert(u.id.clone(), u);
        }
    }
}

fn event_messages(
    mailbox: &Mailbox,
    ids: &mut IdMaker,
    now: jiff::Timestamp,
    domain: &str,
) -> Vec<Message> {
    let inbox = mailbox.well_known("inbox");
    let at = |time: &str| json!({"dateTime": time, "timeZone": "UTC"});
    let common = |kind: &str| {
        json!({"meetingMessageType": kind, "type": "singleInstance", "isOutOfDate": false,
            "isAllDay": false, "isDelegated": false, "recurrence": null,
            "startDateTime": at("2026-03-10T09:00:00.0000000"),
            "endDateTime": at("2026-03-10T10:00:00.0000000"),
            "location": {"displayName": "Room 5", "locationType": "default",
                "uniqueIdType": "unknown"}})
    };
    let with = |kind: &str, more: Value| -> Map<String, Value> {
        [common(kind), more].into_iter().filter_map(|v| v.as_object().cloned()).flatten().collect()
    };
    let request = with(
        "meetingRequest",
        json!({"responseRequested": true, "allowNewTimeProposals": true,
            "meetingRequestType": "newMeetingRequest", "previousLocation": null,
            "previousStartDateTime": null, "previousEndDateTime": null}),
    );
    let response =
        with("meetingAccepted", json!({"responseType": "accepted", "proposedNewTime": null}));
    [
        ("Staff meeting", "#microsoft.graph.eventMessageRequest", request),
        ("Accepted: Staff meeting", "#microsoft.graph.eventMessageResponse", response),
        (
            "Canceled: Staff meeting",
            "#microsoft.graph.eventMessage",
            with("meetingCancelled", json!({})),
        ),
    ]
    .into_iter()
    .map(|(subject, kind, properties)| {
        let mut m = blank(ids, &inbox, now, domain);
        m.subject = Some(subject.to_owned());
        (m.is_draft, m.is_read) = (false, true);
        m.event = Some(EventMessage { kind, properties });
        m
    })
    .collect()
}
