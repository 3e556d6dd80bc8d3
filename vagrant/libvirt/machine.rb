
module HabLab
  module Libvirt
    # Before a machine is created: choose its accelerator and hand it its Ignition config.
    class Prepare < Step
      def run(env, node)
        machine = env[:machine]
        config = machine.provider_config
        ignition = IgnitionVolume.new(machine, node)
        kvm = Accelerator.kvm?(machine.provider.driver.connection.client, ignition.pool, node.lab, env[:ui])
        Hardware.accelerate(config, kvm)
        config.cpu_features = Hardware.features(kvm)
        path = ignition.create
        # The cdrom makes libvirt own, label and hand over the file; fw_cfg is where Ignition looks for it.
        # vagrant-libvirt puts both into XML as they are, and qemu wants commas in a value doubled.
        config.cdroms = [{ type: "raw", bus: "ide", dev: "hdc", path: Libvirt.xml(path) }]
        fw_cfg = "name=opt/com.coreos/config,file=#{path.gsub(',', ',,')}"
        config.qemu_args = [{ value: "-fw_cfg" }, { value: Libvirt.xml(fw_cfg) }]
        Console.forget(node)
        Origin.note(machine, node)
        @app.call(env)
      end

      # The machine could not be created: leave no keys behind.
      def recover(env)
        node = HabLab.node(env[:machine])
        IgnitionVolume.new(env[:machine], node).remove_leftovers if node
      end
    end

    # When there is no machine (any more, or not yet): nothing of it stays, above all not its Ignition config. What the
    # lab has saved stays as long as there is another machine.
    class Forget < Step
      def run(env, node)
        IgnitionVolume.new(env[:machine], node).remove_leftovers
        @app.call(env)
      end
    end

    # Before a machine starts: it gets the memory and processors that the lab says now, and the CPU has to go with the
    # accelerator it was once created for.
    class Hardware < Step
      def run(env, node)
        machine = env[:machine]
        Origin.note_size(machine, node)
        xml = machine.provider.driver.connection.client.lookup_domain_by_uuid(machine.id).xml_desc
        self.class.accelerate(machine.provider_config, xml.match?(/\A<domain type='kvm'/))
        @app.call(env)
      end

      def self.accelerate(config, kvm)
        config.driver = kvm ? "kvm" : "qemu"
        # "maximum" is every instruction that the emulation knows; Go and OpenSSL like them.
        config.cpu_mode = kvm ? "host-passthrough" : "maximum"
      end

      # Not erms: told that `rep movsb` is fast, Linux clears and copies memory with it, and qemu emulates that byte by
      # byte. Set when the machine is created, for vagrant-libvirt's check of a Vagrantfile wants a named model with it.
      def self.features(kvm)
        kvm ? [] : [{ name: "erms", policy: "disable" }]
      end
    end

    # Presses a domain's power button for at most so many seconds. Returns whether it is off.
    def self.power_off(domain, seconds)
      Button.press(seconds, -> { domain.active? }) do
        domain.shutdown
      rescue ::Libvirt::Error
        # One that is about to go off can't be pressed any more, and is active for some time yet.
      end
    end

    # Before vagrant-libvirt presses the power button of a machine that runs, once, and ends with an exception when the machine
    # does not hear it. A guest that does not listen is switched off.
    class PowerButton < Step
      def run(env, node)
        machine = env[:machine]
        return @app.call(env) unless machine.state.id == :running

        env[:ui].info("hab: pressing the power button")
        domain = machine.provider.driver.connection.client.lookup_domain_by_uuid(machine.id)
        return @app.call(env) if Libvirt.power_off(domain, machine.config.vm.graceful_halt_timeout)

        env[:ui].warn("hab: #{node[:name]} does not shut down: switching it off")
        env[:result] = false
      end
    end
  end
end
