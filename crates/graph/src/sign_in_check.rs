//! How an application stands in its tenant: whether it may sign in, what it was granted, and what
//! the services say the time is.

use crate::{Client, Error, ErrorKind, Request, Scope, client::signed};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// What a sign-in and one call told.
#[derive(Debug, Clone)]
pub struct SignInCheck {
    /// The application permissions of its token; `None` where the token cannot be read.
    pub permissions: Option<BTreeSet<String>>,
    /// The sign-in service's clock, where it told it.
    pub signin_date: Option<Timestamp>,
    /// Graph's clock, where it told it; an error when Graph did not answer.
    pub graph_date: Result<Option<Timestamp>, Error>,
}

impl Client {
    /// Signs in and calls Graph once, whatever that answers.
    ///
    /// # Errors
    /// When it may not sign in.
    pub async fn standing(&self) -> Result<SignInCheck, Error> {
        let token = self.token(None).await?;
        let request = Request::get(Scope::Directory, "organization?$select=id");
        let failed = |why: String| {
            Error::new(ErrorKind::Unavailable, format!("Graph does not answer: {why}"))
        };
        let graph_date = async {
            let url = self.url(&request)?;
            let request = signed(&request, &url, &token).map_err(|e| failed(e.text))?;
            self.count_request(0);
            let answer = self.transport.send(request).await.map_err(|e| failed(e.text))?;
            // A refusal is an answer: what is granted, the token says.
            match answer.status {
                500.. => Err(failed(format!("status {}", answer.status))),
                _ => Ok(answer.date()),
            }
        };
        Ok(SignInCheck {
            permissions: token.permissions(),
            signin_date: token.granted_at,
            graph_date: graph_date.await,
        })
    }
}
