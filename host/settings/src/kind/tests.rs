//! Tests of reading numbers.

use super::*;

/// -1 and -2 are named each by itself, for each type of numbers and in each form of a value.
#[test]
fn minus_one_and_minus_two_mean_what_the_rule_says_and_nothing_else() {
    fn means<T: Kind<Rule = Whole<T>> + Copy>(rule: Whole<T>) -> [Option<T>; 3] {
        let of = |number: i128| {
            let whole = T::read(&Value::Integer(number), &rule);
            let float = match number {
                -1 => -1.0,
                -2 => -2.0,
                _ => -3.0,
            };
            let float = T::read(&Value::Float(float), &rule);
            assert_eq!(
                whole.map(|value| value.json()),
                float.map(|value| value.json())
            );
            whole
        };
        [of(-1), of(-2), of(-3)]
    }
    let rule = Whole::<u32>::new(0, 9);
    assert_eq!(means(rule), [None; 3]);
    assert_eq!(means(rule.minus_one(7)), [Some(7), None, None]);
    assert_eq!(means(rule.minus_two(8)), [None, Some(8), None]);
    assert_eq!(
        means(rule.minus_one(7).minus_two(8)),
        [Some(7), Some(8), None]
    );
    let rule = Whole::<u64>::new(0, 9).minus_one(7);
    assert_eq!(means(rule), [Some(7), None, None]);
    let signed = Whole::<i32>::new(-2, 9).minus_one(7);
    assert_eq!(means(signed), [Some(7), Some(-2), Some(-3)]);
}

/// Case M5.
#[test]
fn a_flag_takes_the_negative_numbers_that_its_setting_takes() {
    let rule = Whole::<u32>::new(0, 9);
    assert_eq!(u32::flag_form(&rule), FlagForm::Whole);
    for rule in [rule.minus_one(7), rule.minus_two(8)] {
        assert_eq!(u32::flag_form(&rule), FlagForm::Signed);
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn whole_numbers_say_their_range_and_keep_to_it() {
    let rule = Whole::<u32>::new(2, 9);
    assert_eq!(u32::allowed(&rule), "a whole number from 2 to 9");
    assert_eq!(
        u32::allowed(&Whole::new(2, u32::MAX).note("0: off")),
        "a whole number, 2 or more (0: off)"
    );
    let refused = [1, 2, 9, 10].map(|number: u32| number.refuse(&rule));
    let refused = refused.map(|refused| refused.unwrap_or_default());
    assert_eq!(refused, ["1", "", "", "10"]);
    let numbers = json!({"type": "integer", "minimum": 2, "maximum": 9});
    assert_eq!(u32::schema(&rule), numbers);
    let named = rule.minus_one(9).minus_two(9);
    let any = json!({"anyOf": [{"const": -1}, {"const": -2}, numbers]});
    assert_eq!(u32::schema(&named), any);
    // Floats that are whole are whole numbers, as far as they are exact.
    let read = |float| u64::read(&Value::Float(float), &Whole::new(0, u64::MAX));
    assert_eq!(read(512.0), Some(512));
    assert_eq!(read(999_999_999_999_999.0), Some(999_999_999_999_999));
    let others = [512.5, 1e15, -1.0, f64::NAN, f64::INFINITY].map(read);
    assert_eq!(others, [None; 5]);
    assert_eq!(u64::read(&text("1"), &Whole::new(0, 9)), None);
}

#[test]
fn numbers_say_their_range_and_keep_to_it() {
    let rule = Number::new(-1.0, 2.5, "0.0: off");
    assert_eq!(f32::flag_form(&rule), FlagForm::Number);
    assert_eq!(f32::allowed(&rule), "a number from -1.0 to 2.5 (0.0: off)");
    let read = [Value::Integer(2), Value::Float(0.5), text("1"), Value::Null];
    let read = read.map(|value| f32::read(&value, &rule));
    assert_eq!(read, [Some(2.0), Some(0.5), None, None]);
    let refused = [-1.5, -1.0, 2.5, 3.0, f32::NAN].map(|number| number.refuse(&rule));
    let refused = refused.map(|refused| refused.unwrap_or_default());
    assert_eq!(refused, ["-1.5", "", "", "3", "NaN"]);
    assert_eq!((0.1f32.json(), f32::NAN.json()), (json!(0.1), Json::Null));
    let schema = json!({"type": "number", "minimum": -1.0, "maximum": 2.5});
    assert_eq!(f32::schema(&rule), schema);
}

#[test]
fn truth_values_are_true_or_false() {
    assert_eq!(bool::flag_form(&Any), FlagForm::Switch);
    let read = [Value::Bool(true), Value::Bool(false), Value::Integer(1)];
    let read = read.map(|value| bool::read(&value, &Any));
    assert_eq!(read, [Some(true), Some(false), None]);
    assert_eq!((true.refuse(&Any), false.refuse(&Any)), (None, None));
    assert_eq!(bool::allowed(&Any), "true or false");
    assert_eq!((true.json(), false.json()), (json!(true), json!(false)));
    assert_eq!(bool::schema(&Any), json!({"type": "boolean"}));
}

#[test]
fn durations_are_milliseconds_and_end_at_their_bound() {
    let day = 24 * 3600 * 1000;
    for (rule, words, least, most) in [
        (Millis::UP_TO_A_DAY, "from 0 to 86400000 (a day)", 0, day),
        (Millis::TO_A_DAY, "from 1 to 86400000 (a day)", 1, day),
        (
            Millis::A_SECOND_TO_A_YEAR,
            "from 1000 to 31536000000 (a year)",
            1000,
            365 * day,
        ),
    ] {
        let allowed = format!("a whole number of milliseconds {words}");
        assert_eq!(Duration::allowed(&rule), allowed);
        let read = |millis: u64| Duration::read(&Value::Integer(millis.into()), &rule).unwrap();
        assert_eq!(read(least).refuse(&rule), None);
        assert_eq!(read(most).refuse(&rule), None);
        assert_eq!(read(most + 1).refuse(&rule), Some((most + 1).to_string()));
        // A fraction above the bound is above it, and one below it is not.
        let fraction = Duration::from_micros(1);
        assert_eq!(
            (read(most) + fraction).refuse(&rule),
            Some(most.to_string())
        );
        assert_eq!((read(most) - fraction).refuse(&rule), None);
        if least > 0 {
            let below = read(least) - fraction;
            assert_eq!(below.refuse(&rule), Some((least - 1).to_string()));
        }
        let schema = json!({"type": "integer", "minimum": least, "maximum": most});
        assert_eq!(Duration::schema(&rule), schema);
    }
    let rule = Millis::TO_A_DAY;
    assert_eq!(Duration::flag_form(&rule), FlagForm::Duration);
    assert_eq!(Duration::from_micros(2500).json(), json!(2));
    let half = Duration::from_micros(500);
    assert_eq!(
        Duration::of_flag(FlagValue::Duration(half), &rule),
        Ok(half)
    );
    let error = Duration::of_flag(FlagValue::Whole(1), &rule).unwrap_err();
    assert!(
        error.starts_with("give a whole number of milliseconds"),
        "{error}"
    );
    assert_eq!(Duration::read(&text("1s"), &rule), None);
}

#[test]
fn lists_of_texts_are_bounded_in_number_and_length() {
    type List = Vec<String>;

    let rule = Texts { most: 2, bytes: 3 };
    assert_eq!(List::flag_form(&rule), FlagForm::Texts);
    assert_eq!(
        List::allowed(&rule),
        "a list of at most 2 strings of 1 to 3 bytes"
    );
    let list = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<List>();
    let read = |value| List::read(&value, &rule);
    assert_eq!(
        read(Value::List(vec![text("a"), text("b")])),
        Some(list(&["a", "b"]))
    );
    assert_eq!(read(text("one")), Some(list(&["one"])));
    assert_eq!(read(text("")), Some(list(&[])));
    assert_eq!(read(Value::List(vec![text("a"), Value::Null])), None);
    assert_eq!(read(Value::Integer(1)), None);
    let refused = |texts: &[&str]| list(texts).refuse(&rule).unwrap_or_default();
    assert_eq!(
        (refused(&["a", "abc"]), refused(&[])),
        (String::new(), String::new())
    );
    assert_eq!(refused(&["a", "b", "c"]), "a list of 3");
    assert_eq!(refused(&["a", "abcd"]), "a list with a string of 4 bytes");
    assert_eq!(refused(&["", "a"]), "a list with a string of 0 bytes");
    assert_eq!(list(&["a"]).json(), json!(["a"]));
    let texts = json!({"type": "string", "minLength": 1, "maxLength": 3});
    let texts = json!({"type": "array", "items": texts, "maxItems": 2});
    let schema = json!({"anyOf": [{"type": "string"}, texts]});
    assert_eq!(List::schema(&rule), schema);
}

#[test]
fn names_are_read_as_they_are_written() {
    use crate::KvType;

    assert_eq!(KvType::flag_form(&Any), FlagForm::Text);
    assert_eq!(KvType::allowed(&Any), "one of f16, q8_0");
    assert_eq!(KvType::schema(&Any), json!({"enum": ["f16", "q8_0"]}));
    for one in KvType::ALL {
        let named = text(one.name());
        assert_eq!(KvType::read(&named, &Any), Some(one));
        assert_eq!((one.json(), one.refuse(&Any)), (json!(one.name()), None));
        let flag = FlagValue::Text(one.to_string());
        assert_eq!(KvType::of_flag(flag, &Any), Ok(one));
    }
    assert_eq!(KvType::read(&text("q4"), &Any), None);
    assert_eq!(KvType::read(&Value::Integer(1), &Any), None);
    let error = KvType::of_flag(FlagValue::Text("q4".to_owned()), &Any).unwrap_err();
    assert_eq!(error, "`q4` is no KV type: give one of f16, q8_0");
    let error = KvType::of_flag(FlagValue::Whole(1), &Any).unwrap_err();
    assert_eq!(error, "give one of f16, q8_0");
}
