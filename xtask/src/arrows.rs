//! Which crate may depend on which: the arrows of ARCHITECTURE.md, checked against the manifests.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// For each folder, the folders its crates may name in `[dependencies]`. Development dependencies are free:
/// a test may see what the code under test must not.
const ALLOWED: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("copy", &[]),
    ("tunnel", &["protocol"]),
    ("session", &["protocol"]),
    ("replay", &["protocol", "session"]),
    ("aws/dialects", &[]),
    ("aws/transport", &[]),
    ("aws/client", &["aws/dialects", "aws/transport"]),
    ("server/store", &["session"]),
    ("server/objects", &["session", "aws/client", "server/store"]),
    ("server/access", &["session", "server/store"]),
    ("server/relay", &["protocol", "session", "server/store"]),
    (
        "server/recorder",
        &["protocol", "session", "replay", "server/store", "server/relay"],
    ),
    ("services/ssm", &["aws/dialects", "session", "server/store"]),
    (
        "services/ssmmessages",
        &["aws/dialects", "session", "server/store"],
    ),
    (
        "services/ec2messages",
        &["aws/dialects", "session", "server/store"],
    ),
    ("services/sts", &["aws/dialects", "session", "server/store"]),
    ("services/iam", &["aws/dialects", "session", "server/store"]),
    (
        "services/organizations",
        &["aws/dialects", "session", "server/store"],
    ),
    ("services/ec2", &["aws/dialects", "session", "server/store"]),
    ("services/operator", &["aws/dialects", "session", "server/store"]),
    (
        "services/cloudtrail",
        &["aws/dialects", "session", "server/store"],
    ),
    ("services/kms", &["aws/dialects", "session", "server/store"]),
    ("services/logs", &["aws/dialects", "session", "server/store"]),
    ("services/s3", &["aws/dialects", "session", "server/store"]),
    (
        "server/gateway",
        &[
            "aws/dialects",
            "aws/transport",
            "protocol",
            "session",
            "server/store",
            "server/objects",
            "server/access",
            "server/relay",
            "server/recorder",
            "services/ssm",
            "services/ssmmessages",
            "services/ec2messages",
            "services/cloudtrail",
            "services/sts",
            "services/iam",
            "services/organizations",
            "services/ec2",
            "services/operator",
            "services/kms",
            "services/logs",
            "services/s3",
        ],
    ),
    (
        "agent",
        &["protocol", "tunnel", "session", "aws/dialects", "aws/client"],
    ),
    ("plugin", &["protocol", "tunnel", "session", "aws/client"]),
    (
        "bin/server",
        &[
            "session",
            "aws/client",
            "server/store",
            "server/objects",
            "server/relay",
            "server/recorder",
            "server/gateway",
            "plugin",
            "replay",
            "tunnel",
            "copy",
        ],
    ),
    ("bin/agent", &["agent", "copy", "session", "aws/client"]),
    ("bin/plugin", &["plugin", "session", "aws/client"]),
    (
        "tests/house",
        &["aws/dialects", "session", "server/store", "server/access"],
    ),
    ("tests/simulation", &["protocol"]),
    ("benches/idle", &["protocol", "session", "aws/client"]),
    ("benches/access", &["session", "aws/client"]),
    ("benches/tunnel", &[]),
    ("xtask", &[]),
];

/// Fails for a dependency that no arrow allows, a member without a rule, or a lint table that is not inherited.
pub(crate) fn check(root: &Path) -> Result<()> {
    let workspace = manifest(&root.join("Cargo.toml"))?;
    let folders = folders_by_crate(&workspace)?;
    let members = workspace["workspace"]["members"]
        .as_array()
        .context("no workspace members")?;
    let mut wrong = Vec::new();
    for member in members.iter().filter_map(toml::Value::as_str) {
        let Some((_, allowed)) = ALLOWED.iter().find(|(folder, _)| *folder == member) else {
            wrong.push(format!("`{member}` has no rule in xtask/src/arrows.rs"));
            continue;
        };
        let manifest = manifest(&root.join(member).join("Cargo.toml"))?;
        let inherited = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        if inherited.and_then(toml::Value::as_bool) != Some(true) {
            wrong.push(format!("`{member}` does not inherit the workspace's lints"));
        }
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
        for name in dependencies.into_iter().flat_map(|table| table.keys()) {
            if let Some(folder) = folders.get(name)
                && !allowed.contains(&folder.as_str())
            {
                wrong.push(format!("`{member}` may not depend on `{folder}`"));
            }
        }
    }
    if !wrong.is_empty() {
        bail!(
            "the arrows of ARCHITECTURE.md do not hold:\n  {}",
            wrong.join("\n  ")
        );
    }
    eprintln!(
        "arrows: {} crates, all as ARCHITECTURE.md draws them",
        members.len()
    );
    Ok(())
}

fn folders_by_crate(workspace: &toml::Value) -> Result<BTreeMap<String, String>> {
    let dependencies = workspace["workspace"]["dependencies"]
        .as_table()
        .context("no workspace dependencies")?;
    Ok(dependencies
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.get("path")?.as_str()?.to_owned())))
        .collect())
}

fn manifest(path: &Path) -> Result<toml::Value> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    toml::from_str(&text).with_context(|| format!("cannot parse `{}`", path.display()))
}
