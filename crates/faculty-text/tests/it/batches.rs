use faculty_core::Stream;
use faculty_text::{PadSide, TokenBatch, TokenRow, plan_in_length_order, plan_shuffled};

fn random_lengths(trial: u64) -> Vec<usize> {
    let stream = Stream::new(11, "lengths").fork(trial);
    (0..stream.below_at(0, 700)).map(|row| 3 + (stream.uniform_at(row + 1).powi(3) * 60.0) as usize).collect()
}

fn rows_once(plan: &[Vec<usize>], rows: usize) {
    let mut seen: Vec<usize> = plan.concat();
    seen.sort_unstable();
    assert_eq!(seen, (0..rows).collect::<Vec<_>>());
    assert!(plan.iter().all(|batch| !batch.is_empty()));
}

fn padded(plan: &[Vec<usize>], lengths: &[usize]) -> usize {
    plan.iter().map(|batch| batch.len() * batch.iter().map(|&row| lengths[row]).max().unwrap_or(0)).sum()
}

#[test]
fn both_plans_hold_every_row_once() {
    for trial in 0..100 {
        let lengths = random_lengths(trial);
        let size = 1 + (trial as usize * 7) % 40;
        rows_once(&plan_in_length_order(&lengths, size, 512), lengths.len());
        for epoch in 0..3 {
            rows_once(&plan_shuffled(&lengths, size, Stream::new(trial, "order"), epoch), lengths.len());
        }
    }
}

#[test]
fn inference_batches_keep_both_budgets_and_rise_in_length() {
    for trial in 0..50 {
        let lengths = random_lengths(trial);
        let (max_rows, max_tokens) = (1 + trial as usize % 33, 64 + 16 * trial as usize);
        let plan = plan_in_length_order(&lengths, max_rows, max_tokens);
        for batch in &plan {
            assert!(batch.len() <= max_rows);
            assert!(batch.len() == 1 || padded(std::slice::from_ref(batch), &lengths) <= max_tokens);
        }
        let order = plan.concat();
        // Rising length; equal lengths in their own order.
        assert!(order.windows(2).all(|pair| (lengths[pair[0]], pair[0]) < (lengths[pair[1]], pair[1])));
    }
}

#[test]
fn a_row_beyond_the_token_budget_is_a_batch_of_its_own() {
    assert_eq!(plan_in_length_order(&[100, 5, 5, 100], 8, 20), [vec![1, 2], vec![0], vec![3]]);
    assert_eq!(plan_in_length_order(&[5, 5], 0, 0), [vec![0], vec![1]]);
    assert!(plan_in_length_order(&[], 8, 20).is_empty());
}

#[test]
fn training_batches_are_full_but_for_the_remainder() {
    for (rows, size) in [(0, 4), (3, 4), (4, 4), (1000, 32), (1025, 32), (7, 0), (5, usize::MAX)] {
        let plan = plan_shuffled(&vec![9; rows], size, Stream::new(1, "order"), 0);
        let size = size.max(1);
        assert_eq!(plan.len(), rows.div_ceil(size));
        assert_eq!(plan.iter().filter(|batch| batch.len() == size).count(), rows / size);
    }
}

#[test]
fn the_training_plan_is_a_function_of_stream_and_epoch() {
    let lengths = random_lengths(4);
    let plan = |seed, epoch| plan_shuffled(&lengths, 16, Stream::new(seed, "order"), epoch);
    assert!(lengths.len() > 64);
    assert_eq!(plan(1, 0), plan(1, 0));
    assert_ne!(plan(1, 0), plan(1, 1));
    assert_ne!(plan(1, 0), plan(2, 0));
}

#[test]
fn bucketed_training_batches_pad_far_less_than_random_ones() {
    let lengths: Vec<usize> = (0..20).flat_map(random_lengths).collect();
    let order = Stream::new(9, "random plan").permutation(lengths.len());
    let random: Vec<Vec<usize>> = order.chunks(32).map(<[usize]>::to_vec).collect();
    let tokens: usize = lengths.iter().sum();
    let waste = |plan: &[Vec<usize>]| padded(plan, &lengths) - tokens;
    let bucketed = plan_shuffled(&lengths, 32, Stream::new(9, "order"), 0);
    assert!(waste(&bucketed) * 4 < waste(&random), "{} against {}", waste(&bucketed), waste(&random));
}

#[test]
fn training_batches_do_not_come_in_order_of_length() {
    let lengths: Vec<usize> = (0..10).flat_map(random_lengths).collect();
    let plan = plan_shuffled(&lengths, 16, Stream::new(2, "order"), 0);
    let widths: Vec<usize> = plan.iter().map(|batch| batch.iter().map(|&row| lengths[row]).max().unwrap()).collect();
    let rises = widths.windows(2).filter(|pair| pair[0] < pair[1]).count();
    let share = rises as f64 / (widths.len() - 1) as f64;
    assert!((0.3..0.7).contains(&share), "{share}");
}

fn rows() -> Vec<TokenRow> {
    let row = |ids: &[u32]| TokenRow { type_ids: vec![1; ids.len()], ..TokenRow::of_ids(ids.to_vec()) };
    vec![row(&[2, 3]), row(&[4]), row(&[5, 6, 7])]
}

#[test]
fn a_batch_is_padded_to_its_longest_row() {
    let batch = TokenBatch::from_rows(&rows(), &[0, 1], 9);
    assert_eq!((batch.width, batch.len(), batch.tokens()), (2, 2, 3));
    assert_eq!(batch.ids, [2, 3, 4, 9]);
    assert_eq!(batch.type_ids, [1, 1, 1, 0]);
    assert_eq!((batch.lengths.as_slice(), batch.rows.as_slice()), ([2, 1].as_slice(), [0, 1].as_slice()));
    assert_eq!(batch.pad_mask(), [false, false, false, true]);
}

#[test]
fn left_padding_and_a_minimal_width_move_the_pads() {
    let batch = TokenBatch::from_rows_padded(&rows(), &[2, 1], 9, PadSide::Left, 4);
    assert_eq!(batch.ids, [9, 5, 6, 7, 9, 9, 9, 4]);
    assert_eq!(batch.type_ids, [0, 1, 1, 1, 0, 0, 0, 1]);
    assert_eq!(batch.pad_mask(), [true, false, false, false, true, true, true, false]);
    assert!(TokenBatch::from_rows(&rows(), &[], 9).is_empty());
}
