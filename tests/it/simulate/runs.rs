//! Runs in the world: as one process, or as calls of its steps; killed, or not.

use autopilot_export::error::{Kind, Result};
use autopilot_export::report::Report;
use autopilot_export::run::RunRequest;
use autopilot_export::steps::{self, Cancellation, Failure, Limit, Prepared};
use fastrand::Rng;
use futures_util::future::join_all;
use jiff::SignedDuration;
use std::cell::RefCell;
use std::time::Duration;

use super::drops::is_personal;
use super::world::World;
use crate::support::kill::Kill;

/// Who carries a run out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Engine {
    /// One process, as on one machine.
    Process,
    /// A call per step, as on AWS; each may have another clock and another configuration.
    Calls,
}

/// What becomes of the processes of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fate {
    pub(super) engine: Engine,
    /// Each process dies at a call up to this number, if it comes there.
    pub(super) dies_within: Option<u64>,
    /// How many calls of steps may die before the run is left as it is.
    pub(super) deaths: u32,
    /// By how much clocks are off, at most.
    pub(super) clocks: SignedDuration,
}

impl Fate {
    /// Nothing happens to it.
    pub(super) const GOOD: Self =
        Self { engine: Engine::Process, dies_within: None, deaths: 0, clocks: SignedDuration::ZERO };

    fn kill(&self, random: &mut Rng) -> std::sync::Arc<Kill> {
        match self.dies_within {
            Some(most) => Kill::new(random.u64(1..=most), random.bool()),
            None => Kill::never(),
        }
    }

    fn clock(&self, random: &mut Rng) -> SignedDuration {
        let most = self.clocks.as_secs();
        SignedDuration::from_secs(if most == 0 { 0 } else { random.i64(-most..=most) })
    }
}

/// Longer than any run takes whose rows all arrive.
const FOR_EVER: Duration = Duration::from_secs(20 * 86_400);

/// Carries a run out; gives its report, unless it was left in the middle.
pub(super) async fn run(world: &World, request: &RunRequest, fate: &Fate, random: &mut Rng) -> Option<Report> {
    let running = async {
        match fate.engine {
            Engine::Process => one_process(world, request, fate, random).await,
            Engine::Calls => by_calls(world, request, fate, random).await,
        }
    };
    tokio::time::timeout(FOR_EVER, running).await.unwrap_or_else(|_| panic!("a run does not end"))
}

async fn one_process(world: &World, request: &RunRequest, fate: &Fate, random: &mut Rng) -> Option<Report> {
    let (config, kill) = (world.config(), fate.kill(random));
    let process = world.process(&config, fate.clock(random), &kill);
    let running = async {
        let earlier = steps::resume(&process, &config, request).await.unwrap();
        steps::run(&process, &config, earlier.as_ref().unwrap_or(request), &Cancellation::default()).await
    };
    let report = tokio::select! {
        biased;
        () = kill.reached() => None,
        report = running => ended(report),
    };
    if report.is_none() && random.bool() {
        world.end_leases();
    }
    report
}

/// Where even the end of a run fails, the next run ends it.
fn ended(report: Result<Report>) -> Option<Report> {
    if let Err(error) = &report {
        assert!(error.kind != Kind::Bug && !is_personal(&error.chain()), "{}", error.chain());
    }
    report.ok()
}

/// Makes one call of a step in a process of its own, again where that died.
macro_rules! call {
    ($world:expr, $fate:expr, $random:expr, $deaths:expr, |$process:ident, $config:ident| $step:expr) => {
        loop {
            let $config = $world.config();
            let (kill, $process) = {
                let mut random = $random.borrow_mut();
                let kill = $fate.kill(&mut random);
                // Clocks of its own, or one for the whole run.
                let off = $fate.clock(&mut random);
                let process = $world.process(&$config, off, &kill);
                (kill, process)
            };
            let done = tokio::select! {
                biased;
                () = kill.reached() => None,
                done = $step => Some(done),
            };
            if let Some(done) = done {
                break done;
            }
            *$deaths.borrow_mut() += 1;
            if *$deaths.borrow() > $fate.deaths {
                return None;
            }
            let seconds = $random.borrow_mut().u64(0..100);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
    };
}

async fn by_calls(world: &World, request: &RunRequest, fate: &Fate, random: &mut Rng) -> Option<Report> {
    let (random, deaths) = (&RefCell::new(random), &RefCell::new(0));
    let failure = loop {
        match call!(world, fate, random, deaths, |process, config| steps::prepare(&process, &config, request)) {
            Ok(Prepared::Wait { seconds, .. }) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            Ok(Prepared::Done { .. }) => break None,
            Ok(Prepared::Ready { .. }) => match sends(world, request, fate, random, deaths).await? {
                Ok(()) => break None,
                Err(failure) => break Some(failure),
            },
            Err(error) => break Some(Failure::of(&error)),
        }
    };
    let report = call!(world, fate, random, deaths, |process, config| steps::finish(
        &process,
        &config,
        request,
        failure.clone()
    ));
    ended(report)
}

async fn sends(
    world: &World,
    request: &RunRequest,
    fate: &Fate,
    random: &RefCell<&mut Rng>,
    deaths: &RefCell<u32>,
) -> Option<std::result::Result<(), Failure>> {
    let opened = call!(world, fate, random, deaths, |process, config| steps::open(&process, &config, request));
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => return Some(Err(Failure::of(&error))),
    };
    let lanes = (0..opened.count).map(|lane| async move {
        loop {
            let delivered = call!(world, fate, random, deaths, |process, config| {
                let seconds = random.borrow_mut().i64(60..600);
                let until = process.clock.now() + SignedDuration::from_secs(seconds);
                let limit = Limit { until: Some(until), ..Limit::default() };
                async move { steps::deliver(&process, &config, request, lane, &limit).await }
            });
            match delivered {
                Ok(delivered) if delivered.done => return Some(Ok(())),
                Ok(_) => {}
                Err(error) => return Some(Err(Failure::of(&error))),
            }
        }
    });
    let ends: Option<Vec<std::result::Result<(), Failure>>> = join_all(lanes).await.into_iter().collect();
    Some(ends?.into_iter().collect())
}
