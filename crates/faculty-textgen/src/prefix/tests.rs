//! What prefixes are held to.

#[cfg(test)]
mod held {
    #![allow(clippy::unwrap_used)]

    use super::super::sampler::Sampler;
    use super::super::score::log_probabilities;
    use super::super::{Front, PrefixSpec, PrefixStart, PrefixTrainer, PrefixedLm, SoftPrefixes, rewards};
    use crate::sampling::draw;
    use crate::writer::prompt_tokens;
    use crate::{ClassSource, Judge, Sampling, Writing};
    use burn::module::{Module, Param};
    use burn::tensor::{Device, Tensor, TensorData};
    use faculty_core::metrics::log_sum_exp;
    use faculty_core::{NamedTensor, NamedTensors, Observer, Result, Silent, Stream};
    use faculty_model::CausalModel;
    use faculty_nn::host_values;
    use std::path::Path;

    fn model(name: &str) -> CausalModel {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../faculty-testkit/golden/causal");
        CausalModel::open(dir.join(name), &Device::flex()).unwrap()
    }

    fn writing(max_tokens: usize, batch: usize) -> Writing {
        let exact = Sampling { top_p: 1.0, ..Sampling::default() };
        Writing { sampling: exact, max_tokens, batch, stop: vec!["\n".to_owned()], ..Writing::default() }
    }

    /// Believes in class 0 as much as a text has letters of the first half of the alphabet.
    struct Letters;

    impl Judge for Letters {
        fn probabilities(&self, texts: &[String], _: &dyn Observer) -> Result<Vec<f32>> {
            let one = |text: &String| {
                let letters: Vec<char> = text.chars().filter(char::is_ascii_alphabetic).collect();
                let early = letters.iter().filter(|letter| letter.to_ascii_lowercase() < 'n').count();
                let share = (early as f32 + 0.5) / (letters.len() as f32 + 1.0);
                [share, 1.0 - share]
            };
            Ok(texts.iter().flat_map(one).collect())
        }
    }

    #[test]
    fn untrained_vectors_are_the_prompts_that_the_model_would_be_told_whatever_their_lengths() {
        for name in ["llama.gguf", "gpt2"] {
            let model = model(name);
            let prompts = ["pay", "play some music"];
            let vectors = SoftPrefixes::prompting(&model, &prompts).unwrap();
            let told = prompts.map(|prompt| prompt_tokens(&model, prompt).unwrap());
            assert!(told[0].len() < told[1].len() && vectors.length() == told[1].len());
            let texts: [&[u32]; 2] = [&[3, 8, 30, 4], &[12, 6]];
            let front = vectors.select(&[0, 1]);
            let found = host_values(log_probabilities(&model.network, front, &texts, &[]).unwrap()).unwrap();
            for ((prompt, tokens), found) in told.iter().zip(texts).zip(found) {
                let whole: Vec<u32> = prompt.iter().chain(tokens).copied().collect();
                let logits = host_values(model.network.all_logits(&whole, &[0])).unwrap();
                let rows: Vec<&[f32]> = logits.chunks_exact(model.config.vocab_size).collect();
                let at = prompt.len() - 1;
                let log_p = |n: usize| f64::from(rows[at + n][tokens[n] as usize]) - log_sum_exp(rows[at + n]);
                let expected: f64 = (0..tokens.len()).map(log_p).sum();
                assert!((f64::from(found) - expected).abs() < 1e-4, "{name}: {found} {expected}");
            }
            // And what is drawn behind them is what is drawn behind the prompts.
            let (writing, stream) = (writing(1, 4), Stream::new(3, "prefix test"));
            let sampler = Sampler { model: &model, prefixes: &vectors, writing: &writing, stream };
            let numbers: Vec<u64> = (0..12).collect();
            let classes: Vec<usize> = numbers.iter().map(|number| (number % 2) as usize).collect();
            let drawn = sampler.draw(&classes, &numbers, &Silent).unwrap();
            for (number, drawn) in drawn.iter().enumerate() {
                let prompt = &told[number % 2];
                let logits = host_values(model.network.all_logits(prompt, &[0])).unwrap();
                let last = &logits[logits.len() - model.config.vocab_size..];
                let candidates = writing.sampling.candidates(last, &[], model.tokenizer.end());
                assert_eq!(drawn.tokens, [draw(&candidates, stream.fork(number as u64).uniform_at(0))], "{name}");
            }
        }
    }

    #[test]
    fn what_never_comes_first_has_no_share_of_what_does() {
        let model = model("llama.gguf");
        let vectors = SoftPrefixes::prompting(&model, &["pay"]).unwrap();
        let vocabulary = model.config.vocab_size as u32;
        let texts: Vec<[u32; 2]> = (0..vocabulary).map(|token| [token, 5]).collect();
        let texts: Vec<&[u32]> = texts.iter().map(<[u32; 2]>::as_slice).collect();
        let told = |never: &[u32]| {
            let front = vectors.select(&vec![0; texts.len()]);
            host_values(log_probabilities(&model.network, front, &texts, never).unwrap()).unwrap()
        };
        // Whole texts of two tokens: what differs is the first one's share, and only by what the banned ones had.
        let (plain, without) = (told(&[]), told(&[3, 30]));
        let first = host_values(model.network.all_logits(&prompt_tokens(&model, "pay").unwrap(), &[0])).unwrap();
        let last = &first[first.len() - model.config.vocab_size..];
        let rest: Vec<f32> = (0..).zip(last).filter(|(token, _)| ![3, 30].contains(token)).map(|(_, &it)| it).collect();
        let expected = log_sum_exp(last) - log_sum_exp(&rest);
        assert!(expected > 1e-3, "{expected}");
        for (plain, without) in plain.iter().zip(without) {
            assert!((f64::from(without - plain) - expected).abs() < 1e-4, "{plain} {without} {expected}");
        }
    }

    #[test]
    fn the_gradient_reaches_the_vectors_and_is_that_of_differences() {
        let model = model("llama.gguf");
        let (texts, never): ([&[u32]; 1], _) = ([&[3, 8, 30]], [8, 12]);
        let labels = SoftPrefixes::saying(&model, &["pay"], 2).unwrap();
        let values = host_values(labels.rows.val()).unwrap();
        let shape = labels.rows.dims();
        let network = model.network.clone().train().no_grad();
        let device = network.words.val().device();
        let moving = Tensor::<3>::from_data(TensorData::new(values.clone(), shape), &device).require_grad();
        let front = |vectors: Tensor<3>| Front { vectors, padding: vec![0] };
        let gradients = log_probabilities(&network, front(moving.clone()), &texts, &never).unwrap().sum().backward();
        let gradient = host_values(moving.grad(&gradients).unwrap()).unwrap();
        let at = |values: Vec<f32>| {
            let prefix = Tensor::<3>::from_data(TensorData::new(values, shape), &model.device);
            f64::from(
                host_values(log_probabilities(&model.network, front(prefix), &texts, &never).unwrap()).unwrap()[0],
            )
        };
        for place in [0, 7, shape[2] + 3] {
            let moved = |by: f32| {
                let mut values = values.clone();
                values[place] += by;
                at(values)
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!(
                (slope - f64::from(gradient[place])).abs() < 2e-2 * (1.0 + slope.abs()),
                "{slope} {}",
                gradient[place]
            );
        }
    }

    #[test]
    fn a_text_is_the_same_whatever_is_drawn_beside_it() {
        let model = model("llama.gguf");
        let prefixes = SoftPrefixes::saying(&model, &["pay", "play"], 3).unwrap();
        let draw = |batch: usize, numbers: &[u64]| {
            let writing = writing(6, batch);
            let stream = Stream::new(3, "prefix test");
            let sampler = Sampler { model: &model, prefixes: &prefixes, writing: &writing, stream };
            let classes: Vec<usize> = numbers.iter().map(|number| (number % 2) as usize).collect();
            let drawn = sampler.draw(&classes, numbers, &Silent).unwrap();
            drawn.into_iter().map(|drawn| drawn.tokens).collect::<Vec<_>>()
        };
        let together = draw(8, &[0, 1, 2, 3, 4]);
        assert_eq!(draw(2, &[0, 1, 2, 3, 4]), together);
        assert_eq!(draw(1, &[3]), together[3..4]);
        assert!(together.iter().all(|tokens| (1..=6).contains(&tokens.len())), "{together:?}");
        assert!(together.windows(2).any(|pair| pair[0] != pair[1]), "{together:?}");
    }

    #[test]
    fn a_reward_is_hit_balance_drift_and_what_the_student_does_not_know() {
        let teacher = [0.8_f32, 0.2, 0.4, 0.6];
        let student = [0.5_f32, 0.5, 0.4, 0.6];
        let spec = PrefixSpec { balance: 1.0, fluency: 0.1, adversary: 2.0, ..PrefixSpec::default() };
        let found = rewards(&spec, &[0, 1], &[0, 1], &teacher, Some(&student), &[3.0, -1.0]);
        // p̄ = (0.6, 0.4).
        let balance = |p: f64| p * 0.6_f64.ln() + (1.0 - p) * 0.4_f64.ln();
        let unknown = 0.8 * (0.8_f64 / 0.5).ln() + 0.2 * (0.2_f64 / 0.5).ln();
        let expected = [0.8_f64.ln() - balance(0.8) - 0.3 + 2.0 * unknown, 0.6_f64.ln() - balance(0.4) + 0.1];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        // Who writes for one class alone does not write for the others' sake.
        let one = rewards(&spec, &[0], &[0, 0], &teacher, None, &[0.0, 0.0]);
        assert!((one[0] - (0.8_f64.ln() - 0.8 * 0.6_f64.ln())).abs() < 1e-6, "{one:?}");
    }

    #[test]
    fn training_raises_the_reward_and_moves_nothing_else() {
        let model = model("llama.gguf");
        let before = host_values(model.network.words.val()).unwrap();
        let start = SoftPrefixes::saying(&model, &["pay", "play"], 4).unwrap();
        let trainer = PrefixTrainer {
            model: &model,
            teacher: &Letters,
            classes: &[0, 1],
            student: None,
            stop: vec!["\n".to_owned()],
            seed: 1,
        };
        let spec = PrefixSpec {
            start: PrefixStart::Name,
            steps: 300,
            batch: 64,
            max_tokens: 6,
            learning_rate: 2.0,
            fluency: 0.0,
            ..PrefixSpec::default()
        };
        let (trained, report) = trainer.train(&spec, start.clone(), &Silent).unwrap();
        let (first, last) = report.ends().unwrap();
        assert!(last.reward > first.reward + 0.05 && last.hit > first.hit + 0.05, "{first:?} {last:?}");
        assert_eq!(host_values(model.network.words.val()).unwrap(), before);
        // The same seed gives the same bits.
        let (again, _) = trainer.train(&spec, start.clone(), &Silent).unwrap();
        assert_eq!(trained.export().unwrap(), again.export().unwrap());
        // Texts drawn far from the language model cost.
        let near = PrefixSpec { fluency: 2.0, ..spec };
        let (_, held) = trainer.train(&near, start.clone(), &Silent).unwrap();
        assert!(held.ends().unwrap().1.drift < last.drift, "{:?} {last:?}", held.ends());

        // Vectors of a class that is not written for stay; nothing drifts before anything is learnt from a prompt.
        let first = PrefixTrainer { classes: &[0], ..trainer };
        let told = PrefixSpec { start: PrefixStart::Prompt, steps: 2, ..spec };
        let (moved, report) = first.train(&told, start.clone(), &Silent).unwrap();
        let row = |prefixes: &SoftPrefixes, class: usize| host_values(prefixes.rows.val().narrow(0, class, 1)).unwrap();
        assert!(row(&moved, 1) == row(&start, 1) && row(&moved, 0) != row(&start, 0));
        assert!(report.points[0].drift.abs() < 1e-4, "{:?}", report.points[0]);

        let drawn = |class: usize| {
            let (writing, stream) = (writing(6, 32), Stream::new(2, "prefix test"));
            let sampler = Sampler { model: &model, prefixes: &trained, writing: &writing, stream };
            let numbers: Vec<u64> = (0..64).collect();
            let drawn = sampler.draw(&[class; 64], &numbers, &Silent).unwrap();
            drawn.into_iter().map(|drawn| drawn.text).collect::<Vec<String>>()
        };
        let share = |texts: &[String]| {
            let judged = Letters.probabilities(texts, &Silent).unwrap();
            judged.chunks_exact(2).map(|row| row[0]).sum::<f32>() / texts.len() as f32
        };
        let (one, other) = (share(&drawn(0)), share(&drawn(1)));
        assert!(one > other + 0.05, "{one} {other}");

        let source = PrefixedLm::new(model, trained, writing(6, 4), 2).unwrap();
        let texts = source.write_for(0, 0..64, &Silent).unwrap();
        assert_eq!(texts[5..6], source.write_for(0, 5..6, &Silent).unwrap());
    }

    struct One(NamedTensor);

    impl NamedTensors for One {
        fn names(&self) -> Vec<String> {
            vec![self.0.name.clone()]
        }
        fn shape(&self, name: &str) -> Option<Vec<usize>> {
            (name == self.0.name).then(|| self.0.shape.clone())
        }
        fn read(&self, _: &str) -> Result<Vec<f32>> {
            Ok(self.0.values.clone())
        }
        fn origin(&self) -> String {
            "memory".to_owned()
        }
    }

    #[test]
    fn prefixes_come_back_and_what_makes_no_sense_is_refused() {
        let model = model("llama.gguf");
        let prefixes = SoftPrefixes::saying(&model, &["pay", "play_music"], 4).unwrap();
        assert_eq!((prefixes.classes(), prefixes.length()), (2, 5), "and the token that begins texts");
        let rows = Param::from_tensor(prefixes.rows.val().zeros_like());
        let zeros = SoftPrefixes { rows, padding: prefixes.padding.clone() };
        let kept = One(prefixes.export().unwrap());
        assert_eq!(zeros.restored(&kept).unwrap().export().unwrap(), kept.0);
        let longer = SoftPrefixes::saying(&model, &["pay", "play_music"], 5).unwrap();
        assert!(longer.restored(&kept).unwrap_err().to_string().contains("shape"));

        let trainer = PrefixTrainer {
            model: &model,
            teacher: &Letters,
            classes: &[0, 1],
            student: None,
            stop: Vec::new(),
            seed: 1,
        };
        for (spec, key) in [
            (PrefixSpec { length: Some(0), start: PrefixStart::Name, ..PrefixSpec::default() }, "length"),
            (PrefixSpec { length: Some(9), ..PrefixSpec::default() }, "length"),
            (PrefixSpec { batch: 1, ..PrefixSpec::default() }, "batch"),
            (PrefixSpec { learning_rate: 0.0, ..PrefixSpec::default() }, "learning_rate"),
            (PrefixSpec { fluency: -1.0, ..PrefixSpec::default() }, "fluency"),
            (PrefixSpec { adversary: 0.1, ..PrefixSpec::default() }, "adversary"),
            (PrefixSpec { max_tokens: 100_000, ..PrefixSpec::default() }, "max_tokens"),
        ] {
            let error = trainer.train(&spec, prefixes.clone(), &Silent).unwrap_err().to_string();
            assert!(error.contains(key), "{key}: {error}");
        }
        // An adversary listens to its student.
        let student = PrefixTrainer { student: Some(&Letters), ..trainer };
        let spec = PrefixSpec { adversary: 0.1, steps: 1, batch: 2, max_tokens: 2, ..PrefixSpec::default() };
        assert_eq!(student.train(&spec, prefixes, &Silent).unwrap().1.points.len(), 1);
    }
}
