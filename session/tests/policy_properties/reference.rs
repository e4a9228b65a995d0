//! The definition of a decision, read off the JSON of the generated statements: slow and plain.

use std::net::Ipv4Addr;

use serde_json::Value;

use crate::generate::Asked;

/// A character of the policy, or one that a variable put in.
#[derive(Clone, Copy)]
enum Symbol {
    Written(char),
    Literal(char),
}

/// Decides by the statements of one identity policy.
pub(crate) fn decide(asked: &Asked, statements: &[Value]) -> &'static str {
    let applies = |effect: &str| {
        statements
            .iter()
            .any(|statement| statement["Effect"] == effect && applies(asked, statement))
    };
    if applies("Deny") {
        "explicit deny"
    } else if applies("Allow") {
        "allow"
    } else {
        "implicit deny"
    }
}

fn applies(asked: &Asked, statement: &Value) -> bool {
    let lower = |text: &str| text.to_lowercase();
    let action = |pattern: &str| wild(asked, &lower(pattern), &lower(asked.action)) == Some(true);
    let actions = match &statement["NotAction"] {
        Value::Null => texts(&statement["Action"]).into_iter().any(action),
        excepted => !texts(excepted).into_iter().any(action),
    };
    let resource = |pattern: &str| resource(asked, pattern);
    let resources = match &statement["NotResource"] {
        Value::Null => texts(&statement["Resource"])
            .into_iter()
            .any(|pattern| resource(pattern) == Some(true)),
        excepted => texts(excepted)
            .into_iter()
            .all(|pattern| match resource(pattern) {
                None => statement["Effect"] == "Deny",
                Some(matches) => !matches,
            }),
    };
    actions && resources && conditions(asked, statement)
}

/// Says whether a resource matches, `None` where a variable has no value.
fn resource(asked: &Asked, pattern: &str) -> Option<bool> {
    symbols(asked, pattern)?;
    let escaped = pattern.replace("${aws:", "${aws;");
    let patterns: Vec<_> = escaped
        .splitn(6, ':')
        .map(|part| part.replace(';', ":"))
        .collect();
    let parts: Vec<_> = asked.resource.splitn(6, ':').collect();
    if patterns.len() < 6 {
        return wild(asked, pattern, asked.resource);
    }
    let matches = patterns
        .iter()
        .zip(&parts)
        .map(|(pattern, part)| wild(asked, pattern, part))
        .collect::<Option<Vec<_>>>()?;
    Some(parts.len() == 6 && matches.into_iter().all(|matches| matches))
}

fn conditions(asked: &Asked, statement: &Value) -> bool {
    let Some(operators) = statement["Condition"].as_object() else {
        return true;
    };
    operators.iter().all(|(name, keys)| {
        let (quantifier, rest) = name.split_once(':').unwrap_or(("", name));
        let operator = rest.strip_suffix("IfExists").unwrap_or(rest);
        let negated = operator.contains("Not");
        let wanted = keys["ssm:resourceTag/a"][0].as_str().expect("one value");
        let unresolved = symbols(asked, wanted).is_none();
        if unresolved && negated && statement["Effect"] == "Allow" {
            return false;
        }
        let passes = |value: &String| test(asked, operator, wanted, value) != negated;
        match (asked.context.values("ssm:resourceTag/a"), quantifier) {
            (None, "ForAllValues") => true,
            (None, "ForAnyValue") => rest != operator,
            (None, _) => rest != operator || negated,
            (Some(values), "ForAllValues") => values.iter().all(passes),
            (Some(values), "ForAnyValue") => values.iter().any(passes),
            (Some(values), _) if negated => values.iter().all(passes),
            (Some(values), _) => values.iter().any(passes),
        }
    })
}

/// Compares without the negation of the operator.
fn test(asked: &Asked, operator: &str, wanted: &str, value: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    match operator {
        "StringEquals" | "StringNotEquals" => symbols(asked, wanted).is_some_and(|wanted| {
            let plain = |symbol| match symbol {
                Symbol::Written(character) | Symbol::Literal(character) => character,
            };
            wanted.into_iter().map(plain).collect::<String>() == value
        }),
        "StringLike" | "StringNotLike" => wild(asked, wanted, value) == Some(true),
        "NumericLessThan" => number(value) < number(wanted) && number(value).is_some(),
        "NumericNotEquals" => number(value) == number(wanted),
        "Bool" => value == wanted,
        // The one block in use is 10.0.0.0/8.
        "IpAddress" | "NotIpAddress" => value
            .parse::<Ipv4Addr>()
            .is_ok_and(|address| address.octets()[0] == 10),
        _ => panic!("what is {operator}?"),
    }
}

/// Returns the characters of a pattern with `${aws:username}` in place, `None` where there is no user.
fn symbols(asked: &Asked, pattern: &str) -> Option<Vec<Symbol>> {
    let mut symbols = Vec::new();
    for (index, piece) in pattern.split("${aws:username}").enumerate() {
        if index > 0 {
            let name = asked.context.values("aws:username")?.first()?;
            symbols.extend(name.chars().map(Symbol::Literal));
        }
        symbols.extend(piece.chars().map(Symbol::Written));
    }
    Some(symbols)
}

fn wild(asked: &Asked, pattern: &str, text: &str) -> Option<bool> {
    let text: Vec<_> = text.chars().collect();
    Some(matches(&symbols(asked, pattern)?, &text))
}

fn matches(pattern: &[Symbol], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((Symbol::Written('*'), rest)) => (0..=text.len()).any(|taken| matches(rest, &text[taken..])),
        Some((Symbol::Written('?'), rest)) => !text.is_empty() && matches(rest, &text[1..]),
        Some((Symbol::Written(character) | Symbol::Literal(character), rest)) => {
            text.first() == Some(character) && matches(rest, &text[1..])
        }
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        value => value.as_str().into_iter().collect(),
    }
}
