//! The pod network, and the files of one that is the user's own.

use std::path::PathBuf;

use super::super::Cni;
use super::super::cni::{CniFiles, RawCni};
use super::super::images::ImageSource;
use super::super::merged::Merged;
use super::super::raw::Marked;
use super::super::reference::Reference;
use super::super::yaml::shown;
use super::{HasFile, choice, lab_file};
use crate::problems::Problems;

/// The longest name of a manifest's file.
const MAX_NAME: usize = 100;

/// Checks `kubernetes.cni`. What is in the files is not asked here.
pub fn check(merged: &Merged, has_file: &HasFile<'_>, problems: &mut Problems) -> Option<(Cni, CniFiles)> {
    let said = &merged.cni_files;
    let cni = choice("kubernetes.cni", &merged.cni, Cni::ALL, problems)?;
    let conflist = lab_file("kubernetes.cni.conflist", "network.conflist", said.conflist.as_ref(), has_file, problems);
    let mut manifests: Vec<PathBuf> = Vec::new();
    for said in &said.manifests {
        let Some(one) = manifest(said, has_file, problems) else { continue };
        if manifests.contains(&one) {
            let message = format!("`kubernetes.cni.manifests` names {} twice", shown(&one.display().to_string()));
            problems.error(said.place, message, None);
        }
        manifests.push(one);
    }
    let files = CniFiles { conflist, manifests };
    of_kind(cni, said, &merged.cni, problems);
    enforcers(cni, merged, problems);
    Some((cni, files))
}

/// Files go with `files`, and `files` with files.
fn of_kind(cni: Cni, said: &RawCni, word: &Marked<String>, problems: &mut Problems) {
    let is_none = said.conflist.is_none() && said.manifests.is_empty();
    if cni == Cni::Files && is_none {
        let hint = "such as `cni: {name: files, conflist: network.conflist, manifests: [network.yaml]}`; a network that \
                    is brought when the lab is up is `cni: none`";
        problems.error(word.place, "`kubernetes.cni` is files, and names none", Some(hint.to_owned()));
    } else if cni != Cni::Files && !is_none {
        let place = said.conflist.as_ref().or(said.manifests.first()).and_then(|said| said.place);
        let message = format!("`kubernetes.cni` names files, which mean nothing for {}", word.value);
        problems.error(place, message, Some("write `name: files`, or remove them".to_owned()));
    }
}

/// Two that enforce network policies would be one too many.
fn enforcers(cni: Cni, merged: &Merged, problems: &mut Problems) {
    let said = &merged.network_policies;
    if said.value && cni.enforces_policies() == Some(true) {
        let message = format!("`kubernetes.networkPolicies`: {} enforces them itself", merged.cni.value);
        problems.error(said.place, message, Some("remove the line".to_owned()));
    }
}

/// Checks that the network has its ports for itself; `others` are those that the user chooses, by their keys.
pub fn ports(cni: Cni, word: &Marked<String>, others: &[(&str, Option<u16>)], problems: &mut Problems) {
    for (key, port) in others.iter().filter_map(|(key, port)| Some((key, (*port)?))) {
        if cni.ports().contains(&port) {
            let message = format!("`{key}` is {port}, and {} has that on every master and worker", word.value);
            problems.error(word.place, message, Some("choose another port".to_owned()));
        }
    }
}

/// The images that the network needs, behind those that the user names; none that the user names, too.
pub fn images(cni: Option<Cni>, own: Vec<ImageSource>) -> Vec<ImageSource> {
    let needed = cni.map_or(&[][..], Cni::images).iter().filter_map(|(_, name)| Reference::new(name).ok());
    let mut all = own;
    for image in needed.map(ImageSource::Registry) {
        if !all.contains(&image) {
            all.push(image);
        }
    }
    all
}

/// The path of a manifest. Its file's name becomes that of a file on the masters.
fn manifest(said: &Marked<String>, has_file: &HasFile<'_>, problems: &mut Problems) -> Option<PathBuf> {
    let path = lab_file("kubernetes.cni.manifests", "network.yaml", Some(said), has_file, problems)?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let is_yaml = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
    if !plain || name.len() > MAX_NAME || !is_yaml {
        let message = format!("`kubernetes.cni.manifests` names the file {}", shown(&said.value));
        let hint = "its name must end in `.yaml`, with letters, digits, `-`, `_` and `.` before".to_owned();
        problems.error(said.place, message, Some(hint));
        return None;
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::super::{Cni, CniFiles, Config, read};

    fn said(cni: &str) -> String {
        read("hab.yaml", format!("lab: a\nkubernetes: {{cni: {cni}}}\n").as_bytes(), &|_| Ok(())).problems.to_string()
    }

    fn config(cni: &str) -> Config {
        let reading = read("hab.yaml", format!("lab: a\nkubernetes: {{cni: {cni}}}\n").as_bytes(), &|_| Ok(()));
        assert_eq!(reading.problems.to_string(), "");
        reading.config.unwrap()
    }

    #[test]
    fn a_network_is_a_word_or_files() {
        for (name, cni) in Cni::ALL.iter().filter(|(_, cni)| *cni != Cni::Files) {
            for text in [(*name).to_owned(), format!("{{name: {name}}}")] {
                let config = config(&text);
                assert_eq!((config.kubernetes.cni, config.kubernetes.cni_files), (*cni, CniFiles::default()));
            }
        }
        let files = config("{name: files, conflist: a.conflist, manifests: [net/b.yaml, c.yml]}").kubernetes;
        let manifests = ["net/b.yaml", "c.yml"].map(PathBuf::from).to_vec();
        assert_eq!(files.cni_files, CniFiles { conflist: Some("a.conflist".into()), manifests });
        assert_eq!(config("{name: files, manifests: b.yaml}").kubernetes.cni_files.manifests.len(), 1);
    }

    #[test]
    fn weave_brings_its_images_and_enforces_policies() {
        let names = |text: &str| config(text).images.iter().map(ToString::to_string).collect::<Vec<_>>();
        let weave = ["docker.io/rajchaudhuri/weave-kube:2.9.0", "docker.io/rajchaudhuri/weave-npc:2.9.0"];
        assert_eq!(names("weave"), weave);
        assert_eq!(names("routed"), [""; 0]);
        let text = "lab: a\nkubernetes: {cni: weave}\nimages: [\"rajchaudhuri/weave-npc:2.9.0\", nginx:1.29]\n";
        let both: Vec<_> = read("hab.yaml", text.as_bytes(), &|_| Ok(())).config.unwrap().images;
        let both: Vec<_> = both.iter().map(ToString::to_string).collect();
        assert_eq!(both, [weave[1], "docker.io/library/nginx:1.29", weave[0]]);
        assert!(
            said("weave, networkPolicies: true").contains("2:43: error: `kubernetes.networkPolicies`: weave enforces")
        );
        assert_eq!(said("flannel, networkPolicies: true"), "");
        let text = b"lab: a\nprovider: virtualbox\nkubernetes: {cni: weave}\n";
        let refused = read("hab.yaml", text, &|_| Ok(())).problems.to_string();
        assert!(refused.contains("3:19: error: `cni: weave` comes as container images"), "{refused}");
    }

    #[test]
    fn a_port_of_the_network_is_nobody_elses() {
        let said =
            |text: &str| read("hab.yaml", format!("lab: a\n{text}\n").as_bytes(), &|_| Ok(())).problems.to_string();
        for (network, ports) in [("flannel", "haproxy: {port: 8081}"), ("weave", "haproxy: {port: 6784}")] {
            assert_eq!(said(ports), "", "{ports}");
            let refused = said(&format!("kubernetes: {{cni: {network}}}\n{ports}"));
            assert!(refused.contains("2:19: error: `haproxy.port` is "), "{refused}");
            assert!(refused.contains(&format!(", and {network} has that on every master and worker")), "{refused}");
        }
        let others =
            "kubernetes: {cni: flannel, apiServer: {port: 8081}}\nhaproxy: {stats: {enabled: true, port: 8081}}";
        let refused = said(others);
        for key in ["kubernetes.apiServer.port", "haproxy.stats.port"] {
            assert!(refused.contains(&format!("`{key}` is 8081, and flannel has that")), "{refused}");
        }
        // A page that is off opens no port.
        assert_eq!(said("kubernetes: {cni: flannel}\nhaproxy: {stats: {port: 8081}}"), "");
    }

    #[test]
    fn a_file_that_is_named_twice_is_shown_where_it_is_the_second_time() {
        let refused = said("{name: files, manifests: [a.json, b.yaml, b.yaml]}");
        assert!(refused.contains("2:61: error: `kubernetes.cni.manifests` names b.yaml twice"), "{refused}");
    }

    #[test]
    fn every_mistake_is_at_its_place_with_a_way_out() {
        for (cni, expected) in [
            ("flanel", "did you mean `flannel`?"),
            ("calico", "there is: routed, flannel, weave, files, none"),
            ("files", "2:19: error: `kubernetes.cni` is files, and names none"),
            ("{name: files}", "such as `cni: {name: files, conflist: "),
            ("{name: routed, conflist: a.conflist}", "which mean nothing for routed"),
            ("{name: none, manifests: [a.yaml]}", "2:44: error: `kubernetes.cni` names files"),
            ("{manifests: [a.yaml]}", "the key `kubernetes.cni.name` is missing"),
            ("{name: files, manifest: [a.yaml]}", "did you mean `manifests`?"),
            ("{name: files, manifests: [a.yaml, a.yaml]}", "names a.yaml twice"),
            ("{name: files, manifests: [a.json]}", "must end in `.yaml`"),
            ("{name: files, manifests: [\"a b.yaml\"]}", "must end in `.yaml`"),
            ("{name: files, manifests: [../a.yaml]}", "leads out of the lab's folder"),
            ("{name: files, conflist: private/a.conflist}", "hab's own"),
            ("{name: files, manifests: []}", "`kubernetes.cni.manifests` is empty"),
            ("[files]", "`kubernetes.cni` must be text, not a list"),
        ] {
            assert!(said(cni).contains(expected), "{cni}: {}", said(cni));
        }
    }
}
