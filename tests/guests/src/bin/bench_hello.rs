//! Measures: what a component costs that does nothing.

fn main() {}
