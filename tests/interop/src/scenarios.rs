//! What is tried, in order.

mod ending;
mod refusal;
mod resume;
mod transfer;
mod typing;

use std::pin::Pin;

use anyhow::Result;

use crate::server::Server;

type Outcome<'a> = Pin<Box<dyn Future<Output = Result<String>> + 'a>>;

/// One thing a person does with the client.
pub(crate) struct Scenario {
    /// The word that chooses it on the command line.
    pub(crate) name: &'static str,
    /// Runs it; answers in a few words what was seen.
    pub(crate) run: for<'a> fn(&'a Server) -> Outcome<'a>,
    /// Why it is expected to fail, where it is (README.md, "Expected differences").
    pub(crate) differs: Option<&'static str>,
}

impl Scenario {
    const fn new(name: &'static str, run: for<'a> fn(&'a Server) -> Outcome<'a>) -> Scenario {
        Scenario {
            name,
            run,
            differs: None,
        }
    }

    #[expect(dead_code, reason = "no difference is known today; the list may only shrink")]
    const fn differs(self, why: &'static str) -> Scenario {
        Scenario {
            differs: Some(why),
            ..self
        }
    }
}

/// Every scenario.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("shell", |server| Box::pin(typing::shell(server))),
    Scenario::new("utf-8", |server| Box::pin(typing::utf_8(server))),
    Scenario::new("interrupt", |server| Box::pin(typing::interrupt(server))),
    Scenario::new("resize", |server| Box::pin(typing::resize(server))),
    Scenario::new("transfer", |server| Box::pin(transfer::both_ways(server))),
    Scenario::new("terminate", |server| Box::pin(ending::terminate(server))),
    Scenario::new("terminate-elsewhere", |server| {
        Box::pin(ending::terminate_elsewhere(server))
    }),
    Scenario::new("resume-busy", |server| Box::pin(resume::busy(server))),
    Scenario::new("resume-idle", |server| Box::pin(resume::idle(server))),
    Scenario::new("resume-ended", |server| Box::pin(resume::ended(server))),
    Scenario::new("unsigned-upgrade", |server| {
        Box::pin(refusal::unsigned_upgrade(server))
    }),
    Scenario::new("wrong-token", |server| Box::pin(refusal::wrong_token(server))),
    Scenario::new("used-token", |server| Box::pin(refusal::used_token(server))),
    Scenario::new("unknown-node", |server| Box::pin(refusal::unknown_node(server))),
];
