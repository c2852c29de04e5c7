//! `edge-node health`: whether a running service is ready, for container health checks, installers
//! and scripts. One question, one line, one exit code.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::Failure;
use crate::cli::HealthTarget;
use crate::config;
use crate::exit::Exit;
use crate::probe;
use crate::report;

/// Asks and reports: [`Exit::Clean`] when `/readyz` answers 200, [`Exit::Failed`] when not, and
/// [`Exit::Config`] when the config that should name the address has mistakes.
pub fn health(target: &HealthTarget, timeout: Duration) -> Exit {
    let address = match target {
        HealthTarget { address: Some(address), .. } => Ok(*address),
        HealthTarget { config: Some(path), .. } => configured(path),
        // The command line demands one of them.
        HealthTarget { .. } => Ok(config::defaults().listeners.admin.address),
    };
    let address = match address {
        Ok(address) => address,
        Err(failure) => {
            report::failure(&failure);
            return failure.exit();
        }
    };
    match readiness(address, timeout) {
        Ok(()) => {
            report::say("ready\n");
            Exit::Clean
        }
        Err(why) => {
            report::tell_person(&format!("error: not ready: {why}\n"));
            Exit::Failed
        }
    }
}

fn configured(path: &Path) -> Result<SocketAddr, Failure> {
    Ok(config::load(path)?.listeners.admin.address)
}

/// Asks `/readyz` of the admin listener.
///
/// # Errors
/// Why the service is not ready, in one line.
fn readiness(address: SocketAddr, timeout: Duration) -> Result<(), String> {
    if address.port() == 0 {
        return Err("the admin listener has any free port (port 0): name it by --address".into());
    }
    let address = probe::reachable(address);
    let answer = probe::ask(address, "GET /readyz", timeout)
        .map_err(|fault| format!("{address}: {fault}"))?;
    if answer.status == 200 {
        return Ok(());
    }
    let line = answer.body.lines().next().unwrap_or_default();
    let said: String = line.chars().filter(|c| !c.is_control()).take(200).collect();
    Err(format!("{address}: {} {said}", answer.status))
}
