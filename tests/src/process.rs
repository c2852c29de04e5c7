//! Running other programs: to their end with a deadline, or in the background until dropped.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::wait;

/// What is left of a program that ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The command as it was run, for messages.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// All it wrote to standard output.
    pub stdout: String,
    /// All it wrote to standard error.
    pub stderr: String,
}

impl Finished {
    /// Gives its standard output.
    ///
    /// # Panics
    /// When it failed; the message has the command and all it wrote.
    #[track_caller]
    pub fn success(self) -> String {
        assert!(self.status.success(), "{self}");
        self.stdout
    }

    /// Exit code, or `None` where a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { command, status, stdout, stderr } = self;
        write!(to, "{command}\n{status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// Runs `command` to its end.
///
/// Its output goes through files: a service that it starts may keep a pipe open for ever.
///
/// # Panics
/// When it does not start, or does not end within `limit` (it is killed then).
#[track_caller]
pub fn run(command: &mut Command, limit: Duration) -> Finished {
    let mut outputs = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
    let [stdout, stderr] = outputs.each_ref().map(|file| file.try_clone().unwrap());
    let name = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
    let status = wait::within(limit, || child.try_wait().unwrap());
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let [stdout, stderr] = outputs.each_mut().map(read_from_start);
    let Some(status) = status else {
        panic!("{name} does not end within {limit:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    };
    Finished { command: name, status, stdout, stderr }
}

/// The command that runs `command`, in its folder and environment, by the program and arguments of `wrapper`.
pub fn through(mut wrapper: Command, command: &Command) -> Command {
    wrapper.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapper.env(name, value),
            None => wrapper.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        wrapper.current_dir(folder);
    }
    wrapper
}

/// The command, ended by an interrupt as on a terminal: a shell starts what it puts in the background deaf to it.
pub fn interruptible(command: &Command) -> Command {
    let mut wrapper = Command::new("env");
    wrapper.arg("--default-signal=INT");
    through(wrapper, command)
}

fn read_from_start(file: &mut File) -> String {
    use std::io::Seek as _;
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A program in the background, killed when dropped.
#[derive(Debug)]
pub struct Background {
    child: Child,
}

impl Background {
    /// Starts `command` with its output, both kinds, written to the file `log`.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let log = File::create(log).unwrap();
        let errors = log.try_clone().unwrap();
        let command = command.stdin(Stdio::null()).stdout(log).stderr(errors);
        Self { child: command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")) }
    }

    /// Starts `command` with nothing to say and an open standard input, which closes when this process ends in
    /// whatever way; programs that read it end then, too.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start_reading(command: &mut Command) -> Self {
        Self::start_reading_and_telling(command, Stdio::null())
    }

    /// The same, with what it writes to standard error sent to `errors`.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start_reading_and_telling(command: &mut Command, errors: impl Into<Stdio>) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(errors);
        Self { child: command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")) }
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard input, once.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
