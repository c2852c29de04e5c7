//! The host under the Windows service control manager: status reports to it, and its Stop and
//! Shutdown as requests to stop. Started from a console instead, the foreground host takes over.
//!
//! The dispatcher is entered before anything else of the program happens, because the manager
//! gives up on a process that does not register within 30 seconds.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;
use windows_service::service::{
    ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{
    self, ServiceControlHandlerResult, ServiceStatusHandle,
};
use windows_service::{Error, define_windows_service, service_dispatcher};
use windows_sys::Win32::Foundation::ERROR_FAILED_SERVICE_CONTROLLER_CONNECT;

use super::{ASKS_MAX, Announce, Ask, Asks, Herald, Host, Live, Status, foreground_host};
use crate::build_info;
use crate::exit::Exit;
use crate::phase::{Event, ManagerState, Phase};

/// What the service's main function needs; the manager's call cannot carry it.
struct Launch {
    config: PathBuf,
    live: Live,
    exit: OnceLock<Exit>,
}

static LAUNCH: OnceLock<Launch> = OnceLock::new();

define_windows_service!(service_main_raw, service_main);

/// Runs `live` as a service if the service control manager started the process, else in the
/// foreground.
pub fn run(config: &Path, live: Live) -> Exit {
    let launch =
        LAUNCH.get_or_init(|| Launch { config: config.to_owned(), live, exit: OnceLock::new() });
    // The manager ignores the name of a service that has its process to itself, so whatever
    // name the installer registered works.
    match service_dispatcher::start(build_info::NAME, service_main_raw) {
        Ok(()) => launch.exit.get().copied().unwrap_or(Exit::Failed),
        Err(Error::Winapi(error)) if is_console(&error) => live(config, foreground_host()),
        Err(error) => {
            crate::report::tell_person(&format!(
                "error: service manager cannot be reached: {error}\n"
            ));
            Exit::Failed
        }
    }
}

/// The dispatcher's refusal to a process that the manager did not start.
fn is_console(error: &io::Error) -> bool {
    error.raw_os_error() == i32::try_from(ERROR_FAILED_SERVICE_CONTROLLER_CONNECT).ok()
}

/// The service's life, called by the dispatcher on a thread of its own.
fn service_main(_arguments: Vec<OsString>) {
    let Some(launch) = LAUNCH.get() else { return };
    let exit = match register() {
        Ok(host) => (launch.live)(&launch.config, host),
        // Without a handle there is nobody to tell; the manager sees the process end.
        Err(_unregistered) => Exit::Failed,
    };
    // The first life is the only one: a service of type "own process" is dispatched once.
    let _ = launch.exit.set(exit);
}

/// Registers the control handler: the manager's requests become `Ask`s.
fn register() -> windows_service::Result<Host> {
    let (asks, receiver) = mpsc::channel(ASKS_MAX);
    let handle = Arc::new(OnceLock::<ServiceStatusHandle>::new());
    let for_handler = Arc::clone(&handle);
    let registered = service_control_handler::register(build_info::NAME, move |control| {
        let Some(ask) = ask(&control) else {
            return if matches!(control, ServiceControl::Interrogate) {
                ServiceControlHandlerResult::NoError
            } else {
                ServiceControlHandlerResult::NotImplemented
            };
        };
        // Said here and not only by the herald: the crate frees this handler after the first
        // Stop or Shutdown, so no other may be accepted from this moment on.
        if let (Some(handle), Some(phase)) =
            (for_handler.get(), Phase::Serving.after(Event::StopAsked))
        {
            let _ = handle.set_service_status(report(Status { phase, checkpoint: 1 }));
        }
        // Never blocks; a full queue means that a stop is asked for already.
        let _ = asks.try_send(ask);
        ServiceControlHandlerResult::NoError
    })?;
    let registered = *handle.get_or_init(|| registered);
    Ok(Host { herald: Herald::new(Box::new(Manager(registered))), asks: Asks::Manager(receiver) })
}

fn ask(control: &ServiceControl) -> Option<Ask> {
    if matches!(control, ServiceControl::Stop) {
        Some(Ask::ManagerStop)
    } else if matches!(control, ServiceControl::Shutdown) {
        Some(Ask::MachineShutdown)
    } else {
        None
    }
}

/// An ear at the service control manager.
struct Manager(ServiceStatusHandle);

impl Announce for Manager {
    fn announce(&mut self, status: Status) -> io::Result<()> {
        self.0.set_service_status(report(status)).map_err(io::Error::other)
    }
}

/// A status in the manager's form.
fn report(status: Status) -> ServiceStatus {
    let controls = status.phase.controls();
    let mut accepted = ServiceControlAccept::empty();
    accepted.set(ServiceControlAccept::STOP, controls.stop);
    accepted.set(ServiceControlAccept::SHUTDOWN, controls.shutdown);
    ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: match status.phase.manager_state() {
            ManagerState::StartPending => ServiceState::StartPending,
            ManagerState::Running => ServiceState::Running,
            ManagerState::Paused => ServiceState::Paused,
            ManagerState::StopPending => ServiceState::StopPending,
            ManagerState::Stopped => ServiceState::Stopped,
        },
        controls_accepted: accepted,
        exit_code: match status.phase {
            Phase::Stopped(Exit::Clean)
            | Phase::Starting
            | Phase::Serving
            | Phase::Paused
            | Phase::Draining => ServiceExitCode::NO_ERROR,
            Phase::Stopped(exit) => ServiceExitCode::ServiceSpecific(exit.code().into()),
        },
        checkpoint: status.checkpoint,
        wait_hint: status.phase.wait_hint().unwrap_or_default(),
        process_id: None,
    }
}
