//! Where in an input a value stands, as AWS writes it.

use std::fmt;

use super::single::shorten;
use crate::error::Family;
use crate::model::{Kind, Member, Shape};

/// A path such as `filters.1.member.key`; EC2 has its own, of the names on its wire: `filterSet.1.name`.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    path: String,
    family: Family,
}

impl Place {
    pub(crate) fn root(family: Family) -> Self {
        Self {
            path: String::new(),
            family,
        }
    }

    /// A member of a structure; names are shown with their first letter in lower case.
    pub(crate) fn member(&self, member: &Member, shape: &Shape) -> Self {
        match (self.family, shape.kind()) {
            (Family::Ec2, Kind::List { .. }) => self.then(&format!("{}Set", lowered(&member.form_name))),
            (Family::Ec2, _) => self.then(&lowered(&member.form_name)),
            (Family::Json | Family::Query | Family::Rest | Family::S3, _) => {
                self.then(&lowered(&member.name))
            }
        }
    }

    /// An element of a list, counted from 0.
    pub(crate) fn element(&self, index: usize) -> Self {
        let number = index.saturating_add(1);
        match self.family {
            Family::Ec2 => self.then(&number.to_string()),
            Family::Json | Family::Query | Family::Rest | Family::S3 => {
                self.then(&format!("{number}.member"))
            }
        }
    }

    /// The value of a map's entry.
    pub(crate) fn entry(&self, key: &str) -> Self {
        self.then(&format!("{}.member", shorten(key)))
    }

    fn then(&self, step: &str) -> Self {
        let path = if self.path.is_empty() {
            step.to_owned()
        } else {
            format!("{}.{step}", self.path)
        };
        Self {
            path,
            family: self.family,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

fn lowered(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => format!("{}{}", first.to_ascii_lowercase(), letters.as_str()),
        None => String::new(),
    }
}
