//! A command on a node, run over its shell port: no SSH, no network, no cluster. The port is one that only who rules the
//! machine's hypervisor reaches.

mod frame;
mod port;

use std::io::{BufRead as _, BufReader, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

pub use frame::Request;
pub use port::Port;

use crate::digest::hex;
use crate::exec::signal;
use crate::exec::virsh::LEAVE;
use crate::terminal;
use frame::{GuestFrame, HostFrame, PIECE, WINDOW};

/// How often this end says that it is there; the node gives up after 45 s (`silence` in shell.go).
const ALIVE: Duration = Duration::from_secs(3);

/// How often is looked whether something is to be said.
const LOOK: Duration = Duration::from_millis(100);

/// How often the node is asked to begin until it does: virsh throws away what comes before it is connected.
const AGAIN: Duration = Duration::from_secs(1);

/// How long the node may take to begin: emulated and busy it needs seconds.
const BEGINS: Duration = Duration::from_secs(60);

/// How long it may say nothing after that. It answers each time this end says that it is there; a machine that stands while
/// it is saved needs longer.
const SILENT: Duration = Duration::from_secs(90);

/// The longest line of a node's that is read.
const LONGEST: u64 = 64 << 10;

/// What a command has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// To its standard output, or to its terminal.
    Out(Vec<u8>),
    /// To its standard error.
    Err(Vec<u8>),
}

/// Where a command's input comes from.
pub trait Input: Send {
    /// What has come within `time`, at most so many bytes; `None` if nothing has, and no bytes at the end.
    ///
    /// # Errors
    /// It can't be read, or the user leaves.
    fn next(&mut self, time: Duration, most: usize) -> Result<Option<Vec<u8>>>;
}

/// Frames with input.
#[derive(Debug, Default)]
struct Counts {
    sent: u64,
    /// How many of these the node has taken.
    taken: u64,
}

/// A session, as both directions see it.
struct Session<'p> {
    id: String,
    port: Mutex<&'p mut (dyn Write + Send)>,
    input: Mutex<Counts>,
    room: Condvar,
    begun: AtomicBool,
    over: AtomicBool,
    /// Nothing more is read from the node.
    closed: AtomicBool,
    /// When the node last said something, in milliseconds since `start`.
    heard: AtomicU64,
    start: Instant,
}

/// Runs what is requested, on the node at the other end of `port` and `from`, and returns its exit code as a shell says it.
/// `show` gets what it writes.
///
/// # Errors
/// The node does not answer, or no more; `show` or the input fail; something was lost on the way.
pub fn run(
    port: &mut (dyn Write + Send),
    from: &mut dyn Read,
    request: &Request,
    input: &mut dyn Input,
    show: &mut dyn FnMut(Output) -> Result<()>,
) -> Result<u8> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).context("drawing a random number")?;
    let session = Session {
        id: hex(&random),
        port: Mutex::new(port),
        input: Mutex::default(),
        room: Condvar::new(),
        begun: AtomicBool::new(false),
        over: AtomicBool::new(false),
        closed: AtomicBool::new(false),
        heard: AtomicU64::new(0),
        start: Instant::now(),
    };
    std::thread::scope(|scope| {
        let ticks = scope.spawn(|| session.tick(request));
        let inputs = scope.spawn(|| session.feed(input));
        let outcome = session.listen(from, show);
        session.closed.store(true, Ordering::Release);
        session.finish();
        let trouble = [ticks.join(), inputs.join()].into_iter().find_map(|it| match it {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some(anyhow::anyhow!("a thread of the session's ended")),
        });
        match (outcome, trouble) {
            (Ok(code), _) => Ok(code),
            // What ended it from this end says more than that it has ended.
            (Err(error), trouble) => Err(trouble.unwrap_or(error)),
        }
    })
}

impl Session<'_> {
    fn write(&self, bytes: &[u8]) -> Result<()> {
        let mut port = self.port.lock().unwrap_or_else(PoisonError::into_inner);
        port.write_all(bytes).and_then(|()| port.flush()).context("writing to the node")
    }

    fn say(&self, frame: HostFrame) -> Result<()> {
        let mut text = serde_json::to_vec(&HostFrame { id: self.id.clone(), ..frame }).context("writing a frame")?;
        text.push(b'\n');
        self.write(&text)
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.input.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the node that it is over. Once.
    fn finish(&self) {
        if !self.over.swap(true, Ordering::AcqRel) {
            // It fails where there is nobody to be told.
            let _ = self.say(HostFrame { end: true, ..HostFrame::default() });
            self.room.notify_all();
        }
    }

    /// Takes in what the node says, until the command has ended.
    fn listen(&self, from: &mut dyn Read, show: &mut dyn FnMut(Output) -> Result<()>) -> Result<u8> {
        let mut lines = BufReader::new(from);
        let (mut line, mut last) = (Vec::new(), 0);
        loop {
            line.clear();
            if lines.by_ref().take(LONGEST).read_until(b'\n', &mut line).context("reading from the node")? == 0 {
                bail!("the machine is off, or was taken away");
            }
            let Ok(frame) = serde_json::from_slice::<GuestFrame>(&line) else { continue };
            if frame.id != self.id {
                continue;
            }
            let now = self.start.elapsed().as_millis();
            self.heard.store(u64::try_from(now).unwrap_or(u64::MAX), Ordering::Release);
            ensure!(!frame.gone, "the node has started again, or another session has taken this one's place");
            self.begun.fetch_or(frame.hello, Ordering::AcqRel);
            if frame.ack > 0 {
                self.counts().taken = frame.ack;
                self.room.notify_all();
            }
            if frame.n == 0 {
                continue;
            }
            last += 1;
            ensure!(frame.n == last, "some of what the node said was lost on the way");
            self.say(HostFrame { ack: last, ..HostFrame::default() })?;
            if !frame.out.is_empty() {
                show(Output::Out(frame.out))?;
            }
            if !frame.err.is_empty() {
                show(Output::Err(frame.err))?;
            }
            if let Some(code) = frame.exit {
                if !frame.why.is_empty() {
                    show(Output::Err(format!("hab: on the node: {}\n", frame.why).into_bytes()))?;
                }
                return Ok(code);
            }
        }
    }

    /// Sends the command's input, no more than the node has room for.
    fn feed(&self, input: &mut dyn Input) -> Result<()> {
        let outcome = self.feed_all(input);
        if outcome.is_err() {
            self.finish();
        }
        outcome
    }

    fn feed_all(&self, input: &mut dyn Input) -> Result<()> {
        // A key may leave also before the node has answered. Nothing is sent until then.
        let mut first = None;
        while !self.is_over() && !self.begun.load(Ordering::Acquire) {
            match first {
                None => first = input.next(LOOK, PIECE)?,
                Some(_) => std::thread::sleep(LOOK / 10),
            }
        }
        while !self.is_over() {
            let full = |counts: &mut Counts| counts.sent - counts.taken >= WINDOW;
            let waited = self.room.wait_timeout_while(self.counts(), LOOK, full);
            if waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
                continue;
            }
            let Some(bytes) = first.take().map_or_else(|| input.next(LOOK, PIECE), |first| Ok(Some(first)))? else {
                continue;
            };
            let eof = bytes.is_empty();
            let n = {
                let mut counts = self.counts();
                counts.sent += 1;
                counts.sent
            };
            self.say(HostFrame { n, input: bytes, eof, ..HostFrame::default() })?;
            if eof {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Asks the node to begin. What an earlier client has half said ends here.
    fn open(&self, request: &Request) -> Result<()> {
        self.write(b"\n")?;
        self.say(HostFrame { open: Some(request.clone()), ..HostFrame::default() })
    }

    /// Says now and then that this end is there, and how large its terminal is; ends the session when the other is not.
    fn tick(&self, request: &Request) -> Result<()> {
        let outcome = self.tick_all(request);
        if outcome.is_err() {
            self.finish();
        }
        // virsh takes a byte for this only if it comes alone, so it is said until virsh has heard it.
        while !self.closed.load(Ordering::Acquire) && self.write(&[LEAVE]).is_ok() {
            std::thread::sleep(LOOK);
        }
        outcome
    }

    fn tick_all(&self, request: &Request) -> Result<()> {
        let mut size = request.rows.zip(request.cols);
        self.open(request)?;
        let mut said = Instant::now();
        while !self.is_over() {
            std::thread::sleep(LOOK);
            signal::check()?;
            let heard = Duration::from_millis(self.heard.load(Ordering::Acquire));
            let silent = self.start.elapsed().saturating_sub(heard);
            if !self.begun.load(Ordering::Acquire) {
                ensure!(
                    silent < BEGINS,
                    "the node does not answer: it is not that far yet, or its machine has no such port (`hab console` shows \
                     how far it is)"
                );
                if said.elapsed() >= AGAIN {
                    said = Instant::now();
                    self.open(request)?;
                }
                continue;
            }
            ensure!(silent < SILENT, "the node has not answered for {} s", SILENT.as_secs());
            let now = size.and(terminal::size());
            if now.is_some() && now != size {
                size = now;
                let (rows, cols) = size.unzip();
                self.say(HostFrame { rows, cols, ..HostFrame::default() })?;
            }
            if said.elapsed() >= ALIVE {
                said = Instant::now();
                self.say(HostFrame { alive: true, ..HostFrame::default() })?;
            }
        }
        Ok(())
    }
}
