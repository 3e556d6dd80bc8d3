//! The build: one graph of steps, which `plan`, `fetch` and `build` walk.
//!
//! A step makes one entry of the cache out of the entries of the steps it needs. Its key is a digest of everything that
//! decides that entry's bytes, and is known from the lock alone, before anything is made.

mod context;
mod explain;
mod graph;
mod limits;
mod run;
mod state;
mod step;
mod steps;
mod times;

pub use context::Context;
pub use explain::{Explanation, before_lock, explain};
pub use graph::{Graph, HOST_PROGRAMS, IMAGES, boot_test, disk_of_images, images_test, vagrant_box};
pub use run::{Outcome, fetch, preflight, run, verify};
pub use state::present;
pub use step::{Entries, Job, Step};
pub use steps::{BOX, images_file, packed};

#[cfg(test)]
mod tests;
