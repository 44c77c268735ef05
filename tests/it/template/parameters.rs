//! The template's parameters: which values are refused before anything is created, and which variables functions
//! get.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::{Value, json};
use shared::routes::{Access, ROUTES};
use tests::{
    Request, SECRET,
    gateway::{Gateway, Style},
    postgres::Database,
    runtime::Function,
};

use super::{of_type, template};

#[test]
fn secrets_come_from_secrets_manager() {
    let template = template();
    let mut secrets = 0;
    let references = template.to_string().matches("{{resolve:").count();
    assert!(references <= 60, "{references} dynamic references, and CloudFormation takes 60");
    for (id, function) in of_type(&template, "AWS::Lambda::Function") {
        for (name, value) in function["Properties"]["Environment"]["Variables"].as_object().unwrap() {
            if ["DATABASE_URL", "DATABASE_URL_UNPOOLED", "BETTER_AUTH_SECRET"].contains(&name.as_str()) {
                let texts = substitutions(value);
                assert_eq!(texts.len(), 1, "each counts towards CloudFormation's 60");
                for text in texts {
                    assert!(text.starts_with("{{resolve:secretsmanager:${SecretName}:SecretString:"), "{id} {name}");
                    assert!(text.contains(&format!(":{name}")), "{id} {name}");
                }
                secrets += 1;
            }
        }
    }
    let with_tokens: BTreeSet<_> =
        ROUTES.iter().filter(|route| route.access == Access::User).map(|route| route.function).collect();
    // The URL and the secret of each of these functions, the URL of `health`, and both URLs of `migrate`. The
    // function `migrate` lets the login of `DATABASE_URL` call the functions.
    assert_eq!(secrets, 2 * with_tokens.len() + 1 + 2);
}

/// The texts that a value may become.
fn substitutions(value: &Value) -> Vec<&str> {
    if let Some(text) = value["Fn::Sub"].as_str() {
        return vec![text];
    }
    let branches = value["Fn::If"].as_array().into_iter().flatten().skip(1);
    branches.flat_map(substitutions).collect()
}

/// The parameters for tokens must fit together, or the deployment is refused before anything is created.
#[test]
fn rules_refuse_parameters_that_do_not_fit() {
    let template = template();
    let rules = template["Rules"].as_object().unwrap();
    let refuses = |parameters: &[(&str, &str)]| {
        let value = |name: &str| {
            let given = parameters.iter().find(|(parameter, _)| *parameter == name).map(|(_, value)| *value);
            given.unwrap_or_else(|| template["Parameters"][name]["Default"].as_str().unwrap()).to_owned()
        };
        rules.values().any(|rule| {
            holds(&rule["RuleCondition"], &value)
                && rule["Assertions"].as_array().unwrap().iter().any(|assertion| !holds(&assertion["Assert"], &value))
        })
    };
    let (url, keys) = (("BetterAuthUrl", "https://a.b"), ("JwksUrl", "https://a.b/keys"));
    let (issuer, audience) = (("JwtIssuer", "https://a.b"), ("JwtAudience", "tasks"));
    for good in [
        &[url][..],
        &[url, keys],
        &[url, ("Tokens", "key-pairs-or-secret")],
        &[keys, issuer, audience],
        &[("Tokens", "secret")],
        &[("Tokens", "secret"), issuer, audience],
        &[url, ("DomainName", "a.b"), ("CertificateArn", "arn"), ("BasePath", "tasks")],
    ] {
        assert!(!refuses(good), "{good:?}");
    }
    for wrong in [
        &[][..],
        &[keys],
        &[keys, issuer],
        &[keys, audience],
        &[("Tokens", "key-pairs-or-secret")],
        &[("Tokens", "secret"), url],
        &[("Tokens", "secret"), keys, issuer, audience],
        &[url, ("DomainName", "a.b")],
        &[url, ("BasePath", "tasks")],
        &[url, ("HostedZoneId", "Z1")],
    ] {
        assert!(refuses(wrong), "{wrong:?}");
    }
}

/// The value of a condition in a rule.
fn holds(condition: &Value, parameter: &impl Fn(&str) -> String) -> bool {
    let (name, arguments) = condition.as_object().unwrap().iter().next().unwrap();
    let mut arguments = arguments.as_array().unwrap().iter();
    match name.as_str() {
        "Fn::Equals" => {
            let text =
                |value: &Value| value["Ref"].as_str().map_or_else(|| value.as_str().unwrap().to_owned(), parameter);
            text(arguments.next().unwrap()) == text(arguments.next().unwrap())
        }
        "Fn::Not" => !holds(arguments.next().unwrap(), parameter),
        "Fn::And" => arguments.all(|argument| holds(argument, parameter)),
        "Fn::Or" => arguments.any(|argument| holds(argument, parameter)),
        other => panic!("{other}"),
    }
}

/// Every function gets the settings of the users, and a deployment sets them once.
#[test]
fn every_function_is_told_who_the_users_are() {
    let template = template();
    for (id, function) in of_type(&template, "AWS::Lambda::Function") {
        let variables = &function["Properties"]["Environment"]["Variables"];
        for (name, parameter) in [
            ("USER_IDS", "UserIds"),
            ("USERS_TABLE", "UsersTable"),
            ("TOKEN_USER_CLAIM", "TokenUserClaim"),
            ("DEFAULT_SORT", "DefaultSort"),
            ("BETTER_AUTH_URL", "BetterAuthUrl"),
            ("JWKS_URL", "JwksUrl"),
            ("JWT_ISSUER", "JwtIssuer"),
            ("JWT_AUDIENCE", "JwtAudience"),
        ] {
            assert_eq!(variables[name], json!({ "Ref": parameter }), "{id}");
        }
    }
}

#[test]
fn parameters_refuse_nonsense() {
    let template = template();
    let certificate = "arn:aws:acm:eu-central-1:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef";
    let key = "arn:aws:kms:eu-central-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef";
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("Release", &["1700000000", "0a1b2c3d4e5f"], &["", "1", "v1.2.3", "1700000000 "]),
        ("SecretName", &["task-api", "prod/task-api"], &["", "a b", "arn:aws:secretsmanager:x"]),
        ("SecretVersionId", &["", "01234567-89ab-cdef-0123-456789abcdef"], &["latest", "1"]),
        ("BetterAuthUrl", &["", "https://auth.example.com", "https://a.b/api/auth"], &["http://a.b", "a.b"]),
        ("JwksUrl", &["", "https://a.b/.well-known/jwks.json"], &["http://a.b", "a.b"]),
        ("JwtIssuer", &["", "https://a.b/", "tasks"], &["a b", "a\n"]),
        ("JwtAudience", &["", "https://a.b/", "tasks"], &["a b", "a\n"]),
        ("TokenUserClaim", &["sub", "user_id", "user.id", "https://a/b"], &["", ".", "user.", "a b"]),
        ("UsersTable", &["user", "none", "auth.users", "User"], &["", "a.b.c", "\"user\"", "users;", "1a"]),
        (
            "CorsOrigins",
            &["https://app.example.com", "http://localhost:3000", "https://*.vercel.app", "capacitor://localhost"],
            &["*", "https://*", "https://a.b/", "a.b", ""],
        ),
        ("DatabaseRoots", &["/var/task/roots.pem"], &["roots.pem", ""]),
        ("AlarmTopicArn", &["", "arn:aws:sns:eu-central-1:123456789012:alarms"], &["alarms"]),
        ("KmsKeyArn", &["", key], &["alias/key", "key"]),
        ("DomainName", &["", "api.example.com"], &["https://api.example.com", "api.example.com/"]),
        ("CertificateArn", &["", certificate], &["certificate"]),
        ("BasePath", &["", "tasks", "tasks/v1"], &["/tasks", "tasks/", "a//b"]),
        ("HostedZoneId", &["", "Z0123456789ABC"], &["/hostedzone/Z1", "z1"]),
    ];
    for &(name, good, bad) in cases {
        let parameter = &template["Parameters"][name];
        let pattern = parameter["AllowedPattern"].as_str().unwrap();
        assert!(pattern.starts_with('^') && pattern.ends_with('$'), "{name}");
        assert!(parameter["ConstraintDescription"].as_str().unwrap().starts_with("must "), "{name}");
        let pattern = Regex::new(pattern).unwrap();
        assert!(good.iter().all(|value| pattern.is_match(value)), "{name}");
        assert!(!bad.iter().any(|value| pattern.is_match(value)), "{name}");
    }
    for (name, parameter) in template["Parameters"].as_object().unwrap() {
        let is_bounded = ["AllowedPattern", "AllowedValues", "MinValue"].iter().any(|key| !parameter[key].is_null());
        assert!(is_bounded && !parameter["Description"].is_null(), "{name} takes anything");
    }
}

/// The variables of a function for these parameters, as CloudFormation would set them. A variable that comes from
/// the secret is `None`.
fn variables(template: &Value, id: &str, parameters: &[(&str, &str)]) -> BTreeMap<String, Option<String>> {
    let parameter = |name: &str| {
        let given = parameters.iter().find(|(parameter, _)| *parameter == name).map(|(_, value)| (*value).to_owned());
        given.unwrap_or_else(|| match &template["Parameters"][name]["Default"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    };
    let all = template["Resources"][id]["Properties"]["Environment"]["Variables"].as_object().unwrap();
    let value = |value: &Value| evaluate(template, value, &parameter);
    let of_secret = |value: &String| value.starts_with("{{resolve:");
    all.iter()
        .filter_map(|(name, given)| Some((name.clone(), value(given)?)))
        .map(|(name, value)| (name, Some(value).filter(|value| !of_secret(value))))
        .collect()
}

/// The value of an expression. `None` stands for `AWS::NoValue`.
fn evaluate(template: &Value, value: &Value, parameter: &impl Fn(&str) -> String) -> Option<String> {
    let Some(object) = value.as_object() else {
        return Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    };
    let (function, argument) = object.iter().next().unwrap();
    match function.as_str() {
        "Ref" if argument == "AWS::NoValue" => None,
        "Ref" if argument == "AWS::StackName" => Some("task-api".into()),
        "Ref" => Some(parameter(argument.as_str().unwrap())),
        "Fn::Sub" => Some(argument.as_str().unwrap().to_owned()),
        // A parameter that is a list is written with commas.
        "Fn::Join" => evaluate(template, &argument[1], parameter),
        "Fn::If" => {
            let condition = &template["Conditions"][argument[0].as_str().unwrap()];
            let branch = if holds(condition, parameter) { &argument[1] } else { &argument[2] };
            evaluate(template, branch, parameter)
        }
        other => panic!("{other}"),
    }
}

/// The functions start with the template's variables, and answer like those of the tests: they allow pages of the
/// parameter's origins, and accept the parameter's tokens.
#[tokio::test]
async fn functions_run_with_the_variables_of_the_template() {
    const ORIGIN: &str = "https://preview-1.example.com";
    let template = template();
    let database = Database::migrated().await;
    database.users(&[1]).await;
    database.task(1, "Milk").await;
    let parameters = [
        ("CorsOrigins", "https://app.example.com,https://*.example.com"),
        ("Tokens", "secret"),
        ("DefaultSort", "-created_at"),
    ];
    let gateway = Gateway::of_template(Style::Aws);
    let preflight = Request::new("OPTIONS", "/api/1/tasks").header("Access-Control-Request-Method", "GET");
    let list = Request::new("GET", "/api/1/tasks").user(1);
    let health = Request::new("GET", "/health");
    let docs = Request::new("GET", "/openapi.json");
    for (id, request) in [("NotFound", preflight), ("ListTasks", list), ("Health", health), ("Docs", docs)] {
        let mut given = BTreeMap::new();
        for (name, value) in variables(&template, id, &parameters) {
            let value = match (value, name.as_str()) {
                (Some(value), _) => value,
                (None, "DATABASE_URL") => database.url(),
                (None, "BETTER_AUTH_SECRET") => SECRET.into(),
                (None, _) => panic!("{name}"),
            };
            given.insert(name, value);
        }
        let (function, event) = gateway.event(&request.header("Origin", ORIGIN));
        let function = Function::start(&function, &given, 1).await;
        let answer = function.invoke(&event).await.unwrap();
        assert_eq!(answer["statusCode"], 200, "{id}: {answer} {given:?}");
        assert_eq!(answer["headers"]["access-control-allow-origin"], ORIGIN, "{id}: {answer}");
    }
}
