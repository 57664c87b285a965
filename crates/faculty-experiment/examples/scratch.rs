use faculty_core::{Event, Observer};
struct P(std::time::Instant);
impl Observer for P { fn on(&self, e: Event<'_>) { match e { Event::Advance{..} => {}, e => println!("{:7.1} {e:?}", self.0.elapsed().as_secs_f64()) } } }
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let mut o = faculty_experiment::ExperimentOptions::new(&a[1]);
    if a[2] != "-" { o.overrides.tier = Some(a[2].clone()); }
    o.out = Some(a[3].clone().into()); o.overrides.set = a[4..].to_vec();
    let s = faculty_experiment::run_experiment(&o, &P(std::time::Instant::now())).unwrap_or_else(|e| panic!("{e}"));
    println!("{}\n{:?} {:?} {} s {:?}", s.table, s.run_dir, s.student_dir, s.seconds, s.peak_memory_bytes);
}
