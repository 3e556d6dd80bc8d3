# frozen_string_literal: true

# A Vagrantfile that does one thing: the lab's own trial guest, run by the emulation, which certainly can. Says what came
# of it: with the firmware as hab wrote it, and with one that halts at its first instruction.
load File.join(ENV.fetch("LAB"), "Vagrantfile")
require "libvirt"

trial = HabLab::Accelerator
client = Libvirt.open("qemu:///system")
pool = client.lookup_storage_pool_by_name("default")
puts "sound: #{trial.trial(client, pool, 'qemu', 'maximum').inspect}"

halts = File.binread(trial::FIRMWARE).tap { |rom| rom.setbyte(0xfff0, 0xf4) }
File.write(File.join(__dir__, "halts.rom"), halts, mode: "wb")
trial.send(:remove_const, :FIRMWARE)
trial.const_set(:FIRMWARE, File.join(__dir__, "halts.rom"))
puts "broken: #{trial.trial(client, pool, 'qemu', 'maximum').inspect}"
left = pool.list_volumes.grep(/trial/) + client.list_all_domains.map(&:name).grep(/trial/)
puts "left: #{left.inspect}"
