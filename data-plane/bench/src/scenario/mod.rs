//! What is measured: one scenario per kind of work that a server does.

mod idle;
mod neighbour;
mod request;
mod storm;
mod stream;
mod subscriptions;
mod tenants;

use std::time::Duration;

use anyhow::Context as _;

use crate::sample::{Metric, Sample};
use crate::server::{Place, Program, Server};
use crate::tenancy::{Tenancy, Terms};

use idle::Idle;
use neighbour::{Flood, Neighbour};
use request::Request;
use storm::Storm;
use stream::Stream;
use subscriptions::Subscriptions;
use tenants::Tenants;

/// One freshly started server, and what is to be done to it.
pub(crate) struct Stage<'s> {
    pub(crate) server: &'s Server,
    /// What the server knows.
    pub(crate) tenancy: &'s Tenancy,
    /// How long the load is put on.
    pub(crate) time: Duration,
    /// What the server is a process of, for scenarios that need a second one.
    pub(crate) program: &'s Program,
    pub(crate) place: Place,
    /// What a neighbour may publish at most; see [`Scenario::needs_flood_rate`].
    pub(crate) flood_rate: Option<f64>,
}

impl Stage<'_> {
    /// Another process of the same program, which knows the same.
    fn another(&self) -> anyhow::Result<Server> {
        self.program.start(self.tenancy, self.place)
    }

    fn flood_rate(&self) -> anyhow::Result<f64> {
        self.flood_rate
            .context("the flood's rate is found out before it is needed")
    }
}

/// Work for one server.
pub(crate) trait Scenario {
    /// The accounts that the servers are to have.
    fn accounts(&self) -> Vec<Terms> {
        vec![Terms::default()]
    }

    /// Whether it has to be told what the other server moves when nothing holds the flood.
    fn needs_flood_rate(&self) -> bool {
        false
    }

    /// Puts the load on and says what it cost. An error when anything was not delivered as it should
    /// have been.
    fn run(&self, stage: &Stage) -> anyhow::Result<Sample>;
}

/// Finds out what [`Scenario::needs_flood_rate`] is about, and the metric that has it.
pub(crate) fn flood() -> (Box<dyn Scenario>, Metric) {
    let neighbour = Neighbour {
        flooders: 1,
        flood: Flood::Free,
        apart: false,
    };
    (Box::new(neighbour), Metric::FloodRate)
}

/// All scenarios with their names, in the order of the table.
pub(crate) fn all() -> Vec<(&'static str, Box<dyn Scenario>)> {
    let neighbour = |flooders, flood, apart| -> Box<dyn Scenario> {
        Box::new(Neighbour {
            flooders,
            flood,
            apart,
        })
    };
    let idle = |users| -> Box<dyn Scenario> {
        Box::new(Idle {
            connections: 10_000,
            users,
        })
    };
    let request = |in_flight, imported| -> Box<dyn Scenario> { Box::new(Request { in_flight, imported }) };
    vec![
        ("publish-16", Box::new(Stream::publish_only(16))),
        ("publish-128", Box::new(Stream::publish_only(128))),
        ("1to1-16", Box::new(Stream::fan_out(1, 16))),
        ("1to1-128", Box::new(Stream::fan_out(1, 128))),
        ("1to1-1k", Box::new(Stream::fan_out(1, 1024))),
        ("1to1-16k", Box::new(Stream::fan_out(1, 16 * 1024))),
        ("1to10-16", Box::new(Stream::fan_out(10, 16))),
        ("1to10-128", Box::new(Stream::fan_out(10, 128))),
        ("1to1000-16", Box::new(Stream::fan_out(1000, 16))),
        ("4to4-128", Box::new(Stream::pairs(4, 128))),
        ("queue-4", Box::new(Stream::queue_group(4, 128))),
        ("import-1to1-128", Box::new(Stream::imported(128))),
        ("subs-100k-cold", Box::new(Subscriptions { hot: false })),
        ("subs-100k-hot", Box::new(Subscriptions { hot: true })),
        ("request-1", request(1, false)),
        ("request-100", request(100, false)),
        ("import-request-100", request(100, true)),
        ("accounts-1000", Box::new(Tenants)),
        ("idle-10000", idle(100)),
        ("idle-10000-users", idle(10_000)),
        (
            "storm",
            Box::new(Storm {
                users: 256,
                again: true,
            }),
        ),
        (
            "storm-new-users",
            Box::new(Storm {
                users: 30_000,
                again: false,
            }),
        ),
        ("neighbour-1", neighbour(1, Flood::Free, false)),
        ("neighbour-50", neighbour(50, Flood::Free, false)),
        ("neighbour-held", neighbour(1, Flood::Held, false)),
        ("neighbour-limited", neighbour(1, Flood::Limited(100_000), false)),
        ("neighbour-apart", neighbour(1, Flood::Free, true)),
    ]
}
