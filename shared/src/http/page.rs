//! The body of a list, within Lambda's limit.

use serde::Serialize;

/// The maximum size of a list's body, in bytes.
const MAX_BODY_BYTES: usize = 5 * 1024 * 1024;

/// The maximum size of the body as a string within Lambda's answer, in bytes. An answer may have
/// [6 MB](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html) in all, and each quotation mark
/// and each backslash counts twice there. The rest is for status and headers.
const MAX_ESCAPED_BYTES: usize = 6 * 1024 * 1024 - 64 * 1024;

/// The beginning of a list: as many items as fit.
#[derive(Debug)]
pub struct Page {
    /// A JSON array.
    pub body: String,
    /// The number of items in the body.
    pub length: usize,
}

impl Page {
    /// Takes items until the next item does not fit.
    pub fn of<T: Serialize>(items: &[T]) -> Self {
        Self::within(items, MAX_BODY_BYTES, MAX_ESCAPED_BYTES)
    }

    fn within<T: Serialize>(items: &[T], max_bytes: usize, max_escaped: usize) -> Self {
        let mut body = Vec::with_capacity(items.len() * 256);
        body.push(b'[');
        let mut escaped = "[]".len();
        let mut length = 0;
        for item in items {
            let start = body.len();
            if length > 0 {
                body.push(b',');
            }
            let written = serde_json::to_writer(&mut body, item);
            let added = body.get(start..).unwrap_or_default();
            let quotes = added.iter().filter(|byte| matches!(byte, b'"' | b'\\')).count();
            escaped += added.len() + quotes + usize::from(length == 0);
            if written.is_err() || body.len() + "]".len() > max_bytes || escaped > max_escaped {
                body.truncate(start);
                break;
            }
            length += 1;
        }
        body.push(b']');
        // Cannot fail: JSON is UTF-8.
        Self { body: String::from_utf8(body).unwrap_or_default(), length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_ends_before_either_bound() {
        let page = |items: &[&str], bytes, escaped| {
            let page = Page::within(items, bytes, escaped);
            (page.body, page.length)
        };
        assert_eq!(page(&[], 100, 100), ("[]".into(), 0));
        assert_eq!(page(&["a", "b"], 100, 100), (r#"["a","b"]"#.into(), 2));
        assert_eq!(page(&["a", "b"], 9, 100), (r#"["a","b"]"#.into(), 2));
        assert_eq!(page(&["a", "b"], 8, 100), (r#"["a"]"#.into(), 1));
        // In an answer `["a","b"]` is `[\"a\",\"b\"]`, and one more for the comma after the last.
        assert_eq!(page(&["a", "b"], 100, 14), (r#"["a","b"]"#.into(), 2));
        assert_eq!(page(&["a", "b"], 100, 13), (r#"["a"]"#.into(), 1));
    }
}
