//! What a request calls a parameter: its name or its ARN, and after a colon a version or a label.

use std::borrow::Cow;

use drawbridge_session::{Caller, Resource};

/// A parameter as a request names it, there or not; the decision was about the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named<'a> {
    /// The caller's own.
    Own {
        name: Cow<'a, str>,
        selector: Option<&'a str>,
    },
    /// One of another account or region, by its ARN.
    Elsewhere { arn: &'a str },
}

impl<'a> Named<'a> {
    pub(super) fn parse(caller: &Caller, text: &'a str) -> Self {
        if !text.starts_with("arn:") {
            let (name, selector) = split(text);
            return Self::Own {
                name: Cow::Borrowed(name),
                selector,
            };
        }
        let own = format!("arn:aws:ssm:{}:{}:parameter/", caller.region, caller.account);
        let Some(path) = text.strip_prefix(&own) else {
            return Self::Elsewhere { arn: text };
        };
        let (path, selector) = split(path);
        let name = if path.contains('/') {
            Cow::Owned(format!("/{path}"))
        } else {
            Cow::Borrowed(path)
        };
        Self::Own { name, selector }
    }

    pub(super) fn resource(&self, caller: &Caller) -> Resource {
        match self {
            Self::Own { name, .. } => Resource::parameter(&caller.region, &caller.account, name),
            Self::Elsewhere { arn } => Resource::plain(*arn),
        }
    }
}

fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once(':') {
        Some((name, selector)) => (name, Some(selector)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::House;

    #[tokio::test]
    async fn a_name_and_an_arn_name_the_same_parameter() {
        let house = House::new().await;
        let caller = house.admin();
        let own = |name: &str, selector| Named::Own {
            name: Cow::Owned(name.to_owned()),
            selector,
        };
        for (text, expected, arn) in [
            ("port", own("port", None), "parameter/port"),
            ("/web/port:3", own("/web/port", Some("3")), "parameter/web/port"),
            (
                "arn:aws:ssm:us-east-1:123456789012:parameter/port:prod",
                own("port", Some("prod")),
                "parameter/port",
            ),
            (
                "arn:aws:ssm:us-east-1:123456789012:parameter/web/port",
                own("/web/port", None),
                "parameter/web/port",
            ),
        ] {
            let named = Named::parse(&caller, text);
            assert_eq!(named, expected, "{text}");
            let resource = named.resource(&caller);
            assert_eq!(
                resource.arn(),
                format!("arn:aws:ssm:us-east-1:123456789012:{arn}")
            );
        }
        for arn in [
            "arn:aws:ssm:us-east-1:210987654321:parameter/port",
            "arn:aws:ssm:eu-west-1:123456789012:parameter/port",
            "arn:aws:ssm:us-east-1:123456789012:document/port",
        ] {
            let named = Named::parse(&caller, arn);
            assert_eq!(named, Named::Elsewhere { arn });
            assert_eq!(named.resource(&caller).arn(), arn);
        }
    }
}
