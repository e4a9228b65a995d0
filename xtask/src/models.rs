//! Placeholder until the generator lands.
use std::path::Path;
pub(crate) fn run(_botocore: &Path, _out: &Path) -> anyhow::Result<()> { anyhow::bail!("not built yet") }
