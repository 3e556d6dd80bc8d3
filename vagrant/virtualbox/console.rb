
module HabLab
  module Virtualbox
    # Before a machine starts: has its serial port recorded in the lab, in out/console/NODE.log, unless hab.yaml says
    # `console: false`. `hab status` and `hab wait` read there what the node says of itself. VirtualBox writes the file anew at each start, as the user; what was
    # there before is NODE.log.0 then.
    class Console < Step
      # The first serial port of a PC: address and interrupt.
      PORT = ["0x3F8", "4"].freeze

      def self.forget(node)
        FileUtils.rm_f(["", ".0"].map { |ending| node.console + ending })
      end

      def run(env, node)
        Manage.new(env[:machine]).call("modifyvm", :id, "--uart1", *PORT, *mode(node))
        @app.call(env)
      end

      private

      def mode(node)
        file = node.console
        unless node.recorded?
          self.class.forget(node)
          return ["--uart-mode1", "disconnected"]
        end
        FileUtils.mkdir_p(File.dirname(file), mode: 0o700)
        File.rename(file, "#{file}.0") if File.exist?(file)
        # An old log would be taken for what this boot says. It is its user's alone.
        File.open(file, File::WRONLY | File::CREAT | File::EXCL, 0o600) {}
        ["--uart-mode1", "file", file]
      rescue SystemCallError => e
        raise Error, "the machine's console can not be recorded: #{e.message} (`console: false` in hab.yaml goes without, or HAB_CONSOLE=off)"
      end
    end
  end
end
