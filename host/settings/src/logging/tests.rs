//! Tests of what is logged, and of the types of these settings.

use super::*;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn colours_are_named_or_switched() {
    use LogColors::{Always, Auto, Never};

    for (value, colours) in [
        (Value::Bool(true), Some(Auto)),
        (Value::Bool(false), Some(Never)),
        (text("always"), Some(Always)),
        (text("auto"), Some(Auto)),
        (text("never"), Some(Never)),
        (text("blue"), None),
        (Value::Integer(1), None),
    ] {
        assert_eq!(LogColors::read(&value, &Any), colours, "{value}");
    }
    let flag = |value| LogColors::of_flag(value, &Any);
    assert_eq!(flag(FlagValue::Text("always".to_owned())), Ok(Always));
    let error = flag(FlagValue::Text("blue".to_owned())).unwrap_err();
    assert_eq!(
        error,
        "`blue` is no choice of colours: give one of auto, always, never"
    );
    let error = flag(FlagValue::Switch(true)).unwrap_err();
    assert_eq!(
        error,
        "give one of auto, always, never, or true (auto) or false (never)"
    );
    assert_eq!(
        (Always.json(), Always.refuse(&Any)),
        (json!("always"), None)
    );
    let schema = json!({"enum": ["auto", "always", "never", true, false]});
    assert_eq!(LogColors::schema(&Any), schema);
}

#[test]
fn a_text_is_not_empty() {
    let rule = Text("a path");
    assert_eq!(String::allowed(&rule), "a path");
    assert_eq!(String::read(&text("a"), &rule).as_deref(), Some("a"));
    assert_eq!(String::read(&Value::Integer(1), &rule), None);
    let refused = ["a", "", " \n"].map(|text| text.to_owned().refuse(&rule));
    let empty = Some("an empty text".to_owned());
    assert_eq!(refused, [None, empty.clone(), empty]);
    assert_eq!("a".to_owned().json(), json!("a"));
    assert_eq!(
        String::schema(&rule),
        json!({"type": "string", "minLength": 1})
    );
}

#[test]
fn level_debug_and_filter_make_one_filter() {
    let of = |level, enable_debug, filter: Option<&str>| {
        let settings = LoggingSettings {
            level,
            enable_debug,
            filter: filter.map(str::to_owned),
            ..LoggingSettings::default()
        };
        settings.directives()
    };
    assert_eq!(of(None, None, None), None);
    assert_eq!(of(None, Some(false), None), None);
    assert_eq!(of(Some(LogLevel::Info), None, None).unwrap(), "info");
    let both = of(Some(LogLevel::Error), Some(true), Some("mynah::task=info"));
    assert_eq!(both.unwrap(), "error,mynah=debug,mynah::task=info");
    let quiet = of(None, Some(true), None).unwrap();
    assert_eq!(quiet, "warn,mynah=debug");
    assert_eq!(of(None, None, Some("a=info")).unwrap(), "warn,a=info");
    // A level above debug stays in force.
    let same = of(Some(LogLevel::Debug), Some(true), None);
    assert_eq!(same.unwrap(), "debug");
    let trace = of(Some(LogLevel::Trace), Some(true), None);
    assert_eq!(trace.unwrap(), "trace");
}
