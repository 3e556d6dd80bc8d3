//! A terminal of which a test has one end.

use std::fs::File;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// Our end, and the path of the other.
pub fn terminal() -> (File, String) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).and_then(|()| unlockpt(&ours)).unwrap();
    let path = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    (ours.into(), path)
}
