//! Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
//!
//! A number is a pure function of (seed, stream, index), so every backend and every thread count gives the same ones and a resumed
//! run needs no generator state. Transcendental functions come from the `libm` crate, whose results do not depend on the platform.
//! Not for cryptography.

const M0: u32 = 0xD251_1F53;
const M1: u32 = 0xCD9E_8D57;
const W0: u32 = 0x9E37_79B9;
const W1: u32 = 0xBB67_AE85;

/// One generator: the numbers of (seed, stream).
#[derive(Debug, Clone, Copy)]
pub struct Rng {
    seed: u64,
    stream: u64,
}

impl Rng {
    /// The generator of a seed and a stream (a parameter's index, a purpose).
    pub fn new(seed: u64, stream: u64) -> Self {
        Self { seed, stream }
    }

    /// Block `counter`: four words.
    pub fn block(self, counter: u64) -> [u32; 4] {
        let mut c = [
            counter as u32,
            (counter >> 32) as u32,
            self.stream as u32,
            (self.stream >> 32) as u32,
        ];
        let mut k = [self.seed as u32, (self.seed >> 32) as u32];
        for round in 0..10 {
            if round > 0 {
                k = [k[0].wrapping_add(W0), k[1].wrapping_add(W1)];
            }
            c = round_once(c, k);
        }
        c
    }

    /// Number `index`, uniform in [0, 1), 53 bits.
    pub fn uniform(self, index: u64) -> f64 {
        let b = self.block(index / 2);
        let half = 2 * (index % 2) as usize;
        to_unit(b[half], b[half + 1])
    }

    /// Number `index`, standard normal (Box and Muller 1958); numbers 2i and 2i+1 share block i.
    pub fn normal(self, index: u64) -> f64 {
        let b = self.block(index / 2);
        // 1 - u lies in (0, 1], where the logarithm is finite.
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - to_unit(b[0], b[1])));
        let angle = std::f64::consts::TAU * to_unit(b[2], b[3]);
        if index.is_multiple_of(2) { radius * libm::cos(angle) } else { radius * libm::sin(angle) }
    }
}

fn to_unit(hi: u32, lo: u32) -> f64 {
    let bits = (u64::from(hi) << 32 | u64::from(lo)) >> 11;
    bits as f64 * (1.0 / 9_007_199_254_740_992.0)
}

fn round_once(c: [u32; 4], k: [u32; 2]) -> [u32; 4] {
    let p0 = u64::from(M0) * u64::from(c[0]);
    let p1 = u64::from(M1) * u64::from(c[2]);
    [(p1 >> 32) as u32 ^ c[1] ^ k[0], p1 as u32, (p0 >> 32) as u32 ^ c[3] ^ k[1], p0 as u32]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of the authors' Random123 distribution (kat_vectors, philox4x32 10).
    #[test]
    fn equals_the_published_vectors() {
        assert_eq!(Rng::new(0, 0).block(0), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = Rng::new(u64::MAX, u64::MAX);
        assert_eq!(ones.block(u64::MAX), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = Rng::new(0x299f_31d0_a409_3822, 0x0370_7344_1319_8a2e);
        let pi_block = pi.block(0x85a3_08d3_243f_6a88);
        assert_eq!(pi_block, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn has_the_moments_it_promises() {
        let (n, rng) = (200_000u64, Rng::new(7, 3));
        let mean = (0..n).map(|i| rng.normal(i)).sum::<f64>() / n as f64;
        let var = (0..n).map(|i| rng.normal(i).powi(2)).sum::<f64>() / n as f64;
        let uni = (0..n).map(|i| rng.uniform(i)).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.01 && (var - 1.0).abs() < 0.01 && (uni - 0.5).abs() < 0.005);
        assert!((0..n).all(|i| (0.0..1.0).contains(&rng.uniform(i))));
    }
}
