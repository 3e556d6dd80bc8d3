# frozen_string_literal: true

# A Vagrantfile that does one thing: the lab's own trial guest, run by the emulation, which certainly can. Says what came
# of it: with the firmware as hab wrote it, and with one that halts at its first instruction.
load File.join(ENV.fetch("LAB"), "Vagrantfile")
require "libvirt"

client = Libvirt.open("qemu:///system")
pool = client.lookup_storage_pool_by_name("default")
firmware = File.binread(File.join(ENV.fetch("LAB"), "out", "trial.rom"))
halts = firmware.dup.tap { |rom| rom.setbyte(0xfff0, 0xf4) } # hlt
{ sound: firmware, broken: halts }.each do |name, rom|
  puts "#{name}: #{HabLab::Libvirt::Accelerator.trial(client, pool, rom, 'qemu', 'maximum').inspect}"
end
left = -> { pool.list_volumes.grep(/trial/) + client.list_all_domains.map(&:name).grep(/trial/) }
puts "left: #{left.call.inspect}"
pool.create_volume_xml("<volume><name>trial-seen</name><capacity>1</capacity></volume>").tap do |volume|
  puts "seen: #{left.call.inspect}"
  volume.delete
end
