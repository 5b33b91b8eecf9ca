//! `GET /metrics`: what the plugins did, in Prometheus' text format.

use std::fmt::Write;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::App;
use super::openapi::OPERATIONS;
use crate::delivery::{GenerationStatus, ViewState, ViewStatus};
use crate::engine::{CommandCounts, OUTCOMES};
use crate::plugin::{LATENCY_BOUNDS_US, Metric, PluginMetric, PluginStatus, Serving};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What plugins did, in Prometheus' text format.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = OPERATIONS,
    responses((status = 200, description = "Counters, gauges and histograms.", body = String, content_type = "text/plain"))
)]
pub async fn get_metrics(State(app): State<App>) -> Response {
    let plugins = app.engine.plugins();
    let mut text = text(&plugins.list(), &plugins.metrics());
    commands(&mut text, &app.engine.command_counts());
    views(&mut text, &app.views.list());
    ([(header::CONTENT_TYPE, TEXT)], text).into_response()
}

/// One family of a generation's numbers: name, help, and what to read.
type Counter = (&'static str, &'static str, fn(&Serving) -> f64);

const COUNTERS: [Counter; 5] = [
    ("weir_plugin_calls_total", "Calls of a plugin's generation.", |s| s.stats.calls as f64),
    ("weir_plugin_events_total", "Events in those calls.", |s| s.stats.events as f64),
    ("weir_plugin_wait_seconds_total", "Time that calls waited for an instance.", |s| s.stats.wait_us as f64 / 1e6),
    ("weir_plugin_fuel_total", "Instructions, of pure kinds.", |s| s.stats.fuel as f64),
    ("weir_plugin_swaps_total", "Generations so far.", |s| s.generation as f64),
];

const GAUGES: [Counter; 3] = [
    ("weir_plugin_instances", "Instances that exist now.", |s| s.instances as f64),
    ("weir_plugin_memory_peak_bytes", "The most memory that one instance had.", |s| s.stats.memory_bytes_peak as f64),
    ("weir_plugin_suspended", "1 while it is suspended for failing too often.", |s| {
        f64::from(u8::from(s.suspended_s.is_some()))
    }),
];

fn text(plugins: &[PluginStatus], own: &[PluginMetric]) -> String {
    let mut out = String::new();
    let serving: Vec<_> = plugins
        .iter()
        .filter_map(|plugin| Some((labels(&plugin.name, plugin.serving.as_ref()?), plugin.serving.as_ref()?)))
        .collect();
    head(&mut out, "weir_plugin_state", "gauge", "1 for the state that a plugin is in.");
    for plugin in plugins {
        // The same word as in /plugins.
        let state = serde_json::to_value(plugin.state).unwrap_or_default();
        let state = state.as_str().unwrap_or_default();
        let _ = writeln!(out, "weir_plugin_state{{plugin=\"{}\",state=\"{state}\"}} 1", escape(&plugin.name));
    }
    for (kind, families) in [("counter", &COUNTERS[..]), ("gauge", &GAUGES[..])] {
        for (name, help, read) in families {
            head(&mut out, name, kind, help);
            for (labels, serving) in &serving {
                let _ = writeln!(out, "{name}{{{labels}}} {}", read(serving));
            }
        }
    }
    head(&mut out, "weir_plugin_faults_total", "counter", "Failed calls, by reason.");
    for (labels, serving) in &serving {
        for (reason, count) in &serving.stats.faults {
            let _ = writeln!(out, "weir_plugin_faults_total{{{labels},reason=\"{reason}\"}} {count}");
        }
    }
    head(&mut out, "weir_plugin_call_seconds", "histogram", "Time in the guest.");
    for (labels, serving) in &serving {
        histogram(&mut out, labels, serving);
    }
    head(&mut out, "weir_plugin_own_total", "counter", "Counters that plugins keep themselves.");
    head(&mut out, "weir_plugin_own", "gauge", "Gauges that plugins keep themselves.");
    for PluginMetric { plugin, name, value } in own {
        let (family, value) = match value {
            Metric::Count(count) => ("weir_plugin_own_total", *count as f64),
            Metric::Gauge(gauge) => ("weir_plugin_own", *gauge),
        };
        let (plugin, version) = (escape(&plugin.name), escape(&plugin.version));
        let _ = writeln!(out, "{family}{{plugin=\"{plugin}\",version=\"{version}\",name=\"{name}\"}} {value}");
    }
    out
}

fn commands(out: &mut String, counts: &CommandCounts) {
    head(out, "weir_commands_total", "counter", "Commands, by how they ended.");
    for (outcome, count) in OUTCOMES.iter().zip(counts.outcomes) {
        let _ = writeln!(out, "weir_commands_total{{outcome=\"{outcome}\"}} {count}");
    }
    let (retries, snapshots, cached) = (counts.retries, counts.snapshots, counts.cached);
    head(out, "weir_command_retries_total", "counter", "Commands decided again, as others wrote to their stream.");
    let _ = writeln!(out, "weir_command_retries_total {retries}");
    head(out, "weir_snapshots_total", "counter", "Snapshots of states that were written.");
    let _ = writeln!(out, "weir_snapshots_total {snapshots}");
    head(out, "weir_aggregates_cached", "gauge", "Aggregates at hand.");
    let _ = writeln!(out, "weir_aggregates_cached {cached}");
}

/// One family of a view's numbers: name, type, help, and what to read of a generation, given the store's head.
type OfView = (&'static str, &'static str, &'static str, fn(&GenerationStatus, u64) -> u64);

const VIEWS: [OfView; 6] = [
    ("weir_projection_position", "gauge", "Everything up to this position is in the view.", |it, _| it.position),
    ("weir_projection_lag", "gauge", "Positions behind the head.", |it, head| head.saturating_sub(it.position)),
    ("weir_projection_events_total", "counter", "Events that the view took.", |it, _| it.standing.events),
    ("weir_projection_skipped_total", "counter", "Events that the view left out.", |it, _| it.standing.skipped),
    ("weir_projection_bytes", "gauge", "Keys and values of the view.", |it, _| it.bytes),
    ("weir_projection_paused", "gauge", "1 while an event holds the view up.", |it, _| {
        u64::from(it.standing.state == ViewState::Paused)
    }),
];

fn views(out: &mut String, views: &[ViewStatus]) {
    for (name, kind, help, read) in VIEWS {
        head(out, name, kind, help);
        for view in views {
            let faces = [("live", &view.live), ("building", &view.building)];
            for (face, generation) in faces.into_iter().filter_map(|(face, it)| Some((face, it.as_ref()?))) {
                let (plugin, number) = (escape(&view.name), generation.made.number);
                let labels = format!("projection=\"{plugin}\",generation=\"{number}\",is=\"{face}\"");
                let _ = writeln!(out, "{name}{{{labels}}} {}", read(generation, view.head));
            }
        }
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn histogram(out: &mut String, labels: &str, serving: &Serving) {
    let mut sum = 0;
    for (index, count) in serving.stats.latency.iter().enumerate() {
        sum += count;
        let bound = LATENCY_BOUNDS_US.get(index).map_or("+Inf".to_owned(), |bound| (*bound as f64 / 1e6).to_string());
        let _ = writeln!(out, "weir_plugin_call_seconds_bucket{{{labels},le=\"{bound}\"}} {sum}");
    }
    let _ = writeln!(out, "weir_plugin_call_seconds_sum{{{labels}}} {}", serving.stats.time_us as f64 / 1e6);
    let _ = writeln!(out, "weir_plugin_call_seconds_count{{{labels}}} {sum}");
}

fn labels(name: &str, serving: &Serving) -> String {
    let digest = &serving.digest[..12.min(serving.digest.len())];
    format!(
        "plugin=\"{}\",version=\"{}\",digest=\"{digest}\",generation=\"{}\"",
        escape(name),
        escape(&serving.version),
        serving.generation
    )
}

/// A label's value; versions are a plugin author's text.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
