//! The programs that only some labs have: each is built as `hab build` builds it, and says what the boot test wants to hear.

use std::process::Command;

use hab::artifacts::{Artifacts, Catalog, Origin};
use hab::kinds::PARTS;

use crate::built::build;

#[test]
fn every_program_of_a_part_is_built_and_says_what_the_boot_test_wants_to_hear() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for part in PARTS {
        let catalog = Catalog::of_part(part).unwrap();
        let upstreams: Vec<&str> = catalog.upstreams.keys().map(String::as_str).collect();
        let folder = dir.path().join(part);
        std::fs::create_dir(&folder).unwrap();
        build(&folder, &upstreams);
        let mut artifacts = Artifacts::default();
        for name in upstreams {
            artifacts.add_programs(&catalog, &folder.join(name)).unwrap();
        }
        // Debian's are not built.
        let built = catalog.artifacts.iter().filter(|(_, artifact)| matches!(artifact.origin, Origin::Go { .. }));
        assert_eq!(
            artifacts.programs.keys().collect::<Vec<_>>(),
            built.map(|(name, _)| name).collect::<Vec<_>>(),
            "{part}"
        );
        for (name, program) in &artifacts.programs {
            let output = Command::new(&program.file.path).args(&program.check).output().unwrap();
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(output.status.success() && said.contains(&program.says), "{name}: {said}");
        }
    }
}
