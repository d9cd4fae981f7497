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
