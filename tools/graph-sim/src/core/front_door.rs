//! What answers in place of a service: gateways, portals, sign-in pages.

use crate::core::{
    faults::{Fault, service_of},
    http::{ApiError, Area, Delivery, Reply, Request},
    world::World,
};

/// A page as gateways show it while a service is away.
const PAGE: &str = "<!DOCTYPE html>\r\n<html><head><title>Service Unavailable</title></head>\r\n\
    <body><h2>Our services aren't available right now</h2><p>We're working to restore all services \
    as soon as possible. Please check back soon.</p></body></html>\r\n";

impl World {
    /// The answer of a front door; `None` when the request goes on to the service.
    pub(crate) fn front_door(&mut self, req: &Request, fault: &Fault) -> Option<Reply> {
        if !fault.is_front_door() {
            return None;
        }
        let area = match service_of(req) {
            "mail" => Area::Mail,
            "drives" => Area::Drive,
            _ => Area::Directory,
        };
        let error = match fault {
            Fault::Status { status, retry_after_s } => {
                let error = plain(*status);
                match retry_after_s {
                    Some(s) => error.with("retry-after", s.to_string()),
                    None => error,
                }
            }
            Fault::ResetBeforeAnswer => {
                let mut reply = Reply::new(200);
                // Announced, and never sent.
                reply.body = bytes::Bytes::from_static(b"{\"value\": [");
                reply.delivery = Delivery::Reset(0);
                return Some(reply);
            }
            Fault::HtmlPage => {
                let mut reply = Reply::new(200).with("content-type", "text/html; charset=utf-8");
                reply.body = bytes::Bytes::from_static(PAGE.as_bytes());
                return Some(reply);
            }
            Fault::LoginRedirect => {
                let to = "https://login.microsoftonline.com/common/oauth2/authorize?client_id=\
                    00000002-0000-0ff1-ce00-000000000000&response_type=code&prompt=login";
                return Some(Reply::new(302).with("location", to));
            }
            Fault::Missing => ApiError::not_found(area),
            Fault::Unlicensed => unlicensed(area),
            _ => return None,
        };
        Some(self.error(req, error))
    }
}

fn plain(status: u16) -> ApiError {
    let (code, text) = match status {
        429 => ("TooManyRequests", "The request has been throttled."),
        503 => ("serviceNotAvailable", "The service is temporarily unavailable."),
        504 => ("UnknownError", "Gateway timeout."),
        404 => ("itemNotFound", "The resource could not be found."),
        410 => (
            "SyncStateNotFound",
            "The sync state generation is not found; generation=149;[highest=157].",
        ),
        _ => ("generalException", "An unspecified error has occurred."),
    };
    ApiError::new(status, code, text)
}

/// Sources: *Resolve Microsoft Graph authorization errors* and the reports of sign-ins
/// (`Authentication_RequestFromNonPremiumTenantOrB2CTenant`); Outlook answers 404 with
/// `MailboxNotEnabledForRESTAPI` for accounts without an Exchange Online licence; SharePoint speaks
/// of its own licence.
pub(crate) fn unlicensed(area: Area) -> ApiError {
    match area {
        Area::Mail => ApiError::mailbox_not_enabled(),
        Area::Drive => ApiError::new(403, "accessDenied", "Tenant does not have a SPO license."),
        Area::Directory => ApiError::new(
            403,
            "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
            "Neither tenant is B2C or tenant doesn't have premium license",
        ),
    }
}
