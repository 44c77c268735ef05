//! Tokens for trying the API, signed as Better Auth would sign them.

use anyhow::{Context, Result, anyhow, bail};
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use shared::auth::UserId;

use crate::settings::Settings;

/// A token for `user` that expires after `hours`.
pub fn mint(settings: &Settings, user: &str, hours: u32) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")?.as_secs();
    let auth = settings.env().auth().map_err(|error| anyhow!(error.to_string()))?;
    let id = UserId::parse(auth.user_ids, user)
        .with_context(|| format!("{user:?} is no id of the kind that USER_IDS says, {}", auth.user_ids.name()))?;
    // The name of each object on the way to the claim, from the outside in.
    let path = auth.user_claim.as_deref().unwrap_or("sub");
    let claim = path.rsplit('.').fold(json!(id.to_string()), |value, name| json!({ name: value }));
    let Value::Object(mut claims) = claim else { bail!("{path} is no claim") };
    claims.insert("iat".into(), now.into());
    claims.insert("exp".into(), (now + u64::from(hours) * 3600).into());
    for (claim, pinned) in [("iss", auth.issuer), ("aud", auth.audience)] {
        if let Some(pinned) = pinned {
            claims.insert(claim.into(), pinned.into());
        }
    }
    // The default settings have a secret, but a user may have removed it.
    let secret = auth.secret.ok_or_else(|| anyhow!("BETTER_AUTH_SECRET is missing, to sign a token with"))?;
    let key = EncodingKey::from_secret(&secret);
    encode(&Header::new(Algorithm::HS256), &claims, &key).context("the token")
}
