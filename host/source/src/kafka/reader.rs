//! One partition of a topic.

use std::sync::Arc;

use super::Shared;
use super::buffers::Taken;
use crate::{Lines, Mode, Read, SourceError};

/// Reads one partition, as long as the group lets it.
pub struct KafkaReader {
    shared: Arc<Shared>,
    partition: i32,
    name: String,
    position: i64,
    /// Gives an empty batch first, which says where the partition begins.
    announces: bool,
}

impl KafkaReader {
    pub(super) fn new(
        shared: Arc<Shared>,
        partition: i32,
        name: &str,
        position: i64,
        announces: bool,
    ) -> Self {
        Self {
            shared,
            partition,
            name: name.to_owned(),
            position,
            announces,
        }
    }

    /// The next batch, if there is one.
    ///
    /// # Errors
    /// The consumer cannot go on.
    pub fn next(&mut self, mode: Mode) -> Result<Read, SourceError> {
        self.shared.check()?;
        if std::mem::take(&mut self.announces) {
            let start = Lines::of_topic(&self.name, self.position, true);
            return Ok(Read::Lines(start));
        }
        Ok(match self.shared.buffers.take(self.partition) {
            Taken::Lines(lines) => {
                self.position = lines.to();
                Read::Lines(lines)
            }
            Taken::End if mode == Mode::Drain => Read::End,
            Taken::End | Taken::Later => Read::Later,
            Taken::Gone => Read::Gone,
        })
    }

    /// The partition's name: its number.
    #[must_use]
    pub fn partition(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Debug for KafkaReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaReader")
            .field("topic", &self.shared.topic)
            .field("partition", &self.partition)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
