//! The file with the vectors, and the requests in it.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value};
use tests::{Request, SECRET, token};

#[derive(Deserialize)]
pub struct Contract {
    pub fixture: Fixture,
    pub tokens: BTreeMap<String, Token>,
    pub cases: Vec<Case>,
}

#[derive(Deserialize)]
pub struct Fixture {
    pub user_columns: Vec<String>,
    pub users: Vec<Vec<Value>>,
    pub task_columns: Vec<String>,
    pub tasks: Vec<Vec<Value>>,
}

#[derive(Deserialize)]
pub struct Token {
    pub claims: Option<Value>,
    pub claims_raw: Option<String>,
    alg: Option<String>,
    #[serde(default)]
    header: Map<String, Value>,
    secret: Option<String>,
    literal: Option<String>,
    #[serde(default)]
    suffix: String,
    #[serde(default)]
    strip_signature: bool,
}

#[derive(Deserialize)]
pub struct Case {
    pub name: String,
    pub request: CaseRequest,
    pub response: CaseResponse,
    pub binding: Binding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    Exact,
    Status,
    Free,
}

#[derive(Deserialize)]
pub struct CaseRequest {
    method: String,
    pub path: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Option<String>,
    body_base64: Option<String>,
}

#[derive(Deserialize)]
pub struct CaseResponse {
    pub status: u64,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    pub body: Option<Value>,
    pub body_text: Option<String>,
    #[serde(default)]
    pub db_changes: Value,
}

impl Contract {
    pub fn read() -> Self {
        serde_json::from_str(&tests::read("tests/data/contract.json")).expect("the vectors")
    }

    /// The request of a case, with its tokens.
    pub fn request(&self, case: &Case) -> Request {
        let mut request = Request::new(&case.request.method, &case.request.path);
        for (name, value) in &case.request.headers {
            request = request.header(name, &self.with_token(value));
        }
        request.body = match (&case.request.body, &case.request.body_base64) {
            (Some(text), _) => Some(text.clone().into_bytes()),
            (None, Some(base64)) => Some(STANDARD.decode(base64).expect("base64")),
            (None, None) => None,
        };
        request
    }

    /// `text` with `{{token:NAME}}` replaced.
    fn with_token(&self, text: &str) -> String {
        let Some((before, rest)) = text.split_once("{{token:") else { return text.to_owned() };
        let (name, after) = rest.split_once("}}").expect("the end of a placeholder");
        format!("{before}{}{after}", self.tokens[name].mint())
    }
}

impl Token {
    fn mint(&self) -> String {
        if let Some(literal) = &self.literal {
            return literal.clone();
        }
        let mut header = Map::new();
        header.insert("alg".into(), self.alg.as_deref().unwrap_or("HS256").into());
        header.insert("typ".into(), "JWT".into());
        header.extend(self.header.clone());
        header.retain(|_, value| !value.is_null());
        let payload = match (&self.claims_raw, &self.claims) {
            (Some(raw), _) => raw.clone(),
            (None, claims) => {
                let mut claims = claims.clone().expect("claims");
                claims.as_object_mut().expect("an object of claims").values_mut().for_each(resolve);
                claims.to_string()
            }
        };
        let secret = self.secret.as_deref().filter(|secret| *secret != "shared").unwrap_or(SECRET);
        let token = token::signed(&header.into(), &payload, secret);
        let token = if self.strip_signature {
            token.rsplit_once('.').map(|(message, _)| format!("{message}.")).expect("three parts")
        } else {
            token
        };
        format!("{token}{}", self.suffix)
    }
}

/// Replaces `now+N` by a number, `now+Ns` by a string, and `now+N.5` by a float.
fn resolve(claim: &mut Value) {
    let Some(offset) = claim.as_str().and_then(|text| text.strip_prefix("now")) else { return };
    let now = token::now();
    *claim = if let Some(offset) = offset.strip_suffix('s') {
        (now + offset.parse::<i64>().expect("an offset")).to_string().into()
    } else if let Ok(offset) = offset.parse::<i64>() {
        (now + offset).into()
    } else {
        // Exact, because the time fits 53 bits.
        #[allow(clippy::cast_precision_loss)]
        let now = now as f64;
        (now + offset.parse::<f64>().expect("an offset")).into()
    };
}
