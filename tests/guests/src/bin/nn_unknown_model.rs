//! Promise: a model that does not exist and one that is not granted give the same error. Arguments
//! are further names to try.

use mynah_guest::Model;
use mynah_test_guests::{Done, refused};

fn main() -> Done {
    let named = std::env::args().skip(1);
    for name in ["no-such-model".to_owned()].into_iter().chain(named) {
        refused(&name, &["not-found"], Model::load(&name))?;
    }
    Ok(())
}
