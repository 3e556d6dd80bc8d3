//! What the user's Vagrant runs: static Ruby, and the data it reads. The only reader of the data folder `vagrant/`.

pub mod nodes;

pub use nodes::{Data, Rendered};

/// The lab's Vagrantfile: the same bytes in every lab, with nothing of the user's in it.
pub const VAGRANTFILE: &str = concat!(
    include_str!("../../vagrant/Vagrantfile"),
    include_str!("../../vagrant/lab.rb"),
    include_str!("../../vagrant/steps.rb"),
    // A provider's part is a folder of its own. In order: `provider.rb` names the others.
    include_str!("../../vagrant/libvirt/volume.rb"),
    include_str!("../../vagrant/libvirt/accelerator.rb"),
    include_str!("../../vagrant/libvirt/console.rb"),
    include_str!("../../vagrant/libvirt/machine.rb"),
    include_str!("../../vagrant/libvirt/provider.rb"),
);

/// The Vagrantfile inside every box.
pub const BOX_VAGRANTFILE: &str = include_str!("../../vagrant/box/Vagrantfile");
