//! Everything that lists routes or functions must agree with the route table. Also the invariants of ARCHITECTURE.md
//! that a compiler does not check.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shared::routes::{self, NOT_FOUND, ROUTES};
use tests::gateway::{Route, template};

fn folders(path: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(tests::root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    entries
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

fn table() -> BTreeSet<Route> {
    let methods = |route: &'static shared::routes::Route| {
        route.methods().iter().map(move |method| Route {
            function: route.function.into(),
            method: (*method).into(),
            path: route.path.into(),
        })
    };
    ROUTES.iter().flat_map(methods).collect()
}

fn functions() -> BTreeSet<String> {
    ROUTES.iter().map(|route| route.function).chain([NOT_FOUND, "migrate"]).map(str::to_owned).collect()
}

#[test]
fn template_has_the_routes() {
    let (routes, defaults) = template();
    assert_eq!(routes.into_iter().collect::<BTreeSet<_>>(), table(), "run `cargo xtask generate`");
    assert_eq!(defaults, [NOT_FOUND]);
}

#[test]
fn folders_are_the_functions() {
    assert_eq!(folders("functions"), functions());
}

#[test]
fn watch_router_has_the_routes_and_sends_the_rest_to_not_found() {
    let manifest: toml::Value = toml::from_str(&tests::read("Cargo.toml")).unwrap();
    let router = manifest["workspace"]["metadata"]["lambda"]["watch"]["router"].as_table().unwrap();
    let mut methods: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (path, entry) in router {
        let Some(entries) = entry.as_array() else {
            assert!(["/", "/{*path}"].contains(&path.as_str()), "{path}");
            assert_eq!(entry.as_str(), Some(NOT_FOUND));
            continue;
        };
        for entry in entries {
            let text = |key: &str| entry[key].as_str().unwrap();
            assert!(methods.entry(path).or_default().insert(text("method")), "{path} {entry:?}");
            let expected = routes::find(text("method"), path).map_or(NOT_FOUND, |route| route.function);
            assert_eq!(text("function"), expected, "{path} {entry:?}");
        }
    }
    let paths: BTreeSet<_> = ROUTES.iter().map(|route| route.path).collect();
    assert_eq!(methods.keys().copied().collect::<BTreeSet<_>>(), paths, "run `cargo xtask generate`");
    let all = BTreeSet::from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]);
    assert!(methods.values().all(|methods| *methods == all), "{methods:?}");
}

#[test]
fn every_function_has_a_happy_and_a_refused_event() {
    assert_eq!(folders("events"), functions());
    for function in functions() {
        let folder = tests::root().join("events").join(&function);
        let mut statuses = Vec::new();
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let answer = folder.join("answers").join(path.file_name().unwrap());
                let text =
                    std::fs::read_to_string(&answer).unwrap_or_else(|error| panic!("{}: {error}", answer.display()));
                let answer: Value =
                    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", answer.display()));
                statuses.push(answer["statusCode"].as_u64().unwrap_or(if answer["errorMessage"].is_null() {
                    200
                } else {
                    400
                }));
            }
        }
        // For this function, 404 is the happy case.
        let happy = |status: &u64| *status < 400 || function == NOT_FOUND;
        assert!(statuses.iter().any(happy), "{function}: {statuses:?}");
        assert!(statuses.iter().any(|status| *status >= 400), "{function}: {statuses:?}");
    }
}

#[test]
fn functions_depend_on_shared_and_never_on_one_another() {
    for function in functions() {
        let manifest: toml::Value = toml::from_str(&tests::read(&format!("functions/{function}/Cargo.toml"))).unwrap();
        let dependencies: BTreeSet<_> = manifest["dependencies"].as_table().unwrap().keys().cloned().collect();
        assert!(dependencies.contains("shared"));
        assert!(dependencies.is_disjoint(&functions()), "{function}: {dependencies:?}");
        if function != "migrate" {
            assert_eq!(dependencies.len(), 1, "{function} reaches past `shared`: {dependencies:?}");
        }
    }
}

/// Each log line has the name, and the route in the line is chosen by it.
#[test]
fn functions_serve_under_their_own_names() {
    for function in functions().into_iter().filter(|function| function != "migrate") {
        let main = tests::read(&format!("functions/{function}/src/main.rs"));
        assert!(main.contains(&format!("serve(\"{function}\", ")), "{function} serves under another name");
    }
}

/// A file that `main.rs` does not name is not compiled, and its tests do not run.
#[test]
fn every_file_with_tests_is_compiled() {
    let main = tests::read("tests/it/main.rs");
    for entry in std::fs::read_dir(tests::root().join("tests/it")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(name == "main" || main.contains(&format!("mod {name};\n")), "tests/it/main.rs does not name {name}");
    }
}

/// If two routes match one request, one of them must have fewer parameters, so that it is clear which route is
/// meant. The exception is `/api/tasks/tasks`: no task has that id, and hardly a user.
#[test]
fn no_two_routes_are_equally_specific() {
    let fits = |one: &str, other: &str| {
        let is_open = |segment: &str| segment.starts_with('{');
        let (one, other): (Vec<_>, Vec<_>) = (one.split('/').collect(), other.split('/').collect());
        one.len() == other.len() && one.iter().zip(&other).all(|(a, b)| a == b || is_open(a) || is_open(b))
    };
    let parameters = |path: &str| path.matches('{').count();
    for (at, one) in ROUTES.iter().enumerate() {
        for other in &ROUTES[at + 1..] {
            let is_exception = [one.path, other.path] == ["/api/{user_id}/tasks", "/api/tasks/{id}"];
            let is_same = one.method == other.method && fits(one.path, other.path) && !is_exception;
            assert!(
                !is_same || parameters(one.path) != parameters(other.path),
                "{one:?} and {other:?} match the same request, and none is more specific"
            );
        }
    }
}

/// A request without the parameter `user_id` is about the caller's rows, so no other name may stand for a user.
#[test]
fn parameters_of_paths_are_read() {
    for segment in ROUTES.iter().flat_map(|route| route.path.split('/')).filter(|segment| segment.starts_with('{')) {
        assert!(["{user_id}", "{id}"].contains(&segment), "{segment} is not read in shared/src/http/request.rs");
    }
}

/// The code of every Rust file below a folder, without comments and unit tests.
fn sources(folder: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![tests::root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let name = path.strip_prefix(tests::root()).unwrap().to_str().unwrap().to_owned();
                // Unit tests are in a separate file, or at the end of a file, and no code follows them.
                let is_test = name.ends_with("/tests.rs");
                let (before, tests) = text.split_once("#[cfg(test)]\nmod tests {").unwrap_or((&text, ""));
                let after = tests.split_once("\n}\n").map_or("", |(_, after)| after);
                assert!(after.is_empty(), "{name} has code after its unit tests");
                let code = if is_test { "" } else { before }.lines();
                let code: Vec<_> = code.filter(|line| !line.trim_start().starts_with("//")).collect();
                found.insert(name, code.join("\n"));
            }
        }
    }
    found
}

#[test]
fn only_the_stores_know_sql() {
    let mut sources = sources("shared/src");
    sources.extend(self::sources("functions"));
    for (name, text) in sources {
        let stores = ["shared/src/tasks/", "shared/src/users/", "shared/src/db/", "functions/migrate/"];
        let is_store = stores.iter().any(|store| name.starts_with(store));
        let statements = ["\"SELECT ", "SELECT *", "INSERT INTO", "UPDATE ", "DELETE FROM"];
        assert!(is_store || !statements.iter().any(|statement| text.contains(statement)), "{name} knows SQL");
    }
}

/// The modules that some code names below `root`. For `crate::`: in `crate::http::…`, and in `use crate::{…}`.
fn modules_named(code: &str, root: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for after in code.split(root).skip(1) {
        let mut add = |text: &str| {
            let name: String =
                text.trim().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
            found.insert(name);
        };
        let Some(group) = after.strip_prefix('{') else {
            add(after);
            continue;
        };
        // The parts of the group are separated by the commas that are not inside an inner group.
        let mut depth = 0;
        let mut part = String::new();
        for letter in group.chars() {
            depth += i32::from(letter == '{') - i32::from(letter == '}');
            if depth < 0 || depth == 0 && letter == ',' {
                add(&std::mem::take(&mut part));
            } else {
                part.push(letter);
            }
            if depth < 0 {
                break;
            }
        }
    }
    found
}

/// Checks that a folder's modules do not depend on each other in circles, so that they can be read from the bottom up.
/// The module `openapi` is an exception: types describe themselves with it, and only developers build it.
fn check_no_circles(folder: &str, root: &str, expected: [&str; 2]) {
    let module = |file: &str| file.strip_prefix(folder).unwrap()[1..].split(['/', '.']).next().unwrap().to_owned();
    let files: Vec<_> = sources(folder).into_iter().map(|(file, code)| (module(&file), code)).collect();
    let modules: BTreeSet<_> = files.iter().map(|(module, _)| module.clone()).collect();
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let tops = ["lib", "main", "mod", "openapi"];
    for (module, code) in files.iter().filter(|(module, _)| !tops.contains(&module.as_str())) {
        let named = modules_named(code, root).into_iter().map(|name| match name.as_str() {
            // The names that `lib.rs` exports at the top.
            "Error" | "Result" => "error".to_owned(),
            "Text" => "text".to_owned(),
            "State" | "App" => "app".to_owned(),
            _ => name,
        });
        let named = named.filter(|name| modules.contains(name) && name != module && name != "openapi");
        needs.entry(module.clone()).or_default().extend(named);
    }
    // The check must find a known dependency, or it would not find a circle either.
    let [one, other] = expected;
    assert!(needs[one].contains(other), "{needs:?}");
    // Removes modules whose dependencies are all removed, until no module is left, or only circles are.
    while !needs.is_empty() {
        let left: BTreeSet<_> = needs.keys().cloned().collect();
        let before = needs.len();
        needs.retain(|_, named| !named.is_disjoint(&left));
        assert!(needs.len() < before, "circles in {folder}: {needs:?}");
    }
}

#[test]
fn modules_have_no_circles() {
    check_no_circles("shared/src", "crate::", ["http", "error"]);
    check_no_circles("shared/src/auth", "super::", ["token", "jwks"]);
    check_no_circles("functions/migrate/src", "crate::", ["run", "schema"]);
}

/// Numbers in the code that may be status codes. Known other numbers are removed first.
fn status_codes(code: &str) -> Vec<u32> {
    // The issuer's status codes, lengths, and times.
    let code =
        ["answer.status() != 200", "ureq::Error::StatusCode(404)", "keys (404)", "Text<1, 200>", "from_millis(500)"]
            .iter()
            .fold(code.to_owned(), |code, known| code.replace(known, ""));
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.');
    let words = code.split(|letter| !is_word(letter)).filter_map(|word| word.parse().ok());
    let known =
        [200, 201, 202, 204, 301, 302, 304, 307, 400, 401, 403, 404, 405, 409, 410, 412, 413, 415, 422, 428, 429];
    words.filter(|number| known.contains(number) || (500..=504).contains(number)).collect()
}

#[test]
fn only_http_knows_status_codes() {
    let mut files = sources("shared/src");
    let http: BTreeMap<_, _> = files.extract_if(.., |name, _| name.starts_with("shared/src/http/")).collect();
    // The module that describes the API does not decide what the API answers.
    files.retain(|name, _| !name.starts_with("shared/src/openapi/"));
    // The check must find the status codes in `http`, or else it would find none elsewhere either.
    assert!(http.values().flat_map(|code| status_codes(code)).count() > 10);
    // The migrate function does not answer over HTTP.
    files.extend(sources("functions").into_iter().filter(|(name, _)| !name.starts_with("functions/migrate/")));
    for (name, code) in files {
        assert_eq!(status_codes(&code), [0; 0], "{name} knows status codes");
        assert!(!code.replace("ureq::Error::StatusCode", "").contains("StatusCode"), "{name} knows status codes");
    }
}

#[test]
fn handlers_fit_on_a_screen() {
    for (name, text) in sources("functions") {
        if !name.starts_with("functions/migrate/") {
            assert!(text.lines().count() <= 40, "{name}");
        }
    }
}
