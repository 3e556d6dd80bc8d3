//! The archive format of an initramfs, `newc`
//! (<https://docs.kernel.org/driver-api/early-userspace/buffer-format.html>).

/// An archive in the making: root owns everything, all times are 0.
#[derive(Debug, Default)]
pub struct Cpio {
    bytes: Vec<u8>,
    count: usize,
}

impl Cpio {
    /// Adds a folder.
    pub fn folder(&mut self, name: &str) {
        self.add(name, 0o040_755, [0, 0], b"");
    }

    /// Adds a file that can be run.
    pub fn program(&mut self, name: &str, bytes: &[u8]) {
        self.add(name, 0o100_755, [0, 0], bytes);
    }

    /// Adds a file.
    pub fn file(&mut self, name: &str, bytes: &[u8]) {
        self.add(name, 0o100_644, [0, 0], bytes);
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, name: &str, target: &str) {
        self.add(name, 0o120_777, [0, 0], target.as_bytes());
    }

    /// Adds a character device with its major and minor number.
    pub fn device(&mut self, name: &str, numbers: [u32; 2]) {
        self.add(name, 0o020_600, numbers, b"");
    }

    /// The whole archive.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, [0, 0], b"");
        self.bytes
    }

    fn add(&mut self, name: &str, mode: u32, device: [u32; 2], data: &[u8]) {
        self.count += 1;
        self.bytes.extend(b"070701");
        // Inode, mode, user, group, links, time, size, device of the archive (two), device (two), length of the name
        // with its end, checksum (not in this variant).
        let [major, minor] = device.map(|number| number as usize);
        let fields = [self.count, mode as usize, 0, 0, 1, 0, data.len(), 0, 0, major, minor, name.len() + 1, 0];
        for field in fields {
            self.bytes.extend(format!("{field:08X}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(data);
        self.pad();
    }

    /// Everything begins on a multiple of four.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other bytes need another version of the step that writes the base.
    #[test]
    fn the_same_entries_give_the_same_bytes() {
        let mut cpio = Cpio::default();
        cpio.folder("bin");
        cpio.device("dev/console", [5, 1]);
        cpio.file("modules/order", b"squashfs\n");
        cpio.link("bin/sh", "busybox");
        cpio.program("init", b"#!/bin/sh\n");
        assert_eq!(
            crate::digest::sha256(cpio.finish()),
            "35cd7de1b3ed112a1cc377c2c180ca49efe3b5c0c9c07f7920c28aa6e5d21c96"
        );
    }

    #[test]
    fn headers_and_data_are_where_the_kernel_looks() {
        let mut cpio = Cpio::default();
        cpio.program("init", b"#!/bin/sh\n");
        let bytes = cpio.finish();
        assert_eq!(&bytes[..6], b"070701");
        assert_eq!(&bytes[14..22], b"000081ED");
        assert_eq!(&bytes[54..62], b"0000000A");
        // 6 + 13 * 8 is 110; the name takes 5 and ends on 116.
        assert_eq!(&bytes[110..115], b"init\0");
        assert_eq!(&bytes[116..126], b"#!/bin/sh\n");
        assert_eq!(bytes.len() % 4, 0);
        assert!(bytes.windows(10).any(|window| window == b"TRAILER!!!"));
    }
}
