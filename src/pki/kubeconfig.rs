//! The user's kubeconfig: one file that works from anywhere, certificates and key inside.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::pairs::Pair;
use super::secret::Secret;

/// Writes a kubeconfig for `lab`: for each of `servers`, a master's name and its address, a cluster and a context. Those
/// of the first are named like the lab, the others `<lab>@<master>`. Every value is quoted: a lab may be called `no` or
/// `1e3`.
pub(super) fn kubeconfig(lab: &str, servers: &[(&str, String)], authority: &[u8], admin: &Pair) -> Secret {
    let authority = STANDARD.encode(authority);
    let certificate = STANDARD.encode(&admin.certificate);
    let key = Secret::new(STANDARD.encode(admin.key.reveal()));
    let key = key.reveal();
    let (mut clusters, mut contexts) = (String::new(), String::new());
    for (index, (master, server)) in servers.iter().enumerate() {
        let name = if index == 0 { lab.to_owned() } else { format!("{lab}@{master}") };
        // Writing to a String can't go wrong.
        let _ = write!(
            clusters,
            r#"
  - name: "{name}"
    cluster:
      server: "{server}"
      certificate-authority-data: "{authority}""#
        );
        let _ = write!(
            contexts,
            r#"
  - name: "{name}"
    context:
      cluster: "{name}"
      user: "{lab}-admin""#
        );
    }
    Secret::new(format!(
        r#"apiVersion: v1
kind: Config
clusters:{clusters}
users:
  - name: "{lab}-admin"
    user:
      client-certificate-data: "{certificate}"
      client-key-data: "{key}"
contexts:{contexts}
current-context: "{lab}"
"#
    ))
}
