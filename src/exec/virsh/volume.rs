//! virsh's commands for volumes: the files of a storage pool.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::Virsh;
use crate::exec::signal;

/// For how long a pool may be busy. What writes to it for longer are whole boxes, which `vagrant up` brings in.
const BUSY: Duration = Duration::from_secs(20);

/// Between two tries.
const LOOK: Duration = Duration::from_millis(200);

/// A file of a storage pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Where it is, on libvirt's machine.
    pub path: String,
    /// How large a guest finds it, in bytes.
    pub capacity: u64,
    /// How much of it is on the disk, in bytes.
    pub allocation: u64,
    /// The file that it holds the differences to.
    pub backing: Option<String>,
}

/// A new disk, which begins with the content of another or empty.
#[derive(Debug, Clone, Copy)]
pub struct Overlay<'a> {
    /// Its name in the pool.
    pub name: &'a str,
    /// The path of the other disk, a qcow2.
    pub backing: Option<&'a str>,
    /// How large a guest finds it, in bytes.
    pub capacity: u64,
}

impl Virsh {
    /// The name of the pool that has the file at `path`.
    ///
    /// # Errors
    /// No pool has it.
    pub fn pool_of(&self, path: &str) -> Result<String> {
        Ok(self.tool(["vol-pool", path])?.text()?.trim().to_owned())
    }

    /// How many bytes a pool has room for.
    ///
    /// # Errors
    /// There is no such pool.
    pub fn room(&self, pool: &str) -> Result<u64> {
        let text = self.tool(["pool-info", "--bytes", pool])?.text()?;
        let value = text.lines().find_map(|line| line.strip_prefix("Available:"));
        value
            .and_then(|value| value.trim().parse().ok())
            .with_context(|| format!("the pool {pool} does not say how much room it has"))
    }

    /// Has libvirt look at what is in a pool: it notices by itself only what it did as a volume.
    ///
    /// # Errors
    /// There is no such pool.
    pub fn refresh(&self, pool: &str) -> Result<()> {
        let begun = Instant::now();
        loop {
            match self.tool(["pool-refresh", pool])?.run() {
                // It can't while a volume of the pool is written, by anybody ("pool has asynchronous jobs running").
                Err(_) if begun.elapsed() < BUSY && self.last => std::thread::sleep(LOOK),
                Err(_) if begun.elapsed() < BUSY => signal::pause(LOOK)?,
                outcome => return outcome,
            }
        }
    }

    /// The names of the pools that there are.
    ///
    /// # Errors
    /// libvirt does not answer.
    pub fn pools(&self) -> Result<Vec<String>> {
        Ok(self.tool(["pool-list", "--all", "--name"])?.text()?.lines().map(|line| line.trim().to_owned()).collect())
    }

    /// The names of all volumes of a pool.
    ///
    /// # Errors
    /// There is no such pool.
    pub fn volumes(&self, pool: &str) -> Result<Vec<String>> {
        let text = self.tool(["vol-list", pool])?.text()?;
        // Name and path; a name with a blank in it is none of hab's.
        Ok(text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
    }

    /// The name of the pool that has the volume `name`, if one that answers has it.
    ///
    /// # Errors
    /// libvirt does not answer.
    pub fn pool_with(&self, name: &str) -> Result<Option<String>> {
        let has = |pool: &String| self.volumes(pool).is_ok_and(|all| all.iter().any(|volume| volume == name));
        Ok(self.pools()?.into_iter().find(has))
    }

    /// What libvirt knows of a volume.
    ///
    /// # Errors
    /// There is no such volume.
    pub fn volume(&self, pool: &str, name: &str) -> Result<Volume> {
        let text = self.tool(["vol-dumpxml", "--pool", pool, name])?.text()?;
        parse(&text).with_context(|| format!("reading what libvirt says of the volume {name}"))
    }

    /// Makes a qcow2 volume, readable by root and the hypervisor alone.
    ///
    /// # Errors
    /// There is one of that name, or the disk is full.
    pub fn create_overlay(&self, pool: &str, overlay: Overlay<'_>) -> Result<()> {
        let Overlay { name, backing, capacity } = overlay;
        let backing = backing.map_or_else(String::new, |path| {
            format!("<backingStore><path>{}</path><format type='qcow2'/></backingStore>", escaped(path))
        });
        let xml = format!(
            "<volume><name>{name}</name><capacity unit='bytes'>{capacity}</capacity>\
             <target><format type='qcow2'/><permissions><mode>0600</mode></permissions></target>{backing}</volume>"
        );
        self.feed(["vol-create", "--pool", pool], xml.as_bytes())
    }

    /// Makes a raw volume, readable by root and the hypervisor alone, of these `bytes`.
    ///
    /// # Errors
    /// There is one of that name, or the disk is full.
    pub fn upload(&self, pool: &str, name: &str, bytes: &[u8]) -> Result<()> {
        let size = bytes.len();
        let xml = format!(
            "<volume><name>{name}</name><capacity unit='bytes'>{size}</capacity>\
             <target><format type='raw'/><permissions><mode>0600</mode></permissions></target></volume>"
        );
        self.feed(["vol-create", "--pool", pool], xml.as_bytes())?;
        self.feed(["vol-upload", "--pool", pool, name], bytes)
    }

    /// Copies a volume's file to `path`, but for what was never written in it.
    ///
    /// # Errors
    /// There is no such volume, or the disk is full.
    pub fn download(&self, pool: &str, name: &str, path: &str) -> Result<()> {
        self.tool(["vol-download", "--sparse", "--pool", pool, name, path])?.run()
    }

    /// Removes a volume.
    ///
    /// # Errors
    /// There is none of that name, or it is in use.
    pub fn remove_volume(&self, pool: &str, name: &str) -> Result<()> {
        self.tool(["vol-delete", "--pool", pool, name])?.run()
    }
}

fn parse(text: &str) -> Result<Volume> {
    let xml = roxmltree::Document::parse(text)?;
    let find = |path: &[&str]| {
        path.iter().try_fold(xml.root_element(), |node, name| node.children().find(|child| child.has_tag_name(*name)))
    };
    let content = |path: &[&str]| find(path).and_then(|node| node.text()).map(|text| text.trim().to_owned());
    let bytes = |name: &str| content(&[name]).and_then(|text| text.parse().ok()).with_context(|| format!("no {name}"));
    Ok(Volume {
        path: content(&["target", "path"]).context("no path")?,
        capacity: bytes("capacity")?,
        allocation: bytes("allocation")?,
        backing: content(&["backingStore", "path"]),
    })
}

/// Text as XML has it in an element.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_read_from_what_libvirt_says() {
        let text = "<volume type='file'><name>a</name><capacity unit='bytes'>8589934592</capacity>\
                    <allocation unit='bytes'>1318912</allocation><target><path>/pool/a &amp; b</path><format type='qcow2'/></target>\
                    <backingStore><path>/pool/box.img</path></backingStore></volume>";
        let volume = parse(text).unwrap();
        assert_eq!((volume.capacity, volume.allocation), (8_589_934_592, 1_318_912));
        assert_eq!((volume.path.as_str(), volume.backing.as_deref()), ("/pool/a & b", Some("/pool/box.img")));
        assert!(parse("<volume/>").is_err());
        assert!(parse("no XML").is_err());
    }

    #[test]
    fn a_path_is_no_markup() {
        assert_eq!(escaped("/a<b>&c"), "/a&lt;b&gt;&amp;c");
    }
}
