//! Tests of what is rendered, and what is refused.

use super::*;

mod differential;
mod supported;

fn bounds() -> Bounds {
    Bounds {
        text: 100_000,
        mark: None,
        now: None,
        steps: FUEL,
    }
}

fn of(source: &str, variables: &str) -> Result<String, String> {
    let Data::Object(variables) = Data::read(variables).unwrap() else {
        panic!("{variables}");
    };
    render(source, &variables, &bounds())
}

fn ok(source: &str) -> String {
    of(source, "{}").unwrap_or_else(|error| panic!("{source}: {error}"))
}

#[test]
fn everything_in_the_language_stays_what_it_is() {
    for (source, expected) in [
        (
            "{{ 1 + 2 * 3 - 4 // 3 }} {{ 7 % 4 }} {{ 2 ** 8 }} {{ 5 / 2 }} {{ -(3) }}",
            "6 3 256 2.5 -3",
        ),
        ("{{ 'a' + 'b' ~ 1 ~ none ~ true }}", "ab1NoneTrue"),
        (
            "{{ 'ab' * 3 }}{{ ([1, 2] * 2)[3] }}{{ ([1] + [2])|length }}",
            "ababab22",
        ),
        (
            "{{ 'abc'[1:] }}{{ [1, 2, 3][::-1] }}{{ [1, 2, 3][-1] }}",
            "bc[3, 2, 1]3",
        ),
        ("{{ 1 if 2 > 1 else 3 }}{{ 'x' if false }}", "1"),
        (
            "{{ 1 < 2 < 3 }}{{ 1 in [1] }}{{ 'a' not in 'abc' }}{{ not true or false }}",
            "TrueTrueFalseFalse",
        ),
        (
            "{{ {'a': 1, 'b': [2]}['b'][0] }}{{ {'a': 1}.a }}{{ {}.a is defined }}",
            "21False",
        ),
        (
            "{% for k, v in {'b': 1, 'a': 2}|dictsort %}{{ k }}{{ v }}{% endfor %}",
            "a2b1",
        ),
        (
            "{% for k, v in {'b': 1, 'a': 2}.items() %}{{ k }}{{ v }}{% endfor %}",
            "b1a2",
        ),
        (
            "{% for i in range(5) if i is odd %}{{ loop.index }}{{ i }}{% else %}x{% endfor %}",
            "1123",
        ),
        ("{% for i in [] %}{% else %}none{% endfor %}", "none"),
        (
            "{% for i in range(9) %}{% if i == 1 %}{% continue %}{% endif %}{% if i > 3 %}{% break %}{% endif %}{{ i }}{% endfor %}",
            "023",
        ),
        (
            "{% set ns = namespace(a=1) %}{% for i in range(3) %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}",
            "4",
        ),
        (
            "{% set a, b = [1, 2] %}{{ a }}{{ b }}{% with c = 3 %}{{ c }}{% endwith %}",
            "123",
        ),
        (
            "{% set x %}a{{ 1 }}b{% endset %}{{ x|upper }}{% filter upper %}c{% endfilter %}",
            "A1BC",
        ),
        ("{% set x | upper | trim %} a {% endset %}[{{ x }}]", "[A]"),
        (
            "{% macro m(a, b=2) %}{{ a }}{{ b }}{{ caller() if caller }}{% endmacro %}{{ m(1) }}{{ m(1, b=3) }}",
            "1213",
        ),
        (
            "{% macro m(a) %}<{{ caller(a) }}>{% endmacro %}{% call(x) m(7) %}{{ x }}!{% endcall %}",
            "<7!>",
        ),
        (
            "{% macro m(n) %}{{ n }}{% if n %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(5) }}",
            "543210",
        ),
        (
            "{% for x in [1, [2, [3]]] recursive %}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}{% endif %}{% endfor %}",
            "1(2(3))",
        ),
        (
            "{{ dict(a=1, **{'b': 2})|tojson }}{% do namespace() %}",
            "{\"a\": 1, \"b\": 2}",
        ),
        (
            "{{ [{'n': 'x'}, {'n': 'y'}]|map(attribute='n')|join(', ') }}",
            "x, y",
        ),
        (
            "{{ [{'r': 'a'}, {'r': 'b'}]|selectattr('r', 'equalto', 'b')|list|length }}",
            "1",
        ),
        (
            "{{ ' a'.strip() }}{{ 'a-b'.split('-')[1] }}{{ 'aXb'.replace('X', '') }}{{ \
             'ab'.startswith('a') }}",
            "ababTrue",
        ),
        (
            "{{ '-'.join(['a', 1]) }}{{ '{}:{b}'.format(1, b=2) }}{{ '%s-%03d'|format('x', 7) }}",
            "a-11:2x-007",
        ),
        (
            "{{ 'a\nb\n\nc'|indent(2) }}|{{ 'a\nb'|indent(1, first=true) }}",
            "a\n  b\n\n  c| a\n b",
        ),
        (
            "{{ undefined_thing }}{{ undefined_thing is defined }}{{ undefined_thing|default('d') \
             }}",
            "Falsed",
        ),
        ("{%- raw %}{{ x }}{% endraw -%} {# gone #}", "{{ x }}"),
        ("{% generation %}a{% endgeneration %}", "a"),
        (
            "{{ (1, 'a') }}{{ (1,)[0] }}{{ [1, 'a', none, true, 1.5, {'k': 'v'}] }}",
            "(1, 'a')1[1, 'a', None, True, 1.5, {'k': 'v'}]",
        ),
    ] {
        assert_eq!(ok(source), expected, "{source}");
    }
}

#[test]
fn what_would_take_memory_stack_or_time_is_an_error() {
    let doubled = "{% set ns = namespace(x='xxxxxxxx') %}{% for i in range(60) %}{% set ns.x = ns.x OP ns.x %}{% endfor %}";
    let grown = "{% set ns = namespace(x=[1]) %}{% for i in range(90000) %}{% set ns.x = GROWN %}{% endfor %}{{ ns.x }}";
    for source in [
        // Texts.
        doubled.replace("OP", "~"),
        doubled.replace("OP", "+"),
        "{{ 'x' * 10**12 }}".to_owned(),
        "{{ 'x' * 99999999 }}".to_owned(),
        "{% set a = 'x' * 99999999 %}".repeat(1000),
        format!("{{% set x %}}{{% for i in range(90000) %}}{}{{% endfor %}}{{% endset %}}", "y".repeat(100_000)),
        "{% macro m() %}{% for i in range(90000) %}{% for i in range(90000) %}x{% endfor %}{% endfor %}{% endmacro %}{{ m() }}".to_owned(),
        "{% set a = 'x' * 90000 %}{{ a.replace('x', a) }}".to_owned(),
        "{% set a = 'x' * 90000 %}{{ a|replace('x', a) }}".to_owned(),
        "{% set a = 'x' * 90000 %}{{ range(90000)|join(a) }}".to_owned(),
        "{% set a = 'x' * 90000 %}{{ a.join(range(90000)) }}".to_owned(),
        "{% set a = 'x' * 90000 %}{{ ('{0}' * 90000).format(a) }}".to_owned(),
        "{{ '{:999999999999}'.format(1) }}".to_owned(),
        "{{ '%999999999d'|format(1) }}".to_owned(),
        "{{ '{:{}}'.format(1, 999999999999) }}".to_owned(),
        "{{ '%*d'|format(999999999999, 1) }}".to_owned(),
        "{{ 'x' | indent(10**12) }}{{ ('\n' * 90000) | indent('y' * 90000, blank=true) \
         }}".to_owned(),
        "{{ [1] | tojson(indent=10**12) }}".to_owned(),
        "{{ ['x' * 90000] | map('replace', 'x', 'y' * 90000) | list }}".to_owned(),
        "{% set a = ['x' * 90000] * 90000 %}{{ a }}".to_owned(),
        // Lists and objects.
        "{{ ([1] * 10**12)|list|length }}".to_owned(),
        "{{ ([1] * 10**12)|length }}".to_owned(),
        "{{ [1]|batch(10**12, 0)|list }}".to_owned(),
        "{{ [1]|slice(10**12)|list }}".to_owned(),
        grown.replace("GROWN", "[ns.x]"),
        grown.replace("GROWN", "[ns.x, ns.x]"),
        grown.replace("GROWN", "{'a': ns.x}"),
        grown.replace("GROWN", "dict(a=ns.x)"),
        grown.replace("GROWN", "namespace(x=ns.x)"),
        grown.replace("GROWN", "ns.x + ns.x"),
        grown.replace("GROWN", "[ns.x]|list"),
        grown.replace("GROWN", "[ns.x]|map('default', 1)"),
        "{% set x = [x] %}".repeat(60_000),
        "{% set x = namespace(x=x) %}".repeat(30_000),
        // Values that contain themselves.
        "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}".to_owned(),
        "{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns }}".to_owned(),
        "{% set ns = namespace() %}{% set ns.x = {'a': ns} %}{{ ns|string }}".to_owned(),
        "{% set ns = namespace() %}{% with ns.x = ns %}{{ ns|tojson }}{% endwith %}".to_owned(),
        "{% set ns = namespace() %}{% for ns.x in [ns] %}{{ ns|upper }}{% endfor %}".to_owned(),
        "{% set ns = namespace() %}{% set (ns.x, b) = (ns, ns) %}{{ ns ~ ns }}".to_owned(),
        "{% set ns = namespace() %}{% macro m() %}{{ ns }}{% endmacro %}{% set ns.x = m %}".to_owned(),
        "{% set ns = namespace() %}{% for i in [1] %}{% set ns.x = loop %}{% endfor %}".to_owned(),
        // Lists that grow.
        "{% set l = [1] %}{% for i in range(90000) %}{% set _ = l.append(l) %}{% endfor %}{{ l }}".to_owned(),
        "{% set l = [] %}{% for i in range(90000) %}{% set _ = l.append([l]) %}{% endfor %}".to_owned(),
        "{% set l = [] %}{% set a = 'x' * 90000 %}{% for i in range(90000) %}{% set _ = l.append(a) %}{% endfor %}".to_owned(),
        "{% set l = [] %}{% for i in range(900) %}{% set _ = l.append('x' * 90000 ~ i) %}{% set _ = l.append(l) %}{% endfor %}".to_owned(),
        "{% set ns = namespace(l=[]) %}{% set _ = ns.l.append(ns) %}{{ ns }}".to_owned(),
        "{% set ns = namespace(l=[]) %}{% set _ = ns.l.append([{'a': ns}]) %}{{ ns }}".to_owned(),
        "{% set l = [] %}{% for x in l %}{% endfor %}{% for i in range(90000) %}{% for x in l %}{% endfor %}{% set _ = l.append(i) %}{% endfor %}".to_owned(),
        "{% set _ = messages.append(1) %}".to_owned(),
        // What Python's methods and operators make.
        "{{ '%999999999d' % 1 }}".to_owned(),
        "{{ '%*d' % (999999999, 1) }}".to_owned(),
        "{{ ('%s' * 90000) % ('x' * 90000) }}".to_owned(),
        "{{ 'x'.center(10**12) }}".to_owned(),
        "{{ 'x'.ljust(10**12) }}".to_owned(),
        "{{ 'x'|center(10**12) }}".to_owned(),
        "{{ 'x'.zfill(10**12) }}".to_owned(),
        "{{ 'a\tb'.expandtabs(10**12) }}".to_owned(),
        "{{ ('a\n' * 90000)|indent('y' * 90000) }}".to_owned(),
        "{{ ('a' * 90000).replace('', 'y' * 90000) }}".to_owned(),
        "{{ ('[' * 5000)|from_json }}".to_owned(),
        "{{ ('[[1],' * 5000)|from_json }}".to_owned(),
        "{{ 1 % 0 }}{{ 1.0 % 0 }}".to_owned(),
        // Depth.
        "{% macro m(a=m()) %}{% endmacro %}{{ m() }}".to_owned(),
        "{% macro a(n) %}{{ a([n, [n]]) }}{% endmacro %}{{ a(0) }}".to_owned(),
        "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}".to_owned(),
        format!("{{{{ {}1{} }}}}", "(".repeat(400), ")".repeat(400)),
        format!("{{{{ {}1{} }}}}", "[".repeat(400), "]".repeat(400)),
        format!("{{{{ a{} }}}}", ".a".repeat(100_000)),
        format!("{{{{ a{} }}}}", " ~ a".repeat(100_000)),
        format!("{{{{ a{} }}}}", "|e".repeat(100_000)),
        format!("{{{{ {}a }}}}", "not ".repeat(100_000)),
        format!("{{{{ f({}) }}}}", "1,".repeat(70_000)),
        "{% if a %}".repeat(10_000) + &"{% endif %}".repeat(10_000),
        format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(50_000)),
        // Time.
        "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}".to_owned(),
        "{% set a = range(90000)|list %}{% for i in range(90000) %}{% if a == a[:] %}{% endif %}{% endfor %}".to_owned(),
        "{% set a = 'x' * 90000 %}{% for i in range(90000) %}{% set b = a|upper %}{% endfor %}".to_owned(),
        // Other templates, and access to the engine's internals.
        "{% include 'chat template' %}".to_owned(),
        "{% extends 'chat template' %}".to_owned(),
        "{% import 'chat template' as x %}".to_owned(),
        "{% from 'chat template' import x %}".to_owned(),
        "{% block a %}{{ self.a() }}{% endblock %}".to_owned(),
        "{{ super() }}".to_owned(),
        "{{ loop(1) }}".to_owned(),
        "{{ debug() }}".to_owned(),
        "{{ lipsum() }}".to_owned(),
        "x".repeat(MAX_SOURCE_FOR_TEST),
    ] {
        let told = of(&source, "{}");
        let head: String = source.chars().take(200).collect();
        assert!(told.is_err(), "{head}: {} bytes", told.unwrap().len());
    }
}

/// A long conversation has more steps, but not more bytes.
#[test]
fn a_long_conversation_does_not_let_a_template_take_more_memory() {
    let messages = vec![Data::Null; 2000];
    let variables = Object::from_iter([("messages".to_owned(), Data::List(messages))]);
    let of = |source: &str| render(source, &variables, &bounds());
    let looked_back = "{% for m in messages %}{% for x in messages %}{% endfor %}{% endfor %}x";
    assert_eq!(of(looked_back), Ok("x".to_owned()));
    // 500 MB, of which the engine alone would let 1.8 GB pass.
    let texts = "{% set a = 'x' * 999999 %}{% for m in messages[:500] %}{% set b = a ~ loop.index %}{% endfor %}";
    let block = "{% set a = 'x' * 999999 %}{% for m in messages[:500] %}{% set b %}{{ a }}{% endset %}{% endfor %}";
    for source in [texts, block] {
        let told = of(source).unwrap_err();
        assert!(told.contains("steps"), "{told}");
    }
}

const MAX_SOURCE_FOR_TEST: usize = (1 << 20) + 1;

#[test]
fn the_deepest_that_is_allowed_fits_the_stack() {
    for source in [
        format!("{{{{ a{} }}}}", " ~ a".repeat(490)),
        format!("{{{{ a{} }}}}", "|e".repeat(490)),
        format!("{{{{ {}a }}}}", "not ".repeat(900)),
        format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(500)),
        "{% set ns = namespace(x=1) %}{% for i in range(190) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}{{ ns.x == [ns.x] }}{{ ns|tojson }}{{ ns }}".to_owned(),
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(80) }}".to_owned(),
    ] {
        let told = of(&source, "{}");
        let head: String = source.chars().take(60).collect();
        assert!(told.is_ok(), "{head}: {told:?}");
    }
}

#[test]
fn a_reason_that_a_template_makes_long_is_cut() {
    let told = of("{{ raise_exception('\u{e4}' * 90000) }}", "{}").unwrap_err();
    assert!(
        told.len() < 1100 && told.ends_with("... (line 1)"),
        "{} bytes",
        told.len()
    );
}
