//! The texts of a class that its judge liked best, to show to a source that learns from examples.

use crate::near::similarity;
use crate::quality::repeats_itself;

/// The best texts so far. Those that reach the floor are as good as each other, and the oldest stay: newer ones are more and
/// more like what was shown before. Below the floor the likelier one comes first, so that a class that nobody hits is
/// approached from its nearest misses. Texts that repeat themselves are never shown: a model imitates that first.
#[derive(Debug)]
pub(crate) struct Examples {
    room: usize,
    floor: f32,
    /// Less than this is no better than any other text.
    least: f32,
    best: Vec<(f32, String)>,
}

/// Texts that are as similar as this teach nothing beside each other.
const ALIKE: f64 = 0.6;

impl Examples {
    /// Room for so many texts of one of `classes` classes.
    pub(crate) fn new(room: usize, floor: f32, classes: usize) -> Self {
        let chance = 1.0 / classes.max(1) as f32;
        Self { room, floor: floor.max(chance), least: (2.0 * chance).min(0.5), best: Vec::new() }
    }

    /// Looks at a judged text.
    pub(crate) fn offer(&mut self, text: &str, probability: f32) {
        let rank = probability.min(self.floor);
        if self.room == 0 || probability < self.least || repeats_itself(text) {
            return;
        }
        if let Some(at) = self.best.iter().position(|(_, known)| similarity(known, text) >= ALIKE) {
            // Of two that are alike the better one; the older one of two as good.
            if self.best[at].0 >= rank {
                return;
            }
            self.best.remove(at);
        }
        let place = self.best.partition_point(|(other, _)| *other >= rank);
        self.best.insert(place, (rank, text.to_owned()));
        self.best.truncate(self.room);
    }

    /// The texts, the best first.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.best.iter().map(|(_, text)| text.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Examples;

    #[test]
    fn the_oldest_of_those_that_are_good_enough_and_the_likeliest_of_the_others() {
        let mut examples = Examples::new(3, 0.8, 10);
        for (text, probability) in [
            ("nobody believes this one", 0.1),
            ("a near miss", 0.3),
            ("what is owed", 0.6),
            ("pay my phone bill", 0.99),
            ("Pay my phone bill!", 0.97),
            ("settle the invoice today", 0.85),
            ("the bill, the bill, the bill, the bill, the bill", 0.99),
        ] {
            examples.offer(text, probability);
        }
        assert_eq!(examples.texts(), ["pay my phone bill", "settle the invoice today", "what is owed"]);
        // A better form of a text takes its place.
        examples.offer("what is owed?", 0.7);
        assert_eq!(examples.texts()[2], "what is owed?");
        let mut none = Examples::new(0, 0.8, 10);
        none.offer("pay my phone bill", 0.99);
        assert!(none.texts().is_empty());
    }
}
