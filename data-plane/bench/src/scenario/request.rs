//! A client asks a service, with a number of requests in flight.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::stream::{importing, warm_up};
use super::{Scenario, Stage};
use crate::client::Client;
use crate::load::{Clocks, Requester, Responder, Service};
use crate::sample::{Metric, Sample};
use crate::server::Server;
use crate::tenancy::{Account, SERVICE, Terms};

/// Bytes of a request and of a reply.
const PAYLOAD: usize = 16;

/// One requester and one responder.
pub(crate) struct Request {
    pub(crate) in_flight: usize,
    /// Whether the requester is in another account, which imports the service.
    pub(crate) imported: bool,
}

/// Both ends of a service, connected.
pub(super) struct Ends {
    requester: Requester,
    responder: Responder,
}

impl Ends {
    /// Of a service in the account `of`, asked by a user of `by`.
    pub(super) fn connect(
        server: &Server,
        of: &Account,
        by: &Account,
        in_flight: usize,
    ) -> anyhow::Result<Self> {
        let service = Service {
            subject: SERVICE.to_owned(),
            inbox: "_INBOX.qPcXvR0123456789abcdef".to_owned(),
            payload: PAYLOAD,
        };
        let responder = service.responder(Client::connect(server.address, &of.user()?)?)?;
        let requester = service.requester(Client::connect(server.address, &by.user()?)?, in_flight)?;
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
    fn accounts(&self) -> Vec<Terms> {
        if self.imported {
            importing()
        } else {
            vec![Terms::default()]
        }
    }

    fn run(&self, stage: &Stage) -> anyhow::Result<Sample> {
        let accounts = &stage.tenancy.accounts;
        let (of, by) = (&accounts[0], &accounts[accounts.len() - 1]);
        let mut ends = Ends::connect(stage.server, of, by, self.in_flight)?;
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
