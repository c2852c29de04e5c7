//! Picks follow the weights, and consistent hashes stay.

use proptest::prelude::*;

use super::*;

/// Turns of a weighted round robin that one candidate may be ahead or behind at any moment.
const AHEAD_MAX: f64 = 5.0;

fn candidates(weights: &[u64]) -> Candidates {
    Candidates::new(weights.iter().copied().enumerate())
}

fn weights() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(0_u64..=1000, 1..12)
        .prop_filter("somebody may be picked", |weights| weights.iter().any(|weight| *weight > 0))
}

#[test]
fn nobody_is_picked_of_nobody() {
    for candidates in [candidates(&[]), candidates(&[0, 0])] {
        assert_eq!(candidates.in_turn(7), None);
        assert_eq!(candidates.of_two(7, |_| 0), None);
        assert_eq!(candidates.by_hash(7, |_| 0), None);
    }
}

#[test]
fn equal_weights_take_turns_in_order() {
    let candidates = candidates(&[7, 7, 0, 7]);
    let picked: Vec<_> = (0..6).map(|turn| candidates.in_turn(turn).unwrap()).collect();
    assert_eq!(picked, [0, 1, 3, 0, 1, 3]);
}

#[test]
fn a_heavy_one_does_not_have_its_turns_in_one_piece() {
    let candidates = candidates(&[5, 1, 1]);
    let picked: Vec<_> = (0..14).map(|turn| candidates.in_turn(turn).unwrap()).collect();
    let longest = picked.chunk_by(PartialEq::eq).filter(|run| run[0] == 0).map(<[_]>::len).max();
    assert!(longest.unwrap() <= 5, "{picked:?}");
    assert_eq!(picked.iter().filter(|index| **index == 0).count(), 10);
}

#[test]
fn of_two_the_less_loaded_for_its_weight_wins() {
    let candidates = candidates(&[1, 3]);
    for random in 0..100 {
        assert_eq!(candidates.of_two(random, |index| [2, 5][index]), Some(1));
        assert_eq!(candidates.of_two(random, |index| [1, 4][index]), Some(0));
    }
}

#[test]
fn of_two_without_load_follows_the_weights() {
    let candidates = candidates(&[1, 3]);
    let heavy = (0..10_000).filter(|random| candidates.of_two(*random, |_| 0) == Some(1)).count();
    assert!((7300..7700).contains(&heavy), "{heavy}");
}

#[test]
fn hashes_are_the_same_for_ever() {
    // A change here sends every client of every site to another upstream.
    assert_eq!(hash(b""), 0xC381_7C01_6BA4_FF30);
    assert_eq!(hash(b"127.0.0.1:3000"), 0xE7F5_868E_6B0A_F09F);
    assert_ne!(hash(b"127.0.0.1:3000"), hash(b"127.0.0.1:3001"));
}

/// Which member each of many keys goes to.
fn placed(weights: &[u64]) -> Vec<usize> {
    let candidates = candidates(weights);
    (0..KEYS)
        .map(|key| candidates.by_hash(hash(&key.to_le_bytes()), |index| mix(index as u64)).unwrap())
        .collect()
}

const KEYS: u64 = 4000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_round_of_turns_gives_everybody_exactly_its_weight(weights in weights()) {
        let candidates = candidates(&weights);
        let mut counts = vec![0; weights.len()];
        for turn in 0..candidates.total {
            counts[candidates.in_turn(turn).unwrap()] += 1;
        }
        let divisor = weights.iter().sum::<u64>() / candidates.total;
        let expected: Vec<_> = weights.iter().map(|weight| weight / divisor).collect();
        prop_assert_eq!(counts, expected);
    }

    #[test]
    fn at_no_moment_is_anybody_far_ahead_of_its_weight(weights in weights(), start in 0_u64..100_000) {
        let candidates = candidates(&weights);
        let total: u64 = weights.iter().sum();
        let mut counts = vec![0.0; weights.len()];
        for turn in 0..2000 {
            counts[candidates.in_turn(start + turn).unwrap()] += 1.0;
            for (count, weight) in counts.iter().zip(&weights) {
                let due = (turn + 1) as f64 * *weight as f64 / total as f64;
                prop_assert!((count - due).abs() <= AHEAD_MAX, "{} instead of {}", count, due);
            }
        }
    }

    #[test]
    fn keys_move_only_from_a_member_that_goes_and_to_one_that_comes(
        weights in prop::collection::vec(1_u64..20, 2..12),
        leaver in any::<prop::sample::Index>(),
    ) {
        let leaver = leaver.index(weights.len());
        let mut fewer = weights.clone();
        fewer[leaver] = 0;
        let (before, after) = (placed(&weights), placed(&fewer));
        for (before, after) in before.iter().zip(&after) {
            prop_assert!(before == after || *before == leaver);
        }
    }

    #[test]
    fn a_member_has_its_share_of_keys(weights in prop::collection::vec(1_u64..5, 2..8)) {
        let total: u64 = weights.iter().sum();
        let placed = placed(&weights);
        for (index, weight) in weights.iter().enumerate() {
            let keys = placed.iter().filter(|place| **place == index).count() as f64;
            let due = (KEYS * weight) as f64 / total as f64;
            // Five standard deviations of a binomial.
            prop_assert!((keys - due).abs() < 5.0 * due.sqrt(), "{} instead of {}", keys, due);
        }
    }

    #[test]
    fn a_weight_that_grows_takes_keys_and_moves_no_others(
        weights in prop::collection::vec(1_u64..20, 2..8),
        more in 1_u64..20,
    ) {
        let mut heavier = weights.clone();
        heavier[0] += more;
        for (before, after) in placed(&weights).iter().zip(&placed(&heavier)) {
            prop_assert!(before == after || *after == 0);
        }
    }
}
