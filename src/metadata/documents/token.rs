//! Session tokens (IMDSv2): given for a time, and recognised without remembering any.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::instance::Instance;

/// Seconds of the longest session (AWS, "Use the Instance Metadata Service": six hours).
const MAX_SESSION: u64 = 21_600;

/// Octets of the time at which a token ends, in front of its signature.
const ENDS: usize = 8;

/// Octets of a random seed, as Nova's.
const SEED: usize = 512;

/// Makes and recognises session tokens. A token is the second at which it ends and an HMAC-SHA256 over that second and
/// the guest, so nothing is kept of it, and another guest's is worth nothing.
pub struct Tokens {
    key: hmac::Key,
}

impl fmt::Debug for Tokens {
    /// Never the key.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Tokens")
    }
}

impl Tokens {
    /// With a secret key that only this process knows: tokens end with it.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key) }
    }

    /// A token for so many seconds.
    pub(super) fn issue(&self, instance: &Instance<'_>, now: u64, seconds: u64) -> String {
        let ends = now.saturating_add(seconds).to_be_bytes();
        let signature = self.sign(b"token", instance, &ends);
        URL_SAFE_NO_PAD.encode([ends.as_slice(), signature.as_ref()].concat())
    }

    /// True for a token of this guest that has not ended.
    pub(super) fn recognises(&self, token: &[u8], instance: &Instance<'_>, now: u64) -> bool {
        let Ok(octets) = URL_SAFE_NO_PAD.decode(token) else { return false };
        let Some((ends, signature)) = octets.split_first_chunk::<ENDS>() else { return false };
        let signed = message(b"token", instance, ends);
        hmac::verify(&self.key, &signed, signature).is_ok() && now < u64::from_be_bytes(*ends)
    }

    /// Octets that nobody without the key can tell from random ones, other ones for each guest and second.
    pub(super) fn seed(&self, instance: &Instance<'_>, now: u64) -> Vec<u8> {
        let blocks = (0_u8..).map(|block| {
            let label = [&now.to_be_bytes()[..], &[block]].concat();
            self.sign(b"seed", instance, &label)
        });
        let mut seed = Vec::with_capacity(SEED);
        for block in blocks.take(SEED / ring::digest::SHA256_OUTPUT_LEN) {
            seed.extend_from_slice(block.as_ref());
        }
        seed
    }

    fn sign(&self, purpose: &[u8], instance: &Instance<'_>, label: &[u8]) -> hmac::Tag {
        hmac::sign(&self.key, &message(purpose, instance, label))
    }
}

/// What is signed: parts of a fixed length, and the instance's id last.
fn message(purpose: &[u8], instance: &Instance<'_>, label: &[u8]) -> Vec<u8> {
    let port = instance.port();
    [purpose, label, &port.mac().0, &port.vlan().to_be_bytes(), instance.id().as_bytes()].concat()
}

/// The seconds that a guest asks a session for: digits, from 1 to [`MAX_SESSION`].
pub(super) fn session(header: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(header).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok().filter(|seconds| (1..=MAX_SESSION).contains(seconds))
}

#[cfg(test)]
mod tests {
    use super::session;

    #[test]
    fn a_session_lasts_from_a_second_to_six_hours() {
        for (header, seconds) in [("1", Some(1)), ("21600", Some(21_600)), ("060", Some(60))] {
            assert_eq!(session(header.as_bytes()), seconds, "{header}");
        }
        for header in ["", "0", "21601", "-1", "+1", "1.5", " 1", "1s", "99999999999999999999"] {
            assert_eq!(session(header.as_bytes()), None, "{header}");
        }
    }
}
