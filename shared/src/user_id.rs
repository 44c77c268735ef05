//! Ids of users, in the kind that the deployment has.

use std::{fmt, sync::Arc};

use bytes::BytesMut;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

/// The maximum length of a text id, in characters.
const MAX_CHARACTERS: usize = 255;

/// The characters of an id that are percent-encoded in a path: all but the unreserved characters
/// ([RFC 3986, section 2.3](https://www.rfc-editor.org/rfc/rfc3986#section-2.3)).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The kind of ids that users have: `USER_IDS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UserIds {
    /// Positive Postgres `integer`s.
    #[default]
    Integer,
    /// Texts of 1 to 255 characters, compared byte by byte. Better Auth's default.
    Text,
    /// UUIDs in their canonical form: lower case, with hyphens, without braces
    /// ([RFC 9562, section 4](https://www.rfc-editor.org/rfc/rfc9562#section-4)).
    Uuid,
}

impl UserIds {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Integer, Self::Text, Self::Uuid];

    /// The value of `USER_IDS` for this kind.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Text => "text",
            Self::Uuid => "uuid",
        }
    }

    /// The type of this kind in Postgres.
    #[must_use]
    pub fn sql_type(self) -> &'static str {
        match self {
            Self::Integer => "INTEGER",
            Self::Text => "TEXT",
            Self::Uuid => "UUID",
        }
    }
}

/// The id of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserId {
    /// A positive number.
    Integer(i32),
    /// A text. It is shared by all tasks of an answer.
    Text(Arc<str>),
    /// A UUID.
    Uuid(Uuid),
}

impl UserId {
    /// Reads an id. Each id has one spelling only: an integer has no sign and no leading zeros, as Better Auth
    /// writes it, and a UUID is in its canonical form. Any other text is `None`.
    #[must_use]
    pub fn parse(kind: UserIds, text: &str) -> Option<Self> {
        match kind {
            UserIds::Integer => {
                let id: i32 = text.parse().ok()?;
                (id > 0 && id.to_string() == text).then_some(Self::Integer(id))
            }
            UserIds::Text => {
                // Postgres cannot store NUL. Clients resolve `.` and `..` in a path before they send it.
                let is_id = !["", ".", ".."].contains(&text)
                    && !text.contains('\0')
                    && text.chars().nth(MAX_CHARACTERS).is_none();
                is_id.then(|| Self::Text(text.into()))
            }
            UserIds::Uuid => {
                let id = Uuid::try_parse(text).ok()?;
                (*id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()) == *text).then_some(Self::Uuid(id))
            }
        }
    }

    /// Whether a text from a path means this user. An integer may have leading zeros there, as in the recorded API.
    #[must_use]
    pub(crate) fn is_named(&self, text: &str) -> bool {
        match self {
            Self::Integer(id) => !text.starts_with('+') && text.parse() == Ok(*id),
            Self::Text(id) => **id == *text,
            Self::Uuid(id) => *id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()) == *text,
        }
    }

    /// The Postgres type of the id as a parameter of a statement.
    pub(crate) fn postgres_type(&self) -> Type {
        match self {
            Self::Integer(_) => Type::INT4,
            Self::Text(_) => Type::TEXT,
            Self::Uuid(_) => Type::UUID,
        }
    }

    /// The id as a segment of a path.
    #[must_use]
    pub fn in_path(&self) -> InPath<'_> {
        InPath(self)
    }

    /// The id as the log shows it. A text may be an e-mail address, so the log has only the start of its SHA-256,
    /// which is the same in every request of the user.
    pub(crate) fn for_log(&self) -> IdForLog {
        match self {
            Self::Integer(id) => IdForLog::Integer(*id),
            Self::Uuid(id) => IdForLog::Text(id.to_string()),
            Self::Text(id) => {
                let digest = Sha256::digest(id.as_bytes());
                IdForLog::Text(
                    digest.iter().take(8).fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}")),
                )
            }
        }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(id) => id.fmt(f),
            Self::Text(id) => id.fmt(f),
            Self::Uuid(id) => id.as_hyphenated().fmt(f),
        }
    }
}

/// Writes a JSON number or string.
impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Integer(id) => serializer.serialize_i32(*id),
            Self::Text(id) => serializer.serialize_str(id),
            Self::Uuid(id) => serializer.serialize_str(id.as_hyphenated().encode_lower(&mut Uuid::encode_buffer())),
        }
    }
}

impl ToSql for UserId {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Integer(id) => id.to_sql(kind, out),
            Self::Text(id) => (&**id).to_sql(kind, out),
            Self::Uuid(id) => id.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT4 | Type::TEXT | Type::UUID)
    }

    to_sql_checked!();
}

/// An id, percent-encoded for a path.
#[derive(Debug, Clone, Copy)]
pub struct InPath<'a>(&'a UserId);

impl fmt::Display for InPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            UserId::Text(id) => PercentEncode::fmt(&utf8_percent_encode(id, RESERVED), f),
            other => other.fmt(f),
        }
    }
}

/// An id as the log shows it.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum IdForLog {
    Integer(i32),
    Text(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_has_one_spelling() {
        let parse = |text| UserId::parse(UserIds::Integer, text);
        assert_eq!(parse("101"), Some(UserId::Integer(101)));
        assert_eq!(parse("2147483647"), Some(UserId::Integer(i32::MAX)));
        for wrong in ["", "0", "-1", "+1", "01", "1.0", " 1", "1_0", "１", "alice", "2147483648"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_text_is_taken_as_it_is() {
        let parse = |text: &str| UserId::parse(UserIds::Text, text);
        for good in ["a", "007", "../x", "a/b", " ", "e\u{301}", "\u{e9}", &"é".repeat(255)] {
            assert_eq!(parse(good).map(|id| id.to_string()).as_deref(), Some(good));
        }
        for wrong in ["", ".", "..", "a\0b", &"x".repeat(256)] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
        assert_eq!(parse("a/b ü..").unwrap().in_path().to_string(), "a%2Fb%20%C3%BC..");
        assert!(!parse("e\u{301}").unwrap().is_named("\u{e9}"), "other bytes are another user");
    }

    #[test]
    fn a_uuid_has_one_spelling() {
        let parse = |text: &str| UserId::parse(UserIds::Uuid, text);
        let id = "0190163d-8694-739b-aea5-966c26f8ad91";
        assert_eq!(parse(id).unwrap().to_string(), id);
        for wrong in
            ["", "1", &id.to_uppercase(), &format!("{{{id}}}"), &id.replace('-', ""), &format!("urn:uuid:{id}")]
        {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_log_has_no_texts() {
        let line = |id| serde_json::to_string(&UserId::for_log(&id)).unwrap();
        assert_eq!(line(UserId::Integer(7)), "7");
        let text = line(UserId::parse(UserIds::Text, "ada@example.com").unwrap());
        assert!(text.starts_with("\"sha256:") && !text.contains("ada"), "{text}");
    }
}
