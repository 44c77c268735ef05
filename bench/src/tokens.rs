//! `cargo xtask bench --tokens`: what verifying a token costs, by its algorithm.
//!
//! The tokens have expired, which functions check after the signature, so that each call verifies one and does nothing
//! else. They are compared with a call without a token.

use std::collections::BTreeMap;

use anyhow::Result;
use devtools::ui::{step, table};
use jsonwebtoken::Algorithm;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tests::{
    issuer::{Issuer, SigningKey},
    token,
};

use crate::{Plan, binaries::Binaries, data::Database, stats::median, subject::Subject, warm};

const NO_TOKEN: &str = "no token";

/// What a call with a token takes, in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cost {
    pub(crate) algorithm: String,
    pub(crate) warm_p50_us: f64,
    pub(crate) cpu_us: f64,
}

/// A call with a token of each algorithm, and one without a token. The issuer is there as long as it is kept.
pub(crate) async fn subjects(database: &Database, binaries: &Binaries) -> Result<(Issuer, Vec<Subject>)> {
    let keys = [
        ("EdDSA", SigningKey::ed25519("EdDSA")),
        ("ES256", SigningKey::p256("ES256")),
        ("RS256", SigningKey::rsa("RS256", Algorithm::RS256)),
        ("PS256", SigningKey::rsa("PS256", Algorithm::PS256)),
    ];
    let issuer = Issuer::publishing(&keys.each_ref().map(|(_, key)| key)).await;
    let mut claims = issuer.claims(1);
    if let Some(exp) = claims.get_mut("exp") {
        *exp = json!(token::now() - 3600);
    }
    let mut tokens = BTreeMap::from([
        (NO_TOKEN, String::new()),
        ("HS256", token::signed(&json!({ "alg": "HS256" }), &claims.to_string(), tests::SECRET)),
    ]);
    tokens.extend(keys.iter().map(|(name, key)| (*name, key.sign(&key.header(), &claims))));
    let mut subjects = Vec::new();
    for (name, token) in tokens {
        let mut subject = Subject::refused(name, &token, database, binaries)?;
        subject.launch.variables.retain(|(name, _)| name != "BETTER_AUTH_SECRET");
        for (name, value) in [("BETTER_AUTH_URL", issuer.url()), ("BETTER_AUTH_SECRET", tests::SECRET)] {
            subject.launch.variables.push((name.into(), value.into()));
        }
        subjects.push(subject);
    }
    Ok((issuer, subjects))
}

/// Measures.
pub(crate) async fn run(database: &Database, binaries: &Binaries, plan: &Plan) -> Result<Vec<Cost>> {
    step("Measuring the verification of tokens");
    let (_issuer, mut subjects) = subjects(database, binaries).await?;
    let warm = warm::measure(&mut subjects, database, plan).await?;
    let cost = |(subject, warm): (&Subject, &warm::Warm)| Cost {
        algorithm: subject.name.into(),
        warm_p50_us: median(&warm.calls),
        cpu_us: median(&warm.cpu),
    };
    let mut costs: Vec<_> = subjects.iter().zip(&warm).map(cost).collect();
    costs.sort_by(|one, other| one.cpu_us.total_cmp(&other.cpu_us));
    Ok(costs)
}

/// The figures for people.
pub(crate) fn show(costs: &[Cost]) -> String {
    let baseline = costs.iter().find(|cost| cost.algorithm == NO_TOKEN).map_or(0.0, |cost| cost.cpu_us);
    let rows: Vec<_> = costs
        .iter()
        .map(|cost| {
            vec![
                cost.algorithm.clone(),
                format!("{:.0}", cost.warm_p50_us),
                format!("{:.0}", cost.cpu_us),
                format!("{:.0}", cost.cpu_us - baseline),
            ]
        })
        .collect();
    table(&["token", "warm p50/µs", "CPU/µs", "of it for the token/µs"], &rows)
}
