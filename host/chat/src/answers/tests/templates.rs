//! Templates in the styles of published ones: each with the constructs that matter for calls.

/// Turns as many models have them, around how calls are written.
fn turns(calls: &str, tail: &str) -> String {
    format!(
        "{{% if tools %}}<|im_start|>system\n{{% for t in tools %}}{{{{ t|tojson }}}}\n{{% endfor %}}<|im_end|>\n{{% endif %}}\
        {{% for m in messages %}}{{% if m.role == 'assistant' %}}<|im_start|>assistant\n{{{{ m.content or '' }}}}{calls}\
        <|im_end|>\n{{% else %}}<|im_start|>{{{{ m.role }}}}\n{{{{ m.content }}}}<|im_end|>\n{{% endif %}}{{% endfor %}}\
        {{% if add_generation_prompt %}}<|im_start|>assistant\n{tail}{{% endif %}}"
    )
}

/// Calls as JSON in tags, with the reasoning of the last turn (Hermes, Qwen 2.5, Qwen 3).
pub(super) fn qwen3() -> String {
    "{%- if tools %}{{- '<|im_start|>system\\n<tools>' }}{%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}\
    {%- endfor %}{{- '\\n</tools><|im_end|>\\n' }}{%- endif %}\
    {%- set ns = namespace(last=messages|length - 1) %}\
    {%- for m in messages[::-1] %}{%- set index = (messages|length - 1) - loop.index0 %}\
    {%- if m.role == 'user' and ns.last == messages|length - 1 %}{%- set ns.last = index %}{%- endif %}{%- endfor %}\
    {%- for m in messages %}{%- if m.role == 'assistant' %}{%- set thought = m.reasoning_content or '' %}\
    {{- '<|im_start|>assistant\\n' }}{%- if loop.index0 > ns.last and (loop.last or thought) %}\
    {{- '<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' }}{%- endif %}{{- m.content.lstrip('\\n') }}\
    {%- for call in m.tool_calls or [] %}{%- if (loop.first and m.content) or not loop.first %}{{- '\\n' }}{%- endif %}\
    {%- set call = call.function %}{{- '<tool_call>\\n{\"name\": \"' + call.name + '\", \"arguments\": ' }}\
    {%- if call.arguments is string %}{{- call.arguments }}{%- else %}{{- call.arguments | tojson }}{%- endif %}\
    {{- '}\\n</tool_call>' }}{%- endfor %}{{- '<|im_end|>\\n' }}\
    {%- else %}{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{%- endif %}{%- endfor %}\
    {%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
        .to_owned()
}

/// Arguments between tags (Qwen3-Coder).
pub(super) fn qwen3_coder() -> String {
    turns(
        "{% for c in m.tool_calls or [] %}{% set c = c.function %}{{ '\n<tool_call>\n<function=' + c.name + '>\n' }}\
        {% for k, v in c.arguments|items %}<parameter={{ k }}>{{ '\n' }}{{ v if v is string else v|tojson }}{{ '\n</parameter>\n' }}\
        {% endfor %}</function>\n</tool_call>{% endfor %}",
        "",
    )
}

/// One call, without a marker, and another end of the turn (Llama 3).
pub(super) fn llama_3() -> String {
    "{{ bos_token }}<|start_header_id|>system<|end_header_id|>\n\n{% for t in tools or [] %}{{ t|tojson(indent=4) }}\n\n{% endfor %}\
    <|eot_id|>{% for m in messages %}{% if m.tool_calls %}{% if m.tool_calls|length != 1 %}\
    {{ raise_exception('This model only supports single tool-calls at once!') }}{% endif %}{% set c = m.tool_calls[0].function %}\
    <|start_header_id|>assistant<|end_header_id|>\n\n{\"name\": \"{{ c.name }}\", \"parameters\": {{ c.arguments|tojson }}}<|eom_id|>\
    {% else %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content|trim }}<|eot_id|>{% endif %}{% endfor %}\
    {% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
        .to_owned()
}

fn inst(calls: &str) -> String {
    format!(
        "{{{{ bos_token }}}}{{% if tools %}}[AVAILABLE_TOOLS]{{{{ tools|tojson }}}}[/AVAILABLE_TOOLS]{{% endif %}}\
        {{% for m in messages %}}{{% if m.role == 'user' %}}[INST]{{{{ m.content }}}}[/INST]\
        {{% elif m.tool_calls %}}{calls}{{{{ eos_token }}}}{{% else %}}{{{{ m.content }}}}{{{{ eos_token }}}}{{% endif %}}{{% endfor %}}"
    )
}

/// A list of calls with ids (Mistral, tokenizer 3).
pub(super) fn mistral_list() -> String {
    inst(
        "[TOOL_CALLS][{% for c in m.tool_calls %}{% if c.id|length != 9 %}{{ raise_exception('nine signs') }}{% endif %}\
        {{ '{\"name\": \"' + c.function.name }}\
        {{ '\", \"arguments\": ' + c.function.arguments|tojson }}\
        {{ ', \"id\": \"' + c.id + '\"}' }}{% if not loop.last %}, {% endif %}{% endfor %}]",
    )
}

/// A name, then arguments (Mistral, tokenizer 13), and with an id between them (tokenizer 11).
pub(super) fn mistral_named(with_id: bool) -> String {
    let id = if with_id { "[CALL_ID]{{ c.id }}" } else { "" };
    inst(&format!(
        "{{% for c in m.tool_calls %}}[TOOL_CALLS]{{{{ c.function.name }}}}{id}[ARGS]\
        {{{{ c.function.arguments|tojson }}}}{{% endfor %}}"
    ))
}

/// A list in a block of code (Command-R).
pub(super) fn command_r() -> String {
    turns(
        "{% if m.tool_calls %}Action: ```json\n[{% for c in m.tool_calls %}{{ ',' if not loop.first }}\n    {\n        \
        \"tool_name\": \"{{ c.function.name }}\",\n        \
        \"parameters\": {{ c.function.arguments|tojson }}\n    }\
        {% endfor %}{{ '\n]```' }}{% endif %}",
        "",
    )
}

/// A list between control tokens, with ids and markers around text (Command R7B, Command A).
pub(super) fn command_r7b() -> String {
    "{% for t in tools or [] %}{{ t|tojson }}\n{% endfor %}{% for m in messages %}{% if m.role == 'assistant' %}\
    <|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{% if m.tool_calls %}<|START_ACTION|>[{% for c in m.tool_calls %}\
    {{ ',' if not loop.first }}\n    {\"tool_call_id\": \"{{ loop.index0 }}\", \
    \"tool_name\": \"{{ c.function.name }}\", \
    \"parameters\": {{ c.function.arguments|tojson }}}{% endfor %}{{ '\n]<|END_ACTION|>' }}{% else %}<|START_RESPONSE|>{{ m.content }}\
    <|END_RESPONSE|>{% endif %}<|END_OF_TURN_TOKEN|>{% else %}<|START_OF_TURN_TOKEN|><|USER_TOKEN|>{{ m.content }}\
    <|END_OF_TURN_TOKEN|>{% endif %}{% endfor %}{% if add_generation_prompt %}<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>\
    {{ '<|START_THINKING|><|END_THINKING|>' if not reasoning }}{% endif %}"
        .to_owned()
}

/// Keys and values in tags of their own (GLM 4.5).
pub(super) fn glm() -> String {
    "[gMASK]<sop>{% for t in tools or [] %}{{ t|tojson }}\n{% endfor %}{% for m in messages %}{% if m.role == 'assistant' %}\
    <|assistant|>{% if m.reasoning_content %}{{ '\n' }}<think>{{ m.reasoning_content }}</think>{% else %}{{ '\n' }}<think></think>{% endif %}\
    {% if m.content %}{{ '\n' + m.content }}{% endif %}\
    {% for c in m.tool_calls or [] %}{{ '\n<tool_call>' + c.function.name + '\n' }}{% for k, v in c.function.arguments.items() %}\
    <arg_key>{{ k }}</arg_key>\n<arg_value>{{ v if v is string else v|tojson }}</arg_value>\n{% endfor %}</tool_call>{% endfor %}\
    {% else %}<|{{ m.role }}|>\n{{ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
        .to_owned()
}

/// A section of calls, arguments between tags (MiniMax M2).
pub(super) fn minimax() -> String {
    "{% for t in tools or [] %}{{ t.function|tojson }}\n{% endfor %}{% for m in messages %}{% if m.role == 'assistant' %}]~b]ai\n\
    {% if m.reasoning_content %}<think>\n{{ m.reasoning_content }}\n</think>\n\n{% endif %}{{ m.content or '' }}\
    {% if m.tool_calls %}{{ '\n<minimax:tool_call>\n' }}{% for c in m.tool_calls %}<invoke name=\"{{ c.function.name }}\">{{ '\n' }}\
    {% for k, v in c.function.arguments|items %}<parameter name=\"{{ k }}\">{{ v if v is string else v|tojson }}</parameter>\n\
    {% endfor %}{{ '</invoke>\n' }}{% endfor %}</minimax:tool_call>{% endif %}[e~[\n{% else %}]~b]{{ m.role }}\n{{ m.content }}[e~[\n\
    {% endif %}{% endfor %}{% if add_generation_prompt %}]~b]ai\n<think>\n{% endif %}"
        .to_owned()
}

fn deepseek(calls: &str) -> String {
    format!(
        "{{{{ bos_token }}}}{{% for t in tools or [] %}}{{{{ t|tojson }}}}\n{{% endfor %}}{{% for m in messages %}}{{% if m.role == 'user' %}}\
        <｜User｜>{{{{ m.content }}}}{{% elif m.tool_calls %}}<｜Assistant｜>{{{{ m.content or '' }}}}<｜tool▁calls▁begin｜>{calls}\
        <｜tool▁calls▁end｜><｜end▁of▁sentence｜>{{% else %}}<｜Assistant｜>{{{{ m.content.split('</think>')[-1] }}}}\
        <｜end▁of▁sentence｜>{{% endif %}}{{% endfor %}}{{% if add_generation_prompt %}}<｜Assistant｜><think>\n{{% endif %}}"
    )
}

/// A name, then arguments in a block of code (DeepSeek R1 and V3).
pub(super) fn deepseek_r1() -> String {
    deepseek(
        "{% for c in m.tool_calls %}{{ '\n' if not loop.first }}<｜tool▁call▁begin｜>{{ c.type }}<｜tool▁sep｜>{{ c.function.name }}\n\
        ```json\n{{ c.function.arguments if c.function.arguments is string else \
        c.function.arguments|tojson }}\n```\
        <｜tool▁call▁end｜>{% endfor %}",
    )
}

/// A name, then arguments (DeepSeek V3.1).
pub(super) fn deepseek_v3_1() -> String {
    deepseek(
        "{% for c in m.tool_calls %}<｜tool▁call▁begin｜>{{ c.function.name }}<｜tool▁sep｜>\
        {{ c.function.arguments if c.function.arguments is string else c.function.arguments|tojson }}<｜tool▁call▁end｜>{% endfor %}",
    )
}

/// A template that takes tools and says in words how to call them.
pub(super) fn in_words(words: &str) -> String {
    turns("", "").replacen("<|im_end|>", &format!("{words}<|im_end|>"), 1)
}

/// JSON in tags without white space, and tools under another name (SmolLM 3).
pub(super) fn smollm3() -> String {
    turns(
        "{% for c in m.tool_calls or [] %}<tool_call>{\"name\": \"{{ c.function.name }}\", \"arguments\": \
        {{ c.function.arguments|tojson }}}</tool_call>{% endfor %}",
        "{{ '<think>\n' if thinks else '<think>\n\n</think>\n' }}",
    )
    .replace("if tools", "if xml_tools")
    .replace("in tools", "in xml_tools")
}

/// The whole call as the request has it.
pub(super) fn whole_call() -> String {
    turns(
        "{% for c in m.tool_calls or [] %}<call>{{ c|tojson }}</call>{% endfor %}",
        "",
    )
}

/// A template that knows no tools (Gemma 3).
pub(super) fn gemma_3() -> String {
    "{{ bos_token }}{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('must alternate') }}\
    {% endif %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content|trim }}<end_of_turn>\n{% endfor %}\
    {% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
        .to_owned()
}

/// Calls whose ids have their names, which are not written otherwise (Kimi K2).
pub(super) fn kimi() -> String {
    turns(
        "{% if m.tool_calls %}<|tool_calls_section_begin|>{% for c in m.tool_calls %}<|tool_call_begin|>{{ c.id }}\
        <|tool_call_argument_begin|>{{ c.function.arguments|tojson }}<|tool_call_end|>{% endfor %}\
        <|tool_calls_section_end|>{% endif %}",
        "",
    )
}

/// Tags that tell texts from other values (DeepSeek V3.2).
pub(super) fn dsml() -> String {
    turns(
        "{% if m.tool_calls %}{{ '\n\n<｜DSML｜function_calls>\n' }}{% for c in m.tool_calls %}\
        {{ '<｜DSML｜invoke name=\"' + c.function.name + '\">\n' }}{% for k, v in c.function.arguments|items %}\
        {{ '<｜DSML｜parameter name=\"' + k + '\" string=\"' }}\
        {{ 'true' if v is string else 'false' }}\">\
        {{ v if v is string else v|tojson }}{{ '</｜DSML｜parameter>\n' }}{% endfor %}{{ '</｜DSML｜invoke>\n' }}{% endfor %}\
        </｜DSML｜function_calls>{% endif %}",
        "",
    )
}

/// Python's keyword arguments (LFM2.5).
pub(super) fn lfm2() -> String {
    turns(
        "{% if m.tool_calls %}<|tool_call_start|>[{% for c in m.tool_calls %}{{ ', ' if not loop.first }}{{ c.function.name }}(\
        {% for k, v in c.function.arguments|items %}{{ ', ' if not loop.first }}{{ k }}={{ v|tojson }}{% endfor %}){% endfor %}]\
        <|tool_call_end|>{% endif %}",
        "",
    )
}

/// Keys without quotes (Gemma 4).
pub(super) fn gemma_4() -> String {
    turns(
        "{% for c in m.tool_calls or [] %}<|tool_call>call:{{ c.function.name }}{{ '{' }}{% for k, v in c.function.arguments|items %}\
        {{ ',' if not loop.first }}{{ k }}:{{ '<|\"|>' + v + '<|\"|>' if v is string else v|tojson }}{% endfor %}{{ '}' }}\
        <tool_call|>{% endfor %}",
        "",
    )
}

/// Messages with headers (gpt-oss).
pub(super) fn harmony() -> String {
    "{% for t in tools or [] %}{{ t|tojson }}{% endfor %}{% for m in messages %}{% if m.tool_calls %}{% set c = m.tool_calls[0].function %}\
    <|start|>assistant to=functions.{{ c.name }}<|channel|>commentary json<|message|>{{ c.arguments|tojson }}<|call|>\
    {% elif m.role == 'assistant' %}<|start|>assistant<|channel|>final<|message|>{{ m.content }}<|end|>\
    {% else %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endif %}{% endfor %}\
    {% if add_generation_prompt %}<|start|>assistant{% endif %}"
        .to_owned()
}

/// A known marker around something that no format reads.
pub(super) fn unreadable() -> String {
    turns(
        "{% for c in m.tool_calls or [] %}<tool_call>{{ c.function.name }}{% for k, v in c.function.arguments|items %}\
        <{{ k }}>{{ v }}</{{ k }}>{% endfor %}</tool_call>{% endfor %}",
        "",
    )
}

/// An id, then a name, then arguments (Solar Open).
pub(super) fn id_first() -> String {
    turns(
        "{% if m.tool_calls %}<|tool_calls|>{% for c in m.tool_calls %}<|tool_call:begin|>{{ c.id }}<|tool_call:name|>\
        {{ c.function.name }}<|tool_call:args|>{{ c.function.arguments|tojson }}<|tool_call:end|>{% endfor %}{% endif %}",
        "",
    )
}

/// A prompt that has more before the beginning of an answer than a conversation that goes on.
pub(super) fn more_in_the_prompt() -> String {
    "{% for t in tools or [] %}{{ t|tojson }}{% endfor %}{% for m in messages %}<|TURN|>{% if m.role == 'assistant' %}<|BOT|>\
    {{ m.content }}{% for c in m.tool_calls or [] %}{{ '\\n' }}Action: {{ c.function|tojson }};{% endfor %}\
    {% else %}<|USER|>{{ m.content }}{% endif %}<|END|>{% endfor %}\
    {% if add_generation_prompt %}<|TURN|><|SYSTEM|>Write an action.<|END|><|TURN|><|BOT|>{% endif %}"
        .to_owned()
}
