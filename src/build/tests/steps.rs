//! Tests of how steps are run: in which order, side by side, and what becomes of those that fail.

use super::*;

/// What the made-up steps note.
#[derive(Default)]
struct Log {
    ran: Mutex<Vec<String>>,
    now: AtomicUsize,
    most: AtomicUsize,
    /// A step that needs none waits until another runs beside it, if there are processors for two.
    meets: bool,
}

impl Log {
    fn meet(&self) {
        let two = std::thread::available_parallelism().is_ok_and(|count| count.get() > 1);
        let start = std::time::Instant::now();
        // Ends also when a build has lost that, which the test then sees.
        while self.meets && two && self.most.load(Ordering::SeqCst) < 2 && start.elapsed().as_secs() < 30 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

/// A step that writes its name and what its needs wrote.
struct Made {
    name: &'static str,
    needs: &'static [&'static str],
    fails: bool,
    panics: bool,
    log: Arc<Log>,
}

impl Step for Made {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn bucket(&self) -> &'static str {
        "test"
    }

    fn version(&self) -> u32 {
        1
    }

    fn needs(&self) -> Vec<String> {
        self.needs.iter().map(|need| (*need).to_owned()).collect()
    }

    fn inputs(&self, _context: &Context<'_>, key: KeyBuilder) -> Result<KeyBuilder> {
        Ok(key.add("name", self.name))
    }

    fn run(&self, _context: &Context<'_>, job: &Job<'_>) -> Result<String> {
        assert!(!self.panics, "a step that panics");
        self.log.most.fetch_max(self.log.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        if self.needs.is_empty() {
            self.log.meet();
        }
        self.log.now.fetch_sub(1, Ordering::SeqCst);
        self.log.ran.lock().unwrap().push(self.name.to_owned());
        if self.fails {
            bail!("{} fails", self.name);
        }
        let mut text = self.name.to_owned();
        for need in self.needs {
            text.push_str(&fs::read_to_string(job.needs.get(need)?.join("text"))?);
        }
        fs::write(job.entry.join("text"), text)?;
        Ok("made".to_owned())
    }
}

/// `one` and `two`, then `three` of both, then `four`; and `other` alone.
fn made_up(context: &Context<'_>, log: &Arc<Log>, failing: &str) -> Graph {
    let step = |name: &'static str, needs| -> Box<dyn Step> {
        Box::new(Made {
            name,
            needs,
            fails: name == failing,
            panics: failing == format!("panic {name}"),
            log: log.clone(),
        })
    };
    let steps = vec![
        step("one", &[]),
        step("two", &[]),
        step("three", &["one", "two"]),
        step("four", &["three"]),
        step("other", &[]),
    ];
    Graph::of(steps, context).unwrap()
}

fn ran(log: &Log) -> Vec<String> {
    let mut ran = std::mem::take(&mut *log.ran.lock().unwrap());
    ran.sort();
    ran
}

#[test]
fn what_the_goals_want_is_made_once_side_by_side_and_in_order() {
    let (lab, log) = (Lab::new(), Arc::new(Log { meets: true, ..Log::default() }));
    let context = lab.context();
    let graph = made_up(&context, &log, "");
    let outcome = run(&graph, &context, &[3]).unwrap();
    assert!(outcome.errors.is_empty());
    let text = |outcome: &Outcome| fs::read_to_string(outcome.entries.get("four").unwrap().join("text")).unwrap();
    assert_eq!(
        (text(&outcome).as_str(), ran(&log)),
        ("fourthreeonetwo", vec!["four".into(), "one".into(), "three".into(), "two".into()])
    );
    if std::thread::available_parallelism().is_ok_and(|count| count.get() > 1) {
        assert_eq!(log.most.load(Ordering::SeqCst), 2);
    }
    let again = run(&graph, &context, &[3]).unwrap();
    assert_eq!((text(&again), ran(&log), again.made.len()), (text(&outcome), vec![], 0));
}

#[test]
fn a_step_that_panics_ends_the_build_and_not_its_other_steps() {
    let (lab, log) = (Lab::new(), Arc::default());
    let context = lab.context();
    let outcome = run(&made_up(&context, &log, "panic two"), &context, &[3, 4]).unwrap();
    let [(step, error)] = &outcome.errors[..] else { panic!("{:?}", outcome.errors) };
    assert_eq!((step.as_str(), error.to_string().as_str()), ("two", "two: a fault of hab's, see above"));
    assert_eq!(ran(&log), ["one", "other"]);
}

#[test]
fn what_does_not_hang_on_a_failure_is_made_all_the_same() {
    let (lab, log) = (Lab::new(), Arc::default());
    let context = lab.context();
    let graph = made_up(&context, &log, "two");
    let outcome = run(&graph, &context, &[3, 4]).unwrap();
    assert_eq!(ran(&log), ["one", "other", "two"]);
    let errors: Vec<String> = outcome.errors.iter().map(|(step, error)| format!("{step}: {error}")).collect();
    assert_eq!(errors, ["two: two fails"]);
    assert!(outcome.entries.get("other").is_ok() && outcome.entries.get("four").is_err());
}

#[test]
fn an_entry_whose_bytes_flipped_unseen_is_made_again_before_it_is_used() {
    let (lab, log) = (Lab::new(), Arc::default());
    let graph = made_up(&lab.context(), &log, "");
    let outcome = run(&graph, &lab.context(), &[2]).unwrap();
    ran(&log);
    let one = outcome.entries.get("one").unwrap().join("text");
    let four = lab.cache.find("test", graph.key(3));
    assert_eq!(four, crate::cache::Lookup::Miss);
    fs::write(&one, "ONE").unwrap();
    // The next run, which has read nothing through, sees the write; the goal it hangs on is there already.
    let fresh = Lab { cache: Cache::at(lab.cache.root().to_owned()), ..Lab::new() };
    fs::remove_dir_all(outcome.entries.get("three").unwrap()).unwrap();
    let outcome = run(&graph, &fresh.context(), &[3]).unwrap();
    assert_eq!(ran(&log), ["four", "one", "three"]);
    assert_eq!(fs::read_to_string(outcome.entries.get("four").unwrap().join("text")).unwrap(), "fourthreeonetwo");
}

#[test]
fn a_bit_that_rots_in_what_a_step_needs_is_healed() {
    let (lab, log) = (Lab::new(), Arc::default());
    let graph = made_up(&lab.context(), &log, "");
    let outcome = run(&graph, &lab.context(), &[2]).unwrap();
    ran(&log);
    // No write is to be seen: the manifest is made to fit all but the digest.
    let three = outcome.entries.get("three").unwrap();
    let manifest = fs::read_to_string(three.join("manifest.json")).unwrap();
    let digest = crate::digest::content(&three.join("text")).unwrap();
    fs::write(three.join("manifest.json"), manifest.replace(&digest, &"0".repeat(64))).unwrap();
    let fresh = Lab { cache: Cache::at(lab.cache.root().to_owned()), ..Lab::new() };
    assert_eq!(
        verify(&graph, &Lab { cache: Cache::at(lab.cache.root().to_owned()), ..Lab::new() }.context()).unwrap().len(),
        1
    );
    let outcome = run(&graph, &fresh.context(), &[3]).unwrap();
    assert_eq!((ran(&log), outcome.errors.len()), (vec!["four".to_owned(), "three".to_owned()], 0));
}
