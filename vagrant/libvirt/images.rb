
module HabLab
  module Libvirt
    # The disk with the lab's container images: one volume of libvirt's storage pool, which all masters and workers of the
    # lab read. Its name has the disk's digest in it, so another disk is another volume. It goes when no machine has it.
    class ImagesDisk
      # Another volume, made when all bytes are there: `vagrant up` may be killed while it uploads them.
      WHOLE = ".whole"

      def initialize(machine, node)
        @machine = machine
        @node = node
        @client = machine.provider.driver.connection.client
        @prefix = "#{node[:domain].delete_suffix("-#{node[:name]}")}.images-"
      end

      # The machine, which is off, has the disk that the lab has now, and no other.
      def attach
        images = @node[:images]
        held(images && images[:file]) do
          path = images && volume(images).path
          Libvirt.redefine(@machine) { |xml| only(xml, path) }
          tidy(images && images[:volume])
        end
      end

      # The machine, which is off, has none.
      def detach
        Libvirt.redefine(@machine) { |xml| only(xml, nil) }
      end

      # The volumes that no machine has any more. What was saved of a lab has the one that it had then.
      def tidy(keep = nil)
        saves = @node.lab.path("private/saves")
        return if Dir.exist?(saves) && !Dir.empty?(saves)

        ours = pool.list_volumes.select { |name| name.start_with?(@prefix) }
        return if ours.empty?

        used = @client.list_all_domains.map(&:xml_desc).join
        gone = ours.reject { |name| name.delete_suffix(WHOLE) == keep || used.include?(name.delete_suffix(WHOLE)) }
        # What says that the other is whole goes first.
        gone.sort_by { |name| name.end_with?(WHOLE) ? 0 : 1 }.each { |name| pool.lookup_volume_by_name(name).delete }
      rescue ::Libvirt::RetrieveError
        nil # there is not even the pool, or another run was quicker
      end

      private

      # One machine after the other: Vagrant brings up several at once, and the first uploads for all.
      def held(name)
        path = name && @node.lab.path(name)
        return yield unless path

        File.open(path) do |file|
          file.flock(File::LOCK_EX)
          yield
        end
      rescue Errno::ENOENT
        raise Error, "#{name} is missing: run `hab build` again."
      end

      def only(xml, path)
        there = xml.root.get_elements("devices/disk").select do |disk|
          File.basename(disk.elements["source"]&.attributes&.[]("file").to_s).start_with?(@prefix)
        end
        return false if there.map { |disk| disk.elements["source"].attributes["file"] } == [path].compact

        there.each(&:remove)
        add(xml.root.elements["devices"], path) if path
        true
      end

      def add(devices, path)
        taken = devices.get_elements("disk/target").map { |target| target.attributes["dev"] }
        disk = devices.add_element("disk", "type" => "file", "device" => "disk")
        disk.add_element("driver", "name" => "qemu", "type" => "qcow2")
        disk.add_element("source", "file" => path)
        # vda and vdb are the box's, and the next ones those that the machine writes to.
        free = ("vdc".."vdz").to_a.reverse.find { |target| !taken.include?(target) }
        disk.add_element("target", "dev" => free, "bus" => "virtio")
        disk.add_element("readonly")
      end

      def pool
        Libvirt.pool(@machine)
      end

      def volume(images)
        raise Error, "the disk of container images is not built: run `hab build` first." unless images[:file]

        name = images[:volume]
        there = pool.list_volumes
        return pool.lookup_volume_by_name(name) if there.include?(name) && there.include?(name + WHOLE)

        pool.lookup_volume_by_name(name).delete if there.include?(name)
        upload(name, @node.lab.path(images[:file]))
      end

      def upload(name, path)
        @machine.ui.info("hab: uploading the disk of container images (#{File.size(path) >> 20} MiB), once for all machines")
        volume = File.open(path, "rb") { |file| Libvirt.upload(@client, pool, name, "0644", file) }
        Libvirt.upload(@client, pool, name + WHOLE, "0644", StringIO.new("whole\n"))
        volume
      end
    end

    # Before a machine starts.
    class AttachImages < Step
      def run(env, node)
        ImagesDisk.new(env[:machine], node).attach
        @app.call(env)
      end
    end

    # Before a machine is destroyed: vagrant-libvirt removes all of its disks, and this one is others' too.
    class DetachImages < Step
      def run(env, node)
        if node[:images]
          domain = env[:machine].provider.driver.connection.client.lookup_domain_by_uuid(env[:machine].id)
          domain.destroy if domain.active?
          ImagesDisk.new(env[:machine], node).detach
        end
        @app.call(env)
      end
    end

    # After a machine was destroyed.
    class ForgetImages < Step
      def run(env, node)
        ImagesDisk.new(env[:machine], node).tidy if node[:images]
        @app.call(env)
      end
    end
  end
end
