//! The flags with which llama.cpp was built. `build.rs` notes them.

/// How llama.cpp was built: what its own reports do not contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildFlags {
    /// Whether the compiler saw the headers in [`HEADERS`](Self::HEADERS). Without them, gcc 12
    /// optimises away the setup of llama.cpp's AMX kernels, and the first prompt ends the process
    /// (<https://github.com/ggml-org/llama.cpp/pull/26954>).
    pub has_headers: bool,
    /// The build type of cmake. `Release` is `-O3`.
    pub profile: &'static str,
    /// Whether the kernels use the half-float arithmetic of the CPU, which the headers make fast.
    pub half_floats: bool,
}

impl BuildFlags {
    /// The folder of headers that belongs into `CPLUS_INCLUDE_PATH` when llama.cpp is built, on the
    /// machine that built this crate.
    pub const HEADERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/native/gcc");

    /// The flags of this build.
    #[must_use]
    pub fn read() -> Self {
        Self {
            has_headers: matches!(env!("MYNAH_LLAMA_HEADERS").as_bytes(), b"true"),
            profile: env!("MYNAH_LLAMA_PROFILE"),
            // llama.cpp does not report it. Both are built for the same CPU.
            half_floats: cfg!(target_feature = "avx512fp16"),
        }
    }

    /// Whether llama.cpp was optimised as far as its compiler can.
    #[must_use]
    pub fn is_optimised(self) -> bool {
        self.profile == "Release"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_headers_exists_and_this_build_saw_it() {
        for header in ["amxtileintrin.h", "avx512fp16intrin.h"] {
            let header = std::path::Path::new(BuildFlags::HEADERS).join(header);
            assert!(header.is_file(), "{}", header.display());
        }
        // `.cargo/config.toml` of the workspace sets both.
        let flags = BuildFlags::read();
        assert!(flags.has_headers && flags.is_optimised(), "{flags:?}");
    }
}
