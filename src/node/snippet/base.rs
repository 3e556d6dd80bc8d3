//! What Ignition finds on a node: files that are there already, users and groups, and places where nothing can be put, or
//! where nobody would see it. Of the Debian base all of that is known; of a vendor's image only what every release of it has.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use ignition_config::v3_3::{NodeGroup, NodeUser};

use super::item::Place;
use crate::kinds;
use crate::node::base_files;
use crate::node::files::{Entry, NodeFiles};

/// Folders of `/` that a vendor's image has, and that keep what is put into them. All else in `/` may be read-only, and new
/// folders there are.
const VENDORS: [&str; 6] = ["/etc", "/home", "/opt", "/root", "/srv", "/var"];

/// Places that are not a snippet's, and why. Mounts are those of `images/base/debian/initramfs/init` and of `hab.target`.
const NOT_YOURS: [(&str, &str); 11] = [
    ("/usr", "is read-only on a node"),
    ("/opt/hab", "is where a node mounts its payload"),
    ("/dev", "is the kernel's"),
    ("/proc", "is the kernel's"),
    ("/sys", "is the kernel's"),
    ("/run", "is in memory, and lost with the first boot"),
    ("/tmp", "is in memory, and mounted after Ignition has run"),
    ("/lost+found", "is the file system's own"),
    ("/var/lib/hab", "is where a node notes what it has done"),
    // `internal/distro/distro.go`: read before it is written, so anything else there is an error.
    ("/etc/.ignition-result.json", "is Ignition's own report"),
    // `internal/exec/util/selinux.go`, at the end of every run.
    ("/etc/selinux", "is what Ignition asks whether there is SELinux"),
];

/// Where Ignition looks up names, and hab's own daemons find themselves.
const NAMES: [&str; 2] = ["/etc/passwd", "/etc/group"];

/// What is known of a vendor's image: folders, and the one user that is the same everywhere.
fn vendors() -> Result<NodeFiles> {
    const ORIGIN: &str = "the base";
    let mut files = NodeFiles::new();
    for folder in VENDORS {
        files.folder(folder, 0o755, ORIGIN)?;
    }
    for name in NAMES {
        files.file(name, 0o644, *b"root:x:0:\n", ORIGIN)?;
    }
    Ok(files)
}

/// Whoever asks chown(2) for this id asks it to change nothing.
const NO_ID: i64 = 0xffff_ffff;

/// The root file system of a node before its first boot.
#[derive(Debug, Clone)]
pub struct RootFs {
    files: NodeFiles,
}

impl RootFs {
    /// What is built into a box of this base.
    pub fn new(base: kinds::Base) -> Result<Self> {
        let files = match base {
            kinds::Base::Debian => base_files::read()?,
            kinds::Base::Flatcar | kinds::Base::FedoraCoreos => vendors()?,
        };
        Ok(Self { files })
    }

    /// Refuses a place where Ignition would fail, or put something for nobody to see.
    pub fn check_path(&self, path: &str) -> Result<()> {
        for above in Path::new(path).ancestors().filter_map(Path::to_str) {
            if let Some((place, why)) = NOT_YOURS.iter().find(|(place, _)| *place == above) {
                bail!("{path:?} can't be a snippet's: {place} {why}");
            }
            let what = match self.files.get(above) {
                Some(Entry::Link(target)) => format!("a link to {target}"),
                Some(Entry::File { .. }) if above != path => "a file".to_owned(),
                _ => continue,
            };
            bail!("{path:?} can't be a snippet's: {above} is {what} on every node");
        }
        // Ignition's `FindFirstMissingPathComponent` (`internal/exec/util/file.go`) fails when it gets to `/`, and on a
        // node that is the root it works in.
        let top = path.trim_start_matches('/').split_once('/').map(|(top, _)| format!("/{top}"));
        let known = top.is_some_and(|top| self.files.below(&top).is_some() || self.files.get(&top).is_some());
        ensure!(known, "{path:?} can't be a snippet's: Ignition makes nothing new in /; go below /srv or /opt");
        Ok(())
    }

    /// Refuses what would not fit to what the base has at the same path (Ignition 2.14,
    /// `internal/exec/stages/files/filesystemEntries.go`).
    pub fn check_place(&self, place: &Place) -> Result<()> {
        let path = &place.path;
        let below = self.files.below(path);
        if below.is_some() || matches!(self.files.get(path), Some(Entry::Folder { .. })) {
            let what = below.unwrap_or("nothing else");
            ensure!(place.folder, "{path} is a folder of the base, which has {what} in it");
            ensure!(!place.overwrite, "{path} is a folder of the base; `overwrite` would remove all that is in it");
        } else if let Some(Entry::File { .. }) = self.files.get(path) {
            ensure!(!place.folder, "{path} is a file of the base");
            let adds = place.overwrite || !place.creates;
            ensure!(adds, "{path} is a file of the base, and replaced only with `overwrite`; or `append` to it");
            ensure!(!place.creates || !NAMES.contains(&path.as_str()), "{path} can't be replaced; `append` to it");
        }
        Ok(())
    }

    /// Refuses owners that Ignition would not find (`internal/exec/util/file.go`).
    pub fn check_owner(&self, user: Option<&NodeUser>, group: Option<&NodeGroup>) -> Result<()> {
        let user = user.map(|user| ("user", "/etc/passwd", user.id, user.name.as_deref()));
        let group = group.map(|group| ("group", "/etc/group", group.id, group.name.as_deref()));
        for (what, file, id, name) in user.into_iter().chain(group) {
            let name = name.filter(|name| !name.is_empty());
            ensure!(id.is_none() || name.is_none(), "its {what} has both id and name");
            ensure!(id.is_none_or(|id| (0..NO_ID).contains(&id)), "its {what} has an id that is none");
            let Some(name) = name else { continue };
            let known = self.names(file);
            let list = known.join(", ");
            ensure!(
                known.contains(&name),
                "its {what} {name:?} is not on a node, which has {list}; take the id instead"
            );
        }
        Ok(())
    }

    /// The first field of each line: `etcd` of `etcd:x:2379:`.
    fn names(&self, file: &str) -> Vec<&str> {
        let Some(Entry::File { content, .. }) = self.files.get(file) else { return Vec::new() };
        let lines = std::str::from_utf8(content).unwrap_or_default().lines();
        lines.filter_map(|line| line.split(':').next()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_where_nothing_can_be_put() {
        let base = RootFs::new(kinds::Base::Debian).unwrap();
        for path in ["/etc/x", "/opt/mine/x", "/opt/habit", "/var/lib/mine", "/srv/x", "/etc/fstab", "/var/log/x/y"] {
            base.check_path(path).unwrap();
        }
        for (path, why) in [
            ("/usr", "/usr is read-only"),
            ("/usr/local/bin/x", "/usr is read-only"),
            ("/opt/hab/bin/x", "mounts its payload"),
            ("/run/x", "in memory"),
            ("/tmp/x", "in memory"),
            ("/dev/x", "the kernel's"),
            ("/var/lib/hab/provisioned", "what it has done"),
            ("/etc/.ignition-result.json", "own report"),
            ("/etc/selinux/config", "there is SELinux"),
            ("/bin", "/bin is a link to usr/bin"),
            ("/bin/x", "/bin is a link to usr/bin"),
            ("/var/run/x", "/var/run is a link to /run"),
            ("/etc/mtab", "is a link to ../proc/self/mounts"),
            ("/etc/fstab/x", "/etc/fstab is a file"),
            ("/srv", "nothing new in /"),
            ("/etc", "nothing new in /"),
            ("/data", "nothing new in /"),
            ("/data/x/y", "nothing new in /"),
        ] {
            let error = base.check_path(path).unwrap_err().to_string();
            assert!(error.contains(why), "{path}: {error}");
        }
    }

    #[test]
    fn of_a_vendors_image_only_what_all_have_is_known() {
        let base = RootFs::new(kinds::Base::FedoraCoreos).unwrap();
        for path in ["/etc/x", "/opt/mine/x", "/srv/x", "/var/lib/mine", "/etc/fstab"] {
            base.check_path(path).unwrap();
        }
        for path in ["/data/x", "/usr/x", "/opt/hab/x", "/mnt/x"] {
            assert!(base.check_path(path).is_err(), "{path}");
        }
        let user = |name: &str| base.check_owner(Some(&NodeUser { id: None, name: Some(name.to_owned()) }), None);
        user("root").unwrap();
        assert!(user("core").unwrap_err().to_string().contains("take the id instead"));
    }

    #[test]
    fn what_the_base_has_is_added_to_or_replaced_on_purpose() {
        let base = RootFs::new(kinds::Base::Debian).unwrap();
        let place = |path: &str, [folder, overwrite, creates]: [bool; 3]| {
            let place = Place { path: path.to_owned(), folder, overwrite, creates };
            base.check_place(&place).map_err(|error| error.to_string())
        };
        for (path, folder) in [("/var/log", true), ("/etc/systemd", true), ("/etc/new", false), ("/etc/new", true)] {
            place(path, [folder, false, true]).unwrap();
        }
        place("/etc/fstab", [false, true, true]).unwrap();
        place("/etc/fstab", [false, false, false]).unwrap();
        place("/etc/passwd", [false, false, false]).unwrap();
        for (path, how, why) in [
            ("/var/log", [true, true, true], "remove all"),
            ("/etc/systemd", [false, true, true], "is a folder of the base, which has /etc/systemd/"),
            ("/var/log", [false, true, true], "which has nothing else in it"),
            ("/etc/fstab", [true, true, true], "is a file"),
            ("/etc/fstab", [false, false, true], "only with `overwrite`"),
            ("/etc/passwd", [false, true, true], "can't be replaced"),
            ("/etc/systemd/system-preset/99-hab.preset", [false, false, true], "is a file"),
        ] {
            let error = place(path, how).unwrap_err();
            assert!(error.contains(why), "{path}: {error}");
        }
    }

    #[test]
    fn owners_are_those_of_the_base() {
        let base = RootFs::new(kinds::Base::Debian).unwrap();
        let user = |id, name: &str| {
            let user = NodeUser { id, name: Some(name.to_owned()) };
            base.check_owner(Some(&user), None).map_err(|error| error.to_string())
        };
        for (id, name) in [(None, "etcd"), (None, ""), (Some(0), ""), (Some(NO_ID - 1), "")] {
            user(id, name).unwrap();
        }
        let group = NodeGroup { id: None, name: Some("nogroup".to_owned()) };
        base.check_owner(None, Some(&group)).unwrap();
        assert!(user(Some(0), "root").unwrap_err().contains("both id and name"));
        assert!(user(Some(-1), "").unwrap_err().contains("none"));
        assert!(user(Some(NO_ID), "").unwrap_err().contains("none"));
        let error = user(None, "nogroup").unwrap_err();
        assert_eq!(
            error,
            "its user \"nogroup\" is not on a node, which has root, etcd, haproxy, nobody; take the id instead"
        );
    }
}
