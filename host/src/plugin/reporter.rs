//! What a guest says for people: lines for tracing, counters and gauges. All of it is bounded, because a guest that
//! logs in a loop must not fill a disk or slow its neighbours.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing::Level;

use super::PluginId;
use crate::model::limits::{GUEST_LOG_LINE_BYTES_MAX, GUEST_METRIC_NAME_BYTES_MAX, GUEST_METRICS_MAX};

/// A number of a plugin's own, for /metrics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Metric {
    Count(u64),
    Gauge(f64),
}

/// The mouth of one generation; all its instances share it.
pub(super) struct Reporter {
    plugin: PluginId,
    lines_per_second: u32,
    window: Mutex<Window>,
    metrics: Mutex<BTreeMap<String, Metric>>,
}

struct Window {
    start: Instant,
    lines: u32,
    dropped: u64,
}

impl Reporter {
    pub fn new(plugin: PluginId, lines_per_second: u32) -> Self {
        let window = Mutex::new(Window { start: Instant::now(), lines: 0, dropped: 0 });
        Self { plugin, lines_per_second, window, metrics: Mutex::default() }
    }

    /// Writes a line, cut to its length limit, unless this second is used up. Control characters are written escaped,
    /// so that a guest can forge neither a line nor a terminal sequence. Says whether it was written.
    pub fn line(&self, level: Level, text: &str) -> bool {
        let (written, dropped) = self.admit();
        let (name, version) = (self.plugin.name.as_str(), self.plugin.version.as_str());
        if dropped > 0 {
            tracing::warn!(plugin = name, version, dropped, "the plugin wrote too many lines");
        }
        if !written {
            return false;
        }
        let text = clean(text);
        match level {
            Level::ERROR => tracing::error!(plugin = name, version, "{text}"),
            Level::WARN => tracing::warn!(plugin = name, version, "{text}"),
            Level::INFO => tracing::info!(plugin = name, version, "{text}"),
            Level::DEBUG => tracing::debug!(plugin = name, version, "{text}"),
            Level::TRACE => tracing::trace!(plugin = name, version, "{text}"),
        }
        true
    }

    /// Whether a line may be written now, and how many were dropped in the second that just ended.
    fn admit(&self) -> (bool, u64) {
        let mut window = lock(&self.window);
        let mut dropped = 0;
        if window.start.elapsed() >= Duration::from_secs(1) {
            dropped = window.dropped;
            *window = Window { start: Instant::now(), lines: 0, dropped: 0 };
        }
        let written = window.lines < self.lines_per_second;
        window.lines += u32::from(written);
        window.dropped += u64::from(!written);
        (written, dropped)
    }

    pub fn count(&self, name: &str, delta: u64) {
        self.metric(name, |old| match old {
            Some(Metric::Count(sum)) => Metric::Count(sum.saturating_add(delta)),
            Some(Metric::Gauge(_)) | None => Metric::Count(delta),
        });
    }

    pub fn gauge(&self, name: &str, value: f64) {
        self.metric(name, |_| Metric::Gauge(value));
    }

    /// A name that is too long, or one too many, is dropped: a metric is no place for events.
    fn metric(&self, name: &str, change: impl FnOnce(Option<Metric>) -> Metric) {
        let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b':'));
        if name.is_empty() || name.len() > GUEST_METRIC_NAME_BYTES_MAX || !letters {
            return;
        }
        let mut metrics = lock(&self.metrics);
        if let Some(metric) = metrics.get_mut(name) {
            *metric = change(Some(*metric));
        } else if metrics.len() < GUEST_METRICS_MAX {
            metrics.insert(name.to_owned(), change(None));
        }
    }

    pub fn metrics(&self) -> Vec<(String, Metric)> {
        lock(&self.metrics).iter().map(|(name, metric)| (name.clone(), *metric)).collect()
    }
}

/// One line that is safe to print: cut at the limit, control characters escaped.
pub(super) fn clean(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(GUEST_LOG_LINE_BYTES_MAX));
    for letter in text.trim_end().chars() {
        if line.len() >= GUEST_LOG_LINE_BYTES_MAX {
            line.push('…');
            break;
        }
        if letter.is_control() && letter != '\t' {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
    }
    line
}

/// A value behind a poisoned lock is still whole: every writer here changes it in one step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reporter(lines_per_second: u32) -> Reporter {
        let plugin = PluginId { name: "p".into(), version: "1".into(), digest: "d".into() };
        Reporter::new(plugin, lines_per_second)
    }

    #[test]
    fn a_plugin_writes_so_many_lines_a_second_and_no_more() {
        let reporter = reporter(3);
        let written = (0..10).filter(|_| reporter.line(Level::INFO, "hello")).count();
        assert_eq!(written, 3);
        lock(&reporter.window).start -= Duration::from_secs(2);
        assert!(reporter.line(Level::INFO, "a new second"));
    }

    #[test]
    fn a_line_is_short_and_cannot_forge_another() {
        assert_eq!(clean("a\nERROR forged\u{1b}[31m\n"), "a\\nERROR forged\\u{1b}[31m");
        let long = clean(&"ä".repeat(1 << 20));
        assert!(long.len() <= GUEST_LOG_LINE_BYTES_MAX + 10 && long.ends_with('…'), "{}", long.len());
    }

    #[test]
    fn metrics_are_few_and_plain() {
        let reporter = reporter(1);
        reporter.count("sent", 2);
        reporter.count("sent", u64::MAX);
        reporter.gauge("lag", 1.5);
        reporter.count("a b", 1);
        reporter.count(&"x".repeat(101), 1);
        assert_eq!(reporter.metrics(), [("lag".into(), Metric::Gauge(1.5)), ("sent".into(), Metric::Count(u64::MAX))]);
        (0..1_000).for_each(|i| reporter.count(&format!("m{i}"), 1));
        assert_eq!(reporter.metrics().len(), GUEST_METRICS_MAX);
    }
}
