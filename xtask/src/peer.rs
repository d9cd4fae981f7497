//! llama.cpp's own server, which the benchmark compares with: a wheel from PyPI.
//!
//! It is not part of the setup, because only the benchmark needs it.

use crate::wheel::Wheel;

/// The wheel with the server.
pub(crate) const SERVER: Wheel = Wheel {
    package: "xllamacpp",
    module: "xllamacpp",
    version: "2026.10.11549",
    folder: "peer",
    size: "35 MB",
    without: ", or measure without the server with `--no-peer`",
};
