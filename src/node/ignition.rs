//! One Ignition config a node: the files that go as they are (`ignition/`), those filled in, the node's own
//! certificates and the user's snippets, written as spec 3.3.0 and parsed back as proof.
//!
//! 3.3.0 is the newest spec that Debian's Ignition 2.14, Flatcar's and Fedora CoreOS's all take
//! (<https://coreos.github.io/ignition/migrating-configs/>).

use std::path::Path;

use anyhow::{Context as _, Result};

use super::addons::{self, ADDONS, Addon};
use super::encode;
use super::files::{NodeFiles, mode_of};
use super::groups::NodeKind;
use super::links;
use super::snippet::Snippet;
use super::templates::{self, Templates};
use crate::config::UsersFiles;
use crate::embedded::{IGNITION, embedded};
use crate::plan::{Node, Plan};
use crate::provider::facts;
use crate::role::{PerRole, Role};

const ORIGIN: &str = "ignition";
/// Where units stand on a node.
pub const UNITS: &str = "/etc/systemd/system/";

/// Where the API server looks for the user's audit policy.
const AUDIT_POLICY: &str = "/etc/kubernetes/audit-policy.yaml";

/// Where a node finds whom it trusts besides those that everybody trusts.
const CERTIFICATES: &str = "/etc/kubernetes/hab/certificates.pem";

/// Where containerd finds the user's network: behind what objects bring there.
const CONFLIST: &str = "/etc/cni/net.d/50-lab.conflist";

/// The folder with a link for each unit that runs. Links of our own instead of `systemctl enable`: they work whether or
/// not systemd sees a first boot.
pub const WANTS: &str = "/etc/systemd/system/hab.target.wants/";

/// The files of a kind of node that are the same in every lab: units, scripts, settings. No secret is among them, so the
/// boot test of a box uses them, too.
///
/// # Errors
/// Two files have the same path.
pub fn files_of_kind(kind: NodeKind) -> Result<NodeFiles> {
    let groups = kind.groups();
    let mut tree = templates::constant(&groups, kind.network.cni)?;
    for file in embedded(&IGNITION) {
        let Some((group, path)) = file.name.split_once('/') else { continue };
        if !groups.contains(&group) {
            continue;
        }
        let path = format!("/{path}");
        if let Some(unit) = path.strip_prefix(UNITS).filter(|unit| is_service(unit)) {
            tree.link(format!("{WANTS}{unit}"), &format!("../{unit}"), ORIGIN)?;
        }
        let mode = mode_of(&path);
        tree.file(path, mode, file.bytes, ORIGIN)?;
    }
    for link in links::of(&groups)? {
        tree.link(link.path, link.target, ORIGIN)?;
    }
    Ok(tree)
}

/// Whether this file of [`UNITS`] is a service of hab's, and no drop-in or target.
fn is_service(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|ending| ending == "service") && !file.contains('/')
}

/// Everything of all nodes that is read once: what the nodes of a role share, templates, the user's own files.
#[derive(Debug)]
pub struct Configs {
    templates: Templates,
    groups: PerRole<Vec<&'static str>>,
    roles: PerRole<encode::Encoded>,
    snippets: Vec<Snippet>,
    files: UsersFiles,
    /// The objects of the user's folders.
    addons: NodeFiles,
}

impl Configs {
    /// Reads everything once.
    ///
    /// # Errors
    /// As [`files_of_kind`] and [`Templates::new`].
    pub fn new(plan: &Plan, snippets: Vec<Snippet>, files: UsersFiles) -> Result<Self> {
        let templates = Templates::new(plan)?;
        let groups = PerRole::from_fn(|role| NodeKind::of(plan, role).groups());
        let roles = PerRole::try_from_fn(|role| {
            let mut tree = files_of_kind(NodeKind::of(plan, role))?;
            tree.merge(templates.lab(groups.get(role))?)?;
            Ok::<_, anyhow::Error>(encode::encode(tree)?.with_data_disk(facts(plan.provider).data_disk))
        })?;
        let mut own = NodeFiles::new();
        addons::put(plan, &files, &mut own)?;
        Ok(Self { templates, groups, roles, snippets, files, addons: own })
    }

    /// The whole config of one node, as JSON text. `secrets` are the node's certificates and keys.
    ///
    /// # Errors
    /// Two sources bring the same path, or Ignition's own types do not take what came out.
    pub fn node(&self, node: &Node, secrets: NodeFiles) -> Result<Vec<u8>> {
        let about = || format!("writing the Ignition config of {}", node.name);
        let mut tree = self.templates.node(node, self.groups.get(node.role)).with_context(about)?;
        tree.merge(secrets).with_context(about)?;
        self.users_files(node, &mut tree).with_context(about)?;
        let snippets = self.snippets.iter().filter(|s| s.role.is_none_or(|role| role == node.role));
        encode::write(self.roles.get(node.role), tree, snippets).with_context(about)
    }

    /// What the masters have the cluster run besides.
    ///
    /// # Errors
    /// A path comes twice.
    pub fn addons(&self, plan: &Plan) -> Result<Vec<Addon>> {
        let mut master = self.roles.get(Role::Master).tree().clone();
        master.merge(self.addons.clone())?;
        addons::all(plan, &master)
    }

    /// What the files that hab.yaml names are on this node.
    fn users_files(&self, node: &Node, tree: &mut NodeFiles) -> Result<()> {
        const ORIGIN: &str = "your pod network";
        let UsersFiles { audit_policy, network, certificates, .. } = &self.files;
        if let (Role::Master, Some(policy)) = (node.role, audit_policy) {
            tree.file(AUDIT_POLICY, mode_of(AUDIT_POLICY), policy.text().as_bytes(), "your audit policy")?;
        }
        if let (true, Some(certificates)) = (node.role.has_kubelet(), certificates) {
            tree.file(CERTIFICATES, mode_of(CERTIFICATES), certificates.text().as_bytes(), "your certificates")?;
        }
        if let (Some(conflist), Some(range)) = (&network.conflist, node.pods) {
            let text = conflist.text(&range.to_string());
            tree.file(CONFLIST, mode_of(CONFLIST), text.into_bytes(), ORIGIN)?;
        }
        if node.role == Role::Master {
            for ((name, text), number) in network.manifests.iter().zip(1..) {
                let name = name.trim_end_matches(".yml").trim_end_matches(".yaml");
                // Applied by name: behind all of hab's own, which lets everybody in who could mend what hangs in these.
                let path = format!("{ADDONS}/user-network-{number:03}-{name}.yaml");
                let mode = mode_of(&path);
                tree.file(path, mode, text.as_bytes(), ORIGIN)?;
            }
            tree.merge(self.addons.clone())?;
        }
        Ok(())
    }
}

/// A config of these files alone, for the boot test.
///
/// # Errors
/// Ignition's own types do not take what came out.
pub fn config_of(tree: NodeFiles) -> Result<Vec<u8>> {
    encode::write(&encode::encode(tree)?, NodeFiles::new(), std::iter::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Base, Cni};
    use crate::node::files::Entry;

    fn files(role: Role) -> NodeFiles {
        let network = Cni::Routed.into();
        let kind = NodeKind { shell: true, ..NodeKind::plain(Base::Debian, role, network) };
        files_of_kind(kind).unwrap()
    }

    #[test]
    fn every_unit_is_wanted_and_has_no_default_dependencies() {
        for role in Role::ALL {
            let tree = files(role);
            for (path, item) in tree.iter() {
                let (Some(unit), Entry::File { content, .. }) = (path.strip_prefix(UNITS), item) else { continue };
                if unit.contains('/') {
                    continue;
                }
                let text = std::str::from_utf8(content).unwrap();
                assert!(text.contains("DefaultDependencies=no"), "{role} {unit}");
                assert!(text.contains("Conflicts=shutdown.target"), "{role} {unit}");
                assert_eq!(tree.get(&format!("{WANTS}{unit}")).is_some(), unit != "hab.target", "{role} {unit}");
            }
        }
    }

    #[test]
    fn hab_target_is_what_systemd_starts() {
        for role in Role::ALL {
            let default = Entry::Link("hab.target".to_owned());
            assert_eq!(files(role).get("/etc/systemd/system/default.target"), Some(&default), "{role}");
        }
    }

    #[test]
    fn what_names_nothing_of_a_lab_is_in_every_lab() {
        let tree = files(Role::Worker);
        let Some(Entry::File { content, .. }) = tree.get("/etc/kubernetes/containerd/config.toml") else { panic!() };
        let text = std::str::from_utf8(content).unwrap();
        assert!(text.contains(&format!("sandbox = \"{}\"\n", templates::PAUSE_IMAGE)), "{text}");
        assert!(tree.get("/etc/hosts").is_none() && tree.get("/etc/hostname").is_none());
    }

    #[test]
    fn an_etcd_node_carries_nothing_of_a_container_runtime() {
        let tree = files(Role::Etcd);
        assert!(tree.iter().all(|(path, _)| !path.contains("containerd") && !path.contains("kubelet")));
    }
}
