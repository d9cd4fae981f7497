//! Notes how llama.cpp was built, for `src/build_flags.rs`. The crate that builds llama.cpp reads
//! the same variables.
//!
//! This script cannot set them: cargo builds that crate first, with the variables of the user. A
//! build that is slower than necessary is therefore reported, here and when a model is loaded.

#![allow(
    clippy::print_stdout,
    reason = "cargo reads the script's instructions from stdout"
)]

use std::env;
use std::path::Path;

/// The header that identifies the folder `native/gcc`, and a text that only its version of it has.
const HEADER: (&str, &str) = ("amxtileintrin.h", "MYNAH_AMXTILEINTRIN_H");

fn main() {
    for variable in [
        "CPLUS_INCLUDE_PATH",
        "LLAMA_LIB_PROFILE",
        "CMAKE_BUILD_TYPE",
    ] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    println!("cargo:rerun-if-changed=build.rs");

    let has_headers = env::var_os("CPLUS_INCLUDE_PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| is_ours(&folder)));
    println!("cargo:rustc-env=MYNAH_LLAMA_HEADERS={has_headers}");

    // The order in which llama-cpp-sys-2 decides.
    let set = |variable: &str| env::var(variable).ok().filter(|value| !value.is_empty());
    let profile = set("CMAKE_BUILD_TYPE").or_else(|| set("LLAMA_LIB_PROFILE"));
    let profile = profile.unwrap_or_else(|| {
        let with_debug_info = set("DEBUG").is_some_and(|debug| debug != "false");
        let name = if with_debug_info {
            "RelWithDebInfo"
        } else {
            "Release"
        };
        name.to_owned()
    });
    println!("cargo:rustc-env=MYNAH_LLAMA_PROFILE={profile}");
}

/// Whether it is the folder of headers of this crate, or a copy of it.
fn is_ours(folder: &Path) -> bool {
    let (name, mark) = HEADER;
    std::fs::read_to_string(folder.join(name)).is_ok_and(|text| text.contains(mark))
}
