//! The measurement: every scenario, by turns on both servers, then the report.

use std::cell::Cell;
use std::fs;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};

use crate::child;
use crate::cli::Options;
use crate::comparison::{Comparison, Pair};
use crate::machine::Machine;
use crate::open_files;
use crate::report::Report;
use crate::sample::{Metric, Sample};
use crate::scenario::{self, Scenario, Stage};
use crate::server::{Place, Program};
use crate::tenancy::Tenancy;

/// Both servers, and how they are run.
struct Contest {
    other: Program,
    node: Program,
    place: Place,
    time: Duration,
    pairs: usize,
    /// What a held flood publishes; found out when the first scenario needs it.
    flood_rate: Cell<Option<f64>>,
}

/// Measures what the options ask for. Fails when any scenario failed, after all of them.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout();
    let scenarios: Vec<_> = scenario::all()
        .into_iter()
        .filter(|(name, _)| options.wants(name))
        .collect();
    if options.list {
        for (name, _) in &scenarios {
            writeln!(stdout, "{name}")?;
        }
        return Ok(());
    }
    if scenarios.is_empty() {
        bail!("no scenario has any of these words in its name; --list shows them");
    }
    let machine = Machine::read();
    let contest = Contest::new(options, &machine)?;
    let mut report = Report::new(machine, &contest.other, &contest.node, options)?;
    say(&format!("{report}"));
    open_files::raise()?;
    for (name, scenario) in &scenarios {
        let comparison = contest.compare(name, scenario.as_ref());
        if let Some(failure) = &comparison.failure {
            say(&format!("{name}: FAILED: {failure}"));
        }
        report.comparisons.push(comparison);
        // What was measured must survive whatever comes later.
        if let Some(file) = &options.json {
            let text = serde_json::to_string_pretty(&report.to_json())?;
            fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    writeln!(stdout, "{}", report.to_markdown())?;
    let failed: Vec<_> = report
        .comparisons
        .iter()
        .filter(|comparison| comparison.failure.is_some())
        .collect();
    if !failed.is_empty() {
        let names: Vec<_> = failed.iter().map(|comparison| comparison.scenario).collect();
        bail!("failed: {}", names.join(", "));
    }
    Ok(())
}

impl Contest {
    fn new(options: &Options, machine: &Machine) -> anyhow::Result<Self> {
        let node = match &options.node {
            Some(path) => path.clone(),
            None => std::env::current_exe()
                .context("cannot find this program")?
                .with_file_name("tollway-node"),
        };
        let (path, is_real) = match (&options.before, &options.nats_server) {
            (Some(before), _) => (before.clone(), false),
            (None, Some(real)) => (real.clone(), true),
            (None, None) => bail!(
                "name the real server's program with --nats-server or TOLLWAY_BENCH_NATS_SERVER, \
                 or an earlier build of the node with --before"
            ),
        };
        let other = Program { path, is_real };
        let node = Program {
            path: node,
            is_real: false,
        };
        let mut place = Place::default();
        if options.pin {
            let last = machine.processors() - 1;
            if last == 0 {
                bail!("--pin needs two processors");
            }
            child::pin(0)?;
            place.core = Some(last);
        }
        Ok(Self {
            other,
            node,
            place,
            time: options.time()?,
            pairs: options.pairs,
            flood_rate: Cell::new(options.flood_rate),
        })
    }

    /// A B B A A B B A …, so that a drift of the machine's speed falls on both.
    fn compare(&self, name: &'static str, scenario: &dyn Scenario) -> Comparison {
        let mut comparison = Comparison {
            scenario: name,
            pairs: Vec::new(),
            failure: None,
        };
        for number in 0..self.pairs {
            match self.pair(name, scenario, number % 2 == 1) {
                Ok(pair) => comparison.pairs.push(pair),
                Err(error) => {
                    comparison.failure = Some(format!("{error:#}"));
                    break;
                }
            }
        }
        comparison
    }

    fn pair(&self, name: &str, scenario: &dyn Scenario, node_first: bool) -> anyhow::Result<Pair> {
        if scenario.needs_flood_rate() && self.flood_rate.get().is_none() {
            let (flood, rate) = scenario::flood();
            let tenancy = Tenancy::new(&flood.accounts())?;
            let sample = self.once("flood's rate", flood.as_ref(), &self.other, &tenancy)?;
            self.flood_rate.set(sample.get(rate));
        }
        let tenancy = Tenancy::new(&scenario.accounts())?;
        let once = |program: &Program| self.once(name, scenario, program, &tenancy);
        Ok(if node_first {
            let node = once(&self.node)?;
            let other = once(&self.other)?;
            Pair { other, node }
        } else {
            let other = once(&self.other)?;
            let node = once(&self.node)?;
            Pair { other, node }
        })
    }

    fn once(
        &self,
        name: &str,
        scenario: &dyn Scenario,
        program: &Program,
        tenancy: &Tenancy,
    ) -> anyhow::Result<Sample> {
        let server = program.start(tenancy, self.place)?;
        let stage = Stage {
            server: &server,
            tenancy,
            time: self.time,
            program,
            place: self.place,
            flood_rate: self.flood_rate.get(),
        };
        let sample = scenario
            .run(&stage)
            .with_context(|| format!("with {program}, which logged at last:\n{}\n", server.log()))?;
        let mut line = format!("{name:18} {:24}", program.short_name());
        for (metric, value) in sample.metrics() {
            let notation = metric.notation();
            if notation.compared || metric == Metric::KernelShare {
                line += &format!("  {}: {value:.*}", notation.title, notation.digits);
            }
        }
        say(&line);
        Ok(sample)
    }
}

/// Progress is for people, and goes where tables do not.
fn say(line: &str) {
    // Nothing can be done when stderr is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Seconds since 1970, for the file.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}
