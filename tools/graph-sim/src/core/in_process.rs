//! The service without sockets: a request in, a reply out, the mailbox's place held meanwhile.

use crate::{
    Reply, Request, Sim,
    core::{clock::SimClock, world::Token},
};
use std::sync::{Arc, Mutex};

/// What an application signs in with.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Tenant id.
    pub tenant_id: String,
    /// Client id.
    pub application_id: String,
    /// The client secret.
    pub secret: String,
    /// Certificate and private key, PEM.
    pub certificate_pem: String,
}

/// A place in a mailbox's concurrency limit; free again when dropped.
///
/// Source of the limit: Microsoft Graph throttling limits, Outlook: 4 concurrent requests for an
/// application and a mailbox.
pub struct Place {
    sim: Sim,
    scope: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sim.world().throttle.end(&self.scope);
    }
}

impl Sim {
    /// Answers one request as the sockets do. The place, when the request has taken one, is to be
    /// held until the last byte of the body is delivered.
    pub fn answer(&self, request: &Request) -> (Reply, Option<Place>) {
        let (reply, scope) = self.world().handle_in_place(request);
        (reply, scope.map(|scope| Place { sim: self.clone(), scope }))
    }

    /// What an application (`read`, `write`, …) of a tenant signs in with; `None` when there is no
    /// such tenant or application.
    pub fn credentials(&self, tenant: usize, application: &str) -> Option<Credentials> {
        let world = self.world();
        let tenant = world.tenants.get(tenant)?;
        let app = tenant.apps.iter().find(|a| a.name == application)?;
        Some(Credentials {
            tenant_id: tenant.id.clone(),
            application_id: app.app_id.clone(),
            secret: app.secret.clone(),
            certificate_pem: app.pem.clone(),
        })
    }

    /// A second service in the same state, whose clock is stopped at the same time. Neither sees
    /// what the other does from then on.
    #[must_use]
    pub fn fork(&self) -> Sim {
        let mut world = self.world().clone();
        let clock = Arc::new(SimClock::new(self.clock().now()));
        clock.stop();
        world.clock = clock.clone();
        Sim { world: Arc::new(Mutex::new(world)), clock }
    }

    /// An access token of a tenant (its number in the order of seeding) that holds these
    /// application permissions and no other; `None` when there is no such tenant.
    pub fn token(&self, tenant: usize, permissions: &[&str]) -> Option<String> {
        let mut world = self.world();
        world.tenants.get(tenant)?;
        let access = world.ids.secret("token");
        let token = Token {
            tenant,
            app: world.ids.guid("app"),
            roles: permissions.iter().map(|p| (*p).to_owned()).collect(),
            person: None,
            expires_ms: world.clock.now_ms() + world.settings.token_lifetime_s * 1000,
        };
        world.tokens.insert(access.clone(), token);
        Some(access)
    }
}
