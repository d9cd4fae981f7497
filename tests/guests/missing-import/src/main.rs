//! Promise: the host refuses a component with an import that it lacks, and names the import.
//!
//! The guest is a separate package because it defines its own interface.

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
