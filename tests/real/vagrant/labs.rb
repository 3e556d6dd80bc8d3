# frozen_string_literal: true

# labs.rb WHAT LAB...: what Vagrant, used as a library in one process, finds out about labs. Prints a line of JSON.
require "json"
require "vagrant"

Vagrant::Plugin::Manager.instance.globalize!
what, *folders = ARGV

def first_machine(env)
  env.machine(env.machine_names.first, :libvirt)
end

def settings(env)
  machine = first_machine(env)
  network = machine.config.vm.networks.find { |type, _| type == :private_network }.last
  {
    names: env.machine_names, prefix: machine.provider_config.default_prefix,
    network: network[:libvirt__network_name], box_url: Array(machine.config.vm.box_url).first
  }
end

# Has Vagrant add the first machine's box, as `vagrant up` does, and says what it then has.
def add_box(env)
  vm = first_machine(env).config.vm
  env.action_runner.run(
    Vagrant::Action.action_box_add,
    box_name: vm.box, box_url: vm.box_url, box_version: vm.box_version, box_provider: :libvirt
  )
  box = env.boxes.find(vm.box, :libvirt, vm.box_version)
  [box.name, box.version, box.provider.to_s]
end

envs = folders.map { |folder| Vagrant::Environment.new(cwd: folder) }
puts JSON.generate(envs.map { |env| what == "box" ? add_box(env) : settings(env) })
