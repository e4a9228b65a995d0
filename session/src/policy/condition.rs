//! One line of a `Condition` block: operator, key, values.

use super::context::Context;
use super::document::Effect;
use super::error::PolicyError;
use super::operand::Operands;
use super::operator::{Operator, Quantifier};

/// A condition; a statement applies where all of its conditions hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    /// As the policy writes it.
    operator_name: String,
    /// As the policy writes it.
    key_name: String,
    operator: Operator,
    /// In lower case.
    key: String,
    /// As the policy writes them.
    values: Vec<String>,
    operands: Operands,
}

impl Condition {
    pub(super) fn parse(
        operator_name: &str,
        key: &str,
        values: &[String],
        variables: bool,
    ) -> Result<Self, PolicyError> {
        let operator = Operator::parse(operator_name)?;
        if key.is_empty() || !key.contains(':') {
            return Err(
                PolicyError::new("Conditions must be prefixed by a vendor, e.g., aws, ssm, etc.").within(key),
            );
        }
        Ok(Self {
            operator_name: operator_name.to_owned(),
            key_name: key.to_owned(),
            operator,
            key: key.to_ascii_lowercase(),
            values: values.to_vec(),
            operands: Operands::parse(operator.test, values, variables).map_err(|error| error.within(key))?,
        })
    }

    /// Says whether the condition holds in a statement of this effect.
    ///
    /// A variable without a value matches nothing, so a negated operator over it holds, as it should in a Deny. In
    /// an Allow it does not: a fact that is missing must not open anything.
    pub(super) fn holds(&self, context: &Context, effect: Effect) -> bool {
        let values = context.lower(&self.key);
        if let Operands::Null(wanted) = &self.operands {
            return wanted.contains(&values.is_none());
        }
        let Operator {
            negated,
            quantifier,
            if_exists,
            ..
        } = self.operator;
        if negated && effect == Effect::Allow && self.unresolved(context).is_some() {
            return false;
        }
        let Some(values) = values else {
            return match quantifier {
                Quantifier::Single => negated || if_exists,
                Quantifier::All => true,
                Quantifier::Any => if_exists,
            };
        };
        let mut passes = values
            .iter()
            .map(|value| self.operands.any_matches(value, context) != negated);
        match quantifier {
            Quantifier::Single if negated => passes.all(|pass| pass),
            Quantifier::All => passes.all(|pass| pass),
            Quantifier::Single | Quantifier::Any => passes.any(|pass| pass),
        }
    }

    /// Returns the first variable that has no value in this request.
    pub(super) fn unresolved(&self, context: &Context) -> Option<&str> {
        self.operands.unresolved(context)
    }

    /// Returns the operator as the policy writes it.
    pub(super) fn operator_name(&self) -> &str {
        &self.operator_name
    }

    /// Returns the key as the policy writes it.
    pub(super) fn key_name(&self) -> &str {
        &self.key_name
    }

    pub(super) fn operator(&self) -> Operator {
        self.operator
    }

    /// Returns the key in lower case.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Returns the values as the policy writes them.
    pub(super) fn values(&self) -> &[String] {
        &self.values
    }

    /// Says in words what the condition met in this request.
    pub(super) fn describe(&self, context: &Context) -> String {
        let Self {
            operator_name,
            key_name,
            ..
        } = self;
        let met = match context.lower(&self.key) {
            None => "the request does not have the key".to_owned(),
            Some([value]) => format!("the request has \"{value}\""),
            Some(values) => format!("the request has {values:?}"),
        };
        match self.unresolved(context) {
            Some(variable) => format!("{operator_name} {key_name}: {met}; ${{{variable}}} has no value"),
            None => format!("{operator_name} {key_name}: {met}"),
        }
    }
}
