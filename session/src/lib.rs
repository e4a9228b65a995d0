//! What a session is: typed ids, the objects of the product, session documents, and the rules that decide.
//!
//! Plain data and pure rules. This crate owns the words that every other crate shares; it refuses to know sockets,
//! databases and wire dialects. Where an operation needs another part of the server, it does so through a trait here
//! (such as [`Relay`] and [`Keys`]). Time and chance come in as [`Clock`] and [`Random`].

pub mod account;
pub mod activation;
pub mod audit;
pub mod authority;
pub mod caller;
pub mod clock;
pub mod document;
pub mod floor;
pub mod grounds;
pub mod iam;
pub mod ids;
pub mod keys;
pub mod need;
pub mod node;
pub mod operation;
pub mod policy;
pub mod principal;
pub mod random;
pub mod record;
pub mod recording;
pub mod relay;
pub mod secret;
pub mod tag;

pub use account::{Account, Organization};
pub use activation::Activation;
pub use audit::{AuditEvent, Audited, Intent, Touched};
pub use authority::{Authority, AuthorityError, Explainer};
pub use caller::{Caller, SessionGrant, SessionPolicies, SignedWith};
pub use clock::{Clock, FixedClock, SystemClock};
pub use document::{SessionDocument, SessionStart};
pub use floor::{BelowFloor, Floor, FloorScope};
pub use grounds::Grounds;
pub use ids::{
    AccessKeyId, AccountId, ActivationId, KeyId, NodeId, OrganizationId, ParseError, Region, SessionId,
    UniqueId,
};
pub use keys::{DataKey, EncryptionContext, KeyError, KeyUse, KeyUser, Keys};
pub use need::{Need, Needs};
pub use node::{AgentReport, ManagedNode, PingStatus};
pub use operation::{Answer, Audit, Call, Declaration, Effect, Operation, Refusal};
pub use policy::{Allowed, AuthorizedSession, Decision, Denied, Resource};
pub use principal::{EntityName, Principal};
pub use random::{Random, RandomArray, SeededRandom, SystemRandom};
pub use record::{Ending, Session, SessionState};
pub use relay::{FakeRelay, Relay, RelayError};
pub use secret::Secret;
pub use tag::Tag;
