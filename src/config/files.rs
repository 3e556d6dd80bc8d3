//! What is in the files of the lab's folder that hab.yaml names.

use std::path::Path;

use super::Kubernetes;
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
}

impl UsersFiles {
    /// Reads what these name in the folder `lab`.
    ///
    /// # Errors
    /// The first file that can't be read or is wrong, with everything that is wrong with it.
    pub fn read(lab: &Path, kubernetes: &Kubernetes, internet: Option<&Internet>) -> Result<Self, Problems> {
        let policy = kubernetes.components.api_server.audit_policy.as_ref();
        let certificates = internet.and_then(|internet| internet.certificates.as_ref());
        Ok(Self {
            audit_policy: policy.map(|file| AuditPolicy::read(&lab.join(file))).transpose()?,
            network: OwnNetwork::read(lab, &kubernetes.cni_files)?,
            certificates: certificates.map(|file| Certificates::read(&lab.join(file))).transpose()?,
        })
    }
}
