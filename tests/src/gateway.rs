//! API Gateway's HTTP API, as a function sees it: the route of a request, and the event that the request becomes, in
//! [payload format 2.0](https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html).

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use serde_yaml_ng::Value as Yaml;

use crate::{Request, read};

/// Whose events are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// API Gateway's: the path and its parameters are decoded, and the route key names the route.
    Aws,
    /// `cargo lambda watch`'s: nothing is decoded, and the route key is always `$default`.
    CargoLambda,
}

/// A route of the template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The folder in `functions/`.
    pub function: String,
    /// The method.
    pub method: String,
    /// The path with its parameters.
    pub path: String,
}

/// The API in `template.yaml`.
pub struct Gateway {
    routes: Vec<Route>,
    default: String,
    style: Style,
}

impl Gateway {
    /// Reads the template's routes.
    #[must_use]
    pub fn of_template(style: Style) -> Self {
        let (routes, defaults) = template();
        let [default] = <[String; 1]>::try_from(defaults).expect("one function on $default");
        Self { routes, default, style }
    }

    /// The function for a request, and the event that it gets.
    #[must_use]
    pub fn event(&self, request: &Request) -> (String, Value) {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let candidates = self.routes.iter().filter(|route| route.method == request.method);
        let matches = candidates.filter_map(|route| Some((route, parameters(&route.path, path)?)));
        // The route with the fewest parameters is the most specific route.
        let route = matches.min_by_key(|(_, parameters)| parameters.len());
        let decode = |text: &str| match self.style {
            Style::Aws => percent_decode_str(text).decode_utf8_lossy().into_owned(),
            Style::CargoLambda => text.to_owned(),
        };
        let route_key = match (&route, self.style) {
            (Some((route, _)), Style::Aws) => format!("{} {}", route.method, route.path),
            _ => "$default".into(),
        };
        let headers = headers(request);
        let mut event = json!({
            "version": "2.0",
            "routeKey": route_key,
            "rawPath": decode(path),
            "rawQueryString": query,
            "headers": headers,
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "api-id",
                "domainName": "id.execute-api.us-east-1.amazonaws.com",
                "http": {
                    "method": request.method,
                    "path": decode(path),
                    "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.1",
                    "userAgent": "test",
                },
                "requestId": "JKJaXmPLvHcESHA=",
                "routeKey": route_key,
                "stage": "$default",
                "time": "12/Mar/2026:19:03:58 +0000",
                "timeEpoch": 1_773_342_238_000_i64,
            },
            "isBase64Encoded": false,
        });
        if let Some((_, parameters)) = &route {
            let decoded: BTreeMap<_, _> = parameters.iter().map(|(name, value)| (name, decode(value))).collect();
            if !decoded.is_empty() {
                event["pathParameters"] = json!(decoded);
            }
        }
        if let Some(body) = &request.body {
            let content_type = headers.get("content-type").map_or("", String::as_str);
            match std::str::from_utf8(body) {
                Ok(text) if is_text(content_type) => event["body"] = text.into(),
                _ => {
                    event["body"] = STANDARD.encode(body).into();
                    event["isBase64Encoded"] = true.into();
                }
            }
        }
        (route.map_or(&self.default, |(route, _)| &route.function).clone(), event)
    }
}

/// The headers as a function gets them: in lower case, with repeated headers joined.
fn headers(request: &Request) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::from([("host".to_owned(), "id.execute-api.us-east-1.amazonaws.com".to_owned())]);
    for (name, value) in &request.headers {
        let value = value.trim_matches([' ', '\t']);
        headers
            .entry(name.to_ascii_lowercase())
            .and_modify(|joined| *joined = if name == "host" { value.into() } else { format!("{joined},{value}") })
            .or_insert_with(|| value.into());
    }
    headers
}

/// Whether API Gateway passes on bodies of this media type as they are.
fn is_text(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.starts_with("text/") || ["application/json", "application/javascript", "application/xml"].contains(&essence)
}

/// The parameters of a path that matches a pattern. They are not decoded.
fn parameters(pattern: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let (patterns, segments): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    let mut parameters = BTreeMap::new();
    for (pattern, segment) in patterns.iter().zip(&segments) {
        match pattern.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !segment.is_empty() => drop(parameters.insert(name.to_owned(), (*segment).to_owned())),
            None if pattern == segment => {}
            _ => return None,
        }
    }
    (patterns.len() == segments.len()).then_some(parameters)
}

/// The routes of `template.yaml`, and the functions on `$default`.
#[must_use]
pub fn template() -> (Vec<Route>, Vec<String>) {
    let template: Yaml = serde_yaml_ng::from_str(&read("template.yaml")).expect("template.yaml is YAML");
    let (mut routes, mut defaults) = (Vec::new(), Vec::new());
    for (_, resource) in template["Resources"].as_mapping().expect("resources") {
        if resource["Type"] != "AWS::Serverless::Function" {
            continue;
        }
        let code = resource["Properties"]["CodeUri"].as_str().expect("CodeUri");
        let function = code.strip_prefix("target/lambda/").and_then(|name| name.strip_suffix(".zip"));
        let function = function.expect("CodeUri is an artefact").to_owned();
        for (_, event) in resource["Properties"]["Events"].as_mapping().into_iter().flatten() {
            // The other kind of event is a schedule.
            if event["Type"] != "HttpApi" {
                continue;
            }
            let text = |name: &str| event["Properties"][name].as_str().map(str::to_owned);
            match (text("Method"), text("Path")) {
                (Some(method), Some(path)) => routes.push(Route { function: function.clone(), method, path }),
                _ => defaults.push(function.clone()),
            }
        }
    }
    (routes, defaults)
}
