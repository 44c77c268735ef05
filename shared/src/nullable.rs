//! What was sent for a field that may be cleared.

/// A field that may be absent, null or there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nullable<T> {
    /// Not sent: leave it.
    Absent,
    /// Sent as null: clear it.
    Null,
    /// Sent.
    Value(T),
}

impl<T> Nullable<T> {
    /// The value, when there is one.
    pub fn value(&self) -> Option<&T> {
        if let Self::Value(value) = self { Some(value) } else { None }
    }

    /// Whether anything was sent, null included.
    pub fn is_sent(&self) -> bool {
        !matches!(self, Self::Absent)
    }
}
