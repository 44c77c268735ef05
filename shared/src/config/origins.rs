//! The origins of the pages that may call the API.

use super::{ConfigError, Env};

const NAME: &str = "CORS_ORIGINS";

/// The origins of the pages that may call the API: `CORS_ORIGINS`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origins(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    /// Exactly this origin.
    Exact(String),
    /// Any label between these two texts, as previews need: `https://*.example.com`.
    AnyLabel(String, String),
}

impl Origins {
    /// Whether pages of this origin may call. The origin is spelled as a browser sends it.
    pub(crate) fn allow(&self, origin: &str) -> bool {
        self.0.iter().any(|pattern| pattern.fits(origin))
    }
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        let Some((before, after)) = text.split_once('*') else {
            return is_origin(text).then(|| Self::Exact(text.to_owned()));
        };
        // At least two labels must follow, so that a pattern cannot allow all of `.com`.
        let rest = after.strip_prefix('.')?;
        let is_pattern = before.ends_with("://") && rest.contains('.') && is_origin(&format!("{before}x{after}"));
        is_pattern.then(|| Self::AnyLabel(before.to_owned(), after.to_owned()))
    }

    fn fits(&self, origin: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == origin,
            Self::AnyLabel(before, after) => {
                let label = origin.strip_prefix(before.as_str()).and_then(|rest| rest.strip_suffix(after.as_str()));
                label.is_some_and(|label| !label.is_empty() && label.bytes().all(is_of_label))
            }
        }
    }
}

fn is_of_label(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
}

/// Whether a text is an origin as browsers and apps send it (RFC 6454, section 6.2): a scheme, a host in lower case,
/// and no port if it is the scheme's default.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| is_of_label(byte) || byte == b'+' || byte == b'.');
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.split('.').all(|label| !label.is_empty() && label.bytes().all(is_of_label)),
    };
    let is_port = port.is_none_or(|port| {
        let own = [("http", "80"), ("https", "443")].contains(&(scheme, port));
        !own && !port.starts_with('0') && port.parse::<u16>().is_ok()
    });
    is_scheme && is_host && is_port
}

impl Env {
    /// `CORS_ORIGINS`: a list, separated by commas, of the origins of the pages that may call the API. The list is
    /// empty when the variable is missing.
    ///
    /// # Errors
    /// When an entry is not an origin as browsers send it: `scheme://host[:port]` in lower case, without a path. One
    /// `*` may stand for the first label of a host with at least two others. A lone `*` is refused, because browsers
    /// do not accept it together with credentials.
    pub fn cors_origins(&self) -> Result<Origins, ConfigError> {
        let list = self.text(NAME)?.unwrap_or_default();
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let pattern = |entry: &str| {
            Pattern::parse(entry).ok_or_else(|| {
                let problem = "is not an origin such as https://app.example.com or https://*.example.com";
                ConfigError::new(NAME, format!("{entry:?} {problem}"))
            })
        };
        entries.map(pattern).collect::<Result<_, _>>().map(Origins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{env, problem};

    fn origins(list: &str) -> Result<Origins, ConfigError> {
        env(&[(NAME, list)]).cors_origins()
    }

    #[test]
    fn origins_are_spelled_as_browsers_and_apps_do() {
        assert_eq!(origins(""), Ok(Origins::default()));
        let all = "http://a:3000, https://b,capacitor://localhost,http://[::1]:3000,chrome-extension://abcdef";
        let some = origins(all).unwrap();
        for good in all.split(',').map(str::trim) {
            assert!(some.allow(good), "{good}");
        }
        for other in ["http://a", "https://b:8443", "https://c", "null", "", "https://B", "capacitor://localhost.evil"]
        {
            assert!(!some.allow(other), "{other}");
        }
        for wrong in
            ["*", "null", "https://b/", "https://B", "https://b:443", "b", "https://b:0", "https://u@b", "://b"]
        {
            assert!(problem(origins(wrong)).starts_with("CORS_ORIGINS: "), "{wrong}");
        }
    }

    #[test]
    fn a_pattern_stands_for_one_label() {
        let some = origins("https://*.vercel.app, https://*.preview.example.com:8443").unwrap();
        for good in ["https://a.vercel.app", "https://my-app-git-x_1.vercel.app", "https://a.preview.example.com:8443"]
        {
            assert!(some.allow(good), "{good}");
        }
        for other in [
            "https://vercel.app",
            "https://.vercel.app",
            "https://a.b.vercel.app",
            "http://a.vercel.app",
            "https://a.vercel.app.evil.com",
            "https://evil.com/.vercel.app",
            "https://evil.com#.vercel.app",
            "https://a.vercel.app:8443",
            "https://a.preview.example.com",
        ] {
            assert!(!some.allow(other), "{other}");
        }
        for wrong in [
            "https://*",
            "https://*.app",
            "https://a.*.app",
            "https://a*.b.app",
            "https://**.b.app",
            "*.b.app",
            "https://*.b.*",
        ] {
            assert!(problem(origins(wrong)).starts_with("CORS_ORIGINS: "), "{wrong}");
        }
    }
}
