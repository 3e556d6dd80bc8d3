
module HabLab
  module Virtualbox
    # What would go wrong later, in Vagrant's or VirtualBox' own words, said before.
    module Version
      # With this one the names of VBoxManage's options changed.
      OLDEST = Gem::Version.new("7.0")

      # Why VirtualBox can't be used here, or nil.
      def self.why_not
        return @why_not if defined?(@why_not)

        @why_not = find
      end

      def self.find
        cpu = RbConfig::CONFIG["host_cpu"]
        if cpu.match?(/arm|aarch64/)
          return "hab's boxes are for amd64 processors, and VirtualBox on this one (#{cpu}) runs none of them."
        end

        program = program() or return "there is no VBoxManage: VirtualBox #{OLDEST} or newer is needed."
        version = read(program) or return nil # Vagrant says what is wrong with it
        return "VirtualBox #{version} is too old: #{OLDEST} or newer is needed." if Gem::Version.new(version) < OLDEST

        known = known_to_vagrant
        return if known.nil? || known.include?(version)

        "this Vagrant (#{Vagrant::VERSION}) does not know VirtualBox #{version}, only up to #{known.last}: Vagrant 2.4.2 knows " \
          "7.1, and 2.4.9 knows 7.2."
      end

      def self.program
        %w[VBoxManage vboxmanage].filter_map { |name| Vagrant::Util::Which.which(name) }.first
      end

      # Such as 7.0. Debian's wrapper may say something else before it.
      def self.read(program)
        Vagrant::Util::Subprocess.execute(program, "--version").stdout[/^(\d+\.\d+)\.\d+/, 1]
      end

      # The versions in Vagrant's own table, oldest first; nil if it can't be read.
      def self.known_to_vagrant
        table = File.read(Vagrant.source_root.join("plugins/providers/virtualbox/driver/meta.rb"))
        known = table.scan(/"(\d+\.\d+)"\s*=>\s*Version_/).flatten
        known.sort_by { |version| Gem::Version.new(version) } unless known.empty?
      rescue SystemCallError
        nil
      end

      # A line for whoever runs kvm's machines, too. From Linux 6.12 on, kvm takes the processor's virtualization when it is
      # loaded, and VirtualBox has it no more (VirtualBox/virtualbox#81).
      def self.kvm
        held = File.read("/sys/module/kvm/parameters/enable_virt_at_load").match?(/[Y1]/)
        module_name = %w[kvm_intel kvm_amd].find { |name| File.directory?("/sys/module/#{name}") }
        return unless held && module_name

        "hab: kvm holds this processor's virtualization: if no machine starts (VERR_VMX_IN_VMX_ROOT_MODE, VERR_SVM_IN_USE), " \
          "`sudo modprobe -r #{module_name}`"
      rescue SystemCallError
        nil
      end

      private_class_method :find, :program, :read, :known_to_vagrant
    end
  end
end
