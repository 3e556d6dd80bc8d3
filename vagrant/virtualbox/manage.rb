
# The provider VirtualBox, by Vagrant's own.
module HabLab
  module Virtualbox
    # VirtualBox calls the disks' controller so when it imports a box.
    CONTROLLER = "SATA"

    # A machine, as VBoxManage knows it.
    class Manage
      def initialize(machine)
        @machine = machine
        @driver = machine.provider.driver
      end

      # A command of VBoxManage's, and what it said. `:id` stands for the machine.
      def call(*command)
        words = command.map { |word| word == :id ? @machine.id : word.to_s }
        @driver.execute_command(words + [{ retryable: true }])
      end

      # As call, where it does not matter if there is nothing to do it with.
      def try(*command)
        @driver.execute_command(command.map { |word| word == :id ? @machine.id : word.to_s })
      rescue Vagrant::Errors::VBoxManageError
        nil
      end

      def attach(port, type, medium)
        call("storageattach", :id, "--storagectl", CONTROLLER, "--port", port, "--device", 0, "--type", type, "--medium", medium)
      end

      # What is in the controller's ports, by their numbers: a file, or "emptydrive".
      def media
        info = call("showvminfo", :id, "--machinereadable")
        info.scan(/^"#{CONTROLLER}-(\d+)-0"="(.*)"\r?$/).reject { |_, medium| medium == "none" }.to_h { |port, medium| [port.to_i, medium] }
      end

      # A machine whose session ends may have no state for a moment.
      def running?
        @machine.state.id == :running
      rescue Vagrant::Errors::VBoxManageError
        true
      end
    end
  end
end
