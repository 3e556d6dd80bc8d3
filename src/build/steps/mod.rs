//! The kinds of steps, one file a kind.

mod base;
mod boot_test;
mod container_image;
mod debian_programs;
mod go_programs;
mod image_layer;
mod images_disk;
mod images_test;
mod linker;
mod packed_image;
mod payload;
mod provider_disk;
mod release_programs;
mod tools;
mod vagrant_box;
mod vendor_disk;

pub use base::BaseDisk;
pub use boot_test::{BootTest, boot_test};
pub use container_image::ContainerImage;
pub use debian_programs::DebianPrograms;
pub use go_programs::GoPrograms;
pub use image_layer::ImageLayer;
pub use images_disk::{ImagesDisk, NAME as IMAGES};
pub use images_test::{ImagesTest, images_test};
pub use linker::Linker;
pub use packed_image::PackedImage;
pub use payload::Payload;
pub use provider_disk::{BOOTED, ProviderDisk, disk_of_images, images_file};
pub use release_programs::ReleasePrograms;
pub use tools::Tools;
pub use vagrant_box::{BOX, VagrantBox, packed, vagrant_box};
pub use vendor_disk::VendorDisk;
