//! The template as CloudFormation gets it, after the SAM transform: what every function has, and
//! which parameters are refused before anything is made.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Value, json};
use shared::routes::{NOT_FOUND, ROUTES};

/// The transformed template, which `cargo xtask test` makes.
fn template() -> Value {
    let path = std::env::var("TEST_TEMPLATE").expect(
        "TEST_TEMPLATE is not set: it names the output of `python tests/transform.py template.yaml`, \
         which needs PyPI's aws-sam-translator. `cargo xtask test` makes it.",
    );
    serde_json::from_str(&std::fs::read_to_string(&path).expect("TEST_TEMPLATE")).expect("TEST_TEMPLATE is JSON")
}

/// (logical id, resource) of every resource of a type.
fn of_type<'a>(template: &'a Value, kind: &str) -> Vec<(&'a String, &'a Value)> {
    template["Resources"].as_object().unwrap().iter().filter(|(_, resource)| resource["Type"] == kind).collect()
}

/// The logical id that an `Fn::GetAtt` or `Ref` names.
fn named(value: &Value) -> &str {
    value["Fn::GetAtt"][0].as_str().or_else(|| value["Ref"].as_str()).unwrap_or_else(|| panic!("{value}"))
}

#[test]
fn every_function_has_what_is_its_own() {
    let template = template();
    let functions = of_type(&template, "AWS::Lambda::Function");
    let expected: BTreeSet<_> = ROUTES.iter().map(|route| route.function).chain([NOT_FOUND, "migrate"]).collect();
    assert_eq!(functions.len(), expected.len());
    let (mut roles, mut groups) = (BTreeSet::new(), BTreeSet::new());
    for (id, function) in functions {
        let properties = &function["Properties"];
        assert!(roles.insert(named(&properties["Role"])), "{id} shares its role");
        assert!(groups.insert(named(&properties["LoggingConfig"]["LogGroup"])), "{id} shares its log group");
        assert_eq!(properties["LoggingConfig"]["LogFormat"], "JSON", "{id}");
        assert_eq!(properties["Runtime"], "provided.al2023", "{id}");
        assert_eq!(properties["Architectures"], json!(["arm64"]), "{id}");
        assert_eq!(properties["TracingConfig"]["Mode"], "Active", "{id}");
        assert!(properties["Timeout"].is_u64() && !properties["MemorySize"].is_null(), "{id}");
        let group = &template["Resources"][named(&properties["LoggingConfig"]["LogGroup"])];
        assert!(!group["Properties"]["RetentionInDays"].is_null(), "{id}");
        check_role(&template, id, named(&properties["Role"]), named(&properties["LoggingConfig"]["LogGroup"]));
        check_alias(&template, id);
        if id != "Migrate" {
            assert_eq!(function["DependsOn"], "Migrations", "{id} may take traffic before its schema is there");
        }
    }
}

/// A role lets its function write to its own log group and send traces, which have no resource.
fn check_role(template: &Value, id: &str, role: &str, group: &str) {
    let properties = &template["Resources"][role]["Properties"];
    assert!(properties["ManagedPolicyArns"].is_null(), "{id}");
    let trust = &properties["AssumeRolePolicyDocument"]["Statement"];
    assert_eq!(trust[0]["Principal"], json!({ "Service": "lambda.amazonaws.com" }), "{id}");
    for policy in properties["Policies"].as_array().unwrap() {
        for statement in policy["PolicyDocument"]["Statement"].as_array().unwrap() {
            let actions = statement["Action"].as_array().unwrap();
            assert!(actions.iter().all(|action| !action.as_str().unwrap().contains('*')), "{id}: {statement}");
            let is_tracing = actions.iter().all(|action| action.as_str().unwrap().starts_with("xray:Put"));
            if is_tracing {
                assert_eq!(statement["Resource"], "*");
            } else {
                assert_eq!(named(&statement["Resource"]), group, "{id}: {statement}");
            }
        }
    }
}

/// Traffic moves to a new version by an alias, and back when the function's own alarm goes off.
fn check_alias(template: &Value, id: &str) {
    let alias = &template["Resources"][format!("{id}Aliaslive")];
    assert_eq!(alias["Properties"]["Name"], "live", "{id}");
    let alarm = &template["Resources"][format!("{id}Errors")];
    assert_eq!(alarm["Properties"]["MetricName"], "Errors", "{id}");
    if id == "Migrate" {
        return;
    }
    let group = named(&alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]["DeploymentGroupName"]);
    let group = &template["Resources"][group]["Properties"];
    assert_eq!(named(&group["AlarmConfiguration"]["Alarms"][0]["Name"]), format!("{id}Errors"));
    let events = &group["AutoRollbackConfiguration"];
    assert_eq!(events["Enabled"], true, "{id}");
    assert!(events["Events"].as_array().unwrap().contains(&json!("DEPLOYMENT_STOP_ON_ALARM")), "{id}");
}

#[test]
fn secrets_come_from_secrets_manager() {
    let template = template();
    let mut secrets = 0;
    for (id, function) in of_type(&template, "AWS::Lambda::Function") {
        for (name, value) in function["Properties"]["Environment"]["Variables"].as_object().unwrap() {
            if ["DATABASE_URL", "DATABASE_URL_UNPOOLED", "BETTER_AUTH_SECRET"].contains(&name.as_str()) {
                let texts = substitutions(value);
                assert_eq!(texts.len(), 2, "with and without a version of the secret");
                for text in texts {
                    assert!(text.starts_with("{{resolve:secretsmanager:${SecretName}:SecretString:"), "{id} {name}");
                    assert!(text.contains(&format!(":{name}")), "{id} {name}");
                }
                secrets += 1;
            }
        }
    }
    assert_eq!(secrets, 10 + 9 + 1);
}

/// The texts that a value may become.
fn substitutions(value: &Value) -> Vec<&str> {
    if let Some(text) = value["Fn::Sub"].as_str() {
        return vec![text];
    }
    let branches = value["Fn::If"].as_array().into_iter().flatten().skip(1);
    branches.flat_map(substitutions).collect()
}

#[test]
fn the_api_is_throttled_logged_and_watched() {
    let template = template();
    let [(_, stage)] = of_type(&template, "AWS::ApiGatewayV2::Stage")[..] else { panic!("one stage") };
    let settings = &stage["Properties"]["DefaultRouteSettings"];
    assert!(!settings["ThrottlingRateLimit"].is_null() && !settings["ThrottlingBurstLimit"].is_null());
    let format = stage["Properties"]["AccessLogSettings"]["Format"].as_str().unwrap();
    let line: Value = serde_json::from_str(format).expect("the access log is JSON");
    assert!(line.as_object().unwrap().len() >= 8);
    for alarm in ["ApiServerErrors", "Slow", "Throttles"] {
        assert_eq!(template["Resources"][alarm]["Type"], "AWS::CloudWatch::Alarm", "{alarm}");
    }
    // Its lines are joined in YAML, and it is JSON for CloudWatch.
    let [(_, dashboard)] = of_type(&template, "AWS::CloudWatch::Dashboard")[..] else { panic!("one dashboard") };
    let body = dashboard["Properties"]["DashboardBody"]["Fn::Sub"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(body).unwrap()["widgets"].as_array().unwrap().len() >= 4);
}

#[test]
fn migrations_run_again_when_their_code_is_another() {
    let template = template();
    let migrations = &template["Resources"]["Migrations"]["Properties"];
    assert_eq!(template["Resources"][named(&migrations["ServiceToken"])]["Type"], "AWS::Lambda::Alias");
    assert_eq!(template["Resources"][named(&migrations["Code"])]["Type"], "AWS::Lambda::Version");
    let timeout = template["Resources"]["Migrate"]["Properties"]["Timeout"].as_u64().unwrap();
    assert!(migrations["ServiceTimeout"].as_u64().unwrap() > timeout);
}

/// Traffic goes to published versions. Of a release that has only other parameters, each function has
/// another version all the same.
#[test]
fn every_release_publishes_every_function() {
    let versions = |template: &Value| -> BTreeSet<String> {
        of_type(template, "AWS::Lambda::Version").into_iter().map(|(id, _)| id.to_owned()).collect()
    };
    let next = std::env::var("TEST_NEXT_TEMPLATE").expect("TEST_NEXT_TEMPLATE, which `cargo xtask test` makes");
    let next = serde_json::from_str(&std::fs::read_to_string(next).unwrap()).unwrap();
    let (now, next) = (versions(&template()), versions(&next));
    assert_eq!((now.len(), next.len()), (13, 13));
    assert!(now.is_disjoint(&next), "{now:?}");
}

/// What tokens are signed with, and who signs them, has to fit together before anything is made.
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
    ] {
        assert!(refuses(wrong), "{wrong:?}");
    }
}

/// The value of a condition of a rule.
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

/// Every function knows who the users are, and nobody has to say it twice.
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
    let cases: [(&str, &[&str], &[&str]); 12] = [
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
    ];
    for (name, good, bad) in cases {
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
