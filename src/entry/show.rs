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

/// Prints a line on standard error, whatever is in it as a terminal may show it; the reader may have gone away
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
    retried: u64,
    rate_limited: u64,
    first: Option<Instant>,
    line: Option<Instant>,
}

/// A person looks, at a terminal or at a log.
#[derive(Debug)]
pub struct Shown {
    bar: Option<ProgressBar>,
    progress: Mutex<Progress>,
    /// The account's requests a second, where they are known.
    rate: Option<f64>,
}

impl Shown {
    /// A bar where standard error is a terminal, lines elsewhere.
    pub fn new(rate: Option<f64>) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self::on(is_terminal.then(|| ProgressDrawTarget::stderr_with_hz(8)), rate)
    }

    fn on(target: Option<ProgressDrawTarget>, rate: Option<f64>) -> Self {
        let bar = target.map(|target| {
            let bar = ProgressBar::with_draw_target(Some(0), target);
            // Two lines, each of which takes what room there is.
            let style = ProgressStyle::with_template("{wide_bar} {percent:>3}% {eta} left\n{wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, progress: Mutex::default(), rate }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }
}

impl Progress {
    /// Requests, their rate against that of the account, and what went wrong.
    fn requests(&self, account: Option<f64>) -> String {
        let seconds = self.first.map_or(0.0, |first| first.elapsed().as_secs_f64());
        let rate = if seconds > 0.5 { self.requests as f64 / seconds } else { 0.0 };
        let of = account.map(|account| format!(" of {account}")).unwrap_or_default();
        let count = |count: u64, what: &str| if count > 0 { format!(", {count} {what}") } else { String::new() };
        let troubles = [count(self.retried, "retried"), count(self.rate_limited, "rate limited")].concat();
        format!("{} requests, {rate:.1}{of}/s{troubles}", self.requests)
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
            Event::Retries { rate_limited } => {
                progress.retried += 1;
                progress.rate_limited += u64::from(rate_limited);
            }
            Event::Settled(rows) => progress.settled += rows,
        }
        let done = progress.total > 0 && progress.settled >= progress.total;
        match &self.bar {
            Some(bar) => {
                bar.set_position(progress.settled);
                let Progress { settled, total, .. } = *progress;
                bar.set_message(format!("{settled}/{total} rows, {}", progress.requests(self.rate)));
                if done {
                    bar.finish();
                }
            }
            None if progress.total > 0 && (done || progress.line.is_none_or(|last| last.elapsed() >= LINE_EVERY)) => {
                if matches!(event, Event::Settled(_)) {
                    progress.line = Some(Instant::now());
                    let Progress { settled, total, .. } = *progress;
                    say(&format!("{settled} of {total} rows settled, {}", progress.requests(self.rate)));
                }
            }
            None => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use std::io;
    use std::sync::Arc;

    use indicatif::TermLike;

    use super::*;

    /// A terminal of 40 columns, and the lines that are written on it.
    #[derive(Clone, Debug, Default)]
    struct Narrow(Arc<Mutex<Vec<String>>>);

    impl TermLike for Narrow {
        fn width(&self) -> u16 {
            40
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push(text.to_owned());
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_bar_fits_forty_columns() {
        let terminal = Narrow::default();
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let shown = Shown::on(Some(target), Some(12.5));
        shown.notify(Event::Planned(1_234_567));
        for _ in 0..20 {
            shown.notify(Event::Request);
            shown.notify(Event::Retries { rate_limited: true });
            shown.notify(Event::Settled(50_000));
        }
        shown.bar.as_ref().unwrap().finish();
        let lines = terminal.0.lock().unwrap().clone();
        assert!(lines.iter().any(|line| line.contains("left")) && lines.iter().any(|line| line.contains("rows")));
        for line in lines {
            assert!(line.trim_end().chars().count() <= 40, "{line}");
        }
    }

    #[test]
    fn progress_names_the_accounts_rate_and_what_went_wrong() {
        let progress = Progress { requests: 3, retried: 2, rate_limited: 1, ..Progress::default() };
        assert_eq!(progress.requests(Some(20.0)), "3 requests, 0.0 of 20/s, 2 retried, 1 rate limited");
        assert_eq!(Progress::default().requests(None), "0 requests, 0.0/s");
    }
}
