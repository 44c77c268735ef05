//! The report on the functions: from what was measured to figures, a table and a chart.

use std::collections::BTreeMap;

use devtools::ui::table;

use crate::{
    cold::Cold,
    machine::Machine,
    results::{Function, Start},
    stats::{Ratio, mean, median, percentile},
    subject::Subject,
    svg::{self, Bar},
    warm::Warm,
};

/// All that was measured of one subject.
pub(crate) struct Measured<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) warm: &'a Warm,
    pub(crate) cold: &'a Cold,
    /// Of those that have a database.
    pub(crate) encrypted: Option<&'a Cold>,
    pub(crate) round_trips: f64,
    pub(crate) zip_bytes: Option<u64>,
}

/// The figures of every subject.
pub(crate) fn functions(all: &[Measured<'_>]) -> Vec<Function> {
    all.iter().map(|measured| function(measured, all)).collect()
}

fn function(measured: &Measured<'_>, all: &[Measured<'_>]) -> Function {
    let Measured { subject, warm, cold, encrypted, round_trips, zip_bytes } = measured;
    let baseline_of = |name: &str| all.iter().find(|other| other.subject.name == name);
    let mut ratios = BTreeMap::new();
    if let Some(baseline) = subject.baseline.and_then(baseline_of) {
        ratios.insert("warm".into(), Ratio::of(&warm.blocks, &baseline.warm.blocks));
        ratios.insert("cpu".into(), Ratio::of(&warm.cpu, &baseline.warm.cpu));
        if !warm.server_cpu.is_empty() && !baseline.warm.server_cpu.is_empty() {
            ratios.insert("server cpu".into(), Ratio::of(&warm.server_cpu, &baseline.warm.server_cpu));
        }
    }
    if let Some(baseline) = subject.cold_baseline().and_then(baseline_of) {
        ratios.insert("cold".into(), Ratio::of(&cold.blocks, &baseline.cold.blocks));
        if let Some((own, baseline)) = encrypted.zip(baseline.encrypted) {
            ratios.insert("cold TLS".into(), Ratio::of(&own.blocks, &baseline.blocks));
        }
    }
    Function {
        name: subject.name.into(),
        baseline: subject.baseline.map(Into::into),
        warm_p50_us: median(&warm.calls),
        warm_p99_us: percentile(&warm.calls, 0.99),
        cpu_us: mean(&warm.cpu),
        server_cpu_us: (!warm.server_cpu.is_empty()).then(|| mean(&warm.server_cpu)),
        cold_ms: Some(start(cold)),
        cold_tls_ms: encrypted.map(start),
        peak_kib: warm.peak_memory.max(cold.peak_memory),
        peak_tls_kib: encrypted.map(|cold| cold.peak_memory),
        round_trips: *round_trips,
        zip_bytes: *zip_bytes,
        ratios,
    }
}

fn start(cold: &Cold) -> Start {
    Start { median: median(&cold.starts) / 1000.0, p90: percentile(&cold.starts, 0.9) / 1000.0 }
}

/// The figures for people. In parentheses is the ratio to the baseline.
pub(crate) fn show(functions: &[Function]) -> String {
    let names = [
        "function",
        "baseline",
        "warm p50/µs",
        "p99/µs",
        "CPU/µs",
        "Postgres/µs",
        "cold/ms",
        "p90",
        "cold TLS/ms",
        "p90",
        "peak/MB",
        "TLS",
        "round trips",
        "zip/MB",
    ];
    let rows: Vec<_> = functions
        .iter()
        .map(|function| {
            let with = |text: String, what: &str| match function.ratios.get(what) {
                Some(ratio) => format!("{text} ({:.2})", ratio.value),
                None => text,
            };
            let [cold, cold_p90] = starts(function.cold_ms);
            let [tls, tls_p90] = starts(function.cold_tls_ms);
            vec![
                function.name.clone(),
                function.baseline.clone().unwrap_or_default(),
                with(format!("{:.0}", function.warm_p50_us), "warm"),
                format!("{:.0}", function.warm_p99_us),
                with(format!("{:.0}", function.cpu_us), "cpu"),
                with(function.server_cpu_us.map(|cpu| format!("{cpu:.0}")).unwrap_or_default(), "server cpu"),
                with(cold, "cold"),
                cold_p90,
                with(tls, "cold TLS"),
                tls_p90,
                megabytes(Some(function.peak_kib * 1024)),
                megabytes(function.peak_tls_kib.map(|kib| kib * 1024)),
                format!("{:.1}", function.round_trips),
                megabytes(function.zip_bytes),
            ]
        })
        .collect();
    table(&names, &rows)
}

fn starts(start: Option<Start>) -> [String; 2] {
    start.map_or_else(Default::default, |start| [format!("{:.1}", start.median), format!("{:.1}", start.p90)])
}

fn megabytes(bytes: Option<u64>) -> String {
    #[allow(clippy::cast_precision_loss)]
    bytes.map_or_else(String::new, |bytes| format!("{:.1}", bytes as f64 / 1024.0 / 1024.0))
}

/// The warm calls as a chart.
pub(crate) fn chart(functions: &[Function], machine: &Machine) -> String {
    let baseline =
        |name: &str| functions.iter().find(|function| function.name == name).map(|baseline| baseline.warm_p50_us);
    let bars: Vec<_> = functions
        .iter()
        .filter_map(|function| {
            let (baseline, ratio) = function.baseline.as_deref().and_then(baseline).zip(function.ratios.get("warm"))?;
            Some(Bar { name: function.name.clone(), value: function.warm_p50_us, baseline, ratio: ratio.value })
        })
        .collect();
    let Machine { cpu, date, commit, .. } = machine;
    svg::chart("A warm call, median", &format!("{cpu}; {date}, commit {commit}"), &bars)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::function;

    #[test]
    fn ratios_are_beside_their_figures() {
        let mut baseline = function("empty", 1.0);
        baseline.baseline = None;
        baseline.ratios.clear();
        let functions = [baseline, function("a", 1.5)];
        let shown = show(&functions);
        assert!(shown.contains("150 (1.50)") && shown.contains(" 8.8 |"), "{shown}");
        let machine = Machine {
            cpu: "cpu".into(),
            cores: 2,
            kernel: "6".into(),
            postgres: "15".into(),
            date: "2026-01-02".into(),
            commit: "abc".into(),
            load_before: 0.0,
            one_core: true,
        };
        assert!(chart(&functions, &machine).contains("150 µs, 1.50 × 100"));
    }
}
