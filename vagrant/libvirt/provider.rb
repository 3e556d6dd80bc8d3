
module HabLab
  module Libvirt
    PROVIDERS["libvirt"] = self

    def self.why_not
      return if Vagrant.has_plugin?("vagrant-libvirt")

      "Vagrant's plugin for libvirt is missing: on Debian, `apt install vagrant-libvirt`."
    end

    # The lab's cluster has become Ready: nothing is to be done.
    def self.ready(_machine, _lab); end

    # The names of all domains, on the libvirt that has this machine.
    def self.existing(machine)
      machine.provider.driver.connection.client.list_all_domains.map(&:name)
    end

    # Of these, the ones that run.
    def self.running(machine)
      machine.provider.driver.connection.client.list_all_domains.select(&:active?).map(&:name)
    end

    def self.define(machine, node)
      machine.vm.provider "libvirt" do |libvirt, override|
        # The network that every machine is in, and those that hab.yaml says.
        connect(override, node, node.lab[:network])
        node[:cards].each { |card| connect(override, card, card[:network]) }
        # Vagrant adds the node's name.
        libvirt.default_prefix = node[:domain].delete_suffix(node[:name])
        # Vagrant's own has the folder's name in it, and puts it into XML as it is.
        libvirt.description = Libvirt.xml("Source: #{node.lab.folder}")
        libvirt.memory = node[:memory]
        libvirt.cpus = node[:cpus]
        # No management network: vagrant-libvirt would wait for a DHCP lease on it. Told to ask the guest agent
        # for an address instead, it takes "there is none" for an answer at once.
        libvirt.mgmt_attach = false
        libvirt.qemu_use_agent = true
        # Nothing a node does not need: each device costs time to probe.
        libvirt.graphics_type = node[:hardware][:gui] ? "vnc" : "none"
        # By VNC alone: a browser's page may open a web socket of this host.
        libvirt.graphics_websocket = nil
        libvirt.memballoon_enabled = false
        libvirt.usb_controller model: "none"
        libvirt.random model: "random"
        Hardware.accelerate(libvirt, false)
      end
    end

    # A card on a network of host and nodes, without DHCP: Ignition gives the node its address. There is no way out, unless
    # hab.yaml says so: then libvirt lends the nodes the host's address, and its resolver answers for the host's.
    def self.connect(override, card, network)
      override.vm.network "private_network",
                          ip: card[:address], mac: card[:mac], auto_config: false,
                          libvirt__network_name: network[:name], libvirt__netmask: network[:netmask],
                          libvirt__host_ip: network[:host],
                          libvirt__dhcp_enabled: false, libvirt__forward_mode: network[:internet] ? "nat" : "none"
    end
    private_class_method :connect

    class Plugin < Vagrant.plugin("2")
      name "hab_libvirt"

      # No action named: these attach wherever vagrant-libvirt takes the step that they belong to.
      action_hook(:hab_libvirt) do |hook|
        next unless Vagrant.has_plugin?("vagrant-libvirt")

        actions = VagrantPlugins::ProviderLibvirt::Action
        hook.before(actions::CreateNetworks, SameWayOut)
        hook.before(actions::CreateDomainVolume, Forget)
        hook.before(actions::CreateDomain, Prepare)
        hook.before(actions::StartDomain, Hardware)
        hook.before(actions::StartDomain, Generation)
        hook.before(actions::StartDomain, AttachDisks)
        hook.before(actions::StartDomain, AttachImages)
        hook.before(actions::StartDomain, Devices)
        hook.before(actions::StartDomain, Console)
        hook.before(actions::StartDomain, ShellPort)
        hook.before(actions::ShutdownDomain, PowerButton)
        hook.before(actions::DestroyDomain, DetachDisks)
        hook.before(actions::DestroyDomain, DetachImages)
        hook.after(actions::DestroyDomain, ForgetDisks)
        hook.after(actions::RemoveStaleVolume, ForgetDisks)
        hook.after(actions::DestroyDomain, ForgetImages)
        hook.after(actions::RemoveStaleVolume, ForgetImages)
        hook.after(actions::DestroyDomain, Forget)
        hook.after(actions::RemoveStaleVolume, Forget)
      end
    end
  end
end
