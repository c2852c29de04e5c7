//! A step is fresh when nothing about it changed, and only then.

use super::*;
use crate::plan::{Action, Stage};

/// A step that reads `in` and writes `out`, in a folder of its own.
struct Site {
    _folder: tempfile::TempDir,
    roots: Roots,
    step: Step,
}

impl Site {
    /// The step was run and is remembered.
    fn remembered() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_path_buf();
        let roots = Roots {
            workspace: root.clone(),
            target: root.clone(),
            work: root.join("work"),
            release: root.join("release"),
        };
        let step = Step {
            id: "archive/a.zip".to_owned(),
            stage: Stage::Archive,
            target: None,
            inputs: vec![Location::Workspace("in".to_owned())],
            outputs: vec![Location::Release("out".to_owned())],
            action: Action::Write { contents: "text".to_owned(), executable: false },
        };
        let site = Self { _folder: folder, roots, step };
        site.write_input("input");
        site.write_output("output");
        site.stamps("tools").remember(&site.step).unwrap();
        site
    }

    fn stamps(&self, identity: &str) -> Stamps<'_> {
        Stamps::new(&self.roots, identity.to_owned())
    }

    fn write_input(&self, text: &str) {
        files::write(&self.roots.workspace.join("in"), text.as_bytes(), 0o644).unwrap();
    }

    fn write_output(&self, text: &str) {
        files::write(&self.roots.release.join("out"), text.as_bytes(), 0o644).unwrap();
    }

    /// As another run of the toolkit finds it.
    #[track_caller]
    fn check(&self, fresh: bool) {
        assert_eq!(self.stamps("tools").is_fresh(&self.step).unwrap(), fresh);
    }
}

#[test]
fn what_did_not_change_is_fresh() {
    let site = Site::remembered();
    site.check(true);
    site.write_input("input");
    site.check(true);
}

#[test]
fn a_changed_input_makes_it_run_again() {
    let site = Site::remembered();
    site.write_input("INPUT");
    site.check(false);
    site.write_input("input");
    site.check(true);
}

#[test]
fn an_input_more_or_less_makes_it_run_again() {
    let mut site = Site::remembered();
    let input = site.step.inputs.pop().unwrap();
    site.check(false);
    site.step.inputs.extend([input.clone(), input]);
    site.check(false);
}

#[test]
fn a_changed_action_makes_it_run_again() {
    let mut site = Site::remembered();
    site.step.action = Action::Write { contents: "text".to_owned(), executable: true };
    site.check(false);
}

#[test]
fn a_changed_or_missing_output_makes_it_run_again() {
    let site = Site::remembered();
    site.write_output("OUTPUT");
    site.check(false);
    fs::remove_file(site.roots.release.join("out")).unwrap();
    site.check(false);
}

#[test]
fn another_output_makes_it_run_again() {
    let mut site = Site::remembered();
    site.step.outputs = vec![Location::Release("other".to_owned())];
    site.check(false);
}

#[test]
fn other_tools_make_it_run_again() {
    let site = Site::remembered();
    assert!(!site.stamps("other tools").is_fresh(&site.step).unwrap());
}

#[test]
fn a_step_that_never_ran_or_whose_stamp_is_damaged_runs() {
    let site = Site::remembered();
    let stamp = site.stamps("tools").path(&site.step);
    let text = fs::read_to_string(&stamp).unwrap();
    for damaged in ["", "{}", &text[..text.len() - 1]] {
        fs::write(&stamp, damaged).unwrap();
        site.check(false);
    }
    fs::remove_file(&stamp).unwrap();
    site.check(false);
}

#[test]
fn steps_do_not_share_stamps() {
    let site = Site::remembered();
    let other = Step { id: "archive/b.zip".to_owned(), ..site.step.clone() };
    assert!(!site.stamps("tools").is_fresh(&other).unwrap());
}

#[test]
fn an_input_that_cannot_be_read_is_named() {
    let site = Site::remembered();
    let input = site.roots.workspace.join("in");
    fs::remove_file(&input).unwrap();
    let error = site.stamps("tools").is_fresh(&site.step).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: cannot read: ", input.display())), "{error}");
}

#[test]
fn a_file_that_changes_during_a_run_is_read_again() {
    let site = Site::remembered();
    let stamps = site.stamps("tools");
    assert!(stamps.is_fresh(&site.step).unwrap());
    site.write_input("another length");
    assert!(!stamps.is_fresh(&site.step).unwrap());
}
