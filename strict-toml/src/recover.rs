//! Reading on after a mistake, so that rules beyond the schema are judged in the same run.
//!
//! Where a value is wrong or missing, nobody knows which one was meant. So the tree is put right in
//! several ways ([`substitute`]), and of what a caller's rules find, only that counts which they find
//! each time and not at a place that was put right: it is a mistake whatever was meant there.

mod substitute;

use std::ops::Range;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Diagnostic, Formats, Source, check, schema, syntax, syntax::Repaired};
use substitute::{Setting, Substitution};

/// A text that was read as far as it could be.
#[derive(Debug)]
pub struct Recovered<T> {
    mistakes: Vec<Diagnostic>,
    /// The value; if there are mistakes, one for each way of putting them right, or none.
    readings: Vec<T>,
    /// Places whose value is not what was written.
    substituted: Vec<Range<usize>>,
}

/// Reads a text as a `T`, and one with mistakes as what it may have been meant to be.
///
/// A misspelled key is read as the one it was taken for, another unknown one left out. A value that
/// does not fit, or is missing, is exchanged for several that do. Of what is declared twice either may
/// have been meant. A text that is not TOML for another reason is judged by its schema only.
pub fn parse_recovering<T: DeserializeOwned + JsonSchema>(
    source: &Source,
    formats: &Formats,
) -> Recovered<T> {
    let repaired = syntax::read(source);
    let tree = syntax::tree(&repaired);
    let schema = schema::<T>();
    let found = check::check(&repaired.source, &tree, &schema, formats);
    let (mut readings, mut substituted) = if repaired.is_readable() {
        readings(&Setting::new(&repaired.source, &schema, formats, &tree), found.is_empty())
    } else {
        (Vec::new(), Vec::new())
    };
    if let Some(later) = repaired.with_later().filter(|_| repaired.is_readable()) {
        let tree = syntax::tree(&later);
        let is_sound = check::check(&later.source, &tree, &schema, formats).is_empty();
        let setting = Setting::new(&later.source, &schema, formats, &tree);
        let (others, places) = self::readings(&setting, is_sound);
        readings.extend(others);
        substituted.extend(places);
    }
    let mut mistakes = as_written(&repaired, found);
    let mut values = Vec::new();
    for reading in readings {
        match reading {
            Ok(value) => values.push(value),
            Err(refused) if mistakes.is_empty() => mistakes.push(*refused),
            // With a mistake in the text it may be the substitute that is refused.
            Err(_) => {}
        }
    }
    Recovered { mistakes, readings: values, substituted }
}

/// A value, or why serde refused it.
type Reading<T> = Result<T, Box<Diagnostic>>;

/// The tree as values, and where they differ from it.
fn readings<T: DeserializeOwned>(
    setting: &Setting<'_, '_>,
    is_sound: bool,
) -> (Vec<Reading<T>>, Vec<Range<usize>>) {
    if is_sound {
        return (vec![deserialize(setting.root())], Vec::new());
    }
    let Substitution { root, ways, places, dropped } = setting.substitute(0, &[]);
    let mut readings = vec![deserialize(root)];
    let mut substituted = places;
    for way in 1..=ways {
        let other = setting.substitute(way, &dropped);
        readings.push(deserialize(other.root));
        substituted.extend(other.places);
    }
    (readings, substituted)
}

fn deserialize<T: DeserializeOwned>(root: toml::Spanned<toml::de::DeTable<'_>>) -> Reading<T> {
    T::deserialize(toml::de::Deserializer::from(root)).map_err(|error| {
        let span = error.span().unwrap_or_default();
        Box::new(Diagnostic::error(error.message()).at(span, ""))
    })
}

/// The mistakes of a repaired text, together with those of repairing it, in the text as it was written.
fn as_written(repaired: &Repaired, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let all = repaired.mistakes.iter().cloned().chain(found);
    let mut mistakes: Vec<_> = all.map(|mistake| repaired.as_written(mistake)).collect();
    mistakes.sort_by_key(Diagnostic::start);
    mistakes
}

impl<T> Recovered<T> {
    /// The value, if the text has no mistake.
    ///
    /// # Errors
    /// Every mistake, sorted by place.
    pub fn strict(mut self) -> Result<T, Vec<Diagnostic>> {
        match self.readings.pop() {
            Some(value) if self.mistakes.is_empty() => Ok(value),
            Some(_) | None => Err(self.mistakes),
        }
    }

    /// Applies rules that the schema cannot state.
    ///
    /// # Errors
    /// Every mistake of the text and of the rules, sorted by place. A mistake that the rules find only
    /// because of another one is left out.
    pub fn lower<U>(
        self,
        rules: impl Fn(&T) -> Result<U, Vec<Diagnostic>>,
    ) -> Result<U, Vec<Diagnostic>> {
        let Self { mut mistakes, readings, substituted } = self;
        if let ([], [value]) = (mistakes.as_slice(), readings.as_slice()) {
            return rules(value);
        }
        let mut found = readings.iter().map(|value| rules(value).err().unwrap_or_default());
        let first = found.next().unwrap_or_default();
        let others: Vec<_> = found.collect();
        mistakes.extend(first.into_iter().filter(|mistake| {
            let is_in = |other: &Vec<Diagnostic>| other.iter().any(|found| is_same(found, mistake));
            others.iter().all(is_in) && !touches(mistake, &substituted)
        }));
        mistakes.sort_by_key(Diagnostic::start);
        Err(mistakes)
    }
}

/// Whether two readings led to the same mistake; what is suggested may differ with what there is.
fn is_same(one: &Diagnostic, other: &Diagnostic) -> bool {
    one.message == other.message && one.label == other.label
}

/// Whether a mistake speaks of one of the places.
fn touches(mistake: &Diagnostic, places: &[Range<usize>]) -> bool {
    let mut labels = mistake.label.iter().chain(&mistake.related);
    labels.any(|label| {
        let meets = |place: &Range<usize>| {
            label.span.start < place.end && place.start < label.span.end || label.span == *place
        };
        places.iter().any(meets)
    })
}
