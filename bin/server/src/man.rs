//! `drawbridge man`: the manual pages, made from the declarations of the commands.

use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::Command;
use clap_mangen::Man;

use crate::exit::{BAD_CONFIGURATION, Failure};

/// Prints the page of one command, or of the program.
pub(crate) fn print(program: Command, words: &[String], out: &mut impl Write) -> Result<()> {
    let mut found = &built(program);
    for word in words {
        let Some(next) = found.find_subcommand(word) else {
            let sentence = format!("there is no command `{}`", words.join(" "));
            return Err(Failure::new(BAD_CONFIGURATION, sentence)
                .hint("`drawbridge --help` lists them")
                .into());
        };
        found = next;
    }
    Ok(Man::new(found.clone()).render(out)?)
}

/// Writes the pages of all commands into a folder, each under the name that the others call it by.
pub(crate) fn write_all(program: Command, folder: &Path) -> Result<()> {
    let mut left = vec![built(program)];
    while let Some(command) = left.pop() {
        left.extend(command.get_subcommands().cloned());
        Man::new(command)
            .generate_to(folder)
            .with_context(|| format!("cannot write the pages into `{}`", folder.display()))?;
    }
    Ok(())
}

/// With the full names of the commands, and without a page for the help of each.
fn built(program: Command) -> Command {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    program
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Arguments;

    fn page(words: &[&str]) -> Result<String> {
        let words: Vec<_> = words.iter().map(ToString::to_string).collect();
        let mut out = Vec::new();
        print(Arguments::command(), &words, &mut out)?;
        Ok(String::from_utf8(out)?)
    }

    #[test]
    fn every_command_has_a_page() {
        let text = page(&["floor", "set"]).expect("a page");
        assert!(text.contains("drawbridge\\-floor\\-set"), "{text}");
        assert!(text.contains("allow\\-port"), "{text}");
        let error = page(&["floor", "raise"]).expect_err("no such command");
        assert_eq!(error.to_string(), "there is no command `floor raise`");
    }

    #[test]
    fn every_page_that_another_names_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        write_all(Arguments::command(), folder.path()).expect("written");
        let mut names = BTreeSet::new();
        let mut named = BTreeSet::new();
        for entry in std::fs::read_dir(folder.path()).expect("a folder") {
            let entry = entry.expect("an entry");
            let text = std::fs::read_to_string(entry.path())
                .expect("a page")
                .replace('\\', "");
            names.insert(entry.file_name().to_string_lossy().into_owned());
            let references = text.lines().filter_map(|line| line.strip_suffix("(1)"));
            named.extend(
                references.map(|name| format!("{}.1", name.trim_start_matches("fB").trim_end_matches("fR"))),
            );
        }
        assert!(
            names.contains("drawbridge.1") && names.contains("drawbridge-floor-set.1"),
            "{names:?}"
        );
        assert!(named.contains("drawbridge-recordings-verify.1"), "{named:?}");
        assert_eq!(
            named.difference(&names).collect::<Vec<_>>(),
            Vec::<&String>::new()
        );
    }
}
