//! Account A floods; account B asks a service of its own, one request at a time.

use std::thread;
use std::time::Duration;

use anyhow::ensure;

use super::request::Ends;
use super::stream::{Stream, warm_up};
use super::{Scenario, Stage};
use crate::sample::{Metric, Sample};
use crate::server::Server;
use crate::tenancy::Terms;

const PAYLOAD: usize = 128;

/// The flood flows so long before and after what is measured beside it.
const MARGIN: Duration = Duration::from_millis(300);

/// What a limited flood may move more than its rate: the burst at its beginning, in a short run.
const LIMIT_SLACK: f64 = 1.5;

/// How A floods.
pub(crate) struct Neighbour {
    /// Connections that publish, each to one receiver.
    pub(crate) flooders: usize,
    pub(crate) flood: Flood,
    /// Whether A has a server process of its own.
    pub(crate) apart: bool,
}

/// How much A publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flood {
    /// As much as the server takes.
    Free,
    /// As much as the other server takes when it is free, on both servers.
    Held,
    /// As much as the server takes, which our node was told to let be so many messages a second. The
    /// real server cannot be told that: there A has a process of its own, the best that one can do, and
    /// publishes no more by itself.
    Limited(u64),
}

impl Neighbour {
    fn beside(
        &self,
        stage: &Stage,
        flooded: &Server,
        victim: &mut Ends,
        sample: &mut Sample,
    ) -> anyhow::Result<()> {
        let (flooding, asking) = (&stage.tenancy.accounts[0], stage.time);
        let rate = match self.flood {
            Flood::Limited(rate) if stage.program.is_real => Some(rate as f64),
            Flood::Free | Flood::Limited(_) => None,
            Flood::Held => Some(stage.flood_rate()?),
        };
        let mut flow = Stream::pairs(self.flooders, PAYLOAD).flow(flooded, flooding, flooding)?;
        flow.run(flooded, warm_up(stage.time), rate)?;
        let (latencies, phase) = thread::scope(|scope| {
            let flooding = scope.spawn(|| flow.run(flooded, asking + 2 * MARGIN, rate));
            thread::sleep(MARGIN);
            let latencies = victim.run(asking);
            let phase = flooding.join().expect("the flooding thread does not panic");
            anyhow::Ok((latencies?, phase?))
        })?;
        sample.set_latencies([Metric::P50, Metric::P99, Metric::P999], &latencies);
        let moved = phase.delivered as f64 / phase.elapsed.as_secs_f64();
        if let (Flood::Limited(rate), false) = (self.flood, stage.program.is_real) {
            ensure!(
                moved < rate as f64 * LIMIT_SLACK,
                "the flood moved {moved:.0} messages a second where its account has {rate}"
            );
        }
        sample.set(Metric::FloodRate, moved);
        Ok(())
    }
}

impl Scenario for Neighbour {
    fn accounts(&self) -> Vec<Terms> {
        let messages_in = match self.flood {
            Flood::Limited(rate) => Some(rate),
            Flood::Free | Flood::Held => None,
        };
        let flooding = Terms {
            messages_in,
            ..Terms::default()
        };
        vec![flooding, Terms::default()]
    }

    fn needs_flood_rate(&self) -> bool {
        self.flood == Flood::Held
    }

    fn run(&self, stage: &Stage) -> anyhow::Result<Sample> {
        let asking = &stage.tenancy.accounts[1];
        let mut victim = Ends::connect(stage.server, asking, asking, 1)?;
        victim.run(warm_up(stage.time))?;
        let alone = victim.run(stage.time)?;
        let mut sample = Sample::default();
        sample.set_latencies([Metric::AloneP50, Metric::AloneP99, Metric::AloneP999], &alone);
        let real_and_limited = stage.program.is_real && matches!(self.flood, Flood::Limited(_));
        if self.apart || real_and_limited {
            let other = stage.another()?;
            self.beside(stage, &other, &mut victim, &mut sample)?;
        } else {
            self.beside(stage, stage.server, &mut victim, &mut sample)?;
        }
        let grown = sample.get(Metric::P99).zip(sample.get(Metric::AloneP99));
        if let Some((beside, alone)) = grown {
            sample.set(Metric::P99Grown, beside / alone);
        }
        sample.set_memory(stage.server.memory()?);
        Ok(sample)
    }
}
