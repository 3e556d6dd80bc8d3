//! A lab with a registry of its own: what is made besides, and that all else is as without.

use super::images::keys;
use super::*;
use crate::artifacts::pin_upstream;
use crate::kinds::REGISTRY;

fn with_registry() -> Lab {
    let mut lab = Lab::new();
    let reading = crate::config::read("hab.yaml", b"lab: demo\nregistry: {inLab: true}\n", &|_| Ok(()));
    lab.plan = Plan::new(reading.config().unwrap()).unwrap();
    let catalog = Catalog::of_part(REGISTRY).unwrap();
    let pinned = pin_upstream(catalog.upstream(REGISTRY).unwrap()).unwrap();
    lab.lock.supply.of_modules().0.insert(REGISTRY.to_owned(), pinned);
    lab
}

#[test]
fn only_masters_have_another_box() {
    let (without, with) = (keys(&Lab::new()), keys(&with_registry()));
    let other: Vec<&str> =
        with.iter().filter(|(name, key)| without.get(*name) != Some(*key)).map(|(name, _)| name.as_str()).collect();
    assert_eq!(other, ["boot test master", "box master", "disk payload master", "payload master", "registry"]);
    assert_eq!(with.len(), without.len() + 1);
}

#[test]
fn a_lock_that_does_not_pin_it_is_refused() {
    let mut lab = with_registry();
    lab.context();
    lab.lock.supply.of_modules().0.remove(REGISTRY);
    let refused = Context::new(&lab.cache, &lab.lock, &lab.plan, &Silent).err().unwrap().to_string();
    assert!(refused.contains("pins another registry (none)"), "{refused}");
}
