//! The closed vocabulary of a transcript: what is not in it is not written.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

const PUBLISHED: &str = include_str!("../../data/published.txt");

/// Names beside the published types: OData's annotations, errors, batches, sign-in, uploads, and
/// the parameters of actions (message: move has `destinationId`, its metadata `DestinationId`).
const PROTOCOL: &str = "\
    @odata.context @odata.nextLink @odata.deltaLink @odata.etag @odata.type @odata.count @odata.id \
    @odata.mediaContentType @odata.mediaEditLink @odata.mediaReadLink @odata.mediaEtag \
    @odata.navigationLink @odata.associationLink @microsoft.graph.downloadUrl \
    @microsoft.graph.conflictBehavior @microsoft.graph.Decorator @microsoft.graph.tips \
    @removed reason error code message innerError innererror details target date request-id \
    client-request-id requests responses id method url headers status body dependsOn Prefer \
    Content-Type Retry-After Location Cache-Control access_token token_type expires_in \
    ext_expires_in refresh_in error_description error_codes timestamp trace_id correlation_id \
    error_uri suberror claims client_id client_secret client_assertion client_assertion_type \
    grant_type scope uploadUrl expirationDateTime nextExpectedRanges AttachmentItem \
    DestinationId destinationId value item deleted state folder file malware hashes quickXorHash \
    sha1Hash sha256Hash crc32Hash childCount view viewType sortBy sortOrder owner quota mimeType \
    processingMetadata deferCommit saveAsNew ctag cTag eTag sharepointIds";

/// Properties whose numbers are kept: they say how large things are, not what they are.
const NUMBERS: &[&str] = &["size", "status", "fileSize", "expires_in", "ext_expires_in"];

/// Values that are words of the interface, by property.
const VALUES: &[(&str, &[&str])] = &[
    ("token_type", &["Bearer"]),
    ("method", &["GET", "POST", "PATCH", "PUT", "DELETE"]),
    ("reason", &["changed", "deleted"]),
    ("@microsoft.graph.conflictBehavior", &["fail", "replace", "rename"]),
    ("driveType", &["personal", "business", "documentLibrary"]),
    ("includeUsers", &["All", "None", "GuestsOrExternalUsers"]),
    ("excludeUsers", &["GuestsOrExternalUsers"]),
    ("includeApplications", &["All", "None", "Office365", "MicrosoftAdminPortals"]),
    ("includeLocations", &["All", "AllTrusted"]),
    ("excludeLocations", &["All", "AllTrusted"]),
    ("operator", &["AND", "OR"]),
    ("id", &["Integer 0x0E07", "SystemTime 0x0039", "SystemTime 0x0E06"]),
    (
        "contentType",
        &[
            "text/plain",
            "text/html",
            "text/csv",
            "application/octet-stream",
            "application/pdf",
            "application/json",
            "image/png",
            "image/jpeg",
            "message/rfc822",
        ],
    ),
    ("Prefer", &["IdType=\"ImmutableId\""]),
    (
        "error",
        &[
            "invalid_client",
            "invalid_request",
            "unauthorized_client",
            "invalid_scope",
            "invalid_grant",
            "unsupported_grant_type",
        ],
    ),
];

/// Codes of errors (Microsoft Graph error responses; the services' own pages).
const CODES: &[&str] = &[
    "accessDenied",
    "activityLimitReached",
    "ApplicationThrottled",
    "Authorization_RequestDenied",
    "BadRequest",
    "ErrorAccessDenied",
    "ErrorFolderExists",
    "ErrorFolderNotFound",
    "ErrorIncorrectUpdatePropertyCount",
    "ErrorInternalServerError",
    "ErrorInvalidIdMalformed",
    "ErrorInvalidPropertySet",
    "ErrorInvalidRequest",
    "ErrorInvalidUser",
    "ErrorItemNotFound",
    "ErrorItemSave",
    "ErrorMessageSizeExceeded",
    "ErrorMimeContentInvalidBase64String",
    "ErrorQuotaExceeded",
    "generalException",
    "InternalServerError",
    "InvalidAuthenticationToken",
    "InvalidInternetMessageHeader",
    "invalidRange",
    "invalidRequest",
    "itemNotFound",
    "MailboxNotEnabledForRESTAPI",
    "MailboxNotHostedInExchangeOnline",
    "malwareDetected",
    "nameAlreadyExists",
    "NotFound",
    "notAllowed",
    "notSupported",
    "quotaLimitReached",
    "Request_BadRequest",
    "Request_MultipleObjectsWithSameKeyValue",
    "Request_ResourceNotFound",
    "Request_UnsupportedQuery",
    "ResourceNotFound",
    "resourceModified",
    "resyncRequired",
    "ResyncRequired",
    "serviceNotAvailable",
    "ServiceUnavailable",
    "SyncStateInvalid",
    "syncStateNotFound",
    "TooManyRequests",
    "UnknownError",
    "unauthenticated",
    "UnsupportedResourceType",
];

/// Words of paths that are no published segments: well-known folders, sign-in, metadata.
const PATH: &[&str] = &[
    "oauth2",
    "v2.0",
    "token",
    "$batch",
    "$count",
    "$value",
    "me",
    "inbox",
    "drafts",
    "sentitems",
    "deleteditems",
    "junkemail",
    "archive",
    "outbox",
    "conversationhistory",
    "clutter",
    "syncissues",
    "recoverableitemsdeletions",
    "recoverableitemspurges",
    "recoverableitemsversions",
    "searchfolders",
    "root",
    "items",
    "content",
    "children",
    "special",
    "createUploadSession",
    "conditionalAccess",
    "namedLocations",
    "policies",
    "deletedItems",
    "restore",
    "permanentDelete",
    "move",
    "versions",
    "attachments",
    "childFolders",
];

/// Query options, and the words of filters.
const QUERY: &[&str] = &[
    "$select",
    "$top",
    "$skip",
    "$filter",
    "$orderby",
    "$expand",
    "$count",
    "$search",
    "$skiptoken",
    "$deltatoken",
    "includehiddenfolders",
    "token",
    "changetype",
    "startdatetime",
    "enddatetime",
    "api-version",
];
const OPERATORS: &[&str] = &[
    "eq",
    "ne",
    "gt",
    "ge",
    "lt",
    "le",
    "and",
    "or",
    "not",
    "in",
    "asc",
    "desc",
    "true",
    "false",
    "null",
    "any",
    "all",
    "startswith",
    "endswith",
    "contains",
];

/// Headers that may be written, and what their values may be made of.
pub(super) const REQUEST_HEADERS: &[&str] = &[
    "accept",
    "content-type",
    "content-range",
    "range",
    "prefer",
    "consistencylevel",
    "if-match",
    "if-none-match",
];
pub(super) const ANSWER_HEADERS: &[&str] = &[
    "content-type",
    "content-range",
    "content-length",
    "accept-ranges",
    "location",
    "retry-after",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "x-ms-resource-unit",
    "x-ms-throttle-limit-percentage",
    "x-ms-throttle-scope",
    "x-ms-throttle-information",
    "preference-applied",
    "odata-version",
    "etag",
    "cache-control",
    "deprecation",
    "sunset",
    "strict-transport-security",
    "www-authenticate",
    "request-id",
    "client-request-id",
    "date",
    "vary",
    "transfer-encoding",
    "content-encoding",
];
/// Words within values of headers.
const HEADER_WORDS: &[&str] = &[
    "application",
    "json",
    "text",
    "plain",
    "html",
    "xml",
    "octet",
    "stream",
    "octet-stream",
    "x-www-form-urlencoded",
    "www",
    "form",
    "urlencoded",
    "x",
    "charset",
    "utf",
    "odata",
    "metadata",
    "minimal",
    "none",
    "full",
    "streaming",
    "true",
    "false",
    "IEEE754Compatible",
    "bytes",
    "idtype",
    "immutableid",
    "odata.maxpagesize",
    "maxpagesize",
    "return",
    "representation",
    "eventual",
    "no",
    "store",
    "cache",
    "max",
    "age",
    "private",
    "must",
    "revalidate",
    "gzip",
    "chunked",
    "accept",
    "encoding",
    "multipart",
    "image",
    "png",
    "jpeg",
    "pdf",
    "csv",
    "message",
    "rfc822",
    "deltashowremovedasdeleted",
    "deltatraversepermissiongaps",
    "deltashowsharingchanges",
    "includesubdomains",
];

/// Words of the format itself.
const FORMAT: &[&str] = &[
    "transcript",
    "program",
    "strongroom",
    "cloud",
    "worldwide",
    "other",
    "exchanges",
    "n",
    "at_ms",
    "identity",
    "read",
    "write",
    "configure",
    "host",
    "graph",
    "sign-in",
    "sign",
    "in",
    "elsewhere",
    "version",
    "v1",
    "v1.0",
    "beta",
    "path",
    "query",
    "link",
    "request",
    "answer",
    "failed",
    "headers",
    "body",
    "form",
    "digest",
    "length",
    "cut",
    "kind",
    "json",
    "whole",
    "method",
    "status",
    "get",
    "post",
    "patch",
    "put",
    "delete",
    "id",
    "name",
    "address",
    "url",
    "time",
    "text",
    "base64",
    "bytes",
    "key",
    "cidr",
    "chars",
    "owner",
    "tenant",
    "mark",
    "token",
    "code",
];

struct Words {
    properties: HashSet<&'static str>,
    types: HashSet<String>,
    paths: HashSet<String>,
    enums: HashMap<&'static str, HashSet<&'static str>>,
    all: HashSet<String>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    let mut w = Words {
        properties: PROTOCOL.split_ascii_whitespace().collect(),
        types: HashSet::new(),
        paths: PATH.iter().map(|p| p.to_lowercase()).collect(),
        enums: HashMap::new(),
        all: HashSet::new(),
    };
    for line in PUBLISHED.lines() {
        let mut cells = line.split(' ');
        match (cells.next(), cells.next(), cells.next()) {
            (Some("p"), Some(name), None) => {
                w.properties.insert(name);
            }
            (Some("t"), Some(name), None) => {
                w.types.insert(name.to_lowercase());
            }
            (Some("w"), Some(word), None) => {
                w.paths.insert(word.to_lowercase());
            }
            (Some("e"), Some(name), Some(value)) => {
                w.enums.entry(name).or_default().insert(value);
            }
            _ => {}
        }
    }
    for (name, values) in VALUES {
        w.enums.entry(name).or_default().extend(values.iter());
    }
    let mut all = HashSet::new();
    let plain = [PATH, QUERY, OPERATORS, CODES, HEADER_WORDS, FORMAT, REQUEST_HEADERS];
    let plain = plain.iter().flat_map(|l| l.iter().copied()).chain(ANSWER_HEADERS.iter().copied());
    let words = plain
        .chain(w.properties.iter().copied())
        .chain(w.enums.values().flatten().copied())
        .map(str::to_lowercase)
        .chain(w.types.iter().cloned())
        .chain(w.paths.iter().cloned());
    for word in words {
        all.extend(tokens(&word).map(str::to_owned));
    }
    w.all = all;
    w
});

/// Letters and digits that stand together.
pub(super) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|t| !t.is_empty())
}

/// Whether this is a published or protocol name of a property.
pub(super) fn is_property(name: &str) -> bool {
    WORDS.properties.contains(name)
        || name.split_once('@').is_some_and(|(name, annotation)| {
            WORDS.properties.contains(name)
                && WORDS.properties.contains(format!("@{annotation}").as_str())
        })
}

/// Whether a property's number is kept.
pub(super) fn keeps_number(name: &str) -> bool {
    NUMBERS.contains(&name)
}

/// Whether a value is a word of the interface at this property.
pub(super) fn is_value(property: &str, value: &str) -> bool {
    match property {
        "code" => CODES.contains(&value),
        "@odata.type" => {
            value.strip_prefix('#').is_some_and(|t| WORDS.types.contains(&t.to_lowercase()))
        }
        _ => WORDS.enums.get(property).is_some_and(|values| values.contains(value)),
    }
}

/// Whether a segment is a published word of paths.
pub(super) fn is_path_word(segment: &str) -> bool {
    let folded = segment.to_lowercase();
    WORDS.paths.contains(folded.trim_end_matches("()"))
        || WORDS.types.contains(folded.trim_end_matches("()"))
}

/// Whether this is a published query option.
pub(super) fn is_option(name: &str) -> bool {
    QUERY.contains(&name.to_lowercase().as_str())
}

/// Whether a word may stand in the value of an option.
pub(super) fn is_query_word(word: &str) -> bool {
    let folded = word.to_lowercase();
    WORDS.properties.iter().any(|p| p.to_lowercase() == folded)
        || OPERATORS.contains(&folded.as_str())
        || WORDS.types.iter().any(|t| tokens(t).any(|w| w == folded))
}

/// Whether a word may stand in a header.
pub(super) fn is_header_word(word: &str) -> bool {
    HEADER_WORDS.iter().any(|w| w.eq_ignore_ascii_case(word))
}

/// Whether a word is one that a transcript may show at all.
pub(super) fn is_known(word: &str) -> bool {
    WORDS.all.contains(&word.to_lowercase())
}
