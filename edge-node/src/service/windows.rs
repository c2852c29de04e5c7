//! The executor for Windows: looks at the service control manager, the registry and the folders,
//! and carries out operations. What is to be done is decided in `verb.rs`; what is handed to
//! Windows is in `settings.rs`.

use std::fs;
use std::io;
use std::os::windows::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use windows_service::service::{
    Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceExitCode,
    ServiceFailureActions, ServiceFailureResetPeriod, ServiceSidType, ServiceStartType,
    ServiceState, ServiceStatus,
};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_INVALID_LEVEL, ERROR_SERVICE_ALREADY_RUNNING,
    ERROR_SERVICE_CANNOT_ACCEPT_CTRL, ERROR_SERVICE_DOES_NOT_EXIST, ERROR_SERVICE_NOT_ACTIVE,
};
use windows_sys::Win32::Storage::FileSystem::FILE_ATTRIBUTE_REPARSE_POINT;

use super::instance::{Instance, StartType, System, starter_config};
use super::patience::Patience;
use super::settings::{self, Registered, Value};
use super::verb::{Found, Operation, State, Verb};
use super::{Manager, Refusal, missing_config, report};
use crate::exit::Exit;
use crate::win32::administration::{self as win32, Definition};

/// Between two looks at a pending state: a tenth of the usual wait hint, and no load.
const POLL: Duration = Duration::from_millis(100);
/// A deleted service is gone when the last handle to it is closed, such as that of an open
/// services console.
const DELETE_PATIENCE: Duration = Duration::from_secs(5);
/// Administrators and SYSTEM. Source: Win32, "Well-known SIDs".
const TRUSTED_OWNERS: [&str; 2] = ["S-1-5-32-544", "S-1-5-18"];

/// The service control manager of this machine.
pub struct Scm;

impl Manager for Scm {
    fn admit(&self, verb: Option<Verb>) -> Result<(), Refusal> {
        // What a user may do to one service, its own rights say; only creating has one of its own.
        let access = match verb {
            Some(Verb::Install { .. } | Verb::Uninstall { .. }) => {
                ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE
            }
            Some(Verb::Start | Verb::Stop | Verb::Restart) | None => ServiceManagerAccess::CONNECT,
        };
        manager(access).map(|_manager| ())
    }

    fn look(&self, instance: &Instance) -> Result<Found, Refusal> {
        let access = ServiceAccess::QUERY_CONFIG | ServiceAccess::QUERY_STATUS;
        match open(instance, access)? {
            Some(service) => present(instance, &service),
            None => Ok(Found::Absent),
        }
    }

    fn apply(&self, operation: Operation, instance: &Instance) -> Result<Vec<String>, Refusal> {
        match operation {
            Operation::Register => register(instance),
            Operation::Start => start(instance).map(|()| vec![]),
            Operation::Stop => stop(instance).map(|()| vec![]),
            Operation::Restart => {
                stop(instance)?;
                start(instance).map(|()| vec![])
            }
            Operation::Unregister { purge } => unregister(instance, purge),
        }
    }
}

fn manager(access: ServiceManagerAccess) -> Result<ServiceManager, Refusal> {
    ServiceManager::local_computer(None::<&str>, access)
        .map_err(|error| refused("open the service manager", &cause(error)))
}

/// Opens the service; `None` if there is no such service.
fn open(instance: &Instance, access: ServiceAccess) -> Result<Option<Service>, Refusal> {
    let manager = manager(ServiceManagerAccess::CONNECT)?;
    match manager.open_service(instance.name.as_str(), access).map_err(cause) {
        Ok(service) => Ok(Some(service)),
        Err(error) if is(&error, ERROR_SERVICE_DOES_NOT_EXIST) => Ok(None),
        Err(error) => Err(refused(&format!("open the service {}", instance.name), &error)),
    }
}

fn reopen(instance: &Instance, access: ServiceAccess) -> Result<Service, Refusal> {
    open(instance, access)?.ok_or_else(|| super::verb::not_installed(&instance.name))
}

fn present(instance: &Instance, service: &Service) -> Result<Found, Refusal> {
    let config = service
        .query_config()
        .map_err(|error| refused("read the service's configuration", &cause(error)))?;
    let status = query(service)?;
    let image_path = config.executable_path.to_string_lossy().into_owned();
    let account = config.account_name.map(|account| account.to_string_lossy().into_owned());
    let start = start_type(config.start_type);
    let registered = Registered {
        image_path: image_path.clone(),
        display_name: config.display_name.to_string_lossy().into_owned(),
        description: win32::registry_text(&settings::service_key(instance), "Description"),
        account: account.clone(),
        start,
        // Wine does not tell these.
        restarts: service.get_failure_actions().ok().map(|found| delays(&found)),
        counts_exit_codes: service.get_failure_actions_on_non_crash_failures().ok(),
        has_event_source: has_event_source(instance),
        has_folders: settings::folders(instance).iter().all(|f| Path::new(&f.path).is_dir()),
    };
    let (program, config, owner) = settings::command(&image_path);
    Ok(Found::Present(Box::new(super::verb::Service {
        owner,
        state: state(&status),
        process: status.process_id,
        exit_code: exit_code(&status),
        start: start.map_or("disabled", StartType::as_str).to_owned(),
        program,
        config,
        account,
        differences: settings::differences(instance, &registered),
    })))
}

fn start_type(start: ServiceStartType) -> Option<StartType> {
    match start {
        ServiceStartType::AutoStart => Some(StartType::Automatic),
        ServiceStartType::OnDemand => Some(StartType::Manual),
        ServiceStartType::Disabled
        | ServiceStartType::SystemStart
        | ServiceStartType::BootStart => None,
    }
}

fn state(status: &ServiceStatus) -> State {
    match status.current_state {
        ServiceState::Running | ServiceState::ContinuePending => State::Running,
        ServiceState::Paused | ServiceState::PausePending => State::Paused,
        ServiceState::StartPending => State::Starting,
        ServiceState::StopPending => State::Stopping,
        ServiceState::Stopped if exit_code(status).is_some() => State::Failed,
        ServiceState::Stopped => State::Stopped,
    }
}

/// The code a stopped service ended with. One that was never started has 1077
/// (`ERROR_SERVICE_NEVER_STARTED`), which is none of its own.
fn exit_code(status: &ServiceStatus) -> Option<u32> {
    match status.exit_code {
        ServiceExitCode::ServiceSpecific(code) => Some(code),
        ServiceExitCode::Win32(_) => None,
    }
    .filter(|code| *code != 0 && status.current_state == ServiceState::Stopped)
}

fn delays(found: &ServiceFailureActions) -> Vec<Duration> {
    let actions = found.actions.iter().flatten();
    actions
        .filter(|action| action.action_type == ServiceActionType::Restart)
        .map(|action| action.delay)
        .collect()
}

fn has_event_source(instance: &Instance) -> bool {
    let key = settings::event_source_key(instance);
    settings::EVENT_SOURCE.iter().all(|(name, value)| match value {
        Value::Expanded(text) => win32::registry_text(&key, name).as_deref() == Some(text),
        Value::Number(number) => win32::registry_number(&key, name) == Some(*number),
    })
}

fn register(instance: &Instance) -> Result<Vec<String>, Refusal> {
    let access = ServiceAccess::CHANGE_CONFIG
        | ServiceAccess::QUERY_CONFIG
        | ServiceAccess::QUERY_STATUS
        // What sets restarts as failure actions must be allowed to start. Source: Win32, `ChangeServiceConfig2W`.
        | ServiceAccess::START;
    let (image_path, account) = (settings::image_path(instance), instance.account.as_text());
    let definition = Definition {
        name: instance.name.as_str(),
        display_name: &instance.display_name,
        image_path: &image_path,
        account: &account,
        is_automatic: instance.start.map(|start| start == StartType::Automatic),
    };
    // The folders first: a folder that is somebody else's refuses the whole install.
    for folder in settings::folders(instance) {
        make_folder(&folder.path, &folder.rights)?;
    }
    let (service, is_new) = match open(instance, access)? {
        Some(service) => {
            win32::change_service(&service, &definition)
                .map_err(|error| refused("change the service", &error))?;
            (service, false)
        }
        None => {
            win32::create_service(&definition)
                .map_err(|error| refused("create the service", &error))?;
            (reopen(instance, access)?, true)
        }
    };
    let is_automatic = definition.is_automatic.or(is_new.then_some(true));
    let mut notes = describe(&service, instance, is_automatic)?;
    register_event_source(instance)?;
    let config = Path::new(&instance.config);
    if instance.has_default_config() && !config.exists() {
        fs::write(config, starter(instance))
            .map_err(|error| refused(&format!("write {}", instance.config), &error))?;
    }
    notes.extend(missing_config(instance));
    Ok(notes)
}

/// Sets what `CreateServiceW` does not take. Gives a note for each setting that this Windows does
/// not know, as Wine; any other error is one.
fn describe(
    service: &Service,
    instance: &Instance,
    is_automatic: Option<bool>,
) -> Result<Vec<String>, Refusal> {
    let restart =
        ServiceAction { action_type: ServiceActionType::Restart, delay: instance.restart_delay };
    let failure = ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(settings::RESET_PERIOD),
        reboot_msg: None,
        command: None,
        actions: Some(vec![restart; settings::RESTARTS]),
    };
    let delayed = is_automatic.map(|delayed| service.set_delayed_auto_start(delayed));
    let settings = [
        ("description", service.set_description(&instance.description)),
        ("restarts after a failure", service.update_failure_actions(failure)),
        (
            "restarts after an end with an exit code",
            service.set_failure_actions_on_non_crash_failures(true),
        ),
        ("delayed start", delayed.unwrap_or(Ok(()))),
        (
            "service security identifier",
            service.set_config_service_sid_info(ServiceSidType::Unrestricted),
        ),
        (
            "required privileges",
            win32::require_privileges(service, &settings::PRIVILEGES)
                .map_err(windows_service::Error::Winapi),
        ),
        ("preshutdown timeout", service.set_preshutdown_timeout(instance.preshutdown_timeout)),
    ];
    let mut notes = vec![];
    for (what, result) in settings {
        match result.map_err(cause) {
            Ok(()) => {}
            Err(error) if is(&error, ERROR_INVALID_LEVEL) => {
                notes.push(format!("warning: this Windows does not know the setting: {what}"));
            }
            Err(error) => return Err(refused(&format!("set the service's {what}"), &error)),
        }
    }
    Ok(notes)
}

fn register_event_source(instance: &Instance) -> Result<(), Refusal> {
    let key = settings::event_source_key(instance);
    for (name, value) in settings::EVENT_SOURCE {
        match value {
            Value::Expanded(text) => win32::set_registry_text(&key, name, text),
            Value::Number(number) => win32::set_registry_number(&key, name, number),
        }
        .map_err(|error| refused("register the source of the Event Log", &error))?;
    }
    Ok(())
}

/// Makes a folder, or gives it back its rights. `ProgramData` lets everybody make folders: one
/// that no administrator made, or a link, is not taken for ours.
fn make_folder(path: &str, rights: &str) -> Result<(), Refusal> {
    let made = match win32::create_folder(path, rights) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if !is_trusted(path) {
                let message =
                    format!("{path} is there already and was not made by an administrator");
                return Err(Refusal::new(Exit::Failed, message)
                    .help("move it away, or make it an administrator's: takeown /A /R /F FOLDER"));
            }
            win32::secure(path, rights)
        }
        made => made,
    };
    made.map_err(|error| refused(&format!("make {path}"), &error))
}

/// Whether it is a folder and no link, and belongs to whom this process's own files belong to, to
/// administrators or to SYSTEM.
fn is_trusted(path: &str) -> bool {
    let is_plain = fs::symlink_metadata(path).is_ok_and(|metadata| {
        metadata.is_dir() && metadata.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT == 0
    });
    let owner = win32::owner(path).unwrap_or_default();
    let is_own = own_owner().is_ok_and(|own| own == owner);
    is_plain && (is_own || TRUSTED_OWNERS.contains(&owner.as_str()))
}

/// Who owns what this process makes; it makes something to ask.
fn own_owner() -> io::Result<String> {
    let path = std::env::temp_dir().join(format!("edge-node-owner-{}", std::process::id()));
    fs::File::create_new(&path)?;
    let owner = win32::owner(&path.to_string_lossy());
    fs::remove_file(&path)?;
    owner
}

/// Starts, and waits until it runs.
fn start(instance: &Instance) -> Result<(), Refusal> {
    let service = reopen(instance, ServiceAccess::START | ServiceAccess::QUERY_STATUS)?;
    // One on its way down has to arrive there first.
    let state = query(&service)?.current_state;
    if state == ServiceState::StopPending {
        wait_while(&service, instance, &[ServiceState::StopPending])?;
    }
    if state != ServiceState::StartPending {
        match service.start::<&str>(&[]).map_err(cause) {
            Ok(()) => {}
            Err(error) if is(&error, ERROR_SERVICE_ALREADY_RUNNING) => {}
            Err(error) => return Err(refused(&format!("start {}", instance.name), &error)),
        }
    }
    let status = wait_while(&service, instance, &[ServiceState::StartPending])?;
    match status.current_state {
        ServiceState::Running
        | ServiceState::Paused
        | ServiceState::PausePending
        | ServiceState::ContinuePending => Ok(()),
        ServiceState::Stopped | ServiceState::StartPending | ServiceState::StopPending => {
            Err(not_started(instance, &status))
        }
    }
}

fn not_started(instance: &Instance, status: &ServiceStatus) -> Refusal {
    let ended = match (exit_code(status), status.exit_code) {
        (Some(code), _) => match report::meaning(code) {
            Some(meaning) => format!("it ended with exit code {code}: {meaning}"),
            None => format!("it ended with exit code {code}"),
        },
        (None, ServiceExitCode::Win32(code) | ServiceExitCode::ServiceSpecific(code)) => {
            format!("it ended with error {code} of Windows")
        }
    };
    Refusal::new(Exit::Failed, format!("service {} did not start: {ended}", instance.name))
        .help(format!("edge-node check --config \"{}\"; the Event Log says more", instance.config))
}

/// Stops, and waits until it is stopped.
fn stop(instance: &Instance) -> Result<(), Refusal> {
    let service = reopen(instance, ServiceAccess::STOP | ServiceAccess::QUERY_STATUS)?;
    loop {
        match service.stop().map_err(cause) {
            Ok(_status) => break,
            Err(error) if is(&error, ERROR_SERVICE_NOT_ACTIVE) => return Ok(()),
            // It is on its way up or down, and takes no control there.
            Err(error) if is(&error, ERROR_SERVICE_CANNOT_ACCEPT_CTRL) => {
                let pending = [ServiceState::StartPending, ServiceState::StopPending];
                let status = wait_while(&service, instance, &pending)?;
                if status.current_state == ServiceState::Stopped {
                    return Ok(());
                }
            }
            Err(error) => return Err(refused(&format!("stop {}", instance.name), &error)),
        }
    }
    let not_yet = [ServiceState::StopPending, ServiceState::Running, ServiceState::Paused];
    wait_while(&service, instance, &not_yet).map(|_status| ())
}

/// Waits until the service is in none of these states, for as long as it makes progress.
fn wait_while(
    service: &Service,
    instance: &Instance,
    states: &[ServiceState],
) -> Result<ServiceStatus, Refusal> {
    let (begun, mut patience) = (Instant::now(), Patience::new());
    loop {
        let status = query(service)?;
        if !states.contains(&status.current_state) {
            return Ok(status);
        }
        if !patience.lasts(begun.elapsed(), status.checkpoint, status.wait_hint) {
            let state = state(&status).as_str();
            let message = format!("service {} is {state} and makes no progress", instance.name);
            return Err(Refusal::new(Exit::Failed, message)
                .help(format!("edge-node service status{}", super::verb::option(&instance.name))));
        }
        std::thread::sleep(POLL);
    }
}

fn query(service: &Service) -> Result<ServiceStatus, Refusal> {
    service.query_status().map_err(|error| refused("read the service's status", &cause(error)))
}

fn unregister(instance: &Instance, purge: bool) -> Result<Vec<String>, Refusal> {
    let mut kept = vec![];
    if let Some(service) = open(instance, ServiceAccess::DELETE)? {
        service
            .delete()
            .map_err(|error| refused(&format!("delete {}", instance.name), &cause(error)))?;
        drop(service);
        if !is_gone(instance)? {
            kept.push("warning: the service goes when programs that look at it are closed, such as the services console".to_owned());
        }
    }
    win32::delete_registry_key(&settings::event_source_key(instance))
        .map_err(|error| refused("remove the source of the Event Log", &error))?;

    let places = &instance.places;
    if fs::read_to_string(&places.config).is_ok_and(|text| text == starter(instance)) {
        fs::remove_file(&places.config)
            .map_err(|error| refused(&format!("remove {}", places.config), &error))?;
    }
    // The inner first.
    for folder in [&places.logs, &places.config_folder] {
        remove_folder(folder, purge, &mut kept)?;
    }
    Ok(kept)
}

fn is_gone(instance: &Instance) -> Result<bool, Refusal> {
    let begun = Instant::now();
    while open(instance, ServiceAccess::QUERY_STATUS)?.is_some() {
        if begun.elapsed() > DELETE_PATIENCE {
            return Ok(false);
        }
        std::thread::sleep(POLL);
    }
    Ok(true)
}

/// Removes a folder that is empty, or any that is an administrator's when purging.
fn remove_folder(path: &str, purge: bool, kept: &mut Vec<String>) -> Result<(), Refusal> {
    if !Path::new(path).exists() {
        return Ok(());
    }
    let removed =
        if purge && is_trusted(path) { fs::remove_dir_all(path) } else { fs::remove_dir(path) };
    match removed {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            kept.push(format!("kept {path}: it is not empty (--purge removes it)"));
            Ok(())
        }
        Err(error) => Err(refused(&format!("remove {path}"), &error)),
    }
}

/// The configuration that is laid where there is none.
fn starter(instance: &Instance) -> String {
    starter_config(&System::Windows { program_data: instance.places.config_folder.clone() })
}

/// What Windows said.
fn cause(error: windows_service::Error) -> io::Error {
    if let windows_service::Error::Winapi(error) = error { error } else { io::Error::other(error) }
}

fn is(error: &io::Error, code: u32) -> bool {
    error.raw_os_error() == Some(code.cast_signed())
}

fn refused(what: &str, error: &io::Error) -> Refusal {
    if is(error, ERROR_ACCESS_DENIED) {
        return Refusal::new(Exit::NotElevated, format!("Windows refused to {what}: {error}"))
            .help("run it in an elevated prompt (Run as administrator)");
    }
    Refusal::new(Exit::Failed, format!("Windows refused to {what}: {error}"))
}
