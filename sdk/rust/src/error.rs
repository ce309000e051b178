//! A step that cannot go on.

use std::fmt;

/// Why a whole batch cannot be processed: it goes to quarantine. Any standard error becomes one by `?`.
///
/// For one bad row, reject the row instead ([`Rows::reject`](crate::Rows::reject)). Never put a value of the
/// data in the message: it is read by people who may not see it.
pub struct Error(String);

impl Error {
    /// With a message for whoever runs the mesh.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    #[doc(hidden)]
    #[must_use]
    pub fn into_message(self) -> String {
        self.0
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
