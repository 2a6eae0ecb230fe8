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

/// A run that another process carries out, as far as it can be seen.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Rows that are to be sent.
    pub total: u64,
    /// Those that were settled.
    pub settled: u64,
    /// Requests that left.
    pub requests: u64,
    /// How many of them were sent once more.
    pub retried: u64,
    /// How many were rate limited.
    pub rate_limited: u64,
    /// The account's requests a second, where they are known.
    pub rate: Option<f64>,
}

#[derive(Debug, Default)]
struct Progress {
    settled: u64,
    total: u64,
    requests: u64,
    /// Requests that left before anybody looked.
    unseen: u64,
    retried: u64,
    rate_limited: u64,
    first: Option<Instant>,
    line: Option<Instant>,
    /// The account's requests a second, where they are known.
    rate: Option<f64>,
}

/// A person looks, at a terminal or at a log.
#[derive(Debug)]
pub struct Shown {
    bar: Option<ProgressBar>,
    progress: Mutex<Progress>,
}

/// How the bar is drawn: lines each of which takes what room there is.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
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
            bar.set_style(style("{wide_bar} {percent:>3}% {eta} left\n{wide_msg}"));
            bar
        });
        Self { bar, progress: Mutex::new(Progress { rate, ..Progress::default() }) }
    }

    /// Says something beside the bar.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }

    /// Shows a run as it was seen now.
    pub fn look(&self, seen: Seen) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = progress.first.is_none();
        let is_news = is_first || (progress.settled, progress.requests) != (seen.settled, seen.requests);
        let Seen { total, settled, requests, retried, rate_limited, rate } = seen;
        let (unseen, first) =
            if is_first { (requests, Some(Instant::now())) } else { (progress.unseen, progress.first) };
        let line = progress.line;
        *progress = Progress { settled, total, requests, unseen, retried, rate_limited, first, line, rate };
        self.show(&mut progress, is_news);
        if let (true, Some(bar)) = (is_first, &self.bar) {
            // The time left is by what is settled from here on.
            bar.tick();
            bar.reset_eta();
        }
    }

    /// Moves the bar; without one prints a line, where there are news and the last line is a while ago.
    fn show(&self, progress: &mut Progress, is_news: bool) {
        let Progress { settled, total, .. } = *progress;
        let done = total > 0 && settled >= total;
        match &self.bar {
            Some(bar) => {
                if bar.length() != Some(total) {
                    bar.set_length(total);
                }
                bar.set_position(settled);
                bar.set_message(format!("{settled}/{total} rows, {}", progress.requests()));
                let troubles = progress.troubles();
                if !troubles.is_empty() && bar.prefix().is_empty() {
                    bar.set_style(style("{wide_bar} {percent:>3}% {eta} left\n{wide_msg}\n{prefix}"));
                }
                bar.set_prefix(troubles);
                if done {
                    bar.finish();
                }
            }
            None if is_news && (done || progress.line.is_none_or(|last| last.elapsed() >= LINE_EVERY)) => {
                progress.line = Some(Instant::now());
                let troubles = progress.troubles();
                let troubles = if troubles.is_empty() { troubles } else { format!(", {troubles}") };
                say(&format!("{settled} of {total} rows done, {}{troubles}", progress.requests()));
            }
            None => {}
        }
    }
}

impl Progress {
    /// Requests, and their rate against that of the account.
    fn requests(&self) -> String {
        let seconds = self.first.map_or(0.0, |first| first.elapsed().as_secs_f64());
        let rate = if seconds > 0.5 { self.requests.saturating_sub(self.unseen) as f64 / seconds } else { 0.0 };
        let of = self.rate.map(|account| format!(" of {account}")).unwrap_or_default();
        format!("{} requests, {rate:.1}{of}/s", self.requests)
    }

    /// What went wrong; empty where nothing did.
    fn troubles(&self) -> String {
        let counts = [(self.retried, "retried"), (self.rate_limited, "rate limited")];
        let said = counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        said.collect::<Vec<_>>().join(", ")
    }
}

impl Observer for Shown {
    fn notify(&self, event: Event<'_>) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Waits(wait, why) => return self.say(&format!("waiting {} s: {why}", wait.as_secs())),
            Event::Reads(rows) => return self.say(&format!("read {rows} rows")),
            Event::Warns(text) => return self.say(&format!("note: {text}")),
            Event::Planned(total) => progress.total = total,
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
        let is_news = matches!(event, Event::Settled(_)) && progress.total > 0;
        self.show(&mut progress, is_news);
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
        for shown in ["left", "rows", "20 retried, 20 rate limited"] {
            assert!(lines.iter().any(|line| line.contains(shown)), "{shown}: {lines:?}");
        }
        for line in lines {
            assert!(line.trim_end().chars().count() <= 40, "{line}");
        }
    }

    #[test]
    fn progress_names_the_accounts_rate_and_what_went_wrong() {
        let progress = Progress { requests: 3, retried: 2, rate_limited: 1, rate: Some(20.0), ..Progress::default() };
        assert_eq!(progress.requests(), "3 requests, 0.0 of 20/s");
        assert_eq!(progress.troubles(), "2 retried, 1 rate limited");
        assert_eq!(
            (Progress::default().requests(), Progress::default().troubles()),
            ("0 requests, 0.0/s".into(), "".into())
        );
    }

    #[test]
    fn a_watched_run_has_the_same_bar_and_the_rate_since_then() {
        let terminal = Narrow::default();
        let shown = Shown::on(Some(ProgressDrawTarget::term_like(Box::new(terminal.clone()))), None);
        let seen = Seen { total: 900, settled: 300, requests: 50, retried: 1, rate_limited: 0, rate: Some(20.0) };
        shown.look(seen);
        // A minute ago.
        shown.progress.lock().unwrap().first = Instant::now().checked_sub(Duration::from_secs(60));
        shown.look(Seen { settled: 900, requests: 1250, ..seen });
        let message = shown.bar.as_ref().unwrap().message();
        assert_eq!(message, "900/900 rows, 1250 requests, 20.0 of 20/s");
        assert_eq!(shown.bar.as_ref().unwrap().prefix(), "1 retried");
        assert!(terminal.0.lock().unwrap().iter().any(|line| line.contains("33%")), "{terminal:?}");
    }
}
