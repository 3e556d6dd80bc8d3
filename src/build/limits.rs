//! What this machine can run side by side.

use std::num::NonZero;

use fs_err as fs;

/// Processors and memory for the steps that run at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    processors: f64,
    /// In MiB.
    memory: u64,
}

/// What one or more steps take of it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Load {
    /// How many processors are busy; 0 for all of them.
    pub processors: f64,
    /// In MiB.
    pub memory: u64,
}

impl Limits {
    /// Those of this machine, now.
    #[must_use]
    pub fn of_machine() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Self::new(u32::try_from(processors).unwrap_or(u32::MAX), available(&text).unwrap_or(u64::MAX))
    }

    fn new(processors: u32, memory: u64) -> Self {
        Self { processors: f64::from(processors), memory }
    }

    /// How many processors a step keeps busy here.
    #[must_use]
    pub fn processors_of(&self, load: Load) -> f64 {
        if load.processors == 0.0 { self.processors } else { load.processors.min(self.processors) }
    }

    /// How many processors there are.
    #[must_use]
    pub fn processors(&self) -> f64 {
        self.processors
    }

    /// Whether another step may begin beside those that take `busy`: while a processor has nothing to do, and memory for
    /// it is left. Alone, any step may run.
    #[must_use]
    pub fn admit(&self, busy: Load, next: Load) -> bool {
        let alone = busy == Load::default();
        alone || (busy.processors < self.processors && busy.memory + next.memory <= self.memory)
    }
}

/// `MemAvailable` of /proc/meminfo, in MiB (`proc_meminfo(5)`; it counts KiB).
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? >> 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(processors: f64, memory: u64) -> Load {
        Load { processors, memory }
    }

    #[test]
    fn a_step_waits_for_a_free_processor_and_for_memory_but_never_for_ever() {
        let limits = Limits::new(2, 4096);
        assert!(limits.admit(Load::default(), load(0.0, 100_000)));
        assert!(limits.admit(load(1.0, 512), load(0.0, 3072)));
        assert!(!limits.admit(load(2.0, 512), load(0.1, 1)));
        assert!(!limits.admit(load(1.0, 3072), load(0.5, 1025)));
        assert!((limits.processors_of(load(0.0, 1)) - 2.0).abs() < f64::EPSILON);
    }

    #[test]
    fn the_machine_says_what_it_has() {
        assert_eq!(available("MemTotal:  24 kB\nMemAvailable:   2097152 kB\n"), Some(2048));
        assert!(Limits::of_machine().processors >= 1.0);
    }
}
