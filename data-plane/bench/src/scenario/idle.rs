//! Connections that are logged in, subscribe once, and say nothing.

use std::thread;
use std::time::Duration;

use anyhow::ensure;

use super::{Scenario, Stage};
use crate::client::Client;
use crate::sample::{Metric, Sample};
use crate::tenancy::ROOT;

/// Threads that connect at the same time.
const THREADS: usize = 4;

/// So long nothing happens before memory is read: what logins needed for a moment is then given back.
const REST: Duration = Duration::from_secs(1);

/// So many of them.
pub(crate) struct Idle {
    pub(crate) connections: usize,
}

impl Scenario for Idle {
    fn run(&self, stage: &Stage) -> anyhow::Result<Sample> {
        let user = stage.tenancy.accounts[0].user()?;
        // The first login has the server make what all of them share.
        Client::connect(stage.server.address, &user)?;
        let before = stage.server.memory()?;
        let connect = || -> anyhow::Result<Vec<Client>> {
            (0..self.connections / THREADS)
                .map(|_| {
                    let mut client = Client::connect(stage.server.address, &user)?;
                    client.send(format!("SUB {ROOT}.idle 1\r\n"))?;
                    client.sync()?;
                    Ok(client)
                })
                .collect()
        };
        let mut clients: Vec<Client> = Vec::new();
        thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(connect)).collect();
            for thread in threads {
                clients.append(&mut thread.join().expect("the connecting threads do not panic")?);
            }
            anyhow::Ok(())
        })?;
        thread::sleep(REST);
        let after = stage.server.memory()?;
        let spent = stage.server.processor_time()?;
        thread::sleep(stage.time);
        let spent = stage.server.processor_time()?.since(spent);
        // All of them are still there: memory of closed connections would be no memory of connections.
        let last = clients.len() - 1;
        for place in [0, last / 2, last] {
            clients[place].sync()?;
        }
        ensure!(
            clients.len() == self.connections,
            "so many connections are no multiple of {THREADS}"
        );

        let mut sample = Sample::default();
        let each = after.now.saturating_sub(before.now) as f64 / clients.len() as f64;
        sample.set(Metric::ConnectionMemory, each / 1024.0);
        sample.set(
            Metric::IdleCpu,
            spent.nanos as f64 / stage.time.as_nanos() as f64 * 1000.0,
        );
        sample.set_memory(after);
        Ok(sample)
    }
}
