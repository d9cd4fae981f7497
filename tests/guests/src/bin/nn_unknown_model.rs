//! Promise: a model that doesn't exist and one that isn't granted are answered alike. Arguments are
//! more names to try.

use mynah_guest::Model;
use mynah_test_guests::{Done, refused};

fn main() -> Done {
    let named = std::env::args().skip(1);
    for name in ["no-such-model".to_owned()].into_iter().chain(named) {
        refused(&name, &["not-found"], Model::load(&name))?;
    }
    Ok(())
}
