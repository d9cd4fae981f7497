//! Tries the example of each row of the list of what is supported, and compares it with the page.

use mynah_settings::supported::{Support, section, table};

use super::*;
use crate::supported::SUPPORTED;

#[test]
fn each_row_does_what_it_says() {
    for row in SUPPORTED {
        let rendered = of(row.example, "{}");
        match row.support {
            Support::Yes => assert!(rendered.is_ok(), "{}: {rendered:?}", row.construct),
            Support::No => assert!(rendered.is_err(), "{}: {rendered:?}", row.construct),
            Support::Partly => panic!("{}: no row may lose a part in silence", row.construct),
        }
    }
}

#[test]
fn the_page_has_this_list() {
    let page = include_str!("../../../../../docs/supported.md");
    assert_eq!(section(page, "Jinja"), Some(table(SUPPORTED).as_str()));
}
