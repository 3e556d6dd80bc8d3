
# What hab does beside Vagrant's own steps, with any provider.
module HabLab
  # A step among Vagrant's own. It does something with labs' machines alone: every other machine passes by.
  class Step
    def initialize(app, _env)
      @app = app
    end

    def call(env)
      node = HabLab.node(env[:machine])
      node ? run(env, node) : @app.call(env)
    end
  end

  # A machine's power button.
  module Button
    # Seconds until it is pressed again: as long as a machine starts, nobody listens to it, and nobody hears of it later.
    AGAIN = 10

    # Presses it by the block, until the machine does not run any more, at most so many seconds. Returns whether it is off.
    def self.press(seconds, runs)
      seconds.times do |second|
        return true unless runs.call

        yield if (second % AGAIN).zero?
        sleep 1
      end
      !runs.call
    end
  end

  # The hab that built a lab, or the one in PATH if the lab was built elsewhere.
  module Hab
    # Runs a verb in the lab's folder, gives each line it says to the block, and returns how it ended.
    def self.run(lab, *words)
      Vagrant::Util::Env.with_original_env do
        IO.popen([path(lab), *words, { chdir: lab.folder, err: %i[child out] }]) do |lines|
          lines.each { |line| yield line.chomp }
        end
        $?
      end
    end

    def self.path(lab)
      built_by = lab[:hab]
      return built_by if File.executable?(built_by)

      Vagrant::Util::Which.which("hab") or
        raise Error, "there is no hab to run in #{lab.folder}: neither #{built_by} nor in PATH."
    end
    private_class_method :path
  end

  # What a machine was created from: the file hab-origin in Vagrant's folder for the machine, which is
  # .vagrant/machines/NODE/PROVIDER in the lab's folder. It holds the box's version, a blank, and the SHA-256 of the
  # Ignition config, as nodes.json has them. `hab status` and `hab wait` read it, too, when the file id beside it says
  # that there is a machine. Ignition runs once, so a box or a config that is newer changes nothing on a machine.
  module Origin
    def self.file(machine)
      machine.data_dir.join("hab-origin")
    end

    def self.note(machine, node)
      file(machine).write(node.origin)
    end

    # What a machine has, as it starts: memory, processors and data disk in the file hab-size, a blank between them, and all
    # else in hab-hardware, as nodes.json has it.
    def self.note_size(machine, node)
      machine.data_dir.join("hab-size").write(node.size)
      machine.data_dir.join("hab-hardware").write(JSON.generate(node[:hardware]))
    end

    def self.changed?(machine, node)
      machine.id && file(machine).file? && file(machine).read != node.origin
    end
  end

  # Remembers of each machine that this run of Vagrant was asked to bring up whether it came up. Vagrant runs machines
  # in parallel, and the step Up also around its inner steps for one machine, and those that clean up after an error:
  # the outermost ends last.
  class Track
    def initialize
      @machines = {}
      @lock = Mutex.new
    end

    def note(machine, came_up)
      @lock.synchronize { @machines[machine] = came_up }
    end

    # One of the machines if all of them came up, else nil.
    def any_if_all_came_up
      @lock.synchronize { @machines.keys.first if @machines.values.all? }
    end
  end

  # What `hab save` has kept of a lab.
  class Saves
    # The save that a lab starts from, if hab.yaml says `start: saved`.
    START = "ready"

    def initialize(lab)
      @lab = lab
      @lock = Mutex.new
    end

    # Brings all machines of a lab that has none back to its save, if hab.yaml says so and the save fits; once in a run of
    # Vagrant, which brings up machines in parallel: each hears how that went. Returns whether it did.
    def start(machine, ui)
      @lock.synchronize do
        @started = try(machine, ui) if @started.nil?
        raise @started if @started.is_a?(Error)

        @started
      end
    end

    # The last machine is gone: so are the saves, but for a lab that starts from one, or if the user says so.
    def forget(machine, ui)
      @lock.synchronize do
        return if wanted? || ENV["HAB_SAVES"] == "keep" || !absent?(machine)
        return if Dir.empty?(folder)

        ui.info("hab: removing the lab's saves with its last machine (HAB_SAVES=keep keeps them)")
        status = Hab.run(@lab, "saves", "rm", "--all") { |line| ui.info(line) }
        raise Error, "the machines are gone, but not the lab's saves." unless status.success?
      end
    rescue Errno::ENOENT
      nil # nothing was ever saved
    end

    private

    # Not when `hab restore` brings the data: a save has others.
    def try(machine, ui)
      ENV["HAB_DATA_FROM"].nil? && wanted? && absent?(machine) && fits?(ui) && back(ui)
    rescue Error => e
      e
    end

    def folder
      @lab.path("private/saves")
    end

    def wanted?
      @lab[:start] == "saved"
    end

    # The provider has none of the lab's machines.
    def absent?(machine)
      (@lab.provider(machine).existing(machine) & @lab.nodes.map { |node| node[:domain] }).empty?
    end

    def fits?(ui)
      text = +""
      known = Hab.run(@lab, "saves", "--json") { |line| text << line << "\n" }.success?
      why_not = known ? mismatch(JSON.parse(text)) : text.strip
      ui.info("hab: booting, not starting from the save `#{START}`: #{why_not}") if why_not
      why_not.nil?
    end

    # Why the lab can't start from its save, or nil if it can.
    def mismatch(saves)
      save = saves.find { |found| found["name"] == START }
      save ? save["differences"].first : "there is none; `hab save` makes it"
    end

    def back(ui)
      ui.info("hab: starting all machines from the save `#{START}`")
      return true if Hab.run(@lab, "reset", START, "--no-wait") { |line| ui.info(line) }.success?

      raise Error, "the lab does not start from its save; `vagrant destroy -f`, and `start: boot` in hab.yaml, boot it."
    end
  end

  # Around everything that brings up a machine.
  class Up < Step
    def run(env, node)
      box = node[:box_url]
      raise Error, "#{box} is missing: run `hab build` first." unless File.file?(node.lab.path(box))

      node.config
      if Origin.changed?(env[:machine], node)
        env[:ui].warn("hab: this machine is older than its box or its Ignition config: `hab roll` makes it anew.")
      end

      came_up(env, node.lab)
    end

    private

    def came_up(env, lab)
      came_up = false
      machine, track = env[:machine], lab.track
      track.note(machine, false)
      # Not `reload` and `resume`, which do nothing with a machine that is not there.
      if env[:action_name] == :machine_action_up && machine.id.nil? && lab.saves.start(machine, env[:ui])
        # Vagrant notes it as a machine of its own, in its index, too.
        machine.id = machine.data_dir.join("id").read
      else
        @app.call(env)
      end
      came_up = true
    ensure
      track.note(machine, came_up)
    end
  end

  # After a machine was destroyed because the user said so, not because its creation failed.
  class ForgetSaves < Step
    def run(env, node)
      node.lab.saves.forget(env[:machine], env[:ui])
      @app.call(env)
    end
  end

  # The disks of a machine that outlive it; each provider keeps them in its own way, in its class KeptDisks.
  module Kept
    def self.disks(machine, node)
      node.lab.provider(machine)::KeptDisks.new(machine, node)
    end

    # Whether a machine that is destroyed leaves its data behind: if the user says so, and also when it is not the user who
    # destroys it, but Vagrant, because it could not be made (where Vagrant calls that the user's word, `hab_making` says
    # otherwise) or did not start.
    def self.wanted?(env)
      ENV["HAB_DATA"] == "keep" || env[:hab_making] || env[:action_name] != :machine_action_destroy
    end

    def self.announce_end(env, node)
      env[:ui].info("hab: the data of #{node[:name]} go with it (HAB_DATA=keep keeps them)")
    end
  end

  # Before a machine starts.
  class AttachDisks < Step
    def run(env, node)
      Kept.disks(env[:machine], node).attach
      @app.call(env)
    end
  end

  # After the user destroyed a machine, or when there was none: nothing stays of its data, either.
  class ForgetDisks < Step
    def run(env, node)
      Kept.disks(env[:machine], node).remove unless Kept.wanted?(env)
      @app.call(env)
    end
  end

  # Nobody logs in to a node.
  class NoSsh < Step
    def run(env, node)
      raise Error, "there is no SSH on #{env[:machine].name}, by design: a node is configured by Ignition alone. " \
                   "`hab status` says how the cluster does; `hab console #{node[:name]}` shows what the machine said."
    end
  end

  # When Vagrant is done with all machines: wait until the clusters are Ready.
  class AwaitClusters
    def initialize(app, _env)
      @app = app
    end

    def call(env)
      @app.call(env)
      # Who waits himself says so.
      return if ENV["HAB_WAIT"] == "off"

      HabLab.labs.each do |lab|
        machine = lab.track.any_if_all_came_up or next

        # The provider is asked, not Vagrant: Vagrant may still hold its own locks on machines that it brought up in
        # parallel.
        running = lab.provider(machine).running(machine)
        absent = lab.nodes.reject { |node| running.include?(node[:domain]) }.map { |node| node[:name] }
        if absent.empty?
          wait(lab, env[:ui])
          lab.provider(machine).ready(machine, lab)
        else
          env[:ui].warn("hab: not waiting for the cluster, because not running: #{absent.join(', ')}")
        end
      end
    end

    private

    # `hab wait` says what it waits for, and why it gave up. Machines that are older than the lab are for `hab roll` to make
    # anew, which wants the others to be there.
    def wait(lab, ui)
      status = Hab.run(lab, "wait", "--older") { |line| ui.info(line) }
      raise Error, "the machines run, but the cluster is not Ready." unless status.success?
    end
  end

  class Plugin < Vagrant.plugin("2")
    name "hab_lab"

    %i[up reload resume].each do |action|
      action_hook(:hab_up, "machine_action_#{action}") { |hook| hook.prepend(Up) }
    end
    action_hook(:hab_destroy, :machine_action_destroy) { |hook| hook.append(ForgetSaves) }
    %i[ssh ssh_run].each do |action|
      action_hook(:hab_no_ssh, "machine_action_#{action}") { |hook| hook.prepend(NoSsh) }
    end
    action_hook(:hab_await, :environment_unload) { |hook| hook.append(AwaitClusters) }
  end
end
