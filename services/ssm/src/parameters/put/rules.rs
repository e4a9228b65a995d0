//! What names, values and patterns of parameters may be.

use drawbridge_aws_dialects::error::AwsError;
use drawbridge_store::ParameterKind;
use regex::RegexBuilder;

/// The longest name; the rest of the 2,048 characters of the model is for what stands around it in an ARN.
const MAX_NAME: usize = 1011;

/// The most parts of a path.
const MAX_LEVELS: usize = 15;

/// The longest value of the standard tier, in bytes.
const MAX_VALUE: usize = 4096;

/// The most memory that a compiled pattern may take.
const MAX_COMPILED: usize = 1 << 20;

pub(super) fn check_name(name: &str) -> Result<(), AwsError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let path = name.strip_prefix('/');
    let parts: Vec<_> = path.unwrap_or(name).split('/').collect();
    if path.is_none() && parts.len() > 1 {
        return Err(AwsError::validation(
            "Parameter name must be a fully qualified name.",
        ));
    }
    let valid = parts
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(plain));
    let first = parts
        .first()
        .map(|part| part.to_ascii_lowercase())
        .unwrap_or_default();
    if first.starts_with("aws") {
        return Err(AwsError::new(
            "AccessDeniedException",
            format!("No access to reserved parameter name: {name}."),
        ));
    }
    if !valid || first.starts_with("ssm") {
        return Err(AwsError::validation(
            "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it can consist of \
             sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the \
             following 3 symbols .-_",
        ));
    }
    if name.len() > MAX_NAME {
        return Err(AwsError::validation(format!(
            "A parameter name has {MAX_NAME} characters at most."
        )));
    }
    if parts.len() > MAX_LEVELS {
        return Err(AwsError::new(
            "HierarchyLevelLimitExceededException",
            format!("A hierarchy can have a maximum of {MAX_LEVELS} levels."),
        ));
    }
    Ok(())
}

pub(super) fn check_value(value: &str) -> Result<(), AwsError> {
    if value.is_empty() || value.len() > MAX_VALUE {
        return Err(AwsError::validation(format!(
            "A parameter value has 1 to {MAX_VALUE} bytes; longer ones are of the advanced tier, which this server does \
             not have."
        )));
    }
    // Whoever reads a value looks for parameters in it no more.
    if value.contains("{{") {
        return Err(AwsError::validation(
            "Parameter value can't nest another parameter. Do not use \"{{\" in the value.",
        ));
    }
    Ok(())
}

pub(super) fn kind(text: &str) -> Result<ParameterKind, AwsError> {
    text.parse().map_err(|_| {
        AwsError::new(
            "UnsupportedParameterType",
            format!(
                "Parameters of type {text} are not supported: they would be kept encrypted, and this server has no keys \
                 for them yet. String and StringList are."
            ),
        )
    })
}

/// Checks a value by a pattern that stands for the whole of it; an empty one lets everything through.
pub(super) fn check_pattern(pattern: &str, value: &str) -> Result<(), AwsError> {
    if pattern.is_empty() {
        return Ok(());
    }
    let compile = |text: &str| {
        let compiled = RegexBuilder::new(text).size_limit(MAX_COMPILED).build();
        compiled.map_err(|_| {
            AwsError::new(
                "InvalidAllowedPatternException",
                format!("The regular expression {pattern} is not valid, too large, or of a kind that is not supported."),
            )
        })
    };
    // Alone first, so that it cannot close our group.
    compile(pattern)?;
    if compile(&format!(r"\A(?:{pattern})\z"))?.is_match(value) {
        return Ok(());
    }
    Err(AwsError::new(
        "ParameterPatternMismatchException",
        format!("Parameter value, cannot be validated against allowedPattern: {pattern}"),
    ))
}
