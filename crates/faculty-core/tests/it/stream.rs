use faculty_core::Stream;

#[test]
fn draws_equal_an_independent_implementation() {
    // SplitMix64 from state 0, as published; the rest by a second implementation of the documented rules.
    let zero = Stream::from_key(0);
    let published = [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f];
    assert_eq!([zero.u64_at(0), zero.u64_at(1), zero.u64_at(2)], published);
    let order = Stream::new(1, "order");
    assert_eq!(order.key(), 0x115d_d2fb_80be_9e9d);
    assert_eq!(order.u64_at(0), 0x5981_49fe_d714_f95a);
    assert_eq!(order.fork(3).key(), 0x234f_1fed_fbdd_e2e7);
    assert_eq!(order.fork(3).u64_at(7), 0xa89a_493c_3415_de8a);
    assert_eq!(order.permutation(10), [1, 8, 9, 6, 4, 7, 5, 2, 3, 0]);
    assert_eq!(order.uniform_at(0), 0.349_629_044_262_730_45);
}

#[test]
fn a_draw_depends_on_nothing_but_seed_name_and_position() {
    let stream = Stream::new(7, "dropout").fork(3);
    let forwards: Vec<u64> = (0..100).map(|i| stream.u64_at(i)).collect();
    let backwards: Vec<u64> = (0..100).rev().map(|i| stream.u64_at(i)).collect();
    assert!(forwards.iter().eq(backwards.iter().rev()));
    let others =
        [Stream::new(8, "dropout").fork(3), Stream::new(7, "order").fork(3), Stream::new(7, "dropout").fork(4)];
    for other in others {
        assert!((0..100).all(|i| other.u64_at(i) != stream.u64_at(i)));
    }
}

#[test]
fn uniforms_lie_in_the_unit_interval_and_spread_evenly() {
    let stream = Stream::new(1, "uniform");
    let mut bins = [0u32; 10];
    for i in 0..100_000 {
        let value = stream.uniform_at(i);
        assert!((0.0..1.0).contains(&value));
        bins[(value * 10.0) as usize] += 1;
    }
    // 10,000 expected, standard deviation 95.
    assert!(bins.iter().all(|&count| count.abs_diff(10_000) < 500), "{bins:?}");
}

#[test]
fn normals_have_mean_zero_and_variance_one() {
    let stream = Stream::new(1, "normal");
    let values: Vec<f64> = (0..100_000).map(|i| stream.normal_at(i)).collect();
    let mean = values.iter().sum::<f64>() / 1e5;
    let variance = values.iter().map(|value| value * value).sum::<f64>() / 1e5 - mean * mean;
    assert!(values.iter().all(|value| value.is_finite()));
    assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
}

#[test]
fn integers_stay_below_their_bound_and_reach_all_values() {
    let stream = Stream::new(1, "below");
    for bound in 1..40 {
        let mut seen = vec![false; bound as usize];
        (0..2000).for_each(|i| seen[stream.below_at(i, bound) as usize] = true);
        assert!(seen.iter().all(|&hit| hit), "{bound}");
    }
    assert_eq!(stream.below_at(0, 0), 0);
}

#[test]
fn a_permutation_holds_everything_once_and_every_place_is_likely() {
    let mut firsts = [0u32; 5];
    for trial in 0..5000 {
        let order = Stream::new(1, "shuffle").fork(trial).permutation(5);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [0, 1, 2, 3, 4]);
        firsts[order[0]] += 1;
    }
    assert!(firsts.iter().all(|&count| count.abs_diff(1000) < 150), "{firsts:?}");
    assert!(Stream::new(1, "x").permutation(0).is_empty());
}
