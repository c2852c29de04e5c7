//! A small disk of one's own, that can be filled up and made read-only, and that nobody else sees.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::{self, Background};
use crate::wait;

/// Mounting takes no time, unless the machine has none.
const LIMIT: Duration = Duration::from_secs(60);

/// A tmpfs in a mount namespace of its own (`mount_namespaces(7)`).
#[derive(Debug)]
pub struct Disk {
    /// Keeps the namespace alive.
    holder: Background,
    place: PathBuf,
}

impl Disk {
    /// Puts a disk of `bytes` at the folder `place`, which must exist. Needs root, `unshare`, `nsenter` and `mount`.
    ///
    /// # Panics
    /// When it cannot be made.
    #[track_caller]
    pub fn new(place: &Path, bytes: u64) -> Self {
        const SCRIPT: &str = "mount -t tmpfs -o size=\"$1\",mode=755 tmpfs \"$0\" && exec cat";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation=private", "sh", "-c", SCRIPT]).arg(place);
        let holder = Background::start_reading(command.arg(bytes.to_string()));
        let disk = Self { holder, place: place.to_owned() };
        wait::until("a disk of one's own", LIMIT, || {
            let name = std::fs::read_to_string(format!("/proc/{}/comm", disk.holder.id())).ok()?;
            (name == "cat\n").then_some(())
        });
        disk
    }

    /// The path by which everybody else reaches a file on it.
    pub fn path(&self, path: &str) -> PathBuf {
        let place = self.place.strip_prefix("/").expect("a mount point is absolute");
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(place).join(path)
    }

    /// The command, run where the disk is seen, in its folder and environment.
    pub fn command(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id()));
        // Entering a mount namespace leads to its root folder.
        let folder = command.get_current_dir().unwrap_or(Path::new("/"));
        inside.args(["sh", "-c", "cd \"$0\" && exec \"$@\""]).arg(folder);
        process::through(inside, command)
    }

    /// Leaves `bytes` of it free.
    ///
    /// # Panics
    /// When it cannot be filled.
    #[track_caller]
    pub fn leave_free(&self, bytes: u64) {
        let filler = self.path("filler");
        match std::fs::remove_file(&filler) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
            Ok(()) | Err(_) => {}
        }
        let free = self.free_bytes();
        assert!(free >= bytes, "{free} bytes are free, {bytes} were to be left");
        std::fs::write(&filler, vec![0; usize::try_from(free - bytes).unwrap()]).unwrap();
    }

    fn free_bytes(&self) -> u64 {
        let mut command = Command::new("stat");
        command.args(["--file-system", "--format=%f %S"]).arg(self.path(""));
        let printed = process::run(&mut command, LIMIT).success();
        let numbers = printed.split_whitespace().map(|number| number.parse::<u64>().unwrap());
        numbers.product()
    }

    /// Refuses writes from now on, or allows them again.
    ///
    /// # Panics
    /// When it cannot be mounted so.
    #[track_caller]
    pub fn read_only(&self, read_only: bool) {
        let option = if read_only { "remount,ro" } else { "remount,rw" };
        let mut command = Command::new("mount");
        command.args(["-o", option]).arg(&self.place);
        process::run(&mut self.command(&command), LIMIT).success();
    }
}
