//! Requests and replies, apart from any socket.

use bytes::Bytes;
use serde_json::{Value, json};

/// A request as the routes see it.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path, still percent-encoded.
    pub path: String,
    /// Query without `?`, still encoded.
    pub query: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// A header's value; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The origin that the client called, for links in answers.
    pub(crate) fn origin(&self) -> String {
        format!("https://{}", self.header("host").unwrap_or("graph.microsoft.com"))
    }

    /// Whether any `Prefer` header holds this preference, ignoring case and spaces.
    pub(crate) fn prefers(&self, preference: &str) -> bool {
        let fold = |s: &str| s.to_ascii_lowercase().replace([' ', '"'], "");
        self.headers
            .iter()
            .filter(|(n, _)| n == "prefer")
            .flat_map(|(_, v)| v.split(','))
            .any(|p| fold(p) == fold(preference))
    }

    pub(crate) fn prefer_value(&self, name: &str) -> Option<String> {
        self.headers
            .iter()
            .filter(|(n, _)| n == "prefer")
            .flat_map(|(_, v)| v.split(','))
            .filter_map(|p| p.split_once('='))
            .find(|(k, _)| k.trim().eq_ignore_ascii_case(name))
            .map(|(_, v)| v.trim().trim_matches('"').to_owned())
    }

    pub(crate) fn json(&self, area: Area) -> Result<Value, ApiError> {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        serde_json::from_slice(&self.body).map_err(|_| {
            ApiError::bad_request(
                area,
                "Unable to read JSON request payload. Please ensure \
                Content-Type header is set and payload is of valid JSON format.",
            )
        })
    }
}

/// How the body is sent; anything but `Whole` is a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// As it should be.
    Whole,
    /// The connection is reset after so many bytes.
    Reset(usize),
    /// Fewer bytes than the length that was announced, in so many steps of so many milliseconds.
    Slow {
        /// Pause before each piece.
        pause_ms: u64,
        /// Bytes of a piece.
        piece_bytes: usize,
    },
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Bytes,
    /// How it is sent.
    pub delivery: Delivery,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new(), delivery: Delivery::Whole }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let mut reply = Self::new(status);
        reply
            .headers
            .push(("content-type".into(),
                "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8".into()));
        reply.body = body.to_string().into();
        reply
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// Which of Microsoft's services answers: their error codes differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Area {
    Directory,
    Mail,
    Drive,
}

/// A documented error.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) inner_code: Option<&'static str>,
}

impl ApiError {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), headers: Vec::new(), inner_code: None }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn inner(mut self, code: &'static str) -> Self {
        self.inner_code = Some(code);
        self
    }

    pub(crate) fn bad_request(area: Area, message: impl Into<String>) -> Self {
        let code = match area {
            Area::Directory => "Request_BadRequest",
            Area::Mail => "RequestBroker--ParseUri",
            Area::Drive => "invalidRequest",
        };
        Self::new(400, code, message)
    }

    /// Intune wraps what it says into JSON within the message.
    pub(crate) fn intune(text: &str) -> Self {
        let message = json!({"_version": 3, "Message": text, "CustomApiErrorPhrase": "",
            "RetryAfter": null, "ErrorSourceService": "", "HttpHeaders": "{}"});
        Self::new(400, "BadRequest", message.to_string())
    }

    pub(crate) fn not_found(area: Area) -> Self {
        match area {
            Area::Directory => Self::new(
                404,
                "Request_ResourceNotFound",
                "Resource does not exist or one of its queried reference-property objects are not \
                 present.",
            ),
            Area::Mail => Self::new(
                404,
                "ErrorItemNotFound",
                "The specified object was not found in the store., The process failed to get the \
                 correct properties.",
            ),
            Area::Drive => Self::new(404, "itemNotFound", "The resource could not be found."),
        }
    }

    /// The person is there, and no mailbox in Exchange Online. Source: troubleshooting article
    /// *REST API is not yet supported for this mailbox* and msgraph-sdk-javascript #1756.
    pub(crate) fn mailbox_not_enabled() -> Self {
        Self::new(
            404,
            "MailboxNotEnabledForRESTAPI",
            "The mailbox is either inactive, soft-deleted, or is hosted on-premise.",
        )
    }

    pub(crate) fn denied(area: Area) -> Self {
        match area {
            Area::Directory => Self::new(
                403,
                "Authorization_RequestDenied",
                "Insufficient privileges to complete the operation.",
            ),
            Area::Mail => Self::new(
                403,
                "ErrorAccessDenied",
                "Access is denied. Check credentials and try again.",
            ),
            Area::Drive => Self::new(403, "accessDenied", "Access denied"),
        }
    }

    /// The path is there, and not with this method.
    pub(crate) fn other_method(area: Area) -> Self {
        let (code, text) = match area {
            Area::Directory => (
                "Request_BadRequest",
                "Specified HTTP method is not allowed for the request target.",
            ),
            Area::Mail => ("ErrorInvalidRequest", "The OData request is not supported."),
            Area::Drive => ("invalidRequest", "The HTTP method is not supported."),
        };
        Self::new(405, code, text)
    }

    /// Microsoft publishes it, and this simulator does not play it.
    pub(crate) fn not_simulated() -> Self {
        Self::new(501, "notImplemented", "This operation is not simulated.")
    }

    pub(crate) fn body(&self, request_id: &str, client_id: &str, now: jiff::Timestamp) -> Value {
        let mut inner = json!({
            "date": now.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
            "request-id": request_id,
            "client-request-id": client_id,
        });
        if let Some(code) = self.inner_code {
            inner["code"] = code.into();
        }
        json!({"error": {"code": self.code, "message": self.message, "innerError": inner}})
    }
}
