# Boots one role's two disks, as they are, and waits until the guest has switched itself off. What the guest found is
# on its second serial port, and only that counts: packer does not look at qemu's exit code. The first is its console.
#
# No `packer {}` block: packer 1.6.6 does not know required_plugins, and later ones find an installed qemu plugin
# without it. Every value comes from a JSON file of variables that hab writes.

variable "role" { type = string }
variable "disk" { type = string }
variable "disk_sha256" { type = string }
variable "payload" { type = string }
# Further disks, read-only: none, or the one of container images.
variable "images" { type = list(string) }
variable "ignition" { type = string }
variable "console" { type = string }
variable "answers" { type = string }
variable "output" { type = string }
variable "accelerator" { type = string }
variable "cpu" { type = string }
variable "memory" { type = number }
variable "shutdown_timeout" { type = string }
# qemu's words for a guest that is to start only once, or none.
variable "once" { type = list(string) }

source "qemu" "role" {
  iso_url          = var.disk
  iso_checksum     = "sha256:${var.disk_sha256}"
  disk_image       = true
  format           = "qcow2"
  vm_name          = "disk1.qcow2"
  output_directory = var.output
  skip_resize_disk = true
  skip_compaction  = true

  accelerator      = var.accelerator
  memory           = var.memory
  headless         = true
  disable_vnc      = true
  boot_wait        = "0s"
  communicator     = "none"
  shutdown_timeout = var.shutdown_timeout

  # Nothing the guest writes survives (-snapshot), so the disk that comes out is the one that went in. The network
  # card leads nowhere (restrict); its address is the one the self-test's node.env names.
  qemuargs = concat([
    ["-snapshot", ""],
    ["-nodefaults", ""],
    ["-display", "none"],
    ["-vnc", "none"],
    ["-vga", "none"],
    ["-cpu", var.cpu],
    # In the order of the ports: /dev/ttyS0, /dev/ttyS1.
    ["-serial", "file:${var.console}"],
    ["-serial", "file:${var.answers}"],
    ["-drive", "file=${var.output}/disk1.qcow2,if=virtio,format=qcow2,cache=unsafe"],
    ["-drive", "file=${var.payload},if=virtio,format=qcow2,readonly=on,cache=unsafe"],
    ["-fw_cfg", "name=opt/com.coreos/config,file=${var.ignition}"],
    ["-device", "virtio-rng-pci"],
    ["-netdev", "user,id=user.0,restrict=on"],
    ["-device", "virtio-net-pci,netdev=user.0,mac=52:54:00:12:34:56,romfile="],
  ], [for word in var.once : [word, ""]], [for disk in var.images : ["-drive", "file=${disk},if=virtio,format=qcow2,readonly=on,cache=unsafe"]])
}

build {
  sources = ["source.qemu.role"]
}
