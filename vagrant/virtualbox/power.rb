
module HabLab
  module Virtualbox
    # Before Vagrant halts a machine: press the power button, and wait until it is off. Vagrant itself knows only a guest's
    # shell, and would pull the plug.
    class PowerButton < Step
      def run(env, node)
        machine = env[:machine]
        press(env, node) if machine.provider_name == :virtualbox && asked?(env) && Manage.new(machine).running?
        @app.call(env)
      end

      private

      # Vagrant destroys by force, which those do not want whose data stay: what is on its way to the disk is to get there.
      def asked?(env)
        !env[:force_halt] || ENV["HAB_DATA"] == "keep"
      end

      def press(env, node)
        machine = env[:machine]
        manage = Manage.new(machine)
        env[:ui].info("hab: pressing the power button")
        off = Button.press(machine.config.vm.graceful_halt_timeout, -> { manage.running? }) do
          manage.call("controlvm", :id, "acpipowerbutton")
        end
        env[:ui].warn("hab: #{node[:name]} does not shut down: switching it off") unless off
      end
    end
  end
end
