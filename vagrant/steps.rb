
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

  # Around everything that brings up a machine.
  class Up < Step
    def run(env, node)
      box = node[:box_url]
      raise Error, "#{box} is missing: run `hab build` first." unless File.file?(node.lab.path(box))

      node.config
      if Origin.changed?(env[:machine], node)
        env[:ui].warn("hab: this machine is older than its box or its Ignition config: " \
                      "`vagrant destroy -f`, then `vagrant up` makes it anew.")
      end

      came_up(env, node.lab.track)
    end

    private

    def came_up(env, track)
      came_up = false
      track.note(env[:machine], false)
      @app.call(env)
      came_up = true
    ensure
      track.note(env[:machine], came_up)
    end
  end

  # Nobody logs in to a node.
  class NoSsh < Step
    def run(env, node)
      raise Error, "there is no SSH on #{env[:machine].name}, by design: a node is configured by Ignition alone. " \
                   "`hab status` says how the cluster does; #{node[:console]} is what the machine said."
    end
  end

  # When Vagrant is done with all machines: wait until the clusters are Ready.
  class AwaitClusters
    def initialize(app, _env)
      @app = app
    end

    def call(env)
      @app.call(env)
      HabLab.labs.each do |lab|
        machine = lab.track.any_if_all_came_up or next

        # The provider is asked, not Vagrant: Vagrant may still hold its own locks on machines that it brought up in
        # parallel.
        running = lab.provider.running(machine)
        absent = lab.nodes.reject { |node| running.include?(node[:domain]) }.map { |node| node[:name] }
        if absent.empty?
          wait(lab, env[:ui])
        else
          env[:ui].warn("hab: not waiting for the cluster, because not running: #{absent.join(', ')}")
        end
      end
    end

    private

    # `hab wait` says what it waits for, and why it gave up.
    def wait(lab, ui)
      status = Vagrant::Util::Env.with_original_env do
        IO.popen([hab(lab), "wait", { chdir: lab.folder, err: %i[child out] }]) do |lines|
          lines.each { |line| ui.info(line.chomp) }
        end
        $?
      end
      raise Error, "the machines run, but the cluster is not Ready." unless status.success?
    end

    # The hab that built this lab, or the one in PATH if the lab was built elsewhere.
    def hab(lab)
      built_by = lab[:hab]
      return built_by if File.executable?(built_by)

      Vagrant::Util::Which.which("hab") or
        raise Error, "the machines run, but there is no hab to ask whether the cluster is Ready: " \
                     "neither #{built_by} nor in PATH."
    end
  end

  class Plugin < Vagrant.plugin("2")
    name "hab_lab"

    %i[up reload resume].each do |action|
      action_hook(:hab_up, "machine_action_#{action}") { |hook| hook.prepend(Up) }
    end
    %i[ssh ssh_run].each do |action|
      action_hook(:hab_no_ssh, "machine_action_#{action}") { |hook| hook.prepend(NoSsh) }
    end
    action_hook(:hab_await, :environment_unload) { |hook| hook.append(AwaitClusters) }
  end
end
