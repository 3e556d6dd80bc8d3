//! A lab that brings container images along: the steps that it has more, and that all others are as without.

use super::*;
use crate::container_images;
use crate::lock::{Blob, ContainerImage, Images, Layer};

const NGINX: &str = "docker.io/library/nginx:1.29";

fn digest(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

fn blob(digit: char) -> Blob {
    Blob { media_type: "kind".to_owned(), size: 1, digest: digest(digit) }
}

/// An image whose layers have these digests.
fn image(from: &str, layers: &[char]) -> ContainerImage {
    let layers = layers.iter().map(|digit| Layer { blob: blob(*digit), diff_id: digest(*digit) });
    let (index, manifest, config) = (None, blob('a'), blob('b'));
    ContainerImage { from: from.into(), names: vec![from.into()], index, manifest, config, layers: layers.collect() }
}

/// A lab with nginx and another image, which have a layer in common.
fn with_images() -> Lab {
    let mut lab = Lab::new();
    let text = b"lab: demo\nimages: [nginx:1.29, {archive: app.tar}]\n";
    let reading = crate::config::read("hab.yaml", text, &|_| Ok(()));
    lab.plan = Plan::new(reading.config().unwrap()).unwrap();
    let list = vec![image(NGINX, &['1', '2']), image("archive:app.tar", &['1', '3'])];
    let linker = container_images::linker().unwrap();
    lab.lock.images = Some(Images { packages: Vec::new(), linker, list, disk: None });
    lab
}

pub fn keys(lab: &Lab) -> BTreeMap<String, String> {
    let context = lab.context();
    let graph = Graph::new(&context).unwrap();
    graph.steps().iter().enumerate().map(|(at, step)| (step.name(), graph.key(at).as_str().to_owned())).collect()
}

#[test]
fn a_lab_with_images_has_the_steps_of_one_without_and_more() {
    let (without, with) = (keys(&Lab::new()), keys(&with_images()));
    assert!(without.iter().all(|step| with.get(step.0) == Some(step.1)), "boxes are the same");
    let more: Vec<&str> = with.keys().map(String::as_str).filter(|name| !without.contains_key(*name)).collect();
    let layers = ['1', '2', '3'].map(|digit| format!("layer {}", digit.to_string().repeat(16)));
    let mut wanted = vec!["boot test images", "disk images", "hab-images", "image archive:app.tar", "images"];
    let nginx = format!("image {NGINX}");
    wanted.push(&nginx);
    wanted.extend(layers.iter().map(String::as_str));
    wanted.sort_unstable();
    assert_eq!(more, wanted);
    let lab = with_images();
    let context = lab.context();
    let graph = Graph::new(&context).unwrap();
    let goals = graph.goals().unwrap();
    for name in ["images", "disk images", "boot test images"] {
        assert!(goals.contains(&graph.place(name).unwrap()), "{name}");
    }
}

#[test]
fn another_layer_is_another_disk_and_no_other_layer() {
    let before = keys(&with_images());
    let mut lab = with_images();
    lab.lock.images.as_mut().unwrap().list[1] = image("archive:app.tar", &['1', '4']);
    let after = keys(&lab);
    let same = |name: &str| before.get(name) == after.get(name);
    assert!(same(&format!("layer {}", "2".repeat(16))) && same("hab-images") && same("box worker"));
    assert!(!same("images") && !same("disk images") && !same("boot test images"));
    // Another name is another disk, too, though no other layer.
    let mut lab = with_images();
    lab.lock.images.as_mut().unwrap().list[0].names.push("a:1".into());
    assert!(keys(&lab)["images"] != before["images"]);
}

#[test]
fn a_lock_that_does_not_pin_the_images_is_refused() {
    let refused = |lab: &Lab| Context::new(&lab.cache, &lab.lock, &lab.plan, &Silent).err().unwrap().to_string();
    let mut lab = with_images();
    lab.lock.images.as_mut().unwrap().list.pop();
    assert_eq!(refused(&lab), "hab.lock does not pin the images of hab.yaml: `hab lock` pins them");
    lab.plan.images.pop();
    lab.context();
    lab.plan.images.clear();
    assert!(refused(&lab).contains("`hab lock` pins them"));
    let mut lab = with_images();
    lab.lock.images.as_mut().unwrap().linker.version = "v0.0.1".into();
    assert!(refused(&lab).contains("another hab-images"), "{}", refused(&lab));
}

#[test]
fn a_disk_that_is_not_the_locks_is_refused() {
    let mut lab = with_images();
    let fill = |lab: &Lab| {
        let context = lab.context();
        let graph = Graph::new(&context).unwrap();
        let place = graph.place("images").unwrap();
        let written = container_images::disk::Written { sha256: "aa".into(), layers: BTreeMap::new() };
        let fill = |entry: &Path| Ok(fs::write(entry.join("images.json"), serde_json::to_vec(&written)?)?);
        lab.cache.make(graph.steps()[place].bucket(), graph.key(place), &|| (), fill).unwrap();
    };
    fill(&lab);
    assert!(lab.says("images").starts_with("there: "), "{}", lab.says("images"));
    lab.lock.images.as_mut().unwrap().disk = Some("bb".into());
    assert!(lab.says("images").starts_with("refused: the disk of images came out other"), "{}", lab.says("images"));
}
