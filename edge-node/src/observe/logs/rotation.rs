//! When a log file is rotated and which files are renamed then: pure, so that every ending of
//! every step is tested.
//!
//! `edge.log` is written; `edge.log.1` is the youngest of the kept files, `edge.log.2` is older.
//! Nothing here touches a file; `logs/file.rs` does.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How many rotated files may be kept at most; numbers up to it are ours.
pub const KEEP_MAX: u8 = 100;

/// When to begin a new file, and how many old ones to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes of a file at most; a file of one line may be longer.
    pub bytes_max: u64,
    /// Time from the first line of a file to the first that goes into another.
    pub age_max: Option<Duration>,
    /// Rotated files that are kept, 1 to [`KEEP_MAX`].
    pub keep: u8,
}

impl Rotation {
    /// True if a line of `line_bytes` belongs into a new file, given what is in the present one.
    #[must_use]
    pub fn is_due(&self, bytes: u64, age: Duration, line_bytes: u64) -> bool {
        let is_full = bytes.saturating_add(line_bytes) > self.bytes_max;
        let is_old = self.age_max.is_some_and(|age_max| age >= age_max);
        // A line that does not fit into an empty file fits nowhere better.
        bytes > 0 && (is_full || is_old)
    }

    /// What makes way for a new file, in order; `present` are the numbers of the rotated files.
    ///
    /// Only files up to the first gap are moved. So a rotation that ended between two steps, which
    /// leaves a gap, is completed by the next one, and the only file that is ever replaced is the
    /// oldest of as many as are kept.
    #[must_use]
    pub fn steps(&self, present: &BTreeSet<u8>) -> Vec<Step> {
        let gap = (1..=self.keep).find(|number| !present.contains(number)).unwrap_or(self.keep);
        let renames = (0..gap).rev().map(|from| Step::Rename { from, to: from + 1 });
        // They are left from a time when more were kept.
        let surplus = present.iter().filter(|number| **number > self.keep);
        renames.chain(surplus.map(|number| Step::Remove(*number))).collect()
    }
}

/// One change to the files; number 0 is the file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Renames a file, replacing the one that has the name.
    Rename {
        /// The number it has.
        from: u8,
        /// The number it gets.
        to: u8,
    },
    /// Removes a file.
    Remove(u8),
}

/// The path of the file with a number.
#[must_use]
pub fn numbered(path: &Path, number: u8) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const ROTATION: Rotation =
        Rotation { bytes_max: 1000, age_max: Some(Duration::from_secs(60)), keep: 3 };

    /// A folder: what is in the file of each number. Contents are numbered by age, oldest first.
    type Folder = BTreeMap<u8, u32>;

    fn apply(folder: &mut Folder, step: Step) {
        match step {
            Step::Rename { from, to } => {
                let contents = folder.remove(&from).expect("what is renamed is there");
                folder.insert(to, contents);
            }
            Step::Remove(number) => {
                folder.remove(&number).expect("what is removed is there");
            }
        }
    }

    fn numbers(folder: &Folder) -> BTreeSet<u8> {
        folder.keys().copied().filter(|number| *number > 0).collect()
    }

    /// The contents of the file that is written and of those that may be kept.
    fn kept(folder: &Folder, keep: u8) -> BTreeSet<u32> {
        folder.range(..=keep).map(|(_, contents)| *contents).collect()
    }

    #[track_caller]
    fn check(bytes: u64, seconds: u64, line_bytes: u64, is_due: bool) {
        assert_eq!(ROTATION.is_due(bytes, Duration::from_secs(seconds), line_bytes), is_due);
    }

    #[test]
    fn a_file_is_full_or_old_but_never_empty() {
        check(900, 0, 100, false);
        check(900, 0, 101, true);
        check(1, 59, 1, false);
        check(1, 60, 1, true);
        check(0, 600, 5000, false);
        let ageless = Rotation { age_max: None, ..ROTATION };
        assert!(!ageless.is_due(1, Duration::MAX, 1));
        assert!(ageless.is_due(u64::MAX, Duration::ZERO, 1));
    }

    #[test]
    fn the_oldest_is_replaced_once_as_many_are_there_as_are_kept() {
        let rename = |from, to| Step::Rename { from, to };
        assert_eq!(ROTATION.steps(&[].into()), [rename(0, 1)]);
        assert_eq!(ROTATION.steps(&[2, 3].into()), [rename(0, 1)]);
        assert_eq!(ROTATION.steps(&[1, 3].into()), [rename(1, 2), rename(0, 1)]);
        let all = [rename(2, 3), rename(1, 2), rename(0, 1)];
        assert_eq!(ROTATION.steps(&[1, 2, 3].into()), all);
        let surplus = [Step::Remove(5), Step::Remove(9)];
        assert_eq!(ROTATION.steps(&[1, 2, 3, 5, 9].into()), [&all[..], &surplus].concat());
    }

    #[test]
    fn a_rotated_file_has_its_number_behind_the_whole_name() {
        assert_eq!(numbered(Path::new("logs/edge.log"), 0), Path::new("logs/edge.log"));
        assert_eq!(numbered(Path::new("logs/edge.log"), 12), Path::new("logs/edge.log.12"));
    }

    proptest! {
        /// Rotations that end after any number of their steps, among files of any numbers.
        #[test]
        fn nothing_younger_than_the_kept_is_lost_wherever_a_rotation_ends(
            present in proptest::collection::btree_set(1..12_u8, 0..12),
            keep in 1..8_u8,
            ends in proptest::collection::vec(0..12_usize, 1..30),
        ) {
            let rotation = Rotation { keep, ..ROTATION };
            let oldest_first = present.iter().rev().zip(0..);
            let mut folder: Folder = oldest_first.map(|(number, age)| (*number, age)).collect();
            let mut next = 1000;
            for end in ends {
                // Writing goes on in a new file, or in the old one if that could not be renamed.
                folder.entry(0).or_insert_with(|| { next += 1; next });
                let before = kept(&folder, keep);
                let steps = rotation.steps(&numbers(&folder));
                let is_whole = end >= steps.len();
                for step in steps.into_iter().take(end) {
                    apply(&mut folder, step);
                }
                // Older files have higher numbers, always.
                let by_number: Vec<u32> = folder.values().copied().collect();
                prop_assert!(by_number.is_sorted_by(|young, old| young > old), "{folder:?}");
                // What is gone is the oldest, and only if as many are left as are to be kept.
                let after = kept(&folder, keep);
                if let Some(lost) = before.difference(&after).max() {
                    prop_assert!(after.iter().all(|left| left > lost), "{folder:?}");
                    prop_assert!(after.len() >= usize::from(keep), "{folder:?}");
                }
                if is_whole {
                    prop_assert!(!folder.contains_key(&0), "{folder:?}");
                    prop_assert!(numbers(&folder).iter().all(|number| *number <= keep), "{folder:?}");
                }
            }
        }
    }
}
