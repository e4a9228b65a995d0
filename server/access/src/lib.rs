//! Who may do what: gathers the policies and the facts of a request, and has the policy engine decide.
//!
//! | module | owns |
//! |---|---|
//! | `authority` | the decision on a request |
//! | `policies` | the policies of whoever asks |
//! | `explainer` | how decisions would come out, and why |
//! | `context` | the condition keys that every request has |
//! | `subject` | the object that a need is about: its ARN, tags and own policy |
//! | `key` | keys: their policies and what is known of them |
//! | `grant` | grants of keys, as policies |
//! | `bucket` | buckets: whose they are, their policies, and what is known of the objects in them |
//! | `revocation` | ends the live sessions that a change of policies no longer allows, and closes such channels |
//! | `channels` | the channels that are open by a decision of their own |
//! | `objection` | whether what was allowed once still is |

mod authority;
mod bucket;
mod channels;
mod context;
mod explainer;
mod grant;
mod key;
mod objection;
mod policies;
mod revocation;
mod subject;

pub use authority::Access;
pub use channels::{OpenChannel, OpenChannels};
pub use objection::open_channel_need;
pub use revocation::{Revocation, watch_live_sessions};
