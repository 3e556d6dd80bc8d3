
# Labs, their nodes, and their machines as Vagrant defines them: the part that is the same for every provider.
module HabLab
  # The version of the layout of nodes.json that this code reads. It also changes when code of an older hab could not
  # serve a lab that this one wrote, or the other way round.
  SCHEMA = 8

  # A provider's part of this file registers itself here, under the name that nodes.json calls it by. It answers to
  # why_not (why can it not be used here? nil if it can), define (a machine's settings), existing and running (the names of
  # the domains that are there, and of those that run), and is told when the cluster has become ready.
  PROVIDERS = {}

  # An error whose text is shown to the user as it is; vagrant then exits with status 1.
  class Error < Vagrant::Errors::VagrantError
    def initialize(text)
      @text = text
      super()
    end

    def error_message
      "hab: #{@text}"
    end
  end

  # What hab wrote about one lab, and which of its machines this run of Vagrant brought up.
  class Lab
    attr_reader :folder, :nodes, :track, :saves

    def initialize(folder)
      @folder = folder
      @data = JSON.parse(File.read(File.join(folder, "out", "nodes.json")), symbolize_names: true)
      if @data[:schema] != SCHEMA
        raise Error, "#{folder}/out/nodes.json is of another version of hab: run `hab build` there again."
      end

      @nodes = @data[:nodes].map { |data| Node.new(self, data) }
      @track = Track.new
      @saves = Saves.new(self)
    rescue Errno::ENOENT
      raise Error, "this lab is not built yet: run `hab build` in #{folder} first."
    rescue JSON::ParserError
      raise Error, "out/nodes.json is damaged: run `hab build` in #{folder} again."
    end

    def [](field)
      @data.fetch(field)
    end

    # All that there are boxes for. Vagrant takes the first that it can use for a machine that is not there yet, so the one
    # that has machines of this lab comes first.
    def providers
      has, others = self[:providers].partition do |name|
        machines = File.join(ENV.fetch("VAGRANT_DOTFILE_PATH", ".vagrant"), "machines")
        Dir.glob(File.join("*", name, "id"), base: File.expand_path(machines, folder)).any?
      end
      (has + others).map { |name| PROVIDERS.fetch(name) }
    end

    # The one that runs this machine.
    def provider(machine)
      PROVIDERS.fetch(machine.provider_name.to_s)
    end

    # One of the providers can be used here.
    def check
      reasons = providers.map(&:why_not)
      raise Error, reasons.first if reasons.all?
    end

    # A file of the lab, by its path in the lab's folder.
    def path(name)
      File.join(folder, name)
    end
  end

  # One machine of a lab.
  class Node
    attr_reader :lab

    def initialize(lab, data)
      @lab = lab
      @data = data
    end

    def [](field)
      @data.fetch(field)
    end

    # The box's metadata file. All but the unreserved characters are percent-encoded. "file:/" and not "file:///": the
    # latter Vagrant takes apart and encodes anew, but leaves "?" as it is and then asks for half a path
    # (builtin/box_add.rb).
    def box_url
      path = lab.path(self[:box_url]).b.gsub(%r{[^A-Za-z0-9._~/-]}n) { |byte| format("%%%02X", byte.ord) }
      "file:#{path.force_encoding(Encoding::UTF_8)}"
    end

    # The node's Ignition config, sound and as hab wrote it.
    def config
      config = File.binread(lab.path(self[:ignition]))
      return config if Digest::SHA256.hexdigest(config) == self[:ignition_sha256]

      raise Error, "#{self[:ignition]} is not the one that hab wrote: run `hab build` again."
    rescue Errno::ENOENT
      raise Error, "#{self[:ignition]} is missing: run `hab build` again."
    rescue Errno::EACCES
      raise Error, "#{self[:ignition]} is another user's: run vagrant as the one who runs hab."
    end

    # The file that the machine's console is recorded in.
    def console
      lab.path(self[:console])
    end

    # Whether it is: nodes.json says so only of a node where it is not, and a run of Vagrant can go without.
    def recorded?
      self[:hardware][:console] != false && ENV["HAB_CONSOLE"] != "off"
    end

    # What a machine of this node is created from.
    def origin
      "#{self[:box_version]} #{self[:ignition_sha256]}"
    end

    # What it has when it starts: memory in MiB, processors, the data disk in GiB.
    def size
      "#{self[:memory]} #{self[:cpus]} #{self[:disk]}"
    end
  end

  @labs = {}

  def self.labs
    @labs.values
  end

  def self.lab(folder)
    @labs[folder] ||= Lab.new(folder)
  end

  # The node that a machine is, or nil if it is no lab's: this code also runs for every other machine that this run of
  # Vagrant looks at. A lab's machine has a box in that lab's folder.
  def self.node(machine)
    urls = Array(machine.config.vm.box_url)
    labs.flat_map(&:nodes).find { |node| node[:name] == machine.name.to_s && urls.include?(node.box_url) }
  end

  # Define the machines of the lab in this folder, whose own Vagrantfile is made for this schema.
  def self.define(config, folder, schema)
    if schema != SCHEMA
      raise Error, "another version of hab wrote the Vagrantfile of #{folder} than that of another lab in this run of " \
                   "Vagrant: run vagrant in that folder, or `hab build` in both."
    end
    lab = self.lab(folder)
    lab.check

    config.vm.box_check_update = false
    config.vm.synced_folder ".", "/vagrant", disabled: true
    config.vm.network "forwarded_port", guest: 22, host: 2222, id: "ssh", disabled: true
    # A node that is busy may take long to stop its pods; pulling the plug is the last resort.
    config.vm.graceful_halt_timeout = 120

    lab.nodes.each do |node|
      config.vm.define(node[:name]) do |machine|
        machine.vm.box = node[:box]
        machine.vm.box_url = node.box_url
        machine.vm.box_version = node[:box_version]
        lab.providers.each { |provider| provider.define(machine, node) }
      end
    end
  end
end
