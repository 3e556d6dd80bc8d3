//! What is in the files of the lab's folder that hab.yaml names.

use std::path::Path;

use super::Kubernetes;
use super::addons::{AddonSource, Others, OwnAddons};
use super::audit::AuditPolicy;
use super::cni::OwnNetwork;
use super::internet::{Certificates, Internet};
use crate::problems::Problems;

/// The files, read and checked. Container images and Ignition snippets are read elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsersFiles {
    /// The API server's audit policy.
    pub audit_policy: Option<AuditPolicy>,
    /// A pod network that is the user's own.
    pub network: OwnNetwork,
    /// Whom nodes trust besides.
    pub certificates: Option<Certificates>,
    /// What the cluster runs besides.
    pub addons: OwnAddons,
}

/// What names such files.
#[derive(Debug, Clone, Copy)]
pub struct Naming<'a> {
    /// Kubernetes itself.
    pub kubernetes: &'a Kubernetes,
    /// How nodes reach the internet.
    pub internet: Option<&'a Internet>,
    /// What the cluster runs besides.
    pub addons: &'a [AddonSource],
}

impl UsersFiles {
    /// Reads what these name in the folder `lab`.
    ///
    /// # Errors
    /// Files that can't be read or are wrong: everything that is wrong with each.
    pub fn read(lab: &Path, naming: Naming<'_>) -> Result<Self, Problems> {
        let Naming { kubernetes, internet, addons } = naming;
        let mut wrong = Vec::new();
        let policy = kubernetes.components.api_server.audit_policy.as_ref();
        let certificates = internet.and_then(|internet| internet.certificates.as_ref());
        let audit_policy = policy.and_then(|file| good(AuditPolicy::read(&lab.join(file)), &mut wrong));
        let network = OwnNetwork::read(lab, &kubernetes.cni_files, &mut wrong);
        let certificates = certificates.and_then(|file| good(Certificates::read(&lab.join(file)), &mut wrong));
        let addons = OwnAddons::read(lab, addons, &Others { kubernetes, network: &network }, &mut wrong);
        let files = Self { audit_policy, network, certificates, addons };
        Problems::together(wrong).map_or(Ok(files), Err)
    }
}

/// A file that is as it should be; what is wrong with another is noted.
pub(super) fn good<T>(read: Result<T, Problems>, wrong: &mut Vec<Problems>) -> Option<T> {
    read.map_err(|problems| wrong.push(problems)).ok()
}

#[cfg(test)]
mod tests {
    use super::super::load;

    #[test]
    fn what_is_wrong_with_each_file_is_said_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let config = "lab: a\nkubernetes:\n  cni: {name: files, conflist: a.conflist, manifests: [b.yaml, c.yaml]}\n  \
                      apiServer: {auditPolicy: audit.yaml}\nnetwork: {internet: true, trustedCertificates: ca.pem}\n\
                      nodes: {etcd: {count: 2}}\n";
        write("hab.yaml", config);
        write("b.yaml", "kind: A\n");
        for name in ["a.conflist", "c.yaml", "audit.yaml", "ca.pem"] {
            write(name, "");
        }
        let reading = load(dir.path()).unwrap();
        assert!(reading.config.is_none());
        let said: Vec<_> = reading.problems.each().map(|(file, problem)| (file, problem.severity)).collect();
        let files: Vec<_> = said.iter().map(|(file, _)| file.rsplit('/').next().unwrap()).collect();
        assert_eq!(files, ["hab.yaml", "audit.yaml", "a.conflist", "b.yaml", "c.yaml", "ca.pem"]);
        // What hab.yaml itself is warned of is not lost.
        let said = reading.problems.to_string();
        assert!(said.contains("hab.yaml:6:23: warning: "), "{said}");
        assert!(said.contains("b.yaml:1:1: error: the object that begins here has no `apiVersion`"), "{said}");
    }
}
