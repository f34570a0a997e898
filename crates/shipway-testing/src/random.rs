//! Numbers that look random and are the same in every run, and damage as a fuzzer does it.

/// A small generator (splitmix64), so that every run is the same.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound.max(1) as u64) as usize
    }

    /// Changes bytes as a fuzzer does: flips, interesting values, removed, repeated and moved ranges.
    pub fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            let length = self.below(16).min(bytes.len() - at);
            match self.below(6) {
                _ if bytes.is_empty() => bytes.push(self.number() as u8),
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b' ', b'\n', b'/'][self.below(8)],
                2 => drop(bytes.drain(at..at + length)),
                3 => {
                    let range = bytes[at..at + length].to_vec();
                    let place = self.below(bytes.len());
                    bytes.splice(place..place, range);
                }
                4 => bytes[at] = bytes[at].wrapping_add(1),
                _ => bytes.truncate(at + length),
            }
        }
    }
}
