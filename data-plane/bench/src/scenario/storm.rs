//! Clients connect, log in with a JWT and a signature, and leave, as fast as the server lets them.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::stream::warm_up;
use super::{Scenario, Stage};
use crate::client::Client;
use crate::load::Clocks;
use crate::sample::{Metric, Sample};
use crate::tenancy::Creds;

/// Clients that connect at the same time.
const THREADS: u8 = 8;

/// Who connects.
pub(crate) struct Storm {
    /// Different users. The storm ends early when it is to end with the last of them.
    pub(crate) users: usize,
    /// Whether a user may connect again.
    pub(crate) again: bool,
}

impl Storm {
    /// Connects until the time is over, or the users are. How many connections there were.
    fn blow(&self, stage: &Stage, users: &[Creds], time: Duration) -> anyhow::Result<usize> {
        let next = AtomicUsize::new(0);
        let until = Instant::now() + time;
        let one = |thread: u8| -> anyhow::Result<usize> {
            let from = Ipv4Addr::new(127, 0, 1, 1 + thread);
            let mut connections = 0;
            while Instant::now() < until {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let user = if self.again {
                    users.get(number % users.len())
                } else {
                    users.get(number)
                };
                let Some(user) = user else { break };
                // Logged in when this returns: the server has answered the first PING.
                Client::connect_from(from, stage.server.address, user)?;
                connections += 1;
            }
            Ok(connections)
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|number| scope.spawn(move || one(number)))
                .collect();
            let results = threads
                .into_iter()
                .map(|thread| thread.join().expect("clients do not panic"));
            results.sum()
        })
    }
}

impl Scenario for Storm {
    fn run(&self, stage: &Stage) -> anyhow::Result<Sample> {
        let account = &stage.tenancy.accounts[0];
        let users = |count| (0..count).map(|_| account.user()).collect::<Result<Vec<_>, _>>();
        self.blow(stage, &users(64)?, warm_up(stage.time))?;
        let users = users(self.users)?;
        let clocks = Clocks::read(stage.server)?;
        let begun = Instant::now();
        let connections = self.blow(stage, &users, stage.time)? as f64;
        let elapsed = begun.elapsed().as_secs_f64();
        let cost = clocks.cost(stage.server)?;
        let mut sample = Sample::default();
        sample.set(Metric::ConnectRate, connections / elapsed);
        sample.set(
            Metric::ConnectCpu,
            cost.server.nanos as f64 / connections / 1000.0,
        );
        sample.set(
            Metric::ConnectsPerCpu,
            connections / (cost.server.nanos as f64 / 1e9),
        );
        if let Some(share) = cost.server.kernel_share() {
            sample.set(Metric::KernelShare, share * 100.0);
        }
        sample.set_memory(stage.server.memory()?);
        Ok(sample)
    }
}
