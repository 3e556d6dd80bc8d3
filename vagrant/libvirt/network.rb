
# The networks of a lab, as libvirt has them.
module HabLab
  module Libvirt
    # Refuses a network that leads elsewhere than hab.yaml says. There are these, as XML; a lab's is told by its name, or by
    # the host's address in it.
    def self.same_way_out(network, all)
      address = /<ip [^>]*address=['"]#{Regexp.escape(network[:host])}['"]/
      there = all.find { |xml| xml.include?("<name>#{network[:name]}</name>") || xml.match?(address) } or return
      leads_out = there.include?("<forward ")
      return if leads_out == (network[:internet] || false)

      raise Error, "libvirt's network #{there[%r{<name>(.*)</name>}, 1]} #{leads_out ? 'leads' : 'does not lead'} out of this " \
                   "host, unlike hab.yaml. It stays as it was made while a machine is on it: `vagrant destroy -f`, then " \
                   "`vagrant up`."
    end

    # Before a machine starts. vagrant-libvirt takes whatever network has the address, and changes none.
    class SameWayOut < Step
      def run(env, node)
        all = env[:machine].provider.driver.connection.client.list_all_networks.map(&:xml_desc)
        [node.lab[:network], *node[:cards].map { |card| card[:network] }].each do |network|
          Libvirt.same_way_out(network, all)
        end
        @app.call(env)
      end
    end
  end
end
