//! The template that CloudFormation gets, after the SAM transform.

mod parameters;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::routes::{Access, NOT_FOUND, ROUTES};

/// The transformed template. `cargo xtask test` creates it.
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

/// A role lets its function write to its own log group, send traces (which need `*` as their resource), and decrypt
/// with the KMS key, if there is one.
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

/// An alias moves traffic to a new version, and back when the alarm of the function goes off.
fn check_alias(template: &Value, id: &str) {
    let alias = &template["Resources"][format!("{id}Aliaslive")];
    assert_eq!(alias["Properties"]["Name"], "live", "{id}");
    let alarm = &template["Resources"][format!("{id}Errors")];
    assert_eq!(alarm["Properties"]["MetricName"], "Errors", "{id}");
    if id == "Migrate" {
        return;
    }
    // The alarm counts this version's errors only: errors of the version before must not set it off, or hide this
    // one's.
    let is_of_version = |dimensions: &Value, name: &str| {
        let value = dimensions.as_array().unwrap().iter().find(|dimension| dimension["Name"] == name);
        value.is_some_and(|dimension| {
            let version = named(&dimension["Value"]);
            version.starts_with(&format!("{id}Version")) && !template["Resources"][version].is_null()
        })
    };
    // Not by ExecutedVersion, which Lambda reports only while an alias leads to two versions.
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
    // YAML joins the lines of the dashboard, and CloudWatch reads them as JSON.
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

/// Traffic goes to published versions. A release in which only parameters change must publish a new version of each
/// function too.
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

/// Routes without a token have their own limits, below the limit that all routes share.
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
    // Metrics per route cost money, and nothing reads them.
    assert!(stage["Properties"]["DefaultRouteSettings"]["DetailedMetricsEnabled"].is_null());
}

/// Nobody calls a quiet API, so a schedule must check that it works.
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

/// Each metric of ours that an alarm or the dashboard reads must be written by functions or made by a filter.
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
    // A stack's name may have characters with a meaning in SEARCH, so the name is quoted.
    let [(_, dashboard)] = of_type(&template, "AWS::CloudWatch::Dashboard")[..] else { panic!("one dashboard") };
    let body = dashboard["Properties"]["DashboardBody"]["Fn::Sub"].as_str().unwrap();
    assert_eq!(body.matches("SEARCH('{").count(), body.matches("SEARCH('{\\\"${AWS::StackName}\\\",").count());
}

/// The operating page says what each alarm means and what to do.
#[test]
fn every_alarm_has_a_paragraph() {
    let page = tests::read("docs/operating.md");
    for (id, _) in of_type(&template(), "AWS::CloudWatch::Alarm") {
        // The alarms that every function has are explained once.
        let kind = ["Errors", "Failures"].into_iter().find(|kind| id.ends_with(kind) && *id != "ApiServerErrors");
        let heading = kind.map_or_else(|| format!("### {id}\n"), |kind| format!("### <Function>{kind}\n"));
        assert!(page.contains(&heading), "docs/operating.md has no {heading}");
    }
}

/// The zips have all root certificates that Let's Encrypt uses or has announced. Each is valid for another year.
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
