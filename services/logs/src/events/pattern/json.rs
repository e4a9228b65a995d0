//! Comparisons of the fields of JSON objects, `{ $.field = "x" && ($.n > 1 || $.m NOT EXISTS) }`.
//!
//! `&&` binds closer than `||`. A comparison with a field that is not there is false, `NOT EXISTS` aside.

use serde_json::Value;

use super::{Unreadable, quoted};

/// What must be true of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    Any(Vec<Self>),
    All(Vec<Self>),
    Test(Vec<Step>, Test),
}

/// A step from a value into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Member(String),
    Element(usize),
}

/// What must be true of a field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    Absent,
    Is(Value),
    /// A number, by its order; `!=` is neither less nor greater.
    Number(Order, f64),
    /// A text, with `*` for any part, and whether it must be that or must not.
    Text(String, bool),
}

/// How a field compares with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The signs, the longer ones first.
const ORDERS: [(&str, Order); 6] = [
    ("!=", Order::NotEqual),
    ("<=", Order::LessOrEqual),
    (">=", Order::GreaterOrEqual),
    ("=", Order::Equal),
    ("<", Order::Less),
    (">", Order::Greater),
];

pub(super) fn matches(condition: &Condition, message: &str) -> bool {
    // Most messages are no JSON, and that is cheap to see.
    if !message.trim_start().starts_with('{') {
        return false;
    }
    serde_json::from_str(message).is_ok_and(|value| condition.holds(&value))
}

impl Condition {
    fn holds(&self, object: &Value) -> bool {
        match self {
            Self::Any(conditions) => conditions.iter().any(|it| it.holds(object)),
            Self::All(conditions) => conditions.iter().all(|it| it.holds(object)),
            Self::Test(steps, test) => {
                let field = steps.iter().try_fold(object, |value, step| match step {
                    Step::Member(name) => value.get(name),
                    Step::Element(index) => value.get(index),
                });
                test.holds(field)
            }
        }
    }
}

impl Test {
    fn holds(&self, field: Option<&Value>) -> bool {
        let Some(field) = field else {
            return *self == Self::Absent;
        };
        match self {
            Self::Absent => false,
            Self::Is(value) => field == value,
            Self::Number(order, number) => field.as_f64().is_some_and(|it| order.holds(it, *number)),
            Self::Text(text, wanted) => match field {
                Value::String(field) => is_like(field, text) == *wanted,
                // As text, so that `4*` finds 404.
                Value::Number(field) if text.contains('*') => is_like(&field.to_string(), text) == *wanted,
                _ => false,
            },
        }
    }
}

impl Order {
    #[expect(clippy::float_cmp, reason = "the numbers are as they were written")]
    fn holds(self, field: f64, number: f64) -> bool {
        match self {
            Self::Equal => field == number,
            Self::NotEqual => field != number,
            Self::Less => field < number,
            Self::LessOrEqual => field <= number,
            Self::Greater => field > number,
            Self::GreaterOrEqual => field >= number,
        }
    }
}

/// Compares with a text in which each `*` stands for any part.
fn is_like(text: &str, like: &str) -> bool {
    let Some((start, rest)) = like.split_once('*') else {
        return text == like;
    };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(text) = text.strip_prefix(start).and_then(|it| it.strip_suffix(end)) else {
        return false;
    };
    let mut left = Some(text);
    for part in middle.split('*') {
        left = left
            .and_then(|left| left.split_once(part))
            .map(|(_, after)| after);
    }
    left.is_some()
}

/// Reads a pattern that starts with its brace.
pub(super) fn parse(text: &str) -> Result<Condition, Unreadable> {
    let mut rest = Rest(text);
    rest.expect("{")?;
    let condition = rest.any()?;
    rest.expect("}")?;
    rest.end()?;
    Ok(condition)
}

/// What is still to be read.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    /// Takes a sign, if it comes next.
    fn takes(&mut self, sign: &str) -> bool {
        let behind = self.0.trim_start().strip_prefix(sign);
        if let Some(behind) = behind {
            self.0 = behind;
        }
        behind.is_some()
    }

    fn expect(&mut self, sign: &str) -> Result<(), Unreadable> {
        if self.takes(sign) {
            return Ok(());
        }
        Err(Unreadable::new(format!("`{sign}` is missing")))
    }

    fn end(&self) -> Result<(), Unreadable> {
        match self.0.trim() {
            "" => Ok(()),
            _ => Err(Unreadable::new("there is something behind its end")),
        }
    }

    fn any(&mut self) -> Result<Condition, Unreadable> {
        let mut conditions = vec![self.all()?];
        while self.takes("||") {
            conditions.push(self.all()?);
        }
        Ok(Condition::Any(conditions))
    }

    fn all(&mut self) -> Result<Condition, Unreadable> {
        let mut conditions = vec![self.one()?];
        while self.takes("&&") {
            conditions.push(self.one()?);
        }
        Ok(Condition::All(conditions))
    }

    fn one(&mut self) -> Result<Condition, Unreadable> {
        if self.takes("(") {
            let inside = self.any()?;
            self.expect(")")?;
            return Ok(inside);
        }
        let steps = self.steps()?;
        Ok(Condition::Test(steps, self.test()?))
    }

    fn steps(&mut self) -> Result<Vec<Step>, Unreadable> {
        self.expect("$")?;
        let mut steps = Vec::new();
        loop {
            if let Some(behind) = self.0.strip_prefix('.') {
                self.0 = behind;
                let name = self.word(|character| character.is_alphanumeric() || "_-@".contains(character));
                if name.is_empty() {
                    return Err(Unreadable::new("a field has no name"));
                }
                steps.push(Step::Member(name));
            } else if let Some(behind) = self.0.strip_prefix('[') {
                self.0 = behind;
                steps.push(self.bracketed()?);
                self.expect("]")?;
            } else {
                return Ok(steps);
            }
        }
    }

    fn bracketed(&mut self) -> Result<Step, Unreadable> {
        if self.0.starts_with('"') {
            return Ok(Step::Member(self.quoted()?));
        }
        let index = self.word(|character| character.is_ascii_digit()).parse();
        let index = index.map_err(|_| Unreadable::new("an index is no number"))?;
        Ok(Step::Element(index))
    }

    fn test(&mut self) -> Result<Test, Unreadable> {
        let keyword = |rest: &mut Self| {
            rest.0 = rest.0.trim_start();
            rest.word(|character| character.is_ascii_alphabetic())
        };
        match keyword(self).as_str() {
            "" => self.comparison(),
            "IS" => match keyword(self).as_str() {
                "NULL" => Ok(Test::Is(Value::Null)),
                "TRUE" => Ok(Test::Is(Value::Bool(true))),
                "FALSE" => Ok(Test::Is(Value::Bool(false))),
                _ => Err(Unreadable::new("`IS` is followed by NULL, TRUE or FALSE")),
            },
            "NOT" if keyword(self) == "EXISTS" => Ok(Test::Absent),
            _ => Err(Unreadable::new("a field is followed by no comparison")),
        }
    }

    fn comparison(&mut self) -> Result<Test, Unreadable> {
        let order = ORDERS.into_iter().find(|(sign, _)| self.takes(sign));
        let (sign, order) = order.ok_or_else(|| Unreadable::new("a field is followed by no comparison"))?;
        self.0 = self.0.trim_start();
        let is_quoted = self.0.starts_with('"');
        let value = if is_quoted {
            self.quoted()?
        } else {
            self.word(|character| character.is_alphanumeric() || "_.*+-".contains(character))
        };
        if value.is_empty() && !is_quoted {
            return Err(Unreadable::new(format!("`{sign}` is followed by no value")));
        }
        let number = value
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite() && !is_quoted);
        match (order, number) {
            (order, Some(number)) => Ok(Test::Number(order, number)),
            (Order::Equal, None) => Ok(Test::Text(value, true)),
            (Order::NotEqual, None) => Ok(Test::Text(value, false)),
            (_, None) => Err(Unreadable::new(format!("`{sign}` is followed by no number"))),
        }
    }

    fn quoted(&mut self) -> Result<String, Unreadable> {
        let (inside, behind) = quoted(self.0)?;
        self.0 = behind;
        Ok(inside)
    }

    /// Takes the characters that belong to a word; there may be none.
    fn word(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let end = self.0.find(|it| !belongs(it)).unwrap_or(self.0.len());
        let (word, behind) = self.0.split_at(end);
        self.0 = behind;
        word.to_owned()
    }
}
