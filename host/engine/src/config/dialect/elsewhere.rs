//! Keys that other systems know and that mean nothing here: why, instead of "unknown".

/// Keys of WasmEdge's GGML backend, of llama.cpp's server and of others, with what to say about them.
const KNOWN: [(&[&str], &str); 12] = [
    (
        &["ubatch_size", "n_ubatch", "threads_batch"],
        "steps are planned by `model.batch_size`, and computed by `model.threads`",
    ),
    (
        &[
            "main_gpu",
            "tensor_split",
            "split_mode",
            "cpu_moe",
            "n_cpu_moe",
            "numa",
            "no_kv_offload",
            "use_mmap",
            "use_mlock",
            "check_tensors",
        ],
        "the host places the model by itself; `model.n_gpu_layers` chooses how much is on an accelerator",
    ),
    (
        &["flash_attn", "cache_type_k", "cache_type_v", "swa_full"],
        "the KV cells are of one kind",
    ),
    (
        &[
            "rope_freq_base",
            "rope_freq_scale",
            "rope_scaling_type",
            "yarn_ext_factor",
            "yarn_attn_factor",
            "yarn_beta_fast",
            "yarn_beta_slow",
            "yarn_orig_ctx",
        ],
        "the model's file says how positions are encoded",
    ),
    (
        &[
            "enable_log",
            "enable_debug_log",
            "verbosity",
            "log_json",
            "no_perf",
            "no_perf_sampling",
            "timing_per_token",
        ],
        "the operator chooses what is logged, in `logging`",
    ),
    (
        &["stream", "stream_stdout"],
        "text is streamed by `mynah:llm/generation`; stdout is the component's own",
    ),
    (
        &[
            "embedding",
            "embeddings",
            "reranking",
            "pooling_type",
            "attention_type",
            "embd_normalize",
        ],
        "models are served for text alone",
    ),
    (
        &[
            "mmproj",
            "image",
            "tts",
            "model_vocoder",
            "tts_output_file",
            "tts_speaker_file",
        ],
        "models take text and give text",
    ),
    (
        &[
            "cont_batching",
            "n_prev",
            "n_cache_reuse",
            "id_slot",
            "warmup",
        ],
        "the host shares the model between requests by itself",
    ),
    (
        &["n", "n_cmpl", "best_of", "n_sequences"],
        "a request gives one answer: start it again for another",
    ),
    (
        &[
            "adaptive_target",
            "adaptive_decay",
            "infill",
            "guidance_scale",
            "cfg_scale",
        ],
        "this sampler isn't there",
    ),
    (
        &[
            "model_alias",
            "model_name",
            "lora",
            "prompt",
            "messages",
            "tools",
            "user",
        ],
        "it is no setting of how text is made",
    ),
];

/// Why a key has no effect, if it is one that others know.
pub(super) fn reason(key: &str) -> Option<&'static str> {
    let known = KNOWN.iter().find(|(keys, _)| keys.contains(&key));
    known.map(|(_, reason)| *reason)
}
