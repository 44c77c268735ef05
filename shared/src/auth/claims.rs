//! The claims of a token, read after its signature was verified.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use super::{UserId, UserIds, encoding::object};
use crate::config;

/// The clocks of issuer and API may differ by this much.
const LEEWAY: Duration = Duration::from_secs(5);

/// The end of the range of dates, in seconds of Unix time: 2^64.
const DATES_END: f64 = 18_446_744_073_709_551_616.0;

/// Claims that only session cookies and e-mail links of Better Auth have. Better Auth signs those with the same
/// secret.
const COOKIE_OR_EMAIL_LINK: [&str; 3] = ["session", "updateTo", "requestType"];

/// Values of `type`, `token_type`, `token_use` or `scope` that mark a token as not meant for calling an API.
const OTHER_USES: [&str; 12] = [
    "refresh",
    "refresh_token",
    "reset",
    "reset_password",
    "password_reset",
    "verify",
    "verification",
    "verify_email",
    "email_verification",
    "email_verify",
    "activation",
    "invite",
];

/// The claims, besides dates, of Better Auth's other e-mail links.
const EMAIL_LINK: [&str; 2] = ["email", "userId"];
const DATES: [&str; 3] = ["iat", "exp", "nbf"];

/// The rules for the claims of a token for this API.
pub(super) struct ClaimRules {
    issuer: Option<String>,
    audience: Option<String>,
    user_ids: UserIds,
    /// The claim with the user's id, if it is not `sub`.
    user_claim: Option<String>,
}

/// The claims that this API reads. Deserializing checks their types: it fails for an `nbf` that is not a number, and
/// for a claim that occurs twice.
#[derive(Deserialize)]
struct Claims<'a> {
    #[serde(borrow)]
    sub: Option<&'a RawValue>,
    exp: f64,
    nbf: Option<f64>,
    #[serde(rename = "iat")]
    _iat: Option<f64>,
    #[serde(rename = "jti")]
    _jti: Option<Cow<'a, str>>,
    iss: Option<Value>,
    aud: Option<Value>,
    #[serde(rename = "type", borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    token_type: Option<&'a RawValue>,
    #[serde(borrow)]
    token_use: Option<&'a RawValue>,
    #[serde(borrow)]
    scope: Option<&'a RawValue>,
}

impl Claims<'_> {
    /// Whether the token says that it is not for calling an API. Applications that sign all their tokens with one
    /// secret have such tokens.
    fn is_for_something_else(&self) -> bool {
        [self.kind, self.token_type, self.token_use, self.scope].into_iter().flatten().any(|claim| {
            let text = claim.get().trim_matches('"');
            OTHER_USES.iter().any(|other| other.eq_ignore_ascii_case(text))
        })
    }
}

impl ClaimRules {
    pub(super) fn new(config: &config::Auth) -> Self {
        Self {
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            user_ids: config.user_ids,
            user_claim: config.user_claim.clone(),
        }
    }

    /// The user that a token with this payload names, if the token is valid now.
    ///
    /// # Errors
    /// Why this is not a token for this API, for the log.
    pub(super) fn user(&self, payload: &[u8]) -> Result<UserId, &'static str> {
        let claims: Claims = object(payload).ok_or("a claim is missing, there twice or of the wrong type")?;
        self.check(&claims, SystemTime::now())?;
        if claims.is_for_something_else() {
            return Err("the token says that it is for something else, such as to refresh others");
        }
        let id = match &self.user_claim {
            // Requiring `sub` is enough here: Better Auth's session cookies and e-mail links do not have it.
            None => {
                let subject: Option<Cow<str>> = claims.sub.and_then(|sub| serde_json::from_str(sub.get()).ok());
                UserId::parse(self.user_ids, &subject.ok_or("sub is missing or not a string")?)
            }
            Some(path) => {
                let claims: Object = object(payload).ok_or("a claim is there twice")?;
                if claims.is_cookie_or_email_link() {
                    return Err("the token is a session cookie or an e-mail link of Better Auth");
                }
                let id = claims.find(path).ok_or("the claim that TOKEN_USER_CLAIM names is missing")?;
                self.parse_id(&id)
            }
        };
        id.ok_or(match self.user_ids {
            UserIds::Integer => {
                "the user's id is not a positive integer: ids of another kind need USER_IDS=text or uuid"
            }
            UserIds::Text => "the user's id is not a text of 1 to 255 characters, as USER_IDS=text has it",
            UserIds::Uuid => "the user's id is not a UUID in its canonical form, as USER_IDS=uuid has it",
        })
    }

    /// The id in a claim other than `sub`. Such a claim may be a number.
    fn parse_id(&self, id: &Value) -> Option<UserId> {
        match id {
            Value::String(text) => UserId::parse(self.user_ids, text),
            Value::Number(number) if self.user_ids == UserIds::Integer => {
                UserId::parse(UserIds::Integer, &number.as_i64()?.to_string())
            }
            _ => None,
        }
    }

    /// Checks that the claims are valid for this API at this time
    /// ([RFC 7519, section 4.1](https://www.rfc-editor.org/rfc/rfc7519#section-4.1)).
    fn check(&self, claims: &Claims, now: SystemTime) -> Result<(), &'static str> {
        let is_date = |seconds: &f64| (0.0..DATES_END).contains(seconds);
        if !is_date(&claims.exp) || !claims.nbf.iter().all(is_date) {
            return Err("exp or nbf is not a date");
        }
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if now.as_secs_f64() >= claims.exp + LEEWAY.as_secs_f64() {
            return Err("the token has expired");
        }
        if claims.nbf.is_some_and(|from| (now + LEEWAY).as_secs_f64() < from) {
            return Err("the token is not valid yet");
        }
        if let Some(issuer) = &self.issuer
            && claims.iss.as_ref().and_then(Value::as_str) != Some(issuer)
        {
            return Err("iss is not the issuer");
        }
        // RFC 7519, section 4.1.3: a recipient that the `aud` of a token does not list must refuse the token.
        match (&self.audience, &claims.aud) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err("the token has an aud, and JWT_AUDIENCE is not set"),
            (Some(audience), Some(Value::String(one))) if one == audience => Ok(()),
            (Some(audience), Some(Value::Array(many))) if many.iter().any(|one| one == audience) => Ok(()),
            (Some(_), _) => Err("aud is not this API's audience"),
        }
    }
}

/// A JSON object without duplicate names.
struct Object<'a>(BTreeMap<String, &'a RawValue>);

impl Object<'_> {
    /// The value of the claim with this name. If there is no such claim, dots in the name separate a path of names.
    fn find(&self, path: &str) -> Option<Value> {
        if let Some(value) = self.0.get(path) {
            return serde_json::from_str(value.get()).ok();
        }
        let (name, rest) = path.split_once('.')?;
        object::<Object>(self.0.get(name)?.get().as_bytes())?.find(rest)
    }

    fn is_cookie_or_email_link(&self) -> bool {
        let names = || self.0.keys().map(String::as_str).filter(|name| !DATES.contains(name));
        names().any(|name| COOKIE_OR_EMAIL_LINK.contains(&name))
            || (self.0.contains_key("email") && names().all(|name| EMAIL_LINK.contains(&name)))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = BTreeMap<String, &'de RawValue>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((name, value)) = map.next_entry()? {
                    if entries.insert(name, value).is_some() {
                        return Err(de::Error::custom("a name is there twice"));
                    }
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Entries).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(user_ids: UserIds, user_claim: Option<&str>) -> ClaimRules {
        ClaimRules { issuer: None, audience: None, user_ids, user_claim: user_claim.map(str::to_owned) }
    }

    #[test]
    fn a_token_is_good_from_nbf_until_exp_and_five_seconds_around() {
        let claims = |exp: f64, nbf: f64| Claims {
            sub: None,
            exp,
            nbf: Some(nbf),
            _iat: None,
            _jti: None,
            iss: None,
            aud: None,
            kind: None,
            token_type: None,
            token_use: None,
            scope: None,
        };
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let is_good = |exp, nbf| rules(UserIds::Integer, None).check(&claims(exp, nbf), now).is_ok();
        assert!(is_good(995.5, 1005.0));
        assert!(!is_good(995.0, 0.0), "expired");
        assert!(!is_good(2000.0, 1005.5), "not valid yet");
        for no_date in [-1.0, DATES_END, f64::INFINITY, f64::NAN] {
            assert!(!is_good(no_date, 0.0) && !is_good(2000.0, no_date), "{no_date}");
        }
    }

    #[test]
    fn a_token_for_an_audience_needs_one_that_is_configured() {
        let user = |audience: Option<&str>, claims: &str| {
            let rules = ClaimRules { audience: audience.map(str::to_owned), ..rules(UserIds::Integer, None) };
            rules.user(format!(r#"{{"sub":"1","exp":1e12{claims}}}"#).as_bytes())
        };
        assert!(user(None, "").is_ok() && user(None, r#","aud":null"#).is_ok());
        for aud in [r#","aud":"a""#, r#","aud":["a"]"#, r#","aud":[]"#, r#","aud":1"#] {
            assert_eq!(user(None, aud), Err("the token has an aud, and JWT_AUDIENCE is not set"), "{aud}");
        }
        assert!(user(Some("a"), r#","aud":"a""#).is_ok() && user(Some("a"), r#","aud":["b","a"]"#).is_ok());
        for aud in ["", r#","aud":"b""#, r#","aud":["b"]"#, r#","aud":[]"#, r#","aud":{"a":1}"#] {
            assert!(user(Some("a"), aud).is_err(), "{aud}");
        }
    }

    #[test]
    fn the_id_is_in_sub_or_in_the_claim_that_is_named() {
        let user = |ids, claim, claims: &str| {
            rules(ids, claim).user(format!(r#"{{"exp":1e12,{claims}}}"#).as_bytes()).map(|id| id.to_string())
        };
        let good = [
            (UserIds::Integer, None, r#""sub":"7""#),
            (UserIds::Integer, Some("user_id"), r#""user_id":7"#),
            (UserIds::Integer, Some("user_id"), r#""user_id":"7","sub":1"#),
            (UserIds::Integer, Some("user.id"), r#""user":{"id":7,"email":"a@b"}"#),
            (UserIds::Text, None, r#""sub":"7""#),
            (UserIds::Text, Some("user.id"), r#""user.id":"7","user":{"id":"8"}"#),
            (UserIds::Integer, Some("userId"), r#""userId":7,"email":"a@b","name":"Ada""#),
            (UserIds::Integer, None, r#""sub":"7","type":"access","scope":"tasks:read","token_use":1"#),
        ];
        for (ids, claim, claims) in good {
            assert_eq!(user(ids, claim, claims).as_deref(), Ok("7"), "{claims}");
        }
        let wrong = [
            (UserIds::Integer, None, r#""sub":7"#),
            (UserIds::Integer, None, r#""user_id":"7""#),
            (UserIds::Text, None, r#""sub":7"#),
            (UserIds::Text, None, r#""sub":"""#),
            (UserIds::Text, None, r#""sub":"a\u0000b""#),
            (UserIds::Text, Some("user_id"), r#""user_id":7"#),
            (UserIds::Uuid, None, r#""sub":"7""#),
            (UserIds::Integer, Some("user_id"), r#""user_id":7.0"#),
            (UserIds::Integer, Some("user_id"), r#""user_id":[7]"#),
            (UserIds::Integer, Some("user_id"), r#""user_id":7,"user_id":8"#),
            (UserIds::Integer, Some("user.id"), r#""user":{"id":7,"id":8}"#),
            (UserIds::Integer, None, r#""sub":"7","type":"refresh""#),
            (UserIds::Integer, None, r#""sub":"7","token_type":"Refresh""#),
            (UserIds::Integer, None, r#""sub":"7","token_use":"password_reset""#),
            (UserIds::Integer, Some("user_id"), r#""user_id":7,"scope":"refresh_token""#),
            (UserIds::Integer, Some("user.id"), r#""user":[7]"#),
            (UserIds::Integer, Some("user.id"), r#""user":{"id":"7"},"session":{}"#),
            (UserIds::Integer, Some("userId"), r#""userId":7,"email":"a@b","iat":1"#),
            (UserIds::Integer, Some("userId"), r#""userId":7,"email":"a@b","name":"a","updateTo":"c@d""#),
            (UserIds::Integer, Some("userId"), r#""userId":7,"name":"a","requestType":"change-email""#),
        ];
        for (ids, claim, claims) in wrong {
            assert!(user(ids, claim, claims).is_err(), "{claims}");
        }
    }

    #[test]
    fn header_and_payload_are_objects() {
        let rules = rules(UserIds::Integer, None);
        assert!(rules.user(json!({ "sub": "1", "exp": 1e12 }).to_string().as_bytes()).is_ok());
        assert!(rules.user(json!(["1", 1e12, null, null, null, null, null]).to_string().as_bytes()).is_err());
    }
}
