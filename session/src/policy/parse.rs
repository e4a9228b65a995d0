//! From JSON to a document, or to the place of the mistake.

use std::collections::HashSet;

use super::arn::ResourcePattern;
use super::condition::Condition;
use super::document::{ActionPattern, Effect, Elements, MAX_DOCUMENT_BYTES, Policy, PolicyKind, Statement};
use super::error::PolicyError;
use super::grantee::Grantees;
use super::json::{self, Node};

type Object = [(String, Node)];

pub(super) fn parse(text: &str, kind: PolicyKind) -> Result<Policy, PolicyError> {
    if text.len() > MAX_DOCUMENT_BYTES {
        return Err(PolicyError::new(format!(
            "the document has {} bytes, more than {MAX_DOCUMENT_BYTES}",
            text.len()
        )));
    }
    let Node::Object(document) = json::read(text)? else {
        return Err(PolicyError::new("Syntax errors in policy: expected an object"));
    };
    refuse_unknown(&document, &["Version", "Id", "Statement"])?;
    if let Some(id) = element(&document, "Id") {
        text_of(id).map_err(|error| error.within("Id"))?;
    }
    let variables = has_variables(&document).map_err(|error| error.within("Version"))?;
    let statements =
        parse_statements(&document, kind, variables).map_err(|error| error.within("Statement"))?;
    Ok(Policy {
        kind,
        variables,
        statements,
    })
}

fn has_variables(document: &Object) -> Result<bool, PolicyError> {
    match element(document, "Version").map(text_of).transpose()? {
        None | Some("2008-10-17") => Ok(false),
        Some("2012-10-17") => Ok(true),
        Some(_) => Err(PolicyError::new("must be 2012-10-17 or 2008-10-17")),
    }
}

fn parse_statements(
    document: &Object,
    kind: PolicyKind,
    variables: bool,
) -> Result<Vec<Statement>, PolicyError> {
    let nodes = match element(document, "Statement") {
        None => return Err(PolicyError::new("Missing required field Statement")),
        Some(Node::List(nodes)) if nodes.is_empty() => {
            return Err(PolicyError::new("there must be at least one statement"));
        }
        Some(Node::List(nodes)) => nodes,
        Some(node) => return Ok(vec![parse_statement(node, kind, variables)?]),
    };
    let mut sids = HashSet::new();
    let mut statements = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        let statement = parse_statement(node, kind, variables).map_err(|error| error.at(index))?;
        if let Some(sid) = &statement.sid
            && !sids.insert(sid.clone())
        {
            let reason = "Statement IDs (SID) in a single policy must be unique.";
            return Err(PolicyError::new(reason).within("Sid").at(index));
        }
        statements.push(statement);
    }
    Ok(statements)
}

fn parse_statement(node: &Node, kind: PolicyKind, variables: bool) -> Result<Statement, PolicyError> {
    let Node::Object(statement) = node else {
        return Err(PolicyError::new("expected an object"));
    };
    let known = [
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    refuse_unknown(statement, &known)?;
    let effect = match element(statement, "Effect") {
        Some(Node::Text(text)) if text == "Allow" => Effect::Allow,
        Some(Node::Text(text)) if text == "Deny" => Effect::Deny,
        Some(_) => return Err(PolicyError::new("must be Allow or Deny").within("Effect")),
        None => return Err(PolicyError::new("Missing required field Effect")),
    };
    let actions = parse_elements(statement, "Action", ActionPattern::parse)?
        .ok_or_else(|| PolicyError::new("Policy statement must contain actions."))?;
    let resources = parse_elements(statement, "Resource", |text| {
        ResourcePattern::parse(text, variables)
    })?;
    match (kind, &resources) {
        (PolicyKind::Identity, None) => {
            return Err(PolicyError::new("Policy statement must contain resources."));
        }
        (PolicyKind::Trust, Some(_)) => return Err(PolicyError::new("Has prohibited field Resource")),
        _ => {}
    }
    Ok(Statement {
        sid: parse_sid(statement, kind).map_err(|error| error.within("Sid"))?,
        effect,
        principal: parse_principal(statement, kind)?,
        actions,
        resources,
        conditions: parse_conditions(statement, variables).map_err(|error| error.within("Condition"))?,
    })
}

fn parse_sid(statement: &Object, kind: PolicyKind) -> Result<Option<String>, PolicyError> {
    let Some(node) = element(statement, "Sid") else {
        return Ok(None);
    };
    let sid = text_of(node)?;
    // The policies of keys and buckets may have sentences as ids.
    if kind == PolicyKind::Identity && !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(PolicyError::new(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression \
             [0-9A-Za-z]*",
        ));
    }
    Ok((!sid.is_empty()).then(|| sid.to_owned()))
}

fn parse_principal(statement: &Object, kind: PolicyKind) -> Result<Option<Grantees>, PolicyError> {
    let found = one_of(statement, "Principal", "NotPrincipal")?;
    match (kind, found) {
        (PolicyKind::Identity, Some(_)) => Err(PolicyError::new(
            "Policy document should not specify a principal.",
        )),
        (PolicyKind::Identity, None) => Ok(None),
        (_, None) => Err(PolicyError::new("Missing required field Principal")),
        (PolicyKind::Trust, Some(("NotPrincipal", _, _))) => {
            Err(PolicyError::new("Has prohibited field NotPrincipal"))
        }
        (_, Some((name, node, negated))) => Grantees::parse(node, negated)
            .map(Some)
            .map_err(|error| error.within(name)),
    }
}

fn parse_elements<T>(
    statement: &Object,
    name: &'static str,
    parse: impl Fn(&str) -> Result<T, PolicyError>,
) -> Result<Option<Elements<T>>, PolicyError> {
    let negation = match name {
        "Action" => "NotAction",
        _ => "NotResource",
    };
    let Some((name, node, negated)) = one_of(statement, name, negation)? else {
        return Ok(None);
    };
    let within = |error: PolicyError| error.within(name);
    let entries = match node {
        Node::List(nodes) => nodes
            .iter()
            .enumerate()
            .map(|(index, node)| text_of(node).and_then(&parse).map_err(|error| error.at(index)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(within)?,
        node => vec![text_of(node).and_then(&parse).map_err(within)?],
    };
    if entries.is_empty() {
        return Ok(None);
    }
    Ok(Some(Elements { negated, entries }))
}

fn parse_conditions(statement: &Object, variables: bool) -> Result<Vec<Condition>, PolicyError> {
    let mut conditions = Vec::new();
    let operators = match element(statement, "Condition") {
        None => return Ok(conditions),
        Some(Node::Object(operators)) => operators,
        Some(_) => return Err(PolicyError::new("expected an object")),
    };
    for (operator, keys) in operators {
        let within = |error: PolicyError| error.within(operator);
        let Node::Object(keys) = keys else {
            return Err(within(PolicyError::new("expected an object")));
        };
        if keys.is_empty() {
            // Checks the operator's name although nothing uses it.
            super::operator::Operator::parse(operator).map_err(within)?;
        }
        for (key, node) in keys {
            let values = values_of(node).map_err(|error| within(error.within(key)))?;
            conditions.push(Condition::parse(operator, key, &values, variables).map_err(within)?);
        }
    }
    Ok(conditions)
}

/// Returns the values beside a condition key: texts, or booleans and numbers in their place.
fn values_of(node: &Node) -> Result<Vec<String>, PolicyError> {
    let value = |node: &Node| match node {
        Node::Text(text) | Node::Number(text) => Ok(text.clone()),
        Node::Bool(value) => Ok(value.to_string()),
        Node::Null | Node::List(_) | Node::Object(_) => {
            Err(PolicyError::new("expected a string, a number or a boolean"))
        }
    };
    match node {
        Node::List(nodes) => nodes
            .iter()
            .enumerate()
            .map(|(index, node)| value(node).map_err(|error| error.at(index)))
            .collect(),
        node => Ok(vec![value(node)?]),
    }
}

/// Returns an element or its negated form, with the name found and whether it is the negated one.
fn one_of<'a>(
    statement: &'a Object,
    name: &'static str,
    negation: &'static str,
) -> Result<Option<(&'static str, &'a Node, bool)>, PolicyError> {
    match (element(statement, name), element(statement, negation)) {
        (None, None) => Ok(None),
        (Some(node), None) => Ok(Some((name, node, false))),
        (None, Some(node)) => Ok(Some((negation, node, true))),
        (Some(_), Some(_)) => Err(PolicyError::new(format!(
            "{name} and {negation} exclude each other"
        ))),
    }
}

fn element<'a>(object: &'a Object, name: &str) -> Option<&'a Node> {
    object.iter().find(|(key, _)| key == name).map(|(_, node)| node)
}

fn text_of(node: &Node) -> Result<&str, PolicyError> {
    match node {
        Node::Text(text) => Ok(text),
        _ => Err(PolicyError::new("expected a string")),
    }
}

fn refuse_unknown(object: &Object, known: &[&str]) -> Result<(), PolicyError> {
    match object.iter().find(|(key, _)| !known.contains(&key.as_str())) {
        Some((key, _)) => Err(PolicyError::new("unknown element").within(key)),
        None => Ok(()),
    }
}
