//! Output for the user: steps, progress, and tables.

use std::{fmt::Display, sync::LazyLock, time::Duration};

use comfy_table::{CellAlignment, ColumnConstraint, Table, Width, presets};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// All bars and spinners of this process. Printing a line hides them for a moment.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Announces a step.
pub fn step(text: &str) {
    say(format!("==> {text}"));
}

/// Prints a line to standard error.
pub fn say(line: impl Display) {
    BARS.suspend(|| eprintln!("{line}"));
}

/// Prints a line to standard output.
pub fn print(line: impl Display) {
    BARS.suspend(|| println!("{line}"));
}

/// Does work that prints nothing, behind a line with a clock. Without a terminal, the line is printed once.
pub async fn waiting<T>(text: &str, work: impl Future<Output = T>) -> T {
    let bar = BARS.add(ProgressBar::new_spinner());
    if bar.is_hidden() {
        step(text);
    }
    bar.set_style(style("{spinner} {msg} {elapsed}"));
    bar.set_message(text.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    let result = work.await;
    bar.finish_and_clear();
    result
}

/// A bar for `total` parts of something. Without a terminal it is not shown.
pub fn bar(text: &str, total: usize) -> ProgressBar {
    let bar = BARS.add(ProgressBar::new(total as u64));
    bar.set_style(style("{msg} [{bar:30}] {pos}/{len} {elapsed}, {eta} left"));
    bar.set_message(text.to_owned());
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file, so this does not fail.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A Markdown table. All columns except the first hold numbers.
#[must_use]
pub fn table(names: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(names.iter().copied()).add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(1)));
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_aligned_to_the_right() {
        let rows = [vec!["a".into(), "1.0".into()], vec!["long name".into(), "100.0".into()]];
        let expected = "\
| what      |     n |
|-----------|-------|
| a         |   1.0 |
| long name | 100.0 |";
        assert_eq!(table(&["what", "n"], &rows), expected);
    }
}
