//! Interferes with a command at one of its system calls, by `strace(1)`: at the same place each time, without a hook in
//! the program that is tested.

use std::process::Command;

use crate::process;

/// The command with what `injections` say done to its system calls, in the words of strace's `--inject`.
///
/// `rename:signal=SIGKILL:when=3` ends it just before the third rename of a thread, `rename:signal=SIGINT:when=3` just
/// after it, `rename:error=EIO` lets all of them fail. The result ends as the command does, by the same signal.
pub fn disturbed(command: &Command, injections: &[&str]) -> Command {
    let call = |injection: &&str| injection.split(':').next().unwrap_or_default().to_owned();
    let calls: Vec<String> = injections.iter().map(call).collect();
    let mut traced = Command::new("strace");
    // Not with `--seccomp-bpf`, although it is faster: strace 6.1 does not count calls then. The threads are followed,
    // the programs it starts are not.
    traced.args(["--follow-forks", "--detach-on=execve", "--quiet=all", "--output=/dev/null"]);
    traced.arg(format!("--trace={}", calls.join(",")));
    traced.args(injections.iter().map(|injection| format!("--inject={injection}")));
    traced.arg("--");
    process::interruptible(&process::through(traced, command))
}
