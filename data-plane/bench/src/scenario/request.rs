//! A client asks a service, with a number of requests in flight.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::stream::warm_up;
use super::{Scenario, Stage};
use crate::client::Client;
use crate::load::{Clocks, Requester, Responder, Service};
use crate::sample::{Metric, Sample};
use crate::server::Server;
use crate::tenancy::{Account, ROOT};

/// Bytes of a request and of a reply.
const PAYLOAD: usize = 16;

/// One requester and one responder.
pub(crate) struct Request {
    pub(crate) in_flight: usize,
}

/// Both ends of a service, connected.
pub(super) struct Ends {
    requester: Requester,
    responder: Responder,
}

impl Ends {
    pub(super) fn connect(server: &Server, account: &Account, in_flight: usize) -> anyhow::Result<Self> {
        let service = Service {
            subject: format!("{ROOT}.service"),
            inbox: "_INBOX.qPcXvR0123456789abcdef".to_owned(),
            payload: PAYLOAD,
        };
        let user = account.user()?;
        let responder = service.responder(Client::connect(server.address, &user)?)?;
        let requester = service.requester(Client::connect(server.address, &user)?, in_flight)?;
        Ok(Self { requester, responder })
    }

    /// Asks for a time; the latencies in nanoseconds, sorted.
    pub(super) fn run(&mut self, time: Duration) -> anyhow::Result<Vec<u32>> {
        let stop = AtomicBool::new(false);
        let mut latencies = thread::scope(|scope| {
            let answering = scope.spawn(|| self.responder.run(&stop));
            let latencies = self.requester.run(time);
            stop.store(true, Ordering::Release);
            // What went wrong at the responder is why there was no answer.
            answering.join().expect("the answering thread does not panic")?;
            latencies
        })?;
        latencies.sort_unstable();
        Ok(latencies)
    }
}

impl Scenario for Request {
    fn run(&self, stage: &Stage) -> anyhow::Result<Sample> {
        let mut ends = Ends::connect(stage.server, &stage.tenancy.accounts[0], self.in_flight)?;
        ends.run(warm_up(stage.time))?;
        let clocks = Clocks::read(stage.server)?;
        let latencies = ends.run(stage.time)?;
        let cost = clocks.cost(stage.server)?;
        let mut sample = Sample::default();
        let requests = latencies.len() as u64;
        sample.set(Metric::Rate, requests as f64 / stage.time.as_secs_f64());
        sample.set_cost(&cost, requests);
        sample.set_latencies([Metric::P50, Metric::P99, Metric::P999], &latencies);
        sample.set_memory(stage.server.memory()?);
        Ok(sample)
    }
}
