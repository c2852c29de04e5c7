//! Who an instance runs as: a user on Linux, one of the accounts without a password on Windows.
//!
//! What the account may read and write is in `settings.rs` (Windows) and in the unit (Linux).

use super::instance::System;
use super::name::Name;

/// The longest name of a user that `systemd-sysusers(8)` makes. Source: `sysusers.d(5)`.
const USER_LENGTH_MAX: usize = 31;

/// An account, valid on the system it was read for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// A user of Linux, whose group has the same name.
    User(String),
    /// The virtual account of one Windows service, `NT SERVICE\NAME`: no password, no rights but
    /// those of users, and a security identifier of its own.
    Virtual(Name),
    /// `NT AUTHORITY\LocalService`, shared by services.
    LocalService,
    /// `NT AUTHORITY\NetworkService`, shared by services; the machine itself on the network.
    NetworkService,
    /// `LocalSystem`, which may do everything.
    LocalSystem,
}

impl Account {
    /// The account that is used when none is asked for: one that no other instance has.
    ///
    /// # Errors
    /// When Linux cannot have a user of that name, whose service then has another, as asked.
    pub fn default_of(system: &System, name: &Name) -> Result<Self, String> {
        match system {
            System::Linux => user(name.as_str())
                .map_err(|problem| format!("{problem}; choose another with --account")),
            System::Windows { .. } => Ok(Self::Virtual(name.clone())),
        }
    }

    /// Reads `--account`.
    ///
    /// # Errors
    /// A sentence that says which accounts there are.
    pub fn parse(system: &System, name: &Name, text: &str) -> Result<Self, String> {
        match system {
            System::Linux => user(text),
            System::Windows { .. } => windows(name, text),
        }
    }

    /// The name the service manager knows it by.
    #[must_use]
    pub fn as_text(&self) -> String {
        match self {
            Self::User(user) => user.clone(),
            Self::Virtual(name) => format!(r"NT SERVICE\{name}"),
            Self::LocalService => r"NT AUTHORITY\LocalService".to_owned(),
            Self::NetworkService => r"NT AUTHORITY\NetworkService".to_owned(),
            Self::LocalSystem => "LocalSystem".to_owned(),
        }
    }

    /// The trustee in a security descriptor string; on Linux there is none.
    ///
    /// Source: Win32, "SID Strings".
    #[must_use]
    pub fn trustee(&self) -> Option<String> {
        match self {
            Self::User(_) => None,
            Self::Virtual(name) => Some(service_sid(name)),
            Self::LocalService => Some("LS".to_owned()),
            Self::NetworkService => Some("NS".to_owned()),
            Self::LocalSystem => Some("SY".to_owned()),
        }
    }
}

/// Source: `sysusers.d(5)`, "User/Group Name Syntax", the strict form with capitals.
fn user(text: &str) -> Result<Account, String> {
    let is_valid = text.len() <= USER_LENGTH_MAX
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if is_valid {
        Ok(Account::User(text.to_owned()))
    } else {
        Err(format!(
            "`{text}` cannot be a user: 1 to {USER_LENGTH_MAX} letters, digits, `-` and `_`, no digit first"
        ))
    }
}

/// Any other account has a password, which a command line would show to every user.
fn windows(name: &Name, text: &str) -> Result<Account, String> {
    let (domain, account) = text.split_once('\\').unwrap_or(("", text));
    let (domain, account) = (domain.to_ascii_lowercase(), account.to_ascii_lowercase());
    let is_shared = domain.is_empty() || domain == "nt authority";
    match account.as_str() {
        "localservice" | "local service" if is_shared => Ok(Account::LocalService),
        "networkservice" | "network service" if is_shared => Ok(Account::NetworkService),
        "localsystem" if domain.is_empty() || domain == "." => Ok(Account::LocalSystem),
        _ if domain == "nt service" && account == name.as_str().to_ascii_lowercase() => {
            Ok(Account::Virtual(name.clone()))
        }
        _ => Err(format!(
            r"the account is `NT SERVICE\{name}`, LocalService, NetworkService or LocalSystem, not `{text}`: one with a password is set in the services console"
        )),
    }
}

/// The security identifier of a service's virtual account: five numbers out of the SHA-1 of its
/// name in capitals, as UTF-16. Source: Win32, `RtlCreateServiceSid`; `sc showsid` prints it.
fn service_sid(name: &Name) -> String {
    let upper = name.as_str().to_ascii_uppercase();
    let bytes: Vec<u8> = upper.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut sid = "S-1-5-80".to_owned();
    for word in sha1(&bytes) {
        sid.push('-');
        sid.push_str(&word.swap_bytes().to_string());
    }
    sid
}

/// SHA-1, which Windows names services with; nothing is secured by it. Source: RFC 3174.
fn sha1(message: &[u8]) -> [u32; 5] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize((message.len() + 9).next_multiple_of(64) - 8, 0);
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    let mut state = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];
    for block in padded.chunks_exact(64) {
        add_block(&mut state, block);
    }
    state
}

fn add_block(state: &mut [u32; 5], block: &[u8]) {
    let mut words = [0_u32; 80];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    for at in 16..80 {
        words[at] =
            (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (at, word) in words.into_iter().enumerate() {
        let (mix, constant) = match at {
            0..20 => ((b & c) | (!b & d), 0x5A82_7999),
            20..40 => (b ^ c ^ d, 0x6ED9_EBA1),
            40..60 => ((b & c) | (b & d) | (c & d), 0x8F1B_BCDC),
            _ => (b ^ c ^ d, 0xCA62_C1D6_u32),
        };
        let next = [a.rotate_left(5), mix, e, constant, word]
            .into_iter()
            .fold(0_u32, |sum, part| sum.wrapping_add(part));
        (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
    }
    for (sum, part) in state.iter_mut().zip([a, b, c, d, e]) {
        *sum = sum.wrapping_add(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows_system() -> System {
        System::Windows { program_data: r"C:\ProgramData".to_owned() }
    }

    #[test]
    fn the_identifier_of_a_virtual_account_is_the_one_windows_computes() {
        let name: Name = "TrustedInstaller".parse().unwrap();
        assert_eq!(
            service_sid(&name),
            "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
        );
    }

    #[test]
    fn digests_are_those_of_the_standard() {
        let expected = [0xA999_3E36, 0x4706_816A, 0xBA3E_2571, 0x7850_C26C, 0x9CD0_D89D];
        assert_eq!(sha1(b"abc"), expected);
        let two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        let expected = [0x8498_3E44, 0x1C3B_D26E, 0xBAAE_4AA1, 0xF951_29E5, 0xE546_70F1];
        assert_eq!(sha1(two_blocks), expected);
    }

    #[track_caller]
    fn check(system: &System, text: &str, expected: Option<Account>) {
        assert_eq!(Account::parse(system, &Name::default(), text).ok(), expected, "{text}");
    }

    #[test]
    fn accounts_of_windows_are_those_without_a_password() {
        let windows = windows_system();
        check(&windows, r"nt service\Edge-Node", Some(Account::Virtual(Name::default())));
        check(&windows, r"NT AUTHORITY\LocalService", Some(Account::LocalService));
        check(&windows, "NetworkService", Some(Account::NetworkService));
        check(&windows, "LocalSystem", Some(Account::LocalSystem));
        check(&windows, r"NT SERVICE\other", None);
        check(&windows, r".\somebody", None);
    }

    #[test]
    fn users_of_linux_are_what_sysusers_can_make() {
        check(&System::Linux, "web_1", Some(Account::User("web_1".to_owned())));
        check(&System::Linux, "1web", None);
        check(&System::Linux, "a b", None);
        check(&System::Linux, &"x".repeat(32), None);
    }
}
