
module HabLab
  module Libvirt
    # The disks of a machine that outlive it: its data disk, and those of `disks` in hab.yaml. Each is a volume of libvirt's
    # storage pool. It is made when a machine has none, and goes with `vagrant destroy`, unless that is told to keep it:
    # `hab roll` makes machines anew, and the new one goes on with the data of the old one.
    class KeptDisks
      # By which a node finds its data disk, see Facts::data_disk in src/provider.
      SERIAL = "hab-data"
      GIB = 1 << 30

      def initialize(machine, node)
        @machine = machine
        @node = node
        @client = machine.provider.driver.connection.client
        @data = "#{node[:domain]}.data"
        @further = "#{node[:domain]}.disk-"
      end

      # The machine, which is off, has these disks, each of at least the size that the lab says.
      def attach
        paths = wanted.to_h { |serial, (name, size)| [serial, volume(name, size * GIB).path] }
        Libvirt.redefine(@machine) do |xml|
          gone = ours(xml).reject { |disk| paths.key?(disk.elements["serial"].text) }
          gone.each(&:remove)
          there = ours(xml).map { |disk| disk.elements["serial"].text }
          new = paths.reject { |serial, _| there.include?(serial) }
          new.each { |serial, path| add(xml, serial, path) }
          gone.any? || new.any?
        end
      end

      # The machine, which is off, has them no more.
      def detach
        Libvirt.redefine(@machine) { |xml| ours(xml).each(&:remove).any? }
      end

      # Nothing is left of them, also of those that hab.yaml does not name any more.
      def remove
        pool.list_volumes.select { |name| ours?(name) }.each { |name| pool.lookup_volume_by_name(name).delete }
      rescue ::Libvirt::RetrieveError
        nil # there is not even the pool
      end

      private

      # By serial number: the volume's name and its size in GiB.
      def wanted
        extra = @node[:hardware][:disks].to_h { |name, size| [name.to_s, [@further + name.to_s, size]] }
        { SERIAL => [@data, @node[:disk]] }.merge(extra)
      end

      def ours?(volume)
        volume == @data || volume.start_with?(@further)
      end

      def ours(xml)
        REXML::XPath.match(xml, "/domain/devices/disk[serial]").select do |disk|
          ours?(File.basename(disk.elements["source"]&.attributes&.[]("file").to_s))
        end
      end

      def add(xml, serial, path)
        devices = xml.root.elements["devices"]
        taken = devices.get_elements("disk/target").map { |target| target.attributes["dev"] }
        disk = devices.add_element("disk", "type" => "file", "device" => "disk")
        disk.add_element("driver", "name" => "qemu", "type" => "qcow2", "discard" => "unmap")
        disk.add_element("source", "file" => path)
        # vda and vdb are the box's.
        free = ("vdc".."vdz").find { |target| !taken.include?(target) }
        disk.add_element("target", "dev" => free, "bus" => "virtio")
        disk.add_element("serial").text = serial
      end

      def pool
        Libvirt.pool(@machine)
      end

      def volume(name, bytes)
        volume = existing(name) || create(name, bytes)
        volume.resize(bytes) if bytes > volume.info.capacity
        volume
      end

      def existing(name)
        pool.lookup_volume_by_name(name)
      rescue ::Libvirt::RetrieveError
        nil
      end

      # Empty, or with what `hab restore` has for it.
      def create(name, bytes)
        volume = create_empty(name, bytes)
        from = ENV["HAB_DATA_FROM"] && File.join(ENV["HAB_DATA_FROM"], name)
        return volume unless from && File.file?(from)

        File.open(from, "rb") { |file| Libvirt.fill(@client, volume, file) }
      end

      def create_empty(name, bytes)
        pool.create_volume_xml(<<~XML)
          <volume>
            <name>#{name}</name>
            <capacity unit='bytes'>#{bytes}</capacity>
            <target>
              <format type='qcow2'/>
              <permissions><mode>0600</mode><owner>0</owner><group>0</group></permissions>
            </target>
          </volume>
        XML
      end
    end

    # Before a machine is destroyed: vagrant-libvirt removes all of its disks.
    class DetachDisks < Step
      # Seconds: an emulated machine with many pods takes a minute and a half.
      LISTENS = 180

      def run(env, node)
        machine = env[:machine]
        if Kept.wanted?(env)
          domain = machine.provider.driver.connection.client.lookup_domain_by_uuid(machine.id)
          ENV["HAB_DATA"] == "keep" ? stop(domain) : domain.active? && domain.destroy
          KeptDisks.new(machine, node).detach
        else
          Kept.announce_end(env, node)
        end
        @app.call(env)
      end

      private

      # By the power button, so that what is on its way to the data disk gets there; who does not listen is switched off.
      def stop(domain)
        Libvirt.power_off(domain, LISTENS) or domain.destroy
      end
    end
  end
end
