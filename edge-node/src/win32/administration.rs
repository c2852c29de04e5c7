//! The Windows calls of `service install` and `uninstall` that no crate wraps: services with their
//! whole configuration, folders with their rights, values of the registry. All are of advapi32 and
//! kernel32.
#![expect(unsafe_code, reason = "the Win32 API is called here and in the file above only")]

use std::io;
use std::ptr::{null, null_mut};

use windows_service::service::Service;
use windows_sys::Win32::Foundation::{ERROR_FILE_NOT_FOUND, ERROR_SUCCESS, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW,
    GetNamedSecurityInfoW, SDDL_REVISION_1, SE_FILE_OBJECT,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, OWNER_SECURITY_INFORMATION, PROTECTED_DACL_SECURITY_INFORMATION,
    PSECURITY_DESCRIPTOR, PSID, SECURITY_ATTRIBUTES, SetFileSecurityW,
};
use windows_sys::Win32::Storage::FileSystem::CreateDirectoryW;
use windows_sys::Win32::System::Registry::{
    HKEY_LOCAL_MACHINE, REG_DWORD, REG_EXPAND_SZ, RRF_NOEXPAND, RRF_RT_REG_DWORD,
    RRF_RT_REG_EXPAND_SZ, RRF_RT_REG_SZ, RegDeleteTreeW, RegGetValueW, RegSetKeyValueW,
};
use windows_sys::Win32::System::Services::{
    ChangeServiceConfig2W, ChangeServiceConfigW, CloseServiceHandle, CreateServiceW,
    OpenSCManagerW, SC_MANAGER_CONNECT, SC_MANAGER_CREATE_SERVICE, SERVICE_AUTO_START,
    SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO, SERVICE_DEMAND_START, SERVICE_ERROR_NORMAL,
    SERVICE_NO_CHANGE, SERVICE_QUERY_STATUS, SERVICE_REQUIRED_PRIVILEGES_INFOW,
    SERVICE_WIN32_OWN_PROCESS,
};

/// The longest text read from the registry, in UTF-16 units.
const TEXT_UNITS_MAX: usize = 4096;

/// A service as `CreateServiceW` takes it.
#[derive(Debug)]
pub struct Definition<'a> {
    /// Its name.
    pub name: &'a str,
    /// What people call it.
    pub display_name: &'a str,
    /// The command line.
    pub image_path: &'a str,
    /// The account, one without a password.
    pub account: &'a str,
    /// Whether it starts at each boot; `None` leaves that as it is, a new one does.
    pub is_automatic: Option<bool>,
}

/// Creates a service with a process of its own.
///
/// # Errors
/// As `CreateServiceW`: not elevated (5), already there (1073), marked for deletion (1072) …
pub fn create_service(definition: &Definition) -> io::Result<()> {
    let [name, display, image, account] = definition.texts();
    let access = SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE;
    // SAFETY: null stands for this machine and its one database.
    let manager = unsafe { OpenSCManagerW(null(), null(), access) };
    if manager.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the manager is open; all texts end in a NUL and live over the call; null stands for
    // no group, no tag, no dependencies, no password.
    let service = unsafe {
        CreateServiceW(
            manager,
            name.as_ptr(),
            display.as_ptr(),
            SERVICE_QUERY_STATUS,
            SERVICE_WIN32_OWN_PROCESS,
            start_type(definition.is_automatic.unwrap_or(true)),
            SERVICE_ERROR_NORMAL,
            image.as_ptr(),
            null(),
            null_mut(),
            null(),
            account.as_ptr(),
            null(),
        )
    };
    let result = if service.is_null() { Err(io::Error::last_os_error()) } else { Ok(()) };
    for handle in [service, manager] {
        if !handle.is_null() {
            // SAFETY: both were opened above and are closed once.
            unsafe { CloseServiceHandle(handle) };
        }
    }
    result
}

/// Makes an existing service what `definition` says.
///
/// # Errors
/// As `ChangeServiceConfigW`.
pub fn change_service(service: &Service, definition: &Definition) -> io::Result<()> {
    let [_name, display, image, account] = definition.texts();
    let start = definition.is_automatic.map_or(SERVICE_NO_CHANGE, start_type);
    // SAFETY: the service is open; all texts end in a NUL and live over the call; null leaves
    // group, tag, dependencies and password as they are.
    let succeeded = unsafe {
        ChangeServiceConfigW(
            service.raw_handle(),
            SERVICE_WIN32_OWN_PROCESS,
            start,
            SERVICE_ERROR_NORMAL,
            image.as_ptr(),
            null(),
            null_mut(),
            null(),
            account.as_ptr(),
            null(),
            display.as_ptr(),
        )
    };
    check(succeeded)
}

impl Definition<'_> {
    fn texts(&self) -> [Vec<u16>; 4] {
        [self.name, self.display_name, self.image_path, self.account].map(wide)
    }
}

fn start_type(is_automatic: bool) -> u32 {
    if is_automatic { SERVICE_AUTO_START } else { SERVICE_DEMAND_START }
}

/// Has all privileges but these taken from the service's process.
///
/// # Errors
/// As `ChangeServiceConfig2W`; Wine 8 knows it not (124).
pub fn require_privileges(service: &Service, privileges: &[&str]) -> io::Result<()> {
    // Each ends in a NUL, and all in one more.
    let mut names: Vec<u16> = privileges.iter().flat_map(|name| wide(name)).chain([0]).collect();
    let info = SERVICE_REQUIRED_PRIVILEGES_INFOW { pmszRequiredPrivileges: names.as_mut_ptr() };
    // SAFETY: the service is open; the structure is the one this level takes, and it and the
    // texts live over the call.
    check(unsafe {
        ChangeServiceConfig2W(
            service.raw_handle(),
            SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO,
            (&raw const info).cast(),
        )
    })
}

/// A security descriptor that Windows made of a text.
struct Descriptor(PSECURITY_DESCRIPTOR);

impl Descriptor {
    fn new(text: &str) -> io::Result<Self> {
        let mut descriptor = null_mut();
        // SAFETY: the text ends in a NUL; the place written to lives over the call.
        check(unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                wide(text).as_ptr(),
                SDDL_REVISION_1,
                &mut descriptor,
                null_mut(),
            )
        })?;
        Ok(Self(descriptor))
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: it was allocated by Windows for us to free, and is freed once.
        unsafe { LocalFree(self.0) };
    }
}

/// Makes a folder with these rights from its first moment.
///
/// # Errors
/// When it is there already, its parent is not, or the rights are refused.
pub fn create_folder(path: &str, rights: &str) -> io::Result<()> {
    let descriptor = Descriptor::new(rights)?;
    let attributes = SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: descriptor.0,
        bInheritHandle: 0,
    };
    // SAFETY: the path ends in a NUL; attributes and descriptor live over the call.
    check(unsafe { CreateDirectoryW(wide(path).as_ptr(), &attributes) })
}

/// Gives a folder these rights.
///
/// # Errors
/// When they are refused.
pub fn secure(path: &str, rights: &str) -> io::Result<()> {
    let descriptor = Descriptor::new(rights)?;
    let parts = OWNER_SECURITY_INFORMATION
        | DACL_SECURITY_INFORMATION
        | PROTECTED_DACL_SECURITY_INFORMATION;
    // SAFETY: the path ends in a NUL; the descriptor lives over the call.
    check(unsafe { SetFileSecurityW(wide(path).as_ptr(), parts, descriptor.0) })
}

/// Who owns a file or folder: a security identifier as text.
///
/// # Errors
/// When it cannot be asked.
pub fn owner(path: &str) -> io::Result<String> {
    let (mut sid, mut descriptor) = (null_mut(), null_mut());
    // SAFETY: the path ends in a NUL; null asks for nothing; the two places live over the call.
    let error = unsafe {
        GetNamedSecurityInfoW(
            wide(path).as_ptr(),
            SE_FILE_OBJECT,
            OWNER_SECURITY_INFORMATION,
            &mut sid,
            null_mut(),
            null_mut(),
            null_mut(),
            &mut descriptor,
        )
    };
    if error != ERROR_SUCCESS {
        return Err(registry_error(error));
    }
    // Freed with the descriptor that the identifier is a part of.
    let _descriptor = Descriptor(descriptor);
    sid_text(sid)
}

fn sid_text(sid: PSID) -> io::Result<String> {
    let mut text = null_mut();
    // SAFETY: the callers have the identifier from Windows; the place lives over the call.
    check(unsafe { ConvertSidToStringSidW(sid, &mut text) })?;
    let mut units = vec![];
    // SAFETY: Windows gave a text that ends in a NUL; no unit behind it is read.
    unsafe {
        while *text.add(units.len()) != 0 {
            units.push(*text.add(units.len()));
        }
        LocalFree(text.cast());
    }
    Ok(String::from_utf16_lossy(&units))
}

/// A text of `HKEY_LOCAL_MACHINE`, as it is there; `None` if there is none.
pub fn registry_text(key: &str, name: &str) -> Option<String> {
    let mut units = [0_u16; TEXT_UNITS_MAX];
    let mut bytes = size_of_val(&units) as u32;
    let kinds = RRF_RT_REG_SZ | RRF_RT_REG_EXPAND_SZ | RRF_NOEXPAND;
    // SAFETY: both texts end in a NUL; the room's size is given and it lives over the call.
    let error = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            wide(key).as_ptr(),
            wide(name).as_ptr(),
            kinds,
            null_mut(),
            units.as_mut_ptr().cast(),
            &mut bytes,
        )
    };
    let text = units.split(|unit| *unit == 0).next().unwrap_or_default();
    (error == ERROR_SUCCESS).then(|| String::from_utf16_lossy(text))
}

/// A number of `HKEY_LOCAL_MACHINE`; `None` if there is none.
pub fn registry_number(key: &str, name: &str) -> Option<u32> {
    let mut number = 0_u32;
    let mut bytes = size_of::<u32>() as u32;
    // SAFETY: both texts end in a NUL; the room's size is given and it lives over the call.
    let error = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            wide(key).as_ptr(),
            wide(name).as_ptr(),
            RRF_RT_REG_DWORD,
            null_mut(),
            (&raw mut number).cast(),
            &mut bytes,
        )
    };
    (error == ERROR_SUCCESS).then_some(number)
}

/// Writes a `REG_EXPAND_SZ` into `HKEY_LOCAL_MACHINE`, making its key.
///
/// # Errors
/// When the registry refuses.
pub fn set_registry_text(key: &str, name: &str, text: &str) -> io::Result<()> {
    let bytes: Vec<u8> = wide(text).into_iter().flat_map(u16::to_le_bytes).collect();
    set_registry(key, name, REG_EXPAND_SZ, &bytes)
}

/// Writes a `REG_DWORD` into `HKEY_LOCAL_MACHINE`, making its key.
///
/// # Errors
/// When the registry refuses.
pub fn set_registry_number(key: &str, name: &str, number: u32) -> io::Result<()> {
    set_registry(key, name, REG_DWORD, &number.to_le_bytes())
}

fn set_registry(key: &str, name: &str, kind: u32, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: both texts end in a NUL; the bytes' number is given and they live over the call.
    let error = unsafe {
        RegSetKeyValueW(
            HKEY_LOCAL_MACHINE,
            wide(key).as_ptr(),
            wide(name).as_ptr(),
            kind,
            bytes.as_ptr().cast(),
            bytes.len() as u32,
        )
    };
    if error == ERROR_SUCCESS { Ok(()) } else { Err(registry_error(error)) }
}

/// Removes a key of `HKEY_LOCAL_MACHINE` and all below it, if it is there.
///
/// # Errors
/// When the registry refuses.
pub fn delete_registry_key(key: &str) -> io::Result<()> {
    // SAFETY: the text ends in a NUL.
    match unsafe { RegDeleteTreeW(HKEY_LOCAL_MACHINE, wide(key).as_ptr()) } {
        ERROR_SUCCESS | ERROR_FILE_NOT_FOUND => Ok(()),
        error => Err(registry_error(error)),
    }
}

/// An error of a call that gives it as its result.
fn registry_error(error: u32) -> io::Error {
    io::Error::from_raw_os_error(error.cast_signed())
}

fn check(succeeded: i32) -> io::Result<()> {
    if succeeded == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// As Windows takes texts: UTF-16 that ends in a NUL. None of ours has one inside.
fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
