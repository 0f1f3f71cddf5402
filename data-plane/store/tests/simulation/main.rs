//! Crashes at every point, over many seeds. A failure prints its seed and how to repeat it.

// The seed comes from outside, and a failure says it.
#![allow(clippy::disallowed_methods, clippy::print_stderr)]

mod ledger;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use ledger::Ledger;
use tollway_store::SimDisk;
use world::{Random, World};

/// How a run ends and what the disk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// The machine stops at an operation of the disk.
    PowerLoss,
    /// The process is killed; the kernel goes on.
    Kill,
    /// One operation fails with EIO, then the machine is restarted.
    Failure,
    /// The disk is full at some time, and the machine stops later.
    Full,
    /// The disk says that it synchronised, and did not: this must be caught.
    Lie,
}

/// Works, stops, recovers and checks, three times over; the second crash may be while recovering.
fn run(seed: u64, trouble: Trouble, crash_after: Option<u64>) {
    let mut random = Random::new(seed);
    let mut disk = SimDisk::new();
    let mut ledger = Ledger::default();
    if trouble == Trouble::Full {
        disk.set_capacity((30 + random.below(60)) << 10);
    }
    for life in 0..3 {
        if trouble == Trouble::Lie {
            disk.ignore_syncs();
        }
        let at = disk.operations() + crash_after.unwrap_or_else(|| 1 + random.below(300));
        match trouble {
            Trouble::PowerLoss | Trouble::Full | Trouble::Lie => disk.crash_at(at),
            Trouble::Failure => disk.fail_at(at),
            Trouble::Kill => {}
        }
        let world_seed = seed * 16 + life;
        if let Some(mut world) = World::open(&disk, world_seed, &mut ledger) {
            if life > 0 {
                world.ledger.check(&world.store, trouble != Trouble::Kill);
            }
            let _ = world.work(600);
            ledger = std::mem::take(&mut world.ledger);
        } else if life == 0 {
            return; // It could not even be made: nobody was promised anything.
        }
        disk = match trouble {
            Trouble::Kill => disk.after_kill(),
            _ => disk.after_crash(random.below(u64::MAX)),
        };
    }
    let mut world = World::open(&disk, seed, &mut ledger).expect("a disk without trouble opens");
    world.ledger.check(&world.store, trouble != Trouble::Kill);
}

fn run_seeds(seeds: std::ops::Range<u64>, trouble: Trouble) {
    let only = std::env::var("STORE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    for seed in seeds {
        if only.is_some_and(|only: u64| only != seed) {
            continue;
        }
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed, trouble, None))) {
            eprintln!("seed {seed} with {trouble:?} fails; repeat it with STORE_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// More seeds for a night: `STORE_SEEDS=100000`.
fn seeds() -> std::ops::Range<u64> {
    0..std::env::var("STORE_SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(100)
}

#[test]
fn a_power_loss_costs_nothing_that_was_acknowledged() {
    run_seeds(seeds(), Trouble::PowerLoss);
}

#[test]
fn a_killed_process_loses_nothing_that_was_acknowledged_even_in_the_kernel() {
    run_seeds(seeds(), Trouble::Kill);
}

#[test]
fn nothing_is_acknowledged_after_the_disk_failed() {
    run_seeds(seeds(), Trouble::Failure);
}

#[test]
fn a_full_disk_costs_nothing_that_was_acknowledged() {
    run_seeds(seeds(), Trouble::Full);
}

#[test]
fn a_power_loss_at_every_single_operation_of_the_disk_costs_nothing() {
    for at in 1..400 {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(at % 7, Trouble::PowerLoss, Some(at)))) {
            eprintln!("seed {} with a crash at operation {at} fails", at % 7);
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn the_simulation_catches_a_disk_that_does_not_synchronise() {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let caught = (0..20)
        .filter(|seed| catch_unwind(|| run(*seed, Trouble::Lie, None)).is_err())
        .count();
    std::panic::set_hook(quiet);
    assert!(
        caught > 10,
        "only {caught} of 20 seeds noticed that the sync is left out"
    );
}
