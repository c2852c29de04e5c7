//! What a single string of the declaration may look like; named by `format` in the schema.
//!
//! Rules about one value only. Rules that compare values are in [`super::lower`].

use strict_toml::{Formats, Invalid};

/// The formats that `release.toml` uses.
pub fn formats() -> Formats {
    Formats::default()
        .with("identifier", identifier)
        .with("package-name", package_name)
        .with("file-name", file_name)
        .with("relative-path", relative_path)
        .with("url-path", url_path)
        .with("https-address", https_address)
        .with("web-address", web_address)
        .with("thumbprint", thumbprint)
        .with("metric-name", metric_name)
        .with("line", line)
        .with("version-number", version_number)
        .with("email-address", email_address)
        .with("license-expression", license_expression)
}

/// Lower case letters, digits and inner dashes: safe in a file name, a unit name, a registry key and a user name
/// (`useradd(8)`).
pub(super) fn identifier(text: &str) -> Result<(), Invalid> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let valid = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(inner)
        && !text.ends_with('-');
    valid.then_some(()).ok_or_else(|| {
        Invalid::new(format!("`{text}` is not an identifier"))
            .help("use lower case letters, digits and inner dashes, starting with a letter")
    })
}

/// What cargo allows as the name of a package or a binary (the Cargo book, "The `name` field").
fn package_name(text: &str) -> Result<(), Invalid> {
    let valid = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    valid.then_some(()).ok_or_else(|| {
        Invalid::new(format!("`{text}` is not the name of a cargo package"))
            .help("use letters, digits, `-` and `_`, starting with a letter")
    })
}

/// A base name that both systems accept (the Win32 "Naming Files" page lists what Windows refuses).
fn file_name(text: &str) -> Result<(), Invalid> {
    let valid = !text.is_empty()
        && !text.starts_with(['.', '-', ' '])
        && windows_name(text).is_ok()
        && text.chars().all(|c| c.is_ascii_graphic() && !r#"<>:"/\|?*'$`%"#.contains(c));
    valid.then_some(()).ok_or_else(|| {
        Invalid::new(format!("`{text}` is not a file name on every system"))
            .help("use letters, digits, `.`, `-` and `_`, without a folder")
    })
}

/// A base name that Windows accepts (the Win32 "Naming Files" page).
pub(super) fn windows_name(text: &str) -> Result<(), Invalid> {
    let stem = text.split('.').next().unwrap_or(text).trim_end().to_ascii_uppercase();
    let is_numbered = |device: &str| {
        stem.strip_prefix(device)
            .is_some_and(|n| n.len() == 1 && n.bytes().all(|d| d.is_ascii_digit()))
    };
    let is_device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || is_numbered("COM")
        || is_numbered("LPT");
    let problem = if is_device {
        "is a device of Windows"
    } else if text.ends_with(['.', ' ']) {
        "ends with a dot or a space, which Windows drops"
    } else if text.contains(['<', '>', ':', '"', '|', '?', '*', '\\', '/']) {
        "has a character that Windows refuses"
    } else {
        return Ok(());
    };
    Err(Invalid::new(format!("`{text}` {problem}")).help("choose a name that every system accepts"))
}

/// Base name of a DLL.
pub(super) fn dll_name(text: &str) -> Result<(), Invalid> {
    let lower = text.to_ascii_lowercase();
    let stem = lower.strip_suffix(".dll").unwrap_or_default();
    (!stem.is_empty() && file_name(text).is_ok()).then_some(()).ok_or_else(|| {
        Invalid::new(format!("`{text}` is not the name of a DLL"))
            .help("for example \"version.dll\"")
    })
}

/// Digits with dots between them.
fn version_number(text: &str) -> Result<(), Invalid> {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
    text.split('.').all(part).then_some(()).ok_or_else(|| {
        Invalid::new(format!("`{text}` is not a version number"))
            .help("digits and dots, for example \"10.0.22621\"")
    })
}

/// An address as package managers read it: RFC 5322 section 3.4.1 without quotes and comments, at a host with a dot.
fn email_address(text: &str) -> Result<(), Invalid> {
    let atom = |c: char| c.is_ascii_alphanumeric() || "-._+".contains(c);
    let valid = text.split_once('@').is_some_and(|(name, domain)| {
        let dotted = |text: &str| text.split('.').all(|part| !part.is_empty());
        name.chars().all(atom) && dotted(name) && domain.contains('.') && host(domain).is_ok()
    });
    valid.then_some(()).ok_or_else(|| {
        Invalid::new(format!("`{text}` is not an e-mail address"))
            .help("for example \"releases@example.org\"")
    })
}

/// The characters of an SPDX expression (SPDX 2.3, annex D).
fn license_expression(text: &str) -> Result<(), Invalid> {
    let valid = text.split(' ').all(|word| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-.+:()".contains(c))
    });
    valid.then_some(()).ok_or_else(|| {
        Invalid::new(format!("`{text}` is not an SPDX licence expression"))
            .help("for example \"Apache-2.0\" or \"MIT OR Apache-2.0\"")
    })
}

/// What every shell can set (POSIX.1-2017, Base Definitions 8.1).
pub(super) fn environment_variable(text: &str) -> Result<(), Invalid> {
    let valid = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    valid.then_some(()).ok_or_else(|| {
        Invalid::new(format!("`{text}` is not the name of an environment variable"))
            .help("use letters, digits and `_`")
    })
}

/// One line that says something.
pub(super) fn filled_line(text: &str) -> Result<(), Invalid> {
    if text.is_empty() { Err(Invalid::new("the text is empty")) } else { line(text) }
}

/// A path below the workspace root or a bundle's root, with forward slashes.
fn relative_path(text: &str) -> Result<(), Invalid> {
    if text.contains('\\') {
        return Err(Invalid::new(format!("`{text}` has backslashes"))
            .help("write forward slashes, on Windows as well"));
    }
    let component = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && !part.chars().any(|c| c.is_control() || c == ':')
    };
    text.split('/').all(component).then_some(()).ok_or_else(|| {
        Invalid::new(format!("`{text}` is not a relative path"))
            .help("no leading `/`, no `.`, no `..`, no `:`")
    })
}

/// The path of an HTTP request (RFC 3986 section 3.3), without query.
fn url_path(text: &str) -> Result<(), Invalid> {
    let valid = text.starts_with('/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "/-._~".contains(c))
        && !text.contains("//");
    valid.then_some(()).ok_or_else(|| {
        Invalid::new(format!("`{text}` is not the path of an HTTP request"))
            .help("for example \"/metrics\"")
    })
}

/// What stands after the scheme of an address.
fn host_and_path(rest: &str) -> bool {
    !rest.is_empty()
        && !rest.starts_with('/')
        && rest.chars().all(|c| c.is_ascii_graphic() && c != '"')
}

/// Time-stamping services are reached by plain HTTP: what they answer is signed.
fn web_address(text: &str) -> Result<(), Invalid> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(host_and_path).then_some(()).ok_or_else(|| {
        Invalid::new(format!("`{text}` is not a web address"))
            .help("for example \"http://timestamp.example.org/\"")
    })
}

/// A SHA-1 digest, as `certutil` and `signtool` write it.
fn thumbprint(text: &str) -> Result<(), Invalid> {
    let valid = text.len() == 40 && text.bytes().all(|c| c.is_ascii_hexdigit());
    valid.then_some(()).ok_or_else(|| {
        Invalid::new(format!("`{text}` is not the thumbprint of a certificate"))
            .help("40 hexadecimal digits without spaces")
    })
}

fn https_address(text: &str) -> Result<(), Invalid> {
    let valid = text.strip_prefix("https://").is_some_and(host_and_path);
    valid.then_some(()).ok_or_else(|| {
        Invalid::new(format!("`{text}` is not an https address"))
            .help("for example \"https://example.org/\"")
    })
}

/// <https://prometheus.io/docs/concepts/data_model/#metric-names-and-labels>; colons are for recording rules.
fn metric_name(text: &str) -> Result<(), Invalid> {
    label_name(text).map_err(|_| {
        Invalid::new(format!("`{text}` is not a metric name"))
            .help("use letters, digits and `_`, starting with a letter")
    })
}

/// A label name that Prometheus does not keep for itself.
pub(super) fn label_name(text: &str) -> Result<(), Invalid> {
    let valid = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !text.starts_with("__")
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    valid.then_some(()).ok_or_else(|| {
        Invalid::new(format!("`{text}` is not a label name"))
            .help("use letters, digits and `_`, starting with a letter; names with `__` are Prometheus' own")
    })
}

/// Labels of Prometheus' own, and those that the measured families and the alerting rules carry.
const LABELS_TAKEN: [&str; 12] = [
    "job",
    "instance",
    "listener",
    "route",
    "method",
    "code",
    "le",
    "quantile",
    "severity",
    "alertname",
    "pool",
    "upstream",
];

/// A label that may be added to every target.
pub(super) fn target_label(text: &str) -> Result<(), Invalid> {
    label_name(text)?;
    if !LABELS_TAKEN.contains(&text) {
        return Ok(());
    }
    Err(Invalid::new(format!(
        "label `{text}` is set by Prometheus, the metrics or the alerting rules"
    ))
    .help("choose another name"))
}

/// A host name (RFC 1123 section 2.1) or an IP address, without a port.
pub(super) fn host(text: &str) -> Result<(), Invalid> {
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let valid = text.parse::<std::net::IpAddr>().is_ok()
        || (text.len() <= 253 && text.split('.').all(label));
    valid.then_some(()).ok_or_else(|| {
        Invalid::new(format!("`{text}` is not a host"))
            .help("write a host name or an IP address, without a port: the port is the metrics listener's")
    })
}

/// Text that is shown on one line.
fn line(text: &str) -> Result<(), Invalid> {
    match text.chars().find(|c| c.is_control()) {
        Some(c) => {
            Err(Invalid::new(format!("the text has the control character U+{:04X}", u32::from(c)))
                .help("write it on one line, without tabs"))
        }
        None if text.trim() != text => Err(Invalid::new("the text starts or ends with a space")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(format: fn(&str) -> Result<(), Invalid>, good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!(format(text), Ok(()), "{text}");
        }
        for text in bad {
            assert!(format(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_identifier_is_safe_in_every_language() {
        check(
            identifier,
            &["edge-node", "a", "n0"],
            &["", "Edge", "0n", "-a", "a-", "a_b", "a b", "a$", "ü"],
        );
    }

    #[test]
    fn a_file_name_has_no_folder_and_no_windows_device_character() {
        check(
            file_name,
            &["edge-node.toml", "a_b"],
            &["", ".a", "a.", "a/b", r"a\b", "a:b", "a b", "a$b", "-a"],
        );
    }

    #[test]
    fn a_device_of_windows_is_no_file_name() {
        check(file_name, &["console.toml", "com.toml"], &["CON.toml", "nul", "Com1.txt", "lpt9"]);
        check(windows_name, &["a b", "ü"], &["a*", "a?", "a|b", "a ", "a.", "NUL .txt"]);
    }

    #[test]
    fn a_package_names_an_address_and_a_licence() {
        check(
            email_address,
            &["a@b.example", "a.b+c@d-e.example"],
            &["", "a", "a@b", "@b.c", "a b@c.d", "a@b.c\n", "a@b@c.d", "a..b@c.d"],
        );
        check(
            license_expression,
            &["MIT", "MIT OR (Apache-2.0 AND GPL-2.0+)"],
            &["", "MIT  OR", "MIT\n", "a/b", "ü"],
        );
    }

    #[test]
    fn a_dll_is_named_by_its_base_name() {
        check(dll_name, &["foo.dll", "FOO.DLL"], &["", "foo", "../x", "../x.dll", ".dll"]);
    }

    #[test]
    fn a_version_number_is_digits_and_dots() {
        check(version_number, &["10.0.22621", "1"], &["", "../../x", "1.", ".1", "1.a"]);
    }

    #[test]
    fn an_environment_variable_can_be_set_by_a_shell() {
        check(environment_variable, &["KEY", "_a1"], &["", "A B", "1A", "A=B", "ü"]);
    }

    #[test]
    fn a_target_label_is_nobody_elses() {
        check(target_label, &["site"], &["job", "le", "__a", ""]);
    }

    #[test]
    fn a_relative_path_stays_below_its_root() {
        check(
            relative_path,
            &["a", "a/b.c", "a b/ü"],
            &["", "/a", "a/", "../a", "a/../b", "./a", r"a\b", "c:/a", "a//b"],
        );
    }

    #[test]
    fn a_url_path_needs_no_escaping() {
        check(
            url_path,
            &["/", "/metrics", "/a/b-c"],
            &["", "metrics", "/a b", "/a?b", "//a", "/a\"b"],
        );
    }

    #[test]
    fn a_metric_name_is_one_that_prometheus_reads() {
        check(metric_name, &["a", "a_b_total", "_a"], &["", "0a", "a-b", "a:b", "__a", "a b"]);
    }

    #[test]
    fn a_host_has_no_port() {
        check(
            host,
            &["localhost", "a.example", "10.0.0.1", "::1"],
            &["", "a:80", "http://a", "a..b", "-a", "a_b"],
        );
    }

    #[test]
    fn a_line_has_no_control_characters() {
        check(line, &["Edge Node", "ü $ % {{"], &["a\nb", "a\tb", " a", "a ", "a\u{7f}"]);
    }

    #[test]
    fn a_web_address_has_a_scheme_and_a_host() {
        check(
            web_address,
            &["http://t.example", "https://t.example:8080/a"],
            &["", "t.example", "ftp://t.example", "http://", "http:///a", "http://a b"],
        );
    }

    #[test]
    fn a_thumbprint_is_40_digits() {
        let digits = "0123456789abcdefABCD".repeat(2);
        check(thumbprint, &[&digits], &["", &digits[1..], &digits.replace('0', "g"), "01 02"]);
    }

    #[test]
    fn an_https_address_is_not_http() {
        check(
            https_address,
            &["https://example.org/a"],
            &["http://example.org", "https://", "https:///a", "example.org"],
        );
    }
}
