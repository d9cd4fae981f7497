//! Tests of the settings of sampling that have types of their own.

use super::*;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn greedy_is_a_temperature_of_0_and_nothing_else() {
    let greedy = Sampling {
        temperature: Some(0.0),
        ..Sampling::default()
    };
    assert_eq!(Sampling::greedy(), greedy);
}

#[test]
fn a_single_setting_is_read_by_any_of_its_names_and_only_within_its_range() {
    let mut sampling = Sampling::default();
    assert!(read_sampling(&mut sampling, "temp", &Value::Float(0.5)));
    assert!(read_sampling(&mut sampling, "top_k", &Value::Integer(7)));
    assert_eq!((sampling.temperature, sampling.top_k), (Some(0.5), Some(7)));
    let before = sampling.clone();
    assert!(!read_sampling(
        &mut sampling,
        "temperature",
        &Value::Float(-0.5)
    ));
    assert!(!read_sampling(&mut sampling, "temperature", &text("hot")));
    assert!(!read_sampling(&mut sampling, "heat", &Value::Float(0.5)));
    assert_eq!(sampling, before);
}

#[test]
fn the_greatest_seed_and_minus_one_are_random() {
    assert_eq!(Seed::flag_form(&Any), FlagForm::Signed);
    let read = |number| Seed::read(&Value::Integer(number), &Any);
    let most = i128::from(u32::MAX);
    assert_eq!(
        (read(-1), read(most)),
        (Some(Seed::Random), Some(Seed::Random))
    );
    assert_eq!(read(0), Some(Seed::Fixed(0)));
    assert_eq!(read(most - 1), Some(Seed::Fixed(u32::MAX - 1)));
    assert_eq!((read(-2), read(most + 1)), (None, None));
    assert_eq!(
        Seed::Fixed(u32::MAX).refuse(&Any),
        Some("4294967295".to_owned())
    );
    assert_eq!(
        (Seed::Fixed(7).refuse(&Any), Seed::Random.refuse(&Any)),
        (None, None)
    );
    assert_eq!(
        (Seed::Fixed(7).json(), Seed::Random.json()),
        (json!(7), json!(-1))
    );
    let schema = json!({"type": "integer", "minimum": -1, "maximum": u32::MAX});
    assert_eq!(Seed::schema(&Any), schema);
    assert_eq!(
        Seed::allowed(&Any),
        "a whole number from 0 to 4294967294, or -1 (random)"
    );
}

fn bias(target: BiasTarget, bias: f32) -> LogitBias {
    LogitBias { target, bias }
}

#[test]
fn biases_are_read_from_a_table_and_from_a_list_of_pairs() {
    let of = |text: &str| {
        let value: Json = serde_json::from_str(text).unwrap();
        Vec::<LogitBias>::read(&value.into(), &Biases)
    };
    let token = |bias| self::bias(BiasTarget::Token(15), bias);
    let word = |bias| self::bias(BiasTarget::Text("no".to_owned()), bias);
    let both = Some(vec![token(0.5), word(f32::NEG_INFINITY)]);
    assert_eq!(of(r#"{"15": 0.5, "no": false}"#), both);
    assert_eq!(of(r#"[[15, 0.5], ["no", false]]"#), both);
    assert_eq!(
        of(r#"[["15", 2]]"#).unwrap()[0].target,
        BiasTarget::Text("15".to_owned())
    );
    for bad in [
        r#"{"15": true}"#,
        r#"{"15": "x"}"#,
        "[15]",
        "[[15]]",
        "[[15, 1, 2]]",
        "[[-1, 1]]",
        "[[4294967296, 1]]",
        "7",
    ] {
        assert_eq!(of(bad), None, "{bad}");
    }
}

#[test]
fn biases_are_bounded_in_number_size_and_length() {
    let refused = |list: Vec<LogitBias>| list.refuse(&Biases).unwrap_or_default();
    let token = |bias| self::bias(BiasTarget::Token(1), bias);
    let word = |bytes| self::bias(BiasTarget::Text("x".repeat(bytes)), 1.0);
    for good in [
        vec![token(1000.0), token(-1000.0), token(f32::NEG_INFINITY)],
        vec![word(1), word(256)],
        vec![token(0.0); 1024],
    ] {
        assert_eq!(refused(good), "");
    }
    assert_eq!(refused(vec![token(0.0); 1025]), "a list of 1025");
    assert_eq!(
        refused(vec![token(1.0), token(1000.5)]),
        "1000.5 for token 1"
    );
    assert_eq!(refused(vec![token(f32::INFINITY)]), "inf for token 1");
    assert_eq!(refused(vec![word(0)]), "1 for a text of 0 bytes");
    assert_eq!(refused(vec![word(257)]), "1 for a text of 257 bytes");
    assert_eq!(
        Vec::<LogitBias>::allowed(&Biases),
        "1024 at most, each a token's id or a text of 1 to 256 bytes, with a number from -1000.0 \
         to 1000.0 or false (never)"
    );
}

#[test]
fn biases_are_shown_as_pairs() {
    let list = vec![
        bias(BiasTarget::Token(1), 0.1),
        bias(BiasTarget::Text("no".to_owned()), f32::NEG_INFINITY),
    ];
    assert_eq!(list.json(), json!([[1, 0.1], ["no", false]]));
    let schema = Vec::<LogitBias>::schema(&Biases);
    let [table, pairs] = [&schema["anyOf"][0], &schema["anyOf"][1]];
    let number = json!({"type": "number", "minimum": -1000.0, "maximum": 1000.0});
    assert_eq!(
        table["additionalProperties"]["anyOf"],
        json!([number, {"const": false}])
    );
    assert_eq!(
        (&table["maxProperties"], &pairs["maxItems"]),
        (&json!(1024), &json!(1024))
    );
}

#[test]
fn samplers_are_read_by_all_names_and_each_once() {
    use SamplerName::{Dry, MinP, Temperature, TopK, TypicalP};

    type List = Vec<SamplerName>;

    let read = |value| List::read(&value, &Samplers);
    let named = " top-k;typ_p;typical;temp;min_p";
    let all = vec![TopK, TypicalP, TypicalP, Temperature, MinP];
    assert_eq!(read(text(named)), Some(all.clone()));
    let list = named.split(';').map(text).collect();
    assert_eq!(read(Value::List(list)), Some(all.clone()));
    assert_eq!(read(text("")), Some(Vec::new()));
    assert_eq!((read(text("top_k;")), read(text("hot"))), (None, None));
    assert_eq!(read(Value::List(vec![Value::Integer(1)])), None);
    assert_eq!(read(Value::Integer(1)), None);
    let twice = all.refuse(&Samplers);
    assert_eq!(twice.as_deref(), Some("a list with `typical_p` twice"));
    assert_eq!(vec![TopK, MinP, Dry].refuse(&Samplers), None);
    assert_eq!(SamplerName::DEFAULT.to_vec().refuse(&Samplers), None);
    assert_eq!(vec![TopK, MinP].json(), json!(["top_k", "min_p"]));
    assert!(List::allowed(&Samplers).starts_with("a list of different ones of penalties, dry,"));
    let schema = List::schema(&Samplers);
    assert_eq!(schema["anyOf"][0]["uniqueItems"], json!(true));
    assert_eq!(schema["anyOf"][0]["items"]["enum"][0], json!("penalties"));
}
