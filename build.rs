//! Compiles hab again when one of the data folders that are built into it has changed: `include_dir!` alone does not
//! tell cargo what it read.

fn main() {
    for folder in ["images", "ignition", "templates", "vagrant"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
