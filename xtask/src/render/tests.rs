//! Rendering as a whole, with a product that is not ours: nothing is wired to one.

pub(crate) mod fixture;
mod golden;
mod hostile;
mod misspelled;
mod scripts;
mod tools;
