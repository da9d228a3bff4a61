//! Independent streams of chance from one seed.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// The increment of `SplitMix64` (Steele, Lea, Flood, OOPSLA 2014): the golden ratio, as an odd number of 64 bits.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// Drawn seeds have so many bits: every reader of JSON keeps such a number exactly.
const DRAWN_BITS: u32 = 53;

/// What a stream of a thread decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// When requests are due.
    Arrivals,
    /// By how much all evenly spaced requests of a generator are shifted.
    Phase,
    /// Which paths are asked for.
    Paths,
    /// Which bodies are compared.
    Samples,
}

/// Returns the seed of the stream that these labels name, such as a round, a side or a thread. Seeds and labels that
/// differ in a single bit give streams that have nothing in common, and the order of the labels matters.
#[must_use]
pub fn stream(seed: u64, labels: &[u64]) -> u64 {
    labels.iter().fold(mix(seed.wrapping_add(GOLDEN)), |state, &label| {
        mix(state.wrapping_mul(3).wrapping_add(GOLDEN) ^ mix(label.wrapping_add(GOLDEN)))
    })
}

/// Returns a seed from the system's entropy, below 2^53.
#[must_use]
pub fn draw() -> u64 {
    // The standard library asks the system for the keys of the first hasher of a thread.
    RandomState::new().build_hasher().finish() >> (u64::BITS - DRAWN_BITS)
}

/// The stream of one thread of a run for one purpose.
pub(crate) fn of_thread(seed: u64, purpose: Purpose, thread: usize) -> fastrand::Rng {
    fastrand::Rng::with_seed(stream(seed, &[purpose as u64, thread as u64]))
}

/// The finaliser of `SplitMix64`: a bijection in which each bit of the input changes each bit of the output with
/// probability 1/2.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::BTreeSet;

    #[test]
    fn every_seed_and_every_list_of_labels_has_a_stream_of_its_own() {
        let mut seen = BTreeSet::new();
        for seed in 0..20 {
            assert!(seen.insert(stream(seed, &[])));
            for first in 0..20 {
                assert!(seen.insert(stream(seed, &[first])));
                for second in 0..20 {
                    assert!(seen.insert(stream(seed, &[first, second])), "{seed}, {first}, {second}");
                }
            }
        }
    }

    #[test]
    fn a_bit_of_seed_or_label_changes_half_of_the_bits() {
        let distance = |one: u64, other: u64| f64::from((one ^ other).count_ones());
        let mut all = Vec::new();
        for number in 0..200 {
            for bit in 0..64 {
                all.push(distance(stream(number, &[5]), stream(number ^ (1 << bit), &[5])));
                all.push(distance(stream(5, &[number, 1]), stream(5, &[number ^ (1 << bit), 1])));
                all.push(distance(stream(5, &[1, number]), stream(5, &[1, number ^ (1 << bit)])));
            }
        }
        // Of 64 bits 32 on average, with a standard deviation of 4 for one pair.
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        assert!((mean - 32.0).abs() < 0.2, "{mean}");
        assert!(all.iter().all(|bits| (8.0..56.0).contains(bits)));
    }

    #[test]
    fn threads_and_purposes_have_nothing_in_common() {
        let numbers = |purpose, thread| {
            let mut chance = of_thread(0, purpose, thread);
            (0..2000).map(|_| chance.f64() - 0.5).collect::<Vec<f64>>()
        };
        let purposes = [Purpose::Arrivals, Purpose::Phase, Purpose::Paths, Purpose::Samples];
        let streams: Vec<Vec<f64>> =
            (0..8).flat_map(|thread| purposes.map(|purpose| numbers(purpose, thread))).collect();
        for (place, one) in streams.iter().enumerate() {
            for other in &streams[..place] {
                let product: f64 = one.iter().zip(other).map(|(one, other)| one * other).sum();
                // The variance of each is 1/12; five standard deviations of the correlation are 5 / sqrt(2000).
                assert!((12.0 * product / 2000.0).abs() < 0.112, "{place}: {}", 12.0 * product / 2000.0);
            }
        }
    }

    #[test]
    fn drawn_seeds_differ_and_are_kept_exactly_by_every_reader() {
        let drawn: BTreeSet<u64> = (0..100).map(|_| draw()).collect();
        assert_eq!(drawn.len(), 100);
        assert!(drawn.iter().all(|&seed| seed < 1 << DRAWN_BITS));
    }
}
