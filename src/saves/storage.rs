//! The files of saves in a storage pool: how they are called, and whose they are.

/// What stands between a machine's name and a save's id in the name of a save's file.
const MARK: &str = ".save-";

/// A save's memory of a machine.
pub(super) fn memory(domain: &str, id: &str) -> String {
    format!("{domain}{MARK}{id}.memory")
}

/// A save's copy of a machine's disk.
pub(super) fn copy(domain: &str, id: &str, target: &str) -> String {
    format!("{domain}{MARK}{id}.{target}")
}

/// The id of the save whose file this is, if it is one of a machine of this name.
pub(super) fn id<'n>(name: &'n str, domain: &str) -> Option<&'n str> {
    let (id, _) = name.strip_prefix(domain)?.strip_prefix(MARK)?.split_once('.')?;
    Some(id)
}

/// The name of the file at `path`; a volume has its file's name.
pub(super) fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_whose_it_is() {
        assert_eq!(id(&memory("hab-a-n-01", "0f3c"), "hab-a-n-01"), Some("0f3c"));
        assert_eq!(id(&copy("hab-a-n-01", "0f3c", "vda"), "hab-a-n-01"), Some("0f3c"));
        for other in
            ["hab-a-n-01.img", "hab-a-n-01_1.img", "hab-a-n-01.ign", "hab-a-n-012.save-0f3c.vda", "x.save-0f3c.vda"]
        {
            assert_eq!(id(other, "hab-a-n-01"), None, "{other}");
        }
        assert_eq!(name("/pool/a.img"), "a.img");
    }
}
