//! What the user's Vagrant runs: static Ruby, and the data it reads. The only reader of the data folder `vagrant/`.

pub mod nodes_json;

pub use nodes_json::{Data, Rendered};

/// The lab's Vagrantfile: the same bytes in every lab, with nothing of the user's in it.
pub const VAGRANTFILE: &str = include_str!("../../vagrant/Vagrantfile");

/// The Vagrantfile inside every box.
pub const BOX_VAGRANTFILE: &str = include_str!("../../vagrant/box/Vagrantfile");
