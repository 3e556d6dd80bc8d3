
# The provider libvirt, by vagrant-libvirt.
module HabLab
  module Libvirt
    ESCAPES = { "&" => "&amp;", "<" => "&lt;", ">" => "&gt;", "'" => "&apos;", '"' => "&quot;" }.freeze

    # Text as XML has it, in an element or an attribute.
    def self.xml(text)
      text.gsub(/[&<>'"]/, ESCAPES)
    end

    # The storage pool of a machine's disks.
    def self.pool(machine)
      machine.provider.driver.connection.client.lookup_storage_pool_by_name(machine.provider_config.storage_pool_name)
    end

    # A new volume of a storage pool, with what is in a file, or in what reads like one. libvirtd makes the volume's own
    # file, owned by root and of this mode from its first moment.
    def self.upload(client, pool, name, mode, file)
      volume = pool.create_volume_xml(<<~XML)
        <volume>
          <name>#{name}</name>
          <capacity unit='bytes'>#{file.size}</capacity>
          <target>
            <format type='raw'/>
            <permissions><mode>#{mode}</mode><owner>0</owner><group>0</group></permissions>
          </target>
        </volume>
      XML
      fill(client, volume, file)
    end

    # Writes a file, or what reads like one, into a volume that is new; without all of it there is no volume.
    def self.fill(client, volume, file)
      stream = client.stream
      volume.upload(stream, 0, file.size)
      while (bytes = file.read(65_536))
        sent = 0
        sent += stream.send(bytes.byteslice(sent, bytes.bytesize)) while sent < bytes.bytesize
      end
      stream.finish
      volume
    rescue ::Libvirt::Error, SystemCallError
      volume.delete
      raise
    end

    # A node's Ignition config, as a volume of libvirt's storage pool, of mode 0600. libvirt hands it to its own qemu
    # user while the machine runs: no other user can read it, and the user who runs vagrant needs no more than the
    # group libvirt.
    class IgnitionVolume
      # A cdrom's sector: a file of whole sectors is a sound block device too. Ignition skips blanks at the end.
      SECTOR = 2048

      def initialize(machine, node)
        @machine = machine
        @node = node
        @client = machine.provider.driver.connection.client
      end

      # Upload the config and return the path that libvirt gave it.
      def create
        bytes = padded_config
        remove
        Libvirt.upload(@client, pool, "#{@node[:domain]}.ign", "0600", StringIO.new(bytes)).path
      end

      def remove
        delete("#{@node[:domain]}.ign")
      end

      # Also what an `up` that was killed half-way may leave behind, and vagrant-libvirt knows only a part of.
      def remove_leftovers
        return if @client.list_all_domains.any? { |domain| domain.name == @node[:domain] }

        [".ign", ".img", "_1.img"].each { |ending| delete("#{@node[:domain]}#{ending}") }
      end

      def pool
        Libvirt.pool(@machine)
      end

      private

      def padded_config
        config = @node.config
        config + "\n" * (-config.bytesize % SECTOR)
      end

      def delete(name)
        pool.lookup_volume_by_name(name).delete
      rescue ::Libvirt::RetrieveError
        nil # there is no such volume, or not even the pool
      end
    end
  end
end
