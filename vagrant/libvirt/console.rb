
module HabLab
  module Libvirt
    # Before a machine starts: has its serial port recorded in the lab, in out/console/NODE.log, unless hab.yaml says
    # `console: false`. `hab status` and `hab wait` read there what the node says of itself; `virsh console` works as well.
    #
    # libvirt writes the file as root (virtlogd, or libvirtd if qemu.conf says stdio_handler = "file"). It is made here
    # before, so it is the user's, and nobody else's to read. libvirt only appends: each start adds an empty line, a
    # line that says so, and what comes then. The file outlives its machine. The next machine begins a new one.
    class Console < Step
      # At 2 MiB (virtlogd.conf, max_size) virtlogd renames the file to NODE.log.0, that to .1, and that to .2, and goes
      # on with a file of its own, that only root can read. A node says a few KiB each time it boots, so that is far away
      # if it is not near at a start.
      ROOM = 1 << 20

      def self.forget(node)
        FileUtils.rm_f(["", ".0", ".1", ".2"].map { |ending| node.console + ending })
      end

      def run(env, node)
        file = node.console if node.recorded?
        # An old log would be taken for what this boot says.
        file ? begin_file(file, node[:name]) : self.class.forget(node)
        record(env[:machine], file)
        @app.call(env)
      rescue ::Libvirt::Error => e
        raise unless file && e.message.b.include?(file.b)

        raise Error, "libvirt, which is root, can not write #{file} (is the lab on a network file system?): " \
                     "move the lab to a local one, or go without: `console: false` in hab.yaml, or HAB_CONSOLE=off."
      end

      private

      def begin_file(path, name)
        FileUtils.mkdir_p(File.dirname(path), mode: 0o700)
        make_room(path)
        line = JSON.generate(hab: "console", node: name, event: "start", time: Time.now.utc.strftime("%FT%TZ"))
        File.open(path, File::WRONLY | File::CREAT | File::APPEND | File::NOFOLLOW, 0o600) do |file|
          file.write("\n") unless file.size.zero?
          file.write("#{line}\n")
        end
      rescue SystemCallError => e
        raise Error, "the machine's console can not be recorded: #{e.message}"
      end

      def make_room(path)
        return unless File.exist?(path)
        return File.delete(path) unless File.owned?(path) # virtlogd's own, see above

        File.rename(path, "#{path}.0") if File.size(path) > ROOM
      end

      # vagrant-libvirt's template knows no <log>, so it is put into the definition that is there. No path: taken out.
      def record(machine, path)
        Libvirt.redefine(machine) do |xml|
          serial = REXML::XPath.first(xml, "/domain/devices/serial")
          log = serial.elements["log"]
          next if log&.attributes&.[]("file") == path

          serial.delete_element("log")
          serial.add_element("log", "file" => path, "append" => "on") if path
          true
        end
      end
    end
  end
end
