//! The operators of conditions.

use super::error::PolicyError;

/// A condition's operator with what may stand around it: `ForAnyValue:StringLikeIfExists`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) test: Test,
    /// Whether the outcome of the test is turned around.
    pub(super) negated: bool,
    pub(super) quantifier: Quantifier,
    /// Whether a request without the key passes.
    pub(super) if_exists: bool,
}

/// Which of a key's values must pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantifier {
    /// The one value; of several any for a plain test, all for a negated one.
    Single,
    /// All of them, also if there are none.
    All,
    /// At least one.
    Any,
}

/// How a value of the request compares with one of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    Text,
    TextIgnoringCase,
    TextLike,
    Number(Order),
    Date(Order),
    Bool,
    Binary,
    Network,
    Arn,
    /// Whether the key is absent.
    Null,
}

/// The order that a number or date of the request must have to one of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    /// Says whether the order holds; a value that cannot be compared is in no order.
    pub(super) fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

impl Operator {
    /// Parses an operator's name, which is case-sensitive.
    pub(super) fn parse(name: &str) -> Result<Self, PolicyError> {
        let (quantifier, rest) = if let Some(rest) = name.strip_prefix("ForAllValues:") {
            (Quantifier::All, rest)
        } else if let Some(rest) = name.strip_prefix("ForAnyValue:") {
            (Quantifier::Any, rest)
        } else {
            (Quantifier::Single, name)
        };
        let (if_exists, base) = match rest.strip_suffix("IfExists") {
            Some(base) => (true, base),
            None => (false, rest),
        };
        let (test, negated) = base_operator(base).ok_or_else(|| PolicyError::new("unknown operator"))?;
        if test == Test::Null && (if_exists || quantifier != Quantifier::Single) {
            return Err(PolicyError::new(
                "Null takes neither IfExists nor ForAllValues nor ForAnyValue",
            ));
        }
        Ok(Self {
            test,
            negated,
            quantifier,
            if_exists,
        })
    }
}

/// Returns the test behind a bare name, and whether it is negated.
fn base_operator(name: &str) -> Option<(Test, bool)> {
    Some(match name {
        "StringEquals" => (Test::Text, false),
        "StringNotEquals" => (Test::Text, true),
        "StringEqualsIgnoreCase" => (Test::TextIgnoringCase, false),
        "StringNotEqualsIgnoreCase" => (Test::TextIgnoringCase, true),
        "StringLike" => (Test::TextLike, false),
        "StringNotLike" => (Test::TextLike, true),
        "Bool" => (Test::Bool, false),
        "BinaryEquals" => (Test::Binary, false),
        "IpAddress" => (Test::Network, false),
        "NotIpAddress" => (Test::Network, true),
        "ArnEquals" | "ArnLike" => (Test::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Test::Arn, true),
        "Null" => (Test::Null, false),
        _ => {
            let (of, order) = name
                .strip_prefix("Numeric")
                .map(|order| (Test::Number as fn(Order) -> Test, order))
                .or_else(|| {
                    name.strip_prefix("Date")
                        .map(|order| (Test::Date as fn(Order) -> Test, order))
                })?;
            let (order, negated) = match order {
                "Equals" => (Order::Equal, false),
                "NotEquals" => (Order::Equal, true),
                "LessThan" => (Order::Less, false),
                "LessThanEquals" => (Order::LessOrEqual, false),
                "GreaterThan" => (Order::Greater, false),
                "GreaterThanEquals" => (Order::GreaterOrEqual, false),
                _ => return None,
            };
            (of(order), negated)
        }
    })
}
