//! Compares the SQL functions with the Rust code that calls them.

use std::fs;

use regex::Regex;

/// A SQL function in a file of `shared/src/tasks` or `shared/src/users`.
pub struct Function {
    /// The path of its file, from the root of the repository.
    pub file: String,
    /// Its name. It contains `{{column}}` if there is one function for each sort.
    pub name: String,
    /// The names of its parameters, without OUT parameters.
    pub parameters: Vec<String>,
    /// The text after its parameters: its properties and its body.
    pub rest: String,
}

impl Function {
    /// Whether routes call it. Other SQL functions call the rest.
    pub fn is_operation(&self) -> bool {
        self.rest.split("AS $$").next().is_some_and(|properties| properties.contains("SECURITY DEFINER"))
    }
}

/// Every function in these folders.
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

/// The name of a parameter, such as `IN caller {{user_id}}`. `None` for an OUT parameter.
fn parameter(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    match words.next()? {
        "OUT" => None,
        "IN" => words.next().map(str::to_owned),
        name => Some(name.to_owned()),
    }
}

/// If SQL and Rust had different parameters, the answer would be a 503 that does not name the parameter.
#[test]
fn calls_have_the_parameters_of_their_functions() {
    let functions = functions();
    let call = Regex::new(r#"(call|call_for_rows)!\("(\w+)\(([^)]*)\)"\)"#).unwrap();
    let mut found = 0;
    for store in ["tasks", "users"] {
        for entry in fs::read_dir(tests::root().join("shared/src").join(store)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for call in call.captures_iter(&text) {
                let (path, name) = (path.display(), &call[2]);
                let function = functions.iter().find(|function| function.name == *name);
                let function = function.unwrap_or_else(|| panic!("{path} calls {name}, which no file of SQL has"));
                let (sent, expected, file) = (call[3].matches('$').count(), function.parameters.len(), &function.file);
                assert_eq!(sent, expected, "{path} sends {sent} parameters to {name} in {file}");
                let returns = if &call[1] == "call" { "RETURNS RECORD\n" } else { "RETURNS SETOF " };
                assert!(function.rest.contains(returns), "{path} calls {name} with {}!, see {file}", &call[1]);
                assert!(
                    function.is_operation(),
                    "{name} in {file} is not SECURITY DEFINER, so that nobody may call it"
                );
                found += 1;
            }
        }
    }
    assert!(found >= 9, "{found}");
}

/// PL/pgSQL does not report unused parameters.
#[test]
fn functions_use_their_parameters() {
    for function in functions() {
        // The parts that set the caller and begin a write use these.
        let parts = ["caller", "deadline", "lock_timeout_ms"];
        // In the list, `up` fills in the expressions that use these.
        let filled_in = if function.name.contains("{{column}}") { "after after_id" } else { "" };
        let rest = format!("{} {filled_in}", function.rest);
        for parameter in function.parameters.iter().filter(|name| !parts.contains(&name.as_str())) {
            let word = Regex::new(&format!(r"\b{parameter}\b")).unwrap();
            assert!(word.is_match(&rest), "{} does not use {parameter}, in {}", function.name, function.file);
        }
    }
}

/// Without its caller, row-level security shows an operation nothing.
#[test]
fn operations_set_their_caller() {
    for function in functions().into_iter().filter(Function::is_operation) {
        let (name, file) = (&function.name, &function.file);
        assert_eq!(
            function.parameters.first().map(String::as_str),
            Some("caller"),
            "the first parameter of {name} in {file}"
        );
        assert!(
            function.rest.contains("{{set_caller}}"),
            "{name} in {file} has no {{{{set_caller}}}} among its declarations"
        );
        assert!(
            function.rest.contains("{{search_path}}") || function.rest.contains("{{settings}}"),
            "{name} in {file} has no {{{{search_path}}}}"
        );
        let writes = function.parameters.iter().any(|parameter| parameter == "deadline");
        for part in ["{{begin_write}}", "{{end_write}}"] {
            assert_eq!(
                function.rest.contains(part),
                writes,
                "{name} in {file} writes, and has no {part}, or the other way round"
            );
        }
        if writes {
            // It would end before the end of the write is checked.
            assert!(!function.rest.contains("RETURN "), "{name} in {file} returns by itself");
        }
        let changes = ["INSERT INTO", "UPDATE task_api", "DELETE FROM"].iter().any(|word| function.rest.contains(word));
        assert!(writes || !changes, "{name} in {file} changes rows without a deadline");
    }
}
