//! The user's kubeconfig: one file that works from anywhere, certificates and key inside.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::bundle::Pair;
use super::secret::Secret;

/// Writes a kubeconfig for `lab` at `server`. Every value is quoted: a lab may be called `no` or `1e3`.
pub(super) fn kubeconfig(lab: &str, server: &str, authority: &[u8], admin: &Pair) -> Secret {
    let authority = STANDARD.encode(authority);
    let certificate = STANDARD.encode(&admin.certificate);
    let key = Secret::new(STANDARD.encode(admin.key.reveal()));
    let key = key.reveal();
    Secret::new(format!(
        r#"apiVersion: v1
kind: Config
clusters:
  - name: "{lab}"
    cluster:
      server: "{server}"
      certificate-authority-data: "{authority}"
users:
  - name: "{lab}-admin"
    user:
      client-certificate-data: "{certificate}"
      client-key-data: "{key}"
contexts:
  - name: "{lab}"
    context:
      cluster: "{lab}"
      user: "{lab}-admin"
current-context: "{lab}"
"#
    ))
}
