//! Tokens to try the API with, signed as Better Auth would.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;

use crate::{
    settings::Settings,
    ui::{Context, Failure},
};

/// Prints a token.
pub(crate) fn run(user: &str, hours: &str) -> Result<(), Failure> {
    let user = user.parse().context(format!("--user {user}"))?;
    let hours = hours.parse().context(format!("--hours {hours}"))?;
    println!("{}", mint(&Settings::read()?, user, hours)?);
    Ok(())
}

/// A token of `user` that is good for so many hours.
pub(crate) fn mint(settings: &Settings, user: i32, hours: u32) -> Result<String, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")?.as_secs();
    let mut claims = json!({ "sub": user.to_string(), "iat": now, "exp": now + u64::from(hours) * 3600 });
    if let Some(issuer) = settings.env().auth().ok().and_then(|auth| auth.issuer) {
        claims["iss"] = issuer.as_str().into();
        claims["aud"] = issuer.into();
    }
    let key = EncodingKey::from_secret(settings.secret().as_bytes());
    encode(&Header::new(Algorithm::HS256), &claims, &key).context("the token")
}
