//! The boot test: packer boots a role's two disks, the guest tests itself, and only a role whose checks all hold is boxed.

mod config;
mod listen;
mod report;
mod run;
mod sockets;

pub use config::{Check, SelfTest, config, config_of_images, key, memory};
pub use report::{Answer, Failed, Report, Unfinished, file_name, read, write};
pub use run::{Prepared, Subject, preflight, prepare, run};
