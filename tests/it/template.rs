//! The template as CloudFormation gets it, after the SAM transform: what every function has, and
//! which parameters are refused before anything is made.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::{Value, json};
use shared::routes::{Access, NOT_FOUND, ROUTES};
use tests::{
    Request, SECRET,
    gateway::{Gateway, Style},
    postgres::Database,
    runtime::Function,
};

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
        assert_eq!(properties["TracingConfig"]["Mode"], json!({ "Ref": "Tracing" }), "{id}");
        assert_eq!(
            properties["KmsKeyArn"],
            json!({ "Fn::If": ["HasKmsKey", { "Ref": "KmsKeyArn" }, { "Ref": "AWS::NoValue" }] })
        );
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
            if statement["Fn::If"][0] == "HasKmsKey" {
                let key = json!({ "Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": { "Ref": "KmsKeyArn" } });
                assert_eq!(statement["Fn::If"], json!(["HasKmsKey", key, { "Ref": "AWS::NoValue" }]));
                continue;
            }
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
    // What the version before does is not this one's fault, and does not hide what this one does.
    let is_of_version = |dimensions: &Value, name: &str| {
        let value = dimensions.as_array().unwrap().iter().find(|dimension| dimension["Name"] == name);
        value.is_some_and(|dimension| {
            let version = named(&dimension["Value"]);
            version.starts_with(&format!("{id}Version")) && !template["Resources"][version].is_null()
        })
    };
    // Not by ExecutedVersion, which Lambda tells only while an alias leads to two versions.
    let dimensions = alarm["Properties"]["Dimensions"].as_array().unwrap();
    assert!(
        dimensions.iter().all(|dimension| ["FunctionName", "Resource"].contains(&dimension["Name"].as_str().unwrap()))
    );
    let failures = &template["Resources"][format!("{id}Failures")]["Properties"];
    for metric in &failures["Metrics"].as_array().unwrap()[1..] {
        let metric = &metric["MetricStat"]["Metric"];
        assert!(["failures", "unauthorized"].contains(&metric["MetricName"].as_str().unwrap()), "{id}");
        assert!(is_of_version(&metric["Dimensions"], "version"), "{id}");
    }
    let group = named(&alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]["DeploymentGroupName"]);
    let group = &template["Resources"][group]["Properties"];
    let alarms = &group["AlarmConfiguration"]["Fn::If"];
    let names: Vec<_> = alarms[1]["Alarms"].as_array().unwrap().iter().map(|alarm| named(&alarm["Name"])).collect();
    assert_eq!((&alarms[0], &alarms[2]), (&json!("HasAlarms"), &json!({})), "{id}: an alarm keeps its own fix out");
    assert_eq!(names, [format!("{id}Errors"), format!("{id}Failures")]);
    let events = &group["AutoRollbackConfiguration"];
    assert_eq!(events["Enabled"], true, "{id}");
    assert!(events["Events"].as_array().unwrap().contains(&json!("DEPLOYMENT_STOP_ON_ALARM")), "{id}");
}

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
    // The URL of each of them and of `health`, their secret, and both URLs of `migrate`, which lets the login of the
    // first call the functions.
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
    let functions = of_type(&template(), "AWS::Lambda::Function").len();
    assert_eq!((now.len(), next.len()), (functions, functions));
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

/// What anyone may call has limits of its own, below what everybody shares.
#[test]
fn routes_without_a_token_have_their_own_limits() {
    let template = template();
    let [(_, stage)] = of_type(&template, "AWS::ApiGatewayV2::Stage")[..] else { panic!("one stage") };
    let settings = stage["Properties"]["RouteSettings"].as_object().unwrap();
    let public = ROUTES.iter().filter(|route| route.access == Access::Public);
    let expected: BTreeSet<_> =
        public.flat_map(|route| route.methods().iter().map(move |method| format!("{method} {}", route.path))).collect();
    assert_eq!(settings.keys().cloned().collect::<BTreeSet<_>>(), expected);
    for (route, limits) in settings {
        assert!(limits["ThrottlingRateLimit"].as_u64().unwrap() < 100, "{route}");
    }
    // Metrics of each route cost money, and nothing reads them.
    assert!(stage["Properties"]["DefaultRouteSettings"]["DetailedMetricsEnabled"].is_null());
}

/// Nobody calls a quiet API; somebody has to notice that it is down.
#[test]
fn the_health_is_checked() {
    let template = template();
    let [(_, schedule)] = of_type(&template, "AWS::Scheduler::Schedule")[..] else { panic!("one schedule") };
    let target = &schedule["Properties"]["Target"];
    assert_eq!(named(&target["Arn"]), "HealthAliaslive");
    let input: Value = serde_json::from_str(target["Input"].as_str().unwrap()).unwrap();
    let event: Value = serde_json::from_str(&tests::read("events/health/scheduled.json")).unwrap();
    assert_eq!(input, event, "the sample event that shows that the function understands it");
    let share = &template["Resources"]["ApiServerErrors"]["Properties"]["Metrics"][0]["Expression"];
    assert_eq!(*share, "IF(errors > 1, 100 * errors / requests, 0)", "also where there are few requests");
}

/// Each metric of ours that an alarm or the dashboard reads is one that functions write, or that a filter makes.
#[test]
fn metrics_that_are_read_are_written() {
    let written = ["failures", "unauthorized", "duration_ms", "database_ms", "too_many_requests"];
    let template = template();
    let text = serde_json::to_string(&template["Resources"]).unwrap();
    for (_, alarm) in of_type(&template, "AWS::CloudWatch::Alarm") {
        let alarm = &alarm["Properties"];
        let metrics = alarm["Metrics"].as_array().into_iter().flatten().map(|metric| &metric["MetricStat"]["Metric"]);
        for metric in metrics.chain([alarm]).filter(|metric| metric["Namespace"]["Ref"] == "AWS::StackName") {
            assert!(written.contains(&metric["MetricName"].as_str().unwrap()), "{metric}");
        }
    }
    for name in written {
        assert!(text.contains(name), "nothing reads {name}");
    }
    // The name of a stack may have characters that SEARCH takes for its own.
    let [(_, dashboard)] = of_type(&template, "AWS::CloudWatch::Dashboard")[..] else { panic!("one dashboard") };
    let body = dashboard["Properties"]["DashboardBody"]["Fn::Sub"].as_str().unwrap();
    assert_eq!(body.matches("SEARCH('{").count(), body.matches("SEARCH('{\\\"${AWS::StackName}\\\",").count());
}

/// The operating page tells what each alarm means and what to do.
#[test]
fn every_alarm_has_a_paragraph() {
    let page = tests::read("docs/operating.md");
    for (id, _) in of_type(&template(), "AWS::CloudWatch::Alarm") {
        // Those that every function has are explained once.
        let kind = ["Errors", "Failures"].into_iter().find(|kind| id.ends_with(kind) && *id != "ApiServerErrors");
        let heading = kind.map_or_else(|| format!("### {id}\n"), |kind| format!("### <Function>{kind}\n"));
        assert!(page.contains(&heading), "docs/operating.md has no {heading}");
    }
}

/// The variables of a function for parameters, as CloudFormation would set them; those that come from the secret
/// are `None`.
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

/// The value of an expression, and none for `AWS::NoValue`.
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
        // A list that is a parameter is written with commas.
        "Fn::Join" => evaluate(template, &argument[1], parameter),
        "Fn::If" => {
            let condition = &template["Conditions"][argument[0].as_str().unwrap()];
            let branch = if holds(condition, parameter) { &argument[1] } else { &argument[2] };
            evaluate(template, branch, parameter)
        }
        other => panic!("{other}"),
    }
}

/// The functions start with the variables that the template gives them, and answer as the tests' own do: pages of
/// the parameter's origins are allowed, and its tokens are taken.
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

/// The zips have all roots that Let's Encrypt issues from, or has announced, and each is good for another year.
#[test]
fn the_databases_roots_are_complete_and_good_for_a_year() {
    let roots = openssl::x509::X509::stack_from_pem(&std::fs::read(tests::root().join("shared/roots.pem")).unwrap());
    let roots = roots.unwrap();
    let in_a_year = openssl::asn1::Asn1Time::days_from_now(365).unwrap();
    let name = |root: &openssl::x509::X509| {
        let names = root.subject_name().entries_by_nid(openssl::nid::Nid::COMMONNAME);
        names.map(|name| String::from_utf8_lossy(name.data().as_slice()).into_owned()).collect::<String>()
    };
    for root in &roots {
        assert!(*root.not_after() > in_a_year, "{} ends {}: find its successor", name(root), root.not_after());
        assert!(root.verify(&root.public_key().unwrap()).unwrap(), "{} is no root", name(root));
    }
    // https://letsencrypt.org/certificates/
    let names: BTreeSet<_> = roots.iter().map(name).collect();
    assert_eq!(names, ["ISRG Root X1", "ISRG Root X2", "Root YE", "Root YR"].map(str::to_owned).into());
}
