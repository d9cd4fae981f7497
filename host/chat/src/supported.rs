//! What is supported of Jinja, for `docs/supported.md`.

use mynah_settings::supported::Supported;

/// What is supported of Jinja.
pub(crate) const SUPPORTED: &[Supported] = &[
    Supported::yes(
        "`for` with `if`, `else`, `recursive` and unpacking; `break`, `continue`",
        "{% for a, b in [(1, 2)] if a recursive %}{% continue %}{% else %}{% endfor %}",
        "`loop` has all its fields, `cycle` and `changed`",
    ),
    Supported::yes(
        "`if`, `elif`, `else`",
        "{% if tools %}{% elif true %}x{% else %}{% endif %}",
        "",
    ),
    Supported::yes(
        "`set`, `set` blocks, `with`, `namespace`",
        "{% set ns = namespace(a=1) %}{% set ns.a = 2 %}{% set b %}x{% endset %}{% with c = 1 %}{% endwith %}",
        "",
    ),
    Supported::yes(
        "`macro`, `call`, `caller`",
        "{% macro m(a, b=a) %}{{ caller() }}{% endmacro %}{% call m(1) %}x{% endcall %}",
        "a default may name an earlier parameter",
    ),
    Supported::yes(
        "`filter` blocks, `raw`, comments, white space control",
        "{%- filter upper -%}a{%- endfilter -%}{% raw %}{{{% endraw %}{# x #}",
        "`trim_blocks` and `lstrip_blocks` are on, as in transformers",
    ),
    Supported::yes(
        "`generation`",
        "{% generation %}x{% endgeneration %}",
        "its content is rendered",
    ),
    Supported::yes(
        "`block`",
        "{% block a %}x{% endblock %}",
        "its content is rendered; `self` and `super` are refused",
    ),
    Supported::yes(
        "operators, comparisons, `in`, `is`, slices, conditional expressions",
        "{{ (1 + 2 * 3 ** 2 // 4) % 5 ~ 'a'[::-1] if 'a' in 'abc' and 1 < 2 <= 3 else none }}",
        "",
    ),
    Supported::yes(
        "`%` with a text",
        "{{ '%s-%03d' % ('a', 7) }}{{ '%(a)s' % {'a': 1} }}",
        "widths of at most three digits",
    ),
    Supported::yes(
        "all tests of Jinja",
        "{{ none is iterable }}{{ 'a' is sequence }}{{ 1 is divisibleby 1 }}{{ m is callable }}",
        "`none` is not iterable, a text is a sequence",
    ),
    Supported::yes(
        "`tojson` with `ensure_ascii`, `indent`, `separators`, `sort_keys`",
        "{{ {'a': 1}|tojson(indent=2, separators=(',', ':'), sort_keys=true, ensure_ascii=true) }}",
        "as `json.dumps`; an indentation of at most 16",
    ),
    Supported::yes(
        "`from_json`",
        "{{ ('{\"a\": 1}'|from_json).a }}",
        "an addition of llama.cpp, which Python lacks",
    ),
    Supported::yes(
        "`append` on a list",
        "{% set l = [] %}{% set _ = l.append(1) %}{{ l }}",
        "only on lists that the template made, and not within other values; Python's sandbox \
         refuses it",
    ),
    Supported::yes(
        "`map`, `select`, `reject`, `selectattr`, `rejectattr`, `groupby`, `sort`, `dictsort`, \
         `unique`, `batch`, `slice`, `first`, `last`, `min`, `max`, `sum`, `join`, `reverse`, \
         `items`, `list`, `length`, `count`",
        "{{ [{'a': 1}]|groupby('a')|list|length }}{{ [1]|select('odd')|map('string')|join }}\
         {{ [2, 1]|sort|first }}",
        "without `case_sensitive`, letters beyond ASCII still differ by their case",
    ),
    Supported::yes(
        "`default`, `trim`, `upper`, `lower`, `title`, `capitalize`, `replace`, `indent`, \
         `truncate`, `center`, `wordcount`, `format`, `string`, `int`, `float`, `round`, `abs`, \
         `attr`, `escape`, `safe`",
        "{{ x|default('a', boolean=true)|indent(2, true)|truncate(9)|center(5) }}\
         {{ '7'|int|string|wordcount }}",
        "",
    ),
    Supported::yes(
        "methods of texts, lists and dictionaries that change nothing",
        "{{ 'a b'.rsplit(none, 1) }}{{ 'ab'.removeprefix('a').zfill(3) }}{{ {}.get('a', 1) }}\
         {{ [1].index(1) }}",
        "the methods of Python's `str` without `encode`, `translate` and `format_map`",
    ),
    Supported::yes(
        "`range`, `dict`, `joiner`, `cycler`, `raise_exception`",
        "{% set j = joiner() %}{{ j() }}{{ range(3)|list }}{{ dict(a=1) }}{{ cycler(1, 2).next() }}",
        "",
    ),
    Supported::yes(
        "`strftime_now`",
        "{{ strftime_now('%d %b %Y %f') }}",
        "the host's local time, with English names",
    ),
    Supported::yes(
        "whole numbers of any size",
        "{{ 100000000000000000000000 }}",
        "beyond 128 bits only from the guest's JSON, and without arithmetic",
    ),
    Supported::no(
        "`include`, `import`, `from`, `extends`",
        "{% include 'other' %}",
        "there is no other template",
    ),
    Supported::no(
        "`varargs` and `kwargs` in a macro",
        "{% macro m(a) %}{{ varargs }}{% endmacro %}{{ m(1, 2) }}",
        "give the macro a parameter for each argument",
    ),
    Supported::no(
        "`pprint`, `urlize`, `urlencode`, `xmlattr`, `striptags`, `wordwrap`, `filesizeformat`, \
         `random`, `forceescape`",
        "{{ 'a'|urlize }}{{ 'a'|pprint }}",
        "write the text itself",
    ),
    Supported::no("`lipsum`", "{{ lipsum() }}", ""),
    Supported::no(
        "methods that change a dictionary, or a list other than by `append`",
        "{% set d = {} %}{{ d.update({'a': 1}) }}",
        "as in Python's sandbox",
    ),
    Supported::no(
        "attributes of Python's objects",
        "{{ ''.__class__.__mro__ }}",
        "as in Python's sandbox",
    ),
    Supported::no(
        "more than 4 million steps, 200 levels, or 1 MiB of source",
        "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}",
        "see the limits in [configuration.md](configuration.md)",
    ),
];
