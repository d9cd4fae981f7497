//! Runs each seed of the fuzz target `ephemeral` once: core modules that call with arbitrary
//! arguments.

use std::path::Path;

use mynah_tests::hostile::ephemeral;

#[test]
fn the_seeds_of_ephemeral_keep_its_promises() {
    let folder = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../fuzz/corpus/ephemeral"
    ));
    let mut count = 0;
    for seed in std::fs::read_dir(folder).unwrap() {
        let path = seed.unwrap().path();
        let ran = std::panic::catch_unwind(|| ephemeral(&std::fs::read(&path).unwrap()));
        assert!(
            ran.is_ok(),
            "{} breaks a promise, see above",
            path.display()
        );
        count += 1;
    }
    assert!(count > 0);
}
