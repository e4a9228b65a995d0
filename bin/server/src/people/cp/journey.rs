//! From where to where, read from the arguments.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use drawbridge_copy::{Asked, Destination, Sources, shown};

use crate::cli::Cp;
use crate::exit::{BAD_CONFIGURATION, Failure};

/// What a node runs as its end of a copy; its agent knows the name.
pub(super) const COPY_END: &str = "drawbridge-copy-end";

/// A copy between this machine and one node.
#[derive(Debug)]
pub(super) struct Journey {
    pub(super) node: String,
    pub(super) way: Way,
    /// The words of what the node runs.
    pub(super) command: Vec<String>,
}

/// What this end of a copy does.
#[derive(Debug)]
pub(super) enum Way {
    There(Sources),
    Back { asked: Asked, destination: Destination },
}

/// One of the paths that a person gives, as scp(1) reads them.
enum Place<'a> {
    Here(&'a Path),
    Node { node: &'a str, path: &'a str },
}

impl Journey {
    pub(super) fn of(arguments: &Cp) -> Result<Self, Failure> {
        let wrong = |sentence: &str| Err(Failure::new(BAD_CONFIGURATION, sentence));
        let places = arguments
            .paths
            .iter()
            .map(Place::of)
            .collect::<Result<Vec<_>, _>>()?;
        let Some((destination, sources)) = places.split_last() else {
            return wrong("there is nothing to copy");
        };
        let sources = Side::of(sources)?;
        match (sources, destination) {
            (Side::Here(paths), Place::Node { node, path }) => Ok(Self::there(arguments, paths, node, path)),
            (Side::Node(node, paths), Place::Here(path)) => Self::back(arguments, node, &paths, path),
            (Side::Here(_), Place::Here(_)) => Err(Failure::new(
                BAD_CONFIGURATION,
                "neither side of the copy is on a node",
            )
            .hint("a path on a node is written `NODE:PATH`")),
            (Side::Node(..), Place::Node { .. }) => wrong("one side of a copy must be on this machine"),
        }
    }

    fn there(arguments: &Cp, paths: Vec<PathBuf>, node: &str, path: &str) -> Self {
        let mut command = vec![COPY_END, "receive"];
        command.extend(arguments.resume.then_some("--resume"));
        command.extend((paths.len() > 1).then_some("--into-folder"));
        // The account's home, where a session begins.
        command.extend(["--", if path.is_empty() { "." } else { path }]);
        Self {
            node: node.to_owned(),
            command: command.into_iter().map(str::to_owned).collect(),
            way: Way::There(Sources {
                paths,
                recursive: arguments.recursive,
            }),
        }
    }

    fn back(arguments: &Cp, node: &str, paths: &[&str], destination: &Path) -> Result<Self, Failure> {
        if let Some(nameless) = paths.iter().find(|path| Path::new(path).file_name().is_none()) {
            let sentence = format!("`{node}:{nameless}` has no name of its own to copy it under");
            return Err(Failure::new(BAD_CONFIGURATION, sentence));
        }
        let mut command = vec![COPY_END, "send"];
        command.extend(arguments.recursive.then_some("--recursive"));
        command.push("--");
        command.extend(paths);
        Ok(Self {
            node: node.to_owned(),
            command: command.into_iter().map(str::to_owned).collect(),
            way: Way::Back {
                asked: Asked::for_paths(paths.iter().map(Path::new), arguments.recursive),
                destination: Destination {
                    path: destination.to_owned(),
                    must_be_folder: paths.len() > 1,
                    resume: arguments.resume,
                },
            },
        })
    }
}

impl<'a> Place<'a> {
    /// A path on a node has a colon before any slash, so that `./a:b` is one on this machine.
    fn of(text: &'a OsString) -> Result<Self, Failure> {
        let bytes = text.as_bytes();
        let separator = bytes.iter().position(|byte| matches!(byte, b':' | b'/'));
        match separator {
            Some(at) if at > 0 && bytes.get(at) == Some(&b':') => {
                let text = text.to_str().ok_or_else(|| not_utf8(text))?;
                let (node, path) = text.split_once(':').unwrap_or((text, ""));
                Ok(Self::Node { node, path })
            }
            _ => Ok(Self::Here(Path::new(text))),
        }
    }
}

/// Sources, all on the same machine.
enum Side<'a> {
    Here(Vec<PathBuf>),
    Node(&'a str, Vec<&'a str>),
}

impl<'a> Side<'a> {
    fn of(places: &[Place<'a>]) -> Result<Self, Failure> {
        let mut here = Vec::new();
        let mut there = Vec::new();
        let mut nodes = Vec::new();
        for place in places {
            match place {
                Place::Here(path) => here.push(path.to_path_buf()),
                Place::Node { node, path } => {
                    there.push(*path);
                    nodes.push(*node);
                }
            }
        }
        nodes.dedup();
        match nodes[..] {
            [] => Ok(Self::Here(here)),
            [node] if here.is_empty() => Ok(Self::Node(node, there)),
            _ => Err(Failure::new(
                BAD_CONFIGURATION,
                "everything that is copied at once must be on the same machine",
            )),
        }
    }
}

fn not_utf8(text: &OsStr) -> Failure {
    let sentence = format!(
        "`{}` is not UTF-8, as paths on nodes have to be named",
        shown(text.as_bytes())
    );
    Failure::new(BAD_CONFIGURATION, sentence)
        .hint("`--recursive` copies the folder it is in, whatever the names in it are")
}
