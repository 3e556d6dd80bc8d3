//! All labs of this user: noted when they are made, found again by `hab ls`, and kept out of each other's way.
//!
//! A note is a file with the path of a lab's folder, in `$XDG_STATE_HOME/hab/labs`, else `~/.local/state/hab/labs`. It says
//! nothing else: what a lab is stands in its own folder.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use fs_err as fs;
use ipnet::Ipv4Net;

use crate::atomic_fs;
use crate::config::{FILE, Label, Reading, Route, host_routes, load};
use crate::digest::sha256;
use crate::kinds::Provider;
use crate::lab::absolute;
use crate::provider::facts;
use crate::xdg;

/// The third bytes of the networks 192.168.x.0/24 that a new lab can get. It begins with the one that stands in the
/// reference; up to 63 `VirtualBox` allows them to host-only networks without being asked.
const THIRD: std::ops::RangeInclusive<u8> = 56..=255;

/// Where this user's labs are noted.
#[derive(Debug)]
pub struct Labs {
    folder: PathBuf,
}

/// What the others of this user's labs have, which a new one is not to have.
#[derive(Debug, Default)]
pub struct Taken {
    names: Vec<String>,
    networks: Vec<Ipv4Net>,
}

impl Labs {
    /// Those of the environment; `None` where that names no home.
    #[must_use]
    pub fn of_user() -> Option<Self> {
        let state = xdg::folder("XDG_STATE_HOME", ".local/state")?;
        Some(Self { folder: state.join("hab").join("labs") })
    }

    /// Keeps other runs of hab from choosing for a new lab meanwhile, for as long as what is returned is kept.
    ///
    /// # Errors
    /// The folder can't be made or held.
    pub fn hold(&self) -> Result<fs::File> {
        atomic_fs::create_dir_if_missing(&self.folder)?;
        let held = fs::File::open(&self.folder)?;
        // Others hold it for a moment only.
        atomic_fs::hold(&held, || ())
            .with_context(|| format!("waiting for another run of hab in {}", self.folder.display()))?;
        Ok(held)
    }

    /// Notes the lab in the folder `lab`; one that is noted stays so.
    ///
    /// # Errors
    /// The note can't be written.
    pub fn note(&self, lab: &Path) -> Result<()> {
        let lab = fs::canonicalize(lab)?;
        atomic_fs::create_dir_if_missing(&self.folder)?;
        let bytes = lab.as_os_str().as_bytes();
        atomic_fs::write(&self.folder.join(sha256(bytes)), atomic_fs::PUBLIC, bytes)?;
        Ok(())
    }

    /// The folders of all labs that are still there, in order.
    ///
    /// # Errors
    /// A note can't be read.
    pub fn folders(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        if self.folder.is_dir() {
            for entry in fs::read_dir(&self.folder)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with(atomic_fs::PREFIX) {
                    continue;
                }
                let lab = PathBuf::from(OsStr::from_bytes(&fs::read(entry.path())?));
                // A lab that is gone, or moved: its next render notes it where it is then.
                if lab.join(FILE).is_file() {
                    found.push(lab);
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// What all labs have but the one in the folder `but`; of a lab whose `hab.yaml` is wrong nothing is known.
    ///
    /// # Errors
    /// A note can't be read.
    pub fn taken(&self, but: &Path) -> Result<Taken> {
        let but = absolute(but)?;
        let mut taken = Taken::default();
        for folder in self.folders()?.into_iter().filter(|folder| *folder != but) {
            let Ok(Reading { config: Some(config), .. }) = load(&folder) else { continue };
            taken.names.push(config.lab.as_str().to_owned());
            taken.networks.push(config.network.nodes);
            taken.networks.extend(config.network.extra.values());
        }
        Ok(taken)
    }
}

impl Taken {
    /// Adds what this host reaches, and what providers have for themselves.
    #[must_use]
    pub fn and_the_hosts(mut self) -> Self {
        self.networks.extend(host_routes().iter().map(Route::network));
        let providers = Provider::ALL.iter().flat_map(|(_, provider)| facts(*provider).taken);
        self.networks.extend(providers.map(|(network, _)| *network));
        self
    }

    /// The first network for machines that is in nobody's way; `None` when there is none left.
    #[must_use]
    pub fn free_network(&self) -> Option<Ipv4Net> {
        let mut networks = THIRD.map(|third| Ipv4Net::new_assert([192, 168, third, 0].into(), 24));
        let free = |wanted: &Ipv4Net| !self.networks.iter().any(|it| it.contains(wanted) || wanted.contains(it));
        networks.find(free)
    }

    /// `wanted`, or that with the first number behind it that makes it no other lab's name: machines are called by it.
    #[must_use]
    pub fn free_name(&self, wanted: Label) -> Label {
        let is_free = |name: &Label| !self.names.iter().any(|taken| taken == name.as_str());
        let numbered = |number: u32| Label::from_any(&format!("{wanted}-{number}"));
        // A name that is as long as can be has no room for a number, and stays as it is.
        if is_free(&wanted) { wanted } else { (2..1000).map(numbered).find(is_free).unwrap_or(wanted) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab(at: &Path, name: &str, network: &str) -> PathBuf {
        let folder = at.join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(FILE), format!("lab: {name}\nnetwork: {{{network}}}\n")).unwrap();
        folder
    }

    #[test]
    fn a_lab_is_found_until_it_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let at = fs::canonicalize(dir.path()).unwrap();
        let labs = Labs { folder: at.join("state/hab/labs") };
        assert_eq!(labs.folders().unwrap(), Vec::<PathBuf>::new());
        let (b, a) = (lab(&at, "b", ""), lab(&at, "a", ""));
        for folder in [&b, &a, &b] {
            labs.note(folder).unwrap();
        }
        let _held = labs.hold().unwrap();
        assert_eq!(labs.folders().unwrap(), [a.clone(), b]);
        fs::remove_file(a.join(FILE)).unwrap();
        assert_eq!(labs.folders().unwrap().len(), 1);
        labs.note(&at.join("nowhere")).unwrap_err();
    }

    #[test]
    fn what_other_labs_have_a_new_one_does_not_get() {
        let dir = tempfile::tempdir().unwrap();
        let at = fs::canonicalize(dir.path()).unwrap();
        let labs = Labs { folder: at.join("labs") };
        let chosen = |but: &Path| labs.taken(but).unwrap().free_network().unwrap().to_string();
        assert_eq!(chosen(&at), "192.168.56.0/24");
        let one = lab(&at, "one", "nodes: 192.168.56.0/23, extra: {storage: 192.168.58.0/23}");
        labs.note(&one).unwrap();
        assert_eq!(chosen(&at), "192.168.60.0/24");
        assert_eq!(chosen(&one), "192.168.56.0/24", "the lab's own networks are not in its way");
        // What is wrong says nothing.
        fs::write(one.join(FILE), "lab: [").unwrap();
        assert_eq!(chosen(&at), "192.168.56.0/24");
    }

    #[test]
    fn a_name_is_nobody_elses() {
        let taken = Taken { names: vec!["lab".to_owned(), "lab-2".to_owned()], networks: Vec::new() };
        let free = |name: &str| taken.free_name(Label::new(name).unwrap()).to_string();
        assert_eq!((free("lab"), free("other")), ("lab-3".to_owned(), "other".to_owned()));
    }

    #[test]
    fn providers_have_networks_of_their_own_and_there_is_an_end() {
        let mut taken = Taken::default().and_the_hosts();
        for third in 56..=120 {
            taken.networks.push(Ipv4Net::new_assert([192, 168, third, 0].into(), 24));
        }
        let free = taken.free_network().unwrap();
        assert!(!["192.168.121.0/24", "192.168.122.0/24"].contains(&free.to_string().as_str()), "{free}");
        taken.networks.push("192.168.0.0/16".parse().unwrap());
        assert_eq!(taken.free_network(), None);
    }
}
