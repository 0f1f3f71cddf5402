//! Connections that are logged in, subscribe once, and say nothing.

use std::thread;
use std::time::Duration;

use super::{Scenario, Stage};
use crate::client::Client;
use crate::sample::{Metric, Sample};
use crate::tenancy::{Creds, ROOT};

/// Threads that connect at the same time.
const THREADS: usize = 4;

/// So long nothing happens before memory is read: what logins needed for a moment is then given back.
const REST: Duration = Duration::from_secs(1);

/// So many of them.
pub(crate) struct Idle {
    pub(crate) connections: usize,
    /// Different users among them, each with as many connections.
    pub(crate) users: usize,
}

impl Scenario for Idle {
    fn run(&self, stage: &Stage) -> anyhow::Result<Sample> {
        let account = &stage.tenancy.accounts[0];
        let users: Vec<Creds> = (0..self.users)
            .map(|_| account.user())
            .collect::<Result<_, _>>()?;
        // The first login has the server make what all of them share.
        Client::connect(stage.server.address, &account.user()?)?;
        let before = stage.server.memory()?;
        let connect = |thread: usize| -> anyhow::Result<Vec<Client>> {
            let mine = (thread..self.connections).step_by(THREADS);
            mine.map(|number| {
                let mut client = Client::connect(stage.server.address, &users[number % users.len()])?;
                client.send(format!("SUB {ROOT}.idle 1\r\n"))?;
                client.sync()?;
                Ok(client)
            })
            .collect()
        };
        let mut clients: Vec<Client> = Vec::new();
        thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| scope.spawn(move || connect(thread)))
                .collect();
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
