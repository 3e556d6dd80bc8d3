
module HabLab
  module Libvirt
    # Before a machine starts: it has what hab.yaml says of forwarded ports, shared folders and its share of the host's
    # processors, for which vagrant-libvirt's own template has no word, or only one that needs SSH.
    class Devices < Step
      # The card that forwarded ports come by, see Facts::forwarding in src/provider, and its network.
      MAC = "02:00:00:00:00:0f"
      NETWORK = "192.0.2.0/24"
      ID = "hab-ports"
      # The last slot of the bus: libvirt, which knows nothing of this card, gives others out from the first one on, and qemu
      # would take one of these.
      SLOT = "0x1f"
      # How the tags begin by which a node finds its folders.
      TAG = "hab-"
      # Microseconds, libvirt's own default.
      PERIOD = 100_000

      def run(env, node)
        @node = node
        hardware = node[:hardware]
        folders = check(hardware[:shared_folders])
        Libvirt.redefine(env[:machine]) do |xml|
          # All of them are asked: each changes what it has to.
          [ports(xml, hardware[:forwarded_ports]), cap(xml, hardware[:cpu_execution_cap])].any?
        end
        share_all(env[:machine], folders)
        @app.call(env)
      end

      private

      def share_all(machine, folders)
        Libvirt.redefine(machine) { |xml| share(xml, folders) }
      rescue ::Libvirt::DefinitionError => e
        raise if folders.empty?

        raise Error, "this libvirt can not share a folder read-only, which #{@node[:name]} is to have: Debian 13's can, with " \
                     "the package virtiofsd (#{e.libvirt_message})"
      end

      # qemu's own network, in which nothing leads out (restrict=on), has the ports. The node answers from its own address,
      # whatever card it is asked by.
      def ports(xml, ports)
        wanted = []
        unless ports.empty?
          forwards = ports.map { |port| ",hostfwd=#{port[:protocol]}:#{port[:host_ip]}:#{port[:host]}-#{@node[:address]}:#{port[:guest]}" }
          wanted = ["-netdev", "user,id=#{ID},restrict=on,net=#{NETWORK}#{forwards.join}",
                    "-device", "virtio-net-pci,netdev=#{ID},mac=#{MAC},bus=pci.0,addr=#{SLOT}"]
        end
        # Every machine has such a line: it gets its Ignition config by it.
        line = xml.root.elements["qemu:commandline"]
        there = line.get_elements("qemu:arg").each_cons(2).select { |_, arg| arg.attributes["value"].match?(/\b(id|netdev)=#{ID},/) }.flatten
        return false if there.map { |arg| arg.attributes["value"] } == wanted

        there.each(&:remove)
        wanted.each { |value| line.add_element("qemu:arg", "value" => value) }
        true
      end

      # The folders of the host, as absolute paths, in the order of their tags. None of them is where the lab's keys are.
      def check(folders)
        folders.map do |folder|
          path = File.expand_path(folder[:host], @node.lab.folder)
          unless File.directory?(path)
            raise Error, "#{path}, a shared folder of #{@node[:name]}, is not there, or is no folder."
          end

          path = File.realpath(path)
          next path if %w[private out].none? { |name| overlap?(path, File.realpath(@node.lab.folder) + "/#{name}") }

          raise Error, "#{path}, a shared folder of #{@node[:name]}, would show it the lab's keys."
        end
      end

      def overlap?(one, other)
        "#{one}/".start_with?("#{other}/") || "#{other}/".start_with?("#{one.chomp('/')}/")
      end

      def share(xml, paths)
        devices = xml.root.elements["devices"]
        there = devices.get_elements("filesystem").select { |device| device.elements["target"].attributes["dir"].start_with?(TAG) }
        return false if there.map { |device| device.elements["source"].attributes["dir"] } == paths

        there.each(&:remove)
        memory(xml, paths.any?)
        paths.each_with_index do |path, index|
          device = devices.add_element("filesystem", "type" => "mount", "accessmode" => "passthrough")
          device.add_element("driver", "type" => "virtiofs")
          device.add_element("source", "dir" => path)
          device.add_element("target", "dir" => "#{TAG}#{index}")
          device.add_element("readonly")
        end
        true
      end

      # virtiofsd, another process, reaches the machine's memory.
      def memory(xml, shared)
        xml.root.delete_element("memoryBacking")
        return unless shared

        backing = xml.root.add_element("memoryBacking")
        backing.add_element("source", "type" => "memfd")
        backing.add_element("access", "mode" => "shared")
      end

      # Each virtual processor is one thread of the host's.
      def cap(xml, percent)
        wanted = percent && (PERIOD * percent / 100).to_s
        tune = xml.root.elements["cputune"]
        return false if tune&.elements&.[]("quota")&.text == wanted

        xml.root.delete_element("cputune")
        if wanted
          tune = xml.root.add_element("cputune")
          tune.add_element("period").text = PERIOD.to_s
          tune.add_element("quota").text = wanted
        end
        true
      end
    end
  end
end
