//! Built-in templates in well-known formats, for models without one, chosen by name.

use mynah_settings::ChatTemplateName;

/// The built-in template whose turn tokens are in the vocabulary.
#[must_use]
pub fn for_vocabulary(has_token: impl Fn(&str) -> bool) -> ChatTemplateName {
    let has_turns = |name: &ChatTemplateName| match name {
        ChatTemplateName::Chatml => has_token("<|im_start|>"),
        ChatTemplateName::Llama3 => has_token("<|start_header_id|>"),
        ChatTemplateName::Gemma => has_token("<start_of_turn>"),
        ChatTemplateName::Mistral => has_token("[INST]"),
        ChatTemplateName::Zephyr => has_token("<|user|>"),
        ChatTemplateName::Plain => true,
    };
    ChatTemplateName::ALL
        .into_iter()
        .find(has_turns)
        .unwrap_or(ChatTemplateName::Plain)
}

/// The Jinja source of a built-in template.
#[must_use]
pub fn built_in_source(name: ChatTemplateName) -> &'static str {
    match name {
        ChatTemplateName::Chatml => {
            "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}\
             {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
        }
        ChatTemplateName::Llama3 => {
            "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n\
             {{ m.content | trim }}<|eot_id|>{% endfor %}\
             {% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
        }
        ChatTemplateName::Gemma => {
            "{{ bos_token }}{% set ns = namespace(system='') %}{% for m in messages %}\
             {% if m.role == 'system' %}{% set ns.system = m.content ~ '\n\n' %}{% else %}\
             <start_of_turn>{{ 'model' if m.role == 'assistant' else 'user' }}\n\
             {% if m.role != 'assistant' %}{{ ns.system }}{% set ns.system = '' %}{% endif %}\
             {{ m.content | trim }}<end_of_turn>\n{% endif %}{% endfor %}\
             {% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
        }
        ChatTemplateName::Mistral => {
            "{{ bos_token }}{% set ns = namespace(system='') %}{% for m in messages %}\
             {% if m.role == 'system' %}{% set ns.system = m.content ~ '\n\n' %}\
             {% elif m.role == 'assistant' %} {{ m.content | trim }}{{ eos_token }}\
             {% else %}[INST] {{ ns.system }}{% set ns.system = '' %}{{ m.content }} [/INST]{% endif %}{% endfor %}"
        }
        ChatTemplateName::Zephyr => {
            "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{{ eos_token }}\n{% endfor %}\
             {% if add_generation_prompt %}<|assistant|>\n{% endif %}"
        }
        ChatTemplateName::Plain => {
            "{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}\n\n\
             {% else %}{{ m.role | capitalize }}: {{ m.content }}\n{% endif %}{% endfor %}\
             {% if add_generation_prompt %}Assistant:{% endif %}"
        }
    }
}
