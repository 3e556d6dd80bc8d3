//! Container images, and where they come from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::images::{ImageSource, Mirror, REGISTRY_PORT as REGISTRY, RawImage, RawImages, Registries};
use super::super::raw::Marked;
use super::super::reference::{Reference, checked_part, host};
use super::super::yaml::shown;
use super::ports::{NodePorts, Port};
use super::{HasFile, lab_file};
use crate::problems::{Place, Problems};
use crate::role::Role;

/// The file that every OCI layout has.
const INDEX: &str = "index.json";

/// Checks `images`.
pub fn check(said: &RawImages, has_file: &HasFile<'_>, problems: &mut Problems) -> Option<Vec<ImageSource>> {
    let mut sources: Vec<ImageSource> = Vec::new();
    let mut whole = true;
    for image in &said.list {
        let Some((source, place)) = source(image, has_file, problems) else {
            whole = false;
            continue;
        };
        if sources.contains(&source) {
            problems.error(place, format!("`images` names {source} twice"), None);
        }
        sources.push(source);
    }
    whole.then_some(sources)
}

fn source(image: &RawImage, has_file: &HasFile<'_>, problems: &mut Problems) -> Option<(ImageSource, Option<Place>)> {
    match image {
        RawImage::Reference(said) => {
            let reference = reference("an image in `images`", said, problems)?;
            if reference.is_latest() {
                let message = format!(
                    "`{}` is the tag `latest`, which Kubernetes asks a registry for each time",
                    shown(&said.value)
                );
                let hint = format!(
                    "name a version, such as `{}:1.2.3`, or give its pods `imagePullPolicy: IfNotPresent`",
                    reference.name()
                );
                problems.warning(said.place, message, Some(hint));
            }
            Some((ImageSource::Registry(reference), said.place))
        }
        RawImage::File { folder, path, name } => {
            let name = match name {
                Some(name) => Some(named(name, problems)?),
                None => None,
            };
            let place = path.place;
            let path = file(*folder, path, has_file, problems)?;
            let source = if *folder { ImageSource::Layout { path, name } } else { ImageSource::Archive { path, name } };
            Some((source, place))
        }
    }
}

/// The name of what is in a file, by which pods find it.
fn named(said: &Marked<String>, problems: &mut Problems) -> Option<Reference> {
    let reference = reference("`name` of an image", said, problems)?;
    if reference.digest().is_none() {
        return Some(reference);
    }
    let hint = format!("remove what begins with `@`: `{}:1`", reference.name());
    problems.error(said.place, "`name` of an image has a digest, which follows from the file", Some(hint));
    None
}

/// The path of an image in the lab's folder.
fn file(folder: bool, said: &Marked<String>, has_file: &HasFile<'_>, problems: &mut Problems) -> Option<PathBuf> {
    // skopeo splits what it is given there.
    if said.value.contains(':') {
        let message = format!("the path {} of an image has a `:` in it", shown(&said.value));
        problems.error(said.place, message, Some("rename the file".to_owned()));
        return None;
    }
    if !folder {
        return lab_file("images", "images/app.tar", Some(said), has_file, problems);
    }
    let layout = |path: &Path| match path.components().next() {
        Some(_) => has_file(&path.join(INDEX)).map_err(|why| match why.as_str() {
            "is not there" => "is no OCI layout: there is no index.json in it".to_owned(),
            _ => why,
        }),
        None => Err("is empty".to_owned()),
    };
    lab_file("images", "images/layout", Some(said), &layout, problems)
}

fn reference(what: &str, said: &Marked<String>, problems: &mut Problems) -> Option<Reference> {
    Reference::new(&said.value)
        .map_err(|why| {
            let lower = said.value.trim_start_matches("https://").trim_start_matches("docker://").to_lowercase();
            let hint = match Reference::new(&lower) {
                Ok(_) => format!("such as `{lower}`"),
                Err(_) => "such as `nginx:1.29` or `registry.example.com/team/app:2`".to_owned(),
            };
            problems.error(said.place, format!("{what} {why}"), Some(hint));
        })
        .ok()
}

/// Checks `registry`.
pub fn registries(said: &RawImages, problems: &mut Problems) -> Option<Registries> {
    let (mut mirrors, mut whole) = (BTreeMap::new(), true);
    for (registry, location) in &said.mirrors {
        let mut refuse = |place, message: String, hint: &str| {
            problems.error(place, message, Some(hint.to_owned()));
            whole = false;
        };
        if let Err(why) = host(&registry.value) {
            refuse(registry.place, format!("the registry in `registry.mirrors` {why}"), "such as `docker.io`");
        }
        match mirror(&location.value) {
            Ok(mirror) => drop(mirrors.insert(registry.value.clone(), mirror)),
            Err(why) => refuse(
                location.place,
                format!("the mirror of {} {why}", shown(&registry.value)),
                "such as `mirror.example.com/hub`, or `http://localhost:5000` for one that speaks plain HTTP",
            ),
        }
    }
    for insecure in &said.insecure {
        if let Err(why) = host(&insecure.value) {
            problems.error(
                insecure.place,
                format!("a host in `registry.insecure` {why}"),
                Some("such as `localhost:5000`".to_owned()),
            );
            whole = false;
        }
    }
    let insecure = said.insecure.iter().map(|insecure| insecure.value.clone()).collect();
    let in_lab = said.in_lab.as_ref().is_some_and(|said| said.value);
    whole.then_some(Registries { mirrors, insecure, in_lab })
}

/// Checks that the lab's own registry, if there is one, has its port for itself; `others` are the ports that the user chooses,
/// by their keys.
pub fn port_of_registry(
    said: &RawImages,
    others: &[(&str, Option<u16>)],
    node_ports: &NodePorts,
    problems: &mut Problems,
) {
    let Some(said) = said.in_lab.as_ref().filter(|said| said.value) else { return };
    let port = Port { key: "registry.inLab", role: Role::Master, also: None, default: REGISTRY };
    port.check(None, node_ports, problems);
    for (key, _) in others.iter().filter(|(_, other)| *other == Some(REGISTRY)) {
        let message = format!("`{key}` is {REGISTRY}, and the lab's registry has that on every master and worker");
        problems.error(said.place, message, Some("choose another port".to_owned()));
    }
}

fn mirror(said: &str) -> Result<Mirror, String> {
    let (location, insecure) = match said.split_once("://") {
        Some(("https", rest)) => (rest, false),
        Some(("http", rest)) => (rest, true),
        Some(_) => return Err("is neither `https://` nor `http://`".to_owned()),
        None => (said, false),
    };
    let location = location.trim_end_matches('/');
    let (name, path) = location.split_once('/').map_or((location, None), |(name, path)| (name, Some(path)));
    host(name)?;
    for part in path.into_iter().flat_map(|path| path.split('/')) {
        checked_part(part)?;
    }
    Ok(Mirror { location: location.to_owned(), insecure })
}

#[cfg(test)]
mod tests {
    use super::super::super::{Config, read};
    use super::*;

    fn said(text: &str) -> String {
        read("hab.yaml", format!("lab: a\n{text}\n").as_bytes(), &|_| Ok(())).problems.to_string()
    }

    fn config(text: &str) -> Config {
        let reading = read("hab.yaml", format!("lab: a\n{text}\n").as_bytes(), &|_| Ok(()));
        assert_eq!(reading.problems.to_string(), "");
        reading.config.unwrap()
    }

    #[test]
    fn images_come_from_registries_archives_and_folders() {
        let config = config(
            "images:\n  - nginx:1.29\n  - {archive: ./images/app.tar, name: example.com/app:2}\n  - oci: images/layout",
        );
        let sources: Vec<String> = config.images.iter().map(ToString::to_string).collect();
        let archive = "archive:images/app.tar as example.com/app:2";
        assert_eq!(sources, ["docker.io/library/nginx:1.29", archive, "oci:images/layout"]);
        for none in ["", "images:", "images: []"] {
            assert!(super::tests::config(none).images.is_empty(), "{none}");
        }
    }

    #[test]
    fn every_mistake_is_at_its_place_with_a_way_out() {
        for (text, expected) in [
            ("images: [Nginx:1]", "2:10: error: an image in `images` has a capital"),
            ("images: [Nginx:1]", "such as `nginx:1`"),
            ("images: [docker://nginx:1]", "such as `nginx:1`"),
            ("images: [\"nginx:a b\"]", "has behind its `:` what is no tag"),
            ("images: nginx", "`images` must be a list, not the text \"nginx\""),
            ("images: [1.5]", "`images` must be text"),
            ("images: [{archiv: a.tar}]", "did you mean `archive`?"),
            ("images: [{archive: a.tar, oci: b}]", "2:32: error: an image comes from `archive` or from `oci`"),
            ("images: [{name: a}]", "2:10: error: an image in `images` has neither `archive` nor `oci`"),
            ("images: [{archive: ../a.tar}]", "`images` leads out of the lab's folder"),
            ("images: [{archive: private/a.tar}]", "hab's own"),
            ("images: [{archive: \"a:b.tar\"}]", "has a `:` in it"),
            ("images: [{archive: a.tar, name: A}]", "`name` of an image has a capital"),
            (
                "images: [nginx:1, docker.io/library/nginx:1]",
                "2:19: error: `images` names docker.io/library/nginx:1 twice",
            ),
            ("registry: {mirrors: {\"a b\": c}}", "the registry in `registry.mirrors` has ' '"),
            ("registry: {mirrors: {docker.io: \"ftp://a\"}}", "2:33: error: the mirror of docker.io is neither"),
            ("registry: {mirrors: {docker.io: a.com/B}}", "the mirror of docker.io has a capital"),
            ("registry: {insecure: [\"http://a\"]}", "a host in `registry.insecure` has behind the `:`"),
            ("registry: {mirror: {}}", "did you mean `mirrors`?"),
        ] {
            assert!(said(text).contains(expected), "{text}: {}", said(text));
        }
        let digest = format!("images: [{{archive: a.tar, name: \"a@sha256:{}\"}}]", "0".repeat(64));
        assert!(said(&digest).contains("follows from the file"), "{}", said(&digest));
    }

    #[test]
    fn a_folder_that_is_no_layout_is_said_to_be_none() {
        let gone = |path: &Path| if path.ends_with(INDEX) { Err("is not there".to_owned()) } else { Ok(()) };
        let reading = read("hab.yaml", b"lab: a\nimages: [{oci: layout}]\n", &gone);
        let said = reading.problems.to_string();
        assert!(said.contains("2:16: error: `images` names the file layout, which is no OCI layout"), "{said}");
    }

    #[test]
    fn the_tag_latest_is_warned_of() {
        for text in ["nginx", "nginx:latest"] {
            let said = said(&format!("images: [{text}]"));
            assert!(said.contains("warning: ") && said.contains("`docker.io/library/nginx:1.2.3`"), "{said}");
        }
        assert_eq!(said("images: [nginx:1]"), "");
    }

    #[test]
    fn a_registry_of_the_labs_own_has_its_port_for_itself() {
        assert!(config("registry: {inLab: true}").registries.in_lab);
        for none in ["", "registry:", "registry: {inLab: false}", "haproxy: {port: 5000}"] {
            assert!(!config(none).registries.in_lab, "{none}");
        }
        for (text, expected) in [
            ("registry: {inLab: yes}", "`registry.inLab` must be true or false"),
            (
                "registry: {inLab: true}\nhaproxy: {port: 5000}",
                "2:19: error: `haproxy.port` is 5000, and the lab's registry",
            ),
            ("registry: {inLab: true}\nhaproxy: {stats: {enabled: true, port: 5000}}", "`haproxy.stats.port` is 5000"),
            ("registry: {inLab: true}\nkubernetes: {apiServer: {port: 5000}}", "`kubernetes.apiServer.port` is 5000"),
            (
                "registry: {inLab: true}\nkubernetes: {apiServer: {extraArgs: {service-node-port-range: 4000-6000}}}",
                "`registry.inLab` is 5000; services of the type NodePort have 4000 to 6000",
            ),
        ] {
            assert!(said(text).contains(expected), "{text}: {}", said(text));
        }
    }

    #[test]
    fn mirrors_and_insecure_hosts_are_read() {
        let text = "registry:\n  mirrors: {docker.io: \"https://m.example.com/hub/\", quay.io: \"http://localhost:5000\"}\n  insecure: [\"localhost:5000\"]";
        let Registries { mirrors, insecure, in_lab } = config(text).registries;
        assert!(!in_lab);
        let mirror = |location: &str, insecure| Mirror { location: location.to_owned(), insecure };
        assert_eq!(mirrors["docker.io"], mirror("m.example.com/hub", false));
        assert_eq!(mirrors["quay.io"], mirror("localhost:5000", true));
        assert_eq!(insecure, ["localhost:5000"]);
    }
}
