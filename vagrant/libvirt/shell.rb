
module HabLab
  module Libvirt
    # Before a machine starts: it has a second console, which `hab shell` opens through libvirt, unless hab.yaml says
    # `shell: false`. Whoever may use this libvirt may open it; there is no other way to it. libvirt lets one at a time do so.
    class ShellPort < Step
      def run(env, node)
        wanted = node.lab[:shell]
        Libvirt.redefine(env[:machine]) do |xml|
          devices = xml.root.elements["devices"]
          there = REXML::XPath.match(devices, "console[target/@type='virtio']")
          next if there.any? == wanted

          there.each(&:remove)
          devices.add_element("console", "type" => "pty").add_element("target", "type" => "virtio") if wanted
          true
        end
        @app.call(env)
      end
    end
  end
end
