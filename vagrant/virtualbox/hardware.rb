
module HabLab
  module Virtualbox
    # Before a machine starts: it has what hab.yaml says now, and nothing that a node does not need: each device costs time
    # to probe.
    class Hardware < Step
      # One processor of the host, for each of the machine's.
      WHOLE = 100
      # In MiB; enough for a screen of text.
      VIDEO = 16

      def run(env, node)
        machine = env[:machine]
        Origin.note_size(machine, node)
        manage = Manage.new(machine)
        # In calls of their own: VBoxManage does nothing of a call with something in it that it does not know.
        settings(node).each { |words| manage.call("modifyvm", :id, *words) }
        no_dhcp(env, node)
        @app.call(env)
      end

      private

      def settings(node)
        hardware = node[:hardware]
        screen = hardware[:gui] ? ["--graphicscontroller", "vmsvga", "--vram", VIDEO] : ["--graphicscontroller", "none"]
        [
          ["--memory", node[:memory], "--cpus", node[:cpus]],
          ["--cpuexecutioncap", hardware[:cpu_execution_cap] || WHOLE],
          screen,
          ["--audio-enabled", "off"],
          ["--usb", "off"],
          ["--boot1", "disk", "--boot2", "none", "--boot3", "none", "--boot4", "none"],
          first_card(hardware[:forwarded_ports])
        ]
      end

      # Vagrant wants a card with a way out in the first slot while it configures a machine. Only ports come by it, so a
      # machine without any has no such card.
      def first_card(ports)
        return ["--nic1", "none"] if ports.empty?

        ["--nic1", "nat", "--nictype1", "virtio", "--macaddress1", CARD.delete(":"), "--natnet1", CARD_NETWORK]
      end

      # VirtualBox gives a host-only network a DHCP server of its own, whose addresses are those of nodes.
      def no_dhcp(env, node)
        driver = env[:machine].provider.driver
        hosts = [node.lab[:network], *node[:cards].map { |card| card[:network] }].map { |network| network[:host] }
        names = driver.read_host_only_interfaces.select { |interface| hosts.include?(interface[:ip]) }.map { |interface| interface[:name] }
        driver.read_dhcp_servers.select { |server| names.include?(server[:network]) }.each do |server|
          env[:ui].info("hab: removing the DHCP server of #{server[:network]}, which would give nodes' addresses to others")
          driver.remove_dhcp_server(server[:network_name])
        end
      end
    end

    # The CD-ROM by which a node gets its Ignition config. It is there until the cluster is Ready for the first time: then the
    # keys in it are only in the lab's folder and on the node.
    class ConfigDrive < Step
      PORT = 2
      # Where the file is in it, see src/provider/virtualbox/config_drive.rs.
      OFFSET = 21 * 2048

      def run(env, node)
        manage = Manage.new(env[:machine])
        manage.attach(PORT, "dvddrive", sound(node)) unless manage.media[PORT] == "emptydrive"
        @app.call(env)
      end

      # The cluster is Ready: no machine of the lab needs it any more.
      def self.eject(machine, lab)
        manage = Manage.new(machine)
        lab.nodes.each do |node|
          info = manage.try("showvminfo", node[:domain], "--machinereadable")
          drive = lab.path(node[:config_drive])
          next unless info&.include?("\"#{CONTROLLER}-#{PORT}-0\"=\"#{drive}\"")

          manage.try("storageattach", node[:domain], "--storagectl", CONTROLLER, "--port", PORT, "--device", 0,
                     "--type", "dvddrive", "--medium", "emptydrive", "--forceunmount")
          manage.try("closemedium", "dvd", drive)
        end
      end

      private

      # The drive, with the very config that hab wrote.
      def sound(node)
        path, config = node.lab.path(node[:config_drive]), node.config
        return path if File.binread(path, config.bytesize, OFFSET) == config

        raise Error, "#{node[:config_drive]} is not the one that hab wrote: run `hab build` again."
      rescue Errno::ENOENT
        raise Error, "#{node[:config_drive]} is missing: run `hab build` again."
      end
    end
  end
end
