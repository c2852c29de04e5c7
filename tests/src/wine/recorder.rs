//! The program `service_recorder` in a prefix: it talks to the service control manager and writes down what that
//! answers, often enough to see every state.

use std::hash::{DefaultHasher, Hasher as _};
use std::process::{Child, Stdio};
use std::time::Duration;

use tempfile::NamedTempFile;

use super::{LIMIT, Wine, compile, in_prefix};
use crate::process::Finished;
use crate::{cache, tools, wait};

/// Where it is, on drive C.
const PROGRAM: &str = r"C:\recorder.exe";

/// A status of a service (`SERVICE_STATUS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// 1 stopped, 2 start pending, 3 stop pending, 4 running, 7 paused.
    pub state: u32,
    /// Of a pending state.
    pub checkpoint: u32,
    /// Milliseconds.
    pub wait_hint: u32,
    /// 1066 says that the service's own code counts.
    pub exit: u32,
    /// The service's own exit code.
    pub specific: u32,
    /// The controls accepted, as bits.
    pub controls: u32,
}

impl Status {
    /// Reads a line of the recorder.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    fn read(line: &str) -> Self {
        let numbers: Vec<u32> =
            line.split_ascii_whitespace().map(|number| number.parse().unwrap()).collect();
        let [state, checkpoint, wait_hint, exit, specific, controls] = numbers[..] else {
            panic!("no status: {line:?}")
        };
        Self { state, checkpoint, wait_hint, exit, specific, controls }
    }
}

/// The recorder of a Windows.
#[derive(Clone, Copy, Debug)]
pub struct Recorder<'a> {
    wine: &'a Wine,
    service: &'a str,
}

/// A recording that goes on.
#[derive(Debug)]
pub struct Recording {
    program: Child,
    lines: NamedTempFile,
}

impl<'a> Recorder<'a> {
    /// Puts it there, for a service.
    ///
    /// # Panics
    /// When it does not compile.
    #[track_caller]
    pub fn new(wine: &'a Wine, service: &'a str) -> Self {
        let folder =
            cache::once(&format!("service-recorder-{:x}", digest_of_sources()), |folder| {
                let link = "/NODEFAULTLIB /ENTRY:mainCRTStartup /SUBSYSTEM:CONSOLE";
                compile("service_recorder.rs", "bin", link, folder);
            });
        std::fs::copy(folder.join("service_recorder.exe"), wine.path(PROGRAM)).unwrap();
        Self { wine, service }
    }

    /// Asks for something, and waits for what it waits for.
    ///
    /// # Panics
    /// When that is refused or does not come.
    #[track_caller]
    pub fn ask(&self, verb: &str, number: u32) -> String {
        self.try_ask(verb, number).success()
    }

    /// Asks for something that may be refused.
    #[track_caller]
    pub fn try_ask(&self, verb: &str, number: u32) -> Finished {
        self.wine.run(PROGRAM, &[verb, self.service, &number.to_string()])
    }

    /// Gives the running service a control in the manager's place, as it takes one of these from nobody; what the
    /// service's handler answers, 0 where it accepts.
    ///
    /// # Panics
    /// When it does not reach the service.
    #[track_caller]
    pub fn deliver(&self, control: u32) -> u32 {
        self.ask("deliver", control).trim().parse().unwrap()
    }

    /// Starts the service, which is to stop with an exit code of its own; that status, and after how long.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn attempt(&self) -> (Status, Duration) {
        let text = self.ask("attempt", 0);
        let mut lines = text.lines();
        let status = Status::read(lines.next().unwrap());
        (status, Duration::from_millis(lines.next().unwrap().trim().parse().unwrap()))
    }

    /// Begins to write down each change of status, until the service has been up and is stopped.
    ///
    /// # Panics
    /// When it does not begin.
    #[track_caller]
    pub fn record(&self) -> Recording {
        let lines = NamedTempFile::new().unwrap();
        let mut command = in_prefix(self.wine.network.command("wine"), self.wine.prefix.path());
        let program = command
            .args([PROGRAM, "watch", self.service])
            .stdin(Stdio::null())
            .stdout(lines.reopen().unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let recording = Recording { program, lines };
        wait::until("the first status", LIMIT, || recording.text().contains('\n').then_some(()));
        recording
    }
}

/// What a compiled recorder is kept by, so that after a change the new one is used.
fn digest_of_sources() -> u64 {
    let mut digest = DefaultHasher::new();
    for name in ["service_recorder.rs", "control_pipe.rs"] {
        digest.write(&std::fs::read(tools::workspace().join("tests/rigs").join(name)).unwrap());
    }
    digest.finish()
}

impl Recording {
    fn text(&self) -> String {
        std::fs::read_to_string(self.lines.path()).unwrap()
    }

    /// Waits for its end: every status, in order.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn end(mut self) -> Vec<Status> {
        let status =
            wait::until("the end of the recording", LIMIT, || self.program.try_wait().unwrap());
        let text = self.text();
        assert!(status.success(), "{text}");
        text.lines().map(Status::read).collect()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
