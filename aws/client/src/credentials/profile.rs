//! The shared credentials and configuration files, and the profiles in them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::CredentialsError;
use crate::environment::Environment;

/// The settings of one profile, those of the credentials file kept apart because they count first.
#[derive(Default)]
pub(super) struct Profile {
    pub(super) credentials: Settings,
    pub(super) config: Settings,
}

/// `key = value` lines of one section.
pub(super) type Settings = BTreeMap<String, String>;

impl Profile {
    /// A setting, from the credentials file if it is there.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        let found = self.credentials.get(key).or_else(|| self.config.get(key));
        found.map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// The profile in force: what was asked for, else `AWS_PROFILE`, else `default`.
pub(super) fn name<'a>(environment: &'a Environment, asked: Option<&'a str>) -> &'a str {
    asked
        .or_else(|| environment.value("AWS_PROFILE"))
        .unwrap_or("default")
}

/// Loads a profile from both files; `None` when neither has it.
pub(super) fn load(environment: &Environment, name: &str) -> Result<Option<Profile>, CredentialsError> {
    let credentials = sections(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials")?.remove(name);
    let mut config = sections(environment, "AWS_CONFIG_FILE", "config")?;
    // The configuration file writes `[profile x]`, except for `[default]`.
    let config = match config.remove(&format!("profile {name}")) {
        Some(found) => Some(found),
        None if name == "default" => config.remove("default"),
        None => None,
    };
    if credentials.is_none() && config.is_none() {
        return Ok(None);
    }
    Ok(Some(Profile {
        credentials: credentials.unwrap_or_default(),
        config: config.unwrap_or_default(),
    }))
}

fn sections(
    environment: &Environment,
    variable: &str,
    file: &str,
) -> Result<BTreeMap<String, Settings>, CredentialsError> {
    let path = match (environment.value(variable), environment.value("HOME")) {
        (Some(path), home) => expand(path, home),
        (None, Some(home)) => Path::new(home).join(".aws").join(file),
        (None, None) => return Ok(BTreeMap::new()),
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(parse(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(source) => Err(CredentialsError::Read { path, source }),
    }
}

fn expand(path: &str, home: Option<&str>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => Path::new(home).join(rest),
        _ => PathBuf::from(path),
    }
}

/// Reads sections; indented lines belong to a nested setting and are left out.
fn parse(text: &str) -> BTreeMap<String, Settings> {
    let mut sections = BTreeMap::<String, Settings>::new();
    let mut current = None;
    for line in text.lines() {
        if line.starts_with([' ', '\t', '#', ';']) || line.is_empty() {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            let title = header.split(']').next().unwrap_or_default();
            let title = title
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .replace(['"', '\''], "");
            sections.entry(title.clone()).or_default();
            current = Some(title);
        } else if let (Some(section), Some((key, value))) = (
            current.as_ref().and_then(|title| sections.get_mut(title)),
            line.split_once('='),
        ) {
            // A comment needs white space before it: keys and secrets may contain either sign.
            let value = value
                .split(" #")
                .next()
                .unwrap_or(value)
                .split(" ;")
                .next()
                .unwrap_or(value);
            section.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_sections_comments_and_nested_settings() {
        let sections = parse(
            "# top\nstray = 1\n[default]\nAWS_Access_Key_Id = A#B;C # comment\n\n[profile  two ]\nregion=eu-x-1\n\
             s3 =\n  region = not-this\n; c\n[profile \"three four\"]\nkey=a=b==\n",
        );
        assert_eq!(sections["default"]["aws_access_key_id"], "A#B;C");
        assert_eq!(sections["profile two"]["region"], "eu-x-1");
        assert_eq!(sections["profile three four"]["key"], "a=b==");
        assert_eq!(sections.len(), 3);
    }
}
