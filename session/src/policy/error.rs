//! What is wrong with a policy document, and where.

/// A document that is refused, with the place and the reason.
///
/// It reads `Statement[2].Condition.StringEqualz: unknown operator`. Reasons follow AWS's `MalformedPolicyDocument`
/// where AWS has words for the mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}{}{reason}", if path.is_empty() { "" } else { ": " })]
pub struct PolicyError {
    path: String,
    reason: String,
}

impl PolicyError {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            path: String::new(),
            reason: reason.into(),
        }
    }

    /// Puts the mistake one element further inside the document.
    pub(super) fn within(mut self, element: &str) -> Self {
        self.path = match self.path.as_str() {
            "" => element.to_owned(),
            path if path.starts_with('[') => format!("{element}{path}"),
            path => format!("{element}.{path}"),
        };
        self
    }

    /// Puts the mistake into one item of a list.
    pub(super) fn at(self, index: usize) -> Self {
        self.within(&format!("[{index}]"))
    }

    /// Returns where the mistake is, empty for the document as a whole.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns what is wrong there.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
