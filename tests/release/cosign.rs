//! Signatures of what publishers have built, by a cosign that only compares words.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use hab::artifacts::Catalog;
use hab::artifacts::release::resolve;
use hab::digest::sha256;
use hab::exec::cosign::Cosign;
use hab::kinds::Supply;
use hab::progress::Progress;

use crate::lab::{Heard, Lab, PACE};
use crate::server::Answer;

/// Of the two releases of which one is signed.
fn catalog() -> Catalog {
    let mut catalog = Catalog::of(Supply::Upstream, Supply::Upstream.kubernetes_versions()[0], &[]).unwrap();
    catalog.releases.retain(|name, _| ["etcd", "kubernetes"].contains(&name.as_str()));
    catalog
}

/// All files are published, each with a signature that is good to [`cosign`].
fn publish(lab: &Lab, catalog: &Catalog) -> Vec<String> {
    let mut signed = Vec::new();
    for (name, release) in &catalog.releases {
        for file in catalog.published(name).unwrap() {
            let bytes = format!("the bytes of {}", file.url).into_bytes();
            let list = format!("{}  {}\n", sha256(&bytes), file.url.rsplit('/').next().unwrap());
            lab.server.has(&file.sums, Answer::Bytes(list.into_bytes()));
            if release.signer.is_some() {
                lab.server.has(&format!("{}.sig", file.url), Answer::Bytes(bytes.clone()));
                lab.server.has(&format!("{}.cert", file.url), Answer::Bytes(b"certificate".to_vec()));
                signed.push(file.url.clone());
            }
            lab.server.has(&file.url, Answer::Bytes(bytes));
        }
    }
    signed
}

/// To this one a signature is good that has the file's own bytes, and it notes what it was asked.
fn cosign(folder: &Path) -> (Cosign, PathBuf) {
    let (program, noted) = (folder.join("cosign"), folder.join("noted"));
    let text = format!(
        "#!/bin/sh\necho \"$*\" >>{}\n[ \"$2 $4 $6 $8 ${{10}}\" = '--signature --certificate --certificate-identity --certificate-oidc-issuer --' ] || exit 2\n\
         cmp -s \"$3\" \"${{11}}\" && grep -q certificate \"$5\" && exit\necho 'none of the expected identities matched' >&2\nexit 1\n",
        noted.display()
    );
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    (Cosign::at(program), noted)
}

/// What is said, or what went wrong.
fn said(lab: &Lab, catalog: &Catalog, cosign: Option<&Cosign>) -> Result<String, String> {
    let heard = Heard::default();
    let progress: &dyn Progress = &heard;
    let outcome = resolve(&lab.downloads(PACE), catalog, cosign, &progress.step("test", None));
    outcome.map_err(|error| format!("{error:#}"))?;
    Ok(heard.0.into_inner().unwrap().join("\n"))
}

#[test]
fn each_signature_is_looked_at_where_the_user_asks_for_it_and_not_else() {
    let (lab, catalog, dir) = (Lab::new(), catalog(), tempfile::tempdir().unwrap());
    let signed = publish(&lab, &catalog);
    let (cosign, noted) = cosign(dir.path());
    assert!(!said(&lab, &catalog, None).unwrap().contains("cosign"));
    let beside = |path: &String| [".sig", ".cert"].iter().any(|ending| path.ends_with(ending));
    assert!(!lab.server.asked().iter().any(beside));

    let all = said(&lab, &catalog, Some(&cosign)).unwrap();
    assert!(all.contains("cosign: kubernetes signed by its publisher; hab knows of no signature of etcd"), "{all}");
    let asked = std::fs::read_to_string(&noted).unwrap();
    assert_eq!((asked.lines().count(), signed.len()), (6, 6), "{asked}");
    let signer = "--certificate-identity krel-staging@k8s-releng-prod.iam.gserviceaccount.com \
                  --certificate-oidc-issuer https://accounts.google.com -- ";
    assert!(asked.lines().all(|line| line.starts_with("verify-blob --signature ") && line.contains(signer)), "{asked}");
}

#[test]
fn what_is_signed_by_nobody_or_somebody_else_is_not_pinned() {
    let (lab, catalog, dir) = (Lab::new(), catalog(), tempfile::tempdir().unwrap());
    let signed = publish(&lab, &catalog);
    let (cosign, _) = cosign(dir.path());
    let with = |ending: &str, answer: Answer| {
        lab.server.has(&format!("{}.{ending}", signed[3]), answer);
        said(&lab, &catalog, Some(&cosign))
    };
    let error = with("sig", Answer::Bytes(b"of another file".to_vec())).unwrap_err();
    let about = format!("{} is not signed by krel-staging@", signed[3]);
    assert!(error.contains(&about) && error.contains("none of the expected identities"), "{error}");
    let good = format!("the bytes of {}", signed[3]).into_bytes();
    with("sig", Answer::Bytes(good)).unwrap();
    for answer in [Answer::Status("404 Not Found"), Answer::Endless] {
        let error = with("cert", answer).unwrap_err();
        assert!(error.contains("fetching a publisher's signature") && error.contains(".cert"), "{error}");
    }
    with("cert", Answer::Bytes(b"certificate".to_vec())).unwrap();
}
