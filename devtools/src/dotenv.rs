//! Reads `.env` files in the same way as [python-dotenv](https://github.com/theskumar/python-dotenv), so that the
//! file of a FastAPI backend works unchanged.

use std::collections::BTreeMap;

/// The variables of a file. `${NAME}` stands for a value of `environment`, or else for a value from the file.
pub fn parse(text: &str, environment: impl Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    while !rest.is_empty() {
        let (line, after) = binding(rest.trim_start());
        rest = after;
        if let Some((name, value)) = line {
            let value = interpolate(&value, |name| environment(name).or_else(|| values.get(name).cloned()));
            values.insert(name, value);
        }
    }
    values
}

/// The name and the value at the start of a text, and the text after that line. The first part is `None` for a
/// comment, for a name without a value, and for a line with a syntax error.
fn binding(text: &str) -> (Option<(String, String)>, &str) {
    let nothing = || (None, text.split_once(['\n', '\r']).map_or("", |(_, after)| after));
    let Some((name, rest)) = name(text) else { return nothing() };
    let Some(rest) = rest.trim_start_matches(is_blank).strip_prefix('=') else { return nothing() };
    let is_spaced = rest.starts_with(is_blank);
    let rest = rest.trim_start_matches(is_blank);
    let (value, rest) = match rest.chars().next() {
        Some('#') if is_spaced => (String::new(), rest),
        Some(quote @ ('\'' | '"')) => match quoted(rest, quote) {
            Some(found) => found,
            None => return nothing(),
        },
        _ => unquoted(rest),
    };
    let rest = rest.trim_start_matches(is_blank);
    let (remainder, after) = rest.split_once(['\n', '\r']).unwrap_or((rest, ""));
    // Only a comment may follow a quoted value.
    if remainder.is_empty() || remainder.starts_with('#') { (Some((name, value)), after) } else { (None, after) }
}

fn is_blank(letter: char) -> bool {
    letter.is_whitespace() && !matches!(letter, '\n' | '\r')
}

fn name(text: &str) -> Option<(String, &str)> {
    let text = match text.strip_prefix("export") {
        Some(rest) if rest.starts_with(is_blank) => rest.trim_start_matches(is_blank),
        _ => text,
    };
    if let Some(quoted) = text.strip_prefix('\'') {
        return quoted.split_once('\'').map(|(name, rest)| (name.to_owned(), rest));
    }
    let end = text.find(|letter: char| matches!(letter, '=' | '#') || letter.is_whitespace()).unwrap_or(text.len());
    (end > 0).then(|| (text[..end].to_owned(), &text[end..]))
}

/// A value in quotation marks, which may span several lines, and the text after it.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut letters = text.char_indices().skip(1);
    let mut value = String::new();
    while let Some((at, letter)) = letters.next() {
        if letter == quote {
            return Some((value, &text[at + 1..]));
        }
        if letter != '\\' {
            value.push(letter);
            continue;
        }
        let (_, escaped) = letters.next()?;
        let meaning = match (quote, escaped) {
            (_, '\\' | '\'') | ('"', '"') => escaped,
            ('"', 'a') => '\u{7}',
            ('"', 'b') => '\u{8}',
            ('"', 'f') => '\u{c}',
            ('"', 'n') => '\n',
            ('"', 'r') => '\r',
            ('"', 't') => '\t',
            ('"', 'v') => '\u{b}',
            _ => {
                value.push('\\');
                escaped
            }
        };
        value.push(meaning);
    }
    None
}

/// The rest of a line without its comment. A comment begins after white space.
fn unquoted(text: &str) -> (String, &str) {
    let end = text.find(['\n', '\r']).unwrap_or(text.len());
    let (line, rest) = text.split_at(end);
    let comment = line.char_indices().find(|&(at, letter)| letter == '#' && line[..at].ends_with(char::is_whitespace));
    let value = comment.map_or(line, |(at, _)| &line[..at]);
    (value.trim_end().to_owned(), rest)
}

/// Replaces `${NAME}` and `${NAME:-default}`.
fn interpolate(value: &str, of: impl Fn(&str) -> Option<String>) -> String {
    let mut result = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        result.push_str(before);
        let Some((inside, after)) = after.split_once('}') else {
            result.push_str("${");
            rest = after;
            continue;
        };
        let (name, default) = inside.split_once(":-").map_or((inside, None), |(name, default)| (name, Some(default)));
        if name.contains(':') {
            // A name with a colon is not a variable.
            result.push_str("${");
            result.push_str(inside);
            result.push('}');
        } else {
            result.push_str(&of(name).unwrap_or_else(|| default.unwrap_or_default().to_owned()));
        }
        rest = after;
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{env, process::Command};

    const FILE: &str = include_str!("../../tests/data/dotenv/example.env");

    fn parsed() -> BTreeMap<String, String> {
        parse(FILE, |name| (name == "HOME_OF_THE_TEST").then(|| "/home".to_owned()))
    }

    /// The result of python-dotenv for the same file. Its `None` stands for a name without a value.
    #[test]
    fn it_reads_what_python_dotenv_reads() {
        let Some(python) = env::var_os("TEST_ISSUERS") else {
            assert!(env::var_os("CI").is_none(), "TEST_ISSUERS is missing, and CI is set");
            println!("NOT TESTED: TEST_ISSUERS is missing; `cargo xtask test` sets it");
            return;
        };
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/dotenv/example.env");
        let script = "import dotenv, json, sys
values = dotenv.dotenv_values(sys.argv[1])
print(json.dumps({name: value for name, value in values.items() if value is not None}))";
        let mut command = Command::new(python);
        command.args(["-c", script, file]).env("HOME_OF_THE_TEST", "/home");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let expected: BTreeMap<String, String> = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(parsed(), expected);
        assert!(expected.len() > 20, "{expected:?}");
    }

    #[test]
    fn comments_quotes_exports_and_variables_are_understood() {
        let values = parsed();
        for (name, value) in [
            ("URL", "postgres://user:p%40ss@host/db?sslmode=require&channel_binding=require"),
            ("HASH", "a#b"),
            ("COMMENTED", "value"),
            ("LINES", "one\ntwo"),
            ("SINGLE", r"a\nb 'quoted' # no comment"),
            ("EXPORTED", "yes"),
            ("FROM_ENVIRONMENT", "/home/tasks"),
            ("DEFAULTED", "fallback"),
        ] {
            assert_eq!(values.get(name).map(String::as_str), Some(value), "{name}");
        }
    }
}
