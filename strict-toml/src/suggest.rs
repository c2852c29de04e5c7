//! "Did you mean": the candidate a misspelled word most likely stands for.

/// The candidate nearest to `word`, if one is near enough to be worth saying.
///
/// Near enough is one edit (a character dropped, added, replaced, or two swapped) for every three
/// characters, one at least, and always a word that differs only in case, `-` and `_`. Among
/// equally near candidates the earlier wins, so callers put the likelier ones first.
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(word);
    let distance = |candidate: &str| {
        if fold(candidate) == folded { 0 } else { strsim::osa_distance(word, candidate) }
    };
    candidates
        .into_iter()
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, candidate)| *distance <= reach(word, candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many edits apart two words may be and still be taken for each other.
///
/// Always fewer than the shorter one has characters: else any two letters would be alike.
fn reach(word: &str, candidate: &str) -> usize {
    let (a, b) = (word.chars().count(), candidate.chars().count());
    (a.max(b) / 3).max(1).min(a.min(b).saturating_sub(1))
}

fn fold(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_far_word_is_not_suggested() {
        assert_eq!(suggest("windows", ["linux", "systemd"]), None);
        assert_eq!(suggest("x", ["y", "z"]), None);
        assert_eq!(suggest("", ["port"]), None);
    }

    #[test]
    fn case_and_separators_do_not_count() {
        assert_eq!(suggest("restartDelay", ["restart", "restart-delay"]), Some("restart-delay"));
        assert_eq!(suggest("STOP_TIMEOUT", ["stop-timeout"]), Some("stop-timeout"));
    }

    #[test]
    fn the_earlier_of_equally_near_words_wins() {
        assert_eq!(suggest("rat", ["cat", "bat"]), Some("cat"));
    }

    /// Every word one slip of the finger away from `key`.
    fn misspellings(key: &str) -> Vec<String> {
        let chars: Vec<char> = key.chars().collect();
        let text = |chars: &[char]| chars.iter().collect::<String>();
        let mut words = Vec::new();
        for at in 0..chars.len() {
            let mut dropped = chars.clone();
            dropped.remove(at);
            let mut doubled = chars.clone();
            doubled.insert(at, chars[at]);
            let mut replaced = chars.clone();
            replaced[at] = '#';
            let mut swapped = chars.clone();
            swapped.swap(at, (at + 1) % chars.len());
            // Swapping the last with the first is no slip of neighbouring keys.
            let swapped = if at + 1 < chars.len() { swapped } else { doubled.clone() };
            words.extend([dropped, doubled, replaced, swapped].iter().map(|word| text(word)));
        }
        words
    }

    proptest! {
        #[test]
        fn one_slip_in_a_key_of_three_or_more_is_always_found(key in "[a-zäß0-9_-]{3,24}") {
            for word in misspellings(&key) {
                prop_assert_eq!(suggest(&word, [key.as_str()]), Some(key.as_str()), "{}", word);
            }
        }
    }
}
