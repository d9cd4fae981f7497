//! The formats that Mynah knows by name, and how a template shows that it is of one.

use super::format::{
    AnswerFormat, Around, Body, Calls, IdKey, Keys, Named, NamedId, Notation, Origin, Tagged,
};

/// A format that is known by name.
struct Known {
    name: &'static str,
    /// Texts that the source of a template contains, all of them, if it is of this format and
    /// comparing does not find it. None: comparing finds it, or an operator names it.
    hints: &'static [&'static str],
    /// Whether comparing cannot find it, so that the hints are asked first.
    is_certain: bool,
    format: fn() -> AnswerFormat,
}

/// In the order in which templates are asked for them.
const KNOWN: [Known; 22] = [
    Known {
        name: "harmony",
        hints: &["<|channel|>", "<|message|>", "<|start|>"],
        is_certain: true,
        format: harmony,
    },
    Known {
        name: "deepseek-dsml",
        hints: &["｜DSML｜"],
        is_certain: false,
        format: dsml,
    },
    Known {
        name: "kimi-k2",
        hints: &["<|tool_call_argument_begin|>"],
        is_certain: true,
        format: kimi,
    },
    Known {
        name: "gemma-4",
        hints: &["<|tool_call>", "<tool_call|>"],
        is_certain: true,
        format: gemma_4,
    },
    Known {
        name: "function-gemma",
        hints: &["<start_function_call>"],
        is_certain: true,
        format: function_gemma,
    },
    Known {
        name: "lfm2",
        hints: &["<|tool_call_start|>"],
        is_certain: true,
        format: lfm2,
    },
    Known {
        name: "pythonic",
        hints: &["[func_name1(params_name1=params_value1"],
        is_certain: true,
        format: pythonic,
    },
    Known {
        name: "lfm2",
        hints: &["<|tool_list_start|>"],
        is_certain: false,
        format: lfm2,
    },
    Known {
        name: "deepseek-r1",
        hints: &["<｜tool▁call▁begin｜>", "```json"],
        is_certain: false,
        format: deepseek_r1,
    },
    Known {
        name: "deepseek-v3.1",
        hints: &["<｜tool▁call▁begin｜>"],
        is_certain: false,
        format: deepseek_v3_1,
    },
    Known {
        name: "command-r7b",
        hints: &["<|START_ACTION|>"],
        is_certain: true,
        format: command_r7b,
    },
    Known {
        name: "command-r",
        hints: &["Action:", "```json", "tool_name"],
        is_certain: false,
        format: command_r,
    },
    Known {
        name: "phi-4-mini",
        hints: &["<|tool_call|>", "<|/tool_call|>"],
        is_certain: false,
        format: phi_4_mini,
    },
    Known {
        name: "granite-3",
        hints: &["<|tool_call|>"],
        is_certain: false,
        format: granite_3,
    },
    Known {
        name: "phi-4-mini",
        hints: &["<|tool|>", "<|/tool|>"],
        is_certain: false,
        format: phi_4_mini,
    },
    Known {
        name: "mistral-named",
        hints: &["[TOOL_CALLS]", "[ARGS]"],
        is_certain: false,
        format: mistral_named,
    },
    Known {
        name: "mistral-list",
        hints: &["[TOOL_CALLS]"],
        is_certain: false,
        format: mistral_list,
    },
    Known {
        name: "minimax-m2",
        hints: &["<minimax:tool_call>"],
        is_certain: false,
        format: minimax_m2,
    },
    Known {
        name: "glm-4.5",
        hints: &["<arg_key>", "<arg_value>"],
        is_certain: false,
        format: glm,
    },
    Known {
        name: "qwen3-coder",
        hints: &["<function=", "<parameter="],
        is_certain: false,
        format: qwen3_coder,
    },
    Known {
        name: "hermes",
        hints: &["<tool_call>"],
        is_certain: false,
        format: hermes,
    },
    Known {
        name: "llama-3",
        hints: &["<|start_header_id|>", "\"parameters\""],
        is_certain: false,
        format: llama_3,
    },
];

impl AnswerFormat {
    /// The format of this name, which an operator chose. `None`: there is none; [`names`](
    /// Self::names) tells which there are.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let format = match KNOWN.iter().find(|known| known.name == name) {
            Some(known) => (known.format)(),
            None if name == FALLBACK => Self::fallback(),
            None => return None,
        };
        Some(Self {
            origin: Origin::Chosen,
            ..format
        })
    }

    /// The names of the formats that [`named`](Self::named) knows.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        let mut names: Vec<_> = KNOWN.iter().map(|known| known.name).collect();
        names.push(FALLBACK);
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The first format whose markers a template's source contains, and which `is_of` takes: of
    /// those that comparing cannot find, or of the others.
    pub(super) fn recognised(
        source: &str,
        is_certain: bool,
        is_of: impl Fn(&Self) -> bool,
    ) -> Option<Self> {
        let has_hints = |known: &&Known| {
            let has_hints = known.hints.iter().all(|hint| source.contains(hint));
            known.is_certain == is_certain && has_hints
        };
        let hinted = KNOWN.iter().filter(has_hints);
        hinted.map(|known| (known.format)()).find(is_of)
    }

    /// The format that is described to a model whose template knows no calls: a JSON object of the
    /// name and the arguments.
    #[must_use]
    pub fn fallback() -> Self {
        Self {
            origin: Origin::Fallback,
            ..of(
                FALLBACK,
                calls(["", ""], ["", ""], "\n", object("name", "arguments", None)),
            )
        }
    }
}

/// The name of the fallback.
const FALLBACK: &str = "json";

fn of(name: &str, calls: Calls) -> AnswerFormat {
    AnswerFormat {
        name: name.to_owned(),
        origin: Origin::Recognised,
        reasoning: None,
        text: Around::default(),
        calls,
        has_channels: false,
    }
}

fn thinking(format: AnswerFormat) -> AnswerFormat {
    AnswerFormat {
        reasoning: Some(Around::new("<think>\n", "\n</think>\n\n")),
        ..format
    }
}

fn calls(section: [&str; 2], each: [&str; 2], separator: &str, body: Body) -> Calls {
    let [section_begin, section_end] = section;
    let [begin, end] = each;
    Calls {
        section: Around::new(section_begin, section_end),
        each: Around::new(begin, end),
        separator: separator.to_owned(),
        body,
        is_single: false,
    }
}

fn object(name: &str, arguments: &str, id: Option<(&str, bool)>) -> Body {
    Body::Object(Keys {
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        id: id.map(|(key, is_first)| IdKey {
            key: key.to_owned(),
            is_first,
        }),
    })
}

fn name_then(between: &str, notation: Notation) -> Body {
    Body::Named(Named {
        id: NamedId::Absent,
        between: between.to_owned(),
        notation,
    })
}

fn hermes() -> AnswerFormat {
    let each = ["<tool_call>\n", "\n</tool_call>"];
    let body = object("name", "arguments", None);
    thinking(of("hermes", calls(["", ""], each, "\n", body)))
}

fn qwen3_coder() -> AnswerFormat {
    let body = Body::Tagged(Tagged {
        name_end: ">\n".to_owned(),
        key: Around::new("<parameter=", ">"),
        value: Around::new("\n", "\n</parameter>\n"),
        json_begin: None,
    });
    let each = ["<tool_call>\n<function=", "</function>\n</tool_call>"];
    thinking(of("qwen3-coder", calls(["", ""], each, "\n", body)))
}

fn glm() -> AnswerFormat {
    let body = Body::Tagged(Tagged {
        name_end: "\n".to_owned(),
        key: Around::new("<arg_key>", "</arg_key>"),
        value: Around::new("\n<arg_value>", "</arg_value>\n"),
        json_begin: None,
    });
    let each = ["<tool_call>", "</tool_call>"];
    thinking(of("glm-4.5", calls(["", ""], each, "\n", body)))
}

fn minimax_m2() -> AnswerFormat {
    let body = Body::Tagged(Tagged {
        name_end: "\">\n".to_owned(),
        key: Around::new("<parameter name=\"", "\">"),
        value: Around::new("", "</parameter>\n"),
        json_begin: None,
    });
    let section = ["<minimax:tool_call>\n", "</minimax:tool_call>"];
    let each = ["<invoke name=\"", "</invoke>\n"];
    thinking(of("minimax-m2", calls(section, each, "", body)))
}

fn dsml() -> AnswerFormat {
    let body = Body::Tagged(Tagged {
        name_end: "\">\n".to_owned(),
        key: Around::new("<｜DSML｜parameter name=\"", "\""),
        value: Around::new(" string=\"true\">", "</｜DSML｜parameter>\n"),
        json_begin: Some(" string=\"false\">".to_owned()),
    });
    let section = ["<｜DSML｜function_calls>\n", "</｜DSML｜function_calls>"];
    let each = ["<｜DSML｜invoke name=\"", "</｜DSML｜invoke>\n"];
    thinking(of("deepseek-dsml", calls(section, each, "", body)))
}

fn deepseek_r1() -> AnswerFormat {
    let section = ["<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"];
    let each = [
        "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
        "\n```<｜tool▁call▁end｜>",
    ];
    let body = name_then("\n```json\n", Notation::Json);
    thinking(of("deepseek-r1", calls(section, each, "\n", body)))
}

fn deepseek_v3_1() -> AnswerFormat {
    let section = ["<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"];
    let each = ["<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>"];
    let body = name_then("<｜tool▁sep｜>", Notation::Json);
    thinking(of("deepseek-v3.1", calls(section, each, "", body)))
}

fn kimi() -> AnswerFormat {
    let section = ["<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"];
    let each = ["<|tool_call_begin|>", "<|tool_call_end|>"];
    let body = Body::Named(Named {
        id: NamedId::WithName,
        between: "<|tool_call_argument_begin|>".to_owned(),
        notation: Notation::Json,
    });
    thinking(of("kimi-k2", calls(section, each, "", body)))
}

fn gemma_4() -> AnswerFormat {
    let each = ["<|tool_call>call:", "<tool_call|>"];
    let body = name_then("", Notation::Marked("<|\"|>".to_owned()));
    AnswerFormat {
        reasoning: Some(Around::new("<|channel>thought\n", "\n<channel|>")),
        ..of("gemma-4", calls(["", ""], each, "", body))
    }
}

fn function_gemma() -> AnswerFormat {
    let each = ["<start_function_call>call:", "<end_function_call>"];
    let body = name_then("", Notation::Marked("<escape>".to_owned()));
    of("function-gemma", calls(["", ""], each, "", body))
}

fn lfm2() -> AnswerFormat {
    let section = ["<|tool_call_start|>[", "]<|tool_call_end|>"];
    let body = name_then("", Notation::Python);
    thinking(of("lfm2", calls(section, ["", ""], ", ", body)))
}

fn pythonic() -> AnswerFormat {
    let body = name_then("", Notation::Python);
    of("pythonic", calls(["[", "]"], ["", ""], ", ", body))
}

fn command_r7b() -> AnswerFormat {
    let section = ["<|START_ACTION|>[", "\n]<|END_ACTION|>"];
    let body = object("tool_name", "parameters", Some(("tool_call_id", true)));
    AnswerFormat {
        reasoning: Some(Around::new("<|START_THINKING|>", "<|END_THINKING|>")),
        text: Around::new("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
        ..of("command-r7b", calls(section, ["\n    ", ""], ",", body))
    }
}

fn command_r() -> AnswerFormat {
    let section = ["Action: ```json\n[", "\n]```"];
    let body = object("tool_name", "parameters", None);
    of("command-r", calls(section, ["\n    ", ""], ",", body))
}

fn phi_4_mini() -> AnswerFormat {
    let section = ["<|tool_call|>[", "]<|/tool_call|>"];
    let body = object("name", "arguments", None);
    of("phi-4-mini", calls(section, ["", ""], ", ", body))
}

fn granite_3() -> AnswerFormat {
    let section = ["<|tool_call|>[", "]"];
    let body = object("name", "arguments", None);
    of("granite-3", calls(section, ["", ""], ", ", body))
}

fn mistral_named() -> AnswerFormat {
    let body = Body::Named(Named {
        id: NamedId::After("[CALL_ID]".to_owned()),
        between: "[ARGS]".to_owned(),
        notation: Notation::Json,
    });
    AnswerFormat {
        reasoning: Some(Around::new("[THINK]", "[/THINK]")),
        ..of(
            "mistral-named",
            calls(["", ""], ["[TOOL_CALLS]", ""], "", body),
        )
    }
}

fn mistral_list() -> AnswerFormat {
    let section = ["[TOOL_CALLS][", "]"];
    let body = object("name", "arguments", Some(("id", false)));
    of("mistral-list", calls(section, ["", ""], ", ", body))
}

fn llama_3() -> AnswerFormat {
    let body = object("name", "parameters", None);
    of("llama-3", calls(["", ""], ["", ""], "; ", body))
}

/// Without the tokens that end its messages: they end the answer, too.
fn harmony() -> AnswerFormat {
    let each = ["<|channel|>commentary to=functions.", ""];
    let body = name_then(" <|constrain|>json<|message|>", Notation::Json);
    let calls = Calls {
        is_single: true,
        ..calls(["", ""], each, "", body)
    };
    AnswerFormat {
        reasoning: Some(Around::new(
            "<|channel|>analysis<|message|>",
            "<|end|><|start|>assistant",
        )),
        text: Around::new("<|channel|>final<|message|>", ""),
        has_channels: true,
        ..of("harmony", calls)
    }
}
