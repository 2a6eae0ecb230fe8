//! How a run is shown as it goes: a bar on a terminal, lines elsewhere. Always on standard error.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::escaped;
use crate::ports::{Event, Observer};

/// Time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Prints a line on standard error, whatever is in it as a terminal may show it; whoever reads may have gone away
/// (`2>&1 | head`).
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", escaped(text, usize::MAX));
}

/// Nobody looks.
#[derive(Debug)]
pub struct Silent;

impl Observer for Silent {
    fn notify(&self, _event: Event<'_>) {}
}

#[derive(Debug, Default)]
struct Progress {
    settled: u64,
    total: u64,
    requests: u64,
    first: Option<Instant>,
    line: Option<Instant>,
}

/// A person looks, at a terminal or at a log.
#[derive(Debug)]
pub struct Shown {
    bar: Option<ProgressBar>,
    progress: Mutex<Progress>,
}

impl Default for Shown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shown {
    /// A bar where standard error is a terminal, lines elsewhere.
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(8));
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} rows  {msg}  {elapsed} so far, {eta} left");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, progress: Mutex::default() }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }
}

impl Progress {
    fn requests(&self) -> String {
        let seconds = self.first.map_or(0.0, |first| first.elapsed().as_secs_f64());
        let rate = if seconds > 0.5 { self.requests as f64 / seconds } else { 0.0 };
        format!("{} requests, {rate:.1}/s", self.requests)
    }
}

impl Observer for Shown {
    fn notify(&self, event: Event<'_>) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Waits(wait, why) => return self.say(&format!("waiting {} s: {why}", wait.as_secs())),
            Event::Reads(rows) => return self.say(&format!("read {rows} rows")),
            Event::Warns(text) => return self.say(&format!("note: {text}")),
            Event::Planned(total) => {
                progress.total = total;
                if let Some(bar) = &self.bar {
                    bar.set_length(total);
                }
            }
            Event::Request => {
                progress.requests += 1;
                progress.first.get_or_insert_with(Instant::now);
            }
            Event::Settled(rows) => progress.settled += rows,
        }
        let done = progress.total > 0 && progress.settled >= progress.total;
        match &self.bar {
            Some(bar) => {
                bar.set_position(progress.settled);
                bar.set_message(progress.requests());
                if done {
                    bar.finish();
                }
            }
            None if progress.total > 0 && (done || progress.line.is_none_or(|last| last.elapsed() >= LINE_EVERY)) => {
                if matches!(event, Event::Settled(_)) {
                    progress.line = Some(Instant::now());
                    let Progress { settled, total, .. } = *progress;
                    say(&format!("{settled} of {total} rows settled, {}", progress.requests()));
                }
            }
            None => {}
        }
    }
}
