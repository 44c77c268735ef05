//! Fields that a client can clear by sending null.

/// A field of a body that may be absent, null, or a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nullable<T> {
    /// The field was not sent, so it stays as it is.
    Absent,
    /// Null was sent, so the field is cleared.
    Null,
    /// A value was sent.
    Value(T),
}

impl<T> Nullable<T> {
    /// The value, if a value was sent.
    pub fn value(&self) -> Option<&T> {
        if let Self::Value(value) = self { Some(value) } else { None }
    }

    /// Whether the field was sent, as null or as a value.
    pub fn is_sent(&self) -> bool {
        !matches!(self, Self::Absent)
    }
}
