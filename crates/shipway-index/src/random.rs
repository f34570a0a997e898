//! Random identifiers and secrets, from the operating system.

use shipway_dist::digest::Sha256;

/// Thirty-two random bytes.
pub(crate) fn secret() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A random identifier of 128 bits.
pub(crate) fn id() -> String {
    hex(&secret()[..16])
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits = Sha256::from(std::array::from_fn(|at| bytes.get(at).copied().unwrap_or(0))).to_hex();
    digits[..2 * bytes.len().min(32)].to_owned()
}
