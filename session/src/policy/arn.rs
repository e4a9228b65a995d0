//! Patterns for ARNs, `arn:partition:service:region:account:resource`.
//!
//! The colons of the policy's own text divide the pattern; a colon inside a variable's value does not.

use super::context::Context;
use super::error::PolicyError;
use super::template::{Syntax, Template};

/// The parts of an ARN; the last one keeps its colons.
const PARTS: usize = 6;

/// A text of a request that may be an ARN, divided once for all patterns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arn<'a> {
    text: &'a str,
    /// `None` for a text with fewer parts.
    parts: Option<[&'a str; PARTS]>,
}

impl<'a> Arn<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut rest = text.splitn(PARTS, ':');
        let mut parts = [""; PARTS];
        let complete = parts
            .iter_mut()
            .all(|part| rest.next().map(|next| *part = next).is_some());
        Self {
            text,
            parts: complete.then_some(parts),
        }
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// Returns the part that names an account, which may be empty.
    pub(super) fn account(&self) -> Option<&'a str> {
        self.parts.map(|parts| parts[4])
    }
}

/// What `ArnLike` and `ArnEquals` compare with: wildcards stay inside their part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ArnPattern {
    /// `*`: every text.
    Any,
    Parts {
        /// The leading parts without wildcards or variables, each with its colon, as one text to compare with.
        lead: String,
        /// How many parts that is.
        lead_parts: usize,
        /// One pattern for each other part.
        rest: Vec<Template>,
    },
}

impl ArnPattern {
    pub(super) fn parse(text: &str, variables: bool) -> Result<Self, PolicyError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let syntax = Syntax {
            wildcards: true,
            variables,
        };
        let parts = split(text, variables)
            .into_iter()
            .map(|part| Template::parse(part, syntax))
            .collect::<Result<Vec<_>, _>>()?;
        let leading = parts.iter().take(PARTS - 1).map_while(Template::literal);
        let lead: Vec<String> = leading.map(|part| format!("{part}:")).collect();
        Ok(Self::Parts {
            lead_parts: lead.len(),
            rest: parts[lead.len()..].to_vec(),
            lead: lead.concat(),
        })
    }

    pub(super) fn matches(&self, arn: &Arn<'_>, context: &Context) -> bool {
        let Self::Parts {
            lead,
            lead_parts,
            rest,
        } = self
        else {
            return true;
        };
        let Some(parts) = &arn.parts else {
            return false;
        };
        // The resource before account and region: it tells more ARNs apart.
        lead_parts + rest.len() == PARTS
            && arn.text.starts_with(lead.as_str())
            && (rest.iter().zip(&parts[*lead_parts..]).rev())
                .all(|(pattern, part)| pattern.matches(part, context))
    }

    pub(super) fn unresolved(&self, context: &Context) -> Option<&str> {
        match self {
            Self::Any => None,
            Self::Parts { rest, .. } => rest.iter().find_map(|pattern| pattern.unresolved(context)),
        }
    }
}

/// What `Resource` and `NotResource` name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResourcePattern {
    /// As the policy writes it.
    text: String,
    form: Form,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// `*`.
    Any,
    /// All six parts are there: wildcards stay inside their part.
    Arn(ArnPattern),
    /// Fewer parts, such as `arn:aws:ec2:*`: the wildcard stands for all that follows.
    Whole(Template),
}

impl ResourcePattern {
    pub(super) fn parse(text: &str, variables: bool) -> Result<Self, PolicyError> {
        if text != "*" && !text.starts_with("arn:") {
            return Err(PolicyError::new(format!(
                "Resource {text} must be in ARN format or \"*\"."
            )));
        }
        let form = if text == "*" {
            Form::Any
        } else if split(text, variables).len() == PARTS {
            Form::Arn(ArnPattern::parse(text, variables)?)
        } else {
            let syntax = Syntax {
                wildcards: true,
                variables,
            };
            Form::Whole(Template::parse(text, syntax)?)
        };
        Ok(Self {
            text: text.to_owned(),
            form,
        })
    }

    pub(super) fn matches(&self, arn: &Arn<'_>, context: &Context) -> bool {
        match &self.form {
            Form::Any => true,
            Form::Arn(pattern) => pattern.matches(arn, context),
            Form::Whole(pattern) => pattern.matches(arn.text, context),
        }
    }

    pub(super) fn unresolved(&self, context: &Context) -> Option<&str> {
        match &self.form {
            Form::Any => None,
            Form::Arn(pattern) => pattern.unresolved(context),
            Form::Whole(pattern) => pattern.unresolved(context),
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// Divides at the first five colons that are not inside a variable.
fn split(text: &str, variables: bool) -> Vec<&str> {
    let mut parts = Vec::with_capacity(PARTS);
    let (mut start, mut in_variable) = (0, false);
    for (at, character) in text.char_indices() {
        match character {
            '$' if variables && text[at..].starts_with("${") => in_variable = true,
            '}' => in_variable = false,
            ':' if !in_variable && parts.len() < PARTS - 1 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(pattern: &str, arn: &str) -> bool {
        let context = Context::new().with("aws:PrincipalTag/account", "1:role/x");
        ArnPattern::parse(pattern, true)
            .expect("valid")
            .matches(&Arn::new(arn), &context)
    }

    #[test]
    fn a_wildcard_stays_inside_its_part() {
        assert!(like("arn:aws:iam::*:role/x", "arn:aws:iam::1:role/x"));
        assert!(!like("arn:aws:iam:*:role/x", "arn:aws:iam::1:role/x"));
        assert!(!like("arn:aws:s3:*", "arn:aws:s3:::bucket"));
        assert!(like(
            "arn:aws:logs:*:*:log-group:*",
            "arn:aws:logs:r:1:log-group:a:b"
        ));
        assert!(like("*", "anything"));
    }

    #[test]
    fn a_colon_in_a_value_divides_nothing() {
        let arn = "arn:aws:iam::1:role/x:role/y";
        assert!(!like("arn:aws:iam::${aws:PrincipalTag/account}:role/y", arn));
        assert!(like("arn:aws:iam::1:${aws:Nothing, 'role/x'}:role/y", arn));
    }

    #[test]
    fn a_short_resource_stands_for_all_that_follows() {
        let matches = |pattern: &str, arn: &str| {
            ResourcePattern::parse(pattern, true)
                .expect("valid")
                .matches(&Arn::new(arn), &Context::new())
        };
        assert!(matches("arn:aws:ec2:*", "arn:aws:ec2:us-east-1:1:instance/i-1"));
        assert!(matches("*", "*"));
        assert!(!matches("arn:aws:ec2:*:*:instance/*", "*"));
        assert!(!matches(
            "arn:aws:ssm:*:*:document/*",
            "arn:aws:ssm:r:1:session/a:document/b"
        ));
        assert!(ResourcePattern::parse("bucket/*", true).is_err());
    }
}
