//! virsh's commands for networks.

use anyhow::Result;

use super::ask;

/// Whether the network `name` of the libvirt at `uri` leads out of the host; none if there is no such network.
///
/// # Errors
/// There is no virsh, or no libvirt answers.
pub fn leads_out(uri: &str, name: &str) -> Result<Option<bool>> {
    let all = ask(uri, &["net-list", "--all", "--name"])?;
    if !all.lines().any(|line| line.trim() == name) {
        return Ok(None);
    }
    // One without this element is isolated (<https://libvirt.org/formatnetwork.html#connectivity>).
    Ok(Some(ask(uri, &["net-dumpxml", name])?.contains("<forward ")))
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn a_real_virsh_says_where_a_network_leads() {
        let dir = tempfile::tempdir().unwrap();
        let uri = testing::libvirt(dir.path(), &[]);
        let file = dir.path().join("libvirt.xml");
        let network = |name: &str, forward: &str| {
            format!(
                "<network><name>{name}</name>{forward}<ip address='192.168.56.1' netmask='255.255.255.0'/></network>"
            )
        };
        let (out, isolated) = (network("hab-out", "<forward mode='nat'/>"), network("hab-in", ""));
        std::fs::write(&file, format!("<node>{out}{isolated}</node>")).unwrap();
        for (name, expected) in [("hab-out", Some(true)), ("hab-in", Some(false)), ("hab", None)] {
            assert_eq!(leads_out(&uri, name).unwrap(), expected, "{name}");
        }
        assert!(leads_out("test:///nowhere.xml", "hab").is_err());
    }
}
