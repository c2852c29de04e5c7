//! The DLLs that every Windows 10 and Server 2016, in each edition with a desktop or Server Core, has in `system32`.
//!
//! Each can be checked in the "Requirements" table (DLL, minimum supported client and server) of its functions' pages on
//! learn.microsoft.com; for `ucrtbase.dll` "Upgrade your code to the Universal CRT"; for `api-ms-win-…` "Windows API
//! sets". Redistributables (`vcruntime140.dll`, `msvcp140.dll`) are absent on purpose.

/// Sorted, in lower case.
const EVERYWHERE: [&str; 47] = [
    "advapi32.dll",
    "api-ms-win-core-synch-l1-2-0.dll",
    "api-ms-win-crt-conio-l1-1-0.dll",
    "api-ms-win-crt-convert-l1-1-0.dll",
    "api-ms-win-crt-environment-l1-1-0.dll",
    "api-ms-win-crt-filesystem-l1-1-0.dll",
    "api-ms-win-crt-heap-l1-1-0.dll",
    "api-ms-win-crt-locale-l1-1-0.dll",
    "api-ms-win-crt-math-l1-1-0.dll",
    "api-ms-win-crt-multibyte-l1-1-0.dll",
    "api-ms-win-crt-private-l1-1-0.dll",
    "api-ms-win-crt-process-l1-1-0.dll",
    "api-ms-win-crt-runtime-l1-1-0.dll",
    "api-ms-win-crt-stdio-l1-1-0.dll",
    "api-ms-win-crt-string-l1-1-0.dll",
    "api-ms-win-crt-time-l1-1-0.dll",
    "api-ms-win-crt-utility-l1-1-0.dll",
    "bcrypt.dll",
    "bcryptprimitives.dll",
    "combase.dll",
    "crypt32.dll",
    "dbghelp.dll",
    "dnsapi.dll",
    "fwpuclnt.dll",
    "gdi32.dll",
    "iphlpapi.dll",
    "kernel32.dll",
    "mswsock.dll",
    "ncrypt.dll",
    "netapi32.dll",
    "ntdll.dll",
    "ole32.dll",
    "oleaut32.dll",
    "pdh.dll",
    "powrprof.dll",
    "psapi.dll",
    "rpcrt4.dll",
    "secur32.dll",
    "shell32.dll",
    "ucrtbase.dll",
    "user32.dll",
    "userenv.dll",
    "version.dll",
    "wevtapi.dll",
    "winhttp.dll",
    "ws2_32.dll",
    "wtsapi32.dll",
];

/// Whether every Windows has the DLL; `name` in lower case.
pub fn is_everywhere(name: &str) -> bool {
    EVERYWHERE.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_searched() {
        assert!(EVERYWHERE.is_sorted());
        assert!(EVERYWHERE.iter().all(|name| *name == name.to_lowercase()));
    }

    #[test]
    fn redistributables_are_not_everywhere() {
        for name in ["vcruntime140.dll", "msvcp140.dll", "msvcr120.dll"] {
            assert!(!is_everywhere(name));
        }
    }

    #[test]
    fn what_the_toolchain_can_link_is_everywhere() {
        for (dll, _) in crate::toolchain::self_contained::IMPORTS {
            assert!(is_everywhere(&format!("{dll}.dll")), "{dll}");
        }
    }
}
