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
}

/// Every scenario.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "shell",
        run: |server| Box::pin(typing::shell(server)),
    },
    Scenario {
        name: "utf-8",
        run: |server| Box::pin(typing::utf_8(server)),
    },
    Scenario {
        name: "interrupt",
        run: |server| Box::pin(typing::interrupt(server)),
    },
    Scenario {
        name: "resize",
        run: |server| Box::pin(typing::resize(server)),
    },
    Scenario {
        name: "transfer",
        run: |server| Box::pin(transfer::both_ways(server)),
    },
    Scenario {
        name: "terminate",
        run: |server| Box::pin(ending::terminate(server)),
    },
    Scenario {
        name: "terminate-elsewhere",
        run: |server| Box::pin(ending::terminate_elsewhere(server)),
    },
    Scenario {
        name: "resume-busy",
        run: |server| Box::pin(resume::busy(server)),
    },
    Scenario {
        name: "resume-idle",
        run: |server| Box::pin(resume::idle(server)),
    },
    Scenario {
        name: "resume-ended",
        run: |server| Box::pin(resume::ended(server)),
    },
    Scenario {
        name: "unsigned-upgrade",
        run: |server| Box::pin(refusal::unsigned_upgrade(server)),
    },
    Scenario {
        name: "wrong-token",
        run: |server| Box::pin(refusal::wrong_token(server)),
    },
    Scenario {
        name: "used-token",
        run: |server| Box::pin(refusal::used_token(server)),
    },
    Scenario {
        name: "unknown-node",
        run: |server| Box::pin(refusal::unknown_node(server)),
    },
];
