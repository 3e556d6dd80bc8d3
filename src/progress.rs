//! Progress of long work.

/// Where long work says how far it is. One call is one line for a person; implementations decide how it looks.
pub trait Progress: Sync {
    /// A step begins: `what` names it ("base debian", "kubelet v1.36.3").
    fn begin(&self, what: &str);
    /// Something happened inside the current step.
    fn note(&self, text: &str);
    /// The step is over; `outcome` says how ("built in 12 s", "already there").
    fn end(&self, what: &str, outcome: &str);
}

/// Says nothing: for tests and for callers that want only the result.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _what: &str) {}
    fn note(&self, _text: &str) {}
    fn end(&self, _what: &str, _outcome: &str) {}
}
