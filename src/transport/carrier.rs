//! The two ways to send a request: over this crate's own connections, or through an agent of the
//! program.

use super::connect::Connector;
use super::connection::Connection;
use super::error::{Failure, OptionsError};
use super::head::{After, Framing, Head};
use super::options::TransportOptions;
use super::pool::Pool;
use super::tls;
use super::wait::Limits;
use std::sync::Arc;

#[cfg(feature = "ureq")]
use super::agent::{AgentBody, Courier};

/// The sender of requests: this crate's own connections or an agent.
pub(super) enum Carrier {
    Own {
        connector: Box<Connector>,
        pool: Arc<Pool>,
    },
    #[cfg(feature = "ureq")]
    Agent(Box<Courier>),
}

/// The source of a response's body.
pub(super) enum Incoming {
    Own(Box<Connection>, Arc<Pool>),
    #[cfg(feature = "ureq")]
    Agent(Box<AgentBody>),
}

impl Carrier {
    pub(super) fn new(options: TransportOptions) -> Result<Self, OptionsError> {
        #[cfg(feature = "ureq")]
        if let Some(agent) = &options.agent {
            return Courier::new(agent.0.clone(), &options).map(Box::new).map(Self::Agent);
        }
        let tls = tls::config(&options)?;
        let (connect, idle) = (options.connect_timeout, options.idle_timeout);
        Ok(Self::Own {
            connector: Box::new(Connector::new(tls, options.proxy, connect, idle)),
            pool: Arc::new(Pool::new(options.idle_connections, options.idle_lifetime)),
        })
    }
}

impl Incoming {
    /// Reads bytes of a body; see [`Connection::read_body`]. An agent decides itself how far it
    /// reads ahead.
    pub(super) fn read_body(
        &mut self,
        into: &mut [u8],
        beyond: usize,
        limits: &Limits<'_>,
    ) -> Result<usize, Failure> {
        match self {
            Self::Own(connection, _) => connection.read_body(into, beyond, limits),
            #[cfg(feature = "ureq")]
            Self::Agent(body) => body.read(into, limits),
        }
    }

    /// Returns the connection, if it is one of this crate's.
    pub(super) fn connection(&mut self) -> Option<&mut Connection> {
        match self {
            Self::Own(connection, _) => Some(connection),
            #[cfg(feature = "ureq")]
            Self::Agent(_) => None,
        }
    }

    /// Keeps the connection for another request if its next byte can only belong to the next
    /// response.
    pub(super) fn finish(self, head: &Head) {
        match self {
            Self::Own(mut connection, pool) => {
                if head.after == After::Reuse && !connection.has_surplus() {
                    connection.had_no_body = matches!(head.framing, Framing::NoBody);
                    pool.put(connection);
                }
            }
            #[cfg(feature = "ureq")]
            Self::Agent(body) => body.finish(),
        }
    }
}
