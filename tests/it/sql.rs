//! The functions of the database as they are written, and the Rust that calls them.

use std::{collections::BTreeMap, fs};

use regex::Regex;

/// A function in a file of SQL of the stores.
pub struct Function {
    /// Its file, from the root of the repository.
    pub file: String,
    /// Its name, which has `{{column}}` in it where there is one for each sort.
    pub name: String,
    /// The names of its parameters, without those that it answers with.
    pub parameters: Vec<String>,
    /// What comes after its parameters: its properties and its body.
    pub rest: String,
}

impl Function {
    /// Whether routes call it, rather than other functions.
    pub fn is_operation(&self) -> bool {
        self.rest.split("AS $$").next().is_some_and(|properties| properties.contains("SECURITY DEFINER"))
    }
}

/// Every function of the stores.
pub fn functions() -> Vec<Function> {
    let start =
        Regex::new(r"(?s)CREATE FUNCTION \{\{functions\}\}\.([\w{}]+)\((.*?)\)\s+(?:RETURNS|LANGUAGE)").unwrap();
    let mut functions = Vec::new();
    for store in ["tasks", "users"] {
        let folder = tests::root().join("shared/src").join(store);
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "sql") {
                continue;
            }
            let file = path.strip_prefix(tests::root()).unwrap().display().to_string();
            let text = fs::read_to_string(&path).unwrap();
            let starts: Vec<_> = start.captures_iter(&text).collect();
            for (at, found) in starts.iter().enumerate() {
                let end = starts.get(at + 1).map_or(text.len(), |next| next.get(0).unwrap().start());
                functions.push(Function {
                    file: file.clone(),
                    name: found[1].to_owned(),
                    parameters: found[2].split(',').filter_map(parameter).collect(),
                    rest: text[found.get(2).unwrap().end()..end].to_owned(),
                });
            }
        }
    }
    functions
}

/// The name of a parameter, such as `IN caller {{user_id}}`; `None` for one that the function answers with.
fn parameter(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    match words.next()? {
        "OUT" | "{{task_out}}" => None,
        "IN" => words.next().map(str::to_owned),
        name => Some(name.to_owned()),
    }
}

/// A parameter that SQL does not have, or Rust does not send, would be a 503 that names neither.
#[test]
fn calls_have_the_parameters_of_their_functions() {
    let functions = functions();
    let counts: BTreeMap<_, _> = functions
        .iter()
        .map(|function| (function.name.as_str(), (function.parameters.len(), &function.file)))
        .collect();
    let call = Regex::new(r#"call!\("(\w+)\(([^)]*)\)"\)"#).unwrap();
    let mut found = 0;
    for store in ["tasks", "users"] {
        for entry in fs::read_dir(tests::root().join("shared/src").join(store)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for call in call.captures_iter(&text) {
                let (sent, (expected, file)) = (call[2].matches('$').count(), counts[&call[1]]);
                assert_eq!(sent, expected, "{} sends {sent} parameters to {} in {file}", path.display(), &call[1]);
                found += 1;
            }
        }
    }
    assert!(found >= 9, "{found}");
}

/// PL/pgSQL says nothing of a parameter that is not used.
#[test]
fn functions_use_their_parameters() {
    for function in functions() {
        // What sets the caller and begins a write uses these.
        let parts = ["caller", "deadline", "lock_timeout_ms"];
        // In the list, the place of the last task is filled in.
        let filled_in = if function.name.contains("{{column}}") { "after after_id" } else { "" };
        let rest = format!("{} {filled_in}", function.rest);
        for parameter in function.parameters.iter().filter(|name| !parts.contains(&name.as_str())) {
            let word = Regex::new(&format!(r"\b{parameter}\b")).unwrap();
            assert!(word.is_match(&rest), "{} does not use {parameter}, in {}", function.name, function.file);
        }
    }
}
