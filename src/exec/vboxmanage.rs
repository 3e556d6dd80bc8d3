//! `VBoxManage`: asks VirtualBox how its machines are.

use std::collections::HashMap;

use anyhow::Result;

use super::Tool;
use super::virsh::DomainState;

/// A VirtualBox that has not answered by then is taken for unreachable: the first question starts its server.
const SECONDS: &str = "30";

/// The state of every machine that this user's VirtualBox has, by name.
///
/// # Errors
/// There is no VirtualBox, or it does not answer.
pub fn machines() -> Result<HashMap<String, DomainState>> {
    let manage = Tool::find("VBoxManage", "virtualbox")?;
    let list = Tool::find("timeout", "coreutils")?
        .args(["--foreground", "--signal=KILL", SECONDS])
        .arg(manage.program)
        .args(["list", "--long", "vms"])
        .env("LC_ALL", "C")
        .text()?;
    Ok(parse(&list))
}

/// Of each machine a `Name:` at the beginning of a line comes first, and a `State:` some lines later. A shared folder has
/// a `Name:`, too, behind the state.
fn parse(list: &str) -> HashMap<String, DomainState> {
    let mut machines = HashMap::new();
    let mut name = None;
    for line in list.lines() {
        if let Some(said) = line.strip_prefix("Name:") {
            name = Some(said.trim().to_owned());
        } else if let Some(said) = line.strip_prefix("State:") {
            let state = said.split(" (").next().unwrap_or_default().trim();
            if let (Some(name), Some(state)) = (name.take(), from_words(state)) {
                machines.insert(name, state);
            }
        }
    }
    machines
}

/// VirtualBox' words (`machineStateToName` in VBoxManageInfo.cpp).
fn from_words(words: &str) -> Option<DomainState> {
    Some(match words {
        "running" | "starting" | "stopping" | "restoring" | "live snapshotting" | "teleporting" => DomainState::Running,
        "paused" | "saving" | "saved" => DomainState::Paused,
        "powered off" => DomainState::Off,
        "aborted" | "aborted-saved" | "gurumeditation" | "guru meditation" => DomainState::Crashed,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What VirtualBox 7.2 printed, shortened; the warning is that of Debian's wrapper.
    const LIST: &str = "\
WARNING: The character device /dev/vboxdrv does not exist.
Name:                        hab-demo-etcd-01
Encryption:     disabled
Groups:                      /
Guest OS:                    Debian (64-bit)
State:                       running (since 2026-11-24T10:00:00.000000000)
Shared folders:
Name: 'share', Host path: '/srv' (machine mapping), writable

Name:                        two words
State:                       powered off (since 2026-11-24T10:00:00.000000000)

Name:                        broken
State:                       guru meditation (since 2026-11-24T10:00:00.000000000)
";

    #[test]
    fn a_list_of_machines_is_read() {
        let expected = [
            ("hab-demo-etcd-01", DomainState::Running),
            ("two words", DomainState::Off),
            ("broken", DomainState::Crashed),
        ];
        assert_eq!(parse(LIST), expected.map(|(name, state)| (name.to_owned(), state)).into());
    }
}
