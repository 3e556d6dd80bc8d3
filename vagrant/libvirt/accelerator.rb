
module HabLab
  module Libvirt
    # Does this libvirt really run guests by kvm? /dev/kvm being there, or libvirt listing kvm among its capabilities,
    # says nothing on machines that are virtual themselves, and there are some whose kvm runs a BIOS but no 64-bit code.
    # So a guest is started whose firmware, written by hab, goes there. Tried once per libvirt and run of Vagrant.
    class Accelerator
      LOCK = Mutex.new
      # A guest that does it needs a tenth of a second. One that hangs is given as long as `hab build` gives it.
      TRIAL_SECONDS = 3
      LOOK_SECONDS = 0.05
      # What the firmware writes once it runs 64-bit code, and where.
      RESULT = [0x10].pack("Q<")
      RESULT_ADDRESS = 0x4000
      @kvm = {}

      def self.kvm?(client, pool, lab, ui)
        LOCK.synchronize do
          return @kvm[client.uri] if @kvm.key?(client.uri)

          why_not = trial(client, pool, firmware(lab), "kvm", "host-passthrough")
          ui.info("hab: #{why_not ? "no kvm here, emulating (#{why_not})" : 'kvm runs a guest here: using it'}")
          @kvm[client.uri] = why_not.nil?
        end
      end

      def self.firmware(lab)
        File.binread(lab.path("out/trial.rom"))
      rescue Errno::ENOENT
        raise Error, "out/trial.rom is missing: run `hab build` again."
      end

      # Returns nil if the guest ran, else why it did not.
      def self.trial(client, pool, firmware, type, cpu)
        name = "hab-trial-#{SecureRandom.hex(8)}"
        volume = Libvirt.upload(client, pool, name, "0644", StringIO.new(firmware))
        guest = client.create_domain_xml(<<~XML, ::Libvirt::Domain::START_AUTODESTROY)
          <domain type='#{type}'>
            <name>#{name}</name>
            <memory unit='MiB'>16</memory>
            <vcpu>1</vcpu>
            <os>
              <type arch='x86_64'>hvm</type>
              <loader readonly='yes' type='rom'>#{Libvirt.xml(volume.path)}</loader>
            </os>
            <cpu mode='#{cpu}'/>
            <on_reboot>destroy</on_reboot>
            <devices><controller type='usb' model='none'/><memballoon model='none'/></devices>
          </domain>
        XML
        watch(guest)
      rescue ::Libvirt::Error => e
        e.libvirt_message.to_s.lines.last.to_s.strip
      ensure
        quietly { guest&.destroy }
        quietly { volume&.delete }
      end

      # As trial. A libvirt that may not look: the guest runs to the end of the time, and no more can be said.
      def self.watch(guest)
        looked = false
        (TRIAL_SECONDS / LOOK_SECONDS).round.times do
          return "the trial guest stopped" if guest.state.first != ::Libvirt::Domain::RUNNING

          result = quietly { guest.memory_peek(RESULT_ADDRESS, RESULT.bytesize, ::Libvirt::Domain::MEMORY_PHYSICAL) }
          return nil if result == RESULT

          looked ||= !result.nil?
          sleep LOOK_SECONDS
        end
        "the trial guest does not get to 64-bit code" if looked
      end

      def self.quietly
        yield
      rescue ::Libvirt::Error
        nil
      end
      private_class_method :firmware, :watch, :quietly
    end
  end
end
