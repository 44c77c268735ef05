//! A chart of bars as SVG: what a warm call takes, beside its baseline.

use std::fmt::Write;

/// A pair of bars.
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) baseline: f64,
    /// How many times the baseline it is.
    pub(crate) ratio: f64,
}

const WIDTH: f64 = 760.0;
/// Where bars begin, and how long the longest may be.
const LEFT: f64 = 130.0;
const LONGEST: f64 = 480.0;
const TOP: f64 = 64.0;
/// The height of a pair with its gap, and of one bar.
const PAIR: f64 = 34.0;
const BAR: f64 = 12.0;

/// Colours that read on white and on black alike; only the text follows the reader's scheme.
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#333}.small{font-size:11px}.title{font-size:15px}\
    .value{fill:#3b82c4}.baseline{fill:#9a9a9a}\
    @media(prefers-color-scheme:dark){text{fill:#ddd}}";

/// The chart, in microseconds.
pub(crate) fn chart(title: &str, note: &str, bars: &[Bar]) -> String {
    let height = bars.iter().fold(TOP + 30.0, |height, _| height + PAIR);
    let largest = bars.iter().fold(1.0, |largest: f64, bar| largest.max(bar.value).max(bar.baseline));
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"><title>{title}</title><style>{STYLE}</style>
<text class="title" x="10" y="22">{title}</text>
<rect class="value" x="10" y="36" width="12" height="12"/><text class="small" x="28" y="46">the function</text>
<rect class="baseline" x="120" y="36" width="12" height="12"/><text class="small" x="138" y="46">its baseline: the runtime alone, or with one plain statement</text>
"#,
        title = escape(title)
    );
    let mut y = TOP;
    for bar in bars {
        let middle = y + BAR + 4.0;
        let name = escape(&bar.name);
        line(&mut svg, &format!(r#"<text x="{}" y="{middle}" text-anchor="end">{name}</text>"#, LEFT - 8.0));
        let label = format!("{:.0} µs, {:.2} × {:.0}", bar.value, bar.ratio, bar.baseline);
        for (class, value, y) in [("value", bar.value, y), ("baseline", bar.baseline, y + BAR + 1.0)] {
            let width = value / largest * LONGEST;
            line(&mut svg, &format!(r#"<rect class="{class}" x="{LEFT}" y="{y}" width="{width:.1}" height="{BAR}"/>"#));
        }
        let end = LEFT + bar.value.max(bar.baseline) / largest * LONGEST + 8.0;
        line(&mut svg, &format!(r#"<text class="small" x="{end:.1}" y="{middle}">{label}</text>"#));
        y += PAIR;
    }
    line(&mut svg, &format!(r#"<text class="small" x="10" y="{}">{}</text>"#, height - 10.0, escape(note)));
    svg.push_str("</svg>\n");
    svg
}

fn line(svg: &mut String, text: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(svg, "{text}");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether every element is closed, in order: as much of XML as this writes.
    fn is_well_formed(svg: &str) -> bool {
        let mut open = Vec::new();
        for tag in svg.split('<').skip(1) {
            let Some((tag, text)) = tag.split_once('>') else { return false };
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
            if tag.starts_with('/') {
                if open.pop() != Some(name) {
                    return false;
                }
            } else if !tag.ends_with('/') {
                open.push(name);
            }
            if tag.matches('"').count() % 2 == 1 || text.contains("& ") {
                return false;
            }
        }
        open.is_empty()
    }

    #[test]
    fn the_chart_is_well_formed() {
        let bars = [("a<b>&\"c\"", 120.0, 100.0), ("d", 0.0, 0.0)];
        let bars = bars.map(|(name, value, baseline)| Bar { name: name.into(), value, baseline, ratio: 1.2 });
        let svg = chart("Time & <space>", "a note", &bars);
        assert!(is_well_formed(&svg), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 2 + 2 * bars.len());
        assert!(svg.contains("120 µs, 1.20 × 100"), "{svg}");
        assert!(!is_well_formed("<svg><text></svg>"));
    }

    #[test]
    fn the_longest_bar_fits() {
        let svg = chart("", "", &[Bar { name: "a".into(), value: 1e6, baseline: 1.0, ratio: 1e6 }]);
        assert!(svg.contains(r#"width="480.0""#), "{svg}");
    }
}
