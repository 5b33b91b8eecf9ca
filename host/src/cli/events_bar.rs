//! A progress bar that counts events, for commands that go through a whole store.

use indicatif::{ProgressBar, ProgressStyle};

use crate::server::Progress;

pub struct EventsBar(ProgressBar);

impl EventsBar {
    pub fn new() -> Self {
        let template = "{wide_bar} {human_pos} of {human_len} events, {per_sec}, {eta} left";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(ProgressBar::new(0).with_style(style))
    }

    /// Moves it.
    pub fn sink(&self) -> impl Fn(Progress) + Send + Sync + 'static {
        let bar = self.0.clone();
        move |progress: Progress| {
            bar.set_length(progress.head);
            bar.set_position(progress.position);
        }
    }

    pub fn end(self) {
        self.0.finish_and_clear();
    }
}
