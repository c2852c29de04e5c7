//! Which of the candidates a request goes to. Pure, and without a lock: what differs from request to request is a
//! number that is given.
//!
//! All three ways pick by weight. In turn: the turn's number is spread over the sum of the weights by a stride near the
//! golden ratio, so that in each round of turns every candidate has exactly its share, well mixed, whichever threads
//! take which turns. Of two: both drawn by weight, the less loaded one wins. By hash: weighted rendezvous hashing, where
//! a member that comes or goes moves only the keys that it gains or loses.

/// Those that may be picked, with their weights.
#[derive(Clone, Debug)]
pub struct Candidates {
    members: Vec<Candidate>,
    total: u64,
    stride: u64,
    are_equal: bool,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// Which member of the pool it is.
    index: usize,
    weight: u64,
    /// The sum of the weights up to this one's end.
    end: u64,
}

impl Candidates {
    /// Candidates from members' indices and weights; a weight of 0 makes none. Weights are at most a million and
    /// members at most a few thousand.
    #[must_use]
    pub fn new(weights: impl Iterator<Item = (usize, u64)>) -> Self {
        let some: Vec<_> = weights.filter(|(_, weight)| *weight > 0).collect();
        let divisor = some.iter().fold(0, |divisor, (_, weight)| gcd(divisor, *weight)).max(1);
        let mut total = 0;
        let members: Vec<_> = some
            .into_iter()
            .map(|(index, weight)| {
                let weight = weight / divisor;
                total += weight;
                Candidate { index, weight, end: total }
            })
            .collect();
        let are_equal = members.iter().all(|member| member.weight == 1);
        let stride = if are_equal { 1 } else { stride(total) };
        Self { members, total, stride, are_equal }
    }

    /// Those of them that are not left out.
    #[must_use]
    pub fn without(&self, is_left_out: impl Fn(usize) -> bool) -> Self {
        let kept = self.members.iter().filter(|candidate| !is_left_out(candidate.index));
        Self::new(kept.map(|candidate| (candidate.index, candidate.weight)))
    }

    /// Picks in turn, by the turn's number.
    #[must_use]
    pub fn in_turn(&self, turn: u64) -> Option<usize> {
        let place = turn.checked_rem(self.total)? * self.stride % self.total;
        Some(self.at(place).index)
    }

    /// Picks, of two drawn by weight, the one with less load for its weight; the first where they are even.
    #[must_use]
    pub fn of_two(&self, random: u64, load: impl Fn(usize) -> usize) -> Option<usize> {
        let first = self.at(mix(random).checked_rem(self.total)?);
        let Some(rest @ 1..) = self.total.checked_sub(first.weight) else {
            return Some(first.index);
        };
        // Drawn from all but the first, which is stepped over.
        let place = mix(random ^ SECOND) % rest;
        let is_before = place < first.end - first.weight;
        let second = self.at(if is_before { place } else { place + first.weight });
        let load_for = |one: &Candidate, other: &Candidate| load(one.index) as u64 * other.weight;
        let is_second = load_for(second, first) < load_for(first, second);
        Some(if is_second { second.index } else { first.index })
    }

    /// Picks by the hash of a key; `seed` is a member's own, the same wherever and whenever it is computed.
    #[must_use]
    pub fn by_hash(&self, hash: u64, seed: impl Fn(usize) -> u64) -> Option<usize> {
        let drawn = |candidate: &Candidate| mix(hash ^ seed(candidate.index));
        let best = if self.are_equal {
            self.members.iter().max_by_key(|candidate| drawn(candidate))
        } else {
            let score = |candidate: &Candidate| {
                // Between 0 and 1 without either.
                let uniform = ((drawn(candidate) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
                candidate.weight as f64 / -uniform.ln()
            };
            self.members.iter().max_by(|one, other| score(one).total_cmp(&score(other)))
        };
        best.map(|candidate| candidate.index)
    }

    /// The candidate that a place below the total falls to.
    fn at(&self, place: u64) -> &Candidate {
        let position = self.members.partition_point(|candidate| candidate.end <= place);
        &self.members[position]
    }
}

/// Makes another draw of the same number.
const SECOND: u64 = 0x9E37_79B9_7F4A_7C15;

/// Spreads a number over all 64 bits. Source: the finaliser of `SplitMix64`, Steele, Lea and Flood 2014.
#[must_use]
pub const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(SECOND);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The hash of a key, the same on each node and after each restart. Source: FNV-1a, draft-eastlake-fnv.
#[must_use]
pub fn hash(key: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
    mix(key.iter().fold(0xCBF2_9CE4_8422_2325, step))
}

/// Numbers on each side of the golden section among which the stride is looked for.
const STRIDES: u64 = 16;

/// A number near the golden section of `total` whose multiples visit every place, each as far as can be from those just
/// visited. How far that is, the greatest quotient of its continued fraction says: the smaller, the better. Source: the
/// discrepancy of Kronecker sequences, Niederreiter 1992, chapter 3.
fn stride(total: u64) -> u64 {
    let golden = (total as f64 * 0.618_033_988_749_895) as u64;
    let near = golden.saturating_sub(STRIDES).max(1)..(golden + STRIDES).min(total);
    let quality = |stride| Some((greatest_quotient(stride, total)?, golden.abs_diff(stride)));
    let best = near.filter_map(|stride| Some((quality(stride)?, stride))).min();
    best.map_or(1, |(_, stride)| stride)
}

/// The greatest quotient of the continued fraction of two numbers; none where they share a divisor.
fn greatest_quotient(mut small: u64, mut large: u64) -> Option<u64> {
    let mut greatest = 0;
    while small > 0 {
        greatest = greatest.max(large / small);
        (large, small) = (small, large % small);
    }
    (large == 1).then_some(greatest)
}

fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { gcd(other, one % other) }
}

#[cfg(test)]
mod tests;
