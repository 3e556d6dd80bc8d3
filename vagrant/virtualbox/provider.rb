
module HabLab
  module Virtualbox
    PROVIDERS["virtualbox"] = self

    # The card that forwarded ports come by, see Facts::forwarding in src/provider, and its network.
    CARD = "02:00:00:00:00:0f"
    CARD_NETWORK = "192.0.2.0/24"

    # Where VirtualBox has the card on the nodes' network; those of hab.yaml follow.
    FIRST_CARD = 2

    def self.why_not
      Version.why_not
    end

    # The names of all machines that VirtualBox has.
    def self.existing(machine)
      machine.provider.driver.read_vms.keys
    end

    # Of these, the ones that run.
    def self.running(machine)
      Manage.new(machine).call("list", "runningvms").scan(/^"(.+?)" \{/).flatten
    end

    # The lab's cluster has become Ready.
    def self.ready(machine, lab)
      ConfigDrive.eject(machine, lab)
    end

    def self.define(machine, node)
      machine.vm.provider "virtualbox" do |virtualbox, override|
        virtualbox.name = node[:domain]
        virtualbox.gui = node[:hardware][:gui]
        virtualbox.default_nic_type = "virtio"
        # A node has none of VirtualBox' own programs.
        virtualbox.check_guest_additions = false
        virtualbox.functional_vboxsf = false
        # The network that every machine is in, and those that hab.yaml says.
        [{ mac: node[:mac], address: node[:address], network: node.lab[:network] }, *node[:cards]].each_with_index do |card, index|
          connect(override, card, FIRST_CARD + index)
        end
        node[:hardware][:forwarded_ports].each { |port| forward(override, node, port) }
      end
    end

    # A card on a network of host and nodes, with no way out. Ignition gives the node its address.
    def self.connect(override, card, adapter)
      network = card[:network]
      override.vm.network "private_network",
                          ip: card[:address], netmask: network[:netmask], adapter_ip: network[:host], adapter: adapter,
                          mac: card[:mac].delete(":"), nic_type: "virtio", auto_config: false
    end

    # The node answers from its own address, whatever card it is asked by.
    def self.forward(override, node, port)
      override.vm.network "forwarded_port",
                          guest: port[:guest], guest_ip: node[:address], host: port[:host], host_ip: port[:host_ip],
                          protocol: port[:protocol], auto_correct: false,
                          id: "hab-#{port[:protocol]}-#{port[:host_ip]}-#{port[:host]}"
    end
    private_class_method :connect, :forward

    # Before a machine is made.
    class Prepare < Step
      def run(env, node)
        warning = Version.kvm
        env[:ui].warn(warning) if warning
        Console.forget(node)
        Origin.note(env[:machine], node)
        # What Vagrant destroys from here on was not the user's word, though Vagrant tells it so.
        env[:hab_making] = true
        @app.call(env)
      end
    end

    class Plugin < Vagrant.plugin("2")
      name "hab_virtualbox"

      # No action named: these attach wherever Vagrant takes the step that they belong to.
      action_hook(:hab_virtualbox) do |hook|
        actions = VagrantPlugins::ProviderVirtualBox::Action
        hook.before(actions::Import, Prepare)
        hook.before(actions::Boot, Hardware)
        hook.before(actions::Boot, AttachDisks)
        hook.before(actions::Boot, ConfigDrive)
        hook.before(actions::Boot, Console)
        hook.before(Vagrant::Action::Builtin::GracefulHalt, PowerButton)
        hook.before(actions::Destroy, DetachDisks)
        hook.after(actions::Destroy, ForgetDisks)
        # What a machine left that could not be made again.
        hook.before(actions::MessageNotCreated, ForgetDisks)
      end
    end
  end
end
