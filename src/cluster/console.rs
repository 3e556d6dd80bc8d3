//! What a node last said on its serial console, as libvirt records it: `out/console/NODE.log`.
//!
//! The file has several boots, one after the other. What a line can be: Vagrant's note that the machine is started, the
//! boot loader's first line, the initramfs' (`images/base/debian/initramfs/init`), a node's events
//! (`ignition/common/etc/kubernetes/hab/lib.sh`), and whatever the kernel says in between, even inside a line.

use std::fmt;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use fs_err as fs;
use serde::Deserialize;

use super::api::line;

/// How much of the file's end is read. A boot is a few KiB.
const TAIL: u64 = 64 << 10;

/// The beginnings of what is looked for. The first is that of JSON, from a node or from the Vagrantfile.
const JSON: &str = "{\"hab\":";
const BOOT_LOADER: &str = "SYSLINUX ";
const INITRAMFS: &str = "hab: ";
const FAILED: &str = "boot failed: ";
const CRITICAL: &str = "CRITICAL : ";
const PANIC: &str = "Kernel panic - not syncing: ";

/// A boot, as far as a node told of it.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Boot {
    /// The last event.
    pub event: Option<Event>,
    /// Why the initramfs gave up; the machine then powers off.
    pub failure: Option<String>,
    /// Why the kernel gave up; it then boots anew.
    pub panic: Option<String>,
    /// Ignition's last word, which says more than the initramfs.
    pub critical: Option<String>,
}

/// A step of a node.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub name: String,
    /// Seconds since the kernel started.
    pub uptime: f64,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {:.0} s after its start", self.name, self.uptime)
    }
}

/// A line of JSON; more fields may come.
#[derive(Deserialize)]
struct Said {
    hab: String,
    event: String,
    #[serde(default)]
    uptime: f64,
}

/// The last boot in the file; `None` when there is no file, or not one that the user can read.
pub(super) fn last_boot(path: &Path) -> Option<Boot> {
    if !path.is_file() {
        return None;
    }
    let mut file = fs::File::open(path).ok()?;
    let size = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL))).ok()?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail).ok()?;
    Some(parse(&String::from_utf8_lossy(&tail)))
}

fn parse(text: &str) -> Boot {
    let mut boot = Boot::default();
    for text in text.lines() {
        boot.take(text);
    }
    boot
}

impl Boot {
    fn take(&mut self, text: &str) {
        if text.starts_with(BOOT_LOADER) {
            // A kernel that panics boots again, and may do so for ever: that it did is kept until a node speaks.
            *self = Self { panic: self.panic.take(), ..Self::default() };
        } else if let Some(at) = text.find(JSON) {
            self.said(&text[at..]);
        } else if let Some((_, why)) = text.split_once(PANIC) {
            self.panic = Some(line(why));
        } else if let Some((_, words)) = text.split_once(INITRAMFS) {
            if let Some(why) = words.strip_prefix(FAILED) {
                let detail = self.critical.take().map(|detail| format!(": {detail}"));
                self.failure = Some(line(why) + &detail.unwrap_or_default());
            } else if let Some(why) = words.strip_prefix(CRITICAL) {
                self.critical = Some(line(why.strip_prefix("Ignition failed: ").unwrap_or(why)));
            }
        }
    }

    fn said(&mut self, json: &str) {
        // Something else may follow in the same line.
        let Some(Ok(said)) = serde_json::Deserializer::from_str(json).into_iter::<Said>().next() else {
            return;
        };
        match said.hab.as_str() {
            "console" => *self = Self::default(),
            "node" => {
                self.event = Some(Event { name: line(&said.event), uptime: said.uptime });
                self.panic = None;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The Vagrantfile's note, then what a node says, recorded from an etcd node under emulation.
    const STARTED: &str = "\n{\"hab\":\"console\",\"node\":\"etcd-01\",\"event\":\"start\",\"time\":\"2026-11-24T22:38:01Z\"}\n\
        \r\nSYSLINUX 6.04 20250413 Copyright (C) 1994-2015 H. Peter Anvin et al\r\n";
    const NODE: &str = "hab: first boot, Ignition runs\r\n\
        {\"hab\":\"node\",\"node\":\"etcd-01\",\"event\":\"start\",\"uptime\":8.66}\r\n\
        {\"hab\":\"node\",\"node\":\"etcd-01\",\"event\":\"network\",\"uptime\":9.93}\r\n\
        [   15.058398] virtio_net virtio0 eth0: NETDEV WATCHDOG: CPU: 0: transmit queue 0 timed out 5152 ms\r\n";
    /// The same of a node whose config wants a file below /usr.
    const FAILS: &str = "hab: first boot, Ignition runs\r\n\
        hab: CRITICAL : Ignition failed: failed to create files: failed to create files: error removing existing file \
        /usr/bin/x: unlinkat /usr/bin/x: read-only file system\r\n\
        hab: boot failed: Ignition's stage files failed\r\n\
        [    7.257022] reboot: Power down\r\n";
    /// The same of hab's kernel without a disk.
    const PANICS: &str = "[    1.348413] \r\n\
        [    1.348560] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n\
        [    1.348876] CPU: 0 UID: 0 PID: 1 Comm: swapper/0 Not tainted 6.12.118+deb13-cloud-amd64 #1  Debian 6.12.118-1\r\n\
        [    1.351324] Rebooting in 3 seconds..\r\n";
    const LOADER: &str = "\r\nSYSLINUX 6.04 20250413 Copyright (C) 1994-2015 H. Peter Anvin et al\r\n";

    fn event(boot: &Boot) -> Option<&str> {
        boot.event.as_ref().map(|event| event.name.as_str())
    }

    #[test]
    fn the_last_event_is_kept() {
        let boot = parse(&[STARTED, NODE].concat());
        assert_eq!(boot.event.unwrap().to_string(), "network, 10 s after its start");
        assert_eq!((boot.failure, boot.panic), (None, None));
    }

    #[test]
    fn a_boot_that_failed_has_its_reason() {
        let boot = parse(&[STARTED, FAILS].concat());
        assert_eq!(
            boot.failure.as_deref(),
            Some(
                "Ignition's stage files failed: failed to create files: failed to create files: error removing existing \
                 file /usr/bin/x: unlinkat /usr/bin/x: read-only file system"
            )
        );
        let bare = parse("hab: boot failed: no partition is named hab-usr\r\n");
        assert_eq!(bare.failure.as_deref(), Some("no partition is named hab-usr"));
    }

    #[test]
    fn only_the_last_boot_counts() {
        let before = [STARTED, FAILS].concat();
        for next in [STARTED, LOADER] {
            assert_eq!(parse(&[before.as_str(), next].concat()), Boot::default());
        }
        let boot = parse(&[before.as_str(), STARTED, NODE].concat());
        assert_eq!((event(&boot), &boot.failure), (Some("network"), &None));
        assert_eq!(parse(&[STARTED, NODE, STARTED].concat()), Boot::default());
    }

    #[test]
    fn a_panic_is_kept_over_the_reboot_that_it_leads_to() {
        let why = Some("VFS: Unable to mount root fs on unknown-block(0,0)");
        assert_eq!(parse(&[STARTED, PANICS].concat()).panic.as_deref(), why);
        assert_eq!(parse(&[STARTED, PANICS, LOADER].concat()).panic.as_deref(), why);
        assert_eq!(parse(&[STARTED, PANICS, LOADER, NODE].concat()).panic, None);
        assert_eq!(parse(&[STARTED, PANICS, STARTED].concat()).panic, None);
    }

    #[test]
    fn the_kernel_may_talk_in_between() {
        let text = "[   12.1] rcu: stall {\"hab\":\"node\",\"event\":\"api\",\"uptime\":12.0}[   12.2] more\r\n\
                    {\"hab\":\"node\",\"event\":\"kub[   13.0] cut in two\r\nelet\",\"uptime\":13.0}\r\n";
        assert_eq!(event(&parse(text)), Some("api"));
    }

    #[test]
    fn nothing_in_it_steers_a_terminal_or_is_long() {
        let text = "{\"hab\":\"node\",\"event\":\"a\\u001b[31mb\",\"uptime\":1}\nhab: boot failed: \u{1b}]0;x\u{7}\n";
        let boot = parse(text);
        assert_eq!((event(&boot), boot.failure.as_deref()), (Some("a [31mb"), Some("]0;x")));
        let long = parse(&format!("Kernel panic - not syncing: {}", "x".repeat(1000)));
        assert!(long.panic.unwrap().len() < 200);
    }

    #[test]
    fn only_the_end_of_a_long_file_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("n.log");
        assert_eq!(last_boot(&path), None);
        assert_eq!(last_boot(dir.path()), None);
        let noise = "[    1.0] noise\r\n".repeat(5000);
        assert!(noise.len() as u64 > TAIL);
        std::fs::write(&path, [STARTED, NODE].concat()).unwrap();
        assert_eq!(event(&last_boot(&path).unwrap()), Some("network"));
        std::fs::write(&path, [STARTED, NODE, &noise].concat()).unwrap();
        assert_eq!(last_boot(&path), Some(Boot::default()));
        std::fs::write(&path, [&noise, NODE].concat()).unwrap();
        assert_eq!(event(&last_boot(&path).unwrap()), Some("network"));
        std::fs::write(&path, b"\xff\xfe\r\n{\"hab\":\"node\",\"event\":\"etcd\",\"uptime\":2}").unwrap();
        assert_eq!(event(&last_boot(&path).unwrap()), Some("etcd"));
    }
}
