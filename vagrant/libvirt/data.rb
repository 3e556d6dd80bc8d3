
module HabLab
  module Libvirt
    # A machine's data disk: a volume of libvirt's storage pool that outlives the machine. It is made when a machine has
    # none, and goes with `vagrant destroy`, unless that is told to keep it: `hab roll` makes machines anew, and the new
    # one goes on with the data of the old one.
    class DataDisk
      # By which a node finds it, see Facts::data_disk in src/provider.
      SERIAL = "hab-data"
      GIB = 1 << 30

      def initialize(machine, node)
        @machine = machine
        @node = node
        @client = machine.provider.driver.connection.client
      end

      # Whether a machine that is destroyed leaves its data behind: if the user says so, and also when it is not the user
      # who destroys it, but Vagrant, because it did not start.
      def self.keep?(env)
        ENV["HAB_DATA"] == "keep" || env[:action_name] != :machine_action_destroy
      end

      # The machine, which is off, has its disk, of at least the size that the lab says.
      def attach
        volume = existing || create
        missing = @node[:disk] * GIB - volume.info.capacity
        volume.resize(@node[:disk] * GIB) if missing.positive?
        Libvirt.redefine(@machine) do |xml|
          next if disk(xml)

          devices = xml.root.elements["devices"]
          disk = devices.add_element("disk", "type" => "file", "device" => "disk")
          disk.add_element("driver", "name" => "qemu", "type" => "qcow2", "discard" => "unmap")
          disk.add_element("source", "file" => volume.path)
          disk.add_element("target", "dev" => "vdc", "bus" => "virtio")
          disk.add_element("serial").text = SERIAL
          true
        end
      end

      # The machine, which is off, has it no more.
      def detach
        Libvirt.redefine(@machine) { |xml| disk(xml)&.remove }
      end

      def remove
        existing&.delete
      end

      private

      def name
        "#{@node[:domain]}.data"
      end

      def pool
        @client.lookup_storage_pool_by_name(@machine.provider_config.storage_pool_name)
      end

      def existing
        pool.lookup_volume_by_name(name)
      rescue ::Libvirt::RetrieveError
        nil
      end

      # Empty, or with what `hab restore` has for it.
      def create
        volume = create_empty
        from = ENV["HAB_DATA_FROM"] && File.join(ENV["HAB_DATA_FROM"], name)
        return volume unless from && File.file?(from)

        File.open(from, "rb") { |file| Libvirt.fill(@client, volume, file) }
      end

      def create_empty
        pool.create_volume_xml(<<~XML)
          <volume>
            <name>#{name}</name>
            <capacity unit='bytes'>#{@node[:disk] * GIB}</capacity>
            <target>
              <format type='qcow2'/>
              <permissions><mode>0600</mode><owner>0</owner><group>0</group></permissions>
            </target>
          </volume>
        XML
      end

      def disk(xml)
        serial = REXML::XPath.first(xml, "/domain/devices/disk/serial[text()='#{SERIAL}']")
        serial&.parent
      end
    end

    # Before a machine starts.
    class AttachData < Step
      def run(env, node)
        DataDisk.new(env[:machine], node).attach
        @app.call(env)
      end
    end

    # Before a machine is destroyed: vagrant-libvirt removes all of its disks.
    class DetachData < Step
      # Seconds: an emulated machine with many pods takes a minute and a half.
      LISTENS = 180

      def run(env, node)
        machine = env[:machine]
        if DataDisk.keep?(env)
          domain = machine.provider.driver.connection.client.lookup_domain_by_uuid(machine.id)
          ENV["HAB_DATA"] == "keep" ? stop(domain) : domain.active? && domain.destroy
          DataDisk.new(machine, node).detach
        else
          env[:ui].info("hab: the data of #{node[:name]} go with it (HAB_DATA=keep keeps them)")
        end
        @app.call(env)
      end

      private

      # By the power button, so that what is on its way to the data disk gets there; who does not listen is switched off.
      def stop(domain)
        return unless domain.active?

        domain.shutdown
        LISTENS.times do
          return unless domain.active?

          sleep 1
        end
        domain.destroy
      end
    end

    # After the user destroyed a machine, or when there was none: nothing stays of its data, either.
    class ForgetData < Step
      def run(env, node)
        DataDisk.new(env[:machine], node).remove unless DataDisk.keep?(env)
        @app.call(env)
      end
    end
  end
end
