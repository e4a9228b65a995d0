//! Filter patterns: which messages a search wants.
//!
//! Two kinds are there: terms (`ERROR "not found" -debug`, `?ERROR ?WARN`), and comparisons of the fields of JSON
//! (`{ $.user = "alice" && $.status >= 400 }`). Patterns of columns, `[a, b]`, and of regular expressions, `%a%`, are
//! refused.

use std::fmt;

use drawbridge_aws_dialects::error::AwsError;

use crate::error::invalid_parameter;

mod json;
mod terms;

use json::Condition;
use terms::Terms;

/// Which messages are wanted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Pattern {
    /// All of them.
    All,
    /// Those that have terms, and lack others.
    Terms(Terms),
    /// Those that are JSON objects with such fields.
    Json(Condition),
}

impl Pattern {
    /// Reads a pattern; the empty one wants everything.
    pub(crate) fn parse(text: &str) -> Result<Self, AwsError> {
        let pattern = match text.trim() {
            "" => Ok(Self::All),
            json if json.starts_with('{') => json::parse(json).map(Self::Json),
            terms => terms::parse(terms).map(Self::Terms),
        };
        pattern.map_err(|Unreadable(reason)| {
            invalid_parameter(format!("Invalid filter pattern: {text}: {reason}."))
        })
    }

    /// Says whether a message is wanted.
    pub(crate) fn matches(&self, message: &str) -> bool {
        match self {
            Self::All => true,
            Self::Terms(terms) => terms.matches(message),
            Self::Json(condition) => json::matches(condition, message),
        }
    }
}

/// Says why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unreadable(String);

impl Unreadable {
    fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

/// Takes a text between double quotes, in which a backslash lets the next character stand for itself; returns it with
/// what is behind it.
fn quoted(text: &str) -> Result<(String, &str), Unreadable> {
    let mut inside = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((inside, text.get(at + 1..).unwrap_or_default())),
            '\\' => inside.extend(characters.next().map(|(_, escaped)| escaped)),
            other => inside.push(other),
        }
    }
    Err(Unreadable::new("a quotation mark is not closed"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wants(pattern: &str, message: &str) -> bool {
        let pattern = Pattern::parse(pattern).unwrap_or_else(|error| panic!("{error}"));
        pattern.matches(message)
    }

    #[test]
    fn terms_are_all_there_and_excluded_ones_are_not() {
        for (pattern, message, expected) in [
            ("", "anything", true),
            ("  ", "anything", true),
            ("ERROR", "[ERROR 400] bad request", true),
            ("ERROR", "[error 400] bad request", false),
            ("ERROR 400", "400 comes before ERROR", true),
            ("ERROR 401", "ERROR 400", false),
            ("\"bad request\"", "ERROR bad request", true),
            ("\"bad request\"", "bad  request", false),
            ("\"a \\\"b\\\"\"", "say a \"b\"", true),
            ("ERROR -400", "ERROR 400", false),
            ("ERROR -400", "ERROR 401", true),
            ("-\"bad request\"", "good request", true),
            ("?ERROR ?WARN", "a WARN", true),
            ("?ERROR ?\"WARN ING\"", "INFO", false),
            ("?ERROR ?WARN -x", "WARN x", false),
            // As on AWS: beside other terms the optional ones do not count.
            ("fatal ?ERROR", "fatal", true),
            ("größe", "die größe", true),
        ] {
            assert_eq!(wants(pattern, message), expected, "{pattern} in {message}");
        }
    }

    #[test]
    fn fields_of_json_are_compared() {
        let message = r#"{
            "user": "alice", "status": 404, "ok": false, "none": null, "size": 1.5,
            "list": [{"id": "a"}, 7], "a.b": "dotted", "deep": {"er": {"x": "y"}}, "path": "/a/b/c"
        }"#;
        for (pattern, expected) in [
            (r#"{ $.user = "alice" }"#, true),
            (r#"{$.user="alice"}"#, true),
            ("{ $.user = alice }", true),
            (r#"{ $.user != "alice" }"#, false),
            (r#"{ $.user != "bob" }"#, true),
            (r#"{ $.nobody != "bob" }"#, false),
            (r#"{ $.user = "al*" }"#, true),
            (r#"{ $.user = "*x*" }"#, false),
            (r#"{ $.path = "/a*c" }"#, true),
            (r#"{ $.path = "/a*a*c" }"#, false),
            ("{ $.status = 404 }", true),
            ("{ $.status = 4* }", true),
            (r#"{ $.status = "404" }"#, false),
            ("{ $.status >= 400 && $.status < 500 }", true),
            ("{ $.status > 404 }", false),
            ("{ $.status <= 404.0 }", true),
            ("{ $.size = 15e-1 }", true),
            ("{ $.user > 1 }", false),
            ("{ $.ok IS FALSE }", true),
            ("{ $.ok IS TRUE }", false),
            ("{ $.none IS NULL }", true),
            ("{ $.nobody IS NULL }", false),
            ("{ $.nobody NOT EXISTS }", true),
            ("{ $.none NOT EXISTS }", false),
            ("{ $.list[0].id = a }", true),
            ("{ $.list[1] = 7 }", true),
            ("{ $.list[2] NOT EXISTS }", true),
            (r#"{ $["a.b"] = "dotted" }"#, true),
            ("{ $.deep.er.x = y }", true),
            ("{ $.user = bob || $.status = 404 }", true),
            ("{ $.user = bob || $.status = 404 && $.ok IS TRUE }", false),
            ("{ ($.user = alice || $.user = bob) && ($.status = 404) }", true),
        ] {
            assert_eq!(wants(pattern, message), expected, "{pattern}");
        }
        for message in ["", "alice", "[1]", "{", "{}"] {
            assert!(!wants("{ $.user = alice }", message), "{message}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_by_its_name() {
        for text in [
            "\"open",
            "-",
            "?",
            "a-b",
            "[ip, user]",
            "%regex%",
            "a %b%",
            "{",
            "{}",
            "{ $.a }",
            "{ a = 1 }",
            "{ $.a = }",
            "{ $.a == 1 }",
            "{ $.a > \"x\" }",
            "{ $.a > x }",
            "{ $.a = 1 } x",
            "{ $.a = 1 && }",
            "{ $.a = 1 & $.b = 2 }",
            "{ ($.a = 1 }",
            "{ $.a[x] = 1 }",
            "{ $.a[99999999999999999999] = 1 }",
            "{ $. = 1 }",
            "{ $.a = %x% }",
            "{ $.a IS GOOD }",
            "{ $.a NOT NULL }",
        ] {
            let error = Pattern::parse(text).expect_err(text);
            assert_eq!(error.code(), "InvalidParameterException");
            assert!(error.message().contains(text), "{error}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(
            pattern in r#"[ -~]{0,40}|[{}()$.\[\]"\\=!<>&|*%a1 é-]{0,60}|\{ ?[$.a=<>!&|"*()1 \[\]]{0,60} ?\}"#,
            message in r#"[ -~]{0,40}|\{"a": ?(1|"x"|null|\[1, ?2\])\}"#,
        ) {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                pattern.matches(&message);
            }
        }

        #[test]
        fn a_quoted_text_finds_itself(text in "\\PC{1,30}", around in "\\PC{0,10}") {
            let pattern = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            let message = format!("{around}{text}{around}");
            prop_assert!(wants(&pattern, &message));
            let excluding = format!("-{pattern}");
            prop_assert!(!wants(&excluding, &message));
        }

        #[test]
        fn a_field_of_text_is_compared_whole(value in "[^*\"\\\\]{0,20}", other in "[^*\"\\\\]{0,20}") {
            let message = serde_json::json!({ "a": value }).to_string();
            let pattern = format!("{{ $.a = \"{other}\" }}");
            prop_assert_eq!(wants(&pattern, &message), value == other);
        }
    }

    #[test]
    fn the_deepest_pattern_is_read() {
        let deep = format!("{{{}$.a = 1{}}}", "(".repeat(500), ")".repeat(500));
        assert!(wants(&deep, r#"{"a": 1}"#));
        let nested = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
        assert!(!wants("{ $.a = 1 }", &format!("{{\"a\": {nested}}}")));
    }
}
