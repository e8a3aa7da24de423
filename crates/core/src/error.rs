//! The one error type of the core: a stable code, what was expected, what was found, and the nearest valid name.

use std::fmt;

use serde::Serialize;

/// Result of every fallible call of the core.
pub type Result<T> = std::result::Result<T, CoreError>;

/// Stable codes. A code never changes its meaning; new situations get new codes.
pub mod codes {
    /// A length or shape does not fit.
    pub const SHAPE: &str = "E_SHAPE";
    /// A name (site, parameter, format, mode) is not known.
    pub const NAME: &str = "E_NAME";
    /// A Spec does not describe a program.
    pub const SPEC: &str = "E_SPEC";
    /// A number is outside its range.
    pub const RANGE: &str = "E_RANGE";
    /// The object is in use by another call.
    pub const BUSY: &str = "E_BUSY";
    /// An array's memory was transferred away.
    pub const DETACHED: &str = "E_DETACHED";
    /// The handle was closed or never existed.
    pub const CLOSED: &str = "E_CLOSED";
    /// What is asked for does not exist for an object of this kind.
    pub const MODE: &str = "E_MODE";
    /// A number is NaN or infinite where it may not be.
    pub const NONFINITE: &str = "E_NONFINITE";
    /// An allocation was refused.
    pub const MEMORY: &str = "E_MEMORY";
    /// Packed bytes are not of the format they are said to be of.
    pub const FORMAT: &str = "E_FORMAT";
    /// A bug: a panic that was caught before it reached the caller's process.
    pub const PANIC: &str = "E_PANIC";
}

/// An error with a stable code. `Display` gives the sentence, [`CoreError::to_wire`] the form that crosses to JavaScript.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CoreError {
    /// One of [`codes`].
    #[serde(skip)]
    pub code: &'static str,
    /// What happened, in one sentence.
    pub message: String,
    /// What was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What came instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// The nearest valid name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
}

impl CoreError {
    /// An error that only has a sentence.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), expected: None, found: None, nearest: None }
    }

    /// Adds what was expected and what was found.
    #[must_use]
    pub fn expected(self, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        self.with(&expected, &found)
    }

    /// The body of [`CoreError::expected`], once for all types.
    #[cold]
    fn with(mut self, expected: &dyn fmt::Display, found: &dyn fmt::Display) -> Self {
        self.expected = Some(expected.to_string());
        self.found = Some(found.to_string());
        self
    }

    /// Adds the nearest valid name.
    #[must_use]
    pub fn nearest(mut self, name: Option<&str>) -> Self {
        self.nearest = name.map(str::to_owned);
        self
    }

    /// `E_CODE {json}`: the message both bindings throw; the SDK parses it back.
    pub fn to_wire(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_else(|_| String::from("{}"));
        format!("{} {json}", self.code)
    }
}

impl fmt::Display for CoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        if let (Some(expected), Some(found)) = (&self.expected, &self.found) {
            write!(f, " (expected {expected}, found {found})")?;
        }
        if let Some(name) = &self.nearest {
            write!(f, "; did you mean {name}?")?;
        }
        Ok(())
    }
}

impl std::error::Error for CoreError {}

/// `E_SHAPE` unless two lengths are equal.
pub fn check_len(what: &str, expected: usize, found: usize) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(CoreError::new(codes::SHAPE, format!("{what} has the wrong length"))
        .expected(expected, found))
}

/// A zeroed vector, or `E_MEMORY` instead of an abort.
pub fn zeros<T: Clone + Default>(len: usize) -> Result<Vec<T>> {
    let mut out = Vec::new();
    out.try_reserve_exact(len)
        .map_err(|_| CoreError::new(codes::MEMORY, format!("cannot allocate {len} elements")))?;
    out.resize(len, T::default());
    Ok(out)
}
