//! Runs a plan. The only room with effects on the release: every [`Action`] is matched here, without a catch-all.

pub mod codesign;
pub mod files;
mod gpg;
mod installer;
pub mod keys;
mod programs;
pub mod publish;
mod release;
pub mod schedule;
pub mod stamp;

use crate::archive;
use crate::plan::{Action, Plan, Roots, Step};
use crate::tool::ToolError;
use crate::toolchain::{Host, Support, Target};
use files::FileError;
use stamp::Stamps;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Why a step failed.
#[derive(Debug, Error)]
#[error("step {step} failed: {cause}")]
pub struct StepError {
    /// The step's id.
    pub step: String,
    /// What went wrong.
    pub cause: Cause,
}

/// What went wrong in a step.
#[derive(Debug, Error)]
pub enum Cause {
    /// A file could not be read, written or moved.
    #[error(transparent)]
    File(#[from] FileError),
    /// A tool did not do what it is for.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// The linker's files could not be made, or symbols not be split.
    #[error(transparent)]
    Toolchain(#[from] crate::toolchain::ToolchainError),
    /// The bytes of a program are not as they should be.
    #[error("the program {program} is refused:{}", list(.violations))]
    Inspect {
        /// The program.
        program: String,
        /// What is wrong with it.
        violations: Vec<String>,
    },
    /// A program did not get the signature that is declared.
    #[error("{file} is not code-signed: {reason}")]
    Codesign {
        /// Base name of the program.
        file: String,
        /// Why not.
        reason: String,
    },
    /// A package or the index of packages did not get the signature that is declared.
    #[error("{file} is not signed: {reason}")]
    Gpg {
        /// Base name of the file.
        file: String,
        /// Why not.
        reason: String,
    },
    /// Something is larger than the declaration allows.
    #[error(
        "{what} has {size} bytes, {size_max} are allowed (raise the limit in {} if that is meant)",
        crate::config::PATH
    )]
    TooLarge {
        /// What it is.
        what: String,
        /// Its size.
        size: u64,
        /// What is allowed.
        size_max: u64,
    },
    /// An archive could not be packed.
    #[error(transparent)]
    Archive(#[from] crate::archive::ArchiveError),
    /// The trusted comment cannot hold what it is to say.
    #[error(transparent)]
    Comment(#[from] crate::signature::CommentError),
    /// The plan signs, but no key was given.
    #[error("there is no key to sign with")]
    NoKey,
    /// The finished release does not verify; nothing was published.
    #[error("the finished release does not verify:{}", list(.0))]
    Verify(Vec<String>),
    /// The release could not be put in its place.
    #[error(transparent)]
    Publish(#[from] publish::PublishError),
}

fn list(items: &[String]) -> String {
    items.iter().map(|item| format!("\n    {item}")).collect()
}

/// What running a plan needs beside the plan.
#[derive(Debug)]
pub struct Context {
    /// The folders that locations are relative to.
    pub roots: Roots,
    /// Where the release goes.
    pub out: PathBuf,
    /// The building machine.
    pub host: Host,
    /// The key that signs; `None` where nothing is signed.
    pub keys: Option<keys::KeyPair>,
    /// The secrets that code signing takes; `None` where nothing is code-signed.
    pub codesign: Option<keys::codesign::Credentials>,
    /// The secrets that signing packages takes; `None` where none is signed.
    pub gpg: Option<keys::gpg::Credentials>,
    /// Versions of the tools that take part in making bytes, by name.
    pub tools: std::collections::BTreeMap<String, String>,
    /// How many steps run side by side, and how many files the manifest digests at a time.
    pub jobs: usize,
}

/// What a step did, for whoever watches.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// The step.
    pub step: &'a Step,
    /// How long it took; `None` where what it would make was already there.
    pub took: Option<Duration>,
}

/// Runs every step of a plan.
///
/// # Errors
/// The first step that failed; the previous release is as it was.
pub fn execute(
    plan: &Plan,
    context: &Context,
    watch: &(dyn Fn(Event<'_>) + Sync),
) -> Result<(), StepError> {
    discard_leftovers(plan, context)?;
    let key = context.codesign.as_ref().map(keys::codesign::Credentials::fingerprint);
    let program = this_program(&context.host);
    let identity = format!("{:?} {program} {}", context.tools, key.unwrap_or_default());
    let stamps = Stamps::new(&context.roots, identity);
    let run = Run { plan, context, stamps };
    let failed = |step: &Step, cause| StepError { step: step.id.clone(), cause };
    schedule::run(plan, context.jobs, &|step| {
        let took = run.step(step).map_err(|cause| failed(step, cause))?;
        watch(Event { step, took });
        Ok(())
    })
}

/// Which build of the toolkit this is: another one may pack the same files otherwise, under the same version.
fn this_program(host: &Host) -> String {
    match std::fs::metadata(&host.xtask) {
        Ok(metadata) => format!("{} {:?}", metadata.len(), metadata.modified().ok()),
        Err(_) => "unknown".to_owned(),
    }
}

/// Removes what a run that was killed, or an earlier plan, of another version or target, left in the work folder.
fn discard_leftovers(plan: &Plan, context: &Context) -> Result<(), StepError> {
    let discard = || -> Result<(), FileError> {
        let roots = &context.roots;
        files::remove_folder(&roots.work.join(installer::SCRATCH))?;
        files::remove_unfinished(&stamp::folder(roots))?;
        let outputs = plan.steps.iter().flat_map(|step| &step.outputs);
        let files: Vec<_> = outputs.map(|output| output.resolve(roots)).collect();
        let folders: BTreeSet<_> = files.iter().filter_map(|file| file.parent()).collect();
        folders.into_iter().try_for_each(files::remove_unfinished)?;
        let Ok(entries) = std::fs::read_dir(&roots.release) else { return Ok(()) };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if plan.artifacts.iter().all(|artifact| name != *artifact.name) {
                std::fs::remove_file(entry.path())
                    .map_err(files::at("cannot remove", &entry.path()))?;
            }
        }
        Ok(())
    };
    discard().map_err(|cause| StepError { step: "clean".to_owned(), cause: cause.into() })
}

/// One run of a plan.
struct Run<'a> {
    plan: &'a Plan,
    context: &'a Context,
    stamps: Stamps<'a>,
}

impl Run<'_> {
    /// Does a step unless what it would make is already there.
    fn step(&self, step: &Step) -> Result<Option<Duration>, Cause> {
        let remembered = is_remembered(&step.action);
        if remembered && self.stamps.is_fresh(step)? {
            return Ok(None);
        }
        let start = Instant::now();
        self.act(step)?;
        if remembered {
            self.stamps.remember(step)?;
        }
        Ok(Some(start.elapsed()))
    }

    fn act(&self, step: &Step) -> Result<(), Cause> {
        let Context { roots, out, host, keys, codesign, gpg, tools, jobs } = self.context;
        match &step.action {
            Action::Support { triple, .. } => {
                if let Some(support) = Support::of(Target::parse(triple)?) {
                    support.install(host)?;
                }
                Ok(())
            }
            Action::Cargo(build) => programs::build(build, roots),
            Action::Stub => programs::stub(step, roots),
            Action::Inspect(rules) => programs::inspect(rules, roots),
            Action::SplitSymbols { program, stripped, symbols } => programs::split(
                host,
                &program.resolve(roots),
                &stripped.resolve(roots),
                &symbols.resolve(roots),
            ),
            Action::Write { contents, executable } => {
                let mode = if *executable { 0o755 } else { 0o644 };
                for output in &step.outputs {
                    files::write_if_changed(&output.resolve(roots), contents.as_bytes(), mode)?;
                }
                Ok(())
            }
            Action::Codesign(job) => codesign::sign(job, codesign.as_ref(), roots),
            Action::Makensis { script, payload, installer, size_max, uninstaller } => {
                let desk = uninstaller
                    .as_ref()
                    .map(|how| codesign::Desk::new(how, codesign.as_ref(), roots))
                    .transpose()?;
                let output = step.outputs.first().expect("an installer is written somewhere");
                let job = installer::Job {
                    script,
                    payload,
                    installer,
                    size_max: *size_max,
                    output: &output.resolve(roots),
                    uninstaller: desk.as_ref().map(|desk| (desk, host.xtask.as_path())),
                    secret_variables: &host.secret_variables,
                };
                installer::compile(&job, roots)
            }
            Action::Compress => release::compress(step, archive::gzip, roots),
            Action::Deflate => release::compress(step, archive::deflate, roots),
            Action::Archive { format, members, epoch, deflated } => {
                release::archive(step, *format, members, *epoch, deflated.as_ref(), roots)
            }
            Action::SignRpm { unsigned, how } => {
                gpg::sign_rpm(step, unsigned, how, gpg.as_ref(), roots)
            }
            Action::IndexDebs => gpg::index_debs(step, roots),
            Action::SignIndex { index, repository, how } => {
                gpg::sign_index(step, index, repository, how, gpg.as_ref(), roots)
            }
            Action::Manifest(head) => release::manifest(step, head, tools, *jobs, roots),
            Action::Checksum { algorithm } => release::checksums(step, *algorithm, roots),
            Action::Sign { trusted_comment } => {
                release::sign(step, trusted_comment, keys.as_ref().ok_or(Cause::NoKey)?, roots)
            }
            Action::Verify => release::verify(self.plan, keys.as_ref().ok_or(Cause::NoKey)?, roots),
            Action::Publish => {
                let names: Vec<_> =
                    self.plan.artifacts.iter().map(|artifact| artifact.name.as_str()).collect();
                Ok(publish::publish(&roots.release, &names, out)?)
            }
        }
    }
}

/// Cargo, the linker's files and texts know by themselves what is fresh; a minisign signature depends on a key that no
/// stamp should know of, while that of code signing is part of what every stamp is about; verifying and publishing are about
/// what is there now.
fn is_remembered(action: &Action) -> bool {
    match action {
        Action::SplitSymbols { .. }
        | Action::Inspect(_)
        | Action::Codesign(_)
        | Action::Makensis { .. }
        | Action::Compress
        | Action::Deflate
        | Action::Archive { .. }
        | Action::SignRpm { .. }
        | Action::IndexDebs
        | Action::SignIndex { .. }
        | Action::Manifest(_)
        | Action::Checksum { .. } => true,
        Action::Support { .. }
        | Action::Cargo(_)
        | Action::Stub
        | Action::Write { .. }
        | Action::Sign { .. }
        | Action::Verify
        | Action::Publish => false,
    }
}
