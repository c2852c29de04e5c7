//! The host under the Windows service control manager: status reports to it, and its controls as
//! asks. Started from a console instead, the foreground host takes over.
//!
//! The dispatcher is entered before anything else of the program happens, because the manager
//! gives up on a process that does not register within 30 seconds.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tokio::sync::mpsc;
use windows_service::service::{
    ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{
    self, ServiceControlHandlerResult, ServiceStatusHandle,
};
use windows_service::{Error, define_windows_service, service_dispatcher};
use windows_sys::Win32::Foundation::{
    ERROR_FAILED_SERVICE_CONTROLLER_CONNECT, ERROR_SERVICE_CANNOT_ACCEPT_CTRL,
};

use super::line::{Line, Tell};
use super::{ASKS_MAX, Ask, Asks, Herald, Host, Live, Status, Stop, foreground_host};
use crate::build_info;
use crate::exit::Exit;
use crate::observe::event_log;
use crate::phase::{Controls, ManagerState, Phase};

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
fn service_main(arguments: Vec<OsString>) {
    let Some(launch) = LAUNCH.get() else { return };
    // The first argument is the name the service was registered with, and so that of its source.
    let name = arguments.first().map_or(OsStr::new(build_info::NAME), OsString::as_os_str);
    let exit = match register(name) {
        Ok(host) => (launch.live)(&launch.config, host),
        // Without a handle there is nobody to tell; the manager sees the process end.
        Err(_unregistered) => Exit::Failed,
    };
    // The first life is the only one: a service of type "own process" is dispatched once.
    let _ = launch.exit.set(exit);
}

/// Registers the control handler: the manager's controls become `Ask`s.
fn register(name: &OsStr) -> windows_service::Result<Host> {
    let (asks, receiver) = mpsc::channel(ASKS_MAX);
    let line = Line::new();
    let for_handler = line.clone();
    let handle = service_control_handler::register(build_info::NAME, move |control| {
        if matches!(ask(&control), Some(Ask::Stop(_))) {
            // Said here, and before the drain can begin: the crate frees this handler after the
            // first stop of any kind, so no other control may be accepted from this moment on.
            // What the manager sent before it heard of that cannot be called back.
            for_handler.end();
        }
        receive(&control, &asks)
    })?;
    line.open(handle);
    let herald = Herald::new(Box::new(line));
    // Without an Event Log the service is as good as before, and there is nowhere to say it yet.
    let events = event_log::open(name).ok();
    // This manager has no watchdog.
    Ok(Host { herald, asks: Asks::Manager(receiver), watchdog: None, events })
}

/// Hands a control on as an ask; never blocks, or the manager would hold up all its services.
fn receive(control: &ServiceControl, asks: &mpsc::Sender<Ask>) -> ServiceControlHandlerResult {
    let Some(ask) = ask(control) else {
        return if matches!(control, ServiceControl::Interrogate) {
            ServiceControlHandlerResult::NoError
        } else {
            ServiceControlHandlerResult::NotImplemented
        };
    };
    // The last place is kept for a stop, which comes once and must not be lost.
    let has_room = matches!(ask, Ask::Stop(_)) || asks.capacity() > 1;
    if has_room && asks.try_send(ask).is_ok() {
        ServiceControlHandlerResult::NoError
    } else {
        ServiceControlHandlerResult::Other(ERROR_SERVICE_CANNOT_ACCEPT_CTRL)
    }
}

fn ask(control: &ServiceControl) -> Option<Ask> {
    const ASKS: [(ServiceControl, Ask); 6] = [
        (ServiceControl::Stop, Ask::Stop(Stop::Manager)),
        (ServiceControl::Shutdown, Ask::Stop(Stop::MachineShutdown)),
        (ServiceControl::Preshutdown, Ask::Stop(Stop::MachinePreshutdown)),
        (ServiceControl::Pause, Ask::Pause),
        (ServiceControl::Continue, Ask::Resume),
        (ServiceControl::ParamChange, Ask::Reload),
    ];
    ASKS.iter().find(|(known, _)| known == control).map(|(_, ask)| *ask)
}

impl Tell for ServiceStatusHandle {
    fn tell(self, status: Status) -> io::Result<()> {
        self.set_service_status(report(status)).map_err(io::Error::other)
    }
}

/// A status in the manager's form.
fn report(status: Status) -> ServiceStatus {
    let Controls { stop, shutdown, preshutdown, pause_continue, param_change } =
        status.phase.controls();
    let mut accepted = ServiceControlAccept::empty();
    accepted.set(ServiceControlAccept::STOP, stop);
    accepted.set(ServiceControlAccept::SHUTDOWN, shutdown);
    accepted.set(ServiceControlAccept::PRESHUTDOWN, preshutdown);
    accepted.set(ServiceControlAccept::PAUSE_CONTINUE, pause_continue);
    accepted.set(ServiceControlAccept::PARAM_CHANGE, param_change);
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
