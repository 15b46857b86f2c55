//! Refusals that mail and drives have of their own.

use super::probes::Probe;
use serde_json::json;

const BAD: &[u16] = &[400];
const MESSAGE: &str = "/users/{user-id}/messages/{message-id}";
const FOLDERS: &str = "/users/{user-id}/mailFolders";
const ITEM: &str = "/drives/{drive-id}/items/{driveItem-id}";
const ROOT: &str = "/drives/{drive-id}/root";

pub(crate) fn mail(out: &mut Vec<Probe>) {
    let mut push = |p: Probe| out.push(p);
    // Mail folders that Outlook made: EWS ResponseCodeType *ErrorDeleteDistinguishedFolder*.
    for name in ["inbox", "drafts", "sentitems", "deleteditems", "junkemail", "outbox", "archive"] {
        push(Probe::new(
            "mail",
            "deletion of what is built in",
            "DELETE",
            format!("{FOLDERS}/{name}"),
            &[400, 403],
        ));
    }
    // Create mailFolder: a name that its parent has is *ErrorFolderExists*.
    push(
        Probe::new("mail", "duplicate name", "POST", FOLDERS, &[409])
            .body(&json!({"displayName": "Inbox"}))
            .code("ErrorFolderExists"),
    );
    push(
        Probe::new("mail", "malformed id", "GET", "/users/{user-id}/messages/short", BAD)
            .code("ErrorInvalidIdMalformed"),
    );
    push(Probe::new("mail", "malformed id", "GET", format!("{FOLDERS}/short"), &[400, 404]));
    // List messages: "$top … minimum value of 1 and maximum of 1000".
    for top in ["0", "1001", "99999999999999999999"] {
        push(
            Probe::new("mail", "$top out of range", "GET", "/users/{user-id}/messages", BAD)
                .query(format!("$top={top}")),
        );
    }
    // Attachments of 3 MB and more need an upload session.
    let big = "A".repeat(4_500_000);
    push(
        Probe::new("mail", "body over 4 MB", "POST", format!("{MESSAGE}/attachments"), &[413])
            .body(&json!({"@odata.type": "#microsoft.graph.fileAttachment", "name": "a",
            "contentBytes": big})),
    );
    push(
        Probe::new("mail", "body over 4 MB", "POST", "/users/{user-id}/messages", &[413])
            .body(&json!({"subject": "x", "body": {"contentType": "text", "content": big}})),
    );
    push(
        Probe::new("mail", "missing required", "POST", format!("{MESSAGE}/move"), BAD)
            .body(&json!({})),
    );
    push(
        Probe::new("mail", "missing required", "POST", format!("{MESSAGE}/copy"), BAD)
            .body(&json!({})),
    );
    push(
        Probe::new("mail", "unknown target", "POST", format!("{MESSAGE}/move"), &[404, 400])
            .body(&json!({"destinationId": "AAMkAGNoSuchFolderAtAllAAAAAAAAAAAAAAA="})),
    );
    push(
        Probe::new("mail", "missing required", "POST", format!("{MESSAGE}/attachments"), BAD)
            .body(&json!({"@odata.type": "#microsoft.graph.fileAttachment", "contentBytes": ""})),
    );
    push(
        Probe::new("mail", "wrong type", "POST", format!("{MESSAGE}/attachments"), BAD)
            .body(&json!({"@odata.type": "#microsoft.graph.noSuchAttachment", "name": "x"})),
    );
    // Internet message headers of a client begin with x-.
    push(
        Probe::new("mail", "read-only property", "POST", "/users/{user-id}/messages", BAD)
            .body(&json!({"internetMessageHeaders": [{"name": "Received", "value": "x"}]}))
            .code("InvalidInternetMessageHeader"),
    );
    for name in ["parentFolderId", "changeKey", "webLink", "bodyPreview", "id"] {
        push(
            Probe::new("mail", "read-only property", "PATCH", MESSAGE, BAD)
                .body(&json!({name: "x"})),
        );
    }
    push(
        Probe::new("mail", "wrong enum value", "PATCH", MESSAGE, BAD)
            .body(&json!({"flag": {"flagStatus": "waving"}})),
    );
    push(
        Probe::new("mail", "wrong enum value", "PATCH", MESSAGE, BAD)
            .body(&json!({"inferenceClassification": "somewhat"})),
    );
    // Update message: If-Match with another changeKey.
    push(
        Probe::new("mail", "stale If-Match", "PATCH", MESSAGE, &[412])
            .header("if-match", "W/\"CQAAABYAAAold\"")
            .body(&json!({"isRead": true})),
    );
    push(Probe::new(
        "mail",
        "unknown segment",
        "GET",
        format!("{MESSAGE}/noSuchThing"),
        &[400, 404],
    ));
    push(Probe::new("mail", "unknown segment", "GET", "/users/{user-id}/mails", &[400, 404]));
    push(Probe::new("mail", "not there", "GET", "/users/nobody@nowhere.example/messages", &[404]));
    push(
        Probe::new(
            "mail",
            "bad delta token",
            "GET",
            format!("{FOLDERS}/inbox/messages/delta"),
            &[400, 410],
        )
        .query("$deltatoken=nonsense"),
    );
    // Delta: a $filter takes receivedDateTime ge or gt alone; $search is not there.
    push(
        Probe::new(
            "mail",
            "option of a delta",
            "GET",
            format!("{FOLDERS}/inbox/messages/delta"),
            BAD,
        )
        .query("$filter=subject eq 'x'"),
    );
    push(
        Probe::new(
            "mail",
            "option of a delta",
            "GET",
            format!("{FOLDERS}/inbox/messages/delta"),
            BAD,
        )
        .query("$search=\"x\""),
    );
}

pub(crate) fn drives(out: &mut Vec<Probe>) {
    let mut push = |p: Probe| out.push(p);
    let children = format!("{ROOT}/children");
    push(
        Probe::new("drives", "stale If-Match", "PATCH", ITEM, &[412])
            .header("if-match", "\"{OLD},1\"")
            .body(&json!({"description": "x"})),
    );
    push(
        Probe::new("drives", "stale If-Match", "DELETE", ITEM, &[412])
            .header("if-match", "\"{OLD},1\""),
    );
    push(Probe::new("drives", "deletion of what is built in", "DELETE", ROOT, &[400, 403]));
    push(Probe::new("drives", "missing required", "POST", &children, BAD).body(&json!({})));
    push(
        Probe::new("drives", "missing required", "POST", &children, BAD)
            .body(&json!({"folder": {}})),
    );
    push(
        Probe::new("drives", "unknown property", "POST", &children, BAD)
            .body(&json!({"name": "New", "folder": {}, "noSuchProperty": 1})),
    );
    // Names that OneDrive and SharePoint do not take (support article on invalid names).
    for name in ["a|b.txt", "a<b.txt", "a:b.txt", "a\"b.txt", "CON", ".lock", "~$old.docx"] {
        push(Probe::new("drives", "name", "PATCH", ITEM, BAD).body(&json!({"name": name})));
    }
    push(
        Probe::new("drives", "wrong enum value", "POST", &children, BAD).body(
            &json!({"name": "New", "folder": {}, "@microsoft.graph.conflictBehavior": "maybe"}),
        ),
    );
    for name in ["webUrl", "eTag", "cTag"] {
        push(
            Probe::new("drives", "read-only property", "PATCH", ITEM, BAD)
                .body(&json!({name: "https://example.com/x"})),
        );
    }
    push(
        Probe::new("drives", "body over 4 MB", "PATCH", ITEM, &[413])
            .body(&json!({"description": "A".repeat(4_500_000)})),
    );
    push(Probe::new("drives", "not there", "GET", "/drives/b!nothing", &[400, 404]));
    push(
        Probe::new("drives", "not there", "GET", "/drives/{drive-id}/items/01NOSUCHITEM", &[404])
            .code("itemNotFound"),
    );
    push(Probe::new("drives", "not there", "GET", format!("{ITEM}/versions/99.0"), &[404]));
    // driveItemVersion: the content of the current version is not had there.
    push(
        Probe::new("drives", "bad delta token", "GET", format!("{ROOT}/delta"), &[400, 410])
            .query("token=nonsense"),
    );
    push(Probe::new("drives", "folder has no content", "GET", format!("{ROOT}/content"), BAD));
    push(Probe::new(
        "drives",
        "unknown segment",
        "GET",
        format!("{ITEM}/noSuchThing"),
        &[400, 404],
    ));
    push(Probe::new("drives", "method", "PUT", ITEM, &[400, 405]).body(&json!({})));
    push(
        Probe::new("drives", "missing required", "POST", format!("{ITEM}/invite"), BAD)
            .body(&json!({})),
    );
    push(
        Probe::new("drives", "wrong enum value", "POST", format!("{ITEM}/createLink"), BAD)
            .body(&json!({"type": "devour", "scope": "organization"})),
    );
    push(
        Probe::new("drives", "missing required", "POST", format!("{ITEM}/copy"), &[400, 404])
            .body(&json!({"parentReference": {"id": "01NOSUCHFOLDER"}})),
    );
    push(
        Probe::new("drives", "malformed range", "POST", format!("{ITEM}/createUploadSession"), BAD)
            .body(&json!({"item": {"noSuchProperty": 1}})),
    );
}
