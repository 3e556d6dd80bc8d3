
module HabLab
  module Libvirt
    # Changes a machine's definition, where vagrant-libvirt's own template has no word for something. The block changes
    # the XML and returns whether it did.
    def self.redefine(machine)
      client = machine.provider.driver.connection.client
      flags = ::Libvirt::Domain::XML_SECURE | ::Libvirt::Domain::XML_INACTIVE
      xml = REXML::Document.new(client.lookup_domain_by_uuid(machine.id).xml_desc(flags))
      client.define_domain_xml(xml.to_s) if yield xml
    end

    # Before a machine starts. Its definition has a number that libvirt changes when the machine is brought back to an
    # earlier moment (vmgenid), so that its kernel then begins anew with random numbers. And it boots, so it runs from no
    # save any more: `hab status` reads that note.
    class Generation < Step
      def run(env, _node)
        machine = env[:machine]
        Libvirt.redefine(machine) { |xml| xml.root.add_element("genid") unless xml.root.elements["genid"] }
        FileUtils.rm_f(machine.data_dir.join("hab-save"))
        @app.call(env)
      end
    end
  end
end
