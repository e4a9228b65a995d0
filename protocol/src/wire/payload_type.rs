//! The kinds of payload in stream data.

use std::fmt;

/// Names what the payload of a stream frame is (`protocol.md` 3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PayloadType {
    /// 0: the frame is not stream data.
    None,
    /// 1: raw bytes of a terminal or a connection.
    Output,
    /// 2: defined, used by nobody.
    Error,
    /// 3: size of the client's terminal, JSON.
    Size,
    /// 4: defined, used by nobody.
    Parameter,
    /// 5: the node asks the client to prepare, JSON.
    HandshakeRequest,
    /// 6: the client's answer, JSON.
    HandshakeResponse,
    /// 7: the node is satisfied, JSON.
    HandshakeComplete,
    /// 8: the node asks the client to prove its data key, JSON.
    EncChallengeRequest,
    /// 9: the client's proof, JSON.
    EncChallengeResponse,
    /// 10: one number, see [`flag`](crate::payload::flag).
    Flag,
    /// 11: raw bytes of standard error, of commands only.
    StdErr,
    /// 12: the text `EXIT_CODE: n`, of commands only.
    ExitCode,
    /// 256: a message of [`Credited`](crate::port_mux::Credited), between our own ends only. It carries no digest.
    Multiplexed,
    /// Anything else.
    Unknown(u32),
}

impl From<u32> for PayloadType {
    fn from(number: u32) -> PayloadType {
        match number {
            0 => PayloadType::None,
            1 => PayloadType::Output,
            2 => PayloadType::Error,
            3 => PayloadType::Size,
            4 => PayloadType::Parameter,
            5 => PayloadType::HandshakeRequest,
            6 => PayloadType::HandshakeResponse,
            7 => PayloadType::HandshakeComplete,
            8 => PayloadType::EncChallengeRequest,
            9 => PayloadType::EncChallengeResponse,
            10 => PayloadType::Flag,
            11 => PayloadType::StdErr,
            12 => PayloadType::ExitCode,
            256 => PayloadType::Multiplexed,
            other => PayloadType::Unknown(other),
        }
    }
}

impl From<PayloadType> for u32 {
    fn from(payload_type: PayloadType) -> u32 {
        match payload_type {
            PayloadType::None => 0,
            PayloadType::Output => 1,
            PayloadType::Error => 2,
            PayloadType::Size => 3,
            PayloadType::Parameter => 4,
            PayloadType::HandshakeRequest => 5,
            PayloadType::HandshakeResponse => 6,
            PayloadType::HandshakeComplete => 7,
            PayloadType::EncChallengeRequest => 8,
            PayloadType::EncChallengeResponse => 9,
            PayloadType::Flag => 10,
            PayloadType::StdErr => 11,
            PayloadType::ExitCode => 12,
            PayloadType::Multiplexed => 256,
            PayloadType::Unknown(other) => other,
        }
    }
}

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({self:?})", u32::from(*self))
    }
}

#[cfg(test)]
mod tests {
    use super::PayloadType;

    #[test]
    fn every_number_round_trips() {
        for number in (0..300).chain([u32::MAX]) {
            assert_eq!(u32::from(PayloadType::from(number)), number);
        }
    }
}
