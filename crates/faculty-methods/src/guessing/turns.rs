//! Whose turn it is to have something guessed for it.

/// A cycle of turns: each teacher has as many as it has classes, as evenly spread as can be, so that all classes of all teachers come
/// equally often.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    /// A teacher, and its how manieth turn of the cycle this is.
    cycle: Vec<(usize, u64)>,
    classes: Vec<usize>,
}

impl Turns {
    pub(super) fn new(classes: impl IntoIterator<Item = usize>) -> Self {
        let classes: Vec<usize> = classes.into_iter().map(|classes| classes.max(1)).collect();
        let of = |(teacher, &classes): (usize, &usize)| (0..classes as u64).map(move |turn| (teacher, turn));
        let mut cycle: Vec<(usize, u64)> = classes.iter().enumerate().flat_map(of).collect();
        // Turn t of C lies in the middle of its part of the cycle, (2 t + 1) / 2 C.
        cycle.sort_by(|(one, turn), (other, its)| {
            let (one_size, other_size) = (classes[*one] as u64, classes[*other] as u64);
            ((2 * turn + 1) * other_size).cmp(&((2 * its + 1) * one_size)).then(one.cmp(other))
        });
        Self { cycle, classes }
    }

    /// The teacher of number `number`, and how many turns it has had before.
    pub(super) fn at(&self, number: u64) -> (usize, u64) {
        let length = self.cycle.len() as u64;
        let (teacher, turn) = self.cycle[(number % length) as usize];
        (teacher, number / length * self.classes[teacher] as u64 + turn)
    }
}

#[cfg(test)]
mod tests {
    use super::Turns;

    #[test]
    fn equal_teachers_alternate_and_others_come_as_often_as_they_have_classes() {
        let equal = Turns::new([3, 3]);
        let found: Vec<(usize, u64)> = (0..8).map(|number| equal.at(number)).collect();
        assert_eq!(found, [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2), (0, 3), (1, 3)]);
        let unequal = Turns::new([1, 3]);
        let found: Vec<(usize, u64)> = (0..8).map(|number| unequal.at(number)).collect();
        assert_eq!(found, [(1, 0), (0, 0), (1, 1), (1, 2), (1, 3), (0, 1), (1, 4), (1, 5)]);
    }
}
