//! Tables in Markdown, aligned for the terminal.

/// A table: its columns' names and its rows. All but the first column are numbers.
pub(super) fn table(names: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = names
        .iter()
        .enumerate()
        .map(|(column, name)| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([name.chars().count()]).max().unwrap_or_default()
        })
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let mut text = line(&mut names.iter().copied());
    let rules = widths.iter().enumerate().map(|(column, width)| match column {
        0 => format!("{:-<1$}", "", width + 2),
        _ => format!("{:-<1$}:", "", width + 1),
    });
    text.extend(["|", &rules.collect::<Vec<_>>().join("|"), "|\n"]);
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["a".into(), "1.0".into()], vec!["long name".into(), "100.0".into()]];
        let expected = "\
| what      |     n |
|-----------|------:|
| a         |   1.0 |
| long name | 100.0 |
";
        assert_eq!(table(&["what", "n"], &rows), expected);
    }
}
