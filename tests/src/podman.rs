//! A container engine: podman with a storage and a network of its own, forgotten when dropped.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::network::Network;
use crate::process::{self, Finished};

/// The longest a command may take; the first one copies the image.
const LIMIT: Duration = Duration::from_secs(120);
/// Name of the one container.
const NAME: &str = "rig";

/// A container made of an image archive.
#[derive(Debug)]
pub struct Container {
    folder: TempDir,
    network: Network,
}

impl Container {
    /// Runs an image in the background with these options. Needs root, `podman`, `runc` and what a [`Network`] needs.
    ///
    /// # Panics
    /// When podman does not take it.
    #[track_caller]
    pub fn run(image: &Path, options: &[&str]) -> Self {
        let container = Self { folder: tempfile::tempdir().unwrap(), network: Network::new() };
        let mut command = container.podman();
        command.args([
            "run",
            "--detach",
            "--name",
            NAME,
            "--network=host",
            "--log-driver=k8s-file",
        ]);
        // Where this runs in a container itself, no limit can be raised, which is podman's default.
        command.args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]);
        command.args(options).arg(format!("oci-archive:{}", image.display()));
        process::run(&mut command, LIMIT).success();
        container
    }

    /// The network that it sees as the host's.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// A command of podman's, whose words may have the container's name as `{}`.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn ask(&self, words: &[&str]) -> Finished {
        let mut command = self.podman();
        command.args(words.iter().map(|word| if *word == "{}" { NAME } else { word }));
        process::run(&mut command, LIMIT)
    }

    fn podman(&self) -> Command {
        let mut command = self.network.command("podman");
        for (option, name) in [("--root", "root"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            command.arg(option).arg(self.folder.path().join(name));
        }
        // None of these needs a service of the host's.
        command.args(["--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--runtime=runc"]);
        command
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ended = self.podman().args(["rm", "--force", "--time", "0", NAME]).output();
    }
}
