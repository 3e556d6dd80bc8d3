
module HabLab
  module Virtualbox
    # The disks of a machine that outlive it: its data disk, and those of `disks` in hab.yaml. Each is a file in the lab's
    # folder, private/disks/NODE/NAME.vdi, because VirtualBox removes all that is in a machine's own folder with the machine.
    # It is made when a machine has none, and goes with `vagrant destroy`, unless that is told to keep it: `hab roll` makes
    # machines anew, and the new one goes on with the data of the old one.
    class KeptDisks
      # By which a node finds its data disk, see Facts::data_disk in src/provider.
      SERIAL = "hab-data"
      # In MiB.
      GIB = 1024
      # The controller's ports: base and payload are in 0 and 1, the config drive is in 2.
      FIRST = 3

      def initialize(machine, node)
        @manage = Manage.new(machine)
        @node = node
        @folder = node.lab.path("private/disks/#{node[:name]}")
      end

      # The machine, which is off, has these disks, each of at least the size that the lab says.
      def attach
        if ENV["HAB_DATA_FROM"]
          raise Error, "data of a backup can not be brought into VirtualBox: `hab restore` needs libvirt."
        end

        detach(FIRST + wanted.size)
        # The fewer the ports, the fewer the node's kernel looks at.
        @manage.call("storagectl", :id, "--name", CONTROLLER, "--portcount", FIRST + wanted.size)
        there = @manage.media
        wanted.each_with_index do |(serial, size), index|
          port, path = FIRST + index, file(serial)
          make(path, size * GIB)
          @manage.attach(port, "hdd", path) unless there[port] == path
          @manage.call("setextradata", :id, "VBoxInternal/Devices/ahci/0/Config/Port#{port}/SerialNumber", serial)
        end
      end

      # The machine, which is off, has none from this port on.
      def detach(first = FIRST)
        @manage.media.each do |port, path|
          next if port < first

          @manage.attach(port, "hdd", "none")
          # VirtualBox forgets the file, which stays.
          @manage.try("closemedium", "disk", path)
        end
      end

      # Nothing is left of them, also of those that hab.yaml does not name any more.
      def remove
        Dir.glob("*.vdi", base: @folder).each do |name|
          path = File.join(@folder, name)
          @manage.try("closemedium", "disk", path)
        end
        FileUtils.rm_rf(@folder)
      end

      private

      # By serial number: the size in GiB.
      def wanted
        { SERIAL => @node[:disk] }.merge(@node[:hardware][:disks].transform_keys(&:to_s))
      end

      def file(serial)
        File.join(@folder, "#{serial}.vdi")
      end

      def make(path, size)
        FileUtils.mkdir_p(@folder, mode: 0o700)
        unless File.file?(path)
          @manage.call("createmedium", "disk", "--filename", path, "--size", size, "--format", "VDI")
          return File.chmod(0o600, path)
        end
        there = @manage.call("showmediuminfo", "disk", path)[/^Capacity:\s+(\d+) MBytes/, 1].to_i
        @manage.call("modifymedium", "disk", path, "--resize", size) if there < size
      end
    end

    # Before a machine is destroyed, which is off: VirtualBox would remove all of its disks.
    class DetachDisks < Step
      def run(env, node)
        KeptDisks.new(env[:machine], node).detach
        Kept.announce_end(env, node) unless Kept.wanted?(env)
        @app.call(env)
      end
    end
  end
end
