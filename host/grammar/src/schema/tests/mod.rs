//! Tests of schemas as a whole.

use super::*;

#[test]
fn what_is_no_schema_is_refused_with_the_reason() {
    for (text, reason) in [
        ("{\"type\": ", "line 1 column 9"),
        ("[]", "an object"),
        ("7", "an object"),
        ("false", "no value"),
        (&"{\"items\":".repeat(7000), "recursion limit"),
    ] {
        let refused = read(text).unwrap_err();
        assert!(refused.contains(reason), "{text:.40}: {refused}");
    }
}
