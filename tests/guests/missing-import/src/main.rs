//! Promise: a component that imports what the host lacks is refused with the name of what is
//! missing.
//!
//! A package of its own, because it has an interface of its own.

wit_bindgen::generate!({
    inline: "
        package test:absent;
        interface nothing { nop: func(); }
        world guest { import nothing; }
    ",
});

fn main() {
    test::absent::nothing::nop();
}
