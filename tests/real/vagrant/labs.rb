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
  networks = machine.config.vm.networks.select { |type, _| type == :private_network }.map(&:last)
  {
    names: env.machine_names, prefix: machine.provider_config.default_prefix,
    network: networks.first[:libvirt__network_name], box_url: Array(machine.config.vm.box_url).first,
    forward: networks.map { |network| network[:libvirt__forward_mode] }
  }
end

# What is said of networks that libvirt could have in place of the lab's.
def ways(env)
  network = HabLab.node(first_machine(env)).lab[:network]
  xml = lambda do |name, forward, address|
    "<network><name>#{name}</name>#{forward}<ip address='#{address}' netmask='255.255.255.0'></ip></network>"
  end
  name, host, out = *network.values_at(:name, :host), "<forward mode='nat'/>"
  [xml[name, "", host], xml[name, out, host], xml["other", out, host], xml["far", out, "192.168.156.1"]].map do |there|
    HabLab::Libvirt.same_way_out(network, [there])
  rescue HabLab::Error => e
    e.message
  end
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

QUESTIONS = { "box" => :add_box, "settings" => :settings, "ways" => :ways }.freeze

envs = folders.map { |folder| Vagrant::Environment.new(cwd: folder) }
puts JSON.generate(envs.map { |env| send(QUESTIONS.fetch(what), env) })
