//! What follows from the processor that nodes have: one table, one row an architecture.

/// The facts of an architecture.
#[derive(Debug, PartialEq, Eq)]
pub struct Arch {
    /// Debian's name for it (<https://www.debian.org/ports/>).
    pub debian: &'static str,
    /// Go's and OCI's name for it (`GOARCH`).
    pub go: &'static str,
    /// Go's variable for the instructions it may use, and the oldest choice, which runs everywhere.
    pub go_level: (&'static str, &'static str),
    /// Its number in an ELF file (`e_machine`, elf(5)).
    pub elf: u16,
    /// The kernel's name for it (`machine`, uname(2)), and Fedora's.
    pub machine: &'static str,
    /// Where Debian keeps its libraries (<https://wiki.debian.org/Multiarch/Tuples>).
    pub libraries: &'static str,
    /// The dynamic loader's name, as libraries that need it call it.
    pub loader: &'static str,
    /// qemu's emulator, and the Debian package that has it.
    pub qemu: (&'static str, &'static str),
    /// Partition types for a root and a `/usr` file system, in the GPT's byte order
    /// (<https://uapi-group.org/specifications/specs/discoverable_partitions_specification/>).
    pub root_partition: [u8; 16],
    /// See above.
    pub usr_partition: [u8; 16],
}

/// amd64: 4f68bce3-e8cd-4db1-96e7-fbcaf984b709 and 8484680c-9521-48c6-9c11-b0720656f69e are its partition types.
pub const AMD64: Arch = Arch {
    debian: "amd64",
    go: "amd64",
    go_level: ("GOAMD64", "v1"),
    elf: object::elf::EM_X86_64,
    machine: "x86_64",
    libraries: "usr/lib/x86_64-linux-gnu",
    loader: "ld-linux-x86-64.so.2",
    qemu: ("qemu-system-x86_64", "qemu-system-x86"),
    root_partition: [0xe3, 0xbc, 0x68, 0x4f, 0xcd, 0xe8, 0xb1, 0x4d, 0x96, 0xe7, 0xfb, 0xca, 0xf9, 0x84, 0xb7, 0x09],
    usr_partition: [0x0c, 0x68, 0x84, 0x84, 0x21, 0x95, 0xc6, 0x48, 0x9c, 0x11, 0xb0, 0x72, 0x06, 0x56, 0xf6, 0x9e],
};

/// What nodes are built for.
pub const TARGET: &Arch = &AMD64;
