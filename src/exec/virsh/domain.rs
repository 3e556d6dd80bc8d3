//! virsh's commands for one domain, or for several at one moment.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use time::OffsetDateTime;

use super::{DomainState, Virsh, domains};
use crate::exec::signal;

/// Between two looks at whether a copy is complete.
const LOOK: Duration = Duration::from_millis(100);

/// How often a domain is started where that was interrupted (libbpf: `PROG_LOAD_ATTEMPTS`).
const STARTS: usize = 5;

impl Virsh {
    /// The definition that `domain` is started from, as XML.
    ///
    /// # Errors
    /// There is no such domain.
    pub fn definition(&self, domain: &str) -> Result<String> {
        self.tool(["dumpxml", "--inactive", "--security-info", domain])?.text()
    }

    /// Makes the domain that `xml` defines, or gives it that definition from its next start on.
    ///
    /// # Errors
    /// libvirt does not take it.
    pub fn define(&self, xml: &str) -> Result<()> {
        self.feed(["define"], xml.as_bytes())
    }

    /// Pulls the plug of a domain; one that is off stays so.
    ///
    /// # Errors
    /// It can't be stopped.
    pub fn destroy(&self, domain: &str) -> Result<()> {
        // The exit code is the same for one that is off and for one that can't be stopped.
        let outcome = self.tool(["destroy", domain])?.run();
        if outcome.is_err() && self.is_off(domain)? { Ok(()) } else { outcome }
    }

    /// Makes libvirt forget a domain that is off, with the memory and the snapshots that it knows of it. Its disks stay.
    ///
    /// # Errors
    /// There is no such domain.
    pub fn undefine(&self, domain: &str) -> Result<()> {
        self.tool(["undefine", domain, "--managed-save", "--snapshots-metadata"])?.run()
    }

    /// Throws the memory away that a domain would go on with at its next start; one that has none is left as it is.
    ///
    /// # Errors
    /// There is no such domain.
    pub fn forget_memory(&self, domain: &str) -> Result<()> {
        self.tool(["managedsave-remove", domain])?.run()
    }

    fn is_off(&self, domain: &str) -> Result<bool> {
        Ok(self.tool(["domstate", domain])?.text()?.trim() == "shut off")
    }

    /// Stops the processors of all `domains`: one connection, one call after the other, a few milliseconds in all.
    ///
    /// # Errors
    /// One can't be stopped; some may be.
    pub fn suspend(&self, domains: &[&str]) -> Result<()> {
        self.tool([each("suspend", domains).as_str()])?.run()?;
        self.all_are(domains, DomainState::Paused)
    }

    /// Lets the processors of all `domains` go on, as [`suspend`](Self::suspend) stops them; also when hab is told to end.
    ///
    /// # Errors
    /// One can't go on.
    pub fn resume(&self, domains: &[&str]) -> Result<()> {
        self.tool([each("resume", domains).as_str()])?.last().run()?;
        self.all_are(domains, DomainState::Running)
    }

    /// Lets the processors of one domain go on.
    ///
    /// # Errors
    /// It can't.
    pub fn resume_one(&self, domain: &str) -> Result<()> {
        self.tool(["resume", domain])?.last().run()
    }

    /// virsh ends as the last of several commands did, so the domains themselves are asked.
    fn all_are(&self, names: &[&str], wanted: DomainState) -> Result<()> {
        let states = domains(&self.uri)?;
        for name in names {
            let state = states.get(*name);
            ensure!(state == Some(&wanted), "{name} should be {wanted:?} and is {state:?}");
        }
        Ok(())
    }

    /// Breaks off what libvirt does with `domains` for a caller who may be gone.
    ///
    /// # Errors
    /// One has no job.
    pub fn break_off(&self, domains: &[&str]) -> Result<()> {
        self.tool([each("domjobabort", domains).as_str()])?.run()
    }

    /// How many bytes of this host's memory the hypervisor of a running domain has; `None` where it does not say.
    ///
    /// # Errors
    /// There is no such domain.
    pub fn resident(&self, domain: &str) -> Result<Option<u64>> {
        let text = self.tool(["dommemstat", domain])?.text()?;
        // KiB (libvirt `VIR_DOMAIN_MEMORY_STAT_RSS`).
        let rss = text.lines().find_map(|line| line.strip_prefix("rss "));
        Ok(rss.and_then(|kib| kib.trim().parse::<u64>().ok()).map(|kib| kib << 10))
    }

    /// Begins to copy the disk `target` of a domain that may run to the volume at `path`, which is there already and has
    /// the same backing file; waits until the copy has all that the disk has. From then on what is written goes to both.
    ///
    /// # Errors
    /// The copy fails.
    pub fn mirror(&self, domain: &str, target: &str, path: &str) -> Result<()> {
        let to = ["--dest", path, "--format", "qcow2", "--shallow", "--reuse-external", "--transient-job"];
        self.tool(["blockcopy", domain, target].into_iter().chain(to))?.run()?;
        while !self.is_mirrored(domain, target)? {
            signal::pause(LOOK)?;
        }
        Ok(())
    }

    /// A copy is complete when all of it is copied (`virsh blockjob --raw`: `cur` and `end`, in bytes).
    fn is_mirrored(&self, domain: &str, target: &str) -> Result<bool> {
        let text = self.tool(["blockjob", domain, target, "--raw"])?.text()?;
        let number = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
        let (done, all) =
            number("cur").zip(number("end")).with_context(|| format!("the copy of {domain}'s {target} broke off"))?;
        Ok(done == all)
    }

    /// Ends the copying of the disk `target`; the copy is the disk as it is at this moment. With no copying nothing is done.
    ///
    /// # Errors
    /// It can't be ended.
    pub fn end_mirror(&self, domain: &str, target: &str) -> Result<()> {
        self.tool(["blockjob", domain, target, "--abort"])?.run()
    }

    /// Writes memory and devices of a domain whose processors stand to `path`: a snapshot of everything but the `disks`.
    /// Nothing of it stays known to libvirt.
    ///
    /// # Errors
    /// The disk is full, or the domain has a device that can't be saved.
    pub fn save_memory(&self, domain: &str, disks: &[&str], path: &str) -> Result<()> {
        let memory = format!("file={path},snapshot=external");
        let without: Vec<String> =
            disks.iter().flat_map(|disk| ["--diskspec".to_owned(), format!("{disk},snapshot=no")]).collect();
        let args = ["snapshot-create-as", domain, "--no-metadata", "--memspec", &memory];
        self.tool(args.into_iter().chain(without.iter().map(String::as_str)))?.run()
    }

    /// Starts a domain that is off from what [`save_memory`](Self::save_memory) wrote; its processors stand.
    ///
    /// # Errors
    /// This hypervisor can't use it, or the domain's disks are not there.
    pub fn restore(&self, path: &str) -> Result<()> {
        let xml = without_ends(&self.tool(["save-image-dumpxml", "--security-info", path])?.text()?);
        let mut tries = 1..STARTS;
        loop {
            match self.feed(["restore", path, "--paused", "--xml"], xml.as_bytes()) {
                Err(error) if is_interrupted(&error) && tries.next().is_some() => signal::pause(LOOK)?,
                outcome => return outcome,
            }
        }
    }

    /// Sets a running domain's clock to `time`, by its guest agent. Not by `domtime`, which knows whole seconds only.
    ///
    /// # Errors
    /// There is no agent, or it does not answer.
    pub fn set_clock(&self, domain: &str, time: OffsetDateTime) -> Result<()> {
        let nanoseconds = time.unix_timestamp_nanos();
        let question = format!(r#"{{"execute":"guest-set-time","arguments":{{"time":{nanoseconds}}}}}"#);
        self.tool(["qemu-agent-command", domain, &question])?.text().map(drop)
    }

    /// The definition of a network, as XML.
    ///
    /// # Errors
    /// There is no such network.
    pub fn network(&self, name: &str) -> Result<String> {
        self.tool(["net-dumpxml", "--inactive", name])?.text()
    }

    /// Makes the network `name`, which `xml` defines, if it is not there, and starts it if it does not run.
    ///
    /// # Errors
    /// libvirt does not take it, or its addresses are in use.
    pub fn start_network(&self, name: &str, xml: &str) -> Result<()> {
        let listed = |all: Option<&str>| -> Result<bool> {
            let list = self.tool(["net-list", "--name"].into_iter().chain(all))?.text()?;
            Ok(list.lines().any(|line| line.trim() == name))
        };
        if !listed(Some("--all"))? {
            self.feed(["net-define"], xml.as_bytes())?;
        }
        if !listed(None)? {
            self.tool(["net-start", name])?.run()?;
        }
        Ok(())
    }
}

/// The same command for each, in one command line of virsh's.
fn each(command: &str, domains: &[&str]) -> String {
    domains.iter().map(|domain| format!("{command} {domain}")).collect::<Vec<_>>().join("; ")
}

/// The kernel refuses a BPF program while a signal waits for who loads it (`EAGAIN`, kernel/bpf/verifier.c), and libvirt,
/// which loads one for each domain that it starts, does not try again, as libbpf does. Seen once in 140 restores, seven at a
/// time on two busy processors.
fn is_interrupted(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains("failed to load cgroup BPF prog: Resource temporarily unavailable")
}

/// The definition of a domain without its `<backingStore/>`: libvirt writes that for a disk that built on nothing when its
/// memory was saved, and would then read nothing of what that disk builds on now
/// (<https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms>, `backingStore`).
fn without_ends(xml: &str) -> String {
    xml.replace("<backingStore/>", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_was_interrupted_is_told_from_one_that_failed() {
        let said = "error: Failed to restore domain from /x\nerror: failed to load cgroup BPF prog: ";
        let failed = |why: &str| anyhow::anyhow!("{said}{why}").context("virsh failed");
        assert!(is_interrupted(&failed("Resource temporarily unavailable")));
        assert!(!is_interrupted(&failed("Operation not permitted")));
    }

    #[test]
    fn a_real_virsh_answers_what_is_asked() {
        let virsh = Virsh::new("test:///default".to_owned()).unwrap();
        assert!(virsh.hypervisor().unwrap().starts_with("TEST "));
        assert!(virsh.definition("test").unwrap().contains("<name>test</name>"));
        assert_eq!(virsh.resident("test").unwrap(), Some(1_048_576 << 10));
        assert!(virsh.room("default-pool").unwrap() > 1 << 30);
        assert!(virsh.volumes("default-pool").unwrap().is_empty());
        // Each virsh has a libvirt of its own there, in which the domain runs.
        assert!(virsh.suspend(&["test"]).unwrap_err().to_string().contains("test should be Paused"));
        virsh.resume(&["test"]).unwrap_err();
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let virsh = Virsh::new("test:///default".to_owned()).unwrap();
        for error in
            [virsh.definition("none").unwrap_err(), virsh.destroy("none").unwrap_err(), virsh.room("none").unwrap_err()]
        {
            assert!(error.to_string().contains("virsh"), "{error}");
        }
    }

    #[test]
    fn a_disk_may_build_on_another_than_when_it_was_saved() {
        let xml = "<disk><source file='/a'/><backingStore/></disk><disk><backingStore type='file'/></disk>";
        assert_eq!(without_ends(xml), "<disk><source file='/a'/></disk><disk><backingStore type='file'/></disk>");
    }

    #[test]
    fn several_domains_are_stopped_by_one_command_line() {
        assert_eq!(each("suspend", &["a", "b"]), "suspend a; suspend b");
    }
}
