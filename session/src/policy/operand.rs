//! The values that a condition compares with, parsed for their operator.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::arn::{Arn, ArnPattern};
use super::context::Context;
use super::date::parse_date;
use super::error::PolicyError;
use super::network::Network;
use super::operator::{Order, Test};
use super::template::{Syntax, Template};

/// The values beside one key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operands {
    Text(Vec<Template>),
    TextIgnoringCase(Vec<Template>),
    Number(Order, Vec<f64>),
    Date(Order, Vec<Timestamp>),
    Bool(Vec<bool>),
    Binary(Vec<Vec<u8>>),
    Network(Vec<Network>),
    Arn(Vec<ArnPattern>),
    /// Whether the key shall be absent.
    Null(Vec<bool>),
}

impl Operands {
    pub(super) fn parse(test: Test, texts: &[String], variables: bool) -> Result<Self, PolicyError> {
        let text = |wildcards| {
            let syntax = Syntax { wildcards, variables };
            all(texts, |text| Template::parse(text, syntax))
        };
        Ok(match test {
            Test::Text => Self::Text(text(false)?),
            Test::TextLike => Self::Text(text(true)?),
            Test::TextIgnoringCase => Self::TextIgnoringCase(text(false)?),
            Test::Number(order) => Self::Number(order, some(texts, parse_number, "a number")?),
            Test::Date(order) => Self::Date(order, some(texts, parse_date, "a date")?),
            Test::Bool => Self::Bool(some(texts, parse_bool, "true or false")?),
            Test::Binary => Self::Binary(some(texts, |text| STANDARD.decode(text).ok(), "base64")?),
            Test::Network => Self::Network(some(texts, Network::parse, "an address or a CIDR block")?),
            Test::Arn => Self::Arn(all(texts, |text| ArnPattern::parse(text, variables))?),
            Test::Null => Self::Null(some(texts, parse_bool, "true or false")?),
        })
    }

    /// Says whether one value of the request passes for any of these.
    pub(super) fn any_matches(&self, value: &str, context: &Context) -> bool {
        match self {
            Self::Text(templates) => templates.iter().any(|wanted| wanted.matches(value, context)),
            Self::TextIgnoringCase(templates) => templates
                .iter()
                .any(|wanted| wanted.equals_folded(value, context)),
            Self::Number(order, numbers) => parse_number(value)
                .is_some_and(|value| numbers.iter().any(|wanted| order.holds(&value, wanted))),
            Self::Date(order, dates) => {
                parse_date(value).is_some_and(|value| dates.iter().any(|wanted| order.holds(&value, wanted)))
            }
            Self::Bool(wanted) => parse_bool(value).is_some_and(|value| wanted.contains(&value)),
            Self::Binary(wanted) => STANDARD.decode(value).is_ok_and(|value| wanted.contains(&value)),
            Self::Network(networks) => value
                .parse()
                .is_ok_and(|address| networks.iter().any(|network| network.contains(address))),
            Self::Arn(patterns) => {
                let arn = Arn::new(value);
                patterns.iter().any(|wanted| wanted.matches(&arn, context))
            }
            // Answered by the key's presence, which no value tells.
            Self::Null(_) => false,
        }
    }

    /// Returns the first variable among them that has no value in this request.
    pub(super) fn unresolved(&self, context: &Context) -> Option<&str> {
        match self {
            Self::Text(templates) | Self::TextIgnoringCase(templates) => {
                templates.iter().find_map(|template| template.unresolved(context))
            }
            Self::Arn(patterns) => patterns.iter().find_map(|pattern| pattern.unresolved(context)),
            _ => None,
        }
    }
}

fn all<T>(texts: &[String], parse: impl Fn(&str) -> Result<T, PolicyError>) -> Result<Vec<T>, PolicyError> {
    texts.iter().map(|text| parse(text)).collect()
}

fn some<T>(
    texts: &[String],
    parse: impl Fn(&str) -> Option<T>,
    expected: &str,
) -> Result<Vec<T>, PolicyError> {
    all(texts, |text| {
        parse(text).ok_or_else(|| PolicyError::new(format!("`{text}` is not {expected}")))
    })
}

fn parse_number(text: &str) -> Option<f64> {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    text.parse()
        .ok()
        .filter(|number: &f64| plain && number.is_finite())
}

fn parse_bool(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}
